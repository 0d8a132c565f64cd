"""The bank of a made-up year: a reserve account that money comes into and leaves, and its camt.053.

It knows nothing of the chain, as a bank does. Names and account numbers are invented; they stand in
the bank's files, where a treasurer sees them, and nowhere else (economy C4).
"""

from itertools import count
from typing import Literal
from xml.sax.saxutils import escape

import msgspec

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


class Movement(msgspec.Struct, frozen=True):
    """One transaction inside an entry: cents, and what the other side said."""

    cents: int
    name: str
    reference: str | None = None  # ISO 11649, of a deposit
    end_to_end: str | None = None  # of a payout, ours
    text: str | None = None


class Item(msgspec.Struct, frozen=True):
    """One entry of a statement: its side, and the movements that it is made of."""

    side: Literal["C", "D"]
    movements: tuple[Movement, ...]

    @property
    def cents(self) -> int:
        """What the entry moved."""
        return sum(movement.cents for movement in self.movements)


class ReserveBank:
    """One reserve account at a bank: what is booked today, and what its balance is."""

    def __init__(self, number: int, opening: int) -> None:
        self.iban = make_iban("WIJK", number)
        self.balance = opening
        self._prefix = f"{number:02d}"
        self._today: list[Item] = []
        self._sequence = 0
        self._references = count(1)

    def receive(self, *movements: Movement) -> None:
        """Book money that comes in, as one entry."""
        self._today.append(Item("C", movements))

    def pay(self, *movements: Movement) -> None:
        """Book money that leaves, as one entry: a batch of payouts is one."""
        self._today.append(Item("D", movements))

    def close_day(self, date: int) -> str:
        """Return the statement of a day, YYYYMMDD, and begin the next one."""
        opening = self.balance
        self._sequence += 1
        lines = [self._entry(item, date) for item in self._today]
        for item in self._today:
            self.balance += item.cents if item.side == "C" else -item.cents
        assert self.balance >= 0, "a reserve account is never overdrawn"
        self._today = []
        day = write_iso_date(date)
        return (
            f"<Stmt><Id>{self._prefix}-{date}</Id><ElctrncSeqNb>{self._sequence}</ElctrncSeqNb>"
            f"<CreDtTm>{day}T19:00:00</CreDtTm>"
            f"<Acct><Id><IBAN>{self.iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>\n"
            + _balance("OPBD", opening, day)
            + _balance("CLBD", self.balance, day)
            + "".join(lines)
            + "</Stmt>\n"
        )

    def _entry(self, item: Item, date: int) -> str:
        day, side = write_iso_date(date), "CRDT" if item.side == "C" else "DBIT"
        role = "Dbtr" if item.side == "C" else "Cdtr"
        details = "".join(_details(movement, role) for movement in item.movements)
        reference = f"{self._prefix}{next(self._references):010d}"
        return (
            f"<Ntry>{_amount(item.cents)}<CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
            f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
            f"<AcctSvcrRef>{reference}</AcctSvcrRef>"
            f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{'RCDT' if item.side == 'C' else 'ICDT'}</Cd>"
            f"<SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
            f"<NtryDtls>{details}</NtryDtls></Ntry>\n"
        )


def write_document(name: str, statements: list[str], date: int) -> bytes:
    """Return a camt.053.001.08 file of these statements, made on `date`."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}">\n'
        f"<BkToCstmrStmt><GrpHdr><MsgId>{escape(name)}</MsgId>"
        f"<CreDtTm>{write_iso_date(date)}T19:00:00</CreDtTm></GrpHdr>\n"
        f"{''.join(statements)}</BkToCstmrStmt></Document>\n"
    ).encode()


def make_iban(bank: str, number: int) -> str:
    """Return a Dutch IBAN whose check digits are right, at a bank that does not exist."""
    account = f"{bank}{number:010d}"
    digits = "".join(str(int(letter, 36)) for letter in f"{account}NL00")
    return f"NL{98 - int(digits) % 97:02d}{account}"


def _details(movement: Movement, role: str) -> str:
    refs = f"<Refs><EndToEndId>{escape(movement.end_to_end or 'NOTPROVIDED')}</EndToEndId></Refs>"
    said = "" if movement.text is None else f"<Ustrd>{escape(movement.text)}</Ustrd>"
    if movement.reference is not None:
        said += (
            "<Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>"
            f"<Ref>{escape(movement.reference)}</Ref></CdtrRefInf></Strd>"
        )
    return (
        f"<TxDtls>{refs}{_amount(movement.cents)}"
        f"<RltdPties><{role}><Pty><Nm>{escape(movement.name)}</Nm></Pty></{role}></RltdPties>"
        + (f"<RmtInf>{said}</RmtInf>" if said else "")
        + "</TxDtls>"
    )


def _balance(code: str, cents: int, day: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(cents)}"
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def _amount(cents: int) -> str:
    return f'<Amt Ccy="EUR">{cents // 100}.{cents % 100:02d}</Amt>'


def write_iso_date(date: int) -> str:
    """Return YYYYMMDD as YYYY-MM-DD."""
    return f"{date // 10_000}-{date // 100 % 100:02d}-{date % 100:02d}"
