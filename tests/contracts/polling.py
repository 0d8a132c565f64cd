"""A polling station for tests: an election on a ledger, with real keys, proofs and deadlines."""

from __future__ import annotations

import copy
import functools
from typing import Any

from msgspec.structs import replace

from chain.address import account_id
from chain.ceremony import CeremonyContext
from chain.contract import Clock
from chain.crypto import sha256, sign
from chain.elections import ELECTIONS, Election
from chain.execute import Base
from chain.manifest import Fixed, compute_voters_root, fix
from chain.records import Blob, Outcome
from chain.state import State
from contracts.election import (
    CallElection,
    Cast,
    Challenge,
    DecryptShare,
    Dkg,
    Nominate,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from contracts.election.ballots import make_manifest
from contracts.election.call import PledgeLine, Seconder, second_bytes
from contracts.election.records import CEREMONIES, KEY_COMMITS, KEY_DEALS, MANIFESTS
from tests.federation import Ledger, account, key, seed
from wallet import trustee
from wallet.ballots import Prepared, choose, make_ballot, score

WIJK = "delfshaven"
TRUSTEES = ("els", "femke", "gijs", "henk", "iris")
MEMBERS = ("anna", "bram", "chaima", "dirk", *TRUSTEES)
CANDIDATES = ("anna", "bram", "chaima", "dirk", "els", "femke")
VOTERS = tuple(f"voter {number}" for number in range(9))


class Clocked:
    """What `make_manifest` asks of a call: the state, and the clock."""

    def __init__(self, ledger: Ledger) -> None:
        self.state = State(ledger.state.get)
        self.clock = Clock(ledger.chain, self.state, ledger.base.height + 1, ledger.time_s)
        self.time_s = ledger.time_s


class Polls:
    """One election, step by step; every method is one step of economy E5."""

    def __init__(self, ledger: Ledger | None = None, **changed: Any) -> None:
        people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
        self.ledger = ledger or Ledger(balances={**people, "noord/zoe": 0})
        self.asked = replace(self.make_call(), **changed)
        self.id = b""
        self.trustees: tuple[str, ...] = TRUSTEES

    def make_call(self) -> CallElection:
        """Return a board election of five seats: up to five of the candidates, or blank."""
        start = self.ledger.time_s
        times = [start + step for step in (50, 100, 300, 400, 600, 700)]
        accounts = tuple(account(name) for name in TRUSTEES)
        six = (times[0], times[1], times[2], times[3], times[4], times[5])
        return CallElection("BOARD", None, 5, (), "APPROVAL", (), 1, 5, 0, 1, six, accounts, 3)

    # ------------------------------------------------------------------------------- reading

    @property
    def state(self) -> State:
        return State(self.ledger.state.get)

    @property
    def election(self) -> Election:
        found = ELECTIONS.get(self.state, self.id)
        assert found is not None
        return found

    @property
    def status(self) -> str:
        return self.election.status

    @property
    def fixed(self) -> Fixed:
        manifest = MANIFESTS.get(self.state, self.id)
        assert manifest is not None
        return fix(manifest)

    # --------------------------------------------------------------------------------- steps

    def at(self, place: int, late: int = 0) -> None:
        """Go on to just before a time of the calendar: the next block is at it, or later."""
        self.ledger.time_s = self.asked.calendar[place] - 1 + late

    def idle(self) -> None:
        """Make a block without transactions."""
        self.ledger.apply(self.ledger.run())

    def call(self, **changed: Any) -> Outcome:
        self.asked = replace(self.asked, **changed)
        outcome = self.ledger.by_board(WIJK, self.asked)
        if outcome.code == 0:
            self.id = outcome.tx_id
        return outcome

    def nominate(self, who: str, seconders: tuple[str, ...] = ("gijs",), **changed: Any) -> Outcome:
        pledges = (PledgeLine("SAFE", 10, 20, 20270101),)
        digest = sha256(who.encode())
        signed = second_bytes(self.ledger.chain.digest, self.id, account(who), digest, pledges)
        hands = tuple(Seconder(account(one), 0, sign(seed(one), signed)) for one in seconders)
        asked = replace(Nominate(self.id, digest, pledges, hands), **changed)
        return self.ledger.by_person(who, asked)

    def freeze(self, voters: tuple[str, ...] = VOTERS, **changed: Any) -> Outcome:
        keys = sorted(key(name) for name in voters)
        data = b"".join(keys)
        blobs = tuple(data[at : at + 65_536] for at in range(0, len(data), 65_536))
        asked = VoterRoot(
            self.id,
            self.ledger.base.height,
            len(MEMBERS),
            tuple(Blob(sha256(blob), len(blob)) for blob in blobs),
            compute_voters_root(keys),
        )
        signers = [(0, f"{WIJK}-registrar-a"), (1, f"{WIJK}-registrar-b")]
        sender = account(f"{WIJK}-registrar-a")
        return self.send(replace(asked, **changed), sender, signers, blobs)

    def context(self) -> CeremonyContext:
        ceremony = CEREMONIES.get(self.state, self.id)
        assert ceremony is not None
        return CeremonyContext(self.ledger.chain.digest, self.id, ceremony.attempt)

    def dkg(self, name: str, phase: str, data: Any, attempt: int | None = None) -> Outcome:
        attempt = self.context().attempt if attempt is None else attempt
        return self.ledger.by_person(name, Dkg(self.id, attempt, phase, data))  # type: ignore[arg-type]

    def commit(self, name: str) -> Outcome:
        number = self.trustees.index(name) + 1
        threshold = len(self.trustees) // 2 + 1
        made = trustee.make_commit(seed(name), self.context(), number, threshold)
        return self.dkg(name, "COMMIT", made)

    def commits(self) -> list[Any]:
        rows = [
            KEY_COMMITS.get(self.state, self.id, number)
            for number in range(1, len(self.trustees) + 1)
        ]
        return [row[1] for row in rows if row is not None]

    def deals(self) -> dict[int, Any]:
        found = {}
        for number in range(1, len(self.trustees) + 1):
            row = KEY_DEALS.get(self.state, self.id, number)
            if row is not None:
                found[number] = row[1]
        return found

    def make_deal(self, name: str) -> Any:
        number = self.trustees.index(name) + 1
        return trustee.make_deal(seed(name), self.context(), number, self.commits())

    def ceremony(self) -> None:
        """All trustees commit, deal and confirm."""
        for name in self.trustees:
            assert self.commit(name).code == 0
        for name in self.trustees:
            assert self.dkg(name, "DEAL", self.make_deal(name)).code == 0
        for name in self.trustees:
            assert self.secret_of(name)
            assert self.dkg(name, "CONFIRM", None).code == 0

    def secret_of(self, name: str) -> bytes:
        """Return x_j of a trustee."""
        number = self.trustees.index(name) + 1
        received = trustee.open_deals(
            seed(name), self.context(), number, self.commits(), self.deals()
        )
        assert received.wrong == ()
        return trustee.add_shares(received.shares)

    def open(self) -> Outcome:
        if self.ledger.time_s < self.asked.calendar[3] - 1:
            self.at(3)
        manifest = make_manifest(Clocked(self.ledger), self.ledger.chain.digest, self.id)  # type: ignore[arg-type]
        return self.ledger.by_person("anna", Open(self.id, fix(manifest).digest))

    def ballot(self, voter: str, *numbers: int, blank: bool = False) -> Prepared:
        values = choose(self.fixed, numbers, blank=blank)
        return make_ballot(self.fixed, key(voter), values)

    def scored(self, voter: str, points: dict[int, int]) -> Prepared:
        return make_ballot(self.fixed, key(voter), score(self.fixed, points))

    def cast_bytes(self, voter: str, data: bytes, who: str | None = None) -> Outcome:
        asked = Cast(self.id, sha256(data), len(data))
        sender = account_id(key(voter))
        return self.send(asked, sender, [(0, who or voter)], (data,))

    def cast(self, voter: str, *numbers: int, blank: bool = False) -> Outcome:
        return self.cast_bytes(voter, self.ballot(voter, *numbers, blank=blank).data)

    def spoil(self, voter: str, made: Prepared, **changed: Any) -> Outcome:
        data = made.opening_data
        asked = Challenge(self.id, made.digest, sha256(data), len(data))
        sender = account_id(key(voter))
        return self.send(replace(asked, **changed), sender, [(0, voter)], (data,))

    def tally(self) -> Outcome:
        if self.ledger.time_s < self.asked.calendar[4]:
            self.at(4)
            self.idle()
        return self.tally_now()

    def tally_now(self) -> Outcome:
        return self.ledger.by_person("anna", Tally(self.id))

    def shares_of(self, name: str) -> DecryptShare:
        number = self.trustees.index(name) + 1
        made = trustee.make_shares(self.fixed, number, self.secret_of(name), self.election.sums)
        return DecryptShare(self.id, made)

    def share(self, *names: str) -> None:
        for name in names:
            assert self.ledger.by_person(name, self.shares_of(name)).code == 0

    def result(self, *counts: int) -> Outcome:
        return self.ledger.by_person("anna", SetResult(self.id, counts))

    def fork(self) -> Polls:
        """Return the same election on a ledger of its own that goes on from here."""
        old = self.ledger
        new = Ledger(old.genesis)
        new.state.clear()
        new.state.update(old.state)
        new.nodes = dict(old.nodes)
        new.base = Base(
            old.base.height,
            old.base.block_id,
            old.base.time_ms,
            new.state.get,
            new.nodes.get,
            old.base.frontier,
            copy.deepcopy(old.base.window),
        )
        new.time_s, new._count = old.time_s, old._count
        forked = Polls(new)
        forked.asked, forked.id, forked.trustees = self.asked, self.id, self.trustees
        return forked

    def to_open(self) -> Polls:
        """Go from the call to the opening with everybody doing their part."""
        assert self.call().code == 0
        if self.asked.kind == "BOARD":
            for name in CANDIDATES:
                assert self.nominate(name).code == 0
        self.at(0)
        assert self.freeze().code == 0
        if self.asked.trustees:
            self.ceremony()
        assert self.open().code == 0
        return self

    def send(
        self, call: Any, sender: bytes, signers: list[tuple[int, str]], blobs: tuple[bytes, ...]
    ) -> Outcome:
        """Run a call with what travels beside it, in a block of its own."""
        return self.ledger.send(call, sender, signers, blobs=blobs)


@functools.cache
def _opened() -> Polls:
    return Polls().to_open()


@functools.cache
def _frozen() -> Polls:
    polls = _nominated().fork()
    polls.at(0)
    assert polls.freeze().code == 0
    return polls


@functools.cache
def _nominated() -> Polls:
    polls = Polls()
    assert polls.call().code == 0
    for name in CANDIDATES:
        assert polls.nominate(name).code == 0
    return polls


def open_polls() -> Polls:
    """Return an election of a board that has just opened; made once for all tests."""
    return _opened().fork()


def frozen_polls() -> Polls:
    """Return one whose roll is frozen."""
    return _frozen().fork()


def nominated_polls() -> Polls:
    """Return one with six candidates."""
    return _nominated().fork()
