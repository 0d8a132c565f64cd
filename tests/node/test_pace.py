"""When a node turns new work away: by how long it would wait (reliability A12, ADR 0056)."""

from hypothesis import given
from hypothesis import strategies as st

from node.pace import BACKLOG_TXS_MIN, RETRY_S_MAX, SPANS_MAX, WAIT_S_MAX, Pace

STEP_MS = 500


def paced(txs: int, blocks: int, left: int = 5_000, step_ms: int = STEP_MS) -> Pace:
    """Return what is known after `blocks` blocks of `txs`, one each `step_ms`."""
    pace = Pace()
    for i in range(blocks):
        pace.on_block(txs, left, i * step_ms)
    return pace


def test_a_burst_is_taken_before_any_pace_is_known() -> None:
    assert Pace().compute_wait_s(90_000) == 0
    assert paced(1_000, 1).compute_wait_s(90_000) == 0  # one block says no pace yet


def test_a_backlog_of_seconds_is_refused_with_the_time_until_there_is_room() -> None:
    pace = paced(1_000, 3)  # 2,000 a second
    assert pace.compute_wait_s(2_000 * WAIT_S_MAX - 1) == 0
    assert pace.compute_wait_s(2_000 * WAIT_S_MAX) == 1
    assert pace.compute_wait_s(2_000 * WAIT_S_MAX + 6_000) == 4
    assert pace.compute_wait_s(10_000_000) == RETRY_S_MAX


def test_half_a_full_block_is_taken_however_slow_the_chain_is() -> None:
    pace = paced(1, 5, left=1)  # a trickle: two a second
    assert pace.compute_wait_s(BACKLOG_TXS_MIN - 1) == 0
    assert pace.compute_wait_s(BACKLOG_TXS_MIN) == 1
    assert paced(0, 5).compute_wait_s(BACKLOG_TXS_MIN) == 1


def test_a_block_that_took_all_says_nothing_of_what_could_be_taken() -> None:
    pace = paced(10, 5)
    assert pace.compute_wait_s(50_000) > 0
    pace.on_block(10, 0, 6 * STEP_MS)
    assert pace.compute_wait_s(50_000) == 0
    pace.on_block(10, 5, 7 * STEP_MS)  # the pause before it is no pace
    assert pace.compute_wait_s(50_000) == 0


def test_the_pace_is_that_of_the_newest_blocks() -> None:
    pace = paced(10, 50)
    for i in range(SPANS_MAX):
        pace.on_block(5_000, 9_000, (50 + i) * STEP_MS)
    assert pace.compute_wait_s(10_000 * WAIT_S_MAX - 1) == 0


@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 9_000), st.integers(0, 60_000))),
    st.integers(0, 200_000),
)
def test_it_never_fails_and_more_waiting_is_never_a_shorter_wait(
    blocks: list[tuple[int, int, int]], backlog: int
) -> None:
    pace, now_ms = Pace(), 0
    for txs, left, step_ms in blocks:
        now_ms += step_ms
        pace.on_block(txs, left, now_ms)
    assert 0 <= pace.compute_wait_s(backlog) <= pace.compute_wait_s(backlog + 1) <= RETRY_S_MAX
    assert pace.compute_wait_s(BACKLOG_TXS_MIN - 1) == 0
