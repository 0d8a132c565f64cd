"""`wijk coin hold|post|void|holds`: coin set aside for a payee (economy C10..C12, ADR 0074).

The payee takes a hold or lets it go; what nobody takes returns by itself. Two holds with one
record of exchange are taken together or not at all.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.commands_issued import prove_option, read_holds
from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.keyspaces import Hold
    from contracts.coin import Exchange, ExchangeLeg

_FILE = click.Path(path_type=Path)
_EXCHANGE = "afspraak over een ruil, in een bestand // what an exchange agrees on, in a file"
_FILE_BYTES_MAX = 16 * 1024  # a record of an exchange takes less than one
_STATES = ("open", "posted", "voided", "expired")
_FIELDS = (
    "hold", "state", "payer", "to", "denom", "amount_cents", "posted_cents", "expires_at", "link",
)  # fmt: skip

tag_option = click.option(
    "--tag",
    metavar="TAG",
    help="waarvoor: SALE, GIFT, of SALE/P3/C01 // what for: SALE, GIFT, or SALE/P3/C01",
)
vat_option = click.option("--vat", metavar="AMOUNT", help="btw daarin // VAT in it")
_exchange = click.option("--exchange", "file", type=_FILE, help=_EXCHANGE)


@click.command(help="Zet munten opzij voor iemand // Set coin aside for somebody")
@click.argument("amount", required=False)
@click.option("--to", "to", metavar="WHO", help="voor wie // for whom")
@click.option("--for", "lasts", metavar="T", default="7d", help="hoe lang, bv. 7d // how long")
@_exchange
@tag_option
@vat_option
@keys_option
@click.pass_obj
def hold(terminal: Terminal, /, amount: str | None, lasts: str, names: Any, **rest: Any) -> None:
    """`coin.hold`; an exchange says in its file who pays whom how much."""
    from chain.address import account_text
    from chain.codec import digest
    from contracts.coin import HoldCall
    from wallet.amounts import parse_amount, parse_duration_ms
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call
    from wallet.people import resolve_who, shown_account
    from wallet.tags import read_tag
    from wallet.trust import trusted_policy

    account = find_account(terminal, named_keys(terminal, names))
    timeout = parse_duration_ms(lasts) // 1000
    tag = read_tag(rest["tag"], rest["vat"])
    if rest["file"] is not None:
        if amount is not None or rest["to"] is not None:
            cause = terminal.text(
                "AMOUNT en --to staan in de afspraak", "AMOUNT and --to stand in the exchange"
            )
            terminal.fail(1001, {"cause": cause})
        exchange = _read_exchange(rest["file"])
        leg = _own_leg(terminal, exchange, account["account"])
        call = HoldCall(leg.to, leg.cents, timeout, digest(exchange), tag)
    else:
        if amount is None or rest["to"] is None:
            raise click.MissingParameter(param_hint="AMOUNT --to WHO", param_type="argument")
        payee = resolve_who(terminal, rest["to"])
        call = HoldCall(payee.account, parse_amount(amount), timeout, None, tag)
    shown, who = terminal.money(call.cents), shown_account(terminal, call.to)
    said = (
        f"{shown} opzij zetten voor {who}, {lasts} lang; wat niet wordt aangenomen komt terug.",
        f"Set {shown} aside for {who}, for {lasts}; what is not taken comes back.",
    )
    result = send_call(terminal, call, names, "hold", said, account=account)
    made = result.tx["tx"]
    record = None
    if result.tx["status"] == "final":
        record = _try_hold(terminal, trusted_policy(terminal), made)
    extra = {
        "hold": made,
        "to": account_text(call.to),
        "amount_cents": call.cents,
        "denom": account["balances"][0]["denom"],
        "expires_at": None if record is None else _time(record.expires),
        "link": None if call.link is None else call.link.hex(),
    }
    done = terminal.text(
        f"Opzij gezet: {shown} voor {who}. Nummer: {made}",
        f"Set aside: {shown} for {who}. Its id: {made}",
    )
    finish(terminal, result, extra, [done], f"wijk coin post {made}")


@click.command(help="Neem aan wat voor u opzij staat // Take what was set aside for you")
@click.argument("hold_id", metavar="HOLD")
@click.argument("amount", required=False)
@click.option("--with", "other", metavar="HOLD", help="de andere kant van een ruil // other side")
@_exchange
@keys_option
@click.pass_obj
def post(
    terminal: Terminal, /, hold_id: str, amount: str | None, other: str | None, **rest: Any
) -> None:
    """`coin.post`: AMOUNT, or without one all of it; the rest goes back to its payer."""
    from contracts.coin import Post, PostPart
    from wallet.amounts import parse_amount, parse_id
    from wallet.finish import finish
    from wallet.order import send_call
    from wallet.trust import trusted_policy

    file, names = rest["file"], rest["names"]
    if (file is None) != (other is None) or (other is not None and amount is not None):
        cause = terminal.text(
            "een ruil neemt u heel aan: HOLD --with HOLD --exchange FILE",
            "an exchange is taken as a whole: HOLD --with HOLD --exchange FILE",
        )
        terminal.fail(1001, {"cause": cause})
    exchange = None if file is None else _read_exchange(file)
    policy = trusted_policy(terminal)
    ids = [hold_id] if other is None else [hold_id, other]
    found = [(name, _hold(terminal, policy, parse_id(name).hex())) for name in ids]
    if exchange is not None and found[0][1].payer != exchange.legs[0].payer:
        found.reverse()  # holds stand in the order of the legs
    parts = tuple(
        PostPart(bytes.fromhex(name), one.cents if amount is None else parse_amount(amount))
        for name, one in found
    )
    rows = [
        {
            "hold": name,
            "amount_cents": part.cents,
            "returned_cents": max(0, one.cents - part.cents),
        }
        for (name, one), part in zip(found, parts, strict=True)
    ]
    sentences = [
        _post_sentence(terminal, one, part.cents)
        for (_, one), part in zip(found, parts, strict=True)
    ]
    said = "\n".join(nl for nl, _ in sentences), "\n".join(en for _, en in sentences)
    result = send_call(terminal, Post(parts, exchange), names, "post", said)
    taken = " + ".join(terminal.money(part.cents) for part in parts)
    done = terminal.text(f"Aangenomen: {taken}.", f"Taken: {taken}.")
    finish(terminal, result, {"holds": rows}, [done], "wijk account history")


@click.command(help="Geef terug wat voor u opzij staat // Give back what was set aside for you")
@click.argument("hold_id", metavar="HOLD")
@keys_option
@click.pass_obj
def void(terminal: Terminal, hold_id: str, names: tuple[str, ...]) -> None:
    """`coin.void`, by the payee."""
    from contracts.coin import Void
    from wallet.amounts import parse_id
    from wallet.finish import finish
    from wallet.order import send_call
    from wallet.people import shown_account
    from wallet.trust import trusted_policy

    name = parse_id(hold_id)
    one = _hold(terminal, trusted_policy(terminal), hold_id)
    shown, who = terminal.money(one.cents), shown_account(terminal, one.payer)
    said = (f"{shown} teruggeven aan {who}.", f"Give {shown} back to {who}.")
    result = send_call(terminal, Void(name), names, "void", said)
    done = terminal.text(f"Teruggegeven: {shown}.", f"Given back: {shown}.")
    extra = {"hold": hold_id, "returned_cents": one.cents}
    finish(terminal, result, extra, [done], "wijk coin holds")


@click.command(help="Wat opzij staat van u en voor u // What is set aside, by you and for you")
@click.argument("who", required=False)
@click.option("--state", type=click.Choice(_STATES), help="hoe het ermee staat // how it stands")
@click.option("--limit", type=click.IntRange(1, 500), metavar="N", help="hoeveel // how many")
@click.option("--after", metavar="C", help="vervolg van een lijst // where a list goes on")
@prove_option
@click.pass_obj
def holds(terminal: Terminal, /, who: str | None, prove: bool, **asked: Any) -> None:
    """What `GET /v1/accounts/{a}/holds` says."""
    from chain.address import account_text
    from wallet.order import who_or_own
    from wallet.people import shown_name
    from wallet.times import short_time

    account = account_text(who_or_own(terminal, who).account)
    whole = asked["after"] is None and asked["state"] in (None, "open")
    if prove:
        page = read_holds(terminal, account, asked, whole=whole)
    else:
        page = terminal.client.holds(account, asked)
    names = {
        one: shown_name(terminal, one) or one
        for item in page["items"]
        for one in (item["payer"], item["to"])
    }
    rows = [
        (
            item["hold"],
            _word(terminal, item["state"]),
            terminal.money(item["amount_cents"]),
            names[item["payer"]],
            names[item["to"]],
            short_time(item["expires_at"]),
        )
        for item in page["items"]
    ]
    head = terminal.text("nummer,stand,bedrag,van,voor,tot", "id,state,amount,from,for,until")
    terminal.show_page(page, head.split(","), rows, _FIELDS)
    if prove:
        terminal.say(
            "Bewezen: elke regel. Of een ander nog iets voor u opzij zette, bewijst niemand.",
            "Proven: each line. Whether somebody set aside more for you nobody can prove.",
        )


# -------------------------------------------------------------------------------------- inside


def _read_exchange(file: Path) -> "Exchange":
    """Return the record of an exchange in a file (economy C12), or raise `Problem`."""
    from chain.call_json import record_from_json
    from chain.errors import Malformed
    from chain.strict_json import parse_tree
    from chain.texts import Problem
    from contracts.coin import Exchange
    from wallet.files import read_plain
    from wallet.order import TABLE

    try:
        tree = parse_tree(read_plain(file, _FILE_BYTES_MAX))
        return record_from_json(TABLE, Exchange, tree)
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None
    except Malformed as error:
        raise Problem(1001, cause=f"{file}: {error}") from error


def _own_leg(terminal: Terminal, exchange: "Exchange", account: str) -> "ExchangeLeg":
    from chain.address import parse_account
    from chain.texts import Problem

    own = parse_account(account)
    found = next((leg for leg in exchange.legs if leg.payer == own), None)
    if found is not None:
        return found
    cause = terminal.text(
        f"in deze afspraak betaalt {account} niets", f"{account} pays nothing in this exchange"
    )
    raise Problem(1001, cause=cause)


def _hold(terminal: Terminal, policy: Any, hold_id: str) -> "Hold":
    """Return a hold, proven from state: a node cannot make up what is taken."""
    from chain.keyspaces import Hold
    from chain.texts import Problem
    from wallet.verify import find_value

    found = find_value(terminal.client.state_proof, f"hold/{hold_id}", Hold, policy)
    if found is None:
        raise Problem(3007, what=hold_id)
    return found


def _try_hold(terminal: Terminal, policy: Any, hold_id: str) -> "Hold | None":
    """Return a hold that was just made, or None: it is final, whoever answers this or not."""
    from chain.texts import Problem

    try:
        return _hold(terminal, policy, hold_id)
    except Problem:
        return None


def _post_sentence(terminal: Terminal, one: "Hold", cents: int) -> tuple[str, str]:
    from wallet.people import shown_account

    shown, who = terminal.money(cents), shown_account(terminal, one.payer)
    to = shown_account(terminal, one.to)
    rest = terminal.money(max(0, one.cents - cents))
    if cents >= one.cents:
        return (
            f"{shown} van {who} wordt betaald aan {to}.",
            f"{shown} of {who} is paid to {to}.",
        )
    return (
        f"{shown} van {who} wordt betaald aan {to}; {rest} gaat terug.",
        f"{shown} of {who} is paid to {to}; {rest} goes back.",
    )


def _time(time_s: int) -> str:
    from wallet.times import time_text

    return time_text(time_s * 1000)


def _word(terminal: Terminal, state: str) -> str:
    words = {
        "open": ("open", "open"),
        "posted": ("aangenomen", "taken"),
        "voided": ("teruggegeven", "given back"),
        "expired": ("verlopen", "expired"),
    }
    return terminal.text(*words[state])
