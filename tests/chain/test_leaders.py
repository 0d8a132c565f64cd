"""Mirrors leaders: the ring, strikes and the sideline, as arithmetic over blocks (consensus L)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.leaders import (
    SEEN_MIN,
    STRIKES_MAX,
    Leaders,
    Verdict,
    advance,
    get_order,
    start_leaders,
)
from chain.validators import faulty


def make_keys(n: int) -> tuple[bytes, ...]:
    return tuple(bytes([number]) * 32 for number in range(1, n + 1))


class Chain:
    """Blocks made by whoever is alive: the first live leader of each height decides it."""

    def __init__(self, n: int) -> None:
        self.keys = make_keys(n)
        self.leaders = start_leaders(self.keys)
        self.height = 0
        self.verdict: Verdict | None = None
        self.failed: list[int] = []  # failed rounds of each block

    @property
    def order(self) -> tuple[bytes, ...]:
        return get_order(self.leaders.now, self.keys)

    @property
    def aside(self) -> tuple[bytes, ...]:
        return tuple(one.key for one in self.leaders.sideline)

    def strikes(self, key: bytes) -> int:
        return dict(self.leaders.strikes).get(key, 0)

    def add(
        self,
        dead: Sequence[bytes] = (),
        *,
        round_: int | None = None,
        signers: Sequence[bytes] | None = None,
    ) -> bytes:
        """Decide one more block; `dead` ones lead no round, and sign nothing unless told so."""
        self.height += 1
        order = self.order
        if round_ is None:
            round_ = next(at for at, key in enumerate(order) if key not in dead)
        creator = order[round_ % len(order)]
        self.failed.append(round_)
        self.leaders = advance(
            self.leaders, self.height, self.keys, self.verdict, creator, self.keys
        )
        alive = [key for key in self.keys if key not in dead] if signers is None else signers
        self.verdict = Verdict(round_, frozenset(alive))
        return creator


def test_l2_without_failures_everybody_leads_in_turn() -> None:
    chain = Chain(4)

    creators = [chain.add() for _ in range(9)]

    assert creators == [*chain.keys, *chain.keys, chain.keys[0]]
    assert chain.failed == [0] * 9


def test_f1_a_dead_leader_fails_once_and_leads_last_from_the_next_height_but_one() -> None:
    """consensus F1, L4: a failure at height g counts from height g + 2 on."""
    chain = Chain(4)
    dead = chain.keys[0]

    chain.add([dead])  # height 1: round 0 fails
    assert (chain.failed, chain.aside) == ([1], ())
    chain.add([dead])  # height 2: executing it reads the certificate of height 1

    assert chain.aside == (dead,)
    assert chain.order[-1] == dead
    assert chain.strikes(dead) == 1
    assert chain.leaders.sideline[0].until == 2 + 4


def test_l4_strikes_double_the_term_up_to_the_fifth() -> None:
    chain = Chain(4)
    dead = chain.keys[0]
    terms = []
    for _ in range(400):
        before = chain.aside
        chain.add([dead])
        if chain.aside and not before:
            terms.append(chain.leaders.sideline[0].until - chain.height)

    assert terms[:5] == [4, 8, 16, 32, 64]
    assert set(terms[4:]) == {64}
    assert chain.strikes(dead) == STRIKES_MAX


@pytest.mark.parametrize(("n", "gone"), [(4, 1), (10, 3), (25, 8)])
def test_l6_f2_dead_leaders_cost_few_rounds_once_they_have_their_strikes(n: int, gone: int) -> None:
    """consensus F2, L6: at most 0.025 failed rounds a block once each dead key has 5 strikes."""
    chain = Chain(n)
    dead = chain.keys[:gone]
    while any(chain.strikes(key) < STRIKES_MAX for key in dead):
        chain.add(dead)
    chain.failed.clear()
    for _ in range(2_000):
        chain.add(dead)

    assert sum(chain.failed) / len(chain.failed) <= 0.025


def test_l4_whoever_proposes_again_starts_afresh() -> None:
    chain = Chain(4)
    gone = chain.keys[0]
    chain.add([gone])
    chain.add([gone])
    assert chain.strikes(gone) == 1

    while gone in chain.aside:
        chain.add([gone])
    while chain.add() != gone:
        assert chain.strikes(gone) == 1
    chain.add()  # its block is judged by the next one

    assert chain.strikes(gone) == 0


def test_l4_a_first_strike_is_forgiven_after_three_signatures() -> None:
    chain = Chain(10)
    gone = chain.keys[0]
    chain.add([gone])
    chain.add([gone], signers=chain.keys)  # its first signature since, judged by the next block
    assert chain.aside == (gone,)

    seen = 0
    while gone in chain.aside:
        chain.add(signers=chain.keys)
        seen += 1

    assert seen == SEEN_MIN
    assert chain.height < 2 + 10, "before its term is over"


def test_l4_a_second_strike_is_served_in_full_whatever_it_signs() -> None:
    """consensus L4: else one that votes but never proposes comes back at once each time."""
    chain = Chain(10)
    mute = chain.keys[0]
    while chain.strikes(mute) < 2:
        chain.add([mute], signers=chain.keys)
    until = chain.leaders.sideline[0].until

    while mute in chain.aside:
        chain.add([mute], signers=chain.keys)

    assert chain.height == until


def test_l5_the_list_holds_at_most_f_and_drops_its_oldest() -> None:
    chain = Chain(4)
    first, second = chain.keys[0], chain.keys[1]
    chain.add([first])
    chain.add([first])
    assert chain.aside == (first,)
    while second not in chain.aside:
        chain.add([second], round_=1 if chain.order[0] == second else 0)

    assert chain.aside == (second,)
    assert chain.order[-1] == second


def test_q5_where_nobody_may_fail_nobody_is_sidelined() -> None:
    chain = Chain(3)
    for _ in range(20):
        chain.add([chain.keys[0]])

    assert chain.aside == ()


def test_l4_keys_that_left_the_set_are_forgotten() -> None:
    chain = Chain(7)
    gone, keys = chain.keys[0], chain.keys
    chain.add([gone])
    chain.add([gone])
    stay = keys[1:]

    left = advance(chain.leaders, 3, keys, chain.verdict, keys[3], stay)

    assert gone not in [one.key for one in left.sideline]
    assert gone not in dict(left.strikes)
    assert sorted(get_order(left.now, stay)) == sorted(stay)
    assert get_order(left.now, stay)[0] == keys[4]


rounds = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**13 - 1)), max_size=60)


@given(n=st.integers(1, 13), history=rounds)
def test_l3_the_schedule_is_a_permutation_and_the_sideline_is_bounded(
    n: int, history: list[tuple[int, int]]
) -> None:
    """consensus L5: at least 2f + 1 keys lead in turn, whatever the rounds were."""
    chain = Chain(n)
    for round_, bits in history:
        chain.add(round_=round_, signers=[k for i, k in enumerate(chain.keys) if bits >> i & 1])
        leaders: Leaders = chain.leaders

        assert sorted(chain.order) == sorted(chain.keys)
        assert len(chain.aside) <= faulty(n)
        assert len(set(chain.aside)) == len(chain.aside)
        assert all(one.until > chain.height for one in leaders.sideline)
        assert all(1 <= count <= STRIKES_MAX for _, count in leaders.strikes)
        assert leaders.strikes == tuple(sorted(leaders.strikes))
        active = [key for key in chain.order if key not in chain.aside]
        assert chain.order == (*active, *(key for key in chain.order if key in chain.aside))
