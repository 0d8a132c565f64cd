"""A second count of STV by Meek's rule, for tests: one ballot at a time, in `Decimal`.

It shares nothing with `chain/stv.py` but the text of the reference rule of the PR Foundation,
whose steps it follows in the order of that text. Numbers are decimals of nine digits, rounded by
the decimal module where the text says so.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

NINE = Decimal("0.000000001")
OMEGA = Decimal("0.000001")


def up(number: Decimal) -> Decimal:
    return number.quantize(NINE, rounding=ROUND_CEILING)


class Candidate:
    """State, keep factor and vote of one candidate."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.state = "hopeful"
        self.keep = Decimal(1)
        self.vote = Decimal(0)


def count(
    names: Sequence[int],
    ballots: Sequence[Sequence[int]],
    seats: int,
    choose_loser: Callable[[list[int]], int],
) -> tuple[set[int], dict[int, Decimal]]:
    """Return who is elected, and the votes of the last distribution."""
    with localcontext() as context:
        context.prec = 60
        candidates = {name: Candidate(name) for name in names}
        distribute(candidates, ballots)
        while True:
            elected = [c for c in candidates.values() if c.state == "elected"]
            hopeful = [c for c in candidates.values() if c.state == "hopeful"]
            if len(elected) >= seats or len(elected) + len(hopeful) <= seats:
                break
            somebody_won, surplus = iterate(candidates, ballots, seats)
            if somebody_won:
                continue
            lowest = min(c.vote for c in hopeful)
            tied = [c.name for c in hopeful if c.vote <= lowest + surplus]
            loser = candidates[choose_loser(tied)]
            loser.state = "defeated"
            loser.keep = Decimal(0)
        filled = sum(1 for c in candidates.values() if c.state == "elected")
        for candidate in candidates.values():
            if candidate.state == "hopeful":
                candidate.state = "elected" if filled < seats else "defeated"
        winners = {c.name for c in candidates.values() if c.state == "elected"}
        return winners, {c.name: c.vote for c in candidates.values()}


def iterate(
    candidates: dict[int, Candidate], ballots: Sequence[Sequence[int]], seats: int
) -> tuple[bool, Decimal]:
    """B.2 of the rule; return whether somebody was elected, and the surplus at the end."""
    first = True
    previous = Decimal(0)
    while True:
        distribute(candidates, ballots)
        total = sum((c.vote for c in candidates.values()), Decimal(0))
        quota = (total / (seats + 1)).quantize(NINE, rounding=ROUND_FLOOR) + NINE
        winners = [c for c in candidates.values() if c.state == "hopeful" and c.vote >= quota]
        for winner in winners:
            winner.state = "elected"
        elected = [c for c in candidates.values() if c.state == "elected"]
        surplus = max(Decimal(0), sum((c.vote - quota for c in elected), Decimal(0)))
        if winners:
            return True, surplus
        if surplus < OMEGA or (not first and surplus >= previous):
            return False, surplus
        for candidate in elected:
            candidate.keep = up(up(candidate.keep * quota) / candidate.vote)
        first, previous = False, surplus


def distribute(candidates: dict[int, Candidate], ballots: Sequence[Sequence[int]]) -> None:
    for candidate in candidates.values():
        candidate.vote = Decimal(0)
    for ballot in ballots:
        weight = Decimal(1)
        for name in ballot:
            kept = up(weight * candidates[name].keep)
            candidates[name].vote += kept
            weight -= kept
            if weight == 0:
                break
