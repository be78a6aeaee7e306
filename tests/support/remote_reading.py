"""Reading a sequence from a store anywhere, and the options of a network small enough to train in a test."""

import numpy as np

from factornet.store import open_store, read_span

NETWORK = "-L 200 -k 8 -w 13 -r 4 -d 8 -e 1 -b 50 --device cpu --resident no".split()


def sequence(location, chrom="chr21", **options) -> np.ndarray:
    """Return the first 5000 bases of a chromosome, uint8 codes; options are those of `open_store`."""
    return read_span(open_store(location, **options).sequence(chrom), 0, 5000)
