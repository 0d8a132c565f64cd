"""Metrics in Prometheus text (interfaces 6.1): gauges read when asked, counters kept by the node.

No label holds an account, a person's name or an amount of one person.
"""

from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chain.execute import get_leaders_of_tip
from chain.keyspaces import SetMember
from consensus.schedule import proposer
from node.alerts import ALERTS, Alerts
from node.home import get_free_bytes, get_size
from node.http_server import Answer, answer_errors
from node.runtime import Applied
from node.standing import Node
from node.views import supply_cents


def make_metrics(node: Node) -> web.Application:
    """Return the application behind `metrics.listen`."""
    node.runtime.on_applied.append(BlockMeter(node).count)
    alerts = Alerts(node)
    node.meters.registry.register(Gauges(node, alerts))
    app = web.Application(middlewares=[answer_errors])

    async def start(_app: web.Application) -> None:
        alerts.start()

    async def stop(_app: web.Application) -> None:
        alerts.stop()

    app.on_startup.append(start)
    app.on_shutdown.append(stop)

    async def metrics(_request: web.Request) -> web.StreamResponse:
        return Answer(
            body=generate_latest(node.meters.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    app.router.add_get("/metrics", metrics)
    return app


class BlockMeter:
    """Counts what each decided block says. Holds the time of the block before."""

    def __init__(self, node: Node) -> None:
        self._node = node
        tip = node.store.tip
        self._time_ms = tip.time_ms

    def count(self, applied: Applied) -> None:
        """Take in a block that became durable."""
        node, meters = self._node, self._node.meters
        header, certificate = applied.header, applied.certificate
        done = sum(code == 0 for code in applied.codes)
        meters.transactions.labels("final").inc(done)
        meters.transactions.labels("failed").inc(len(applied.codes) - done)
        meters.block_transactions.observe(len(applied.codes))
        meters.block_bytes.observe(applied.bytes)
        meters.execute_seconds.observe(applied.execute_ms / 1000)
        meters.store_commit_seconds.observe(applied.commit_ms / 1000)
        if header.height > 1:
            meters.block_interval.observe((header.time_ms - self._time_ms) / 1000)
        validators = node.store.validators_at(header.height)
        if node.signer is not None and node.own_key in validators:
            signed = node.signers.last_height(node.own_key) == header.height
            (meters.signed if signed else meters.missed).inc()
        names = {validator.key: validator.name for validator in validators.validators}
        order = get_leaders_of_tip(node.store.read_state)
        for round_ in range(certificate.round):
            meters.rounds_failed.labels(names[proposer(order, round_)]).inc()
        self._time_ms = header.time_ms


class Gauges(Collector):
    """What is read from the node at the moment somebody asks."""

    def __init__(self, node: Node, alerts: Alerts) -> None:
        self._node = node
        self._alerts = alerts

    def describe(self) -> list[Metric]:
        """Promise nothing in advance: what exists may depend on the chain."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges, and the counters that other parts keep."""
        node = self._node
        tip, touch = node.store.tip, node.touch()
        mempool = node.runtime.intake.mempool
        yield _one(
            "wijk_build_info", "Version and store.", 1, version=node.version, storage=node.storage
        )
        plain: dict[str, tuple[str, float]] = {
            "wijk_height": ("Newest block.", tip.height),
            "wijk_round": ("Round of the open height.", node.runtime.replica.status().round),
            "wijk_block_age_seconds": (
                "Since the newest block.",
                max(0, node.timers.wall_ms() - tip.time_ms) / 1000,
            ),
            "wijk_validators": ("Validators of the open height.", len(touch.members)),
            "wijk_validators_online": ("Of those, there now.", len(touch.online)),
            "wijk_quorum_margin": (
                "How many may still be lost.",
                len(touch.online) - touch.quorum,
            ),
            "wijk_sync_behind_blocks": ("Blocks that others claim to have.", node.behind_blocks()),
            "wijk_peers": ("Accepted links.", len(node.links.peers())),
            "wijk_mempool_transactions": ("Waiting for a block.", len(mempool)),
            "wijk_mempool_bytes": ("Their size.", mempool.bytes),
            "wijk_log_size": ("Transactions in the log.", tip.log_size),
            "wijk_store_bytes": ("Size of the store.", get_size(node.home.store)),
            "wijk_disk_free_bytes": ("Left on the disk.", get_free_bytes(node.home.root)),
            "wijk_stream_clients": ("Open event streams.", node.stream_clients()),
            "wijk_ready": ("1 when ready.", int(not node.failing())),
        }
        for name, (about, value) in plain.items():
            yield _one(name, about, value)
        skew_ms = node.runtime.replica.status().skew_ms
        if skew_ms is not None:
            about = "Own clock against the median of the peers."
            yield _one("wijk_clock_offset_seconds", about, skew_ms / 1000)
        yield from self._money()
        yield from self._peers(touch.members)
        yield from self._alarms()
        yield from self._counters()

    def _money(self) -> Iterator[Metric]:
        supply = GaugeMetricFamily("wijk_supply_cents", "Coin that is out.", labels=["denom"])
        reserve = GaugeMetricFamily("wijk_reserve_cents", "Bank money behind it.", labels=["denom"])
        for denom, found in self._node.supplies().items():
            supply.add_metric([denom], supply_cents(found))
            reserve.add_metric([denom], found.reserve)
        yield supply
        yield reserve

    def _peers(self, members: tuple[SetMember, ...]) -> Iterator[Metric]:
        node = self._node
        signed = GaugeMetricFamily(
            "wijk_validator_last_signed_height", "Newest block it signed.", labels=["validator"]
        )
        for member in members:
            signed.add_metric([member.name], node.signers.last_height(member.key) or 0)
        yield signed
        rtt = GaugeMetricFamily("wijk_peer_rtt_seconds", "Round trip.", labels=["peer"])
        sent = CounterMetricFamily(
            "wijk_peer_bytes", "Bytes over links.", labels=["peer", "direction"]
        )
        for stats in node.links.stats():
            if stats.rtt_us is not None:
                rtt.add_metric([stats.name], stats.rtt_us / 1_000_000)
            sent.add_metric([stats.name, "in"], stats.bytes_in)
            sent.add_metric([stats.name, "out"], stats.bytes_out)
        yield rtt
        yield sent

    def _alarms(self) -> Iterator[Metric]:
        self._alerts.check()
        active = GaugeMetricFamily("wijk_alert_active", "1 while it lasts.", labels=["alert"])
        for name in ALERTS:
            active.add_metric([name], int(name in self._alerts.active))
        yield active
        refusals = CounterMetricFamily(
            "wijk_guard_refusals", "Signatures that the guard refused.", labels=["reason"]
        )
        for reason, count in sorted(self._alerts.guard_refusals.items()):
            refusals.add_metric([reason], count)
        yield refusals
        caught = CounterMetricFamily(
            "wijk_equivocations", "Validators whose own messages convict them."
        )
        caught.add_metric([], self._node.runtime.equivocations)
        yield caught

    def _counters(self) -> Iterator[Metric]:
        node = self._node
        refused = CounterMetricFamily(
            "wijk_transactions_rejected", "Refused before a block.", labels=["code"]
        )
        for code, count in sorted(node.runtime.intake.refused.items()):
            refused.add_metric([str(code)], count)
        yield refused
        dropped = CounterMetricFamily(
            "wijk_messages_dropped", "Messages of peers not used.", labels=["kind", "reason"]
        )
        for (kind, reason), count in sorted(node.links.dropped.items()):
            dropped.add_metric([kind, reason], count)
        for why, count in sorted(node.runtime.ignored.items()):
            dropped.add_metric(["consensus", why], count)
        yield dropped


def _one(name: str, about: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, about, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family
