"""Hashes and the one Ed25519 verifier of the chain (architecture D2, reliability K1..K8).

`verify` is the only function in the project that judges a signature of the chain. Libraries
disagree on crafted signatures, so a second verifier could fork the chain.
"""

import hashlib

from nacl import bindings, signing
from nacl.exceptions import BadSignatureError

KEY_BYTES = 32
SIGNATURE_BYTES = 64


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def blake2b(data: bytes, *, key: bytes = b"", size: int = 32) -> bytes:
    """Return the keyed BLAKE2b of `data`, `size` bytes."""
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def public_key(seed: bytes) -> bytes:
    """Return the public key, 32 bytes, of the secret `seed`, 32 bytes."""
    return bytes(signing.SigningKey(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the Ed25519 signature (RFC 8032), 64 bytes, of `message` under the secret `seed`."""
    return signing.SigningKey(seed).sign(message).signature


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether `signature` is `key`'s over `message`, by the rule of reliability K2.

    Hostile bytes never raise (K6). Lengths are checked here first (K4).
    """
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, key)
    except (BadSignatureError, ValueError, RuntimeError):
        return False
    return True


def is_valid_key(key: bytes) -> bool:
    """Say whether `key` is canonical, on the curve, in the main group and not of small order.

    Asked of every key before the chain admits it (consensus M3).
    """
    return len(key) == KEY_BYTES and bindings.crypto_core_ed25519_is_valid_point(key)
