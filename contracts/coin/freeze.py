"""Freezes: for thirty days at most nothing leaves an account but a redemption (economy C19).

Who is frozen may appeal (`governance.issue`, category APPEAL). The request to redeem is accepted as
ever; its payout waits for the end of the freeze, and so does its last day.
"""

from typing import Annotated

import msgspec

from chain.books import get_freeze, move_last_days
from chain.codec import Account, Bit, Digest, Record, Uint
from chain.contract import Context, Word, get_account
from chain.errors import Code, require
from chain.keyspaces import FREEZES, Freeze
from chain.params import DAY_S
from chain.text_rules import is_code

FREEZE_S_MAX = 30 * DAY_S  # economy C19
# Two seats cannot lift a freeze and begin another to pass the board by: so long after an end the
# next one is still a renewal.
RENEWAL_S = FREEZE_S_MAX


class FreezeCall(Record, frozen=True, tag="coin.freeze"):
    """C19: freeze an account of the own wijk until a time in Unix seconds, or release it.

    `order` is the digest of the order or decision that it rests on.
    """

    account: Account
    on: Bit
    reason: Annotated[str, msgspec.Meta(max_length=24)]
    until: Uint
    order: Digest | None


def get_freeze_words(ctx: Context, call: FreezeCall) -> tuple[Word, ...]:
    """Return who may freeze: two seats begin or end a freeze, the board renews it (economy C19)."""
    return (Word.BOARD,) if _is_renewal(ctx, call) else (Word.SEAT2, Word.BOARD)


def _is_renewal(ctx: Context, call: FreezeCall) -> bool:
    before = FREEZES.get(ctx.state, call.account) if call.on else None
    return before is not None and ctx.time_s < before.until_s + RENEWAL_S


def freeze(ctx: Context, call: FreezeCall) -> None:
    """economy C19. Refuses unknown-account, not-own-wijk, text, own-account, too-long, no-order;
    done where nothing is frozen that could be released.
    """
    account = get_account(ctx, call.account)
    require(account.wijk == ctx.wijk_id, Code.COIN_NOT_OWN_WIJK, wijk=account.wijk)
    require(is_code(call.reason), Code.TX_TEXT)
    require(call.account != ctx.sender, Code.COIN_OWN_ACCOUNT)
    if not call.on:
        _release(ctx, call)
        return
    latest = ctx.time_s + FREEZE_S_MAX
    require(ctx.time_s < call.until <= latest, Code.COIN_TOO_LONG, until_at=latest)
    require(call.order is not None or not _is_renewal(ctx, call), Code.COIN_NO_ORDER)

    in_force = get_freeze(ctx, call.account)
    since_s = ctx.time_s if in_force is None else in_force.since_s
    record = Freeze(call.until, call.reason, since_s, call.order)
    FREEZES.put(ctx.state, record, call.account)
    move_last_days(ctx, call.account, ctx.denom, call.until)
    ctx.emit("coin.Frozen", call.account, call.reason, call.until, call.order)


def _release(ctx: Context, call: FreezeCall) -> None:
    in_force = get_freeze(ctx, call.account)
    require(in_force is not None, Code.COIN_DONE)
    assert in_force is not None

    ended = msgspec.structs.replace(in_force, until_s=ctx.time_s)
    FREEZES.put(ctx.state, ended, call.account)
    move_last_days(ctx, call.account, ctx.denom, ctx.time_s, earlier=True)
    ctx.emit("coin.Released", call.account, call.reason)
