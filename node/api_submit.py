"""Posting transactions: one at a time, in batches, and trying one out (interfaces 2.2, Posting).

The same bytes always give the same answer (A8). Nothing is refused for want of a quorum that is
pending already, and nothing that was not sent is said to be.
"""

import asyncio
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web

from chain.address import account_text
from chain.books import FUND, MEMBER
from chain.call_json import call_to_json
from chain.checkpoint import from_base64
from chain.codec import decode
from chain.contract import call_name
from chain.crypto import sha256
from chain.errors import Malformed, Reject
from chain.money_text import money
from chain.records import (
    CARRIED_BYTES_MAX,
    Envelope,
    Outcome,
    Tx,
    TxBody,
    compute_tx_id,
    decode_tx,
    split_carried,
)
from chain.strict_json import parse_json
from chain.texts import Problem, problem
from contracts.stats import ClosePeriod
from node.api_auth import Readers
from node.api_request import Rates, read_number
from node.chainstore import TxPlace
from node.http_server import Answer, answer_json, read_body, read_language, read_network
from node.intake import Verdict
from node.preview_coin import preview_coin
from node.preview_election import preview_election
from node.preview_policy import preview_policy
from node.preview_votes import preview_votes
from node.standing import Node
from node.views import at_height, payment_of, receipt_text, status_of

BODY_BYTES_MAX = 64 * 1024  # interfaces 2.1; larger blobs come by the batch (ADR 0084)
BATCH_BYTES_MAX = 1024 * 1024
BATCH_TXS_MAX = 1_000
SEALED_BYTES_MAX = 2 * 1024  # interfaces 2.2: a memo for the payee
SEALED_LATE_MS = 600_000  # as long as a blob may come after its transaction
WAIT_MS_MAX = 30_000
WAIT_MS_DEFAULT = 10_000
SEALED = b"x"  # key space of the store: boxes beside transactions, outside state and log
MSGPACK = "application/msgpack"
ACCEPTED = 202

Envelopes = Annotated[
    tuple[Annotated[bytes, msgspec.Meta(max_length=CARRIED_BYTES_MAX)], ...],
    msgspec.Meta(min_length=1, max_length=BATCH_TXS_MAX),
]


