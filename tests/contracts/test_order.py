"""Which refusal wins: accounts, wijk and members check in the order of the catalogue (B7).

In each test everything is wrong at once; what is mended shows the next refusal of the row. What
holds for all calls comes first: unknown account, unknown id, text, amount. Those of coin and
trade stand with their calls.
"""

from typing import Any

import msgspec
import pytest

from chain.codec import encode
from chain.crypto import sign
from chain.errors import Code
from chain.keyspaces import (
    ISSUERS,
    NEXT_KEY,
    NO_END_S,
    PARAMS,
    SEATS,
    WIJKEN,
)
from chain.params import FEDERATION
from chain.shared import key_proof_bytes
from contracts.accounts import KEYS_EVER_MAX, LIFE_S, Approve, Cancel, Propose, SetKeys
from contracts.coin import SetMinter
from contracts.members import Admit, Attach, NewAccount, Place, SetLimits
from contracts.wijk import (
    FED_LIFE_S,
    FedEndorse,
    FedPropose,
    Found,
    HeldKey,
    NodeKeys,
    RegisterRole,
    SetParam,
    node_proof_bytes,
)
from tests.contracts.desk import assert_done, assert_refused, change, put
from tests.contracts.offices import (
    enact,
    endorse,
    epoch,
    executed_code,
    new_key,
    object_id,
    raw,
    set_keys,
)
from tests.federation import Ledger, account, board, holder, key, registrar, seed

ANNA, BOARD, REGISTRAR = account("anna"), board("delfshaven"), registrar("delfshaven")
A, B, C = (f"delfshaven-board-{letter}" for letter in "abc")
MINTER = SetMinter("delfshaven:EUR", 700)
replace = msgspec.structs.replace


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})


# ------------------------------------------------------------------------------------- accounts


def test_accounts_set_keys_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    good = new_key(ledger, ANNA, "ben")
    bad = replace(good, proof=bytes(64))
    own = set_keys(ledger, ANNA, bad, revoke=("anna",), threshold=9)

    def refuse(call: SetKeys, code: Code) -> None:
        assert_refused(ledger.by_person("anna", call), code)

    refuse(replace(own, revoke=(key("anna"), key("nobody"))), Code.TX_UNKNOWN_ID)
    refuse(own, Code.ACCOUNTS_NO_PROOF)
    refuse(replace(own, add=()), Code.ACCOUNTS_LAST_KEY)
    refuse(replace(own, add=(good,)), Code.ACCOUNTS_THRESHOLD)


def test_accounts_set_keys_of_shared_accounts_checks_in_order_b7(ledger: Ledger) -> None:
    """`same-holder` is for role accounts, `board-account` for boards: both come after the rest."""
    call = set_keys(ledger, REGISTRAR, revoke=("delfshaven-registrar-b",), threshold=2)
    assert_refused(ledger.by_registrar("delfshaven", call), Code.ACCOUNTS_THRESHOLD)
    call = replace(call, threshold=1)
    assert_refused(ledger.by_registrar("delfshaven", call), Code.ACCOUNTS_SAME_HOLDER)

    fresh = new_key(ledger, BOARD, "fresh", "eva")
    call = set_keys(ledger, BOARD, replace(fresh, proof=bytes(64)), revoke=(A, B, C), threshold=4)
    assert_refused(ledger.by_board("delfshaven", call), Code.ACCOUNTS_NO_PROOF)
    assert_refused(ledger.by_board("delfshaven", replace(call, add=())), Code.ACCOUNTS_LAST_KEY)
    call = replace(call, add=(fresh,))
    assert_refused(ledger.by_board("delfshaven", call), Code.ACCOUNTS_THRESHOLD)
    put(ledger, NEXT_KEY, KEYS_EVER_MAX, BOARD)
    call = replace(call, threshold=1)
    assert_refused(ledger.by_board("delfshaven", call), Code.ACCOUNTS_THRESHOLD)
    put(ledger, NEXT_KEY, 3, BOARD)
    assert_refused(ledger.by_board("delfshaven", call), Code.ACCOUNTS_BOARD_ACCOUNT)


