"""Copy groups between stores: export, import, merge, and builds into object storage.

May import `etl.builders` and what lies below it.
"""
