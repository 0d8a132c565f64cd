"""GET /v1/policies and /v1/policies/{id}: earmarked money, its rules in words, and its sums.

Where only members read, a policy that anybody may ask is shown to every account, any other to
those whom it is about and to the offices of its wijk (economy G3, N13).
"""

from typing import Any

from aiohttp import web

from chain.address import account_text
from chain.call_json import call_to_json
from chain.contract import Clock
from chain.dates import date_text
from chain.keyspaces import REGISTRY, WIJKEN, get_role
from chain.texts import Problem
from contracts.policies import POLICIES, Policy, get_last_date, get_shape
from contracts.policies.frame import ACTIVE, CLOSED, DRAFT
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p08_collective_buy import CollectiveBuy
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p11_match import Match
from contracts.policy import describe, takes_tokens
from node.api_auth import NOT_ALLOWED, Readers
from node.api_objects import Prove, answer_objects, is_of, make_prover, read_wijk
from node.api_request import read_at, read_hex
from node.http_server import answer_json
from node.standing import Node

NOT_FOUND, BAD_PARAMETER = 3007, 3009
TURN_ROWS = 20  # between two turns of the event loop: a policy reads 200 values at most
OFFERED = (Benefit, CollectiveBuy, Payroll, Match)  # whom they are for is not written in them
STATES = {status.lower(): status for status in (DRAFT, ACTIVE, CLOSED)}

Json = dict[str, Any]


async def list_policies(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of policies, of one wijk and state or of all, by id."""
    read_at(request, node.store)
    clock, wijk, state = node.clock(), read_wijk(node, request), request.query.get("state")
    if state is not None and state not in STATES:
        raise Problem(BAD_PARAMETER, name="state")
    prove = make_prover(node, request)

    def show(policy_id: bytes, policy: Policy) -> Json | None:
        asked = is_of(policy.denom, wijk) and (state is None or policy.status == STATES[state])
        if not asked or not may_read(readers, request, clock, policy):
            return None
        return policy_json(clock, policy_id, policy, prove)

    scope = f"policies/{wijk or ''}/{state or ''}"
    return await answer_objects(node, request, POLICIES, scope, TURN_ROWS, show)


async def get_policy(node: Node, readers: Readers, request: web.Request) -> web.StreamResponse:
    """Return one policy."""
    read_at(request, node.store)
    policy_id = read_hex(request.match_info["id"], "id")
    clock = node.clock()
    policy = POLICIES.get(clock.state, policy_id)
    if policy is None:
        raise Problem(NOT_FOUND, what=policy_id.hex())
    if not may_read(readers, request, clock, policy):
        raise Problem(NOT_ALLOWED)
    return answer_json(policy_json(clock, policy_id, policy, make_prover(node, request)))


def may_read(readers: Readers, request: web.Request, clock: Clock, policy: Policy) -> bool:
    """Say whether the reader may see a policy."""
    if isinstance(policy.shape, OFFERED) or takes_tokens(policy):
        return True  # whoever reads has an account, as the route asks
    shape = get_shape(policy.shape)
    named = () if shape.accounts is None else shape.accounts(policy.shape)
    parties = {policy.funder, *named, *(part.account for part in policy.split)}
    slug = policy.denom.partition(":")[0]
    wijk = WIJKEN.get(clock.state, slug)
    registry = get_role(clock.state, slug, REGISTRY, clock.epoch, clock.time_s)
    offices = {wijk.board} if wijk is not None else set()
    offices |= {registry.account} if registry is not None else set()
    return readers.may_read(request, parties | offices)


def policy_json(clock: Clock, policy_id: bytes, policy: Policy, prove: Prove) -> Json:
    """Return a policy with its sums, and its sentences with the numbers of now (P0)."""
    table, last = clock.chain.table, get_last_date(policy)
    return {
        "id": policy_id.hex(),
        "wijk": policy.denom.partition(":")[0],
        "denom": policy.denom,
        "funder": account_text(policy.funder),
        "state": policy.status.lower(),
        "shape": call_to_json(table, policy.shape),
        "guards": [call_to_json(table, guard) for guard in policy.guards],
        "split": [call_to_json(table, part) for part in policy.split],
        "vat_treatment": policy.vat_treatment,
        "payer_role": policy.payer_role,
        "theme": None if policy.theme is None else policy.theme.hex(),
        "funded_cents": policy.funded,
        "spent_cents": policy.spent,
        "pending_cents": policy.pending,
        "returned_cents": policy.returned,
        "free_cents": policy.free,
        "decided_tx": None if policy.decided is None else policy.decided.hex(),
        "since_on": date_text(policy.since) if policy.since else None,
        "ends_on": None if last is None else date_text(last),
        "sentences": {
            lang: describe(clock.state, policy_id, policy, clock.book_date, lang)
            for lang in ("nl", "en")
        },
        "height": clock.height,
        "proof": prove(POLICIES.key(policy_id)),
    }
