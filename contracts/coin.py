"""Coin: attest bank statements, issue against them, transfer, redeem (economy C1..C20).

Handlers check in the order in which the catalogue lists their refusals (economy B7): first what
holds for all calls (unknown account, unknown id, text, amount), then the call's own row.
"""

from typing import Annotated, Literal

import msgspec

from chain.books import (
    BALANCE_CENTS_MAX,
    BANK,
    BATCHED,
    COST,
    FIN,
    INCOME,
    OPEN,
    PAID,
    PENDING_OUT,
    REDEMPTIONS,
    RETURNED,
    Payee,
    Redemption,
    add_to_outstanding,
    add_to_supply,
    book,
    check_balance,
    check_contracted,
    check_not_frozen,
    check_room,
    check_tag,
    check_total_cap,
    close_redemption,
    credit_payee,
    get_balance,
    get_payee,
    get_payer,
    is_overdue,
    open_redemption,
)
from chain.codec import Account, Bit, Cents, Digest, Record, Uint
from chain.contract import Call, Context, Contract, Word, get_account, require_amount
from chain.dates import is_date
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACTIVE,
    BOARD,
    DECISIONS,
    ENTRIES,
    MINTERS,
    RESERVES,
    SPENT,
    STATEMENTS,
    WIJKEN,
    Entry,
    Reserve,
    Statement,
)
from chain.records import Tag
from chain.state import Keyspace

LEGS_MAX = 64  # economy section 4: the net pay of a small firm in one transaction
PAGE_ENTRIES_MAX = 500  # economy section 4: about 27 kB, below the size of a transaction
PAGES_MAX = 1_000  # half a million entries a day: more than any wijk has
BATCH_REQUESTS_MAX = 200  # economy section 4

DEPOSIT, RETURN = "DEPOSIT", "RETURN"
CREDIT, DEBIT = "C", "D"
LIVE, REPLACED = "LIVE", "REPLACED"

Date = Annotated[int, msgspec.Meta(ge=19_700_101, le=99_991_231)]
Page = Annotated[int, msgspec.Meta(ge=1, le=PAGES_MAX)]


class Batch(Record, frozen=True):
    """`batch/<id>`: payouts in one pain.001 file, whose SHA-256 is `file` (economy C14)."""

    denom: str
    requests: tuple[Digest, ...]
    file: Digest
    total: Uint
    status: str


BATCHES: Keyspace[Batch] = Keyspace("batch", Batch, 1)


class SetMinter(Record, frozen=True, tag="coin.set_minter"):
    """What the treasury may still mint, in cents; set by the board."""

    denom: Annotated[str, msgspec.Meta(max_length=64)]
    allowance: Cents


class StatementEntry(Record, frozen=True):
    """A bank entry as attested: its id (economy C4), days YYYYMMDD, cents, side, reversal."""

    entry_id: Digest
    booking: Date
    value: Date
    cents: Cents
    side: Literal["C", "D"]
    reversal: Bit


class StatementCall(Record, frozen=True, tag="coin.statement"):
    """C5: a page of a bank statement; `page` counts from 1, balances are of the whole day."""

    reserve: Digest
    date: Date
    page: Page
    pages: Page
    opening: Cents
    closing: Cents
    entries: Annotated[tuple[StatementEntry, ...], msgspec.Meta(max_length=PAGE_ENTRIES_MAX)]


class Mint(Record, frozen=True, tag="coin.mint"):
    """C6, C16: coin for a credit in the bank, or for a payout that the bank sent back."""

    entry_id: Digest
    to: Account
    cents: Cents
    cause: Literal["DEPOSIT", "RETURN"]
    request: Digest | None


class Leg(Record, frozen=True):
    """One payee of a transfer; `note` is a commitment to the memo."""

    to: Account
    cents: Cents
    tag: Tag | None
    note: Digest | None


class Transfer(Record, frozen=True, tag="coin.transfer"):
    """C9: pay one or more payees of the own wijk, all or none; a fund names its `basis`."""

    legs: Annotated[tuple[Leg, ...], msgspec.Meta(min_length=1, max_length=LEGS_MAX)]
    basis: Digest | None


