"""`wijk account balance|history|limits` (interfaces 1.6)."""

from typing import Any

import click

from wallet.terminal import Terminal

_HISTORY_LIMIT = 50
_HISTORY_FIELDS = (
    "tx", "height", "index", "at", "kind", "direction", "counterparty", "counterparty_name",
    "amount_cents", "denom", "balance_cents", "memo", "cross_wijk", "code",
)  # fmt: skip


@click.group(help="Saldo, geschiedenis en grenzen // Balance, history and limits")
def account() -> None:
    """An account."""


@account.command(help="Het saldo van uzelf of van WHO // The balance of yourself or of WHO")
@click.argument("who", required=False)
@click.option("--at", metavar="HEIGHT|DATE", help="toen, in plaats van nu // then, not now")
@click.pass_obj
def balance(terminal: Terminal, who: str | None, at: str | None) -> None:
    """Show what an account has."""
    from wallet.history import find_height
    from wallet.people import shown_name

    height = None if at is None else find_height(terminal.client, at)
    found = _account(terminal, who, height)
    own = found["balances"][0]
    held, available = own["held_cents"], own["available_cents"]
    text = terminal.money(available + held)
    tree = {
        "account": found["account"],
        "name": shown_name(terminal, found["account"]),
        "wijk": found["wijk"],
        "denom": own["denom"],
        "balance_cents": available + held,
        "held_cents": held,
        "available_cents": available,
        "height": found["height"],
        "at": terminal.client.block(found["height"])["at"] if found["height"] else None,
        "text": text,
    }
    lines = [text]
    if held:
        free = terminal.money(available)
        lines.append(terminal.text(f"waarvan vrij: {free}", f"of which free: {free}"))
    terminal.show(tree, lines)


@account.command(help="Wat er in en uit ging, het nieuwste eerst // What came in and went out")
@click.argument("who", required=False)
@click.option("--since", metavar="DATE", help="vanaf deze dag // from this day")
@click.option("--until", metavar="DATE", help="tot en met deze dag // up to this day")
@click.option("--with", "with_", metavar="WHO", help="alleen met // only with")
@click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=_HISTORY_LIMIT,
    show_default=True,
    help="hoeveel // how many",
)
@click.option("--after", metavar="C", help="vervolg van een vorige lijst // go on from a list")
@click.pass_obj
def history(
    terminal: Terminal,
    who: str | None,
    since: str | None,
    until: str | None,
    with_: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List what moved, with the names and memos that this home knows."""
    from chain.address import account_text
    from wallet.history import fill_in
    from wallet.order import who_or_own
    from wallet.people import resolve_who
    from wallet.times import check_date, short_time

    party = account_text(who_or_own(terminal, who).account)
    asked = {
        "since": None if since is None else check_date(since),
        "until": None if until is None else check_date(until),
        "with": None if with_ is None else account_text(resolve_who(terminal, with_).account),
        "limit": limit,
        "after": after,
    }
    page = fill_in(terminal, party, terminal.client.history(party, asked))
    head = [terminal.text("wanneer", "when"), terminal.text("bedrag", "amount"),
            terminal.text("met", "with"), terminal.text("omschrijving", "memo"),
            terminal.text("saldo", "balance")]  # fmt: skip
    terminal.show_page(
        page,
        head,
        (
            [
                short_time(item["at"]),
                ("+" if item["direction"] == "in" else "-") + terminal.money(item["amount_cents"]),
                _with_whom(terminal, item),
                item["memo"] or "",
                terminal.money(item["balance_cents"]),
            ]
            for item in page["items"]
        ),
        _HISTORY_FIELDS,
    )


@account.command(help="Hoeveel een rekening nog mag hebben // How much an account may still hold")
@click.argument("who", required=False)
@click.pass_obj
def limits(terminal: Terminal, who: str | None) -> None:
    """Show the wallet limit and what is under way."""
    from chain.address import account_text
    from wallet.order import who_or_own

    found = terminal.client.limits(account_text(who_or_own(terminal, who).account))
    cap, room = found["wallet_cap_cents"], found["room_cents"]
    none = terminal.text("geen grens", "no limit")
    said = none if cap is None else terminal.money(cap)
    left = none if room is None else terminal.money(room)
    terminal.show(
        found,
        [
            terminal.text(f"Hoogstens op deze rekening: {said}", f"At most here: {said}"),
            terminal.text(f"Er kan nog bij: {left}", f"Room left: {left}"),
            terminal.text(
                f"Onderweg: {found['pending']} van {found['pending_max']}",
                f"Under way: {found['pending']} of {found['pending_max']}",
            ),
        ],
    )


def _with_whom(terminal: Terminal, item: dict[str, Any]) -> str:
    if item["kind"] in ("issue", "redemption"):
        return terminal.text("de bank", "the bank")
    return str(item["counterparty_name"] or item["counterparty"])


def _account(terminal: Terminal, who: str | None, height: int | None) -> dict[str, Any]:
    from chain.address import account_text
    from wallet.order import find_account, who_or_own
    from wallet.people import own_key

    if who is None and height is None:
        return find_account(terminal, [own_key(terminal)])
    asked = account_text(who_or_own(terminal, who).account)
    return terminal.client.account(asked, at=height)
