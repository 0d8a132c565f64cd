"""A secret election on a running network, from the call to the result, with everybody's keys.

For the demo and for tests: one process plays the board, the registrars, the trustees and the
voters. Every step is a transaction that a node has to accept, and what trustees need of each other
they read from the chain, as they would on machines of their own.
"""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chain.address import account_id
from chain.ceremony import CeremonyContext, KeyCommit, KeyDeal
from chain.codec import decode
from chain.crypto import public_key, sha256, sign
from chain.elections import ELECTIONS, Election
from chain.key_text import key_text
from chain.manifest import Fixed, compute_voters_root, fix
from chain.records import BLOB_BYTES_MAX, Blob
from chain.state import Keyspace, State
from chain.tally import find_counts, get_count_max, open_sums
from contracts.election import (
    CallElection,
    Cast,
    DecryptShare,
    Dkg,
    Nominate,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from contracts.election.ballots import derive_manifest
from contracts.election.call import Seconder, second_bytes
from contracts.election.records import KEY_COMMITS, KEY_DEALS, MANIFESTS
from node.client import Client, ask_patiently
from wallet import trustee
from wallet.ballots import choose, make_ballot

POLL_S = 0.05


Calendar = tuple[int, int, int, int, int, int]


class Holder(NamedTuple):
    """An account, and the seeds of the keys it signs with here, by index."""

    account: bytes
    seeds: Mapping[int, bytes]


class Send(Protocol):
    """Sends a call with what travels beside it, and returns its transaction id once it is final."""

    def __call__(self, call: Any, by: Holder, blobs: Sequence[bytes] = ()) -> bytes: ...


class Matter(NamedTuple):
    """What is voted on, and who keeps it: a survey of these options, or seats of the board.

    Options are digests of texts. A board election has none yet: members stand for it. `most` is how
    many options a ballot may approve.
    """

    options: tuple[bytes, ...]
    seats: int
    most: int
    board: Holder
    registrars: Holder
    trustees: tuple[Holder, ...]
    eligible: int


class HeldElection(NamedTuple):
    """What came of it: the id, the options with their counts, and how many voted."""

    id: bytes
    counts: tuple[int, ...]
    ballots: int


def read_value(client: Client, space: Keyspace[Any], *parts: bytes | str | int) -> Any:
    """Return a value of the newest state, or None where there is none."""
    value = _read(client, space.key(*parts))
    return None if value is None else decode(space.kind, value)


def make_calendar(now_s: int, tx_s: float) -> Calendar:
    """Return a calendar for people who all sit at one table, where a transaction takes `tx_s`.

    Each step has some times what it takes: one roll, nine steps of a ceremony, a few ballots.
    """
    nominations = now_s + 2
    roll = nominations + 4 + int(8 * tx_s)
    keys = roll + 5 + int(27 * tx_s)
    closes = keys + 5 + int(15 * tx_s)
    return nominations, roll, keys, keys + 1, closes, closes + 60


class Holding:
    """One election that is held: it knows how far it is, and waits for the times it has."""

    def __init__(
        self,
        client: Client,
        chain_digest: bytes,
        send: Send,
        matter: Matter,
        *,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._digest = chain_digest
        self._send = send
        self._matter = matter
        self._now_s = now_s
        self._sleep = sleep
        self.id = b""
        self._calendar = (0, 0, 0, 0, 0, 0)

    def call(self, calendar: Calendar) -> bytes:
        """Call the election, and return its id."""
        self._calendar = calendar
        matter = self._matter
        asked = CallElection(
            "BOARD" if matter.seats else "SURVEY",
            None,
            matter.seats,
            (),
            "APPROVAL",
            matter.options,
            1,
            matter.most,
            0,
            1,
            calendar,
            tuple(one.account for one in matter.trustees),
            len(matter.trustees) // 2 + 1,
        )
        self.id = self._send(asked, matter.board)
        return self.id

    def nominate(self, by: Holder, seconders: Sequence[Holder]) -> None:
        """Let a member stand for the board, seconded by others."""
        name = sha256(by.account)
        signed = second_bytes(self._digest, self.id, by.account, name, ())
        hands = tuple(
            Seconder(one.account, index, sign(one.seeds[index], signed))
            for one in seconders
            for index in sorted(one.seeds)[:1]
        )
        self._send(Nominate(self.id, name, (), hands), by)

    def freeze(self, voters: Sequence[bytes]) -> None:
        """Publish the roll of these credentials, given by their seeds."""
        self._wait(0)
        keys = sorted(public_key(seed) for seed in voters)
        data = b"".join(keys)
        blobs = [data[at : at + BLOB_BYTES_MAX] for at in range(0, len(data), BLOB_BYTES_MAX)]
        asked = VoterRoot(
            self.id,
            int(ask_patiently(self._client.status)["height"]),
            self._matter.eligible,
            tuple(Blob(sha256(blob), len(blob)) for blob in blobs),
            compute_voters_root(keys),
        )
        self._send(asked, self._matter.registrars, blobs)

    def make_key(self) -> None:
        """Let the trustees commit, deal and confirm."""
        context = CeremonyContext(self._digest, self.id, 1)
        people = self._matter.trustees
        threshold = len(people) // 2 + 1
        for number, one in enumerate(people, 1):
            made = trustee.make_commit(one.seeds[0], context, number, threshold)
            self._send(Dkg(self.id, 1, "COMMIT", made), one)
        for number, one in enumerate(people, 1):
            deal = trustee.make_deal(one.seeds[0], context, number, self._commits())
            self._send(Dkg(self.id, 1, "DEAL", deal), one)
        for number, one in enumerate(people, 1):
            self._open_deals(number)
            self._send(Dkg(self.id, 1, "CONFIRM", None), one)

    def open(self, by: Holder) -> Fixed:
        """Open voting, and return the manifest."""
        self._wait(3)
        state = _RemoteState(self._client)
        manifest = derive_manifest(state, self._digest, self.id, self._quorum_pct())
        self._send(Open(self.id, fix(manifest).digest), by)
        return self._fixed()

    def cast(self, voter: bytes, *numbers: int, blank: bool = False) -> bytes:
        """Cast the ballot of a credential, given by its seed; return its digest."""
        fixed, key = self._fixed(), public_key(voter)
        made = make_ballot(fixed, key, choose(fixed, numbers, blank=blank))
        call = Cast(self.id, made.digest, len(made.data))
        self._send(call, Holder(account_id(key), {0: voter}), [made.data])
        return made.digest

    def count(self, by: Holder, numbers: Sequence[int]) -> HeldElection:
        """Add up, let t trustees, by number, open the sums, and set the result."""
        self._wait(4)
        self._send(Tally(self.id), by)
        fixed, election = self._fixed(), self._election()
        given = {}
        for number in numbers:
            secret = trustee.add_shares(self._open_deals(number))
            shares = trustee.make_shares(fixed, number, secret, election.sums)
            given[number] = shares
            self._send(DecryptShare(self.id, shares), self._matter.trustees[number - 1])
        points = open_sums(fixed, election.sums, given)
        counts = find_counts(points, get_count_max(fixed, election.ballots))
        self._send(SetResult(self.id, counts), by)
        return HeldElection(self.id, counts, election.ballots)

    def _commits(self) -> list[KeyCommit]:
        numbers = range(1, len(self._matter.trustees) + 1)
        rows = [read_value(self._client, KEY_COMMITS, self.id, number) for number in numbers]
        return [row[1] for row in rows]

    def _open_deals(self, number: int) -> Mapping[int, bytes]:
        """Return what trustee `number` received from each dealer."""
        context = CeremonyContext(self._digest, self.id, 1)
        numbers = range(1, len(self._matter.trustees) + 1)
        deals: dict[int, KeyDeal] = {
            dealer: read_value(self._client, KEY_DEALS, self.id, dealer)[1] for dealer in numbers
        }
        seed = self._matter.trustees[number - 1].seeds[0]
        received = trustee.open_deals(seed, context, number, self._commits(), deals)
        assert received.wrong == (), "all trustees are honest here"
        return received.shares

    def _election(self) -> Election:
        found = read_value(self._client, ELECTIONS, self.id)
        assert isinstance(found, Election)
        return found

    def _fixed(self) -> Fixed:
        return fix(read_value(self._client, MANIFESTS, self.id))

    def _quorum_pct(self) -> int:
        return int(self._client.params()["params"]["quorum_pct"])

    def _wait(self, place: int) -> None:
        """Wait until a time of the calendar has come, on this clock."""
        while self._now_s() < self._calendar[place]:
            self._sleep(POLL_S)


class _RemoteState(State):
    """The newest state of a node, value by value."""

    def __init__(self, client: Client) -> None:
        super().__init__(lambda key: _read(client, key))


def _read(client: Client, key: bytes) -> bytes | None:
    text = ask_patiently(lambda: client.state_proof(key_text(key)))
    value = json.loads(text)["value"]
    return None if value is None else b64decode(value, validate=True)
