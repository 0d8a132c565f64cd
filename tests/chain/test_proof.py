"""Receipts, consistency proofs and state proofs (interfaces 4, 5.3, 5.4, 5.5)."""

import dataclasses
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import log, proof, tree
from chain.address import account_id, account_text
from chain.checkpoint import commit_bytes, key_name, read_body, read_note, to_base64, write_note
from chain.codec import encode
from chain.crypto import public_key, sha256, sign
from chain.errors import Malformed
from chain.policy import Policy, build_policy, read_policy
from chain.proof import (
    Receipt,
    memo_note,
    read_receipt,
    receipt_json,
    verify_consistency_proof,
    verify_receipt,
    verify_state_proof,
    write_consistency_proof,
    write_receipt,
    write_state_proof,
)
from chain.records import TX_CONTEXT, Envelope, Header, KeySignature, block_id, encode_body
from chain.validators import Validator, validator_set

VECTORS = Path(__file__).parent.parent / "vectors"
GOLDEN = (VECTORS / "receipt.tlog-proof").read_text()
POLICY = read_policy((VECTORS / "receipt-policy.json").read_text())
TX = json.loads((VECTORS / "tx.json").read_text())

CHAIN_ID = "vector-chain"
CHAIN_DIGEST = sha256(b"wijk vector chain")
SEEDS = [bytes([0x11 + i]) * 32 for i in range(4)]
PAYER = account_id(public_key(b"\x01" * 32))
PAYEE = account_id(public_key(b"\x02" * 32))
THIRD = account_id(public_key(b"\x03" * 32))
MEMO_KEY = b"\xaa" * 32
NOTE = memo_note(MEMO_KEY, "Brood")


def transfer(*legs: list[object]) -> list[object]:
    return ["coin.transfer", list(legs), None]


def make_envelope(
    call: object, *, chain_digest: bytes = CHAIN_DIGEST, indexes: Any = (0,)
) -> bytes:
    body = encode_body(chain_digest, PAYER, bytes(range(16)), 1767225900, call)
    signature = sign(b"\x01" * 32, TX_CONTEXT + body)
    return encode(Envelope(body, tuple(KeySignature(index, signature) for index in indexes)))


def make_note(
    body: bytes, *, signers: tuple[int, ...] = (0, 1, 2), chain_id: str = CHAIN_ID
) -> str:
    lines = [
        (key_name(chain_id, f"v{i + 1}"), public_key(SEEDS[i]), sign(SEEDS[i], body))
        for i in signers
    ]
    return write_note(body, lines, 0)


class Log:
    """A log of `size` leaves, the one under test among them."""

    def __init__(self, leaf: bytes, index: int, size: int) -> None:
        hashes = [log.leaf_hash(b"other %d" % i) for i in range(size)]
        hashes[index] = leaf
        self.frontier, nodes = log.append(log.EMPTY_FRONTIER, hashes)
        self.nodes = dict(nodes)
        self.root = log.root(self.frontier)

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def make_receipt(
    call: object,
    *,
    code: int = 0,
    index: int = 5,
    size: int = 11,
    height: int = 7,
    memo: str | None = None,
    signers: tuple[int, ...] = (0, 1, 2),
    chain_id: str = CHAIN_ID,
    chain_digest: bytes = CHAIN_DIGEST,
    indexes: Any = (0,),
) -> Receipt:
    envelope = make_envelope(call, chain_digest=chain_digest, indexes=indexes)
    world = Log(log.tx_leaf_hash(sha256(envelope), code), index, size)
    body = commit_bytes(chain_id, size, world.root, height, 0, sha256(b"block"))
    return Receipt(
        envelope=envelope,
        code=code,
        index=index,
        path=tuple(log.inclusion_path(index, size, world.node)),
        checkpoint=make_note(body, signers=signers, chain_id=chain_id),
        memo_key=None if memo is None else MEMO_KEY,
        memo=memo,
    )


# ----------------------------------------------------------------------------------- the vectors