class RedeemRequest(Record, frozen=True, tag="coin.redeem_request"):
    """C13: coin back for euros; `payout` commits to the holder's verified bank account."""

    cents: Cents
    payout: Digest


class PayoutBatch(Record, frozen=True, tag="coin.payout_batch"):
    """C14: requests that one pain.001 file pays; `replaces` names a batch it stands in for."""

    requests: Annotated[
        tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=BATCH_REQUESTS_MAX)
    ]
    file: Digest
    total: Cents
    replaces: Digest | None


class RedeemPaid(Record, frozen=True, tag="coin.redeem_paid"):
    """C15: a request that the bank has paid, with the debit that shows it."""

    request: Digest
    entry_id: Digest


def set_minter(ctx: Context, call: SetMinter) -> None:
    """Set what may still be minted. Refuses denom, not-treasury."""
    slug, _, _ = call.denom.partition(":")
    wijk = WIJKEN.get(ctx.state, slug)
    known = wijk is not None and wijk.denom(slug) == call.denom
    require(known, Code.COIN_DENOM)
    require(call.denom == ctx.denom, Code.COIN_NOT_TREASURY)
    MINTERS.put(ctx.state, call.allowance, call.denom)
    ctx.emit("coin.MinterSet", call.denom, call.allowance)


def statement(ctx: Context, call: StatementCall) -> None:
    """economy C5. Refuses gap, opening, sum, seen-entry, unknown-reserve.

    Pages come in order. Page 1 sent again before the last one is in starts the day over: what
    the earlier pages said counts no more, so a mistake in one of them can be mended.
    """
    found = RESERVES.get(ctx.state, call.reserve)
    reserve = found or Reserve(ctx.wijk_id, 0, 0, 0, 0, 0, 0)
    before = _get_before(ctx, call, reserve)
    paid_in, paid_out = _get_sums(call, before, reserve)
    _check_unseen(ctx, call)
    pledged = (call.reserve, ctx.wijk_id) in _get_pledges(ctx)
    require(pledged and reserve.wijk == ctx.wijk_id, Code.COIN_UNKNOWN_RESERVE)

    if call.page == 1 and reserve.open_date:
        STATEMENTS.delete(ctx.state, call.reserve, reserve.open_date)
    page = msgspec.structs.replace(
        before,
        pages_done=call.page,
        credits=paid_in,
        debits=paid_out,
        id=ctx.tx_id,
        height=ctx.height,
    )
    STATEMENTS.put(ctx.state, page, call.reserve, call.date)
    for line in call.entries:
        entry = Entry(
            call.reserve, call.date, line.cents, line.side, line.reversal, None, page.number
        )
        ENTRIES.put(ctx.state, entry, line.entry_id)
    if call.page < call.pages:
        after = msgspec.structs.replace(reserve, open_date=call.date, begun=page.number)
    else:
        after = Reserve(
            reserve.wijk,
            call.date,
            call.closing,
            0,
            reserve.open_credits + paid_in,
            reserve.open_debits + paid_out,
            page.number,
        )
    RESERVES.put(ctx.state, after, call.reserve)
    ctx.emit("coin.StatementPosted", call.reserve, call.date, call.page, call.pages, call.closing)


def _get_before(ctx: Context, call: StatementCall, reserve: Reserve) -> Statement:
    """Return the statement as it stands before this page, or refuse with gap or opening."""
    exist = is_date(call.date) and all(
        is_date(line.booking) and is_date(line.value) for line in call.entries
    )
    require(exist and call.page <= call.pages, Code.COIN_GAP)
    if call.page == 1:
        require(call.date > reserve.date, Code.COIN_GAP)
        _check_opening(call, reserve.closing)
        number = reserve.begun + 1
        return Statement(call.pages, 0, call.opening, call.closing, 0, 0, ctx.tx_id, 0, number)
    begun = STATEMENTS.get(ctx.state, call.reserve, call.date)
    if begun is None or reserve.open_date != call.date:
        raise Reject(Code.COIN_GAP)
    follows = (call.page, call.pages) == (begun.pages_done + 1, begun.pages)
    require(follows, Code.COIN_GAP)
    _check_opening(call, begun.opening)
    return begun


