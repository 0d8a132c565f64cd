"""The second opinion of deposits at a partner; no call makes a pact for the year yet."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest

from chain.codec import encode
from chain.keyspaces import PACTS, PARAMS, PREFUNDED, compute_pact_id
from chain.params import FEDERATION
from contracts.coin import BankEntryCall
from contracts.trade import Pay
from tests.audit.made_chain import MadeChain
from tests.audit.second_faults import POSTINGS, Block, edit, set_field, unpack
from tests.audit.second_opinion import Auditor
from tests.contracts.desk import Desk, assert_done, change, line, put
from tests.federation import account, reserve

AT_PARTNER = b"\x77" * 32
PACT = compute_pact_id("delfshaven", "noord")
Made = tuple[MadeChain, dict[bytes, bytes], list[Block]]


@pytest.fixture
def made() -> Made:
    """Delfshaven puts 30 euros on an account that is pledged to noord, and pays there with it."""
    chain = MadeChain(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})
    places = {wijk: reserve(wijk) for wijk in ("delfshaven", "noord")}
    rows = [(one, wijk) for wijk, one in places.items()] + [(AT_PARTNER, "noord")]
    put(chain, PARAMS, ((0, msgspec.Raw(encode(sorted(rows)))),), FEDERATION, "reserves")
    change(chain, PACTS, "delfshaven", "noord", mode=PREFUNDED)
    state = dict(chain.state)
    partner = Desk(chain, "noord", reserve_id=AT_PARTNER)
    out, gift = line("deposit at noord", 3_000, "D"), line("gift", 40)
    arrived = line("deposit of delfshaven", 3_000, reserve_id=AT_PARTNER)
    assert_done(Desk(chain).attest(out, gift))
    assert_done(partner.attest(arrived))
    call = BankEntryCall(out.entry_id, "PREFUND", arrived.entry_id, PACT)
    assert_done(chain.by_board("delfshaven", call))
    assert_done(chain.by_person("anna", Pay(account("bram"), 2_000, None, None)))
    blocks: list[Block] = []
    for raw, (*_, executed) in zip(chain.raws, chain.decided, strict=True):
        outcomes, start = unpack(executed.outcomes), unpack(executed.start)
        blocks.append([raw.header, list(raw.envelopes), outcomes, executed.changes, start])
    return chain, state, blocks


def judge(made: Made, blocks: list[Block]) -> tuple[Auditor, set[str]]:
    chain, state, _ = made
    auditor = Auditor(chain.genesis.canonical, state, unpack(chain.genesis.postings))
    found = set(auditor.found)
    for block in blocks:
        found |= auditor.add(*block)
    return auditor, found


def test_it_follows_a_deposit_at_a_partner_c17(made: Made) -> None:
    auditor, found = judge(made, made[2])
    assert found == set()
    assert auditor.recount()
    assert auditor.books.balances["delfshaven:EUR", "1", AT_PARTNER] == 3_000
    assert auditor.books.sums["delfshaven:EUR", "1"] == 10_000


def other_kind(block: Block) -> None:
    edit(block, 0, lambda fields: fields[4].__setitem__(slice(2, 5), ["CHARGE", None, None]))


def other_pact(block: Block) -> None:
    edit(block, 0, set_field(4, bytes(32)))


def own_entry_twice(block: Block) -> None:
    edit(block, 0, lambda fields: fields[4].__setitem__(3, fields[4][1]))


def to_the_own_bank(block: Block) -> None:
    block[2][0][POSTINGS][0][4] = reserve("delfshaven")


def not_used(block: Block) -> None:
    changes: dict[bytes, Any] = {}
    for key, value in block[3].items():
        row = msgpack.unpackb(value)
        entry = msgpack.unpackb(key)[0] == "entry"
        changes[key] = msgpack.packb([*row[:5], None, row[6]]) if entry else value
    block[3] = changes


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (other_kind, "I15"),
        (other_kind, "I6"),
        (other_pact, "I6"),
        (own_entry_twice, "I6"),
        (to_the_own_bank, "I15"),
        (to_the_own_bank, "I7"),
        (not_used, "I6"),
    ],
)
def test_it_sees_a_deposit_that_is_not_one(made: Made, fault: Any, name: str) -> None:
    fault(made[2][2])
    assert name in judge(made, made[2])[1]
