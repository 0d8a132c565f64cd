"""A client of a node's HTTP API on the standard library alone (interfaces 1.2, 2.2).

What a wallet or an auditor asks of a node goes through here; importing it costs little and opens
nothing. Several nodes are tried in their order: a question goes to the next one, a transaction
only while it is certain that no byte of it has left (interfaces 1.5). Answers are bounded before
they are read, and nothing in them is believed: proofs are judged elsewhere.
"""

import http.client
import json
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

from chain.codec import decode, encode
from chain.errors import Malformed
from chain.records import compute_tx_id
from chain.texts import Problem, parse_code
from node.request_signature import content_digest, signature_base, signature_params

ANSWER_BYTES_MAX = 16 * 1024 * 1024  # a page of 500 blocks, a genesis of 10,000 accounts
EVENT_BYTES_MAX = 1024 * 1024  # one line of a stream
TIMEOUT_S = 30.0
POST_BYTES_MAX = 64 * 1024  # of a body (interfaces 2.1); more goes as a batch (ADR 0084)
WAIT_SLACK_S = 10.0  # on top of `wait_ms`: the node answers by then
WAIT_MS_DEFAULT = 10_000
UNREACHABLE, TLS_FAILED, NO_ANSWER, INTERNAL = 3001, 3002, 3003, 9001
BUSY, SIGNATURE_REQUIRED, NOT_ALLOWED = 3004, 3005, 3006
OK, BAD_REQUEST = 200, 400
PATIENCE_S_MAX = 60.0  # so long a node may say "too fast" about one thing before we give up

Tree = dict[str, Any]
Sign = Callable[[str, str, bytes | None], dict[str, str]]  # method, route, body -> headers
RawBlock = tuple[bytes, bytes, bytes, tuple[bytes, ...]]
CertifiedHeader = tuple[bytes, bytes, bytes, None]
_RAW_BLOCK: Any = RawBlock
_CERTIFIED: Any = CertifiedHeader
T = TypeVar("T")


class ClientProblem(Problem):
    """A node refused: `tree` is its problem object, `number` its code (interfaces 1.5)."""

    def __init__(self, number: int, tree: Tree) -> None:
        params = tree.get("params")
        tx = tree.get("tx")
        super().__init__(
            number,
            nothing_sent=tree.get("nothing_sent") is True,
            tx=tx if isinstance(tx, str) else None,
        )
        self.params = params if isinstance(params, dict) else {}
        self.tree = tree


class Unreachable(Problem):
    """No node could be reached (WIJK-3001); nothing was sent."""


class NoAnswer(Problem):
    """Something was sent and no answer came (WIJK-3003): the outcome is unknown."""


class Event(NamedTuple):
    """One event of a stream; `id` is what `Last-Event-ID` takes, None where it has none."""

    id: str | None
    topic: str
    data: Tree


def ask_patiently(
    question: Callable[[], T],
    sleep: Callable[[float], None] = time.sleep,
    patience_s: float = PATIENCE_S_MAX,
) -> T:
    """Ask until the node has time: its limits are per address, and a long way asks a lot.

    A node that says for longer than `patience_s` that it has none is busy: `Problem` 3004.
    """
    waited_s = 0.0
    while True:
        try:
            return question()
        except Problem as problem:
            if problem.number != BUSY or waited_s >= patience_s:
                raise
            told = problem.params.get("retry_after_s")
            asked_s = told if isinstance(told, int) and told > 0 else 1
            wait_s = min(asked_s, patience_s - waited_s)
            sleep(wait_s)
            waited_s += wait_s


