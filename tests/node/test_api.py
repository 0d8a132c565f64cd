"""The API over real nodes: posting, reading, proving (interfaces 2)."""

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import pytest_asyncio

from chain.address import account_text
from chain.checkpoint import read_body, read_note
from chain.codec import decode, encode
from chain.keyspaces import ENTRIES, RESERVES, STATEMENTS, Entry, Reserve, Statement
from chain.log import Leaf, leaf_hash
from chain.policy import read_policy
from chain.proof import verify_consistency_proof, verify_receipt, verify_state_proof
from chain.records import Header, block_id
from contracts.coin import Leg, Transfer
from contracts.stats import ClosePeriod
from node import api_read, api_submit
from node.chainstore import STATE
from node.client import Client, ClientProblem, Event
from node.streams import Streams
from tests.federation import account, reserve
from tests.live import Live, Payer, ask, live_network, until

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000}
ANNA, BOB = account_text(account("anna")), account_text(account("bob"))


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        yield nodes[0]


@pytest.fixture
def anna(live: Live) -> Payer:
    return Payer(live.genesis, "anna")


def soon() -> int:
    return int(time.time()) + 300


async def pay(live: Live, payer: Payer, to: str, cents: int) -> dict[str, Any]:
    return await ask(live.client.submit, payer.pay(to, cents, expires=soon()), wait="final")


def refused(tree: BaseException) -> ClientProblem:
    assert isinstance(tree, ClientProblem)
    return tree


# -------------------------------------------------------------------------------- posting


@pytest.mark.asyncio
async def test_a_payment_is_final_with_a_receipt_that_verifies_offline(
    live: Live, anna: Payer
) -> None:
    envelope = anna.pay("bob", 1_250, expires=soon())

    answer = await ask(live.client.submit, envelope, wait="final")

    policy = read_policy((await ask(live.client.policy)).encode())
    verdict = verify_receipt(answer["proof"]["receipt"], policy)
    assert (answer["status"], answer["code"], answer["replayed"]) == ("final", 0, False)
    assert answer["tx"] == sha256(envelope).hexdigest()
    assert verdict.ok
    assert verdict.payment is not None
    assert (verdict.payment.cents, verdict.payment.to) == (1_250, account("bob"))


@pytest.mark.asyncio
async def test_the_same_bytes_give_the_same_answer_for_ever(live: Live, anna: Payer) -> None:
    """reliability A8, W17."""
    envelope = anna.pay("bob", 100, expires=soon())
    first = await ask(live.client.submit, envelope, wait="final")

    again = await ask(live.client.submit, envelope, wait="final")

    assert again["replayed"] is True
    assert {**again, "replayed": False, "proof": None} == {**first, "proof": None}
    found = await ask(live.client.account, ANNA)
    assert found["balances"] == [
        {"denom": "delfshaven:EUR", "available_cents": 9_900, "held_cents": 0}
    ]


@pytest.mark.asyncio
async def test_accepted_is_202_and_says_where_to_look(live: Live, anna: Payer) -> None:
    envelope = anna.pay("bob", 100, expires=soon())

    answer = await ask(live.client.submit, envelope)

    assert answer["status"] == "pending"
    await until(lambda: live.node.store.tip.log_size == 1)
    found = await ask(live.client.tx, answer["tx"], prove=True)
    assert found["status"] == "final"
    assert found["call"]["legs"][0]["to"] == BOB
    assert found["from"] == ANNA
    assert found["proof"]["receipt"].startswith("c2sp.org/tlog-proof@v1\n")


@pytest.mark.asyncio
async def test_a_thousand_parallel_posts_of_one_payment_execute_once(
    live: Live, anna: Payer
) -> None:
    """reliability W31."""
    envelope = anna.pay("bob", 100, expires=soon())
    posts = [ask(live.client.submit, envelope, wait="final") for _ in range(100)]
    batches = [ask(live.client.batch, [envelope] * 90) for _ in range(10)]

    answers = await asyncio.gather(*posts)
    items = [item for batch in await asyncio.gather(*batches) for item in batch]

    assert {answer["status"] for answer in answers} == {"final"}
    assert {answer["log_index"] for answer in answers} == {0}
    assert {item["status"] for item in items} <= {"pending", "final"}
    assert (await ask(live.client.account, BOB))["balances"][0]["available_cents"] == 5_100


