"""GET /v1/accounts/{account}/proposals: orders that wait for the approval of its keys (B6)."""

from typing import Any

from aiohttp import web

from chain.call_json import call_bytes_to_json
from chain.contract import Table
from chain.keyspaces import ACCOUNTS
from chain.shared import PROPOSALS, Proposal
from chain.texts import Problem, code_text
from node.api_auth import Readers
from node.api_objects import answer_objects
from node.api_request import read_account
from node.standing import Node
from node.views import time_text

NOT_FOUND, BAD_PARAMETER = 3007, 3009
TURN_ROWS = 200  # between two turns of the event loop: a call is 32 KiB at most
STATES = ("open", "executed", "refused", "cancelled")

Json = dict[str, Any]


async def list_proposals(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of what was put up for approval by an account, in one state or all."""
    text, state = request.match_info["account"], request.query.get("state")
    account = read_account(text)
    readers.require(request, (account,))
    if ACCOUNTS.get(node.state(), account) is None:
        raise Problem(NOT_FOUND, what=text)
    if state is not None and state not in STATES:
        raise Problem(BAD_PARAMETER, name="state")

    def show(proposal_id: bytes, proposal: Proposal) -> Json | None:
        if proposal.account != account or state not in (None, proposal.status.lower()):
            return None
        return proposal_json(node.chain.table, proposal_id, proposal)

    scope = f"proposals/{text}/{state or ''}"
    return await answer_objects(node, request, PROPOSALS, scope, TURN_ROWS, show)


def proposal_json(table: Table, proposal_id: bytes, proposal: Proposal) -> Json:
    """Return a proposal; the call of one that is closed stands in the log alone."""
    call = call_bytes_to_json(table, proposal.call) if proposal.call else None
    return {
        "proposal": proposal_id.hex(),
        "state": proposal.status.lower(),
        "type": None if call is None else call["type"],
        "call": call,
        "proposer": proposal.proposer,
        "approved": list(proposal.approvals),
        "expires_at": time_text(proposal.expires * 1000),
        "refused_code": code_text(proposal.code) if proposal.code else None,
    }
