"""What the commands share: exit status, signals, types of arguments, progress, options of stores.

    annotation_check  compare the annotation rules of a store with those of a model
    arguments         types of command-line arguments, the options of every command, files that options name
    calibration       what scores mean: options and text of calibrated predictions and called sites
    findings          print the faults that a verification found
    known_motifs      choose a factor's known motif, from a file of motifs, JASPAR, or the one that FactorNet came with
    model_options     options of the commands that use a model
    output            put out the lines and tables of the commands
    progress          show the progress of a command on standard error
    runner            run a command: exit status, errors on one line, signals, a closed standard output
    signal_check      compare the signals of a cell line with those of a model's training
    store_options     options of the commands that read a store
    worker_options    options of the workers that a command's tasks are shared out to, and connecting to them

May import `etl` and `store`; and `model`, which takes a second, in functions only.
"""
