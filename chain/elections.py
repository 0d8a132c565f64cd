"""Elections in the state, as more than one part reads them (economy E5, E14, B3).

`contracts/election` alone writes these; execution asks who sends a ballot, the board who was
elected, and governance what a secret vote came to.
"""

import msgspec

from chain.codec import Account, Digest, PublicKey, Record, Uint
from chain.keyspaces import ACTIVE, AccountKey, AccountRecord
from chain.params import DAY_S
from chain.state import Keyspace, State

CREDENTIAL = "CREDENTIAL"  # a kind of sender, never of an account in the state (economy E14)

CALLED, NOMINATED, VOTERS_FROZEN, KEY_READY = "CALLED", "NOMINATED", "VOTERS_FROZEN", "KEY_READY"
OPEN, TALLIED, DECRYPTABLE, RESULT = "OPEN", "TALLIED", "DECRYPTABLE", "RESULT"
ACCEPTED, DONE, CANCELLED, ANNULLED = "ACCEPTED", "DONE", "CANCELLED", "ANNULLED"
BEFORE_OPEN = (CALLED, NOMINATED, VOTERS_FROZEN, KEY_READY)
OVER = (DONE, CANCELLED, ANNULLED)

KIND_BOARD, KIND_DECISION, KIND_SURVEY = "BOARD", "DECISION", "SURVEY"
DECIDE_S = 14 * DAY_S  # economy section 4, `object`: undecided after this is dismissed
CALENDAR = ("nominations_close", "roll_due", "keys_due", "opens", "closes", "shares_due")


class Election(Record, frozen=True):
    """`election/<id>`: what was called, how far it is, and what is counted so far.

    `calendar` has the six times of economy section 4 in Unix seconds. `manifest` is the digest of
    the one in force, `sums` the running sums of its ballots (E21). `reason` says why it was
    cancelled, `result_s` when its result was set, `objections` how many are not decided.
    """

    wijk: str
    number: Uint
    kind: str
    method: str
    decision: Digest | None
    seats: Uint
    areas: tuple[tuple[str, Uint], ...]
    min: Uint
    max: Uint
    score: Uint
    blank: Uint
    calendar: tuple[Uint, Uint, Uint, Uint, Uint, Uint]
    trustees: tuple[Account, ...]
    threshold: Uint
    called_height: Uint
    status: str
    options: Uint
    electorate: Uint
    reference_height: Uint
    voters: Uint
    voters_root: Digest | None
    manifest: Digest | None
    sums: bytes
    ballots: Uint
    spoiled: Uint
    shares: Uint
    result_s: Uint
    objections: Uint
    reason: str | None

    @property
    def nominations_close_s(self) -> int:
        """When nominating ends."""
        return self.calendar[0]

    @property
    def roll_due_s(self) -> int:
        """By when the registrars publish the roll."""
        return self.calendar[1]

    @property
    def keys_due_s(self) -> int:
        """By when the trustees have made the key."""
        return self.calendar[2]

    @property
    def opens_s(self) -> int:
        """When voting begins."""
        return self.calendar[3]

    @property
    def closes_s(self) -> int:
        """When voting ends."""
        return self.calendar[4]


class Credential(Record, frozen=True):
    """`cred/<election>/<key>`: how many transactions it sent (B3), and its last ballot (E21)."""

    used: Uint
    ballot: Digest | None


ELECTIONS: Keyspace[Election] = Keyspace("election", Election, 1)
ELECT: Keyspace[bytes] = Keyspace("elect", Digest, 2)  # wijk, number
ELECTIONS_COUNT: Keyspace[int] = Keyspace("elections", Uint, 1)  # the highest number of a wijk
# The newest election of the board of a wijk, or about one decision.
BOARD_ELECTION: Keyspace[bytes] = Keyspace("boardelection", Digest, 1)
DECISION_ELECTION: Keyspace[bytes] = Keyspace("decisionelection", Digest, 1)
# `roll/<election>/<account>`: the key of L whose account id this is; it is no account (E14).
ROLL: Keyspace[bytes] = Keyspace("roll", PublicKey, 2)
CREDENTIALS: Keyspace[Credential] = Keyspace("cred", Credential, 2)


def find_credential(state: State, call: object, sender: bytes) -> AccountRecord | None:
    """Return the sender of a call by credential as an account with that one key, or None (E14).

    The call names its election, and the roll of that election makes the key one of its wijk.
    """
    election_id = getattr(call, "election", None)
    assert election_id is not None, "a call by credential names its election"
    key = ROLL.get(state, election_id, sender)
    election = None if key is None else ELECTIONS.get(state, election_id)
    if key is None or election is None:
        return None
    first = AccountKey(0, key, bytes(32), 0)
    return AccountRecord(CREDENTIAL, election.wijk, ACTIVE, 1, (first,), ())


def count_use(state: State, call: object, account: AccountRecord, most: int) -> bool:
    """Count one more transaction of a credential in its election, up to `most` (economy B3)."""
    election_id = getattr(call, "election", None)
    assert election_id is not None, "a credential sends nothing else"
    key = account.keys[0].key
    row = CREDENTIALS.get(state, election_id, key) or Credential(0, None)
    if row.used >= most:
        return False
    CREDENTIALS.put(state, msgspec.structs.replace(row, used=row.used + 1), election_id, key)
    return True
