"""What the groups of a store consist of: sequence, tracks, labels, tables and excluded regions.

    chromosome_arrays  create the large arrays of a group being built: one per chromosome
    excluded_regions   write the regions of a genome without windows of training: blacklist, gaps of the assembly
    labels             labels of a cell line: their arrays, and the tasks that write them
    raw_arrays         tasks that write the arrays of a raw store: values, or codes and a table
    selected_sequence  select the chromosomes of a genome from its FASTA, and name the assembly
    table_writer       write the small tables of a store (peaks, blacklist, meta) from xarray datasets
    tracks             tracks of a build: their arrays, tasks, figures and notes

May import `etl.shards` and what lies below it.
"""
