"""How the tests of stores on servers read from one, and what network they train."""

import numpy as np

from factornet.store import open_store, read_span

NETWORK = "-L 200 -k 8 -w 13 -r 4 -d 8 -e 1 -b 50 --device cpu --resident no".split()


def sequence(place, chrom="chr21", **more) -> np.ndarray:
    return read_span(open_store(place, **more).sequence(chrom), 0, 5000)
