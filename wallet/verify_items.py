"""Checking the items of answers that carry proofs of their own (interfaces 2.2, 5.5; ADR 0095)."""

from typing import Any

from chain.address import account_text
from chain.call_json import call_to_json
from chain.policy import Policy as Trust
from chain.texts import Problem
from contracts.policies import Policy
from wallet.order import TABLE
from wallet.verify import read_proof

PROOF_WRONG = 5001


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
