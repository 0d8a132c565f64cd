"""The evidence bundle of an election, taken from a chain (economy E29, docs/election-bundle.md).

The format is that of the independent verifier in `audit/elections/`, which shares no code with
this: what is written here is what a node showed, and the verifier judges it. A node is asked over
its public API, as any client asks.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chain.address import account_id, account_text
from chain.codec import decode, encode
from chain.contract import Table
from chain.elections import COUNTED, ELECTIONS, Election, ResultRow
from chain.key_text import key_text
from chain.keyspaces import PAST_KEYS
from chain.manifest import Manifest
from chain.policy import Policy, era_at, era_keys
from chain.records import Header, Tx, decode_tx, split_carried
from chain.shared import PROPOSALS, Proposal
from chain.state import Keyspace
from chain.texts import Problem
from contracts import CONTRACTS
from contracts.accounts import EXECUTED, Approve, Propose
from contracts.election import CallElection, SetResult, VoterRoot
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
    agreed = _Agreed(client, election_id)
    for height, header_bytes, rows in _walk(client, agreed, first, last, tell):
        found += rows
        header = decode(Header, header_bytes)
        if closing is None and header.time_ms // 1000 >= manifest.closes and before is not None:
            signed = _sign_of(client, policy, height)
            closing = {"last": before.hex(), "first": header_bytes.hex(), **signed}
        before, size = header_bytes, header.log_size
        if any(isinstance(agreed.call_of(row.tx), SetResult) for row in rows):
            last = height
            break
    found = agreed.settle(found)
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
    client: "Client", agreed: "_Agreed", first: int, last: int, tell: Tell
) -> Iterator[tuple[int, bytes, list[Found]]]:
    """Yield height, header and the election's transactions of every block, those refused left out.

    What was refused wrote nothing; the log tells that it was.
    """
    for height in range(first, last + 1):
        header_bytes, found = _read_block(client, height)
        rows = [row for row in found if agreed.is_about(row.tx) and _was_done(client, row.tx.id)]
        tell(height - first + 1, last - first + 1)
        yield height, header_bytes, rows


def _read_block(client: "Client", height: int) -> tuple[bytes, list[Found]]:
    """Return the header of a block, and its transactions with their places in the log."""
    header_bytes, _, _, envelopes = ask_patiently(partial(client.raw_block, height))
    start = decode(Header, header_bytes).log_size - len(envelopes)
    txs = (decode_tx(raw, TABLE.union) for raw in envelopes)
    return header_bytes, [Found(height, start + place, tx) for place, tx in enumerate(txs)]


class _Agreed:
    """What is about an election: its calls, and those that a shared account agreed on (B6).

    The last approval of a proposal runs the call that was proposed; both stand in the bundle.
    """

    def __init__(self, client: "Client", election_id: bytes) -> None:
        self._client = client
        self._election_id = election_id
        self._proposed: dict[bytes, Found | None] = {}

    def is_about(self, tx: Tx) -> bool:
        """Say whether a transaction is about this election, as far as it shows by itself."""
        call = self.call_of(tx)
        if isinstance(call, CallElection):
            return tx.id == self._election_id
        return call is not None and getattr(call, "election", None) == self._election_id

    def call_of(self, tx: Tx) -> Any:
        """Return the call that a transaction is for: an approval for the one that was proposed."""
        if not isinstance(tx.call, Approve):
            return tx.call
        proposed = self._find(tx.call.proposal)
        if proposed is None:
            return None
        assert isinstance(proposed.tx.call, Propose)
        return TABLE.decode_inner(proposed.tx.call.call)

    def settle(self, found: Sequence[Found]) -> list[Found]:
        """Return the rows without approvals that ran nothing, and with the proposals, in order."""
        last = {row.tx.call.proposal: row for row in found if isinstance(row.tx.call, Approve)}
        rows: dict[int, Found] = {}
        for row in found:
            call = row.tx.call
            if not isinstance(call, Approve):
                rows[row.place] = row
                continue
            shared: Proposal | None = read_value(self._client, PROPOSALS, call.proposal)
            ran = shared is not None and shared.status == EXECUTED
            proposed = self._find(call.proposal)
            if ran and proposed is not None and last[call.proposal] is row:
                rows |= {proposed.place: proposed, row.place: row}
        return [rows[place] for place in sorted(rows)]

    def _find(self, proposal: bytes) -> Found | None:
        """Return the transaction that proposed; None where it was an effect or the federation."""
        if proposal not in self._proposed:
            known = ask_patiently(lambda: self._client.tx(proposal.hex()))
            found = None
            if known.get("height") is not None:
                rows = _read_block(self._client, int(known["height"]))[1]
                found = next((row for row in rows if row.tx.id == proposal), None)
            fits = found is not None and isinstance(found.tx.call, Propose)
            self._proposed[proposal] = found if fits else None
        return self._proposed[proposal]


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

        Keys that left the account since, as those of a board that handed over, are kept as well.
        """
        keys = self._known.get(tx.sender)
        if keys is None:
            account = ask_patiently(lambda: self._client.account(account_text(tx.sender)))
            keys = {int(key["index"]): bytes.fromhex(key["public_key"]) for key in account["keys"]}
            self._known[tx.sender] = keys
        found = []
        for index in (signed.key_index for signed in tx.signatures):
            key = keys.get(index)
            if key is None:
                key = read_value(self._client, PAST_KEYS, tx.sender, index)
            if key is not None:  # of a guardian: the verifier says that a key is missing
                found.append(key.hex())
        return found


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
