"""The client of `wijk bench`: sends pre-signed transactions and sees them become final.

One process, one connection per sender. A transaction is final when the block that holds it was
read from the observed node. No sample is dropped: what never became final is reported as such.
Per transaction it does as little as it can, because it shares the cores with the nodes.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from math import inf

import aiohttp
import msgspec

from chain.codec import decode
from chain.records import BlockBody
from chain.texts import Problem
from testnet.crowd import Batch

BATCH_TXS = 200  # small enough that a node's loop is not held up for long
IN_FLIGHT_MAX = 2_000  # closed loop: about two blocks at the rates of one small machine
TICK_S = 0.02  # open loop: what is due within this goes out together
DRAIN_S = 60.0  # what was sent by the end of the window must be final by then
RETRY_S = 0.05  # the observed node ended its stream, or turned a reader away
AGAIN_S = (1.0, 5.0)  # and then, for a post: a node that is gone for longer is a failure
OK, BUSY = 200, 429


class Sent(msgspec.Struct, gc=False):
    """One transaction: when it was due or sent, what was answered, when it was seen final.

    Times are seconds of the monotonic clock. `answer` is `pending`, `rejected`, `final`, `failed`,
    or `none` where no verdict came.
    """

    tx_id: bytes
    sent_s: float
    answer: str = "none"
    final_s: float | None = None
    height: int = 0


class _Why(msgspec.Struct):
    code: str


class _Item(msgspec.Struct):
    status: str
    problem: _Why | None


class _Answer(msgspec.Struct):
    """What a post is answered with: items in order, or the problem of all of them."""

    items: list[_Item] = []
    code: str = ""


def batch_txs_at(rate: int | None) -> int:
    """Return how many transactions of an open loop go out together; all are due within a tick."""
    return BATCH_TXS if rate is None else max(1, min(BATCH_TXS, int(rate * TICK_S)))


class Load:
    """Guards what is in flight. `urls` get batches in turn, the first of them is observed.

    `height` is the newest block before the first transaction is sent. `told` hears how many are
    final now.
    """

    def __init__(
        self,
        urls: Sequence[str],
        batches: Iterable[Batch],
        height: int,
        *,
        in_flight_max: int = IN_FLIGHT_MAX,
        told: Callable[[int], None] | None = None,
    ) -> None:
        self._urls = urls
        self._batches = iter(batches)
        self._height = height
        self._in_flight_max = in_flight_max
        self._told = told
        self.sent: dict[bytes, Sent] = {}
        self.blocks: dict[int, tuple[float, int]] = {}  # height -> (seen at, transactions)
        self.refused: dict[str, int] = {}  # code -> how many
        self.busy: list[str | None] = []  # of each answer 429: its Retry-After
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def run(
        self, seconds: float | None, rate: int | None, begun: Callable[[], None] = lambda: None
    ) -> None:
        """Send for `seconds`: at `rate` per second, or as fast as is confirmed; then drain.

        Without `seconds` all there is. `begun` is called when the first transaction is about to
        leave. Raise `Problem` 3003 where something is not final in time, and 1001 where the
        transactions ran out.
        """
        timeout = aiohttp.ClientTimeout(total=DRAIN_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            watching = group.create_task(self._watch(session))
            begun()
            end = inf if seconds is None else time.monotonic() + seconds
            if rate is None:
                async with asyncio.TaskGroup() as senders:
                    for url in self._urls:
                        senders.create_task(self._send_closed(session, url, end))
            else:
                await self._send_open(session, rate, end)
            await self._drain()
            watching.cancel()

    # ------------------------------------------------------------------------------ sending

    def _take(self, end: float) -> Batch | None:
        """Return the next batch, or None where all is sent that was to be sent."""
        batch = next(self._batches, None)
        if batch is None and end < inf:
            raise Problem(1001, cause="the pre-signed transactions ran out; use --rate")
        return batch

    async def _send_closed(self, session: aiohttp.ClientSession, url: str, end: float) -> None:
        while time.monotonic() < end and (batch := self._take(end)) is not None:
            while self._in_flight and self._in_flight + len(batch) > self._in_flight_max:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, end - time.monotonic())):
                        await self._changed.wait()
                if time.monotonic() >= end:
                    return
            insist = end == inf  # what ends by itself is work to be done, not a measurement
            wait_s = await self._post(session, url, batch, time.monotonic(), insist=insist)
            if wait_s:  # as a client should; others may have room
                await asyncio.sleep(max(0.0, min(wait_s, end - time.monotonic())))

    async def _send_open(self, session: aiohttp.ClientSession, rate: int, end: float) -> None:
        """Send each batch when the last of it is due, whether or not earlier ones are answered.

        Latency counts from when a transaction was due, so a slow sender hides nothing.
        """
        begun = time.monotonic()
        sent = 0
        async with asyncio.TaskGroup() as group:
            for url in cycle(self._urls):
                batch = self._take(end)
                assert batch is not None, "an open loop has an end"
                first_s = begun + (sent + 1) / rate
                sent += len(batch)
                due_s = begun + sent / rate
                if due_s >= end:
                    break
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                group.create_task(self._post(session, url, batch, first_s, 1 / rate))

    async def _post(
        self,
        session: aiohttp.ClientSession,
        url: str,
        batch: Batch,
        first_s: float,
        step_s: float = 0.0,
        *,
        insist: bool = False,
    ) -> int:
        """Post a batch and note each verdict; return how long the node asks to wait, in seconds.

        Who insists waits as long as that and posts it again.
        """
        records = [Sent(tx_id, first_s + i * step_s) for i, tx_id in enumerate(batch.tx_ids())]
        self.sent.update((record.tx_id, record) for record in records)
        self._in_flight += len(records)
        headers = {"Content-Type": "application/msgpack"}
        route = f"{url}/v1/txs:batch"
        status, after, body = await _exchange(session, route, batch.body, headers)
        while status == BUSY and insist:
            await asyncio.sleep(int(after or 1))
            status, after, body = await _exchange(session, route, batch.body, headers)
        answer = _ANSWER.decode(body)
        if status == BUSY:
            self.busy.append(after)
        if status != OK:
            self._refuse(records, answer.code)
            return int(after or 1)
        for record, item in zip(records, answer.items, strict=True):
            record.answer = item.status
            if item.problem is not None:
                self._refuse([record], item.problem.code)
        return 0

    def _refuse(self, records: Sequence[Sent], code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + len(records)
        for record in records:
            record.answer = "rejected"
            if record.final_s is None:
                self._in_flight -= 1
        self._changed.set()

    # ---------------------------------------------------------------------------- observing

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        """Follow the block stream of the observed node; come back where it ends."""
        url = f"{self._urls[0]}/v1/stream?topics=block"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=DRAIN_S)
        while True:
            headers = {"Last-Event-ID": f"{self._height}.0"}
            async with session.get(url, headers=headers, timeout=timeout) as stream:
                async for line in stream.content:
                    if line.startswith(b"id: "):
                        newest = int(line[4:].split(b".")[0])
                        for height in range(self._height + 1, newest + 1):
                            await self._read_block(session, height)
            await asyncio.sleep(RETRY_S)

    async def _read_block(self, session: aiohttp.ClientSession, height: int) -> None:
        """Note what a block holds, as soon as the node has time for readers (A13)."""
        url = f"{self._urls[0]}/v1/blocks/{height}"
        raw = None
        while raw is None:
            # A node that has too much to do may also end a connection that it kept for later.
            with contextlib.suppress(aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                async with session.get(url, headers={"Accept": "application/msgpack"}) as answer:
                    if answer.status != BUSY:
                        answer.raise_for_status()
                        raw = await answer.read()
            if raw is None:
                await asyncio.sleep(RETRY_S)
        now = time.monotonic()
        parts: list[bytes] = msgspec.msgpack.decode(raw)
        body = decode(BlockBody, parts[1])
        seen = 0
        for tx_id in body.tx_ids:
            record = self.sent.get(tx_id)
            if record is None or record.final_s is not None:
                continue
            record.final_s, record.height = now, height
            seen += 1
            if record.answer != "rejected":
                self._in_flight -= 1
        self.blocks[height] = (now, len(body.tx_ids))
        self._height = height
        self._changed.set()
        if self._told is not None:
            self._told(seen)

    async def _drain(self) -> None:
        end = time.monotonic() + DRAIN_S
        while self._in_flight > 0:
            if time.monotonic() > end:
                raise Problem(3003, cause=f"{self._in_flight} transactions are not final")
            await asyncio.sleep(TICK_S)


async def _exchange(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str | None, bytes]:
    """Post and return status, Retry-After and answer.

    A node may end a connection that was idle just as the next request comes in. The same bytes
    count once, so they go out again, as those of a wallet do.
    """
    for wait_s in (RETRY_S, *AGAIN_S, None):
        try:
            async with session.post(url, data=body, headers=headers) as answer:
                return answer.status, answer.headers.get("Retry-After"), await answer.read()
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if wait_s is None:
                raise
            await asyncio.sleep(wait_s)
    raise AssertionError("the last attempt returned or raised")


_ANSWER = msgspec.json.Decoder(_Answer)
