"""registry.*: versions that only grow, prices and money by vote (economy N2, N9, N30..N33)."""

from typing import Any

import msgspec
import pytest

from chain.codec import encode
from chain.contract import Table
from chain.crypto import sha256
from chain.errors import Code, Malformed
from chain.keyspaces import ACCOUNTS, MUNICIPALITY, NO_END_S, ROLES, RoleVersion
from chain.plans import Task, find_voted_line
from chain.records import Outcome
from chain.state import State
from chain.work import REGISTER, THEME, VALUATION, Valuation, get_registered
from contracts import CONTRACTS
from contracts.policy import Accept, Close, Create
from contracts.registry import (
    VERSIONS_MAX,
    CityMandateRecord,
    PlanRecord,
    ProgrammeRecord,
    Put,
    Retire,
    TaskOfferRecord,
    ThemeRecord,
    ValuationRecord,
)
from tests.contracts.assembly import (
    TEXT,
    TODAY,
    WIJK,
    by_board,
    cast,
    close,
    execute,
    plan,
    vote_through,
)
from tests.contracts.desk import assert_done, assert_refused, change, put
from tests.contracts.fund_desk import PLAIN
from tests.contracts.offices import object_id, read, values
from tests.federation import Ledger, account

PRICE = ValuationRecord("KLUS", 1_500, "HOUR", "SOCIAL", "F43", None)
MILESTONES = ((2027, b"\x02" * 32, -5), (2030, b"\x02" * 32, -20))
THEME_RECORD = ThemeRecord(TEXT, MILESTONES)
PROGRAMME = ProgrammeRecord(0, 5, (TEXT,), account("anna"), (Task("SCHOON", 1), Task("TUIN", 1)))
OFFER = TaskOfferRecord("ZORG", 100, "VISIT", 50_000, TODAY, 20_270_101)
MANDATE = CityMandateRecord("GROEN", 60_000, TODAY, 20_270_101, (("BOMEN", 10),))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={f"{WIJK}/anna": 100, f"{WIJK}/zorg": 0, "noord/bram": 100})


def new(record: Any, date: int = TODAY, name: bytes | None = None, **changes: Any) -> Put:
    """Return a call that puts a record, of its own kind."""
    kind = type(record).__struct_config__.tag
    return msgspec.structs.replace(Put(kind, name, record, date, None), **changes)


def refused_by_vote(ledger: Ledger, call: Any, klass: str = "ORDINARY") -> Outcome:
    """Decide on a call and return what came of carrying it out."""
    decision_id = by_board(ledger, call, klass=klass)
    assert_done(cast(ledger, decision_id, "anna", "YES"))
    assert_done(close(ledger, decision_id))
    return execute(ledger, decision_id)


def name_of(decision_id: bytes, place: int = 0) -> bytes:
    """Return the object that action `place` of a decision made (economy B11)."""
    return sha256(decision_id + place.to_bytes(4, "big"))


# ------------------------------------------------------------------------------------ valuations


def test_registry_put_of_a_valuation_is_a_price_by_vote_n2(ledger: Ledger) -> None:
    decision_id = vote_through(ledger, new(PRICE))

    name = name_of(decision_id)
    found = get_registered(State(ledger.state.get), VALUATION, name, TODAY, Valuation)
    assert found == (1, Valuation("KLUS", 1_500, "HOUR", "SOCIAL", "F43", None))
    assert read(ledger, REGISTER, VALUATION, name)[0].decision == decision_id


def test_registry_versions_only_grow_and_say_when_they_are_in_force(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, new(PRICE)))
    dearer = msgspec.structs.replace(PRICE, cents_per_unit=1_600)
    vote_through(ledger, new(dearer, 20_260_301, name))

    state = State(ledger.state.get)
    prices = []
    for date in (TODAY, 20_260_228, 20_260_301, 20_991_231):
        found = get_registered(state, VALUATION, name, date, Valuation)
        assert found is not None
        prices.append((found[0], found[1].cents_per_unit))
    assert prices == [(1, 1_500), (1, 1_500), (2, 1_600), (2, 1_600)]
    assert get_registered(state, VALUATION, name, 20_251_231, Valuation) is None