def test_accounts_propose_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    nested = encode(Approve(bytes(32)))
    far, past = ledger.time_s + LIFE_S + 1_000, ledger.time_s

    def refuse(who: bytes, signer: tuple[int, str], call: Propose, code: Code) -> None:
        assert_refused(ledger.send(call, who, [signer]), code)

    refuse(ANNA, (0, "anna"), Propose(b"\xc0", far), Code.TX_MALFORMED)
    refuse(ANNA, (0, "anna"), Propose(nested, far), Code.ACCOUNTS_NOT_SHARED)
    refuse(BOARD, (0, A), Propose(nested, far), Code.ACCOUNTS_NESTED)
    change(ledger, SEATS, "delfshaven", 1, until_s=0)
    refuse(BOARD, (0, A), Propose(encode(MINTER), far), Code.ACCOUNTS_TOO_LONG)
    refuse(BOARD, (0, A), Propose(encode(MINTER), past), Code.ACCOUNTS_EXPIRED)
    refuse(BOARD, (0, A), Propose(encode(MINTER), past + 99), Code.TX_ROLE)


def test_accounts_approve_and_cancel_check_in_the_order_of_the_catalogue_b7(
    ledger: Ledger,
) -> None:
    call = Propose(encode(MINTER), ledger.time_s + 500)
    cancelled = object_id(ledger.send(call, BOARD, [(0, A)]))
    proposal = object_id(ledger.send(call, BOARD, [(0, A)]))
    assert_done(ledger.send(Cancel(cancelled), BOARD, [(0, A)]))
    change(ledger, SEATS, "delfshaven", 2, until_s=0)

    def refuse(which: Approve | Cancel, signer: tuple[int, str], code: Code) -> None:
        assert_refused(ledger.send(which, BOARD, [signer]), code)

    refuse(Approve(bytes(32)), (0, A), Code.TX_UNKNOWN_ID)
    refuse(Approve(proposal), (0, A), Code.ACCOUNTS_ALREADY_APPROVED)
    refuse(Approve(proposal), (1, B), Code.ACCOUNTS_REVOKED_KEY)
    refuse(Cancel(proposal), (1, B), Code.ACCOUNTS_NOT_PARTY)
    refuse(Cancel(cancelled), (1, B), Code.ACCOUNTS_DONE)
    ledger.time_s += 500
    refuse(Approve(cancelled), (0, A), Code.ACCOUNTS_DONE)
    refuse(Approve(proposal), (0, A), Code.ACCOUNTS_EXPIRED)


# ----------------------------------------------------------------------------------------- wijk


def test_wijk_found_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    founders = tuple(HeldKey(key(f"o-{one}"), holder(f"o-{one}")) for one in "abc")
    wrong = Found(
        "noord", "GM0599", 2014, "USD", "@", "ZWE", "Zwethmunten", bytes(32), "NOBODY", founders, 1,
        (HeldKey(key("o-r"), holder("o-r")), HeldKey(key("o-s"), holder("o-s"))),
        key("node-o"), bytes(64),
    )  # fmt: skip
    proof = sign(
        seed("node-o"), key_proof_bytes(ledger.chain.digest, account("o-a"), key("node-o"))
    )

    for mended, code in (
        ({}, Code.TX_UNKNOWN_ID),
        ({"issuer": "DEMO"}, Code.TX_TEXT),
        ({"name": "Zwethmunt"}, Code.WIJK_EXISTS),
        ({"wijk_id": "overschie"}, Code.WIJK_BAD_CODE),
        ({"place": "WK059904"}, Code.WIJK_BAD_CURRENCY),
        ({"currency": "EUR"}, Code.WIJK_NO_PROOF),
        ({"proof": proof}, Code.WIJK_HOLDERS),
    ):
        wrong = replace(wrong, **mended)
        assert executed_code(endorse(ledger, wrong)) == code.number
    mended_keys = (HeldKey(key("o-r"), holder("o-a")), HeldKey(key("o-s"), holder("o-s")))
    right = replace(wrong, threshold=2, registrar_keys=mended_keys)
    assert executed_code(endorse(ledger, right)) == 0


