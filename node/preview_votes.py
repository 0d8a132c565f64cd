"""What a call about votes, board, members and register asks, in both languages (interfaces 2.2).

Who votes or proposes reads the number of the vote, its class, and which calls it would carry out.
"""

from collections.abc import Callable
from typing import Any

from chain.address import account_text
from chain.contract import Clock, call_name
from chain.dates import DAY_S, date_text, from_days
from chain.errors import ChainError
from chain.keyspaces import DECISIONS
from chain.money_text import DUTCH, Lang, money
from contracts.board import AcceptSeat, Recall, Recuse, Reset, Resign, TripCall
from contracts.governance import Cast, Close, Execute, Issue, Propose, Second
from contracts.members import EraseRef, Recover, SetStatus
from contracts.registry import PlanRecord, Put, Retire, ValuationRecord

CLASSES = {
    "ORDINARY": ("gewoon voorstel", "ordinary proposal"),
    "STATUTES": ("voorstel over de statuten", "proposal on the statutes"),
    "RECALL": ("voorstel tot ontslag van het bestuur", "proposal to recall the board"),
    "SURVEY": ("peiling", "survey"),
    "BUDGET": ("begroting", "budget"),
    "PETITION": ("petitie", "petition"),
}
CHOICES = {
    "YES": ("Voor stemmen", "Vote for"),
    "NO": ("Tegen stemmen", "Vote against"),
    "BLANK": ("Blanco stemmen", "Vote blank"),
}
KINDS = {
    "VALUATION": ("een prijs voor werk", "a price for work"),
    "THEME": ("een thema van de wijk", "a theme of the wijk"),
    "PROGRAMME": ("een programma", "a programme"),
    "PLAN": ("een plan", "a plan"),
    "TASK_OFFER": ("een aanbod van taken", "an offer of tasks"),
    "CITY_MANDATE": ("een mandaat van de gemeente", "a mandate of the municipality"),
}
UNITS = {
    "HOUR": ("per uur", "an hour"),
    "PIECE": ("per stuk", "a piece"),
    "KM": ("per kilometer", "a kilometre"),
    "VISIT": ("per bezoek", "a visit"),
}
STATUSES = {
    "ACTIVE": ("weer toelaten", "Take back"),
    "SUSPENDED": ("schorsen", "Suspend"),
    "LEFT": ("uitschrijven", "Record as left:"),
}
_Pair = tuple[str, str]


def preview_votes(clock: Clock, call: Any, lang: Lang) -> str | None:
    """Return the sentence of a call of votes, board, members or register; None for any other."""
    make = _SENTENCES.get(type(call))
    if make is None:
        return None
    dutch, english = make(clock, call, lang)
    return dutch if lang == DUTCH else english


def _propose(clock: Clock, call: Propose, _lang: Lang) -> _Pair:
    dutch, english = CLASSES[call.klass]
    names = []
    for data in call.actions:
        try:
            names.append(call_name(clock.chain.table.decode_inner(data)))
        except ChainError:  # such a proposal is refused; the sentence still stands
            names.append("?")
    told = f": {', '.join(names)}" if names else ""
    secret_nl, secret_en = (", geheim", ", secret") if call.secret else ("", "")
    return f"Indienen: {dutch}{secret_nl}{told}.", f"Propose: {english}{secret_en}{told}."


def _about(clock: Clock, decision_id: bytes) -> _Pair:
    """Return what a vote is called: its number, and its class."""
    decision = DECISIONS.get(clock.state, decision_id)
    if decision is None or decision.klass not in CLASSES:
        short = decision_id.hex()[:16]
        return f"stemming {short}", f"vote {short}"
    dutch, english = CLASSES[decision.klass]
    name = f"{decision.wijk}/{decision.number}"
    return f"{name} ({dutch})", f"{name} ({english})"


def _second(clock: Clock, call: Second, _lang: Lang) -> _Pair:
    dutch, english = _about(clock, call.decision)
    return f"Steunen dat {dutch} in stemming komt.", f"Support that {english} is put to the vote."


def _cast(clock: Clock, call: Cast, _lang: Lang) -> _Pair:
    dutch, english = _about(clock, call.decision)
    word_nl, word_en = CHOICES[call.choice]
    return f"{word_nl}: {dutch}.", f"{word_en}: {english}."


def _close(clock: Clock, call: Close, _lang: Lang) -> _Pair:
    dutch, english = _about(clock, call.decision)
    return f"De uitslag vaststellen van {dutch}.", f"Establish the result of {english}."


def _execute(clock: Clock, call: Execute, _lang: Lang) -> _Pair:
    dutch, english = _about(clock, call.decision)
    return f"Uitvoeren wat besloten is: {dutch}.", f"Carry out what was decided: {english}."


