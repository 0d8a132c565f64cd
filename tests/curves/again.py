"""How fast a chain is gone through again: by an auditor, and by a node that joins.

Beside the curve `life`, which lets the real programs do it, this is without the start and the end
of it, and for any number of cores. Speeds stand beside what these can check of signatures,
measured in the same run (architecture section 4).
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audit.home import open_home
from audit.replay import replay
from chain.codec import Record, decode, encode
from chain.contract import Chain, Table
from chain.crypto import verify
from chain.genesis import Genesis, load_genesis
from contracts import CONTRACTS
from node.chainstore import ChainStore, Tip, create_chain
from node.head_file import HeadBinding, create_head_file
from node.home import Home
from node.messages import BlockRange, RangeRequest
from node.meters import Meters
from node.ports import Peer
from node.runtime import Runtime
from node.signatures import SignaturePool
from node.store import choose_kind, create_store, open_store
from node.sync import Sync
from node.timers import LoopTimers
from testnet.bench import measure_verify_us
from testnet.figures import US
from tests.curves.long_chain import make_long_chain

PAYMENTS, ACCOUNTS, BLOCK_TXS = 20_000, 10_000, 1_000
MARKS = 2  # the first block, and the newest
INSTANCE = bytes(16)  # of a node that is gone when it has been measured
SOURCE: Peer = bytes(32)  # the one peer of a node that joins


def run_again(cores: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the data file: replay and sync of one chain by one core, and by all."""
    home = make_long_chain(folder, PAYMENTS, ACCOUNTS, BLOCK_TXS)
    for count in sorted({1, cores}):
        for what, measure in (("replay", measure_replay), ("sync", measure_sync)):
            yield {
                "curve": "again",
                "x": f"{what} {count}",
                what: measure(home, count),
                "broken": [],
            }


def measure_replay(home: Path, workers: int) -> dict[str, Any]:
    """Replay the chain in `home` and return the speed beside the cap of `workers` cores.

    The window is from the first block to the last: genesis and the last check of the books cost
    the same however long a chain is. `ratio` is against workers / t_verify, measured in this run;
    CPU times are in µs per payment, of this process and of those that check signatures.
    """
    verify_us = measure_verify_us(workers)
    marks: list[tuple[float, float]] = []

    def mark(_height: int) -> None:
        if len(marks) < MARKS:
            marks.append((0.0, 0.0))
        marks[-1] = time.perf_counter(), time.process_time()

    with open_home(home) as source:
        genesis = load_genesis(source.read_genesis())
        last = source.read_height()
        first_txs = len(next(source.read_blocks(1, 1)).envelopes)
        began, children_s = time.perf_counter(), _children_s()
        report = replay(genesis, source.read_blocks(1, last), workers=workers, on_block=mark)
        seconds = time.perf_counter() - began
    assert report.ok, report.why
    (first_s, first_cpu_s), (last_s, last_cpu_s) = marks
    payments = report.transactions - first_txs
    rate, cap = payments / (last_s - first_s), workers * US / verify_us
    return {
        "workers": workers,
        "blocks": report.last,
        "payments": report.transactions,
        "seconds": round(seconds, 3),
        "payments_per_s": round(rate),
        "sig_verify_us": round(verify_us, 1),
        "cap_per_s": round(cap),
        "ratio": round(rate / cap, 3),
        "own_cpu_us": round((last_cpu_s - first_cpu_s) * US / payments, 1),
        "workers_cpu_us": round((_children_s() - children_s) * US / report.transactions, 1),
    }


def _children_s() -> float:
    """Return the CPU time of ended child processes."""
    times = os.times()
    return times.children_user + times.children_system


