"""`wijk pay` and `wijk request` (interfaces 1.6, 1.7).

"Paid" is said only after the receipt was verified; a memo reaches the payee in a sealed box and
never the chain (interfaces 4).
"""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from wallet.commands_hold import tag_option, vat_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.records import Tag
    from wallet.contacts import Party
    from wallet.keystore import KeyFile
    from wallet.order import Order
    from wallet.outbox import Sent
    from wallet.send import Result

_LINK_MARK = "/p#r="
_EXIT_REFUSED = 5
_NOT_ALLOWED = 3006
_OTHER_WIJK = "WIJK-2125"


class Payment(NamedTuple):
    """What is to be paid, between whom; the accounts are `query account` objects."""

    payer: dict[str, Any]
    payee: dict[str, Any]
    party: "Party"
    cents: int
    memo: str | None
    tag: "Tag | None" = None

    @property
    def crosses(self) -> bool:
        """Say whether the payee is of another wijk."""
        return bool(self.payer["wijk"] != self.payee["wijk"])

    @property
    def denom(self) -> str:
        """Return the coin of the payer."""
        return str(self.payer["balances"][0]["denom"])


@click.command(help="Betaal iemand // Pay somebody")
@click.argument("who")
@click.argument("amount", required=False)
@click.option(
    "--memo", metavar="TEXT", help="omschrijving, alleen voor de ontvanger // for the payee"
)
@tag_option
@vat_option
@click.option("--from", "from_", metavar="KEY", help="met welke sleutel // with which key")
@click.option(
    "--wait",
    type=click.Choice(["final", "accepted", "no"]),
    default="final",
    help="waarop wachten // what to wait for",
)
@click.option("--valid-for", metavar="T", default="5m", help="hoe lang geldig // how long valid")
@click.option("--dry-run", is_flag=True, help="probeer, verstuur niets // try, send nothing")
@click.option(
    "--receipt",
    "receipt_file",
    type=click.Path(path_type=Path),
    help="waar de bon komt // where the receipt goes",
)
@click.pass_obj
def pay(
    terminal: Terminal,
    who: str,
    amount: str | None,
    memo: str | None,
    tag: str | None,
    vat: str | None,
    from_: str | None,
    wait: str,
    valid_for: str,
    dry_run: bool,
    receipt_file: Path | None,
) -> None:
    """Pay WHO an AMOUNT such as 12,50; WHO may be a payment link, which names its amount."""
    from wallet.amounts import parse_duration_ms
    from wallet.order import find_account, prepare_order, sign_order
    from wallet.people import own_key
    from wallet.send import send
    from wallet.tags import read_tag

    valid_ms = parse_duration_ms(valid_for)
    cents, memo, payee_text = _what_to_pay(terminal, who, amount, memo)
    key_file = own_key(terminal, from_)
    party = _payee(terminal, who, payee_text)
    payer = find_account(terminal, [key_file])
    payment = _look_up(terminal, payer, key_file, party, cents, memo)
    payment = payment._replace(tag=read_tag(tag, vat))
    memo_key = None if memo is None else secrets.token_bytes(32)
    order = prepare_order(
        terminal, payment.payer, [key_file], make_call(payment, memo_key), valid_ms
    )
    _suggest(terminal, payment)
    if dry_run:
        _try_out(terminal, payment, order)
        return
    _preview(terminal, payment)
    terminal.confirm("Klopt dit?", "Is this right?")
    if not order.is_complete:
        _draft(terminal, payment, order)
        return
    sent = _sealed(payment, sign_order(terminal, order), memo_key)
    result = send(terminal, order.policy, sent, wait=wait, receipt_file=receipt_file)
    _finish(terminal, payment, result)


