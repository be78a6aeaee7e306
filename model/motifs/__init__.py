"""Motifs: matrices and their files, those that the kernels of a network have learned, matches between them, logos.

    html_report    show all kernels of a network on one web page that needs nothing else: no network, no script
    jaspar         motifs of JASPAR, from the optional package pyjaspar, which contains the whole database
    kernel_motifs  motif of each kernel: its sites in real sequence, their matrix and its information
    logo           draw logos: pictures from matrices
    meme           read motifs from files in minimal MEME format
    pwm            position weight matrices: find one by name, scan sequence with it
    templates      load the Jinja2 templates of the pictures and of the page, from resources/
    tomtom         compare kernels with known motifs by Tomtom (Gupta et al. 2007, in memelite's implementation)

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
