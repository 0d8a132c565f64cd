"""Holds: coin set aside for a payee, who takes it or lets it go (economy C10..C12).

A hold ends once: its payee posts or voids it, or its time runs out and the next block returns it.
Two holds with one link are an exchange: both are posted, in full, in one call, or neither.
"""

from typing import Annotated

import msgspec

from chain.books import (
    BALANCE_CENTS_MAX,
    FIN,
    HELD,
    MEMBER,
    Payee,
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
    note_payment,
)
from chain.codec import Account, Cents, Digest, Record, Uint, digest
from chain.contract import BlockStart, Context, get_account, require_amount
from chain.due import HOLDS_DUE, add_due, take_due
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, EXPIRED, HOLDS, OPEN, POSTED, VOIDED, Hold
from chain.params import DAY_S
from chain.records import Tag
from chain.stats import Buyer, count_payment

SWEPT_MAX = 500  # economy C10: what one block looks at, so that its time stays bounded
RATE_MAX = 10**12  # twelve digits: more than any quoted rate of exchange has

PARTS = 2  # economy C12: exactly two holds make an exchange

Rate = Annotated[int, msgspec.Meta(ge=1, le=RATE_MAX)]


class HoldCall(Record, frozen=True, tag="coin.hold"):
    """C10: set coin aside for `to`, for `timeout` seconds; `link` is the digest of an exchange."""

    to: Account
    cents: Cents
    timeout: Annotated[int, msgspec.Meta(ge=60, le=31_536_000)]
    link: Digest | None
    tag: Tag | None


class ExchangeLeg(Record, frozen=True):
    """One side of an exchange: who pays whom, in which coin."""

    payer: Account
    to: Account
    denom: Annotated[str, msgspec.Meta(max_length=64)]
    cents: Cents


class Exchange(Record, frozen=True, tag="wijk.exchange.1"):
    """C12: what both sides agreed; `quoted_at` in Unix seconds. Its digest is the link of both."""

    legs: tuple[ExchangeLeg, ExchangeLeg]
    numerator: Rate
    denominator: Rate
    quoted_at: Uint


class PostPart(Record, frozen=True):
    """A hold, and how much of it is paid."""

    hold: Digest
    cents: Cents


class Post(Record, frozen=True, tag="coin.post"):
    """C10..C12: pay a hold out, up to what it holds; the rest goes back to its payer."""

    holds: Annotated[tuple[PostPart, ...], msgspec.Meta(min_length=1, max_length=PARTS)]
    exchange: Exchange | None


class Void(Record, frozen=True, tag="coin.void"):
    """C10: let a hold go; all of it returns to its payer."""

    hold: Digest


def hold(ctx: Context, call: HoldCall) -> None:
    """economy C10. Refuses what `coin.transfer` refuses; a wijk fund cannot name a basis here."""
    payer = get_payer(ctx)
    payee = get_payee(ctx, call.to, payer)
    require_amount(call.cents)
    check_tag(call.tag, call.cents)
    check_balance(ctx, payer, call.cents)
    check_room(ctx, payee, call.cents)
    check_not_frozen(ctx, payer.id, payer.account)
    same = payee.account.wijk == payer.account.wijk
    require(same, Code.COIN_OTHER_WIJK, wijk=payee.account.wijk)
    check_contracted(payee)
    require(payer.account.kind != BOARD, Code.COIN_NO_BASIS)
    require(call.to != ctx.sender, Code.COIN_SELF)

    hold_id, expires = ctx.new_id(), ctx.time_s + call.timeout
    record = Hold(payer.id, call.to, payer.denom, call.cents, expires, call.link, call.tag, OPEN, 0)
    HOLDS.put(ctx.state, record, hold_id)
    add_due(ctx.state, HOLDS_DUE, expires, hold_id)
    book(ctx, ctx.wijk_id, payer.denom, payer.place, (HELD, payer.id), call.cents, tag=FIN)
    ctx.emit("coin.Held", hold_id, payer.id, call.to, call.cents, expires, call.link)


def post(ctx: Context, call: Post) -> None:
    """economy C10..C12. Refuses unknown-id, role, expired, amount, link, done; wallet-limit,
    frozen and not-contracted, because what held for the hold may hold no longer.
    """
    holds = [_get_hold(ctx, part.hold) for part in call.holds]
    _check_payee(ctx, holds)
    for part in call.holds:
        require_amount(part.cents)
    for one in holds:
        over = one.status == OPEN and ctx.time_s >= one.expires
        require(one.status != EXPIRED and not over, Code.COIN_EXPIRED, until_at=one.expires)
    for part, one in zip(call.holds, holds, strict=True):
        fits = part.cents <= one.cents
        require(fits, Code.COIN_AMOUNT, amount_cents=part.cents, expected_cents=one.cents)
    _check_link(call, holds)
    for one in holds:
        require(one.status == OPEN, Code.COIN_DONE)
    payees = [get_payee(ctx, one.to) for one in holds]
    excesses = _check_rooms(ctx, call, payees)
    for one in holds:
        check_not_frozen(ctx, one.payer, get_account(ctx, one.payer))
    for payee in payees:
        check_contracted(payee)

    for part, one, payee, excess in zip(call.holds, holds, payees, excesses, strict=True):
        resolved = msgspec.structs.replace(one, status=POSTED, posted=part.cents)
        HOLDS.put(ctx.state, resolved, part.hold)
        held = (HELD, one.payer)
        rest = one.cents - part.cents
        if rest:
            back = (MEMBER, one.payer)
            book(ctx, payee.account.wijk, one.denom, held, back, rest, tag=FIN)
        ctx.emit("coin.Posted", part.hold, one.to, part.cents, rest)
        note_payment(ctx, one.payer, payee, part.cents, one.tag)
        credit_payee(ctx, held, payee, part.cents, excess, tag=one.tag)
        buyer = Buyer(payee.account.wijk, get_account(ctx, one.payer).kind)
        date = ctx.clock.book_date
        count_payment(ctx.state, date, buyer, payee.account, payee.member, part.cents, one.tag)
    if call.exchange is not None:
        rate = call.exchange
        ctx.emit("coin.Exchanged", holds[0].link, rate.numerator, rate.denominator, rate.quoted_at)


