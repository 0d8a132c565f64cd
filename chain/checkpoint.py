"""Checkpoints as text: the bytes a Commit signs, and the C2SP signed note made of a quorum of them.

One Commit signature is a vote and may lose to a later round; only a quorum over the identical
body is a checkpoint (consensus M5, M15, interfaces 5.2). Who counts stands in `chain/policy.py`.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chain.crypto import KEY_BYTES, is_valid_key, sha256, verify
from chain.errors import Malformed

NOTE_BYTES_MAX = 64 * 1024  # 100 validators with the longest names take 20 KiB; witnesses the rest
SIGNATURE_LINES_MAX = 100  # interfaces 5.2: one for each validator of the largest set
UINT_MAX = 2**63 - 1
HASH_BYTES = 32

_KEY_ID_BYTES = 4
_ED25519 = b"\x01"  # the signature type of C2SP signed-note
_DASH = "— "
_CHAIN_ID = re.compile(r"[a-z][a-z0-9-]{2,31}")
_VALIDATOR_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_UINT = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a note body says: the log after a block, and the block and round it was decided in."""

    chain_id: str
    log_size: int
    log_root: bytes
    height: int
    round: int
    block_id: bytes


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line under a note: whose it says it is, and the signature, not yet judged."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note taken apart: the bytes that are signed, and the lines under them."""

    body: bytes
    lines: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class SignatureCount:
    """How many known keys signed a note, and how many of its lines are by unknown keys."""

    valid: int
    unknown: int


def commit_bytes(
    chain_id: str, log_size: int, log_root: bytes, height: int, round_: int, block_id: bytes
) -> bytes:
    """Return what a Commit signs: the note body of C2SP tlog-checkpoint (consensus M5)."""
    root, block = to_base64(log_root), to_base64(block_id)
    return f"{origin(chain_id)}\n{log_size}\n{root}\nblock {height} {round_} {block}\n".encode()


def origin(chain_id: str) -> str:
    """Return the name of a chain's log. No key name equals it, so no vote passes for the log's."""
    return f"wijkchain/{chain_id}"


def key_name(chain_id: str, validator: str) -> str:
    """Return the name of a validator's key in notes."""
    return f"{origin(chain_id)}/{validator}"


def key_id(name: str, key: bytes) -> bytes:
    """Return the 4 bytes that lead a signature, so that readers find its key (consensus M15)."""
    return sha256(name.encode() + b"\n" + _ED25519 + key)[:_KEY_ID_BYTES]


def write_vkey(name: str, key: bytes) -> str:
    """Return the public key as C2SP tools take it: name, key id in hex, type and key in base64."""
    return f"{name}+{key_id(name, key).hex()}+{to_base64(_ED25519 + key)}"


def read_vkey(vkey: str) -> tuple[str, bytes]:
    """Return key name and public key of a vkey in its one form, or raise `Malformed`."""
    parts = vkey.split("+", 2)
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):  # noqa: PLR2004
        raise Malformed("vkey: not <name>+<8 hex digits>+<base64>")
    name, _, encoded = parts
    _check_key_name(name)
    typed = from_base64(encoded, "vkey")
    if len(typed) != 1 + KEY_BYTES or typed[:1] != _ED25519 or not is_valid_key(typed[1:]):
        raise Malformed(f"vkey of {name}: not a sound Ed25519 key")
    if write_vkey(name, typed[1:]) != vkey:
        raise Malformed(f"vkey of {name}: its key id is that of another name or key")
    return name, typed[1:]


def is_validator_key_name(name: str, chain_id: str) -> bool:
    """Say whether `name` is the key name of some validator of this chain."""
    prefix = origin(chain_id) + "/"
    return name.startswith(prefix) and bool(_VALIDATOR_NAME.fullmatch(name[len(prefix) :]))


def is_chain_id(text: str) -> bool:
    """Say whether `text` can name a chain (consensus M5)."""
    return bool(_CHAIN_ID.fullmatch(text))


def write_note(body: bytes, signatures: Iterable[tuple[str, bytes, bytes]], quorum: int) -> str:
    """Return the signed note over `body`: (key name, public key, signature) for each signer.

    Fewer than `quorum` signers is our own bug: one vote is no checkpoint (consensus M15).
    """
    lines = [
        f"{_DASH}{name} {to_base64(key_id(name, key) + signature)}\n"
        for name, key, signature in signatures
    ]
    assert len(lines) >= quorum, "a checkpoint never leaves with fewer signatures than a quorum"
    return body.decode() + "\n" + "".join(lines)