@click.command(help="Vraag om een betaling, met link en QR-code // Ask for a payment: link and QR")
@click.argument("amount")
@click.option("--memo", metavar="TEXT", help="waarvoor // what for")
@click.option("--to", "to", metavar="KEY", help="op welke rekening // to which account")
@click.option("--once/--open", "once", default=True, help="een keer, of vaker // once, or often")
@click.option("--expires", metavar="T", default="7d", help="hoe lang geldig // how long valid")
@click.option("--qr/--link", "qr", default=True, help="toon een QR-code // show a QR code")
@click.pass_obj
def request(
    terminal: Terminal,
    amount: str,
    memo: str | None,
    to: str | None,
    once: bool,
    expires: str,
    qr: bool,
) -> None:
    """Make a payment link for an AMOUNT."""
    from chain.address import parse_account
    from wallet.amounts import parse_amount, parse_duration_ms
    from wallet.memo import check_memo
    from wallet.order import find_account
    from wallet.people import own_key
    from wallet.request import REQUEST_ID_BYTES, build_link, make_request, qr_text
    from wallet.times import now_s, time_text
    from wallet.trust import trusted_policy

    cents = parse_amount(amount)
    until_s = now_s() + parse_duration_ms(expires) // 1000
    memo = None if memo is None else check_memo(memo)
    account = find_account(terminal, [own_key(terminal, to)])
    denom = account["balances"][0]["denom"]
    made = make_request(
        bytes.fromhex(trusted_policy(terminal).chain_digest),
        parse_account(account["account"]),
        cents,
        denom,
        memo,
        secrets.token_bytes(REQUEST_ID_BYTES),
        until_s,
    )
    public_url = terminal.client.status().get("public_url")  # where others reach this node
    link = build_link(public_url or terminal.settings.nodes[0], made)
    tree = {
        "request_id": made.request_id.hex(),
        "to": account["account"],
        "amount_cents": cents,
        "denom": denom,
        "memo": memo,
        "once": once,
        "expires_at": time_text(until_s * 1000),
        "link": link,
        "qr": link,
    }
    shown = terminal.money(cents)
    lines = [terminal.text(f"Verzoek om {shown}", f"Request of {shown}"), link]
    if qr and terminal.output == "text":
        lines += qr_text(link).splitlines()
    terminal.show(tree, lines)


def make_call(payment: Payment, memo_key: bytes | None) -> Any:
    """Return the call: a transfer inside the wijk, else a payment across (interfaces 1.7)."""
    from chain.address import parse_account
    from contracts.coin import Leg, Transfer
    from contracts.trade import Pay
    from wallet.sign import note_of

    note = None
    if payment.memo is not None and memo_key is not None:
        note = note_of(payment.memo, memo_key)
    to = parse_account(payment.payee["account"])
    if payment.crosses:
        return Pay(to, payment.cents, payment.tag, note)
    return Transfer((Leg(to, payment.cents, payment.tag, note),), None)


def _what_to_pay(
    terminal: Terminal, who: str, amount: str | None, memo: str | None
) -> tuple[int, str | None, str | None]:
    """Return cents, memo and, where WHO is a link, the account that it names."""
    from chain.address import account_text
    from chain.texts import Problem
    from wallet.amounts import parse_amount
    from wallet.memo import check_memo
    from wallet.request import check_request, parse_link
    from wallet.times import now_s
    from wallet.trust import trusted_policy

    memo = None if memo is None else check_memo(memo)
    if _LINK_MARK not in who:
        if amount is None:
            raise click.MissingParameter(param_hint="AMOUNT", param_type="argument")
        return parse_amount(amount), memo, None
    asked = parse_link(who)
    check_request(asked, bytes.fromhex(trusted_policy(terminal).chain_digest), now_s())
    if amount is not None and parse_amount(amount) != asked.amount_cents:
        raise Problem(1005, text=amount)
    return asked.amount_cents, asked.memo if memo is None else memo, account_text(asked.to)


def _payee(terminal: Terminal, who: str, account: str | None) -> "Party":
    from chain.address import parse_account
    from wallet.contacts import Party
    from wallet.people import resolve_who, shown_name

    if account is None:
        return resolve_who(terminal, who)
    return Party(parse_account(account), shown_name(terminal, account), "account")


def _look_up(
    terminal: Terminal,
    payer: dict[str, Any],
    key: "KeyFile",
    party: "Party",
    cents: int,
    memo: str | None,
) -> Payment:
    from chain.address import account_text
    from chain.texts import Problem

    payee_id = account_text(party.account)
    try:
        payee = terminal.client.find_account(payee_id)
    except Problem as problem:
        if problem.number != _NOT_ALLOWED:
            raise
        payee = _try_wijk(terminal, payer, key, party, cents)
    if payee is None:
        raise Problem(2008, account=payee_id)
    return Payment(payer, payee, party, cents, memo)


def _try_wijk(
    terminal: Terminal, payer: dict[str, Any], key: "KeyFile", party: "Party", cents: int
) -> dict[str, Any]:
    """Return what can be known of a payee that only members may look up: its wijk.

    A payment inside the wijk is tried out, and refused with the payee's wijk if it is another.
    """
    from chain.address import account_text
    from wallet.order import prepare_order, trial_of

    wijk = payer["wijk"]
    payee = {"account": account_text(party.account), "wijk": wijk, "keys": []}
    order = prepare_order(
        terminal, payer, [key], make_call(Payment(payer, payee, party, cents, None), None)
    )
    problem = terminal.client.check(trial_of(order))["problem"]
    if problem is not None and problem["code"] == _OTHER_WIJK:
        wijk = problem["params"]["wijk"]
    return payee | {"wijk": wijk}