@pytest.mark.parametrize("who", ["board", "anna"])
def test_registry_put_refuses_a_price_without_a_vote(ledger: Ledger, who: str) -> None:
    for record in (PRICE, THEME_RECORD):
        call = new(record)
        outcome = ledger.by_board(WIJK, call) if who == "board" else ledger.by_person(who, call)
        assert_refused(outcome, Code.TX_ROLE)


def test_registry_put_refuses_no_decision_of_another_vote(ledger: Ledger) -> None:
    other = vote_through(ledger, new(THEME_RECORD))

    outcome = refused_by_vote(ledger, new(PRICE, decision=other))

    assert_refused(outcome, Code.REGISTRY_NO_DECISION)


def test_registry_put_refuses_back_dated(ledger: Ledger) -> None:
    assert_refused(refused_by_vote(ledger, new(PRICE, 20_251_231)), Code.REGISTRY_BACK_DATED)
    assert_refused(refused_by_vote(ledger, new(PRICE, 20_260_230)), Code.REGISTRY_BACK_DATED)
    name = name_of(vote_through(ledger, new(PRICE, 20_260_301)))
    sooner = refused_by_vote(ledger, new(PRICE, 20_260_228, name))
    assert_refused(sooner, Code.REGISTRY_BACK_DATED)


@pytest.mark.parametrize(
    "changes",
    [
        {"activity": "klus"},
        {"cents_per_unit": 0},
        {"cents_per_unit": 10**13 + 1},
        {"unit": "DAY"},
        {"klass": "FREE"},
        {"nace": "43"},
        {"coicop": "C99"},
    ],
)
def test_registry_put_refuses_schema_of_a_valuation(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    record = msgspec.structs.replace(PRICE, **changes)

    assert_refused(refused_by_vote(ledger, new(record)), Code.REGISTRY_SCHEMA)


def test_registry_put_refuses_schema_of_a_second_price_for_one_activity(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, new(PRICE)))

    assert_refused(refused_by_vote(ledger, new(PRICE)), Code.REGISTRY_SCHEMA)
    other = msgspec.structs.replace(PRICE, activity="ZORG")
    assert_refused(refused_by_vote(ledger, new(other, name=name)), Code.REGISTRY_SCHEMA)


def test_registry_put_refuses_schema_of_another_kind(ledger: Ledger) -> None:
    call = new(PRICE, kind="THEME")

    assert_refused(refused_by_vote(ledger, call), Code.REGISTRY_SCHEMA)


def test_registry_put_refuses_the_object_of_another_wijk_or_kind(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, new(PRICE)))

    for call, wijk, by in (
        (new(PRICE, name=name), "noord", "bram"),
        (new(THEME_RECORD, name=name), WIJK, "anna"),
        (Retire("VALUATION", name, TODAY), "noord", "bram"),
    ):
        decision_id = by_board(ledger, call, wijk=wijk)
        assert_done(cast(ledger, decision_id, by, "YES"))
        assert_done(close(ledger, decision_id, by))
        assert_refused(execute(ledger, decision_id, by), Code.TX_UNKNOWN_ID)


def test_registry_retire_ends_the_version_in_force(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, new(PRICE)))
    vote_through(ledger, Retire("VALUATION", name, 20_260_201))

    state = State(ledger.state.get)
    assert get_registered(state, VALUATION, name, 20_260_131, Valuation) is not None
    assert get_registered(state, VALUATION, name, 20_260_201, Valuation) is None
    again = refused_by_vote(ledger, Retire("VALUATION", name, 20_260_301))
    assert_refused(again, Code.TX_UNKNOWN_ID)
    vote_through(ledger, new(PRICE, 20_260_401, name))
    state = State(ledger.state.get)
    assert get_registered(state, VALUATION, name, 20_260_331, Valuation) is None
    assert get_registered(state, VALUATION, name, 20_260_401, Valuation) is not None


