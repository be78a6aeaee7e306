"""How arrays, tables, attributes and manifests of a store are encoded, and how they are decoded and checked.

May import `store.schema`, `store.genome` and `store.storage`.
"""
