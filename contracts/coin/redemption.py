"""Redemption: coin back for euros, free, at par, which nothing can block (economy C13..C15)."""

from typing import Annotated

import msgspec

from chain.books import (
    BANK,
    BATCHED,
    FIN,
    OPEN,
    PENDING_OUT,
    REDEMPTIONS,
    add_to_outstanding,
    add_to_supply,
    book,
    check_balance,
    check_not_frozen,
    close_redemption,
    get_balance,
    get_payer,
    open_redemption,
)
from chain.codec import Cents, Digest, Record, Uint
from chain.contract import Context, get_account, require_amount
from chain.errors import Code, Reject, require
from chain.state import Keyspace
from contracts.coin.bank_day import DEBIT, check_cents, get_attested, use_entry

BATCH_REQUESTS_MAX = 200  # economy section 4

LIVE, REPLACED = "LIVE", "REPLACED"


class Batch(Record, frozen=True):
    """`batch/<id>`: payouts in one pain.001 file, whose SHA-256 is `file` (economy C14)."""

    denom: str
    requests: tuple[Digest, ...]
    file: Digest
    total: Uint
    status: str


BATCHES: Keyspace[Batch] = Keyspace("batch", Batch, 1)


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
    entry, _ = get_attested(ctx, call.entry_id, Code.TX_UNKNOWN_ID)
    require(entry.used_by is None, Code.COIN_USED, entry=call.entry_id.hex())
    check_cents(entry.cents, redemption.cents)
    require(entry.side == DEBIT and not entry.reversal, Code.COIN_SIDE)
    require(redemption.status == BATCHED, Code.COIN_NOT_BATCHED, request=call.request.hex())
    # Paid from deposits that nobody minted: class 1 is never below zero, so this debit stays open
    # until a contribution covers it (C17).
    held = get_balance(ctx.state, redemption.denom, BANK, entry.reserve)
    require(
        held >= entry.cents, Code.COIN_LOW_BALANCE, balance_cents=held, amount_cents=entry.cents
    )

    use_entry(ctx, call.entry_id, entry)
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
