"""Who may read under `members`: RFC 9421 signatures, parties, nobody else (interfaces 2.3, A9)."""

import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from audit.node_source import NodeSource
from audit.replay import replay
from chain.address import account_id, account_text
from chain.codec import encode
from chain.contract import GUARDIAN_INDEX, Table
from chain.crypto import sha256, sign
from chain.errors import Malformed
from chain.keyspaces import AUDITOR, ROLES, RoleVersion
from chain.shared import key_proof_bytes
from chain.texts import Problem
from contracts import CONTRACTS
from contracts.accounts import NewKey, Propose, SetKeys
from contracts.coin import HoldCall, Leg, Transfer
from contracts.governance import Propose as ProposeVote
from contracts.members import Recover
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p07_escrow import EscrowRule
from contracts.policy import Create
from node import api_keys
from node.api_auth import NONCES_MAX, Nonces
from node.chainstore import STATE
from node.client import Client, ClientProblem, Sign, make_sign
from node.request_signature import VALID_S, read_signed, signature_base, signature_params
from tests.federation import account, key, make_tx, seed
from tests.live import Live, Payer, ask, live_network

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000, "delfshaven/carl": 0}
ANNA, BOB = account_text(account("anna")), account_text(account("bob"))
_nonces = itertools.count()


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    settings: dict[str, Any] = {"api__privacy": "members"}
    async with live_network(tmp_path, 1, settings=settings, balances=BALANCES) as nodes:
        yield nodes[0]


def make_signer(name: str, *, who: str | None = None, at: int = 0) -> Sign:
    """Return what signs as `name`, with the key of `who`, `at` seconds from now."""
    return make_sign(
        account_text(account(name)),
        0,
        lambda base: sign(seed(who or name), base),
        lambda: int(time.time()) + at,
        lambda: f"nonce-{next(_nonces):016}",
    )


def reader(live: Live, name: str, *, who: str | None = None, at: int = 0) -> Client:
    """Return a client that signs its questions as `make_signer` says."""
    return Client([live.at.api], lang="en", sign=make_signer(name, who=who, at=at))


async def refusal(client: Client, route: str) -> tuple[int, int]:
    with pytest.raises(ClientProblem) as caught:
        await ask(client.get_bytes, route)
    return caught.value.number, caught.value.tree["status"]


async def pay(live: Live) -> dict[str, Any]:
    envelope = Payer(live.genesis, "anna").pay("bob", 100, expires=int(time.time()) + 300)
    answer = await ask(live.client.submit, envelope, wait="final")
    assert answer["status"] == "final"
    return answer


PRIVATE = (
    "/v1/accounts/{anna}",
    "/v1/accounts/{anna}/history?limit=3",
    "/v1/accounts/{anna}/limits",
    "/v1/txs/{tx}",
    "/v1/receipts/{tx}.tlog-proof",
    "/v1/proofs/state?key=bal/delfshaven:EUR/2/{anna}",
    "/v1/proofs/state?key=account/{anna}",
)
AUDITORS_ONLY = (
    "/v1/blocks/1/txs", "/v1/stream?topics=tx", "/v1/members", "/v1/members?wijk=delfshaven",
)  # fmt: skip


@pytest.mark.asyncio
async def test_private_routes_fail_closed(live: Live) -> None:
    tx = (await pay(live))["tx"]

    for template in (*PRIVATE, *AUDITORS_ONLY):
        route = template.format(anna=ANNA, tx=tx)
        assert await refusal(live.client, route) == (3005, 401), route


@pytest.mark.asyncio
async def test_search_does_not_tell_who_has_an_account(live: Live) -> None:
    tx = (await pay(live))["tx"]

    assert (await ask(live.client.search, ANNA))["items"] == []
    assert [item["kind"] for item in (await ask(live.client.search, tx))["items"]] == ["tx"]


@pytest.mark.asyncio
async def test_the_account_itself_reads_everything_of_its_own(live: Live) -> None:
    tx = (await pay(live))["tx"]
    anna = reader(live, "anna")

    for template in PRIVATE:
        assert await ask(anna.get_bytes, template.format(anna=ANNA, tx=tx))


