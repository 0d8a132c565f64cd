"""A board election on real nodes, verified from its bundle by the script that shares no code.

By default small. `make election` runs it with 4,000 voters and prints figures: seven candidates,
five trustees of whom two vanish after the key is made, every ballot through the API of a node.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from audit.election_bundle import export_bundle
from audit.elections.check import verify
from audit.elections.wire import read_bundle
from chain.address import account_id
from chain.codec import encode
from chain.crypto import public_key, sha256, sign
from chain.manifest import Fixed, Manifest, fix
from chain.policy import read_policy
from chain.records import TX_CONTEXT, Envelope, KeySignature, carry, encode_body
from contracts.election import Cast
from node.client import Client, ask_patiently
from testnet.election import HeldElection, Holder, Holding, Matter
from tests.federation import account, board, seed
from tests.live import Live, WallClock, live_network, wall_clock
from wallet.ballots import choose, make_ballot

VOTERS = int(os.environ.get("WIJK_ELECTION_VOTERS", "40"))
NODES = int(os.environ.get("WIJK_ELECTION_NODES", "1"))
PROCESSES = 2
# Time to make and to cast one ballot, of a slow machine that does other work too. Nobody waits for
# the calendar: the clock of the nodes is put forward.
BALLOT_S = float(os.environ.get("WIJK_ELECTION_BALLOT_S", "0.4"))
WIJK = "delfshaven"
CANDIDATES = tuple(f"member {number}" for number in range(7))
TRUSTEES = tuple(f"member {number}" for number in range(7, 12))
PERSONS = max(VOTERS, 12)
POSTED = 100  # ballots in one request
MADE = 500  # ballots made before they are cast


class Times(NamedTuple):
    """Seconds of one step of the run."""

    make: float
    cast: float
    finish: float
    export: float


def _seed_of(number: int) -> bytes:
    return sha256(b"credential %d" % number)


def choices_of(number: int) -> tuple[int, ...]:
    """What a voter approves: none is a blank vote."""
    return tuple(option for option in range(1, 8) if (number + option) % 7 < number % 6)


def _make(task: tuple[Manifest, bytes, int, int]) -> bytes:
    """Return one cast as it travels; runs in a process of its own."""
    manifest, digest, number, expires = task
    fixed: Fixed = fix(manifest)
    voter = _seed_of(number)
    numbers = choices_of(number)
    made = make_ballot(fixed, public_key(voter), choose(fixed, numbers, blank=not numbers))
    call = Cast(manifest.election, made.digest, len(made.data))
    nonce = secrets.token_bytes(16)
    body = encode_body(digest, account_id(public_key(voter)), nonce, expires, call)
    signed = KeySignature(0, sign(voter, TX_CONTEXT + body))
    return carry(encode(Envelope(body, (signed,))), [made.data])


def _person(name: str) -> Holder:
    return Holder(account(name), {0: seed(name)})


def _client(live: Live) -> Client:
    """Return a client that waits longer than people do: the machine is busy with ballots."""
    return Client([live.at.api], timeout_s=300, lang="en")


def _hold(live: Live, clock: WallClock) -> tuple[HeldElection, Times]:
    client, digest = _client(live), live.genesis.digest

    def send(call: Any, by: Holder, blobs: Sequence[bytes] = ()) -> bytes:
        nonce = secrets.token_bytes(16)
        body = encode_body(digest, by.account, nonce, int(clock.now_s()) + 300, call)
        signatures = tuple(
            KeySignature(index, sign(by.seeds[index], TX_CONTEXT + body))
            for index in sorted(by.seeds)
        )
        raw = carry(encode(Envelope(body, signatures)), blobs)
        if len(raw) > 60_000:
            (item,) = ask_patiently(lambda: client.batch([raw]))
            assert item["problem"] is None, item
            return _wait(live, item["tx"])
        answer = ask_patiently(lambda: client.submit(raw, wait="final", wait_ms=30_000))
        if answer["status"] == "pending":
            return _wait(live, answer["tx"])
        assert answer["status"] == "final", (type(call).__name__, answer)
        return bytes.fromhex(answer["tx"])

    registrars = (seed(f"{WIJK}-registrar-a"), seed(f"{WIJK}-registrar-b"))
    matter = Matter(
        (),
        5,
        5,
        Holder(board(WIJK), {0: seed(f"{WIJK}-board-a"), 1: seed(f"{WIJK}-board-b")}),
        Holder(account(f"{WIJK}-registrar-a"), dict(enumerate(registrars))),
        tuple(_person(name) for name in TRUSTEES),
        PERSONS,
    )
    holding = Holding(client, digest, send, matter, now_s=clock.now_s, sleep=clock.skip)
    start = int(clock.now_s())
    begins = 60 + VOTERS // 200
    opens = start + 4 * begins
    closes = opens + 60 + int(BALLOT_S * VOTERS)
    holding.call((start + begins, start + 2 * begins, opens - 1, opens, closes, closes + 600))
    for name in CANDIDATES:
        holding.nominate(_person(name), [_person(one) for one in TRUSTEES])
    holding.freeze([_seed_of(number) for number in range(VOTERS)])
    holding.make_key()
    fixed = holding.open(_person(CANDIDATES[0]))
    making, casting = 0.0, 0.0
    with ProcessPoolExecutor(PROCESSES) as pool:
        for first in range(0, VOTERS, MADE):  # in parts, for a cast expires
            begun, expires = time.monotonic(), int(clock.now_s()) + 590
            numbers = range(first, min(first + MADE, VOTERS))
            tasks = [(fixed.manifest, digest, number, expires) for number in numbers]
            casts = list(pool.map(_make, tasks, chunksize=16))
            made = time.monotonic()
            _post(live, casts)
            making, casting = making + made - begun, casting + time.monotonic() - made
    cast = time.monotonic()
    held = holding.count(_person(CANDIDATES[1]), [1, 3, 5])
    return held, Times(making, casting, time.monotonic() - cast, 0.0)


def _post(live: Live, casts: Sequence[bytes]) -> None:
    """Cast them all, and wait until the last one is final."""
    last = ""
    for start in range(0, len(casts), POSTED):
        some = casts[start : start + POSTED]
        items = ask_patiently(lambda some=some: _client(live).batch(some))  # type: ignore[misc]
        assert all(item["problem"] is None for item in items), items
        last = items[-1]["tx"]
    _wait(live, last)


def _wait(live: Live, tx: str) -> bytes:
    while ask_patiently(lambda: _client(live).tx(tx))["status"] != "final":
        time.sleep(0.3)
    return bytes.fromhex(tx)


def test_a_board_election_is_held_and_verified(tmp_path: Path) -> None:
    """economy E5 to E29, on real nodes: 4,000 voters by `make election`."""
    balances = {f"{WIJK}/member {number}": 0 for number in range(PERSONS)}

    async def run(clock: WallClock) -> tuple[HeldElection, Times]:
        async with live_network(tmp_path / "net", NODES, balances=balances) as lives:
            held, times = await asyncio.to_thread(_hold, lives[0], clock)
            begun = time.monotonic()
            client = _client(lives[-1])
            policy = read_policy(await asyncio.to_thread(client.policy))
            out = tmp_path / "out"
            await asyncio.to_thread(export_bundle, client, policy, held.id, out)
            return held, times._replace(export=time.monotonic() - begun)

    with wall_clock() as clock:
        held, times = asyncio.run(run(clock))
    begun = time.monotonic()
    report = verify(read_bundle(tmp_path / "out"), processes=PROCESSES)
    verified = time.monotonic() - begun

    wanted = Counter(option for number in range(VOTERS) for option in choices_of(number) or (0,))
    assert held.ballots == VOTERS
    assert held.counts == tuple(wanted[slot] for slot in range(8))
    assert report.findings == []
    assert report.figures["ballots"] == VOTERS
    print(
        f"\n{VOTERS} voters, {NODES} nodes: {times.make:.1f} s to make the ballots in"
        f" {PROCESSES} processes, {times.cast:.1f} s to cast them, {times.finish:.1f} s to tally,"
        f" share and set the result, {times.export:.1f} s to export, {verified:.1f} s to verify"
    )
