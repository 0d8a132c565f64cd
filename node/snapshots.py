"""All that a running node does with snapshots: makes, serves, joins by one, fetches the past (S7).

The runtime has one of these and tells it what happens. A simulated node without a place for
snapshots has none.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from chain.codec import Record, encode
from chain.contract import Chain
from chain.execute import Base, Executed
from chain.genesis import Genesis
from chain.tree import ROOT
from chain.validators import Verify
from node.chainstore import CERTIFICATE, HEADER, ChainStore, u64
from node.history_store import PastStore, clean_past, finish_past
from node.join import JOIN, Join, Place
from node.messages import (
    BATCH_BYTES_MAX,
    HEADERS_MAX,
    BlockRange,
    ChunkAnswer,
    ChunkRequest,
    HeaderLink,
    HeadersAnswer,
    HeadersRequest,
    ManifestAnswer,
    ManifestRequest,
    SnapshotsAnswer,
    SnapshotsRequest,
)
from node.ports import Acked, Links, Peer, Size, Timers
from node.snapshot import Shelf
from node.snapshot_make import MAKE, SnapshotMaker
from node.sync import Fetched, Sync

_log = logging.getLogger("wijk.node")

PAST = "past"  # alarm: the next block of the past, or the next piece of what is left of it
ALARMS = (JOIN, MAKE, PAST)
WAIT_MS = 1_000  # the past waits while the present is behind

Execute = Callable[[Base, Fetched], Executed]


class Setup(NamedTuple):
    """What a node gives: one is made `every` so many heights, where `may_make` sees room for it."""

    genesis: Genesis
    files: Shelf
    every: int
    place: Place
    may_make: Callable[[], bool]


class Snapshots:
    """Guards the parts that have to do with snapshots."""

    def __init__(
        self,
        setup: Setup,
        chain: Chain,
        store: ChainStore,
        links: Links,
        timers: Timers,
        verify: Verify,
        acked: Acked,
        sync: Sync,
        execute: Execute,
        halt: Callable[[str], NoReturn],
        marks_joining: Callable[[int], bool],
    ) -> None:
        """`execute` runs a certified block on a base, and halts the node where it cannot (S5).

        `marks_joining` says whether a store at some height has to remember the barrier (D10).
        """
        self._files = setup.files
        self._store = store
        self._links = links
        self._timers = timers
        self._sync = sync
        self._execute = execute
        self._maker = SnapshotMaker(
            store, timers, setup.files, setup.every, lambda: setup.may_make() and not sync.behind()
        )
        self._past: ChainStore | None = None
        self._past_sync: Sync | None = None
        self.join: Join | None = None
        if store.tip.height == 0:
            self.join = Join(
                setup.genesis,
                links,
                timers,
                verify,
                setup.place,
                acked,
                setup.every,
                halt,
                marks_joining,
            )
        if store.joined is not None:
            self._past = ChainStore(PastStore(store.store))
            self._past.read_node(ROOT)  # derives its tree now, and not between blocks
            self._past_sync = Sync(
                chain,
                self._past,
                links,
                timers,
                verify,
                self._apply_past,
                alarm=PAST,
                until=store.joined.height,
            )
        timers.set(PAST, timers.mono_ms() + WAIT_MS)

    def past(self) -> tuple[int, int] | None:
        """Return how far the past has come, and up to where it is missing; None once it is here."""
        joined = self._store.joined
        if joined is None or self._past is None:
            return None
        return self._past.tip.height, joined.height

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        return () if self.join is None else self.join.sizes()

    # ------------------------------------------------------------------------------- doors

    def on_claim(self, peer: Peer, height: int) -> None:
        """A peer says how far it is."""
        if self.join is not None:
            self.join.on_claim(height)
            self._sync.paused = self.join.is_busy
        if self._past_sync is not None and not self._sync.behind():
            self._past_sync.on_claim(peer, height)

    def on_link(self, peer: Peer, *, up: bool) -> None:
        """A link came or went."""
        if self.join is not None:
            self.join.on_link(peer, up=up)
            self._sync.paused = self.join.is_busy
        if self._past_sync is not None and not up:
            self._past_sync.on_link_down(peer)

    def on_message(self, peer: Peer, message: Record) -> bool:
        """Take a message that has to do with snapshots; say whether it was one."""
        match message:
            case SnapshotsRequest():
                self._links.send(peer, SnapshotsAnswer(self._files.names()))
            case ManifestRequest():
                offer = self._files.find(message.digest)
                raw = b"" if offer is None else encode(offer.manifest)
                self._links.send(peer, ManifestAnswer(message.digest, raw))
            case ChunkRequest():
                data = self._files.read_chunk(message.digest, message.index) or b""
                self._links.send(peer, ChunkAnswer(message.digest, message.index, data))
            case HeadersRequest():
                self._links.send(peer, find_headers(self._store, message))
            case SnapshotsAnswer() | ManifestAnswer() | HeadersAnswer() | ChunkAnswer():
                self._on_answer(peer, message)
            case _:
                return False
        return True

    def on_range(self, peer: Peer, message: BlockRange) -> bool:
        """Take blocks of the past; say whether they were."""
        if self._past_sync is None or not self._past_sync.awaits(peer, message):
            return False
        self._past_sync.on_range(peer, message)
        return True

    def on_block(self) -> None:
        """A block was applied to the chain that goes on."""
        if self.join is not None:
            self.join.give_up()
            self.join = None
            self._sync.paused = False
        self._maker.on_block()

    def fire(self, alarm: str) -> None:
        """An alarm went off."""
        if alarm == MAKE:
            self._maker.fire()
        elif alarm == JOIN and self.join is not None:
            self.join.fire()
            self._sync.paused = self.join.is_busy
        elif alarm == PAST:
            self._on_past()

    def close(self) -> None:
        """The node stops: give the store back what is held of it."""
        self._maker.close()
        if self.join is not None:
            self.join.close()

    # ------------------------------------------------------------------------------- inside

    def _on_answer(
        self, peer: Peer, message: SnapshotsAnswer | ManifestAnswer | HeadersAnswer | ChunkAnswer
    ) -> None:
        if self.join is None:
            return  # it came too late
        match message:
            case SnapshotsAnswer():
                self.join.on_names(peer, message)
            case ManifestAnswer():
                self.join.on_manifest(peer, message)
            case HeadersAnswer():
                self.join.on_headers(peer, message)
            case ChunkAnswer():
                self.join.on_chunk(peer, message)
        self._sync.paused = self.join.is_busy

    def _on_past(self) -> None:
        """Execute the next block of the past, or delete a piece of the state that it needed."""
        if self._past_sync is None:
            if clean_past(self._store.store):
                self._timers.set(PAST, self._timers.mono_ms())
        elif self._sync.behind():
            self._timers.set(PAST, self._timers.mono_ms() + WAIT_MS)
        else:
            self._past_sync.fire()
            self._finish_past()

    def _apply_past(self, block: Fetched) -> None:
        assert self._past is not None, "somebody fetched for it"
        executed = self._execute(self._past.base(), block)
        self._past.apply(block.header, block.body, block.certificate, block.txs, executed)

    def _finish_past(self) -> None:
        joined = self._store.joined
        assert joined is not None, "it is there as long as the past is not"
        assert self._past is not None, "and so is this"
        if self._past.tip.height < joined.height:
            return
        finish_past(self._store, self._past)
        _log.warning("past.whole", extra={"why": f"all blocks up to {joined.height} are here"})
        self._past = self._past_sync = None
        self._timers.set(PAST, self._timers.mono_ms())


def find_headers(store: ChainStore, request: HeadersRequest) -> HeadersAnswer:
    """Return the asked headers with their certificates and changes of the set, as many as fit."""
    links: list[HeaderLink] = []
    size = 0
    first = request.from_height
    last = min(request.to_height, store.tip.height, first + HEADERS_MAX - 1)
    if first < max(1, store.whole_from):
        return HeadersAnswer(())
    for height in range(first, last + 1):
        at = u64(height)
        header, certificate = store.store.get(HEADER + at), store.store.get(CERTIFICATE + at)
        assert header is not None, "every height from `whole_from` on is held"
        assert certificate is not None, "with its certificate (S6)"
        following = store.validators_at(height + 1).keys
        keys = () if following == store.validators_at(height).keys else following
        size += len(header) + len(certificate) + 34 * len(keys) + 16
        if links and size > BATCH_BYTES_MAX:
            break
        links.append(HeaderLink(header, certificate, keys))
    return HeadersAnswer(tuple(links))
