"""Arrays of a compressed store, where NumPy takes them for its own."""

import numpy as np
import pytest

from factornet.store import open_store


@pytest.mark.parametrize("path", ["genome/sequence/chr21", "cells/K562/tracks/DGF/chr21", "cells/K562/labels/chr21"])
def test_arrays_become_arrays_of_numpy_in_one_read(demo_store, monkeypatch, path):
    array = open_store(demo_store).array(path)
    whole, reads = array[:], []
    read = type(array).read
    monkeypatch.setattr(
        type(array), "read", lambda self, *rows, **more: reads.append(rows) or read(self, *rows, **more)
    )
    assert np.array_equal(np.asarray(array), whole)
    assert np.asarray(array, np.float64).dtype == np.float64
    assert np.array_equal(np.mean(array, axis=0), whole.mean(axis=0))
    assert {*reads} == {(0, len(array))}
    reads.clear()
    for i in (0, 7, -1, np.int64(9)):
        assert np.array_equal(array[i], whole[i])
        assert type(array[i]) is type(whole[i])
    assert max(stop - start for start, stop in reads) == 1
    with pytest.raises(IndexError):
        array[len(array)]
    with pytest.raises(ValueError, match="a copy is made"):
        np.array(array, copy=False)
