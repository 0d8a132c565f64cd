"""`wijk audit witness add|status|cosign`: heads of the log that another wijk has seen (5.2)."""

from pathlib import Path

import click

from audit.commands import PROOF_WRONG, ROOTS_CONFLICT, Terminal, follow_now, judging, open_client

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(help="Getuigen van het logboek // Witnesses of the log")
def witness() -> None:
    """Cosignatures: they certify nothing, and let nobody show two logs."""


@witness.command("add", help="Ken de sleutel van een getuige // Know the key of a witness")
@click.argument("vkey")
@click.pass_obj
def add(terminal: Terminal, vkey: str) -> None:
    """Remember a vkey in the home."""
    from audit.witness import add_witness
    from chain.errors import Malformed
    from chain.texts import Problem

    try:
        name = add_witness(terminal.home, vkey)
    except Malformed as error:
        raise Problem(1001, cause=str(error)) from error
    terminal.show(
        {"name": name, "vkey": vkey}, [terminal.text(f"Bekend: {name}", f"Known: {name}")]
    )


@witness.command("cosign", help="Medeonderteken de nieuwste stand // Cosign the newest head")
@click.option("--key", metavar="NAME", help="met welke sleutel // with which key")
@click.option("--out", type=_FILE, metavar="F", help="waarheen // where to")
@click.pass_obj
def cosign(terminal: Terminal, key: str | None, out: Path | None) -> None:
    """Fetch the newest checkpoint, hold it against the last one cosigned, and cosign it."""
    import time

    from audit.witness import Conflict, Key, cosign_newest

    policy = follow_now(terminal).policy
    with open_client(terminal) as client, judging(terminal):
        opened = Key(*terminal.open_key(key))
        try:
            tree = cosign_newest(client, policy, terminal.home, opened, int(time.time()), out)
        except Conflict as error:
            terminal.say(f"Niet getekend: {error}", f"Not signed: {error}")
            terminal.fail(ROOTS_CONFLICT, {"height": error.height})
    said = terminal.text(
        f"Blok {tree['height']} medeondertekend: {tree['file']}",
        f"Block {tree['height']} cosigned: {tree['file']}",
    )
    terminal.show(tree, [said, str(tree["vkey"])])


@witness.command("status", help="Wie heeft deze standen gezien // Who has seen these heads")
@click.argument("files", nargs=-1, type=_FILE)
@click.pass_obj
def status(terminal: Terminal, files: tuple[Path, ...]) -> None:
    """Judge checkpoint files without network: certified, cosigned by whom, of one log."""
    from audit.witness import judge_files

    policy = follow_now(terminal).policy
    with judging(terminal):
        tree, conflict = judge_files(terminal.home, policy, files)
    lines = [str(one["name"]) for one in tree["witnesses"]]
    for item in tree["items"]:
        names = ", ".join(one["name"] for one in item["cosigned"]) or "-"
        height, valid = item["height"], item["signatures"]["valid"]
        lines.append(
            terminal.text(
                f"Blok {height}: {valid} validators; gezien door {names}",
                f"Block {height}: {valid} validators; seen by {names}",
            )
        )
    terminal.show(tree, lines)
    if conflict is not None:
        terminal.say(conflict, conflict)
        terminal.fail(PROOF_WRONG, {"cause": conflict})
