"""Bundles of elections that never stood on a chain, but whose every byte could (economy E29).

`Ledger` is a log with the headers and checkpoints that a node would give; `hold_election` runs an
election on it, and takes what a forger would change as arguments.
"""

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chain.address import account_id
from chain.ballot import Ballot, OpenBallot
from chain.checkpoint import commit_bytes, key_name, write_note
from chain.codec import decode, encode
from chain.counting import elect, rank
from chain.crypto import public_key, sha256, sign
from chain.log import EMPTY_FRONTIER, append, inclusion_path, root, tx_leaf_hash
from chain.manifest import Fixed, compute_voters_root, fix
from chain.records import Envelope, Header, KeySignature, block_id, encode_body
from chain.stv import count_stv
from chain.tally import Share, add_ballot, find_counts, get_count_max, open_sums, start_sums
from tests.made_election import (
    CHAIN,
    CLOSES,
    OPENS,
    Ceremony,
    counted,
    hold_ceremony,
    make_manifest,
    seed_of,
    voter_seeds,
)
from wallet import trustee
from wallet.ballots import choose, make_ballot, make_open_ballot

CHAIN_ID = "wijk-vector"
VALIDATORS = {key_name(CHAIN_ID, name): seed_of(name) for name in ("oost", "west", "noord", "zuid")}
BOARD = seed_of("board")
ZERO32 = bytes(32)


@dataclass
class Ledger:
    """Transactions in the order of the log, and what proves them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)

    def send(
        self, seed: bytes, call: Sequence[Any], blobs: Sequence[bytes] = (), *, listed: bool = True
    ) -> bytes:
        """Append a transaction by the account of `seed`; return its id."""
        key = public_key(seed)
        nonce = sha256(b"nonce %d" % len(self.leaves))[:16]
        body = encode_body(CHAIN, account_id(key), nonce, OPENS, list(call))
        signature = sign(seed, b"wijkchain/tx" + body)
        envelope = encode(Envelope(body, (KeySignature(0, signature),)))
        if listed:
            self.rows.append(
                {
                    "index": len(self.leaves),
                    "code": 0,
                    "envelope": envelope.hex(),
                    "keys": [key.hex()],
                    "blobs": [blob.hex() for blob in blobs],
                }
            )
        self.leaves.append(tx_leaf_hash(sha256(envelope), 0))
        return sha256(envelope)

    def agree(self, seed: bytes, call: Sequence[Any]) -> bytes:
        """Let a shared account propose a call and approve it; return the id of the approval."""
        proposal = self.send(seed, ["accounts.propose", encode(list(call)), OPENS])
        return self.send(seed, ["accounts.approve", proposal])

    def finish(self) -> list[dict[str, Any]]:
        """Return the rows with their paths under the root of the whole log."""
        nodes = dict(append(EMPTY_FRONTIER, self.leaves)[1])
        size = len(self.leaves)

        def node(level: int, index: int) -> bytes:
            return nodes[level, index]

        return [
            {**row, "path": [one.hex() for one in inclusion_path(row["index"], size, node)]}
            for row in self.rows
        ]

    def header(self, height: int, parent: bytes, time_s: int) -> Header:
        """Return the header of a block that ends with the newest transaction."""
        log_root = root(append(EMPTY_FRONTIER, self.leaves)[0])
        return Header(
            1, CHAIN, height, parent, public_key(BOARD), time_s * 1000, ZERO32, ZERO32,
            len(self.leaves), log_root, ZERO32, ZERO32,
        )  # fmt: skip

    def checkpoint(self, header: Header, signers: int = 3) -> dict[str, Any]:
        """Return the checkpoint of a block, signed by some of the validators."""
        body = commit_bytes(
            CHAIN_ID, header.log_size, header.log_root, header.height, 0, block_id(header)
        )
        lines = [(name, public_key(seed), sign(seed, body)) for name, seed in VALIDATORS.items()][
            :signers
        ]
        keys = {name: public_key(seed).hex() for name, seed in VALIDATORS.items()}
        return {"note": write_note(body, lines, 0), "keys": keys}


@dataclass
class Held:
    """An election that was held: where it stands, and what a forger needs to go on from there."""

    ledger: Ledger
    ceremony: Ceremony
    fixed: Fixed
    seeds: list[bytes]
    meta: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the bundle."""
        folder.mkdir()
        rows = self.ledger.finish()
        (folder / "bundle.json").write_text(json.dumps(self.meta))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "transactions.jsonl").write_text(lines)
        return folder

    @property
    def election(self) -> bytes:
        return self.fixed.manifest.election


