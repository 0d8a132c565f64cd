"""XML of unknown origin: refused before it can hurt (economy C5)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.camt053 import Statement, parse
from bank.document import DEPTH_MAX, ELEMENTS_MAX, FILE_BYTES_MAX, Element
from bank.faults import BankFileError, Fault
from tests.bank.camt_writer import RESERVE, Day, Item, Tx, document

SAMPLES = sorted((Path(__file__).parents[2] / "genesis").glob("*.xml")) + sorted(
    (Path(__file__).parent / "data").glob("*.xml")
)
GOOD = document(Day(items=(Item(transactions=(Tx("10.00", name="Å & B", ref="T"),)),)))


def fault_of(data: bytes) -> Fault:
    with pytest.raises(BankFileError) as caught:
        parse(data, RESERVE)
    return caught.value.fault


def try_parse(data: bytes) -> tuple[Statement, ...]:
    """Return what `data` says, empty if it is refused; any other error fails the test."""
    try:
        return parse(data, RESERVE)
    except BankFileError:
        return ()


def with_head(head: str) -> bytes:
    """Return a good file with `head` before its root element."""
    declaration, _, rest = GOOD.decode().partition("\n")
    return f"{declaration}\n{head}{rest}".encode()


BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1 or str()};" * 10}">' for n in range(1, 10))
    + "]>"
)


@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE Document>",
        '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Document PUBLIC "-//x//y" "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE Document [<!ENTITY secret SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Document [<!ENTITY % remote SYSTEM "http://127.0.0.1/x.dtd">%remote;]>',
        '<!DOCTYPE Document [<!ATTLIST Amt Ccy CDATA "USD">]>',
        BILLION_LAUGHS,
        '<?xml-stylesheet href="http://127.0.0.1/x.xsl"?>',
        "<?php echo 1 ?>",
    ],
)
def test_no_document_type_entity_or_instruction_is_accepted(head: str) -> None:
    assert try_parse(with_head(""))
    assert fault_of(with_head(head)) is Fault.FORBIDDEN


def test_an_entity_that_nothing_declares_is_refused() -> None:
    assert fault_of(GOOD.replace(b"10.00", b"&ten;")) is Fault.NOT_XML


def test_the_five_entities_of_xml_and_character_references_are_text() -> None:
    (statement,) = parse(GOOD.replace(b"10.00", b"&#49;0.00"), RESERVE)

    assert statement.entries[0].cents == 1000
    assert statement.entries[0].counterparty == "Å & B"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"10.00</Amt>", b"10<!-- -->.00</Amt>"),
        (b"<Ntry>", b"<!-- x --><Ntry>"),
        (b"<Ntry>", b"<?x y?><Ntry>"),
        (b"<Ntry>", b"text<Ntry>"),
        (b"</Ntry>", b"text</Ntry>"),
        (b"<Ntry>", b'<Ntry xmlns="urn:other">'),
        (b"<Ntry>", b'<Ntry xmlns="">'),
        (b"10.00</Amt>", b"10.00<x/></Amt>"),
    ],
)
def test_what_readers_could_understand_differently_is_refused(old: bytes, new: bytes) -> None:
    assert old in GOOD
    assert fault_of(GOOD.replace(old, new)) is Fault.FORBIDDEN


def test_comments_beside_the_document_and_cdata_mean_nothing_special() -> None:
    assert parse(with_head("<!-- sample -->"), RESERVE) == parse(GOOD, RESERVE)
    assert parse(GOOD.replace(b">T<", b"><![CDATA[T]]><"), RESERVE) == parse(GOOD, RESERVE)


@pytest.mark.parametrize(
    "namespace",
    ["053.001.01", "053.001.03", "053.001.09", "052.001.02", "054.001.08", "053.001.02x", ""],
)
def test_another_message_or_version_is_refused(namespace: str) -> None:
    assert fault_of(GOOD.replace(b"053.001.02", namespace.encode())) is Fault.WRONG_FORMAT


def test_a_document_without_namespace_or_with_another_root_is_refused() -> None:
    assert fault_of(GOOD.replace(b'.02">', b'.02 ">')) is Fault.NOT_XML  # no space in a namespace
    namespace = b' xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"'
    assert fault_of(GOOD.replace(namespace, b"")) is Fault.WRONG_FORMAT
    assert fault_of(GOOD.replace(b"Document", b"Dokument")) is Fault.WRONG_FORMAT
    assert fault_of(b"<html><body>Log in</body></html>") is Fault.WRONG_FORMAT


def test_a_prefix_for_the_namespace_changes_nothing() -> None:
    text = GOOD.decode().replace("xmlns=", "xmlns:c=").replace("</", "</c:")
    text = text.replace("<", "<c:").replace("<c:/c:", "</c:").replace("<c:?xml", "<?xml")

    assert parse(text.encode(), RESERVE) == parse(GOOD, RESERVE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_only_utf8_is_read(encoding: str) -> None:
    assert fault_of(GOOD.decode().encode(encoding)) in (Fault.NOT_UTF8, Fault.NOT_XML)


@pytest.mark.parametrize("name", ["ISO-8859-1", "utf-16", "windows-1252", "UTF-7"])
def test_another_declared_encoding_is_refused_even_where_bytes_agree(name: str) -> None:
    declared = GOOD.replace(b'encoding="UTF-8"', f'encoding="{name}"'.encode())

    assert fault_of(declared) is Fault.NOT_UTF8


def test_a_byte_order_mark_and_a_missing_declaration_are_fine() -> None:
    body = GOOD.partition(b"\n")[2]

    assert parse(b"\xef\xbb\xbf" + GOOD, RESERVE) == parse(GOOD, RESERVE)
    assert parse(body, RESERVE) == parse(GOOD, RESERVE)


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
)
def test_bad_utf8_is_refused_with_its_line(bad: bytes) -> None:
    with pytest.raises(BankFileError) as caught:
        parse(GOOD.replace(b"<Nm>", b"<Nm>" + bad), RESERVE)

    assert (caught.value.fault, caught.value.line) == (Fault.NOT_UTF8, 7)


@pytest.mark.parametrize("bad", [b"\x00", b"\x01", b"\x1b", b"&#0;", b"&#x1F;", b"&#xD800;"])
def test_control_characters_are_refused(bad: bytes) -> None:
    assert fault_of(GOOD.replace(b"<Nm>", b"<Nm>" + bad)) is Fault.NOT_XML


def test_size_is_judged_before_anything_is_parsed() -> None:
    at_limit = GOOD + b" " * (FILE_BYTES_MAX - len(GOOD))

    assert parse(at_limit, RESERVE) == parse(GOOD, RESERVE)
    assert fault_of(at_limit + b" ") is Fault.TOO_LARGE
    assert fault_of(b"<" * (FILE_BYTES_MAX + 1)) is Fault.TOO_LARGE


@pytest.mark.parametrize("depth", [DEPTH_MAX, 60_000, 1_000_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    head, tail = GOOD.split(b"<Ntry>")

    assert fault_of(head + b"<a>" * depth + b"</a>" * depth + b"<Ntry>" + tail) is Fault.TOO_COMPLEX
    assert fault_of(head + b"<a>" * depth) is Fault.TOO_COMPLEX


@pytest.mark.parametrize("holder", [b"", b"SplmtryData"])
def test_too_many_elements_are_refused_where_they_are_kept_and_where_not(holder: bytes) -> None:
    many = b"<a/>" * (ELEMENTS_MAX + 1)
    if holder:
        many = b"<" + holder + b">" + many + b"</" + holder + b">"

    assert fault_of(GOOD.replace(b"<Ntry>", many + b"<Ntry>")) is Fault.TOO_COMPLEX


@pytest.mark.parametrize("amount", [None, "0.01"])
def test_an_entry_with_very_many_blocks_is_read_in_time_that_grows_with_the_file(
    amount: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry of 16 MiB may have 160,000 children: none of them looks at all the others."""
    blocks = 2_000
    tx = _tx(amount)
    entry = f"<NtryDtls>{tx}</NtryDtls>" * blocks
    data = document(Day(items=(Item(amount="20.00"),), closing="20.00")).decode()
    data = data.replace("</Ntry>", entry + "</Ntry>")
    looked_at = 0
    every = Element.every

    def count(self: Element, tag: str) -> Iterator[Element]:
        nonlocal looked_at
        looked_at += len(self.children or ())
        return every(self, tag)

    monkeypatch.setattr(Element, "every", count)

    (statement,) = parse(data.encode(), RESERVE)

    assert len(statement.entries) == (1 if amount is None else blocks)
    assert looked_at < 100 * blocks


