"""Genesis: what is refused, with the place named, and what the first state holds (W36)."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import tree
from chain.address import account_text
from chain.books import get_balance, get_supply
from chain.contract import Table
from chain.crypto import sha256, sign
from chain.errors import Malformed
from chain.genesis import (
    founding_decision_id,
    load_genesis,
    make_base,
    parse_time_ms,
    possession_bytes,
)
from chain.keyspaces import (
    ACCOUNTS,
    CAPS,
    DECISIONS,
    FEDERATION_WIJKEN,
    ISSUERS,
    MEMBERS,
    NEXT_KEY,
    NO_END_S,
    NO_LIMIT,
    PACTS,
    RESERVES,
    ROLES,
    SEATS,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    STATEMENTS,
    VALIDATOR_SETS,
    WIJKEN,
    Issuer,
    Member,
    Wijk,
    get_param,
)
from chain.params import FEDERATION
from chain.state import State
from chain.strict_json import canonical_json
from contracts import CONTRACTS
from tests.federation import (
    CBS_CODES,
    account,
    board,
    holder,
    key,
    make_document,
    make_genesis,
    registrar,
    reserve,
    seed,
)

Document = dict[str, Any]
A = "delfshaven-board-a"
BIG = 2**53


def load(document: Document) -> Any:
    return load_genesis(canonical_json(document))


def one(document: Document, part: str, place: int = 0) -> Document:
    found: Document = document[part][place]
    return found


def account_of(document: Document, name: str) -> Document:
    text = account_text(account(name))
    return next(each for each in document["accounts"] if each["id"] == text)


# ------------------------------------------------------------------------ W36: what is refused

Change = Callable[[Document], object]


def prove(document: Document, place: int = 0) -> None:
    """Sign the possession of validators[place] again, with the test's seed of its key."""
    entry = document["validators"][place]
    name = entry["name"]
    message = possession_bytes(
        document["chain_id"],
        bytes.fromhex(entry["public_key"]),
        bytes.fromhex(entry["transport_key"]),
    )
    entry["proof"] = sign(seed(f"node-{name}"), message).hex()


def take_transport_key_of_another(document: Document) -> None:
    one(document, "validators")["transport_key"] = document["validators"][1]["transport_key"]
    prove(document)


def take_key_of_an_account(document: Document) -> None:
    one(document, "validators")["transport_key"] = key("anna").hex()
    prove(document)


def same_name(document: Document) -> None:
    document["validators"][1]["name"] = document["validators"][0]["name"]


def registrar_of(document: Document, name: str) -> None:
    one(document, "wijken")["registrar"] = account_text(account(name))


def add_account(document: Document, **changes: Any) -> None:
    entry = {
        "id": account_text(account("eva")),
        "wijk": "delfshaven",
        "kind": "person",
        "threshold": 1,
        "keys": [{"key": key("eva").hex(), "holder": holder("eva").hex()}],
        "flags": [],
        "limit_cents": None,
        "balance_cents": 0,
    }
    document["accounts"].append(entry | changes)


def add_issuer(document: Document, **changes: Any) -> None:
    document["issuers"].append({**document["issuers"][0], "code": "OTHER"} | changes)


def set_issuer(document: Document, **changes: Any) -> None:
    document["issuers"][0].update(changes)


def shared_keys(*names: str) -> list[dict[str, str]]:
    return [{"key": key(n).hex(), "holder": holder(n).hex()} for n in names]


def two_keys_of_one(document: Document) -> None:
    keys = shared_keys("eva", "fay")
    keys[1]["holder"] = keys[0]["holder"]
    add_account(document, keys=keys, threshold=2)


def role_above_the_cap(document: Document) -> None:
    set_issuer(document, wallet_cap_cents=15_000)
    for entry in document["accounts"]:
        entry["limit_cents"] = None if entry["kind"] in ("board", "role") else 15_000
    add_account(document, kind="role", balance_cents=15_000)
    load(document | {"opening_statements": [one(document, "opening_statements") | {
        "closing_cents": 25_000}, document["opening_statements"][1]]})  # fmt: skip
    document["accounts"][-1]["balance_cents"] = 15_001


def role_with_a_limit(document: Document) -> None:
    role_above_the_cap(document)
    document["accounts"][-1] |= {"balance_cents": 0, "limit_cents": 15_000}
    load(document)
    document["accounts"][-1]["limit_cents"] = 15_001


