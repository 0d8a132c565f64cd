"""The books: the only way coin moves (economy section 7).

Every movement is one booking with a debit and a credit of the same amount, so economy I1 and
I2 hold by construction; balances and the supply sums follow from it here and nowhere else.
Contracts share the checks of payer and payee, because `coin`, `trade` and later contracts move
coin under the same rules.
"""

import msgspec

from chain.contract import Context, get_account
from chain.dates import add_banking_days
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACTIVE,
    BALANCES,
    BOARD,
    FREEZES,
    ISSUERS,
    MEMBERS,
    NO_LIMIT,
    SUPPLY,
    SUSPENDED,
    WIJKEN,
    AccountRecord,
    Issuer,
    Supply,
)
from chain.codec import Account, Digest, Record, Uint
from chain.records import Posting, Tag
from chain.state import Keyspace, State

BANK, MEMBER, PENDING_OUT, POOL, HELD = "1", "2", "3", "4", "5"
DUE_FROM, DUE_TO, FUND, INCOME, COST = "6F", "6T", "7", "8", "9"
DEBIT_CLASSES = (BANK, DUE_FROM, COST)  # a debit adds to these and lowers the others
OUTSTANDING_CLASSES = (MEMBER, PENDING_OUT, POOL, HELD, FUND)  # economy C2
BALANCE_CENTS_MAX = 2**53 - 1  # economy B8
FIN = Tag("FIN", None, None, 0)  # economy C20: moves that are never output

LICENSED, EXEMPT_150, LIMITED_NETWORK = "LICENSED", "EXEMPT_150", "LIMITED_NETWORK"
MODES = (LICENSED, EXEMPT_150, LIMITED_NETWORK)

OPEN, BATCHED, PAID = "OPEN", "BATCHED", "PAID"


class Redemption(Record, frozen=True):
    """`redeem/<id>`: a redemption under way; `due` is its last day, YYYYMMDD (economy C13, C15)."""

    account: Account
    denom: str
    cents: Uint
    payout: Digest | None
    due: Uint
    batch: Digest | None
    status: str


REDEMPTIONS: Keyspace[Redemption] = Keyspace("redeem", Redemption, 1)
# Unpaid redemptions per due date, oldest first: [(date, count)], so C15 needs no search.
UNPAID: Keyspace[tuple[tuple[int, int], ...]] = Keyspace("unpaid", tuple[tuple[Uint, Uint], ...], 1)

_SUPPLY_FIELDS = {
    PENDING_OUT: "pending_out",
    BANK: "reserve",
    DUE_FROM: "due_from",
    DUE_TO: "due_to",
}
_NO_SUPPLY = Supply(0, 0, 0, 0, 0, 0, 0, 0)


def get_supply(state: State, denom: str) -> Supply:
    """Return the supply sums of a denomination."""
    return SUPPLY.get(state, denom) or _NO_SUPPLY


def add_to_supply(ctx: Context, denom: str, **deltas: int) -> None:
    """Add to `issued`, `redeemed`, `traded_in` or `traded_out`; the other sums follow bookings."""
    supply = get_supply(ctx.state, denom)
    changed = {name: getattr(supply, name) + delta for name, delta in deltas.items()}
    SUPPLY.put(ctx.state, msgspec.structs.replace(supply, **changed), denom)


def add_to_outstanding(ctx: Context, issuer_code: str, delta: int) -> None:
    """Change what an issuer has outstanding; refuse with `coin.mode-cap` above its cap (C7, I13)."""
    issuer = get_issuer(ctx.state, issuer_code)
    outstanding = issuer.outstanding + delta
    if delta > 0 and issuer.total_cap is not None:
        require(
            outstanding <= issuer.total_cap,
            Code.COIN_MODE_CAP,
            remaining_cents=max(0, issuer.total_cap - issuer.outstanding),
        )
    ISSUERS.put(ctx.state, msgspec.structs.replace(issuer, outstanding=outstanding), issuer_code)


def get_issuer(state: State, code: str) -> Issuer:
    """Return the issuer a wijk names."""
    issuer = ISSUERS.get(state, code)
    assert issuer is not None, "a wijk names an issuer that exists"
    return issuer


def get_class(account: AccountRecord) -> str:
    """Return the class that an account's own coin stands in: 7 for a board, else 2."""
    return FUND if account.kind == BOARD else MEMBER


def get_balance(state: State, denom: str, klass: str, owner: bytes | str) -> int:
    """Return a balance in cents."""
    return BALANCES.get(state, denom, klass, owner) or 0


def book(
    ctx: Context,
    wijk: str,
    debit: tuple[str, bytes | str],
    credit: tuple[str, bytes | str],
    cents: int,
    *,
    tag: Tag | None = None,
    decision: bytes | None = None,
) -> None:
    """Book `cents` in the denomination of `wijk`: debit one account, credit another.

    The handler has checked that the money is there; a balance below zero is our own bug.
    """
    assert cents > 0, "a booking moves something"
    record = WIJKEN.get(ctx.state, wijk)
    assert record is not None
    denom = record.denom(wijk)
    leg = len(ctx.postings) // 2
    for (klass, owner), side in ((debit, "D"), (credit, "C")):
        adds = (side == "D") == (klass in DEBIT_CLASSES)
        delta = cents if adds else -cents
        balance = get_balance(ctx.state, denom, klass, owner) + delta
        assert 0 <= balance <= BALANCE_CENTS_MAX, f"class {klass} of {denom} at {balance}"
        if balance:
            BALANCES.put(ctx.state, balance, denom, klass, owner)
        else:
            BALANCES.delete(ctx.state, denom, klass, owner)
        if klass in _SUPPLY_FIELDS:
            add_to_supply(ctx, denom, **{_SUPPLY_FIELDS[klass]: delta})
        ctx.postings.append(
            Posting(
                leg, wijk, denom, klass, _owner_bytes(owner), side, cents, tag, None, decision, None
            )
        )


