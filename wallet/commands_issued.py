"""`wijk coin issued`, and what `--prove` asks of the lists and figures of a coin (ADR 0095)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.policy import Policy as Trust

_WIJK = "van welke wijk // of which wijk"
_FIELDS = ("tx", "height", "at", "wijk", "amount_cents", "evidence", "entry")

prove_option = click.option(
    "--prove", is_flag=True, help="reken na of het bewezen is // verify that it is proven"
)


@click.command(help="Alles wat ooit is uitgegeven, en waarvoor // All that was ever issued")
@click.option("--wijk", metavar="W", help=_WIJK)
@prove_option
@click.pass_obj
def issued(terminal: Terminal, wijk: str | None, *, prove: bool) -> None:
    """What `GET /v1/issuance` says; proven, it is all there was, to the cent."""
    from wallet.order import wijk_or_own
    from wallet.times import short_time

    slug = wijk_or_own(terminal, wijk)
    items = read_issued(terminal, slug) if prove else terminal.client.issued(slug)
    rows = [
        (short_time(item["at"]), terminal.money(item["amount_cents"]), item["entry"], item["tx"])
        for item in items
    ]
    head = terminal.text("wanneer,bedrag,bankregel,opdracht", "when,amount,entry,order")
    page = {"items": items, "next": None, "as_of_height": None}
    terminal.show_page(page, head.split(","), rows, _FIELDS)
    if prove:
        terminal.say(
            "Bewezen: elke regel, en dat er geen ontbreekt.",
            "Proven: each line, and that none is missing.",
        )


def read_issued(terminal: Terminal, wijk: str) -> list[dict[str, Any]]:
    """Return all issues of a coin, proven to be all, or raise `Problem`."""
    from wallet.trust import trusted_policy
    from wallet.verify_items import ask_again, verify_issued

    client, trust, genesis = terminal.client, trusted_policy(terminal), terminal.client.genesis()

    def ask() -> list[dict[str, Any]]:
        items = client.issued(wijk, prove=True)
        verify_issued(items, client.supply(wijk, prove=True), genesis, trust)
        return items

    return ask_again(ask)


def read_coin(terminal: Terminal, wijk: str) -> dict[str, Any]:
    """Return `coin info` with proven sums, or raise `Problem`."""
    from wallet.verify_items import verify_coin

    return _read_figures(terminal, terminal.client.supply, wijk, verify_coin)


def read_reserve(terminal: Terminal, wijk: str) -> dict[str, Any]:
    """Return `coin reserve show` with proven sums, or raise `Problem`."""
    from wallet.verify_items import verify_reserve

    return _read_figures(terminal, terminal.client.reserve, wijk, verify_reserve)


def read_health(terminal: Terminal, wijk: str) -> dict[str, Any]:
    """Return the health figures, those proven that can be, or raise `Problem`."""
    from wallet.verify_items import verify_health

    return _read_figures(terminal, terminal.client.health, wijk, verify_health)


def _read_figures(
    terminal: Terminal,
    read: Callable[..., dict[str, Any]],
    wijk: str,
    verify: Callable[[dict[str, Any], "Trust"], object],
) -> dict[str, Any]:
    from wallet.trust import trusted_policy
    from wallet.verify_items import ask_again

    def ask() -> dict[str, Any]:
        item = read(wijk, prove=True)
        verify(item, trusted_policy(terminal))
        return item

    return ask_again(ask)


def read_redemptions(terminal: Terminal, wijk: str) -> list[dict[str, Any]]:
    """Return all redemptions that wait, proven to be all, or raise `Problem`."""
    from wallet.trust import trusted_policy
    from wallet.verify_items import ask_again, verify_redemptions

    client, trust = terminal.client, trusted_policy(terminal)

    def ask() -> list[dict[str, Any]]:
        items = client.redemptions(wijk, prove=True)
        verify_redemptions(items, client.supply(wijk, prove=True), trust)
        return items

    return ask_again(ask)


def read_holds(
    terminal: Terminal, account: str, asked: dict[str, Any], *, whole: bool
) -> dict[str, Any]:
    """Return a page of holds, each proven, or raise `Problem`."""
    from wallet.trust import trusted_policy
    from wallet.verify_items import ask_again, verify_holds

    client, trust = terminal.client, trusted_policy(terminal)

    def ask() -> dict[str, Any]:
        page = client.holds(account, asked | {"prove": True})
        complete = whole and page["next"] is None
        verify_holds(page["items"], account, trust, client.state_proof, whole=complete)
        return page

    return ask_again(ask)
