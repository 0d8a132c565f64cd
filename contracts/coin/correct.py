"""Corrections: an original is never edited, a new booking cites it (economy C18, I9).

MONEY gives coin back from payee to payer, in any month; all corrections of a payment together never
exceed it. What that changes in a closed month stays in its sums, for a restatement to show.
TAG books the payment back and anew under another tag; from then on the new booking is the one to
correct. What was paid stays in the log for ever; consensus remembers the payments that carry a tag.
"""

from typing import Annotated, Literal

import msgspec

from chain.books import (
    PAYMENTS,
    Payee,
    Payment,
    Place,
    book,
    check_not_frozen,
    check_room,
    check_tag,
    credit_payee,
    get_balance,
    get_payee,
    note_payment,
)
from chain.codec import Cents, Digest, Record, Uint
from chain.contract import Context, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD
from chain.records import Tag
from chain.stats import Buyer, count_payment, is_closed
from chain.text_rules import is_code

MONEY, TAG = "MONEY", "TAG"


class Correct(Record, frozen=True, tag="coin.correct"):
    """C18: correct a payment, named by its transaction and the leg of its booking there."""

    transaction_id: Digest
    leg: Uint
    kind: Literal["MONEY", "TAG"]
    cents: Cents
    tag: Tag | None
    reason: Annotated[str, msgspec.Meta(max_length=24)]


def correct(ctx: Context, call: Correct) -> None:
    """economy C18. Refuses unknown-id, amount, text, exceeds, low-balance, closed-period,
    not-party; frozen, wallet-limit; no-basis for what would take coin out of a fund.

    An arbiter corrects after a dispute; there is no call yet that makes one.
    """
    paid = PAYMENTS.get(ctx.state, call.transaction_id, call.leg)
    if paid is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=call.transaction_id.hex())
    require_amount(call.cents)
    check_tag(call.tag, call.cents)
    require((call.kind == TAG) == (call.tag is not None), Code.TX_TEXT)
    require(is_code(call.reason), Code.TX_TEXT)
    left = paid.cents - paid.corrected
    fits = call.cents <= left if call.kind == MONEY else call.cents == left
    require(fits, Code.COIN_EXCEEDS, remaining_cents=left)
    payer, payee = get_payee(ctx, paid.payer), get_payee(ctx, paid.payee)
    held = [get_balance(ctx.state, one.denom, one.klass, one.id) for one in (payee, payer)]
    most = held[0] if call.kind == MONEY else max(held)
    require(most >= call.cents, Code.COIN_LOW_BALANCE, balance_cents=most, amount_cents=call.cents)
    closed = is_closed(ctx.state, payee.account.wijk, paid.date)
    require(call.kind == MONEY or not closed, Code.COIN_CLOSED_PERIOD)
    party = payee if call.kind == MONEY else payer
    require(ctx.sender == party.id, Code.COIN_NOT_PARTY)
    check_not_frozen(ctx, payee.id, payee.account)
    if call.kind == TAG:
        check_not_frozen(ctx, payer.id, payer.account)
    out = (payee,) if call.kind == MONEY else (payee, payer)
    require(all(one.account.kind != BOARD for one in out), Code.COIN_NO_BASIS)

    if call.kind == MONEY:
        _give_back(ctx, call, paid, payer, payee)
    else:
        _tag_anew(ctx, call, paid, payer, payee, payee_first=held[0] >= call.cents)
    changed = msgspec.structs.replace(paid, corrected=paid.corrected + call.cents)
    PAYMENTS.put(ctx.state, changed, call.transaction_id, call.leg)
    ctx.emit("coin.Corrected", call.transaction_id, call.leg, call.kind, call.cents, call.reason)


def _give_back(ctx: Context, call: Correct, paid: Payment, payer: Payee, payee: Payee) -> None:
    """Move coin back; of the VAT the same share, rounded down (economy B8)."""
    excess = check_room(ctx, payer, call.cents)
    vat = paid.tag.vat * call.cents // paid.cents
    tag = msgspec.structs.replace(paid.tag, vat=vat)
    cited = call.transaction_id
    credit_payee(ctx, payee.place, payer, call.cents, excess, tag=tag, corrects=cited)
    _count(ctx, call, paid, payer, payee, tag, -1)


def _tag_anew(
    ctx: Context, call: Correct, paid: Payment, payer: Payee, payee: Payee, *, payee_first: bool
) -> None:
    """Book the payment back and anew; whoever has the coin now is debited first."""
    back: tuple[Place, Place] = (payee.place, payer.place)
    wijk_id, cents = payee.account.wijk, call.cents
    cited = call.transaction_id
    if payee_first:
        book(ctx, wijk_id, paid.denom, *back, cents, tag=paid.tag, corrects=cited)
    note_payment(ctx, paid.payer, payee, cents, call.tag, paid.date)
    book(ctx, wijk_id, paid.denom, back[1], back[0], cents, tag=call.tag)
    if not payee_first:
        book(ctx, wijk_id, paid.denom, *back, cents, tag=paid.tag, corrects=cited)
    vat = paid.tag.vat * cents // paid.cents  # what refunds have left of it
    _count(ctx, call, paid, payer, payee, msgspec.structs.replace(paid.tag, vat=vat), -1)
    _count(ctx, call, paid, payer, payee, call.tag, 1)


def _count(
    ctx: Context,
    call: Correct,
    paid: Payment,
    payer: Payee,
    payee: Payee,
    tag: Tag | None,
    sign: int,
) -> None:
    """economy S2: a correction changes the month of its original; a table that is there stays."""
    buyer, cents = Buyer(payer.account.wijk, payer.account.kind), sign * call.cents
    count_payment(ctx.state, paid.date, buyer, payee.account, payee.member, cents, tag)
