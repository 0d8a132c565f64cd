"""wijk.*: founding, parameters, roles and the federation (economy B5, B13, E36..E38)."""

from typing import Any

import msgspec
import pytest

from chain.codec import decode, encode
from chain.contract import Context, Ids
from chain.crypto import sha256, sign
from chain.errors import Code, Malformed, Reject
from chain.execute import BlockRun
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    FEDERATION_WIJKEN,
    MEMBERS,
    NO_END_S,
    PARAMS,
    ROLES,
    SEATS,
    SET_NEXT,
    SUPPLY,
    VALIDATOR_SETS,
    WIJKEN,
    AccountKey,
    RoleVersion,
    Seat,
    Supply,
    Wijk,
    get_param,
    get_role,
)
from chain.params import FEDERATION
from chain.records import Outcome
from chain.sanctions import LIFTED, SUSPENDED_KEYS, Suspended, get_suspended
from chain.shared import FED_MATTERS, key_proof_bytes
from chain.state import State
from contracts.accounts import Propose
from contracts.coin import Leg, RedeemRequest, SetMinter, Transfer
from contracts.members import Attach, NewAccount
from contracts.trade import Pay
from contracts.wijk import (
    EXECUTED,
    FED_LIFE_S,
    OPEN,
    REFUSED,
    REJECTED,
    FedEndorse,
    FedPropose,
    Found,
    HeldKey,
    NodeKeys,
    RegisterRole,
    SetParam,
    node_proof_bytes,
)
from tests.contracts.desk import assert_done, assert_refused, balance, change, put
from tests.contracts.offices import (
    DAY_S,
    apply_effect,
    enact,
    endorse,
    epoch,
    executed_code,
    get_account,
    names,
    new_key,
    object_id,
    put_decision,
    raw,
    read,
    set_keys,
    to_epoch,
    values,
)
from tests.federation import Ledger, account, board, holder, key, registrar, seed

ANNA, SHOP = account("anna"), account("shop")
BOARD, REGISTRAR = board("delfshaven"), registrar("delfshaven")
A, B, C = (f"delfshaven-board-{letter}" for letter in "abc")
FOUNDERS = ("o-a", "o-b", "o-c")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})


def held(name: str, whose: str | None = None) -> HeldKey:
    return HeldKey(key(name), holder(whose or name))


def founding(ledger: Ledger, **changes: Any) -> Found:
    """Return the founding of Overschie, with the proof of its validator key."""
    call = Found(
        "overschie",
        "WK059904",
        2014,
        "EUR",
        "Zwethmunt",
        "ZWE",
        "Zwethmunten",
        b"\x07" * 32,
        "DEMO",
        tuple(held(name) for name in FOUNDERS),
        2,
        (held("o-r", "o-a"), held("o-s")),
        key("node-o"),
        bytes(64),
    )
    call = msgspec.structs.replace(call, **changes)
    message = key_proof_bytes(ledger.chain.digest, account("o-a"), call.validator)
    return msgspec.structs.replace(call, proof=changes.get("proof", sign(seed("node-o"), message)))


def run_fed(ledger: Ledger, call: Any, proposer: str = "delfshaven") -> int:
    """Let the federation run `call` and return what became of it."""
    return executed_code(endorse(ledger, call, proposer))


def param(ledger: Ledger, name: str, in_epoch: int, wijk: str = FEDERATION) -> Any:
    return get_param(State(ledger.state.get), wijk, name, in_epoch)


# --------------------------------------------------------------------------------------- found


def test_wijk_found_makes_a_wijk_that_works(ledger: Ledger) -> None:
    outcome = endorse(ledger, founding(ledger))

    assert executed_code(outcome) == 0
    made = ledger.base.height
    board_id, registrar_id = account("o-a"), account("o-r")
    assert values(outcome, "wijk.WijkFounded") == [
        "overschie", "overschie:EUR", board_id, registrar_id,
    ]  # fmt: skip
    assert read(ledger, WIJKEN, "overschie") == Wijk(
        "WK059904", 2014, "EUR", board_id, "DEMO", b"\x07" * 32, "ACTIVE", made
    )
    assert read(ledger, FEDERATION_WIJKEN) == ("delfshaven", "noord", "overschie")
    assert read(ledger, SUPPLY, "overschie:EUR") == Supply(0, 0, 0, 0, 0, 0, 0, 0)
    for name, text in (
        ("coin.name", "Zwethmunt"),
        ("coin.plural", "Zwethmunten"),
        ("coin.symbol", "ZWE"),
    ):
        assert param(ledger, name, epoch(ledger), "overschie") == text
    founders = get_account(ledger, board_id)
    assert (founders.kind, founders.wijk, founders.threshold) == ("BOARD", "overschie", 2)
    assert [k.key for k in founders.keys] == [key(name) for name in FOUNDERS]
    assert get_account(ledger, registrar_id).threshold == 2
    for number, name in enumerate(FOUNDERS, start=1):
        seat = read(ledger, SEATS, "overschie", number)
        assert (seat.key, seat.holder, seat.from_s) == (key(name), holder(name), ledger.time_s)
        assert seat.until_s == ledger.time_s + 365 * DAY_S
    roles = {role: read(ledger, ROLES, "overschie", role) for role in ("TREASURY", "REGISTRY")}
    assert [v[0].account for v in roles.values()] == [board_id, registrar_id]
    (node,) = read(ledger, ROLES, "overschie", "VALIDATOR")
    assert (node.account, node.node) == (board_id, (key("node-o"), None))

    batch = Attach((NewAccount(key("fay"), "PERSON", 500),))
    assert_done(ledger.send(batch, registrar_id, [(0, "o-r"), (1, "o-s")]))
    minter = SetMinter("overschie:EUR", 100)
    assert_done(ledger.send(minter, board_id, [(0, "o-a"), (2, "o-c")]))
    assert read(ledger, MEMBERS, account("fay")).limit == 500


