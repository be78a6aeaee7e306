"""Run tasks on dask.distributed: on processes of this machine that are replaced when they die, or on an existing
cluster. All workers must see all files under the paths that this process uses.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ... import __version__
from ..errors import FactorNetError, UsageError
from .signals import shield_children_from_signals
from .starting import starting_processes

_TIMEOUT = 60  # seconds to wait for a scheduler, and for its first worker
_ALLOWED_FAILURES = 3  # workers that may die of the same task before it fails
_ASKED = 5  # times that workers are asked, where some die meanwhile and are replaced
_LOOK = 5.0  # seconds between looks whether there are workers
_log = logging.getLogger("factornet")
Result = TypeVar("Result")


class WorkersError(FactorNetError):
    """Workers were lost, or a task failed for another reason than its input; the results of finished tasks hold."""


@contextmanager
def local_cluster(workers: int, memory: int | None, *, environment: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Yield a client of new worker processes on this machine, each with a nanny that restarts it when it dies.

    Args:
        workers: number of processes, of one thread each.
        memory: bytes that one may use before its nanny kills it, or None for no limit.
        environment: variables of the workers, unless this process has others.

    Raises:
        UsageError: as for `starting_processes`.
    """
    import dask

    _set_log_level()
    from distributed import Client, LocalCluster

    settings: dict[str, Any] = {
        "distributed.scheduler.allowed-failures": _ALLOWED_FAILURES,
        "distributed.worker.daemon": True,
    }
    settings |= {f"distributed.nanny.pre-spawn-environ.{name}": text for name, text in (environment or {}).items()}
    with ExitStack() as stack:
        stack.callback(_restore_environment, dict(os.environ))  # nannies set variables in this process too
        stack.enter_context(dask.config.set(settings))
        with starting_processes(workers), shield_children_from_signals():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=memory or 0,
                dashboard_address=None,
                # Without this the scheduler would still serve its state on port 8787, on all network interfaces.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            )
        stack.enter_context(cluster)
        # No default of the process: it may have one of its own, and one that is being closed would be used by others.
        client = stack.enter_context(Client(cluster, set_as_default=False))
        yield client


