"""economy E5: an election from the call to its result, and every refusal on the way."""

from __future__ import annotations

from chain.elections import COUNTED
from chain.errors import Code
from tests.contracts.desk import assert_done, assert_refused
from tests.contracts.polling import Polls


def test_a_board_is_elected_and_two_trustees_vanish() -> None:
    """economy E5, E18 to E24: the state machine from call to result."""
    polls = Polls().to_open()
    assert polls.status == "OPEN"
    for number, voter in enumerate(["voter 0", "voter 1", "voter 2", "voter 3"]):
        assert_done(polls.cast(voter, 1, 2 + number))
    assert_done(polls.cast("voter 4", blank=True))
    assert_done(polls.cast("voter 3", 6))  # the last one counts

    assert_done(polls.tally())
    assert polls.status == "TALLIED"
    polls.share("gijs", "els", "iris")
    assert polls.status == "DECRYPTABLE"
    assert_done(polls.result(1, 3, 1, 1, 1, 0, 1))

    row = COUNTED.get(polls.state, polls.id)
    assert row is not None
    assert row.counts == (1, 3, 1, 1, 1, 0, 1)
    assert row.elected[0] == 1
    assert set(row.elected) == {1, 2, 3, 4, 6}
    assert (polls.status, polls.election.ballots) == ("RESULT", 5)
