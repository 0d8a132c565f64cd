"""Ballots are checked by everybody; whatever was forged is refused (economy E17 to E21, A4)."""

import functools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.ballot import (
    BALLOT_BYTES_MAX,
    Ballot,
    OpenBallot,
    Opening,
    Pair,
    check_ballot,
    check_open_ballot,
    check_opening,
    commit_branch,
    encrypt,
    hash_proof,
    list_proofs,
    split_pairs,
)
from chain.codec import decode, encode
from chain.crypto import public_key, sha256
from chain.errors import Code, Reject
from chain.group import (
    IDENTITY,
    ORDER,
    ZERO,
    add,
    multiply,
    multiply_base,
    scalar_add,
    scalar_of,
    scalar_subtract,
)
from chain.manifest import BRANCHES_MAX, OPTIONS_MAX, Fixed, count_branches
from tests.ballot_vectors import CHOICES, SHAPES, VECTORS, make_vectors
from tests.made_election import counted, fixed_manifest, hold_ceremony, scalar, voter_seeds
from wallet.ballots import choose, make_ballot, make_open_ballot, score

VOTER, OTHER = (public_key(seed) for seed in voter_seeds(2))
GOLDEN: dict[str, Any] = json.loads(VECTORS.read_text())
SMALL_ORDER = bytes(32)  # a point of order 4


@functools.cache
def fixed_of(name: str) -> Fixed:
    return fixed_manifest(hold_ceremony(), **SHAPES[name])


def made(fixed: Fixed, *numbers: int, blank: bool = False) -> bytes:
    values = choose(fixed, numbers, blank=blank)
    return make_ballot(fixed, VOTER, values, counted(str(values))).data


def refused(fixed: Fixed, data: bytes, voter: bytes = VOTER) -> Code:
    with pytest.raises(Reject) as error:
        check_ballot(fixed, voter, data)
    return error.value.code


def changed(data: bytes, **fields: Any) -> bytes:
    return encode(msgspec.structs.replace(decode(Ballot, data), **fields))


def set_at(run: bytes, place: int, part: bytes) -> bytes:
    """Return `run` with the 32 bytes at `place`, counted in 32 bytes, replaced."""
    return run[: 32 * place] + part + run[32 * place + 32 :]


def test_ballots_proofs_and_shares_have_their_golden_bytes() -> None:
    assert make_vectors() == GOLDEN


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_golden_ballot_is_accepted_from_its_voter_alone(name: str) -> None:
    fixed = fixed_of(name)
    assert GOLDEN["elections"][name]["digest"] == fixed.digest.hex()
    voters = [public_key(seed) for seed in voter_seeds(8)]
    for place, row in enumerate(GOLDEN["elections"][name]["ballots"]):
        data = bytes.fromhex(row["ballot"])
        assert encode(check_ballot(fixed, voters[place], data)) == data
        assert row["tracker"] == sha256(data).hex()[:20]
        assert refused(fixed, data, voters[place - 1]) is Code.ELECTION_BAD_PROOF
    assert len(CHOICES[name]) == len(GOLDEN["elections"][name]["ballots"])


@pytest.mark.parametrize(("name", "size"), [("approval", 1_728), ("approval-blank", 2_048)])
def test_ciphertexts_and_proofs_have_the_printed_size_e20(name: str, size: int) -> None:
    ballot = decode(Ballot, made(fixed_of(name), 1, 2))
    assert len(ballot.ciphertexts) + len(ballot.proofs) == size


def test_the_largest_ballot_fits_the_limit() -> None:
    record = Ballot(
        bytes(32), bytes(32), bytes(32), bytes(64 * (OPTIONS_MAX + 1)), bytes(64 * BRANCHES_MAX)
    )
    assert len(encode(record)) <= BALLOT_BYTES_MAX


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(1, 7), max_size=5), st.booleans())
def test_every_allowed_choice_makes_a_ballot_that_is_accepted(
    numbers: set[int], blank: bool
) -> None:
    fixed = fixed_of("approval-blank")
    numbers = set() if blank else numbers or {3}
    values = choose(fixed, numbers, blank=blank)
    data = make_ballot(fixed, VOTER, values).data
    pairs = split_pairs(check_ballot(fixed, VOTER, data).ciphertexts)
    assert len(pairs) == 8 == len(values)


@pytest.mark.parametrize("place", range(27))
def test_a_forged_proof_is_refused_e19(place: int) -> None:
    """One bit of any 32 bytes of ciphertexts or proofs: a bad point, or a bad proof."""
    fixed = fixed_of("approval")
    ballot = decode(Ballot, made(fixed, 2))
    run = bytearray(ballot.ciphertexts + ballot.proofs)
    run[64 * place] ^= 1
    size = len(ballot.ciphertexts)
    data = changed(encode(ballot), ciphertexts=bytes(run[:size]), proofs=bytes(run[size:]))
    assert refused(fixed, data) in (Code.ELECTION_BAD_PROOF, Code.ELECTION_BAD_POINT)


