"""Execution: inclusion, quotas, authority, blocks, headers (economy B1..B6, consensus B1, B5)."""

from typing import Any

import msgspec
import pytest

from chain.codec import Record, encode
from chain.contract import (
    Call,
    Context,
    Contract,
    Ids,
    Word,
    can_keep,
    check_authority,
    get_counting,
    get_number_of_signatures,
)
from chain.errors import INCLUSION_CODES, Code, Malformed, Reject
from chain.execute import (
    BlockRun,
    apply_block,
    check_header,
    check_results,
    check_signatures,
    get_limits,
    get_set,
    make_header,
    propose,
)
from chain.keyspaces import (
    ACCOUNTS,
    BALANCES,
    FREE_CALLS,
    PARAMS,
    SEATS,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    VALIDATOR_SETS,
    AccountKey,
    AccountRecord,
)
from chain.log import tx_leaf_hash
from chain.params import FEDERATION
from chain.records import (
    BlockBody,
    Envelope,
    Tag,
    Tx,
    block_id,
    decode_tx,
    encode_body,
)
from chain.set_change import RECENT
from chain.state import State
from chain.validators import CommitCertificate
from contracts import CONTRACTS
from contracts.accounts import Propose, SetKeys
from contracts.coin import Leg, RedeemRequest, SetMinter, Transfer
from contracts.members import Attach, NewAccount
from tests.federation import (
    START_S,
    Ledger,
    account,
    board,
    holder,
    key,
    registrar,
)

ANNA, DIRK = account("anna"), account("dirk")
BOARD, REGISTRAR = board("delfshaven"), registrar("delfshaven")
DAY_S = 86_400


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0, "noord/bram": 5_000})


def pay(cents: int = 1, to: bytes = DIRK) -> Transfer:
    return Transfer((Leg(to, cents, None, None),), None)


def refused(run: BlockRun, tx: Tx) -> Reject:
    """Return why a rule of inclusion forbids `tx`; nothing may have changed by asking."""
    with pytest.raises(Reject) as caught:
        run.include(tx)
    assert caught.value.code in INCLUSION_CODES
    return caught.value


def put_param(ledger: Ledger, name: str, value: int) -> None:
    run = ledger.run()
    PARAMS.put(run.state, ((0, msgspec.Raw(encode(value))),), FEDERATION, name)
    ledger.apply(run)


# ----------------------------------------------------------------------------------- inclusion


def test_2001_a_transaction_above_the_size_of_the_chain(ledger: Ledger) -> None:
    """A lower parameter makes it one block rule for all, not each node's own."""
    put_param(ledger, "max_tx_bytes", 4_096)
    legs = tuple(Leg(DIRK, 1, Tag("SALE", None, "A", 0), bytes(32)) for _ in range(64))
    tx = ledger.tx(Transfer(legs, None), ANNA, [(0, "anna")])
    assert len(tx.raw) > 4_096

    assert refused(ledger.run(), tx).code is Code.TX_MALFORMED


def test_2003_a_transaction_of_another_chain(ledger: Ledger) -> None:
    other = Ledger(params={"seconders": 9})
    tx = other.tx(pay(), ANNA, [(0, "anna")])

    assert refused(ledger.run(), tx).code is Code.TX_CHAIN


@pytest.mark.parametrize(
    ("life", "code"),
    [(-1, Code.TX_EXPIRED), (0, Code.TX_EXPIRED), (1, None), (600, None), (601, Code.TX_TOO_EARLY)],
)
def test_t12_borders_of_the_expiry(ledger: Ledger, life: int, code: Code | None) -> None:
    """consensus T12, economy B2: t < expiry <= t + 600, t the header's time in whole seconds."""
    now = START_S + 1
    tx = ledger.tx(pay(), ANNA, [(0, "anna")], expires=now + life)
    for ms in (0, 999):
        run = BlockRun(ledger.base, ledger.chain, now * 1000 + ms)
        if code is None:
            assert run.include(tx).code == 0
        else:
            refusal = refused(run, tx)
            assert refusal.code is code
            if code is Code.TX_TOO_EARLY:
                assert refusal.params == {"from_at": now + life - 600}


def test_2006_replay_in_the_same_block(ledger: Ledger) -> None:
    tx = ledger.tx(pay(), ANNA, [(0, "anna")])
    run = ledger.run()
    run.include(tx)

    assert refused(run, tx).params == {"committed_as": tx.id.hex()}
    executed = ledger.apply(run)
    assert len(executed.outcomes) == 1


def test_2006_replay_in_a_later_block_until_the_expiry(ledger: Ledger) -> None:
    tx = ledger.tx(pay(), ANNA, [(0, "anna")], expires=START_S + 100)
    run = ledger.run()
    run.include(tx)
    ledger.apply(run)

    ledger.time_s = START_S + 98
    assert refused(ledger.run(), tx).code is Code.TX_REPLAYED
    assert refused(ledger.run(), tx).code is Code.TX_EXPIRED
    again = ledger.tx(pay(), ANNA, [(0, "anna")], nonce=tx.nonce)
    assert ledger.run().include(again).code == 0


