"""`wijk audit`: verify a chain, prove parts of it, keep checkpoints (interfaces 1.6, 1.8)."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from audit.options import folder_option
from chain import terminal as asked

if TYPE_CHECKING:
    from audit.proofs import Proven
    from audit.sources import Source
    from audit.verify import Verdict
    from chain.policy import Policy
    from node.client import Client, Sign
    from node.light_client import Followed

PROOF_WRONG, ROOTS_CONFLICT, INVARIANT_BROKEN = 5001, 5003, 5004
_FILE = click.Path(path_type=Path, dir_okay=False)


class Settings(Protocol):
    """What an audit needs to know of the settings of this run."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Addresses of nodes, tried in order."""

    @property
    def timeout_ms(self) -> int:
        """How long to wait for an answer."""


class Terminal(asked.Terminal, Protocol):
    """The terminal of the program, with the client home."""

    @property
    def home(self) -> Path:
        """The client home: policy, receipts, checkpoints."""

    @property
    def settings(self) -> Settings:
        """The settings of this run."""

    def open_key(self, name: str | None) -> tuple[str, bytes, bytes]:
        """Open a key of the home: its account (bech32m), public key and seed."""

    def reading_signs(self) -> "Sequence[Sign]":
        """Return what signs questions where only members and auditors read (interfaces 2.3)."""


@click.group(help="Controleer de keten zelf // Check the chain yourself")
def audit() -> None:
    """What an auditor does: no account, no trust in a node."""


@audit.command(help="Reken alles na vanaf het begin // Work everything out from genesis")
@click.option(
    "--from",
    "first",
    type=click.IntRange(min=1),
    default=1,
    metavar="H",
    help="vanaf blok H: alleen koppen en certificaten // from block H: headers only",
)
@click.option("--to", "last", type=click.IntRange(min=1), metavar="H", help="tot en met // up to")
@folder_option
@click.pass_obj
def verify(terminal: Terminal, first: int, last: int | None, folder: Path | None) -> None:
    """Print block F; exit 0 if the chain is sound, else 8."""
    import time

    from audit import verify as verifying
    from chain.errors import Malformed
    from chain.texts import Problem
    from node.forks import refuse_known_fork

    if last is not None and last < first:
        raise Problem(1001, cause=f"--to {last} < --from {first}")
    refuse_known_fork(terminal.home)
    with show_progress(terminal) as on_block:
        options: dict[str, Any] = {
            "first": first,
            "last": last,
            "clock_s": time.monotonic,
            "on_block": on_block,
        }
        try:
            with open_source(terminal, folder) as source:
                verdict = verifying.verify(source, terminal.home, **options)
        except Malformed as error:
            if folder is None:
                raise
            verdict = verifying.damaged_source(str(folder), first, str(error))
    terminal.show(verdict.tree, _verdict_lines(terminal, verdict))
    if verdict.ok:
        return
    if verdict.tree["first_bad"] == 0 and verdict.tree["policy"]:
        terminal.say(
            f"{terminal.home} vertrouwt al een keten; geef een andere keten een eigen --home.",
            f"{terminal.home} trusts a chain already; give another chain a --home of its own.",
        )
    broken = verdict.tree["invariants"]
    if isinstance(broken, list):
        terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(broken)})
    terminal.fail(PROOF_WRONG, {"cause": _where(terminal, verdict)})


@audit.group(help="Haal een bewijs op en controleer het // Fetch a proof and judge it")
def proof() -> None:
    """Proofs as files."""


@proof.command("tx", help="Staat deze opdracht in het logboek // Is this order in the log")
@click.argument("tx")
@click.option("--out", type=_FILE, metavar="F", help="waarheen // where to")
@click.pass_obj
def proof_tx(terminal: Terminal, tx: str, out: Path | None) -> None:
    """Write the receipt of a transaction and judge it."""
    from audit.proofs import prove_tx
    from chain.texts import Problem

    if len(tx) != 64 or not set(tx) <= set("0123456789abcdef"):  # noqa: PLR2004 - hex of 32 bytes
        raise Problem(1001, cause=tx)
    with open_client(terminal) as client, judging(terminal):
        _print(terminal, prove_tx(client, _policy(terminal), terminal.home, tx, out))