def test_transaction_vector_of_interfaces_4() -> None:
    note = memo_note(bytes.fromhex(TX["memo_key"]), TX["memo"])
    body = encode_body(
        sha256(b"wijk vector chain"),
        account_id(public_key(bytes.fromhex(TX["payer_seed"]))),
        bytes.fromhex(TX["nonce"]),
        TX["expires"],
        transfer([PAYEE, TX["amount_cents"], None, note]),
    )
    signature = sign(bytes.fromhex(TX["payer_seed"]), TX_CONTEXT + body)
    envelope = encode(Envelope(body, (KeySignature(0, signature),)))
    assert body.hex() == TX["body"]
    assert signature.hex() == TX["signature"]
    assert envelope.hex() == TX["envelope"] == f"92c49e{TX['body']}919200c440{TX['signature']}"
    assert len(envelope) == 230
    assert sha256(envelope).hex() == TX["tx"]
    assert TX["tx"] == "8c3c2b67b04194d1887c4fbc670d49e4d3261b77d88193916975eec9a13d878d"
    assert (account_text(PAYER), account_text(PAYEE)) == (TX["payer"], TX["payee"])


def test_golden_receipt_verifies() -> None:
    assert receipt_json(verify_receipt(GOLDEN, POLICY), "bon.tlog-proof") == {
        "file": "bon.tlog-proof",
        "tx": TX["tx"],
        "origin": "wijkchain/vector-chain",
        "log_index": 1,
        "log_size": 3,
        "height": 7,
        "round": 0,
        "block_id": "21fb88e426d27058872a0c838821e70a3b57e5250b1ea58371dce678376ff5ac",
        "code": 0,
        "signatures": {"valid": 3, "needed": 3, "of": 4, "unknown": 0},
        "inclusion": True,
        "payment": {
            "from": TX["payer"],
            "to": TX["payee"],
            "amount_cents": 1250,
            "denom": None,
            "memo": "Brood",
            "memo_matches": True,
        },
        "ok": True,
        "reason": None,
        "detail": None,
    }


def test_golden_receipt_is_built_byte_for_byte() -> None:
    read = read_receipt(GOLDEN)
    said = read_body(read_note(read.checkpoint).body)
    body = commit_bytes(CHAIN_ID, 3, said.log_root, 7, 0, said.block_id)
    built = Receipt(
        envelope=make_envelope(transfer([PAYEE, 1250, None, NOTE])),
        code=0,
        index=1,
        path=read.path,
        checkpoint=make_note(body),
        memo_key=MEMO_KEY,
        memo="Brood",
    )
    assert built == read
    assert write_receipt(built) == GOLDEN


def test_no_flipped_bit_of_the_golden_receipt_verifies() -> None:
    """interfaces 5.3: there is no byte in it that does not matter."""
    text = GOLDEN.encode()
    passed = []
    for at in range(len(text)):
        for bit in range(8):
            flipped = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
            if verify_receipt(flipped, POLICY).ok:
                passed.append((at, bit))
    assert passed == []


@given(st.integers(0, len(GOLDEN.encode()) - 1), st.integers(0, 3), st.binary(max_size=3))
def test_no_cut_or_filled_receipt_verifies(at: int, cut: int, put: bytes) -> None:
    text = GOLDEN.encode()
    changed = text[:at] + put + text[at + cut :]
    assert verify_receipt(changed, POLICY).ok is (changed == text)


# -------------------------------------------------------------------------------------- receipts


