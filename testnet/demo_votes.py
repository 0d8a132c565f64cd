"""The part of the demo where a wijk votes: a secret election, and a proposal that is carried out.

Delfshaven asks its members what the square needs, in secret, with three of them as trustees; while
the times of that election pass, they decide in the open on the colour of their coin.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from audit.election_bundle import export_bundle
from audit.elections.check import verify
from audit.elections.wire import read_bundle
from chain.codec import encode
from chain.crypto import sha256
from chain.policy import read_policy
from contracts.governance import Cast, Close, Execute, Propose, Second
from contracts.wijk import SetParam
from node.client import Client
from testnet.election import Holder, Holding, Matter, Send, make_calendar
from wallet.keystore import derive_seed

WIJK = "delfshaven"
VOTERS = ("anna", "chaima", "dirk")  # who has a vote there
OPTIONS = ("Meer bomen", "Een bankje", "Een speeltoestel")
CHOICES: Mapping[str, tuple[int, ...]] = {"anna": (1, 2), "chaima": (1,), "dirk": ()}
COLOUR, FAR_EPOCHS = "GROEN", 3_600
TX_S_MAX = 10.0  # what a transaction may take before nobody waits for a demo any more

Said = Callable[[str, str], None]


class Polled(msgspec.Struct, frozen=True):
    """How many votes were carried out, and how many elections were held and verified."""

    votes: int
    elections: int


class PollingDay:
    """Plays both on a running network; `people` are the members of the wijk by name."""

    def __init__(
        self,
        client: Client,
        chain_digest: bytes,
        send: Send,
        people: Mapping[str, Holder],
        said: Said,
    ) -> None:
        self._client = client
        self._digest = chain_digest
        self._send = send
        self._people = people
        self._said = said

    def play(self, board: Holder, registrars: Holder, tx_ms: float) -> Polled:
        """Hold the election and the vote; `tx_ms` is how long a transaction takes here."""
        tx_s = min(TX_S_MAX, tx_ms / 1000)
        anna = self._people["anna"]
        members = tuple(self._people[name] for name in VOTERS)
        options = tuple(sha256(option.encode()) for option in OPTIONS)
        matter = Matter(options, 0, len(options), board, registrars, members, len(VOTERS))
        self._said(
            "delfshaven schrijft een geheime peiling uit",
            "delfshaven calls a secret survey",
        )
        holding = Holding(self._client, self._digest, self._send, matter)
        holding.call(make_calendar(int(time.time()), tx_s))
        credentials = {
            name: bytes(derive_seed(sha256(self._people[name].seeds[0]), 0)) for name in VOTERS
        }
        holding.freeze(list(credentials.values()))
        holding.make_key()
        decision_id, closes_s = self._propose(tx_s)
        holding.open(anna)
        for name, numbers in CHOICES.items():
            holding.cast(credentials[name], *numbers, blank=not numbers)
        votes = self._decide(decision_id, closes_s)
        held = holding.count(anna, [1, 2])
        shown = ", ".join(
            f"{name} {count}" for name, count in zip(OPTIONS, held.counts[1:], strict=True)
        )
        self._said(f"  uitslag: {shown}", f"  result: {shown}")
        self._verify(held.id)
        return Polled(votes, 1)

    def _propose(self, tx_s: float) -> tuple[bytes, int]:
        """Let Anna propose a colour for the coin, and two others second it."""
        self._said(
            "Anna stelt een kleur voor de munt voor; drie leden stemmen",
            "Anna proposes a colour for the coin; three members vote",
        )
        epoch_s = int(self._client.params()["params"]["epoch_s"])
        colour = msgspec.Raw(encode(COLOUR))
        action = SetParam("coin.colour", colour, int(time.time()) // epoch_s + FAR_EPOCHS)
        opens = int(time.time()) + 1
        closes = opens + 4 + int(12 * tx_s)
        text = sha256(b"De munt wordt groen.")
        asked = Propose("ORDINARY", (encode(action),), text, opens, closes, 0)
        decision_id = self._send(asked, self._people["anna"])
        for name in VOTERS[1:]:
            self._send(Second(decision_id), self._people[name])
        while time.time() < opens + 1:
            time.sleep(0.05)
        for name in VOTERS:
            self._send(Cast(decision_id, "YES"), self._people[name])
        return decision_id, closes

    def _decide(self, decision_id: bytes, closes_s: int) -> int:
        """Close the vote and carry it out; return how many were."""
        self._wait(closes_s)
        self._send(Close(decision_id), self._people["anna"])
        self._wait(int(time.time()) + 2)  # `enact_delay_s` is a second here
        self._send(Execute(decision_id), self._people["anna"])
        return 1

    def _verify(self, election_id: bytes) -> None:
        """Check the evidence with the program that shares no code with a node (E29)."""
        with tempfile.TemporaryDirectory() as spare:
            folder = Path(spare) / "bundle"
            policy = read_policy(self._client.policy())
            export_bundle(self._client, policy, election_id, folder)
            findings = verify(read_bundle(folder)).findings
        assert not findings, findings

    def _wait(self, until_s: int) -> None:
        while time.time() < until_s:
            time.sleep(0.05)


def make_holder(account: bytes, seeds: Sequence[bytes]) -> Holder:
    """Return who signs with these keys, the first of which has index 0."""
    return Holder(account, dict(enumerate(seeds)))
