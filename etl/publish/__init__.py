"""Build a group in a staging folder and publish it in one step: locks, manifests, disk space, removal.

May import `factornet.store`.
"""
