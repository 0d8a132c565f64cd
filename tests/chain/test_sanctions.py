"""Mirrors sanctions: evidence in blocks, and the suspension that follows (consensus E3, E4, L4)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chain import tree
from chain.codec import decode, encode
from chain.crypto import sha256, sign, verify
from chain.errors import Malformed
from chain.evidence import EVIDENCE_BYTES_MAX, EVIDENCE_MAX, TwoPrepares
from chain.execute import Preamble, apply_block, propose
from chain.keyspaces import LEADERS, SET_LAST, SET_NEXT, SET_NOW, SetMember
from chain.leaders import Leaders, Sidelined, advance, get_order, pin, start_leaders
from chain.records import BlockBody
from chain.sanctions import (
    EVIDENCE,
    EVIDENCE_AGE_S,
    HOUR_S,
    HOURS,
    PAST_SETS,
    PastSet,
    Suspended,
    apply_evidence,
    choose_evidence,
    get_suspended,
    lift,
    note_time,
)
from chain.set_change import PLANNED, SetChange, get_members
from chain.signed import ChainName, Prepare, SignedPrepare, signed_bytes
from chain.state import State
from tests.federation import START_S, Ledger, key, seed

NODES = ("delfshaven", "delfshaven-1", "delfshaven-2", "delfshaven-3")


def make_evidence(ledger: Ledger, node: str, height: int, *, times: int = 0) -> bytes:
    """Return real evidence: two prepares of one height and round, signed with the node's key."""
    name = ChainName(ledger.chain.digest, ledger.chain.chain_id)
    pair = []
    for block in (bytes([times]) * 32, sha256(b"other")):
        record = Prepare(name.genesis_digest, height, times, block)
        signature = sign(seed(f"node-{node}"), signed_bytes(name, record))
        pair.append(SignedPrepare(record, key(f"node-{node}"), signature))
    pair.sort(key=lambda one: encode(one.record))
    return encode(TwoPrepares(*pair))


def run(ledger: Ledger, *evidence: bytes, after_s: int = 1) -> Any:
    """Execute an empty block with this evidence, and stand on it."""
    ledger.time_s += after_s
    preamble = Preamble(key(f"node-{NODES[0]}"), None, evidence)
    executed = apply_block(ledger.base, ledger.chain, ledger.time_s * 1000, preamble, [])
    ledger._put(ledger.state, executed.changes)
    tree.apply(ledger.nodes, executed.tree_nodes)
    ledger.base = replace(
        ledger.base,
        height=ledger.base.height + 1,
        block_id=sha256(executed.state_root),
        time_ms=ledger.time_s * 1000,
        frontier=executed.frontier,
    )
    return executed


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger(wijken=1, validators=4, balances={"delfshaven/anna": 1_000})
    names = sorted(doc.name for doc in made.genesis.doc.validators)
    assert names == sorted(NODES)
    return made


def state_of(ledger: Ledger) -> State:
    return State(ledger.state.get)


def test_e3_e4_evidence_in_a_block_suspends_the_key_on_every_node(ledger: Ledger) -> None:
    """consensus E3, E4: what it proves is in the state, so it is under state_root."""
    liar = key(f"node-{NODES[2]}")
    before = run(ledger).state_root
    raw = make_evidence(ledger, NODES[2], 1)

    after = run(ledger, raw).state_root

    state = state_of(ledger)
    assert after != before
    assert get_suspended(state) == (Suspended(liar, 2, "b", 1, sha256(raw)),)
    seen = EVIDENCE.get(state, liar, 1)
    assert seen is not None
    assert (seen.kind, seen.digest, seen.block) == ("b", sha256(raw), 2)


def test_e4_a_suspended_key_leads_last_for_ever_and_votes(ledger: Ledger) -> None:
    """consensus E4, L4: pinned, whatever it signs and however long it waits."""
    run(ledger, make_evidence(ledger, NODES[2], 1))
    for _ in range(300):
        run(ledger)

    leaders = LEADERS.get(state_of(ledger))
    assert leaders is not None
    keys = [key(f"node-{name}") for name in NODES]
    assert get_order(leaders.now, keys)[-1] == key(f"node-{NODES[2]}")


