"""What an operator hears without asking (interfaces 6.3): once, every hour, and when it is over."""

import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from chain.evidence import Conviction
from consensus.events import Alarm, Silence
from node import alerts
from node.alerts import ALERTS, REPEAT_MS, Alerts, find_alerts
from node.full_block import FullBlock
from tests.live import Live, Payer, ask, live_network, until

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000}


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Live]]:
    async with live_network(tmp_path, 4, balances=BALANCES) as started:
        await until(lambda: all(len(live.node.links.peers()) == 3 for live in started))
        yield started


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Collect what the journal gets: the event, and what it is about."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {getattr(record, 'why', '')}".strip())

    logger = logging.getLogger("wijk.alerts")
    monkeypatch.setattr(logger, "handlers", [Collect()])
    return lines


class Clock:
    """A node of which only the clock and the alarms are looked at."""

    def __init__(self) -> None:
        self.now = 0
        self.timers = SimpleNamespace(mono_ms=lambda: self.now)
        self.runtime = SimpleNamespace(alarms=deque[tuple[int, Alarm]]())


def make(monkeypatch: pytest.MonkeyPatch, found: dict[str, str]) -> tuple[Alerts, Any]:
    node: Any = Clock()
    monkeypatch.setattr(alerts, "find_alerts", lambda _node: found)
    return Alerts(node), node


def test_an_alert_is_told_once_then_hourly_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    found = {"disk": "3 MiB left"}
    watched, node = make(monkeypatch, found)

    for node.now in (0, 5_000, REPEAT_MS - 1, REPEAT_MS, REPEAT_MS + 5_000):
        watched.check()
    found.clear()
    watched.check()
    watched.check()

    assert told == [
        "alert.began disk: 3 MiB left", "alert.lasts disk: 3 MiB left", "alert.over disk"
    ]  # fmt: skip
    assert watched.active == {}


def test_alarms_of_consensus_are_told_and_refusals_of_the_guard_counted(
    monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """consensus D2, D14: a node that falls silent says so."""
    watched, node = make(monkeypatch, {})
    for why in ("commit 7/0 lies below commit 8/0", "another message was signed at commit 7/0"):
        node.runtime.alarms.append((0, Alarm("guard-refused", (("why", why),))))
    node.runtime.alarms.append((0, Alarm("key-in-use-elsewhere", (("height", 9),))))

    watched.check()
    watched.check()

    assert watched.guard_refusals == {"below": 1, "conflict": 1}
    assert told == [
        "consensus.guard-refused why commit 7/0 lies below commit 8/0",
        "consensus.guard-refused why another message was signed at commit 7/0",
        "consensus.key-in-use-elsewhere height 9",
    ]


@pytest.mark.asyncio
async def test_losses_are_told_before_and_when_they_stop_the_chain(nodes: list[Live]) -> None:
    first = nodes[0]
    assert dict(find_alerts(first.node)) == {}

    await nodes[3].end()
    await until(lambda: len(first.node.links.peers()) == 2)
    one_gone = find_alerts(first.node)
    await nodes[2].end()
    await until(lambda: len(first.node.links.peers()) == 1)
    two_gone = find_alerts(first.node)

    assert set(one_gone) == {"quorum"}
    assert nodes[3].name in one_gone["quorum"]
    assert set(two_gone) == {"peers"}
    assert nodes[2].name in two_gone["peers"]


@pytest.mark.asyncio
async def test_each_condition_is_found(nodes: list[Live], monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes[0].node
    anna = Payer(nodes[0].genesis, "anna")
    envelope = anna.pay("bob", 1, expires=int(time.time()) + 300)
    await ask(nodes[0].client.submit, envelope, wait="final")
    status: Any = SimpleNamespace(round=3, skew_ms=-501, silence=Silence.FOREIGN_SIGNATURE)
    monkeypatch.setattr(node.runtime.replica, "status", lambda: status)
    monkeypatch.setattr(node, "is_stalled", lambda: True)
    monkeypatch.setattr(node, "totals", lambda: (2, 1, False))
    monkeypatch.setattr(alerts, "get_free_bytes", lambda _folder: (5 << 30) - 1)
    monkeypatch.setattr(alerts, "WINDOW_BLOCKS", 1)
    monkeypatch.setattr(node.signers, "count", lambda key: int(key != node.own_key))
    unpaid = SimpleNamespace(get=lambda *_: ((20_200_101, 1),))
    monkeypatch.setattr(alerts, "UNPAID", unpaid)
    monkeypatch.setattr(node, "supplies", lambda: {"delfshaven:EUR": None})
    monkeypatch.setattr(node, "planned_upgrade", lambda: (2, node.store.tip.height + 1_000))
    assert node.own_key is not None
    caught = (Conviction(node.own_key, 1, "b"),)
    monkeypatch.setattr(node.runtime.evidence, "accused", lambda: caught)
    slow = FullBlock(txs=4_000, estimate_ms=1_000, limit_ms=250, measured_txs=60)
    monkeypatch.setattr(node, "full_block", lambda: slow)

    found = find_alerts(node)

    assert set(found) == set(ALERTS) - {"peers"}  # a mute node is the first loss
    assert node.name in found["validator_absent"]
    assert "foreign-signature" in found["guard"]
    assert "takes 1000 ms here and may take 250; 1000 would fit" in found["execution"]
    assert f"{node.name} tekende wat niet samen eerlijk kan zijn" in found["equivocation"]
    assert "Meestal staat de sleutel op twee machines." in found["equivocation"]
    assert "Most often the key is on two machines." in found["equivocation"]
    assert found["redemption_late"] == "delfshaven:EUR"
    assert found["upgrade"].startswith("version 2 begins at block")
    for planned in ((2, node.store.tip.height + 1_001), (1, 7), None):
        monkeypatch.setattr(node, "planned_upgrade", lambda planned=planned: planned)
        assert "upgrade" not in find_alerts(node)
