"""QBFT, one step at a time: events in, effects out (consensus R1..R8, C1..C4).

`Replica.step` is the only door. It never waits, never looks at a clock and never touches the
world: what it wants done it returns, in the order in which it must be done (D3, D4).

A step has two halves. First the event changes what is known: a vote is counted, a block became
whole, a timer ran out. Then `_advance` asks rule after rule whether it allows something now. So
no rule depends on the order in which things arrived, and what could not be said while this node
had to be silent is said as soon as it may speak.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

import msgspec

from chain.errors import Malformed
from chain.evidence import Testimony, get_commits
from chain.justification import (
    check_justification,
    check_reasons,
    check_round_change,
    claim_of,
)
from chain.records import Header
from chain.validators import (
    CommitCertificate,
    PreparedCertificate,
    ValidatorSet,
    Verify,
    build_commit_certificate,
    build_prepared_certificate,
    check_commit_certificate,
    check_prepared_certificate,
    signer_keys,
)
from consensus import events as ev
from consensus import schedule
from consensus.early import EarlyMessages
from consensus.events import HeightContext, Silence, Timer
from consensus.guard import START, Position, Step, end_of, is_opening, is_unknown, position
from consensus.messages import (
    ROUND_MAX,
    ChainName,
    Commit,
    CompactBlock,
    Draft,
    DraftProposal,
    Justification,
    Prepare,
    Prepared,
    Proposal,
    ProvenRoundChange,
    RoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    check_size,
    justification_digest,
    signed_bytes,
    unseal,
)
from consensus.open_height import BlockState, Candidate, KnownBlock, OpenHeight
from consensus.peers import Peers
from consensus.relay import (
    compute_lacking,
    compute_latest_words,
    compute_own_words,
    compute_status,
    with_proof,
)
from consensus.restart import commit_of, compute_own_messages, lacks_records
from consensus.round_change import (
    FRESH_AT_ROUND_0,
    Choice,
    check_proof,
    compute_choice,
    compute_jump,
)
from consensus.timers import RESEND_MS, SKEW_MS_MAX, SUSPICION_MS, is_timely
from consensus.witness import bare, get_prepares

# C6: every state in which a height can wait, and what ends the wait whatever is lost; capitals
# name a timer. The tests walk this table and drive a replica through each row.
EXITS: tuple[tuple[str, str], ...] = (
    ("round 0: work", "WorkPending, or HEARTBEAT (T8), or a message of this height (T4)"),
    ("any round: its proposal", "ROUND (T1, R5), SUSPICION (L7), a relayed proposal (T7)"),
    ("leader: its fresh block", "Proposed answers Propose; ROUND"),
    ("leader: the block it carries over", "Fetch at every RESEND; ROUND"),
    ("leader: q round changes", "RESEND of the others (T6), relay (T7), ROUND"),
    ("a proposed block made whole", "Fetch at every RESEND; ROUND"),
    ("a proposed block executed", "Executed answers Execute; ROUND"),
    ("q prepares", "RESEND (T6), relay (T7), ROUND"),
    ("q commits", "RESEND (T6), relay (T7), a certificate from a peer (R4), ROUND"),
    ("a decided block made whole", "Fetch at every RESEND; NewHeight by sync (D13)"),
    ("a decided block made durable", "NewHeight answers Apply"),
    ("start gate: q - 1 statuses", "RESEND of our own status, answered by theirs; LinkUp (D9)"),
    (
        "join barrier: a height decided",
        "RESEND tells the others, who make one due (D11); HEARTBEAT",
    ),
    ("out of touch: a quorum", "RESEND looks at the deadline again (T5); R6, R2"),
    ("ahead of the others: a quorum in this round", "they get here by ROUND or R6 (T5, T6)"),
    ("behind: a certificate", "relay (T7), CertificateKnown, NewHeight by sync (D13)"),
)


class ReplicaStatus(msgspec.Struct, frozen=True):
    """C8: where the open height stands, for people. Keys are public keys of validators.

    `missing` are the other validators that are out of touch (T5), each with when it was heard
    last on the monotonic clock, nil for never. `silence` says why this node does not vote.
    """

    height: int
    round: int
    proposer: bytes
    accepted: bytes | None
    prepared_by: tuple[bytes, ...]
    committed_by: tuple[bytes, ...]
    missing: tuple[tuple[bytes, int | None], ...]
    silence: Silence | None
    skew_ms: int | None


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
        self._before: OpenHeight | None = None  # the last height, for forks and late lies (E1, E6)
        self._certified: CommitCertificate | None = None  # the highest one known (D13)
        self._spoken = START  # the highest position the guard was asked for (D2)
        self._stopped: Silence | None = None  # why this node stays silent until it starts again
        self._gate_open = False  # D9
        self._joins = False  # D10: the guard cannot say what this key signed
        self._acked = 0  # the last height that this node promised to keep (reliability Y19)
        self._known = 0  # D10: the height that this node knew of when it started
        self._lost_records = False  # D10, D16: the open height of the guard lacks its records
        self._barrier = 0  # D10: the height whose decision lets this node sign again
        self._closed_to = 0  # D10: at this height and those below nothing is signed any more
        self._has_spoken = False  # since the start: what is lost was signed before that (D14)
        self._has_met_own = False  # D14: words of this key that the guard does not hold, at a start
        self._skew_told = False  # T13
        self._halted = False  # E6

        self._mono_ms = 0
        self._wall_ms = 0
        self._effects: list[ev.Effect] = []

    # ---------------------------------------------------------------------------- the door

    def step(self, event: ev.Event) -> list[ev.Effect]:
        """Advance by one event. No clock, no I/O, no randomness; always runs to the end.

        The order of the effects is part of the contract: what `Persist` names is on disk before
        anything after it leaves the node, so no crash can make this node vote twice.
        """
        if self._halted:
            return []
        self._effects = []
        self._mono_ms = max(self._mono_ms, event.mono_ms)  # a queued event may be a little old
        self._wall_ms = event.wall_ms
        self._take(event)
        if not self._halted:
            self._open_gate()
            self._advance()
        return self._effects

    def status(self) -> ReplicaStatus:
        """Say where the open height stands, without changing anything (C8)."""
        at, validators = self._open, self._open.context.validators
        in_touch = self._peers.in_touch(validators, self._mono_ms)
        return ReplicaStatus(
            height=at.height,
            round=at.round,
            proposer=self._leader(at.round),
            accepted=None if at.accepted is None else at.accepted.record.block_id,
            prepared_by=tuple(vote.signer for vote in at.prepares.in_round(at.round)),
            committed_by=tuple(vote.signer for vote in at.commits.in_round(at.round)),
            missing=tuple(
                (key, self._peers.heard_ms(key))
                for key in validators.keys
                if key != self._own and key not in in_touch
            ),
            silence=self._silence(),
            skew_ms=self._peers.skew_ms(validators),
        )

    def is_joining(self, height: int) -> bool:
        """Say whether a decided `height` shows, before the gate, that the guard is behind (D10)."""
        return self._own is not None and not self._gate_open and height > self._known

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
                self._stop(Silence.LOCKED, "signer-locked")
            case ev.KeyElsewhere():
                self._stop_for_foreign(event.height, event.round)
            case ev.SigningRefused():
                self._stop(Silence.GUARD, "guard-refused", ("why", event.why))
            case _:
                assert_never(event)

    def _start(self, event: ev.Start) -> None:
        """D7: take up the open height where store and guard left it; votes are collected anew."""
        self._peers.start(self._mono_ms)
        self._before = None
        self._gate_open = False
        self._stopped = None
        self._spoken = event.slots[-1].position if event.slots else START
        self._joins, self._barrier, self._acked = event.joins, 0, event.acked
        self._known = max(self._spoken.height, event.context.height - 1, event.acked)
        self._closed_to = self._spoken.height if self._spoken.step >= Step.END else 0
        self._has_spoken = self._has_met_own = False
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
        at.is_reopened = any(is_opening(slot) for slot in slots)
        is_unknown_here = any(is_unknown(slot) for slot in slots)
        slots = [slot for slot in slots if slot.signed]
        for slot in slots:
            at.note_signed(slot.position, slot.signed)
        records = _of_height(event.records, at.height)
        drafted, accepted, prepared = records.drafted, records.accepted, records.prepared
        at.drafted, at.prepared = drafted, prepared
        is_short = self._spoken.height > at.height  # D16
        self._lost_records = is_short or is_unknown_here or lacks_records(slots, records)
        rounds = [slot.position.round for slot in slots]
        if accepted is not None:
            rounds.append(accepted.record.round)
        if prepared is not None:
            rounds.append(prepared.certificate.round)  # noted in silence: the guard knows nothing
        if max(rounds, default=0) > 0:
            self._enter(max(rounds))
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
        for known in (before.decided, self._certified):
            if known is not None and context.tip is not None:
                self._check_fork(known, context.tip)
        self._end(before, context)
        self._before = before if context.height == before.height + 1 else None
        self._begin(context, work=event.work)
        if self._barrier and context.height > self._barrier:
            self._alarm("join-barrier-passed", ("height", self._barrier))
            self._barrier = 0
        if context.tip is not None and context.tip.height == before.height:
            for vote in get_commits(context.tip, before.context.validators):
                if vote.signer == self._own:
                    self._meet_own(before, vote)
        if self._certified is not None and self._certified.height == context.height:
            self._decide(self._certified)
        for early in self._early.take(context.height, context.validators):
            self._receive(early)

    def _on_timer(self, timer: Timer) -> None:
        at = self._open
        match timer:
            case Timer.ROUND:
                self._leave_if_overdue()
            case Timer.RESEND:
                self._resend(None)
                self._fetch_again()
                self._leave_if_overdue()
                self._check_skew()
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
                    self._receive_certificate(message)
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
            if self._before is not None and record.height == self._before.height:
                self._hear_late(self._before, message)
            return
        if message.signer not in at.context.validators:
            self._ignore(peer, "signed by a stranger")
            return
        if message.signer == self._own:
            self._meet_own(at, bare(message))
            return
        if self._is_held(message, proven):
            return
        if at.decided is not None:
            self._hear_late(at, message)
            return
        useless = self._why_useless(message)
        if useless is not None:
            self._ignore(peer, useless)
            self._hear_late(at, message)
            return
        self._check_signature(message)
        self._testify(at, bare(message))
        at.mark(message.signer, record.round)
        self._peers.hear(message.signer, self._mono_ms)
        self._jump()  # R6 first: the round decides which votes are kept
        self._count(event, message, proven)

    def _is_held(self, message: SignedMessage, proven: ProvenRoundChange | None) -> bool:
        at, signer, round_ = self._open, message.signer, message.record.round
        match message:
            case SignedPrepare():
                return at.prepares.get(signer, round_) == message
            case SignedCommit():
                return at.commits.get(signer, round_) == message
            case SignedRoundChange():
                is_known = at.changes.of(signer) == message
                return is_known and (proven is None or at.changes.proof(message.record) is not None)
            case SignedProposal():
                candidate = at.candidates.get(signer)
                return candidate is not None and candidate.message.record == message.record

    def _why_useless(self, message: SignedMessage) -> str | None:
        """Say why a message could change nothing, whoever signed it; nil if it could (B9)."""
        at, round_ = self._open, message.record.round
        is_late = False  # R4: a commit of a past round may still decide
        match message:
            case SignedPrepare():
                is_late = round_ < at.round
            case SignedCommit():
                pass
            case SignedRoundChange():
                held = at.changes.of(message.signer)
                is_late = held is not None and round_ < held.record.round
            case SignedProposal():
                if message.signer != self._leader(round_):
                    raise Malformed("a proposal by somebody who does not lead its round")  # R2a
                candidate = at.candidates.get(message.signer)
                is_late = round_ < at.round or (candidate is not None and round_ < candidate.round)
        return f"too late: of round {round_}, now in {at.round}" if is_late else None

    def _check_signature(self, said: SignedMessage | Testimony) -> None:
        if not self._verify(said.signer, signed_bytes(self._chain, said.record), said.signature):
            raise Malformed("a wrong signature")

    def _meet_own(self, at: OpenHeight, said: Testimony) -> None:
        """D14: a signature of the own key that the guard does not hold, though it stands there.

        Below a join barrier, and at a height that an approval opened, these are the words of the
        disk that was lost (D10, D12). So they may be while this node has signed nothing since its
        start: its disk may be an image of this very height, or of the end of the one before, and
        it joins as after any loss.
        """
        where, signed = position(said.record), signed_bytes(self._chain, said.record)
        is_open = at is self._open
        if at.is_reopened or at.may_have_signed(where, signed):
            return
        if not at.signed and (self._has_spoken or at.height <= self._spoken.height):
            return  # D14 is about heights in the guard; what it closed or took over says nothing
        if self._is_closed if is_open else at.height <= self._closed_to:
            return
        self._check_signature(said)
        if self._has_spoken:
            self._stop_for_foreign(where.height, where.round)
        elif not self._gate_open:
            self._has_met_own = True
        elif is_open and at.decided is None:
            self._close(at.height, "words")

    def _stop_for_foreign(self, height: int, round_: int) -> None:
        told = (("height", height), ("round", round_))
        self._stop(Silence.FOREIGN_SIGNATURE, "key-in-use-elsewhere", *told)

    def _keep_early(self, event: ev.Received, message: SignedMessage) -> None:
        """B7: of h + 1 what is verified, of h + 2 what the end of the link signed itself."""
        at, height, signer = self._open, message.record.height, message.signer
        next_set = at.context.next_validators
        if not at.height < height <= at.height + 2 or signer not in next_set:
            return
        if signer == self._own or (height == at.height + 2 and signer != event.peer):
            return
        if not self._early.has_room(height, message, next_height=at.height + 1):
            return
        if isinstance(message, SignedProposal):
            check_size(message.block)
        if height == at.height + 1:
            self._check_signature(message)
        self._peers.hear(signer, self._mono_ms)
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
                    self._testify_prepares(at, certificate)
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
        self._testify(at, bare(message))
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
                self._accuse(at, message, header, "c")
                return
        if not at.commits.add(message):
            self._ignore(message.signer, "contradicts its own commit")
            return
        votes = at.commits.agreeing(record)
        if at.decided is None and len(votes) >= at.context.validators.quorum:
            certificate = build_commit_certificate(
                at.context.validators,
                record.height,
                record.round,
                record.block_id,
                record.log_size,
                record.log_root,
                votes,
            )
            with _our_own_work():
                self._check_certificate(certificate, at.context.validators)
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
        try:
            is_fresh = self._check_proposal(
                message.signer, record, message.block, message.justification
            )
        except Malformed:
            self._accuse_reasons(at, message)
            raise
        self._testify_reasons(at, message.justification)
        is_punctual = is_timely(message.block.header.time_ms, wall_ms, record.round)
        candidate = Candidate(message, timely=is_punctual or not is_fresh, via=via)
        at.candidates[message.signer] = candidate
        if not candidate.timely:
            self._ignore(message.signer, "block time too far from the own clock")
        else:
            self._want(record.block_id, message.block)

    def _check_proposal(
        self, signer: bytes, record: Proposal, block: CompactBlock, justification: Justification
    ) -> bool:
        """Say whether the block must be fresh, or raise `Malformed`. Own proposals too (M16)."""
        context, header = self._open.context, block.header
        if signer != self._leader(record.round):
            raise Malformed("a proposal by somebody who does not lead its round")  # R2a
        if block.block_id != record.block_id:
            raise Malformed("a proposal with another block than it names")
        check_size(block)
        if header.height != context.height or header.parent_id != context.parent_id:
            raise Malformed("a block that does not follow its parent")
        if header.genesis_digest != self._chain.genesis_digest:
            raise Malformed("a block of another chain")
        if header.time_ms <= context.parent_time_ms:
            raise Malformed("a block that is not later than its parent")  # T9
        is_fresh = check_justification(record, justification, context.validators, self._verify)
        if is_fresh and header.creator != signer:
            raise Malformed("a fresh block that the leader did not create")  # R2e
        return is_fresh

    # -------------------------------------------------------------------------------- evidence

    def _testify(self, at: OpenHeight, said: Testimony) -> None:
        """E1, E5: keep a checked message; report it with an earlier one that it contradicts."""
        if said.signer == self._own:
            self._meet_own(at, said)
        pair = at.witness.note(said)
        if pair is not None and said.signer != self._own:
            self._do(ev.Accuse(*pair))

    def _testify_prepares(self, at: OpenHeight, certificate: PreparedCertificate) -> None:
        """R8, F15: a vote inside a checked certificate convicts as one that came alone."""
        digest = self._chain.genesis_digest
        for vote in get_prepares(certificate, at.context.validators, digest):
            self._testify(at, vote)

    def _testify_reasons(self, at: OpenHeight, reasons: Justification) -> None:
        for change in reasons.round_changes:
            self._testify(at, change)
        if reasons.certificate is not None:
            self._testify_prepares(at, reasons.certificate)

    def _accuse(
        self,
        at: OpenHeight,
        said: SignedCommit | SignedProposal,
        against: Header | Justification,
        kind: str,
    ) -> None:
        if said.signer != self._own and at.witness.report(said.signer, kind):
            self._do(ev.Accuse(bare(said), against))

    def _accuse_reasons(self, at: OpenHeight, message: SignedProposal) -> None:
        """E1e: the leader signed reasons that fail R2c, R2d or R2f; other faults prove nothing."""
        record, reasons = message.record, message.justification
        if record.justification_digest != justification_digest(reasons):
            return
        try:
            check_reasons(record, reasons, at.context.validators, self._verify)
        except Malformed:
            self._accuse(at, message, reasons, "e")

    def _hear_late(self, at: OpenHeight, message: SignedMessage) -> None:
        """E1: what can change nothing any more may still convict its signer (F14).

        Of a height that is decided, all that was said of later rounds is kept: if another block
        is certified there, it tells who made that possible (E6).
        """
        said, decided = bare(message), at.decided
        if said.signer not in at.context.validators:
            return
        if said.signer == self._own:
            self._meet_own(at, said)
            return
        is_odd = decided is not None and decided.round < said.record.round
        if not is_odd and not at.witness.would_convict(said):
            return
        self._check_signature(message)
        self._testify(at, said)
        if isinstance(message, SignedProposal):
            reasons, validators = message.justification, at.context.validators
            try:
                check_justification(message.record, reasons, validators, self._verify)
            except Malformed:
                self._accuse_reasons(at, message)
            else:
                self._testify_reasons(at, reasons)

    def said(self, height: int) -> tuple[Testimony, ...]:
        """Return what was heard at the open height or the one before; of others nothing (E5)."""
        for place in (self._open, self._before):
            if place is not None and place.height == height:
                return place.witness.messages()
        return ()

    def _end(self, at: OpenHeight, context: HeightContext) -> None:
        """E1c, E5: a height is over: report what only now can be seen, keep what may matter."""
        for block_id, block in sorted(at.blocks.items()):
            if block.compact is not None:
                header = block.compact.header
                for false in at.witness.false_commits(header, block_id):
                    self._accuse(at, false, header, "c")
        if self._before is not None:
            self._retain(self._before)  # what came late
        if context.height == at.height + 1:
            at.is_long = max(at.round, 0 if context.tip is None else context.tip.round) > 0
            self._retain(at)
            # One of f + 1 is honest, and gives what it was shown.
            others = [key for key in at.witness.find_others() if key != self._own]
            if others:
                few = others[: at.context.validators.weak_quorum]
                self._do(ev.Inquire(at.height, tuple(few)))

    def _retain(self, at: OpenHeight) -> None:
        said = at.witness.messages() if at.is_long else at.witness.caught()
        if len(said) > at.retained:
            at.retained = len(said)
            self._do(ev.Retain(at.height, said))

    # -------------------------------------------------------- certificates and where peers stand

    def _receive_certificate(self, certificate: CommitCertificate) -> None:
        """R4, R8: judge a certificate as a whole, by the set of its height, where that is known."""
        context = self._open.context
        sets = {
            context.height - 1: None if self._before is None else self._before.context.validators,
            context.height: context.validators,
            context.height + 1: context.next_validators,
        }
        validators = sets.get(certificate.height)
        known = (context.tip, self._open.decided, self._certified)
        if validators is None or certificate in known:
            return
        if certificate.round > ROUND_MAX:
            raise Malformed("a certificate of a round above the cap")  # B7: before any signature
        self._check_certificate(certificate, validators)
        for place in (self._open, self._before):
            if place is not None and place.height == certificate.height:
                for vote in get_commits(certificate, validators):
                    self._testify(place, vote)
        self._learn_certificate(certificate)

    def _check_certificate(self, certificate: CommitCertificate, validators: ValidatorSet) -> None:
        check_commit_certificate(certificate, validators, self._chain.chain_id, self._verify)

    def _learn_certificate(self, certificate: CommitCertificate) -> None:
        """D13, E6: a certificate was verified, here or by sync."""
        at = self._open
        for known in (at.context.tip, at.decided, self._certified):
            if known is not None:
                self._check_fork(known, certificate)
        if self._halted:
            return
        if certificate.height == at.height:
            self._decide(certificate)
        elif certificate.height > max(at.height, self._certified_height):
            self._certified = certificate

    def _check_fork(self, first: CommitCertificate, second: CommitCertificate) -> None:
        """E6: two certificates for different blocks at one height end this node; never revert."""
        if first.height == second.height and first.block_id != second.block_id:
            said = self.said(first.height)
            self._do(ev.Halt("two certificates for one height", first, second, said))
            self._halted = True

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
        at, reasons = self._open, choice.justification
        assert self._own is not None
        digest = justification_digest(reasons)
        record = Proposal(self._chain.genesis_digest, at.height, at.round, block.block_id, digest)
        with _our_own_work():
            is_fresh = self._check_proposal(self._own, record, block, reasons)
        assert is_fresh == (choice.carried is None), "a choice and its reasons say the same"
        at.drafted = DraftProposal(record, block, reasons)

    def _prepare(self) -> None:
        """R2: tell the others what was accepted in this round."""
        accepted = self._open.accepted
        if accepted is not None:
            record = accepted.record
            vote = Prepare(record.genesis_digest, record.height, record.round, record.block_id)
            self._say(vote, first=ev.Persist(accepted))

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
        at, record = self._open, accepted.record
        vote = Prepare(record.genesis_digest, record.height, record.round, record.block_id)
        votes, validators = at.prepares.agreeing(vote), at.context.validators
        if len(votes) < validators.quorum:
            return
        certificate = build_prepared_certificate(
            validators, record.height, record.round, record.block_id, votes
        )
        with _our_own_work():
            check_prepared_certificate(
                certificate, validators, self._chain.genesis_digest, self._verify
            )
        at.prepared = Prepared(certificate, accepted.block.header)
        if self._own is not None and self._own in validators:
            self._do(ev.Persist(at.prepared))

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
            self._stop(Silence.ROUND_CAP, "round-cap", ("height", at.height))
        else:
            self._enter(at.round + 1)

    def _enter(self, round_: int) -> None:
        at = self._open
        assert round_ > at.round, "rounds only rise (R5)"
        at.round = round_
        at.accepted = None
        at.choice = None
        at.clock_ms = None
        at.prepares.forget_below(round_)
        self._do(ev.CancelTimer(Timer.ROUND))

    # -------------------------------------------------------------------- speaking and silence

    def _say(self, draft: Draft, *, first: ev.Persist | None = None) -> None:
        """Sign once per position and never below one: nothing that R5 forbids gets past here."""
        where = position(draft)
        if not self._may_say(where):
            return
        if first is not None:
            self._do(first)  # D3
        self._spoken = where
        self._has_spoken = True
        self._open.note_signed(where, signed_bytes(self._chain, draft))
        self._do(ev.SignAndSend(draft))

    def _may_say(self, where: Position) -> bool:
        return where > self._spoken and self._silence() is None

    def _silence(self) -> Silence | None:
        """Return why this node must not sign now, or nil if it may (C8)."""
        at, validators = self._open, self._open.context.validators
        if self._own is None or self._own not in validators:
            return Silence.OBSERVER
        if self._stopped is not None:
            return self._stopped
        if at.height <= self._acked:
            return Silence.BEHIND  # it lost this block, and fetches it back (reliability Y23)
        if not self._gate_open:
            return Silence.START
        if self._is_closed:
            return Silence.BARRIER
        if at.decided is not None or self._certified_height >= at.height:
            return Silence.DECIDED  # D13
        if self._peers.count_decided(validators, at.height) >= validators.weak_quorum:
            return Silence.BEHIND  # D13
        return None

    @property
    def _is_closed(self) -> bool:
        """Whether the guard lets nothing of this height be signed (D10)."""
        return self._spoken >= Position(self._open.height, ROUND_MAX, Step.END)

    def _open_gate(self) -> None:
        """D9: q - 1 others said where they stand, and what they claim is certified here."""
        if self._gate_open:
            return
        validators = self._open.context.validators
        certified = max(self._open.height - 1, self._certified_height)
        answers = self._peers.count_answered(validators, certified)
        self._gate_open = answers >= validators.quorum - 1
        if self._gate_open and self._own is not None:
            self._pass_barrier(certified)

    def _pass_barrier(self, certified: int) -> None:
        """D10: close the heights where this key may have signed what its guard does not hold.

        The guard is raised before anything is observed, so a crash in the barrier is no way out
        of it (ADR 0045). A guard that is whole lacks nothing once its height is decided.
        """
        lacks = self._lost_records and self._spoken.height > certified
        if self._joins or self._known < certified or lacks or self._has_met_own:
            is_old = self._known < certified
            why = "guard" if self._joins else "records" if lacks else "old" if is_old else "words"
            self._close(max(certified + 1, self._spoken.height), why)
        elif self._is_closed:
            self._barrier = self._spoken.height

    def _close(self, height: int, why: str) -> None:
        """D10: let this key sign nothing at `height` and those below any more."""
        self._barrier = height
        self._alarm("join-barrier", ("height", height), ("why", why))
        self._do(ev.RaiseGuard(height))
        self._spoken = max(self._spoken, end_of(height))
        self._closed_to = max(self._closed_to, height)

    def _stop(self, why: Silence, alarm: str, *params: tuple[str, int | str]) -> None:
        if self._stopped is None:
            self._stopped = why
            self._alarm(alarm, *params)

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

    def _check_skew(self) -> None:
        """T13: tell the operator once that the own clock and the others' differ."""
        skew_ms = self._peers.skew_ms(self._open.context.validators)
        is_off = skew_ms is not None and abs(skew_ms) > SKEW_MS_MAX
        if is_off and not self._skew_told:
            self._alarm("clock-skew", ("skew_ms", skew_ms or 0))
        self._skew_told = is_off

    # ----------------------------------------------------------------------------- blocks

    def _want(self, block_id: bytes, compact: CompactBlock | None) -> KnownBlock:
        """Return what is known of a block, asking for it if this is the first time."""
        at = self._open
        block = at.blocks.get(block_id)
        if block is None or (block.compact is None and compact is not None):
            block = at.learn(block_id, compact, BlockState.WANTED)
            self._fetch(block_id, block)
        return block

    def _fetch_again(self) -> None:
        """C6: a block that is still missing and still of use is asked for again, more widely."""
        at = self._open
        needed = at.needed() if at.decided is None else {at.decided.block_id}
        for block_id, block in sorted(at.blocks.items()):
            if block.state is BlockState.WANTED and block_id in needed:
                self._fetch(block_id, block)

    def _fetch(self, block_id: bytes, block: KnownBlock) -> None:
        """B3: from the leader who proposed it, then from whoever voted for it."""
        at = self._open
        sources: list[bytes] = []
        if at.accepted is not None and at.accepted.record.block_id == block_id:
            sources.append(at.accepted.signer)
        for candidate in at.candidates.values():
            if candidate.block_id == block_id:
                sources += [candidate.message.signer, candidate.via]
        sources += [
            vote.signer
            for vote in at.prepares.in_round(at.round)
            if vote.record.block_id == block_id
        ]
        certificates = (
            at.decided,
            None if at.choice is None else at.choice.justification.certificate,
            None if at.prepared is None else at.prepared.certificate,
        )
        for certificate in certificates:
            if certificate is not None and certificate.block_id == block_id:
                sources += signer_keys(certificate, at.context.validators)
        others = self._peers.linked_first(key for key in sources if key != self._own)
        self._do(ev.Fetch(block_id, block.compact, others))

    # ----------------------------------------------------------------------------- small words

    @property
    def _open(self) -> OpenHeight:
        assert self._at is not None, "Start comes first"
        return self._at

    @property
    def _certified_height(self) -> int:
        return 0 if self._certified is None else self._certified.height

    def _leader(self, round_: int) -> bytes:
        return self._proposer(self._open.context.order, round_)

    def _do(self, effect: ev.Effect) -> None:
        self._effects.append(effect)

    def _ignore(self, sender: bytes, why: str, *, fault: bool = False) -> None:
        self._do(ev.Ignore(sender, why, fault))

    def _alarm(self, text: str, *params: tuple[str, int | str]) -> None:
        self._do(ev.Alarm(text, params))


@contextmanager
def _our_own_work() -> Iterator[None]:
    """M16: what peers would refuse is, before it leaves here, a bug of this program."""
    try:
        yield
    except Malformed as error:
        raise AssertionError(f"our own work is refused: {error}") from error


def _of_height(records: ev.OpenRecords, height: int) -> ev.OpenRecords:
    """Return the records that are of this height: a crash may leave older ones behind (D3)."""
    drafted, accepted, prepared = records.drafted, records.accepted, records.prepared
    return ev.OpenRecords(
        drafted if drafted is not None and drafted.record.height == height else None,
        accepted if accepted is not None and accepted.record.height == height else None,
        prepared if prepared is not None and prepared.header.height == height else None,
    )