def test_wijk_set_param_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    def by_vote(call: SetParam) -> Code | None:
        refusal = enact(ledger, call)
        return None if refusal is None else refusal.code

    late = epoch(ledger) + 90
    assert by_vote(SetParam("no-such", raw(-1), 0)) is Code.WIJK_UNKNOWN
    assert by_vote(SetParam("seconders", raw(-1), 0)) is Code.WIJK_BOUNDS
    assert by_vote(SetParam("seconders", raw(2), 0)) is Code.WIJK_TOO_SOON
    assert by_vote(SetParam("seconders", raw(2), late)) is Code.WIJK_NO_DECISION
    assert executed_code(endorse(ledger, SetParam("seconders", raw(2), late))) == 0

    brand = SetParam("coin.name", raw("@"), 0)
    assert executed_code(endorse(ledger, SetParam("seconders", raw("x"), 0))) == (
        Code.WIJK_BOUNDS.number
    )
    assert by_vote(brand) is Code.TX_TEXT
    assert by_vote(replace(brand, value=raw("Munt"))) is Code.WIJK_TOO_SOON
    assert by_vote(replace(brand, value=raw("Munt"), from_epoch=late)) is None


def test_wijk_register_role_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    other = NodeKeys(key("node-new"), key("transport-new"), bytes(64))
    message = node_proof_bytes(ledger.chain.digest, other.validator, other.transport)

    def refuse(code: Code, role: Any, who: bytes, node: NodeKeys | None) -> None:
        call = RegisterRole(role, who, 0, 0, node)
        assert_refused(ledger.by_board("delfshaven", call), code)

    refuse(Code.TX_ROLE, "ARBITER", account("nobody"), other)
    refuse(Code.TX_UNKNOWN_ACCOUNT, "TREASURY", account("bram"), other)
    refuse(Code.WIJK_HOLDERS, "TREASURY", ANNA, other)
    refuse(Code.WIJK_NO_PROOF, "VALIDATOR", ANNA, other)
    other = replace(other, proof=sign(seed("node-new"), message))
    refuse(Code.WIJK_SET_CHANGE, "VALIDATOR", ANNA, other)
    refuse(Code.WIJK_EXPIRED, "VALIDATOR", ANNA, None)
    done = RegisterRole("VALIDATOR", ANNA, 0, NO_END_S, None)
    assert_done(ledger.by_board("delfshaven", done))


def test_wijk_fed_propose_and_fed_endorse_check_in_the_order_of_the_catalogue_b7() -> None:
    ledger = Ledger(wijken=4)
    federal = FedPropose(encode(SetParam("seconders", raw(2), epoch(ledger) + 90)))
    nested = FedPropose(encode(FedEndorse(bytes(32), 1)))
    local = FedPropose(encode(MINTER))
    matter = object_id(ledger.by_board("noord", federal))
    closed = object_id(ledger.by_board("noord", federal))
    for wijk in ("noord", "feijenoord"):
        assert_done(ledger.by_board(wijk, FedEndorse(closed, 0)))
    assert_done(ledger.by_board("noord", FedEndorse(matter, 1)))

    change(ledger, WIJKEN, "noord", status="REMOVED")
    assert_refused(ledger.by_board("noord", FedPropose(b"\xc0")), Code.TX_MALFORMED)
    assert_refused(ledger.by_board("noord", nested), Code.TX_ROLE)
    assert_refused(ledger.by_board("noord", FedEndorse(bytes(32), 1)), Code.TX_UNKNOWN_ID)
    assert_refused(ledger.by_board("noord", FedEndorse(closed, 1)), Code.TX_ROLE)
    change(ledger, WIJKEN, "noord", status="ACTIVE")
    assert_refused(ledger.by_board("noord", nested), Code.WIJK_NESTED)
    assert_refused(ledger.by_board("noord", local), Code.WIJK_NOT_FEDERAL)
    assert_refused(ledger.by_board("noord", FedEndorse(matter, 1)), Code.WIJK_ALREADY_VOTED)
    ledger.time_s += FED_LIFE_S
    assert_refused(ledger.by_board("noord", FedEndorse(closed, 1)), Code.WIJK_DONE)
    assert_refused(ledger.by_board("noord", FedEndorse(matter, 1)), Code.WIJK_EXPIRED)


