"""A node as it serves: its parts, and how it stands among the others (interfaces 1.8 B, 6.2).

API, admin socket and metrics all read from here; nothing here changes the chain.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chain.contract import Chain, Clock
from chain.execute import get_set_members
from chain.genesis import Genesis
from chain.keyspaces import (
    FEDERATION_WIJKEN,
    SET_NOW,
    SUPPLY,
    WIJKEN,
    SetMember,
    Supply,
    get_planned_upgrade,
)
from chain.state import State
from chain.texts import Problem
from chain.validators import CommitCertificate, ValidatorSet, faulty, quorum, read_bitmap
from consensus.events import Silence
from consensus.messages import Status
from consensus.timers import IN_TOUCH_MS
from node.chainstore import ChainStore
from node.config import Config
from node.full_block import FullBlock
from node.guard_file import LostGuard
from node.home import Home
from node.links import PeerLinks
from node.meters import Meters
from node.pace import Pace
from node.ports import Peer, Signer, Timers
from node.runtime import Applied, Runtime
from node.views import supply_cents, time_text

WINDOW_BLOCKS = 100  # interfaces 1.8: `signed_of_last_100`
SAMPLES_MAX = 1_000  # finality times that `status` looks back on
WAITING_MAX = 100_000  # submissions whose finality is being timed: as many as the mempool holds
BEHIND_BLOCKS_MAX = 1  # one block ahead is consensus' own business (node/sync.py)

# Why a validator votes no more, or not before something happened elsewhere (consensus M14).
STOPPED = frozenset(
    {
        Silence.OBSERVER,
        Silence.BARRIER,
        Silence.LOCKED,
        Silence.FOREIGN_SIGNATURE,
        Silence.GUARD,
        Silence.ROUND_CAP,
    }
)


NO_LINK, QUIET = "no-link", "quiet"  # why a validator is missing, beside the words of `Silence`


class Missing(msgspec.Struct, frozen=True):
    """A validator that cannot vote with us now, since when, and its last vote (C8).

    `since_at` is when this node saw it first: what was before it started, it cannot know.
    """

    name: str
    since_at: str
    last_height: int | None
    reason: str

    def tree(self) -> dict[str, Any]:
        """Return the item of interfaces 1.8."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]


class Touch(msgspec.Struct, frozen=True):
    """Who of the validators of the open height is there."""

    members: tuple[SetMember, ...]
    online: frozenset[bytes]
    quorum: int

    @property
    def has_quorum(self) -> bool:
        """Whether enough validators are there to decide a block."""
        return len(self.online) >= self.quorum


