"""The chain in the store: one batch per block, and the reads that everything else is made of.

The first byte of a key says what it holds; heights and indexes are big-endian, so that a scan
runs in chain order. Nothing but `create` and `apply` writes state (reliability Y15).
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated

import msgspec

from chain import log, tree
from chain.books import HELD, PENDING_OUT, POOL, get_balance
from chain.codec import Digest, PublicKey, Record, Uint, decode, encode
from chain.contract import call_name
from chain.execute import Base, Executed
from chain.genesis import Genesis
from chain.keyspaces import SET_NOW, VALIDATOR_SETS, SetMember, get_param
from chain.params import FEDERATION, compute_default
from chain.records import (
    CARRIED_BYTES_MAX,
    BlockBody,
    Header,
    Outcome,
    Posting,
    Tx,
    decode_tx,
)
from chain.state import Memo, Read, State
from chain.validators import CommitCertificate, Validator, ValidatorSet, validator_set
from chain.window import Included, Window
from node.ports import Change, Store
from node.tree_pages import TreePages, move_tree

HEADER, BODY, CERTIFICATE, ENVELOPES, OUTCOMES = b"h", b"b", b"c", b"e", b"o"
HEIGHT_OF, TX, HISTORY = b"i", b"t", b"a"
STATE, LOG, OPEN, META = b"s", b"l", b"p", b"m"
ERA, ISSUE = b"v", b"u"  # sets of validators by first height; transactions that issued coin
START = b"w"  # outcomes of what ended by itself at the start of a block, where there are any
TIP, GENESIS = META + b"tip", META + b"genesis"
JOINING, JOINED = META + b"joining", META + b"joined"

HISTORY_CLASSES = ("2", "7")  # own coin of an account, of a wijk's fund

Members = tuple[SetMember, ...]
Envelopes = tuple[Annotated[bytes, msgspec.Meta(max_length=CARRIED_BYTES_MAX)], ...]
Outcomes = tuple[Outcome, ...]


class Tip(Record, frozen=True, tag="wijk.tip.1"):
    """The newest durable block, and the frontier of the log after it."""

    height: Uint
    block_id: Digest
    time_ms: Uint
    creator: PublicKey
    state_root: Digest
    log_size: Uint
    log_root: Digest
    frontier: tuple[Digest, ...]


class Joined(Record, frozen=True, tag="wijk.joined.1"):
    """The snapshot with which a node began, kept while the blocks up to it are still coming.

    `first` is the lowest block that came with it. `log_size` and `frontier` are those of the log
    after its block.
    """

    height: Uint
    block_id: Digest
    first: Uint
    log_size: Uint
    frontier: tuple[Digest, ...]


class TxPlace(Record, frozen=True, tag="wijk.place.1"):
    """Where a transaction stands and what became of it."""

    height: Uint
    index: Uint
    log_index: Uint
    code: Uint
    params: tuple[tuple[str, int | str], ...]


class HistoryRow(Record, frozen=True, tag="wijk.history.1"):
    """One movement of an account, seen from that account; cents. `balance` is available money."""

    tx_id: Digest
    kind: str
    incoming: Uint
    counterparty: bytes
    cents: Uint
    denom: str
    balance: Uint
    cross_wijk: Uint
    log_index: Uint


class Block(msgspec.Struct, frozen=True):
    """A decided block with everything that belongs to it."""

    header: Header
    body: BlockBody
    certificate: CommitCertificate
    envelopes: tuple[bytes, ...]


class ChainStore:
    """Reads and writes one chain in one store. Holds the tip and the replay window in memory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        raw = store.get(TIP)
        assert raw is not None, "the store was created from a genesis"
        self.tip = decode(Tip, raw)
        self.genesis_bytes = _known(store.get(GENESIS))
        self.joined = self._read_joined()
        self._joins = store.get(JOINING) is not None
        self.memo = Memo()
        self.window = self._read_window()
        self.eras = self._read_eras()

    def read_state(self, key: bytes) -> bytes | None:
        """Return the newest value under a state key."""
        return self.store.get(STATE + key)

    @cached_property
    def _pages(self) -> TreePages:
        """The state tree, of which a part is derived when it is first asked for (ADR 0102)."""
        move_tree(self.store, STATE, self.tip.state_root)
        return TreePages(self.store)

    def read_node(self, path: int) -> tree.Node | None:
        """Return the node of the state tree at a path."""
        return self._pages.get(path)

    def read_log_node(self, level: int, index: int) -> bytes:
        """Return a full node of the log."""
        return _known(self.store.get(log_key(level, index)))

    def base(self) -> Base:
        """Return what the next block is executed on."""
        tip = self.tip
        return Base(
            tip.height,
            tip.block_id,
            tip.time_ms,
            self.read_state,
            self.read_node,
            log.Frontier(tip.log_size, tip.frontier),
            self.window,
            self.memo,
        )

    def header(self, height: int) -> Header | None:
        """Return the header at `height`, or None."""
        raw = self.store.get(HEADER + u64(height))
        return None if raw is None else decode(Header, raw)

    def certificate(self, height: int) -> CommitCertificate | None:
        """Return the commit certificate of `height`, or None (consensus S6: kept for ever)."""
        raw = self.store.get(CERTIFICATE + u64(height))
        return None if raw is None else decode(CommitCertificate, raw)

    def raw_block(self, height: int) -> tuple[bytes, bytes, bytes, Envelopes] | None:
        """Return header, body and certificate bytes, and the envelopes of a decided block."""
        header = self.store.get(HEADER + u64(height))
        if header is None:
            return None
        return (
            header,
            _known(self.store.get(BODY + u64(height))),
            _known(self.store.get(CERTIFICATE + u64(height))),
            self.envelopes(height),
        )

    def block(self, height: int) -> Block | None:
        """Return the decided block at `height`, or None."""
        raw = self.raw_block(height)
        if raw is None:
            return None
        header, body, certificate, envelopes = raw
        return Block(
            decode(Header, header),
            decode(BlockBody, body),
            decode(CommitCertificate, certificate),
            envelopes,
        )

    @property
    def whole_from(self) -> int:
        """The lowest height from which everything is here: 1, or above a snapshot (S8)."""
        return 1 if self.joined is None else self.joined.height + 1

    def knows_set(self, height: int) -> bool:
        """Say whether `validators_at` can tell: not of a past that is still coming."""
        return height >= self.eras[0][0]

    def note_whole(self) -> None:
        """All blocks up to the snapshot have come, and the store says so."""
        self.joined = self._read_joined()
        self.eras = self._read_eras()

    def validators_at(self, height: int) -> ValidatorSet:
        """Return Set(h): who certified the block at `height`, or will (consensus V1)."""
        for first, validators in reversed(self.eras):
            if first <= height:
                return validators
        raise AssertionError("genesis, or a snapshot, begins the first era")

    def issues(self, after: bytes | None = None) -> Iterator[tuple[bytes, int, int, bytes]]:
        """Yield (cursor, height, index, transaction id) of what issued coin, newest first."""
        end = ISSUE + (after if after is not None else b"\xff" * 13)
        for key, tx_id in self.store.scan(ISSUE, end, reverse=True):
            cursor = key[len(ISSUE) :]
            height, index = int.from_bytes(cursor[:8], "big"), int.from_bytes(cursor[8:], "big")
            yield cursor, height, index, tx_id

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a decided block, or None."""
        raw = self.store.get(HEIGHT_OF + block_id)
        return None if raw is None else int.from_bytes(raw, "big")

    def place(self, tx_id: bytes) -> TxPlace | None:
        """Return where a transaction was included, or None."""
        raw = self.store.get(TX + tx_id)
        return None if raw is None else decode(TxPlace, raw)

    def envelope(self, place: TxPlace) -> bytes:
        """Return the bytes of an included transaction."""
        return self.envelopes(place.height)[place.index]

    def envelopes(self, height: int) -> Envelopes:
        """Return the transactions of a decided block, as they came, in body order."""
        return decode(Envelopes, _known(self.store.get(ENVELOPES + u64(height))))

    def outcomes(self, height: int) -> Outcomes:
        """Return the outcomes of a block in body order, postings and notices included."""
        raw = self.store.get(OUTCOMES + u64(height))
        return () if raw is None else decode(Outcomes, raw)

    def start(self, height: int) -> Outcomes:
        """Return what ended by itself as a block began; ids are those of objects (economy 4)."""
        raw = self.store.get(START + u64(height))
        return () if raw is None else decode(Outcomes, raw)

    def history(
        self, account: bytes, before: bytes | None = None
    ) -> Iterator[tuple[bytes, int, int, HistoryRow]]:
        """Yield (cursor, height, index, row) of an account, newest first, older than a cursor.

        The index is -1 for what moved as the block began, in no transaction (economy 7).
        """
        prefix = HISTORY + account
        end = prefix + (before if before is not None else b"\xff" * 16)
        for key, value in self.store.scan(prefix, end, reverse=True):
            cursor = key[len(prefix) :]
            height, place = int.from_bytes(cursor[:8], "big"), int.from_bytes(cursor[8:12], "big")
            yield cursor, height, place - 1, decode(HistoryRow, value)

    def apply(
        self,
        header: Header,
        body: BlockBody,
        certificate: CommitCertificate,
        txs: Sequence[Tx],
        executed: Executed,
    ) -> Tip:
        """Make a decided block durable in one synced batch, and stand on it (consensus D3)."""
        height = header.height
        assert height == self.tip.height + 1, "blocks are applied in order"
        at = u64(height)
        tip = Tip(
            height,
            certificate.block_id,
            header.time_ms,
            header.creator,
            executed.state_root,
            executed.frontier.size,
            executed.log_root,
            executed.frontier.roots,
        )
        batch: list[Change] = [
            (HEADER + at, encode(header)),
            (BODY + at, encode(body)),
            (CERTIFICATE + at, encode(certificate)),
            (ENVELOPES + at, encode([tx.raw for tx in txs])),
            (OUTCOMES + at, encode(executed.outcomes)),
            *([(START + at, encode(executed.start))] if executed.start else []),
            (HEIGHT_OF + certificate.block_id, at),
            (TIP, encode(tip)),
        ]
        batch += self._places(height, executed)
        batch += self._history(height, txs, executed)
        batch += [
            (ISSUE + at + index.to_bytes(4, "big"), tx.id)
            for index, (tx, outcome) in enumerate(zip(txs, executed.outcomes, strict=True))
            if any(notice.name == MINTED for notice in outcome.notices)
        ]
        coming = executed.changes.get(VALIDATOR_SETS.key(SET_NOW))
        if coming is not None:
            batch.append((ERA + u64(height + 1), coming))
        batch += [(STATE + key, value) for key, value in executed.changes.items()]
        batch += self._pages.change(executed.tree_nodes)
        batch += [(log_key(*place), node) for place, node in executed.log_nodes]
        batch += [(key, None) for key, _ in self.store.scan(OPEN, OPEN + b"\xff")]
        self.store.write(batch)
        self.memo.change(executed.changes)
        self.tip = tip
        self.window.add_block(header.time_ms // 1000, executed.included)
        if coming is not None:
            self.eras.append((height + 1, _set_of(decode(Members, coming))))
        return tip

    @property
    def joins(self) -> bool:
        """Whether this node has learned that its guard is behind and has not raised it yet."""
        return self._joins

    def note_joining(self, *, joins: bool) -> None:
        """Make that durable, or forget it (consensus D10)."""
        if joins != self._joins:
            self.store.write([(JOINING, b"1" if joins else None)])
            self._joins = joins

    def write_open(self, changes: dict[bytes, bytes]) -> None:
        """Make records of the open height durable (consensus D3); `apply` deletes them."""
        self.store.write([(OPEN + name, value) for name, value in changes.items()])

    def read_open(self) -> dict[bytes, bytes]:
        """Return the records of the open height."""
        return {key[1:]: value for key, value in self.store.scan(OPEN, OPEN + b"\xff")}

    def _places(self, height: int, executed: Executed) -> list[Change]:
        first = self.tip.log_size
        return [
            (
                TX + outcome.tx_id,
                encode(TxPlace(height, index, first + index, outcome.code, outcome.params)),
            )
            for index, outcome in enumerate(executed.outcomes)
        ]

    def _history(self, height: int, txs: Sequence[Tx], executed: Executed) -> list[Change]:
        """Return a history row for each side of each movement of accounts' money."""
        rows: list[Change] = []
        before = State(self.read_state, self.memo)
        balances: dict[tuple[str, bytes], int] = {}
        moves = [(0, HOLD, outcome) for outcome in executed.start]
        moves += [
            (index, kind_of(call_name(tx.call)), outcome)
            for index, (tx, outcome) in enumerate(zip(txs, executed.outcomes, strict=True), start=1)
        ]
        for index, kind, outcome in moves:
            place = u64(height) + index.to_bytes(4, "big")
            cross_wijk = int(kind == "trade")
            postings = outcome.postings
            for number, posting in enumerate(postings):
                if posting.klass not in HISTORY_CLASSES:
                    continue
                incoming = posting.side == "C"
                known = (posting.denom, posting.owner)
                if known not in balances:
                    balances[known] = get_balance(
                        before, posting.denom, posting.klass, posting.owner
                    )
                balances[known] += posting.cents if incoming else -posting.cents
                row = HistoryRow(
                    outcome.tx_id,
                    _kind_beside(posting, postings[number ^ 1]) or kind,
                    int(incoming),
                    find_counterparty(postings, number),
                    posting.cents,
                    posting.denom,
                    balances[known],
                    cross_wijk,
                    self.tip.log_size + max(0, index - 1),
                )
                cursor = place + (2 * posting.leg + number % 2).to_bytes(2, "big")
                rows.append((HISTORY + posting.owner + cursor, encode(row)))
        return rows

    def _read_joined(self) -> Joined | None:
        raw = self.store.get(JOINED)
        return None if raw is None else decode(Joined, raw)

    def _read_eras(self) -> list[tuple[int, ValidatorSet]]:
        rows = self.store.scan(ERA, ERA + b"\xff" * 9)
        return [(int.from_bytes(k[1:], "big"), _set_of(decode(Members, raw))) for k, raw in rows]

    def _read_window(self) -> Window:
        """Rebuild the replay window from the blocks of the last `max_validity_s` (consensus B1)."""
        horizon_s = get_horizon_s(self.read_state)
        window = Window(horizon_s)
        newest_s = self.tip.time_ms // 1000
        blocks: list[tuple[int, list[Included]]] = []
        height = self.tip.height
        while height > 0:
            header = self.header(height)
            assert header is not None, "every height up to the tip is stored"
            time_s = header.time_ms // 1000
            if time_s <= newest_s - horizon_s:
                break
            raw = _known(self.store.get(ENVELOPES + u64(height)))
            blocks.append((time_s, [_included(envelope) for envelope in decode(Envelopes, raw)]))
            height -= 1
        for time_s, included in reversed(blocks):
            window.add_block(time_s, included)
        return window