def _check_opening(call: StatementCall, expected: int) -> None:
    require(
        call.opening == expected,
        Code.COIN_OPENING,
        opening_cents=call.opening,
        expected_cents=expected,
    )


def _get_sums(call: StatementCall, before: Statement, reserve: Reserve) -> tuple[int, int]:
    """Return the credits and debits up to this page, or refuse with sum."""
    paid_in = before.credits + sum(line.cents for line in call.entries if line.side == CREDIT)
    paid_out = before.debits + sum(line.cents for line in call.entries if line.side == DEBIT)
    total = before.opening + paid_in - paid_out
    require(call.closing == before.closing, Code.COIN_SUM)
    if call.page == call.pages:
        require(total == call.closing, Code.COIN_SUM, sum_cents=total)
    # What stays open is kept as a sum, and no sum of the books reaches 2^53 (economy B8).
    require(reserve.open_credits + paid_in <= BALANCE_CENTS_MAX, Code.COIN_SUM)
    require(reserve.open_debits + paid_out <= BALANCE_CENTS_MAX, Code.COIN_SUM)
    return paid_in, paid_out


def _check_unseen(ctx: Context, call: StatementCall) -> None:
    """Refuse an entry that a statement already holds, unless that one was started over (C4).

    Page 1 starts over: what an unfinished statement of this reserve holds may come again.
    """
    seen: set[bytes] = set()
    for line in call.entries:
        entry = ENTRIES.get(ctx.state, line.entry_id)
        holds = entry is not None and _is_held(ctx, entry, call)
        require(not holds and line.entry_id not in seen, Code.COIN_SEEN_ENTRY)
        seen.add(line.entry_id)


def _is_held(ctx: Context, entry: Entry, call: StatementCall) -> bool:
    """Say whether a statement holds `entry` which this page does not start over."""
    held = STATEMENTS.get(ctx.state, entry.reserve, entry.date)
    if held is None or held.number != entry.number:
        return False
    starts_over = call.page == 1 and call.reserve == entry.reserve
    return not (starts_over and held.pages_done < held.pages)


def _get_pledges(ctx: Context) -> tuple[tuple[bytes | str, ...], ...]:
    """Return the rows (reserve id, wijk) of the parameter `reserves` (economy C5)."""
    rows = ctx.clock.param("reserves")
    assert isinstance(rows, tuple)
    return rows


def mint(ctx: Context, call: Mint) -> None:
    """economy C6, C16. Refuses no-entry, used, amount, side, currency, other-wijk, allowance,
    mode-cap, wallet-limit, frozen, blocked; a return first unknown-id.
    """
    payee = get_payee(ctx, call.to)
    returned = _get_returned(ctx, call)
    require_amount(call.cents)
    entry, reserve = _get_attested(ctx, call.entry_id, Code.COIN_NO_ENTRY)
    require(entry.used_by is None, Code.COIN_USED, entry=call.entry_id.hex())
    again = returned is not None and returned.status == RETURNED
    require(not again, Code.COIN_USED, entry=call.entry_id.hex())
    _check_cents(call.cents, entry.cents)
    if returned is not None:
        _check_cents(call.cents, returned.cents)
    require(entry.side == CREDIT and not entry.reversal, Code.COIN_SIDE)
    require(payee.wijk.currency == ctx.wijk.currency, Code.COIN_CURRENCY)
    require(payee.account.wijk == ctx.wijk_id, Code.COIN_OTHER_WIJK, wijk=payee.account.wijk)
    allowance = MINTERS.get(ctx.state, payee.denom) or 0
    if returned is None:
        require(call.cents <= allowance, Code.COIN_ALLOWANCE, remaining_cents=allowance)
        allowance -= call.cents
    check_total_cap(payee.issuer, call.cents)
    excess = check_room(ctx, payee, call.cents)
    require(payee.account.status == ACTIVE, Code.COIN_FROZEN)
    blocked = is_overdue(ctx, payee.denom) or _is_short(ctx, payee.denom)
    require(not blocked, Code.COIN_BLOCKED)

    if returned is None:
        MINTERS.put(ctx.state, allowance, payee.denom)
    elif call.request is not None:
        back = msgspec.structs.replace(returned, status=RETURNED)
        REDEMPTIONS.put(ctx.state, back, call.request)
    ENTRIES.put(ctx.state, msgspec.structs.replace(entry, used_by=ctx.tx_id), call.entry_id)
    left = reserve.open_credits - call.cents
    RESERVES.put(ctx.state, msgspec.structs.replace(reserve, open_credits=left), entry.reserve)
    add_to_supply(ctx, payee.denom, issued=call.cents)
    add_to_outstanding(ctx, payee.wijk.issuer, call.cents)
    ctx.emit("coin.Minted", call.entry_id, call.to, call.cents, call.cause, allowance)
    credit_payee(ctx, (BANK, entry.reserve), payee, call.cents, excess, tag=FIN)


