"""Issue: coin for bank money that came in, never more than the board allowed (economy C6, C16)."""

from typing import Annotated, Literal

import msgspec

from chain.books import (
    BANK,
    FIN,
    PAID,
    REDEMPTIONS,
    RETURNED,
    Redemption,
    add_to_outstanding,
    add_to_supply,
    check_room,
    check_total_cap,
    credit_payee,
    get_payee,
    is_overdue,
)
from chain.codec import Account, Cents, Digest, Record
from chain.contract import Context, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import ACTIVE, MINTERS, WIJKEN
from contracts.coin.bank_day import CREDIT, check_cents, get_attested, is_short, use_entry

DEPOSIT, RETURN = "DEPOSIT", "RETURN"


class SetMinter(Record, frozen=True, tag="coin.set_minter"):
    """What the treasury may still mint, in cents; set by the board."""

    denom: Annotated[str, msgspec.Meta(max_length=64)]
    allowance: Cents


class Mint(Record, frozen=True, tag="coin.mint"):
    """C6, C16: coin for a credit in the bank, or for a payout that the bank sent back."""

    entry_id: Digest
    to: Account
    cents: Cents
    cause: Literal["DEPOSIT", "RETURN"]
    request: Digest | None


def set_minter(ctx: Context, call: SetMinter) -> None:
    """Set what may still be minted. Refuses denom, not-treasury."""
    slug, _, _ = call.denom.partition(":")
    wijk = WIJKEN.get(ctx.state, slug)
    known = wijk is not None and wijk.denom(slug) == call.denom
    require(known, Code.COIN_DENOM)
    require(call.denom == ctx.denom, Code.COIN_NOT_TREASURY)
    MINTERS.put(ctx.state, call.allowance, call.denom)
    ctx.emit("coin.MinterSet", call.denom, call.allowance)


def mint(ctx: Context, call: Mint) -> None:
    """economy C6, C16. Refuses no-entry, used, amount, side, currency, other-wijk, allowance,
    mode-cap, wallet-limit, frozen, blocked; a return first unknown-id.
    """
    payee = get_payee(ctx, call.to)
    returned = _get_returned(ctx, call)
    require_amount(call.cents)
    entry, _ = get_attested(ctx, call.entry_id, Code.COIN_NO_ENTRY)
    require(entry.used_by is None, Code.COIN_USED, entry=call.entry_id.hex())
    again = returned is not None and returned.status == RETURNED
    require(not again, Code.COIN_USED, entry=call.entry_id.hex())
    check_cents(call.cents, entry.cents)
    if returned is not None:
        check_cents(call.cents, returned.cents)
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
    blocked = is_overdue(ctx, payee.denom) or is_short(ctx, payee.denom)
    require(not blocked, Code.COIN_BLOCKED)

    if returned is None:
        MINTERS.put(ctx.state, allowance, payee.denom)
    elif call.request is not None:
        back = msgspec.structs.replace(returned, status=RETURNED)
        REDEMPTIONS.put(ctx.state, back, call.request)
    use_entry(ctx, call.entry_id, entry)
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
