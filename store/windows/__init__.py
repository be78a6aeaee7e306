"""Cut the windows of a plan from a store, in batches and bounded memory.

May import `store.reader` and `store.sampling`.
"""