def test_a_founded_wijk_is_no_validator_yet(ledger: Ledger) -> None:
    """consensus V1, V5: the set changes by its own rules, not by a founding."""
    before = read(ledger, VALIDATOR_SETS, SET_NEXT)

    assert run_fed(ledger, founding(ledger)) == 0

    assert read(ledger, VALIDATOR_SETS, SET_NEXT) == before


def test_a_founded_wijk_counts_among_the_sitting(ledger: Ledger) -> None:
    assert run_fed(ledger, founding(ledger)) == 0

    matter = object_id(ledger.by_board("noord", FedPropose(encode(fed_param(ledger)))))
    outcome = assert_done(ledger.by_board("noord", FedEndorse(matter, 1)))

    assert values(outcome, "wijk.FedEndorsed")[-2:] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"wijk_id": "noord"}, Code.WIJK_EXISTS),
        ({"founder_keys": (held(A), held("o-b"), held("o-c"))}, Code.WIJK_EXISTS),
        (
            {"registrar_keys": (held("delfshaven-registrar-a", "o-a"), held("o-s"))},
            Code.WIJK_EXISTS,
        ),
        ({"validator": key("node-noord")}, Code.WIJK_EXISTS),
        ({"validator": key("transport-noord")}, Code.WIJK_EXISTS),
        ({"wijk_id": "Overschie"}, Code.WIJK_BAD_CODE),
        ({"wijk_id": "-"}, Code.WIJK_BAD_CODE),
        ({"wijk_id": "x" * 33}, Code.WIJK_BAD_CODE),
        ({"place": "WK05990"}, Code.WIJK_BAD_CODE),
        ({"place": "GM0599"}, Code.WIJK_BAD_CODE),
        ({"year": 1989}, Code.WIJK_BAD_CODE),
        ({"year": 10_000}, Code.WIJK_BAD_CODE),
        ({"currency": "USD"}, Code.WIJK_BAD_CURRENCY),
        ({"currency": "eur"}, Code.WIJK_BAD_CURRENCY),
        ({"proof": bytes(64)}, Code.WIJK_NO_PROOF),
        ({"validator": key("other node")}, Code.WIJK_NO_PROOF),
        ({"validator": bytes(32)}, Code.WIJK_NO_PROOF),
        (
            {"founder_keys": (held("o-a"), held("o-b"), HeldKey(bytes(32), bytes(32)))},
            Code.WIJK_NO_PROOF,
        ),
        ({"founder_keys": (held("o-a"), held("o-b"), held("o-c", "o-b"))}, Code.WIJK_HOLDERS),
        ({"founder_keys": (held("o-a"), held("o-b"), held("o-b", "o-c"))}, Code.WIJK_HOLDERS),
        ({"founder_keys": (held("o-a"), held("o-b"), held("node-o"))}, Code.WIJK_HOLDERS),
        ({"threshold": 1}, Code.WIJK_HOLDERS),
        ({"threshold": 4}, Code.WIJK_HOLDERS),
        ({"registrar_keys": (held("o-r"), held("o-s"))}, Code.WIJK_HOLDERS),
        ({"registrar_keys": (held("o-r", "o-a"), held("o-s", "o-b"))}, Code.WIJK_HOLDERS),
        ({"registrar_keys": (held("o-r", "o-s"), held("o-s"))}, Code.WIJK_HOLDERS),
        ({"registrar_keys": (held("o-b", "o-a"), held("o-s"))}, Code.WIJK_HOLDERS),
        ({"issuer": "NOBODY"}, Code.TX_UNKNOWN_ID),
        ({"name": "Munt@huis"}, Code.TX_TEXT),
        ({"plural": ""}, Code.TX_TEXT),
        ({"symbol": "MUNTJ"}, Code.TX_TEXT),
    ],
    ids=str,
)
def test_wijk_found_refuses(ledger: Ledger, changes: dict[str, Any], code: Code) -> None:
    outcome = endorse(ledger, founding(ledger, **changes))

    assert executed_code(outcome) == code.number
    assert "wijk.WijkFounded" not in names(outcome)
    assert read(ledger, FEDERATION_WIJKEN) == ("delfshaven", "noord")


