"""Alerts: what an operator must hear without asking (interfaces 6.3), told in the journal.

Each is told once when it begins, again every hour while it lasts, and once when it is over. What
the core of consensus raises as an alarm (consensus D2, D14, B6, T13) is told as it comes.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping

from chain.books import UNPAID
from chain.execute import get_set_members
from chain.keyspaces import SET_NOW
from chain.sanctions import get_suspended
from chain.texts import away_text
from consensus.events import Silence
from node.fork import write_culprit
from node.home import get_free_bytes
from node.standing import STOPPED, WINDOW_BLOCKS, Node

CHECK_S = 5.0
REPEAT_MS = 3_600_000
GUARD_REFUSED = "guard-refused"  # the alarm of consensus D2

UPGRADE_BLOCKS = 1_000  # interfaces 6.3: so many blocks ahead a node that is too old says so

_log = logging.getLogger("wijk.alerts")


# Those of backups come with their part.
ALERTS = (
    "stall", "quorum", "validator_absent", "disk", "clock", "peers", "peg", "redemption_late",
    "guard", "upgrade", "equivocation", "execution",
)  # fmt: skip


class Alerts:
    """Holds which alerts are active, since when, and when each was told last."""

    def __init__(self, node: Node) -> None:
        self.active: dict[str, int] = {}  # name -> when it was told last, monotonic ms
        self.guard_refusals: Counter[str] = Counter()
        self._node = node
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look every few seconds, on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def check(self) -> None:
        """Tell what began, what lasts and what is over."""
        self._tell_alarms()
        found, now = find_alerts(self._node), self._node.timers.mono_ms()
        for name, why in found.items():
            told = self.active.get(name)
            if told is None or now - told >= REPEAT_MS:
                event = "alert.began" if told is None else "alert.lasts"
                _log.warning(event, extra={"alert": name, "why": f"{name}: {why}"})
                self.active[name] = now
        for name in [name for name in self.active if name not in found]:
            del self.active[name]
            _log.warning("alert.over", extra={"alert": name, "why": name})

    def _look(self) -> None:
        self.check()
        self.start()

    def _tell_alarms(self) -> None:
        alarms = self._node.runtime.alarms
        while alarms:
            _, alarm = alarms.popleft()
            params = dict(alarm.params)
            if alarm.text == GUARD_REFUSED:
                below = "lies below" in str(params.get("why"))
                self.guard_refusals["below" if below else "conflict"] += 1
            why = ", ".join(f"{name} {value}" for name, value in params.items())
            _log.error("consensus.%s", alarm.text, extra={"why": why})


def find_alerts(node: Node) -> Mapping[str, str]:
    """Return the alerts that hold now, with what makes them so; counts and names, no amounts."""
    found: dict[str, str] = {}
    touch, status = node.touch(), node.runtime.replica.status()
    online, quorum = len(touch.online), touch.quorum
    names = away_text([one.tree() for one in node.missing(touch)], "en") or "none"
    if node.is_stalled():
        found["stall"] = f"no block while work is pending; round {status.round}, missing: {names}"
    if online == quorum:
        found["quorum"] = f"the next loss stops the chain; missing: {names}"
    if online < quorum:
        found["peers"] = f"{online} of {quorum} validators reachable; missing: {names}"
    if node.store.tip.height >= WINDOW_BLOCKS:
        absent = [one.name for one in touch.members if not node.signers.count(one.key)]
        if absent:
            found["validator_absent"] = f"signed none of the last blocks: {', '.join(absent)}"
    free = get_free_bytes(node.home.root)
    if free < node.config.number("alerts.disk_free_gb") << 30:
        found["disk"] = f"{free >> 20} MiB left"
    skew_ms = status.skew_ms
    if skew_ms is not None and abs(skew_ms) > node.config.number("alerts.clock_skew_ms"):
        found["clock"] = f"{skew_ms} ms off the median of the peers"
    if not node.totals()[2]:
        found["peg"] = "more coin is out than bank money stands behind it"
    caught = _find_caught(node)
    if caught:
        lines = [
            line for name, kind in sorted(caught.items()) for line in write_culprit(name, kind)
        ]
        found["equivocation"] = " ".join(lines)
    full = node.full_block()
    if full is not None and not full.fits:
        found["execution"] = (
            f"a block of {full.txs} transactions takes {full.estimate_ms} ms here and may take "
            f"{full.limit_ms}; {full.txs_that_fit} would fit (max_block_txs, round_timeout_ms)"
        )
    late = _find_late(node)
    if late:
        found["redemption_late"] = ", ".join(late)
    if node.signer is None and node.config.text("signer.mode") != "none":
        found["guard"] = f"the sign guard is {node.guard_fault}: this node signs nothing"
    elif node.signer is not None and status.silence in STOPPED - {Silence.OBSERVER}:
        found["guard"] = f"this node signs nothing: {status.silence}"
    planned = node.planned_upgrade()
    if planned is not None and planned[0] not in node.chain.versions:
        version, height = planned
        if height - node.store.tip.height <= UPGRADE_BLOCKS:
            found["upgrade"] = f"version {version} begins at block {height}; this node stops there"
    return found


def _find_caught(node: Node) -> Mapping[str, str]:
    """Return the validators that are suspended, or will be, each with a letter of E1 (E4, E7)."""
    kinds = {one.key: one.kind for one in node.runtime.evidence.accused()}
    kinds |= {one.key: one.kind for one in get_suspended(node.clock().state)}
    members = get_set_members(node.store.read_state, SET_NOW)
    return {member.name: kinds[member.key] for member in members if member.key in kinds}


def _find_late(node: Node) -> list[str]:
    """Return the denominations with a redemption past its due date."""
    clock = node.clock()
    return [
        denom
        for denom in node.supplies()
        if any(due < clock.book_date for due, _ in UNPAID.get(clock.state, denom) or ())
    ]
