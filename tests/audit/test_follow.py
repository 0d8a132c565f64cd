"""`audit follow` as it is typed: a line per certified block, until Ctrl-C (consensus S9)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.codec import decode, encode
from chain.records import Header
from node.forks import FORKS
from tests.audit.made_chain import MadeChain, make_changed_chain, transfer
from tests.audit.small_node import SmallNode, serve

CHAIN, NEW = make_changed_chain()
TOP = len(CHAIN.raws)
STOPPED = 130


def branch(cents: int) -> MadeChain:
    chain, _ = make_changed_chain()
    chain.by_person("anna", transfer("chaima", cents))
    return chain


def make_home(folder: Path, *nodes: SmallNode) -> Path:
    """Return a home that trusts the chain of the first node and knows them all."""
    home = folder / "client"
    home.mkdir()
    listed = json.dumps([node.url for node in nodes])
    text = f'profile = "default"\n\n[profiles.default]\nnodes = {listed}\n'
    (home / "config.toml").write_text(text)
    run = subprocess.run(
        line(home, "verify"), capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return home


def line(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "cli", "audit", *words, "--home", str(home), "-o", "jsonl"]


@contextmanager
def running(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command that a test stops with Ctrl-C, and end it whatever happens.

    Ctrl-C is on also where the tests run in the background of a shell, which turns it off.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def following(home: Path, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(line(home, "follow", *words))


def read(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def test_every_block_is_followed_and_the_newest_is_compared(tmp_path: Path) -> None:
    """A block that comes later is followed too; Ctrl-C ends with 130 (interfaces 1.4)."""
    chain, _ = make_changed_chain()
    with serve(chain) as first, serve(CHAIN) as second:
        home = make_home(tmp_path, first, second)
        with following(home, "--from", "1") as process:
            lines = read(process, TOP)
            chain.by_person("anna", transfer("chaima", 9))
            first.store.apply(*chain.decided[-1])
            (later,) = read(process, 1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == STOPPED

    assert [tree["height"] for tree in lines] == list(range(1, TOP + 1))
    for tree, raw in zip(lines, CHAIN.raws, strict=True):
        header = decode(Header, raw.header)
        assert tree["log_root"] == header.log_root.hex()
        assert (len(tree["signers"]), tree["validators"]) == (4, 4)
    assert [tree["compared"] for tree in lines] == [None] * (TOP - 1) + [second.url]
    assert later["height"] == TOP + 1


def test_a_block_that_nobody_certified_ends_it_with_8(tmp_path: Path) -> None:
    with serve(CHAIN) as node:
        home = make_home(tmp_path, node)
        raw = node.store.raw_block(3)
        assert raw is not None
        header, body, certificate, _ = raw
        forged = encode(msgspec.structs.replace(decode(Header, header), state_root=bytes(32)))
        node.lies["/v1/blocks/3"] = (200, encode([forged, body, certificate, None]))
        with following(home, "--from", "2") as process:
            (only,) = read(process, 1)
            _, said = process.communicate(timeout=20)

    assert only["height"] == 2
    assert process.returncode == 8
    assert json.loads(said.splitlines()[-1])["code"] == "WIJK-5001"


def test_f47_two_nodes_that_contradict_each_other_end_it_with_both_certificates(
    tmp_path: Path,
) -> None:
    """consensus S9, E6: WIJK-5003, and a file that names who signed both."""
    with serve(branch(11)) as first, serve(branch(12)) as second:
        home = make_home(tmp_path, first, second)
        with following(home) as process:
            _, said = process.communicate(timeout=20)

    problem = json.loads(said.splitlines()[-1])
    assert (process.returncode, problem["code"]) == (8, "WIJK-5003")
    kept = json.loads((home / FORKS / f"{TOP + 1}.json").read_text())
    assert kept["signed_both"] == sorted(["charlois", "delfshaven", "feijenoord", "noord"])
    assert str(home / FORKS) in problem["detail"]


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_a_person_reads_which_block_it_was(tmp_path: Path, lang: str) -> None:
    with serve(CHAIN) as node:
        home = make_home(tmp_path, node)
        words = [*line(home, "follow")[:-2], "--lang", lang]
        with running(words) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == STOPPED

    wanted = {"nl": f"Blok {TOP} van ", "en": f"Block {TOP} of "}[lang]
    assert said.startswith(wanted)
