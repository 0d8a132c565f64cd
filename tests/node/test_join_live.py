"""Joining by a snapshot on real nodes, and what they tell people meanwhile (consensus S7, S8)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import node.main
from chain.address import account_text
from chain.crypto import sha256
from cli import wijk
from node.client import ClientProblem
from node.snapshots import Snapshots
from tests.federation import account
from tests.live import Live, Payer, ask, get_free_ports, make_home, make_live_genesis, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERY = 4
BEHIND = 4002
ANNA = account_text(account("anna"))


def height_of(live: Live) -> int:
    return live.node.store.tip.height


@pytest.mark.asyncio
@pytest.mark.timeout(120)
async def test_a_node_that_joined_tells_the_truth_until_its_past_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """consensus S8: what it cannot know yet is 503 and 4002, never a wrong or an empty answer."""
    monkeypatch.setattr(node.main, "compute_every", lambda _purpose: EVERY)
    on_past = Snapshots._on_past
    monkeypatch.setattr(Snapshots, "_on_past", lambda _self: None)
    ports = get_free_ports(4)
    genesis = make_live_genesis(4, ports, balances={"delfshaven/anna": 10_000, "delfshaven/bob": 0})
    nodes = [
        make_home(tmp_path / doc.name, genesis, doc.name, port)
        for doc, port in zip(genesis.doc.validators, ports, strict=True)
    ]
    anna = Payer(genesis, "anna")
    old: list[str] = []
    try:
        for live in nodes[:3]:
            await live.start()
        first, late = nodes[0], nodes[3]
        await until(lambda: len(first.node.links.peers()) == 2)

        async def pay(cents: int) -> str:
            raw = anna.pay("bob", cents, expires=int(time.time()) + 300)
            await ask(first.client.submit, raw, wait="final")
            return sha256(raw).hex()

        while height_of(first) < 2 * EVERY + 2:
            old.append(await pay(1 + len(old)))
        await late.start()
        await until(lambda: height_of(late) >= 2 * EVERY + 2)
        joined = late.node.store.joined
        assert joined is not None
        assert joined.height == 2 * EVERY
        new = await pay(99)
        await until(lambda: late.node.store.place(bytes.fromhex(new)) is not None)

        client = late.client
        log_size = late.node.store.tip.log_size
        refused: list[tuple[Callable[..., object], tuple[object, ...]]] = [
            (client.block, (1,)),
            (client.block, (2 * EVERY,)),
            (client.raw_block, (2 * EVERY - 1,)),
            (client.block, ("00" * 32,)),
            (client.get, ("/v1/blocks",)),
            (client.get, (f"/v1/blocks/{EVERY}/txs",)),
            (client.history, (ANNA,)),
            (client.get, ("/v1/issuance",)),
            (client.receipt, (old[0],)),
            (client.inclusion_proof, (old[0],)),
            (client.consistency_proof, (1, log_size)),
            (client.get_bytes, (f"/log/tile/0/000.p/{log_size}",)),
            (client.get_bytes, (f"/log/tile/entries/000.p/{log_size}",)),
        ]
        for call, words in refused:
            with pytest.raises(ClientProblem) as told:
                await ask(call, *words)
            assert told.value.number == BEHIND, (call, words)
            assert told.value.tree["params"]["behind_blocks"] == 2 * EVERY
        assert (await ask(client.tx, old[0]))["status"] == "unknown"
        status = ["node", "status", "--home", str(late.root), "--lang", "en", "-o", "text"]
        said = (await ask(CliRunner().invoke, wijk, status)).stdout
        assert f"Began with a snapshot; {2 * EVERY} old blocks are still to come." in said

        assert (await ask(client.tx, new, prove=True))["status"] == "final"
        assert (await ask(client.receipt, new)).startswith("c2sp.org/tlog-proof")
        assert (await ask(client.inclusion_proof, new))["size"] == late.node.store.tip.log_size
        assert (await ask(client.block, "latest"))["height"] == height_of(late)
        assert len((await ask(client.validators))["items"]) == 4
        balance = (await ask(client.account, ANNA))["balances"]
        assert balance == (await ask(first.client.account, ANNA))["balances"]

        monkeypatch.setattr(Snapshots, "_on_past", on_past)
        assert late.node.runtime.snapshots is not None
        late.node.runtime.snapshots.fire("past")
        await until(lambda: late.node.store.joined is None)
        for call, words in refused:
            if words != ("00" * 32,):
                await ask(call, *words)
        assert "snapshot" not in (await ask(CliRunner().invoke, wijk, status)).stdout
        assert await ask(client.history, ANNA) == await ask(first.client.history, ANNA)
        assert (await ask(client.block, 1)) == (await ask(first.client.block, 1))
        assert (await ask(client.tx, old[0]))["status"] == "final"
    finally:
        for live in nodes:
            if live.task is not None and not live.task.done():
                await live.end()
