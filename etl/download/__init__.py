"""Download public inputs, resumed and compared with their digests.

May import `factornet.store`.
"""
