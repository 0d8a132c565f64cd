"""The composition root: the only file that knows every class (architecture 1).

`run` opens a home, puts the parts together and serves until it is told to stop. What it returns
is the exit code of the process: 0 after SIGTERM, 70 when integrity is at stake (interfaces 1.4).
"""

import asyncio
import logging
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from chain.codec import Record
from chain.contract import Table
from chain.crypto import blake2b, public_key, sign, verify
from chain.errors import Malformed
from chain.execute import get_set
from chain.genesis import Genesis, GenesisDoc
from chain.keyspaces import SET_NOW
from chain.selftest import run_selftest
from consensus.guard import Binding, GuardDamaged, GuardForeign
from contracts import CONTRACTS
from node.admin import serve_admin
from node.api import Node, make_api
from node.backup import FREE_LEFT_BYTES
from node.config import Config, ConfigInvalid, Value, load_config
from node.disk import DISK, FOLDER_MODE, Busy, StorageError, StoreDamaged, StoreFailed
from node.fork import write_fork, write_lines
from node.guard_file import GuardFile, GuardLocked, GuardMissing, LostGuard, open_guard
from node.home import (
    Home,
    Space,
    compute_ballast_bytes,
    get_free_bytes,
    get_size,
    judge_space,
    lock_home,
    make_room,
    replace_file,
    restore_ballast,
)
from node.http_server import Serving, serve_tcp
from node.identity import BadTransportKey, load_identity
from node.join import JoinedBySnapshot, Place
from node.links import PeerInfo, PeerLinks
from node.logs import set_up_logging
from node.messages import TxAnnounce, TxAnswer, TxBatch, TxRequest
from node.meters import Meters
from node.metrics import make_metrics
from node.peers import find_own_name, find_peers
from node.ports import Peer
from node.recovery import choose_instance, open_chain
from node.runtime import Applied, Halted, RootMismatch, Runtime
from node.setup import check_genesis, load_node_key
from node.signatures import SignaturePool
from node.snapshot import compute_every
from node.snapshot_files import SnapshotFiles
from node.snapshots import Setup
from node.store import begin_join, choose_kind, keep_join
from node.timers import LoopTimers

OK, CRASHED, INTEGRITY = 0, 1, 70
VERIFIED_MAX = 16_384  # consensus B8: remembered checks, 100 validators x 3 votes x some 50 rounds
SPACE_CHECK_S = 10.0
STAGE_OF_MESSAGE: dict[type[Record], str] = {
    TxBatch: "decode",
    TxAnswer: "decode",
    TxAnnounce: "mempool",
    TxRequest: "mempool",
}

_log = logging.getLogger("wijk.node")


class Addresses(NamedTuple):
    """Where a node listens, with the ports that were bound."""

    p2p: str
    api: str
    metrics: str
    admin: str


