"""Transactions of peers: what is kept, for how long, and how much of it (consensus B3, B4, I8)."""

from __future__ import annotations

from hashlib import sha256

import pytest

from node import intake
from node.messages import TxAnswer, TxBatch, TxRequest
from tests.sim.test_scenarios import SECOND, heights, make_world
from tests.sim.world import people


def test_transactions_with_wrong_signatures_are_not_kept() -> None:
    """consensus I8, F35: a validator pushes plausible junk; on an idle chain no block clears it."""
    world = make_world(4)
    node, liar = world.nodes[0], world.nodes[1]
    assert node.runtime is not None
    payer, payee = people()[:2]
    junk = []
    for number in range(50):
        raw = world.make_payment(payer, payee, 1 + number)
        junk.append(raw[:-1] + bytes([raw[-1] ^ 1]))

    node.runtime.on_message(liar.key, TxBatch(tuple(junk[:25])))
    node.runtime.on_message(liar.key, TxAnswer(tuple(junk[25:])))
    world.run(world.now + SECOND)

    assert len(node.runtime.intake.mempool) == 0
    assert all(node.runtime.intake.find(sha256(raw).digest()) is None for raw in junk)


def test_a_block_is_made_whole_where_the_mempool_has_no_place_for_its_transactions() -> None:
    """consensus B3, B4: each mempool holds another payment of the account, and may hold one."""
    world = make_world(4, account_pending_txs=1)
    payer, payee = people()[:2]
    for number, node in enumerate(world.nodes):
        world.submit(node, world.make_payment(payer, payee, 10 + number))

    world.run(world.now + 5 * SECOND)

    assert min(heights(world)) >= 4
    stores = [node.runtime.store for node in world.nodes if node.runtime is not None]
    assert {store.tip.log_size for store in stores} == {4}


def test_what_is_kept_for_open_blocks_has_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """consensus I8: a leader that proposes huge blocks fills no memory; the oldest make room."""
    world = make_world(4, account_pending_txs=1)
    node, leader = world.nodes[0], world.nodes[1]
    assert node.runtime is not None
    payer, payee = people()[:2]
    raws = [world.make_payment(payer, payee, 1 + number) for number in range(6)]
    ids = [sha256(raw).digest() for raw in raws]
    monkeypatch.setattr(intake, "FOR_BLOCK_BYTES_MAX", 3 * len(raws[0]) + 10)
    for other in world.nodes[1:]:
        other.crash()  # nobody decides a block meanwhile

    node.runtime.intake.want(ids)
    node.runtime.on_message(leader.key, TxAnswer(tuple(raws)))
    world.run(world.now + 100)

    held = [node.runtime.intake.find(tx_id) is not None for tx_id in ids]
    assert held == [True, False, False, True, True, True]  # the first is in the mempool


def test_a_flood_of_transactions_waits_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """consensus B7, I8: bytes that wait for their signature check are capped, not only their count.

    What a block asked for still gets in beside a flood of what nobody asked for.
    """
    world = make_world(4)
    node, liar = world.nodes[0], world.nodes[1]
    assert node.runtime is not None
    payer, payee = people()[:2]
    raws = [world.make_payment(payer, payee, 1 + number) for number in range(10)]
    ids = [sha256(raw).digest() for raw in raws]
    monkeypatch.setattr(intake, "QUEUE_BYTES_MAX", 3 * len(raws[0]) - 10)

    node.runtime.on_message(liar.key, TxBatch(tuple(raws[:5])))
    node.runtime.on_message(liar.key, TxAnswer(tuple(raws[5:])))

    waiting = [node.runtime.intake.is_pending(tx_id) for tx_id in ids]
    assert waiting == [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2


def test_a_request_for_decided_transactions_reads_few_blocks_and_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """consensus B7: a peer that names one transaction of many blocks costs no more than four."""
    world = make_world(4)
    node, peer = world.nodes[0], world.nodes[1]
    assert node.runtime is not None
    payer, payee = people()[:2]
    blocks = []
    for number in range(6):
        raws = [world.make_payment(payer, payee, 1 + 2 * number + i) for i in range(2)]
        for raw in raws:
            world.submit(node, raw)
        world.run(world.now + 3 * SECOND)
        blocks.append(raws)
    store, runtime = node.runtime.store, node.runtime
    reads: list[int] = []
    read = store.envelopes

    def note(height: int) -> tuple[bytes, ...]:
        reads.append(height)
        return read(height)

    monkeypatch.setattr(store, "envelopes", note)
    sent: list[object] = []
    monkeypatch.setattr(runtime.intake._links, "send", lambda _peer, message: sent.append(message))

    everything = [raw for raws in blocks for raw in raws]
    ids = tuple(sha256(raw).digest() for raw in everything)
    runtime.on_message(peer.key, TxRequest(ids))

    assert sent == [TxAnswer(tuple(everything[:8]))]
    assert len(reads) == len(set(reads)) == intake.DECIDED_BLOCKS_MAX
