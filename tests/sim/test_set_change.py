"""Changes of the validator set and upgrades on the production runtime (V1..V8, F36..F38, F44)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chain.codec import encode
from chain.crypto import sha256
from chain.crypto import sign as sign_for_real
from chain.errors import Code
from chain.execute import get_leaders
from chain.keyspaces import NO_END_S, get_planned_upgrade
from chain.shared import key_proof_bytes
from chain.state import State
from chain.validators import signer_keys
from consensus.events import Silence
from consensus.messages import ChainName, Commit, seal, signed_bytes
from contracts.wijk import (
    FedEndorse,
    FedPropose,
    Found,
    HeldKey,
    NodeKeys,
    Ready,
    RegisterRole,
    Remove,
    SetParam,
    node_proof_bytes,
    ready_proof_bytes,
)
from node.runtime import TooOld
from tests.federation import account, board, holder, key, seed
from tests.sim.test_scenarios import MINUTE, SECOND, make_world, pay, start, stop
from tests.sim.world import START_MS, node_start

if TYPE_CHECKING:
    from node.chainstore import ChainStore
    from tests.sim.world import SimNode, World

EPOCH_MS = 20 * SECOND  # long enough that a vote and its border do not meet by chance
DELFSHAVEN = {0: "delfshaven-board-a", 1: "delfshaven-board-b"}


def world_of(nodes: int) -> World:
    return make_world(nodes, epoch_s=EPOCH_MS // 1000)


def store_of(world: World) -> ChainStore:
    """Return the chain of the node that is furthest."""
    stores = [node.runtime.store for node in world.nodes if node.runtime is not None]
    return max(stores, key=lambda store: store.tip.height)


def send(world: World, call: Any, sender: str, signers: dict[int, str]) -> tuple[int, bytes]:
    """Send a call through a node that runs; return its code, refused or final, and its id."""
    raw = world.make_tx(call, sender, signers)
    tx_id, codes = sha256(raw), []
    node = next(node for node in world.nodes if node.runtime is not None and node.linked)
    assert node.runtime is not None
    node.runtime.submit(raw, lambda verdict: codes.append(verdict.code))
    until = world.now + 30 * SECOND
    while world.now < until:
        world.run(world.now + 50)
        place = store_of(world).place(tx_id)
        if place is not None:
            return place.code, tx_id
        if codes and codes[0]:
            return codes[0], tx_id
    raise AssertionError(f"no block for {call}: {world.checks.explain(0)}")


def by_board(world: World, call: Any) -> tuple[int, bytes]:
    return send(world, call, "delfshaven-board-a", DELFSHAVEN)


def by_federation(world: World, call: Any) -> bytes:
    """Let delfshaven and every founded wijk agree, until the call has run; return what ran it."""
    code, matter = by_board(world, FedPropose(encode(call)))
    assert code == 0
    for wijk in ("delfshaven", "w1", "w2", "w3"):
        names = [f"{wijk}-board-a", f"{wijk}-board-b"]
        code, tx_id = send(world, FedEndorse(matter, 1), names[0], dict(enumerate(names)))
        assert code == 0, code
        place = store_of(world).place(tx_id)
        assert place is not None
        outcome = store_of(world).outcomes(place.height)[place.index]
        for notice in outcome.notices:
            if notice.name == "wijk.FedExecuted":
                assert msgspec.msgpack.decode(notice.values)[1] == 0
                return tx_id
    raise AssertionError("all agreed and nothing ran")


def found(world: World, wijk: str) -> None:
    """Found a wijk whose node is `node-<wijk>`."""
    names = [f"{wijk}-board-{letter}" for letter in "abc"]
    others = [f"{wijk}-registrar-a", f"{wijk}-registrar-b"]
    validator = key(f"node-{wijk}")
    message = key_proof_bytes(world.genesis.digest, account(names[0]), validator)
    call = Found(
        wijk, "WK059904", 2014, "EUR", "Munt", "MNT", "Munten", bytes(32), "DEMO",
        tuple(HeldKey(key(name), holder(name)) for name in names),
        2,
        (HeldKey(key(others[0]), holder(names[0])), HeldKey(key(others[1]), holder(others[1]))),
        validator,
        sign_for_real(seed(f"node-{wijk}"), message),
    )  # fmt: skip
    by_federation(world, call)


def report(world: World, node: str) -> None:
    """Let a node say that it has the newest block."""
    tip = store_of(world).tip
    names = (f"node-{node}", f"transport-{node}")
    signed = ready_proof_bytes(
        world.genesis.digest, key(names[0]), key(names[1]), tip.block_id, tip.height
    )
    proof = sign_for_real(seed(names[0]), signed)
    call = Ready(key(names[0]), key(names[1]), tip.block_id, tip.height, proof)
    assert by_board(world, call)[0] == 0


def appoint(world: World, wijk: str, node: str) -> int:
    """Let the board of a wijk name its node; return the code."""
    names = (f"node-{node}", f"transport-{node}")
    signed = node_proof_bytes(world.genesis.digest, key(names[0]), key(names[1]))
    keys = NodeKeys(key(names[0]), key(names[1]), sign_for_real(seed(names[0]), signed))
    call = RegisterRole("VALIDATOR", board(wijk), 0, NO_END_S, keys)
    seats = [f"{wijk}-board-a", f"{wijk}-board-b"]
    return send(world, call, seats[0], dict(enumerate(seats)))[0]


def pass_border(world: World) -> int:
    """Let the first block of the next epoch come; return its height."""
    wall = START_MS + world.now
    world.run(world.now + EPOCH_MS - wall % EPOCH_MS + SECOND)
    before = store_of(world).tip.height
    pay(world, every=SECOND)
    while store_of(world).tip.height == before:
        world.run(world.now + SECOND)
    return before + 1


def settle(world: World) -> None:
    """Let a planned change come into force, and one more block after it."""
    pass_border(world)
    pay(world, count=4, every=SECOND)


def keys_at(world: World, height: int) -> set[bytes]:
    return set(store_of(world).validators_at(height).keys)


def role_node(world: World) -> SimNode:
    """Return the node that the role of delfshaven names: the first of its keys."""
    return world.by_key[min(world.by_key)]


def add_node(world: World, name: str) -> SimNode:
    node = world.add_node(name)
    world.at(world.now, None, "start", node_start(node))
    world.run(world.now + 10 * SECOND)
    return node


def assert_one_chain(world: World) -> None:
    """Every node that runs reaches one tip, and the invariants hold at the end."""
    pay(world, count=2, every=2 * SECOND)
    world.run(world.now + 20 * SECOND)
    tips = {n.runtime.store.tip.block_id for n in world.nodes if n.runtime is not None}
    assert len(tips) == 1, world.checks.explain(0)


def test_f36_a_change_that_begins_in_round_3_counts_two_heights_later() -> None:
    """consensus F36, V1, V2: all rounds of h, and all of h + 1, are judged by the old set."""
    world = world_of(10)
    old = role_node(world)
    new = add_node(world, "new")
    report(world, "new")
    assert appoint(world, "delfshaven", "new") == 0
    for key_ in get_leaders(store_of(world).read_state)[:3]:
        stop(world.by_key[key_])

    border = pass_border(world)
    world.run(world.now + 10 * SECOND)
    pay(world, count=4, every=20 * SECOND)

    certificate = store_of(world).certificate(border)
    assert certificate is not None
    assert certificate.round == 3
    for height in (border, border + 1):
        assert old.key in keys_at(world, height)
        assert new.key not in keys_at(world, height)
    after = keys_at(world, border + 2)
    assert new.key in after
    assert old.key not in after
    assert store_of(world).tip.height > border + 2
    for height in range(border, store_of(world).tip.height + 1):
        signed = store_of(world).certificate(height)
        assert signed is not None
        signers = signer_keys(signed, store_of(world).validators_at(height))
        assert (new.key if height < border + 2 else old.key) not in signers


def test_f37_a_removed_validator_that_keeps_voting_does_not_count() -> None:
    """consensus F37, V6: it is a stranger from the height on at which it is out."""
    world = world_of(4)
    old = role_node(world)
    add_node(world, "new")
    report(world, "new")
    assert appoint(world, "delfshaven", "new") == 0
    settle(world)
    assert old.key not in keys_at(world, store_of(world).tip.height)
    assert old.runtime is not None
    assert old.runtime.replica.status().silence is Silence.OBSERVER
    others = [node for node in world.nodes if node is not old]

    for node in others:
        assert node.runtime is not None
        tip = node.runtime.store.tip
        vote = Commit(tip.height + 1, 0, b"\x01" * 32, tip.log_size, tip.log_root)
        name = ChainName(world.genesis.digest, world.chain.chain_id)
        forged = seal(vote, old.key, world.sign(old.seed, signed_bytes(name, vote)))
        node.runtime.on_message(old.key, forged)

    for node in others:
        assert node.runtime is not None
        assert node.runtime.replica.status().committed_by == ()
        assert node.runtime.ignored["signed by a stranger"] >= 1
    assert_one_chain(world)


def test_f37_an_added_validator_that_is_offline_counts_in_the_quorum() -> None:
    """consensus F37, V4: five with one dead go on, and the loss of one more stops them."""
    world = world_of(4)
    found(world, "w1")
    absent = add_node(world, "w1")
    report(world, "w1")
    assert appoint(world, "w1", "w1") == 0
    stop(absent)

    settle(world)

    tip = store_of(world).tip.height
    assert len(keys_at(world, tip)) == 5
    assert store_of(world).validators_at(tip).quorum == 4
    stop(world.nodes[0])
    pay(world, every=30 * SECOND)
    assert store_of(world).tip.height == tip
    start(world, world.nodes[0])
    start(world, absent)
    world.run(world.now + 30 * SECOND)
    assert store_of(world).tip.height > tip
    assert_one_chain(world)


def test_f37_from_four_to_seven_and_back_in_legal_steps() -> None:
    """consensus F37, V3, V4, L1: leaders go on over every change, and nobody forks."""
    world = world_of(4)
    sizes = []
    for wijk in ("w1", "w2", "w3"):
        found(world, wijk)
        add_node(world, wijk)
        report(world, wijk)
        assert appoint(world, wijk, wijk) == 0
        settle(world)
        sizes.append(len(keys_at(world, store_of(world).tip.height)))
    for wijk in ("w3", "w2", "w1"):
        by_federation(world, Remove(wijk, 0))
        settle(world)
        sizes.append(len(keys_at(world, store_of(world).tip.height)))

    assert sizes == [5, 6, 7, 6, 5, 4]
    creators = {
        header.creator
        for height in range(1, store_of(world).tip.height + 1)
        if (header := store_of(world).header(height)) is not None
    }
    assert len(creators) == 7
    assert_one_chain(world)


def test_f37_the_leader_is_replaced_in_the_middle_of_its_turn() -> None:
    """consensus F37, L1: the next larger key leads when the creator has left the set."""
    world = world_of(4)
    old = role_node(world)
    add_node(world, "new")
    report(world, "new")
    assert appoint(world, "delfshaven", "new") == 0
    pass_border(world)
    pay(world, every=SECOND)
    while get_leaders(store_of(world).read_state)[0] == old.key:
        stop(old)
        pay(world, every=5 * SECOND)

    pay(world, count=6, every=2 * SECOND)

    tip = store_of(world).tip.height
    assert old.key not in keys_at(world, tip)
    assert world.checks.rounds <= 4 * 3  # at most one lost round, and its echo, at three nodes
    assert_one_chain(world)


def test_f38_bad_changes_are_refused_and_the_chain_lives() -> None:
    """consensus F38, V3, V4: a duplicate key, too few, and a second change while one is pending."""
    world = world_of(4)
    number = Code.WIJK_SET_CHANGE.number
    taken = world.nodes[1].name
    assert appoint(world, "delfshaven", "new") == number  # never reported itself
    found(world, "w1")
    report(world, taken)
    assert appoint(world, "w1", taken) == number  # the key of another wijk's node
    add_node(world, "new")
    add_node(world, "other")
    report(world, "new")
    report(world, "other")
    assert appoint(world, "delfshaven", "new") == 0
    assert appoint(world, "delfshaven", "other") == number
    border = pass_border(world)
    assert appoint(world, "delfshaven", "other") == number
    pay(world, count=3, every=SECOND)
    assert len(keys_at(world, border + 2)) == 4
    assert appoint(world, "delfshaven", "other") == 0
    settle(world)
    assert key("node-other") in keys_at(world, store_of(world).tip.height)
    assert_one_chain(world)


def upgraded(node: SimNode) -> None:
    """Give a node the program that knows version 2, as a restart with a new one would."""
    chain = node.chain
    node.chain = type(chain)(
        chain.chain_id, chain.digest, chain.purpose, chain.table, versions=(1, 2)
    )


def test_f44_mixed_versions_across_an_upgrade_height() -> None:
    """consensus F44, V8: q new nodes go on; the old one stops before the height and says so."""
    world = world_of(4)
    for node in world.nodes[:3]:
        stop(node)
        upgraded(node)
        start(world, node)
    world.run(world.now + 5 * SECOND)
    height = store_of(world).tip.height + 8
    epoch = (START_MS + world.now) // EPOCH_MS
    by_federation(world, SetParam("upgrade", msgspec.Raw(encode((2, height))), epoch + 3))
    tip = store_of(world).tip.height
    assert get_planned_upgrade(State(store_of(world).read_state), tip) == (2, height)

    pay(world, count=12, every=2 * SECOND)

    old = world.nodes[3]
    assert old.runtime is None
    assert old.stopped is not None
    assert old.stopped.startswith("WIJK-4005")
    assert f"{height}" in old.stopped
    store = store_of(world)
    assert store.tip.height > height
    versions = [
        header.version for h in (height - 1, height) if (header := store.header(h)) is not None
    ]
    assert versions == [1, 2]
    with pytest.raises(TooOld, match="WIJK-4005"):
        old.start()  # it does not come back as it is
    old.crash()

    upgraded(old)
    start(world, old)
    world.run(world.now + MINUTE)
    assert old.runtime is not None
    assert old.runtime.store.tip.height >= store.tip.height
    assert_one_chain(world)
