"""economy E29: a bundle from a real chain, judged by the verifier that shares no code with it."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from audit.election_bundle import export_bundle
from audit.elections.check import Report, verify
from audit.elections.wire import read_bundle
from chain.codec import encode
from chain.crypto import sha256, sign
from chain.policy import read_policy
from chain.records import TX_CONTEXT, Envelope, KeySignature, carry, encode_body
from chain.shared import key_proof_bytes
from contracts.accounts import Approve, NewKey, Propose, SetKeys
from contracts.election import CallElection
from node.client import Client
from testnet.election import HeldElection, Holder, Holding, Matter, make_calendar
from tests.federation import account, board, holder, key, seed
from tests.live import Live, WallClock, live_network, wall_clock

WIJK = "delfshaven"
PEOPLE = ("anna", "bram", "chaima", "dirk", "els")
BALANCES = {f"{WIJK}/{name}": 0 for name in PEOPLE}
TX_S = 4.0  # what a transaction may take: nobody waits for the calendar
VOTERS = [sha256(b"credential %d" % number) for number in range(5)]


def _holder(name: str, **seeds: str) -> Holder:
    keys = {int(index[1:]): seed(key) for index, key in seeds.items()} or {0: seed(name)}
    return Holder(account(name), keys)


def _hold(live: Live, clock: WallClock) -> HeldElection:
    """Hold an election on a node, with one voter who votes twice and one blank ballot.

    The board agrees on the call by two transactions; after the result one of its keys is another.
    """
    client = live.client
    digest = live.genesis.digest

    def send(call: Any, by: Holder, blobs: Sequence[bytes] = ()) -> bytes:
        if isinstance(call, CallElection):  # the board agrees on the chain (economy B6)
            first, second = (Holder(by.account, {index: by.seeds[index]}) for index in (0, 1))
            proposal = send(Propose(encode(call), int(clock.now_s()) + 600), first)
            return send(Approve(proposal), second)
        nonce = secrets.token_bytes(16)
        body = encode_body(digest, by.account, nonce, int(clock.now_s()) + 300, call)
        signatures = tuple(
            KeySignature(index, sign(by.seeds[index], TX_CONTEXT + body))
            for index in sorted(by.seeds)
        )
        answer = client.submit(carry(encode(Envelope(body, signatures)), blobs), wait="final")
        assert answer["status"] == "final", (type(call).__name__, answer)
        return bytes.fromhex(answer["tx"])

    matter = Matter(
        tuple(sha256(b"option %d" % number) for number in range(3)),
        0,
        3,
        Holder(board(WIJK), {0: seed(f"{WIJK}-board-a"), 1: seed(f"{WIJK}-board-b")}),
        Holder(
            account(f"{WIJK}-registrar-a"),
            {0: seed(f"{WIJK}-registrar-a"), 1: seed(f"{WIJK}-registrar-b")},
        ),
        tuple(_holder(name) for name in PEOPLE[:3]),
        len(PEOPLE),
    )
    holding = Holding(client, digest, send, matter, now_s=clock.now_s, sleep=clock.skip)
    holding.call(make_calendar(int(clock.now_s()), TX_S))
    holding.freeze(VOTERS)
    holding.make_key()
    holding.open(_holder("anna"))
    holding.cast(VOTERS[0], 1)
    holding.cast(VOTERS[1], 1, 3)
    holding.cast(VOTERS[2], blank=True)
    holding.cast(VOTERS[0], 2)
    held = holding.count(_holder("dirk"), [1, 3])
    new, old = "a new key of a seat", f"{WIJK}-board-a"
    proof = sign(seed(new), key_proof_bytes(digest, matter.board.account, key(new)))
    added = NewKey(key(new), holder(old), proof)
    send(SetKeys((added,), (key(old),), (), 2), matter.board)
    return held


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HeldElection]:
    """Hold an election on a real node once, and export it."""
    folder = tmp_path_factory.mktemp("bundle")

    async def run(clock: WallClock) -> HeldElection:
        async with live_network(folder / "net", 1, balances=BALANCES) as (live,):
            held = await asyncio.to_thread(_hold, live, clock)
            await asyncio.to_thread(_export, live.client, held.id, folder / "out")
            return held

    with wall_clock() as clock:
        return folder / "out", asyncio.run(run(clock))


def _export(client: Client, election_id: bytes, folder: Path) -> None:
    export_bundle(client, read_policy(client.policy()), election_id, folder)


def _judge(folder: Path) -> Report:
    return verify(read_bundle(folder))


def test_the_verifier_accepts_what_a_chain_holds(exported: tuple[Path, HeldElection]) -> None:
    folder, held = exported
    assert held.counts == (1, 1, 1, 1)
    assert held.ballots == 3

    report = _judge(folder)

    assert report.findings == []
    assert report.figures["counts"] == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert (report.figures["ballots"], report.figures["cast"]) == (3, 4)
    assert report.figures["stage"] == "result"


def _change_rows(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    path = folder / "transactions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _change_meta(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "bundle.json"
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


def _drop_a_ballot(rows: list[dict[str, Any]]) -> None:
    rows.remove([row for row in rows if _name(row) == "cast"][1])


def _swap_ballots(rows: list[dict[str, Any]]) -> None:
    casts = [row for row in rows if _name(row) == "cast"]
    casts[0]["blobs"], casts[1]["blobs"] = casts[1]["blobs"], casts[0]["blobs"]


def _twist_a_proof(rows: list[dict[str, Any]]) -> None:
    cast = next(row for row in rows if _name(row) == "cast")
    blob = bytearray.fromhex(cast["blobs"][0])
    blob[-1] ^= 1
    cast["blobs"] = [blob.hex()]


def _lengthen_the_roll(rows: list[dict[str, Any]]) -> None:
    roll = next(row for row in rows if _name(row) == "voter_root")
    roll["blobs"] = [roll["blobs"][0] + "ff" * 32]


def _move_in_the_log(rows: list[dict[str, Any]]) -> None:
    rows[-1]["index"] += 1


def _name(row: dict[str, Any]) -> str:
    envelope = bytes.fromhex(row["envelope"])
    names = [b"cast", b"voter_root"]
    return next((name.decode() for name in names if b"election." + name in envelope), "")


ROWS = (_drop_a_ballot, _swap_ballots, _twist_a_proof, _lengthen_the_roll, _move_in_the_log)


@pytest.mark.parametrize("change", ROWS, ids=lambda change: change.__name__)
def test_planted_changes_of_transactions_are_found(
    exported: tuple[Path, HeldElection],
    tmp_path: Path,
    change: Callable[[list[dict[str, Any]]], None],
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(exported[0], folder)
    _change_rows(folder, change)

    assert _judge(folder).findings


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta["claims"]["counts"].reverse() or meta["claims"]["counts"].append(1),
        lambda meta: meta["claims"].update(ballots=4),
        lambda meta: meta["claims"]["order"].reverse(),
        lambda meta: meta["claims"].update(sums=meta["claims"]["sums"][64:] + "00" * 32),
        lambda meta: meta["closing"].update(first=meta["closing"]["last"]),
        lambda meta: meta["checkpoint"].update(note=meta["closing"]["note"]),
        lambda meta: meta.update(manifest=meta["manifest"][:-2] + "63"),
    ],
)
def test_planted_changes_of_claims_are_found(
    exported: tuple[Path, HeldElection], tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(exported[0], folder)
    _change_meta(folder, change)

    assert _judge(folder).findings
