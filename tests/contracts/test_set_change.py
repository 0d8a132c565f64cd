"""Changes of the validator set: wijk.ready, wijk.remove, and `node` of wijk.register_role.

consensus V1, V3, V4, V5 and economy E36, E38, E40.
"""

from typing import Any

import msgspec
import pytest

from chain.codec import encode
from chain.crypto import sign
from chain.errors import Code
from chain.keyspaces import (
    NO_END_S,
    REMOVED,
    ROLES,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    VALIDATOR_SETS,
    WIJKEN,
    SetMember,
)
from chain.records import Outcome
from chain.sanctions import SUSPENDED_KEYS, Suspended, get_suspended_keys
from chain.set_change import (
    PLANNED,
    READY,
    RECENT_BLOCKS,
    NodeReady,
    choose_name,
    find_fault,
)
from chain.shared import FED_MATTERS
from contracts.coin import Leg, PayoutBatch, RedeemRequest, Transfer
from contracts.members import Attach, NewAccount
from contracts.trade import Pay
from contracts.wijk import (
    EPOCHS_AHEAD,
    FedEndorse,
    FedPropose,
    NodeKeys,
    Ready,
    RegisterRole,
    Remove,
    node_proof_bytes,
    ready_proof_bytes,
)
from tests.contracts.desk import FILE, assert_done, assert_refused, put
from tests.contracts.offices import (
    DAY_S,
    endorse,
    executed_code,
    names,
    object_id,
    read,
    values,
)
from tests.contracts.test_wijk import founding
from tests.federation import WIJKEN as SLUGS
from tests.federation import Ledger, account, board, key, seed

OLD, NEW = ("node-delfshaven", "transport-delfshaven"), ("node-new", "transport-new")
OPERATOR = "anna"
EPOCH_S = 1_000  # long, so that only the borders that a test asks for are crossed


@pytest.fixture
def four() -> Ledger:
    """Four wijken of one node each: one may leave and one may join at a time."""
    return Ledger(wijken=4, balances={"delfshaven/anna": 10_000}, params={"epoch_s": EPOCH_S})


@pytest.fixture
def five() -> Ledger:
    """As `four`, and a second node of delfshaven."""
    return Ledger(
        wijken=4,
        validators=5,
        balances={"delfshaven/anna": 10_000, "charlois/cas": 500},
        params={"epoch_s": EPOCH_S},
    )


def node(ledger: Ledger, names: tuple[str, str] = NEW) -> NodeKeys:
    message = node_proof_bytes(ledger.chain.digest, key(names[0]), key(names[1]))
    return NodeKeys(key(names[0]), key(names[1]), sign(seed(names[0]), message))


def report(ledger: Ledger, names: tuple[str, str] = NEW, **changes: Any) -> Ready:
    """Return the report of a node that names the newest block."""
    block = (
        changes.get("block_id", ledger.base.block_id),
        changes.get("height", ledger.base.height),
    )
    message = ready_proof_bytes(ledger.chain.digest, key(names[0]), key(names[1]), *block)
    call = Ready(key(names[0]), key(names[1]), *block, sign(seed(names[0]), message))
    return msgspec.structs.replace(call, **changes)


def is_ready(ledger: Ledger, names: tuple[str, str] = NEW) -> None:
    assert_done(ledger.by_person(OPERATOR, report(ledger, names)))


def appoint(
    ledger: Ledger,
    names: tuple[str, str] = NEW,
    wijk: str = "delfshaven",
    from_epoch: int = 0,
) -> Outcome:
    """Let a board name a node; the operator's account is its own."""
    call = RegisterRole("VALIDATOR", board(wijk), from_epoch, NO_END_S, node(ledger, names))
    return ledger.by_board(wijk, call)


def members(ledger: Ledger, which: str = SET_NEXT) -> list[str]:
    """Return the names of the keys of a set, by the seeds of this file."""
    known = {key(f"node-{name}"): name for name in (*SLUGS, "delfshaven-4", "new", "two", "o")}
    found = read(ledger, VALIDATOR_SETS, which)
    return sorted(known[member.key] for member in found)


def epoch(ledger: Ledger) -> int:
    """Return the epoch of the next block."""
    return (ledger.time_s + 1) // EPOCH_S


def pass_border(ledger: Ledger) -> None:
    """Let the first block of the next epoch come."""
    ledger.time_s = (epoch(ledger) + 1) * EPOCH_S - 1
    ledger.apply(ledger.run())


