"""Transactions, headers, bodies and receipts: the records that every node keeps for ever.

Wire form is field order: append, never reorder. Certificates stand in `chain/validators.py`.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from chain.codec import Account, Digest, Nonce, PublicKey, Record, Signature, Uint, decode, encode
from chain.crypto import sha256
from chain.errors import Malformed
from chain.validators import CommitCertificate

PROTOCOL_VERSION = 1  # consensus V8: the one that this program speaks; genesis begins with 1
TX_BYTES_MAX = 32 * 1024  # consensus B7; a chain parameter may be lower, never higher
SIGNATURES_MAX = 16  # economy B4: at most 16 active keys
BLOCK_TXS_MAX = 4_000  # consensus B7
TX_CONTEXT = b"wijkchain/tx"  # consensus M6: no checkpoint and no record starts like this

# Bytes that travel beside a call (economy B10, ADR 0084). Three keep a transaction below what one
# frame of transactions holds, and are a roll of 6,144 credentials.
BLOB_BYTES_MAX = 64 * 1024
BLOBS_MAX = 3
CARRIED_MARK = 0xC1  # msgpack never uses this byte, so no envelope starts with it
_MARK = bytes([CARRIED_MARK])
_MARK_BYTES = 5  # the mark, and the length of the envelope as 4 bytes big-endian
CARRIED_BYTES_MAX = _MARK_BYTES + TX_BYTES_MAX + BLOBS_MAX * BLOB_BYTES_MAX


class KeySignature(Record, frozen=True):
    """One signature under an envelope, by the account key with that index."""

    key_index: Uint
    signature: Signature


class Envelope(Record, frozen=True):
    """What travels: the encoded body and its signatures, key indexes strictly ascending."""

    body: Annotated[bytes, msgspec.Meta(max_length=TX_BYTES_MAX)]
    signatures: Annotated[tuple[KeySignature, ...], msgspec.Meta(max_length=SIGNATURES_MAX)]


class TxBody(Record, frozen=True):
    """What is signed (economy B1). `expires` is Unix seconds; `call` the array of one call."""

    chain_digest: Digest
    sender: Account
    nonce: Nonce
    expires: Uint
    call: msgspec.Raw


class Blob(Record, frozen=True):
    """What a call says about bytes that travel beside it: their SHA-256 and size (economy B10)."""

    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=1, le=BLOB_BYTES_MAX)]


class Tx(msgspec.Struct, frozen=True, gc=False):
    """A decoded transaction. `raw` are the bytes as they came; nobody encodes them again.

    `blobs` are the bytes beside its call, in the order the call names them.
    """

    id: bytes
    raw: bytes
    signed: bytes
    chain_digest: bytes
    sender: bytes
    nonce: bytes
    expires: int
    call: Any
    signatures: tuple[KeySignature, ...]
    blobs: tuple[bytes, ...] = ()


def split_carried(raw: bytes) -> tuple[bytes, bytes]:
    """Return the envelope and the blobs behind it, of a transaction as it travels and is stored.

    Raise `Malformed` where a mark stands before nothing.
    """
    if raw[:1] != _MARK:
        return raw, b""
    end = _MARK_BYTES + int.from_bytes(raw[1:_MARK_BYTES], "big")
    if not _MARK_BYTES < end < len(raw):
        raise Malformed("a transaction that carries nothing beside its call, or no call")
    return raw[_MARK_BYTES:end], raw[end:]


def carry(envelope: bytes, blobs: Sequence[bytes]) -> bytes:
    """Return a transaction as it travels: its envelope, and the bytes beside the call behind it."""
    if not blobs:
        return envelope
    return _MARK + len(envelope).to_bytes(4, "big") + envelope + b"".join(blobs)


def compute_tx_id(raw: bytes) -> bytes:
    """Return the id of a transaction as it travels: SHA-256 of its envelope (economy B1).

    Blobs are not in it: the call names them by digest. Raises `Malformed` as `split_carried`.
    """
    return sha256(split_carried(raw)[0])


def decode_tx(raw: bytes, calls: Any) -> Tx:
    """Return the transaction in `raw`, whose call is one of the union type `calls`.

    Raise `Malformed` for anything but the canonical bytes of a known call (interfaces 4), with
    exactly the blobs that it names: a validator votes for no block whose blobs it lacks (B10).
    Whoever asks for `msgspec.Raw` reads no calls, and looks at no blobs either.
    """
    wrapped, beside = split_carried(raw)
    if len(wrapped) > TX_BYTES_MAX:
        raise Malformed(f"transaction of {len(wrapped)} bytes; at most {TX_BYTES_MAX}")
    envelope = decode(Envelope, wrapped)
    body = decode(TxBody, envelope.body)
    last = -1
    for signature in envelope.signatures:
        if signature.key_index <= last:
            raise Malformed("key indexes of the signatures do not ascend")
        last = signature.key_index
    call = decode(calls, bytes(body.call))
    return Tx(
        id=sha256(wrapped),
        raw=raw,
        signed=TX_CONTEXT + envelope.body,
        chain_digest=body.chain_digest,
        sender=body.sender,
        nonce=body.nonce,
        expires=body.expires,
        call=call,
        signatures=envelope.signatures,
        blobs=() if calls is msgspec.Raw else _cut_blobs(get_blobs(call), beside),
    )


def get_blobs(call: Any) -> tuple[Blob, ...]:
    """Return what a call says travels beside it; nearly every call carries nothing."""
    named = getattr(call, "get_blobs", None)
    return () if named is None else named()


def _cut_blobs(named: tuple[Blob, ...], beside: bytes) -> tuple[bytes, ...]:
    if len(beside) != sum(blob.size for blob in named):
        raise Malformed("not the bytes beside the call that it names")
    blobs: list[bytes] = []
    at = 0
    for blob in named:
        blobs.append(beside[at : at + blob.size])
        at += blob.size
        if sha256(blobs[-1]) != blob.digest:
            raise Malformed("bytes beside the call have another digest")
    return tuple(blobs)


def encode_body(chain_digest: bytes, sender: bytes, nonce: bytes, expires: int, call: Any) -> bytes:
    """Return the body bytes of a transaction; `TX_CONTEXT` + these bytes are signed."""
    return encode(TxBody(chain_digest, sender, nonce, expires, msgspec.Raw(encode(call))))


class Header(Record, frozen=True, tag="wijk.header.1"):
    """A block's header (consensus M7). It never holds the round, so its id does not either.

    `state_root`, `log_size` and `log_root` are the values after executing this block.
    """

    version: Uint
    genesis_digest: Digest
    height: Uint
    parent_id: Digest
    creator: PublicKey
    time_ms: Uint
    body_hash: Digest
    state_root: Digest
    log_size: Uint
    log_root: Digest
    validators_hash: Digest
    next_validators_hash: Digest


def block_id(header: Header) -> bytes:
    """Return the block id: SHA-256 of the canonical header (consensus M2)."""
    return sha256(encode(header))


class BlockBody(Record, frozen=True, tag="wijk.body.1"):
    """What a header's `body_hash` covers (consensus M8): certificate, evidence, ids."""

    last_commit: CommitCertificate | None
    evidence: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=64)]
    tx_ids: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=BLOCK_TXS_MAX)]


