"""What the own key may still sign, and why it is silent: start gate, barrier, D2 and D9 to D16.

A vote that is given twice forks the chain, a vote that is withheld costs a round. So whoever wants
to speak passes `Voice.say`, and whatever makes this node doubt its guard ends in silence.
"""

from collections.abc import Callable

from chain.evidence import Testimony
from chain.validators import Verify
from consensus import events as ev
from consensus.checks import check_signature
from consensus.events import Silence
from consensus.guard import START, Position, Step, end_of, is_unknown, position
from consensus.messages import ROUND_MAX, ChainName, Draft, signed_bytes
from consensus.open_height import OpenHeight
from consensus.peers import Peers
from consensus.restart import lacks_records, of_height


class Voice:
    """The voice of one key, nil for an observer: what it said since the start, and what it may say.

    `certified`, where it is asked for, is the height of the highest certificate known (D13).
    """

    def __init__(
        self,
        chain: ChainName,
        own_key: bytes | None,
        verify: Verify,
        peers: Peers,
        emit: Callable[[ev.Effect], None],
    ) -> None:
        self._chain = chain
        self._own = own_key
        self._verify = verify
        self._peers = peers
        self._do = emit

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

    # ---------------------------------------------------------------------------- its life

    def start(self, event: ev.Start) -> None:
        """D7, D10: begin where the guard stands, and see whether it and its records are whole."""
        height = event.context.height
        self._gate_open = False
        self._stopped = None
        self._spoken = event.slots[-1].position if event.slots else START
        self._joins, self._barrier, self._acked = event.joins, 0, event.acked
        self._known = max(self._spoken.height, height - 1, event.acked)
        self._closed_to = self._spoken.height if self._spoken.step >= Step.END else 0
        self._has_spoken = self._has_met_own = False

        slots = [slot for slot in event.slots if slot.position.height == height]
        signed = [slot for slot in slots if slot.signed]
        self._lost_records = (
            self._spoken.height > height  # D16
            or any(is_unknown(slot) for slot in slots)
            or lacks_records(signed, of_height(event.records, height))
        )

    def pass_height(self, height: int) -> None:
        """D10: `height` is open now; a barrier that stood below it is passed."""
        if self._barrier and height > self._barrier:
            self._alarm("join-barrier-passed", ("height", self._barrier))
            self._barrier = 0

    def is_joining(self, height: int) -> bool:
        """Say whether a decided `height` shows, before the gate, that the guard is behind (D10)."""
        return self._own is not None and not self._gate_open and height > self._known

    # ------------------------------------------------------------------------ speaking

    def say(
        self, at: OpenHeight, draft: Draft, certified: int, *, first: ev.Persist | None
    ) -> None:
        """Sign once per position and never below one: nothing that R5 forbids gets past here."""
        where = position(draft)
        if not self.may_say(at, where, certified):
            return
        if first is not None:
            self._do(first)  # D3
        self._spoken = where
        self._has_spoken = True
        at.note_signed(where, signed_bytes(self._chain, draft))
        self._do(ev.SignAndSend(draft))

    def may_say(self, at: OpenHeight, where: Position, certified: int) -> bool:
        """Say whether this key may sign at `where` now (D2)."""
        return where > self._spoken and self.silence(at, certified) is None

    def silence(self, at: OpenHeight, certified: int) -> Silence | None:
        """Return why this node must not sign now, or nil if it may (C8)."""
        validators = at.context.validators
        if self._own is None or self._own not in validators:
            return Silence.OBSERVER
        if self._stopped is not None:
            return self._stopped
        if at.height <= self._acked:
            return Silence.BEHIND  # it lost this block, and fetches it back (reliability Y23)
        if not self._gate_open:
            return Silence.START
        if self._is_closed(at.height):
            return Silence.BARRIER
        if at.decided is not None or certified >= at.height:
            return Silence.DECIDED  # D13
        if self._peers.count_decided(validators, at.height) >= validators.weak_quorum:
            return Silence.BEHIND  # D13
        return None

    def stop(self, why: Silence, alarm: str, *params: tuple[str, int | str]) -> None:
        """Be silent until the next start, and tell the first reason there was."""
        if self._stopped is None:
            self._stopped = why
            self._alarm(alarm, *params)

    def stop_for_foreign(self, height: int, round_: int) -> None:
        """D14: the own key signs on another machine too."""
        told = (("height", height), ("round", round_))
        self.stop(Silence.FOREIGN_SIGNATURE, "key-in-use-elsewhere", *told)

    # ------------------------------------------------------------------- gate and barrier

    def open_gate(self, at: OpenHeight, certified: int) -> None:
        """D9: q - 1 others said where they stand, and what they claim is certified here."""
        if self._gate_open:
            return
        validators = at.context.validators
        certified = max(at.height - 1, certified)
        answers = self._peers.count_answered(validators, certified)
        self._gate_open = answers >= validators.quorum - 1
        if self._gate_open and self._own is not None:
            self._pass_barrier(at.height, certified)

    def _pass_barrier(self, height: int, certified: int) -> None:
        """D10: close the heights where this key may have signed what its guard does not hold.

        The guard is raised before anything is observed, so a crash in the barrier is no way out
        of it (ADR 0045). A guard that is whole lacks nothing once its height is decided.
        """
        lacks = self._lost_records and self._spoken.height > certified
        if self._joins or self._known < certified or lacks or self._has_met_own:
            is_old = self._known < certified
            why = "guard" if self._joins else "records" if lacks else "old" if is_old else "words"
            self._close(max(certified + 1, self._spoken.height), why)
        elif self._is_closed(height):
            self._barrier = self._spoken.height

    def _close(self, height: int, why: str) -> None:
        """D10: let this key sign nothing at `height` and those below any more."""
        self._barrier = height
        self._alarm("join-barrier", ("height", height), ("why", why))
        self._do(ev.RaiseGuard(height))
        self._spoken = max(self._spoken, end_of(height))
        self._closed_to = max(self._closed_to, height)

    def _is_closed(self, height: int) -> bool:
        """Say whether the guard lets nothing of the open height be signed (D10)."""
        return self._spoken >= Position(height, ROUND_MAX, Step.END)

    def meet_own(self, at: OpenHeight, said: Testimony, *, is_open: bool) -> None:
        """D14: a signature of the own key that the guard does not hold, though it stands there.

        Below a join barrier, and at a height that an approval opened, these are the words of the
        disk that was lost (D10, D12). So they may be while this node has signed nothing since its
        start: its disk may be an image of this very height, or of the end of the one before, and
        it joins as after any loss. `is_open` tells the open height from the one before.
        """
        where, signed = position(said.record), signed_bytes(self._chain, said.record)
        if at.is_reopened or at.may_have_signed(where, signed):
            return
        if not at.signed and (self._has_spoken or at.height <= self._spoken.height):
            return  # D14 is about heights in the guard; what it closed or took over says nothing
        if self._is_closed(at.height) if is_open else at.height <= self._closed_to:
            return
        check_signature(said, self._chain, self._verify)
        if self._has_spoken:
            self.stop_for_foreign(where.height, where.round)
        elif not self._gate_open:
            self._has_met_own = True
        elif is_open and at.decided is None:
            self._close(at.height, "words")

    def _alarm(self, text: str, *params: tuple[str, int | str]) -> None:
        self._do(ev.Alarm(text, params))
