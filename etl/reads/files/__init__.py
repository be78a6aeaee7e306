"""Read the files that reads come in, batch by batch.

    alignment_file  read alignments from BAM, CRAM and SAM, in one pass
    bam_loops       loops over the bytes of BAM records, compiled
    bam_records     decode BAM records to columns
    cluster_table   read the table of clusters of cells
    fragment_file   read fragment files of single cells

May import `etl.inputs` and `store`.
"""
