"""Read and check source files: FASTA, bigWig, BED and narrowPeak, GTF, FactorNet's cell-line folders.

May import only `factornet.store`.
"""

from .annotation import (
    README_RULES,
    AnnotationRules,
    annotation_from_beds,
    annotation_from_gtf,
    check_bedtools,
    published_rules,
)
from .bed import read_intervals, read_peaks, text_lines
from .bigwig import CheckedBigWig, SignalSummary, open_bigwig, read_by_pybigwig, read_values
from .cell_line_folder import CellFolder, ChipFiles, SignalFile, read_cell_folder
from .chip_peaks import FactorPeaks, factor_notes, read_factor, shared_peak_notes
from .chrom_aliases import alias_hint, default_selection, file_names, read_aliases
from .fasta import FastaReader, PreparedFasta, prepare_fasta
from .provenance import (
    InputFingerprint,
    check_unchanged,
    describe_build,
    describe_changes,
    fingerprint_inputs,
    report_changed_inputs,
)

__all__ = [
    "README_RULES",
    "AnnotationRules",
    "CellFolder",
    "CheckedBigWig",
    "ChipFiles",
    "FactorPeaks",
    "FastaReader",
    "InputFingerprint",
    "PreparedFasta",
    "SignalFile",
    "SignalSummary",
    "alias_hint",
    "annotation_from_beds",
    "annotation_from_gtf",
    "check_bedtools",
    "check_unchanged",
    "default_selection",
    "describe_build",
    "describe_changes",
    "factor_notes",
    "file_names",
    "fingerprint_inputs",
    "open_bigwig",
    "prepare_fasta",
    "published_rules",
    "read_aliases",
    "read_by_pybigwig",
    "read_cell_folder",
    "read_factor",
    "read_intervals",
    "read_peaks",
    "read_values",
    "report_changed_inputs",
    "shared_peak_notes",
    "text_lines",
]
