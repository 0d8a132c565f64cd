"""Chain parameters: name, bounds, default and owner (economy B13, interfaces 3.6).

Stored in state as versions by epoch; one that nobody set has its default. `coin.name` and the
other brand names belong to a wijk, the rest to the federation.
"""

from typing import Any

import msgspec

from chain.codec import Digest, Uint, decode
from chain.errors import Malformed
from chain.text_rules import is_code, is_slug

FEDERATION = "-"  # stands in place of a wijk id
DAY_S = 86_400
DIGEST_BYTES = 32
FIRST_VERSION = 1  # consensus V8: the protocol version of genesis


class Number(msgspec.Struct, frozen=True):
    """An integer parameter. `waiting` ones are 1 s on test and demo chains (economy B13)."""

    default: int
    low: int
    high: int
    waiting: bool = False
    fixed: bool = False  # set by genesis only


class Upgrade(msgspec.Struct, frozen=True):
    """The parameter `upgrade`: (protocol version, height of its first block), by vote (V8)."""


class Words(msgspec.Struct, frozen=True):
    """A text parameter of a wijk; `kind` is the text rule of economy B12 it obeys."""

    kind: str


class Table(msgspec.Struct, frozen=True):
    """A list parameter: rows of the given column kinds (`code`, `digest` or `wijk`)."""

    columns: tuple[str, ...]
    rows_max: int

    @property
    def kind(self) -> Any:
        """The type its bytes are decoded as."""
        cells = tuple(bytes if column == "digest" else str for column in self.columns)
        return tuple[tuple[cells], ...]  # type: ignore[valid-type]


KIB = 1024
BOOK_DATE_AHEAD_S = 3_600  # economy B9: winter time in the Netherlands, where nobody set another
FEDERAL: dict[str, Number | Table | Upgrade] = {
    "max_validity_s": Number(600, 60, 3_600, fixed=True),
    "max_tx_bytes": Number(32 * KIB, 4 * KIB, 32 * KIB),
    "max_block_bytes": Number(KIB * KIB, 64 * KIB, KIB * KIB),
    "max_block_txs": Number(4_000, 1, 4_000),
    "account_pending_txs": Number(64, 1, 100_000),
    "account_pending_bytes": Number(256 * KIB, 32 * KIB, 64 * KIB * KIB),
    "heartbeat_s": Number(300, 1, DAY_S),
    "round_timeout_ms": Number(1_000, 100, 60_000),
    "round_timeout_max_ms": Number(60_000, 1_000, 600_000),
    "quota_person": Number(30, 0, 1_000_000),
    "quota_business": Number(300, 0, 1_000_000),
    "quota_role": Number(1_000, 0, 1_000_000),
    "quota_credential": Number(10, 0, 1_000),
    "date_offset_s": Number(BOOK_DATE_AHEAD_S, 0, DAY_S - 1),
    "epoch_s": Number(DAY_S, 1, 30 * DAY_S, waiting=True, fixed=True),
    "enact_delay_s": Number(DAY_S, 1, 90 * DAY_S, waiting=True),
    "net_period_s": Number(DAY_S, 1, 30 * DAY_S, waiting=True),
    "recovery_delay_s": Number(7 * DAY_S, 1, 90 * DAY_S, waiting=True),
    "complaint_s": Number(3 * DAY_S, 1, 90 * DAY_S, waiting=True),
    "objection_s": Number(7 * DAY_S, 1, 90 * DAY_S, waiting=True),
    "hearing_s": Number(7 * DAY_S, 1, 90 * DAY_S, waiting=True),
    "redeem_days": Number(2, 1, 10),
    "seconders": Number(5, 1, 1_000),
    "vote_min_s": Number(7 * DAY_S, 1, 30 * DAY_S, waiting=True),
    "quorum_pct": Number(10, 0, 100),
    "pact_vote_cents": Number(10**13, 0, 10**13),
    "upgrade": Upgrade(),
    "upgrade_blocks": Number(1_000, 1, 1_000_000, waiting=True),
    "small_areas": Table(("code",), 1_000),
    "reserves": Table(("digest", "wijk"), 1_000),
}
WIJK: dict[str, Words] = {
    "coin.name": Words("name"),
    "coin.plural": Words("name"),
    "coin.symbol": Words("symbol"),
    "coin.colour": Words("code"),
    "statutes": Words("digest"),
}

