"""Laws and known answers of chain/tree.py (interfaces 5.5)."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import tree
from chain.codec import encode
from chain.crypto import sha256

State = dict[bytes, bytes]
PAYER = bytes.fromhex("1acd412a91e5efc2e7e96f347c2eb15f7d2a1b96")
PAYEE = bytes.fromhex("aaeeba2da0ad2525775a48108c6352c8f95ca804")

# Few keys, so that changes meet, and 600 of them, so that ways of three nibbles are shared.
keys = st.integers(0, 600).map(lambda i: b"key %d" % i)
values = st.binary(max_size=3)
states = st.dictionaries(keys, values, max_size=60)
batches = st.lists(st.dictionaries(keys, st.none() | values, max_size=25), max_size=8)


def balance_key(account: bytes) -> bytes:
    return encode(["bal", "delfshaven:EUR", "2", account])


def naive_hash(leaves: list[tuple[str, bytes]], depth: int) -> bytes:
    """The definition of interfaces 5.5, word for word: hex key hashes and value hashes."""
    if depth and not leaves:
        return bytes(32)
    if depth and len(leaves) == 1:
        return sha256(b"\x00" + bytes.fromhex(leaves[0][0]) + leaves[0][1])
    children = [
        naive_hash([leaf for leaf in leaves if leaf[0][depth] == nibble], depth + 1)
        for nibble in "0123456789abcdef"
    ]
    return sha256(b"\x01" + b"".join(children))


def naive_root(state: State) -> bytes:
    return naive_hash([(sha256(k).hex(), sha256(v)) for k, v in state.items()], 0)


class Stored:
    """A state and its stored nodes, as a node keeps them between blocks."""

    def __init__(self) -> None:
        self.nodes: dict[int, tree.Node] = {}
        self.state: State = {}
        self.root = tree.EMPTY_STATE_ROOT

    def update(self, changes: dict[bytes, bytes | None]) -> tree.TreeUpdate:
        result = tree.update(self.nodes.get, changes)
        for path, node in result.nodes.items():
            if node is None:
                del self.nodes[path]  # only what is stored may be deleted
            else:
                assert self.nodes.get(path) != node, "only changed nodes are written"
                self.nodes[path] = node
        for key, value in changes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.root = result.root
        return result


def stored(state: State) -> Stored:
    result = Stored()
    result.update(dict(state))
    return result


def test_vectors_of_interfaces_5_5() -> None:
    one = {balance_key(PAYER): encode(1250)}
    two = one | {balance_key(PAYEE): encode(750)}
    assert balance_key(PAYER).hex() == (
        "94a362616cae64656c6673686176656e3a455552a132c4141acd412a91e5efc2e7e96f347c2eb15f7d2a1b96"
    )
    assert encode(1250).hex() == "cd04e2"
    assert [stored(state).root.hex() for state in ({}, one, two)] == [
        "84a259209df110e60a0de743605c9c61d70950fb86311ca58d406c467864a276",
        "2d22f95d553edf40d0ad41469625a3716fab806b1a08dbeb43808771005f9341",
        "795bca2b3187266b0018e1e368666e87e266786d195873355fbcb3547b6c7571",
    ]


@given(states)
def test_the_root_is_the_one_the_definition_gives(state: State) -> None:
    assert stored(state).root == naive_root(state)


@given(batches)
def test_root_and_nodes_depend_on_the_set_alone(
    changes: list[dict[bytes, bytes | None]],
) -> None:
    """Any way to a set, with deletions and rewrites between, ends in the same bytes."""
    one = Stored()
    for batch in changes:
        one.update(batch)
    two = Stored()
    for key in reversed(one.state):
        two.update({key: one.state[key]})
    assert one.root == two.root == naive_root(one.state)
    assert one.nodes == two.nodes == stored(one.state).nodes
    one.update(dict.fromkeys(one.state))
    assert (one.root, one.nodes) == (tree.EMPTY_STATE_ROOT, {})


@given(states, st.lists(keys, max_size=5))
def test_changes_that_change_nothing_write_nothing(state: State, others: list[bytes]) -> None:
    world = stored(state)
    changes: dict[bytes, bytes | None] = {key: state.get(key) for key in others}
    assert world.update({**state, **changes}) == tree.TreeUpdate(world.root, {})


@given(states, keys)
def test_proofs_of_presence_and_absence_verify(state: State, key: bytes) -> None:
    world = stored(state)
    for asked in (key, *list(state)[:3]):
        proof = tree.prove(world.nodes.get, asked)
        value = state.get(asked)
        assert tree.verify(world.root, asked, value, proof)
        assert isinstance(proof.terminal, tree.Found) == (value is not None)
        assert not tree.verify(world.root, asked, b"no such value", proof)
        if value is not None:
            assert not tree.verify(world.root, asked, None, proof)
            assert not tree.verify(world.root, asked + b"!", value, proof)


def flatten(proof: tree.TreeProof) -> bytearray:
    parts = [step.mask.to_bytes(2, "big") + b"".join(step.hashes) for step in proof.path]
    if isinstance(proof.terminal, tree.Other):
        parts.append(proof.terminal.key_hash + proof.terminal.value_hash)
    return bytearray(b"".join(parts))


def unflatten(text: bytes, like: tree.TreeProof) -> tree.TreeProof:
    path, at = [], 0
    for step in like.path:
        mask = int.from_bytes(text[at : at + 2], "big")
        at += 2
        end = at + 32 * len(step.hashes)
        path.append(tree.Step(mask, tuple(text[i : i + 32] for i in range(at, end, 32))))
        at = end
    terminal = like.terminal
    if isinstance(terminal, tree.Other):
        terminal = tree.Other(text[at : at + 32], text[at + 32 :])
    return tree.TreeProof(tuple(path), terminal)


@given(states, keys, st.data())
def test_any_changed_byte_of_a_proof_fails(state: State, key: bytes, data: st.DataObject) -> None:
    world = stored(state)
    proof = tree.prove(world.nodes.get, key)
    text = flatten(proof)
    assert unflatten(bytes(text), proof) == proof
    for _ in range(10):
        damaged = text.copy()
        damaged[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
        changed = unflatten(bytes(damaged), proof)
        assert not tree.verify(world.root, key, state.get(key), changed)


def crowded() -> Stored:
    return stored({b"key %d" % i: b"v" for i in range(400)})


@pytest.mark.parametrize("kind", [tree.Found, tree.Empty, tree.Other])
def test_a_proof_of_another_shape_fails(kind: type) -> None:
    world = crowded()
    proofs = {i: tree.prove(world.nodes.get, b"key %d" % i) for i in range(800)}
    i, proof = next((i, p) for i, p in proofs.items() if isinstance(p.terminal, kind))
    key, value = b"key %d" % i, world.state.get(b"key %d" % i)
    last = proof.path[-1]
    assert tree.verify(world.root, key, value, proof)
    bad_paths: list[tuple[tree.Step, ...]] = [
        (),
        proof.path[:-1],
        proof.path[1:],
        (*proof.path, tree.Step(0, ())),
        (*proof.path, *[tree.Step(0, ())] * 64),
        (*proof.path[:-1], tree.Step(last.mask | 1 << 16, last.hashes)),
        (*proof.path[:-1], tree.Step(-1, last.hashes)),
        (*proof.path[:-1], tree.Step(last.mask, last.hashes[:-1])),
        (*proof.path[:-1], tree.Step(last.mask, (*last.hashes[:-1], last.hashes[-1][:-1]))),
        (*proof.path[:-1], tree.Step(last.mask, (*last.hashes, bytes(32)))),
    ]
    for path in bad_paths:
        assert not tree.verify(world.root, key, value, dataclasses.replace(proof, path=path))


def test_an_empty_child_is_never_named_in_a_proof() -> None:
    """One proof has one form: a mask bit over a zero hash would give the same root."""
    world = stored({b"a": b"1", b"b": b"2"})
    proof = tree.prove(world.nodes.get, b"a")
    (step,) = proof.path
    own = sha256(b"a")[0] >> 4
    bit = next(i for i in range(16) if i != own and not step.mask >> i & 1)
    below = (step.mask & ((1 << bit) - 1)).bit_count()
    padded = tree.Step(
        step.mask | 1 << bit, (*step.hashes[:below], bytes(32), *step.hashes[below:])
    )
    assert not tree.verify(world.root, b"a", b"1", tree.TreeProof((padded,), proof.terminal))


def test_another_leaf_proves_absence_only_on_the_own_way() -> None:
    """A leaf from elsewhere in the tree says nothing of this key (interfaces 5.5)."""
    world = crowded()
    absent = [b"key %d" % i for i in range(400, 800)]
    ends = {key: tree.prove(world.nodes.get, key).terminal for key in absent}
    key, terminal = next((k, t) for k, t in ends.items() if isinstance(t, tree.Other))
    stranger = tree.prove(world.nodes.get, b"key 7")
    claim = dataclasses.replace(stranger, terminal=terminal)
    assert not tree.verify(world.root, key, None, claim)
    itself = tree.Other(sha256(b"key 7"), sha256(b"v"))
    assert not tree.verify(
        world.root, b"key 7", None, dataclasses.replace(stranger, terminal=itself)
    )


def test_a_lost_node_is_our_own_bug() -> None:
    world = crowded()
    first = sha256(b"key 7")[0] >> 4
    del world.nodes[16 + first]
    with pytest.raises(AssertionError, match=f"no node at {16 + first:x}"):
        tree.update(world.nodes.get, {b"key 7": b"w"})


@given(batches)
def test_a_tree_that_is_built_is_the_one_that_grew(
    changes: list[dict[bytes, bytes | None]],
) -> None:
    """ADR 0102: a start computes from the state what the blocks before it made step by step."""
    world = stored({b"key %d" % i: b"v" for i in range(0, 600, 2)})
    for batch in changes:
        world.update(batch)
    built = tree.build(world.state.items())
    assert (tree.get_root(built.get), built) == (world.root, world.nodes)
    copy = dict(world.nodes)
    removed = dict.fromkeys(list(world.state)[::2])
    tree.apply(copy, tree.update(copy.get, removed).nodes)
    rest = {key: value for key, value in world.state.items() if key not in removed}
    assert copy == tree.build(rest.items())


def test_keys_that_share_many_nibbles_stand_deep_in_a_page() -> None:
    """Two keys ground until five nibbles of their hashes are the same, and a third beside them."""
    seen: dict[str, bytes] = {}
    key = twin = b"0"
    while key == twin:
        key = b"%d" % (len(seen) + 1)
        twin = seen.setdefault(sha256(key).hex()[:5], key)
    state = {key: b"1", twin: b"2", b"other": b"3"}
    world = stored(state)
    assert world.root == naive_root(state)
    assert list(world.nodes) == [tree.ROOT]
    assert len(tree.prove(world.nodes.get, key).path) > 5
    for asked, value in state.items():
        assert tree.verify(world.root, asked, value, tree.prove(world.nodes.get, asked))
    world.update({key: None})
    assert world.root == naive_root({twin: b"2", b"other": b"3"})


def test_a_value_hash_that_is_a_key_hash_is_not_taken_for_one() -> None:
    """A leaf is looked for in the bytes of a page, where value hashes stand between key hashes."""
    state = {b"a": b"key", b"b": b"key", b"key": b"v"}
    world = stored(state)
    for value in (b"w", None, b"x"):
        world.update({b"key": value})
        assert world.root == naive_root(world.state)
