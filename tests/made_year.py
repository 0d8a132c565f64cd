"""The small year of `testnet/year.py`, made once per test process and kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from audit.blocks import RawBlock
from audit.rows import Row, make_block_rows, make_genesis_rows, name_owner
from chain.codec import decode, encode
from chain.dates import compute_book_date
from chain.execute import Executed
from chain.genesis import Genesis, load_genesis
from chain.records import BlockBody, Header, Tx
from chain.strict_json import canonical_json
from chain.validators import CommitCertificate
from node.chainstore import STATE, ChainStore, Tip, create_chain
from node.ports import Store
from node.store_memory import MemoryStore
from testnet.demo import GENESIS_FOLDER
from testnet.plan import Plan, make_document
from testnet.year import OFFSET_S, Played, Year
from testnet.year_plan import SIZES, Size, plan_year

NEXT_PREFIX = bytes([STATE[0] + 1])


class Recorder(ChainStore):
    """A chain store that also remembers what each block wrote."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.changes: list[dict[bytes, bytes | None]] = []

    def apply(
        self,
        header: Header,
        body: BlockBody,
        certificate: CommitCertificate,
        txs: Sequence[Tx],
        executed: Executed,
    ) -> Tip:
        self.changes.append(executed.changes)
        return super().apply(header, body, certificate, txs, executed)


class MadeYear(NamedTuple):
    plan: Plan
    genesis: Genesis
    store: Recorder
    played: Played
    files: dict[str, bytes]
    payouts: list[bytes]

    def raws(self) -> list[RawBlock]:
        tip = self.store.tip.height
        blocks = []
        for height in range(1, tip + 1):
            raw = self.store.raw_block(height)
            assert raw is not None
            blocks.append(RawBlock(*raw, encode(self.store.outcomes(height))))
        return blocks

    def groups(self) -> Iterator[list[Row]]:
        """The posting stream, from what the store holds: nothing is executed again."""
        opening = self.genesis.time_ms // 1000
        yield make_genesis_rows(self.genesis, compute_book_date(opening, OFFSET_S))
        for height in range(1, self.store.tip.height + 1):
            header = self.store.header(height)
            assert header is not None
            date = compute_book_date(header.time_ms // 1000, OFFSET_S)
            start, outcomes = self.store.start(height), self.store.outcomes(height)
            yield from make_block_rows(header, start, outcomes, date)

    def balances(self) -> dict[tuple[str, str, str], int]:
        """What the state says is on each account: (denomination, class, owner) -> cents."""
        found = {}
        for key, value in self.state().items():
            name, *parts = decode(list[Any], key)
            if name == "bal":
                denom, klass, owner = parts
                raw = owner.encode() if isinstance(owner, str) else owner
                found[denom, klass, name_owner(klass, raw)] = decode(int, value)
        return found

    def state(self) -> dict[bytes, bytes]:
        return {key[1:]: value for key, value in self.store.store.scan(STATE, NEXT_PREFIX)}


def play(size: Size, secret: bytes = b"7") -> MadeYear:
    plan = plan_year(GENESIS_FOLDER / "rotterdam.json", size, secret)
    addresses = [f"127.0.0.1:{27100 + 10 * i}" for i in range(len(plan.nodes))]
    genesis = load_genesis(canonical_json(make_document(plan, addresses)))
    memory = MemoryStore()
    create_chain(memory, genesis)
    store = Recorder(memory)
    year = Year(plan, size, genesis, store)
    return MadeYear(plan, genesis, store, year.play(), year.files, year.payouts)


@cache
def small_year() -> MadeYear:
    return play(SIZES["small"])
