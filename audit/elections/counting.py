"""Ranking, ties, seats and STV for the verifier (economy E6, E8)."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any

NINE = 10**9
OMEGA = Fraction(1, 10**6)


def tie(beacon: bytes, number: int) -> bytes:
    """Return what an option ties with: the lowest wins."""
    return hashlib.sha256(beacon + number.to_bytes(4, "big")).digest()


def order_of(counts: dict[int, int], beacon: bytes) -> list[int]:
    """Return the options, the most votes first."""
    by_tie = sorted(counts, key=lambda number: tie(beacon, number))
    return sorted(by_tie, key=lambda number: counts[number], reverse=True)


def winners_of(manifest: dict[str, Any], order: list[int]) -> list[int]:
    """Return who has a seat, in the order of the ranking: reserved seats first, then the rest."""
    area_of = {number: option[1] for number, option in enumerate(manifest["options"], 1)}
    chosen: set[int] = set()
    for area, seats in manifest["areas"]:
        chosen |= set([number for number in order if area_of[number] == area][:seats])
    for number in order:
        if len(chosen) < manifest["seats"]:
            chosen.add(number)
    return [number for number in order if number in chosen]


def up(number: Fraction) -> Fraction:
    """Round up to nine digits."""
    return Fraction(-((-number * NINE) // 1), NINE)


def stv(
    options: Sequence[int], ballots: Sequence[Sequence[int]], seats: int, beacon: bytes
) -> tuple[list[int], dict[int, Fraction]]:
    """Return the elected in their order, and the last votes, by the PRF reference rule of Meek."""
    keep = {option: Fraction(1) for option in options}
    hopeful, elected = set(options), list[int]()
    votes = share_out(keep, ballots)
    while len(elected) < seats < len(elected) + len(hopeful):
        before: Fraction | None = None
        while True:
            votes = share_out(keep, ballots)
            total = sum(votes.values(), Fraction(0))
            quota = Fraction(floor(total * NINE / (seats + 1)) + 1, NINE)
            new = [option for option in hopeful if votes[option] >= quota]
            surplus = max(Fraction(0), sum((votes[o] - quota for o in elected), Fraction(0)))
            if new or surplus < OMEGA or (before is not None and surplus >= before):
                break
            before = surplus
            for option in elected:
                keep[option] = up(up(keep[option] * quota) / votes[option])
        if new:
            elected += sorted(new, key=lambda option: (-votes[option], tie(beacon, option)))
            hopeful -= set(new)
            continue
        lowest = min(votes[option] for option in hopeful)
        tied = [option for option in hopeful if votes[option] <= lowest + surplus]
        loser = max(tied, key=lambda option: tie(beacon, option))
        hopeful.remove(loser)
        keep[loser] = Fraction(0)
    if len(elected) < seats:
        elected += sorted(hopeful, key=lambda option: (-votes[option], tie(beacon, option)))
    return elected, votes


def share_out(keep: dict[int, Fraction], ballots: Sequence[Sequence[int]]) -> dict[int, Fraction]:
    """Return the votes of every option, each keeping its part of what reaches it."""
    votes = dict.fromkeys(keep, Fraction(0))
    for ballot in ballots:
        weight = Fraction(1)
        for option in ballot:
            kept = up(weight * keep[option])
            votes[option] += kept
            weight -= kept
            if weight <= 0:
                break
    return votes