class CannotStart(Exception):
    """Nothing was begun; the process ends with 78, into which nobody should restart (1.4).

    `number` is the WIJK code, `faults` says what is wrong, all of it at once (interfaces 1.5).
    """

    def __init__(self, number: int, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.number = number
        self.faults = faults


def run(
    root: Path,
    environ: Mapping[str, str],
    flags: Mapping[str, Value],
    announce: Callable[[dict[str, Any]], None],
) -> int:
    """Serve the node in `root` until SIGTERM; return the exit code of the process.

    `announce` gets the object of `node start` once everything listens (interfaces 1.8).
    Raise `CannotStart` for what an operator has to mend first.
    """
    if not __debug__:
        raise CannotStart(1002, ["wijk does not run under python -O: its assertions guard money"])
    os.umask(0o077)
    home = Home(root)
    try:
        config = load_config(home.config, environ, flags)
        set_up_logging(config.text("log.level"), config.text("log.format"))
        run_selftest()
        genesis = check_genesis(home.genesis.read_bytes(), config.text("chain.genesis_sha256"))
        lock = lock_home(home)
    except ConfigInvalid as error:
        raise CannotStart(1002, error.faults) from error
    except (Busy, Malformed, OSError, StorageError) as error:
        raise CannotStart(1002, [str(error)]) from error
    try:
        with asyncio.Runner(loop_factory=choose_loop()) as runner:
            return runner.run(_run(home, config, genesis, announce))
    except (StoreDamaged, Halted) as error:
        _log.critical("node.halted", extra={"why": str(error)})
        _keep_dump(home, error)
        _tell_fork(home, error)
        _say(error)
        return INTEGRITY
    except StoreFailed as error:
        _say(error)
        return CRASHED
    except ConfigInvalid as error:
        raise CannotStart(1002, error.faults) from error
    except GuardForeign as error:
        raise CannotStart(1010, [str(error)]) from error
    except (BadTransportKey, StorageError, Malformed, OSError) as error:
        raise CannotStart(1002, [str(error)]) from error
    except BaseExceptionGroup as group:
        halted, rest = group.split((StoreDamaged, Halted))
        for leaf in _leaves(group):
            _log.critical("node.stopped", extra={"why": repr(leaf)}, exc_info=leaf)
            if isinstance(leaf, Halted):
                _tell_fork(home, leaf)
                _say(leaf)
            _keep_dump(home, leaf)
        return INTEGRITY if halted is not None and rest is None else CRASHED
    finally:
        lock.release()


async def _run(
    home: Home, config: Config, genesis: Genesis, announce: Callable[[dict[str, Any]], None]
) -> int:
    """Serve until a signal comes."""
    told = False

    def on_ready(node: Node, addresses: Addresses) -> None:
        nonlocal told
        if told:  # it goes on from a snapshot
            return
        told = True
        if get_set(node.store.read_state, SET_NOW).faulty == 0:  # consensus Q5
            _log.warning("node.no_fault_tolerance")
            _say("geen fouttolerantie // no fault tolerance: fewer than four validators")
        announce(_describe(node, addresses))

    stop: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _stop_on(asyncio.get_running_loop(), stop)
    return await serve(home, config, genesis, stop, on_ready)


async def serve(
    home: Home,
    config: Config,
    genesis: Genesis,
    stop: "asyncio.Future[int]",
    on_ready: Callable[[Node, Addresses], None],
) -> int:
    """Open `home`, put the parts together, and serve until `stop` says with which exit code.

    `on_ready` is told once everything listens; again where the node began anew from a snapshot that
    it fetched (consensus S7). Whatever ends the node badly is raised.
    """
    while True:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pass_on = partial(_pass_on, ended)
        stop.add_done_callback(pass_on)
        try:
            return await _serve(home, config, genesis, ended, on_ready)
        except BaseExceptionGroup as group:
            joined, rest = group.split(JoinedBySnapshot)
            if joined is None or rest is not None:
                raise
            _log.warning("node.joined", extra={"why": "a snapshot is whole: going on from it"})
            if stop.done():
                return stop.result()
        finally:
            stop.remove_done_callback(pass_on)


async def _serve(
    home: Home,
    config: Config,
    genesis: Genesis,
    stop: "asyncio.Future[int]",
    on_ready: Callable[[Node, Addresses], None],
) -> int:
    """Serve from one opening of the home to its closing."""
    seed = load_node_key(home.root / config.text("signer.key"))
    own_key = public_key(seed)
    check_network(config, genesis.doc, own_key)
    chain = genesis.chain(Table(CONTRACTS))
    guard, guard_fault = _open_guard(home, config, own_key, genesis, seed)
    make_room(home)
    try:
        chain_store, heads = open_chain(home, config.text("node.storage"), genesis, own_key, guard)
    except BaseException:
        if guard is not None:
            guard.close()
        raise
    restore_ballast(home, compute_ballast_bytes(genesis.doc.purpose))
    identity = load_identity(home.transport_key)
    meters = Meters()
    verifier = SignaturePool(os.cpu_count() or 1, meters)
    loop = asyncio.get_running_loop()

    timers = LoopTimers(lambda name: runtime.fire(name))  # noqa: PLW0108
    own_name = find_own_name(chain_store, own_key, config.text("node.name") or "follower")

    def on_message(peer: Peer, message: Record) -> None:
        stage = STAGE_OF_MESSAGE.get(type(message))
        if stage is None:
            runtime.on_message(peer, message)
        else:
            meters.stages(stage, lambda: runtime.on_message(peer, message))

    links = PeerLinks(
        identity=identity,
        info=PeerInfo(own_name, own_key, identity.transport_key, ""),
        genesis_digest=genesis.digest,
        node_version=get_version(),
        height=lambda: chain_store.tip.height,
        on_message=on_message,
        on_link=lambda peer, up: runtime.on_link(peer, up),  # noqa: PLW0108
        randomness=os.urandom,
        faults_allowed=genesis.doc.purpose != "live",
    )
    runtime = Runtime(
        chain,
        chain_store,
        heads,
        guard,
        links,
        timers,
        verifier,
        make_remembering_verify(),
        own_key,
        joins=isinstance(guard, LostGuard),
        snapshots=make_setup(home, choose_kind(config.text("node.storage"), home.store), genesis),
        meter=meters.stages,
    )
    loop.set_exception_handler(lambda _loop, context: _fail(stop, context))
    follow_peers(runtime, links, genesis.doc, config.peer_addresses)
    p2p = links.open(config.text("p2p.listen"))
    node = Node(
        runtime=runtime,
        links=links,
        timers=timers,
        meters=meters,
        genesis=genesis,
        config=config,
        name=own_name,
        version=get_version(),
        storage=choose_kind(config.text("node.storage"), home.store),
        home=home,
        own_key=own_key,
        signer=guard,
        guard_fault=guard_fault,
    )
    node.fail = lambda why: _stop_with(stop, why)
    servings: list[Serving] = []
    try:
        runtime.start()
        for app, setting in (
            (make_api(node), "api.listen"),
            (make_metrics(node), "metrics.listen"),
        ):
            servings.append(await serve_tcp(app, config.text(setting)))
        servings.append(await serve_admin(node, stop))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(links.run())
            watching = group.create_task(_watch_space(home, node, stop))
            api, metrics, admin = (site.address for site in servings)
            on_ready(node, Addresses(p2p, api, metrics, admin))
            code = await stop
            serving.cancel()
            watching.cancel()
    finally:
        for site in servings:
            await site.close()
        timers.close()
        verifier.close()
        assert runtime.snapshots is not None, "it was given a place for them"
        runtime.snapshots.close()
        if guard is not None:
            guard.close()
        heads.close()
        chain_store.store.close()
    return int(code)


def make_setup(home: Home, kind: str, genesis: Genesis) -> Setup:
    """Return where snapshots are kept, and the store that one is fetched into."""

    def has_room(size: int) -> bool:
        return get_free_bytes(home.root) - size >= FREE_LEFT_BYTES

    home.snapshots.mkdir(mode=FOLDER_MODE, exist_ok=True)
    place = Place(lambda: begin_join(home.store, kind), lambda: keep_join(home.store), has_room)
    return Setup(
        genesis,
        SnapshotFiles(home.snapshots, DISK),
        compute_every(genesis.doc.purpose),
        place,
        lambda: has_room(get_size(home.store)),
    )


def follow_peers(
    runtime: Runtime, links: PeerLinks, doc: GenesisDoc, told: Mapping[str, str]
) -> None:
    """Admit whom the chain names, now and after every block that names others (Z4).

    `told` are addresses by name, of the operator (`p2p.peers`).
    """
    admitted = find_peers(runtime.store, doc, told)
    links.set_peers(admitted)

    def look(_applied: Applied) -> None:
        nonlocal admitted
        found = find_peers(runtime.store, doc, told)
        if found != admitted:
            admitted = found
            links.set_peers(found)

    runtime.on_applied.append(look)


def check_network(config: Config, doc: GenesisDoc, own_key: bytes) -> None:
    """Raise `ConfigInvalid` for settings that genesis does not let do what they say (3.1)."""
    faults = []
    own = next((one for one in doc.validators if one.public_key == own_key.hex()), None)
    others = len(doc.validators) - (own is not None)
    if config.number("p2p.max_peers") < others:
        faults.append(
            f"p2p.max_peers: {config.number('p2p.max_peers')} is less than the {others} links"
            " that this chain asks for"
        )
    external = config.text("p2p.external")
    if own is not None and external not in ("", own.address):
        faults.append(
            f"p2p.external: peers dial {own.address}, as the chain says; {external} is not used"
        )
    if faults:
        raise ConfigInvalid(faults)


def choose_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the maker of uvloop's event loop where that is installed, else None: asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - it may be absent
    except ImportError:
        return None
    maker: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return maker


def get_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("wijkchain")
    except PackageNotFoundError:
        return "0.0.0"


def make_remembering_verify() -> "RememberingVerify":
    """Return a verifier that checks a consensus signature once (consensus B8)."""
    return RememberingVerify()


class RememberingVerify:
    """Guards a bounded memory of signatures that were found valid."""

    def __init__(self) -> None:
        # By digest: under a flood the messages are megabytes.
        self._valid: OrderedDict[bytes, None] = OrderedDict()

    def __call__(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is valid; only valid ones are remembered."""
        known = blake2b(key + signature + message, size=32)  # two fixed lengths, so no doubt
        if known in self._valid:
            return True
        if not verify(key, message, signature):
            return False
        if len(self._valid) >= VERIFIED_MAX:
            self._valid.popitem(last=False)
        self._valid[known] = None
        return True


def _open_guard(
    home: Home, config: Config, key: bytes, genesis: Genesis, seed: bytes
) -> tuple[GuardFile | LostGuard | None, str | None]:
    """Open the guard, or one to be made in the join barrier (consensus D10); say what is wrong.

    With a damaged guard, or one whose state went to another machine, the node follows and signs
    nothing (consensus D8, interfaces 3.7).
    """
    if config.text("signer.mode") == "none":
        return None, None
    path = home.root / config.text("signer.guard")
    try:
        return open_guard(path, key, genesis.digest, lambda message: sign(seed, message)), None
    except GuardMissing as error:
        _log.error("guard.missing", extra={"why": str(error)})
        _say(error)
        binding = Binding(key, genesis.digest, choose_instance(home.head))
        return LostGuard(path, binding, lambda message: sign(seed, message)), None
    except GuardForeign:
        raise
    except (GuardDamaged, GuardLocked) as error:
        _log.error("guard.unusable", extra={"why": str(error)})
        _say(error)
        return None, "exported" if isinstance(error, GuardLocked) else "damaged"


def _stop_on(loop: asyncio.AbstractEventLoop, stop: "asyncio.Future[int]") -> None:
    def finish() -> None:
        if not stop.done():
            stop.set_result(OK)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, finish)


def _pass_on(ended: "asyncio.Future[int]", stop: "asyncio.Future[int]") -> None:
    """Let what ends the process end the run that goes on now."""
    if not ended.done():
        ended.set_result(stop.result())


def _fail(stop: "asyncio.Future[int]", context: dict[str, object]) -> None:
    """An error nobody awaited ends the process: a component that cannot answer kills it (C7)."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        _stop_with(stop, error)
    else:
        _log.warning("loop.warning", extra={"why": str(context.get("message"))})


def _stop_with(stop: "asyncio.Future[int]", why: BaseException) -> None:
    if not stop.done():
        stop.set_exception(why)


async def _watch_space(home: Home, node: Node, stop: "asyncio.Future[int]") -> None:
    """Refuse new work, then stop cleanly, before the disk is full (reliability Y28)."""
    told = Space.OK
    while True:
        space = judge_space(get_free_bytes(home.root))
        node.refuses_work = space in (Space.REFUSE, Space.STOP)
        node.runtime.saves_space = node.refuses_work
        if space is not told:
            _log.warning("disk.space", extra={"why": f"free space: {space.value}"})
            told = space
        if space is Space.STOP and not stop.done():
            stop.set_exception(StoreFailed("less than 512 MiB of disk left: stopping cleanly"))
        await asyncio.sleep(SPACE_CHECK_S)


def _keep_dump(home: Home, error: BaseException) -> None:
    """Write what a root mismatch leaves behind, and say what to do then (consensus S5, S11)."""
    if not isinstance(error, RootMismatch):
        return
    path = home.root / f"mismatch-{error.height}.json"
    try:
        replace_file(path, error.dump)
    except StorageError as why:
        _say(f"the dump of block {error.height} could not be written: {why}")
    else:
        _say(f"Block {error.height} comes out otherwise here; {path} says how. Keep it, and run")
    _say("`wijk node rollback --blocks 1`: it executes the chain again from the beginning.")


def _describe(node: Node, addresses: Addresses) -> dict[str, Any]:
    """Return the object of `node start` (interfaces 1.8)."""
    return {
        "name": node.name,
        "pid": os.getpid(),
        "chain_id": node.genesis.doc.chain_id,
        "height": node.runtime.store.tip.height,
        "p2p": addresses.p2p,
        "api": addresses.api,
        "admin": addresses.admin,
        "storage": node.storage,
        "signing": node.signing,
    }


def _tell_fork(home: Home, error: BaseException) -> None:
    """Write the report of a fork beside the home's data, and its words into the journal (E6)."""
    if not isinstance(error, Halted) or error.fork is None:
        return
    path = home.root / f"fork-{error.fork.first.height}.json"
    for line in (*write_lines(error.fork), str(path)):  # first of all: the disk may be full
        _log.critical("node.fork", extra={"why": line})
        _say(line)
    path.write_bytes(write_fork(error.fork))


def _say(text: object) -> None:
    """Tell whoever starts a node why it does not run; the log may be somewhere else."""
    print(text, file=sys.stderr)  # noqa: T201


def _leaves(group: BaseExceptionGroup) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
