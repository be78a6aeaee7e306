"""Windows of a store as a dataset of PyTorch, for networks of one's own.

store = open_store("hg19.zarr")
split = split_genome(store.coordinates, valid=[], test=[])
sampler = Sampler(store, cells=("K562",), factor="MAX", split=split, window_length=1000)
dataset = WindowDataset(store, partial(sampler.epoch, 0), StreamSettings(1000))
loader = DataLoader(dataset, batch_size=None, num_workers=2)
for epoch in range(5):
    dataset.set_epoch(epoch)
    for batch in loader:
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.windows.batch import Batch, StreamSettings
from ...store.windows.loader import WindowStream
from .dataset_state import DatasetPosition, PlanSummary, check_order, describe_order

Windows = SamplingPlan | Callable[[int], SamplingPlan]
"""The windows of every epoch, or a function that draws those of an epoch; `functools.partial` makes one that worker
processes can be given."""


@dataclass(frozen=True)
class WindowBatch:
    """Windows of B bins, on the CPU.

    Attributes:
        index: their rows in the plan of the epoch, int64 (B,).
        codes: bases A, C, G, T as 0 to 3, N and positions past the ends of a chromosome as 4, uint8 (B, L);
            `factornet.model.one_hot` encodes them.
        tracks: signal, float32 (B, tracks, L).
        features: meta values and annotation, float32 (B, features); see `factornet.store.Batch`.
        labels: targets of the plan, float32 (B, tasks).
        targets: signal to learn, float32 (B, target tracks, values); no target tracks without a `SignalTarget`.
    """

    index: Tensor
    codes: Tensor
    tracks: Tensor
    features: Tensor
    labels: Tensor
    targets: Tensor

    def to(self, *args: Any, **options: Any) -> WindowBatch:
        """Return the batch on a device; arguments as of `torch.Tensor.to`. Rows of the plan stay where they are."""
        moved = {name: getattr(self, name).to(*args, **options) for name in _MOVED}
        return replace(self, **moved)

    def pin_memory(self) -> WindowBatch:
        """Return the batch in pinned memory, from which it is copied to a GPU while that computes."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in _MOVED})


_START = DatasetPosition(0, 0, 1, None)
_MOVED = ("codes", "tracks", "features", "labels", "targets")


