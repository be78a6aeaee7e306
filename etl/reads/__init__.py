"""Signal from reads: the cuts of DNase-seq and ATAC-seq, counted base by base and scaled.

    bam_records     decode BAM records to columns
    alignment_file  read alignments from BAM, CRAM and SAM, in one pass
    fragment_file   read fragment files of single cells
    cluster_table   read the table of clusters of cells
    read_filter     choose the alignments that count, and count the others
    cuts            positions of cuts, and their collection in bounded memory
    read_set        the files of a track, and what becomes of their reads
    scale           1x coverage, counts per million, or none
    signal_file     write cuts as bigWigs; their complexity
    signal          from read files to bigWigs: of a track, a stranded pair, or clusters of cells
    track_signals   bigWigs of a cell line's tracks that are given as reads

May import `etl.inputs` and `store`.
"""

from .read_filter import ReadFilter
from .read_set import SignalOptions, open_reads
from .signal import SignalReport, write_clusters, write_signals

__all__ = ["ReadFilter", "SignalOptions", "SignalReport", "open_reads", "write_clusters", "write_signals"]
