"""`wijk node init|start|status`: a node from nothing, serving, and how it is (interfaces 1.6)."""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click

from chain.terminal import Terminal
from node.commands_backup import backup
from node.commands_recovery import rejoin, rollback
from node.commands_snapshot import snapshot

WATCH_S = 1.0
GENESIS_BYTES_MAX = 64 * 1024 * 1024
FETCH_S = 30.0


@click.group(help="Een node van een wijk // A node of a wijk")
def node() -> None:
    """A node."""


@node.command(help="Maak de map van een nieuwe node // Make the folder of a new node")
@click.option("--wijk", metavar="SLUG", required=True, help="van welke wijk // of which wijk")
@click.option(
    "--genesis", metavar="FILE|URL", required=True, help="het begin van de keten // genesis"
)
@click.option(
    "--genesis-sha256", metavar="HEX", default="", help="vingerafdruk ervan // its digest"
)
@click.option("--name", metavar="N", help="naam van de node // name of the node")
@click.option(
    "--storage",
    type=click.Choice(["auto", "leveldb", "sqlite"]),
    default="auto",
    help="waarin opslaan // where to store",
)
@click.option("--listen", metavar="A:P", help="waar luisteren // where to listen")
@click.option("--external", metavar="A:P", help="adres voor anderen // address for others")
@click.pass_obj
def init(
    terminal: Terminal,
    wijk: str,
    genesis: str,
    genesis_sha256: str,
    name: str | None,
    storage: str,
    listen: str | None,
    external: str | None,
) -> None:
    """Make keys, store, guard and settings; the digest of genesis is shown, and asked."""
    from chain.crypto import public_key
    from chain.errors import Malformed
    from node.admin_client import EXIT_CONFIGURATION, node_home
    from node.config import find_fault
    from node.disk import StorageError
    from node.identity import load_identity
    from node.setup import INSTANCE_BYTES, check_genesis, init_home
    from node.store import choose_kind

    root = node_home(terminal)
    settings: dict[str, str | int] = {"node.name": name or wijk, "node.storage": storage}
    settings |= {"p2p.listen": listen} if listen else {}
    settings |= {"p2p.external": external} if external else {}
    faults = [
        f"{key}: {value!r} {fault}"
        for key, value in settings.items()
        if (fault := find_fault(key, value)) is not None
    ]
    if faults:
        terminal.fail(1001, {"cause": "; ".join(faults)})
    try:
        found = check_genesis(_read_genesis(terminal, genesis), genesis_sha256)
        slugs = [one.slug for one in found.doc.wijken]
        if wijk not in slugs:
            cause = terminal.text(
                f"wijk {wijk} bestaat niet; er zijn {', '.join(slugs)}",
                f"no wijk {wijk}; there are {', '.join(slugs)}",
            )
            terminal.fail(1001, {"cause": cause})
        digest = found.digest.hex()
        terminal.say(
            f"Keten {found.doc.chain_id}, vingerafdruk", f"Chain {found.doc.chain_id}, digest"
        )
        terminal.say(f"  {digest}", f"  {digest}")
        if not genesis_sha256:
            terminal.confirm(
                "Staat op papier precies dezelfde?", "Does the paper copy have exactly the same?"
            )
        seed = secrets.token_bytes(32)
        home = init_home(
            root,
            found,
            seed,
            secrets.token_bytes(32),
            secrets.token_bytes(INSTANCE_BYTES),
            {**settings, "chain.genesis_sha256": digest},
        )
    except (Malformed, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
    tree = {
        "home": str(root),
        "name": name or wijk,
        "wijk": wijk,
        "chain_id": found.doc.chain_id,
        "chain_digest": digest,
        "storage": choose_kind(storage, home.store),
        "config": str(home.config),
        "consensus_key": public_key(seed).hex(),
        "transport_key": load_identity(home.transport_key).transport_key.hex(),
        "join_request": None,
    }
    terminal.show(
        tree,
        [
            terminal.text(f"Node {tree['name']} gemaakt in {root}", f"Node made in {root}"),
            terminal.text(f"Sleutel: {tree['consensus_key']}", f"Key: {tree['consensus_key']}"),
        ],
    )
    terminal.say(f"Hierna: wijk node start --home {root}", f"Next: wijk node start --home {root}")


@node.command(help="Start de node en blijf draaien // Start the node and keep running")
@click.option("--check", is_flag=True, help="controleer alleen of het kan // only check")
@click.option("--follow-only", is_flag=True, help="volg, teken niets // follow, sign nothing")
@click.pass_context
def start(ctx: click.Context, check: bool, follow_only: bool) -> None:
    """Serve until SIGTERM; the exit code is that of the node: 0, 70 or 78."""
    from node.admin_client import EXIT_CONFIGURATION, node_home

    terminal: Terminal = ctx.obj
    root = node_home(terminal)
    flags: dict[str, str | int] = {"signer.mode": "none"} if follow_only else {}
    if check:
        _check(terminal, root, flags)
        return
    from node.main import CannotStart, run

    terminal.say(f"Node in {root}; stop met Ctrl-C", f"Node in {root}; stop with Ctrl-C")

    def on_ready(ready: dict[str, Any]) -> None:
        terminal.show(ready, ready_lines(terminal, ready))
        sys.stdout.flush()  # who started it waits for this line, perhaps at the other end of a pipe

    try:
        code = run(root, os.environ, flags, on_ready)
    except CannotStart as error:
        for fault in error.faults:
            terminal.say(f"  {fault}", f"  {fault}")
        terminal.fail(error.number, {"errors": error.faults}, exit_code=EXIT_CONFIGURATION)
    ctx.exit(code)


@node.command(help="Hoe het met deze node gaat // How this node is doing")
@click.option("--watch", is_flag=True, help="blijf kijken, tot Ctrl-C // keep watching")
@click.pass_obj
def status(terminal: Terminal, watch: bool) -> None:
    """Ask the admin socket of a running node."""
    from node.admin_client import ask_admin, node_home

    root = node_home(terminal)
    while True:
        found = ask_admin(terminal, root, "/admin/v1/status")
        terminal.show(found, _lines(terminal, found))
        if not watch:
            return
        time.sleep(WATCH_S)


def _check(terminal: Terminal, root: Path, flags: dict[str, str | int]) -> None:
    from chain.errors import Malformed
    from chain.selftest import run_selftest
    from node.admin_client import EXIT_CONFIGURATION
    from node.config import ConfigInvalid, load_config
    from node.disk import StorageError
    from node.home import Home
    from node.setup import check_genesis, load_node_key

    home = Home(root)
    try:
        config = load_config(home.config, os.environ, flags)
        run_selftest()
        genesis = check_genesis(home.genesis.read_bytes(), config.text("chain.genesis_sha256"))
        load_node_key(root / config.text("signer.key"))
    except ConfigInvalid as error:
        terminal.fail(1002, {"errors": error.faults}, exit_code=EXIT_CONFIGURATION)
    except (Malformed, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
    tree = {"home": str(root), "chain_id": genesis.doc.chain_id, "ok": True}
    terminal.show(tree, [terminal.text("De node kan starten.", "The node can start.")])


def _read_genesis(terminal: Terminal, where: str) -> bytes:
    """Return the bytes of a file, or of a node's `/v1/genesis`; bounded."""
    if not where.startswith(("http://", "https://")):
        path = Path(where)
        if path.stat().st_size > GENESIS_BYTES_MAX:
            terminal.fail(1002, {"errors": [f"{path}: > {GENESIS_BYTES_MAX}"]})
        return path.read_bytes()
    from urllib.request import urlopen

    with urlopen(where, timeout=FETCH_S) as answer:  # noqa: S310 - http and https only, see above
        data: bytes = answer.read(GENESIS_BYTES_MAX + 1)
    if len(data) > GENESIS_BYTES_MAX:
        terminal.fail(1002, {"errors": [f"{where}: > {GENESIS_BYTES_MAX}"]})
    return data


def ready_lines(terminal: Terminal, ready: dict[str, Any]) -> list[str]:
    """Return the answer of `node start` for people."""
    name, chain, height = ready["name"], ready["chain_id"], ready["height"]
    return [
        terminal.text(
            f"Node {name} draait: keten {chain}, blok {height}.",
            f"Node {name} is running: chain {chain}, block {height}.",
        ),
        terminal.text("De node tekent mee.", "The node signs.")
        if ready["signing"]
        else terminal.text("De node volgt en tekent niets.", "The node follows and signs nothing."),
        terminal.text("Voor portemonnees: ", "For wallets: ") + ready["api"],
        terminal.text("Voor andere nodes: ", "For other nodes: ") + ready["p2p"],
    ]


def _lines(terminal: Terminal, found: dict[str, Any]) -> list[str]:
    from chain.status_text import agreement_lines, missing_lines

    validators = found["validators"]
    online, total = validators["online"], validators["total"]
    signing = (
        terminal.text("tekent", "signs") if found["signing"] else terminal.text("volgt", "follows")
    )
    return [
        terminal.text(
            f"{found['node']}: blok {found['height']}, {online} van {total} nodes, {signing}",
            f"{found['node']}: block {found['height']}, {online} of {total} nodes, {signing}",
        ),
        *missing_lines(validators["missing"], terminal.lang),
        *agreement_lines(found["consensus"], terminal.lang),
        *_past_lines(terminal, found["past_blocks"]),
        *(f"  {peer['name']} {peer['address']} {peer['rtt_ms']} ms" for peer in found["peers"]),
    ]


def _past_lines(terminal: Terminal, blocks: int) -> list[str]:
    if blocks == 0:
        return []
    return [
        terminal.text(
            f"Begonnen met een momentopname; er komen nog {blocks} oude blokken.",
            f"Began with a snapshot; {blocks} old blocks are still to come.",
        )
    ]


node.add_command(backup)
node.add_command(rejoin)
node.add_command(rollback)
node.add_command(snapshot)