def put(path: str, value: Any) -> Change:
    """Return a change that sets the value at a path such as `wijken.0.coin.denom`."""

    def change(document: Document) -> None:
        target: Any = document
        *way, last = path.split(".")
        for step in way:
            target = target[int(step)] if isinstance(target, list) else target[step]
        target[last] = value

    return change


REFUSED: list[tuple[str, Change, str]] = [
    # Form: the decoder names the place.
    ("unknown field", put("colour", "red"), r"colour"),
    ("unknown field inside", put("wijken.0.colour", "red"), r"colour.*\$\.wijken\[0\]"),
    ("missing field", lambda d: d.pop("federation"), "federation"),
    ("format", put("format", "wijk/genesis/2"), r"\$\.format"),
    ("chain id", put("chain_id", "Test"), r"\$\.chain_id"),
    ("purpose", put("purpose", "play"), r"\$\.purpose"),
    ("time form", put("genesis_time", "2026-01-01"), r"\$\.genesis_time"),
    ("time that is none", put("genesis_time", "2026-02-30T00:00:00.000Z"), "genesis_time"),
    ("hour that is none", put("genesis_time", "2026-02-03T24:00:00.000Z"), "genesis_time"),
    ("minute that is none", put("genesis_time", "2026-02-03T01:60:00.000Z"), "genesis_time"),
    ("no validators", put("validators", []), r"\$\.validators"),
    ("no wijken", put("wijken", []), r"\$\.wijken"),
    ("slug", put("wijken.0.slug", "Delfshaven"), r"\$\.wijken\[0\]\.slug"),
    ("cbs code", put("wijken.0.cbs_code", "BU05990310"), r"cbs_code"),
    ("negative balance", put("accounts.0.balance_cents", -1), r"balance_cents"),
    ("17 keys", lambda d: add_account(d, keys=shared_keys(*(f"k{i}" for i in range(17)))), "keys"),
    # Validators.
    ("three validators live", put("purpose", "live"), "validators: a live chain"),
    ("small-order key", put("validators.0.public_key", "00" * 32), r"validators\[0\].*key"),
    ("small-order transport", put("validators.1.transport_key", "00" * 32), r"validators\[1\]"),
    ("wrong proof", put("validators.0.proof", "00" * 64), r"validators\[0\].*possession"),
    ("key of another", put("validators.0.public_key", key("node-noord").hex()), r"validators\[0\]"),
    ("transport key twice", take_transport_key_of_another, "a key stands twice"),
    ("account key", take_key_of_an_account, r"validators\[0\].*account"),
    ("chain id not in proof", put("chain_id", "other-chain"), "possession"),
    ("two of one name", same_name, "two of one name"),
    ("validator of no wijk", put("validators.0.wijk", "nowhere"), r"validators\[0\].*nowhere"),
    # Parameters.
    ("unknown parameter", put("params.speed", 1), r"params\.speed"),
    ("brand as parameter", put("params", {"coin.name": "x"}), r"params\.coin\.name"),
    ("bounds", put("params.seconders", 0), r"params\.seconders"),
    ("type", put("params.seconders", "5"), r"params\.seconders"),
    ("bool", put("params.seconders", True), r"params\.seconders"),
    ("table", put("params.small_areas", [["wk"]]), r"params\.small_areas"),
    ("reserves", put("params.reserves", []), r"params\.reserves"),
    # Issuers (economy C7).
    ("mode", put("issuers.0.mode", "FREE"), r"issuers\[0\].*FREE"),
    ("issuer twice", lambda d: add_issuer(d, code="DEMO"), r"issuers\[1\].*twice"),
    ("exempt wallets", lambda d: add_issuer(d, mode="EXEMPT_150", wallet_cap_cents=15_001),
     r"issuers\[1\].*EXEMPT_150"),
    ("exempt total", lambda d: add_issuer(d, mode="EXEMPT_150", total_cap_cents=500_000_001),
     r"issuers\[1\].*EXEMPT_150"),
    ("limit above the cap", lambda d: set_issuer(d, wallet_cap_cents=5), r"accounts\[\d+\].*DEMO"),
    ("limit above the law's cap", lambda d: set_issuer(d, mode="EXEMPT_150"), "DEMO"),
    ("total cap", lambda d: set_issuer(d, total_cap_cents=14_999), r"wijken\[1\].*DEMO"),
    # Wijken.
    ("denom", put("wijken.0.coin.denom", "noord:EUR"), r"wijken\[0\].*delfshaven:EUR"),
    ("currency", put("wijken.0.coin.denom", "delfshaven:USD"), r"wijken\[0\]"),
    ("no issuer", put("wijken.0.issuer", "NOBODY"), r"wijken\[0\].*NOBODY"),
    ("slug twice", lambda d: d["wijken"].append(d["wijken"][0]), r"wijken\[2\].*twice"),
    ("coin name", put("wijken.0.coin.name", "a@b"), r"wijken\[0\].*coin\.name"),
    ("coin plural", put("wijken.0.coin.plural", "NL91ABNA0417164300"), r"coin\.plural"),
    ("coin symbol", put("wijken.0.coin.symbol", "€"), r"coin\.symbol"),
    ("board is no account id", put("wijken.0.board", "wijk1x"), r"wijken\[0\].*wijk1x"),
    ("board of another", put("wijken.0.board", account_text(board("noord"))), r"wijken\[0\]"),
    ("board is a person", put("wijken.0.board", account_text(account("anna"))), "board"),
    ("nobody registers", lambda d: registrar_of(d, "nobody"), "registry is not an account"),
    ("registrar of another", lambda d: registrar_of(d, "noord-registrar-a"), "registry is not"),
    ("one registrar", lambda d: registrar_of(d, "anna"), r"wijken\[0\].*registry.*B5"),
    ("board registers", lambda d: registrar_of(d, A), r"wijken\[0\].*registry.*B5"),
    ("treasury of one", put("wijken.0.treasury", account_text(account("anna"))), "treasury.*B5"),
    # Accounts.
    ("account id", put("accounts.0.id", account_text(account("anna"))), "accounts.*first key"),
    ("account text", put("accounts.0.id", "wijk1" + "q" * 38), r"accounts\[0\].*checksum"),
    ("bad key", lambda d: add_account(d, keys=[{"key": "00" * 32, "holder": "00" * 32}]),
     r"accounts\[6\].*0000"),
    ("key of another account", lambda d: add_account(d, keys=shared_keys("eva", "anna")),
     r"accounts\[6\].*accounts\[4\]"),
    ("account twice", lambda d: d["accounts"].append(d["accounts"][0]), r"accounts\[6\]"),
    ("kind", lambda d: add_account(d, kind="robot"), r"accounts\[6\].*robot"),
    ("kind in capitals", lambda d: add_account(d, kind="PERSON"), r"accounts\[6\].*PERSON"),
    ("account of no wijk", lambda d: add_account(d, wijk="nowhere"), r"accounts\[6\].*nowhere"),
    ("threshold", lambda d: add_account(d, threshold=2), r"accounts\[6\].*threshold"),
    ("threshold above the holders", two_keys_of_one, r"accounts\[6\].*holders"),
    ("flags", lambda d: add_account(d, flags=["SING"]), r"accounts\[6\].*flags"),
    ("flags twice", lambda d: add_account(d, flags=["VOTE", "VOTE"]), r"accounts\[6\].*flags"),
    ("a team stands", lambda d: add_account(d, kind="team", flags=["STAND"]), r"\[6\].*members"),
    ("kind of another alphabet", lambda d: add_account(d, kind="per\u017fon"), r"accounts\[6\]"),
    ("a fund with a limit", lambda d: add_account(d, kind="board", limit_cents=5), "fund"),
    ("a second board", lambda d: add_account(d, kind="board"), r"accounts\[6\].*another board"),
    ("a role above its cap", role_above_the_cap, r"accounts\[6\].*limit"),
    ("a role with a limit above the cap", role_with_a_limit, r"accounts\[6\].*wallet cap"),
    ("a shop votes", lambda d: add_account(d, kind="business", flags=["VOTE"]), r"\[6\].*person"),
    ("balance above limit", put("accounts.4.limit_cents", 9_999), r"accounts\[4\].*limit"),
    # Money.
    ("supply unequal to reserve", put("opening_statements.0.closing_cents", 9_999), "delfshaven"),
    ("no statement", lambda d: d["opening_statements"].pop(0), "delfshaven"),
    ("two statements", lambda d: d["opening_statements"].append(d["opening_statements"][0]),
     r"opening_statements\[2\]"),
    ("reserve twice", put("opening_statements.1.reserve", reserve("delfshaven").hex()),
     r"opening_statements\[1\].*reserve"),
    ("statement of no wijk", put("opening_statements.0.wijk", "nowhere"), r"statements\[0\]"),
    ("date", put("opening_statements.0.closing_on", "2025-02-29"), r"opening_statements\[0\]"),
    # Pacts.
    ("pact with itself", put("pacts.0.wijken", ["noord", "noord"]), r"pacts\[0\]"),
    ("pact with nobody", put("pacts.0.wijken", ["noord", "nowhere"]), r"pacts\[0\]"),
    ("prefunded", put("pacts.0.mode", "PREFUNDED"), r"pacts\[0\].*PLEDGED"),
    ("second pact", lambda d: d["pacts"].append(d["pacts"][0]), r"pacts\[1\]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "place"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_w36_what_is_wrong_is_refused_with_its_place(change: Change, place: str) -> None:
    document = json.loads(json.dumps(make_document(wijken=2)))
    load(document)
    change(document)

    with pytest.raises(Malformed, match=place):
        load(document)


def test_w36_a_pact_of_different_issuers_is_not_pledged() -> None:
    """economy T2."""
    document = make_document(wijken=2)
    add_issuer(document)
    document["wijken"][1]["issuer"] = "OTHER"

    with pytest.raises(Malformed, match=r"pacts\[0\].*issuer"):
        load(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"purpose":"test"', '"purpose":"test","purpose":"test"'),
        ('"quota_person":0', '"quota_person":0.0'),
        ('"quota_person":0', '"quota_person":NaN'),
        ('"quota_person":0', '"quota_person":1e3'),
        ('"purpose":"test"', '"purpose":"te\\ud800st"'),
    ],
)
def test_w36_strict_json(old: str, new: str) -> None:
    """reliability A5: no duplicate keys, floats, NaN or lone surrogates."""
    text = canonical_json(make_document()).decode()
    assert old in text

    with pytest.raises(Malformed):
        load_genesis(text.replace(old, new).encode())


TEXTS = [
    "format", "chain_id", "purpose", "genesis_time", "federation", "issuers.0.code",
    "wijken.0.slug", "wijken.0.name", "wijken.0.cbs_code", "validators.0.name",
    "validators.0.address", "validators.0.public_key", "validators.0.transport_key",
    "validators.0.proof", "accounts.0.id", "accounts.0.kind", "accounts.0.keys.0.key",
    "accounts.0.keys.0.holder", "opening_statements.0.statement_sha256",
    "opening_statements.0.closing_on",
]  # fmt: skip


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("more", ["\n", "\x00", "\u202e"], ids=["line", "nul", "turned"])
def test_w13_no_text_ends_in_what_nobody_sees(path: str, more: str) -> None:
    """A chain id with a line end would break the note that every Commit signs (consensus M5)."""
    document = make_document(wijken=1, balances={"delfshaven/anna": 7})
    found: Any = document
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    put(path, found + more)(document)

    with pytest.raises(Malformed, match=r"genesis: .*\$\." + path.split(".", maxsplit=1)[0]):
        load(document)


def test_w36_what_is_named_is_cut() -> None:
    document = make_document()
    for params in ({"x" * 10_000: 1}, {"small_areas": [["wk"]] * 1_001}):
        document["params"] = params
        with pytest.raises(Malformed, match=r"params\.") as caught:
            load(document)
        assert len(str(caught.value)) < 200


def test_a_role_account_may_have_a_limit() -> None:
    document = make_document()
    add_account(document, kind="role", limit_cents=70)
    member = MEMBERS.get(State(load(document).state.get), account("eva"))

    assert member == Member(0, None, (), 70, 0, 0, 0, 0, 0, None, None, ())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 60_000])
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_genesis(data)


