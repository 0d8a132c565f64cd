"""The demo: four real wijken, and a short scenario on real bank files (interfaces 1.7)."""

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec

import chain
from audit.blocks import RawBlock
from audit.replay import Report, replay
from bank.camt053 import Statement, pages, parse
from chain.genesis import Genesis, founding_decision_id
from chain.keyspaces import NO_LIMIT
from chain.records import carry
from chain.texts import Problem
from contracts.coin import Leg, Mint, SetMinter, StatementCall, StatementEntry, Transfer
from contracts.members import Admit
from contracts.trade import Pay
from node.client import Client
from testnet.create import create_network, is_free
from testnet.demo_votes import VOTERS, WIJK, PollingDay, make_holder
from testnet.election import Holder
from testnet.network import Network
from testnet.plan import RESIDENTS, Plan, plan_demo
from wallet.config import demo_path
from wallet.files import make_folder, replace
from wallet.keystore import derive_seed
from wallet.request import REQUEST_ID_BYTES, build_link, make_request
from wallet.sign import build_body, sign_body

GENESIS_FOLDER = Path(chain.__file__).parents[1] / "genesis"
PORTS_END = 65_536
VALIDITY_S = 300
FINAL_S_MAX, PENDING_S = 120.0, 0.2
REQUEST_CENTS = 200
REQUEST_S = 30 * 86_400  # longer than anybody keeps a demo up
WELCOME_CENTS = 2_000
RESERVES = {"delfshaven": 100_000, "feijenoord": 40_000}
# Who pays whom inside the wijk, cents; the amounts leave everybody something (15 payments).
PAYMENTS = (
    ("anna", "bakker-jansen", 250),
    ("chaima", "bakker-jansen", 475),
    ("dirk", "bakker-jansen", 320),
    ("bakker-jansen", "chaima", 150),
    ("anna", "dirk", 500),
    ("dirk", "chaima", 75),
    ("chaima", "anna", 125),
    ("elif", "fietsenmaker-gerrit", 895),
    ("hanna", "fietsenmaker-gerrit", 650),
    ("ibrahim", "hanna", 300),
    ("fietsenmaker-gerrit", "elif", 110),
    ("hanna", "elif", 240),
    ("elif", "ibrahim", 99),
    ("ibrahim", "fietsenmaker-gerrit", 175),
    ("hanna", "ibrahim", 60),
)
ACROSS = ("anna", "fietsenmaker-gerrit", 350)

Told = Callable[[str], None]
Said = Callable[[str, str], None]  # the same in Dutch and in English


class Played(msgspec.Struct):
    """What a scenario did: finality in ms of each transaction, and the counts."""

    finality_ms: list[float]
    payments: int = 0
    cross_wijk: int = 0
    votes: int = 0
    elections: int = 0


