"""Read the objects of a store from a directory, a zip archive, an HTTP server or an S3 bucket.

Also the cache of remote objects, locks and atomic replacement of local files.

May import `store.errors`.
"""