def test_b1_another_envelope_with_the_same_nonce_is_a_replay(ledger: Ledger) -> None:
    """Whatever its signatures or its call: the pair (sender, nonce) is used."""
    by_a_and_b = ledger.tx(SetMinter("delfshaven:EUR", 1), BOARD, board_keys("ab"), nonce=bytes(16))
    by_a_and_c = ledger.tx(SetMinter("delfshaven:EUR", 1), BOARD, board_keys("ac"), nonce=bytes(16))
    other_call = ledger.tx(SetMinter("delfshaven:EUR", 2), BOARD, board_keys("ab"), nonce=bytes(16))
    other_sender = ledger.tx(pay(), ANNA, [(0, "anna")], nonce=bytes(16))
    assert by_a_and_b.id != by_a_and_c.id
    run = ledger.run()
    run.include(by_a_and_b)
    for tx in (by_a_and_c, other_call):
        assert refused(run, tx).params == {"committed_as": by_a_and_b.id.hex()}
    assert run.include(other_sender).code == 0
    ledger.apply(run)

    assert refused(ledger.run(), by_a_and_c).code is Code.TX_REPLAYED


def test_b1_a_refused_outcome_uses_its_nonce_too(ledger: Ledger) -> None:
    tx = ledger.tx(pay(99_999), ANNA, [(0, "anna")])
    run = ledger.run()
    assert run.include(tx).code == Code.COIN_LOW_BALANCE.number
    ledger.apply(run)

    assert refused(ledger.run(), tx).code is Code.TX_REPLAYED


def test_2008_an_unknown_sender(ledger: Ledger) -> None:
    tx = ledger.tx(pay(), account("nobody"), [(0, "nobody")])
    run = ledger.run()

    assert refused(run, tx).code is Code.TX_UNKNOWN_ACCOUNT
    with pytest.raises(Reject):
        run.get_keys(tx)


def test_an_account_made_in_a_block_can_send_in_the_same_block(ledger: Ledger) -> None:
    """The state just before the transaction decides, not that before the block."""
    batch = Attach((NewAccount(key("eva"), "PERSON", 500),))
    run = ledger.run()
    first = ledger.tx(pay(5, account("eva")), ANNA, [(0, "anna")])
    makes = ledger.tx(batch, REGISTRAR, registrar_keys())
    gets = ledger.tx(pay(5, account("eva")), ANNA, [(0, "anna")])
    sends = ledger.tx(pay(5), account("eva"), [(0, "eva")])

    assert run.include(first).code == Code.TX_UNKNOWN_ACCOUNT.number  # of a payee: an outcome
    assert refused(run, sends).code is Code.TX_UNKNOWN_ACCOUNT
    assert [run.include(tx).code for tx in (makes, gets, sends)] == [0, 0, 0]


def board_keys(letters: str, wijk: str = "delfshaven") -> list[tuple[int, str]]:
    return [("abc".index(letter), f"{wijk}-board-{letter}") for letter in letters]


def registrar_keys() -> list[tuple[int, str]]:
    return [(0, "delfshaven-registrar-a"), (1, "delfshaven-registrar-b")]


@pytest.mark.parametrize(
    ("sender", "signers", "have", "need"),
    [
        (ANNA, [], 0, 1),
        (ANNA, [(1, "anna")], 0, 1),
        (ANNA, [(0, "dirk")], 0, 1),
        (ANNA, [(0, "anna"), (1, "dirk")], 2, 1),
        (BOARD, board_keys("a"), 1, 2),
        (BOARD, board_keys("abc"), 3, 2),
        (BOARD, [(0, "delfshaven-board-a"), (3, "delfshaven-board-b")], 1, 2),
        (BOARD, [(0, "delfshaven-board-b"), (1, "delfshaven-board-a")], 0, 2),
        (BOARD, [(0, "delfshaven-board-a"), (1, "delfshaven-board-a")], 0, 2),
    ],
    ids=str,
)
def test_2002_exactly_the_signatures_that_are_asked(
    ledger: Ledger, sender: bytes, signers: list[tuple[int, str]], have: int, need: int
) -> None:
    """interfaces 4: as many as asked, each by an active key of that index."""
    tx = ledger.tx(pay(), sender, signers)

    refusal = refused(ledger.run(), tx)

    assert refusal.code is Code.TX_SIGNATURES
    assert refusal.params == {"have": have, "need": need}


def test_2002_a_signature_over_another_body(ledger: Ledger) -> None:
    good = ledger.tx(pay(1), ANNA, [(0, "anna")])
    body = encode_body(ledger.chain.digest, ANNA, good.nonce, good.expires, pay(2))
    forged = decode_tx(encode(Envelope(body, good.signatures)), ledger.chain.table.union)

    assert refused(ledger.run(), forged).code is Code.TX_SIGNATURES


