"""Frames: what a link carries, how large each kind may be, and how often (reliability Z7, Z13).

    u32 big-endian length | u8 kind | canonical bytes of one record

The length counts the kind and the record. It is compared with the cap of the kind before
anything of the record is kept, and before the hello with the cap of a hello. Pure: the sockets
are in `node/link.py`, the quotas in `node/flow.py`.
"""

import struct
from collections import deque
from enum import IntEnum
from typing import NamedTuple

from chain.codec import Record, decode, encode
from chain.errors import Malformed
from chain.validators import CommitCertificate, PreparedCertificate
from consensus.messages import (
    ProvenRoundChange,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
)
from node.messages import (
    BATCH_BYTES_MAX,
    IDS_MAX,
    BlockRange,
    BodyAnswer,
    BodyRequest,
    Bye,
    CertificateNote,
    ChunkAnswer,
    ChunkRequest,
    EvidenceNote,
    HeadersAnswer,
    HeadersRequest,
    Hello,
    ManifestAnswer,
    ManifestRequest,
    RangeRequest,
    SaidAnswer,
    SaidRequest,
    SnapshotsAnswer,
    SnapshotsRequest,
    TxAnnounce,
    TxAnswer,
    TxBatch,
    TxRequest,
)

KIB = 1024
LENGTH_BYTES = 4
HEAD_BYTES = LENGTH_BYTES + 1
# A full block: 1 MiB of transactions and 12 KiB of their lengths, 256 KiB of body, certificate,
# header. Larger than the 512 KiB of consensus B7, which holds for every other kind.
BLOCK_FRAME_BYTES_MAX = 1536 * KIB
TX_FRAME_BYTES_MAX = 272 * KIB  # 256 KiB of envelopes and the lengths of 4,000

_HEAD = struct.Struct(">IB")


class Lane(IntEnum):
    """Who goes first on a link, and who is dropped last (reliability Z12)."""

    VOTES = 0
    BLOCKS = 1
    TRANSACTIONS = 2


class Kind(NamedTuple):
    """A kind of frame. Rates are frames per second and link, each way.

    `per_second` None: a quota of another sort. A greeting comes once; an answer comes only while
    a request of the type `answers` is open.
    """

    code: int
    label: str  # in metrics: wijk_messages_dropped_total{kind}
    record: type[Record]
    bytes_max: int
    per_second: int | None
    lane: Lane
    answers: type[Record] | None = None
    latest_only: bool = False  # a queued one is replaced by a newer one
    merges: str | None = None  # queued ones are sent as one: the field that holds the items


# The start values of reliability Z13. Rows that are not in its table: votes' certificates are
# as rare as round changes, announcements as requests.
KINDS = (
    Kind(1, "hello", Hello, 4 * KIB, None, Lane.VOTES),
    Kind(2, "bye", Bye, 64, None, Lane.VOTES),
    Kind(17, "prepare", SignedPrepare, KIB, 64, Lane.VOTES),
    Kind(18, "commit", SignedCommit, KIB, 64, Lane.VOTES),
    Kind(19, "round_change", SignedRoundChange, KIB, 64, Lane.VOTES),
    Kind(20, "proven_round_change", ProvenRoundChange, 64 * KIB, 8, Lane.VOTES),
    Kind(21, "prepared_certificate", PreparedCertificate, 16 * KIB, 8, Lane.VOTES),
    Kind(22, "commit_certificate", CommitCertificate, 16 * KIB, 8, Lane.VOTES),
    Kind(23, "certificate_note", CertificateNote, 32 * KIB, 8, Lane.VOTES),
    Kind(24, "proposal", SignedProposal, 512 * KIB, 4, Lane.VOTES),
    # After them: what a peer's start gate counts comes behind what its own key said (D9, D10).
    Kind(16, "status", Status, 16 * KIB, 2, Lane.VOTES, latest_only=True),
    Kind(32, "body_request", BodyRequest, 64, 20, Lane.BLOCKS),
    Kind(33, "body_answer", BodyAnswer, 257 * KIB, None, Lane.BLOCKS, answers=BodyRequest),
    Kind(34, "tx_request", TxRequest, 64 * KIB, 20, Lane.BLOCKS),
    Kind(35, "tx_answer", TxAnswer, TX_FRAME_BYTES_MAX, None, Lane.BLOCKS, answers=TxRequest),
    Kind(36, "range_request", RangeRequest, 64, 20, Lane.BLOCKS),
    Kind(37, "block_range", BlockRange, BLOCK_FRAME_BYTES_MAX, None, Lane.BLOCKS, RangeRequest),
    Kind(38, "evidence", EvidenceNote, 65 * KIB, 64, Lane.BLOCKS),
    Kind(39, "said_request", SaidRequest, 128, 4, Lane.BLOCKS),
    Kind(40, "said", SaidAnswer, 257 * KIB, None, Lane.BLOCKS, answers=SaidRequest),
    Kind(50, "snapshots_request", SnapshotsRequest, 64, 20, Lane.BLOCKS),
    Kind(51, "snapshots", SnapshotsAnswer, KIB, None, Lane.BLOCKS, SnapshotsRequest),
    Kind(52, "manifest_request", ManifestRequest, 64, 20, Lane.BLOCKS),
    Kind(53, "manifest", ManifestAnswer, 321 * KIB, None, Lane.BLOCKS, ManifestRequest),
    Kind(54, "chunk_request", ChunkRequest, 96, 20, Lane.BLOCKS),
    Kind(55, "chunk", ChunkAnswer, 257 * KIB, None, Lane.BLOCKS, ChunkRequest),
    Kind(56, "headers_request", HeadersRequest, 64, 20, Lane.BLOCKS),
    Kind(57, "headers", HeadersAnswer, 288 * KIB, None, Lane.BLOCKS, HeadersRequest),
    Kind(48, "tx_announce", TxAnnounce, 144 * KIB, 20, Lane.TRANSACTIONS, merges="tx_ids"),
    Kind(49, "tx_batch", TxBatch, TX_FRAME_BYTES_MAX, 40, Lane.TRANSACTIONS, merges="envelopes"),
)
HELLO, BYE = KINDS[:2]

