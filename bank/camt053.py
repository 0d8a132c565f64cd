"""Bank statements, ISO 20022 camt.053.001.02 and .001.08, as typed values (economy C4, C5).

A statement proves to two treasurers, and later to an auditor, what came into a reserve account.
So it is read strictly: what the standard leaves open and this file does not settle is refused,
in words that tell the treasurer what to do (`bank.faults`).

What is settled here, beside the rules C4 and C5:

- An entry that is not booked (PDNG, INFO, in 08 also FUTR) is left out: it moved no money yet.
- An entry splits into its transactions only if each has an amount in the account's currency, on
  the entry's side, and these sum to the entry. The amount is TxDtls/Amt (08), else
  AmtDtls/TxAmt/Amt. Else the entry counts as one, under the reference of the entry.
- A single transaction without an amount in the account's currency is the whole entry: amounts
  in a foreign currency say what the payer paid, not what was booked.
- A batch without any bank reference counts as one: C4 would give all of it one id.
- An id may be hashed on the chain, so a reference that contains the account's IBAN, as Stmt/Id
  often does, is refused as the source of one (C4).
- NONREF and NOTPROVIDED are how banks write "no reference"; an empty element means the same.
- The day of a statement is the date of its closing balance. A value date that is left out is
  the booking date. Of a moment, the date as written counts: the bank's own book day.

No name, account number or description is part of an entry id (C4, reliability PR1); they stand
in the result for the treasurer's eyes, stay out of `repr`, and never go on the chain.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from bank.document import Element, read_document
from bank.faults import Fault
from bank.reference import electronic, is_iban, is_reference
from chain.codec import CENTS_MAX, digest

PAGE_ENTRIES_MAX = 500  # economy section 4, `coin.statement`
REFERENCE_CHARS_MAX = 35  # Max35Text of the standard
RESERVE_BYTES = 32

Side = Literal["C", "D"]

_V02 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
_V08 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_NAMESPACES = frozenset((_V02, _V08))

_SIDES: dict[str, Side] = {"CRDT": "C", "DBIT": "D"}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_BOOKED = "BOOK"
_NOT_BOOKED = {_V02: ("PDNG", "INFO"), _V08: ("PDNG", "INFO", "FUTR")}
_PLACEHOLDERS = ("", "NONREF", "NOTPROVIDED")

# Decimals that a currency's amounts are written with (ISO 4217), where they are not two.
_WHOLE = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3)

_YEAR_MIN = 1970  # block time counts from there (economy B9)
_FEBRUARY = 2
_DAYS = dict(enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))

_CURRENCY = re.compile(r"[A-Z]{3}")
_SEQUENCE = re.compile(r"[0-9]{1,18}")  # Number of the standard: 18 digits
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?"
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})" + _ZONE)
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?" + _ZONE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bank movement. The first six fields are those of `coin.statement`, in its order."""

    entry_id: bytes
    """Economy C4, 32 bytes."""
    booking_date: int
    """YYYYMMDD."""
    value_date: int
    """YYYYMMDD."""
    cents: int
    """Minor units of the statement's currency, 0 or more; `side` says which way."""
    side: Side
    """C: the balance rose. D: it fell. True of reversals too."""
    reversal: bool
    """It undoes an earlier entry of the other side."""

    counterparty: str = field(default="", repr=False)
    """Off-chain: the other party's name as the bank gives it."""
    remittance: str = field(default="", repr=False)
    """Off-chain: the description, lines joined by a space; else the bank's own note."""
    end_to_end: str = field(default="", repr=False)
    """Off-chain: EndToEndId, by which a payout is matched (C15)."""
    reference: str = field(default="", repr=False)
    """Off-chain: the ISO 11649 reference in electronic form, empty if there is no valid one.

    The structured one, else a description that is nothing but such a reference.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One account, from its opening to its closing balance, in booked entries (economy C5)."""

    id: str = field(repr=False)
    """Off-chain: Stmt/Id, the bank's own name of this statement; it often holds the IBAN."""
    iban: str = field(repr=False)
    """Off-chain: for matching the account to its reserve; never hashed, never sent."""
    currency: str
    """ISO 4217."""
    sequence: int | None
    """ElctrncSeqNb, where the bank numbers its statements."""
    opening_date: int
    """YYYYMMDD, of the opening balance; some banks give the day before."""
    date: int
    """YYYYMMDD, of the closing balance: the day that `coin.statement` attests."""
    opening: int
    """Minor units, 0 or more."""
    closing: int
    """Minor units, 0 or more; `opening` + all C - all D."""
    entries: tuple[Entry, ...]
    """In the order of the file."""