@given(st.integers(1, 70).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_a_receipt_of_any_place_in_any_log_verifies(place: tuple[int, int]) -> None:
    index, size = place
    receipt = make_receipt(transfer([PAYEE, 5, None, None]), index=index, size=size)
    assert read_receipt(write_receipt(receipt)) == receipt
    verdict = verify_receipt(write_receipt(receipt), POLICY)
    assert verdict.ok, verdict
    assert (verdict.log_index, verdict.log_size, verdict.inclusion) == (index, size, True)


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("quorum", {"signers": (0, 1)}),
        ("quorum", {"signers": (0, 1, 1)}),
        ("refused", {"code": 2104}),
        ("chain", {"chain_id": "other-chain"}),
        ("chain", {"chain_digest": sha256(b"other chain")}),
        ("era", {"height": 0}),
        ("envelope", {"indexes": ()}),
        ("envelope", {"indexes": (1, 0)}),
        ("envelope", {"indexes": (0, 0)}),
        ("memo", {"memo": "Kaas"}),
    ],
)
def test_the_reason_is_named(reason: str, options: dict[str, Any]) -> None:
    call = transfer([PAYEE, 1250, None, NOTE])
    good = verify_receipt(write_receipt(make_receipt(call, memo="Brood")), POLICY)
    assert good.ok
    verdict = verify_receipt(write_receipt(make_receipt(call, **options)), POLICY)
    assert (verdict.ok, verdict.reason) == (False, reason)
    assert verdict.detail
    assert verdict.payment is not None


def test_a_receipt_holds_under_the_era_of_its_height_only() -> None:
    strangers = validator_set(
        Validator(f"v{i + 1}", public_key(sha256(b"later %d" % i))) for i in range(4)
    )
    four = validator_set(Validator(f"v{i + 1}", public_key(SEEDS[i])) for i in range(4))
    policy = build_policy(CHAIN_ID, CHAIN_DIGEST, [(1, 7, four), (8, None, strangers)])
    call = transfer([PAYEE, 5, None, None])
    for height in (1, 7):
        assert verify_receipt(write_receipt(make_receipt(call, height=height)), policy).ok
    verdict = verify_receipt(write_receipt(make_receipt(call, height=8)), policy)
    assert verdict.reason == "quorum"
    assert verdict.signatures == proof.SignatureTally(valid=0, needed=3, of=4, unknown=3)


def test_a_wrong_outcome_is_not_in_the_log() -> None:
    receipt = make_receipt(transfer([PAYEE, 5, None, None]), code=2104)
    verdict = verify_receipt(write_receipt(dataclasses.replace(receipt, code=0)), POLICY)
    assert (verdict.reason, verdict.inclusion) == ("inclusion", False)


def test_a_bad_signature_beside_a_quorum_rejects() -> None:
    """interfaces 5.2."""
    receipt = make_receipt(transfer([PAYEE, 5, None, None]))
    name, key = key_name(CHAIN_ID, "v4"), public_key(SEEDS[3])
    line = write_note(b"x\n", [(name, key, bytes(64))], 0).split("\n\n")[1]
    changed = dataclasses.replace(receipt, checkpoint=receipt.checkpoint + line)
    assert verify_receipt(write_receipt(changed), POLICY).reason == "signature"


# ---------------------------------------------------------------------------- what a receipt shows


def payment_of(call: object, memo: str | None = None) -> proof.Payment | None:
    return verify_receipt(write_receipt(make_receipt(call, memo=memo)), POLICY).payment


def test_a_payment_without_its_memo_is_still_shown() -> None:
    found = payment_of(transfer([PAYEE, 1250, ["SALE", None, None, 0], NOTE]))
    assert found == proof.Payment(PAYER, PAYEE, 1250, None, None)


def test_the_payment_across_wijken_is_read_too() -> None:
    found = payment_of(["trade.pay", PAYEE, 700, ["SALE", None, None, 0], NOTE], "Brood")
    assert found == proof.Payment(PAYER, PAYEE, 700, "Brood", memo_matches=True)


def test_of_several_legs_the_memo_chooses() -> None:
    call = transfer([THIRD, 1, None, None], [PAYEE, 2, None, NOTE], [PAYER, 3, None, None])
    assert payment_of(call) is None
    assert payment_of(call, "Brood") == proof.Payment(PAYER, PAYEE, 2, "Brood", memo_matches=True)
    wrong = verify_receipt(write_receipt(make_receipt(call, memo="Kaas")), POLICY)
    assert (wrong.payment, wrong.reason) == (None, "memo")