@proof.command("account", help="Wat staat er op deze rekening // What is on this account")
@click.argument("who")
@click.option("--out", type=_FILE, metavar="F", help="waarheen // where to")
@click.pass_obj
def proof_account(terminal: Terminal, who: str, out: Path | None) -> None:
    """Write the state proof of an account's money and judge it. WHO is an account id."""
    from audit.proofs import prove_account
    from chain.address import parse_account
    from chain.errors import Malformed
    from chain.texts import Problem

    try:
        parse_account(who)
    except Malformed as error:
        raise Problem(1006, name=who, cause=str(error)) from error
    with open_client(terminal) as client, judging(terminal):
        _print(terminal, prove_account(client, _policy(terminal), terminal.home, who, out))


@proof.command("consistency", help="Is er niets herschreven // Was nothing rewritten")
@click.option("--from", "start", required=True, metavar="SIZE|FILE", help="van // from")
@click.option("--to", "to_size", type=click.IntRange(min=1), metavar="SIZE", help="tot // to")
@click.option("--out", type=_FILE, metavar="F", help="waarheen // where to")
@click.pass_obj
def proof_consistency(
    terminal: Terminal, start: str, to_size: int | None, out: Path | None
) -> None:
    """Write a consistency proof from a size or a checkpoint file and judge it."""
    from audit.proofs import prove_consistency, read_checkpoint

    policy = _policy(terminal)
    with open_client(terminal) as client, judging(terminal):
        known = (
            int(start)
            if start.isascii() and start.isdecimal()
            else read_checkpoint(Path(start), policy)
        )
        proven = prove_consistency(client, policy, terminal.home, known, end=to_size, out=out)
        _print(terminal, proven)


@audit.group(help="Bewaar een stand van het logboek // Keep a head of the log")
def checkpoint() -> None:
    """Checkpoints as files."""


@checkpoint.command("get", help="Haal de nieuwste op // Fetch the newest")
@click.option("--out", type=_FILE, metavar="F", help="waarheen // where to")
@click.pass_obj
def checkpoint_get(terminal: Terminal, out: Path | None) -> None:
    """Write the newest checkpoint after judging it."""
    from audit.proofs import get_checkpoint

    with open_client(terminal) as client, judging(terminal):
        proven = get_checkpoint(client, _policy(terminal), terminal.home, out)
    tree = proven.tree
    said = terminal.text(
        f"Blok {tree['height']}, {tree['log_size']} opdrachten: {tree['file']}",
        f"Block {tree['height']}, {tree['log_size']} transactions: {tree['file']}",
    )
    terminal.show(tree, [said])


@checkpoint.command(
    "diff", help="Vergelijk een bewaarde stand met nu // Compare a kept head with now"
)
@click.argument("file", type=_FILE)
@click.pass_obj
def checkpoint_diff(terminal: Terminal, file: Path) -> None:
    """Say whether the log of a node still begins with the kept one, and by how much it grew."""
    from audit.proofs import compare, read_checkpoint

    policy = _policy(terminal)
    with open_client(terminal) as client, judging(terminal):
        kept = read_checkpoint(file, policy)
        compared, conflict = compare(client, policy, terminal.home, kept)
    tree = {"file": str(file), **compared.tree}
    height, grown = tree["to"]["height"], tree["transactions"]
    said = terminal.text(
        f"Van blok {kept.height} naar {height}: {grown} opdrachten erbij",
        f"From block {kept.height} to {height}: {grown} more transactions",
    )
    terminal.show(tree, [said])
    if conflict:
        terminal.fail(ROOTS_CONFLICT, {"height": min(kept.height, height)})
    if not compared.ok:
        terminal.fail(PROOF_WRONG, {"cause": compared.why or ""})


@audit.command("follow", help="Loop mee met de keten, tot Ctrl-C // Follow the chain")
@click.option(
    "--from", "first", type=click.IntRange(min=1), metavar="H", help="vanaf blok H // from block H"
)
@click.pass_obj
def follow(terminal: Terminal, first: int | None) -> None:
    """Print a line for each block that the validators of its height certified."""
    from audit.follow import follow_blocks

    with judging(terminal):
        for tree in follow_blocks(terminal, first):
            names, of, other = tree["signers"], tree["validators"], tree["compared"]
            beside = terminal.text(f"; zo ook {other}", f"; so has {other}") if other else ""
            said = terminal.text(
                f"Blok {tree['height']} van {tree['at']}: {len(names)} van {of} tekenden{beside}",
                f"Block {tree['height']} of {tree['at']}: {len(names)} of {of} signed{beside}",
            )
            terminal.show(tree, [said])


# --------------------------------------------------------------------------------------- inside