def test_2002_a_key_revoked_earlier_in_the_block(ledger: Ledger) -> None:
    """consensus B5: keys and threshold in the state just before the transaction."""
    from tests.contracts.offices import new_key

    swap = SetKeys((new_key(ledger, ANNA, "phone"),), (key("anna"),), (), 1)
    run = ledger.run()
    assert run.include(ledger.tx(swap, ANNA, [(0, "anna")])).code == 0

    assert refused(run, ledger.tx(pay(), ANNA, [(0, "anna")])).code is Code.TX_SIGNATURES
    assert run.include(ledger.tx(pay(), ANNA, [(1, "phone")])).code == 0


def test_where_a_call_names_several_words_any_number_will_do(ledger: Ledger) -> None:
    """interfaces 4: `accounts.cancel` asks one key or the account; 2 of 3 is neither."""
    from contracts.accounts import Cancel

    for letters, code in (("a", 0), ("ab", 0)):
        made = ledger.send(
            Propose(encode(SetMinter("delfshaven:EUR", 1)), START_S + 9_000), BOARD, board_keys("a")
        )
        assert ledger.send(Cancel(made.tx_id), BOARD, board_keys(letters)).code == code
    with pytest.raises(Reject) as caught:
        ledger.send(Cancel(bytes(32)), BOARD, board_keys("abc"))
    assert caught.value.code is Code.TX_SIGNATURES


def test_get_keys_are_those_of_the_indexes(ledger: Ledger) -> None:
    run = ledger.run()
    tx = ledger.tx(SetMinter("delfshaven:EUR", 1), BOARD, board_keys("ac"))

    assert run.get_keys(tx) == (key("delfshaven-board-a"), key("delfshaven-board-c"))
    assert check_signatures(tx, run.get_keys(tx))
    wrong = ledger.tx(pay(), ANNA, [(7, "anna")])
    with pytest.raises(Reject):
        run.get_keys(wrong)


def test_what_is_refused_for_inclusion_changes_nothing(ledger: Ledger) -> None:
    run, clean = (
        ledger.run(),
        BlockRun(ledger.base, ledger.chain, ledger.time_s * 1000, preamble=ledger.preamble),
    )
    for tx in (
        ledger.tx(pay(), ANNA, [(0, "dirk")]),
        ledger.tx(pay(), account("nobody"), [(0, "nobody")]),
        ledger.tx(pay(), ANNA, [(0, "anna")], expires=START_S),
    ):
        refused(run, tx)

    assert run.finish() == clean.finish()


# --------------------------------------------------------------------------------------- quota


def quota_ledger(**params: int) -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0}, params=params)


def test_b5_the_first_rule_that_is_broken_is_named() -> None:
    """Size, chain, expiry, replay, sender, signature set, quota: one order for all nodes."""
    ledger = quota_ledger(quota_person=1)
    run, now = ledger.run(), ledger.time_s
    first = ledger.tx(pay(), ANNA, [(0, "anna")])
    assert run.include(first).code == 0
    good = ledger.tx(pay(), ANNA, [(0, "anna")])
    unsigned = ledger.tx(pay(), ANNA, [(0, "dirk")])
    wrong = msgspec.structs.replace(
        unsigned, raw=bytes(32_769), chain_digest=bytes(32), expires=now, nonce=first.nonce
    )
    mended: dict[str, Any] = {}
    codes = []
    for change in (
        {},
        {"raw": unsigned.raw},
        {"chain_digest": unsigned.chain_digest},
        {"expires": now + 601},
        {"expires": now + 600},
        {"sender": account("nobody")},
        {"sender": ANNA, "nonce": unsigned.nonce},
        {"signed": good.signed, "signatures": good.signatures},
    ):
        mended |= change
        codes.append(refused(run, msgspec.structs.replace(wrong, **mended)).code.number)

    assert codes == [2001, 2003, 2004, 2005, 2006, 2008, 2002, 2007]


def send_many(ledger: Ledger, count: int, call: Any | None = None) -> list[int]:
    run = ledger.run()
    codes = []
    for _ in range(count):
        tx = ledger.tx(call or pay(), ANNA, [(0, "anna")])
        codes.append(run.include(tx).code)
    ledger.apply(run)
    return codes


def test_b3_a_quota_per_account_over_blocks_of_600_s() -> None:
    ledger = quota_ledger(quota_person=3)
    assert send_many(ledger, 2) == [0, 0]
    assert send_many(ledger, 1) == [0]
    run = ledger.run()

    refusal = refused(run, ledger.tx(pay(), ANNA, [(0, "anna")]))

    assert (refusal.code, refusal.params) == (Code.TX_QUOTA, {"retry_after_s": 600})
    assert run.include(ledger.tx(pay(1, ANNA), DIRK, [(0, "dirk")])).code == 0  # his own quota


