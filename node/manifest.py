"""LevelDB's list of its tables, the file MANIFEST, and what a power cut leaves at its end (Y22).

LevelDB appends one record to it, an edit, when a background thread has written new tables. Then it
syncs the folder, then the file, and only then removes the tables and the log that the edit
replaces. So an edit may be torn, or be there without its tables, and LevelDB refuses both in every
mode, though the store's data is all there. Without that edit the list is the one before, and what
that one names is still there: the tables of the edit are left over, its log is read again.

The format is LevelDB's log format. Blocks of 32 KiB hold parts, no part crosses a block:

    checksum 4 | length 2 | kind 1 | data        kind: whole 1, first 2, middle 3, last 4
"""

import re
from pathlib import Path
from typing import NamedTuple

from node.disk import Disk, StoreDamaged, failing

BLOCK_BYTES = 32 << 10
TORN_BYTES_MAX = 256 << 10  # of an edit, which names some 30 tables in 600 bytes each
_HEADER_BYTES = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LOG_NUMBER, _NEW_TABLE = 2, 7  # tags of an edit's fields
_FIELDS = {1: "b", 2: "n", 3: "n", 4: "n", 5: "nb", 6: "nn", 7: "nnnbb", 9: "n"}  # number, bytes
_CURRENT = re.compile(rb"(MANIFEST-[0-9]+)\n")
_CRC_MASK = 0xA282EAD8  # LevelDB stores no plain checksum: data may hold checksums itself


class Records(NamedTuple):
    """The last whole record of a manifest, where it begins and ends, and the record before it."""

    before: bytes
    begin: int
    last: bytes
    end: int


class Edit(NamedTuple):
    """What an edit says: the oldest log that is needed from then on, and the tables it adds."""

    log: int | None
    tables: tuple[int, ...]


def cut_unfinished_edit(folder: Path, disk: Disk) -> None:
    """Take the edit that a power cut left unfinished from the manifest in `folder`. For copies.

    Raises `StoreDamaged` where no power cut can have made it so: another record follows, or the log
    that the list before names is gone. That a table of that list is gone LevelDB itself notices.
    """
    current = folder / "CURRENT"
    with failing(f"read {folder}"):
        named = _CURRENT.fullmatch(current.read_bytes()) if disk.exists(current) else None
        if named is None or not disk.exists(path := folder / named[1].decode()):
            return  # that is another damage, and opening the store says which
        data = path.read_bytes()
    found = read_records(data)
    if found.end < len(data):
        if _has_record(data, found.end):
            raise StoreDamaged(f"{path}: damaged before its end, which no power cut does")
        end, kept = found.end, found.last
    elif all(disk.exists(folder / f"{table:06}.ldb") for table in read_edit(found.last).tables):
        return
    else:
        end, kept = found.begin, found.before
    log = read_edit(kept).log
    if log is None or not disk.exists(folder / f"{log:06}.log"):
        raise StoreDamaged(f"{path}: its last edit is damaged, and what that replaced is gone")
    file = disk.open(path)
    disk.cut(file, end)
    disk.close(file)


def read_records(data: bytes) -> Records:
    """Walk the records of a manifest up to the first that is not whole."""
    before, last = b"", b""
    at = begin = begun = end = 0
    parts: list[bytes] = []
    while (part := _read_part(data, _skip_trailer(at))) is not None:
        kind, payload = part
        if (kind in (_WHOLE, _FIRST)) == bool(parts):
            break  # it does not follow the one before
        if not parts:
            begun = at
        at = _skip_trailer(at) + _HEADER_BYTES + len(payload)
        parts.append(payload)
        if kind in (_WHOLE, _LAST):
            before, last = last, b"".join(parts)
            begin, end, parts = begun, at, []
    return Records(before, begin, last, end)


def read_edit(edit: bytes) -> Edit:
    """Read a record of a manifest, or raise `StoreDamaged`."""
    log = None
    tables = []
    at = 0
    try:
        while at < len(edit):
            tag, at = _read_number(edit, at)
            numbers = []
            for field in _FIELDS[tag]:
                number, at = _read_number(edit, at)
                numbers.append(number)
                if field == "b":
                    at += number
            if tag == _LOG_NUMBER:
                log = numbers[0]
            elif tag == _NEW_TABLE:
                tables.append(numbers[1])  # after its level
    except (KeyError, IndexError):
        at = -1
    if at != len(edit):
        raise StoreDamaged("the manifest holds an edit that cannot be read")
    return Edit(log, tuple(tables))


def _read_number(edit: bytes, at: int) -> tuple[int, int]:
    """Return a number, 7 bits in each byte and the lowest first, and where it ends."""
    number = shift = 0
    while edit[at] & 0x80:
        number |= (edit[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | edit[at] << shift, at + 1


def _has_record(data: bytes, end: int) -> bool:
    """Say whether a record begins anywhere behind the torn one, which begins at `end`.

    The length of the torn one is not to be trusted, so every byte is looked at.
    """
    if len(data) - end > TORN_BYTES_MAX:
        return True
    after = range(_skip_trailer(end) + 1, len(data))
    found = (_read_part(data, at) for at in after if data[at + 6 : at + 7] in (b"\1", b"\2"))
    return any(part is not None for part in found)


def _skip_trailer(at: int) -> int:
    """Go to the next block where this one has no room for a header."""
    left = BLOCK_BYTES - at % BLOCK_BYTES
    return at + left if left < _HEADER_BYTES else at


def _read_part(data: bytes, at: int) -> tuple[int, bytes] | None:
    """Return kind and data of the part at `at`, or None where there is no whole one."""
    header = data[at : at + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or not _WHOLE <= header[6] <= _LAST:
        return None
    begin = at + _HEADER_BYTES
    end = begin + int.from_bytes(header[4:6], "little")
    if end > len(data) or end > at - at % BLOCK_BYTES + BLOCK_BYTES:
        return None
    crc = crc32c(data[begin - 1 : end])
    masked = ((crc >> 15 | crc << 17) + _CRC_MASK) & 0xFFFFFFFF
    if masked != int.from_bytes(header[:4], "little"):
        return None
    return header[6], data[begin:end]


def _make_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # noqa: PLW2901 - shifted in place
        table.append(crc)
    return tuple(table)


_TABLE = _make_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of `data` (RFC 3720, appendix B.4); the one of zlib is another."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
