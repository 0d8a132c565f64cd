"""P5 `cap`: no more than so much a payment, a day, a month, a payee or a token (economy P5).

Days and months are those of book dates. Each cap counts what left the pool.
"""

from collections.abc import Iterator

from chain.codec import Cents, Record, Uint
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    MONTH,
    Counter,
    Draft,
    Guard,
    Payment,
    Pool,
    Values,
    deny,
    get_period,
    get_used,
)

DAY_COUNTER, MONTH_COUNTER = "day", "month"
PAYEE_COUNTER, TOKEN_COUNTER = "payee", "token"


class Cap(Record, frozen=True, tag="cap"):
    """Caps in cents; 0 is none."""

    version: Uint
    per_payment: Cents
    per_day: Cents
    per_month: Cents
    per_payee_month: Cents
    per_token_month: Cents


def fits(rule: Cap, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: one cap at least."""
    caps = (rule.per_payment, rule.per_day, rule.per_month)
    return any((*caps, rule.per_payee_month, rule.per_token_month))


def judge(rule: Cap, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.cap` the first cap that would be passed, in the order of the record."""
    month = get_period(payment.date, MONTH)

    def rest(cap: int, what: str, of: bytes | str, period: int) -> int:
        return max(0, cap - get_used(state, pool.id, what, of, period))

    if rule.per_payment:
        _check(payment.cents, rule.per_payment, "payment")
    if rule.per_day:
        _check(payment.cents, rest(rule.per_day, DAY_COUNTER, "", payment.date), "day")
    if rule.per_month:
        _check(payment.cents, rest(rule.per_month, MONTH_COUNTER, "", month), "month")
    if rule.per_payee_month:
        for share in payment.shares:
            left = rest(rule.per_payee_month, PAYEE_COUNTER, share.account, month)
            _check(share.cents, left, "payee-month")
    if rule.per_token_month:
        token = payment.token  # without one there is nothing that may be used
        left = 0 if token is None else rest(rule.per_token_month, TOKEN_COUNTER, token, month)
        _check(payment.cents, left, "token-month")


def _check(cents: int, left: int, period: str) -> None:
    if cents > left:
        deny("cap", period=period, remaining_cents=left)


def count(rule: Cap, pool: Pool, payment: Payment, state: State) -> Iterator[Counter]:
    """Return what a payment adds to each cap that is set."""
    month = get_period(payment.date, MONTH)
    if rule.per_day:
        yield Counter(DAY_COUNTER, "", payment.date, payment.cents)
    if rule.per_month:
        yield Counter(MONTH_COUNTER, "", month, payment.cents)
    if rule.per_payee_month:
        for share in payment.shares:
            yield Counter(PAYEE_COUNTER, share.account, month, share.cents)
    if rule.per_token_month and payment.token is not None:
        yield Counter(TOKEN_COUNTER, payment.token, month, payment.cents)


def _values(rule: Cap, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    """The caps of a payment, payee and token, and what is left of those of day and month."""
    values: dict[str, object] = {}
    if rule.per_payment:
        values["payment_cents"] = rule.per_payment
    if rule.per_day:
        used = get_used(state, pool.id, DAY_COUNTER, "", date)
        values["day_cents"] = max(0, rule.per_day - used)
    if rule.per_month:
        used = get_used(state, pool.id, MONTH_COUNTER, "", get_period(date, MONTH))
        values["month_cents"] = max(0, rule.per_month - used)
    if rule.per_payee_month:
        values["payee_cents"] = rule.per_payee_month
    if rule.per_token_month:
        values["token_cents"] = rule.per_token_month
    return values


P5 = Guard(
    "P5",
    "cap",
    Cap,
    "[Per betaling hoogstens {payment_cents}. ][Vandaag nog {day_cents}. ]"
    "[Deze maand nog {month_cents}. ][Per ontvanger {payee_cents} per maand. ]"
    "[Per pas {token_cents} per maand.]",
    "[At most {payment_cents} a payment. ][{day_cents} left today. ]"
    "[{month_cents} left this month. ][{payee_cents} a month for each payee. ]"
    "[{token_cents} a month for each token.]",
    fits,
    judge,
    _values,
    count,
)
