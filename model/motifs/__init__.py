"""Motifs: matrices and their files, those that the kernels of a network have learned, matches between them, logos.

    block_kernels  write motifs into the kernels of a network over blocks
    formats        read motif files of any format: MEME, JASPAR, TRANSFAC, HOCOMOCO, HOMER, CIS-BP
    html_report    show all kernels of a network on one web page that needs nothing else: no network, no script
    jaspar         motifs of JASPAR, from the optional package pyjaspar, which contains the whole database
    kernel_motifs  motif of each kernel: its sites in real sequence, their matrix and its information
    logo           draw logos: pictures from matrices
    meme           read motifs from text in MEME format: minimal files, and the output of MEME, DREME and STREME
    motif_text     read motif files as lines of text: plain or gzipped, of any common encoding and line ending
    names          find the motifs of a factor by their names, as JASPAR, HOCOMOCO, CIS-BP and others form them
    pwm            position weight matrices: scan sequence with one, write one into a network's kernels
    templates      load the Jinja2 templates of the pictures and of the page, from resources/
    tomtom         compare kernels with known motifs by Tomtom (Gupta et al. 2007, in memelite's implementation)

May import `model.prediction` and the sub-packages below it.
"""

from .formats import read_motifs
from .html_report import LayerReport, render_page
from .jaspar import jaspar_motif
from .kernel_motifs import KernelSites, find_kernel_sites, write_motifs
from .logo import save_pictures
from .meme import read_meme
from .names import FactorMotifs, find_motif, find_motifs
from .pwm import Motif, inject_motif, log_odds, scan_best_hit, scan_windows
from .tomtom import FEW_MOTIFS, MotifMatch, kernel_rows, match_kernels, match_motifs, to_csv

__all__ = [
    "FEW_MOTIFS",
    "FactorMotifs",
    "KernelSites",
    "LayerReport",
    "Motif",
    "MotifMatch",
    "find_kernel_sites",
    "find_motif",
    "find_motifs",
    "inject_motif",
    "jaspar_motif",
    "kernel_rows",
    "log_odds",
    "match_kernels",
    "match_motifs",
    "read_meme",
    "read_motifs",
    "render_page",
    "save_pictures",
    "scan_best_hit",
    "scan_windows",
    "to_csv",
    "write_motifs",
]