def test_b3_the_quota_comes_back_as_blocks_fall_out() -> None:
    ledger = quota_ledger(quota_person=3)
    send_many(ledger, 2)
    first = ledger.time_s
    ledger.time_s = first + 299
    send_many(ledger, 1)

    ledger.time_s = first + 598  # the next block is 599 s after the first
    assert refused(ledger.run(), ledger.tx(pay(), ANNA, [(0, "anna")])).code is Code.TX_QUOTA
    assert send_many(ledger, 2) == [0, 0]
    assert refused(ledger.run(), ledger.tx(pay(), ANNA, [(0, "anna")])).code is Code.TX_QUOTA


def test_b3_refused_transactions_that_stand_in_a_block_count() -> None:
    ledger = quota_ledger(quota_person=1)
    assert send_many(ledger, 1, pay(99_999)) == [Code.COIN_LOW_BALANCE.number]

    assert refused(ledger.run(), ledger.tx(pay(), ANNA, [(0, "anna")])).code is Code.TX_QUOTA


def test_b3_a_quota_of_0_is_lifted() -> None:
    assert send_many(quota_ledger(quota_person=0), 200) == [0] * 200


def test_b3_classes_of_accounts_have_their_own_quota() -> None:
    ledger = quota_ledger(quota_person=1, quota_business=2, quota_role=3)
    kinds = ("PERSON", "HOUSEHOLD", "BUSINESS", "INSTITUTION", "ASSOCIATION", "TEAM", "ROLE")
    run = ledger.run()
    for kind in kinds:
        record = AccountRecord(
            kind, "delfshaven", "ACTIVE", 1, (AccountKey(0, key(kind), holder(kind), 0),), ()
        )
        ACCOUNTS.put(run.state, record, account(kind))
    room = {}
    for kind in kinds:
        room[kind] = 0
        while room[kind] < 5:
            tx = ledger.tx(pay(), account(kind), [(0, kind)])
            try:
                run.check(tx, 0)
            except Reject:
                assert refused(run, tx).code is Code.TX_QUOTA
                break
            run.include(tx)
            room[kind] += 1

    assert room == {
        "PERSON": 1, "HOUSEHOLD": 1, "BUSINESS": 2, "INSTITUTION": 2, "ASSOCIATION": 2, "TEAM": 2,
        "ROLE": 3,
    }  # fmt: skip


def test_b3_three_free_calls_a_book_date_when_the_quota_is_full() -> None:
    """A full quota never blocks redeeming; the count is in the state, so all nodes agree."""
    ledger = quota_ledger(quota_person=1)
    redeem = RedeemRequest(1, bytes(32))
    send_many(ledger, 1)
    assert ledger.state.get(FREE_CALLS.key(ANNA)) is None
    assert send_many(ledger, 2, redeem) == [0, 0]
    assert send_many(ledger, 1, RedeemRequest(99_999, bytes(32))) != [0]  # refused ones count
    date = ledger.run().clock.book_date
    assert FREE_CALLS.get(State(ledger.state.get), ANNA) == (date, 3)

    assert refused(ledger.run(), ledger.tx(redeem, ANNA, [(0, "anna")])).code is Code.TX_QUOTA

    ledger.time_s = (ledger.time_s // DAY_S + 1) * DAY_S - 3_601  # book dates begin at 23:00 UTC
    ledger.time_s -= 1
    before = ledger.run()
    assert before.clock.book_date == date
    after = ledger.run()
    assert after.clock.book_date == date + 1
    # By then the quota is free again too; fill it, and three more are free.
    ledger.apply(after)
    send_many(ledger, 1)
    assert send_many(ledger, 3, redeem) == [0, 0, 0]


def test_b3_the_free_quota_is_for_calls_that_are_never_tripped() -> None:
    never = [call.kind for c in CONTRACTS for call in c.calls if call.never_tripped]

    assert {RedeemRequest, SetKeys} <= set(never)
    assert Transfer not in never


# ----------------------------------------------------------------------- admission and trying out


def test_try_out_tells_the_outcome_and_keeps_nothing(ledger: Ledger) -> None:
    run, clean = (
        ledger.run(),
        BlockRun(ledger.base, ledger.chain, ledger.time_s * 1000, preamble=ledger.preamble),
    )
    good, poor = (ledger.tx(pay(cents), ANNA, [(0, "anna")]) for cents in (10_000, 10_001))

    assert [run.try_out(tx, 0).code for tx in (good, good, poor)] == [
        0, 0, Code.COIN_LOW_BALANCE.number,
    ]  # fmt: skip
    run.check(good, 0)
    assert run.finish() == clean.finish()


def test_check_judges_the_expiry_by_the_wall_clock(ledger: Ledger) -> None:
    """A node does not admit what could never be in a block any more; never before block time."""
    tx = ledger.tx(pay(), ANNA, [(0, "anna")], expires=START_S + 100)
    run = ledger.run()
    for now in (0, START_S + 99):
        run.check(tx, now)
        run.try_out(tx, now)
    for judge in (run.check, run.try_out):
        with pytest.raises(Reject) as caught:
            judge(tx, START_S + 100)
        assert caught.value.code is Code.TX_EXPIRED


def test_check_takes_no_free_call() -> None:
    ledger = quota_ledger(quota_person=1)
    send_many(ledger, 1)
    run = ledger.run()
    tx = ledger.tx(RedeemRequest(1, bytes(32)), ANNA, [(0, "anna")])
    for _ in range(5):
        run.check(tx, 0)
        run.try_out(tx, 0)

    assert FREE_CALLS.get(run.state, ANNA) is None


def test_a_check_of_signatures_may_be_lent(ledger: Ledger) -> None:
    """A node that has verified a transaction before does not do it again."""
    asked: list[tuple[bytes, ...]] = []

    def check(tx: Tx, keys: tuple[bytes, ...]) -> bool:
        asked.append(keys)
        return True

    run = BlockRun(ledger.base, ledger.chain, (START_S + 1) * 1000, check)
    run.include(ledger.tx(pay(), ANNA, [(0, "bram")]))

    assert asked == [(key("anna"),)]


# ---------------------------------------------------------------------------------- savepoints


class Knock(Record, frozen=True, tag="probe.knock"):
    """Write first, then do what a handler must not: refuse."""

    inner: bytes
    refuse: int


def knock(ctx: Context, call: Knock) -> None:
    BALANCES.put(ctx.state, 77, "probe", "2", ctx.sender)
    ctx.emit("probe.Knocked", 1)
    if call.inner:
        refusal = ctx.run(call.inner, ctx.sender, ctx.signers)
        ctx.emit("probe.Ran", 0 if refusal is None else refusal.code.number)
    if call.refuse:
        BALANCES.put(ctx.state, 78, "probe", "3", ctx.sender)
        raise Reject(Code.TX_AMOUNT, amount_cents=5)


PROBE = Contract("probe", (Call(Knock, (Word.HOLDER,), knock),))


@pytest.fixture
def probe() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000}, contracts=(*CONTRACTS, PROBE))


