"""GET /v1/keys/{key}: the accounts that a key is an active key of (interfaces 2.3, ADR 0101).

An account is named after its first key alone, so whoever has a later one cannot work out which
account it is of. Where only members read, the key itself must ask: nobody learns of another's.
"""

import asyncio
from typing import Any

from aiohttp import web

from chain.address import account_id, account_text, parse_account
from chain.codec import decode
from chain.keyspaces import (
    ACCOUNTS,
    FEDERATION_WIJKEN,
    NEXT_KEY,
    REGISTRY,
    ROLES,
    WIJKEN,
    AccountRecord,
)
from node.api_auth import Readers
from node.api_request import make_page, read_hex
from node.chainstore import STATE
from node.http_server import answer_json
from node.standing import Node

TURN_ROWS = 500  # between two turns of the event loop
REFRESH_S = 2.0  # a scan takes 0.09 s per 100,000 accounts: so questions cost at most some 5%
ACCOUNT_BYTES = 20
_PREFIX = STATE + NEXT_KEY.key(bytes(ACCOUNT_BYTES))[:-ACCOUNT_BYTES]


class KeyFinder:
    """Finds the accounts of a key. What it remembers only says where to look: the state judges.

    Most accounts have one key, their first, and are found by it. The others are those of genesis,
    boards and registrars, and those whose keys ever changed (economy B4), which the state lists.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._held: dict[bytes, set[bytes]] = {}  # key -> accounts it was seen on
        self._next: dict[bytes, int] = {}  # account -> its next key index when it was read
        self._wijken: set[str] = set()
        self._height = -1
        self._read_s = 0.0  # when it was read, on the clock of the event loop
        self._turn = asyncio.Lock()

    async def find(self, key: bytes) -> list[tuple[bytes, int, AccountRecord]]:
        """Return account, index and record wherever `key` is active: first its own, then by id."""
        async with self._turn:  # one at a time reads what changed
            if self._is_old():
                await self._refresh()
        state, own = self._node.state(), account_id(key)
        return [
            (account, held.index, record)
            for account in (own, *sorted(self._held.get(key, set()) - {own}))
            if (record := ACCOUNTS.get(state, account)) is not None
            for held in record.keys
            if held.key == key
        ]

    def _is_old(self) -> bool:
        age_s = asyncio.get_running_loop().time() - self._read_s
        behind = self._height < self._node.store.tip.height
        return behind and (self._height < 0 or age_s >= REFRESH_S)

    async def _refresh(self) -> None:
        """Read the accounts whose keys changed since, in turns with the rest of the node."""
        node = self._node
        height, state = node.store.tip.height, node.state()
        if self._height < 0:
            for doc in node.genesis.doc.accounts:
                if len(doc.keys) > 1:
                    self._add(parse_account(doc.id))
        for slug in set(FEDERATION_WIJKEN.get(state) or ()) - self._wijken:
            wijk = WIJKEN.get(state, slug)
            assert wijk is not None, "the federation lists wijken that exist"
            self._add(wijk.board)
            for version in ROLES.get(state, slug, REGISTRY) or ():
                self._add(version.account)
            self._wijken.add(slug)
        view = node.store.store.snapshot()
        try:
            rows = view.scan(_PREFIX, _PREFIX + b"\xff" * (ACCOUNT_BYTES + 1))
            for number, (row, raw) in enumerate(rows):
                if number % TURN_ROWS == TURN_ROWS - 1:
                    await asyncio.sleep(0)
                account, index = row[len(_PREFIX) :], decode(int, raw)
                if self._next.get(account) != index:
                    self._add(account)
                    self._next[account] = index
        finally:
            view.close()
        self._height, self._read_s = height, asyncio.get_running_loop().time()

    def _add(self, account: bytes) -> None:
        record = ACCOUNTS.get(self._node.state(), account)
        for held in () if record is None else record.keys:
            self._held.setdefault(held.key, set()).add(account)


async def list_accounts(
    finder: KeyFinder, node: Node, readers: Readers, request: web.Request
) -> web.StreamResponse:
    """Return the accounts of a key, its own first; none where the chain knows no such key.

    Who did not prove to have it gets the same refusal for every key.
    """
    key = read_hex(request.match_info["key"], "key")
    readers.require_holder(request, key)
    items: list[dict[str, Any]] = [
        {
            "account": account_text(account),
            "index": index,
            "kind": record.kind.lower(),
            "wijk": record.wijk,
        }
        for account, index, record in await finder.find(key)
    ]
    return answer_json(make_page(items, None, node.store.tip.height))
