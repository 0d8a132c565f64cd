"""GET /v1/issues: what the board was asked, and whether it answered in time (economy N38, W16)."""

from typing import Any

from aiohttp import web

from chain.texts import Problem
from contracts.governance import IssueRecord
from contracts.governance.issue import ISSUES, NO_TIME
from node.api_objects import answer_objects, read_wijk
from node.standing import Node
from node.views import time_text

BAD_PARAMETER = 3009
TURN_ROWS = 200  # between two turns of the event loop
OPEN, ANSWERED, OVERDUE = "open", "answered", "overdue"
STATES = (OPEN, ANSWERED, OVERDUE)

Json = dict[str, Any]


async def list_issues(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of issues by id, of one wijk and state or of all; who asked is not told."""
    wijk, state = read_wijk(node, request), request.query.get("state")
    if state is not None and state not in STATES:
        raise Problem(BAD_PARAMETER, name="state")
    now_s = node.clock().time_s

    def show(issue_id: bytes, issue: IssueRecord) -> Json | None:
        if wijk not in (None, issue.wijk):
            return None
        shown = issue_json(issue_id, issue, now_s)
        return shown if state in (None, shown["state"]) else None

    scope = f"issues/{wijk or ''}/{state or ''}"
    return await answer_objects(node, request, ISSUES, scope, TURN_ROWS, show)


def issue_json(issue_id: bytes, issue: IssueRecord, now_s: int) -> Json:
    """Return an issue: digests and times; an open one past its day is overdue (W16)."""
    answered = issue.answered_s != NO_TIME
    return {
        "id": issue_id.hex(),
        "wijk": issue.wijk,
        "category": issue.category,
        "state": ANSWERED if answered else OVERDUE if now_s >= issue.due_s else OPEN,
        "text_sha256": issue.text.hex(),
        "opened_at": time_text(issue.opened_s * 1000),
        "due_at": time_text(issue.due_s * 1000),
        "answered_at": time_text(issue.answered_s * 1000) if answered else None,
        "answer_sha256": None if issue.answer is None else issue.answer.hex(),
    }
