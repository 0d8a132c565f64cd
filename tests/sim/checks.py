"""The invariants of consensus section 12, checked while a history unfolds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.execute import get_set
from chain.keyspaces import BALANCES, SET_LAST
from chain.log import frontier_at, root
from chain.state import State
from chain.validators import check_commit_certificate
from consensus.guard import position, read_guard
from consensus.messages import (
    ChainName,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    signed_bytes,
    unseal,
)
from node.chainstore import OPEN
from tests import federation

if TYPE_CHECKING:
    from chain.codec import Record
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
        self._signed: dict[tuple[bytes, tuple[int, int, int]], bytes] = {}
        self._forgiven: set[tuple[bytes, int]] = set()
        self.rounds = 0

    def forgive(self, key: bytes, height: int) -> None:
        """An approval let `key` sign at a height where its lost disk may have signed (D12, I6)."""
        self._forgiven.add((key, height))

    @property
    def height(self) -> int:
        """The highest decided height."""
        return max(self._decided, default=0)

    def on_applied(self, node: SimNode, applied: Applied) -> None:
        """I1, I2, I3, I5, J14: one id and one state per height, certified by its set."""
        header, certificate = applied.header, applied.certificate
        assert node.runtime is not None
        store = node.runtime.store
        found = (certificate.block_id, store.tip.state_root, store.tip.log_root)
        known = self._decided.setdefault(header.height, found)
        assert known == found, f"I1/I3: two decisions at height {header.height}"
        validators = get_set(store.read_state, SET_LAST)
        check_commit_certificate(
            certificate, validators, self._world.chain.chain_id, self._world.verify
        )
        self.rounds += certificate.round
        self._world.trace(node, f"decided {header.height} {certificate.block_id.hex()[:8]}")
        if header.height % STATE_EVERY == 0:
            self._check_money(node)

    def on_sent(self, node: SimNode, message: Record) -> None:
        """I4, J18: what leaves is in the durable guard, and never contradicts what left before."""
        if not isinstance(message, SIGNED) or message.signer != node.key:
            return
        draft = unseal(message)
        at = position(draft)
        chain = ChainName(self._world.genesis.digest, self._world.chain.chain_id)
        signed = signed_bytes(chain, draft)
        before = self._signed.setdefault((node.key, tuple(at)), signed)  # type: ignore[arg-type]
        forgiven = (node.key, at.height) in self._forgiven
        assert before == signed or forgiven, f"J18: {node.name} signed two values at {at}"
        image = node.disk.durable(node.root / "guard.bin")
        guard = read_guard(image, node.key, self._world.genesis.digest)
        assert any(slot.signed == signed for slot in guard.slots), f"I4: {at} not in the guard"
        assert node.runtime is not None
        if isinstance(message, SignedCommit) and at.height == node.runtime.store.tip.height + 1:
            stored = node.pairs.get(OPEN + b"prepared")
            assert stored is not None, "D3: a commit left before its certificate was durable"

    def on_acked(self, tx_id: bytes, place: TxPlace) -> None:
        """A client read `final`."""
        self._acked[tx_id] = place.height

    def after_event(self) -> None:
        """I8: what must hold after every single event, and is cheap to ask."""
        for node in self._world.nodes:
            if node.runtime is not None:
                for what, held, cap in node.runtime.sizes():
                    assert held <= cap, f"I8: {node.name} holds {held} {what}, the cap is {cap}"

    def is_settled(self, goal: int) -> bool:
        """Say whether all nodes stand on one block at or above `goal`, with nothing pending."""
        tips = set()
        for node in self._world.nodes:
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
        for node in self._world.nodes:
            assert node.runtime is not None
            store = node.runtime.store
            for tx_id, height in self._acked.items():
                place = store.place(tx_id)
                assert place is not None, f"J17: {node.name} lost an acked payment"
                assert place.height == height, "J16: one outcome, in one place"
            again = frontier_at(store.tip.log_size, store.read_log_node)
            assert root(again) == store.tip.log_root, "J15: the log does not give its own root"
            dumps.add((store.tip.height, store.tip.state_root, store.tip.log_root))
            self._check_money(node)
        assert len(dumps) == 1, "J19: equal height, other roots"

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
