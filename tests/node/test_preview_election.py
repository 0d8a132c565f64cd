"""Every call about an election has a sentence in both languages (interfaces 2.2)."""

import pytest

from chain.contract import Clock
from chain.state import State
from contracts.election import Cast
from node.preview_election import preview_election
from tests.contracts.election_examples import CALLS
from tests.contracts.polling import WIJK, nominated_polls
from tests.federation import Ledger


def clock(ledger: Ledger) -> Clock:
    """Return the clock of the next block."""
    return Clock(ledger.chain, State(ledger.state.get), ledger.base.height + 1, ledger.time_s)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: type(call).__name__)
def test_every_call_has_a_sentence_in_both_languages(call: object) -> None:
    here = clock(nominated_polls().ledger)
    dutch, english = (preview_election(here, call, lang) for lang in ("nl", "en"))

    assert dutch is not None
    assert english is not None
    assert dutch != english
    assert dutch.endswith(".")
    assert english.endswith(".")


def test_a_cast_names_the_election_and_the_tracker_and_no_choice() -> None:
    polls = nominated_polls()

    said = preview_election(clock(polls.ledger), Cast(polls.id, bytes(32), 2_048), "nl")

    assert said == (
        f"Uw stembiljet 00000000000000000000 uitbrengen bij verkiezing {WIJK}/1;"
        " uw laatste biljet telt."
    )