def settle(ledger: Ledger) -> None:
    """Let a planned change come into force."""
    pass_border(ledger)
    for _ in range(2):
        ledger.apply(ledger.run())


# --------------------------------------------------------------------------------------- ready


def test_wijk_ready_notes_a_node_in_sync(four: Ledger) -> None:
    outcome = assert_done(four.by_person(OPERATOR, report(four)))

    height = four.base.height - 1
    assert values(outcome, "wijk.ReadyNoted") == [key(NEW[0]), key(NEW[1]), height]
    assert read(four, READY, key(NEW[0])) == NodeReady(
        key(NEW[1]), height, four.time_s, account(OPERATOR)
    )


def test_wijk_ready_names_one_of_the_last_hundred_blocks(four: Ledger) -> None:
    """consensus V5b: at most 100 heights old when included, and of this chain."""
    old, height = four.base.block_id, four.base.height
    for _ in range(RECENT_BLOCKS - 1):
        four.apply(four.run())
    assert_done(four.by_person(OPERATOR, report(four, block_id=old, height=height)))
    assert_refused(
        four.by_person(OPERATOR, report(four, block_id=old, height=height)), Code.WIJK_NOT_RECENT
    )


@pytest.mark.parametrize("ahead", [0, 1, RECENT_BLOCKS])
def test_wijk_ready_refuses_not_recent_of_a_block_to_come(four: Ledger, ahead: int) -> None:
    height = four.base.height + 1 + ahead
    assert_refused(four.by_person(OPERATOR, report(four, height=height)), Code.WIJK_NOT_RECENT)


def test_wijk_ready_refuses_not_recent_of_another_chain(four: Ledger) -> None:
    call = report(four, block_id=b"\x01" * 32)
    assert_refused(four.by_person(OPERATOR, call), Code.WIJK_NOT_RECENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": bytes(64)},
        {"transport": key("transport-noord")},
        {"validator": key("node-noord")},
        {"validator": bytes(32)},
        {"transport": bytes(32)},
    ],
    ids=str,
)
def test_wijk_ready_refuses_no_proof(four: Ledger, changes: dict[str, Any]) -> None:
    assert_refused(four.by_person(OPERATOR, report(four, **changes)), Code.WIJK_NO_PROOF)


def test_wijk_ready_refuses_no_proof_signed_for_another_block(four: Ledger) -> None:
    call = report(four)
    four.apply(four.run())
    later = msgspec.structs.replace(call, block_id=four.base.block_id, height=four.base.height)
    assert_refused(four.by_person(OPERATOR, later), Code.WIJK_NO_PROOF)


# ------------------------------------------------------------------------- a node takes its place


def test_wijk_register_role_rotates_the_key_of_a_node(four: Ledger) -> None:
    """E38, V1: the border brings the new key into Set(h+2), two blocks later it is in force."""
    is_ready(four)
    outcome = assert_done(appoint(four))
    assert values(outcome, "wijk.SetPlanned") == ["delfshaven", epoch(four) + 1, 4, 3, 4, 3]
    before = sorted(SLUGS)
    assert members(four) == before
    assert read(four, READY, key(NEW[0])) is None

    pass_border(four)

    after = sorted(["new", *SLUGS[1:]])
    sets = (SET_LAST, SET_NOW, SET_NEXT)
    assert [members(four, which) for which in sets] == [before, before, after]
    four.apply(four.run())
    assert [members(four, which) for which in sets] == [before, after, after]
    four.apply(four.run())
    assert [members(four, which) for which in sets] == [after, after, after]
    (new,) = [one for one in read(four, VALIDATOR_SETS, SET_NOW) if one.key == key(NEW[0])]
    assert new == SetMember(key(NEW[0]), key(NEW[1]), "delfshaven", "delfshaven")
    assert read(four, ROLES, "delfshaven", "VALIDATOR")[-1].node == (key(NEW[0]), key(NEW[1]))


