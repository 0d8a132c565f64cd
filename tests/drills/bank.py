"""The load of a drill, and what its history must show: the workloads bank and set-full (H7, J35).

Payers send one payment after the other to whoever answers, and write down each one that a node
called `final`. A reader adds up all balances of one node at one height, again and again. At the
end every node is asked for its whole chain. Nothing here knows which fault is going on.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

from chain.address import account_id, account_text
from chain.codec import decode
from chain.crypto import public_key, sha256
from chain.errors import Malformed
from chain.records import BlockBody
from chain.texts import Problem
from contracts.coin import Leg, Transfer
from node.client import Client
from testnet.network import Network
from testnet.plan import DEV_CENTS
from wallet.sign import build_body, sign_body

ACCOUNTS = 8
PAYERS = 2
VALIDITY_S = 300
WAIT_MS = 3_000
PAUSE_S = 0.02
POLL_S = 0.02


class Crowd:
    """Signs payments of one cent among the accounts; no two are alike."""

    def __init__(self, digest: bytes, seeds: Sequence[bytes]) -> None:
        self._digest = digest
        self._seeds = seeds
        self.ids = [account_id(public_key(seed)) for seed in seeds]
        self._count = 0
        self._lock = threading.Lock()

    def sign_next(self) -> bytes:
        """Return the envelope of the next payment, valid for `VALIDITY_S` from now."""
        with self._lock:
            number = self._count
            self._count += 1
        payer, payee = number % len(self.ids), (number + 1) % len(self.ids)
        nonce = sha256(b"drill" + number.to_bytes(8, "big"))[:16]
        call = Transfer((Leg(self.ids[payee], 1, None, None),), None)
        expires = int(time.time()) + VALIDITY_S
        body = build_body(self._digest, self.ids[payer], nonce, expires, call)
        return sign_body(body, {0: self._seeds[payer]})


class Load:
    """Threads that pay and read until the `with` block ends.

    `acked` is what a node called final. `wrong` is what no node may say: another id, a failed
    payment, money that came or went, two balances at one height. Both only grow.
    """

    def __init__(self, urls: Sequence[str], crowd: Crowd) -> None:
        self.acked: list[str] = []
        self.wrong: list[str] = []
        self.refused: Counter[int] = Counter()  # no acknowledgement: unreachable, no quorum
        self.reads = 0
        self.waits: list[float] = []  # seconds from submit to `final`, one for each of `acked`
        self._urls = list(urls)
        self._crowd = crowd
        self._seen: dict[int, list[int]] = {}  # height -> balances
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._pay, args=(self._urls[i:] + self._urls[:i],))
            for i in range(PAYERS)
        ]
        self._threads.append(threading.Thread(target=self._read))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _pay(self, urls: list[str]) -> None:
        client = Client(urls, timeout_s=5)
        while not self._stop.is_set():
            envelope = self._crowd.sign_next()
            began = time.monotonic()
            try:
                answer = client.submit(envelope, wait="final", wait_ms=WAIT_MS)
            except Problem as problem:
                self.refused[problem.number] += 1
                self._stop.wait(PAUSE_S)
                continue
            if answer["status"] == "final":
                self.waits.append(time.monotonic() - began)
                self.acked.append(answer["tx"])
                if answer["tx"] != sha256(envelope).hex() or answer["code"] != 0:
                    self.wrong.append(f"acknowledged otherwise: {answer}")
        client.close()

    def read_last(self, urls: Sequence[str]) -> None:
        """Read the balances of these nodes once more: nobody pays any longer."""
        for url in urls:
            client = Client([url])
            while not self._read_once(client):  # a block came in between
                continue
            client.close()

    def _read(self) -> None:
        """Read the nodes in turn."""
        clients = [Client([url], timeout_s=5) for url in self._urls]
        turn = 0
        while not self._stop.wait(PAUSE_S):
            try:
                self._read_once(clients[turn % len(clients)])
            except Problem as problem:
                self.refused[problem.number] += 1
            turn += 1
        for client in clients:
            client.close()

    def _read_once(self, client: Client) -> bool:
        """Read every account; say whether the answers are of one height, and so count."""
        found = [client.account(account_text(account)) for account in self._crowd.ids]
        if len({tree["height"] for tree in found}) > 1:
            return False
        self._check(found[0]["height"], [_balance(tree) for tree in found])
        return True

    def _check(self, height: int, balances: list[int]) -> None:
        self.reads += 1
        if sum(balances) != DEV_CENTS * len(balances):
            self.wrong.append(f"height {height}: {sum(balances)} cents in all")
        if self._seen.setdefault(height, balances) != balances:
            self.wrong.append(f"height {height}: {balances}, and before {self._seen[height]}")


class History(NamedTuple):
    """What the chains of all nodes show in the end."""

    height: int
    payments: int  # in the chain, acknowledged or not
    lost: tuple[str, ...]  # acknowledged, and not on every node
    wrong: tuple[str, ...]


def read_history(network: Network, names: Sequence[str], acked: Sequence[str]) -> History:
    """Read the whole chain of each node up to the height that all have; they stand still or nearly.

    A node that waits in the join barrier may still get one block more (consensus D11).
    """
    known = [read_height(network.node(name).api) for name in names]
    height = min(one or 0 for one in known)
    chains = [_read_chain(network.node(name).api, height) for name in names]
    wrong = []
    for (ids, _), name in zip(chains, names, strict=True):
        differing = [
            at for at, two in enumerate(zip(ids, chains[0][0], strict=True), 1) if two[0] != two[1]
        ]
        if differing:
            wrong.append(f"{names[0]} and {name} hold different blocks at height {differing[0]}")
    places = [Counter(tx for block in blocks for tx in block) for _, blocks in chains]
    wrong += [f"{tx} is in the chain {n} times" for tx, n in places[0].items() if n > 1]
    wrong += [f"{tx} was acknowledged twice" for tx, n in Counter(acked).items() if n > 1]
    lost = tuple(tx for tx in acked if any(tx not in place for place in places))
    return History(len(chains[0][0]), len(places[0]), lost, tuple(wrong))


def _read_chain(url: str, height: int) -> tuple[list[str], list[list[str]]]:
    """Return the ids of the blocks of a node up to `height`, and what stands in each."""
    client = Client([url])
    ids, blocks = [], []
    for at in range(1, height + 1):
        header, body, _, _ = client.raw_block(at)
        ids.append(sha256(header).hex())
        blocks.append([tx.hex() for tx in decode(BlockBody, body).tx_ids])
    client.close()
    return ids, blocks


def read_height(url: str) -> int | None:
    """Return the height of a node, or None while nobody answers there."""
    client = Client([url], timeout_s=2)
    try:
        return int(client.status()["height"])
    except (Problem, Malformed):
        return None
    finally:
        client.close()


def _balance(tree: dict[str, list[dict[str, int]]]) -> int:
    return sum(row["available_cents"] + row["held_cents"] for row in tree["balances"])
