"""`wijk coin transfer`: many payments in one order, all of them or none (economy C9, ADR 0094).

A wijk fund pays in the same way, on a decision that its members voted, within what that leaves.
"""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.commands_hold import tag_option
from wallet.commands_shared import later_option
from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from contracts.coin import Leg

_FILE = click.Path(path_type=Path)
_FILE_BYTES_MAX = 64 * 1024  # 64 payees with long names take a tenth of it
_BASIS = "besluit waarop een wijkfonds betaalt: founding, w1/7 // what a fund pays on"
_COLUMNS = ("who", "amount", "tag", "vat")
FOUNDING = "founding"
_Row = tuple[str, str, str | None, str | None]  # who, amount, tag, VAT, as they were typed


@click.command(help="Betaal velen ineens, of niemand // Pay many at once, or nobody")
@click.argument("legs", metavar="[WHO=AMOUNT]...", nargs=-1)
@click.option(
    "--file", type=_FILE, help="CSV met who, amount, tag, vat // CSV with who, amount, tag, vat"
)
@click.option("--basis", metavar="VOTE|ID", help=_BASIS)
@tag_option
@later_option
@keys_option
@click.pass_obj
def transfer(terminal: Terminal, /, legs: tuple[str, ...], names: Any, **rest: Any) -> None:
    """`coin.transfer` of up to 64 legs inside a wijk."""
    from chain.address import account_text
    from contracts.coin import LEGS_MAX, Transfer
    from wallet.commands_shared import send_or_propose
    from wallet.order import find_account, named_keys
    from wallet.people import shown_account
    from wallet.tags import tag_text

    rows = [_split(terminal, one, rest["tag"]) for one in legs]
    if rest["file"] is not None:
        rows += _read_rows(rest["file"], rest["tag"])
    if not 0 < len(rows) <= LEGS_MAX:
        terminal.fail(1001, {"cause": f"1..{LEGS_MAX} WHO=AMOUNT"})
    paid = [_leg(terminal, *row) for row in rows]
    account = find_account(terminal, named_keys(terminal, names))
    basis = _find_basis(terminal, account, rest["basis"])
    total = sum(leg.cents for leg in paid)
    shown = terminal.money(total)
    lines = [
        f"  {terminal.money(leg.cents)}  {shown_account(terminal, leg.to)}"
        + ("" if leg.tag is None else f"  {tag_text(leg.tag)}")
        for leg in paid
    ]
    on = ("", "") if basis is None else _say_basis(terminal, basis)
    listed = "\n".join(lines)
    said = (
        f"{shown} betalen aan {len(paid)} ontvangers, allen of niemand{on[0]}:\n{listed}",
        f"Pay {shown} to {len(paid)} payees, all of them or none{on[1]}:\n{listed}",
    )
    call = Transfer(tuple(paid), basis)
    extra = {
        "from": account["account"],
        "denom": account["balances"][0]["denom"],
        "total_cents": total,
        "legs": [{"to": account_text(leg.to), "amount_cents": leg.cents} for leg in paid],
        "basis": None if basis is None else basis.hex(),
    }
    done = terminal.text(
        f"Betaald: {shown} aan {len(paid)} ontvangers.", f"Paid: {shown} to {len(paid)} payees."
    )
    send_or_propose(
        terminal, call, names, "transfer", said, account, rest["later"], extra, done,
        "wijk account history",
    )  # fmt: skip


def _split(terminal: Terminal, text: str, tag: str | None) -> _Row:
    who, mark, amount = text.rpartition("=")
    if not mark or not who:
        terminal.fail(1001, {"cause": f"{text[:64]}: WHO=AMOUNT"})
    return who, amount, tag, None


def _read_rows(file: Path, tag: str | None) -> list[_Row]:
    """Return the rows of a CSV file with a header line; commas or semicolons part its columns."""
    from chain.texts import Problem
    from wallet.files import read_plain

    try:
        text = read_plain(file, _FILE_BYTES_MAX).decode("utf-8-sig")
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None
    except UnicodeDecodeError:
        raise Problem(1001, cause=f"{file}: UTF-8") from None
    mark = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=mark, strict=True)
    try:
        names = set(reader.fieldnames or ())
        if not {"who", "amount"} <= names <= set(_COLUMNS):
            raise Problem(1001, cause=f"{file}: {', '.join(_COLUMNS)}")
        rows = list(reader)
    except csv.Error as error:
        raise Problem(1001, cause=f"{file}: {error}") from None
    for number, row in enumerate(rows, start=2):
        if None in row or not row["who"] or not row["amount"]:
            raise Problem(1001, cause=f"{file}:{number}")
    return [
        (row["who"], row["amount"], row.get("tag") or tag, row.get("vat") or None) for row in rows
    ]


def _leg(terminal: Terminal, who: str, amount: str, tag: str | None, vat: str | None) -> "Leg":
    from contracts.coin import Leg
    from wallet.amounts import parse_amount
    from wallet.people import resolve_who
    from wallet.tags import read_tag

    payee = resolve_who(terminal, who)
    return Leg(payee.account, parse_amount(amount), read_tag(tag, vat), None)


def _find_basis(terminal: Terminal, account: dict[str, Any], text: str | None) -> bytes | None:
    """Return the decision that a fund pays on; nobody else pays on one (I11)."""
    from chain.genesis import founding_decision_id
    from wallet.ballot_box import find_object
    from wallet.trust import trusted_policy

    is_fund = account["kind"] == "board"
    if is_fund != (text is not None):
        cause = terminal.text(
            "een wijkfonds, en alleen dat, betaalt op een besluit: --basis",
            "a wijk fund, and nobody else, pays on a decision: --basis",
        )
        terminal.fail(1001, {"cause": cause})
    if text is None:
        return None
    if text == FOUNDING:
        return founding_decision_id(trusted_policy(terminal).chain_id, account["wijk"])
    return find_object(terminal, text)


def _say_basis(terminal: Terminal, basis: bytes) -> tuple[str, str]:
    """Return what a decision leaves to spend, proven from state."""
    from chain.keyspaces import Decision
    from chain.texts import Problem
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    ask, policy = terminal.client.state_proof, trusted_policy(terminal)
    decision = find_value(ask, f"decision/{basis.hex()}", Decision, policy)
    if decision is None:
        raise Problem(3007, what=basis.hex())
    spent = find_value(ask, f"spent/{basis.hex()}", int, policy) or 0
    of, left = terminal.money(decision.cents), terminal.money(max(0, decision.cents - spent))
    name = f"{decision.wijk}/{decision.number}"
    return (
        f", op besluit {name} (nog {left} van {of})",
        f", on decision {name} ({left} left of {of})",
    )