def _get_returned(ctx: Context, call: Mint) -> Redemption | None:
    """Return the paid request that a return cites, or refuse with unknown-id (economy C16)."""
    if call.cause == DEPOSIT:
        require(call.request is None, Code.TX_UNKNOWN_ID)
        return None
    request = REDEMPTIONS.get(ctx.state, call.request) if call.request is not None else None
    if request is None or request.account != call.to or request.denom != ctx.denom:
        raise Reject(Code.TX_UNKNOWN_ID)
    require(request.status in (PAID, RETURNED), Code.TX_UNKNOWN_ID)
    return request


def _get_attested(ctx: Context, entry_id: bytes, otherwise: Code) -> tuple[Entry, Reserve]:
    """Return an entry in an accepted statement of this wijk, and its reserve, or refuse."""
    entry = ENTRIES.get(ctx.state, entry_id)
    if entry is None:
        raise Reject(otherwise)
    held = STATEMENTS.get(ctx.state, entry.reserve, entry.date)
    reserve = RESERVES.get(ctx.state, entry.reserve)
    if held is None or held.number != entry.number or reserve is None:
        raise Reject(otherwise)
    require(held.pages_done == held.pages and reserve.wijk == ctx.wijk_id, otherwise)
    return entry, reserve


def _check_cents(cents: int, expected: int) -> None:
    require(cents == expected, Code.COIN_AMOUNT, amount_cents=cents, expected_cents=expected)


def _is_short(ctx: Context, denom: str) -> bool:
    """Say whether open debits exceed income - cost, the flag SHORT (economy C17, I4)."""
    debits = 0
    for reserve_id, wijk in _get_pledges(ctx):
        if wijk == ctx.wijk_id:
            reserve = RESERVES.get(ctx.state, reserve_id)
            debits += reserve.open_debits if reserve is not None else 0
    income = get_balance(ctx.state, denom, INCOME, ctx.wijk_id)
    return debits > income - get_balance(ctx.state, denom, COST, ctx.wijk_id)


def transfer(ctx: Context, call: Transfer) -> None:
    """economy C9. Refuses low-balance, wallet-limit, frozen, other-wijk, not-contracted,
    no-basis, self.
    """
    payer = get_payer(ctx)
    payees = [get_payee(ctx, leg.to, payer) for leg in call.legs]
    total = 0
    for leg in call.legs:
        require_amount(leg.cents)
        if leg.tag is not None:
            check_tag(leg.tag, leg.cents)
        total += leg.cents
    check_balance(ctx, payer, total)
    excesses = _check_rooms(ctx, call.legs, payees)
    check_not_frozen(ctx, payer.id, payer.account)
    for payee in payees:
        if payee.account.wijk != payer.account.wijk:
            raise Reject(Code.COIN_OTHER_WIJK, wijk=payee.account.wijk)
    for payee in payees:
        check_contracted(payee)
    spent = _check_basis(ctx, payer.account.kind == BOARD, call.basis, total)
    if any(leg.to == ctx.sender for leg in call.legs):
        raise Reject(Code.COIN_SELF)

    if call.basis is not None:
        SPENT.put(ctx.state, spent, call.basis)
    source = payer.place
    for leg, payee, excess in zip(call.legs, payees, excesses, strict=True):
        credit_payee(ctx, source, payee, leg.cents, excess, tag=leg.tag, decision=call.basis)
    ctx.emit("coin.Transferred", ctx.sender, total, len(call.legs))