def test_a_founded_wijk_joins_once_its_node_is_in_sync(four: Ledger) -> None:
    """E36, E38: founding names a key, and the board of the new wijk brings it in later."""
    assert executed_code(endorse(four, founding(four))) == 0
    keys = ("node-o", "transport-o")
    is_ready(four, keys)
    call = RegisterRole("VALIDATOR", account("o-a"), 0, NO_END_S, node(four, keys))
    signers = [(0, "o-a"), (1, "o-b")]

    outcome = assert_done(four.send(call, account("o-a"), signers))

    assert values(outcome, "wijk.SetPlanned")[2:] == [4, 3, 5, 4]
    settle(four)
    assert members(four, SET_LAST) == sorted([*SLUGS, "o"])
    (new,) = [one for one in read(four, VALIDATOR_SETS, SET_NOW) if one.wijk == "overschie"]
    assert new == SetMember(key(keys[0]), key(keys[1]), "overschie", "overschie")


def test_a_transport_key_alone_changes_without_a_report(four: Ledger) -> None:
    """consensus B10: the node was in sync all the time, and nobody new signs."""
    keys = (OLD[0], "transport-new")

    assert_done(appoint(four, keys))
    settle(four)

    assert members(four) == sorted(SLUGS)
    (one,) = [m for m in read(four, VALIDATOR_SETS, SET_LAST) if m.wijk == "delfshaven"]
    assert (one.key, one.transport_key) == (key(OLD[0]), key("transport-new"))


def test_a_new_key_may_keep_the_transport_key_of_its_node(four: Ledger) -> None:
    keys = (NEW[0], OLD[1])
    is_ready(four, keys)

    assert_done(appoint(four, keys))

    settle(four)
    assert members(four, SET_LAST) == sorted(["new", *SLUGS[1:]])


def test_a_second_node_of_a_wijk_is_left_alone(five: Ledger) -> None:
    """economy B15: extra seats stay; the node that the role names is the one that is replaced."""
    (named,) = read(five, ROLES, "delfshaven", "VALIDATOR")
    wijk_nodes = {key(f"node-{name}"): name for name in ("delfshaven", "delfshaven-4")}
    gone = wijk_nodes.pop(named.node[0])
    (kept,) = wijk_nodes.values()
    is_ready(five)

    assert_done(appoint(five))

    settle(five)
    assert members(five) == sorted(["new", kept, *SLUGS[1:]])
    assert gone not in members(five)


def test_a_key_that_left_may_come_back(four: Ledger) -> None:
    """Nothing in the chain keeps a rotated key away; its guard still does (consensus D2)."""
    for keys in (NEW, OLD):
        is_ready(four, keys)
        assert_done(appoint(four, keys))
        settle(four)

    assert members(four, SET_LAST) == sorted(SLUGS)


def convict(ledger: Ledger, name: str) -> None:
    """Suspend the key of a node, and let it leave the set if it may (consensus E4)."""
    run = ledger.run()
    SUSPENDED_KEYS.put(run.state, (Suspended(key(name), 1, "b", 1, bytes(32)),))
    ledger.apply(run)
    for _ in range(3):
        ledger.apply(ledger.run())


def test_e4_a_board_lets_its_removed_node_come_back(five: Ledger) -> None:
    """consensus E4, V5: nobody else can, and the node reports itself first as any newcomer."""
    (named,) = read(five, ROLES, "noord", "VALIDATOR")
    keys = ("node-noord", "transport-noord")
    assert named.node[0] == key(keys[0])
    convict(five, keys[0])
    assert members(five, SET_LAST) == sorted(["delfshaven", "delfshaven-4", *SLUGS[2:]])
    is_ready(five, keys)
    refused(five, appoint(five, keys, "charlois"), "duplicate")  # another wijk cannot

    assert_done(appoint(five, keys, "noord"))
    settle(five)
    for _ in range(3):
        five.apply(five.run())

    assert members(five, SET_LAST) == sorted([*SLUGS, "delfshaven-4"])
    assert get_suspended_keys(five.run().state) == frozenset()


def test_e4_a_wijk_whose_node_was_removed_may_name_another(five: Ledger) -> None:
    """consensus E4: the removed key stays suspended, and nobody has to leave for the new one."""
    convict(five, "node-noord")
    is_ready(five)

    outcome = assert_done(appoint(five, NEW, "noord"))
    settle(five)

    assert values(outcome, "wijk.SetPlanned")[2:] == [4, 3, 5, 4]
    assert members(five, SET_LAST) == sorted(["new", "delfshaven", "delfshaven-4", *SLUGS[2:]])
    assert get_suspended_keys(five.run().state) == {key("node-noord")}


