"""`wijk policy`: earmarked money of a funder under rules (interfaces 1.6, economy section 6).

Before anybody signs, the sentences of the rules are shown with the numbers of today. `explain`
asks a node what a payment would do, and sends nothing.
"""

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.amounts import parse_id
from wallet.commands_shared import later_option
from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from contracts.policy import Claim
    from wallet.keystore import KeyFile

_FILE = click.Path(path_type=Path)
_EXIT_REFUSED = 5
_ID_BYTES = 32
_TOKENS_BYTES_MAX = 64 * 1024  # 900 keys, what one order takes, are 59 KiB
_SUMS = ("funded_cents", "spent_cents", "pending_cents", "returned_cents", "free_cents")


def _payment_options(command: Any) -> Any:
    """Add what `claim` and `explain` ask: they are about the same payment."""
    for option in (
        click.option("--product", metavar="CODE", help="wat het is, zoals C01 // what it is"),
        click.option("--token", metavar="KEY", help="de sleutel van een pas // the key of a token"),
        click.option("--ref", metavar="ID", help="welke betaling of urenstaat // which payment"),
        click.option(
            "--number",
            type=click.IntRange(min=0),
            help="de hoeveelste termijn, vanaf 0 // which instalment",
        ),
        click.option("--line", metavar="CODE", help="op welke begrotingspost // on which line"),
        click.option("--to", metavar="WHO", required=True, help="wie betaald wordt // who gets it"),
        click.argument("amount", required=False),
        click.argument("policy_id", metavar="ID"),
        keys_option,
    ):
        command = option(command)
    return command


@click.group(help="Potjes met regels // Earmarked money with rules")
def policy() -> None:
    """Policies."""


@policy.command("list", help="Toon de potjes // List the policies")
@click.option("--wijk", metavar="SLUG", help="van welke wijk // of which wijk")
@click.option(
    "--state",
    type=click.Choice(["draft", "active", "closed"]),
    help="hoe het ermee staat // how it stands",
)
@click.pass_obj
def list_(terminal: Terminal, wijk: str | None, state: str | None) -> None:
    """Every policy with its sums."""
    asked = {"wijk": wijk, "state": state}
    page = terminal.client.policies(**{name: word for name, word in asked.items() if word})
    rows = [
        (
            item["id"],
            _word(terminal, item["state"]),
            item["shape"]["type"],
            terminal.money(item["free_cents"]),
        )
        for item in page["items"]
    ]
    head = terminal.text("potje,stand,soort,over", "policy,state,kind,left").split(",")
    terminal.show_page(page, head, rows, ("id", "wijk", "denom", "funder", "state", *_SUMS))


@policy.command(help="Toon een potje: regels en bedragen // Show a policy: rules and sums")
@click.argument("policy_id", metavar="ID")
@click.option("--prove", is_flag=True, help="met bewijs // with a proof")
@click.pass_obj
def show(terminal: Terminal, policy_id: str, prove: bool) -> None:
    """What `GET /v1/policies/{id}` says."""
    from wallet.trust import trusted_policy
    from wallet.verify_items import verify_policy

    item = terminal.client.policy_of(parse_id(policy_id).hex(), prove=prove)
    if prove:
        verify_policy(item, policy_id, trusted_policy(terminal))
    money = terminal.money
    lines = [
        *say_policy(terminal, item),
        terminal.text(
            f"Ingelegd {money(item['funded_cents'])}: uitgegeven {money(item['spent_cents'])},"
            f" vast {money(item['pending_cents'])}, terug {money(item['returned_cents'])},"
            f" over {money(item['free_cents'])}.",
            f"Funded {money(item['funded_cents'])}: spent {money(item['spent_cents'])},"
            f" set aside {money(item['pending_cents'])}, returned {money(item['returned_cents'])},"
            f" left {money(item['free_cents'])}.",
        ),
        _word(terminal, item["state"]),
    ]
    if prove:
        lines.append(terminal.text("regels en bedragen bewezen", "rules and sums proven"))
    terminal.show(item, lines)


