"""Checking what a node says about blocks and accounts against the policy (interfaces 5.2, 5.5)."""

from typing import Any

from chain.checkpoint import count_signatures, from_base64, read_body, read_note
from chain.codec import decode
from chain.errors import Malformed
from chain.policy import Policy, era_at, era_keys
from chain.proof import verify_state_proof
from chain.records import Header, block_id
from chain.strict_json import canonical_json
from chain.texts import Problem
from wallet.times import time_text

_OWN_CLASSES = {"board": "7"}  # interfaces 1.8: what `--prove` proves of an account
_MEMBER_CLASS = "2"


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


def verify_account(account: dict[str, Any], asked: str, policy: Policy) -> None:
    """Raise `Problem` 5001 or 5002 unless the state proof shows the balance that was told."""
    own = account["balances"][0]
    klass = _OWN_CLASSES.get(account["kind"], _MEMBER_CLASS)
    verify_value(
        account["proof"],
        f"bal/{own['denom']}/{klass}/{asked}",
        own["available_cents"],
        policy,
        account["height"],
    )
    if account["account"] != asked or not own["denom"].startswith(f"{account['wijk']}:"):
        raise Problem(5001, cause=asked)


def verify_value(
    proof: dict[str, Any] | None, key: str, cents: int, policy: Policy, height: int
) -> None:
    """Raise `Problem` unless `proof` shows that `key` has `cents` at `height`; no key means 0."""
    verdict = verify_state_proof(canonical_json(proof), policy)
    if verdict.reason == "quorum" and verdict.signatures is not None:
        raise Problem(5002, have=verdict.signatures.valid, need=verdict.signatures.needed)
    if not verdict.ok:
        raise Problem(5001, cause=verdict.reason)
    value = 0 if verdict.value is None else decode(int, verdict.value)
    if (verdict.key, value, verdict.height) != (key, cents, height):
        raise Problem(5001, cause=key)