def test_wijk_found_refuses_set_change_above_a_hundred_wijken(ledger: Ledger) -> None:
    """consensus: one chain is at most 100 validators, one a wijk."""
    many = ("noord", *(f"w{i:03}" for i in range(99)))
    put(ledger, FEDERATION_WIJKEN, many)
    matter = object_id(ledger.by_board("noord", FedPropose(encode(founding(ledger)))))

    outcome = ledger.by_board("noord", FedEndorse(matter, 1))

    assert executed_code(outcome) == Code.WIJK_SET_CHANGE.number


def test_b5_nobody_founds_a_wijk_alone(ledger: Ledger) -> None:
    assert_refused(ledger.by_board("delfshaven", founding(ledger)), Code.TX_ROLE, role="fed")


# ----------------------------------------------------------------------------------- set_param


def fed_param(ledger: Ledger, name: str = "seconders", value: Any = 7, ahead: int = 9) -> SetParam:
    return SetParam(name, raw(value), epoch(ledger) + ahead)


def test_wijk_set_param_changes_the_brand_by_vote(ledger: Ledger) -> None:
    call = SetParam("coin.name", raw("Havenmunt"), epoch(ledger) + 4)

    assert enact(ledger, call) is None

    assert param(ledger, "coin.name", call.from_epoch - 1, "delfshaven") == "Munt"
    assert param(ledger, "coin.name", call.from_epoch, "delfshaven") == "Havenmunt"
    assert param(ledger, "coin.name", call.from_epoch, "noord") == "Munt"


def test_wijk_set_param_changes_what_is_common_by_the_federation(ledger: Ledger) -> None:
    outcome = endorse(ledger, fed_param(ledger))

    _, name, from_epoch, value = values(outcome, "wijk.ParamSet")
    assert (name, value) == ("seconders", encode(7))
    assert param(ledger, "seconders", from_epoch - 1) is None
    assert param(ledger, "seconders", from_epoch) == 7


def test_b13_takes_effect_at_the_border_and_not_before(ledger: Ledger) -> None:
    call = fed_param(ledger, "max_block_txs", 3)
    assert run_fed(ledger, call) == 0
    to_epoch(ledger, call.from_epoch - 1)
    assert ledger.run().clock.number("max_block_txs") == 4_000
    to_epoch(ledger, call.from_epoch)

    run = ledger.run()

    assert run.clock.epoch == call.from_epoch
    assert run.clock.number("max_block_txs") == 3


def test_b13_the_newest_word_wins(ledger: Ledger) -> None:
    late, soon = fed_param(ledger, value=7, ahead=60), fed_param(ledger, value=8, ahead=40)
    again = fed_param(ledger, value=9, ahead=40)
    for call in (late, soon, again):
        assert run_fed(ledger, call) == 0

    versions = read(ledger, PARAMS, FEDERATION, "seconders")

    assert [(at, bytes(value)) for at, value in versions] == [(again.from_epoch, encode(9))]


def test_wijk_set_param_refuses_unknown(ledger: Ledger) -> None:
    refusal = enact(ledger, SetParam("coin.size", raw("x"), 10**9))

    assert refusal is not None
    assert (refusal.code, refusal.params) == (Code.WIJK_UNKNOWN, {"name": "coin.size"})


def test_wijk_set_param_refuses_unknown_wijk_of_a_reserve(ledger: Ledger) -> None:
    call = fed_param(ledger, "reserves", ((bytes(32), "nowhere"),))

    assert run_fed(ledger, call) == Code.WIJK_UNKNOWN.number


def test_reserves_are_pledged_by_the_federation(ledger: Ledger) -> None:
    """economy C5: the parameter `reserves` says whose a reserve account is."""
    call = fed_param(ledger, "reserves", ((bytes(32), "noord"),))

    assert run_fed(ledger, call) == 0

    assert param(ledger, "reserves", call.from_epoch) == ((bytes(32), "noord"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seconders", 0),
        ("seconders", 1_001),
        ("seconders", -1),
        ("seconders", "7"),
        ("seconders", b"7"),
        ("seconders", (7,)),
        ("quorum_pct", 101),
        ("max_validity_s", 300),
        ("epoch_s", 5),
        ("small_areas", 7),
        ("small_areas", (("wk059903",),)),
        ("small_areas", (("WK059903",), ("WK059903",))),
        ("small_areas", (("WK059903", 2014),)),
        ("reserves", ((bytes(31), "noord"),)),
        ("reserves", ((bytes(32), "noord"), (bytes(32), "delfshaven"))),
    ],
    ids=str,
)
def test_wijk_set_param_refuses_bounds(ledger: Ledger, name: str, value: Any) -> None:
    assert run_fed(ledger, fed_param(ledger, name, value)) == Code.WIJK_BOUNDS.number