@policy.command(help="Maak een potje met de regels in FILE // Make a policy with the rules in FILE")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def create(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`policy.create`: FILE holds the fields of the call by their catalogue names."""
    from chain.address import parse_account
    from chain.dates import from_days
    from chain.params import DAY_S
    from chain.state import State
    from contracts.policy import describe, make_draft
    from wallet.commands_tx import read_call
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call
    from wallet.people import with_names
    from wallet.times import now_s

    call = read_call(terminal, file, "policy.create")
    account = find_account(terminal, named_keys(terminal, names))
    draft = make_draft(call, parse_account(account["account"]))
    today = from_days(now_s() // DAY_S)
    empty = State(lambda _: None)
    nl, en = (
        "\n".join(describe(empty, bytes(_ID_BYTES), draft, today, lang)) for lang in ("nl", "en")
    )
    said = (with_names(terminal, nl), with_names(terminal, en))
    result = send_call(terminal, call, names, "policy-create", said, account=account)
    made = result.tx["tx"]
    done = terminal.text(f"Potje gemaakt: {made}", f"Policy made: {made}")
    finish(terminal, result, {"policy": made}, [done], f"wijk policy accept {made}")


@policy.command(help="Laat een potje toe in de wijk // Let a policy work in the wijk")
@click.argument("policy_id", metavar="ID")
@later_option
@keys_option
@click.pass_obj
def accept(terminal: Terminal, policy_id: str, later: str | None, names: tuple[str, ...]) -> None:
    """`policy.accept`, by the board, or put up for the approval of its seats."""
    from contracts.policy import Accept

    said = terminal.text("Toegelaten.", "Accepted.")
    next_ = f"wijk policy fund {policy_id}"
    _send(terminal, Accept(parse_id(policy_id)), names, "policy-accept", said, next_, later)


@policy.command(help="Zet geld in een potje // Put money into a policy")
@click.argument("policy_id", metavar="ID")
@click.argument("amount")
@click.option("--qty", type=click.IntRange(min=1), help="hoeveel stuks, bij samen kopen // pieces")
@later_option
@keys_option
@click.pass_obj
def fund(terminal: Terminal, /, policy_id: str, amount: str, qty: int | None, **rest: Any) -> None:
    """`policy.fund`, by the funder; a pledge by any buyer."""
    from contracts.policy import Fund
    from wallet.amounts import parse_amount

    cents = parse_amount(amount)
    shown = terminal.money(cents)
    said = terminal.text(f"{shown} in het potje gezet.", f"{shown} put into the policy.")
    call, next_ = Fund(parse_id(policy_id), cents, qty), f"wijk policy show {policy_id}"
    doing = f"{shown} in dit potje zetten.", f"Put {shown} into this policy."
    _send(terminal, call, rest["names"], "policy-fund", said, next_, rest["later"], doing)


@policy.command(help="Vraag een betaling uit een potje // Ask a payment from a policy")
@_payment_options
@click.pass_obj
def claim(terminal: Terminal, /, policy_id: str, amount: str | None, to: str, **rest: Any) -> None:
    """`policy.claim`; without an AMOUNT it marks the delivery of an escrow.

    A node tries it first, so that the sums are said before anybody signs.
    """
    from wallet.finish import finish
    from wallet.order import confirm_and_send, trial_of
    from wallet.people import label, resolve_who

    party = resolve_who(terminal, to)
    order = _claim_order(terminal, policy_id, amount, party.account, rest)
    found = terminal.client.check(trial_of(order))
    _refuse(terminal, found)
    paid = [(one["account"], one["change_cents"]) for one in found["effects"]]
    to, of = terminal.text("aan", "to"), terminal.text("van", "of")
    parts = _say_parts(terminal, [(who, cents) for who, cents in paid if cents > 0], to)
    costs = _say_parts(terminal, [(who, -cents) for who, cents in paid if cents < 0], of)
    for line in _say_trial(terminal, found):
        terminal.say(line, line)
    if parts:
        terminal.say(f"Dit betaalt {parts}.", f"This pays {parts}.")
    if costs:
        terminal.say(f"Van eigen munten: {costs}.", f"From own coin: {costs}.")
    who = label(party)
    if order.call.cents == 0:
        terminal.say(f"Melden dat {who} heeft geleverd.", f"Report that {who} has delivered.")
        done = terminal.text("Levering gemeld.", "Delivery reported.")
    elif parts:
        done = terminal.text(f"Betaald: {parts}.", f"Paid: {parts}.")
    else:
        done = terminal.text("Er kwam niets bij.", "Nothing was added.")
    result = confirm_and_send(terminal, order, "policy-claim")
    finish(terminal, result, {"policy": policy_id}, [done], f"wijk policy show {policy_id}")


@policy.command(help="Wat zou een betaling doen, en waarom // What would a payment do, and why")
@_payment_options
@click.pass_obj
def explain(
    terminal: Terminal, /, policy_id: str, amount: str | None, to: str, **rest: Any
) -> None:
    """`POST /v1/txs:check`: the node runs the claim and keeps nothing; exit 0 or 5.

    Nobody signs: a node that was only asked cannot send it.
    """
    from chain.address import account_text
    from wallet.order import trial_of
    from wallet.people import resolve_who

    party = resolve_who(terminal, to)
    order = _claim_order(terminal, policy_id, amount, party.account, rest)
    found = terminal.client.check(trial_of(order))
    problem = found["problem"]
    tree = {
        "policy": policy_id,
        "allowed": found["allowed"],
        "from": order.account["account"],
        "to": account_text(party.account),
        "amount_cents": order.call.cents,
        "effects": found["effects"],
        "preview": found["preview"][terminal.lang],
        "problem": problem,
    }
    said = terminal.text("Dit mag. Er is niets verstuurd.", "Allowed. Nothing was sent.")
    lines = _say_trial(terminal, found)
    terminal.show(tree, [*lines, said] if found["allowed"] else lines)
    _refuse(terminal, found)


@policy.command(help="Geef een stap of een vast bedrag vrij // Release a step or what is set aside")
@click.argument("policy_id", metavar="ID")
@click.argument("amount", required=False)
@click.option(
    "--step",
    type=click.IntRange(min=0),
    default=1,
    help="welke stap, bij samen kopen 0 // which step",
)
@keys_option
@click.pass_obj
def release(
    terminal: Terminal, policy_id: str, amount: str | None, step: int, names: tuple[str, ...]
) -> None:
    """`policy.release`: AMOUNT is what the payee gets; without one everything goes back."""
    from contracts.policy import Release
    from wallet.amounts import parse_amount

    cents = 0 if amount is None else parse_amount(amount)
    shown = terminal.money(cents)
    said = terminal.text(f"Verwerkt: {shown} voor de ontvanger.", f"Done: {shown} for the payee.")
    call, next_ = Release(parse_id(policy_id), step, cents), f"wijk policy show {policy_id}"
    doing = f"Vrijgeven: {shown} voor de ontvanger.", f"Release: {shown} for the payee."
    _send(terminal, call, names, "policy-release", said, next_, doing=doing)


@policy.command("enrol-token", help="Geef passen uit voor een potje // Enrol tokens for a policy")
@click.argument("policy_id", metavar="ID")
@click.argument("tokens", metavar="[TOKEN]...", nargs=-1)
@click.option("--file", type=_FILE, help="bestand met een sleutel per regel // one key a line")
@click.option(
    "--period", metavar="P", help="maand of jaar, zoals 2026-12; anders altijd // month or year"
)
@keys_option
@click.pass_obj
def enrol_token(
    terminal: Terminal, /, policy_id: str, tokens: tuple[str, ...], **rest: Any
) -> None:
    """`policy.enrol_token`, by the registrars. TOKEN is a public key, or a key of this home."""
    from contracts.policy import EnrolToken
    from wallet.finish import finish
    from wallet.order import send_call

    keys = sorted({_token_key(terminal, word) for word in _token_words(rest["file"], tokens)})
    if not keys:
        raise click.UsageError(terminal.text("welke passen?", "which tokens?"))
    period = _period(rest["period"])
    call = EnrolToken(parse_id(policy_id), period, tuple(keys))
    item = terminal.client.policy_of(policy_id)
    when = rest["period"] or terminal.text("zolang het potje loopt", "as long as the policy lasts")
    sentences = "\n".join(say_policy(terminal, item))
    said = (
        f"{sentences}\n{len(keys)} passen uitgeven: {when}.",
        f"{sentences}\nEnrol {len(keys)} tokens: {when}.",
    )
    result = send_call(terminal, call, rest["names"], "policy-enrol-token", said)
    done = terminal.text(f"Uitgegeven: {len(keys)} passen.", f"Enrolled: {len(keys)} tokens.")
    extra = {"policy": policy_id, "period": period, "tokens": len(keys)}
    finish(terminal, result, extra, [done], f"wijk policy show {policy_id}")


@policy.command(help="Sluit een potje; de rest gaat terug // Close a policy; the rest goes back")
@click.argument("policy_id", metavar="ID")
@keys_option
@click.pass_obj
def close(terminal: Terminal, policy_id: str, names: tuple[str, ...]) -> None:
    """`policy.close`, by the funder, or by anybody after its end."""
    from contracts.policy import Close

    said = terminal.text("Gesloten; de rest ging terug.", "Closed; the rest went back.")
    call = Close(parse_id(policy_id))
    _send(terminal, call, names, "policy-close", said, f"wijk policy show {policy_id}")


# ------------------------------------------------------------------------------------- common


def _send(
    terminal: Terminal,
    call: Any,
    names: tuple[str, ...],
    draft: str,
    done: str,
    next_: str,
    later: str | None = None,
    doing: tuple[str, str] = ("", ""),
) -> None:
    """Show the sentences of the policy, ask, sign and send, or put it up for approval."""
    from wallet.commands_shared import send_or_propose
    from wallet.order import find_account, named_keys

    account = find_account(terminal, named_keys(terminal, names))
    rules = "\n".join(say_policy(terminal, terminal.client.policy_of(call.policy.hex())))
    said = f"{doing[0]}\n{rules}".strip(), f"{doing[1]}\n{rules}".strip()
    extra = {"policy": call.policy.hex()}
    send_or_propose(terminal, call, names, draft, said, account, later, extra, done, next_)


def _say_trial(terminal: Terminal, found: dict[str, Any]) -> list[str]:
    """Return what a node says that an order would do, with the names known here."""
    from wallet.people import with_names

    return [with_names(terminal, str(found["preview"][terminal.lang]))]


def _say_parts(terminal: Terminal, parts: list[tuple[str, int]], link: str) -> str:
    """Return who and how much of each: a split pays several (P14)."""
    from wallet.people import shown_name

    return ", ".join(
        f"{terminal.money(cents)} {link} {shown_name(terminal, who) or who}" for who, cents in parts
    )


def _refuse(terminal: Terminal, found: dict[str, Any]) -> None:
    """End with why an order would be refused; nothing was sent."""
    problem = found["problem"]
    if problem is not None:
        number = int(problem["code"].removeprefix("WIJK-"))
        terminal.fail(number, problem["params"], exit_code=_EXIT_REFUSED)


def _claim_order(
    terminal: Terminal, policy_id: str, amount: str | None, payee: bytes, rest: dict[str, Any]
) -> Any:
    """Return the order of a claim, with the signature of a token where one is named.

    A token signs the nonce of the transaction (interfaces 4), so this is chosen first.
    """
    from chain.address import parse_account
    from chain.records import Tag
    from contracts.policy import Claim
    from wallet.amounts import parse_amount
    from wallet.keystore import load_key
    from wallet.order import NONCE_BYTES, find_account, named_keys, prepare_order

    keys = named_keys(terminal, rest["names"])
    account = find_account(terminal, keys)
    line, number, product = rest["line"], rest["number"], rest["product"]
    if line is not None and number is not None:
        raise click.UsageError(
            terminal.text("--line of --number, niet allebei", "--line or --number, not both")
        )
    call = Claim(
        parse_id(policy_id),
        payee,
        0 if amount is None else parse_amount(amount),
        number if line is None else line,
        None if rest["ref"] is None else parse_id(rest["ref"]),
        None,
        None if product is None else Tag("SALE", "P3", product, 0),
    )
    nonce = secrets.token_bytes(NONCE_BYTES)
    if rest["token"] is not None:
        token = load_key(terminal.home, rest["token"])
        sender = parse_account(account["account"])
        call = _add_token(terminal, call, token, sender, nonce)
    return prepare_order(terminal, account, keys, call, nonce=nonce)


def _add_token(
    terminal: Terminal, call: "Claim", token: "KeyFile", sender: bytes, nonce: bytes
) -> "Claim":
    import msgspec

    from chain.crypto import sign
    from contracts.policy import TokenProof, token_bytes
    from wallet.order import unlock_keys
    from wallet.trust import trusted_policy

    trusted = trusted_policy(terminal)
    seed = unlock_keys(terminal, trusted, [token])[token.name]
    digest = bytes.fromhex(trusted.chain_digest)
    message = token_bytes(digest, call.policy, call.payee, call.cents, sender, nonce)
    proof = TokenProof(bytes.fromhex(token.public_key), sign(seed, message))
    return msgspec.structs.replace(call, token=proof)


def _token_words(file: Path | None, tokens: tuple[str, ...]) -> list[str]:
    """Return the tokens that were typed and those in the file, one a line."""
    from chain.texts import Problem
    from wallet.files import read_plain

    if file is None:
        return list(tokens)
    try:
        lines = read_plain(file, _TOKENS_BYTES_MAX).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None
    return [*tokens, *(line.strip() for line in lines if line.strip())]


def _token_key(terminal: Terminal, word: str) -> bytes:
    """Return the public key that a word is, or that a key of this home with that name has."""
    from chain.texts import Problem
    from wallet.keystore import load_key

    try:
        return parse_id(word)
    except Problem:
        return bytes.fromhex(load_key(terminal.home, word).public_key)


def _period(text: str | None) -> int:
    """Return YYYYMM of `2026-12`, YYYY of `2026`, 0 for as long as the policy lasts (P3)."""
    from chain.texts import Problem

    if text is None:
        return 0
    if re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", text) is None:
        raise Problem(1001, cause=f"--period {text[:16]}: 2026-12, 2026")
    return int(text.replace("-", ""))


def say_policy(terminal: Terminal, item: dict[str, Any]) -> list[str]:
    """Return the sentences of a policy with the names this person knows for accounts."""
    from wallet.people import with_names

    return [with_names(terminal, str(sentence)) for sentence in item["sentences"][terminal.lang]]


def _word(terminal: Terminal, state: str) -> str:
    words = {
        "draft": ("concept", "draft"),
        "active": ("actief", "active"),
        "closed": ("gesloten", "closed"),
    }
    return terminal.text(*words[state])