def _check_rooms(ctx: Context, legs: tuple[Leg, ...], payees: list[Payee]) -> list[int]:
    """Return per leg what passes the payee's limit; legs to one payee count together (C8)."""
    if len(legs) == 1:
        return [check_room(ctx, payees[0], legs[0].cents)]
    coming: dict[bytes, int] = {}
    excesses = []
    for leg, payee in zip(legs, payees, strict=True):
        before = coming.get(leg.to, 0)
        excess = check_room(ctx, payee, leg.cents, before)
        coming[leg.to] = before + leg.cents - excess
        excesses.append(excess)
    return excesses


def _check_basis(ctx: Context, is_fund: bool, basis: bytes | None, total: int) -> int:
    """Return what will be spent on `basis`, in cents, or refuse with no-basis (I11, E35).

    A fund payment rests on a carried out decision of its wijk with room left on it; a payment
    by anybody else rests on none.
    """
    if is_fund != (basis is not None):
        raise Reject(Code.COIN_NO_BASIS)
    if basis is None:
        return 0
    decision = DECISIONS.get(ctx.state, basis)
    if decision is None or decision.wijk != ctx.wijk_id or decision.status != "EXECUTED":
        raise Reject(Code.COIN_NO_BASIS)
    spent = SPENT.get(ctx.state, basis) or 0
    room = max(0, decision.cents - spent)
    require(total <= room, Code.COIN_NO_BASIS, remaining_cents=room)
    return spent + total


def redeem_request(ctx: Context, call: RedeemRequest) -> None:
    """economy C13, C19. Refuses low-balance, and nothing else: never frozen, never tripped."""
    require_amount(call.cents)
    payer = get_payer(ctx)
    check_balance(ctx, payer, call.cents)
    open_redemption(ctx, payer, call.cents, call.payout)


def payout_batch(ctx: Context, call: PayoutBatch) -> None:
    """economy C14. Refuses unknown-id, batched, total, paid, frozen."""
    requests = []
    for request in call.requests:
        redemption = REDEMPTIONS.get(ctx.state, request)
        if redemption is None or redemption.denom != ctx.denom:
            raise Reject(Code.TX_UNKNOWN_ID, id=request.hex())
        requests.append(redemption)
    replaced = _get_replaced(ctx, call.replaces)
    for request, redemption in zip(call.requests, requests, strict=True):
        elsewhere = redemption.status == BATCHED and redemption.batch != call.replaces
        require(not elsewhere, Code.COIN_BATCHED, request=request.hex())
    twice = len(set(call.requests)) < len(call.requests)
    require(not twice, Code.COIN_BATCHED)
    total = sum(redemption.cents for redemption in requests)
    require(total == call.total, Code.COIN_TOTAL, total_cents=call.total, expected_cents=total)
    for request, redemption in zip(call.requests, requests, strict=True):
        unpaid = redemption.status in (OPEN, BATCHED)
        require(unpaid, Code.COIN_PAID, request=request.hex())
    for redemption in requests:
        check_not_frozen(ctx, redemption.account, get_account(ctx, redemption.account))

    batch_id = ctx.new_id()
    if replaced is not None and call.replaces is not None:
        _set_aside(ctx, call.replaces, replaced)
    for request, redemption in zip(call.requests, requests, strict=True):
        batched = msgspec.structs.replace(redemption, batch=batch_id, status=BATCHED)
        REDEMPTIONS.put(ctx.state, batched, request)
    batch = Batch(ctx.denom, call.requests, call.file, call.total, LIVE)
    BATCHES.put(ctx.state, batch, batch_id)
    ctx.emit("coin.PayoutBatched", batch_id, len(requests), call.total, call.file, call.replaces)


