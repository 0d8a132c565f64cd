"""wijk bench: its figures follow from their definitions (interfaces 1.8), and a short real run."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import public_key
from chain.genesis import load_genesis
from chain.records import decode_tx
from chain.strict_json import canonical_json
from contracts.coin import Transfer
from testnet.bench import (
    Reading,
    Setting,
    check_books,
    compute_cap_tps,
    compute_latency_ms,
    make_object,
    percentile,
    plan_bench,
    run_bench,
    sign_transfers,
)
from testnet.load import Load, Sent
from testnet.plan import DEV_CENTS, make_document

AT = "2026-01-01T00:00:00.000Z"
SETTING = Setting(nodes=4, seconds=10, rate=None, dead=1, accounts=2, warmup_s=1.0)


def test_the_cap_is_what_signature_checks_alone_allow() -> None:
    assert round(compute_cap_tps(2, 4, 44.1), 1) == 11337.9  # the example of interfaces 1.8, G


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_sample_that_so_many_do_not_pass(
    samples: list[float], percent: int
) -> None:
    ordered = sorted(samples)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(sample <= found for sample in ordered) * 100 >= percent * len(ordered)


def test_latency_is_in_milliseconds_and_zero_without_samples() -> None:
    assert compute_latency_ms([0.3, 0.1, 0.2]) == {
        "p50": 200.0,
        "p95": 300.0,
        "p99": 300.0,
        "max": 300.0,
    }
    assert set(compute_latency_ms([]).values()) == {0.0}


def test_the_crowd_stands_in_genesis_with_its_money_and_without_keystore_files() -> None:
    plan = plan_bench(1, 3, AT)
    genesis = load_genesis(canonical_json(make_document(plan, ["127.0.0.1:1"])))
    keys = {key.key for account in genesis.doc.accounts for key in account.keys}
    assert {public_key(seed).hex() for seed in plan.crowd_seeds()} <= keys
    assert [s.closing_cents for s in genesis.doc.opening_statements] == [3 * DEV_CENTS]
    assert not [name for name in plan.key_names() if "crowd" in name]


def test_transfers_are_all_different_and_pay_one_cent_to_anyone_but_the_payer() -> None:
    seeds = plan_bench(1, 5, AT).crowd_seeds()
    envelopes = sign_transfers(bytes(32), seeds, 200, 1_800_000_000)
    assert len(set(envelopes)) == 200
    txs = [decode_tx(raw, Transfer) for raw in envelopes]
    payers, payees = [tx.sender for tx in txs], [tx.call.legs[0].to for tx in txs]
    assert payers[:5] == payers[5:10]  # in turn
    assert len(set(payers)) == 5
    assert all(payer != payee for payer, payee in zip(payers, payees, strict=True))
    assert len(set(zip(payers, payees, strict=True))) == 5 * 4  # everyone pays everyone else
    assert {tx.call.legs[0].cents for tx in txs} == {1}


def _load() -> tuple[Load, dict[bytes, int]]:
    load = Load(["http://127.0.0.1:1"], [], 0)
    rows = [  # sent, final: in the warm-up, in the window, final after it, refused, failed
        Sent(b"a", 0.0, "pending", 0.5, 1),
        Sent(b"b", 1.5, "pending", 2.0, 2),
        Sent(b"c", 10.5, "pending", 11.5, 3),
        Sent(b"d", 5.0, "rejected"),
        Sent(b"e", 1.5, "pending", 2.0, 2),
    ]
    load.sent = {row.tx_id: row for row in rows}
    load.blocks = {1: (0.5, 1), 2: (2.0, 2), 3: (11.5, 1)}
    return load, {b"a": 0, b"b": 0, b"c": 0, b"e": 4001}


def test_only_successes_of_the_window_count_and_no_latency_is_dropped() -> None:
    load, codes = _load()
    first = Reading(1.0, 1_000, {"verify_us": 0.0, "execute_us": 0.0, "store_us": 0.0}, 0.0, 0.0)
    last = msgspec.structs.replace(first, disk_bytes=1_500, node_cpu_s=0.3, client_cpu_s=0.1)
    tree, profile = make_object(SETTING, load, codes, (1.0, first, last), (2, 50.0, 10_000.0), 9.5)
    assert (tree["submitted"], tree["committed"], tree["tps"]) == (4, 1, 0.1)
    assert (tree["blocks"], tree["tx_per_block"]) == (1, 2.0)
    assert tree["latency_ms"]["max"] == 1000.0  # final after the window, sent within it
    assert tree["bytes_per_tx_on_disk"] == 500
    assert profile["node_cpu_us"] == 100_000.0  # of three live nodes
    assert profile["client_cpu_us"] == 100_000.0


def test_a_lost_acknowledgement_a_wrong_log_and_new_money_are_each_named() -> None:
    load, codes = _load()
    size, before = {"log_size": 14}, {"log_size": 10}
    assert check_books(load, codes, before, size, same_supply=True) == ()
    del codes[b"b"]
    broken = check_books(load, codes, before, size, same_supply=False)
    assert broken == ("supply", "log_size", "acknowledged")


@pytest.mark.parametrize("rate", [50, None])
def test_a_short_run_loses_nothing(tmp_path: Path, rate: int | None) -> None:
    setting = Setting(nodes=1, seconds=1, rate=rate, dead=0, accounts=5, warmup_s=0.2)
    result = run_bench(setting, tmp_path / "net", lambda _step: None)
    assert result.broken == ()
    assert result.refused == {}
    assert result.tree["committed"] > 0
    assert result.tree["latency_ms"]["max"] > 0
    assert result.profile["node_cpu_us"] > 0