def _tx(amount: str | None) -> str:
    said = (
        "" if amount is None else f'<AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls>'
    )
    return f"<TxDtls>{said}<CdtDbtInd>CRDT</CdtDbtInd></TxDtls>"


def test_a_million_attributes_and_a_long_text_do_no_harm() -> None:
    attributes = b"".join(b' a%d="x"' % n for n in range(200_000))

    assert parse(GOOD.replace(b"<Ntry>", b"<Ntry" + attributes + b">"), RESERVE)
    long = parse(GOOD.replace(b"<Nm>", b"<Nm>" + b"x" * 5_000_000), RESERVE)
    assert len(long[0].entries[0].counterparty) == 5_000_005


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_file_cut_at_every_64th_byte_is_refused(path: Path) -> None:
    data = path.read_bytes()
    assert parse(data, RESERVE)

    for end in range(0, len(data.rstrip()), 64):
        assert fault_of(data[:end]) is Fault.NOT_XML, end


def test_a_file_cut_at_every_byte_is_refused() -> None:
    for end in range(len(GOOD.rstrip())):
        # Cut inside a letter of two bytes it is no UTF-8 either.
        assert fault_of(GOOD[:end]) in (Fault.NOT_XML, Fault.NOT_UTF8), end


def test_any_flipped_bit_is_refused_or_leaves_a_statement_that_adds_up() -> None:
    for position in range(len(GOOD)):
        for bit in range(8):
            flipped = bytearray(GOOD)
            flipped[position] ^= 1 << bit
            for statement in try_parse(bytes(flipped)):
                moved = sum(e.cents if e.side == "C" else -e.cents for e in statement.entries)
                assert statement.opening + moved == statement.closing, (position, bit)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_politely(data: bytes) -> None:
    assert try_parse(data) == ()


@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=12)), max_size=4))
def test_arbitrary_bytes_inside_a_good_file_never_raise_anything_else(
    insertions: list[tuple[int, bytes]],
) -> None:
    data = GOOD
    for position, extra in insertions:
        data = data[:position] + extra + data[position + len(extra) // 2 :]

    try_parse(data)
