"""Members: who belongs to a wijk, their payment accounts and their limits (economy N10, G4, G8).

The two registrars admit people whom they know; the chain sees keys, a kind and an area, never a
name. A payment account has no membership: nothing on the chain links it to a person.
"""

from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from chain.address import account_id
from chain.books import get_issuer
from chain.codec import Account, Bit, Cents, PublicKey, Record, Uint
from chain.contract import Call, Context, Contract, Word, get_account
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
from chain.text_rules import is_area, is_code

STAND, VOTE = "STAND", "VOTE"
FLAGS = (VOTE, STAND)  # the listed order: a list of flags keeps it
ATTACH_MAX = 100  # economy section 4: a batch large enough to hide who came when (G4)
PLACES_MAX = 5
GEMEENTE_LENGTH = 4

Word24 = Annotated[str, msgspec.Meta(max_length=24)]
Place = tuple[Word24, Uint, Uint | None]
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

    _make_account(ctx, account, call.key, call.kind)
    MEMBERS.put(ctx.state, _member(1, call.area, call.flags, call.limit), account)
    ctx.emit("members.MemberAdmitted", account, call.kind, call.area, call.limit)


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
    ctx.emit("members.AccountsAttached", len(accounts))


def set_limits(ctx: Context, call: SetLimits) -> None:
    """economy G4, C8, G17. Refuses flags, mode, bad-area, bad-code."""
    account = get_account(ctx, call.account)
    require(account.wijk == ctx.wijk_id, Code.TX_ROLE, role=Word.REGISTRY.value)
    member = MEMBERS.get(ctx.state, call.account)
    if member is None:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    flags_kind = account.kind if member.membership else ""
    _check_flags(call.flags, flags_kind)
    _check_limit(ctx, call.limit)
    for code in (call.nace, call.out_product):
        require(code is None or is_code(code), Code.MEMBERS_BAD_CODE)
    for code, _year, _until in call.places:
        require(is_area(code), Code.MEMBERS_BAD_CODE)

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
        call.places,
    )
    MEMBERS.put(ctx.state, changed, call.account)
    ctx.emit("members.LimitsSet", call.account, call.limit)


def _require_new(ctx: Context, key: bytes) -> bytes:
    """Return the id of the account that `key` begins; refuse a key nobody can use, or taken."""
    require(is_valid_key(key), Code.ACCOUNTS_NO_PROOF)
    account = account_id(key)
    require(ACCOUNTS.get(ctx.state, account) is None, Code.MEMBERS_EXISTS)
    return account


def _check_area(ctx: Context, area: str, year: int) -> None:
    """economy G8, R1: a code of the wijk's gemeente, and of no buurt that is too small."""
    wijk = ctx.wijk
    in_gemeente = area[2 : 2 + GEMEENTE_LENGTH] == wijk.cbs_code[2 : 2 + GEMEENTE_LENGTH]
    fits = is_area(area) and in_gemeente and year == wijk.cbs_year
    require(fits, Code.MEMBERS_BAD_AREA)
    small = ctx.clock.param("small_areas")
    require(not isinstance(small, tuple) or (area,) not in small, Code.MEMBERS_SMALL_AREA)


def _check_flags(flags: tuple[str, ...], kind: str) -> None:
    """VOTE is for persons; STAND for members; each at most once, in the listed order."""
    listed = tuple(flag for flag in FLAGS if flag in flags)
    require(flags == listed, Code.MEMBERS_FLAGS)
    require(VOTE not in flags or kind == PERSON, Code.MEMBERS_FLAGS)
    require(not flags or kind in MEMBER_KINDS, Code.MEMBERS_FLAGS)


def _check_limit(ctx: Context, limit: int) -> None:
    """economy C7: no limit above the wallet cap of the issuer's mode."""
    cap = get_issuer(ctx.state, ctx.wijk.issuer).wallet_cap
    require(
        cap is None or limit <= cap, Code.MEMBERS_MODE, remaining_cents=0 if cap is None else cap
    )


def _make_account(ctx: Context, account: bytes, key: bytes, kind: str) -> None:
    first = AccountKey(0, key, sha256(key), ctx.height)
    ACCOUNTS.put(ctx.state, AccountRecord(kind, ctx.wijk_id, ACTIVE, 1, (first,), ()), account)


def _member(membership: int, area: str | None, flags: tuple[str, ...], limit: int) -> Member:
    return Member(membership, area, flags, limit, 0, 0, 0, 0, 0, None, None, ())


CONTRACT = Contract(
    "members",
    calls=(
        Call(Admit, (Word.REGISTRY,), admit),
        Call(Attach, (Word.REGISTRY,), attach),
        Call(SetLimits, (Word.REGISTRY,), set_limits),
    ),
)
