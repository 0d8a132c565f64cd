"""economy B10, ADR 0084: bytes beside a call travel behind its envelope and are not its id."""

from __future__ import annotations

import pytest

from chain.address import account_id
from chain.codec import encode
from chain.contract import Table
from chain.crypto import sha256, sign
from chain.errors import Code, Malformed
from chain.records import (
    BLOB_BYTES_MAX,
    BLOBS_MAX,
    CARRIED_BYTES_MAX,
    TX_BYTES_MAX,
    TX_CONTEXT,
    Blob,
    Envelope,
    KeySignature,
    carry,
    compute_tx_id,
    decode_tx,
    encode_body,
    split_carried,
)
from contracts import CONTRACTS
from contracts.accounts import Approve, Propose
from contracts.election import Cast, Tally, VoterRoot
from tests.contracts.offices import values
from tests.contracts.polling import WIJK, open_polls
from tests.federation import account, key, seed

UNION = Table(CONTRACTS).union
BALLOT = bytes(range(200))


def envelope(call: object) -> bytes:
    body = encode_body(bytes(32), account_id(key("v")), bytes(16), 1_767_261_700, call)
    return encode(Envelope(body, (KeySignature(0, sign(seed("v"), TX_CONTEXT + body)),)))


def cast(data: bytes = BALLOT) -> bytes:
    return envelope(Cast(bytes(32), sha256(data), len(data)))


def test_a_transaction_with_a_blob_has_the_id_of_its_envelope() -> None:
    raw = carry(cast(), (BALLOT,))
    tx = decode_tx(raw, UNION)

    assert tx.id == sha256(cast()) == compute_tx_id(raw)
    assert (tx.blobs, tx.raw) == ((BALLOT,), raw)
    assert split_carried(raw) == (cast(), BALLOT)


def test_a_call_without_blobs_travels_as_its_envelope() -> None:
    raw = envelope(Tally(bytes(32)))

    assert carry(raw, ()) == raw
    assert split_carried(raw) == (raw, b"")
    assert compute_tx_id(raw) == sha256(raw)
    assert decode_tx(raw, UNION).blobs == ()


@pytest.mark.parametrize(
    "raw",
    [
        cast(),  # a validator that lacks the blob cannot read the transaction, nor vote for it
        carry(cast(), (BALLOT[:-1],)),
        carry(cast(), (BALLOT + b"x",)),
        carry(cast(), (BALLOT[:-1] + b"x",)),
        carry(envelope(Tally(bytes(32))), (BALLOT,)),
        b"\xc1",
        b"\xc1\x00\x00\x00\x00" + BALLOT,
        b"\xc1\xff\xff\xff\xff" + cast() + BALLOT,
        b"\xc1" + len(cast()).to_bytes(4, "big") + cast(),
        b"\xc1" + carry(cast(), (BALLOT,)),
    ],
)
def test_anything_else_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_tx(raw, UNION)


def test_blobs_stand_in_the_order_the_call_names_them() -> None:
    parts = (b"a" * 32, b"b" * 64)
    call = VoterRoot(
        bytes(32), 1, 3, tuple(Blob(sha256(part), len(part)) for part in parts), bytes(32)
    )

    assert decode_tx(carry(envelope(call), parts), UNION).blobs == parts
    with pytest.raises(Malformed):
        decode_tx(carry(envelope(call), parts[::-1]), UNION)


def test_an_envelope_above_its_cap_is_malformed_whatever_it_carries() -> None:
    with pytest.raises(Malformed):
        decode_tx(carry(bytes(TX_BYTES_MAX + 1), (BALLOT,)), UNION)
    assert CARRIED_BYTES_MAX == 5 + TX_BYTES_MAX + BLOBS_MAX * BLOB_BYTES_MAX


def test_a_call_inside_a_call_carries_nothing() -> None:
    """Nothing travels beside it: the approval that runs it is another transaction."""
    polls = open_polls()
    call = Cast(polls.id, sha256(BALLOT), len(BALLOT))
    proposed = Propose(encode(call), polls.ledger.time_s + 600)
    outcome = polls.ledger.send(
        proposed, account(f"{WIJK}-registrar-a"), [(0, f"{WIJK}-registrar-a")]
    )
    assert outcome.code == 0
    approved = polls.ledger.send(
        Approve(outcome.tx_id), account(f"{WIJK}-registrar-a"), [(1, f"{WIJK}-registrar-b")]
    )
    assert values(approved, "accounts.ExecutionRefused")[1] == Code.TX_MALFORMED.number
    assert polls.election.ballots == 0
