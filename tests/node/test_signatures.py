"""Signature checks in threads give the verdicts of one verifier, in order (reliability MC2, K1)."""

from __future__ import annotations

import asyncio

import pytest

from chain.crypto import public_key, sign
from node.meters import Meters
from node.signatures import SignaturePool

KEYS = [bytes([n]) * 32 for n in range(1, 9)]


def make_checks(count: int) -> tuple[list[tuple[bytes, bytes, bytes]], list[bool]]:
    checks, verdicts = [], []
    for number in range(count):
        seed = KEYS[number % len(KEYS)]
        message = number.to_bytes(4, "big")
        signature = sign(seed, message)
        good = number % 3 != 0
        checks.append((public_key(seed), message, signature if good else signature[::-1]))
        verdicts.append(good)
    return checks, verdicts


@pytest.mark.parametrize("count", [0, 1, 15, 16, 64, 65, 300])
def test_verdicts_come_in_order(count: int) -> None:
    checks, expected = make_checks(count)

    async def check() -> tuple[list[bool], list[bool]]:
        meters = Meters()
        pool = SignaturePool(2, meters)
        done: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        pool.start(checks, done.set_result)
        assert not done.done(), "never from inside the call"
        found = await asyncio.wait_for(done, 30)
        at_once = pool.now(checks)
        pool.close()
        spent = meters.registry.get_sample_value("wijk_stage_seconds_total", {"stage": "verify"})
        assert spent is not None
        assert spent > 0
        return found, at_once

    found, at_once = asyncio.run(check())

    assert found == expected
    assert at_once == expected
