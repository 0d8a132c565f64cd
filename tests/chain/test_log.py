"""Laws and known answers of chain/log.py (interfaces 5.1, consensus M9, reliability W25)."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import log
from chain.codec import encode
from chain.crypto import sha256

SIZE_MAX = 70  # over one full subtree of 64, so every shape of the right edge comes by


def leaves(size: int) -> list[bytes]:
    return [log.leaf_hash(b"leaf %d" % i) for i in range(size)]


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:]))


def naive_inclusion(m: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962 2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m < k:
        return [*naive_inclusion(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_inclusion(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_consistency(m: int, hashes: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962 2.1.2, word for word."""
    if m == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m <= k:
        return [*naive_consistency(m, hashes[:k], whole=whole), naive_root(hashes[k:])]
    return [*naive_consistency(m - k, hashes[k:], whole=False), naive_root(hashes[:k])]


def grow(size: int) -> tuple[log.Frontier, dict[tuple[int, int], bytes]]:
    frontier, nodes = log.append(log.EMPTY_FRONTIER, leaves(size))
    return frontier, dict(nodes)


def test_the_empty_log_has_the_hash_of_nothing_as_root() -> None:
    """consensus M9."""
    assert log.root(log.EMPTY_FRONTIER) == log.EMPTY_ROOT == sha256(b"")
    assert log.append(log.EMPTY_FRONTIER, []) == (log.EMPTY_FRONTIER, [])


def test_the_leaf_is_the_record_of_interfaces_5_1() -> None:
    tx_id = bytes(range(32))
    data = b"\x93\xabwijk.leaf.1\xc4\x20" + tx_id + b"\xcd\x08\x38"
    assert encode(log.Leaf(tx_id, 2104)) == data
    assert log.tx_leaf_hash(tx_id, 2104) == sha256(b"\x00" + data)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_appending_in_any_batches_gives_the_same_log(batches: list[int]) -> None:
    hashes = leaves(sum(batches))
    frontier = log.EMPTY_FRONTIER
    nodes: dict[tuple[int, int], bytes] = {}
    for count in batches:
        frontier, new = log.append(frontier, hashes[frontier.size : frontier.size + count])
        assert not nodes.keys() & dict(new).keys(), "a completed node never changes"
        nodes.update(new)
    assert log.root(frontier) == naive_root(hashes)
    assert (frontier, nodes) == grow(len(hashes))
    assert log.frontier_at(frontier.size, lambda level, i: nodes[level, i]) == frontier


def test_every_full_node_is_stored_and_no_other() -> None:
    hashes = leaves(SIZE_MAX)
    _, nodes = grow(SIZE_MAX)
    assert nodes == {
        (level, i): naive_root(hashes[i << level : (i + 1) << level])
        for level in range(8)
        for i in range(SIZE_MAX >> level)
    }


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_paths_are_those_of_the_rfc_and_verify(size: int) -> None:
    hashes = leaves(size)
    frontier, nodes = grow(size)
    root = log.root(frontier)
    for i in range(size):
        path = log.inclusion_path(i, size, lambda level, at: nodes[level, at])
        assert path == naive_inclusion(i, hashes)
        assert log.verify_inclusion(hashes[i], i, size, path, root)
    for old in range(1, size + 1):
        path = log.consistency_path(old, size, lambda level, at: nodes[level, at])
        assert path == naive_consistency(old, hashes)
        assert log.verify_consistency(old, size, path, naive_root(hashes[:old]), root)


@given(st.data())
def test_a_damaged_inclusion_proof_never_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE_MAX))
    at = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    frontier, nodes = grow(size)
    root = log.root(frontier)
    path = log.inclusion_path(at, size, lambda level, i: nodes[level, i])
    text = bytearray(hashes[at] + b"".join(path) + root)
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts = [bytes(text[i : i + 32]) for i in range(0, len(text), 32)]
    assert not log.verify_inclusion(parts[0], at, size, parts[1:-1], parts[-1])
    other = data.draw(st.integers(0, size).filter(lambda i: i != at))
    assert not log.verify_inclusion(hashes[at], other, size, path, root)
    assert not log.verify_inclusion(hashes[at], at, size, [*path, root], root)
    assert not path or not log.verify_inclusion(hashes[at], at, size, path[:-1], root)
    assert not path or not log.verify_inclusion(hashes[at], at, size, path[1:], root)


