"""GET /v1/redemptions: who still waits for bank money (economy C15 lists the late ones publicly).

Without account ids: the request's own id is enough for the desk that pays, and the list is open.
"""

import asyncio
from typing import Any

from aiohttp import web

from chain.books import ASKED, BATCHED, OPEN, REDEMPTIONS, Redemption
from chain.codec import decode
from chain.contract import Clock
from chain.keyspaces import FEDERATION_WIJKEN
from chain.texts import Problem
from contracts.coin import BATCHES
from node.api_request import make_page, read_cursor, read_limit, write_cursor
from node.chainstore import STATE
from node.http_server import answer_json
from node.standing import Node
from node.views import date_text

NOT_FOUND = 3007
ROWS_SCANNED_MAX = 5_000  # redemptions looked at for one page: paid ones are kept for ever
SCAN_CHUNK = 500  # rows between two turns of the event loop
ID_BYTES = 32

Json = dict[str, Any]


async def list_redemptions(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of the unpaid redemptions, of one wijk or of all, by id."""
    wijk = request.query.get("wijk")
    clock = node.clock()
    if wijk is not None and wijk not in (FEDERATION_WIJKEN.get(clock.state) or ()):
        raise Problem(NOT_FOUND, what=wijk[:64])
    scope = f"redemptions/{wijk or ''}"
    after, limit = read_cursor(request, scope), read_limit(request)
    prefix = STATE + REDEMPTIONS.key(bytes(ID_BYTES))[:-ID_BYTES]
    start = prefix if after is None else prefix + after + b"\x00"
    items: list[Json] = []
    height = node.store.tip.height
    view = node.store.store.snapshot()
    try:
        rows = view.scan(start, prefix + b"\xff" * (ID_BYTES + 1))
        for number, (key, raw) in enumerate(rows):
            if number % SCAN_CHUNK == SCAN_CHUNK - 1:
                await asyncio.sleep(0)
            request_id, redemption = key[len(prefix) :], decode(Redemption, raw)
            if redemption.status in (OPEN, BATCHED) and _is_of(redemption, wijk):
                items.append(redemption_json(clock, request_id, redemption))
            if len(items) == limit or number == ROWS_SCANNED_MAX:
                return answer_json(make_page(items, write_cursor(request_id, scope), height))
    finally:
        view.close()
    return answer_json(make_page(items, None, height))


def redemption_json(clock: Clock, request_id: bytes, redemption: Redemption) -> Json:
    """Return one unpaid redemption; `due_on` is null while its clock stands still (C19)."""
    due = redemption.due
    for label, day, _ in ASKED.get(clock.state, redemption.account) or ():
        due = day if label == redemption.due else due
    batch = None if redemption.batch is None else BATCHES.get(clock.state, redemption.batch)
    return {
        "redemption_id": request_id.hex(),
        "denom": redemption.denom,
        "amount_cents": redemption.cents,
        "status": redemption.status.lower(),
        "due_on": date_text(due) if due else None,
        "overdue": 0 < due < clock.book_date,
        "batch": None if redemption.batch is None else redemption.batch.hex(),
        "file": None if batch is None else batch.file.hex(),
    }


def _is_of(redemption: Redemption, wijk: str | None) -> bool:
    return wijk is None or redemption.denom.partition(":")[0] == wijk
