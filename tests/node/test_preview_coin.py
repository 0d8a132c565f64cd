"""Every call of the coin has a sentence in both languages (interfaces 2.2)."""

import pytest

from contracts.coin import CONTRACT, Transfer
from node.preview_coin import preview_coin
from tests.contracts.call_examples import CALLS

COIN = [call for call in CALLS if type(call) in {one.kind for one in CONTRACT.calls}]


@pytest.mark.parametrize("call", COIN, ids=lambda call: type(call).__name__)
def test_every_call_of_the_coin_has_a_sentence_in_both_languages(call: object) -> None:
    """But a transfer, whose sentence is that of all payments."""
    dutch, english = preview_coin(call, "nl"), preview_coin(call, "en")

    if isinstance(call, Transfer):
        assert dutch is english is None
        return
    assert dutch is not None
    assert english is not None
    assert dutch != english
    assert dutch.endswith(".")
    assert english.endswith(".")


def test_sentences_show_amounts_and_ends() -> None:
    said = {preview_coin(call, "nl") for call in COIN}

    assert "€ 1,28 inwisselen voor euro's." in said
    assert any("€ 12,50 opzij zetten voor wijk1" in str(one) for one in said)
    assert any("2026-01-31" in str(one) for one in said)