def measure_sync(home: Path, threads: int) -> dict[str, Any]:
    """Let a new node fetch the chain in `home` and return the speed of that.

    It runs the production runtime with a real store and synced writes; its one peer is in this
    process, so that neither the wire nor the peer takes part in the time.
    """
    home_of = Home(home)
    genesis = load_genesis(home_of.genesis.read_bytes())
    verify_us = measure_verify_us(threads)
    full = open_store(home_of.store, choose_kind("auto", home_of.store))
    try:
        with TemporaryDirectory(prefix="wijk-sync-") as folder:
            source = ChainStore(full)
            fetched, seconds = asyncio.run(_sync(source, genesis, Path(folder), threads))
            payments, blocks = fetched.log_size, fetched.height
    finally:
        full.close()
    rate, cap = payments / seconds, threads * US / verify_us
    return {
        "threads": threads,
        "blocks": blocks,
        "payments": payments,
        "seconds": round(seconds, 3),
        "payments_per_s": round(rate),
        "blocks_per_s": round(blocks / seconds, 1),
        "sig_verify_us": round(verify_us, 1),
        "cap_per_s": round(cap),
        "ratio": round(rate / cap, 3),
    }


async def _sync(
    source: ChainStore, genesis: Genesis, folder: Path, threads: int
) -> tuple[Tip, float]:
    """Return how far the node came, and in how many seconds without those that the peer took.

    It is there at the block before the last: that one is not asked for, since a tip that is one
    ahead comes with consensus (S2).
    """
    chain = genesis.chain(Table(CONTRACTS))
    (folder / "store").mkdir(mode=0o700)
    pairs = create_store(folder / "store", choose_kind("auto"))
    create_chain(pairs, genesis)
    store = ChainStore(pairs)
    roots = (store.tip.log_root, store.tip.state_root)
    heads = create_head_file(
        folder / "head.bin", HeadBinding(genesis.digest, INSTANCE), 0, store.tip.block_id, roots
    )
    done: asyncio.Future[tuple[Tip, float]] = asyncio.get_running_loop().create_future()
    timers = LoopTimers(lambda alarm: runtime.fire(alarm))  # noqa: PLW0108 - it is made below
    links = _Links(source, chain, timers, lambda message: runtime.on_message(SOURCE, message))
    verifier = SignaturePool(threads, Meters())
    runtime = Runtime(chain, store, heads, None, links, timers, verifier, verify, None)

    def on_applied(_applied: object) -> None:
        if store.tip.height >= source.tip.height - 1 and not done.done():
            done.set_result((store.tip, time.perf_counter()))

    runtime.on_applied.append(on_applied)
    try:
        began = time.perf_counter()
        runtime.start()
        runtime.sync.on_claim(SOURCE, source.tip.height)
        tip, ended = await done
        return tip, ended - began - links.served_s
    finally:
        timers.close()
        verifier.close()
        heads.close()
        pairs.close()


class _Links:
    """The links of a node that joins, to one peer that has the whole chain."""

    def __init__(
        self,
        source: ChainStore,
        chain: Chain,
        timers: LoopTimers,
        deliver: Callable[[Record], None],
    ) -> None:
        self.served_s = 0.0
        self._answer: list[Record] = []
        self._deliver = deliver
        self._peer = Sync(chain, source, _Back(self._answer), timers, verify, lambda _block: None)

    def send(self, peer: Peer, message: Record) -> None:
        """Answer what is asked about blocks in the next turn of the loop."""
        if isinstance(message, RangeRequest):
            began = time.perf_counter()
            self._peer.on_request(peer, message)
            raw = encode(self._answer.pop())
            self.served_s += time.perf_counter() - began
            asyncio.get_running_loop().call_soon(lambda: self._deliver(decode(BlockRange, raw)))

    def broadcast(self, message: Record) -> None:
        """Say it to nobody: the peer only serves."""

    def peers(self) -> tuple[Peer, ...]:
        return (SOURCE,)


class _Back:
    """The links of that peer: what it answers is kept."""

    def __init__(self, answer: list[Record]) -> None:
        self._answer = answer

    def send(self, _peer: Peer, message: Record) -> None:
        self._answer.append(message)

    def broadcast(self, message: Record) -> None:
        """Say it to nobody."""

    def peers(self) -> tuple[Peer, ...]:
        return ()
