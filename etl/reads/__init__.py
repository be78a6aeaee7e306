"""Signal from reads: the cuts of DNase-seq and ATAC-seq, counted base by base and scaled.

    files/          read BAM, CRAM, SAM and fragment files, and tables of clusters
    read_filter     choose the alignments that count, and count the others
    cuts            positions of cuts, and their collection in bounded memory
    read_set        the files of a track, and what becomes of their reads
    quality         complexity of cuts, share in peaks, enrichment at transcription starts
    scale           1x coverage, counts per million, or none
    signal_options  assay, filters, shift and scale
    signal_file     write cuts as bigWigs; their complexity
    signal          from read files to bigWigs: of a track, a stranded pair, or clusters of cells
    track_signals   bigWigs of a cell line's tracks that are given as reads

May import `etl.inputs` and `store`.
"""

from .read_filter import ReadFilter
from .read_set import open_reads
from .signal import SignalReport, write_clusters, write_signals
from .signal_options import SignalOptions

__all__ = ["ReadFilter", "SignalOptions", "SignalReport", "open_reads", "write_clusters", "write_signals"]