def _restore_environment(environment: dict[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def remote_cluster(address: str, locations: Sequence[Path]) -> Iterator[Any]:
    """Yield a client of a running scheduler.

    Args:
        address: as the scheduler prints it, ``tcp://host:8786``.
        locations: files and folders that all workers must see.

    Raises:
        UsageError: no scheduler answers, it has no workers, or a worker has another version or does not see one of
            `locations`.
    """
    _set_log_level()
    from distributed import Client

    try:
        client = Client(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as e:
        raise UsageError(
            f"no dask scheduler answers at {address} ({e or type(e).__name__}); start one with `dask scheduler`, and "
            "give the address that it prints"
        ) from e
    with client:
        try:
            client.wait_for_workers(1, timeout=_TIMEOUT)
        except TimeoutError as e:
            raise UsageError(
                f"the scheduler at {address} has no workers after {_TIMEOUT} s; start some with `dask worker {address}`"
            ) from e
        _check_workers(client, locations)
        yield client


def _set_log_level() -> None:
    """Silence the log of distributed, here and in workers, unless this process logs at INFO: failures are raised."""
    import dask

    is_verbose = logging.getLogger().isEnabledFor(logging.INFO)
    level = "info" if is_verbose else "critical"
    # Workers set up logging when they import distributed, before they receive the configuration of this process.
    early = "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"
    dask.config.set({"logging.distributed": level, early: level})
    import distributed

    # The client has a level of its own, which the import sets.
    for name in (distributed.__name__, f"{distributed.__name__}.client"):
        logging.getLogger(name).setLevel(level.upper())


def _check_workers(client: Any, locations: Sequence[Path]) -> None:
    results = ask_workers(client, _describe_worker, [str(location) for location in locations])
    for worker, result in results.items():
        if isinstance(result, Exception):
            raise UsageError(
                f"worker {worker}: cannot run factornet ({result!r}); install factornet {__version__} there"
            )
        version, unseen = result
        if version != __version__:
            raise UsageError(
                f"worker {worker}: has factornet {version}, this process {__version__}; install the same on all"
            )
        if unseen:
            raise UsageError(f"worker {worker}: does not see {unseen}; use a file system that all workers share")


def ask_workers(client: Any, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Return what a function returns, or the exception that it raises, on each worker, by its address.

    Where a worker is lost meanwhile, all are asked again.

    Raises:
        WorkersError: workers are lost again and again.
    """
    lost = "none is left"
    for _ in range(_ASKED):
        found: dict[str, Any] = client.run(call, *arguments, on_error="return")
        failed = [f"{worker}: {result}" for worker, result in found.items() if isinstance(result, OSError)]
        if found and not failed:
            return found
        lost = failed[0] if failed else lost
        time.sleep(1)
        with suppress(TimeoutError):
            client.wait_for_workers(1, timeout=_TIMEOUT)
    raise WorkersError(f"workers of the cluster were lost ({lost}); give them more memory, or restart the cluster")


def _describe_worker(locations: Sequence[str]) -> tuple[str, str]:
    """Return, on a worker, its version of factornet, and the first of some paths that it does not see; "" for none."""
    return __version__, next((location for location in locations if not Path(location).exists()), "")


def delayed_value(value: Any) -> Any:
    """Return a value that many tasks take as an argument: a cluster receives it once."""
    from dask.delayed import delayed

    return delayed(value, pure=False, traverse=False)


def delayed_call(call: Callable[..., Any], *values: Any, priority: int = 0) -> Any:
    """Return a delayed task of a call; a cluster starts tasks of higher priority first.

    Its arguments are `values`, of `delayed_value`; what a task has of its own is in `call`, as of a `partial`. Dask
    would look for other tasks of its own in arguments: in all names of all chromosomes, for each task. Of equal
    priority, it starts tasks in the order of their names, backwards.
    """
    from dask.base import annotate
    from dask.delayed import delayed

    with annotate(priority=priority):
        return delayed(call, pure=False, traverse=False)(*values, dask_key_name=f"task-{uuid4().hex}")


@contextmanager
def _warn_without_workers(client: Any) -> Iterator[None]:
    """Warn, while the block runs, where a cluster has had no worker for some time: tasks then wait for new ones."""
    ended = threading.Event()

    def look() -> None:
        n_looks = 0
        while not ended.wait(_LOOK):
            try:
                n_looks = 0 if client.nthreads() else n_looks + 1
            except Exception:  # the connection is lost, which the tasks say
                return
            if n_looks == 2:
                _log.warning("all workers of the cluster are gone; waiting for new ones, until interrupted")

    thread = threading.Thread(target=look, name="workers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def run_on(client: Any, nodes: Sequence[Any], on_result: Callable[[Result], None]) -> list[Result]:
    """Run delayed tasks on a cluster, and return their results in the order of the tasks.

    Args:
        client: of the cluster.
        nodes: of `delayed_call`.
        on_result: called as each task ends.

    Raises:
        FactorNetError: as raised by a task; no further task is started then.
        WorkersError: the cluster was lost, workers died repeatedly of the same task, or a task raised another error.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    futures = client.compute(list(nodes), optimize_graph=False)
    try:
        with _warn_without_workers(client):
            for future in as_completed(futures, loop=client.loop):
                on_result(future.result())
            return [future.result() for future in futures]
    except FactorNetError:
        raise
    except FutureCancelledError as e:
        raise WorkersError("the scheduler of the cluster was lost; restart the cluster") from e
    except (KilledWorker, OSError) as e:
        hint = "use fewer workers or give them more memory" if isinstance(e, KilledWorker) else "restart the cluster"
        raise WorkersError(f"workers of the cluster were lost ({e}); {hint}") from e
    except Exception as e:
        raise WorkersError(f"a task failed on the cluster ({e!r}); fix the cause") from e
    finally:
        client.cancel(futures)