_BY_CODE = {kind.code: kind for kind in KINDS}
_BY_RECORD = {kind.record: kind for kind in KINDS}
_LENGTH_MAX = max(kind.bytes_max for kind in KINDS) + 1


def encode_frame(message: Record) -> tuple[Kind, bytes]:
    """Return the kind of `message` and its whole frame. Too large a message is our own bug."""
    kind = _BY_RECORD[type(message)]
    record = encode(message)
    assert len(record) <= kind.bytes_max, f"{kind.label} of {len(record)} bytes"
    return kind, _HEAD.pack(len(record) + 1, kind.code) + record


def decode_record(kind: Kind, record: bytes) -> Record:
    """Return the typed record of a frame, or raise `Malformed` (reliability Z8)."""
    return decode(kind.record, record)


def merge_first(kind: Kind, frames: deque[bytes]) -> tuple[bytes, int]:
    """Take frames of one merging kind from the left; return one frame of them all, and their bytes.

    At least one is taken; more while the items of all fit `IDS_MAX` and `BATCH_BYTES_MAX`.
    """
    frame = frames.popleft()
    size = len(frame)
    if not frames:
        return frame, size
    items = _items(kind, frame)
    while frames and size + len(frames[0]) <= BATCH_BYTES_MAX:
        more = _items(kind, frames[0])
        if len(items) + len(more) > IDS_MAX:
            break
        items += more
        size += len(frames.popleft())
    return encode_frame(kind.record(items))[1], size


def _items(kind: Kind, frame: bytes) -> tuple[bytes, ...]:
    assert kind.merges is not None
    found: tuple[bytes, ...] = getattr(decode_record(kind, frame[HEAD_BYTES:]), kind.merges)
    return found


class FrameReader:
    """Cuts the bytes of one connection into frames; keeps at most one incomplete frame.

    Until `open` is set the only frame it lets through is one hello (Z7); what follows the hello
    waits inside, so that nothing is read from a sender before it is known.
    """

    def __init__(self) -> None:
        self.open = False
        self._rest = bytearray()

    @property
    def is_inside_frame(self) -> bool:
        """Whether part of a frame has come and the rest has not."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[tuple[Kind, bytes]]:
        """Return the frames that `data` completes: (kind, bytes of the record).

        Raise `Malformed` for a length over the cap of its kind, or for a kind that is unknown or
        not allowed yet; the connection is of no use after that.
        """
        if self._rest:
            self._rest += data
            source: bytes | bytearray = self._rest
        else:
            source = data
        frames = []
        at = 0
        size = len(source)
        with memoryview(source) as view:
            while size - at >= HEAD_BYTES:
                length, code = _HEAD.unpack_from(view, at)
                kind = self._kind(length, code)
                end = at + LENGTH_BYTES + length
                if end > size:
                    break
                frames.append((kind, bytes(view[at + HEAD_BYTES : end])))
                at = end
                if not self.open:
                    break
            else:
                if size - at >= LENGTH_BYTES:  # a length without its kind
                    self._check_length(int.from_bytes(view[at : at + LENGTH_BYTES], "big"))
        if source is self._rest:
            del self._rest[:at]
        elif at < size:
            self._rest += source[at:]
        return frames

    def _kind(self, length: int, code: int) -> Kind:
        kind = _BY_CODE.get(code)
        if kind is None or (kind is not HELLO and not self.open):
            raise Malformed(f"frame of kind {code}, which is unknown or too early")
        if not 1 < length <= kind.bytes_max + 1:
            raise Malformed(f"{kind.label} frame of {length} bytes; at most {kind.bytes_max + 1}")
        return kind

    def _check_length(self, length: int) -> None:
        if not 1 < length <= (_LENGTH_MAX if self.open else HELLO.bytes_max + 1):
            raise Malformed(f"frame of {length} bytes")
