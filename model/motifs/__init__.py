"""Known motifs and what the kernels of a network have learnt: matrices, MEME files, matches, logos.

May import `model.prediction` and what lies below it.
"""