class Node:
    """The parts of a running node, with what only the serving side remembers."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        links: PeerLinks,
        timers: Timers,
        meters: Meters,
        genesis: Genesis,
        config: Config,
        name: str,
        version: str,
        storage: str,
        home: Home,
        own_key: bytes,
        signer: Signer | None,
        guard_fault: str | None = None,
    ) -> None:
        self.runtime = runtime
        self.links = links
        self.timers = timers
        self.genesis = genesis
        self.config = config
        self.name = name
        self.version = version
        self.storage = storage
        self.home = home
        self.own_key = own_key
        self.signer = signer
        self.guard_fault = guard_fault  # `damaged` or `exported`: why there is no signer
        self.refuses_work = False
        self.started_ms = timers.mono_ms()
        self._started_wall_ms = timers.wall_ms()
        self.meters = meters
        self.signers = Signers(runtime.store)
        self.finality = Finality(self.meters)
        self.fail: Callable[[BaseException], None] = _raise
        self.stream_clients: Callable[[], int] = lambda: 0
        self._down_since: dict[Peer, int] = {}
        self._silent_since: dict[Peer, int] = {}
        self._not_ready_since: dict[str, int] = {}
        self._applied_mono: int | None = None
        self._pace = Pace()
        runtime.on_applied.append(self._on_applied)
        runtime.on_linked.append(self._on_linked)

    @property
    def chain(self) -> Chain:
        """What never changes about the chain."""
        return self.runtime.chain

    @property
    def store(self) -> ChainStore:
        """The chain."""
        return self.runtime.store

    @property
    def is_private(self) -> bool:
        """Whether reading accounts and transactions needs a signed request (interfaces 2.3)."""
        privacy = self.config.text("api.privacy")
        live = self.genesis.doc.purpose == "live"
        return privacy == "members" or (privacy == "auto" and live)

    @property
    def signing(self) -> bool:
        """Whether this node votes, or would if a block were being made."""
        if self.signer is None or (isinstance(self.signer, LostGuard) and not self.signer.last):
            return False
        return self.runtime.replica.status().silence in (None, Silence.DECIDED, Silence.START)

    @property
    def silence(self) -> str | None:
        """Why this node signs nothing now: a word of `Silence`, or what is wrong with its guard."""
        if self.guard_fault is not None:
            return f"guard-{self.guard_fault}"
        if isinstance(self.signer, LostGuard) and self.signer.last is None:
            return Silence.BARRIER.value
        found = self.runtime.replica.status().silence
        return None if found is None else found.value

    def state(self) -> State:
        """Return a view of the newest committed state."""
        return State(self.store.read_state)

    def clock(self) -> Clock:
        """Return height, time and parameters of the newest committed state."""
        tip = self.store.tip
        return Clock(self.chain, self.state(), tip.height, tip.time_ms // 1000)

    def planned_upgrade(self) -> tuple[int, int] | None:
        """Return protocol version and first block of an upgrade that is to come (consensus V8)."""
        return get_planned_upgrade(self.state(), self.store.tip.height)

    def touch(self) -> Touch:
        """Return who is there: linked, heard within the last seconds, and voting (T5, C8)."""
        members = get_set_members(self.store.read_state, SET_NOW)
        mono = self.timers.mono_ms()
        linked = frozenset(self.links.peers())
        online = set()
        for member in members:
            told = self.runtime.peer_status.get(member.key)
            if member.key == self.own_key:
                own = self.runtime.replica.status().silence
                if self.signer is not None and own not in STOPPED:
                    online.add(member.key)
            elif member.key in linked and (told is None or _is_voting(told, mono)):
                online.add(member.key)
        return Touch(members, frozenset(online), quorum(len(members)))

    def missing(self, touch: Touch) -> list[Missing]:
        """Return the validators that are not there, with since when and what they last signed."""
        absent = [member for member in touch.members if member.key not in touch.online]
        reasons = {member.key: self._why_missing(member.key) for member in absent}
        now = self.timers.wall_ms()
        self._silent_since = {
            key: self._silent_since.get(key, now)
            for key, (_, since) in reasons.items()
            if since is None
        }
        found = []
        for member in sorted(absent, key=lambda member: member.name):
            reason, since = reasons[member.key]
            since = self._silent_since[member.key] if since is None else since
            last = self.signers.last_height(member.key)
            found.append(Missing(member.name, time_text(since), last, reason))
        return found

    def _why_missing(self, key: bytes) -> tuple[str, int | None]:
        """Return why a validator is missing and since when, in wall ms; None where nobody noted."""
        if key == self.own_key:
            return self.silence or Silence.OBSERVER, None
        if key not in self.links.peers():
            return NO_LINK, self._down_since.get(key, self._started_wall_ms)
        status, heard_ms = self.runtime.peer_status[key]  # without a word yet it counts as there
        quiet_ms = self.timers.mono_ms() - heard_ms
        if quiet_ms > IN_TOUCH_MS:
            return QUIET, self.timers.wall_ms() - quiet_ms
        return status.silence or QUIET, None

    def behind_blocks(self) -> int:
        """Return how many blocks others claim to have that this node has not."""
        behind = self.runtime.sync.behind()
        return behind if behind > BEHIND_BLOCKS_MAX else 0

    def check_past(self, height: int) -> None:
        """Raise `Problem` 4002 for a block up to the snapshot of this node, until all have come."""
        joined = self.store.joined
        if joined is not None and height <= joined.height:
            raise self.past_missing()

    def past_missing(self) -> Problem:
        """Return what to answer who asks for a past that is still coming (consensus S8)."""
        return Problem(4002, behind_blocks=max(1, self.past_blocks()))

    def past_blocks(self) -> int:
        """Return how many blocks up to the snapshot of this node are still to come (S8)."""
        past = None if self.runtime.snapshots is None else self.runtime.snapshots.past()
        return 0 if past is None else past[1] - past[0]

    def refusal(self) -> Problem | None:
        """Return why no new transaction can be taken now, or None (interfaces 1.5, 2.2).

        Asked once for each transaction or batch that a client brings.
        """
        if self.refuses_work:
            return Problem(4004, retry_after_s=60, reason="disk")
        behind = self.behind_blocks()
        if behind:
            return Problem(4002, behind_blocks=behind)
        touch = self.touch()
        if not touch.has_quorum:
            return self._no_quorum(touch)
        wait_s = self._pace.on_work(self.runtime.intake.backlog(), self.timers.mono_ms())
        if wait_s:
            return Problem(4003, retry_after_s=wait_s)
        return None

    def _no_quorum(self, touch: Touch) -> Problem:
        """Return WIJK-4001: it names who is missing since when, the round, the last votes (6.2)."""
        missing = self.missing(touch)
        return Problem(
            4001,
            missing=[one.name for one in missing],
            away=[one.tree() for one in missing],
            round=self.runtime.replica.status().round,
        )

    def failing(self) -> list[dict[str, Any]]:
        """Return the components that keep this node from being ready (interfaces 6.2)."""
        found: list[tuple[str, Problem]] = []
        if self.refuses_work:
            found.append(("disk", Problem(4004)))
        behind = self.behind_blocks()
        if behind:
            found.append(("sync", Problem(4002, behind_blocks=behind)))
        touch = self.touch()
        if not touch.has_quorum:
            found.append(("quorum", self._no_quorum(touch)))
        now = self.timers.wall_ms()
        components = [component for component, _ in found]
        self._not_ready_since = {
            component: self._not_ready_since.get(component, now) for component in components
        }
        return [
            {
                "component": component,
                "problem": why,
                "since_at": time_text(self._not_ready_since[component]),
            }
            for component, why in found
        ]

    def sync_word(self, touch: Touch) -> str:
        """Return `live`, `catching_up`, `stalled` or `offline` (interfaces 1.8, enums)."""
        if len(touch.members) > 1 and not self.links.peers():
            return "offline"
        if self.behind_blocks():
            return "catching_up"
        return "stalled" if self.is_stalled() else "live"

    def is_stalled(self) -> bool:
        """Say whether work waits and no block came for some expected intervals (6.3)."""
        oldest = self.runtime.intake.mempool.oldest_ms()
        if oldest is None:
            return False
        now = self.timers.mono_ms()
        since = max(self._applied_mono or self.started_ms, oldest)
        expected = self.clock().number("round_timeout_ms")
        return now - since > self.config.number("alerts.stall_blocks") * expected

    def full_block(self) -> FullBlock | None:
        """Return how long a full block would take here; None while nothing large was seen (T14)."""
        return self.runtime.candidates.executions.estimate(self.clock().number)

    def totals(self) -> tuple[int, int, bool]:
        """Return the chain's supply and reserve in cents, and whether every coin is backed."""
        supply = reserve = 0
        backed = True
        for found in self.supplies().values():
            supply += found.issued - found.redeemed
            reserve += found.reserve
            backed &= is_backed(found)
        return supply, reserve, backed

    def supplies(self) -> Mapping[str, Supply]:
        """Return the supply sums by denomination, of every wijk of the federation."""
        state = self.state()
        found: dict[str, Supply] = {}
        for slug in FEDERATION_WIJKEN.get(state) or ():
            wijk = WIJKEN.get(state, slug)
            assert wijk is not None, "the federation lists wijken that exist"
            denom = wijk.denom(slug)
            found[denom] = SUPPLY.get(state, denom) or Supply(0, 0, 0, 0, 0, 0, 0, 0)
        return found

    def health(self, touch: Touch) -> tuple[str, Problem | None]:
        """Return `ok`, `degraded` or `down`, and why."""
        if not touch.has_quorum:
            return "down", self._no_quorum(touch)
        behind = self.behind_blocks()
        if behind:
            return "degraded", Problem(4002, behind_blocks=behind)
        if self.refuses_work:
            return "degraded", Problem(4004)
        if len(touch.online) < len(touch.members):
            return "degraded", self._no_quorum(touch)
        return "ok", None

    def _on_applied(self, applied: Applied) -> None:
        self._applied_mono = self.timers.mono_ms()
        self.signers.add(applied.certificate)
        self.finality.on_block(applied.tx_ids, self._applied_mono)
        backlog = self.runtime.intake.backlog()
        self._pace.on_block(len(applied.tx_ids), backlog, self._applied_mono)

    def _on_linked(self, peer: Peer, up: bool) -> None:
        if up:
            self._down_since.pop(peer, None)
        else:
            self._down_since[peer] = self.timers.wall_ms()


