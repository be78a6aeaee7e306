"""A model directory: configuration, weights and training state on disk, and its life.

May import `model.network`.
"""
