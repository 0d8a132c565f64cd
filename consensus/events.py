"""What goes into the replica, and what it asks for: two small unions, a sentence per variant.

Every event says when it happened by both clocks: `mono_ms` never goes back and drives all timers,
`wall_ms` is the clock that people set and judges nothing but fresh proposals (T10) and skew (T13).

The runtime performs the effects of one step strictly in list order, to the end, before the next
step (C4). It never retries a failed write: the process ends before anything is sent (D5).
"""

from enum import StrEnum

import msgspec

from chain.evidence import Testimony
from chain.records import Header
from chain.signed import Justification
from chain.validators import CommitCertificate, ValidatorSet
from consensus.guard import Slot
from consensus.messages import (
    CompactBlock,
    Draft,
    DraftProposal,
    Message,
    Prepared,
    ProvenRoundChange,
    SignedMessage,
    SignedProposal,
    Status,
)

# -------------------------------------------------------------------- what both directions speak of


class Timing(msgspec.Struct, frozen=True):
    """The chain parameters of T1 and T8, in milliseconds."""

    round_ms: int = 1_000
    round_ms_max: int = 60_000
    heartbeat_ms: int = 300_000


class HeightContext(msgspec.Struct, frozen=True):
    """All that an open height depends on; nothing in it changes until the height is decided.

    `order` is order(h) of L2, a key per validator: whoever gives the context computed it from
    chain state (L4). `tip` certifies the parent and is nil at height 1, where `parent_id` is the
    genesis digest and `parent_time_ms` the time of genesis.
    """

    height: int
    parent_id: bytes
    parent_time_ms: int
    validators: ValidatorSet
    next_validators: ValidatorSet
    order: tuple[bytes, ...]
    tip: CommitCertificate | None
    timing: Timing = Timing()


class Timer(StrEnum):
    """The alarms of a replica. Setting one replaces the earlier one of the same name."""

    ROUND = "round"  # T1: this round took too long
    RESEND = "resend"  # T6, T7: say it all again, and where we stand
    HEARTBEAT = "heartbeat"  # T8: an idle chain shows that it lives
    SUSPICION = "suspicion"  # L7: the leader has had no link for too long


class Silence(StrEnum):
    """Why a node does not vote, for `status` and for its peers (C8, M14)."""

    OBSERVER = "observer"  # no key, or not in the set of this height
    BARRIER = "barrier"  # D10: what this key signed may be lost; silent until a height is decided
    LOCKED = "locked"  # an operator locked the signer, until the node starts again
    START = "start"  # D9: too few peers have said where they stand
    DECIDED = "decided"  # D13: a certificate of this height or a higher one is known
    BEHIND = "behind"  # D13: w validators say they decided this height
    FOREIGN_SIGNATURE = "foreign-signature"  # D14: the key signs somewhere else
    GUARD = "guard"  # D2: the guard refused
    ROUND_CAP = "round-cap"  # B7


# ------------------------------------------------------------------ records of the open height (D3)


class OpenRecords(msgspec.Struct, frozen=True):
    """What a restart needs beside the guard (D7). Applying a block deletes them all."""

    drafted: DraftProposal | None = None
    accepted: SignedProposal | None = None
    prepared: Prepared | None = None


# ------------------------------------------------------------------------------------------ events


class Start(msgspec.Struct, frozen=True):
    """The node begins, or begins again, at the height after its last durable block (D7).

    `slots` are the guard's of the open height in file order, and at least its last one, whatever
    its height; empty for an observer. `joins` says that the guard is new, or older than what this
    node knows: it passes the join barrier first (D10). `acked` is the last height of the head file.
    """

    context: HeightContext
    records: OpenRecords
    slots: tuple[Slot, ...]
    work: bool
    joins: bool
    acked: int
    mono_ms: int
    wall_ms: int


class Received(msgspec.Struct, frozen=True):
    """A decoded message came over the link of `peer`; an own message is fed back with the own key.

    `wall_ms` is the time of its first receipt, stamped before any queue (T10).
    """

    peer: bytes
    message: Message
    mono_ms: int
    wall_ms: int


class TimerFired(msgspec.Struct, frozen=True):
    """An alarm went off; one that was replaced meanwhile does no harm."""

    timer: Timer
    mono_ms: int
    wall_ms: int


class Proposed(msgspec.Struct, frozen=True):
    """The answer to `Propose`: a fresh block, built and executed by this node."""

    height: int
    round: int
    block: CompactBlock
    mono_ms: int
    wall_ms: int


class BlockAvailable(msgspec.Struct, frozen=True):
    """The answer to `Fetch`: header, body and every transaction of this block are held here."""

    block: CompactBlock
    mono_ms: int
    wall_ms: int


class Executed(msgspec.Struct, frozen=True):
    """The answer to `Execute`: nil, or why the block is invalid or its roots differ (R2h)."""

    block_id: bytes
    error: str | None
    mono_ms: int
    wall_ms: int


class WorkPending(msgspec.Struct, frozen=True):
    """Whether a valid transaction waits for a block (T4)."""

    pending: bool
    mono_ms: int
    wall_ms: int


class LinkUp(msgspec.Struct, frozen=True):
    """An authenticated link to `peer` was accepted in both directions."""

    peer: bytes
    mono_ms: int
    wall_ms: int


class LinkDown(msgspec.Struct, frozen=True):
    """The last link to `peer` is gone."""

    peer: bytes
    mono_ms: int
    wall_ms: int


