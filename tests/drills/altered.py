"""Starts a node on which something is wrong: its clock, its disk, its program, or when it dies.

`python -m tests.drills.altered --clock-ms 3600000 -- node start --home H`. The program itself is
whole and knows nothing of it: one class of the outermost ring, the clock or the slot file, is
exchanged before the command line takes over, as a broken machine would exchange it.
"""

import argparse
import asyncio
import os
import signal
import time
from random import Random

from chain.address import account_id
from chain.codec import Record
from chain.crypto import public_key
from cli import main
from consensus.guard import Slot
from consensus.messages import SignedCommit, SignedPrepare
from contracts.coin import Leg, Transfer
from node.flow import Inflow
from node.guard_file import GuardFile
from node.links import PeerLinks
from node.runtime import Runtime
from node.slot_file import SlotFile
from node.timers import LoopTimers
from node.wire import encode_frame
from tests.flooder import TICK_MS, Flooder
from wallet.sign import build_body, sign_body

VOTES = (SignedPrepare, SignedCommit)


def _shift_clock(offset_ms: int) -> None:
    """Let the wall clock be wrong by this much; the monotonic one is right (J35)."""
    plain = LoopTimers.wall_ms
    LoopTimers.wall_ms = lambda self: plain(self) + offset_ms  # type: ignore[method-assign]


def _slow_disk(seconds: float) -> None:
    """Let each sync of guard and head file take so long (F49)."""
    plain = SlotFile.append

    def append(self: SlotFile, slot: bytes) -> None:
        time.sleep(seconds)
        plain(self, slot)

    SlotFile.append = append  # type: ignore[method-assign]


def _die_after_slot(count: int) -> None:
    """SIGKILL this process between the sync of its n-th slot and anything that follows (F20)."""
    plain, left = GuardFile._append, count

    def append(self: GuardFile, slot: Slot) -> None:
        nonlocal left
        plain(self, slot)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    GuardFile._append = append  # type: ignore[method-assign]


def _die_after_send(count: int) -> None:
    """SIGKILL this process when its n-th vote is on the wire, before it writes any more (F21)."""
    plain_broadcast, plain_flush, left = PeerLinks.broadcast, PeerLinks._flush, count

    def broadcast(self: PeerLinks, message: Record) -> None:
        nonlocal left
        plain_broadcast(self, message)
        left -= isinstance(message, VOTES)

    def flush(self: PeerLinks) -> None:
        plain_flush(self)
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    PeerLinks.broadcast = broadcast  # type: ignore[method-assign]
    PeerLinks._flush = flush  # type: ignore[method-assign]


def _flood() -> None:
    """Say to every peer, beside the truth, all that the quota of its link lets through (F35)."""
    plain = Runtime.start
    chance = Random("drill")

    def start(self: Runtime) -> None:
        plain(self)
        signer, links = self._signer, self._links
        assert isinstance(signer, GuardFile)
        assert isinstance(links, PeerLinks)
        assert self._own_key is not None

        def make_tx() -> bytes:
            seed = chance.randbytes(32)
            nobody = account_id(public_key(seed))
            call = Transfer((Leg(nobody, 1, None, None),), None)
            expires = int(time.time()) + 60
            body = build_body(self.chain.digest, nobody, chance.randbytes(16), expires, call)
            return sign_body(body, {0: seed})

        flooder = Flooder(self, self._own_key, signer._sign, make_tx, chance, fault_every=None)
        loop = asyncio.get_running_loop()

        def go_on() -> None:
            loop.call_later(TICK_MS / 1000, go_on)
            if self.store.tip.height:
                for link in [known.link for known in links._known.values() if known.link]:
                    for message in flooder.burst():
                        links._queue(link, *encode_frame(message))

        go_on()

    Runtime.start = start  # type: ignore[method-assign]
    Inflow.admit = lambda *_: True  # type: ignore[method-assign]  # it asked without counting


def run() -> None:
    """Alter what was asked for, and become the program."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.altered")
    parser.add_argument("--clock-ms", type=int, default=0)
    parser.add_argument("--sync-s", type=float, default=0.0)
    parser.add_argument("--die-after-slot", type=int, default=0)
    parser.add_argument("--die-after-send", type=int, default=0)
    parser.add_argument("--flood", action="store_true")
    parser.add_argument("words", nargs="+")
    asked = parser.parse_args()
    if asked.clock_ms:
        _shift_clock(asked.clock_ms)
    if asked.sync_s:
        _slow_disk(asked.sync_s)
    if asked.die_after_slot:
        _die_after_slot(asked.die_after_slot)
    if asked.die_after_send:
        _die_after_send(asked.die_after_send)
    if asked.flood:
        _flood()
    main(asked.words)


if __name__ == "__main__":
    run()
