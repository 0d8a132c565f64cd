"""QBFT, one step at a time: events in, effects out (consensus R1..R8, C1..C4).

`Replica.step` is the only door. It never waits, never looks at a clock and never touches the
world: what it wants done it returns, in the order in which it must be done (D3, D4).

A step has two halves. First the event changes what is known: a vote is counted, a block became
whole, a timer ran out. Then `_advance` asks rule after rule whether it allows something now. So
no rule depends on the order in which things arrived, and what could not be said while this node
had to be silent is said as soon as it may speak.

Here stand the rules themselves. What each needs to know is guarded elsewhere: `open_height` for one
height, `peers` for where the others stand, `voice` for what the own key may sign, `hearing` for
evidence, `certified` for certificates; `checks` judges what comes in, `own_work` what goes out.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from chain.errors import Malformed
from chain.evidence import Testimony, get_commits
from chain.justification import check_round_change, claim_of
from chain.validators import CommitCertificate, Verify
from consensus import events as ev
from consensus import schedule
from consensus.blocks import find_missing, find_sources
from consensus.certified import Certified
from consensus.checks import check_proposal, check_signature, is_held, why_useless
from consensus.early import EarlyMessages
from consensus.events import HeightContext, Silence, Timer
from consensus.guard import Position, Step, position
from consensus.hearing import Hearing
from consensus.messages import (
    ROUND_MAX,
    ChainName,
    Commit,
    CompactBlock,
    Draft,
    DraftProposal,
    ProvenRoundChange,
    RoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    check_size,
    unseal,
)
from consensus.open_height import BlockState, Candidate, KnownBlock, OpenHeight
from consensus.own_work import make_decision, make_draft, make_prepared, prepare_of
from consensus.peers import Peers
from consensus.relay import (
    compute_lacking,
    compute_latest_words,
    compute_own_words,
    compute_status,
    with_proof,
)
from consensus.restart import commit_of, compute_own_messages, of_height, take_up
from consensus.round_change import (
    FRESH_AT_ROUND_0,
    Choice,
    check_proof,
    compute_choice,
    compute_jump,
)
from consensus.status import ReplicaStatus, compute_replica_status
from consensus.timers import RESEND_MS, SUSPICION_MS, is_timely
from consensus.voice import Voice
from consensus.witness import bare


class Replica:
    """One validator's or observer's part in agreeing on one block after another.

    `own_key` is nil for an observer. `verify` judges (key, bytes, signature) and may remember.
    `early` is the switch of L7; `proposer` the schedule, which only Twins exchange (L8).
    """

    def __init__(
        self,
        chain: ChainName,
        own_key: bytes | None,
        verify: Verify,
        *,
        early: bool = True,
        proposer: Callable[[Sequence[bytes], int], bytes] = schedule.proposer,
    ) -> None:
        self._chain = chain
        self._own = own_key
        self._verify = verify
        self._may_leave_early = early
        self._proposer = proposer

        self._at: OpenHeight | None = None
        self._peers = Peers()
        self._early = EarlyMessages()
        self._voice = Voice(chain, own_key, verify, self._peers, self._do)
        self._hearing = Hearing(chain, own_key, verify, self._voice, self._do)
        self._certified = Certified(chain, verify, self._hearing, self._do)  # D13

        self._mono_ms = 0
        self._wall_ms = 0
        self._effects: list[ev.Effect] = []

    # ---------------------------------------------------------------------------- the door

    def step(self, event: ev.Event) -> list[ev.Effect]:
        """Advance by one event. No clock, no I/O, no randomness; always runs to the end.

        The order of the effects is part of the contract: what `Persist` names is on disk before
        anything after it leaves the node, so no crash can make this node vote twice.
        """
        if self._certified.is_forked:
            return []
        self._effects = []
        self._mono_ms = max(self._mono_ms, event.mono_ms)  # a queued event may be a little old
        self._wall_ms = event.wall_ms
        self._take(event)
        if not self._certified.is_forked:
            self._voice.open_gate(self._open, self._certified.height)
            self._advance()
        return self._effects

    def status(self) -> ReplicaStatus:
        """Say where the open height stands, without changing anything (C8)."""
        at = self._open
        return compute_replica_status(
            at,
            self._peers,
            self._own,
            leader=self._leader(at.round),
            silence=self._silence(),
            mono_ms=self._mono_ms,
        )

    def is_joining(self, height: int) -> bool:
        """Say whether a decided `height` shows, before the gate, that the guard is behind (D10)."""
        return self._voice.is_joining(height)

    def said(self, height: int) -> tuple[Testimony, ...]:
        """Return what was heard at the open height or the one before; of others nothing (E5)."""
        return self._hearing.said(self._open, height)

    # ------------------------------------------------------------------ first half: learning

    def _take(self, event: ev.Event) -> None:
        match event:
            case ev.Start():
                self._start(event)
            case ev.Received():
                self._receive(event)
            case ev.TimerFired():
                self._on_timer(event.timer)
            case ev.Proposed():
                self._on_proposed(event)
            case ev.BlockAvailable():
                self._on_block(event.block)
            case ev.Executed():
                self._on_executed(event)
            case ev.WorkPending():
                self._open.work = event.pending
            case ev.LinkUp():
                self._peers.link(event.peer)
                for words in compute_latest_words(self._open, event.peer):
                    self._do(ev.Send(words, (event.peer,)))  # before the status, for its gate
                self._resend((event.peer,))
            case ev.LinkDown():
                self._peers.unlink(event.peer, self._mono_ms)
            case ev.Complaint():
                self._on_complaint(event)
            case ev.CertificateKnown():
                self._learn_certificate(event.certificate)
            case ev.NewHeight():
                self._on_new_height(event)
            case ev.SignerLocked():
                self._voice.stop(Silence.LOCKED, "signer-locked")
            case ev.KeyElsewhere():
                self._voice.stop_for_foreign(event.height, event.round)
            case ev.SigningRefused():
                self._voice.stop(Silence.GUARD, "guard-refused", ("why", event.why))
            case _:
                assert_never(event)

    def _start(self, event: ev.Start) -> None:
        """D7: take up the open height where store and guard left it; votes are collected anew."""
        self._peers.start(self._mono_ms)
        self._hearing.start()
        self._voice.start(event)
        at = self._begin(event.context, work=event.work)
        self._restore(at, event)
        self._do(ev.SetTimer(Timer.RESEND, self._mono_ms + RESEND_MS))

    def _begin(self, context: HeightContext, *, work: bool) -> OpenHeight:
        heartbeat_ms = self._mono_ms + context.timing.heartbeat_ms
        at = self._at = OpenHeight(context, heartbeat_ms, work)
        self._peers.keep(context.validators)
        self._do(ev.CancelTimer(Timer.ROUND))
        self._do(ev.CancelTimer(Timer.SUSPICION))
        self._do(ev.SetTimer(Timer.HEARTBEAT, heartbeat_ms))
        return at

    def _restore(self, at: OpenHeight, event: ev.Start) -> None:
        slots = [slot for slot in event.slots if slot.position.height == at.height]
        records = of_height(event.records, at.height)
        round_ = take_up(at, slots, records)
        if round_ > 0:
            self._enter(round_)
        drafted, accepted = records.drafted, records.accepted
        if accepted is not None and accepted.record.round == at.round:
            at.accepted = accepted
        needed = at.needed()
        for known in (drafted, accepted):
            if known is not None and known.record.block_id in needed:
                self._want(known.record.block_id, known.block)
        if self._own is not None:
            for message in compute_own_messages(slots, records, self._chain, self._own):
                self._count_own(message)

    def _on_new_height(self, event: ev.NewHeight) -> None:
        """The height before is durable, decided here or by sync; what came early counts now."""
        context, before = event.context, self._open
        assert context.height > before.height, "heights only rise (D15)"
        if context.tip is not None:
            self._certified.learn_applied(before, context.tip)
        self._hearing.end(before, context)
        self._begin(context, work=event.work)
        self._voice.pass_height(context.height)
        if context.tip is not None and context.tip.height == before.height:
            for vote in get_commits(context.tip, before.context.validators):
                if vote.signer == self._own:
                    self._voice.meet_own(before, vote, is_open=False)
        certified = self._certified.highest
        if certified is not None and certified.height == context.height:
            self._decide(certified)
        for early in self._early.take(context.height, context.validators):
            self._receive(early)

    def _on_timer(self, timer: Timer) -> None:
        at = self._open
        match timer:
            case Timer.ROUND:
                self._leave_if_overdue()
            case Timer.RESEND:
                self._resend(None)
                for block_id, block in find_missing(at):
                    self._fetch(block_id, block)  # more widely than before (C6)
                self._leave_if_overdue()
                skew_ms = self._peers.notice_skew(at.context.validators)
                if skew_ms is not None:
                    self._alarm("clock-skew", ("skew_ms", skew_ms))  # T13
                self._do(ev.SetTimer(Timer.RESEND, self._mono_ms + RESEND_MS))
            case Timer.HEARTBEAT:
                at.heartbeat_due |= self._mono_ms >= at.heartbeat_ms
            case Timer.SUSPICION:
                pass  # `_advance` looks at the leader's link again
            case _:
                assert_never(timer)

    def _on_block(self, compact: CompactBlock) -> None:
        at, block_id = self._open, compact.block_id
        if block_id in at.blocks:  # else it was wanted at another height, or in another round
            at.learn(block_id, compact, BlockState.HELD)

    def _on_executed(self, event: ev.Executed) -> None:
        """R2h; a mere proposal that does not execute is left alone, and the chain goes on (S5)."""
        at = self._open
        if event.block_id not in at.blocks:
            return
        if event.error is None:
            at.learn(event.block_id, None, BlockState.VALID)
            return
        at.learn(event.block_id, None, BlockState.INVALID)
        for candidate in at.candidates.values():
            if candidate.block_id == event.block_id:
                self._ignore(candidate.message.signer, f"invalid block: {event.error}")
        if not at.told_invalid:  # F43: it may be this node, and many of them, that err
            at.told_invalid = True
            self._alarm("invalid-block", ("height", at.height), ("why", event.error))

    def _on_proposed(self, event: ev.Proposed) -> None:
        """R1, R7: the fresh block this node asked for; too late, if the round is over."""
        at = self._open
        if (event.height, event.round) != (at.height, at.round):
            return
        if at.choice is None or at.choice.carried is not None:
            return
        self._draft(event.block, at.choice)
        at.learn(event.block.block_id, event.block, BlockState.VALID)

    def _on_complaint(self, event: ev.Complaint) -> None:
        """B6: the leader leaves out an overdue transaction: leave its round, once a height."""
        at = self._open
        if (event.height, event.round) == (at.height, at.round) and self._may_suspect():
            self._alarm("complaint", ("height", at.height), ("round", at.round))
            self._leave_early()

    # ------------------------------------------------------------------------------ messages

    def _receive(self, event: ev.Received) -> None:
        peer, message = event.peer, event.message
        try:
            match message:
                case Status():
                    self._receive_status(peer, message)
                case CommitCertificate():
                    if self._certified.receive(self._open, message):
                        self._learn_certificate(message)
                case ProvenRoundChange():
                    self._receive_signed(event, message.round_change, message)
                case SignedProposal() | SignedPrepare() | SignedCommit() | SignedRoundChange():
                    self._receive_signed(event, message, None)
                case _:
                    assert_never(message)
        except Malformed as error:
            self._ignore(peer, str(error), fault=True)

    def _receive_signed(
        self, event: ev.Received, message: SignedMessage, proven: ProvenRoundChange | None
    ) -> None:
        """B8: chain, height, membership, use and duplicate, and only then the signature."""
        at, peer, record = self._open, event.peer, message.record
        if not isinstance(record, Commit) and record.genesis_digest != self._chain.genesis_digest:
            raise Malformed("a message of another chain")
        if message.signer == self._own == peer:
            self._count_own(message)
            return
        if record.height != at.height:
            self._keep_early(event, message)
            before = self._hearing.before
            if before is not None and record.height == before.height:
                self._hearing.hear_late(before, message)
            return
        if message.signer not in at.context.validators:
            self._ignore(peer, "signed by a stranger")
            return
        if message.signer == self._own:
            self._voice.meet_own(at, bare(message), is_open=True)
            return
        if is_held(at, message, proven):
            return
        if at.decided is not None:
            self._hearing.hear_late(at, message)
            return
        useless = why_useless(at, message, self._leader)
        if useless is not None:
            self._ignore(peer, useless)
            self._hearing.hear_late(at, message)
            return
        check_signature(message, self._chain, self._verify)
        self._hearing.testify(at, bare(message))
        at.mark(message.signer, record.round)
        self._peers.hear(message.signer, self._mono_ms)
        self._jump()  # R6 first: the round decides which votes are kept
        self._count(event, message, proven)

    def _keep_early(self, event: ev.Received, message: SignedMessage) -> None:
        """B7: of h + 1 what is verified, of h + 2 what the end of the link signed itself."""
        at, height = self._open, message.record.height
        if not self._early.wants(message, event.peer, at.context, self._own):
            return
        if isinstance(message, SignedProposal):
            check_size(message.block)
        if height == at.height + 1:
            check_signature(message, self._chain, self._verify)
        self._peers.hear(message.signer, self._mono_ms)
        self._early.keep(height, message, event)

    def _count(
        self, event: ev.Received, message: SignedMessage, proven: ProvenRoundChange | None
    ) -> None:
        """Let a valid message of another validator change what is known of this height."""
        at = self._open
        match message:
            case SignedPrepare():
                self._count_prepare(message)
            case SignedCommit():
                self._count_commit(message)
            case SignedRoundChange():
                check_round_change(message.record)
                certificate = None if proven is None else proven.certificate
                if certificate is not None:
                    check_proof(message.record, certificate, at.context.validators, self._verify)
                    self._hearing.testify_prepares(at, certificate)
                if not at.changes.add(message, certificate):
                    self._ignore(message.signer, "contradicts its own round change")
            case SignedProposal():
                self._consider(message, event.peer, event.wall_ms)

    def _count_own(self, message: SignedMessage) -> None:
        """D4: an own message counts only now that its guard slot is durable."""
        at, record = self._open, message.record
        if record.height != at.height:
            return
        draft = unseal(message)
        at.own[position(draft).step] = message
        self._hearing.testify(at, bare(message))
        at.mark(message.signer, record.round)
        match message:
            case SignedPrepare():
                self._count_prepare(message)
            case SignedCommit():
                self._count_commit(message)
            case SignedRoundChange():
                claim, prepared = claim_of(message.record), at.prepared
                proof = None if claim is None or prepared is None else prepared.certificate
                at.changes.add(message, proof)
                self._send_proof()
            case SignedProposal():
                if record.round >= at.round and at.decided is None:
                    self._consider(message, message.signer, self._wall_ms)

    def _count_prepare(self, message: SignedPrepare) -> None:
        at = self._open
        if at.round <= message.record.round <= at.round + 1 and not at.prepares.add(message):
            self._ignore(message.signer, "contradicts its own prepare")

    def _count_commit(self, message: SignedCommit) -> None:
        """R4: q commits for one block in one round, whichever round that is, are a decision."""
        at, record = self._open, message.record
        if record.round > at.round + 1:
            return
        block = at.blocks.get(record.block_id)
        if block is not None and block.compact is not None:
            header = block.compact.header
            if (header.log_size, header.log_root) != (record.log_size, record.log_root):
                self._ignore(message.signer, "a commit that contradicts its header")  # M11
                self._hearing.accuse(at, message, header, "c")
                return
        if not at.commits.add(message):
            self._ignore(message.signer, "contradicts its own commit")
            return
        if at.decided is None:
            certificate = make_decision(at, record, self._chain, self._verify)
            if certificate is not None:
                self._decide(certificate)

    # ----------------------------------------------------------------------------- proposals

    def _consider(self, message: SignedProposal, via: bytes, wall_ms: int) -> None:
        """R2a to R2g, in this order, so that bodies are fetched only for proposals that count.

        An untimely proposal is remembered as such: it does not become timely by being sent
        again (T10). Another one of the same round is left for evidence.
        """
        at, record = self._open, message.record
        before = at.candidates.get(message.signer)
        if before is not None and before.round == record.round:
            self._ignore(message.signer, "contradicts its own proposal")
            return
        proposal = DraftProposal(record, message.block, message.justification)
        leader = self._leader(record.round)
        try:
            is_fresh = check_proposal(
                proposal, message.signer, leader, at.context, self._chain, self._verify
            )
        except Malformed:
            self._hearing.accuse_reasons(at, message)
            raise
        self._hearing.testify_reasons(at, message.justification)
        is_punctual = is_timely(message.block.header.time_ms, wall_ms, record.round)
        candidate = Candidate(message, timely=is_punctual or not is_fresh, via=via)
        at.candidates[message.signer] = candidate
        if not candidate.timely:
            self._ignore(message.signer, "block time too far from the own clock")
        else:
            self._want(record.block_id, message.block)

    # -------------------------------------------------------- certificates and where peers stand

    def _learn_certificate(self, certificate: CommitCertificate) -> None:
        """R4: a certificate was verified, here or by sync; of this height it is a decision."""
        self._certified.learn(self._open, certificate)
        if not self._certified.is_forked and certificate.height == self._open.height:
            self._decide(certificate)

    def _receive_status(self, peer: bytes, status: Status) -> None:
        """T7: send a peer what it lacks, once it shows twice that it lacks it.

        The first status at a height or round crosses with the messages that are on their way.
        """
        at = self._open
        if peer == self._own:
            return
        lacking = compute_lacking(at, status)
        before = self._peers.note(peer, status, self._wall_ms)
        if status.height >= at.height and peer in at.context.validators:
            self._peers.hear(peer, self._mono_ms)  # T5
            if status.silence == Silence.BARRIER and status.height == at.height:
                at.heartbeat_due |= self._peers.may_release(peer, self._mono_ms)  # D11
        if before is not None and (before.height, before.round) == (status.height, status.round):
            own_words = compute_own_words(at, peer, status)  # D14
            for message in (*lacking, *(one for one in own_words if one not in lacking)):
                self._do(ev.Send(message, (peer,)))

    # ------------------------------------------------------------- second half: what rules allow

    def _advance(self) -> None:
        """Do all that the rules allow now, in the order of a height's life."""
        at = self._open
        if at.decided is not None:
            self._apply()
        else:
            self._jump()
            self._accept()
            self._run_clock()
            self._suspect()
            self._change_round()
            self._propose()
            self._prepare()
            self._commit()
        if at.told != at.round:
            at.told = at.round
            self._send_status(None)  # T7

    def _jump(self) -> None:
        """R6: go where at least one honest validator is."""
        at = self._open
        target = compute_jump(at.marks.values(), at.context.validators.weak_quorum)
        if target > at.round and at.decided is None:
            self._enter(target)

    def _accept(self) -> None:
        """R2: accept the highest proposal whose block was executed here with its header's roots."""
        at = self._open
        best: Candidate | None = None
        for _, candidate in sorted(at.candidates.items()):
            if not at.may_accept(candidate):
                continue
            block = at.blocks[candidate.block_id]
            if block.state is BlockState.HELD:
                block.state = BlockState.EXECUTING
                self._do(ev.Execute(candidate.block_id))  # R2h
            elif block.state is BlockState.VALID and (best is None or best.round < candidate.round):
                best = candidate
        if best is not None:
            if best.round > at.round:
                self._enter(best.round)
            at.accepted = best.message

    def _run_clock(self) -> None:
        """T2, T4, T5: the clock of a round runs from the first work on, and from when a quorum is
        in the round.

        Else a node one round ahead would stay so for ever once the timeouts stop growing (T1):
        all wait equally long, and the others follow a round late (ADR 0040).
        """
        at = self._open
        if at.clock_ms is None and at.has_work and (at.round == 0 or self._has_company()):
            at.clock_ms = self._mono_ms
            assert at.deadline_ms is not None
            self._do(ev.SetTimer(Timer.ROUND, at.deadline_ms))

    def _suspect(self) -> None:
        """L7: a leader without a link for 1 s, and nothing accepted: do not wait for the timer."""
        at, leader = self._open, self._leader(self._open.round)
        since_ms = self._peers.unlinked_since_ms(leader)
        if leader == self._own or since_ms is None or at.accepted is not None:
            return
        if not at.has_work or not self._may_leave_early or at.left_early:
            return
        due_ms = since_ms + SUSPICION_MS
        if self._mono_ms < due_ms:
            if at.suspicion_ms != due_ms:
                at.suspicion_ms = due_ms
                self._do(ev.SetTimer(Timer.SUSPICION, due_ms))
        elif self._may_suspect():
            self._leave_early()
            self._accept()  # the proposal of the next round may be here already

    def _change_round(self) -> None:
        """R5, R6: say that every lower round is left, unless a proposal took this node along."""
        at = self._open
        if at.round == 0 or at.accepted is not None:
            return
        claim: tuple[int, bytes] | tuple[None, None] = (None, None)
        if at.prepared is not None:
            if at.prepared.certificate.round == at.round:
                return  # after a restart: of this round the proposal alone is missing (R2d)
            claim = (at.prepared.certificate.round, at.prepared.certificate.block_id)
        self._say(RoundChange(self._chain.genesis_digest, at.height, at.round, *claim))

    def _propose(self) -> None:
        """R1, R7: propose once per round what the round changes prove, else a fresh block."""
        at = self._open
        where = Position(at.height, at.round, Step.PROPOSAL)
        if self._leader(at.round) != self._own or not self._may_say(where):
            return
        if at.drafted is None or at.drafted.record.round != at.round:
            if at.choice is None and not self._choose():
                return
            assert at.choice is not None
            if at.choice.carried is None:
                return  # the answer to Propose is on its way
            block = self._want(at.choice.carried, None)
            if not block.is_held or block.compact is None:
                return  # never fall back to an own value
            self._draft(block.compact, at.choice)
        assert at.drafted is not None
        self._say(at.drafted, first=ev.Persist(at.drafted))

    def _choose(self) -> bool:
        """R7: fix what this round's proposal carries; say whether it could be fixed."""
        at = self._open
        if at.round == 0:
            at.choice = FRESH_AT_ROUND_0 if at.has_work else None
        else:
            at.choice = compute_choice(at.changes, at.round, at.context.validators.quorum)
        if at.choice is not None and at.choice.carried is None:
            self._do(ev.Propose(at.height, at.round))
        return at.choice is not None

    def _draft(self, block: CompactBlock, choice: Choice) -> None:
        at = self._open
        assert self._own is not None
        leader = self._leader(at.round)
        at.drafted = make_draft(at, block, choice, self._own, leader, self._chain, self._verify)

    def _prepare(self) -> None:
        """R2: tell the others what was accepted in this round."""
        accepted = self._open.accepted
        if accepted is not None:
            self._say(prepare_of(accepted), first=ev.Persist(accepted))

    def _commit(self) -> None:
        """R3: q prepares for the accepted block in this round earn it a commit, once a round."""
        at = self._open
        if at.accepted is None:
            return
        if at.prepared is None or at.prepared.certificate.round != at.round:
            self._note_prepared(at.accepted)
        if at.prepared is not None and at.prepared.certificate.round == at.round:
            self._say(commit_of(at.prepared))

    def _note_prepared(self, accepted: SignedProposal) -> None:
        """R3: keep the certificate; a silent validator does too, for its next round change (D3)."""
        at = self._open
        prepared = make_prepared(at, accepted, self._chain, self._verify)
        if prepared is None:
            return
        at.prepared = prepared
        if self._own is not None and self._own in at.context.validators:
            self._do(ev.Persist(prepared))

    def _decide(self, certificate: CommitCertificate) -> None:
        """R4: the decision stands, even while the block itself is still missing."""
        at = self._open
        if at.decided is None:
            at.decided = certificate
            self._do(ev.CancelTimer(Timer.ROUND))
            self._do(ev.CancelTimer(Timer.SUSPICION))

    def _apply(self) -> None:
        """R4: make the decided block durable; fetch it first if need be."""
        at = self._open
        assert at.decided is not None
        block = self._want(at.decided.block_id, None)
        if block.is_held and not at.is_applying:
            at.is_applying = True
            self._do(ev.Apply(at.decided.block_id, at.decided))

    # -------------------------------------------------------------------------- rounds and clocks

    def _leave_if_overdue(self) -> None:
        """R5 by T1; T5: out of touch with a quorum this node keeps its round and only re-sends."""
        deadline_ms = self._open.deadline_ms
        if deadline_ms is not None and self._mono_ms >= deadline_ms and self._may_raise():
            self._leave_round()

    def _may_raise(self) -> bool:
        """Say whether this node may raise its round by itself (R5, T5)."""
        is_open = self._open.decided is None and self._silence() is None
        return is_open and self._has_company()

    def _has_company(self) -> bool:
        """T5: a quorum, this node included, was heard lately, in this round or a higher one.

        If so, w honest validators are there, and take all others along (R6): no honest node gets
        further ahead than one message brings the rest.
        """
        at, validators = self._open, self._open.context.validators
        near = [
            key
            for key in self._peers.in_touch(validators, self._mono_ms)
            if at.marks.get(key, 0) >= at.round or self._peers.has_reached(key, at.height, at.round)
        ]
        return len(near) + 1 >= validators.quorum

    def _may_suspect(self) -> bool:
        """Say whether this node may leave early: once a height, and if the switch is on (L7)."""
        return self._may_leave_early and not self._open.left_early and self._may_raise()

    def _leave_early(self) -> None:
        self._open.left_early = True
        self._leave_round()

    def _leave_round(self) -> None:
        """R5: give this round up; at the cap stop and ask for help (B7)."""
        at = self._open
        if at.round >= ROUND_MAX:
            self._voice.stop(Silence.ROUND_CAP, "round-cap", ("height", at.height))
        else:
            self._enter(at.round + 1)

    def _enter(self, round_: int) -> None:
        self._open.enter(round_)
        self._do(ev.CancelTimer(Timer.ROUND))

    # -------------------------------------------------------------------- speaking and silence

    def _say(self, draft: Draft, *, first: ev.Persist | None = None) -> None:
        self._voice.say(self._open, draft, self._certified.height, first=first)

    def _may_say(self, where: Position) -> bool:
        return self._voice.may_say(self._open, where, self._certified.height)

    def _silence(self) -> Silence | None:
        return self._voice.silence(self._open, self._certified.height)

    def _resend(self, to: tuple[bytes, ...] | None) -> None:
        """T6, T7: say again where this node stands and what it said last of each kind."""
        self._send_status(to)
        for _, message in sorted(self._open.own.items()):
            self._do(ev.Send(message, to))
        self._send_proof()

    def _send_proof(self) -> None:
        """M13: the certificate goes to the round's leader alone; without a link to it, to all."""
        at = self._open
        own = at.own.get(Step.ROUND_CHANGE)
        if not isinstance(own, SignedRoundChange) or own.record.round < at.round:
            return
        proven, leader = with_proof(at.changes, own), self._leader(own.record.round)
        if isinstance(proven, ProvenRoundChange) and leader != self._own:
            self._do(ev.Send(proven, (leader,) if self._peers.is_linked(leader) else None))

    def _send_status(self, to: tuple[bytes, ...] | None) -> None:
        silence = self._silence()
        self._do(ev.Send(compute_status(self._open, silence, self._wall_ms), to))

    # ----------------------------------------------------------------------------- blocks

    def _want(self, block_id: bytes, compact: CompactBlock | None) -> KnownBlock:
        """Return what is known of a block, asking for it if this is the first time."""
        at = self._open
        block = at.blocks.get(block_id)
        if block is None or (block.compact is None and compact is not None):
            block = at.learn(block_id, compact, BlockState.WANTED)
            self._fetch(block_id, block)
        return block

    def _fetch(self, block_id: bytes, block: KnownBlock) -> None:
        """B3: from the leader who proposed it, then from whoever voted for it."""
        sources = find_sources(self._open, block_id)
        others = self._peers.linked_first(key for key in sources if key != self._own)
        self._do(ev.Fetch(block_id, block.compact, others))

    # ----------------------------------------------------------------------------- small words

    @property
    def _open(self) -> OpenHeight:
        assert self._at is not None, "Start comes first"
        return self._at

    def _leader(self, round_: int) -> bytes:
        return self._proposer(self._open.context.order, round_)

    def _do(self, effect: ev.Effect) -> None:
        self._effects.append(effect)

    def _ignore(self, sender: bytes, why: str, *, fault: bool = False) -> None:
        self._do(ev.Ignore(sender, why, fault))

    def _alarm(self, text: str, *params: tuple[str, int | str]) -> None:
        self._do(ev.Alarm(text, params))
