"""Transactions of peers: what is kept, for how long, and how much of it (consensus B3, B4, I8)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from chain.codec import encode
from chain.errors import Code
from chain.records import TX_CONTEXT, Envelope, decode_tx
from contracts.governance import Close, Propose, Second
from node import intake
from node.messages import IDS_MAX, BodyRequest, TxAnnounce, TxAnswer, TxBatch, TxRequest
from tests import federation
from tests.audit.made_chain import transfer
from tests.sim.test_scenarios import SECOND, heights, make_world
from tests.sim.world import START_MS, people

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chain.codec import Record
    from consensus.messages import CompactBlock
    from node.ports import Check
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


def test_what_depends_on_time_is_judged_at_the_time_it_is_now() -> None:
    """interfaces 2.2: the last block may be minutes ago; what is too late by now is no promise to
    keep, and what was too early then is none to break.
    """
    world = make_world(4, heartbeat_s=3_600)
    node = world.nodes[0]
    runtime = node.runtime
    assert runtime is not None
    author, seconder = people()[:2]
    closes = (START_MS + world.now) // 1000 + 100
    draft = Propose("ORDINARY", (), bytes(32), 0, closes, 0)
    raw = world.make_tx(draft, author, {0: author})
    world.submit(node, raw)
    world.run(world.now + 5 * SECOND)
    decision = decode_tx(raw, world.chain.table.union).id
    answers: list[int] = []

    def ask(call: Any) -> int:
        made = world.make_tx(call, seconder, {0: seconder})
        runtime.submit(made, lambda verdict: answers.append(verdict.code))
        world.run(world.now + 1)
        return answers[-1]

    height = heights(world)
    assert ask(Close(decision)) == Code.GOVERNANCE_TOO_EARLY.number
    world.run(world.now + 200 * SECOND)
    assert heights(world) == height
    assert ask(Second(decision)) == Code.GOVERNANCE_TOO_LATE.number
    assert ask(Close(decision)) == 0


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


def test_t14_a_slow_machine_proposes_what_it_can_execute_in_time_and_nobody_complains() -> None:
    """consensus T14, B6, ADR 0088: 25 ms a payment are 10 in a quarter of a second."""
    world = make_world(4)
    payer, payee = people()[:2]
    node = world.nodes[0]
    assert node.runtime is not None
    seen = node.runtime.candidates.executions
    for other in world.nodes:
        assert other.runtime is not None
        other.runtime.candidates.executions = seen  # all of them are as slow
    seen.add(100, 24_000, 2_500)
    for number in range(60):
        world.submit(node, world.make_payment(payer, payee, 1 + number))

    world.run(world.now + 20 * SECOND)

    store = node.runtime.store
    blocks = [store.block(height) for height in range(1, store.tip.height + 1)]
    sizes = [len(block.envelopes) for block in blocks if block is not None and block.envelopes]
    assert sum(sizes) == 60
    assert max(sizes) <= 15  # a quarter of what waited
    assert {block.certificate.round for block in blocks if block is not None} == {0}


def test_signatures_of_a_certified_block_are_checked_together_and_not_again() -> None:
    """consensus S3: what sync executes was checked at once, by the keys that it asks for."""
    world = make_world(4)
    node = world.nodes[0]
    assert node.runtime is not None
    intake_of, union = node.runtime.intake, world.chain.table.union
    payer, payee = people()[:2]
    raws = [world.make_payment(payer, payee, 1 + number) for number in range(40)]
    bad = raws[7][:-1] + bytes([raws[7][-1] ^ 1])
    txs = [decode_tx(raw, union) for raw in (*raws, bad)]
    keys = [intake_of._trial.get_keys(tx) for tx in txs]
    asked = count_checks(intake_of)

    intake_of.check_ahead(txs)

    assert asked == [41]
    assert [intake_of.check(*one) for one in zip(txs, keys, strict=True)] == [True] * 40 + [False]
    assert asked == [41, 1]  # only what was not good is asked again
    assert not intake_of.check(txs[0], (bytes(32),))
    assert asked == [41, 1, 1]  # another key than that which was checked
    assert not intake_of.check(replace(txs[0], id=txs[1].id[::-1]), (bytes(32),))
    intake_of.on_block([], world.now)
    assert intake_of.check(txs[0], keys[0])
    assert asked == [41, 1, 1, 1, 1]  # nothing is kept beyond the block


def test_a_verdict_counts_for_its_own_transaction_behind_a_bad_one_too() -> None:
    """consensus S3: of two signatures the first is bad, and so is the one after both."""
    world = make_world(4)
    node = world.nodes[0]
    assert node.runtime is not None
    intake_of, union = node.runtime.intake, world.chain.table.union
    seats = {0: "delfshaven-board-a", 1: "delfshaven-board-b"}
    shared = decode_tx(world.make_tx(transfer("eve", 1), seats[0], seats), union)
    first, second = shared.signatures
    envelope = Envelope(
        shared.signed.removeprefix(TX_CONTEXT), (replace(first, signature=bytes(64)), second)
    )
    half = decode_tx(encode(envelope), union)
    payer, payee = people()[:2]
    raw = world.make_payment(payer, payee, 1)
    bad = decode_tx(raw[:-1] + bytes([raw[-1] ^ 1]), union)

    intake_of.check_ahead([half, bad, shared])

    assert list(intake_of._ahead) == [shared.id]
    for tx, good in ((half, False), (bad, False), (shared, True)):
        assert intake_of.check(tx, intake_of._trial.get_keys(tx)) is good


def test_a_node_that_syncs_checks_each_block_at_once() -> None:
    """consensus S3: one job for the transactions of a block, none while it is executed."""
    world = make_world(4)
    payer, payee = people()[:2]
    late = world.nodes[3]
    late.crash()
    for number in range(12):
        world.submit(world.nodes[0], world.make_payment(payer, payee, 1 + number))
    world.run(world.now + 5 * SECOND)
    late.start()
    world.connect()
    assert late.runtime is not None
    asked = count_checks(late.runtime.intake)

    world.run(world.now + 20 * SECOND)

    assert late.runtime.store.tip.log_size == 12
    stored = [
        late.runtime.store.block(height + 1) for height in range(late.runtime.store.tip.height)
    ]
    sizes = [len(block.envelopes) for block in stored if block is not None and block.envelopes]
    assert [count for count in asked if count] == sizes


def count_checks(asked_of: intake.Intake) -> list[int]:
    """Return a list that grows with the number of checks of every question to the verifier."""
    asked: list[int] = []
    verifier = asked_of._verifier

    class Counting:
        def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
            verifier.start(checks, done)

        def now(self, checks: Sequence[Check]) -> list[bool]:
            asked.append(len(checks))
            return verifier.now(checks)

    asked_of._verifier = Counting()
    return asked


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


def test_b7_announcements_are_asked_for_together_so_that_open_blocks_keep_their_quota() -> None:
    """consensus B2, B7: the first at once, those of the next 100 ms in one request."""
    world = make_world(4)
    node, _, raw, asked = propose_unseen(world)
    peer, other = world.nodes[1].key, world.nodes[2].key
    ids = [sha256(number.to_bytes(4, "big")).digest() for number in range(5)]

    node.on_message(peer, TxAnnounce((ids[0],)))
    node.on_message(other, TxAnnounce((ids[1],)))
    assert asked == [TxRequest((ids[0],)), TxRequest((ids[1],))]
    for tx_id in (*ids[2:], sha256(raw).digest()):
        node.on_message(peer, TxAnnounce((tx_id,)))
    node.on_message(other, TxBatch((raw,)))  # it came by another way meanwhile
    world.run(world.now + intake.ASK_EVERY_MS - 1)
    assert len(asked) == 2

    world.run(world.now + 2)

    assert asked[2:] == [TxRequest(tuple(ids[2:]))]
    world.run(world.now + 2 * intake.ASK_EVERY_MS)
    node.on_message(peer, TxAnnounce((bytes(32),)))
    assert asked[3:] == [TxRequest((bytes(32),))]
