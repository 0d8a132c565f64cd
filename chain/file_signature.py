"""Signatures over files, apart from the file (interfaces 1.6, `wijk keys sign|verify`).

What is signed is canonical msgpack `["wijk.file.1", SHA-256 of the file]`, so it is never a
transaction, a vote or the proof of a key. It says who signed, and nothing about when or where.
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import encode
from chain.crypto import SIGNATURE_BYTES, is_valid_key, sha256, sign, verify
from chain.errors import Malformed
from chain.strict_json import parse_json
from chain.texts import Problem

SIGNATURE_FILE_BYTES_MAX = 4 * 1024
SIGNED_BYTES_MAX = 64 * 1024 * 1024  # it is read whole, to be looked at once
_SUFFIX = ".sig.json"
_HEX64 = rf"\A[0-9a-f]{{{2 * SIGNATURE_BYTES}}}\Z"


class FileSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a signature file holds; key and signature in hex."""

    format: Literal["wijk/file-signature/1"]
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    public_key: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    signature: Annotated[str, msgspec.Meta(pattern=_HEX64)]


def file_bytes(digest: bytes) -> bytes:
    """Return what is signed of a file with this SHA-256."""
    return encode(["wijk.file.1", digest])


def signature_name(file_name: str) -> str:
    """Return what the signature of a file is called, beside it."""
    return file_name + _SUFFIX


def sign_file(data: bytes, public_key: str, seed: bytes) -> FileSignature:
    """Return the signature over the content of a file."""
    digest = sha256(data)
    return FileSignature(
        format="wijk/file-signature/1",
        sha256=digest.hex(),
        public_key=public_key,
        signature=sign(seed, file_bytes(digest)).hex(),
    )


def check_file(data: bytes, made: FileSignature) -> None:
    """Raise `Problem` 5001 unless the signature is that of this content."""
    digest, key = sha256(data), bytes.fromhex(made.public_key)
    if made.sha256 != digest.hex():
        raise Problem(5001, reason="file")
    if not is_valid_key(key) or not verify(key, file_bytes(digest), bytes.fromhex(made.signature)):
        raise Problem(5001, reason="signature")


def encode_signature(made: FileSignature) -> bytes:
    """Return the bytes of a signature file."""
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def decode_signature(data: bytes) -> FileSignature:
    """Return the signature in a file from outside, or raise `Problem` 5001."""
    try:
        return parse_json(data, FileSignature)
    except Malformed as error:
        raise Problem(5001, reason="unreadable") from error
