"""Cosignatures of witnesses: C2SP tlog-cosignature v1, type 04 (interfaces 5.2).

A witness says: at this time I had seen this log head, and it went on from every head that I
cosigned before. It certifies no block and never counts towards a quorum; it keeps a chain from
showing different logs to different people.
"""

from collections.abc import Mapping

from chain.checkpoint import Note, from_base64, to_base64
from chain.crypto import KEY_BYTES, SIGNATURE_BYTES, is_valid_key, sha256, sign, verify
from chain.errors import Malformed

TYPE = b"\x04"
PREFIX = "witness/"  # of names: no validator and no log is called so
TIME_BYTES = 8
_ID_BYTES = 4
_VKEY_PARTS = 3


def name_witness(account: str) -> str:
    """Return the key name of a witness whose key is the first of `account` (bech32m)."""
    return PREFIX + account


def write_witness_vkey(name: str, key: bytes) -> str:
    """Return the public key of a witness as C2SP tools take it."""
    return f"{name}+{_key_id(name, key).hex()}+{to_base64(TYPE + key)}"


def read_witness_vkey(vkey: str) -> tuple[str, bytes]:
    """Return name and public key of a vkey in its one form, or raise `Malformed`."""
    parts = vkey.split("+", _VKEY_PARTS - 1)
    if len(parts) != _VKEY_PARTS or not parts[0].startswith(PREFIX) or " " in parts[0]:
        raise Malformed(f"vkey: not {PREFIX}<account>+<8 hex digits>+<base64>")
    name, _, encoded = parts
    typed = from_base64(encoded, "vkey")
    if typed[:1] != TYPE or len(typed) != 1 + KEY_BYTES or not is_valid_key(typed[1:]):
        raise Malformed(f"vkey of {name}: not the Ed25519 key of a witness")
    if write_witness_vkey(name, typed[1:]) != vkey:
        raise Malformed(f"vkey of {name}: its key id is that of another name or key")
    return name, typed[1:]


def cosigned_bytes(body: bytes, time_s: int) -> bytes:
    """Return what a witness signs of a note body: it says when, so a cosignature cannot age."""
    return f"cosignature/v1\ntime {time_s}\n".encode() + body


def cosign(text: str, body: bytes, name: str, key: bytes, seed: bytes, time_s: int) -> str:
    """Return the note `text` with body `body` and one line more, by this witness."""
    signature = sign(seed, cosigned_bytes(body, time_s))
    line = _key_id(name, key) + time_s.to_bytes(TIME_BYTES, "big") + signature
    return f"{text}— {name} {to_base64(line)}\n"


def find_cosignatures(note: Note, witnesses: Mapping[str, bytes]) -> dict[str, int]:
    """Return when each known witness cosigned, Unix seconds, the newest where it did twice.

    Raise `Malformed` where the line of a known witness is not by it: somebody tampered.
    """
    found: dict[str, int] = {}
    for line in note.lines:
        key = witnesses.get(line.name)
        if key is None or line.key_id != _key_id(line.name, key):
            continue
        moment, signature = line.signature[:TIME_BYTES], line.signature[TIME_BYTES:]
        time_s = int.from_bytes(moment, "big")
        right = len(signature) == SIGNATURE_BYTES and verify(
            key, cosigned_bytes(note.body, time_s), signature
        )
        if not right:
            raise Malformed(f"note: wrong cosignature of {line.name}")
        found[line.name] = max(time_s, found.get(line.name, 0))
    return found


def _key_id(name: str, key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + TYPE + key)[:_ID_BYTES]