def test_balances_have_a_bound() -> None:
    document = make_document(wijken=1, balances={"delfshaven/anna": 10**13})
    assert load(document).digest
    document["accounts"][2]["balance_cents"] = 10**13 + 1

    with pytest.raises(Malformed, match="balance_cents"):
        load(document)


def test_four_validators_may_go_live() -> None:
    """consensus Q5; waiting times are then those of economy B13."""
    live = make_document(wijken=4, purpose="live", params={"epoch_s": 86_400})
    assert load(live).doc.purpose == "live"
    live["params"]["recovery_delay_s"] = 604_799

    with pytest.raises(Malformed, match=r"params\.recovery_delay_s"):
        load(live)


# --------------------------------------------------------------------------------------- digest


@given(st.sampled_from([None, 0, 1, 7]), st.booleans(), st.randoms(use_true_random=False))
def test_w36_equal_content_gives_an_equal_digest(
    indent: int | None, ascii_: bool, rng: Any
) -> None:
    """Spacing, order of names and escapes are no content; the bytes tools write are canonical."""
    document = make_document(wijken=1, balances={"delfshaven/anna": 7})
    document["federation"] = "Café"

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            names = list(value)
            rng.shuffle(names)
            return {name: shuffled(value[name]) for name in names}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    text = json.dumps(shuffled(document), indent=indent, ensure_ascii=ascii_)

    genesis = load_genesis(text.encode())

    canonical = canonical_json(document)
    assert genesis.canonical == canonical
    assert genesis.digest == sha256(canonical)
    assert genesis.state == load(document).state


