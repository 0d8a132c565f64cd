"""Receipts and proofs as files: from a transaction or a value to a quorum's checkpoint.

What an auditor must trust is this file and what it imports, all of it small. The verifiers take
hostile text and never raise: they return a verdict with the reason (interfaces 5.3, 5.4, 5.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from chain import log, tree
from chain.address import account_text
from chain.checkpoint import (
    HASH_BYTES,
    NOTE_BYTES_MAX,
    Checkpoint,
    count_signatures,
    from_base64,
    read_body,
    read_note,
    read_uint,
    to_base64,
    to_bytes,
)
from chain.codec import Account, Cents, Digest, Record, Uint, decode, encode
from chain.crypto import blake2b, sha256
from chain.errors import Malformed
from chain.key_text import key_text, parse_key
from chain.policy import Policy, era_at, era_keys
from chain.records import TX_BYTES_MAX, Envelope, Header, Tag, TxBody, block_id
from chain.strict_json import canonical_json, parse_json

MEMO_LENGTH_MAX = 140  # characters (interfaces 4)
LEGS_MAX = 64  # economy section 4: of one transfer
PATH_LENGTH_MAX = 63  # a log of 2^63 leaves is the longest there can be
EXTRA_BYTES_MAX = TX_BYTES_MAX + 1024  # the memo has at most 560 bytes, the rest fewer than 100
RECEIPT_BYTES_MAX = NOTE_BYTES_MAX + 64 * 1024  # the extra as base64 has 45 KiB, the path 3
CONSISTENCY_BYTES_MAX = 4 * NOTE_BYTES_MAX  # two notes, and their escapes as JSON
STATE_PROOF_BYTES_MAX = 1024 * 1024  # a note, a path of at most 64 nodes, and the value

_RECEIPT_HEADER = "c2sp.org/tlog-proof@v1"
_CONSISTENCY_FORMAT = "wijk/consistency/1"
_STATE_FORMAT = "wijk/state-proof/1"

# The words of `reason` in verdicts, in the order in which they are looked for.
UNREADABLE = "unreadable"  # not a file of this kind in its one form
CHAIN = "chain"  # of another chain than the policy's
INCLUSION = "inclusion"  # the transaction and outcome are not in that log
CONSISTENCY = "consistency"  # the longer log does not begin with the shorter one
STATE = "state"  # the value is not in that state
HEADER = "header"  # the header is not the one that the checkpoint names
ERA = "era"  # the policy names no validators for the height
SIGNATURE = "signature"  # a known validator's signature is wrong
QUORUM = "quorum"  # too few validators signed
REFUSED = "refused"  # proven, but the outcome is a refusal: nothing moved
ENVELOPE = "envelope"  # what was signed is no transaction in its one form
MEMO = "memo"  # the memo is not the one that the payer committed to

_HashText = Annotated[str, msgspec.Meta(max_length=44)]
_HexDigest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_Path = Annotated[tuple[_HashText, ...], msgspec.Meta(max_length=PATH_LENGTH_MAX + 1)]


class Unproven(Malformed):
    """A file that does not prove what it says; `reason` is one of the words above."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SignatureTally:
    """Of `of` validators `needed` must sign; `valid` did. `unknown` lines are by anybody else."""

    valid: int
    needed: int
    of: int
    unknown: int


# ----------------------------------------------------------------------- receipts of interfaces 5.3


class _Extra(Record, frozen=True):
    version: Literal[1]
    envelope: Annotated[bytes, msgspec.Meta(max_length=TX_BYTES_MAX)]
    code: Uint
    memo_key: Digest | None
    memo: Annotated[str, msgspec.Meta(max_length=MEMO_LENGTH_MAX)] | None


class _Leg(Record, frozen=True):
    to: Account
    cents: Cents
    tag: Tag | None
    note: Digest | None


class _Transfer(Record, frozen=True):
    kind: Literal["coin.transfer"]
    legs: Annotated[tuple[_Leg, ...], msgspec.Meta(min_length=1, max_length=LEGS_MAX)]
    basis: Digest | None


