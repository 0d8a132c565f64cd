"""`wijk coin`: the coin of a wijk, its reserve, issue and redemption (interfaces 1.6, economy 5).

Who issues or attests signs with two treasurers: `--key A --key B`, or a draft for the other one.
"""

import secrets
from pathlib import Path
from typing import Any

import click

from chain.dates import date_text
from wallet.commands_appeal import answer, appeal, appeals
from wallet.commands_hold import hold, holds, post, void
from wallet.commands_issued import (
    issued,
    prove_option,
    read_coin,
    read_health,
    read_reserve,
)
from wallet.commands_payout import payout
from wallet.commands_rules import rules
from wallet.commands_transfer import transfer
from wallet.commands_treasury import bank_entry, correct, freeze
from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)
_WIJK = "van welke wijk // of which wijk"


@click.group(help="Munt, dekking en uitgifte // Coin, reserve and issue")
def coin() -> None:
    """The coin of a wijk."""


for _command in (payout, issued, transfer, hold, post, void, holds, freeze, appeal, appeals):
    coin.add_command(_command)
for _command in (answer, bank_entry, correct, rules):
    coin.add_command(_command)


@coin.group(help="De dekking op de bank // The reserve at the bank")
def reserve() -> None:
    """The reserve of a wijk."""


@coin.command(help="Hoeveel munten er zijn, en hoe ze gedekt zijn // How much coin, backed by what")
@click.option("--wijk", metavar="W", help=_WIJK)
@prove_option
@click.pass_obj
def info(terminal: Terminal, wijk: str | None, *, prove: bool) -> None:
    """Show supply, reserve and peg."""
    from wallet.order import wijk_or_own
    from wallet.reviews import warn_of_reviews

    slug = wijk_or_own(terminal, wijk)
    found = read_coin(terminal, slug) if prove else terminal.client.supply(slug)
    money = terminal.money
    issued, redeemed = money(found["issued_cents"]), money(found["redeemed_cents"])
    supply, backing = money(found["supply_cents"]), money(found["reserve_cents"])
    lines = [
        f"{found['name']} ({found['denom']})",
        terminal.text(
            f"  uitgegeven {issued}, ingewisseld {redeemed}",
            f"  issued {issued}, redeemed {redeemed}",
        ),
        terminal.text(
            f"  in omloop {supply}, op de bank {backing}",
            f"  in circulation {supply}, at the bank {backing}",
        ),
        terminal.text("  de dekking klopt", "  the reserve is right")
        if found["peg"] == "ok"
        else terminal.text("  de dekking is te laag", "  the reserve is short"),
    ]
    if prove:
        lines.append(terminal.text("  bedragen bewezen", "  sums proven"))
    statement = found["statement"]
    if statement is not None:
        on, closing = statement["closing_on"], money(statement["closing_cents"])
        lines.append(
            terminal.text(
                f"  laatste afschrift {on}: {closing}", f"  newest statement {on}: {closing}"
            )
        )
    terminal.show(found, lines)
    warn_of_reviews(terminal)


@coin.command(help="Hoe gezond de munt is // How healthy the coin is")
@click.option("--wijk", metavar="W", help=_WIJK)
@prove_option
@click.pass_obj
def health(terminal: Terminal, wijk: str | None, *, prove: bool) -> None:
    """The figures of economy C21."""
    from wallet.order import wijk_or_own

    slug = wijk_or_own(terminal, wijk)
    found = read_health(terminal, slug) if prove else terminal.client.health(slug)
    waiting, times, cost = found["waiting"], found["finality_ms"], found["cost_cents"]
    payments = found["payments_30_days"]
    few = terminal.text("te weinig rekeningen", "too few accounts")

    def share(ppm: int | None) -> str:
        return few if ppm is None else f"{ppm // 10_000} %"

    def told(value: int | None, unit: str) -> str:
        return "-" if value is None else f"{value} {unit}"

    money, days = terminal.money, terminal.text("dagen", "days")
    fullest, unmoved = share(found["fullest_ppm"]), share(found["unmoved_ppm"])
    count, waits = waiting["count"], money(waiting["amount_cents"])
    median, oldest = told(waiting["median_days"], days), told(waiting["oldest_days"], days)
    lines = [
        f"{found['denom']}, {found['made_on']}",
        terminal.text(
            f"  bij de vijf volste bedrijven: {fullest}; dertig dagen niet bewogen: {unmoved}",
            f"  at the five fullest businesses: {fullest}; not moved for thirty days: {unmoved}",
        ),
        terminal.text(
            f"  wacht op inwisselen: {count}, samen {waits}; midden {median}, oudste {oldest}",
            f"  waiting to redeem: {count}, {waits} together; median {median}, oldest {oldest}",
        ),
        terminal.text(
            f"  geboekte kosten: {money(cost)}; betalingen in dertig dagen: {told(payments, '')}",
            f"  costs booked: {money(cost)}; payments in thirty days: {told(payments, '')}",
        ).rstrip(),
        terminal.text(
            f"  tot zeker: midden {told(times['p50'], 'ms')}, p95 {told(times['p95'], 'ms')}",
            f"  until final: median {told(times['p50'], 'ms')}, p95 {told(times['p95'], 'ms')}",
        ),
        *(
            terminal.text(f"  geweigerd {code}: {times}", f"  refused {code}: {times}")
            for code, times in found["failures"].items()
        ),
        *(
            [
                terminal.text(
                    f"  bewezen: {money(found['outstanding_cents'])} in omloop, wat wacht en de"
                    " kosten; de rest zegt deze node",
                    f"  proven: {money(found['outstanding_cents'])} out, what waits and the"
                    " costs; the rest is what this node says",
                )
            ]
            if prove
            else []
        ),
    ]
    terminal.show(found, lines)


