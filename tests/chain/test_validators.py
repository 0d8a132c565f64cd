"""Quorums, validator sets and certificates (consensus Q1..Q5, M4, M7, M10, R8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import crypto, validators
from chain.checkpoint import commit_bytes, read_body, read_note
from chain.codec import decode, encode
from chain.crypto import public_key, sha256, sign
from chain.errors import Malformed
from chain.validators import (
    CommitCertificate,
    PreparedCertificate,
    Validator,
    ValidatorSet,
    build_commit_certificate,
    build_prepared_certificate,
    certificate_note,
    check_commit_certificate,
    check_prepared_certificate,
    prepare_bytes,
    read_bitmap,
    signer_keys,
    validator_set,
    write_bitmap,
)

CHAIN_ID = "test-chain"
GENESIS = sha256(b"genesis")
BLOCK = sha256(b"block")
LOG_ROOT = sha256(b"log")

# The table of consensus section 1.
SIZES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 16, 20, 25, 50, 99, 100]
FAULTY = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 16, 32, 33]
QUORUMS = [1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9, 11, 14, 17, 34, 66, 67]


def seeds(n: int) -> dict[bytes, bytes]:
    """Return n secrets by public key."""
    all_seeds = [sha256(b"validator %d" % i) for i in range(n)]
    return {public_key(seed): seed for seed in all_seeds}


def set_of(n: int) -> ValidatorSet:
    return validator_set(Validator(f"v{i}", key) for i, key in enumerate(seeds(n)))


def commit_votes(n: int, count: int) -> dict[bytes, bytes]:
    message = commit_bytes(CHAIN_ID, 5, LOG_ROOT, 7, 2, BLOCK)
    return {key: sign(seed, message) for key, seed in list(seeds(n).items())[:count]}


def commit_certificate(n: int, count: int) -> CommitCertificate:
    return build_commit_certificate(set_of(n), 7, 2, BLOCK, 5, LOG_ROOT, commit_votes(n, count))


def test_quorums_are_those_of_the_table() -> None:
    """consensus Q1, Q2."""
    assert [validators.faulty(n) for n in SIZES] == FAULTY
    assert [validators.quorum(n) for n in SIZES] == QUORUMS


@given(st.integers(1, 1000))
def test_quorums_share_an_honest_validator_and_can_always_be_met(n: int) -> None:
    """consensus Q2, Q3: no smaller number would do."""
    q, f, w = validators.quorum(n), validators.faulty(n), validators.weak_quorum(n)
    assert 2 * q - n >= f + 1
    assert 2 * (q - 1) - n < f + 1
    assert q <= n - f
    assert w == f + 1 <= q


def test_a_set_is_sorted_distinct_and_counts_keys() -> None:
    """consensus Q4, M7."""
    four = set_of(4)
    assert list(four.keys) == sorted(seeds(4))
    assert (len(four), four.faulty, four.quorum, four.weak_quorum) == (4, 1, 3, 2)
    assert [four.place(key) for key in four.keys] == [0, 1, 2, 3]
    assert four.place(BLOCK) is None
    assert four.keys[0] in four
    assert BLOCK not in four
    assert four == validator_set(reversed(four.validators))
    listed = b"\x92\xb1wijk.validators.1\x94" + b"".join(b"\xc4\x20" + key for key in four.keys)
    assert four.validators_hash == sha256(listed)


def test_a_set_of_no_validators_or_of_twins_is_our_own_bug() -> None:
    one, two = set_of(2).validators
    twins: list[tuple[Validator, ...]] = [
        (),
        (one, one),
        (one, Validator(one.name, two.key)),
        (one, Validator("v9", one.key)),
    ]
    for wrong in twins:
        with pytest.raises(AssertionError):
            validator_set(wrong)
    with pytest.raises(AssertionError):
        ValidatorSet((two, one))


@given(st.integers(1, 100).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_a_bitmap_has_one_form(case: tuple[int, set[int]]) -> None:
    """consensus M10: key i is bit (1 << i % 8) of byte i // 8."""
    n, places = case
    bitmap = write_bitmap(places, n)
    assert len(bitmap) == (n + 7) // 8
    assert all(bool(bitmap[i // 8] & 1 << i % 8) == (i in places) for i in range(n))
    assert read_bitmap(bitmap, n) == sorted(places)
    for wrong in (bitmap + b"\x00", bitmap[:-1], b""):
        with pytest.raises(Malformed):
            read_bitmap(wrong, n)
    for spare in range(n, len(bitmap) * 8):
        spared = bytearray(bitmap)
        spared[spare // 8] |= 1 << spare % 8
        with pytest.raises(Malformed, match="spare"):
            read_bitmap(bytes(spared), n)


def test_a_prepare_signs_the_array_of_m4() -> None:
    expected = b"\x95\xaewijk.prepare.1\xc4\x20" + GENESIS + b"\x07\x02\xc4\x20" + BLOCK
    assert prepare_bytes(GENESIS, 7, 2, BLOCK) == expected


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 13])
def test_a_quorum_to_all_may_sign_a_commit_certificate(n: int) -> None:
    for count in range(validators.quorum(n), n + 1):
        certificate = commit_certificate(n, count)
        assert decode(CommitCertificate, encode(certificate)) == certificate
        check_commit_certificate(certificate, set_of(n), CHAIN_ID)
        assert signer_keys(certificate, set_of(n)) == sorted(commit_votes(n, count))


def test_a_prepared_certificate_is_judged_over_its_own_bytes() -> None:
    message = prepare_bytes(GENESIS, 7, 2, BLOCK)
    votes = {key: sign(seed, message) for key, seed in list(seeds(4).items())[:3]}
    certificate = build_prepared_certificate(set_of(4), 7, 2, BLOCK, votes)
    assert decode(PreparedCertificate, encode(certificate)) == certificate
    check_prepared_certificate(certificate, set_of(4), GENESIS)
    with pytest.raises(Malformed, match="wrong signature"):
        check_prepared_certificate(certificate, set_of(4), sha256(b"other chain"))


def test_wire_form_of_a_commit_certificate_is_that_of_m10() -> None:
    certificate = commit_certificate(4, 3)
    wire = b"\x98\xa9wijk.cc.1\x07\x02\xc4\x20" + BLOCK
    wire += b"\x05\xc4\x20" + LOG_ROOT + b"\xc4\x01" + certificate.bitmap + b"\x93"
    wire += b"".join(b"\xc4\x40" + signature for signature in certificate.signatures)
    assert encode(certificate) == wire


def replace(certificate: CommitCertificate, **fields: object) -> CommitCertificate:
    names = certificate.__struct_fields__
    return CommitCertificate(**{name: getattr(certificate, name) for name in names} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"height": 8},
        {"round": 3},
        {"block_id": LOG_ROOT},
        {"log_size": 6},
        {"log_root": BLOCK},
        {"bitmap": b"\x0d"},
        {"bitmap": b"\x0f"},
        {"bitmap": b"\x03"},
        {"bitmap": b"\x00"},
        {"bitmap": b"\x17"},
        {"bitmap": b"\x07\x00"},
    ],
    ids=str,
)
def test_a_changed_certificate_is_malformed(fields: dict[str, object]) -> None:
    """consensus R8: it stands or falls as a whole."""
    three = set_of(4)
    votes = commit_votes(4, 4)
    first = {key: votes[key] for key in three.keys[:3]}
    certificate = build_commit_certificate(three, 7, 2, BLOCK, 5, LOG_ROOT, first)
    assert certificate.bitmap == b"\x07"
    check_commit_certificate(certificate, three, CHAIN_ID)
    with pytest.raises(Malformed):
        check_commit_certificate(replace(certificate, **fields), three, CHAIN_ID)


