"""The second opinion of the policy scripts, over the tables of cases that boards read (I10).

Each payment that the chain let through it finds right; each one that a script refused it finds
wrong as soon as the outcome says that it was carried out.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.execute import BlockRun, Executed
from chain.records import Tx
from contracts.coin import FreezeCall
from tests.audit.second_faults import CODE, Block, unpack
from tests.audit.second_opinion import Auditor
from tests.contracts.fund_desk import WIJK, claim, make_ledger, open_pool
from tests.contracts.policy_docs import TABLES
from tests.contracts.policy_story import NOTHING_PAID, PAID, Table
from tests.federation import Ledger, account

SCRIPTS = {f"P{number}" for number in range(16)}


class Told(Ledger):
    """A ledger that keeps what an auditor is given of each block; `told` is filled as it goes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.told: list[Block] = []
        self._sent: Tx | None = None

    def tx(self, call: Any, sender: bytes, signers: list[tuple[int, str]], **options: Any) -> Tx:
        self._sent = super().tx(call, sender, signers, **options)
        return self._sent

    def apply(self, run: BlockRun) -> Executed:
        executed = super().apply(run)
        envelopes = [] if self._sent is None else [self._sent.raw]
        self._sent = None
        header = [None] * 6 + [self.base.time_ms, None, executed.state_root, executed.frontier.size]
        outcomes, start = unpack(executed.outcomes), unpack(executed.start)
        self.told.append([msgpack.packb(header), envelopes, outcomes, executed.changes, start])
        return executed


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.contracts.fund_desk.Ledger", Told)


def play(table: Table) -> tuple[Told, dict[int, str]]:
    """Play a table; return its ledger, and what was wanted of each row by the place of its block.

    Of several orders in one row the last is what the row is about.
    """
    story = table.given()
    ledger = story.ledger
    assert isinstance(ledger, Told)
    wants = {}
    for row in table.rows:
        row.act(story)
        wants[len(ledger.told) - 1] = row.want
    return ledger, wants


def begin(ledger: Told) -> Auditor:
    genesis = ledger.genesis
    return Auditor(genesis.canonical, genesis.state, unpack(genesis.postings))


@pytest.mark.parametrize(
    "table", TABLES, ids=[f"{table.script}-{number}" for number, table in enumerate(TABLES)]
)
def test_it_judges_each_case_as_the_chain_does(table: Table) -> None:
    ledger, wants = play(table)
    auditor = begin(ledger)
    for place, block in enumerate(ledger.told):
        want = wants.get(place, PAID)
        if want not in (PAID, NOTHING_PAID):
            done = copy.deepcopy(block)
            assert done[2][0][CODE] != 0
            done[2][0][CODE] = 0
            other: Auditor = pickle.loads(pickle.dumps(auditor))
            seen = other.add(*done)
            assert "I10" in seen if want != "coin.low-balance" else seen, (place, want)
        assert auditor.add(*block) == set(), place
    assert auditor.recount()


def test_each_script_has_a_case_that_it_refuses() -> None:
    refused = {
        table.script for table in TABLES for row in table.rows if row.want.startswith("policy.")
    }
    assert refused == SCRIPTS


def find(script: str, keyspace: str, fits: Any) -> tuple[Told, int, bytes]:
    """Return a ledger of a script, the place of a block that writes such a value, and its key."""
    for table in TABLES:
        ledger = play(table)[0] if table.script == script else None
        for place, block in enumerate([] if ledger is None else ledger.told):
            for key, value in block[3].items():
                known = value is not None and msgpack.unpackb(key)[0] == keyspace
                if known and block[1] and fits(msgpack.unpackb(value)):
                    assert ledger is not None
                    return ledger, place, key
    raise AssertionError(f"no {keyspace} of {script}")


@pytest.mark.parametrize(
    ("script", "keyspace", "fits", "change"),
    [
        ("P10", "sheet", lambda row: row[6] == "PAID", lambda row: [*row[:6], "ATTESTED"]),
        ("P10", "worked", lambda row: row[1] > 0, lambda row: [row[0], row[1] - 1, row[2]]),
        ("P6", "policy", lambda row: row[6] > 0, lambda row: [*row[:6], row[6] - 1, *row[7:]]),
    ],
)
def test_it_sees_a_state_that_forgets_what_was_paid(
    script: str, keyspace: str, fits: Any, change: Any
) -> None:
    """The next claim would find more room than there is."""
    ledger, place, key = find(script, keyspace, fits)
    auditor = begin(ledger)
    for block in ledger.told[:place]:
        assert auditor.add(*block) == set()
    block = ledger.told[place]
    value = block[3][key]
    assert value is not None
    block[3] = {**block[3], key: msgpack.packb(change(msgpack.unpackb(value)))}
    assert "I10" in auditor.add(*block)


def test_it_sees_a_pool_that_stays_after_its_last_day_p4() -> None:
    table = next(table for table in TABLES if table.script == "P4")
    ledger, _ = play(table)
    auditor = begin(ledger)
    place = next(i for i, block in enumerate(ledger.told) if "policy.PolicyClosed" in str(block[4]))
    for block in ledger.told[:place]:
        assert auditor.add(*block) == set()
    ledger.told[place][4] = []
    assert {"I10", "I15"} <= auditor.add(*ledger.told[place])


def test_it_sees_a_frozen_funder_pay_out_of_its_pool_i12() -> None:
    ledger = make_ledger()
    assert isinstance(ledger, Told)
    policy = open_pool(ledger)
    call = FreezeCall(account("gever"), 1, "FRAUD", ledger.time_s + 86_400, None)
    assert ledger.by_board(WIJK, call).code == 0
    assert claim(ledger, policy, "bakker", 100).code != 0
    auditor = begin(ledger)
    for block in ledger.told[:-1]:
        assert auditor.add(*block) == set()
    ledger.told[-1][2][0][CODE] = 0
    assert "I12" in auditor.add(*ledger.told[-1])