@pytest.mark.asyncio
async def test_the_other_party_reads_the_transaction_but_not_the_account(live: Live) -> None:
    tx = (await pay(live))["tx"]
    bob = reader(live, "bob")

    found = await ask(bob.tx, tx)

    assert found["status"] == "final"
    assert await refusal(bob, f"/v1/accounts/{ANNA}") == (3006, 403)


@pytest.mark.asyncio
async def test_strangers_and_parties_do_not_read_what_is_for_auditors(live: Live) -> None:
    tx = (await pay(live))["tx"]
    carl = reader(live, "carl")

    for template in (*PRIVATE, *AUDITORS_ONLY):
        route = template.format(anna=ANNA, tx=tx)
        assert await refusal(carl, route) == (3006, 403), route
    with pytest.raises(ClientProblem) as caught:
        await ask(reader(live, "anna").raw_block, 1)
    assert caught.value.number == 3006


@pytest.mark.asyncio
async def test_a_registered_auditor_replays_the_chain_over_the_api(live: Live) -> None:
    """interfaces 2.3: the key of an auditor is asked for, and whatever it reads is judged."""
    await pay(live)
    carl = make_signer("carl")
    client = Client([live.at.api], lang="en", make_signs=lambda: [carl])
    with pytest.raises(ClientProblem) as before:
        await ask(client.raw_block, 1)
    until_s = int(time.time()) + 3_600
    version = RoleVersion(0, account("carl"), until_s, None)
    live.node.store.store.write([(STATE + ROLES.key("-", AUDITOR), encode([version]))])

    source = NodeSource(client, live.at.api)
    report = await ask(lambda: replay(live.genesis, source.read_blocks(1, 1)))

    assert before.value.number == 3006
    assert (report.first_bad, report.transactions) == (None, 1)


@pytest.mark.asyncio
async def test_registrars_read_the_members_and_members_read_who_voted_what(live: Live) -> None:
    """economy G3, E10: a stranger reads neither, and nobody reads the members of another wijk."""
    now = int(time.time())
    call = ProposeVote("SURVEY", (), bytes(32), 0, now + 3_600, 0)
    envelope = Payer(live.genesis, "anna").sign(call, expires=now + 300)
    tx = (await ask(live.client.submit, envelope, wait="final"))["tx"]
    registrar, bob = reader(live, "delfshaven-registrar-a"), reader(live, "bob")
    choices, proof = "/v1/votes/delfshaven/1/choices", f"/v1/proofs/state?key=choice/{tx}/{ANNA}"

    found = await ask(registrar.get, "/v1/members", wijk="delfshaven", kind="person")
    assert {item["account"] for item in found["items"]} == {
        account_text(account(name)) for name in ("anna", "bob", "carl")
    }
    assert await refusal(registrar, "/v1/members") == (3006, 403)
    for route in (choices, proof):
        assert await ask(bob.get_bytes, route)
        assert await refusal(registrar, route) == (3006, 403)
        assert await refusal(live.client, route) == (3005, 401)


@pytest.mark.asyncio
async def test_another_accounts_key_does_not_open_the_door(live: Live) -> None:
    """reliability A9."""
    route = f"/v1/accounts/{ANNA}"

    assert await refusal(reader(live, "anna", who="bob"), route) == (3005, 401)
    assert await refusal(reader(live, "anna", at=-61), route) == (3005, 401)
    assert await refusal(reader(live, "anna", at=120), route) == (3005, 401)


@pytest.mark.asyncio
async def test_a_nonce_is_refused_twice(live: Live) -> None:
    fixed = make_sign(
        ANNA, 0, lambda base: sign(seed("anna"), base), lambda: int(time.time()), lambda: "n" * 16
    )
    client = Client([live.at.api], sign=fixed)

    await ask(client.account, ANNA)

    assert await refusal(client, f"/v1/accounts/{ANNA}") == (3005, 401)


@pytest.mark.asyncio
async def test_a_signature_is_for_one_path_only(live: Live) -> None:
    """What was signed for one account's page does not open another's."""
    made = make_sign(
        ANNA, 0, lambda base: sign(seed("anna"), base), lambda: int(time.time()), lambda: "m" * 16
    )

    def elsewhere(method: str, route: str, body: bytes | None) -> dict[str, str]:
        return made(method, "/v1/status", body)

    client = Client([live.at.api], sign=elsewhere)

    assert await refusal(client, f"/v1/accounts/{ANNA}") == (3005, 401)


