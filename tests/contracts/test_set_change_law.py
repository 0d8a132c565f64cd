"""No sequence of calls breaks the limits of consensus V3, V4 and V5, whatever it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec import encode
from chain.crypto import sign
from chain.keyspaces import FEDERATION_WIJKEN, NO_END_S, SET_LAST, SET_NEXT, SET_NOW, VALIDATOR_SETS
from chain.sanctions import SUSPENDED_KEYS, Suspended, get_suspended, get_suspended_keys
from chain.set_change import READY_S, find_fault
from chain.state import State
from chain.validators import faulty
from contracts.wijk import (
    FedEndorse,
    FedPropose,
    NodeKeys,
    Ready,
    RegisterRole,
    Remove,
    node_proof_bytes,
    ready_proof_bytes,
)
from tests.contracts.offices import object_id, read
from tests.federation import WIJKEN, Ledger, board, key, seed

EPOCH_S = 1_000
POOL = (*(f"node-{wijk}" for wijk in WIJKEN), "node-a", "node-b", "node-c", "transport-noord")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ready"), st.sampled_from(POOL), st.sampled_from(POOL)),
        st.tuples(
            st.just("name"), st.sampled_from(WIJKEN), st.sampled_from(POOL), st.sampled_from(POOL)
        ),
        st.tuples(st.just("join"), st.sampled_from(WIJKEN), st.sampled_from(("a", "b", "c"))),
        st.tuples(st.just("remove"), st.sampled_from(WIJKEN)),
        st.tuples(st.just("block"), st.integers(1, 3)),
        st.tuples(st.just("border"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.just(READY_S)),
        st.tuples(st.just("guilty"), st.sampled_from(POOL)),
    ),
    max_size=25,
)


class Watch:
    """What was seen of the sets so far, and who may be in them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.changed_at = -10
        self.members = self.get(SET_NEXT)
        self.reported: dict[bytes, int] = {}
        self.most = len(self.members)

    def get(self, which: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = read(self.ledger, VALIDATOR_SETS, which)
        return found

    def look(self) -> None:
        """After each block: V1's chain of sets, and the limits between two of them."""
        now, coming = self.get(SET_NOW), self.get(SET_NEXT)
        height = self.ledger.base.height
        keys = [member.key for member in coming]
        assert keys == sorted(set(keys))
        assert len({k for m in coming for k in (m.key, m.transport_key)}) == 2 * len(coming)
        self.most = max(self.most, len(coming))
        assert (4 if self.most >= 4 else 1) <= len(coming) <= 100
        if coming == self.members:
            return
        assert self.changed_at <= height - 2, "V4: the last change is in force first"
        assert now == self.get(SET_LAST) == self.members, "V1: it is announced before it counts"
        before = {member.key for member in self.members}
        most = max(1, faulty(len(before)))
        joined = set(keys) - before
        assert len(before - set(keys)) <= most
        assert len(joined) <= most
        assert all(key in self.reported for key in joined), "V5: a newcomer reported itself"
        self.members, self.changed_at = coming, height


def play(ledger: Ledger, watch: Watch, step: tuple[Any, ...]) -> None:
    match step:
        case ("ready", node, transport):
            report(ledger, watch, node, transport)
        case ("name", wijk, node, transport):
            name(ledger, wijk, node, transport)
        case ("join", wijk, letter):
            report(ledger, watch, f"node-{letter}", f"transport-{letter}")
            watch.look()
            name(ledger, wijk, f"node-{letter}", f"transport-{letter}")
        case ("remove", wijk):
            made = ledger.by_board("delfshaven", FedPropose(encode(Remove(wijk, 0))))
            for endorser in read(ledger, FEDERATION_WIJKEN) if made.code == 0 else ():
                watch.look()
                ledger.by_board(endorser, FedEndorse(object_id(made), 1))
        case ("block", count):
            for _ in range(count):
                watch.look()
                ledger.apply(ledger.run())
        case ("border", count):
            ledger.time_s = (ledger.time_s // EPOCH_S + 1) * EPOCH_S - 1
            for _ in range(1 + count):
                watch.look()
                ledger.apply(ledger.run())
        case ("wait", seconds):
            ledger.time_s += seconds
        case ("guilty", node):
            run = ledger.run()
            kept = get_suspended(run.state)
            if all(one.key != key(node) for one in kept):
                row = Suspended(key(node), ledger.base.height + 1, "b", 1, bytes(32))
                SUSPENDED_KEYS.put(run.state, (*kept, row))
            ledger.apply(run)
        case _:
            raise AssertionError(step)


def report(ledger: Ledger, watch: Watch, node: str, transport: str) -> None:
    block, height = ledger.base.block_id, ledger.base.height
    signed = ready_proof_bytes(ledger.chain.digest, key(node), key(transport), block, height)
    call = Ready(key(node), key(transport), block, height, sign(seed(node), signed))
    if ledger.by_person("anna", call).code == 0:
        watch.reported[key(node)] = ledger.time_s


def name(ledger: Ledger, wijk: str, node: str, transport: str) -> None:
    signed = node_proof_bytes(ledger.chain.digest, key(node), key(transport))
    keys = NodeKeys(key(node), key(transport), sign(seed(node), signed))
    ledger.by_board(wijk, RegisterRole("VALIDATOR", board(wijk), 0, NO_END_S, keys))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from((1, 2, 3, 4, 5, 7)), STEPS)
def test_no_sequence_of_calls_breaks_v3_to_v5(validators: int, steps: list[Any]) -> None:
    ledger = Ledger(
        wijken=4,
        validators=validators,
        balances={"delfshaven/anna": 100},
        params={"epoch_s": EPOCH_S},
    )
    watch = Watch(ledger)
    for step in steps:
        play(ledger, watch, step)
        watch.look()
    for step in (("border", 0), ("border", 0), ("border", 9)):
        play(ledger, watch, step)
        watch.look()
    suspended = get_suspended_keys(State(ledger.base.read))
    for member in watch.members:
        if member.key in suspended:  # E4: it is in because V3 forbids to remove it
            assert find_fault(watch.members, (member.key,), ()) == "too-few"


def test_the_law_sees_changes_at_all() -> None:
    """A walk that joins, rotates and removes in legal steps, and one step too many (F37)."""
    ledger = Ledger(
        wijken=4,
        validators=4,
        balances={"delfshaven/anna": 100},
        params={"epoch_s": EPOCH_S},
    )
    watch = Watch(ledger)
    sizes = []
    for step in (
        ("join", "delfshaven", "a"),
        ("border", 2),
        ("join", "noord", "b"),
        ("border", 2),
        ("remove", "charlois"),
        ("border", 2),
    ):
        play(ledger, watch, step)
        watch.look()
        sizes.append(len(watch.members))

    assert sizes == [4, 4, 4, 4, 4, 4]
    assert {key("node-a"), key("node-b")} <= {member.key for member in watch.members}
