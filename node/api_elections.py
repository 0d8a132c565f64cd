"""GET /v1/elections and what is below: elections, their ballots and manifests (interfaces 2.2).

People call an election `<wijk>/<n>`; the state maps that to its id. Names of candidates stand off
the chain, so they are null here.
"""

from typing import Any

from aiohttp import web

from chain.address import account_text
from chain.codec import encode
from chain.contract import Clock
from chain.elections import (
    ACCEPTED,
    ANNULLED,
    CALENDAR,
    CALLED,
    CANCELLED,
    CANDIDATES,
    COUNTED,
    DECRYPTABLE,
    DONE,
    ELECT,
    ELECTIONS,
    KEY_READY,
    NOMINATED,
    OPEN,
    RESULT,
    TALLIED,
    VOTERS_FROZEN,
    Candidate,
    Election,
    is_rehearsal,
)
from chain.state import State
from chain.texts import Problem
from contracts.election.records import (
    ANSWER,
    BALLOTS,
    CEREMONIES,
    COMMIT,
    DEAL,
    MANIFESTS,
    SHARES,
    BallotRow,
)
from node.api_objects import answer_objects, read_wijk
from node.http_server import Answer, answer_json
from node.standing import Node
from node.views import time_text

NOT_FOUND, BAD_PARAMETER = 3007, 3009
TURN_ROWS = 50  # between two turns of the event loop
PHASES = {
    CALLED: "called",
    NOMINATED: "nominating",
    VOTERS_FROZEN: "roll",
    KEY_READY: "keys",
    OPEN: "open",
    TALLIED: "tallying",
    DECRYPTABLE: "decrypting",
    RESULT: "objection",
    ACCEPTED: "certified",
    DONE: "handed_over",
    CANCELLED: "failed",
    ANNULLED: "failed",
}

Json = dict[str, Any]


