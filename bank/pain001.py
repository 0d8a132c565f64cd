"""Payouts for the bank, ISO 20022 pain.001.001.09, from typed values (economy C14).

The file pays requests out of the reserve account. It holds names and account numbers, so it lives
at the payout desk alone: the chain gets its SHA-256 and the total. The same values give the same
bytes: ids are made from the requests, and the moment comes in as a value.

No address stands in it: SEPA needs none, and an unstructured one is not allowed any more.
"""

import base64
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from bank.reference import is_iban
from chain.codec import digest

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAYMENTS_MAX = 200  # economy section 4, `coin.payout_batch`
CENTS_MAX = 99_999_999_999  # SEPA: at most 999,999,999.99
NAME_CHARS_MAX = 70  # SEPA, of names
REQUEST_BYTES = 32

# What every bank in SEPA takes in a name; all else becomes a point.
_SEPA = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
_NO_BIC = "NOTPROVIDED"  # SEPA: the IBAN says which bank it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """One request to pay: its id on the chain, the holder's account and name, cents."""

    request: bytes
    iban: str = field(repr=False)
    name: str = field(repr=False)
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Debtor:
    """The reserve account that pays."""

    iban: str = field(repr=False)
    name: str


def end_to_end_id(request: bytes) -> str:
    """Return the EndToEndId of a request, by which the debit is found again (economy C14, C15)."""
    return "W" + _base32(request)


def write_payouts(
    payouts: Sequence[Payout], debtor: Debtor, *, pay_on: str, made_at: str, currency: str = "EUR"
) -> bytes:
    """Return the file of a batch, UTF-8.

    `pay_on` is the day of execution, `YYYY-MM-DD`; `made_at` the moment, `YYYY-MM-DDThh:mm:ss`.
    Raise `ValueError` for what no bank would take: an IBAN that is none, an amount out of bounds,
    a request twice, or more than `PAYMENTS_MAX` of them.
    """
    _check(payouts, debtor)
    name = "W" + _base32(digest([payout.request for payout in payouts]))
    count = len(payouts)
    total = _amount(sum(payout.cents for payout in payouts))
    who = _name(debtor.name)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Document xmlns="{NAMESPACE}"><CstmrCdtTrfInitn>',
        f"<GrpHdr><MsgId>{name}</MsgId><CreDtTm>{escape(made_at)}</CreDtTm>",
        f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>",
        f"<InitgPty><Nm>{who}</Nm></InitgPty></GrpHdr>",
        f"<PmtInf><PmtInfId>{name}</PmtInfId><PmtMtd>TRF</PmtMtd>",
        f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>",
        "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>",
        f"<ReqdExctnDt><Dt>{escape(pay_on)}</Dt></ReqdExctnDt>",
        f"<Dbtr><Nm>{who}</Nm></Dbtr>",
        f"<DbtrAcct><Id><IBAN>{debtor.iban}</IBAN></Id><Ccy>{escape(currency)}</Ccy></DbtrAcct>",
        f"<DbtrAgt><FinInstnId><Othr><Id>{_NO_BIC}</Id></Othr></FinInstnId></DbtrAgt>",
        "<ChrgBr>SLEV</ChrgBr>",
        *(_write_one(payout, escape(currency)) for payout in payouts),
        "</PmtInf></CstmrCdtTrfInitn></Document>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _write_one(payout: Payout, currency: str) -> str:
    name = end_to_end_id(payout.request)
    return (
        f"<CdtTrfTxInf><PmtId><EndToEndId>{name}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="{currency}">{_amount(payout.cents)}</InstdAmt></Amt>'
        f"<Cdtr><Nm>{_name(payout.name)}</Nm></Cdtr>"
        f"<CdtrAcct><Id><IBAN>{payout.iban}</IBAN></Id></CdtrAcct></CdtTrfTxInf>"
    )


def _check(payouts: Sequence[Payout], debtor: Debtor) -> None:
    if not 1 <= len(payouts) <= PAYMENTS_MAX:
        raise ValueError(f"a batch has 1 to {PAYMENTS_MAX} payouts, not {len(payouts)}")
    if len({payout.request for payout in payouts}) < len(payouts):
        raise ValueError("a request stands in the batch twice")
    if not is_iban(debtor.iban):
        raise ValueError("the account that pays has no valid IBAN")
    for place, payout in enumerate(payouts):
        if len(payout.request) != REQUEST_BYTES:
            raise ValueError(f"payout {place} has no request")
        if not is_iban(payout.iban):
            raise ValueError(f"payout {place} goes to no valid IBAN")
        if not 1 <= payout.cents <= CENTS_MAX:
            raise ValueError(f"payout {place} is of {payout.cents} cents")
    if sum(payout.cents for payout in payouts) > CENTS_MAX:
        raise ValueError("the batch is larger than SEPA takes")


def _name(text: str) -> str:
    """Return a name as SEPA takes it: plain letters, at most 70, never empty."""
    plain = "".join(
        letter if letter in _SEPA else "."
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )
    return escape(plain[:NAME_CHARS_MAX].strip() or ".")


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _base32(data: bytes) -> str:
    """Return the first 16 bytes in base32: 26 characters, upper case."""
    return base64.b32encode(data[:16]).decode().rstrip("=")