def parse(data: bytes, reserve: bytes, currency: str = "EUR") -> tuple[Statement, ...]:
    """Return the statements in the file `data`, in its order, or raise `bank.faults.BankFileError`.

    `reserve` is the random id, 32 bytes, of the reserve account; entry ids are made with it.
    `currency` (ISO 4217) is that of the reserve: on the chain a cent is a cent of it, so an
    account in another one is refused (C1, C6). A file may hold several accounts: use only the
    statements whose `iban` is that reserve's.
    """
    assert len(reserve) == RESERVE_BYTES, "a reserve id has 32 bytes"
    namespace, root = read_document(data, _NAMESPACES)
    message = root.one("BkToCstmrStmt")
    message.one("GrpHdr")

    statements: list[Statement] = []
    known: set[tuple[str, str]] = set()
    newest: dict[str, Statement] = {}
    used: set[tuple[str, bytes]] = set()
    for element in message.every("Stmt"):
        statement = _read_statement(element, namespace, reserve, used)
        if (statement.iban, statement.id) in known:
            element.refuse(Fault.SAME_STATEMENT)
        if statement.currency != currency:
            element.refuse(Fault.OTHER_CURRENCY, f"{statement.currency} ≠ {currency}")
        if statement.iban in newest:
            _check_follows(newest[statement.iban], statement, element)
        known.add((statement.iban, statement.id))
        newest[statement.iban] = statement
        statements.append(statement)
    if not statements:
        message.refuse(Fault.MISSING, "Stmt")
    return tuple(statements)


def entry_id(reserve: bytes, ref: str, ordinal: int) -> bytes:
    """Return the entry id, 32 bytes, of economy C4: an id is used at most once, for ever."""
    return digest(["camt-entry/1", reserve, ref, ordinal])


def pages(statement: Statement) -> tuple[tuple[Entry, ...], ...]:
    """Return the entries in pages for `coin.statement`: all full but the last, at least one.

    A day without entries is attested too, by one empty page.
    """
    entries = statement.entries
    starts = range(0, max(len(entries), 1), PAGE_ENTRIES_MAX)
    return tuple(entries[start : start + PAGE_ENTRIES_MAX] for start in starts)


# ------------------------------------------------------------------------------ a statement


def _read_statement(
    element: Element, namespace: str, reserve: bytes, used: set[tuple[str, bytes]]
) -> Statement:
    statement_id = _read_reference(element.one("Id"))
    if not statement_id:
        element.one("Id").refuse(Fault.UNREADABLE, "Id")
    iban = _read_iban(element.one("Acct"))
    opening, closing = _find_balances(element)
    currency = _read_currency(opening.one("Amt"))
    account_currency = element.maybe("Acct", "Ccy")
    if account_currency is not None and account_currency.text != currency:
        account_currency.refuse(Fault.CURRENCY, currency)

    entries: list[Entry] = []
    for index, item in enumerate(element.every("Ntry")):
        if not _is_booked(item, namespace):
            continue
        common = _read_common(item)
        for part in _split(item, common.side, index, statement_id, currency):
            if iban in electronic(part.ref):
                item.refuse(Fault.IBAN_IN_REFERENCE)
            entry = _make_entry(common, part, reserve)
            if (iban, entry.entry_id) in used:
                item.refuse(Fault.SAME_ENTRY)
            used.add((iban, entry.entry_id))
            entries.append(entry)

    statement = Statement(
        id=statement_id,
        iban=iban,
        currency=currency,
        sequence=_read_sequence(element.maybe("ElctrncSeqNb")),
        opening_date=_read_date(opening.one("Dt")),
        date=_read_date(closing.one("Dt")),
        opening=_read_balance(opening, currency),
        closing=_read_balance(closing, currency),
        entries=tuple(entries),
    )
    if statement.date < statement.opening_date:
        closing.refuse(Fault.ORDER, f"{statement.opening_date} > {statement.date}")
    _check_sum(statement, closing)
    return statement