def _owner_bytes(owner: bytes | str) -> bytes:
    return owner.encode() if isinstance(owner, str) else owner


def check_not_frozen(ctx: Context, account_id: bytes, account: AccountRecord) -> None:
    """Refuse with `coin.frozen` when nothing may leave the account (economy C19, I12)."""
    freeze = FREEZES.get(ctx.state, account_id)
    frozen = account.status == SUSPENDED or (freeze is not None and ctx.time_s < freeze.until_s)
    require(not frozen, Code.COIN_FROZEN)


def check_payer(ctx: Context, account_id: bytes, account: AccountRecord, cents: int) -> None:
    """Refuse unless `account` may pay `cents` now: not frozen, and the balance is there (I3, I12)."""
    check_not_frozen(ctx, account_id, account)
    wijk = WIJKEN.get(ctx.state, account.wijk)
    assert wijk is not None
    denom = wijk.denom(account.wijk)
    balance = get_balance(ctx.state, denom, get_class(account), account_id)
    require(balance >= cents, Code.COIN_LOW_BALANCE, balance_cents=balance, amount_cents=cents)


def get_payee(ctx: Context, account_id: bytes) -> AccountRecord:
    """Return a payee, or refuse: unknown, gone, or not contracted where the mode asks it (C7)."""
    account = get_account(ctx, account_id)
    require(account.status == ACTIVE or account.status == SUSPENDED, Code.TX_UNKNOWN_ACCOUNT)
    return account


def check_contracted(ctx: Context, account_id: bytes, account: AccountRecord) -> None:
    """Refuse a payee that a LIMITED_NETWORK issuer has no contract with (economy C7)."""
    wijk = WIJKEN.get(ctx.state, account.wijk)
    assert wijk is not None
    if get_issuer(ctx.state, wijk.issuer).mode != LIMITED_NETWORK:
        return
    member = MEMBERS.get(ctx.state, account_id)
    require(member is not None and member.contracted == 1, Code.COIN_NOT_CONTRACTED)


def credit_payee(
    ctx: Context,
    debit: tuple[str, bytes | str],
    account_id: bytes,
    account: AccountRecord,
    cents: int,
    *,
    tag: Tag | None = None,
    decision: bytes | None = None,
) -> None:
    """Book `cents` to a payee, within its limit (economy C8).

    What would pass the limit becomes a redemption request where the payee has `auto_redeem`,
    else the payment is refused with the amount still possible.
    """
    wijk = WIJKEN.get(ctx.state, account.wijk)
    assert wijk is not None
    denom = wijk.denom(account.wijk)
    klass = get_class(account)
    member = MEMBERS.get(ctx.state, account_id)
    excess = 0
    if member is not None and member.limit < NO_LIMIT:
        room = max(0, member.limit - get_balance(ctx.state, denom, klass, account_id))
        excess = max(0, cents - room)
        if excess and not member.auto_redeem:
            raise Reject(Code.COIN_WALLET_LIMIT, remaining_cents=room)
    book(ctx, account.wijk, debit, (klass, account_id), cents, tag=tag, decision=decision)
    if excess:
        open_redemption(ctx, account_id, account, excess, None)


def open_redemption(
    ctx: Context, account_id: bytes, account: AccountRecord, cents: int, payout: bytes | None
) -> bytes:
    """Move coin to class 3 and note the request; return its id (economy C13)."""
    wijk = WIJKEN.get(ctx.state, account.wijk)
    assert wijk is not None
    denom = wijk.denom(account.wijk)
    book(
        ctx,
        account.wijk,
        (get_class(account), account_id),
        (PENDING_OUT, account_id),
        cents,
        tag=FIN,
    )
    due = add_banking_days(ctx.clock.book_date, ctx.clock.number("redeem_days"))
    request = ctx.new_id()
    REDEMPTIONS.put(
        ctx.state, Redemption(account_id, denom, cents, payout, due, None, OPEN), request
    )
    _count_unpaid(ctx, denom, due, 1)
    ctx.emit("coin.RedeemRequested", request, account_id, cents, due)
    return request


def close_redemption(ctx: Context, request: bytes, redemption: Redemption) -> None:
    """Mark a redemption paid."""
    REDEMPTIONS.put(ctx.state, msgspec.structs.replace(redemption, status=PAID), request)
    _count_unpaid(ctx, redemption.denom, redemption.due, -1)


def is_overdue(ctx: Context, denom: str) -> bool:
    """Say whether a redemption is past its due date, which blocks minting (economy C15)."""
    unpaid = UNPAID.get(ctx.state, denom)
    return bool(unpaid) and unpaid is not None and unpaid[0][0] < ctx.clock.book_date


def _count_unpaid(ctx: Context, denom: str, due: int, delta: int) -> None:
    counts = dict(UNPAID.get(ctx.state, denom) or ())
    counts[due] = counts.get(due, 0) + delta
    rows = tuple((date, counts[date]) for date in sorted(counts) if counts[date])
    if rows:
        UNPAID.put(ctx.state, rows, denom)
    else:
        UNPAID.delete(ctx.state, denom)
