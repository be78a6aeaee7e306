"""Simulate a small experiment and write its source files: genome, annotation, tracks and cell lines.

    simulate     simulate a small experiment, as arrays, from which a network can learn something
    write_files  write the simulated experiment as source files: FASTA, GTF, bigWig, narrowPeak and cell-line folders

May import only `factornet.store`.
"""

from .write_files import DemoSummary, write_demo

__all__ = ["DemoSummary", "write_demo"]
