"""The reading routes: what stands in the newest committed state (interfaces 2.2).

Every answer comes from the last committed block. A list is cut where it would hold the others up:
after `limit` items, or after so many bytes read, and then says where to go on.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from chain.address import parse_account
from chain.codec import decode, encode
from chain.contract import Clock
from chain.errors import Malformed
from chain.keyspaces import (
    ACCOUNTS,
    ENTRIES,
    FEDERATION_WIJKEN,
    MEMBERS,
    STATEMENTS,
    AccountRecord,
    Entry,
    Member,
    Statement,
    Wijk,
)
from chain.policy import build_policy, write_policy
from chain.records import decode_tx
from chain.shared import PROPOSALS
from chain.state import State
from chain.strict_json import parse_tree
from chain.text_rules import is_slug
from chain.texts import Problem, problem, remedy
from contracts.accounts import Approve
from node.api_auth import Readers, parties_of
from node.api_objects import make_prover
from node.api_request import (
    make_page,
    parse_number,
    read_account,
    read_at,
    read_cursor,
    read_flag,
    read_hex,
    read_limit,
    read_time_ms,
    write_cursor,
)
from node.chainstore import MINTED, STATE
from node.http_server import Answer, answer_json, read_language
from node.standing import Node
from node.status import status_json
from node.views import (
    account_json,
    at_height,
    balance_key,
    block_json,
    block_txs_json,
    board_json,
    coin_json,
    history_json,
    included_tx_json,
    legal_json,
    limits_json,
    open_reserves,
    params_json,
    receipt_text,
    reserve_json,
    state_proof_text,
    tx_json,
    unmatched_json,
    validators_json,
    wijken,
)

PAGE_BYTES_MAX = 4 * 1024 * 1024  # read for one page: some 50 ms
ROWS_SCANNED_MAX = 5_000  # history rows looked at for one page with filters
MEMBERS_KEPT_S = 60.0  # how long a count of members may be old
SCAN_CHUNK = 500  # rows between two turns of the event loop
MEMBERS_ROUNDING = 5  # interfaces 2.2: small changes do not show who came
NOT_FOUND, EXPIRED = 3007, 2004
QUERY_LENGTH_MAX = 64  # interfaces 2.2: an id, the longest thing to look for
UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE

_HEIGHT = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)

Json = dict[str, Any]
V = TypeVar("V")


class ReadRoutes:
    """The routes that read a node; it holds a count of members and the open bank entries."""

    def __init__(self, node: Node, readers: Readers) -> None:
        self._node = node
        self._readers = readers
        self._counts: dict[str, int] = {}
        self._counted_ms: int | None = None
        self._unmatched: Mapping[bytes, Sequence[Json]] = {}
        self._unmatched_height: int | None = None

    # ----------------------------------------------------------------------------- the node

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        """GET /healthz: the loop turns, and there is room to write."""
        if self._node.refuses_work:
            return self._not_ready(_request)
        return answer_json({"status": "live"})

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """GET /readyz"""
        node = self._node
        if node.failing():
            return self._not_ready(request)
        return answer_json(
            {"status": "ready", "height": node.store.tip.height, "signing": node.signing}
        )

    def _not_ready(self, request: web.Request) -> web.StreamResponse:
        lang = read_language(request)
        failing = []
        for item in self._node.failing():
            why = item["problem"]
            said = problem(why.number, why.params, lang)
            failing.append(
                {
                    "component": item["component"],
                    "code": said["code"],
                    "since_at": item["since_at"],
                    "text": f"{said['detail']} {remedy(why.number, why.params, lang)}",
                    "params": said["params"],
                }
            )
        return answer_json({"status": "not_ready", "failing": failing}, UNAVAILABLE)

    async def status(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/status: block B of interfaces 1.8."""
        return answer_json(status_json(self._node, read_language(request)))

    async def params(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/params"""
        read_at(request, self._node.store)
        height, clock = self._node.store.tip.height, self._node.clock()
        tree = {"height": height, "params": params_json(clock), "legal": legal_json(clock)}
        return answer_json(tree)

    async def genesis(self, _request: web.Request) -> web.StreamResponse:
        """GET /v1/genesis: the canonical bytes, so that their SHA-256 is the chain digest."""
        genesis = self._node.genesis
        return Answer(
            body=genesis.canonical,
            content_type="application/json",
            headers={"ETag": f'"{genesis.digest.hex()}"', "Cache-Control": "max-age=3600"},
        )

    async def validators(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/validators"""
        node = self._node
        read_at(request, node.store)
        touch = node.touch()
        standing = {
            member.key: {
                "online": member.key in touch.online,
                "last_signed_height": node.signers.last_height(member.key),
                "signed_of_last_100": node.signers.count(member.key),
            }
            for member in touch.members
        }
        return answer_json(validators_json(node.clock(), node.store, standing))

    async def policy(self, _request: web.Request) -> web.StreamResponse:
        """GET /v1/policy: a policy file; whoever takes it on trust trusts this node."""
        node = self._node
        eras = node.store.eras
        ends = [first - 1 for first, _ in eras[1:]] + [None]
        rows = [(first, end, found) for (first, found), end in zip(eras, ends, strict=True)]
        text = write_policy(build_policy(node.chain.chain_id, node.chain.digest, rows))
        return Answer(text=text, content_type="application/json", charset="utf-8")

    # ------------------------------------------------------------------------------ wijken

    async def board(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/board/{wijk}"""
        read_at(request, self._node.store)
        slug = request.match_info["wijk"]
        board = board_json(self._node.clock(), slug) if is_slug(slug) else None
        return answer_json(_found(board, slug))

    async def wijken(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/wijken"""
        node = self._node
        await self._count_members()
        names: dict[str, list[str]] = {}
        for member in node.touch().members:
            names.setdefault(member.wijk, []).append(member.name)
        doc_names = {wijk.slug: wijk.name for wijk in node.genesis.doc.wijken}
        rows = [
            {
                "slug": slug,
                "name": doc_names.get(slug, slug),
                "cbs_code": wijk.cbs_code,
                "cbs_year": wijk.cbs_year,
                "denom": wijk.denom(slug),
                "validators": sorted(names.get(slug, [])),
                "members": _rounded(self._counts.get(slug, 0)),
            }
            for slug, wijk in wijken(node.state())
        ]
        return self._cut(request, "wijken", rows)

    async def supply(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/supply: PAGE of `coin info`."""
        node = self._node
        height = node.store.tip.height

        def show(clock: Clock, slug: str, wijk: Wijk) -> Json:
            return coin_json(clock, height, slug, wijk)

        return self._per_wijk(request, show)

    async def reserve(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/reserve: PAGE of `coin reserve show`."""
        read_at(request, self._node.store)  # before the bank entries are looked through
        unmatched = await self._find_unmatched()

        def show(clock: Clock, slug: str, wijk: Wijk) -> Json:
            return reserve_json(clock, slug, wijk, unmatched)

        return self._per_wijk(request, show)

    async def _find_unmatched(self) -> Mapping[bytes, Sequence[Json]]:
        """Return the open bank entries per reserve, in one pass over a frozen view a block.

        Entries are kept for ever; those still open are few, and none of them may be left out.
        What belongs to a statement that has not all its pages, or was started over, is no bank
        money yet or no more (economy C5).
        """
        node = self._node
        tip, reserves = node.store.tip.height, open_reserves(node.clock())
        if self._unmatched_height == tip or not reserves:
            return self._unmatched if reserves else {}
        found: dict[bytes, list[Json]] = {}
        attested: dict[tuple[bytes, int], int | None] = {}  # the number that a day's entries need
        prefix = STATE + ENTRIES.key(bytes(32))[:-34]
        view = node.store.store.snapshot()
        try:
            rows = view.scan(prefix, prefix + b"\xff" * 35)
            for number, (key, raw) in enumerate(rows):
                if number % SCAN_CHUNK == SCAN_CHUNK - 1:
                    await asyncio.sleep(0)
                entry = decode(Entry, raw)
                if entry.used_by is not None or entry.reserve not in reserves:
                    continue
                day = entry.reserve, entry.date
                if day not in attested:
                    held = view.get(STATE + STATEMENTS.key(*day))
                    attested[day] = None if held is None else _attested_number(held)
                if entry.number == attested[day]:
                    found.setdefault(entry.reserve, []).append(unmatched_json(key[-32:], entry))
        finally:
            view.close()
        self._unmatched, self._unmatched_height = found, tip
        return found

    def _per_wijk(
        self, request: web.Request, show: Callable[[Clock, str, Wijk], Json]
    ) -> web.StreamResponse:
        store = self._node.store
        read_at(request, store)
        prove = read_flag(request, "prove")
        asked = request.query.get("wijk")
        clock = self._node.clock()
        rows = [
            (slug, wijk) for slug, wijk in wijken(clock.state) if asked is None or slug == asked
        ]
        if asked is not None and not rows:
            raise Problem(NOT_FOUND, what=asked[:64])
        items = [show(clock, slug, wijk) for slug, wijk in rows]
        for item, (slug, wijk) in zip(items, rows, strict=True):
            key = encode(("supply", wijk.denom(slug)))
            item["proof"] = self._proof(key) if prove else None
        return answer_json(make_page(items, None, store.tip.height))

    async def issuance(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/issuance: what issued coin, newest first."""
        node = self._node
        wijk = request.query.get("wijk")
        if wijk is not None and wijk not in (FEDERATION_WIJKEN.get(node.state()) or ()):
            raise Problem(NOT_FOUND, what=wijk[:64])
        scope = f"issuance/{wijk or ''}"
        limit, state, prove = read_limit(request), node.state(), make_prover(node, request)
        items: list[Json] = []
        last: bytes | None = None
        for number, (cursor, height, _, tx_id) in enumerate(
            node.store.issues(read_cursor(request, scope))
        ):
            node.check_past(height)
            if len(items) == limit or number == ROWS_SCANNED_MAX:
                assert last is not None
                after = write_cursor(last, scope)
                return answer_json(make_page(items, after, node.store.tip.height))
            last = cursor
            item = self._issue(state, height, tx_id)
            if wijk is None or item["wijk"] == wijk:
                key = ENTRIES.key(bytes.fromhex(item["entry"]))
                items.append(item | {"proof": prove(key)})
        node.check_past(0)
        return answer_json(make_page(items, None, node.store.tip.height))

    def _issue(self, state: State, height: int, tx_id: bytes) -> Json:
        node = self._node
        place = node.store.place(tx_id)
        assert place is not None, "what issued coin is included"
        tx = decode_tx(node.store.envelope(place), node.chain.table.union)
        sender = ACCOUNTS.get(state, tx.sender)
        notices = node.store.outcomes(place.height)[place.index].notices
        entry_id, _, cents, *_ = next(
            msgspec.msgpack.decode(one.values) for one in notices if one.name == MINTED
        )
        entry = node.store.read_state(ENTRIES.key(entry_id))
        signed = [one.key_index for one in tx.signatures]
        if isinstance(tx.call, Approve):  # who approved before the last one signed too (B6)
            shared = PROPOSALS.get(state, tx.call.proposal)
            signed = signed if shared is None else list(shared.approvals)
        return {
            "tx": tx_id.hex(),
            "height": height,
            "at": at_height(node.store, height),
            "wijk": None if sender is None else sender.wijk,
            "amount_cents": cents,
            "evidence": None if entry is None else _evidence(node, entry),
            "entry": entry_id.hex(),
            "signers": [f"seat-{index + 1}" for index in sorted(signed)],
        }

    async def _count_members(self) -> None:
        """Count members per wijk in one pass over a frozen view, a minute old at most."""
        node = self._node
        now = node.timers.mono_ms()
        if self._counted_ms is not None and now - self._counted_ms < MEMBERS_KEPT_S * 1000:
            return
        self._counted_ms = now
        prefix = STATE + MEMBERS.key(bytes(20))[:-22]
        counts: dict[str, int] = {}
        view = node.store.store.snapshot()
        try:
            rows = view.scan(prefix, prefix + b"\xff" * 23)
            for number, (key, raw) in enumerate(rows):
                if number % SCAN_CHUNK == SCAN_CHUNK - 1:
                    await asyncio.sleep(0)
                if not decode(Member, raw).membership:
                    continue
                found = view.get(STATE + ACCOUNTS.key(key[-20:]))
                assert found is not None, "a member has an account"
                wijk = decode(AccountRecord, found).wijk
                counts[wijk] = counts.get(wijk, 0) + 1
        finally:
            view.close()
        self._counts = counts

    # ------------------------------------------------------------------------------ blocks

    async def blocks(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/blocks: newest first."""
        store = self._node.store
        limit = read_limit(request)
        place = read_cursor(request, "blocks")
        height = store.tip.height if place is None else decode(int, place)
        items: list[Json] = []
        size = 0
        while height > 0 and len(items) < limit and size < PAGE_BYTES_MAX:
            self._node.check_past(height)
            block = _found(block_json(store, self._node.chain.chain_id, height), "block")
            size += block["bytes"]
            items.append(block)
            height -= 1
        after = write_cursor(encode(height), "blocks") if height > 0 else None
        return answer_json(make_page(items, after, store.tip.height))

    async def block(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/blocks/{height|id|latest}; as msgpack the bytes themselves."""
        node = self._node
        height = self._height(request)
        txs, prove = read_flag(request, "txs"), read_flag(request, "prove")
        if request.headers.get("Accept") == "application/msgpack":
            if txs:
                self._readers.require(request, ())  # everybody's payments: for auditors
            raw = _found(node.store.raw_block(height), f"block {height}")
            header, body, certificate, envelopes = raw
            packed = encode([header, body, certificate, list(envelopes) if txs else None])
            return Answer(body=packed, content_type="application/msgpack")
        found = block_json(node.store, node.chain.chain_id, height, txs=txs, proof=prove)
        return answer_json(_found(found, f"block {height}"))

    async def block_txs(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/blocks/{ref}/txs"""
        node = self._node
        self._readers.require(request, ())
        height, limit = self._height(request), read_limit(request)
        header = _found(node.store.header(height), f"block {height}")
        scope = f"block/{height}/txs"
        place = read_cursor(request, scope)
        start = 0 if place is None else decode(int, place)
        items = block_txs_json(node.store, node.chain, height, start, limit, read_language(request))
        before = node.store.header(height - 1) if height > 1 else None  # came with a snapshot, too
        total = header.log_size - (0 if before is None else before.log_size)
        end = start + len(items)
        after = write_cursor(encode(end), scope) if end < total else None
        return answer_json(make_page(items, after, node.store.tip.height))

    def _height(self, request: web.Request) -> int:
        """Return the height that `ref` names; raise `Problem` 3007 where there is no such block."""
        ref = request.match_info["ref"]
        store = self._node.store
        if ref == "latest":
            height: int | None = store.tip.height
        elif len(ref) == 64:  # noqa: PLR2004 - an id
            height = store.height_of(read_hex(ref, "ref"))
        else:
            height = parse_number(ref, "ref")
        self._node.check_past(height or 0)
        return _found(height, ref)

    # ------------------------------------------------------------------------ transactions

    async def tx(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/txs/{id}"""
        node = self._node
        tx_id = read_hex(request.match_info["id"], "id")
        prove = read_flag(request, "prove")
        place = node.store.place(tx_id)
        if place is None:
            return answer_json(self._not_included(request, tx_id))
        self._readers.require_tx(request, place)
        tree = included_tx_json(node.store, node.chain, place, read_language(request))
        if prove:
            node.check_past(place.height)
            envelope = node.store.envelope(place)
            text = receipt_text(node.store, node.chain.chain_id, envelope, place)
            tree["proof"] = {"receipt": text}
        return answer_json(tree)

    def _not_included(self, request: web.Request, tx_id: bytes) -> Json:
        """Return a transaction that stands in no block; raise `Problem` 3007 if it is not known."""
        node, lang = self._node, read_language(request)
        pending = node.runtime.intake.mempool.get(tx_id)
        if pending is not None:
            self._readers.require(request, parties_of(pending.tx))
            return tx_json(node.chain, pending.tx, "pending", None, None, lang)
        status, why = "pending", None
        if not node.runtime.intake.is_pending(tx_id):
            code = node.runtime.intake.refusals.get(tx_id)
            if code is not None:
                status = "expired" if code == EXPIRED else "rejected"
                why = problem(code, {}, lang, tx=tx_id.hex())
            elif node.behind_blocks() or node.store.joined is not None:
                status = "unknown"
            else:
                raise Problem(NOT_FOUND, what=tx_id.hex())
        names = ("code", "height", "index", "log_index", "at", "from", "expires_at", "call")
        nothing = dict.fromkeys((*names, "bytes", "proof"))
        return {"tx": tx_id.hex(), "status": status, **nothing, "problem": why}

    def sealed(
        self, request: web.Request, get_sealed: Callable[[bytes], bytes | None]
    ) -> web.StreamResponse:
        """GET /v1/txs/{id}/sealed: the bytes as they were posted."""
        tx_id = read_hex(request.match_info["id"], "id")
        place = self._node.store.place(tx_id)
        if place is not None:
            self._readers.require_tx(request, place)
        box = None if place is None and self._node.is_private else get_sealed(tx_id)
        return Answer(body=_found(box, "sealed"), content_type="application/octet-stream")

    # ---------------------------------------------------------------------------- accounts

    async def account(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/accounts/{account}"""
        node = self._node
        read_at(request, node.store)
        prove = read_flag(request, "prove")
        account, record = self._account(request)
        clock = node.clock()
        tree = _found(account_json(node.store, clock, account), "account")
        if prove:
            tree["proof"] = self._proof(balance_key(clock.state, account, record))
        return answer_json(tree)

    async def history(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/accounts/{account}/history: newest first."""
        node = self._node
        limit = read_limit(request)
        since, until = read_time_ms(request, "since"), read_time_ms(request, "until")
        other = request.query.get("with")
        party = None if other is None else read_account(other, "with")
        account, _ = self._account(request)
        asked = "/".join(request.query.get(name, "") for name in ("since", "until", "with"))
        scope = f"history/{account.hex()}/{asked}"
        items: list[Json] = []
        last: bytes | None = None
        rows = node.store.history(account, read_cursor(request, scope))
        for number, (cursor, height, index, row) in enumerate(rows):
            node.check_past(height)
            if len(items) == limit or number == ROWS_SCANNED_MAX:
                assert last is not None
                after = write_cursor(last, scope)
                return answer_json(make_page(items, after, node.store.tip.height))
            last = cursor
            if party is not None and row.counterparty != party:
                continue
            time_ms = self._time_ms(height)
            if until is not None and time_ms >= until:
                continue
            if since is not None and time_ms < since:
                break
            items.append(history_json(node.store, height, index, row))
        else:
            node.check_past(0)
        return answer_json(make_page(items, None, node.store.tip.height))

    async def limits(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/accounts/{account}/limits"""
        node = self._node
        account, _ = self._account(request)
        mempool = node.runtime.intake.mempool
        pending, pending_max = mempool.count_of(account), mempool.account_txs
        tree = limits_json(node.clock(), account, pending, pending_max)
        return answer_json(_found(tree, "account"))

    def _account(self, request: web.Request) -> tuple[bytes, AccountRecord]:
        text = request.match_info["account"]
        account = read_account(text)
        self._readers.require(request, (account,))
        record = ACCOUNTS.get(self._node.state(), account)
        return account, _found(record, text)

    def _time_ms(self, height: int) -> int:
        header = self._node.store.header(height)
        assert header is not None, "heights of history are stored"
        return header.time_ms

    async def search(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/search: what a height, an id or an account id names; names come with their list.

        Under `members` accounts are not looked up: that one exists is its own business.
        """
        text = request.query.get("q", "")
        if not 0 < len(text) <= QUERY_LENGTH_MAX:
            raise Problem(3009, name="q")
        node, dutch = self._node, read_language(request) == "nl"
        items: list[Json] = []

        def add(kind: str, ref: str, nl: str, en: str) -> None:
            items.append({"kind": kind, "ref": ref, "title": nl if dutch else en})

        if _HEIGHT.fullmatch(text) and int(text) <= node.store.tip.height:
            add("block", text, f"Blok {text}", f"Block {text}")
        elif _ID.fullmatch(text):
            height = node.store.height_of(bytes.fromhex(text))
            if height is not None:
                add("block", text, f"Blok {height}", f"Block {height}")
            place = node.store.place(bytes.fromhex(text))
            if place is not None:
                at = place.height
                add("tx", text, f"Opdracht in blok {at}", f"Order in block {at}")
        elif not node.is_private and (account := _account_of(text)) is not None:
            record = ACCOUNTS.get(node.state(), account)
            if record is not None:
                wijk = record.wijk
                add("account", text, f"Rekening in {wijk}", f"Account in {wijk}")
        return answer_json({"items": items})

    # ------------------------------------------------------------------------------ common

    def _proof(self, key: bytes) -> Any:
        """Return a state proof as a tree; None before the first block, which nobody certified."""
        text = state_proof_text(self._node.store, self._node.chain.chain_id, key)
        return None if text is None else parse_tree(text.encode())

    def _cut(self, request: web.Request, scope: str, rows: list[Json]) -> web.StreamResponse:
        """Return one page of rows that are few."""
        limit = read_limit(request)
        place = read_cursor(request, scope)
        start = 0 if place is None else decode(int, place)
        end = start + limit
        after = write_cursor(encode(end), scope) if end < len(rows) else None
        return answer_json(make_page(rows[start:end], after, self._node.store.tip.height))


def _account_of(text: str) -> bytes | None:
    try:
        return parse_account(text)
    except Malformed:
        return None


def _found(value: V | None, what: str) -> V:
    """Return `value`, or raise `Problem` 3007 where there is none."""
    if value is None:
        raise Problem(NOT_FOUND, what=what)
    return value


def _attested_number(raw: bytes) -> int | None:
    """Return which number the entries of a statement bear; None while pages are missing."""
    statement = decode(Statement, raw)
    return statement.number if statement.pages_done == statement.pages else None


def _rounded(count: int) -> int:
    return (count + MEMBERS_ROUNDING // 2) // MEMBERS_ROUNDING * MEMBERS_ROUNDING


def _evidence(node: Node, raw: bytes) -> str | None:
    """Return the id of the statement that holds a bank entry."""
    entry = decode(Entry, raw)
    found = node.store.read_state(STATEMENTS.key(entry.reserve, entry.date))
    return None if found is None else decode(Statement, found).id.hex()