def test_a_copied_ballot_is_refused_e15() -> None:
    """Copies break privacy: who votes like you shows how you voted."""
    fixed = fixed_of("approval")
    data = made(fixed, 3)
    assert refused(fixed, data, OTHER) is Code.ELECTION_BAD_PROOF
    assert refused(fixed, changed(data, voter=OTHER), OTHER) is Code.ELECTION_BAD_PROOF
    assert refused(fixed, changed(data, voter=OTHER)) is Code.ELECTION_BAD_PROOF


def test_a_ballot_of_another_election_or_manifest_is_refused_e15() -> None:
    fixed = fixed_of("approval")
    data = made(fixed, 3)
    assert refused(fixed, changed(data, election=bytes(32))) is Code.ELECTION_BAD_PROOF
    longer = fixed_manifest(hold_ceremony(), closes=fixed.manifest.closes + 1)
    assert refused(longer, data) is Code.ELECTION_BAD_PROOF
    assert refused(longer, changed(data, manifest=longer.digest)) is Code.ELECTION_BAD_PROOF


@pytest.mark.parametrize("value", [2, 1_000, ORDER - 1])
def test_a_vote_that_counts_double_cannot_be_proved_e19(value: int) -> None:
    """The prover takes any value; no branch is true for it, so whatever it makes up is refused."""
    fixed = fixed_of("approval")
    random = scalar("double")
    pair = Pair(
        multiply_base(random),
        add(multiply(random, fixed.key), multiply_base(scalar_of(value))),
    )
    data = forge(fixed, 0, pair, random)
    assert refused(fixed, data) is Code.ELECTION_BAD_PROOF


def test_too_many_choices_cannot_be_proved_e19() -> None:
    """Six honest bits, but no sum of 0 to 5."""
    fixed = fixed_of("approval")
    wider = fixed_manifest(hold_ceremony(), max=6)
    ballot = decode(Ballot, make_ballot(wider, VOTER, (1, 1, 1, 1, 1, 1, 0)).data)
    data = changed(
        encode(ballot),
        manifest=fixed.digest,
        proofs=ballot.proofs[: 64 * count_branches(fixed.manifest)],
    )
    assert refused(fixed, data) is Code.ELECTION_BAD_PROOF


@pytest.mark.parametrize("points", [6, 7])
def test_a_score_out_of_range_cannot_be_proved_e19(points: int) -> None:
    fixed = fixed_of("score")
    random = scalar("points")
    pair = encrypt(fixed.key, points, random)
    assert refused(fixed, forge(fixed, 1, pair, random)) is Code.ELECTION_BAD_PROOF


def test_a_blank_vote_with_a_choice_cannot_be_proved_e19() -> None:
    fixed = fixed_of("approval-blank")
    random = scalar("blank")
    pair = encrypt(fixed.key, 1, random)  # slot 0, beside the honest choice of option 2
    assert refused(fixed, forge(fixed, 0, pair, random)) is Code.ELECTION_BAD_PROOF


def forge(fixed: Fixed, place: int, pair: Pair, random: bytes) -> bytes:
    """Return a ballot with one pair replaced, and all its proofs made as well as a liar can.

    For each proof the liar claims the first statement, with the randomness it knows or a guess.
    """
    honest = score(fixed, {2: 1})
    prepared = make_ballot(fixed, VOTER, honest, counted("forge"))
    pairs = list(split_pairs(decode(Ballot, prepared.data).ciphertexts))
    pairs[place] = pair
    proofs = []
    for proof in list_proofs(fixed, pairs):
        nonce = scalar("nonce")
        made_up = [(scalar(f"e{k}"), scalar(f"z{k}")) for k in range(1, len(proof.statements))]
        commitments = [(multiply_base(nonce), multiply(nonce, fixed.key))]
        for statement, (e, z) in zip(proof.statements[1:], made_up, strict=True):
            commitments.append(commit_branch(fixed.key, statement, e, z))
        e = hash_proof(fixed, VOTER, proof, commitments)
        for other, _ in made_up:
            e = scalar_subtract(e, other)
        product = int.from_bytes(e, "little") * int.from_bytes(random, "little")
        z = scalar_subtract(nonce, scalar_of(product))
        proofs += [e + z, *(e + z for e, z in made_up)]
    run = b"".join(one.alpha + one.beta for one in pairs)
    return changed(prepared.data, ciphertexts=run, proofs=b"".join(proofs))


