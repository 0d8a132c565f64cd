"""`wijk coin freeze|bank-entry|correct`: what boards, treasurers and payees mend (ADR 0074)."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.dates import date_text
from wallet.commands_hold import tag_option, vat_option
from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.books import Payment

_REASON = "waarom, in hoofdletters, zoals FRAUD // why, in capitals, such as FRAUD"
_KINDS = ("charge", "interest", "contribution", "prefund", "reversal")
_ORDER_BYTES_MAX = 16 * 1024 * 1024  # an order is a few pages, perhaps scanned
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LEGS = (0, 1)  # where the payment of an order of one payment is booked: 1 after what went back

_reason = click.option("--reason", metavar="CODE", required=True, help=_REASON)


# -------------------------------------------------------------------------------------- freeze


@click.command(help="Bevries een rekening, of geef haar vrij // Freeze an account, or release it")
@click.argument("who")
@_reason
@click.option("--for", "lasts", metavar="T", help="hoe lang, ten hoogste 30d // at most 30d")
@click.option("--off", is_flag=True, help="geef weer vrij // release it")
@click.option(
    "--order",
    metavar="DIGEST|FILE",
    help="waar het op rust; moet bij verlengen // what it rests on; a renewal needs one",
)
@keys_option
@click.pass_obj
def freeze(terminal: Terminal, /, who: str, reason: str, names: Any, **rest: Any) -> None:
    """`coin.freeze`: two seats for at most 30 days; the board renews, with an order (C19)."""
    from chain.address import account_text
    from contracts.coin import FreezeCall
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call
    from wallet.people import label, resolve_who
    from wallet.times import short_time, time_text

    lasts, off = rest["lasts"], rest["off"]
    if (lasts is None) is not off:
        cause = terminal.text("kies --for T of --off", "choose --for T or --off")
        terminal.fail(1001, {"cause": cause})
    account = find_account(terminal, named_keys(terminal, names))
    party = resolve_who(terminal, who)
    order = None if rest["order"] is None else _digest_of(rest["order"])
    until = 0 if off else _until(terminal, lasts)
    call = FreezeCall(party.account, 0 if off else 1, reason, until, order)
    name = label(party)
    until_at = None if off else time_text(until * 1000)
    if until_at is None:
        said = (f"{name} weer vrijgeven ({reason}).", f"Release {name} ({reason}).")
        done = terminal.text(f"{name} is weer vrij.", f"{name} is free again.")
    else:
        moment = short_time(until_at)
        said = (
            f"{name} bevriezen tot {moment} ({reason}). Betalen kan dan niet, inwisselen wel.",
            f"Freeze {name} until {moment} ({reason}). It cannot pay then, but it can redeem.",
        )
        done = terminal.text(
            f"{name} is bevroren tot {moment}.", f"{name} is frozen until {moment}."
        )
    result = send_call(terminal, call, names, "freeze", said, account=account)
    extra = {
        "account": account_text(party.account),
        "on": not off,
        "reason": reason,
        "until_at": until_at,
        "order": None if order is None else order.hex(),
    }
    finish(terminal, result, extra, [done], f"wijk query account {account_text(party.account)}")


def _until(terminal: Terminal, lasts: str) -> int:
    """Return the end of a freeze; thirty days are counted from the newest block (economy C19).

    The block that takes the order is no older than that one, so it never finds the end too late.
    """
    from contracts.coin import FREEZE_S_MAX
    from wallet.amounts import parse_duration_ms
    from wallet.times import now_s, read_time_s

    lasts_s, newest = parse_duration_ms(lasts) // 1000, terminal.client.status()["block_at"]
    if lasts_s > FREEZE_S_MAX or newest is None:
        return now_s() + lasts_s
    return min(now_s() + lasts_s, read_time_s(newest) + FREEZE_S_MAX)


def _digest_of(text: str) -> bytes:
    """Return a digest that was typed, or that of the file of that name."""
    from chain.crypto import sha256
    from chain.texts import Problem
    from wallet.files import read_plain

    if _DIGEST.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return sha256(read_plain(Path(text), _ORDER_BYTES_MAX))
    except FileNotFoundError:
        raise Problem(3007, what=text) from None


# ----------------------------------------------------------------------------------- bank entry


@click.command(
    "bank-entry", help="Boek bankkosten, rente en zo meer // Book bank charges, interest and such"
)
@click.argument("entry_id", metavar="ENTRY")
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    required=True,
    help="wat het is // what it is",
)
@click.option("--pair", metavar="ENTRY", help="bij prefund: de regel bij de partner // at partner")
@click.option("--pact", metavar="ID", help="bij prefund: de afspraak // the pact")
@keys_option
@click.pass_obj
def bank_entry(
    terminal: Terminal, /, entry_id: str, kind: str, names: tuple[str, ...], **rest: Any
) -> None:
    """`coin.bank_entry`: ENTRY is an open item of `wijk coin reserve show` (economy C17)."""
    from chain.keyspaces import Entry
    from chain.texts import Problem
    from contracts.coin import BankEntryCall
    from wallet.amounts import parse_id
    from wallet.finish import finish
    from wallet.order import send_call
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    pair, pact = (None if rest[one] is None else parse_id(rest[one]) for one in ("pair", "pact"))
    call = BankEntryCall(parse_id(entry_id), kind.upper(), pair, pact)  # type: ignore[arg-type]
    key, policy = f"entry/{entry_id}", trusted_policy(terminal)
    entry = find_value(terminal.client.state_proof, key, Entry, policy)
    if entry is None:
        raise Problem(3007, what=entry_id)
    shown, on = terminal.money(entry.cents), date_text(entry.date)
    word = _KIND_WORDS[kind]
    side = ("bij", "in") if entry.side == "C" else ("af", "out")
    said = (
        f"Bankregel van {on}, {shown} {side[0]}: boeken als {word[0]}.",
        f"Bank entry of {on}, {shown} {side[1]}: book it as {word[1]}.",
    )
    result = send_call(terminal, call, names, "bank-entry", said)
    done = terminal.text(f"Geboekt als {word[0]}: {shown}.", f"Booked as {word[1]}: {shown}.")
    extra = {"entry": entry_id, "kind": kind, "amount_cents": entry.cents, "side": entry.side}
    finish(terminal, result, extra, [done], "wijk coin reserve show")


_KIND_WORDS = {
    "charge": ("bankkosten", "bank charges"),
    "interest": ("rente", "interest"),
    "contribution": ("een bijdrage", "a contribution"),
    "prefund": ("een storting bij een andere wijk", "a deposit at another wijk"),
    "reversal": ("een teruggedraaide storting, op kosten van de wijk",
                 "a reversed deposit, at the cost of the wijk"),
}  # fmt: skip


# -------------------------------------------------------------------------------------- correct


@click.command(help="Geef van een betaling terug // Give back of a payment")
@click.argument("tx_id", metavar="TX")
@click.argument("amount", required=False)
@_reason
@click.option("--leg", type=click.IntRange(0), help="welke regel // which leg")
@tag_option
@vat_option
@keys_option
@click.pass_obj
def correct(
    terminal: Terminal, /, tx_id: str, amount: str | None, reason: str, names: Any, **rest: Any
) -> None:
    """`coin.correct`: its payee gives AMOUNT back, or all; with `--tag` its payer re-books it."""
    from contracts.coin import Correct
    from wallet.amounts import parse_amount, parse_id
    from wallet.finish import finish
    from wallet.order import send_call
    from wallet.people import shown_account
    from wallet.tags import read_tag, tag_text

    tag = read_tag(rest["tag"], rest["vat"])
    if tag is not None and amount is not None:
        cause = terminal.text("AMOUNT of --tag, niet allebei", "AMOUNT or --tag, not both")
        terminal.fail(1001, {"cause": cause})
    name = parse_id(tx_id)
    leg, paid = _find_payment(terminal, tx_id, rest["leg"])
    left = paid.cents - paid.corrected
    cents = left if amount is None else parse_amount(amount)
    kind = "MONEY" if tag is None else "TAG"
    shown, payer = terminal.money(cents), shown_account(terminal, paid.payer)
    if tag is None:
        of = terminal.money(paid.cents)
        said = (
            f"{shown} van een betaling van {of} teruggeven aan {payer} ({reason}).",
            f"Give {shown} of a payment of {of} back to {payer} ({reason}).",
        )
        done = terminal.text(
            f"Teruggegeven: {shown} aan {payer}.", f"Given back: {shown} to {payer}."
        )
    else:
        old, new = tag_text(paid.tag), tag_text(tag)
        said = (
            f"Een betaling van {shown} boeken als {new} in plaats van {old} ({reason}).",
            f"Book a payment of {shown} as {new} instead of {old} ({reason}).",
        )
        done = terminal.text(f"Geboekt als {new}.", f"Booked as {new}.")
    call = Correct(name, leg, kind, cents, tag, reason)  # type: ignore[arg-type]
    result = send_call(terminal, call, names, "correct", said)
    extra = {"corrects": tx_id, "leg": leg, "kind": kind.lower(), "amount_cents": cents}
    finish(terminal, result, extra, [done], "wijk account history")


def _find_payment(terminal: Terminal, tx_id: str, leg: int | None) -> "tuple[int, Payment]":
    """Return the payment that can be corrected and its leg, proven from state (ADR 0063)."""
    from chain.books import Payment
    from chain.texts import Problem
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    policy = trusted_policy(terminal)
    for one in _LEGS if leg is None else (leg,):
        key = f"paid/{tx_id}/{one}"
        found = find_value(terminal.client.state_proof, key, Payment, policy)
        if found is not None:
            return one, found
    terminal.say(
        "Alleen een betaling met een tag, binnen een wijk, kan worden gecorrigeerd.",
        "Only a payment with a tag, inside a wijk, can be corrected.",
    )
    raise Problem(3007, what=tx_id)
