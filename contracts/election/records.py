"""What an election keeps in the state beside its own record (economy E5, E9, E16, E23, E39)."""

from typing import Any

import msgspec

from chain.ceremony import KeyAnswer, KeyCommit, KeyDeal
from chain.codec import Account, Bit, Digest, PublicKey, Record, Uint
from chain.contract import BlockStart, Context
from chain.due import ELECTIONS_DUE, add_due
from chain.elections import ELECTIONS, Election
from chain.errors import Code, Reject
from chain.manifest import Manifest
from chain.state import Keyspace, State
from chain.tally import Share

COMMIT, DEAL, CONFIRM, COMPLAIN, ANSWER = "COMMIT", "DEAL", "CONFIRM", "COMPLAIN", "ANSWER"
READY = "READY"  # of a ceremony: the key is there

CAST, REPLACED, SPOILED_BALLOT = "CAST", "REPLACED", "SPOILED"  # of a ballot
RAISED, UPHELD, DISMISSED = "RAISED", "UPHELD", "DISMISSED"  # of an objection

Where = Context | BlockStart  # a call, or what ends by itself at the start of a block


class Ceremony(Record, frozen=True):
    """`ceremony/<election>`: how far the trustees are with the key (economy E16).

    `trustees` take part in this attempt, in the order of their numbers from 1. The next three say
    for each what it has done; a complaint is (about, from, answered), by number.
    """

    attempt: Uint
    phase: str
    due_s: Uint
    trustees: tuple[Account, ...]
    committed: tuple[Bit, ...]
    dealt: tuple[Bit, ...]
    spoke: tuple[Bit, ...]
    complaints: tuple[tuple[Uint, Uint, Bit], ...]


class BallotRow(Record, frozen=True):
    """`ballot/<election>/<digest>`: a ballot that was cast or spoiled, and where it stands.

    `hidden` are its ciphertexts, or the ranking of an open ballot; empty for one that was spoiled.
    `tx` is the transaction it came with.
    """

    status: str
    voter: PublicKey
    hidden: bytes
    tx: Digest


class Objection(Record, frozen=True):
    """`objection/<election>/<text digest>`: who objects to a result, on what ground."""

    by: Account
    ground: str
    raised_s: Uint
    status: str


CANDIDACIES: Keyspace[int] = Keyspace("candidacy", Uint, 2)  # election, account: the number
CEREMONIES: Keyspace[Ceremony] = Keyspace("ceremony", Ceremony, 1)
# Election, number of the trustee: with the attempt they are of.
KEY_COMMITS: Keyspace[tuple[int, KeyCommit]] = Keyspace("keycommit", tuple[Uint, KeyCommit], 2)
KEY_DEALS: Keyspace[tuple[int, KeyDeal]] = Keyspace("keydeal", tuple[Uint, KeyDeal], 2)
# Election, number of the dealer: the shares it showed in clear, with the attempt they are of. The
# trustee whose box was wrong has its share from here.
KEY_ANSWERS: Keyspace[tuple[int, tuple[KeyAnswer, ...]]] = Keyspace(
    "keyanswer", tuple[Uint, tuple[KeyAnswer, ...]], 2
)
MANIFESTS: Keyspace[Manifest] = Keyspace("manifest", Manifest, 1)
BALLOTS: Keyspace[BallotRow] = Keyspace("ballot", BallotRow, 2)
# `pair/<election>/<alpha>`: a ciphertext that was cast; no ballot holds one again (E29).
PAIRS: Keyspace[int] = Keyspace("pair", Bit, 2)
# `piles/<election>`: of open ballots (STV_EXACT), how many rank the options in each way.
PILES: Keyspace[tuple[tuple[tuple[int, ...], int], ...]] = Keyspace(
    "piles", tuple[tuple[tuple[Uint, ...], Uint], ...], 1
)
SHARES: Keyspace[tuple[Share, ...]] = Keyspace("share", tuple[Share, ...], 2)
OBJECTIONS: Keyspace[Objection] = Keyspace("objection", Objection, 2)
# `objector/<election>/<account>`: how many objections one member or credential raised.
OBJECTORS: Keyspace[int] = Keyspace("objector", Uint, 2)
BEACONS: Keyspace[bytes] = Keyspace("beacon", Digest, 1)  # economy E8
CLOSING: Keyspace[tuple[bytes, ...]] = Keyspace("closing", tuple[Digest, ...], 0)


def get_election(ctx: Context, election_id: bytes) -> Election:
    """Return an election of the sender's wijk, or refuse with `tx.unknown-id`."""
    election = ELECTIONS.get(ctx.state, election_id)
    if election is None or election.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ID)
    return election


def wake_at(state: State, election_id: bytes, *times_s: int) -> None:
    """See to an election again as these times come (chain/due.py)."""
    for time_s in times_s:
        add_due(state, ELECTIONS_DUE, time_s, election_id)


def put_status(where: Where, election_id: bytes, status: str, **changes: Any) -> Election:
    """Move an election to another status, and return its new record."""
    election = ELECTIONS.get(where.state, election_id)
    assert election is not None, "it was looked up before"
    moved = msgspec.structs.replace(election, status=status, **changes)
    ELECTIONS.put(where.state, moved, election_id)
    return moved
