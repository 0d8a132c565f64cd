"""Members: who belongs to a wijk, their payment accounts and their limits (economy N10, G4, G8).

The two registrars admit people whom they know; the chain sees keys, a kind and an area, never a
name. A payment account has no membership: nothing on the chain links it to a person.
"""

from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from chain.address import account_id
from chain.books import get_class, get_issuer, get_wallet
from chain.codec import Account, Bit, Cents, PublicKey, Record, Uint
from chain.contract import Context, get_account
from chain.crypto import is_valid_key, sha256
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    MEMBER_KINDS,
    MEMBERS,
    PERSON,
    AccountKey,
    AccountRecord,
    Member,
)
from chain.text_rules import CBS_YEARS, get_gemeente, is_area, is_nace, is_product
from chain.voters import STAND, VOTE, has_vote, note_right

FLAGS = (VOTE, STAND)  # the listed order: a list of flags keeps it
ATTACH_MAX = 100  # economy section 4: a batch large enough to hide who came when (G4)
PLACES_MAX = 5

Word24 = Annotated[str, msgspec.Meta(max_length=24)]
Flags = Annotated[tuple[Literal["VOTE", "STAND"], ...], msgspec.Meta(max_length=len(FLAGS))]
MemberKind = Literal["PERSON", "HOUSEHOLD", "BUSINESS", "INSTITUTION", "ASSOCIATION"]
AccountKind = MemberKind | Literal["ROLE", "TEAM"]


class Admit(Record, frozen=True, tag="members.admit"):
    """Admit a member: its first key, its kind, and the area it belongs to (code, year)."""

    key: PublicKey
    kind: MemberKind
    area: Word24
    year: Uint
    flags: Flags
    limit: Cents


class NewAccount(Record, frozen=True):
    """One account of a batch."""

    key: PublicKey
    kind: AccountKind
    limit: Cents


class Attach(Record, frozen=True, tag="members.attach"):
    """Make payment, team and role accounts without membership, sorted by key (economy G4)."""

    accounts: Annotated[tuple[NewAccount, ...], msgspec.Meta(min_length=1, max_length=ATTACH_MAX)]


class Place(Record, frozen=True):
    """An area where an account does business; `until` is Unix seconds, nil for always."""

    code: Word24
    year: Uint
    until: Uint | None


class SetLimits(Record, frozen=True, tag="members.set_limits"):
    """Set the limits and the attributes of an account; amounts in cents."""

    account: Account
    flags: Flags
    limit: Cents
    auto_redeem: Bit
    vol_hour: Cents
    vol_month: Cents
    vol_year: Cents
    contracted: Bit
    nace: Word24 | None
    out_product: Word24 | None
    places: Annotated[tuple[Place, ...], msgspec.Meta(max_length=PLACES_MAX)]


def admit(ctx: Context, call: Admit) -> None:
    """economy N10, G8. Refuses exists, bad-area, small-area, flags, mode."""
    account = _require_new(ctx, call.key)
    _check_area(ctx, call.area, call.year)
    _check_flags(call.flags, call.kind)
    _check_limit(ctx, call.limit)

    record = _make_account(ctx, account, call.key, call.kind)
    member = _member(1, call.area, call.flags, call.limit)
    MEMBERS.put(ctx.state, member, account)
    note_right(ctx.state, ctx.wijk_id, account, ctx.height, False, has_vote(record, member))
    ctx.emit(
        "members.MemberAdmitted", account, call.kind, call.area, call.year, call.limit, *call.flags
    )


def attach(ctx: Context, call: Attach) -> None:
    """economy G4. Refuses exists, unsorted, mode."""
    accounts = [_require_new(ctx, new.key) for new in call.accounts]
    keys = [new.key for new in call.accounts]
    require(all(one < other for one, other in pairwise(keys)), Code.MEMBERS_UNSORTED)
    for new in call.accounts:
        _check_limit(ctx, new.limit)

    for new, account in zip(call.accounts, accounts, strict=True):
        _make_account(ctx, account, new.key, new.kind)
        MEMBERS.put(ctx.state, _member(0, None, (), new.limit), account)
    ctx.emit("members.AccountsAttached", *accounts)


