"""Retries of requests to servers: errors worth another try, number and timing of tries."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ContentError, RemoteError, UsageError

T = TypeVar("T")
_RETRY_HINT = "try again later, or check the server"


class TransientError(Exception):
    """Error that another try may not meet: a busy server, a broken connection.

    Args:
        problem: what is wrong.
        limit: largest number of tries for this error; None for that of the policy.
        hint: what to do if the error persists, where the object is at fault and not the server.
    """

    def __init__(self, problem: str, limit: int | None = None, hint: str = "") -> None:
        super().__init__(problem)
        self.limit, self.hint = limit, hint


class RestRefusedError(TransientError):
    """A server has nothing at the offset that was requested (HTTP 416): begin anew."""

    def __init__(self) -> None:
        super().__init__("HTTP 416: has nothing at the byte from which the rest was requested")


@dataclass(frozen=True)
class RetryPolicy:
    """Number of tries, and their timing.

    Attributes:
        tries: largest number of tries.
        wait: seconds before the second try; doubled before each further one, up to 10, each varied by 25 %.
        timeout: seconds that a server may be silent; see `transfer_limit` for how long a try may take.
    """

    tries: int = 6
    wait: float = 0.5
    timeout: float = 60.0

    @classmethod
    def from_environment(cls) -> RetryPolicy:
        """Return the policy set by the environment variables FACTORNET_TRIES and FACTORNET_TIMEOUT.

        Raises:
            UsageError: they are not numbers above 0.
        """
        tries, timeout = os.environ.get("FACTORNET_TRIES", cls.tries), os.environ.get("FACTORNET_TIMEOUT", cls.timeout)
        try:
            policy = cls(tries=int(tries), timeout=float(timeout))
        except ValueError as e:
            raise UsageError(f"FACTORNET_TRIES, FACTORNET_TIMEOUT: {e}; give a number") from e
        if policy.tries < 1 or not 0 < policy.timeout < math.inf:
            raise UsageError(f"FACTORNET_TRIES={tries}, FACTORNET_TIMEOUT={timeout}: both must be above 0")
        return policy

    def call(self, action: Callable[[], T], *, url: str) -> T:
        """Return the result of `action`, called again while it raises `TransientError`.

        Raises:
            RemoteError: the last try failed too; with `url` and the last problem.
            ContentError: the same, where the error carries a hint.
        """
        begin, wait = time.monotonic(), self.wait
        for number in range(1, self.tries + 1):
            try:
                return action()
            except TransientError as e:
                if number >= min(self.tries, e.limit or self.tries):
                    elapsed = time.monotonic() - begin
                    problem = f"{e} ({number} tries in {elapsed:.0f} s)"
                    if e.hint:
                        raise ContentError(url, problem, hint=e.hint) from e
                    raise RemoteError(url, problem, hint=_RETRY_HINT) from e
            # Varied, so that processes waiting for one server do not all come back at the same moment.
            time.sleep(wait * random.uniform(0.75, 1.25))
            wait = min(2 * wait, 10.0)
        raise AssertionError("unreachable")
