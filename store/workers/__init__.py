"""Run tasks on processes of this machine or of others: what builds and predictions share.

    cluster   run tasks on dask.distributed, here or on an existing cluster
    signals   shield child processes from signals that the parent handles
    starting  start processes, or say what this machine lacks for them

May import `store.errors`, `store.machine` and `store.text`.
"""
