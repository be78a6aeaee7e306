"""Predict probabilities for intervals and regions, and write them as bedGraph or bigWig.

May import `model.network`, `model.data` and `model.model_dir`.
"""
