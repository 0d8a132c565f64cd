"""Valued work in the state (economy N2, N6, W4..W6): valuations, engagements, timesheets, totals.

Valuations stand in the register. The calls that write engagements and timesheets are not built yet;
record types and keys are fixed here.
"""

from typing import TypeVar

import msgspec

from chain.codec import Account, Digest, Record, Uint, decode, encode
from chain.state import Keyspace, State

HOUR_S = 3_600
HOUR = "HOUR"
VALUATION, THEME = "VALUATION", "THEME"  # kinds of the register that are read so far
VOLUNTEER = "VOLUNTEER"
TAX_KINDS = (VOLUNTEER, "EMPLOYEE", "SELF", "ALLOWANCE")
CLAIMED, ATTESTED, PAID = "CLAIMED", "ATTESTED", "PAID"  # of a timesheet (W5)

R = TypeVar("R")


class RegisterVersion(Record, frozen=True):
    """One version of `reg/<kind>/<object>`: in force from a book date until the one after it.

    `until` is 0 while nothing ended it; `record` are the bytes of the record of that kind.
    """

    valid_from: Uint
    until: Uint
    decision: Digest | None
    record: msgspec.Raw


class Valuation(Record, frozen=True):
    """What one unit of an activity is worth, in cents, by vote (economy N2)."""

    activity: str
    cents_per_unit: Uint
    unit: str
    klass: str
    nace: str | None
    coicop: str | None


class Engagement(Record, frozen=True):
    """`engagement/<id>`: who works for whom, at which valuation and version, until when (W4)."""

    employer: Account
    worker: Account
    valuation: Digest
    version: Uint
    seconds_cap: Uint
    from_date: Uint
    until_date: Uint
    tax_kind: str
    attestors: tuple[Account, ...]
    status: str


class Sheet(Record, frozen=True):
    """`sheet/<id>`: seconds worked on a book date, and who attested how many of them (W5)."""

    engagement: Digest
    date: Uint
    seconds: Uint
    unpaid: Uint
    proof: Digest | None
    attested: tuple[tuple[Account, Uint], ...]
    status: str


class Worked(Record, frozen=True):
    """`worked/<account>/<month>`: what an account was paid for work in a month, by all payers.

    Seconds, and cents of volunteer and of other work (W6, G17); the month is YYYYMM.
    """

    seconds: Uint
    volunteer_cents: Uint
    other_cents: Uint


REGISTER: Keyspace[tuple[RegisterVersion, ...]] = Keyspace("reg", tuple[RegisterVersion, ...], 2)
USES: Keyspace[int] = Keyspace("uses", Uint, 1)  # by policies, plans and engagements in force
ENGAGEMENTS: Keyspace[Engagement] = Keyspace("engagement", Engagement, 1)
SHEETS: Keyspace[Sheet] = Keyspace("sheet", Sheet, 1)
WORKED: Keyspace[Worked] = Keyspace("worked", Worked, 2)
NOT_WORKED = Worked(0, 0, 0)


def get_registered(
    state: State, kind: str, name: bytes, date: int, record: type[R]
) -> tuple[int, R] | None:
    """Return number, from 1, and record of the version in force on a book date, or None."""
    found = None
    for number, version in enumerate(REGISTER.get(state, kind, name) or (), start=1):
        if version.valid_from <= date and (version.until == 0 or date < version.until):
            found = number, decode(record, bytes(version.record))
    return found


def register(
    state: State,
    kind: str,
    name: bytes,
    valid_from: int,
    record: Record,
    decision: bytes | None = None,
) -> int:
    """Add a version and return its number; it ends the one before it on the same date, unless that
    ended earlier (registry: versions only grow). What is stored is the record without its tag.
    """
    versions = REGISTER.get(state, kind, name) or ()
    if versions:
        last = versions[-1]
        until = min(last.until, valid_from) if last.until else valid_from
        versions = (*versions[:-1], msgspec.structs.replace(last, until=until))
    fields = msgspec.Raw(encode(msgspec.structs.astuple(record)))
    made = RegisterVersion(valid_from, 0, decision, fields)
    REGISTER.put(state, (*versions, made), kind, name)
    return len(versions) + 1


def cite(state: State, name: bytes, times: int) -> None:
    """Count who uses an object of the register: it is not retired while somebody does."""
    count = (USES.get(state, name) or 0) + times
    assert count >= 0, f"{name.hex()} is used {count} times"
    USES.put(state, count or None, name)


def compute_pay(cents_per_hour: int, seconds: int) -> int:
    """Return the pay for seconds of work, in cents, half up (economy B8)."""
    return (2 * cents_per_hour * seconds + HOUR_S) // (2 * HOUR_S)


def get_volunteer_cents(state: State, account: bytes, month: int) -> tuple[int, int]:
    """Return what volunteer work of an account was paid in a month and its whole year (G17)."""
    year = [
        (WORKED.get(state, account, month // 100 * 100 + number) or NOT_WORKED).volunteer_cents
        for number in range(1, 13)
    ]
    return year[month % 100 - 1], sum(year)
