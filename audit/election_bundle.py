"""The evidence bundle of an election, taken from a chain (economy E29, docs/election-bundle.md).

The format is that of the independent verifier in `audit/elections/`, which shares no code with
this: what is written here is what a node showed, and the verifier judges it. A node is asked over
its public API, as any client asks.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chain.address import account_id, account_text
from chain.codec import decode, encode
from chain.contract import Table
from chain.elections import COUNTED, ELECTIONS, Election, ResultRow
from chain.key_text import key_text
from chain.manifest import Manifest
from chain.policy import Policy, era_at, era_keys
from chain.records import Header, Tx, decode_tx, split_carried
from chain.state import Keyspace
from chain.texts import Problem
from contracts import CONTRACTS
from contracts.election import SetResult, VoterRoot
from contracts.election.records import MANIFESTS
from node.client import ask_patiently

if TYPE_CHECKING:
    from node.client import Client

FORMAT = "wijk/election-bundle/1"
META_FILE, TRANSACTIONS_FILE = "bundle.json", "transactions.jsonl"
NOT_FOUND = 3007
TABLE = Table(CONTRACTS)

Json = dict[str, Any]
Tell = Callable[[int, int], None]


class Found(NamedTuple):
    """One transaction about an election, and the height it stands at."""

    height: int
    place: int  # in the log
    tx: Tx


def read_value(client: "Client", space: Keyspace[Any], *parts: bytes | str | int) -> Any:
    """Return a value of the newest state as the node shows it, or None where there is none."""
    text = ask_patiently(lambda: client.state_proof(key_text(space.key(*parts))))
    proof = json.loads(text)
    value = proof["value"]
    return None if value is None else decode(space.kind, base64.b64decode(value, validate=True))


def export_bundle(
    client: "Client",
    policy: Policy,
    election_id: bytes,
    folder: Path,
    tell: Tell = lambda _done, _of: None,
) -> Json:
    """Write the bundle of an election into a new folder and return its `bundle.json`.

    `tell` hears how many of how many blocks were read. Raise `Problem` 3007 for an election that
    the node does not know, or that was not opened.
    """
    election: Election | None = read_value(client, ELECTIONS, election_id)
    manifest: Manifest | None = read_value(client, MANIFESTS, election_id)
    if election is None or manifest is None:
        raise Problem(NOT_FOUND, what=election_id.hex())
    first = int(client.tx(election_id.hex())["height"])
    last = int(client.status()["height"])
    found: list[Found] = []
    closing: Json | None = None
    before: bytes | None = None
    size = 0
    for height, header_bytes, rows in _walk(client, election_id, first, last, tell):
        found += rows
        header = decode(Header, header_bytes)
        if closing is None and header.time_ms // 1000 >= manifest.closes and before is not None:
            signed = _sign_of(client, policy, height)
            closing = {"last": before.hex(), "first": header_bytes.hex(), **signed}
        before, size = header_bytes, header.log_size
        if any(isinstance(row.tx.call, SetResult) for row in rows):
            last = height
            break
    folder.mkdir(parents=True)
    checkpoint = _sign_of(client, policy, last)
    keys = _Keys(client, found)
    with (folder / TRANSACTIONS_FILE).open("w", encoding="utf-8") as file:
        for row in found:
            file.write(json.dumps(_row(client, keys, row, size)) + "\n")
    meta: Json = {
        "format": FORMAT,
        "chain_id": policy.chain_id,
        "chain_digest": policy.chain_digest,
        "election": election_id.hex(),
        "name": f"{election.wijk}/{election.number}",
        "manifest": encode(manifest).hex(),
        "checkpoint": checkpoint,
        "closing": closing,
        "claims": _claims(client, election_id, election),
    }
    (folder / META_FILE).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return meta


def _walk(
    client: "Client", election_id: bytes, first: int, last: int, tell: Tell
) -> Iterator[tuple[int, bytes, list[Found]]]:
    """Yield height, header and the election's transactions of every block, those refused left out.

    What was refused wrote nothing; the log tells that it was.
    """
    for height in range(first, last + 1):
        header_bytes, _, _, envelopes = ask_patiently(partial(client.raw_block, height))
        header = decode(Header, header_bytes)
        start = header.log_size - len(envelopes)
        rows = []
        for place, raw in enumerate(envelopes):
            tx = decode_tx(raw, TABLE.union)
            about = getattr(tx.call, "election", None)
            mine = election_id in (tx.id, about)
            if mine and _was_done(client, tx.id):
                rows.append(Found(height, start + place, tx))
        tell(height - first + 1, last - first + 1)
        yield height, header_bytes, rows


def _was_done(client: "Client", tx_id: bytes) -> bool:
    return bool(ask_patiently(lambda: client.tx(tx_id.hex()))["code"] == 0)


class _Keys:
    """Public keys by account and index, asked once an account; those of the roll need no asking."""

    def __init__(self, client: "Client", found: list[Found]) -> None:
        self._client = client
        self._known: dict[bytes, Mapping[int, bytes]] = {}
        for row in found:
            if isinstance(row.tx.call, VoterRoot):
                listed = b"".join(row.tx.blobs)
                for at in range(0, len(listed), 32):
                    key = listed[at : at + 32]
                    self._known[account_id(key)] = {0: key}

    def get(self, tx: Tx) -> list[str]:
        """Return the keys of the signatures of a transaction, in their order, in hex.

        A key that was revoked since is missing, and the verifier says so.
        """
        keys = self._known.get(tx.sender)
        if keys is None:
            account = ask_patiently(lambda: self._client.account(account_text(tx.sender)))
            keys = {int(key["index"]): bytes.fromhex(key["public_key"]) for key in account["keys"]}
            self._known[tx.sender] = keys
        indexes = [signed.key_index for signed in tx.signatures]
        return [keys[index].hex() for index in indexes if index in keys]


def _row(client: "Client", keys: _Keys, row: Found, size: int) -> Json:
    proof = ask_patiently(lambda: client.get("/v1/proofs/inclusion", tx=row.tx.id.hex(), size=size))
    path = [base64.b64decode(text, validate=True).hex() for text in proof["hashes"]]
    return {
        "index": row.place,
        "code": 0,
        "envelope": split_carried(row.tx.raw)[0].hex(),
        "keys": keys.get(row.tx),
        "blobs": [blob.hex() for blob in row.tx.blobs],
        "path": path,
    }


def _sign_of(client: "Client", policy: Policy, height: int) -> Json:
    """Return the checkpoint of a block, and the keys of its validators by name."""
    era = era_at(policy, height)
    if era is None:
        raise Problem(NOT_FOUND, what=f"height {height}")
    note = ask_patiently(lambda: client.block(height, prove=True))["checkpoint"]
    return {"note": note, "keys": {name: key.hex() for name, key in era_keys(era).items()}}


def _claims(client: "Client", election_id: bytes, election: Election) -> Json | None:
    """Return what the chain says it came to, or None before there is a result."""
    row: ResultRow | None = read_value(client, COUNTED, election_id)
    if row is None:
        return None
    return {
        "ballots": election.ballots,
        "sums": election.sums.hex(),
        "counts": list(row.counts),
        "order": list(row.order),
        "elected": list(row.elected),
    }
