"""GET /v1/votes, /v1/values and /v1/issues of a node (interfaces 2.1, economy N38)."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chain.codec import encode
from chain.keyspaces import Decision
from chain.texts import Problem
from chain.votes import VOTES_COUNT, Poll
from contracts.governance import Issue, IssueRecord, Propose
from contracts.wijk import SetParam
from node.api_issues import issue_json
from node.api_votes import get_places, get_state, place_bytes
from tests.contracts.offices import raw
from tests.federation import Ledger
from tests.live import Live, Payer, ask, live_network

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bram": 5_000}
TEXT = b"\x77" * 32


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        payer, now = Payer(nodes[0].genesis, "anna"), int(time.time())
        action = encode(SetParam("coin.colour", raw("BLAUW"), 10**9))
        for call in (
            Issue("OPEN", "STOEP", TEXT, None),
            Propose("ORDINARY", (action,), TEXT, 0, now + 3_600, 0),
            Propose("SURVEY", (), TEXT, 0, now + 3_600, 0),
            Propose("STATUTES", (), TEXT, 0, now + 3_600, 1),
        ):
            envelope = payer.sign(call, expires=now + 300)
            await ask(nodes[0].client.submit, envelope, wait="final")
        yield nodes[0]


@pytest.mark.asyncio
async def test_votes_are_paged_the_newest_first(live: Live) -> None:
    first = await ask(live.client.get, "/v1/votes", limit=2, wijk="delfshaven")
    rest = await ask(live.client.get, "/v1/votes", limit=2, wijk="delfshaven", after=first["next"])

    ids = [item["id"] for item in (*first["items"], *rest["items"])]
    assert ids == ["delfshaven/3", "delfshaven/2", "delfshaven/1"]
    assert rest["next"] is None
    assert [item["secret"] for item in first["items"]] == [True, False]
    assert {item["state"] for item in first["items"]} == {"collecting"}
    none = await ask(live.client.get, "/v1/votes", state="open")
    assert none["items"] == []


def test_votes_of_all_wijken_follow_one_another() -> None:
    """A page goes on behind any vote, and a cursor names one that is there."""
    run = Ledger(balances={"delfshaven/anna": 0}).run()
    VOTES_COUNT.put(run.state, 2, "delfshaven")
    VOTES_COUNT.put(run.state, 3, "noord")
    wijken = ["delfshaven", "leeg", "noord"]
    places = [("delfshaven", 2), ("delfshaven", 1), ("noord", 3), ("noord", 2), ("noord", 1)]

    assert list(get_places(run.clock, wijken, None)) == places
    for place, one in enumerate(places, start=1):
        assert list(get_places(run.clock, wijken, place_bytes(one))) == places[place:]
    for wrong in (("leeg", 1), ("noord", 4), ("noord", 0), ("zuid", 1)):
        with pytest.raises(Problem):
            list(get_places(run.clock, wijken, place_bytes(wrong)))


def test_a_draft_that_can_no_longer_open_has_expired() -> None:
    """economy E34: whether or not anybody closes it."""
    clock = Ledger(balances={"delfshaven/anna": 0}).run().clock
    poll = Poll(bytes(20), 0, 0, 1, 5, 0, 0)
    shown = []
    for closes in (clock.time_s, clock.time_s + 1):
        window = (0, closes)
        draft = Decision("delfshaven", 1, "PETITION", (), TEXT, TEXT, window, (0, 0, 0), 0, "DRAFT")
        shown.append(get_state(clock, draft, poll))

    assert shown == ["expired", "collecting"]


@pytest.mark.asyncio
@pytest.mark.parametrize("query", [{"after": "x"}, {"state": "half"}, {"limit": 0}])
async def test_votes_refuse_wrong_parameters(live: Live, query: dict[str, object]) -> None:
    with pytest.raises(Problem) as problem:
        await ask(live.client.get, "/v1/votes", **query)
    assert problem.value.number == 3009


@pytest.mark.asyncio
async def test_one_vote_shows_what_it_would_carry_out(live: Live) -> None:
    shown = await ask(live.client.get, "/v1/votes/delfshaven/1")

    assert shown["actions"][0]["type"] == "wijk.set_param"
    assert (shown["body_sha256"], shown["tally"]) == (TEXT.hex(), None)
    assert shown["seconders"] == {"have": 0, "need": 5}
    tally = await ask(live.client.get, "/v1/votes/delfshaven/1/tally")
    assert (tally["counts"], tally["passed"]) == ({"yes": 0, "no": 0, "abstain": 0}, False)
    for path in ("/v1/votes/delfshaven/9", "/v1/votes/nergens/1", "/v1/votes/delfshaven/9/tally"):
        with pytest.raises(Problem) as problem:
            await ask(live.client.get, path)
        assert problem.value.number == 3007


@pytest.mark.asyncio
async def test_issues_are_listed_without_who_asked(live: Live) -> None:
    (issue,) = (await ask(live.client.get, "/v1/issues", wijk="delfshaven"))["items"]

    assert (issue["category"], issue["state"], issue["text_sha256"]) == (
        "STOEP", "open", TEXT.hex(),
    )  # fmt: skip
    assert "by" not in issue
    assert (await ask(live.client.get, "/v1/issues", state="overdue"))["items"] == []
    assert (await ask(live.client.get, "/v1/issues", state="answered"))["items"] == []


def test_an_issue_is_overdue_from_its_day_on_w16() -> None:
    record = IssueRecord("delfshaven", bytes(20), "STOEP", TEXT, 100, 200, None, 0)
    states = [issue_json(TEXT, record, now)["state"] for now in (199, 200)]
    answered = IssueRecord("delfshaven", bytes(20), "STOEP", TEXT, 100, 200, TEXT, 300)

    assert states == ["open", "overdue"]
    assert issue_json(TEXT, answered, 400)["state"] == "answered"
