"""camt.053.001.08 per account: what a bank would say of it, for bookkeeping programs (section 7).

A statement is of the coin that an account has at hand (class 2, or 7 of a wijk fund), at par with
the currency of its wijk. The counterparty is the other side of each booking.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from audit.rows import ACCOUNT_CLASSES, Group, Row, pair_up
from chain.books import FUND, MEMBER
from chain.dates import date_text

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
ID_CHARS = 34  # Max34Text: an account id without its checksum; the name has all of it
_OWN = (MEMBER, FUND)


class CamtStatements:
    """Statements of one account, or of every account that has money. Dates YYYYMMDD."""

    def __init__(
        self,
        folder: Path,
        account: str | None,
        rename: Callable[[str, str], str],
        period: tuple[int | None, int],
        made_on: int,
    ) -> None:
        """`rename` gives what an account is called in the file of another, or of its own."""
        self._folder = folder
        self._account = account
        self._rename = rename
        self._first, self._last = period
        self._made_on = made_on
        self._opening: dict[str, int] = defaultdict(int)
        self._currencies: dict[str, str] = {}
        self._entries: dict[str, list[str]] = defaultdict(list)
        self._moved: dict[str, int] = defaultdict(int)

    def add_earlier(self, group: Group) -> None:
        """Take rows from before the period: they make the opening balances."""
        for row, _ in self._of_accounts(group):
            self._opening[row.account] -= row.debit_cents

    def add(self, group: Group) -> None:
        """Note what each account sees of a transaction."""
        if self._first is None:
            self._first = group[0].book_date
        for row, other in self._of_accounts(group):
            number = len(self._entries[row.account]) + 1
            name = other.account
            if other.klass in ACCOUNT_CLASSES:
                name = self._rename(row.account, name)
            self._entries[row.account].append(_write_entry(row, name, number))
            self._moved[row.account] -= row.debit_cents

    def close(self) -> dict[str, int]:
        """No more rows: write a file for each account."""
        files: dict[str, int] = {}
        first = self._last if self._first is None else self._first
        for account, currency in sorted(self._currencies.items()):
            opening = self._opening[account]
            closing = opening + self._moved[account]
            name = self._rename(account, account)
            head = (
                f"<Stmt><Id>{first}-{self._last}</Id><CreDtTm>{_start(self._made_on)}</CreDtTm>"
                f"<FrToDt><FrDtTm>{_start(first)}</FrDtTm><ToDtTm>{_end(self._last)}</ToDtTm>"
                f"</FrToDt><Acct><Id><Othr><Id>{name[:ID_CHARS]}</Id></Othr></Id>"
                f"<Ccy>{currency}</Ccy><Nm>{name}</Nm></Acct>\n"
            )
            path = self._folder / f"camt053-{name}.xml"
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(
                    f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}">\n'
                    f"<BkToCstmrStmt><GrpHdr><MsgId>{first}-{self._last}</MsgId>"
                    f"<CreDtTm>{_start(self._made_on)}</CreDtTm></GrpHdr>\n{head}"
                    + _write_balance("OPBD", opening, currency, first)
                    + _write_balance("CLBD", closing, currency, self._last)
                    + "".join(self._entries[account])
                    + "</Stmt>\n</BkToCstmrStmt></Document>\n"
                )
            files[path.name] = len(self._entries[account])
        return files

    def _of_accounts(self, group: Group) -> list[tuple[Row, Row]]:
        """Return the rows of the accounts that are asked for, each with the other side."""
        found = []
        for debit, credit in pair_up(group):
            for row, other in ((debit, credit), (credit, debit)):
                if row.klass in _OWN and self._account in (None, row.account):
                    self._currencies[row.account] = row.denom.partition(":")[2]
                    found.append((row, other))
        return found


def _write_entry(row: Row, other: str, number: int) -> str:
    currency = row.denom.partition(":")[2]
    amount = f'<Amt Ccy="{currency}">{_decimal(row.cents)}</Amt>'
    comes = row.side == "C"
    side = f"<CdtDbtInd>{'CRDT' if comes else 'DBIT'}</CdtDbtInd>"
    day = date_text(row.book_date)
    reference = f"{row.height}-{row.leg}" if row.tx is None else row.tx[:32]
    role = "DbtrAcct" if comes else "CdtrAcct"
    return (
        f"<Ntry><NtryRef>{number}</NtryRef>{amount}{side}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"<AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>{row.flow or 'COIN'}</Cd><Issr>wijkchain</Issr></Prtry></BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><AcctSvcrRef>{reference}</AcctSvcrRef></Refs>{amount}{side}"
        f"<RltdPties><{role}><Id><Othr><Id>{other[:ID_CHARS]}</Id></Othr></Id>"
        f"<Nm>{other}</Nm></{role}></RltdPties></TxDtls></NtryDtls></Ntry>\n"
    )


def _write_balance(code: str, cents: int, currency: str, date: int) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{_decimal(cents)}</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
        f"<Dt><Dt>{date_text(date)}</Dt></Dt></Bal>\n"
    )


def _start(date: int) -> str:
    return f"{date_text(date)}T00:00:00"


def _end(date: int) -> str:
    return f"{date_text(date)}T23:59:59"


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
