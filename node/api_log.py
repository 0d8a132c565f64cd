"""Log, proofs and receipts: what lets a reader check this node (interfaces 5, C2SP tlog-tiles).

Tiles are 256 hashes wide and never change; a proof leads to the newest checkpoint, or to that of
a block after which the log had the size asked for.
"""

import re
from collections.abc import Iterator

from aiohttp import web

from chain.checkpoint import to_base64
from chain.codec import encode
from chain.errors import Malformed
from chain.key_text import parse_key
from chain.log import EMPTY_ROOT, Leaf, consistency_path, frontier_at, inclusion_path, root
from chain.proof import write_consistency_proof
from chain.texts import Problem
from node.api_auth import Readers
from node.api_request import NUMBER_MAX, read_hex, read_number
from node.chainstore import ChainStore
from node.http_server import Answer, answer_json
from node.standing import Node
from node.views import checkpoint_text, height_of_size, receipt_text, state_proof_text

TILE_WIDTH = 256
TILE_LEVEL_MAX = 5  # 256^6 leaves: no log is that long (tlog-tiles allows 0..63)
NOT_FOUND = 3007
_TILE = re.compile(
    r"(?P<level>entries|[0-5])/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


class LogRoutes:
    """The routes of the log."""

    def __init__(self, node: Node, readers: Readers) -> None:
        self._node = node
        self._readers = readers

    @property
    def _store(self) -> ChainStore:
        return self._node.store

    async def checkpoint(self, _request: web.Request) -> web.StreamResponse:
        """GET /log/checkpoint"""
        note = self._note(self._store.tip.height)
        if note is None:
            raise Problem(NOT_FOUND, what="checkpoint")
        return _text(note)

    async def tile(self, request: web.Request) -> web.StreamResponse:
        """GET /log/tile/{L}/{N}[.p/{W}] and /log/tile/entries/{N}[.p/{W}]"""
        what = request.match_info["tile"]
        matched = _TILE.fullmatch(what)
        if matched is None:
            raise Problem(NOT_FOUND, what=what[:64])
        number = int(matched["number"].replace("x", "").replace("/", ""))
        width = int(matched["width"] or TILE_WIDTH)
        level = 0 if matched["level"] == "entries" else int(matched["level"])
        first = number * TILE_WIDTH
        held = self._store.tip.log_size >> (8 * level)
        partial = matched["width"] is not None
        if (
            matched["number"] != _tile_number(number)
            or width > TILE_WIDTH - partial
            or first + width > held
        ):
            raise Problem(NOT_FOUND, what=what[:64])
        self._check_past(first << (8 * level))
        if matched["level"] == "entries":
            body = b"".join(self._entries(first, width))
        else:
            read = self._store.read_log_node
            body = b"".join(read(8 * level, index) for index in range(first, first + width))
        return Answer(body=body, content_type="application/octet-stream", headers=_IMMUTABLE)

    async def inclusion(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/proofs/inclusion"""
        store = self._store
        index, size = self._leaf(request), self._size(request, "size", store.tip.log_size)
        if index >= size:
            raise Problem(3009, name="size")
        self._check_past(index)
        path = inclusion_path(index, size, store.read_log_node)
        return answer_json(
            {
                "tx": self._leaf_at(index).tx_id.hex(),
                "index": index,
                "size": size,
                "hashes": [to_base64(item) for item in path],
                "checkpoint": self._note_of_size(size),
            }
        )

    async def consistency(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/proofs/consistency: that the later log begins with the earlier one (5.4)."""
        store = self._store
        later = self._size(request, "to", store.tip.log_size)
        earlier = self._size(request, "from", None)
        if not 0 < earlier <= later:
            raise Problem(3009, name="from")
        self._check_past(earlier - 1)
        read = store.read_log_node
        text = write_consistency_proof(
            earlier,
            self._root_at(earlier),
            later,
            self._root_at(later),
            consistency_path(earlier, later, read),
            from_checkpoint=self._note_of_size(earlier),
            to_checkpoint=self._note_of_size(later),
        )
        return Answer(text=text, content_type="application/json", charset="utf-8")

    async def state(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/proofs/state: of the newest state, the only one that is kept (5.5)."""
        node = self._node
        height = read_number(request, "height", 0, NUMBER_MAX)
        tip = node.store.tip.height
        if height is not None and height != tip:
            raise Problem(NOT_FOUND, what=f"height {height}", first_height=tip)
        try:
            parts = parse_key(request.query.get("key", ""))
        except Malformed:
            raise Problem(3009, name="key") from None
        self._readers.require_key(request, parts)
        text = state_proof_text(node.store, node.chain.chain_id, encode(parts))
        if text is None:
            raise Problem(NOT_FOUND, what="checkpoint")
        return Answer(text=text, content_type="application/json", charset="utf-8")

    async def receipt(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/receipts/{tx}.tlog-proof"""
        name = request.match_info["name"]
        if not name.endswith(".tlog-proof"):
            raise Problem(NOT_FOUND, what=name[:80])
        tx_id = read_hex(name.removesuffix(".tlog-proof"), "tx")
        place = self._store.place(tx_id)
        if place is None:
            self._node.check_past(0)
            raise Problem(NOT_FOUND, what=tx_id.hex())
        self._readers.require_tx(request, place)
        self._node.check_past(place.height)
        envelope = self._store.envelope(place)
        return _text(receipt_text(self._store, self._node.chain.chain_id, envelope, place))

    # ------------------------------------------------------------------------------ inside

    def _check_past(self, index: int) -> None:
        """Raise `Problem` 4002 for a leaf that a snapshot left out and that is still coming."""
        joined = self._store.joined
        if joined is not None and index < joined.log_size:
            raise self._node.past_missing()

    def _leaf(self, request: web.Request) -> int:
        """Return the leaf that `tx` or `index` names; exactly one of them is given."""
        tx = request.query.get("tx")
        index = read_number(request, "index", 0, NUMBER_MAX)
        if (tx is None) == (index is None):
            raise Problem(3009, name="tx")
        if tx is not None:
            place = self._store.place(read_hex(tx, "tx"))
            if place is None:
                self._node.check_past(0)
                raise Problem(NOT_FOUND, what=tx)
            return place.log_index
        assert index is not None
        if index >= self._store.tip.log_size:
            raise Problem(NOT_FOUND, what=f"index {index}")
        return index

    def _size(self, request: web.Request, name: str, default: int | None) -> int:
        size = read_number(request, name, 0, NUMBER_MAX)
        if size is None:
            size = default
        if size is None:
            raise Problem(3009, name=name)
        if size > self._store.tip.log_size:
            raise Problem(NOT_FOUND, what=f"{name} {size}")
        return size

    def _leaf_at(self, index: int) -> Leaf:
        return next(self._leaves(index, 1))

    def _leaves(self, first: int, count: int) -> Iterator[Leaf]:
        """Yield leaves of the log, block by block."""
        store = self._store
        height = height_of_size(store, first + 1)
        assert height is not None, "the caller stays inside the log"
        while count > 0:
            header = store.header(height)
            assert header is not None, "heights up to the tip are stored"
            outcomes = store.outcomes(height)
            begin = header.log_size - len(outcomes)
            for outcome in outcomes[first - begin : first - begin + count]:
                yield Leaf(outcome.tx_id, outcome.code)
                first += 1
                count -= 1
            height += 1

    def _entries(self, first: int, count: int) -> Iterator[bytes]:
        """Yield the entries of a bundle: length in two bytes, then the leaf data (tlog-tiles)."""
        for leaf in self._leaves(first, count):
            data = encode(leaf)
            yield len(data).to_bytes(2, "big") + data

    def _root_at(self, size: int) -> bytes:
        return root(frontier_at(size, self._store.read_log_node)) if size else EMPTY_ROOT

    def _note(self, height: int) -> str | None:
        return checkpoint_text(self._store, self._node.chain.chain_id, height)

    def _note_of_size(self, size: int) -> str | None:
        """Return the newest checkpoint over `size` leaves; None where no block ended there."""
        store = self._store
        if size == store.tip.log_size:
            return self._note(store.tip.height)
        height = height_of_size(store, size)
        header = None if height is None else store.header(height)
        if header is None or header.log_size != size:
            return None
        return self._note(header.height)


def _tile_number(number: int) -> str:
    """Return the number of a tile as tlog-tiles spells it: 1234067 is x001/x234/067."""
    text = f"{number % 1000:03}"
    while number >= 1000:  # noqa: PLR2004 - three digits a part
        number //= 1000
        text = f"x{number % 1000:03}/{text}"
    return text


def _text(text: str) -> Answer:
    return Answer(text=text, content_type="text/plain", charset="utf-8")
