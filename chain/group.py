"""The group of the ballots: edwards25519 through PyNaCl, wrapped once (economy E25 to E28).

Points and scalars are 32 bytes, scalars little-endian and below `ORDER`. The library has traps:
it adds small-order and non-canonical points without a word, refuses the identity as a factor,
and takes scalars above the order. So bytes from outside pass `check_point` or `check_scalar`
first, and the functions below know the identity. Nothing else calls these bindings.
"""

import functools
import hashlib
from typing import Annotated

import msgspec
from nacl import bindings
from nacl.exceptions import CryptoError

from chain.errors import Code, require

POINT_BYTES = 32
SCALAR_BYTES = 32
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = b"\x01" + bytes(POINT_BYTES - 1)
ZERO = bytes(SCALAR_BYTES)
BOX_KEY_BYTES = 32
SEAL_BYTES = 48  # what a sealed box is longer than its text: a public key and a tag
_MULTIPLES_KEPT = 512  # small multiples of G: a statement of a ballot proof has M_k below it

Point = Annotated[bytes, msgspec.Meta(min_length=POINT_BYTES, max_length=POINT_BYTES)]
Scalar = Annotated[bytes, msgspec.Meta(min_length=SCALAR_BYTES, max_length=SCALAR_BYTES)]
BoxKey = Annotated[bytes, msgspec.Meta(min_length=BOX_KEY_BYTES, max_length=BOX_KEY_BYTES)]


def is_point(data: bytes) -> bool:
    """Say whether `data` is the one encoding of a point of the main group, not the identity.

    Non-canonical, small-order, mixed-order and off-curve bytes are none (E26, E27).
    """
    return len(data) == POINT_BYTES and bindings.crypto_core_ed25519_is_valid_point(data)


def check_point(data: bytes) -> None:
    """Refuse with `bad-point` what `is_point` does not take."""
    require(is_point(data), Code.ELECTION_BAD_POINT)


def is_scalar(data: bytes) -> bool:
    """Say whether `data` is a scalar in its one form: below the order, so no top bit (E28)."""
    return len(data) == SCALAR_BYTES and int.from_bytes(data, "little") < ORDER


def check_scalar(data: bytes) -> None:
    """Refuse with `bad-proof` what `is_scalar` does not take: a proof would be malleable."""
    require(is_scalar(data), Code.ELECTION_BAD_PROOF)


def scalar_of(number: int) -> bytes:
    """Return the scalar of a public integer, reduced mod the order."""
    return (number % ORDER).to_bytes(SCALAR_BYTES, "little")


def multiply_base(scalar: bytes) -> bytes:
    """Return scalar * G; the identity for 0."""
    assert is_scalar(scalar), "scalars are reduced before they come here"
    if scalar == ZERO:
        return IDENTITY
    return bindings.crypto_scalarmult_ed25519_base_noclamp(scalar)


def multiply(scalar: bytes, point: bytes) -> bytes:
    """Return scalar * point; the identity for 0 or for the identity (E27)."""
    assert is_scalar(scalar), "scalars are reduced before they come here"
    if scalar == ZERO or point == IDENTITY:
        return IDENTITY
    return bindings.crypto_scalarmult_ed25519_noclamp(scalar, point)


def add(left: bytes, right: bytes) -> bytes:
    """Return the sum of two points that were checked, or the identity."""
    return bindings.crypto_core_ed25519_add(left, right)


def subtract(left: bytes, right: bytes) -> bytes:
    """Return left - right, of points that were checked, or the identity."""
    return bindings.crypto_core_ed25519_sub(left, right)


@functools.lru_cache(maxsize=_MULTIPLES_KEPT)
def multiple_of_base(number: int) -> bytes:
    """Return number * G for a small public number; the last ones are remembered."""
    return multiply_base(scalar_of(number))


def scalar_add(left: bytes, right: bytes) -> bytes:
    """Return left + right mod the order; constant time, so for secrets too, as the next ones."""
    return bindings.crypto_core_ed25519_scalar_add(left, right)


def scalar_subtract(left: bytes, right: bytes) -> bytes:
    """Return left - right mod the order."""
    return bindings.crypto_core_ed25519_scalar_sub(left, right)


def scalar_multiply(left: bytes, right: bytes) -> bytes:
    """Return left * right mod the order."""
    return bindings.crypto_core_ed25519_scalar_mul(left, right)


def scalar_invert(scalar: bytes) -> bytes:
    """Return 1 / scalar mod the order; 0 has no inverse and is our own bug."""
    assert scalar != ZERO, "0 has no inverse"
    return bindings.crypto_core_ed25519_scalar_invert(scalar)


def reduce_scalar(wide: bytes) -> bytes:
    """Return 64 bytes, read little-endian, mod the order: uniform when the bytes are."""
    return bindings.crypto_core_ed25519_scalar_reduce(wide)


def hash_to_scalar(tag: str, *items: bytes | int) -> bytes:
    """Return H(tag, items...) of economy 10.3; integers stand in it as 32 bytes little-endian."""
    hashed = hashlib.sha512(_framed(b"wijk/" + tag.encode()))
    for item in items:
        data = item.to_bytes(SCALAR_BYTES, "little") if isinstance(item, int) else item
        hashed.update(_framed(data))
    return reduce_scalar(hashed.digest())


def is_box_key(data: bytes) -> bool:
    """Say whether boxes can be sealed to this X25519 key: 32 bytes, and not of small order."""
    if len(data) != BOX_KEY_BYTES:
        return False
    try:
        bindings.crypto_scalarmult(b"\x01" + bytes(31), data)
    except CryptoError:
        return False
    return True


def box_key(secret: bytes) -> bytes:
    """Return the X25519 public key of the secret, 32 bytes."""
    return bindings.crypto_scalarmult_base(secret)


def seal_box(text: bytes, key: bytes) -> bytes:
    """Return `text` sealed to an X25519 key: only its holder opens it. Random by nature."""
    return bindings.crypto_box_seal(text, key)


def open_box(box: bytes, key: bytes, secret: bytes) -> bytes | None:
    """Return what a box sealed to `key` holds, or None where it does not open."""
    if len(box) < SEAL_BYTES:
        return None
    try:
        return bindings.crypto_box_seal_open(box, key, secret)
    except CryptoError:
        return None


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
