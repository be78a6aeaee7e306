"""Motifs: matrices and their files, those that the kernels of a network have learned, matches between them, logos.

May import `model.prediction` and the sub-packages below it.
"""
