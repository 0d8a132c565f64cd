"""What is counted while a node runs (interfaces 6.1): a registry of its own, nothing global.

No label holds an account, a person's name or an amount.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

T = TypeVar("T")

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COUNTS = (0, 1, 5, 10, 50, 100, 250, 500, 1_000, 2_000, 4_000)
_BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 524_288, 1_048_576)
# The way of a transaction through a node (architecture section 4).
STAGES = ("decode", "verify", "mempool", "execute", "tree", "store")


class StageClock:
    """CPU time by stage. Guards which stage the event loop's thread is in.

    Read once a batch, job or block, never once a transaction. CPU time, because on a busy machine
    the time that passes says more of the others than of the work.
    """

    def __init__(self, seconds: Counter) -> None:
        self._seconds = {stage: seconds.labels(stage) for stage in STAGES}
        self._inside_s = 0.0  # of stages inside the one that runs

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        """Do `work` on the event loop's thread; what stages inside it take is not its own."""
        outside_s, self._inside_s = self._inside_s, 0.0
        began_s = time.thread_time()
        try:
            return work()
        finally:
            took_s = time.thread_time() - began_s
            self._seconds[stage].inc(max(0.0, took_s - self._inside_s))
            self._inside_s = outside_s + took_s

    def add(self, stage: str, seconds: float) -> None:
        """Count what another thread spent."""
        self._seconds[stage].inc(seconds)


class Meters:
    """The counters and histograms; gauges are read when they are asked for (`node/metrics.py`)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def histogram(name: str, about: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(name, about, registry=registry, buckets=buckets)

        self.transactions = Counter(
            "wijk_transactions", "Transactions in blocks.", ["outcome"], registry=registry
        )
        self.signed = Counter("wijk_blocks_signed", "Blocks this key signed.", registry=registry)
        self.missed = Counter(
            "wijk_blocks_missed", "Blocks decided without this key.", registry=registry
        )
        self.rounds_failed = Counter(
            "wijk_rounds_failed", "Rounds that decided nothing.", ["proposer"], registry=registry
        )
        self.requests = Counter(
            "wijk_http_requests", "Answers.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "wijk_http_request_seconds",
            "Time to answer.",
            ["route"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.finality = histogram("wijk_finality_seconds", "From submission to final.")
        self.block_interval = histogram("wijk_block_interval_seconds", "Between two blocks.")
        self.block_transactions = histogram(
            "wijk_block_transactions", "Transactions of a block.", _COUNTS
        )
        self.block_bytes = histogram("wijk_block_bytes", "Bytes of a block's envelopes.", _BYTES)
        self.stages = StageClock(
            Counter("wijk_stage_seconds", "CPU time by stage.", ["stage"], registry=registry)
        )
        self.verify_seconds = histogram("wijk_verify_seconds", "One job of signature checks.")
        self.execute_seconds = histogram("wijk_execute_seconds", "Execution of a block.")
        self.store_commit_seconds = histogram("wijk_store_commit_seconds", "Batch and head slot.")
