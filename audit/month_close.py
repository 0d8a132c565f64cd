"""`wijk/month-close/1`: one wijk's month as a canonical JSON file (ADR 0099).

Nothing in it says who made it or when, so two auditors with the same inputs get the same bytes (of
the chain that is with all bank days of the month attested, `audit/month_make.py`);
signatures stand beside it. No name, IBAN or account of a person is in it: a bank account is called
by the random id of economy C4. Amounts are cents.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from chain.checkpoint import NOTE_BYTES_MAX, Checkpoint, read_body, read_note
from chain.crypto import sha256
from chain.dates import from_days, to_days
from chain.errors import Malformed
from chain.strict_json import canonical_json, parse_json

FORMAT: Literal["wijk/month-close/1"] = "wijk/month-close/1"
CLOSE_BYTES_MAX = 16 * 1024 * 1024  # 31 days, and 50,000 entries that are still open
CLASSES = ("1", "2", "3", "4", "5", "6F", "6T", "7", "8", "9")  # economy section 7
VERSIONS_MAX = 1_000
DECEMBER = 12

Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Cents = Annotated[int, msgspec.Meta(ge=-(2**53 - 1), le=2**53 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
DateText = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
MonthText = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])\Z")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the file."""


class Head(_Part, frozen=True):
    """The log after the last block of the month; `note` is that with a quorum's signatures.

    They are the ones that the next block holds of its parent, so they are the same on every node.
    """

    height: Count
    round: Count
    block_id: Hex
    log_size: Count
    log_root: Hex
    note: Annotated[str, msgspec.Meta(max_length=NOTE_BYTES_MAX)]


class Growth(_Part, frozen=True):
    """The log of this checkpoint begins with that of the close before (RFC 6962); hashes in hex."""

    from_size: Count
    to_size: Count
    path: Annotated[tuple[Hex, ...], msgspec.Meta(max_length=64)]


class Sums(_Part, frozen=True):
    """The coin of the wijk: what was issued and redeemed since it began, and what is left."""

    issued_cents: Cents
    redeemed_cents: Cents
    traded_in_cents: Cents
    traded_out_cents: Cents
    outstanding_cents: Cents


class Supply(_Part, frozen=True):
    """`movement` is what the month added."""

    begin: Sums
    movement: Sums
    end: Sums


class ClassLine(_Part, frozen=True, rename={"klass": "class"}):
    """A line of the trial balance; balances are above zero on the side of their class."""

    klass: str
    opening_cents: Cents
    debit_cents: Cents
    credit_cents: Cents
    closing_cents: Cents


class Issuer(_Part, frozen=True):
    """Mode and caps at the end of the month (economy C7), and what the issuer has outstanding."""

    code: Annotated[str, msgspec.Meta(max_length=64)]
    mode: str
    wallet_cap_cents: Cents | None
    total_cap_cents: Cents | None
    outstanding_cents: Cents


class Pending(_Part, frozen=True):
    """A redemption under way; `due_on` is null while its clock stands still (C15, C19)."""

    id: Hex
    amount_cents: Cents
    due_on: DateText | None
    batched: bool


class Day(_Part, frozen=True):
    """A bank statement; `tx` attested its last page. One without movement needs none: null."""

    on: DateText
    tx: Hex | None
    opening_cents: Cents
    credits_cents: Cents
    debits_cents: Cents
    closing_cents: Cents
    entries: Count


class OpenItem(_Part, frozen=True):
    """A bank entry of this month or before that was in no booking at its end; `days` is its age."""

    entry: Hex
    amount_cents: Cents
    side: Literal["C", "D"]
    on: DateText
    days: Count


class Account(_Part, frozen=True):
    """A reserve account, by the random id that the chain knows it by.

    `files`: SHA-256 of the bank's files. `booked_cents` is what stands at it in class 1, and
    `own_cents` how much of that in this wijk's books: the rest is the deposit of a partner (C17).
    """

    reserve: Hex
    files: tuple[Hex, ...]
    statements: tuple[Day, ...]
    opening_cents: Cents
    closing_cents: Cents
    matched: Count
    open_items: tuple[OpenItem, ...]
    open_cents: Cents
    booked_cents: Cents
    own_cents: Cents


class Backing(_Part, frozen=True):
    """What stands against the coin (economy I4): `difference` = all of it - what is outstanding.

    Open items and the result (income - cost) explain it to the cent.
    """

    bank_cents: Cents
    elsewhere_cents: Cents
    due_from_cents: Cents
    due_to_cents: Cents
    outstanding_cents: Cents
    difference_cents: Cents
    open_cents: Cents
    result_cents: Cents


