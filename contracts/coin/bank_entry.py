"""What the bank did besides deposits and payouts: costs, income, deposits at a partner (C17).

Costs come out of income, never out of coin: a debit that income does not cover stays open, and as
long as more is open than income covers, nothing is minted.
"""

from typing import Literal

from chain.books import BANK, COST, FIN, INCOME, Place, book, get_balance
from chain.codec import Digest, Record
from chain.contract import Context, require_amount
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACTIVE,
    PACTS,
    PREFUNDED,
    WIJKEN,
    Entry,
    Reserve,
    compute_pact_id,
)
from contracts.coin.bank_day import (
    BOOKED,
    CREDIT,
    DEBIT,
    check_cents,
    find_attested,
    get_attested,
    use_entry,
)

CHARGE, INTEREST, CONTRIBUTION = "CHARGE", "INTEREST", "CONTRIBUTION"
PREFUND, REVERSAL = "PREFUND", "REVERSAL"

# Which side of the bank a kind is on, and whether the bank may or must call it a reversal. Banks
# flag a payout that came back as one: such a credit is a contribution (ADR 0019).
_SIDES: dict[str, tuple[str, tuple[int, ...]]] = {
    CHARGE: (DEBIT, (0,)),
    INTEREST: (CREDIT, (0,)),
    CONTRIBUTION: (CREDIT, (0, 1)),
    PREFUND: (DEBIT, (0,)),
    REVERSAL: (DEBIT, (1,)),
}


class BankEntryCall(Record, frozen=True, tag="coin.bank_entry"):
    """C17: book an attested entry that is neither mint nor payout.

    A PREFUND names the entry at the reserve account pledged to the partner, and their pact.
    """

    entry_id: Digest
    kind: Literal["CHARGE", "INTEREST", "CONTRIBUTION", "PREFUND", "REVERSAL"]
    pair: Digest | None
    pact: Digest | None


def bank_entry(ctx: Context, call: BankEntryCall) -> None:
    """economy C17. Refuses unknown-id, used, side, kind; amount where a pair differs, low-balance
    where income does not cover a debit, or more was paid out of the bank than was booked into it.
    """
    entry, _ = get_attested(ctx, call.entry_id, Code.TX_UNKNOWN_ID)
    pair = None if call.pair is None else _get_pair(ctx, call.pair)
    require_amount(entry.cents)  # a bank may list an entry of nothing
    for one in (entry, pair[0] if pair is not None else None):
        require(one is None or one.used_by is None, Code.COIN_USED, entry=call.entry_id.hex())
    side, reversals = _SIDES[call.kind]
    require(entry.side == side and entry.reversal in reversals, Code.COIN_SIDE)
    if pair is not None:
        require(pair[0].side == CREDIT and not pair[0].reversal, Code.COIN_SIDE)
    is_prefund = call.kind == PREFUND
    require(is_prefund == (pair is not None), Code.COIN_KIND)
    require(is_prefund == (call.pact is not None), Code.COIN_KIND)
    if pair is not None:
        _check_pact(ctx, call.pact, pair[1].wijk)
        check_cents(pair[0].cents, entry.cents)
    _check_covered(ctx, call.kind, entry)

    own: Place = (BANK, entry.reserve)
    other: Place = (INCOME if side == CREDIT else COST, ctx.wijk_id)
    use_entry(ctx, call.entry_id, entry)
    if call.pair is not None and pair is not None:
        use_entry(ctx, call.pair, pair[0])
        other = (BANK, pair[0].reserve)
    debit, credit = (own, other) if side == CREDIT else (other, own)
    book(ctx, ctx.wijk_id, ctx.denom, debit, credit, entry.cents, tag=FIN)
    ctx.emit("coin.BankEntryBooked", call.entry_id, call.kind, entry.cents, call.pair)


def _get_pair(ctx: Context, entry_id: bytes) -> tuple[Entry, Reserve]:
    """Return an attested entry of a reserve pledged to another wijk, or refuse with unknown-id.

    A reserve whose money is or was in the books of that wijk is not one: the entry may be a deposit
    of its resident.
    """
    found = find_attested(ctx.state, entry_id)
    if found is None or found[1].wijk == ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ID, id=entry_id.hex())
    entry, reserve = found
    partner = WIJKEN.get(ctx.state, reserve.wijk)
    assert partner is not None, "a reserve is pledged to a wijk that exists"
    backs = get_balance(ctx.state, partner.denom(reserve.wijk), BANK, entry.reserve)
    books = BOOKED.get(ctx.state, entry.reserve)
    free = books == ctx.wijk_id or (books is None and backs == 0)
    fits = free and partner.currency == ctx.wijk.currency
    require(fits, Code.TX_UNKNOWN_ID, id=entry_id.hex())
    return found


def _check_pact(ctx: Context, pact_id: bytes | None, partner: str) -> None:
    """Refuse with unknown-id unless that is the PREFUNDED pact in force with `partner` (T2)."""
    a, b = sorted((ctx.wijk_id, partner))
    pact = PACTS.get(ctx.state, a, b)
    known = pact is not None and pact_id == compute_pact_id(a, b)
    if pact is None or not known or (pact.mode, pact.status) != (PREFUNDED, ACTIVE):
        raise Reject(Code.TX_UNKNOWN_ID)


def _check_covered(ctx: Context, kind: str, entry: Entry) -> None:
    """Refuse with low-balance a debit for which there is no money in the books (I3, I4, C17)."""
    if _SIDES[kind][0] == CREDIT:
        return
    room = get_balance(ctx.state, ctx.denom, BANK, entry.reserve)
    if kind != PREFUND:
        income = get_balance(ctx.state, ctx.denom, INCOME, ctx.wijk_id)
        room = min(room, income - get_balance(ctx.state, ctx.denom, COST, ctx.wijk_id))
    require(
        entry.cents <= room, Code.COIN_LOW_BALANCE, balance_cents=room, amount_cents=entry.cents
    )
