"""Queues of what falls due: a heap in state gives what a sorted list would (economy C10)."""

from hypothesis import given
from hypothesis import strategies as st

from chain.due import DUE, DUES, HOLDS_DUE, add_due, take_due
from chain.state import State


def make_state() -> State:
    return State(lambda _key: None)


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_c10_the_earliest_comes_first_and_of_one_time_the_lowest_id() -> None:
    state = make_state()
    for time_s, number in ((5, 1), (3, 9), (3, 2), (4, 7)):
        add_due(state, HOLDS_DUE, time_s, name(number))

    taken = [take_due(state, HOLDS_DUE, 5) for _ in range(5)]

    assert taken == [name(2), name(9), name(7), name(1), None]


def test_c10_nothing_comes_before_its_time() -> None:
    state = make_state()
    add_due(state, HOLDS_DUE, 100, name(1))

    assert take_due(state, HOLDS_DUE, 99) is None
    assert take_due(state, HOLDS_DUE, 100) == name(1)


def test_an_empty_queue_leaves_no_key() -> None:
    state = make_state()
    for number in range(9):
        add_due(state, HOLDS_DUE, 9 - number, name(number))
    for _ in range(9):
        assert take_due(state, HOLDS_DUE, 9) is not None

    assert state.changes() == {}


def test_queues_do_not_mix() -> None:
    state = make_state()
    add_due(state, "one", 1, name(1))
    add_due(state, "two", 1, name(2))

    assert take_due(state, "two", 1) == name(2)
    assert take_due(state, "two", 1) is None
    assert take_due(state, "one", 1) == name(1)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 20), st.integers(0, 10**6)),
            st.tuples(st.just("take"), st.integers(0, 20), st.just(0)),
        ),
        max_size=60,
    )
)
def test_c10_a_queue_gives_what_a_sorted_list_gives(steps: list[tuple[str, int, int]]) -> None:
    state, model = make_state(), list[tuple[int, bytes]]()
    for step, time_s, number in steps:
        if step == "add":
            add_due(state, HOLDS_DUE, time_s, name(number))
            model.append((time_s, name(number)))
            continue
        due = sorted(entry for entry in model if entry[0] <= time_s)
        expected = due[0][1] if due else None
        assert take_due(state, HOLDS_DUE, time_s) == expected
        if due:
            model.remove(due[0])

    assert (DUES.get(state, HOLDS_DUE) or 0) == len(model)
    held = [DUE.get(state, HOLDS_DUE, place) for place in range(1, len(model) + 1)]
    assert sorted(entry for entry in held if entry is not None) == sorted(model)