def test_a_refusal_undoes_what_was_written_and_reports_nothing(probe: Ledger) -> None:
    outcome = probe.by_person("anna", Knock(b"", 1))

    assert outcome.code == Code.TX_AMOUNT.number
    assert outcome.params == (("amount_cents", 5),)
    assert (outcome.postings, outcome.notices) == ((), ())
    assert BALANCES.get(State(probe.state.get), "probe", "2", ANNA) is None


def test_b6_a_refused_inner_call_undoes_its_own_writes_only(probe: Ledger) -> None:
    outcome = probe.by_person("anna", Knock(encode(Knock(b"", 1)), 0))

    assert outcome.code == 0
    assert [notice.name for notice in outcome.notices] == ["probe.Knocked", "probe.Ran"]
    state = State(probe.state.get)
    assert BALANCES.get(state, "probe", "2", ANNA) == 77
    assert BALANCES.get(state, "probe", "3", ANNA) is None


def test_a_refusal_after_an_inner_call_undoes_both(probe: Ledger) -> None:
    outcome = probe.by_person("anna", Knock(encode(Knock(b"", 0)), 1))

    assert outcome.code == Code.TX_AMOUNT.number
    assert BALANCES.get(State(probe.state.get), "probe", "2", ANNA) is None


@pytest.mark.parametrize("data", [b"\xc0", b"\x91\xa1x"])
def test_inner_bytes_that_are_no_call_are_a_refusal(probe: Ledger, data: bytes) -> None:
    """They may have been a call when they were stored: an old proposal after an upgrade."""
    outcome = probe.by_person("anna", Knock(data, 0))

    assert outcome.code == 0
    assert outcome.notices[-1].values == encode((Code.TX_MALFORMED.number,))


# --------------------------------------------------------------------------------------- words


def context(ledger: Ledger, sender: bytes, signers: tuple[AccountKey, ...], **rest: Any) -> Context:
    run = ledger.run()
    ids = Ids(bytes(32))
    return Context(run.clock, bytes(32), sender, signers, ids=ids, postings=[], notices=[], **rest)


def allowed(ctx: Context, word: Word) -> bool:
    try:
        check_authority(ctx, (word,))
    except Reject as refusal:
        return (refusal.code, refusal.params) != (Code.TX_ROLE, {"role": word.value})
    return True


def keys_of(ledger: Ledger, name: bytes, *indexes: int) -> tuple[AccountKey, ...]:
    record = ACCOUNTS.get(State(ledger.state.get), name)
    assert record is not None
    return tuple(record.keys[index] for index in indexes)


