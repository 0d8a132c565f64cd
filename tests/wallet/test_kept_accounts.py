"""Of which account a key is: proven, kept where its own does not have it, forgotten again (B4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import wallet.order
from chain.address import account_id, account_text
from chain.keyspaces import AccountKey, AccountRecord
from chain.texts import Problem
from node.client import Sign
from wallet.kept_accounts import account_of, keep_account, load_kept
from wallet.keystore import KeyFile
from wallet.order import find_account, reading_signs

NEW, SECOND, OTHER = (bytes([number]) * 32 for number in (1, 2, 9))


def named_after(key: bytes) -> str:
    return account_text(account_id(key))


SHARED = named_after(OTHER)


@dataclass
class Key:
    """What an order reads of a key file."""

    key: bytes
    name: str = "k"

    @property
    def public_key(self) -> str:
        return self.key.hex()

    @property
    def account(self) -> str:
        return named_after(self.key)


def record(*keys: bytes, kind: str = "ASSOCIATION") -> AccountRecord:
    held = tuple(AccountKey(index, key, bytes(32), 0) for index, key in enumerate(keys))
    return AccountRecord(kind, "w1", "ACTIVE", 1, held, ())


@dataclass
class Desk:
    """A terminal whose node says what is in `told`, and can prove only what is in `state`."""

    home: Path
    state: dict[str, AccountRecord]
    told: dict[str, AccountRecord]
    busy: int | None = None
    held: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    reader: Any = None
    asked: int = 0

    @property
    def client(self) -> "Desk":
        return self

    def find_account(self, account: str) -> dict[str, Any] | None:
        found = self.told.get(account)
        if found is None:
            return None
        keys = [{"index": one.index, "public_key": one.key.hex()} for one in found.keys]
        return {"account": account, "kind": found.kind.lower(), "wijk": found.wijk, "keys": keys}

    def accounts_of(self, public_key: str, _sign: Callable[[], Sign]) -> list[tuple[str, int]]:
        self.asked += 1
        if self.busy is not None:
            raise Problem(self.busy, what="keys")
        key = bytes.fromhex(public_key)
        return [
            (account, one.index)
            for account, found in self.told.items()
            for one in found.keys
            if one.key == key
        ]

    def state_proof(self, key: str) -> AccountRecord | None:
        return self.state.get(key.removeprefix("account/"))


@pytest.fixture(autouse=True)
def _proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proof shows is `Desk.state`; how it is judged is tested with `wallet/verify.py`."""

    def find(prove: Callable[[str], Any], key: str, _kind: object, _policy: object) -> Any:
        return prove(key)

    def prove_it(prove: Callable[[str], Any], key: str, _kind: object, _policy: object) -> Any:
        found = prove(key)
        if found is None:
            raise Problem(5001, cause=key)
        return found

    monkeypatch.setattr(wallet.order, "find_value", find)
    monkeypatch.setattr(wallet.order, "prove_value", prove_it)
    monkeypatch.setattr(wallet.order, "trusted_policy", lambda _terminal: None)
    monkeypatch.setattr(wallet.order, "_sign_as", lambda _t, _key, account, at: (account, at))


def acts_for(desk: Any, *keys: bytes) -> str:
    desk.held.clear()
    files: Sequence[Any] = [Key(key) for key in keys]
    return str(find_account(desk, files)["account"])


def kept(home: Path, key: bytes) -> str:
    file: Any = Key(key)
    return account_of(home, file)


@pytest.mark.parametrize("kind", ["PERSON", "BOARD", "ROLE"])
def test_no_kind_of_account_is_ones_own_by_a_nodes_word(tmp_path: Path, kind: str) -> None:
    truth = record(OTHER, kind="PERSON")
    for state in ({}, {SHARED: truth}):
        with pytest.raises(Problem) as refused:
            acts_for(Desk(tmp_path, state, {SHARED: record(OTHER, NEW, kind=kind)}), NEW)
        assert refused.value.number == 5001
    assert load_kept(tmp_path) == {}


def test_kind_and_keys_are_what_is_proven(tmp_path: Path) -> None:
    """A node that calls an association a board changes neither how it acts nor what is kept."""
    truth = record(OTHER, NEW)
    told = record(NEW, kind="BOARD")
    desk: Any = Desk(tmp_path, {SHARED: truth}, {SHARED: told})
    key: Any = Key(NEW)

    found = find_account(desk, [key])

    assert (found["kind"], found["threshold"], found["wijk"]) == ("association", 1, "w1")
    assert [one["public_key"] for one in found["keys"]] == [OTHER.hex(), NEW.hex()]
    (known,) = load_kept(tmp_path).values()
    assert (known.account, known.index) == (SHARED, 1)


def test_an_order_of_an_association_leaves_each_key_its_own_account(tmp_path: Path) -> None:
    state = {
        named_after(NEW): record(NEW),
        named_after(SECOND): record(SECOND),
        SHARED: record(OTHER, NEW, SECOND),
    }
    desk = Desk(tmp_path, state, state)

    assert acts_for(desk, NEW, SECOND) == SHARED
    assert load_kept(tmp_path) == {}
    assert acts_for(desk, NEW) == named_after(NEW)


def test_hiding_the_own_account_keeps_nothing(tmp_path: Path) -> None:
    state = {named_after(NEW): record(NEW), SHARED: record(OTHER, NEW)}

    assert acts_for(Desk(tmp_path, state, {SHARED: state[SHARED]}), NEW) == SHARED
    assert kept(tmp_path, NEW) == named_after(NEW)


@pytest.mark.parametrize(
    "state",
    [
        {named_after(NEW): record(NEW), SHARED: record(OTHER, NEW)},
        {named_after(NEW): record(NEW), SHARED: record(OTHER)},
    ],
    ids=["its own has it", "the other has it no longer"],
)
def test_what_a_proof_denies_is_forgotten(tmp_path: Path, state: dict[str, AccountRecord]) -> None:
    file: Any = Key(NEW)
    keep_account(tmp_path, file, SHARED, 1)

    assert acts_for(Desk(tmp_path, state, state), NEW) == named_after(NEW)
    assert kept(tmp_path, NEW) == named_after(NEW)


def test_a_key_that_left_its_account_is_of_none(tmp_path: Path) -> None:
    file: Any = Key(NEW)
    keep_account(tmp_path, file, SHARED, 1)
    desk = Desk(tmp_path, {SHARED: record(OTHER)}, {SHARED: record(OTHER)})

    with pytest.raises(Problem) as refused:
        acts_for(desk, NEW)
    assert refused.value.number == 2008
    assert load_kept(tmp_path) == {}


@pytest.mark.parametrize("number", [3004, 3007])
def test_who_is_known_reads_where_keys_cannot_be_asked_about(tmp_path: Path, number: int) -> None:
    """Strangers can fill what a node remembers of keys, and older nodes have no such route."""
    desk: Any = Desk(tmp_path, {}, {}, busy=number, reader=Key(NEW))
    signs: Any = reading_signs(desk)

    assert next(signs) == (named_after(NEW), 0)
    assert desk.asked == 0, "a node that is content is asked nothing"
    assert list(signs) == []
    file: KeyFile = desk.reader
    keep_account(tmp_path, file, SHARED, 1)
    again: Any = list(reading_signs(desk))
    assert again == [(SHARED, 1), (named_after(NEW), 0)]
