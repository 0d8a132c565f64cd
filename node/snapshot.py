"""Snapshots: all that execution needs after one height, in chunks with hashes (consensus S7, S8).

The content is a stream of pairs of the store, strictly by key, as a backup writes them:

    key length 2 | value length 4 | key | value

It holds the whole state (in it the sets, the parameters and the sideline list) and header, body and
transactions of the blocks of the replay window. The stream is cut every `CHUNK_BYTES`; `Manifest`
lists the hashes of the pieces beside the header, the certificate and the frontier of the log. Tree
nodes are left out: the root computed from the state has to be that of the header.

Nothing in it depends on who made it, not even the certificates, which are those in the block after
(consensus M8). So all nodes make the same bytes, and each chunk may come from another peer. Nothing
is compressed, and nothing in it is ever used as a name (reliability W26). Pure: files are in
`node/snapshot_files.py`, links in `node/join.py`.
"""

from collections.abc import Iterator
from typing import Annotated, Protocol

import msgspec

from chain import log
from chain.codec import Digest, Record, Uint, decode, digest
from chain.errors import Malformed
from chain.light import Trusted, check_final
from chain.records import Header, block_id
from chain.validators import CommitCertificate, Verify
from node.chainstore import BODY, ENVELOPES, HEADER, STATE, get_horizon_s, u64
from node.messages import (
    CERTIFICATE_BYTES_MAX,
    CHUNK_BYTES,
    HEADER_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    SnapshotName,
)
from node.ports import Snapshot
from node.store_pairs import KEY_BYTES_MAX

SNAPSHOT_EVERY = 10_000  # heights: a node that begins anew executes no more blocks than these
SNAPSHOT_EVERY_TEST = 100  # on test chains, which live for minutes
CHUNKS_MAX = 8_192  # 2 GiB: what a joining node writes at most (S7), the manifest below 320 KiB
VALUE_BYTES_MAX = 1536 << 10  # of a pair: above the transactions of a full block with their lengths
FRONTIER_MAX = 63  # one root for each bit of a size

_KEY_LENGTH, _VALUE_LENGTH = 2, 4
_HEAD = _KEY_LENGTH + _VALUE_LENGTH
_BLOCK_ROWS = (BODY, ENVELOPES, HEADER)  # in the order of their keys, all before STATE

Bytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=CERTIFICATE_BYTES_MAX)]
HeaderBytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=HEADER_BYTES_MAX)]
Pair = tuple[bytes, bytes]


class Manifest(Record, frozen=True, tag="wijk.snapshot.1"):
    """What a snapshot is of, and the hashes of its chunks.

    `first` is the lowest block in it: the newest one that is too old for the replay window, or 1.
    `size` counts the bytes of the stream.
    """

    header: HeaderBytes
    certificate: Bytes
    frontier: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=FRONTIER_MAX)]
    first: Uint
    size: Annotated[int, msgspec.Meta(ge=1, le=CHUNKS_MAX * CHUNK_BYTES)]
    chunks: Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=CHUNKS_MAX)]


class Offer(msgspec.Struct, frozen=True):
    """A manifest that makes sense in itself: nobody has judged its certificate yet."""

    manifest: Manifest
    header: Header
    certificate: CommitCertificate
    digest: bytes

    def chunk_bytes(self, index: int) -> int:
        """Return how long a chunk is: all but the last are full."""
        return min(CHUNK_BYTES, self.manifest.size - index * CHUNK_BYTES)


class Shelf(Protocol):
    """Where finished snapshots stand, and one is written: `node/snapshot_files.py`."""

    def names(self) -> tuple[SnapshotName, ...]:
        """Return what is held, the newest first."""

    def find(self, digest: bytes) -> Offer | None:
        """Return a snapshot that is held."""

    def read_chunk(self, digest: bytes, index: int) -> bytes | None:
        """Return a chunk, or None where it is not held or not any more what it was."""

    def begin(self) -> None:
        """Begin a file of chunks; what an earlier one left goes."""

    def append(self, chunk: bytes) -> None:
        """Write the next chunk."""

    def sync(self) -> None:
        """Make what is written durable."""

    def keep(self, offer: Offer, manifest: bytes) -> None:
        """Let the written chunks be a snapshot, durably; old ones go."""

    def drop(self) -> None:
        """Close the file that is being written, if there is one."""


def compute_every(purpose: str) -> int:
    """Return how many heights lie between the snapshots of a chain; `purpose` as genesis says."""
    return SNAPSHOT_EVERY if purpose == "live" else SNAPSHOT_EVERY_TEST


