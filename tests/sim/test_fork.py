"""More than f keys lie and the chain forks: who it was is named, and nobody reverts (F28)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chain.execute import get_leaders
from node.chainstore import ChainStore
from node.fork import write_lines
from node.store_memory import MemoryStore
from tests.sim.test_scenarios import SECOND, make_world, pay, start
from tests.sim.world import SimNode, node_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sim.world import World


def fork(world: World, liars: Sequence[SimNode], one: SimNode, other: SimNode) -> None:
    """Let a second machine have the key of each liar, and each half of the network decide alone.

    With n = 4 and two liars both halves have a quorum: f + 1 keys are more than the rules bear.
    """
    world.forks = True
    twins = [SimNode(world, liar.name, liar.place, twin=True) for liar in liars]
    for twin in twins:
        twin.take_back(dict(world.by_key[twin.key].pairs))  # it joins where the chain is
        twin.wiped = False
        world.nodes.append(twin)
    for peers, machines in ((one, liars), (other, twins)):
        for machine in machines:
            world.faces[peers.name, machine.key] = machine
    for machines in (liars, twins):
        for machine in machines:
            for mate in machines:
                if mate is not machine:
                    world.faces[machine.name, mate.key] = mate
    world.partition(([one, *liars], [other, *twins]))
    for twin in twins:
        world.at(world.now, None, "start", node_start(twin))
    world.run(world.now + 5 * SECOND)


def by_turn(world: World) -> list[SimNode]:
    runtime = world.nodes[0].runtime
    assert runtime is not None
    return [world.by_key[key] for key in get_leaders(runtime.store.read_state)]


@pytest.mark.parametrize("case", ["one round", "two rounds", "more heights"])
def test_f28_f_plus_one_keys_on_two_machines_are_named(case: str) -> None:
    """consensus F28, E5, E6, reliability X5: each half misses what the other heard; both ask."""
    world = make_world(4)
    leader, *others = by_turn(world)
    if case == "one round":
        liars, one, other = [leader, others[0]], others[1], others[2]
    else:  # the other half waits in vain for the honest leader, and decides in round 1
        liars, one, other = others[:2], leader, others[2]
    fork(world, liars, one, other)
    pay(world, count=12 if case == "more heights" else 4, every=3 * SECOND)
    for node in (one, other):
        assert node.runtime is not None
        assert node.runtime.store.tip.height >= 1
    decided = [node.runtime.store.certificate(1) for node in (one, other) if node.runtime]
    assert decided[0] is not None
    assert decided[1] is not None
    assert decided[0].block_id != decided[1].block_id
    world.partition(())
    world.run(world.now + 40 * SECOND)

    for again in (False, True):
        if again:  # a start finds the same two certificates
            for node in (one, other):
                start(world, node)
            world.run(world.now + 40 * SECOND)
        for node, certificate in zip((one, other), decided, strict=True):
            assert_named(node, {liar.key for liar in liars})
            store = ChainStore(MemoryStore(node.pairs))
            assert store.certificate(1) == certificate, "E6: it never reverts"


def assert_named(node: SimNode, guilty: set[bytes]) -> None:
    assert node.runtime is None, "E6: it stopped"
    report = node.fork
    assert report is not None
    assert report.is_complete
    assert {culprit.key for culprit in report.culprits} == guilty
    assert any("op twee machines" in line for line in write_lines(report))
    assert any("on two machines" in line for line in write_lines(report))
    node.fork = None
