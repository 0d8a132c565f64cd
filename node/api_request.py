"""Reading a request: its parameters, its cursor, its rate, its account (interfaces 2.1, 2.3).

Everything that comes in is bounded and judged here; what is wrong is a `Problem`, never a guess.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from chain.address import parse_account
from chain.codec import decode, encode
from chain.crypto import blake2b
from chain.errors import Malformed
from chain.genesis import parse_time_ms
from chain.texts import Problem
from node.chainstore import ChainStore
from node.flow import Bucket
from node.http_server import RateLimited

PAGE_ITEMS_MAX = 500  # interfaces 2.1
PAGE_ITEMS_DEFAULT = 50
VALUE_LENGTH_MAX = 512  # the longest parameter is a state key of some 100 characters
NUMBER_MAX = 2**63 - 1
BUCKETS_MAX = 20_000  # addresses and accounts remembered; the oldest are forgotten first
WRITE_SHARE = 10  # interfaces 2.1: 20 reads a second, 2 transactions
READ_BURST_S = 2.0
WRITE_BURST_S = 5.0
_CHECK_BYTES = 8
_HEX = frozenset("0123456789abcdef")
_DAY_LENGTH, _TIME_LENGTH = 10, 24


def check_names(request: web.Request, allowed: Collection[str]) -> None:
    """Refuse parameters that the route does not have, and any that stands twice (W30)."""
    for name in request.query:
        if name not in allowed or len(request.query.getall(name)) > 1:
            raise Problem(3009, name=name[:64])
        if len(request.query[name]) > VALUE_LENGTH_MAX or not _is_text(request.query[name]):
            raise Problem(3009, name=name)
    if not _is_text(request.path):
        raise Problem(3009, name="path")


def _is_text(value: str) -> bool:
    """Say whether text holds no lone surrogate, which bad percent encoding may leave."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def read_number(request: web.Request, name: str, low: int, high: int) -> int | None:
    """Return a parameter that is a decimal number without sign or leading zeros, or None."""
    text = request.query.get(name)
    return None if text is None else parse_number(text, name, low, high)


def parse_number(text: str, name: str, low: int = 0, high: int = NUMBER_MAX) -> int:
    """Return the number that `text` is, or raise `Problem` 3009."""
    is_number = text.isascii() and text.isdigit() and len(text) <= 19  # noqa: PLR2004 - of 2^63
    if not is_number or (text[0] == "0" and text != "0") or not low <= int(text) <= high:
        raise Problem(3009, name=name)
    return int(text)


def read_flag(request: web.Request, name: str) -> bool:
    """Return whether a parameter is 1; 0 or absent is no."""
    text = request.query.get(name, "0")
    if text not in ("0", "1"):
        raise Problem(3009, name=name)
    return text == "1"


def read_limit(request: web.Request) -> int:
    """Return how many items a page may hold."""
    return read_number(request, "limit", 1, PAGE_ITEMS_MAX) or PAGE_ITEMS_DEFAULT


def read_time_ms(request: web.Request, name: str) -> int | None:
    """Return a parameter that is an RFC 3339 UTC time with milliseconds, or a date, as Unix ms."""
    text = request.query.get(name)
    if text is None:
        return None
    full = f"{text}T00:00:00.000Z" if len(text) == _DAY_LENGTH else text
    shape = "".join("9" if letter.isascii() and letter.isdigit() else letter for letter in full)
    if len(full) != _TIME_LENGTH or shape != "9999-99-99T99:99:99.999Z":
        raise Problem(3009, name=name)
    try:
        return parse_time_ms(full)
    except Malformed:
        raise Problem(3009, name=name) from None


def read_at(request: web.Request, store: ChainStore) -> None:
    """Accept `at` only for the newest height: older states are not kept (interfaces 2.1)."""
    at = read_number(request, "at", 0, NUMBER_MAX)
    if at is not None and at != store.tip.height:
        raise Problem(3007, what=f"height {at}", first_height=store.tip.height)


def read_hex(text: str, name: str) -> bytes:
    """Return 32 bytes of lower-case hex, or raise `Problem` 3009."""
    if len(text) != 64 or not _HEX.issuperset(text):  # noqa: PLR2004 - of 32 bytes
        raise Problem(3009, name=name)
    return bytes.fromhex(text)


