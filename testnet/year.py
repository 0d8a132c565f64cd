"""A year of a wijk: realistic activity of a federation, straight into blocks (economy L1 to L3).

Every block comes from the real executor and is certified by the validators of the plan; only the
waiting is left out. The bank of each wijk gives the camt.053 files that belong to it. The chain may
refuse what residents want; that stands in blocks too.
"""

from collections import defaultdict
from collections.abc import Callable
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
from chain.records import Outcome, Tag, Tx
from chain.state import State
from contracts.coin import LEGS_MAX, FreezeCall, Leg, RedeemRequest, SetMinter, Transfer
from contracts.members import ATTACH_MAX, Admit, Attach, NewAccount, SetLimits
from contracts.members import Place as Shop
from contracts.policy import Create
from contracts.stats import ClosePeriod
from contracts.trade import Pay
from node.chainstore import ChainStore
from testnet.bank_books import write_iso_date
from testnet.decide import Deciders
from testnet.plan import Plan
from testnet.year_deals import Deals, find_payout
from testnet.year_order import HOUR_S, Event, Make, Office, Order, Place, order_of, show_token
from testnet.year_plan import (
    REDEEM_LIMIT_CENTS,
    TRADES,
    YEAR,
    Resident,
    Size,
    draw_payment,
    draw_residents,
)
from testnet.year_pools import Pools
from testnet.year_treasury import Request, Treasury
from wallet.keystore import derive_seed
from wallet.sign import build_body, sign_body

