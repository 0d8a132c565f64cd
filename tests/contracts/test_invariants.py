"""Random histories keep the invariants, and broken books are noticed (economy section 7, A2)."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from audit.invariants import check_invariants, find_broken
from chain.books import get_supply
from chain.codec import decode, encode
from chain.dates import DAY_S
from chain.errors import Code
from chain.execute import BlockRun
from chain.genesis import founding_decision_id
from chain.keyspaces import (
    BALANCES,
    CAPS,
    ENTRIES,
    ISSUERS,
    MEMBERS,
    OWED,
    RESERVES,
    STATEMENTS,
    SUPPLY,
    Owed,
)
from chain.records import (
    Envelope,
    KeySignature,
    Outcome,
    Posting,
    Tx,
    decode_tx,
    encode_body,
)
from chain.state import Keyspace, State
from contracts.coin import (
    Leg,
    Mint,
    PayoutBatch,
    RedeemPaid,
    RedeemRequest,
    SetMinter,
    StatementEntry,
    Transfer,
)
from contracts.members import SetLimits
from contracts.trade import Pay
from tests.contracts.desk import (
    FILE,
    PAYOUT,
    Desk,
    assert_done,
    broken,
    get_redemption,
    line,
)
from tests.federation import Ledger, account, board, make_document, make_genesis, reserve

MINT_ATTEMPTS = 10_000  # economy A2
ATTEMPTS_IN_A_BLOCK = 50
HISTORIES, STEPS = 20, 50  # how many random histories, and rules in one of them
WIJKEN = ("delfshaven", "noord", "feijenoord")
RESIDENTS = {
    "anna": ("delfshaven", 3_000),
    "dirk": ("delfshaven", 400),
    "bram": ("noord", 2_000),
    "clara": ("noord", 300),
    "elif": ("feijenoord", 1_000),
    "fatma": ("feijenoord", 0),
}
names = st.sampled_from(sorted(RESIDENTS))
wijken = st.sampled_from(WIJKEN)
residents_of = {
    wijk: st.sampled_from([name for name, (own, _) in RESIDENTS.items() if own == wijk])
    for wijk in WIJKEN
}
small = st.integers(1, 60)
amounts = st.one_of(small, small, st.integers(0, 4_000), st.just(10**13))


def make_ledger() -> Ledger:
    """Three wijken with tight caps: limits, the cap of the issuer and caps between wijken bite."""
    document = make_document(
        wijken=3, balances={f"{wijk}/{name}": cents for name, (wijk, cents) in RESIDENTS.items()}
    )
    document["issuers"][0] |= {"mode": "EXEMPT_150", "wallet_cap_cents": 5_000}
    document["issuers"][0]["total_cap_cents"] = 15_000
    for entry in document["accounts"]:
        if entry["kind"] == "person":
            entry["limit_cents"] = 5_000
    for pact in document["pacts"]:
        pact["caps_cents"] = [1_500, 900]
    ledger = Ledger(make_genesis(document))
    run = ledger.run()
    for name in ("dirk", "elif"):
        member = MEMBERS.get(run.state, account(name))
        assert member is not None
        MEMBERS.put(run.state, msgspec.structs.replace(member, auto_redeem=1), account(name))
    ledger.apply(run)
    return ledger


class Histories(RuleBasedStateMachine):
    """Calls in any order, by those who may send them, with amounts that often do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = make_ledger()
        self.desks = {wijk: Desk(self.ledger, wijk) for wijk in WIJKEN}
        self.entries: list[StatementEntry] = []
        self.requests: list[bytes] = []
        self.batches: list[bytes] = []

    @initialize()
    def start(self) -> None:
        assert broken(self.ledger) == []

    def _sent(self, outcome: Outcome) -> Outcome:
        for notice in outcome.notices:
            if notice.name == "coin.RedeemRequested":
                self.requests.append(decode(tuple[bytes, bytes, int, int], notice.values)[0])
            if notice.name == "coin.PayoutBatched":
                self.batches.append(outcome.tx_id)
        return outcome

    @rule(wijk=wijken, lines=st.lists(st.tuples(amounts, st.sampled_from("CCD")), max_size=4))
    def attest(self, wijk: str, lines: list[tuple[int, str]]) -> None:
        entries = [
            line(f"{len(self.entries)}-{i}", cents, side, wijk=wijk)
            for i, (cents, side) in enumerate(lines)
        ]
        if self._sent(self.desks[wijk].attest(*entries)).code == 0:
            self.entries += entries

    @rule(wijk=wijken, cents=amounts, again=st.booleans())
    def attest_in_two_pages(self, wijk: str, cents: int, again: bool) -> None:
        desk = self.desks[wijk]
        first = line(f"{len(self.entries)}-p1", cents, wijk=wijk)
        second = line(f"{len(self.entries)}-p2", 7, wijk=wijk)
        call = desk.next_call(first, second)
        one = msgspec.structs.replace(call, pages=2, entries=(first,))
        two = msgspec.structs.replace(call, pages=2, page=2, entries=(second,))
        for page in (one, one) if again else (one,):
            self._sent(self.ledger.by_board(wijk, page))
        if self._sent(self.ledger.by_board(wijk, two)).code == 0:
            self.entries += [first, second]

    @rule(wijk=wijken, cents=amounts)
    def allow(self, wijk: str, cents: int) -> None:
        self._sent(self.desks[wijk].allow(cents))

    @rule(wijk=wijken, cents=amounts, data=st.data(), to_fund=st.booleans())
    def deposit(self, wijk: str, cents: int, data: st.DataObject, to_fund: bool) -> None:
        """The whole way: credit at the bank, allowance, mint."""
        desk = self.desks[wijk]
        entry = line(f"{len(self.entries)}-in", cents, wijk=wijk)
        if self._sent(desk.attest(entry)).code == 0:
            self.entries.append(entry)
            to = board(wijk) if to_fund else account(data.draw(residents_of[wijk]))
            self._sent(desk.allow(cents))
            self._sent(desk.mint(entry, to))

    @precondition(lambda self: self.entries)
    @rule(wijk=wijken, name=names, data=st.data(), to_fund=st.booleans(), exact=st.booleans())
    def mint(self, wijk: str, name: str, data: st.DataObject, to_fund: bool, exact: bool) -> None:
        entry = data.draw(st.sampled_from(self.entries))
        to = board(wijk) if to_fund else account(name)
        cents = entry.cents if exact else data.draw(amounts)
        self._sent(self.desks[wijk].mint(entry, to, cents=cents))

    @precondition(lambda self: self.entries and self.requests)
    @rule(data=st.data())
    def mint_a_return(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.requests))
        entry = data.draw(st.sampled_from(self.entries))
        name = data.draw(names)
        wijk = RESIDENTS[name][0]
        call = Mint(entry.entry_id, account(name), entry.cents, "RETURN", request)
        self._sent(self.ledger.by_board(wijk, call))

    @rule(wijk=wijken, data=st.data(), cents=small)
    def transfer(self, wijk: str, data: st.DataObject, cents: int) -> None:
        payer, payee = data.draw(residents_of[wijk]), data.draw(residents_of[wijk])
        self._sent(self.ledger.by_person(payer, Transfer((_leg(payee, cents),), None)))

    @rule(payer=names, payees=st.lists(st.tuples(names, amounts), min_size=1, max_size=3))
    def transfer_to_several(self, payer: str, payees: list[tuple[str, int]]) -> None:
        legs = tuple(_leg(name, cents) for name, cents in payees)
        self._sent(self.ledger.by_person(payer, Transfer(legs, None)))

    @rule(wijk=wijken, data=st.data(), cents=amounts)
    def transfer_from_the_fund(self, wijk: str, data: st.DataObject, cents: int) -> None:
        basis = founding_decision_id("test-chain", wijk)
        call = Transfer((_leg(data.draw(residents_of[wijk]), cents),), basis)
        self._sent(self.ledger.by_board(wijk, call))

    @rule(payer=names, payee=names, cents=amounts)
    def pay_across(self, payer: str, payee: str, cents: int) -> None:
        self._sent(self.ledger.by_person(payer, Pay(account(payee), cents, None, None)))

    @rule(name=names, cents=amounts)
    def redeem(self, name: str, cents: int) -> None:
        self._sent(self.ledger.by_person(name, RedeemRequest(cents, PAYOUT)))

    @precondition(lambda self: self.requests)
    @rule(wijk=wijken, data=st.data())
    def batch(self, wijk: str, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.requests), min_size=1, max_size=3))
        replaces = data.draw(st.sampled_from([None, *self.batches]))
        self._sent(self.desks[wijk].batch(*chosen, replaces=replaces))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def pay_out(self, data: st.DataObject) -> None:
        """The whole way: batch, debit at the bank, booked as paid."""
        request = data.draw(st.sampled_from(self.requests))
        wijk, cents = _wijk_of(self.ledger, request)
        self._sent(self.desks[wijk].batch(request))
        debit = line(f"{len(self.entries)}-out", cents, "D", wijk=wijk)
        if self._sent(self.desks[wijk].attest(debit)).code == 0:
            self.entries.append(debit)
            self._sent(self.desks[wijk].paid(request, debit))

    @precondition(lambda self: self.requests and self.entries)
    @rule(wijk=wijken, data=st.data())
    def paid(self, wijk: str, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.requests))
        entry = data.draw(st.sampled_from(self.entries))
        self._sent(self.desks[wijk].paid(request, entry))

    @rule(name=names, limit=st.integers(0, 6_000), auto_redeem=st.integers(0, 1))
    def set_limits(self, name: str, limit: int, auto_redeem: int) -> None:
        call = SetLimits(account(name), (), limit, auto_redeem, 0, 0, 0, 0, None, None, ())
        self._sent(self.ledger.by_registrar(RESIDENTS[name][0], call))

    @rule(days=st.integers(1, 4))
    def wait(self, days: int) -> None:
        self.ledger.time_s += days * DAY_S

    @invariant()
    def books_are_sound(self) -> None:
        assert broken(self.ledger) == []


