"""STV by Meek's rule, exactly as the reference rule of the PR Foundation counts it (economy E6).

All numbers are integers of 10^-9. Products and quotients of keep factors are rounded up to 9
digits, the quota is truncated and 10^-9 added, so every program gives the same result. The steps
bear the names of the rule (A, B.1 to B.3, C). Where several are lowest, the one that loses the
tie of E8 is defeated.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chain.counting import tie_break

UNIT = 10**9
OMEGA = UNIT // 10**6  # 0.000001: what is left of surpluses by then decides nothing

Ranking = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StvResult:
    """Who is elected, in the order of election, and the votes, in 10^-9, when counting stopped."""

    elected: tuple[int, ...]
    votes: dict[int, int]
    quota: int


@dataclass(frozen=True, slots=True)
class _Iteration:
    """What one distribution of all ballots gave (B.2.a to B.2.d)."""

    votes: dict[int, int]
    quota: int
    surplus: int
    winners: tuple[int, ...]


def count_stv(
    options: Collection[int], ballots: Iterable[Ranking], seats: int, beacon: bytes
) -> StvResult:
    """Return who is elected when `ballots` rank these options, the best first."""
    assert seats > 0, "an election has seats"
    counted = Counter(ballots)
    keep = dict.fromkeys(options, UNIT)  # A
    hopeful = sorted(options)
    elected: list[int] = []
    last = _distribute(counted, keep, hopeful, elected, seats)
    while len(elected) < seats < len(elected) + len(hopeful):  # B.1
        last, low = _iterate(counted, keep, hopeful, elected, seats)
        winners = sorted(
            last.winners, key=lambda option: (-last.votes[option], tie_break(beacon, option))
        )
        elected += winners
        hopeful = [option for option in hopeful if option not in winners]
        if not winners:
            defeated = max(low, key=lambda option: tie_break(beacon, option))  # B.3, T
            hopeful.remove(defeated)
            keep[defeated] = 0
    if len(elected) < seats:  # C
        elected += sorted(
            hopeful, key=lambda option: (-last.votes[option], tie_break(beacon, option))
        )
    return StvResult(tuple(elected), last.votes, last.quota)


def _iterate(
    counted: Mapping[Ranking, int],
    keep: dict[int, int],
    hopeful: Collection[int],
    elected: Collection[int],
    seats: int,
) -> tuple[_Iteration, list[int]]:
    """B.2: lower the keep factors of the elected until somebody wins, or nothing more moves.

    Return the last iteration, and who may be defeated if nobody won: all hopefuls whose votes
    are within the surplus of the lowest.
    """
    before: int | None = None
    while True:
        found = _distribute(counted, keep, hopeful, elected, seats)
        stable = before is not None and found.surplus >= before
        if found.winners or found.surplus < OMEGA or stable:  # B.2.e
            break
        before = found.surplus
        for option in elected:  # B.2.f
            product = _divide_up(keep[option] * found.quota, UNIT)
            keep[option] = _divide_up(product * UNIT, found.votes[option])
    lowest = min(found.votes[option] for option in hopeful)
    low = [option for option in hopeful if found.votes[option] <= lowest + found.surplus]
    return found, low


def _distribute(
    counted: Mapping[Ranking, int],
    keep: Mapping[int, int],
    hopeful: Collection[int],
    elected: Collection[int],
    seats: int,
) -> _Iteration:
    """B.2.a to B.2.d: give every ballot to its options in order, each keeping its part."""
    votes = dict.fromkeys(keep, 0)
    for ranking, ballots in counted.items():
        weight = UNIT
        for option in ranking:
            part = _divide_up(weight * keep[option], UNIT)
            votes[option] += part * ballots
            weight -= part
            if weight <= 0:
                break
    quota = sum(votes.values()) // (seats + 1) + 1
    winners = tuple(option for option in hopeful if votes[option] >= quota)
    holders = [*elected, *winners]
    surplus = max(0, sum(votes[option] - quota for option in holders))
    return _Iteration(votes, quota, surplus, winners)


def _divide_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
