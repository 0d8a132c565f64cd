"""Signatures are checked in other processes, and the verdict is what one process finds (A1)."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from audit import ahead
from audit.ahead import Check, Signatures
from audit.replay import Report, replay
from chain.codec import encode
from chain.crypto import sign
from chain.records import Envelope, KeySignature, Tx, decode_tx
from chain.texts import Problem
from tests.audit.made_chain import MadeChain, transfer
from tests.contracts.offices import new_key, set_keys
from tests.federation import account, key, seed

ANNA, CHAIMA = account("anna"), account("chaima")
BALANCES = {"delfshaven/anna": 10_000, "delfshaven/chaima": 500}


@pytest.fixture(autouse=True)
def _no_check_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "ALONE_MAX", 0)


def make_sound() -> MadeChain:
    """Twelve payments, and then a key that pays in the very block that adds it."""
    chain = MadeChain(balances=BALANCES)
    for cents in range(1, 13):
        chain.by_person("anna", transfer("chaima", cents))
    added = set_keys(chain, ANNA, new_key(chain, ANNA, "phone"), revoke=("anna",))
    chain.add(
        [
            chain.tx(added, ANNA, [(0, "anna")]),
            chain.tx(transfer("chaima", 5), ANNA, [(1, "phone")]),
            chain.tx(transfer("anna", 5), CHAIMA, [(0, "chaima")]),
        ]
    )
    chain.send(transfer("chaima", 6), ANNA, [(1, "phone")])
    return chain


def force(chain: MadeChain, *txs: Tx) -> MadeChain:
    """Decide a block whose makers looked at no signature, and a sound one after it."""
    run = chain.run()
    run._check = lambda _tx, _keys: True
    for tx in txs:
        run.include(tx)
    chain._decide(run, list(txs), 0, 99)
    chain.by_person("chaima", transfer("anna", 1))
    return chain


def resign(chain: MadeChain, tx: Tx, *signatures: KeySignature) -> Tx:
    """Return the transaction under other signatures."""
    body = tx.signed.removeprefix(b"wijkchain/tx")
    return decode_tx(encode(Envelope(body, signatures)), chain.chain.table.union)


def with_a_bad_signature() -> MadeChain:
    chain = make_sound()
    good = chain.tx(transfer("anna", 1), CHAIMA, [(0, "chaima")])
    (one,) = good.signatures
    wrong = KeySignature(0, one.signature[:-1] + bytes([one.signature[-1] ^ 1]))
    return force(chain, resign(chain, good, wrong))


def with_a_wrong_key() -> MadeChain:
    chain = make_sound()
    return force(chain, chain.tx(transfer("anna", 1), CHAIMA, [(0, "eve")]))


def with_swapped_signatures() -> MadeChain:
    chain = make_sound()
    one, two = (chain.tx(transfer("anna", cents), CHAIMA, [(0, "chaima")]) for cents in (1, 2))
    return force(chain, resign(chain, one, *two.signatures), resign(chain, two, *one.signatures))


def with_the_old_key_in_the_place_of_the_new() -> MadeChain:
    """The account gets key 1 in this block; key 0, good until then, signs as if it were that."""
    chain = make_sound()
    added = set_keys(chain, CHAIMA, new_key(chain, CHAIMA, "tablet"), revoke=("chaima",))
    change = chain.tx(added, CHAIMA, [(0, "chaima")])
    stale = chain.tx(transfer("anna", 1), CHAIMA, [(1, "chaima")])
    run = chain.run()
    run._check = lambda _tx, _keys: True
    for tx in (change, stale):
        run.include(tx)
    chain._decide(run, [change, stale], 0, 99)
    return chain


def with_a_bad_certificate() -> MadeChain:
    chain = make_sound()
    chain.by_person("chaima", transfer("anna", 1))
    certificate = chain.decided[-2][2]
    first, *others = certificate.signatures
    wrong = msgspec.structs.replace(certificate, signatures=(bytes(64), *others))
    assert wrong.signatures[0] != first
    chain.raws[-2] = msgspec.structs.replace(chain.raws[-2], certificate=encode(wrong))
    return chain


def check(chain: MadeChain, workers: int) -> Report:
    return replay(chain.genesis, iter(chain.raws), workers=workers)


def test_a_sound_chain_is_sound_with_any_number_of_processes() -> None:
    chain = make_sound()

    alone, *others = [check(chain, workers) for workers in (1, 2, 5)]

    assert alone.ok
    assert (alone.last, alone.transactions) == (14, 16)
    assert others == [alone, alone]


@pytest.mark.parametrize(
    ("make", "height", "why"),
    [
        (with_a_bad_signature, 15, "tx.signatures"),
        (with_a_wrong_key, 15, "tx.signatures"),
        (with_swapped_signatures, 15, "tx.signatures"),
        (with_the_old_key_in_the_place_of_the_new, 15, "tx.signatures"),
        (with_a_bad_certificate, 14, "wrong signature of validator"),
    ],
)
def test_damage_is_found_at_its_height_with_any_number_of_processes(
    make: Callable[[], MadeChain], height: int, why: str
) -> None:
    chain = make()

    alone, *others = [check(chain, workers) for workers in (1, 2, 3)]

    assert (alone.first_bad, alone.last) == (height, height - 1)
    assert alone.why is not None
    assert why in alone.why
    assert others == [alone, alone]


def make_checks(count: int, name: str = "anna") -> list[Check]:
    """Return checks of good signatures, all different."""
    messages = [number.to_bytes(4, "big") for number in range(count)]
    return [(key(name), message, sign(seed(name), message)) for message in messages]


def refuse(*_check: bytes) -> bool:
    """Stand in for a check in this process, and never find anything good."""
    return False


def test_a_verdict_counts_for_exactly_the_key_the_message_and_the_signature() -> None:
    """What another process found good is known here; anything else is judged here."""
    (good, other) = make_checks(2)
    wrong = (key("eve"), *good[1:])
    with Signatures(workers=2) as signatures:
        signatures.add([good, wrong])
        signatures.collect()
        signatures._verify = refuse

        assert signatures.verify(*good)
        for known, message, signature in (wrong, other, (good[0], other[1], good[2])):
            assert not signatures.verify(known, message, signature)


def test_the_verdicts_of_the_last_two_blocks_are_kept_and_no_more() -> None:
    """Memory follows from the window, however long the chain is."""
    blocks = 40
    checks = make_checks(10 * blocks)
    with Signatures(workers=2) as signatures:
        for number in range(blocks):
            signatures.add(checks[10 * number : 10 * number + 10])
        held = []
        for number in range(blocks):
            signatures.collect()
            held.append(len(signatures._good))
            signatures._verify = refuse
            newest = checks[10 * max(0, number - 1) : 10 * number + 10]
            assert all(signatures.verify(*one) for one in newest)

    assert max(held) <= 10 * 3 * ahead.JOB_BLOCKS


def test_few_signatures_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "ALONE_MAX", 100)
    checks = make_checks(150)
    with Signatures(workers=2) as signatures:
        signatures.add(checks[:100])
        assert signatures._pool is None
        signatures.collect()
        assert signatures.verify(*checks[0])
        signatures.add(checks[100:])
        signatures.collect()
        assert signatures._pool is not None
        assert signatures.verify(*checks[100])


def test_another_verify_than_the_real_one_stays_in_this_process() -> None:
    """Other processes know the one verifier alone (architecture D2)."""
    checks = make_checks(600)
    with Signatures(refuse, workers=2) as signatures:
        signatures.add(checks)
        signatures.collect()

        assert signatures._pool is None
        assert not signatures.verify(*checks[0])


def test_a_process_that_dies_is_an_error_and_no_verdict() -> None:
    chain = make_sound()
    heights = []

    def kill(height: int) -> None:
        heights.append(height)
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(Problem) as caught:
        replay(chain.genesis, iter(chain.raws), workers=2, on_block=kill)

    assert heights == list(range(1, ahead.JOB_BLOCKS + 1))  # those that were judged before
    assert caught.value.number == 1002
    assert "has died" in str(caught.value.params["errors"])


ORPHANS = """
import multiprocessing, signal, os
from audit import ahead
if __name__ == "__main__":
    ahead.ALONE_MAX = 0
    signatures = ahead.Signatures(workers=2)
    signatures.add([(bytes(32), b"", bytes(64))] * 600)
    signatures.collect()
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_processes_end_with_a_replay_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2

    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
