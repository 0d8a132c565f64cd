"""`audit verify` as a whole: block F, the policy it builds, and what it refuses to say."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.blocks import RawBlock
from audit.files import POLICY, load_policy, store_policy
from audit.verify import Verdict, damaged_source, verify
from chain.errors import Malformed
from chain.policy import build_policy, read_policy
from chain.texts import Problem
from tests import federation
from tests.audit.made_chain import make_chain, make_changed_chain

CHAIN = make_chain(extra=3)
RAWS = CHAIN.raws
TOP = len(RAWS)
# Block F of interfaces 1.8, in its order, and `why` beside it.
FIELDS = [
    "source",
    "chain_digest",
    "from",
    "to",
    "headers",
    "signatures",
    "transactions",
    "from_genesis",
    "issued_cents",
    "redeemed_cents",
    "supply_cents",
    "reserve_cents",
    "invariants",
    "ok",
    "first_bad",
    "log_size",
    "log_root",
    "policy",
    "seconds",
    "why",
]


class Listed:
    """A source over a list, as honest as the list."""

    name = "a list"

    def __init__(self, raws: list[RawBlock], genesis: bytes = CHAIN.genesis.canonical) -> None:
        self._raws = raws
        self._genesis = genesis

    def read_genesis(self) -> bytes:
        return self._genesis

    def read_height(self) -> int:
        return len(self._raws)

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        for height in range(first, last + 1):
            if height > len(self._raws):
                raise Malformed(f"no block {height}")
            yield self._raws[height - 1]


def run(source: Listed, home: Path, **options: Any) -> Verdict:
    return verify(source, home, clock_s=iter((10.0, 11.25)).__next__, **options)


def damage(height: int) -> list[RawBlock]:
    raws = list(RAWS)
    header = raws[height - 1].header
    raws[height - 1] = msgspec.structs.replace(
        raws[height - 1], header=header[:-1] + bytes([header[-1] ^ 1])
    )
    return raws


def test_a_sound_chain_gives_block_f_and_a_policy(tmp_path: Path) -> None:
    verdict = run(Listed(RAWS), tmp_path)

    tree = verdict.tree
    assert list(tree) == FIELDS
    assert verdict.ok
    assert verdict.why is None
    assert (tree["source"], tree["chain_digest"]) == ("a list", CHAIN.genesis.digest.hex())
    assert (tree["from"], tree["to"], tree["headers"]) == (1, TOP, TOP)
    assert (tree["from_genesis"], tree["invariants"], tree["first_bad"]) == (True, "ok", None)
    assert tree["issued_cents"] == tree["supply_cents"] == tree["reserve_cents"] == 17_500
    assert (tree["policy"], tree["seconds"]) == ("policy.json", 1.25)
    policy = read_policy((tmp_path / POLICY).read_text())
    assert policy.chain_digest == CHAIN.genesis.digest.hex()
    assert [(era.from_height, era.to_height, era.quorum) for era in policy.eras] == [(1, None, 3)]
    assert (tmp_path / POLICY).stat().st_mode & 0o777 == 0o600


def test_a_policy_that_is_right_already_stays_byte_for_byte(tmp_path: Path) -> None:
    run(Listed(RAWS), tmp_path)
    before = (tmp_path / POLICY).stat()

    run(Listed(RAWS), tmp_path)

    assert (tmp_path / POLICY).stat().st_mtime_ns == before.st_mtime_ns


def test_a_policy_learns_of_a_changed_set_from_the_chain_it_verified(tmp_path: Path) -> None:
    """interfaces 3.5: an era is added once the era before has certified the set that follows."""
    chain, first = make_changed_chain()
    genesis = chain.genesis.canonical
    assert run(Listed(chain.raws[: first - 2], genesis), tmp_path).ok
    before = load_policy(tmp_path)

    assert run(Listed(chain.raws, genesis), tmp_path).ok

    after = load_policy(tmp_path)
    assert before is not None
    assert after is not None
    assert [(era.from_height, era.to_height) for era in before.eras] == [(1, None)]
    assert [(era.from_height, era.to_height) for era in after.eras] == [
        (1, first - 1),
        (first, None),
    ]
    assert run(Listed(chain.raws, genesis), tmp_path, first=first - 1).ok


@pytest.mark.parametrize("height", range(1, TOP + 1))
def test_damage_is_named_and_no_policy_is_written(tmp_path: Path, height: int) -> None:
    verdict = run(Listed(damage(height)), tmp_path)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, height)
    assert verdict.tree["headers"] == height - 1
    assert verdict.tree["policy"] is None
    assert not (tmp_path / POLICY).exists()


def test_a_chain_that_is_shorter_than_asked_is_a_finding(tmp_path: Path) -> None:
    verdict = run(Listed(RAWS), tmp_path, last=TOP + 1)

    assert (verdict.tree["first_bad"], verdict.why) == (TOP + 1, f"no block {TOP + 1}")


def test_a_chain_can_be_verified_up_to_a_height(tmp_path: Path) -> None:
    verdict = run(Listed(damage(5)), tmp_path, last=4)

    assert verdict.ok
    assert (verdict.tree["to"], verdict.tree["headers"]) == (4, 4)


def test_genesis_that_is_no_genesis_is_height_0(tmp_path: Path) -> None:
    verdict = run(Listed(RAWS, b"{}"), tmp_path)

    assert (verdict.tree["first_bad"], verdict.tree["chain_digest"]) == (0, None)
    assert verdict.tree["invariants"] is None
    assert verdict.why is not None
    assert verdict.why.startswith("genesis:")


def test_a_pinned_chain_is_never_swapped_for_another(tmp_path: Path) -> None:
    """A node that serves another chain, sound in itself, does not pass (interfaces 3.5)."""
    run(Listed(RAWS), tmp_path)
    other = federation.make_genesis(wijken=4)

    verdict = run(Listed([], other.canonical), tmp_path)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, 0)
    assert verdict.why == "genesis of another chain than policy.json names"
    kept = load_policy(tmp_path)
    assert kept is not None
    assert kept.chain_digest == CHAIN.genesis.digest.hex()


def test_a_policy_of_other_validators_contradicts_and_stays(tmp_path: Path) -> None:
    other = federation.make_genesis(wijken=3)
    wrong = build_policy(
        CHAIN.chain.chain_id,
        CHAIN.genesis.digest,
        [(1, None, _set_of(other))],
    )
    store_policy(tmp_path, wrong)

    verdict = run(Listed(RAWS), tmp_path)

    assert not verdict.ok
    assert verdict.why == "policy.json names other validators from height 1"
    assert load_policy(tmp_path) == wrong


def _set_of(genesis: Any) -> Any:
    from chain.light import trust_genesis

    return trust_genesis(genesis).validators


def test_a_policy_that_cannot_be_read_is_no_policy_to_write_over(tmp_path: Path) -> None:
    (tmp_path / POLICY).write_text("{")

    with pytest.raises(Problem) as caught:
        run(Listed(RAWS), tmp_path)

    assert caught.value.number == 1002
    assert (tmp_path / POLICY).read_text() == "{"


def test_from_a_height_only_headers_are_said_to_be_checked(tmp_path: Path) -> None:
    verdict = run(Listed(RAWS), tmp_path, first=4)

    tree = verdict.tree
    assert verdict.ok
    assert (tree["from"], tree["to"], tree["headers"]) == (4, TOP, TOP - 3)
    assert tree["from_genesis"] is False
    assert tree["invariants"] is None
    assert tree["issued_cents"] is None
    assert tree["supply_cents"] is None
    assert tree["policy"] is None
    assert not (tmp_path / POLICY).exists()


@pytest.mark.parametrize("height", range(3, TOP + 1))
def test_from_a_height_damage_is_named_too(tmp_path: Path, height: int) -> None:
    verdict = run(Listed(damage(height)), tmp_path, first=4)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, height)


def test_from_a_height_damage_before_it_is_not_looked_at(tmp_path: Path) -> None:
    assert run(Listed(damage(2)), tmp_path, first=4).ok


def test_from_a_height_that_is_not_there(tmp_path: Path) -> None:
    verdict = run(Listed(RAWS), tmp_path, first=TOP + 5)

    assert not verdict.ok
    assert verdict.tree["first_bad"] == TOP + 4


def test_a_source_that_cannot_be_opened_has_block_f_too() -> None:
    verdict = damaged_source("/x", 1, "the store cannot be opened")

    assert list(verdict.tree) == FIELDS
    assert (verdict.ok, verdict.tree["first_bad"]) == (False, 1)