def begin(**changed: Any) -> Held:
    """Call, nominate, freeze the voters, make the key and open (E5); the same is made once."""
    return copy.deepcopy(_begin(**changed))


@functools.cache
def _begin(
    options: int = 4,
    voters: int = 8,
    list_keys: Sequence[bytes] | None = None,
    *,
    agreed: bool = False,
    **changed: Any,
) -> Held:
    ledger = Ledger()
    for number in range(3):
        ledger.send(BOARD, ["coin.other", number], listed=False)
    fields = {"seats": 2, "min": 0, "max": 3, "blank": 1, "electorate": voters + 2, **changed}
    secret = fields.get("method") != "STV_EXACT"
    seeds = voter_seeds(voters)
    keys = list(list_keys or [public_key(seed) for seed in seeds])
    trustees = [seed_of(f"trustee {number}") for number in range(1, 6)] if secret else []
    accounts = tuple(account_id(public_key(seed)) for seed in trustees)
    areas = list(fields.get("areas", ()))
    call = [
        "election.call", fields.get("kind", "BOARD"), None, fields["seats"], areas,
        fields.get("method", "APPROVAL"), [], fields["min"], fields["max"],
        fields.get("score", 0), fields["blank"], [1, 2, 3, OPENS, CLOSES, CLOSES + 9], accounts,
        3 if secret else 0,
    ]  # fmt: skip
    names = [sha256(f"option {number}".encode()) for number in range(1, options + 1)]
    if fields.get("kind", "BOARD") != "BOARD":
        call[6] = names
    election = ledger.agree(BOARD, call) if agreed else ledger.send(BOARD, call)
    ceremony = hold_ceremony(election=election)
    if not call[6]:
        for number, name in enumerate(names, 1):
            ledger.send(seed_of(f"member {number}"), ["election.nominate", election, name, [], []])
    blob = b"".join(keys)
    roll = [1200, fields["electorate"], [[sha256(blob), len(blob)]], compute_voters_root(keys)]
    ledger.send(seed_of("registry"), ["election.voter_root", election, *roll], [blob])
    if secret:
        _make_key(ledger, ceremony, election)
        fields = {**fields, "trustees": accounts}
    else:
        fields |= {"trustees": (), "threshold": 0, "commitments": (), "key": None}
    manifest = make_manifest(ceremony, options, voters_root=compute_voters_root(keys), **fields)
    if areas:
        named = [
            msgspec.structs.replace(option, area=areas[place % len(areas)].area)
            for place, option in enumerate(manifest.options)
        ]
        manifest = msgspec.structs.replace(manifest, options=tuple(named))
    fixed = fix(manifest)
    ledger.send(seed_of("anybody"), ["election.open", election, fixed.digest])
    return Held(ledger, ceremony, fixed, seeds)


def _make_key(ledger: Ledger, ceremony: Ceremony, election: bytes) -> None:
    steps = enumerate(zip(ceremony.seeds, ceremony.commits, strict=True), 1)
    for number, (_, commit) in steps:
        dkg(ledger, number, election, "COMMIT", commit)
    for number, seed in enumerate(ceremony.seeds, 1):
        deal = trustee.make_deal(seed, ceremony.context, number, ceremony.commits)
        dkg(ledger, number, election, "DEAL", deal)
    for number in range(1, 5):
        dkg(ledger, number, election, "CONFIRM", None)
    dkg(ledger, 5, election, "COMPLAIN", ["wijk.key_complaint.1", 2])
    answer = trustee.make_answer(ceremony.seeds[1], ceremony.context, 3, 5)
    dkg(ledger, 2, election, "ANSWER", answer)


def dkg(ledger: Ledger, number: int, election: bytes, phase: str, data: Any) -> None:
    """Send a step of trustee `number`; its account key is not the secret of the ceremony."""
    ledger.send(seed_of(f"trustee {number}"), ["election.dkg", election, 1, phase, data])


def cast(held: Held, voter: int, numbers: Sequence[int], *, blank: bool = False) -> bytes:
    """Cast an honest ballot; return its bytes."""
    seed = held.seeds[voter]
    if held.fixed.manifest.method == "STV_EXACT":
        data = make_open_ballot(held.fixed, public_key(seed), numbers)
    else:
        values = choose(held.fixed, numbers, blank=blank)
        data = make_ballot(
            held.fixed, public_key(seed), values, counted(f"{voter} {numbers} {blank}")
        ).data
    send_ballot(held, seed, data)
    return data