def test_e4_a_board_lifts_the_suspension_of_a_node_that_is_still_in(four: Ledger) -> None:
    """consensus E4: four stay four, so it was only pinned; no change of the set is needed."""
    convict(four, OLD[0])
    assert members(four, SET_LAST) == sorted(SLUGS)

    assert_done(appoint(four, OLD))
    settle(four)

    assert members(four, SET_LAST) == sorted(SLUGS)
    assert get_suspended_keys(four.run().state) == frozenset()


def test_a_named_change_waits_for_its_epoch(four: Ledger) -> None:
    is_ready(four)
    at = epoch(four) + EPOCHS_AHEAD
    assert_done(appoint(four, from_epoch=at))

    pass_border(four)
    assert members(four) == sorted(SLUGS)
    pass_border(four)

    assert four.time_s // EPOCH_S == at
    assert "new" in members(four)


# -------------------------------------------------------------------------------------- refusals


def refused(ledger: Ledger, outcome: Outcome, cause: str) -> None:
    """Assert a refusal of V3, and that nothing is planned by it."""
    assert_refused(outcome, Code.WIJK_SET_CHANGE, cause=cause)


def test_wijk_register_role_refuses_set_change_of_a_node_that_never_reported(four: Ledger) -> None:
    """consensus V5b."""
    refused(four, appoint(four), "not-ready")
    is_ready(four, (NEW[0], "transport-two"))
    refused(four, appoint(four), "not-ready")
    assert read(four, PLANNED) is None


def test_wijk_register_role_refuses_set_change_after_a_day(four: Ledger) -> None:
    """consensus V5b: a report holds for 24 h of chain time, and can be renewed."""
    is_ready(four)
    four.time_s += DAY_S
    refused(four, appoint(four), "not-ready")

    is_ready(four)
    four.time_s += DAY_S - 1
    assert_done(appoint(four))


@pytest.mark.parametrize(
    "keys",
    [
        ("node-noord", NEW[1]),
        ("transport-noord", NEW[1]),
        (NEW[0], "transport-noord"),
        (NEW[0], "node-noord"),
        (NEW[0], "anna"),
        ("anna", NEW[1]),
        (NEW[0], NEW[0]),
    ],
    ids=str,
)
def test_wijk_register_role_refuses_set_change_of_a_key_in_use(
    four: Ledger, keys: tuple[str, str]
) -> None:
    """consensus V3: duplicate keys, also of accounts, and one key for two purposes."""
    is_ready(four, keys)
    refused(four, appoint(four, keys), "duplicate")


def test_wijk_register_role_refuses_set_change_of_the_key_of_a_wijk_to_come(four: Ledger) -> None:
    assert executed_code(endorse(four, founding(four))) == 0
    keys = ("node-o", NEW[1])
    is_ready(four, keys)

    refused(four, appoint(four, keys), "duplicate")


def test_wijk_register_role_refuses_set_change_while_another_is_under_way(four: Ledger) -> None:
    """consensus V4, F38: until the last one is in force, so two blocks beyond its border."""
    is_ready(four)
    assert_done(appoint(four))
    other = ("node-two", "transport-two")
    is_ready(four, other)
    refused(four, appoint(four, other, "noord"), "pending")
    pass_border(four)
    four.apply(four.run())
    assert_done(appoint(four, other, "noord"))


def test_v4_a_change_is_under_way_until_it_is_in_force(four: Ledger) -> None:
    """The border is in block b: blocks b and b + 1 refuse another, block b + 2 takes it."""
    is_ready(four)
    other = ("node-two", "transport-two")
    is_ready(four, other)
    assert_done(appoint(four))
    four.time_s = (epoch(four) + 1) * EPOCH_S - 1

    refused(four, appoint(four, other, "noord"), "pending")
    refused(four, appoint(four, other, "noord"), "pending")
    assert_done(appoint(four, other, "noord"))


def test_wijk_register_role_refuses_set_change_far_ahead(four: Ledger) -> None:
    """It would keep everybody else from changing anything until then."""
    is_ready(four)
    late = epoch(four) + EPOCHS_AHEAD + 1
    refused(four, appoint(four, from_epoch=late), "far")


def test_wijk_register_role_refuses_set_change_above_a_hundred(four: Ledger) -> None:
    crowd = tuple(
        SetMember(key(f"crowd {i}"), key(f"crowd transport {i}"), f"c{i}", "noord")
        for i in range(100)
    )
    full = tuple(sorted(crowd, key=lambda member: member.key))
    for which in (SET_LAST, SET_NOW, SET_NEXT):
        put(four, VALIDATOR_SETS, full, which)
    settle(four)
    is_ready(four)

    refused(four, appoint(four), "too-many")


