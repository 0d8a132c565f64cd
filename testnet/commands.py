"""`wijk testnet` and `wijk demo`: networks of real processes on one machine (interfaces 1.7)."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testnet.stopping import until_stopped, wait_for_ctrl_c
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.texts import Problem
    from testnet.network import Network

_DIR = click.Path(path_type=Path, file_okay=False)


@click.group(help="Een proefnetwerk op deze machine // A test network on this machine")
def testnet() -> None:
    """Test networks."""


def _dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--dir",
        "folder",
        type=_DIR,
        envvar="WIJK_TESTNET",
        help="map van het netwerk // its folder",
    )(command)


@testnet.command(help="Maak een netwerk: genesis, nodes en sleutels // Create a network")
@click.option("--nodes", type=click.IntRange(1, 100), default=4, help="validators")
@click.option(
    "--dir",
    "folder",
    type=_DIR,
    required=True,
    envvar="WIJK_TESTNET",
    help="nieuwe map // new folder",
)
@click.option("--wijken", type=click.IntRange(1, 100), help="wijken")
@click.option("--accounts", type=click.IntRange(0, 10_000), default=4, help="dev1..devM")
@click.option("--base-port", type=click.IntRange(0, 64_000), default=27_100, help="0 // free")
@click.option("--seed", type=int, help="zelfde zaad, zelfde netwerk // same seed, same network")
@click.option("--storage", type=click.Choice(["auto", "leveldb", "sqlite"]), default="auto")
@click.option("--force", is_flag=True, help="vervang wat er staat // replace what is there")
@click.pass_obj
def create(
    terminal: Terminal,
    nodes: int,
    folder: Path,
    wijken: int | None,
    accounts: int,
    base_port: int,
    seed: int | None,
    storage: str,
    force: bool,
) -> None:
    """Write the folder of a network."""
    import secrets
    from datetime import UTC, datetime

    from chain.address import account_text
    from chain.validators import faulty, quorum
    from testnet.create import clear_folder, create_network, is_empty
    from testnet.plan import SEEDED_TIME, plan_testnet

    if force and not is_empty(folder):
        clear_folder(folder)
    elif not is_empty(folder):
        raise _not_empty(terminal, folder, " (--force)")
    secret = secrets.token_bytes(32) if seed is None else str(seed).encode()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    plan = plan_testnet(
        nodes, wijken or min(nodes, 4), accounts, secret, SEEDED_TIME if seed is not None else now
    )
    if faulty(nodes) == 0:
        terminal.say("Let op: geen enkele uitval wordt verdragen.", "Note: no fault is tolerated.")
    with _progress(terminal, nodes, "nodes") as told:
        network = create_network(
            folder, plan, seed=seed, base_port=base_port, storage=storage, told=told
        )
    file = network.file
    tree = {
        "dir": str(network.folder),
        "chain_id": file.chain_id,
        "chain_digest": file.chain_digest,
        "seed": seed,
        "quorum": quorum(nodes),
        "nodes": [
            {
                "name": entry.name,
                "wijk": entry.wijk,
                "home": entry.home,
                "p2p": entry.p2p,
                "api": entry.api,
                "metrics": entry.metrics,
                "admin": entry.admin,
            }
            for entry in file.nodes
        ],
        "keys": [
            {
                "name": person.key,
                "account": account_text(plan.account(person.key)),
                "wijk": person.wijk,
                "balance_cents": person.balance_cents,
            }
            for person in plan.people
        ],
        "client_home": str(network.folder / "client"),
    }
    terminal.show(tree, [terminal.text(f"Netwerk klaar in {folder}", f"Network ready in {folder}")])
    terminal.next_step(f"wijk testnet start --dir {folder} --detach")


@testnet.command(help="Start alle nodes // Start all nodes")
@_dir_option
@click.option("--detach", is_flag=True, help="keer terug als alles draait // return once ready")
@click.pass_obj
def start(terminal: Terminal, folder: Path | None, detach: bool) -> None:
    """Start what does not run; without --detach stay until Ctrl-C and stop it again."""
    network = _network(terminal, folder)
    if detach:
        _start(terminal, network)
        return
    with until_stopped(network.stop):
        _start(terminal, network)
        terminal.say("Ctrl-C stopt het netwerk.", "Ctrl-C stops the network.")
        wait_for_ctrl_c()


def _start(terminal: Terminal, network: "Network") -> None:
    began = time.monotonic()
    with _progress(terminal, len(network.file.nodes), "nodes") as told:
        started = network.start(told=told)
    network.wait_in_sync(started)
    status = network.status()
    tree = {
        "dir": str(network.folder),
        "started": started,
        "pids": {entry.name: entry.pid for entry in network.file.nodes if entry.name in started},
        "height": status["max_height"],
        "ready_ms": round((time.monotonic() - began) * 1000, 1),
    }
    names = ", ".join(started) or "-"
    terminal.show(tree, [terminal.text(f"Gestart: {names}", f"Started: {names}")])


@testnet.command(help="Stop alle nodes netjes // Stop all nodes")
@_dir_option
@click.pass_obj
def stop(terminal: Terminal, folder: Path | None) -> None:
    """SIGTERM, and SIGKILL after 10 s."""
    network = _network(terminal, folder)
    stopped, killed = network.stop()
    names = ", ".join([*stopped, *killed]) or "-"
    terminal.show(
        {"dir": str(network.folder), "stopped": stopped, "killed": killed},
        [terminal.text(f"Gestopt: {names}", f"Stopped: {names}")],
    )


@testnet.command(help="Dood een node met SIGKILL // Kill a node with SIGKILL")
@click.argument("name")
@_dir_option
@click.pass_obj
def kill(terminal: Terminal, name: str, folder: Path | None) -> None:
    """Kill without warning."""
    network = _network(terminal, folder)
    pid = network.kill(name)
    running = sum(network.is_running(entry) for entry in network.file.nodes)
    terminal.show(
        {
            "name": name,
            "pid": pid,
            "signal": "SIGKILL",
            "running": running,
            "quorum": network.quorum,
        },
        [
            terminal.text(
                f"{name} is gedood; {running} draaien, {network.quorum} nodig.",
                f"{name} was killed; {running} run, {network.quorum} needed.",
            )
        ],
    )
    terminal.next_step(f"wijk testnet restart {name}{_of(folder)}")


@testnet.command(help="Start een node weer op zijn gegevens // Restart a node on its data")
@click.argument("name")
@click.option("--wipe", is_flag=True, help="wis zijn gegevens // delete its store")
@_dir_option
@click.pass_obj
def restart(terminal: Terminal, name: str, wipe: bool, folder: Path | None) -> None:
    """Start a stopped or killed node; wait until it is in sync, where there is a quorum."""
    network = _network(terminal, folder)
    began = time.monotonic()
    network.restart(name, wipe=wipe)
    network.wait_in_sync([name])
    entry = network.node(name)
    row = next(row for row in network.status()["nodes"] if row["name"] == name)
    tree = {
        "name": name,
        "pid": entry.pid,
        "height": row["height"],
        "ready_ms": round((time.monotonic() - began) * 1000, 1),
        "wiped": wipe,
    }
    terminal.show(
        tree,
        [
            terminal.text(
                f"{name} draait weer, op hoogte {row['height']}.",
                f"{name} runs again, at height {row['height']}.",
            )
        ],
    )


@testnet.command(help="Knip het netwerk: v1,v2:v3,v4 // Cut the network: v1,v2:v3,v4")
@click.argument("groups")
@_dir_option
@click.pass_obj
def partition(terminal: Terminal, groups: str, folder: Path | None) -> None:
    """Refuse links across groups; unnamed nodes form one more group."""
    from chain.texts import Problem

    network = _network(terminal, folder)
    named = [[name for name in group.split(",") if name] for group in groups.split(":")]
    left = [e.name for e in network.file.nodes if not any(e.name in group for group in named)]
    if not any(named):
        raise Problem(1001, cause=terminal.text("geen groepen: v1,v2:v3,v4", "no groups: v1,v2:v3"))
    everyone = [group for group in [*named, left] if group]
    network.set_groups(everyone)
    with_quorum = sum(len(group) >= network.quorum for group in everyone)
    terminal.show(
        {"groups": everyone, "quorum": network.quorum, "groups_with_quorum": with_quorum},
        [
            terminal.text(
                f"{len(everyone)} groepen, {with_quorum} met genoeg validators.",
                f"{len(everyone)} groups, {with_quorum} with a quorum.",
            )
        ],
    )
    terminal.next_step(f"wijk testnet heal{_of(folder)}")


@testnet.command(help="Herstel alle verbindingen // Restore all links")
@_dir_option
@click.pass_obj
def heal(terminal: Terminal, folder: Path | None) -> None:
    """Lift the partition; return when the nodes are in touch again."""
    network = _network(terminal, folder)
    network.set_groups([])
    network.wait_in_sync()
    height = network.status()["max_height"]
    names = [entry.name for entry in network.file.nodes]
    terminal.show(
        {"groups": [names], "height": height},
        [terminal.text("Alle verbindingen zijn hersteld.", "All links are restored.")],
    )


@testnet.command(help="Waar elke node staat // Where every node stands")
@_dir_option
@click.pass_obj
def status(terminal: Terminal, folder: Path | None) -> None:
    """Show object C."""
    network = _network(terminal, folder)
    tree = network.status()
    lines = [
        terminal.text(
            f"{tree['running']} van {len(tree['nodes'])} draaien, {tree['quorum']} nodig",
            f"{tree['running']} of {len(tree['nodes'])} run, {tree['quorum']} needed",
        )
    ]
    for row in tree["nodes"]:
        at = "" if row["height"] is None else f"  {row['height']}  {str(row['block_id'])[:12]}"
        lines.append(f"  {row['name']:<16}{row['state']:<12}{at}")
    terminal.show(tree, lines)


@testnet.command(help="Wis alle ketens, behoud sleutels en genesis // Reset to height 0")
@_dir_option
@click.pass_obj
def reset(terminal: Terminal, folder: Path | None) -> None:
    """Stop everything and go back to height 0: new stores, guards and head files."""
    network = _network(terminal, folder)
    network.stop()
    network.reset()
    terminal.show(
        {"dir": str(network.folder), "height": 0},
        [terminal.text("Terug op hoogte 0.", "Back at height 0.")],
    )


@click.command(help="Vier wijken van Rotterdam, echt, op deze machine // Four wijken, for real")
@click.option("--wijken", type=click.IntRange(4, 12), default=4, help="wijken en nodes")
@click.option("--port", type=click.IntRange(1024, 65_000), default=8080, help="API")
@click.option("--dir", "folder", type=_DIR, help="bewaar hier // keep it here")
@click.option("--keep", is_flag=True, help="wis niets bij het stoppen // delete nothing")
@click.option("--speed", default="1s", metavar="T", help="tijd tussen de stappen // time per step")
@click.option("--once", is_flag=True, help="speel en stop // play and stop")
@click.pass_obj
def demo(
    terminal: Terminal,
    wijken: int,
    port: int,
    folder: Path | None,
    keep: bool,
    speed: str,
    once: bool,
) -> None:
    """Play the scenario of interfaces 1.7; stay up until Ctrl-C, or end with object A."""
    import shutil

    from testnet import demo as playing
    from testnet.create import is_empty
    from wallet.amounts import parse_duration_ms

    pause_s = 0.0 if once else parse_duration_ms(speed) / 1000
    if folder is not None and not is_empty(folder):
        raise _not_empty(terminal, folder)
    root = playing.make_place(folder)

    def clean_up() -> None:
        playing.end_demo(root)
        if not once and not keep and folder is None:
            shutil.rmtree(root, ignore_errors=True)

    with until_stopped(clean_up), playing.claim_port(port) as api_port:
        with _progress(terminal, wijken, "nodes") as told:
            network, plan = playing.create_demo(root, wijken, api_port, told=told)
        with _progress(terminal, wijken, "start") as told:
            network.start(told=told)
        network.wait_in_sync()
        scenario = playing.Scenario(network, plan, _quiet if once else terminal.say, pause_s)
        if once:
            played = scenario.play()
            report = playing.check_chain(network)
            network.stop()
            tree = playing.make_object(network, played, report)
            terminal.show(tree, _summary(terminal, tree))
            if not report.ok:
                terminal.fail(5004, {"invariant": ", ".join(tree["invariants"])})
            return
        ready = playing.make_ready_object(network)
        playing.write_demo_file(ready)
        terminal.show(ready, _links(terminal, ready, playing.make_payment_link(network, plan)))
        scenario.play()
        terminal.say(
            "Het verhaal is gespeeld. Ctrl-C stopt en ruimt op.",
            "The scenario is played. Ctrl-C stops and cleans up.",
        )
        wait_for_ctrl_c()


def _quiet(_nl: str, _en: str) -> None:
    """Say nothing: with --once only the result counts."""


def _summary(terminal: Terminal, tree: dict[str, Any]) -> list[str]:
    issued, reserve = terminal.money(tree["issued_cents"]), terminal.money(tree["reserve_cents"])
    if tree["invariants"] != "ok":
        return [terminal.text("De boeken kloppen NIET.", "The books are NOT right.")]
    return [
        terminal.text(
            f"{tree['payments']} betalingen, {tree['cross_wijk_payments']} tussen wijken; "
            f"{issued} uitgegeven, {reserve} op de bank; alles klopt.",
            f"{tree['payments']} payments, {tree['cross_wijk_payments']} across wijken; "
            f"{issued} issued, {reserve} in the bank; all is well.",
        ),
        terminal.text(f"Gegevens: {tree['data_dir']}", f"Data: {tree['data_dir']}"),
    ]


def _links(terminal: Terminal, ready: dict[str, Any], request: str) -> list[str]:
    """Say what there is to open, and how to pay: by phone once there are pages, now by command."""
    from wallet.request import qr_text

    count = ready["validators"]
    lines = [terminal.text(f"{count} wijken draaien.", f"{count} wijken are running.")]
    lines += [f"  {name:<16}{url}" for name, url in ready["links"].items() if url]
    lines += [f"  {node['name']:<16}{node['api']}/v1/status" for node in ready["nodes"]]
    lines.append(terminal.text("Betaal Bakker Jansen € 2,00:", "Pay Bakker Jansen €2.00:"))
    lines += qr_text(request).splitlines()
    lines += [
        f"  export WIJK_HOME={ready['data_dir']}/client",
        f"  wijk pay '{request}' --from anna",
        terminal.text("Probeer ook: wijk status", "Try also: wijk status"),
    ]
    return lines


def _of(folder: Path | None) -> str:
    return "" if folder is None else f" --dir {folder}"


def _not_empty(terminal: Terminal, folder: Path, remedy: str = "") -> "Problem":
    from chain.texts import Problem

    said = terminal.text(f"{folder} is niet leeg", f"{folder} is not empty")
    return Problem(1002, errors=[said + remedy])


def _network(terminal: Terminal, folder: Path | None) -> "Network":
    """Return the network in a folder, else that of the running demo."""
    from chain.texts import Problem
    from testnet.network import Network
    from wallet.config import demo_path, running_demo

    if folder is None:
        found = running_demo(demo_path())
        if found is None:
            raise Problem(1001, cause=terminal.text("--dir ontbreekt", "--dir is missing"))
        folder = Path(found["data_dir"])
    return Network(folder)


@contextlib.contextmanager
def _progress(terminal: Terminal, total: int, what: str) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal; elsewhere nothing."""
    import sys

    if not sys.stderr.isatty() or terminal.flag("quiet") or terminal.output != "text":
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda _name: bar.advance(task)
