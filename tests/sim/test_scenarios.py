"""Fault scenarios of consensus section 16, told step by step on the production runtime."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from chain.validators import signer_keys
from node.chainstore import ChainStore
from node.head_file import HeadBinding, create_head_file
from node.runtime import Halted
from node.store_memory import MemoryStore
from tests import federation
from tests.sim.faults import Faults
from tests.sim.world import World, node_start, people

if TYPE_CHECKING:
    from tests.sim.world import SimNode

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Calm(Faults):
    """A LAN where nothing goes wrong by itself."""

    def __init__(self, chance: Random, nodes: int) -> None:
        super().__init__(chance, nodes)
        self.loss = self.duplicates = self.crash_points = 0.0
        self.delay_ms, self.jitter_ms = 2, 1
        self.crashes = self.partitions = self.skew_ms = self.payments = 0
        self.power_cut = False


def make_world(nodes: int, **params: int) -> World:
    """Return a calm world whose nodes have started and found each other."""
    world = World(1, nodes=nodes, faults=Calm, params=params)
    for node in world.nodes:
        world.at(0, None, "start", node_start(node))
    world.run(3 * SECOND)
    return world


def pay(world: World, count: int = 1, every: int = 100) -> None:
    """Let people pay, one after the other, and the time for it pass."""
    for _ in range(count):
        world.pay()
        world.run(world.now + every)


def stop(node: SimNode) -> None:
    """Take a node away."""
    node.crash()


def start(world: World, node: SimNode) -> None:
    """Bring a node back on its data."""
    world.at(world.now, None, "start", node_start(node))
    world.run(world.now + SECOND)


def heights(world: World) -> list[int]:
    """Return the heights of the nodes that run."""
    return [node.runtime.store.tip.height for node in world.nodes if node.runtime is not None]


def leader(world: World) -> SimNode:
    """Return who leads the current round of the highest open height."""
    runtimes = [node.runtime for node in world.nodes if node.runtime is not None]
    best = max(runtimes, key=lambda runtime: runtime.store.tip.height)
    return world.by_key[best.replica.status().proposer]


def test_one_payment_on_an_idle_network_is_final_within_a_few_delays() -> None:
    """consensus T8, G: proposal, prepare, commit; three message delays of 3 ms and the intake."""
    world = make_world(4)

    pay(world, every=60)

    assert heights(world) == [1, 1, 1, 1]


def test_f1_a_dead_leader_costs_one_round() -> None:
    """consensus F1: round 1 decides; the others go on."""
    world = make_world(4)
    stop(leader(world))

    pay(world, every=5 * SECOND)

    assert heights(world) == [1, 1, 1]
    assert world.checks.rounds == 3  # one failed round, seen by the three that run


def test_f3_blocks_go_on_with_all_the_nodes_down_that_may_be_down() -> None:
    """consensus F3: n - q of 7 nodes are down."""
    world = make_world(7)
    for node in world.nodes[:2]:
        stop(node)

    pay(world, count=5, every=6 * SECOND)

    assert min(heights(world)) >= 5


def test_f4_an_hour_without_quorum_raises_no_rounds_and_ends_within_ten_seconds() -> None:
    """consensus F4, T5: rounds are frozen, and the next block comes soon after the return."""
    world = make_world(4)
    pay(world)
    absent = world.nodes[2:]
    for node in absent:
        stop(node)
    world.run(world.now + 10 * SECOND)
    pay(world, every=HOUR)
    frozen = [n.runtime.replica.status().round for n in world.nodes if n.runtime is not None]
    before = max(heights(world))

    for node in absent:
        world.at(world.now, None, "start", node_start(node))
    world.run(world.now + 10 * SECOND)

    assert max(frozen) <= 6
    assert min(heights(world)) > before or not world.nodes[0].runtime.intake.mempool  # type: ignore[union-attr]
    pay(world, every=5 * SECOND)
    assert min(heights(world)) > before


def test_f5_no_half_of_a_split_decides_and_healing_brings_one_block() -> None:
    """consensus F5."""
    world = make_world(4)
    world.partition((world.nodes[:2], world.nodes[2:]))
    pay(world, every=30 * SECOND)
    assert heights(world) == [0, 0, 0, 0]

    world.partition(())
    world.run(world.now + 15 * SECOND)

    assert len(set(heights(world))) == 1
    assert heights(world)[0] >= 1
    assert all(not node.runtime.intake.mempool for node in world.nodes if node.runtime)


def test_f6_a_minority_rejoins_without_a_restart() -> None:
    """consensus F6, S1, D13."""
    world = make_world(4)
    world.partition((world.nodes[:3], world.nodes[3:]))
    pay(world, count=10, every=3 * SECOND)
    assert heights(world)[3] == 0

    world.partition(())
    world.run(world.now + 10 * SECOND)
    pay(world, every=5 * SECOND)

    assert len(set(heights(world))) == 1


def test_f7_a_bridge_relays_between_halves_that_do_not_see_each_other() -> None:
    """consensus F7, T7: B sees both sides, the sides do not see each other."""
    world = make_world(4)
    a, b, c, d = world.nodes
    world.partition(((a, b), (b, c, d)))

    pay(world, count=3, every=20 * SECOND)

    assert min(heights(world)) >= 2


def test_f19_a_crash_after_commit_keeps_the_prepared_value() -> None:
    """consensus F19, D3, D7: all stop right after preparing; the same block is decided later."""
    world = make_world(4)
    world.pay()
    while not any(
        node.runtime is not None and b"prepared" in node.runtime.store.read_open()
        for node in world.nodes
    ):
        world.run(world.now + 1)
    prepared = {
        node.runtime.replica.status().accepted for node in world.nodes if node.runtime is not None
    } - {None}
    for node in world.nodes:
        stop(node)
    for node in world.nodes:
        world.at(world.now, None, "start", node_start(node))
    world.run(world.now + 30 * SECOND)

    assert min(heights(world)) >= 1
    store = world.nodes[0].runtime.store  # type: ignore[union-attr]
    certificate = store.certificate(1)
    assert certificate is not None
    assert certificate.block_id in prepared


def test_f18_the_transactions_of_a_prepared_block_are_served_after_a_restart() -> None:
    """consensus F18, B3, D3: the mempools are gone, and a node that never saw them must vote."""
    world = make_world(4)
    *first, late = world.nodes
    world.partition((first, [late]))
    world.run(world.now + 100)
    payer, payee = people()[:2]
    world.submit(first[0], world.make_payment(payer, payee, 5))
    while not all(b"prepared" in node.runtime.store.read_open() for node in first if node.runtime):
        world.run(world.now + 1)
    for node in world.nodes:
        stop(node)
    assert max(ChainStore(MemoryStore(node.pairs)).tip.height for node in world.nodes) == 0
    world.partition(())

    for node in (*first[1:], late):
        world.at(world.now, None, "start", node_start(node))
    world.run(world.now + 30 * SECOND)

    assert min(heights(world)) >= 1
    assert late.runtime is not None
    assert late.runtime.store.tip.log_size == 1


def test_f30_a_power_cut_of_all_right_after_final_loses_nothing() -> None:
    """consensus F30, reliability J17."""
    world = make_world(4)
    for _ in range(6):
        world.pay()
        world.run(world.now + 40)
        for node in world.nodes:
            stop(node)
        for node in world.nodes:
            world.at(world.now, None, "start", node_start(node))
        world.run(world.now + 20 * SECOND)

    world.checks.at_end()
    assert min(heights(world)) >= 3


def test_f39_a_node_many_blocks_behind_catches_up_under_load() -> None:
    """consensus F39, S1-S4: 150 blocks behind, while payments go on."""
    world = make_world(4)
    late = world.nodes[3]
    stop(late)
    pay(world, count=150, every=2_500)
    behind = max(heights(world))
    assert behind >= 100

    start(world, late)
    pay(world, count=20, every=500)
    world.run(world.now + 10 * SECOND)

    assert len(set(heights(world))) == 1
    assert heights(world)[3] > behind


def test_f24_a_lost_store_is_fetched_again_and_signs_nothing_it_may_have_signed() -> None:
    """consensus F24, D10, reliability Y23: the store is gone, guard and head file are kept."""
    world = make_world(4)
    pay(world, count=30, every=500)
    lost = world.nodes[2]
    stop(lost)
    lost.wipe()
    pay(world, count=5, every=500)
    acked = max(heights(world))

    start(world, lost)
    pay(world, count=10, every=1_000)
    world.run(world.now + 5 * SECOND)

    assert len(set(heights(world))) == 1
    assert heights(world)[2] > acked
    signers = set()
    store = world.nodes[0].runtime.store  # type: ignore[union-attr]
    for height in range(acked + 2, store.tip.height + 1):
        certificate = store.certificate(height)
        assert certificate is not None
        signers.update(signer_keys(certificate, store.validators_at(height)))
    assert lost.key in signers, "it votes again once it has caught up"


def test_f45_an_idle_day_brings_heartbeats_only_and_then_a_payment_is_final_at_once() -> None:
    """consensus F45, T4, T8: no round is raised while idle."""
    world = make_world(4)

    world.run(world.now + 2 * HOUR)
    idle = max(heights(world))
    assert world.checks.rounds == 0
    pay(world, every=2 * SECOND)

    assert 20 <= idle <= 24  # one each 300 s
    assert min(heights(world)) == idle + 1


def test_f48_one_two_and_three_validators_start_and_restart() -> None:
    """consensus F48, Q5."""
    for count in (1, 2, 3):
        world = make_world(count)
        pay(world, count=3, every=3 * SECOND)
        for node in world.nodes:
            stop(node)
        for node in world.nodes:
            start(world, node)
        pay(world, count=3, every=3 * SECOND)

        assert min(heights(world)) >= 5, count


def test_f31_one_fast_clock_does_not_stop_the_chain() -> None:
    """consensus F31, T10, T11: 15 s fast; its fresh proposals are refused, its votes count."""
    world = make_world(4)
    world.nodes[0].skew_ms = 15 * SECOND

    pay(world, count=8, every=4 * SECOND)

    assert min(heights(world)) >= 6


def test_f1_a_leader_that_stays_dead_leads_last_from_the_next_height_but_one() -> None:
    """consensus F1, L4: after its one failed round the chain goes on as if it did not exist."""
    world = make_world(4)
    stop(leader(world))
    pay(world, count=2, every=5 * SECOND)
    failed = world.checks.rounds

    pay(world, count=3, every=200)

    assert heights(world) == [5, 5, 5]
    assert world.checks.rounds == failed


def count_failed(world: World, blocks: int) -> tuple[int, list[int]]:
    """Let so many payments become blocks; return the failed rounds, and how long each took."""
    node = next(node for node in world.nodes if node.runtime is not None)
    assert node.runtime is not None
    store, took, failed = node.runtime.store, [], 0
    for _ in range(blocks):
        height, before, began = store.tip.height, len(world.accepted), world.now
        while len(world.accepted) == before:  # who has too little is refused at once
            began = world.now
            world.pay()
            world.run(world.now + 2)
        while store.tip.height == height:
            world.run(world.now + 2)
        took.append(world.now - began)
        certificate = store.certificate(store.tip.height)
        assert certificate is not None
        failed += certificate.round
    return failed, sorted(took)


def test_f2_g4_a_dead_validator_costs_next_to_nothing_once_it_has_its_strikes() -> None:
    """consensus F2, G4, L6: at most 0.025 failed rounds a block, and the median stays."""
    world = make_world(4)
    _, sound = count_failed(world, 40)
    stop(world.nodes[0])
    count_failed(world, 4 + 8 + 16 + 32 + 10)  # the terms of its first four strikes

    failed, took = count_failed(world, 130)

    assert failed <= 0.025 * 130
    assert took[65] <= 1.3 * sound[20]
    assert sum(sound) / 40 >= 0.85 * sum(took) / 130


def test_a_node_with_little_disk_left_proposes_nothing_and_goes_on_voting() -> None:
    """reliability Y28: below 1 GiB; another leads in its place, and its votes count."""
    world = make_world(4)
    short = world.nodes[1]
    assert short.runtime is not None
    short.runtime.saves_space = True

    pay(world, count=6, every=5 * SECOND)

    store = world.nodes[0].runtime.store  # type: ignore[union-attr]
    signers: set[bytes] = set()
    for height in range(1, store.tip.height + 1):
        header, certificate = store.header(height), store.certificate(height)
        assert header is not None
        assert certificate is not None
        assert header.creator != short.key
        signers.update(signer_keys(certificate, store.validators_at(height)))
    assert store.tip.height >= 6
    assert short.key in signers


def test_a_node_takes_no_other_block_where_it_acked_one() -> None:
    """reliability X5: it lost its store, and what peers certify is not what it promised to keep."""
    world = make_world(4)
    pay(world, count=4, every=SECOND)
    lost = world.nodes[3]
    height = max(heights(world))
    stop(lost)
    lost.wipe()
    head, binding = lost.root / "head.bin", HeadBinding(world.genesis.digest, lost.instance)
    lost.disk.remove(head)
    roots = (bytes(32), bytes(32))
    create_head_file(head, binding, height, b"\x01" * 32, roots, lost.disk).close()

    world.at(world.now, None, "start", node_start(lost))
    with pytest.raises(Halted, match="acked"):
        world.run(world.now + 20 * SECOND)

    assert lost.runtime is not None
    assert lost.runtime.store.tip.height == height - 1


def censor(world: World, node: SimNode, sender: bytes) -> None:
    """Let this node propose nothing of that account; it votes as everybody does."""
    assert node.runtime is not None
    mempool = node.runtime.intake.mempool
    sound = mempool.txs
    mempool.txs = lambda: (tx for tx in sound() if tx.sender != sender)  # type: ignore[method-assign]


def complaints(world: World) -> int:
    """Count the alarms about a proposal that left something out."""
    runtimes = [node.runtime for node in world.nodes if node.runtime is not None]
    return sum(alarm.text == "complaint" for one in runtimes for _, alarm in one.alarms)


def test_f46_the_next_honest_leader_includes_what_the_others_leave_out() -> None:
    """consensus F46, B6: three of four censor, and vote; nobody needs to complain."""
    world = make_world(4)
    victim = federation.account("person-0")
    for node in world.nodes[:3]:
        censor(world, node, victim)

    pay(world, count=30, every=100)

    assert all(not node.runtime.intake.mempool for node in world.nodes if node.runtime)
    assert complaints(world) == 0


def test_f46_whoever_leaves_something_out_for_long_is_complained_about() -> None:
    """consensus F46, B6: after 2n heights each such proposal loses its round, once a height."""
    world = make_world(4)
    victim = federation.account("person-0")
    for node in world.nodes:
        censor(world, node, victim)
    waiting = world.nodes[0].runtime.intake.mempool  # type: ignore[union-attr]
    while not waiting.count_of(victim):
        pay(world, every=5)
    before, failed = heights(world), world.checks.rounds

    world.run(world.now + 300)  # leaders go on with empty blocks, since there is work

    assert min(heights(world)) > max(before) + 2 * 4, "blocks go on"
    assert complaints(world) > 0
    assert world.checks.rounds > failed