def _leg(name: str, cents: int) -> Leg:
    return Leg(account(name), cents, None, None)


def _wijk_of(ledger: Ledger, request: bytes) -> tuple[str, int]:
    redemption = get_redemption(ledger, request)
    return redemption.denom.partition(":")[0], redemption.cents


Histories.TestCase.settings = settings(max_examples=HISTORIES, stateful_step_count=STEPS)
TestHistories = Histories.TestCase


def test_histories_reach_every_call() -> None:
    """The random histories mean something only if each of their calls can succeed."""
    ledger = make_ledger()
    desk = Desk(ledger)
    desk.issue("a", 900, board("delfshaven"))
    basis = founding_decision_id("test-chain", "delfshaven")
    grant = Transfer((Leg(account("anna"), 500, None, None),), basis)
    assert_done(ledger.by_board("delfshaven", grant))
    assert_done(ledger.by_person("anna", Pay(account("clara"), 900, None, None)))
    request = assert_done(ledger.by_person("anna", RedeemRequest(100, PAYOUT))).tx_id
    limits = SetLimits(account("dirk"), (), 400, 1, 0, 0, 0, 0, None, None, ())
    assert_done(ledger.by_registrar("delfshaven", limits))
    debit = line("out", 100, "D")
    assert_done(desk.batch(request))
    assert_done(desk.attest(debit))
    assert_done(desk.paid(request, debit))

    assert broken(ledger) == []


