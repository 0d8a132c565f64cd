"""`audit proof` and `audit checkpoint`: fetched from a node, judged here, kept as files.

A node may answer a question with the sound proof of another one. So each answer is also held to
what was asked: this transaction, this key, this log head.
"""

from pathlib import Path
from typing import Any

import msgspec

from audit.files import read_bounded, replace
from chain.address import account_text, parse_account
from chain.checkpoint import (
    NOTE_BYTES_MAX,
    Checkpoint,
    count_signatures,
    read_body,
    read_note,
    to_base64,
)
from chain.codec import decode
from chain.errors import Malformed
from chain.key_text import key_text
from chain.keyspaces import ACCOUNTS, BALANCES, BOARD, WIJKEN, AccountRecord, Wijk
from chain.policy import Policy, era_at, era_keys
from chain.proof import (
    REFUSED,
    StateVerdict,
    verify_consistency_proof,
    verify_receipt,
    verify_state_proof,
)
from node.client import Client
from node.forks import FORKS

CHECKPOINTS, PROOFS = "checkpoints", "proofs"  # folders of the client home


class Proven(msgspec.Struct, frozen=True):
    """A judged file: the object of interfaces 1.8, and why in words where it is not ok."""

    tree: dict[str, Any]
    why: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the file proves what was asked."""
        return self.why is None


def prove_tx(client: Client, policy: Policy, home: Path, tx: str, out: Path | None) -> Proven:
    """Fetch the receipt of a transaction and judge it: the log holds it, whatever its outcome."""
    path = out or home / "receipts" / f"{tx}.tlog-proof"
    text = client.receipt(tx)
    verdict = verify_receipt(text, policy)
    why = None if verdict.ok or verdict.reason == REFUSED else verdict.detail
    if why is None and (verdict.tx is None or verdict.tx.hex() != tx):
        why = "the node sent the receipt of another transaction"
    replace(path, text.encode())
    tree = {
        "kind": "inclusion",
        "file": str(path),
        "ok": why is None,
        "tx": tx,
        "log_index": verdict.log_index,
        "log_size": verdict.log_size,
        "code": verdict.code,
    }
    return Proven(tree, why)


def prove_account(
    client: Client, policy: Policy, home: Path, account: str, out: Path | None
) -> Proven:
    """Prove what is available on an account, in the denomination of its own wijk (1.8).

    Wijk and kind are proven first: a node that names them could choose a key that is not there.
    Raise `Malformed` where one of these proofs does not hold.
    """
    name = parse_account(account)
    record = _prove(client, policy, ACCOUNTS.key(name)).value
    if record is None:
        raise Malformed(f"the chain has no account {account_text(name)}")
    owner = decode(AccountRecord, record)
    wijk = _prove(client, policy, WIJKEN.key(owner.wijk)).value
    if wijk is None:
        raise Malformed(f"the chain has no wijk {owner.wijk}")
    denom = decode(Wijk, wijk).denom(owner.wijk)
    key = BALANCES.key(denom, "7" if owner.kind == BOARD else "2", name)
    text = client.state_proof(key_text(key))
    verdict = verify_state_proof(text, policy)
    why = _held_to(verdict, key)
    path = out or home / PROOFS / f"{account}-{verdict.height}.json"
    replace(path, text.encode())
    cents: int | None = None
    if why is None:
        cents = 0 if verdict.value is None else decode(int, verdict.value)
    tree = {
        "kind": "state",
        "file": str(path),
        "ok": why is None,
        "key": key_text(key),
        "value": None if verdict.value is None else to_base64(verdict.value),
        "height": verdict.height,
        "available_cents": cents,
        "denom": denom,
    }
    return Proven(tree, why)


def prove_consistency(
    client: Client,
    policy: Policy,
    home: Path,
    start: int | Checkpoint,
    *,
    end: int | Checkpoint | None = None,
    out: Path | None = None,
) -> Proven:
    """Prove that the log of `end` begins with the log of `start`: nothing was rewritten.

    A checkpoint is a head that a quorum has signed; of a size alone, only the node tells the
    root. Without `end` it is the newest checkpoint of the node.
    """
    if end is None:
        end = judge_note(client.checkpoint(), policy)
    first, last = _size(start), _size(end)
    text = client.consistency_proof(first, last)
    verdict = verify_consistency_proof(text, policy)
    why = verdict.detail
    if why is None and (verdict.from_size, verdict.to_size) != (first, last):
        why = "the node sent the proof of other sizes"
    for head, root in ((start, verdict.from_root), (end, verdict.to_root)):
        if why is None and isinstance(head, Checkpoint) and root != head.log_root:
            why = f"the log of {head.log_size} is not the one of the checkpoint"
    path = out or home / PROOFS / f"consistency-{first}-{last}.json"
    replace(path, text.encode())
    tree = {
        "kind": "consistency",
        "file": str(path),
        "ok": why is None,
        "from_size": first,
        "to_size": last,
        "from_root": None if verdict.from_root is None else verdict.from_root.hex(),
        "to_root": None if verdict.to_root is None else verdict.to_root.hex(),
        "hashes": verdict.hashes,
    }
    return Proven(tree, why)


def compare(client: Client, policy: Policy, home: Path, kept: Checkpoint) -> tuple[Proven, bool]:
    """Compare a kept checkpoint with the newest of a node; say also whether the two conflict.

    Two certified blocks at one height, or two certified roots of one size, are a fork: no fault
    in a node or on the way can make them (consensus E6, S9). The newer note is then kept too.
    """
    text = client.checkpoint()
    now = judge_note(text, policy)
    why, conflict = None, False
    if kept.height == now.height and kept.block_id != now.block_id:
        why, conflict = "two certified blocks at one height", True
    elif kept.log_size == now.log_size:
        if kept.log_root != now.log_root:
            why, conflict = "two certified logs of one size", True
    elif kept.log_size > now.log_size:
        why = f"the node's log ends at {now.log_size}, before the kept one"
    elif kept.log_size:  # every log begins with the empty one
        why = prove_consistency(client, policy, home, kept, end=now).why
    if conflict:
        replace(home / FORKS / f"{now.height}.ckpt", text.encode())
    tree = {
        "from": describe(kept),
        "to": describe(now),
        "transactions": now.log_size - kept.log_size,
        "ok": why is None,
        "reason": why,
    }
    return Proven(tree, why), conflict


def get_checkpoint(client: Client, policy: Policy, home: Path, out: Path | None) -> Proven:
    """Fetch the newest checkpoint, judge it, and keep it: what a later log has to begin with."""
    text = client.checkpoint()
    checkpoint = judge_note(text, policy)
    path = out or home / CHECKPOINTS / f"{checkpoint.height}.ckpt"
    replace(path, text.encode())
    return Proven({"file": str(path), **describe(checkpoint), "ok": True})


def read_checkpoint(path: Path, policy: Policy) -> Checkpoint:
    """Return the checkpoint in a file of one's own; raise `Malformed` where it does not hold."""
    data = read_bounded(path, NOTE_BYTES_MAX)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"{path}: not UTF-8") from error
    return judge_note(text, policy)


