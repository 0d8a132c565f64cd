"""`wijk node snapshot export|restore` (interfaces 1.6; consensus S7).

A node makes its snapshots by itself, at fixed heights; these commands carry one by hand.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.terminal import Terminal

if TYPE_CHECKING:
    from node.snapshot_export import Tell

_FILE = click.Path(path_type=Path, dir_okay=False)
_PIN = re.compile(r"(?P<height>[1-9][0-9]{0,17}):(?P<id>[0-9a-f]{64})")


@click.group(help="Momentopnamen van de keten // Snapshots of the chain")
def snapshot() -> None:
    """Snapshots: all that a new node needs to begin after one block."""


@snapshot.command(help="Schrijf er een naar een bestand // Write one to a file")
@click.argument("file", type=_FILE)
@click.option(
    "--height",
    type=click.IntRange(min=1),
    metavar="H",
    help="die van blok H; anders de nieuwste // that of block H; else the newest",
)
@click.pass_obj
def export(terminal: Terminal, file: Path, height: int | None) -> None:
    """Write a snapshot that this node made into one file; the node may run."""
    from chain.errors import Malformed
    from node.admin_client import node_home
    from node.disk import StorageError
    from node.home import Home
    from node.snapshot_export import write_snapshot

    try:
        with _progress(terminal, "Schrijven", "Writing") as tell:
            tree = write_snapshot(Home(node_home(terminal)), height, file, tell)
    except FileExistsError:
        terminal.fail(1001, {"cause": "exists"})
    except (Malformed, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]})
    pin = f"{tree['height']}:{tree['block_id']}"
    said = terminal.text(
        f"Momentopname van blok {tree['height']}: {tree['file']}",
        f"Snapshot of block {tree['height']}: {tree['file']}",
    )
    terminal.show(tree, [said, f"  {pin}"])
    terminal.say(
        f"Wie hem gebruikt vergelijkt dat blok eerst: wijk query block {tree['height']} --prove",
        f"Who uses it compares that block first: wijk query block {tree['height']} --prove",
    )


@snapshot.command(help="Begin een nieuwe node met een bestand // Begin a new node with a file")
@click.argument("file", type=_FILE)
@click.option(
    "--trust",
    metavar="H:ID",
    required=True,
    help="het blok dat u vertrouwt, uit wijk query block H --prove"
    " // the block that you trust, of wijk query block H --prove",
)
@click.pass_obj
def restore(terminal: Terminal, file: Path, trust: str) -> None:
    """Prove a snapshot against the block that is trusted; the home has not begun yet."""
    from chain.errors import Malformed
    from node.admin_client import load_settings, node_home
    from node.disk import StorageError
    from node.home import Home
    from node.setup import check_genesis
    from node.snapshot_export import restore_snapshot

    told = _PIN.fullmatch(trust)
    if told is None:
        terminal.fail(1001, {"cause": "--trust H:ID"})
    home = Home(node_home(terminal))
    settings = load_settings(terminal, home.root)
    try:
        digest = settings.text("chain.genesis_sha256")
        genesis = check_genesis(home.genesis.read_bytes(), digest)
    except (Malformed, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]})
    if not file.exists():
        terminal.fail(3007, {"what": str(file)})
    pin = int(told["height"]), bytes.fromhex(told["id"])
    try:
        with _progress(terminal, "Bewijzen", "Proving") as tell:
            tree = restore_snapshot(file, home, genesis, settings.text("node.storage"), pin, tell)
    except Malformed as error:
        terminal.fail(5001, {"cause": f"{file}: {error}"})
    except (StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]})
    said = terminal.text(
        f"De node begint na blok {tree['height']}; oude blokken haalt hij bij andere nodes.",
        f"The node begins after block {tree['height']}; old blocks come from other nodes.",
    )
    terminal.show(tree, [said])
    start = f"wijk node start --home {home.root}"
    terminal.say(f"Hierna: {start}", f"Next: {start}")


@contextmanager
def _progress(terminal: Terminal, nl: str, en: str) -> Iterator["Tell"]:
    """Show a bar on a screen, and nothing where nobody looks."""
    if terminal.output != "text" or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(terminal.text(nl, en), total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)
