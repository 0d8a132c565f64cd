"""P10 `payroll`: attested hours are paid at the price that the wijk voted (economy P10, N6, N8).

A claim names a timesheet. Volunteer work stays inside the allowance of the law, over all payers.
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import Account, Digest, Record, Uint
from chain.errors import Code, Reject, require
from chain.keyspaces import MEMBERS
from chain.money_text import Lang
from chain.state import State
from chain.work import (
    ATTESTED,
    ENGAGEMENTS,
    HOUR,
    NOT_WORKED,
    PAID,
    SHEETS,
    VALUATION,
    VOLUNTEER,
    WORKED,
    Engagement,
    Sheet,
    Valuation,
    compute_pay,
    get_registered,
    get_volunteer_cents,
)
from contracts.policies.frame import (
    MONTH,
    Ask,
    Counter,
    Draft,
    Payout,
    Pool,
    Shape,
    Values,
    Write,
    deny,
    get_period,
    get_used,
)

VALUATIONS_MAX = 50  # economy P10
ATTESTORS_MAX = 16  # as many as can sign one envelope (interfaces 4)
SECONDS_MONTH_MAX = 31 * 57_600  # a timesheet of 16 hours for each day (W5)
COUNTER = "seconds"


class Payroll(Record, frozen=True, tag="payroll"):
    """Which work at which voted price, seconds a worker and month, and who must attest it."""

    version: Uint
    valuations: Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=VALUATIONS_MAX)]
    seconds_month: Annotated[int, msgspec.Meta(ge=1, le=SECONDS_MONTH_MAX)]
    tax_kind: Literal["VOLUNTEER", "EMPLOYEE", "SELF", "ALLOWANCE"]
    attestors: Annotated[tuple[Account, ...], msgspec.Meta(min_length=1, max_length=ATTESTORS_MAX)]
    min_attestors: Uint


def fits(rule: Payroll, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: enough attestors who are not the payer."""
    others = {attestor for attestor in rule.attestors if attestor != draft.funder}
    once = len(set(rule.valuations)) == len(rule.valuations)
    return once and 1 <= rule.min_attestors <= len(others)


def claim(rule: Payroll, pool: Pool, ask: Ask, state: State) -> Payout:
    """Pay one timesheet. Refuses unknown-id; role; done; the clause with hours or room; amount."""
    sheet, work = _get_work(ask, state)
    if ask.sender not in (work.worker, work.employer, pool.funder) or ask.payee != work.worker:
        raise Reject(Code.TX_ROLE, role="worker")
    require(sheet.status != PAID, Code.POLICY_DONE)
    seconds = _count_attested(rule, pool, sheet, work)
    rate = _get_rate(rule, sheet, work, state)
    month = get_period(ask.date, MONTH)
    left_s = rule.seconds_month - get_used(state, pool.id, COUNTER, work.worker, month)
    if seconds > left_s:
        deny("payroll", cause="hours", hours=_hours(max(0, left_s)))
    pay = compute_pay(rate, seconds)
    if rule.tax_kind == VOLUNTEER:
        _check_room(state, work.worker, month, rate, pay)
    require(ask.cents == pay, Code.POLICY_AMOUNT, amount_cents=pay)
    assert ask.ref is not None, "a sheet was found by it"
    return Payout(
        free=pay,
        payee=work.worker,
        writes=(
            (SHEETS, msgspec.structs.replace(sheet, status=PAID), (ask.ref,)),
            _add_worked(rule, state, work.worker, month, seconds, pay),
        ),
        counters=(Counter(COUNTER, work.worker, month, seconds),),
        told={"hours": _hours(seconds), "pay_cents": pay},
    )


def _get_work(ask: Ask, state: State) -> tuple[Sheet, Engagement]:
    """Return the timesheet that a claim names, and its engagement, or refuse unknown-id."""
    sheet = None if ask.ref is None else SHEETS.get(state, ask.ref)
    work = None if sheet is None else ENGAGEMENTS.get(state, sheet.engagement)
    if sheet is None or work is None:
        raise Reject(Code.TX_UNKNOWN_ID, id="-" if ask.ref is None else ask.ref.hex())
    return sheet, work


def _count_attested(rule: Payroll, pool: Pool, sheet: Sheet, work: Engagement) -> int:
    """Return the seconds that enough attestors agree on: the fewest any of them attested.

    Neither the worker nor a payer attests, and unpaid hours are not paid.
    """
    no_say = (work.worker, work.employer, pool.funder)
    counted = [
        seconds for who, seconds in sheet.attested if who in rule.attestors and who not in no_say
    ]
    attested = sheet.status == ATTESTED and len(counted) >= rule.min_attestors
    if not attested or sheet.unpaid or work.tax_kind != rule.tax_kind:
        deny("payroll", cause="attested")
    return min(*counted, sheet.seconds)


def _get_rate(rule: Payroll, sheet: Sheet, work: Engagement, state: State) -> int:
    """Return the cents an hour that were in force on the day of the work (economy W4, I11)."""
    found = get_registered(state, VALUATION, work.valuation, sheet.date, Valuation)
    listed = work.valuation in rule.valuations
    if found is None or not listed or found[0] != work.version or found[1].unit != HOUR:
        deny("payroll", cause="valuation")
    return found[1].cents_per_unit


def _check_room(state: State, worker: bytes, month: int, rate: int, pay: int) -> None:
    """Refuse what passes the volunteer allowance of the account, over all payers (G17, W6)."""
    member = MEMBERS.get(state, worker)
    hour, month_max, year_max = (
        (0, 0, 0) if member is None else (member.vol_hour, member.vol_month, member.vol_year)
    )
    if rate > hour:
        deny("payroll", cause="hour-rate", hour_cents=hour)
    in_month, in_year = get_volunteer_cents(state, worker, month)
    if in_month + pay > month_max or in_year + pay > year_max:
        deny(
            "payroll",
            month_cents=max(0, month_max - in_month),
            year_cents=max(0, year_max - in_year),
        )


def _add_worked(
    rule: Payroll, state: State, worker: bytes, month: int, seconds: int, pay: int
) -> Write:
    before = WORKED.get(state, worker, month) or NOT_WORKED
    volunteer = pay if rule.tax_kind == VOLUNTEER else 0
    after = msgspec.structs.replace(
        before,
        seconds=before.seconds + seconds,
        volunteer_cents=before.volunteer_cents + volunteer,
        other_cents=before.other_cents + pay - volunteer,
    )
    return (WORKED, after, (worker, month))


def _hours(seconds: int) -> str:
    """Return hours and minutes, `7:30`."""
    minutes = seconds // 60
    return f"{minutes // 60}:{minutes % 60:02}"


def _accounts(rule: Payroll) -> tuple[bytes, ...]:
    return rule.attestors


def _values(rule: Payroll, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"month_hours": _hours(rule.seconds_month), "cause": rule.tax_kind.lower()}


P10 = Shape(
    "P10",
    "payroll",
    Payroll,
    "[{hours} uur is {pay_cents}. ]"
    "[Uren die zijn bevestigd, {cause}, hoogstens {month_hours} uur per maand per persoon.]",
    "[{hours} hours are {pay_cents}. ]"
    "[Attested hours, {cause}, at most {month_hours} hours a month for each worker.]",
    fits,
    _values,
    claim=claim,
    accounts=_accounts,
)
