"""`wijk election` on a real node: a rehearsal from the call to the count, by all its commands."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chain.crypto import public_key, sha256
from chain.elections import rehearsal_option
from cli import wijk
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import ask_plain, run
from wallet.election_keys import make_key, name_credential, name_trustee_key
from wallet.keystore import TEST_ONLY, load_key
from wallet.terminal import Terminal

BOARD = ("--key", "board-w1-a", "--key", "board-w1-b", "--yes")
REGISTRARS = ("--key", "registrar-w1-a", "--key", "registrar-w1-b", "--yes")
TRUSTEES = ("dev1", "dev2", "dev3")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(1, 1, 6, b"election", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    yield made
    made.stop()


def ask(*words: str) -> dict[str, Any]:
    return ask_plain("election", *words)


def refused(code: int, *words: str) -> str:
    """Want a refusal with that number, and no bug of the program; return what it says."""
    told = run("election", *words, "--lang", "en")
    assert f"WIJK-{code}" in told.stderr, (told.stdout, told.stderr)
    return told.stderr


class People:
    """Homes of their own for trustees and voters, as on devices of their own."""

    def __init__(self, home: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self._folder, self._patch = home, folder, patch

    def be(self, name: str | None) -> None:
        """Go on as somebody; None is the home with all keys."""
        home = self.home if name is None else self._folder / name
        if not home.exists():
            shutil.copytree(self.home, home)
        self._patch.setenv("WIJK_HOME", str(home))

    def make_key(self, name: str, key_name: str) -> str:
        """Give somebody a key of an election, as `credential` does, that opens in no time."""
        self.be(name)
        home, word = self._folder / name, (self.home / "passphrase").read_text().strip()
        at = "2026-01-01T00:00:00Z"
        made = make_key(home, key_name, word, TEST_ONLY, created_at=at, test_only=True)
        return made.public_key


@pytest.fixture
def people(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    return People(home, tmp_path, monkeypatch)


def write_call(home: Path, calendar: list[int]) -> None:
    """Write what a board would call: an election of five seats."""
    trustees = [load_key(home, name).account for name in TRUSTEES]
    fields = {
        "kind": "BOARD", "decision": None, "seats": 5, "areas": [], "method": "SCORE",
        "options": [], "min": 0, "max": 6, "score": 3, "blank": 1, "calendar": calendar,
        "trustees": trustees, "t": 2,
    }  # fmt: skip
    Path("call.json").write_text(json.dumps(fields))


def wait_until(time_s: int) -> None:
    time.sleep(max(0.0, time_s + 0.2 - time.time()))


def test_a_rehearsal_goes_through_every_step_and_decides_nothing(people: People) -> None:
    """economy E32: the same people, the same commands, test options."""
    begun = time.monotonic()
    run("pay", "dev2", "0,01", "--from", "dev1", "--yes")
    step_s = time.monotonic() - begun  # of this machine, now
    now = int(time.time())
    roll_due = now + 5 + int(12 * step_s)
    keys_due = roll_due + 6 + int(16 * step_s)
    closes = keys_due + 6 + int(16 * step_s)
    calendar = [now + 3, roll_due, keys_due, keys_due + 1, closes, closes + 90]
    write_call(people.home, calendar)

    made = ask("rehearse", "--calendar", "call.json", "--options", "2", *BOARD)
    name = made["election"]
    assert name.startswith("w1/")  # which number, depends on what ran before
    assert made["phase"] == "nominating"
    shown = ask("show", name)
    assert (shown["rehearsal"], shown["kind"], shown["seats"]) == (True, "survey", 0)
    digests = [option["name_sha256"] for option in shown["candidates"]]
    assert digests == [rehearsal_option(number).hex() for number in (1, 2)]
    assert "REHEARSAL" in run("election", "list", "--lang", "en").stdout
    assert "come first" in refused(1001, "open", name, "--key", "dev4", "--yes")
    assert "not open" in refused(1001, "cast", name, "1", "--yes")

    election = bytes.fromhex(shown["election"])
    keys = [people.make_key(voter, name_credential(election)) for voter in ("dev1", "dev2")]
    for one in TRUSTEES:
        people.make_key(one, name_trustee_key(election))
    people.be(None)
    wait_until(calendar[0])
    Path("roll.txt").write_text("\n".join([*keys, keys[0]]))
    assert "1 twice" in refused(1001, "roll", name, "--credentials", "roll.txt", *REGISTRARS)
    Path("roll.txt").write_text("\n".join(keys))
    ask("roll", name, "--credentials", "roll.txt", *REGISTRARS)

    for phase in ("commit", "deal", "confirm"):
        for place, one in enumerate(TRUSTEES):
            people.be(one)
            if place == 1:
                trustees = ask("show", name)["trustees"]
                assert (trustees["step"], len(trustees["waits_for"])) == (phase, 2)
            ask("keys", name, "--key", one, "--yes")
    assert "asks nothing of you" in refused(1001, "keys", name, "--key", "dev3", "--yes")
    people.be(None)
    wait_until(calendar[3])
    assert ask("open", name, "--key", "dev4", "--yes")["phase"] == "open"

    people.be("dev1")
    first = ask("cast", name, "1", "1", "2", "--yes")
    people.be("dev2")
    ask("cast", name, "--yes")  # blank
    told = run("election", "cast", name, "2", "--spoil", "spoiled", "--lang", "en")
    assert "never cast" in told.stderr
    assert stat.S_IMODE(Path("spoiled").stat().st_mode) == 0o600
    opened = run("election", "challenge", "spoiled", "--yes", "--lang", "en")
    assert "Your device was honest. Hidden was 1: 0, 2: 1; blank: 0." in opened.stdout
    people.be("dev1")
    again = ask("cast", name, "2", "2", "2", "--yes")
    assert again["replaces"] == first["ballot_hash"]
    refused(1001, "cast", name, "2", "2", "2", "2", "--yes")  # at most three points
    refused(2263, "tally", name, "--key", "dev4", "--yes")
    wait_until(closes)
    ask("tally", name, "--key", "dev4", "--yes")
    refused(2221, "result", name, "--key", "dev4", "--yes")
    for one in ("dev1", "dev3"):
        people.be(one)
        ask("share", name, "--key", one, "--yes")
    people.be(None)
    ask("result", name, "--key", "dev4", "--yes")
    found = ask("show", name)["result"]
    assert (found["counts"], found["blank"], found["elected"]) == ({"1": 0, "2": 3}, 1, [])
    judged = ask("verify", name)
    assert (judged["ok"], judged["stage"], judged["rehearsal"]) == (True, "result", True)
    refused(2205, "handover", name, *BOARD)


def test_a_whole_roll_goes_by_one_command(people: People) -> None:
    """ADR 0084: 6,144 keys reach the chain, which says that it is too early for a roll."""
    now = int(time.time())
    write_call(people.home, [now + 300, now + 400, now + 500, now + 600, now + 700, now + 800])
    name = ask("rehearse", "--calendar", "call.json", *BOARD)["election"]
    many = [public_key(sha256(b"%d" % number)).hex() for number in range(6_145)]
    Path("many.txt").write_text("\n".join(many))
    assert "takes 6144" in refused(1001, "roll", name, "--credentials", "many.txt", *REGISTRARS)
    Path("many.txt").write_text("\n".join(many[:6_144]))
    refused(2205, "roll", name, "--credentials", "many.txt", *REGISTRARS)


def test_two_registrars_sign_a_roll_on_devices_of_their_own(people: People) -> None:
    """economy E14: each holds the draft against an own list before signing it."""
    now = int(time.time())
    write_call(people.home, [now + 300, now + 400, now + 500, now + 600, now + 700, now + 800])
    name = ask("rehearse", "--calendar", "call.json", *BOARD)["election"]
    keys = [public_key(sha256(b"%d" % number)).hex() for number in range(3)]
    Path("a.txt").write_text("\n".join(keys))
    Path("b.txt").write_text("\n".join(reversed(keys)))
    Path("c.txt").write_text("\n".join(keys[:2]))
    roll = ("election", "roll", name, "--credentials")
    told = run(*roll, "a.txt", "--key", "registrar-w1-a", "--yes", "-o", "json")
    assert told.exit_code == 11
    (draft,) = Path().glob("*.draft.json")
    other = run(*roll, "c.txt", "--draft", str(draft), "--lang", "en")
    assert (other.exit_code, "do not sign it" in other.stderr) == (2, True)
    half = run(*roll, "b.txt", "--draft", str(draft), "--lang", "en")
    assert (half.exit_code, "exactly your list of 3" in half.stderr) == (11, True)
    signed = run("tx", "sign", str(draft), "--key", "registrar-w1-b", "--yes")
    assert signed.exit_code == 0, signed.stderr
    # It is complete now; that it came too early is what the chain says of it.
    assert "WIJK-2205" in run(*roll, "b.txt", "--draft", str(draft), "--yes").stderr


def _stand(people: People, name: str) -> None:
    """Second and nominate a member, by a file that goes from hand to hand (economy E1)."""
    election = ask("show", name)["election"]
    asked = {"election": election, "name": "11" * 32, "pledges": [], "seconders": []}
    Path("stand.json").write_text(json.dumps(asked))
    stand = ("nominate", name, "--pledges", "stand.json", "--key", "dev4", "--yes")
    refused(2253, *stand)
    second = ("second", name, "stand.json", "--candidate", "dev4", "--yes", "--key")
    assert ask(*second, "dev5")["seconders"] == 1
    assert "in there already" in refused(1001, *second, "dev5")
    assert ask(*stand)["phase"] == "nominating"
    (candidate,) = ask("show", name)["candidates"]
    assert candidate["account"] == load_key(people.home, "dev4").account
    told = run("board", "accept", name, "--seat-key", "dev6", "--key", "dev4", "--lang", "en")
    assert "not elected" in told.stderr


def test_codes_on_paper_are_keys_of_the_roll(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy E32: who has no device types 24 words at the wijk house."""
    now = int(time.time())
    write_call(people.home, [now + 300, now + 400, now + 500, now + 600, now + 700, now + 800])
    name = ask("call", "--calendar", "call.json", *BOARD)["election"]
    _stand(people, name)
    made = ask("codes", name, "--count", "2", "--out", "codes")
    assert ask("show", name)["rehearsal"] is False
    papers = sorted(Path("codes").iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in papers] == [0o600, 0o600]
    assert stat.S_IMODE(Path("codes").stat().st_mode) == 0o700
    words = papers[0].read_text().splitlines()[1]
    assert len(words.split()) == 24
    people.be("voter")
    monkeypatch.setattr(Terminal, "_must_ask", lambda _: None)  # there is no terminal here
    told = CliRunner().invoke(wijk, ["election", "credential", name, "--code"], input=f"{words}\n")
    assert told.exit_code == 0, told.stderr
    assert told.stdout.split()[-1] in made["public_keys"]
    assert words.split()[0] not in told.stdout.split()[-1]
    refused(1001, "codes", name, "--count", "2", "--out", "codes")
