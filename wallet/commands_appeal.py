"""`wijk coin appeal|appeals|answer`: against a freeze, and the answer of the board (economy C19).

The chain keeps the digest of what is written and the day by which the board answers; the text goes
to the board by hand, for no text stands on the chain (G1). ADR 0094.
"""

from pathlib import Path
from typing import Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)
_FILE_BYTES_MAX = 16 * 1024 * 1024  # a letter, perhaps scanned, with what it shows
_FIELDS = ("id", "wijk", "state", "opened_at", "due_at", "answered_at", "text_sha256")
APPEAL = "APPEAL"


@click.command(help="Maak bezwaar tegen een bevriezing // Appeal against a freeze")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def appeal(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`governance.issue` of category APPEAL: FILE says why; the board answers in seven days."""
    from contracts.governance import Issue
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call
    from wallet.times import short_time

    account = find_account(terminal, named_keys(terminal, names))
    frozen, text = account["freeze"], _digest_of(file)
    if frozen is None:
        about = (
            "Deze rekening is niet bevroren; noem in uw brief welke het is.",
            "This account is not frozen; your letter has to say which one is.",
        )
    else:
        until, reason = short_time(frozen["until_at"]), frozen["reason"]
        about = (
            f"Deze rekening is bevroren tot {until} ({reason}).",
            f"This account is frozen until {until} ({reason}).",
        )
    said = (
        f"{about[0]}\nBezwaar maken met {file}; het bestuur antwoordt binnen 7 dagen.",
        f"{about[1]}\nAppeal with {file}; the board answers within 7 days.",
    )
    result = send_call(
        terminal, Issue("OPEN", APPEAL, text, None), names, "appeal", said, account=account
    )
    made = result.tx["tx"]  # the first object of an order has its id (economy B11)
    due = _due_at(terminal, made) if result.tx["status"] == "final" else None
    extra = {
        "issue": made,
        "wijk": account["wijk"],
        "category": APPEAL,
        "text_sha256": text.hex(),
        "due_at": due,
    }
    done = terminal.text(
        f"Bezwaar gemaakt: {made}. Geef {file} aan het bestuur; het antwoordt uiterlijk"
        f" {'' if due is None else short_time(due)}.",
        f"Appealed: {made}. Hand {file} to the board; it answers by"
        f" {'' if due is None else short_time(due)}.",
    )
    finish(terminal, result, extra, [done], "wijk coin appeals")


@click.command(
    help="Welke bezwaren er zijn, en of het bestuur op tijd is // Which appeals there are"
)
@click.option("--wijk", metavar="W", help="van welke wijk // of which wijk")
@click.pass_obj
def appeals(terminal: Terminal, wijk: str | None) -> None:
    """What `GET /v1/issues` says of appeals; who made one is not told."""
    from wallet.times import short_time

    items = [item for item in terminal.client.issues(wijk) if item["category"] == APPEAL]
    rows = [
        (
            item["id"],
            _word(terminal, item["state"]),
            short_time(item["due_at"]),
            "-" if item["answered_at"] is None else short_time(item["answered_at"]),
        )
        for item in items
    ]
    head = terminal.text("bezwaar,stand,uiterlijk,beantwoord", "appeal,state,due,answered")
    page = {"items": items, "next": None, "as_of_height": None}
    terminal.show_page(page, head.split(","), rows, _FIELDS)


@click.command(help="Beantwoord een bezwaar als bestuur // Answer an appeal, as the board")
@click.argument("issue_id", metavar="ID")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def answer(terminal: Terminal, issue_id: str, file: Path, names: tuple[str, ...]) -> None:
    """`governance.issue` step ANSWER: FILE is what the board says."""
    from contracts.governance import Issue
    from wallet.amounts import parse_id
    from wallet.finish import finish
    from wallet.order import send_call

    text = _digest_of(file)
    call = Issue("ANSWER", APPEAL, text, parse_id(issue_id))
    said = (
        f"Bezwaar {issue_id} beantwoorden met {file}.",
        f"Answer appeal {issue_id} with {file}.",
    )
    result = send_call(terminal, call, names, "answer", said)
    done = terminal.text(
        f"Beantwoord. Geef {file} aan wie bezwaar maakte.",
        f"Answered. Hand {file} to who appealed.",
    )
    extra = {"issue": issue_id, "answer_sha256": text.hex()}
    finish(terminal, result, extra, [done], "wijk coin appeals")


def _digest_of(file: Path) -> bytes:
    from chain.crypto import sha256
    from chain.texts import Problem
    from wallet.files import read_plain

    try:
        return sha256(read_plain(file, _FILE_BYTES_MAX))
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None


def _due_at(terminal: Terminal, issue_id: str) -> str | None:
    """Return the day by which the board answers, proven; None where no node tells: it is final."""
    from chain.texts import Problem
    from contracts.governance import IssueRecord
    from wallet.times import time_text
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    try:
        record = find_value(
            terminal.client.state_proof, f"issue/{issue_id}", IssueRecord, trusted_policy(terminal)
        )
    except Problem:
        return None
    return None if record is None else time_text(record.due_s * 1000)


def _word(terminal: Terminal, state: str) -> str:
    words: dict[str, Any] = {
        "open": ("open", "open"),
        "answered": ("beantwoord", "answered"),
        "overdue": ("TE LAAT", "OVERDUE"),
    }
    return terminal.text(*words[state])
