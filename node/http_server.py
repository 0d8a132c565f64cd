"""The HTTP server under API, metrics and admin socket: hostile bytes end here (reliability A1..A7).

aiohttp parses; what it leaves open is closed here: connection caps, body caps and deadlines while
reading, no banner, and no word of what was wrong inside for requests that do not even parse.
"""

import asyncio
import logging
import secrets
import socket
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.web_protocol import RequestHandler

from chain.texts import RETRY_AFTER_S_DEFAULT, Problem, http_status, problem
from node.addresses import get_network, join_address, split_address

HEADER_BYTES_MAX = 8_190  # reliability A1: per line and per field
HEADERS_MAX = 64  # aiohttp refuses more with 400
FIRST_HEADER_S = 10  # reliability A2: also how long an idle connection is kept
BODY_S = 5.0  # reliability A2: the whole body, then 408
OUR_FAULT_S = 0.1  # a timer so much too late tells that the node was busy
LINGER_S = 1.0  # how long an unread body is drained, so that the answer is not lost
STUCK_S = 30.0  # a connection that takes no byte of what waits for it for so long is cut
CLOSE_S = 1.0  # how long a stopping server waits for requests under way
CONNECTIONS_MAX = 900  # reliability A3
CONNECTIONS_PER_ADDRESS_MAX = 64  # interfaces 2.1: off loopback
ACCEPTS_WAITING_MAX = 512
ACCEPT_AGAIN_S = 1.0  # after the system had no descriptor or no memory for one more
LANGUAGE_BYTES_MAX = 256

PROBLEM_TYPE = "application/problem+json"
TOO_MANY, INTERNAL = 3004, 9001

_VERSIONS = (HttpVersion10, HttpVersion11)
_log = logging.getLogger("wijk.http")


