"""The text form of state keys, `keyspace/part/...`: what people, API and proofs name (5.5).

An account is bech32m, another id hex, a number decimal, a string itself (interfaces 5.5). The
text alone does not tell a number from a text of digits; the keyspace does. So one text names one
key: else a proof that some other key is absent would pass for a balance of nothing.
"""

import re
from typing import Any

import msgspec

from chain.address import ACCOUNT_BYTES, PREFIX, TEXT_LENGTH, account_text, parse_account
from chain.checkpoint import HASH_BYTES, read_uint, to_bytes
from chain.codec import decode, encode
from chain.errors import Malformed

KEY_TEXT_BYTES_MAX = 1024  # the longest key takes less than a fifth
PARTS_MAX = 5
# Keyspaces whose second part is a number.
NUMBERED = frozenset(
    {
        *("seat", "statement", "vote", "voters", "elect", "acc", "table", "paid", "step"),
        *("measure", "candidate", "keycommit", "keydeal", "share", "acceptance"),
        *("keyanswer", "pastkey"),
    }
)

_BIN_8 = 0xC4  # how the canonical msgpack of up to 255 bytes begins
_HEX_ID = re.compile(r"[0-9a-f]{64}")


def key_text(key_bytes: bytes) -> str:
    """Return the text form of key bytes, or raise `Malformed`."""
    return "/".join(_part_text(bytes(part)) for part in decode(list[msgspec.Raw], key_bytes))


def parse_key(text: str) -> list[bytes | int | str]:
    """Return the parts of the one key that `text` names, or raise `Malformed`."""
    to_bytes(text, KEY_TEXT_BYTES_MAX, "state key")
    words = text.split("/")
    if not 0 < len(words) <= PARTS_MAX or not all(words):
        raise Malformed("a state key is keyspace/part/...")
    parts: list[bytes | int | str] = [words[0]]
    for place, word in enumerate(words[1:], start=1):
        if place == 2 and words[0] in NUMBERED:  # noqa: PLR2004
            parts.append(read_uint(word, "state key"))
        elif len(word) == TEXT_LENGTH and word.startswith(PREFIX + "1"):
            parts.append(parse_account(word))
        elif _HEX_ID.fullmatch(word):
            parts.append(bytes.fromhex(word))
        else:
            parts.append(word)
    assert key_text(encode(parts)) == text, "a state key has one text form"
    return parts


def _part_text(part: bytes) -> str:
    if part[0] != _BIN_8:
        text_or_number: Any = str | int
        return str(decode(text_or_number, part))
    octets = decode(bytes, part)
    if len(octets) == ACCOUNT_BYTES:
        return account_text(octets)
    if len(octets) != HASH_BYTES:
        raise Malformed(f"key bytes: an id of {len(octets)} bytes")
    return octets.hex()
