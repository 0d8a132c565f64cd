"""A request to let a node join the validators, as a file (interfaces 3.7).

The node's operator writes it, the board of the wijk reads it. The file is signed by the consensus
key that wants to join, so nobody else can ask in its name; what the chain needs of that key, the
binding of its transport key and the report of a recent block, stands in it.
"""

from typing import Annotated

import msgspec

from chain.crypto import SIGNATURE_BYTES, is_valid_key, verify
from chain.errors import Malformed
from chain.strict_json import canonical_json, parse_json
from chain.text_rules import is_slug

FORMAT = "wijk/join-request/1"
CONTEXT = b"wijkchain/join"
JOIN_BYTES_MAX = 4 * 1024
VALID_S = 86_400  # consensus V5b: so long a report of being in sync counts

_Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_Hex64 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$", max_length=128)]
_Time = Annotated[  # RFC 3339 in its one form, so that texts compare as times do
    str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")
]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class RecentBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The block that the node reports, and its signature over that (consensus V5b)."""

    block_id: _Hex32
    height: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    proof: _Hex64


class JoinRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks to join, for which wijk, and where it is."""

    format: str
    chain_digest: _Hex32
    wijk: str
    name: str
    public_key: _Hex32
    transport_key: _Hex32
    address: _Text
    operator: _Text
    version: _Text
    created_at: _Time
    expires_at: _Time
    proof: _Hex64
    ready: RecentBlock
    signature: str = ""


def join_bytes(request: JoinRequest) -> bytes:
    """Return what the consensus key signs: the file without its signature."""
    tree = msgspec.to_builtins(request)
    del tree["signature"]
    return CONTEXT + canonical_json(tree)


def write_join_request(request: JoinRequest, signature: bytes) -> bytes:
    """Return the signed file: canonical, so that a QR code holds the same bytes."""
    assert len(signature) == SIGNATURE_BYTES
    signed = msgspec.structs.replace(request, signature=signature.hex())
    return canonical_json(msgspec.to_builtins(signed))


def read_join_request(data: bytes, now_at: str) -> JoinRequest:
    """Return the request in a file; raise `Malformed` where it is none, unsigned or over.

    `now_at` is the time of now as RFC 3339 with milliseconds.
    """
    if len(data) > JOIN_BYTES_MAX:
        raise Malformed(f"join request: more than {JOIN_BYTES_MAX} bytes")
    request = parse_json(data, JoinRequest)
    if request.format != FORMAT:
        raise Malformed(f"join request: format is not {FORMAT}")
    key = bytes.fromhex(request.public_key)
    if not is_valid_key(key) or not is_valid_key(bytes.fromhex(request.transport_key)):
        raise Malformed("join request: not a sound Ed25519 key")
    if not is_slug(request.wijk) or not is_slug(request.name):
        raise Malformed("join request: not the name of a wijk or a node")
    try:
        signature = bytes.fromhex(request.signature)
    except ValueError as error:
        raise Malformed(f"join request: {error}") from error
    if len(signature) != SIGNATURE_BYTES or not verify(key, join_bytes(request), signature):
        raise Malformed("join request: not signed by the key that wants to join")
    if now_at >= request.expires_at:
        raise Malformed(f"join request: it ended at {request.expires_at}")
    return request