def test_a_certificate_of_another_set_chain_or_order_is_malformed() -> None:
    certificate = commit_certificate(4, 3)
    signatures = certificate.signatures
    with pytest.raises(Malformed):
        check_commit_certificate(certificate, set_of(5), CHAIN_ID)
    with pytest.raises(Malformed):
        check_commit_certificate(certificate, set_of(4), "other-chain")
    for wrong in (signatures[::-1], signatures[:2], (*signatures, signatures[0])):
        with pytest.raises(Malformed):
            check_commit_certificate(replace(certificate, signatures=wrong), set_of(4), CHAIN_ID)


def test_fewer_signers_than_a_quorum_are_refused_before_any_signature_is_checked() -> None:
    """reliability W24."""
    certificate = commit_certificate(4, 3)
    few = replace(
        certificate,
        signatures=certificate.signatures[:2],
        bitmap=write_bitmap(read_bitmap(certificate.bitmap, 4)[:2], 4),
    )

    def never(*_: bytes) -> bool:
        raise AssertionError("asked")

    with pytest.raises(Malformed, match="2 signers; a quorum is 3"):
        check_commit_certificate(few, set_of(4), CHAIN_ID, never)


def test_the_verifier_comes_in_and_is_asked_once_per_signer() -> None:
    asked = []

    def remembering(key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append(key)
        return crypto.verify(key, message, signature)

    check_commit_certificate(commit_certificate(4, 4), set_of(4), CHAIN_ID, remembering)
    assert asked == list(set_of(4).keys)


def test_building_below_a_quorum_or_with_a_stranger_is_our_own_bug() -> None:
    """consensus M15: a single Commit is a vote."""
    with pytest.raises(AssertionError):
        commit_certificate(4, 2)
    votes = commit_votes(5, 5)
    with pytest.raises(AssertionError):
        build_commit_certificate(set_of(4), 7, 2, BLOCK, 5, LOG_ROOT, votes)


def test_a_certificate_as_a_note_is_the_cosigned_checkpoint() -> None:
    """consensus M15: lines in the order of names, the body as signed."""
    text = certificate_note(commit_certificate(4, 4), set_of(4), CHAIN_ID)
    note = read_note(text)
    assert [line.name for line in note.lines] == [f"wijkchain/test-chain/v{i}" for i in range(4)]
    assert note.body == commit_bytes(CHAIN_ID, 5, LOG_ROOT, 7, 2, BLOCK)
    assert (read_body(note.body).height, read_body(note.body).log_size) == (7, 5)
