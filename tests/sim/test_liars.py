"""Peers that lie to a node which is behind: W24, F40, consensus S2 to S5, B12, D13."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from consensus.messages import SignedPrepare
from node.messages import BlockRange, RangeRequest
from tests.sim.lies import LIES, boast, say_nothing
from tests.sim.test_scenarios import SECOND, heights, make_world, pay, start, stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from chain.codec import Record
    from tests.sim.world import SimNode, World


def make_late(world: World, blocks: int) -> SimNode:
    """Take the last node away while the others go on, and return it."""
    late = world.nodes[3]
    stop(late)
    pay(world, count=blocks, every=1_000)
    assert max(heights(world)) >= blocks // 2
    return late


@pytest.mark.parametrize("name", LIES)
def test_f40_one_honest_peer_is_enough_to_catch_up(name: str) -> None:
    """consensus F40, S4, reliability W24: whatever the others serve, and no node halts on a lie.

    Whoever is the honest one: who is asked first is chance, and a lie must have been served.
    """
    served: list[Record | None] = []

    def lie(message: Record) -> Record | None:
        told = LIES[name](message)
        if told != message:
            served.append(told)
        return told

    for honest in range(3):
        world = make_world(4)
        late = make_late(world, 16)
        for node in world.nodes[:3]:
            node.lie = None if node is world.nodes[honest] else lie
        goal = max(heights(world))

        start(world, late)
        world.run(world.now + 20 * SECOND)

        assert late.runtime is not None
        assert late.runtime.store.tip.height >= goal
    assert served


def boast_and_owe(message: Record) -> Record | None:
    """Claim a height, and answer no question for its blocks."""
    return None if isinstance(message, BlockRange) else boast(message)


@pytest.mark.parametrize("lie", [boast, boast_and_owe])
def test_s2_one_boaster_does_not_make_a_node_think_it_is_behind(
    lie: Callable[[Record], Record | None],
) -> None:
    """consensus S2: a claim is a hint. Clients would be turned away for ever (code 4002)."""
    world = make_world(4)
    world.nodes[0].lie = lie

    pay(world, count=3, every=4 * SECOND)

    for node in world.nodes[1:]:
        assert node.runtime is not None
        assert node.runtime.sync.behind() == 0
    assert min(heights(world)) >= 3


def test_s4_a_peer_that_served_bad_data_is_asked_last() -> None:
    """consensus S4: while others answer, its first lie is its last."""
    world = make_world(4)
    late = make_late(world, 16)
    lies: list[Record] = []

    def forge(message: Record) -> Record | None:
        if isinstance(message, BlockRange) and message.blocks:
            lies.append(message)
        return LIES["header"](message)

    for node in world.nodes[:2]:
        node.lie = forge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("node.sync.RANGE_BLOCKS", 2)  # many turns for everybody
        start(world, late)
        world.run(world.now + 20 * SECOND)

    assert late.runtime is not None
    assert late.runtime.store.tip.height == max(heights(world))
    assert 1 <= len(lies) <= 4


def test_s3_what_sync_holds_is_not_asked_for_again() -> None:
    """consensus S3: the replica learns of each certificate first, and wants its block at once."""
    world = make_world(4)
    late = make_late(world, 16)
    asked: list[Record] = []

    def count(message: Record) -> Record | None:
        if isinstance(message, RangeRequest):
            asked.append(message)
        return message

    late.lie = count
    start(world, late)

    assert late.runtime is not None
    assert late.runtime.store.tip.height >= max(heights(world)) - 1
    assert len(asked) == 1


def test_a_node_that_is_behind_knows_it_from_two_peers() -> None:
    world = make_world(4)
    late = make_late(world, 10)
    for node in world.nodes[:3]:
        node.lie = say_nothing

    start(world, late)

    assert late.runtime is not None
    assert late.runtime.sync.behind() > 1


def test_b12_a_wrong_signature_costs_the_link_and_nothing_else() -> None:
    """consensus B12, reliability Z8: bytes that no honest peer sends end their link."""

    def forge(message: Record) -> Record | None:
        if isinstance(message, SignedPrepare):
            return replace(message, signature=bytes(64))
        return message

    world = make_world(4)
    liar = world.nodes[0]
    liar.lie = forge
    lines: list[str] = []
    world.lines = lines

    pay(world, count=3, every=15 * SECOND)

    assert min(heights(world)) >= 2
    assert any("link down" in line for line in lines)
    for node in world.nodes[1:]:
        assert node.runtime is not None
        assert set(node.runtime.ignored) <= {"fault", "too late"}
