"""The treasury's desk for tests: bank statements that follow on, and minting against them."""

from __future__ import annotations

from typing import Any

import msgspec

from audit.findings import Broken
from audit.invariants import find_broken
from chain.books import REDEMPTIONS, Redemption, get_balance, get_supply
from chain.codec import CENTS_MAX, digest
from chain.dates import from_days, to_days
from chain.errors import Code
from chain.keyspaces import MEMBERS, RESERVES, Supply
from chain.records import Outcome, Posting, Tag
from chain.state import State
from contracts.coin import Mint, PayoutBatch, RedeemPaid, SetMinter, StatementCall, StatementEntry
from tests.federation import Ledger, account, reserve

FIRST_DAY = 20_260_101  # genesis statements close the day before
FIN = Tag("FIN", None, None, 0)
PAYOUT = b"\x55" * 32
FILE = b"\x66" * 32


def entry_id(reserve_id: bytes, reference: str) -> bytes:
    """Return the id of a bank entry (economy C4)."""
    return digest(["camt-entry/1", reserve_id, reference, 0])


def line(
    reference: str,
    cents: int,
    side: str = "C",
    *,
    wijk: str = "delfshaven",
    reserve_id: bytes | None = None,
    reversal: int = 0,
    date: int = FIRST_DAY,
) -> StatementEntry:
    """Return a line of a statement, with the id of its reference."""
    name = entry_id(reserve_id or reserve(wijk), reference)
    return StatementEntry(name, date, date, cents, side, reversal)  # type: ignore[arg-type]


class Desk:
    """The bank account of one wijk, day after day, and its two treasurers."""

    def __init__(
        self, ledger: Ledger, wijk: str = "delfshaven", *, reserve_id: bytes | None = None
    ) -> None:
        self.ledger = ledger
        self.wijk = wijk
        self.reserve = reserve_id or reserve(wijk)
        self.requests = 0

    def next_call(self, *lines: StatementEntry, **changes: Any) -> StatementCall:
        """Return the statement of the next day with these lines, on one page."""
        known = RESERVES.get(State(self.ledger.state.get), self.reserve)
        opening = 0 if known is None else known.closing
        last = from_days(to_days(FIRST_DAY) - 1) if known is None else known.date
        closing = opening + sum(e.cents if e.side == "C" else -e.cents for e in lines)
        closing = min(max(0, closing), CENTS_MAX)
        call = StatementCall(
            self.reserve,
            from_days(to_days(last) + 1),
            1,
            1,
            opening,
            min(max(0, closing), CENTS_MAX),
            lines,
        )
        return msgspec.structs.replace(call, **changes)

    def attest(self, *lines: StatementEntry, **changes: Any) -> Outcome:
        """Attest the next day."""
        return self.ledger.by_board(self.wijk, self.next_call(*lines, **changes))

    def allow(self, cents: int) -> Outcome:
        """Let the board set what may be minted."""
        return self.ledger.by_board(self.wijk, SetMinter(f"{self.wijk}:EUR", cents))

    def mint(self, entry: StatementEntry, to: bytes, **changes: Any) -> Outcome:
        """Mint an entry as a deposit of `to`."""
        call = Mint(entry.entry_id, to, entry.cents, "DEPOSIT", None)
        return self.ledger.by_board(self.wijk, msgspec.structs.replace(call, **changes))

    def issue(self, reference: str, cents: int, to: bytes) -> StatementEntry:
        """Attest one credit, allow it and mint it; return the line."""
        entry = line(reference, cents, reserve_id=self.reserve)
        for outcome in (self.attest(entry), self.allow(cents), self.mint(entry, to)):
            assert outcome.code == 0, outcome
        return entry

    def batch(self, *requests: bytes, replaces: bytes | None = None, **changes: Any) -> Outcome:
        """Put requests into a payout batch, with the right total."""
        known = [get_redemption(self.ledger, request) for request in requests]
        call = PayoutBatch(requests, FILE, sum(r.cents for r in known), replaces)
        return self.ledger.by_board(self.wijk, msgspec.structs.replace(call, **changes))

    def paid(self, request: bytes, entry: StatementEntry) -> Outcome:
        """Book a request as paid by a debit."""
        return self.ledger.by_board(self.wijk, RedeemPaid(request, entry.entry_id))


def get_redemption(ledger: Ledger, request: bytes) -> Redemption:
    """Return a redemption that exists."""
    redemption = REDEMPTIONS.get(State(ledger.state.get), request)
    assert redemption is not None
    return redemption


def balance(ledger: Ledger, name: str, wijk: str = "delfshaven", klass: str = "2") -> int:
    """Return what a resident has in a class, in cents."""
    return balance_of(ledger, account(name), wijk, klass)


def balance_of(ledger: Ledger, owner: bytes | str, wijk: str, klass: str) -> int:
    """Return a balance in cents."""
    return get_balance(State(ledger.state.get), f"{wijk}:EUR", klass, owner)


def supply(ledger: Ledger, wijk: str = "delfshaven") -> Supply:
    """Return the supply sums of a wijk's coin."""
    return get_supply(State(ledger.state.get), f"{wijk}:EUR")


def change(ledger: Ledger, space: Any, *parts: Any, **changes: Any) -> None:
    """Write changed fields of a record straight into the state, in a block of its own."""
    run = ledger.run()
    record = space.get(run.state, *parts)
    space.put(run.state, msgspec.structs.replace(record, **changes), *parts)
    ledger.apply(run)


def put(ledger: Ledger, space: Any, value: Any, *parts: Any) -> None:
    """Write a value straight into the state, in a block of its own."""
    run = ledger.run()
    space.put(run.state, value, *parts)
    ledger.apply(run)


def limit(ledger: Ledger, name: str, cents: int, *, auto_redeem: int = 0) -> None:
    """Set what a resident may hold."""
    change(ledger, MEMBERS, account(name), limit=cents, auto_redeem=auto_redeem)


def broken(ledger: Ledger) -> list[Broken]:
    """Return the invariants that the chain so far breaks."""
    postings: list[Posting] = list(ledger.genesis.postings)
    for block in ledger.blocks:
        for outcome in (*block.start, *block.outcomes):
            postings.extend(outcome.postings)
    return find_broken(ledger.genesis, postings, ledger.state, ledger.time_s)


def booked(outcome: Outcome) -> list[tuple[Any, ...]]:
    """Return the bookings of an outcome: (denom, debit place, credit place, cents, tag)."""
    pairs = []
    for debit, credit in zip(outcome.postings[::2], outcome.postings[1::2], strict=True):
        assert (debit.side, credit.side, debit.leg) == ("D", "C", credit.leg)
        assert (debit.denom, debit.cents, debit.tag) == (credit.denom, credit.cents, credit.tag)
        pairs.append(
            (
                debit.denom,
                (debit.klass, debit.owner),
                (credit.klass, credit.owner),
                debit.cents,
                debit.tag,
            )
        )
    return pairs


def assert_done(outcome: Outcome) -> Outcome:
    """Assert that a call was carried out, and return its outcome."""
    assert outcome.code == 0, outcome
    return outcome


def assert_refused(outcome: Outcome, code: Code, **params: int | str) -> None:
    """Assert that a call was refused with `code` and these params, and booked nothing."""
    assert outcome.code == code.number, (outcome.code, outcome.params)
    assert outcome.postings == ()
    assert outcome.notices == ()
    assert params.items() <= dict(outcome.params).items(), outcome.params
