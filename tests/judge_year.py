"""Play a large year; the second opinion judges each block as it is made (economy A1, L1 to L3).

`python -m tests.judge_year --profile L1` says what it took as JSON, and ends with 1 where an
invariant broke. It keeps the chain in memory: for figures of a chain on disk, `wijk testnet year`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence

import msgpack  # type: ignore[import-untyped]
from msgspec.structs import replace

from chain.codec import encode
from chain.execute import Executed
from chain.genesis import Genesis, load_genesis
from chain.records import BlockBody, Header, Tx
from chain.strict_json import canonical_json
from chain.validators import CommitCertificate
from node.chainstore import ChainStore, Tip, create_chain
from node.ports import Store
from node.store_memory import MemoryStore
from testnet.demo import GENESIS_FOLDER
from testnet.plan import make_document
from testnet.year import Year
from testnet.year_plan import SIZES, plan_year
from tests.audit.second_opinion import Auditor


class Judged(ChainStore):
    """A chain store whose every block is judged before the next one is made."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        super().__init__(store)
        opening = msgpack.unpackb(encode(genesis.postings))
        self.auditor = Auditor(genesis.canonical, genesis.state, opening)
        self.found: dict[int, list[str]] = {}
        self.judging_s = 0.0

    def apply(
        self,
        header: Header,
        body: BlockBody,
        certificate: CommitCertificate,
        txs: Sequence[Tx],
        executed: Executed,
    ) -> Tip:
        tip = super().apply(header, body, certificate, txs, executed)
        began = time.process_time()
        outcomes = msgpack.unpackb(encode(executed.outcomes))
        start = msgpack.unpackb(encode(executed.start))
        envelopes = [tx.raw for tx in txs]
        broken = self.auditor.add(encode(header), envelopes, outcomes, executed.changes, start)
        self.judging_s += time.process_time() - began
        if broken:
            self.found[header.height] = sorted(broken)
        return tip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=sorted(SIZES), default="small")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", default="7")
    asked = parser.parse_args()
    size = replace(SIZES[asked.profile], days=asked.days)
    plan = plan_year(GENESIS_FOLDER / "rotterdam.json", size, asked.seed.encode())
    addresses = [f"127.0.0.1:{27100 + 10 * i}" for i in range(len(plan.nodes))]
    genesis = load_genesis(canonical_json(make_document(plan, addresses)))
    memory = MemoryStore()
    create_chain(memory, genesis)
    store = Judged(memory, genesis)
    began = time.process_time()
    played = Year(plan, size, genesis, store).play()
    same = store.auditor.recount()
    tree = {
        "profile": asked.profile,
        "days": asked.days,
        "blocks": played.blocks,
        "transactions": played.transactions,
        "refused": played.refused,
        "seconds": round(time.process_time() - began, 1),
        "judging_s": round(store.judging_s, 1),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "recounted": same,
        "broken": store.found,
    }
    sys.stdout.write(json.dumps(tree) + "\n")
    return 0 if same and not store.found else 1


if __name__ == "__main__":
    sys.exit(main())
