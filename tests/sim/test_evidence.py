"""Validators that say two things: proven on chain, suspended, and the chain goes on (F14, F26)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chain.crypto import sha256
from chain.evidence import decode_evidence, get_conviction
from chain.execute import get_leaders
from chain.records import block_id
from chain.sanctions import EVIDENCE, get_suspended
from chain.signed import Justification, Prepare, RoundChange, justification_digest
from chain.state import State
from chain.validators import signer_keys
from consensus.events import Silence
from consensus.messages import (
    ChainName,
    DraftProposal,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    seal,
    signed_bytes,
)
from node.chainstore import ChainStore, create_chain
from node.rollback import _execute_again
from node.store_memory import MemoryStore
from node.wire import encode_frame
from tests.sim.test_scenarios import SECOND, Calm, heights, make_world, pay, start, stop
from tests.sim.test_set_change import (
    appoint,
    assert_one_chain,
    report,
    role_node,
    settle,
    store_of,
    world_of,
)
from tests.sim.world import World, node_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from chain.codec import Record
    from consensus.messages import Draft
    from tests.sim.world import SimNode


def sign(node: SimNode, draft: Draft) -> Record:
    """Sign without a guard, as a second machine with the same key does."""
    world = node.world
    name = ChainName(world.genesis.digest, world.chain.chain_id)
    return seal(draft, node.key, node.sign(signed_bytes(name, draft)))


def say_to_all(node: SimNode, message: Record) -> None:
    """Send beside what the runtime sends."""
    for peer in sorted(node.linked):
        node.world.carry(node, node.world.by_key[peer], bytes(encode_frame(message)[1]))


def prepare_twice(node: SimNode) -> Callable[[Record], Record | None]:
    """F15: another block is prepared in the same round."""

    def lie(message: Record) -> Record | None:
        if isinstance(message, SignedPrepare):
            say_to_all(node, sign(node, replace(message.record, block_id=bytes(32))))
        return message

    return lie


def propose_twice(node: SimNode) -> Callable[[Record], Record | None]:
    """F14: two blocks to two halves. Both are valid; they differ by a millisecond."""
    count = 0

    def lie(message: Record) -> Record | None:
        nonlocal count
        if not isinstance(message, SignedProposal) or message.signer != node.key:
            return message
        count += 1
        if count % 2:
            return message
        header = replace(message.block.header, time_ms=message.block.header.time_ms + 1)
        block = replace(message.block, header=header)
        record = replace(message.record, block_id=block_id(header))
        return sign(node, DraftProposal(record, block, message.justification))

    return lie


def commit_falsely(node: SimNode) -> Callable[[Record], Record | None]:
    """E1c: a commit with another log than the header it names."""

    def lie(message: Record) -> Record | None:
        if isinstance(message, SignedCommit) and message.signer == node.key:
            return sign(node, replace(message.record, log_size=message.record.log_size + 1))
        return message

    return lie


def forget(node: SimNode) -> Callable[[Record], Record | None]:
    """E1d, F26: the second machine leaves the round in which the first has committed."""

    def lie(message: Record) -> Record | None:
        if isinstance(message, SignedCommit) and message.signer == node.key:
            genesis, record = node.world.genesis.digest, message.record
            change = RoundChange(genesis, record.height, record.round + 1, None, None)
            say_to_all(node, sign(node, change))
        return message

    return lie


def change_twice(node: SimNode) -> Callable[[Record], Record | None]:
    """E1f: two round changes to one round; it never prepared what it claims."""

    def lie(message: Record) -> Record | None:
        if isinstance(message, SignedPrepare) and message.signer == node.key:
            genesis, record = node.world.genesis.digest, message.record
            for prepared in ((None, None), (0, bytes(32))):
                change = RoundChange(genesis, record.height, record.round + 1, *prepared)
                say_to_all(node, sign(node, change))
        return message

    return lie


def propose_falsely(node: SimNode) -> Callable[[Record], Record | None]:
    """F16: reasons where none may be, signed by the leader with the digest that is theirs."""

    def lie(message: Record) -> Record | None:
        if not isinstance(message, SignedProposal) or message.signer != node.key:
            return message
        record = message.record
        change = RoundChange(node.world.genesis.digest, record.height, 1, None, None)
        signed = sign(node, change)
        assert isinstance(signed, SignedRoundChange)
        reasons = Justification((signed,), None)
        record = replace(record, justification_digest=justification_digest(reasons))
        return sign(node, DraftProposal(record, message.block, reasons))

    return lie


LIES = {
    "a": propose_twice,
    "b": prepare_twice,
    "c": commit_falsely,
    "d": forget,
    "e": propose_falsely,
    "f": change_twice,
}


def suspended(node: SimNode) -> dict[bytes, str]:
    assert node.runtime is not None
    state = State(node.runtime.store.read_state)
    return {one.key: one.kind for one in get_suspended(state)}


def evidence_on_chain(node: SimNode) -> list[bytes]:
    assert node.runtime is not None
    store = node.runtime.store
    bodies = [store.block(height) for height in range(1, store.tip.height + 1)]
    return [raw for block in bodies if block is not None for raw in block.body.evidence]


@pytest.mark.parametrize("kind", LIES)
def test_f14_f15_f16_f26_who_says_two_things_is_proven_and_suspended(kind: str) -> None:
    """consensus F14, F15, F16, F26, E3, E4: on chain once, on every node, and the chain goes on."""
    world = make_world(4)
    liar = world.nodes[1]
    liar.lie = LIES[kind](liar)

    pay(world, count=8, every=4 * SECOND)

    for node in world.nodes:
        assert node.runtime is not None
        assert suspended(node) == {liar.key: kind}
        assert get_leaders(node.runtime.store.read_state)[-1] == liar.key
        assert node.runtime.evidence.offer() == ()
    (raw,) = evidence_on_chain(world.nodes[0])
    found = get_conviction(decode_evidence(raw))
    assert (found.key, found.kind) == (liar.key, kind)
    assert min(heights(world)) >= 7


def test_f26_honest_nodes_say_who_and_that_it_is_most_often_a_second_machine() -> None:
    """consensus E7: the operator hears it at once, once."""
    world = make_world(4)
    liar = world.nodes[1]
    liar.lie = prepare_twice(liar)

    pay(world, count=3, every=4 * SECOND)

    runtime = world.nodes[0].runtime
    assert runtime is not None
    told = [dict(alarm.params) for _, alarm in runtime.alarms if alarm.text == "equivocation"]
    assert [(one["validator"], one["kind"]) for one in told] == [(liar.name, "b")]


def test_j70_evidence_survives_a_restart_and_a_late_peer_hears_of_it() -> None:
    """reliability J23, J70: durable before it is told; nobody needs to see the lie again."""
    world = make_world(4)
    late, witness, liar = world.nodes[3], world.nodes[0], world.nodes[1]
    stop(late)
    block = bytes(range(32))
    for other in (block, bytes(32)):
        say = sign(liar, _prepare(world, liar, other))
        world.carry(liar, witness, bytes(encode_frame(say)[1]))
    world.run(world.now + SECOND)
    assert witness.runtime is not None
    (raw,) = witness.runtime.evidence.offer()

    for node in world.nodes[:3]:
        stop(node)
    start(world, witness)
    assert witness.runtime is not None
    assert witness.runtime.evidence.offer() == (raw,)
    start(world, late)
    world.run(world.now + SECOND)

    assert late.runtime is not None
    assert late.runtime.evidence.offer() == (raw,)


def _prepare(world: World, liar: SimNode, block: bytes) -> Draft:
    assert liar.runtime is not None
    return Prepare(world.genesis.digest, liar.runtime.store.tip.height + 1, 0, block)


def test_e5_what_was_said_in_a_failed_round_is_kept() -> None:
    """consensus E5: of every height that needed more than round 0."""
    world = make_world(4)
    stop(world.by_key[_leader(world)])
    pay(world, every=5 * SECOND)

    kept = [node.runtime.evidence.retained(1) for node in world.nodes if node.runtime is not None]

    assert len(kept) == 3
    for said in kept:
        kinds = {type(one) for one in said}
        assert {SignedPrepare, SignedCommit, SignedRoundChange} <= kinds
        assert all(one.record.height == 1 for one in said)


def _leader(world: World) -> bytes:
    runtime = world.nodes[0].runtime
    assert runtime is not None
    return runtime.replica.status().proposer


def test_e3_evidence_stands_once_in_the_state() -> None:
    world = make_world(4)
    liar = world.nodes[2]
    liar.lie = prepare_twice(liar)
    pay(world, count=4, every=4 * SECOND)

    for node in world.nodes:
        assert node.runtime is not None
        state = State(node.runtime.store.read_state)
        places = range(1, node.runtime.store.tip.height + 1)
        seen = [one for at in places if (one := EVIDENCE.get(state, liar.key, at)) is not None]
        assert [(one.kind, one.digest) for one in seen] == [
            ("b", sha256(evidence_on_chain(node)[0]))
        ]


def test_s11_a_chain_with_evidence_is_executed_again_by_a_rollback() -> None:
    """consensus S11, E3: what a block proves is part of what gives its roots."""
    world = World(1, nodes=4, faults=Calm)
    world.real_keys = True  # a rollback checks what it takes over as every node does
    for node in world.nodes:
        world.at(0, None, "start", node_start(node))
    world.run(3 * SECOND)
    liar = world.nodes[1]
    liar.lie = prepare_twice(liar)
    pay(world, count=6, every=SECOND)
    honest = world.nodes[0]
    assert evidence_on_chain(honest)
    assert honest.runtime is not None
    old, again = honest.runtime.store, MemoryStore({})
    create_chain(again, world.genesis)
    new = ChainStore(again)

    for height in range(1, old.tip.height + 1):
        _execute_again(old, new, world.chain, height)

    assert new.tip == old.tip
    assert suspended(honest).keys() == {one.key for one in get_suspended(State(new.read_state))}


def set_keys(world: World) -> set[bytes]:
    store = store_of(world)
    return set(store.validators_at(store.tip.height).keys)


@pytest.mark.parametrize("kind", LIES)
def test_e4_a_liar_leaves_the_set_and_the_chain_goes_on(kind: str) -> None:
    """consensus F14, F15, F26, E4, V6: five become four; what it signs then counts for nobody."""
    world = make_world(5)
    liar = world.nodes[1]
    liar.lie = LIES[kind](liar)

    pay(world, count=11, every=4 * SECOND)

    assert set_keys(world) == {node.key for node in world.nodes} - {liar.key}
    assert store_of(world).validators_at(store_of(world).tip.height).quorum == 3
    assert liar.runtime is not None
    assert liar.runtime.replica.status().silence is Silence.OBSERVER
    before = store_of(world).tip.height
    stop(liar)
    stop(world.nodes[0])  # four tolerate one
    pay(world, count=4, every=10 * SECOND)
    assert store_of(world).tip.height >= before + 3
    start(world, world.nodes[0])
    start(world, liar)
    assert_one_chain(world)


def test_e4_two_liars_of_seven_leave_and_their_board_lets_one_back() -> None:
    """consensus E4, V4, V5: both go in one change or in two; one returns by `register_role`."""
    world = world_of(7)
    first, second = role_node(world), world.nodes[2]
    second = second if second is not first else world.nodes[3]
    first.lie, second.lie = prepare_twice(first), change_twice(second)
    pay(world, count=8, every=4 * SECOND)
    assert len(set_keys(world)) == 5
    assert not set_keys(world) & {first.key, second.key}
    first.lie = lambda message: message  # the second machine is off
    assert first.runtime is not None
    told = [alarm.text for _, alarm in first.runtime.alarms]
    assert "key-in-use-elsewhere" in told, "D14"
    stop(first)
    start(world, first)  # as its status asks: turn that off, and start here again

    report(world, first.name)
    assert appoint(world, "delfshaven", first.name) == 0
    settle(world)

    assert first.key in set_keys(world)
    assert second.key not in set_keys(world)
    height = store_of(world).tip.height
    pay(world, count=7, every=4 * SECOND)
    signed = [store_of(world).certificate(at) for at in range(height, store_of(world).tip.height)]
    sets = [store_of(world).validators_at(one.height) for one in signed if one is not None]
    signers = [
        set(signer_keys(one, keys))
        for one, keys in zip(signed, sets, strict=True)
        if one is not None
    ]
    assert any(first.key in keys for keys in signers)  # it votes again
    assert_one_chain(world)
