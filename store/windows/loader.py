"""Stream the windows of a plan as batches, in bounded memory.

A compressed store is read in slabs and emitted from shuffle buffers (`shuffle_buffer`); a raw store, or one held in
memory, is gathered from its arrays in exact random order (`random_access`). The windows are the same, byte for byte.
Order and content depend on the plan and the seed alone, never on threads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import cast

from ..errors import UsageError
from ..reader import Store
from ..sampling.plan import SamplingPlan, make_rng
from .batch import Batch, CodedBatch, StreamSettings, WindowBlock
from .planned import PlannedWindows
from .random_access import Gatherer, random_access_blocks
from .shuffle_buffer import shuffled_blocks


class WindowStream:
    """Batches of a plan's windows.

    Args:
        store: an open store.
        plan: the windows.
        settings: how to stream them.
        seed: determines the order; None keeps genome order (prediction).

    Iterating again reads again, in the same order.

    Raises:
        UsageError: tracks or meta values differ between cell lines, the store lacks meta values or annotation that the
            settings ask for, or the plan does not fit the store.
        StoreError: an array of a raw store is missing or damaged (of a compressed store, this shows on reading).
    """

    def __init__(
        self, store: Store, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None
    ) -> None:
        self._store, self._seed = store, seed
        self._windows = PlannedWindows.of(store, plan, settings)
        self.has_codes = False
        """Whether all of the signal is kept as codes, so that `coded_batches` can be read."""
        if store.random_access:  # opens every array of the plan, so that a missing one is an error now
            self.has_codes = Gatherer(store, self._windows).has_codes

    def __len__(self) -> int:
        """Number of batches."""
        return self._windows.n_batches

    def __iter__(self) -> Iterator[Batch]:
        if not self.has_codes:
            read = random_access_blocks if self._store.random_access else shuffled_blocks
            yield from cast("Iterator[Batch]", self._batches(read))
            return
        for batch in self.coded_batches():
            yield batch.decoded()  # by the thread that uses it: what another writes ahead has left the cache again

    def coded_batches(self) -> Iterator[CodedBatch]:
        """Yield the same batches with codes and tables, a quarter of the bytes, for a device that looks values up.

        Raises:
            UsageError: some of the signal is not kept as codes.
        """
        if not self.has_codes:
            raise UsageError(f"{self._store.location}: not all of the signal is kept as codes; read its values instead")
        return cast("Iterator[CodedBatch]", self._batches(partial(random_access_blocks, coded=True)))

    def _batches(self, read: Callable[..., Generator[WindowBlock, None, None]]) -> Iterator[Batch | CodedBatch]:
        rng = None if self._seed is None else make_rng(*self._seed)
        with closing(read(self._store, self._windows, rng)) as blocks:
            for block in blocks:
                yield from block.batches(self._windows.plan)
                del block  # release it before the next one is read: memory is bounded by what `read` holds