async def list_elections(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of elections, of one wijk and phase or of all, by id."""
    wijk, state = read_wijk(node, request), request.query.get("state")
    if state is not None and state not in PHASES.values():
        raise Problem(BAD_PARAMETER, name="state")

    chain_state = node.clock().state

    def show(election_id: bytes, election: Election) -> Json | None:
        asked = wijk in (None, election.wijk) and state in (None, PHASES[election.status])
        return item_json(chain_state, election_id, election) if asked else None

    scope = f"elections/{wijk or ''}/{state or ''}"
    return await answer_objects(node, request, ELECTIONS, scope, TURN_ROWS, show)


async def get_election(node: Node, request: web.Request) -> web.StreamResponse:
    """Return one election."""
    clock = node.clock()
    election_id, election = find_election(clock, request)
    return answer_json(election_json(clock, election_id, election))


async def get_manifest(node: Node, request: web.Request) -> web.StreamResponse:
    """Return the canonical bytes of a manifest, once voting was opened (E15)."""
    clock = node.clock()
    election_id, _ = find_election(clock, request)
    manifest = MANIFESTS.get(clock.state, election_id)
    if manifest is None:
        raise Problem(NOT_FOUND, what="manifest")
    return Answer(body=encode(manifest), content_type="application/octet-stream")


async def list_ballots(node: Node, request: web.Request) -> web.StreamResponse:
    """Return a PAGE of the ballots that count, those replaced and those spoiled (E30)."""
    election_id, _ = find_election(node.clock(), request)

    def show(ballot: bytes, row: BallotRow) -> Json:
        return {
            "ballot_hash": ballot.hex(),
            "credential": row.voter.hex(),
            "tx": row.tx.hex(),
            "status": row.status.lower(),
        }

    scope = f"ballots/{election_id.hex()}"
    return await answer_objects(
        node, request, BALLOTS, scope, TURN_ROWS, show, parts=(election_id,)
    )


def find_election(clock: Clock, request: web.Request) -> tuple[bytes, Election]:
    """Return the election that a route names by wijk and number, or raise `Problem` 3007."""
    wijk, number = request.match_info["wijk"], request.match_info["n"]
    plain = number.isascii() and number.isdecimal() and str(int(number)) == number
    election_id = ELECT.get(clock.state, wijk, int(number)) if plain and len(number) < 10 else None  # noqa: PLR2004
    election = None if election_id is None else ELECTIONS.get(clock.state, election_id)
    if election_id is None or election is None:
        raise Problem(NOT_FOUND, what=f"{wijk}/{number}"[:64])
    return election_id, election


def item_json(state: State, election_id: bytes, election: Election) -> Json:
    """Return an item of `election list` (interfaces 1.8)."""
    return {
        "id": f"{election.wijk}/{election.number}",
        "wijk": election.wijk,
        "seats": election.seats,
        "method": election.method.lower(),
        "phase": PHASES[election.status],
        "closes_at": time_text(election.closes_s * 1000),
        "candidates": election.options,
        "eligible": election.electorate,
        "ballots": election.ballots,
        "rehearsal": is_rehearsal(state, election_id, election),
    }


def election_json(clock: Clock, election_id: bytes, election: Election) -> Json:
    """Return `election show` (interfaces 1.8)."""
    times = zip(CALENDAR, election.calendar, strict=True)
    ceremony = CEREMONIES.get(clock.state, election_id)
    trustees = election.trustees if ceremony is None else ceremony.trustees
    root = election.voters_root
    return {
        **item_json(clock.state, election_id, election),
        "election": election_id.hex(),
        "kind": election.kind.lower(),
        "decision": None if election.decision is None else election.decision.hex(),
        "reason": election.reason,
        "spoiled": election.spoiled,
        "candidates": [
            _candidate_json(clock, election_id, number) for number in range(1, election.options + 1)
        ],
        "calendar": {name: time_text(time_s * 1000) for name, time_s in times},
        "trustees": {
            "n": len(trustees),
            "t": election.threshold,
            "ready": 0 if ceremony is None else sum(ceremony.spoke),
            "shares": election.shares,
            **_waiting_json(clock, election_id, election),
        },
        "manifest_sha256": None if election.manifest is None else election.manifest.hex(),
        "roll": {"count": election.voters, "root": None if root is None else root.hex()},
        "result": _result_json(clock, election_id, election),
    }


def _waiting_json(clock: Clock, election_id: bytes, election: Election) -> Json:
    """Return the step that trustees are at, until when, and who has not taken it (E16, E32)."""
    step: str | None = None
    due_s = election.calendar[5]
    names: list[bytes] = []
    ceremony = CEREMONIES.get(clock.state, election_id)
    if ceremony is not None and election.status == VOTERS_FROZEN:
        step, due_s = ceremony.phase.lower(), ceremony.due_s
        if ceremony.phase == ANSWER:
            late = {about for about, _, answered in ceremony.complaints if not answered}
            names = [one for place, one in enumerate(ceremony.trustees, 1) if place in late]
        else:
            done = {COMMIT: ceremony.committed, DEAL: ceremony.dealt}
            marks = done.get(ceremony.phase, ceremony.spoke)
            names = [one for one, mark in zip(ceremony.trustees, marks, strict=True) if not mark]
    elif ceremony is not None and election.status in (TALLIED, DECRYPTABLE) and election.ballots:
        step = "share"
        numbers = enumerate(ceremony.trustees, 1)
        names = [one for n, one in numbers if SHARES.get(clock.state, election_id, n) is None]
    return {
        "step": step,
        "due_at": None if step is None else time_text(due_s * 1000),
        "waits_for": [account_text(one) for one in names],
    }


def _candidate_json(clock: Clock, election_id: bytes, number: int) -> Json:
    candidate: Candidate | None = CANDIDATES.get(clock.state, election_id, number)
    assert candidate is not None, f"option {number} was noted"
    account = candidate.account
    return {
        "number": number,
        "name": None,
        "name_sha256": candidate.name.hex(),
        "account": None if account is None else account_text(account),
        "pledges": [
            {
                "indicator": pledge.indicator,
                "baseline": pledge.baseline,
                "target": pledge.target,
                "by_on": _day(pledge.date),
            }
            for pledge in candidate.pledges
        ],
    }


def _day(date: int) -> str:
    digits = f"{date:08d}"
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"


def _result_json(clock: Clock, election_id: bytes, election: Election) -> Json | None:
    row = COUNTED.get(clock.state, election_id)
    if row is None:
        return None
    slots = range(0 if election.blank else 1, election.options + 1)
    counts = dict(zip(slots, row.counts, strict=True))
    return {
        "elected": list(row.elected),
        "order": list(row.order),
        "counts": {str(number): count for number, count in counts.items() if number},
        "blank": counts.get(0, 0),
        "invalid": 0,
    }