class RateLimited(Problem):
    """WIJK-3004 where there is a rate: `quota` requests in `window_s` seconds, none left now."""

    def __init__(self, name: str, quota: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(TOO_MANY, retry_after_s=retry_after_s)
        self.policy = f'"{name}";q={quota};w={window_s}'


class Answer(web.Response):
    """A response that does not say what made it (reliability A7)."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class Stream(web.StreamResponse):
    """The same for an answer without end."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


def answer_json(tree: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(
        body=msgspec.json.encode(tree),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def answer_problem(error: Problem, instance: str, lang: str, **headers: str) -> Answer:
    """Return the problem+json of interfaces 1.5, with `Retry-After` where there is an after."""
    tree = problem(
        error.number,
        error.params,
        lang,
        instance=instance,
        tx=error.tx,
        nothing_sent=error.nothing_sent,
    )
    if tree["retry"] == "after":
        params = tree["params"]
        assert isinstance(params, dict)
        after = params.get("retry_after_s", RETRY_AFTER_S_DEFAULT)
        headers["Retry-After"] = str(after)
        if tree["status"] == HTTPStatus.TOO_MANY_REQUESTS:  # interfaces 2.1
            policy = f'"load";q=1;w={after}'
            if isinstance(error, RateLimited):
                policy = error.policy
            headers["RateLimit-Policy"] = policy
            headers["RateLimit"] = f"{policy.partition(';')[0]};r=0;t={after}"
    return Answer(
        body=msgspec.json.encode(tree),
        status=http_status(error.number) or HTTPStatus.INTERNAL_SERVER_ERROR,
        headers=headers,
        content_type=PROBLEM_TYPE,
    )


def read_language(request: web.BaseRequest) -> str:
    """Return `en` where the client prefers it over Dutch, else `nl` (interfaces 0)."""
    asked = request.headers.get("Accept-Language", "")[:LANGUAGE_BYTES_MAX].lower()
    best, lang = 0.0, "nl"
    for place, part in enumerate(asked.split(",")):
        tag, _, rest = part.strip().partition(";")
        weight = _weight(rest) - place / 1000
        if tag[:2] in ("nl", "en") and weight > best:
            best, lang = weight, tag[:2]
    return lang


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name != "q":
        return 1.0
    digits = value.replace(".", "", 1)
    return float(value) if digits.isascii() and digits.isdigit() and len(value) < 6 else 0.0  # noqa: PLR2004


async def read_body(request: web.Request, limit_bytes: int) -> bytes:
    """Return the body; raise `Problem` 3010 above the cap and 3011 after `BODY_S` seconds.

    Compressed bodies are refused whatever their size: nothing here ever inflates one (W28).
    The time in which this node ran a block instead of reading is given back.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    too_large = (request.content_length or 0) > limit_bytes
    if too_large or encoding != "identity":
        raise Problem(3010, limit_bytes=limit_bytes)
    body = bytearray()
    loop = asyncio.get_running_loop()
    due = loop.time() + BODY_S
    while True:
        try:
            async with asyncio.timeout_at(due):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > limit_bytes:
                        raise Problem(3010, limit_bytes=limit_bytes)
            return bytes(body)
        except TimeoutError:
            late_s = loop.time() - due
            if late_s < OUR_FAULT_S:
                raise Problem(3011) from None
            due = loop.time() + late_s


@web.middleware
async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Any]
) -> web.StreamResponse:
    """Turn every exception into problem+json with a stable code (A7)."""
    lang = read_language(request)
    needs_host = request.version == HttpVersion11 and "Host" not in request.headers
    if needs_host or request.version not in _VERSIONS:
        refused = answer_problem(Problem(3009, name="Host"), request.path, lang)
        refused.force_close()
        return refused
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except Problem as error:
        return answer_problem(error, request.path, lang)
    except web.HTTPMethodNotAllowed as error:
        refusal = Problem(3008, method=error.method)
        return answer_problem(
            refusal, request.path, lang, Allow=", ".join(sorted(error.allowed_methods))
        )
    except web.HTTPException as error:
        return answer_problem(Problem(_number_of(error), what=request.path), request.path, lang)
    except ConnectionError:
        raise
    except Exception:  # noqa: BLE001 - the one place that turns everything into an answer
        log_id = secrets.token_hex(8)
        _log.exception("api.error", extra={"why": log_id})
        is_read = request.method in ("GET", "HEAD")  # else something may have happened
        why = Problem(INTERNAL, nothing_sent=is_read, log_id=log_id)
        return answer_problem(why, request.path, lang)


def _number_of(error: web.HTTPException) -> int:
    known: dict[int, int] = {404: 3007, 405: 3008, 408: 3011, 413: 3010, 429: 3004}
    return known.get(error.status, 3009)


class Connections:
    """Counts open connections, in all and per address; loopback is exempt from the second."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def enter(self, network: str) -> bool:
        """Count a new connection; False, and not counted, where a cap is reached."""
        if self._open.total() >= CONNECTIONS_MAX:
            return False
        if network and self._open[network] >= CONNECTIONS_PER_ADDRESS_MAX:
            return False
        self._open[network] += 1
        return True

    def leave(self, network: str) -> None:
        """A counted connection is gone."""
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


def read_network(request: web.BaseRequest) -> str:
    """Return what counts as the sender's address: "" for loopback, the /64 of an IPv6 address."""
    return get_network(request.remote) if request.remote else ""


class _Handler(RequestHandler):
    """One connection. What does not parse is answered without a word of it (A7)."""

    __slots__ = ("_caps", "_network", "_unsent", "_watch")

    def __init__(self, manager: web.Server, caps: Connections, **options: Any) -> None:
        super().__init__(manager, **options)
        self._caps = caps
        self._network: str | None = None
        self._unsent = 0  # bytes that waited for the client when it was looked at last
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", made)  # uvloop's is one, but does not say so
        peer = transport.get_extra_info("peername")
        network = get_network(str(peer[0])) if isinstance(peer, tuple) else ""
        if not self._caps.enter(network):
            self.force_close()
            transport.write(_too_many())
            transport.close()
            return
        self._network = network
        self._look_later(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._network is not None:
            self._caps.leave(self._network)
            self._network = None
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look_later(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(STUCK_S, self._cut_if_stuck, transport)

    def _cut_if_stuck(self, transport: asyncio.Transport) -> None:
        """Cut a client that reads nothing; else it would hold its place for ever, even closed."""
        unsent = transport.get_write_buffer_size()
        if unsent and unsent >= self._unsent > 0:
            transport.abort()
            return
        self._unsent = unsent
        self._look_later(transport)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the input
    ) -> web.StreamResponse:
        """Answer what did not parse, or what the middleware could not catch."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer is half sent")
        why = Problem(3009)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            why = Problem(INTERNAL, nothing_sent=False)
            _log.error("api.error", exc_info=exc)
        response = answer_problem(why, "/", "nl")
        response.force_close()
        return response


def _too_many() -> bytes:
    """Return the whole answer to a connection above a cap, whose request nobody reads."""
    answer = answer_problem(Problem(TOO_MANY), "/", "nl")
    assert isinstance(answer.body, bytes)
    headers = {
        **answer.headers,
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": str(len(answer.body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 429 Too Many Requests\r\n{lines}\r\n".encode() + answer.body


class _Listener:
    """Guards a listening socket, and takes all who knock in one turn of the loop.

    A busy loop turns a few times a second, and uvloop's own server takes one connection a turn:
    clients would wait unheard instead of being told to come back (reliability A12).
    """

    def __init__(self, listener: socket.socket, factory: Callable[[], _Handler]) -> None:
        self._listener = listener
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._taking: set[asyncio.Task[object]] = set()
        self._resume: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_WAITING_MAX):
            try:
                accepted, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors, no memory: they come back
                _log.warning("http.accept", extra={"why": str(error)})
                self._loop.remove_reader(self._listener.fileno())
                self._resume = self._loop.call_later(ACCEPT_AGAIN_S, self._listen)
                return
            accepted.setblocking(False)
            taking = self._loop.create_task(self._take(accepted))
            self._taking.add(taking)
            taking.add_done_callback(self._taking.discard)

    async def _take(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, accepted)
        except OSError:  # gone already
            accepted.close()

    def close(self) -> None:
        """Take nobody any more."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()


class Serving:
    """A server that runs; `address` is where it listens."""

    def __init__(self, runner: web.AppRunner, server: _Listener, address: str) -> None:
        self._runner = runner
        self._server = server
        self.address = address

    async def close(self) -> None:
        """Stop accepting, give requests under way a second, then cut them off."""
        self._server.close()
        await self._runner.cleanup()


async def serve_tcp(app: web.Application, listen: str) -> Serving:
    """Serve `app` on `listen`, "host:port"; the address says which port was bound."""
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=ACCEPTS_WAITING_MAX)
    address = join_address(host, listener.getsockname()[1])
    return await _serve(app, listener, f"http://{address}")


async def serve_unix(app: web.Application, path: Path) -> Serving:
    """Serve `app` on a Unix socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(ACCEPTS_WAITING_MAX)
    except OSError:
        listener.close()
        raise
    return await _serve(app, listener, str(path))


async def _serve(app: web.Application, listener: socket.socket, address: str) -> Serving:
    listener.setblocking(False)
    runner, factory = await _make(app)
    return Serving(runner, _Listener(listener, factory), address)


async def _make(app: web.Application) -> tuple[web.AppRunner, Callable[[], _Handler]]:
    runner = web.AppRunner(app, shutdown_timeout=CLOSE_S)
    await runner.setup()
    manager = runner.server
    assert manager is not None
    loop = asyncio.get_running_loop()
    caps = Connections()

    def factory() -> _Handler:
        return _Handler(
            manager,
            caps,
            loop=loop,
            keepalive_timeout=FIRST_HEADER_S,
            access_log=None,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )

    return runner, factory
