"""P7 `escrow`: money stands fast until the payer confirms, or arbiters decide (economy P7).

One policy is one escrow. `policy.release` names what the payee is to get; the rest goes back. The
payer may say all of it, the payee none of it, both the same amount, and m arbiters any amount.
When nobody says anything, time decides.
"""

from typing import Annotated

import msgspec

from chain.codec import Account, Record, Uint
from chain.errors import Code, Reject, require
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    STEPS,
    Ask,
    Draft,
    Escrow,
    Payout,
    Pool,
    Shape,
    Values,
    Write,
    deny,
)

ARBITERS_MAX = 5  # economy P7
WAIT_S_MAX = 10 * 365 * 86_400  # longer than any delivery; far below what a time can hold
ONLY = 1  # the number of the one escrow

Wait = Annotated[int, msgspec.Meta(ge=1, le=WAIT_S_MAX)]


class EscrowRule(Record, frozen=True, tag="escrow"):
    """Payer, payee, and m of the arbiters; seconds after delivery, and without one."""

    version: Uint
    payer: Account
    payee: Account
    arbiters: Annotated[tuple[Account, ...], msgspec.Meta(min_length=1, max_length=ARBITERS_MAX)]
    m: Uint
    release_after: Wait
    refund_after: Wait


def fits(rule: EscrowRule, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: arbiters are no party and end a quarrel."""
    parties = (rule.payer, rule.payee, draft.funder)
    apart = rule.payee not in (rule.payer, draft.funder)
    once = len(set(rule.arbiters)) == len(rule.arbiters)
    strangers = all(arbiter not in parties for arbiter in rule.arbiters)
    return apart and once and strangers and 1 <= rule.m <= len(rule.arbiters)


def fund(rule: EscrowRule, pool: Pool, ask: Ask, state: State) -> tuple[Write, ...]:
    """Set money aside; what was said of a smaller sum counts no more."""
    require(ask.qty is None, Code.POLICY_AMOUNT, amount_cents=ask.cents)
    escrow = _get(pool, state) or Escrow(ask.time_s, 0, 0, ())
    return _write(pool, msgspec.structs.replace(escrow, said=()))


def claim(rule: EscrowRule, pool: Pool, ask: Ask, state: State) -> Payout:
    """Mark the delivery, with a claim of zero cents. Refuses role, amount, done, the clause."""
    if ask.sender != rule.payee or ask.payee != rule.payee:
        raise Reject(Code.TX_ROLE, role="payee")
    require(ask.cents == 0, Code.POLICY_AMOUNT, amount_cents=0)
    escrow = _get(pool, state)
    if escrow is None:
        deny("escrow")
    require(escrow.delivered_s == 0, Code.POLICY_DONE)
    delivered = msgspec.structs.replace(escrow, delivered_s=ask.time_s)
    return Payout(writes=_write(pool, delivered))


def release(rule: EscrowRule, pool: Pool, ask: Ask, state: State) -> Payout:
    """Say what the payee gets, and pay it out once that is enough. Refuses unknown-id; role;
    amount; the clause with the time from which nobody need agree; own-case.
    """
    escrow = _get(pool, state)
    if ask.step != ONLY or escrow is None or pool.pending == 0:
        raise Reject(Code.TX_UNKNOWN_ID)
    require(ask.cents <= pool.pending, Code.POLICY_AMOUNT, amount_cents=pool.pending)
    if _is_agreed(rule, pool, ask, escrow) or _is_due(rule, pool, ask, escrow):
        return _settle(rule, pool, ask)
    _check_speaker(rule, pool, ask, escrow)
    objects = ask.sender in rule.arbiters or (ask.sender == rule.payer and ask.cents < pool.pending)
    said = (*(row for row in escrow.said if row[0] != ask.sender), (ask.sender, ask.cents))
    disputed = int(objects or escrow.disputed == 1)
    noted = msgspec.structs.replace(escrow, said=said, disputed=disputed)
    return Payout(writes=_write(pool, noted))


def _is_agreed(rule: EscrowRule, pool: Pool, ask: Ask, escrow: Escrow) -> bool:
    """Say whether with this word those who may decide have said the same amount."""
    same = [who for who, cents in escrow.said if cents == ask.cents and who != ask.sender]
    if ask.sender in rule.arbiters:
        return 1 + sum(who in rule.arbiters for who in same) >= rule.m
    if ask.sender == rule.payer:
        return ask.cents == pool.pending or rule.payee in same
    return ask.sender == rule.payee and (ask.cents == 0 or rule.payer in same)


def _is_due(rule: EscrowRule, pool: Pool, ask: Ask, escrow: Escrow) -> bool:
    """Say whether time decided: delivered and nobody objected, or never delivered."""
    if escrow.delivered_s:
        late = ask.time_s >= escrow.delivered_s + rule.release_after
        return late and not escrow.disputed and ask.cents == pool.pending
    return ask.time_s >= escrow.since_s + rule.refund_after and ask.cents == 0


def _check_speaker(rule: EscrowRule, pool: Pool, ask: Ask, escrow: Escrow) -> None:
    """The payee alone decides nothing in its own favour; who is no party has no say before time."""
    if ask.sender in rule.arbiters or ask.sender == rule.payer:
        return
    if ask.sender == rule.payee:
        raise Reject(Code.POLICY_OWN_CASE)
    if escrow.disputed:
        raise Reject(Code.TX_ROLE, role="payer")
    start, wait = escrow.since_s, rule.refund_after
    if escrow.delivered_s:
        start, wait = escrow.delivered_s, rule.release_after
    deny("escrow", from_at=start + wait)


def _settle(rule: EscrowRule, pool: Pool, ask: Ask) -> Payout:
    rest = pool.pending - ask.cents
    back = ((pool.funder, rest),) if rest else ()
    cleared: Write = (STEPS, None, (pool.id, ONLY))
    return Payout(pending=ask.cents, payee=rule.payee, back=back, writes=(cleared,), done=True)


def _get(pool: Pool, state: State) -> Escrow | None:
    escrow = STEPS.get(state, pool.id, ONLY)
    return escrow if isinstance(escrow, Escrow) else None


def _write(pool: Pool, escrow: Escrow) -> tuple[Write, ...]:
    return ((STEPS, escrow, (pool.id, ONLY)),)


def _accounts(rule: EscrowRule) -> tuple[bytes, ...]:
    return (rule.payer, rule.payee, *rule.arbiters)


def _payee(rule: EscrowRule) -> bytes:
    return rule.payee


def _values(rule: EscrowRule, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    escrow = _get(pool, state)
    if escrow is None:
        return {}
    if escrow.delivered_s:
        ends = 0 if escrow.disputed else escrow.delivered_s + rule.release_after
        return {"held_cents": pool.pending, "release_at": ends or None}
    return {"held_cents": pool.pending, "refund_at": escrow.since_s + rule.refund_after}


P7 = Shape(
    "P7",
    "escrow",
    EscrowRule,
    "Staat vast tot de koper bevestigt.[ Nu: {held_cents}.]"
    "[ Zonder bezwaar betaald vanaf {release_at}.]"
    "[ Zonder levering terug vanaf {refund_at}.]",
    "Held until the buyer confirms.[ Now: {held_cents}.]"
    "[ Paid without objection from {release_at}.]"
    "[ Returned without delivery from {refund_at}.]",
    fits,
    _values,
    claim=claim,
    release=release,
    fund=fund,
    accounts=_accounts,
    payee=_payee,
    lined=False,
)
