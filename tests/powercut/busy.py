"""A chain of one validator: every vote, block and payment is of this one node and its disk.

It runs the production runtime on a real home, with a clock that jumps to the next alarm. So there
is nobody to fetch a lost block from: what its disk does not give back is lost (consensus F30).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from chain.crypto import public_key, sign, verify
from contracts.coin import Leg, Transfer
from node import guard_file, head_file
from node.guard_file import GuardFile, open_guard
from node.home import Home
from node.recovery import open_chain
from node.runtime import Runtime
from node.setup import init_home
from tests.federation import START_S, Ledger, account, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from chain.codec import Record
    from chain.records import Tx
    from node.chainstore import TxPlace
    from node.disk import Disk
    from node.intake import Verdict
    from node.ports import Check, Peer
    from node.recovery import Opened

LEDGER = Ledger(wijken=1, balances={"delfshaven/anna": 1_000_000, "delfshaven/bob": 1_000_000})
SEED = seed("node-delfshaven")
KEY = public_key(SEED)
INSTANCE = bytes(range(16))
BLOCK_MS = 5_000  # of chain time between two payments
ALARMS_MAX = 1_000  # that may ring before a payment is final


class JumpingTimers:
    """Clocks that stand still until the next alarm is rung."""

    def __init__(self, wall_ms: int) -> None:
        self._begun_ms = wall_ms
        self._mono_ms = 0
        self._alarms: dict[str, int] = {}

    def mono_ms(self) -> int:
        return self._mono_ms

    def wall_ms(self) -> int:
        return self._begun_ms + self._mono_ms

    def set(self, name: str, at_mono_ms: int) -> None:
        self._alarms[name] = at_mono_ms

    def cancel(self, name: str) -> None:
        self._alarms.pop(name, None)

    def next(self) -> str:
        """Jump to the next alarm and return its name."""
        at_ms, name = min((at_ms, name) for name, at_ms in self._alarms.items())
        del self._alarms[name]
        self._mono_ms = max(self._mono_ms, at_ms)
        return name

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self._mono_ms += ms


class NoLinks:
    """Nobody is there."""

    def send(self, peer: Peer, message: Record) -> None:
        raise AssertionError("there is nobody to send to")

    def broadcast(self, message: Record) -> None:
        pass

    def peers(self) -> tuple[Peer, ...]:
        return ()


class VerifierAtOnce:
    """Real signature checks, in this thread."""

    def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
        done(self.now(checks))

    def now(self, checks: Sequence[Check]) -> list[bool]:
        return [verify(*check) for check in checks]


class Running(NamedTuple):
    """A node that was started on a home."""

    runtime: Runtime
    guard: GuardFile
    opened: Opened
    timers: JumpingTimers

    def pay(self, number: int) -> bytes:
        """Let a payment become final; return the id of its transaction."""
        self.timers.wait(BLOCK_MS)
        tx = make_payment(number, self.timers.wall_ms() // 1000)
        places: list[TxPlace | None] = []

        def answered(verdict: Verdict) -> None:
            assert verdict.status == "pending", verdict
            self.runtime.watch(verdict.tx_id, places.append)

        self.runtime.submit(tx.raw, answered)
        for _ in range(ALARMS_MAX):
            if places:
                break
            self.runtime.fire(self.timers.next())
        alarms = [alarm.text for _, alarm in self.runtime.alarms]
        assert places, f"not final; alarms: {alarms}"
        assert places[0] is not None, "it expired"
        return tx.id

    def end(self) -> None:
        """Let go of all files."""
        self.opened.heads.close()
        self.opened.store.store.close()
        self.guard.close()


def make_payment(number: int, now_s: int) -> Tx:
    """Return a payment of its own for each number."""
    call = Transfer((Leg(account("bob"), 1 + number % 50, None, None),), None)
    return LEDGER.tx(
        call,
        account("anna"),
        [(0, "anna")],
        nonce=number.to_bytes(16, "big"),
        expires=now_s + 300,
    )


def begin(root: Path, kind: str) -> Home:
    """Make the home of the only validator."""
    settings = {"node.storage": kind}
    return init_home(root, LEDGER.genesis, SEED, seed("transport"), INSTANCE, settings)


def start(home: Home, disk: Disk) -> Running:
    """Start a node on a home as `node/main.py` does; whatever is wrong with it is raised."""
    guard = open_guard(home.guard, KEY, LEDGER.genesis.digest, lambda text: sign(SEED, text), disk)
    try:
        opened = open_chain(home, "auto", LEDGER.genesis, KEY, guard, disk)
    except BaseException:
        guard.close()
        raise
    timers = JumpingTimers(max(START_S * 1000, opened.store.tip.time_ms))
    runtime = Runtime(
        LEDGER.chain,
        opened.store,
        opened.heads,
        guard,
        NoLinks(),
        timers,
        VerifierAtOnce(),
        verify,
        KEY,
    )
    runtime.start()
    return Running(runtime, guard, opened, timers)


@contextmanager
def compact_often() -> Iterator[None]:
    """Rewrite guard and head file every few blocks, so that a short run does it too (D6)."""
    before = guard_file.COMPACT_HEIGHTS, head_file.COMPACT_SLOTS
    guard_file.COMPACT_HEIGHTS, head_file.COMPACT_SLOTS = 3, 5
    try:
        yield
    finally:
        guard_file.COMPACT_HEIGHTS, head_file.COMPACT_SLOTS = before
