"""Score predictions against labels, as ENCODE-DREAM does, beside simple baselines.

May import `model.motifs` and what lies below it.
"""