def send_ballot(held: Held, seed: bytes, data: bytes) -> None:
    """Cast any bytes as a ballot of the credential of `seed`."""
    held.ledger.send(seed, ["election.cast", held.election, sha256(data), len(data)], [data])


def spoil(held: Held, voter: int, numbers: Sequence[int]) -> bytes:
    """Spoil a ballot to check it; return its bytes."""
    seed = held.seeds[voter]
    made = make_ballot(
        held.fixed, public_key(seed), choose(held.fixed, numbers), counted(f"spoil {voter}")
    )
    opening = made.opening_data
    call = ["election.challenge", held.election, made.digest, sha256(opening), len(opening)]
    held.ledger.send(seed, call, [opening])
    return made.data


def close(held: Held) -> None:
    """End voting: the block before the closing time, and the one at it."""
    last = held.ledger.header(50, sha256(b"block 49"), CLOSES - 3)
    first = held.ledger.header(51, block_id(last), CLOSES)
    held.meta["closing"] = {
        "last": encode(last).hex(),
        "first": encode(first).hex(),
        **held.ledger.checkpoint(first),
    }


def count(
    held: Held,
    last: Mapping[int, bytes],
    *,
    sums: bytes | None = None,
    shares: Mapping[int, Sequence[Share]] | None = None,
    counts: Sequence[int] | None = None,
) -> None:
    """Tally, shares of trustees 1, 3, 5, result; what is given takes the place of what is right."""
    fixed, manifest = held.fixed, held.fixed.manifest
    first = bytes.fromhex(held.meta["closing"]["first"])
    beacon = sha256(first)
    held.ledger.send(seed_of("anybody"), ["election.tally", held.election])
    if manifest.method == "STV_EXACT":
        _count_open(held, last, beacon)
        return
    right = start_sums(len(fixed.slots))
    for data in last.values():
        right = add_ballot(right, decode(Ballot, data).ciphertexts)
    secrets = held.ceremony.secrets
    given = {
        number: trustee.make_shares(fixed, number, secrets[number], right, counted(f"s{number}"))
        for number in (1, 3, 5)
    }
    found = find_counts(open_sums(fixed, right, given), get_count_max(fixed, len(last)))
    for number, of_trustee in (shares or given).items():
        held.ledger.send(
            seed_of(f"trustee {number}"), ["election.decrypt_share", held.election, of_trustee]
        )
    result = list(found if counts is None else counts)
    held.ledger.send(seed_of("anybody"), ["election.result", held.election, result])
    votes = {slot: m for slot, m in zip(fixed.slots, result, strict=True) if slot}
    finish(held)
    held.meta["claims"] = {
        "ballots": len(last),
        "sums": (sums or right).hex(),
        "counts": result,
        "order": list(rank(votes, beacon)),
        "elected": list(elect(manifest, votes, beacon)),
    }


def _count_open(held: Held, last: Mapping[int, bytes], beacon: bytes) -> None:
    held.ledger.send(seed_of("anybody"), ["election.result", held.election, []])
    options = range(1, len(held.fixed.manifest.options) + 1)
    rankings = [decode(OpenBallot, data).ranking for data in last.values()]
    counted_ = count_stv(options, rankings, 1, beacon)
    rest = rank({n: counted_.votes[n] for n in options if n not in counted_.elected}, beacon)
    finish(held)
    held.meta["claims"] = {
        "ballots": len(last),
        "sums": "",
        "counts": [counted_.votes[number] for number in options],
        "order": [*counted_.elected, *rest],
        "elected": [],
    }


def finish(held: Held) -> None:
    """Give the bundle its checkpoint."""
    header = held.ledger.header(60, sha256(b"block 59"), CLOSES + 600)
    held.meta |= {
        "format": "wijk/election-bundle/1",
        "chain_id": CHAIN_ID,
        "chain_digest": CHAIN.hex(),
        "election": held.election.hex(),
        "name": "delfshaven/1",
        "manifest": encode(held.fixed.manifest).hex(),
        "checkpoint": held.ledger.checkpoint(header),
    }


def hold_election() -> tuple[Held, dict[int, bytes]]:
    """Hold an election up to its closing; return it, and the last ballot of every voter."""
    return copy.deepcopy(_hold_election())


@functools.cache
def _hold_election() -> tuple[Held, dict[int, bytes]]:
    held = begin()
    last = {voter: cast(held, voter, [1 + voter % 4]) for voter in range(4)}
    spoil(held, 5, [1, 2])
    last[4] = cast(held, 4, [], blank=True)
    last[2] = cast(held, 2, [2, 4])  # votes again
    close(held)
    return held, last
