"""The join barrier, one replica at a time: consensus D10 to D12, D14, D16."""

from __future__ import annotations

from msgspec import structs

from consensus import events as ev
from consensus.events import Silence, Timer
from consensus.guard import Position, Slot, Step, closing, end_of, opening
from consensus.messages import DraftProposal, Prepare, RoundChange, Status
from consensus.timers import RELEASE_MS
from tests.consensus.desk import Desk
from tests.consensus.made import key


def raised(desk: Desk) -> list[int]:
    return [effect.height for effect in desk.effects if isinstance(effect, ev.RaiseGuard)]


def alarms(desk: Desk) -> list[tuple[str, dict[str, int | str]]]:
    return [(e.text, dict(e.params)) for e in desk.effects if isinstance(e, ev.Alarm)]


def vote_at(height: int) -> Slot:
    return Slot(Position(height, 0, Step.PREPARE), b"a vote", bytes(range(64)))


def test_d10_a_guard_as_high_as_the_others_passes_at_once() -> None:
    """consensus D10: G is the higher of guard and stored height; the open height is 8."""
    for slots, acked in (([vote_at(7)], 0), ([], 7), ([], 0)):
        desk = Desk()
        desk.slots = list(slots)
        desk.start(acked=acked)
        desk.meet()
        assert desk.replica.status().silence is None
        assert desk.slots == slots


def test_d10_older_than_what_is_certified_waits_for_one_block_more() -> None:
    """consensus D10: G = 7 < A = 11, so X = 12; signing begins at 13."""
    desk = Desk()
    desk.slots = [vote_at(7)]
    desk.start()
    for one in "AB":
        desk.hear(one, desk.status(height=12))
    assert desk.replica.status().silence is Silence.START, "claims alone open no gate"

    for height in range(9, 13):
        assert desk.replica.is_joining(height - 1) == (height > 8)
        desk.new_height()
    told = [slot for slot in desk.slots if not slot.signed]

    assert told == [closing(end_of(12))]
    assert desk.replica.status().silence is Silence.BARRIER
    assert not desk.replica.is_joining(12)
    desk.new_height()
    assert alarms(desk) == [("join-barrier-passed", {"height": 12})]
    assert desk.replica.status().silence is None


def test_d10_a_new_guard_is_raised_first_and_a_restart_stays_in_the_barrier() -> None:
    """consensus D10, ADR 0045: a crash in the barrier is no way out of it."""
    desk = Desk()
    desk.start(joins=True)
    desk.hear("A", desk.status())
    desk.hear("B", desk.status())
    assert raised(desk) == [8]
    assert alarms(desk) == [("join-barrier", {"height": 8, "why": "guard"})]
    desk.start()
    desk.meet()

    assert raised(desk) == []
    assert desk.replica.status().silence is Silence.BARRIER
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    assert desk.said(object) == []
    desk.hear("A", *desk.commits("ABC", 0, block))
    assert desk.did(ev.Apply)
    desk.new_height()
    assert desk.replica.status().silence is None


def test_d10_an_imported_position_of_the_open_height_has_lost_its_records() -> None:
    """consensus D10, E1d: nobody here knows whether it had prepared something."""
    desk = Desk()
    desk.slots = [closing(Position(8, 2, Step.COMMIT))]
    desk.start()
    desk.meet()
    assert desk.slots[-1] == closing(end_of(8))

    decided = Desk()
    decided.slots = [closing(Position(7, 2, Step.COMMIT))]
    decided.start()
    decided.meet()
    assert decided.replica.status().silence is None


def test_y23_nothing_is_signed_at_a_height_that_was_acked_here() -> None:
    """reliability Y19, Y23: the block of this height is certified; it is only lost here."""
    desk = Desk()
    desk.start(acked=9)
    desk.meet()
    assert desk.replica.status().silence is Silence.BEHIND
    desk.new_height()
    assert desk.replica.status().silence is Silence.BEHIND
    desk.new_height()
    assert desk.replica.status().silence is None


def waits(desk: Desk, *, height: int | None = None) -> Status:
    return structs.replace(desk.status(height=height), silence="barrier")


def test_d11_a_validator_in_the_barrier_is_due_one_block_in_ten_minutes() -> None:
    """consensus D11: at its own height, of a validator, and not again for 600 s."""
    desk = Desk("A").watch()
    desk.hear("B", waits(desk, height=7))
    desk.hear("J", waits(desk))
    assert desk.did(ev.Propose) == []
    desk.hear("B", waits(desk))
    assert desk.did(ev.Propose)

    desk.new_height()
    desk.tell(ev.LinkUp(key("B"), *desk.now))
    at = desk.replica
    for wait_ms, due in ((RELEASE_MS - 1, False), (1, True)):
        desk.mono_ms += wait_ms
        desk.hear("B", waits(desk))
        assert at._open.heartbeat_due is due


def test_d11_a_heartbeat_timer_that_fires_early_takes_no_due_block_back() -> None:
    desk = Desk().watch()
    desk.hear("B", waits(desk))
    desk.tell(ev.TimerFired(Timer.HEARTBEAT, *desk.now))
    assert desk.replica._open.heartbeat_due


def test_d12_an_opened_height_is_signed_whatever_the_others_still_hold() -> None:
    """consensus D12, D14: own words of the lost disk come back, and are no alarm."""
    desk = Desk()
    desk.slots = [closing(end_of(7)), opening(8)]
    desk.start()
    desk.meet()
    old, block = desk.block("old"), desk.block("new", "B", desk.now[1])
    desk.hear("A", *desk.prepares("D", 0, old))
    desk.hear("A", *desk.changes("ABC", 1))
    assert desk.said(RoundChange)
    desk.hear("A", *desk.prepares("D", 0, old), *desk.prepares("D", 1, old))

    assert alarms(desk) == []
    assert desk.replica.status().silence is None
    assert block.block_id != old.block_id


def test_d14_own_words_at_a_closed_height_are_those_of_the_lost_disk() -> None:
    desk = Desk()
    desk.start(joins=True)
    desk.meet()
    desk.hear("A", *desk.prepares("D", 0, desk.block("old")))
    assert alarms(desk) == []
    desk.new_height()
    block = desk.block("b9")
    desk.hear("A", desk.proposal(block))
    assert desk.said(Prepare)
    desk.hear("A", *desk.prepares("D", 0, desk.block("other")))
    assert [text for text, _ in alarms(desk)] == ["key-in-use-elsewhere"]


def test_a_locked_signer_follows_until_it_starts_again() -> None:
    """interfaces 2.5: `signer lock`."""
    desk = Desk("A").watch()
    desk.tell(ev.SignerLocked(*desk.now))
    assert alarms(desk) == [("signer-locked", {})]
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.said(DraftProposal) == []
    assert desk.replica.status().silence is Silence.LOCKED
    desk.watch(work=True)
    assert desk.replica.status().silence is None