def _check_sum(statement: Statement, closing: Element) -> None:
    """Economy C5, I7: closing = opening + credits - debits."""
    credits_ = sum(entry.cents for entry in statement.entries if entry.side == "C")
    debits = sum(entry.cents for entry in statement.entries if entry.side == "D")
    if statement.opening + credits_ - debits != statement.closing:
        given = [
            _amount_text(cents, statement.currency)
            for cents in (statement.opening, credits_, debits, statement.closing)
        ]
        closing.refuse(Fault.SUM, "{} + {} - {} ≠ {}".format(*given))


def _check_follows(before: Statement, statement: Statement, element: Element) -> None:
    """Economy C5: dates rise, each opening is the closing before it, and no number is left out.

    Banks that number their statements may start again in a new year.
    """
    if statement.date <= before.date:
        element.refuse(Fault.GAP, f"{before.date} ≥ {statement.date}")
    if statement.opening != before.closing:
        given = (
            _amount_text(one, statement.currency) for one in (before.closing, statement.opening)
        )
        element.refuse(Fault.GAP, " ≠ ".join(given))
    if before.sequence is None or statement.sequence is None:
        return
    new_year = statement.date // 10_000 > before.date // 10_000
    if statement.sequence != before.sequence + 1 and not new_year:
        element.refuse(Fault.GAP, f"ElctrncSeqNb {before.sequence}, {statement.sequence}")


def _read_iban(account: Element) -> str:
    iban = account.maybe("Id", "IBAN")
    if iban is None:
        account.refuse(Fault.ACCOUNT)
    if not is_iban(iban.text):
        iban.refuse(Fault.ACCOUNT)
    return iban.text


def _find_balances(element: Element) -> tuple[Element, Element]:
    """Return the opening and the closing balance: OPBD, else PRCD; CLBD. Other kinds are free."""
    found: dict[str, Element] = {}
    for balance in element.every("Bal"):
        code = balance.maybe("Tp", "CdOrPrtry", "Cd")
        if code is None or code.text not in ("OPBD", "PRCD", "CLBD"):
            continue
        if code.text in found:
            balance.refuse(Fault.TWO_BALANCES, code.text)
        found[code.text] = balance

    opening = found.get("OPBD") or found.get("PRCD")
    if opening is None:
        element.refuse(Fault.NO_BALANCE, "OPBD, PRCD")
    if "CLBD" not in found:
        element.refuse(Fault.NO_BALANCE, "CLBD")
    if "OPBD" in found and "PRCD" in found:
        currency = _read_currency(found["OPBD"].one("Amt"))
        if _read_balance(found["OPBD"], currency) != _read_balance(found["PRCD"], currency):
            found["PRCD"].refuse(Fault.TWO_BALANCES, "OPBD ≠ PRCD")
    return opening, found["CLBD"]


def _read_balance(balance: Element, currency: str) -> int:
    cents = _read_amount(balance.one("Amt"), currency)
    if cents and _read_side(balance) == "D":
        balance.refuse(Fault.NEGATIVE)
    return cents


# --------------------------------------------------------------------------------- an entry


