"""Copy groups between stores: export, import, merge, and builds into object storage.

May import `etl.publish` and what lies below it.
"""
