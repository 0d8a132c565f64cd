"""What is counted while a node runs (interfaces 6.1): a registry of its own, nothing global.

No label holds an account, a person's name or an amount.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COUNTS = (0, 1, 5, 10, 50, 100, 250, 500, 1_000, 2_000, 4_000)
_BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 524_288, 1_048_576)


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
        self.verify_seconds = histogram("wijk_verify_seconds", "One job of signature checks.")
        self.execute_seconds = histogram("wijk_execute_seconds", "Execution of a block.")
        self.store_commit_seconds = histogram("wijk_store_commit_seconds", "Batch and head slot.")
