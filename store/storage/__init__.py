"""Where the bytes of a store lie: a directory, a zip archive, an HTTP server, an S3 bucket, and the cache before them.

May import `store.errors` and `store.schema`.
"""
