"""Tags as they are typed: economy S1 and nothing else."""

import pytest

from chain.records import Tag
from chain.texts import Problem
from wallet.tags import read_tag, tag_text


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("SALE", Tag("SALE", None, None, 0)),
        ("SALE/P3", Tag("SALE", "P3", None, 0)),
        ("SALE/P3/C01", Tag("SALE", "P3", "C01", 0)),
        ("SALE//C15", Tag("SALE", None, "C15", 0)),
        ("GIFT", Tag("GIFT", None, None, 0)),
        ("WORK//Q", Tag("WORK", None, "Q", 0)),
    ],
)
def test_a_tag_reads_back_as_it_was_typed(text: str, tag: Tag) -> None:
    assert read_tag(text, None) == tag
    assert tag_text(tag) == text


def test_vat_stands_in_a_tag() -> None:
    assert read_tag("SALE", "2,10") == Tag("SALE", None, None, 210)
    assert read_tag(None, None) is None
    assert tag_text(None) == "-"


@pytest.mark.parametrize(
    ("text", "vat"),
    [
        ("", None), ("sale", None), ("SOLD", None), ("GIFT/P3", None), ("SALE/P4", None),
        ("SALE/P3/C16", None), ("SALE/P3/C01/X", None), ("SALE/P3/W", None), (None, "1,00"),
    ],
)  # fmt: skip
def test_what_the_economy_does_not_know_is_refused(text: str | None, vat: str | None) -> None:
    with pytest.raises(Problem) as refused:
        read_tag(text, vat)
    assert refused.value.number == 1001
