"""Payment links: built and read in one form, bounded (interfaces 3.7)."""

import base64

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import encode
from chain.texts import Problem
from wallet.amounts import AMOUNT_CENTS_MAX
from wallet.request import (
    PaymentRequest,
    build_link,
    check_request,
    make_request,
    parse_link,
    qr_text,
)

BASE = "https://rotterdam.wijk.example"
CHAIN = bytes(range(32))
REQUEST = make_request(
    CHAIN, b"\x07" * 20, 1250, "delfshaven:EUR", "Brood", b"\x09" * 8, 1_767_225_900
)

requests = st.builds(
    PaymentRequest,
    version=st.just(1),
    chain_digest=st.binary(min_size=32, max_size=32),
    to=st.binary(min_size=20, max_size=20),
    amount_cents=st.integers(1, AMOUNT_CENTS_MAX),
    denom=st.from_regex(r"\A[a-z][a-z0-9-]{0,31}:[A-Z]{3}\Z"),
    memo=st.none() | st.text("abc é€", max_size=60),
    request_id=st.binary(min_size=8, max_size=8),
    expires=st.integers(0, 2**40),
)


def link_of(value: object) -> str:
    data = base64.urlsafe_b64encode(msgpack.packb(value)).rstrip(b"=").decode()
    return f"{BASE}/p#r={data}"


FIELDS = [1, CHAIN, b"\x07" * 20, 1250, "delfshaven:EUR", "Brood", b"\x09" * 8, 1_767_225_900]


def test_the_wire_form_is_that_of_interfaces_3_7() -> None:
    assert encode(REQUEST) == msgpack.packb(FIELDS)
    assert build_link(BASE + "/", REQUEST) == link_of(FIELDS)
    assert parse_link(link_of(FIELDS)) == REQUEST


@given(requests)
def test_parse_undoes_build(request: PaymentRequest) -> None:
    link = build_link(BASE, request)
    assert len(link) <= 400
    assert "=" not in link.partition("#r=")[2]
    assert parse_link(link) == request


@given(st.data())
def test_no_changed_letter_goes_unseen_or_crashes(data: st.DataObject) -> None:
    link = build_link(BASE, REQUEST)
    at = data.draw(st.integers(0, len(link) - 1))
    changed = link[:at] + data.draw(st.characters()) + link[at + 1 :]
    try:
        found: PaymentRequest | None = parse_link(changed)
    except Problem as problem:
        found = None if problem.number == 1006 else REQUEST
    if changed.startswith(BASE + "/p#r="):
        assert (found == REQUEST) == (changed == link)


@pytest.mark.parametrize(
    "fields",
    [
        [2, *FIELDS[1:]],
        [*FIELDS, 1],
        FIELDS[:-1],
        [1, CHAIN[:31], *FIELDS[2:]],
        [*FIELDS[:3], 0, *FIELDS[4:]],
        [*FIELDS[:3], -5, *FIELDS[4:]],
        [*FIELDS[:3], 10**9 + 1, *FIELDS[4:]],
        [*FIELDS[:3], 12.5, *FIELDS[4:]],
        [*FIELDS[:4], "delfshaven:eur", *FIELDS[5:]],
        [*FIELDS[:4], "delfshaven:EUR\n", *FIELDS[5:]],
        [*FIELDS[:5], "x" * 141, *FIELDS[6:]],
        [*FIELDS[:5], "\x1b[2J", *FIELDS[6:]],
        [*FIELDS[:5], "pay \u202e now", *FIELDS[6:]],
        [*FIELDS[:6], bytes(7), FIELDS[7]],
        {},
        "text",
    ],
)
def test_what_a_request_may_not_hold_is_refused(fields: object) -> None:
    with pytest.raises(Problem) as raised:
        parse_link(link_of(fields))
    assert raised.value.number == 1006


@pytest.mark.parametrize(
    "link",
    [
        "",
        link_of(FIELDS) + "=",
        link_of(FIELDS) + "AAAA",
        link_of(FIELDS).replace("https", "http"),
        link_of(FIELDS).replace("https", "javascript"),
        link_of(FIELDS).replace("rotterdam", "me@rotterdam"),
        link_of(FIELDS).replace("/p#r=", "/p?r="),
        f"{BASE}/p#r=" + "A" * 400,
        f"{BASE}/p#r=é",
    ],
)
def test_other_links_are_refused(link: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_link(link)
    assert raised.value.number == 1006


def test_plain_http_is_for_this_machine_only() -> None:
    assert parse_link(build_link("http://127.0.0.1:8080", REQUEST)) == REQUEST
    for base in ("http://wijk.example", "wijk.example", "https://x/y", "https://x?y", "file://x"):
        with pytest.raises(Problem):
            build_link(base, REQUEST)


def test_a_link_too_long_for_a_camera_is_refused() -> None:
    memo = "é" * 140
    with pytest.raises(Problem) as raised:
        build_link(BASE, make_request(CHAIN, bytes(20), 1, "w1:EUR", memo, bytes(8), 1))
    assert raised.value.params == {"cause": "link-long"}
    with pytest.raises(Problem) as raised:
        make_request(CHAIN, bytes(20), 1, "w1:EUR", memo + "é", bytes(8), 1)
    assert raised.value.params == {"cause": "memo-long"}


def test_a_request_of_another_chain_or_too_old_is_refused() -> None:
    check_request(REQUEST, CHAIN, REQUEST.expires - 1)
    numbers = []
    for chain, now in ((bytes(32), 0), (CHAIN, REQUEST.expires)):
        with pytest.raises(Problem) as raised:
            check_request(REQUEST, chain, now)
        numbers.append(raised.value.number)
    assert numbers == [2003, 2004]


def test_the_qr_code_is_plain_block_letters() -> None:
    lines = qr_text(build_link(BASE, REQUEST)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set("".join(lines)) <= set("█▀▄ \xa0")
    assert len(lines) > 20