def test_wijk_register_role_plans_nothing_when_it_is_refused_for_its_term(four: Ledger) -> None:
    """economy B7: a refused call writes nothing, also where the set was looked at first."""
    is_ready(four)
    call = RegisterRole("VALIDATOR", board("delfshaven"), 0, 1, node(four))

    assert_refused(four.by_board("delfshaven", call), Code.WIJK_EXPIRED)

    assert read(four, PLANNED) is None
    assert read(four, READY, key(NEW[0])) is not None


# --------------------------------------------------------------------------------------- remove


def removal(ledger: Ledger, wijk: str, from_epoch: int = 0) -> Outcome:
    return endorse(ledger, Remove(wijk, from_epoch), "noord")


def test_wijk_remove_takes_the_node_out_and_stops_the_calls(five: Ledger) -> None:
    """E36: redeeming and settling go on, nothing else does."""
    outcome = removal(five, "charlois")
    assert executed_code(outcome) == 0
    at = epoch(five) + 1
    assert values(outcome, "wijk.SetPlanned") == ["charlois", at, 5, 4, 4, 3]
    assert values(outcome, "wijk.WijkRemoved") == ["charlois", at]
    move = Transfer((Leg(board("charlois"), 100, None, None),), None)
    batch = Attach((NewAccount(key("fay"), "PERSON", 500),))
    assert_done(five.by_registrar("charlois", batch))

    settle(five)

    assert members(five, SET_LAST) == sorted(["delfshaven-4", *SLUGS[:3]])
    assert read(five, WIJKEN, "charlois").status == REMOVED
    stopped = {"trip_reason": "WIJK-REMOVED"}
    assert_refused(five.by_person("cas", move), Code.TX_TRIPPED, **stopped)
    pay = Pay(account("anna"), 100, None, None)
    assert_refused(five.by_person("cas", pay), Code.TRADE_SUSPENDED)
    later = Attach((NewAccount(key("gus"), "PERSON", 500),))
    assert_refused(five.by_registrar("charlois", later), Code.TX_TRIPPED, **stopped)
    back = Pay(account("cas"), 100, None, None)
    assert_refused(five.by_person("anna", back), Code.TRADE_SUSPENDED)
    request = object_id(five.by_person("cas", RedeemRequest(400, b"\x09" * 32)))
    assert_done(five.by_board("charlois", PayoutBatch((request,), FILE, 400, None)))


def test_a_removed_wijk_counts_and_votes_no_more(five: Ledger) -> None:
    assert executed_code(removal(five, "charlois")) == 0
    settle(five)
    again = Remove("feijenoord", 0)
    matter = object_id(five.by_board("noord", FedPropose(encode(again))))

    assert_refused(five.by_board("charlois", FedEndorse(matter, 1)), Code.TX_ROLE)
    outcome = assert_done(five.by_board("noord", FedEndorse(matter, 1)))

    assert values(outcome, "wijk.FedEndorsed")[-2:] == [1, 2]


def test_a_matter_of_a_wijk_removed_since_still_runs(five: Ledger) -> None:
    """It is the federation's word by then, whoever wrote it down."""
    found = founding(five)
    matter = object_id(five.by_board("charlois", FedPropose(encode(found))))
    assert executed_code(removal(five, "charlois")) == 0
    settle(five)
    assert_done(five.by_board("noord", FedEndorse(matter, 1)))

    outcome = five.by_board("delfshaven", FedEndorse(matter, 1))

    assert executed_code(outcome) == 0
    assert read(five, FED_MATTERS, matter).status == "EXECUTED"


def test_wijk_remove_of_a_wijk_without_a_node_leaves_the_set_as_it_is(four: Ledger) -> None:
    assert executed_code(endorse(four, founding(four))) == 0

    assert executed_code(removal(four, "overschie")) == 0

    settle(four)
    assert members(four, SET_LAST) == sorted(SLUGS)
    assert read(four, WIJKEN, "overschie").status == REMOVED


def test_wijk_remove_refuses_unknown(five: Ledger) -> None:
    assert executed_code(removal(five, "nowhere")) == Code.WIJK_UNKNOWN.number


