"""A home that follows the validators by itself, over real sockets: F47 (consensus S9)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from chain.checkpoint import from_base64
from chain.codec import decode, encode
from chain.key_text import key_text
from chain.keyspaces import SET_NOW, VALIDATOR_SETS
from chain.light import TRUST_PERIOD_MS
from chain.policy import Policy, build_policy, era_set, read_policy, write_policy
from chain.records import Header, block_id
from chain.texts import Problem, remedy
from chain.validators import (
    CommitCertificate,
    Validator,
    ValidatorSet,
    check_commit_certificate,
    validator_set,
)
from node.forks import FORKS, HEAD
from node.light_client import POLICY, Followed, follow_home
from tests import federation
from tests.audit.made_chain import MadeChain, make_chain, make_changed_chain, transfer
from tests.audit.small_node import SmallNode, serve

CHAIN, NEW = make_changed_chain()  # and the first height of the new set
TOP = len(CHAIN.raws)
NOW_MS = CHAIN.time_s * 1000 + 1_000_000  # a head of this chain is no longer young
FIRST = validator_set(
    Validator(doc.name, bytes.fromhex(doc.public_key)) for doc in CHAIN.genesis.doc.validators
)
PIN = build_policy(CHAIN.chain.chain_id, CHAIN.chain.digest, [(1, None, FIRST)])

NAMES_KEY = VALIDATOR_SETS.key(SET_NOW)


def save(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def follow(home: Path, *nodes: SmallNode, now_ms: int = NOW_MS, eager: bool = False) -> Followed:
    """Follow with the policy of the home, at first that of genesis."""
    path = home / POLICY
    known = read_policy(path.read_bytes()) if path.exists() else PIN
    urls = [node.url for node in nodes]
    return follow_home(home, known, urls, now_ms=now_ms, save=save, timeout_s=10, eager=eager)


def refused(home: Path, *nodes: SmallNode, number: int = 5001) -> Problem:
    before = {path.name for path in home.iterdir()}
    with pytest.raises(Problem) as caught:
        follow(home, *nodes)
    assert caught.value.number == number
    assert {path.name for path in home.iterdir()} - {FORKS} == before - {FORKS}
    return caught.value


def cut(chain: MadeChain, top: int) -> MadeChain:
    """Return the chain as a node knows it that stands at `top`."""
    part = copy.copy(chain)
    part.decided, part.raws = chain.decided[:top], chain.raws[:top]
    return part


def branch(cents: int, blocks: int = 3) -> MadeChain:
    """Return the chain with payments of `cents` after it: another amount is another block."""
    chain, _ = make_changed_chain()
    for _ in range(blocks):
        assert chain.by_person("anna", transfer("chaima", cents)).code == 0
    return chain


@pytest.fixture
def node() -> Iterator[SmallNode]:
    with serve(CHAIN) as serving:
        yield serving


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def spans(policy: Policy) -> list[tuple[int, int | None]]:
    return [(era.from_height, era.to_height) for era in policy.eras]


def head_height(home: Path) -> int:
    kept = json.loads((home / HEAD).read_text())
    return decode(Header, from_base64(kept["header"], "header")).height


# ------------------------------------------------------------------------------ following


def test_f47_a_home_follows_a_changed_set_by_itself(tmp_path: Path, node: SmallNode) -> None:
    """interfaces 3.5: the era is added where the era before has announced its set."""
    followed = follow(tmp_path, node)

    assert followed.height == TOP
    assert spans(followed.policy) == [(1, NEW - 1), (NEW, None)]
    assert read_policy((tmp_path / POLICY).read_bytes()) == followed.policy
    members = era_set(followed.policy.eras[-1])
    assert federation.key("node-new") in members
    kept = json.loads((tmp_path / HEAD).read_text())
    certificate = decode(CommitCertificate, from_base64(kept["certificate"], "certificate"))
    check_commit_certificate(certificate, members, CHAIN.chain.chain_id)
    assert certificate.height == TOP


def test_a_head_is_where_the_next_run_goes_on(tmp_path: Path, serving: ExitStack) -> None:
    early = serving.enter_context(serve(cut(CHAIN, NEW - 2)))
    late = serving.enter_context(serve(CHAIN))

    assert follow(tmp_path, early).height == head_height(tmp_path) == NEW - 2
    assert spans(read_policy((tmp_path / POLICY).read_bytes())) == [(1, None)]
    assert follow(tmp_path, late).height == head_height(tmp_path) == TOP
    assert f"/v1/blocks/{NEW - 2}" in late.asked  # it has to have what was followed before
    assert "/v1/genesis" not in late.asked


def test_a_set_that_is_announced_for_the_next_block_is_an_era(
    tmp_path: Path, serving: ExitStack
) -> None:
    """consensus V1: header h announces Set(h + 1)."""
    at_the_border = serving.enter_context(serve(cut(CHAIN, NEW - 1)))

    assert spans(follow(tmp_path, at_the_border).policy) == [(1, NEW - 1), (NEW, None)]
    late = serving.enter_context(serve(CHAIN))
    assert follow(tmp_path, late).height == TOP


def test_a_young_head_of_an_unchanged_set_costs_one_question(
    tmp_path: Path, node: SmallNode
) -> None:
    """Every command of a wallet asks; what moves is the head, and the second source with it."""
    now_ms = CHAIN.time_s * 1000
    follow(tmp_path, node, now_ms=now_ms)
    node.asked.clear()

    follow(tmp_path, node, now_ms=now_ms)

    assert node.asked == ["/v1/blocks/latest"]


def test_a_pin_without_a_head_begins_where_its_set_still_certifies(
    tmp_path: Path, serving: ExitStack
) -> None:
    """A pin is somebody's word of now: an old chain need not be followed from genesis."""
    chain = make_chain(extra=3)
    old = serving.enter_context(serve(chain))
    pin = build_policy(chain.chain.chain_id, chain.chain.digest, [(1, None, FIRST)])
    years_later = NOW_MS + 5 * TRUST_PERIOD_MS

    followed = follow_home(tmp_path, pin, [old.url], now_ms=years_later, save=save, timeout_s=10)

    top = len(chain.raws)
    assert followed.height == top
    assert [path for path in old.asked if "blocks" in path].count(f"/v1/blocks/{top - 1}") == 1
    assert "/v1/genesis" not in old.asked