@reserve.command(help="Dekking tegenover munten, en open bankregels // Reserve against coin")
@click.option("--wijk", metavar="W", help=_WIJK)
@prove_option
@click.pass_obj
def show(terminal: Terminal, wijk: str | None, *, prove: bool) -> None:
    """Show the reserve and what in the bank is not booked yet, with its age (economy C6)."""
    from wallet.order import wijk_or_own

    slug = wijk_or_own(terminal, wijk)
    found = read_reserve(terminal, slug) if prove else terminal.client.reserve(slug)
    money = terminal.money
    due_from, due_to = money(found["due_from_cents"]), money(found["due_to_cents"])
    lines = [
        terminal.text(
            f"{found['denom']}: op de bank {money(found['reserve_cents'])}, "
            f"in omloop {money(found['supply_cents'])}",
            f"{found['denom']}: at the bank {money(found['reserve_cents'])}, "
            f"in circulation {money(found['supply_cents'])}",
        ),
        terminal.text(
            f"  nog te krijgen van andere wijken {due_from}, te betalen {due_to}",
            f"  due from other wijken {due_from}, due to them {due_to}",
        ),
        *(
            f"  {one['on']}  {'+' if one['side'] == 'C' else '-'} {money(one['amount_cents'])}"
            f"  {one['entry']}  {_age(terminal, one)}"
            for one in found["unmatched"]
        ),
    ]
    if prove:
        lines.append(
            terminal.text(
                "  bedragen bewezen; open bankregels zegt deze node",
                "  sums proven; open bank entries are what this node says",
            )
        )
    if found["blocked"] == "overdue":
        lines.append(
            terminal.text(
                "  geen uitgifte: eerst een inwisseling betalen die te laat is",
                "  no issue: first pay a redemption that is overdue",
            )
        )
    elif found["blocked"] == "short":
        lines.append(
            terminal.text(
                "  geen uitgifte: boek eerst de open afschrijvingen, of vul aan met een bijdrage",
                "  no issue: first book the open debits, or make up for them by a contribution",
            )
        )
    terminal.show(found, lines)


