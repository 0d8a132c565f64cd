"""Checking the items of answers that carry proofs of their own (interfaces 2.2, 5.5; ADR 0095).

A proof shows one key. That a list leaves nothing out follows where its sum is a figure of the
books that is proven too; the functions say where it does not.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chain.address import account_text, parse_account
from chain.books import BATCHED, COST, HELD, OPEN, Redemption
from chain.call_json import call_to_json
from chain.genesis import load_genesis
from chain.keyspaces import (
    LEFT,
    SUSPENDED,
    AccountRecord,
    Entry,
    Hold,
    Member,
    Supply,
    Wijk,
)
from chain.policy import Policy as Trust
from chain.texts import Problem
from chain.voters import VoterCount, has_vote
from contracts.policies import Policy
from wallet.order import TABLE
from wallet.verify import find_value, prove_value, read_proof

PROOF_WRONG = 5001
TRIES = 3  # a block may come between two answers, or between an item and its proof
NO_SUPPLY = Supply(0, 0, 0, 0, 0, 0, 0, 0)

T = TypeVar("T")


def ask_again(question: Callable[[], T]) -> T:
    """Return what a question and its check give; ask anew where blocks came in between."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return question()
        except Problem as problem:
            if problem.number != PROOF_WRONG or left == 0:
                raise
    raise AssertionError("the last try returns or raises")


def verify_coin(item: dict[str, Any], trust: Trust) -> Supply:
    """Return the sums of a coin; raise `Problem` unless those of `coin info` are proven."""
    found = read_proof(item["proof"], f"supply/{item['denom']}", Supply, trust) or NO_SUPPLY
    proven = {
        "issued_cents": found.issued,
        "redeemed_cents": found.redeemed,
        "traded_net_cents": found.traded_in - found.traded_out,
        "supply_cents": _outstanding(found),
        "pending_out_cents": found.pending_out,
        "reserve_cents": found.reserve,
        "due_from_cents": found.due_from,
        "due_to_cents": found.due_to,
    }
    hold_against(item, proven)
    return found


def verify_reserve(item: dict[str, Any], trust: Trust) -> None:
    """Raise `Problem` unless the sums of `coin reserve show` are proven.

    Open bank entries are what the node says: whoever has the bank's file reconciles it (X7).
    """
    found = read_proof(item["proof"], f"supply/{item['denom']}", Supply, trust) or NO_SUPPLY
    proven = {
        "reserve_cents": found.reserve,
        "supply_cents": _outstanding(found),
        "difference_cents": found.reserve - _outstanding(found),
        "due_from_cents": found.due_from,
        "due_to_cents": found.due_to,
    }
    hold_against(item, proven)


def verify_issued(
    items: Sequence[dict[str, Any]], coin: dict[str, Any], genesis: bytes, trust: Trust
) -> None:
    """Raise `Problem` unless each issue of a coin is proven, and none is left out.

    Each is a bank entry that says which transaction used it; with what genesis began with they are
    all that was ever issued. Time, signers and statement are what the node says.
    """
    document = load_genesis(genesis)
    if document.digest.hex() != trust.chain_digest:
        raise Problem(PROOF_WRONG, cause="genesis")
    opening = sum(one.balance_cents for one in document.doc.accounts if one.wijk == coin["wijk"])
    for item in items:
        entry = read_proof(item["proof"], f"entry/{item['entry']}", Entry, trust)
        if entry is None or entry.side != "C" or entry.used_by is None:
            raise Problem(PROOF_WRONG, cause=item["entry"])
        hold_against(item, {"tx": entry.used_by.hex(), "amount_cents": entry.cents})
    _check_distinct(items, "entry")
    total = opening + sum(item["amount_cents"] for item in items)
    if total != verify_coin(coin, trust).issued:
        raise Problem(PROOF_WRONG, cause="issued_cents")


def verify_redemptions(items: Sequence[dict[str, Any]], coin: dict[str, Any], trust: Trust) -> None:
    """Raise `Problem` unless each redemption that waits is proven, and none is left out.

    Together they are what stands in class 3 (I5). The last day is what the node says: a freeze
    moves it for a whole account, in another record.
    """
    for item in items:
        key = f"redeem/{item['redemption_id']}"
        found = read_proof(item["proof"], key, Redemption, trust)
        if found is None or found.status not in (OPEN, BATCHED):
            raise Problem(PROOF_WRONG, cause=item["redemption_id"])
        proven = {
            "denom": found.denom,
            "amount_cents": found.cents,
            "status": found.status.lower(),
            "batch": None if found.batch is None else found.batch.hex(),
        }
        hold_against(item, proven)
    _check_distinct(items, "redemption_id")
    if sum(item["amount_cents"] for item in items) != verify_coin(coin, trust).pending_out:
        raise Problem(PROOF_WRONG, cause="pending_out_cents")