WORDS_OF = {
    (ANNA, (0,)): {Word.HOLDER, Word.ONE_KEY, Word.ANY},
    (BOARD, (0,)): {Word.ONE_KEY, Word.SEAT},
    (BOARD, (0, 2)): {
        Word.HOLDER, Word.ANY, Word.SEAT2, Word.BOARD, Word.BOARD23, Word.TREASURY,
    },
    (BOARD, (0, 1, 2)): set(),
    (REGISTRAR, (0,)): {Word.ONE_KEY},
    (REGISTRAR, (0, 1)): {Word.HOLDER, Word.ANY, Word.REGISTRY},
}  # fmt: skip


@pytest.mark.parametrize("who", list(WORDS_OF), ids=str)
def test_b5_what_an_account_with_so_many_keys_may(
    ledger: Ledger, who: tuple[bytes, tuple[int, ...]]
) -> None:
    sender, indexes = who
    ctx = context(ledger, sender, keys_of(ledger, sender, *indexes))

    assert {word for word in Word if allowed(ctx, word)} == WORDS_OF[who]


@pytest.mark.parametrize(
    ("rest", "words"),
    [({"decision": bytes(32)}, {Word.EFFECT}), ({"fed": True}, {Word.FED})],
    ids=["effect", "fed"],
)
def test_b5_an_effect_has_that_authority_and_no_other(
    ledger: Ledger, rest: dict[str, Any], words: set[Word]
) -> None:
    for indexes in ((), (0, 1)):
        ctx = context(ledger, BOARD, keys_of(ledger, BOARD, *indexes), **rest)
        assert {word for word in Word if allowed(ctx, word)} == words


def test_b4_one_holder_counts_once(ledger: Ledger) -> None:
    one, two = keys_of(ledger, BOARD, 0, 1)
    same = msgspec.structs.replace(two, holder=one.holder)
    ctx = context(ledger, BOARD, (one, same))

    assert not any(allowed(ctx, word) for word in Word)


def test_b5_seats_that_do_not_sit_do_not_sign(ledger: Ledger) -> None:
    signers = keys_of(ledger, BOARD, 0, 1)
    for changes in ({"until_s": START_S}, {"from_s": 2**40}, {"status": "RECALLED"}):
        run = ledger.run()
        seat = SEATS.get(run.state, "delfshaven", 2)
        assert seat is not None
        SEATS.put(run.state, msgspec.structs.replace(seat, **changes), "delfshaven", 2)
        ctx = Context(run.clock, bytes(32), BOARD, signers, ids=Ids(b""), postings=[], notices=[])
        for word in (Word.SEAT2, Word.BOARD, Word.BOARD23):
            assert not allowed(ctx, word)


@pytest.mark.parametrize("sitting", range(1, 8))
def test_b5_board23_is_two_thirds_of_the_sitting_rounded_up(ledger: Ledger, sitting: int) -> None:
    run = ledger.run()
    record = ACCOUNTS.get(run.state, BOARD)
    seat = SEATS.get(run.state, "delfshaven", 1)
    assert record is not None
    assert seat is not None
    for number in range(1, 8):
        ends = 2**40 if number <= sitting else 0
        SEATS.put(run.state, msgspec.structs.replace(seat, until_s=ends), "delfshaven", number)

    need = get_number_of_signatures(run.state, record, Word.BOARD23, run.clock.time_s)

    assert 3 * need >= 2 * sitting > 3 * (need - 1)
    assert get_number_of_signatures(run.state, record, Word.BOARD, run.clock.time_s) == 2


def test_get_counting_keeps_order_and_the_first_key_of_a_holder(ledger: Ledger) -> None:
    run = ledger.run()
    record = ACCOUNTS.get(run.state, BOARD)
    assert record is not None
    a, b, c = record.keys
    twin = msgspec.structs.replace(c, holder=b.holder)

    counted = get_counting(run.state, record, Word.HOLDER, (c, b, a, twin), run.clock.time_s)
    assert counted == (c, b, a)
    assert get_counting(run.state, record, Word.HOLDER, (twin, b), run.clock.time_s) == (twin,)


@pytest.mark.parametrize(
    ("kind", "threshold", "holders", "treasury", "registry"),
    [
        ("ROLE", 2, "ax", True, True),
        ("ROLE", 2, "abx", True, True),
        ("ROLE", 3, "ax", False, False),
        ("ROLE", 1, "ax", False, False),
        ("ROLE", 2, "ab", True, False),
        ("ROLE", 2, "xy", True, False),
        ("ROLE", 2, "xx", False, False),
        ("BOARD", 2, "abc", True, False),
        ("BOARD", 2, "ax", True, False),
        ("HOUSEHOLD", 2, "ax", False, False),
        ("PERSON", 1, "a", False, False),
    ],
)
def test_b5_the_two_person_rule(
    kind: str, threshold: int, holders: str, treasury: bool, registry: bool
) -> None:
    """a, b, c hold seats of the board; x and y do not."""
    keys = tuple(AccountKey(i, key(str(i)), holder(who), 0) for i, who in enumerate(holders))
    record = AccountRecord(kind, "delfshaven", "ACTIVE", threshold, keys, ())
    seats = [holder(who) for who in "abc"]

    assert can_keep(record, "TREASURY", seats) is treasury
    assert can_keep(record, "REGISTRY", seats) is registry