@pytest.mark.parametrize(
    "call",
    [
        ["governance.cast", bytes(32), "YES"],
        ["coin.transfer"],
        ["coin.transfer", [], None],
        ["coin.transfer", [[PAYEE, -1, None, None]], None],
        ["coin.transfer", [[PAYEE, 10**13 + 1, None, None]], None],
        ["coin.transfer", [[PAYEE, 1, None, None]] * 65, None],
        ["coin.transfer", [[PAYEE, 1, None, None]], None, None],
        ["trade.pay", PAYEE, 1, None],
        [],
        7,
    ],
)
def test_a_call_that_pays_nobody_has_no_payment(call: object) -> None:
    verdict = verify_receipt(write_receipt(make_receipt(call)), POLICY)
    assert (verdict.ok, verdict.payment) == (True, None)
    assert verify_receipt(write_receipt(make_receipt(call, memo="Brood")), POLICY).reason == "memo"


def test_an_envelope_that_is_none_is_named_last() -> None:
    envelope = b"\xc1 no envelope"
    world = Log(log.tx_leaf_hash(sha256(envelope), 0), 0, 1)
    body = commit_bytes(CHAIN_ID, 1, world.root, 7, 0, sha256(b"block"))
    text = write_receipt(Receipt(envelope, 0, 0, (), make_note(body)))
    verdict = verify_receipt(text, POLICY)
    assert (verdict.reason, verdict.inclusion) == ("envelope", True)


# ---------------------------------------------------------------------------------- hostile text


EXTRA = GOLDEN.split("\n")[1]


def with_extra(*fields: object) -> str:
    data = b64decode(EXTRA.removeprefix("extra "))
    assert data[0] == 0x95
    golden = read_receipt(GOLDEN)
    values: list[Any] = [1, golden.envelope, 0, MEMO_KEY, "Brood"]
    for at, value in zip(fields[::2], fields[1::2], strict=True):
        assert isinstance(at, int)
        values[at] = value
    return GOLDEN.replace(EXTRA, f"extra {to_base64(encode(values))}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        GOLDEN.replace("@v1", "@v2"),
        GOLDEN.replace(EXTRA + "\n", ""),
        GOLDEN.replace("index 1\n", ""),
        GOLDEN.replace("index 1\n", "index 01\n"),
        GOLDEN.replace("index 1\n", "index -1\n"),
        GOLDEN.replace("index 1\n", "index 1 \n"),
        GOLDEN.replace("index 1\n", f"index {2**63}\n"),
        GOLDEN.replace(EXTRA + "\nindex 1", "index 1\n" + EXTRA),
        GOLDEN.replace("\n", "\r\n"),
        GOLDEN.replace("extra ", "extra  "),
        GOLDEN.replace("7tMt", "7tM\n"),
        GOLDEN.replace("VJM=\n", "VJM=\n" + "7tMtG3WjvONPBtuzmcVFaT38SUvYA+0l1s0sJva9VJM=\n" * 62),
        GOLDEN + "\n",
        "\ufeff" + GOLDEN,
        GOLDEN.replace("wijkchain/vector-chain\n3", "wijkchain/vector-chain\n03"),
        with_extra(0, 2),
        with_extra(3, None),
        with_extra(4, None),
        with_extra(3, bytes(31)),
        with_extra(4, "x" * 141),
        with_extra(1, bytes(32769)),
        with_extra(2, -1),
        with_extra(2, True),
        GOLDEN + "x" * proof.RECEIPT_BYTES_MAX,
        GOLDEN + "\ud800",
        GOLDEN.replace("v1 ", "\ud800 "),
    ],
    ids=range(28),
)
def test_receipts_in_another_form_are_unreadable(text: str) -> None:
    verdict = verify_receipt(text, POLICY)
    assert (verdict.ok, verdict.reason) == (False, "unreadable")
    with pytest.raises(Malformed):
        read_body(read_note(read_receipt(text).checkpoint).body)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_hostile_files_give_a_verdict_and_never_an_error(text: bytes | str) -> None:
    """interfaces 5.3: an unreadable file included."""
    assert verify_receipt(text, POLICY).reason == "unreadable"
    assert verify_consistency_proof(text, POLICY).reason == "unreadable"
    assert verify_state_proof(text, POLICY).reason == "unreadable"


