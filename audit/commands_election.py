"""`wijk election verify`: fetch the evidence of an election and work everything out again (E29)."""

import tempfile
import time
from pathlib import Path

import click

from audit.commands import PROOF_WRONG, Terminal, follow_now, judging, open_client

_FILE = click.Path(path_type=Path)
_BLOCKS_TOLD = 50  # a line of progress for so many


@click.command(help="Reken een verkiezing zelf na // Verify an election yourself")
@click.argument("name", metavar="ID")
@click.option("--out", "folder", type=_FILE, help="bewaar het bewijs hier // keep the bundle here")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, help="hoeveel processoren // processors"
)
@click.pass_obj
def verify(terminal: Terminal, name: str, folder: Path | None, processes: int) -> None:
    """Judge with the verifier that shares no code with a node; exit 8 where something is wrong."""
    from audit.election_bundle import export_bundle, read_value
    from audit.elections.__main__ import summarize
    from audit.elections.check import verify as judge
    from audit.elections.wire import read_bundle
    from chain.elections import ELECT
    from chain.policy import era_keys
    from chain.texts import Problem

    begun = time.monotonic()
    wijk, _, number = name.partition("/")
    if not wijk or not (number.isascii() and number.isdecimal()):
        raise Problem(1001, cause=f"{name}: WIJK/N")
    policy = follow_now(terminal).policy

    def tell(done: int, of: int) -> None:
        if done % _BLOCKS_TOLD == 0 or done == of:
            terminal.say(f"blok {done} van {of}", f"block {done} of {of}")

    with tempfile.TemporaryDirectory() as spare, open_client(terminal) as client:
        place = Path(spare) / "bundle" if folder is None else folder
        with judging(terminal):
            election_id = read_value(client, ELECT, wijk, int(number))
            if election_id is None:
                raise Problem(3007, what=name)
            export_bundle(client, policy, election_id, place, tell)
        bundle = read_bundle(place)
        trusted = [era_keys(era) for era in policy.eras]  # they may change during an election
        report = judge(
            bundle,
            trusted=trusted,
            processes=processes,
            tell=lambda step: terminal.say(step, step),
        )
        found = summarize(bundle, report, time.monotonic() - begun)
    right = terminal.text("Alles klopt.", "All holds.")
    wrong = terminal.text("Er klopt iets niet:", "Something is wrong:")
    findings = [f"  {row['check']}: {row['what']}" for row in found["findings"]]
    terminal.show(found, [right if found["ok"] else wrong, *findings])
    if not found["ok"]:
        terminal.fail(PROOF_WRONG, {"cause": name})
