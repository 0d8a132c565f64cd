"""A node that gets more than it can do: 429 at once, and nothing is lost of what it took.

reliability A12 and A13, ADR 0056. How long what was taken waits is for `make curves` to say, on a
machine that has nothing else to do.
"""

from pathlib import Path

from node.pace import BACKLOG_TXS_MIN, RETRY_S_MAX
from testnet.bench import run_bench
from testnet.figures import Setting

BLOCK_TXS = 8  # so that blocks are what limits, also where one takes 5 ms
RATE = 4_000
SECONDS = 4  # a slow machine hears of its own pace late
MEMORY_MB = 64


def test_what_is_too_much_is_refused_at_once_and_what_was_taken_is_final(tmp_path: Path) -> None:
    setting = Setting(
        nodes=1, seconds=SECONDS, rate=RATE, dead=0, accounts=50, warmup_s=0.1, block_txs=BLOCK_TXS
    )

    result = run_bench(setting, tmp_path / "net", lambda *_: None)

    assert result.broken == ()  # what was acknowledged is in the log, and nothing else
    assert "WIJK-4003" in result.refused
    assert result.refused.keys() <= {"WIJK-4003", "WIJK-3004"}  # the queue, or the event loop
    assert result.busy
    assert all(after is not None and 1 <= int(after) <= RETRY_S_MAX for after in result.busy)
    taken = SECONDS * RATE - sum(result.refused.values())
    assert taken >= BACKLOG_TXS_MIN / 2
    assert result.tree["latency_ms"]["max"] > 0
    assert result.profile["rss_growth_mb"] < MEMORY_MB