class _CrossPay(Record, frozen=True):
    kind: Literal["trade.pay"]
    to: Account
    cents: Cents
    tag: Tag | None
    note: Digest | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt taken apart. `path` leads from the leaf to the root in `checkpoint`, a note.

    `memo_key` and `memo` are both there or neither is: without them it shows no memo.
    """

    envelope: bytes
    code: int
    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    memo_key: bytes | None = None
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """Who paid whom, as the envelope says. `memo_matches` is None where no memo is shown.

    `denom` follows from the wijk of the payer, which is state: a receipt alone does not tell it,
    and whoever knows the account may fill it in.
    """

    sender: bytes
    to: bytes
    cents: int
    memo: str | None
    memo_matches: bool | None
    denom: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptVerdict:
    """What a receipt proves. Fields that could not be read are None; only `ok` is a promise."""

    ok: bool = False
    reason: str | None = None
    detail: str | None = None
    tx: bytes | None = None
    origin: str | None = None
    log_index: int | None = None
    log_size: int | None = None
    height: int | None = None
    round: int | None = None
    block_id: bytes | None = None
    code: int | None = None
    signatures: SignatureTally | None = None
    inclusion: bool = False
    payment: Payment | None = None


def memo_note(memo_key: bytes, memo: str) -> bytes:
    """Return the `note` of a payment: the commitment to its memo (interfaces 4)."""
    return blake2b(memo.encode(), key=memo_key)


def write_receipt(receipt: Receipt) -> str:
    """Return the receipt as the text of a `.tlog-proof` file (interfaces 5.3)."""
    extra = _Extra(1, receipt.envelope, receipt.code, receipt.memo_key, receipt.memo)
    lines = [
        _RECEIPT_HEADER,
        f"extra {to_base64(encode(extra))}",
        f"index {receipt.index}",
        *map(to_base64, receipt.path),
    ]
    return "\n".join(lines) + "\n\n" + receipt.checkpoint


def read_receipt(text: bytes | str) -> Receipt:
    """Return the receipt in `text`, or raise `Malformed`. Nothing is judged but its form."""
    data = to_bytes(text, RECEIPT_BYTES_MAX, "receipt")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed("receipt: not UTF-8") from error
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 3 or lines[0] != _RECEIPT_HEADER:  # noqa: PLR2004
        raise Malformed(f"receipt: not a {_RECEIPT_HEADER} file")
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Malformed("receipt: extra and index are not the second and third line")
    if len(lines) - 3 > PATH_LENGTH_MAX:
        raise Malformed("receipt: the path is too long")
    encoded = lines[1].removeprefix("extra ")
    if len(encoded) > (EXTRA_BYTES_MAX + 2) // 3 * 4:
        raise Malformed("receipt: extra is too long")
    extra = decode(_Extra, from_base64(encoded, "receipt: extra"))
    if (extra.memo_key is None) != (extra.memo is None):
        raise Malformed("receipt: a memo and its key come together")
    return Receipt(
        envelope=extra.envelope,
        code=extra.code,
        index=read_uint(lines[2].removeprefix("index "), "receipt: index"),
        path=tuple(_hash(line, "receipt: path") for line in lines[3:]),
        checkpoint=checkpoint,
        memo_key=extra.memo_key,
        memo=extra.memo,
    )


def verify_receipt(text: bytes | str, policy: Policy) -> ReceiptVerdict:
    """Judge a receipt against a policy, offline. Hostile text gives a verdict, never an error.

    The first failure in the order of interfaces 5.3 is the reason; the other fields are filled
    in as far as the file tells them.
    """
    facts: dict[str, Any] = {}
    try:
        _judge_receipt(text, policy, facts)
    except Malformed as error:
        return ReceiptVerdict(**facts, reason=_reason(error), detail=str(error))
    return ReceiptVerdict(**facts, ok=True)


def receipt_json(verdict: ReceiptVerdict, file: str | None) -> dict[str, Any]:
    """Return the verdict as block D of interfaces 1.8."""
    payment = verdict.payment
    return {
        "file": file,
        "tx": _hex(verdict.tx),
        "origin": verdict.origin,
        "log_index": verdict.log_index,
        "log_size": verdict.log_size,
        "height": verdict.height,
        "round": verdict.round,
        "block_id": _hex(verdict.block_id),
        "code": verdict.code,
        "signatures": _tally_json(verdict.signatures),
        "inclusion": verdict.inclusion,
        "payment": payment
        and {
            "from": account_text(payment.sender),
            "to": account_text(payment.to),
            "amount_cents": payment.cents,
            "denom": payment.denom,
            "memo": payment.memo,
            "memo_matches": payment.memo_matches,
        },
        "ok": verdict.ok,
        "reason": verdict.reason,
        "detail": verdict.detail,
    }


def _judge_receipt(text: bytes | str, policy: Policy, facts: dict[str, Any]) -> None:
    """Fill in `facts` and raise at the first thing that is not proven."""
    receipt = read_receipt(text)
    tx_id = sha256(receipt.envelope)
    facts |= {"tx": tx_id, "code": receipt.code, "log_index": receipt.index}
    checkpoint = read_body(read_note(receipt.checkpoint).body)
    facts |= _checkpoint_facts(checkpoint)
    envelope_fault = _read_payment(receipt, policy, facts)
    leaf = log.tx_leaf_hash(tx_id, receipt.code)
    facts["inclusion"] = log.verify_inclusion(
        leaf, receipt.index, checkpoint.log_size, receipt.path, checkpoint.log_root
    )
    if checkpoint.chain_id != policy.chain_id:
        raise Unproven(CHAIN, f"the checkpoint is of {checkpoint.chain_id}")
    if not facts["inclusion"]:
        raise Unproven(INCLUSION, "the log does not hold this transaction with this outcome")
    _judge_note(receipt.checkpoint, policy, facts)
    if receipt.code != 0:
        raise Unproven(REFUSED, f"the transaction was refused: WIJK-{receipt.code}")
    if envelope_fault is not None:
        raise envelope_fault
    payment = facts.get("payment")
    if receipt.memo is not None and (payment is None or not payment.memo_matches):
        raise Unproven(MEMO, "the payer committed to another memo")


def _read_payment(receipt: Receipt, policy: Policy, facts: dict[str, Any]) -> Unproven | None:
    """Fill in the payment where the envelope tells one; return what is wrong with the envelope."""
    try:
        envelope = decode(Envelope, receipt.envelope)
        body = decode(TxBody, envelope.body)
    except Malformed as error:
        return Unproven(ENVELOPE, str(error))
    facts["payment"] = _payment(receipt, body)
    indexes = [signature.key_index for signature in envelope.signatures]
    if not indexes or indexes != sorted(set(indexes)):
        return Unproven(ENVELOPE, "its signatures do not stand in ascending order of keys")
    if body.chain_digest.hex() != policy.chain_digest:
        return Unproven(CHAIN, "the transaction was signed for another chain")
    return None


def _payment(receipt: Receipt, body: TxBody) -> Payment | None:
    """Return the payment: the only leg, or of several the one that the memo belongs to."""
    legs = _legs(bytes(body.call))
    note = None
    if receipt.memo_key is not None and receipt.memo is not None:
        note = memo_note(receipt.memo_key, receipt.memo)
        if len(legs) > 1:
            legs = tuple(leg for leg in legs if leg.note == note)[:1]
    if len(legs) != 1:
        return None
    leg = legs[0]
    matches = None if note is None else leg.note == note
    return Payment(body.sender, leg.to, leg.cents, receipt.memo, matches)


def _legs(call: bytes) -> tuple[_Leg, ...]:
    """Return what a call pays to whom; nothing where it is no payment, or not in its one form."""
    try:
        return decode(_Transfer, call).legs
    except Malformed:
        pass  # perhaps the other kind
    try:
        pay = decode(_CrossPay, call)
    except Malformed:
        return ()
    return (_Leg(pay.to, pay.cents, pay.tag, pay.note),)


# ------------------------------------------------------------- consistency proofs of interfaces 5.4


class _ConsistencyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    from_size: Uint
    from_root: _HexDigest
    to_size: Uint
    to_root: _HexDigest
    hashes: _Path
    from_checkpoint: str | None
    to_checkpoint: str | None


@dataclass(frozen=True, slots=True)
class ConsistencyVerdict:
    """Whether the longer log begins with the shorter one, and which heads a quorum has signed.

    A head without a checkpoint is only what the file says: compare it with your own.
    """

    ok: bool = False
    reason: str | None = None
    detail: str | None = None
    from_size: int | None = None
    from_root: bytes | None = None
    to_size: int | None = None
    to_root: bytes | None = None
    hashes: int | None = None
    from_certified: bool = False
    to_certified: bool = False


def write_consistency_proof(
    from_size: int,
    from_root: bytes,
    to_size: int,
    to_root: bytes,
    hashes: Sequence[bytes],
    *,
    from_checkpoint: str | None = None,
    to_checkpoint: str | None = None,
) -> str:
    """Return a consistency proof as JSON text (interfaces 5.4)."""
    return _json_text(
        _ConsistencyFile(
            _CONSISTENCY_FORMAT,
            from_size,
            from_root.hex(),
            to_size,
            to_root.hex(),
            tuple(map(to_base64, hashes)),
            from_checkpoint,
            to_checkpoint,
        )
    )


def verify_consistency_proof(text: bytes | str, policy: Policy) -> ConsistencyVerdict:
    """Judge a consistency proof, and each checkpoint it holds. Never raises on hostile text."""
    facts: dict[str, Any] = {}
    try:
        _judge_consistency(text, policy, facts)
    except Malformed as error:
        return ConsistencyVerdict(**facts, reason=_reason(error), detail=str(error))
    return ConsistencyVerdict(**facts, ok=True)


def _judge_consistency(text: bytes | str, policy: Policy, facts: dict[str, Any]) -> None:
    file = parse_json(to_bytes(text, CONSISTENCY_BYTES_MAX, "proof"), _ConsistencyFile)
    _check_format(file.format, _CONSISTENCY_FORMAT)
    hashes = [_hash(item, "hashes") for item in file.hashes]
    from_root, to_root = bytes.fromhex(file.from_root), bytes.fromhex(file.to_root)
    facts |= {
        "from_size": file.from_size,
        "from_root": from_root,
        "to_size": file.to_size,
        "to_root": to_root,
        "hashes": len(hashes),
    }
    if not log.verify_consistency(file.from_size, file.to_size, hashes, from_root, to_root):
        raise Unproven(CONSISTENCY, "the longer log does not begin with the shorter one")
    heads = (
        ("from_certified", file.from_checkpoint, file.from_size, from_root),
        ("to_certified", file.to_checkpoint, file.to_size, to_root),
    )
    for certified, note, size, root in heads:
        if note is None:
            continue
        checkpoint = _judge_note(note, policy, {})
        if (checkpoint.log_size, checkpoint.log_root) != (size, root):
            raise Unproven(CONSISTENCY, "a checkpoint is of another log head")
        facts[certified] = True


# ------------------------------------------------------------------- state proofs of interfaces 5.5


class _StepFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mask: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{4}$", max_length=4)]
    hashes: Annotated[tuple[_HashText, ...], msgspec.Meta(max_length=15)]


class _TerminalFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    kind: Literal["value", "empty", "other"]
    key_hash: _HexDigest | None = None
    value_hash: _HexDigest | None = None


class _StateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    key: str
    key_bytes: str
    value: str | None
    height: Uint
    header: str
    path: Annotated[tuple[_StepFile, ...], msgspec.Meta(max_length=tree.DEPTH_MAX)]
    terminal: _TerminalFile
    checkpoint: str


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """What a state proof proves: at `height`, `key` had `value`, or was absent where None."""

    ok: bool = False
    reason: str | None = None
    detail: str | None = None
    key: str | None = None
    key_bytes: bytes | None = None
    value: bytes | None = None
    height: int | None = None
    signatures: SignatureTally | None = None


def write_state_proof(
    key_bytes: bytes, value: bytes | None, proof: tree.TreeProof, header: Header, checkpoint: str
) -> str:
    """Return a state proof as JSON text; `checkpoint` is the note of `header`'s block (5.5)."""
    return _json_text(
        _StateFile(
            format=_STATE_FORMAT,
            key=key_text(key_bytes),
            key_bytes=to_base64(key_bytes),
            value=None if value is None else to_base64(value),
            height=header.height,
            header=to_base64(encode(header)),
            path=tuple(
                _StepFile(f"{step.mask:04x}", tuple(map(to_base64, step.hashes)))
                for step in proof.path
            ),
            terminal=_terminal_file(proof.terminal),
            checkpoint=checkpoint,
        )
    )


