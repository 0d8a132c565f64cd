"""`wijk coin rules show|propose`: mode, caps, brand and terms of a coin (economy C7, B13, G12)."""

import json
from typing import Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

_WIJK = "van welke wijk // of which wijk"
_ISSUER = ("mode", "wallet-cap", "total-cap", "evidence")  # of the issuer, by the federation
_BRAND = ("name", "plural", "symbol", "colour")  # of the wijk, by a vote of its members
_NAMES = (*_ISSUER, "redeem-days", *_BRAND)


@click.group(help="De regels van de munt // The rules of the coin")
def rules() -> None:
    """The rules of a coin."""


@rules.command(help="Soort, grenzen en naam van de munt // Mode, caps and name of the coin")
@click.option("--wijk", metavar="W", help=_WIJK)
@click.pass_obj
def show(terminal: Terminal, wijk: str | None) -> None:
    """Everything here is proven from state; what is planned too."""
    from wallet.order import wijk_or_own
    from wallet.reviews import warn_of_reviews
    from wallet.rules import read_rules
    from wallet.times import short_time

    tree = read_rules(terminal, wijk_or_own(terminal, wijk))

    def cap(cents: int | None) -> str:
        return terminal.text("geen grens", "no cap") if cents is None else terminal.money(cents)

    out, left = terminal.money(tree["outstanding_cents"]), terminal.money(tree["allowance_cents"])
    lines = [
        f"{tree['name']} ({tree['symbol']}, {tree['denom']})",
        terminal.text(
            f"  soort {tree['mode']}, uitgever {tree['issuer']}; uitgegeven door hem: {out}",
            f"  mode {tree['mode']}, issuer {tree['issuer']}; outstanding of it: {out}",
        ),
        terminal.text(
            f"  per persoon: {cap(tree['wallet_cap_cents'])}; in totaal:"
            f" {cap(tree['total_cap_cents'])}",
            f"  a person: {cap(tree['wallet_cap_cents'])}; in all: {cap(tree['total_cap_cents'])}",
        ),
        terminal.text(
            f"  de penningmeesters mogen nog {left} uitgeven",
            f"  the treasury may still issue {left}",
        ),
        terminal.text(
            f"  inwisselen: binnen {tree['redeem_days']} bankdagen, gratis en altijd",
            f"  redemption: within {tree['redeem_days']} banking days, free and at any time",
        ),
    ]
    for plan in tree["planned"]:
        what = f"{plan['name']} = {_told(terminal, plan['name'], plan['value'])}"
        since = short_time(plan["from_at"])
        lines.append(
            terminal.text(
                f"  besloten: {what}, vanaf {since}",
                f"  decided: {what}, from {since} on",
            )
        )
    lines.append(terminal.text("wat de wet vraagt:", "what the law asks:"))
    for row in tree["legal"]:
        late = terminal.text("  TE LAAT", "  OVERDUE") if row["overdue"] else ""
        lines.append(
            terminal.text(
                f"  {row['name']}: nazien voor {row['review_on']}{late} ({row['source']})",
                f"  {row['name']}: review by {row['review_on']}{late} ({row['source']})",
            )
        )
    terminal.show(tree, lines)
    warn_of_reviews(terminal)


@rules.command(help="Stel een andere regel voor // Propose another rule")
@click.argument("name", type=click.Choice(_NAMES))
@click.argument("value")
@click.option("--wijk", metavar="W", help=_WIJK)
@click.option("--in", "later", metavar="T", default="7d", help="over hoe lang // how much later")
@keys_option
@click.pass_obj
def propose(terminal: Terminal, /, name: str, value: str, names: Any, **rest: Any) -> None:
    """What is common goes to the boards (`wijk.fed_propose`); the brand is voted on by members."""
    from chain.call_json import call_to_json
    from chain.codec import encode
    from chain.errors import Code
    from chain.texts import Problem
    from contracts.wijk import FedPropose
    from wallet.finish import finish
    from wallet.order import TABLE, find_account, named_keys, send_call, wijk_or_own
    from wallet.rules import epoch_at, make_change, read_rules
    from wallet.times import short_time

    account = None if name in _BRAND else find_account(terminal, named_keys(terminal, names))
    wijk = rest["wijk"] or (wijk_or_own(terminal, None) if account is None else account["wijk"])
    now = read_rules(terminal, wijk)
    try:
        change = make_change(now, name, value, rest["later"])
    except Problem as problem:
        if problem.number == Code.WIJK_BOUNDS.number:
            _say_caps(terminal)
        raise
    action = call_to_json(TABLE, change)
    if account is None:
        terminal.say(
            "Hierover stemmen de leden. Zet dit als handeling in een voorstel:",
            "The members vote on this. Put it into a proposal as its action:",
        )
        terminal.show(action, [json.dumps(action, ensure_ascii=False)])
        return
    since = epoch_at(change.from_epoch, now["epoch_s"])
    moment, told = short_time(since), _told(terminal, change.name, action["value"])
    said = (
        f"Voorstellen aan alle besturen: {change.name} wordt {told}, vanaf {moment}.",
        f"Propose to all boards: {change.name} becomes {told}, from {moment} on.",
    )
    call = FedPropose(encode(change))
    result = send_call(terminal, call, names, "rules", said, account=account)
    matter = result.tx["tx"]
    done = [
        terminal.text(
            f"Voorgesteld: {matter}. Het gaat door als twee derde van de besturen instemt; ook dat"
            " van u stemt nog.",
            f"Proposed: {matter}. It passes once two thirds of the boards agree; yours votes too.",
        ),
    ]
    extra = {
        "matter": matter,
        "name": change.name,
        "from_epoch": change.from_epoch,
        "from_at": since,
        "action": action,
    }
    finish(terminal, result, extra, done, f"wijk board endorse {matter}")


def _say_caps(terminal: Terminal) -> None:
    """Say how mode and caps have to fit (economy C7)."""
    from chain.issuers import EXEMPT_TOTAL_CENTS, EXEMPT_WALLET_CENTS

    wallet, total = terminal.money(EXEMPT_WALLET_CENTS), terminal.money(EXEMPT_TOTAL_CENTS)
    terminal.say(
        f"Soort en grenzen moeten passen: EXEMPT_150 vraagt hoogstens {wallet} per rekening"
        f" en {total} in totaal, dus eerst die twee. Een grens per rekening daalt alleen zolang er"
        " niets in omloop is, en die in totaal nooit onder wat er in omloop is.",
        f"Mode and caps have to fit: EXEMPT_150 wants at most {wallet} an account and {total} in"
        " all, so set these two first. A cap for each account is lowered only while nothing is out,"
        " and the one in all never below what is out.",
    )


def _told(terminal: Terminal, name: str, value: Any) -> str:
    """Return the value of a rule for people."""
    from chain.keyspaces import NO_LIMIT

    if value == NO_LIMIT:
        return terminal.text("geen grens", "no cap")
    if name.endswith("_cap"):
        return terminal.money(value)
    return str(value["hex"] if isinstance(value, dict) else value)