def set_limits(ctx: Context, call: SetLimits) -> None:
    """economy G4, C8, G17. Refuses unknown-account, amount, flags, mode, bad-code.

    Only accounts that registrars made have limits: the fund and the shared role accounts of a
    wijk's founding are no wallets. An account of another wijk is unknown to these registrars.
    Limits hold at every height (I13), so none is set below what the account has: registrars who
    split a limit over accounts (G4) would give one holder more than the cap of the mode.
    """
    account = get_account(ctx, call.account)
    member = MEMBERS.get(ctx.state, call.account)
    if member is None or account.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    held = get_wallet(ctx.state, ctx.denom, get_class(account), call.account)
    require(held <= call.limit, Code.TX_AMOUNT, amount_cents=call.limit)
    # A flag on a payment account would give one person a second vote.
    _check_flags(call.flags, account.kind if member.membership else "")
    _check_limit(ctx, call.limit)
    _check_codes(ctx, call)

    changed = Member(
        member.membership,
        member.area,
        call.flags,
        call.limit,
        call.auto_redeem,
        call.vol_hour,
        call.vol_month,
        call.vol_year,
        call.contracted,
        call.nace,
        call.out_product,
        tuple((place.code, place.year, place.until) for place in call.places),
    )
    MEMBERS.put(ctx.state, changed, call.account)
    before, after = has_vote(account, member), has_vote(account, changed)
    note_right(ctx.state, ctx.wijk_id, call.account, ctx.height, before, after)
    ctx.emit(
        "members.LimitsSet",
        call.account,
        call.limit,
        call.auto_redeem,
        call.vol_hour,
        call.vol_month,
        call.vol_year,
        call.contracted,
        *call.flags,
    )


def _require_new(ctx: Context, key: bytes) -> bytes:
    """Return the id of the account that `key` begins.

    Refuses a key that has an account, and with `accounts.no-proof` one that nobody can sign
    with (consensus M3): registrars bring no proof, so this is all that can be checked.
    """
    require(is_valid_key(key), Code.ACCOUNTS_NO_PROOF)
    account = account_id(key)
    require(ACCOUNTS.get(ctx.state, account) is None, Code.MEMBERS_EXISTS)
    return account


def _is_near(ctx: Context, area: str) -> bool:
    """Say whether `area` is a wijk or buurt of the gemeente of this wijk (economy G8, R1, R2)."""
    return is_area(area) and get_gemeente(area) == get_gemeente(ctx.wijk.cbs_code)


def _check_area(ctx: Context, area: str, year: int) -> None:
    """economy G8: a code of the gemeente, in the year of the wijk's own code, and not too small.

    Codes change from year to year (R1) and a membership keeps no year, so all have the wijk's.
    """
    fits = _is_near(ctx, area) and year == ctx.wijk.cbs_year
    require(fits, Code.MEMBERS_BAD_AREA, area=area)
    small = ctx.clock.param("small_areas")
    assert isinstance(small, tuple), "small_areas is a table"
    require((area,) not in small, Code.MEMBERS_SMALL_AREA)


def _check_flags(flags: tuple[str, ...], kind: str) -> None:
    """VOTE is for persons; both flags are for members, once each, in the listed order."""
    listed = tuple(flag for flag in FLAGS if flag in flags)
    require(flags == listed, Code.MEMBERS_FLAGS)
    require(VOTE not in flags or kind == PERSON, Code.MEMBERS_FLAGS)
    require(not flags or kind in MEMBER_KINDS, Code.MEMBERS_FLAGS)


def _check_limit(ctx: Context, limit: int) -> None:
    """economy C7: no limit above the wallet cap of the issuer's mode."""
    cap = get_issuer(ctx.state, ctx.wijk.issuer).wallet_cap
    if cap is not None and limit > cap:
        raise Reject(Code.MEMBERS_MODE, cap_cents=cap)


def _check_codes(ctx: Context, call: SetLimits) -> None:
    """economy S1, S13, R1: codes of trade and product, and places in the gemeente."""
    for code, judge in ((call.nace, is_nace), (call.out_product, is_product)):
        if code is not None:
            require(judge(code), Code.MEMBERS_BAD_CODE)
    for place in call.places:
        known = _is_near(ctx, place.code) and place.year in CBS_YEARS
        require(known, Code.MEMBERS_BAD_CODE)


def _make_account(ctx: Context, account: bytes, key: bytes, kind: str) -> AccountRecord:
    first = AccountKey(0, key, sha256(key), ctx.height)
    record = AccountRecord(kind, ctx.wijk_id, ACTIVE, 1, (first,), ())
    ACCOUNTS.put(ctx.state, record, account)
    return record


def _member(membership: int, area: str | None, flags: tuple[str, ...], limit: int) -> Member:
    return Member(membership, area, flags, limit, 0, 0, 0, 0, 0, None, None, ())
