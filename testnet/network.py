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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import chain
from chain.address import account_text
from chain.genesis import Genesis, load_genesis
from chain.policy import build_policy, write_policy
from chain.strict_json import canonical_json
from chain.texts import Problem
from chain.validators import Validator, quorum, validator_set
from node.setup import init_home, reset_home
from testnet.plan import Plan, make_document
from wallet.config import set_value
from wallet.contacts import add_contact, load_contacts, save_contacts
from wallet.files import make_folder, write_new
from wallet.keystore import TEST_ONLY, create, save_new

PASSPHRASE = "wijk-test"  # noqa: S105 - published: it opens keys that are for tests only
BASE_PORT = 27_100
PORTS_PER_NODE = 10
START_S = 60.0  # a node that is not ready by then is reported
STOP_S = 10.0  # SIGTERM, then SIGKILL
POLL_S = 0.02


class NodeEntry(msgspec.Struct):
    """A node of `testnet.json`; `pid` is null while it is not running."""

    name: str
    wijk: str
    home: str
    p2p: str
    api: str
    metrics: str
    admin: str
    pid: int | None = None
    killed: bool = False


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
    """A network folder and the processes that run from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        path = self.folder / "testnet.json"
        try:
            self.file = msgspec.json.decode(path.read_bytes(), type=NetworkFile)
        except (OSError, msgspec.DecodeError) as error:
            raise Problem(1001, reason=f"{path}: {error}") from error

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
        raise Problem(1001, reason=f"no node {name}; there are {names}")

    def genesis(self) -> Genesis:
        """Return the genesis of this network."""
        return load_genesis((self.folder / "genesis.json").read_bytes())

    def is_running(self, entry: NodeEntry) -> bool:
        """Say whether the node's process lives."""
        return entry.pid is not None and _is_alive(entry.pid)

    def start(
        self, names: Sequence[str] | None = None, told: Callable[[str], None] | None = None
    ) -> list[str]:
        """Start the nodes that do not run and wait until each answers; return their names."""
        entries = [self.node(name) for name in names] if names else self.file.nodes
        started = [entry for entry in entries if not self.is_running(entry)]
        offsets = {}
        for entry in started:
            offsets[entry.name] = self._spawn(entry)
        self.save()
        for entry in started:
            self._wait_ready(entry, offsets[entry.name])
            if told is not None:
                told(entry.name)
        self.save()
        return [entry.name for entry in started]

    def wait_in_sync(self, seconds: float = START_S) -> None:
        """Wait until every running node says that it is ready."""
        deadline = time.monotonic() + seconds
        for entry in self.file.nodes:
            while self.is_running(entry):
                status, _ = _get(entry.api, "/readyz")
                if status == http.HTTPStatus.OK:
                    break
                if time.monotonic() > deadline:
                    raise Problem(3001, url=entry.api, reason="not ready in time")
                time.sleep(POLL_S)

    def kill(self, name: str) -> int:
        """SIGKILL a node; return its pid."""
        entry = self.node(name)
        if not self.is_running(entry) or entry.pid is None:
            raise Problem(1001, reason=f"{name} is not running")
        pid = entry.pid
        os.kill(pid, signal.SIGKILL)
        _wait_gone(pid, STOP_S)
        entry.pid, entry.killed = None, True
        self.save()
        return pid

    def stop(self, names: Sequence[str] | None = None) -> tuple[list[str], list[str]]:
        """SIGTERM, wait, and SIGKILL what is left; return (stopped, killed)."""
        entries = [self.node(name) for name in names] if names else self.file.nodes
        running = [entry for entry in entries if self.is_running(entry)]
        for entry in running:
            assert entry.pid is not None
            os.kill(entry.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        stopped, killed = [], []
        for entry in running:
            assert entry.pid is not None
            if _wait_gone(entry.pid, max(0.0, deadline - time.monotonic())):
                stopped.append(entry.name)
            else:
                os.kill(entry.pid, signal.SIGKILL)
                _wait_gone(entry.pid, STOP_S)
                killed.append(entry.name)
            entry.pid = None
        self.save()
        return stopped, killed

    def restart(self, name: str, *, wipe: bool = False) -> None:
        """Start a stopped or killed node on its data; `wipe` deletes its store, not its keys."""
        entry = self.node(name)
        if self.is_running(entry):
            self.stop([name])
        if wipe:
            shutil.rmtree(Path(entry.home) / "store", ignore_errors=True)
        self.start([name])

    def reset(self) -> None:
        """Put every stopped node back at height 0, with its keys and the same genesis."""
        genesis = self.genesis()
        for entry in self.file.nodes:
            reset_home(Path(entry.home), genesis)
        self.file.groups = []
        self.save()

    def set_groups(self, groups: list[list[str]]) -> None:
        """Cut the links across groups, or restore them; in force when this returns."""
        for group in groups:
            for name in group:
                self.node(name)
        body = {"groups": groups} if groups else {}
        for entry in self.file.nodes:
            if self.is_running(entry):
                status, answer = call_admin(entry.admin, "POST", "/admin/v1/faults", body)
                if status >= http.HTTPStatus.BAD_REQUEST:
                    raise Problem(3001, url=entry.admin, reason=str(answer))
        self.file.groups = groups
        self.save()

    def status(self) -> dict[str, Any]:
        """Return object C of interfaces 1.8."""
        rows = [self._row(entry) for entry in self.file.nodes]
        running = [row for row in rows if row["state"] == "running"]
        heights = [row["height"] for row in running]
        common = min(heights, default=None)
        ids = set()
        if common:
            for row in running:
                _, block = _get(row["api"], f"/v1/blocks/{common}")
                ids.add(block.get("block_id") if isinstance(block, dict) else None)
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
        path = self.folder / "testnet.json"
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(self.file)))
        new.rename(path)

    def _row(self, entry: NodeEntry) -> dict[str, Any]:
        alive = self.is_running(entry)
        row: dict[str, Any] = {"name": entry.name, "pid": entry.pid if alive else None}
        row |= dict.fromkeys(
            (
                "height", "round", "block_id", "state_root", "log_size", "log_root", "peers",
                "mempool", "rss_mb",
            )
        )  # fmt: skip
        row["state"] = "killed" if entry.killed else "stopped"
        row["api"] = entry.api
        if not alive or entry.pid is None:
            return row
        code, status = _get(entry.api, "/v1/status")
        if code != http.HTTPStatus.OK:
            row["state"] = "unreachable" if code == 0 else "starting"
            return row
        _, block = _get(entry.api, f"/v1/blocks/{status['height']}")
        _, peers = call_admin(entry.admin, "GET", "/admin/v1/peers", None)
        found = block if isinstance(block, dict) else {}
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
                [sys.executable, "-m", "cli", "node", "start", "--home", entry.home, "-o", "json"],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                env=environ,
                cwd=self.folder,
            )
        _children[process.pid] = process
        entry.pid, entry.killed = process.pid, False
        return offset

    def _wait_ready(self, entry: NodeEntry, offset: int) -> None:
        """Wait for the line that a node prints once it serves; it names the bound addresses."""
        out = self.folder / "logs" / f"{entry.name}.out"
        deadline = time.monotonic() + START_S
        while True:
            said = out.read_bytes()[offset:]
            if b"\n" in said:
                told = json.loads(said.split(b"\n", 1)[0])
                entry.api, entry.admin = told["api"], told["admin"]
                return
            if not self.is_running(entry):
                log = (self.folder / "logs" / f"{entry.name}.log").read_text(errors="replace")
                entry.pid = None
                self.save()
                raise Problem(3001, url=entry.api, reason=log.strip()[-500:] or "it ended")
            if time.monotonic() > deadline:
                raise Problem(3001, url=entry.api, reason="not ready in time")
            time.sleep(POLL_S)


