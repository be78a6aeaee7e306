"""The work of a build as tasks of one shard each, and what runs them: this process, several, or dask.distributed.

May import `etl.inputs` and `etl.publish`.
"""
