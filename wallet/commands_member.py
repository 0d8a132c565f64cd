"""`wijk member`: what registrars do (interfaces 1.6, economy `members`).

FILE holds the fields of the call by their catalogue names; two registrars sign, together or with
a draft.
"""

from pathlib import Path
from typing import Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)
_KINDS = ("person", "household", "business", "institution", "association")
_STATUSES = {
    "active": ("actief", "active"),
    "frozen": ("stilgezet", "frozen"),
    "closed": ("uitgeschreven", "closed"),
}


@click.group(help="Leden en grenzen, door de registrar // Members and limits, by the registrar")
def member() -> None:
    """Members of a wijk."""


@member.command("list", help="Toon de leden // List the members")
@click.option("--wijk", metavar="SLUG", help="van welke wijk // of which wijk")
@click.option("--kind", type=click.Choice(_KINDS), help="van welke soort // of which kind")
@click.option("--status", type=click.Choice(list(_STATUSES)), help="hoe het staat // how it stands")
@click.option("--limit", type=click.IntRange(1, 500), help="zoveel // so many")
@click.option("--after", metavar="C", help="verder waar een bladzij ophield // go on after a page")
@click.option(
    "--prove",
    is_flag=True,
    help="de hele lijst van een wijk, en of die bewezen is // all of a wijk, and whether proven",
)
@click.pass_obj
def list_(
    terminal: Terminal,
    wijk: str | None,
    kind: str | None,
    status: str | None,
    limit: int | None,
    after: str | None,
    *,
    prove: bool,
) -> None:
    """What `GET /v1/members` says: accounts, kinds and areas; the chain knows no names (N10)."""
    asked = {"wijk": wijk, "kind": kind, "status": status, "limit": limit, "after": after}
    page = _read_proven(terminal, wijk) if prove else terminal.client.members(asked)
    if prove:  # what is left out of a list that was proven is left out here
        kept = [
            item
            for item in page["items"]
            if kind in (None, item["kind"]) and status in (None, item["status"])
        ]
        page["items"] = kept
    rows = [
        (
            item["account"],
            item["wijk"],
            item["kind"],
            terminal.text(*_STATUSES[item["status"]]),
            item["area"] or "-",
            " ".join(item["flags"]) or "-",
        )
        for item in page["items"]
    ]
    head = terminal.text(
        "rekening,wijk,soort,stand,gebied,mag", "account,wijk,kind,status,area,may"
    )
    names = ("account", "wijk", "kind", "status", "area", "flags", "limit_cents")
    terminal.show_page(page, head.split(","), rows, names)
    if prove:
        terminal.say(
            "Bewezen: elke regel, en dat niemand die mag stemmen ontbreekt.",
            "Proven: each line, and that nobody who has a vote is missing.",
        )


def _read_proven(terminal: Terminal, wijk: str | None) -> dict[str, Any]:
    """Return all members of a wijk after they were checked; `Problem` 5001 where a proof fails."""
    from wallet.order import wijk_or_own
    from wallet.trust import trusted_policy
    from wallet.verify_items import ask_again, verify_members

    slug, trust, client = wijk_or_own(terminal, wijk), trusted_policy(terminal), terminal.client

    def ask() -> list[dict[str, Any]]:
        items = client.all_members(slug)
        verify_members(items, slug, trust, client.state_proof)
        return items

    return {"items": ask_again(ask), "next": None, "as_of_height": None}


@member.command(help="Laat een lid toe // Admit a member")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def admit(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`members.admit`: the account of the key in FILE becomes a membership."""
    _send(terminal, file, "members.admit", names)


@member.command(help="Voeg rekeningen zonder lidmaatschap toe // Add accounts without membership")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def attach(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`members.attach`: payment, team and role accounts."""
    _send(terminal, file, "members.attach", names)


@member.command(help="Stel grenzen en gegevens van een rekening in // Set the limits of an account")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def limits(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`members.set_limits`: limits and attributes of an account."""
    _send(terminal, file, "members.set_limits", names)


@member.command(help="Schors, laat gaan of neem terug // Suspend, let go or take back")
@click.argument("who")
@click.argument("word", metavar="S", type=click.Choice(["active", "suspended", "left"]))
@click.option("--reason", required=True, metavar="C", help="reden // reason")
@keys_option
@click.pass_obj
def status(terminal: Terminal, who: str, word: str, reason: str, names: tuple[str, ...]) -> None:
    """`members.set_status`: the first time opens a hearing; a member leaves by itself."""
    from chain.address import account_text
    from contracts.members import SetStatus
    from wallet.finish import finish
    from wallet.order import send_call
    from wallet.people import resolve_who

    party = resolve_who(terminal, who)
    reason = reason.upper()  # reasons are codes: A-Z, 0-9, - and _ (economy B12)
    call = SetStatus(party.account, word.upper(), reason)  # type: ignore[arg-type]
    said = f"{who}: {word} ({reason}).", f"{who}: {word} ({reason})."
    result = send_call(terminal, call, names, "member-status", said)
    done = [terminal.text(*said)]
    if result.tx["status"] == "final" and result.failure is None:
        stands = terminal.client.account(account_text(party.account))["status"]
        if word != "active" and stands == "active":
            done = [
                terminal.text(
                    f"{who} wordt nu eerst gehoord; stuur dit na die tijd nog een keer.",
                    f"{who} is heard first; send this once more after that time.",
                )
            ]
    finish(terminal, result, {}, done)


def _send(terminal: Terminal, file: Path, name: str, names: tuple[str, ...]) -> None:
    from chain.call_json import call_to_json
    from wallet.commands_tx import read_call
    from wallet.finish import finish
    from wallet.order import TABLE, call_lines, send_call

    call = read_call(terminal, file, name)
    fields = "\n".join(call_lines(terminal, call_to_json(TABLE, call)))
    result = send_call(terminal, call, names, name.replace(".", "-"), (fields, fields))
    done = terminal.text(f"Uitgevoerd: {name}", f"Done: {name}")
    finish(terminal, result, {}, [done], f"wijk tx show {result.tx['tx']}")
