"""Server-sent events: committed facts, from disk, in order, none twice (interfaces 2.4, W32).

A stream always reads blocks from the store and sleeps until the next one. So a reader that comes
back with `Last-Event-ID` gets what it missed by the same path, and a slow one costs no memory:
while it catches up it is waited for, and once it is live it may lag 1 MiB.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from chain.address import account_text, parse_account
from chain.codec import decode
from chain.contract import call_name
from chain.keyspaces import ACCOUNTS
from chain.records import decode_tx
from chain.state import State
from chain.texts import Problem
from node.api_auth import Readers
from node.api_request import NUMBER_MAX, Caps, parse_number, read_account
from node.chainstore import ENVELOPES, Envelopes, u64
from node.http_server import Stream, read_language, read_network
from node.runtime import Applied
from node.standing import Node
from node.status import cause_json
from node.views import block_json, own_denom, payment_of, time_text

STREAMS_MAX = 500  # interfaces 2.4
STREAMS_PER_ADDRESS_MAX = 10  # off loopback
TOPICS_MAX = 16
BEHIND_BYTES_MAX = 1024 * 1024
CATCH_UP_BYTES = 64 * 1024  # unsent bytes at which a reader that catches up is waited for
HEARTBEAT_S = 15.0
STUCK_S = 30.0  # a reader that takes nothing for so long is gone
SHARED_BLOCKS = 8  # blocks whose events are kept for all streams

_TOPICS = frozenset({"block", "tx", "health"})  # votes and elections come with their contracts


class Topics(msgspec.Struct, frozen=True):
    """What one stream asked for."""

    names: frozenset[str]
    accounts: frozenset[str]


class Event(msgspec.Struct, frozen=True):
    """One event of a block as it goes out, and what it concerns."""

    index: int
    topic: str
    accounts: frozenset[str]
    data: bytes


class Streams:
    """Guards the caps, the events of the newest blocks, and who waits for the next block."""

    def __init__(self, node: Node, readers: Readers) -> None:
        self._node = node
        self._readers = readers
        self._caps = Caps(STREAMS_MAX, STREAMS_PER_ADDRESS_MAX)
        self._shared: OrderedDict[int, tuple[Event, ...]] = OrderedDict()
        self._next = asyncio.Event()
        self._closing = False
        node.runtime.on_applied.append(self._on_applied)

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return self._caps.total

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/stream"""
        topics = read_topics(request.query.get("topics", "block"))
        if "tx" in topics.names:
            self._readers.require(request, ())  # everybody's payments: for auditors
        for account in topics.accounts:
            self._readers.require(request, (parse_account(account),))
        tip = self._node.store.tip.height
        last = request.headers.get("Last-Event-ID")
        position = (tip + 1, 0) if last is None else read_position(last)
        network = read_network(request)
        with self._caps.hold(network, exempt=not network):
            response = Stream(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                    "Access-Control-Allow-Origin": "*",
                    "Wijk-Height": str(tip),
                }
            )
            response.force_close()
            await response.prepare(request)
            try:
                await self._serve(request, response, topics, position)
            except (ConnectionError, TimeoutError):
                if request.transport is not None:
                    request.transport.abort()
            return response

    def close(self) -> None:
        """The node stops: end every stream."""
        self._closing = True
        self._next.set()

    async def _serve(
        self,
        request: web.Request,
        response: web.StreamResponse,
        topics: Topics,
        position: tuple[int, int],
    ) -> None:
        transport = request.transport
        if transport is None:
            return
        lang = read_language(request)
        told_health: bytes | None = None
        transport.set_write_buffer_limits(high=CATCH_UP_BYTES)
        await response.write(b": wijkchain\n\n")
        live = False
        while not self._closing:
            wake = self._next
            height, index = position
            if height < self._node.store.whole_from:  # a past that is still coming (S8)
                await self._end_with_gap(response)
                return
            if height <= self._node.store.tip.height:
                chunk = b"".join(self._chosen(topics, height, index))
                position = (height + 1, 0)
                if live and transport.get_write_buffer_size() + len(chunk) > BEHIND_BYTES_MAX:
                    await self._end_with_gap(response)
                    return
                if chunk:
                    async with asyncio.timeout(STUCK_S):
                        await response.write(chunk)
                await asyncio.sleep(0)  # a long way to catch up holds nobody up
                continue
            if not live:
                live = True
                transport.set_write_buffer_limits(high=BEHIND_BYTES_MAX + CATCH_UP_BYTES)
            if "health" in topics.names:
                health = self._health(lang)
                if health != told_health:
                    told_health = health
                    await response.write(health)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await wake.wait()
            except TimeoutError:
                if transport.get_write_buffer_size() > BEHIND_BYTES_MAX:
                    await self._end_with_gap(response)
                    return
                async with asyncio.timeout(STUCK_S):
                    await response.write(b": \n\n")

    async def _end_with_gap(self, response: web.StreamResponse) -> None:
        """Tell a reader that fell behind, and close; it resumes where it was."""
        async with asyncio.timeout(STUCK_S):
            await response.write(b"event: gap\ndata: {}\n\n")

    def _chosen(self, topics: Topics, height: int, index: int) -> Iterable[bytes]:
        wants_txs = "tx" in topics.names or bool(topics.accounts)
        for event in self._events(height, wants_txs):
            if event.index < index:
                continue
            if event.topic in topics.names or event.accounts & topics.accounts:
                yield event.data

    def _events(self, height: int, with_txs: bool) -> tuple[Event, ...]:
        """Return the events of a block: its transactions, then the block itself."""
        if not with_txs:
            return (self._block_event(height),)
        events = self._shared.get(height)
        if events is None:
            events = (*self._tx_events(height), self._block_event(height))
            self._shared[height] = events
            while len(self._shared) > SHARED_BLOCKS:
                self._shared.popitem(last=False)
        return events

    def _block_event(self, height: int) -> Event:
        tree = block_json(self._node.store, self._node.chain.chain_id, height)
        assert tree is not None, "every height up to the tip has a block"
        return _event(height, tree["transactions"], "block", frozenset(), tree)

    def _tx_events(self, height: int) -> Iterable[Event]:
        store, chain = self._node.store, self._node.chain
        raw = store.store.get(ENVELOPES + u64(height))
        header = store.header(height)
        assert raw is not None, "every decided block is stored"
        assert header is not None, "every decided block has a header"
        outcomes = store.outcomes(height)
        first = header.log_size - len(outcomes)
        at = time_text(header.time_ms)
        state = self._node.state()
        for index, envelope in enumerate(decode(Envelopes, raw)):
            tx = decode_tx(envelope, chain.table.union)
            to, cents = payment_of(tx.call)
            sender = account_text(tx.sender)
            payee = None if to is None else account_text(to)
            tree = {
                "tx": tx.id.hex(),
                "code": outcomes[index].code,
                "height": height,
                "index": index,
                "log_index": first + index,
                "at": at,
                "type": call_name(tx.call),
                "from": sender,
                "to": payee,
                "amount_cents": cents,
                "denom": None if cents is None else own_denom_of(state, tx.sender),
            }
            concerned = frozenset({sender, *_payees(tx.call)})
            yield _event(height, index, "tx", concerned, tree)

    def _health(self, lang: str) -> bytes:
        """Return the health event; it has no id, since it is no fact of the chain."""
        touch = self._node.touch()
        health, cause = self._node.health(touch)
        why = cause_json(touch, cause, lang)
        data = msgspec.json.encode({"health": health, "cause": why})
        return b"event: health\ndata: " + data + b"\n\n"

    def _on_applied(self, _applied: Applied) -> None:
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()


