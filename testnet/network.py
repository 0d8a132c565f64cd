"""A network of real processes: its folder, its nodes, what can be done to them (interfaces 1.7)."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import chain
from chain import tree
from chain.genesis import Genesis, load_genesis
from chain.log import EMPTY_ROOT
from chain.texts import Problem
from chain.validators import quorum
from node.setup import reset_home
from wallet.files import replace

START_S = 180.0  # a node that is not ready by then is reported; 20 s of a core with 10^6 accounts
STOP_S = 10.0  # SIGTERM, then SIGKILL
POLL_S = 0.02
ASK_S = 10.0  # a node that has not answered by then is unreachable


class NodeEntry(msgspec.Struct):
    """A node of `testnet.json`; `pid` is null while it is not running.

    `ready`: since its last start it has said that it serves.
    """

    name: str
    wijk: str
    home: str
    p2p: str
    api: str
    metrics: str
    admin: str
    pid: int | None = None
    killed: bool = False
    ready: bool = False


class NetworkFile(msgspec.Struct):
    """What `testnet.json` holds."""

    format: str
    chain_id: str
    chain_digest: str
    purpose: str
    seed: int | None
    nodes: list[NodeEntry]
    groups: list[list[str]]


class Network:
    """A network folder and the processes that run from it.

    Several commands work on one folder: `wijk testnet restart` gives a node of a running demo
    another process. So whatever acts reads `testnet.json` first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.reload()

    def reload(self) -> None:
        """Take in what other commands did; raise `Problem` 1001 where there is no network."""
        path = self.folder / "testnet.json"
        try:
            self.file = msgspec.json.decode(path.read_bytes(), type=NetworkFile)
        except OSError as error:
            raise Problem(1001, cause=f"{path}: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise Problem(1001, cause=f"{path}: {error}") from error

    @property
    def quorum(self) -> int:
        """How many nodes must run."""
        return quorum(len(self.file.nodes))

    def node(self, name: str) -> NodeEntry:
        """Return the node of that name, or raise `Problem` 1001."""
        for entry in self.file.nodes:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.file.nodes)
        raise Problem(1001, cause=f"{name}? ({names})")

    def genesis(self) -> Genesis:
        """Return the genesis of this network."""
        return load_genesis((self.folder / "genesis.json").read_bytes())

    def is_running(self, entry: NodeEntry) -> bool:
        """Say whether the node's process lives."""
        return entry.pid is not None and _is_alive(entry.pid, entry.home)

    def start(
        self, names: Sequence[str] | None = None, told: Callable[[str], None] | None = None
    ) -> list[str]:
        """Start the nodes that do not run and wait until each answers; return their names.

        A partition that is in force holds for them too.
        """
        self.reload()
        entries = [self.node(name) for name in names] if names else self.file.nodes
        started = [entry for entry in entries if not self.is_running(entry)]
        offsets = {}
        for entry in started:
            offsets[entry.name] = self._spawn(entry)
            self.save()  # at once: what is not written down, nobody stops
        for entry in started:
            self._wait_ready(entry, offsets[entry.name])
            if self.file.groups:
                _set_faults(entry, self.file.groups)
            self.save()
            if told is not None:
                told(entry.name)
        return [entry.name for entry in started]

    def wait_in_sync(self, names: Collection[str] | None = None, seconds: float = START_S) -> None:
        """Wait until these nodes, or all, say that they are ready.

        Ready is also: in touch with a quorum. Where fewer nodes than that can reach each other,
        there is nothing to wait for.
        """
        deadline = time.monotonic() + seconds
        for entry in self.file.nodes:
            if names is not None and entry.name not in names:
                continue
            while self.is_running(entry) and self._has_company(entry):
                status, _ = _get(entry.api, "/readyz")
                if status == http.HTTPStatus.OK:
                    break
                if time.monotonic() > deadline:
                    raise Problem(3001, node=f"{entry.name}, {entry.api}")
                time.sleep(POLL_S)

    def _has_company(self, entry: NodeEntry) -> bool:
        """Say whether a quorum runs on this node's side of a partition, itself included."""
        near = [group for group in self.file.groups if entry.name in group]
        names = near[0] if near else [other.name for other in self.file.nodes]
        running = sum(self.is_running(other) for other in self.file.nodes if other.name in names)
        return running >= self.quorum

    def kill(self, name: str) -> int:
        """SIGKILL a node; return its pid. Raise `Problem` 1001 where it does not run."""
        self.reload()
        entry = self.node(name)
        if not self.is_running(entry) or entry.pid is None:
            raise Problem(1001, cause=f"{name}: {_rest_state(entry)}")
        pid = entry.pid
        os.kill(pid, signal.SIGKILL)
        self.forget(name)
        return pid

    def forget(self, name: str) -> None:
        """Note that a node was killed, once its process is gone."""
        entry = self.node(name)
        _wait_gone(entry, STOP_S)
        entry.pid, entry.killed = None, True
        self.save()

    def stop(self, names: Sequence[str] | None = None) -> tuple[list[str], list[str]]:
        """SIGTERM, wait, and SIGKILL what is left; return (stopped, killed)."""
        self.reload()
        entries = [self.node(name) for name in names] if names else self.file.nodes
        running = [entry for entry in entries if self.is_running(entry)]
        for entry in running:
            assert entry.pid is not None
            os.kill(entry.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        stopped, killed = [], []
        for entry in running:
            assert entry.pid is not None
            if _wait_gone(entry, max(0.0, deadline - time.monotonic())):
                stopped.append(entry.name)
            else:
                os.kill(entry.pid, signal.SIGKILL)
                _wait_gone(entry, STOP_S)
                killed.append(entry.name)
                entry.killed = True
            entry.pid = None
        self.save()
        return stopped, killed

    def restart(self, name: str, *, wipe: bool = False) -> None:
        """Start a stopped or killed node on its data; `wipe` deletes its store, not its keys."""
        self.reload()
        entry = self.node(name)
        if self.is_running(entry):
            self.stop([name])
        if wipe:
            shutil.rmtree(Path(entry.home) / "store", ignore_errors=True)
        self.start([name])

    def reset(self) -> None:
        """Put every stopped node back at height 0, with its keys and the same genesis."""
        self.reload()
        genesis = self.genesis()
        for entry in self.file.nodes:
            reset_home(Path(entry.home), genesis)
        self.file.groups = []
        self.save()

    def set_groups(self, groups: list[list[str]]) -> None:
        """Cut the links across groups, or restore them; in force when this returns.

        Raise `Problem` 1001 for a node that does not exist or stands in two groups.
        """
        self.reload()
        named = [self.node(name).name for group in groups for name in group]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise Problem(1001, cause=", ".join(f"{name} x {named.count(name)}" for name in twice))
        self.file.groups = groups
        self.save()
        for entry in self.file.nodes:
            if self.is_running(entry):
                _set_faults(entry, groups)

    def status(self) -> dict[str, Any]:
        """Return object C of interfaces 1.8."""
        self.reload()
        rows = [self._row(entry) for entry in self.file.nodes]
        running = [row for row in rows if row["state"] == "running"]
        heights = [row["height"] for row in running]
        common = min(heights, default=None)
        ids = set()
        for row in running:
            if row["height"] == common:
                ids.add(row["block_id"])
            else:
                _, block = _get(row["api"], f"/v1/blocks/{common}")
                ids.add(block.get("block_id"))
        common_id = next(iter(ids)) if len(ids) == 1 else None
        groups = self.file.groups or [[entry.name for entry in self.file.nodes]]
        return {
            "dir": str(self.folder),
            "chain_id": self.file.chain_id,
            "quorum": self.quorum,
            "running": len(running),
            "min_height": common,
            "max_height": max(heights, default=None),
            "common_height": common,
            "common_block_id": common_id,
            "agree": len(ids) <= 1,
            "groups": groups,
            "nodes": rows,
        }

    def save(self) -> None:
        """Write `testnet.json`, atomically."""
        write_file(self.folder, self.file)

    def _row(self, entry: NodeEntry) -> dict[str, Any]:
        alive = self.is_running(entry)
        row: dict[str, Any] = {"name": entry.name, "pid": entry.pid if alive else None}
        row |= dict.fromkeys(
            (
                "height", "round", "block_id", "state_root", "log_size", "log_root", "peers",
                "mempool", "rss_mb",
            )
        )  # fmt: skip
        row["state"] = _rest_state(entry)
        row["api"] = entry.api
        if not alive or entry.pid is None:
            return row
        code, status = _get(entry.api, "/v1/status")
        if code != http.HTTPStatus.OK:
            row["state"] = "unreachable" if entry.ready else "starting"
            return row
        if status["height"]:
            _, found = _get(entry.api, f"/v1/blocks/{status['height']}")
        else:  # before block 1 everything is that of genesis
            found = {"state_root": self._first_state_root(), "log_root": EMPTY_ROOT.hex()}
        _, peers = call_admin(entry.admin, "GET", "/admin/v1/peers", None)
        row |= {
            "state": "running",
            "height": status["height"],
            "round": status["round"],
            "block_id": status["block_id"],
            "state_root": found.get("state_root"),
            "log_size": status["log_size"],
            "log_root": found.get("log_root"),
            "peers": len(peers.get("items", [])),
            "mempool": status["mempool"],
            "rss_mb": get_rss_mb(entry.pid),
        }
        return row

    def _first_state_root(self) -> str:
        return tree.get_root(tree.build(self.genesis().state.items()).get).hex()

    def command(self, entry: NodeEntry) -> list[str]:
        """Return the command line of a node's process. It names the home: that tells it apart."""
        return [sys.executable, "-m", "cli", "node", "start", "--home", entry.home, "-o", "json"]

    def _spawn(self, entry: NodeEntry) -> int:
        """Start the process of a node; return where in its output the new lines begin."""
        logs = self.folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        out = logs / f"{entry.name}.out"
        offset = out.stat().st_size if out.exists() else 0
        root = str(Path(chain.__file__).parents[1])
        environ = {**os.environ, "PYTHONPATH": root}
        for name in [name for name in environ if name.startswith("WIJK_")]:
            del environ[name]
        with out.open("ab") as stdout, (logs / f"{entry.name}.log").open("ab") as stderr:
            process = subprocess.Popen(
                self.command(entry),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                env=environ,
                cwd=self.folder,
            )
        _children[process.pid] = process
        entry.pid, entry.killed, entry.ready = process.pid, False, False
        return offset

    def _wait_ready(self, entry: NodeEntry, offset: int) -> None:
        """Wait for the line that a node prints once it serves; it names the bound addresses."""
        out = self.folder / "logs" / f"{entry.name}.out"
        deadline = time.monotonic() + START_S
        while True:
            said = out.read_bytes()[offset:]
            if b"\n" in said:
                told = json.loads(said.split(b"\n", 1)[0])
                entry.api, entry.admin, entry.ready = told["api"], told["admin"], True
                return
            if not self.is_running(entry):
                log = (self.folder / "logs" / f"{entry.name}.log").read_text(errors="replace")
                entry.pid = None
                self.save()
                why = log.strip().rsplit("\n", 1)[-1][:500]
                raise Problem(3001, node=f"{entry.name}, {entry.api}: {why}")
            if time.monotonic() > deadline:
                raise Problem(3001, node=f"{entry.name}, {entry.api}")
            time.sleep(POLL_S)


_children: dict[int, "subprocess.Popen[bytes]"] = {}


def write_file(folder: Path, file: NetworkFile) -> None:
    """Put `testnet.json` in a network folder, whole or not at all."""
    replace(folder / "testnet.json", msgspec.json.format(msgspec.json.encode(file)))


def _set_faults(entry: NodeEntry, groups: list[list[str]]) -> None:
    status, _ = call_admin(entry.admin, "POST", "/admin/v1/faults", {"groups": groups})
    if status != http.HTTPStatus.OK:
        raise Problem(3001, node=f"{entry.name}, {entry.admin}")


def _rest_state(entry: NodeEntry) -> str:
    return "killed" if entry.killed else "stopped"


def call_admin(
    path: str, method: str, route: str, body: Mapping[str, Any] | None
) -> tuple[int, Any]:
    """Call the admin socket of a node; return (HTTP status, decoded JSON), or (0, {})."""
    connection = _UnixConnection(path)
    try:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, route, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ASK_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get_rss_mb(pid: int) -> float | None:
    """Return the resident memory of a process in MB, where the system tells."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None


def _get(url: str, route: str) -> tuple[int, dict[str, Any]]:
    """Return (HTTP status, JSON object), or (0, {}) where nobody answers with one."""
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=ASK_S)
    try:
        connection.request("GET", route)
        answer = connection.getresponse()
        return answer.status, dict(json.loads(answer.read()))
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def _is_alive(pid: int, home: str) -> bool:
    """Say whether `pid` is still the node on `home`: numbers of processes are used again."""
    child = _children.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number was given to somebody else's process
    try:
        return home.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return True


def _wait_gone(entry: NodeEntry, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while entry.pid is not None and _is_alive(entry.pid, entry.home):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
