"""Batches as tensors on a device, and where they come from.

May import `model.network` and `factornet.store`.
"""
