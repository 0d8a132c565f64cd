"""Paying from a pool: the shape says what moves, all guards must allow it, then it is booked.

One way for `policy.claim` and `policy.release`, so that no payment of a pool passes its scripts by.
"""

from typing import Annotated

import msgspec

from chain.books import (
    POOL,
    Party,
    Payee,
    Place,
    add_to_pooled,
    check_balance,
    check_contracted,
    check_not_frozen,
    check_room,
    check_tag,
    credit_payee,
    get_class,
    get_payee,
    give_back,
)
from chain.codec import Account, Cents, Digest, PublicKey, Record, Signature, Uint, encode
from chain.contract import Context, get_account, require_amount
from chain.crypto import verify
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, SPENT, WIJKEN
from chain.records import Tag
from chain.stats import POOL_BUYER, Buyer, count_payment
from chain.text_rules import is_code
from contracts.policies import Policy, get_guard, get_pool, get_shape
from contracts.policies.frame import (
    ACTIVE,
    CLOSED,
    TOKENS,
    Ask,
    Payment,
    Payout,
    Share,
    TokenRecord,
    add_used,
    deny,
)
from contracts.policies.p00_claim import CLAIM
from contracts.policies.p05_cap import Cap
from contracts.policies.p09_budget import Budget, get_only_line
from contracts.policies.p14_split import divide
from contracts.policy.pools import add_sums, get_heir, go_home, require_basis, require_policy, shut

DATED = ("expiry", "sunset")  # guards that stop new claims, and not what is set aside already


class TokenProof(Record, frozen=True):
    """A benefit token that agrees to this very claim: its key, and its signature."""

    key: PublicKey
    signature: Signature


class Claim(Record, frozen=True, tag="policy.claim"):
    """Ask a pool to pay `payee`; for P3 `cents` is the price, for P7 zero marks a delivery.

    `line_or_number`: the budget line of P9 or the number of P12. `ref`: the payment that P11 adds
    to, or the timesheet of P10.
    """

    policy: Digest
    payee: Account
    cents: Cents
    line_or_number: Uint | Annotated[str, msgspec.Meta(max_length=24)] | None
    ref: Digest | None
    token: TokenProof | None
    tag: Tag | None


def token_bytes(
    chain_digest: bytes, policy: bytes, payee: bytes, cents: int, sender: bytes, nonce: bytes
) -> bytes:
    """Return what a benefit token signs (interfaces 4)."""
    return encode(["wijk.token.1", chain_digest, policy, payee, cents, sender, nonce])


def claim(ctx: Context, call: Claim) -> None:
    """economy P0. Refuses unknown-id, unknown-account, text, amount; not-active, other-wijk, self;
    the first clause that fails, with its number; low-balance, wallet-limit, frozen, not-contracted.
    """
    policy = require_policy(ctx, call.policy)
    shape = get_shape(policy.shape)
    payee = get_payee(ctx, call.payee)
    check_tag(call.tag, call.cents)
    line = call.line_or_number if isinstance(call.line_or_number, str) else None
    number = call.line_or_number if isinstance(call.line_or_number, int) else None
    require(line is None or is_code(line), Code.TX_TEXT)
    require_amount(call.cents, 0 if shape.clause == "escrow" else 1)
    # What is set aside outlives its policy, so a delivery can be marked then too (P4, P7).
    marks = call.cents == 0 and policy.pending > 0
    require(policy.status == ACTIVE or marks, Code.POLICY_NOT_ACTIVE)
    if payee.denom != policy.denom:
        raise Reject(Code.COIN_OTHER_WIJK, wijk=payee.account.wijk)
    require(call.payee != policy.funder, Code.COIN_SELF)
    if shape.claim is None:
        deny(shape.clause)
    token = _check_token(ctx, call)
    if shape is CLAIM and not takes_tokens(policy):
        token = None
    ask = Ask(
        ctx.tx_id,
        ctx.sender,
        call.payee,
        call.cents,
        ctx.clock.book_date,
        ctx.time_s,
        step=number,
        ref=call.ref,
        token=None if call.token is None else call.token.key,
        token_record=token,
    )
    payout = shape.claim(policy.shape, get_pool(call.policy, policy), ask, ctx.state)
    pay_out(ctx, call.policy, policy, ask, payout, call.tag, line)
    ctx.emit("policy.PolicyPaid", call.policy, call.payee, payout.cents, payout.own, line)


