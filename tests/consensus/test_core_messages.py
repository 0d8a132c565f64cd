"""Mirrors consensus/messages.py: exactly which bytes are signed, and what a link may carry."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import encode
from chain.crypto import public_key, sha256, sign, verify
from chain.errors import Malformed
from consensus.guard import SIGNED_BYTES_MAX
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    ROUND_MAX,
    ChainName,
    Commit,
    Draft,
    DraftProposal,
    Justification,
    Message,
    Prepare,
    Proposal,
    ProvenRoundChange,
    RoundChange,
    Status,
    decode_message,
    justification_digest,
    seal,
    short_ids,
    signed_bytes,
    unseal,
)
from tests.consensus.made import (
    CHAIN,
    LETTERS,
    key,
    make_block,
    make_commit,
    make_commit_certificate,
    make_prepare,
    make_prepared_certificate,
    make_proposal,
    make_round_change,
)

GENESIS = bytes(range(32))
BLOCK = sha256(b"block")
NAME = ChainName(GENESIS, "demo-1")

digests = st.binary(min_size=32, max_size=32)
heights = st.integers(0, 2**63 - 1)
rounds = st.integers(0, ROUND_MAX)
compact = make_block("b", key("A"), 3)


def drafts() -> st.SearchStrategy[Draft]:
    nothing: st.SearchStrategy[tuple[int | None, bytes | None]] = st.just((None, None))
    claims = nothing | st.tuples(rounds, digests)
    return st.one_of(
        st.builds(Prepare, digests, heights, rounds, digests),
        st.builds(Commit, heights, rounds, digests, heights, digests),
        st.builds(
            lambda g, h, r, claim: RoundChange(g, h, r, *claim), digests, heights, rounds, claims
        ),
        st.builds(
            lambda g, h, r, i, j: DraftProposal(
                Proposal(g, h, r, i, j), compact, EMPTY_JUSTIFICATION
            ),
            digests,
            heights,
            rounds,
            digests,
            digests,
        ),
    )


def test_m4_the_signed_arrays_are_these_bytes() -> None:
    """consensus M4: tag first, then the fields, in canonical msgpack."""
    prepare = Prepare(GENESIS, 7, 1, BLOCK)
    change = RoundChange(GENESIS, 7, 2, 1, BLOCK)
    fresh = RoundChange(GENESIS, 7, 2, None, None)
    record = Proposal(GENESIS, 7, 0, BLOCK, justification_digest(EMPTY_JUSTIFICATION))

    long = b"\xc4\x20"
    assert signed_bytes(NAME, prepare) == (
        b"\x95\xaewijk.prepare.1" + long + GENESIS + b"\x07\x01" + long + BLOCK
    )
    assert signed_bytes(NAME, change) == (
        b"\x96\xb2wijk.roundchange.1" + long + GENESIS + b"\x07\x02\x01" + long + BLOCK
    )
    assert signed_bytes(NAME, fresh) == (
        b"\x96\xb2wijk.roundchange.1" + long + GENESIS + b"\x07\x02\xc0\xc0"
    )
    empty = sha256(b"\x93\xb4wijk.justification.1\x90\xc0")
    assert signed_bytes(NAME, DraftProposal(record, compact, EMPTY_JUSTIFICATION)) == (
        b"\x96\xafwijk.proposal.1" + long + GENESIS + b"\x07\x00" + long + BLOCK + long + empty
    )


def test_m5_a_commit_signs_the_note_of_the_test_vector() -> None:
    """consensus M5: the vector of the document, to the signature."""
    body = signed_bytes(NAME, Commit(1, 0, BLOCK, 0, sha256(b"")))

    assert len(body) == 119
    assert sha256(body).hex() == "dca7727dcf56149125064cfdb7f728582d871e2e8061341fb5678d7abde0773a"
    seed = bytes(range(32))
    assert verify(public_key(seed), body, sign(seed, body))


@given(drafts(), drafts())
def test_m6_no_signed_bytes_can_be_read_as_those_of_another_draft(one: Draft, two: Draft) -> None:
    """consensus M6, reliability K10: neither is the other, nor the beginning of it."""
    mine, others = signed_bytes(NAME, one), signed_bytes(NAME, two)
    said = [d.record if isinstance(d, DraftProposal) else d for d in (one, two)]

    assert (mine == others) == (said[0] == said[1])
    assert mine == others or not mine.startswith(others)
    assert (mine[0] == ord("w")) == isinstance(one, Commit)
    assert 0x90 <= mine[0] <= 0x9F or isinstance(one, Commit)


@given(drafts())
def test_seal_and_unseal_undo_each_other_and_survive_the_link(draft: Draft) -> None:
    """consensus M1: what arrives is what was sent; a slot of the guard has room for it (D1)."""
    message = seal(draft, key("A"), bytes(64))

    assert unseal(message) == draft
    assert decode_message(encode(message)) == message
    assert len(signed_bytes(NAME, draft)) <= SIGNED_BYTES_MAX


def every_message() -> list[Message]:
    letters = LETTERS[:4]
    proof = make_prepared_certificate("ABC", letters, 3, 0, compact.block_id)
    change = make_round_change(key("A"), 3, 1, (0, compact.block_id))
    return [
        make_proposal(key("B"), compact, 1, Justification((change,), proof)),
        make_prepare(key("A"), 3, 0, compact.block_id),
        make_commit(key("A"), 3, 0, compact.block_id),
        change,
        ProvenRoundChange(change, proof),
        make_commit_certificate("ABC", letters, 3, 0, compact.block_id),
        Status(3, 0, 2, BLOCK, None, b"\x0f", b"\x00", b"\x00", "start", 1),
    ]


def test_every_kind_of_message_is_read_back() -> None:
    """consensus M1, M14."""
    messages = every_message()

    assert {type(message) for message in messages} == set(get_args(Message))
    for message in messages:
        assert decode_message(encode(message)) == message


def test_cut_padded_and_swollen_messages_are_refused() -> None:
    """consensus M1: only the canonical bytes, at every length."""
    for message in every_message():
        data = encode(message)
        for bad in (data + b"\x00", b"", *(data[:cut] for cut in range(1, len(data), 7))):
            with pytest.raises(Malformed):
                decode_message(bad)


@pytest.mark.parametrize("round_", [ROUND_MAX + 1, 2**63])
def test_b7_a_round_beyond_the_cap_is_refused_before_any_signature(round_: int) -> None:
    """consensus B7, F34."""
    with pytest.raises(Malformed):
        decode_message(encode(make_prepare(key("A"), 3, round_, BLOCK)))


def test_b3_short_ids_depend_on_the_body() -> None:
    """consensus B3: 8 bytes, keyed with the body hash, so nobody finds collisions ahead."""
    one, two = sha256(b"body 1"), sha256(b"body 2")

    assert [len(short) for short in short_ids(one, [BLOCK, two])] == [8, 8]
    assert short_ids(one, [BLOCK]) != short_ids(two, [BLOCK])
    assert short_ids(one, [two, BLOCK])[1].hex() == "8d77cd68690510f9"


def test_m7_a_block_id_never_depends_on_the_round() -> None:
    """consensus M7, P2: the same block in two rounds has one id."""
    first = make_proposal(key("A"), compact, 0)
    again = make_proposal(key("B"), compact, 1)

    assert first.record.block_id == again.record.block_id
    assert CHAIN.chain_id == "demo-1"
