"""One example of each call and state value of coin, trade and statistics: see golden.py."""

from __future__ import annotations

from typing import Any

from chain.books import (
    ASKED,
    BATCHED,
    PAYMENTS,
    REDEMPTIONS,
    UNPAID,
    Payment,
    Redemption,
)
from chain.codec import digest
from chain.contract import Table
from chain.due import DUE, DUES
from chain.keyspaces import (
    BALANCES,
    CAPS,
    ENTRIES,
    FREEZES,
    HOLDS,
    ISSUERS,
    MINTERS,
    OWED,
    PACTS,
    RESERVES,
    SPENT,
    STATEMENTS,
    SUPPLY,
    Entry,
    Freeze,
    Hold,
    Issuer,
    Owed,
    Pact,
    Reserve,
    Statement,
    Supply,
    compute_pact_id,
)
from chain.records import Tag
from chain.state import Keyspace
from chain.stats import SUMS, TABLES
from chain.stats import Table as Month
from contracts import coin, stats, trade
from contracts.coin import (
    BATCHES,
    LIVE,
    BankEntryCall,
    Batch,
    Correct,
    Exchange,
    ExchangeLeg,
    FreezeCall,
    HoldCall,
    Leg,
    Mint,
    PayoutBatch,
    Post,
    PostPart,
    RedeemPaid,
    RedeemRequest,
    SetMinter,
    StatementCall,
    StatementEntry,
    Transfer,
    Void,
)
from contracts.stats import ClosePeriod
from contracts.trade import Pay

TABLE = Table((coin.CONTRACT, trade.CONTRACT, stats.CONTRACT))


def _id(first: int, length: int = 32) -> bytes:
    return bytes(range(first, first + length))


ACCOUNT, PAYEE, RESERVE, ENTRY, REQUEST, OTHER = (
    _id(0, 20),
    _id(20, 20),
    _id(0x40),
    _id(0x60),
    _id(0x80),
    _id(0xA0),
)
DATE = 20_260_102
TAG = Tag("SALE", "P3", "C01", 21)

EXCHANGE = Exchange(
    (
        ExchangeLeg(ACCOUNT, PAYEE, "delfshaven:EUR", 1_250),
        ExchangeLeg(PAYEE, ACCOUNT, "brixton:GBP", 1_360),
    ),
    1_088,
    1_000,
    1_767_261_600,
)

CALLS: tuple[Any, ...] = (
    SetMinter("delfshaven:EUR", 100_000),
    StatementCall(
        RESERVE,
        DATE,
        1,
        2,
        0,
        95_000,
        (
            StatementEntry(ENTRY, DATE, DATE, 100_000, "C", 0),
            StatementEntry(OTHER, DATE, 20_251_231, 5_000, "D", 1),
        ),
    ),
    StatementCall(RESERVE, DATE, 2, 2, 0, 95_000, ()),
    Mint(ENTRY, ACCOUNT, 100_000, "DEPOSIT", None),
    Mint(ENTRY, ACCOUNT, 400, "RETURN", REQUEST),
    BankEntryCall(ENTRY, "CHARGE", None, None),
    BankEntryCall(ENTRY, "PREFUND", OTHER, compute_pact_id("noord", "delfshaven")),
    Transfer((Leg(PAYEE, 1_250, None, OTHER),), None),
    Transfer((Leg(PAYEE, 127, TAG, None), Leg(ACCOUNT, 10**13, None, None)), REQUEST),
    HoldCall(PAYEE, 1_250, 86_400, None, TAG),
    HoldCall(PAYEE, 1_250, 31_536_000, digest(EXCHANGE), None),
    Post((PostPart(REQUEST, 1_000),), None),
    Post((PostPart(REQUEST, 1_250), PostPart(OTHER, 1_360)), EXCHANGE),
    Void(REQUEST),
    Correct(REQUEST, 0, "MONEY", 1_250, None, "RETURNED"),
    Correct(REQUEST, 3, "TAG", 127, TAG, "WRONG-TAG"),
    RedeemRequest(128, OTHER),
    FreezeCall(PAYEE, 1, "FRAUD-REPORT", 1_769_853_600, None),
    FreezeCall(PAYEE, 0, "CLEARED", 0, OTHER),
    PayoutBatch((REQUEST, OTHER), ENTRY, 65_536, None),
    PayoutBatch((REQUEST,), ENTRY, 65_535, OTHER),
    RedeemPaid(REQUEST, ENTRY),
    Pay(PAYEE, 4_294_967_296, None, None),
    Pay(PAYEE, 1_250, TAG, OTHER),
    ClosePeriod("delfshaven", 202_601),
)

STATES: tuple[tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any], ...] = (
    (BALANCES, ("delfshaven:EUR", "2", ACCOUNT), 1_250),
    (BALANCES, ("delfshaven:EUR", "6T", "noord"), 2**53 - 1),
    (SUPPLY, ("delfshaven:EUR",), Supply(100_000, 400, 0, 1_500, 0, 99_600, 0, 1_500)),
    (ISSUERS, ("DEMO",), Issuer("EXEMPT_150", 15_000, 500_000_000, 140_000)),
    (MINTERS, ("delfshaven:EUR",), 0),
    (STATEMENTS, (RESERVE, DATE), Statement(2, 1, 0, 95_000, 100_000, 5_000, OTHER, 7, 3)),
    (RESERVES, (RESERVE,), Reserve("delfshaven", 20_260_101, 0, DATE, 0, 0, 3)),
    (ENTRIES, (ENTRY,), Entry(RESERVE, DATE, 100_000, "C", 0, OTHER, 3)),
    (
        REDEMPTIONS,
        (REQUEST,),
        Redemption(ACCOUNT, "delfshaven:EUR", 400, OTHER, 20_260_105, ENTRY, BATCHED),
    ),
    (
        HOLDS,
        (REQUEST,),
        Hold(ACCOUNT, PAYEE, "delfshaven:EUR", 1_250, 1_767_348_000, OTHER, TAG, "POSTED", 1_000),
    ),
    (
        PAYMENTS,
        (REQUEST, 3),
        Payment(ACCOUNT, PAYEE, "delfshaven:EUR", 1_250, 250, TAG, 20_260_102),
    ),
    (DUE, ("hold", 1), (1_767_348_000, REQUEST)),
    (DUES, ("hold",), 1),
    (ASKED, (ACCOUNT,), ((20_260_105, 20_260_105, 2), (20_260_106, 20_260_210, 1))),
    (FREEZES, (ACCOUNT,), Freeze(1_769_853_600, "FRAUD-REPORT", 1_767_261_600, OTHER)),
    (UNPAID, ("delfshaven:EUR",), ((20_260_105, 2), (20_260_106, 1))),
    (BATCHES, (OTHER,), Batch("delfshaven:EUR", (REQUEST,), ENTRY, 400, LIVE)),
    (SPENT, (OTHER,), 8_000),
    (PACTS, ("delfshaven", "noord"), Pact("PLEDGED", (), 1, 2, 0, 0, 253_402_300_799, 0, "ACTIVE")),
    (CAPS, ("delfshaven", "noord"), 100_000),
    (OWED, ("delfshaven", "noord"), Owed(1_500, 0, 0)),
    (SUMS, ("delfshaven", 202_601, "P1"), -1_250),
    (TABLES, ("delfshaven", 202_601), (Month(41, OTHER, ENTRY, (("P1", 1_250), ("TAX", -21))),)),
)
