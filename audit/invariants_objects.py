"""Invariants of holds, corrections and pools (I8, I9, I12, I13), from postings and state."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from audit.findings import Broken
from audit.state_view import StateView
from chain.books import FUND, HELD, MEMBER, PAYMENTS, POOL
from chain.codec import decode
from chain.due import DUE, HOLDS_DUE
from chain.keyspaces import FREEZES, HOLDS, OPEN, POSTED, Freeze
from chain.records import Posting
from contracts.policies import POLICIES, Policy
from contracts.policies.frame import STEPS, Pledge
from contracts.policies.p08_collective_buy import CollectiveBuy

if TYPE_CHECKING:
    from audit.invariants import Books


def find_wrong_holds(books: "Books", view: StateView, time_s: int | None) -> Iterator[Broken]:
    """I8: class 5 of an account is what its open holds keep; what was opened is paid, back or open.

    None is open past its expiry, unless so many ended that the rest waits for the next block.
    """
    opened, ended = Counter[str](), Counter[str]()
    own: Counter[tuple[str, bytes]] = Counter()
    queue = {place: entry for (name, place), entry in view.rows(DUE) if name == HOLDS_DUE}
    waiting = set(queue.values())
    drained = time_s is not None and (1 not in queue or queue[1][0] > time_s)
    for place, entry in queue.items():
        if place > 1 and entry < queue.get(place // 2, entry):
            yield Broken("I8", f"place {place} of the queue of holds is before the one above it")
    for (hold_id,), hold in view.rows(HOLDS):
        opened[hold.denom] += hold.cents
        most = hold.cents if hold.status == POSTED else 0
        if not (most > 0) <= hold.posted <= most:
            yield Broken("I8", f"hold {hold_id.hex()}: {hold.posted} posted of {hold.cents}")
        if hold.status != OPEN:
            ended[hold.denom] += hold.cents
            continue
        own[hold.denom, hold.payer] += hold.cents
        if (hold.expires, hold_id) not in waiting:
            yield Broken("I8", f"hold {hold_id.hex()} does not wait for its end")
        if drained and time_s is not None and hold.expires <= time_s:
            yield Broken("I8", f"hold {hold_id.hex()} is open past its end")
    held = {
        (denom, owner): cents
        for (denom, klass, owner), cents in books.balances.items()
        if klass == HELD
    }
    for place in own.keys() | held.keys():
        if own[place] != held.get(place, 0):
            yield Broken("I8", f"{place[0]} {place[1].hex()}: holds of {own[place]}")
    for denom in opened.keys() | books.denoms.keys():
        flows = books.flows[denom]
        if (flows[MEMBER, HELD], flows[HELD, MEMBER] + flows[HELD, FUND]) != (
            opened[denom],
            ended[denom],
        ):
            yield Broken("I8", f"{denom}: postings of holds are not what the holds say")


def find_wrong_corrections(books: "Books", view: StateView) -> Iterator[Broken]:
    """I9: what corrects a payment cites one that is remembered, and never more than was paid."""
    stated: Counter[bytes] = Counter()
    for (tx_id, leg), paid in view.rows(PAYMENTS):
        stated[tx_id] += paid.corrected
        if paid.corrected > paid.cents:
            yield Broken("I9", f"{tx_id.hex()} {leg}: {paid.corrected} of {paid.cents} corrected")
    for tx_id in stated.keys() | books.corrected.keys():
        if stated[tx_id] != books.corrected[tx_id]:
            posted = books.corrected[tx_id]
            yield Broken("I9", f"{tx_id.hex()}: {posted} posted as correction, not {stated[tx_id]}")


def find_pool_owners(view: StateView) -> Iterator[tuple[str, bytes, int]]:
    """Yield denomination, owner and cents of what pools hold: their funders', and pledges of P8."""
    purchases: dict[bytes, str] = {}
    for (policy_id,), policy in view.rows(POLICIES):
        kept = policy.pending + policy.free
        if not kept:
            continue
        if not isinstance(policy.shape, CollectiveBuy):
            yield policy.denom, policy.funder, kept
        else:
            purchases[policy_id] = policy.denom
    for (policy_id, _), step in view.rows(STEPS) if purchases else ():
        if policy_id in purchases and isinstance(step, Pledge):
            yield purchases[policy_id], step.buyer, step.cents


def find_frozen_pools(
    postings: Sequence[Posting], sender: bytes, state: Mapping[bytes, bytes], time_s: int
) -> Iterator[Broken]:
    """I12: who is frozen lets nothing leave a pool of its own; others may still decide (C19).

    `postings` are those of one order of `sender`, `state` is that after its block. Pledges that go
    back to their buyers are no payment of the organiser (P8).
    """
    for debit, credit in zip(postings[::2], postings[1::2], strict=True):
        if debit.klass != POOL or credit.klass not in (MEMBER, FUND) or credit.owner == sender:
            continue
        raw = state.get(POLICIES.key(debit.owner))
        policy = None if raw is None else decode(Policy, raw)
        if policy is None or policy.funder != sender or not is_frozen(state, sender, time_s):
            continue
        shape = policy.shape
        if not isinstance(shape, CollectiveBuy) or credit.owner == shape.supplier:
            yield Broken("I12", f"{sender.hex()} paid {debit.cents} from a pool while frozen")


def is_frozen(state: Mapping[bytes, bytes], account: bytes, time_s: int) -> bool:
    """Say whether nothing may leave an account; before its own block a freeze stops nothing."""
    raw = state.get(FREEZES.key(account))
    if raw is None:
        return False
    freeze = decode(Freeze, raw)
    return freeze.since_s < time_s < freeze.until_s
