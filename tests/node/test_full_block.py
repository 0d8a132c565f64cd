"""How long a full block would take here: measured, scaled and told (consensus T14)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from chain.status_text import agreement_lines
from node.full_block import BLOCKS_KEPT, TXS_MIN, Executions, FullBlock
from tests.live import Payer, ask, live_network, until

PARAMS = {"max_block_txs": 4_000, "max_block_bytes": 1_000_000, "round_timeout_ms": 1_000}


def estimate(*blocks: tuple[int, int, int], **params: int) -> FullBlock | None:
    seen = Executions()
    for block in blocks:
        seen.add(*block)
    return seen.estimate({**PARAMS, **params}.__getitem__)


def test_t14_nothing_is_told_before_a_block_was_large_enough() -> None:
    assert estimate() is None
    assert estimate((TXS_MIN - 1, 10_000, 500)) is None


def test_t14_what_was_measured_is_scaled_to_a_full_block() -> None:
    """4,000 transactions of 200 bytes, 50 us each: 200 ms of 250."""
    full = estimate((100, 20_000, 4), (300, 60_000, 16))

    assert full == FullBlock(txs=4_000, estimate_ms=200, limit_ms=250, measured_txs=400)
    assert full.fits
    assert full.txs_that_fit == 4_000


def test_t14_a_full_block_is_full_by_bytes_where_transactions_are_large() -> None:
    full = estimate((100, 1_000_000, 20))

    assert full is not None
    assert (full.txs, full.estimate_ms) == (100, 20)


def test_t14_a_slow_machine_is_told_how_much_would_fit() -> None:
    """T_0 / 4 moves with the parameter, and a ms that is not whole counts as one."""
    full = estimate((100, 20_000, 21))

    assert full == FullBlock(txs=4_000, estimate_ms=840, limit_ms=250, measured_txs=100)
    assert not full.fits
    assert full.txs_that_fit == 1_190
    assert estimate((100, 20_000, 21), round_timeout_ms=4_000).fits  # type: ignore[union-attr]
    assert estimate((60, 12_000, 1), max_block_txs=61).estimate_ms == 2  # type: ignore[union-attr]


def test_t14_one_slow_moment_is_forgotten() -> None:
    blocks = [(100, 20_000, 10_000)] + [(100, 20_000, 4)] * BLOCKS_KEPT

    full = estimate(*blocks)

    assert full is not None
    assert (full.estimate_ms, full.measured_txs) == (160, 100 * BLOCKS_KEPT)


@pytest.mark.parametrize(("lang", "said"), [("nl", "te traag voor"), ("en", "too slow for")])
def test_t14_a_person_reads_it_in_status_only_where_it_is_too_slow(lang: str, said: str) -> None:
    calm: dict[str, Any] = {
        "height": 1,
        "round": 0,
        "proposer": "noord",
        "proposed": None,
        "prepared_by": [],
        "committed_by": [],
        "sidelined": [],
        "suspended": [],
        "clock_skew_ms": 0,
        "silence": None,
    }
    fast = {"txs": 4_000, "estimate_ms": 250, "limit_ms": 250, "measured_txs": 100}
    slow = {**fast, "estimate_ms": 251}

    def lines(full: dict[str, int] | None) -> str:
        return "\n".join(
            agreement_lines({**calm, "full_block": full}, "nl" if lang == "nl" else "en")
        )

    assert said in lines(slow)
    assert "max_block_txs" in lines(slow)  # and what a board can do about it
    assert " 3984" in lines(slow)
    assert said not in lines(fast)
    assert said not in lines(None)


@pytest.mark.asyncio
async def test_t14_a_node_measures_the_blocks_it_executes(tmp_path: Path) -> None:
    balances = {"delfshaven/anna": 100_000, "delfshaven/bob": 0}
    async with live_network(tmp_path, 1, balances=balances) as (live,):
        assert (await ask(live.client.status))["consensus"]["full_block"] is None
        payer, expires = Payer(live.genesis, "anna"), int(time.time()) + 300
        large: list[int] = []
        while not large:  # a batch may be cut in two by the block that its first part begins
            size = live.node.store.tip.log_size
            await ask(live.client.batch, [payer.pay("bob", 1, expires=expires) for _ in range(60)])
            await until(lambda size=size: live.node.store.tip.log_size >= size + 60)  # type: ignore[misc]
            page = await ask(live.client.get, "/v1/blocks")
            counts = [block["transactions"] for block in page["items"]]
            large = [count for count in counts if count >= TXS_MIN]
        full = (await ask(live.client.status))["consensus"]["full_block"]

    assert full["measured_txs"] == sum(large)
    assert (full["txs"], full["limit_ms"]) == (4_000, 250)
    assert full["estimate_ms"] >= 0
