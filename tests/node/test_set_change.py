"""A board puts another node in the place of its own, with real links (consensus V, Z4, B10)."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chain.address import account_text
from chain.codec import encode
from chain.contract import Table
from chain.crypto import sha256, sign
from chain.genesis import Genesis
from chain.keyspaces import NO_END_S
from chain.policy import era_set, write_policy
from chain.proof import verify_receipt
from chain.records import TX_CONTEXT, Envelope, KeySignature, encode_body
from chain.validators import signer_keys
from cli import wijk
from contracts import CONTRACTS
from contracts.wijk import NodeKeys, Ready, RegisterRole, node_proof_bytes, ready_proof_bytes
from node.light_client import follow_home
from node.peers import OBSERVERS_PER_WIJK, find_own_name, find_peers
from tests.contracts.test_set_change import is_ready
from tests.federation import Ledger, account, board, key, seed
from tests.live import (
    READY_S,
    Live,
    Payer,
    ask,
    get_free_ports,
    live_network,
    make_home,
    make_live_genesis,
    until,
)
from wallet.files import write_new
from wallet.outbox import Sent, keep, pending
from wallet.send import send
from wallet.terminal import Terminal
from wallet.trust import policy_of

NAMES = ("node-new", "transport-new")
EPOCH_S = 2
PURSES = {"delfshaven/anna": 100, "delfshaven/chaima": 0}


class StateOnly:
    """What `find_peers` asks of a chain: its state and its newest block."""

    def __init__(self, ledger: Ledger) -> None:
        self._pairs = {b"s" + name: value for name, value in ledger.state.items()}
        self.store = self
        self.tip = self
        self.time_ms = ledger.base.time_ms

    def read_state(self, name: bytes) -> bytes | None:
        return self._pairs.get(b"s" + name)

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        return [(k, v) for k, v in sorted(self._pairs.items()) if start <= k < end]


def peers(ledger: Ledger) -> dict[str, tuple[bytes, str]]:
    """Return the transport key and address of each admitted peer, by name."""
    store: Any = StateOnly(ledger)
    found = find_peers(store, ledger.genesis.doc)
    return {info.name: (info.transport_key, info.address) for info in found}


def test_a_report_by_a_resident_lets_nobody_in_and_one_by_a_board_does() -> None:
    """B10: named on chain by those who answer for a node; the newest two, for a day."""
    ledger = Ledger(wijken=4, balances={"delfshaven/anna": 100}, params={"epoch_s": 1_000})
    first = peers(ledger)
    assert sorted(first) == ["charlois", "delfshaven", "feijenoord", "noord"]
    assert first["noord"] == (key("transport-noord"), "127.0.0.1:27110")
    is_ready(ledger)
    assert peers(ledger) == first

    for number in range(OBSERVERS_PER_WIJK + 1):
        report(ledger, f"node-{number}", f"transport-{number}")

    more = peers(ledger)
    new = {name: more[name][0] for name in more if name not in first}
    assert new == {
        "delfshaven-observer-1": key("transport-2"),
        "delfshaven-observer-2": key("transport-1"),
    }
    ledger.time_s += 86_400
    ledger.apply(ledger.run())
    assert peers(ledger) == first


def test_a_report_gives_no_place_under_the_transport_key_of_another() -> None:
    ledger = Ledger(wijken=4, balances={}, params={"epoch_s": 1_000})
    first = peers(ledger)

    report(ledger, "node-new", "transport-noord")

    assert peers(ledger) == first


def test_the_chain_names_a_node_that_joined() -> None:
    ledger = Ledger(wijken=4, balances={}, params={"epoch_s": 1_000})
    report(ledger, *NAMES)
    store: Any = StateOnly(ledger)
    assert find_own_name(store, key(NAMES[0]), "follower") == "follower"
    call = RegisterRole("VALIDATOR", board("delfshaven"), 0, NO_END_S, node_keys(ledger.genesis))
    assert ledger.by_board("delfshaven", call).code == 0

    store = StateOnly(ledger)

    assert find_own_name(store, key(NAMES[0]), "follower") == "delfshaven"
    both = find_peers(store, ledger.genesis.doc)
    assert {key("node-delfshaven"), key("node-new")} <= {info.key for info in both}


def report(ledger: Ledger, node: str, transport: str) -> None:
    """Let the board of delfshaven report a node."""
    call = ready(ledger.genesis, (node, transport), ledger.base.block_id, ledger.base.height)
    assert ledger.by_board("delfshaven", call).code == 0


def ready(genesis: Genesis, names: tuple[str, str], block_id: bytes, height: int) -> Ready:
    keys = key(names[0]), key(names[1])
    signed = ready_proof_bytes(genesis.digest, *keys, block_id, height)
    return Ready(*keys, block_id, height, sign(seed(names[0]), signed))


def node_keys(genesis: Genesis) -> NodeKeys:
    keys = key(NAMES[0]), key(NAMES[1])
    return NodeKeys(*keys, sign(seed(NAMES[0]), node_proof_bytes(genesis.digest, *keys)))


async def by_board(live: Live, call: Any) -> None:
    """Send a call of delfshaven's board and wait until it is final."""
    chain = live.genesis.chain(Table(CONTRACTS))
    nonce = sha256(encode(call) + str(time.monotonic_ns()).encode())[:16]
    expires = int(time.time()) + 300
    body = encode_body(chain.digest, board("delfshaven"), nonce, expires, call)
    signatures = tuple(
        KeySignature(index, sign(seed(f"delfshaven-board-{letter}"), TX_CONTEXT + body))
        for index, letter in enumerate("ab")
    )
    raw = encode(Envelope(body, signatures))
    await ask(live.client.submit, raw, wait="final")
    place = live.node.store.place(sha256(raw))
    assert place is not None
    assert place.code == 0


