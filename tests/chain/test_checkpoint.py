"""Checkpoint notes and policies as text (consensus M5, M15, interfaces 3.5, 5.2)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import checkpoint
from chain.checkpoint import (
    NOTE_BYTES_MAX,
    Checkpoint,
    commit_bytes,
    count_signatures,
    from_base64,
    key_id,
    key_name,
    origin,
    read_body,
    read_note,
    read_vkey,
    to_base64,
    write_body,
    write_note,
    write_vkey,
)
from chain.crypto import public_key, sha256, sign
from chain.errors import Malformed
from chain.policy import build_policy, era_at, era_keys, read_policy, write_policy
from chain.validators import Validator, validator_set

SEED = bytes(range(32))
KEY = public_key(SEED)
NAME = key_name("demo-1", "noord")
TYPED = b"\x01" + KEY
BODY = commit_bytes("demo-1", 0, sha256(b""), 1, 0, sha256(b"block"))
NOTE = write_note(BODY, [(NAME, KEY, sign(SEED, BODY))], 1)
POLICY = (Path(__file__).parent.parent / "vectors" / "receipt-policy.json").read_text()

hashes = st.binary(min_size=32, max_size=32)
uints = st.integers(0, 2**63 - 1)


def test_vector_of_consensus_m5() -> None:
    assert len(BODY) == 119
    assert sha256(BODY).hex() == "dca7727dcf56149125064cfdb7f728582d871e2e8061341fb5678d7abde0773a"
    written = BODY.decode() + (
        "\n— wijkchain/demo-1/noord C7YBMBXHAy00L/ZFI7hDbYLL58g4Zzht6wZoCHEKdlD0dDT6S4Xp9Tkg+rTb"
        "qznUYvuFp8k+f4qLtLrTHBGgfY4y6Q0=\n"
    )
    assert written == NOTE
    assert origin("demo-1") == "wijkchain/demo-1"


@given(st.from_regex(r"[a-z][a-z0-9-]{2,31}", fullmatch=True), uints, hashes, uints, uints, hashes)
def test_a_body_has_one_form_and_reads_back(
    chain_id: str, size: int, log_root: bytes, height: int, round_: int, block_id: bytes
) -> None:
    body = commit_bytes(chain_id, size, log_root, height, round_, block_id)
    said = Checkpoint(chain_id, size, log_root, height, round_, block_id)
    assert read_body(body) == said
    assert write_body(said) == body
    assert body.count(b"\n") == 4
    assert body.startswith(b"w")


@given(st.integers(0, len(BODY) - 1), st.integers(0, 255))
def test_a_changed_body_says_something_else_or_nothing(at: int, put: int) -> None:
    changed = BODY[:at] + bytes([put]) + BODY[at + 1 :]
    try:
        said = read_body(changed)
    except Malformed:
        return
    assert write_body(said) == changed


@pytest.mark.parametrize(
    "body",
    [
        "",
        "wijkchain/demo-1\n",
        BODY.decode()[:-1],
        BODY.decode() + "\n",
        BODY.decode() + "extension\n",
        BODY.decode().replace("\n0\n", "\n00\n"),
        BODY.decode().replace("\n0\n", "\n+0\n"),
        BODY.decode().replace("\n0\n", "\n-1\n"),
        BODY.decode().replace("\n0\n", "\n9223372036854775808\n"),
        BODY.decode().replace("\n0\n", "\n٣\n"),
        BODY.decode().replace("block 1 0", "block 1  0"),
        BODY.decode().replace("block 1 0", "block 01 0"),
        BODY.decode().replace("block", "Block"),
        BODY.decode().replace("demo-1", "Demo-1"),
        BODY.decode().replace("demo-1", "de"),
        BODY.decode().replace("demo-1", "demo-1/noord"),
        BODY.decode().replace("wijkchain", "bijkchain"),
        BODY.decode().replace("\n", "\r\n"),
        BODY.decode().replace("SuFU=", "SuFV="),
        BODY.decode().replace("SuFU=", "SuFU"),
        BODY.decode().replace("SuFU=", "SuE="),
        BODY.decode().replace("47DE", "47D-"),
    ],
    ids=repr,
)
def test_bodies_in_another_form_are_malformed(body: str) -> None:
    with pytest.raises(Malformed):
        read_body(body.encode())


def test_a_body_that_is_no_text_is_malformed() -> None:
    with pytest.raises(Malformed):
        read_body(b"\xff" + BODY)


def test_a_note_reads_back_and_its_signature_counts() -> None:
    note = read_note(NOTE)
    assert note.body == BODY
    assert [(line.name, line.key_id) for line in note.lines] == [(NAME, key_id(NAME, KEY))]
    count = count_signatures(note, {NAME: KEY})
    assert (count.valid, count.unknown) == (1, 0)


def line(name: str, data: bytes) -> str:
    return f"— {name} {to_base64(data)}\n"


@pytest.mark.parametrize(
    "more",
    [
        line("wijkchain/demo-1/stranger", bytes(68)),
        line(NAME, bytes(68)),
        line("witness.example/éé", b"\x04" * 80),
    ],
    ids=["other name", "other key id", "witness"],
)
def test_unknown_keys_are_passed_over(more: str) -> None:
    """interfaces 5.2: also a known name with the id of another key."""
    count = count_signatures(read_note(NOTE + more), {NAME: KEY})
    assert (count.valid, count.unknown) == (1, 1)


def test_a_key_that_signs_twice_counts_once() -> None:
    """interfaces 5.2: distinct signatures count."""
    again = NOTE.split("\n\n")[1]
    assert count_signatures(read_note(NOTE + again), {NAME: KEY}).valid == 1


@pytest.mark.parametrize("signature", [bytes(64), bytes(63), bytes(65), b"\x00"])
def test_a_bad_signature_of_a_known_key_rejects_the_note(signature: bytes) -> None:
    """interfaces 5.2: whatever good ones stand beside it."""
    note = read_note(NOTE + line(NAME, key_id(NAME, KEY) + signature))
    with pytest.raises(Malformed, match="wrong signature of wijkchain/demo-1/noord"):
        count_signatures(note, {NAME: KEY})


SIGNATURE = NOTE.split("\n\n")[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        BODY.decode(),
        BODY.decode() + "\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE + " \n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", "—  "),
        NOTE.replace("— ", " — "),
        NOTE.replace("6Q0=\n", "6Q0= \n"),
        NOTE.replace("6Q0=\n", "6Q0=\r\n"),
        NOTE.replace("6Q0=\n", "6Q0\n"),
        NOTE.replace("6Q0=\n", "6Q1=\n"),
        NOTE.replace("noord ", "no+ord "),
        NOTE.replace("noord ", "no\u00a0ord "),
        NOTE.replace("noord ", "no\tord "),
        NOTE.replace("noord ", "no\x00ord "),
        NOTE.replace("noord ", "no\ud800ord "),
        BODY.decode() + "\n" + line(NAME, bytes(4)),
        BODY.decode() + "\n" + f"—  {to_base64(bytes(68))}\n",
        BODY.decode() + "\n" + SIGNATURE * 101,
        BODY.decode() + "\n" + line("n" * NOTE_BYTES_MAX, bytes(68)),
    ],
    ids=range(24),
)
def test_notes_in_another_form_are_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_note(text)


def test_a_hundred_signature_lines_are_read() -> None:
    """interfaces 5.2: public tools need accept only 16."""
    assert len(read_note(BODY.decode() + "\n" + SIGNATURE * 100).lines) == 100


@given(st.text(max_size=300))
def test_hostile_notes_are_malformed_and_nothing_else(text: str) -> None:
    for hostile in (text, BODY.decode() + "\n" + text, BODY.decode() + "\n— " + text + "\n"):
        try:
            count_signatures(read_note(hostile), {NAME: KEY})
        except Malformed:
            continue


def test_one_vote_never_leaves_as_a_checkpoint() -> None:
    """consensus M15."""
    with pytest.raises(AssertionError):
        write_note(BODY, [(NAME, KEY, sign(SEED, BODY))], 3)


def test_vkey_of_interfaces_5_3() -> None:
    name, key = key_name("vector-chain", "v1"), public_key(b"\x11" * 32)
    vkey = "wijkchain/vector-chain/v1+f51ee372+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3"
    assert write_vkey(name, key) == vkey
    assert read_vkey(vkey) == (name, key)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "wijkchain/vector-chain/v1+f51ee372",
        write_vkey(NAME, KEY).replace("noord", "zuid"),
        write_vkey(NAME, KEY)[:-4],
        write_vkey(NAME, KEY) + "AAAA",
        write_vkey(NAME, KEY).replace("+", " ", 1),
        write_vkey(NAME, bytes(32)),
        write_vkey("", KEY),
        write_vkey("a b", KEY),
        f"{NAME}+{key_id(NAME, KEY).hex().upper()}+{to_base64(TYPED)}",
        f"{NAME}+{key_id(NAME, KEY).hex()}+{to_base64(bytes([2]) + KEY)}",
    ],
)
def test_vkeys_in_another_form_are_malformed(vkey: str) -> None:
    with pytest.raises(Malformed):
        read_vkey(vkey)


@given(st.text(max_size=100))
def test_hostile_base64_is_malformed_and_nothing_else(text: str) -> None:
    try:
        data = from_base64(text, "test")
    except Malformed:
        return
    assert to_base64(data) == text


@pytest.mark.parametrize("text", ["1", "12", "9223372036854775807", "0"])
def test_numbers_have_one_form(text: str) -> None:
    assert str(checkpoint.read_uint(text, "test")) == text


# ------------------------------------------------------------------------------------- policies


def change(put: Callable[[Any], object]) -> str:
    policy = json.loads(POLICY)
    put(policy)
    return json.dumps(policy)


def era(policy: Any, **fields: object) -> None:
    policy["eras"][0].update(fields)


def split(policy: Any, last: int | None, first: int) -> None:
    later = json.loads(json.dumps(policy["eras"][0]))
    policy["eras"][0]["to_height"] = last
    later["from_height"] = first
    policy["eras"].append(later)


def test_the_policy_of_the_vectors_reads_writes_and_is_built() -> None:
    policy = read_policy(POLICY)
    assert read_policy(POLICY.encode()) == policy
    assert write_policy(policy) == POLICY
    keys = [public_key(bytes([0x11 + i]) * 32) for i in range(4)]
    four = validator_set(Validator(f"v{i + 1}", key) for i, key in enumerate(keys))
    assert build_policy("vector-chain", sha256(b"wijk vector chain"), [(1, None, four)]) == policy
    (only,) = policy.eras
    assert list(era_keys(only).values()) == keys


def test_an_era_counts_both_its_ends() -> None:
    policy = read_policy(change(lambda p: split(p, 9, 10)))
    first, second = policy.eras
    assert [era_at(policy, height) for height in (0, 1, 9, 10, 10**9)] == [
        None,
        first,
        first,
        second,
        second,
    ]
    ended = read_policy(change(lambda p: era(p, to_height=9)))
    assert era_at(ended, 10) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 60_000,
        "\ufeff" + POLICY,
        POLICY.replace('"quorum":3', '"quorum":3,"quorum":3'),
        POLICY.replace('"quorum":3', '"quorum":3.0'),
        POLICY.replace('"quorum":3', '"quorum":NaN'),
        POLICY.replace('"quorum":3', '"quorum":true'),
        POLICY.replace('"quorum":3', '"quorum":' + "9" * 5000),
        POLICY.replace('"v1"', '"\\ud800"'),
        change(lambda p: p.update(more=1)),
        change(lambda p: p.pop("chain_digest")),
        change(lambda p: p.update(format="wijk/policy/2")),
        change(lambda p: p.update(chain_digest=p["chain_digest"].upper())),
        change(lambda p: p.update(chain_digest=p["chain_digest"] + "\n")),
        change(lambda p: p.update(origin="wijkchain/other")),
        change(lambda p: p.update(chain_id="other", origin="wijkchain/other")),
        change(lambda p: p.update(eras=[])),
        change(lambda p: era(p, quorum=2)),
        change(lambda p: era(p, quorum=4)),
        change(lambda p: era(p, from_height=0)),
        change(lambda p: era(p, from_height=5, to_height=4)),
        change(lambda p: era(p, validators=[])),
        change(lambda p: era(p, more=1)),
        change(lambda p: split(p, None, 10)),
        change(lambda p: split(p, 9, 9)),
        change(lambda p: split(p, 9, 11)),
        change(lambda p: p["eras"][0]["validators"].append(p["eras"][0]["validators"][0])),
        change(lambda p: p["eras"][0]["validators"][0].update(name="v2")),
        change(lambda p: p["eras"][0]["validators"][0].update(vkey=write_vkey(NAME, KEY))),
    ],
    ids=range(31),
)
def test_policies_in_another_form_are_malformed(text: str) -> None:
    """interfaces 3.5; reliability W29."""
    with pytest.raises(Malformed):
        read_policy(text)


def test_one_key_under_two_names_is_malformed() -> None:
    """consensus Q4: it would count twice."""
    name = key_name("vector-chain", "v9")
    twin = {"name": "v9", "vkey": write_vkey(name, public_key(b"\x11" * 32))}
    text = change(lambda p: era(p, quorum=4, validators=[*p["eras"][0]["validators"], twin]))
    with pytest.raises(Malformed, match="stands twice"):
        read_policy(text)
