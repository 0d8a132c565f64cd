"""wijk demo as somebody runs it: object A, the way it stays up, and how it ends (1.1, 1.7, 1.8)."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from chain.texts import exit_code
from cli import wijk
from testnet.commands import _links
from testnet.create import is_free
from testnet.demo import claim_port, make_payment_link
from testnet.network import Network
from testnet.plan import RESIDENTS, SEEDED_TIME, plan_demo
from testnet.stopping import until_stopped, wait_for_ctrl_c
from tests.shapes import Maybe, check_shape
from tests.testnet.readme import readme_blocks, run_script
from wallet.config import demo_path
from wallet.request import parse_link
from wallet.terminal import Terminal

CHECKOUT = Path(__file__).parents[2]
PORTS = {"once": 18_080, "SIGTERM": 18_180, "SIGINT": 18_280, "claim": 18_380}
"""Where each test looks first: they may run side by side, in runtime folders of their own."""
VOTED = 8 + 19
"""A proposal, two seconders, three votes, closing, executing; and the steps of a small election."""
A = {
    "validators": "int",
    "chain_id": "text",
    "height": "int",
    "issued_cents": "int",
    "payments": "int",
    "cross_wijk_payments": "int",
    "votes": "int",
    "elections": "int",
    "finality_ms": {"p50": "number", "p99": "number"},
    "supply_cents": "int",
    "reserve_cents": "int",
    "invariants": ("ok",),
    "log_size": "int",
    "data_dir": "text",
}
LINKS = ("explorer", "wallet", "wallet_anna", "wallet_bakker", "board", "docs")
READY = {
    "validators": "int",
    "chain_id": "text",
    "pid": "int",
    "data_dir": "text",
    "links": dict.fromkeys(LINKS, Maybe("text")),
    "nodes": [dict.fromkeys(("name", "api", "p2p", "metrics", "admin"), "text")],
}
SLUGS = ["delfshaven", "noord", "feijenoord", "charlois"]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give folders for temporary files and for what runs; short, for the path of a Unix socket."""
    for name in [name for name in os.environ if name.startswith("WIJK_")]:
        monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="wijk-") as folder:
        root = Path(folder)
        for name in ("tmp", "run"):
            (root / name).mkdir(mode=0o700)
        monkeypatch.setenv("TMPDIR", str(root / "tmp"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "run"))
        monkeypatch.setenv("WIJK_HOME", str(root / "nobody"))
        yield root


def spawn(port: int, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "demo", "--port", str(port), *words, "-o", "json"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words: str) -> dict[str, Any]:
    told = CliRunner().invoke(wijk, [*words, "-o", "json"])
    assert told.exit_code == 0, told.stderr
    tree: dict[str, Any] = json.loads(told.stdout)
    return tree


