"""Compute how unique each k-mer of a genome is in it: the Duke uniqueness track, for any genome.

    compute          from a FASTA to a bigWig, in tasks whose results an interrupted run keeps
    counted_records  which records of the FASTA k-mers are counted in
    counting         count copies in passes over the sequence that each take a range of buckets
    kmer_hash        how k-mers are spread over buckets, and buckets over passes
    loops            compiled loops over packed sequence and k-mers
    packed_sequence  sequences packed into 2 bits a base, in one file
    repeats          files of k-mers with copies, one of each pass
    tasks            the tasks, each of which writes one file
    values           write the bigWig

May import `etl.publish`, `etl.inputs`, `etl.shards` and `factornet.store`.
"""

from .compute import Uniqueness, UniquenessOptions, compute_uniqueness, write_uniqueness
from .counted_records import DEFAULT_EXCLUDED

__all__ = ["DEFAULT_EXCLUDED", "Uniqueness", "UniquenessOptions", "compute_uniqueness", "write_uniqueness"]
