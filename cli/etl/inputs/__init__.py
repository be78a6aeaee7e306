"""Commands that download or make the input files of a build.

    demo            factornet-etl demo: write a small simulated experiment
    encode          factornet-etl fetch --encode: make cell-line folders of the files of an ENCODE cart
    expression      factornet-etl expression: make components of gene expression from a table of TPMs
    fetch           factornet-etl fetch: download the public inputs of a store
    init            factornet-etl init: write the sheets of a folder from the files in it
    signal          factornet-etl signal: make bigWigs of cuts from reads
    signal_picture  draw the quality of the reads behind a signal
    uniqueness      factornet-etl uniqueness: make a bigWig of how unique each k-mer of a genome is

May import `cli.common`, `cli.etl.read_options` and what lies below them.
"""