@pytest.mark.parametrize(
    "change",
    [put("federation", "Other"), put("params.seconders", 6), put("wijken.0.name", "Elders")],
)
def test_other_content_gives_another_digest(change: Change) -> None:
    document = make_document()
    before = load(document).digest
    change(document)

    assert load(document).digest != before


# ---------------------------------------------------------------------------------- the state


@pytest.fixture
def state() -> State:
    return State(make_genesis(params={"seconders": 3}).state.get)


def test_wijken_with_their_brand(state: State) -> None:
    assert FEDERATION_WIJKEN.get(state) == ("delfshaven", "noord")
    assert WIJKEN.get(state, "delfshaven") == Wijk(
        CBS_CODES[0], 2014, "EUR", board("delfshaven"), "DEMO", bytes(32), "ACTIVE", 0
    )
    assert get_param(state, "noord", "coin.name", 0) == "Munt"
    assert get_param(state, FEDERATION, "seconders", 0) == 3
    assert get_param(state, FEDERATION, "quorum_pct", 0) is None  # the default is not written


def test_accounts_and_members(state: State) -> None:
    record = ACCOUNTS.get(state, account("anna"))
    assert record is not None
    assert (record.kind, record.wijk, record.status, record.threshold) == (
        "PERSON", "delfshaven", "ACTIVE", 1,
    )  # fmt: skip
    assert [(k.index, k.key, k.holder, k.added_height) for k in record.keys] == [
        (0, key("anna"), holder("anna"), 0)
    ]
    assert NEXT_KEY.get(state, account("anna")) is None
    assert MEMBERS.get(state, account("anna")) == Member(
        1, CBS_CODES[0], ("VOTE", "STAND"), NO_LIMIT, 0, 0, 0, 0, 0, None, None, ()
    )
    assert MEMBERS.get(state, board("delfshaven")) is None
    assert MEMBERS.get(state, registrar("delfshaven")) is None


