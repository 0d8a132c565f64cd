"""What the treasurer's program says of a bank file that nobody should attest (economy C5)."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.texts import Problem
from tests.bank.camt_writer import RESERVE, Day, Item, document
from tests.bank.test_document import BILLION_LAUGHS
from wallet.bank_evidence import read_statements, statement_calls
from wallet.terminal import Terminal

VERSIONS = ("02", "08")
MIB = 1024 * 1024
EMPTY = Day(closing="0.00", items=())


def with_head(version: str, head: str) -> bytes:
    declaration, _, rest = document(version=version).decode().partition("\n")
    return f"{declaration}\n{head}{rest}".encode()


def twice(version: str) -> bytes:
    """A day with one deposit listed two times."""
    return document(Day(closing="20.00", items=(Item(), Item())), version=version)


HOSTILE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "billion laughs": (lambda v: with_head(v, BILLION_LAUGHS), "bank.forbidden"),
    "external entity": (
        lambda v: with_head(v, '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        "bank.forbidden",
    ),
    "external document type": (
        lambda v: with_head(v, '<!DOCTYPE Document SYSTEM "http://127.0.0.1/x.dtd">'),
        "bank.forbidden",
    ),
    "dollars": (
        lambda v: document(Day(ccy="USD", items=(Item(ccy="USD"),)), version=v),
        "bank.other-currency",
    ),
    "dollars among euros": (
        lambda v: document(Day(items=(Item(ccy="USD"),)), version=v),
        "bank.currency",
    ),
    "a deposit twice": (twice, "bank.same-entry"),
    "a day twice": (lambda v: document(EMPTY, EMPTY, version=v), "bank.same-statement"),
    "not a bank file": (lambda _v: b"\x89PNG\r\n\x1a\n" + bytes(100), "bank.not-utf8"),
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    monkeypatch.setenv("WIJK_HOME", str(tmp_path))
    monkeypatch.setenv("WIJK_LANG", "en")
    return Terminal()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_words_and_quickly(
    terminal: Terminal, tmp_path: Path, name: str, version: str
) -> None:
    make, code = HOSTILE[name]
    path = tmp_path / "bank.xml"
    path.write_bytes(make(version))
    began = time.process_time()

    with pytest.raises(Problem) as caught:
        read_statements(terminal, path, RESERVE)

    assert time.process_time() - began < 2
    assert caught.value.number == 1001
    cause = str(caught.value.params["cause"])
    assert cause.endswith(f"[{code}]")
    assert len(cause) > len(code) + 10  # words, not a code alone


def test_a_file_of_200_mb_is_refused_without_reading_it(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "bank.xml"
    with path.open("wb") as file:
        file.truncate(200 * MIB)
    tracemalloc.start()
    began = time.process_time()

    with pytest.raises(Problem) as caught:
        read_statements(terminal, path, RESERVE)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.number == 1001
    assert str(caught.value.params["cause"]).endswith("larger than 16 MiB [bank.too-large]")
    assert peak < 8 * MIB
    assert time.process_time() - began < 2


@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_of_a_day_give_the_same_call(
    terminal: Terminal, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "bank.xml"
    path.write_bytes(document(version=version))

    (statement,) = read_statements(terminal, path, RESERVE)

    (call,) = statement_calls(statement, RESERVE)
    assert (call.opening, call.closing, call.date) == (0, 1_000, 20_260_102)
    assert [(entry.cents, entry.side) for entry in call.entries] == [(1_000, "C")]


def test_a_file_that_is_not_there_is_told(terminal: Terminal, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        read_statements(terminal, tmp_path / "none.xml", RESERVE)

    assert caught.value.number == 3007
