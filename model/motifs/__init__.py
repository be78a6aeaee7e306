"""Motifs: matrices and their files, those that the kernels of a network have learned, matches between them, logos.

May import `model.prediction` and the sub-packages below it.
"""

from .html_report import LayerReport, render_page
from .jaspar import jaspar_motif
from .kernel_motifs import KernelSites, find_kernel_sites, write_motifs
from .logo import save_pictures
from .meme import read_meme
from .pwm import Motif, find_motif, inject_motif, log_odds, scan_best_hit
from .tomtom import FEW_MOTIFS, MotifMatch, kernel_rows, match_kernels, match_motifs, to_csv

__all__ = [
    "FEW_MOTIFS",
    "KernelSites",
    "LayerReport",
    "Motif",
    "MotifMatch",
    "find_kernel_sites",
    "find_motif",
    "inject_motif",
    "jaspar_motif",
    "kernel_rows",
    "log_odds",
    "match_kernels",
    "match_motifs",
    "read_meme",
    "render_page",
    "save_pictures",
    "scan_best_hit",
    "to_csv",
    "write_motifs",
]