class Finding(_Part, frozen=True):
    """What an auditor has to explain: the kinds of `audit reconcile`, and `end` and `short`."""

    kind: Annotated[str, msgspec.Meta(max_length=16)]
    reserve: Hex | None = None
    on: DateText | None = None
    entry: Hex | None = None
    bank_cents: Cents | None = None
    chain_cents: Cents | None = None


class MonthClose(_Part, frozen=True):
    """The whole file. `previous` and `replaces` are the SHA-256 of other closes."""

    format: Literal["wijk/month-close/1"]
    chain_id: Annotated[str, msgspec.Meta(max_length=32)]
    chain_digest: Hex
    wijk: Annotated[str, msgspec.Meta(max_length=64)]
    denom: Annotated[str, msgspec.Meta(max_length=80)]
    month: MonthText
    version: Annotated[int, msgspec.Meta(ge=1, le=VERSIONS_MAX)]
    replaces: Hex | None
    previous: Hex | None
    checkpoint: Head
    consistency: Growth | None
    issuer: Issuer
    supply: Supply
    classes: tuple[ClassLine, ...]
    pending: tuple[Pending, ...]
    accounts: tuple[Account, ...]
    backing: Backing
    invariants: Literal["ok"]
    findings: tuple[Finding, ...]


def encode_close(close: MonthClose) -> bytes:
    """Return the one form of a close: RFC 8785 and a line feed."""
    return canonical_json(msgspec.to_builtins(close)) + b"\n"


def decode_close(data: bytes) -> MonthClose:
    """Return the close in a file from outside, or raise `Malformed`: its one form is read."""
    if len(data) > CLOSE_BYTES_MAX:
        raise Malformed(f"more than {CLOSE_BYTES_MAX} bytes")
    close = parse_json(data, MonthClose)
    if encode_close(close) != data:
        raise Malformed("a month close that is not in its one form")
    return close


def digest_of(close: MonthClose) -> str:
    """Return the SHA-256 of the file in hex."""
    return sha256(encode_close(close)).hex()


def read_date(text: str) -> int:
    """Return YYYYMMDD of a date that has the form of `DateText`."""
    return int(text[:4]) * 10_000 + int(text[5:7]) * 100 + int(text[8:])


def read_month(text: str) -> int:
    """Return YYYYMM of a month that has the form of `MonthText`."""
    return int(text[:4]) * 100 + int(text[5:7])


def month_text(month: int) -> str:
    """Return YYYYMM as `YYYY-MM`."""
    return f"{month // 100:04}-{month % 100:02}"


def next_month(month: int) -> int:
    """Return the month, YYYYMM, after a month."""
    return month + 1 if month % 100 < DECEMBER else (month // 100 + 1) * 100 + 1


def last_day(month: int) -> int:
    """Return the last date, YYYYMMDD, of a month YYYYMM."""
    return from_days(to_days(next_month(month) * 100 + 1) - 1)


def subtract(end: Sums, begin: Sums) -> Sums:
    """Return what came in between."""
    return Sums(*(getattr(end, name) - getattr(begin, name) for name in Sums.__struct_fields__))


def closing_of(classes: Sequence[ClassLine], klass: str) -> int:
    """Return the balance of a class at the end of the month."""
    return sum(line.closing_cents for line in classes if line.klass == klass)


def add_up_backing(accounts: Sequence[Account], classes: Sequence[ClassLine], end: Sums) -> Backing:
    """Return what stands against the coin at the end of the month, cents."""
    bank = sum(one.closing_cents - one.booked_cents + one.own_cents for one in accounts)
    elsewhere = closing_of(classes, "1") - sum(one.own_cents for one in accounts)
    due_from, due_to = closing_of(classes, "6F"), closing_of(classes, "6T")
    return Backing(
        bank,
        elsewhere,
        due_from,
        due_to,
        end.outstanding_cents,
        bank + elsewhere + due_from - due_to - end.outstanding_cents,
        sum(one.open_cents for one in accounts),
        closing_of(classes, "8") - closing_of(classes, "9"),
    )


def read_head(head: Head) -> Checkpoint:
    """Return the checkpoint of a close, or raise `Malformed` where note and fields differ."""
    checkpoint = read_body(read_note(head.note).body)
    said = (head.height, head.round, head.block_id, head.log_size, head.log_root)
    is_so = (
        checkpoint.height,
        checkpoint.round,
        checkpoint.block_id.hex(),
        checkpoint.log_size,
        checkpoint.log_root.hex(),
    )
    if said != is_so:
        raise Malformed("the checkpoint is not what stands beside it")
    return checkpoint


def root_of(head: Head) -> bytes:
    """Return the log root of a checkpoint."""
    return bytes.fromhex(head.log_root)