class Complaint(msgspec.Struct, frozen=True):
    """B6: the proposal of this round leaves out a transaction that is overdue and would fit."""

    height: int
    round: int
    mono_ms: int
    wall_ms: int


class CertificateKnown(msgspec.Struct, frozen=True):
    """Sync verified a commit certificate against the set of its height (S2, D13)."""

    certificate: CommitCertificate
    mono_ms: int
    wall_ms: int


class NewHeight(msgspec.Struct, frozen=True):
    """A decided block is durable, by `Apply` or by sync, and the next height is open.

    `work` says anew whether transactions wait, because the block took some away.
    """

    context: HeightContext
    work: bool
    mono_ms: int
    wall_ms: int


class SignerLocked(msgspec.Struct, frozen=True):
    """An operator locked the signer: this node stays silent until it starts again."""

    mono_ms: int
    wall_ms: int


class KeyElsewhere(msgspec.Struct, frozen=True):
    """Evidence holds a signature of the own key that the guard does not hold (D14, E7)."""

    height: int
    round: int
    mono_ms: int
    wall_ms: int


class SigningRefused(msgspec.Struct, frozen=True):
    """The guard refused a draft (D2): this node stays silent until it starts again."""

    why: str
    mono_ms: int
    wall_ms: int


Event = (
    Start
    | Received
    | TimerFired
    | Proposed
    | BlockAvailable
    | Executed
    | WorkPending
    | LinkUp
    | LinkDown
    | Complaint
    | CertificateKnown
    | NewHeight
    | SignerLocked
    | KeyElsewhere
    | SigningRefused
)


# ----------------------------------------------------------------------------------------- effects


class Persist(msgspec.Struct, frozen=True):
    """Make this record durable in one synced write, replacing the last one of its kind (D3).

    With `DraftProposal` and `SignedProposal` goes the body of the block with all transactions,
    which stays until a block is applied.
    """

    record: DraftProposal | SignedProposal | Prepared


class SignAndSend(msgspec.Struct, frozen=True):
    """Check guard, sign, append the slot, fdatasync, release the signature, broadcast, feed back.

    The signed message comes back as `Received` with the own key, before any other event (D4).
    """

    draft: Draft


class RaiseGuard(msgspec.Struct, frozen=True):
    """Make a guard that refuses everything up to and including `height`, durably (D10).

    A guard that is lost is made anew; one that stands higher stays as it is.
    """

    height: int


class Send(msgspec.Struct, frozen=True):
    """Send a message that needs no new signature; `to` nil means every linked peer."""

    message: SignedMessage | ProvenRoundChange | CommitCertificate | Status
    to: tuple[bytes, ...] | None


class SetTimer(msgspec.Struct, frozen=True):
    """Fire `timer` at `at_ms` of the monotonic clock, in place of any earlier setting."""

    timer: Timer
    at_ms: int


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget that timer."""

    timer: Timer


class Propose(msgspec.Struct, frozen=True):
    """Build and execute a fresh block for (height, round), and answer with `Proposed` (R1, T9)."""

    height: int
    round: int


class Fetch(msgspec.Struct, frozen=True):
    """Make this block whole here and answer `BlockAvailable`, at once if it is already (B3).

    `block` is nil when only the id is known; then fetch the compact form too. `sources` are the
    peers to ask, best first; it is asked again with more of them until the answer comes.
    """

    block_id: bytes
    block: CompactBlock | None
    sources: tuple[bytes, ...]


class Execute(msgspec.Struct, frozen=True):
    """Execute this block, which is held here, on its parent, and answer `Executed` (R2h)."""

    block_id: bytes


class Apply(msgspec.Struct, frozen=True):
    """The block is final and held here: make it durable with its certificate, answer `NewHeight`.

    One that was not executed is executed now; other roots than its header's halt the node (S5).
    """

    block_id: bytes
    certificate: CommitCertificate


class Alarm(msgspec.Struct, frozen=True):
    """Tell the operator: a key of the catalogue of texts, and its numbers and words."""

    text: str
    params: tuple[tuple[str, int | str], ...] = ()


class Halt(msgspec.Struct, frozen=True):
    """Stop this node for good: two certificates contradict each other (E6).

    `said` is what was heard at their height, for the report that names the culprits.
    """

    reason: str
    first: CommitCertificate
    second: CommitCertificate
    said: tuple[Testimony, ...] = ()


class Accuse(msgspec.Struct, frozen=True):
    """Keep what one key signed and no honest key signs, for evidence (E1); once a key and letter.

    Two messages, or a commit and the header it contradicts, or a proposal and its false reasons.
    """

    first: Testimony
    second: Testimony | Header | Justification


class Retain(msgspec.Struct, frozen=True):
    """Keep what was heard at a height that needed more than round 0, or what contradicts (E5)."""

    height: int
    said: tuple[Testimony, ...]


class Ignore(msgspec.Struct, frozen=True):
    """A message was dropped. Only a `fault` is counted against the link it came over (B12).

    A message that merely came late is no fault, and neither ever touches a key's standing.
    """

    sender: bytes
    why: str
    fault: bool = False


class Inquire(msgspec.Struct, frozen=True):
    """Ask these validators what they heard at a height: they saw another proposal (E5, F14)."""

    height: int
    of: tuple[bytes, ...]


Effect = (
    Persist
    | SignAndSend
    | RaiseGuard
    | Send
    | SetTimer
    | CancelTimer
    | Propose
    | Fetch
    | Execute
    | Apply
    | Alarm
    | Halt
    | Accuse
    | Retain
    | Inquire
    | Ignore
)
