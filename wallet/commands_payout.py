"""`wijk coin payout`: pay redemptions out at the bank (interfaces 1.6, economy C14, C15)."""

from pathlib import Path
from typing import Any

import click

from wallet.commands_issued import prove_option, read_redemptions
from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)


@click.group(help="Inwisselingen uitbetalen // Pay redemptions out")
def payout() -> None:
    """Payouts."""


@payout.command("list", help="Wie nog op euro's wacht // Who still waits for euros")
@click.option("--wijk", metavar="W", help="van welke wijk // of which wijk")
@prove_option
@click.pass_obj
def list_(terminal: Terminal, wijk: str | None, *, prove: bool) -> None:
    """Show every redemption that is not paid yet, the first due first."""
    from wallet.order import find_account
    from wallet.people import own_key

    slug = wijk or str(find_account(terminal, [own_key(terminal)])["wijk"])
    found = read_redemptions(terminal, slug) if prove else terminal.client.redemptions(slug)
    rows = sorted(found, key=_place)
    tree = {"items": rows, "next": None, "as_of_height": None}
    terminal.show(tree, [_line(terminal, row) for row in rows] or [terminal.text("geen", "none")])
    if prove:
        terminal.say(
            "Bewezen: elk bedrag, en dat er geen ontbreekt.",
            "Proven: each sum, and that none is missing.",
        )


def _place(row: dict[str, Any]) -> tuple[str, str]:
    return (row["due_on"] or "9999", row["redemption_id"])


def _line(terminal: Terminal, row: dict[str, Any]) -> str:
    money, name = terminal.money(row["amount_cents"]), row["redemption_id"][:16]
    if row["overdue"]:
        state = terminal.text("TE LAAT", "OVERDUE")
    elif row["status"] == "batched":
        state = terminal.text("in een betaalbestand", "in a batch")
    else:
        state = terminal.text("open", "open")
    due = row["due_on"] or terminal.text("wacht", "waits")
    return f"  {due}  {money}  {name}  {state}"


@payout.command(help="Maak een betaalbestand pain.001 voor de bank // Make a pain.001 for the bank")
@click.option("--out", type=_FILE, required=True, help="waar het komt // where it goes")
@click.option("--iban", metavar="IBAN", help="de reserverekening die betaalt // the paying account")
@keys_option
@click.pass_obj
def batch(terminal: Terminal, out: Path, iban: str | None, names: tuple[str, ...]) -> None:
    """`coin.payout_batch`. The file leaves the home only after both signatures (economy C14).

    A file made before whose batch is on the chain by now is put out; else a new one is made.
    """
    from bank.pain001 import Debtor
    from chain.texts import Problem
    from contracts.coin import PayoutBatch
    from wallet.files import write_new
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call, unlock_keys
    from wallet.payout import find_kept, find_payout, gather, keep_file, make_file
    from wallet.redemption import check_iban
    from wallet.trust import trusted_policy

    if out.exists():
        raise Problem(1001, cause=f"{out}: exists")
    keys = named_keys(terminal, names)
    account = find_account(terminal, keys)
    rows = terminal.client.redemptions(account["wijk"])
    policy = trusted_policy(terminal)
    kept = find_kept(terminal, policy, rows)
    if kept is not None:
        write_new(out, kept.read_bytes())
        kept.unlink()
        paid = [row for row in rows if row["file"] == kept.stem]
        total = sum(row["amount_cents"] for row in paid)
        done = terminal.text(
            f"Getekend: {out}, {terminal.money(total)}.", f"Signed: {out}, {terminal.money(total)}."
        )
        two = {"have": account["threshold"], "need": account["threshold"]}
        tree = {"file": str(out), "sha256": kept.stem, "requests": len(paid)}
        terminal.show(tree | {"total_cents": total, "signatures": two}, [done])
        return
    if iban is None:
        raise Problem(1001, cause="--iban")
    debtor = Debtor(iban=check_iban(iban), name=_name(terminal, account["wijk"]))
    seeds = list(unlock_keys(terminal, policy, keys).values())
    found = gather(rows, lambda name: find_payout(terminal, policy, name, seeds))
    for name in found.unknown:
        terminal.say(
            f"Overgeslagen, bankrekening hier onbekend: {name}",
            f"Left out, bank account not known here: {name}",
        )
    if not found.payouts:
        raise Problem(1001, cause=terminal.text("niets uit te betalen", "nothing to pay out"))
    data = make_file(found.payouts, debtor)
    path = keep_file(terminal, data)
    total = sum(one.cents for one in found.payouts)
    requests = tuple(one.request for one in found.payouts)
    call = PayoutBatch(requests, bytes.fromhex(path.stem), total, None)
    shown = terminal.money(total)
    said = (
        f"{len(requests)} inwisselingen uitbetalen, samen {shown}.",
        f"Pay {len(requests)} redemptions, {shown} together.",
    )
    result = send_call(terminal, call, names, "payout", said, account=account)
    final = result.tx["status"] == "final"
    if final:
        write_new(out, data)
        path.unlink()
    extra = {
        "file": str(out) if final else str(path),
        "sha256": path.stem,
        "requests": len(requests),
        "total_cents": total,
        "signatures": {"have": max(1, len(names)), "need": account["threshold"]},
    }
    done = terminal.text(f"Geef {out} aan de bank: {shown}.", f"Give {out} to the bank: {shown}.")
    finish(terminal, result, extra, [done], "wijk coin payout paid CAMT053.xml")


