"""A fork on real nodes: they ask each other over their links, report, and end (E5, E6)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from node.runtime import FORK_MS, Halted
from tests.audit.made_chain import certify
from tests.live import Live, Payer, ask, live_network, until

if TYPE_CHECKING:
    from pathlib import Path

    from node.fork import Fork

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 500}


def find_fork(error: BaseException) -> Fork | None:
    """Return the report with which a node ended."""
    if isinstance(error, BaseExceptionGroup):
        found = [fork for one in error.exceptions if (fork := find_fork(one)) is not None]
        return found[0] if found else None
    return error.fork if isinstance(error, Halted) else None


async def end_of(live: Live) -> Fork | None:
    assert live.task is not None
    try:
        await asyncio.wait_for(asyncio.shield(live.task), FORK_MS / 1000 + 5)
    except BaseException as error:  # noqa: BLE001 - a group or not: what it is is looked at
        return find_fork(error)
    return None


@pytest.mark.asyncio
async def test_f28_real_nodes_stop_with_the_names_of_f_plus_one(tmp_path: Path) -> None:
    """consensus F28, E5, E6: f + 1 certify another block of an old height; all nodes hear of it."""
    async with live_network(tmp_path, 4, balances=BALANCES) as nodes:
        await until(lambda: all(len(live.node.links.peers()) == 3 for live in nodes))
        anna = Payer(nodes[0].genesis, "anna")
        for cents in (1, 2):
            envelope = anna.pay("bob", cents, expires=int(time.time()) + 300)
            await ask(nodes[0].client.submit, envelope, wait="final")
        await until(lambda: all(live.node.store.tip.height >= 2 for live in nodes))
        store = nodes[0].node.store
        header, own = store.header(1), store.certificate(1)
        assert header is not None
        assert own is not None
        validators = store.validators_at(1)
        other = replace(header, time_ms=header.time_ms + 1)
        forged = certify(other, validators, nodes[0].genesis.doc.chain_id, count=3)

        nodes[3].node.links.broadcast(forged)
        reports = await asyncio.gather(*(end_of(live) for live in nodes))

    for live, fork in zip(nodes, reports, strict=True):
        assert fork is not None, live.name
        assert fork.is_complete
        assert {one.key for one in fork.culprits} <= set(validators.keys[:3])
        assert {fork.first.block_id, fork.second.block_id} == {own.block_id, forged.block_id}
