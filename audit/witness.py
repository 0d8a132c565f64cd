"""`audit witness`: another wijk cosigns the checkpoints of a chain (interfaces 1.6, 5.2).

A witness cosigns a head only if a quorum certified it and it goes on from the last one that this
witness cosigned. So whoever holds two cosigned heads holds heads of one log, whatever a node shows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from audit.files import read_bounded, replace
from audit.proofs import describe, judge_note, prove_consistency
from chain.checkpoint import (
    NOTE_BYTES_MAX,
    SIGNATURE_LINES_MAX,
    Checkpoint,
    count_signatures,
    read_note,
)
from chain.cosignature import (
    cosign,
    find_cosignatures,
    name_witness,
    read_witness_vkey,
    write_witness_vkey,
)
from chain.errors import Malformed
from chain.policy import Policy, era_at, era_keys
from chain.strict_json import parse_json
from chain.texts import Problem
from node.client import Client

FOLDER = "witness"  # of the client home
KNOWN = "witnesses.json"
KNOWN_BYTES_MAX = 64 * 1024
WITNESSES_MAX = 100


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The witnesses whose cosignatures this home knows, by vkey."""

    format: Literal["wijk/witnesses/1"]
    witnesses: tuple[str, ...]


class Key(NamedTuple):
    """An opened key of the home: its account (bech32m), public key and seed."""

    account: str
    public_key: bytes
    seed: bytes


class Conflict(Malformed):
    """The head is not of the log that this witness cosigned before: two logs are shown."""

    def __init__(self, height: int, why: str) -> None:
        super().__init__(why)
        self.height = height


def load_witnesses(home: Path) -> dict[str, bytes]:
    """Return the public keys of the known witnesses by name; `Problem` 1002 for a bad file."""
    path = home / KNOWN
    if not path.exists():
        return {}
    try:
        known = parse_json(read_bounded(path, KNOWN_BYTES_MAX), Known)
        return dict(read_witness_vkey(vkey) for vkey in known.witnesses)
    except Malformed as error:
        raise Problem(1002, errors=[f"{path}: {error}"]) from error


def add_witness(home: Path, vkey: str) -> str:
    """Know a witness from now on; return its name. Raise `Malformed` for what is no vkey of one."""
    name, key = read_witness_vkey(vkey)
    known = load_witnesses(home)
    if known.get(name, key) != key:
        raise Malformed(f"{name} is known with another key")
    known[name] = key
    if len(known) > WITNESSES_MAX:
        raise Malformed(f"more than {WITNESSES_MAX} witnesses")
    vkeys = tuple(write_witness_vkey(*one) for one in sorted(known.items()))
    replace(home / KNOWN, msgspec.json.encode(Known("wijk/witnesses/1", vkeys)) + b"\n")
    return name


def cosign_newest(
    client: Client, policy: Policy, home: Path, key: Key, time_s: int, out: Path | None
) -> dict[str, Any]:
    """Cosign the newest checkpoint of a node; raise `Conflict` where it is of another log.

    What was cosigned is on disk before the cosignature is in a file that leaves.
    """
    text = client.checkpoint()
    head = judge_note(text, policy)
    name = name_witness(key.account)
    last = home / FOLDER / f"{key.account}.ckpt"
    if last.exists():
        before = judge_note(_read_text(last), policy)
        _check_goes_on(client, policy, home, before, head)
    given = read_note(text)
    if len(given.lines) >= SIGNATURE_LINES_MAX:
        raise Malformed("the checkpoint has no room for another line")
    note = cosign(text, given.body, name, key.public_key, key.seed, time_s)
    replace(last, note.encode())
    path = out or home / FOLDER / f"{key.account}-{head.height}.ckpt"
    replace(path, note.encode())
    vkey = write_witness_vkey(name, key.public_key)
    return {"file": str(path), **describe(head), "witness": name, "vkey": vkey, "at_s": time_s}


def _read_text(path: Path) -> str:
    data = read_bounded(path, NOTE_BYTES_MAX)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"{path}: not UTF-8") from error


def _check_goes_on(
    client: Client, policy: Policy, home: Path, before: Checkpoint, head: Checkpoint
) -> None:
    if head.height < before.height or head.log_size < before.log_size:
        raise Malformed(f"the node is at {head.height}, before {before.height}, cosigned already")
    same_place = head.height == before.height or head.log_size == before.log_size
    if head.height == before.height and head.block_id != before.block_id:
        raise Conflict(head.height, "two certified blocks at one height")
    if same_place:
        if head.log_root != before.log_root:
            raise Conflict(head.height, "two certified logs of one size")
        return
    if before.log_size:
        why = prove_consistency(client, policy, home, before, end=head).why
        if why is not None:
            raise Conflict(head.height, why)


def judge_files(
    home: Path, policy: Policy, files: Sequence[Path]
) -> tuple[dict[str, Any], str | None]:
    """Return who cosigned each file and when, and what contradicts among them, None if nothing.

    Raise `Malformed` for a file that a quorum did not certify.
    """
    witnesses = load_witnesses(home)
    items: list[dict[str, Any]] = []
    heads: list[Checkpoint] = []
    for path in files:
        text = _read_text(path)
        head, note = judge_note(text, policy), read_note(text)
        era = era_at(policy, head.height)
        assert era is not None, "it was judged by its era"
        seen = find_cosignatures(note, witnesses)
        heads.append(head)
        items.append(
            {
                "file": str(path),
                **describe(head),
                "signatures": {
                    "valid": count_signatures(note, era_keys(era)).valid,
                    "needed": era.quorum,
                },
                "cosigned": [{"name": name, "at_s": seen[name]} for name in sorted(seen)],
            }
        )
    conflict = _find_conflict(heads)
    tree = {
        "witnesses": [
            {"name": name, "vkey": write_witness_vkey(name, key)}
            for name, key in sorted(witnesses.items())
        ],
        "items": items,
        "ok": conflict is None,
    }
    return tree, conflict


def _find_conflict(heads: Sequence[Checkpoint]) -> str | None:
    """Two heads of one size have one root, and those of one height one block (consensus E6)."""
    roots: dict[int, bytes] = {}
    blocks: dict[int, bytes] = {}
    for head in heads:
        if roots.setdefault(head.log_size, head.log_root) != head.log_root:
            return f"two certified logs of size {head.log_size}"
        if blocks.setdefault(head.height, head.block_id) != head.block_id:
            return f"two certified blocks at height {head.height}"
    return None