def verify_state_proof(text: bytes | str, policy: Policy) -> StateVerdict:
    """Judge a state proof against a policy, offline. Never raises on hostile text."""
    facts: dict[str, Any] = {}
    try:
        _judge_state(text, policy, facts)
    except Malformed as error:
        return StateVerdict(**facts, reason=_reason(error), detail=str(error))
    return StateVerdict(**facts, ok=True)


def _judge_state(text: bytes | str, policy: Policy, facts: dict[str, Any]) -> None:
    file = parse_json(to_bytes(text, STATE_PROOF_BYTES_MAX, "state proof"), _StateFile)
    _check_format(file.format, _STATE_FORMAT)
    key_bytes = from_base64(file.key_bytes, "key bytes")
    value = None if file.value is None else from_base64(file.value, "value")
    header = decode(Header, from_base64(file.header, "header"))
    steps = [
        tree.Step(int(step.mask, 16), tuple(_hash(item, "path") for item in step.hashes))
        for step in file.path
    ]
    proof = tree.TreeProof(tuple(steps), _terminal(file.terminal))
    if encode(parse_key(file.key)) != key_bytes:
        raise Malformed("state proof: the key as text is not that of the key bytes")
    facts |= {"key": file.key, "key_bytes": key_bytes, "value": value, "height": file.height}
    checkpoint = _judge_note(file.checkpoint, policy, facts)
    if checkpoint.block_id != block_id(header):
        raise Unproven(HEADER, "the checkpoint is of another block")
    if not checkpoint.height == header.height == file.height:
        raise Unproven(HEADER, "the header is of another height")
    if header.genesis_digest.hex() != policy.chain_digest:
        raise Unproven(CHAIN, "the header is of another chain")
    if not tree.verify(header.state_root, key_bytes, value, proof):
        raise Unproven(STATE, "the state of that block does not hold this")