@contextmanager
def open_client(terminal: Terminal, *urls: str) -> Iterator["Client"]:
    """Give a client of these nodes, or of all that this home knows."""
    from node.client import Client

    settings = terminal.settings
    client = Client(
        urls or settings.nodes,
        timeout_s=settings.timeout_ms / 1000,
        lang=terminal.lang,
        make_signs=terminal.reading_signs,
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def open_source(terminal: Terminal, folder: Path | None) -> Iterator["Source"]:
    """Give the chain of a stopped node's folder, or of the first node that answers."""
    if folder is None:
        from audit.node_source import NodeSource

        url = _choose_node(terminal)
        with open_client(terminal, url) as client:
            yield NodeSource(client, url)
    else:
        from audit.home import open_home

        with open_home(folder) as home:
            yield home


def _choose_node(terminal: Terminal) -> str:
    """Return the first node that answers, or the last one.

    A verdict names the node that it is about, so it is not made from two of them.
    """
    from chain.errors import Malformed
    from chain.texts import Problem
    from node.client import Unreachable

    *others, last = terminal.settings.nodes
    for url in others:
        try:
            with suppress(Malformed), open_client(terminal, url) as client:
                client.status()
        except Unreachable:
            continue
        except Problem:
            return url  # it answers; what it says is judged later
        return url
    return last


@contextmanager
def judging(terminal: Terminal) -> Iterator[None]:
    """What a node or a file says that does not hold is exit 8, not an unexpected error."""
    from chain.errors import Malformed

    try:
        yield
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})


def _policy(terminal: Terminal) -> "Policy":
    """Return whom this home trusts, followed up to now: without it a proof means nothing."""
    return follow_now(terminal).policy


def follow_now(terminal: Terminal, *, eager: bool = False) -> "Followed":
    """Follow the chain that this home knows, and say who certifies it now (consensus S9)."""
    import time

    from audit.files import POLICY, load_policy, replace
    from chain.texts import Problem
    from node.light_client import follow_for

    policy = load_policy(terminal.home)
    if policy is None:
        cause = terminal.text(
            f"{terminal.home / POLICY} ontbreekt: begin met wijk audit verify",
            f"{terminal.home / POLICY} is missing: begin with wijk audit verify",
        )
        raise Problem(1002, errors=[cause])
    return follow_for(
        terminal,
        terminal.home,
        policy,
        terminal.settings.nodes,
        now_ms=time.time_ns() // 1_000_000,
        save=replace,
        timeout_s=terminal.settings.timeout_ms / 1000,
        eager=eager,
    )


def _print(terminal: Terminal, proven: "Proven") -> None:
    tree: Mapping[str, Any] = proven.tree
    right = terminal.text("Het bewijs klopt", "The proof is right")
    wrong = terminal.text("Het bewijs klopt niet", "The proof is not right")
    terminal.show(tree, [f"{right if proven.ok else wrong}: {tree['file']}"])
    if not proven.ok:
        terminal.fail(PROOF_WRONG, {"cause": proven.why or ""})


def _where(terminal: Terminal, verdict: "Verdict") -> str:
    height, why = verdict.tree["first_bad"], verdict.why or ""
    return terminal.text(f"blok {height}: {why}", f"block {height}: {why}")


def _verdict_lines(terminal: Terminal, verdict: "Verdict") -> list[str]:
    tree = verdict.tree
    blocks, signatures, txs = tree["headers"], tree["signatures"], tree["transactions"]
    lines = [
        terminal.text("De keten klopt.", "The chain is sound.")
        if verdict.ok
        else terminal.text("De keten klopt niet: ", "The chain is not right: ")
        + _where(terminal, verdict),
        terminal.text(
            f"{blocks} blokken, {txs} opdrachten, {signatures} handtekeningen van validators",
            f"{blocks} blocks, {txs} transactions, {signatures} signatures of validators",
        ),
    ]
    if not tree["from_genesis"]:
        lines.append(
            terminal.text(
                "Alleen koppen en certificaten zijn gecontroleerd; de boeken niet.",
                "Only headers and certificates were checked; the books were not.",
            )
        )
    lines.append(terminal.text("Keten ", "Chain ") + str(tree["chain_digest"]))
    return lines


@contextmanager
def show_progress(terminal: Terminal) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is, to a person at a terminal and nobody else."""
    told = terminal.given
    plain = terminal.output != "text" or told.get("quiet") or not sys.stderr.isatty()
    if plain:
        yield lambda _height, _last: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True, no_color=bool(told.get("no_color")))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(terminal.text("blokken", "blocks"), total=None)
        yield lambda height, last: bar.update(task, completed=height, total=last)