# ---------------------------------------------------------------------------- A2: unbacked mints


def test_minting_without_unused_bank_evidence_is_impossible_a2() -> None:
    """economy A2, C6: whatever is sent, coin comes only of a credit that nobody used.

    Attempts are made of real evidence, bent: ids of other entries, other wijken,
    reversals, pages that are not complete, other amounts, used entries, made-up requests.
    """
    rng = random.Random(20_260_101)
    ledger = Ledger(
        wijken=3, balances={f"{wijk}/{name}": cents for name, (wijk, cents) in RESIDENTS.items()}
    )
    open_credits: dict[bytes, tuple[str, int]] = {}
    known = _evidence(ledger, rng, open_credits)
    tries: dict[int, int] = {}
    for _ in range(MINT_ATTEMPTS // ATTEMPTS_IN_A_BLOCK):
        ledger.time_s += 1
        run = BlockRun(ledger.base, ledger.chain, ledger.time_s * 1000, _believe)
        for _ in range(ATTEMPTS_IN_A_BLOCK):
            entry_id = rng.choice(known) if rng.random() < 0.9 else rng.randbytes(32)
            backing = open_credits.get(entry_id)
            own_wijk, own = backing if backing is not None else (rng.choice(WIJKEN), 50)
            wijk = rng.choice((own_wijk, own_wijk, *WIJKEN))
            cents = rng.choice((own, own, own + 1, own - 1, rng.randrange(10**6), 10**13))
            to = rng.choice([board(wijk), *(account(name) for name in RESIDENTS), bytes(20)])
            back = ("RETURN", rng.randbytes(32))
            cause, request = rng.choice((("DEPOSIT", None), ("DEPOSIT", None), back))
            before = [get_supply(run.state, f"{name}:EUR") for name in WIJKEN]

            call = Mint(entry_id, to, cents, cause, request)  # type: ignore[arg-type]
            outcome = run.include(_unsigned(ledger, wijk, call, rng.randbytes(16)))

            tries[outcome.code] = tries.get(outcome.code, 0) + 1
            after = [get_supply(run.state, f"{name}:EUR") for name in WIJKEN]
            if outcome.code == 0:
                assert backing == (wijk, cents)
                del open_credits[entry_id]
                place = WIJKEN.index(wijk)
                before[place] = msgspec.structs.replace(
                    before[place],
                    issued=before[place].issued + cents,
                    reserve=before[place].reserve + cents,
                )
            assert after == before
        ledger.apply(run)
    assert sum(tries.values()) == MINT_ATTEMPTS
    assert tries[0] > 80  # the attempts were close enough to use nearly all of the 90 deposits
    near = (Code.COIN_NO_ENTRY, Code.COIN_USED, Code.COIN_AMOUNT, Code.COIN_SIDE)
    assert all(tries[code.number] > 20 for code in near), tries
    assert broken(ledger) == []


def _believe(_tx: Tx, _keys: tuple[bytes, ...]) -> bool:
    """Stand for the check of signatures, which has tests of its own and would take most time."""
    return True


def _unsigned(ledger: Ledger, wijk: str, call: Mint, nonce: bytes) -> Tx:
    """Return a transaction of the board with the right key indexes and empty signatures."""
    body = encode_body(ledger.chain.digest, board(wijk), nonce, ledger.time_s + 300, call)
    signatures = (KeySignature(0, bytes(64)), KeySignature(1, bytes(64)))
    return decode_tx(encode(Envelope(body, signatures)), ledger.chain.table.union)


def _evidence(
    ledger: Ledger, rng: random.Random, open_credits: dict[bytes, tuple[str, int]]
) -> list[bytes]:
    """Attest credits, reversals and half a statement; return all ids."""
    known: list[bytes] = []
    for wijk in WIJKEN:
        desk = Desk(ledger, wijk)
        deposits = [line(f"c{i}", rng.randrange(1, 5_000), wijk=wijk) for i in range(30)]
        reversals = [line(f"r{i}", 50, reversal=1, wijk=wijk) for i in range(3)]
        half = [line(f"h{i}", 50, wijk=wijk) for i in range(3)]
        assert_done(desk.attest(*deposits, *reversals))
        assert_done(ledger.by_board(wijk, SetMinter(f"{wijk}:EUR", 10**13)))
        assert_done(desk.attest(*half, pages=2))
        known += [entry.entry_id for entry in (*deposits, *reversals, *half)]
        known += [line("unseen", 50, wijk=wijk).entry_id]
        open_credits |= {entry.entry_id: (wijk, entry.cents) for entry in deposits}
    return known


# ------------------------------------------------------------------ the checker sees what is wrong


@pytest.fixture(scope="module")
def sound() -> tuple[Ledger, list[Posting]]:
    """A history with every kind of booking."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0, "noord/bram": 5_000})
    desk = Desk(ledger)
    desk.issue("in", 700, account("dirk"))
    assert_done(ledger.by_person("anna", Transfer((Leg(account("dirk"), 5, None, None),), None)))
    assert_done(ledger.by_person("anna", Pay(account("bram"), 300, None, None)))
    request = assert_done(ledger.by_person("anna", RedeemRequest(100, PAYOUT))).tx_id
    assert_done(ledger.by_person("anna", RedeemRequest(40, PAYOUT)))
    debit = line("out", 100, "D")
    call = PayoutBatch((request,), FILE, 100, None)
    assert_done(ledger.by_board("delfshaven", call))
    assert_done(desk.attest(debit, line("open", 60)))
    assert_done(ledger.by_board("delfshaven", RedeemPaid(request, debit.entry_id)))
    postings = list(ledger.genesis.postings)
    for block in ledger.blocks:
        for outcome in block.outcomes:
            postings.extend(outcome.postings)
    assert check_invariants(ledger.genesis, postings, ledger.state) == []
    return ledger, postings


def bend(space: Keyspace[Any], *parts: Any, **changes: Any) -> Callable[[State], None]:
    def write(state: State) -> None:
        record: Any = space.get(state, *parts)
        space.put(state, msgspec.structs.replace(record, **changes), *parts)

    return write


def set_to(space: Keyspace[Any], value: Any, *parts: Any) -> Callable[[State], None]:
    return lambda state: space.put(state, value, *parts)


DENOM = "delfshaven:EUR"
ANNA = account("anna")
RESERVE = reserve("delfshaven")
ENTRY = line("in", 700).entry_id
OPEN_ENTRY = line("open", 60).entry_id


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (set_to(BALANCES, 1, DENOM, "2", ANNA), "I15"),
        (set_to(BALANCES, 1, DENOM, "2", account("nobody")), "I15"),
        (set_to(BALANCES, None, DENOM, "1", RESERVE), "I15"),
        (set_to(BALANCES, 5, DENOM, "5", ANNA), "I15"),
        (bend(SUPPLY, DENOM, issued=1), "I15"),
        (bend(SUPPLY, DENOM, due_to=0), "I15"),
        (set_to(SUPPLY, None, "noord:EUR"), "I15"),
        (set_to(OWED, Owed(299, 0, 0), "delfshaven", "noord"), "I14"),
        (set_to(OWED, Owed(1, 0, 0), "noord", "delfshaven"), "I14"),
        (bend(ENTRIES, ENTRY, used_by=None), "I6"),
        (bend(ENTRIES, OPEN_ENTRY, used_by=bytes(32)), "I6"),
        (bend(ENTRIES, ENTRY, cents=701), "I6"),
        (bend(ENTRIES, ENTRY, number=9), "I6"),
        (bend(ENTRIES, OPEN_ENTRY, cents=61), "I7"),
        (bend(RESERVES, RESERVE, closing=1), "I7"),
        (bend(RESERVES, RESERVE, open_credits=0), "I7"),
        (bend(RESERVES, RESERVE, date=20_260_101), "I7"),
        (bend(STATEMENTS, RESERVE, 20_260_102, opening=1), "I7"),
        (bend(STATEMENTS, RESERVE, 20_260_102, closing=1), "I7"),
        (bend(ISSUERS, "DEMO", outstanding=1), "I13"),
        (bend(ISSUERS, "DEMO", total_cap=15_000), "I13"),
        (bend(ISSUERS, "DEMO", wallet_cap=500), "I13"),
        (bend(MEMBERS, ANNA, limit=500), "I13"),
    ],
)
def test_a_state_that_differs_from_the_postings_is_noticed(
    sound: tuple[Ledger, list[Posting]], write: Callable[[State], None], name: str
) -> None:
    ledger, postings = sound
    changed = dict(ledger.state)
    state = State(changed.get)
    write(state)
    for key, value in state.changes().items():
        if value is None:
            del changed[key]
        else:
            changed[key] = value

    assert name in check_invariants(ledger.genesis, postings, changed)


def _index(postings: list[Posting], debit: str, credit: str) -> int:
    """Return where the first booking between two classes stands, genesis left out."""
    return next(
        i
        for i in range(4, len(postings), 2)
        if (postings[i].klass, postings[i + 1].klass) == (debit, credit)
    )


@pytest.mark.parametrize(
    ("debit", "credit", "expected"),
    [
        ("1", "2", {"I6", "I7", "I13", "I15"}),
        ("2", "2", {"I15"}),
        ("2", "6T", {"I13", "I14", "I15"}),
        ("6F", "2", {"I13", "I14", "I15"}),
        ("2", "3", {"I3", "I5", "I15"}),
        ("3", "1", {"I5", "I6", "I7", "I13", "I15"}),
    ],
)
def test_a_booking_that_is_left_out_is_noticed(
    sound: tuple[Ledger, list[Posting]], debit: str, credit: str, expected: set[str]
) -> None:
    ledger, postings = sound
    at = _index(postings, debit, credit)

    names_broken = set(
        check_invariants(ledger.genesis, postings[:at] + postings[at + 2 :], ledger.state)
    )

    assert names_broken == expected


@given(cents=st.integers(0, 10**6), half=st.integers(0, 1), data=st.data())
@settings(max_examples=25)
def test_a_posting_with_another_amount_is_noticed_i1_i2(
    sound: tuple[Ledger, list[Posting]], cents: int, half: int, data: st.DataObject
) -> None:
    ledger, postings = sound
    at = data.draw(st.integers(0, len(postings) - 1))
    if cents == postings[at].cents:
        cents += 1
    bent = list(postings)
    bent[at] = msgspec.structs.replace(postings[at], cents=cents)

    assert {"I1", "I2"} <= set(check_invariants(ledger.genesis, bent, ledger.state))


def test_half_a_booking_is_noticed_i1(sound: tuple[Ledger, list[Posting]]) -> None:
    ledger, postings = sound

    assert "I1" in check_invariants(ledger.genesis, postings[:-1], ledger.state)


def test_a_balance_below_zero_is_noticed_i3(sound: tuple[Ledger, list[Posting]]) -> None:
    ledger, postings = sound
    at = _index(postings, "2", "2")
    twice = postings + postings[at : at + 2] * 2_000

    names_broken = check_invariants(ledger.genesis, twice, ledger.state)

    assert "I3" in names_broken


def test_coin_without_backing_is_noticed_i4(sound: tuple[Ledger, list[Posting]]) -> None:
    """A booking that balances, from nowhere: 7 of class 9 against 7 of class 2."""
    ledger, postings = sound
    made = Posting(0, "delfshaven", DENOM, "9", b"delfshaven", "D", 7, None, None, None, None)
    got = msgspec.structs.replace(made, klass="2", owner=ANNA, side="C")

    names_broken = check_invariants(ledger.genesis, [*postings, made, got], ledger.state)

    assert {"I4", "I5"} <= set(names_broken)


def test_held_coin_without_a_hold_is_noticed_i8(sound: tuple[Ledger, list[Posting]]) -> None:
    ledger, postings = sound
    made = Posting(0, "delfshaven", DENOM, "2", ANNA, "D", 7, None, None, None, None)
    held = msgspec.structs.replace(made, klass="5", side="C")

    assert "I8" in check_invariants(ledger.genesis, [*postings, made, held], ledger.state)


def test_a_correction_is_noticed_i9(sound: tuple[Ledger, list[Posting]]) -> None:
    """No call corrects yet, so nothing may say that it does."""
    ledger, postings = sound
    bent = [*postings[:-1], msgspec.structs.replace(postings[-1], corrects=bytes(32))]

    assert "I9" in check_invariants(ledger.genesis, bent, ledger.state)


def test_debts_above_a_cap_are_noticed_t5(sound: tuple[Ledger, list[Posting]]) -> None:
    ledger, postings = sound
    state = dict(ledger.state)
    state[CAPS.key("noord", "delfshaven")] = encode(299)

    (found,) = find_broken(ledger.genesis, postings, state)

    assert found.name == "T5"
    assert "delfshaven owes noord 300" in found.where
