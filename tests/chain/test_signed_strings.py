"""No signed string of this project is the beginning or a reading of another (reliability K10)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.checkpoint import commit_bytes
from chain.codec import encode
from chain.contract import Table
from chain.errors import Malformed
from chain.file_signature import file_bytes
from chain.genesis import possession_bytes
from chain.records import TX_CONTEXT, decode_tx, encode_body
from chain.shared import key_proof_bytes
from consensus.messages import Prepare, Proposal, RoundChange
from contracts import CONTRACTS
from contracts.accounts import Approve
from contracts.wijk import node_proof_bytes
from node.request_signature import signature_base

digests = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20)
uints = st.integers(0, 2**63 - 1)
rounds = st.integers(0, 65_535)
chain_ids = st.from_regex(r"[a-z][a-z0-9-]{2,31}", fullmatch=True) | st.sampled_from(
    ["possess", "join", "account", "txx"]
)

# Every kind of string that a key of an account or a validator signs, in any of its values.
SIGNED: dict[str, st.SearchStrategy[bytes]] = {
    "transaction": st.builds(
        lambda chain, sender, nonce, expires, call: (
            TX_CONTEXT + encode_body(chain, sender, nonce, expires, Approve(call))
        ),
        digests,
        accounts,
        st.binary(min_size=16, max_size=16),
        uints,
        digests,
    ),
    "commit": st.builds(commit_bytes, chain_ids, uints, digests, uints, rounds, digests),
    "proposal": st.builds(Proposal, digests, uints, rounds, digests, digests).map(encode),
    "prepare": st.builds(Prepare, digests, uints, rounds, digests).map(encode),
    "round change": st.builds(
        RoundChange, digests, uints, rounds, st.none() | rounds, st.none() | digests
    ).map(encode),
    "possession": st.builds(possession_bytes, chain_ids, digests, digests),
    "new key": st.builds(key_proof_bytes, digests, accounts, digests),
    "node": st.builds(node_proof_bytes, digests, digests, digests),
    "file": st.builds(file_bytes, digests),
    "request": st.builds(
        lambda body, params: signature_base("POST", "/v1/txs", "", body, params),
        st.none() | st.binary(max_size=9),
        st.text("abc;=", max_size=9),
    ),
}


@given(st.fixed_dictionaries(SIGNED))
def test_k10_no_kind_begins_another(signed: dict[str, bytes]) -> None:
    for one, other in permutations(signed, 2):
        assert not signed[other].startswith(signed[one]), (one, other)


@pytest.mark.parametrize("kind", SIGNED)
@given(data=st.data())
def test_k10_no_string_begins_another_of_its_kind(kind: str, data: st.DataObject) -> None:
    """Requests aside, which are text: their parameters end them, and name a nonce."""
    one, other = data.draw(SIGNED[kind]), data.draw(SIGNED[kind])

    assert one == other or not other.startswith(one) or kind == "request"


def test_m6_first_bytes_tell_records_from_texts() -> None:
    """consensus M6: 0x90..0x9f or `w`; `wijkchain/tx` goes on with a byte no chain id has."""
    body = encode_body(bytes(32), bytes(20), bytes(16), 2**63 - 1, Approve(bytes(32)))

    assert body[0] == 0x95
    assert possession_bytes("possess", bytes(32), bytes(32))[:18] == b"wijkchain/possess\x00"
    assert commit_bytes("possess", 0, bytes(32), 1, 0, bytes(32))[:18] == b"wijkchain/possess\n"


def test_proofs_of_new_keys_are_one_kind() -> None:
    """interfaces 4: an account names its key by the same array, whoever makes the account."""
    expected = encode(["wijk.key.1", bytes(32), bytes(20), b"k" * 32])
    assert key_proof_bytes(bytes(32), bytes(20), b"k" * 32) == expected


@pytest.mark.parametrize("kind", [kind for kind in SIGNED if kind != "transaction"])
@given(data=st.data())
def test_w16_no_other_signed_string_is_a_transaction(kind: str, data: st.DataObject) -> None:
    union = Table(CONTRACTS).union
    text = data.draw(SIGNED[kind])
    for raw in (text, encode([text, [[0, bytes(64)]]])):
        with pytest.raises(Malformed):
            decode_tx(raw, union)
