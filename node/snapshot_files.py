"""The folder `snapshots/` of a home: what this node made and serves (consensus S7, interfaces 3.2).

    0000010000.chunks      the stream; chunk i begins at byte i x 256 KiB
    0000010000.manifest    written last: a snapshot without it does not count

The newest `KEPT` stay. A file that cannot be read as it was written is served no more.
"""

from pathlib import Path

from chain.crypto import sha256
from chain.errors import Malformed
from node.disk import Disk, StoreFailed
from node.messages import CHUNK_BYTES, MANIFEST_BYTES_MAX, SnapshotName
from node.snapshot import Offer, read_manifest

KEPT = 2  # the newest, and the one before for who is fetching it
_CHUNKS, _MANIFEST, _NEW = ".chunks", ".manifest", "making"
_DIGITS = 10


class SnapshotFiles:
    """Guards the folder: which snapshots are whole, and the one that is being written."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._held: dict[bytes, Offer] = {}
        self._file: int | None = None
        self._written = 0
        self._load()

    def names(self) -> tuple[SnapshotName, ...]:
        """Return what is held, the newest first."""
        held = sorted(self._held.values(), key=lambda offer: -offer.header.height)
        return tuple(SnapshotName(offer.header.height, offer.digest) for offer in held)

    def find(self, digest: bytes) -> Offer | None:
        """Return a snapshot that is held."""
        return self._held.get(digest)

    def read_chunk(self, digest: bytes, index: int) -> bytes | None:
        """Return a chunk, or None where it is not held or not any more what it was."""
        offer = self._held.get(digest)
        if offer is None or index >= len(offer.manifest.chunks):
            return None
        data = self._read_at(offer.header.height, offer.chunk_bytes(index), index * CHUNK_BYTES)
        if sha256(data) != offer.manifest.chunks[index]:
            del self._held[digest]
            return None
        return data

    # ------------------------------------------------------------------------------- writing

    def begin(self) -> None:
        """Begin a file of chunks; what an earlier one left goes."""
        self.drop()
        if _NEW in self._disk.names(self._folder):
            self._disk.remove(self._folder / _NEW)
        self._file = self._disk.create(self._folder / _NEW)
        self._written = 0

    def append(self, chunk: bytes) -> None:
        """Write the next chunk."""
        assert self._file is not None, "begin() comes first"
        self._disk.write(self._file, chunk, self._written)
        self._written += len(chunk)

    def sync(self) -> None:
        """Make what is written durable: little at a time, so that no sync takes long."""
        assert self._file is not None, "begin() comes first"
        self._disk.sync(self._file)

    def keep(self, offer: Offer, manifest: bytes) -> None:
        """Give the chunks their name, then write the manifest; old snapshots go."""
        assert self._written == offer.manifest.size, "all chunks are written"
        height = offer.header.height
        self.sync()
        self.drop()
        self._disk.rename(self._folder / _NEW, self._path(height, _CHUNKS))
        self._disk.sync_folder(self._folder)
        file = self._disk.create(self._folder / _NEW)
        try:
            self._disk.write(file, manifest, 0)
            self._disk.sync(file)
        finally:
            self._disk.close(file)
        self._disk.rename(self._folder / _NEW, self._path(height, _MANIFEST))
        self._disk.sync_folder(self._folder)
        self._held = {d: one for d, one in self._held.items() if one.header.height != height}
        self._held[offer.digest] = offer
        for name in self.names()[KEPT:]:
            del self._held[name.digest]
            self._remove(name.height)
        self._disk.sync_folder(self._folder)

    def drop(self) -> None:
        """Close the file that is being written, if there is one."""
        if self._file is not None:
            self._disk.close(self._file)
            self._file = None

    # -------------------------------------------------------------------------------- inside

    def _load(self) -> None:
        """Read the manifests that are there; remove what is not, or not any more, a snapshot."""
        names = self._disk.names(self._folder)
        heights = sorted(
            int(stem)
            for stem in {Path(name).stem for name in names if name.endswith((_CHUNKS, _MANIFEST))}
            if len(stem) == _DIGITS and stem.isascii() and stem.isdigit()
        )
        for height in heights:
            offer = self._read(height, names)
            if offer is not None:
                self._held[offer.digest] = offer
            else:
                self._remove(height)

    def _read(self, height: int, names: frozenset[str]) -> Offer | None:
        chunks, manifest = self._path(height, _CHUNKS), self._path(height, _MANIFEST)
        if chunks.name not in names or manifest.name not in names:
            return None
        file = self._disk.open(manifest)
        try:
            raw = self._disk.read_at(file, MANIFEST_BYTES_MAX + 1, 0)
        finally:
            self._disk.close(file)
        try:
            offer = read_manifest(raw)
        except Malformed:
            return None
        return offer if offer.header.height == height else None

    def _read_at(self, height: int, size: int, at: int) -> bytes:
        """Return bytes of the chunks; none where the disk or somebody took the file away."""
        try:
            file = self._disk.open(self._path(height, _CHUNKS))
        except StoreFailed:
            return b""
        try:
            return self._disk.read_at(file, size, at)
        except StoreFailed:
            return b""
        finally:
            self._disk.close(file)

    def _remove(self, height: int) -> None:
        names = self._disk.names(self._folder)
        for suffix in (_MANIFEST, _CHUNKS):  # the manifest first: it is what makes them count
            path = self._path(height, suffix)
            if path.name in names:
                self._disk.remove(path)
                self._disk.sync_folder(self._folder)

    def _path(self, height: int, suffix: str) -> Path:
        return self._folder / f"{height:0{_DIGITS}}{suffix}"