def test_f47_after_the_trust_period_every_header_is_followed(
    tmp_path: Path, serving: ExitStack
) -> None:
    early = serving.enter_context(serve(cut(CHAIN, 2)))
    late = serving.enter_context(serve(CHAIN))
    follow(tmp_path, early)

    followed = follow(tmp_path, late, now_ms=NOW_MS + TRUST_PERIOD_MS)

    assert followed.height == TOP
    assert {f"/v1/blocks/{height}" for height in range(3, TOP + 1)} <= set(late.asked)


def test_a_node_that_is_behind_moves_nothing_back(tmp_path: Path, serving: ExitStack) -> None:
    late = serving.enter_context(serve(CHAIN))
    early = serving.enter_context(serve(cut(CHAIN, NEW - 2)))
    follow(tmp_path, late)

    assert follow(tmp_path, early).height == TOP
    assert head_height(tmp_path) == TOP
    (tmp_path / HEAD).unlink()
    assert spans(follow(tmp_path, early).policy) == [(1, NEW - 1), (NEW, None)]


def test_nodes_that_are_away_change_nothing(tmp_path: Path, serving: ExitStack) -> None:
    with serve(CHAIN) as gone:
        pass
    alive = serving.enter_context(serve(CHAIN))

    assert follow(tmp_path, gone) == Followed(PIN, None)
    assert list(tmp_path.iterdir()) == []
    assert follow(tmp_path, gone, alive, gone).height == TOP


def test_a_chain_without_a_block_has_nothing_to_follow(tmp_path: Path, serving: ExitStack) -> None:
    empty = serving.enter_context(serve(cut(CHAIN, 0)))
    empty.lies["/v1/blocks/latest"] = (404, b'{"code":"WIJK-3007"}')

    assert follow(tmp_path, empty) == Followed(PIN, None)


