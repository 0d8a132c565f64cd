"""The money of a pool: what goes in, what is set aside, what goes back (economy N13, I10).

Pools belong to their funder until the money is spent. Everything that changes the sums of a policy
does it here, together with its booking, so that funded = spent + pending + returned + free.
"""

from typing import Any

import msgspec

from chain.books import (
    BALANCE_CENTS_MAX,
    FIN,
    POOL,
    Ending,
    Running,
    add_to_pooled,
    book,
    check_balance,
    check_not_frozen,
    get_balance,
    get_class,
    get_payer,
    give_back,
)
from chain.codec import Cents, Digest, Record, Uint
from chain.contract import Context, require_amount
from chain.errors import Code, Reject, require
from chain.gifts import watch
from chain.keyspaces import ACCOUNTS, BOARD, SPENT, AccountRecord, Decision
from chain.plans import compute_room, find_voted_line
from chain.state import Keyspace, State
from chain.work import cite
from contracts.policies import (
    POLICIES,
    Policy,
    get_guard,
    get_last_date,
    get_pool,
    get_shape,
)
from contracts.policies.frame import ACTIVE, CLOSED, DRAFT, DRAFTS_MAX, Ask, Guard
from contracts.policies.p00_claim import Claim as Plain
from contracts.policies.p09_budget import Budget

DRAFTS: Keyspace[int] = Keyspace("drafts", Uint, 1)  # policies of a funder that no board accepted

PLAIN = Plain(1)


class Fund(Record, frozen=True, tag="policy.fund"):
    """Put own coin into a pool; for a pledge also how many pieces are wanted (economy P8)."""

    policy: Digest
    cents: Cents
    qty: Uint | None


class Close(Record, frozen=True, tag="policy.close"):
    """End a policy: free money goes back to its funder."""

    policy: Digest


def require_policy(ctx: Running, policy_id: bytes) -> Policy:
    """Return a policy, or refuse with `tx.unknown-id`."""
    policy = POLICIES.get(ctx.state, policy_id)
    if policy is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=policy_id.hex())
    return policy


def fund(ctx: Context, call: Fund) -> None:
    """economy N13, P8. Refuses role, not-active, denom, low-balance, amount; frozen; no-basis."""
    policy = require_policy(ctx, call.policy)
    require_amount(call.cents)
    shape = get_shape(policy.shape)
    if not shape.pledged and ctx.sender != policy.funder:
        raise Reject(Code.TX_ROLE, role="funder")
    require(policy.status == ACTIVE, Code.POLICY_NOT_ACTIVE)
    require(policy.denom == ctx.denom, Code.POLICY_DENOM, denom=policy.denom)
    payer = get_payer(ctx)
    check_balance(ctx, payer, call.cents)
    ask = Ask(
        ctx.tx_id,
        ctx.sender,
        policy.funder,
        call.cents,
        ctx.clock.book_date,
        ctx.time_s,
        qty=call.qty,
    )
    if shape.fund is not None:
        writes = shape.fund(policy.shape, get_pool(call.policy, policy), ask, ctx.state)
    else:
        require(call.qty is None, Code.POLICY_AMOUNT, amount_cents=call.cents)
        writes = ()
    check_not_frozen(ctx, payer.id, payer.account)
    basis = require_basis(ctx, payer.account, policy, call.cents)

    if basis is not None:
        SPENT.put(ctx.state, basis[1], basis[0])
    for space, value, parts in writes:
        space.put(ctx.state, value, *parts)
    book(
        ctx,
        ctx.wijk_id,
        policy.denom,
        payer.place,
        (POOL, call.policy),
        call.cents,
        tag=FIN,
        policy=call.policy,
    )
    if shape.pledged:
        add_to_pooled(ctx.state, ctx.sender, call.cents)
    set_aside, free = (0, call.cents) if shape.fund is None else (call.cents, 0)
    add_sums(ctx, call.policy, funded=call.cents, pending=set_aside, free=free)
    ctx.emit("policy.PolicyFunded", call.policy, ctx.sender, call.cents, call.qty)


def close(ctx: Context, call: Close) -> None:
    """economy section 4. Refuses role, done, pending. Nobody but the funder before its end."""
    policy = require_policy(ctx, call.policy)
    last = get_last_date(policy)
    ended = last is not None and ctx.clock.book_date > last
    if ctx.sender != policy.funder and not ended:
        raise Reject(Code.TX_ROLE, role="funder")
    require(policy.status != CLOSED, Code.POLICY_DONE)
    require(policy.pending == 0, Code.POLICY_PENDING, amount_cents=policy.pending)
    end(ctx, call.policy, policy, None)


def get_heir(policy: Policy) -> bytes | None:
    """Return the policy that inherits the free money when the earliest end comes (P4, P15)."""
    ends = [script.end(rule) for rule, script in _guards(policy) if script.end is not None]
    first = min((date for date, _ in ends), default=0)
    return next((heir for date, heir in ends if date == first), None)


def end(ctx: Ending, policy_id: bytes, policy: Policy, heir_id: bytes | None) -> None:
    """Close a policy and send its free money to its heir, where that can take it, or home."""
    shut(ctx, policy_id, policy)
    left = policy.free
    took = None
    if left:
        add_sums(ctx, policy_id, returned=left, free=-left)
        took = go_home(ctx, policy_id, policy, left, heir_id)
    ctx.emit("policy.PolicyClosed", policy_id, left, took)


