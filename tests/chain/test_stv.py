"""STV by Meek's reference rule, against a second program and another's (economy E6, E8)."""

import json
from itertools import chain, repeat

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.elections.counting import stv
from chain.counting import tie_break
from chain.stv import OMEGA, UNIT, count_stv
from tests.drawn_elections import ELECTIONS, Drawn, rankings
from tests.record_counting import RECORDED
from tests.second_stv import count

BEACON = bytes(range(32))


def second(drawn: Drawn) -> tuple[set[int], dict[int, int]]:
    def choose_loser(tied: list[int]) -> int:
        return max(tied, key=lambda option: tie_break(drawn.beacon, option))

    names = list(range(1, drawn.options + 1))
    elected, votes = count(names, drawn.ballots, drawn.seats, choose_loser)
    return elected, {name: int(vote * UNIT) for name, vote in votes.items()}


def test_1000_elections_give_the_votes_of_a_second_program_to_the_last_digit() -> None:
    surpluses = 0
    for number in range(ELECTIONS):
        drawn = rankings(number)
        found = count_stv(range(1, drawn.options + 1), drawn.ballots, drawn.seats, drawn.beacon)
        elected, votes = second(drawn)
        assert set(found.elected) == elected, number
        assert found.votes == votes, number
        assert len(found.elected) == drawn.seats
        surpluses += any(vote % UNIT for vote in votes.values())
    assert surpluses > ELECTIONS // 4  # surpluses moved in many of them


def test_1000_elections_elect_whom_pref_voting_elects() -> None:
    """It counts in floats by the rule of 1987. Where two options have exactly as many votes its
    floats decide, and here E8 does: then both have elected one of the two.
    """
    others = json.loads(RECORDED.read_text())["stv"]
    agreed = 0
    for number in range(ELECTIONS):
        drawn = rankings(number)
        found = count_stv(range(1, drawn.options + 1), drawn.ballots, drawn.seats, drawn.beacon)
        if sorted(found.elected) == others[number]:
            agreed += 1
            continue
        differ = set(found.elected) ^ set(others[number])
        votes = [found.votes[option] for option in differ]
        assert len(votes) == 2, number
        assert abs(votes[0] - votes[1]) < OMEGA, number
    assert agreed >= 1_000


def test_the_verifier_counts_as_the_chain_does() -> None:
    for number in range(100):
        drawn = rankings(number)
        options = range(1, drawn.options + 1)
        found = count_stv(options, drawn.ballots, drawn.seats, drawn.beacon)
        elected, votes = stv(options, drawn.ballots, drawn.seats, drawn.beacon)
        assert tuple(elected) == found.elected
        assert {option: int(vote * UNIT) for option, vote in votes.items()} == found.votes


def piles(*rows: tuple[int, tuple[int, ...]]) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(repeat(ranking, times) for times, ranking in rows))


def test_a_surplus_goes_to_the_next_choice() -> None:
    """Two seats, 9 ballots, quota 3: option 1 passes on half of 6, and 2 wins before 3."""
    found = count_stv([1, 2, 3], piles((6, (1, 2)), (3, (3,))), 2, BEACON)
    assert found.elected[0] == 1
    assert found.votes[1] > found.quota - UNIT
    again = count_stv([1, 2, 3], piles((8, (1, 2)), (3, (3,))), 2, BEACON)
    assert again.elected == (1, 2)


def test_one_seat_is_the_instant_run_off() -> None:
    ballots = piles((4, (1, 2)), (3, (2, 1)), (2, (3, 2)))
    assert count_stv([1, 2, 3], ballots, 1, BEACON).elected == (2,)


def test_no_more_options_than_seats_all_win_and_no_ballots_go_by_the_beacon() -> None:
    assert set(count_stv([1, 2], [(1,)], 2, BEACON).elected) == {1, 2}
    assert set(count_stv([1, 2], [(1,)], 5, BEACON).elected) == {1, 2}
    best = min([1, 2, 3], key=lambda option: tie_break(BEACON, option))
    assert count_stv([1, 2, 3], [], 1, BEACON).elected == (best,)


def test_equal_lowest_options_lose_by_the_beacon_e8() -> None:
    ballots = piles((5, (1,)), (2, (2, 1)), (2, (3, 1)))
    loser = max([2, 3], key=lambda option: tie_break(BEACON, option))
    found = count_stv([1, 2, 3, 4], [*ballots, *piles((3, (4,)))], 2, BEACON)
    assert loser not in found.elected


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda options: st.tuples(
            st.just(options),
            st.integers(1, options - 1),
            st.lists(
                st.permutations(range(1, options + 1)).flatmap(
                    lambda ranking: st.integers(0, len(ranking)).map(lambda n: tuple(ranking[:n]))
                ),
                max_size=30,
            ),
        )
    )
)
def test_every_election_ends_with_its_seats_filled_and_no_vote_lost(
    drawn: tuple[int, int, list[tuple[int, ...]]],
) -> None:
    options, seats, ballots = drawn
    found = count_stv(range(1, options + 1), ballots, seats, BEACON)
    assert len(set(found.elected)) == seats
    assert found == count_stv(range(1, options + 1), reversed(ballots), seats, BEACON)
    assert sum(found.votes.values()) <= len(ballots) * UNIT
    first = [sum(ballot[:1] == (option,) for ballot in ballots) for option in range(options + 1)]
    majority = {option for option in range(1, options + 1) if 2 * first[option] > len(ballots)}
    assert majority <= set(found.elected)


def test_the_order_of_ballots_changes_nothing() -> None:
    for number in range(30):
        drawn = rankings(number)
        options = range(1, drawn.options + 1)
        found = count_stv(options, drawn.ballots, drawn.seats, drawn.beacon)
        assert found == count_stv(options, sorted(drawn.ballots), drawn.seats, drawn.beacon)
