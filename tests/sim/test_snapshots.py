"""Snapshots on the production runtime: made, fetched, refused, cut off by a crash (S7, S8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.chainstore import CERTIFICATE, OPEN
from tests.sim.test_scenarios import Calm, heights, pay
from tests.sim.world import World, node_start

if TYPE_CHECKING:
    from tests.sim.world import SimNode

SECOND = 1_000
EVERY = 10


def make_world(nodes: int = 4) -> World:
    """Return a calm world that makes snapshots, in which the last node has not started yet."""
    world = World(1, nodes=nodes, faults=Calm, snapshot_every=EVERY)
    for node in world.nodes[:-1]:
        world.at(0, None, "start", node_start(node))
    world.run(3 * SECOND)
    return world


def grow(world: World, to: int) -> None:
    """Let people pay until the chain is so high."""
    while max(heights(world)) < to:
        pay(world, every=300)


def start(world: World, node: SimNode, seconds: int = 20) -> None:
    """Start a node and give it time."""
    world.at(world.now, None, "start", node_start(node))
    world.run(world.now + seconds * SECOND)


def rows(node: SimNode) -> dict[bytes, bytes]:
    """Return what a node holds, but for what may differ: certificates, and the open height."""
    return {
        key: value for key, value in node.pairs.items() if not key.startswith((CERTIFICATE, OPEN))
    }


def names(node: SimNode) -> list[tuple[int, bytes]]:
    """Return the snapshots that a node keeps."""
    assert node.runtime is not None
    assert node.runtime.snapshots is not None
    return [(one.height, one.digest) for one in node.runtime.snapshots._files.names()]


def test_s7_all_nodes_make_the_same_snapshots() -> None:
    world = make_world()

    grow(world, 3 * EVERY + 2)

    made = [names(node) for node in world.nodes[:-1]]
    assert made[0] == made[1] == made[2]
    assert [height for height, _ in made[0]] == [3 * EVERY, 2 * EVERY]


def test_f24_a_new_node_joins_by_a_snapshot_and_is_whole_in_the_end() -> None:
    """consensus S7, S8, F24: then it holds what a node holds that saw every block."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]

    start(world, late)

    assert "joined by a snapshot" in world.seen
    assert late.runtime is not None
    assert late.runtime.snapshots is not None
    pay(world, count=5, every=300)
    world.run(world.now + 10 * SECOND)
    assert late.runtime.store.joined is None
    assert late.runtime.snapshots.past() is None
    assert len(set(heights(world))) == 1
    assert rows(late) == rows(world.nodes[0])
    signed = late.runtime.replica.status()
    assert signed.silence is None
