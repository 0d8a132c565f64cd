"""Records of the register beside valuations: themes, programmes, plans, offers, mandates (N9..N33).

A plan that a budget vote gave lines is what the fund of a wijk is spent on (economy I11, E35).
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import Account, Bit, Cents, Digest, Record, Uint, decode
from chain.keyspaces import DECISIONS, SPENT, Decision
from chain.state import Keyspace, State
from chain.votes import BUDGET, EXECUTED
from chain.work import REGISTER, RegisterVersion

PLAN, PROGRAMME = "PLAN", "PROGRAMME"
TASK_OFFER, CITY_MANDATE = "TASK_OFFER", "CITY_MANDATE"
LINES_MAX = 100  # economy P9: as many as a policy can have
ROWS_MAX = 64  # milestones, goals, indicators, tasks, limits: what fits a page
DEPTH_MAX = 4  # economy W10: goal, budget line, indicator and one level to spare
PERIODS_A_YEAR = {"MONTH": 12, "QUARTER": 4, "YEAR": 1}

Word24 = Annotated[str, msgspec.Meta(max_length=24)]
Date = Annotated[int, msgspec.Meta(ge=19_700_101, le=99_991_231)]
Year = Annotated[int, msgspec.Meta(ge=1970, le=9999)]


class Theme(Record, frozen=True):
    """N33: what a wijk wants to be, with a target of an indicator per year."""

    name: Digest
    milestones: Annotated[
        tuple[tuple[Year, Digest, int], ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)
    ]


class Task(Record, frozen=True):
    """A task of a programme; `additional` declares that it replaces no paid work (G18)."""

    code: Word24
    additional: Bit


class Programme(Record, frozen=True):
    """N9: places and tasks for people, within a budget in cents."""

    budget: Cents
    places: Uint
    goals: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=ROWS_MAX)]
    manager: Account
    tasks: Annotated[tuple[Task, ...], msgspec.Meta(min_length=1, max_length=ROWS_MAX)]


class Line(Record, frozen=True):
    """A budget line by its code, and cents for each month, quarter or year."""

    code: Word24
    cents: Cents
    period: Literal["MONTH", "QUARTER", "YEAR"]


class Plan(Record, frozen=True):
    """N24: a goal under its parent, with budget lines and indicators."""

    parent: Digest | None
    goal: Digest
    lines: Annotated[tuple[Line, ...], msgspec.Meta(max_length=LINES_MAX)]
    indicators: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=ROWS_MAX)]


class TaskOffer(Record, frozen=True):
    """N30: what an institution offers to do; budget in cents, book dates."""

    category: Word24
    volume: Uint
    unit: Literal["HOUR", "PIECE", "KM", "VISIT"]
    budget: Cents
    from_date: Date = msgspec.field(name="from")
    until_date: Date = msgspec.field(name="until")


class CityMandate(Record, frozen=True):
    """N31: what the municipality lets the wijk do; budget in cents, limits by code."""

    task: Word24
    budget: Cents
    from_date: Date = msgspec.field(name="from")
    until_date: Date = msgspec.field(name="until")
    limits: Annotated[tuple[tuple[Word24, Uint], ...], msgspec.Meta(max_length=ROWS_MAX)]


class VotedLine(Record, frozen=True):
    """`line/<wijk>/<code>`: the plan whose newest voted version has a budget line of this code."""

    plan: Digest


VOTED_LINES: Keyspace[VotedLine] = Keyspace("line", VotedLine, 2)
# `budgeted/<decision>`: the plans that a budget vote gave lines.
BUDGETED: Keyspace[tuple[bytes, ...]] = Keyspace("budgeted", tuple[Digest, ...], 1)


def compute_year_cents(plan: Plan) -> int:
    """Return what the lines of a plan come to in a year, in cents: what its vote lets spend."""
    return sum(line.cents * PERIODS_A_YEAR[line.period] for line in plan.lines)


def note_budget(state: State, decision_id: bytes, plan: bytes) -> None:
    """Note that a decision gave a plan its lines."""
    plans = BUDGETED.get(state, decision_id) or ()
    if plan not in plans:
        BUDGETED.put(state, (*plans, plan), decision_id)


def compute_room(state: State, decision_id: bytes, decision: Decision, date: int) -> int:
    """Return what a fund may still spend on a decision on a book date, in cents (I11, E35).

    Of a budget that is what its lines in force come to in a year: what a later vote replaced or
    ended, and what begins later, is no money now. What was spent counts whenever it was.
    """
    total, plans = decision.cents, BUDGETED.get(state, decision_id)
    if plans is not None:
        in_force = 0
        for name in plans:
            found = get_version_in_force(state, PLAN, name, date)
            if found is not None and found[1].decision == decision_id:
                in_force += compute_year_cents(decode(Plan, bytes(found[1].record)))
        total = min(total, in_force)
    return max(0, total - (SPENT.get(state, decision_id) or 0))


def get_version_in_force(
    state: State, kind: str, name: bytes, date: int
) -> tuple[int, RegisterVersion] | None:
    """Return number, from 1, and version of an object in force on a book date, or None."""
    found = None
    for number, version in enumerate(REGISTER.get(state, kind, name) or (), start=1):
        if version.valid_from <= date and (version.until == 0 or date < version.until):
            found = number, version
    return found


def find_voted_line(
    state: State, wijk: str, code: str, date: int
) -> tuple[Line, bytes, Decision] | None:
    """Return the voted budget line of a wijk with this code in force, its decision's id and that
    decision, or None.
    """
    voted = VOTED_LINES.get(state, wijk, code)
    version = None if voted is None else get_version_in_force(state, PLAN, voted.plan, date)
    if version is None or version[1].decision is None:
        return None
    decision = DECISIONS.get(state, version[1].decision)
    plan = decode(Plan, bytes(version[1].record))
    line = next((line for line in plan.lines if line.code == code), None)
    voted_on = decision is not None and (decision.wijk, decision.klass, decision.status) == (
        wijk,
        BUDGET,
        EXECUTED,
    )
    if line is None or decision is None or not voted_on:
        return None
    return line, version[1].decision, decision
