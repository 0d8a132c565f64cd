"""The client of `wijk bench`: sends pre-signed transactions and sees them become final.

One process, one connection per sender. A transaction is final when the block that holds it was
read from the observed node. No sample is dropped: what never became final is reported as such.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from chain.codec import decode, encode
from chain.crypto import sha256
from chain.records import BlockBody
from chain.texts import Problem

BATCH_TXS = 200  # small enough that a node's loop is not held up for long
IN_FLIGHT_MAX = 6_000  # closed loop: about two blocks at the rates of one small machine
TICK_S = 0.02  # open loop: what is due by then goes out together
DRAIN_S = 60.0  # what was sent by the end of the window must be final by then
RETRY_S = 0.05  # the observed node ended its stream
OK = 200


class Sent(msgspec.Struct):
    """One transaction: when it was due or sent, what was answered, when it was seen final.

    Times are seconds of the monotonic clock. `answer` is `pending`, `rejected`, `final`, `failed`,
    or `none` where no verdict came.
    """

    tx_id: bytes
    sent_s: float
    answer: str = "none"
    final_s: float | None = None
    height: int = 0


class Load:
    """Guards what is in flight. `urls` get batches in turn, the first of them is observed."""

    def __init__(self, urls: Sequence[str], envelopes: Sequence[bytes], height: int) -> None:
        """`height` is the newest block before the first transaction is sent."""
        self._urls = urls
        self._envelopes = envelopes
        self._next = 0
        self.sent: dict[bytes, Sent] = {}
        self.blocks: dict[int, tuple[float, int]] = {}  # height -> (seen at, transactions)
        self.refused: dict[str, int] = {}  # code -> how many
        self._height = height
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def run(self, seconds: float, rate: int | None, begun: Callable[[], None]) -> None:
        """Send for `seconds`: at `rate` per second, or as fast as is confirmed; then drain.

        `begun` is called when the first transaction is about to leave. Raise `Problem` 3003 where
        something is not final in time, and 1001 where the transactions ran out.
        """
        timeout = aiohttp.ClientTimeout(total=DRAIN_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            watching = group.create_task(self._watch(session))
            begun()
            end = time.monotonic() + seconds
            if rate is None:
                async with asyncio.TaskGroup() as senders:
                    for url in self._urls:
                        senders.create_task(self._send_closed(session, url, end))
            else:
                await self._send_open(session, rate, end)
            await self._drain()
            watching.cancel()

    # ------------------------------------------------------------------------------ sending

    async def _send_closed(self, session: aiohttp.ClientSession, url: str, end: float) -> None:
        while time.monotonic() < end:
            if self._in_flight + BATCH_TXS > IN_FLIGHT_MAX:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, end - time.monotonic())):
                        await self._changed.wait()
                continue
            await self._post(session, url, BATCH_TXS, time.monotonic())

    async def _send_open(self, session: aiohttp.ClientSession, rate: int, end: float) -> None:
        """Send what is due each tick, whether or not earlier ones are answered.

        Latency counts from when a transaction was due, so a slow sender hides nothing.
        """
        begun = time.monotonic()
        turn = 0
        async with asyncio.TaskGroup() as group:
            while (now := time.monotonic()) < end:
                due = int((now - begun) * rate) - self._next
                while due > 0:
                    count = min(due, BATCH_TXS)
                    due_s = begun + self._next / rate
                    url = self._urls[turn % len(self._urls)]
                    group.create_task(self._post(session, url, count, due_s, 1 / rate))
                    await asyncio.sleep(0)  # the task takes its transactions now
                    due -= count
                    turn += 1
                await asyncio.sleep(TICK_S)

    async def _post(
        self,
        session: aiohttp.ClientSession,
        url: str,
        count: int,
        first_s: float,
        step_s: float = 0.0,
    ) -> None:
        """Post the next `count` transactions and note each verdict."""
        batch = self._envelopes[self._next : self._next + count]
        if len(batch) < count:
            raise Problem(1001, cause="the pre-signed transactions ran out; use --rate")
        self._next += count
        records = [Sent(sha256(raw), first_s + i * step_s) for i, raw in enumerate(batch)]
        self.sent |= {record.tx_id: record for record in records}
        self._in_flight += count
        headers = {"Content-Type": "application/msgpack"}
        async with session.post(
            f"{url}/v1/txs:batch", data=encode(list(batch)), headers=headers
        ) as answer:
            told = msgspec.json.decode(await answer.read())
        if answer.status != OK:
            self._count(records, str(told.get("code")))
            return
        for record, item in zip(records, told["items"], strict=True):
            record.answer = item["status"]
            if record.answer == "rejected":
                self._count([record], item["problem"]["code"])

    def _count(self, records: Sequence[Sent], code: str) -> None:
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
        url = f"{self._urls[0]}/v1/blocks/{height}"
        async with session.get(url, headers={"Accept": "application/msgpack"}) as answer:
            answer.raise_for_status()
            raw = await answer.read()
        now = time.monotonic()
        parts: list[bytes] = msgspec.msgpack.decode(raw)
        body = decode(BlockBody, parts[1])
        for tx_id in body.tx_ids:
            record = self.sent.get(tx_id)
            if record is None or record.final_s is not None:
                continue
            record.final_s, record.height = now, height
            if record.answer != "rejected":
                self._in_flight -= 1
        self.blocks[height] = (now, len(body.tx_ids))
        self._height = height
        self._changed.set()

    async def _drain(self) -> None:
        end = time.monotonic() + DRAIN_S
        while self._in_flight > 0:
            if time.monotonic() > end:
                raise Problem(3003, cause=f"{self._in_flight} transactions are not final")
            await asyncio.sleep(TICK_S)
