"""GET /v1/votes, one vote and its tally, and /v1/values: what a wijk decides and pays for work."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from chain.address import account_text
from chain.call_json import call_bytes_to_json
from chain.codec import decode
from chain.contract import Clock
from chain.dates import date_text
from chain.errors import Malformed
from chain.keyspaces import DECISIONS, FEDERATION_WIJKEN, Decision
from chain.plans import get_version_in_force
from chain.texts import Problem
from chain.votes import (
    BUDGET,
    DRAFT,
    ENACT_S,
    EXECUTED,
    LAPSED,
    OPEN,
    ORDINARY,
    PASSED,
    PETITION,
    POLLS,
    RECALL,
    REJECTED,
    STATUTES,
    SURVEY,
    VOTES,
    VOTES_COUNT,
    Poll,
    get_quorum_pct,
    passes,
)
from chain.work import VALUATION, Valuation
from contracts.governance.proposal import get_collecting_end
from contracts.registry import CLASSES, OWNERS, RegisterOwner
from node.api_objects import answer_objects, make_prover, read_wijk
from node.api_request import (
    make_page,
    parse_number,
    read_at,
    read_cursor,
    read_limit,
    write_cursor,
)
from node.http_server import answer_json
from node.standing import Node
from node.views import time_text

NOT_FOUND, BAD_PARAMETER = 3007, 3009
TURN_ROWS = 50  # between two turns of the event loop
ROWS_SCANNED_MAX = 5_000  # votes looked at for one page
PPM = 1_000_000
NUMBER_BYTES = 8
TAGS = tuple(name.lower() for name in CLASSES)
COLLECTING, FAILED, EXPIRED = "collecting", "failed", "expired"
STATES = {
    DRAFT: COLLECTING,
    OPEN: "open",
    PASSED: "passed",
    REJECTED: FAILED,
    EXECUTED: "executed",
    LAPSED: EXPIRED,
}
RULES = {
    ORDINARY: "turnout_biased",
    BUDGET: "turnout_biased",
    STATUTES: "two_thirds",
    RECALL: "majority",
    SURVEY: "none",
    PETITION: "none",
}

Json = dict[str, Any]


async def list_votes(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of votes, of one wijk and state or of all, the newest of a wijk first."""
    clock, wijk, state = node.clock(), read_wijk(node, request), request.query.get("state")
    if state is not None and state not in STATES.values():
        raise Problem(BAD_PARAMETER, name="state")
    scope = f"votes/{wijk or ''}/{state or ''}"
    after, limit = read_cursor(request, scope), read_limit(request)
    items: list[Json] = []
    wijken = [wijk] if wijk is not None else list(FEDERATION_WIJKEN.get(clock.state) or ())
    for scanned, place in enumerate(get_places(clock, wijken, after), start=1):
        if scanned % TURN_ROWS == 0:
            await asyncio.sleep(0)
        _, decision, poll = get_vote_record(clock, *place)
        shown = vote_json(clock, decision, poll)
        if state is None or shown["state"] == state:
            items.append(shown)
        if len(items) == limit or scanned == ROWS_SCANNED_MAX:
            cursor = write_cursor(place_bytes(place), scope)
            return answer_json(make_page(items, cursor, clock.height))
    return answer_json(make_page(items, None, clock.height))


def get_places(clock: Clock, wijken: list[str], after: bytes | None) -> Iterator[tuple[str, int]]:
    """Yield wijk and number of the votes that come after a cursor; all there are is not listed."""
    counts = {slug: VOTES_COUNT.get(clock.state, slug) or 0 for slug in wijken}
    first, rest = wijken[0] if wijken else "", wijken
    top = counts.get(first, 0)
    if after is not None:
        name, _, number = after.partition(b"/")
        first, last = name.decode("ascii", "replace"), int.from_bytes(number, "big")
        if not 1 <= last <= counts.get(first, 0):
            raise Problem(BAD_PARAMETER, name="after")
        rest, top = wijken[wijken.index(first) :], last - 1
    for slug in rest:
        for number_ in range(top if slug == first else counts[slug], 0, -1):
            yield slug, number_


def place_bytes(place: tuple[str, int]) -> bytes:
    """Return the cursor after a vote: its wijk and number."""
    return place[0].encode() + b"/" + place[1].to_bytes(NUMBER_BYTES, "big")


