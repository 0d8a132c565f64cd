"""P6 `milestone`: a step of a grant is paid once its effect was measured (economy P6, N34, W12).

Whoever verifies is neither the funder nor the payee. A step that is past its date lapses, and
stands in the way of no later one.
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import CENTS_MAX, Account, Digest, Record, Uint
from chain.dates import is_date
from chain.effects import MEASURED
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
    deny,
)

STEPS_MAX = 20  # economy P6
AT_LEAST = "GE"

Target = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class MilestoneStep(Record, frozen=True):
    """A target of an indicator, what it is worth in cents, who verifies it, and its last date."""

    indicator: Digest
    op: Literal["GE", "LE"]
    target: Target
    cents: Annotated[int, msgspec.Meta(ge=1, le=CENTS_MAX)]
    verifier: Account
    due: Date


class Milestone(Record, frozen=True, tag="milestone"):
    """Who is paid, in which steps."""

    version: Uint
    payee: Account
    steps: Annotated[tuple[MilestoneStep, ...], msgspec.Meta(min_length=1, max_length=STEPS_MAX)]


def fits(rule: Milestone, draft: Draft) -> bool:
    """Say whether the values can stand in a policy."""
    parties = (draft.funder, rule.payee)
    dated = all(is_date(step.due) and draft.date <= step.due for step in rule.steps)
    return (
        dated and rule.payee != draft.funder and all(s.verifier not in parties for s in rule.steps)
    )


def release(rule: Milestone, pool: Pool, ask: Ask, state: State) -> Payout:
    """Pay step k, counted from 1. Refuses role; unknown-id, done, amount; the clause where it
    lapsed or an earlier step is open; not-verified; own-case.
    """
    number = ask.step or 0
    if not 1 <= number <= len(rule.steps):
        raise Reject(Code.TX_UNKNOWN_ID)
    step = rule.steps[number - 1]
    own = ask.sender in (pool.funder, rule.payee)
    if ask.sender != step.verifier and not own:
        raise Reject(Code.TX_ROLE, role="verifier")
    require(STEPS.get(state, pool.id, number) is None, Code.POLICY_DONE)
    require(ask.cents == step.cents, Code.POLICY_AMOUNT, amount_cents=step.cents)
    if ask.date > step.due:
        deny("milestone", step=number, last_on=step.due)
    for earlier, before in enumerate(rule.steps[: number - 1], start=1):
        if ask.date <= before.due and STEPS.get(state, pool.id, earlier) is None:
            deny("milestone", step=number, first=earlier)
    require(_is_met(state, step), Code.POLICY_NOT_VERIFIED)
    require(not own, Code.POLICY_OWN_CASE)
    return Payout(
        free=step.cents,
        payee=rule.payee,
        writes=((STEPS, Paid(step.cents, ask.date), (pool.id, number)),),
    )


def _is_met(state: State, step: MilestoneStep) -> bool:
    """Say whether a measure dated at or before the due date meets the target."""
    for date, value in MEASURED.get(state, step.indicator) or ():
        meets = value >= step.target if step.op == AT_LEAST else value <= step.target
        if date <= step.due and meets:
            return True
    return False


def _accounts(rule: Milestone) -> tuple[bytes, ...]:
    return (rule.payee, *(step.verifier for step in rule.steps))


def _payee(rule: Milestone) -> bytes:
    return rule.payee


def _values(rule: Milestone, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    """The first step that is still to come."""
    for number, step in enumerate(rule.steps, start=1):
        if STEPS.get(state, pool.id, number) is None and date <= step.due:
            return {
                "step": number,
                "steps": len(rule.steps),
                "step_cents": step.cents,
                "target": step.target,
                "op": "at-least" if step.op == AT_LEAST else "at-most",
                "last_on": step.due,
            }
    return {}


P6 = Shape(
    "P6",
    "milestone",
    Milestone,
    "[Stap {step} van {steps}: {step_cents} zodra {op} {target} is gemeten, tot en met {last_on}.]",
    "[Step {step} of {steps}: {step_cents} once {op} {target} is measured, until {last_on}.]",
    fits,
    _values,
    release=release,
    accounts=_accounts,
    payee=_payee,
    lined=False,
)