def _issue(_clock: Clock, call: Issue, _lang: Lang) -> _Pair:
    if call.step == "ANSWER":
        return (
            f"Een vraag beantwoorden ({call.category}).",
            f"Answer a question ({call.category}).",
        )
    return (
        f"Het bestuur een vraag stellen ({call.category}).",
        f"Put a question to the board ({call.category}).",
    )


def _put(_clock: Clock, call: Put, lang: Lang) -> _Pair:
    dutch, english = KINDS[call.kind]
    day = date_text(call.valid_from)
    told_nl, told_en = "", ""
    record = call.record
    if isinstance(record, ValuationRecord):
        shown = money(record.cents_per_unit, lang)
        per_nl, per_en = UNITS.get(record.unit, (record.unit, record.unit))
        told_nl, told_en = (
            f" {record.activity}, {shown} {per_nl}",
            f" {record.activity}, {shown} {per_en}",
        )
    if isinstance(record, PlanRecord):
        lines = ", ".join(
            f"{line.code} {money(line.cents, lang)} {line.period}" for line in record.lines
        )
        told_nl = told_en = f": {lines}" if lines else ""
    return (
        f"Vastleggen vanaf {day}: {dutch}{told_nl}.",
        f"Set down from {day}: {english}{told_en}.",
    )


def _retire(_clock: Clock, call: Retire, _lang: Lang) -> _Pair:
    dutch, english = KINDS[call.kind]
    day = date_text(call.from_date)
    return f"Beëindigen op {day}: {dutch}.", f"End on {day}: {english}."


def _accept_seat(_clock: Clock, call: AcceptSeat, _lang: Lang) -> _Pair:
    return (
        f"Zetel {call.seat} aannemen, met een nieuwe sleutel van u.",
        f"Accept seat {call.seat}, with a new key of yours.",
    )


def _resign(clock: Clock, call: Resign, _lang: Lang) -> _Pair:
    day = _day(call.from_epoch * clock.epoch_s)
    return f"Zetel {call.seat} opgeven vanaf {day}.", f"Give up seat {call.seat} from {day}."


def _recall(_clock: Clock, call: Recall, _lang: Lang) -> _Pair:
    seats = ", ".join(str(seat) for seat in call.seats)
    return (
        f"De leden vragen om zetel {seats} te ontslaan ({call.ground}).",
        f"Ask the members to recall seat {seats} ({call.ground}).",
    )


def _recuse(clock: Clock, call: Recuse, _lang: Lang) -> _Pair:
    dutch, english = _about(clock, call.object)
    return (
        f"Zetel {call.seat} doet niet mee aan {dutch}.",
        f"Seat {call.seat} takes no part in {english}.",
    )


def _trip(_clock: Clock, call: TripCall, _lang: Lang) -> _Pair:
    hours = -(-call.seconds // 3_600)
    return (
        f"{call.call} {hours} uur stilzetten ({call.reason}); inwisselen en stemmen blijft kunnen.",
        f"Pause {call.call} for {hours} hours ({call.reason}); redeeming and voting still work.",
    )


def _reset(_clock: Clock, call: Reset, _lang: Lang) -> _Pair:
    return f"{call.call} weer vrijgeven.", f"Release {call.call} again."


def _recover(clock: Clock, call: Recover, _lang: Lang) -> _Pair:
    who, day = account_text(call.account), _day(clock.time_s + clock.number("recovery_delay_s"))
    return (
        f"{who} een nieuwe sleutel geven; die geldt vanaf {day}, als niemand het stopt.",
        f"Give {who} a new key; it holds from {day}, if nobody stops it.",
    )


def _set_status(_clock: Clock, call: SetStatus, _lang: Lang) -> _Pair:
    who = account_text(call.account)
    dutch, english = STATUSES[call.status]
    return f"{who} {dutch} ({call.reason}).", f"{english} {who} ({call.reason})."


def _erase(_clock: Clock, call: EraseRef, _lang: Lang) -> _Pair:
    who = account_text(call.account)
    return (
        f"Vastleggen dat de gegevens van {who} zijn vernietigd.",
        f"Record that the papers of {who} are destroyed.",
    )


def _day(time_s: int) -> str:
    last_s = 10**10  # a date of more than four digits a year is none
    return date_text(from_days(min(time_s, last_s) // DAY_S))


_SENTENCES: dict[type, Callable[[Clock, Any, Lang], _Pair]] = {
    Propose: _propose,
    Second: _second,
    Cast: _cast,
    Close: _close,
    Execute: _execute,
    Issue: _issue,
    Put: _put,
    Retire: _retire,
    AcceptSeat: _accept_seat,
    Resign: _resign,
    Recall: _recall,
    Recuse: _recuse,
    TripCall: _trip,
    Reset: _reset,
    Recover: _recover,
    SetStatus: _set_status,
    EraseRef: _erase,
}
