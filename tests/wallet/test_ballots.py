"""The side of voters and trustees: choices, randomness, and keys at rest (economy E14 to E23)."""

from pathlib import Path

import pytest

from chain.ballot import Ballot, check_ballot, check_opening, split_pairs, tracker_of
from chain.ceremony import CeremonyContext, check_commit
from chain.codec import decode
from chain.crypto import public_key, sha256
from chain.group import ORDER, ZERO, is_scalar, scalar_of
from chain.texts import Problem
from tests.made_election import CHAIN, ELECTION, counted, fixed_manifest, hold_ceremony
from wallet import keystore, trustee
from wallet.ballots import choose, make_ballot, random_scalar, score
from wallet.election_keys import make_key, name_credential, name_trustee_key

BLANK = fixed_manifest(hold_ceremony(), min=1, max=2, blank=1, options=4)
SCORE = fixed_manifest(hold_ceremony(), method="SCORE", score=5, max=12, options=4)
AT = "2026-11-26T20:00:00Z"


def test_a_choice_becomes_one_number_a_slot() -> None:
    assert choose(BLANK, [2, 4]) == (0, 0, 1, 0, 1)
    assert choose(BLANK, [], blank=True) == (1, 0, 0, 0, 0)
    assert score(SCORE, {1: 5, 3: 2}) == (5, 0, 2, 0)
    assert score(SCORE, {}) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("numbers", "blank", "cause"),
    [
        ([1, 2, 3], False, "choices"),
        ([], False, "choices"),
        ([5], False, "option"),
        ([0], False, "option"),
        ([1, 1], False, "option"),
        ([1], True, "blank"),
    ],
)
def test_a_choice_that_the_manifest_does_not_allow_is_refused(
    numbers: list[int], blank: bool, cause: str
) -> None:
    with pytest.raises(Problem) as problem:
        choose(BLANK, numbers, blank=blank)
    assert problem.value.params["cause"] == cause


@pytest.mark.parametrize(
    ("points", "cause"),
    [({1: 6}, "option"), ({1: -1}, "option"), ({9: 1}, "option"), ({1: 5, 2: 5, 3: 5}, "choices")],
)
def test_points_that_the_manifest_does_not_allow_are_refused(
    points: dict[int, int], cause: str
) -> None:
    with pytest.raises(Problem) as problem:
        score(SCORE, points)
    assert problem.value.params["cause"] == cause
    with pytest.raises(Problem) as problem:
        score(SCORE, {}, blank=True)
    assert problem.value.params["cause"] == "blank"


def test_random_scalars_are_below_the_order_and_never_0() -> None:
    wide = iter([bytes(64), scalar_of(ORDER - 1) + bytes(32), b"\xff" * 64])
    assert random_scalar(lambda size: next(wide)) == scalar_of(ORDER - 1)
    found = {random_scalar() for _ in range(50)}
    assert len(found) == 50
    assert all(is_scalar(one) and one != ZERO for one in found)


def test_a_vote_again_is_another_ballot_with_another_tracker() -> None:
    voter = public_key(bytes(32))
    first, second = (make_ballot(BLANK, voter, choose(BLANK, [1])) for _ in range(2))
    assert first.tracker != second.tracker
    assert first.tracker == tracker_of(first.data) == first.digest.hex()[:20]
    pairs = [set(split_pairs(decode(Ballot, one.data).ciphertexts)) for one in (first, second)]
    assert not pairs[0] & pairs[1]


def test_a_prepared_ballot_can_be_spoiled_and_then_shows_the_choice() -> None:
    voter = public_key(bytes(32))
    made = make_ballot(BLANK, voter, choose(BLANK, [3]))
    opening = check_opening(BLANK, voter, made.opening_data)
    assert opening.ballot == made.data
    assert opening.values == (0, 0, 0, 1, 0)


def test_a_credential_is_a_fresh_key_file_of_its_election(tmp_path: Path) -> None:
    name = name_credential(ELECTION)
    made = make_key(
        tmp_path, name, "een lange zin", keystore.TEST_ONLY, created_at=AT, test_only=True
    )
    again = make_key(
        tmp_path / "other", name, "een lange zin", keystore.TEST_ONLY,
        created_at=AT, test_only=True,
    )  # fmt: skip
    assert made.key != again.key
    assert name_credential(sha256(b"another election")) != name
    seed = keystore.unlock(keystore.load_key(tmp_path, name), "een lange zin", live=False)
    voter = public_key(seed)
    assert voter == made.key
    ballot = make_ballot(BLANK, voter, choose(BLANK, [1]))
    assert check_ballot(BLANK, voter, ballot.data).voter == voter
    with pytest.raises(Problem) as problem:
        make_key(tmp_path, name, "een lange zin", keystore.TEST_ONLY, created_at=AT, test_only=True)
    assert problem.value.number == 1001


def test_a_trustee_comes_back_from_its_words_on_another_device(tmp_path: Path) -> None:
    """Nothing but the key file is kept: commitments, boxes and shares follow from it (E16)."""
    name = name_trustee_key(ELECTION)
    made = make_key(
        tmp_path, name, "een lange zin", keystore.TEST_ONLY, created_at=AT, test_only=True
    )
    stored = (tmp_path / "keys" / f"{name}.json").read_bytes()
    seed = keystore.unlock(made, "een lange zin", live=False)
    assert seed.hex().encode() not in stored
    words = keystore.words_of(keystore.open_entropy(made, "een lange zin", live=False))
    back = keystore.derive_seed(keystore.entropy_of_words(words), made.index)
    context = CeremonyContext(CHAIN, ELECTION, 1)
    first = trustee.make_commit(seed, context, 1, 3, counted("a"))
    second = trustee.make_commit(back, context, 1, 3, counted("b"))
    check_commit(context, 1, 3, second)
    assert (first.commitments, first.box_key) == (second.commitments, second.box_key)
    with pytest.raises(Problem) as problem:
        keystore.unlock(made, "een andere zin", live=False)
    assert problem.value.number == 1004
