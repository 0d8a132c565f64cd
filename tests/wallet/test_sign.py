"""Transactions as a wallet builds them: the golden vector of interfaces 4, and drafts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.address import account_id, account_text
from chain.codec import decode
from chain.crypto import public_key, sha256
from chain.errors import Malformed
from chain.records import TX_BYTES_MAX, TX_CONTEXT, Envelope, decode_tx
from chain.texts import Problem
from contracts.coin import Leg, Transfer
from wallet.sign import (
    Draft,
    bad_signatures,
    build_body,
    combine,
    decode_draft,
    draft_envelope,
    draft_fields,
    encode_draft,
    is_complete,
    make_draft,
    note_of,
    sign_body,
    sign_draft,
    tx_id,
)

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "tx.json").read_text("utf-8")
)
CHAIN = sha256(b"wijk vector chain")
NONCE = bytes(range(16))
SEEDS = {index: bytes([index + 1]) * 32 for index in range(4)}
KEYS = {index: public_key(seed) for index, seed in SEEDS.items()}
SENDER = account_id(KEYS[0])


def body_of(cents: int = 1250, nonce: bytes = NONCE) -> bytes:
    leg = Leg(account_id(KEYS[1]), cents, None, note_of("Brood", b"\xaa" * 32))
    return build_body(CHAIN, SENDER, nonce, 1_767_225_900, Transfer((leg,), None))


def test_the_golden_transaction() -> None:
    """interfaces 4: payer seed 32 x 01, payee 32 x 02, 1250 cents, memo Brood under key 32 x aa."""
    assert account_text(SENDER) == VECTOR["payer"]
    assert account_text(account_id(KEYS[1])) == VECTOR["payee"]
    body = body_of()
    assert body.hex() == VECTOR["body"]
    envelope = sign_body(body, {0: SEEDS[0]})
    assert decode(Envelope, envelope).signatures[0].signature.hex() == VECTOR["signature"]
    assert envelope.hex() == VECTOR["envelope"]
    assert len(envelope) == 230
    assert tx_id(envelope) == VECTOR["tx"]


def test_several_keys_sign_in_ascending_order() -> None:
    envelope = sign_body(body_of(), {2: SEEDS[2], 0: SEEDS[0]})
    tx = decode_tx(envelope, Transfer)
    assert [one.key_index for one in tx.signatures] == [0, 2]
    assert tx.signed == TX_CONTEXT + body_of()
    assert tx.id.hex() == tx_id(envelope)


@given(st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
def test_drafts_signed_apart_in_any_order_give_the_same_envelope(
    order: list[int], together: set[int]
) -> None:
    draft = make_draft(body_of(), need=3)
    one = draft
    for index in order:
        if index in together:
            one = sign_draft(one, index, SEEDS[index])
    apart = [sign_draft(draft, index, SEEDS[index]) for index in order]
    whole = combine([one, *apart])
    assert is_complete(whole)
    assert draft_envelope(whole) == sign_body(body_of(), {i: SEEDS[i] for i in range(3)})
    assert decode_draft(encode_draft(whole)) == whole
    assert bad_signatures(whole, KEYS) == []


def test_a_draft_is_no_transaction_until_it_is_complete() -> None:
    draft = sign_draft(make_draft(body_of(), need=2), 1, SEEDS[1])
    assert draft_envelope(draft) is None
    assert draft_fields(draft).expires == 1_767_225_900
    assert sign_draft(draft, 1, SEEDS[1]) == draft
    done = sign_draft(draft, 0, SEEDS[0])
    assert draft_envelope(done) is not None
    with pytest.raises(Problem) as raised:
        sign_draft(done, 2, SEEDS[2])
    assert raised.value.params == {"cause": "draft-full"}


def test_a_forged_signature_is_named() -> None:
    draft = combine([
        sign_draft(make_draft(body_of(), need=2), 0, SEEDS[0]),
        sign_draft(make_draft(body_of(), need=2), 1, SEEDS[3]),
    ])  # fmt: skip
    assert bad_signatures(draft, KEYS) == [1]
    assert bad_signatures(draft, {}) == [0, 1]


def test_drafts_that_do_not_belong_together_are_refused() -> None:
    draft = make_draft(body_of(), need=2)
    for other in (make_draft(body_of(), need=1), make_draft(body_of(1251), need=2)):
        with pytest.raises(Problem) as raised:
            combine([draft, other])
        assert raised.value.params == {"cause": "drafts-differ"}
    with pytest.raises(Problem) as raised:
        combine([sign_draft(draft, 0, SEEDS[0]), sign_draft(draft, 0, SEEDS[1])])
    assert raised.value.params == {"cause": "draft-signed-twice"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "wijk/draft/2"),
        ("need", 0),
        ("need", 17),
        ("body", "not base64"),
        ("body", "AAAA"),
        ("body", "A" * 60_000),
        ("signatures", [{"key_index": 0, "signature": "AAAA"}]),
        ("signatures", [{"key_index": -1, "signature": ""}]),
        ("extra", 1),
    ],
)
def test_a_draft_from_outside_is_bounded(name: str, value: object) -> None:
    tree = json.loads(encode_draft(make_draft(body_of(), need=2))) | {name: value}
    with pytest.raises(Problem) as raised:
        decode_draft(json.dumps(tree).encode())
    assert raised.value.number == 1001


def test_no_draft_file_is_read_past_its_bound() -> None:
    with pytest.raises(Problem):
        decode_draft(b" " * 70_000)


def test_a_body_that_no_node_would_read_is_refused_here() -> None:
    with pytest.raises(Malformed):
        build_body(CHAIN, SENDER, b"short", 1, Transfer((), None))
    with pytest.raises(Malformed):
        build_body(CHAIN, SENDER, NONCE, -1, Transfer((), None))


def test_an_envelope_too_large_for_the_chain_is_refused() -> None:
    leg = Leg(account_id(KEYS[1]), 1, None, bytes(32))
    body = build_body(CHAIN, SENDER, NONCE, 1, Transfer((leg,) * 600, None))
    assert len(body) > TX_BYTES_MAX
    with pytest.raises(Problem) as raised:
        sign_body(body, {0: SEEDS[0]})
    assert raised.value.number == 3010


def test_a_draft_holds_no_secret() -> None:
    draft = sign_draft(make_draft(body_of(), need=1), 0, SEEDS[0])
    assert isinstance(draft, Draft)
    assert SEEDS[0].hex() not in encode_draft(draft).decode()
    assert set(json.loads(encode_draft(draft))) == {"format", "body", "need", "signatures"}
