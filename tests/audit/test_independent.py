"""economy A1: a program that shares no code with the contracts comes to the same books."""

import ast
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.replay import replay
from chain.crypto import sha256
from chain.records import Outcome
from contracts.coin import (
    Leg,
    Mint,
    RedeemRequest,
    SetMinter,
    StatementCall,
    StatementEntry,
    Transfer,
)
from contracts.trade import Pay
from tests.audit.independent import Books, Wrong, log_root, state_root, work_out
from tests.audit.made_chain import MadeChain, make_chain
from tests.federation import account, reserve

PEOPLE = ("delfshaven/anna", "delfshaven/chaima", "noord/bram", "noord/dirk")
NAMES = tuple(place.partition("/")[2] for place in PEOPLE)


def work_out_again(chain: MadeChain, codes: list[list[int]] | None = None) -> Books:
    blocks = [(raw.header, raw.body, raw.certificate, raw.envelopes) for raw in chain.raws]
    claimed = [[outcome.code for outcome in executed.outcomes] for executed in chain.blocks]
    return work_out(chain.genesis.canonical, blocks, codes or claimed)


def assert_same_books(chain: MadeChain) -> None:
    """Compare with the state, key by key: nothing missing, nothing extra."""
    books = work_out_again(chain)
    balances, supply = {}, {}
    for key, value in chain.state.items():
        space, *parts = msgpack.unpackb(key)
        if space == "bal":
            balances[tuple(parts)] = msgpack.unpackb(value)
        elif space == "supply":
            supply[parts[0]] = msgpack.unpackb(value)
    assert balances == {place: cents for place, cents in books.balances.items() if cents}
    assert supply == books.supply
    assert state_root(chain.state) == msgpack.unpackb(chain.raws[-1].header)[8]


def test_the_second_opinion_imports_nothing_of_this_project() -> None:
    path = Path(__file__).with_name("independent.py")
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names.add(node.module.split(".")[0])

    assert names == {
        "json",
        "base64",
        "collections",
        "hashlib",
        "typing",
        "msgpack",
        "cryptography",
    }


def test_both_come_to_the_same_books_over_mint_transfer_trade_and_refusals() -> None:
    chain = make_chain(extra=20)

    assert_same_books(chain)
    report = replay(chain.genesis, iter(chain.raws), workers=1)
    assert report.ok
    assert report.supply_cents == sum(
        row[0] - row[1] for row in work_out_again(chain).supply.values()
    )


class Days:
    """A bank account that gets a deposit a day, for the wijk of `delfshaven`."""

    def __init__(self, chain: MadeChain) -> None:
        self.chain = chain
        self.closing = 20_000
        self.day = 20_260_101
        chain.by_board("delfshaven", SetMinter("delfshaven:EUR", 10**9))

    def deposit(self, cents: int, to: str) -> Outcome:
        entry = sha256(b"deposit of %d" % self.day)
        row = StatementEntry(entry, self.day, self.day, cents, "C", 0)
        page = StatementCall(
            reserve("delfshaven"), self.day, 1, 1, self.closing, self.closing + cents, (row,)
        )
        assert self.chain.by_board("delfshaven", page).code == 0
        self.closing += cents
        self.day += 1
        return self.chain.by_board("delfshaven", Mint(entry, account(to), cents, "DEPOSIT", None))


people = st.sampled_from(NAMES)
amounts = st.integers(1, 30_000)  # about as often too much as not
steps = st.one_of(
    st.tuples(st.just("pay"), people, st.lists(st.tuples(people, amounts), min_size=1, max_size=3)),
    st.tuples(st.just("trade"), people, people, amounts),
    st.tuples(st.just("redeem"), people, amounts),
    st.tuples(st.just("deposit"), amounts, people),
)


@settings(max_examples=25)
@given(st.lists(steps, min_size=1, max_size=12))
def test_both_come_to_the_same_books_over_random_histories(
    history: list[tuple[object, ...]],
) -> None:
    chain = MadeChain(balances=dict.fromkeys(PEOPLE, 10_000))
    days = Days(chain)
    for step in history:
        match step:
            case ("pay", str(name), list(legs)):
                rows = tuple(Leg(account(to), cents, None, None) for to, cents in legs)
                chain.by_person(name, Transfer(rows, None))
            case ("trade", str(name), str(to), int(cents)):
                chain.by_person(name, Pay(account(to), cents, None, None))
            case ("redeem", str(name), int(cents)):
                chain.by_person(name, RedeemRequest(cents, sha256(b"payout")))
            case ("deposit", int(cents), str(to)):
                days.deposit(cents, to)
            case _:
                raise AssertionError(step)

    assert_same_books(chain)
    assert replay(chain.genesis, iter(chain.raws), workers=1).ok


def test_a_claimed_outcome_counts_only_if_the_log_holds_it() -> None:
    chain = make_chain()
    codes = [[outcome.code for outcome in executed.outcomes] for executed in chain.blocks]
    codes[4] = [0]  # the refused payment, said to have been made

    with pytest.raises(Wrong, match="block 5"):
        work_out_again(chain, codes)


@pytest.mark.parametrize("part", ["header", "body", "certificate", "envelopes"])
def test_the_second_opinion_finds_damage_too(part: str) -> None:
    chain = make_chain()
    raw = chain.raws[3]
    if part == "envelopes":
        value: object = (raw.envelopes[0][:-1] + b"\xff", *raw.envelopes[1:])
    else:
        whole: bytes = getattr(raw, part)
        value = whole[:-1] + bytes([whole[-1] ^ 1])
    chain.raws[3] = msgspec.structs.replace(raw, **{part: value})

    with pytest.raises(Wrong, match="block 4"):
        work_out_again(chain)


def test_roots_are_those_of_the_documents() -> None:
    """interfaces 5.5 and RFC 6962: the vectors of the documents, not of the code."""
    empty = "84a259209df110e60a0de743605c9c61d70950fb86311ca58d406c467864a276"
    key = bytes.fromhex(
        "94a362616cae64656c6673686176656e3a455552a132c4141acd412a91e5efc2e7e96f347c2eb15f7d2a1b96"
    )
    one = "2d22f95d553edf40d0ad41469625a3716fab806b1a08dbeb43808771005f9341"

    assert state_root({}).hex() == empty
    assert state_root({key: bytes.fromhex("cd04e2")}).hex() == one
    assert log_root([]).hex().startswith("e3b0c44298fc1c14")