def test_b13_waiting_times_are_short_on_test_chains_only() -> None:
    """On a live chain a waiting time is never below its default."""
    for purpose, code in (("test", 0), ("demo", 0), ("live", Code.WIJK_BOUNDS.number)):
        ledger = Ledger(wijken=4, purpose=purpose, params={"epoch_s": 86_400})
        in_days = SetParam("recovery_delay_s", raw(86_400), 10**6)
        assert run_fed(ledger, in_days) == code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coin.name", "Munt@huis"),
        ("coin.name", " Munt"),
        ("coin.name", "NL91ABNA0417164300"),
        ("coin.plural", "x" * 33),
        ("coin.symbol", "MUNTJ"),
        ("coin.colour", "blauw"),
    ],
)
def test_wijk_set_param_refuses_text(ledger: Ledger, name: str, value: str) -> None:
    refusal = enact(ledger, SetParam(name, raw(value), 10**9))

    assert refusal is not None
    assert refusal.code is Code.TX_TEXT


def test_wijk_set_param_refuses_bounds_of_a_brand_that_is_no_text(ledger: Ledger) -> None:
    refusal = enact(ledger, SetParam("coin.name", raw(7), 10**9))

    assert refusal is not None
    assert refusal.code is Code.WIJK_BOUNDS


def test_wijk_set_param_refuses_too_soon(ledger: Ledger) -> None:
    """economy B13: the border of the epoch after next is the first."""
    to_epoch(ledger, epoch(ledger) + 1)
    decision = put_decision(
        ledger,
        SetParam("coin.name", raw("Nu"), epoch(ledger) + 1),
        SetParam("coin.name", raw("Straks"), epoch(ledger) + 2),
    )
    run = ledger.run()
    now = run.clock.epoch

    refusal = apply_effect(run, decision, 0)

    assert refusal is not None
    assert (refusal.code, refusal.params) == (Code.WIJK_TOO_SOON, {"from_epoch": now + 2})
    assert apply_effect(run, decision, 1) is None


def test_wijk_set_param_refuses_no_decision(ledger: Ledger) -> None:
    """What is common is not for the vote of one wijk, nor a brand for the federation."""
    refusal = enact(ledger, fed_param(ledger))
    assert refusal is not None
    assert refusal.code is Code.WIJK_NO_DECISION

    run = ledger.run()
    ctx = make_context(run)
    brand = encode(SetParam("coin.name", raw("Munt"), 10**9))
    refusal = ctx.run(brand, BOARD, (), fed=True)
    assert refusal is not None
    assert refusal.code is Code.WIJK_NO_DECISION


def make_context(run: BlockRun) -> Context:
    return Context(run.clock, bytes(32), BOARD, (), ids=Ids(bytes(32)), postings=[], notices=[])


@pytest.mark.parametrize("status", ["DRAFT", "OPEN", "REJECTED", "EXECUTED", "LAPSED"])
def test_an_effect_refuses_no_decision_unless_it_passed(ledger: Ledger, status: str) -> None:
    call = SetParam("coin.name", raw("Havenmunt"), 10**9)

    refusal = enact(ledger, call, status=status)

    assert refusal is not None
    assert refusal.code is Code.WIJK_NO_DECISION
    assert param(ledger, "coin.name", 10**9, "delfshaven") == "Munt"


def test_b5_nobody_sets_a_parameter_alone(ledger: Ledger) -> None:
    for outcome in (
        ledger.by_board("delfshaven", fed_param(ledger)),
        ledger.by_person("anna", SetParam("coin.name", raw("Munt"), 10**9)),
    ):
        assert_refused(outcome, Code.TX_ROLE, role="effect")


@pytest.mark.parametrize(
    "data", [b"\xc0", b"\xc3", b"\x80", b"\xca\x00\x00\x00\x00", b"\xcc\x01", b"\x91\xc0", b"\xd9"]
)
def test_a_value_that_no_parameter_has_is_malformed(data: bytes) -> None:
    """interfaces 4: no map, float, nil or bool, shortest encodings, no bytes over."""
    call = b"\x94\xaewijk.set_param\xa1x" + data + b"\x01"

    with pytest.raises(Malformed):
        decode(SetParam, call)


# -------------------------------------------------------------------------------- register_role


def roles(ledger: Ledger, role: str, wijk: str = "delfshaven") -> list[RoleVersion]:
    return list(read(ledger, ROLES, wijk, role) or ())


def make_role_account(ledger: Ledger, *, threshold: int = 2, board_member: bool = True) -> bytes:
    """Attach a role account with two people: one of the board, unless said otherwise, and eva."""
    batch = Attach((NewAccount(key("office"), "ROLE", 0),))
    assert_done(ledger.by_registrar("delfshaven", batch))
    office = account("office")
    one = new_key(ledger, office, "office 1", A if board_member else "fay")
    two = new_key(ledger, office, "office 2", "eva")
    call = set_keys(ledger, office, one, two, revoke=("office",), threshold=2)
    assert_done(ledger.by_person("office", call))
    if threshold != 2:
        change(ledger, ACCOUNTS, office, threshold=threshold)
    return office


