"""Turn windows of a store into batches of tensors on a device, streamed or cut from memory.

May import `model.network` and `factornet.store`.
"""
