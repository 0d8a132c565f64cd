"""The parameter `upgrade`: a protocol version from a height on, by vote (consensus V8, E36)."""

from typing import Any

import pytest

from chain.errors import Code, Malformed
from chain.execute import check_header, make_header
from chain.genesis import load_genesis
from chain.keyspaces import PARAMS, get_version
from chain.params import FEDERATION
from chain.records import BlockBody
from chain.state import State
from chain.strict_json import canonical_json
from contracts.wijk import SetParam
from tests.contracts.desk import assert_refused
from tests.contracts.offices import endorse, epoch, executed_code, raw, read
from tests.federation import Ledger, key, make_document


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(params={"upgrade_blocks": 10})


def plan(ledger: Ledger, version: int, height: int) -> int:
    return executed_code(endorse(ledger, call(ledger, version, height)))


def call(ledger: Ledger, version: int, height: int) -> SetParam:
    return SetParam("upgrade", raw((version, height)), epoch(ledger) + 9)


def version(ledger: Ledger, height: int) -> int:
    return get_version(State(ledger.state.get), height)


def pass_blocks(ledger: Ledger, count: int) -> None:
    for _ in range(count):
        ledger.apply(ledger.run())


def test_wijk_set_param_plans_an_upgrade_at_a_height(ledger: Ledger) -> None:
    """By height alone: the epoch of the parameter has no say in it."""
    assert plan(ledger, 2, 30) == 0

    assert [version(ledger, height) for height in (1, 29, 30, 31)] == [1, 1, 2, 2]


def test_a_block_carries_the_version_of_its_height(ledger: Ledger) -> None:
    assert plan(ledger, 2, 20) == 0
    pass_blocks(ledger, 19 - ledger.base.height)
    body, creator = BlockBody(None, (), ()), key("node-delfshaven")
    run = ledger.run()
    both = Ledger(params={"upgrade_blocks": 10}).genesis.chain(ledger.chain.table)
    knows = type(both)(both.chain_id, both.digest, both.purpose, both.table, versions=(1, 2))

    header = make_header(ledger.base, knows, run.finish(), body, creator, 10**13)

    assert (header.height, header.version) == (20, 2)
    with pytest.raises(Malformed, match="wrong version"):
        check_header(ledger.base, ledger.chain, header, body)


def test_the_newest_plan_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    assert plan(ledger, 2, 30) == 0
    assert plan(ledger, 2, 60) == 0
    assert [version(ledger, height) for height in (30, 59, 60)] == [1, 1, 2]


def test_a_plan_is_called_off_by_naming_the_version_in_force(ledger: Ledger) -> None:
    assert plan(ledger, 2, 60) == 0
    assert plan(ledger, 1, 30) == 0
    assert version(ledger, 10**6) == 1


def test_what_was_begun_stays_when_the_next_is_planned(ledger: Ledger) -> None:
    assert plan(ledger, 2, 20) == 0
    pass_blocks(ledger, 20)
    assert plan(ledger, 3, 60) == 0
    assert [version(ledger, height) for height in (19, 20, 59, 60)] == [1, 2, 2, 3]


def test_wijk_set_param_refuses_bounds_of_an_upgrade(ledger: Ledger) -> None:
    """consensus V8: never back, and far enough ahead for everybody."""
    height = ledger.base.height + 4  # proposed, endorsed twice
    assert plan(ledger, 2, height + 8) == Code.WIJK_BOUNDS.number
    assert plan(ledger, 0, 10**6) == Code.WIJK_BOUNDS.number
    assert plan(ledger, 2, ledger.base.height + 13) == 0
    pass_blocks(ledger, 20)
    assert plan(ledger, 1, 10**6) == Code.WIJK_BOUNDS.number


@pytest.mark.parametrize("value", [7, (2,), (2, "x"), (2, 60, 1), "2", ((2, 60),)], ids=str)
def test_wijk_set_param_refuses_bounds_of_what_is_no_upgrade(ledger: Ledger, value: Any) -> None:
    wrong = SetParam("upgrade", raw(value), epoch(ledger) + 9)
    assert executed_code(endorse(ledger, wrong)) == Code.WIJK_BOUNDS.number
    assert read(ledger, PARAMS, FEDERATION, "upgrade") is None


def test_an_upgrade_is_a_thousand_blocks_ahead_where_money_is_real() -> None:
    ledger = Ledger(wijken=4, purpose="live", params={"epoch_s": 86_400})
    soon = SetParam("upgrade", raw((2, 900)), 10**6)
    assert executed_code(endorse(ledger, soon)) == Code.WIJK_BOUNDS.number
    late = SetParam("upgrade", raw((2, 1_020)), 10**6)
    assert executed_code(endorse(ledger, late)) == 0
    sooner = SetParam("upgrade_blocks", raw(999), 10**6)
    assert executed_code(endorse(ledger, sooner)) == Code.WIJK_BOUNDS.number


def test_no_wijk_upgrades_alone(ledger: Ledger) -> None:
    assert_refused(ledger.by_board("delfshaven", call(ledger, 2, 60)), Code.TX_ROLE)


def test_genesis_begins_with_version_1() -> None:
    document = make_document(params={"upgrade": [2, 60]})
    with pytest.raises(Malformed, match="upgrade"):
        load_genesis(canonical_json(document))
