"""Read and check source files: FASTA, bigWig, BED and narrowPeak, GTF, FactorNet's cell-line folders.

May import only `factornet.store`.
"""
