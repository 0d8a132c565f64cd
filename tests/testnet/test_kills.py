"""SIGKILL under payments: nothing that was acknowledged is lost, nobody has to help (Y16, U5, I7).

Real processes, real disks. Two payers send one payment after the other to whoever answers. A
payment counts as acknowledged once a node has said `final`; each of them has to be found on
every node afterwards, at one and the same place.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.home import open_home
from audit.verify import verify
from chain.texts import Problem
from node.client import Client
from testnet.bench import plan_bench
from testnet.create import create_network
from testnet.network import Network, call_admin
from tests.drills.bank import Crowd, Load

ENOUGH = 4  # payments that must become final in each situation
WAIT_S = 60.0


def wait_for_more(load: Load) -> None:
    """Wait until a few more payments are final: the rest go on."""
    want, deadline = len(load.acked) + ENOUGH, time.monotonic() + WAIT_S
    while len(load.acked) < want:
        assert time.monotonic() < deadline, f"{len(load.acked)} of {want}; {load.refused}"
        time.sleep(0.01)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    plan = plan_bench(4, 8, at)
    made = create_network(tmp_path / "n", plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    yield made
    made.stop()


def wait_for_vote(network: Network, name: str) -> None:
    """Wait until a node votes again: it was behind when it came back, so a block comes first."""
    admin = next(entry.admin for entry in network.file.nodes if entry.name == name)
    deadline = time.monotonic() + WAIT_S
    while True:
        found = call_admin(admin, "GET", "/admin/v1/signer", None)[1]
        if found.get("signing") and found["silence"] != "start":
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def settle(network: Network) -> int:
    """Wait until all four stand at one height and agree on its block; return the height."""
    deadline = time.monotonic() + WAIT_S
    while True:
        status = network.status()
        if status["running"] == 4 and status["min_height"] == status["max_height"]:
            assert status["agree"], status
            assert len({row["state_root"] for row in status["nodes"]}) == 1
            return int(status["max_height"])
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def assert_all_there(network: Network, acked: list[str]) -> None:
    """Every acknowledged payment is on every node, final, at the same place, once."""
    assert len(acked) == len(set(acked)) > 0
    places = []
    for entry in network.file.nodes:
        client = Client([entry.api])
        found = [client.tx(tx) for tx in acked]
        assert {answer["status"] for answer in found} == {"final"}, entry.name
        places.append([(answer["height"], answer["index"], answer["code"]) for answer in found])
        client.close()
    assert places == [places[0]] * 4
    assert len(set(places[0])) == len(acked)


@pytest.mark.timeout(400)
def test_sigkill_of_any_node_and_of_all_loses_no_acknowledged_payment(
    network: Network, tmp_path: Path
) -> None:
    plan = plan_bench(4, 8, network.genesis().doc.genesis_time)
    crowd = Crowd(network.genesis().digest, plan.crowd_seeds())
    urls = [entry.api for entry in network.file.nodes]
    names = [entry.name for entry in network.file.nodes]

    with Load(urls, crowd) as load:
        wait_for_more(load)
        for name in names:  # each in its turn, whatever it was doing
            network.kill(name)
            wait_for_more(load)
            network.restart(name)
            wait_for_vote(network, name)  # with two away there would be no quorum (D10)
        wait_for_more(load)

        for name in names:  # all four, while payments are under way
            network.kill(name)
        survived = list(load.acked)
        network.start()
        wait_for_more(load)
    height = settle(network)

    assert load.wrong == []
    assert len(load.acked) > len(survived) >= 6 * ENOUGH
    assert_all_there(network, load.acked)
    with pytest.raises(Problem) as caught:  # and it would have been seen
        assert_all_there(network, [*load.acked, "00" * 32])
    assert caught.value.number == 3007

    network.stop()
    roots = set()
    for entry in network.file.nodes:
        with open_home(Path(entry.home)) as home:
            verdict = verify(home, tmp_path / "auditor", clock_s=lambda: 0.0)
        assert verdict.ok, verdict.why
        assert verdict.tree["to"] >= height
        assert verdict.tree["transactions"] >= len(load.acked)
        assert verdict.tree["supply_cents"] == verdict.tree["reserve_cents"]
        roots.add(verdict.tree["log_root"])
    assert len(roots) == 1