@reserve.command(help="Bevestig een rekeningafschrift camt.053 // Attest a camt.053 statement")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def attest(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`coin.statement`, one order a page, statements in the order of the file."""
    from chain.crypto import sha256
    from chain.texts import Problem
    from wallet.bank_evidence import (
        BANK_FILE_BYTES_MAX,
        find_reserve,
        read_statements,
        statement_calls,
    )
    from wallet.files import read_plain
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call

    account = find_account(terminal, named_keys(terminal, names))
    reserve_id = find_reserve(terminal, account["wijk"])
    statements = read_statements(terminal, file, reserve_id)
    calls = [call for one in statements for call in statement_calls(one, reserve_id)]
    if len(calls) > 1 and len(names) < account["threshold"]:
        # Later pages build on earlier ones, so drafts of all of them could not be signed at once.
        raise Problem(2002, have=max(1, len(names)), need=account["threshold"])
    first, last = statements[0], statements[-1]
    opening, closing = terminal.money(first.opening), terminal.money(last.closing)
    count, until = sum(len(one.entries) for one in statements), date_text(last.date)
    said = (
        f"Afschrift tot {until}: van {opening} naar {closing}, {count} regels.",
        f"Statement up to {until}: from {opening} to {closing}, {count} entries.",
    )
    results = []
    for call in calls:
        results.append(send_call(terminal, call, names, "attest", said, account=account))
        if results[-1].failure is not None:
            break
        terminal.given["yes"] = True  # the rest of the same statement was answered too
    result = results[-1]
    lines = [line for one in statements for line in one.entries]
    statement = {
        "id": result.tx["tx"],
        "from_on": date_text(first.opening_date),
        "to_on": date_text(last.date),
        "opening_cents": first.opening,
        "credits_cents": sum(line.cents for line in lines if line.side == "C"),
        "debits_cents": sum(line.cents for line in lines if line.side == "D"),
        "closing_cents": last.closing,
        "sha256": sha256(read_plain(file, BANK_FILE_BYTES_MAX)).hex(),
    }
    extra = {
        "wijk": account["wijk"],
        "statement": statement,
        "signatures": {"have": max(1, len(names)), "need": account["threshold"]},
    }
    done = terminal.text(
        f"Afschrift tot {statement['to_on']} bevestigd, eindsaldo {closing}.",
        f"Statement up to {statement['to_on']} attested, closing balance {closing}.",
    )
    finish(terminal, result, extra, [done], "wijk coin reserve show")


@coin.command(help="Hoeveel de penningmeesters nog mogen uitgeven // What may still be issued")
@click.argument("amount")
@keys_option
@click.pass_obj
def allowance(terminal: Terminal, amount: str, names: tuple[str, ...]) -> None:
    """`coin.set_minter`, by the board."""
    from contracts.coin import SetMinter
    from wallet.amounts import parse_amount
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call

    cents = parse_amount(amount)
    account = find_account(terminal, named_keys(terminal, names))
    denom = account["balances"][0]["denom"]
    shown = terminal.money(cents)
    said = (
        f"De penningmeesters van {denom} mogen nog {shown} uitgeven.",
        f"The treasury of {denom} may still issue {shown}.",
    )
    call = SetMinter(denom, cents)
    result = send_call(terminal, call, names, "allowance", said, account=account)
    done = terminal.text(f"Er mag nog {shown} bij.", f"{shown} may still be issued.")
    extra = {"denom": denom, "allowance_cents": cents}
    finish(terminal, result, extra, [done], f"wijk coin issue {amount} --to WHO --evidence FILE")


@coin.command(help="Geef munten uit voor een storting op de bank // Issue coin for a deposit")
@click.argument("amount")
@click.option("--to", "to", metavar="WHO", required=True, help="voor wie // for whom")
@click.option(
    "--reason",
    type=click.Choice(["deposit", "return"]),
    default="deposit",
    help="storting, of teruggestuurde uitbetaling // deposit, or a payout that came back",
)
@click.option("--evidence", type=_FILE, required=True, help="rekeningafschrift // bank statement")
@click.option("--entry", metavar="REF", help="welke bankregel // which entry")
@click.option("--request", "request_id", metavar="ID", help="welke inwisseling // which redemption")
@keys_option
@click.pass_obj
def issue(
    terminal: Terminal,
    amount: str,
    to: str,
    reason: str,
    evidence: Path,
    entry: str | None,
    request_id: str | None,
    names: tuple[str, ...],
) -> None:
    """`coin.mint`: only for an entry of a statement that was attested before."""
    from chain.address import account_text
    from contracts.coin import Mint
    from wallet.amounts import parse_amount
    from wallet.bank_evidence import find_entry, find_reserve, read_statements
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call
    from wallet.people import label, resolve_who

    cents = parse_amount(amount)
    request = _request_id(terminal, reason, request_id)
    payee = resolve_who(terminal, to)
    account = find_account(terminal, named_keys(terminal, names))
    wijk, denom = account["wijk"], account["balances"][0]["denom"]
    statements = read_statements(terminal, evidence, find_reserve(terminal, wijk))
    line = find_entry(terminal, statements, entry, cents)
    call = Mint(
        line.entry_id, payee.account, cents, "RETURN" if reason == "return" else "DEPOSIT", request
    )
    shown, who = terminal.money(cents), label(payee)
    said = (f"{shown} uitgeven aan {who}.", f"Issue {shown} to {who}.")
    supply = terminal.client.supply(wijk)
    result = send_call(terminal, call, names, "issue", said, account=account)
    if result.tx["status"] == "final":
        supply = _newest(terminal, wijk, supply, cents)
    extra = {
        "wijk": wijk,
        "denom": denom,
        "amount_cents": cents,
        "to": account_text(payee.account),
        "evidence": _evidence(terminal, wijk, line.entry_id.hex(), supply),
        "entry": line.entry_id.hex(),
        "supply_cents": supply["supply_cents"],
        "reserve_cents": supply["reserve_cents"],
        "signatures": {"have": max(1, len(names)), "need": account["threshold"]},
    }
    done = terminal.text(f"Uitgegeven: {shown} aan {who}.", f"Issued: {shown} to {who}.")
    finish(terminal, result, extra, [done], "wijk coin info")


@coin.command(help="Wissel munten in voor euro's op uw bank // Redeem coin for euros")
@click.argument("amount")
@click.option("--to-iban", metavar="IBAN", required=True, help="uw bankrekening // your account")
@click.option("--from", "from_", metavar="KEY", help="met welke sleutel // with which key")
@click.pass_obj
def redeem(terminal: Terminal, amount: str, to_iban: str, from_: str | None) -> None:
    """`coin.redeem_request`: the IBAN is checked, sealed for the treasurer, never on chain."""
    from chain.texts import Problem
    from contracts.coin import RedeemRequest
    from wallet.amounts import parse_amount
    from wallet.finish import finish
    from wallet.memo import seal_memo
    from wallet.order import find_account, prepare_order, sign_order
    from wallet.outbox import Sent
    from wallet.people import own_key
    from wallet.redemption import check_iban, due_on, payout_commitment, treasurer_key
    from wallet.send import send

    cents = parse_amount(amount)
    iban = check_iban(to_iban)
    key_file = own_key(terminal, from_)
    account = find_account(terminal, [key_file])
    denom = account["balances"][0]["denom"]
    salt = secrets.token_bytes(32)
    call = RedeemRequest(cents, payout_commitment(iban, salt))
    order = prepare_order(terminal, account, [key_file], call)
    if not order.is_complete:  # a draft travels from hand to hand: the IBAN has no place in it
        cause = terminal.text(
            "een rekening met meer handtekeningen wisselt in met wijk tx build",
            "an account with several signatures redeems with wijk tx build",
        )
        raise Problem(1001, cause=cause)
    shown = terminal.money(cents)
    terminal.say(f"{shown} naar bankrekening {iban}.", f"{shown} to bank account {iban}.")
    terminal.confirm("Klopt dit?", "Is this right?")
    sealed = seal_memo(treasurer_key(terminal, order.policy, account["wijk"]), salt, iban)
    result = send(terminal, order.policy, Sent(sign_order(terminal, order), sealed, None, None))
    done = result.tx["status"] == "final"
    tree = {
        "redemption_id": result.tx["tx"],
        "amount_cents": cents,
        "denom": denom,
        "from": account["account"],
        "iban_sealed": True,
        "due_on": due_on(terminal, order.policy, result.tx["tx"]) if done else None,
    }
    said = terminal.text(
        f"Aangevraagd: {shown}, uiterlijk {tree['due_on']} op uw bank.",
        f"Requested: {shown}, at your bank on {tree['due_on']} at the latest.",
    )
    finish(terminal, result, tree, [said], "wijk account history")


def _age(terminal: Terminal, one: dict[str, Any]) -> str:
    days = one["age_days"]
    late = terminal.text(", TE LAAT geboekt", ", OVERDUE") if one["overdue"] else ""
    return terminal.text(f"{days} dagen oud", f"{days} days old") + late


def _request_id(terminal: Terminal, reason: str, text: str | None) -> bytes | None:
    """A return names the redemption that came back (economy C16); a deposit names none."""
    from wallet.amounts import parse_id

    if (reason == "return") is not (text is not None):
        cause = terminal.text(
            "noem bij --reason return, en alleen daar, de inwisseling met --request",
            "name the redemption with --request for --reason return, and only there",
        )
        terminal.fail(1001, {"cause": cause})
    return None if text is None else parse_id(text)


def _newest(terminal: Terminal, wijk: str, before: dict[str, Any], cents: int) -> dict[str, Any]:
    """Return `coin info` after an issue, which is final whether or not a node answers this."""
    from chain.texts import Problem

    try:
        return terminal.client.supply(wijk)
    except Problem:
        supply, reserve = before["supply_cents"] + cents, before["reserve_cents"] + cents
        return before | {"supply_cents": supply, "reserve_cents": reserve}


def _evidence(terminal: Terminal, wijk: str, entry: str, supply: dict[str, Any]) -> str | None:
    """Return the id of the statement that holds the entry: what the node tells, else the newest."""
    from chain.texts import Problem

    try:
        rows = terminal.client.issuance(wijk)
    except Problem:
        rows = []
    for row in rows:
        if row["entry"] == entry:
            return str(row["evidence"])
    statement = supply["statement"]
    return None if statement is None else str(statement["id"])
