"""Golden bytes of every record: data formats are for ever (architecture D1, consensus M1)."""

from __future__ import annotations

import json

import pytest

from chain.codec import Record, decode, encode
from tests.record_examples import VECTORS, make_example, tagged_records

RECORDS = tagged_records()
GOLDEN: dict[str, str] = json.loads(VECTORS.read_text())


def test_every_tagged_record_has_golden_bytes() -> None:
    assert set(RECORDS) == set(GOLDEN)


@pytest.mark.parametrize("tag", sorted(GOLDEN))
def test_a_record_has_its_golden_bytes_and_reads_them_back(tag: str) -> None:
    record: type[Record] = RECORDS[tag]
    data = bytes.fromhex(GOLDEN[tag])

    assert encode(make_example(record)).hex() == GOLDEN[tag]
    assert encode(decode(record, data)) == data
