"""The data in genesis/: codes and names as CBS gives them (economy R1..R5)."""

import json
import re
from pathlib import Path
from typing import Any

GENESIS = Path(__file__).parents[2] / "genesis"
CITY: dict[str, Any] = json.loads((GENESIS / "rotterdam.json").read_text("utf-8"))
AREAS: dict[str, Any] = json.loads((GENESIS / "netherlands.json").read_text("utf-8"))

NAME = re.compile(r"[^\W_][\w '-]{0,31}")  # economy B12, where letters are not only ASCII


def test_r1_a_code_is_that_of_its_gemeente_and_two_digits() -> None:
    assert re.fullmatch(r"GM[0-9]{4}", CITY["gemeente"])
    for wijk in CITY["wijken"]:
        assert re.fullmatch(r"WK[0-9]{6}", wijk["cbs_code"])
        assert wijk["cbs_year"] == CITY["year"] == 2014


def test_r2_the_parent_of_a_code_is_the_code_without_two_characters() -> None:
    for wijk in CITY["wijken"]:
        assert "GM" + wijk["cbs_code"][2:-2] == CITY["gemeente"] == "GM0599"


def test_r3_rotterdam_has_the_twelve_wijken_of_2014() -> None:
    assert [(wijk["cbs_code"][-2:], wijk["name"]) for wijk in CITY["wijken"]] == [
        ("01", "Stadscentrum"),
        ("03", "Delfshaven"),
        ("04", "Overschie"),
        ("05", "Noord"),
        ("06", "Hillegersberg-Schiebroek"),
        ("08", "Kralingen-Crooswijk"),
        ("10", "Feijenoord"),
        ("12", "IJsselmonde"),
        ("13", "Pernis"),
        ("14", "Prins Alexander"),
        ("15", "Charlois"),
        ("16", "Hoogvliet"),
    ]


def test_slugs_names_and_coins_are_what_a_chain_accepts() -> None:
    wijken = CITY["wijken"]
    for wijk in wijken:
        coin = wijk["coin"]
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,31}", wijk["slug"])
        assert wijk["slug"] == wijk["name"].lower().replace(" ", "-")
        for name in (wijk["name"], coin["name"], coin["plural"]):
            assert NAME.fullmatch(name)
        assert re.fullmatch(r"[A-Z]{1,4}", coin["symbol"])
    for field in ("slug", "cbs_code", "name"):
        assert len({wijk[field] for wijk in wijken}) == len(wijken)
    for field in ("name", "plural", "symbol"):
        assert len({wijk["coin"][field] for wijk in wijken}) == len(wijken)


def test_the_demo_finds_its_four_wijken_and_the_coin_of_the_example() -> None:
    found = {wijk["slug"]: wijk for wijk in CITY["wijken"]}

    assert {"delfshaven", "noord", "feijenoord", "charlois"} <= set(found)
    assert found["delfshaven"] == {
        "cbs_code": "WK059903",
        "cbs_year": 2014,
        "slug": "delfshaven",
        "name": "Delfshaven",
        "coin": {"name": "Schiemunt", "plural": "Schiemunten", "symbol": "SCH"},
    }


def test_r4_areas_have_their_inhabitants_and_their_source() -> None:
    areas = AREAS["areas"]
    assert [(area["cbs_code"], area["inhabitants"]) for area in areas] == [
        ("WK091710", 4175),
        ("WK008036", 10745),
        ("WK021400", 3625),
        ("WK051216", 55),
        ("WK036307", 7255),
        (None, 28730),
        (None, 8112),
    ]
    for area in areas:
        assert area["kind"] in ("wijk", "buurt")
        assert area["cbs_code"] is None or re.fullmatch(r"WK[0-9]{6}", area["cbs_code"])
        assert area["name"]
        assert area["gemeente"]
        assert area["source"] in AREAS["sources"]
        assert area["year"] in (2014, 2016, 2017, 2021)


def test_r5_every_wijk_is_of_the_size_the_design_expects() -> None:
    for area in AREAS["areas"]:
        assert 55 <= area["inhabitants"] <= 30_000
