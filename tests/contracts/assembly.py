"""Members and boards that vote, for tests: every step through the real executor."""

from __future__ import annotations

from typing import Any

from chain.codec import encode
from chain.keyspaces import DECISIONS, Decision
from chain.plans import Line
from chain.records import Outcome
from chain.state import State
from chain.votes import POLLS, Poll
from contracts.governance import Cast, Close, Execute, Propose, Second
from contracts.registry import PlanRecord, Put
from tests.contracts.desk import assert_done
from tests.contracts.offices import object_id
from tests.federation import Ledger

WIJK = "delfshaven"
TEXT = b"\x77" * 32
TODAY = 20_260_101
WINDOW_S = 100  # of a vote in most tests


def proposal(ledger: Ledger, *actions: Any, klass: str = "ORDINARY", **changes: Any) -> Propose:
    """Return a proposal that can be voted on from the next block, for `WINDOW_S`."""
    opens = changes.pop("opens", ledger.time_s + 1)
    closes = changes.pop("closes", ledger.time_s + 1 + WINDOW_S)
    text, secret = changes.pop("text", TEXT), changes.pop("secret", 0)
    assert not changes
    return Propose(
        klass,  # type: ignore[arg-type]
        tuple(encode(action) for action in actions),
        text,
        opens,
        closes,
        secret,
    )


def by_board(ledger: Ledger, *actions: Any, wijk: str = WIJK, **changes: Any) -> bytes:
    """Let a board put actions to the vote; return the decision's id."""
    return object_id(ledger.by_board(wijk, proposal(ledger, *actions, **changes)))


def cast(ledger: Ledger, decision_id: bytes, name: str, choice: str) -> Outcome:
    """Vote in the open."""
    return ledger.by_person(name, Cast(decision_id, choice))  # type: ignore[arg-type]


def second(ledger: Ledger, decision_id: bytes, name: str) -> Outcome:
    """Second a proposal."""
    return ledger.by_person(name, Second(decision_id))


def close(ledger: Ledger, decision_id: bytes, by: str = "anna") -> Outcome:
    """Let the window pass and close a vote."""
    ledger.time_s = max(ledger.time_s, get(ledger, decision_id).window[1])
    return ledger.by_person(by, Close(decision_id))


def execute(ledger: Ledger, decision_id: bytes, by: str = "anna") -> Outcome:
    """Let the delay pass and carry a decision out."""
    ledger.time_s = max(ledger.time_s, get_poll(ledger, decision_id).decided_s + 1)
    return ledger.by_person(by, Execute(decision_id))


def get(ledger: Ledger, decision_id: bytes) -> Decision:
    """Return a decision that exists."""
    found = DECISIONS.get(State(ledger.state.get), decision_id)
    assert found is not None
    return found


def get_poll(ledger: Ledger, decision_id: bytes) -> Poll:
    """Return what a vote needs beside its decision."""
    found = POLLS.get(State(ledger.state.get), decision_id)
    assert found is not None
    return found


def vote_through(
    ledger: Ledger, *actions: Any, klass: str = "ORDINARY", by: str = "anna", wijk: str = WIJK
) -> bytes:
    """Have a wijk decide on actions and carry them out; return the decision's id."""
    decision_id = by_board(ledger, *actions, klass=klass, wijk=wijk)
    assert_done(cast(ledger, decision_id, by, "YES"))
    assert_done(close(ledger, decision_id, by))
    assert_done(execute(ledger, decision_id, by))
    return decision_id


def plan(*lines: tuple[str, int, str], date: int = TODAY, name: bytes | None = None) -> Put:
    """Return a plan with budget lines: code, cents, period."""
    rows = tuple(Line(*line) for line in lines)  # type: ignore[arg-type]
    return Put("PLAN", name, PlanRecord(None, TEXT, rows, ()), date, None)
