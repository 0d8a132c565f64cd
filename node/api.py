"""The HTTP API of a node (interfaces 2): one table of routes, and what every one of them obeys.

Reading, posting, proofs and streams have files of their own; this one says which route is which,
who may ask it, how often, and with which parameters. What a route answers is documented, and
checked, in `openapi.yaml`.
"""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from node.api_auth import Readers
from node.api_elections import get_election, get_manifest, list_ballots, list_elections
from node.api_health import Health
from node.api_holds import list_holds
from node.api_issues import list_issues
from node.api_keys import KeyFinder, list_accounts
from node.api_load import Load
from node.api_log import LogRoutes
from node.api_members import list_choices, list_members
from node.api_payouts import list_redemptions
from node.api_policies import get_policy, list_policies
from node.api_proposals import list_proposals
from node.api_read import ReadRoutes
from node.api_request import Rates, check_names
from node.api_submit import BATCH_BYTES_MAX, Submission
from node.api_votes import get_tally, get_vote, list_values, list_votes
from node.config import ConfigInvalid
from node.disk import StorageError
from node.http_server import Answer, answer_errors, read_network
from node.runtime import Halted
from node.standing import Node
from node.streams import Streams

__all__ = ["Node", "make_api"]

OPENAPI = Path(__file__).with_name("openapi.yaml")
HTML_POLICY = (
    "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
READ, WRITE, OWN = "read", "write", "own"  # who counts a request: the table, or the route itself
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Any


class Route(msgspec.Struct, frozen=True):
    """One route: where, what it does, which parameters it has, and how it is counted.

    `private`: under `members` it needs a signed request (interfaces 2.3). `kind` is how soon it is
    refused under load (A13); health is asked most when it matters most, and never refused.
    """

    method: str
    path: str
    handler: Handler
    names: frozenset[str] = frozenset()
    counted: str = READ
    private: bool = False
    kind: str | None = "read"


def make_api(node: Node) -> web.Application:
    """Return the application that serves `node`; raise `ConfigInvalid` for a setting it forbids."""
    rates = make_rates(node)
    load = Load()
    readers = Readers(node)
    streams = Streams(node, readers)
    routes = {
        (route.method, route.path): route for route in make_routes(node, rates, readers, streams)
    }
    app = web.Application(
        client_max_size=BATCH_BYTES_MAX,
        middlewares=[make_meter(node), answer_errors],
    )
    for route in routes.values():
        app.router.add_route(route.method, route.path, _guarded(route, node, rates, readers, load))
        if route.method == "GET" and route.kind != "stream":  # a stream has no end to leave out
            app.router.add_route("HEAD", route.path, _guarded(route, node, rates, readers, load))

    async def start(_app: web.Application) -> None:
        load.start()

    async def stop(_app: web.Application) -> None:
        load.stop()
        streams.close()

    app.on_startup.append(start)
    app.on_shutdown.append(stop)
    node.stream_clients = lambda: streams.clients
    return app


def make_routes(node: Node, rates: Rates, readers: Readers, streams: Streams) -> tuple[Route, ...]:
    """Return the routes that exist; those of later contracts come with them."""
    read = ReadRoutes(node, readers)
    log = LogRoutes(node, readers)
    submission = Submission(node, rates, readers)
    page = frozenset({"after", "limit"})

    def get(path: str, handler: Handler, *names: str, private: bool = False) -> Route:
        return Route("GET", path, handler, frozenset(names), private=private)

    def post(path: str, handler: Handler, *names: str, counted: str = WRITE) -> Route:
        return Route("POST", path, handler, frozenset(names), counted, kind="write")

    async def get_sealed(request: web.Request) -> web.StreamResponse:
        return read.sealed(request, submission.get_sealed)

    return (
        Route("GET", "/healthz", read.healthz, counted=OWN, kind=None),
        Route("GET", "/readyz", read.readyz, counted=OWN, kind=None),
        get("/v1/status", read.status),
        get("/v1/params", read.params, "at"),
        get("/v1/genesis", read.genesis),
        get("/v1/validators", read.validators, "at"),
        get("/v1/policy", read.policy),
        get("/v1/board/{wijk}", read.board, "at"),
        get("/v1/wijken", read.wijken, *page),
        get("/v1/blocks", read.blocks, *page),
        get("/v1/blocks/{ref}", read.block, "txs", "prove"),
        get("/v1/blocks/{ref}/txs", read.block_txs, *page, private=True),
        post("/v1/txs", submission.post, "wait", "wait_ms"),
        post("/v1/txs:batch", submission.post_batch, counted=OWN),
        post("/v1/txs:check", submission.check),
        get("/v1/txs/{id}", read.tx, "prove", private=True),
        get("/v1/txs/{id}/sealed", get_sealed, private=True),
        get("/v1/keys/{key}", partial(list_accounts, KeyFinder(node), node, readers)),
        get("/v1/accounts/{account}", read.account, "at", "prove", private=True),
        get(
            "/v1/accounts/{account}/history",
            read.history,
            *page,
            "since",
            "until",
            "with",
            private=True,
        ),
        get("/v1/accounts/{account}/limits", read.limits, private=True),
        get(
            "/v1/accounts/{account}/holds",
            partial(list_holds, node, readers),
            "state",
            "prove",
            *page,
            private=True,
        ),
        get(
            "/v1/accounts/{account}/proposals",
            partial(list_proposals, node, readers),
            "state",
            *page,
            private=True,
        ),
        get("/v1/supply", read.supply, "wijk", "at", "prove"),
        get("/v1/reserve", read.reserve, "wijk", "at", "prove"),
        get("/v1/issuance", read.issuance, "wijk", "prove", *page),
        get(
            "/v1/policies",
            partial(list_policies, node, readers),
            "wijk",
            "state",
            "at",
            "prove",
            *page,
            private=True,
        ),
        get("/v1/policies/{id}", partial(get_policy, node, readers), "at", "prove", private=True),
        get("/v1/elections", partial(list_elections, node), "wijk", "state", *page),
        get("/v1/elections/{wijk}/{n}", partial(get_election, node)),
        get("/v1/elections/{wijk}/{n}/ballots", partial(list_ballots, node), *page),
        get("/v1/elections/{wijk}/{n}/manifest", partial(get_manifest, node)),
        get("/v1/health", partial(Health().get, node), "wijk", "prove"),
        get("/v1/redemptions", partial(list_redemptions, node, readers), "wijk", "prove", *page),
        get("/v1/votes", partial(list_votes, node), "wijk", "state", *page),
        get("/v1/votes/{wijk}/{n}", partial(get_vote, node), "at", "prove"),
        get("/v1/votes/{wijk}/{n}/tally", partial(get_tally, node)),
        get(
            "/v1/votes/{wijk}/{n}/choices",
            partial(list_choices, node, readers),
            *page,
            private=True,
        ),
        get(
            "/v1/members",
            partial(list_members, node, readers),
            "wijk",
            "kind",
            "status",
            "prove",
            *page,
            private=True,
        ),
        get("/v1/values", partial(list_values, node), "wijk", "tag", *page),
        get("/v1/issues", partial(list_issues, node), "wijk", "state", *page),
        get("/v1/search", read.search, "q"),
        get("/log/checkpoint", log.checkpoint),
        get("/log/tile/{tile:.+}", log.tile),
        get("/v1/proofs/inclusion", log.inclusion, "tx", "index", "size"),
        get("/v1/proofs/consistency", log.consistency, "from", "to"),
        get("/v1/proofs/state", log.state, "key", "height"),
        get("/v1/receipts/{name}", log.receipt, private=True),
        Route("GET", "/v1/stream", streams.get, frozenset({"topics"}), kind="stream"),
        get("/openapi.yaml", openapi),
        get("/docs", make_docs(node)),
    )


def make_rates(node: Node) -> Rates:
    """Return the token buckets of the setting `api.rate`."""
    text = node.config.text("api.rate")
    if text == "off":
        if node.genesis.doc.purpose == "live":
            raise ConfigInvalid(["api.rate: off is for test chains; this one is live"])
        return Rates(0)
    return Rates(int(text.partition("/")[0]))


def _guarded(route: Route, node: Node, rates: Rates, readers: Readers, load: Load) -> Handler:
    """Return the handler behind the checks of load, rate, parameters and privacy."""

    async def handle(request: web.Request) -> web.StreamResponse:
        now, who = time.monotonic(), read_network(request)
        if route.kind is not None:
            load.check(route.kind)
        if route.counted == READ:
            rates.take_read(who, now)
        elif route.counted == WRITE:
            rates.take_write(who, now)
        check_names(request, route.names)
        if route.private:
            readers.identify(request)
        try:
            return await route.handler(request)
        except (StorageError, Halted) as error:
            node.fail(error)  # what the store says is not to be trusted (reliability Y24)
            raise

    return handle


def make_meter(node: Node) -> Middleware:
    """Return the middleware that counts answers and sets the headers that all of them carry."""
    requests, seconds = node.meters.requests, node.meters.request_seconds

    @web.middleware
    async def meter(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        name = "none" if resource is None else resource.canonical
        method = request.method if request.method in ("GET", "HEAD", "POST") else "other"
        requests.labels(name, method, str(response.status)).inc()
        seconds.labels(name).observe(time.perf_counter() - started)
        if not response.prepared:
            headers = response.headers
            headers.setdefault("Wijk-Height", str(node.store.tip.height))
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            if request.method in ("GET", "HEAD"):
                headers["Access-Control-Allow-Origin"] = "*"
        return response

    return meter


async def openapi(_request: web.Request) -> web.StreamResponse:
    """GET /openapi.yaml"""
    return Answer(body=OPENAPI.read_bytes(), content_type="application/yaml")


def make_docs(node: Node) -> Handler:
    """Return GET /docs: a page without script that lists the routes."""

    async def docs(_request: web.Request) -> web.StreamResponse:
        rows = "".join(
            f"<tr><td>{method}</td><td><code>{path}</code></td><td>{about}</td></tr>\n"
            for method, path, about in read_summaries(OPENAPI.read_text(encoding="utf-8"))
        )
        page = (
            "<!doctype html>\n<html lang=en><meta charset=utf-8><title>wijkchain API</title>\n"
            f"<h1>wijkchain {node.version}: HTTP API</h1>\n"
            '<p>The full description is <a href="/openapi.yaml">openapi.yaml</a>.</p>\n'
            f"<table>\n{rows}</table>\n</html>\n"
        )
        return Answer(
            text=page,
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": HTML_POLICY},
        )

    return docs


def read_summaries(text: str) -> list[tuple[str, str, str]]:
    """Return (method, path, summary) of each operation in our own `openapi.yaml`."""
    found: list[tuple[str, str, str]] = []
    path = method = ""
    for line in text.splitlines():
        if line.startswith("  /") and line.endswith(":"):
            path = line.strip().removesuffix(":")
        elif line in ("    get:", "    post:"):
            method = line.strip().removesuffix(":").upper()
        elif line.startswith("      summary: ") and path and method:
            about = line.removeprefix("      summary: ")
            safe = about.replace("&", "&amp;").replace("<", "&lt;")
            found.append((method, path, safe))
            method = ""
    return found