@pytest.mark.asyncio
async def test_a_preview_tells_nobody_what_another_account_holds(live: Live) -> None:
    """A check runs without the account's signature, so its answer is for the account alone."""
    envelope = Payer(live.genesis, "anna").pay("bob", 90_000, expires=int(time.time()) + 300)

    own = await ask(reader(live, "anna").check, envelope)
    with pytest.raises(ClientProblem) as stranger:
        await ask(reader(live, "carl").check, envelope)
    with pytest.raises(ClientProblem) as nobody:
        await ask(live.client.check, envelope)

    assert own["problem"]["code"] == "WIJK-2104"
    assert (stranger.value.number, nobody.value.number) == (3006, 3005)


async def submit(live: Live, call: Any, *names: str) -> str:
    """Send a call of the account of the first name, signed by all; return its id."""
    chain = live.genesis.chain(Table(CONTRACTS))
    signers = list(enumerate(names))
    nonce, expires = next(_nonces).to_bytes(16, "big"), int(time.time()) + 300
    tx = make_tx(chain, call, account(names[0]), signers, nonce=nonce, expires=expires)
    answer = await ask(live.client.submit, tx.raw, wait="final")
    assert answer["status"] == "final", answer
    return tx.id.hex()


@pytest.mark.asyncio
async def test_a_policy_is_for_those_whom_it_is_about_unless_anybody_may_ask_it(live: Live) -> None:
    """economy G3, N13: an escrow between two people is nobody else's business."""
    escrow = EscrowRule(
        1, account("anna"), account("bob"), (account("delfshaven-registrar-a"),), 1, 60, 60
    )
    benefit = Benefit(1, bytes(32), "CENTS", 100, 100, 500, "TOTAL")
    made = [
        await submit(
            live, Create("delfshaven:EUR", shape, (), None, "EXEMPT", "FUNDER", None), "anna"
        )
        for shape in (escrow, benefit)
    ]
    routes = [f"/v1/policies/{policy}?prove=1" for policy in made]
    board = make_sign(
        account_text(account("delfshaven-board-a")), 1,
        lambda base: sign(seed("delfshaven-board-b"), base), lambda: int(time.time()),
        lambda: f"nonce-{next(_nonces):016}",
    )  # fmt: skip
    carl, bob = reader(live, "carl"), reader(live, "bob")

    assert await refusal(live.client, routes[0]) == (3005, 401)
    assert await refusal(live.client, "/v1/policies") == (3005, 401)
    assert await refusal(carl, routes[0]) == (3006, 403)
    for client in (bob, reader(live, "anna"), Client([live.at.api], sign=board)):
        assert (await ask(client.get, routes[0]))["proof"]["key"] == f"policy/{made[0]}"
    assert (await ask(carl.get, routes[1]))["id"] == made[1]
    lists = [await ask(client.get, "/v1/policies") for client in (carl, bob)]
    assert [{item["id"] for item in page["items"]} for page in lists] == [{made[1]}, set(made)]


@pytest.mark.asyncio
async def test_what_is_set_aside_is_proven_to_both_sides_and_nobody_else(live: Live) -> None:
    """The id of a hold or a proposal names no account: whose it is stands in it."""
    hold = await submit(live, HoldCall(account("bob"), 100, 600, None, None), "anna")
    signed = encode(Transfer((Leg(account("bob"), 1, None, None),), None))
    board = "delfshaven-board-a"
    proposal = await submit(live, Propose(signed, int(time.time()) + 600), board)
    route = f"/v1/proofs/state?key=hold/{hold}"
    proposals = f"/v1/accounts/{account_text(account(board))}/proposals"

    assert await ask(reader(live, "bob").get_bytes, route)
    assert await ask(reader(live, "anna").get_bytes, route)
    assert await refusal(reader(live, "carl"), route) == (3006, 403)
    assert await refusal(reader(live, "carl"), proposals) == (3006, 403)
    assert await refusal(live.client, proposals) == (3005, 401)
    (item,) = (await ask(reader(live, board).get, proposals))["items"]
    assert (item["proposal"], item["state"], item["approved"]) == (proposal, "open", [0])
    assert item["call"]["type"] == item["type"] == "coin.transfer"
    assert await ask(reader(live, board).get_bytes, f"/v1/proofs/state?key=proposal/{proposal}")
    gone = (await ask(reader(live, board).get, f"{proposals}?state=executed"))["items"]
    assert gone == []


