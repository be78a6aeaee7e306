"""Compare the content of objects with their digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ...store.errors import ContentError, RemoteError, StoreError
from ...store.format.manifest import check_may_be_damaged
from ...store.storage.base import GroupStorage, ObjectDigest

_MAX_FAILED = 10
"""Objects that a server may fail to send before it is asked for no more: each takes all retries."""


def content_faults(
    objects: Sequence[tuple[GroupStorage | None, str, ObjectDigest]], *, threads: int
) -> Iterator[str | StoreError]:
    """Yield what is wrong with each object, in their order; an empty text where nothing is.

    Args:
        objects: storage, name, and the size and digest that are listed.
        threads: number of reading threads.

    Raises:
        UnreadableError: the server failed for several objects, damaged ones do not count; or the machine did, for one.
    """
    n_failed = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        try:
            for fault in pool.map(lambda found: _content_fault(*found), objects):
                if isinstance(fault, RemoteError) and not isinstance(fault, ContentError):
                    n_failed += 1
                    if n_failed == _MAX_FAILED:
                        problem = f"{fault.problem}; the server failed for {n_failed} objects, no more were read"
                        raise RemoteError(fault.location, problem, hint=fault.hint)
                yield fault
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _content_fault(storage: GroupStorage | None, name: str, listed: ObjectDigest) -> str | StoreError:
    """Return what is wrong with the content of an object; empty if it has the listed digest."""
    found = ""
    try:
        if storage is not None:
            with storage.open(name, listed) as file:
                found = file.sha256()
    except OSError as e:
        check_may_be_damaged(e, f"{storage.location}/{name}" if storage else name)
        return f"cannot be read ({e.strerror})"
    except StoreError as e:
        return e
    _, expected = listed
    return "" if found == expected else f"its sha256 is {found[:16]}..., the manifest lists {expected[:16]}..."