def void(ctx: Context, call: Void) -> None:
    """economy C10. Refuses unknown-id, role, done."""
    one = _get_hold(ctx, call.hold)
    _check_payee(ctx, [one])
    require(one.status == OPEN, Code.COIN_DONE)

    _return(ctx, call.hold, one, VOIDED)
    ctx.emit("coin.Voided", call.hold, one.payer, one.cents)


def sweep(start: BlockStart) -> None:
    """economy C10: return expired holds, ordered by (expiry, id), some in each block.

    Nothing can refuse this. What would not fit into the payer's balance, which all reserves of a
    wijk together could not hold, stays aside for another day.
    """
    for _ in range(SWEPT_MAX):
        hold_id = take_due(start.state, HOLDS_DUE, start.time_s)
        if hold_id is None:
            return
        one = HOLDS.get(start.state, hold_id)
        assert one is not None, "a queue holds ids of holds that exist"
        if one.status != OPEN:
            continue
        balance = get_balance(start.state, one.denom, MEMBER, one.payer)
        if balance + one.cents > BALANCE_CENTS_MAX:
            add_due(start.state, HOLDS_DUE, start.time_s + DAY_S, hold_id)
            continue
        _return(start, hold_id, one, EXPIRED)
        start.emit("coin.HoldExpired", hold_id, one.payer, one.cents)
        start.note(hold_id)


def _get_hold(ctx: Context, hold_id: bytes) -> Hold:
    found = HOLDS.get(ctx.state, hold_id)
    if found is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=hold_id.hex())
    return found


def _check_payee(ctx: Context, holds: list[Hold]) -> None:
    """Refuse with role whoever is the payee of none: of linked holds either may send (C12)."""
    require(any(one.to == ctx.sender for one in holds), Code.TX_ROLE, role="payee")


def _check_link(call: Post, holds: list[Hold]) -> None:
    """Refuse with link a hold that is posted without what it is linked to (economy C12).

    Both payers agreed to the exchange whose digest their hold carries, and to nothing else.
    """
    link, exchange = holds[0].link, call.exchange
    if link is None or exchange is None or len(holds) != PARTS:
        alone = link is None and exchange is None and len(holds) == 1
        require(alone, Code.COIN_LINK)
        return
    agreed = digest(exchange) == link == holds[1].link
    require(agreed and call.holds[0].hold != call.holds[1].hold, Code.COIN_LINK)
    for part, one, leg in zip(call.holds, holds, exchange.legs, strict=True):
        is_leg = leg == ExchangeLeg(one.payer, one.to, one.denom, one.cents)
        require(is_leg and part.cents == one.cents, Code.COIN_LINK)
    require(_is_at_rate(exchange), Code.COIN_LINK)


def _is_at_rate(exchange: Exchange) -> bool:
    """Say whether leg 2 is leg 1 at the rate, half up (economy B8, C12); at par in one currency."""
    one, other = exchange.legs
    times, per = exchange.numerator, exchange.denominator
    currencies = {leg.denom.partition(":")[2] for leg in exchange.legs}
    if len(currencies) == 1 and times != per:  # economy C1
        return False
    return other.cents == (2 * one.cents * times + per) // (2 * per)


def _check_rooms(ctx: Context, call: Post, payees: list[Payee]) -> list[int]:
    """Return per part what passes its payee's limit; parts to one payee count together (C8)."""
    excesses: list[int] = []
    for place, (part, payee) in enumerate(zip(call.holds, payees, strict=True)):
        same = place > 0 and payees[0].id == payee.id
        coming = call.holds[0].cents - excesses[0] if same else 0
        excesses.append(check_room(ctx, payee, part.cents, coming))
    return excesses


def _return(running: Context | BlockStart, hold_id: bytes, one: Hold, status: str) -> None:
    """Give a whole hold back to its payer, and close it."""
    HOLDS.put(running.state, msgspec.structs.replace(one, status=status), hold_id)
    wijk_id, _, _ = one.denom.partition(":")
    back = (MEMBER, one.payer)
    book(running, wijk_id, one.denom, (HELD, one.payer), back, one.cents, tag=FIN)
