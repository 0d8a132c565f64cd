"""Recovery of an account by its guardians: a new key takes over after a wait (economy B13, N10).

`members.recover` begins it, `accounts.cancel` ends it early, and at the start of a block those that
are due take effect. One account has one at a time.
"""

from chain.codec import Account, Digest, PublicKey, Record, Uint
from chain.state import Keyspace


class Recovery(Record, frozen=True):
    """`recovery/<account>`: from `due_s`, Unix seconds, on `key` is the account's only key."""

    id: Digest
    key: PublicKey
    due_s: Uint


RECOVERIES: Keyspace[Recovery] = Keyspace("recovery", Recovery, 1)
RECOVERING: Keyspace[bytes] = Keyspace("recovering", Account, 1)  # recovery's id -> account
