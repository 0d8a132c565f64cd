"""What a call of the coin asks, in one sentence, in Dutch and English (interfaces 2.2)."""

from collections.abc import Callable
from typing import Any

from chain.address import account_text
from chain.dates import DAY_S, date_text, from_days
from chain.money_text import DUTCH, Lang, money
from contracts.coin import (
    BankEntryCall,
    Correct,
    FreezeCall,
    HoldCall,
    Mint,
    PayoutBatch,
    Post,
    RedeemPaid,
    RedeemRequest,
    SetMinter,
    StatementCall,
    Void,
)

_KINDS = {
    "CHARGE": ("bankkosten", "bank charges"),
    "INTEREST": ("rente", "interest"),
    "CONTRIBUTION": ("een bijdrage", "a contribution"),
    "PREFUND": ("een storting bij een andere wijk", "a deposit at another wijk"),
    "REVERSAL": ("een teruggedraaide storting", "a reversed deposit"),
}


def preview_coin(call: Any, lang: Lang) -> str | None:
    """Return the sentence of a call of the coin that has no payee of its own; else None."""
    make = _SENTENCES.get(type(call))
    if make is None:
        return None
    dutch, english = make(call, lang)
    return dutch if lang == DUTCH else english


def _hold(call: HoldCall, lang: Lang) -> tuple[str, str]:
    shown, who, minutes = money(call.cents, lang), account_text(call.to), call.timeout // 60
    return (
        f"{shown} opzij zetten voor {who}, {minutes} minuten lang.",
        f"Set {shown} aside for {who}, for {minutes} minutes.",
    )


def _post(call: Post, lang: Lang) -> tuple[str, str]:
    shown = " + ".join(money(part.cents, lang) for part in call.holds)
    return f"{shown} van opzij gezet geld aannemen.", f"Take {shown} of money set aside."


def _void(_call: Void, _lang: Lang) -> tuple[str, str]:
    return "Opzij gezet geld teruggeven.", "Give back money that was set aside."


def _redeem(call: RedeemRequest, lang: Lang) -> tuple[str, str]:
    shown = money(call.cents, lang)
    return f"{shown} inwisselen voor euro's.", f"Redeem {shown} for euros."


def _set_minter(call: SetMinter, lang: Lang) -> tuple[str, str]:
    shown = money(call.allowance, lang)
    return (
        f"De penningmeesters van {call.denom} mogen nog {shown} uitgeven.",
        f"The treasury of {call.denom} may still issue {shown}.",
    )


def _statement(call: StatementCall, lang: Lang) -> tuple[str, str]:
    day, closing = date_text(call.date), money(call.closing, lang)
    return (
        f"Bankafschrift van {day} bevestigen, eindsaldo {closing}.",
        f"Attest the bank statement of {day}, closing balance {closing}.",
    )


def _bank_entry(call: BankEntryCall, _lang: Lang) -> tuple[str, str]:
    dutch, english = _KINDS[call.kind]
    return f"Bankregel boeken als {dutch}.", f"Book a bank entry as {english}."


def _mint(call: Mint, lang: Lang) -> tuple[str, str]:
    shown, who = money(call.cents, lang), account_text(call.to)
    if call.cause == "RETURN":
        return (
            f"{shown} teruggeven aan {who}: de uitbetaling kwam terug.",
            f"Return {shown} to {who}: the payout came back.",
        )
    return f"{shown} uitgeven aan {who}.", f"Issue {shown} to {who}."


def _payout(call: PayoutBatch, lang: Lang) -> tuple[str, str]:
    count, shown = len(call.requests), money(call.total, lang)
    return (
        f"{count} inwisselingen uitbetalen, samen {shown}.",
        f"Pay {count} redemptions out, {shown} together.",
    )


def _paid(_call: RedeemPaid, _lang: Lang) -> tuple[str, str]:
    return "Boeken dat de bank een inwisseling heeft betaald.", "Book a redemption as paid."


def _correct(call: Correct, lang: Lang) -> tuple[str, str]:
    shown = money(call.cents, lang)
    if call.kind == "TAG":
        return (
            f"Een betaling van {shown} onder een andere soort boeken.",
            f"Book a payment of {shown} under another tag.",
        )
    return f"{shown} van een betaling teruggeven.", f"Give {shown} of a payment back."


def _freeze(call: FreezeCall, _lang: Lang) -> tuple[str, str]:
    who = account_text(call.account)
    if not call.on:
        return f"{who} weer vrijgeven ({call.reason}).", f"Release {who} ({call.reason})."
    last_s = 10**10  # far beyond a freeze; a date of more than four digits a year is none
    day = date_text(from_days(min(call.until, last_s) // DAY_S))
    return (
        f"{who} bevriezen tot {day} ({call.reason}); inwisselen blijft kunnen.",
        f"Freeze {who} until {day} ({call.reason}); redeeming stays possible.",
    )


_SENTENCES: dict[type, Callable[[Any, Lang], tuple[str, str]]] = {
    HoldCall: _hold,
    Post: _post,
    Void: _void,
    RedeemRequest: _redeem,
    SetMinter: _set_minter,
    StatementCall: _statement,
    BankEntryCall: _bank_entry,
    Mint: _mint,
    PayoutBatch: _payout,
    RedeemPaid: _paid,
    Correct: _correct,
    FreezeCall: _freeze,
}