def test_wijk_remove_refuses_done(five: Ledger) -> None:
    assert executed_code(removal(five, "charlois")) == 0
    assert executed_code(removal(five, "charlois")) == Code.WIJK_DONE.number
    settle(five)
    matter = object_id(five.by_board("noord", FedPropose(encode(Remove("charlois", 0)))))
    assert_done(five.by_board("noord", FedEndorse(matter, 1)))

    outcome = five.by_board("feijenoord", FedEndorse(matter, 1))

    assert executed_code(outcome) == Code.WIJK_DONE.number


def test_wijk_remove_refuses_set_change_below_four(four: Ledger) -> None:
    """consensus V3: never fewer than four again."""
    outcome = removal(four, "charlois")

    assert executed_code(outcome) == Code.WIJK_SET_CHANGE.number
    assert "wijk.SetPlanned" not in names(outcome)


def test_wijk_remove_refuses_set_change_of_more_than_a_third_at_once() -> None:
    """consensus V4: delfshaven has two of five nodes, and one may leave."""
    ledger = Ledger(wijken=3, validators=7, balances={})
    assert executed_code(endorse(ledger, Remove("delfshaven", 0))) == Code.WIJK_SET_CHANGE.number
    assert executed_code(endorse(ledger, Remove("noord", 0))) == 0


def test_wijk_remove_refuses_set_change_of_the_last_wijk() -> None:
    """Nobody would be left to decide anything."""
    ledger = Ledger(wijken=2, validators=6, balances={})
    put(
        ledger,
        WIJKEN,
        msgspec.structs.replace(read(ledger, WIJKEN, "noord"), status=REMOVED),
        "noord",
    )

    outcome = endorse(ledger, Remove("delfshaven", 0))

    assert executed_code(outcome) == Code.WIJK_SET_CHANGE.number


def test_wijk_remove_refuses_set_change_while_another_is_under_way(five: Ledger) -> None:
    is_ready(five)
    assert_done(appoint(five))
    assert executed_code(removal(five, "charlois")) == Code.WIJK_SET_CHANGE.number
    settle(five)
    assert read(five, WIJKEN, "charlois").status == "ACTIVE"


def test_nobody_removes_a_wijk_alone(five: Ledger) -> None:
    assert_refused(five.by_board("noord", Remove("charlois", 0)), Code.TX_ROLE, role="fed")


# -------------------------------------------------------------------------------------- the rules


def test_find_fault_names_what_is_wrong() -> None:
    """consensus V3, V4, as one pure function."""

    def one(number: int, name: str | None = None) -> SetMember:
        return SetMember(key(f"n{number}"), key(f"t{number}"), name or f"n{number}", "noord")

    four = tuple(one(i) for i in range(4))
    seven = tuple(one(i) for i in range(7))
    new = tuple(one(i) for i in range(10, 14))
    weak = msgspec.structs.replace(new[0], key=bytes(32))
    keys = [member.key for member in seven]
    assert find_fault(four, (), (new[0],)) is None
    assert find_fault(four, (keys[0],), (new[0],)) is None
    assert find_fault(seven, tuple(keys[:2]), new[:2]) is None
    assert find_fault(four[:1], (keys[0],), (new[0],)) is None
    assert find_fault(four, (new[0].key,), ()) == "unknown-leaver"
    assert find_fault(seven, (keys[0], keys[0]), ()) == "unknown-leaver"
    assert find_fault(four, (), (four[0],)) == "duplicate"
    assert find_fault(four, (), (one(10, "n0"),)) == "duplicate"
    assert find_fault(four, (), (weak,)) == "weak-key"
    assert find_fault(four, (keys[0],), ()) == "too-few"
    assert find_fault(four[:1], (keys[0],), ()) == "too-few"
    assert find_fault(four[:3], (keys[0],), ()) is None
    assert find_fault(seven, tuple(keys[:3]), new[:2]) == "limit"
    assert find_fault(seven, (), new[:3]) == "limit"


def test_a_node_gets_the_name_of_its_wijk_or_a_number() -> None:
    taken = tuple(SetMember(key(name), key(name), name, "noord") for name in ("noord", "noord-2"))
    assert choose_name((), "noord") == "noord"
    assert choose_name(taken, "noord") == "noord-3"
    long = "w" * 32
    assert choose_name((SetMember(key("x"), key("x"), long, long),), long) == "w" * 30 + "-2"
