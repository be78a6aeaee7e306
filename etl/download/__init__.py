"""Download public inputs: resumable, from several servers, checked against published digests.

May import only `factornet.store` and `factornet.etl.publish.disk_space`.
"""
