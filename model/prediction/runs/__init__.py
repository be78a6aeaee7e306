"""Predict files: one or many of them in one pass over the store.

    ensemble        join the scores of several models of one factor: the mean, or the mean of ranks
    folder          predict a folder of files, one a factor, and the table of what was done
    interval_run    write the scores of intervals to several files
    interval_tiles  divide intervals that are longer than a bin into bins, and join their scores
    outputs         files to predict: their names, the models of each, their records
    region_run      write the scores of all bins of regions to several files, resumable region by region
    report          the table of what was predicted: TSV and JSON

May import `model.network`, `model.data`, `model.model_dir`, and the modules of `prediction` but `to_file`.
"""
