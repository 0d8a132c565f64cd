"""The books of every single block: what changed is what was posted (economy I3, I15)."""

import importlib

import pytest

from audit.invariants import add, add_up, find_wrong_changes
from audit.replay import Replay, replay
from chain.codec import encode
from chain.contract import Call, Context, Contract, Word
from chain.keyspaces import BALANCES, FREEZES
from chain.records import Posting
from contracts import CONTRACTS, coin
from contracts.coin import payment
from contracts.policies.p05_cap import Cap
from contracts.policy import Close, EnrolToken
from tests.audit.made_chain import MadeChain, make_chain, transfer
from tests.contracts.fund_desk import WIJK, claim, open_pool
from tests.federation import account, key

CHAIN = make_chain()
KEY = BALANCES.key("delfshaven:EUR", "2", account("anna"))


def find(height: int, state: dict[bytes, bytes], extra: tuple[bytes, ...] = ()) -> list[str]:
    """Return the names broken at `height` with a bent state or bent changes."""
    postings = list(CHAIN.genesis.postings)
    books = add_up(postings, len(postings))
    block: list[Posting] = []
    for executed in CHAIN.blocks[:height]:
        block = [posting for outcome in executed.outcomes for posting in outcome.postings]
        add(books, block)
    changed = (*CHAIN.blocks[height - 1].changes, *extra)
    return [broken.name for broken in find_wrong_changes(books, block, changed, state)]


def test_a_sound_block_has_sound_books() -> None:
    assert find(4, CHAIN.state) == []


def test_a_balance_that_is_not_what_was_posted_is_found() -> None:
    assert find(4, {**CHAIN.state, KEY: encode(1)}) == ["I15"]
    assert find(4, {key: value for key, value in CHAIN.state.items() if key != KEY}) == ["I15"]


def test_a_balance_that_changed_without_a_posting_is_found() -> None:
    other = BALANCES.key("delfshaven:EUR", "2", account("nobody"))

    assert find(4, CHAIN.state, (other,)) == ["I15"]


def generous(ctx: Context, call: coin.Transfer) -> None:
    """A transfer that forgets to take the money from the payer: what a bug would look like."""
    payment.transfer(ctx, call)
    key = ("delfshaven:EUR", "2", ctx.sender)
    BALANCES.put(ctx.state, (BALANCES.get(ctx.state, *key) or 0) + call.legs[0].cents, *key)


def test_a_contract_that_makes_money_is_found_at_the_block_where_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All validators and the auditor run the same wrong contract: roots agree, the books do not."""
    calls = tuple(
        Call(coin.Transfer, (Word.HOLDER,), generous) if call.kind is coin.Transfer else call
        for call in coin.CONTRACT.calls
    )
    wrong = (Contract("coin", calls=calls), *(one for one in CONTRACTS if one.name != "coin"))
    chain = MadeChain(contracts=wrong, balances={"delfshaven/anna": 10_000, "delfshaven/cor": 1})
    chain.add([])
    monkeypatch.setattr("audit.replay.CONTRACTS", wrong)
    assert replay(chain.genesis, iter(chain.raws), workers=1).ok
    assert chain.by_person("anna", transfer("cor", 100)).code == 0

    report = replay(chain.genesis, iter(chain.raws), workers=1)

    assert (report.first_bad, report.last) == (2, 1)
    assert "I15" in report.broken
    assert not report.ok


def test_a_replay_checks_the_books_of_genesis_too() -> None:
    run = Replay(CHAIN.genesis)

    run.check_all_books()
    assert run.base.height == 0


def deaf(ctx: Context, call: coin.Transfer) -> None:
    """A transfer that does not ask for freezes."""
    frozen = FREEZES.get(ctx.state, ctx.sender)
    FREEZES.put(ctx.state, None, ctx.sender)
    payment.transfer(ctx, call)
    FREEZES.put(ctx.state, frozen, ctx.sender)


def test_a_contract_that_lets_a_frozen_account_pay_is_found_at_that_block_i12(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = tuple(
        Call(coin.Transfer, (Word.HOLDER,), deaf) if call.kind is coin.Transfer else call
        for call in coin.CONTRACT.calls
    )
    wrong = (Contract("coin", calls=calls), *(one for one in CONTRACTS if one.name != "coin"))
    chain = MadeChain(contracts=wrong, balances={"delfshaven/anna": 10_000, "delfshaven/cor": 1})
    monkeypatch.setattr("audit.replay.CONTRACTS", wrong)
    freeze = coin.FreezeCall(account("anna"), 1, "FRAUD", chain.time_s + 3_600, None)
    assert chain.by_board("delfshaven", freeze).code == 0
    redeem = coin.RedeemRequest(100, bytes(32))
    assert chain.by_person("anna", redeem).code == 0
    assert replay(chain.genesis, iter(chain.raws), workers=1).ok
    assert chain.by_person("anna", transfer("cor", 100)).code == 0

    report = replay(chain.genesis, iter(chain.raws), workers=1)

    assert (report.first_bad, report.broken) == (3, ("I12",))


@pytest.mark.parametrize(("sender", "broken"), [("anna", ("I12",)), ("bob", ())])
def test_a_contract_that_lets_a_frozen_funder_empty_its_pool_is_found_i12_c19(
    monkeypatch: pytest.MonkeyPatch, sender: str, broken: tuple[str, ...]
) -> None:
    """What others decide about a pool of hers goes on: here whoever shows a token."""
    module = importlib.import_module("contracts.policy.claim")  # the package names its function
    monkeypatch.setattr(module, "check_not_frozen", lambda *_: None)
    chain = MadeChain(balances={f"delfshaven/{one}": 10_000 for one in ("anna", "bob", "cor")})
    policy = open_pool(chain, Cap(1, 0, 0, 0, 0, 500), by="anna", cents=1_000)
    assert chain.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),))).code == 0
    freeze = coin.FreezeCall(account("anna"), 1, "FRAUD", chain.time_s + 3_600, None)
    assert chain.by_board(WIJK, freeze).code == 0
    assert claim(chain, policy, "cor", 100, by=sender, token="pas").code == 0
    assert chain.by_person("anna", Close(policy)).code == 0  # her own money comes back to her

    report = replay(chain.genesis, iter(chain.raws), workers=1)

    assert (report.ok, report.broken) == (not broken, broken)
    assert report.first_bad == (chain.base.height - 1 if broken else None)
