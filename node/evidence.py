"""Evidence on its way to the chain: found here or told by a peer, kept over a restart (E1 to E5).

The pool holds one piece per accused key, because one is enough to suspend it. It is durable before
anybody hears of it (J70), told to every peer once, and offered to each block this node proposes,
until the key is suspended. Beside it stand, for the same window, the messages of heights that
needed more than round 0: a fork is explained from them.
"""

from collections.abc import Callable

import msgspec

from chain.codec import PublicKey, Record, Uint, decode, encode
from chain.contract import Chain
from chain.errors import Malformed
from chain.evidence import (
    Conviction,
    Evidence,
    Testimony,
    build_evidence,
    check_evidence,
    decode_evidence,
    get_conviction,
)
from chain.records import Header
from chain.sanctions import EVIDENCE, EVIDENCE_AGE_S, get_suspended_keys, is_lifted
from chain.signed import ChainName
from chain.state import State
from chain.validators import VALIDATORS_MAX, Verify
from consensus import events
from node.chainstore import ChainStore, u64
from node.messages import EvidenceNote
from node.ports import Links, Peer, Size

POOL_MAX = VALIDATORS_MAX  # one per key of a set; what is over is not kept
WAITING_MAX = 64  # pairs with a commit whose header is not known yet (E2)
TOLD_MAX = 64  # pieces told to a peer when its link comes up: as many as its quota of a second
RETAINED_BYTES_MAX = 64 * 1024 * 1024  # the newest heights that fit; each is below 1 MB

POOL, RETAINED = b"x", b"r"  # first bytes of keys in the store, beside those of the chain


class Retained(Record, frozen=True, tag="wijk.retained.1"):
    """All that was heard at a height that needed more than round 0 (E5)."""

    height: Uint
    said: tuple[Testimony, ...]


class Held(msgspec.Struct, frozen=True):
    """A checked piece of evidence: what it proves, and its bytes."""

    found: Conviction
    raw: bytes


class EvidencePool:
    """Guards the evidence of this node. `on_new` is told of each piece once it is durable."""

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        links: Links,
        verify: Verify,
        find_header: Callable[[bytes], Header | None],
        on_new: Callable[[Conviction, Evidence], None],
    ) -> None:
        self._name = ChainName(chain.digest, chain.chain_id)
        self._store = store
        self._links = links
        self._verify = verify
        self._find_header = find_header
        self._on_new = on_new
        self._held: dict[PublicKey, Held] = {}
        self._waiting: list[events.Accuse] = []
        for _, raw in store.store.scan(POOL, POOL + b"\xff" * 33):
            held = Held(get_conviction(decode_evidence(raw)), raw)
            self._held[held.found.key] = held
        self._sizes = {
            key: len(raw) for key, raw in store.store.scan(RETAINED, RETAINED + b"\xff" * 9)
        }

    def offer(self) -> tuple[bytes, ...]:
        """Return what the next own block should hold, in key order (E3)."""
        return tuple(held.raw for _, held in sorted(self._held.items()))

    def accused(self) -> tuple[Conviction, ...]:
        """Return whom this node can prove something of that is not on the chain yet."""
        return tuple(held.found for _, held in sorted(self._held.items()))

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        return (
            ("evidence", len(self._held), POOL_MAX),
            ("evidence waiting", len(self._waiting), WAITING_MAX),
            ("retained bytes", sum(self._sizes.values()), RETAINED_BYTES_MAX),
        )

    def on_accuse(self, effect: events.Accuse) -> None:
        """Consensus saw what no honest key signs: prove it, or wait for the header of a commit."""
        evidence = build_evidence(self._name, effect.first, effect.second, self._find_header)
        if evidence is None:
            self._waiting = [*self._waiting, effect][-WAITING_MAX:]
            return
        found = get_conviction(evidence)
        try:
            self._check(evidence, found)
        except Malformed:
            return  # a header that names another chain proves nothing (E2), and is no peer's fault
        self._add(found, evidence)

    def on_note(self, message: EvidenceNote) -> None:
        """A peer tells of evidence. Raise `Malformed` if it proves nothing (B12)."""
        evidence = decode_evidence(message.evidence)
        found = get_conviction(evidence)
        if found.height > self._store.tip.height + 1 or not self._is_wanted(found):
            return
        self._check(evidence, found)
        self._add(found, evidence)

    def on_link_up(self, peer: Peer) -> None:
        """Tell a peer that was away what is not on the chain yet."""
        for raw in self.offer()[:TOLD_MAX]:
            self._links.send(peer, EvidenceNote(raw))

    def before_block(self) -> None:
        """A block is about to be applied: its height's headers are still known."""
        waiting, self._waiting = self._waiting, []
        for effect in waiting:
            if effect.first.record.height + 1 >= self._store.tip.height:
                self.on_accuse(effect)

    def on_block(self) -> None:
        """A block was applied: drop what is on the chain now, or too old to get there."""
        gone = [held.found.key for held in self._held.values() if not self._is_open(held.found)]
        for key in gone:
            del self._held[key]
        if gone:
            self._store.store.write([(POOL + key, None) for key in gone])

    def retain(self, effect: events.Retain) -> None:
        """Keep the messages of a height, and forget those that are older than the window (E5)."""
        key = RETAINED + u64(effect.height)
        raw = encode(Retained(effect.height, effect.said))
        self._sizes[key] = len(raw)
        changes: list[tuple[bytes, bytes | None]] = [(key, raw)]
        for old in sorted(self._sizes):
            height = int.from_bytes(old[1:], "big")
            is_full = sum(self._sizes.values()) > RETAINED_BYTES_MAX
            if old == key or not (is_full or self._is_old(height)):
                break
            del self._sizes[old]
            changes.append((old, None))
        self._store.store.write(changes)

    def retained(self, height: int) -> tuple[Testimony, ...]:
        """Return what was kept of a height."""
        raw = self._store.store.get(RETAINED + u64(height))
        return () if raw is None else decode(Retained, raw).said

    def _check(self, evidence: Evidence, found: Conviction) -> None:
        validators = self._store.validators_at(found.height)
        check_evidence(evidence, self._name, validators, self._verify)

    def _add(self, found: Conviction, evidence: Evidence) -> None:
        if not self._is_wanted(found):
            return
        raw = encode(evidence)
        self._store.store.write([(POOL + found.key, raw)])  # J70: before anybody hears of it
        self._held[found.key] = Held(found, raw)
        self._links.broadcast(EvidenceNote(raw))
        self._on_new(found, evidence)

    def _is_wanted(self, found: Conviction) -> bool:
        has_room = len(self._held) < POOL_MAX and found.key not in self._held
        known = found.height > 0 and self._store.knows_set(found.height)
        return has_room and known and self._is_open(found)

    def _is_open(self, found: Conviction) -> bool:
        """Say whether evidence may still go into a block, and would change something (E3, E4)."""
        state = State(self._store.read_state)
        if found.key in get_suspended_keys(state) or self._is_old(found.height):
            return False
        if is_lifted(state, found):
            return False
        return EVIDENCE.get(state, found.key, found.height) is None

    def _is_old(self, height: int) -> bool:
        header = self._store.header(height)
        horizon_ms = self._store.tip.time_ms - EVIDENCE_AGE_S * 1000
        return header is not None and header.time_ms < horizon_ms