def verify_holds(
    items: Sequence[dict[str, Any]],
    account: str,
    trust: Trust,
    state_proof: Callable[[str], dict[str, Any]],
    *,
    whole: bool,
) -> None:
    """Raise `Problem` unless each hold is proven; of a `whole` list, that no open one is left out
    which the account made: together they are what stands aside of it (I8).

    That a list holds everything that others set aside for the account no proof can show.
    """
    own = 0
    for item in items:
        found = read_proof(item["proof"], f"hold/{item['hold']}", Hold, trust)
        if found is None:
            raise Problem(PROOF_WRONG, cause=item["hold"])
        proven = {
            "payer": account_text(found.payer),
            "to": account_text(found.to),
            "denom": found.denom,
            "amount_cents": found.cents,
            "posted_cents": found.posted,
            "link": None if found.link is None else found.link.hex(),
        }
        hold_against(item, proven)
        if item["state"] != found.status.lower() and found.status != OPEN:
            raise Problem(PROOF_WRONG, cause="state")  # an open one may be over and not swept yet
        if found.status == OPEN and found.payer == parse_account(account):
            own += found.cents
    _check_distinct(items, "hold")
    if whole:
        record = prove_value(state_proof, f"account/{account}", AccountRecord, trust)
        wijk = prove_value(state_proof, f"wijk/{record.wijk}", Wijk, trust)
        key = f"bal/{wijk.denom(record.wijk)}/{HELD}/{account}"
        if own != (find_value(state_proof, key, int, trust) or 0):
            raise Problem(PROOF_WRONG, cause="held_cents")


def verify_members(
    items: Sequence[dict[str, Any]],
    wijk: str,
    trust: Trust,
    state_proof: Callable[[str], dict[str, Any]],
) -> None:
    """Raise `Problem` unless each membership of a wijk is proven, and no voter is left out.

    How many have a vote is a figure of the chain (E13). That a member without one is missing, and
    that an account is frozen, no proof here can show.
    """
    voters = 0
    for item in items:
        name = item["account"]
        member = read_proof(item["proof"], f"member/{name}", Member, trust)
        record = read_proof(item["account_proof"], f"account/{name}", AccountRecord, trust)
        if member is None or record is None or member.membership == 0:
            raise Problem(PROOF_WRONG, cause=name)
        proven = {
            "wijk": record.wijk,
            "kind": record.kind.lower(),
            "area": member.area,
            "flags": [flag.lower() for flag in member.flags],
            "limit_cents": member.limit,
        }
        hold_against(item, proven)
        stands = {LEFT: ("closed",), SUSPENDED: ("frozen",)}.get(record.status)
        if record.wijk != wijk or item["status"] not in (stands or ("active", "frozen")):
            raise Problem(PROOF_WRONG, cause="status")
        voters += has_vote(record, member)
    _check_distinct(items, "account")
    newest = find_value(state_proof, f"voterchanges/{wijk}", int, trust)
    count = None
    if newest is not None:
        count = find_value(state_proof, f"voters/{wijk}/{newest}", VoterCount, trust)
    if voters != (0 if count is None else count.count):
        raise Problem(PROOF_WRONG, cause="voters")


def verify_health(item: dict[str, Any], trust: Trust) -> None:
    """Raise `Problem` unless the figures that can be proven are; `unproven` names the rest."""
    found = read_proof(item["proof"], f"supply/{item['denom']}", Supply, trust) or NO_SUPPLY
    key = f"bal/{item['denom']}/{COST}/{item['wijk']}"
    cost = read_proof(item["cost_proof"], key, int, trust) or 0
    hold_against(item, {"outstanding_cents": _outstanding(found), "cost_cents": cost})
    hold_against(item["waiting"], {"amount_cents": found.pending_out})


def _outstanding(supply: Supply) -> int:
    return supply.issued - supply.redeemed + supply.traded_in - supply.traded_out


def _check_distinct(items: Sequence[dict[str, Any]], name: str) -> None:
    """One proven item that stands twice would make up for one that is left out."""
    if len({item[name] for item in items}) != len(items):
        raise Problem(PROOF_WRONG, cause=name)


def verify_policy(item: dict[str, Any], policy_id: str, trust: Trust) -> None:
    """Raise `Problem` 5001 or 5002 unless rules, sums and state of a policy are proven.

    Its sentences follow from them; they are what the node says.
    """
    record = read_proof(item["proof"], f"policy/{policy_id}", Policy, trust)
    if record is None:
        raise Problem(PROOF_WRONG, cause=policy_id)
    proven = {
        "id": policy_id,
        "denom": record.denom,
        "funder": account_text(record.funder),
        "state": record.status.lower(),
        "shape": call_to_json(TABLE, record.shape),
        "guards": [call_to_json(TABLE, guard) for guard in record.guards],
        "split": [call_to_json(TABLE, part) for part in record.split],
        "funded_cents": record.funded,
        "spent_cents": record.spent,
        "pending_cents": record.pending,
        "returned_cents": record.returned,
        "free_cents": record.free,
    }
    hold_against(item, proven)


def hold_against(item: dict[str, Any], proven: dict[str, Any]) -> None:
    """Raise `Problem` 5001 naming the first field that is not what is proven."""
    for name, value in proven.items():
        if item.get(name) != value:
            raise Problem(PROOF_WRONG, cause=name)