def test_wijk_register_role_names_a_treasury(ledger: Ledger) -> None:
    office = make_role_account(ledger)
    from_epoch = epoch(ledger) + 7
    until = ledger.time_s + 10_000

    outcome = assert_done(
        ledger.by_board("delfshaven", RegisterRole("TREASURY", office, from_epoch, until, None))
    )

    assert values(outcome, "wijk.RoleSet") == [
        "delfshaven", "TREASURY", office, from_epoch, until,
    ]  # fmt: skip
    state = State(ledger.state.get)
    before = get_role(state, "delfshaven", "TREASURY", from_epoch - 1, ledger.time_s)
    after = get_role(state, "delfshaven", "TREASURY", from_epoch, ledger.time_s)
    assert before is not None
    assert after is not None
    assert (before.account, after.account) == (BOARD, office)


def test_wijk_register_role_names_registrars_who_then_admit(ledger: Ledger) -> None:
    office = make_role_account(ledger)
    call = RegisterRole("REGISTRY", office, 0, NO_END_S, None)
    assert_done(ledger.by_board("delfshaven", call))
    to_epoch(ledger, roles(ledger, "REGISTRY")[-1].from_epoch)
    batch = Attach((NewAccount(key("eva pays"), "PERSON", 5),))

    assert_refused(ledger.by_registrar("delfshaven", batch), Code.TX_ROLE)
    assert_done(ledger.send(batch, office, [(1, "office 1"), (2, "office 2")]))


def test_e38_a_role_begins_at_the_next_border_at_the_earliest(ledger: Ledger) -> None:
    call = RegisterRole("MEASURER", ANNA, 0, NO_END_S, None)

    assert_done(ledger.by_board("delfshaven", call))

    now = ledger.time_s // 5
    assert [version.from_epoch for version in roles(ledger, "MEASURER")] == [now + 1]


def test_wijk_register_role_arbiter_by_vote(ledger: Ledger) -> None:
    call = RegisterRole("ARBITER", ANNA, 0, NO_END_S, None)

    assert enact(ledger, call) is None

    assert [version.account for version in roles(ledger, "ARBITER")] == [ANNA]


@pytest.mark.parametrize("role", ["AUDITOR", "ISSUER"])
def test_wijk_register_role_of_the_federation(ledger: Ledger, role: Any) -> None:
    call = RegisterRole(role, account("bram"), 0, NO_END_S, None)

    assert run_fed(ledger, call) == 0

    assert [version.account for version in roles(ledger, role, FEDERATION)] == [account("bram")]
    assert roles(ledger, role) == []


def test_wijk_register_role_municipality_for_the_wijk_that_proposed(ledger: Ledger) -> None:
    call = RegisterRole("MUNICIPALITY", account("bram"), 0, NO_END_S, None)

    assert run_fed(ledger, call, proposer="noord") == 0

    assert [v.account for v in roles(ledger, "MUNICIPALITY", "noord")] == [account("bram")]
    assert roles(ledger, "MUNICIPALITY") == []


def five_seats(ledger: Ledger) -> None:
    """Give delfshaven a board of five with threshold 3; board23 is 4."""
    run = ledger.run()
    record = ACCOUNTS.get(run.state, BOARD)
    assert record is not None
    more = tuple(AccountKey(3 + i, key(f"seat {i}"), holder(f"seat {i}"), 0) for i in range(2))
    bigger = msgspec.structs.replace(record, threshold=3, keys=(*record.keys, *more))
    ACCOUNTS.put(run.state, bigger, BOARD)
    for number, new in enumerate(more, start=4):
        SEATS.put(run.state, Seat(new.key, new.holder, 0, NO_END_S, ACTIVE), "delfshaven", number)
    ledger.apply(run)


def test_wijk_register_role_validator_needs_two_thirds_of_the_board(ledger: Ledger) -> None:
    """economy E38. With the board's threshold it is a call that only lacks authority."""
    five_seats(ledger)
    call = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, None)
    three = [(0, A), (1, B), (2, C)]

    assert_refused(ledger.send(call, BOARD, three), Code.TX_ROLE, role="board23")
    assert_done(ledger.send(call, BOARD, [*three, (3, "seat 0")]))

    (_, version) = roles(ledger, "VALIDATOR")
    node = (key("node-delfshaven"), key("transport-delfshaven"))
    assert (version.account, version.node) == (ANNA, node)


