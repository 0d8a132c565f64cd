"""Checking what a node says about blocks and accounts against the policy (interfaces 5.2, 5.5)."""

from collections.abc import Callable
from typing import Any, TypeVar

from chain.checkpoint import count_signatures, from_base64, read_body, read_note
from chain.codec import decode
from chain.errors import Malformed
from chain.keyspaces import AccountRecord, Wijk
from chain.policy import Policy, era_at, era_keys
from chain.proof import StateVerdict, verify_state_proof
from chain.records import Header, block_id
from chain.strict_json import canonical_json
from chain.texts import Problem
from wallet.times import time_text

_OWN_CLASSES = {"board": "7"}  # interfaces 1.8: what `--prove` proves of an account
_MEMBER_CLASS = "2"

T = TypeVar("T")


def verify_block(block: dict[str, Any], ref: str, policy: Policy) -> None:
    """Raise `Problem` 5001 or 5002 unless a quorum certified exactly this block (E of 1.8).

    `ref` is what was asked for: its height, its id or `latest`. The list of transactions is not
    judged here: each has its own proof.
    """
    try:
        header = decode(Header, from_base64(block["header"], "header"))
        note = read_note(block["checkpoint"])
        checkpoint = read_body(note.body)
        era = era_at(policy, checkpoint.height)
        if era is None or checkpoint.chain_id != policy.chain_id:
            raise Malformed("the policy names no validators for this block")
        count = count_signatures(note, era_keys(era))
    except (Malformed, KeyError, TypeError) as error:
        raise Problem(5001, cause=str(error)) from error
    if count.valid < era.quorum:
        raise Problem(5002, have=count.valid, need=era.quorum)
    own_id = block_id(header)
    proven = {
        "height": header.height,
        "round": checkpoint.round,
        "block_id": own_id.hex(),
        "parent": header.parent_id.hex(),
        "at": time_text(header.time_ms),
        "log_size": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
        "validators_hash": header.validators_hash.hex(),
        "next_validators_hash": header.next_validators_hash.hex(),
    }
    same = all(block.get(name) == value for name, value in proven.items())
    asked = ref == "latest" or ref in (own_id.hex(), str(header.height))
    if not same or not asked or checkpoint.block_id != own_id or checkpoint.height != header.height:
        raise Problem(5001, cause="block")
    if header.genesis_digest.hex() != policy.chain_digest:
        raise Problem(5001, cause="chain")


def verify_account(
    account: dict[str, Any],
    asked: str,
    policy: Policy,
    state_proof: Callable[[str], dict[str, Any]],
) -> None:
    """Raise `Problem` 5001 or 5002 unless wijk, kind, keys and available balance are proven.

    Wijk and kind say which balance is the account's own: a node that could choose them would prove
    that there is nothing in another one. `state_proof` asks a node for the proof of a key.
    """
    record = prove_value(state_proof, f"account/{asked}", AccountRecord, policy)
    wijk = prove_value(state_proof, f"wijk/{record.wijk}", Wijk, policy)
    own = account["balances"][0]
    told = (account["account"], account["kind"], account["wijk"], own["denom"])
    proven = (asked, record.kind.lower(), record.wijk, wijk.denom(record.wijk))
    keys = [(key["index"], key["public_key"], key["added_height"]) for key in account["keys"]]
    known = [(key.index, key.key.hex(), key.added_height) for key in record.keys]
    if told != proven or keys != known or account["threshold"] != record.threshold:
        raise Problem(5001, cause=asked)
    klass = _OWN_CLASSES.get(account["kind"], _MEMBER_CLASS)
    key = f"bal/{own['denom']}/{klass}/{asked}"
    verdict = _proven(account["proof"], key, policy)
    cents = 0 if verdict.value is None else decode(int, verdict.value)
    if (cents, verdict.height) != (own["available_cents"], account["height"]):
        raise Problem(5001, cause=key)


def read_proof(proof: dict[str, Any] | None, key: str, kind: type[T], policy: Policy) -> T | None:
    """Return the value that a proof shows of `key`, None where it shows that there is none."""
    verdict = _proven(proof, key, policy)
    return None if verdict.value is None else decode(kind, verdict.value)


def prove_value(
    state_proof: Callable[[str], dict[str, Any]], key: str, kind: type[T], policy: Policy
) -> T:
    """Return the proven value of a key that has one; else `Problem` 5001 or 5002."""
    found = find_value(state_proof, key, kind, policy)
    if found is None:
        raise Problem(5001, cause=key)
    return found


def find_value(
    state_proof: Callable[[str], dict[str, Any]], key: str, kind: type[T], policy: Policy
) -> T | None:
    """Return the proven value of a key, or None where that is proven; else `Problem`."""
    return read_proof(state_proof(key), key, kind, policy)


def find_bytes(
    state_proof: Callable[[str], dict[str, Any]], key: str, policy: Policy
) -> bytes | None:
    """Return the proven bytes of a key, or None where it is proven that there are none."""
    return _proven(state_proof(key), key, policy).value


def _proven(proof: dict[str, Any] | None, key: str, policy: Policy) -> StateVerdict:
    """Return what a proof shows of `key`, or raise `Problem` 5001 or 5002."""
    verdict = verify_state_proof(canonical_json(proof), policy)
    if verdict.reason == "quorum" and verdict.signatures is not None:
        raise Problem(5002, have=verdict.signatures.valid, need=verdict.signatures.needed)
    if not verdict.ok:
        raise Problem(5001, cause=verdict.reason)
    if verdict.key != key:
        raise Problem(5001, cause=key)
    return verdict
