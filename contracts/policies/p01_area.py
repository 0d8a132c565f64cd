"""P1 `area`: money of a funder that is spent at shops of an area, by their registered places.

No location of anybody is asked: the registrars wrote down where a shop does business (economy
N14, R1, R2). A place with an end is for market days.
"""

import re
from typing import Annotated

import msgspec

from chain.codec import Bit, Record, Uint
from chain.money_text import Lang
from chain.state import State
from chain.text_rules import CBS_YEARS, is_area
from contracts.policies.frame import Draft, Guard, Payment, Pool, Share, Values, Word24, deny

CODES_MAX = 200  # economy P1
KIND_LETTERS = 2  # GM, WK or BU; the digits after them are nested
_GEMEENTE = re.compile(r"GM[0-9]{4}")


class Area(Record, frozen=True, tag="area"):
    """CBS codes of gemeenten, wijken or buurten, the year they are of, market days or not."""

    version: Uint
    codes: Annotated[tuple[Word24, ...], msgspec.Meta(min_length=1, max_length=CODES_MAX)]
    year: Uint
    temporary: Bit


def fits(rule: Area, draft: Draft) -> bool:
    """Say whether the values can stand in a policy."""
    formed = all(_GEMEENTE.fullmatch(code) is not None or is_area(code) for code in rule.codes)
    return formed and len(set(rule.codes)) == len(rule.codes) and rule.year in CBS_YEARS


def judge(rule: Area, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.area` unless every payee has a place in force in the area."""
    for share in payment.shares:
        if not _is_inside(rule, share, payment.time_s):
            deny("area", codes=", ".join(rule.codes))


def _is_inside(rule: Area, share: Share, time_s: int) -> bool:
    places = share.member.places if share.member is not None else ()
    for code, year, until in places:
        in_force = until is None or (bool(rule.temporary) and time_s < until)
        if in_force and year == rule.year:
            inner = code[KIND_LETTERS:]
            if any(inner.startswith(outer[KIND_LETTERS:]) for outer in rule.codes):
                return True
    return False


def _values(rule: Area, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"codes": rule.codes, "cause": "market-days" if rule.temporary else ""}


P1 = Guard(
    "P1",
    "area",
    Area,
    "[Alleen bij winkels in {codes}.][ Ook {cause}.]",
    "[Only at shops in {codes}.][ Also {cause}.]",
    fits,
    judge,
    _values,
)