@pytest.mark.asyncio
async def test_guardians_read_the_keys_of_an_account_and_its_recovery_but_not_its_money(
    live: Live,
) -> None:
    """economy B5: who may give an account a new key reads where to sign, and nothing else."""
    anna, expires = Payer(live.genesis, "anna"), int(time.time()) + 300
    guardians = SetKeys((), (), (key("bob"), key("carl")), 1)
    named = anna.sign(guardians, expires=expires, nonce=b"n" * 16)
    proof = sign(seed("anna2"), key_proof_bytes(live.genesis.digest, account("anna"), key("anna2")))
    call = Recover(account("anna"), key("anna2"), proof)
    signers = [(GUARDIAN_INDEX, "bob"), (GUARDIAN_INDEX + 1, "carl")]
    begun = make_tx(anna.chain, call, account("anna"), signers, expires=expires)
    kept, waits = (f"/v1/proofs/state?key={name}/{ANNA}" for name in ("account", "recovery"))
    bob = reader(live, "bob")
    assert await refusal(bob, kept) == (3006, 403), "nobody's guardian yet"

    await ask(live.client.submit, named, wait="final")
    tx = (await ask(live.client.submit, begun.raw, wait="final"))["tx"]

    for route in (kept, waits, f"/v1/txs/{tx}", f"/v1/receipts/{tx}.tlog-proof"):
        assert await ask(bob.get_bytes, route), route
        with pytest.raises(ClientProblem):
            await ask(live.client.get_bytes, route)
    paid = (await pay(live))["tx"]
    carl = reader(live, "carl")
    for template in PRIVATE:
        if "key=account" not in template:
            route = template.format(anna=ANNA, tx=paid)
            assert await refusal(carl, route) == (3006, 403), route


def holder(live: Live, name: str, *, who: str | None = None, index: int = 0) -> Client:
    """Return a client that asks as the key of `name`, signing with the key of `who`."""
    signer = make_sign(
        account_text(account_id(key(name))), index, lambda base: sign(seed(who or name), base),
        lambda: int(time.time()), lambda: f"nonce-{next(_nonces):016}",
    )  # fmt: skip
    return Client([live.at.api], lang="en", sign=signer)


