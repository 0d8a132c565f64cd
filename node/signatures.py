"""Signature checks in threads: libsodium lets go of the interpreter lock (reliability MC2)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from chain.crypto import verify
from node.meters import Meters
from node.ports import Check

JOB_MIN = 16  # reliability MC2: below this a thread costs more than it saves
JOB_MAX = 64


class SignaturePool:
    """The production adapter of the Verifier port: a thread per core, jobs of 16 to 64 checks."""

    def __init__(self, threads: int, meters: Meters) -> None:
        self._threads = threads
        self._meters = meters
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")

    def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
        """Check in the background; `done` runs on the event loop with the verdicts in order."""
        loop = asyncio.get_running_loop()
        done = self._timed(done)
        if len(checks) < JOB_MIN:
            loop.call_soon(done, self._verify_here(checks))
            return
        parts: list[list[bool] | None] = []
        left = 0

        def collect(place: int, future: Future[list[bool]]) -> None:
            nonlocal left
            parts[place] = future.result()
            left -= 1
            if left == 0:
                done([verdict for part in parts for verdict in part or ()])

        def hand_over(place: int, future: Future[list[bool]]) -> None:
            loop.call_soon_threadsafe(collect, place, future)

        jobs = [checks[i : i + JOB_MAX] for i in range(0, len(checks), JOB_MAX)]
        parts.extend([None] * len(jobs))
        left = len(jobs)
        for place, job in enumerate(jobs):
            self._pool.submit(self._verify_in_thread, job).add_done_callback(
                lambda future, place=place: hand_over(place, future)  # type: ignore[misc]
            )

    def now(self, checks: Sequence[Check]) -> list[bool]:
        """Return the verdicts in order; many are shared out over the threads."""
        if len(checks) < 2 * JOB_MIN or self._threads == 1:
            return self._verify_here(checks)
        jobs = [checks[i : i + JOB_MAX] for i in range(0, len(checks), JOB_MAX)]
        return [
            verdict for part in self._pool.map(self._verify_in_thread, jobs) for verdict in part
        ]

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed(self, done: Callable[[list[bool]], None]) -> Callable[[list[bool]], None]:
        """Count how long the checks took, waiting included, and what their verdicts set going."""
        began_s = time.perf_counter()

        def finish(verdicts: list[bool]) -> None:
            self._meters.verify_seconds.observe(time.perf_counter() - began_s)
            self._meters.stages("mempool", lambda: done(verdicts))

        return finish

    def _verify_here(self, checks: Sequence[Check]) -> list[bool]:
        return self._meters.stages("verify", lambda: _verify_all(checks))

    def _verify_in_thread(self, checks: Sequence[Check]) -> list[bool]:
        began_s = time.thread_time()
        verdicts = _verify_all(checks)
        self._meters.stages.add("verify", time.thread_time() - began_s)
        return verdicts


def _verify_all(checks: Sequence[Check]) -> list[bool]:
    return [verify(key, message, signature) for key, message, signature in checks]
