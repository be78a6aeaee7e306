"""Predict files: one or many of them in one pass over the store.

    ensemble        join the scores of several models of one factor: the mean, or the mean of ranks
    folder          predict a folder of files, one a factor, and the table of what was done
    interval_run    write the scores of intervals to several files
    interval_tiles  divide intervals that are longer than a bin into bins, and join their scores
    joining         join the parts of an output into its file, with its record
    outputs         files to predict: their names, the models of each, their records
    region_bins     all bins of regions, and the parts in which they are computed
    region_files    write the scores of one part of a region, one file a predictor
    region_run      write the scores of all bins of regions to several files, resumable part by part
    region_task     the task of a worker: open store and models once, and write the scores of one part
    report          the table of what was predicted: TSV and JSON
    workers         workers that predict parts, here or of a dask scheduler

May import `model.network`, `model.data`, `model.model_dir`, `model.keras`, and the modules of `prediction` but
`to_file`.
"""
