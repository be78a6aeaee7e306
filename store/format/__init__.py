"""Encode, decode and check the arrays, tables, attributes and manifests of a store.

May import `store.errors`, `store.schema`, `store.genome` and `store.storage`.
"""
