"""Sums, shares and counts: what opens, and what is refused (economy E21 to E24, E27)."""

from itertools import combinations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.ballot import Pair, check_ballot, encrypt, split_pairs
from chain.crypto import public_key
from chain.errors import Code, Reject
from chain.group import (
    IDENTITY,
    ORDER,
    ZERO,
    add,
    multiply_base,
    scalar_of,
    scalar_subtract,
)
from chain.manifest import Fixed
from chain.tally import (
    NO_SHARE,
    Share,
    add_ballot,
    check_counts,
    check_shares,
    find_counts,
    get_count_max,
    open_sums,
    start_sums,
    subtract_ballot,
)
from tests.made_election import counted, fixed_manifest, hold_ceremony, scalar, voter_seeds
from wallet.ballots import choose, make_ballot
from wallet.trustee import make_shares

CEREMONY = hold_ceremony()
FIXED = fixed_manifest(CEREMONY, options=3, max=2)
VOTES = [[1], [1, 2], [], [2], [1, 3]]
COUNTS = (3, 2, 1)


def ciphertexts(fixed: Fixed, number: int, numbers: list[int]) -> bytes:
    voter = public_key(voter_seeds(8)[number])
    made = make_ballot(fixed, voter, choose(fixed, numbers), counted(f"{number} {numbers}"))
    return check_ballot(fixed, voter, made.data).ciphertexts


def sums_of(votes: list[list[int]]) -> bytes:
    sums = start_sums(3)
    for number, numbers in enumerate(votes):
        sums = add_ballot(sums, ciphertexts(FIXED, number, numbers))
    return sums


SUMS = sums_of(VOTES)
SHARES = {
    number: make_shares(FIXED, number, CEREMONY.secrets[number], SUMS, counted(str(number)))
    for number in range(1, 6)
}


def refused(trustee: int, shares: tuple[Share, ...], sums: bytes = SUMS) -> Code:
    with pytest.raises(Reject) as error:
        check_shares(FIXED, trustee, sums, shares)
    return error.value.code


def not_counted(counts: tuple[int, ...], used: tuple[int, ...] = (1, 2, 3)) -> Code:
    with pytest.raises(Reject) as error:
        check_counts(FIXED, len(VOTES), SUMS, {number: SHARES[number] for number in used}, counts)
    return error.value.code


@pytest.mark.parametrize("used", list(combinations(range(1, 6), 3)))
def test_any_three_of_five_trustees_open_the_same_counts_e24(used: tuple[int, ...]) -> None:
    shares = {number: SHARES[number] for number in used}
    for number in used:
        check_shares(FIXED, number, SUMS, SHARES[number])
    assert find_counts(open_sums(FIXED, SUMS, shares), 5) == COUNTS
    check_counts(FIXED, 5, SUMS, shares, COUNTS)


def test_more_shares_than_needed_change_nothing() -> None:
    check_counts(FIXED, 5, SUMS, SHARES, COUNTS)


def test_two_of_five_are_too_few_e12() -> None:
    assert not_counted(COUNTS, (4, 5)) is Code.ELECTION_TOO_FEW_SHARES
    assert not_counted(COUNTS, ()) is Code.ELECTION_TOO_FEW_SHARES


@pytest.mark.parametrize(
    "counts",
    [(3, 2, 2), (2, 3, 1), (3, 2), (3, 2, 1, 0), (), (3, 2, 6), (3, 2, -1), (3, 2, 1 + ORDER)],
)
def test_other_counts_are_refused_e24(counts: tuple[int, ...]) -> None:
    assert not_counted(counts) is Code.ELECTION_COUNTS


def test_a_vote_again_takes_the_old_ballot_out_e21() -> None:
    old, new = ciphertexts(FIXED, 0, [1]), ciphertexts(FIXED, 0, [2, 3])
    sums = add_ballot(subtract_ballot(SUMS, old), new)
    shares = {
        number: make_shares(FIXED, number, CEREMONY.secrets[number], sums) for number in (2, 3, 4)
    }
    check_counts(FIXED, 5, sums, shares, (2, 3, 2))
    assert subtract_ballot(add_ballot(SUMS, new), new) == SUMS