async def get_vote(node: Node, request: web.Request) -> web.StreamResponse:
    """Return one vote with its actions, seconders and tally."""
    read_at(request, node.store)
    clock = node.clock()
    decision_id, decision, poll = find_vote(clock, request)
    prove = make_prover(node, request)
    actions = []
    for data in decision.actions:
        try:
            actions.append(call_bytes_to_json(clock.chain.table, data))
        except Malformed:  # of a version of the protocol that this program no longer has
            actions.append({"type": "unknown", "bytes": data.hex()})
    quorum_pct = get_quorum_pct(clock, decision)
    third = -(-PPM // 3)
    quorum = {ORDINARY: quorum_pct * 10_000, BUDGET: quorum_pct * 10_000}
    majority = {STATUTES: -(-2 * PPM // 3), RECALL: PPM // 2}
    tally = None if decision.status == DRAFT else tally_json(clock, decision, poll)
    return answer_json(
        {
            **vote_json(clock, decision, poll),
            "decision": decision_id.hex(),
            "body": None,
            "body_sha256": decision.text_digest.hex(),
            "options": [] if decision.klass == PETITION else ["yes", "no", "blank"],
            "rule": {
                "kind": RULES[decision.klass],
                "quorum_ppm": quorum.get(
                    decision.klass, third if decision.klass in majority else 0
                ),
                "majority_ppm": majority.get(decision.klass),
            },
            "proposer": account_text(poll.by),
            "seconders": {"have": poll.seconders, "need": poll.need},
            "actions": actions,
            "actions_sha256": decision.actions_digest.hex(),
            "cents": decision.cents,
            "tally": tally,
            "height": clock.height,
            "proof": prove(DECISIONS.key(decision_id)),
        }
    )


async def get_tally(node: Node, request: web.Request) -> web.StreamResponse:
    """Return how a vote stands."""
    clock = node.clock()
    _, decision, poll = find_vote(clock, request)
    return answer_json(tally_json(clock, decision, poll))


def find_vote(clock: Clock, request: web.Request) -> tuple[bytes, Decision, Poll]:
    """Return the vote that a route names, with its id; raise `Problem` 3007 for an unknown one."""
    wijk = request.match_info["wijk"]
    number = parse_number(request.match_info["n"], "n", 1)
    if VOTES.get(clock.state, wijk, number) is None:
        raise Problem(NOT_FOUND, what=f"{wijk[:64]}/{number}")
    return get_vote_record(clock, wijk, number)


def get_vote_record(clock: Clock, wijk: str, number: int) -> tuple[bytes, Decision, Poll]:
    """Return a vote by its number, which exists."""
    decision_id = VOTES.get(clock.state, wijk, number)
    assert decision_id is not None, f"vote {number} of {wijk} was counted"
    decision = DECISIONS.get(clock.state, decision_id)
    poll = POLLS.get(clock.state, decision_id)
    assert decision is not None, "a number names a decision"
    assert poll is not None, "a vote has a poll"
    return decision_id, decision, poll


def vote_json(clock: Clock, decision: Decision, poll: Poll) -> Json:
    """Return a vote as a list shows it; its text is not on the chain (interfaces 1.8)."""
    opens, closes = decision.window
    return {
        "id": f"{decision.wijk}/{decision.number}",
        "wijk": decision.wijk,
        "title": None,
        "class": decision.klass.lower(),
        "secret": bool(poll.secret),
        "state": get_state(clock, decision, poll),
        "opens_at": time_text(opens * 1000),
        "closes_at": time_text(closes * 1000),
        "ballots": sum(decision.tally),
        "eligible": poll.electorate,
        "my_choice": None,
    }


def get_state(clock: Clock, decision: Decision, poll: Poll) -> str:
    """Return the state of a vote (E34).

    One that passed expires where nobody carried it out, and a draft where too few seconded it in
    time, whether or not somebody closes it.
    """
    collects = get_collecting_end(decision, clock.number("vote_min_s"))
    if decision.status == DRAFT and clock.time_s >= collects:
        return EXPIRED
    enact_s = clock.number("enact_delay_s")
    if decision.status == PASSED and clock.time_s >= poll.decided_s + enact_s + ENACT_S:
        return EXPIRED
    return STATES[decision.status]


def tally_json(clock: Clock, decision: Decision, poll: Poll) -> Json:
    """Return the counts so far, and whether they are enough (economy E7)."""
    yes, no, blank = decision.tally
    ballots, eligible = yes + no + blank, poll.electorate
    passed = decision.klass not in (SURVEY, PETITION) and (
        decision.status in (PASSED, EXECUTED)
        if decision.status != OPEN
        else passes(decision.klass, yes, no, blank, eligible, get_quorum_pct(clock, decision))
    )
    return {
        "vote": f"{decision.wijk}/{decision.number}",
        "state": get_state(clock, decision, poll),
        "eligible": eligible,
        "ballots": ballots,
        "counts": {"yes": yes, "no": no, "abstain": blank},
        "turnout_ppm": ballots * PPM // eligible if eligible else 0,
        "passed": passed,
        "verified": None,
        "ok": True,
        "tx": None,
    }


async def list_values(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of what work is worth by vote: the version in force, or the one to come."""
    clock, wijk = node.clock(), read_wijk(node, request)
    tag = request.query.get("tag")
    if tag is not None and tag not in TAGS:
        raise Problem(BAD_PARAMETER, name="tag")

    def show(name: bytes, owner: RegisterOwner) -> Json | None:
        if owner.kind != VALUATION or wijk not in (None, owner.wijk):
            return None
        shown = value_json(clock, name, owner)
        return shown if shown is not None and tag in (None, shown["class"]) else None

    scope = f"values/{wijk or ''}/{tag or ''}"
    return await answer_objects(node, request, OWNERS, scope, TURN_ROWS, show)


def value_json(clock: Clock, name: bytes, owner: RegisterOwner) -> Json | None:
    """Return a price that was voted, or None where none is in force and none is coming."""
    found = get_version_in_force(clock.state, VALUATION, name, clock.book_date)
    found = found or get_version_in_force(clock.state, VALUATION, name, 99_991_231)
    if found is None:
        return None
    number, version = found
    record = decode(Valuation, bytes(version.record))
    return {
        "id": name.hex(),
        "wijk": owner.wijk,
        "activity": record.activity,
        "cents_per_unit": record.cents_per_unit,
        "unit": record.unit.lower(),
        "class": record.klass.lower(),
        "nace": record.nace,
        "coicop": record.coicop,
        "version": number,
        "valid_from_on": date_text(version.valid_from),
        "until_on": date_text(version.until) if version.until else None,
        "decision": None if version.decision is None else version.decision.hex(),
    }
