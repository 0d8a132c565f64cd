"""Everything there is about the one height that is not decided yet, and nothing about others.

A new height begins with a new object, so no vote, mark or deadline can leak from one height to
the next. All of it is bounded by the number of validators (consensus B9).
"""

from dataclasses import dataclass, field
from enum import IntEnum

from chain.validators import CommitCertificate
from consensus.events import HeightContext
from consensus.guard import Position, Step
from consensus.messages import (
    CompactBlock,
    DraftProposal,
    Prepared,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
)
from consensus.round_change import Choice, RoundChanges
from consensus.timers import round_timeout_ms
from consensus.votes import COMMIT_ROUNDS_MAX, PREPARE_ROUNDS_MAX, Tally
from consensus.witness import Witness

SIGNED_MAX = 256  # own signatures remembered: more than 60 rounds of an outage (D14)


class BlockState(IntEnum):
    """How far this node is with a block; it only goes up, and `VALID` and `INVALID` are final."""

    WANTED = 0  # asked for with Fetch
    HELD = 1  # header, body and all transactions are here
    EXECUTING = 2  # asked for with Execute
    VALID = 3  # executed on the parent, with the roots of its header (R2h)
    INVALID = 4  # executed, and refused


@dataclass(slots=True)
class KnownBlock:
    """A block by its id. `compact` is nil while only the id is known, from a certificate."""

    state: BlockState
    compact: CompactBlock | None

    @property
    def is_held(self) -> bool:
        """Whether it could be proposed again, or applied."""
        return self.state >= BlockState.HELD


@dataclass(slots=True)
class Candidate:
    """A proposal that passed R2a to R2g; `timely` is the verdict at its first receipt (T10)."""

    message: SignedProposal
    timely: bool
    via: bytes

    @property
    def round(self) -> int:
        return self.message.record.round

    @property
    def block_id(self) -> bytes:
        return self.message.record.block_id


@dataclass(slots=True)
class OpenHeight:
    """The state of section 3 of the rules: round, accepted, prepared, votes, marks, proposals."""

    context: HeightContext
    heartbeat_ms: int  # when an empty block is due (T8)
    work: bool
    round: int = 0
    clock_ms: int | None = None  # since when this round's clock runs, if it does (T2, T4, T5)
    accepted: SignedProposal | None = None  # in this round (R2)
    prepared: Prepared | None = None  # in this round or an earlier one (R3)
    decided: CommitCertificate | None = None  # R4; the block may still be missing
    is_applying: bool = False
    prepares: Tally[SignedPrepare] = field(default_factory=lambda: Tally(PREPARE_ROUNDS_MAX))
    commits: Tally[SignedCommit] = field(default_factory=lambda: Tally(COMMIT_ROUNDS_MAX))
    changes: RoundChanges = field(default_factory=RoundChanges)
    marks: dict[bytes, int] = field(default_factory=dict)  # highest round seen per validator (R6)
    candidates: dict[bytes, Candidate] = field(default_factory=dict)  # one per proposer (B9)
    blocks: dict[bytes, KnownBlock] = field(default_factory=dict)
    choice: Choice | None = None  # what the own proposal of this round carries (R7)
    drafted: DraftProposal | None = None  # the own proposal last stored (D3)
    witness: Witness = field(default_factory=Witness)  # what was said, for evidence (E1, E5)
    is_long: bool = False  # it needed more than round 0; known at its end
    retained: int = 0  # how many messages were given out to be kept (E5)
    own: dict[Step, SignedMessage] = field(default_factory=dict)  # the latest of each kind (T6)
    signed: dict[Position, bytes] = field(default_factory=dict)  # what the guard was asked (D14)
    is_reopened: bool = False  # D12: an approval opened this height, whatever was signed at it
    left_early: bool = False  # L7: once a height
    told_invalid: bool = False  # an alarm said that a proposed block does not execute here (F43)
    suspicion_ms: int | None = None  # what the SUSPICION timer is set to
    heartbeat_due: bool = False  # T8
    told: int | None = None  # the round that peers were last told (T7)

    @property
    def height(self) -> int:
        return self.context.height

    @property
    def has_work(self) -> bool:
        """T4: a valid transaction waits, a heartbeat is due, or somebody signed at this height."""
        return self.work or self.heartbeat_due or bool(self.marks)

    @property
    def deadline_ms(self) -> int | None:
        """When this round has taken too long: a pure function of round and clock (T3)."""
        if self.clock_ms is None:
            return None
        return self.clock_ms + round_timeout_ms(self.round, self.context.timing)

    def enter(self, round_: int) -> None:
        """Begin a higher round, in which nothing is accepted yet; what was prepared stays (R5)."""
        assert round_ > self.round, "rounds only rise (R5)"
        self.round = round_
        self.accepted = None
        self.choice = None
        self.clock_ms = None
        self.prepares.forget_below(round_)

    def mark(self, signer: bytes, round_: int) -> None:
        """Note the highest round seen in a valid signed message of this validator (R6)."""
        self.marks[signer] = max(self.marks.get(signer, 0), round_)

    def note_signed(self, where: Position, signed: bytes) -> None:
        """Remember what this key signed here, the latest first of all (D14, B9)."""
        self.signed[where] = signed
        if len(self.signed) > SIGNED_MAX:
            del self.signed[min(self.signed)]

    def may_have_signed(self, where: Position, signed: bytes) -> bool:
        """Say whether the guard was asked for this, or so long ago that nobody here knows."""
        if where in self.signed:
            return self.signed[where] == signed
        return len(self.signed) >= SIGNED_MAX and where < min(self.signed)

    def may_accept(self, candidate: Candidate) -> bool:
        """Say whether this proposal would be accepted if its block is valid (R2b, R2e)."""
        if not candidate.timely or candidate.round < self.round:
            return False
        return candidate.round > self.round or self.accepted is None

    def learn(self, block_id: bytes, compact: CompactBlock | None, state: BlockState) -> KnownBlock:
        """Note that a block exists, or is further than before, and drop blocks nobody needs."""
        block = self.blocks.get(block_id)
        if block is None:
            self._forget_blocks()
            block = self.blocks[block_id] = KnownBlock(state, compact)
        block.compact = compact or block.compact
        block.state = max(block.state, state)
        return block

    def needed(self) -> set[bytes]:
        """Return the ids of the blocks that a rule may still ask for (B9)."""
        ids = {candidate.block_id for candidate in self.candidates.values()}
        if self.accepted is not None:
            ids.add(self.accepted.record.block_id)
        if self.prepared is not None:
            ids.add(self.prepared.certificate.block_id)
        if self.decided is not None:
            ids.add(self.decided.block_id)
        if self.drafted is not None:
            ids.add(self.drafted.record.block_id)
        if self.choice is not None and self.choice.carried is not None:
            ids.add(self.choice.carried)
        return ids

    def _forget_blocks(self) -> None:
        needed = self.needed()
        for block_id in [one for one in self.blocks if one not in needed]:
            del self.blocks[block_id]
