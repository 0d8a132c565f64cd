"""Four validators: who is missing, what that refuses, and what never is (interfaces 1.5, 6.2)."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chain.address import account_text
from chain.policy import read_policy
from chain.proof import verify_receipt
from node.client import Client, ClientProblem
from node.standing import can_lose
from tests.federation import account
from tests.live import Live, Payer, ask, get_free_ports, live_network, make_home, until

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000, "noord/carl": 0}
BOB = account_text(account("bob"))


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Live]]:
    async with live_network(tmp_path, 4, balances=BALANCES) as started:
        await until(lambda: all(len(live.node.links.peers()) == 3 for live in started))
        yield started


def soon() -> int:
    return int(time.time()) + 300


def height_of(live: Live) -> int:
    return live.node.store.tip.height


@pytest.mark.asyncio
async def test_a_payment_is_final_on_every_node_with_a_quorum_of_signatures(
    nodes: list[Live],
) -> None:
    anna = Payer(nodes[0].genesis, "anna")

    answer = await ask(nodes[0].client.submit, anna.pay("bob", 100, expires=soon()), wait="final")

    policy = read_policy((await ask(nodes[3].client.policy)).encode())
    verdict = verify_receipt(answer["proof"]["receipt"], policy)
    assert verdict.ok
    assert verdict.signatures is not None
    assert verdict.signatures.valid >= 3
    await until(lambda: {height_of(live) for live in nodes} == {answer["height"]})
    blocks = [await ask(live.client.block, answer["height"]) for live in nodes]
    assert {(block["block_id"], block["state_root"]) for block in blocks} == {
        (blocks[0]["block_id"], blocks[0]["state_root"])
    }
    for live in nodes:
        held = await ask(live.client.account, BOB)
        assert held["balances"][0]["available_cents"] == 5_100


@pytest.mark.asyncio
async def test_one_lost_node_is_named_and_payments_go_on(nodes: list[Live]) -> None:
    anna = Payer(nodes[0].genesis, "anna")
    await ask(nodes[0].client.submit, anna.pay("bob", 1, expires=soon()), wait="final")
    await nodes[3].end()
    await until(lambda: len(nodes[0].node.links.peers()) == 2)

    status = await ask(nodes[0].client.status)
    answer = await ask(nodes[0].client.submit, anna.pay("bob", 2, expires=soon()), wait="final")

    missing = status["validators"]["missing"]
    assert [item["name"] for item in missing] == [nodes[3].name]
    assert missing[0]["since_at"] is not None
    assert (status["validators"]["online"], status["validators"]["can_lose"]) == (3, 1)
    assert (status["health"], status["cause"]["code"]) == ("degraded", "WIJK-4001")
    said = f"Missing: {nodes[3].name}. Payments go on; 0 more may be lost."
    assert status["cause"]["detail"] == said
    assert answer["status"] == "final"


@pytest.mark.asyncio
async def test_a_validator_that_only_follows_is_missing_though_it_is_linked(
    nodes: list[Live],
) -> None:
    """consensus C8, M14: what counts is who votes, for others and for itself."""
    mute = nodes[3]
    await mute.end()
    config = mute.root / "node.toml"
    config.write_text(config.read_text().replace('mode = "local"', 'mode = "none"'))
    await mute.start()
    first = nodes[0].node
    await until(lambda: mute.node.own_key in first.links.peers())
    await until(lambda: mute.node.own_key in first.runtime.peer_status)

    statuses = [await ask(live.client.status) for live in (nodes[0], mute)]

    for status in statuses:
        assert status["validators"]["online"] == 3
        assert [one["name"] for one in status["validators"]["missing"]] == [mute.name]
    assert mute.node.signing is False


@pytest.mark.asyncio
async def test_without_a_quorum_nothing_is_taken_and_the_missing_are_named(
    nodes: list[Live],
) -> None:
    """interfaces 2.2: 503 WIJK-4001 with nothing_sent, unless the bytes are pending already."""
    anna = Payer(nodes[0].genesis, "anna")
    for live in nodes[2:]:
        await live.end()
    first = nodes[0]
    await until(lambda: len(first.node.links.peers()) == 1)
    names = sorted(live.name for live in nodes[2:])

    with pytest.raises(ClientProblem) as single:
        await ask(first.client.submit, anna.pay("bob", 1, expires=soon()))
    with pytest.raises(ClientProblem) as batch:
        await ask(first.client.batch, [anna.pay("bob", 2, expires=soon())])
    with pytest.raises(ClientProblem) as ready:
        await ask(first.client.get, "/readyz")
    status = await ask(first.client.status)

    for caught in (single, batch):
        assert caught.value.number == 4001
        assert caught.value.tree["status"] == 503
        assert caught.value.tree["retry"] == "after"
        assert caught.value.nothing_sent is True
        assert caught.value.params["missing"] == names
        away: Any = caught.value.params["away"]
        said = str(caught.value.tree["detail"])
        assert [item["name"] for item in away] == names
        for item in away:  # interfaces 6.2: since when, and its last vote
            assert f"{item['name']} since {item['since_at'][:10]} " in said
    assert ready.value.tree["failing"][0]["component"] == "quorum"
    assert names[0] in ready.value.tree["failing"][0]["text"]
    assert (await ask(first.client.get, "/healthz"))["status"] == "live"
    assert status["health"] == "down"


@pytest.mark.asyncio
async def test_what_is_pending_already_is_202_without_a_quorum(nodes: list[Live]) -> None:
    anna = Payer(nodes[0].genesis, "anna")
    envelope = anna.pay("bob", 1, expires=soon())
    first = nodes[0]
    for live in nodes[2:]:
        await live.end()
    await until(lambda: len(first.node.links.peers()) == 1)
    first.node.runtime.submit(envelope, lambda _verdict: None)
    await until(lambda: len(first.node.runtime.intake.mempool) == 1)

    answer = await ask(first.client.submit, envelope, wait="final", wait_ms=50)
    found = await ask(first.client.tx, answer["tx"])

    assert answer["status"] == found["status"] == "pending"
    assert found["from"] == account_text(account("anna"))


@pytest.mark.asyncio
async def test_a_cut_network_heals_and_the_lost_side_catches_up(nodes: list[Live]) -> None:
    anna = Payer(nodes[0].genesis, "anna")
    lone = nodes[3]
    groups = [[live.name for live in nodes[:3]], [lone.name]]
    for live in nodes:
        live.node.links.set_fault_groups(groups)
    await until(lambda: not lone.node.links.peers())
    assert (await ask(lone.client.status))["sync"] == "offline"
    answer = await ask(nodes[0].client.submit, anna.pay("bob", 1, expires=soon()), wait="final")

    for live in nodes:
        live.node.links.set_fault_groups([])
    await until(lambda: height_of(lone) >= answer["height"])

    found = await ask(lone.client.tx, answer["tx"])
    assert found["status"] == "final"


@pytest.mark.asyncio
async def test_a_client_goes_to_the_next_node_when_one_is_gone(nodes: list[Live]) -> None:
    anna = Payer(nodes[0].genesis, "anna")
    client = Client([live.at.api for live in nodes])
    await nodes[0].end()
    await until(lambda: len(nodes[1].node.links.peers()) == 2)

    status = await ask(client.status)
    answer = await ask(client.submit, anna.pay("bob", 1, expires=soon()), wait="final")

    assert status["node"] == nodes[1].name
    assert answer["status"] == "final"


@pytest.mark.asyncio
async def test_a_node_short_of_disk_takes_nothing_new(nodes: list[Live]) -> None:
    """reliability Y28."""
    first = nodes[0]
    anna = Payer(first.genesis, "anna")
    sent = anna.pay("bob", 1, expires=soon())
    await ask(first.client.submit, sent, wait="final")
    first.node.refuses_work = True

    with pytest.raises(ClientProblem) as caught:
        await ask(first.client.submit, anna.pay("bob", 2, expires=soon()))
    again = await ask(first.client.submit, sent)

    assert (caught.value.number, caught.value.tree["status"]) == (4004, 503)
    assert again["status"] == "final"


@pytest.mark.asyncio
async def test_a_node_that_the_chain_does_not_name_answers_and_takes_nothing(
    nodes: list[Live], tmp_path: Path
) -> None:
    port = get_free_ports(1)[0]
    stranger = make_home(tmp_path / "stranger", nodes[0].genesis, "stranger", port)
    await stranger.start()
    envelope = Payer(nodes[0].genesis, "anna").pay("bob", 1, expires=soon())
    try:
        status = await ask(stranger.client.status)
        with pytest.raises(ClientProblem) as caught:
            await ask(stranger.client.submit, envelope)
    finally:
        assert await stranger.end() == 0

    assert (status["node"], status["sync"], status["health"]) == ("follower", "offline", "down")
    assert status["validators"]["online"] == 0
    assert caught.value.number == 4001


def test_how_many_may_be_lost() -> None:
    assert [can_lose(n) for n in (1, 2, 3, 4, 7, 10, 100)] == [0, 0, 1, 1, 2, 3, 33]
