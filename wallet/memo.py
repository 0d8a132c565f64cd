"""Memos: words for the payee alone, and a commitment to them on the chain (interfaces 4).

The memo and its key travel in a libsodium sealed box for the payee's account key, turned into an
X25519 key, and in the payer's receipt; never on the chain (architecture D14).
"""

from nacl import exceptions
from nacl.public import SealedBox
from nacl.signing import SigningKey, VerifyKey  # noqa: TID251 - to box with, not to sign or judge

from chain.codec import Digest, Record, decode, encode
from chain.errors import Malformed
from chain.texts import Problem
from wallet.outbox import SEALED_BYTES_MAX

MEMO_LENGTH_MAX = 140  # characters (interfaces 4)


class SealedMemo(Record, frozen=True):
    """What stands in the box: `[1, memo key, memo]`."""

    version: int
    memo_key: Digest
    memo: str


def check_memo(memo: str) -> str:
    """Return a memo that can be shown and fits, or raise `Problem` 1001."""
    if len(memo) > MEMO_LENGTH_MAX:
        raise Problem(1001, cause="memo-long")
    if not memo or not memo.isprintable():
        raise Problem(1001, cause="memo")
    return memo


def seal_memo(payee_key: bytes, memo_key: bytes, memo: str) -> bytes:
    """Return the box that only the holder of `payee_key`, an Ed25519 key, can open."""
    box = SealedBox(VerifyKey(payee_key).to_curve25519_public_key())
    sealed = bytes(box.encrypt(encode(SealedMemo(1, memo_key, memo))))
    assert len(sealed) <= SEALED_BYTES_MAX, "140 characters have at most 560 bytes"
    return sealed


def open_memo(seed: bytes, sealed: bytes) -> SealedMemo | None:
    """Return what was sealed for the key of `seed`; None for a box of somebody else's."""
    box = SealedBox(SigningKey(seed).to_curve25519_private_key())
    try:
        return decode(SealedMemo, bytes(box.decrypt(sealed)))
    except (exceptions.CryptoError, Malformed):
        return None
