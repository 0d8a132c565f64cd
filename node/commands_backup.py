"""`wijk node backup create|list|restore` (interfaces 1.6, 1.8; reliability Y30).

`backup verify` replays the chain, so the auditor has it: `audit/commands_node.py`.
"""

import time
from pathlib import Path
from typing import Any

import click

from chain.terminal import Terminal

POLL_S = 0.2
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(help="Reservekopieën van de keten // Backups of the chain")
def backup() -> None:
    """Backups: the chain and how far it was; never a key, never the guard."""


@backup.command(help="Maak er een, ook terwijl de node draait // Make one, also of a running node")
@click.pass_obj
def create(terminal: Terminal) -> None:
    """Write a backup into the folder `backups` of the home."""
    from chain.errors import Malformed
    from node.admin_client import node_home
    from node.backup import make_backup
    from node.disk import Busy, StorageError
    from node.home import Home, lock_home
    from node.views import time_text

    home = Home(node_home(terminal))
    if not home.store.is_dir():
        cause = terminal.text(
            f"{home.root} is geen map van een node", f"{home.root} is not the home of a node"
        )
        terminal.fail(1002, {"errors": [cause]})
    try:
        try:
            lock = lock_home(home)
        except Busy:
            tree = _ask_running(terminal, home.root)
        else:
            try:
                tree = make_backup(home, time_text(int(time.time() * 1000)))
            finally:
                lock.release()
    except (Malformed, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]})
    said = terminal.text(
        f"Reservekopie tot en met blok {tree['height']}: {tree['file']}",
        f"Backup up to block {tree['height']}: {tree['file']}",
    )
    terminal.show(tree, [said, f"  sha256 {tree['sha256']}"])
    terminal.say(
        "Bewaar hem ergens anders dan op deze machine. Sleutels zitten er niet in.",
        "Keep it somewhere else than on this machine. It holds no keys.",
    )
    terminal.say(
        f"Hierna: wijk node backup verify {tree['file']}",
        f"Next: wijk node backup verify {tree['file']}",
    )


@backup.command("list", help="Welke er zijn // Which there are")
@click.pass_obj
def list_(terminal: Terminal) -> None:
    """List the backups in the folder `backups` of the home, the newest first."""
    from node.admin_client import node_home
    from node.backup import list_backups
    from node.home import Home

    items, faults = list_backups(Home(node_home(terminal)).backups)
    for fault in faults:
        terminal.say(f"Geen bruikbare reservekopie: {fault}", f"Not a usable backup: {fault}")
    heights = [int(str(item["height"])) for item in items]
    page = {"items": items, "next": None, "as_of_height": max(heights, default=0)}
    head = [
        terminal.text("blok", "block"),
        terminal.text("gemaakt op", "made at"),
        "bytes",
        terminal.text("bestand", "file"),
    ]
    names = ("height", "created_at", "bytes", "file")
    rows = [[str(item[name]) for name in names] for item in items]
    terminal.show_page(page, head, rows, (*names, "encrypted"))


@backup.command(help="Zet er een terug, in een map zonder keten // Put one back, in an empty home")
@click.argument("file", type=_FILE)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="in welke map; anders die van --home // into which folder; else that of --home",
)
@click.pass_obj
def restore(terminal: Terminal, file: Path, folder: Path | None) -> None:
    """Prove a backup and make a home of it; keys and guard that lie there stay."""
    from chain.errors import Malformed
    from node.admin_client import load_settings, node_home
    from node.backup import restore_home
    from node.disk import StorageError
    from node.home import Home
    from node.store import choose_kind

    root = node_home(terminal) if folder is None else folder
    has_settings = Home(root).config.exists()
    setting = load_settings(terminal, root).text("node.storage") if has_settings else "auto"
    try:
        tree = restore_home(file, root, choose_kind(setting))
    except FileNotFoundError:
        terminal.fail(3007, {"what": str(file)})
    except Malformed as error:
        terminal.fail(5001, {"cause": f"{file}: {error}"})
    except (StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]})
    lines = [
        terminal.text(
            f"Keten teruggezet tot en met blok {tree['height']} in {root}",
            f"Chain restored up to block {tree['height']} in {root}",
        ),
        terminal.text("Keten ", "Chain ") + str(tree["chain_digest"]),
    ]
    if tree["guard"] == "missing":
        lines.append(
            terminal.text(
                "Er is geen tekenwacht: de node kijkt eerst toe, en tekent na een volgend blok.",
                "There is no sign guard: the node looks on first, and signs after one more block.",
            )
        )
    terminal.show(tree, lines)
    if not Home(root).consensus_key.exists():
        terminal.say(
            f"Leg de sleutels in {root / 'keys'} voordat de node start.",
            f"Put the keys into {root / 'keys'} before the node starts.",
        )


def _ask_running(terminal: Terminal, root: Path) -> dict[str, Any]:
    """Let the node that runs in `root` make one, and wait for it."""
    from node.admin_client import ask_admin

    job = ask_admin(terminal, root, "/admin/v1/backup", "POST")["job"]
    while True:
        told = ask_admin(terminal, root, f"/admin/v1/jobs/{job}")
        if told["state"] == "done":
            result: dict[str, Any] = told["result"]
            return result
        if told["state"] == "failed":
            terminal.fail(1002, {"errors": [str(told["result"]["error"])]})
        time.sleep(POLL_S)
