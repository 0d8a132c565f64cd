"""Every call of votes, board, members and register has its sentences (interfaces 2.2)."""

import pytest

from chain.codec import encode
from chain.contract import Clock
from chain.state import State
from contracts.governance import Cast, Propose
from contracts.members import EraseRef, Recover, SetStatus
from node.preview_votes import preview_votes
from tests.contracts.assembly import WIJK, by_board
from tests.contracts.member_examples import CALLS as MEMBER_CALLS
from tests.contracts.vote_examples import CALLS
from tests.federation import Ledger


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger()


def clock(ledger: Ledger) -> Clock:
    """Return the clock of the next block."""
    return Clock(ledger.chain, State(ledger.state.get), ledger.base.height + 1, ledger.time_s)


MEMBERS = [one for one in MEMBER_CALLS if isinstance(one, Recover | SetStatus | EraseRef)]


@pytest.mark.parametrize("call", [*CALLS, *MEMBERS], ids=lambda call: type(call).__name__)
def test_every_call_has_a_sentence_in_both_languages(ledger: Ledger, call: object) -> None:
    dutch, english = (preview_votes(clock(ledger), call, lang) for lang in ("nl", "en"))

    assert dutch is not None
    assert english is not None
    assert dutch != english
    assert dutch.endswith(".")
    assert english.endswith(".")


def test_a_ballot_names_the_number_and_the_class_of_its_vote(ledger: Ledger) -> None:
    decision_id = by_board(ledger)

    said = preview_votes(clock(ledger), Cast(decision_id, "NO"), "nl")

    assert said == f"Tegen stemmen: {WIJK}/1 (gewoon voorstel)."


def test_a_proposal_names_what_it_would_carry_out(ledger: Ledger) -> None:
    call = Propose("ORDINARY", (encode(CALLS[-1]), b"\x01"), bytes(32), 0, 1, 1)

    said = preview_votes(clock(ledger), call, "en")

    assert said == "Propose: ordinary proposal, secret: registry.retire, ?."


def test_a_price_and_a_budget_are_shown_with_their_amounts(ledger: Ledger) -> None:
    said = [preview_votes(clock(ledger), call, "nl") for call in CALLS]

    assert "Vastleggen vanaf 2026-01-01: een prijs voor werk TUIN, € 5,00 per uur." in said
    assert any("HUUR € 700,00 MONTH" in str(one) for one in said)