def takes_tokens(policy: Policy) -> bool:
    """Say whether a plain pool pays who shows a token: its funder set what each may spend (P5).

    Registrars enrol tokens; without this they could empty every pool with a key of their own.
    """
    return any(isinstance(rule, Cap) and rule.per_token_month > 0 for rule in policy.guards)


def _check_token(ctx: Context, call: Claim) -> TokenRecord | None:
    """Return the record of the token that was shown, or refuse a signature that is not its own."""
    if call.token is None:
        return None
    message = token_bytes(
        ctx.chain.digest, call.policy, call.payee, call.cents, ctx.sender, ctx.nonce
    )
    if not verify(call.token.key, message, call.token.signature):
        deny("token")
    return TOKENS.get(ctx.state, call.policy, call.token.key)


def pay_out(
    ctx: Context,
    policy_id: bytes,
    policy: Policy,
    ask: Ask,
    payout: Payout,
    tag: Tag | None,
    line: str | None,
) -> None:
    """Judge what a shape lets happen by all guards, check the money, and book it."""
    if not get_shape(policy.shape).lined:
        line = _get_only_line(policy)
    if tag is not None and payout.cents:
        check_tag(tag, payout.cents)  # P3 pays what is asked, P11 less than what it cites
    payees = _get_payees(ctx, policy, payout)
    payment = _get_payment(ctx, ask, payout, payees, tag, line)
    if payment.cents:
        _judge(ctx, policy_id, policy, payment, set_aside=payout.pending > 0)
    if payout.free > policy.free:
        raise Reject(Code.COIN_LOW_BALANCE, balance_cents=policy.free, amount_cents=payout.free)
    payer = _get_payer(ctx, payout)
    if payer is not None:
        check_balance(ctx, payer, payout.own)
    excesses = [check_room(ctx, payee, cents) for payee, cents in payees]
    basis = None
    if payer is not None:
        check_not_frozen(ctx, payer.id, payer.account)
        # Lines judge what leaves a pool, or the payer where no pool is: never a part beside it.
        judged = payout.free + payout.pending == 0
        require(payer.account.kind != BOARD or judged, Code.COIN_NO_BASIS)
        basis = require_basis(ctx, payer.account, policy, payout.own)
    if payment.cents and ask.sender == policy.funder:
        check_not_frozen(ctx, ask.sender, ctx.account)  # it is its money until it is spent (C19)
    for payee, _ in payees:
        check_contracted(payee)

    if basis is not None:
        SPENT.put(ctx.state, basis[1], basis[0])
    _remember(ctx, policy_id, policy, payout, payment)
    amounts = (payout.free, *(payout.parts or (payout.pending,)))
    sources: list[tuple[Place, int]] = [((POOL, policy_id), cents) for cents in amounts]
    if payer is not None:
        sources.append((payer.place, payout.own))
    _book(ctx, policy_id, sources, payees, excesses, tag)
    _give_back(ctx, policy_id, policy, payout)


def _get_only_line(policy: Policy) -> str | None:
    """Return the budget line of payments that can name none, None where there is no budget."""
    lines = (get_only_line(rule) for rule in policy.guards if isinstance(rule, Budget))
    return next(lines, None)


def _get_payees(ctx: Context, policy: Policy, payout: Payout) -> list[tuple[Payee, int]]:
    """Return who gets what: the payee, or the shares of a split; nobody gets zero (P14)."""
    if payout.cents == 0 or payout.payee is None:
        return []
    if not policy.split:
        return [(get_payee(ctx, payout.payee), payout.cents)]
    if payout.payee != policy.split[0].account:
        deny("split")
    shares = divide(payout.cents, policy.split)
    return [
        (get_payee(ctx, part.account), cents)
        for part, cents in zip(policy.split, shares, strict=True)
        if cents
    ]


def _get_payment(
    ctx: Context,
    ask: Ask,
    payout: Payout,
    payees: list[tuple[Payee, int]],
    tag: Tag | None,
    line: str | None,
) -> Payment:
    """Return the payment as guards see it: what leaves the pool, or the payer where none does.

    Own coin beside the pool's, of P3, is nobody's to judge; a split is not allowed there.
    """
    cents = payout.free + payout.pending or payout.own
    beside = payout.own if cents != payout.own else 0
    return Payment(
        ask.sender,
        get_account(ctx, ask.sender).wijk,
        cents,
        tuple(
            Share(payee.id, payee.account.wijk, payee.member, share - beside)
            for payee, share in payees
        ),
        None if tag is None else tag.product,
        line,
        None if ask.token_record is None else ask.token,
        ask.date,
        ask.time_s,
    )


