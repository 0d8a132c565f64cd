"""The overlay and its savepoints (architecture D8)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import Uint, encode
from chain.state import Keyspace, State, over

NUMBERS: Keyspace[int] = Keyspace("number", Uint, 2)

keys = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2))
values = st.none() | st.integers(0, 3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, values),
        st.tuples(st.just("get"), keys, st.none()),
        st.tuples(st.sampled_from(["begin", "commit", "rollback"]), st.none(), st.none()),
    ),
    max_size=40,
)


@given(base=st.dictionaries(keys, st.integers(0, 3)), program=steps)
def test_a_state_is_a_dict_that_can_be_rolled_back(
    base: dict[tuple[str, int], int], program: list[tuple[str, Any, Any]]
) -> None:
    raw = {NUMBERS.key(*key): encode(value) for key, value in base.items()}
    state = State(raw.get)
    model: list[dict[tuple[str, int], int]] = [dict(base)]
    for step, key, value in program:
        if step == "put":
            NUMBERS.put(state, value, *key)
            model[-1].pop(key, None)
            if value is not None:
                model[-1][key] = value
        elif step == "get":
            assert NUMBERS.get(state, *key) == model[-1].get(key)
        elif step == "begin":
            state.begin()
            model.append(dict(model[-1]))
        elif len(model) > 1:
            top = model.pop()
            if step == "commit":
                state.commit()
                model[-1] = top
            else:
                state.rollback()
    while len(model) > 1:
        state.commit()
        top = model.pop()
        model[-1] = top
    changes = state.changes()

    assert list(changes) == sorted(changes)
    assert all(raw.get(key) != value for key, value in changes.items())
    after = over(changes, raw.get)
    for wijk in "ab":
        for number in range(3):
            expected = model[0].get((wijk, number))
            found = after(NUMBERS.key(wijk, number))
            assert found == (None if expected is None else encode(expected))


def test_a_value_is_read_from_the_base_once() -> None:
    asked: list[bytes] = []

    def read(key: bytes) -> bytes | None:
        asked.append(key)
        return encode(7)

    state = State(read)

    assert [NUMBERS.get(state, "a", 1) for _ in range(3)] == [7, 7, 7]
    assert asked == [NUMBERS.key("a", 1)]


def test_keys_are_the_array_of_their_parts() -> None:
    """interfaces 5.5: msgpack [keyspace, part, ...]."""
    assert NUMBERS.key("a", 1) == encode(["number", "a", 1])


def test_a_key_of_too_few_parts_is_a_bug_of_ours() -> None:
    state = State(lambda _key: None)

    with pytest.raises(AssertionError):
        NUMBERS.key("a")
    with pytest.raises(AssertionError):
        NUMBERS.put(state, 1, "a")


def test_changes_are_not_asked_inside_a_savepoint() -> None:
    state = State(lambda _key: None)
    state.begin()

    with pytest.raises(AssertionError):
        state.changes()