class Posted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON form of a submission; both in base64."""

    envelope: str
    sealed: str | None = None


class Submission:
    """The three routes that take envelopes, and the sealed boxes beside them."""

    def __init__(self, node: Node, rates: Rates, readers: Readers) -> None:
        self._node = node
        self._readers = readers
        self._rates = rates

    # ------------------------------------------------------------------------------- one

    async def post(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/txs"""
        wait = request.query.get("wait", "accepted")
        if wait not in ("accepted", "final"):
            raise Problem(3009, name="wait")
        wait_ms = read_number(request, "wait_ms", 0, WAIT_MS_MAX)
        raw, sealed = _read_posted(request, await read_body(request, BODY_BYTES_MAX))
        tx_id = _tx_id(raw)
        mono_ms = self._node.timers.mono_ms()
        runtime = self._node.runtime
        known = runtime.intake.is_pending(tx_id) or self._node.store.place(tx_id) is not None
        sender = _sender(raw)
        if not known:
            self._check_open()
            if sender is not None:
                self._rates.check_write(sender, mono_ms / 1000)
            self._node.finality.start(tx_id, mono_ms)
        verdict = await self._submit(raw)
        if verdict.status == "refused":
            self._node.finality.drop(tx_id)
            raise refusal_of(verdict)
        if not known and sender is not None:
            self._rates.spend_write(sender, self._node.timers.mono_ms() / 1000)
        place = verdict.place
        if sealed is not None and (place is None or self._is_recent(place)):
            self._keep_sealed(tx_id, sealed)
        if place is None and wait == "final":
            limit_ms = WAIT_MS_DEFAULT if wait_ms is None else wait_ms
            place = await self._wait(tx_id, limit_ms, verdict)
        return self._answer(raw, tx_id, place, replayed=known)

    async def _submit(self, raw: bytes) -> Verdict:
        """Hand one envelope to the runtime and wait for its verdict, which may come at once."""
        answered: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        def done(verdict: Verdict) -> None:
            if not answered.done():  # the client may have gone
                answered.set_result(verdict)

        self._node.runtime.submit(raw, done)
        return await answered

    async def _wait(self, tx_id: bytes, limit_ms: int, verdict: Verdict) -> TxPlace | None:
        """Return where the transaction was included; None when the time is up."""
        runtime = self._node.runtime
        told: asyncio.Future[TxPlace | None] = asyncio.get_running_loop().create_future()

        def watcher(place: TxPlace | None) -> None:
            if not told.done():
                told.set_result(place)

        runtime.watch(tx_id, watcher)
        try:
            async with asyncio.timeout(limit_ms / 1000):
                place = await told
        except TimeoutError:
            return None
        finally:
            runtime.unwatch(tx_id, watcher)
        if place is None:
            raise Problem(2004, tx=verdict.tx_id.hex())
        return place

    def _answer(self, raw: bytes, tx_id: bytes, place: TxPlace | None, *, replayed: bool) -> Answer:
        if place is not None:
            self._node.check_past(place.height)
        tree: dict[str, Any] = {
            "tx": tx_id.hex(),
            "status": "pending",
            "code": None,
            "height": None,
            "index": None,
            "log_index": None,
            "at": None,
            "replayed": replayed,
            "proof": None,
        }
        if place is None:
            return answer_json(tree, ACCEPTED, {"Location": f"/v1/txs/{tx_id.hex()}"})
        store = self._node.store
        tree |= {
            "status": status_of(place),
            "code": place.code,
            "height": place.height,
            "index": place.index,
            "log_index": place.log_index,
            "at": at_height(store, place.height),
            "proof": {"receipt": receipt_text(store, self._node.chain.chain_id, raw, place)},
        }
        return answer_json(tree)

    # ----------------------------------------------------------------------------- batch

    async def post_batch(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/txs:batch: each envelope is judged alone, in the order given."""
        if request.content_type != MSGPACK:
            raise Problem(3009, name="Content-Type")
        body = await read_body(request, BATCH_BYTES_MAX)
        try:
            envelopes = decode(Envelopes, body)
        except Malformed as error:
            raise Problem(2001, cause=str(error)) from None
        node = self._node
        mono_ms = node.timers.mono_ms()
        self._rates.take_write(read_network(request), mono_ms / 1000, len(envelopes))
        if self._rates.limited:
            for sender in _senders(envelopes):
                self._rates.check_write(sender, mono_ms / 1000)
        closed = node.refusal()
        verdicts: list[Verdict | None] = [None] * len(envelopes)
        waiting = 0
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def collect(index: int, verdict: Verdict) -> None:
            nonlocal waiting
            verdicts[index] = verdict
            waiting -= 1
            if waiting == 0 and not finished.done():
                finished.set_result(None)

        pending_or_known = node.runtime.intake.is_pending
        waiting = len(envelopes) + 1  # one for this loop itself: verdicts may come at once

        def hand_over() -> None:
            nonlocal waiting
            for index, raw in enumerate(envelopes):
                if closed is not None:
                    tx_id = _tx_id(raw)
                    if not pending_or_known(tx_id) and node.store.place(tx_id) is None:
                        waiting -= 1
                        continue
                else:
                    node.finality.start(_tx_id(raw), mono_ms)
                node.runtime.submit(raw, functools.partial(collect, index))

        node.meters.stages("decode", hand_over)
        waiting -= 1
        if waiting:
            await finished
        if closed is not None and all(verdict is None for verdict in verdicts):
            raise closed
        lang = read_language(request)
        items = [
            _item(raw, verdict, closed, lang, request.path)
            for raw, verdict in zip(envelopes, verdicts, strict=True)
        ]
        admitted = []
        for raw, verdict in zip(envelopes, verdicts, strict=True):
            if verdict is not None and verdict.code:
                node.finality.drop(verdict.tx_id)
            elif verdict is not None and verdict.place is None:
                admitted.append(raw)
        if self._rates.limited:
            for sender, count in _senders(admitted).items():
                self._rates.spend_write(sender, node.timers.mono_ms() / 1000, count)
        return answer_json({"items": items})

    # ----------------------------------------------------------------------------- check

    async def check(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/txs:check: what a transaction would do now; nothing is kept."""
        body = await read_body(request, BODY_BYTES_MAX)
        raw, _ = _read_posted(request, body)
        node = self._node
        lang = read_language(request)
        try:
            tx = decode_tx(raw, node.chain.table.union)
        except Malformed as error:
            raise Problem(2001, tx=_tx_id(raw).hex(), cause=str(error)) from None
        self._readers.require(request, (tx.sender,), body)  # an outcome tells balances
        try:
            outcome = node.runtime.intake.try_out(raw)
        except Reject as refusal:
            outcome = Outcome(
                _tx_id(raw), refusal.code.number, tuple(refusal.params.items()), (), ()
            )
        why = None
        if outcome.code:
            params = dict(outcome.params)
            why = problem(outcome.code, params, lang, instance=request.path, tx=outcome.tx_id.hex())
        preview = {language: _preview(node, tx, language) for language in ("nl", "en")}
        return answer_json(
            {
                "allowed": outcome.code == 0,
                "effects": _effects(outcome),
                "preview": preview,
                "problem": why,
            }
        )

    # ---------------------------------------------------------------------------- sealed

    def get_sealed(self, tx_id: bytes) -> bytes | None:
        """Return the sealed memo of a transaction, or None."""
        return self._node.store.store.get(SEALED + tx_id)

    def _keep_sealed(self, tx_id: bytes, sealed: bytes) -> None:
        """Keep the box of a transaction that was admitted; the first one stays."""
        if self.get_sealed(tx_id) is None:
            self._node.store.store.write([(SEALED + tx_id, sealed)])

    # ---------------------------------------------------------------------------- common

    def _check_open(self) -> None:
        closed = self._node.refusal()
        if closed is not None:
            raise closed

    def _is_recent(self, place: TxPlace) -> bool:
        """Say whether a transaction was included lately: a box for an old one is only filling."""
        header = self._node.store.header(place.height)
        assert header is not None, "heights up to the tip are stored"
        return self._node.timers.wall_ms() - header.time_ms <= SEALED_LATE_MS


def _read_posted(request: web.Request, body: bytes) -> tuple[bytes, bytes | None]:
    """Return the envelope and the sealed box of a body."""
    if request.content_type == MSGPACK:
        return body, None
    if request.content_type != "application/json":
        raise Problem(3009, name="Content-Type")
    try:
        posted = parse_json(body, Posted)
        envelope = from_base64(posted.envelope, "envelope")
        sealed = None if posted.sealed is None else from_base64(posted.sealed, "sealed")
    except Malformed as error:
        raise Problem(2001, cause=str(error)) from None
    if sealed is not None and not 0 < len(sealed) <= SEALED_BYTES_MAX:
        raise Problem(3010, limit_bytes=SEALED_BYTES_MAX)
    return envelope, sealed


def refusal_of(verdict: Verdict) -> Problem:
    """Return a refused verdict as a problem."""
    params: dict[str, object] = dict(verdict.params)
    if "reason" in params:  # prose of the decoder; `reason` is the name of the code (1.5.1)
        params["cause"] = params.pop("reason")
    refusal = Problem(verdict.code, tx=verdict.tx_id.hex())
    refusal.params.update(params)
    return refusal


def _item(
    raw: bytes, verdict: Verdict | None, closed: Problem | None, lang: str, path: str
) -> dict[str, Any]:
    if verdict is not None and verdict.code == 0:
        place = verdict.place
        status = "pending" if place is None else status_of(place)
        return {"tx": verdict.tx_id.hex(), "status": status, "problem": None}
    error = closed if verdict is None else refusal_of(verdict)
    assert error is not None, "what was not handed on was closed"
    tx_id = _tx_id(raw).hex() if verdict is None else verdict.tx_id.hex()
    why = problem(error.number, error.params, lang, instance=path, tx=tx_id)
    return {"tx": tx_id, "status": "rejected", "problem": why}


def _tx_id(raw: bytes) -> bytes:
    """Return the id of what was posted; of what is no transaction, the digest of all of it."""
    try:
        return compute_tx_id(raw)
    except Malformed:
        return sha256(raw)


def _sender(raw: bytes) -> bytes | None:
    try:
        return decode(TxBody, decode(Envelope, split_carried(raw)[0]).body).sender
    except Malformed:
        return None


def _senders(envelopes: Sequence[bytes]) -> Mapping[bytes, int]:
    return Counter(sender for sender in map(_sender, envelopes) if sender is not None)


def _effects(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the net change per account and coin of what would be booked; signed cents."""
    net: Counter[tuple[bytes, str]] = Counter()
    for posting in outcome.postings:
        if posting.klass in (MEMBER, FUND):
            sign = 1 if posting.side == "C" else -1
            net[posting.owner, posting.denom] += sign * posting.cents
    return [
        {"account": account_text(owner), "denom": denom, "change_cents": cents}
        for (owner, denom), cents in net.items()
        if cents
    ]


def _preview(node: Node, tx: Tx, lang: str) -> str:
    """Return one sentence of what a transaction asks (interfaces 2.2)."""
    to, cents = payment_of(tx.call)
    name = call_name(tx.call)
    if name in ("coin.transfer", "trade.pay") and cents is not None:
        shown = money(cents, lang)
        if to is not None:
            who = account_text(to)
            return f"{shown} aan {who} betalen." if lang == "nl" else f"Pay {shown} to {who}."
        count = len(call_to_json(node.chain.table, tx.call)["legs"])
        if lang == "nl":
            return f"{shown} aan {count} ontvangers betalen."
        return f"Pay {shown} to {count} payees."
    said = (
        preview_coin(tx.call, lang)
        or preview_policy(node.clock(), tx.sender, tx.call, lang)
        or preview_votes(node.clock(), tx.call, lang)
        or preview_election(node.clock(), tx.call, lang)
    )
    if said is not None:
        return said
    if isinstance(tx.call, ClosePeriod):
        wijk, month = tx.call.wijk, f"{tx.call.month // 100}-{tx.call.month % 100:02d}"
        if lang == "nl":
            return f"De cijfers van {wijk} over {month} afsluiten."
        return f"Close the figures of {wijk} for {month}."
    return f"Opdracht {name}." if lang == "nl" else f"Order {name}."
