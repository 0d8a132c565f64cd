"""Money with rules on it in a made-up year: who gives it, and how it is spent (economy P0 to P15).

One institution of each wijk gives a city pass, vouchers and a match for gifts; the board spends its
fund by budget lines; a household holds money for a builder and pays its dues; neighbours buy
together. Some claims are refused, as they are in shops. Milestones, payrolls and pacts (P6, P10,
P13) rest on records whose calls come later.
"""

from functools import partial
from typing import Any

from chain.books import FUND, MEMBER, SALE
from chain.codec import decode, encode
from chain.crypto import public_key
from chain.dates import DAY_S, to_days
from chain.plans import Line
from chain.records import Notice, Tag
from contracts.coin import Leg, Transfer
from contracts.governance import Cast, Execute, Propose
from contracts.governance import Close as CloseVote
from contracts.policies.frame import VERSION
from contracts.policies.p00_claim import Claim as PlainClaim
from contracts.policies.p01_area import Area
from contracts.policies.p02_category import Category
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring
from contracts.policies.p14_split import Part
from contracts.policies.p15_sunset import Sunset
from contracts.policy import Accept, Claim, Close, Create, EnrolToken, Fund, Release
from contracts.registry import PlanRecord, Put
from testnet.year_order import HOUR_S, Event, Order, Place, order_of
from testnet.year_plan import TRADES, YEAR, Resident, Size

# What a policy is called here: its clauses, as the chain reports them when it is written.
PASS = ("benefit", "area", "category", "cap", "sunset")
VOUCHER = ("claim", "category", "cap")
BUDGET = ("claim", "budget", "split")
MATCH = ("match", "expiry")
ESCROW, TOGETHER, DUES = ("escrow",), ("collective_buy",), ("recurring",)

VOTE_DAY, ENACT_DAY = 302, 304  # a day of voting, and a day of waiting before it has effect
WRITE_DAY, MATCH_DAY = 303, 305  # the match names the pass, which is accepted by then
ESCROW_DAYS = {401: "agreed", 901: "disputed"}
TOGETHER_DAY, PLEDGE_DAYS, DEADLINE, SETTLE_DAY = 526, range(602, 606), 620, 623
MATCH_END, PASS_END = 930, 1130
VOUCHER_CLOSE, DUES_STOP = 1117, 1203
FUND_DAY, ENROL_DAY, GIFT_DAY, LINE_DAY, DUES_DAY = 6, 4, 3, 14, 16  # of the month
SATURDAY, TUESDAY, WEDNESDAY = 5, 1, 2
FIRST_SHOPPING = 300 + FUND_DAY

HOLDERS_SHARE = 20  # one person in so many has a pass or a voucher
HOLDERS_MIN, GIVERS = 3, 2
GIVEN_CENTS = 15_000  # what the institution is given each month, and a euro for each person
CLAIMS_SHARE = 20  # claims a day: one for so many payments
PASS_TAKES = ("C01", "C03", "C11")  # food, clothes, eating out
DUES_CENTS, PIECE_CENTS, CHEAP_CENTS, WORK_CENTS, LINE_CENTS = 250, 900, 700, 3_000, 1_500
LINES: tuple[Any, ...] = (("FEEST", 4_000, "QUARTER"), ("GROEN", LINE_CENTS, "MONTH"))