def read_manifest(raw: bytes) -> Offer:
    """Return what a manifest says; raise `Malformed` where it contradicts itself."""
    if len(raw) > MANIFEST_BYTES_MAX:
        raise Malformed(f"a manifest of {len(raw)} bytes")
    manifest = decode(Manifest, raw)
    header = decode(Header, manifest.header)
    certificate = decode(CommitCertificate, manifest.certificate)
    frontier = log.Frontier(header.log_size, manifest.frontier)
    fits = (
        (-(-manifest.size // CHUNK_BYTES) == len(manifest.chunks), "number of chunks"),
        (0 < manifest.first <= header.height, "first block"),
        (len(manifest.frontier) == header.log_size.bit_count(), "frontier"),
        (log.root(frontier) == header.log_root, "log root"),
        (certificate.block_id == block_id(header), "certificate"),
    )
    for holds, what in fits:
        if not holds:
            raise Malformed(f"a snapshot with a wrong {what}")
    return Offer(manifest, header, certificate, digest(manifest))


def check_offer(offer: Offer, trusted: Trusted, verify: Verify) -> None:
    """Raise `Malformed` unless a snapshot is of the final block after what is trusted (S7)."""
    check_final(trusted, offer.header, offer.certificate, verify)


# ----------------------------------------------------------------------------------- writing


def find_first(view: Snapshot, height: int) -> int:
    """Return the lowest block that belongs to a snapshot of `height` (B1, `Manifest.first`)."""
    newest_s = _time_s(view, height)
    horizon_s = get_horizon_s(lambda key: view.get(STATE + key))
    first = height
    while first > 1 and _time_s(view, first) > newest_s - horizon_s:
        first -= 1
    return first


def cut_chunks(view: Snapshot, first: int, height: int) -> Iterator[bytes]:
    """Yield the stream of a snapshot piece by piece; the view stands at `height`."""
    buffer = bytearray()
    for key, value in _rows(view, first, height):
        buffer += len(key).to_bytes(_KEY_LENGTH, "big") + len(value).to_bytes(_VALUE_LENGTH, "big")
        buffer += key + value
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)


def _rows(view: Snapshot, first: int, height: int) -> Iterator[Pair]:
    for prefix in _BLOCK_ROWS:
        yield from view.scan(prefix + u64(first), prefix + u64(height + 1))
    yield from view.scan(STATE, bytes([STATE[0] + 1]))


def _time_s(view: Snapshot, height: int) -> int:
    raw = view.get(HEADER + u64(height))
    assert raw is not None, "the window of a tip is always held"
    return decode(Header, raw).time_ms // 1000


# ----------------------------------------------------------------------------------- reading


class PairReader:
    """Takes the stream apart; keeps no more than one incomplete pair."""

    def __init__(self, first: int, height: int) -> None:
        self._first = first
        self._height = height
        self._rest = bytearray()
        self._last = b""

    def feed(self, data: bytes) -> list[Pair]:
        """Return the pairs that `data` completes, or raise `Malformed`."""
        self._rest += data
        pairs: list[Pair] = []
        at, size = 0, len(self._rest)
        with memoryview(self._rest) as rest:
            while size - at >= _HEAD:
                key_length = int.from_bytes(rest[at : at + _KEY_LENGTH], "big")
                value_length = int.from_bytes(rest[at + _KEY_LENGTH : at + _HEAD], "big")
                if not 0 < key_length <= KEY_BYTES_MAX or value_length > VALUE_BYTES_MAX:
                    raise Malformed("a pair of a snapshot is too large")
                begin = at + _HEAD
                end = begin + key_length + value_length
                if end > size:
                    break
                key = bytes(rest[begin : begin + key_length])
                self._check(key)
                pairs.append((key, bytes(rest[begin + key_length : end])))
                at = end
        del self._rest[:at]
        return pairs

    def end(self) -> None:
        """Raise `Malformed` where the stream ends inside a pair."""
        if self._rest:
            raise Malformed("the last pair of a snapshot is cut off")

    def _check(self, key: bytes) -> None:
        """A key is above the one before, and of the state or of a block of the window."""
        if key <= self._last:
            raise Malformed("the pairs of a snapshot are not in order")
        self._last = key
        kind, at = key[:1], key[1:]
        if kind in _BLOCK_ROWS:
            held = len(at) == 8 and self._first <= int.from_bytes(at, "big") <= self._height  # noqa: PLR2004
        else:
            held = kind == STATE and bool(at)
        if not held:
            raise Malformed("a pair of a snapshot that does not belong there")
