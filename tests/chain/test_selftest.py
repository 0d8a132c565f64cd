"""Known answers of the signature library, and the start-up self-test (reliability K7, K8)."""

import json
from pathlib import Path

import pytest

from chain import crypto, selftest
from tests.make_selftest import (
    BASE,
    NEUTRAL,
    P,
    Point,
    add,
    build_points,
    build_rows,
    k_of,
    times,
    x_of,
)

# By hand from K2 and K8: three good ones and, of the classes, only number 3.
ACCEPTED = {"good 0", "good 1", "good 2", "3 mixed A, mixed R"}
EXACT = ("0 ", "1 ", "2 ", "3 ", "10 ", "12 ")  # their only fault is the form of a point
COFACTOR = ("4 ", "5 ")

# speccheck 0 to 11, then the four of RFC 8032, judged by hand from K8, as one string.
SHARED_VERDICTS = "000100000000" + "1111"
SHARED_SHA256 = "895e00bf4019f309a62d14324dbf0fbdb787be2d3df5baff040e4fa6079ca89c"


def test_the_rows_are_those_that_the_script_builds() -> None:
    assert list(selftest.ROWS) == build_rows()
    assert list(selftest.POINTS) == build_points()


def test_verdicts_are_those_worked_out_by_hand() -> None:
    """reliability K7: each verdict string is checked by hand against K2 and K8."""
    rows = "".join("1" if name in ACCEPTED else "0" for name, *_ in selftest.ROWS)
    points = "".join("1" if name == "honest" else "0" for name, _ in selftest.POINTS)
    assert (rows, points) == ("111000000001000000000", "10000000")
    assert selftest.compute_verdicts() == rows + points + "111"
    assert crypto.sha256((rows + points + "111").encode()).hex() == selftest.EXPECTED_SHA256


def test_every_class_of_k8_is_there() -> None:
    names = [name for name, *_ in selftest.ROWS]
    assert all(any(name.startswith(f"{n} ") for name in names) for n in range(12))


def read_point(data: bytes) -> Point:
    """Read a point as a lax library does: y modulo p, any sign."""
    bits = int.from_bytes(data, "little")
    y = (bits & (2**255 - 1)) % P
    x = x_of(y)
    return (P - x) % P if bits >> 255 else x, y


def equation(key: bytes, message: bytes, r: bytes, s: bytes) -> Point:
    """Return S * B - k * A - R, the neutral point where the equation holds."""
    left = times(int.from_bytes(s, "little"), BASE)
    k_a = times(k_of(r, key, message), read_point(key))
    right = add(k_a, read_point(r))
    return add(left, (P - right[0], right[1]))


@pytest.mark.parametrize("name", [name for name, *_ in selftest.ROWS if name.startswith(EXACT)])
def test_rows_of_a_bad_point_satisfy_the_equation(name: str) -> None:
    """Else a library might refuse them for another reason than the one under test."""
    fields = next(row[1:] for row in selftest.ROWS if row[0] == name)
    assert equation(*map(bytes.fromhex, fields)) == NEUTRAL


@pytest.mark.parametrize("name", [name for name, *_ in selftest.ROWS if name.startswith(COFACTOR)])
def test_rows_of_the_cofactor_satisfy_the_equation_times_eight(name: str) -> None:
    fields = next(row[1:] for row in selftest.ROWS if row[0] == name)
    left = equation(*map(bytes.fromhex, fields))
    assert left != NEUTRAL
    assert times(8, left) == NEUTRAL


def test_the_self_test_passes_here_and_names_the_library_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selftest.run_selftest()
    monkeypatch.setattr(selftest, "verify", lambda *_: True)
    with pytest.raises(selftest.SelfTestFailed, match=r"PyNaCl \d+\.\d+\.\d+ gives other verdicts"):
        selftest.run_selftest()


def test_shared_cases_have_the_verdicts_of_k8(testdata: Path) -> None:
    """reliability K7, K8: of the speccheck cases exactly number 3 is accepted."""
    cases = json.loads((testdata / "ed25519-speccheck" / "cases.json").read_text())
    known = json.loads((testdata / "rfc8032_ed25519_extract.json").read_text())
    rows = [(case["pub_key"], case["message"], case["signature"]) for case in cases]
    rows += [(case["public_key"], case["message"], case["signature"]) for case in known]
    verdicts = [crypto.verify(*map(bytes.fromhex, row)) for row in rows]
    found = "".join("1" if verdict else "0" for verdict in verdicts)
    assert found == SHARED_VERDICTS
    assert crypto.sha256(found.encode()).hex() == SHARED_SHA256


def test_signing_gives_the_answers_of_rfc_8032(testdata: Path) -> None:
    known = json.loads((testdata / "rfc8032_ed25519_extract.json").read_text())
    assert len(known) == 4
    for case in known:
        seed, message = bytes.fromhex(case["secret_key"]), bytes.fromhex(case["message"])
        assert crypto.public_key(seed).hex() == case["public_key"]
        assert crypto.sign(seed, message).hex() == case["signature"]
