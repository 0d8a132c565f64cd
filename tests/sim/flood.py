"""A flood in virtual time, and what a node keeps of it (consensus F34, F35, B7 to B9, I8).

Time is virtual; the memory is real: the size of everything that the node's runtime refers to.
"""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw

from chain.errors import Malformed
from node.snapshot import SNAPSHOT_EVERY_TEST
from node.store_memory import MemoryStore
from tests.flooder import TICK_MS, Flooder
from tests.sim.disk import SimDisk
from tests.sim.test_scenarios import SECOND, Calm, pay
from tests.sim.world import SimNode, World, node_start, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from chain.codec import Record

PAY_EVERY_MS = 2 * SECOND
FAULT_EVERY = 2_000  # frames
# What a runtime holds that is its disk, or belongs to the simulator and not to the node.
NOT_MEMORY = (
    World,
    SimNode,
    SimDisk,
    MemoryStore,
    ModuleType,
    type,
    FunctionType,
    BuiltinFunctionType,
)


WARM_MINUTES = 30  # until the replay window (600 s) and the memory of refusals are full
SHARE_MINUTES = 10  # the first and the last minutes of an hour that are compared
GROWTH_MAX = 1.10


class Sample(NamedTuple):
    """What a flooded node held at one moment."""

    minute: int
    height: int
    frames: int  # that came from the flooder so far
    kib: int
    links_lost: int


class FloodWorld(World):
    """A calm world that does not read a whole guard at each vote (I4): others look after that."""

    def check_sent(self, node: SimNode, message: Record) -> None:
        """Let it pass."""


class Flood:
    """Four validators, of which the first floods the second as fast as it may."""

    def __init__(self, chance: Random) -> None:
        self.world = FloodWorld(1, nodes=4, faults=Calm, snapshot_every=SNAPSHOT_EVERY_TEST)
        for node in self.world.nodes:
            self.world.at(0, None, "start", node_start(node))
        self.world.run(3 * SECOND)
        self.liar, self.victim = self.world.nodes[:2]
        self.liar.lie = lambda message: message  # what it does is a fault of its own
        self._chance = chance
        self.frames = self.links_lost = 0
        pay(self.world, count=2, every=SECOND)
        runtime = self.liar.runtime
        assert runtime is not None
        self.flooder = Flooder(
            runtime, self.liar.key, self.liar.sign, self._make_tx, chance, fault_every=FAULT_EVERY
        )
        self._pay()
        self._flood()

    def play(self, minutes: int) -> Iterator[Sample]:
        """Let so much virtual time pass; yield what the victim holds after each minute."""
        for minute in range(1, minutes + 1):
            self.world.run(self.world.now + 60 * SECOND)
            runtime = self.victim.runtime
            assert runtime is not None
            kib = measure_kib(runtime)
            yield Sample(minute, runtime.store.tip.height, self.frames, kib, self.links_lost)

    def _make_tx(self) -> bytes:
        payer, payee = self._chance.sample(people(), 2)
        return self.world.make_payment(payer, payee, 1)

    def _pay(self) -> None:
        self.world.pay()
        self.world.later(PAY_EVERY_MS, None, "pay", self._pay)

    def _flood(self) -> None:
        world, victim, liar = self.world, self.victim, self.liar
        assert victim.runtime is not None
        if victim.linked.get(liar.key) is liar:
            for message in self.flooder.burst():
                self.frames += 1
                try:
                    victim.runtime.on_message(liar.key, message)
                except Malformed:
                    self.links_lost += 1
                    world.cut_off(victim, liar)
                    break
        world.later(TICK_MS, victim, "flood", self._flood)


def compute_growth(samples: Sequence[Sample]) -> float:
    """Return the mean of the last minutes over that of the first ones after the caches are full."""
    warm = [sample.kib for sample in samples if sample.minute > WARM_MINUTES]
    first, last = warm[:SHARE_MINUTES], warm[-SHARE_MINUTES:]
    return (sum(last) / len(last)) / (sum(first) / len(first))


def measure_kib(root: object) -> int:
    """Return the size in KiB of all that `root` refers to, each object once; no disk, no code."""
    gc.collect()
    seen: set[int] = set()
    left, size = [root], 0
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, NOT_MEMORY):
            continue
        seen.add(id(one))
        size += len(bytes(one)) if isinstance(one, Raw) else sys.getsizeof(one)
        left += gc.get_referents(one)
    return size // 1024
