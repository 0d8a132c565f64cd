"""pain.001.001.09 for payouts, judged by the official schema and read back (economy C14)."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bank.pain001 import (
    CENTS_MAX,
    NAMESPACE,
    PAYMENTS_MAX,
    Debtor,
    Payout,
    end_to_end_id,
    write_payouts,
)
from bank.reference import is_iban

NS = {"p": NAMESPACE}
IBAN, OTHER = "NL91ABNA0417164300", "NL20INGB0001234567"
DEBTOR = Debtor(iban=IBAN, name="Wijk Delfshaven")
ANNA = Payout(request=bytes(range(32)), iban=OTHER, name="A. de Vries", cents=1_250)


def load_schema() -> etree.XMLSchema:
    """Return the schema of ISO 20022 as the package sepaxml carries it, unchanged."""
    spec = importlib.util.find_spec("sepaxml")
    assert spec is not None
    assert spec.origin is not None
    return etree.XMLSchema(file=str(Path(spec.origin).parent / "schemas/pain.001.001.09.xsd"))


SCHEMA = load_schema()


def write(*payouts: Payout, debtor: Debtor = DEBTOR) -> bytes:
    return write_payouts(payouts, debtor, pay_on="2026-01-05", made_at="2026-01-02T10:00:00")


def read(data: bytes) -> etree._Element:
    """Return the document, valid against the schema."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    root = etree.fromstring(data, parser)
    SCHEMA.assertValid(root)
    return root


def texts(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(f"{path}/text()", namespaces=NS)]


def iban_of(number: int) -> str:
    body = f"INGB{number:010d}"
    digits = int("".join(str(int(letter, 36)) for letter in f"{body}NL00"))
    return f"NL{98 - digits % 97:02d}{body}"


def test_c14_a_batch_is_valid_and_says_what_it_pays() -> None:
    more = Payout(request=b"\xff" * 32, iban=iban_of(1), name="Bakker", cents=5)

    root = read(write(ANNA, more))

    assert texts(root, "//p:EndToEndId") == [
        end_to_end_id(ANNA.request),
        end_to_end_id(b"\xff" * 32),
    ]
    assert texts(root, "//p:InstdAmt") == ["12.50", "0.05"]
    assert root.xpath("//p:InstdAmt/@Ccy", namespaces=NS) == ["EUR", "EUR"]
    assert texts(root, "//p:CdtrAcct/p:Id/p:IBAN") == [OTHER, iban_of(1)]
    assert texts(root, "//p:DbtrAcct/p:Id/p:IBAN") == [IBAN]
    assert texts(root, "//p:Cdtr/p:Nm") == ["A. de Vries", "Bakker"]
    assert texts(root, "//p:SvcLvl/p:Cd") == ["SEPA"]
    assert texts(root, "//p:ChrgBr") == ["SLEV"]
    assert texts(root, "//p:ReqdExctnDt/p:Dt") == ["2026-01-05"]
    assert texts(root, "//p:NbOfTxs") == ["2", "2"]
    assert texts(root, "//p:CtrlSum") == ["12.55", "12.55"]
    assert root.xpath("//p:PstlAdr", namespaces=NS) == []


def test_c14_an_end_to_end_id_has_27_characters_of_the_request() -> None:
    name = end_to_end_id(bytes(range(32)))

    assert name == "WAAAQEAYEAUDAOCAJBIFQYDIOB4"
    assert len(name) == 27
    assert end_to_end_id(bytes(range(16)) + bytes(16)) == name


def test_the_same_values_give_the_same_bytes() -> None:
    assert write(ANNA) == write(replace(ANNA))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Zoë Müller-Çelik", "Zoe Muller-Celik"),
        ('<script>&"', "script"),
        ("名前", ".."),
        ("", "."),
        ("   ", "."),
        ("x" * 100, "x" * 70),
    ],
)
def test_names_are_what_banks_take(name: str, written: str) -> None:
    root = read(write(replace(ANNA, name=name)))

    (found,) = texts(root, "//p:Cdtr/p:Nm")
    assert found.strip(".") == written.strip(".")
    assert 1 <= len(found) <= 70


WRONG = [
    replace(ANNA, iban="NL91ABNA0417164301"),
    replace(ANNA, iban=""),
    replace(ANNA, cents=0),
    replace(ANNA, cents=-5),
    replace(ANNA, cents=CENTS_MAX + 1),
    replace(ANNA, request=bytes(31)),
]


@pytest.mark.parametrize("payout", WRONG, ids=range(len(WRONG)))
def test_what_no_bank_would_take_is_refused_before_a_byte_is_written(payout: Payout) -> None:
    with pytest.raises(ValueError, match="payout 0"):
        write(payout)


def test_a_batch_is_bounded_and_holds_a_request_once() -> None:
    many = [replace(ANNA, request=bytes([i, i >> 8]) + bytes(30)) for i in range(PAYMENTS_MAX + 1)]

    read(write(*many[:PAYMENTS_MAX]))
    for payouts in ([], many, [ANNA, ANNA], [replace(one, cents=CENTS_MAX) for one in many[:2]]):
        with pytest.raises(ValueError, match=r"batch|twice"):
            write(*payouts)
    with pytest.raises(ValueError, match="pays"):
        write(ANNA, debtor=replace(DEBTOR, iban="NL00"))


@given(
    st.lists(
        st.tuples(
            st.binary(min_size=32, max_size=32),
            st.integers(0, 10**10 - 1),
            st.text(max_size=90),
            st.integers(1, CENTS_MAX // 200),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda row: row[0],
    ),
    st.text(max_size=90),
)
def test_every_batch_is_valid_and_adds_up(
    rows: list[tuple[bytes, int, str, int]], debtor: str
) -> None:
    payouts = [
        Payout(request=request, iban=iban_of(number), name=name, cents=cents)
        for request, number, name, cents in rows
    ]
    assert all(is_iban(payout.iban) for payout in payouts)

    root = read(write(*payouts, debtor=replace(DEBTOR, name=debtor)))

    amounts = [int(text.replace(".", "")) for text in texts(root, "//p:InstdAmt")]
    assert amounts == [cents for *_, cents in rows]
    assert texts(root, "//p:CtrlSum") == [f"{sum(amounts) // 100}.{sum(amounts) % 100:02d}"] * 2


def test_accounts_and_names_stay_out_of_repr() -> None:
    shown = repr(ANNA) + repr(DEBTOR)

    assert re.search(r"NL[0-9]{2}", shown) is None
    assert "Vries" not in shown