# ------------------------------------------------------------------------------ lying nodes


def claim(node: SmallNode, *rows: tuple[int, int | None, ValidatorSet]) -> None:
    policy = build_policy(CHAIN.chain.chain_id, CHAIN.chain.digest, rows)
    node.lies["/v1/policy"] = (200, write_policy(policy).encode())


def test_f47_a_node_that_names_other_validators_is_not_believed(
    tmp_path: Path, node: SmallNode
) -> None:
    """consensus S9: sets are found by the hashes of certified headers, whatever a node claims."""
    stranger = validator_set(
        [*FIRST.validators[1:], Validator("vreemd", federation.key("stranger"))]
    )
    claim(node, (1, NEW - 1, FIRST), (NEW, None, stranger))

    problem = refused(tmp_path, node)

    assert "does not name the validators" in str(problem.params["cause"])
    assert node.url in str(problem.params["cause"])


@pytest.mark.parametrize("height", [NEW - 1, NEW + 1])
def test_f47_a_change_at_another_height_than_claimed_is_refused(
    tmp_path: Path, node: SmallNode, height: int
) -> None:
    """An era says which keys count at which height, to the block (consensus V2, V6)."""
    second = node.store.eras[1][1]
    claim(node, (1, height - 1, FIRST), (height, None, second))

    problem = refused(tmp_path, node)

    assert "change" in str(problem.params["cause"])


def test_f47_a_node_that_keeps_a_change_to_itself_is_refused(
    tmp_path: Path, node: SmallNode
) -> None:
    second = node.store.eras[1][1]
    claim(node, (1, TOP + 9, FIRST), (TOP + 10, None, second))

    problem = refused(tmp_path, node)

    assert "does not say when the validators changed" in str(problem.params["cause"])


def test_f47_the_names_of_new_validators_are_proven_in_the_state(
    tmp_path: Path, node: SmallNode
) -> None:
    """A header commits to keys (consensus M7): a node cannot call a newcomer as it likes."""
    second = node.store.eras[1][1]
    key = federation.key("node-new")
    lied = validator_set(
        Validator("burgemeester" if one.key == key else one.name, one.key)
        for one in second.validators
    )
    claim(node, (1, NEW - 1, FIRST), (NEW, None, lied))

    followed = follow(tmp_path, node)

    assert era_set(followed.policy.eras[-1]) == second
    assert "burgemeester" not in (tmp_path / POLICY).read_text()


@pytest.mark.parametrize("ref", ["latest", str(NEW - 1)])
def test_f47_a_block_that_its_validators_did_not_certify_is_refused(
    tmp_path: Path, node: SmallNode, ref: str
) -> None:
    height = TOP if ref == "latest" else int(ref)
    raw = node.store.raw_block(height)
    assert raw is not None
    header, body, certificate, _ = raw
    told = decode(Header, header)
    forged = encode(msgspec.structs.replace(told, state_root=bytes(32)))
    for path in {f"/v1/blocks/{ref}", f"/v1/blocks/{height}"}:
        node.lies[path] = (200, encode([forged, body, certificate, None]))

    problem = refused(tmp_path, node)

    assert "is of another block" in str(problem.params["cause"])


def test_a_node_of_another_chain_is_refused(tmp_path: Path, serving: ExitStack) -> None:
    other = make_chain()
    stranger = serving.enter_context(serve(other))

    refused(tmp_path, stranger)


@pytest.mark.parametrize(
    "answer", [b"", b"\xc0", encode([b"", b"", b"", None]), encode([b"a", b"b"])]
)
def test_garbage_is_refused(tmp_path: Path, node: SmallNode, answer: bytes) -> None:
    node.lies["/v1/blocks/latest"] = (200, answer)

    refused(tmp_path, node)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format":"wijk/light/2","header":"","certificate":""}']
)
def test_a_head_that_is_none_is_said(tmp_path: Path, node: SmallNode, text: str) -> None:
    (tmp_path / HEAD).write_text(text)

    problem = refused(tmp_path, node, number=1002)

    assert HEAD in str(problem.params["errors"])


# ------------------------------------------------------------------------------ two sources