@pytest.mark.parametrize("place", [0, 1, 6, 13])
@pytest.mark.parametrize(
    "point",
    [
        SMALL_ORDER,
        IDENTITY,
        (2**255 - 19).to_bytes(32, "little"),
        b"\x02" + bytes(31),
        b"\xff" * 32,
        add(multiply_base(scalar_of(7)), SMALL_ORDER),
    ],
    ids=["small-order", "identity", "non-canonical", "off-curve", "all-ones", "mixed-order"],
)
def test_a_point_that_is_none_is_refused_before_any_proof_e26(place: int, point: bytes) -> None:
    fixed = fixed_of("approval")
    data = made(fixed, 2)
    run = set_at(decode(Ballot, data).ciphertexts, place, point)
    assert refused(fixed, changed(data, ciphertexts=run)) is Code.ELECTION_BAD_POINT


@pytest.mark.parametrize("place", [0, 1, 28, 39])
def test_a_scalar_above_the_order_is_refused_although_it_proves_the_same_e28(place: int) -> None:
    fixed = fixed_of("approval")
    data = made(fixed, 2)
    proofs = decode(Ballot, data).proofs
    number = int.from_bytes(proofs[32 * place : 32 * place + 32], "little")
    for grown in (number + ORDER, number | 1 << 255):
        again = set_at(proofs, place, grown.to_bytes(32, "little"))
        assert refused(fixed, changed(data, proofs=again)) is Code.ELECTION_BAD_PROOF


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ballot: {"ciphertexts": ballot.ciphertexts[:-64]},
        lambda ballot: {"ciphertexts": ballot.ciphertexts + ballot.ciphertexts[:64]},
        lambda ballot: {"ciphertexts": b""},
        lambda ballot: {"proofs": ballot.proofs[:-1]},
        lambda ballot: {"proofs": ballot.proofs + bytes(64)},
        lambda ballot: {"proofs": b""},
    ],
)
def test_a_ballot_of_another_size_is_refused(spoil: Callable[[Ballot], dict[str, bytes]]) -> None:
    fixed = fixed_of("approval")
    data = made(fixed, 2)
    assert refused(fixed, changed(data, **spoil(decode(Ballot, data)))) is Code.ELECTION_SIZE


@pytest.mark.parametrize(
    "data", [b"", b"\x96", bytes(BALLOT_BYTES_MAX + 1), encode([1, 2, 3])], ids=len
)
def test_bytes_that_are_no_ballot_are_refused(data: bytes) -> None:
    assert refused(fixed_of("approval"), data) is Code.ELECTION_SIZE


def test_a_ballot_in_another_form_is_refused() -> None:
    """The same fields with a longer length prefix would be a second digest for one ballot."""
    fixed = fixed_of("approval")
    data = made(fixed, 2)
    at = data.index(b"\xc5\x01\xc0")  # bin 16 of 448 bytes
    longer = data[:at] + b"\xc6\x00\x00\x01\xc0" + data[at + 3 :]
    assert refused(fixed, longer) is Code.ELECTION_SIZE


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_changed_is_refused_and_nothing_else_is_raised(data: st.DataObject) -> None:
    """A ballot comes from outside: an assertion or a library's error would stop every node."""
    fixed = fixed_of("yes-no")
    whole = bytes.fromhex(GOLDEN["elections"]["yes-no"]["ballots"][0]["ballot"])
    voter = public_key(voter_seeds(8)[0])
    at = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.sampled_from([at + 1, min(at + 32, len(whole))]))
    put = data.draw(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([bytes(32), b"\xff" * 32, IDENTITY, SMALL_ORDER, scalar_of(1)]),
        )
    )
    forged = whole[:at] + put + whole[end:]
    if forged == whole:
        check_ballot(fixed, voter, forged)
    else:
        with pytest.raises(Reject):
            check_ballot(fixed, voter, forged)


def test_two_ballots_of_one_choice_differ_everywhere() -> None:
    fixed = fixed_of("approval")
    first, second = (
        decode(Ballot, make_ballot(fixed, VOTER, (0, 1, 0, 0, 0, 0, 0)).data) for _ in "12"
    )
    assert not set(split_pairs(first.ciphertexts)) & set(split_pairs(second.ciphertexts))


