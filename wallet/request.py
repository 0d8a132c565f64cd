"""A request to be paid: a link that any phone camera opens (interfaces 3.7).

What stands after `#` never reaches a server. The link is data from outside: it is bounded before
it is read, has one encoding, and what it asks is shown before anything is signed.
"""

import base64
import binascii
import io
import re
from typing import Annotated

import msgspec
import segno

from chain.codec import Account, Digest, Record, Uint, decode, encode
from chain.errors import Malformed
from chain.texts import Problem
from wallet.amounts import AMOUNT_CENTS_MAX, AMOUNT_CENTS_MIN

LINK_LENGTH_MAX = 400  # what a phone camera still reads from a screen
MEMO_LENGTH_MAX = 140  # interfaces 4: characters of a memo
REQUEST_ID_BYTES = 8
_MARK = "/p#r="
_BASE = re.compile(
    r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:]+\](?::[0-9]{1,5})?"
)
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?")


RequestId = Annotated[bytes, msgspec.Meta(min_length=REQUEST_ID_BYTES, max_length=REQUEST_ID_BYTES)]


class PaymentRequest(Record, frozen=True):
    """Who asks for what: wire form of interfaces 3.7. `expires` is Unix seconds."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    chain_digest: Digest
    to: Account
    amount_cents: Annotated[int, msgspec.Meta(ge=AMOUNT_CENTS_MIN, le=AMOUNT_CENTS_MAX)]
    denom: Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,31}:[A-Z]{3}\Z")]
    memo: Annotated[str, msgspec.Meta(max_length=MEMO_LENGTH_MAX)] | None
    request_id: Annotated[
        bytes, msgspec.Meta(min_length=REQUEST_ID_BYTES, max_length=REQUEST_ID_BYTES)
    ]
    expires: Uint


def make_request(
    chain_digest: bytes,
    to: bytes,
    amount_cents: int,
    denom: str,
    memo: str | None,
    request_id: bytes,
    expires: int,
) -> PaymentRequest:
    """Return a request; raise `Problem` 1001 for a memo that is too long."""
    if memo is not None and len(memo) > MEMO_LENGTH_MAX:
        raise Problem(1001, cause="memo-long")
    return PaymentRequest(1, chain_digest, to, amount_cents, denom, memo, request_id, expires)


def build_link(base_url: str, request: PaymentRequest) -> str:
    """Return the link of a request on the node at `base_url`, such as `https://wijk.example`.

    Raise `Problem` 1001 where it would be longer than 400 characters, or `base_url` is no address.
    """
    base = base_url.rstrip("/")
    if not _is_base(base):
        raise Problem(1001, cause="link")
    payload = base64.urlsafe_b64encode(encode(request)).rstrip(b"=").decode("ascii")
    link = f"{base}{_MARK}{payload}"
    if len(link) > LINK_LENGTH_MAX:
        raise Problem(1001, cause="link-long")
    parse_link(link)  # what we hand out can be read by who gets it
    return link


def parse_link(link: str) -> PaymentRequest:
    """Return the request in a link, or raise `Problem` 1006. Nothing in it is trusted yet."""
    base, mark, payload = link.partition(_MARK)
    if len(link) > LINK_LENGTH_MAX or not mark or not _is_base(base):
        raise Problem(1006, cause="link")
    try:
        padded = payload.encode("ascii") + b"=" * (-len(payload) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        request = decode(PaymentRequest, data)
    except (binascii.Error, ValueError, Malformed) as error:
        raise Problem(1006, cause="link") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != payload:
        raise Problem(1006, cause="link")  # one request has one link
    if request.memo is not None and not request.memo.isprintable():
        raise Problem(1006, cause="link")
    return request


def check_request(request: PaymentRequest, chain_digest: bytes, now_s: int) -> None:
    """Raise `Problem` 2003 for a request of another chain, 2004 for one that has expired."""
    if request.chain_digest != chain_digest:
        raise Problem(2003)
    if now_s >= request.expires:
        raise Problem(2004, until_at=request.expires)


def qr_text(link: str) -> str:
    """Return the QR code of a link in block letters, for a terminal."""
    out = io.StringIO()
    segno.make_qr(link, error="m").terminal(out=out, border=2, compact=True)
    return out.getvalue()


def _is_base(base: str) -> bool:
    """Say whether `base` is a plain https address; http only on this machine (demo, testnet)."""
    if _BASE.fullmatch(base) is None:
        return False
    return base.startswith("https://") or _LOOPBACK.fullmatch(base) is not None
