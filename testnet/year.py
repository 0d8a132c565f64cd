"""A year of a wijk: realistic activity of a federation, straight into blocks (economy L1 to L3).

Every block comes from the real executor and is certified by the validators of the plan; only the
waiting is left out. The bank of each wijk gives the camt.053 files that belong to it. The chain may
refuse what residents want; that stands in blocks too.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from random import Random
from typing import Any

import msgspec

from chain.books import FUND, MEMBER
from chain.codec import decode
from chain.contract import call_name
from chain.crypto import public_key, sha256
from chain.dates import DAY_S, from_days, is_banking_day, to_days
from chain.genesis import Genesis, founding_decision_id
from chain.keyspaces import BALANCES, NO_LIMIT
from chain.records import Outcome, Tag
from chain.state import State
from contracts.coin import (
    LEGS_MAX,
    FreezeCall,
    HoldCall,
    Leg,
    Post,
    PostPart,
    RedeemRequest,
    SetMinter,
    Transfer,
    Void,
)
from contracts.members import ATTACH_MAX, Admit, Attach, NewAccount, SetLimits
from contracts.stats import ClosePeriod
from contracts.trade import Pay
from node.chainstore import ChainStore
from testnet.bank_books import write_iso_date
from testnet.decide import Deciders
from testnet.plan import Plan
from testnet.year_plan import (
    REDEEM_LIMIT_CENTS,
    TRADES,
    YEAR,
    Resident,
    Size,
    draw_payment,
    draw_residents,
)
from testnet.year_treasury import Request, Treasury
from wallet.keystore import derive_seed
from wallet.sign import build_body, sign_body

HOUR_S = 3_600
OFFSET_S = 3_600  # `date_offset_s`: the local day begins an hour before that of UTC (economy B9)
VALIDITY_S = 300
BURST_PER_S = 50  # economy L3
ADMIT_PER_MIN = 80  # below the quota of a role account: 1,000 in 600 s
ADMIT_DAYS, SHOPS_DAY = range(102, 106), 106  # of January
ALLOWANCE_CENTS = 10**9
GRANT_CENTS = 8_000  # a month: eleven of them fit in the budget of the founding decision
OPEN_FROM, OPEN_HOURS = 8, 14  # people pay from 8:00 to 22:00
MARKET_TIMES = 2  # a market day has so many times the payments
FRIDAY, SATURDAY = 4, 5
KINGS_DAY = 426
HOLD_DAY = 1  # a Tuesday: somebody orders, and the shop delivers on Wednesday
HOLD_CENTS, HOLD_S = 700, 2 * DAY_S
FREEZE_DAY, FREEZE_S = 515, 3 * DAY_S
PAY_DAY, GRANT_DAY = 25, 5
CLOSE_DAY = 11  # the tenth day after the month before
STARTED = 131  # wages and grants come from February on
LOST_DAYS = (310, 610, 910, 1229)  # somebody forgets the reference; the last stays open
FIRST_GIFT_DAY = 130  # the municipality fills the wijk fund, and then every month
SENT_BACK_DAYS = (203, 505, 804, 1103)  # Mondays: what shops asked on Friday
PERSON_CENTS = (2_000, 2_500, 5_000, 10_000)  # what people bring to the bank
LOW_CENTS = 2_500  # below which they do

Make = Callable[[], list["Order"]]


class Order(msgspec.Struct, frozen=True):
    """A transaction to be made: who sends what, and the seeds that sign, by key index."""

    sender: bytes
    seeds: Mapping[int, bytes]
    call: Any


class Played(msgspec.Struct):
    """What came of a year. `refused` stand in blocks with their code."""

    blocks: int = 0
    transactions: int = 0
    refused: int = 0
    by_call: dict[str, int] = msgspec.field(default_factory=dict)


class Year:
    """Plays a year on a chain that stands at genesis. `files` are the bank's, by name."""

    def __init__(self, plan: Plan, size: Size, genesis: Genesis, store: ChainStore) -> None:
        self.played = Played()
        self.files: dict[str, bytes] = {}
        self.payouts: list[bytes] = []  # pain.001
        self._held: list[tuple[str, bytes, int, Resident]] = []  # wijk, hold, cents, payee
        self._plan, self._size, self._genesis = plan, size, genesis
        self._deciders = Deciders(plan, genesis, store)
        self._rng = Random(plan.seed("year"))  # noqa: S311 - the same seed gives the same year
        self._state = State(store.read_state)
        self._read = store.read_state
        self._spent: dict[bytes, int] = defaultdict(int)  # in the block being made
        self._slugs = [wijk.slug for wijk in plan.wijken]
        self._coming = {slug: draw_residents(plan, size, slug) for slug in self._slugs}
        self._homes: dict[str, dict[str, list[Resident]]] = {slug: {} for slug in self._slugs}
        self._areas = {wijk.slug: (wijk.cbs_code, wijk.cbs_year) for wijk in plan.wijken}
        self._offices: dict[str, tuple[bytes, list[bytes]]] = {}
        self._treasuries: dict[str, Treasury] = {}
        for number, slug in enumerate(self._slugs, start=1):
            for office, letters in (("board", "abc"), ("registrar", "ab")):
                names = [f"{office}-{slug}-{letter}" for letter in letters]
                seeds = [bytes(derive_seed(plan.seed(name), 0)) for name in names]
                self._offices[f"{office} {slug}"] = plan.account(names[0]), seeds
            self._homes[slug] = self._find_known(slug)
            opening = sum(one.balance_cents for one in plan.people if one.wijk == slug)
            self._treasuries[slug] = Treasury(number, slug, plan.reserve(slug), opening)

    def play(self, on_day: Callable[[int], None] = lambda _date: None) -> Played:
        """Play every day; `on_day` hears the date, YYYYMMDD, of each that is over."""
        first = to_days(YEAR * 10_000 + 101)
        for day in range(first, first + self._size.days):
            date, start_s = from_days(day), day * DAY_S - OFFSET_S
            events = sorted(self._plan_day(date), key=lambda event: event[0])
            for second, together in groupby(events, key=lambda event: event[0]):
                self._decide(start_s + second, [make for _, make in together])
            if from_days(day + 1) % 100 == 1 or day == first + self._size.days - 1:
                for slug, treasury in self._treasuries.items():
                    name = f"{slug}-{date // 10_000}-{date // 100 % 100:02d}.xml"
                    self.files[name] = treasury.take_file(name, date)
            on_day(date)
        return self.played

    # ---------------------------------------------------------------------------- the calendar

    def _plan_day(self, date: int) -> list[tuple[int, Make]]:
        """Return what happens, with its second of the day."""
        day, weekday = date % 10_000, (to_days(date) + 3) % 7
        events: list[tuple[int, Make]] = []
        if date % 100 == 1:
            events.append((6 * HOUR_S, list))  # a heartbeat: a block with nothing in it
        for slug in self._slugs:
            events += self._plan_offices(slug, date)
            if day < SHOPS_DAY:
                continue
            count = self._size.payments * (MARKET_TIMES if weekday == SATURDAY else 1)
            for _ in range(count):
                second = OPEN_FROM * HOUR_S + self._rng.randrange(OPEN_HOURS * HOUR_S)
                second -= second % self._size.slot_s
                events.append((second, partial(self._pay_somebody, slug)))
        if day == KINGS_DAY:
            for i in range(BURST_PER_S * self._size.burst_s):
                slug = self._slugs[i % len(self._slugs)]
                second = 13 * HOUR_S + 600 + i // BURST_PER_S
                events.append((second, partial(self._pay_somebody, slug)))
        return events

    def _plan_offices(self, slug: str, date: int) -> list[tuple[int, Make]]:
        """What boards, registrars and treasurers do on a day; the bank only on banking days."""
        day, weekday = date % 10_000, (to_days(date) + 3) % 7
        events: list[tuple[int, Make]] = []
        if day in ADMIT_DAYS:
            minutes = range(9 * 60) if self._coming[slug] else range(0)
            events += [(9 * HOUR_S + 60 * m, partial(self._admit, slug)) for m in minutes]
        if day == SHOPS_DAY:
            events.append((7 * HOUR_S, partial(self._describe_shops, slug)))
        if date % 100 == 1:
            events.append((8 * HOUR_S - 60, partial(self._allow, slug)))
        if weekday == HOLD_DAY and day > STARTED:
            events.append((14 * HOUR_S + 21, partial(self._hold, slug)))
        if weekday == HOLD_DAY + 1 and day > STARTED:
            events.append((14 * HOUR_S + 23, partial(self._settle_holds, slug)))
        if day == FREEZE_DAY:
            events.append((9 * HOUR_S + 25, partial(self._freeze, slug, date)))
        if date % 100 == CLOSE_DAY and day > STARTED:
            events.append((9 * HOUR_S, partial(self._close_month, slug, date)))
        if date % 100 == GRANT_DAY and day > STARTED:
            events.append((11 * HOUR_S + 3, partial(self._grant, slug)))
        if date % 100 == PAY_DAY and day > STARTED:
            events.append((10 * HOUR_S + 5, partial(self._pay_wages, slug)))
        if not is_banking_day(date):
            return events
        events.append((12 * HOUR_S + 11, partial(self._go_to_the_bank, slug, date)))
        events.append((15 * HOUR_S + 13, partial(self._pay_out, slug, date)))
        if from_days(to_days(date) + 7) // 100 != date // 100 and weekday == FRIDAY:
            events.append((12 * HOUR_S + 13, partial(self._take_costs, slug)))
        if weekday == FRIDAY:
            events.append((16 * HOUR_S + 17, partial(self._redeem, slug)))
        booked: list[Order] = []
        events.append((22 * HOUR_S + 19, partial(self._attest, slug, date, booked)))
        events.append((22 * HOUR_S + 79, lambda: booked))
        return events

    # ---------------------------------------------------------------------------- blocks

    def _decide(self, time_s: int, makes: list[Make]) -> None:
        """Make the orders of a second and decide their block."""
        self._spent.clear()
        self._state = State(self._read)
        orders = [order for make in makes for order in make()]
        if not orders and makes != [list]:
            return
        envelopes = []
        for order in orders:
            nonce = sha256(b"year" + self.played.transactions.to_bytes(8, "big"))[:16]
            self.played.transactions += 1
            digest = self._genesis.digest
            body = build_body(digest, order.sender, nonce, time_s + VALIDITY_S, order.call)
            envelopes.append(sign_body(body, order.seeds))
        txs, executed = self._deciders.decide(1000 * time_s, envelopes)
        self.played.blocks += 1
        for tx, outcome in zip(txs, executed.outcomes, strict=True):
            name = call_name(tx.call)
            self.played.by_call[name] = self.played.by_call.get(name, 0) + 1
            self.played.refused += outcome.code != 0
            self._hear(outcome)

    def _hear(self, outcome: Outcome) -> None:
        """Tell the payout desk what was asked."""
        wijk = {posting.wijk for posting in outcome.postings}
        for notice in outcome.notices:
            if notice.name == "coin.Held":
                hold, _, to, cents, *_ = decode(list[Any], notice.values)
                (slug,) = wijk
                shop = next(one for one in self._homes[slug]["BUSINESS"] if one.account == to)
                self._held.append((slug, hold, cents, shop))
            if notice.name == "coin.RedeemRequested":
                request, account, cents, _ = decode(list[Any], notice.values)
                (slug,) = wijk if len(wijk) == 1 else {outcome.postings[-1].wijk}
                self._treasuries[slug].note_request(Request(request, account, cents))

    def _as_office(self, office: str, slug: str, call: Any) -> Order:
        """Return an order of a board or a registrar, signed by the first two of its keys."""
        account, seeds = self._offices[f"{office} {slug}"]
        return Order(account, dict(enumerate(seeds[:2])), call)

    # ---------------------------------------------------------------------------- offices

    def _find_known(self, slug: str) -> dict[str, list[Resident]]:
        """Return the accounts of genesis by kind."""
        known: dict[str, list[Resident]] = {}
        for one in self._plan.people:
            if one.wijk == slug:
                seed = bytes(derive_seed(self._plan.seed(one.key), 0))
                resident = Resident(slug, one.kind.upper(), seed, self._plan.account(one.key))
                known.setdefault(resident.kind, []).append(resident)
        return known

    def _admit(self, slug: str) -> list[Order]:
        """Members come one by one, accounts without membership in batches (economy G4)."""
        waiting = self._coming[slug]
        coming = [one for one in waiting[:ADMIT_PER_MIN] if one.membership]
        orders = []
        code, year = self._areas[slug]
        for one in coming:
            flags = ("VOTE", "STAND") if one.kind == "PERSON" else ()
            call = Admit(public_key(one.seed), one.kind, code, year, flags, NO_LIMIT)  # type: ignore[arg-type]
            orders.append(self._as_office("registrar", slug, call))
        if not coming:
            coming = waiting[:ATTACH_MAX]
            keys = sorted(public_key(one.seed) for one in coming)
            if keys:
                batch = Attach(tuple(NewAccount(key, "PERSON", NO_LIMIT) for key in keys))
                orders.append(self._as_office("registrar", slug, batch))
        del waiting[: len(coming)]
        for one in coming:
            self._homes[slug].setdefault(one.kind, []).append(one)
        return orders

    def _describe_shops(self, slug: str) -> list[Order]:
        """What shops sell, and one whose till empties itself into the bank (economy S1, C8)."""
        orders = []
        for i, shop in enumerate(self._homes[slug]["BUSINESS"][:ADMIT_PER_MIN]):
            product, nace, _ = TRADES[shop.trade]
            limit = REDEEM_LIMIT_CENTS if i == 0 else NO_LIMIT
            call = SetLimits(shop.account, (), limit, int(i == 0), 0, 0, 0, 0, nace, product, ())
            orders.append(self._as_office("registrar", slug, call))
        return orders

    def _allow(self, slug: str) -> list[Order]:
        return [self._as_office("board", slug, SetMinter(f"{slug}:EUR", ALLOWANCE_CENTS))]

    def _close_month(self, slug: str, date: int) -> list[Order]:
        """Anybody may close the figures of the month before (economy S2)."""
        closer = self._homes[slug]["PERSON"][0]
        return [Order(closer.account, {0: closer.seed}, ClosePeriod(slug, date // 100 - 1))]

    def _grant(self, slug: str) -> list[Order]:
        """The wijk fund gives to an association, on the founding decision."""
        board, _ = self._offices[f"board {slug}"]
        if self._balance(slug, FUND, board) < GRANT_CENTS:
            return []
        basis = founding_decision_id(self._plan.chain_id, slug)
        payee = self._rng.choice(self._homes[slug]["ASSOCIATION"]).account
        leg = Leg(payee, GRANT_CENTS, Tag("GRANT", None, None, 0), None)
        return [self._as_office("board", slug, Transfer((leg,), basis))]

    def _go_to_the_bank(self, slug: str, date: int) -> list[Order]:
        """People bring money to the bank for what they will spend; it becomes coin at night."""
        home, treasury, day = self._homes[slug], self._treasuries[slug], date % 10_000
        for kind in ("PERSON", "HOUSEHOLD"):
            for one in home.get(kind, ()):
                low = self._balance(slug, MEMBER, one.account) < LOW_CENTS
                if low and self._rng.randrange(3) == 0:
                    treasury.receive(one.account, self._rng.choice(PERSON_CENTS))
        if (
            date % 100 == GRANT_DAY - 1 or day == FIRST_GIFT_DAY
        ):  # the municipality, for the wijk fund
            treasury.receive(self._offices[f"board {slug}"][0], GRANT_CENTS + 1_000)
        if day in LOST_DAYS:
            treasury.receive_lost(self._rng.choice(home["PERSON"]).account, 3_333)
        return []

    def _take_costs(self, slug: str) -> list[Order]:
        self._treasuries[slug].pay_costs()
        return []

    def _pay_out(self, slug: str, date: int) -> list[Order]:
        sends_back = date % 10_000 in SENT_BACK_DAYS
        day = write_iso_date(date)
        batches = self._treasuries[slug].make_batches(self._rng, day, sends_back=sends_back)
        self.payouts += [file for _, file in batches]
        return [self._as_office("board", slug, call) for call, _ in batches]

    def _freeze(self, slug: str, date: int) -> list[Order]:
        """Two seats freeze the account of a person, which tries to pay and may redeem (C19)."""
        one = self._homes[slug]["PERSON"][1]
        until = to_days(date) * DAY_S + FREEZE_S
        payout = sha256(b"payout" + one.account)
        last = from_days(to_days(date) + FREEZE_S // DAY_S)
        self._treasuries[slug].note_freeze(one.account, write_iso_date(last))
        shop = self._homes[slug]["BUSINESS"][0]
        return [
            self._as_office("board", slug, FreezeCall(one.account, 1, "FRAUD-REPORT", until, None)),
            Order(one.account, {0: one.seed}, Transfer((Leg(shop.account, 1, None, None),), None)),
            Order(one.account, {0: one.seed}, RedeemRequest(1, payout)),
        ]

    def _attest(self, slug: str, date: int, booked: list[Order]) -> list[Order]:
        """Attest the bank's day; what follows from it is put in `booked`, for the next block."""
        attested, found = self._treasuries[slug].attest(date)
        booked += [self._as_office("board", slug, call) for call in found]
        return [self._as_office("board", slug, call) for call in attested]

    # ---------------------------------------------------------------------------- residents

    def _pay_somebody(self, slug: str) -> list[Order]:
        wish = draw_payment(self._rng, self._homes, slug)
        payer, payee, cents = wish.payer, wish.payee, wish.cents
        here = payer.wijk == payee.wijk
        bold = self._rng.randrange(40) == 0  # who does not look at the balance first
        left = self._balance(payer.wijk, MEMBER, payer.account) - self._spent[payer.account]
        if cents > left and not bold:
            cents = min(cents, left // 2)
        if cents <= 0:
            return []
        self._spent[payer.account] += cents
        tag = None
        if payee.kind == "BUSINESS" and self._rng.randrange(2):
            product, _, percent = TRADES[payee.trade]
            use = "P3" if payer.kind in ("PERSON", "HOUSEHOLD") else "P2"
            tag = Tag("SALE", use, product, cents * percent // (100 + percent))
        call = (
            Transfer((Leg(payee.account, cents, tag, None),), None)
            if here
            else Pay(payee.account, cents, tag, None)
        )
        return [Order(payer.account, {0: payer.seed}, call)]

    def _pay_wages(self, slug: str) -> list[Order]:
        """Each business pays some of its till to its people, in one transaction each."""
        orders = []
        people = self._homes[slug]["PERSON"]
        shops = self._homes[slug]["BUSINESS"]
        each = min(LEGS_MAX, len(people) // len(shops))
        for i, shop in enumerate(shops):
            workers = people[i * each : (i + 1) * each]
            wage = self._balance(slug, MEMBER, shop.account) // 2 // max(1, len(workers))
            if wage and workers:
                tag = Tag("WORK", None, None, 0)
                legs = tuple(Leg(worker.account, wage, tag, None) for worker in workers)
                orders.append(Order(shop.account, {0: shop.seed}, Transfer(legs, None)))
        return orders

    def _hold(self, slug: str) -> list[Order]:
        """Somebody orders at a shop: the money is set aside until it delivers (economy C10)."""
        orders = []
        for one in self._homes[slug]["PERSON"][:4]:
            if self._balance(slug, MEMBER, one.account) >= HOLD_CENTS:
                shop = self._rng.choice(self._homes[slug]["BUSINESS"])
                call = HoldCall(shop.account, HOLD_CENTS, HOLD_S, None, None)
                orders.append(Order(one.account, {0: one.seed}, call))
        return orders

    def _settle_holds(self, slug: str) -> list[Order]:
        """Most shops deliver, some a part; one calls it off, and one forgets: the hold expires."""
        orders: list[Order] = []
        for place, hold, cents, shop in [row for row in self._held if row[0] == slug]:
            self._held.remove((place, hold, cents, shop))
            what = self._rng.randrange(8)
            if what == 0:
                orders.append(Order(shop.account, {0: shop.seed}, Void(hold)))
            elif what > 1:
                part = PostPart(hold, cents if what > 2 else cents // 2)  # noqa: PLR2004
                orders.append(Order(shop.account, {0: shop.seed}, Post((part,), None)))
        return orders

    def _redeem(self, slug: str) -> list[Order]:
        """Shops bring half of their till back to the bank."""
        orders = []
        for shop in self._homes[slug].get("BUSINESS", ()):
            cents = self._balance(slug, MEMBER, shop.account) // 2
            if cents:
                payout = sha256(b"payout" + shop.account)
                orders.append(Order(shop.account, {0: shop.seed}, RedeemRequest(cents, payout)))
        return orders

    def _balance(self, slug: str, klass: str, account: bytes) -> int:
        return BALANCES.get(self._state, f"{slug}:EUR", klass, account) or 0
