"""Metrics: the names that operators build on, and nothing about persons (interfaces 6.1)."""

import http.client
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from chain.address import account_text
from tests.federation import account
from tests.live import Live, Payer, ask, live_network

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000}
NAMES = {
    "wijk_build_info", "wijk_height", "wijk_round", "wijk_block_age_seconds", "wijk_validators",
    "wijk_validators_online", "wijk_quorum_margin", "wijk_validator_last_signed_height",
    "wijk_sync_behind_blocks", "wijk_peers", "wijk_peer_rtt_seconds", "wijk_mempool_transactions",
    "wijk_mempool_bytes", "wijk_log_size", "wijk_supply_cents", "wijk_reserve_cents",
    "wijk_store_bytes", "wijk_disk_free_bytes", "wijk_stream_clients", "wijk_ready",
    "wijk_transactions", "wijk_transactions_rejected", "wijk_rounds_failed", "wijk_blocks_signed",
    "wijk_blocks_missed", "wijk_messages_dropped", "wijk_peer_bytes", "wijk_http_requests",
    "wijk_finality_seconds", "wijk_block_interval_seconds", "wijk_block_transactions",
    "wijk_block_bytes", "wijk_verify_seconds", "wijk_execute_seconds", "wijk_store_commit_seconds",
    "wijk_http_request_seconds", "wijk_alert_active", "wijk_guard_refusals", "wijk_stage_seconds",
}  # fmt: skip


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        yield nodes[0]


def scrape(live: Live) -> str:
    connection = http.client.HTTPConnection(live.at.metrics.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def pay(live: Live, cents: int) -> None:
    envelope = Payer(live.genesis, "anna").pay("bob", cents, expires=int(time.time()) + 300)
    await ask(live.client.submit, envelope, wait="final")


@pytest.mark.asyncio
async def test_the_names_are_those_of_the_catalogue(live: Live) -> None:
    text = await ask(scrape, live)

    found = {family.name for family in text_string_to_metric_families(text)}
    assert found >= NAMES
    assert {name for name in found if not name.startswith("wijk_")} == set()


@pytest.mark.asyncio
async def test_a_payment_shows_in_the_figures(live: Live) -> None:
    await pay(live, 100)

    figures = values(await ask(scrape, live))

    assert figures["wijk_height"] == live.node.store.tip.height
    assert figures["wijk_log_size"] == 1
    assert figures["wijk_transactions_total,outcome=final"] == 1
    assert figures["wijk_finality_seconds_count"] == 1
    assert figures["wijk_blocks_signed_total"] == live.node.store.tip.height
    assert figures["wijk_supply_cents,denom=delfshaven:EUR"] == 15_000
    assert figures["wijk_reserve_cents,denom=delfshaven:EUR"] == 15_000
    assert figures["wijk_quorum_margin"] == 0
    assert figures["wijk_ready"] == 1
    assert figures["wijk_execute_seconds_count"] >= 1
    assert figures["wijk_store_commit_seconds_count"] >= 1
    assert figures["wijk_verify_seconds_count"] >= 1
    assert figures["wijk_block_bytes_sum"] > 100


@pytest.mark.asyncio
async def test_requests_are_counted_by_route_and_never_by_what_was_asked(live: Live) -> None:
    anna = account_text(account("anna"))
    await ask(live.client.account, anna)
    await pay(live, 100)

    text = await ask(scrape, live)

    assert 'route="/v1/accounts/{account}",status="200"' in text
    assert anna not in text
    assert not re.search(r"wijk1[a-z0-9]{38}|[0-9a-f]{64}", text)


@pytest.mark.asyncio
async def test_metrics_are_not_on_the_api(live: Live) -> None:
    """reliability A10."""
    connection = http.client.HTTPConnection(live.at.api.removeprefix("http://"), timeout=10)

    def ask_api() -> int:
        connection.request("GET", "/metrics")
        return connection.getresponse().status

    assert await ask(ask_api) == 404
    connection.close()
