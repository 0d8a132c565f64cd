"""The guards of economy section 6 once more, each from its row alone (I10).

A rule is the array that the policy was written with: name, version, values in the order of the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_view import View, date_of

Used = Counter[tuple[str, Any, int]]  # counter, whose, period


class Asked(NamedTuple):
    """A payment out of a pool as its guards see it. `parts`: who gets how many cents of it."""

    sender: bytes
    cents: int
    parts: list[tuple[bytes, int]]
    product: str | None
    line: str | None
    token: bytes | None
    since: int  # book date on which the pool became active


def allows(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    """Say whether one guard allows a payment, after what was counted before."""
    return GUARDS[rule[0]](rule[2:], asked, used, view)


def count(rules: list[list[Any]], asked: Asked, used: Used, view: View) -> None:
    """Count a payment in every period that a guard may ask about."""
    month = view.date // 100
    used["day", "", view.date] += asked.cents
    used["month", "", month] += asked.cents
    for who, cents in asked.parts:
        used["payee", who, month] += cents
    used["token", asked.token, month] += asked.cents
    for rule in rules:
        if rule[0] == "budget":
            unit = next(row[2] for row in rule[2] if row[0] == asked.line)
            used["line", asked.line, period(view.date, unit)] += asked.cents
        if rule[0] == "pact":
            for way, cents in _ways(asked, view).items():
                used[way, "", _pact_year(rule[2], view, asked)] += cents


def period(date: int, unit: str) -> int:
    year, month = date // 10_000, date // 100 % 100
    return {"MONTH": date // 100, "QUARTER": 10 * year + (month + 2) // 3, "YEAR": year}.get(
        unit, 0
    )


def before(this: int, unit: str) -> int:
    if unit == "YEAR":
        return this - 1
    base, last = (100, 12) if unit == "MONTH" else (10, 4)
    return this - 1 if this % base > 1 else (this // base - 1) * base + last


def _area(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    codes, year, temporary = rule

    def inside(who: bytes) -> bool:
        member = view.get("member", who)
        return any(
            of == year
            and (until is None or (temporary == 1 and view.time_s < until))
            and any(code[2:].startswith(one[2:]) for one in codes)
            for code, of, until in (member[11] if member else ())
        )

    return all(inside(who) for who, _ in asked.parts)


def _category(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    allow, deny = rule
    for who, _ in asked.parts:
        member = view.get("member", who)
        nace, sells = (None, None) if member is None else member[9:11]
        product = asked.product or sells
        kinds = {"N" + nace[0]} if nace else set()
        if product is not None and len(product) > 1:
            kinds.add(product)
        if kinds & set(deny) or (allow and not kinds & set(allow)):
            return False
    return True


def _until(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    return view.date <= int(rule[0])


def _cap(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    payment, day, in_month, payee, token = rule
    month = view.date // 100
    rows = [
        (payment, asked.cents),
        (day, used["day", "", view.date] + asked.cents),
        (in_month, used["month", "", month] + asked.cents),
        *((payee, used["payee", who, month] + cents) for who, cents in asked.parts),
        (token, used["token", asked.token, month] + asked.cents),
    ]
    shown = not token or asked.token is not None
    return shown and all(cents <= cap for cap, cents in rows if cap)


def _budget(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    lines, carry_over = rule
    for line, cents, unit in lines:
        if line == asked.line:
            now = period(view.date, unit)
            earlier = before(now, unit)
            room = cents
            if carry_over and earlier >= period(asked.since, unit):
                room += max(0, cents - used["line", line, earlier])
            return bool(used["line", line, now] + asked.cents <= room)
    return False


def _pact(rule: list[Any], asked: Asked, used: Used, view: View) -> bool:
    pact_id, scope, cap_in, cap_out, places = rule
    for who, _ in asked.parts:
        a, b = sorted((view.wijk(asked.sender), view.wijk(who)))
        pact = view.get("pact", a, b)
        if pact is None or sha256(msgpack.packb(["wijk.pact.1", a, b])).digest() != pact_id:
            return False
        if pact[8] != "ACTIVE" or not pact[5] <= view.time_s < pact[6]:
            return False
    year = _pact_year(pact_id, view, asked)
    caps = {"in": cap_in, "out": cap_out}
    within = all(
        used[way, "", year] + cents <= caps[way] for way, cents in _ways(asked, view).items()
    )
    taken = view.get("taken", pact_id) or 0
    return within and (not scope or asked.product in scope) and (not places or taken < places)


def _ways(asked: Asked, view: View) -> Counter[str]:
    """Pools pay accounts of their own wijk: who claims is of the partner, or the other way."""
    return Counter({"in": sum(cents for _, cents in asked.parts)})


def _pact_year(pact_id: bytes, view: View, asked: Asked) -> int:
    a, b = view.get("pactid", pact_id)
    begun = date_of(view.get("pact", a, b)[5])
    years = view.date // 10_000 - begun // 10_000
    return int(years - (view.date % 10_000 < begun % 10_000))


Guard = Callable[[list[Any], Asked, Used, View], bool]

GUARDS: dict[str, Guard] = {
    "area": _area,
    "category": _category,
    "expiry": _until,
    "cap": _cap,
    "budget": _budget,
    "pact": _pact,
    "sunset": _until,
}
