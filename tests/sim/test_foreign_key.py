"""One key on two machines, on the production runtime: consensus F26, D14, E7."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consensus.events import Silence
from tests.sim.test_recovery import alarms, lose, runtime_of, silence
from tests.sim.test_scenarios import SECOND, Calm, heights, make_world, pay, start, stop
from tests.sim.world import World, node_start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.sim.world import SimNode

ALARM = "key-in-use-elsewhere"
STOPS_WITHIN_S = 60  # of virtual time, with a payment a second


class LastIsTwin(Calm):
    """A LAN on which the key of the last validator has two machines."""

    def __init__(self, chance: Random, nodes: int) -> None:
        super().__init__(chance, nodes)
        self.parts = {nodes - 1: "twin"}


def face(world: World, first: SimNode, second: SimNode, of_first: Sequence[int]) -> None:
    """Let the nodes at the places `of_first` have their link to the first machine, others not."""
    for peer in world.nodes:
        world.faces[peer.name, first.key] = first if peer.place in of_first else second
    for node in world.nodes:
        for other in list(node.linked.values()):
            if not world.is_open(node, other):
                del node.linked[other.key]
                node.link(other, up=False)
    for node in world.nodes:
        for other in world.nodes:
            node.link(other, up=True)
    world.run(world.now + 3 * SECOND)


def make_twins(nodes: int, of_first: Sequence[int]) -> tuple[World, SimNode, SimNode]:
    """Return a world and its two machines, each past its start gate (D9)."""
    world = World(1, nodes=nodes, faults=LastIsTwin)
    first, second = (node for node in world.nodes if node.key == world.nodes[-1].key)
    for node in world.nodes:
        world.at(0, None, "start", node_start(node))
    face(world, first, second, range(nodes))
    face(world, first, second, ())
    face(world, first, second, of_first)
    assert (silence(first), silence(second)) == (None, None)
    return world, first, second


@pytest.mark.parametrize(
    ("nodes", "of_first"), [(4, [0]), (4, [0, 1]), (7, [0, 1]), (7, [0, 1, 2]), (7, [0, 2, 4, 5])]
)
def test_f26_a_machine_that_sees_what_the_other_signed_stops(
    nodes: int, of_first: list[int]
) -> None:
    """consensus F26, D14: blocks come faster than statuses, so certificates have to tell."""
    world, first, second = make_twins(nodes, of_first)
    stopped: list[SimNode] = []
    for _ in range(STOPS_WITHIN_S):
        pay(world, every=SECOND)
        stopped = [one for one in (first, second) if silence(one) is Silence.FOREIGN_SIGNATURE]
        if stopped:
            break

    assert stopped, "neither saw what the other signed"
    assert all(alarms(one).count(ALARM) == 1 for one in stopped)
    height, guards = (
        max(heights(world)),
        [one.disk.durable(one.root / "guard.bin") for one in stopped],
    )
    pay(world, count=5, every=5 * SECOND)
    assert [one.disk.durable(one.root / "guard.bin") for one in stopped] == guards
    assert min(heights(world)[: nodes - 1]) > height
    assert all(ALARM not in alarms(one) for one in world.honest)


def test_f26_while_nothing_can_be_decided_statuses_tell() -> None:
    """consensus D14, T7: each half waits for a vote, and no certificate comes."""
    world, first, second = make_twins(4, [0])
    stop(world.nodes[1])
    pay(world)
    world.run(world.now + SECOND)
    for turn in range(10):  # links break, and are dialled by the other machine
        pay(world)
        face(world, first, second, ([0], [2], [0, 2], [])[turn % 4])
        world.run(world.now + 10 * SECOND)

    told = [ALARM in alarms(one) for one in (first, second)]
    assert any(told)


def test_d10_no_honest_machine_ever_takes_its_lost_words_for_those_of_another() -> None:
    """consensus D14, D10, D8: torn tails, wiped stores, lost and old disks, again and again.

    Of every alarm the world asks whether that key has another machine.
    """
    world = make_world(4)
    ill = world.nodes[2]
    pay(world, count=3)
    image = None
    for turn in range(8):
        world.pay()
        world.run(world.now + turn)  # in the middle of a height, each time elsewhere
        stop(ill)
        match turn % 4:
            case 0:
                ill.wipe()
            case 1:
                lose(ill)
            case 2 if image is not None:
                ill.restore_image(image)
            case _:
                data = ill.disk.durable(ill.root / "guard.bin")
                ill.put_file("guard.bin", data + data[-512:-100])
        if turn % 4 == 1:
            image = None
        pay(world, count=turn % 3, every=SECOND)
        start(world, ill)
        pay(world, count=4, every=3 * SECOND)
        assert silence(ill) is None, f"turn {turn}: {alarms(ill)}"
        stop(ill)
        image = ill.save_image()
        start(world, ill)
        pay(world, count=3, every=3 * SECOND)

    assert len(set(heights(world))) == 1
    assert ALARM not in alarms(ill)
    assert runtime_of(ill).store.tip.height > 20
