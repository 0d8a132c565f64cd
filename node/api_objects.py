"""A page of the state's objects that are named by an id, in order of id (interfaces 2)."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from chain.codec import decode
from chain.keyspaces import FEDERATION_WIJKEN
from chain.state import Keyspace
from chain.strict_json import parse_tree
from chain.texts import Problem
from node.api_request import make_page, read_cursor, read_flag, read_limit, write_cursor
from node.chainstore import STATE
from node.http_server import answer_json
from node.standing import Node
from node.views import state_proof_text

NOT_FOUND = 3007
ROWS_SCANNED_MAX = 5_000  # objects looked at for one page: what has ended is kept for ever
ID_BYTES = 32

Prove = Callable[[bytes], Any]


def read_wijk(node: Node, request: web.Request) -> str | None:
    """Return the wijk that is asked for, None for all; raise `Problem` 3007 for an unknown one."""
    wijk = request.query.get("wijk")
    if wijk is not None and wijk not in (FEDERATION_WIJKEN.get(node.clock().state) or ()):
        raise Problem(NOT_FOUND, what=wijk[:64])
    return wijk


def is_of(denom: str, wijk: str | None) -> bool:
    """Say whether a coin is that of `wijk`; None stands for any."""
    return wijk is None or denom.partition(":")[0] == wijk


async def answer_objects(
    node: Node,
    request: web.Request,
    space: Keyspace[Any],
    scope: str,
    turn_rows: int,
    show: Callable[[bytes, Any], dict[str, Any] | None],
    parts: tuple[bytes, ...] = (),
    id_bytes: int = ID_BYTES,
) -> web.StreamResponse:
    """Return a PAGE of what `show` makes of the objects of `space`; it leaves out what is None.

    The event loop gets a turn after `turn_rows` of them. Where a key has more parts than the id,
    `parts` are those before it; ids of another length than that of an object say so.
    """
    after, limit = read_cursor(request, scope), read_limit(request)
    prefix = STATE + space.key(*parts, bytes(id_bytes))[:-id_bytes]
    start = prefix if after is None else prefix + after + b"\x00"
    items: list[dict[str, Any]] = []
    height = node.store.tip.height
    view = node.store.store.snapshot()
    try:
        rows = view.scan(start, prefix + b"\xff" * (id_bytes + 1))
        for number, (key, raw) in enumerate(rows):
            if number % turn_rows == turn_rows - 1:
                await asyncio.sleep(0)
            object_id = key[len(prefix) :]
            shown = show(object_id, decode(space.kind, raw))
            if shown is not None:
                items.append(shown)
            if len(items) == limit or number == ROWS_SCANNED_MAX:
                return answer_json(make_page(items, write_cursor(object_id, scope), height))
    finally:
        view.close()
    return answer_json(make_page(items, None, height))


def make_prover(node: Node, request: web.Request) -> Prove:
    """Return what proves a key of the state, or gives None where nobody asked for it."""
    wanted = read_flag(request, "prove")

    def prove(key: bytes) -> Any:
        text = state_proof_text(node.store, node.chain.chain_id, key) if wanted else None
        return None if text is None else parse_tree(text.encode())

    return prove
