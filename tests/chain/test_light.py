"""A light client believes certificates of the sets it knows, nothing else (consensus S9, V2)."""

import msgspec
import pytest

from chain import light
from chain.crypto import public_key, sha256, sign, verify
from chain.errors import Malformed
from chain.log import EMPTY_ROOT
from chain.records import Header, block_id
from chain.validators import (
    CommitCertificate,
    Validator,
    ValidatorSet,
    build_commit_certificate,
    signed_bytes,
    validator_set,
)
from tests import federation

GENESIS = federation.make_genesis(wijken=4)
CHAIN_ID = GENESIS.doc.chain_id
SEEDS = {
    federation.key(f"node-{name}"): federation.seed(f"node-{name}") for name in federation.WIJKEN
}
NEWCOMER = sha256(b"newcomer")
SEEDS[public_key(NEWCOMER)] = NEWCOMER
START = light.trust_genesis(GENESIS)
FIRST = START.validators
# One of four leaves and one joins: what V4 allows at once.
SECOND = validator_set(
    [*FIRST.validators[1:], Validator("westen", public_key(NEWCOMER))],
)


def make_header(
    parent: light.Trusted, coming: ValidatorSet | None = None, **changes: object
) -> Header:
    """Return a header that follows on `parent`; its log grows by one."""
    header = Header(
        version=1,
        genesis_digest=GENESIS.digest,
        height=parent.height + 1,
        parent_id=parent.block_id,
        creator=parent.validators.keys[0],
        time_ms=parent.time_ms + 1,
        body_hash=sha256(b"body"),
        state_root=sha256(b"state"),
        log_size=parent.log_size + 1,
        log_root=sha256(b"log %d" % parent.height),
        validators_hash=parent.validators.validators_hash,
        next_validators_hash=(coming or parent.validators).validators_hash,
    )
    return msgspec.structs.replace(header, **changes)


def certify(
    header: Header, validators: ValidatorSet, count: int | None = None
) -> CommitCertificate:
    """Return a certificate of `header` by the first `count` keys of a set, by default a quorum."""
    keys = validators.keys[: count or validators.quorum]
    draft = build_commit_certificate(
        validators,
        header.height,
        0,
        block_id(header),
        header.log_size,
        header.log_root,
        dict.fromkeys(keys, bytes(64)),
    )
    message = signed_bytes(draft, CHAIN_ID)
    return msgspec.structs.replace(
        draft, signatures=tuple(sign(SEEDS[key], message) for key in keys)
    )


def follow(
    trusted: light.Trusted, header: Header, coming: ValidatorSet | None = None
) -> light.Trusted:
    """Follow `header`, certified by the set that is trusted."""
    certificate = certify(header, trusted.validators)
    return light.follow(trusted, header, certificate, coming or trusted.validators, verify)


def test_genesis_is_the_parent_of_block_1() -> None:
    """consensus M7: block 1 stands on the chain digest and genesis time."""
    assert (START.height, START.block_id) == (0, GENESIS.digest)
    assert (START.log_size, START.log_root) == (0, EMPTY_ROOT)
    assert len(FIRST) == 4


def test_headers_are_followed_one_by_one() -> None:
    """consensus S9: sequential."""
    trusted = START
    for height in range(1, 6):
        header = make_header(trusted)
        trusted = follow(trusted, header)

        assert (trusted.height, trusted.block_id) == (height, block_id(header))
        assert (trusted.log_size, trusted.log_root) == (header.log_size, header.log_root)


def test_an_empty_block_keeps_the_log() -> None:
    """consensus M9: without transactions size and root stay."""
    one = follow(START, make_header(START))

    same = follow(one, make_header(one, log_size=one.log_size, log_root=one.log_root))
    assert same.log_root == one.log_root
    with pytest.raises(Malformed, match="wrong log root"):
        follow(one, make_header(one, log_size=one.log_size))