def own_denom_of(state: State, account: bytes) -> str | None:
    """Return the denomination of an account's wijk, or None for a sender without a record."""
    record = ACCOUNTS.get(state, account)
    return None if record is None else own_denom(state, record)


def read_topics(text: str) -> Topics:
    """Return the topics of a stream, or raise `Problem` 3009 for one that does not exist."""
    words = text.split(",")
    if len(words) > TOPICS_MAX:
        raise Problem(3009, name="topics")
    names, accounts = set(), set()
    for word in words:
        name, colon, account = word.partition(":")
        if colon and name == "tx":
            accounts.add(account_text(read_account(account, "topics")))
        elif word in _TOPICS:
            names.add(word)
        else:
            raise Problem(3009, name="topics")
    return Topics(frozenset(names), frozenset(accounts))


def read_position(text: str) -> tuple[int, int]:
    """Return the place after `<height>.<index>`, or raise `Problem` 3009."""
    height, _, index = text.partition(".")
    last = NUMBER_MAX - 1
    name = "Last-Event-ID"
    at = parse_number(height, name, 0, last), parse_number(index, name, 0, last) + 1
    return max(at, (1, 0))  # genesis has no events


def _payees(call: Any) -> Iterable[str]:
    legs = getattr(call, "legs", None)
    if legs is not None:
        return (account_text(leg.to) for leg in legs)
    to = getattr(call, "to", None)
    return () if to is None else (account_text(to),)


def _event(
    height: int, index: int, topic: str, accounts: frozenset[str], tree: dict[str, Any]
) -> Event:
    data = msgspec.json.encode(tree)
    head = f"id: {height}.{index}\nevent: {topic}\ndata: ".encode()
    return Event(index, topic, accounts, head + data + b"\n\n")