def lives(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not asked for has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_once_plays_the_scenario_to_the_cent_and_leaves_the_data(place: Path) -> None:
    """Two at a time: neither knows of the other, and the busy port moves on."""
    first, second = (spawn(PORTS["once"], "--once") for _ in range(2))
    for demo in (first, second):
        out, err = demo.communicate(timeout=100)
        assert demo.returncode == 0, err
        tree = json.loads(out)
        check_shape(tree, A)
        assert (tree["validators"], tree["chain_id"]) == (4, "rotterdam-demo")
        assert tree["issued_cents"] == tree["supply_cents"] == tree["reserve_cents"] == 140_000
        assert (tree["payments"], tree["cross_wijk_payments"]) == (24, 1)
        assert (tree["votes"], tree["elections"], tree["log_size"]) == (1, 1, 38 + VOTED)
        assert 1 <= tree["height"] <= 38 + VOTED + 1
        assert 0 < tree["finality_ms"]["p50"] <= tree["finality_ms"]["p99"]

        network = Network(Path(tree["data_dir"]))
        assert [entry.name for entry in network.file.nodes] == SLUGS
        assert not any(network.is_running(entry) for entry in network.file.nodes)
        homes = {name: str(network.folder / name) for name in (*SLUGS, "client")}
        assert not [home for home in homes.values() if not Path(home).is_dir()]
        audited = run("audit", "verify", "--dir", homes["noord"], "--home", homes["client"])
        assert (audited["ok"], audited["log_size"]) == (True, 38 + VOTED)
        contacts = json.loads((network.folder / "client" / "contacts.json").read_text())
        assert all(shown in str(contacts) for _, shown, _, _ in RESIDENTS)
        docs = {doc["slug"]: doc for doc in json.loads(network.genesis().canonical)["wijken"]}
        assert docs["delfshaven"]["cbs_code"] == "WK059903"
    ports = {
        Network(folder).file.nodes[0].api.rsplit(":", 1)[1] for folder in (place / "tmp").iterdir()
    }
    assert len(ports) == 2


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_stays_up_until_it_is_stopped_and_leaves_nothing(
    place: Path, ending: signal.Signals
) -> None:
    """SIGTERM comes after the scenario, Ctrl-C during it."""
    played = ending == signal.SIGTERM
    demo = spawn(PORTS[ending.name], "--speed", "1ms" if played else "10s")
    assert demo.stdout is not None
    assert demo.stderr is not None
    try:
        tree = json.loads(demo.stdout.readline())
        check_shape(tree, READY)
        assert tree["pid"] == demo.pid
        assert [tree["links"][name] for name in LINKS[:-1]] == [None] * 5
        assert json.loads(demo_path().read_bytes()) == tree
        told = ""
        while ("gespeeld" if played else "laten acht bewoners toe") not in told:
            told = demo.stderr.readline()
            assert told, "it ended"
        if played:  # found without --dir and --node, and a node that was restarted is stopped too
            newcomer = readme_blocks()[0].replace(". .venv/bin/activate\n", "")
            said = run_script(newcomer, place)
            assert "noord" in said
            assert "1.000,00" in said
            client = f"{tree['data_dir']}/client"
            words = ("pay", "Bakker Jansen", "2", "--from", "anna", "--yes", "--home", client)
            assert run(*words)["status"] == "final"
        pids = [row["pid"] for row in run("testnet", "status")["nodes"]]
        assert None not in pids
        demo.send_signal(ending)
        demo.send_signal(signal.SIGINT)  # whoever is in a hurry stops nothing
        demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.communicate()

    assert demo.returncode == (0 if played else 130)
    assert not [pid for pid in pids if lives(pid)]
    assert list((place / "tmp").iterdir()) == []
    assert not demo_path().exists()


def test_a_folder_in_use_is_refused(place: Path) -> None:
    told = CliRunner().invoke(wijk, ["demo", "--once", "--dir", str(place)])

    assert told.exit_code == exit_code(1002)
    assert "niet leeg" in told.stderr
    assert not (place / "testnet.json").exists()


def test_people_get_links_and_a_code_to_pay_two_euros() -> None:
    plan = plan_demo(CHECKOUT / "genesis" / "rotterdam.json", 4, bytes(32), SEEDED_TIME)

    node = SimpleNamespace(api="http://127.0.0.1:8080")
    made = SimpleNamespace(
        file=SimpleNamespace(nodes=[node]), genesis=lambda: SimpleNamespace(digest=bytes(32))
    )

    link = make_payment_link(cast("Network", made), plan)
    request = parse_link(link)
    assert (request.amount_cents, request.denom) == (200, "delfshaven:EUR")
    assert request.to == plan.account("bakker-jansen")
    ready = {
        "validators": 4,
        "data_dir": "/d",
        "links": {"explorer": None, "docs": "http://127.0.0.1:8080/docs"},
        "nodes": [{"name": name, "api": "http://127.0.0.1:1"} for name in SLUGS],
    }
    lines = _links(Terminal(), ready, link)

    assert any("http://127.0.0.1:8080/docs" in line for line in lines)
    assert "None" not in "".join(lines)
    assert sum("█" in line for line in lines) > 20
    assert any(link in line for line in lines)


# ------------------------------------------------------------------------------------ ports, ends


def test_a_port_is_promised_once() -> None:
    """Nodes listen seconds later: two demos that start together must not choose the same."""
    with claim_port(PORTS["claim"]) as first, claim_port(PORTS["claim"]) as second:
        assert first != second
        with socket.create_server(("127.0.0.1", second + 1)), claim_port(second) as third:
            assert third == second + 2
    with claim_port(PORTS["claim"]) as again:
        assert again == first
    assert is_free(PORTS["claim"])


@pytest.fixture
def handlers() -> Iterator[None]:
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    outer = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite may run under `nohup`
    before = [signal.getsignal(number) for number in endings]
    yield
    assert [signal.getsignal(number) for number in endings] == before
    signal.signal(signal.SIGHUP, outer)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_command_cleans_up_once(ending: signal.Signals) -> None:
    cleaned = []

    def clean_up() -> None:
        os.kill(os.getpid(), ending)  # a second one, while cleaning
        cleaned.append(1)

    with pytest.raises(KeyboardInterrupt), until_stopped(clean_up):
        os.kill(os.getpid(), ending)

    assert cleaned == [1]


@pytest.mark.usefixtures("handlers")
def test_an_error_cleans_up_too_and_stays_the_error() -> None:
    cleaned = []
    with pytest.raises(ValueError, match="x"), until_stopped(lambda: cleaned.append(1)):
        raise ValueError("x")
    assert cleaned == [1]


@pytest.mark.usefixtures("handlers")
def test_waiting_ends_without_an_error() -> None:
    cleaned = []
    with until_stopped(lambda: cleaned.append(1)):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        wait_for_ctrl_c()
    assert cleaned == [1]
