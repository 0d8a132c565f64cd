"""From the chunks of a snapshot to a store that is proved: roots, links and window (S7, S8).

The certificate of its block was judged before (`node/join.py`). Whatever is wrong with the content
is `Malformed`, and the store that was begun is thrown away.
"""

from collections.abc import Iterator

import msgspec

from chain import log, tree
from chain.codec import decode, digest, encode
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.keyspaces import SET_LAST, SET_NOW, VALIDATOR_SETS
from chain.records import BlockBody, Header, block_id, compute_tx_id, decode_tx
from node.chainstore import (
    BODY,
    CERTIFICATE,
    ENVELOPES,
    ERA,
    GENESIS,
    HEADER,
    HEIGHT_OF,
    JOINED,
    JOINING,
    STATE,
    TIP,
    ChainStore,
    Envelopes,
    Joined,
    Tip,
    create_chain,
    get_horizon_s,
    log_key,
    u64,
)
from node.history_store import PastStore
from node.ports import Change, Store
from node.snapshot import Offer, PairReader
from node.tree_pages import TreePages


class Builder:
    """Guards a new, empty store that a snapshot is put into. It counts once `finish` is through."""

    def __init__(
        self, store: Store, genesis: Genesis, offer: Offer, *, joining: bool = False
    ) -> None:
        """`joining` is the mark of the join barrier, which the new store takes over (D10)."""
        self._joining = joining
        self._store = store
        self._genesis = genesis
        self._offer = offer
        self._pairs = PairReader(offer.manifest.first, offer.header.height)
        self._pages = TreePages(store)

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk, whose hash was checked, in one batch. Raise `Malformed`."""
        batch: list[Change] = []
        state: dict[bytes, bytes | None] = {}
        for key, value in self._pairs.feed(chunk):
            batch.append((key, value))
            if key.startswith(STATE):
                state[key[1:]] = value
        batch += self._pages.change(tree.update(self._pages.get, state).nodes)
        if batch:
            self._store.write(batch)

    def finish(self) -> Iterator[None]:
        """Prove everything and write what follows from it; yields between blocks, for others' work.

        Raise `Malformed` for a forged root, and for blocks that are not those before it.
        """
        self._pairs.end()
        if tree.get_root(self._pages.get) != self._offer.header.state_root:
            raise Malformed("the state of a snapshot is not that of its header")
        yield from self._check_blocks()
        self._store.write(self._rows())
        create_chain(PastStore(self._store), self._genesis)
        ChainStore(self._store)  # whatever it needs to go on is there; its tree was made above

    def _check_blocks(self) -> Iterator[None]:
        """Walk from the certified block down; a body tells the certificate of the block below."""
        offer = self._offer
        first, certificate, expected = (
            offer.manifest.first, offer.certificate, block_id(offer.header)
        )  # fmt: skip
        header = offer.header
        for height in range(header.height, first - 1, -1):
            raw_header, raw_body, raw_envelopes = (
                self._need(prefix, height) for prefix in (HEADER, BODY, ENVELOPES)
            )
            header, body = decode(Header, raw_header), decode(BlockBody, raw_body)
            envelopes = decode(Envelopes, raw_envelopes)
            fits = (
                ((block_id(header), header.height) == (expected, height), "link"),
                ((certificate.block_id, certificate.height) == (expected, height), "certificate"),
                (digest(body) == header.body_hash, "body"),
                (body.tx_ids == tuple(map(compute_tx_id, envelopes)), "transactions"),
                ((body.last_commit is None) == (height == 1), "last commit"),
            )
            for holds, what in fits:
                if not holds:
                    raise Malformed(f"a snapshot with a wrong {what} of block {height}")
            for envelope in envelopes:
                decode_tx(envelope, msgspec.Raw)
            self._store.write(
                [
                    (CERTIFICATE + u64(height), encode(certificate)),
                    (HEIGHT_OF + expected, u64(height)),
                ]
            )
            expected = header.parent_id
            if body.last_commit is not None:
                certificate = body.last_commit
            yield
        horizon_s = get_horizon_s(lambda key: self._store.get(STATE + key))
        reaches = header.time_ms // 1000 <= offer.header.time_ms // 1000 - horizon_s
        if not reaches and (first != 1 or expected != self._genesis.digest):
            raise Malformed("a snapshot whose blocks do not reach back over the replay window")

    def _rows(self) -> list[Change]:
        offer, header = self._offer, self._offer.header
        frontier = offer.manifest.frontier
        tip = Tip(
            header.height,
            offer.certificate.block_id,
            header.time_ms,
            header.creator,
            header.state_root,
            header.log_size,
            header.log_root,
            frontier,
        )
        joined = Joined(
            header.height, tip.block_id, offer.manifest.first, header.log_size, frontier
        )
        batch: list[Change] = [
            (TIP, encode(tip)),
            (GENESIS, self._genesis.canonical),
            (JOINED, encode(joined)),
        ]
        if self._joining:
            batch.append((JOINING, b"1"))
        for height, which in ((header.height, SET_LAST), (header.height + 1, SET_NOW)):
            members = self._store.get(STATE + VALIDATOR_SETS.key(which))
            if members is None:
                raise Malformed("a state without validators")
            batch.append((ERA + u64(height), members))
        places = log.full_nodes(0, header.log_size)
        batch += [(log_key(*place), root) for place, root in zip(places, frontier, strict=True)]
        return batch

    def _need(self, prefix: bytes, height: int) -> bytes:
        raw = self._store.get(prefix + u64(height))
        if raw is None:
            raise Malformed(f"a snapshot without block {height}")
        return raw