@pytest.mark.asyncio
async def test_a_client_that_hangs_up_changes_nothing(live: Live, anna: Payer) -> None:
    """reliability A8, W31."""
    envelope = anna.pay("bob", 100, expires=soon())
    host, port = live.at.api.removeprefix("http://").split(":")
    head = f"POST /v1/txs?wait=final HTTP/1.1\r\nHost: x\r\nContent-Length: {len(envelope)}\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + b"Content-Type: application/msgpack\r\n\r\n" + envelope)
    await writer.drain()
    writer.transport.abort()
    del reader

    answer = await ask(live.client.submit, envelope, wait="final")

    assert answer["status"] == "final"
    assert answer["log_index"] == 0


@pytest.mark.asyncio
async def test_too_much_money_is_422_with_the_amounts_and_nothing_moves(
    live: Live, anna: Payer
) -> None:
    with pytest.raises(ClientProblem) as caught:
        await pay(live, anna, "bob", 20_000)

    tree = caught.value.tree
    assert (caught.value.number, tree["status"], tree["retry"]) == (2104, 422, "never")
    assert tree["params"] == {
        "reason": "coin.low-balance",
        "amount_cents": 20_000,
        "balance_cents": 10_000,
    }
    assert tree["nothing_sent"] is True
    assert "€200.00" in tree["detail"]
    assert (await ask(live.client.tx, tree["tx"]))["status"] == "rejected"
    assert live.node.store.tip.height == 0


@pytest.mark.asyncio
async def test_errors_are_dutch_unless_english_is_asked(live: Live, anna: Payer) -> None:
    dutch = Client([live.at.api], lang="nl")

    with pytest.raises(ClientProblem) as caught:
        await ask(dutch.submit, anna.pay("bob", 20_000, expires=soon()))

    assert caught.value.tree["title"] == "betaling geweigerd, saldo te laag"


@pytest.mark.asyncio
async def test_another_envelope_with_the_same_nonce_is_409(live: Live, anna: Payer) -> None:
    nonce = bytes(range(16))
    call = Transfer((Leg(account("bob"), 100, None, None),), None)
    first = anna.sign(call, expires=soon(), nonce=nonce)
    answer = await ask(live.client.submit, first, wait="final")
    second = anna.sign(call, expires=soon() + 1, nonce=nonce)

    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.submit, second)

    assert (caught.value.number, caught.value.tree["status"]) == (2006, 409)
    assert caught.value.params["committed_as"] == answer["tx"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("seconds", "number", "status"), [(-1, 2004, 410), (4_000, 2005, 422)])
async def test_validity_is_judged_at_once(
    live: Live, anna: Payer, seconds: int, number: int, status: int
) -> None:
    envelope = anna.pay("bob", 100, expires=int(time.time()) + seconds)

    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.submit, envelope)

    assert (caught.value.number, caught.value.tree["status"]) == (number, status)


@pytest.mark.asyncio
async def test_a_clock_alone_never_says_that_an_order_has_expired(live: Live, anna: Payer) -> None:
    """interfaces 2.2: `expired` is definite. Only a final block says so; another may hold it."""
    envelope = anna.pay("bob", 100, expires=int(time.time()) - 1)

    with pytest.raises(ClientProblem) as posted:
        await ask(live.client.submit, envelope)
    with pytest.raises(ClientProblem) as asked:
        await ask(live.client.tx, sha256(envelope).hexdigest())

    assert (posted.value.number, asked.value.number) == (2004, 3007)


