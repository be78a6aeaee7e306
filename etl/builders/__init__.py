"""Build the genome, a cell line, or a raw store.

May import `etl.verify` and what lies below it.
"""
