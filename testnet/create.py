"""A network folder made from a plan: genesis, node homes, a client home (interfaces 1.7, 3.2)."""

import contextlib
import random
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from chain.address import account_text
from chain.genesis import Genesis, load_genesis
from chain.policy import build_policy, write_policy
from chain.strict_json import canonical_json
from chain.validators import Validator, validator_set
from node.setup import init_home
from testnet.network import Network, NetworkFile, NodeEntry, write_file
from testnet.plan import Plan, make_document
from wallet.config import set_value
from wallet.contacts import add_contact, load_contacts, save_contacts
from wallet.files import make_folder, write_new
from wallet.keystore import TEST_ONLY, create, save_new

PASSPHRASE = "wijk-test"  # noqa: S105 - published: it opens keys that are for tests only
PORTS_PER_NODE = 10
EPHEMERAL_FROM = 32_768  # of most systems
PORTS_FROM = 10_000
PORTS_MIN = 10_000  # to choose from, also where the system gives low ports to connections


def create_network(
    folder: Path,
    plan: Plan,
    *,
    seed: int | None,
    base_port: int,
    storage: str,
    told: Callable[[str], None] | None = None,
    first_api: int | None = None,
    addresses: Sequence[str] | None = None,
) -> Network:
    """Write a network folder: genesis, node homes, and a client home with every key.

    `addresses` stand in genesis in the place of those where the nodes listen: a way around.
    """
    ports = pick_ports(len(plan.nodes), base_port)
    if first_api is not None:
        ports[0] = (ports[0][0], first_api, ports[0][2])
    own = [f"127.0.0.1:{p2p}" for p2p, _, _ in ports]
    document = make_document(plan, addresses or own)
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
    write_file(folder, file)
    return Network(folder)


def clear_folder(folder: Path) -> None:
    """Stop and remove the network in a folder, whole or half made; anything else in it stays."""
    if (folder / "testnet.json").exists():
        Network(folder).stop()
    for path in folder.iterdir():
        if path.name in ("testnet.json", "genesis.json"):
            path.unlink()
        elif path.name in ("client", "logs") or (path / "node.toml").exists():
            shutil.rmtree(path)


def is_empty(folder: Path) -> bool:
    """Say whether a network may be made in a folder: it is empty, or not there yet."""
    return not folder.exists() or not any(folder.iterdir())


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
    ports = _pick_free(3 * nodes)
    return [(ports[3 * i], ports[3 * i + 1], ports[3 * i + 2]) for i in range(nodes)]


def _pick_free(count: int) -> list[int]:
    """Return ports that nobody listens on, below those which connections get when they dial.

    A node that is down leaves its ports free. Were they among those, any connection of this
    machine could take one meanwhile, and the node would not start again.
    """
    below = EPHEMERAL_FROM
    with contextlib.suppress(OSError, ValueError):  # only Linux tells
        below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    draw, chosen = random.SystemRandom(), set[int]()
    while len(chosen) < count:
        port = draw.randrange(PORTS_FROM, max(below, PORTS_FROM + PORTS_MIN))
        if is_free(port):
            chosen.add(port)
    return sorted(chosen)


def is_free(port: int) -> bool:
    """Say whether nobody listens on a loopback port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