def _preview(terminal: Terminal, payment: Payment) -> None:
    from wallet.outbox import pending
    from wallet.people import label

    for tx in pending(terminal.home):  # paying again could pay twice
        terminal.say(
            f"Let op: van een eerdere opdracht is de uitkomst niet bekend: wijk tx wait {tx}",
            f"Note: the outcome of an earlier order is not known: wijk tx wait {tx}",
        )

    who, wijk = label(payment.party), payment.payee["wijk"]
    amount = terminal.money(payment.cents)
    now = payment.payer["balances"][0]["available_cents"]
    terminal.say(f"U betaalt {amount} aan {who} ({wijk}).", f"You pay {amount} to {who} ({wijk}).")
    if payment.memo is not None:
        terminal.say(f"Omschrijving: {payment.memo}", f"Memo: {payment.memo}")
    before, after = terminal.money(now), terminal.money(now - payment.cents)
    terminal.say(
        f"Saldo nu {before}, daarna {after}.", f"Balance now {before}, afterwards {after}."
    )


def _suggest(terminal: Terminal, payment: Payment) -> None:
    """What would help if the balance is too low (interfaces 1.5)."""
    from wallet.people import label

    left = payment.payer["balances"][0]["available_cents"]
    tries = ["wijk account history"]
    if left > 0:
        euros = f"{left // 100}{',' if terminal.lang == 'nl' else '.'}{left % 100:02}"
        tries.insert(0, f'wijk pay "{label(payment.party)}" {euros}')
    terminal.tries[2104] = tries


def _try_out(terminal: Terminal, payment: Payment, order: "Order") -> None:
    """`--dry-run`: the node runs it and keeps nothing; exit 0 or 5."""
    from wallet.order import trial_of
    from wallet.people import label

    found = terminal.client.check(trial_of(order))
    problem = found["problem"]
    tree = {
        "dry_run": True,
        "allowed": found["allowed"],
        "from": payment.payer["account"],
        "to": payment.payee["account"],
        "amount_cents": payment.cents,
        "denom": payment.denom,
        "cross_wijk": payment.crosses,
        "effects": found["effects"],
        "preview": found["preview"][terminal.lang],
        "problem": problem,
    }
    said = terminal.text("Dit kan. Er is niets verstuurd.", "This works. Nothing was sent.")
    lines = [found["preview"][terminal.lang].replace(tree["to"], label(payment.party))]
    terminal.show(tree, [*lines, said] if found["allowed"] else lines)
    if not found["allowed"]:
        number = int(problem["code"].removeprefix("WIJK-"))
        terminal.fail(
            number,
            problem["params"],
            exit_code=_EXIT_REFUSED,
            tx=problem["tx"],
            instance=problem["instance"],
        )


def _sealed(payment: Payment, envelope: bytes, memo_key: bytes | None) -> "Sent":
    from wallet.memo import seal_memo
    from wallet.outbox import Sent

    if payment.memo is None or memo_key is None:
        return Sent(envelope, None, None, None)
    if not payment.payee["keys"]:  # only members may look it up: the memo stays in the receipt
        return Sent(envelope, None, memo_key, payment.memo)
    payee_key = bytes.fromhex(payment.payee["keys"][0]["public_key"])
    return Sent(envelope, seal_memo(payee_key, memo_key, payment.memo), memo_key, payment.memo)


def _draft(terminal: Terminal, payment: Payment, order: "Order") -> None:
    """Others must sign too. A draft holds no memo: it travels from hand to hand."""
    from chain.texts import Problem
    from wallet.order import write_draft
    from wallet.send import draft_result

    if payment.memo is not None:
        raise Problem(1001, cause="not-draft")
    path = write_draft(terminal, order, "pay")
    _finish(terminal, payment, draft_result(path, len(order.keys), order.need))


def _finish(terminal: Terminal, payment: Payment, result: "Result") -> None:
    from wallet.finish import finish
    from wallet.people import label

    amount, who = terminal.money(payment.cents), label(payment.party)
    extra = {
        "from": payment.payer["account"],
        "to": payment.payee["account"],
        "to_name": payment.party.name,
        "amount_cents": payment.cents,
        "denom": payment.denom,
        "wijk_from": payment.payer["wijk"],
        "wijk_to": payment.payee["wijk"],
        "cross_wijk": payment.crosses,
        "memo": payment.memo,
    }
    done = terminal.text(f"Betaald: {amount} aan {who}.", f"Paid: {amount} to {who}.")
    finish(terminal, result, extra, [done], f"wijk receipt verify {result.tx['tx']}")
