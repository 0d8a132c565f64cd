"""Signed requests: HTTP Message Signatures (RFC 9421) with one label and fixed components (2.3).

Client and node build the same signature base from a request; the node reads the two headers in
their one form and nothing else of the RFC.
"""

import hashlib
import re
from base64 import b64encode
from typing import NamedTuple

from chain.checkpoint import from_base64
from chain.errors import Malformed

VALID_S = 60  # interfaces 2.3
HEADER_LENGTH_MAX = 512
_PLAIN = '("@method" "@path" "@query")'
_WITH_BODY = '("@method" "@path" "@query" "content-digest")'
_INPUT = re.compile(
    r"wijk=(?P<params>(?P<parts>\([^()]{0,80}\));created=(?P<created>[0-9]{1,12})"
    r';nonce="(?P<nonce>[A-Za-z0-9_-]{16,64})";alg="ed25519"'
    r';keyid="(?P<account>wijk1[a-z0-9]{38})#(?P<index>0|[1-9][0-9]{0,5})")'
)
_SIGNATURE = re.compile(r"wijk=:(?P<value>[A-Za-z0-9+/]{86}==):")


class Signed(NamedTuple):
    """A signed request as its headers say; not judged. `created` is Unix seconds."""

    account: str
    key_index: int
    created: int
    nonce: str
    base: bytes
    signature: bytes


def content_digest(body: bytes) -> str:
    """Return the `Content-Digest` of a body (RFC 9530)."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_params(account: str, index: int, created: int, nonce: str, *, body: bool) -> str:
    """Return the value of `Signature-Input` after its label."""
    parts = _WITH_BODY if body else _PLAIN
    return f'{parts};created={created};nonce="{nonce}";alg="ed25519";keyid="{account}#{index}"'


def signature_base(method: str, path: str, query: str, body: bytes | None, params: str) -> bytes:
    """Return what is signed (RFC 9421 section 2.5); `query` comes without its question mark."""
    lines = [f'"@method": {method}', f'"@path": {path}', f'"@query": ?{query}']
    if body is not None:
        lines.append(f'"content-digest": {content_digest(body)}')
    lines.append(f'"@signature-params": {params}')
    return "\n".join(lines).encode()


def read_signed(
    signature_input: str, signature: str, method: str, path: str, query: str, body: bytes | None
) -> Signed:
    """Return what the two headers of a request say, or raise `Malformed`."""
    if len(signature_input) > HEADER_LENGTH_MAX:
        raise Malformed("Signature-Input: too long")
    told = _INPUT.fullmatch(signature_input)
    value = _SIGNATURE.fullmatch(signature)
    if told is None or value is None:
        raise Malformed("Signature-Input or Signature not in their one form")
    if told["parts"] != (_PLAIN if body is None else _WITH_BODY):
        raise Malformed("Signature-Input covers other components")
    return Signed(
        account=told["account"],
        key_index=int(told["index"]),
        created=int(told["created"]),
        nonce=told["nonce"],
        base=signature_base(method, path, query, body, told["params"]),
        signature=from_base64(value["value"], "Signature"),
    )
