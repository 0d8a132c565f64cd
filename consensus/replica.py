"""QBFT, one step at a time: events in, effects out (consensus R1..R8, C1..C4).

`Replica.step` is the only door. It never waits, never looks at a clock and never touches the
world: what it wants done it returns, in the order in which it must be done (D3, D4).

Every state a height can be in has a way out (C6):

| waiting for | what brings it on |
|---|---|
| a proposal of this round | ROUND timer (T1), L7, T7 from peers' statuses, R6 |
| the body of a proposal or of a decided block | Fetch, asked again at every RESEND |
| its execution | Executed follows every Execute |
| q prepares, q commits | RESEND of our own votes (T6), statuses (T7), ROUND timer (R5) |
| q round changes | RESEND (T6), T7, R6, ROUND timer while in touch with a quorum (T5) |
| statuses at the start (D9) | RESEND, LinkUp |
| work | WorkPending, HEARTBEAT (T8) |
"""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from chain.codec import decode, encode
from chain.errors import Malformed
from chain.validators import (
    CommitCertificate,
    Verify,
    build_commit_certificate,
    build_prepared_certificate,
    check_commit_certificate,
    check_prepared_certificate,
    read_bitmap,
    write_bitmap,
)
from consensus import events as ev
from consensus.events import HeightContext, OpenRecords, Silence, Timer
from consensus.guard import Slot, Step
from consensus.messages import (
    ROUND_MAX,
    ChainName,
    Commit,
    CompactBlock,
    DraftProposal,
    Message,
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
    justification_digest,
    signed_bytes,
    unseal,
)
from consensus.round_change import (
    FRESH_AT_ROUND_0,
    Choice,
    RoundChanges,
    check_justification,
    check_proof,
    check_round_change,
    claim_of,
    compute_choice,
    compute_jump,
)
from consensus.schedule import proposer
from consensus.timers import (
    IN_TOUCH_MS,
    RESEND_MS,
    SKEW_MS_MAX,
    SUSPICION_MS,
    is_timely,
    median,
    round_timeout_ms,
)
from consensus.votes import COMMIT_ROUNDS_MAX, PREPARE_ROUNDS_MAX, Tally


class ReplicaStatus(msgspec.Struct, frozen=True):
    """C8: what `status` tells people. Keys are public keys; times are monotonic ms."""

    height: int
    round: int
    proposer: bytes
    accepted: bytes | None
    prepared_by: tuple[bytes, ...]
    committed_by: tuple[bytes, ...]
    heard_ms: tuple[tuple[bytes, int | None], ...]
    silence: Silence | None
    skew_ms: int | None


