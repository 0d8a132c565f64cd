"""GET /v1/accounts/{account}/holds: what is set aside by an account, and for it (economy C10)."""

from typing import Any

from aiohttp import web

from chain.address import account_text
from chain.contract import Clock
from chain.keyspaces import ACCOUNTS, EXPIRED, HOLDS, OPEN, POSTED, VOIDED, Hold
from chain.texts import Problem
from node.api_auth import Readers
from node.api_objects import answer_objects, make_prover
from node.api_request import read_account
from node.standing import Node
from node.views import time_text

NOT_FOUND, BAD_PARAMETER = 3007, 3009
TURN_ROWS = 500  # between two turns of the event loop
STATES = {status.lower(): status for status in (OPEN, POSTED, VOIDED, EXPIRED)}

Json = dict[str, Any]


async def list_holds(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of the holds of which an account is payer or payee, in one state or all."""
    text, state = request.match_info["account"], request.query.get("state")
    account = read_account(text)
    readers.require(request, (account,))
    clock = node.clock()
    if ACCOUNTS.get(clock.state, account) is None:
        raise Problem(NOT_FOUND, what=text)
    if state is not None and state not in STATES:
        raise Problem(BAD_PARAMETER, name="state")

    prove = make_prover(node, request)

    def show(hold_id: bytes, hold: Hold) -> Json | None:
        if account not in (hold.payer, hold.to):
            return None
        found = hold_json(clock, hold_id, hold) | {"proof": prove(HOLDS.key(hold_id))}
        return found if state is None or found["state"] == state else None

    scope = f"holds/{text}/{state or ''}"
    return await answer_objects(node, request, HOLDS, scope, TURN_ROWS, show)


def hold_json(clock: Clock, hold_id: bytes, hold: Hold) -> Json:
    """Return one hold; one that is over but not swept yet can no longer be taken (C10)."""
    over = hold.status == OPEN and clock.time_s >= hold.expires
    return {
        "hold": hold_id.hex(),
        "state": (EXPIRED if over else hold.status).lower(),
        "payer": account_text(hold.payer),
        "to": account_text(hold.to),
        "denom": hold.denom,
        "amount_cents": hold.cents,
        "posted_cents": hold.posted,
        "expires_at": time_text(hold.expires * 1000),
        "link": None if hold.link is None else hold.link.hex(),
    }