def test_a_team_has_limits_and_no_membership() -> None:
    document = make_document()
    add_account(document, kind="team", limit_cents=70)
    member = MEMBERS.get(State(load(document).state.get), account("eva"))

    assert member == Member(0, None, (), 70, 0, 0, 0, 0, 0, None, None, ())


def test_roles_and_seats(state: State) -> None:
    for wijk in ("delfshaven", "noord"):
        held = {r: ROLES.get(state, wijk, r) for r in ("TREASURY", "REGISTRY", "VALIDATOR")}
        versions = {role: rows[0] for role, rows in held.items() if rows}
        assert versions["TREASURY"].account == versions["VALIDATOR"].account == board(wijk)
        assert versions["REGISTRY"].account == registrar(wijk)
        assert all((v.from_epoch, v.until) == (0, NO_END_S) for v in versions.values())
        node = (key(f"node-{wijk}"), key(f"transport-{wijk}"))
        assert versions["VALIDATOR"].node == node
        for number, letter in enumerate("abc", start=1):
            seat = SEATS.get(state, wijk, number)
            assert seat is not None
            assert (seat.key, seat.status) == (key(f"{wijk}-board-{letter}"), "ACTIVE")
        assert SEATS.get(state, wijk, 4) is None


def test_money(state: State) -> None:
    denom = "delfshaven:EUR"
    assert get_balance(state, denom, "2", account("anna")) == 10_000
    assert get_balance(state, denom, "1", reserve("delfshaven")) == 10_000
    supply = get_supply(state, denom)
    assert (supply.issued, supply.reserve, supply.redeemed) == (10_000, 10_000, 0)
    record = RESERVES.get(state, reserve("delfshaven"))
    assert record is not None
    assert (record.wijk, record.date, record.closing) == ("delfshaven", 20_251_231, 10_000)
    statement = STATEMENTS.get(state, reserve("delfshaven"), 20_251_231)
    assert statement is not None
    assert (statement.pages, statement.pages_done, statement.closing) == (1, 1, 10_000)
    rows = get_param(state, FEDERATION, "reserves", 0)
    assert rows == tuple(sorted((reserve(w), w) for w in ("delfshaven", "noord")))
    issuer = ISSUERS.get(state, "DEMO")
    assert issuer == Issuer("LICENSED", None, None, 15_000)


