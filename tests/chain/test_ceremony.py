"""The key ceremony: what honest trustees agree on, and what is refused (economy E12, E16, A4)."""

from itertools import combinations
from typing import Any

import msgspec
import pytest

from chain.ceremony import (
    CeremonyContext,
    KeyAnswer,
    KeyCommit,
    KeyDeal,
    are_keys_sound,
    check_answer,
    check_commit,
    check_deal,
    compute_key,
    compute_share_key,
    get_threshold,
    is_share,
)
from chain.errors import Code, Reject
from chain.group import (
    IDENTITY,
    ORDER,
    ZERO,
    add,
    multiply,
    multiply_base,
    scalar_add,
    scalar_multiply,
    scalar_of,
    seal_box,
    subtract,
)
from chain.tally import compute_weight
from tests.made_election import CHAIN, ELECTION, Ceremony, counted, hold_ceremony, scalar
from wallet import trustee

CEREMONY = hold_ceremony()
COMMIT = CEREMONY.commits[0]


def refused(commit: KeyCommit, number: int = 1, attempt: int = 1, threshold: int = 3) -> Code:
    with pytest.raises(Reject) as error:
        check_commit(CeremonyContext(CHAIN, ELECTION, attempt), number, threshold, commit)
    return error.value.code


def changed(**fields: Any) -> KeyCommit:
    return msgspec.structs.replace(COMMIT, **fields)


def deals_of(ceremony: Ceremony) -> dict[int, KeyDeal]:
    return {
        number: trustee.make_deal(seed, ceremony.context, number, ceremony.commits)
        for number, seed in enumerate(ceremony.seeds, 1)
    }


@pytest.mark.parametrize(("trustees", "threshold"), [(3, 2), (4, 3), (5, 3), (6, 4), (9, 5)])
def test_the_threshold_is_one_more_than_half_e12(trustees: int, threshold: int) -> None:
    assert get_threshold(trustees) == threshold


@pytest.mark.parametrize(("trustees", "threshold"), [(3, 2), (5, 3), (9, 5)])
def test_any_t_trustees_together_hold_the_secret_and_fewer_do_not_e16(
    trustees: int, threshold: int
) -> None:
    ceremony = hold_ceremony(trustees, threshold)
    for number, commit in enumerate(ceremony.commits, 1):
        check_commit(ceremony.context, number, threshold, commit)
    assert are_keys_sound(ceremony.commitments)
    key = compute_key(ceremony.commitments)
    for number, secret in ceremony.secrets.items():
        assert multiply_base(secret) == compute_share_key(ceremony.commitments, number)
    numbers = range(1, trustees + 1)
    for used in list(combinations(numbers, threshold))[:12]:
        assert multiply_base(join(ceremony, used)) == key
    for used in list(combinations(numbers, threshold - 1))[:12]:
        assert multiply_base(join(ceremony, used)) != key


def join(ceremony: Ceremony, used: tuple[int, ...]) -> bytes:
    total = ZERO
    for number in used:
        weight = compute_weight(number, used)
        total = scalar_add(total, scalar_multiply(weight, ceremony.secrets[number]))
    return total


def test_a_commit_is_that_of_its_number_and_its_attempt() -> None:
    check_commit(CEREMONY.context, 1, 3, COMMIT)
    assert refused(COMMIT, number=2) is Code.ELECTION_BAD_PROOF
    assert refused(COMMIT, attempt=2) is Code.ELECTION_BAD_PROOF
    assert refused(COMMIT, threshold=2) is Code.ELECTION_BAD_PROOF


def test_a_key_made_to_cancel_the_others_has_no_proof_e16() -> None:
    """C_10 = a*G less what the others committed to: Y would be a*G, and its secret one person's."""
    rogue = multiply_base(scalar("rogue"))
    for commit in CEREMONY.commits[1:]:
        rogue = subtract(rogue, commit.commitments[0])
    commitments = (rogue, *COMMIT.commitments[1:])
    assert refused(changed(commitments=commitments)) is Code.ELECTION_BAD_PROOF


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "point",
    [IDENTITY, bytes(32), b"\xff" * 32, b"\x02" + bytes(31), add(COMMIT.commitments[0], bytes(32))],
)
def test_a_commitment_that_is_no_point_is_refused_e26(place: int, point: bytes) -> None:
    commitments = list(COMMIT.commitments)
    commitments[place] = point
    assert refused(changed(commitments=tuple(commitments))) is Code.ELECTION_BAD_POINT