@pytest.mark.parametrize("letters", ["", "a"])
def test_b5_a_board_without_a_sitting_seat_names_nobody(ledger: Ledger, letters: str) -> None:
    """Two thirds of no seats are none, and yet a transaction that nobody signed is no order."""
    for number in (1, 2, 3):
        change(ledger, SEATS, "delfshaven", number, until_s=0)
    call = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, None)

    if letters:
        assert_refused(ledger.by_board("delfshaven", call, letters), Code.TX_ROLE)
    else:
        with pytest.raises(Reject) as refused:
            ledger.by_board("delfshaven", call, letters)
        assert refused.value.code is Code.TX_SIGNATURES
    assert len(roles(ledger, "VALIDATOR")) == 1


def test_wijk_register_role_of_the_board_with_two_thirds_is_too_many(ledger: Ledger) -> None:
    five_seats(ledger)
    call = RegisterRole("MEASURER", ANNA, 0, NO_END_S, None)
    four = [(0, A), (1, B), (2, C), (3, "seat 0")]

    assert_refused(ledger.send(call, BOARD, four), Code.TX_ROLE, role="board")


@pytest.mark.parametrize("role", ["ARBITER", "AUDITOR", "ISSUER", "MUNICIPALITY"])
def test_wijk_register_role_refuses_role_of_others_to_the_board(ledger: Ledger, role: Any) -> None:
    call = RegisterRole(role, ANNA, 0, NO_END_S, None)

    assert_refused(ledger.by_board("delfshaven", call), Code.TX_ROLE)


@pytest.mark.parametrize("role", ["TREASURY", "REGISTRY", "MEASURER", "VALIDATOR", "AUDITOR"])
def test_a_vote_of_members_names_no_board_or_federation_role(ledger: Ledger, role: Any) -> None:
    refusal = enact(ledger, RegisterRole(role, ANNA, 0, NO_END_S, None))

    assert refusal is not None
    assert refusal.code is Code.TX_ROLE


def test_wijk_register_role_refuses_holders(ledger: Ledger) -> None:
    """economy B5, C3: a resident, a household of two, or a threshold of one is no treasury."""
    office = make_role_account(ledger)
    for role in ("TREASURY", "REGISTRY"):
        call = RegisterRole(role, ANNA, 0, NO_END_S, None)
        assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_HOLDERS)
    change(ledger, ACCOUNTS, office, threshold=1)
    call = RegisterRole("TREASURY", office, 0, NO_END_S, None)
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_HOLDERS)
    change(ledger, ACCOUNTS, office, threshold=2, kind="HOUSEHOLD")
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_HOLDERS)


def test_wijk_register_role_refuses_holders_of_a_registry_without_a_seat(ledger: Ledger) -> None:
    office = make_role_account(ledger, board_member=False)
    call = RegisterRole("REGISTRY", office, 0, NO_END_S, None)
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_HOLDERS)

    call = RegisterRole("REGISTRY", BOARD, 0, NO_END_S, None)
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_HOLDERS)

    call = RegisterRole("TREASURY", office, 0, NO_END_S, None)
    assert_done(ledger.by_board("delfshaven", call))


NODES = ("delfshaven", "noord")


def node(ledger: Ledger, name: str = "delfshaven", transport: str | None = None) -> NodeKeys:
    validator, second = key(f"node-{name}"), key(f"transport-{transport or name}")
    message = node_proof_bytes(ledger.chain.digest, validator, second)
    return NodeKeys(validator, second, sign(seed(f"node-{name}"), message))


@pytest.mark.parametrize("names_it", [True, False])
def test_e4_a_board_that_registers_its_node_again_lifts_the_suspension(names_it: bool) -> None:
    """consensus E4: a new operator alone, without the node, lifts nothing; nor do other wijken."""
    ledger = Ledger(wijken=1, validators=4, balances={"delfshaven/anna": 10_000})  # V3: it stays in
    rows = tuple(Suspended(key(f"node-{name}"), 1, "b", 1, bytes(32)) for name in NODES)
    run = ledger.run()
    SUSPENDED_KEYS.put(run.state, rows)
    ledger.apply(run)
    call = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, node(ledger) if names_it else None)

    assert_done(ledger.by_board("delfshaven", call))

    state = State(ledger.base.read)
    assert get_suspended(state) == (rows[1:] if names_it else rows)
    assert LIFTED.get(state, rows[0].key) == (ledger.base.height if names_it else None)
    assert LIFTED.get(state, rows[1].key) is None


def test_wijk_register_role_validator_keeps_the_node_it_has(ledger: Ledger) -> None:
    call = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, node(ledger))

    assert_done(ledger.by_board("delfshaven", call))

    before, after = roles(ledger, "VALIDATOR")
    assert before.node == after.node
    assert after.account == ANNA


def test_wijk_register_role_refuses_no_proof(ledger: Ledger) -> None:
    good = node(ledger)
    bad = (
        msgspec.structs.replace(good, proof=bytes(64)),
        msgspec.structs.replace(good, transport=key("transport-noord")),
        msgspec.structs.replace(good, validator=bytes(32)),
        msgspec.structs.replace(good, transport=bytes(32)),
    )
    for keys in bad:
        call = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, keys)
        assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_NO_PROOF)
    call = RegisterRole("MEASURER", ANNA, 0, NO_END_S, good)
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_NO_PROOF)


