"""`wijk node verify` and `wijk node backup verify`: they replay, so they are the auditor's.

`cli.py` hangs them in the group `node` (interfaces 1.6, 1.8). Both are verdicts: exit 0 or 8.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.commands import INVARIANT_BROKEN, PROOF_WRONG, Terminal, show_progress

if TYPE_CHECKING:
    from audit.node_verify import Verified


@click.command(help="Reken alles na wat de node bewaart // Check everything that the node keeps")
@click.option(
    "--from",
    "first",
    type=click.IntRange(min=1),
    default=1,
    metavar="H",
    help="handtekeningen vanaf blok H // signatures from block H on",
)
@click.option("--to", "last", type=click.IntRange(min=1), metavar="H", help="tot en met // up to")
@click.pass_obj
def verify(terminal: Terminal, first: int, last: int | None) -> None:
    """Check headers, certificates, log, state and books of a node that does not run."""
    import time

    from audit.home import open_home
    from audit.node_verify import unreadable, verify_home
    from chain.errors import Malformed
    from chain.texts import Problem

    if last is not None and last < first:
        raise Problem(1001, cause=f"--to {last} < --from {first}")
    try:
        with show_progress(terminal) as on_block, open_home(_node_home(terminal)) as source:
            verified = verify_home(
                source, first=first, last=last, clock_s=time.monotonic, on_block=on_block
            )
    except Malformed as error:
        verified = unreadable(first, last, str(error))
    tree = verified.tree
    lines = [
        _say_verdict(terminal, verified),
        terminal.text(
            f"{tree['blocks']} blokken, {tree['transactions']} opdrachten, "
            f"{tree['signatures']} handtekeningen van validators",
            f"{tree['blocks']} blocks, {tree['transactions']} transactions, "
            f"{tree['signatures']} signatures of validators",
        ),
    ]
    terminal.show(tree, lines)
    _end(terminal, verified)


@click.command(help="Zet hem op proef terug en reken hem na // Restore it on trial and check it")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup_verify(terminal: Terminal, file: Path) -> None:
    """Restore a backup into a temporary folder and replay every block of it."""
    import time

    from audit.home import open_backup
    from audit.node_verify import unreadable, verify_home
    from chain.errors import Malformed

    try:
        with show_progress(terminal) as on_block, open_backup(file) as source:
            verified = verify_home(
                source, first=1, last=None, clock_s=time.monotonic, on_block=on_block
            )
    except Malformed as error:
        verified = unreadable(1, None, str(error))
    tree = {
        "file": str(file),
        "height": verified.tree["to"],
        "replayed_blocks": verified.tree["blocks"],
        "state_root": verified.state_root or None,
        "ok": verified.ok,
        "why": verified.why,
    }
    said = terminal.text(
        f"{tree['replayed_blocks']} blokken nagerekend: {file}",
        f"{tree['replayed_blocks']} blocks replayed: {file}",
    )
    terminal.show(tree, [_say_verdict(terminal, verified), said])
    _end(terminal, verified)


def _node_home(terminal: Terminal) -> Path:
    """Return the node home: --home, WIJK_HOME, or the platform's data folder (interfaces 1.2)."""
    given = terminal.given.get("home") or os.environ.get("WIJK_HOME")
    if given:
        return Path(given)
    import platformdirs

    return platformdirs.user_data_path("wijk-node")


def _say_verdict(terminal: Terminal, verified: "Verified") -> str:
    if verified.ok:
        return terminal.text("De keten klopt.", "The chain is sound.")
    height, why = verified.tree["first_bad"], verified.why
    return terminal.text(
        f"De keten klopt niet: blok {height}: {why}",
        f"The chain is not right: block {height}: {why}",
    )


def _end(terminal: Terminal, verified: "Verified") -> None:
    if verified.ok:
        return
    broken = verified.tree["invariants"]
    if isinstance(broken, list):
        terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(broken)})
    terminal.fail(PROOF_WRONG, {"cause": verified.why or ""})