class Tag(Record, frozen=True):
    """What a movement of money was for (economy S1); `vat` in cents."""

    flow: Annotated[str, msgspec.Meta(max_length=24)]
    use: Annotated[str, msgspec.Meta(max_length=24)] | None
    product: Annotated[str, msgspec.Meta(max_length=24)] | None
    vat: Uint


class Posting(Record, frozen=True):
    """One side of a booking (economy section 7): `side` is D or C.

    `owner` is the account, reserve or policy id, or the UTF-8 bytes of a wijk id.
    `leg` counts the bookings of one transaction from 0; both sides of a booking share it.
    """

    leg: Uint
    wijk: str
    denom: str
    klass: str
    owner: bytes
    side: str
    cents: Uint
    tag: Tag | None
    policy: bytes | None
    decision: bytes | None
    corrects: bytes | None


class Notice(Record, frozen=True):
    """What a contract reports into the receipt: a name, and the msgpack array of its values."""

    name: str
    values: bytes


class Outcome(Record, frozen=True, tag="wijk.outcome.1"):
    """What became of a transaction: `code` 0 is done, else the number of the WIJK code.

    Only `tx_id` and `code` are in the log (consensus M9); the rest follows from replaying.
    `params` are the numbers and words of a refusal, sorted by name.
    """

    tx_id: Digest
    code: Uint
    params: tuple[tuple[str, int | str], ...]
    postings: tuple[Posting, ...]
    notices: tuple[Notice, ...]
