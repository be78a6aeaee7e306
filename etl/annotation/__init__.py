"""Derive the annotation of a genome from gene sets as GTF, CpG islands, or BED files of its features.

    counts       texts of what was left out of annotation files
    cpg_islands  read CpG islands from UCSC's tables, BED files, and tables with a header
    features     derive the six annotation features, or read them from BED files
    gtf          read the lines of a GTF that make up transcripts
    places       tell apart the places of one transcript id
    shares       figures of the annotation of a genome, and warnings of unusual ones
    transcripts  assemble lines of a GTF to transcripts

May import `etl.inputs` and `factornet.store`.
"""

from .cpg_islands import CpgIslands, read_cpg_islands
from .features import Annotation, annotation_from_beds, annotation_from_gtf, check_bedtools
from .gtf import GtfLines, read_gtf
from .shares import annotation_notes, describe_annotation
from .transcripts import Transcripts, assemble_transcripts

__all__ = [
    "Annotation",
    "CpgIslands",
    "GtfLines",
    "Transcripts",
    "annotation_from_beds",
    "annotation_from_gtf",
    "annotation_notes",
    "assemble_transcripts",
    "check_bedtools",
    "describe_annotation",
    "read_cpg_islands",
    "read_gtf",
]
