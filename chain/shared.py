"""Calls that wait for others: shared decisions of an account, and matters of the federation.

Both are about a call that stands in their record as bytes, and seats of a board can be recused in
both (economy B6, E3, E36).
"""

from typing import Annotated

import msgspec

from chain.codec import Account, Record, Uint, encode
from chain.records import TX_BYTES_MAX
from chain.state import Keyspace

InnerCall = Annotated[bytes, msgspec.Meta(max_length=TX_BYTES_MAX)]


class Proposal(Record, frozen=True):
    """`proposal/<id>`: a call that waits for approvals, key indexes in the order they came.

    Indexes are never used again, so an approval cannot come back to life with a key. Once the
    proposal is closed its call is empty, for the log holds it; `code` says why it was refused.
    """

    account: Account
    call: InnerCall
    expires: Uint
    proposer: Uint
    approvals: tuple[Uint, ...]
    status: str
    code: Uint


PROPOSALS: Keyspace[Proposal] = Keyspace("proposal", Proposal, 1)


class FedMatter(Record, frozen=True):
    """`fed/<id>`: a call that boards vote on; `yes` and `no` are wijk ids, `board` proposed it.

    Once the matter is closed its call is empty; `code` says why it was refused, or is 0.
    """

    call: InnerCall
    board: Account
    expires: Uint
    yes: tuple[str, ...]
    no: tuple[str, ...]
    status: str
    code: Uint


FED_MATTERS: Keyspace[FedMatter] = Keyspace("fed", FedMatter, 1)


def key_proof_bytes(chain_digest: bytes, account: bytes, key: bytes) -> bytes:
    """Return what a new key signs to show that somebody has it (interfaces 4)."""
    return encode(["wijk.key.1", chain_digest, account, key])
