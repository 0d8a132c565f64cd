"""P15 `sunset`: a rule has a last day; then the pool closes (economy P15).

Free money goes back to the funder, or on to a successor of the same funder that is active then.
"""

from typing import Literal

from chain.codec import Digest, Record, Uint
from chain.dates import is_date
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import Date, Draft, Guard, Payment, Pool, Values, deny

SUCCESSOR = "SUCCESSOR"


class Sunset(Record, frozen=True, tag="sunset"):
    """The last book date, and what happens then."""

    version: Uint
    date: Date
    then: Literal["RETURN", "SUCCESSOR"]
    successor: Digest | None


def fits(rule: Sunset, draft: Draft) -> bool:
    """Say whether the values can stand in a policy."""
    named = (rule.then == SUCCESSOR) == (rule.successor is not None)
    return named and is_date(rule.date) and draft.date <= rule.date


def judge(rule: Sunset, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.sunset` after the date."""
    if payment.date > rule.date:
        deny("sunset", last_on=rule.date)


def _end(rule: Sunset) -> tuple[int, bytes | None]:
    return rule.date, rule.successor


def _values(rule: Sunset, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"last_on": rule.date}


P15 = Guard(
    "P15",
    "sunset",
    Sunset,
    "[Deze regel geldt tot en met {last_on}.]",
    "[This rule applies up to and including {last_on}.]",
    fits,
    judge,
    _values,
    end=_end,
)
