"""Building a transaction: body, signatures, envelope; and drafts that several people sign.

interfaces 4 governs the bytes. Nonce and time come in as values. A draft travels as a small JSON
file from signer to signer (`tx build`, `sign`, `combine`); it holds no secret.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from chain.codec import decode, encode
from chain.crypto import SIGNATURE_BYTES, blake2b, sign, verify
from chain.errors import Malformed
from chain.records import (
    SIGNATURES_MAX,
    TX_BYTES_MAX,
    TX_CONTEXT,
    Envelope,
    KeySignature,
    TxBody,
    compute_tx_id,
    encode_body,
)
from chain.strict_json import parse_json
from chain.texts import Problem

DRAFT_BYTES_MAX = 64 * 1024  # a body of 32 KiB in base64, and 16 signatures
MEMO_KEY_BYTES = 32


class DraftSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature in a draft file: the index of the account's key, and base64."""

    key_index: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    signature: str


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a draft file holds; `need` is the exact number of signatures the call asks (B5)."""

    format: Literal["wijk/draft/1"]
    body: str
    need: Annotated[int, msgspec.Meta(ge=1, le=SIGNATURES_MAX)]
    signatures: Annotated[tuple[DraftSignature, ...], msgspec.Meta(max_length=SIGNATURES_MAX)] = ()


def build_body(chain_digest: bytes, sender: bytes, nonce: bytes, expires: int, call: Any) -> bytes:
    """Return the body bytes of a transaction, checked as a node would read them.

    `nonce` is 16 random bytes, `expires` Unix seconds, `call` a record of the catalogue.
    """
    body = encode_body(chain_digest, sender, nonce, expires, call)
    decode(TxBody, body)  # field types are checked on decoding only
    return body


def sign_body(body: bytes, seeds: Mapping[int, bytes]) -> bytes:
    """Return the envelope bytes of `body` signed by `seeds`, by key index.

    The transaction id is SHA-256 of these bytes; they travel unchanged (interfaces 4).
    """
    signatures = tuple(
        KeySignature(index, sign(seeds[index], TX_CONTEXT + body)) for index in sorted(seeds)
    )
    return _envelope(body, signatures)


def unsigned_body(body: bytes, indexes: Sequence[int]) -> bytes:
    """Return envelope bytes to try `body` out: nobody signed, so nobody can send it (2.2).

    A node checks no signatures of what it only tries; it looks at which keys would sign.
    """
    nothing = bytes(SIGNATURE_BYTES)
    return _envelope(body, tuple(KeySignature(index, nothing) for index in sorted(indexes)))


def tx_id(envelope: bytes) -> str:
    """Return the id of a transaction, 64 hex digits."""
    return compute_tx_id(envelope).hex()


def note_of(memo: str, memo_key: bytes) -> bytes:
    """Return the commitment to a memo that stands on the chain (interfaces 4)."""
    return blake2b(memo.encode(), key=memo_key)


def make_draft(body: bytes, need: int) -> Draft:
    """Return a draft of `body` without signatures."""
    return Draft(format="wijk/draft/1", body=_base64(body), need=need)


def sign_draft(draft: Draft, key_index: int, seed: bytes) -> Draft:
    """Return the draft with one more signature; signing again changes nothing."""
    signature = sign(seed, TX_CONTEXT + draft_body(draft))
    more = DraftSignature(key_index=key_index, signature=_base64(signature))
    return combine([draft, msgspec.structs.replace(draft, signatures=(more,))])


def combine(drafts: Sequence[Draft]) -> Draft:
    """Return one draft with the signatures of all; they must be drafts of the same body.

    Raise `Problem` 1001 where they differ, or hold more signatures than the call asks.
    """
    first = drafts[0]
    found: dict[int, str] = {}
    for draft in drafts:
        if (draft.body, draft.need) != (first.body, first.need):
            raise Problem(1001, cause="drafts-differ")
        for one in draft.signatures:
            if found.setdefault(one.key_index, one.signature) != one.signature:
                raise Problem(1001, cause="draft-signed-twice")
    if len(found) > first.need:
        raise Problem(1001, cause="draft-full")
    ordered = tuple(DraftSignature(index, found[index]) for index in sorted(found))
    return msgspec.structs.replace(first, signatures=ordered)


def bad_signatures(draft: Draft, keys: Mapping[int, bytes]) -> list[int]:
    """Return the key indexes whose signature is not that of the account's key with that index."""
    signed = TX_CONTEXT + draft_body(draft)
    return [
        one.key_index
        for one in draft.signatures
        if not verify(keys.get(one.key_index, b""), signed, _unbase64(one.signature))
    ]


def is_complete(draft: Draft) -> bool:
    """Say whether the draft has the number of signatures that its call asks."""
    return len(draft.signatures) == draft.need


def draft_envelope(draft: Draft) -> bytes | None:
    """Return the envelope bytes of a complete draft, else None."""
    if not is_complete(draft):
        return None
    signatures = tuple(
        KeySignature(one.key_index, _unbase64(one.signature)) for one in draft.signatures
    )
    return _envelope(draft_body(draft), signatures)


def draft_body(draft: Draft) -> bytes:
    """Return the body bytes that a draft is about."""
    return _unbase64(draft.body)


def draft_fields(draft: Draft) -> TxBody:
    """Return the decoded body: whose, on which chain, until when, and the bytes of its call."""
    return decode(TxBody, draft_body(draft))


def encode_draft(draft: Draft) -> bytes:
    """Return the bytes of a draft file."""
    return msgspec.json.format(msgspec.json.encode(draft), indent=1) + b"\n"


def decode_draft(data: bytes) -> Draft:
    """Return the draft in a file from outside, or raise `Problem` 1001."""
    try:
        if len(data) > DRAFT_BYTES_MAX:
            raise Malformed("too large")
        draft = parse_json(data, Draft)
        if len(draft_body(draft)) > TX_BYTES_MAX:
            raise Malformed("body too large")
        draft_fields(draft)
    except Malformed as error:
        raise Problem(1001, cause="draft") from error
    if any(len(_unbase64(one.signature)) != SIGNATURE_BYTES for one in draft.signatures):
        raise Problem(1001, cause="draft")
    return combine([draft])


def _envelope(body: bytes, signatures: tuple[KeySignature, ...]) -> bytes:
    envelope = encode(Envelope(body, signatures))
    if len(envelope) > TX_BYTES_MAX:
        raise Problem(3010, limit_bytes=TX_BYTES_MAX)
    return envelope


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(1001, cause="draft") from error
    if _base64(data) != text:
        raise Problem(1001, cause="draft")
    return data
