"""`wijk index`: the chain as tables in SQLite or PostgreSQL, for search and reports (1.6)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.commands import INVARIANT_BROKEN, PROOF_WRONG, Terminal, open_source, show_progress
from audit.options import folder_option

if TYPE_CHECKING:
    from audit.index_base import Base, Mark

DEFAULT = "sqlite:///index.db"  # interfaces 3.1, `index.url`

_to = click.option(
    "--to",
    "url",
    metavar="URL",
    help="van SQLite of PostgreSQL; anders index.url van de node, of index.db in de map "
    "// of SQLite or PostgreSQL; else index.url of the node, or index.db in the home",
)


@click.group(help="De keten als tabellen, om in te zoeken // The chain as tables, for searching")
def index() -> None:
    """Tables that follow the chain behind; nothing on the chain depends on them."""


@index.command(help="Breng de tabellen bij en loop mee // Bring the tables up to date and follow")
@_to
@folder_option
@click.option("--once", is_flag=True, help="stop als zij bij zijn // stop when they are up to date")
@click.pass_obj
def run(terminal: Terminal, url: str | None, folder: Path | None, once: bool) -> None:
    """Print where the index stands, now and at each new block; a stopped home ends it."""
    _run(terminal, url, folder, once=once or folder is not None)


@index.command(help="Hoe ver de tabellen zijn // How far the tables are")
@_to
@folder_option
@click.pass_obj
def status(terminal: Terminal, url: str | None, folder: Path | None) -> None:
    """Print the mark of the index and how many rows its tables have."""
    from audit.index_base import open_base, read_mark
    from audit.index_tables import TABLES, quote

    base = open_base(_choose(url, folder), folder or terminal.home, only_read=True)
    try:
        mark = read_mark(base)
        rows = {
            table.name: base.run(f"SELECT COUNT(*) FROM {quote(table.name)}")[0][0]  # noqa: S608
            for table in TABLES[1:]
        }
        _show(terminal, base, mark, {"rows": rows})
    finally:
        base.close()


@index.command(help="Maak de tabellen opnieuw // Make the tables anew")
@_to
@folder_option
@click.pass_obj
def rebuild(terminal: Terminal, url: str | None, folder: Path | None) -> None:
    """Remove the tables of the index and make them from the blocks again."""
    from audit.index_base import drop_index, open_base

    base = open_base(_choose(url, folder), folder or terminal.home)
    try:
        drop_index(base)
    finally:
        base.close()
    _run(terminal, url, folder, once=True)


def _run(terminal: Terminal, url: str | None, folder: Path | None, *, once: bool) -> None:
    import time

    from audit.index_base import open_base
    from audit.index_run import BlockWrong, run_index
    from chain.errors import Malformed

    base = open_base(_choose(url, folder), folder or terminal.home)
    try:
        with show_progress(terminal) as on_block, open_source(terminal, folder) as source:
            sleep = None if once else time.sleep
            for indexed in run_index(source, terminal.home, base, on_block=on_block, sleep=sleep):
                more = {"blocks": indexed.blocks, "transactions": indexed.transactions}
                _show(terminal, base, indexed.mark, more)
    except BlockWrong as error:
        if error.broken:
            terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(error.broken)})
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    finally:
        base.close()


def _choose(url: str | None, folder: Path | None) -> str:
    """Return where the tables are: as typed, as the environment or the node's settings say."""
    import os

    from audit.home import read_index_url

    given = url or os.environ.get("WIJK_INDEX_URL")
    if given is None and folder is not None:
        given = read_index_url(folder, os.environ)
    return given or DEFAULT


def _show(terminal: Terminal, base: "Base", mark: "Mark", more: dict[str, Any]) -> None:
    tree = {
        "to": base.name,
        "chain_id": mark.chain_id,
        "chain_digest": mark.chain_digest,
        "height": mark.height,
        "block_id": mark.block_id,
        "log_size": mark.log_size,
        **more,
    }
    said = terminal.text(
        f"{base.name}: tot en met blok {mark.height}, {mark.log_size} opdrachten",
        f"{base.name}: up to block {mark.height}, {mark.log_size} transactions",
    )
    terminal.show(tree, [said])