def test_a_change_of_the_set_counts_from_the_height_after_its_announcement() -> None:
    """consensus V2: each height is judged by its own set, V6: a leaver signs no more."""
    announcing = make_header(START, SECOND)
    changed = follow(START, announcing, SECOND)
    assert changed.validators is SECOND

    header = make_header(changed)
    after = light.follow(changed, header, certify(header, SECOND), SECOND, verify)
    assert after.height == 2

    old = make_header(changed, validators_hash=FIRST.validators_hash)
    with pytest.raises(Malformed, match="header 2 with a wrong validators"):
        light.follow(changed, old, certify(old, FIRST), FIRST, verify)
    with pytest.raises(Malformed, match="wrong signature"):  # the old set over the right header
        light.follow(changed, header, certify(header, FIRST), SECOND, verify)


def test_a_set_that_was_not_announced_is_refused() -> None:
    header = make_header(START)

    with pytest.raises(Malformed, match="header 1 with a wrong next validators"):
        follow(START, header, SECOND)
    with pytest.raises(Malformed, match="header 1 with a wrong next validators"):
        follow(START, make_header(START, SECOND), FIRST)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"version": 2}, "version"),
        ({"genesis_digest": bytes(32)}, "chain"),
        ({"height": 3}, "height"),
        ({"parent_id": bytes(32)}, "parent"),
        ({"time_ms": 0}, "time"),
        ({"time_ms": 253_402_300_800_000}, "time"),
        ({"log_size": 0, "log_root": EMPTY_ROOT}, "log size"),
        ({"validators_hash": SECOND.validators_hash}, "validators"),
        ({"creator": public_key(NEWCOMER)}, "creator"),
    ],
)
def test_a_header_that_does_not_follow_is_refused_although_all_signed_it(
    changes: dict[str, object], what: str
) -> None:
    one = follow(START, make_header(START))
    header = make_header(one, **changes)  # type: ignore[arg-type]

    with pytest.raises(Malformed, match=f"with a wrong {what}"):
        follow(one, header)


def test_a_time_that_stands_still_is_refused() -> None:
    """consensus T9: later than the parent, always."""
    one = follow(START, make_header(START))

    with pytest.raises(Malformed, match="wrong time"):
        follow(one, make_header(one, time_ms=one.time_ms))


def test_the_certificate_has_to_be_of_this_very_header() -> None:
    header = make_header(START)
    good = certify(header, FIRST)

    for change in (
        {"height": 2},
        {"block_id": bytes(32)},
        {"log_size": 7},
        {"log_root": bytes(32)},
    ):
        with pytest.raises(Malformed, match="is of another block"):
            light.follow(START, header, msgspec.structs.replace(good, **change), FIRST, verify)


def test_another_round_is_another_vote() -> None:
    """consensus M5: the round is signed, so a vote of round 0 certifies nothing in round 1."""
    header = make_header(START)
    moved = msgspec.structs.replace(certify(header, FIRST), round=1)

    with pytest.raises(Malformed, match="wrong signature"):
        light.follow(START, header, moved, FIRST, verify)


def test_less_than_a_quorum_is_refused() -> None:
    """consensus Q2, M10."""
    header = make_header(START)
    full = certify(header, FIRST)
    short = msgspec.structs.replace(full, bitmap=b"\x03", signatures=full.signatures[:2])

    with pytest.raises(Malformed, match="2 signers; a quorum is 3"):
        light.follow(START, header, short, FIRST, verify)


def test_a_start_in_the_middle_is_certified_by_the_set_that_is_given() -> None:
    one = follow(START, make_header(START))
    header = make_header(one)
    certificate = certify(header, FIRST)

    middle = light.trust_block(CHAIN_ID, GENESIS.digest, header, certificate, FIRST, FIRST, verify)

    assert middle == light.follow(one, header, certificate, FIRST, verify)
    with pytest.raises(Malformed, match="wrong validators"):
        light.trust_block(CHAIN_ID, GENESIS.digest, header, certificate, SECOND, SECOND, verify)
    with pytest.raises(Malformed, match="wrong chain"):
        light.trust_block(CHAIN_ID, bytes(32), header, certificate, FIRST, FIRST, verify)
    with pytest.raises(Malformed, match="wrong next validators"):
        light.trust_block(CHAIN_ID, GENESIS.digest, header, certificate, FIRST, SECOND, verify)
