"""GET /v1/redemptions: who still waits for bank money (economy C15 lists the late ones publicly).

Without account ids: the request's own id is enough for the desk that pays, and the list is open.
"""

from typing import Any

from aiohttp import web

from chain.books import ASKED, BATCHED, OPEN, REDEMPTIONS, Redemption
from chain.contract import Clock
from chain.dates import date_text
from contracts.coin import BATCHES
from node.api_objects import answer_objects, is_of, read_wijk
from node.standing import Node

TURN_ROWS = 500  # between two turns of the event loop

Json = dict[str, Any]


async def list_redemptions(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of the unpaid redemptions, of one wijk or of all, by id."""
    clock, wijk = node.clock(), read_wijk(node, request)

    def show(request_id: bytes, redemption: Redemption) -> Json | None:
        waits = redemption.status in (OPEN, BATCHED) and is_of(redemption.denom, wijk)
        return redemption_json(clock, request_id, redemption) if waits else None

    scope = f"redemptions/{wijk or ''}"
    return await answer_objects(node, request, REDEMPTIONS, scope, TURN_ROWS, show)


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