def test_wijk_register_role_refuses_expired(ledger: Ledger) -> None:
    """A term ends after it begins."""
    now = ledger.time_s + 1
    for from_epoch, until in ((0, 0), (0, now), (now // 5 + 9, (now // 5 + 9) * 5)):
        call = RegisterRole("MEASURER", ANNA, from_epoch, until, None)
        assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_EXPIRED, until_at=until)

    begins = ledger.time_s // 5 + 9
    call = RegisterRole("MEASURER", ANNA, begins, begins * 5 + 1, None)
    assert_done(ledger.by_board("delfshaven", call))


def test_wijk_register_role_refuses_unknown_account(ledger: Ledger) -> None:
    """An account of another wijk could not act here: the wijk of a call is that of its sender."""
    for who in (account("nobody"), account("bram")):
        call = RegisterRole("MEASURER", who, 0, NO_END_S, None)
        assert_refused(ledger.by_board("delfshaven", call), Code.TX_UNKNOWN_ACCOUNT)


# ----------------------------------------------------------------------------------- federation


@pytest.fixture
def four() -> Ledger:
    """Four wijken, so three must agree."""
    return Ledger(wijken=4, balances={"delfshaven/anna": 10_000})


def matter_of(ledger: Ledger, matter: bytes) -> Any:
    return read(ledger, FED_MATTERS, matter)


def vote(ledger: Ledger, wijk: str, matter: bytes, yes: int = 1) -> Outcome:
    return ledger.by_board(wijk, FedEndorse(matter, yes))


def test_wijk_fed_propose_and_fed_endorse_run_once_at_two_thirds(four: Ledger) -> None:
    """economy E36: three of four; to propose is not to endorse."""
    call = fed_param(four)
    made = assert_done(four.by_board("delfshaven", FedPropose(encode(call))))
    matter = object_id(made)
    assert matter == made.tx_id
    assert values(made, "wijk.FedProposed") == [matter, "delfshaven", four.time_s + FED_LIFE_S]
    for number, wijk in enumerate(("noord", "charlois"), start=1):
        outcome = assert_done(vote(four, wijk, matter))
        assert values(outcome, "wijk.FedEndorsed") == [matter, wijk, 1, number, 3]
        assert names(outcome) == ["wijk.FedEndorsed"]
    assert matter_of(four, matter).status == OPEN

    last = assert_done(vote(four, "feijenoord", matter))

    assert names(last) == ["wijk.FedEndorsed", "wijk.ParamSet", "wijk.FedExecuted"]
    closed = matter_of(four, matter)
    assert (closed.status, closed.call, closed.code) == (EXECUTED, b"", 0)
    assert param(four, "seconders", call.from_epoch) == 7
    assert_refused(vote(four, "delfshaven", matter), Code.WIJK_DONE)


def test_a_refused_matter_closes_with_its_code(four: Ledger) -> None:
    call = fed_param(four, value=0)

    outcome = endorse(four, call)

    assert executed_code(outcome) == Code.WIJK_BOUNDS.number
    matter = values(outcome, "wijk.FedExecuted")[0]
    closed = matter_of(four, matter)
    assert (closed.status, closed.code) == (REFUSED, Code.WIJK_BOUNDS.number)
    assert param(four, "seconders", 10**9) is None


def test_a_matter_that_can_no_longer_pass_is_closed(four: Ledger) -> None:
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    assert_done(vote(four, "noord", matter, 0))
    assert matter_of(four, matter).status == OPEN

    outcome = assert_done(vote(four, "delfshaven", matter, 0))

    assert names(outcome)[-1] == "wijk.FedRejected"
    assert matter_of(four, matter).status == REJECTED
    assert_refused(vote(four, "charlois", matter), Code.WIJK_DONE)


def test_votes_count_of_the_wijken_that_take_part(four: Ledger) -> None:
    """A wijk that was removed neither votes nor counts among the W."""
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    assert_done(vote(four, "noord", matter))
    change(four, WIJKEN, "noord", status="REMOVED")
    assert_done(vote(four, "delfshaven", matter))
    assert matter_of(four, matter).status == OPEN

    assert_done(vote(four, "charlois", matter))

    assert matter_of(four, matter).status == EXECUTED


def test_wijk_fed_endorse_refuses_role_of_a_removed_wijk(four: Ledger) -> None:
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    change(four, WIJKEN, "noord", status="REMOVED")

    assert_refused(vote(four, "noord", matter), Code.TX_ROLE, role="fed")
    again = four.by_board("noord", FedPropose(encode(fed_param(four))))
    assert_refused(again, Code.TX_ROLE, role="fed")


def test_b5_the_endorsed_call_must_still_have_the_authority_fed(four: Ledger) -> None:
    """What a matter holds was judged when it was proposed; it is judged again when it runs."""
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    other = encode(Transfer((Leg(ANNA, 1, None, None),), None))
    change(four, FED_MATTERS, matter, call=other)
    for wijk in ("noord", "charlois"):
        assert_done(vote(four, wijk, matter))

    assert executed_code(vote(four, "delfshaven", matter)) == Code.TX_ROLE.number


def test_wijk_fed_propose_refuses_nested(four: Ledger) -> None:
    for inner in (FedPropose(encode(fed_param(four))), FedEndorse(bytes(32), 1)):
        outcome = four.by_board("noord", FedPropose(encode(inner)))
        assert_refused(outcome, Code.WIJK_NESTED)


@pytest.mark.parametrize(
    "inner",
    [
        Transfer((Leg(ANNA, 1, None, None),), None),
        Pay(ANNA, 1, None, None),
        RedeemRequest(1, bytes(32)),
        SetMinter("noord:EUR", 1),
        Propose(b"", 0),
        SetParam("coin.name", raw("Munt"), 10**9),
        SetParam("nothing", raw("Munt"), 10**9),
        RegisterRole("TREASURY", ANNA, 0, NO_END_S, None),
        RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, None),
        RegisterRole("ARBITER", ANNA, 0, NO_END_S, None),
    ],
    ids=lambda inner: f"{type(inner).__name__} {getattr(inner, 'role', '')}",
)
def test_wijk_fed_propose_refuses_not_federal(four: Ledger, inner: Any) -> None:
    outcome = four.by_board("noord", FedPropose(encode(inner)))

    assert_refused(outcome, Code.WIJK_NOT_FEDERAL)