def test_a_verdict_of_nothing_has_every_field_of_block_d() -> None:
    """interfaces 1.8: every listed field is always present."""
    found = receipt_json(verify_receipt(b"", POLICY), None)
    assert set(found) == set(receipt_json(verify_receipt(GOLDEN, POLICY), "x"))
    assert found["ok"] is False
    assert found["tx"] is None


# ----------------------------------------------------------------------------- consistency proofs


WORLD = Log(log.leaf_hash(b"mine"), 0, 11)


def head(size: int) -> tuple[int, bytes]:
    return size, log.root(log.frontier_at(size, WORLD.node))


def head_note(size: int, **options: Any) -> str:
    return make_note(commit_bytes(CHAIN_ID, *head(size), size, 0, sha256(b"block")), **options)


def consistency(old: int = 4, new: int = 11, **notes: Any) -> str:
    hashes = log.consistency_path(old, new, WORLD.node)
    return write_consistency_proof(*head(old), *head(new), hashes, **notes)


def edit(text: str, **fields: object) -> str:
    return json.dumps(json.loads(text) | fields)


@given(st.integers(1, 11).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_consistency_of_any_two_heads_verifies(sizes: tuple[int, int]) -> None:
    old, new = sizes
    text = consistency(old, new, from_checkpoint=head_note(old), to_checkpoint=head_note(new))
    verdict = verify_consistency_proof(text, POLICY)
    assert verdict.ok, verdict
    assert verdict.from_certified
    assert verdict.to_certified
    assert (verdict.from_size, verdict.to_size) == (old, new)
    assert verdict.hashes == len(log.consistency_path(old, new, WORLD.node))


def test_a_head_without_a_checkpoint_is_not_certified() -> None:
    verdict = verify_consistency_proof(consistency(to_checkpoint=head_note(11)), POLICY)
    assert (verdict.ok, verdict.from_certified, verdict.to_certified) == (True, False, True)
    assert set(json.loads(consistency())) == {
        *("format", "from_size", "from_root", "to_size", "to_root", "hashes"),
        *("from_checkpoint", "to_checkpoint"),
    }


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("consistency", {"from_size": 0}),
        ("consistency", {"from_size": 5}),
        ("consistency", {"to_size": 12}),
        ("consistency", {"from_root": "00" * 32}),
        ("consistency", {"to_root": "00" * 32}),
        ("consistency", {"hashes": []}),
        ("consistency", {"to_checkpoint": head_note(10)}),
        ("quorum", {"to_checkpoint": head_note(11, signers=(0, 1))}),
        ("chain", {"to_checkpoint": head_note(11).replace("vector-chain", "other-chain")}),
        ("signature", {"to_checkpoint": head_note(11).replace("block 11", "block 12")}),
        ("unreadable", {"to_checkpoint": "no note"}),
        ("unreadable", {"format": "wijk/consistency/2"}),
        ("unreadable", {"from_size": -1}),
        ("unreadable", {"from_size": True}),
        ("unreadable", {"from_root": "AA" * 32}),
        ("unreadable", {"hashes": ["AAAA"]}),
        ("unreadable", {"hashes": ["A"]}),
        ("unreadable", {"hashes": [to_base64(bytes(32))] * 65}),
        ("unreadable", {"more": 1}),
    ],
)
def test_damaged_consistency_proofs_are_refused(reason: str, fields: dict[str, object]) -> None:
    text = edit(consistency(to_checkpoint=head_note(11)), **fields)
    verdict = verify_consistency_proof(text, POLICY)
    assert (verdict.ok, verdict.reason) == (False, reason)
    assert not (verdict.to_certified and "to_checkpoint" in fields)


# ----------------------------------------------------------------------------------- state proofs


def balance(account: bytes) -> bytes:
    return encode(["bal", "delfshaven:EUR", "2", account])


ACCOUNTS = [account_id(bytes([i]) * 32) for i in range(40)]
STATE = {balance(account): encode(100 + i) for i, account in enumerate(ACCOUNTS[:20])}
UPDATE = tree.update(lambda path: None, dict(STATE))
NODES = {path: node for path, node in UPDATE.nodes.items() if node is not None}