def test_f47_a_second_source_that_agrees_is_named(tmp_path: Path, serving: ExitStack) -> None:
    first, behind, second = (
        serving.enter_context(serve(chain)) for chain in (CHAIN, cut(CHAIN, TOP - 1), CHAIN)
    )

    followed = follow(tmp_path, first, behind, second)

    assert (followed.compared, followed.doubts) == (behind.url, ())
    assert follow(tmp_path, first, eager=True).compared is None


def test_f47_a_second_source_that_nobody_certified_is_a_doubt(
    tmp_path: Path, serving: ExitStack
) -> None:
    """A liar beside an honest node stops nobody; the third one is asked."""
    first, liar, third = (serving.enter_context(serve(CHAIN)) for _ in range(3))
    raw = liar.store.raw_block(TOP)
    assert raw is not None
    header, body, certificate, _ = raw
    forged = encode(msgspec.structs.replace(decode(Header, header), state_root=bytes(32)))
    for ref in ("latest", TOP):
        liar.lies[f"/v1/blocks/{ref}"] = (200, encode([forged, body, certificate, None]))

    followed = follow(tmp_path, first, liar, third)

    assert followed.compared == third.url
    assert len(followed.doubts) == 1
    assert liar.url in followed.doubts[0]


def test_f47_two_certificates_for_one_height_are_kept_and_never_resolved(
    tmp_path: Path, serving: ExitStack
) -> None:
    """consensus S9, E6: reported with both certificates; until people decide nothing is trusted."""
    ours, theirs = branch(11), branch(12)
    first, second = (serving.enter_context(serve(chain)) for chain in (ours, theirs))

    problem = refused(tmp_path, first, second, number=5003)

    path = tmp_path / FORKS / f"{TOP + 1}.json"
    head = str(tmp_path / HEAD)
    assert problem.params == {"height": TOP + 1, "file": str(path), "head": head}
    kept = json.loads(path.read_text())
    assert (kept["format"], kept["height"]) == ("wijk/fork/1", TOP + 1)
    assert len(kept["signed_both"]) >= 2  # f + 1 of four
    for block, source in zip(kept["blocks"], (first, second), strict=True):
        header = decode(Header, from_base64(block["header"], "header"))
        certificate = decode(CommitCertificate, from_base64(block["certificate"], "certificate"))
        members = validator_set(
            Validator(one["name"], bytes.fromhex(one["public_key"])) for one in block["validators"]
        )
        check_commit_certificate(certificate, members, CHAIN.chain.chain_id)
        assert block_id(header).hex() == certificate.block_id.hex() == block["block_id"]
        assert block["source"] == source.url
    assert kept["blocks"][0]["block_id"] != kept["blocks"][1]["block_id"]
    again = refused(tmp_path, first, number=5003)  # one source alone does not heal it
    assert again.params == {"file": str(path), "head": head}


def test_f47_a_node_that_left_the_chain_of_the_head_is_a_fork(
    tmp_path: Path, serving: ExitStack
) -> None:
    """What was followed stays: another certified block there is no longer chain, but a fork."""
    ours, theirs = branch(11), branch(12, blocks=5)
    first, second = (serving.enter_context(serve(chain)) for chain in (ours, theirs))
    follow(tmp_path, first)

    refused(tmp_path, second, number=5003)

    kept = json.loads((tmp_path / FORKS / f"{TOP + 3}.json").read_text())
    assert [block["source"] for block in kept["blocks"]] == [HEAD, second.url]
    assert head_height(tmp_path) == TOP + 3


def test_f47_a_first_source_cannot_make_up_a_fork(tmp_path: Path, serving: ExitStack) -> None:
    """Both blocks of a fork are certified: it names people who signed both, and stops the home.

    The source that is followed shows a block that nobody signed where the second one stands.
    """
    liar, second = (serving.enter_context(serve(chain)) for chain in (CHAIN, cut(CHAIN, TOP - 1)))
    raw = liar.store.raw_block(TOP - 1)
    assert raw is not None
    header, body, certificate, _ = raw
    forged = encode(msgspec.structs.replace(decode(Header, header), state_root=bytes(32)))
    liar.lies[f"/v1/blocks/{TOP - 1}"] = (200, encode([forged, body, certificate, None]))

    problem = refused(tmp_path, liar, second)

    assert liar.url in str(problem.params["cause"])
    assert not (tmp_path / FORKS).exists()


