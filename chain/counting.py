"""From counts to a result: rankings, seats and ties (economy E6, E8).

A result follows from the counts, the manifest and one beacon: the id of the first block whose
time is the closing time or later. Nobody could choose it when they voted.
"""

from collections.abc import Mapping

from chain.crypto import sha256
from chain.manifest import Manifest


def tie_break(beacon: bytes, number: int) -> bytes:
    """Return what option `number` ties with: the lowest wins (E8)."""
    return sha256(beacon + number.to_bytes(4, "big"))


def rank(counts: Mapping[int, int], beacon: bytes) -> tuple[int, ...]:
    """Return the numbers of all options, the most votes first, ties settled by E8."""
    return tuple(sorted(counts, key=lambda number: (-counts[number], tie_break(beacon, number))))


def elect(manifest: Manifest, counts: Mapping[int, int], beacon: bytes) -> tuple[int, ...]:
    """Return who has a seat, best first: APPROVAL, SCORE, and APPROVAL_BUURT with reserved seats.

    A reserved seat that its area has no option for goes to the rest (E6).
    """
    ranking = rank(counts, beacon)
    areas = {number: option.area for number, option in enumerate(manifest.options, 1)}
    elected: list[int] = []
    for area in manifest.areas:
        elected += [number for number in ranking if areas[number] == area.area][: area.seats]
    for number in ranking:
        if len(elected) < manifest.seats and number not in elected:
            elected.append(number)
    return tuple(number for number in ranking if number in elected)
