"""Plan a build: make all its checks without stopping at the first fault, and say what it will write and take."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Literal

from ....store.cell_info import CellInfo
from ....store.errors import FactorNetError, Problems, UsageError
from ....store.files.digest import file_digest
from ....store.files.folder_name import folder_name
from ....store.genome.intervals import GenomeCoordinates
from ....store.reader import Store
from ....store.schema import bin_count
from ....store.storage.atomic_swap import cell_line_staging_name, final_path
from ...inputs.bigwig import CheckedBigWig, read_values
from ...inputs.cell_line_folder import CellFolder, read_cell_folder
from ...inputs.chip_peaks import describe_factor, notes_on_factors
from ...publish.transaction import version_at
from ...reads.track_signals import ReadSignals, check_reads, with_terms
from ...shards.executor import WORKER_MEMORY, Resources
from ..cell_inputs import (
    CellContent,
    CellOptions,
    bytes_needed,
    check_space,
    check_tracks_of_reads,
    read_inputs,
)
from ..cell_place import check_buildable, check_existing, check_place
from ..compare_cells import difference_notes, read_other_cells, recorded_files, repeated_file_notes, used_files
from .rates import CELL_SECONDS, HASH_RATE, READ_FILES_RATE, TRACK_BYTES, TRACK_SECONDS, Rates, measure_rates

Action = Literal["build", "replace", "unchanged", "unknown"]
_SPAN = 16 * 2**20  # bases read at a time


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """What a build will do with one cell line.

    Attributes:
        name: of the cell line, as its folder is named.
        action: "build" it, "replace" one that exists, leave one "unchanged" that was built from the same; "unknown"
            where its tables cannot be read.
        tracks: names of its own tracks.
        shared: names of tracks that are kept with the genome.
        factors: names of factors.
        meta: names of meta values.
        problems: all errors that the build would end with, one after the other.
        notes: what is unusual in its inputs, and is no error.
        largest_size: bytes that the build wants to be free.
        size: bytes that it will take, from a measured shard; None if there was none to measure.
        seconds: that one process will take; None as before.
    """

    name: str
    action: Action = "unknown"
    tracks: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()
    problems: tuple[FactorNetError, ...] = ()
    notes: tuple[str, ...] = ()
    largest_size: int = 0
    size: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """What a build will do.

    Attributes:
        cells: cell line by cell line.
        problems: errors that are not of one cell line.
        notes: files given for two cell lines or uses; differences between cell lines, those of the store too, that
            training refuses or warns of.
        workers: number of processes.
        memory: bytes that they take at most.
        free: bytes that are free on the disk of the store; None if it is on a server.
        seconds: that all will take; None where it is not known of a cell line that is to be built.
    """

    cells: tuple[CellPlan, ...]
    problems: tuple[FactorNetError, ...]
    notes: tuple[str, ...]
    workers: int
    memory: int
    free: int | None
    seconds: float | None

    @property
    def all_problems(self) -> tuple[FactorNetError, ...]:
        """All problems."""
        return self.problems + tuple(problem for cell in self.cells for problem in cell.problems)

    @property
    def n_notes(self) -> int:
        """Number of all notes."""
        return len(self.notes) + sum(len(cell.notes) for cell in self.cells)


def plan_build(
    store: Store,
    folders: Sequence[Path | CellFolder],
    options: CellOptions,
    resources: Resources,
    *,
    force: bool = False,
    values: bool = True,
    on_bases: Callable[[str, int], None] = lambda name, bases: None,
) -> BuildPlan:
    """Check all inputs of cell lines as their builds would, and estimate time, disk and memory.

    Nothing is written but temporary files.

    Args:
        store: to build into.
        folders: cell-line folders, or what they would contain.
        options: how to read them.
        resources: processes and memory.
        force: whether existing cell lines are to be replaced.
        values: whether all values of bigWigs are read; else only their structure is checked.
        on_bases: called with the name of a track and a number of bases that were read.
    """
    general, workers = Problems(collect=True), resources.workers
    with general.catch():
        workers = resources.affordable_workers()
    if store.storage.local:
        with general.catch():
            check_buildable(store, store.location)
    checks = [_CellCheck(store, options, on_bases) for _ in folders]
    cells = tuple(c.plan(f, force=force, values=values) for c, f in zip(checks, folders, strict=True))
    read = [c.inputs for c in checks if c.inputs is not None]
    others = read_other_cells(store, [cell.name for cell in cells])
    with general.catch():
        check_names([cell.name for cell in cells])
    free = None
    if store.storage.local:
        free = shutil.disk_usage(Path(store.path)).free
        together = sum(cell.largest_size for cell in cells)
        if len(cells) > 1 and free < together and all(cell.largest_size <= free for cell in cells):
            with general.catch():
                check_space(Path(store.path), together, name="all of them")
    seconds = [cell.seconds for cell in cells if cell.action != "unchanged"]
    known = [s for s in seconds if s is not None]
    return BuildPlan(
        cells=cells,
        problems=tuple(general.errors),
        notes=(*_repeated_files(read, others, store), *difference_notes(read, others, store.info.shared)),
        workers=workers,
        memory=workers * WORKER_MEMORY,
        free=free,
        seconds=None if len(known) < len(seconds) else sum(known) / workers,
    )


def _repeated_files(planned: Sequence[CellFolder], others: Sequence[CellInfo], store: Store) -> list[str]:
    """Return notes on files of a cell line that were given before, with its name before them."""
    given, notes = [file for cell in others for file in recorded_files(cell)], list[str]()
    digest = cache(_digest)
    for inputs in planned:
        files = used_files(inputs, store, digest)
        notes += [f"{inputs.name}: {note}" for note in repeated_file_notes(files, given)]
        given += files
    return notes


def _digest(path: Path) -> str:
    """Return the digest of a file; of one that cannot be read, which is a problem already, what no digest equals."""
    try:
        return file_digest(path)
    except OSError as e:
        return f"{path}: {e}"


def check_names(names: Sequence[str]) -> None:
    """Check that no two cell lines have one name.

    Raises:
        UsageError: two have.
    """
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"cell line {name} is given {count} times; give one folder of this name")


@dataclass
class _CellCheck:
    """The checks of one cell line."""

    store: Store
    options: CellOptions
    on_bases: Callable[[str, int], None]
    inputs: CellFolder | None = None
    problems: Problems = field(default_factory=lambda: Problems(collect=True))

    def plan(self, folder: Path | CellFolder, *, force: bool, values: bool) -> CellPlan:
        """Return the plan of a folder."""
        name = folder.name if isinstance(folder, CellFolder) else folder_name(folder)
        begin = perf_counter()
        with self.problems.catch():
            read = folder if isinstance(folder, CellFolder) else read_cell_folder(folder, self.problems)
            self.inputs = with_terms(read, self.options.reads, self.problems)
        if self.inputs is None:
            return CellPlan(name=name, problems=tuple(self.problems.errors))
        action = self._action(self.inputs, force=force)
        if action == "unchanged":
            return CellPlan(name=self.inputs.name, action=action, problems=tuple(self.problems.errors))
        content = self._content(self.inputs)
        serial = perf_counter() - begin  # the build does the same
        own = [(t.name, b) for t, b in zip(content.tracks, content.bigwigs, strict=True) if not t.shared]
        if values:
            for track, bigwig in own:
                with self.problems.catch():
                    self._read_all(track, bigwig)
        return self._describe(self.inputs, content, own, action, serial)

    def _action(self, inputs: CellFolder, *, force: bool) -> Action:
        """Return what will be done, and check that it can be."""
        if not self.store.storage.local:
            return "replace" if self.store.storage.has(inputs.name) else "build"
        path = Path(self.store.path)
        replaced = version_at(final_path(path, cell_line_staging_name(inputs.name)))
        if replaced is not None and not force and not self.problems.errors:  # of wrong tables all would differ
            before = len(self.problems.errors)
            with self.problems.catch():
                check_existing(path, inputs, self.options, replaced)
            if len(self.problems.errors) == before:
                return "unchanged"
        with self.problems.catch():
            check_place(path, inputs.name, replaced)
        return "build" if replaced is None else "replace"

    def _content(self, inputs: CellFolder) -> CellContent:
        """Check all files."""
        allow_missing = self.options.allow_missing
        check_tracks_of_reads(self.store, inputs, self.problems)
        check_reads(
            inputs.tracks,
            self.store,
            self.options.reads,
            self.options.aliases,
            self.problems,
            allow_missing=allow_missing,
        )
        return read_inputs(self.store, inputs, self.options, ReadSignals(), self.problems)

    def _read_all(self, track: str, bigwig: CheckedBigWig) -> None:
        """Read all values of a track, as the tasks of its shards do."""
        lengths = dict(zip(self.store.coordinates.names, self.store.coordinates.lengths, strict=True))
        for chrom, name in bigwig.names.items():
            for start in range(0, lengths[chrom], _SPAN):
                stop = min(start + _SPAN, lengths[chrom])
                read_values(bigwig.path, name, start, stop)
                self.on_bases(track, stop - start)

    def _describe(
        self,
        inputs: CellFolder,
        content: CellContent,
        own: Sequence[tuple[str, CheckedBigWig]],
        action: Action,
        serial: float,
    ) -> CellPlan:
        of_reads = [track for track in inputs.tracks if track.has_reads]
        n_tracks = len(own) + len(of_reads)
        coordinates = self.store.coordinates
        needed = bytes_needed(coordinates, inputs.chip, n_tracks=n_tracks)
        if self.store.storage.local:
            with self.problems.catch():
                check_space(Path(self.store.path), needed, name=inputs.name)
        rates = Rates()
        with self.problems.catch():
            bigwig = own[0][1] if own else None
            rates = measure_rates(coordinates, self.options, bigwig=bigwig, factors=content.factors)
        if of_reads and not own:
            rates = replace(rates, track_seconds=TRACK_SECONDS, track_bytes=TRACK_BYTES)
        seconds, size = _estimate(coordinates, rates, n_tracks=n_tracks, n_factors=len(content.factors))
        if seconds is not None:
            of_files = sum(path.stat().st_size for path in inputs.files) / HASH_RATE
            of_files += sum(path.stat().st_size for t in of_reads for path in t.paths) / READ_FILES_RATE
            seconds += CELL_SECONDS + serial + of_files
        of_factors = {f.name: describe_factor(f, coordinates) for f in content.factors}
        notes = [*inputs.notes, *notes_on_factors(of_factors)]
        return CellPlan(
            name=inputs.name,
            action=action,
            tracks=tuple(name for name, _ in own) + tuple(t.name for t in of_reads),
            shared=tuple(t.name for t in content.tracks if t.shared),
            factors=tuple(f.name for f in content.factors),
            meta=tuple(name for name, _ in inputs.meta),
            problems=tuple(_once(self.problems.errors)),
            notes=tuple(notes),
            largest_size=needed,
            size=size,
            seconds=seconds,
        )


def _once(errors: Iterable[FactorNetError]) -> list[FactorNetError]:
    """Return errors without those of equal text: a damaged file may be met by several checks."""
    return list({str(error): error for error in errors}.values())


def _estimate(
    coordinates: GenomeCoordinates, rates: Rates, *, n_tracks: int, n_factors: int
) -> tuple[float | None, int | None]:
    """Return the seconds of one process and the bytes of a cell line; None where a rate is not known."""
    bases, bins = sum(coordinates.lengths), sum(map(bin_count, coordinates.lengths))
    seconds, size = 0.0, 0.0
    for rows, n, rate, bytes_ in (
        (bases * n_tracks, n_tracks, rates.track_seconds, rates.track_bytes),
        (bins, n_factors, rates.label_seconds, rates.label_bytes),
    ):
        if n and (rate is None or bytes_ is None):
            return None, None
        seconds, size = seconds + rows * (rate or 0), size + rows * (bytes_ or 0)
    return seconds, int(size)