def create_chain(store: Store, genesis: Genesis) -> None:
    """Write height 0 into an empty store: the genesis state, its tree and the tip."""
    nodes = tree.build(genesis.state.items())
    root = tree.get_root(nodes.get)
    tip = Tip(0, genesis.digest, genesis.time_ms, bytes(32), root, 0, log.EMPTY_ROOT, ())
    batch: list[Change] = [(STATE + key, value) for key, value in genesis.state.items()]
    batch += TreePages(store).change(nodes)
    batch += [(TIP, encode(tip)), (GENESIS, genesis.canonical)]
    batch.append((ERA + u64(1), genesis.state[VALIDATOR_SETS.key(SET_NOW)]))
    store.write(batch)


def find_counterparty(postings: Sequence[Posting], number: int) -> bytes:
    """Return who is at the other end of a posting.

    A payment across wijken is two bookings (economy T4): the payer stands first, the payee last.
    """
    other = postings[number ^ 1]
    if other.klass in ("6F", "6T"):
        first = number - number % 4
        return postings[first + 3 - number % 4].owner
    return other.owner


def _kind_beside(posting: Posting, other: Posting) -> str | None:
    """Return the kind of a movement between own money, whatever call made it, or None."""
    if other.klass == PENDING_OUT:
        return "redemption"
    if other.klass == POOL:
        return "grant"
    return HOLD if other.klass == HELD and other.owner == posting.owner else None


