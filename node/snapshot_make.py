"""Making a snapshot beside all other work: a view of one moment, read a chunk a turn (S7).

The view is taken when a fixed height is applied and costs nothing. Writing begins with the block
after it, which holds the certificate that everybody puts into it (`node/snapshot.py`). A node that
is behind makes none, and one that restarts meanwhile leaves the height to the others.
"""

import logging
from collections.abc import Callable, Iterator

from chain.codec import encode
from chain.crypto import sha256
from chain.validators import CommitCertificate
from node.chainstore import HEADER, ChainStore, Tip, u64
from node.messages import CHUNK_BYTES
from node.ports import Snapshot, Timers
from node.snapshot import (
    CHUNKS_MAX,
    SNAPSHOT_EVERY,
    Manifest,
    Shelf,
    cut_chunks,
    find_first,
    read_manifest,
)

_log = logging.getLogger("wijk.node")

MAKE = "snapshot"  # alarm: write the next chunk
SYNC_CHUNKS = 16  # 4 MiB between two syncs: some 10 ms each
# A snapshot of so many bytes may follow the next fixed height; twice as many wait for two of them.
# Reading 4 MiB takes 0.3 s, and on a test chain there may be a minute between two fixed heights.
PACE_BYTES = 4 * 1024 * 1024


class SnapshotMaker:
    """Guards the view and the file of the snapshot that is being made."""

    def __init__(
        self,
        store: ChainStore,
        timers: Timers,
        files: Shelf,
        every: int,
        may_begin: Callable[[], bool],
    ) -> None:
        self._store = store
        self._timers = timers
        self._files = files
        self._every = every
        self._may_begin = may_begin  # this node is level with its peers, and there is room
        self._view: Snapshot | None = None
        self._tip: Tip | None = None
        self._job: Iterator[None] | None = None

    def on_block(self) -> None:
        """A block was applied: begin, or take the view to begin with."""
        tip = self._store.tip
        if self._job is not None:
            return
        if self._tip is not None and self._view is not None:
            block = self._store.block(tip.height)
            assert block is not None, "it was applied just now"
            assert block.body.last_commit is not None, "only block 1 has none"
            self._job = self._write(self._view, self._tip, block.body.last_commit)
            self._timers.set(MAKE, self._timers.mono_ms())
        elif tip.height % self._every == 0 and self._is_due(tip.height) and self._may_begin():
            self._view, self._tip = self._store.store.snapshot(), tip

    def fire(self) -> None:
        """Write the next chunk."""
        assert self._job is not None, "the alarm is set with it"
        try:
            next(self._job)
        except StopIteration:
            self._end()
        else:
            self._timers.set(MAKE, self._timers.mono_ms())

    def _is_due(self, height: int) -> bool:
        """Say whether the newest snapshot is old enough for its size: a large one takes long.

        All nodes make the same bytes, so they leave out the same heights. A live chain makes one
        every `SNAPSHOT_EVERY` heights, whatever its size.
        """
        held = self._files.names()
        offer = self._files.find(held[0].digest) if held else None
        if offer is None:
            return True
        heights = self._every * (1 + offer.manifest.size // PACE_BYTES)
        return height - offer.header.height >= min(heights, SNAPSHOT_EVERY)

    def close(self) -> None:
        """The node stops: what is half made is made by the others."""
        self._end()

    def _end(self) -> None:
        self._files.drop()
        if self._view is not None:
            self._view.close()
        self._view = self._tip = self._job = None

    def _write(self, view: Snapshot, tip: Tip, certificate: CommitCertificate) -> Iterator[None]:
        first = find_first(view, tip.height)
        self._files.begin()
        hashes: list[bytes] = []
        size = 0
        for chunk in cut_chunks(view, first, tip.height):
            if len(hashes) == CHUNKS_MAX:
                _log.warning("snapshot.too_large", extra={"why": f"block {tip.height}"})
                return  # nobody takes more: a node that begins anew replays
            self._files.append(chunk)
            hashes.append(sha256(chunk))
            size += len(chunk)
            if len(hashes) % SYNC_CHUNKS == 0:
                self._files.sync()
            yield
        assert size > (len(hashes) - 1) * CHUNK_BYTES, "all chunks but the last are full"
        header = view.get(HEADER + u64(tip.height))
        assert header is not None, "the view stands at this block"
        manifest = Manifest(header, encode(certificate), tip.frontier, first, size, tuple(hashes))
        raw = encode(manifest)
        self._files.keep(read_manifest(raw), raw)
