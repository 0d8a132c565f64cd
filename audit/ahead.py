"""Signatures checked ahead of the replay, by processes on all cores.

What a signature is checked against follows from the state before its transaction, so a check made
ahead is a guess at the key. A right guess is remembered as (key, message, signature) and nothing
else; a wrong one is checked again when it counts. So running ahead can change no verdict, and
neither can the number of processes.

They are processes because a thread has to wait for the interpreter's lock after every signature,
5 ms while the replay holds it. They are started afresh (`spawn`): a fork would copy locks that
other threads hold.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from chain import crypto
from chain.texts import Problem
from chain.validators import Verify

JOB_CHECKS = 256  # 12 ms of one core: handing a job over costs 0.3 ms
JOB_BLOCKS = 8  # most blocks hold one transaction: their checks must not wait for 256 of them
ALONE_MAX = 2_000  # checks made in this process first: starting others takes as long, 100 ms

Check = tuple[bytes, bytes, bytes]  # key, message, signature

_decode = msgspec.msgpack.Decoder(list[Check]).decode
_encode = msgspec.msgpack.Encoder().encode


class _Job(NamedTuple):
    """Checks that were handed over, and the numbers of the first and last block they are of."""

    first: int
    last: int
    checks: list[Check]
    verdicts: Future[bytes]


class Signatures:
    """Verdicts that other processes have found, and those processes.

    Blocks come in by `add` and go out by `collect`, in the same order.
    """

    def __init__(self, verify: Verify = crypto.verify, workers: int | None = None) -> None:
        """`workers` None is one per core. One is this process: then nothing runs ahead.

        So it is with another `verify` than the real one: processes know no other.
        """
        self._verify = verify
        self._workers = (workers or count_cores()) if verify is crypto.verify else 1
        self._pool: ProcessPoolExecutor | None = None
        self._added = 0  # blocks
        self._collected = 0
        self._checks = 0  # in all blocks so far
        self._gathered: list[Check] = []  # for the next job
        self._gathered_from = 1  # the block of the first of them
        self._waiting: deque[_Job] = deque()
        self._known: deque[_Job] = deque()  # jobs whose good checks are in `_good`
        self._good: set[Check] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, checks: Sequence[Check]) -> None:
        """Begin to judge the signatures of the next block."""
        self._added += 1
        self._checks += len(checks)
        if self._workers == 1 or self._checks <= ALONE_MAX:
            self._gathered_from = self._added + 1
            return
        self._gathered += checks
        blocks = self._added - self._gathered_from + 1
        if len(self._gathered) >= JOB_CHECKS or blocks >= JOB_BLOCKS:
            self._hand_over()

    def collect(self) -> None:
        """Wait for the verdicts of the next block; forget what is older than the one before.

        That one is kept because a block holds a certificate of its parent. Raise `Problem` 1002
        where a process has died: nothing is said of signatures that nobody has judged.
        """
        self._collected += 1
        if self._gathered and self._gathered_from <= self._collected:
            self._hand_over()
        while self._waiting and self._waiting[0].first <= self._collected:
            job = self._waiting.popleft()
            with _watching():
                verdicts = job.verdicts.result()
            assert len(verdicts) == len(job.checks), "one verdict for each check"
            self._good.update(
                check for check, good in zip(job.checks, verdicts, strict=True) if good
            )
            self._known.append(job)
        while self._known and self._known[0].last < self._collected - 1:
            self._good.difference_update(self._known.popleft().checks)

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is valid: from memory, or by checking it now."""
        check = key, message, signature
        return check in self._good or self._verify(key, message, signature)

    def _hand_over(self) -> None:
        """Make jobs of what was gathered."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, _begin)
        for start in range(0, len(self._gathered), JOB_CHECKS):
            checks = self._gathered[start : start + JOB_CHECKS]
            with _watching():
                verdicts = self._pool.submit(judge, _encode(checks))
            self._waiting.append(_Job(self._gathered_from, self._added, checks, verdicts))
        self._gathered = []
        self._gathered_from = self._added + 1


@contextmanager
def _watching() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        why = "a process that checks signatures has died: is there memory enough?"
        raise Problem(1002, errors=[why]) from error


def judge(job: bytes) -> bytes:
    """Return a byte for each check of an encoded list: 1 where the signature is valid."""
    return bytes(crypto.verify(*check) for check in _decode(job))


def _begin() -> None:
    """What a process does first. It ends with the replay, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the replay says so itself
    parent = multiprocessing.parent_process()
    assert parent is not None, "it was started by the replay"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