def test_e4_lifting_the_suspension_lets_it_lead_again(ledger: Ledger) -> None:
    """consensus E4: only the board does, with `wijk.register_role`."""
    liar = key(f"node-{NODES[2]}")
    run(ledger, make_evidence(ledger, NODES[2], 1))
    run(ledger)
    state = state_of(ledger)
    lift(state, liar, 3)
    ledger._put(ledger.state, state.changes())
    assert get_suspended(state_of(ledger)) == ()

    run(ledger)

    leaders = LEADERS.get(state_of(ledger))
    assert leaders is not None
    assert leaders.sideline == ()


def test_e3_repeated_evidence_makes_a_block_invalid(ledger: Ledger) -> None:
    """consensus E3: once per validator and height, also within one block."""
    raw, other = make_evidence(ledger, NODES[2], 1), make_evidence(ledger, NODES[2], 1, times=1)
    for twice in ((raw, raw), (raw, other)):
        with pytest.raises(Malformed, match="already"):
            run(ledger, *twice)
    run(ledger, raw)
    for again in (raw, other):
        with pytest.raises(Malformed, match="already"):
            run(ledger, again)


def test_e3_another_height_is_other_evidence_and_changes_nothing_more(ledger: Ledger) -> None:
    run(ledger, make_evidence(ledger, NODES[2], 1))
    first = get_suspended(state_of(ledger))

    run(ledger, make_evidence(ledger, NODES[2], 2))

    assert get_suspended(state_of(ledger)) == first
    assert EVIDENCE.get(state_of(ledger), key(f"node-{NODES[2]}"), 2) is not None


@pytest.mark.parametrize("height", [0, 2, 2**40])
def test_e3_evidence_of_no_height_or_one_to_come_is_refused(ledger: Ledger, height: int) -> None:
    with pytest.raises(Malformed, match="to come"):
        run(ledger, make_evidence(ledger, NODES[2], height))


def test_e3_evidence_is_at_most_seven_days_old_in_chain_time(ledger: Ledger) -> None:
    """consensus E3: the first block of the hour dates it, so never older than the window."""
    run(ledger)
    raw = make_evidence(ledger, NODES[2], 1)
    run(ledger, after_s=EVIDENCE_AGE_S - 2)
    base, state, time_s = ledger.base, dict(ledger.state), ledger.time_s

    run(ledger, raw, after_s=2)  # to the second
    ledger.base, ledger.time_s = base, time_s
    ledger.state.clear()
    ledger.state.update(state)

    with pytest.raises(Malformed, match="too old"):
        run(ledger, raw, after_s=3)


