"""A small writer of camt.053 files, so that tests can say what they mean and then break it.

Shares no code with the reader. `Tx`, `Item` and `Day` are what is written, `document` writes it.
"""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

RESERVE = bytes(range(32))
IBAN = "NL02ABNA0123456789"
OTHER_IBAN = "NL91ABNA0417164300"


@dataclass(frozen=True)
class Tx:
    amount: str | None = None
    ccy: str = "EUR"
    ref: str | None = None
    end_to_end: str | None = None
    name: str | None = None
    text: str | None = None
    creditor_reference: str | None = None
    extra: str = ""


@dataclass(frozen=True)
class Item:
    amount: str = "10.00"
    ccy: str = "EUR"
    side: str = "CRDT"
    status: str = "BOOK"
    reversal: str | None = None
    booked: str = "<Dt>2026-01-02</Dt>"
    valued: str | None = "<Dt>2026-01-02</Dt>"
    servicer_ref: str | None = "REF-1"
    entry_ref: str | None = None
    transactions: tuple[Tx, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Day:
    id: str = "2026-01-02/1"
    iban: str = IBAN
    ccy: str = "EUR"
    sequence: str | None = "1"
    opening: str = "0.00"
    opening_code: str = "OPBD"
    closing: str = "10.00"
    date: str = "2026-01-02"
    items: tuple[Item, ...] = field(default_factory=lambda: (Item(),))
    extra: str = ""


def document(*days: Day, version: str = "02") -> bytes:
    body = "".join(_day(day, version) for day in days or (Day(),))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">\n'
        "<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-03T02:00:00</CreDtTm></GrpHdr>\n"
        f"{body}</BkToCstmrStmt></Document>\n"
    ).encode()


def balance(code: str, amount: str, ccy: str = "EUR", date: str = "2026-01-02") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount('Amt', amount, ccy)}"
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{date}</Dt></Dt></Bal>\n"
    )


def _day(day: Day, version: str) -> str:
    return (
        f"<Stmt>{_leaf('Id', day.id)}{_leaf('ElctrncSeqNb', day.sequence)}"
        f"<Acct><Id>{_leaf('IBAN', day.iban)}</Id>{_leaf('Ccy', day.ccy)}</Acct>\n"
        + balance(day.opening_code, day.opening, day.ccy, day.date)
        + balance("CLBD", day.closing, day.ccy, day.date)
        + day.extra
        + "".join(_item(item, version) for item in day.items)
        + "</Stmt>\n"
    )


def _item(item: Item, version: str) -> str:
    status = _leaf("Sts", item.status)
    if version == "08":
        status = f"<Sts>{_leaf('Cd', item.status)}</Sts>"
    valued = "" if item.valued is None else f"<ValDt>{item.valued}</ValDt>"
    details = "".join(_transaction(tx, item, version) for tx in item.transactions)
    return (
        f"<Ntry>{_leaf('NtryRef', item.entry_ref)}{_amount('Amt', item.amount, item.ccy)}"
        f"{_leaf('CdtDbtInd', item.side)}{_leaf('RvslInd', item.reversal)}{status}"
        f"<BookgDt>{item.booked}</BookgDt>{valued}{_leaf('AcctSvcrRef', item.servicer_ref)}"
        + (f"<NtryDtls>{details}</NtryDtls>" if details else "")
        + f"{_leaf('AddtlNtryInf', item.note)}</Ntry>\n"
    )


def _transaction(tx: Tx, item: Item, version: str) -> str:
    amount = "" if tx.amount is None else _amount("Amt", tx.amount, tx.ccy)
    if version == "02" and amount:
        amount = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
    refs = _leaf("AcctSvcrRef", tx.ref) + _leaf("EndToEndId", tx.end_to_end)
    role = "Dbtr" if item.side == "CRDT" else "Cdtr"
    name = _leaf("Nm", tx.name)
    party = f"<Pty>{name}</Pty>" if version == "08" and name else name
    said = _leaf("Ustrd", tx.text)
    if tx.creditor_reference is not None:
        said += f"<Strd><CdtrRefInf>{_leaf('Ref', tx.creditor_reference)}</CdtrRefInf></Strd>"
    return (
        "<TxDtls>"
        + (f"<Refs>{refs}</Refs>" if refs else "")
        + amount
        + (f"<RltdPties><{role}>{party}</{role}></RltdPties>" if name else "")
        + (f"<RmtInf>{said}</RmtInf>" if said else "")
        + f"{tx.extra}</TxDtls>"
    )


def _amount(tag: str, amount: str, ccy: str) -> str:
    return f'<{tag} Ccy="{ccy}">{amount}</{tag}>'


def _leaf(tag: str, text: str | None) -> str:
    return "" if text is None else f"<{tag}>{escape(text)}</{tag}>"
