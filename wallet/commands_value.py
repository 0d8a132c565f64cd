"""`wijk value`: what a wijk pays for work, by vote (interfaces 1.6, economy N2)."""

from typing import Any

import click

from wallet.commands_vote import send_proposal
from wallet.options import keys_option
from wallet.terminal import Terminal

_UNITS = ("hour", "piece", "km", "visit")
_CLASSES = ("market", "social", "care", "own_dev")
_DAY_S = 86_400
# A price begins after its vote, the time to carry it out, and the delay before that.
_LEAD_S = 31 * _DAY_S


@click.group(help="Wat werk waard is // What work is worth")
def value() -> None:
    """Prices of work."""


@value.command("list", help="Toon de prijzen // List the prices")
@click.option("--wijk", metavar="SLUG", help="van welke wijk // of which wijk")
@click.pass_obj
def list_(terminal: Terminal, wijk: str | None) -> None:
    """Every price in force or to come."""
    items = terminal.client.values(wijk)
    rows = [
        (
            item["wijk"],
            item["activity"],
            terminal.money(item["cents_per_unit"]),
            item["unit"],
            item["class"],
            item["valid_from_on"],
        )
        for item in items
    ]
    head = terminal.text("wijk,werk,prijs,per,soort,vanaf", "wijk,activity,price,per,class,from")
    names = ("id", "wijk", "activity", "cents_per_unit", "unit", "class", "valid_from_on")
    page = {"items": items, "next": None}
    terminal.show_page(page, head.split(","), rows, names)


@value.command(help="Toon een prijs // Show a price")
@click.argument("value_id", metavar="ID")
@click.pass_obj
def show(terminal: Terminal, value_id: str) -> None:
    """One price by its id or its activity, with the vote that it rests on."""
    from wallet.ballot_box import find_vote_id

    item = _find(terminal, value_id)
    vote = None if item["decision"] is None else find_vote_id(terminal, item["decision"])
    price = terminal.money(item["cents_per_unit"])
    lines = [
        f"{item['activity']} ({item['wijk']}): {price} / {item['unit']}, {item['class']}",
        terminal.text(
            f"versie {item['version']}, vanaf {item['valid_from_on']}, besluit {vote}",
            f"version {item['version']}, from {item['valid_from_on']}, decision {vote}",
        ),
        item["id"],
    ]
    terminal.show({**item, "vote": vote}, lines)


@value.command(help="Stel een prijs voor // Propose a price")
@click.argument("activity")
@click.option("--amount", required=True, metavar="A", help="bedrag per eenheid // amount per unit")
@click.option("--per", "unit", type=click.Choice(_UNITS), required=True)
@click.option("--class", "klass", type=click.Choice(_CLASSES), default="social", show_default=True)
@click.option("--nace", metavar="CODE", help="branche // trade")
@click.option("--coicop", metavar="CODE", help="product // product")
@click.option("--from", "from_on", metavar="D", help="ingangsdatum // first day")
@click.option("--closes", default="14d", metavar="T", help="sluit na // closes after")
@keys_option
@click.pass_obj
def propose(
    terminal: Terminal,
    activity: str,
    amount: str,
    unit: str,
    klass: str,
    nace: str | None,
    coicop: str | None,
    from_on: str | None,
    closes: str,
    names: tuple[str, ...],
) -> None:
    """A vote with one action: `registry.put` of a new version, or of the first."""
    from chain.codec import encode
    from chain.crypto import sha256
    from chain.dates import from_days
    from chain.text_rules import is_code
    from chain.texts import Problem
    from contracts.registry import Put, ValuationRecord
    from wallet.amounts import parse_amount, parse_duration_ms
    from wallet.order import find_account, named_keys
    from wallet.times import check_date, now_s

    activity = activity.upper()
    if not is_code(activity):  # else the vote could pass and never be carried out
        raise Problem(2010)
    account = find_account(terminal, named_keys(terminal, names))
    known = [
        item for item in terminal.client.values(account["wijk"]) if item["activity"] == activity
    ]
    ends = now_s() + parse_duration_ms(closes) // 1000
    date = (
        int(check_date(from_on).replace("-", ""))
        if from_on is not None
        else from_days((ends + _LEAD_S) // _DAY_S)
    )
    record = ValuationRecord(
        activity, parse_amount(amount), unit.upper(), klass.upper(), nace, coicop
    )
    name = bytes.fromhex(known[0]["id"]) if known else None
    call = Put("VALUATION", name, record, date, None)
    title = f"{activity}: {terminal.money(record.cents_per_unit)} / {unit}"
    send_proposal(
        terminal,
        "ordinary",
        (encode(call),),
        sha256(title.encode()),
        closes,
        names,
        title=title,
        secret=False,
    )


def _find(terminal: Terminal, text: str) -> dict[str, Any]:
    from chain.texts import Problem

    found = [
        item
        for item in terminal.client.values(None)
        if item["id"] == text or item["activity"] == text.upper()
    ]
    if len(found) != 1:
        raise Problem(3007, what=text[:64])
    return found[0]