@dataclass(frozen=True, slots=True)
class _Common:
    """What all parts of an entry share. Read once: an entry may have 100,000 children."""

    side: Side
    reversal: bool
    booking_date: int
    value_date: int
    note: str


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes one entry: its share of the amount, where its id comes from, its details."""

    cents: int
    ref: str
    ordinal: int
    details: Element | None


def _is_booked(item: Element, namespace: str) -> bool:
    """C5: 02 writes the status as text, 08 as a code below it."""
    status = item.one("Sts") if namespace == _V02 else item.one("Sts", "Cd")
    if status.text == _BOOKED:
        return True
    if status.text not in _NOT_BOOKED[namespace]:
        status.refuse(Fault.UNREADABLE, "BOOK, " + ", ".join(_NOT_BOOKED[namespace]))
    return False


def _read_common(item: Element) -> _Common:
    booking_date = _read_date(item.one("BookgDt"))
    value = item.maybe("ValDt")
    note = item.maybe("AddtlNtryInf")
    return _Common(
        side=_read_side(item),
        reversal=_read_reversal(item.maybe("RvslInd")),
        booking_date=booking_date,
        value_date=booking_date if value is None else _read_date(value),
        note=note.text if note is not None else "",
    )


def _make_entry(common: _Common, part: _Part, reserve: bytes) -> Entry:
    remittance = _remittance(part.details) or common.note
    return Entry(
        entry_id=entry_id(reserve, part.ref, part.ordinal),
        booking_date=common.booking_date,
        value_date=common.value_date,
        cents=part.cents,
        side=common.side,
        reversal=common.reversal,
        counterparty=_counterparty(part.details, debtor=(common.side == "C") != common.reversal),
        remittance=remittance,
        end_to_end=_end_to_end(part.details),
        reference=_creditor_reference(part.details, remittance),
    )


def _split(item: Element, side: Side, index: int, statement_id: str, currency: str) -> list[_Part]:
    """C4, C5: the transactions of an entry, or the entry as one where they do not add up."""
    cents = _read_amount(item.one("Amt"), currency)
    own = _read_reference(item.maybe("AcctSvcrRef")) or _read_reference(item.maybe("NtryRef"))
    transactions = [tx for block in item.every("NtryDtls") for tx in block.every("TxDtls")]
    refs = [_read_reference(tx.maybe("Refs", "AcctSvcrRef")) for tx in transactions]
    amounts = [_transaction_cents(tx, side, currency) for tx in transactions]
    if len(transactions) == 1 and amounts[0] is None:
        amounts = [cents]

    adds_up = None not in amounts and sum(filter(None, amounts)) == cents
    told_apart = bool(own) or all(refs) or len(transactions) == 1
    if transactions and adds_up and told_apart:
        return [
            _Part(amount or 0, ref or own or statement_id, place if ref or own else index, tx)
            for place, (amount, ref, tx) in enumerate(zip(amounts, refs, transactions, strict=True))
        ]
    details = transactions[0] if len(transactions) == 1 else None
    return [_Part(cents, own or statement_id, 0 if own else index, details)]


def _transaction_cents(tx: Element, side: Side, currency: str) -> int | None:
    """Return what `tx` moved, or None where it does not say so in the account's currency."""
    own_side = tx.maybe("CdtDbtInd")
    if own_side is not None and _SIDES.get(own_side.text) != side:
        return None
    amount = tx.maybe("Amt") or tx.maybe("AmtDtls", "TxAmt", "Amt")
    if amount is None or _read_currency(amount) != currency:
        return None
    return _read_amount(amount, currency)


# ------------------------------------------------------------------ for the treasurer's eyes


def _counterparty(details: Element | None, *, debtor: bool) -> str:
    if details is None:
        return ""
    party = details.maybe("RltdPties", "Dbtr" if debtor else "Cdtr")
    if party is None:
        return ""
    name = party.maybe("Nm") or party.maybe("Pty", "Nm")  # 02, 08
    return name.text if name is not None else ""


def _remittance(details: Element | None) -> str:
    if details is None:
        return ""
    information = details.maybe("RmtInf")
    if information is not None:
        lines = [line.text for line in information.every("Ustrd") if line.text]
        if lines:
            return " ".join(lines)
    note = details.maybe("AddtlTxInf")
    return note.text if note is not None else ""


def _end_to_end(details: Element | None) -> str:
    found = details.maybe("Refs", "EndToEndId") if details is not None else None
    return _read_reference(found)


