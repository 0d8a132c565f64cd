"""The ground of a drill: real nodes under load, what is done to them, and what came of it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chain.codec import decode
from chain.records import Header
from chain.validators import CommitCertificate
from consensus.guard import Slot, read_guard
from node.client import Client
from testnet.network import Network, NodeEntry
from tests.drills.bank import Load, read_height
from tests.drills.proxy import Proxies

WAIT_S = 120.0  # the machine may be busy: only what never comes is a failure
POLL_S = 0.02
ENOUGH = 4  # payments that must become final in each situation


class Altered(Network):
    """A network in which some processes are started another way; `extra` says how, by node."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.extra: dict[str, list[str]] = {}

    def command(self, entry: NodeEntry) -> list[str]:
        """Start the node through `tests.drills.altered` where something about it is altered."""
        plain = super().command(entry)
        extra = self.extra.get(entry.name)
        if not extra:
            return plain
        words = plain[plain.index("node") :]
        return [sys.executable, "-m", "tests.drills.altered", *extra, "--", *words]

    def spawn(self, name: str) -> None:
        """Start a process and wait for nothing: it may die before it serves."""
        self.reload()
        self._spawn(self.node(name))
        self.save()


class Ground:
    """Nodes under load. `told` collects what was done, for the table; `next_s` the worst wait."""

    def __init__(self, network: Altered, load: Load, proxies: Proxies | None) -> None:
        self.network = network
        self.load = load
        self._proxies = proxies
        self.told: list[str] = []
        self.next_s: float | None = None
        self.names = [entry.name for entry in network.file.nodes]
        self.standing = list(self.names)  # the nodes that have to agree at the end

    @property
    def proxies(self) -> Proxies:
        """The way of every link; only where the drill asks for it."""
        assert self._proxies is not None, "this drill is not proxied"
        return self._proxies

    # ------------------------------------------------------------------------------- looking

    def heights(self, names: Sequence[str] | None = None) -> list[int]:
        """Return the heights of the nodes that answer."""
        found = [read_height(self.network.node(name).api) for name in names or self.names]
        return [height for height in found if height is not None]

    def top(self) -> int:
        """Return the greatest height that somebody shows; 0 where nobody answers."""
        return max(self.heights(), default=0)

    def log(self, name: str) -> str:
        """Return what a node wrote."""
        path = self.network.folder / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def home(self, name: str) -> Path:
        """Return the home of a node."""
        return Path(self.network.node(name).home)

    def slots(self, name: str, home: Path | None = None) -> tuple[Slot, ...]:
        """Return what a node signed, out of the guard in its home or in a copy of that.

        Each slot is checked on the way.
        """
        genesis = self.network.genesis()
        doc = next(one for one in genesis.doc.validators if one.name == name)
        data = ((home or self.home(name)) / "guard.bin").read_bytes()
        return read_guard(data, bytes.fromhex(doc.public_key), genesis.digest).slots

    def blocks(self, name: str, above: int) -> Iterator[tuple[Header, CommitCertificate]]:
        """Yield header and certificate of the blocks of a node above a height."""
        client = Client([self.network.node(name).api])
        for height in range(above + 1, client.status()["height"] + 1):
            header, _, certificate, _ = client.raw_block(height)
            yield decode(Header, header), decode(CommitCertificate, certificate)
        client.close()

    # ------------------------------------------------------------------------------- waiting

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = WAIT_S) -> float:
        """Wait until something holds; return how long that took, in seconds."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, f"{what}: not within {seconds:.0f} s"
            time.sleep(POLL_S)
        return time.monotonic() - began

    def wait_block(self, count: int = 1, names: Sequence[str] | None = None) -> float:
        """Wait for `count` more blocks; note how long the first took."""
        start = max(self.heights(names), default=0)
        took = self.wait(lambda: max(self.heights(names), default=0) > start, "the next block")
        self.next_s = took if self.next_s is None else max(took, self.next_s)
        self.wait(lambda: max(self.heights(names), default=0) >= start + count, f"{count} blocks")
        return took

    def wait_paid(self, count: int = ENOUGH) -> None:
        """Wait until a few more payments are acknowledged."""
        want = len(self.load.acked) + count
        self.wait(lambda: len(self.load.acked) >= want, f"{count} payments")

    def wait_level(self, name: str) -> float:
        """Wait until a node is at the height that the others had when this was asked."""
        want = self.top()
        return self.wait(
            lambda: max(self.heights([name]), default=0) >= want, f"{name} to catch up"
        )

    def wait_signing(self, name: str) -> None:
        """Wait until a node has signed for a height above what is decided now."""
        above = self.top()

        def has_signed() -> bool:
            slots = self.slots(name)
            return bool(slots) and slots[-1].position.height > above and bool(slots[-1].signed)

        self.wait(has_signed, f"{name} to sign")

    def wait_ready(self) -> None:
        """Wait until the nodes that run are in touch with a quorum, where there is one."""
        self.network.wait_in_sync(seconds=WAIT_S)

    def settle(self) -> None:
        """Wait until every node that has to agree stands at one height, with one block."""
        assert self.standing, "somebody has to be left to ask"

        def is_level() -> bool:
            rows = {row["name"]: row for row in self.network.status()["nodes"]}
            shown = [rows[name] for name in self.standing]
            known = {(row["height"], row["block_id"], row["state_root"]) for row in shown}
            return len(known) == 1 and all(row["state"] == "running" for row in shown)

        self.wait(is_level, "one height on all nodes")

    # --------------------------------------------------------------------------------- doing

    def kill_at_once(self, names: Sequence[str]) -> None:
        """SIGKILL several nodes in one moment: nobody sees the others go."""
        self.network.reload()
        running = [name for name in names if self.network.is_running(self.network.node(name))]
        for name in running:
            self.send(name, signal.SIGKILL)
        for name in running:
            self.network.forget(name)

    def start(self, *names: str) -> None:
        """Start nodes and wait until they serve."""
        self.network.start(names or None)

    def stop(self, names: Sequence[str]) -> None:
        """SIGTERM, and SIGKILL for who does not listen."""
        self.network.stop(names)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node: SIGSTOP holds it, SIGCONT lets it go on."""
        pid = self.network.node(name).pid
        assert pid is not None
        os.kill(pid, number)

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Hold nodes with SIGSTOP for the time of the block."""
        for name in names:
            self.send(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self.send(name, signal.SIGCONT)

    def tell(self, text: str) -> None:
        """Note what was done or seen, for the table."""
        self.told.append(text)
