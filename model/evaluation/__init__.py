"""Score predictions against labels as ENCODE-DREAM does, with baselines; plot a locus.

May import `model.motifs` and what lies below it.
"""
