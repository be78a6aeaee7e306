"""Decide which windows an epoch shows: genome splits, positives and negatives, sampling plans.

May import `store.reader` and everything it builds on, except `store.windows`.
"""
