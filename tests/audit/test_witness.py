"""Witnesses: what they sign, when they refuse, what their cosignatures show (interfaces 5.2)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import cli
from chain.checkpoint import count_signatures, read_note
from chain.cosignature import find_cosignatures, read_witness_vkey
from chain.errors import Malformed
from chain.policy import era_at, era_keys, read_policy
from tests.audit.made_chain import MadeChain, make_chain, transfer
from tests.audit.small_node import SmallNode, serve
from wallet.keystore import TEST_ONLY, create, save_new

CHAIN = make_chain(extra=2)


def grow(chain: MadeChain, cents: int) -> MadeChain:
    chain.by_person("anna", transfer("chaima", cents))
    return chain


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "client"
    (home / "keys").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    word = home / "word"
    word.write_text("wijk-test\n")
    word.chmod(0o600)
    made = create(
        "getuige",
        bytes(range(32)),
        "wijk-test",
        TEST_ONLY,
        created_at="2026-01-01T00:00:00Z",
        test_only=True,
        random=bytes,
    )
    save_new(home, made)
    return home


class Run:
    def __init__(self, home: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.url, self._capsys = home, url, capsys

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]:
        line = ["audit", *words, "-o", "json", "--home", str(self.home), "--node", self.url]
        with pytest.raises(SystemExit) as ended:
            cli.main([*line, "--passphrase-file", str(self.home / "word")])
        said = self._capsys.readouterr()
        assert ended.value.code == code, said.err
        self.err = said.err
        tree: dict[str, Any] = json.loads(said.out) if said.out else {}
        return tree


@pytest.fixture
def node() -> Iterator[SmallNode]:
    with serve(CHAIN) as node:
        yield node


@pytest.fixture
def run(home: Path, node: SmallNode, capsys: pytest.CaptureFixture[str]) -> Run:
    run = Run(home, node.url, capsys)
    run("verify")
    return run


def test_a_cosignature_is_that_of_c2sp(run: Run) -> None:
    """tlog-cosignature: key id, time, and a signature over `cosignature/v1`, by another library."""
    tree = run("witness", "cosign")
    text = Path(tree["file"]).read_text()
    body, _, below = text.partition("\n\n")
    line = below.splitlines()[-1]
    dash, name, encoded = line.split(" ")
    assert (dash, name) == ("—", tree["witness"])
    vkey_name, vkey_id, vkey_key = tree["vkey"].split("+", 2)
    typed = b64decode(vkey_key)
    data = b64decode(encoded)
    expected = sha256(name.encode() + b"\n" + typed[:1] + typed[1:]).digest()[:4]
    assert (vkey_name, vkey_id, typed[0]) == (name, expected.hex(), 4)
    assert data[:4] == expected
    moment = int.from_bytes(data[4:12], "big")
    assert moment == tree["at_s"]
    signed = f"cosignature/v1\ntime {moment}\n{body}\n".encode()
    Ed25519PublicKey.from_public_bytes(typed[1:]).verify(data[12:], signed)


def test_a_cosignature_counts_for_no_quorum(run: Run) -> None:
    tree = run("witness", "cosign")
    note = read_note(Path(tree["file"]).read_text())
    policy = read_policy((run.home / "policy.json").read_bytes())
    era = era_at(policy, tree["height"])
    assert era is not None
    count = count_signatures(note, era_keys(era))
    assert (count.valid, count.unknown) == (len(note.lines) - 1, 1)


def test_others_learn_who_has_seen_a_head(run: Run) -> None:
    tree = run("witness", "cosign")
    unknown = run("witness", "status", tree["file"])
    assert unknown["items"][0]["cosigned"] == []
    assert run("witness", "add", tree["vkey"]) == {"name": tree["witness"], "vkey": tree["vkey"]}
    assert run("witness", "add", tree["vkey"])["name"] == tree["witness"]  # known already
    seen = run("witness", "status", tree["file"])
    assert seen["items"][0]["cosigned"] == [{"name": tree["witness"], "at_s": tree["at_s"]}]
    assert seen["items"][0]["signatures"]["valid"] >= seen["items"][0]["signatures"]["needed"]
    assert seen["ok"] is True


def test_a_changed_time_or_head_is_no_cosignature(run: Run) -> None:
    tree = run("witness", "cosign")
    name, key = read_witness_vkey(tree["vkey"])
    text = Path(tree["file"]).read_text()
    at = text.rindex(" ") + 1
    data = bytearray(b64decode(text[at:]))
    data[11] ^= 1
    note = read_note(text[:at] + b64encode(bytes(data)).decode() + "\n")
    with pytest.raises(Malformed, match="wrong cosignature"):
        find_cosignatures(note, {name: key})


@pytest.mark.parametrize("change", ["+", " ", "witness/x+00000000+BAAA", "a+b+c"])
def test_only_the_vkey_of_a_witness_is_taken(run: Run, change: str) -> None:
    run("witness", "add", change, code=2)
    assert not (run.home / "witnesses.json").exists()


def test_a_witness_goes_on_with_the_log_it_has_seen(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run("witness", "cosign")
    assert run("witness", "cosign")["log_size"] == first["log_size"]  # nothing new: the same head
    longer = make_chain(extra=4)
    with serve(longer) as node:
        run.url = node.url
        second = run("witness", "cosign")
    assert second["log_size"] == first["log_size"] + 2
    both = run("witness", "status", first["file"], second["file"])
    assert both["ok"] is True


def test_a_witness_cosigns_no_second_log(run: Run) -> None:
    """A longer log of the same validators that does not begin with the one it cosigned."""
    first = run("witness", "cosign")
    before = {path.name: path.read_bytes() for path in (run.home / "witness").iterdir()}
    other = make_chain(extra=1)
    for cents in (4_321, 4_322, 4_323):
        grow(other, cents)
    with serve(other) as node:
        run.url = node.url
        run("witness", "cosign", code=8)
    assert "WIJK-5003" in run.err
    assert {path.name: path.read_bytes() for path in (run.home / "witness").iterdir()} == before
    assert Path(first["file"]).exists()


def test_a_witness_does_not_go_back(run: Run) -> None:
    run("witness", "cosign")
    with serve(make_chain(extra=1)) as node:
        run.url = node.url
        run("witness", "cosign", code=8)
    assert "WIJK-5001" in run.err


def test_two_heads_of_two_logs_are_shown_by_their_files(run: Run, tmp_path: Path) -> None:
    """consensus E6: both are certified, so a quorum lied; the files are the proof."""
    from node.views import checkpoint_text

    first = run("witness", "cosign")
    other = make_chain()
    for cents in (1, 2):
        grow(other, 4_000 + cents)
    with serve(other) as node:
        note = checkpoint_text(node.store, other.chain.chain_id, node.store.tip.height)
    assert note is not None
    file = tmp_path / "other.ckpt"
    file.write_text(note)
    tree = run("witness", "status", first["file"], str(file), code=8)
    assert tree["ok"] is False