def test_registry_retire_refuses_back_dated_and_unknown(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, new(PRICE)))

    past = refused_by_vote(ledger, Retire("VALUATION", name, 20_251_231))
    assert_refused(past, Code.REGISTRY_BACK_DATED)
    nothing = refused_by_vote(ledger, Retire("VALUATION", TEXT, TODAY))
    assert_refused(nothing, Code.TX_UNKNOWN_ID)


def test_registry_retire_refuses_in_use_while_a_policy_cites_it_n33(ledger: Ledger) -> None:
    theme = name_of(vote_through(ledger, new(THEME_RECORD)))
    call = Create(f"{WIJK}:EUR", PLAIN, (), None, "EXEMPT", "FUNDER", theme)
    policy = object_id(ledger.by_person("anna", call))
    assert_done(ledger.by_board(WIJK, Accept(policy)))

    used = refused_by_vote(ledger, Retire("THEME", theme, TODAY))
    assert_refused(used, Code.REGISTRY_IN_USE)
    assert_done(ledger.by_person("anna", Close(policy)))

    vote_through(ledger, Retire("THEME", theme, TODAY))
    assert read(ledger, REGISTER, THEME, theme)[-1].until == TODAY


def test_policy_create_refuses_a_theme_that_is_none_n33(ledger: Ledger) -> None:
    call = Create(f"{WIJK}:EUR", PLAIN, (), None, "EXEMPT", "FUNDER", TEXT)

    assert_refused(ledger.by_person("anna", call), Code.TX_UNKNOWN_ID)


def test_registry_put_refuses_schema_of_milestones_out_of_order(ledger: Ledger) -> None:
    record = ThemeRecord(TEXT, tuple(reversed(MILESTONES)))

    assert_refused(refused_by_vote(ledger, new(record)), Code.REGISTRY_SCHEMA)


# ----------------------------------------------------------------------------------------- plans


def test_registry_put_of_a_goal_is_the_boards_and_has_no_money_i11(ledger: Ledger) -> None:
    goal = PlanRecord(None, TEXT, (), (b"\x01" * 32,))
    name = object_id_of(ledger.by_board(WIJK, new(goal)))

    assert read(ledger, REGISTER, "PLAN", name)[0].decision is None
    lines = plan(("HUUR", 100, "MONTH"))
    assert_refused(ledger.by_board(WIJK, lines), Code.REGISTRY_NO_DECISION)
    over = msgspec.structs.replace(lines, object=name)
    assert_refused(ledger.by_board(WIJK, over), Code.REGISTRY_NO_DECISION)


def object_id_of(outcome: Outcome) -> bytes:
    """Return the object that a put made."""
    name = values(assert_done(outcome), "registry.RegistryPut")[1]
    assert isinstance(name, bytes)
    return name


def test_registry_put_of_lines_by_vote_can_be_found_by_code(ledger: Ledger) -> None:
    decision_id = vote_through(ledger, plan(("HUUR", 100, "MONTH")), klass="BUDGET")

    found = find_voted_line(State(ledger.state.get), WIJK, "HUUR", TODAY)

    assert found is not None
    assert (found[0].cents, found[0].period, found[1]) == (100, "MONTH", decision_id)
    state = State(ledger.state.get)
    assert find_voted_line(state, WIJK, "FEEST", TODAY) is None
    assert find_voted_line(state, "noord", "HUUR", TODAY) is None
    assert find_voted_line(state, WIJK, "HUUR", 20_251_231) is None


def test_registry_a_board_cannot_drop_or_end_voted_lines(ledger: Ledger) -> None:
    name = name_of(vote_through(ledger, plan(("HUUR", 100, "MONTH")), klass="BUDGET"))
    empty = new(PlanRecord(None, TEXT, (), ()), name=name)

    assert_refused(ledger.by_board(WIJK, empty), Code.REGISTRY_NO_DECISION)
    retire = Retire("PLAN", name, TODAY)
    assert_refused(ledger.by_board(WIJK, retire), Code.REGISTRY_NO_DECISION)
    vote_through(ledger, retire, klass="BUDGET")

    assert find_voted_line(State(ledger.state.get), WIJK, "HUUR", TODAY) is None


