"""What `status` explains, with the production runtime in faulty networks (consensus C8, M14)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from chain.texts import message, problem
from consensus.events import Silence
from node.config import load_config
from node.home import Home
from node.meters import Meters
from node.standing import NO_LINK, QUIET, Node
from node.status import SILENCES, silence_text, status_json
from node.views import time_text
from tests.sim.test_evidence import LIES, set_keys
from tests.sim.test_scenarios import MINUTE, SECOND, leader, make_world, pay, start, stop
from tests.sim.world import SimLinks, SimTimers, World, people

if TYPE_CHECKING:
    from tests.sim.world import SimNode


def see(world: World, node: SimNode, folder: Path) -> Node:
    """Return the serving side of a simulated node, as `node/main.py` builds it."""
    runtime = node.runtime
    assert runtime is not None
    return Node(
        runtime=runtime,
        links=cast("Any", SimLinks(world, node)),
        timers=SimTimers(world, node),
        meters=Meters(),
        genesis=world.genesis,
        config=load_config(folder / "node.toml", {}),
        name=node.name,
        version="0",
        storage="memory",
        home=Home(folder),
        own_key=node.key,
        signer=cast("Any", node),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "node.toml").write_text("")
    return tmp_path


def ask(view: Node, lang: str = "en") -> dict[str, Any]:
    return status_json(view, "nl" if lang == "nl" else "en")


def test_c8_a_calm_chain_says_who_leads_next_and_that_nobody_is_missing(folder: Path) -> None:
    world = make_world(4)
    view = see(world, world.nodes[0], folder)
    pay(world, 3)

    told = ask(view)

    agreement = told["consensus"]
    assert told["validators"]["missing"] == []
    assert agreement["height"] == told["height"] + 1
    assert agreement["proposer"] == leader(world).name
    assert (agreement["sidelined"], agreement["suspended"]) == ([], [])
    assert agreement["silence"] is None
    assert abs(agreement["clock_skew_ms"]) <= 5


def test_c8_who_is_missing_is_named_with_since_when_and_its_last_vote(folder: Path) -> None:
    world = make_world(4)
    view = see(world, world.nodes[0], folder)
    pay(world, 3)
    gone = world.nodes[2]
    before = view.timers.wall_ms()
    stop(gone)
    world.run(world.now + MINUTE)
    pay(world, 2)

    (item,) = ask(view)["validators"]["missing"]

    assert (item["name"], item["reason"]) == (gone.name, NO_LINK)
    assert time_text(before) <= item["since_at"] <= time_text(before + SECOND)
    assert 1 <= item["last_height"] <= view.store.tip.height - 2


def test_c8_a_dead_leader_is_named_as_sidelined(folder: Path) -> None:
    """consensus L4: the failed round counts two heights later; votes are not touched by it."""
    world = make_world(4)
    dead = leader(world)
    view = see(world, next(node for node in world.nodes if node is not dead), folder)
    stop(dead)
    world.run(world.now + 2 * SECOND)
    pay(world, 4, every=3 * SECOND)

    (aside,) = ask(view)["consensus"]["sidelined"]

    assert aside["name"] == dead.name
    assert aside["until_height"] > view.store.tip.height


def test_c8_a_stall_names_who_is_away_since_when_in_dutch_and_english(folder: Path) -> None:
    """interfaces 6.2: a stall names the missing validators, the round, and the last vote."""
    world = make_world(4)
    view = see(world, world.nodes[0], folder)
    pay(world, 2)
    gone = world.nodes[1:3]
    for node in gone:
        stop(node)
    world.run(world.now + 3 * SECOND)
    world.pay()
    world.run(world.now + 3 * SECOND)

    told = ask(view)

    assert told["health"] == "down"
    assert told["validators"]["online"] == 2
    names = sorted(node.name for node in gone)
    missing = told["validators"]["missing"]
    assert [item["name"] for item in missing] == names
    params = told["cause"]["params"]
    assert (params["missing"], params["away"]) == (names, missing)
    for lang, since, vote in (
        ("nl", "sinds", "laatste stem: blok"),
        ("en", "since", "last vote: block"),
    ):
        said = ask(view, lang)["cause"]["detail"]
        for item in missing:
            minute = item["since_at"][:16].replace("T", " ")
            last = item["last_height"]
            assert 1 <= last <= view.store.tip.height
            assert f"{item['name']} {since} {minute} UTC ({vote} {last})" in said
        round_ = told["consensus"]["round"]
        assert {"nl": f"Ronde {round_}.", "en": f"Round {round_}."}[lang] in said
    refused = view.refusal()
    assert refused is not None
    assert refused.params["away"] == missing
    (failing,) = view.failing()
    assert failing["component"] == "quorum"
    assert names[0] in str(problem(4001, failing["problem"].params, "nl")["detail"])


def test_c8_votes_that_are_in_are_named_while_the_rest_is_missing(folder: Path) -> None:
    """consensus C8: who prepared, who committed: two of four are not enough."""
    world = make_world(4)
    leading = leader(world)
    voter = next(node for node in world.nodes if node is not leading)
    view = see(world, leading, folder)
    for node in world.nodes:
        if node not in (leading, voter):
            stop(node)
    payer, payee, *_ = people()
    world.submit(leading, world.make_payment(payer, payee, 1))
    world.run(world.now + 500)

    agreement = ask(view)["consensus"]

    assert agreement["proposer"] == leading.name
    assert agreement["proposed"] is not None
    assert agreement["prepared_by"] == sorted([leading.name, voter.name])
    assert agreement["committed_by"] == []


def test_c8_a_linked_validator_that_says_nothing_is_quiet(folder: Path) -> None:
    world = make_world(4)
    view = see(world, world.nodes[0], folder)
    mute = world.nodes[3]
    pay(world, 1)
    mute.lie = lambda _message: None
    before = view.timers.wall_ms()
    world.run(world.now + 20 * SECOND)

    (item,) = ask(view)["validators"]["missing"]

    assert (item["name"], item["reason"]) == (mute.name, QUIET)
    assert time_text(before - 3 * SECOND) <= item["since_at"] <= time_text(before + SECOND)


def test_c8_a_node_says_why_it_does_not_vote_and_the_others_say_it_too(folder: Path) -> None:
    """consensus M14, D14: its status carries the reason, so that every board can read it."""
    world = make_world(4)
    alone = world.nodes[0]
    for node in world.nodes[1:]:
        stop(node)
    stop(alone)
    start(world, alone)
    view = see(world, alone, folder)

    silence = ask(view)["consensus"]["silence"]

    assert silence["reason"] == Silence.START
    assert silence["text"] == silence_text("start", "en")
    assert ask(view, "nl")["consensus"]["silence"]["text"] == silence_text("start", "nl")


def test_c8_every_reason_has_a_sentence_in_both_languages() -> None:
    guard = {"guard-damaged", "guard-exported"}  # what is wrong with the file itself
    assert set(SILENCES) == {word.value for word in Silence} | guard
    for word in SILENCES:
        assert silence_text(word, "nl").startswith("Deze node tekent niet: ")
        assert silence_text(word, "en").startswith("This node signs nothing: ")


def test_what_a_node_sent_of_the_missing_is_shown_with_care() -> None:
    """A client renders the params of a node: none of it is trusted to have its form."""
    garbled = {"name": "a\x1b[2J", "since_at": 7, "last_height": "x"}
    hostile: tuple[object, ...] = ("x", [1], [{}], [garbled])
    for away in hostile:
        said = message(4001, {"missing": ["noord"], "away": away}, "nl")
        assert "\x1b" not in said
    assert "Weg: noord." in message(4001, {"missing": ["noord"]}, "nl")


def test_c8_a_liar_that_left_the_set_is_still_named(folder: Path) -> None:
    """consensus E4: it is suspended until its board says otherwise; nobody knows it by its key."""
    world = make_world(5)
    liar = world.nodes[1]
    liar.lie = LIES["b"](liar)
    pay(world, count=11, every=4 * SECOND)
    assert liar.key not in set_keys(world)
    view = see(world, world.nodes[0], folder)

    assert ask(view)["consensus"]["suspended"] == [liar.name]
