"""Points and scalars of edwards25519 for the verifier, and the hash H of economy 10.3."""

import hashlib

from nacl import bindings

Q = (1 << 252) + 27742317777372353535851937790883648493
NEUTRAL = bytes([1]) + bytes(31)


def point_ok(p: bytes) -> bool:
    """Say whether these are the bytes of a point of prime order (E26, E27)."""
    if len(p) != 32:  # noqa: PLR2004
        return False
    y = int.from_bytes(p, "little") & ((1 << 255) - 1)
    canonical = y < (1 << 255) - 19
    return canonical and p != NEUTRAL and bool(bindings.crypto_core_ed25519_is_valid_point(p))


def scalar_ok(s: bytes) -> bool:
    """Say whether these 32 bytes are a number below q (E28)."""
    return len(s) == 32 and int.from_bytes(s, "little") < Q  # noqa: PLR2004


def num(s: bytes) -> int:
    """Return the number of 32 bytes, little-endian."""
    return int.from_bytes(s, "little")


def mul(k: int, p: bytes) -> bytes:
    """Return k*P."""
    k %= Q
    if k == 0 or p == NEUTRAL:
        return NEUTRAL
    return bindings.crypto_scalarmult_ed25519_noclamp(k.to_bytes(32, "little"), p)


def mul_g(k: int) -> bytes:
    """Return k*G."""
    k %= Q
    if k == 0:
        return NEUTRAL
    return bindings.crypto_scalarmult_ed25519_base_noclamp(k.to_bytes(32, "little"))


def plus(*points: bytes) -> bytes:
    """Return the sum of points."""
    total = points[0] if points else NEUTRAL
    for p in points[1:]:
        total = bindings.crypto_core_ed25519_add(total, p)
    return total


def minus(a: bytes, b: bytes) -> bytes:
    """Return A - B."""
    return bindings.crypto_core_ed25519_sub(a, b)


def h(tag: str, *items: bytes | int) -> int:
    """Return H(tag, items...): SHA-512 over the framed items, little-endian, mod q."""
    parts = [b"wijk/" + tag.encode("ascii")]
    parts += [x.to_bytes(32, "little") if isinstance(x, int) else x for x in items]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return int.from_bytes(hashlib.sha512(framed).digest(), "little") % Q
