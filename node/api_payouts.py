"""GET /v1/redemptions: who still waits for bank money (economy C15 lists the late ones publicly).

Without account ids: the request's own id is enough for the desk that pays, and the list is open.
"""

from typing import Any

from aiohttp import web

from chain.books import ASKED, BATCHED, OPEN, REDEMPTIONS, Redemption
from chain.contract import Clock
from chain.dates import date_text
from chain.keyspaces import TREASURY, WIJKEN, get_role
from contracts.coin import BATCHES
from node.api_auth import Readers
from node.api_objects import answer_objects, is_of, make_prover, read_wijk
from node.api_request import read_flag
from node.standing import Node

TURN_ROWS = 500  # between two turns of the event loop

Json = dict[str, Any]


async def list_redemptions(
    node: Node, readers: Readers, request: web.Request
) -> web.StreamResponse:
    """Return a PAGE of the unpaid redemptions, of one wijk or of all, by id.

    A proof shows whose redemption it is: where only members read it is for those who pay.
    """
    clock, wijk = node.clock(), read_wijk(node, request)
    prove = make_prover(node, request)
    if read_flag(request, "prove"):
        readers.require(request, _get_desk(clock, wijk))

    def show(request_id: bytes, redemption: Redemption) -> Json | None:
        if redemption.status not in (OPEN, BATCHED) or not is_of(redemption.denom, wijk):
            return None
        proof = {"proof": prove(REDEMPTIONS.key(request_id))}
        return redemption_json(clock, request_id, redemption) | proof

    scope = f"redemptions/{wijk or ''}"
    return await answer_objects(node, request, REDEMPTIONS, scope, TURN_ROWS, show)


def _get_desk(clock: Clock, slug: str | None) -> set[bytes]:
    """Return board and treasury of a wijk; nobody where no wijk was named."""
    wijk = None if slug is None else WIJKEN.get(clock.state, slug)
    if slug is None or wijk is None:
        return set()
    treasury = get_role(clock.state, slug, TREASURY, clock.epoch, clock.time_s)
    return {wijk.board} if treasury is None else {wijk.board, treasury.account}


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
