"""Write the scores of all bins of regions to several files in one pass, resumable part by part.

    output     a file, of one predictor or of an ensemble of several
    part       some Mb of a region: what is scored at once, and the task of a worker
    scores     of one predictor in one part, a file in a folder next to the output (`region_parts`)
    joined     the scores of an output become its file, once all parts are finished

The scores that are kept for an output by one predictor are those of its own run: a run of many files can be resumed
file by file, and the other way round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ....store.errors import UsageError
from ....store.files.atomic_write import fsync_path, named_write_errors
from ....store.files.outputs import remove, remove_temporary_files
from ..bins import count_bins, first_and_count
from ..output_names import ScoreFormat, score_format
from ..predictor import Predictor
from ..region_parts import RegionParts, remove_parts_of_finished
from ..together import check_mean_signal
from .joining import join_parts
from .outputs import Output, output_locks
from .region_bins import RegionBins
from .region_files import RegionFile, write_region
from .region_task import RegionResult, RegionTask, WorkerRun
from .workers import RegionWorkers

_log = logging.getLogger("factornet-predict")

OnBins = Callable[[int], None]
OnSeconds = Callable[[Predictor, int, float], None]
"""Called with a predictor of a network, the number of bins just scored, and the seconds that it took."""


@dataclass(frozen=True, eq=False)
class _Job:
    """The scores of one predictor of an output, part by part."""

    output: Output
    predictor: Predictor
    parts: RegionParts


def predict_outputs_in_regions(
    outputs: Sequence[Output],
    bins: RegionBins,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: RegionWorkers | None = None,
    on_bins: OnBins = lambda n: None,
    on_kept: OnBins = lambda n: None,
    on_seconds: OnSeconds = lambda predictor, n, seconds: None,
) -> None:
    """Write the scores of all bins of regions to files, each in the format of its name, with its record.

    Windows are read once for all networks, and a network that predicts several factors computes once for all of them.

    Args:
        outputs: files, and what computes them: in one cell line of one store, on one device.
        bins: the regions.
        resume: keep finished parts of an interrupted run.
        overwrite: replace existing files.
        workers: compute the parts on these, on the device of the predictors, which must be of model folders; None
            computes them here.
        on_bins: called with the number of bins that a network has just scored.
        on_kept: called with the number of bins of each part that an interrupted run finished, once a network.
        on_seconds: called with a predictor of the network, too, and the seconds that scoring took.

    Raises:
        InputError: another process writes a file, or one cannot be written.
        UsageError: as for `score_format`, no bin is inside the regions, a file is a bigWig and regions overlap, an
            interrupted run had other settings, or a file exists and `overwrite` is false.
        StoreError: as for `predict_together`.
        WorkersError: workers were lost, or failed.
    """
    store = outputs[0].predictors[0].store
    count_bins(list(bins.regions), store.coordinates, stride=bins.stride)
    chroms = sorted({store.coordinates.index(region.chrom) for region in bins.regions})
    for output in outputs:
        if score_format(output.path) == "bigWig":
            _check_no_overlap(bins, output.path)
        for predictor in output.predictors:
            check_mean_signal(predictor.network, store, chroms)
    with output_locks([output.path for output in outputs], overwrite=overwrite):
        jobs = list[_Job]()
        try:
            for output in outputs:
                jobs += _begin(output, bins, resume=resume)
            _predict_parts(jobs, bins, workers=workers, on_bins=on_bins, on_kept=on_kept, on_seconds=on_seconds)
            for output in outputs:
                of_output = [job for job in jobs if job.output is output]
                join_parts(output, [job.parts for job in of_output], bins)
                for job in of_output:
                    job.parts.remove()
        except BaseException:
            for job in jobs:
                if not job.parts.digests:  # nothing to resume
                    job.parts.remove()
            raise


def _begin(output: Output, bins: RegionBins, *, resume: bool) -> Iterator[_Job]:
    """Create or resume the parts of each predictor of an output."""
    if output.ensemble and not resume:
        _remove_others(output)
    for i, predictor in enumerate(output.predictors):
        settings = _settings(output, predictor, bins)
        parts = RegionParts.begin(output.member_path(i), list(bins.parts), settings, resume=resume)
        remove_temporary_files(parts.folder)
        yield _Job(output, predictor, parts)


def _settings(output: Output, predictor: Predictor, bins: RegionBins) -> dict[str, Any]:
    """Return all that the parts of a predictor depend on."""
    of_parts = {"format": _part_format(output), "bins of a part": bins.part_bins}
    return predictor.settings() | bins.options() | of_parts


def remove_left_parts(output: Output, bins: RegionBins) -> None:
    """Remove the parts of an output that is finished, if its run could not; the caller holds its lock."""
    for i, predictor in enumerate(output.predictors):
        remove_parts_of_finished(output.member_path(i), _settings(output, predictor, bins))


def _remove_others(output: Output) -> None:
    """Remove what an interrupted run of other models has left of an ensemble."""
    own = {output.member_path(i).name for i in range(len(output.predictors))}
    for path in sorted(output.path.absolute().parent.glob(f".{output.member_pattern}.parts")):
        if path.name.removeprefix(".").removesuffix(".parts") not in own:
            _log.warning(f"{path}: finished parts of another model are removed; resuming would have kept them")
            remove(path)


def _predict_parts(
    jobs: Sequence[_Job],
    bins: RegionBins,
    *,
    workers: RegionWorkers | None,
    on_bins: OnBins,
    on_kept: OnBins,
    on_seconds: OnSeconds,
) -> None:
    """Write the scores of the parts that are not finished yet."""
    remaining: dict[int, list[_Job]] = {}
    for i, part in enumerate(bins.parts):
        todo = [job for job in jobs if not job.parts.is_finished(i)]
        networks = {id(job.predictor.network) for job in jobs} - {id(job.predictor.network) for job in todo}
        for _ in networks:
            on_kept(first_and_count(part, stride=bins.stride)[1])
        for job in todo:
            remove(job.parts.path(i))  # of a run that was killed before its digest was written
        if todo:
            remaining[i] = todo
    if workers is not None:
        _predict_on_workers(workers, remaining, bins, on_bins=on_bins, on_seconds=on_seconds)
        return
    for i, todo in remaining.items():
        predictors = [job.predictor for job in todo]

        def scored(k: int, n: int, seconds: float, predictors: Sequence[Predictor] = predictors) -> None:
            on_seconds(predictors[k], n, seconds)
            on_bins(n)

        files = [RegionFile(job.parts.path(i), _part_format(job.output)) for job in todo]
        pieces = bins.pieces(predictors[0].store.coordinates, [i])
        write_region(predictors, pieces, files, on_scored=scored)
        for job in todo:
            job.parts.finish(i)


def _predict_on_workers(
    workers: RegionWorkers,
    remaining: Mapping[int, Sequence[_Job]],
    bins: RegionBins,
    *,
    on_bins: OnBins,
    on_seconds: OnSeconds,
) -> None:
    """Have workers write parts to temporary files, and take over each file once its worker reports it.

    Workers that outlive an interrupted run thus never replace a part of a later one.
    """
    if not remaining:
        return
    jobs = list({id(job): job for todo in remaining.values() for job in todo}.values())
    index = {id(job): k for k, job in enumerate(jobs)}
    run = WorkerRun.of([job.predictor for job in jobs], threads=workers.threads)
    tasks = [
        RegionTask(
            index=i,
            region=bins.parts[i],
            stride=bins.stride,
            part_bins=bins.part_bins,
            predictors=tuple(index[id(job)] for job in todo),
            parts=tuple(RegionFile(job.parts.path(i).absolute(), _part_format(job.output)) for job in todo),
        )
        # The longest first: the others fill the time that is left on other workers.
        for i, todo in sorted(
            remaining.items(), key=lambda item: -first_and_count(bins.parts[item[0]], stride=bins.stride)[1]
        )
    ]

    def finish(result: RegionResult) -> None:
        for job, file, digest in zip(remaining[result.index], result.files, result.digests, strict=True):
            part = job.parts.path(result.index)
            with named_write_errors(part):
                file.replace(part)
                fsync_path(part.parent)
            job.parts.finish(result.index, digest=digest)
        for k, n, seconds in result.scored:
            on_seconds(jobs[k].predictor, n, seconds)
            on_bins(n)

    workers.run(run, tasks, finish)


def _part_format(output: Output) -> ScoreFormat:
    """Return the format of the parts of an output; what is joined is kept as raw scores, as for a bigWig."""
    return "bigWig" if output.ensemble else score_format(output.path)


def _check_no_overlap(bins: RegionBins, output: Path) -> None:
    stride = bins.stride
    for a, b in pairwise(sorted(bins.regions, key=lambda r: (r.chrom, r.start))):
        first, count = first_and_count(a, stride=stride)
        if a.chrom == b.chrom and count and first_and_count(b, stride=stride)[0] <= first + stride * (count - 1):
            raise UsageError(f"{output}: a bigWig has one value per base, but {a} and {b} overlap; write .bed.gz")