def read_account(text: str, name: str = "account") -> bytes:
    """Return an account id, or raise `Problem` 3009."""
    try:
        return parse_account(text)
    except Malformed:
        raise Problem(3009, name=name) from None


def write_cursor(place: bytes, scope: str) -> str:
    """Return an opaque cursor for `place` that only the pages of `scope` accept."""
    check = blake2b(scope.encode() + b"\x00" + place, size=_CHECK_BYTES)
    return urlsafe_b64encode(encode([place, check])).decode().rstrip("=")


def read_cursor(request: web.Request, scope: str) -> bytes | None:
    """Return the place of the parameter `after`; raise `Problem` 3009 for a foreign one."""
    text = request.query.get("after")
    if text is None:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        place, check = decode(tuple[bytes, bytes], raw)
    except (ValueError, Malformed):
        raise Problem(3009, name="after") from None
    expected = blake2b(scope.encode() + b"\x00" + place, size=_CHECK_BYTES)
    if check != expected or write_cursor(place, scope) != text:
        raise Problem(3009, name="after")
    return place


def make_page(items: list[Any], after: str | None, height: int) -> dict[str, Any]:
    """Return PAGE of interfaces 1.8."""
    return {"items": items, "next": after, "as_of_height": height}


class Rates:
    """Token buckets per address and per account (interfaces 2.1); `per_second` 0 is no limit.

    An address pays for what it sends. An account pays for what was admitted in its name: anybody
    can write its name on a forgery, and must not use up its turns with that.
    """

    def __init__(self, per_second: float) -> None:
        self._reads = per_second
        self._writes = per_second / WRITE_SHARE
        self._buckets: OrderedDict[tuple[str, str | bytes], Bucket] = OrderedDict()

    @property
    def limited(self) -> bool:
        """Whether there is a rate at all."""
        return self._reads > 0

    def take_read(self, who: str | bytes, now: float) -> None:
        """Count one read; raise `Problem` 3004 above the rate."""
        self._check("read", who, now)
        self._spend("read", who, now, 1)

    def take_write(self, who: str | bytes, now: float, count: int = 1) -> None:
        """Count `count` transactions. A batch may overdraw, and is paid off before the next."""
        self._check("write", who, now)
        self._spend("write", who, now, count)

    def check_write(self, who: bytes, now: float) -> None:
        """Raise `Problem` 3004 if `who` is above the rate of transactions; count nothing."""
        self._check("write", who, now)

    def spend_write(self, who: bytes, now: float, count: int = 1) -> None:
        """Count `count` transactions that were admitted, on credit if need be."""
        self._spend("write", who, now, count)

    def _check(self, kind: str, who: str | bytes, now: float) -> None:
        bucket = self._buckets.get((kind, who))
        wait = 0.0 if bucket is None else bucket.wait(now)
        if wait > 0:
            rate, burst = self._limits(kind)
            after_s = max(1, round(wait + 0.5))
            raise RateLimited(kind, int(burst), max(1, round(burst / rate)), after_s)

    def _spend(self, kind: str, who: str | bytes, now: float, count: int) -> None:
        rate, burst = self._limits(kind)
        if not rate:
            return
        key = (kind, who)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = Bucket(rate, burst, now)
        self._buckets.move_to_end(key)
        bucket.spend(now, count)

    def _limits(self, kind: str) -> tuple[float, float]:
        """Return requests a second, and how many at once."""
        if kind == "read":
            return self._reads, max(1.0, self._reads * READ_BURST_S)
        return self._writes, max(1.0, self._writes * WRITE_BURST_S)


class Caps:
    """Counts what is open at the same time, in all and per address."""

    def __init__(self, total_max: int, address_max: int) -> None:
        self._total_max = total_max
        self._address_max = address_max
        self._open: dict[str, int] = {}
        self.total = 0

    @contextmanager
    def hold(self, address: str, *, exempt: bool) -> Iterator[None]:
        """Hold a place while the body runs; raise `Problem` 3004 where there is none."""
        used = self._open.get(address, 0)
        if self.total >= self._total_max or (not exempt and used >= self._address_max):
            raise Problem(3004)
        self._open[address] = used + 1
        self.total += 1
        try:
            yield
        finally:
            self.total -= 1
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
