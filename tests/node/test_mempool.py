"""The mempool's caps and order (consensus B4, B7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.records import Tx
from consensus.messages import short_ids
from node.mempool import Mempool, MempoolFull, Pending


def make(number: int, sender: int = 0, size: int = 200, expires: int = 1_000) -> Pending:
    tx = Tx(
        id=number.to_bytes(32, "big"),
        raw=bytes(size),
        signed=b"",
        chain_digest=bytes(32),
        sender=sender.to_bytes(20, "big"),
        nonce=number.to_bytes(16, "big"),
        expires=expires,
        call=None,
        signatures=(),
    )
    return Pending(tx, (bytes(32),), number, since_height=number, since_s=number)


def test_order_of_arrival_is_kept() -> None:
    pool = Mempool(10, 10_000)
    for number in (5, 3, 9):
        pool.add(make(number))

    assert [tx.id[-1] for tx in pool.txs()] == [5, 3, 9]


def test_one_account_cannot_fill_the_pool() -> None:
    """consensus B4: pending quota per account, by count and by bytes."""
    pool = Mempool(2, 500)
    pool.add(make(1))
    pool.add(make(2))
    with pytest.raises(MempoolFull) as by_count:
        pool.add(make(3))
    pool.add(make(4, sender=1, size=400))
    with pytest.raises(MempoolFull) as by_bytes:
        pool.add(make(5, sender=1, size=200))

    assert by_count.value.account
    assert by_bytes.value.account
    assert len(pool) == 3


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=60))
def test_accounting_follows_additions_and_removals(steps: list[tuple[int, int, bool]]) -> None:
    """consensus I8: what is counted is what is held."""
    pool = Mempool(1_000, 10**9)
    held: dict[bytes, Pending] = {}
    for number, sender, add in steps:
        pending = make(number, sender, size=100 + number)
        if add and pending.tx.id not in held:
            pool.add(pending)
            held[pending.tx.id] = pending
        elif not add:
            pool.remove([pending.tx.id])
            held.pop(pending.tx.id, None)

    assert len(pool) == len(held)
    assert pool.bytes == sum(len(pending.tx.raw) for pending in held.values())
    assert {tx.id for tx in pool.txs()} == set(held)


def test_what_expired_leaves() -> None:
    """reliability J80."""
    pool = Mempool(10, 10_000)
    pool.add(make(1, expires=100))
    pool.add(make(2, expires=101))

    assert pool.remove_expired(100) == [make(1).tx.id]
    assert make(2).tx.id in pool


def test_short_ids_lead_back_to_the_transactions() -> None:
    """consensus B3."""
    pool = Mempool(10, 10_000)
    for number in (1, 2, 3):
        pool.add(make(number))
    body_hash = bytes(31) + b"\x07"

    found = pool.by_short_id(body_hash)

    assert {found[short_ids(body_hash, [make(n).tx.id])[0]] for n in (1, 2, 3)} == {
        make(n).tx.id for n in (1, 2, 3)
    }


def test_b6_overdue_is_what_waits_for_so_many_blocks_or_half_its_life() -> None:
    """consensus B6."""
    pool = Mempool(10, 10_000)
    for number in (1, 2, 3):
        pool.add(make(number, expires=1_001))

    def overdue(height: int, time_s: int) -> list[int]:
        return [int.from_bytes(tx.id, "big") for tx in pool.overdue(height, time_s, 8)]

    assert overdue(8, 0) == []
    assert overdue(9, 0) == [1]
    assert overdue(10, 0) == [1, 2]
    assert overdue(0, 500) == []
    assert overdue(0, 501) == [1, 2]  # half of the life of the third ends a second later
    assert overdue(0, 502) == [1, 2, 3]


@given(
    most=st.integers(1, 12),
    heights=st.integers(1, 6),
    since=st.lists(st.integers(1, 8), min_size=1, max_size=20).map(sorted),
)
def test_b6_a_small_block_takes_the_first_and_leaves_out_nobody_who_waits_for_long(
    most: int, heights: int, since: list[int]
) -> None:
    """consensus T14, B6: at height 9, in order of arrival."""
    pool = Mempool(100, 100_000)
    for number, height in enumerate(since):
        pool.add(replace(make(number, expires=10_000), since_height=height))

    taken = [int.from_bytes(tx.id, "big") for tx in pool.first(most, 9, 0, heights)]

    long = [number for number, height in enumerate(since) if 9 - height >= heights]
    assert taken == sorted({*range(min(most, len(since))), *long})
