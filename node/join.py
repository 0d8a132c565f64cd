"""Joining by a snapshot: from genesis alone to the state of a certified block (consensus S7).

A node that stands at genesis and hears of a chain far ahead asks its peers for their snapshots. It
follows headers and certificates from genesis, each judged by the set that the one before announced,
up to the block of the snapshot; then it fetches the chunks from all who have them, and each has to
have its hash. What comes out is proved (`node/snapshot_build.py`) in a store of its own. Then
`JoinedBySnapshot` ends the run, and the next one begins on that store. Whatever fails, nothing of
this node was replaced: another snapshot is tried, and in the end every block from genesis.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple, NoReturn

from chain import light
from chain.codec import decode
from chain.crypto import sha256
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.records import Header, block_id
from chain.validators import CommitCertificate, ValidatorSet, Verify, unnamed_set
from node.messages import (
    HEADERS_MAX,
    ChunkAnswer,
    ChunkRequest,
    HeaderLink,
    HeadersAnswer,
    HeadersRequest,
    ManifestAnswer,
    ManifestRequest,
    SnapshotName,
    SnapshotsAnswer,
    SnapshotsRequest,
)
from node.ports import Acked, Links, Peer, Size, Store, Timers
from node.snapshot import Offer, check_offer, read_manifest
from node.snapshot_build import Builder

_log = logging.getLogger("wijk.node")

JOIN = "join"  # alarm: choose, ask again, or prove the next block
OFFERS_MS = 3_000  # so long peers may say what they have
ANSWER_MS = 10_000  # a chunk takes 2 s on a line of 1 Mbit/s
FAULTS_MAX = 3  # of a peer, then it is asked no more
AHEAD_MAX = 16  # chunks fetched beyond the one that is needed next: 4 MiB in memory
TRIES_MAX = 4  # times to begin; then it is every block from genesis

Question = ManifestRequest | HeadersRequest | ChunkRequest


class JoinedBySnapshot(Exception):
    """The store of a snapshot is proved and whole: go on with it in the place of this one."""


class Phase(Enum):
    """Where a join is; `IDLE` until a chain is far ahead, `OVER` once blocks are replayed."""

    IDLE = "idle"
    OFFERS = "offers"
    MANIFEST = "manifest"
    HEADERS = "headers"
    CHUNKS = "chunks"
    PROOF = "proof"
    OVER = "over"


class Place(NamedTuple):
    """Where the new store is made. `begin` removes a half made one, `keep` makes it the next."""

    begin: Callable[[], Store]
    keep: Callable[[], None]
    has_room: Callable[[int], bool]  # for so many bytes


class Join:
    """Guards one attempt after the other, and who may still be asked."""

    def __init__(
        self,
        genesis: Genesis,
        links: Links,
        timers: Timers,
        verify: Verify,
        place: Place,
        acked: Acked,
        lead: int,
        halt: Callable[[str], NoReturn],
        marks_joining: Callable[[int], bool],
    ) -> None:
        """`acked` is what this node promised before; `lead` how far ahead is far, in heights."""
        self._halt = halt
        self._marks_joining = marks_joining
        self._genesis = genesis
        self._links = links
        self._timers = timers
        self._verify = verify
        self._place = place
        self._acked = acked
        self._lead = lead
        self.phase = Phase.IDLE
        self._tries = 0
        self._until = 0  # of the offers
        self._named: dict[Peer, tuple[SnapshotName, ...]] = {}
        self._refused: set[bytes] = set()  # digests of snapshots that are not what they say
        self._faults: dict[Peer, int] = {}
        self._turns: dict[Peer, int] = {}
        self._asked: dict[Peer, tuple[Question, int]] = {}  # what, and until when
        self._digest = b""
        self._offer: Offer | None = None
        self._trusted = light.trust_genesis(genesis)
        self._chunks: dict[int, bytes] = {}  # that came before their turn
        self._next = 0
        self._store: Store | None = None
        self._builder: Builder | None = None
        self._proof: Iterator[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether blocks from genesis have to wait."""
        return self.phase not in (Phase.IDLE, Phase.OVER)

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        return (("chunks ahead", len(self._chunks), AHEAD_MAX),)

    # -------------------------------------------------------------------------- what happens

    def give_up(self) -> None:
        """Blocks are replayed from genesis: there is one already."""
        self._drop()
        self.phase = Phase.OVER

    def on_claim(self, height: int) -> None:
        """A peer says how far it is: from a lead of `lead` blocks on, ask for snapshots."""
        if self.phase is Phase.IDLE and height >= self._lead:
            self._begin()

    def on_link(self, peer: Peer, *, up: bool) -> None:
        """A peer came, or is gone with what it owed."""
        if not up:
            self._named.pop(peer, None)
            self._asked.pop(peer, None)
        elif self.is_busy:
            self._links.send(peer, SnapshotsRequest())
        self._go_on()

    def on_names(self, peer: Peer, message: SnapshotsAnswer) -> None:
        """A peer says what it keeps."""
        if self.is_busy:
            self._named[peer] = message.held
            self._go_on()

    def on_manifest(self, peer: Peer, message: ManifestAnswer) -> None:
        """The manifest that was asked for came, or its peer has it no more."""
        if self._take(peer, ManifestRequest(message.digest)):
            if not message.manifest:
                self._named.pop(peer, None)
            elif sha256(message.manifest) != message.digest:
                self._blame(peer)
            else:
                self._on_offer(message.manifest)
        self._go_on()

    def on_headers(self, peer: Peer, message: HeadersAnswer) -> None:
        """Headers came: follow them as far as they are what they say."""
        asked = self._asked.get(peer)
        if asked is not None and isinstance(asked[0], HeadersRequest):
            del self._asked[peer]
            if not message.links or not self._follow(message.links):
                self._blame(peer)
            self._judge()
        self._go_on()

    def on_chunk(self, peer: Peer, message: ChunkAnswer) -> None:
        """A chunk came: it counts if it has its hash, else another peer is asked (F41)."""
        if self._take(peer, ChunkRequest(message.digest, message.index)):
            assert self._offer is not None, "chunks are asked of an offer"
            if not message.data:
                self._named.pop(peer, None)
            elif sha256(message.data) != self._offer.manifest.chunks[message.index]:
                self._blame(peer)
            else:
                self._chunks[message.index] = message.data
                self._feed()
        self._go_on()

    def fire(self) -> None:
        """The alarm: time is up for somebody, or there is a block to prove."""
        now = self._timers.mono_ms()
        for peer, (_, until) in list(self._asked.items()):
            if until <= now:
                del self._asked[peer]
                self._blame(peer)
        if self.phase is Phase.PROOF:
            self._prove()
        self._go_on()

    # ---------------------------------------------------------------------- one step onwards

    def _go_on(self) -> None:
        """Do what can be done now, and set the alarm for what has to come."""
        now = self._timers.mono_ms()
        if self.is_busy and self.phase is not Phase.PROOF and not self._links.peers():
            self._until = now + OFFERS_MS  # an outage of our own: nobody has failed
            self._timers.set(JOIN, self._until)
            return
        if self.phase is Phase.OFFERS and self._until <= now:
            self._choose()
        if self.phase is Phase.MANIFEST:
            self._ask(self._who_has(), ManifestRequest(self._digest), once=True)
        elif self.phase is Phase.HEADERS:
            assert self._offer is not None, "a manifest was read"
            begin, last = self._trusted.height + 1, self._offer.header.height - 1
            question = HeadersRequest(begin, min(last, begin + HEADERS_MAX - 1))
            self._ask(self._links.peers(), question, once=True)
        elif self.phase is Phase.CHUNKS:
            self._ask_chunks()
        if self.phase is Phase.PROOF:
            self._timers.set(JOIN, now)
        elif self.phase is Phase.OFFERS:
            self._timers.set(JOIN, self._until)
        elif self.is_busy and self._asked:
            self._timers.set(JOIN, min(until for _, until in self._asked.values()))

    def _begin(self) -> None:
        """Ask everybody what there is; what was begun is gone."""
        self._drop()
        self._tries += 1
        if self._tries > TRIES_MAX:
            self._replay("no snapshot could be fetched whole")
            return
        self.phase = Phase.OFFERS
        self._until = self._timers.mono_ms() + OFFERS_MS
        self._named.clear()
        for peer in self._links.peers():
            self._links.send(peer, SnapshotsRequest())
        self._timers.set(JOIN, self._until)

    def _choose(self) -> None:
        """Take the highest snapshot that w = f + 1 peers name, so one honest does; else what is."""
        counts: dict[SnapshotName, int] = {}
        for names in self._named.values():
            for name in set(names):
                if name.digest not in self._refused and name.height >= self._lead:
                    counts[name] = counts.get(name, 0) + 1
        if not counts:
            self._replay("no peer has a snapshot that can be used")
            return
        weak = light.trust_genesis(self._genesis).validators.weak_quorum
        best = max(counts, key=lambda name: (min(counts[name], weak), name.height, name.digest))
        self._digest = best.digest
        self.phase = Phase.MANIFEST

    def _on_offer(self, raw: bytes) -> None:
        try:
            offer = read_manifest(raw)
        except Malformed as error:
            self._refuse(error)
            return
        if not self._place.has_room(2 * offer.manifest.size):  # the pairs, and the tree over them
            self._replay("there is too little room on the disk for a snapshot")
            return
        self._offer = offer
        height, size = offer.header.height, offer.manifest.size
        _log.warning("join.snapshot", extra={"why": f"block {height}, {size} bytes"})
        if self._trusted.height >= offer.header.height:
            self._trusted = light.trust_genesis(self._genesis)
        self.phase = Phase.HEADERS
        self._judge()

    def _follow(self, links: Sequence[HeaderLink]) -> bool:
        """Follow headers one by one; say whether all of them were right."""
        assert self._offer is not None, "a manifest was read"
        for link in links:
            if self._trusted.height + 1 >= self._offer.header.height:
                return False  # more than was asked for
            try:
                header = decode(Header, link.header)
                certificate = decode(CommitCertificate, link.certificate)
                keys = link.next_keys
                following = _named_set(keys) if keys else self._trusted.validators
                self._trusted = light.follow(
                    self._trusted, header, certificate, following, self._verify
                )
            except Malformed:
                return False
            self._compare(header)
        return True

    def _judge(self) -> None:
        """Once the block before the snapshot's is known, its certificate can be judged."""
        assert self._offer is not None, "a manifest was read"
        if self._trusted.height + 1 != self._offer.header.height:
            return
        try:
            check_offer(self._offer, self._trusted, self._verify)
        except Malformed as error:
            self._refuse(error)
            return
        self._compare(self._offer.header)
        self._store = self._place.begin()
        joining = self._marks_joining(self._offer.header.height)
        self._builder = Builder(self._store, self._genesis, self._offer, joining=joining)
        self.phase = Phase.CHUNKS

    def _compare(self, header: Header) -> None:
        """A chain that differs from what was acked here is not taken (reliability Y20, X5)."""
        acked = self._acked
        if header.height == acked.height and block_id(header) != acked.block_id:
            self._halt(f"another block is certified at height {header.height} than was acked here")

    def _ask_chunks(self) -> None:
        assert self._offer is not None, "a manifest was read"
        under_way = {
            question.index
            for question, _ in self._asked.values()
            if isinstance(question, ChunkRequest)
        }
        last = min(len(self._offer.manifest.chunks), self._next + AHEAD_MAX)
        for index in range(self._next, last):
            if index in self._chunks or index in under_way:
                continue
            if not self._ask(self._who_has(), ChunkRequest(self._digest, index)):
                break

    def _feed(self) -> None:
        """Put what has come in order into the new store."""
        assert self._builder is not None, "it is made before the first chunk is asked for"
        assert self._offer is not None, "a manifest was read"
        try:
            while (chunk := self._chunks.pop(self._next, None)) is not None:
                self._builder.feed(chunk)
                self._next += 1
        except Malformed as error:
            self._refuse(error)
            return
        if self._next == len(self._offer.manifest.chunks):
            self._proof = self._builder.finish()
            self.phase = Phase.PROOF

    def _prove(self) -> None:
        assert self._proof is not None, "the last chunk began it"
        assert self._store is not None, "it was fed"
        try:
            next(self._proof)
        except StopIteration:
            self._store.close()
            self._store = None
            self._place.keep()
            raise JoinedBySnapshot from None
        except Malformed as error:
            self._refuse(error)

    # ------------------------------------------------------------------------------ the peers

    def _who_has(self) -> tuple[Peer, ...]:
        """Return the linked peers that named the chosen snapshot."""
        return tuple(
            peer
            for peer in self._links.peers()
            if any(name.digest == self._digest for name in self._named.get(peer, ()))
        )

    def _ask(self, peers: Sequence[Peer], question: Question, *, once: bool = False) -> bool:
        """Ask the best peer that is free; where nobody is left who may be asked, begin again."""
        if once and self._asked:
            return True
        good = [peer for peer in peers if self._faults.get(peer, 0) < FAULTS_MAX]
        if not good:
            if not self._asked:
                self._begin()
            return False
        free = [peer for peer in good if peer not in self._asked]
        if not free:
            return False
        peer = min(free, key=lambda one: (self._faults.get(one, 0), self._turns.get(one, 0), one))
        self._turns[peer] = self._turns.get(peer, 0) + 1
        self._asked[peer] = (question, self._timers.mono_ms() + ANSWER_MS)
        self._links.send(peer, question)
        return True

    def _take(self, peer: Peer, question: Question) -> bool:
        """Say whether an answer is to what was asked of this peer; then it owes nothing more."""
        asked = self._asked.get(peer)
        if asked is None or asked[0] != question:
            return False
        del self._asked[peer]
        return True

    def _blame(self, peer: Peer) -> None:
        """Bad data, or none in time: others are asked first (S4)."""
        self._faults[peer] = self._faults.get(peer, 0) + 1

    def _replay(self, why: str) -> None:
        """Give up: every block is fetched from genesis, as if there were no snapshots."""
        _log.warning("join.over", extra={"why": f"{why}: replaying from genesis"})
        self.phase = Phase.OVER

    def _refuse(self, why: Malformed) -> None:
        """The snapshot itself is wrong: so are all who named it."""
        _log.warning("join.refused", extra={"why": f"{self._digest.hex()}: {why}"})
        for peer in self._who_has():
            self._blame(peer)
        self._refused.add(self._digest)
        self._begin()

    def _drop(self) -> None:
        """Forget what was begun. The half made store is removed when the next one begins."""
        if self._store is not None:
            self._store.close()
        self._store = self._builder = self._proof = self._offer = None
        self._chunks.clear()
        self._asked.clear()
        self._next = 0

    def close(self) -> None:
        """The node stops."""
        self._drop()


def _named_set(keys: tuple[bytes, ...]) -> ValidatorSet:
    """Return a set of which only the keys are known; headers vouch for no more (M7)."""
    if len(set(keys)) != len(keys):
        raise Malformed("a set that names a key twice")
    return unnamed_set(keys)
