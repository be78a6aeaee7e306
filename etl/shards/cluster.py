"""Run the graph of a build on dask.distributed: processes of this machine that are replaced when they die, or a
cluster that is there already. All workers must see inputs and store under the paths that this process knows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ... import __version__
from ...store.errors import FactorNetError, UsageError
from ..publish.transaction import InterruptedBuildError
from .signals import shield_children_from_signals
from .tasks import ShardReport

_PATIENCE = 60  # seconds to wait for a scheduler, and for its first worker
_DEATHS = 3  # workers that may die of the same task before it is given up


@contextmanager
def local_cluster(workers: int, memory: int | None) -> Iterator[Any]:
    """A client of so many new processes on this machine, each with a nanny that starts it again when it dies.

    Args:
        workers: processes, of one thread each.
        memory: bytes that one may take before its nanny ends it, or None for no limit.
    """
    import dask

    _hush()
    from distributed import Client, LocalCluster

    settings = {"distributed.scheduler.allowed-failures": _DEATHS, "distributed.worker.daemon": True}
    with ExitStack() as stack:
        stack.callback(_restore, dict(os.environ))  # nannies set variables for the workers in this process too
        stack.enter_context(dask.config.set(settings))
        with shield_children_from_signals():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=memory or 0,
                dashboard_address=None,
                # Without this it would serve its state on port 8787 all the same, to whole networks.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            )
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster))
        yield client


def _restore(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def remote_cluster(address: str, location: Path) -> Iterator[Any]:
    """A client of a scheduler that runs somewhere.

    Args:
        address: as the scheduler prints it, ``tcp://host:8786``.
        place: folder that all workers must see, and may write to.

    Raises:
        UsageError: nobody answers there, there are no workers, or they could not do the work.
    """
    _hush()
    from distributed import Client

    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as e:
        raise UsageError(
            f"--scheduler {address}: no dask scheduler answers ({e or type(e).__name__}); start one with "
            "`dask scheduler`, and give the address that it prints"
        ) from e
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as e:
            raise UsageError(
                f"--scheduler {address}: has no workers after {_PATIENCE} s; start some with `dask worker {address}`"
            ) from e
        _refuse_unfit(client, location)
        yield client


def _hush() -> None:
    """Let distributed say of itself only what `-v` asks for, here and in workers: what matters comes as an error."""
    import dask

    level = "info" if logging.getLogger().isEnabledFor(logging.INFO) else "critical"
    # Workers set up their logging while they are imported, before they get to know the configuration of this process.
    early = "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"
    dask.config.set({"logging.distributed": level, early: level})
    logging.getLogger("distributed").setLevel(level.upper())


def _refuse_unfit(client: Any, location: Path) -> None:
    answers = client.run(_look, str(location), on_error="return")
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            raise UsageError(
                f"worker {worker}: cannot run factornet ({answer!r}); install factornet {__version__} there"
            )
        version, sees = answer
        if version != __version__:
            raise UsageError(
                f"worker {worker}: has factornet {version}, this is {__version__}; install the same on all"
            )
        if not sees:
            raise UsageError(f"worker {worker}: does not see {location}; build on a file system that all workers share")


def _look(location: str) -> tuple[str, bool]:
    """On a worker: its version of factornet, and whether it sees a folder."""
    return __version__, Path(location).is_dir()


def run_on(client: Any, nodes: Sequence[Any], on_report: Callable[[ShardReport], None]) -> list[ShardReport]:
    """Run delayed tasks on a cluster, tell of each report as it comes, and return them in the order of the tasks.

    Raises:
        FactorNetError: what a task raised; nothing more is started then.
        CutShortError: the cluster is gone, or workers died of a task again and again.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    futures = client.compute(list(nodes))
    try:
        for future in as_completed(futures):
            on_report(future.result())
        return [future.result() for future in futures]
    except FactorNetError:
        raise
    except (KilledWorker, FutureCancelledError, OSError) as e:
        hint = (
            "use fewer workers or give them more memory" if isinstance(e, KilledWorker) else "start the cluster again"
        )
        raise InterruptedBuildError(
            f"workers of the cluster were lost ({e}); {hint}, and run the command again: what is finished will not be "
            "done again"
        ) from e
    except Exception as e:
        raise InterruptedBuildError(
            f"a task failed on the cluster ({e!r}); mend that, and run the command again"
        ) from e
    finally:
        client.cancel(futures)