@pytest.mark.asyncio
async def test_v1_v6_another_node_takes_the_place_of_one(tmp_path: Path) -> None:
    """It is let in, catches up, joins at the border, and signs; the old one is cut off."""
    params = {"epoch_s": EPOCH_S}
    async with live_network(tmp_path, 4, params=params, balances=PURSES) as nodes:
        old, others = nodes[0], nodes[1:]
        genesis, helper = old.genesis, others[0]
        tip = helper.node.store.tip
        await by_board(helper, ready(genesis, NAMES, tip.block_id, tip.height))
        new = make_home(tmp_path / "new", genesis, "new", get_free_ports(1)[0])
        await new.start()
        try:
            await until(lambda: new.node.store.tip.height >= helper.node.store.tip.height > 0)
            assert new.node.name == "follower"
            assert not new.node.signing
            tip = new.node.store.tip
            await by_board(helper, ready(genesis, NAMES, tip.block_id, tip.height))
            role = RegisterRole("VALIDATOR", board("delfshaven"), 0, NO_END_S, node_keys(genesis))
            await by_board(helper, role)
            changed = len(helper.node.store.eras)
            while len(helper.node.store.eras) == changed:
                tip = helper.node.store.tip
                await by_board(helper, ready(genesis, NAMES, tip.block_id, tip.height))
            await by_board(helper, ready(genesis, NAMES, *here(helper)))
            await by_board(helper, ready(genesis, NAMES, *here(helper)))

            await until(lambda: new.node.signing)
            await until(lambda: not old.node.links.peers())
            first, validators = helper.node.store.eras[-1]
            assert key("node-new") in validators
            assert key("node-delfshaven") not in validators
            async with asyncio.timeout(READY_S):  # three of four are enough: not every block has it
                while not signs(helper, key("node-new"), first):
                    await by_board(helper, ready(genesis, NAMES, *here(helper)))
            assert not old.node.signing
            assert set(helper.node.links.peers()) >= {key("node-new")}
            await a_home_follows(tmp_path, genesis, helper, others[1], first)
            await others[2].end()  # now no block is without the vote of the newcomer
            await until(lambda: len(helper.node.touch().online) == 3)
            await ask(a_payment_over_the_change, tmp_path / "client", genesis, old, helper)
        finally:
            await new.end()