_children: dict[int, "subprocess.Popen[bytes]"] = {}


def create_network(
    folder: Path,
    plan: Plan,
    *,
    seed: int | None,
    base_port: int,
    storage: str,
    told: Callable[[str], None] | None = None,
    first_api: int | None = None,
) -> Network:
    """Write a network folder: genesis, node homes, and a client home with every key."""
    ports = pick_ports(len(plan.nodes), base_port)
    if first_api is not None:
        ports[0] = (ports[0][0], first_api, ports[0][2])
    addresses = [f"127.0.0.1:{p2p}" for p2p, _, _ in ports]
    document = make_document(plan, addresses)
    genesis = load_genesis(canonical_json(document))
    make_folder(folder)
    (folder / "genesis.json").write_bytes(genesis.canonical)
    entries = []
    for node, (p2p, api, metrics) in zip(plan.nodes, ports, strict=True):
        home = folder / node.name
        init_home(
            home,
            genesis,
            plan.seed(f"node {node.name}"),
            plan.seed(f"transport {node.name}"),
            plan.seed(f"instance {node.name}")[:16],
            {
                "node.name": node.name,
                "node.storage": storage,
                "p2p.listen": f"127.0.0.1:{p2p}",
                "api.listen": f"127.0.0.1:{api}",
                "api.rate": "off",
                "metrics.listen": f"127.0.0.1:{metrics}",
            },
        )
        entries.append(
            NodeEntry(
                node.name,
                node.wijk,
                str(home.resolve()),
                f"127.0.0.1:{p2p}",
                f"http://127.0.0.1:{api}",
                f"http://127.0.0.1:{metrics}",
                str(home.resolve() / "admin.sock"),
            )
        )
        if told is not None:
            told(node.name)
    _write_client(folder / "client", plan, genesis, entries)
    file = NetworkFile(
        "wijk/testnet/1", plan.chain_id, genesis.digest.hex(), plan.purpose, seed, entries, []
    )
    path = folder / "testnet.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(file)))
    return Network(folder)


