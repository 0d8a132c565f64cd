"""When a node turns new work away: by how long it would wait (reliability A12, ADR 0056)."""

from hypothesis import given
from hypothesis import strategies as st

from node.pace import BACKLOG_TXS_MIN, PATIENCE_MS, RETRY_S_MAX, SPANS_MAX, WAIT_S_MAX, Pace

STEP_MS = 500


class Chain:
    """A pace and a clock: blocks come at the end of each step, work comes right after one."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.now_ms = 0

    def block(self, txs: int, left: int = 5_000) -> None:
        self.now_ms += STEP_MS
        self.pace.on_block(txs, left, self.now_ms)

    def ask(self, backlog: int, later_ms: int = 0) -> int:
        return self.pace.on_work(backlog, self.now_ms + later_ms)


def paced(txs: int, blocks: int, left: int = 5_000) -> Chain:
    chain = Chain()
    for _ in range(blocks):
        chain.block(txs, left)
    return chain


def test_a_burst_is_taken_before_any_pace_is_known_but_not_for_long() -> None:
    chain = Chain()
    assert chain.ask(90_000) == 0
    assert chain.ask(90_000, PATIENCE_MS - 1) == 0
    assert chain.ask(90_000, PATIENCE_MS) == 2  # no block took anything of it
    assert chain.ask(90_000, 5_000) == 6
    assert chain.ask(BACKLOG_TXS_MIN - 1, PATIENCE_MS) == 0


def test_a_backlog_of_seconds_is_refused_with_the_time_until_there_is_room() -> None:
    chain = paced(1_000, 3)  # 2,000 a second
    assert chain.ask(2_000 * WAIT_S_MAX - 1) == 0
    assert chain.ask(2_000 * WAIT_S_MAX) == 1
    assert chain.ask(2_000 * WAIT_S_MAX + 6_000) == 4
    assert chain.ask(10_000_000) == RETRY_S_MAX


def test_half_a_full_block_is_taken_however_slow_the_chain_is() -> None:
    chain = paced(1, 5, left=1)  # a trickle: two a second
    assert chain.ask(BACKLOG_TXS_MIN - 1) == 0
    assert chain.ask(BACKLOG_TXS_MIN) == 1
    assert paced(0, 5).ask(BACKLOG_TXS_MIN) == 3  # none in two seconds


def test_a_block_that_took_all_says_nothing_of_what_could_be_taken() -> None:
    chain = paced(10, 5)
    assert chain.ask(50_000) > 0
    chain.block(10, left=0)
    assert chain.ask(50_000) == 0  # as if nothing were known
    chain.block(10)
    assert chain.ask(50_000) > 0  # but this one was asked for something, and left it


def test_the_pause_before_work_came_is_no_pace() -> None:
    chain = paced(10, 5, left=0)
    chain.now_ms += 3_600_000
    assert chain.ask(10) == 0
    chain.block(2_000)
    assert chain.ask(15_000) == 0  # 4,000 a second


def test_the_pace_is_that_of_the_newest_blocks() -> None:
    chain = paced(10, 50)
    for _ in range(SPANS_MAX):
        chain.block(5_000, 9_000)
    assert chain.ask(10_000 * WAIT_S_MAX - 1) == 0


def test_a_chain_that_stands_still_takes_less_and_less() -> None:
    chain = paced(1_000, 1 + SPANS_MAX)  # 8,000 in 4 s
    assert chain.ask(7_999) == 0
    assert chain.ask(7_999, later_ms=4_000) > 0  # 8,000 in 8 s
    assert chain.ask(3_999, later_ms=4_000) == 0
    assert chain.ask(3_999, later_ms=60_000) > 0


@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 9_000), st.integers(0, 60_000))),
    st.integers(0, 200_000),
    st.integers(0, 60_000),
)
def test_it_never_fails_and_more_waiting_is_never_a_shorter_wait(
    blocks: list[tuple[int, int, int]], backlog: int, later_ms: int
) -> None:
    pace, now_ms = Pace(), 0
    for txs, left, step_ms in blocks:
        now_ms += step_ms
        pace.on_block(txs, left, now_ms)
    at_ms = now_ms + later_ms
    assert 0 <= pace.on_work(backlog, at_ms) <= pace.on_work(backlog + 1, at_ms) <= RETRY_S_MAX
    assert pace.on_work(BACKLOG_TXS_MIN - 1, at_ms) == 0