def _terminal_file(terminal: tree.Terminal) -> _TerminalFile:
    match terminal:
        case tree.Found():
            return _TerminalFile("value")
        case tree.Empty():
            return _TerminalFile("empty")
        case tree.Other():
            return _TerminalFile("other", terminal.key_hash.hex(), terminal.value_hash.hex())


def _terminal(file: _TerminalFile) -> tree.Terminal:
    if file.kind == "other":
        if file.key_hash is None or file.value_hash is None:
            raise Malformed("state proof: the other leaf has no hashes")
        return tree.Other(bytes.fromhex(file.key_hash), bytes.fromhex(file.value_hash))
    if file.key_hash is not None or file.value_hash is not None:
        raise Malformed("state proof: only another leaf has hashes")
    return tree.Found() if file.kind == "value" else tree.Empty()


# ------------------------------------------------------------------------------- common to all


def _judge_note(text: str, policy: Policy, facts: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint of a note that a quorum of the era of its height has signed."""
    note = read_note(text)
    checkpoint = read_body(note.body)
    if checkpoint.chain_id != policy.chain_id:
        raise Unproven(CHAIN, f"the checkpoint is of {checkpoint.chain_id}")
    era = era_at(policy, checkpoint.height)
    if era is None:
        raise Unproven(ERA, f"the policy names no validators for height {checkpoint.height}")
    try:
        count = count_signatures(note, era_keys(era))
    except Malformed as error:
        raise Unproven(SIGNATURE, str(error)) from error
    facts["signatures"] = SignatureTally(
        count.valid, era.quorum, len(era.validators), count.unknown
    )
    if count.valid < era.quorum:
        raise Unproven(QUORUM, f"{count.valid} validators signed; {era.quorum} must")
    return checkpoint


def _checkpoint_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "origin": f"wijkchain/{checkpoint.chain_id}",
        "log_size": checkpoint.log_size,
        "height": checkpoint.height,
        "round": checkpoint.round,
        "block_id": checkpoint.block_id,
    }


def _reason(error: Malformed) -> str:
    return error.reason if isinstance(error, Unproven) else UNREADABLE


def _check_format(found: str, wanted: str) -> None:
    if found != wanted:
        raise Malformed(f"format is not {wanted}")


def _json_text(file: msgspec.Struct) -> str:
    return canonical_json(msgspec.to_builtins(file)).decode() + "\n"


def _hash(text: str, what: str) -> bytes:
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise Malformed(f"{what}: not 32 bytes")
    return data


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _tally_json(tally: SignatureTally | None) -> dict[str, int] | None:
    if tally is None:
        return None
    return {
        "valid": tally.valid,
        "needed": tally.needed,
        "of": tally.of,
        "unknown": tally.unknown,
    }