def make_header(**fields: Any) -> Header:
    digest = sha256(b"any")
    values: dict[str, Any] = {
        "version": 1,
        "genesis_digest": CHAIN_DIGEST,
        "height": 12,
        "parent_id": digest,
        "creator": public_key(SEEDS[0]),
        "time_ms": 1767225900000,
        "body_hash": digest,
        "state_root": UPDATE.root,
        "log_size": 11,
        "log_root": WORLD.root,
        "validators_hash": digest,
        "next_validators_hash": digest,
    }
    return Header(**values | fields)


def state_note(header: Header, *, height: int = 12, **options: Any) -> str:
    body = commit_bytes(CHAIN_ID, 11, WORLD.root, height, 0, block_id(header))
    return make_note(body, **options)


def state_proof(account: bytes, header: Header | None = None, **options: Any) -> str:
    key = balance(account)
    header = header or make_header()
    found = tree.prove(NODES.get, key)
    return write_state_proof(key, STATE.get(key), found, header, state_note(header, **options))


@pytest.mark.parametrize("at", range(40))
def test_balances_and_their_absence_are_proven(at: int) -> None:
    verdict = verify_state_proof(state_proof(ACCOUNTS[at]), POLICY)
    assert verdict.ok, verdict
    assert verdict.key == f"bal/delfshaven:EUR/2/{account_text(ACCOUNTS[at])}"
    assert verdict.value == (encode(100 + at) if at < 20 else None)
    assert verdict.height == 12
    assert verdict.signatures == proof.SignatureTally(valid=3, needed=3, of=4, unknown=0)


def of_kind(kind: str) -> dict[str, Any]:
    files = (json.loads(state_proof(account)) for account in ACCOUNTS)
    found: dict[str, Any] = next(file for file in files if file["terminal"]["kind"] == kind)
    return found


def test_the_three_terminals_have_the_form_of_interfaces_5_5() -> None:
    assert of_kind("value")["terminal"] == {"kind": "value"}
    assert of_kind("empty")["terminal"] == {"kind": "empty"}
    assert set(of_kind("other")["terminal"]) == {"kind", "key_hash", "value_hash"}
    assert of_kind("empty")["value"] is None
    assert of_kind("other")["value"] is None
    assert set(of_kind("value")) == {
        *("format", "key", "key_bytes", "value", "height", "header", "path", "terminal"),
        "checkpoint",
    }
    for step in of_kind("value")["path"]:
        assert int(step["mask"], 16).bit_count() == len(step["hashes"])