def _is_voting(told: tuple[Status, int], mono_ms: int) -> bool:
    """Say whether a peer's newest status is fresh, and that of a node that votes."""
    status, heard_ms = told
    return mono_ms - heard_ms <= IN_TOUCH_MS and status.silence not in STOPPED


def _raise(error: BaseException) -> None:
    """What `fail` is until the process says how it ends."""
    raise error


def is_backed(supply: Supply) -> bool:
    """Say whether bank money stands behind a coin: reserve + due from - due to (1.8, `peg`)."""
    return supply_cents(supply) <= supply.reserve + supply.due_from - supply.due_to


def can_lose(n: int) -> int:
    """Return how many of `n` validators may be away while blocks are still decided."""
    assert n - quorum(n) >= faulty(n), "consensus Q2"
    return n - quorum(n)


class Signers:
    """Who signed the newest blocks: keys per height, of the last `WINDOW_BLOCKS` heights."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._last: dict[bytes, int] = {}
        self._blocks: deque[tuple[bytes, ...]] = deque(maxlen=WINDOW_BLOCKS)
        first = max(1, store.tip.height - WINDOW_BLOCKS + 1)
        for height in range(max(first, store.whole_from), store.tip.height + 1):
            certificate = store.certificate(height)
            assert certificate is not None, "every decided block has a certificate"
            self.add(certificate)

    def add(self, certificate: CommitCertificate) -> None:
        """Take in the certificate of the next height."""
        validators: ValidatorSet = self._store.validators_at(certificate.height)
        places = read_bitmap(certificate.bitmap, len(validators))
        keys = tuple(validators.keys[place] for place in places)
        self._blocks.append(keys)
        for key in keys:
            self._last[key] = certificate.height

    def last_height(self, key: bytes) -> int | None:
        """Return the last height that `key` signed, or None if it is long ago."""
        return self._last.get(key)

    def count(self, key: bytes) -> int:
        """Return how many of the last 100 blocks `key` signed."""
        return sum(key in keys for keys in self._blocks)


class Finality:
    """How long submissions took to become final, in ms of the monotonic clock."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._since: OrderedDict[bytes, int] = OrderedDict()
        self._samples: deque[int] = deque(maxlen=SAMPLES_MAX)

    def start(self, tx_id: bytes, mono_ms: int) -> None:
        """A transaction came in from a client at `mono_ms`."""
        if len(self._since) >= WAITING_MAX:
            self._since.popitem(last=False)
        self._since.setdefault(tx_id, mono_ms)

    def drop(self, tx_id: bytes) -> None:
        """It was refused: there is nothing to time."""
        self._since.pop(tx_id, None)

    def on_block(self, tx_ids: tuple[bytes, ...], mono_ms: int) -> None:
        """A block holds these transactions."""
        if not self._since:
            return
        for tx_id in tx_ids:
            since = self._since.pop(tx_id, None)
            if since is not None:
                self._samples.append(mono_ms - since)
                self._meters.finality.observe((mono_ms - since) / 1000)

    def percentiles(self, ranks: tuple[int, ...] = (50, 99)) -> dict[str, int | None]:
        """Return p50, p99 ... of the newest samples, in ms; None while there are none."""
        ordered = sorted(self._samples)
        if not ordered:
            return {f"p{rank}": None for rank in ranks}
        last = len(ordered) - 1
        return {f"p{rank}": ordered[min(last, len(ordered) * rank // 100)] for rank in ranks}
