"""Ten thousand ways to make, double, hide or lock up money, and each fails with its code.

A state machine over the real executor. Honest steps move money; between them thieves try to mint
without fresh evidence, overspend, spend twice, escape a cap or block a redemption, and for each the
model says which refusal the rules name (economy C5..C19, A2, A9). WIJK_ATTEMPTS: how many at least.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain.books import ASKED, get_balance, get_issuer, get_limit, get_wallet, is_overdue
from chain.contract import Context, Ids
from chain.dates import DAY_S
from chain.errors import Code, Reject
from chain.keyspaces import ACCOUNTS, ACTIVE, FREEZES, HOLDS, MEMBERS, OPEN, OWED, SUSPENDED, Owed
from chain.records import Outcome, Tag
from chain.state import State
from contracts.coin import (
    BankEntryCall,
    Correct,
    FreezeCall,
    HoldCall,
    Leg,
    Mint,
    Post,
    PostPart,
    RedeemRequest,
    SetMinter,
    StatementEntry,
    Transfer,
    Void,
)
from contracts.members import SetLimits
from contracts.trade import Pay
from tests.contracts.desk import (
    PAYOUT,
    Desk,
    assert_done,
    assert_refused,
    broken,
    change,
    get_redemption,
    line,
)
from tests.federation import Ledger, account, board, make_document, make_genesis

ATTEMPTS = int(os.environ.get("WIJK_ATTEMPTS", "600"))
STEPS, EXAMPLES = 60, 10
SOON = 5  # seconds, one a block: no attempt of several calls takes longer
KINDS_MIN = 20  # of about forty kinds of attempts; a run of the default size meets most
WALLET_CAP, TOTAL_CAP, TRADE_CAP = 3_200, 12_000, 1_200
RESIDENTS = {
    "anna": ("delfshaven", 3_000),
    "dirk": ("delfshaven", 1_000),
    "elif": ("delfshaven", 0),
    "bram": ("noord", 2_000),
    "clara": ("noord", 300),
}
PAIRS = [(one, two) for one in RESIDENTS for two in RESIDENTS if one != two]
INSIDE = [(one, two) for one, two in PAIRS if RESIDENTS[one][0] == RESIDENTS[two][0]]
names = st.sampled_from(sorted(RESIDENTS))
inside = st.sampled_from(INSIDE)
across = st.sampled_from([pair for pair in PAIRS if pair not in INSIDE])
cents_ = st.integers(1, 900)
SALE = Tag("SALE", "P3", "C01", 0)
extras = st.sampled_from([1, 2, 1_000, 10**9])


def make_ledger() -> Ledger:
    """Two wijken of one issuer whose caps bite."""
    document = make_document(
        balances={f"{wijk}/{name}": cents for name, (wijk, cents) in RESIDENTS.items()}
    )
    document["issuers"][0] |= {"mode": "EXEMPT_150", "wallet_cap_cents": WALLET_CAP}
    document["issuers"][0]["total_cap_cents"] = TOTAL_CAP
    for entry in document["accounts"]:
        if entry["kind"] == "person":
            entry["limit_cents"] = WALLET_CAP
    for pact in document["pacts"]:
        pact["caps_cents"] = [TRADE_CAP, TRADE_CAP]
    return Ledger(make_genesis(document))


class Attempts(RuleBasedStateMachine):
    """Honest people, and thieves between them."""

    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.ledger = make_ledger()
        self.desks = {wijk: Desk(self.ledger, wijk) for wijk in ("delfshaven", "noord")}
        self.fresh: list[tuple[str, StatementEntry]] = []  # attested credits that nobody used
        self.used: list[tuple[str, StatementEntry]] = []
        self.open: list[tuple[str, str, bytes]] = []  # holds: payer, payee, id
        self.ended: list[tuple[str, str, bytes]] = []
        self.requests: list[tuple[str, bytes]] = []
        self.count = 0

    # ------------------------------------------------------------------------------ the model

    @property
    def state(self) -> State:
        return State(self.ledger.state.get)

    def wijk(self, name: str) -> str:
        return RESIDENTS[name][0]

    def settle(self) -> None:
        """Let holds that end in the next block end now, so that the model sees what comes back."""
        ends = [HOLDS.get(self.state, hold) for _, _, hold in (*self.open, *self.ended)]
        soon = self.ledger.time_s + 1
        if any(one is not None and one.status == OPEN and one.expires <= soon for one in ends):
            self.ledger.apply(self.ledger.run())

    def has(self, name: str) -> int:
        self.settle()
        return get_balance(self.state, f"{self.wijk(name)}:EUR", "2", account(name))

    def room(self, name: str) -> int:
        state, owner = self.state, account(name)
        record, member = ACCOUNTS.get(state, owner), MEMBERS.get(state, owner)
        assert record is not None
        limit = get_limit(get_issuer(state, "DEMO"), record, member)
        return limit - get_wallet(state, f"{self.wijk(name)}:EUR", "2", owner)

    def left(self) -> int:
        """What the issuer may still have out."""
        return TOTAL_CAP - get_issuer(self.state, "DEMO").outstanding

    def is_free(self, name: str) -> bool:
        """Say whether money may leave the account; a freeze that is about to end ends first."""
        freeze = FREEZES.get(self.state, account(name))
        if freeze is not None and self.ledger.time_s < freeze.until_s <= self.ledger.time_s + SOON:
            self.ledger.time_s = freeze.until_s
        record = ACCOUNTS.get(self.state, account(name))
        frozen = freeze is not None and self.ledger.time_s + 1 < freeze.until_s
        return record is not None and record.status == ACTIVE and not frozen

    def is_blocked(self, wijk: str) -> bool:
        run = self.ledger.run()
        self.ledger.time_s -= 1
        ids, made = Ids(bytes(32)), list[Any]()
        ctx = Context(run.clock, bytes(32), board(wijk), (), ids=ids, postings=made, notices=made)
        return is_overdue(ctx, f"{wijk}:EUR")

    def fails(self, what: str, outcome: Outcome, code: Code) -> None:
        assert_refused(outcome, code)
        self.tried[what] += 1

    def next_line(
        self, wijk: str, cents: int, side: str = "C", reversal: int = 0
    ) -> StatementEntry:
        self.count += 1
        return line(f"entry {self.count}", cents, side, wijk=wijk, reversal=reversal)

    # --------------------------------------------------------------------------- honest steps

    @rule(name=names, cents=cents_)
    def credit(self, name: str, cents: int) -> None:
        """Money arrives at the bank and is attested."""
        wijk = self.wijk(name)
        entry = self.next_line(wijk, cents)
        assert_done(self.desks[wijk].attest(entry))
        self.fresh.append((wijk, entry))

    @rule(name=names, cents=cents_, to_fund=st.booleans())
    def issue(self, name: str, cents: int, to_fund: bool) -> None:
        """The whole way: credit at the bank, allowance, mint."""
        wijk = self.wijk(name)
        entry = self.next_line(wijk, cents)
        assert_done(self.desks[wijk].attest(entry))
        assert_done(self.desks[wijk].allow(cents))
        record = ACCOUNTS.get(self.state, account(name))
        assert record is not None
        fits = to_fund or (cents <= self.room(name) and record.status == ACTIVE)
        if fits and cents <= self.left() and not self.is_blocked(wijk):
            to = board(wijk) if to_fund else account(name)
            assert_done(self.desks[wijk].mint(entry, to))
            self.used.append((wijk, entry))
        else:
            self.fresh.append((wijk, entry))

    @rule(pair=inside, cents=cents_)
    def pay(self, pair: tuple[str, str], cents: int) -> None:
        payer, payee = pair
        if self.is_free(payer) and cents <= min(self.has(payer), self.room(payee)):
            assert_done(self.ledger.by_person(payer, transfer(payee, cents)))

    @rule(pair=inside, cents=cents_, timeout=st.sampled_from([60, 7_200]))
    def hold(self, pair: tuple[str, str], cents: int, timeout: int) -> None:
        payer, payee = pair
        if self.is_free(payer) and cents <= min(self.has(payer), self.room(payee)):
            call = HoldCall(account(payee), cents, timeout, None, None)
            outcome = assert_done(self.ledger.by_person(payer, call))
            self.open.append((payer, payee, outcome.tx_id))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), void=st.booleans())
    def resolve(self, data: st.DataObject, void: bool) -> None:
        payer, payee, hold = data.draw(st.sampled_from(self.open))
        record = HOLDS.get(self.state, hold)
        assert record is not None
        self.open.remove((payer, payee, hold))
        self.ended.append((payer, payee, hold))
        if record.expires <= self.ledger.time_s + 1:
            return
        if void or not self.is_free(payer) or record.cents > self.room(payee):
            assert_done(self.ledger.by_person(payee, Void(hold)))
        else:
            post = Post((PostPart(hold, record.cents),), None)
            assert_done(self.ledger.by_person(payee, post))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def pay_out(self, data: st.DataObject) -> None:
        name, request = data.draw(st.sampled_from(self.requests))
        desk = self.desks[self.wijk(name)]
        if not self.is_free(name):
            return
        assert_done(desk.batch(request))
        debit = self.next_line(desk.wijk, self._asked(request), "D")
        assert_done(desk.attest(debit))
        assert_done(desk.paid(request, debit))
        self.requests.remove((name, request))
        self.fails("paid twice", desk.paid(request, debit), Code.COIN_USED)
        self.fails("batched twice", desk.batch(request), Code.COIN_PAID)
        call = BankEntryCall(debit.entry_id, "CHARGE", None, None)
        self.fails("debit twice", self.ledger.by_board(desk.wijk, call), Code.COIN_USED)

    def _asked(self, request: bytes) -> int:
        return get_redemption(self.ledger, request).cents

    @rule(name=names, hours=st.integers(1, 30))
    def freeze(self, name: str, hours: int) -> None:
        until = self.ledger.time_s + 1 + hours * 3_600
        call = FreezeCall(account(name), 1, "FRAUD", until, b"\x01" * 32)
        assert_done(self.ledger.by_board(self.wijk(name), call))

    @rule(name=names, status=st.sampled_from([SUSPENDED, ACTIVE, ACTIVE]))
    def suspend(self, name: str, status: str) -> None:
        """A registrar's call of a later set: the test places what it would write."""
        change(self.ledger, ACCOUNTS, account(name), status=status)

    @rule(seconds=st.sampled_from([1, 59, 3_600, DAY_S, 3 * DAY_S]))
    def wait(self, seconds: int) -> None:
        self.ledger.time_s += seconds

    # --------------------------------------------------------------- mint without fresh evidence

    @precondition(lambda self: self.used)
    @rule(data=st.data(), name=names)
    def mint_used_evidence(self, data: st.DataObject, name: str) -> None:
        wijk, entry = data.draw(st.sampled_from(self.used))
        desk = self.desks[wijk]
        self.fails("mint used", desk.mint(entry, account(name)), Code.COIN_USED)
        again = desk.next_call(entry)
        self.fails("attest again", self.ledger.by_board(wijk, again), Code.COIN_SEEN_ENTRY)

    @rule(name=names, entry_id=st.binary(min_size=32, max_size=32))
    def mint_made_up_evidence(self, name: str, entry_id: bytes) -> None:
        call = Mint(entry_id, account(name), 1, "DEPOSIT", None)
        outcome = self.ledger.by_board(self.wijk(name), call)
        self.fails("mint made up", outcome, Code.COIN_NO_ENTRY)

    @precondition(lambda self: self.fresh)
    @rule(data=st.data(), extra=extras)
    def mint_bent_evidence(self, data: st.DataObject, extra: int) -> None:
        wijk, entry = data.draw(st.sampled_from(self.fresh))
        other = "noord" if wijk == "delfshaven" else "delfshaven"
        mine = account("anna" if wijk == "delfshaven" else "bram")
        more = self.desks[wijk].mint(entry, mine, cents=entry.cents + extra)
        self.fails("mint more", more, Code.COIN_AMOUNT)
        elsewhere = self.desks[other].mint(entry, mine)
        self.fails("mint of another wijk", elsewhere, Code.COIN_NO_ENTRY)
        made_up = self.desks[wijk].mint(entry, mine, cause="RETURN", request=b"\x09" * 32)
        self.fails("return of nothing", made_up, Code.TX_UNKNOWN_ID)

    @rule(name=names, cents=cents_)
    def mint_a_reversal(self, name: str, cents: int) -> None:
        desk = self.desks[self.wijk(name)]
        entry = self.next_line(desk.wijk, cents, "C", 1)
        assert_done(desk.attest(entry))
        self.fails("mint a reversal", desk.mint(entry, account(name)), Code.COIN_SIDE)
        call = BankEntryCall(entry.entry_id, "CHARGE", None, None)
        self.fails("charge a credit", self.ledger.by_board(desk.wijk, call), Code.COIN_SIDE)
        fix = BankEntryCall(entry.entry_id, "CONTRIBUTION", None, None)
        assert_done(self.ledger.by_board(desk.wijk, fix))  # it backs nobody's coin
        self.fails("mint what was given", desk.mint(entry, account(name)), Code.COIN_USED)

    @rule(name=names, cents=cents_)
    def mint_what_is_not_complete(self, name: str, cents: int) -> None:
        """A page of a bank day that was never finished is no evidence (economy C5)."""
        desk = self.desks[self.wijk(name)]
        entry = self.next_line(desk.wijk, cents)
        call = msgspec.structs.replace(desk.next_call(entry), pages=2)
        assert_done(self.ledger.by_board(desk.wijk, call))
        self.fails("mint half a day", desk.mint(entry, account(name)), Code.COIN_NO_ENTRY)

    @precondition(lambda self: self.fresh)
    @rule(data=st.data())
    def mint_without_leave(self, data: st.DataObject) -> None:
        wijk, entry = data.draw(st.sampled_from(self.fresh))
        name = "anna" if wijk == "delfshaven" else "bram"
        assert_done(self.desks[wijk].allow(entry.cents - 1))
        denied = self.desks[wijk].mint(entry, account(name))
        self.fails("mint above the allowance", denied, Code.COIN_ALLOWANCE)
        call = Mint(entry.entry_id, account(name), entry.cents, "DEPOSIT", None)
        self.fails("mint by others", self.ledger.by_registrar(wijk, call), Code.TX_ROLE)
        self.fails("mint by a holder", self.ledger.by_person(name, call), Code.TX_ROLE)
        minter = SetMinter(f"{wijk}:EUR", 10**9)
        self.fails("allow oneself", self.ledger.by_person(name, minter), Code.TX_ROLE)

    # ------------------------------------------------------------------ overspend, spend twice

    @rule(pair=inside, extra=extras)
    def overspend(self, pair: tuple[str, str], extra: int) -> None:
        payer, payee = pair
        makers: tuple[Callable[[int], Any], ...] = (
            lambda cents: transfer(payee, cents),
            lambda cents: Transfer(transfer(payee, cents).legs + transfer(payee, 1).legs, None),
            lambda cents: HoldCall(account(payee), cents, 60, None, None),
            lambda cents: RedeemRequest(cents, PAYOUT),
        )
        for make in makers:
            outcome = self.ledger.by_person(payer, make(self.has(payer) + extra))
            self.fails("overspend", outcome, Code.COIN_LOW_BALANCE)

    @rule(pair=inside)
    def spend_twice_in_a_block(self, pair: tuple[str, str]) -> None:
        """All that one has, twice, before anybody could see the first; and the same bytes again."""
        payer, payee = pair
        cents = min(self.has(payer), self.room(payee))
        if cents == 0 or cents < self.has(payer) or not self.is_free(payer):
            return
        txs = [self._tx(payer, transfer(payee, cents)) for _ in range(2)]
        run = self.ledger.run()
        assert_done(run.include(txs[0]))
        self.fails("spend twice", run.include(txs[1]), Code.COIN_LOW_BALANCE)
        for tx in txs:
            with pytest.raises(Reject) as caught:
                run.include(tx)
            assert caught.value.code is Code.TX_REPLAYED
            self.tried["replay"] += 1
        self.ledger.apply(run)

    def _tx(self, payer: str, call: Any) -> Any:
        return self.ledger.tx(call, account(payer), [(0, payer)])

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def resolve_twice(self, data: st.DataObject) -> None:
        payer, payee, hold = data.draw(st.sampled_from(self.ended))
        record = HOLDS.get(self.state, hold)
        assert record is not None
        code = Code.COIN_DONE if record.status in ("POSTED", "VOIDED") else Code.COIN_EXPIRED
        post = Post((PostPart(hold, 1),), None)
        self.fails("post twice", self.ledger.by_person(payee, post), code)
        if self.ledger.time_s >= record.expires or record.status != "OPEN":
            void = self.ledger.by_person(payee, Void(hold))
            self.fails("void twice", void, Code.COIN_DONE)
        self.fails("post as payer", self.ledger.by_person(payer, post), Code.TX_ROLE)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), extra=extras)
    def post_more_than_held(self, data: st.DataObject, extra: int) -> None:
        _, payee, hold = data.draw(st.sampled_from(self.open))
        record = HOLDS.get(self.state, hold)
        assert record is not None
        if record.expires - SOON <= self.ledger.time_s < record.expires:
            self.ledger.time_s = record.expires
        alive = self.ledger.time_s + 1 < record.expires
        post = Post((PostPart(hold, record.cents + extra),), None)
        code = Code.COIN_AMOUNT if alive else Code.COIN_EXPIRED
        self.fails("post too much", self.ledger.by_person(payee, post), code)
        pair = Post((PostPart(hold, 1), PostPart(hold, 1)), None)
        code = Code.COIN_LINK if alive else Code.COIN_EXPIRED
        self.fails("post side by side", self.ledger.by_person(payee, pair), code)

    @rule(pair=inside, cents=cents_, extra=extras)
    def refund_more_than_was_paid(self, pair: tuple[str, str], cents: int, extra: int) -> None:
        """A refund cites its payment, and is of the payee's own coin (economy C18)."""
        payer, payee = pair
        if not self.is_free(payer) or cents > min(self.has(payer), self.room(payee)):
            return
        tagged = Transfer((Leg(account(payee), cents, SALE, None),), None)
        paid = assert_done(self.ledger.by_person(payer, tagged)).tx_id
        for what, by, kind, amount, code in (
            ("refund too much", payee, "MONEY", cents + extra, Code.COIN_EXCEEDS),
            ("refund oneself", payer, "MONEY", cents, Code.COIN_NOT_PARTY),
            ("tag of another", payee, "TAG", cents, Code.COIN_NOT_PARTY),
        ):
            tag = SALE if kind == "TAG" else None
            call = Correct(paid, 0, kind, amount, tag, "THEFT")  # type: ignore[arg-type]
            self.fails(what, self.ledger.by_person(by, call), code)
        made_up = Correct(b"\x03" * 32, 0, "MONEY", 1, None, "THEFT")
        self.fails("refund of nothing", self.ledger.by_person(payee, made_up), Code.TX_UNKNOWN_ID)

    # ---------------------------------------------------------------------------- escape a cap

    @rule(pair=inside, parts=st.integers(1, 3))
    def pass_a_limit(self, pair: tuple[str, str], parts: int) -> None:
        """In one leg, in several, or by a hold, which counts as if it were there."""
        payer, payee = pair
        cents = self.room(payee) + 1
        if self.has(payer) < cents or cents < parts:
            return
        legs = [cents - parts + 1, *[1] * (parts - 1)]
        call = Transfer(tuple(Leg(account(payee), one, None, None) for one in legs), None)
        self.fails("limit", self.ledger.by_person(payer, call), Code.COIN_WALLET_LIMIT)
        hold = HoldCall(account(payee), cents, 60, None, None)
        self.fails("limit by hold", self.ledger.by_person(payer, hold), Code.COIN_WALLET_LIMIT)

    @rule(name=names)
    def raise_a_limit_above_the_mode(self, name: str) -> None:
        call = SetLimits(account(name), (), WALLET_CAP + 1, 0, 0, 0, 0, 0, None, None, ())
        outcome = self.ledger.by_registrar(self.wijk(name), call)
        self.fails("limit above the mode", outcome, Code.MEMBERS_MODE)

    @rule(name=names)
    def lower_a_limit_below_the_wallet(self, name: str) -> None:
        denom = f"{self.wijk(name)}:EUR"
        wallet = get_wallet(self.state, denom, "2", account(name))
        if wallet:
            call = SetLimits(account(name), (), wallet - 1, 0, 0, 0, 0, 0, None, None, ())
            outcome = self.ledger.by_registrar(self.wijk(name), call)
            self.fails("limit below the wallet", outcome, Code.TX_AMOUNT)

    @rule(name=names)
    def pass_the_total_cap(self, name: str) -> None:
        """Real money at the bank, and still no coin above what the law allows the issuer."""
        desk = self.desks[self.wijk(name)]
        cents = self.left() + 1
        entry = self.next_line(desk.wijk, cents)
        assert_done(desk.attest(entry))
        assert_done(desk.allow(cents))
        self.fails("total cap", desk.mint(entry, board(desk.wijk)), Code.COIN_MODE_CAP)

    @rule(pair=across)
    def pass_the_cap_between_wijken(self, pair: tuple[str, str]) -> None:
        payer, payee = pair
        one, other = self.wijk(payer), self.wijk(payee)
        none = Owed(0, 0, 0)
        owed, owing = (OWED.get(self.state, *way) or none for way in ((one, other), (other, one)))
        cents = TRADE_CAP - owed.open + owing.open + 1
        call = Pay(account(payee), cents, None, None)
        self.fails("trade cap", self.ledger.by_person(payer, call), Code.TRADE_CAP)

    @rule(name=names)
    def take_money_from_the_fund(self, name: str) -> None:
        """No decision, no payment (I11); and who holds for it could name none."""
        wijk = self.wijk(name)
        if not get_balance(self.state, f"{wijk}:EUR", "7", board(wijk)) or not self.room(name):
            return
        made_up = msgspec.structs.replace(transfer(name, 1), basis=b"\x02" * 32)
        for call in (transfer(name, 1), made_up, HoldCall(account(name), 1, 60, None, None)):
            self.fails("fund", self.ledger.by_board(wijk, call), Code.COIN_NO_BASIS)

    # ---------------------------------------------------------------------- block a redemption

    @rule(name=names, part=st.integers(1, 4))
    def redemption_is_never_blocked(self, name: str, part: int) -> None:
        """Frozen, suspended, overdue, at every cap: what one has is asked back at once (A9)."""
        cents = self.has(name) // part
        if cents == 0:
            return
        outcome = assert_done(self.ledger.by_person(name, RedeemRequest(cents, PAYOUT)))
        self.requests.append((name, outcome.tx_id))
        self.tried["redeem whatever happens"] += 1

    @rule(pair=inside)
    def frozen_accounts_pay_nobody(self, pair: tuple[str, str]) -> None:
        payer, payee = pair
        if self.is_free(payer) or not self.has(payer) or not self.room(payee):
            return
        outcome = self.ledger.by_person(payer, transfer(payee, 1))
        self.fails("pay while frozen", outcome, Code.COIN_FROZEN)
        hold = HoldCall(account(payee), 1, 60, None, None)
        self.fails("hold while frozen", self.ledger.by_person(payer, hold), Code.COIN_FROZEN)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), extra=extras)
    def pay_a_request_wrongly(self, data: st.DataObject, extra: int) -> None:
        name, request = data.draw(st.sampled_from(self.requests))
        desk = self.desks[self.wijk(name)]
        cents = self._asked(request)
        wrong = desk.batch(request, total=cents + extra)
        self.fails("batch of another total", wrong, Code.COIN_TOTAL)
        twice = desk.batch(request, request)
        self.fails("a request twice", twice, Code.COIN_BATCHED)
        paid = desk.paid(request, line("never attested", cents, "D", wijk=desk.wijk))
        self.fails("paid by nothing", paid, Code.TX_UNKNOWN_ID)

    @rule(name=names, long=st.booleans())
    def freeze_for_too_long(self, name: str, long: bool) -> None:
        if not long:
            return
        late = self.ledger.time_s + 3 + 30 * DAY_S
        call = FreezeCall(account(name), 1, "FRAUD", late, b"\x01" * 32)
        outcome = self.ledger.by_board(self.wijk(name), call)
        self.fails("freeze too long", outcome, Code.COIN_TOO_LONG)

    @invariant()
    def nothing_is_below_zero_and_clocks_are_kept(self) -> None:
        for name in RESIDENTS:
            assert self.has(name) >= 0
            assert self.room(name) >= 0
            for _, _, count in ASKED.get(self.state, account(name)) or ():
                assert count > 0

    def teardown(self) -> None:
        assert broken(self.ledger) == []


def transfer(to: str, cents: int) -> Transfer:
    return Transfer((Leg(account(to), cents, None, None),), None)


def test_every_attempt_fails_with_the_documented_code() -> None:
    """economy A2, A9: with WIJK_ATTEMPTS=10000 the run of the acceptance list."""
    Attempts.tried.clear()
    while sum(Attempts.tried.values()) < ATTEMPTS:
        run_state_machine_as_test(
            Attempts,
            settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
        )

    print(sum(Attempts.tried.values()), dict(sorted(Attempts.tried.items())))
    assert len(Attempts.tried) >= KINDS_MIN
