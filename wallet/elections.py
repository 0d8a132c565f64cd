"""What a person's side of an election reads from the chain, proven, and makes of it (economy E5).

A trustee's next step follows from the state alone: what has come in, and what the own seed gives.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chain.ballot import Ballot, Opening
from chain.ceremony import CeremonyContext, KeyCommit, KeyComplaint, KeyDeal
from chain.codec import decode
from chain.elections import ELECT, ELECTIONS, Election
from chain.errors import Malformed
from chain.key_text import key_text
from chain.manifest import Fixed, fix
from chain.state import Keyspace, State
from chain.tally import Share
from chain.texts import Problem
from contracts.election import DecryptShare, Dkg
from contracts.election.records import (
    ANSWER,
    CEREMONIES,
    COMMIT,
    CONFIRM,
    DEAL,
    KEY_ANSWERS,
    KEY_COMMITS,
    KEY_DEALS,
    MANIFESTS,
    SHARES,
    Ceremony,
)
from wallet import trustee
from wallet.trust import trusted_policy
from wallet.verify import find_bytes, find_value

if TYPE_CHECKING:
    from wallet.terminal import Terminal

NOT_FOUND, UNREADABLE = 3007, 1001
V = TypeVar("V")
Part = bytes | str | int


class Named(NamedTuple):
    """An election as a person names it, with its id and record."""

    name: str
    id: bytes
    election: Election


class Reader:
    """Reads proven values of the newest state; one policy for all of a command."""

    def __init__(self, terminal: "Terminal") -> None:
        self._client = terminal.client
        self.policy = trusted_policy(terminal)
        self.text = terminal.text

    @property
    def digest(self) -> bytes:
        """The digest of the chain."""
        return bytes.fromhex(self.policy.chain_digest)

    def get(self, space: Keyspace[V], *parts: Part) -> V | None:
        """Return a value, or None where there is none."""
        key = key_text(space.key(*parts))
        found: V | None = find_value(self._client.state_proof, key, space.kind, self.policy)
        return found

    def need(self, space: Keyspace[V], *parts: Part) -> V:
        """Return a value that has to be there by now; `Problem` 3007 else."""
        found = self.get(space, *parts)
        if found is None:
            raise Problem(NOT_FOUND, what=space.name)
        return found

    def find(self, name: str) -> Named:
        """Return the election `<wijk>/<n>`; `Problem` 1001 or 3007."""
        wijk, _, number = name.partition("/")
        if not wijk or not (number.isascii() and number.isdecimal()) or str(int(number)) != number:
            raise Problem(UNREADABLE, cause=f"{name}: WIJK/N")
        election_id = self.get(ELECT, wijk, int(number))
        if election_id is None:
            raise Problem(NOT_FOUND, what=name)
        return Named(name, election_id, self.need(ELECTIONS, election_id))

    def find_by_id(self, election_id: bytes) -> Named:
        """Return the election with that id; `Problem` 3007."""
        election = self.need(ELECTIONS, election_id)
        return Named(f"{election.wijk}/{election.number}", election_id, election)

    def fixed(self, election_id: bytes) -> Fixed:
        """Return the manifest of an election that was opened."""
        return fix(self.need(MANIFESTS, election_id))


def read_election_id(file: Path, data: bytes) -> bytes:
    """Return which election an opened ballot is of; `Problem` 1001 where it is none."""
    try:
        return decode(Ballot, decode(Opening, data).ballot).election
    except Malformed as error:
        raise Problem(UNREADABLE, cause=f"{file}") from error


def make_step(reader: Reader, named: Named, account: bytes, seed: bytes) -> Dkg:
    """Return the next step of a trustee in the key ceremony; `Problem` 1001 where none is due."""
    ceremony = reader.need(CEREMONIES, named.id)
    number = _number_of(reader, ceremony.trustees, account)
    place, attempt = number - 1, ceremony.attempt
    context = CeremonyContext(reader.digest, named.id, attempt)
    threshold = len(ceremony.trustees) // 2 + 1

    def step(phase: Any, data: Any) -> Dkg:
        return Dkg(named.id, attempt, phase, data)

    if ceremony.phase == COMMIT and not ceremony.committed[place]:
        return step(COMMIT, trustee.make_commit(seed, context, number, threshold))
    if ceremony.phase == DEAL and not ceremony.dealt[place]:
        commits = get_commits(reader, named.id, ceremony)
        return step(DEAL, trustee.make_deal(seed, context, number, commits))
    if ceremony.phase == CONFIRM:
        wrong = _open_deals(reader, named.id, ceremony, number, seed).wrong
        said = [about for about, by, _ in ceremony.complaints if by == number]
        left = [dealer for dealer in wrong if dealer not in said]
        if left:
            return step("COMPLAIN", KeyComplaint(left[0]))
        if not ceremony.spoke[place]:
            return step(CONFIRM, None)
    if ceremony.phase == ANSWER:
        asked = [by for about, by, done in ceremony.complaints if about == number and not done]
        if asked:
            return step(ANSWER, trustee.make_answer(seed, context, threshold, asked[0]))
    due = reader.text(
        f"stap {ceremony.phase} van {named.name} vraagt nu niets van u",
        f"step {ceremony.phase} of {named.name} asks nothing of you now",
    )
    raise Problem(UNREADABLE, cause=due)


def make_share(reader: Reader, named: Named, account: bytes, seed: bytes) -> DecryptShare:
    """Return what a trustee gives to open the sums (E23)."""
    ceremony = reader.need(CEREMONIES, named.id)
    number = _number_of(reader, ceremony.trustees, account)
    received = _open_deals(reader, named.id, ceremony, number, seed)
    if received.wrong:
        dealers = ", ".join(map(str, received.wrong))
        why = reader.text(
            f"de delen van {dealers} passen niet bij uw sleutel van deze verkiezing",
            f"the parts of {dealers} do not fit your key of this election",
        )
        raise Problem(UNREADABLE, cause=why)
    secret = trustee.add_shares(received.shares)
    shares = trustee.make_shares(reader.fixed(named.id), number, secret, named.election.sums)
    return DecryptShare(named.id, shares)


def get_shares(reader: Reader, named: Named) -> dict[int, tuple[Share, ...]]:
    """Return the shares that were given, by number of the trustee."""
    manifest = reader.need(MANIFESTS, named.id)
    numbers = range(1, len(manifest.trustees) + 1)
    found = {number: reader.get(SHARES, named.id, number) for number in numbers}
    return {number: shares for number, shares in found.items() if shares is not None}


def get_commits(reader: Reader, election_id: bytes, ceremony: Ceremony) -> list[KeyCommit]:
    """Return the commitments of all trustees of an attempt."""
    numbers = range(1, len(ceremony.trustees) + 1)
    return [reader.need(KEY_COMMITS, election_id, number)[1] for number in numbers]


def _open_deals(
    reader: Reader, election_id: bytes, ceremony: Ceremony, number: int, seed: bytes
) -> trustee.Received:
    context = CeremonyContext(reader.digest, election_id, ceremony.attempt)
    numbers = range(1, len(ceremony.trustees) + 1)
    deals: dict[int, KeyDeal] = {
        dealer: reader.need(KEY_DEALS, election_id, dealer)[1] for dealer in numbers
    }
    commits = get_commits(reader, election_id, ceremony)
    received = trustee.open_deals(seed, context, number, commits, deals)
    shown: dict[int, bytes] = {}
    for dealer in received.wrong:
        row = reader.get(KEY_ANSWERS, election_id, dealer)
        if row is not None and row[0] == ceremony.attempt:
            of_dealer = {answer.receiver: answer.share for answer in row[1]}
            shown[dealer] = of_dealer.get(number, b"")
    return trustee.take_answers(received, number, commits, shown)


def _number_of(reader: Reader, trustees: tuple[bytes, ...], account: bytes) -> int:
    if account not in trustees:
        why = reader.text(
            "u bent geen vertrouwenspersoon van deze verkiezing, of viel af",
            "you are no trustee of this election, or are one no more",
        )
        raise Problem(UNREADABLE, cause=why)
    return trustees.index(account) + 1


class ProvenState(State):
    """The newest state, value by value, each proven."""

    def __init__(self, terminal: "Terminal") -> None:
        client, policy = terminal.client, trusted_policy(terminal)

        def read(key: bytes) -> bytes | None:
            return find_bytes(client.state_proof, key_text(key), policy)

        super().__init__(read)