class Replica:
    """The state of one open height, and what outlives it: peers, links and the own silence."""

    def __init__(
        self, chain: ChainName, own_key: bytes | None, verify: Verify, *, early: bool = True
    ) -> None:
        self._chain = chain
        self._own = own_key
        self._verify = verify
        self._early = early
        self._mono = 0
        self._wall = 0
        self._out: list[ev.Effect] = []
        self._linked: set[bytes] = set()
        self._unlinked: dict[bytes, int] = {}  # since when (L7)
        self._started = 0
        self._statuses: dict[bytes, Status] = {}
        self._offsets: dict[bytes, int] = {}
        self._heard: dict[bytes, int] = {}
        self._greeted: set[bytes] = set()
        self._withheld = False
        self._stopped: Silence | None = None
        self._guard_height = 0
        self._future: dict[tuple[bytes, str], tuple[bytes, SignedMessage, int]] = {}
        self._skew_told = False
        self._ctx: HeightContext = None  # type: ignore[assignment]  # set by Start

    # ------------------------------------------------------------------------------ the door

    def step(self, event: ev.Event) -> list[ev.Effect]:
        """Advance by one event. No clock, no I/O, no randomness; always runs to the end."""
        self._out = []
        self._mono, self._wall = event.mono_ms, event.wall_ms
        match event:
            case ev.Start():
                self._start(event)
            case ev.Received():
                self._receive(event.peer, event.message)
            case ev.TimerFired():
                self._on_timer(event.timer)
            case ev.Proposed():
                self._on_proposed(event)
            case ev.BlockAvailable():
                self._on_block(event.block)
            case ev.Executed():
                self._results[event.block_id] = event.error
            case ev.WorkPending():
                self._work = event.pending
            case ev.LinkUp():
                self._on_link_up(event.peer)
            case ev.LinkDown():
                self._linked.discard(event.peer)
                self._unlinked[event.peer] = self._mono
                self._suspect()
            case ev.Complaint():
                if (event.height, event.round) == (self._ctx.height, self._round):
                    self._leave_early()
            case ev.CertificateKnown():
                self._on_certificate(event.certificate)
            case ev.NewHeight():
                self._open(event.context, work=event.work)
                self._replay_future()
            case ev.SigningRefused():
                self._stopped = Silence.GUARD
                self._out.append(ev.Alarm("guard-refused", (("why", event.why),)))
            case _:
                assert_never(event)
        self._progress()
        return self._out

    def status(self) -> ReplicaStatus:
        """Say where this height stands, for people (C8)."""
        ctx, round_ = self._ctx, self._round
        return ReplicaStatus(
            ctx.height,
            round_,
            proposer(ctx.order, round_),
            None if self._accepted is None else self._accepted.record.block_id,
            tuple(vote.signer for vote in self._prepares.in_round(round_)),
            tuple(vote.signer for vote in self._commits.in_round(round_)),
            tuple((key, self._heard.get(key)) for key in ctx.validators.keys if key != self._own),
            self._silence(),
            median(self._offsets.values()) if self._offsets else None,
        )

    # ----------------------------------------------------------------------- start and heights

    def _start(self, event: ev.Start) -> None:
        """D7: take up the open height where guard and store left it."""
        self._withheld = event.withheld
        self._started = self._mono
        self._greeted.clear()
        self._guard_height = max((slot.position.height for slot in event.slots), default=0)
        self._open(event.context, work=event.work)
        self._restore(event.records, event.slots)
        self._out.append(ev.SetTimer(Timer.RESEND, self._mono + RESEND_MS))
        self._send_status(None)

    def _open(self, ctx: HeightContext, *, work: bool) -> None:
        self._ctx = ctx
        self._work = work
        self._heartbeat = False
        self._seen = False  # a signed message of this height came (T4)
        self._round = 0
        self._entered: int | None = None  # when the timer of this round began to run
        self._accepted: SignedProposal | None = None
        self._candidate: SignedProposal | None = None
        self._prepared: Prepared | None = None
        self._drafted: DraftProposal | None = None
        self._decided: CommitCertificate | None = None
        self._applied = False
        self._early_used = False
        self._end = False
        self._prepares: Tally[SignedPrepare] = Tally(PREPARE_ROUNDS_MAX)
        self._commits: Tally[SignedCommit] = Tally(COMMIT_ROUNDS_MAX)
        self._changes = RoundChanges()
        self._marks: dict[bytes, int] = {}
        self._blocks: dict[bytes, CompactBlock] = {}
        self._whole: set[bytes] = set()
        self._results: dict[bytes, str | None] = {}
        self._asked: set[tuple[Step, int]] = set()
        self._wanted: set[int] = set()  # rounds for which a fresh block was asked
        self._signed: dict[tuple[Step, int], bytes] = {}
        self._own_messages: dict[Step, SignedMessage] = {}
        self._out.append(ev.CancelTimer(Timer.ROUND))
        self._out.append(ev.CancelTimer(Timer.SUSPICION))
        self._out.append(ev.SetTimer(Timer.HEARTBEAT, self._mono + ctx.timing.heartbeat_ms))
        self._send_status(None)

    def _restore(self, records: OpenRecords, slots: Sequence[Slot]) -> None:
        """D7: the same bytes are sent again; votes of others are collected anew."""
        height = self._ctx.height
        if records.prepared is not None and records.prepared.header.height == height:
            self._prepared = records.prepared
        if records.drafted is not None and records.drafted.record.height == height:
            self._drafted = records.drafted
            self._blocks[records.drafted.record.block_id] = records.drafted.block
        accepted = records.accepted
        if accepted is not None and accepted.record.height == height:
            self._blocks[accepted.record.block_id] = accepted.block
        for slot in slots:
            at = slot.position
            if at.height != height:
                continue
            if at.step is Step.END:
                self._end = True
                continue
            self._asked.add((at.step, at.round))
            self._signed[at.step, at.round] = slot.signed
            self._round = max(self._round, at.round)
            message = self._rebuild(slot)
            if message is not None:
                self._count_own(message)
        if (
            accepted is not None
            and accepted.record.height == height
            and accepted.record.round == self._round
        ):
            self._accepted = accepted
            self._out.append(ev.Fetch(accepted.record.block_id, accepted.block, ()))
        if self._own_messages or self._round:
            self._seen = True

    def _rebuild(self, slot: Slot) -> SignedMessage | None:
        """Return the message of a guard slot, from its bytes and the stored records."""
        assert self._own is not None
        match slot.position.step:
            case Step.PREPARE:
                prepare = decode(Prepare, slot.signed)
                return SignedPrepare(prepare, self._own, slot.signature)
            case Step.ROUND_CHANGE:
                change = decode(RoundChange, slot.signed)
                return SignedRoundChange(change, self._own, slot.signature)
            case Step.PROPOSAL:
                draft = self._drafted
                if draft is not None and encode(draft.record) == slot.signed:
                    return SignedProposal(
                        draft.record, self._own, slot.signature, draft.block, draft.justification
                    )
            case Step.COMMIT:
                prepared = self._prepared
                if prepared is not None and prepared.certificate.round == slot.position.round:
                    commit = self._commit_of(prepared)
                    if signed_bytes(self._chain, commit) == slot.signed:
                        return SignedCommit(commit, self._own, slot.signature)
            case _:
                pass
        return None

    def _replay_future(self) -> None:
        """B7: what came early for this height is judged now, in a fixed order."""
        waiting, self._future = self._future, {}
        for _, (peer, message, _wall) in sorted(waiting.items(), key=lambda item: item[0]):
            self._receive(peer, message)

    # ------------------------------------------------------------------------------ messages

    def _receive(self, peer: bytes, message: Message) -> None:
        match message:
            case Status():
                self._on_status(peer, message)
            case CommitCertificate():
                self._on_certificate_message(peer, message)
            case ProvenRoundChange():
                self._on_signed(peer, message.round_change, message)
            case SignedProposal() | SignedPrepare() | SignedCommit() | SignedRoundChange():
                self._on_signed(peer, message, None)
            case _:
                assert_never(message)

    def _on_signed(
        self, peer: bytes, message: SignedMessage, proven: ProvenRoundChange | None
    ) -> None:
        """B8: height, round, membership, duplicate, and only then the signature."""
        record, ctx = message.record, self._ctx
        own = message.signer == self._own
        if own and peer == self._own:
            self._count_own(message)
            return
        if record.height == ctx.height + 1:
            self._keep_for_later(peer, message)
            return
        if record.height != ctx.height:
            return
        if message.signer not in ctx.validators:
            self._ignore(peer, "signed by a stranger")
            return
        if self._is_held(message, proven):
            return
        if not isinstance(record, Commit) and record.genesis_digest != self._chain.genesis_digest:
            self._ignore(peer, "of another chain", fault=True)
            return
        signed = signed_bytes(self._chain, unseal(message))
        if not self._verify(message.signer, signed, message.signature):
            self._ignore(peer, "wrong signature", fault=True)
            return
        if own:
            self._meet_own(message, signed)
            return
        self._marks[message.signer] = max(self._marks.get(message.signer, 0), record.round)
        self._heard[message.signer] = self._mono
        self._seen = True
        try:
            self._count(peer, message, proven)
        except Malformed as error:
            self._ignore(peer, str(error), fault=True)

    def _count(self, peer: bytes, message: SignedMessage, proven: ProvenRoundChange | None) -> None:
        match message:
            case SignedPrepare():
                if self._round <= message.record.round <= self._round + 1:
                    self._prepares.add(message)
            case SignedCommit():
                if message.record.round <= self._round + 1:
                    self._commits.add(message)
                    self._decide_if_committed(message.record)
            case SignedRoundChange():
                check_round_change(message.record)
                proof = None
                if proven is not None:
                    proof = proven.certificate
                    check_proof(message.record, proof, self._ctx.validators, self._verify)
                self._changes.add(message, proof)
            case SignedProposal():
                self._consider(peer, message)
            case _:
                assert_never(message)

    def _count_own(self, message: SignedMessage) -> None:
        """D4: an own message counts only now that its guard slot is durable."""
        record = message.record
        step = _step_of(message)
        if record.height != self._ctx.height:
            return
        self._signed[step, record.round] = signed_bytes(self._chain, unseal(message))
        self._own_messages[step] = message
        self._seen = True
        self._marks[message.signer] = max(self._marks.get(message.signer, 0), record.round)
        match message:
            case SignedPrepare():
                if message.record.round >= self._round:
                    self._prepares.add(message)
            case SignedCommit():
                self._commits.add(message)
                self._decide_if_committed(message.record)
            case SignedRoundChange():
                proof = None
                if claim_of(message.record) is not None and self._prepared is not None:
                    proof = self._prepared.certificate
                self._changes.add(message, proof)
                self._send_proof(message)
            case SignedProposal():
                self._whole.add(message.record.block_id)
                self._results[message.record.block_id] = None
                self._blocks[message.record.block_id] = message.block
                if message.record.round >= self._round:
                    self._candidate = message
            case _:
                assert_never(message)

    def _is_held(self, message: SignedMessage, proven: ProvenRoundChange | None) -> bool:
        """Say whether this very message is known, so that its signature need not be checked."""
        match message:
            case SignedPrepare():
                return self._prepares.get(message.signer, message.record.round) == message
            case SignedCommit():
                return self._commits.get(message.signer, message.record.round) == message
            case SignedRoundChange():
                held = self._changes.of(message.signer) == message
                return held and (proven is None or self._changes.proof(message.record) is not None)
            case SignedProposal():
                return message in (self._accepted, self._candidate)

    def _meet_own(self, message: SignedMessage, signed: bytes) -> None:
        """D14: a valid signature of the own key that the guard does not hold is somebody else's."""
        if self._signed.get((_step_of(message), message.record.round)) == signed:
            return
        self._stopped = Silence.FOREIGN_SIGNATURE
        self._out.append(
            ev.Alarm(
                "key-in-use-elsewhere",
                (("height", message.record.height), ("round", message.record.round)),
            )
        )

    def _keep_for_later(self, peer: bytes, message: SignedMessage) -> None:
        """B7: of the next height one message per validator and kind, verified on arrival."""
        if message.signer not in self._ctx.next_validators:
            return
        key = (message.signer, type(message).__name__)
        if key in self._future and self._future[key][1] == message:
            return
        signed = signed_bytes(self._chain, unseal(message))
        if self._verify(message.signer, signed, message.signature):
            self._future[key] = (peer, message, self._wall)
            self._heard[message.signer] = self._mono

    # ------------------------------------------------------------------------------ proposals

    def _consider(self, peer: bytes, message: SignedProposal) -> None:
        """R2a to R2g, in this order, so that bodies are fetched only for proposals that count."""
        ctx, record, header = self._ctx, message.record, message.block.header
        round_ = record.round
        if message.signer != proposer(ctx.order, round_):
            raise Malformed("a proposal by somebody who does not lead its round")  # R2a
        if round_ < self._round or (round_ == self._round and self._accepted is not None):
            return  # R2b
        if self._candidate is not None and self._candidate.record.round >= round_:
            return
        block_id = record.block_id
        if message.block.block_id != block_id:
            raise Malformed("a proposal whose block is not the one it names")
        if (header.genesis_digest, header.height, header.parent_id) != (
            self._chain.genesis_digest,
            ctx.height,
            ctx.parent_id,
        ) or header.time_ms <= ctx.parent_time_ms:
            raise Malformed("a block that does not follow its parent")
        fresh = check_justification(record, message.justification, ctx.validators, self._verify)
        for change in message.justification.round_changes:
            self._marks[change.signer] = max(self._marks.get(change.signer, 0), change.record.round)
        if fresh:  # R2e
            if header.creator != message.signer:
                raise Malformed("a fresh block by somebody else")
            if not is_timely(header.time_ms, self._wall, round_):
                self._ignore(peer, "block time too far from the own clock")
                return
        elif header.creator not in ctx.validators:
            raise Malformed("a block by a stranger")
        self._candidate = message
        self._blocks[block_id] = message.block
        self._trim_blocks()
        if block_id not in self._results:
            sources = tuple(key for key in (message.signer, peer) if key != self._own)
            self._out.append(ev.Fetch(block_id, message.block, tuple(dict.fromkeys(sources))))

    def _on_block(self, block: CompactBlock) -> None:
        block_id = block.block_id
        self._blocks[block_id] = block
        self._whole.add(block_id)
        if self._decided is not None and self._decided.block_id == block_id:
            self._apply()
            return
        wanted = (self._candidate, self._accepted)
        if block_id not in self._results and any(
            one is not None and one.record.block_id == block_id for one in wanted
        ):
            self._out.append(ev.Execute(block_id))

    def _on_proposed(self, event: ev.Proposed) -> None:
        """R1, R7: the fresh block this node asked for."""
        block_id = event.block.block_id
        self._blocks[block_id] = event.block
        self._whole.add(block_id)
        self._results[block_id] = None
        if (event.height, event.round) != (self._ctx.height, self._round):
            return
        choice = self._choice()
        if choice is not None and choice.carried is None:
            self._draft(event.block, choice)

    def _draft(self, block: CompactBlock, choice: Choice) -> None:
        record = Proposal(
            self._chain.genesis_digest,
            self._ctx.height,
            self._round,
            block.block_id,
            justification_digest(choice.justification),
        )
        check_justification(record, choice.justification, self._ctx.validators, self._verify)  # M16
        draft = DraftProposal(record, block, choice.justification)
        self._drafted = draft
        self._out.append(ev.Persist(draft))
        self._sign(Step.PROPOSAL, draft)

    def _choice(self) -> Choice | None:
        if self._round == 0:
            return FRESH_AT_ROUND_0
        return compute_choice(self._changes, self._round, self._ctx.validators.quorum)

    # ------------------------------------------------------------------------------- progress

    def _progress(self) -> None:
        """Do whatever the rules allow now; asked after every event, so order does not matter."""
        if self._decided is not None:
            return
        self._jump()
        self._accept_candidate()
        self._prepare_and_commit()
        self._announce_round()
        self._lead()
        self._run_round_timer()

    def _jump(self) -> None:
        """R6: go where an honest validator certainly is."""
        target = compute_jump(self._marks.values(), self._ctx.validators.weak_quorum)
        if target > self._round:
            self._enter(target)

    def _accept_candidate(self) -> None:
        """R2h: accept a proposal whose block was executed here and gave the header's roots."""
        candidate = self._candidate
        if candidate is None or candidate.record.block_id not in self._results:
            return
        self._candidate = None
        record = candidate.record
        if record.round < self._round or (
            record.round == self._round and self._accepted is not None
        ):
            return
        error = self._results[record.block_id]
        if error is not None:
            self._ignore(candidate.signer, f"invalid block: {error}")
            return
        if record.round > self._round:
            self._enter(record.round)
        self._accepted = candidate

    def _prepare_and_commit(self) -> None:
        """R2, R3: prepare what is accepted; commit to what a quorum prepared."""
        accepted = self._accepted
        if accepted is None:
            return
        record, round_ = accepted.record, self._round
        if self._may_sign(Step.PREPARE):
            self._out.append(ev.Persist(accepted))
            prepare = Prepare(self._chain.genesis_digest, self._ctx.height, round_, record.block_id)
            self._sign(Step.PREPARE, prepare)
        if self._prepared is not None and self._prepared.certificate.round == round_:
            prepared = self._prepared
        else:
            vote = Prepare(self._chain.genesis_digest, record.height, round_, record.block_id)
            votes = self._prepares.agreeing(vote)
            if len(votes) < self._ctx.validators.quorum:
                return
            certificate = build_prepared_certificate(
                self._ctx.validators, record.height, round_, record.block_id, votes
            )
            check_prepared_certificate(
                certificate, self._ctx.validators, self._chain.genesis_digest, self._verify
            )  # M16
            prepared = self._prepared = Prepared(certificate, accepted.block.header)
            if self._own is not None:
                self._out.append(ev.Persist(prepared))
        if self._may_sign(Step.COMMIT) and (Step.PREPARE, round_) in self._asked:
            self._sign(Step.COMMIT, self._commit_of(prepared))

    def _announce_round(self) -> None:
        """R5, R6: say that every lower round is left, unless a proposal already said so."""
        if self._round == 0 or self._accepted is not None:
            return
        if not self._may_sign(Step.ROUND_CHANGE) or (Step.PROPOSAL, self._round) in self._asked:
            return
        prepared = self._prepared
        claim = (
            (None, None)
            if prepared is None
            else (prepared.certificate.round, prepared.certificate.block_id)
        )
        self._sign(
            Step.ROUND_CHANGE,
            RoundChange(self._chain.genesis_digest, self._ctx.height, self._round, *claim),
        )

    def _lead(self) -> None:
        """R1, R7: propose once per round, the proven value if there is one, else a fresh block."""
        if proposer(self._ctx.order, self._round) != self._own or self._accepted is not None:
            return
        if not self._may_sign(Step.PROPOSAL) or not self._has_work():
            return
        draft = self._drafted
        if draft is not None and draft.record.round == self._round:
            self._sign(Step.PROPOSAL, draft)  # P11: stored and never signed: the same again
            return
        choice = self._choice()
        if choice is None:
            return
        if choice.carried is None:
            if self._round not in self._wanted:
                self._wanted.add(self._round)
                self._out.append(ev.Propose(self._ctx.height, self._round))
            return
        block = self._blocks.get(choice.carried)
        if block is None:
            return  # R7: never fall back to an own value
        if choice.carried in self._whole:
            self._draft(block, choice)
        else:
            proof = choice.justification.certificate
            assert proof is not None
            self._out.append(ev.Fetch(choice.carried, block, tuple(sorted(self._linked))))

    def _decide_if_committed(self, record: Commit) -> None:
        """R4: q commits for one block in one round, whichever round, are a decision."""
        votes = self._commits.agreeing(record)
        if len(votes) < self._ctx.validators.quorum or self._decided is not None:
            return
        block = self._blocks.get(record.block_id)
        if block is not None and (block.header.log_size, block.header.log_root) != (
            record.log_size,
            record.log_root,
        ):
            return  # M11
        certificate = build_commit_certificate(
            self._ctx.validators,
            record.height,
            record.round,
            record.block_id,
            record.log_size,
            record.log_root,
            votes,
        )
        check_commit_certificate(
            certificate, self._ctx.validators, self._chain.chain_id, self._verify
        )  # M16
        self._on_certificate(certificate)

    def _on_certificate_message(self, peer: bytes, certificate: CommitCertificate) -> None:
        """R4, R8, E6: a certificate from a peer decides this height, or contradicts the last."""
        tip = self._ctx.tip
        if certificate.height == self._ctx.height:
            if self._decided is not None and self._decided.block_id == certificate.block_id:
                return
            try:
                check_commit_certificate(
                    certificate, self._ctx.validators, self._chain.chain_id, self._verify
                )
            except Malformed as error:
                self._ignore(peer, str(error), fault=True)
                return
            self._on_certificate(certificate)
        elif (
            tip is not None
            and certificate.height == tip.height
            and certificate.block_id != tip.block_id
        ):
            self._ignore(peer, "another certificate for a decided height")

    def _on_certificate(self, certificate: CommitCertificate) -> None:
        """Decide by a verified certificate; fetch the block if it is missing (R4)."""
        if certificate.height != self._ctx.height:
            return
        if self._decided is not None:
            if self._decided.block_id != certificate.block_id:
                self._out.append(
                    ev.Halt("two certificates for one height", self._decided, certificate)
                )
            return
        self._decided = certificate
        self._out.append(ev.CancelTimer(Timer.ROUND))
        if certificate.block_id in self._whole:
            self._apply()
        else:
            self._fetch_decided()

    def _fetch_decided(self) -> None:
        assert self._decided is not None
        block_id = self._decided.block_id
        sources = tuple(sorted(self._linked))
        self._out.append(ev.Fetch(block_id, self._blocks.get(block_id), sources))

    def _apply(self) -> None:
        assert self._decided is not None
        if not self._applied:
            self._applied = True
            self._out.append(ev.Apply(self._decided.block_id, self._decided))

    # --------------------------------------------------------------------------------- rounds

    def _leave_round(self) -> None:
        """R5: give up this round."""
        if self._round >= ROUND_MAX:
            self._stopped = Silence.ROUND_CAP
            self._out.append(ev.Alarm("round-cap", (("height", self._ctx.height),)))
            return
        self._enter(self._round + 1)

    def _enter(self, round_: int) -> None:
        assert round_ > self._round, "rounds only rise"
        self._round = round_
        self._accepted = None
        if self._candidate is not None and self._candidate.record.round < round_:
            self._candidate = None
        self._prepares.forget_below(round_)
        self._entered = None
        self._seen = True
        self._out.append(ev.CancelTimer(Timer.SUSPICION))  # it spoke of the leader of that round
        self._send_status(None)

    def _run_round_timer(self) -> None:
        """T2, T4: the timer of a round runs from entering it, in round 0 from the first work."""
        if self._entered is None and self._has_work():
            self._entered = self._mono
            timeout = round_timeout_ms(self._round, self._ctx.timing)
            self._out.append(ev.SetTimer(Timer.ROUND, self._mono + timeout))
            self._suspect()

    def _has_work(self) -> bool:
        return self._work or self._heartbeat or self._seen

    def _is_in_touch(self) -> bool:
        """T5: say whether a quorum, this node included, was heard in the last 6 s."""
        recent = sum(
            self._mono - heard <= IN_TOUCH_MS
            for key, heard in self._heard.items()
            if key in self._ctx.validators and key != self._own
        )
        own = self._own is not None and self._own in self._ctx.validators
        return recent + own >= self._ctx.validators.quorum

    def _suspect(self) -> None:
        """L7: a leader without a link, work pending, nothing accepted: wait only 1 s."""
        if self._early and not self._early_used and self._is_leader_gone():
            leader = proposer(self._ctx.order, self._round)
            since = self._unlinked.get(leader, self._started)
            at_ms = max(self._mono, since + SUSPICION_MS)
            self._out.append(ev.SetTimer(Timer.SUSPICION, at_ms))

    def _is_leader_gone(self) -> bool:
        """Say whether this round waits for a leader to whom there is no link."""
        leader = proposer(self._ctx.order, self._round)
        return (
            leader != self._own
            and leader not in self._linked
            and self._accepted is None
            and self._decided is None
            and self._has_work()
        )

    def _leave_early(self) -> None:
        """L7, B6: at most one early round change per height."""
        if self._early and not self._early_used and self._decided is None and self._is_in_touch():
            self._early_used = True
            self._leave_round()

    def _on_timer(self, timer: Timer) -> None:
        match timer:
            case Timer.ROUND:
                if self._decided is None and self._entered is not None:
                    if self._is_in_touch():
                        self._leave_round()
                    else:
                        timeout = round_timeout_ms(self._round, self._ctx.timing)
                        self._out.append(ev.SetTimer(Timer.ROUND, self._mono + timeout))
            case Timer.RESEND:
                self._resend(None)
                self._out.append(ev.SetTimer(Timer.RESEND, self._mono + RESEND_MS))
                self._check_skew()
            case Timer.HEARTBEAT:
                self._heartbeat = True
            case Timer.SUSPICION:
                if self._is_leader_gone():
                    self._leave_early()
            case _:
                assert_never(timer)

    # ------------------------------------------------------------------------- telling others

    def _on_link_up(self, peer: bytes) -> None:
        self._linked.add(peer)
        self._resend((peer,))

    def _resend(self, to: tuple[bytes, ...] | None) -> None:
        """T6, T7: where we stand, and the latest own messages of this height."""
        self._send_status(to)
        if self._decided is not None and not self._applied:
            self._fetch_decided()
        for step in sorted(self._own_messages):
            message = self._own_messages[step]
            self._out.append(ev.Send(message, to))
            if isinstance(message, SignedRoundChange):
                self._send_proof(message)

    def _send_proof(self, message: SignedRoundChange) -> None:
        """M13: the certificate goes only to the leader of the round."""
        proof = self._changes.proof(message.record)
        leader = proposer(self._ctx.order, message.record.round)
        if proof is not None and leader != self._own:
            self._out.append(ev.Send(ProvenRoundChange(message, proof), (leader,)))

    def _send_status(self, to: tuple[bytes, ...] | None) -> None:
        ctx, n = self._ctx, len(self._ctx.validators)

        def bits(signers: Sequence[bytes]) -> bytes:
            places = (ctx.validators.place(key) for key in signers)
            return write_bitmap((place for place in places if place is not None), n)

        best = (ctx.height - 1, ctx.parent_id)
        if self._decided is not None:
            best = (self._decided.height, self._decided.block_id)
        silence = self._silence()
        status = Status(
            ctx.height,
            self._round,
            best[0],
            best[1],
            None if self._accepted is None else self._accepted.record.block_id,
            bits([vote.signer for vote in self._prepares.in_round(self._round)]),
            bits([vote.signer for vote in self._commits.in_round(self._round)]),
            bits([change.signer for change in self._changes.usable(self._round)]),
            None if silence is None else silence.value,
            self._wall,
        )
        self._out.append(ev.Send(status, to))

    def _on_status(self, peer: bytes, status: Status) -> None:
        """T7: send a peer what it lacks; D9, D13: learn where the others stand."""
        self._statuses[peer] = status
        self._offsets[peer] = status.wall_ms - self._wall
        self._greeted.add(peer)
        if status.height >= self._ctx.height:
            self._heard[peer] = self._mono
        ctx = self._ctx
        if status.height == ctx.height - 1 and ctx.tip is not None:
            self._out.append(ev.Send(ctx.tip, (peer,)))
            return
        if status.height != ctx.height or peer == self._own:
            return
        if self._decided is not None:
            self._out.append(ev.Send(self._decided, (peer,)))
            return
        for message in self._lacking(status)[: 3 * len(ctx.validators)]:
            self._out.append(ev.Send(message, (peer,)))

    def _lacking(self, status: Status) -> list[Any]:
        lacking: list[Any] = []
        accepted = self._accepted
        if status.round > self._round:
            return lacking
        if accepted is not None and (
            status.round < self._round or status.proposal != accepted.record.block_id
        ):
            lacking.append(accepted)
        if status.round < self._round:
            lacking += self._changes.above(status.round)
            return lacking
        n = len(self._ctx.validators)
        try:
            held = [
                {self._ctx.validators.keys[place] for place in read_bitmap(bitmap, n)}
                for bitmap in (status.prepares, status.commits, status.round_changes)
            ]
        except Malformed:
            return lacking
        lacking += [v for v in self._prepares.in_round(self._round) if v.signer not in held[0]]
        lacking += [v for v in self._commits.in_round(self._round) if v.signer not in held[1]]
        for change in self._changes.usable(self._round):
            if change.signer not in held[2]:
                proof = self._changes.proof(change.record)
                lacking.append(change if proof is None else ProvenRoundChange(change, proof))
        return lacking

    # -------------------------------------------------------------------------------- signing

    def _silence(self) -> Silence | None:
        """Return why this node does not vote now, or None (C8)."""
        validators = self._ctx.validators
        if self._own is None or self._own not in validators:
            return Silence.OBSERVER
        if self._withheld:
            return Silence.WITHHELD
        if self._stopped is not None:
            return self._stopped
        others = sum(key in validators for key in self._greeted if key != self._own)
        if others < validators.quorum - 1:
            return Silence.START  # D9
        if self._decided is not None:
            return Silence.DECIDED  # D13
        ahead = sum(
            status.best_height >= self._ctx.height
            for key, status in self._statuses.items()
            if key in validators
        )
        if ahead >= validators.weak_quorum or self._guard_height > self._ctx.height or self._end:
            return Silence.BEHIND  # D13, D10
        return None

    def _may_sign(self, step: Step) -> bool:
        return (step, self._round) not in self._asked and self._silence() is None

    def _sign(self, step: Step, draft: Any) -> None:
        self._asked.add((step, self._round))
        self._out.append(ev.SignAndSend(draft))

    def _commit_of(self, prepared: Prepared) -> Commit:
        header, certificate = prepared.header, prepared.certificate
        return Commit(
            certificate.height,
            certificate.round,
            certificate.block_id,
            header.log_size,
            header.log_root,
        )

    def _check_skew(self) -> None:
        """T13: the own clock against the median of the peers'."""
        if not self._offsets:
            return
        skew = median(self._offsets.values())
        if (abs(skew) > SKEW_MS_MAX) != self._skew_told:
            self._skew_told = not self._skew_told
            if self._skew_told:
                self._out.append(ev.Alarm("clock-skew", (("skew_ms", skew),)))

    def _trim_blocks(self) -> None:
        """B9: one proposal per proposer, so at most about n headers of a height."""
        while len(self._blocks) > 2 * len(self._ctx.validators) + 2:
            self._blocks.pop(next(iter(self._blocks)))

    def _ignore(self, sender: bytes, why: str, *, fault: bool = False) -> None:
        self._out.append(ev.Ignore(sender, why, fault))


def _step_of(message: SignedMessage) -> Step:
    match message:
        case SignedProposal():
            return Step.PROPOSAL
        case SignedPrepare():
            return Step.PREPARE
        case SignedCommit():
            return Step.COMMIT
        case SignedRoundChange():
            return Step.ROUND_CHANGE
