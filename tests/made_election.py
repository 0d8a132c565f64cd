"""A whole election in memory, with randomness by rule: the same bytes at every run."""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chain.ceremony import CeremonyContext, KeyCommit, compute_key
from chain.crypto import public_key, sha256
from chain.group import reduce_scalar
from chain.manifest import Fixed, Manifest, Option, compute_voters_root, fix
from wallet import trustee

CHAIN = sha256(b"wijk vector chain")
ELECTION = sha256(b"wijk vector election")
OPENS, CLOSES = 1_767_225_600, 1_767_830_400


def counted(label: str) -> Callable[[int], bytes]:
    """Return a source of bytes that are always the same for one label."""
    numbers = itertools.count()

    def random(size: int) -> bytes:
        return hashlib.shake_256(f"{label}/{next(numbers)}".encode()).digest(size)

    return random


def scalar(label: str) -> bytes:
    return reduce_scalar(hashlib.sha512(label.encode()).digest())


def seed_of(label: str) -> bytes:
    return sha256(label.encode())


def voter_seeds(number: int) -> list[bytes]:
    """Return the seeds of that many credentials, in the order of their keys (E14)."""
    return sorted((seed_of(f"voter {i}") for i in range(number)), key=public_key)


@dataclass(frozen=True)
class Ceremony:
    """Trustees with their keys: what is public, and the secrets x_j by number."""

    context: CeremonyContext
    seeds: list[bytes]
    threshold: int
    commits: list[KeyCommit]
    secrets: dict[int, bytes]

    @property
    def commitments(self) -> tuple[tuple[bytes, ...], ...]:
        return tuple(commit.commitments for commit in self.commits)


def hold_ceremony(
    trustees: int = 5, threshold: int = 3, attempt: int = 1, election: bytes = ELECTION
) -> Ceremony:
    context = CeremonyContext(CHAIN, election, attempt)
    seeds = [seed_of(f"trustee {number}") for number in range(1, trustees + 1)]
    commits = [
        trustee.make_commit(seed, context, number, threshold, counted(f"commit {number}"))
        for number, seed in enumerate(seeds, 1)
    ]
    deals = {
        number: trustee.make_deal(seed, context, number, commits)
        for number, seed in enumerate(seeds, 1)
    }
    secrets = {}
    for number, seed in enumerate(seeds, 1):
        received = trustee.open_deals(seed, context, number, commits, deals)
        assert received.wrong == ()
        secrets[number] = trustee.add_shares(received.shares)
    return Ceremony(context, seeds, threshold, commits, secrets)


def make_manifest(ceremony: Ceremony, options: int = 7, **changed: Any) -> Manifest:
    """Return a manifest of a board election: 7 options, 0 to 5 of them, no blank vote."""
    fields: Mapping[str, Any] = {
        "chain": CHAIN,
        "election": ceremony.context.election,
        "kind": "BOARD",
        "method": "APPROVAL",
        "options": tuple(
            Option(sha256(f"option {number}".encode()), None, ())
            for number in range(1, options + 1)
        ),
        "seats": 5,
        "areas": (),
        "min": 0,
        "max": 5,
        "blank": 0,
        "score": 0,
        "electorate": 4000,
        "reference_height": 1200,
        "voters_root": compute_voters_root([public_key(seed) for seed in voter_seeds(8)]),
        "trustees": tuple(
            sha256(f"account {number}".encode())[:20]
            for number in range(1, len(ceremony.seeds) + 1)
        ),
        "threshold": ceremony.threshold,
        "commitments": ceremony.commitments,
        "key": compute_key(ceremony.commitments),
        "opens": OPENS,
        "closes": CLOSES,
        "quorum_pct": 10,
    }
    return Manifest(**{**fields, **changed})


def fixed_manifest(ceremony: Ceremony, options: int = 7, **changed: Any) -> Fixed:
    return fix(make_manifest(ceremony, options, **changed))
