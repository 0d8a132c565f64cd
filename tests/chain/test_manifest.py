"""The manifest: what can be an election, and the list of voters (economy E6, E12 to E15)."""

from typing import Any

import msgspec
import pytest

from chain.codec import decode, encode
from chain.crypto import public_key, sha256
from chain.errors import Code, Malformed, Reject
from chain.log import leaf_hash, node_hash
from chain.manifest import (
    AreaSeats,
    Manifest,
    Option,
    check_manifest,
    check_voters,
    compute_voters_root,
    count_branches,
    fix,
)
from tests.made_election import hold_ceremony, make_manifest, voter_seeds

CEREMONY = hold_ceremony()
APPROVAL = make_manifest(CEREMONY)
VOTERS = [public_key(seed) for seed in voter_seeds(5)]


def changed(**fields: Any) -> Manifest:
    return msgspec.structs.replace(APPROVAL, **fields)


STV = changed(method="STV_EXACT", trustees=(), threshold=0, commitments=(), key=None)
YES_NO = changed(
    kind="DECISION", method="YES_NO", options=APPROVAL.options[:1], seats=0, min=0, max=1, blank=1
)
SCORE = changed(method="SCORE", score=5, max=35)
BUURT = changed(method="APPROVAL_BUURT", areas=(AreaSeats("BU001", 1), AreaSeats("BU002", 2)))


@pytest.mark.parametrize(
    "manifest",
    [APPROVAL, STV, YES_NO, SCORE, BUURT, changed(kind="SURVEY", seats=0), changed(min=5)],
)
def test_a_manifest_that_fits_is_accepted_and_read_back(manifest: Manifest) -> None:
    check_manifest(manifest)
    assert decode(Manifest, encode(manifest)) == manifest
    assert fix(manifest).digest == sha256(encode(manifest))


@pytest.mark.parametrize(
    "manifest",
    [
        changed(min=6),
        changed(max=8),
        changed(min=0, max=0),
        changed(score=1),
        changed(seats=0),
        changed(seats=41),
        changed(kind="SURVEY"),
        changed(areas=(AreaSeats("BU001", 1),)),
        changed(opens=APPROVAL.closes),
        changed(quorum_pct=101),
        changed(threshold=2),
        changed(threshold=4),
        changed(key=None),
        changed(trustees=APPROVAL.trustees[:4]),
        changed(trustees=APPROVAL.trustees[:1] * 5),
        changed(trustees=(), threshold=0, commitments=(), key=None),
        changed(commitments=APPROVAL.commitments[:4]),
        changed(commitments=(APPROVAL.commitments[0][:2], *APPROVAL.commitments[1:])),
        msgspec.structs.replace(YES_NO, blank=0),
        msgspec.structs.replace(YES_NO, min=1),
        msgspec.structs.replace(YES_NO, options=APPROVAL.options[:2]),
        msgspec.structs.replace(SCORE, score=6),
        msgspec.structs.replace(SCORE, score=0),
        msgspec.structs.replace(SCORE, max=36),
        msgspec.structs.replace(BUURT, areas=()),
        msgspec.structs.replace(BUURT, areas=BUURT.areas[::-1]),
        msgspec.structs.replace(BUURT, areas=(AreaSeats("BU001", 0),)),
        msgspec.structs.replace(BUURT, areas=(AreaSeats("BU001", 6),)),
        msgspec.structs.replace(STV, key=APPROVAL.key),
        msgspec.structs.replace(STV, threshold=1),
        msgspec.structs.replace(STV, blank=1),
        make_manifest(CEREMONY, options=40, method="SCORE", score=5, max=200),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(manifest: Manifest) -> None:
    with pytest.raises(Reject) as error:
        check_manifest(manifest)
    assert error.value.code is Code.ELECTION_MANIFEST


@pytest.mark.parametrize(
    ("manifest", "branches"),
    [
        (APPROVAL, 20),
        (changed(min=1, blank=1), 24),
        (YES_NO, 9),
        (SCORE, 78),
        (make_manifest(CEREMONY, options=20, method="SCORE", score=5, max=100, blank=1), 226),
        (make_manifest(CEREMONY, options=40, max=40), 121),
    ],
)
def test_the_branches_of_a_ballot_follow_from_the_manifest_e19(
    manifest: Manifest, branches: int
) -> None:
    check_manifest(manifest)
    assert count_branches(manifest) == branches


def test_slots_begin_with_the_blank_vote_where_there_is_one() -> None:
    assert list(fix(APPROVAL).slots) == [1, 2, 3, 4, 5, 6, 7]
    assert list(fix(YES_NO).slots) == [0, 1]


@pytest.mark.parametrize("field", ["chain", "election", "options", "key", "closes", "voters_root"])
def test_whatever_changes_changes_the_digest_e15(field: str) -> None:
    value: Any = getattr(APPROVAL, field)
    other: Any = value + 1 if isinstance(value, int) else value[::-1]
    assert fix(changed(**{field: other})).digest != fix(APPROVAL).digest


def test_a_manifest_has_one_form() -> None:
    data = encode(APPROVAL)
    with pytest.raises(Malformed):
        decode(Manifest, data + b"\x00")
    with pytest.raises(Malformed):
        decode(Manifest, data[:-1] + b"\xcc\x0a")
    many = changed(options=tuple(Option(bytes([i]) * 32, None, ()) for i in range(41)))
    with pytest.raises(Malformed):
        decode(Manifest, encode(many))


def test_the_list_of_voters_is_sorted_and_has_sound_keys_e14() -> None:
    check_voters(VOTERS)
    check_voters([])
    for wrong in (
        VOTERS[::-1],
        [VOTERS[0], VOTERS[0]],
        [bytes(32), *VOTERS],
        [*VOTERS, b"\xff" * 32],
    ):
        with pytest.raises(Reject) as error:
            check_voters(wrong)
        assert error.value.code is Code.ELECTION_UNSORTED


def test_the_root_of_the_list_is_that_of_rfc_6962() -> None:
    leaves = [leaf_hash(voter) for voter in VOTERS]
    left = node_hash(node_hash(leaves[0], leaves[1]), node_hash(leaves[2], leaves[3]))
    assert compute_voters_root(VOTERS) == node_hash(left, leaves[4])
    assert compute_voters_root([]) == sha256(b"")
