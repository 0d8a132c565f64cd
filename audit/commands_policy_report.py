"""`wijk audit report`: what a funder's policies did, as files (economy X6, G19)."""

from pathlib import Path

import click

from audit.commands import (
    INVARIANT_BROKEN,
    PROOF_WRONG,
    Terminal,
    open_source,
    show_progress,
)
from audit.options import folder_option, out_option


@click.command(
    help="Schrijf voor een gever wat zijn potjes deden, zonder personen // "
    "Write for a funder what its pools did, without persons"
)
@click.argument("wanted", metavar="FUNDER|POLICY")
@out_option
@folder_option
@click.pass_obj
def report(terminal: Terminal, wanted: str, out: Path, folder: Path | None) -> None:
    """Verify the chain, write the files, print their names; exit 8 if the chain is not sound."""
    from audit.policy_report import report as write_report
    from chain.errors import Malformed

    _check_wanted(wanted)
    try:
        with show_progress(terminal) as on_block, open_source(terminal, folder) as source:
            reported = write_report(source, terminal.home, out, wanted, on_block=on_block)
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    if reported.broken:
        terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(reported.broken)})
    if reported.why is not None:
        terminal.fail(PROOF_WRONG, {"cause": reported.why})
    tree = reported.tree
    height = tree["checkpoint"]["height"]
    lines = [
        terminal.text(
            f"{tree['policies']} potjes tot en met blok {height}, in {out}",
            f"{tree['policies']} policies up to block {height}, in {out}",
        )
    ]
    lines += [f"  {file['name']}  {file['rows']}  {file['sha256']}" for file in tree["files"]]
    terminal.show(tree, lines)


def _check_wanted(wanted: str) -> None:
    """Raise `Problem` 1006 unless it is an account id or the id of a policy."""
    from chain.address import parse_account
    from chain.errors import Malformed
    from chain.texts import Problem

    if len(wanted) == 64 and set(wanted) <= set("0123456789abcdef"):  # noqa: PLR2004 - 32 bytes
        return
    try:
        parse_account(wanted)
    except Malformed as error:
        raise Problem(1006, name=wanted, cause=str(error)) from error
