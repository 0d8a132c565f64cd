"""`wijk audit export`: the books as files for accountants (interfaces 1.6, economy X1 to X5)."""

from pathlib import Path
from typing import Any

import click

from audit.commands import (
    INVARIANT_BROKEN,
    PROOF_WRONG,
    Terminal,
    open_source,
    show_progress,
)
from audit.options import folder_option, out_option

FORMATS = ("csv", "jsonl", "parquet", "sqlite", "hledger", "beancount", "camt053", "xaf")


@click.command(help="Schrijf de boeken als bestanden // Write the books as files")
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True, help="vorm // form")
@click.option("--from", "first", metavar="D", help="vanaf JJJJ-MM-DD // from YYYY-MM-DD")
@click.option(
    "--to",
    "last",
    metavar="D",
    help="tot en met, anders vandaag // up to and including, else today",
)
@out_option
@click.option("--account", metavar="WHO", help="alleen deze rekening // this account only")
@click.option("--pseudonymise", is_flag=True, help="zonder rekeningnummers // without account ids")
@click.option(
    "--tax-id",
    "tax_ids",
    multiple=True,
    metavar="WIJK=ID",
    help="fiscaal nummer van een wijk, in XAF // tax number of a wijk, in XAF",
)
@folder_option
@click.pass_obj
def export(
    terminal: Terminal,
    kind: str,
    first: str | None,
    last: str | None,
    out: Path,
    account: str | None,
    pseudonymise: bool,
    tax_ids: tuple[str, ...],
    folder: Path | None,
) -> None:
    """Verify the chain, write the files, print their names and sums; exit 8 if it is not sound."""
    import time
    from importlib.metadata import version

    from audit.export import ONE_ACCOUNT, Order
    from audit.export import export as write_export
    from chain.address import parse_account
    from chain.dates import compute_book_date
    from chain.errors import Malformed
    from chain.params import BOOK_DATE_AHEAD_S
    from chain.texts import Problem

    if account is not None:
        if kind not in ONE_ACCOUNT:
            raise Problem(1001, cause=f"--account: {', '.join(ONE_ACCOUNT)}")
        try:
            parse_account(account)
        except Malformed as error:
            raise Problem(1006, name=account, cause=str(error)) from error
    # Book dates run ahead of UTC (B9): else an export late in the evening lacks its last hour.
    today = compute_book_date(int(time.time()), BOOK_DATE_AHEAD_S)
    order = Order(
        format=kind,
        first=None if first is None else _read_date(first, "--from"),
        last=today if last is None else _read_date(last, "--to"),
        account=account,
        pseudonymise=pseudonymise,
        tax_ids=_read_tax_ids(tax_ids),
        today=today,
        version=version("wijkchain"),
    )
    if order.first is not None and order.first > order.last:
        raise Problem(1001, cause=f"--to {last} < --from {first}")
    try:
        with show_progress(terminal) as on_block, open_source(terminal, folder) as source:
            exported = write_export(source, terminal.home, out, order, on_block=on_block)
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    tree: dict[str, Any] = exported.tree
    totals = tree["totals"]
    lines = [
        terminal.text(
            f"{len(tree['files'])} bestanden in {out}, debet {totals['debit_cents']} = "
            f"credit {totals['credit_cents']} cent",
            f"{len(tree['files'])} files in {out}, debit {totals['debit_cents']} = "
            f"credit {totals['credit_cents']} cents",
        )
    ]
    lines += [f"  {file['name']}  {file['rows']}  {file['sha256']}" for file in tree["files"]]
    terminal.show(tree, lines if exported.why is None else [])
    if exported.broken:
        terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(exported.broken)})
    if exported.why is not None:
        terminal.fail(PROOF_WRONG, {"cause": exported.why})


def _read_date(text: str, option: str) -> int:
    """Return YYYYMMDD of YYYY-MM-DD, or raise `Problem` 1001."""
    from chain.dates import is_date
    from chain.texts import Problem

    digits = text.replace("-", "")
    plain = digits.isascii() and digits.isdecimal() and text == _dash(digits)
    if not plain or not is_date(int(digits)):
        raise Problem(1001, cause=f"{option} {text}: JJJJ-MM-DD")
    return int(digits)


def _dash(digits: str) -> str:
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _read_tax_ids(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the tax numbers by wijk, or raise `Problem` 1001."""
    from chain.texts import Problem

    found: dict[str, str] = {}
    for text in texts:
        wijk, given, number = text.partition("=")
        if not given or not wijk or len(number) > 30:  # noqa: PLR2004 - TypeString30 of the schema
            raise Problem(1001, cause=f"--tax-id {text}: WIJK=ID")
        found[wijk] = number
    return found
