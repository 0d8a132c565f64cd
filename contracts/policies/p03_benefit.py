"""P3 `benefit`: part of a price is paid for whoever holds a token (economy P3, N41).

The till and the shop's books show an ordinary payment: the shop gets its price in one transaction,
and neither the chain nor the shop learns whose the token is.
"""

from typing import Literal

from chain.codec import Cents, Digest, Record, Uint
from chain.money_text import DUTCH, Lang
from chain.state import State
from contracts.policies.frame import (
    Ask,
    Draft,
    Payout,
    Pool,
    Shape,
    Values,
    deny,
    get_period,
    spend,
)

WHOLE_BP = 10_000  # economy B8: basis points
BP = "BP"


class Benefit(Record, frozen=True, tag="benefit"):
    """A fixed amount in cents, or basis points of the price; at most so much a use and a period."""

    version: Uint
    programme: Digest
    mode: Literal["CENTS", "BP"]
    value: Uint
    per_use_max: Cents
    per_period_max: Cents
    period: Literal["MONTH", "YEAR", "TOTAL"]


def fits(rule: Benefit, draft: Draft) -> bool:
    """Say whether the values can stand in a policy."""
    high = WHOLE_BP if rule.mode == BP else rule.per_period_max
    return 1 <= rule.value <= high and 1 <= rule.per_use_max <= rule.per_period_max


def claim(rule: Benefit, pool: Pool, ask: Ask, state: State) -> Payout:
    """Return what the pool adds to a price; `policy.benefit` where that is nothing."""
    token = ask.token_record
    if token is None or token.period != get_period(ask.date, rule.period):
        deny("benefit", cause="token")
    wanted = ask.cents * rule.value // WHOLE_BP if rule.mode == BP else rule.value
    left = max(0, rule.per_period_max - token.used)
    paid = min(wanted, ask.cents, rule.per_use_max, left, pool.free)
    if paid == 0:
        deny("benefit", cause="used-up", remaining_cents=min(left, pool.free))
    return Payout(
        free=paid,
        own=ask.cents - paid,
        payer=ask.sender,
        payee=ask.payee,
        writes=spend(pool, ask, paid),
        told={"paid_cents": paid, "price_cents": ask.cents, "left_cents": left - paid},
    )


def _values(rule: Benefit, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {
        "use_cents": rule.per_use_max,
        "most_cents": rule.per_period_max,
        "period": rule.period.lower(),
        "percent": _percent(rule.value, lang) if rule.mode == BP else None,
        "each_cents": rule.value if rule.mode != BP else None,
    }


def _percent(points: int, lang: Lang) -> str:
    whole, rest = divmod(points, 100)
    sign = "," if lang == DUTCH else "."
    return str(whole) if rest == 0 else f"{whole}{sign}{rest:02}".rstrip("0")


P3 = Shape(
    "P3",
    "benefit",
    Benefit,
    "[{paid_cents} van {price_cents} wordt voor u betaald; nog {left_cents} over. ]"
    "[Van de prijs wordt {percent} procent voor u betaald. ]"
    "[Van de prijs wordt {each_cents} voor u betaald. ]"
    "[Per keer hoogstens {use_cents}, in totaal {most_cents} {period}.]",
    "[{paid_cents} of {price_cents} is paid for you; {left_cents} left. ]"
    "[{percent} per cent of the price is paid for you. ]"
    "[{each_cents} of the price is paid for you. ]"
    "[At most {use_cents} each time, {most_cents} in all {period}.]",
    fits,
    _values,
    claim=claim,
    forbids=("split",),  # a fee on the buyer's own part
)
