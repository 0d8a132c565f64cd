"""Mirrors timers, schedule, votes, peers and round_change: arithmetic and counting, alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import sha256
from chain.leaders import ring
from chain.validators import quorum, weak_quorum
from consensus.events import Timing
from consensus.messages import SignedCommit, SignedPrepare, Status
from consensus.peers import Peers
from consensus.round_change import compute_jump
from consensus.schedule import proposer
from consensus.timers import (
    DELAY_MS_MAX,
    IN_TOUCH_MS,
    delay_ms,
    is_timely,
    median,
    round_timeout_ms,
)
from consensus.votes import COMMIT_ROUNDS_MAX, PREPARE_ROUNDS_MAX, Tally
from tests.consensus.made import key, keys, make_commit, make_prepare, make_set

letters = st.sets(st.sampled_from("ABCDEFGHIJ"), min_size=1)
ID = sha256(b"block")


# ------------------------------------------------------------------------------------- timers


def test_t1_timeouts_grow_by_half_to_the_cap() -> None:
    """consensus T1, with the defaults of a LAN: integers, step by step."""
    found = [round_timeout_ms(round_, Timing()) for round_ in range(12)]

    assert found == [
        1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 11_389, 17_083, 25_624, 38_436, 57_654, 60_000,
    ]  # fmt: skip
    assert round_timeout_ms(65_535, Timing()) == 60_000


@given(st.integers(1, 10**5), st.integers(1, 10**6), st.integers(0, 65_535))
def test_t1_timeouts_never_fall_and_never_pass_the_cap(first: int, cap: int, round_: int) -> None:
    """consensus T1, P6: any parameters the chain may set."""
    timing = Timing(first, cap)

    assert round_timeout_ms(round_, timing) <= round_timeout_ms(round_ + 1, timing) <= cap


def test_t10_the_delay_grows_by_a_tenth_to_a_day() -> None:
    """consensus T10."""
    assert [delay_ms(round_) for round_ in range(4)] == [10_000, 11_000, 12_100, 13_310]
    assert delay_ms(65_535) == DELAY_MS_MAX


def test_t10_timely_is_from_two_seconds_early_to_the_delay_and_two_seconds_late() -> None:
    """consensus T10: both ends belong to it."""
    at = 1_000_000
    assert [is_timely(at, at + off, 0) for off in (-2_001, -2_000, 12_000, 12_001)] == [
        False,
        True,
        True,
        False,
    ]
    assert is_timely(at, at + 13_000, 1)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1))
def test_t13_half_of_the_values_lie_on_either_side_of_the_median(values: list[int]) -> None:
    middle = median(values)

    assert 2 * sum(value <= middle for value in values) >= len(values)
    assert 2 * sum(value >= middle for value in values) >= len(values)
    assert middle in values


# ----------------------------------------------------------------------------------- schedule


@given(letters, st.sampled_from("ABCDEFGHIJ"))
def test_l1_the_ring_holds_every_key_once_and_starts_after_the_creator(
    members: set[str], creator: str
) -> None:
    """consensus L1: the next larger key if the creator left, and the lowest after the largest."""
    order = ring(keys(members), key(creator))

    assert sorted(order) == sorted(keys(members))
    larger = [one for one in order if one > key(creator)]
    assert order[0] == (min(larger) if larger else min(order))
    assert [*order].index(max(order)) == len(larger) - 1 or not larger


def test_l1_at_height_one_the_lowest_key_leads() -> None:
    assert ring(keys("CAB"), None) == keys("ABC")


@given(letters, st.integers(0, 65_535))
def test_l2_rounds_go_round_the_order(members: set[str], round_: int) -> None:
    """consensus L2."""
    order = ring(keys(members), None)

    assert proposer(order, round_) == order[round_ % len(order)]
    assert {proposer(order, round_ + step) for step in range(len(order))} == set(order)


# -------------------------------------------------------------------------------------- votes


def test_q4_one_validator_counts_once_whatever_it_repeats() -> None:
    """consensus Q4: the first vote stands, a repeated one adds nothing, another one is told."""
    tally: Tally[SignedPrepare] = Tally(PREPARE_ROUNDS_MAX)
    first = make_prepare(key("A"), 1, 0, ID)
    other = make_prepare(key("A"), 1, 0, sha256(b"other"))

    assert [tally.add(first), tally.add(first), tally.add(other)] == [True, True, False]
    assert tally.agreeing(first.record) == {key("A"): first.signature}
    assert tally.agreeing(other.record) == {}


def test_m11_commits_with_another_log_head_do_not_count_together() -> None:
    """consensus M11, E1c."""
    tally: Tally[SignedCommit] = Tally(COMMIT_ROUNDS_MAX)
    votes = [make_commit(key(one), 1, 0, ID) for one in "AB"]
    liar = make_commit(key("C"), 1, 0, ID, log_size=1)
    for vote in (*votes, liar):
        tally.add(vote)

    assert set(tally.agreeing(votes[0].record)) == {key("A"), key("B")}
    assert set(tally.agreeing(liar.record)) == {key("C")}


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 40)), max_size=200))
def test_b9_a_tally_keeps_the_highest_rounds_and_never_more(
    votes: list[tuple[str, int]],
) -> None:
    """consensus B9: eight rounds of commits per validator."""
    tally: Tally[SignedCommit] = Tally(COMMIT_ROUNDS_MAX)
    for one, round_ in votes:
        tally.add(make_commit(key(one), 1, round_, ID))

    for one in "ABCD":
        kept = [r for r in range(41) if tally.get(key(one), r) is not None]
        said = sorted({r for who, r in votes if who == one})
        assert len(kept) <= COMMIT_ROUNDS_MAX
        assert not said or max(said) in kept


def test_b9_the_ninth_round_of_a_validator_drops_its_lowest() -> None:
    tally: Tally[SignedCommit] = Tally(COMMIT_ROUNDS_MAX)
    for round_ in range(COMMIT_ROUNDS_MAX + 1):
        tally.add(make_commit(key("A"), 1, round_, ID))

    assert tally.get(key("A"), 0) is None
    assert tally.get(key("A"), 1) is not None
    assert tally.get(key("A"), COMMIT_ROUNDS_MAX) is not None


def test_b9_votes_of_rounds_left_behind_are_dropped() -> None:
    tally: Tally[SignedPrepare] = Tally(PREPARE_ROUNDS_MAX)
    for round_ in (1, 2):
        tally.add(make_prepare(key("A"), 1, round_, ID))
    tally.forget_below(2)

    assert tally.in_round(1) == []
    assert [vote.signer for vote in tally.in_round(2)] == [key("A")]


# --------------------------------------------------------------------------------------- jump


@given(st.lists(st.integers(0, 20), max_size=10), st.integers(1, 10))
def test_r6_the_jump_goes_where_w_validators_are_and_no_further(marks: list[int], n: int) -> None:
    """consensus R6: entry number w, highest first."""
    weak = weak_quorum(n)
    target = compute_jump(marks, weak)

    assert target == 0 or sum(mark >= target for mark in marks) >= weak
    assert sum(mark > target for mark in marks) < weak


def test_q_the_table_of_quorums() -> None:
    """consensus Q1 to Q3, the table of section 1."""
    sizes = (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 16, 20, 25, 50, 99, 100)
    expected = (1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9, 11, 14, 17, 34, 66, 67)

    assert tuple(quorum(n) for n in sizes) == expected


# -------------------------------------------------------------------------------------- peers


def status(best: int, wall_ms: int = 0) -> Status:
    return Status(best + 1, 0, best, ID, None, b"", b"", b"", None, wall_ms)


def test_t5_touch_lasts_six_seconds() -> None:
    """consensus T5."""
    peers, validators = Peers(), make_set("ABCD")
    peers.hear(key("A"), 1_000)

    assert peers.in_touch(validators, 1_000 + IN_TOUCH_MS) == [key("A")]
    assert peers.in_touch(validators, 1_001 + IN_TOUCH_MS) == []


def test_l7_no_link_counts_from_the_start_or_from_its_end() -> None:
    """consensus L7."""
    peers = Peers()
    peers.start(500)
    assert peers.unlinked_since_ms(key("A")) == 500
    peers.link(key("A"))
    assert peers.unlinked_since_ms(key("A")) is None
    peers.unlink(key("A"), 900)
    assert peers.unlinked_since_ms(key("A")) == 900


def test_d9_an_answer_counts_only_up_to_what_is_certified_here() -> None:
    """consensus D9, P17: a lie about the height neither opens the gate nor moves anything."""
    peers, validators = Peers(), make_set("ABCD")
    for one, best in (("A", 7), ("B", 9), ("C", 3)):
        peers.note(key(one), status(best), 0)
    peers.note(key("J"), status(7), 0)  # no validator

    assert peers.count_answered(validators, 7) == 2
    assert peers.count_answered(validators, 9) == 3
    assert peers.count_decided(validators, 8) == 1


def test_t13_one_liar_is_not_the_median() -> None:
    """consensus T13: skew is told only when w validators have shown their clocks."""
    peers, validators = Peers(), make_set("ABCD")
    peers.note(key("A"), status(1, wall_ms=9_000_000), 0)
    assert peers.skew_ms(validators) is None
    peers.note(key("B"), status(1, wall_ms=20), 0)
    peers.note(key("C"), status(1, wall_ms=10), 0)

    assert peers.skew_ms(validators) == 20


def test_b9_validators_that_left_are_forgotten() -> None:
    peers = Peers()
    peers.hear(key("E"), 5)
    peers.unlink(key("E"), 6)
    peers.start(1)
    peers.keep(make_set("ABCD"))

    assert peers.heard_ms(key("E")) is None
    assert peers.unlinked_since_ms(key("E")) == 1
