"""`wijk election rehearse`: an election with test options, that decides nothing (economy E32)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from contracts.election import CallElection

_FILE = click.Path(path_type=Path)
OPTIONS_DEFAULT = 3


@click.command(help="Houd eerst een oefening // Hold a rehearsal first")
@click.option("--calendar", "file", type=_FILE, required=True, help="als bij call // as with call")
@click.option("--options", "count", type=click.IntRange(1, 40), help="proefopties // test options")
@keys_option
@click.pass_obj
def rehearse(terminal: Terminal, file: Path, count: int | None, names: tuple[str, ...]) -> None:
    """The election of FILE with test options: same people, same steps; it decides nothing."""
    from chain.elections import rehearsal_option
    from wallet.commands_election import send_step
    from wallet.commands_tx import read_call

    asked: CallElection = read_call(terminal, file, "election.call")
    given = len(asked.options) or asked.seats + 2
    number = 1 if asked.method == "YES_NO" else count or given or OPTIONS_DEFAULT
    options = tuple(rehearsal_option(one) for one in range(1, number + 1))
    said = (
        f"Een OEFENING van deze verkiezing, met {number} proefopties; zij beslist niets.",
        f"A REHEARSAL of this election, with {number} test options; it decides nothing.",
    )
    send_step(terminal, _as_rehearsal(asked, options), names, said, None)


def _as_rehearsal(asked: "CallElection", options: tuple[bytes, ...]) -> Any:
    """Return the call of a survey that goes as this election does (ADR 0092)."""
    from msgspec.structs import replace

    method = "APPROVAL" if asked.method == "APPROVAL_BUURT" else asked.method
    return replace(
        asked, kind="SURVEY", decision=None, seats=0, areas=(), method=method, options=options
    )
