"""Which chain a client home trusts: its policy file, made from genesis once (interfaces 3.5).

From then on the home follows the validators by itself: they change, and a receipt of tomorrow is
signed by those of tomorrow (consensus S9).
"""

from typing import TYPE_CHECKING

from chain.errors import Malformed
from chain.genesis import Genesis, load_genesis
from chain.policy import POLICY_BYTES_MAX, Policy, build_policy, read_policy, write_policy
from chain.texts import Problem
from chain.validators import Validator, validator_set
from node.light_client import follow_for
from wallet.files import read_plain, replace, write_new
from wallet.remote import READ_S_MAX
from wallet.times import now_s

if TYPE_CHECKING:
    from pathlib import Path

    from wallet.terminal import Terminal


def read_home_policy(home: "Path") -> Policy | None:
    """Return the policy of a client home, None where it has none; `Problem` 1002 if it is bad."""
    path = home / "policy.json"
    try:
        return read_policy(read_plain(path, POLICY_BYTES_MAX))
    except FileNotFoundError:
        return None
    except Malformed as error:
        raise Problem(1002, errors=[f"{path}: {error}"]) from error


def trusted_policy(terminal: "Terminal") -> Policy:
    """Return the policy of the home, followed up to now; once a run is enough.

    The first time it is made from the node's genesis. Then this person decides whom to trust, so
    the digest is shown; on a live chain it is asked. Raise `Problem` 5001 or 5003 where what a
    node shows must not be trusted.
    """
    if terminal.policy is None:
        terminal.policy = _follow(terminal, read_home_policy(terminal.home) or _pin(terminal))
    return terminal.policy


def follow_again(terminal: "Terminal") -> Policy | None:
    """Return the policy of the home, followed up to this moment; None where it pins none yet."""
    known = read_home_policy(terminal.home)
    if known is None:
        return None
    terminal.policy = _follow(terminal, known)
    return terminal.policy


def _follow(terminal: "Terminal", known: Policy) -> Policy:
    return follow_for(
        terminal,
        terminal.home,
        known,
        terminal.settings.nodes,
        now_ms=now_s() * 1000,
        save=replace,
        timeout_s=min(terminal.settings.timeout_ms / 1000, READ_S_MAX),
    ).policy


def _pin(terminal: "Terminal") -> Policy:
    """Return a policy made of the node's genesis, once this person has seen its digest."""
    genesis = fetch_genesis(terminal)
    doc, digest = genesis.doc, genesis.digest.hex()
    terminal.say(
        f"Eerste keer op keten {doc.chain_id}. Vergelijk deze vingerafdruk met die op papier:\n"
        f"  {digest}",
        f"First time on chain {doc.chain_id}. Compare this digest with the one on paper:\n"
        f"  {digest}",
    )
    if doc.purpose == "live":
        terminal.confirm("Is dit de keten die u vertrouwt?", "Is this the chain you trust?")
    policy = policy_of(genesis)
    write_new(terminal.home / "policy.json", write_policy(policy).encode())
    return policy


def policy_of(genesis: Genesis) -> Policy:
    """Return the policy that follows from genesis: its validators, from height 1 on."""
    validators = validator_set(
        Validator(doc.name, bytes.fromhex(doc.public_key)) for doc in genesis.doc.validators
    )
    return build_policy(genesis.doc.chain_id, genesis.digest, [(1, None, validators)])


def fetch_genesis(terminal: "Terminal") -> Genesis:
    """Return the genesis of the node, read strictly; `Problem` 5001 if it is none."""
    try:
        return load_genesis(terminal.client.genesis())
    except Malformed as error:
        raise Problem(5001, cause=f"genesis: {error}") from error


def is_live(terminal: "Terminal", policy: Policy) -> bool:
    """Say whether real money moves on the chain of this policy (keys for tests, interfaces 3.3)."""
    genesis = fetch_genesis(terminal)
    if genesis.digest.hex() != policy.chain_digest:
        raise Problem(2003)
    return genesis.doc.purpose == "live"