# Of each issuer: `issuer.<code>.<field>` (economy C7). A cap of 10^13 cents is none.
ISSUER: dict[str, Number | Words] = {
    "mode": Words("code"),
    "wallet_cap": Number(10**13, 1, 10**13),
    "total_cap": Number(10**13, 1, 10**13),
    "evidence": Words("digest"),
}

Value = int | str | bytes | tuple[Any, ...]  # a number, a text, the rows of a table, or an upgrade

LISTS_MAX = 2  # a table is a list of rows
_LIST_HEADS = frozenset(bytes([head]) for head in (*range(0x90, 0xA0), 0xDC, 0xDD))
_BYTES_HEADS = frozenset((b"\xc4", b"\xc5", b"\xc6"))


def decode_value(name: str, raw: bytes) -> Value:
    """Return the value of a parameter from its canonical bytes, or raise `Malformed`."""
    spec = FEDERAL.get(name) or WIJK.get(name) or _get_issuer_spec(name)
    kind: Any = str
    if isinstance(spec, Words) and spec.kind == "digest":
        kind = Digest
    elif isinstance(spec, Number):
        kind = int
    elif isinstance(spec, Upgrade):
        kind = tuple[Uint, Uint]
    elif isinstance(spec, Table):
        kind = spec.kind
    value: Value = decode(kind, raw)
    return value


def get_issuer_field(name: str) -> tuple[str, str] | None:
    """Return the code and the field of a parameter of an issuer, or None for another name."""
    first, _, rest = name.partition(".")
    code, _, field = rest.partition(".")
    return (code, field) if first == "issuer" and is_code(code) and field in ISSUER else None


def _get_issuer_spec(name: str) -> Number | Words | None:
    _, field = get_issuer_field(name) or ("", "")
    return ISSUER.get(field)


def is_plain(raw: bytes, lists: int = LISTS_MAX) -> bool:
    """Say whether `raw` is the canonical msgpack of an int, a text, bytes, or a table of these.

    What no parameter could ever be never gets into a block (interfaces 4: no map, float, bool).
    At most `lists` lists stand around a value: how deep an untyped decode may go depends on the
    call depth and the interpreter, and then validity would too (reliability section 6).
    """
    is_list = raw[:1] in _LIST_HEADS
    kind: Any = list[msgspec.Raw] if is_list else bytes if raw[:1] in _BYTES_HEADS else int | str
    if is_list and lists == 0:
        return False
    try:
        value = decode(kind, raw)
    except Malformed:
        return False
    return not is_list or all(is_plain(bytes(part), lists - 1) for part in value)


def compute_default(name: str, purpose: str) -> Value:
    """Return the default of a federation parameter on a chain with that genesis `purpose`."""
    spec = FEDERAL[name]
    if isinstance(spec, Table):
        return ()
    if isinstance(spec, Upgrade):
        return FIRST_VERSION, 0
    return 1 if spec.waiting and purpose != "live" else spec.default


def is_within(name: str, value: Value, purpose: str) -> bool:
    """Say whether `value` is inside the bounds of the federation parameter `name`.

    On a live chain a waiting time is never shorter than its default; a quota of 0 is lifted.
    """
    spec = FEDERAL.get(name) or _get_issuer_spec(name)
    if isinstance(spec, Words):
        return isinstance(value, bytes if spec.kind == "digest" else str)
    if isinstance(spec, Number):
        low = spec.default if spec.waiting and purpose == "live" else spec.low
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= spec.high
    if isinstance(spec, Upgrade):
        return isinstance(value, tuple) and [type(number) for number in value] == [int, int]
    if isinstance(spec, Table):
        return (
            isinstance(value, tuple)
            and len(value) <= spec.rows_max
            and all(_is_row(row, spec.columns) for row in value)
        )
    return False


def _is_row(row: Any, columns: tuple[str, ...]) -> bool:
    if not isinstance(row, tuple) or len(row) != len(columns):
        return False
    for item, column in zip(row, columns, strict=True):
        if column == "digest":
            if not isinstance(item, bytes) or len(item) != DIGEST_BYTES:
                return False
        elif not isinstance(item, str) or not (is_slug if column == "wijk" else is_code)(item):
            return False
    return True