def test_registry_a_new_budget_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    first = vote_through(ledger, plan(("HUUR", 100, "MONTH")), klass="BUDGET")
    name = name_of(first)
    taken = refused_by_vote(ledger, plan(("HUUR", 200, "MONTH")), "BUDGET")
    assert_refused(taken, Code.REGISTRY_SCHEMA)
    call = plan(("HUUR", 200, "MONTH"), date=20_260_201, name=name)
    second = vote_through(ledger, call, klass="BUDGET")

    state = State(ledger.state.get)
    found = [find_voted_line(state, WIJK, "HUUR", date) for date in (20_260_131, 20_260_201)]

    assert [(one[0].cents, one[1]) for one in found if one] == [(100, first), (200, second)]


@pytest.mark.parametrize(
    "lines",
    [
        (("HUUR", 1, "MONTH"), ("HUUR", 2, "YEAR")),
        (("a b", 1, "MONTH"),),
    ],
)
def test_registry_put_refuses_schema_of_lines(ledger: Ledger, lines: Any) -> None:
    assert_refused(refused_by_vote(ledger, plan(*lines), "BUDGET"), Code.REGISTRY_SCHEMA)


def test_registry_plans_are_a_tree_of_four_levels_w10(ledger: Ledger) -> None:
    parent = None
    names = []
    for _ in range(4):
        parent = object_id_of(ledger.by_board(WIJK, new(PlanRecord(parent, TEXT, (), ()))))
        names.append(parent)

    deeper = new(PlanRecord(parent, TEXT, (), ()))
    assert_refused(ledger.by_board(WIJK, deeper), Code.REGISTRY_SCHEMA)
    circle = new(PlanRecord(names[1], TEXT, (), ()), name=names[0])
    assert_refused(ledger.by_board(WIJK, circle), Code.REGISTRY_SCHEMA)
    unknown = new(PlanRecord(TEXT, TEXT, (), ()))
    assert_refused(ledger.by_board(WIJK, unknown), Code.TX_UNKNOWN_ID)
    assert_refused(ledger.by_board(WIJK, Retire("PLAN", names[2], TODAY)), Code.REGISTRY_IN_USE)
    assert_done(ledger.by_board(WIJK, Retire("PLAN", names[3], TODAY)))
    assert_done(ledger.by_board(WIJK, Retire("PLAN", names[2], TODAY)))


# ------------------------------------------------------------------- programmes, offers, mandates


def test_registry_retire_of_a_plan_gives_its_parent_back_once(ledger: Ledger) -> None:
    """An end that is brought forward is still one end: the parent of another plan stays cited."""
    parent = object_id_of(ledger.by_board(WIJK, new(PlanRecord(None, TEXT, (), ()))))
    below = new(PlanRecord(parent, TEXT, (), ()))
    name, other = (object_id_of(ledger.by_board(WIJK, below)) for _ in range(2))

    for date in (TODAY + 3, TODAY + 2, TODAY + 1):
        assert_done(ledger.by_board(WIJK, Retire("PLAN", name, date)))
    assert_refused(ledger.by_board(WIJK, Retire("PLAN", parent, TODAY)), Code.REGISTRY_IN_USE)
    assert_done(ledger.by_board(WIJK, Retire("PLAN", other, TODAY)))
    assert_done(ledger.by_board(WIJK, Retire("PLAN", parent, TODAY)))


def test_registry_put_refuses_schema_of_more_versions_than_one_object_has(ledger: Ledger) -> None:
    """All versions are one value of the state: nobody grows it without a vote and without end."""
    change(ledger, ACCOUNTS, account("zorg"), kind="INSTITUTION")
    name = object_id_of(ledger.by_person("zorg", new(OFFER)))
    (first,) = read(ledger, REGISTER, "TASK_OFFER", name)
    put(ledger, REGISTER, (first,) * (VERSIONS_MAX - 1), "TASK_OFFER", name)
    assert_done(ledger.by_person("zorg", new(OFFER, name=name)))

    refused = ledger.by_person("zorg", new(OFFER, name=name))

    assert_refused(refused, Code.REGISTRY_SCHEMA, field="versions")


