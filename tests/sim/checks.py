"""The invariants of consensus section 12, checked while a history unfolds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from chain.codec import encode
from chain.execute import get_set
from chain.keyspaces import BALANCES, SET_LAST
from chain.log import frontier_at, root
from chain.records import decode_tx
from chain.sanctions import get_suspended
from chain.state import State
from chain.validators import check_commit_certificate
from consensus.guard import (
    CHECKSUM_BYTES,
    SLOT_BYTES,
    Guard,
    Position,
    decode_slot,
    position,
    read_guard,
)
from consensus.messages import (
    ChainName,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    signed_bytes,
    unseal,
)
from consensus.timers import CLOCK_SLACK_MS
from node.chainstore import OPEN, ChainStore
from node.head_file import read_heads
from tests import federation
from tests.consensus.culprits import find_culprits

if TYPE_CHECKING:
    from chain.codec import Record
    from chain.records import Header
    from chain.validators import CommitCertificate
    from node.chainstore import TxPlace
    from node.runtime import Applied
    from tests.sim.world import SimNode, World

SIGNED = (SignedProposal, SignedPrepare, SignedCommit, SignedRoundChange)
STATE_EVERY = 5  # blocks between sums over all balances


class Checks:
    """What has been decided, acked and signed so far in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._decided: dict[int, tuple[bytes, bytes, bytes]] = {}
        self._acked: dict[bytes, int] = {}
        self._signed: dict[tuple[str, Position], tuple[bytes, int]] = {}
        self._highest: dict[str, Position] = {}
        self._images: dict[str, tuple[bytes, Guard]] = {}  # what a guard held, read once
        self._said: dict[bytes, list[SignedMessage]] = {}  # by honest signer
        self._headers: dict[bytes, Header] = {}
        self._forgiven: set[tuple[str, int]] = set()
        self.rounds = 0

    def forgive(self, name: str, height: int) -> None:
        """An approval let it sign at a height where its lost disk may have signed (D12, I6)."""
        self._forgiven.add((name, height))
        self._highest.pop(name, None)

    @property
    def height(self) -> int:
        """The highest decided height."""
        return max(self._decided, default=0)

    def on_applied(self, node: SimNode, applied: Applied) -> None:
        """I1, I2, I3, I5, J14, T10: one id and one state per height, certified by its set."""
        header, certificate = applied.header, applied.certificate
        assert node.runtime is not None
        store = node.runtime.store
        found = (certificate.block_id, store.tip.state_root, store.tip.log_root)
        known = self._decided.setdefault(header.height, found)
        assert known == found or self._world.forks, (
            f"I1/I3: two decisions at height {header.height}"
        )
        validators = get_set(store.read_state, SET_LAST)
        check_commit_certificate(
            certificate, validators, self._world.chain.chain_id, self._world.verify
        )
        accused = get_suspended(State(store.read_state))
        names = {one.key: one.name for one in self._world.honest}
        framed = [one for one in accused if one.key in names]
        assert all((names[one.key], one.height) in self._forgiven for one in framed), (
            f"I6: an honest key is guilty: {framed}"
        )
        if accused:
            self._world.seen.add("evidence on the chain")
        self.rounds += certificate.round
        if certificate.block_id not in self._headers:
            self._check_expiry(store, header)
        self._headers[certificate.block_id] = header
        self._check_time(header)
        self._note(node, header, certificate)
        self._world.trace(node, f"decided {header.height} {certificate.block_id.hex()[:8]}")
        if header.height % STATE_EVERY == 0:
            self._check_money(node)

    def on_decision(self, node: SimNode, certificate: CommitCertificate) -> None:
        """Note how the node that decides came to it (J27)."""
        assert node.runtime is not None
        if certificate.round < node.runtime.replica.status().round:
            self._world.seen.add("decided from a past round")

    def _note(self, node: SimNode, header: Header, certificate: CommitCertificate) -> None:
        """Note what was rare in this decision (J27, H9)."""
        seen, runtime = self._world.seen, node.runtime
        assert runtime is not None
        if certificate.round > 0:
            seen.add("decided after round 0")
        if certificate.round > 1:
            seen.add("two round changes in a row")
        if node.silent_until and header.height == node.silent_until:
            seen.add("a silent node may sign again")

    def _check_time(self, header: Header) -> None:
        """T10: no chain time ahead of every clock that is nearly right."""
        world = self._world
        latest = federation.START_S * 1000 + world.now * 101 // 100
        latest += world.faults.skew_ms + CLOCK_SLACK_MS
        assert header.time_ms <= latest, f"T10: block {header.height} is of the future"

    def _check_expiry(self, store: ChainStore, header: Header) -> None:
        """T12: what a block holds has not expired at its time."""
        raw = store.raw_block(header.height)
        assert raw is not None
        for envelope in raw[3]:
            expires = decode_tx(envelope, msgspec.Raw).expires
            assert header.time_ms // 1000 < expires, f"T12: block {header.height} is too late"

    def on_sent(self, node: SimNode, message: Record) -> None:
        """I4, J18: what leaves is in the durable guard, and never contradicts what left before."""
        if not isinstance(message, SIGNED) or message.signer != node.key:
            return
        draft = unseal(message)
        at = position(draft)
        chain = ChainName(self._world.genesis.digest, self._world.chain.chain_id)
        signed = signed_bytes(chain, draft)
        is_new = (node.name, at) not in self._signed
        before, life = self._signed.setdefault((node.name, at), (signed, node.life))
        is_forgiven = (node.name, at.height) in self._forgiven
        assert before == signed or is_forgiven, f"J18: {node.name} signed two values at {at}"
        if life != node.life:
            self._world.seen.add("own words said again after a restart")
        if is_new:
            self._said.setdefault(node.key, []).append(message)
            if isinstance(message, SignedProposal) and message.justification.certificate:
                self._world.seen.add("a prepared block was carried")
        if node.guard_rotten:
            return  # it signs nothing any more, and passes on what others still know of it (T7)
        guard = self._read_guard(node)
        held = any(slot.signed == signed for slot in reversed(guard.slots))
        assert held, f"I4: {at} not in the guard"
        highest = self._highest.get(node.name, guard.position)
        assert guard.position >= highest, f"I4: the guard of {node.name} went back from {highest}"
        self._highest[node.name] = guard.position
        assert node.runtime is not None
        if isinstance(message, SignedCommit) and at.height == node.runtime.store.tip.height + 1:
            stored = node.pairs.get(OPEN + b"prepared")
            assert stored is not None, "D3: a commit left before its certificate was durable"

    def _read_guard(self, node: SimNode) -> Guard:
        """Return what a guard durably holds; of one that has grown only the new slots are read."""
        image = node.disk.durable(node.root / "guard.bin")
        before, guard = self._images.get(node.name, (b"", None))
        if guard is not None and before == image:
            return guard
        size = len(image)
        is_whole = size % SLOT_BYTES == 0 and any(image[-CHECKSUM_BYTES:])
        if guard is None or not is_whole or not image.startswith(before[: guard.good_bytes]):
            guard = read_guard(image, node.key, self._world.genesis.digest)
        else:
            slots, checksum = list(guard.slots), guard.checksum
            for at in range(guard.good_bytes, size, SLOT_BYTES):
                raw = image[at : at + SLOT_BYTES]
                slot, checksum = decode_slot(at // SLOT_BYTES, checksum, raw)
                assert not slots or slot.position > slots[-1].position
                slots.append(slot)
            guard = Guard(guard.binding, tuple(slots), checksum, size)
        self._images[node.name] = image, guard
        return guard

    def on_acked(self, node: SimNode, tx_id: bytes, place: TxPlace) -> None:
        """I7, Y16: a client read `final`: a certified block, and its head is durable there."""
        assert node.runtime is not None
        stored = node.runtime.store.place(tx_id)
        assert stored == place, f"J60: {node.name} acked what is in no block of its store"
        heads = read_heads(node.disk.durable(node.root / "head.bin")).heads
        assert heads[-1].height >= place.height or node.silent_until >= place.height, (
            f"J61: {node.name} acked block {place.height} before its head was durable"
        )
        self._acked[tx_id] = place.height

    def after_event(self, node: SimNode) -> None:
        """I8: what must hold after every single event, and is cheap to ask."""
        if node.runtime is not None:
            for what, held, cap in node.runtime.sizes():
                assert held <= cap, f"I8: {node.name} holds {held} {what}, the cap is {cap}"

    def is_settled(self, goal: int) -> bool:
        """Say whether all honest nodes stand on one block, `goal` or higher, and nothing waits."""
        tips = set()
        for node in self._world.honest:
            if node.runtime is None or len(node.runtime.intake.mempool):
                return False
            tips.add(node.runtime.store.tip.height)
        return len(tips) == 1 and tips.pop() >= goal

    def explain(self, goal: int) -> str:
        """Say who stands where, for a history that did not settle."""
        lines = [f"I9: not all nodes reached height {goal}; replay with SEED={self._world.seed}"]
        for node in self._world.nodes:
            runtime = node.runtime
            if runtime is None:
                lines.append(f"  {node.name}: down")
            else:
                lines.append(
                    f"  {node.name}: height {runtime.store.tip.height}, mempool "
                    f"{len(runtime.intake.mempool)}, links {len(node.linked)}, "
                    f"{runtime.replica.status()}"
                )
        return "\n".join(lines)

    def at_end(self) -> None:
        """I7, J16, J17, J19: acked payments are there, once, and all nodes hold the same."""
        dumps = set()
        honest = self._world.honest
        for node in honest:
            assert node.runtime is not None
            store = node.runtime.store
            for tx_id, height in self._acked.items():
                place = store.place(tx_id)
                assert place is not None, f"J17: {node.name} lost an acked payment"
                assert place.height == height, "J16: one outcome, in one place"
            again = frontier_at(store.tip.log_size, store.read_log_node)
            assert root(again) == store.tip.log_root, "J15: the log does not give its own root"
            dumps.add((store.tip.height, store.tip.state_root, store.tip.log_root))
            for key, value in store.memo.values.items():
                held = None if value is None else encode(value)
                assert store.read_state(key) == held, "what is remembered is not what is stored"
            self._check_money(node)
        assert len(dumps) == 1, "J19: equal height, other roots"
        said = [
            message
            for node in honest
            for message in self._said.get(node.key, ())
            if (node.name, message.record.height) not in self._forgiven
        ]
        guilty = find_culprits(said, self._headers)
        assert not guilty, f"I6: an honest validator looks guilty of {sorted(guilty.values())}"

    def _check_money(self, node: SimNode) -> None:
        """J13, J14: nobody below zero, and all balances together are what genesis issued."""
        assert node.runtime is not None
        state = State(node.runtime.store.read_state)
        total = 0
        for doc in self._world.genesis.doc.accounts:
            owner = federation.account_of(doc)
            for klass in ("2", "7"):
                total += BALANCES.get(state, "delfshaven:EUR", klass, owner) or 0
        opened = sum(doc.closing_cents for doc in self._world.genesis.doc.opening_statements)
        assert total == opened, f"J14: {total} cents where {opened} were issued"
