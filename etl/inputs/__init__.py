"""Read and check source files: FASTA, bigWig, BED and narrowPeak, FactorNet's cell-line folders.

    alias_tables      read chromosome aliases: pairs, and tables of two columns, of UCSC or of NCBI
    assembly          known assemblies, recognised by the lengths of their chromosomes
    bed               read peaks and regions from BED files and the peak files of common programs, plain or gzipped
    bigwig            read a bigWig signal as float32, gaps as 0
    cell_line_folder  read FactorNet's cell-line folders: bigwig.txt, chip.txt and meta.txt
    chip_peaks        read the peaks of a row of chip.txt, and report what is unusual in them
    chrom_aliases     translate chromosome names between input files and the store
    fasta             check and index a genome FASTA, and read its sequence
    peak_columns      find chromosome, positions and summit in the lines of peak files, whichever program wrote them
    provenance        record the provenance of a build: input files, versions and options
    read_files        tell files of reads from others by their names
    sheets/           sheets of a cell-line folder, row by row
    signal_summary    statistics of a signal that add up: extremes, sums, and a histogram from which quantiles are read

May import only `factornet.store`.
"""

from .alias_tables import Synonyms, read_alias_table, read_aliases
from .bed import PeakFile, read_intervals, read_peaks, text_lines
from .bigwig import CheckedBigWig, open_bigwig, read_by_pybigwig, read_values
from .cell_line_folder import CellFolder, ChipFiles, read_cell_folder
from .chip_peaks import FactorPeaks, describe_factor, notes_on_factors, read_factor, read_peak_set
from .chrom_aliases import alias_hint, default_selection, file_names, likely_aliases
from .fasta import FastaReader, PreparedFasta, prepare_fasta
from .provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    describe_changes,
    fingerprint_inputs,
    read_sources,
    report_changed_inputs,
)
from .sheets.tracks import SignalFile
from .signal_summary import SignalSummary

__all__ = [
    "CellFolder",
    "CheckedBigWig",
    "ChipFiles",
    "FactorPeaks",
    "FastaReader",
    "InputFingerprint",
    "PeakFile",
    "PreparedFasta",
    "SignalFile",
    "SignalSummary",
    "Synonyms",
    "alias_hint",
    "check_unchanged",
    "default_selection",
    "describe_build",
    "describe_changes",
    "describe_factor",
    "file_names",
    "fingerprint_inputs",
    "likely_aliases",
    "notes_on_factors",
    "open_bigwig",
    "prepare_fasta",
    "read_alias_table",
    "read_aliases",
    "read_by_pybigwig",
    "read_cell_folder",
    "read_factor",
    "read_intervals",
    "read_peak_set",
    "read_peaks",
    "read_sources",
    "read_values",
    "report_changed_inputs",
    "text_lines",
]
