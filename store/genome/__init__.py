"""Genome coordinates: intervals, their algebra, and regions as people write them.

May import `store.errors`.
"""