def test_scalars_boxes_and_lengths_are_checked() -> None:
    grown = (int.from_bytes(COMMIT.z, "little") + ORDER).to_bytes(32, "little")
    assert refused(changed(z=grown)) is Code.ELECTION_BAD_PROOF
    assert refused(changed(e=b"\xff" * 32)) is Code.ELECTION_BAD_PROOF
    assert refused(changed(e=ZERO)) is Code.ELECTION_BAD_PROOF
    assert refused(changed(box_key=bytes(32))) is Code.ELECTION_BAD_POINT
    assert refused(changed(commitments=COMMIT.commitments[:2])) is Code.ELECTION_BAD_PROOF
    assert refused(changed(commitments=())) is Code.ELECTION_BAD_PROOF


def test_a_deal_has_one_box_of_the_right_length_for_each() -> None:
    deal = deals_of(CEREMONY)[1]
    check_deal(5, CEREMONY.context, deal)
    for boxes in (
        deal.boxes[:-1],
        (*deal.boxes, deal.boxes[0]),
        (deal.boxes[0][:-1], *deal.boxes[1:]),
        (deal.boxes[0] + b"\x00", *deal.boxes[1:]),
        (),
    ):
        with pytest.raises(Reject) as error:
            check_deal(5, CEREMONY.context, KeyDeal(boxes))
        assert error.value.code is Code.ELECTION_SIZE


def test_a_share_fits_its_dealer_and_its_receiver_alone() -> None:
    answer = trustee.make_answer(CEREMONY.seeds[1], CEREMONY.context, 3, 4)
    commitments = CEREMONY.commits[1].commitments
    check_answer(commitments, answer)
    assert is_share(commitments, 4, answer.share)
    assert not is_share(commitments, 3, answer.share)
    assert not is_share(COMMIT.commitments, 4, answer.share)
    for wrong in (
        KeyAnswer(3, answer.share),
        KeyAnswer(4, ZERO),
        KeyAnswer(4, (int.from_bytes(answer.share, "little") + ORDER).to_bytes(32, "little")),
    ):
        with pytest.raises(Reject) as error:
            check_answer(commitments, wrong)
        assert error.value.code is Code.ELECTION_BAD_SHARE


def test_a_dealer_who_cheats_is_named_e16() -> None:
    """Another share, a box of another ceremony, for another receiver, or one that does not open."""
    context, seeds, commits = CEREMONY.context, CEREMONY.seeds, CEREMONY.commits
    later = msgspec.structs.replace(context, attempt=2)
    deals = deals_of(CEREMONY)
    lie = trustee.make_deal(seeds[2], context, 2, commits)  # the shares of 3 under the number of 2
    old = trustee.make_deal(seeds[2], later, 3, commits)
    boxes = deals[4].boxes
    swapped = KeyDeal((boxes[1], boxes[0], *boxes[2:]))
    noise = KeyDeal(tuple(seal_box(b"noise", commits[0].box_key) for _ in range(5)))
    received = trustee.open_deals(
        seeds[0], context, 1, commits, {1: deals[1], 2: lie, 3: old, 4: swapped, 5: noise}
    )
    assert received.wrong == (2, 3, 4, 5)
    assert list(received.shares) == [1]


def test_keys_that_cancel_are_not_sound_e16() -> None:
    """Two trustees whose polynomials add up to 0 leave Y to the third; all three leave none."""
    point = multiply_base(scalar("a"))
    other = subtract(IDENTITY, point)
    assert not are_keys_sound([[point, point], [other, other]])
    assert not are_keys_sound([[point, other], [point, subtract(IDENTITY, point)]])
    assert are_keys_sound(CEREMONY.commitments)


def test_each_attempt_has_secrets_of_its_own() -> None:
    again = hold_ceremony(attempt=2)
    points = [
        point for commit in (*CEREMONY.commits, *again.commits) for point in commit.commitments
    ]
    keys = [commit.box_key for commit in (*CEREMONY.commits, *again.commits)]
    assert len(set(points)) == 30
    assert len(set(keys)) == 10


def test_a_trustee_on_another_device_has_the_same_secrets() -> None:
    """All but the randomness of the proof follows from the seed."""
    again = trustee.make_commit(CEREMONY.seeds[0], CEREMONY.context, 1, 3, counted("another"))
    assert again.commitments == COMMIT.commitments
    assert again.box_key == COMMIT.box_key
    assert again.z != COMMIT.z
    check_commit(CEREMONY.context, 1, 3, again)


def test_the_key_of_shares_is_horners_value_of_the_commitments() -> None:
    for number in range(1, 6):
        total = IDENTITY
        for commitments in CEREMONY.commitments:
            value = IDENTITY
            for commitment in reversed(commitments):
                value = add(multiply(scalar_of(number), value), commitment)
            total = add(total, value)
        assert total == compute_share_key(CEREMONY.commitments, number)
