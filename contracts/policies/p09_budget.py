"""P9 `budget`: each payment falls on a line, and no line is ever overspent (economy P9, E35).

Releases and numbered instalments name no line: beside such a shape a budget has one (ADR 0083).
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from chain.codec import Bit, Cents, Record, Uint
from chain.money_text import Lang, money
from chain.state import State
from chain.text_rules import is_code
from contracts.policies.frame import (
    Counter,
    Draft,
    Guard,
    Payment,
    Pool,
    Values,
    Word24,
    deny,
    get_period,
    get_period_before,
    get_used,
)

LINES_MAX = 100  # economy P9
COUNTER = "line"


class BudgetLine(Record, frozen=True):
    """A line by its code, and cents for each month, quarter or year."""

    line: Word24
    cents: Cents
    period: Literal["MONTH", "QUARTER", "YEAR"]


class Budget(Record, frozen=True, tag="budget"):
    """Lines, and whether what a line did not use may be used in the period after."""

    version: Uint
    lines: Annotated[tuple[BudgetLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    carry_over: Bit


def fits(rule: Budget, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: every line has one name of its own."""
    names = [line.line for line in rule.lines]
    return all(is_code(name) for name in names) and len(set(names)) == len(names)


def get_only_line(rule: Budget) -> str | None:
    """Return the line of a budget that has one, or None."""
    return rule.lines[0].line if len(rule.lines) == 1 else None


def judge(rule: Budget, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.budget` an unknown line, or more than is left of a line."""
    line = _find(rule, payment.line)
    if line is None:
        deny("budget", line=payment.line or "-")
    total, left = get_room(rule, line, pool, state, payment.date)
    if payment.cents > left:
        deny("budget", line=line.line, remaining_cents=left, total_cents=total)


def get_room(
    rule: Budget, line: BudgetLine, pool: Pool, state: State, date: int
) -> tuple[int, int]:
    """Return what a line has in the period of a book date, and what is left of it, in cents.

    Carried over is what the period just before left of its own cents, where the policy was active.
    """
    period = get_period(date, line.period)
    total = line.cents
    before = get_period_before(period, line.period)
    if rule.carry_over and pool.since and before >= get_period(pool.since, line.period):
        total += max(0, line.cents - get_used(state, pool.id, COUNTER, line.line, before))
    return total, max(0, total - get_used(state, pool.id, COUNTER, line.line, period))


def _find(rule: Budget, name: str | None) -> BudgetLine | None:
    return next((line for line in rule.lines if line.line == name), None)


def count(rule: Budget, pool: Pool, payment: Payment, state: State) -> Iterator[Counter]:
    """Return what a payment adds to its line."""
    line = _find(rule, payment.line)
    assert line is not None, "the line was judged before"
    yield Counter(COUNTER, line.line, get_period(payment.date, line.period), payment.cents)


def _values(rule: Budget, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    rooms = [(line.line, *get_room(rule, line, pool, state, date)) for line in rule.lines]
    return {
        "lines": [f"{name} {money(left, lang)} / {money(all_, lang)}" for name, all_, left in rooms]
    }


P9 = Guard(
    "P9",
    "budget",
    Budget,
    "[Op een post, nog over van het totaal: {lines}.]",
    "[On a line, left of the total: {lines}.]",
    fits,
    judge,
    _values,
    count,
)
