"""Proxies in the way of every link: byte-blind, they delay, hold up, silence and cut (H8, J35).

Genesis names the ports of the proxies, one before each node. Who dials is looked up by the number
of its socket, so that the path between two nodes can be disturbed in one direction. The bytes are
TLS: nothing in them is read, and none is changed. A path that was silenced has lost bytes, so it
is cut when the silence ends, as a real one would be.
"""

import asyncio
import random
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from testnet.network import Network

CHUNK_BYTES = 64 * 1024
QUEUE_CHUNKS = 64  # then nothing more is read: the sender feels a full path
AGAIN_S = 0.2  # what TCP waits at least before it sends lost bytes again
UNKNOWN = "?"


class Weather(NamedTuple):
    """What every path suffers. Times in seconds; chances per chunk of at most 64 KiB.

    Under TCP a lost packet is a late one: `loss` is the chance to wait for it to be sent again.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    cut: float = 0.0  # the connection is reset


class Proxies:
    """One listener before each node, on a thread of its own; `weather` may change at any time."""

    def __init__(self, count: int) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self.addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in self._listeners]
        self.weather = Weather()
        self.silent: frozenset[tuple[str, str]] = frozenset()  # (from, to), names of nodes
        self.carried = 0  # bytes
        self.cuts = 0
        self._network: Network
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._paths: set[asyncio.Task[None]] = set()
        self._random = random.Random(35)

    def start(self, nodes: dict[str, str], network: Network) -> None:
        """Begin to pass on: `nodes` is where each node listens, in the order of the addresses."""
        self._network = network
        self._thread.start()
        for listener, (name, address) in zip(self._listeners, nodes.items(), strict=True):
            asyncio.run_coroutine_threadsafe(self._serve(listener, name, address), self._loop)

    def stop(self) -> None:
        """Cut everything and end the thread."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        for listener in self._listeners:
            listener.close()
        self._loop.close()

    async def _end(self) -> None:
        paths = list(self._paths)
        for path in paths:
            path.cancel()
        await asyncio.gather(*paths, return_exceptions=True)

    async def _serve(self, listener: socket.socket, name: str, address: str) -> None:
        """Accept what is dialled to one node, for as long as the loop runs."""
        task = asyncio.current_task()
        assert task is not None
        self._paths.add(task)
        listener.setblocking(False)
        host, port = address.split(":")
        while True:
            accepted, (_, dialled_from) = await self._loop.sock_accept(listener)
            path = self._loop.create_task(
                self._carry(accepted, self._find_dialler(dialled_from), name, host, int(port))
            )
            self._paths.add(path)
            path.add_done_callback(self._paths.discard)

    async def _carry(
        self, accepted: socket.socket, dialler: str, name: str, host: str, port: int
    ) -> None:
        """Carry one connection until an end closes it, or the weather cuts it."""
        reader, writer = await asyncio.open_connection(sock=accepted)
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # nobody listens there: as if there were no proxy
            return
        pumps = [
            self._loop.create_task(self._pump(reader, far_writer, (dialler, name))),
            self._loop.create_task(self._pump(far_reader, writer, (name, dialler))),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: tuple[str, str]
    ) -> None:
        """Pass bytes on in one direction, in their order, each chunk when it is due."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        reading = self._loop.create_task(self._read(reader, queue, way))
        lost = False
        try:
            while True:
                due, chunk = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if way in self.silent:
                    lost = True
                    continue
                if not chunk or lost:
                    return
                if self._random.random() < self.weather.cut:
                    self.cuts += 1
                    return
                self.carried += len(chunk)
                writer.write(chunk)
                await writer.drain()
        except OSError:
            return  # an end is gone
        finally:
            reading.cancel()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        queue: "asyncio.Queue[tuple[float, bytes]]",
        way: tuple[str, str],
    ) -> None:
        """Put what arrives into the queue with the time when it is due; b"" at its end."""
        due = 0.0
        while True:
            try:
                chunk = await reader.read(CHUNK_BYTES)
            except OSError:
                chunk = b""
            weather = self.weather
            wait_s = weather.delay_s + weather.jitter_s * self._random.random()
            if self._random.random() < weather.loss:
                wait_s += AGAIN_S
            due = max(due, time.monotonic() + wait_s)  # a stream never overtakes itself
            await queue.put((due, chunk))
            if not chunk:
                return

    def _find_dialler(self, port: int) -> str:
        """Return which node holds the socket that is bound to a loopback port."""
        local = f"0100007F:{port:04X}"
        inodes = [
            fields[9]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if (fields := line.split())[1] == local
        ]
        wanted = {f"socket:[{inode}]" for inode in inodes}
        for entry in self._network.file.nodes:
            try:
                files = list(Path(f"/proc/{entry.pid}/fd").iterdir())
                if any(str(file.readlink()) in wanted for file in files):
                    return entry.name
            except OSError:
                continue  # it does not run, or closed a file just now
        return UNKNOWN