@pytest.mark.asyncio
async def test_an_error_of_our_own_leaves_the_outcome_open(
    live: Live, anna: Payer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """reliability A7, interfaces 1.5: no detail leaks, and nobody says that nothing was sent."""
    monkeypatch.setattr(api_submit, "receipt_text", lambda *_: 1 // 0)
    monkeypatch.setattr(api_read, "status_json", lambda *_: 1 // 0)
    monkeypatch.setattr(logging.getLogger("wijk"), "propagate", True)

    with pytest.raises(ClientProblem) as posted:
        await pay(live, anna, "bob", 100)
    with pytest.raises(ClientProblem) as asked:
        await ask(live.client.status)

    for caught, nothing_sent in ((posted, False), (asked, True)):
        assert (caught.value.number, caught.value.tree["status"]) == (9001, 500)
        assert caught.value.nothing_sent is nothing_sent
        assert "division" not in str(caught.value.tree)
        assert caught.value.params["log_id"] in {
            getattr(record, "why", None) for record in caplog.records
        }
    assert live.node.store.tip.log_size == 1


@pytest.mark.asyncio
async def test_a_wrong_signature_is_403(live: Live, anna: Payer) -> None:
    envelope = anna.pay("bob", 100, expires=soon())
    damaged = envelope[:-1] + bytes([envelope[-1] ^ 1])

    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.submit, damaged)

    assert (caught.value.number, caught.value.tree["status"]) == (2002, 403)


@pytest.mark.asyncio
async def test_each_envelope_of_a_batch_is_judged_alone(live: Live, anna: Payer) -> None:
    good = anna.pay("bob", 100, expires=soon())
    poor = anna.pay("bob", 50_000, expires=soon())

    items = await ask(live.client.batch, [good, b"\x00", poor])

    assert [item["status"] for item in items] == ["pending", "rejected", "rejected"]
    assert [item["problem"] and item["problem"]["code"] for item in items] == [
        None,
        "WIJK-2001",
        "WIJK-2104",
    ]
    assert items[0]["tx"] == sha256(good).hexdigest()


@pytest.mark.asyncio
async def test_a_check_tells_the_effects_and_keeps_nothing(live: Live, anna: Payer) -> None:
    envelope = anna.pay("bob", 1_250, expires=soon())

    answer = await ask(live.client.check, envelope)
    poor = await ask(live.client.check, anna.pay("bob", 20_000, expires=soon()))

    assert answer["allowed"] is True
    assert {item["account"]: item["change_cents"] for item in answer["effects"]} == {
        ANNA: -1_250,
        BOB: 1_250,
    }
    assert answer["preview"]["nl"].startswith("€ 12,50 aan wijk1")
    assert (poor["allowed"], poor["problem"]["code"]) == (False, "WIJK-2104")
    with pytest.raises(ClientProblem):
        await ask(live.client.tx, sha256(envelope).hexdigest())


@pytest.mark.asyncio
async def test_a_month_that_is_not_over_is_not_closed(live: Live, anna: Payer) -> None:
    """The sentence says what is asked, and the refusal from when on it can be (economy S2)."""
    envelope = anna.sign(ClosePeriod("delfshaven", 209_912), expires=soon())

    answer = await ask(live.client.check, envelope)

    assert answer["preview"] == {
        "nl": "De cijfers van delfshaven over 2099-12 afsluiten.",
        "en": "Close the figures of delfshaven for 2099-12.",
    }
    assert answer["problem"]["code"] == "WIJK-2751"
    assert answer["problem"]["params"]["from_at"] == "2100-01-09T23:00:00.000Z"


@pytest.mark.asyncio
async def test_a_sealed_memo_is_kept_beside_its_transaction(live: Live, anna: Payer) -> None:
    box = b"sealed for the payee"
    envelope = anna.pay("bob", 100, expires=soon())

    answer = await ask(live.client.submit, envelope, sealed=box, wait="final")
    await ask(live.client.submit, envelope, sealed=b"another", wait="final")

    assert await ask(live.client.get_bytes, f"/v1/txs/{answer['tx']}/sealed") == box


@pytest.mark.asyncio
async def test_a_box_that_comes_long_after_its_transaction_is_not_kept(
    live: Live, anna: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else anybody could fill the disk: envelopes are public, and each takes 2 KiB more."""
    envelope = anna.pay("bob", 100, expires=soon())
    answer = await ask(live.client.submit, envelope, wait="final")
    monkeypatch.setattr(api_submit, "SEALED_LATE_MS", -1)

    again = await ask(live.client.submit, envelope, sealed=b"late", wait="final")

    assert again["replayed"] is True
    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.get_bytes, f"/v1/txs/{answer['tx']}/sealed")
    assert caught.value.number == 3007


@pytest.mark.asyncio
async def test_a_memo_above_two_kib_is_413(live: Live, anna: Payer) -> None:
    envelope = anna.pay("bob", 100, expires=soon())

    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.submit, envelope, sealed=bytes(2049))

    assert (caught.value.number, caught.value.tree["status"]) == (3010, 413)


# -------------------------------------------------------------------------------- reading


@pytest.mark.asyncio
async def test_blocks_tell_what_their_bytes_say(live: Live, anna: Payer) -> None:
    answer = await pay(live, anna, "bob", 100)

    by_height = await ask(live.client.block, answer["height"], txs=True, prove=True)
    by_id = await ask(live.client.block, by_height["block_id"], txs=True, prove=True)
    latest = await ask(live.client.block, "latest")
    raw = await ask(live.client.raw_block, answer["height"])

    header = decode(Header, raw[0])
    assert by_height == by_id
    assert latest["block_id"] == block_id(header).hex() == by_height["block_id"]
    assert by_height["txs"] == [answer["tx"]]
    assert by_height["signers"] == ["delfshaven"]
    assert by_height["bytes"] == len(raw[3][0])
    assert read_body(read_note(by_height["checkpoint"]).body).block_id == block_id(header)
    assert latest["txs"] is None
    assert latest["header"] is None


@pytest.mark.asyncio
async def test_pages_are_cut_and_go_on_where_they_were(live: Live, anna: Payer) -> None:
    for cents in (1, 2, 3, 4, 5):
        await pay(live, anna, "bob", cents)
    client = live.client

    first = await ask(client.history, ANNA, limit=2)
    second = await ask(client.history, ANNA, limit=2, after=first["next"])
    third = await ask(client.history, ANNA, limit=2, after=second["next"])

    rows = [*first["items"], *second["items"], *third["items"]]
    assert [row["amount_cents"] for row in rows] == [5, 4, 3, 2, 1]
    assert [row["balance_cents"] for row in rows] == [9985, 9990, 9994, 9997, 9999]
    assert {(row["direction"], row["counterparty"]) for row in rows} == {("out", BOB)}
    assert third["next"] is None


@pytest.mark.asyncio
async def test_history_is_chosen_by_time_and_party(live: Live, anna: Payer) -> None:
    await pay(live, anna, "bob", 7)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    client = live.client

    since = await ask(client.history, ANNA, since=today)
    until_today = await ask(client.history, ANNA, until="2020-01-01")
    with_bob = await ask(client.history, ANNA, **{"with": BOB})
    with_self = await ask(client.history, ANNA, **{"with": ANNA})

    assert len(since["items"]) == len(with_bob["items"]) == 1
    assert until_today["items"] == with_self["items"] == []


@pytest.mark.asyncio
async def test_a_cursor_of_another_list_is_400(live: Live, anna: Payer) -> None:
    """interfaces 2.1: foreign and malformed cursors are WIJK-3009."""
    for cents in (1, 2, 3):
        await pay(live, anna, "bob", cents)
    page = await ask(live.client.history, ANNA, limit=1)

    for route in (f"/v1/accounts/{BOB}/history", "/v1/blocks", "/v1/issuance", "/v1/blocks/1/txs"):
        with pytest.raises(ClientProblem) as caught:
            await ask(live.client.get, route, after=page["next"])
        assert (caught.value.number, caught.value.tree["status"]) == (3009, 400)


@pytest.mark.asyncio
async def test_blocks_page_from_the_newest_to_the_first(live: Live, anna: Payer) -> None:
    for cents in (1, 2, 3):
        await pay(live, anna, "bob", cents)

    first = await ask(live.client.get, "/v1/blocks", limit=2)
    rest = await ask(live.client.get, "/v1/blocks", limit=2, after=first["next"])

    heights = [block["height"] for block in first["items"] + rest["items"]]
    assert heights == list(range(live.node.store.tip.height, 0, -1))[: len(heights)]
    assert heights[-1] == 1


@pytest.mark.asyncio
async def test_transactions_of_a_block(live: Live, anna: Payer) -> None:
    await ask(live.client.batch, [anna.pay("bob", c, expires=soon()) for c in (1, 2, 3)])
    await until(lambda: live.node.store.tip.log_size == 3)
    found = []

    for height in range(1, live.node.store.tip.height + 1):
        page = await ask(live.client.get, f"/v1/blocks/{height}/txs", limit=500)
        found += [item["call"]["legs"][0]["cents"] for item in page["items"]]

    assert found == [1, 2, 3]


@pytest.mark.asyncio
async def test_status_tells_block_b(live: Live, anna: Payer) -> None:
    await pay(live, anna, "bob", 100)

    status = await ask(live.client.status)

    assert status["height"] == live.node.store.tip.height
    assert (status["health"], status["cause"], status["sync"]) == ("ok", None, "live")
    assert status["validators"] == {
        "total": 1,
        "online": 1,
        "quorum": 1,
        "can_lose": 0,
        "missing": [],
    }
    assert (status["supply_cents"], status["reserve_cents"], status["peg"]) == (
        15_000,
        15_000,
        "ok",
    )
    assert status["finality_ms"]["p50"] > 0


@pytest.mark.asyncio
async def test_coin_and_reserve_show_the_books(live: Live) -> None:
    supply = (await ask(live.client.get, "/v1/supply", wijk="delfshaven"))["items"][0]
    held = (await ask(live.client.get, "/v1/reserve", wijk="delfshaven"))["items"][0]

    assert (supply["supply_cents"], supply["reserve_cents"], supply["peg"]) == (
        15_000,
        15_000,
        "ok",
    )
    assert (supply["mode"], supply["symbol"]) == ("LICENSED", "MNT")
    assert (held["difference_cents"], held["unmatched"]) == (0, [])
    assert held["statement"]["closing_on"] == "2025-12-31"
    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.get, "/v1/supply", wijk="nowhere")
    assert caught.value.number == 3007


@pytest.mark.asyncio
async def test_every_open_bank_entry_is_shown_and_nothing_that_is_not_attested(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy C5: no used entries, and none of a statement under way or started over."""
    monkeypatch.setattr(api_read, "SCAN_CHUNK", 7)  # many turns of the loop in one pass
    store, own, other = live.node.store, reserve("delfshaven"), b"r" * 32
    open_reserve = Reserve("delfshaven", 20_260_102, 0, 0, 500, 0, 3)
    whole = Statement(1, 1, 0, 0, 0, 0, b"s" * 32, 1, 2)
    half = msgspec.structs.replace(whole, pages=2)
    entries = [
        Entry(own, 20_260_102, cents, "C", 0, None, 2) for cents in range(1, 101)
    ] + [
        Entry(own, 20_260_102, 201, "C", 0, b"t" * 32, 2),  # used
        Entry(own, 20_260_102, 202, "C", 0, None, 1),  # of a page that was sent again
        Entry(own, 20_260_103, 203, "C", 0, None, 2),  # pages are missing
        Entry(own, 20_260_104, 204, "C", 0, None, 2),  # no statement at all
        Entry(other, 20_260_102, 205, "C", 0, None, 2),  # nobody's reserve
    ]  # fmt: skip
    rows = [(STATE + ENTRIES.key(sha256(b"%d" % e.cents).digest()), encode(e)) for e in entries]
    rows += [
        (STATE + RESERVES.key(own), encode(open_reserve)),
        (STATE + STATEMENTS.key(own, 20_260_102), encode(whole)),
        (STATE + STATEMENTS.key(own, 20_260_103), encode(half)),
    ]
    store.store.write(rows)

    pages = [await ask(live.client.get, "/v1/reserve", wijk="delfshaven") for _ in range(2)]

    for page in pages:
        shown = page["items"][0]["unmatched"]
        assert sorted(one["amount_cents"] for one in shown) == list(range(1, 101))
        assert [one["entry"] for one in shown] == sorted(one["entry"] for one in shown)
        assert {one["on"] for one in shown} == {"2026-01-02"}


@pytest.mark.asyncio
async def test_search_finds_what_a_text_names(live: Live, anna: Payer) -> None:
    answer = await pay(live, anna, "bob", 100)
    client = live.client
    block = await ask(client.block, answer["height"])
    height = str(answer["height"])

    found = {
        text: (await ask(client.search, text))["items"]
        for text in (height, block["block_id"], answer["tx"], ANNA, "99", "0", "01", "x", "\u0661")
    }

    assert found == {
        height: [{"kind": "block", "ref": height, "title": f"Block {height}"}],
        block["block_id"]: [
            {"kind": "block", "ref": block["block_id"], "title": f"Block {height}"}
        ],
        answer["tx"]: [
            {"kind": "tx", "ref": answer["tx"], "title": f"Order in block {height}"}
        ],
        ANNA: [{"kind": "account", "ref": ANNA, "title": "Account in delfshaven"}],
        "99": [], "0": [], "01": [], "x": [], "\u0661": [],
    }  # fmt: skip
    for text in ("", "x" * 65):
        with pytest.raises(ClientProblem) as caught:
            await ask(client.search, text)
        assert caught.value.number == 3009


@pytest.mark.asyncio
async def test_only_the_newest_state_is_kept(live: Live, anna: Payer) -> None:
    await pay(live, anna, "bob", 100)
    tip = live.node.store.tip.height

    now = await ask(live.client.get, f"/v1/accounts/{ANNA}", at=tip)
    with pytest.raises(ClientProblem) as caught:
        await ask(live.client.get, f"/v1/accounts/{ANNA}", at=tip - 1)

    assert now["height"] == tip
    assert caught.value.number == 3007
    assert caught.value.params["first_height"] == tip


@pytest.mark.asyncio
async def test_board_wijken_validators_limits_and_parameters(live: Live) -> None:
    client = live.client

    board = await ask(client.get, "/v1/board/delfshaven")
    for unknown in ("nergens", "x" * 300, "%00", "\u00e9" * 200):  # none is ever a key of the store
        with pytest.raises(ClientProblem) as caught:
            await ask(client.get, f"/v1/board/{quote(unknown)}")
        assert caught.value.number == 3007
    wijken = await ask(client.get, "/v1/wijken")
    validators = await ask(client.validators)
    limits = await ask(client.get, f"/v1/accounts/{ANNA}/limits")
    params = await ask(client.params)

    assert [seat["role"] for seat in board["seats"]] == ["seat-1", "seat-2", "seat-3"]
    assert board["threshold"] == 2
    assert [item["slug"] for item in wijken["items"]] == ["delfshaven"]
    assert [item["name"] for item in validators["items"]] == ["delfshaven"]
    assert (limits["wallet_cap_cents"], limits["pending"], limits["pending_max"]) == (None, 0, 64)
    assert params["params"]["epoch_s"] == 5
    assert params["params"]["reserves"] == [[reserve("delfshaven").hex(), "delfshaven"]]


@pytest.mark.asyncio
async def test_genesis_is_served_as_the_bytes_that_hash_to_the_chain_digest(live: Live) -> None:
    data = await ask(live.client.genesis)

    assert sha256(data).digest() == live.genesis.digest


# --------------------------------------------------------------------------------- proofs


@pytest.mark.asyncio
async def test_an_account_is_proven_to_a_reader_who_trusts_the_validators_only(
    live: Live, anna: Payer
) -> None:
    await pay(live, anna, "bob", 100)
    policy = read_policy((await ask(live.client.policy)).encode())
    key = f"bal/delfshaven:EUR/2/{ANNA}"

    text = await ask(live.client.state_proof, key)
    shown = await ask(live.client.account, ANNA, prove=True)
    absent = await ask(live.client.state_proof, f"bal/delfshaven:EUR/2/{ANNA}".replace("2", "5", 1))

    verdict = verify_state_proof(text, policy)
    assert verdict.ok
    assert verdict.value == encode(9_900)
    assert shown["proof"]["key"] == key
    gone = verify_state_proof(absent, policy)
    assert gone.ok
    assert gone.value is None


@pytest.mark.asyncio
async def test_any_two_logs_are_proven_consistent(live: Live, anna: Payer) -> None:
    for cents in (1, 2, 3):
        await pay(live, anna, "bob", cents)
    policy = read_policy((await ask(live.client.policy)).encode())

    for size in (1, 2, 3):
        verdict = verify_consistency_proof(
            await ask(live.client.consistency_proof, size, 3), policy
        )
        assert verdict.ok
        assert verdict.to_certified


@pytest.mark.asyncio
async def test_tiles_and_entries_hold_the_log(live: Live, anna: Payer) -> None:
    """C2SP tlog-tiles: partial tiles at the edge, entries that hash to them."""
    answers = [await pay(live, anna, "bob", cents) for cents in (1, 2, 3)]
    client = live.client

    tile = await ask(client.get_bytes, "/log/tile/0/000.p/3")
    bundle = await ask(client.get_bytes, "/log/tile/entries/000.p/3")

    leaves = []
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        leaves.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    assert [decode(Leaf, leaf).tx_id.hex() for leaf in leaves] == [a["tx"] for a in answers]
    assert b"".join(map(leaf_hash, leaves)) == tile
    for path in (
        "0/000",
        "0/000.p/4",
        "0/000.p/0",
        "0/000.p/03",
        "0/1",
        "1/000",
        "x/000",
        "0/x000/000",
    ):
        with pytest.raises(ClientProblem) as caught:
            await ask(client.get_bytes, f"/log/tile/{path}")
        assert caught.value.number == 3007


@pytest.mark.asyncio
async def test_an_inclusion_proof_by_index_is_that_by_id(live: Live, anna: Payer) -> None:
    answers = [await pay(live, anna, "bob", cents) for cents in (1, 2, 3)]

    by_id = await ask(live.client.inclusion_proof, answers[1]["tx"])
    by_index = await ask(live.client.get, "/v1/proofs/inclusion", index=1)
    older = await ask(live.client.get, "/v1/proofs/inclusion", index=1, size=2)

    assert by_id == by_index
    assert by_id["index"] == 1
    assert (older["size"], len(older["hashes"])) == (2, 1)


# -------------------------------------------------------------------------------- streams


def take(client: Client, topics: str, count: int, last_id: str | None = None) -> list[Event]:
    events = []
    for event in client.stream(topics, last_id):
        events.append(event)
        if len(events) == count:
            break
    return events


@pytest.mark.asyncio
async def test_a_stream_resumes_from_disk_without_gap_or_duplicate(live: Live, anna: Payer) -> None:
    """interfaces 2.4."""
    answers = [await pay(live, anna, "bob", cents) for cents in (1, 2, 3, 4)]

    every = await ask(take, live.client, "tx", 4, "0.0")
    rest = await ask(take, live.client, "tx", 2, every[1].id)

    assert [event.data["tx"] for event in every] == [a["tx"] for a in answers]
    assert rest == every[2:]
    assert (every[0].data["from"], every[0].data["to"]) == (ANNA, BOB)
    assert (every[0].data["amount_cents"], every[0].data["type"]) == (1, "coin.transfer")


@pytest.mark.asyncio
async def test_a_stream_tells_what_comes_and_only_what_was_asked(live: Live, anna: Payer) -> None:
    waiting = asyncio.create_task(ask(take, live.client, f"tx:{BOB},block", 2))
    await until(lambda: live.node.stream_clients() == 1)

    answer = await pay(live, anna, "bob", 5)

    events = await waiting
    assert [event.topic for event in events] == ["tx", "block"]
    assert events[0].data["tx"] == answer["tx"]
    assert events[1].data["height"] == answer["height"]
    assert events[0].id == f"{answer['height']}.0"


@pytest.mark.asyncio
async def test_a_stream_that_catches_up_holds_nobody_up(
    live: Live, anna: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """reliability A13: between two blocks of the past everybody else has a turn."""
    for cents in (1, 2, 3, 4, 5):
        await pay(live, anna, "bob", cents)
    turns = 0
    seen: list[int] = []
    chosen = Streams._chosen

    def count() -> None:
        nonlocal turns
        turns += 1
        if len(seen) < 5:
            asyncio.get_running_loop().call_soon(count)

    def note(*args: Any) -> Any:
        seen.append(turns)
        return chosen(*args)

    monkeypatch.setattr(Streams, "_chosen", note)
    counting = asyncio.create_task(ask(take, live.client, "block", 5, "0.0"))
    count()

    await counting

    assert len(seen) >= 5
    assert len(set(seen)) == len(seen)


@pytest.mark.asyncio
async def test_a_node_that_stops_ends_its_streams(live: Live) -> None:
    waiting = asyncio.create_task(ask(take, live.client, "block", 99))
    await until(lambda: live.node.stream_clients() == 1)

    async with asyncio.timeout(10):
        assert await live.end() == 0
        assert await waiting == []


@pytest.mark.asyncio
async def test_health_is_told_at_once(live: Live) -> None:
    events = await ask(take, live.client, "health", 1)

    assert events == [Event(None, "health", {"health": "ok", "cause": None})]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "topics", ["", "vote", "tx:", "tx:wijk1", "block,", "BLOCK", "block,nonsense"]
)
async def test_unknown_topics_are_400(live: Live, topics: str) -> None:
    with pytest.raises(ClientProblem) as caught:
        await ask(take, live.client, topics, 1)

    assert refused(caught.value).number == 3009


@pytest.mark.asyncio
async def test_a_base64_body_is_read_strictly(live: Live, anna: Payer) -> None:
    """reliability A5: one form only."""
    envelope = anna.pay("bob", 100, expires=soon())
    padded = b64encode(envelope).decode() + "="
    body = f'{{"envelope":"{padded}","sealed":null}}'.encode()

    with pytest.raises(ClientProblem) as caught:
        await ask(
            live.client._ask, "POST", "/v1/txs", body, {"Content-Type": "application/json"}, 10
        )

    assert caught.value.number == 2001