def _get_replaced(ctx: Context, batch_id: bytes | None) -> Batch | None:
    """Return the live batch of this wijk that is to be replaced, or refuse with unknown-id."""
    if batch_id is None:
        return None
    batch = BATCHES.get(ctx.state, batch_id)
    if batch is None or batch.denom != ctx.denom or batch.status != LIVE:
        raise Reject(Code.TX_UNKNOWN_ID, id=batch_id.hex())
    return batch


def _set_aside(ctx: Context, batch_id: bytes, batch: Batch) -> None:
    """Take a batch out of use: its unpaid requests are in no batch any more (economy C14)."""
    BATCHES.put(ctx.state, msgspec.structs.replace(batch, status=REPLACED), batch_id)
    for request in batch.requests:
        redemption = REDEMPTIONS.get(ctx.state, request)
        assert redemption is not None, "a batch holds requests that exist"
        if redemption.status == BATCHED:
            free = msgspec.structs.replace(redemption, batch=None, status=OPEN)
            REDEMPTIONS.put(ctx.state, free, request)


def redeem_paid(ctx: Context, call: RedeemPaid) -> None:
    """economy C15. Refuses unknown-id, used, amount, side, not-batched, low-balance."""
    redemption = REDEMPTIONS.get(ctx.state, call.request)
    if redemption is None or redemption.denom != ctx.denom:
        raise Reject(Code.TX_UNKNOWN_ID, id=call.request.hex())
    entry, reserve = _get_attested(ctx, call.entry_id, Code.TX_UNKNOWN_ID)
    require(entry.used_by is None, Code.COIN_USED, entry=call.entry_id.hex())
    _check_cents(entry.cents, redemption.cents)
    require(entry.side == DEBIT and not entry.reversal, Code.COIN_SIDE)
    require(redemption.status == BATCHED, Code.COIN_NOT_BATCHED, request=call.request.hex())
    # Paid from deposits that nobody minted: class 1 is never below zero, so this debit stays open
    # until a contribution covers it (C17).
    held = get_balance(ctx.state, redemption.denom, BANK, entry.reserve)
    require(
        held >= entry.cents, Code.COIN_LOW_BALANCE, balance_cents=held, amount_cents=entry.cents
    )

    ENTRIES.put(ctx.state, msgspec.structs.replace(entry, used_by=ctx.tx_id), call.entry_id)
    left = reserve.open_debits - entry.cents
    RESERVES.put(ctx.state, msgspec.structs.replace(reserve, open_debits=left), entry.reserve)
    book(
        ctx,
        ctx.wijk_id,
        redemption.denom,
        (PENDING_OUT, redemption.account),
        (BANK, entry.reserve),
        entry.cents,
        tag=FIN,
    )
    add_to_supply(ctx, redemption.denom, redeemed=entry.cents)
    add_to_outstanding(ctx, ctx.wijk.issuer, -entry.cents)
    close_redemption(ctx, call.request, redemption)
    ctx.emit("coin.Redeemed", call.request, redemption.account, entry.cents, call.entry_id)


CONTRACT = Contract(
    "coin",
    calls=(
        Call(SetMinter, (Word.BOARD,), set_minter),
        Call(StatementCall, (Word.TREASURY,), statement, winds_up=True),
        Call(Mint, (Word.TREASURY,), mint),
        Call(Transfer, (Word.HOLDER,), transfer),
        Call(RedeemRequest, (Word.HOLDER,), redeem_request, never_tripped=True, winds_up=True),
        Call(PayoutBatch, (Word.TREASURY,), payout_batch, winds_up=True),
        Call(RedeemPaid, (Word.TREASURY,), redeem_paid, winds_up=True),
    ),
)
