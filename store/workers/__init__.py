"""Run tasks on processes of this machine or of others: what builds and predictions share.

    cluster  run tasks on dask.distributed, here or on an existing cluster
    signals  shield child processes from signals that the parent handles

May import `store.errors`.
"""
