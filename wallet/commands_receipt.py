"""`wijk receipt show|verify`: what a receipt proves, without a network (interfaces 5.3).

Only this file, `chain/proof.py` and the policy file are needed; nothing here opens a socket.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.policy import Policy
    from chain.proof import ReceiptVerdict

_TX_LENGTH = 64
_SAID = {
    "unreadable": ("de bon is onleesbaar", "the receipt is unreadable"),
    "chain": ("de bon is van een andere keten", "the receipt is of another chain"),
    "inclusion": ("de betaling staat niet in het logboek", "the log does not hold the payment"),
    "era": (
        "de policy kent geen validators voor die hoogte",
        "the policy names no validators then",
    ),
    "signature": ("een handtekening is vals", "a signature is wrong"),
    "quorum": ("te weinig validators tekenden", "too few validators signed"),
    "refused": ("de opdracht is geweigerd; er is niets betaald", "the order was refused"),
    "envelope": ("de opdracht zelf klopt niet", "the order itself is not right"),
    "memo": ("de omschrijving hoort niet bij deze betaling", "the memo is not that of the payment"),
}


@click.group(help="Bonnen bekijken en controleren, zonder netwerk // Receipts, without network")
def receipt() -> None:
    """Receipts."""


@receipt.command(help="Toon wat er op een bon staat // Show what a receipt says")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Path(path_type=Path), help="wie te vertrouwen // whom to trust"
)
@click.pass_obj
def show(terminal: Terminal, file: Path, policy: Path | None) -> None:
    """Show block D, without judging by the exit code."""
    path, verdict = _judge(terminal, file, policy)
    _print(terminal, path, verdict)


@receipt.command(
    help="Controleer een bon; klopt hij niet, dan eindigt dit met 8 // Verify a receipt"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Path(path_type=Path), help="wie te vertrouwen // whom to trust"
)
@click.pass_obj
def verify(terminal: Terminal, file: Path, policy: Path | None) -> None:
    """Show block D; exit 0 if everything is proven, else 8 with `reason`."""
    path, verdict = _judge(terminal, file, policy)
    _print(terminal, path, verdict)
    if not verdict.ok:
        fail_unproven(terminal, verdict)


def fail_unproven(terminal: Terminal, verdict: "ReceiptVerdict") -> NoReturn:
    """End with exit 8 and the code that fits the reason of a verdict."""
    tally = verdict.signatures
    if verdict.reason == "quorum" and tally is not None:
        terminal.fail(5002, {"reason": "quorum", "have": tally.valid, "need": tally.needed})
    terminal.fail(5001, {"reason": verdict.reason or ""})


def load_policy(terminal: Terminal, path: Path | None) -> "Policy":
    """Return the policy in a file, by default that of the home; else `Problem` 1002.

    That of a home which keeps a fork is trusted no more: `Problem` 5003 (consensus S9).
    """
    from chain.errors import Malformed
    from chain.policy import POLICY_BYTES_MAX, read_policy
    from chain.texts import Problem
    from node.forks import refuse_known_fork
    from wallet.files import read_plain

    if path is None:
        refuse_known_fork(terminal.home)
    chosen = terminal.home / "policy.json" if path is None else path
    try:
        return read_policy(read_plain(chosen, POLICY_BYTES_MAX))
    except FileNotFoundError:
        cause = terminal.text(f"{chosen} ontbreekt", f"{chosen} is missing")
        raise Problem(1002, errors=[cause]) from None
    except Malformed as error:
        raise Problem(1002, errors=[f"{chosen}: {error}"]) from error


def _judge(terminal: Terminal, file: Path, policy: Path | None) -> tuple[Path, "ReceiptVerdict"]:
    """FILE may be a transaction id: then it is that receipt of the home."""
    from chain.proof import ReceiptVerdict, verify_receipt
    from chain.texts import Problem
    from wallet.receipts import load_receipt, receipt_path

    name = file.name
    path = file
    if len(name) == _TX_LENGTH and set(name) <= set("0123456789abcdef") and not file.exists():
        path = receipt_path(terminal.home, name)
    trusted = load_policy(terminal, policy)
    try:
        return path, verify_receipt(load_receipt(path), trusted)
    except Problem as problem:
        if problem.number == 3007:  # noqa: PLR2004 - there is no such file
            raise
        detail = str(problem)  # a folder, a FIFO, too large: unreadable like any other (5.3)
        return path, ReceiptVerdict(reason="unreadable", detail=detail)


def _print(terminal: Terminal, path: Path, verdict: "ReceiptVerdict") -> None:
    from chain.proof import receipt_json

    tree = receipt_json(verdict, str(path))
    terminal.show(tree, _lines(terminal, tree), style="bold green" if verdict.ok else "bold red")


def _lines(terminal: Terminal, tree: dict[str, Any]) -> list[str]:
    reason = tree["reason"]
    if tree["ok"]:
        lines = [terminal.text("De bon klopt.", "The receipt is right.")]
    else:
        said = _SAID.get(reason, (reason, reason))
        lines = [terminal.text(f"De bon klopt niet: {said[0]}.", f"Not right: {said[1]}.")]
    payment = tree["payment"]
    if payment:
        amount = terminal.money(payment["amount_cents"])
        lines += [
            terminal.text(f"Bedrag: {amount}", f"Amount: {amount}"),
            terminal.text(f"Van: {payment['from']}", f"From: {payment['from']}"),
            terminal.text(f"Aan: {payment['to']}", f"To: {payment['to']}"),
        ]
        if payment["memo"] is not None:
            memo = payment["memo"]
            lines.append(terminal.text(f"Omschrijving: {memo}", f"Memo: {memo}"))
    if tree["tx"]:
        lines.append(terminal.text(f"Opdracht: {tree['tx']}", f"Order: {tree['tx']}"))
    tally = tree["signatures"]
    if tally:
        valid, of, needed, height = tally["valid"], tally["of"], tally["needed"], tree["height"]
        lines.append(
            terminal.text(
                f"Blok {height}: {valid} van {of} validators tekenden, {needed} is genoeg",
                f"Block {height}: {valid} of {of} validators signed, {needed} are enough",
            )
        )
    return lines
