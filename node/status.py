"""Block B of interfaces 1.8: how the chain stands as this node sees it, for people.

It says who leads, who voted, who is missing since when, who is aside, and why this node does not
vote. Names are those that the chain gives to validators, never bare keys (consensus C8, M14).
"""

from collections.abc import Iterable

from chain.keyspaces import LEADERS
from chain.money_text import Lang
from chain.sanctions import get_suspended_keys
from chain.texts import Problem, problem
from consensus.events import Silence
from node.standing import Node, Touch, can_lose
from node.views import Json, time_text

NO_QUORUM = 4001

# What a treasurer reads about a node that does not vote: Dutch, English.
SILENCE_TEXTS: dict[Silence, tuple[str, str]] = {
    Silence.OBSERVER: (
        "Deze node kijkt alleen mee: zijn sleutel hoort niet bij de nodes die nu stemmen.",
        "This node only follows: its key is not among the validators of now.",
    ),
    Silence.WITHHELD: (
        "Deze node tekent niet: wat hij eerder tekende is niet meer zeker. Hij loopt wel mee.",
        "This node signs nothing: what it signed before is not certain. It follows all the same.",
    ),
    Silence.START: (
        "Deze node is net gestart en wacht tot genoeg andere nodes zeggen hoe ver zij zijn.",
        "This node has just started and waits until enough others have said where they stand.",
    ),
    Silence.DECIDED: (
        "Over dit blok is al beslist; de node slaat het op.",
        "This block is decided already; the node is storing it.",
    ),
    Silence.BEHIND: (
        "Andere nodes hebben dit blok al; deze node haalt het eerst op.",
        "Other nodes have this block already; this node fetches it first.",
    ),
    Silence.FOREIGN_SIGNATURE: (
        "De sleutel van deze node tekent ook op een andere machine. Zet die uit; herstart deze.",
        "The key of this node signs on another machine too. Stop that one; restart this one.",
    ),
    Silence.GUARD: (
        "De node weigerde te tekenen wat een eerdere handtekening tegenspreekt, en tekent niets.",
        "The node refused to sign what contradicts an earlier signature, and signs nothing more.",
    ),
    Silence.ROUND_CAP: (
        "Over dit blok is zo vaak vergeefs gestemd dat de node niet verder gaat.",
        "So many rounds failed for this block that the node goes no further.",
    ),
}


def status_json(node: Node, lang: Lang) -> Json:
    """Return block B of interfaces 1.8."""
    tip, touch = node.store.tip, node.touch()
    n = len(touch.members)
    health, cause = node.health(touch)
    supply, reserve, backed = node.totals()
    upgrade = node.planned_upgrade()
    return {
        "chain_id": node.chain.chain_id,
        "chain_digest": node.chain.digest.hex(),
        "node": node.name,
        "version": node.version,
        "height": tip.height,
        "round": node.runtime.replica.status().round,
        "block_id": tip.block_id.hex(),
        "block_at": time_text(tip.time_ms),
        "block_age_ms": max(0, node.timers.wall_ms() - tip.time_ms),
        "sync": node.sync_word(touch),
        "behind_blocks": node.behind_blocks(),
        "validators": {
            "total": n,
            "online": len(touch.online),
            "quorum": touch.quorum,
            "can_lose": can_lose(n),
            "missing": [one.tree() for one in node.missing(touch)],
        },
        "consensus": agreement_json(node, touch, lang),
        "finality_ms": node.finality.percentiles(),
        "supply_cents": supply,
        "reserve_cents": reserve,
        "peg": "ok" if backed else "short",
        "log_size": tip.log_size,
        "mempool": len(node.runtime.intake.mempool),
        "next_vote": None,
        "upgrade": None if upgrade is None else {"version": upgrade[0], "height": upgrade[1]},
        "public_url": node.config.text("api.public_url") or None,
        "health": health,
        "cause": cause_json(touch, cause, lang),
    }


def cause_json(touch: Touch, cause: Problem | None, lang: Lang) -> Json | None:
    """Return why a node is not well; None while it is.

    While a quorum is left, the code of a missing validator stays and its sentence does not: nothing
    is final without a quorum, but everything is with one.
    """
    if cause is None:
        return None
    tree = problem(cause.number, cause.params, lang)
    if cause.number == NO_QUORUM and touch.has_quorum:
        names = ", ".join(str(name) for name in cause.params["missing"])  # type: ignore[attr-defined]
        spare = len(touch.online) - touch.quorum
        if lang == "nl":
            tree["title"] = "niet alle nodes doen mee"
            tree["detail"] = f"Weg: {names}. Betalen gaat door; er kunnen er nog {spare} wegvallen."
        else:
            tree["title"] = "not all nodes take part"
            tree["detail"] = f"Missing: {names}. Payments go on; {spare} more may be lost."
    return tree


def agreement_json(node: Node, touch: Touch, lang: Lang) -> Json:
    """Return what `status` says of the height that is being decided (consensus C8)."""
    status = node.runtime.replica.status()
    names = {member.key: member.name for member in touch.members}

    def name(key: bytes) -> str:
        return names.get(key, key.hex())  # of a set that the newest block has not in force yet

    def sorted_names(keys: Iterable[bytes]) -> list[str]:
        return sorted(name(key) for key in keys)

    state = node.state()
    leaders = LEADERS.get(state)
    assert leaders is not None, "genesis sets the schedule"
    silence = status.silence
    return {
        "height": status.height,
        "round": status.round,
        "proposer": name(status.proposer),
        "proposed": None if status.accepted is None else status.accepted.hex(),
        "prepared_by": sorted_names(status.prepared_by),
        "committed_by": sorted_names(status.committed_by),
        "sidelined": [
            {"name": name(one.key), "until_height": one.until} for one in leaders.sideline
        ],
        "suspended": sorted_names(get_suspended_keys(state)),
        "clock_skew_ms": status.skew_ms,
        "silence": None
        if silence is None
        else {"reason": silence.value, "text": silence_text(silence, lang)},
    }


def silence_text(silence: Silence, lang: Lang) -> str:
    """Return why a node does not vote, in a sentence or two."""
    return SILENCE_TEXTS[silence][0 if lang == "nl" else 1]