@given(st.data())
def test_a_damaged_consistency_proof_never_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZE_MAX))
    old = data.draw(st.integers(1, size - 1))
    hashes = leaves(size)
    _, nodes = grow(size)
    old_root, new_root = naive_root(hashes[:old]), naive_root(hashes)
    path = log.consistency_path(old, size, lambda level, i: nodes[level, i])
    text = bytearray(old_root + b"".join(path) + new_root)
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts = [bytes(text[i : i + 32]) for i in range(0, len(text), 32)]
    assert not log.verify_consistency(old, size, parts[1:-1], parts[0], parts[-1])
    assert not log.verify_consistency(old, size, path, new_root, old_root)
    assert not log.verify_consistency(old, size, path[:-1], old_root, new_root)
    assert not log.verify_consistency(old, size, [*path, new_root], old_root, new_root)
    assert not log.verify_consistency(size, old, path, old_root, new_root)


def cases(folder: Path, kind: str) -> list[tuple[str, dict[str, object]]]:
    files = sorted((folder / "transparency-merkle" / "testdata" / kind).rglob("*.json"))
    return [(str(file), json.loads(file.read_text())) for file in files]


def octets(text: object) -> bytes:
    return base64.b64decode(str(text), validate=True)


def proof_of(case: dict[str, object]) -> list[bytes]:
    proof = case["proof"]
    assert proof is None or isinstance(proof, list)
    return [octets(item) for item in proof or []]


def number(value: object) -> int:
    assert isinstance(value, int)
    return value


def test_inclusion_verdicts_are_those_of_the_shared_cases(testdata: Path) -> None:
    """reliability W25."""
    found = cases(testdata, "inclusion")
    assert len(found) == 98
    for name, case in found:
        verdict = log.verify_inclusion(
            octets(case["leafHash"]),
            number(case["leafIdx"]),
            number(case["treeSize"]),
            proof_of(case),
            octets(case["root"]),
        )
        assert verdict is not case["wantErr"], name


def test_a_subtree_that_starts_in_line_is_a_log_of_its_own(testdata: Path) -> None:
    """The subtree cases of the shared folder that RFC 6962 has words for."""
    found = cases(testdata, "subtreeinclusion")
    assert len(found) == 204
    for name, case in found:
        start, end = number(case["start"]), number(case["end"])
        whole = 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0
        verdict = whole and log.verify_inclusion(
            octets(case["leafHash"]),
            number(case["leafIdx"]) - start,
            end - start,
            proof_of(case),
            octets(case["root"]),
        )
        assert verdict is not case["wantErr"], name


def test_consistency_verdicts_are_those_of_the_shared_cases(testdata: Path) -> None:
    """reliability W25."""
    found = cases(testdata, "consistency")
    assert len(found) == 98
    for name, case in found:
        verdict = log.verify_consistency(
            number(case["size1"]),
            number(case["size2"]),
            proof_of(case),
            octets(case["root1"]),
            octets(case["root2"]),
        )
        assert verdict is not case["wantErr"], name


def test_a_subtree_that_starts_at_0_is_a_shorter_log(testdata: Path) -> None:
    """Of the subtree cases those that RFC 6962 has words for: from leaf 0, and not empty.

    An empty one is consistent with all there, and proves nothing here, as W25 has it.
    """
    every = cases(testdata, "subtreeconsistency")
    found = [case for case in every if case[1]["start"] == 0 != case[1]["end"]]
    assert (len(every), len(found)) == (118, 91)
    for name, case in found:
        verdict = log.verify_consistency(
            number(case["end"]),
            number(case["size"]),
            proof_of(case),
            octets(case["root1"]),
            octets(case["root2"]),
        )
        assert verdict is not case["wantErr"], name
