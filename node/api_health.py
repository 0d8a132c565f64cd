"""GET /v1/health: whether the coin of a wijk moves, is redeemed in time and works (economy C21).

What asks a walk through a month of movements is made once a book date for each wijk, between
other work of the node; the rest is of now. Payment times and refusals are those of this node.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from chain.address import ACCOUNT_BYTES
from chain.books import BATCHED, COST, REDEMPTIONS, Redemption, get_balance, get_class
from chain.books import OPEN as ASKED
from chain.codec import decode
from chain.contract import Clock
from chain.dates import DAY_S, date_text, from_days, is_banking_day, to_days
from chain.keyspaces import ACCOUNTS, BALANCES, BUSINESS, SUPPLY, AccountRecord, Wijk
from chain.texts import code_text
from node.api_objects import Prove, make_prover, read_wijk
from node.api_request import make_page
from node.chainstore import STATE, ChainStore
from node.http_server import answer_json
from node.standing import Node
from node.views import NO_SUPPLY, supply_cents, wijken

FULLEST = 5  # economy C21: the share of the five fullest business accounts
UNMOVED_DAYS = 30
TURN_ROWS = 200  # between two turns of the event loop: some 2 ms
ROWS_MAX = 2_000_000  # rows of a month: of more than that the figures are not made
HOLDERS_MIN = 10  # economy G7: no figure of fewer accounts
ID_BYTES = 32
PPM = 1_000_000
# Figures that no single proof shows: they are counted over accounts, or by this node alone.
UNPROVEN = (
    *("fullest_ppm", "unmoved_ppm", "payments_30_days", "finality_ms", "failures"),
    *("waiting.count", "waiting.median_days", "waiting.oldest_days"),
)

Json = dict[str, Any]


class Health:
    """The figures of each wijk, and the book date they were made on."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[int, Json]] = {}
        self._making = asyncio.Lock()

    async def get(self, node: Node, request: web.Request) -> web.StreamResponse:
        """Return a PAGE of the health figures of one wijk or of all."""
        wanted, prove = read_wijk(node, request), make_prover(node, request)
        items = []
        async with self._making:  # a second reader waits for the walk of the first
            for slug, wijk in wijken(node.state()):
                if wanted in (None, slug):
                    items.append(await self._of(node, slug, wijk, prove))
        return answer_json(make_page(items, None, node.store.tip.height))

    async def _of(self, node: Node, slug: str, wijk: Wijk, prove: Prove) -> Json:
        clock, denom = node.clock(), wijk.denom(slug)
        made = self._made.get(slug)
        if made is None or made[0] != clock.book_date:
            made = clock.book_date, await _walk(node, denom)
            self._made[slug] = made
        moves, waiting = made[1], await _waiting(node, clock, denom)
        clock = node.clock()  # no other block comes between here and the proofs
        cost = get_balance(clock.state, denom, COST, slug)
        supply = SUPPLY.get(clock.state, denom) or NO_SUPPLY
        return {
            "wijk": slug,
            "denom": denom,
            **moves,
            "outstanding_cents": supply_cents(supply),
            "waiting": waiting | {"amount_cents": supply.pending_out},
            "cost_cents": cost,
            "finality_ms": node.finality.percentiles((50, 95)),
            "failures": {
                code_text(number): count
                for number, count in sorted(node.runtime.intake.refused.items())
            },
            "unproven": list(UNPROVEN),
            "proof": prove(SUPPLY.key(denom)),
            "cost_proof": prove(BALANCES.key(denom, COST, slug)),
        }


async def _walk(node: Node, denom: str) -> Json:
    """Return how much of a coin lies still, by a walk over a month of its movements.

    Oldest coin goes first: what an account has beyond all that came in within thirty days did not
    move in them.
    """
    store, clock = node.store, node.clock()
    since = _first_height(store, clock.time_s - UNMOVED_DAYS * DAY_S)
    businesses: list[int] = []
    holders = unmoved = payments = rows = 0
    outstanding = supply_cents(SUPPLY.get(clock.state, denom) or NO_SUPPLY)
    for account, record in _accounts(store, denom.partition(":")[0]):
        cents = get_balance(clock.state, denom, get_class(record), account)
        holders += cents > 0
        if record.kind == BUSINESS:
            businesses.append(cents)
        came = 0
        for _, height, _, row in store.history(account):
            rows += 1
            if rows % TURN_ROWS == 0:
                await asyncio.sleep(0)
            if height < since or rows > ROWS_MAX:
                break
            came += row.cents if row.incoming else 0
            payments += not row.incoming and row.kind in ("payment", "trade")
        unmoved += max(0, cents - came)
        rows += 1  # accounts without a movement give the event loop its turns too
        if rows % TURN_ROWS == 0:
            await asyncio.sleep(0)
    many, whole = holders >= HOLDERS_MIN, rows <= ROWS_MAX
    fullest = sum(sorted(businesses)[-FULLEST:])
    return {
        "made_on": date_text(clock.book_date),
        "outstanding_cents": outstanding,
        "fullest_ppm": fullest * PPM // outstanding if many else None,
        "unmoved_ppm": unmoved * PPM // outstanding if many and whole else None,
        "payments_30_days": payments if whole else None,
    }


def _first_height(store: ChainStore, time_s: int) -> int:
    """Return the first height whose block is of that time or later."""
    low, high = 1, store.tip.height + 1
    while low < high:
        middle = (low + high) // 2
        header = store.header(middle)
        assert header is not None, "heights up to the tip are stored"
        if header.time_ms >= time_s * 1000:
            high = middle
        else:
            low = middle + 1
    return low


def _accounts(store: ChainStore, wijk: str) -> Iterator[tuple[bytes, AccountRecord]]:
    """Yield the accounts of a wijk, over a frozen view."""
    prefix = STATE + ACCOUNTS.key(bytes(ACCOUNT_BYTES))[:-ACCOUNT_BYTES]
    view = store.store.snapshot()
    try:
        for key, raw in view.scan(prefix, prefix + b"\xff" * (ACCOUNT_BYTES + 1)):
            record = decode(AccountRecord, raw)
            if record.wijk == wijk:
                yield key[len(prefix) :], record
    finally:
        view.close()


async def _waiting(node: Node, clock: Clock, denom: str) -> Json:
    """Return how long the unpaid redemptions of a coin wait, in days since they were asked."""
    today, days = to_days(clock.book_date), clock.number("redeem_days")
    waits: list[int] = []
    cents = 0
    prefix = STATE + REDEMPTIONS.key(bytes(ID_BYTES))[:-ID_BYTES]
    view = node.store.store.snapshot()
    try:
        for number, (_, raw) in enumerate(view.scan(prefix, prefix + b"\xff" * (ID_BYTES + 1))):
            if number % TURN_ROWS == TURN_ROWS - 1:
                await asyncio.sleep(0)
            one = decode(Redemption, raw)
            if one.denom != denom or one.status not in (ASKED, BATCHED):
                continue
            cents += one.cents
            if one.due:  # else the account is suspended, and its clock stands still
                waits.append(today - _asked_day(one.due, days))
    finally:
        view.close()
    waits.sort()
    return {
        "count": len(waits),
        "amount_cents": cents,
        "median_days": waits[len(waits) // 2] if waits else None,
        "oldest_days": waits[-1] if waits else None,
    }


def _asked_day(due: int, banking_days: int) -> int:
    """Return the banking day from which `due` lies so many ahead (C15).

    What was asked in a weekend counts as asked on the banking day before it.
    """
    day = to_days(due)
    while banking_days:
        day -= 1
        banking_days -= is_banking_day(from_days(day))
    return day