def make_sign(
    account: str,
    key_index: int,
    sign: Callable[[bytes], bytes],
    now_s: Callable[[], int],
    nonce: Callable[[], str],
) -> Sign:
    """Return what signs requests for an account, in text form (RFC 9421, interfaces 2.3)."""

    def headers(method: str, route: str, body: bytes | None) -> dict[str, str]:
        path, _, query = route.partition("?")
        has_body = body is not None
        params = signature_params(account, key_index, now_s(), nonce(), body=has_body)
        signature = sign(signature_base(method, path, query, body, params))
        told = {
            "Signature-Input": f"wijk={params}",
            "Signature": f"wijk=:{_base64(signature)}:",
        }
        if body is not None:
            told["Content-Digest"] = content_digest(body)
        return told

    return headers


class Client:
    """Asks the nodes of `urls`, in that order. Connections are kept; one thread at a time."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float = TIMEOUT_S,
        lang: str = "nl",
        sign: Sign | None = None,
        make_signs: Callable[[], Iterable[Sign]] = tuple,
    ) -> None:
        """`sign` puts an account's signature under every request (interfaces 2.3).

        `make_signs` is asked for signers once a node wants to know who reads: one for each account
        that the reader has a key of. The next one is made and tried where one may not read.
        """
        self._open: dict[str, http.client.HTTPConnection] = {}
        assert urls, "a client needs a node to ask"
        self._urls = tuple(urls)
        self._timeout_s = timeout_s
        self._lang = lang
        self._sign = sign
        self._make_signs = make_signs
        self._others: list[Sign] = []  # signers that wait for their turn
        self._more: Iterator[Sign] = iter(())  # and those that nobody asked for yet

    # --------------------------------------------------------------------------- by route

    def get(self, route: str, **params: str | int) -> Any:
        """Return the JSON of a route. Raise `ClientProblem`, `Unreachable` or `Malformed`."""
        return _parse(self.get_bytes(_with(route, params)))

    def get_bytes(self, route: str, accept: str = "*/*") -> bytes:
        """Return the body of a route."""
        return self._ask("GET", route, None, {"Accept": accept}, self._timeout_s)[1]

    def get_text(self, route: str, **params: str | int) -> str:
        """Return the body of a route that answers with text."""
        try:
            return self.get_bytes(_with(route, params)).decode()
        except UnicodeDecodeError as error:
            raise Malformed("the node's answer is not UTF-8") from error

    # ---------------------------------------------------------------------------- reading

    def status(self) -> Tree:
        """Return block B of interfaces 1.8."""
        return self._tree("/v1/status")

    def genesis(self) -> bytes:
        """Return the canonical genesis bytes."""
        return self.get_bytes("/v1/genesis")

    def params(self) -> Tree:
        """Return `{"height", "params"}`."""
        return self._tree("/v1/params")

    def validators(self) -> Tree:
        """Return `query validators`."""
        return self._tree("/v1/validators")

    def policy(self) -> str:
        """Return the policy file that this node offers; whom to trust is the reader's choice."""
        return self.get_text("/v1/policy")

    def block(self, ref: str | int, *, txs: bool = False, prove: bool = False) -> Tree:
        """Return block E by height, id or `latest`."""
        return self._tree(f"/v1/blocks/{ref}", **_flags(txs=txs, prove=prove))

    def raw_block(self, height: int) -> RawBlock:
        """Return header, body and certificate bytes, and the envelopes, of a decided block."""
        raw = self.get_bytes(f"/v1/blocks/{height}?txs=1", "application/msgpack")
        block: RawBlock = decode(_RAW_BLOCK, raw)
        return block

    def certified(self, ref: str | int) -> tuple[bytes, bytes]:
        """Return header and certificate bytes of a decided block, by height, id or `latest`."""
        raw = self.get_bytes(f"/v1/blocks/{ref}", "application/msgpack")
        header, _, certificate, _ = decode(_CERTIFIED, raw)
        return header, certificate

    def tx(self, tx: str, *, prove: bool = False) -> Tree:
        """Return `query tx`."""
        return self._tree(f"/v1/txs/{tx}", **_flags(prove=prove))

    def account(self, account: str, *, prove: bool = False) -> Tree:
        """Return `query account`."""
        return self._tree(f"/v1/accounts/{account}", **_flags(prove=prove))

    def history(self, account: str, **params: str | int) -> Tree:
        """Return a PAGE of `account history`."""
        return self._tree(f"/v1/accounts/{account}/history", **params)

    def supply(self) -> Tree:
        """Return a PAGE of `coin info`."""
        return self._tree("/v1/supply")

    def reserve(self) -> Tree:
        """Return a PAGE of `coin reserve show`."""
        return self._tree("/v1/reserve")

    def search(self, text: str) -> Tree:
        """Return what a height, an id or an account id names."""
        return self._tree("/v1/search", q=text)

    def checkpoint(self) -> str:
        """Return the newest checkpoint, a signed note."""
        return self.get_text("/log/checkpoint")

    def receipt(self, tx: str) -> str:
        """Return the receipt of an included transaction."""
        return self.get_text(f"/v1/receipts/{tx}.tlog-proof")

    def inclusion_proof(self, tx: str) -> Tree:
        """Return the proof that the log holds a transaction."""
        return self._tree("/v1/proofs/inclusion", tx=tx)

    def consistency_proof(self, from_size: int, to_size: int) -> str:
        """Return the text of a consistency proof (interfaces 5.4)."""
        return self.get_text("/v1/proofs/consistency", **{"from": from_size, "to": to_size})

    def state_proof(self, key: str) -> str:
        """Return the text of a state proof in the newest block (interfaces 5.5)."""
        return self.get_text("/v1/proofs/state", key=key)

    # ---------------------------------------------------------------------------- sending

    def submit(
        self,
        envelope: bytes,
        *,
        sealed: bytes | None = None,
        wait: str = "accepted",
        wait_ms: int = WAIT_MS_DEFAULT,
        timeout_s: float | None = None,
    ) -> Tree:
        """Post one transaction. `NoAnswer` after it was sent: only the same bytes may go again.

        An answer has `timeout_s` to come, by default well past `wait_ms`. What one request cannot
        hold, as a roll of thousands of keys, goes in a batch of one, whose answer has no proof.
        """
        tx = compute_tx_id(envelope).hex()
        if len(envelope) > POST_BYTES_MAX:
            return self._submit_large(envelope, tx, timeout_s or self._timeout_s)
        body, kind = envelope, "application/msgpack"
        if sealed is not None:
            posted = {"envelope": _base64(envelope), "sealed": _base64(sealed)}
            body, kind = json.dumps(posted).encode(), "application/json"
        route = _with("/v1/txs", {"wait": wait, "wait_ms": wait_ms})
        seconds = timeout_s or max(self._timeout_s, wait_ms / 1000 + WAIT_SLACK_S)
        answer = _parse(self._ask("POST", route, body, {"Content-Type": kind}, seconds, tx)[1])
        return _checked(answer)

    def _submit_large(self, envelope: bytes, tx: str, seconds: float) -> Tree:
        headers = {"Content-Type": "application/msgpack"}
        body = encode([envelope])
        (item,) = _checked(
            _parse(self._ask("POST", "/v1/txs:batch", body, headers, seconds, tx)[1])
        )["items"]
        why = _checked(item).get("problem")
        if why is not None:
            raise ClientProblem(parse_code(str(_checked(why).get("code"))) or INTERNAL, why)
        return _checked(item)

    def batch(self, envelopes: Sequence[bytes]) -> list[Tree]:
        """Post up to 1,000 transactions; each is judged alone, in order."""
        answer = self._post("/v1/txs:batch", encode(list(envelopes)))
        return [_checked(item) for item in _checked(answer)["items"]]

    def check(self, envelope: bytes) -> Tree:
        """Return what a transaction would do now; nothing is kept."""
        return _checked(self._post("/v1/txs:check", envelope))

    # ---------------------------------------------------------------------------- streams

    def stream(self, topics: str, last_id: str | None = None) -> Iterator[Event]:
        """Yield committed facts as they come (interfaces 2.4), until the stream ends or breaks.

        A caller goes on with the id of the last event it got. Nothing for 30 s ends it too.
        """
        route = _with("/v1/stream", {"topics": topics})
        headers = {"Accept": "text/event-stream", "Accept-Language": self._lang}
        if self._sign is not None:
            headers |= self._sign("GET", route, None)
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        for place, url in enumerate(self._urls):
            connection = self._connect(url, TIMEOUT_S)
            answer = None
            try:
                connection.request("GET", route, None, headers)
                answer = connection.getresponse()
                if answer.status != OK:
                    raise _problem_of(answer.status, answer.read(ANSWER_BYTES_MAX))
                yield from _events(answer)
                return
            except (OSError, http.client.HTTPException) as error:
                if answer is not None:
                    return  # it has begun: the caller knows where to go on
                if place == len(self._urls) - 1:
                    raise Unreachable(UNREACHABLE, node=url) from error
            finally:
                connection.close()

    def turn(self) -> None:
        """Ask the next node first from now on, over fresh connections."""
        self.close()
        self._urls = (*self._urls[1:], self._urls[0])

    def close(self) -> None:
        """Close the kept connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def __del__(self) -> None:
        """A command that ends with an error leaves no socket behind."""
        self.close()

    # ----------------------------------------------------------------------------- inside

    def _tree(self, route: str, **params: str | int) -> Tree:
        return _checked(self.get(route, **params))

    def _post(self, route: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/msgpack"}
        return _parse(self._ask("POST", route, body, headers, self._timeout_s)[1])

    def _ask(
        self,
        method: str,
        route: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        tx: str | None = None,
    ) -> tuple[int, bytes]:
        """Ask, and where a node asks who we are, ask again as each account of the reader.

        Where none will do, that one may not read says more than that another is not known.
        """
        not_allowed: ClientProblem | None = None
        known = len(self._others)
        while True:
            try:
                return self._ask_nodes(method, route, body, headers, seconds, tx)
            except ClientProblem as problem:
                if problem.number not in (SIGNATURE_REQUIRED, NOT_ALLOWED):
                    raise
                if problem.number == NOT_ALLOWED:
                    not_allowed = problem
                if self._sign is None:
                    self._more = iter(self._make_signs())
                following = self._others.pop(0) if known else next(self._more, None)
                if following is None:
                    raise (not_allowed or problem) from None
                known = max(0, known - 1)
                if self._sign is not None:
                    self._others.append(self._sign)
                self._sign = following

    def _ask_nodes(
        self,
        method: str,
        route: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        tx: str | None,
    ) -> tuple[int, bytes]:
        """Ask the nodes in order until one answers; `tx` names a transaction that is being sent."""
        failure: Problem | None = None
        for place, url in enumerate(self._urls):
            try:
                status, answer = self._ask_one(url, method, route, body, headers, seconds)
            except _NotSent as error:
                failure = error.problem
                continue
            except (OSError, http.client.HTTPException) as error:
                if method == "GET":
                    failure = Unreachable(UNREACHABLE, node=url)
                    continue
                raise NoAnswer(NO_ANSWER, nothing_sent=False, tx=tx) from error
            if url != self._urls[0]:  # those that hung are asked last from now on
                self._urls = (*self._urls[place:], *self._urls[:place])
            if status >= BAD_REQUEST:
                raise _problem_of(status, answer)
            return status, answer
        assert failure is not None, "at least one node was asked"
        raise failure

    def _ask_one(
        self,
        url: str,
        method: str,
        route: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> tuple[int, bytes]:
        """Ask one node; raise `_NotSent` where it is certain that nothing reached it.

        A kept connection may be dying. Then the same bytes go again over a fresh one, which is
        safe for every route: the same envelope executes at most once (interfaces 2.2, Posting).
        """
        kept = self._open.pop(url, None)
        broken: Exception | None = None
        if kept is not None and _is_alive(kept):
            try:
                return self._talk(kept, url, method, route, body, headers, seconds)
            except (ConnectionError, http.client.HTTPException) as error:
                broken = error
        if kept is not None:
            kept.close()
        connection = self._connect(url, seconds)
        try:
            _open(connection, url)
        except _NotSent:
            if broken is not None:
                raise broken from None  # the first attempt may have reached the node
            raise
        return self._talk(connection, url, method, route, body, headers, seconds)

    def _talk(
        self,
        connection: http.client.HTTPConnection,
        url: str,
        method: str,
        route: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> tuple[int, bytes]:
        """Send a request and read its answer; keep the connection if the node does."""
        try:
            connection.sock.settimeout(seconds)
            asked = {"Accept-Language": self._lang, **dict(headers)}
            if self._sign is not None:
                asked |= self._sign(method, route, body)
            connection.request(method, route, body, asked)
            answer = connection.getresponse()
            data = answer.read(ANSWER_BYTES_MAX + 1)
            if answer.length and len(data) <= ANSWER_BYTES_MAX:  # a read with a size tells nothing
                raise http.client.IncompleteRead(data, answer.length)
        except BaseException:
            connection.close()
            raise
        if len(data) > ANSWER_BYTES_MAX:
            connection.close()
            raise Malformed("the node's answer is too large")
        if answer.will_close:
            connection.close()
        else:
            self._open[url] = connection
        return answer.status, data

    def _connect(self, url: str, seconds: float) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)


class _NotSent(Exception):
    """The connection itself failed: not a byte of the request has left."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem


