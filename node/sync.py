"""Block sync: always on, beside consensus; only certificates move it (consensus S1..S6).

A claimed height is a hint of where to ask. Blocks come in ranges; each is judged by its
certificate and the set of its height, then executed, one per turn of the loop, so that votes
and clients are not held up.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from chain.codec import decode, digest
from chain.contract import Chain
from chain.errors import Malformed
from chain.execute import get_set
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, Header, Tx, block_id, decode_tx
from chain.validators import CommitCertificate, Verify, check_commit_certificate
from node.chainstore import ChainStore
from node.messages import BATCH_BYTES_MAX, BlockRange, RangeBlock, RangeRequest
from node.ports import Links, Peer, Size, Timers

SYNC = "sync"  # alarm: apply the next block, or ask again
RANGE_BLOCKS = 64  # asked at a time: an answer holds at most 256 KiB anyway
ANSWER_MS = 5_000  # reliability Z10: a peer that does not answer by then is asked less
FETCH_PEERS = 2
QUEUED_BLOCKS_MAX = 128  # decoded blocks waiting to be applied


class Fetched(msgspec.Struct, frozen=True):
    """A block of a range answer, decoded and not yet judged."""

    peer: Peer
    header: Header
    body: BlockBody
    certificate: CommitCertificate
    txs: tuple[Tx, ...]


class Sync:
    """Guards who claims what, what was asked of whom, and the blocks that wait to be applied."""

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        links: Links,
        timers: Timers,
        verify: Verify,
        apply: Callable[[Fetched], None],
        *,
        alarm: str = SYNC,
        until: int | None = None,
    ) -> None:
        """`apply` gets each certified block. Blocks above `until` are not asked for.

        With an `until` it is the past that is fetched: then half of the time is left to others.
        """
        self._chain = chain
        self._store = store
        self._links = links
        self._timers = timers
        self._verify = verify
        self._apply = apply
        self._alarm = alarm
        self._until = until
        self.paused = False  # nothing is asked for
        self._claims: dict[Peer, int] = {}
        self._faults: dict[Peer, int] = {}
        self._turns: dict[Peer, int] = {}  # how often each was asked, so that all take turns
        self._asked: tuple[Peer, int] | None = None  # whom, and until when
        self._queue: deque[Fetched] = deque()

    def behind(self) -> int:
        """Return how many blocks w = f + 1 peers claim above the tip, so one honest peer does (S2).

        One liar alone could else make this node turn all its clients away.
        """
        claims = sorted(self._claims.values(), reverse=True)
        weak = get_set(self._store.read_state, SET_NOW).weak_quorum
        return max(0, claims[weak - 1] - self._store.tip.height) if len(claims) >= weak else 0

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        return (("fetched blocks", len(self._queue), QUEUED_BLOCKS_MAX),)

    def awaits(self, peer: Peer, message: BlockRange) -> bool:
        """Say whether an answer may be to what was asked here."""
        if self._asked is None or self._asked[0] != peer:
            return False
        blocks = message.blocks
        return not blocks or decode(Header, blocks[0].header).height == self._store.tip.height + 1

    def on_claim(self, peer: Peer, height: int) -> None:
        """A peer says how far it is."""
        self._claims[peer] = height
        if height > self._store.tip.height + 1:  # one block ahead is consensus' own business
            self._ask()

    def on_link_down(self, peer: Peer) -> None:
        """A peer is gone: forget its claim, and ask another if it owed an answer."""
        self._claims.pop(peer, None)
        if self._asked is not None and self._asked[0] == peer:
            self._asked = None
            self._ask()

    def fetch(self, height: int, sources: tuple[Peer, ...]) -> None:
        """Ask two for a decided block of which only the certificate is known, each time others."""
        if height == self._store.tip.height + 1:
            for peer in sorted(sources, key=self._merit)[:FETCH_PEERS]:
                self._turns[peer] = self._turns.get(peer, 0) + 1
                self._links.send(peer, RangeRequest(height, height))

    def on_request(self, peer: Peer, message: RangeRequest) -> None:
        """Serve decided blocks: as many as fit a chunk, at least one."""
        blocks: list[RangeBlock] = []
        size = 0
        last = min(message.to_height, self._store.tip.height, message.from_height + RANGE_BLOCKS)
        for height in range(message.from_height, last + 1):
            raw = self._store.raw_block(height)
            if raw is None:
                break
            size += sum(len(part) for part in raw[:3]) + sum(len(e) + 8 for e in raw[3])
            if blocks and size > BATCH_BYTES_MAX:
                break
            blocks.append(RangeBlock(*raw))
        self._links.send(peer, BlockRange(tuple(blocks), self._store.tip.height))

    def on_range(self, peer: Peer, message: BlockRange) -> None:
        """Queue the blocks of an answer; raise `Malformed` for what is no range of blocks (S3)."""
        if self._asked is not None and self._asked[0] == peer:
            self._asked = None
        self._claims[peer] = min(self._claims.get(peer, message.tip_height), message.tip_height)
        if not message.blocks:
            self._demote(peer)  # it claimed more than it has; its next status may claim again
        found: list[Fetched] = []
        for raw in message.blocks:
            header = decode(Header, raw.header)
            if found and header.height != found[-1].header.height + 1:
                raise Malformed("a range with a gap")
            found.append(
                Fetched(
                    peer,
                    header,
                    decode(BlockBody, raw.body),
                    decode(CommitCertificate, raw.certificate),
                    tuple(decode_tx(e, self._chain.table.union) for e in raw.envelopes),
                )
            )
        self._queue.extend(found[: QUEUED_BLOCKS_MAX - len(self._queue)])
        self._timers.set(self._alarm, self._timers.mono_ms())

    def fire(self) -> None:
        """Apply one block, then come back for the next; ask for more when the queue runs dry."""
        now = self._timers.mono_ms()
        if self._asked is not None and self._asked[1] <= now:
            peer = self._asked[0]
            self._faults[peer] = self._faults.get(peer, 0) + 1
            self._asked = None
        while self._queue and self._queue[0].header.height <= self._store.tip.height:
            self._queue.popleft()
        if self._queue:
            block = self._queue.popleft()
            if block.header.height != self._store.tip.height + 1 or not self._is_certified(block):
                self._demote(block.peer)
            else:
                self._apply(block)
        if self._queue:
            done = self._timers.mono_ms()
            self._timers.set(self._alarm, now if self._until is None else done + done - now)
        elif self._asked is not None:  # another's blocks woke us; whom we asked has its time still
            self._timers.set(self._alarm, self._asked[1])
        else:
            self._ask()

    def _is_certified(self, block: Fetched) -> bool:
        """Judge a block by its certificate and Set(h), before any of it is executed (S3, V2)."""
        certificate, header = block.certificate, block.header
        named = (certificate.height, certificate.log_size, certificate.log_root)
        if named != (header.height, header.log_size, header.log_root):
            return False
        if certificate.block_id != block_id(header):
            return False
        if header.body_hash != digest(block.body):
            return False  # what no certificate vouches for is the peer's fault, not a fork (S5)
        if block.body.tx_ids != tuple(tx.id for tx in block.txs):
            return False
        try:
            validators = get_set(self._store.read_state, SET_NOW)
            check_commit_certificate(certificate, validators, self._chain.chain_id, self._verify)
        except Malformed:
            return False
        return True

    def _demote(self, peer: Peer) -> None:
        """Bad data: drop what this peer sent and ask others first (S4)."""
        self._faults[peer] = self._faults.get(peer, 0) + 1
        self._claims.pop(peer, None)
        self._queue = deque(block for block in self._queue if block.peer != peer)

    def _merit(self, peer: Peer) -> tuple[int, int]:
        """Return what a peer is chosen by, the least first: its faults, then its turns (S4)."""
        return self._faults.get(peer, 0), self._turns.get(peer, 0)

    def _ask(self) -> None:
        """Ask a peer that claims more than we have, one range at a time; the good take turns (S4).

        So a peer that answers slowly or with little holds up its own turns only.
        """
        tip = self._store.tip.height
        if self.paused or self._asked is not None or self._queue or tip == self._until:
            return
        linked = self._links.peers()
        ahead = [
            (self._merit(peer), -claim, peer)
            for peer, claim in self._claims.items()
            if claim > tip + 1 and peer in linked
        ]
        if not ahead:
            return
        peer = min(ahead)[2]
        self._turns[peer] = self._turns.get(peer, 0) + 1
        until = self._timers.mono_ms() + ANSWER_MS
        self._asked = (peer, until)
        last = tip + RANGE_BLOCKS
        self._links.send(
            peer, RangeRequest(tip + 1, last if self._until is None else min(last, self._until))
        )
        self._timers.set(self._alarm, until)