def _creditor_reference(details: Element | None, remittance: str) -> str:
    """ISO 11649 (C6). Payers type what their bank has a field for, so look in both places."""
    candidates: list[str] = []
    information = details.maybe("RmtInf") if details is not None else None
    if information is not None:
        for structured in information.every("Strd"):
            found = structured.maybe("CdtrRefInf", "Ref")
            if found is not None:
                candidates.append(electronic(found.text))
    valid = {text for text in candidates if is_reference(text)}
    if len(valid) > 1:
        return ""  # which of them was meant is for a person to decide
    if valid:
        return valid.pop()
    typed = electronic(remittance)
    return typed if is_reference(typed) else ""


# ----------------------------------------------------------------------------------- values


def _read_amount(element: Element, currency: str) -> int:
    """Return minor units of exact decimal text with the currency's digits (C5)."""
    if _read_currency(element) != currency:
        element.refuse(Fault.CURRENCY, currency)
    digits = _DIGITS.get(currency, 2)
    whole, point, fraction = element.text.partition(".")
    plain = (whole + fraction).isascii() and (whole + fraction).isdigit()
    if not (plain and whole and len(fraction) == digits and bool(point) == bool(digits)):
        element.refuse(Fault.AMOUNT, f"{currency}: {_amount_text(123, currency)}")
    if len(whole) > len(str(CENTS_MAX)) or int(whole + fraction) > CENTS_MAX:
        element.refuse(Fault.AMOUNT, f"> {_amount_text(CENTS_MAX, currency)}")
    return int(whole + fraction)


def _amount_text(cents: int, currency: str) -> str:
    digits = _DIGITS.get(currency, 2)
    if not digits:
        return str(cents)
    return f"{cents // 10**digits}.{cents % 10**digits:0{digits}d}"


def _read_currency(amount: Element) -> str:
    if _CURRENCY.fullmatch(amount.currency) is None:
        amount.refuse(Fault.CURRENCY, "Ccy")
    return amount.currency


def _read_side(element: Element) -> Side:
    indicator = element.one("CdtDbtInd")
    side = _SIDES.get(indicator.text)
    if side is None:
        indicator.refuse(Fault.UNREADABLE, "CRDT, DBIT")
    return side


def _read_reversal(element: Element | None) -> bool:
    if element is None:
        return False
    value = _TRUTH.get(element.text)
    if value is None:
        element.refuse(Fault.UNREADABLE, "true, false")
    return value


def _read_sequence(element: Element | None) -> int | None:
    if element is None:
        return None
    if _SEQUENCE.fullmatch(element.text) is None:
        element.refuse(Fault.UNREADABLE, "0 .. 10^18 - 1")
    return int(element.text)


def _read_reference(element: Element | None) -> str:
    """Return a reference of the bank or the payer, empty where there is none."""
    if element is None or element.text in _PLACEHOLDERS:
        return ""
    if len(element.text) > REFERENCE_CHARS_MAX:
        element.refuse(Fault.UNREADABLE, f"> {REFERENCE_CHARS_MAX}")
    return element.text


def _read_date(element: Element) -> int:
    """Return YYYYMMDD of a date (Dt) or of a moment (DtTm) as the bank wrote it."""
    day, moment = element.maybe("Dt"), element.maybe("DtTm")
    if day is not None and moment is not None:
        moment.refuse(Fault.TWICE, "Dt, DtTm")
    if day is not None:
        return _date_number(day, _DATE)
    return _date_number(moment or element.one("Dt"), _MOMENT)


def _date_number(element: Element, form: re.Pattern[str]) -> int:
    found = form.fullmatch(element.text)
    if found is None:
        element.refuse(Fault.DATE)
    year, month, day = (int(part) for part in found.groups())
    if year < _YEAR_MIN or month not in _DAYS or not 1 <= day <= _days(year, month):
        element.refuse(Fault.DATE)
    return year * 10_000 + month * 100 + day


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _DAYS[month] + (leap and month == _FEBRUARY)
