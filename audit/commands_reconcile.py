"""`wijk audit reconcile`: the bank's file against the chain, to the cent (economy X7)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.commands import (
    INVARIANT_BROKEN,
    PROOF_WRONG,
    Terminal,
    open_source,
    show_progress,
)
from audit.options import folder_option
from chain.dates import date_text
from chain.money_text import money

if TYPE_CHECKING:
    from audit.reconcile import Finding, Reconciled

BOOKS_DIFFER = 5005
MATCH_EXIT = 8  # interfaces 1.4: 70 is for a node that finds it
BANK_FILE_BYTES_MAX = 16 * 1024 * 1024  # economy C5


@click.command(help="Leg het bankbestand naast de keten // Hold the bank's file against the chain")
@click.option(
    "--bank",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    required=True,
    metavar="CAMT053.xml",
    help="van de bank zelf; mag vaker // from the bank itself; may be given again",
)
@click.option("--wijk", metavar="W", help="van welke wijk // of which wijk")
@folder_option
@click.pass_obj
def reconcile(
    terminal: Terminal, files: tuple[Path, ...], wijk: str | None, folder: Path | None
) -> None:
    """Verify the chain, compare every bank day in the files, list what is open; exit 0 or 8."""
    from audit.files import read_bounded
    from audit.reconcile import check_files, choose_books
    from audit.reconcile import reconcile as compare
    from audit.verify import verify_whole
    from bank.faults import BankFileError
    from chain.errors import Malformed
    from chain.texts import Problem

    data = [read_bounded(file, BANK_FILE_BYTES_MAX) for file in files]
    try:
        check_files(data)
        with show_progress(terminal) as on_block, open_source(terminal, folder) as source:
            report, state = verify_whole(source, terminal.home, on_block)
        if report.broken:
            terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(report.broken)})
        if not report.ok:
            terminal.fail(PROOF_WRONG, {"cause": f"block {report.first_bad}: {report.why}"})
        books, days = choose_books(state, data, wijk)
    except BankFileError as error:
        terminal.say(error.sentence("nl"), error.sentence("en"))
        what = terminal.text(error.fault.what["nl"], error.fault.what["en"])
        raise Problem(1001, cause=f"{what.rstrip('.')} [{error.code}]") from error
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    done = compare(state, books, days)
    terminal.show(_make_tree(done, report.last), _make_lines(terminal, done))
    if not done.ok:
        terminal.fail(
            BOOKS_DIFFER, {"difference_cents": done.difference or 0}, exit_code=MATCH_EXIT
        )


def _make_tree(done: "Reconciled", height: int) -> dict[str, Any]:
    return {
        "wijk": done.wijk,
        "statement": done.statement.hex(),
        "matched": done.matched,
        "unmatched_bank": [
            {"entry": one.entry.hex(), "amount_cents": one.bank, "on": date_text(one.on)}
            for one in done.findings
            if one.kind == "entry" and one.chain is None and one.entry is not None
        ],
        "unmatched_chain": [
            {"tx": one.tx.hex(), "amount_cents": one.chain}
            for one in done.findings
            if one.kind == "entry" and one.bank is None and one.tx is not None
        ],
        "differences": [
            {
                "kind": one.kind,
                "on": date_text(one.on),
                "entry": None if one.entry is None else one.entry.hex(),
                "bank_cents": one.bank,
                "chain_cents": one.chain,
                "tx": None if one.tx is None else one.tx.hex(),
            }
            for one in done.findings
        ],
        "open_items": [
            {
                "entry": item.entry.hex(),
                "amount_cents": item.cents,
                "side": item.side,
                "on": date_text(item.on),
                "days": item.days,
            }
            for item in done.open_items
        ],
        "supply_cents": done.supply,
        "bank_cents": done.bank,
        "difference_cents": done.difference,
        "height": height,
        "ok": done.ok,
    }


def _make_lines(terminal: Terminal, done: "Reconciled") -> list[str]:
    count = len(done.findings)
    lines = [
        terminal.text(
            f"{done.wijk}: bank en keten zijn gelijk, {done.matched} bankregels.",
            f"{done.wijk}: bank and chain agree, {done.matched} bank entries.",
        )
        if done.ok
        else terminal.text(
            f"{done.wijk}: {count} verschillen; {done.matched} bankregels zijn gelijk.",
            f"{done.wijk}: {count} differences; {done.matched} bank entries are equal.",
        )
    ]
    lines += [f"  {_say(terminal, one)}" for one in done.findings]
    if done.open_items:
        lines.append(
            terminal.text("Nog niet geboekt, oudste eerst:", "Not booked yet, oldest first:")
        )
        lines += [
            terminal.text(
                f"  {on}  {item.side} {cents}, {item.days} dagen  {item.entry.hex()}",
                f"  {on}  {item.side} {cents}, {item.days} days  {item.entry.hex()}",
            )
            for item in done.open_items
            for on, cents in ((date_text(item.on), _money(terminal, item.cents)),)
        ]
    return lines


def _say(terminal: Terminal, one: "Finding") -> str:
    entry = None if one.entry is None else one.entry.hex()
    return say_difference(terminal, one.kind, date_text(one.on), entry, one.bank, one.chain)


def say_difference(
    terminal: Terminal,
    kind: str,
    on: str,
    entry: str | None,
    bank_cents: int | None,
    chain_cents: int | None,
) -> str:
    """Return a difference for people; `on` is a date, `entry` the id of a bank entry."""
    bank, chain = (_money(terminal, cents) for cents in (bank_cents, chain_cents))
    name = "" if entry is None else f"  {entry}"
    dutch, english = _KINDS[kind]
    return terminal.text(
        f"{on}  {dutch}: bank {bank}, keten {chain}{name}",
        f"{on}  {english}: bank {bank}, chain {chain}{name}",
    )


_KINDS = {
    "entry": ("regel", "entry"),
    "amount": ("bedrag", "amount"),
    "side": ("af of bij", "side"),
    "reversal": ("storno", "reversal"),
    "day": ("afschrift", "day"),
    "opening": ("beginsaldo", "opening"),
    "closing": ("eindsaldo", "closing"),
    "gap": ("gat in het bestand", "gap"),
    "books": ("boeken", "books"),
    "end": ("einde van de maand niet te zien", "end of the month not seen"),
    "short": ("te weinig dekking", "short of backing"),
}


def _money(terminal: Terminal, cents: int | None) -> str:
    """Return an amount for people, a dash for none; a bank may say one below zero."""
    if cents is None:
        return "-"
    shown = money(abs(cents), terminal.lang)
    return shown if cents >= 0 else f"-{shown}"
