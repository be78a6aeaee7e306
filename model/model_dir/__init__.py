"""A model folder on disk: configuration, weights, training state, and how it is created and replaced.

May import `model.network`.
"""
