"""P12 `recurring`: so much every week, month or year, until the payer stops it (economy P12).

The money stays the payer's own coin until the payee claims a number, on or after its day. A low
balance refuses and makes no debt.
"""

from typing import Annotated, Literal

import msgspec

from chain.address import account_text
from chain.codec import CENTS_MAX, Account, Record, Uint
from chain.dates import from_days, is_date, to_days
from chain.errors import Code, Reject, require
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    STEPS,
    Ask,
    Date,
    Draft,
    Paid,
    Payout,
    Pool,
    Shape,
    Values,
    Write,
    deny,
)

COUNT_MAX = 600  # economy P12: fifty years of months
LAST_DATE = 99_991_231  # of the calendar
WEEK, MONTH = "WEEK", "MONTH"
WEEK_DAYS = 7


class Recurring(Record, frozen=True, tag="recurring"):
    """Who pays whom how much, from which day on, and how often at most."""

    version: Uint
    payer: Account
    payee: Account
    cents: Annotated[int, msgspec.Meta(ge=1, le=CENTS_MAX)]
    period: Literal["WEEK", "MONTH", "YEAR"]
    first: Date
    count: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]


def fits(rule: Recurring, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: nobody promises another's coin.

    The last number is due inside the calendar, so `compute_due` has never far to look.
    """
    own = rule.payer == draft.funder and rule.payee != rule.payer
    return own and is_date(rule.first) and _ends_in_time(rule)


def _ends_in_time(rule: Recurring) -> bool:
    later = rule.count - 1
    if rule.period == WEEK:
        return to_days(rule.first) + WEEK_DAYS * later <= to_days(LAST_DATE)
    months = rule.first // 10_000 * 12 + rule.first // 100 % 100 - 1
    months += later * (1 if rule.period == MONTH else 12)
    return months // 12 <= LAST_DATE // 10_000


def fund(rule: Recurring, pool: Pool, ask: Ask, state: State) -> tuple[Write, ...]:
    """There is no pool to fund: the coin stays the payer's own."""
    raise Reject(Code.POLICY_AMOUNT, amount_cents=0)


def claim(rule: Recurring, pool: Pool, ask: Ask, state: State) -> Payout:
    """Pay number i, counted from 0. Refuses role; amount; the clause with the day; done."""
    if ask.sender != rule.payee or ask.payee != rule.payee:
        raise Reject(Code.TX_ROLE, role="payee")
    require(ask.cents == rule.cents, Code.POLICY_AMOUNT, amount_cents=rule.cents)
    number = ask.step
    if number is None or number >= rule.count:
        deny("recurring", most=rule.count)
    due = compute_due(rule, number)
    if ask.date < due:
        deny("recurring", first_on=due)
    require(STEPS.get(state, pool.id, number) is None, Code.POLICY_DONE)
    return Payout(
        own=rule.cents,
        payer=rule.payer,
        payee=rule.payee,
        writes=((STEPS, Paid(rule.cents, ask.date), (pool.id, number)),),
    )


def compute_due(rule: Recurring, number: int) -> int:
    """Return the day of number i: the same day of the month, else its last day (YYYYMMDD)."""
    if rule.period == WEEK:
        return from_days(to_days(rule.first) + WEEK_DAYS * number)
    months = number if rule.period == MONTH else 12 * number
    year, month, day = rule.first // 10_000, rule.first // 100 % 100, rule.first % 100
    years, month = divmod(month - 1 + months, 12)
    start = (year + years) * 10_000 + (month + 1) * 100
    while not is_date(start + day):
        day -= 1
    return start + day


def _accounts(rule: Recurring) -> tuple[bytes, ...]:
    return (rule.payer, rule.payee)


def _values(rule: Recurring, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {
        "period": f"each-{rule.period.lower()}",
        "each_cents": rule.cents,
        "account": account_text(rule.payee),
        "first_on": rule.first,
        "most": rule.count,
    }


P12 = Shape(
    "P12",
    "recurring",
    Recurring,
    "[{each_cents} aan {account}, {period} vanaf {first_on}]"
    "[, hoogstens {most} keer]; stoppen kan altijd.",
    "[{each_cents} to {account}, {period} from {first_on}]"
    "[, {most} times at most]; stop at any time.",
    fits,
    _values,
    claim=claim,
    fund=fund,
    accounts=_accounts,
    lined=False,
    forbids=("area", "expiry", "split"),  # it is the payer's own coin (P0)
)
