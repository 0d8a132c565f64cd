"""Releasing what a pool holds for somebody: steps, escrows and pledges (economy P6, P7, P8)."""

from chain.codec import Cents, Digest, Record, Uint
from chain.contract import Context, require_amount
from chain.errors import Code, require
from contracts.policies import get_pool, get_shape
from contracts.policies.frame import ACTIVE, Ask, deny
from contracts.policy.claim import pay_out
from contracts.policy.pools import require_policy


class Release(Record, frozen=True, tag="policy.release"):
    """Let a step or what is set aside go; `cents` is what the payee gets, zero for a refund."""

    policy: Digest
    step_or_hold: Uint | Digest
    cents: Cents


def release(ctx: Context, call: Release) -> None:
    """economy section 4. Refuses unknown-id, amount; not-active; the clause, not-verified,
    own-case, role; low-balance, wallet-limit, not-contracted.

    What is set aside outlives the end of its policy (economy P4).
    """
    policy = require_policy(ctx, call.policy)
    known = isinstance(call.step_or_hold, int)  # nothing is held outside the pool itself
    require(known, Code.TX_UNKNOWN_ID)
    require_amount(call.cents, 0)
    shape = get_shape(policy.shape)
    require(policy.status == ACTIVE or policy.pending > 0, Code.POLICY_NOT_ACTIVE)
    if shape.release is None:
        deny(shape.clause)
    step = call.step_or_hold if isinstance(call.step_or_hold, int) else None
    ask = Ask(
        ctx.tx_id,
        ctx.sender,
        policy.funder,
        call.cents,
        ctx.clock.book_date,
        ctx.time_s,
        step=step,
    )
    payout = shape.release(policy.shape, get_pool(call.policy, policy), ask, ctx.state)
    pay_out(ctx, call.policy, policy, ask, payout, None, None)
    ctx.emit("policy.PolicyReleased", call.policy, step, call.cents)