class Scenario:
    """Plays the steps of the demo on a running network, one transaction after the other."""

    def __init__(self, network: Network, plan: Plan, said: Said, pause_s: float = 0.0) -> None:
        self._plan = plan
        self._said = said
        self._pause_s = pause_s
        self._genesis: Genesis = network.genesis()
        self._clients = {
            entry.wijk: Client([entry.api, *(other.api for other in network.file.nodes)])
            for entry in network.file.nodes
        }
        self.played = Played([])

    def play(self) -> Played:
        """Play all six steps."""
        self._said("de registratoren laten acht bewoners toe", "registrars admit eight residents")
        for key, shown, place, kind in RESIDENTS:
            self._admit(key, shown, place, kind)
        self._said(
            "twee wijken leggen een bankafschrift vast en geven precies zoveel uit",
            "two wijken attest a bank statement and issue exactly that much",
        )
        for wijk in RESERVES:
            self._issue(wijk)
        self._said(
            "elke bewoner krijgt € 20,00 uit het wijkfonds",
            "each resident gets €20.00 from the wijk fund",
        )
        for person in self._plan.people:
            self._from_fund(person.wijk, person.key)
        self._said("bewoners betalen elkaar", "residents pay each other")
        for payer, payee, cents in PAYMENTS:
            self._pay(payer, payee, cents)
        self._said(
            "Anna uit Delfshaven betaalt Fietsenmaker Gerrit in Feijenoord",
            "Anna in Delfshaven pays Gerrit's bicycle shop in Feijenoord",
        )
        self._pay_across(*ACROSS)
        self._vote()
        return self.played

    def _vote(self) -> None:
        plan, wijk = self._plan, WIJK

        def holder(first: str, *names: str) -> Holder:
            seeds = [bytes(derive_seed(plan.seed(name), 0)) for name in names or (first,)]
            return make_holder(plan.account(first), seeds)

        def send(call: Any, by: Holder, blobs: Sequence[bytes] = ()) -> bytes:
            return self._submit(wijk, call, by, blobs)

        day = PollingDay(
            self._clients[wijk],
            self._genesis.digest,
            send,
            {name: holder(name) for name in VOTERS},
            self._said,
        )
        board, registrars = f"board-{wijk}", f"registrar-{wijk}"
        polled = day.play(
            holder(f"{board}-a", f"{board}-a", f"{board}-b"),
            holder(f"{registrars}-a", f"{registrars}-a", f"{registrars}-b"),
            percentile(self.played.finality_ms, 950),
        )
        self.played.votes, self.played.elections = polled.votes, polled.elections

    def _wijk_of(self, key: str) -> str:
        return next(person.wijk for person in self._plan.people if person.key == key)

    def _admit(self, key: str, shown: str, place: int, kind: str) -> None:
        wijk = self._plan.wijken[place]
        new = self._plan.key(key)
        call = (
            Admit(new, "PERSON", wijk.cbs_code, wijk.cbs_year, ("VOTE", "STAND"), NO_LIMIT)
            if kind == "person"
            else Admit(new, "BUSINESS", wijk.cbs_code, wijk.cbs_year, (), NO_LIMIT)
        )
        self._send(wijk.slug, call, f"registrar-{wijk.slug}", "ab")
        self._said(f"  {shown} ({wijk.name})", f"  {shown} ({wijk.name})")

    def _issue(self, wijk: str) -> None:
        statement = read_sample(wijk, self._plan.reserve(wijk))
        entry = statement.entries[0]
        assert entry.cents == RESERVES[wijk], "the sample statement holds one known credit"
        board = f"board-{wijk}"
        sheets = pages(statement)
        for number, sheet in enumerate(sheets, start=1):
            call = StatementCall(
                self._plan.reserve(wijk),
                statement.date,
                number,
                len(sheets),
                statement.opening,
                statement.closing,
                tuple(
                    StatementEntry(
                        e.entry_id, e.booking_date, e.value_date, e.cents, e.side, int(e.reversal)
                    )
                    for e in sheet
                ),
            )
            self._send(wijk, call, board, "ab")
        self._send(wijk, SetMinter(f"{wijk}:EUR", entry.cents), board, "bc")
        mint = Mint(entry.entry_id, self._plan.account(f"{board}-a"), entry.cents, "DEPOSIT", None)
        self._send(wijk, mint, board, "ac")

    def _from_fund(self, wijk: str, key: str) -> None:
        basis = founding_decision_id(self._plan.chain_id, wijk)
        leg = Leg(self._plan.account(key), WELCOME_CENTS, None, None)
        self._send(wijk, Transfer((leg,), basis), f"board-{wijk}", "ab")
        self.played.payments += 1

    def _pay(self, payer: str, payee: str, cents: int) -> None:
        leg = Leg(self._plan.account(payee), cents, None, None)
        self._send(self._wijk_of(payer), Transfer((leg,), None), payer, "")
        self.played.payments += 1

    def _pay_across(self, payer: str, payee: str, cents: int) -> None:
        call = Pay(self._plan.account(payee), cents, None, None)
        self._send(self._wijk_of(payer), call, payer, "")
        self.played.payments += 1
        self.played.cross_wijk += 1

    def _send(self, wijk: str, call: Any, name: str, letters: str) -> None:
        """Sign with one key, or with the keys of these letters, and wait until it is final."""
        names = [f"{name}-{letter}" for letter in letters] or [name]
        first = f"{name}-a" if letters else name
        indexes = ["abc".index(letter) for letter in letters] or [0]
        seeds = {
            index: bytes(derive_seed(self._plan.seed(signer), 0))
            for index, signer in zip(indexes, names, strict=True)
        }
        self._submit(wijk, call, Holder(self._plan.account(first), seeds))

    def _submit(self, wijk: str, call: Any, by: Holder, blobs: Sequence[bytes] = ()) -> bytes:
        """Sign, send with what travels beside the call, and return the id once it is final."""
        body = build_body(
            self._genesis.digest,
            by.account,
            token_bytes(16),
            int(time.time()) + VALIDITY_S,
            call,
        )
        started = time.monotonic()
        raw = carry(sign_body(body, dict(by.seeds)), blobs)
        answer = self._clients[wijk].submit(raw, wait="final")
        self.played.finality_ms.append((time.monotonic() - started) * 1000)
        while answer["status"] == "pending" and time.monotonic() - started < FINAL_S_MAX:
            time.sleep(PENDING_S)  # a busy machine
            answer = self._clients[wijk].tx(answer["tx"])
        assert answer["status"] == "final", f"{type(call).__name__}: {answer}"
        if self._pause_s:
            time.sleep(self._pause_s)
        return bytes.fromhex(answer["tx"])


