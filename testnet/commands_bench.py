"""`wijk bench`: how fast a network on this machine is, measured honestly (interfaces 1.7, 1.8)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from testnet.stopping import until_stopped
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from testnet.bench import Told


class Rate(click.ParamType[int]):
    """`max`, or how many transactions per second; 0 stands for `max`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return transactions per second."""
        if value == "max":
            return 0
        return click.IntRange(1, 100_000).convert(value, param, ctx)


@click.command(help="Meet hoe snel een netwerk hier is // Measure a network on this machine")
@click.option("--nodes", type=click.IntRange(1, 100), default=4, help="validators")
@click.option("--seconds", type=click.IntRange(1, 300), default=20, help="meettijd // window")
@click.option("--rate", type=Rate(), default="max", metavar="max|N", help="tx/s")
@click.option("--dead", type=click.IntRange(0, 99), default=0, help="dood vooraf // killed first")
@click.option("--accounts", type=click.IntRange(2, 1_000_000), default=10_000, help="accounts")
@click.option("--warmup", default="3s", metavar="T", help="aanloop // warm-up")
@click.option("--profile", "profiled", is_flag=True, help="kosten per stap // cost per stage")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="bewaar het netwerk hier // keep the network here",
)
@click.pass_obj
def bench(
    terminal: Terminal,
    nodes: int,
    seconds: int,
    rate: int,
    dead: int,
    accounts: int,
    warmup: str,
    profiled: bool,
    folder: Path | None,
) -> None:
    """Show object G; fail where something was lost."""
    import shutil
    import tempfile

    from chain.texts import Problem
    from chain.validators import quorum
    from testnet.bench import run_bench
    from testnet.figures import Setting
    from wallet.amounts import parse_duration_ms

    if dead > nodes - quorum(nodes):
        raise Problem(1001, cause=f"--dead > {nodes - quorum(nodes)}")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        said = terminal.text(f"{folder} is niet leeg", f"{folder} is not empty")
        raise Problem(1002, errors=[said])
    setting = Setting(
        nodes, seconds, rate or None, dead, accounts, parse_duration_ms(warmup) / 1000
    )
    place = folder or Path(tempfile.mkdtemp(prefix="wijk-bench-")) / "net"

    def clean_up() -> None:
        if folder is None:
            shutil.rmtree(place.parent, ignore_errors=True)

    with until_stopped(clean_up), _progress(terminal) as told:
        result = run_bench(setting, place, told)
    tree = result.tree | ({"profile": result.profile} if profiled else {})
    for code, count in sorted(result.refused.items()):
        terminal.say(f"Geweigerd: {count} x {code}", f"Refused: {count} x {code}")
    terminal.show(tree, _lines(terminal, tree))
    if result.broken:
        terminal.fail(5004, {"invariant": ", ".join(result.broken)})


STEPS = {
    "start": ("Nodes starten", "Starting nodes"),
    "attach": ("Rekeningen maken", "Making accounts"),
    "fund": ("Rekeningen vullen", "Funding accounts"),
    "sign": ("Betalingen tekenen", "Signing payments"),
    "load": ("Meten", "Measuring"),
}


@contextmanager
def _progress(terminal: Terminal) -> Iterator["Told"]:
    """Say each step, and show how far it is to a person at a terminal."""
    import sys

    from rich.console import Console
    from rich.progress import Progress, TaskID

    shown = sys.stderr.isatty() and not terminal.flag("quiet") and terminal.output == "text"
    rows: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), disable=not shown) as bar:

        def told(step: str, done: int, total: int) -> None:
            if step not in rows:
                nl, en = STEPS[step]
                rows[step] = bar.add_task(terminal.text(nl, en), total=None)
                if not shown:
                    terminal.say(f"{nl} ...", f"{en} ...")
            if total:
                bar.update(rows[step], completed=done, total=total)

        yield told


def _lines(terminal: Terminal, tree: dict[str, Any]) -> list[str]:
    from testnet.figures import BUDGET_US

    latency = tree["latency_ms"]
    lines = [
        terminal.text(
            f"{tree['tps']} transacties per seconde, {tree['ratio_to_cap']} van wat kan",
            f"{tree['tps']} transactions per second, {tree['ratio_to_cap']} of the cap",
        ),
        "  " + "  ".join(f"{name} {value} ms" for name, value in latency.items()),
        terminal.text(
            f"  {tree['blocks']} blokken van {tree['tx_per_block']} transacties",
            f"  {tree['blocks']} blocks of {tree['tx_per_block']} transactions",
        ),
    ]
    for name, value in tree.get("profile", {}).items():
        budget = BUDGET_US.get(name.removesuffix("_us"))
        lines.append(f"  {name:<16}{value:>8}" + (f"  ({budget})" if budget else ""))
    return lines
