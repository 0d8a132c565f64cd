"""Redeeming: a bank account that is checked, committed to and sealed (economy C13, C15)."""

from typing import TYPE_CHECKING

from bank.reference import electronic, is_iban
from chain.books import Redemption
from chain.codec import decode
from chain.crypto import blake2b
from chain.errors import Malformed
from chain.proof import verify_state_proof
from chain.strict_json import canonical_json
from chain.texts import Problem

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
    return f"{due // 10_000:04}-{due // 100 % 100:02}-{due % 100:02}" if due else None