@pytest.mark.asyncio
async def test_a_later_key_finds_its_account_and_reads_by_itself(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy B4, interfaces 2.3: an account keeps its name when its keys change."""
    monkeypatch.setattr(api_keys, "REFRESH_S", 60)
    anna = Payer(live.genesis, "anna")
    route = f"/v1/keys/{key('anna2').hex()}"
    before = await ask(holder(live, "anna2").get, route)

    for new, old in (("anna2", ()), ("anna3", (key("anna"),))):
        proof = sign(seed(new), key_proof_bytes(live.genesis.digest, account("anna"), key(new)))
        added = (NewKey(key(new), sha256(key(new)), proof),)
        change = SetKeys(added, old, (), 1)
        sent = anna.sign(change, expires=int(time.time()) + 300, nonce=new.encode() * 3 + b"-")
        assert (await ask(live.client.submit, sent, wait="final"))["code"] == 0
    soon = await ask(holder(live, "anna2").get, route)
    monkeypatch.setattr(api_keys, "REFRESH_S", 0)
    found = {
        name: (await ask(holder(live, name).get, f"/v1/keys/{key(name).hex()}"))["items"]
        for name in ("anna", "anna2", "anna3", "delfshaven-board-b", "nobody")
    }

    assert before["items"] == soon["items"] == [], "not read again within REFRESH_S"
    told = {"account": ANNA, "kind": "person", "wijk": "delfshaven"}
    assert found["anna2"] == [told | {"index": 1}]
    assert found["anna3"] == [told | {"index": 2}]
    assert found["anna"] == found["nobody"] == [], "one that was revoked, and one never seen"
    (seat,) = found["delfshaven-board-b"]
    assert (seat["index"], seat["kind"]) == (1, "board")
    later = make_sign(
        ANNA, 2, lambda base: sign(seed("anna3"), base), lambda: int(time.time()),
        lambda: f"nonce-{next(_nonces):016}",
    )  # fmt: skip
    as_later = Client([live.at.api], sign=later)
    assert await ask(as_later.get_bytes, f"/v1/accounts/{ANNA}/history")
    named = {
        name: f"/v1/proofs/state?key=account/{account_text(account_id(key(name)))}"
        for name in ("anna3", "anna2", "bob")
    }
    assert await ask(as_later.get_bytes, named["anna3"]), "that there is none is proven to the key"
    for other in ("anna2", "bob"):
        assert await refusal(as_later, named[other]) == (3006, 403)


@pytest.mark.asyncio
async def test_nobody_learns_of_which_account_another_key_is(live: Live) -> None:
    """reliability A9: one refusal, whether a key is known or not."""
    known, unknown = (f"/v1/keys/{key(name).hex()}" for name in ("anna", "nobody"))

    for client in (
        live.client,
        reader(live, "bob"),
        holder(live, "anna", who="bob"),
        holder(live, "nobody", who="bob"),
        holder(live, "anna", index=1),
        holder(live, "bob"),
    ):
        assert await refusal(client, known) == (3005, 401)
        assert await refusal(client, unknown) == (3005, 401)
    once = make_sign(
        ANNA, 0, lambda base: sign(seed("anna"), base), lambda: int(time.time()), lambda: "k" * 16
    )
    client = Client([live.at.api], sign=once)
    assert (await ask(client.get, known))["items"]
    assert await refusal(client, known) == (3005, 401), "overheard"


def test_strangers_who_fill_the_memory_of_keys_keep_nobody_else_out() -> None:
    nonces = Nonces()
    for number in range(NONCES_MAX):
        assert nonces.spend(f"n{number}", 1_000)

    with pytest.raises(Problem) as full:
        nonces.spend("one more", 1_000)
    assert full.value.number == 3004
    assert not nonces.spend("n0", 1_000)
    assert nonces.spend("n0", 1_000 + 2 * VALID_S + 1), "forgotten once it is out of date"


@pytest.mark.asyncio
async def test_aggregates_and_headers_stay_open(live: Live) -> None:
    await pay(live)

    for route in (
        "/v1/status",
        "/v1/supply",
        "/v1/blocks/1",
        "/v1/blocks?limit=2",
        "/log/checkpoint",
        "/log/tile/entries/000.p/1",
        "/v1/proofs/inclusion?index=0",
        "/v1/proofs/state?key=supply/delfshaven:EUR",
        "/v1/validators",
    ):
        assert await ask(live.client.get_bytes, route), route


def test_signed_headers_have_one_form() -> None:
    params = signature_params(ANNA, 0, 1_700_000_000, "n" * 16, body=False)
    value = f"wijk=:{'A' * 86}==:"
    good = read_signed(f"wijk={params}", value, "GET", "/v1/x", "a=1", None)

    assert (good.account, good.key_index, good.created) == (ANNA, 0, 1_700_000_000)
    assert good.base == signature_base("GET", "/v1/x", "a=1", None, params)
    assert good.base.split(b"\n")[:3] == [
        b'"@method": GET',
        b'"@path": /v1/x',
        b'"@query": ?a=1',
    ]
    for wrong in (
        params,
        f"wijk={params} ",
        f"other={params}",
        f"wijk={params};tag=1",
        f"wijk={params}".replace('"@path" ', ""),
        f"wijk={params}".replace("ed25519", "hmac"),
        f"wijk={params}, wijk={params}",
    ):
        with pytest.raises(Malformed):
            read_signed(wrong, value, "GET", "/v1/x", "a=1", None)
    with pytest.raises(Malformed):
        read_signed(f"wijk={params}", value, "POST", "/v1/x", "", b"body")
