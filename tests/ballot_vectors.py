"""Golden bytes of ballots, proofs and shares (economy 10.3); `python -m` writes the vectors.

Randomness comes by rule, so another program can be tried on the same bytes: read the diff.
"""

import json
from pathlib import Path
from typing import Any

from chain.ballot import check_ballot
from chain.ceremony import compute_share_key
from chain.codec import encode
from chain.crypto import public_key
from chain.tally import add_ballot, find_counts, open_sums, start_sums
from tests.made_election import Ceremony, counted, fixed_manifest, hold_ceremony, voter_seeds
from wallet.ballots import choose, make_ballot, score
from wallet.trustee import make_shares

VECTORS = Path(__file__).parent / "vectors" / "ballots.json"
SHAPES: dict[str, dict[str, Any]] = {
    "approval": {"min": 0, "max": 5, "blank": 0},
    "approval-blank": {"min": 1, "max": 5, "blank": 1},
    "score": {"method": "SCORE", "min": 0, "max": 10, "score": 5, "options": 3},
    "yes-no": {
        "kind": "DECISION", "method": "YES_NO", "seats": 0, "min": 0, "max": 1, "blank": 1,
        "options": 1,
    },
}  # fmt: skip
CHOICES: dict[str, list[dict[str, Any]]] = {
    "approval": [{"numbers": [1, 4]}, {"numbers": []}, {"numbers": [1, 2, 3, 6, 7]}],
    "approval-blank": [{"numbers": [1, 4]}, {"numbers": [], "blank": True}, {"numbers": [7]}],
    "score": [{"points": {1: 5, 3: 4}}, {"points": {2: 1}}, {"points": {}}],
    "yes-no": [{"numbers": [1]}, {"numbers": []}, {"numbers": [], "blank": True}],
}


def make_vector(ceremony: Ceremony, name: str) -> dict[str, Any]:
    """Return one election: its manifest, ballots, sums, shares of trustees 2, 3, 5 and counts."""
    fixed = fixed_manifest(ceremony, **SHAPES[name])
    voters = [public_key(seed) for seed in voter_seeds(8)]
    sums = start_sums(len(fixed.slots))
    ballots = []
    for number, (voter, choice) in enumerate(zip(voters, CHOICES[name], strict=False)):
        values = score(fixed, **choice) if "points" in choice else choose(fixed, **choice)
        made = make_ballot(fixed, voter, values, counted(f"{name} {number}"))
        sums = add_ballot(sums, check_ballot(fixed, voter, made.data).ciphertexts)
        ballots.append(
            {
                "values": list(values),
                "randoms": made.opening.randoms.hex(),
                "ballot": made.data.hex(),
                "tracker": made.tracker,
            }
        )
    shares = {
        trustee: make_shares(
            fixed, trustee, ceremony.secrets[trustee], sums, counted(f"{name} share {trustee}")
        )
        for trustee in (2, 3, 5)
    }
    points = open_sums(fixed, sums, shares)
    return {
        "manifest": encode(fixed.manifest).hex(),
        "digest": fixed.digest.hex(),
        "ballots": ballots,
        "sums": sums.hex(),
        "shares": {str(trustee): encode(given).hex() for trustee, given in shares.items()},
        "counts": list(find_counts(points, 5 * len(ballots))),
    }


def make_vectors() -> dict[str, Any]:
    """Return all vectors, and the key ceremony they share."""
    ceremony = hold_ceremony()
    return {
        "ceremony": {
            "context": encode(ceremony.context).hex(),
            "seeds": [seed.hex() for seed in ceremony.seeds],
            "commits": [encode(commit).hex() for commit in ceremony.commits],
            "share_keys": [
                compute_share_key(ceremony.commitments, number).hex() for number in ceremony.secrets
            ],
            "secrets": [secret.hex() for secret in ceremony.secrets.values()],
        },
        "elections": {name: make_vector(ceremony, name) for name in SHAPES},
    }


def main() -> None:
    """Write the vectors anew: commit only what is understood."""
    VECTORS.write_text(json.dumps(make_vectors(), indent=1) + "\n")


if __name__ == "__main__":
    main()