def _judge(
    ctx: Context, policy_id: bytes, policy: Policy, payment: Payment, *, set_aside: bool
) -> None:
    pool = get_pool(policy_id, policy)
    for rule in policy.guards:
        guard = get_guard(rule)
        if not (set_aside and guard.clause in DATED):
            guard.judge(rule, pool, payment, ctx.state)


def _get_payer(ctx: Context, payout: Payout) -> Party | None:
    """Return whose own coin is paid, or None."""
    if payout.own == 0 or payout.payer is None:
        return None
    account = get_account(ctx, payout.payer)
    wijk = WIJKEN.get(ctx.state, account.wijk)
    assert wijk is not None, "an account belongs to a wijk that exists"
    return Party(payout.payer, account, wijk, wijk.denom(account.wijk), get_class(account))


def _remember(
    ctx: Context, policy_id: bytes, policy: Policy, payout: Payout, payment: Payment
) -> None:
    """Write what shape and guards count, so that nothing is paid twice."""
    for space, value, parts in payout.writes:
        space.put(ctx.state, value, *parts)
    for counter in payout.counters:
        add_used(ctx.state, policy_id, counter)
    if payment.cents:
        pool = get_pool(policy_id, policy)
        for rule in policy.guards:
            guard = get_guard(rule)
            if guard.count is not None:
                for counter in guard.count(rule, pool, payment, ctx.state):
                    add_used(ctx.state, policy_id, counter)


def _book(
    ctx: Context,
    policy_id: bytes,
    sources: list[tuple[Place, int]],
    payees: list[tuple[Payee, int]],
    excesses: list[int],
    tag: Tag | None,
) -> None:
    """Book each payee's share from the sources in their order.

    A tag speaks of the whole payment; its tax is spread over the bookings, the rest to the last.
    """
    total = sum(cents for _, cents in payees)
    left_vat = 0 if tag is None else tag.vat
    source, here = 0, sources[0][1]
    done = 0
    for (payee, share), excess in zip(payees, excesses, strict=True):
        rest = share
        while rest:
            while here == 0:
                source += 1
                here = sources[source][1]
            cents = min(rest, here)
            rest, here, done = rest - cents, here - cents, done + cents
            part = tag
            if tag is not None:
                vat = left_vat if done == total else tag.vat * cents // total
                left_vat -= vat
                part = msgspec.structs.replace(tag, vat=vat)
            over = excess if rest == 0 else 0
            debit = sources[source][0]
            credit_payee(ctx, debit, payee, cents, over, tag=part, policy=policy_id)
            _count(ctx, debit, payee, cents, part)


def _count(ctx: Context, debit: Place, payee: Payee, cents: int, tag: Tag | None) -> None:
    """economy S5: what a pool pays a shop is bought for residents; the rest is the payer's own."""
    klass, owner = debit
    kind = POOL_BUYER
    if klass != POOL:
        assert isinstance(owner, bytes), "an account pays the rest"
        kind = get_account(ctx, owner).kind
    buyer, date = Buyer(payee.account.wijk, kind), ctx.clock.book_date
    count_payment(ctx.state, date, buyer, payee.account, payee.member, cents, tag)


def _give_back(ctx: Context, policy_id: bytes, policy: Policy, payout: Payout) -> None:
    """Change the sums, and return what was set aside and is not paid."""
    back = sum(cents for _, cents in payout.back)
    add_sums(
        ctx,
        policy_id,
        spent=payout.free + payout.pending,
        returned=back,
        pending=-(payout.pending + back),
        free=-payout.free,
    )
    for account, cents in payout.owners:
        add_to_pooled(ctx.state, account, -cents)
    # After its end what comes back goes where free money went (P4), but a pledge is its buyer's.
    ended = policy.status == CLOSED and not get_shape(policy.shape).pledged
    for account, cents in payout.back:
        if ended and account == policy.funder:
            go_home(ctx, policy_id, policy, cents, get_heir(policy))
        else:
            give_back(ctx, (POOL, policy_id), account, cents, policy=policy_id)
    if payout.done:
        shut(ctx, policy_id, require_policy(ctx, policy_id))