def test_wijk_fed_propose_refuses_malformed_bytes_as_an_outcome(four: Ledger) -> None:
    assert_refused(four.by_board("noord", FedPropose(b"\xc0")), Code.TX_MALFORMED)


def test_wijk_fed_endorse_refuses_already_voted(four: Ledger) -> None:
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    assert_done(vote(four, "noord", matter, 0))

    for yes in (0, 1):
        assert_refused(vote(four, "noord", matter, yes), Code.WIJK_ALREADY_VOTED)


def test_wijk_fed_endorse_refuses_expired(four: Ledger) -> None:
    matter = object_id(four.by_board("noord", FedPropose(encode(fed_param(four)))))
    ends = matter_of(four, matter).expires
    four.time_s = ends - 1

    assert_refused(vote(four, "noord", matter), Code.WIJK_EXPIRED, until_at=ends)


def test_wijk_fed_endorse_refuses_unknown_id(four: Ledger) -> None:
    assert_refused(vote(four, "noord", bytes(32)), Code.TX_UNKNOWN_ID)


def test_b5_only_boards_vote(four: Ledger) -> None:
    call = FedPropose(encode(fed_param(four)))

    assert_refused(four.by_person("anna", call), Code.TX_ROLE, role="board")
    with pytest.raises(Reject) as refused:
        four.by_board("noord", call, "a")
    assert refused.value.code is Code.TX_SIGNATURES


def test_a_board_whose_seats_ended_does_not_vote(four: Ledger) -> None:
    for number in (1, 2):
        change(four, SEATS, "noord", number, until_s=0)

    outcome = four.by_board("noord", FedPropose(encode(fed_param(four))))

    assert_refused(outcome, Code.TX_ROLE, role="board")


# ------------------------------------------------------------------------------------- effects


def test_b11_effects_have_ids_of_their_decision(ledger: Ledger) -> None:
    """The first object of an effect: SHA-256(decision id, index); any other: of the transaction.

    Wherever the effect stands in its transaction, its object can be found from the decision.
    """
    tx_id, decision = b"\x01" * 32, b"\x02" * 32
    bases = [sha256(decision + index.to_bytes(4, "big")) for index in (0, 1)]
    later = [sha256(tx_id + k.to_bytes(4, "big")) for k in (1, 2, 3)]
    run = ledger.run()
    ids = Ids(tx_id)

    made = []
    for base in (tx_id, *bases):
        ctx = Context(run.clock, tx_id, BOARD, (), ids=ids, postings=[], notices=[], base_id=base)
        made += [ctx.new_id(), ctx.new_id()]

    assert made == [tx_id, later[0], bases[0], later[1], bases[1], later[2]]


def test_an_effect_pays_nothing_by_itself(ledger: Ledger) -> None:
    refusal = enact(ledger, Transfer((Leg(ANNA, 1, None, None),), None))

    assert refusal is not None
    assert refusal.code is Code.TX_ROLE
    assert balance(ledger, "anna") == 10_000


def test_an_action_that_no_version_knows_is_a_refusal(ledger: Ledger) -> None:
    decision = put_decision(ledger, ("x.y", 1))
    run = ledger.run()

    refusal = apply_effect(run, decision, 0)

    assert refusal is not None
    assert refusal.code is Code.TX_MALFORMED
