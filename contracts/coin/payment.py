"""Payments inside a wijk: all legs or none (economy C8, C9)."""

from typing import Annotated

import msgspec

from chain.books import (
    Payee,
    check_balance,
    check_contracted,
    check_not_frozen,
    check_room,
    check_tag,
    credit_payee,
    get_payee,
    get_payer,
    note_payment,
)
from chain.codec import Account, Cents, Digest, Record
from chain.contract import Context, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, DECISIONS, SPENT
from chain.plans import compute_room
from chain.records import Tag
from chain.stats import Buyer, count_payment

LEGS_MAX = 64  # economy section 4: the net pay of a small firm in one transaction


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


def get_basis(call: Transfer) -> bytes | None:
    """Return the decision that a payment of a fund rests on: recused seats do not sign it (E3)."""
    return call.basis


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
    source, date = payer.place, ctx.clock.book_date
    buyer = Buyer(ctx.wijk_id, payer.account.kind)
    for leg, payee, excess in zip(call.legs, payees, excesses, strict=True):
        note_payment(ctx, payer.id, payee, leg.cents, leg.tag)
        credit_payee(ctx, source, payee, leg.cents, excess, tag=leg.tag, decision=call.basis)
        count_payment(ctx.state, date, buyer, payee.account, payee.member, leg.cents, leg.tag)
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
    room = compute_room(ctx.state, basis, decision, ctx.clock.book_date)
    require(total <= room, Code.COIN_NO_BASIS, remaining_cents=room)
    return (SPENT.get(ctx.state, basis) or 0) + total
