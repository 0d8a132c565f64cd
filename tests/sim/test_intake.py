"""Transactions of peers: what is kept, for how long, and how much of it (consensus B3, B4, I8)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from node import intake
from node.messages import IDS_MAX, BodyRequest, TxAnnounce, TxAnswer, TxBatch, TxRequest
from tests import federation
from tests.sim.test_scenarios import SECOND, heights, make_world
from tests.sim.world import people

if TYPE_CHECKING:
    from chain.codec import Record
    from consensus.messages import CompactBlock
    from node.runtime import Runtime
    from tests.sim.world import World


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


def propose_unseen(world: World) -> tuple[Runtime, CompactBlock, bytes, list[Record]]:
    """Return a node, a block of another with a payment it never saw, and what it asks for."""
    node, other = world.nodes[:2]
    world.partition([[one] for one in world.nodes])
    world.run(world.now + 100)
    payer, payee = people()[:2]
    raw = world.make_payment(payer, payee, 5)
    world.submit(other, raw)
    world.run(world.now + 100)
    assert node.runtime is not None
    assert other.runtime is not None
    compact = other.runtime.candidates.build(other.key, federation.START_S * 1_000 + world.now)
    assert len(compact.short_ids) == 1
    asked: list[Record] = []

    def note(peer: bytes, message: Record) -> None:
        asked.append(message)

    node.runtime.candidates._links.send = note  # type: ignore[method-assign]
    return node.runtime, compact, raw, asked


def test_b3_a_body_is_rebuilt_from_what_was_only_announced() -> None:
    """Its list of ids is not asked for; the transaction is, of the leader too."""
    world = make_world(4)
    node, compact, raw, asked = propose_unseen(world)
    leader, tx_id = world.nodes[1].key, sha256(raw).digest()
    node.on_message(leader, TxAnnounce((tx_id,)))
    assert asked == [TxRequest((tx_id,))]

    node.candidates.want(compact, (leader,))

    assert asked[1:] == [TxRequest((tx_id,))]
    node.on_message(leader, TxAnswer((raw,)))
    world.run(world.now + 10)
    assert node.candidates.get(compact.block_id) is not None


def test_b3_nothing_is_asked_for_a_transaction_whose_signature_is_being_checked() -> None:
    world = make_world(4)
    node, compact, raw, asked = propose_unseen(world)
    node.on_message(world.nodes[1].key, TxBatch((raw,)))

    node.candidates.want(compact, (world.nodes[1].key,))

    assert asked == []
    assert node.candidates.get(compact.block_id) is None
    world.run(world.now + 10)
    assert node.candidates.get(compact.block_id) is not None


def test_b3_the_list_of_ids_is_asked_for_where_nobody_announced_one() -> None:
    world = make_world(4)
    node, compact, _, asked = propose_unseen(world)

    node.candidates.want(compact, (world.nodes[1].key,))

    assert asked == [BodyRequest(compact.block_id)]


def test_b3_a_flood_of_announcements_makes_no_proposal_dear() -> None:
    """Of what was announced the newest count, as many as one block may lack (B7)."""
    world = make_world(4)
    node, compact, raw, _ = propose_unseen(world)
    tx_id = sha256(raw).digest()
    junk = [sha256(number.to_bytes(4, "big")).digest() for number in range(IDS_MAX)]
    peer = world.nodes[2].key
    node.on_message(peer, TxAnnounce((tx_id,)))

    assert tx_id in node.intake.by_short_id(compact.header.body_hash).values()
    node.on_message(peer, TxAnnounce(tuple(junk)))
    found = node.intake.by_short_id(compact.header.body_hash)

    assert len(found) == IDS_MAX
    assert tx_id not in found.values()
