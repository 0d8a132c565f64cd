"""Redeeming: a bank account that is checked, committed to and sealed (economy C13, C15)."""

from typing import TYPE_CHECKING, Any

from bank.reference import electronic, is_iban
from chain.address import account_text
from chain.books import Redemption
from chain.codec import decode
from chain.crypto import blake2b
from chain.dates import date_text
from chain.errors import Malformed
from chain.keyspaces import AccountRecord, RoleVersion
from chain.proof import verify_state_proof
from chain.strict_json import canonical_json
from chain.texts import Problem
from wallet.times import now_s
from wallet.verify import prove_value

_Versions: Any = tuple[RoleVersion, ...]

if TYPE_CHECKING:
    from chain.policy import Policy
    from wallet.terminal import Terminal


def check_iban(text: str) -> str:
    """Return an IBAN in electronic form with the right check digits, or raise `Problem` 1001."""
    iban = electronic(text)
    if not is_iban(iban):
        raise Problem(1001, cause="iban")
    return iban


def payout_commitment(iban: str, salt: bytes) -> bytes:
    """Return the `payout` of a redemption: a commitment that says nothing without the salt."""
    return blake2b(iban.encode(), key=salt)


def treasurer_key(terminal: "Terminal", policy: "Policy", wijk: str) -> bytes:
    """Return the first key of the account that pays out for a wijk, proven from state.

    A node that could name another key would read whose bank account it is. `Problem` 5001 or 5002
    where it is not proven, 3007 where nobody holds the office now.
    """
    client, now = terminal.client, now_s()
    held = prove_value(client.state_proof, f"role/{wijk}/TREASURY", _Versions, policy)
    in_force = [version for version in held if now < version.until]
    if not in_force:
        raise Problem(3007, what=f"TREASURY {wijk}")
    account = account_text(in_force[-1].account)
    record = prove_value(client.state_proof, f"account/{account}", AccountRecord, policy)
    return record.keys[0].key


def due_on(terminal: "Terminal", policy: "Policy", redemption_id: str) -> str | None:
    """Return the last day of a redemption, proven from state; None where it cannot be had now.

    The request itself is final already: what fails here must not look as if it were not.
    """
    key = f"redeem/{redemption_id}"
    try:
        verdict = verify_state_proof(canonical_json(terminal.client.state_proof(key)), policy)
        if not verdict.ok or verdict.key != key or verdict.value is None:
            return None
        due = decode(Redemption, verdict.value).due
    except (Malformed, Problem):
        return None
    return date_text(due) if due else None
