"""Build a genome, a cell line, or a raw store from a compressed one.

May import `etl.verify` and what lies below it.
"""