def test_e3_the_marks_of_time_stay_within_the_window() -> None:
    state = State(lambda _: None)
    for height in range(1, 2_000):
        note_time(state, height, START_S + height * (HOUR_S // 3))

    hours = HOURS.get(state)
    assert hours is not None
    assert len(hours) <= EVIDENCE_AGE_S // HOUR_S + 1
    assert hours[0][1] >= hours[-1][1] - EVIDENCE_AGE_S


def test_v2_evidence_is_judged_by_the_set_of_its_height(ledger: Ledger) -> None:
    """consensus V2, E1: a key that has left is judged where it was a validator, and only there."""
    run(ledger)
    stranger = key("node-gone")
    for keys, fits in (((stranger,), True), ((key(f"node-{NODES[0]}"),), False)):
        state = state_of(ledger)
        PAST_SETS.put(state, (PastSet(1, keys),))
        name = ChainName(ledger.chain.digest, ledger.chain.chain_id)
        raw = make_evidence(ledger, "gone", 1)
        if fits:
            apply_evidence(state, name, 2, ledger.time_s, [raw], verify)
            assert [one.key for one in get_suspended(state)] == [stranger]
            leaders = LEADERS.get(state)
            assert leaders is not None
            assert leaders.sideline == ()  # it leads nothing
        else:
            with pytest.raises(Malformed, match="no validator"):
                apply_evidence(state, name, 2, ledger.time_s, [raw], verify)


def test_e3_a_proposer_leaves_out_what_would_make_its_block_invalid(ledger: Ledger) -> None:
    run(ledger, make_evidence(ledger, NODES[2], 1))
    good = make_evidence(ledger, NODES[3], 1)
    offered = (
        b"junk",
        make_evidence(ledger, NODES[2], 1),  # on the chain
        make_evidence(ledger, NODES[2], 2),  # suspended already
        make_evidence(ledger, NODES[3], 9),  # to come
        good,
        make_evidence(ledger, NODES[3], 2),  # one is enough
    )
    preamble = Preamble(key(f"node-{NODES[0]}"), None, offered)
    time_ms = (ledger.time_s + 1) * 1000

    choice = propose(ledger.base, ledger.chain, time_ms, preamble, [])

    assert choice.evidence == (good,)
    final = replace(preamble, evidence=choice.evidence)
    again = apply_block(ledger.base, ledger.chain, time_ms, final, [])
    assert again.state_root == choice.executed.state_root


def test_e3_a_block_holds_64_kib_of_evidence() -> None:
    from chain.sanctions import check_amount

    check_amount([bytes(EVIDENCE_BYTES_MAX)])
    with pytest.raises(Malformed, match="more evidence"):
        check_amount([bytes(EVIDENCE_BYTES_MAX), b"x"])


def test_e3_a_proposer_chooses_up_to_64_kib(ledger: Ledger) -> None:
    def judge_by_name(*_args: Any) -> bool:
        return True

    run(ledger)
    state = state_of(ledger)
    name = ChainName(ledger.chain.digest, ledger.chain.chain_id)
    huge = bytes(EVIDENCE_BYTES_MAX + 1)
    raw = make_evidence(ledger, NODES[1], 1)

    assert choose_evidence(state, name, 2, ledger.time_s, [huge, raw], judge_by_name) == (raw,)


def test_e3_a_proposer_chooses_no_more_pieces_than_a_body_can_hold(ledger: Ledger) -> None:
    """consensus E3: small pieces against many keys of the window fit 64 KiB, and not 64 places."""
    run(ledger)
    state = state_of(ledger)
    names = [f"gone-{number}" for number in range(EVIDENCE_MAX + 1)]
    PAST_SETS.put(state, (PastSet(1, tuple(sorted(key(f"node-{name}") for name in names))),))
    offered = [make_evidence(ledger, name, 1) for name in names]
    assert sum(map(len, offered)) < EVIDENCE_BYTES_MAX
    name = ChainName(ledger.chain.digest, ledger.chain.chain_id)

    chosen = choose_evidence(state, name, 2, ledger.time_s, offered, verify)

    assert chosen == tuple(offered[:EVIDENCE_MAX])
    assert decode(BlockBody, encode(BlockBody(None, chosen, ()))).evidence == chosen


def test_e4_a_lift_covers_what_was_done_before_it(ledger: Ledger) -> None:
    """consensus E4: only the board lifts a suspension, so an old misdeed does not undo that."""
    liar = key(f"node-{NODES[2]}")
    run(ledger, make_evidence(ledger, NODES[2], 1))
    for _ in range(3):
        run(ledger)
    state = state_of(ledger)
    lift(state, liar, 4)  # a transaction of block 4
    ledger._put(ledger.state, state.changes())

    for height in (2, 3):
        old = make_evidence(ledger, NODES[2], height)
        offer = Preamble(key(f"node-{NODES[0]}"), None, (old,))
        time_ms = (ledger.time_s + 1) * 1000
        assert propose(ledger.base, ledger.chain, time_ms, offer, []).evidence == ()
        with pytest.raises(Malformed, match="board has decided"):
            run(ledger, old)
    assert get_suspended(state_of(ledger)) == ()

    run(ledger, make_evidence(ledger, NODES[2], 4))
    assert [one.key for one in get_suspended(state_of(ledger))] == [liar]


def test_e4_a_lift_of_no_suspension_covers_nothing(ledger: Ledger) -> None:
    """consensus E4: a board that names its node again has decided about nothing yet."""
    run(ledger)
    state = state_of(ledger)
    lift(state, key(f"node-{NODES[2]}"), 2)
    assert state.changes() == {}

    run(ledger, make_evidence(ledger, NODES[2], 1))
    assert len(get_suspended(state_of(ledger))) == 1


# E4 with the limits of V3 and V4: who leaves the set, and when.


def make_ledger(validators: int) -> Ledger:
    return Ledger(wijken=1, validators=validators, balances={"delfshaven/anna": 1_000})


def nodes_in(ledger: Ledger, which: str) -> list[str]:
    known = {key(f"node-{name}"): name for name in (*ALL_NODES, "new")}
    return sorted(known[member.key] for member in get_members(state_of(ledger), which))


def pinned(ledger: Ledger) -> list[bytes]:
    leaders = LEADERS.get(state_of(ledger))
    assert leaders is not None
    return [one.key for one in leaders.sideline]


def set_plan(ledger: Ledger, change: SetChange) -> None:
    state = state_of(ledger)
    PLANNED.put(state, change)
    ledger._put(ledger.state, state.changes())


ALL_NODES = ("delfshaven", *(f"delfshaven-{number}" for number in range(1, 10)))
NEW = SetMember(key("node-new"), key("transport-new"), "new", "delfshaven")
FAR = 2**40  # an epoch that does not come


def test_e4_a_suspended_key_leaves_set_h_plus_2() -> None:
    """consensus E4, V1: the evidence stands in block 2, so Set(4) is the first without the key."""
    ledger = make_ledger(5)
    rest = [name for name in ALL_NODES[:5] if name != NODES[2]]
    run(ledger)

    run(ledger, make_evidence(ledger, NODES[2], 1))

    assert nodes_in(ledger, SET_NEXT) == rest
    assert nodes_in(ledger, SET_NOW) == nodes_in(ledger, SET_LAST) == list(ALL_NODES[:5])
    assert pinned(ledger) == []  # it leads nothing from height 4 on
    run(ledger)
    assert nodes_in(ledger, SET_NOW) == rest
    run(ledger)
    assert nodes_in(ledger, SET_LAST) == rest
    assert PAST_SETS.get(state_of(ledger)) == (
        PastSet(3, tuple(sorted(key(f"node-{name}") for name in ALL_NODES[:5]))),
    )
    assert [one.key for one in get_suspended(state_of(ledger))] == [key(f"node-{NODES[2]}")]


def test_e4_v3_one_of_four_stays_pinned_and_leaves_once_a_fifth_is_in_force() -> None:
    """consensus E4, V3: at once when it is allowed, with no new evidence."""
    ledger = make_ledger(4)
    liar = key(f"node-{NODES[2]}")
    run(ledger, make_evidence(ledger, NODES[2], 1))
    assert nodes_in(ledger, SET_NEXT) == list(NODES)
    assert pinned(ledger) == [liar]
    set_plan(ledger, SetChange(0, (), (NEW,), None))

    run(ledger)  # the border: the new node enters Set(h+2)
    assert len(nodes_in(ledger, SET_NEXT)) == 5
    run(ledger)  # Set(h+1) has it
    assert len(nodes_in(ledger, SET_NEXT)) == 5
    assert pinned(ledger) == [liar]
    run(ledger)  # it is in force: the liar goes

    assert len(nodes_in(ledger, SET_LAST)) == 5
    assert nodes_in(ledger, SET_NEXT) == sorted({*NODES, "new"} - {NODES[2]})
    run(ledger)
    assert pinned(ledger) == []


def test_e4_v4_a_key_waits_for_a_planned_change_which_still_fits() -> None:
    """consensus V4: nothing touches Set(h+2) between a plan and its border."""
    ledger = make_ledger(6)
    run(ledger)
    set_plan(ledger, SetChange(FAR, (key(f"node-{NODES[1]}"),), (NEW,), None))
    run(ledger, make_evidence(ledger, NODES[2], 1))
    for _ in range(3):
        run(ledger)
    assert len(nodes_in(ledger, SET_NEXT)) == 6
    assert pinned(ledger) == [key(f"node-{NODES[2]}")]

    set_plan(ledger, SetChange(0, (key(f"node-{NODES[1]}"),), (NEW,), None))
    sizes = []
    for _ in range(5):
        run(ledger)
        sizes.append(len(nodes_in(ledger, SET_NEXT)))

    assert sizes == [6, 6, 5, 5, 5]
    assert nodes_in(ledger, SET_LAST) == sorted({*ALL_NODES[:6], "new"} - {NODES[1], NODES[2]})


def test_e4_a_planned_change_may_itself_take_the_suspended_key_out() -> None:
    """The board rotates the key while it waits: nothing is left to remove, and nothing fails."""
    ledger = make_ledger(4)
    run(ledger)
    set_plan(ledger, SetChange(0, (key(f"node-{NODES[2]}"),), (NEW,), None))
    run(ledger, make_evidence(ledger, NODES[2], 1))

    for _ in range(4):
        run(ledger)

    assert nodes_in(ledger, SET_LAST) == sorted({*NODES, "new"} - {NODES[2]})
    assert pinned(ledger) == []


@pytest.mark.parametrize(
    ("validators", "sizes"),
    [
        (4, [4, 4, 4, 4, 4]),  # V3: four stay four
        (5, [4, 4, 4, 4, 4]),
        (6, [5, 5, 4, 4, 4]),  # V4: f is 1, so one after the other is in force
        (7, [5, 5, 5, 5, 5]),  # f is 2: both at once
        (3, [2, 2, 1, 1, 1]),
        (2, [1, 1, 1, 1, 1]),  # V3: never an empty set
        (1, [1, 1, 1, 1, 1]),
    ],
)
def test_e4_two_culprits_in_one_block(validators: int, sizes: list[int]) -> None:
    """consensus E4, V3, V4: as many at once as one change may take, the rest is pinned."""
    ledger = make_ledger(validators)
    run(ledger)
    guilty = sorted(ALL_NODES[:validators])[-2:]
    seen = []

    run(ledger, *(make_evidence(ledger, name, 1) for name in guilty))
    for _ in sizes:
        seen.append(len(nodes_in(ledger, SET_NEXT)))
        left = {key(f"node-{name}") for name in guilty} & {
            member.key for member in get_members(state_of(ledger), SET_NEXT)
        }
        assert left <= set(pinned(ledger))
        run(ledger)

    assert seen == sizes


def test_e4_a_suspended_key_that_comes_back_by_an_old_plan_is_pinned_or_removed() -> None:
    """Convicted again of an older height while its return was planned: as any suspended key."""
    ledger = make_ledger(4)
    run(ledger)
    back = SetMember(key("node-gone"), key("transport-gone"), "gone", "delfshaven")
    run(ledger)
    set_plan(ledger, SetChange(FAR, (key(f"node-{NODES[1]}"),), (back,), None))
    state = state_of(ledger)
    PAST_SETS.put(state, (PastSet(1, (back.key,)),))
    ledger._put(ledger.state, state.changes())
    run(ledger, make_evidence(ledger, "gone", 1))
    assert pinned(ledger) == []
    set_plan(ledger, SetChange(0, (key(f"node-{NODES[1]}"),), (back,), None))

    run(ledger)

    assert back.key in [m.key for m in get_members(state_of(ledger), SET_NEXT)]
    assert pinned(ledger) == [back.key]
    for _ in range(5):
        run(ledger)
    assert pinned(ledger) == [back.key]


# L4 with pins, as arithmetic over the list alone.

KEYS = tuple(bytes([number]) * 32 for number in range(1, 8))  # n = 7, f = 2


def listed(*keys: bytes, until: int = 10**6) -> Leaders:
    start = start_leaders(KEYS)
    return replace(start, sideline=tuple(Sidelined(one, until, 0) for one in keys))


def step(leaders: Leaders, pinned: set[bytes], height: int = 100) -> list[bytes]:
    moved = advance(leaders, height, KEYS, None, KEYS[0], KEYS, pinned)
    return [one.key for one in moved.sideline]


def test_l4_a_pinned_entry_makes_room_last() -> None:
    """consensus L4 step 3: the list is longer than f; the oldest goes, pinned ones last."""
    a, b, c = KEYS[:3]
    assert step(listed(a, b, c), set()) == [b, c]
    assert step(listed(a, b, c), {a}) == [a, c]
    assert step(listed(a, b, c), {a, b}) == [a, b]
    assert step(listed(a, b, c), {a, b, c}) == [b, c]


def test_l4_a_pinned_entry_never_returns_and_an_unpinned_one_does() -> None:
    """consensus L4 step 4."""
    a, b = KEYS[:2]
    assert step(listed(a, b, until=50), {b}) == [b]
    assert step(listed(a, b, until=50), set()) == []


def test_e4_pinning_twice_is_pinning_once() -> None:
    once = pin(start_leaders(KEYS), KEYS[0], 5)
    assert [one.key for one in once.sideline] == [KEYS[0]]
    assert pin(once, KEYS[0], 9) == once
