"""What `wijk audit close` says of a month close, as JSON and to people (ADR 0099)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.commands import Terminal
from audit.commands_reconcile import say_difference
from chain.money_text import money

if TYPE_CHECKING:
    from audit.month_check import Fault
    from audit.month_close import Finding, MonthClose


def describe(made: "MonthClose", path: Path | None, faults: "list[Fault]") -> dict[str, Any]:
    """Return a close, its file and what is wrong with it as JSON."""
    import msgspec

    from audit.month_close import digest_of

    return {
        "file": None if path is None else str(path),
        "sha256": digest_of(made),
        "first": made.previous is None,
        "close": msgspec.to_builtins(made),
        "faults": [{"kind": one.kind, "nl": one.nl, "en": one.en} for one in faults],
    }


def describe_signer(path: Path, key: bytes, office: str | None, trusted: bool) -> dict[str, Any]:
    """Return who signed, and as what: auditor, board, signer (of `--signer`) or null."""
    from chain.address import account_id, account_text

    account = account_text(account_id(key))
    office = office or ("signer" if trusted else None)
    return {"file": str(path), "account": account, "public_key": key.hex(), "as": office}


def say_signer(terminal: Terminal, one: dict[str, Any]) -> str:
    """Say what `describe_signer` returned."""
    office = {
        "auditor": terminal.text("accountant van de federatie", "auditor of the federation"),
        "board": terminal.text("bestuur van de wijk", "board of the wijk"),
        "signer": terminal.text("vertrouwd met --signer", "trusted with --signer"),
        None: terminal.text("wie dat is, is niet bekend", "who that is, is not known"),
    }[one["as"]]
    return terminal.text(
        f"  getekend door {one['account']} ({office})",
        f"  signed by {one['account']} ({office})",
    )


def say_scope(terminal: Terminal, offline: bool, bank: bool) -> str:
    """Say what sound closes were held against."""
    if offline:
        return terminal.text(
            "Handtekeningen, sommen en aansluiting kloppen; de cijfers, en wie er tekende, zijn"
            " niet met de keten vergeleken.",
            "Signatures, sums and row are right; the figures, and who signed, were not held against"
            " the chain.",
        )
    if not bank:
        return terminal.text(
            "Alles klopt met de keten; de bank is het woord van wie tekende. Met --bank ook die.",
            "All is as the chain says; the bank is the word of who signed. With --bank that too.",
        )
    return terminal.text(
        "Alles klopt met de keten en met de bestanden van de bank.",
        "All is as the chain and the bank's files say.",
    )


def say_close(terminal: Terminal, made: "MonthClose", faults: "list[Fault]") -> list[str]:
    """Return the lines that show a close, its findings and its faults."""
    lang, sums = terminal.lang, made.supply
    ok = terminal.text("klopt", "is right") if not faults else ""
    bad = terminal.text("klopt niet", "is not right") if faults else ""
    bank = sum(one.closing_cents for one in made.accounts)
    matched = sum(one.matched for one in made.accounts)
    days = sum(len(one.statements) for one in made.accounts)
    begin, end = (money(one.outstanding_cents, lang) for one in (sums.begin, sums.end))
    issued, redeemed = (
        money(cents, lang) for cents in (sums.movement.issued_cents, sums.movement.redeemed_cents)
    )
    traded = money(sums.movement.traded_in_cents - sums.movement.traded_out_cents, lang)
    head, version = made.checkpoint, made.version
    lines = [
        terminal.text(
            f"{made.month} {made.wijk}, versie {version}, tot en met blok {head.height}: {ok}{bad}",
            f"{made.month} {made.wijk}, version {version}, up to block {head.height}: {ok}{bad}",
        ),
        terminal.text(
            f"  uitstaand {begin} + uitgegeven {issued} - ingewisseld {redeemed}"
            f" + van andere wijken {traded} = {end}",
            f"  outstanding {begin} + issued {issued} - redeemed {redeemed}"
            f" + from other wijken {traded} = {end}",
        ),
        terminal.text(
            f"  bank {money(bank, lang)}, {days} afschriften, {matched} bankregels gelijk;"
            f" verschil met de munten {money(made.backing.difference_cents, lang)}",
            f"  bank {money(bank, lang)}, {days} statements, {matched} bank entries equal;"
            f" difference with the coin {money(made.backing.difference_cents, lang)}",
        ),
    ]
    if made.previous is None:
        lines.append(
            terminal.text(
                "  eerste afsluiting: noemt geen andere die eraan voorafgaat",
                "  first close: cites no other one before it",
            )
        )
    for item in (item for one in made.accounts for item in one.open_items):
        cents = money(item.amount_cents, lang)
        lines.append(
            terminal.text(
                f"  open post {item.on}  {item.side} {cents}, {item.days} dagen  {item.entry}",
                f"  open item {item.on}  {item.side} {cents}, {item.days} days  {item.entry}",
            )
        )
    for asked in made.pending:
        cents = money(asked.amount_cents, lang)
        due = asked.due_on or "-"
        lines.append(
            terminal.text(
                f"  inwisseling onderweg {cents}, uiterlijk {due}  {asked.id}",
                f"  redemption under way {cents}, due {due}  {asked.id}",
            )
        )
    lines += [f"  {say_finding(terminal, one)}" for one in made.findings]
    lines += [f"  [{one.kind}] {terminal.text(one.nl, one.en)}" for one in faults]
    return lines


def say_finding(terminal: Terminal, one: "Finding") -> str:
    """Say a finding that stands in a close."""
    on = one.on or "-"
    said = say_difference(terminal, one.kind, on, one.entry, one.bank_cents, one.chain_cents)
    return terminal.text(f"bevinding: {said}", f"finding: {said}")