# -------------------------------------------------------------------------------------- blocks


def test_propose_takes_in_order_up_to_the_caps(ledger: Ledger) -> None:
    """consensus B5: arrival order; what can not be included is left out."""
    txs = [ledger.tx(pay(cents), ANNA, [(0, "anna")]) for cents in (1, 2, 3)]
    bad = ledger.tx(pay(), ANNA, [(0, "dirk")])
    pending = [txs[0], bad, txs[0], txs[1], txs[2]]

    choice = propose(ledger.base, ledger.chain, (START_S + 1) * 1000, ledger.preamble, pending)

    assert choice.txs == tuple(txs)
    assert [(tx, refusal.code) for tx, refusal in choice.refused] == [
        (bad, Code.TX_SIGNATURES), (txs[0], Code.TX_REPLAYED),
    ]  # fmt: skip
    again = apply_block(
        ledger.base, ledger.chain, (START_S + 1) * 1000, ledger.preamble, choice.txs
    )
    assert again == choice.executed


def test_propose_and_apply_block_keep_to_the_caps(ledger: Ledger) -> None:
    put_param(ledger, "max_block_txs", 2)
    txs = [ledger.tx(pay(cents), ANNA, [(0, "anna")]) for cents in (1, 2, 3)]
    time_ms = (ledger.time_s + 1) * 1000
    assert get_limits(BlockRun(ledger.base, ledger.chain, time_ms)).txs == 2

    assert propose(ledger.base, ledger.chain, time_ms, ledger.preamble, txs).txs == tuple(txs[:2])
    with pytest.raises(Malformed, match="caps"):
        apply_block(ledger.base, ledger.chain, time_ms, ledger.preamble, txs)
    put_param(ledger, "max_block_txs", 3)
    put_param(ledger, "max_block_bytes", len(txs[0].raw) + len(txs[1].raw))
    time_ms = (ledger.time_s + 1) * 1000
    assert propose(ledger.base, ledger.chain, time_ms, ledger.preamble, txs).txs == tuple(txs[:2])
    with pytest.raises(Malformed, match="caps"):
        apply_block(ledger.base, ledger.chain, time_ms, ledger.preamble, txs)


def test_a_block_with_a_transaction_that_may_not_be_in_it_is_malformed(ledger: Ledger) -> None:
    bad = ledger.tx(pay(), ANNA, [(0, "dirk")])

    with pytest.raises(Malformed, match=r"tx\.signatures"):
        apply_block(ledger.base, ledger.chain, (START_S + 1) * 1000, ledger.preamble, [bad])


def test_outcomes_are_the_leaves_of_the_log(ledger: Ledger) -> None:
    """consensus M9: transaction id and code, refused ones too."""
    from chain import log

    run = ledger.run()
    good, poor = (ledger.tx(pay(cents), ANNA, [(0, "anna")]) for cents in (1, 99_999))
    for tx in (good, poor):
        run.include(tx)
    executed = ledger.apply(run)

    leaves = [tx_leaf_hash(good.id, 0), tx_leaf_hash(poor.id, Code.COIN_LOW_BALANCE.number)]
    frontier, _ = log.append(log.EMPTY_FRONTIER, leaves)
    assert executed.frontier == frontier
    assert executed.log_root == log.root(frontier)
    assert [item.tx_id for item in executed.included] == [good.id, poor.id]


def test_the_order_of_transactions_matters_and_is_kept(ledger: Ledger) -> None:
    there = ledger.tx(pay(10_000), ANNA, [(0, "anna")])
    back = ledger.tx(pay(1, ANNA), DIRK, [(0, "dirk")])

    def codes(*txs: Tx) -> list[int]:
        executed = apply_block(
            ledger.base, ledger.chain, (START_S + 1) * 1000, ledger.preamble, txs
        )
        return [outcome.code for outcome in executed.outcomes]

    assert codes(there, back) == [0, 0]
    assert codes(back, there) == [Code.COIN_LOW_BALANCE.number, 0]


def test_founders_sit_365_days_from_block_1(ledger: Ledger) -> None:
    """interfaces 3.6: from the time of block 1, whenever that comes."""
    ledger.apply(ledger.run())
    first = ledger.time_s
    for wijk in ("delfshaven", "noord"):
        for number in (1, 2, 3):
            seat = SEATS.get(State(ledger.state.get), wijk, number)
            assert seat is not None
            assert seat.until_s == first + 365 * DAY_S
    ledger.time_s = first + 365 * DAY_S - 2
    minter = SetMinter("delfshaven:EUR", 1)
    assert ledger.by_board("delfshaven", minter).code == 0

    assert ledger.by_board("delfshaven", minter).code == Code.TX_ROLE.number