def test_postings_balance() -> None:
    """economy I1: a debit and a credit of the same amount per leg; class 1 against the holders."""
    genesis = make_genesis(balances={"delfshaven/anna": 1, "delfshaven/dirk": 2, "noord/bram": 3})

    pairs = list(zip(genesis.postings[::2], genesis.postings[1::2], strict=True))

    assert [(d.leg, d.klass, d.side, c.klass, c.side, d.cents, c.cents) for d, c in pairs] == [
        (0, "1", "D", "2", "C", 1, 1), (1, "1", "D", "2", "C", 2, 2), (2, "1", "D", "2", "C", 3, 3),
    ]  # fmt: skip


def test_pacts_and_caps(state: State) -> None:
    """interfaces 3.6: caps_cents[i] is what wijken[i] accepts of the other's coin."""
    document = make_document()
    document["pacts"] = [
        {"wijken": ["noord", "delfshaven"], "mode": "PLEDGED", "caps_cents": [7, 9]}
    ]
    made = State(load(document).state.get)
    pact = PACTS.get(made, "delfshaven", "noord")
    assert pact is not None
    assert (pact.cap_a, pact.cap_b, pact.until_s, pact.scope) == (9, 7, NO_END_S, ())
    assert CAPS.get(made, "noord", "delfshaven") == 7
    assert CAPS.get(made, "delfshaven", "noord") == 9


def test_founding_decisions(state: State) -> None:
    decision = DECISIONS.get(state, founding_decision_id("test-chain", "noord"))
    assert decision is not None
    assert (decision.wijk, decision.klass, decision.status, decision.cents) == (
        "noord", "BUDGET", "EXECUTED", 100_000,
    )  # fmt: skip
    assert founding_decision_id("test-chain", "noord").hex() == (
        sha256(b"\x93\xafwijk.founding.1\xaatest-chain\xa5noord").hex()
    )


def test_v1_genesis_fixes_the_first_sets(state: State) -> None:
    sets = [VALIDATOR_SETS.get(state, which) for which in (SET_LAST, SET_NOW, SET_NEXT)]
    members = sets[0]
    assert members is not None
    assert sets == [members] * 3
    assert [member.key for member in members] == sorted(member.key for member in members)
    assert {(m.name, m.wijk) for m in members} == {
        ("delfshaven", "delfshaven"), ("noord", "noord"),
    }  # fmt: skip


def test_c7_an_exempt_issuer_has_the_caps_of_the_law() -> None:
    document = make_document(balances={})
    add_issuer(document, mode="EXEMPT_150")
    issuer = ISSUERS.get(State(load(document).state.get), "OTHER")

    assert issuer == Issuer("EXEMPT_150", 15_000, 500_000_000, 0)


def test_the_base_of_block_1() -> None:
    genesis = make_genesis(params={"max_validity_s": 120})
    base = make_base(genesis, tree.build(genesis.state.items()).get)

    assert (base.height, base.block_id, base.time_ms) == (0, genesis.digest, 1_767_225_600_000)
    assert base.frontier.size == 0
    assert base.read(next(iter(genesis.state))) is not None
    chain = genesis.chain(Table(CONTRACTS))
    assert (chain.chain_id, chain.digest, chain.purpose) == ("test-chain", genesis.digest, "test")


def test_genesis_is_the_same_every_time() -> None:
    """No order of a dict or a set gets into the state."""
    document = make_document(wijken=4)
    turned = json.loads(json.dumps(document))
    turned["params"] = dict(reversed(turned["params"].items()))

    assert load(turned).state == load(document).state
    assert list(load(document).state) == sorted(load(document).state)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2026-01-01T00:00:00.000Z", 1_767_225_600_000),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
    ],
)
def test_times(text: str, ms: int) -> None:
    assert parse_time_ms(text) == ms


def test_the_document_is_frozen() -> None:
    doc = make_genesis().doc

    with pytest.raises(AttributeError):
        doc.chain_id = "other"  # type: ignore[misc]
    assert isinstance(doc, msgspec.Struct)
