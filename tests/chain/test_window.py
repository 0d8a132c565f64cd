"""The replay window and the quota counts: derived from the blocks of the last 600 s (B1)."""

from hypothesis import given
from hypothesis import strategies as st

from chain.window import Included, Window

HORIZON_S = 600
SENDERS = [bytes([number]) * 20 for number in range(3)]


def included(sender: int, nonce: int, expires: int, tx: int) -> Included:
    return Included(SENDERS[sender], nonce.to_bytes(16, "big"), expires, tx.to_bytes(32, "big"))


Sketch = list[tuple[int, list[tuple[int, int]]]]  # (gap, [(sender, life)])

blocks = st.lists(
    st.tuples(
        st.integers(1, 400),  # seconds after the block before
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, HORIZON_S)), max_size=3),
    ),
    max_size=12,
)


def replayable(
    history: Sketch,
) -> list[tuple[int, list[Included]]]:
    """Return blocks with rising times; every transaction has a nonce of its own and expires."""
    result, now, count = [], 1_000, 0
    for gap, txs in history:
        now += gap
        items = []
        for sender, life in txs:
            count += 1
            items.append(included(sender, count, now + life, count))
        result.append((now, items))
    return result


@given(blocks, st.integers(1, 900))
def test_a_window_is_what_the_blocks_of_the_last_600_s_say(history: Sketch, wait: int) -> None:
    """A plain model over all blocks ever gives the same replays and the same counts."""
    chain = replayable(history)
    window = Window(HORIZON_S)
    for time_s, items in chain:
        window.add_block(time_s, items)
    now = (chain[-1][0] if chain else 1_000) + wait
    stale = window.stale_counts(now)
    for _, items in chain:
        for item in items:
            expected = item.tx_id if now < item.expires else None
            assert window.find(item.sender, item.nonce, now) == expected
    for sender in SENDERS:
        count = sum(
            item.sender == sender
            for time_s, items in chain
            for item in items
            if time_s > now - HORIZON_S
        )
        assert window.count(sender) - stale[sender] == count


@given(blocks)
def test_a_window_rebuilt_from_recent_blocks_equals_one_that_saw_all(
    history: Sketch,
) -> None:
    """What a node does at start and after a sync: it reads the blocks of the last 600 s only."""
    chain = replayable(history)
    whole = Window(HORIZON_S)
    for time_s, items in chain:
        whole.add_block(time_s, items)
    last = chain[-1][0] if chain else 0
    rebuilt = Window(HORIZON_S)
    for time_s, items in chain:
        if time_s > last - HORIZON_S:
            rebuilt.add_block(time_s, items)

    assert len(rebuilt) == len(whole)
    for now in (last + 1, last + HORIZON_S // 2, last + HORIZON_S):
        assert rebuilt.stale_counts(now) == whole.stale_counts(now)
        for _, items in chain:
            for item in items:
                found = whole.find(item.sender, item.nonce, now)
                assert rebuilt.find(item.sender, item.nonce, now) == found
                assert rebuilt.count(item.sender) == whole.count(item.sender)


def test_a_nonce_may_come_again_once_it_has_expired() -> None:
    """The window then knows the newer one, also when the block of the older falls out."""
    window = Window(HORIZON_S)
    window.add_block(1_000, [included(0, 7, 1_010, 1)])
    window.add_block(1_010, [included(0, 7, 1_605, 2)])
    assert window.find(SENDERS[0], (7).to_bytes(16, "big"), 1_011) == (2).to_bytes(32, "big")

    window.add_block(1_600, [])

    assert len(window) == 1
    assert window.find(SENDERS[0], (7).to_bytes(16, "big"), 1_604) == (2).to_bytes(32, "big")
    assert window.count(SENDERS[0]) == 1


def test_borders_of_the_window() -> None:
    """A block exactly 600 s old counts no more, nor does a transaction at its expiry."""
    window = Window(HORIZON_S)
    window.add_block(1_000, [included(0, 1, 1_600, 1)])
    nonce = (1).to_bytes(16, "big")

    assert window.find(SENDERS[0], nonce, 1_599) is not None
    assert window.find(SENDERS[0], nonce, 1_600) is None
    assert window.stale_counts(1_599)[SENDERS[0]] == 0
    assert window.stale_counts(1_600)[SENDERS[0]] == 1


def test_memory_is_bounded_by_the_horizon() -> None:
    window = Window(HORIZON_S)
    for number in range(5_000):
        window.add_block(number, [included(number % 3, number, number + HORIZON_S, number)])

    assert len(window) == HORIZON_S
    assert sum(window.count(sender) for sender in SENDERS) == HORIZON_S