def judge_note(text: str, policy: Policy) -> Checkpoint:
    """Return the checkpoint that a quorum of its era has signed, or raise `Malformed`."""
    note = read_note(text)
    checkpoint = read_body(note.body)
    if checkpoint.chain_id != policy.chain_id:
        raise Malformed(f"the checkpoint is of {checkpoint.chain_id}")
    era = era_at(policy, checkpoint.height)
    if era is None:
        raise Malformed(f"the policy names no validators for height {checkpoint.height}")
    count = count_signatures(note, era_keys(era))
    if count.valid < era.quorum:
        raise Malformed(f"{count.valid} validators signed; {era.quorum} must")
    return checkpoint


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as an object."""
    return {
        "chain_id": checkpoint.chain_id,
        "height": checkpoint.height,
        "round": checkpoint.round,
        "block_id": checkpoint.block_id.hex(),
        "log_size": checkpoint.log_size,
        "log_root": checkpoint.log_root.hex(),
    }


def _size(head: int | Checkpoint) -> int:
    return head.log_size if isinstance(head, Checkpoint) else head


def _prove(client: Client, policy: Policy, key: bytes) -> StateVerdict:
    verdict = verify_state_proof(client.state_proof(key_text(key)), policy)
    why = _held_to(verdict, key)
    if why is not None:
        raise Malformed(f"{key_text(key)}: {why}")
    return verdict


def _held_to(verdict: StateVerdict, key: bytes) -> str | None:
    if not verdict.ok:
        return verdict.detail
    return None if verdict.key_bytes == key else "the node sent the proof of another key"
