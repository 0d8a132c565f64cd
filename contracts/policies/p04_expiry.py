"""P4 `expiry`: a funder's money that was not used by a date goes back (economy P4, G10).

It is the funder's until it is spent; the coin that people own never expires.
"""

from chain.codec import Digest, Record, Uint
from chain.dates import is_date
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import Date, Draft, Guard, Payment, Pool, Values, deny


class Expiry(Record, frozen=True, tag="expiry"):
    """The last book date, and where free money goes: a policy of the funder, nil for the funder."""

    version: Uint
    date: Date
    return_to: Digest | None


def fits(rule: Expiry, draft: Draft) -> bool:
    """Say whether the values can stand in a policy; `return_to` is judged by the contract."""
    return is_date(rule.date) and draft.date <= rule.date


def judge(rule: Expiry, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.expiry` after the date."""
    if payment.date > rule.date:
        deny("expiry", last_on=rule.date)


def _end(rule: Expiry) -> tuple[int, bytes | None]:
    return rule.date, rule.return_to


def _values(rule: Expiry, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"funder": pool.funder_text, "last_on": rule.date}


P4 = Guard(
    "P4",
    "expiry",
    Expiry,
    "[Dit tegoed is van {funder} en vervalt na {last_on}; uw eigen munten nooit.]",
    "[This credit is {funder}'s and lapses after {last_on}; your own coins never do.]",
    fits,
    judge,
    _values,
    end=_end,
)