def make_place(folder: Path | None) -> Path:
    """Return the folder of a demo: the one asked for, or a new one."""
    return (Path(tempfile.mkdtemp(prefix="wijk-demo-")) if folder is None else folder).resolve()


@contextlib.contextmanager
def claim_port(port: int) -> Iterator[int]:
    """Give `port`, or the next one that nobody listens on and no other demo is about to take.

    Nodes listen only seconds later, so two demos that start together would find the same one free.
    """
    make_folder(demo_path().parent)
    while port < PORTS_END:
        with (demo_path().parent / f"port-{port}.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                port += 1
                continue
            if is_free(port):
                yield port
                return
        port += 1
    raise Problem(1001, cause="--port")


def create_demo(
    root: Path, wijken: int, port: int, told: Told | None = None
) -> tuple[Network, Plan]:
    """Make the network of the demo; the API of its first node is at `port`."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    plan = plan_demo(GENESIS_FOLDER / "rotterdam.json", wijken, token_bytes(32), now)
    network = create_network(
        root, plan, seed=None, base_port=0, storage="auto", told=told, first_api=port
    )
    return network, plan


def make_ready_object(network: Network) -> dict[str, Any]:
    """Return what `wijk demo` prints once it runs; pages that are not built yet are null."""
    api = network.file.nodes[0].api
    links = dict.fromkeys(("explorer", "wallet", "wallet_anna", "wallet_bakker", "board"))
    return {
        "validators": len(network.file.nodes),
        "chain_id": network.file.chain_id,
        "pid": os.getpid(),
        "data_dir": str(network.folder),
        "links": {**links, "docs": f"{api}/docs"},
        "nodes": [
            {
                "name": entry.name,
                "api": entry.api,
                "p2p": entry.p2p,
                "metrics": entry.metrics,
                "admin": entry.admin,
            }
            for entry in network.file.nodes
        ],
    }


def make_payment_link(network: Network, plan: Plan) -> str:
    """Return the payment link of the QR code: € 2,00 to Bakker Jansen."""
    payee = next(person for person in plan.people if person.key == "bakker-jansen")
    digest, account = network.genesis().digest, plan.account(payee.key)
    until_s = int(time.time()) + REQUEST_S
    name = token_bytes(REQUEST_ID_BYTES)
    denom = f"{payee.wijk}:EUR"
    request = make_request(digest, account, REQUEST_CENTS, denom, None, name, until_s)
    return build_link(network.file.nodes[0].api, request)


def write_demo_file(ready: dict[str, Any]) -> None:
    """Let the wallet commands find this demo (interfaces 1.7)."""
    path = demo_path()
    make_folder(path.parent)
    replace(path, json.dumps(ready).encode())


def end_demo(root: Path) -> None:
    """Stop every node of a demo, and forget it unless a newer one took its place.

    What runs is read from the folder: `wijk testnet` may have killed and restarted nodes since.
    """
    if (root / "testnet.json").exists():
        Network(root).stop()
    path = demo_path()
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads(path.read_bytes())["data_dir"] == str(root):
            path.unlink()


def read_sample(wijk: str, reserve: bytes) -> Statement:
    """Return the sample bank statement of a wijk."""
    return parse((GENESIS_FOLDER / f"camt053-{wijk}.xml").read_bytes(), reserve)[0]


def check_chain(network: Network) -> Report:
    """Replay the chain of the first running node from genesis, trusting nothing (A1)."""
    entry = next(entry for entry in network.file.nodes if network.is_running(entry))
    client = Client([entry.api])
    tip = client.status()["height"]
    blocks = (RawBlock(*client.raw_block(height)) for height in range(1, tip + 1))
    return replay(network.genesis(), blocks)


def percentile(values: list[float], per_mille: int) -> float:
    """Return the value that `per_mille` of 1,000 do not exceed; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, len(ordered) * per_mille // 1000)], 1)


def make_object(network: Network, played: Played, report: Report) -> dict[str, Any]:
    """Return object A of interfaces 1.8."""
    return {
        "validators": len(network.file.nodes),
        "chain_id": network.file.chain_id,
        "height": report.last,
        "issued_cents": report.issued_cents,
        "payments": played.payments,
        "cross_wijk_payments": played.cross_wijk,
        "votes": played.votes,
        "elections": played.elections,
        "finality_ms": {
            "p50": percentile(played.finality_ms, 500),
            "p99": percentile(played.finality_ms, 990),
        },
        "supply_cents": report.supply_cents,
        "reserve_cents": report.reserve_cents,
        "invariants": "ok" if report.ok else [report.why or "", *report.broken],
        "log_size": report.log_size,
        "data_dir": str(network.folder),
    }
