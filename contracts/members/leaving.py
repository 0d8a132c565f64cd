"""Suspending a member, leaving, and the proof that papers were destroyed (economy N10, G2, E3).

Nobody is suspended or put out before having had the time to answer. Whoever goes takes the coin
along first, and what was booked stays.
"""

from typing import Annotated, Literal

import msgspec

from chain.books import get_class, get_wallet
from chain.codec import Account, Digest, Record, Uint
from chain.contract import Context, Word, check_authority, get_account
from chain.errors import Code, Reject, require
from chain.keyspaces import ACCOUNTS, ACTIVE, LEFT, MEMBERS
from chain.params import DAY_S
from chain.state import Keyspace
from chain.succession import leave_seat
from chain.text_rules import is_code
from chain.voters import has_vote, note_right

HEARD_S = 30 * DAY_S  # so long after a hearing its outcome may be recorded


class Hearing(Record, frozen=True):
    """`hearing/<account>`: the registrars said that they mean to set this status, and when."""

    status: str
    since_s: Uint


class Erased(Record, frozen=True):
    """`erase/<id>`: the off-chain link of an account was destroyed; `log` is the record of it."""

    account: Account
    log: Digest
    time_s: Uint


HEARINGS: Keyspace[Hearing] = Keyspace("hearing", Hearing, 1)
ERASED: Keyspace[Erased] = Keyspace("erase", Erased, 1)


class SetStatus(Record, frozen=True, tag="members.set_status"):
    """Suspend a member, let it leave or take it back; a member leaves by itself too."""

    account: Account
    status: Literal["ACTIVE", "SUSPENDED", "LEFT"]
    reason: Annotated[str, msgspec.Meta(max_length=24)]


class EraseRef(Record, frozen=True, tag="members.erase_ref"):
    """G2: record that documents and keys of a member that left are destroyed."""

    account: Account
    log: Digest


def set_status(ctx: Context, call: SetStatus) -> None:
    """economy N10, E3. Refuses role, unknown-account, text, balance, no-hearing.

    Registrars who suspend a member or put it out send this twice: the first time opens the hearing,
    the second, `hearing_s` later, sets the status.
    """
    own = call.account == ctx.sender
    if not own:
        check_authority(ctx, (Word.REGISTRY,))
    elif call.status != LEFT:
        raise Reject(Code.TX_ROLE, role=Word.REGISTRY.value)
    account = get_account(ctx, call.account)
    member = MEMBERS.get(ctx.state, call.account)
    if member is None or account.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    require(is_code(call.reason), Code.TX_TEXT)
    if call.status == LEFT:
        left = get_wallet(ctx.state, ctx.denom, get_class(account), call.account)
        require(left == 0, Code.MEMBERS_BALANCE, balance_cents=left)
    if not own and call.status != ACTIVE and not _was_heard(ctx, call):
        return

    HEARINGS.delete(ctx.state, call.account)
    changed = msgspec.structs.replace(account, status=call.status)
    ACCOUNTS.put(ctx.state, changed, call.account)
    before, after = has_vote(account, member), has_vote(changed, member)
    note_right(ctx.state, ctx.wijk_id, call.account, ctx.height, before, after)
    ctx.emit("members.StatusSet", call.account, call.status, call.reason)
    if own:
        leave_seat(ctx, call.account, account)


def _was_heard(ctx: Context, call: SetStatus) -> bool:
    """Say whether the member had the time to answer; if nobody asked yet, open the hearing (E3)."""
    hearing = HEARINGS.get(ctx.state, call.account)
    wait_s = ctx.clock.number("hearing_s")
    asked = hearing is not None and hearing.status == call.status
    if hearing is None or not asked or ctx.time_s >= hearing.since_s + wait_s + HEARD_S:
        HEARINGS.put(ctx.state, Hearing(call.status, ctx.time_s), call.account)
        ctx.emit(
            "members.HearingOpened", call.account, call.status, call.reason, ctx.time_s + wait_s
        )
        return False
    from_s = hearing.since_s + wait_s
    require(ctx.time_s >= from_s, Code.MEMBERS_NO_HEARING, from_at=from_s)
    return True


def erase_ref(ctx: Context, call: EraseRef) -> None:
    """economy G2. Refuses unknown-account, active.

    Nobody knows any more whose account it was, so its membership ends with it: taken back, it would
    be a voter without a person. Its area goes too (G8).
    """
    account = get_account(ctx, call.account)
    member = MEMBERS.get(ctx.state, call.account)
    if member is None or account.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    require(account.status == LEFT, Code.MEMBERS_ACTIVE)

    bare = msgspec.structs.replace(member, membership=0, area=None, flags=())
    MEMBERS.put(ctx.state, bare, call.account)
    erased = ctx.new_id()
    ERASED.put(ctx.state, Erased(call.account, call.log, ctx.time_s), erased)
    ctx.emit("members.ErasureLogged", erased, call.account, call.log)
