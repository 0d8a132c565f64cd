"""Elections drawn by number, for counting: the same on every machine, so others can count them too.

`python -m tests.record_counting` has other programs count them; see there.
"""

import hashlib
from dataclasses import dataclass

from tests.made_election import counted

ELECTIONS = 1_010  # of each method: ten more, for those where an exact tie is not comparable


@dataclass(frozen=True)
class Drawn:
    """Options from 1; a ballot approves, scores or ranks them."""

    options: int
    seats: int
    ballots: tuple[tuple[int, ...], ...]
    beacon: bytes


class Draw:
    """Numbers from SHAKE-256 of a label."""

    def __init__(self, label: str) -> None:
        self._random = counted(label)

    def below(self, limit: int) -> int:
        return int.from_bytes(self._random(8), "big") % limit

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def shuffled(self, items: list[int]) -> list[int]:
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in items]


def beacon_of(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def approval(number: int) -> Drawn:
    """Each ballot approves some options, the first ones more often than the last."""
    draw = Draw(f"approval {number}")
    options = draw.between(2, 9)
    seats = draw.between(1, min(7, options - 1))
    ballots = tuple(
        tuple(o for o in range(1, options + 1) if draw.below(options + 3) > o)
        for _ in range(draw.between(3, 60))
    )
    return Drawn(options, seats, ballots, beacon_of(f"approval {number}"))


def scores(number: int) -> Drawn:
    """Each ballot gives 0 to 5 points to every option, in their order."""
    draw = Draw(f"score {number}")
    options = draw.between(2, 9)
    seats = draw.between(1, options - 1)
    ballots = tuple(
        tuple(draw.below(6) for _ in range(options)) for _ in range(draw.between(3, 40))
    )
    return Drawn(options, seats, ballots, beacon_of(f"score {number}"))


def rankings(number: int) -> Drawn:
    """Each ballot ranks some options. Voters form groups, so surpluses have somewhere to go."""
    draw = Draw(f"stv {number}")
    options = draw.between(3, 8)
    seats = draw.between(1, min(5, options - 1))
    groups = [draw.shuffled(list(range(1, options + 1))) for _ in range(draw.between(2, 4))]
    ballots = []
    for _ in range(draw.between(20, 120)):
        ranking = list(groups[draw.below(len(groups))])
        for _ in range(draw.below(4)):
            left, right = draw.below(options), draw.below(options)
            ranking[left], ranking[right] = ranking[right], ranking[left]
        ballots.append(tuple(ranking[: draw.between(1, options)]))
    return Drawn(options, seats, tuple(ballots), beacon_of(f"stv {number}"))