def read_note(text: str) -> Note:
    """Take a signed note apart, or raise `Malformed`. No signature is judged here."""
    to_bytes(text, NOTE_BYTES_MAX, "note")
    if _CONTROL.search(text):
        raise Malformed("note: holds a control character")
    at = text.rfind("\n\n")
    if at < 0 or not text.endswith("\n"):
        raise Malformed("note: no signatures below a blank line")
    body, below = text[: at + 1], text[at + 2 : -1]
    lines = below.split("\n") if below else []
    if not 0 < len(lines) <= SIGNATURE_LINES_MAX:
        raise Malformed(f"note: {len(lines)} signature lines; 1 to {SIGNATURE_LINES_MAX}")
    return Note(body.encode(), tuple(_read_line(line) for line in lines))


def read_body(body: bytes) -> Checkpoint:
    """Return what a note body says, or raise `Malformed` for any but its one form (M5)."""
    try:
        lines = body.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("checkpoint: not UTF-8") from error
    if len(lines) != 5 or lines[4]:  # noqa: PLR2004 - four lines, each ended
        raise Malformed("checkpoint: not four lines")
    words = lines[3].split(" ")
    if len(words) != 4 or words[0] != "block":  # noqa: PLR2004
        raise Malformed("checkpoint: the fourth line is not block, height, round and id")
    prefix, _, chain_id = lines[0].partition("/")
    if prefix != "wijkchain" or not is_chain_id(chain_id):
        raise Malformed("checkpoint: not of a wijkchain")
    checkpoint = Checkpoint(
        chain_id=chain_id,
        log_size=read_uint(lines[1], "log size"),
        log_root=_read_hash(lines[2], "log root"),
        height=read_uint(words[1], "height"),
        round=read_uint(words[2], "round"),
        block_id=_read_hash(words[3], "block id"),
    )
    if write_body(checkpoint) != body:
        raise Malformed("checkpoint: not in its one form")
    return checkpoint


def write_body(checkpoint: Checkpoint) -> bytes:
    """Return the note body of `checkpoint`, the reverse of `read_body`."""
    return commit_bytes(
        checkpoint.chain_id,
        checkpoint.log_size,
        checkpoint.log_root,
        checkpoint.height,
        checkpoint.round,
        checkpoint.block_id,
    )


def count_signatures(note: Note, keys: Mapping[str, bytes]) -> SignatureCount:
    """Count the distinct known keys (by key name) that signed; unknown ones are passed over.

    Raise `Malformed` where a known key's signature is wrong: somebody tampered (interfaces 5.2).
    """
    valid: set[bytes] = set()
    unknown = 0
    for line in note.lines:
        key = keys.get(line.name)
        if key is None or key_id(line.name, key) != line.key_id:
            unknown += 1
        elif verify(key, note.body, line.signature):
            valid.add(key)
        else:
            raise Malformed(f"note: wrong signature of {line.name}")
    return SignatureCount(len(valid), unknown)


def to_base64(data: bytes) -> str:
    """Return standard base64 with padding, the only kind in texts of this chain."""
    return b64encode(data).decode()


def from_base64(text: str, what: str) -> bytes:
    """Return the bytes whose base64 is exactly `text`, or raise `Malformed` naming `what`."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed(f"{what}: not base64") from error
    if to_base64(data) != text:
        raise Malformed(f"{what}: not base64 in its one form")
    return data


def read_uint(text: str, what: str) -> int:
    """Return the number that `text` writes in decimal without leading zeros, below 2^63."""
    if not _UINT.fullmatch(text) or int(text) > UINT_MAX:
        raise Malformed(f"{what}: not a whole number")
    return int(text)


def to_bytes(text: bytes | str, bytes_max: int, what: str) -> bytes:
    """Return a text from outside as bytes, or raise `Malformed` where it is too long to look at."""
    if len(text) <= bytes_max:
        try:
            data = text.encode() if isinstance(text, str) else text
        except UnicodeEncodeError as error:
            raise Malformed(f"{what}: not UTF-8") from error
        if len(data) <= bytes_max:
            return data
    raise Malformed(f"{what}: more than {bytes_max} bytes")


def _read_line(line: str) -> SignatureLine:
    words = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(words) != 2:  # noqa: PLR2004
        raise Malformed("note: a signature line is a dash, a name and a signature")
    name, encoded = words
    _check_key_name(name)
    data = from_base64(encoded, "note: signature")
    if len(data) <= _KEY_ID_BYTES:
        raise Malformed("note: a signature line without a signature")
    return SignatureLine(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _check_key_name(name: str) -> None:
    if not name or "+" in name or any(letter.isspace() for letter in name):
        raise Malformed("a key name is not empty and holds no space and no plus")


def _read_hash(text: str, what: str) -> bytes:
    data = from_base64(text, what)
    if len(data) != HASH_BYTES:
        raise Malformed(f"{what}: not 32 bytes")
    return data
