"""A failing history made smaller: fewer faults and nodes, as long as it fails alike (J41 to J43).

What may go wrong in a history is drawn as fields of `Swarm`; a smaller one is the same seed with
some of them put back to nothing. The streams of chance are many, so what is left mostly stays as it
was; where it does not, the smaller history no longer fails and is not taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.sim.faults import Swarm
from tests.sim.history import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.sim.world import World

# Each fault, and what none of it is.
NOTHING: dict[str, object] = {
    "parts": {},
    "disk_faults": {},
    "wild_skews": {},
    "rates": {},
    "lag_ms": {},
    "bytes_per_s": {},
    "rotates_ms": None,
    "upgrades_ms": None,
    "loss": 0.0,
    "duplicates": 0.0,
    "replays": 0.0,
    "short_lives": 0.0,
    "crash_points": 0.0,
    "effect_crashes": 0.0,
    "crashes": 0,
    "partitions": 0,
    "clogs": 0,
    "swizzles": 0,
    "one_ways": 0,
    "pauses": 0,
    "clock_steps": 0,
    "skew_ms": 0,
    "jitter_ms": 0,
    "power_cut": False,
}
# Where a field is gone, these have nobody to happen to.
WITH_PARTS = {"parts": ("disk_faults", "wild_skews", "clock_steps")}
NODES = (1, 2, 3, 4, 5)  # of what a history may be drawn with, the fewest first


class Case(NamedTuple):
    """A history: its seed, how many nodes (None: as drawn), and which faults are left out."""

    seed: int
    nodes: int | None
    without: tuple[str, ...]

    def play(self) -> World:
        """Play it to its end; an assertion fails where an invariant does."""
        return play(self.seed, nodes=self.nodes, faults=leave_out(self.without))


def leave_out(names: tuple[str, ...]) -> Callable[[Random, int], Swarm]:
    """Return what draws the faults of a seed, without these."""

    class Fewer(Swarm):
        def __init__(self, chance: Random, nodes: int) -> None:
            super().__init__(chance, nodes)
            self._put_back()

        def draw_changes(self, chance: Random) -> None:
            super().draw_changes(chance)
            self._put_back()

        def _put_back(self) -> None:
            for name in names:
                setattr(self, name, NOTHING[name])

    return Fewer


def shrink(seed: int, tell: Callable[[str], None] = lambda _: None) -> tuple[Case, str] | None:
    """Return the smallest history found that fails as that of `seed` does, and how it fails.

    None if that one does not fail. Halves of the faults go first, then single ones, then nodes.
    """
    found = Case(seed, None, ())
    failure = fall(found)
    if failure is None:
        return None
    done = False
    while not done:
        done = True
        for smaller in _smaller(found):
            told = fall(smaller)
            if told is not None and _kind(told) == _kind(failure):
                gone = len(smaller.without)
                tell(f"{gone} of {len(NOTHING)} faults left out, {smaller.nodes} nodes")
                found, failure, done = smaller, told, False
                break
    return found, failure


def fall(case: Case) -> str | None:
    """Return how a history fails, None if it does not."""
    try:
        case.play()
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - that it fails is the point
        return f"{type(error).__name__}: {error}"
    return None


def write_test(case: Case) -> str:
    """Return the line that keeps a history for ever: an entry of `SHRUNK` in `test_shrink.py`."""
    return f"    Case({case.seed}, {case.nodes}, {case.without!r}),"


def _smaller(case: Case) -> Iterator[Case]:
    left = [name for name in NOTHING if name not in case.without]
    half = len(left) // 2
    groups = [[name] for name in left]
    if half > 1:
        groups = [left[:half], left[half:], *groups]
    for group in groups:
        gone = [*case.without, *group]
        for name in group:
            gone += [other for other in WITH_PARTS.get(name, ()) if other not in gone]
        yield case._replace(without=tuple(name for name in NOTHING if name in gone))
    for nodes in NODES:
        if case.nodes is None or nodes < case.nodes:
            yield case._replace(nodes=nodes)


def _kind(failure: str) -> str:
    """Return which invariant fell: the type of the failure and the word before its first colon."""
    kind, _, text = failure.partition(": ")
    return f"{kind} {text.partition(':')[0] if ':' in text else text.split(' ')[0]}"