@pytest.mark.parametrize(
    ("reason", "put"),
    [
        ("state", lambda file: file.update(value=to_base64(encode(10**6)))),
        ("state", lambda file: file.update(value=None)),
        ("state", lambda file: file.update(value=None, terminal={"kind": "empty"})),
        ("state", lambda file: file.update(path=[])),
        ("state", lambda file: file["path"].pop()),
        ("state", lambda file: file["path"][0].update(mask="0000", hashes=[])),
        ("state", lambda file: file["path"][0]["hashes"].reverse()),
        ("state", lambda file: file["path"][0]["hashes"].pop()),
        ("header", lambda file: file.update(header=to_base64(encode(make_header(time_ms=1))))),
        ("header", lambda file: file.update(height=13)),
        ("signature", lambda file: file.update(checkpoint=file["checkpoint"].replace("12", "13"))),
        ("unreadable", lambda file: file.update(key=file["key"].replace("/2/", "/7/"))),
        ("unreadable", lambda file: file.update(key_bytes=to_base64(b"\x91"))),
        ("unreadable", lambda file: file.update(key_bytes=to_base64(encode(["bal", bytes(21)])))),
        ("unreadable", lambda file: file.update(key_bytes=to_base64(encode(["bal", None])))),
        ("unreadable", lambda file: file.update(key_bytes=to_base64(encode(["bal", 1.0])))),
        ("unreadable", lambda file: file.update(header=to_base64(b"\x90"))),
        ("unreadable", lambda file: file.update(format="wijk/state-proof/2")),
        ("unreadable", lambda file: file.update(terminal={"kind": "other"})),
        ("unreadable", lambda file: file["terminal"].update(key_hash="00" * 32)),
        ("unreadable", lambda file: file["path"][0].update(mask="00FF")),
        ("unreadable", lambda file: file["path"][0].update(mask="00ff0")),
        ("unreadable", lambda file: file.update(path=file["path"] * 65)),
        ("unreadable", lambda file: file.update(more=1)),
        ("unreadable", lambda file: file.pop("checkpoint")),
    ],
)
def test_damaged_state_proofs_are_refused(reason: str, put: Callable[[Any], object]) -> None:
    file = of_kind("value")
    assert verify_state_proof(json.dumps(file), POLICY).ok
    put(file)
    verdict = verify_state_proof(json.dumps(file), POLICY)
    assert (verdict.ok, verdict.reason) == (False, reason)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("quorum", state_proof(ACCOUNTS[0], signers=(0, 1))),
        ("header", state_proof(ACCOUNTS[0], make_header(height=13))),
        ("header", state_proof(ACCOUNTS[0], height=13)),
        ("chain", state_proof(ACCOUNTS[0], make_header(genesis_digest=sha256(b"other")))),
        ("chain", state_proof(ACCOUNTS[0], chain_id="other-chain")),
        ("state", state_proof(ACCOUNTS[0], make_header(state_root=tree.EMPTY_STATE_ROOT))),
    ],
)
def test_a_state_proof_leads_to_the_right_header(reason: str, text: str) -> None:
    if "other-chain" in text:
        text = text.replace("wijkchain/vector-chain\\n", "wijkchain/other-chain\\n")
    assert verify_state_proof(text, POLICY).reason == reason


@pytest.mark.parametrize("kind", ["value", "empty", "other"])
def test_no_changed_byte_of_a_state_proof_verifies(kind: str) -> None:
    text = json.dumps(of_kind(kind), separators=(",", ":"), ensure_ascii=False)
    assert verify_state_proof(text, POLICY).ok
    passed = []
    for at, letter in enumerate(text):
        for other in "0A":
            changed = text[:at] + other + text[at + 1 :]
            if other != letter and verify_state_proof(changed, POLICY).ok:
                passed.append((at, other))
    assert passed == []


TWINS = [  # other keys whose parts read the same as those of the balance of PAYER
    ["bal", "delfshaven:EUR", 2, PAYER],
    ["bal", "delfshaven:EUR", "2", TX["payer"]],
    ["bal/delfshaven:EUR", "2", PAYER],
    [f"bal/delfshaven:EUR/2/{TX['payer']}"],
]


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_the_absence_of_a_twin_is_no_balance_of_nothing(twin: list[Any]) -> None:
    """A node that wants money to look gone could prove, truly, that another key is not there."""
    key, header = encode(twin), make_header()
    assert key != balance(PAYER)
    text = write_state_proof(key, None, tree.prove(NODES.get, key), header, state_note(header))
    file = json.loads(text)
    assert file["key"] == f"bal/delfshaven:EUR/2/{TX['payer']}"

    verdict = verify_state_proof(text, POLICY)

    assert (verdict.ok, verdict.reason) == (False, "unreadable")


def test_a_long_number_in_a_key_is_unreadable() -> None:
    file = of_kind("empty") | {"key": "seat/delfshaven/" + "9" * 5_000}
    assert verify_state_proof(json.dumps(file), POLICY).reason == "unreadable"


def test_a_policy_of_another_chain_trusts_nobody_here() -> None:
    four = validator_set(Validator(f"v{i + 1}", public_key(SEEDS[i])) for i in range(4))
    other: Policy = build_policy("other-chain", CHAIN_DIGEST, [(1, None, four)])
    assert verify_receipt(GOLDEN, other).reason == "chain"
    assert verify_state_proof(state_proof(ACCOUNTS[0]), other).reason == "chain"
