"""P11 `match`: a funder adds to what people pay for a cause (economy P11).

A claim names one payment to the target, and its cents. Each payment is added to once, and where
nothing is to be added that is no refusal.
"""

from typing import Annotated

import msgspec

from chain.codec import Account, Cents, Record, Uint
from chain.dates import is_date
from chain.errors import Code, Reject, require
from chain.gifts import GIFTS
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    CITED,
    Ask,
    Counter,
    Date,
    Draft,
    Payout,
    Pool,
    Shape,
    Values,
    deny,
    get_used,
)

RATIO_MAX = 100  # economy P11
COUNTER = "matched"

Ratio = Annotated[int, msgspec.Meta(ge=1, le=RATIO_MAX)]


class Match(Record, frozen=True, tag="match"):
    """num/den of each payment to `target` on these dates; at most so much a payment, and in all."""

    version: Uint
    target: Account
    num: Ratio
    den: Ratio
    per_payment_max: Cents
    max_total: Cents
    from_date: Date
    until_date: Date


def fits(rule: Match, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: nobody matches what goes to the own account."""
    dated = is_date(rule.from_date) and is_date(rule.until_date)
    dated = dated and rule.from_date <= rule.until_date and draft.date <= rule.until_date
    return dated and rule.target != draft.funder and 1 <= rule.per_payment_max <= rule.max_total


def claim(rule: Match, pool: Pool, ask: Ask, state: State) -> Payout:
    """Add to a payment. Refuses unknown-id; role; done; the clause; amount."""
    gift = None if ask.ref is None else GIFTS.get(state, ask.ref, rule.target)
    if gift is None or ask.ref is None:
        raise Reject(Code.TX_UNKNOWN_ID, id="-" if ask.ref is None else ask.ref.hex())
    if ask.payee != rule.target:
        raise Reject(Code.TX_ROLE, role="payee")
    require(CITED.get(state, pool.id, ask.ref) is None, Code.POLICY_DONE)
    if gift.payer == pool.funder:
        deny("match", cause="own-money")
    if not rule.from_date <= gift.date <= rule.until_date:
        deny("match", first_on=rule.from_date, last_on=rule.until_date)
    require(ask.cents == gift.cents, Code.POLICY_AMOUNT, amount_cents=gift.cents)
    left = rule.max_total - get_used(state, pool.id, COUNTER, "", 0)
    wanted = min(gift.cents * rule.num // rule.den, rule.per_payment_max, left)
    added = min(wanted, pool.free)
    told = {"added_cents": added, "price_cents": gift.cents}
    if wanted and not added:  # an empty pool uses up no payment: later it can be cited again
        return Payout(told=told)
    return Payout(
        free=added,
        payee=rule.target,
        writes=((CITED, added, (pool.id, ask.ref)),),
        counters=(Counter(COUNTER, "", 0, added),),
        told=told,
    )


def _accounts(rule: Match) -> tuple[bytes, ...]:
    return (rule.target,)


def _target(rule: Match) -> bytes:
    return rule.target


def _values(rule: Match, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {
        "funder": pool.funder_text,
        "num": rule.num,
        "den": rule.den,
        "payment_cents": rule.per_payment_max,
        "rest_cents": rule.max_total - get_used(state, pool.id, COUNTER, "", 0),
    }


P11 = Shape(
    "P11",
    "match",
    Match,
    "[Er komt {added_cents} bij uw {price_cents}. ]"
    "[{funder} legt {num} bij elke {den} bij][, hoogstens {payment_cents} per betaling]"
    "[; nog {rest_cents}].",
    "[{added_cents} is added to your {price_cents}. ]"
    "[{funder} adds {num} to every {den}][, {payment_cents} a payment at most]"
    "[; {rest_cents} left].",
    fits,
    _values,
    claim=claim,
    accounts=_accounts,
    target=_target,
)
