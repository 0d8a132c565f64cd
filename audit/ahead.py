"""Signatures checked ahead of the replay, on all cores (PyNaCl releases the interpreter's lock).

What a signature is checked against follows from the state before its transaction, so a check made
ahead is a guess at the key. A right guess is remembered as (key, message, signature) and nothing
else; a wrong one is checked again when it counts. So running ahead can change no verdict.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from chain import crypto
from chain.validators import Verify

JOB_CHECKS = 64  # 3 ms of one core: enough to pay for handing over, small enough to share out


class Check(NamedTuple):
    """A signature to be judged."""

    key: bytes
    message: bytes
    signature: bytes


Job = Future[list[Check]]


class Signatures:
    """Verdicts that threads have found, and threads to find more."""

    def __init__(self, verify: Verify = crypto.verify, threads: int | None = None) -> None:
        self._verify = verify
        self._pool = ThreadPoolExecutor(threads or count_cores(), "signatures")
        self._good: set[Check] = set()
        self._older: set[Check] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, checks: Sequence[Check]) -> list[Job]:
        """Begin to judge `checks`; the jobs are for `collect`."""
        return [
            self._pool.submit(self._judge, checks[first : first + JOB_CHECKS])
            for first in range(0, len(checks), JOB_CHECKS)
        ]

    def collect(self, jobs: Iterable[Job]) -> None:
        """Wait for the jobs of the next block, and forget all but those of this and the last one.

        The last one, because a block holds a certificate of its parent.
        """
        self._older = self._good
        self._good = {check for job in jobs for check in job.result()}

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is valid: from memory, or by checking it now."""
        check = Check(key, message, signature)
        return check in self._good or check in self._older or self._verify(*check)

    def _judge(self, checks: Sequence[Check]) -> list[Check]:
        return [check for check in checks if self._verify(*check)]


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