def test_a_node_is_no_second_source_for_itself(tmp_path: Path, node: SmallNode) -> None:
    assert follow(tmp_path, node, node).compared is None


def test_s9_a_node_that_stands_still_does_not_hide_what_another_one_shows(
    tmp_path: Path, serving: ExitStack
) -> None:
    """The first node is behind, or holds a change back: the next one is asked."""
    frozen, late = (serving.enter_context(serve(chain)) for chain in (cut(CHAIN, NEW - 2), CHAIN))
    follow(tmp_path, frozen)

    followed = follow(tmp_path, frozen, late)

    assert followed.height == head_height(tmp_path) == TOP
    assert spans(followed.policy) == [(1, NEW - 1), (NEW, None)]


def test_s9_a_liar_after_a_node_without_news_is_a_doubt(tmp_path: Path, serving: ExitStack) -> None:
    still, liar = (serving.enter_context(serve(CHAIN)) for _ in range(2))
    follow(tmp_path, still)
    liar.lies["/v1/blocks/latest"] = (200, b"\xc0")

    followed = follow(tmp_path, still, liar)

    assert followed.height == TOP
    assert len(followed.doubts) == 1
    assert liar.url in followed.doubts[0]


@pytest.mark.parametrize("code", ["WIJK-4002", "WIJK-4004", "WIJK-9001"])
def test_a_node_that_cannot_answer_now_leaves_it_to_the_next(
    tmp_path: Path, serving: ExitStack, code: str
) -> None:
    """A node whose past is still coming has no old block: that stops no payment."""
    busy, second = (serving.enter_context(serve(CHAIN)) for _ in range(2))
    busy.lies["/v1/genesis"] = (503, json.dumps({"code": code, "params": {}}).encode())

    assert follow(tmp_path, busy, second).height == TOP


def test_what_a_crash_left_in_the_folder_of_forks_is_no_fork(
    tmp_path: Path, node: SmallNode
) -> None:
    (tmp_path / FORKS).mkdir()
    (tmp_path / FORKS / ".7.json.0a1b2c3d.new").write_text("{")

    assert follow(tmp_path, node).height == TOP


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_a_fork_says_what_ends_it(tmp_path: Path, node: SmallNode, lang: str) -> None:
    """consensus E6: people decide, and then they have to know which file holds them up."""
    (tmp_path / FORKS).mkdir()
    path = tmp_path / FORKS / "7.json"
    path.write_text("{}")

    problem = refused(tmp_path, node, number=5003)

    said = remedy(5003, problem.params, "nl" if lang == "nl" else "en")
    assert str(path) in said
    assert HEAD in said


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_a_head_that_is_none_says_that_it_may_go(
    tmp_path: Path, node: SmallNode, lang: str
) -> None:
    (tmp_path / HEAD).write_text("{}")

    problem = refused(tmp_path, node, number=1002)

    assert str(tmp_path / HEAD) in remedy(1002, problem.params, "nl" if lang == "nl" else "en")


def test_f47_names_proven_before_the_change_do_not_name_a_newcomer(
    tmp_path: Path, serving: ExitStack
) -> None:
    """A true proof of an old block says nothing of a newcomer: then its name is a node's word."""
    old, node = (serving.enter_context(serve(chain)) for chain in (cut(CHAIN, NEW - 2), CHAIN))
    second = node.store.eras[1][1]
    key = federation.key("node-new")
    lied = validator_set(
        Validator("burgemeester" if one.key == key else one.name, one.key)
        for one in second.validators
    )
    claim(node, (1, NEW - 1, FIRST), (NEW, None, lied))
    node.lies["/v1/proofs/state"] = old.answer(f"/v1/proofs/state?key={key_text(NAMES_KEY)}")

    problem = refused(tmp_path, node)

    assert "are not proven" in str(problem.params["cause"])