def test_without_ballots_all_counts_are_0_and_no_shares_are_asked_e22() -> None:
    empty = start_sums(3)
    check_counts(FIXED, 0, empty, {}, (0, 0, 0))
    with pytest.raises(Reject) as error:
        check_counts(FIXED, 0, empty, {}, (0, 0, 1))
    assert error.value.code is Code.ELECTION_COUNTS


def test_a_share_that_is_not_the_trustees_is_refused_e23() -> None:
    assert refused(2, SHARES[1]) is Code.ELECTION_BAD_PROOF
    assert refused(1, SHARES[1][:2]) is Code.ELECTION_BAD_PROOF
    assert refused(1, SHARES[1][::-1]) is Code.ELECTION_BAD_PROOF
    assert refused(1, SHARES[1], sums_of(VOTES[:4])) is Code.ELECTION_BAD_PROOF
    lie = make_shares(FIXED, 1, scalar("another secret"), SUMS)
    assert refused(1, lie) is Code.ELECTION_BAD_PROOF


@pytest.mark.parametrize("point", [IDENTITY, bytes(32), b"\xff" * 32, b"\x02" + bytes(31)])
def test_a_share_that_is_no_point_is_refused_e27(point: bytes) -> None:
    share = msgspec.structs.replace(SHARES[1][0], point=point)
    assert refused(1, (share, *SHARES[1][1:])) is Code.ELECTION_BAD_POINT


def test_a_share_with_malleable_scalars_or_another_point_is_refused_e28() -> None:
    first = SHARES[1][0]
    for share in (
        msgspec.structs.replace(first, point=add(first.point, multiply_base(scalar_of(1)))),
        msgspec.structs.replace(
            first, z=(int.from_bytes(first.z, "little") + ORDER).to_bytes(32, "little")
        ),
        msgspec.structs.replace(first, e=ZERO),
        NO_SHARE,
    ):
        code = refused(1, (share, *SHARES[1][1:]))
        expected = Code.ELECTION_BAD_POINT if share is NO_SHARE else Code.ELECTION_BAD_PROOF
        assert code is expected


def test_a_sum_whose_alpha_is_the_identity_is_read_without_shares_e27() -> None:
    """Two voters whose randomness cancels: alpha* is the identity, beta* is 2*G."""
    random = scalar("cancels")
    left = encrypt(FIXED.key, 1, random)
    right = encrypt(FIXED.key, 1, scalar_subtract(ZERO, random))
    cancelled = Pair(add(left.alpha, right.alpha), add(left.beta, right.beta))
    assert cancelled.alpha == IDENTITY
    sums = cancelled.alpha + cancelled.beta + SUMS[64:]
    shares = {
        number: make_shares(FIXED, number, CEREMONY.secrets[number], sums) for number in (1, 3, 5)
    }
    for number, given_shares in shares.items():
        assert given_shares[0] == NO_SHARE
        check_shares(FIXED, number, sums, given_shares)
    check_counts(FIXED, 5, sums, shares, (2, 2, 1))
    extra = (SHARES[1][0], *shares[1][1:])
    assert refused(1, extra, sums) is Code.ELECTION_BAD_PROOF


def test_all_of_the_sums_may_be_the_identity() -> None:
    sums = start_sums(3)
    assert split_pairs(sums) == (Pair(IDENTITY, IDENTITY),) * 3
    shares = {
        number: make_shares(FIXED, number, CEREMONY.secrets[number], sums) for number in (1, 2, 3)
    }
    check_counts(FIXED, 2, sums, shares, (0, 0, 0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30_000), st.integers(0, 700))
def test_a_count_is_found_up_to_the_highest_and_not_beyond(count: int, more: int) -> None:
    point = multiply_base(scalar_of(count))
    assert find_counts([point, IDENTITY], count + more) == (count, 0)
    if count:
        with pytest.raises(Reject) as error:
            find_counts([point], count - 1)
        assert error.value.code is Code.ELECTION_COUNTS


def test_scores_add_up_to_more_than_the_ballots_e24() -> None:
    scores = fixed_manifest(CEREMONY, options=3, method="SCORE", score=5, max=15)
    assert get_count_max(scores, 7) == 35
    assert get_count_max(FIXED, 7) == 7