@dataclass(frozen=True, kw_only=True)
class SignalTarget:
    """Signal to learn: tracks of the same cell line, in the middle of each window.

    Attributes:
        tracks: names of tracks of the store.
        length: bases in the middle of the window; even where the window's length is.
        resolution: bases of which a value is the mean.

    Raises:
        UsageError: `length` is no multiple of `resolution`, or there is no track.
    """

    tracks: tuple[str, ...]
    length: int = 200
    resolution: int = 200

    def __post_init__(self) -> None:
        if not self.tracks or self.resolution < 1 or self.length < 1 or self.length % self.resolution:
            raise UsageError(
                f"a target needs a track, and {self.length} bases that are a multiple of {self.resolution}, its "
                f"resolution; tracks: {', '.join(self.tracks) or 'none'}"
            )

    def values(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 (B, tracks, length / resolution) from windows of the tracks, float32 (B, tracks, L).

        Raises:
            UsageError: `length` is more than L, or only one of them is even, so that there is no middle.
        """
        if self.length > signal.shape[2] or (signal.shape[2] - self.length) % 2:
            problem = f"a target of {self.length} bases is not in the middle of windows of {signal.shape[2]}"
            raise UsageError(f"{problem}: choose one that is not longer, and even as the window's length is, or odd")
        first = (signal.shape[2] - self.length) // 2
        middle = signal[:, :, first : first + self.length]
        means: NDArray[np.float32] = middle.reshape(*signal.shape[:2], -1, self.resolution).mean(3, dtype=np.float32)
        return means


class WindowDataset(IterableDataset[Any]):
    """Batches of windows for a `torch.utils.data.DataLoader` with ``batch_size=None``.

    With n workers, the batches of an epoch are shared out: n of them at a time are one large batch, of which every
    worker reads its part. So batches have the size of the settings with any number of workers, all windows come
    once, and memory is that of one stream, but which windows share a batch depends on n. Several processes (DDP) have a
    rank in the settings, whose batch size is that of all of them; of an epoch's last windows some may get fewer, or no
    batch: with `drop_last` all get the same batches.

    Args:
        store: an open store.
        windows: a `SamplingPlan`, the windows of every epoch, or a function that draws those of an epoch from its
            number; `functools.partial(sampler.epoch, 0)` is one that worker processes can be given.
        settings: how to stream them; inputs must be named (`tracks`) where there is a target.
        seed: determines the order, together with the epoch; None keeps genome order.
        target: signal to learn, besides the labels of the plan.
        transform: is called with every batch, a `WindowBatch`, in the process that reads it; its result is yielded.
        drop_last: leave out the windows of an epoch that fill no batch of all workers and processes; their number is
            at most that of one such batch.

    Raises:
        UsageError: the target's tracks are inputs too, or inputs are not named.
    """

    def __init__(
        self,
        store: Store,
        windows: Windows,
        settings: StreamSettings,
        *,
        seed: int | None = 0,
        target: SignalTarget | None = None,
        transform: Callable[[WindowBatch], Any] | None = None,
        drop_last: bool = False,
    ) -> None:
        self.store, self.windows, self.settings, self.seed = store, windows, settings, seed
        self.target, self.transform, self.drop_last = target, transform, drop_last
        if target is not None:
            if settings.tracks is None:
                raise UsageError("name the tracks that are inputs in the settings: all are read else, the target too")
            if both := [name for name in target.tracks if name in settings.tracks]:
                raise UsageError(f"{', '.join(both)}: input and target at once; name other tracks in one of them")
        # Shared, so that workers that live for several epochs see them change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._in_workers = torch.zeros((), dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]
        self._n_loaded = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._n_loaded_here = 0
        self._resumed, self._begun = _START, _none_begun(1)
        self._read: tuple[int | None, DatasetPosition] = (None, _START)
        self._summary: tuple[Windows, int, PlanSummary] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose windows, and their order, the next iteration yields; the first is 0.

        Another epoch than the present one begins at its first batch, also where a state was loaded.
        """
        if epoch != int(self._epoch):
            self._resumed, self._read = _START, (None, _START)
        self._epoch.fill_(epoch)

    def state_dict(self, *, batches: int | None = None, workers: int = 1) -> dict[str, Any]:
        """Return where an epoch stands, and on what the order of its windows depends.

        Args:
            batches: number of batches of the epoch that the caller has taken from a loader; by default, those that this
                object has yielded itself, in this process, or the state that was loaded and has not been used yet.
            workers: of that loader; 1 without.

        Raises:
            UsageError: workers of a loader yield the batches, so that this object cannot count them.
        """
        epoch, order = int(self._epoch), self._order(int(self._epoch))
        if batches is not None:
            return asdict(DatasetPosition(epoch, batches, max(1, workers), None)) | order
        info = get_worker_info()
        reader = None if info is None else info.id
        if self._is_pending(epoch, reader):
            return asdict(self._resumed) | order
        if info is None and self._in_workers:
            problem = "workers of a loader yield the batches, and this process does not see how many were taken"
            raise UsageError(
                f"{problem}; give their number, and that of the workers: state_dict(batches=..., workers=...)"
            )
        read_by, position = self._read
        if read_by != reader or position.epoch != epoch:
            position = DatasetPosition(epoch, 0, 1 if info is None else info.num_workers, reader)
        return asdict(position) | order

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next iteration of that epoch begin where it stood; its batches before are read and not yielded.

        The loader must have as many workers as the state says, and must be made anew where its workers are persistent:
        those that have started refuse to go on.

        Raises:
            UsageError: it is no state of a dataset, or one of another order of windows: of another plan, form of the
                store, seed, batch size, number of processes, or whatever else decides it.
        """
        position = DatasetPosition.of(state)
        check_order(state, self._order(position.epoch))
        if get_worker_info() is None:
            self._n_loaded += 1
        self._n_loaded_here = int(self._n_loaded)
        self.set_epoch(position.epoch)
        self._resumed, self._begun, self._read = position, _none_begun(position.workers), (None, _START)

    def _order(self, epoch: int) -> dict[str, Any]:
        """Return on what it depends which windows of an epoch come in which order, as JSON values."""
        before, windows = self._summary, self.windows
        if before is not None and before[0] is windows and (before[1] == epoch or not callable(windows)):
            summary = before[2]
        else:
            summary = self._summarize(epoch, self._plan_of(epoch))
        settings = self._settings_of(0, 1)
        return describe_order(self.store, summary, settings, seed=self.seed, drop_last=self.drop_last)

    def _plan_of(self, epoch: int) -> SamplingPlan:
        return self.windows(epoch) if callable(self.windows) else self.windows

    def _summarize(self, epoch: int, plan: SamplingPlan) -> PlanSummary:
        """Return the summary of the windows of an epoch, which is kept: states ask for it again and again."""
        summary = PlanSummary.of(plan, self.store)
        self._summary = (self.windows, epoch, summary)
        return summary

    def _is_pending(self, epoch: int, reader: int | None) -> bool:
        """Return whether a state was loaded that a worker, or this process (None), has not gone on from yet."""
        if self._resumed.epoch != epoch or not self._resumed.batches:
            return False
        if reader is None:
            return not bool(self._begun.any())
        return not bool(self._begun.all() or (reader < len(self._begun) and self._begun[reader]))

    def __iter__(self) -> Iterator[Any]:
        info, epoch = get_worker_info(), int(self._epoch)
        reader = None if info is None else info.id
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        if int(self._n_loaded) != self._n_loaded_here:
            raise UsageError(
                f"a state was loaded after worker {worker} of the loader had started, which does not see it; make a "
                "loader with persistent workers anew after load_state_dict"
            )
        position = DatasetPosition(epoch, 0, workers, reader)
        if self._is_pending(epoch, reader):
            position = self._resumed
        part, skipped = position.skipped(worker, workers)
        plan = self._plan_of(epoch)
        if callable(self.windows):  # to draw them again for a state takes longer
            self._summarize(epoch, plan)
        settings = self._settings_of(part, workers)
        full = len(plan) // settings.batch_size
        if skipped > (most := -(-len(plan) // settings.batch_size)):
            raise UsageError(
                f"the state is behind {position.batches:,} batches, but epoch {epoch} has at most {most * workers:,}: "
                "it is of other windows"
            )
        self._begun[worker : worker + 1] = True
        self._in_workers.fill_(info is not None)
        self._read = (reader, position)
        seed = None if self.seed is None else (self.seed, epoch)
        for number, batch in enumerate(WindowStream(self.store, plan, settings, seed=seed)):
            if (self.drop_last and number >= full) or not batch.index.size:
                return
            if number >= skipped:
                position = position.behind_next()
                self._read = (reader, position)
                found = self._as_tensors(batch)
                yield found if self.transform is None else self.transform(found)

    def _settings_of(self, part: int, workers: int) -> StreamSettings:
        """Return the settings of the stream of a worker, which reads one part of large batches."""
        own = self.settings
        return replace(
            own,
            batch_size=own.batch_size * workers,
            pool_bytes=max(1, own.pool_bytes // workers),
            rank=own.rank * workers + part,
            world_size=own.world_size * workers,
            tracks=own.tracks if self.target is None else (*(own.tracks or ()), *self.target.tracks),
        )

    def _as_tensors(self, batch: Batch) -> WindowBatch:
        n_inputs = batch.tracks.shape[1] - (0 if self.target is None else len(self.target.tracks))
        signal = batch.tracks[:, n_inputs:]
        targets = np.zeros((len(signal), 0, 0), np.float32) if self.target is None else self.target.values(signal)
        return WindowBatch(
            index=torch.from_numpy(batch.index),
            codes=torch.from_numpy(batch.codes),
            tracks=torch.from_numpy(np.ascontiguousarray(batch.tracks[:, :n_inputs])),
            features=torch.from_numpy(batch.features),
            labels=torch.from_numpy(batch.labels.astype(np.float32)),
            targets=torch.from_numpy(np.ascontiguousarray(targets, np.float32)),
        )


def _none_begun(workers: int) -> torch.Tensor:
    """Return a flag for each worker, shared with them: whether it has begun where an epoch stood."""
    flags: torch.Tensor = torch.zeros(workers, dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]
    return flags
