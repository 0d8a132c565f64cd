"""`openapi.yaml` is the oracle: exactly the routes that exist, and a fuzzer that holds us to it."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from node.api import OPENAPI, make_routes, read_summaries
from node.api_auth import Readers
from node.api_request import Rates
from node.streams import Streams
from tests.live import Live, Payer, ask, live_network

schemathesis: Any = pytest.importorskip("schemathesis", reason="of the development lock")

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000}
# A cursor is opaque and an envelope is bytes of another format: no schema can make sound ones.
UNPROMISED = "positive_data_acceptance"
ENDLESS = "/v1/stream"  # tests/node/test_api.py reads streams


@schemathesis.serializer("application/msgpack")  # type: ignore[untyped-decorator]
def _send_bytes(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


SCHEMA = schemathesis.openapi.from_path(str(OPENAPI))
OPERATIONS = {
    f"{operation.method.upper()} {operation.path}": operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
    if operation.path != ENDLESS
}


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        envelope = Payer(nodes[0].genesis, "anna").pay("bob", 1, expires=int(time.time()) + 300)
        await ask(nodes[0].client.submit, envelope, wait="final")
        yield nodes[0]


@pytest.mark.asyncio
async def test_the_description_has_exactly_the_routes_and_parameters(live: Live) -> None:
    readers = Readers(live.node)
    routes = make_routes(live.node, Rates(0), readers, Streams(live.node, readers))
    patterns = {"/log/tile/{tile:.+}": "/log/tile/{tile}", "/v1/receipts/{name}": None}

    served = {
        (route.method, patterns.get(route.path, route.path) or "/v1/receipts/{tx}.tlog-proof"): (
            set(route.names)
        )
        for route in routes
    }
    described = {
        (operation.method.upper(), operation.path): {
            parameter.name for parameter in operation.query
        }
        for operation in (result.ok() for result in SCHEMA.get_all_operations())
    }

    assert served == described
    assert {(m, p) for m, p, _ in read_summaries(OPENAPI.read_text())} == set(described)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OPERATIONS)
async def test_generated_requests_meet_the_description(live: Live, name: str) -> None:
    """reliability U12: never 5xx, known statuses, answers that fit their schema."""
    operation = OPERATIONS[name]
    checks = [
        check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ != UNPROMISED
    ]
    mode = schemathesis.GenerationMode

    def fuzz() -> None:
        @given(
            case=st.one_of(
                operation.as_strategy(generation_mode=mode.POSITIVE),
                operation.as_strategy(generation_mode=mode.NEGATIVE),
            )
        )
        @settings(
            max_examples=25,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def run(case: Any) -> None:
            case.call_and_validate(base_url=live.at.api, checks=checks)

        run()

    await ask(fuzz)