ISSUING = "coin.mint"
MINTED = "coin.Minted"  # what it reports, also where an approval ran it (economy B6)
HOLD = "hold"
_KINDS = {ISSUING: "issue", "trade.pay": "trade", "coin.redeem_request": "redemption"}


def kind_of(name: str) -> str:
    """Return the kind of a history row for a call (interfaces 1.8, `account history`)."""
    return _KINDS.get(name, "payment")


def _set_of(members: Members) -> ValidatorSet:
    return validator_set(Validator(member.name, member.key) for member in members)


def _included(envelope: bytes) -> Included:
    tx = decode_tx(envelope, msgspec.Raw)
    return Included(tx.sender, tx.nonce, tx.expires, tx.id)


def get_horizon_s(read: Read) -> int:
    """Return how far back the replay window of a state reaches, in s (consensus B1)."""
    horizon = get_param(State(read), FEDERATION, "max_validity_s", 0)
    value = horizon if isinstance(horizon, int) else compute_default("max_validity_s", "live")
    assert isinstance(value, int)
    return value


def _known(value: bytes | None) -> bytes:
    assert value is not None, "what a block needs was written with it"
    return value


def u64(number: int) -> bytes:
    """Return a height as part of a key: big-endian, so that keys are in order of height."""
    return number.to_bytes(8, "big")


def log_key(level: int, index: int) -> bytes:
    """Return the key of a full node of the log."""
    return LOG + level.to_bytes(1, "big") + u64(index)