def test_randomness_that_cancels_is_legal_e27() -> None:
    """A voter may choose r_c that add up to 0: alpha of the sum is the identity."""
    two = fixed_manifest(hold_ceremony(), options=2, max=2)
    first = scalar("r")
    chosen = [first, scalar_subtract(ZERO, first)]
    more = counted("more")

    def source(size: int) -> bytes:
        return chosen.pop() + bytes(32) if chosen else more(size)

    ballot = decode(Ballot, make_ballot(two, VOTER, (1, 0), source).data)
    alphas = [pair.alpha for pair in split_pairs(ballot.ciphertexts)]
    assert add(*alphas) == IDENTITY
    assert check_ballot(two, VOTER, encode(ballot)) == ballot


def opened(fixed: Fixed) -> tuple[bytes, Opening]:
    prepared = make_ballot(fixed, VOTER, choose(fixed, [2, 5]), counted("spoil"))
    return prepared.opening_data, prepared.opening


def not_opened(fixed: Fixed, data: bytes, voter: bytes = VOTER) -> Code:
    with pytest.raises(Reject) as error:
        check_opening(fixed, voter, data)
    return error.value.code


def test_a_spoiled_ballot_shows_what_it_hides_e21() -> None:
    fixed = fixed_of("approval")
    data, opening = opened(fixed)
    assert check_opening(fixed, VOTER, data).values == (0, 1, 0, 0, 1, 0, 0)
    assert not_opened(fixed, data, OTHER) is Code.ELECTION_OPENING
    lie = msgspec.structs.replace(opening, values=(1, 0, 0, 0, 1, 0, 0))
    assert not_opened(fixed, encode(lie)) is Code.ELECTION_OPENING
    guess = msgspec.structs.replace(opening, randoms=set_at(opening.randoms, 3, scalar("guess")))
    assert not_opened(fixed, encode(guess)) is Code.ELECTION_OPENING
    grown = int.from_bytes(opening.randoms[:32], "little") + ORDER
    malleable = set_at(opening.randoms, 0, grown.to_bytes(32, "little"))
    again = msgspec.structs.replace(opening, randoms=malleable)
    assert not_opened(fixed, encode(again)) is Code.ELECTION_BAD_PROOF
    short = msgspec.structs.replace(opening, values=opening.values[:-1])
    assert not_opened(fixed, encode(short)) is Code.ELECTION_OPENING
    assert not_opened(fixed, b"") is Code.ELECTION_OPENING
    assert not_opened(fixed, bytes(30_000)) is Code.ELECTION_SIZE


def test_a_device_that_encrypts_something_else_is_found_e21() -> None:
    """It shows the voter's choice, but the ballot holds another one."""
    fixed = fixed_of("approval")
    lie = make_ballot(fixed, VOTER, choose(fixed, [7]), counted("lie"))
    shown = msgspec.structs.replace(lie.opening, values=choose(fixed, [1]))
    assert not_opened(fixed, encode(shown)) is Code.ELECTION_OPENING
    assert check_opening(fixed, VOTER, lie.opening_data).values == choose(fixed, [7])


def test_an_open_ballot_ranks_known_options_once_e6() -> None:
    fixed = fixed_manifest(
        hold_ceremony(), method="STV_EXACT", min=1, max=3, trustees=(), threshold=0,
        commitments=(), key=None,
    )  # fmt: skip
    data = make_open_ballot(fixed, VOTER, [3, 1])
    assert check_open_ballot(fixed, VOTER, data).ranking == (3, 1)
    for ranking in ([], [1, 2, 3, 4], [1, 1], [0], [8]):
        ballot = OpenBallot(fixed.manifest.election, fixed.digest, VOTER, tuple(ranking))
        with pytest.raises(Reject) as error:
            check_open_ballot(fixed, VOTER, encode(ballot))
        assert error.value.code is Code.ELECTION_BAD_PROOF
    with pytest.raises(Reject) as error:
        check_open_ballot(fixed, OTHER, data)
    assert error.value.code is Code.ELECTION_BAD_PROOF
    with pytest.raises(Reject) as error:
        check_open_ballot(fixed, VOTER, b"\x95")
    assert error.value.code is Code.ELECTION_SIZE


def test_the_sum_of_challenges_is_what_the_proof_hashes_e18() -> None:
    """By hand, for one bit proof of a golden ballot."""
    fixed = fixed_of("approval")
    row = GOLDEN["elections"]["approval"]["ballots"][0]
    ballot = decode(Ballot, bytes.fromhex(row["ballot"]))
    pairs, branches = split_pairs(ballot.ciphertexts), split_pairs(ballot.proofs)
    first = next(iter(list_proofs(fixed, pairs)))
    total = scalar_add(branches[0].alpha, branches[1].alpha)
    commitments = [
        commit_branch(fixed.key, statement, *branch)
        for statement, branch in zip(first.statements, branches[:2], strict=True)
    ]
    assert total == hash_proof(fixed, ballot.voter, first, commitments)
