"""Rules of the house that no linter knows: they hold over all packages at once."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.codec import Record
from chain.errors import Code

CHECKOUT = Path(__file__).parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
# Synchronous, behind the ports (architecture D10); named in pyproject.toml as soon as they exist.
SYNCHRONOUS = ("ports", "runtime", "mempool", "sync", "join", "snapshots", "snapshot_make")


def _subclasses(kind: type[Record]) -> Iterator[type[Record]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _import_all(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _all_kinds_of_record() -> set[type[Record]]:
    for package in PACKAGES:
        _import_all(package)
    return {kind for kind in _subclasses(Record) if kind.__module__.split(".")[0] in PACKAGES}


def test_readme_names_exactly_the_two_set_up_commands() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Set up\n", 1)[1].split("\n## ", 1)[0]
    block = section.split("```sh\n", 1)[1].split("```", 1)[0]

    commands = [line.split("#")[0].strip() for line in block.splitlines()]

    assert commands == ["make run", "make test"]
    assert set(re.findall(r"\bmake [a-z]+", section)) == {"make run", "make test"}


def test_every_make_target_of_the_readme_exists() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")

    named = set(re.findall(r"`make ([a-z]+)", readme))

    assert named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("field", ["number", "reason"])
def test_codes_differ_in_number_and_in_reason(field: str) -> None:
    """economy B7: one reason has one number. An Enum merges equal values, hence `__members__`."""
    counts = Counter(getattr(code, field) for code in Code.__members__.values())

    assert {value for value, count in counts.items() if count > 1} == set()


def test_reasons_are_named_after_their_codes() -> None:
    for name, code in Code.__members__.items():
        assert code.reason.replace(".", "_").replace("-", "_").upper() == name


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_can_be_imported(package: str) -> None:
    _import_all(package)

    assert package in sys.modules


def test_record_tags_are_unique() -> None:
    """Style 3.15: the tag is the domain, so no two kinds of record share a digest."""
    tags = Counter(kind.__struct_config__.tag for kind in _all_kinds_of_record())

    assert {tag for tag, count in tags.items() if tag is not None and count > 1} == set()


def test_records_are_frozen_arrays_without_unknown_fields() -> None:
    """Architecture D1: one encoding per value, for every record of every package."""
    for kind in _all_kinds_of_record():
        config = kind.__struct_config__

        assert config.frozen, kind
        assert config.array_like, kind
        assert config.forbid_unknown_fields, kind
        assert not config.omit_defaults, kind


def test_synchronous_modules_stand_under_the_import_contract() -> None:
    """Architecture D10: import-linter refuses names that do not exist yet, so this asks later."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    listed = next(
        set(contract["source_modules"])
        for contract in contracts
        if contract["name"].startswith("the runtime is synchronous")
    )
    present = {f"node.{name}" for name in SYNCHRONOUS if (CHECKOUT / f"node/{name}.py").exists()}

    assert listed == present


def test_no_module_parses_a_request_leniently() -> None:
    """Reliability A6: `await request.json()` answers 500 to 60,000 brackets. No linter sees it."""
    for path in (path for name in PACKAGES for path in (CHECKOUT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Await) or not isinstance(node.value, ast.Call):
                continue
            called = node.value.func

            lenient = isinstance(called, ast.Attribute) and called.attr == "json"

            assert not lenient, f"{path}:{node.lineno}"


def test_the_core_refuses_to_run_without_assertions() -> None:
    """Reliability SC6: `python -O` would delete the checks for this program's own bugs."""
    run = subprocess.run(
        [sys.executable, "-O", "-c", "import chain"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode != 0
    assert "python -O" in run.stderr


def test_decisions_have_one_number_each_and_say_why_and_what_follows() -> None:
    """Style 6: a decision is Context, Decision and Consequences under a number of its own."""
    records = sorted((CHECKOUT / "docs" / "adr").glob("*.md"))
    numbers = Counter(path.name[:4] for path in records)

    assert {number for number, count in numbers.items() if count > 1} == set()
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), path.name
        assert text.startswith(f"# {path.name[:4]}: "), path.name
        assert re.search(r"Status: (proposed|accepted|superseded by \d{4})", text), path.name
        assert all(part in text for part in ("Context", "Decision", "Consequences")), path.name


def test_the_readme_names_every_folder_of_the_house() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    house = readme.split("## The house\n", 1)[1].split("\n## ", 1)[0]

    named = set(re.findall(r"^\| `([a-z]+)/`", house, re.MULTILINE))

    assert named == {*PACKAGES, "genesis", "docs", "tests"}
