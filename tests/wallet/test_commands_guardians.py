"""`wijk account recovery` against a real node: named, begun, stopped, done (economy B5, B13)."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chain.crypto import sha256
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import ask_plain as ask
from tests.wallet.program import refused, run
from wallet.keystore import load_key
from wallet.times import read_time_s

RECOVERY = ("account", "recovery")
WAIT_S = 6  # long enough to stop a recovery on a slow machine, short enough to wait for
TWO = ("--key", "dev2", "--key", "dev3", "--yes")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One node, and an account for each test, so they run in any order."""
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(1, 1, 8, b"guardians", SEEDED_TIME)
    plan = msgspec.structs.replace(plan, wait_s=WAIT_S)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    first = ["pay", "dev2", "1,00", "--from", "dev8", "--yes", "--home", str(folder / "client")]
    assert run(*first).exit_code == 0  # nothing is proven before block 1
    yield made
    made.stop()


def name_guardians(owner: str) -> None:
    ask(*RECOVERY, "set", "dev2", "dev3", "dev4", "--key", owner, "--yes")


def new_key(home: Path, name: str) -> str:
    made = ask("keys", "add", name, "--passphrase-file", str(home / "passphrase"))
    return str(made["public_key"])


def test_guardians_begin_with_a_draft_and_the_owner_stops_it(home: Path) -> None:
    """Two hands on two devices: one writes a draft, the other signs it; any own key stops it."""
    keys = [load_key(home, name).public_key for name in ("dev2", "dev3", "dev4")]
    told = run(*RECOVERY, "set", "dev2", keys[1], load_key(home, "dev4").account,
               "--key", "dev5", "--yes", "--lang", "en")  # fmt: skip
    assert told.exit_code == 0, told.stderr
    assert "Any two of them may give your account a new key" in told.stderr
    assert "No recovery is under way." in told.stdout
    set_up = ask(*RECOVERY, "show", "dev5")
    assert (set_up["guardians"], set_up["need"], set_up["recovery"]) == (keys, 2, None)
    public = new_key(home, "vijf")
    shown = run("keys", "show", "vijf", "--proof", load_key(home, "dev5").account, "-o", "json")
    Path("vijf.json").write_text(shown.stdout)

    first = run(*RECOVERY, "start", "dev5", "--new-key", "vijf.json", "--key", "dev4", "--yes",
                "--lang", "en")  # fmt: skip
    (draft,) = Path.cwd().glob("recovery-*.draft.json")
    assert first.exit_code == 11, first.stderr
    assert "2 of the 3 guardians sign; you sign as 1." in first.stderr
    assert "1 more guardian must sign, within 10 minutes" in first.stderr
    refused(2002, "tx", "sign", str(draft), "--key", "dev5", "--yes")
    assert ask(*RECOVERY, "show", "dev5")["recovery"] is None, "one guardian begins nothing"
    ask("tx", "sign", str(draft), "--key", "dev2", "--yes")
    sent = run("tx", "send", str(draft), "--yes", "--lang", "en")
    assert sent.exit_code == 0, sent.stderr

    owner = load_key(home, "dev5")
    assert f"wijk account recovery show {owner.account}" in sent.stderr
    running = ask(*RECOVERY, "show", "dev5")
    assert (running["keys"], running["recovery"]["new_key"]) == ([owner.public_key], public)
    assert abs(read_time_s(running["recovery"]["ends_at"]) - time.time() - WAIT_S) < 60
    refused(2329, *RECOVERY, "start", "dev5", "--new-key", "vijf", *TWO)
    stopped = run(*RECOVERY, "cancel", "--key", "dev5", "--yes", "--lang", "en")
    assert stopped.exit_code == 0, stopped.stderr
    assert f"key {public} does not get your account" in stopped.stderr
    after = ask(*RECOVERY, "show", "dev5")
    assert (after["keys"], after["recovery"]) == ([owner.public_key], None)
    refused(3007, *RECOVERY, "cancel", "--key", "dev5", "--yes")


def test_after_the_wait_the_new_key_is_the_only_one(
    home: Path, network: Network, tmp_path: Path
) -> None:
    """It finds the account by itself, also on a new phone."""
    name_guardians("dev6")
    account = load_key(home, "dev6").account
    public = new_key(home, "zes")

    begun = ask(*RECOVERY, "start", "dev6", "--new-key", "zes", *TWO)

    assert begun["recovery"]["new_key"] == public
    deadline = time.monotonic() + 60
    while ask(*RECOVERY, "show", account)["recovery"] is not None:
        assert time.monotonic() < deadline
        time.sleep(1)  # a recovery is carried out by a block, and a payment makes one
        ask("pay", "dev2", "0,01", "--from", "dev8", "--yes")
    after = ask(*RECOVERY, "show", account)
    assert after["keys"] == [public]
    assert len(after["guardians"]) == 3, "they stay"
    assert ask("pay", "dev2", "0,01", "--from", "zes", "--yes")["from"] == account
    assert run("pay", "dev2", "0,01", "--from", "dev6", "--yes").exit_code != 0
    assert ask("keys", "show", "zes")["account"] == account
    phone = tmp_path / "phone"
    shutil.copytree(home / "keys", phone / "keys", ignore=lambda _, names: {*names} - {"zes.json"})
    alone = ("--home", str(phone), "--node", network.node("v1").api)
    assert ask("account", "balance", *alone)["account"] == account


def test_who_is_no_guardian_begins_nothing(home: Path) -> None:
    name_guardians("dev7")
    new_key(home, "zeven")
    start = (*RECOVERY, "start", "dev7", "--new-key")

    refused(2112, *start, "zeven", "--key", "dev8", "--yes")
    refused(2112, *start, "zeven", "--key", "dev2", "--key", "dev7", "--yes")
    refused(2301, *start, "dev7", *TWO)
    refused(3007, *start, "weg.json", *TWO)
    Path("other.json").write_text(
        run("keys", "show", "zeven", "--proof", "dev8", "-o", "json").stdout
    )
    refused(2301, *start, "other.json", *TWO)
    Path("bad.json").write_text('{"public_key": 7}')
    refused(1001, *start, "bad.json", *TWO)
    refused(2002, *start, "zeven", "--key", "dev4", *TWO)
    gone = ask(*RECOVERY, "set", "--none", "--key", "dev7", "--yes")
    assert gone["guardians"] == []
    refused(2328, *start, "zeven", *TWO)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ((), "2 to 5"),
        (("dev2",), "2 to 5"),
        (("dev2", "dev3", "--none"), "2 to 5"),
        (("dev2", "dev2"), "another person"),
        (("dev2", "dev8"), "not yourself"),
        (("dev2", sha256(b"").hex()), "no key"),
    ],
)
def test_guardians_that_cannot_be_are_refused(
    home: Path, words: tuple[str, ...], cause: str
) -> None:
    problem = refused(1001, *RECOVERY, "set", *words, "--key", "dev8", "--yes", "--lang", "en")

    assert cause in problem["detail"]


def test_an_office_has_no_guardians(home: Path) -> None:
    line = (*RECOVERY, "set", "dev2", "dev3", "--key", "board-w1-a", "--yes", "--lang", "en")

    assert "several people" in refused(1001, *line)["detail"]
