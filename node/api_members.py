"""GET /v1/members, and who voted what in the open: lists of accounts, never of names (N10, E10)."""

from typing import Any

from aiohttp import web

from chain.address import account_text
from chain.keyspaces import ACCOUNTS, MEMBER_KINDS, MEMBERS, REGISTRY, Member, get_role
from chain.texts import Problem
from chain.votes import CHOICE
from node.api_auth import Readers
from node.api_objects import answer_objects, make_prover, read_wijk
from node.api_votes import find_vote
from node.standing import Node
from node.views import account_status

BAD_PARAMETER = 3009
TURN_ROWS = 25  # between two turns of the event loop: two proofs each
ACCOUNT_BYTES = 20
KINDS = tuple(kind.lower() for kind in MEMBER_KINDS)
STATUSES = ("active", "frozen", "closed")
CHOICES = {"YES": "yes", "NO": "no", "BLANK": "abstain"}

Json = dict[str, Any]


async def list_members(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of memberships by account, of one wijk, kind and status or of all.

    Where history is for members alone, registrars read those of their wijk and auditors all (G3).
    """
    clock, wijk = node.clock(), read_wijk(node, request)
    held = None
    if wijk is not None:
        held = get_role(clock.state, wijk, REGISTRY, clock.epoch, clock.time_s)
    readers.require(request, () if held is None else (held.account,))
    kind, status = request.query.get("kind"), request.query.get("status")
    for name, word, known in (("kind", kind, KINDS), ("status", status, STATUSES)):
        if word is not None and word not in known:
            raise Problem(BAD_PARAMETER, name=name)

    prove = make_prover(node, request)

    def show(account: bytes, member: Member) -> Json | None:
        record = ACCOUNTS.get(clock.state, account)
        if record is None or member.membership == 0 or wijk not in (None, record.wijk):
            return None
        found = {
            "account": account_text(account),
            "wijk": record.wijk,
            "kind": record.kind.lower(),
            "status": account_status(clock, account, record),
            "area": member.area,
            "flags": [flag.lower() for flag in member.flags],
            "limit_cents": member.limit,
        }
        if kind not in (None, found["kind"]) or status not in (None, found["status"]):
            return None
        proofs = prove(MEMBERS.key(account)), prove(ACCOUNTS.key(account))
        return found | dict(zip(("proof", "account_proof"), proofs, strict=True))

    scope = f"members/{wijk or ''}/{kind or ''}/{status or ''}"
    return await answer_objects(
        node, request, MEMBERS, scope, TURN_ROWS, show, id_bytes=ACCOUNT_BYTES
    )


async def list_choices(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of who voted what in an open vote, by account: the last choice of each (E10).

    Each is a state key `choice/<decision>/<account>` with a proof of its own, so everybody who may
    read it can count again.
    """
    decision_id, decision, _ = find_vote(node.clock(), request)
    readers.require_member(request, decision.wijk)

    def show(account: bytes, choice: str) -> Json | None:
        return {"account": account_text(account), "choice": CHOICES[choice]}

    scope = f"choices/{decision_id.hex()}"
    return await answer_objects(
        node, request, CHOICE, scope, TURN_ROWS, show, (decision_id,), id_bytes=ACCOUNT_BYTES
    )
