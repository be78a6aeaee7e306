"""Genome coordinates, interval algebra, and the parser of regions such as ``chr20:0-45000000``.

May import `store.errors` only.
"""
