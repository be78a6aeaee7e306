"""When to ask a server again, and for how long."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ContentError, RemoteError, UsageError

T = TypeVar("T")
_LATER = "try again later, or look after the server"


class TransientError(Exception):
    """A fault that may pass: the server is busy, a connection broke.

    Args:
        reason: in words.
        limit: tries that make sense, at most.
        cure: where the object is at fault and not the server: what to do if the fault stays.
    """

    def __init__(self, reason: str, limit: int | None = None, hint: str = "") -> None:
        super().__init__(reason)
        self.limit, self.hint = limit, hint


@dataclass(frozen=True)
class RetryPolicy:
    """How often to ask, how long to wait.

    Attributes:
        tries: in all.
        wait: seconds before the second try; twice as long before each further one, up to 10.
        timeout: seconds that a server may be silent.
    """

    tries: int = 6
    wait: float = 0.5
    timeout: float = 60.0

    @classmethod
    def from_environment(cls) -> RetryPolicy:
        """As FACTORNET_TRIES and FACTORNET_TIMEOUT say.

        Raises:
            UsageError: they are no numbers above 0.
        """
        tries, timeout = os.environ.get("FACTORNET_TRIES", cls.tries), os.environ.get("FACTORNET_TIMEOUT", cls.timeout)
        try:
            found = cls(tries=int(tries), timeout=float(timeout))
        except ValueError as e:
            raise UsageError(f"FACTORNET_TRIES, FACTORNET_TIMEOUT: {e}; give a number") from e
        if found.tries < 1 or found.timeout <= 0:
            raise UsageError(f"FACTORNET_TRIES={tries}, FACTORNET_TIMEOUT={timeout}: must be above 0")
        return found

    def call(self, action: Callable[[], T], *, url: str) -> T:
        """What `action` returns, tried again while it raises `TransientError`.

        Raises:
            RemoteError, ContentError: it did so to the end; the message has the URL and the last reason.
        """
        begin, wait = time.monotonic(), self.wait
        for number in range(1, self.tries + 1):
            try:
                return action()
            except TransientError as e:
                if number >= min(self.tries, e.limit or self.tries):
                    took = time.monotonic() - begin
                    problem = f"{e} ({number} tries in {took:.0f} s)"
                    if e.hint:
                        raise ContentError(url, problem, hint=e.hint) from e
                    raise RemoteError(url, problem, hint=_LATER) from e
            # Not all at the same moment, when many wait for one server.
            time.sleep(wait * random.uniform(0.75, 1.25))
            wait = min(2 * wait, 10.0)
        raise AssertionError("unreachable")
