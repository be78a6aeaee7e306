"""Compare a store with its digests, its schema and its source files; name a remedy for each fault.

May import `etl.shards` and what lies below it.
"""