# -------------------------------------------------------------------------------------- members


def test_members_admit_and_attach_check_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", wallet_cap=20_000)
    small = ((0, raw([["BU05990310"]])),)
    put(ledger, PARAMS, small, FEDERATION, "small_areas")
    admit = Admit(key("anna"), "BUSINESS", "BU05180310", 2014, ("VOTE",), 30_000)

    for mended, code in (
        ({}, Code.MEMBERS_EXISTS),
        ({"key": key("eva")}, Code.MEMBERS_BAD_AREA),
        ({"area": "BU05990310"}, Code.MEMBERS_SMALL_AREA),
        ({"area": "BU05990311"}, Code.MEMBERS_FLAGS),
        ({"flags": ()}, Code.MEMBERS_MODE),
    ):
        admit = replace(admit, **mended)
        assert_refused(ledger.by_registrar("delfshaven", admit), code)
    assert_done(ledger.by_registrar("delfshaven", replace(admit, limit=20_000)))

    low, high = sorted((NewAccount(key(n), "TEAM", 30_000) for n in "xy"), key=lambda n: n.key)
    known = replace(low, key=key("anna"))
    for batch, code in (
        ((high, low, known), Code.MEMBERS_EXISTS),
        ((high, low), Code.MEMBERS_UNSORTED),
        ((low, high), Code.MEMBERS_MODE),
    ):
        assert_refused(ledger.by_registrar("delfshaven", Attach(batch)), code)


def test_members_set_limits_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", wallet_cap=20_000)
    places = (Place("GM0599", 2026, None),)
    call = SetLimits(account("nobody"), ("STAND", "VOTE"), 9_999, 0, 0, 0, 0, 0, None, None, places)

    for mended, code in (
        ({}, Code.TX_UNKNOWN_ACCOUNT),
        ({"account": ANNA}, Code.TX_AMOUNT),
        ({"limit": 20_001}, Code.MEMBERS_FLAGS),
        ({"flags": ("VOTE", "STAND")}, Code.MEMBERS_MODE),
        ({"limit": 20_000}, Code.MEMBERS_BAD_CODE),
    ):
        call = replace(call, **mended)
        assert_refused(ledger.by_registrar("delfshaven", call), code)
    assert_done(ledger.by_registrar("delfshaven", replace(call, places=())))


# ---------------------------------------------------------------------------------- the rule B5


def test_b5_who_may_is_checked_before_anything_of_the_call(ledger: Ledger) -> None:
    """A call that is wrong in every way tells those who may not send it that, and no more."""
    wrong: tuple[Any, ...] = (
        SetMinter("nowhere:EUR", 0),
        Admit(key("anna"), "PERSON", "", 0, (), 0),
        RegisterRole("TREASURY", account("nobody"), 0, 0, None),
        SetParam("no-such", raw(0), 0),
        FedPropose(b""),
        FedEndorse(bytes(32), 1),
    )
    for call in wrong:
        assert_refused(ledger.by_person("anna", call), Code.TX_ROLE)
