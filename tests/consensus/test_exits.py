"""C6: every state a height can wait in has an exit, told row by row of `replica.EXITS`.

Each row brings a replica into the state, loses what would normally end it, and shows the exit.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus import events as ev
from consensus.events import Timer, Timing
from consensus.exits import EXITS
from consensus.messages import (
    Commit,
    DraftProposal,
    Justification,
    Prepare,
    ProvenRoundChange,
    RoundChange,
    SignedCommit,
    SignedPrepare,
    SignedRoundChange,
    Status,
)
from tests.consensus.desk import Desk
from tests.consensus.made import key

Row = Callable[[], None]
ROWS: dict[str, Row] = {}
SLOW = Timing(round_ms=10_000)


def row(name: str) -> Callable[[Row], Row]:
    def keep(told: Row) -> Row:
        ROWS[name] = told
        return told

    return keep


def resent(desk: Desk) -> set[str]:
    """Return the kinds of message that the next RESEND sends to all."""
    desk.fire(Timer.RESEND)
    return {type(one.message).__name__ for one in desk.did(ev.Send) if one.to is None}


def leaves_by_timer(desk: Desk) -> bool:
    before = desk.round
    desk.time_out()
    return desk.round > before


@row("round 0: work")
def _work() -> None:
    for event in ("work", "heartbeat", "message"):
        desk = Desk(timing=Timing(heartbeat_ms=1_500)).watch()
        assert Timer.ROUND not in desk.timers
        if event == "work":
            desk.tell(ev.WorkPending(True, *desk.now))
        elif event == "heartbeat":
            desk.fire(Timer.HEARTBEAT)
        else:
            desk.hear("A", *desk.prepares("A", 0, desk.block("b1")))
        assert leaves_by_timer(desk)


@row("any round: its proposal")
def _proposal() -> None:
    for round_ in range(3):
        desk = Desk(early=False).watch(work=True)
        for _ in range(round_):
            desk.time_out()
        assert leaves_by_timer(desk)
    gone = Desk().watch(work=True)
    gone.tell(ev.LinkDown(key("A"), *gone.now))
    gone.mono_ms = gone.timers[Timer.SUSPICION] - 1
    gone.in_touch()
    gone.fire(Timer.SUSPICION)
    assert gone.round == 1
    relayed = Desk().watch(work=True)
    relayed.hear("C", relayed.proposal(relayed.block("b1")))
    assert relayed.said(Prepare)


@row("leader: its fresh block")
def _fresh() -> None:
    desk = Desk("A", hold=[ev.Propose]).watch(work=True)
    desk.tell(ev.Proposed(8, 0, desk.block("b1"), *desk.now))
    assert desk.said(DraftProposal)
    assert leaves_by_timer(Desk("A", hold=[ev.Propose]).watch(work=True))


@row("leader: the block it carries over")
def _carried() -> None:
    desk = Desk("B", timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear(
        "C", ProvenRoundChange(desk.changes("C", 1, (0, block))[0], desk.proof(0, block, "ACD"))
    )
    desk.hear("D", *desk.changes("D", 1))
    desk.fire(Timer.RESEND)
    assert desk.did(ev.Fetch)
    assert leaves_by_timer(desk)


@row("leader: q round changes")
def _changes() -> None:
    desk = Desk("B", timing=SLOW).watch(work=True)
    desk.time_out()
    assert "SignedRoundChange" in resent(desk)
    other = Desk("C", timing=SLOW).watch(work=True)
    other.time_out()
    for _ in range(2):
        other.hear("B", other.status(round_=1))
    relayed = [one.message for one in other.did(ev.Send)]
    assert any(isinstance(one, SignedRoundChange) for one in relayed)
    assert leaves_by_timer(desk)


@row("a proposed block made whole")
def _whole() -> None:
    desk = Desk(hold=[ev.Fetch], timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("B", 0, block))
    desk.fire(Timer.RESEND)
    (fetch,) = desk.did(ev.Fetch)
    assert fetch.sources == (key("A"), key("B"))
    assert leaves_by_timer(desk)


@row("a proposed block executed")
def _executed() -> None:
    desk = Desk(hold=[ev.Execute]).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    assert desk.did(ev.Execute)
    desk.tell(ev.Executed(block.block_id, None, *desk.now))
    assert desk.said(Prepare)
    stuck = Desk(hold=[ev.Execute]).watch()
    stuck.hear("A", stuck.proposal(block))
    assert leaves_by_timer(stuck)


@row("q prepares")
def _prepares() -> None:
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    assert "SignedPrepare" in resent(desk)
    for _ in range(2):
        desk.hear("B", desk.status())
    assert any(isinstance(one.message, SignedPrepare) for one in desk.did(ev.Send))
    assert leaves_by_timer(desk)


@row("q commits")
def _commits() -> None:
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    assert "SignedCommit" in resent(desk)
    for _ in range(2):
        desk.hear("B", desk.status())
    assert any(isinstance(one.message, SignedCommit) for one in desk.did(ev.Send))
    assert leaves_by_timer(desk)
    assert desk.said(RoundChange)[0].prepared_id == block.block_id
    desk.hear("B", desk.certificate(0, block))
    assert desk.did(ev.Apply)


@row("a decided block made whole")
def _decided() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.certificate(0, block))
    desk.fire(Timer.RESEND)
    assert [fetch.block_id for fetch in desk.did(ev.Fetch)] == [block.block_id]
    synced = Desk().watch()
    synced.hear("A", synced.certificate(0, block))
    synced.applied = ev.Apply(block.block_id, synced.certificate(0, block))
    synced.new_height()
    assert synced.replica.status().height == 9


@row("a decided block made durable")
def _durable() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), desk.certificate(0, block))
    assert desk.did(ev.Apply)
    desk.new_height()
    assert desk.replica.status().height == 9


@row("start gate: q - 1 statuses")
def _gate() -> None:
    desk = Desk()
    desk.start(work=True)
    assert "Status" in resent(desk)
    desk.tell(ev.LinkUp(key("A"), *desk.now))
    assert any(isinstance(one.message, Status) for one in desk.did(ev.Send))
    desk.hear("A", desk.status())
    desk.hear("B", desk.status())
    assert desk.replica.status().silence is None
    assert leaves_by_timer(desk)


@row("join barrier: a height decided")
def _barrier() -> None:
    """consensus D11: its status makes a block due at the others; that block releases it."""
    desk = Desk()
    desk.start(joins=True)
    desk.meet()
    desk.fire(Timer.RESEND)
    told = [one.message for one in desk.did(ev.Send) if isinstance(one.message, Status)]
    assert [status.silence for status in told] == ["barrier"]
    leader = Desk("A").watch()
    leader.hear("D", *told)
    assert leader.did(ev.Propose)
    desk.new_height()
    assert desk.replica.status().silence is None


@row("out of touch: a quorum")
def _touch() -> None:
    desk = Desk().watch(work=True)
    desk.mono_ms = 60_000
    desk.fire(Timer.ROUND)
    assert desk.round == 0
    desk.in_touch()
    desk.fire(Timer.RESEND)
    assert desk.round == 1
    for way in ("R6", "R2"):
        lonely = Desk().watch(work=True)
        lonely.mono_ms = 60_000
        if way == "R6":
            lonely.hear("A", *lonely.changes("AB", 2))
        else:
            reasons = Justification((*lonely.changes("ABC", 1),), None)
            block = lonely.block("b", "B", lonely.now[1])
            lonely.hear("B", lonely.proposal(block, 1, reasons))
        assert lonely.round > 0


@row("ahead of the others: a quorum in this round")
def _ahead() -> None:
    desk = Desk(early=False).watch(work=True)
    desk.time_out()
    desk.fire(Timer.RESEND)
    assert desk.round == 1
    assert Timer.ROUND not in desk.timers
    desk.hear("A", *desk.changes("A", 1))
    assert Timer.ROUND not in desk.timers
    desk.hear("B", *desk.changes("B", 1))
    assert desk.timers[Timer.ROUND] == desk.mono_ms + 1_500
    assert leaves_by_timer(desk)


@row("behind: a certificate")
def _behind() -> None:
    for way in ("relay", "known", "sync"):
        desk = Desk().watch()
        for one in "AB":
            desk.hear(one, desk.status(height=9))
        block = desk.block("b1")
        certificate = desk.certificate(0, block)
        if way == "relay":
            desk.hear("A", certificate)
            assert desk.did(ev.Fetch)
        elif way == "known":
            desk.tell(ev.CertificateKnown(certificate, *desk.now))
            assert desk.did(ev.Fetch)
        else:
            desk.new_height()
            assert desk.replica.status().silence is None


@pytest.mark.parametrize("waiting", [waiting for waiting, _ in EXITS])
def test_c6_every_wait_has_an_exit(waiting: str) -> None:
    """consensus C6: a row without a test fails here, and so does a test without a row."""
    assert set(ROWS) == {name for name, _ in EXITS}
    ROWS[waiting]()


def test_c6_nothing_is_signed_twice_on_the_way_out() -> None:
    """All exits of a whole round, one after the other, in one life."""
    desk = Desk(timing=SLOW).watch(work=True)
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    for _ in range(3):
        desk.fire(Timer.RESEND)
    desk.time_out()
    positions = [slot.position for slot in desk.slots]

    assert positions == sorted(set(positions))
    assert [type(draft) for draft in desk.said(object)] == [RoundChange]
    assert not any(isinstance(draft, Commit) for draft in desk.said(object))
