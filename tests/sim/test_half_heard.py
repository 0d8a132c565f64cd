"""Messages that reach some and not others: F9, F11, F12, F13, F32, F33 and F43 of consensus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.codec import encode
from chain.keyspaces import BALANCES
from chain.records import Header
from chain.validators import CommitCertificate
from consensus.messages import SignedCommit, SignedPrepare, SignedProposal
from node.chainstore import STATE
from node.messages import CertificateNote
from node.wire import HEAD_BYTES, decode_record
from tests import federation
from tests.sim.test_scenarios import (
    HOUR,
    SECOND,
    Calm,
    heights,
    leader,
    make_world,
    pay,
    start,
    stop,
)
from tests.sim.world import KIND_OF_CODE, START_MS, SimNode, World, node_start, people

if TYPE_CHECKING:
    from chain.codec import Record

DECIDED = (CommitCertificate, CertificateNote)


class Sieve(World):
    """Four validators in a calm world, in which a test says what reaches whom."""

    def __init__(self) -> None:
        super().__init__(1, nodes=4, faults=Calm)
        for node in self.nodes:
            self.at(0, None, "start", node_start(node))
        self.run(3 * SECOND)

    def passes(self, _sender: SimNode, _to: SimNode, _message: Record) -> bool:
        """Say whether a message goes on its way."""
        return True

    def carry(self, sender: SimNode, to: SimNode, frame: bytes) -> None:
        """Carry what may pass."""
        message = decode_record(KIND_OF_CODE[frame[HEAD_BYTES - 1]], frame[HEAD_BYTES:])
        if self.passes(sender, to, message):
            super().carry(sender, to, frame)


def certificate_at(node: SimNode, height: int) -> CommitCertificate:
    assert node.runtime is not None
    found = node.runtime.store.certificate(height)
    assert found is not None
    return found


def header_at(node: SimNode, height: int) -> Header:
    assert node.runtime is not None
    found = node.runtime.store.header(height)
    assert found is not None
    return found


def alarms(node: SimNode) -> set[str]:
    assert node.runtime is not None
    return {alarm.text for _, alarm in node.runtime.alarms}


def round_of(node: SimNode) -> int:
    assert node.runtime is not None
    return node.runtime.replica.status().round


class HalfProposed(Sieve):
    """F9: the leader's own proposal reaches one other; the first has no path to anybody else."""

    direct = 0

    def passes(self, sender: SimNode, to: SimNode, message: Record) -> bool:
        """The leader of round 0 talks to one node only."""
        if not isinstance(message, SignedProposal) or message.record.round > 0:
            return True
        first = self.by_key.get(message.signer)
        if first is not sender:
            return True
        passed = to is self.friend(first)
        self.direct += passed
        return passed

    def friend(self, node: SimNode) -> SimNode:
        """Return the one node that hears this one's proposals."""
        return self.nodes[(self.nodes.index(node) + 1) % 4]


def test_f9_a_proposal_that_reaches_a_node_less_than_a_quorum_is_relayed() -> None:
    """consensus F9, T7: whoever accepted it shows it to those whose Status lacks it."""
    world = HalfProposed()

    pay(world, every=10 * SECOND)

    assert world.direct >= 1
    assert min(heights(world)) == 1
    assert len({header_at(node, 1).creator for node in world.nodes}) == 1


class PreparedAtOne(Sieve):
    """F11: of round 0 one node alone sees a quorum of prepares, and its commit is lost."""

    one: SimNode | None = None
    is_cut_off = False

    def passes(self, sender: SimNode, to: SimNode, message: Record) -> bool:
        """Prepares of round 0 reach one node; what it says of the round reaches nobody."""
        if self.one is None:
            return True
        if self.is_cut_off and self.one in {sender, to}:
            return False
        if isinstance(message, SignedPrepare) and message.record.round == 0:
            return to is self.one
        return not (isinstance(message, SignedCommit) and message.record.round == 0)


def play_prepared_at_one(*, cut_off: bool) -> tuple[PreparedAtOne, SimNode, SimNode]:
    """Return the world after one payment, who led its round 0, and who was prepared alone."""
    world = PreparedAtOne()
    first = leader(world)
    one = world.one = next(node for node in world.nodes if node is not first)
    world.pay()
    world.run(world.now + 200)
    assert one.runtime is not None
    assert len(one.runtime.replica.status().prepared_by) == 4
    world.is_cut_off = cut_off
    world.run(world.now + 8 * SECOND)
    return world, first, one


def test_f11_who_prepared_alone_brings_its_block_into_the_next_round() -> None:
    """consensus F11, R2f, R7: its round change is in the quorum, so the value stays."""
    world, first, _ = play_prepared_at_one(cut_off=False)

    assert heights(world) == [1, 1, 1, 1]
    assert certificate_at(world.nodes[0], 1).round >= 1
    assert header_at(world.nodes[0], 1).creator == first.key


def test_f11_without_it_another_block_is_decided_and_it_follows() -> None:
    """consensus F11, R2e: prepared is not decided; the others owe it nothing."""
    world, first, one = play_prepared_at_one(cut_off=True)
    others = [node for node in world.nodes if node is not one]

    assert {certificate_at(node, 1).round for node in others} == {1}
    assert header_at(others[0], 1).creator != first.key
    world.is_cut_off = False
    world.run(world.now + 5 * SECOND)
    assert header_at(one, 1) == header_at(others[0], 1)


