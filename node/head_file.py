"""The head file: a record outside the store of how far it was acked (reliability Y19, Y20, Y26).

A store can lose its last blocks without noticing (Y4, Y31). So after each block's batch the new
head is appended here and synced, before anybody hears "final", and a start compares the two.

Slots of 512 bytes, chained as those of the guard (consensus D1):

    length 2 | canonical record | zeros | checksum 16

The checksum is BLAKE2b-128 over the checksum of the slot before and the 496 bytes above it. Slot 0
binds the file to one chain and one instance; a compacted file has the last head as slot 1.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from chain.codec import Digest, Record, Uint, decode, encode
from chain.crypto import blake2b
from chain.errors import Malformed
from node.disk import DISK, Disk, StorageError, StoreDamaged
from node.slot_file import SLOT_BYTES, SlotFile, create_slot_file, open_slot_file

CHECKSUM_BYTES = 16
INSTANCE_BYTES = 16
COMPACT_SLOTS = 4_096  # 2 MiB, read in a millisecond at the start
_SLOTS_MIN = 2  # the binding and one head: no file is made with less
_CONTENT_BYTES = SLOT_BYTES - CHECKSUM_BYTES
_LENGTH_BYTES = 2
_FIRST_CHECKSUM = bytes(CHECKSUM_BYTES)

Instance = Annotated[bytes, msgspec.Meta(min_length=INSTANCE_BYTES, max_length=INSTANCE_BYTES)]


class HeadBinding(Record, frozen=True, tag="wijk.head.1"):
    """Slot 0: whose head this is."""

    genesis_digest: Digest
    instance: Instance


class Head(Record, frozen=True, tag="wijk.head-slot.1"):
    """One block that was made durable. `sequence` counts slots over the life of the file."""

    sequence: Uint
    height: Uint
    block_id: Digest
    log_root: Digest
    state_root: Digest
    instance: Instance


_Kind = TypeVar("_Kind", HeadBinding, Head)


class HeadForeign(StorageError):
    """The head file of another chain or another node lies here: stop (reliability Y20)."""


class HeadVerdict(Enum):
    """What the head file says about the store (reliability Y20)."""

    OK = "ok"  # the store stands at the last acked block, or one further
    LOST = "lost"  # acked blocks are gone from the store: Y22, Y23
    FOREIGN = "foreign"  # store and head file do not belong together: stop


class ReadHeads(NamedTuple):
    """A head file as read: its heads, the checksum of the last, and how many bytes are good."""

    binding: HeadBinding
    heads: tuple[Head, ...]
    checksum: bytes
    good_bytes: int


def judge_head(
    store_height: int, store_block_id: bytes, heads: tuple[Head, ...], joined: int = 0
) -> HeadVerdict:
    """Compare the store's head with the `heads` of the file, of which there is at least one.

    `joined` is the height of a proved snapshot with which the store began: its first start finds
    the head file where the store before it stood (ADR 0051).
    """
    if any(h.height == store_height and h.block_id != store_block_id for h in heads):
        return HeadVerdict.FOREIGN
    acked = heads[-1].height
    if store_height < acked:
        return HeadVerdict.LOST
    return HeadVerdict.OK if store_height <= max(acked + 1, joined) else HeadVerdict.FOREIGN


def encode_head_slot(checksum: bytes, record: HeadBinding | Head) -> tuple[bytes, bytes]:
    """Return the 512 bytes of `record` after a slot with `checksum`, and its own checksum."""
    data = encode(record)
    content = (len(data).to_bytes(_LENGTH_BYTES, "big") + data).ljust(_CONTENT_BYTES, b"\0")
    own = blake2b(checksum + content, size=CHECKSUM_BYTES)
    return content + own, own


def read_heads(data: bytes) -> ReadHeads:
    """Return what a head file with the bytes `data` says, or raise `StoreDamaged`.

    A last slot that is short, or whose checksum is all zero, is a torn append, and good bytes end
    before it: nothing was acked on it. Any other bad slot is damage (reliability Y26).
    """
    whole, rest = divmod(len(data), SLOT_BYTES)
    if whole and not rest and data[-CHECKSUM_BYTES:] == _FIRST_CHECKSUM:
        whole -= 1
    if whole < _SLOTS_MIN:
        raise StoreDamaged("the head file holds no whole head")
    binding, checksum = _decode(HeadBinding, 0, data[:SLOT_BYTES], _FIRST_CHECKSUM)
    heads: list[Head] = []
    for index in range(1, whole):
        raw = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]
        head, checksum = _decode(Head, index, raw, checksum)
        if heads and not (
            head.sequence == heads[-1].sequence + 1 and head.height > heads[-1].height
        ):
            raise StoreDamaged(f"head slot {index} does not follow the one before")
        if head.instance != binding.instance:
            raise StoreDamaged(f"head slot {index} is of another instance")
        heads.append(head)
    return ReadHeads(binding, tuple(heads), checksum, whole * SLOT_BYTES)


class HeadFile:
    """An open head file. Its last slot is what this node has promised to keep."""

    def __init__(self, file: SlotFile, read: ReadHeads) -> None:
        self._file = file
        self._binding = read.binding
        self._last = read.heads[-1]
        self._slots = len(read.heads)
        self._checksum = read.checksum

    @property
    def last(self) -> Head:
        """The highest acked head."""
        return self._last

    def append(self, height: int, block_id: bytes, log_root: bytes, state_root: bytes) -> None:
        """Make a new head durable; its block's batch is durable already (consensus D3).

        `height` is above the last one: a node that refetches what it lost appends nothing until
        it is further than it ever was.
        """
        assert height > self.last.height, f"head file: {height} after {self.last.height}"
        if self._slots >= COMPACT_SLOTS:
            self._compact()
        head = Head(
            self.last.sequence + 1, height, block_id, log_root, state_root, self._binding.instance
        )
        slot, checksum = encode_head_slot(self._checksum, head)
        self._file.append(slot)
        self._last = head
        self._slots += 1
        self._checksum = checksum

    def close(self) -> None:
        """Release the file and its lock."""
        self._file.close()

    def _compact(self) -> None:
        data, self._checksum = _encode_file(self._binding, self.last)
        self._file.replace(data)
        self._slots = 1


def create_head_file(
    path: Path,
    binding: HeadBinding,
    height: int,
    block_id: bytes,
    roots: tuple[bytes, bytes],
    disk: Disk = DISK,
) -> HeadFile:
    """Make a new head file, which must not exist yet, for a store that stands at `height`.

    At genesis, or where a backup was restored. `roots` are the log root and the state root.
    """
    head = Head(0, height, block_id, *roots, binding.instance)
    data, checksum = _encode_file(binding, head)
    file = create_slot_file(path, data, disk)
    return HeadFile(file, ReadHeads(binding, (head,), checksum, len(data)))


def open_head_file(path: Path, binding: HeadBinding, disk: Disk = DISK) -> HeadFile:
    """Open the head file of `binding`, cutting a torn append.

    Raises `StoreDamaged` when it is missing or not what was written, `HeadForeign` when it is of
    another chain or instance, `Busy` when another process has it.
    """
    if not disk.exists(path):
        raise StoreDamaged(f"{path}: the head file is missing")
    file, data = open_slot_file(path, disk)
    try:
        read = read_heads(data)
        if read.binding != binding:
            raise HeadForeign(f"{path}: the head file belongs to another chain or another node")
        if read.good_bytes < len(data):
            file.cut(read.good_bytes)
    except StoreDamaged as error:
        file.close()
        raise StoreDamaged(f"{path}: {error}") from error
    except BaseException:
        file.close()
        raise
    return HeadFile(file, read)


def _encode_file(binding: HeadBinding, head: Head) -> tuple[bytes, bytes]:
    first, checksum = encode_head_slot(_FIRST_CHECKSUM, binding)
    second, checksum = encode_head_slot(checksum, head)
    return first + second, checksum


def _decode(kind: type[_Kind], index: int, raw: bytes, checksum: bytes) -> tuple[_Kind, bytes]:
    length = int.from_bytes(raw[:_LENGTH_BYTES], "big")
    try:
        record = decode(kind, raw[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except Malformed as error:
        raise StoreDamaged(f"head slot {index} is unreadable") from error
    encoded, own = encode_head_slot(checksum, record)
    if encoded != raw:
        raise StoreDamaged(f"head slot {index} has a wrong checksum")
    return record, own
