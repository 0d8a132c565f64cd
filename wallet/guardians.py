"""Guardians of an account and a recovery that runs, proven from state (economy B5, B13).

Guardian i signs with key index 65,536 + i, so whoever signs as a guardian needs the list in its
order, and nobody gives a key to an account on the word of a node alone.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from chain.address import account_text
from chain.contract import GUARDIAN_INDEX, PERSONS_MIN, Word
from chain.keyspaces import BOARD, ROLE, AccountRecord
from chain.recovery import Recovery
from chain.texts import Problem
from wallet.keystore import KeyFile
from wallet.order import TABLE
from wallet.trust import trusted_policy
from wallet.verify import find_value

if TYPE_CHECKING:
    from wallet.terminal import Terminal


class Guarded(msgspec.Struct, frozen=True):
    """An account, and the recovery of it that waits, if there is one."""

    id: bytes
    record: AccountRecord
    pending: Recovery | None

    @property
    def can_recover(self) -> bool:
        """Say whether two guardians could give it a new key; boards and roles have none."""
        return len(self.record.guardians) >= PERSONS_MIN and self.record.kind not in (BOARD, ROLE)


def read_guarded(terminal: "Terminal", account: bytes) -> Guarded:
    """Return how an account stands; `Problem` 2008 for one that the chain does not know."""
    policy, name = trusted_policy(terminal), account_text(account)
    proof = terminal.client.state_proof
    record = find_value(proof, f"account/{name}", AccountRecord, policy)
    if record is None:
        raise Problem(2008, account=name)
    return Guarded(account, record, find_value(proof, f"recovery/{name}", Recovery, policy))


def as_guardians_sign(guarded: Guarded) -> dict[str, Any]:
    """Return the account as `query account` shows one, with the keys of its guardians instead."""
    record = guarded.record
    return {
        "account": account_text(guarded.id),
        "wijk": record.wijk,
        "kind": record.kind.lower(),
        "threshold": record.threshold,
        "keys": [
            {"index": GUARDIAN_INDEX + place, "public_key": key.hex()}
            for place, key in enumerate(record.guardians)
        ],
    }


def find_signing(terminal: "Terminal", sender: bytes, call: Any, signer: KeyFile) -> dict[str, Any]:
    """Return the account of a draft with the keys that may sign its call, by index.

    A guardian reads as the key that signs: where a node asks who reads, others may not.
    """
    if TABLE.words(call) == (Word.GUARDIANS,):
        terminal.reader = signer
        return as_guardians_sign(read_guarded(terminal, sender))
    return terminal.client.account(account_text(sender))
