"""Which windows an epoch shows: splits of the genome, positives and negatives, the plan.

May import `store.reader` and what lies below it.
"""