@payout.command(help="Boek wat de bank betaald heeft // Book what the bank has paid")
@click.argument("file", type=_FILE)
@keys_option
@click.pass_obj
def paid(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """`coin.redeem_paid` for every debit of an attested statement that pays a request (C15)."""
    from bank.pain001 import end_to_end_id
    from chain.texts import Problem
    from contracts.coin import RedeemPaid
    from wallet.bank_evidence import find_reserve, read_statements
    from wallet.order import find_account, named_keys, send_call

    account = find_account(terminal, named_keys(terminal, names))
    wijk = account["wijk"]
    statements = read_statements(terminal, file, find_reserve(terminal, wijk))
    waiting = {
        end_to_end_id(bytes.fromhex(row["redemption_id"])): row
        for row in terminal.client.redemptions(wijk)
        if row["status"] == "batched"
    }
    debits = [
        (line, waiting[line.end_to_end])
        for statement in statements
        for line in statement.entries
        if line.side == "D" and not line.reversal and line.end_to_end in waiting
    ]
    if not debits:
        raise Problem(1001, cause=terminal.text("geen uitbetaling past", "no payout fits"))
    if len(debits) > 1 and len(names) < account["threshold"]:
        raise Problem(2002, have=max(1, len(names)), need=account["threshold"])
    items, failure = [], None
    for line, row in debits:
        shown = terminal.money(line.cents)
        said = (f"Uitbetaald: {shown}.", f"Paid out: {shown}.")
        call = RedeemPaid(bytes.fromhex(row["redemption_id"]), line.entry_id)
        result = send_call(terminal, call, names, "paid", said, account=account)
        about = {"redemption_id": row["redemption_id"], "amount_cents": row["amount_cents"]}
        items.append(result.tx | about)
        failure = result.failure
        if failure is not None:
            break
        terminal.given["yes"] = True  # the rest of the same file was answered too
    tree = {"items": items, "next": None, "as_of_height": None}
    lines = [f"  {terminal.money(one['amount_cents'])}  {one['status']}" for one in items]
    terminal.show(tree, lines)
    if failure is not None:
        number, params, exit_code = failure
        unmoved = items[-1]["status"] in ("draft", "failed", "rejected", "expired")
        terminal.fail(number, params, exit_code=exit_code, nothing_sent=unmoved, tx=items[-1]["tx"])


def _name(terminal: Terminal, wijk: str) -> str:
    """Return how the paying wijk is called at the bank: its name, else its id."""
    named = {one["slug"]: one["name"] for one in terminal.client.wijken()}
    return f"Wijk {named.get(wijk) or wijk}"