class LateCommits(Sieve):
    """F12: every commit of round 0 is on its way until all have left the round."""

    left = False

    def passes(self, sender: SimNode, to: SimNode, message: Record) -> bool:
        """Hold a commit of round 0 back, and let nobody accept anything in a later round."""
        if isinstance(message, SignedCommit) and message.record.round == 0 and not self.left:
            late = message
            self.later(100, to, "held back", lambda: self._late(sender, to, late))
            return False
        return not (isinstance(message, SignedProposal) and message.record.round > 0)

    def _late(self, sender: SimNode, to: SimNode, message: SignedCommit) -> None:
        self.left = self.left or min(round_of(node) for node in self.nodes) >= 1
        if not self.left:
            self.later(100, to, "held back", lambda: self._late(sender, to, message))
        elif to.runtime is not None:
            to.runtime.on_message(sender.key, message)


def test_f12_a_quorum_of_commits_after_the_timer_decides_the_past_round() -> None:
    """consensus F12, R4."""
    world = LateCommits()
    world.pay()

    world.run(world.now + 5 * SECOND)

    assert world.left
    assert heights(world) == [1, 1, 1, 1]
    assert {certificate_at(node, 1).round for node in world.nodes} == {0}


class TwoRounds(Sieve):
    """F13: one node sees the commits of round 0, the others decide in round 1."""

    one: SimNode | None = None

    def passes(self, sender: SimNode, to: SimNode, message: Record) -> bool:
        """Until the others have decided, `one` hears and is not heard."""
        if self.one is None or min(heights_of(self, self.one)) >= 1:
            return True
        if sender is self.one:
            return not isinstance(message, SignedCommit | CommitCertificate | CertificateNote)
        if isinstance(message, SignedCommit) and message.record.round == 0:
            return to is self.one
        return not isinstance(message, DECIDED)


def heights_of(world: World, but: SimNode) -> list[int]:
    """Return the heights of all nodes but one."""
    return [n.runtime.store.tip.height for n in world.nodes if n is not but and n.runtime]


def test_f13_two_rounds_decide_one_block_and_the_chain_names_one_of_them() -> None:
    """consensus F13, M8, L4: the last commit of the next block counts, and so one order."""
    world = TwoRounds()
    world.one = next(node for node in world.nodes if node is not leader(world))
    world.pay()
    world.run(world.now + 6 * SECOND)
    rounds = {node.name: certificate_at(node, 1).round for node in world.nodes}

    pay(world, every=5 * SECOND)

    assert rounds[world.one.name] == 0
    assert {rounds[node.name] for node in world.nodes if node is not world.one} == {1}
    assert len({header_at(node, 1) for node in world.nodes}) == 1
    assert heights(world) == [2, 2, 2, 2]
    states = {header_at(node, 2).state_root for node in world.nodes}
    assert len(states) == 1


def test_f32_wrong_clocks_on_more_than_f_nodes_stop_the_chain_for_a_while_only() -> None:
    """consensus F32, T10, T13: rounds pass until the bound is as wide as the clocks are apart."""
    world = make_world(4)
    pay(world, count=2, every=2 * SECOND)
    before = max(heights(world))
    for node in world.nodes[:2]:
        node.skew_ms = HOUR
    world.pay()

    until = world.now + HOUR
    while min(heights(world)) == before and world.now < until:
        world.run(world.now + 10 * SECOND)

    assert min(heights(world)) > before
    assert certificate_at(world.nodes[0], before + 1).round > 10
    assert "clock-skew" in alarms(world.nodes[0])


class NoCommits(Sieve):
    """F33: everybody prepares, and no commit arrives before the outage."""

    is_cut = True

    def passes(self, _sender: SimNode, _to: SimNode, message: Record) -> bool:
        """Drop commits until they may pass."""
        return not (self.is_cut and isinstance(message, SignedCommit))


def test_f33_a_prepared_block_is_decided_an_hour_later_as_it_was() -> None:
    """consensus F33, T11, T12: no clock is asked, and its transactions are still valid."""
    world = NoCommits()
    world.pay()
    world.run(world.now + 300)
    then = world.nodes[0].mono_ms()
    for node in world.nodes[:2]:
        stop(node)
    world.run(world.now + HOUR)
    world.is_cut = False
    for node in world.nodes[:2]:
        start(world, node)

    world.run(world.now + 10 * SECOND)

    assert heights(world) == [1, 1, 1, 1]
    header = header_at(world.nodes[0], 1)
    assert header.log_size == 1
    assert header.time_ms - START_MS < then + SECOND


def test_f43_other_results_on_more_than_n_minus_q_nodes_decide_nothing() -> None:
    """consensus F43, R2h: no vote for roots that one's own run does not give, so no fork."""
    world = make_world(4)
    pay(world, count=2)
    before = max(heights(world))
    payer, payee = people()[:2]
    key = STATE + BALANCES.key("delfshaven:EUR", "2", federation.account(payer))
    for node in world.nodes[:2]:
        stop(node)
        assert key in node.pairs
        node.pairs[key] = encode(9_999)
        start(world, node)
    world.run(world.now + 5 * SECOND)

    world.submit(world.nodes[3], world.make_payment(payer, payee, 1))
    world.run(world.now + 60 * SECOND)

    assert heights(world) == [before] * 4
    assert all("invalid-block" in alarms(node) for node in world.nodes)