def test_registry_put_of_a_programme_rests_on_a_budget_n9(ledger: Ledger) -> None:
    assert_done(ledger.by_board(WIJK, new(PROGRAMME)))
    paid = msgspec.structs.replace(PROGRAMME, budget=1_200)
    assert_refused(ledger.by_board(WIJK, new(paid)), Code.REGISTRY_NO_DECISION)
    decision = vote_through(ledger, plan(("WERK", 100, "MONTH")), klass="BUDGET")

    assert_done(ledger.by_board(WIJK, new(paid, decision=decision)))
    more = msgspec.structs.replace(PROGRAMME, budget=1_201)
    assert_refused(ledger.by_board(WIJK, new(more, decision=decision)), Code.REGISTRY_MANDATE)
    unknown = new(paid, decision=b"\x01" * 32)
    assert_refused(ledger.by_board(WIJK, unknown), Code.REGISTRY_NO_DECISION)


def test_registry_put_refuses_no_additionality_g18(ledger: Ledger) -> None:
    record = msgspec.structs.replace(PROGRAMME, tasks=(Task("SCHOON", 1), Task("TUIN", 0)))

    assert_refused(ledger.by_board(WIJK, new(record)), Code.REGISTRY_NO_ADDITIONALITY)


@pytest.mark.parametrize(
    "changes",
    [{"tasks": (Task("A", 1), Task("A", 1))}, {"tasks": (Task("a", 1),)},
     {"manager": account("bram")}],
)  # fmt: skip
def test_registry_put_refuses_schema_of_a_programme(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    record = msgspec.structs.replace(PROGRAMME, **changes)

    assert_refused(ledger.by_board(WIJK, new(record)), Code.REGISTRY_SCHEMA)


def test_registry_put_refuses_a_manager_who_does_not_exist(ledger: Ledger) -> None:
    record = msgspec.structs.replace(PROGRAMME, manager=account("nobody"))

    assert_refused(ledger.by_board(WIJK, new(record)), Code.TX_UNKNOWN_ACCOUNT)


def test_registry_put_of_an_offer_is_an_institutions_n30(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("zorg", new(OFFER)), Code.TX_ROLE)
    change(ledger, ACCOUNTS, account("zorg"), kind="INSTITUTION")

    name = object_id_of(ledger.by_person("zorg", new(OFFER)))

    wrong = msgspec.structs.replace(OFFER, until_date=TODAY)
    assert_refused(ledger.by_person("zorg", new(wrong)), Code.REGISTRY_SCHEMA)
    change(ledger, ACCOUNTS, account("anna"), kind="INSTITUTION")
    assert_refused(ledger.by_person("anna", new(OFFER, name=name)), Code.TX_UNKNOWN_ID)
    assert_done(ledger.by_person("zorg", Retire("TASK_OFFER", name, TODAY)))


def test_registry_put_of_a_mandate_is_the_municipalitys_n31(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("zorg", new(MANDATE)), Code.TX_ROLE)
    held = (RoleVersion(0, account("zorg"), NO_END_S, None),)
    put(ledger, ROLES, held, WIJK, MUNICIPALITY)

    name = object_id_of(ledger.by_person("zorg", new(MANDATE)))

    paid = msgspec.structs.replace(PROGRAMME, budget=60_000)
    assert_done(ledger.by_board(WIJK, new(paid, decision=name)))
    more = msgspec.structs.replace(PROGRAMME, budget=60_001)
    assert_refused(ledger.by_board(WIJK, new(more, decision=name)), Code.REGISTRY_MANDATE)
    late = new(paid, 20_270_101, decision=name)
    assert_refused(ledger.by_board(WIJK, late), Code.REGISTRY_MANDATE)
    bad = msgspec.structs.replace(MANDATE, limits=(("a b", 1),))
    assert_refused(ledger.by_person("zorg", new(bad)), Code.REGISTRY_SCHEMA)


def test_registry_records_are_bounded_when_they_are_read() -> None:
    """interfaces 4: a record with too many rows never gets into a block."""
    rows = tuple(Task(f"T{i}", 1) for i in range(65))
    call = new(msgspec.structs.replace(PROGRAMME, tasks=rows))

    with pytest.raises(Malformed):
        Table(CONTRACTS).decode(encode(call))
