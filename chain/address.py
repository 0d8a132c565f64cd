"""Account ids and their text form: bech32m (BIP-350) with the prefix `wijk` (interfaces 0)."""

from functools import reduce
from operator import xor

from chain.crypto import sha256
from chain.errors import Malformed

ACCOUNT_BYTES = 20
PREFIX = "wijk"
TEXT_LENGTH = 43  # "wijk1", 32 characters of data, 6 of checksum

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_BECH32M = 0x2BC830A3
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# BIP-173 adds a generator for each bit that is shifted out; here is the sum for each five of them.
_REMAINDERS = [
    reduce(xor, (generator for i, generator in enumerate(_GENERATORS) if top >> i & 1), 0)
    for top in range(32)
]
_EXPANDED = [ord(c) >> 5 for c in PREFIX] + [0] + [ord(c) & 31 for c in PREFIX]


def account_id(first_key: bytes) -> bytes:
    """Return the account id, 20 bytes, of an account whose first public key is `first_key`.

    The id never changes when keys rotate (architecture D4).
    """
    return sha256(b"wijkchain/account" + first_key)[:ACCOUNT_BYTES]


def account_text(account: bytes) -> str:
    """Return the bech32m text of an account id, `wijk1...`, 43 characters."""
    bits = int.from_bytes(account, "big")
    data = [(bits >> shift) & 31 for shift in range(155, -1, -5)]
    check = _polymod(data + [0] * 6, _AFTER_PREFIX) ^ _BECH32M
    data += [(check >> shift) & 31 for shift in range(25, -1, -5)]
    return PREFIX + "1" + "".join(_ALPHABET[value] for value in data)


def parse_account(text: str) -> bytes:
    """Return the account id, 20 bytes, that `text` names, or raise `Malformed`."""
    if len(text) != TEXT_LENGTH or not text.startswith(PREFIX + "1"):
        raise Malformed("not an account id: it starts with wijk1 and has 43 characters")
    data = [_VALUES.get(letter, -1) for letter in text[len(PREFIX) + 1 :]]
    if -1 in data or _polymod(data, _AFTER_PREFIX) != _BECH32M:
        raise Malformed("account id with a wrong checksum: a letter was mistyped")
    bits = 0
    for value in data[:-6]:
        bits = bits << 5 | value
    return bits.to_bytes(ACCOUNT_BYTES, "big")


def _polymod(values: list[int], check: int = 1) -> int:
    for value in values:
        check = (check & 0x1FFFFFF) << 5 ^ value ^ _REMAINDERS[check >> 25]
    return check


_AFTER_PREFIX = _polymod(_EXPANDED)  # every text begins with the same prefix
