"""wijk bench: its figures follow from their definitions (interfaces 1.8), and a short real run."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from chain.address import account_id
from chain.books import MEMBER, get_balance
from chain.codec import decode
from chain.crypto import public_key, sha256
from chain.genesis import Genesis, load_genesis
from chain.records import TX_BYTES_MAX, decode_tx
from chain.state import State
from chain.strict_json import canonical_json
from contracts.coin import LEGS_MAX, Transfer
from contracts.members import ATTACH_MAX
from node.api_submit import BATCH_BYTES_MAX, BATCH_TXS_MAX
from node.http_server import serve_tcp
from node.meters import STAGES
from testnet import bench
from testnet.bench import plan_bench, run_bench
from testnet.crowd import (
    ATTACH_TXS,
    FUND_CENTS,
    Batch,
    attach_tasks,
    fund_tasks,
    in_order,
    make_batch,
    payment_tasks,
    sign_attach,
    sign_funding,
    sign_payments,
)
from testnet.figures import (
    BUDGET_US,
    Machine,
    Reading,
    Setting,
    Window,
    check_books,
    compute_cap_tps,
    compute_latency_ms,
    make_object,
    make_profile,
    percentile,
)
from testnet.load import BATCH_TXS, Load, Sent, batch_txs_at
from testnet.plan import DEV_CENTS, Plan, make_document
from tests.federation import Ledger

AT = "2026-01-01T00:00:00.000Z"
EXPIRES = 1_800_000_000
SETTING = Setting(nodes=4, seconds=10, rate=None, dead=1, accounts=2, warmup_s=1.0)


def test_the_cap_is_what_signature_checks_alone_allow() -> None:
    assert (
        round(compute_cap_tps(Machine(2, 44.1), 4), 1) == 11337.9
    )  # the example of interfaces 1.8, G


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


def _genesis(accounts: int) -> tuple[Plan, Genesis]:
    plan = plan_bench(1, accounts, AT)
    return plan, load_genesis(canonical_json(make_document(plan, ["127.0.0.1:1"])))


def _envelopes(batch: Batch) -> list[bytes]:
    envelopes = decode(list[bytes], batch.body)
    assert [sha256(raw) for raw in envelopes] == list(batch.tx_ids())
    assert len(batch) == len(envelopes) <= BATCH_TXS_MAX
    assert len(batch.body) <= BATCH_BYTES_MAX
    assert max(map(len, envelopes)) <= TX_BYTES_MAX
    return envelopes


def test_the_crowd_stands_in_genesis_with_its_money_and_without_keystore_files() -> None:
    plan, genesis = _genesis(3)
    keys = {key.key for account in genesis.doc.accounts for key in account.keys}
    assert {public_key(seed).hex() for seed in plan.crowd_seeds()} <= keys
    assert [s.closing_cents for s in genesis.doc.opening_statements] == [3 * DEV_CENTS]
    assert not [name for name in plan.key_names() if "crowd" in name]


def test_transfers_are_all_different_and_pay_one_cent_to_anyone_but_the_payer() -> None:
    plan, genesis = _genesis(5)
    tasks = payment_tasks(100, 400, 150)
    batches = [sign_payments(plan, genesis.digest, 5, EXPIRES, *task) for task in tasks]
    assert [len(batch) for batch in batches] == [150, 150, 100]
    envelopes = [raw for batch in batches for raw in _envelopes(batch)]
    assert len(set(envelopes)) == 400
    txs = [decode_tx(raw, Transfer) for raw in envelopes]
    payers, payees = [tx.sender for tx in txs], [tx.call.legs[0].to for tx in txs]
    assert payers[:5] == payers[5:10]  # in turn
    assert len(set(payers)) == 5
    assert all(payer != payee for payer, payee in zip(payers, payees, strict=True))
    assert len(set(zip(payers, payees, strict=True))) == 5 * 4  # everyone pays everyone else
    assert {tx.call.legs[0].cents for tx in txs} == {1}


def test_accounts_beyond_genesis_are_made_by_registrars_and_pay_like_all_others() -> None:
    plan, genesis = _genesis(4)
    total = 4 + ATTACH_TXS * ATTACH_MAX + 230
    ledger = Ledger(genesis)
    expires = ledger.time_s + 300

    def apply(batches: Iterable[Batch]) -> int:
        run = ledger.run()
        outcomes = [
            run.include(decode_tx(raw, ledger.chain.table.union))
            for batch in batches
            for raw in _envelopes(batch)
        ]
        ledger.apply(run)
        assert {outcome.code for outcome in outcomes} == {0}
        return len(outcomes)

    def sign(work: Callable[..., Batch], tasks: Iterable[tuple[int, int]]) -> Iterator[Batch]:
        return (work(plan, genesis.digest, expires, *task) for task in tasks)

    assert apply(sign(sign_attach, attach_tasks(plan, total))) == ATTACH_TXS + 3
    assert apply(sign(sign_funding, fund_tasks(plan, total))) == ceil((total - 4) / LEGS_MAX)
    for i in (4, total - 1):
        owner = account_id(public_key(plan.crowd_seed(i)))
        assert get_balance(State(ledger.base.read), "w1:EUR", MEMBER, owner) == FUND_CENTS
    task = next(payment_tasks(0, total, total))  # everyone pays once, the new ones too
    batch = sign_payments(plan, genesis.digest, total, expires, *task)
    run = ledger.run()
    for raw in decode(list[bytes], batch.body):
        assert run.include(decode_tx(raw, Transfer)).code == 0


def test_others_make_the_parts_and_they_come_in_order() -> None:
    with ThreadPoolExecutor(2) as pool:
        parts = list(in_order(pool, lambda first, count: (first, count), payment_tasks(3, 7, 2), 2))
    assert parts == [(3, 2), (5, 2), (7, 2), (9, 1)]


def test_an_open_loop_sends_together_what_is_due_within_a_tick() -> None:
    assert [batch_txs_at(rate) for rate in (1, 49, 500, 1_000_000)] == [1, 1, 10, BATCH_TXS]
    assert batch_txs_at(None) == BATCH_TXS


def test_a_closed_loop_waits_as_long_as_a_busy_node_asks() -> None:
    """Else it is refused the more the fuller the node is, and what is refused keeps it busy."""
    posts = 0

    async def refuse(_request: web.Request) -> web.Response:
        nonlocal posts
        posts += 1
        return web.json_response({"code": "WIJK-4003"}, status=429, headers={"Retry-After": "1"})

    async def nothing_new(_request: web.Request) -> web.Response:
        return web.Response()

    async def work() -> Load:
        app = web.Application()
        app.router.add_post("/v1/txs:batch", refuse)
        app.router.add_get("/v1/stream", nothing_new)
        serving = await serve_tcp(app, "127.0.0.1:0")
        batches = (make_batch([i.to_bytes(8, "big")]) for i in range(100_000))
        load = Load([serving.address], batches, 0)
        await load.run(0.5, None)
        await serving.close()
        return load

    load = asyncio.run(work())

    assert posts == 1
    assert (load.refused, load.busy) == ({"WIJK-4003": 1}, ["1"])


def test_what_has_to_be_done_is_posted_until_a_node_takes_it() -> None:
    """Accounts are made by it: a connection that ends, or a busy node, loses none of them."""
    bodies = []

    async def take_the_third(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        if len(bodies) == 1:
            assert request.transport is not None
            request.transport.abort()
        if len(bodies) == 2:
            return web.json_response(
                {"code": "WIJK-3004"}, status=429, headers={"Retry-After": "1"}
            )
        problem = {"code": "WIJK-2101"}
        return web.json_response({"items": [{"status": "rejected", "problem": problem}]})

    async def nothing_new(_request: web.Request) -> web.Response:
        return web.Response()

    async def work() -> Load:
        app = web.Application()
        app.router.add_post("/v1/txs:batch", take_the_third)
        app.router.add_get("/v1/stream", nothing_new)
        serving = await serve_tcp(app, "127.0.0.1:0")
        load = Load([serving.address], [make_batch([b"one"])], 0)
        await load.run(None, None)
        await serving.close()
        return load

    load = asyncio.run(work())

    assert bodies == [make_batch([b"one"]).body] * 3
    assert (load.refused, load.busy) == ({"WIJK-2101": 1}, [])


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
    first = Reading(1_000, dict.fromkeys(STAGES, 1.0), 0.0, 0.0, 90.0, 80.0)
    spent = first.stage_s | {"verify": 1.05, "tree": 1.02}
    last = Reading(1_500, spent, 0.3, 0.1, 97.0, 83.0)
    window = Window(1.0, 10, first, last)
    tree = make_object(SETTING, load, codes, window, Machine(2, 50.0), 9.5)
    profile = make_profile(SETTING, tree["committed"], window)
    assert (tree["submitted"], tree["committed"], tree["tps"]) == (4, 1, 0.1)
    assert (tree["blocks"], tree["tx_per_block"]) == (1, 2.0)
    assert tree["latency_ms"]["max"] == 1000.0  # final after the window, sent within it
    assert tree["bytes_per_tx_on_disk"] == 500
    assert tree["cap_tps"] == 10_000.0
    assert profile["node_cpu_us"] == 100_000.0  # of three live nodes
    assert (profile["verify_us"], profile["tree_us"]) == (50_000.0, 20_000.0)
    assert profile["rest_us"] == 30_000.0
    assert profile["client_cpu_us"] == 100_000.0
    assert (profile["rss_growth_mb"], profile["own_mb"]) == (7.0, 83.0)


def test_the_budget_names_the_stages_of_the_node_and_is_that_of_the_design() -> None:
    assert tuple(BUDGET_US) == STAGES
    assert sum(BUDGET_US.values()) == 90  # architecture section 4


def test_a_lost_acknowledgement_a_wrong_log_and_new_money_are_each_named() -> None:
    load, codes = _load()
    size, before = {"log_size": 14}, {"log_size": 10}
    assert check_books(load, codes, before, size, same_supply=True) == ()
    del codes[b"b"]
    broken = check_books(load, codes, before, size, same_supply=False)
    assert broken == ("supply", "log_size", "acknowledged")


@pytest.mark.parametrize("rate", [50, None])
def test_a_short_run_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int | None
) -> None:
    monkeypatch.setattr(bench, "GENESIS_ACCOUNTS_MAX", 5)
    setting = Setting(nodes=1, seconds=1, rate=rate, dead=0, accounts=200, warmup_s=0.2)
    steps: dict[str, tuple[int, int]] = {}

    def told(step: str, done: int, total: int) -> None:
        steps[step] = (done, total)

    result = run_bench(setting, tmp_path / "net", told)
    assert result.broken == ()
    assert result.refused == {}
    assert result.tree["committed"] > 0
    assert result.tree["latency_ms"]["max"] > 0
    assert all(result.profile[f"{stage}_us"] > 0 for stage in STAGES)
    assert result.profile["node_cpu_us"] > 0
    assert steps["attach"] == steps["fund"] == (195, 195)