def test_an_operator_says_where_to_dial_and_never_whom_to_admit() -> None:
    """B10: addresses are no trust; a name that the chain does not give is nobody."""
    ledger = Ledger(wijken=4, balances={}, params={"epoch_s": 1_000})
    report(ledger, *NAMES)
    store: Any = StateOnly(ledger)
    told = {"noord": "moved:1", "delfshaven-observer-1": "new:1", "nobody": "lost:1"}

    found = {info.name: info.address for info in find_peers(store, ledger.genesis.doc, told)}

    assert found == {
        "charlois": "127.0.0.1:27130",
        "delfshaven": "127.0.0.1:27100",
        "delfshaven-observer-1": "new:1",
        "feijenoord": "127.0.0.1:27120",
        "noord": "moved:1",
    }


@pytest.mark.asyncio
async def test_a_node_is_dialled_where_its_peer_was_told_to(tmp_path: Path) -> None:
    """interfaces 3.1 `p2p.peers`: neither address of genesis leads anywhere, and they meet."""
    nowhere, ports = get_free_ports(2), get_free_ports(2)
    genesis = make_live_genesis(2, nowhere, balances={"delfshaven/anna": 100})
    told: Any = {"p2p__peers": (f"noord@127.0.0.1:{ports[1]}",)}
    nodes = [
        make_home(tmp_path / "delfshaven", genesis, "delfshaven", ports[0], **told),
        make_home(tmp_path / "noord", genesis, "noord", ports[1]),
    ]
    for live in nodes:
        await live.start()
    try:
        await until(lambda: all(live.node.links.peers() for live in nodes))
        assert nodes[0].node.links.peers() == (key("node-noord"),)
    finally:
        for live in nodes:
            await live.end()


async def a_home_follows(
    home: Path, genesis: Genesis, source: Live, second: Live, first: int
) -> None:
    """consensus S9: whoever pinned genesis knows the new set, from the block on where it began."""
    followed = await ask(
        follow_home,
        home,
        policy_of(genesis),
        [source.at.api, second.at.api],
        now_ms=time.time_ns() // 1_000_000,
        save=Path.write_bytes,
        timeout_s=20,
    )
    last = followed.policy.eras[-1]
    assert (last.from_height, last.to_height) == (first, None)
    assert era_set(last) == source.node.store.eras[-1][1]
    assert followed.compared == second.at.api
    assert followed.doubts == ()


def a_payment_over_the_change(home: Path, genesis: Genesis, old: Live, helper: Live) -> None:
    """The validators change between the look at them and the receipt: money moves once (S9).

    The first node of the profile is the one that was replaced, and stands still.
    """
    pinned, late = policy_of(genesis), home.with_name("late")
    for folder in (home, late):
        write_new(folder / "policy.json", write_policy(pinned).encode())
        nodes = json.dumps([old.at.api, helper.at.api])
        write_new(folder / "config.toml", f"[profiles.default]\nnodes = {nodes}\n".encode())
    terminal = Terminal()
    terminal.given |= {"home": home}
    paid = Payer(genesis, "anna").pay("chaima", 7, expires=int(time.time()) + 300)
    sent = Sent(paid, None, None, None)
    before = cents_of("chaima", helper)

    result = send(terminal, pinned, sent)

    assert (result.failure, result.tx["status"], result.tx["verified"]) == (None, "final", True)
    assert pending(home) == []
    receipt = (home / "receipts" / f"{sent.tx}.tlog-proof").read_text()
    assert verify_receipt(receipt, pinned).reason == "quorum"

    keep(late, sent)  # as if the program had ended before the receipt was judged
    told = CliRunner().invoke(wijk, ["tx", "wait", sent.tx, "--home", str(late), "-o", "json"])

    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["replayed"] is True
    assert pending(late) == []
    assert cents_of("chaima", helper) == before + 7


def cents_of(who: str, live: Live) -> int:
    told = live.client.account(account_text(account(who)))
    return int(told["balances"][0]["available_cents"])


def here(live: Live) -> tuple[bytes, int]:
    tip = live.node.store.tip
    return tip.block_id, tip.height


def signs(live: Live, signer: bytes, first: int) -> bool:
    """Say whether a key has signed a block from `first` on."""
    store = live.node.store
    for height in range(first, store.tip.height + 1):
        certificate = store.certificate(height)
        assert certificate is not None
        if signer in signer_keys(certificate, store.validators_at(height)):
            return True
    return False