def can_go_home(state: State, policy: Policy, heir_id: bytes | None) -> bool:
    """Say whether the free money fits where it goes: no balance reaches 2^53 cents (B8)."""
    account = ACCOUNTS.get(state, policy.funder)
    assert account is not None, "an account stays for ever"
    held = [get_balance(state, policy.denom, get_class(account), policy.funder)]
    if heir_id is not None:
        held.append(get_balance(state, policy.denom, POOL, heir_id))
    return max(held) + policy.free <= BALANCE_CENTS_MAX


def shut(ctx: Running, policy_id: bytes, policy: Policy) -> None:
    """Mark a policy closed; nobody waits for payments to its target any more."""
    target = get_target(policy)
    if target is not None and policy.status == ACTIVE:
        watch(ctx.state, policy.denom, target, -1)
    if policy.theme is not None and policy.status == ACTIVE:
        cite(ctx.state, policy.theme, -1)
    closed = msgspec.structs.replace(policy, status=CLOSED)
    if policy.status == DRAFT:  # the log holds its rules; nobody ever paid by them
        count_draft(ctx, policy.funder, -1)
        closed = msgspec.structs.replace(closed, shape=PLAIN, guards=(), split=())
    POLICIES.put(ctx.state, closed, policy_id)


def count_draft(ctx: Running, funder: bytes, delta: int) -> None:
    """Count a draft more, or one less. Refuses drafts."""
    count = (DRAFTS.get(ctx.state, funder) or 0) + delta
    assert count >= 0, "a draft ends once"
    require(count <= DRAFTS_MAX, Code.POLICY_DRAFTS, most=DRAFTS_MAX)
    DRAFTS.put(ctx.state, count or None, funder)


def get_target(policy: Policy) -> bytes | None:
    """Return the account whose payments are noted for a policy, or None (economy P11)."""
    shape = get_shape(policy.shape)
    return None if shape.target is None else shape.target(policy.shape)


def go_home(
    ctx: Ending, policy_id: bytes, policy: Policy, cents: int, heir_id: bytes | None
) -> bytes | None:
    """Book money of a pool to its heir, where that can take it, else to the funder.

    An heir takes free money of the same funder and coin while it is active (economy P15). Money of
    a wijk's own fund goes home: its vote was for the lines that it was funded on (I11).
    """
    account = ACCOUNTS.get(ctx.state, policy.funder)
    voted = account is not None and account.kind == BOARD
    heir = None if heir_id is None or voted else POLICIES.get(ctx.state, heir_id)
    if (
        heir is None
        or heir_id is None
        or heir.status != ACTIVE
        or (heir.funder, heir.denom) != (policy.funder, policy.denom)
        or get_shape(heir.shape).fund is not None
    ):
        give_back(ctx, (POOL, policy_id), policy.funder, cents, policy=policy_id)
        return None
    wijk, denom = get_pool(policy_id, policy).wijk, policy.denom
    book(ctx, wijk, denom, (POOL, policy_id), (POOL, heir_id), cents, tag=FIN, policy=policy_id)
    add_sums(ctx, heir_id, funded=cents, free=cents)
    return heir_id


def add_sums(ctx: Running, policy_id: bytes, **deltas: int) -> None:
    """Change the sums of a policy; they stay at zero or above and in balance (economy I10).

    What its funder has in pools changes with them; pledges are their buyers' (P8).
    """
    policy = require_policy(ctx, policy_id)
    changed = {name: getattr(policy, name) + delta for name, delta in deltas.items()}
    assert min(changed.values()) >= 0, f"policy {policy_id.hex()} at {changed}"
    after = msgspec.structs.replace(policy, **changed)
    parts = after.spent + after.pending + after.returned + after.free
    assert after.funded == parts, f"policy {policy_id.hex()}: {after.funded} is not {parts}"
    POLICIES.put(ctx.state, after, policy_id)
    kept = deltas.get("pending", 0) + deltas.get("free", 0)
    if kept and not get_shape(policy.shape).pledged:
        add_to_pooled(ctx.state, policy.funder, kept)


def require_basis(
    ctx: Context, payer: AccountRecord, policy: Policy, cents: int
) -> tuple[bytes, int] | None:
    """Return the budget vote that a wijk's own fund pays on and what is spent on it then, in cents;
    None for any other payer, or refuse with no-basis (I11, E35).

    A fund pays through a policy on budget lines alone, and each of them is one that the wijk voted:
    the same code and period, no more cents, all by one decision that has room left.
    """
    if payer.kind != BOARD:
        return None
    rule = next((rule for rule in policy.guards if isinstance(rule, Budget)), None)
    if rule is None:
        raise Reject(Code.COIN_NO_BASIS)
    votes: dict[bytes, Decision] = {}
    for line in rule.lines:
        found = find_voted_line(ctx.state, payer.wijk, line.line, ctx.clock.book_date)
        if found is None:
            raise Reject(Code.COIN_NO_BASIS)
        voted, decision_id, decision = found
        fits = voted.period == line.period and line.cents <= voted.cents
        require(fits, Code.COIN_NO_BASIS)
        votes[decision_id] = decision
    require(len(votes) == 1, Code.COIN_NO_BASIS)
    ((decision_id, decision),) = votes.items()
    room = compute_room(ctx.state, decision_id, decision, ctx.clock.book_date)
    require(cents <= room, Code.COIN_NO_BASIS, remaining_cents=room)
    return decision_id, (SPENT.get(ctx.state, decision_id) or 0) + cents


def _guards(policy: Policy) -> list[tuple[Any, Guard]]:
    return [(rule, get_guard(rule)) for rule in policy.guards]
