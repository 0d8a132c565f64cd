"""Rankings, seats and ties: 1,000 elections of a method as other programs count them (E6, E8)."""

import hashlib
import json
from typing import Any

import msgspec
import pytest

from chain.counting import elect, rank, tie_break
from chain.manifest import AreaSeats, Manifest, Option
from tests.drawn_elections import ELECTIONS, Draw, Drawn, approval, scores
from tests.made_election import hold_ceremony, make_manifest
from tests.record_counting import RECORDED

BEACON = hashlib.sha256(b"beacon").digest()
MANIFEST = make_manifest(hold_ceremony())
OTHERS: dict[str, Any] = json.loads(RECORDED.read_text())


def manifest_of(options: int, seats: int, areas: dict[int, str] | None = None) -> Manifest:
    named = tuple(
        Option(bytes(32), (areas or {}).get(number), ()) for number in range(1, options + 1)
    )
    return msgspec.structs.replace(MANIFEST, options=named, seats=seats)


def count(drawn: Drawn) -> dict[int, int]:
    return {
        option: sum(option in ballot for ballot in drawn.ballots)
        for option in range(1, drawn.options + 1)
    }


def test_other_programs_counted_1000_elections_of_each_method() -> None:
    assert {name: len(found) for name, found in OTHERS.items() if name != "by"} == {
        "approval": ELECTIONS, "score": ELECTIONS, "stv": ELECTIONS,
    }  # fmt: skip


def test_approval_elects_one_of_the_committees_that_abcvoting_finds() -> None:
    """More than one committee is a tie, which E8 settles."""
    ties = 0
    for number in range(ELECTIONS):
        drawn = approval(number)
        committees = OTHERS["approval"][number]
        elected = elect(manifest_of(drawn.options, drawn.seats), count(drawn), drawn.beacon)
        assert sorted(elected) in committees
        ties += len(committees) > 1
    assert 50 < ties < ELECTIONS


def test_ties_of_approval_go_to_the_lowest_hash_e8() -> None:
    """Of all committees that abcvoting finds, ours holds the lowest hashes of those that tie."""
    for number in range(ELECTIONS):
        drawn = approval(number)
        committees = [set(committee) for committee in OTHERS["approval"][number]]
        sure = set.intersection(*committees)
        tied = set.union(*committees) - sure
        lowest = sorted(tied, key=lambda option: tie_break(drawn.beacon, option))
        elected = elect(manifest_of(drawn.options, drawn.seats), count(drawn), drawn.beacon)
        assert set(elected) == sure | set(lowest[: drawn.seats - len(sure)])


def test_scores_rank_by_the_sums_of_pref_voting() -> None:
    for number in range(ELECTIONS):
        drawn = scores(number)
        sums = dict(enumerate(OTHERS["score"][number], 1))
        ours = {
            option: sum(ballot[option - 1] for ballot in drawn.ballots)
            for option in range(1, drawn.options + 1)
        }
        assert ours == sums
        order = rank(ours, drawn.beacon)
        values = [sums[option] for option in order]
        assert values == sorted(values, reverse=True)
        elected = elect(manifest_of(drawn.options, drawn.seats), ours, drawn.beacon)
        assert elected == order[: drawn.seats]


def fill_seats(drawn: Drawn, areas: dict[int, str], kept: dict[str, int]) -> set[int]:
    """Fill the seats as a person would at a table: one after the other, the reserved ones first."""
    votes = count(drawn)
    left = set(votes)
    seated: set[int] = set()

    def seat_best(among: set[int]) -> None:
        most = max(votes[option] for option in among)
        best = min(
            (option for option in among if votes[option] == most),
            key=lambda option: hashlib.sha256(drawn.beacon + option.to_bytes(4, "big")).digest(),
        )
        seated.add(best)
        left.remove(best)

    for area, seats in kept.items():
        for _ in range(seats):
            among = {option for option in left if areas[option] == area}
            if among:
                seat_best(among)
    while len(seated) < min(drawn.seats, drawn.options):
        seat_best(left)
    return seated


def test_reserved_seats_are_filled_first_in_1000_elections_e6() -> None:
    for number in range(ELECTIONS):
        drawn = approval(number)
        draw = Draw(f"areas {number}")
        areas = {o: f"BU00{draw.below(3)}" for o in range(1, drawn.options + 1)}
        kept: dict[str, int] = {}
        for area in ("BU000", "BU001", "BU002"):
            free = drawn.seats - sum(kept.values())
            if free and draw.below(3):
                kept[area] = draw.between(1, free)
        manifest = msgspec.structs.replace(
            manifest_of(drawn.options, drawn.seats, areas),
            areas=tuple(AreaSeats(area, seats) for area, seats in kept.items()),
        )
        elected = elect(manifest, count(drawn), drawn.beacon)
        assert set(elected) == fill_seats(drawn, areas, kept)
        order = rank(count(drawn), drawn.beacon)
        assert list(elected) == [option for option in order if option in elected]


def test_a_reserved_seat_without_options_goes_to_the_rest_e6() -> None:
    manifest = msgspec.structs.replace(
        manifest_of(3, 2, {1: "BU001", 2: "BU001", 3: "BU001"}), areas=(AreaSeats("BU009", 1),)
    )
    assert elect(manifest, {1: 5, 2: 9, 3: 7}, BEACON) == (2, 3)


def test_fewer_options_than_seats_all_win() -> None:
    assert set(elect(manifest_of(3, 7), {1: 0, 2: 0, 3: 0}, BEACON)) == {1, 2, 3}


def test_a_tie_is_the_hash_of_beacon_and_number_e8() -> None:
    text = BEACON + b"\x00\x00\x00\x07"
    assert tie_break(BEACON, 7) == hashlib.sha256(text).digest()
    order = rank(dict.fromkeys(range(1, 41), 3), BEACON)
    assert sorted(order) == list(range(1, 41))
    assert [tie_break(BEACON, number) for number in order] == sorted(
        tie_break(BEACON, number) for number in range(1, 41)
    )
    assert rank({1: 1, 2: 1}, BEACON) != rank({1: 1, 2: 1}, hashlib.sha256(b"other").digest()) or (
        rank({1: 1, 2: 1}, BEACON) != rank({1: 1, 2: 1}, hashlib.sha256(b"one more").digest())
    )


@pytest.mark.parametrize("seats", [1, 3, 7])
def test_no_votes_at_all_are_settled_by_the_beacon(seats: int) -> None:
    nothing = dict.fromkeys(range(1, 8), 0)
    assert elect(manifest_of(7, seats), nothing, BEACON) == rank(nothing, BEACON)[:seats]
