"""A node far behind, then a little, under load, on the production runtime (F39, S1 to S4, D13).

The full length is `python -m tests.drills F39-10000`: real processes, 10,000 blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.guard import read_guard
from tests.sim.test_scenarios import SECOND, heights, make_world, pay, start, stop

if TYPE_CHECKING:
    from tests.sim.world import SimNode, World

BEHIND = 150


def height_of(node: SimNode) -> int:
    assert node.runtime is not None
    return node.runtime.store.tip.height


def catch_up(world: World, node: SimNode) -> int:
    """Let people pay on until a node is level; return the virtual time that took, in ms."""
    began = world.now
    while height_of(node) < max(heights(world)):
        pay(world, every=20)
        assert world.now < began + 60 * SECOND, "it does not catch up"
    return world.now - began


def signed_from(world: World, node: SimNode, above: int) -> int:
    """Let people pay on until a node has signed above `above`; return the first such height."""
    for _ in range(40):
        pay(world, count=10, every=50)
        data = node.disk.durable(node.root / "guard.bin")
        slots = read_guard(data, node.key, world.genesis.digest).slots
        new = [one.position.height for one in slots if one.signed and one.position.height > above]
        if new:
            return new[0]
    raise AssertionError("it signs nothing any more")


def test_f39_a_node_far_behind_catches_up_under_load_and_signs_nothing_below() -> None:
    """consensus F39: no restart, no step by hand; then three blocks behind in the same run."""
    world = make_world(4)
    late = world.nodes[-1]
    pay(world, count=3, every=200)
    stop(late)
    spoken = max(heights(world)) + 1
    while max(heights(world)) < BEHIND:
        pay(world, every=60)

    start(world, late)
    decided = max(heights(world))
    catch_up(world, late)
    assert signed_from(world, late, spoken) > decided

    others = world.nodes[:-1]
    world.partition((others, [late]))
    before = height_of(late)
    while max(heights(world)) < before + 3:
        pay(world, every=60)
    decided = max(heights(world))
    world.partition(())
    world.run(world.now + SECOND)
    catch_up(world, late)
    assert signed_from(world, late, before + 1) > decided
    assert "caught up by sync" in world.seen
