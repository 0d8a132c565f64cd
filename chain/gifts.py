"""Payments that a funder may add to: which accounts are waited for, and what came in (economy P11).

No state keeps every payment, so only those to the target of an active match are noted, from the
block in which its board accepted it. Targets stand in one value for each coin, which is read with
every payment and therefore kept short.
"""

from chain.codec import Account, Record, Uint
from chain.state import Keyspace, State

TARGETS_MAX = 200  # of one coin: a value of 5 KB at most, looked through with every payment


class Gift(Record, frozen=True):
    """`gift/<transaction>/<target>`: what a member paid to a target in a transaction, in cents."""

    payer: Account
    cents: Uint
    date: Uint


# `target/<denom>`: [(account, active matches for it)], sorted.
TARGETS: Keyspace[tuple[tuple[bytes, int], ...]] = Keyspace(
    "target", tuple[tuple[Account, Uint], ...], 1
)
GIFTS: Keyspace[Gift] = Keyspace("gift", Gift, 2)


def can_watch(state: State, denom: str, account: bytes) -> bool:
    """Say whether there is room for another target."""
    rows = TARGETS.get(state, denom) or ()
    return len(rows) < TARGETS_MAX or any(target == account for target, _ in rows)


def watch(state: State, denom: str, account: bytes, delta: int) -> None:
    """Count a match for a target more, or one less."""
    counts = dict(TARGETS.get(state, denom) or ())
    counts[account] = counts.get(account, 0) + delta
    assert counts[account] >= 0, "a match ends once"
    rows = tuple((target, counts[target]) for target in sorted(counts) if counts[target])
    TARGETS.put(state, rows or None, denom)


def note_gift(
    state: State, denom: str, payee: bytes, payer: bytes, cents: int, tx: bytes, date: int
) -> None:
    """Note a payment where somebody waits for it; legs to one target count together."""
    rows = TARGETS.get(state, denom)
    if rows is None or all(target != payee for target, _ in rows):
        return
    before = GIFTS.get(state, tx, payee)
    if before is not None and before.payer != payer:
        return  # the second payer of one transaction: the first is the one that can be cited
    sum_ = cents if before is None else before.cents + cents
    GIFTS.put(state, Gift(payer, sum_, date), tx, payee)
