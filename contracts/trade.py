"""Trade: pay across wijken at par, within pacts and caps (economy T1..T6)."""

from chain.books import (
    BANK,
    DUE_FROM,
    DUE_TO,
    Party,
    add_to_supply,
    book,
    check_balance,
    check_contracted,
    check_not_frozen,
    check_room,
    check_tag,
    credit_payee,
    get_balance,
    get_payee,
    get_payer,
)
from chain.codec import Account, Cents, Digest, Record
from chain.contract import Call, Context, Contract, Word, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACTIVE,
    BOARD,
    CAPS,
    OWED,
    PACTS,
    PLEDGED,
    SUSPENDED,
    WIJKEN,
    Owed,
    Pact,
)
from chain.records import Tag
from chain.stats import Buyer, count_payment

WARNING_PCT = 70  # economy T6: both boards are warned; from 80 a cycle may run at once

_NOTHING = Owed(0, 0, 0)


class Pay(Record, frozen=True, tag="trade.pay"):
    """T1: pay a member of another wijk, who receives the coin of its own wijk at par."""

    to: Account
    cents: Cents
    tag: Tag | None
    note: Digest | None


def pay(ctx: Context, call: Pay) -> None:
    """economy T4, T5. Refuses no-pact, cap, suspended, scope; low-balance, wallet-limit, frozen,
    not-contracted, no-basis (only `coin.transfer` can name what a fund payment rests on).
    """
    payee = get_payee(ctx, call.to)
    require_amount(call.cents)
    check_tag(call.tag, call.cents)
    payer = get_payer(ctx)
    debtor, creditor = payer.account.wijk, payee.account.wijk
    pact = _get_pact(ctx, payer, payee)
    exposure, cap = _get_exposure(ctx, pact, debtor, creditor)
    require(
        exposure + call.cents <= cap,
        Code.TRADE_CAP,
        wijk=creditor,
        remaining_cents=max(0, cap - exposure),
    )
    trading = pact.status == payer.wijk.status == payee.wijk.status == ACTIVE
    require(trading, Code.TRADE_SUSPENDED, wijk=creditor)
    product = None if call.tag is None else call.tag.product
    require(not pact.scope or product in pact.scope, Code.TRADE_SCOPE)
    check_balance(ctx, payer, call.cents)
    excess = check_room(ctx, payee, call.cents)
    check_not_frozen(ctx, payer.id, payer.account)
    check_contracted(payee)
    require(payer.account.kind != BOARD, Code.COIN_NO_BASIS)

    owed = OWED.get(ctx.state, debtor, creditor) or _NOTHING
    more = Owed(owed.open + call.cents, owed.due, owed.ordered)
    OWED.put(ctx.state, more, debtor, creditor)
    due = (DUE_TO, creditor)
    book(ctx, debtor, payer.denom, payer.place, due, call.cents, tag=call.tag)
    add_to_supply(ctx, payer.denom, traded_out=call.cents)
    add_to_supply(ctx, payee.denom, traded_in=call.cents)
    credit_payee(ctx, (DUE_FROM, debtor), payee, call.cents, excess, tag=call.tag)
    buyer = Buyer(debtor, payer.account.kind)
    date = ctx.clock.book_date
    count_payment(ctx.state, date, buyer, payee.account, payee.member, call.cents, call.tag)
    ctx.emit("trade.CrossPaid", ctx.sender, call.to, call.cents, debtor, creditor)
    exposed = max(0, exposure + call.cents)
    if exposed and 100 * exposed >= WARNING_PCT * cap:
        ctx.emit("trade.CapNear", debtor, creditor, exposed, cap)


def _get_pact(ctx: Context, payer: Party, payee: Party) -> Pact:
    """Return the pact between the wijken of both, or refuse with no-pact.

    Wijken of different currencies have none (economy T13), nor has a wijk with itself.
    """
    a, b = sorted((payer.account.wijk, payee.account.wijk))
    pact = PACTS.get(ctx.state, a, b)
    if pact is None or pact.status not in (ACTIVE, SUSPENDED):
        raise Reject(Code.TRADE_NO_PACT, wijk=payee.account.wijk)
    in_force = pact.from_s <= ctx.time_s < pact.until_s
    in_force = in_force and payer.wijk.currency == payee.wijk.currency
    require(in_force, Code.TRADE_NO_PACT, wijk=payee.account.wijk)
    return pact


def _get_exposure(ctx: Context, pact: Pact, debtor: str, creditor: str) -> tuple[int, int]:
    """Return what `debtor` owes net, below zero if it is owed, and the cap on it (economy T5).

    What the two owe each other is netted for the exposure only; both debts stand until a cycle.
    On a PREFUNDED pact the creditor accepts no more than the deposit of the debtor (T2).
    """
    owed = OWED.get(ctx.state, debtor, creditor) or _NOTHING
    owing = OWED.get(ctx.state, creditor, debtor) or _NOTHING
    net = owed.open + owed.due + owed.ordered - owing.open - owing.due - owing.ordered
    agreed = pact.cap_a if creditor < debtor else pact.cap_b
    own = CAPS.get(ctx.state, creditor, debtor)
    cap = agreed if own is None else min(agreed, own)
    if pact.mode != PLEDGED:
        cap = min(cap, _get_deposit(ctx, debtor, creditor))
    return net, cap


def _get_deposit(ctx: Context, debtor: str, creditor: str) -> int:
    """Return what `debtor` put on reserve accounts pledged to `creditor`, in cents (C17, T5)."""
    rows = ctx.clock.param("reserves")
    assert isinstance(rows, tuple), "reserves is a table"
    wijk = WIJKEN.get(ctx.state, debtor)
    assert wijk is not None, "a payer belongs to a wijk that exists"
    denom = wijk.denom(debtor)
    pledged = (reserve for reserve, to in rows if to == creditor)
    return sum(get_balance(ctx.state, denom, BANK, reserve) for reserve in pledged)


CONTRACT = Contract("trade", calls=(Call(Pay, (Word.HOLDER,), pay, winds_up=True),))