class Pools:
    """The policies of one wijk."""

    def __init__(self, place: Place, size: Size) -> None:
        self._place = place
        self._claims = size.payments // CLAIMS_SHARE
        self._ids: dict[tuple[str, ...], bytes] = {}
        self._drafts: list[bytes] = []
        self._gifts: list[tuple[bytes, int]] = []  # payments to the target, not matched yet
        self._pledged = [0, 0]  # pieces, buyers
        self._work_cents = 0  # set aside for the builder
        self._decision = b""  # the budget vote

    @property
    def funder(self) -> Resident:
        """The institution that gives."""
        return self._place.home["INSTITUTION"][0]

    @property
    def _club(self) -> Resident:
        return self._place.home["ASSOCIATION"][0]

    def give_cents(self) -> int:
        """Return what the institution is given each month for all this, in cents."""
        return GIVEN_CENTS + 100 * len(self._place.home["PERSON"])

    # ------------------------------------------------------------------------ the calendar

    def plan_day(self, date: int, weekday: int) -> list[Event]:
        """Return what happens on a day from March on."""
        day, of_month = date % 10_000, date % 100
        at = 9 * HOUR_S + 7
        if day == VOTE_DAY:
            return [(at, partial(self._propose_budget, date)), (at + HOUR_S, self._vote)]
        if day < WRITE_DAY:
            return []
        events: list[Event] = [(at + 60, self._accept)]
        if day == WRITE_DAY:
            events.append((at - HOUR_S, self._close_vote))
            events.append((at, self._write))
        if day == ENACT_DAY:
            events.append((at, self._execute_vote))
        if day == MATCH_DAY:
            events.append((at, self._write_match))
        if day in ESCROW_DAYS:
            events.append((at, self._write_escrow))
        if day in [one + 2 for one in ESCROW_DAYS]:
            events.append((at, self._set_aside))
        if day - 9 in ESCROW_DAYS:
            events += self._finish_escrow(ESCROW_DAYS[day - 9])
        if day == TOGETHER_DAY:
            events.append((at, self._write_together))
        if day in PLEDGE_DAYS:
            events.append((at, partial(self._pledge, day - PLEDGE_DAYS[0])))
        if day == SETTLE_DAY:
            events.append((at, self._settle_together))
        if of_month == FUND_DAY:
            events.append((10 * HOUR_S + 11, partial(self._fund, day)))
        if of_month == ENROL_DAY and day > WRITE_DAY:
            events.append((10 * HOUR_S + 17, partial(self._enrol, date // 100)))
        if of_month == LINE_DAY:
            events.append((10 * HOUR_S + 23, self._spend_lines))
        if of_month == DUES_DAY and day < DUES_STOP:
            events.append((10 * HOUR_S + 29, partial(self._pay_dues, day // 100 - 3)))
        if day == VOUCHER_CLOSE:
            events.append((10 * HOUR_S + 31, partial(self._close, VOUCHER)))
        if day == DUES_STOP:
            events.append((10 * HOUR_S + 37, partial(self._close, DUES)))
        if MATCH_DAY < day <= MATCH_END and weekday == TUESDAY:
            events.append((11 * HOUR_S + 41, self._give))
            events.append((11 * HOUR_S + 101, self._match))
        count = max(self._claims, int(weekday in (WEDNESDAY, SATURDAY)))
        for i in range(count if day > FIRST_SHOPPING else 0):
            second = 12 * HOUR_S + i * (8 * HOUR_S // count)
            events.append((second, partial(self._shop, date)))
        return events

    def hear(self, notice: Notice) -> None:
        """Note the ids of policies, and what was pledged."""
        if notice.name == "governance.ProposalMade":
            self._decision = decode(list[Any], notice.values)[0]
        elif notice.name == "policy.PolicyCreated":
            policy, _, *clauses = decode(list[Any], notice.values)
            self._ids[tuple(clauses)] = policy
            self._drafts.append(policy)
        elif notice.name == "policy.PolicyFunded":
            policy, _, _, qty = decode(list[Any], notice.values)
            if policy == self._ids.get(TOGETHER):
                self._pledged = [self._pledged[0] + qty, self._pledged[1] + 1]

    def note_payment(self, tx: bytes, call: Transfer) -> None:
        """A gift to the target of the match may be cited."""
        (leg, *more) = call.legs
        if not more and MATCH in self._ids and leg.to == self._club.account:
            self._gifts.append((tx, leg.cents))

    # ------------------------------------------------------------------------ the budget vote

    def _propose_budget(self, date: int) -> list[Order]:
        """The board puts its lines to the vote: without it the fund pays nothing (I11)."""
        lines = tuple(Line(*line) for line in LINES)
        text = self._place.plan.seed(f"budget {self._place.slug}")
        begins = date - VOTE_DAY + ENACT_DAY
        call = Put("PLAN", None, PlanRecord(None, text, lines, ()), begins, None)
        closes = (to_days(date) + 1) * DAY_S
        propose = Propose("BUDGET", (encode(call),), text, 0, closes, 0)
        return [self._place.as_board(propose)]

    def _vote(self) -> list[Order]:
        """One in eight votes, which is more than the quorum; all but one in five for it."""
        people = self._place.home["PERSON"]
        voters = people[: len(people) // 8 + 1]
        return [
            order_of(one, Cast(self._decision, "NO" if i % 5 == 4 else "YES"))  # noqa: PLR2004
            for i, one in enumerate(voters)
        ]

    def _close_vote(self) -> list[Order]:
        return [order_of(self._club, CloseVote(self._decision))]

    def _execute_vote(self) -> list[Order]:
        return [order_of(self._club, Execute(self._decision))]

    # ------------------------------------------------------------------------ writing

    def _create(self, shape: Any, *guards: Any, split: Any = None) -> Create:
        role = "FUNDER"
        return Create(self._place.denom, shape, guards, split, "OUT-OF-SCOPE", role, None)

    def _write(self) -> list[Order]:
        place, home = self._place, self._place.home
        code, year = place.area
        plain = PlainClaim(VERSION)
        programme = place.plan.seed(f"programme {place.slug}")
        city_pass = self._create(
            Benefit(VERSION, programme, "BP", 5_000, 500, 2_500, "MONTH"),
            Area(VERSION, (code,), year, 0),
            Category(VERSION, PASS_TAKES, ()),
            Cap(VERSION, 0, 50_000, 0, 40_000, 0),
            Sunset(VERSION, _date(PASS_END), "RETURN", None),
        )
        voucher = self._create(
            plain, Category(VERSION, (), ("C02",)), Cap(VERSION, 1_000, 0, 90_000, 0, 1_200)
        )
        lines = tuple(BudgetLine(*line) for line in LINES)
        makers = (home["ASSOCIATION"][0], home["BUSINESS"][0], home["INSTITUTION"][0])
        parts = tuple(Part(one.account, 3 - i) for i, one in enumerate(makers))
        budget = self._create(plain, Budget(VERSION, lines, 1), split=parts)
        payer, club = home["HOUSEHOLD"][0], self._club
        first = _date(300 + DUES_DAY)
        dues = Recurring(VERSION, payer.account, club.account, DUES_CENTS, "MONTH", first, 12)
        return [
            *(order_of(self.funder, call) for call in (city_pass, voucher)),
            place.as_board(budget),
            order_of(payer, self._create(dues)),
        ]

    def _write_match(self) -> list[Order]:
        until = _date(MATCH_END)
        rule = Match(VERSION, self._club.account, 1, 2, 500, 20_000, _date(MATCH_DAY), until)
        expiry = Expiry(VERSION, until, self._ids[PASS])
        return [order_of(self.funder, self._create(rule, expiry))]

    def _write_escrow(self) -> list[Order]:
        home = self._place.home
        payer, builder = home["HOUSEHOLD"][0], home["BUSINESS"][-1]
        arbiters = (self._club.account, self.funder.account)
        wait = (7 * DAY_S, 30 * DAY_S)
        rule = EscrowRule(VERSION, payer.account, builder.account, arbiters, 1, *wait)
        return [order_of(payer, self._create(rule))]

    def _write_together(self) -> list[Order]:
        supplier = self._place.home["BUSINESS"][0]
        tiers = (Tier(1, PIECE_CENTS), Tier(4, CHEAP_CENTS))
        rule = CollectiveBuy(VERSION, supplier.account, 2, 0, tiers, _date(DEADLINE), 100)
        return [order_of(self._club, self._create(rule))]

    def _accept(self) -> list[Order]:
        """The board accepts what was written."""
        drafts, self._drafts = self._drafts, []
        return [self._place.as_board(Accept(one)) for one in drafts]

    # ------------------------------------------------------------------------ money in

    def _fund(self, day: int) -> list[Order]:
        """The institution puts a fifth of its coin into each pool; the board half of its fund."""
        place, orders = self._place, []
        cents = place.balance(MEMBER, self.funder.account) // 5
        for name, end in ((PASS, PASS_END), (VOUCHER, VOUCHER_CLOSE), (MATCH, MATCH_END)):
            if cents and day < end:
                orders.append(order_of(self.funder, Fund(self._ids[name], cents, None)))
        fund = min(place.balance(FUND, place.board[0]) // 2, 2 * LINE_CENTS)
        if fund:
            orders.append(place.as_board(Fund(self._ids[BUDGET], fund, None)))
        return orders

    def _set_aside(self) -> list[Order]:
        payer = self._place.home["HOUSEHOLD"][0]
        cents = min(WORK_CENTS, self._place.balance(MEMBER, payer.account) // 2)
        self._work_cents = cents
        return [order_of(payer, Fund(self._ids[ESCROW], cents, None))] if cents else []

    def _pledge(self, number: int) -> list[Order]:
        """Somebody wants one piece, the next one two, and so on."""
        buyer = self._place.home["PERSON"][number]
        qty = number + 1
        if self._place.balance(MEMBER, buyer.account) < qty * PIECE_CENTS:
            return []
        return [order_of(buyer, Fund(self._ids[TOGETHER], qty * PIECE_CENTS, qty))]

    def _enrol(self, month: int) -> list[Order]:
        """The registrars give out new keys: passes for the month, vouchers once (N41)."""
        place, orders = self._place, []
        count = self._count_holders()
        for name, period in ((PASS, month), (VOUCHER, 0)):
            first = month % 100 == WRITE_DAY // 100
            if (name is PASS and month % 100 * 100 < PASS_END) or (name is VOUCHER and first):
                keys = sorted(public_key(self._token(name, period, i)) for i in range(count))
                call = EnrolToken(self._ids[name], period, tuple(keys))
                orders.append(place.as_registrar(call))
        return orders

    def _count_holders(self) -> int:
        return max(HOLDERS_MIN, len(self._place.home["PERSON"]) // HOLDERS_SHARE)

    def _token(self, name: tuple[str, ...], period: int, number: int) -> bytes:
        place = self._place
        return place.plan.seed(f"token {place.slug} {name[0]} {period} {number}")

    # ------------------------------------------------------------------------ money out

    def _shop(self, date: int) -> list[Order]:
        """Somebody shops with a pass or a voucher; not every shop takes it (P1, P2, P5)."""
        place, rng = self._place, self._place.rng
        name = rng.choice((PASS, VOUCHER))
        number, shop = rng.randrange(self._count_holders()), rng.choice(place.home["BUSINESS"])
        cents = 25 * rng.randint(4, 44)
        if date % 10_000 > (PASS_END if name is PASS else VOUCHER_CLOSE - 1):
            return []
        product, _, percent = TRADES[shop.trade]
        tag = Tag(SALE, "P3", product, cents * percent // (100 + percent))
        call = Claim(self._ids[name], shop.account, cents, None, None, None, tag)
        token = self._token(name, date // 100 if name is PASS else 0, number)
        return [order_of(place.home["PERSON"][number], call, token)]

    def _spend_lines(self) -> list[Order]:
        """The board spends a budget line, divided over those who do the work (P9, P14)."""
        line = self._place.rng.choice(("FEEST", "GROEN"))
        cents, tag = self._place.rng.choice((700, 1_100, 1_501)), Tag("GRANT", None, None, 0)
        payee = self._club.account
        return [self._place.as_board(Claim(self._ids[BUDGET], payee, cents, line, None, None, tag))]

    def _pay_dues(self, number: int) -> list[Order]:
        call = Claim(self._ids[DUES], self._club.account, DUES_CENTS, number, None, None, None)
        return [order_of(self._club, call)]

    def _give(self) -> list[Order]:
        """People give to the club that the institution adds to."""
        place, orders = self._place, []
        for one in place.home["PERSON"][-GIVERS:]:
            cents = place.balance(MEMBER, one.account) // 4
            if cents:
                tag = Tag("GIFT", None, None, 0)
                leg = Leg(self._club.account, cents, tag, None)
                orders.append(order_of(one, Transfer((leg,), None)))
        return orders

    def _match(self) -> list[Order]:
        """Anybody may ask for what is added to a gift (P11)."""
        gifts, self._gifts = self._gifts, []
        payee = self._club.account
        return [
            order_of(self._club, Claim(self._ids[MATCH], payee, cents, None, tx, None, None))
            for tx, cents in gifts
        ]

    def _finish_escrow(self, how: str) -> list[Event]:
        """The builder delivers; the household confirms, or an arbiter divides (P7)."""
        at, home = 11 * HOUR_S + 7, self._place.home
        payer, builder = home["HOUSEHOLD"][0], home["BUSINESS"][-1]

        def deliver() -> list[Order]:
            mark = Claim(self._ids[ESCROW], builder.account, 0, None, None, None, None)
            return [order_of(builder, mark)] if self._work_cents else []

        def say(who: Resident, part: int) -> list[Order]:
            call = Release(self._ids[ESCROW], 1, self._work_cents * part // 3)
            return [order_of(who, call)] if self._work_cents else []

        if how == "agreed":
            return [(at, deliver), (at + 60, partial(say, payer, 3))]
        words = [(at + 60, partial(say, payer, 1)), (at + 120, partial(say, self._club, 2))]
        return [(at, deliver), *words]

    def _settle_together(self) -> list[Order]:
        """After the last day anybody ends the purchase; the price follows from the pieces (P8)."""
        pieces, buyers = self._pledged
        unit = CHEAP_CENTS if pieces >= 4 else PIECE_CENTS  # noqa: PLR2004 - the second tier
        cents = pieces * unit if buyers > 1 else 0
        if not buyers:
            return []
        return [order_of(self._place.home["PERSON"][0], Release(self._ids[TOGETHER], 0, cents))]

    def _close(self, name: tuple[str, ...]) -> list[Order]:
        """A funder ends a policy: free money goes home, dues stop."""
        who = self.funder if name is VOUCHER else self._place.home["HOUSEHOLD"][0]
        return [order_of(who, Close(self._ids[name]))]


def _date(day: int) -> int:
    return YEAR * 10_000 + day
