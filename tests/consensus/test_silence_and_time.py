"""When to speak, when to stay silent, when to give up: D, L and T rules on one replica."""

from __future__ import annotations

import pytest
from msgspec import structs

from consensus import events as ev
from consensus.events import OpenRecords, Silence, Timer, Timing
from consensus.guard import Position, Slot, Step
from consensus.messages import (
    Commit,
    DraftProposal,
    Justification,
    Prepare,
    RoundChange,
    SignedMessage,
    SignedProposal,
    Status,
)
from consensus.replica import Replica
from consensus.timers import RESEND_MS
from tests.consensus.desk import Desk
from tests.consensus.made import (
    CHAIN,
    START_MS,
    key,
    make_context,
    make_prepare,
    make_round_change,
    verify,
)

SIGNED = SignedMessage


def sent(desk: Desk) -> list[object]:
    return [effect.message for effect in desk.did(ev.Send)]


SLOW = Timing(round_ms=10_000)  # so that words are said again within a round


def committed(timing: Timing | None = None) -> Desk:
    """Return a desk whose replica has just signed a commit in round 0."""
    desk = Desk(timing=timing).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    assert desk.said(Commit)
    return desk


# ------------------------------------------------------------------------------- D3, D4, D7


def test_d4_an_own_vote_counts_only_when_it_is_fed_back() -> None:
    """consensus D4: with two others' prepares and the own one still in the guard, no commit."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("B", *desk.prepares("AB", 0, block))
    events = [ev.Received(key("A"), desk.proposal(block), *desk.now)]
    effects = desk.replica.step(events[0])
    effects += desk.replica.step(ev.BlockAvailable(block, *desk.now))
    effects += desk.replica.step(ev.Executed(block.block_id, None, *desk.now))
    drafts = [one.draft for one in effects if isinstance(one, ev.SignAndSend)]

    assert [type(draft) for draft in drafts] == [Prepare]
    own = make_prepare(key("D"), 8, 0, block.block_id)
    effects = desk.replica.step(ev.Received(key("D"), own, *desk.now))
    assert [type(one.draft) for one in effects if isinstance(one, ev.SignAndSend)] == [Commit]


def test_d7_a_restart_sends_the_same_bytes_again_and_signs_nothing() -> None:
    """consensus D7, F19, F20: prepare and commit come back out of the guard."""
    desk = committed(SLOW)
    slots = list(desk.slots)
    desk.start()
    desk.meet()
    desk.wait(RESEND_MS)

    again = [one for one in sent(desk) if isinstance(one, SIGNED)]
    assert [one.signature for one in again] == [slot.signature for slot in slots]
    assert desk.slots == slots


def test_d7_a_restart_restores_round_accepted_and_prepared() -> None:
    """consensus D7, P5, F19: the round change after a restart carries the prepared block."""
    desk = committed()
    block = desk.block("b1")
    desk.start()
    desk.meet()
    assert desk.replica.status().accepted == block.block_id
    desk.time_out()
    (change,) = desk.said(RoundChange)
    assert (change.round, change.prepared_round, change.prepared_id) == (1, 0, block.block_id)

    desk.start()
    desk.meet()
    assert desk.round == 1
    assert desk.replica.status().accepted is None
    assert desk.said(object) == []


def test_d7_a_restarted_leader_repeats_its_proposal() -> None:
    """consensus R7, P11: never a second value, though the pool changed meanwhile."""
    desk = Desk("A").watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    (draft,) = desk.said(DraftProposal)
    desk.start(work=True)
    desk.meet()
    desk.wait(RESEND_MS)

    proposals = [one for one in sent(desk) if isinstance(one, SignedProposal)]
    assert [one.record for one in proposals] == [draft.record]
    assert desk.did(ev.Propose) == []


def test_d7_a_proposal_stored_but_not_signed_is_the_one_that_is_signed() -> None:
    """consensus R7, D3: the crash struck between the store and the guard."""
    desk = Desk("A").watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    (draft,) = desk.said(DraftProposal)
    desk.slots.clear()
    desk.records = OpenRecords(draft)
    desk.start(work=True)
    desk.hear("B", desk.status())
    desk.hear("C", desk.status())

    assert desk.said(DraftProposal) == [draft]
    assert desk.did(ev.Propose) == []


def test_d7_a_certificate_stored_but_not_committed_is_committed_after_the_restart() -> None:
    desk = committed()
    assert desk.slots.pop().position.step is Step.COMMIT
    desk.start()
    desk.meet()

    assert desk.slots[-1].position == Position(8, 0, Step.COMMIT)


def test_d7_a_certificate_noted_in_silence_is_claimed_in_later_rounds_only() -> None:
    """consensus D7, D9, R2d: prepared in round 2 behind the gate, and nothing signed so far."""
    desk = Desk()
    desk.start()
    block = desk.block("b1", "C")
    reasons = Justification(tuple(desk.changes("ABC", 2)), None)
    desk.hear("C", desk.proposal(block, 2, reasons), *desk.prepares("ABC", 2, block))
    assert desk.slots == []
    assert desk.records.accepted is None
    assert desk.records.prepared is not None

    desk.start(work=True)
    desk.meet()
    assert desk.round == 2
    assert desk.said(object) == []
    desk.time_out()
    (change,) = desk.said(RoundChange)
    assert (change.round, change.prepared_round, change.prepared_id) == (3, 2, block.block_id)

    desk.slots, desk.records = [], structs.replace(desk.records, accepted=None)
    desk.start()
    desk.meet()
    desk.hear("A", desk.proposal(block, 2, reasons))
    assert [type(draft) for draft in desk.said(object)] == [Prepare, Commit]


def test_d3_records_of_another_height_are_left_alone() -> None:
    """consensus D3: a crash between the block and the deletion of its records."""
    desk = committed()
    desk.height += 1
    desk.context = make_context(9, "ABCD")
    desk.start()
    desk.meet()

    status = desk.replica.status()
    assert (status.height, status.round, status.accepted) == (9, 0, None)


def test_d3_a_decided_block_is_announced_only_when_it_is_durable() -> None:
    """consensus D3: no status and no certificate of a height that a crash could still undo."""
    desk = committed()
    block = desk.block("b1")
    desk.hear("A", *desk.commits("AB", 0, block))
    assert desk.did(ev.Apply)
    desk.hear("C", desk.status(), desk.status())
    desk.wait(RESEND_MS)
    assert {one.best_height for one in sent(desk) if isinstance(one, Status)} == {7}
    assert not any(isinstance(one, type(desk.certificate(0, block))) for one in sent(desk))
    desk.new_height()
    assert {one.best_height for one in sent(desk) if isinstance(one, Status)} == {8}


def test_d2_a_refused_signature_silences_the_node() -> None:
    desk = committed()
    desk.tell(ev.SigningRefused("another message was signed", *desk.now))

    assert desk.did(ev.Alarm)[0].text == "guard-refused"
    assert desk.replica.status().silence is Silence.GUARD
    desk.time_out()
    assert desk.said(object) == []


# ------------------------------------------------------------------------------------- D8, D9


def test_d9_nothing_is_signed_before_q_minus_1_others_spoke() -> None:
    """consensus D9; links alone are not enough."""
    desk = Desk()
    desk.start()
    for one in "ABC":
        desk.tell(ev.LinkUp(key(one), *desk.now))
    desk.hear("A", desk.proposal(desk.block("b1")))
    assert desk.said(object) == []
    assert desk.replica.status().silence is Silence.START
    desk.hear("A", desk.status())
    assert desk.said(object) == []
    desk.hear("B", desk.status())
    assert [type(draft) for draft in desk.said(object)] == [Prepare]


def test_d9_a_claim_that_no_certificate_backs_does_not_open_the_gate() -> None:
    """consensus D9, P17: two liars claim height 50; then sync shows that it is true."""
    desk = Desk()
    desk.start()
    for one in "AB":
        desk.hear(one, desk.status(height=51))
    assert desk.replica.status().silence is Silence.START
    desk.hear("C", desk.status())
    assert desk.replica.status().silence is Silence.START
    desk.hear("A", desk.status())
    assert desk.replica.status().silence is None


def test_d9_the_gate_is_passed_once_and_reading_the_status_never_opens_it() -> None:
    desk = Desk()
    desk.start()
    desk.hear("A", desk.status())
    before = [desk.replica.status() for _ in range(3)]
    assert {one.silence for one in before} == {Silence.START}
    desk.hear("B", desk.status())
    desk.tell(ev.LinkDown(key("A"), *desk.now), ev.LinkDown(key("B"), *desk.now))
    assert desk.replica.status().silence is None


@pytest.mark.parametrize(("n", "others"), [(1, ""), (2, "A"), (3, "A")])
def test_q5_small_sets_start_with_what_a_quorum_needs(n: int, others: str) -> None:
    """consensus Q5, F48: a single node starts alone."""
    desk = Desk("ABC"[n - 1], n=n)
    desk.start()
    for one in others:
        assert desk.replica.status().silence is Silence.START
        desk.hear(one, desk.status())

    assert desk.replica.status().silence is None


def test_q5_a_single_node_decides_alone() -> None:
    desk = Desk("A", n=1)
    desk.start()
    desk.tell(ev.WorkPending(True, *desk.now))

    assert [type(draft) for draft in desk.said(object)] == [DraftProposal, Prepare, Commit]
    assert len(desk.did(ev.Apply)) == 1


def test_d10_a_node_in_the_barrier_follows_and_says_why() -> None:
    """consensus D10: it accepts, decides and relays, but signs nothing."""
    desk = Desk()
    desk.start(joins=True)
    desk.meet()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    assert desk.said(object) == []
    assert desk.replica.status().silence is Silence.BARRIER
    desk.hear("A", *desk.commits("ABC", 0, block))
    assert desk.did(ev.Apply)


def test_c5_an_observer_runs_the_same_code_and_stores_nothing() -> None:
    """consensus C5, V6: a key outside the set observes too."""
    for own in (None, "J"):
        desk = Desk(own)
        desk.start()
        desk.meet()
        block = desk.block("b1")
        desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
        assert desk.replica.status().silence is Silence.OBSERVER
        assert desk.did(ev.Persist) == []
        desk.hear("A", *desk.commits("ABC", 0, block))
        assert desk.did(ev.Apply)


# ------------------------------------------------------------------------------- D10, D13, D14


def test_d13_w_validators_that_decided_silence_the_node() -> None:
    """consensus D13, F39: it is behind, and says so."""
    desk = Desk().watch()
    desk.hear("A", desk.status(height=9))
    assert desk.replica.status().silence is None
    desk.hear("B", desk.status(height=9))
    assert desk.replica.status().silence is Silence.BEHIND
    desk.hear("A", desk.proposal(desk.block("b1")))
    assert desk.said(object) == []


def test_d13_a_certificate_of_a_higher_height_silences_until_that_height_is_passed() -> None:
    desk = Desk().watch()
    desk.height = 12
    certificate = desk.certificate(0, desk.block("far"))
    desk.height = 8
    desk.tell(ev.CertificateKnown(certificate, *desk.now))
    desk.hear("A", desk.proposal(desk.block("b1")))
    assert desk.said(object) == []
    assert desk.replica.status().silence is Silence.DECIDED
    desk.height = 12
    desk.new_height()
    assert desk.replica.status().silence is None


def test_d13_a_certificate_known_early_decides_its_height_when_it_opens() -> None:
    desk = Desk().watch()
    desk.height = 9
    block = desk.block("next")
    certificate = desk.certificate(0, block)
    desk.hear("A", certificate)
    desk.height = 8
    desk.new_height()

    assert [fetch.block_id for fetch in desk.did(ev.Fetch)] == [block.block_id]


@pytest.mark.parametrize("last", [Position(9, 0, Step.PREPARE), Position(8, 65_535, Step.END)])
def test_d10_a_guard_ahead_of_the_open_height_keeps_silent(last: Position) -> None:
    """consensus D2, D10: an old store beside a newer guard; the end of a height."""
    desk = Desk()
    desk.slots = [Slot(last, b"", bytes(64))]
    desk.start()
    desk.meet()
    desk.hear("A", desk.proposal(desk.block("b1")))

    assert desk.said(object) == []
    assert desk.replica.status().silence is Silence.BARRIER


@pytest.mark.parametrize("round_", [65_535, 2**32 - 1])
def test_d10_the_end_of_a_height_is_no_round_of_it(round_: int) -> None:
    """consensus D10: a node that may not sign here follows from round 0 on, and says so."""
    desk = Desk()
    desk.slots = [Slot(Position(8, round_, Step.END), b"", bytes(64))]
    desk.start()
    desk.meet()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))

    status = desk.replica.status()
    assert (status.round, status.accepted) == (0, block.block_id)
    assert status.silence is Silence.BARRIER
    assert desk.said(object) == []


def started_without(desk: Desk, **lost: None) -> Desk:
    """Start a desk again whose stored records of a kind are gone."""
    desk.records = structs.replace(desk.records, **lost)
    desk.start()
    desk.meet()
    return desk


@pytest.mark.parametrize("lost", ["drafted", "accepted", "prepared"])
def test_d10_a_node_without_the_records_its_guard_implies_signs_nothing_here(lost: str) -> None:
    """consensus D10, F23, E1d: what it prepared it could deny; from the next height on it signs."""
    desk = Desk("A").watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    block = desk.said(DraftProposal)[0].block
    desk.hear("B", *desk.prepares("BC", 0, block))
    assert desk.said(Commit)
    before = list(desk.slots)

    started_without(desk, **{lost: None})
    assert desk.replica.status().silence is Silence.BARRIER
    desk.hear("B", *desk.changes("BCD", 1))
    assert desk.round == 1
    assert [slot for slot in desk.slots if slot.signed] == before
    desk.new_height()
    assert desk.replica.status().silence is None


def test_d10_a_round_change_that_claims_a_lost_certificate_silences_too() -> None:
    """consensus D10, E1d: the guard alone still knows that something was prepared."""
    desk = committed()
    desk.time_out()
    desk.slots = desk.slots[-1:]
    assert started_without(desk).replica.status().silence is None
    assert started_without(desk, prepared=None).replica.status().silence is Silence.BARRIER


def test_d10_the_end_of_an_earlier_height_does_not_bind_this_one() -> None:
    desk = Desk()
    desk.slots = [Slot(Position(7, 65_535, Step.END), b"", bytes(64))]
    desk.start()
    desk.meet()

    assert desk.replica.status().silence is None


def test_d14_an_own_signature_from_elsewhere_stops_signing() -> None:
    """consensus D14, F26, X10: one alarm, whatever follows."""
    desk = committed()
    foreign = make_prepare(key("D"), 8, 0, desk.block("b2").block_id)
    desk.hear("A", foreign)
    assert [alarm.text for alarm in desk.did(ev.Alarm)] == ["key-in-use-elsewhere"]
    assert desk.replica.status().silence is Silence.FOREIGN_SIGNATURE
    desk.hear("B", make_prepare(key("D"), 8, 3, desk.block("b2").block_id))
    assert desk.did(ev.Alarm) == []


def test_d14_own_messages_that_come_back_are_no_alarm() -> None:
    """consensus D14: peers relay what this node said; also after a restart."""
    desk = committed()
    block = desk.block("b1")
    desk.start()
    desk.meet()
    desk.hear("A", *desk.prepares("D", 0, block), *desk.commits("D", 0, block))

    assert desk.did(ev.Alarm) == []
    assert desk.replica.status().silence is None


def test_d14_where_the_guard_has_not_been_no_other_machine_is_suspected() -> None:
    """consensus D14, D10: a height that the guard does not hold proves an old disk at most."""
    desk = Desk().watch()
    desk.hear("A", make_round_change(key("D"), 8, 4))

    assert [one.text for one in desk.did(ev.Alarm)] == ["join-barrier"]
    assert desk.replica.status().silence is Silence.BARRIER
    assert desk.round == 0


def test_d14_where_the_guard_has_not_been_but_this_process_has_nothing_is_proved() -> None:
    """consensus D14: another machine is a height ahead; what it signs here will tell."""
    desk = committed()
    desk.new_height()
    desk.hear("A", make_round_change(key("D"), 9, 4))

    assert desk.did(ev.Alarm) == []
    assert desk.replica.status().silence is None


def test_d14_a_forged_own_message_is_a_fault_of_the_link() -> None:
    desk = committed()
    real = make_prepare(key("D"), 8, 5, desk.block("b2").block_id)
    desk.hear("A", type(real)(real.record, real.signer, bytes(64)))

    assert desk.did(ev.Alarm) == []
    assert desk.did(ev.Ignore)[0].fault


# --------------------------------------------------------------------------------------- T1-T8


def test_t4_an_idle_chain_starts_no_clock() -> None:
    """consensus T4, F45, P8."""
    desk = Desk().watch()
    desk.in_touch()

    assert set(desk.timers) == {Timer.RESEND, Timer.HEARTBEAT}
    desk.wait(60_000)
    assert desk.round == 0


@pytest.mark.parametrize("what", ["work", "heartbeat", "message"])
def test_t4_work_a_heartbeat_or_a_message_starts_the_clock(what: str) -> None:
    desk = Desk().watch()
    if what == "work":
        desk.tell(ev.WorkPending(True, *desk.now))
    elif what == "heartbeat":
        desk.mono_ms = desk.timers[Timer.HEARTBEAT] - 1
        desk.in_touch()
        desk.fire(Timer.HEARTBEAT)
    else:
        desk.hear("C", *desk.changes("C", 1))

    assert desk.timers[Timer.ROUND] == desk.mono_ms + 1_000


def test_t2_the_clock_is_not_reset_by_the_proposal() -> None:
    """consensus T2, P10: leaders and followers would drift apart."""
    desk = Desk().watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    before = desk.timers[Timer.ROUND]
    desk.mono_ms += 500
    desk.hear("A", desk.proposal(desk.block("b1")))

    assert desk.timers[Timer.ROUND] == before


def test_t1_each_round_waits_longer() -> None:
    desk = Desk(early=False).watch(work=True)
    waits = []
    for _ in range(4):
        desk.in_touch()
        waits.append(desk.timers[Timer.ROUND] - desk.mono_ms)
        desk.time_out()

    assert waits == [1_000, 1_500, 2_250, 3_375]


def test_t3_an_alarm_that_was_replaced_does_nothing() -> None:
    """consensus T3: the deadline decides, not the alarm."""
    desk = Desk().watch(work=True)
    desk.mono_ms += 999
    desk.tell(ev.TimerFired(Timer.ROUND, *desk.now))
    assert desk.round == 0
    desk.time_out()
    desk.tell(ev.TimerFired(Timer.ROUND, *desk.now))
    assert desk.round == 1


def test_t5_out_of_touch_the_round_stays_and_goes_on_as_soon_as_a_quorum_is_heard() -> None:
    """consensus T5, F4, F8: no round storm by a lonely node."""
    desk = Desk().watch(work=True)
    desk.wait(3_600_000)
    frozen = desk.round
    assert frozen <= 6  # until the others had been silent for 6 s
    desk.hear("A", desk.status(round_=frozen))
    desk.wait(RESEND_MS)
    assert desk.round == frozen
    desk.hear("A", desk.status(round_=frozen))
    desk.hear("B", desk.status(round_=frozen))
    desk.wait(RESEND_MS)
    assert desk.round == frozen + 1


def test_t5_a_round_is_not_left_when_its_quorum_fell_silent_meanwhile() -> None:
    """consensus T5: its clock runs, and when it runs out nobody was heard for more than 6 s."""
    desk = Desk(timing=Timing(round_ms=10_000)).watch(work=True)
    desk.wait(9_999)
    assert desk.replica._open.clock_ms is not None
    desk.wait(10_000)
    assert desk.round == 0

    desk.in_touch()
    desk.wait(RESEND_MS)
    assert desk.round == 1


def test_t5_the_clock_of_a_round_waits_for_a_quorum_in_it() -> None:
    """consensus T5, P4: equal timeouts would keep a node that is ahead there for ever."""
    desk = Desk(early=False).watch(work=True)
    desk.time_out()
    for one in "ABC":
        desk.hear(one, desk.status(round_=0))
    assert Timer.ROUND not in desk.timers
    desk.mono_ms += 5_000
    desk.in_touch()
    assert desk.timers[Timer.ROUND] == desk.mono_ms + 1_500


def test_t5_a_status_of_a_lower_height_is_no_touch() -> None:
    desk = Desk().watch(work=True)
    desk.mono_ms = 60_000
    for one in "ABC":
        desk.hear(one, desk.status(height=5))
    desk.fire(Timer.ROUND)

    assert desk.round == 0


def test_t5_r6_moves_a_lonely_node_too() -> None:
    desk = Desk().watch(work=True)
    desk.mono_ms = 60_000
    desk.hear("A", *desk.changes("AB", 4))

    assert desk.round == 4


def test_t6_the_latest_words_of_each_kind_are_sent_again_every_two_seconds() -> None:
    """consensus T6, P7."""
    desk = committed()
    desk.time_out()
    desk.wait(RESEND_MS)
    kinds = [type(one).__name__ for one in sent(desk) if isinstance(one, SIGNED)]

    assert kinds == ["SignedRoundChange", "SignedPrepare", "SignedCommit"]


def test_t6_a_new_link_is_told_everything_at_once() -> None:
    desk = committed()
    desk.tell(ev.LinkUp(key("B"), *desk.now))

    assert {one.to for one in desk.did(ev.Send)} == {(key("B"),)}
    its_own, *rest = sent(desk)
    assert its_own == make_prepare(key("B"), 8, 0, desk.block("b1").block_id)  # D10
    assert [type(one).__name__ for one in rest] == ["Status", "SignedPrepare", "SignedCommit"]


def test_t7_a_change_of_height_or_round_is_told_at_once() -> None:
    desk = Desk().watch(work=True)
    desk.time_out()
    assert [one.round for one in sent(desk) if isinstance(one, Status)] == [1]
    desk.new_height()
    assert [(one.height, one.round) for one in sent(desk) if isinstance(one, Status)] == [(9, 0)]


def test_t8_a_heartbeat_makes_the_leader_propose_and_nothing_else_does() -> None:
    """consensus T8: otherwise no empty blocks."""
    desk = Desk("A", timing=Timing(heartbeat_ms=5_000)).watch()
    desk.wait(4_999)
    assert desk.did(ev.Propose) == []
    desk.wait(1)
    assert desk.did(ev.Propose) == [ev.Propose(8, 0)]


def test_t8_the_heartbeat_counts_from_the_last_decision() -> None:
    desk = Desk("A", timing=Timing(heartbeat_ms=5_000)).watch()
    desk.wait(4_000)
    desk.new_height()
    desk.tell(ev.TimerFired(Timer.HEARTBEAT, *desk.now))  # an alarm of the height before
    desk.wait(4_999)
    assert desk.did(ev.Propose) == []
    desk.wait(1)
    assert desk.did(ev.Propose) == [ev.Propose(9, 0)]


# ----------------------------------------------------------------------------------- T9 to T13


@pytest.mark.parametrize(
    ("skew_ms", "accepted"),
    [(0, True), (-2_000, True), (-2_001, False), (12_000, True), (12_001, False)],
)
def test_t10_an_untimely_fresh_block_gets_no_prepare(skew_ms: int, accepted: bool) -> None:
    """consensus T10, F31: judged by the clock at its receipt."""
    desk = Desk().watch()
    block = desk.block("b1", time_ms=START_MS)
    desk.skew_ms = skew_ms - desk.mono_ms
    desk.hear("A", desk.proposal(block))

    assert bool(desk.said(Prepare)) is accepted


def test_t10_an_untimely_block_does_not_become_timely_by_being_sent_again() -> None:
    """consensus T10: the first receipt counts."""
    desk = Desk().watch()
    proposal = desk.proposal(desk.block("b1", time_ms=START_MS + 5_000))
    desk.hear("A", proposal)
    desk.mono_ms += 500
    desk.skew_ms = 5_000
    desk.hear("A", proposal)
    desk.hear("B", proposal)

    assert desk.said(Prepare) == []


def test_t10_later_rounds_allow_more_delay() -> None:
    """consensus T10, F32: so that wrong clocks stop a chain for a while, never for ever."""
    desk = Desk().watch()
    block = desk.block("b", "B", time_ms=START_MS)
    desk.skew_ms = 12_900
    proposal = desk.proposal(block, 1, Justification(tuple(desk.changes("ABC", 1)), None))
    desk.hear("B", proposal)

    assert desk.said(Prepare)


def test_f31_a_slow_clock_withholds_its_own_prepare_but_the_proposal_leaves() -> None:
    """consensus F31, T9: others judge it by their own clocks."""
    desk = Desk("A", hold=[ev.Propose]).watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    desk.skew_ms = -3_600_000
    desk.tell(ev.Proposed(8, 0, desk.block("b1", time_ms=START_MS), *desk.now))

    assert [type(draft) for draft in desk.said(object)] == [DraftProposal]


def test_t11_a_decided_block_is_never_compared_with_the_clock() -> None:
    desk = Desk().watch()
    desk.skew_ms = 10**9
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    assert desk.said(Prepare) == []
    desk.hear("A", *desk.commits("ABC", 0, block))
    (fetch,) = desk.did(ev.Fetch)
    desk.tell(ev.BlockAvailable(block, *desk.now))
    assert fetch.block_id == block.block_id
    assert desk.did(ev.Apply)


def test_t13_a_skewed_clock_is_told_once() -> None:
    """consensus T13."""
    desk = Desk().watch()
    desk.skew_ms = -1_500
    for one in "ABC":
        desk.hear(one, desk.status())
    desk.fire(Timer.RESEND)
    assert desk.did(ev.Alarm) == [ev.Alarm("clock-skew", (("skew_ms", 1_500),))]
    assert desk.replica.status().skew_ms == 1_500
    desk.fire(Timer.RESEND)
    assert desk.did(ev.Alarm) == []


# -------------------------------------------------------------------------------------- L7, B6


def test_l7_a_leader_without_a_link_for_a_second_is_left_at_once() -> None:
    """consensus L7."""
    desk = Desk().watch()
    desk.tell(ev.LinkDown(key("A"), *desk.now))
    desk.mono_ms += 400
    desk.in_touch()
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.timers[Timer.SUSPICION] == 1_000
    desk.fire(Timer.SUSPICION)
    assert [change.round for change in desk.said(RoundChange)] == [1]


def test_l7_a_leader_gone_for_long_is_left_when_work_comes() -> None:
    desk = Desk().watch()
    desk.tell(ev.LinkDown(key("A"), *desk.now))
    desk.mono_ms += 5_000
    desk.in_touch()
    assert desk.round == 0
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.round == 1


def test_l7_happens_once_a_height() -> None:
    """consensus L7: f liars and one honest validator could force round after round."""
    desk = Desk("D").watch()
    for one in "AB":
        desk.tell(ev.LinkDown(key(one), *desk.now))
    desk.mono_ms += 1_000
    desk.in_touch()
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.round == 1
    desk.mono_ms += 1_000
    desk.in_touch()
    assert desk.round == 1
    desk.new_height(work=True)
    desk.in_touch()
    assert desk.round == 1


def test_l7_a_leader_that_was_heard_out_is_not_suspected() -> None:
    """consensus L7: not while something is accepted, nor while its link is back."""
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1")))
    desk.tell(ev.LinkDown(key("A"), *desk.now))
    desk.mono_ms += 999
    desk.in_touch()
    assert desk.round == 0

    desk = Desk().watch(work=True)
    desk.tell(ev.LinkDown(key("A"), *desk.now))
    desk.mono_ms += 900
    desk.in_touch()
    desk.tell(ev.LinkUp(key("A"), *desk.now))
    desk.fire(Timer.SUSPICION)
    assert desk.round == 0


def test_l7_can_be_turned_off() -> None:
    desk = Desk(early=False).watch(work=True)
    desk.tell(ev.LinkDown(key("A"), *desk.now))
    assert Timer.SUSPICION not in desk.timers
    desk.tell(ev.Complaint(8, 0, *desk.now))
    assert desk.round == 0


def test_b6_a_complaint_leaves_the_round_once_and_alarms() -> None:
    """consensus B6: it shares the one early round change of L7."""
    desk = Desk().watch(work=True)
    desk.tell(ev.Complaint(8, 3, *desk.now))
    assert desk.round == 0
    desk.tell(ev.Complaint(8, 0, *desk.now))
    assert desk.round == 1
    assert [alarm.text for alarm in desk.did(ev.Alarm)] == ["complaint"]
    desk.tell(ev.Complaint(8, 1, *desk.now))
    assert desk.round == 1


def test_l8_the_schedule_can_be_exchanged() -> None:
    """consensus L8: Twins give every round to whom they like."""
    replica = Replica(CHAIN, key("D"), verify, proposer=lambda order, round_: order[-1])
    start = ev.Start(make_context(8, "ABCD"), OpenRecords(), (), False, False, 0, 0, START_MS)
    replica.step(start)

    assert replica.status().proposer == key("D")


# ----------------------------------------------------------------------------------------- C8


def test_c8_the_status_says_who_is_missing_since_when_and_why_we_are_silent() -> None:
    """consensus C8."""
    desk = committed()
    desk.mono_ms += 5_000
    desk.hear("B", desk.status())
    desk.mono_ms += 2_000
    desk.tell(ev.WorkPending(True, *desk.now))
    status = desk.replica.status()

    assert (status.height, status.round, status.proposer) == (8, 0, key("A"))
    assert set(status.prepared_by) == {key(one) for one in "ABCD"}
    assert status.committed_by == (key("D"),)
    assert status.missing == ((key("A"), 0), (key("C"), 0))
    assert status.silence is None
