"""Transactions, headers, bodies and receipts: the records that every node keeps for ever.

Wire form is field order: append, never reorder. Certificates stand in `chain/validators.py`.
"""

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


class Tx(msgspec.Struct, frozen=True, gc=False):
    """A decoded transaction. `raw` are the bytes as they came; nobody encodes them again."""

    id: bytes
    raw: bytes
    signed: bytes
    chain_digest: bytes
    sender: bytes
    nonce: bytes
    expires: int
    call: Any
    signatures: tuple[KeySignature, ...]


def decode_tx(raw: bytes, calls: Any) -> Tx:
    """Return the transaction in `raw`, whose call is one of the union type `calls`.

    Raise `Malformed` for anything but the canonical bytes of a known call (interfaces 4).
    """
    if len(raw) > TX_BYTES_MAX:
        raise Malformed(f"transaction of {len(raw)} bytes; at most {TX_BYTES_MAX}")
    envelope = decode(Envelope, raw)
    body = decode(TxBody, envelope.body)
    last = -1
    for signature in envelope.signatures:
        if signature.key_index <= last:
            raise Malformed("key indexes of the signatures do not ascend")
        last = signature.key_index
    return Tx(
        id=sha256(raw),
        raw=raw,
        signed=TX_CONTEXT + envelope.body,
        chain_digest=body.chain_digest,
        sender=body.sender,
        nonce=body.nonce,
        expires=body.expires,
        call=decode(calls, bytes(body.call)),
        signatures=envelope.signatures,
    )


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
