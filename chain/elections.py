"""Elections in the state, as more than one part reads them (economy E5, E14, B3).

`contracts/election` alone writes these; execution asks who sends a ballot, the board who was
elected, and governance what a secret vote came to.
"""

import msgspec

from chain.codec import Account, Digest, PublicKey, Record, Uint
from chain.crypto import sha256
from chain.keyspaces import ACTIVE, AccountKey, AccountRecord
from chain.manifest import Pledge
from chain.params import DAY_S
from chain.state import Keyspace, State

CREDENTIAL = "CREDENTIAL"  # a kind of sender, never of an account in the state (economy E14)

CALLED, NOMINATED, VOTERS_FROZEN, KEY_READY = "CALLED", "NOMINATED", "VOTERS_FROZEN", "KEY_READY"
OPEN, TALLIED, DECRYPTABLE, RESULT = "OPEN", "TALLIED", "DECRYPTABLE", "RESULT"
ACCEPTED, DONE, CANCELLED, ANNULLED = "ACCEPTED", "DONE", "CANCELLED", "ANNULLED"
BEFORE_OPEN = (CALLED, NOMINATED, VOTERS_FROZEN, KEY_READY)
OVER = (DONE, CANCELLED, ANNULLED)

KIND_BOARD, KIND_DECISION, KIND_SURVEY = "BOARD", "DECISION", "SURVEY"
REHEARSAL = b"wijk.rehearsal.1"
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


class Candidate(Record, frozen=True):
    """`candidate/<election>/<n>`: option n; `account` is nil where it is no person.

    `name` is the digest of a name or text, `area` that of the candidate's membership.
    """

    account: Account | None
    name: Digest
    area: str | None
    pledges: tuple[Pledge, ...]


class ResultRow(Record, frozen=True):
    """`counted/<election>`: counts by slot, who is elected, and all options in their order.

    Both lists hold numbers of options; who comes next on the list takes a seat that falls empty.
    """

    counts: tuple[Uint, ...]
    elected: tuple[Uint, ...]
    order: tuple[Uint, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """The list: who is elected first, and then all others in their order (economy E41)."""
        rest = tuple(number for number in self.order if number not in self.elected)
        return (*self.elected, *rest)


class Acceptance(Record, frozen=True):
    """`acceptance/<election>/<seat>`: the key with which a candidate takes seat n.

    Seat 1 is that of the first elected. Above the seats of those elected n is the place on the list
    of who takes one that fell empty (E41). The key acts from the handover on (economy E39).
    """

    account: Account
    key: PublicKey
    holder: Digest


ELECTIONS: Keyspace[Election] = Keyspace("election", Election, 1)
ELECT: Keyspace[bytes] = Keyspace("elect", Digest, 2)  # wijk, number
ELECTIONS_COUNT: Keyspace[int] = Keyspace("elections", Uint, 1)  # the highest number of a wijk
# The newest election of the board of a wijk, or about one decision.
BOARD_ELECTION: Keyspace[bytes] = Keyspace("boardelection", Digest, 1)
DECISION_ELECTION: Keyspace[bytes] = Keyspace("decisionelection", Digest, 1)
# `roll/<election>/<account>`: the key of L whose account id this is; it is no account (E14).
ROLL: Keyspace[bytes] = Keyspace("roll", PublicKey, 2)
CREDENTIALS: Keyspace[Credential] = Keyspace("cred", Credential, 2)
CANDIDATES: Keyspace[Candidate] = Keyspace("candidate", Candidate, 2)
COUNTED: Keyspace[ResultRow] = Keyspace("counted", ResultRow, 1)
ACCEPTANCES: Keyspace[Acceptance] = Keyspace("acceptance", Acceptance, 2)  # election, seat


def rehearsal_option(number: int) -> bytes:
    """Return test option n of a rehearsal: the digest of a text that nobody can stand for (E32)."""
    return sha256(REHEARSAL + number.to_bytes(4, "big"))


def is_rehearsal(state: State, election_id: bytes, election: Election) -> bool:
    """Say whether an election is a rehearsal (E32, ADR 0092): a survey of test options alone.

    A survey seats nobody and decides nothing, whatever is counted.
    """
    if election.kind != KIND_SURVEY:
        return False
    for number in range(1, election.options + 1):
        candidate = CANDIDATES.get(state, election_id, number)
        if candidate is None or candidate.name != rehearsal_option(number):
            return False
    return True


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


def get_elected(state: State, election_id: bytes) -> tuple[bytes, ...]:
    """Return the accounts that won the seats of a board election, seat 1 first."""
    result = COUNTED.get(state, election_id)
    return () if result is None else _get_accounts(state, election_id, result.elected)


def get_list(state: State, election_id: bytes) -> tuple[bytes, ...]:
    """Return the accounts of all candidates of a board election: those elected, and who is next."""
    result = COUNTED.get(state, election_id)
    return () if result is None else _get_accounts(state, election_id, result.places)


def _get_accounts(state: State, election_id: bytes, numbers: tuple[int, ...]) -> tuple[bytes, ...]:
    accounts = []
    for number in numbers:
        candidate = CANDIDATES.get(state, election_id, number)
        assert candidate is not None, f"option {number} was noted"
        assert candidate.account is not None, "a board is of people"
        accounts.append(candidate.account)
    return tuple(accounts)


def get_objections_end(election: Election, objection_s: int) -> int:
    """Return until when objections hold a result up, in Unix seconds (economy E5)."""
    return election.result_s + objection_s + (DECIDE_S if election.objections else 0)


def note_acceptance(
    state: State, election_id: bytes, seat: int, acceptance: Acceptance
) -> tuple[int, bool]:
    """Note that seat n was accepted; return how many are, and whether that is a board (E39).

    For `board.accept_seat`, which has checked who may. A seat accepted again has the newer key.
    """
    election = ELECTIONS.get(state, election_id)
    assert election is not None, "it was looked up before"
    ACCEPTANCES.put(state, acceptance, election_id, seat)
    accepted = len(get_acceptances(state, election_id))
    enough = accepted >= election.seats // 2 + 1  # of the seats there are: one person is no board
    if enough and election.status == RESULT:
        ELECTIONS.put(state, msgspec.structs.replace(election, status=ACCEPTED), election_id)
    return accepted, enough


def get_acceptances(state: State, election_id: bytes) -> tuple[tuple[int, Acceptance], ...]:
    """Return the seats that were accepted, with the keys for them, lowest seat first.

    Until the handover that is elected people alone; later also those who came next on the list.
    """
    seats = range(1, len(get_list(state, election_id)) + 1)
    found = ((seat, ACCEPTANCES.get(state, election_id, seat)) for seat in seats)
    return tuple((seat, row) for seat, row in found if row is not None)