def _write_client(home: Path, plan: Plan, genesis: Genesis, entries: Sequence[NodeEntry]) -> None:
    make_folder(home)
    make_folder(home / "keys")
    write_new(home / "passphrase", f"{PASSPHRASE}\n".encode())
    for name in plan.key_names():
        entropy = plan.seed(name)

        def stream(size: int, name: str = name) -> bytes:
            return plan.seed(f"box {name} {size}")[:size]

        save_new(
            home,
            create(
                name,
                entropy,
                PASSPHRASE,
                TEST_ONLY,
                created_at=plan.genesis_time,
                test_only=True,
                random=stream,
            ),
        )
    set_value(home, "default", "nodes", [entry.api for entry in entries])
    set_value(home, "default", "passphrase_file", "passphrase")
    contacts = load_contacts(home)
    for person in plan.people:
        if person.shown:
            account = genesis_account_text(plan, person.key)
            contacts = add_contact(contacts, person.shown, account, at=plan.genesis_time)
    save_contacts(home, contacts)
    validators = validator_set(
        Validator(doc.name, bytes.fromhex(doc.public_key)) for doc in genesis.doc.validators
    )
    policy = build_policy(plan.chain_id, genesis.digest, [(1, None, validators)])
    write_new(home / "policy.json", write_policy(policy).encode())


def genesis_account_text(plan: Plan, key: str) -> str:
    """Return the text id of the account whose first key is `key` of the plan."""
    return account_text(plan.account(key))


def pick_ports(nodes: int, base_port: int) -> list[tuple[int, int, int]]:
    """Return (p2p, api, metrics) per node; 0 as base picks free ones."""
    if base_port:
        firsts = [base_port + PORTS_PER_NODE * i for i in range(nodes)]
        return [(first, first + 1, first + 2) for first in firsts]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3 * nodes)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return [(ports[3 * i], ports[3 * i + 1], ports[3 * i + 2]) for i in range(nodes)]


def is_free(port: int) -> bool:
    """Say whether nobody listens on a loopback port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


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
        super().__init__("localhost", timeout=10)
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


def _get(url: str, route: str) -> tuple[int, Any]:
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", route)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def _is_alive(pid: int) -> bool:
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
        return b"node" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def _wait_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