def _open(connection: http.client.HTTPConnection, url: str) -> None:
    try:
        connection.connect()
    except ssl.SSLError as error:
        raise _NotSent(Problem(TLS_FAILED, node=url)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _NotSent(Unreachable(UNREACHABLE, node=url)) from error
    if connection.sock is not None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    """Say whether a kept connection is still open: a closed one has its end to read."""
    if connection.sock is None:
        return False
    connection.sock.setblocking(False)
    try:
        connection.sock.recv(1, socket.MSG_PEEK)  # its end, or bytes that nobody asked for
        return False
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except (OSError, ValueError):
        return False
    finally:
        connection.sock.setblocking(True)


def _events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the events of a stream as the WHATWG text form spells them."""
    event_id: str | None = None
    topic, data = "message", b""
    while True:
        line = answer.readline(EVENT_BYTES_MAX + 1)
        if not line:
            return
        if len(line) > EVENT_BYTES_MAX:
            raise Malformed("a line of the stream is too long")
        line = line.rstrip(b"\r\n")
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield Event(event_id, topic, _checked(_parse(data)))
            event_id, topic, data = None, "message", b""
        elif name == b"id":
            event_id = value.decode("ascii", "replace")
        elif name == b"event":
            topic = value.decode("ascii", "replace")
        elif name == b"data":
            data += value


def _problem_of(status: int, body: bytes) -> Problem:
    """Return what a refusal says; one that is no problem object is an internal error."""
    try:
        tree = _checked(_parse(body))
    except Malformed:
        tree = {}
    code = tree.get("code")
    number = parse_code(code) if isinstance(code, str) else None
    return ClientProblem(number or INTERNAL, {**tree, "status": status})


def _parse(body: bytes) -> Any:
    """Return what an answer says. It may hold decimals (interfaces 0), so it is not strict JSON."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed("the node's answer is not JSON") from error


def _checked(tree: Any) -> Tree:
    if not isinstance(tree, dict):
        raise Malformed("the node's answer is not a JSON object")
    return tree


def _with(route: str, params: Mapping[str, str | int]) -> str:
    return f"{route}?{urlencode(params)}" if params else route


def _flags(**flags: bool) -> dict[str, int]:
    return {name: 1 for name, value in flags.items() if value}


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
