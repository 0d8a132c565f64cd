"""Deals of a made-up year that are not over at once: orders held, money given back (C10, C12, C18).

Somebody orders at a shop and pays on delivery; a shop takes something back; a buyer mends a tag;
two wijken swap coin at par, both legs or neither.
"""

from collections import deque

import msgspec

from chain.books import MEMBER, SALE
from chain.codec import digest
from chain.crypto import sha256
from chain.records import Tag
from contracts.coin import (
    Correct,
    Exchange,
    ExchangeLeg,
    HoldCall,
    Post,
    PostPart,
    Transfer,
    Void,
)
from testnet.year_order import HOUR_S, Event, Order, Place, order_of
from testnet.year_plan import Resident

DAY_S = 24 * HOUR_S
HOLD_CENTS, HOLD_S = 700, 2 * DAY_S
SWAP_CENTS = 500
SALES_KEPT = 6  # a refund is asked within days
LATE_DAYS = range(701, 708)  # but once somebody comes half a year later
TUESDAY, WEDNESDAY, THURSDAY = 1, 2, 3
SWAP_DAYS = (318, 617, 916)  # Tuesdays
OTHER_PRODUCT = "C05"  # what was bought after all


class Sale(msgspec.Struct, frozen=True):
    """A payment with a tag that may be corrected: its transaction, the two parties, cents."""

    tx: bytes
    payer: bytes
    payee: bytes
    cents: int
    tag: Tag


class Deals:
    """The holds, swaps and corrections of one wijk; `partner` is another wijk of the year."""

    def __init__(self, place: Place, partner: Place) -> None:
        self._place, self._partner = place, partner
        self._held: list[tuple[bytes, int, bytes]] = []  # hold, cents, payee
        self._sales: deque[Sale] = deque(maxlen=SALES_KEPT)
        self._first: Sale | None = None  # the first of all, for a correction too late
        self._swap: tuple[Exchange, dict[bytes, bytes]] | None = None  # its holds, by payer

    def plan_day(self, date: int, weekday: int) -> list[Event]:
        """Return what happens on a day in a wijk that is at work."""
        events: list[Event] = []
        if weekday == TUESDAY:
            events.append((14 * HOUR_S + 21, self._hold))
        if weekday == WEDNESDAY:
            events.append((14 * HOUR_S + 23, self._settle_holds))
        if weekday == THURSDAY:
            events.append((15 * HOUR_S + 31, self._correct))
            if date % 10_000 in LATE_DAYS:
                events.append((15 * HOUR_S + 91, self._correct_late))
        if date % 10_000 in SWAP_DAYS:
            events.append((16 * HOUR_S + 41, lambda: self._offer_swap(date)))
            events.append((16 * HOUR_S + 101, self._post_swap))
        return events

    def note_hold(self, hold: bytes, to: bytes, cents: int) -> None:
        """A hold of this wijk was made."""
        self._held.append((hold, cents, to))

    def note_leg(self, link: bytes, hold: bytes, payer: bytes) -> None:
        """A hold of a swap was made, in one wijk or the other."""
        if self._swap is not None and digest(self._swap[0]) == link:
            self._swap[1][payer] = hold

    def note_payment(self, tx: bytes, payer: bytes, call: Transfer) -> None:
        """A payment was made; sales with a tag may be corrected (economy C18)."""
        (leg, *more) = call.legs
        if not more and leg.tag is not None and leg.tag.flow == SALE:
            sale = Sale(tx, payer, leg.to, leg.cents, leg.tag)
            if self._first is None:
                self._first = sale
            else:
                self._sales.append(sale)

    def _find(self, account: bytes) -> Resident:
        home = self._place.home
        return next(one for kind in home for one in home[kind] if one.account == account)

    def _hold(self) -> list[Order]:
        """Somebody orders at a shop: the money is set aside until it delivers (economy C10)."""
        place, orders = self._place, []
        for one in place.home["PERSON"][:4]:
            if place.balance(MEMBER, one.account) >= HOLD_CENTS:
                shop = place.rng.choice(place.home["BUSINESS"])
                call = HoldCall(shop.account, HOLD_CENTS, HOLD_S, None, None)
                orders.append(order_of(one, call))
        return orders

    def _settle_holds(self) -> list[Order]:
        """Most shops deliver, some a part; one calls it off, and one forgets: the hold expires."""
        held, self._held = self._held, []
        orders: list[Order] = []
        for hold, cents, to in held:
            shop = self._find(to)
            what = self._place.rng.randrange(8)
            if what == 0:
                orders.append(order_of(shop, Void(hold)))
            elif what > 1:
                part = PostPart(hold, cents if what > 2 else cents // 2)  # noqa: PLR2004
                orders.append(order_of(shop, Post((part,), None)))
        return orders

    def _correct(self) -> list[Order]:
        """A shop gives half of a sale back; a buyer says that it was for something else (C18)."""
        orders = []
        if len(self._sales) > 1:
            back, anew = self._sales.popleft(), self._sales.popleft()
            half = Correct(back.tx, 0, "MONEY", max(1, back.cents // 2), None, "RETURNED-GOODS")
            orders.append(order_of(self._find(back.payee), half))
            tag = msgspec.structs.replace(anew.tag, product=OTHER_PRODUCT)
            other = Correct(anew.tx, 0, "TAG", anew.cents, tag, "WRONG-PRODUCT")
            orders.append(order_of(self._find(anew.payer), other))
        return orders

    def _correct_late(self) -> list[Order]:
        """A buyer changes what a payment was for, of a month whose figures are closed (C18)."""
        sale = self._first
        if sale is None:
            return []
        tag = msgspec.structs.replace(sale.tag, product=OTHER_PRODUCT)
        late = Correct(sale.tx, 0, "TAG", sale.cents, tag, "WRONG-PRODUCT")
        return [order_of(self._find(sale.payer), late)]

    def _offer_swap(self, date: int) -> list[Order]:
        """One with an account in both wijken swaps coin with another such one, at par (C12)."""
        here, there = self._place, self._partner
        legs = []
        for place, who in ((here, (0, 1)), (there, (1, 0))):
            payer, payee = (place.home["PERSON"][i].account for i in who)
            if place.balance(MEMBER, payer) < SWAP_CENTS:
                return []
            legs.append(ExchangeLeg(payer, payee, place.denom, SWAP_CENTS))
        exchange = Exchange((legs[0], legs[1]), 1, 1, date)
        self._swap, link = (exchange, {}), digest(exchange)
        return [
            order_of(place.home["PERSON"][i], HoldCall(leg.to, leg.cents, HOLD_S, link, None))
            for place, i, leg in ((here, 0, legs[0]), (there, 1, legs[1]))
        ]

    def _post_swap(self) -> list[Order]:
        """The payee of one leg posts both, in full, in one call."""
        if self._swap is None:
            return []
        (exchange, holds), self._swap = self._swap, None
        if len(holds) < len(exchange.legs):  # one was refused; the other expires
            return []
        parts = tuple(PostPart(holds[leg.payer], leg.cents) for leg in exchange.legs)
        return [order_of(self._place.home["PERSON"][1], Post(parts, exchange))]


def find_payout(account: bytes) -> bytes:
    """Return the commitment to the bank account of somebody (economy C13)."""
    return sha256(b"payout" + account)