OFFSET_S = 3_600  # `date_offset_s`: the local day begins an hour before that of UTC (economy B9)
VALIDITY_S = 300
BURST_PER_S = 50  # economy L3
ADMIT_PER_MIN = 80  # below the quota of a role account: 1,000 in 600 s
ADMIT_DAYS, SHOPS_DAY = range(102, 106), 106  # of January
ALLOWANCE_CENTS = 10**9
GRANT_CENTS = 8_000  # a month: eleven of them fit in the budget of the founding decision
LINES_CENTS = 4_000  # a month, for what the board spends by budget lines
OPEN_FROM, OPEN_HOURS = 8, 14  # people pay from 8:00 to 22:00
MARKET_TIMES = 2  # a market day has so many times the payments
FRIDAY, SATURDAY = 4, 5
KINGS_DAY = 426
FREEZE_DAY, FREEZE_S = 515, 3 * DAY_S
MISTAKE_DAY, RELEASE_DAY = 602, 603  # who was frozen by mistake is free the next day
PAY_DAY, GRANT_DAY = 25, 5
CLOSE_DAY = 11  # the tenth day after the month before
STARTED = 131  # wages and grants come from February on
LOST_DAYS = (310, 610, 910, 1229)  # somebody forgets the reference; the last stays open
FIRST_GIFT_DAY = 130  # the municipality fills the wijk fund, and then every month
SENT_BACK_DAYS = (203, 505, 804, 1103)  # Mondays: what shops asked on Friday
PERSON_CENTS = (2_000, 2_500, 5_000, 10_000)  # what people bring to the bank
LOW_CENTS = 2_500  # below which they do


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
        self._plan, self._size, self._genesis = plan, size, genesis
        self._deciders = Deciders(plan, genesis, store)
        self._rng = Random(plan.seed("year"))  # noqa: S311 - the same seed gives the same year
        self._market_date = YEAR * 10_000 + KINGS_DAY
        self._state = State(store.read_state)
        self._read = store.read_state
        self._spent: dict[bytes, int] = defaultdict(int)  # in the block being made
        self._slugs = [wijk.slug for wijk in plan.wijken]
        self._coming = {slug: draw_residents(plan, size, slug) for slug in self._slugs}
        self._homes: dict[str, dict[str, list[Resident]]] = {}
        self._places: dict[str, Place] = {}
        self._treasuries: dict[str, Treasury] = {}
        for number, wijk in enumerate(plan.wijken, start=1):
            slug = wijk.slug
            self._homes[slug] = self._find_known(slug)
            self._places[slug] = Place(
                plan,
                slug,
                (wijk.cbs_code, wijk.cbs_year),
                self._homes[slug],
                self._get_office("board", slug, "abc"),
                self._get_office("registrar", slug, "ab"),
                self._rng,
                self._balance,
            )
            opening = sum(one.balance_cents for one in plan.people if one.wijk == slug)
            self._treasuries[slug] = Treasury(number, slug, plan.reserve(slug), opening)
        places = list(self._places.values())
        self._pools = {one.slug: Pools(one, size) for one in places}
        self._deals = {
            one.slug: Deals(one, partner)
            for one, partner in zip(places, [*places[1:], places[0]], strict=True)
        }

    def play(self, on_day: Callable[[int], None] = lambda _date: None) -> Played:
        """Play every day; `on_day` hears the date, YYYYMMDD, of each that is over."""
        first = to_days(YEAR * 10_000 + 101)
        # A year that is over before King's day has its great market on its last day (L3).
        self._market_date = min(YEAR * 10_000 + KINGS_DAY, from_days(first + self._size.days - 1))
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

    def _plan_day(self, date: int) -> list[Event]:
        """Return what happens, with its second of the day."""
        day, weekday = date % 10_000, (to_days(date) + 3) % 7
        events: list[Event] = []
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
        if date == self._market_date:
            for i in range(BURST_PER_S * self._size.burst_s):
                slug = self._slugs[i % len(self._slugs)]
                second = 13 * HOUR_S + 600 + i // BURST_PER_S
                events.append((second, partial(self._pay_somebody, slug)))
        return events

    def _plan_offices(self, slug: str, date: int) -> list[Event]:
        """What boards, registrars and treasurers do on a day; the bank only on banking days."""
        day, weekday = date % 10_000, (to_days(date) + 3) % 7
        events: list[Event] = []
        if day in ADMIT_DAYS:
            minutes = range(9 * 60) if self._coming[slug] else range(0)
            events += [(9 * HOUR_S + 60 * m, partial(self._admit, slug)) for m in minutes]
        if day == SHOPS_DAY:
            events.append((7 * HOUR_S, partial(self._describe_shops, slug)))
        if date % 100 == 1:
            events.append((8 * HOUR_S - 60, partial(self._allow, slug)))
        if day > STARTED:
            events += self._deals[slug].plan_day(date, weekday)
            events += self._pools[slug].plan_day(date, weekday)
        if day == FREEZE_DAY:
            events.append((9 * HOUR_S + 25, partial(self._freeze, slug, date)))
        if day == MISTAKE_DAY:
            events.append((9 * HOUR_S + 25, partial(self._freeze_by_mistake, slug, date)))
        if day == RELEASE_DAY:
            events.append((9 * HOUR_S + 25, partial(self._release, slug)))
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
            call = show_token(order, digest, nonce)
            body = build_body(digest, order.sender, nonce, time_s + VALIDITY_S, call)
            envelopes.append(sign_body(body, order.seeds))
        txs, executed = self._deciders.decide(1000 * time_s, envelopes)
        self.played.blocks += 1
        for tx, outcome in zip(txs, executed.outcomes, strict=True):
            name = call_name(tx.call)
            self.played.by_call[name] = self.played.by_call.get(name, 0) + 1
            self.played.refused += outcome.code != 0
            self._hear(tx, outcome)

    def _hear(self, tx: Tx, outcome: Outcome) -> None:
        """Tell those whom it concerns what was done."""
        slug = next((posting.wijk for posting in outcome.postings), "")
        if isinstance(tx.call, Transfer) and outcome.code == 0 and slug:
            self._deals[slug].note_payment(tx.id, tx.sender, tx.call)
            if outcome.postings[0].klass == MEMBER:
                self._pools[slug].note_payment(tx.id, tx.call)
        for notice in outcome.notices:
            if notice.name == "coin.Held":
                hold, payer, to, cents, _, link = decode(list[Any], notice.values)
                if link is None:
                    self._deals[slug].note_hold(hold, to, cents)
                else:
                    for deals in self._deals.values():
                        deals.note_leg(link, hold, payer)
            if notice.name == "coin.RedeemRequested":
                request, account, cents, _ = decode(list[Any], notice.values)
                place = outcome.postings[-1].wijk  # of a payment across wijken, the payee's
                self._treasuries[place].note_request(Request(request, account, cents))
            if notice.name == "governance.ProposalMade":
                self._pools[decode(list[Any], notice.values)[1]].hear(notice)
            if notice.name.startswith("policy."):
                call = tx.call
                place = call.denom.partition(":")[0] if isinstance(call, Create) else slug
                if place:
                    self._pools[place].hear(notice)

    # ---------------------------------------------------------------------------- offices

    def _get_office(self, office: str, slug: str, letters: str) -> Office:
        """Return the shared account of an office and the seeds of its keys."""
        names = [f"{office}-{slug}-{letter}" for letter in letters]
        seeds = [bytes(derive_seed(self._plan.seed(name), 0)) for name in names]
        return self._plan.account(names[0]), seeds

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
        code, year = self._places[slug].area
        for one in coming:
            flags = ("VOTE", "STAND") if one.kind == "PERSON" else ()
            call = Admit(public_key(one.seed), one.kind, code, year, flags, NO_LIMIT)  # type: ignore[arg-type]
            orders.append(self._places[slug].as_registrar(call))
        if not coming:
            coming = waiting[:ATTACH_MAX]
            keys = sorted(public_key(one.seed) for one in coming)
            if keys:
                batch = Attach(tuple(NewAccount(key, "PERSON", NO_LIMIT) for key in keys))
                orders.append(self._places[slug].as_registrar(batch))
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
            where = Shop(*self._places[slug].area, None)
            call = SetLimits(
                shop.account, (), limit, int(i == 0), 0, 0, 0, 0, nace, product, (where,)
            )
            orders.append(self._places[slug].as_registrar(call))
        return orders

    def _allow(self, slug: str) -> list[Order]:
        return [self._places[slug].as_board(SetMinter(f"{slug}:EUR", ALLOWANCE_CENTS))]

    def _close_month(self, slug: str, date: int) -> list[Order]:
        """Anybody may close the figures of the month before (economy S2)."""
        closer = self._homes[slug]["PERSON"][0]
        return [order_of(closer, ClosePeriod(slug, date // 100 - 1))]

    def _grant(self, slug: str) -> list[Order]:
        """The wijk fund gives to an association, on the founding decision."""
        board, _ = self._places[slug].board
        if self._balance(slug, FUND, board) < GRANT_CENTS:
            return []
        basis = founding_decision_id(self._plan.chain_id, slug)
        payee = self._rng.choice(self._homes[slug]["ASSOCIATION"]).account
        leg = Leg(payee, GRANT_CENTS, Tag("GRANT", None, None, 0), None)
        return [self._places[slug].as_board(Transfer((leg,), basis))]

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
            treasury.receive(self._places[slug].board[0], GRANT_CENTS + LINES_CENTS)
            treasury.receive(self._pools[slug].funder.account, self._pools[slug].give_cents())
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
        return [self._places[slug].as_board(call) for call, _ in batches]

    def _freeze(self, slug: str, date: int) -> list[Order]:
        """Two seats freeze the account of a person, which tries to pay and may redeem (C19)."""
        one = self._homes[slug]["PERSON"][1]
        until = to_days(date) * DAY_S + FREEZE_S
        payout = find_payout(one.account)
        last = from_days(to_days(date) + FREEZE_S // DAY_S)
        self._treasuries[slug].note_freeze(one.account, write_iso_date(last))
        shop = self._homes[slug]["BUSINESS"][0]
        return [
            self._places[slug].as_board(FreezeCall(one.account, 1, "FRAUD-REPORT", until, None)),
            order_of(one, Transfer((Leg(shop.account, 1, None, None),), None)),
            order_of(one, RedeemRequest(1, payout)),
        ]

    def _freeze_by_mistake(self, slug: str, date: int) -> list[Order]:
        """The wrong account is frozen for ten days; it is set free the next morning."""
        one = self._homes[slug]["PERSON"][2]
        until = to_days(date) * DAY_S + 10 * DAY_S
        call = FreezeCall(one.account, 1, "FRAUD-REPORT", until, None)
        return [self._places[slug].as_board(call)]

    def _release(self, slug: str) -> list[Order]:
        one = self._homes[slug]["PERSON"][2]
        return [self._places[slug].as_board(FreezeCall(one.account, 0, "MISTAKE", 0, None))]

    def _attest(self, slug: str, date: int, booked: list[Order]) -> list[Order]:
        """Attest the bank's day; what follows from it is put in `booked`, for the next block."""
        attested, found = self._treasuries[slug].attest(date)
        booked += [self._places[slug].as_board(call) for call in found]
        return [self._places[slug].as_board(call) for call in attested]

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
        return [order_of(payer, call)]

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
                orders.append(order_of(shop, Transfer(legs, None)))
        return orders

    def _redeem(self, slug: str) -> list[Order]:
        """Shops bring half of their till back to the bank."""
        orders = []
        for shop in self._homes[slug].get("BUSINESS", ()):
            cents = self._balance(slug, MEMBER, shop.account) // 2
            if cents:
                call = RedeemRequest(cents, find_payout(shop.account))
                orders.append(order_of(shop, call))
        return orders

    def _balance(self, slug: str, klass: str, account: bytes) -> int:
        return BALANCES.get(self._state, f"{slug}:EUR", klass, account) or 0
