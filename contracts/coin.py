"""Coin: issue against bank money, transfer, redeem (economy C1..C20)."""

from typing import Annotated

import msgspec

from chain.books import book, check_contracted, check_payer, credit_payee, get_class, get_payee
from chain.codec import Account, Cents, Digest, Record
from chain.contract import Call, Context, Contract, Word, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, DECISIONS, SPENT
from chain.records import Tag

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


def transfer(ctx: Context, call: Transfer) -> None:
    """economy C9. Refuses amount, unknown-account, self, other-wijk, low-balance, wallet-limit…"""
    payer = ctx.account
    for leg in call.legs:
        require_amount(leg.cents)
    payees = []
    for leg in call.legs:
        require(leg.to != ctx.sender, Code.COIN_SELF)
        payee = get_payee(ctx, leg.to)
        require(payee.wijk == payer.wijk, Code.COIN_OTHER_WIJK)
        check_contracted(ctx, leg.to, payee)
        payees.append(payee)
    total = sum(leg.cents for leg in call.legs)
    check_payer(ctx, ctx.sender, payer, total)
    basis = _take_basis(ctx, call, total) if payer.kind == BOARD else None
    source = (get_class(payer), ctx.sender)
    for leg, payee in zip(call.legs, payees, strict=True):
        credit_payee(ctx, source, leg.to, payee, leg.cents, tag=leg.tag, decision=basis)
    ctx.emit("coin.Transferred", ctx.sender, total, len(call.legs))


def _take_basis(ctx: Context, call: Transfer, total: int) -> bytes:
    """Return the decision a fund payment rests on, with room left on it (economy I11, E35)."""
    decision = DECISIONS.get(ctx.state, call.basis) if call.basis is not None else None
    if call.basis is None or decision is None or decision.wijk != ctx.wijk_id:
        raise Reject(Code.COIN_NO_BASIS)
    require(decision.status == "EXECUTED", Code.COIN_NO_BASIS)
    spent = SPENT.get(ctx.state, call.basis) or 0
    room = decision.cents - spent
    require(total <= room, Code.COIN_NO_BASIS, remaining_cents=max(0, room))
    SPENT.put(ctx.state, spent + total, call.basis)
    return call.basis


CONTRACT = Contract("coin", calls=(Call(Transfer, (Word.HOLDER,), transfer),))