def test_v1_sets_move_up_at_the_start_of_a_block(ledger: Ledger) -> None:
    """consensus V1: the state after h fixes Set(h+2)."""
    run = ledger.run()
    genesis_set = VALIDATOR_SETS.get(run.state, SET_NOW)
    assert genesis_set is not None
    smaller = genesis_set[:1]
    VALIDATOR_SETS.put(run.state, smaller, SET_NEXT)
    ledger.apply(run)

    def sets() -> list[Any]:
        state = State(ledger.state.get)
        return [VALIDATOR_SETS.get(state, which) for which in (SET_LAST, SET_NOW, SET_NEXT)]

    assert sets() == [genesis_set, genesis_set, smaller]
    ledger.apply(ledger.run())
    assert sets() == [genesis_set, smaller, smaller]
    ledger.apply(ledger.run())
    assert sets() == [smaller, smaller, smaller]
    assert len(get_set(ledger.state.get, SET_NOW)) == 1


def test_an_empty_block_only_remembers_its_parent_after_the_first(ledger: Ledger) -> None:
    """consensus V5b: the newest block ids are state; nothing else moves by itself."""
    ledger.apply(ledger.run())
    parent = ledger.base.block_id

    executed = ledger.apply(ledger.run())

    assert executed.changes == {RECENT.key("01"): encode((1, parent))}
    assert executed.included == ()


# ------------------------------------------------------------------------------------- headers


def headed(ledger: Ledger) -> tuple[Any, ...]:
    """Return base, body, header and execution of block 1 with one payment."""
    base = ledger.base
    time_ms = (START_S + 1) * 1000
    tx = ledger.tx(pay(), ANNA, [(0, "anna")])
    executed = apply_block(base, ledger.chain, time_ms, ledger.preamble, [tx])
    body = BlockBody(None, (), (tx.id,))
    creator = get_set(base.read, SET_NOW).keys[0]
    header = make_header(base, ledger.chain, executed, body, creator, time_ms)
    return base, body, header, executed


def test_m7_a_header_says_what_execution_gave(ledger: Ledger) -> None:
    base, body, header, executed = headed(ledger)

    check_header(base, ledger.chain, header, body)
    check_results(header, executed, base)

    assert (header.height, header.parent_id) == (1, ledger.genesis.digest)
    assert header.state_root == executed.state_root
    assert (header.log_size, header.log_root) == (1, executed.log_root)
    sets = get_set(base.read, SET_NOW)
    assert header.validators_hash == header.next_validators_hash == sets.validators_hash
    assert len(block_id(header)) == 32


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"version": 2}, "version"),
        ({"genesis_digest": bytes(32)}, "chain"),
        ({"height": 2}, "height"),
        ({"parent_id": bytes(32)}, "parent"),
        ({"time_ms": 1_767_225_600_000}, "time"),
        ({"time_ms": 253_402_300_800_000}, "time"),
        ({"body_hash": bytes(32)}, "body hash"),
        ({"validators_hash": bytes(32)}, "validators"),
    ],
    ids=str,
)
def test_r2h_headers_that_do_not_fit(ledger: Ledger, changes: dict[str, Any], what: str) -> None:
    base, body, header, _ = headed(ledger)
    wrong = msgspec.structs.replace(header, **changes)

    with pytest.raises(Malformed, match=f"wrong {what}"):
        check_header(base, ledger.chain, wrong, body)


def test_r2h_bodies_that_do_not_fit(ledger: Ledger) -> None:
    from chain.codec import digest

    base, body, header, _ = headed(ledger)
    certificate = CommitCertificate(1, 0, bytes(32), 0, bytes(32), b"\x01", (bytes(64),))
    for wrong, what in (
        (msgspec.structs.replace(body, evidence=(bytes(32_769),) * 2), "more evidence"),
        (msgspec.structs.replace(body, last_commit=certificate), "wrong last commit"),
    ):
        fitting = msgspec.structs.replace(header, body_hash=digest(wrong))
        with pytest.raises(Malformed, match=what):
            check_header(base, ledger.chain, fitting, wrong)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("state_root", "state root"),
        ("log_root", "log"),
        ("log_size", "log"),
        ("next_validators_hash", "next validators"),
    ],
)
def test_d6_results_that_differ_from_our_own(ledger: Ledger, name: str, what: str) -> None:
    base, _, header, executed = headed(ledger)
    wrong = msgspec.structs.replace(header, **{name: 9 if name == "log_size" else bytes(32)})

    with pytest.raises(Malformed, match=what):
        check_results(wrong, executed, base)
