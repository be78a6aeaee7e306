"""Build a group beside its final path and publish it in one step: locks, staging, manifests, removal.

May import `factornet.store`.
"""
