"""One replica on a desk: it is told events by hand, and its effects are performed and kept.

Guard and stored records behave as on a disk, so a replica can be taken away and started again.
What the runtime would answer at once is answered at once, unless a test asks to `hold` it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import structs

from consensus import events as ev
from consensus.events import OpenRecords, Timer, Timing
from consensus.guard import Slot, closing, end_of, judge, position
from consensus.messages import (
    CompactBlock,
    DraftProposal,
    Justification,
    Message,
    Prepared,
    SignedMessage,
    SignedProposal,
    Status,
    seal,
    signed_bytes,
)
from consensus.replica import Replica
from tests.consensus.made import (
    CHAIN,
    LETTERS,
    START_MS,
    key,
    mac,
    make_block,
    make_commit,
    make_commit_certificate,
    make_context,
    make_prepare,
    make_prepared_certificate,
    make_proposal,
    make_round_change,
    parent_of,
    verify,
)

E = TypeVar("E")


class Desk:
    """A replica, the disk under it, and the clock."""

    def __init__(
        self,
        own: str | None = "D",
        *,
        n: int = 4,
        height: int = 8,
        timing: Timing | None = None,
        early: bool = True,
        hold: Iterable[type] = (),
    ) -> None:
        self.letters: Sequence[str] = LETTERS[:n]
        self.own = own
        self.height = height
        self.mono_ms = 0
        self.skew_ms = 0
        self.early = early
        self.hold: set[type] = set(hold)
        self.invalid: set[bytes] = set()  # blocks that do not execute here
        self.slots: list[Slot] = []
        self.records = OpenRecords()
        self.timers: dict[Timer, int] = {}
        self.effects: list[ev.Effect] = []  # of the last command
        self.context = make_context(height, self.letters, timing=timing)
        self.timing = timing
        self.applied: ev.Apply | None = None
        self.replica = self._make()

    def _make(self) -> Replica:
        own = None if self.own is None else key(self.own)
        return Replica(CHAIN, own, verify, early=self.early)

    # ------------------------------------------------------------------------ beginning

    def start(self, *, work: bool = False, joins: bool = False, acked: int = 0) -> list[ev.Effect]:
        """Start the replica, anew or again, on what the disk holds."""
        self.replica = self._make()
        self.timers.clear()
        slots = [slot for slot in self.slots if slot.position.height == self.height]
        last = slots or self.slots[-1:]
        return self.tell(
            ev.Start(self.context, self.records, tuple(last), work, joins, acked, *self.now)
        )

    def watch(self, *, work: bool = False) -> Desk:
        """Start it among peers that are linked and stand at the same height (D9)."""
        self.start(work=work)
        self.meet()
        self.effects = []
        return self

    def meet(self) -> None:
        """Let every other validator link up and say that it stands here too."""
        for one in self.others:
            self.tell(ev.LinkUp(key(one), *self.now))
            self.hear(one, self.status())

    @property
    def others(self) -> list[str]:
        return [one for one in self.letters if one != self.own]

    @property
    def now(self) -> tuple[int, int]:
        return self.mono_ms, START_MS + self.mono_ms + self.skew_ms

    # ------------------------------------------------------------------------- telling it

    def tell(self, *events: ev.Event) -> list[ev.Effect]:
        """Feed events and their answers; return all the effects there were."""
        self.effects = []
        queue = deque(events)
        while queue:
            effects = self.replica.step(queue.popleft())
            self.effects += effects
            answers = [self._perform(effect) for effect in effects]
            queue.extendleft(reversed([one for one in answers if one is not None]))
        return self.effects

    def hear(self, peer: str, *messages: Message) -> list[ev.Effect]:
        """Let messages come over the link of `peer`."""
        return self.tell(*(ev.Received(key(peer), one, *self.now) for one in messages))

    def wait(self, ms: int) -> list[ev.Effect]:
        """Let time pass, and the alarms go off that are due."""
        until, effects = self.mono_ms + ms, []
        while self.timers:
            timer, at_ms = min(self.timers.items(), key=lambda item: (item[1], item[0]))
            if at_ms > until:
                break
            del self.timers[timer]
            self.mono_ms = max(self.mono_ms, at_ms)
            effects += self.tell(ev.TimerFired(timer, *self.now))
        self.mono_ms = until
        self.effects = effects
        return effects

    def fire(self, timer: Timer) -> list[ev.Effect]:
        """Let time pass up to that alarm, which must be set, and let it alone go off."""
        self.mono_ms = max(self.mono_ms, self.timers.pop(timer))
        return self.tell(ev.TimerFired(timer, *self.now))

    def in_touch(self) -> None:
        """Let a status of every other validator come in, of this very round (T5)."""
        for one in self.others:
            self.hear(one, self.status(round_=self.round))

    def time_out(self) -> list[ev.Effect]:
        """Let the round's timer go off while this node is in touch (R5)."""
        self.in_touch()
        at_ms = self.timers[Timer.ROUND]
        self.mono_ms = max(self.mono_ms, at_ms)
        self.in_touch()
        return self.fire(Timer.ROUND)

    # ----------------------------------------------------------------- what others would say

    def block(
        self, name: str, creator: str | None = None, time_ms: int | None = None
    ) -> CompactBlock:
        """Return a block of the open height, by default of the leader of round 0."""
        return make_block(
            name,
            key(creator or self.letters[0]),
            self.height,
            time_ms=START_MS if time_ms is None else time_ms,
        )

    def proposal(
        self,
        block: CompactBlock,
        round_: int = 0,
        justification: Justification | None = None,
        signer: str | None = None,
    ) -> SignedProposal:
        leader = signer or self.letters[round_ % len(self.letters)]
        reasons = justification if justification is not None else Justification((), None)
        return make_proposal(key(leader), block, round_, reasons)

    def prepares(self, signers: str, round_: int, block: CompactBlock) -> list[SignedMessage]:
        return [make_prepare(key(s), self.height, round_, block.block_id) for s in signers]

    def commits(self, signers: str, round_: int, block: CompactBlock) -> list[SignedMessage]:
        return [make_commit(key(s), self.height, round_, block.block_id) for s in signers]

    def changes(
        self, signers: str, round_: int, claim: tuple[int, CompactBlock] | None = None
    ) -> list[Any]:
        said = None if claim is None else (claim[0], claim[1].block_id)
        return [make_round_change(key(s), self.height, round_, said) for s in signers]

    def proof(self, round_: int, block: CompactBlock, signers: str = "ABC") -> Any:
        return make_prepared_certificate(signers, self.letters, self.height, round_, block.block_id)

    def certificate(self, round_: int, block: CompactBlock, signers: str = "ABC") -> Any:
        return make_commit_certificate(signers, self.letters, self.height, round_, block.block_id)

    def status(
        self, *, height: int | None = None, round_: int = 0, best: int | None = None
    ) -> Status:
        height = self.height if height is None else height
        return Status(
            height,
            round_,
            height - 1 if best is None else best,
            parent_of(height),
            None,
            bytes(1),
            bytes(1),
            bytes(1),
            None,
            START_MS + self.mono_ms,
        )

    # -------------------------------------------------------------------------- looking at it

    def said(self, kind: type[E]) -> list[E]:
        """Return the drafts of a kind that the last command had signed."""
        drafts = [effect.draft for effect in self.effects if isinstance(effect, ev.SignAndSend)]
        return [draft for draft in drafts if isinstance(draft, kind)]

    def did(self, kind: type[E]) -> list[E]:
        """Return the effects of a kind of the last command."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def why_ignored(self) -> list[str]:
        return [effect.why for effect in self.did(ev.Ignore)]

    @property
    def round(self) -> int:
        return self.replica.status().round

    # ----------------------------------------------------------------------- performing effects

    def _perform(self, effect: ev.Effect) -> ev.Event | None:
        match effect:
            case ev.Persist():
                self._persist(effect.record)
            case ev.SignAndSend():
                return self._sign(effect)
            case ev.RaiseGuard():
                end = closing(end_of(effect.height))
                if not self.slots or self.slots[-1].position < end.position:
                    self.slots.append(end)
            case ev.SetTimer():
                self.timers[effect.timer] = effect.at_ms
            case ev.CancelTimer():
                self.timers.pop(effect.timer, None)
            case ev.Apply():
                self.applied = effect
            case _ if type(effect) in self.hold:
                return None
            case ev.Propose():
                block = self.block("fresh", self.own, self.now[1])
                return ev.Proposed(effect.height, effect.round, block, *self.now)
            case ev.Fetch():
                if effect.block is not None:
                    return ev.BlockAvailable(effect.block, *self.now)
            case ev.Execute():
                error = "roots differ" if effect.block_id in self.invalid else None
                return ev.Executed(effect.block_id, error, *self.now)
            case _:
                pass
        return None

    def _sign(self, effect: ev.SignAndSend) -> ev.Event:
        assert self.own is not None
        at, signed = position(effect.draft), signed_bytes(CHAIN, effect.draft)
        verdict = judge(self.slots[-1] if self.slots else None, at, signed)
        if verdict.refuse is not None:
            return ev.SigningRefused(verdict.refuse, *self.now)
        signature = verdict.repeat or mac(key(self.own), signed)
        if verdict.repeat is None:
            self.slots.append(Slot(at, signed, signature))
        message = seal(effect.draft, key(self.own), signature)
        return ev.Received(key(self.own), message, *self.now)

    def _persist(self, record: DraftProposal | SignedProposal | Prepared) -> None:
        old = self.records
        match record:
            case DraftProposal():
                self.records = OpenRecords(record, old.accepted, old.prepared)
            case SignedProposal():
                self.records = OpenRecords(old.drafted, record, old.prepared)
            case Prepared():
                self.records = OpenRecords(old.drafted, old.accepted, record)

    def new_height(self, *, work: bool = False) -> list[ev.Effect]:
        """Open the next height, as after Apply or sync."""
        self.height += 1
        self.records = OpenRecords()
        self.context = make_context(self.height, self.letters, timing=self.timing)
        if self.applied is not None and self.applied.certificate.height == self.height - 1:
            self.context = structs.replace(
                self.context, parent_id=self.applied.block_id, tip=self.applied.certificate
            )
        return self.tell(ev.NewHeight(self.context, work, *self.now))
