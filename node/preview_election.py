"""What a call about an election asks, in Dutch and English (interfaces 2.2).

A ballot is secret, so the sentence about casting one names the election and its tracker, and
nothing of what was chosen.
"""

from collections.abc import Callable
from typing import Any

from chain.ballot import TRACKER_DIGITS
from chain.contract import Clock
from chain.elections import ELECTIONS
from chain.money_text import DUTCH, Lang
from contracts.election import (
    CallElection,
    Cast,
    Challenge,
    DecryptShare,
    Dkg,
    HandOver,
    Nominate,
    ObjectTo,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from node.views import time_text

METHODS = {
    "APPROVAL": ("kies wie u goed vindt", "approve those you want"),
    "APPROVAL_BUURT": (
        "kies wie u goed vindt, met vaste zetels per buurt",
        "approve those you want, with seats kept for areas",
    ),
    "YES_NO": ("voor of tegen", "for or against"),
    "SCORE": ("geef punten", "give points"),
    "STV_EXACT": ("zet op volgorde", "rank them"),
}
KINDS = {
    "BOARD": ("een bestuursverkiezing", "an election of the board"),
    "DECISION": ("een geheime stemming over een voorstel", "a secret vote on a proposal"),
    "SURVEY": ("een geheime peiling", "a secret survey"),
}
STEPS = {
    "COMMIT": ("uw deel van de sleutel vastleggen", "commit to your part of the key"),
    "DEAL": ("delen van de sleutel verdelen", "deal parts of the key"),
    "CONFIRM": ("bevestigen dat uw delen kloppen", "confirm that your parts fit"),
    "COMPLAIN": ("melden dat een deel niet klopt", "complain that a part does not fit"),
    "ANSWER": ("een deel in het open tonen", "show a part in the open"),
}
OBJECTIONS = {
    "RAISE": ("Bezwaar maken tegen de uitslag van", "Object to the result of"),
    "UPHOLD": ("Een bezwaar gegrond verklaren bij", "Uphold an objection to"),
    "DISMISS": ("Een bezwaar afwijzen bij", "Dismiss an objection to"),
}
HANDOVERS = {
    "OVERLAP": ("de nieuwe sleutels toevoegen", "add the new keys"),
    "KEYS": ("de oude sleutels intrekken", "withdraw the old keys"),
    "VAULT": ("de kluis is opnieuw versleuteld", "the vault is encrypted anew"),
    "CHECKLIST": ("de lijst is afgewerkt", "the checklist is done"),
}
_Pair = tuple[str, str]


def preview_election(clock: Clock, call: Any, lang: Lang) -> str | None:
    """Return the sentence of a call about an election; None for any other call."""
    make = _SENTENCES.get(type(call))
    if make is None:
        return None
    dutch, english = make(clock, call)
    return dutch if lang == DUTCH else english


def _name(clock: Clock, election_id: bytes) -> _Pair:
    election = ELECTIONS.get(clock.state, election_id)
    name = election_id.hex()[:16] if election is None else f"{election.wijk}/{election.number}"
    return f"verkiezing {name}", f"election {name}"


def _call(_clock: Clock, call: CallElection) -> _Pair:
    kind_nl, kind_en = KINDS[call.kind]
    method_nl, method_en = METHODS[call.method]
    opens, closes = time_text(call.calendar[3] * 1000), time_text(call.calendar[4] * 1000)
    return (
        f"Uitschrijven: {kind_nl} ({method_nl}), stemmen van {opens} tot {closes}.",
        f"Call {kind_en} ({method_en}), voting from {opens} to {closes}.",
    )


def _nominate(clock: Clock, call: Nominate) -> _Pair:
    dutch, english = _name(clock, call.election)
    have = len(call.seconders)
    return (
        (
            f"U kandidaat stellen bij {dutch}, met {have} steunbetuigingen en"
            f" {len(call.pledges)} beloften."
        ),
        f"Stand in {english}, with {have} seconders and {len(call.pledges)} pledges.",
    )


def _roll(clock: Clock, call: VoterRoot) -> _Pair:
    dutch, english = _name(clock, call.election)
    count = sum(blob.size for blob in call.credentials) // 32
    return (
        (
            f"De kiezerslijst van {dutch} vaststellen: {count} stemsleutels van"
            f" {call.eligible} stemgerechtigden."
        ),
        f"Freeze the roll of {english}: {count} voting keys of {call.eligible} voters.",
    )


def _dkg(clock: Clock, call: Dkg) -> _Pair:
    dutch, english = _name(clock, call.election)
    step_nl, step_en = STEPS[call.phase]
    return f"Sleutel van {dutch}: {step_nl}.", f"Key of {english}: {step_en}."


def _open(clock: Clock, call: Open) -> _Pair:
    dutch, english = _name(clock, call.election)
    return f"Het stemmen bij {dutch} openen.", f"Open voting in {english}."


def _cast(clock: Clock, call: Cast) -> _Pair:
    dutch, english = _name(clock, call.election)
    tracker = call.ballot.hex()[:TRACKER_DIGITS]
    return (
        f"Uw stembiljet {tracker} uitbrengen bij {dutch}; uw laatste biljet telt.",
        f"Cast your ballot {tracker} in {english}; your last ballot counts.",
    )


def _challenge(clock: Clock, call: Challenge) -> _Pair:
    dutch, english = _name(clock, call.election)
    tracker = call.ballot.hex()[:TRACKER_DIGITS]
    return (
        f"Stembiljet {tracker} van {dutch} openen om het te controleren; het telt nooit mee.",
        f"Open ballot {tracker} of {english} to check it; it will never count.",
    )


def _tally(clock: Clock, call: Tally) -> _Pair:
    dutch, english = _name(clock, call.election)
    return f"De stemmen van {dutch} optellen.", f"Add up the votes of {english}."


def _share(clock: Clock, call: DecryptShare) -> _Pair:
    dutch, english = _name(clock, call.election)
    return (
        f"Uw deel geven om de uitslag van {dutch} te openen.",
        f"Give your part to open the result of {english}.",
    )


def _result(clock: Clock, call: SetResult) -> _Pair:
    dutch, english = _name(clock, call.election)
    counts = ", ".join(str(count) for count in call.counts)
    return (
        f"De uitslag van {dutch} vastleggen: {counts or 'open biljetten'}.",
        f"Set the result of {english}: {counts or 'open ballots'}.",
    )


def _object(clock: Clock, call: ObjectTo) -> _Pair:
    dutch, english = _name(clock, call.election)
    step_nl, step_en = OBJECTIONS[call.step]
    return f"{step_nl} {dutch} ({call.ground}).", f"{step_en} {english} ({call.ground})."


def _hand_over(clock: Clock, call: HandOver) -> _Pair:
    dutch, english = _name(clock, call.election)
    step_nl, step_en = HANDOVERS[call.step]
    return f"Overdracht na {dutch}: {step_nl}.", f"Handover after {english}: {step_en}."


_SENTENCES: dict[type, Callable[[Clock, Any], _Pair]] = {
    CallElection: _call,
    Nominate: _nominate,
    VoterRoot: _roll,
    Dkg: _dkg,
    Open: _open,
    Cast: _cast,
    Challenge: _challenge,
    Tally: _tally,
    DecryptShare: _share,
    SetResult: _result,
    ObjectTo: _object,
    HandOver: _hand_over,
}
