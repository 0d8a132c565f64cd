"""What the bundle is made of: msgpack, transactions, headers, checkpoints and paths in the log."""

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
from nacl import bindings
from nacl.exceptions import CryptoError

FORMAT = "wijk/election-bundle/1"
META_BYTES_MAX = 4 << 20
LINE_BYTES_MAX = 1 << 20  # three blobs of 64 KiB in hex, an envelope, and a path
LINES_MAX = 400_000  # 30,000 voters who all vote ten times


class BadBundleError(Exception):
    """The bundle cannot be read as one."""


@dataclass(frozen=True)
class Transaction:
    """One transaction about the election, with its place in the log and its signatures."""

    id: bytes
    index: int
    code: int
    sender: bytes
    name: str
    fields: list[Any]
    body: bytes
    signatures: list[tuple[int, bytes]]
    keys: list[bytes]
    blobs: list[bytes | None]
    path: list[bytes]
    agreed: bytes | None = None  # the proposal that this approval carried out


@dataclass
class Bundle:
    """A bundle as read; nothing in it is believed yet."""

    meta: dict[str, Any]
    manifest_bytes: bytes
    manifest: dict[str, Any]
    transactions: list[Transaction] = field(default_factory=list)


def sha(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def unpack(data: bytes) -> Any:
    """Return the value of canonical msgpack bytes, or raise `BadBundleError`."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
        if msgpack.packb(value, use_bin_type=True) == data:
            return value
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError) as error:
        raise BadBundleError(f"not msgpack: {error}") from error
    raise BadBundleError("msgpack in another form than the canonical one")


def unpack_as(data: bytes, tag: str, length: int) -> list[Any]:
    """Return the fields behind the tag of a tagged record."""
    value = unpack(data)
    if not isinstance(value, list) or len(value) != length + 1 or value[0] != tag:
        raise BadBundleError(f"not a {tag}")
    return value[1:]


def unhex(text: Any, length: int | None = None) -> bytes:
    """Return the bytes of lower-case hex."""
    if not isinstance(text, str):
        raise BadBundleError("hex expected")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise BadBundleError("not hex") from error
    if data.hex() != text or (length is not None and len(data) != length):
        raise BadBundleError("hex of another form or length")
    return data


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in a folder: `bundle.json` and `transactions.jsonl`."""
    path = folder / "bundle.json"
    if not path.is_file() or path.stat().st_size > META_BYTES_MAX:
        raise BadBundleError("bundle.json is missing or too large")
    meta = parse_json(path.read_text(encoding="utf-8"))
    if meta.get("format") != FORMAT:
        raise BadBundleError(f"not a {FORMAT}")
    manifest_bytes = unhex(meta.get("manifest"))
    bundle = Bundle(meta, manifest_bytes, read_manifest(manifest_bytes))
    with (folder / "transactions.jsonl").open(encoding="utf-8") as lines:
        while line := lines.readline(LINE_BYTES_MAX):
            if not line.endswith("\n") or len(bundle.transactions) == LINES_MAX:
                raise BadBundleError("a line too long or without end, or too many lines")
            bundle.transactions.append(read_transaction(parse_json(line)))
    bundle.transactions = read_agreed(bundle.transactions)
    return bundle


PROPOSE, APPROVE = "accounts.propose", "accounts.approve"


def read_agreed(rows: list[Transaction]) -> list[Transaction]:
    """Return the rows, with approvals read as the call that was proposed to a shared account.

    A board may agree on the chain instead of signing together: the last approval runs the call.
    """
    proposed = {row.id: row for row in rows if row.name == PROPOSE}
    read = []
    for row in rows:
        if row.name == APPROVE:
            before = proposed.get(row.fields[1]) if len(row.fields) > 1 else None
            if before is None or before.sender != row.sender or len(before.fields) < 2:  # noqa: PLR2004
                raise BadBundleError("an approval of what was not proposed to that account")
            name, values = read_call(before.fields[1])
            row = replace(row, name=name, fields=[row.fields[0], *values], agreed=before.id)  # noqa: PLW2901
        read.append(row)
    return read


def read_call(data: Any) -> tuple[str, list[Any]]:
    """Return name and fields of the bytes of a call."""
    need(data, bytes, "call")
    call = unpack(data)
    if not isinstance(call, list) or not call or not isinstance(call[0], str):
        raise BadBundleError("not a call")
    return call[0], call[1:]


def parse_json(text: str) -> dict[str, Any]:
    """Return a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadBundleError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadBundleError("a JSON object was expected")
    return value


MANIFEST_FIELDS = (
    "chain", "election", "kind", "method", "options", "seats", "areas", "min", "max", "blank",
    "score", "electorate", "reference_height", "voters_root", "trustees", "threshold",
    "commitments", "key", "opens", "closes", "quorum_pct",
)  # fmt: skip


def read_manifest(data: bytes) -> dict[str, Any]:
    """Return the fields of the manifest by name (E15)."""
    values = unpack_as(data, "wijk.election_manifest.1", len(MANIFEST_FIELDS))
    manifest = dict(zip(MANIFEST_FIELDS, values, strict=True))
    for name in ("chain", "election", "voters_root"):
        need(manifest[name], bytes, name)
    for name in ("seats", "min", "max", "blank", "score", "electorate", "threshold", "closes"):
        need(manifest[name], int, name)
    for name in ("options", "areas", "trustees", "commitments"):
        need(manifest[name], list, name)
    return manifest


def need(value: Any, kind: type, what: str) -> None:
    """Raise `BadBundleError` unless a value is of a kind."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadBundleError(f"{what}: {kind.__name__} expected")


def read_transaction(row: dict[str, Any]) -> Transaction:
    """Return a line of `transactions.jsonl`."""
    envelope = unhex(row.get("envelope"))
    parts = unpack(envelope)
    if not isinstance(parts, list) or len(parts) != 2:  # noqa: PLR2004
        raise BadBundleError("not an envelope")
    body_bytes, signed = parts
    need(body_bytes, bytes, "body")
    need(signed, list, "signatures")
    body = unpack(body_bytes)
    if not isinstance(body, list) or len(body) != 5:  # noqa: PLR2004
        raise BadBundleError("not a body")
    call = body[4]
    if not isinstance(call, list) or not call or not isinstance(call[0], str):
        raise BadBundleError("not a call")
    for value, kind in ((body[0], bytes), (body[1], bytes)):
        need(value, kind, "body")
    signatures: list[tuple[int, bytes]] = []
    for one in signed:
        if not isinstance(one, list) or len(one) != 2:  # noqa: PLR2004
            raise BadBundleError("not a signature")
        need(one[0], int, "key index")
        need(one[1], bytes, "signature")
        signatures.append((one[0], one[1]))
    for name in ("keys", "blobs", "path"):
        need(row.get(name, []), list, name)
    for name in ("index", "code"):
        need(row.get(name), int, name)
    blobs = [None if text is None else unhex(text) for text in row.get("blobs", [])]
    return Transaction(
        id=sha(envelope),
        index=row["index"],
        code=row["code"],
        sender=body[1],
        name=call[0],
        fields=[body[0], *call[1:]],
        body=body_bytes,
        signatures=signatures,
        keys=[unhex(text, 32) for text in row.get("keys", [])],
        blobs=blobs,
        path=[unhex(text, 32) for text in row.get("path", [])],
    )


def signature_ok(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether an Ed25519 signature is good."""
    if len(key) != 32 or len(signature) != 64:  # noqa: PLR2004
        return False
    try:
        bindings.crypto_sign_open(signature + message, key)
    except (CryptoError, ValueError):
        return False
    return True


def account_of(key: bytes) -> bytes:
    """Return the account id of a first key."""
    return sha(b"wijkchain/account" + key)[:20]


def leaf_of(transaction: Transaction) -> bytes:
    """Return the leaf of a transaction in the log: its id and its outcome."""
    packed = msgpack.packb(["wijk.leaf.1", transaction.id, transaction.code], use_bin_type=True)
    return sha(b"\x00" + packed)


def root_of(leaves: list[bytes]) -> bytes:
    """Return the RFC 6962 root over leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def path_ok(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Say whether a path leads from a leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            r = sha(b"\x01" + p + r)
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


@dataclass(frozen=True)
class Header:
    """What the verifier wants of a block header."""

    id: bytes
    chain: bytes
    height: int
    parent: bytes
    time_s: int
    log_size: int


def read_header(data: bytes) -> Header:
    """Return a header from its canonical bytes."""
    values = unpack_as(data, "wijk.header.1", 12)
    return Header(sha(data), values[1], values[2], values[3], values[5] // 1000, values[8])


@dataclass(frozen=True)
class Note:
    """A checkpoint: what it says, and how many of the named validators signed it."""

    chain_id: str
    size: int
    root: bytes
    height: int
    block: bytes
    signed: int


def read_note(text: str, validators: dict[str, bytes]) -> Note:
    """Return a checkpoint in C2SP form, its signatures counted against keys by name."""
    head, _, tail = text.rpartition("\n\n")
    head += "\n"
    lines = head.split("\n")
    try:
        origin, size, root, block = lines[:4]
        word, height, _round, block_id = block.split(" ")
        chain_id = origin.removeprefix("wijkchain/")
        note = (chain_id, int(size), base64.b64decode(root), int(height))
        block_bytes = base64.b64decode(block_id)
    except ValueError as error:
        raise BadBundleError("not a checkpoint") from error
    if word != "block" or lines[4:] != [""]:
        raise BadBundleError("not a checkpoint")
    signers = set()
    for line in tail.splitlines():
        name, _, encoded = line.removeprefix("\N{EM DASH} ").rpartition(" ")
        key = validators.get(name)
        try:
            data = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadBundleError("a signature of the checkpoint is not base64") from error
        if key is not None and signature_ok(key, head.encode(), data[4:]):
            signers.add(key)
    return Note(*note, block_bytes, len(signers))
