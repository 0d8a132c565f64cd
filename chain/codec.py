"""One canonical encoding, and the only way in for bytes (architecture D1, consensus M1).

A record is a msgspec struct written as a msgpack array. Decoding is typed; afterwards the
record is encoded again and must give the same bytes, because msgspec alone accepts padded
integers and lengths. So one value has one encoding, and nothing signed is malleable.
"""

import hashlib
from typing import Annotated, Any, TypeVar

import msgspec

from chain.errors import Malformed

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
PublicKey = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Account = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
Nonce = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Uint = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Bit = Annotated[int, msgspec.Meta(ge=0, le=1)]
CENTS_MAX = 10**13  # economy B8: the largest amount a call may carry, in cents
Cents = Annotated[int, msgspec.Meta(ge=0, le=CENTS_MAX)]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of every wire value. Its tag, where it has one, leads the encoding.

    No wire value can hold itself, so the cycle collector need not walk the millions there are.

    Tagged kinds never share a digest. Untagged are only the transaction body, the envelope
    and state values, whose kind the place they stand in tells (interfaces 4 and 5.5).
    """


T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode(value: Any) -> bytes:
    """Return the canonical msgpack bytes of a record, or of a list, int, str, bytes or None."""
    return _encoder.encode(value)


def decode(kind: type[T], data: bytes) -> T:
    """Return the `kind` whose canonical bytes are exactly `data`, or raise `Malformed`."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value = decoder.decode(data)
        if _encoder.encode(value) == data:
            return value  # type: ignore[no-any-return]
    # ValueError: DecodeError, ValidationError and bad UTF-8; the other two: reliability section 6.
    except (ValueError, RecursionError, OverflowError) as error:
        raise Malformed(f"{_name(kind)}: {error}") from error
    raise Malformed(f"{_name(kind)}: readable, but not in canonical form")


def digest(value: Any) -> bytes:
    """Return the SHA-256 of the canonical bytes of `value`."""
    return hashlib.sha256(_encoder.encode(value)).digest()


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
