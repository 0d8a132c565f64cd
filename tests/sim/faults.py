"""What may go wrong in one history, drawn once from its seed (swarm testing, reliability J4 to J8).

At most f validators are `victims`: each plays one part, and only a part that the others can bear
together. So what a history demands after healing stays decidable (J6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.set_change import VALIDATORS_MIN
from chain.validators import faulty

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

HOUR_MS = 3_600_000
CHANGES_SHARE = 0.2  # of the histories of four nodes and more
PARTS = ("sound", "disk", "disk", "twin", "liar")
DISK_FAULTS = ("fails", "rots", "wiped", "old copy", "head lost", "guard rots", "full")


class Faults:
    """Loss, doubles, delay, crashes, partitions, a power cut and clocks that differ a little."""

    def __init__(self, chance: Random, nodes: int) -> None:
        def maybe(value: float) -> float:
            return value if chance.random() < 0.5 else 0.0

        self.loss = maybe(chance.uniform(0.0, 0.3))
        self.duplicates = maybe(chance.uniform(0.0, 0.5))
        self.delay_ms = chance.choice((1, 5, 50, 100)) if chance.random() < 0.9 else 1_000
        self.jitter_ms = chance.choice((0, 2, 20, 200))
        self.crashes = chance.randrange(6) if chance.random() < 0.7 else 0
        self.crash_points = maybe(chance.uniform(0.0, 0.004))
        self.partitions = chance.randrange(4) if chance.random() < 0.6 else 0
        self.power_cut = chance.random() < 0.2
        self.skew_ms = int(maybe(chance.uniform(0, 3_000)))
        self.payments = chance.randrange(5, 25)
        self.wipe = False  # drawn from a stream of its own, so that older seeds stay what they are
        self.nodes = nodes
        self.short_lives = 0.0
        self.effect_crashes = 0.0
        self.replays = 0.0
        self.lag_ms: dict[tuple[int, int], int] = {}
        self.bytes_per_s: dict[tuple[int, int], int] = {}
        self.clogs = self.swizzles = self.one_ways = self.pauses = self.clock_steps = 0
        self.rates: dict[int, tuple[int, int]] = {}
        self.parts: dict[int, str] = {}
        self.disk_faults: dict[int, tuple[str, ...]] = {}
        self.wild_skews: dict[int, int] = {}
        self.rotates_ms: int | None = None  # when a board takes another node
        self.upgrades_ms: int | None = None  # when the federation names a height for version 2

    def calm(self) -> None:
        """Let nothing go wrong by itself any more; liars lie on, and copies stay copies."""
        self.loss = self.duplicates = self.replays = 0.0
        self.crash_points = self.effect_crashes = self.short_lives = 0.0
        self.delay_ms, self.jitter_ms = min(self.delay_ms, 50), min(self.jitter_ms, 20)
        self.lag_ms, self.bytes_per_s = {}, {}


class Swarm(Faults):
    """All of that, and every link, disk and clock on its own; copies of keys, and liars."""

    def __init__(self, chance: Random, nodes: int) -> None:
        super().__init__(chance, nodes)

        def maybe(value: float, share: float = 0.5) -> float:
            return value if chance.random() < share else 0.0

        def some(most: int, share: float = 0.5) -> int:
            return chance.randrange(1, most + 1) if chance.random() < share else 0

        links = [(a, b) for a in range(nodes) for b in range(nodes) if a != b]
        self.short_lives = maybe(0.3)
        self.effect_crashes = maybe(chance.uniform(0.0, 0.003), 0.3)
        self.replays = maybe(chance.uniform(0.0, 0.3), 0.4)
        slowest = chance.choice((20, 200, 600)) if chance.random() < 0.5 else 0
        if slowest:
            self.lag_ms = {link: chance.randrange(slowest) for link in links}
        if chance.random() < 0.3:
            rates = (20_000, 100_000, 1_000_000)
            self.bytes_per_s = {link: chance.choice(rates) for link in links}
        self.clogs = some(8)
        self.swizzles = some(2, 0.25)
        self.one_ways = some(3, 0.4)
        self.pauses = some(4, 0.4)
        self._draw_parts(chance)
        self._draw_clocks(chance, some)

    def draw_changes(self, chance: Random) -> None:
        """From a stream of its own: changes of the set and upgrades, where one may be away (V3)."""
        if self.nodes >= VALIDATORS_MIN and chance.random() < CHANGES_SHARE:
            self.rotates_ms = chance.randrange(500, 8_000)
        if self.nodes >= VALIDATORS_MIN and chance.random() < CHANGES_SHARE:
            self.upgrades_ms = chance.randrange(500, 8_000)

    def _draw_parts(self, chance: Random) -> None:
        """Each of at most f victims plays one part."""
        victims = chance.sample(range(self.nodes), faulty(self.nodes))
        for victim in victims:
            part = self.parts[victim] = chance.choice(PARTS)
            if part == "disk":
                kinds = chance.sample(DISK_FAULTS, chance.randrange(1, 4))
                self.disk_faults[victim] = tuple(kinds)

    def _draw_clocks(self, chance: Random, some: Callable[[int, float], int]) -> None:
        """Clocks of all drift by up to 1 %; those of victims may be wrong by any amount."""
        if chance.random() < 0.4:
            for node in range(self.nodes):
                self.rates[node] = (chance.randrange(990, 1_011), 1_000)
        for victim in self.parts:
            if chance.random() < 0.3:
                self.wild_skews[victim] = chance.randrange(-2 * HOUR_MS, 2 * HOUR_MS)
            if chance.random() < 0.2:
                self.rates[victim] = chance.choice(((1, 10), (1, 2), (2, 1), (10, 1)))
        self.clock_steps = some(3, 0.3) if self.parts else 0
