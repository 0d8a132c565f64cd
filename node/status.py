"""Block B of interfaces 1.8: how the chain stands as this node sees it, for people.

It says who leads, who voted, who is missing since when, who is aside, and why this node does not
vote. Names are those that the chain gives to validators, never bare keys (consensus C8, M14).
"""

from collections.abc import Iterable

from chain.keyspaces import FEDERATION_WIJKEN, LEADERS, ROLES, VALIDATOR
from chain.money_text import Lang
from chain.sanctions import get_suspended_keys
from chain.texts import Problem, problem
from node.standing import Node, Touch, can_lose
from node.views import Json, time_text

NO_QUORUM = 4001

# Why a node does not vote, in the words of `Node.silence`: Dutch, English.
SILENCES: dict[str, tuple[str, str]] = {
    "observer": (
        "volgt alleen: deze sleutel stemt hier niet mee",
        "only follows: this key has no vote here",
    ),
    "barrier": (
        "kijkt toe tot de anderen verder zijn: wat zijn sleutel eerder tekende, is misschien kwijt",
        "looks on until the others are further: what its key signed before may be lost",
    ),
    "locked": (
        "vergrendeld met `wijk signer lock`; start de node opnieuw om weer te tekenen",
        "locked with `wijk signer lock`; start the node again to let it sign",
    ),
    "decided": (
        "dit blok is al beslist en wordt opgeslagen",
        "this block is decided already and is being stored",
    ),
    "start": (
        "wacht tot genoeg andere nodes zeggen waar ze staan",
        "waits until enough other nodes say where they stand",
    ),
    "behind": ("haalt blokken op bij de anderen", "fetches blocks from the others"),
    "foreign-signature": (
        "gestopt: een andere machine tekent met deze sleutel. Zet die uit, en start hier opnieuw",
        "stopped: another machine signs with this key. Turn that off, and start here again",
    ),
    "guard": (
        "gestopt: de tekenwacht weigerde; start de node opnieuw",
        "stopped: the sign guard refused; start the node again",
    ),
    "guard-damaged": (
        "de tekenwacht is beschadigd; stop de node en doe: wijk node rejoin",
        "the sign guard is damaged; stop the node and run: wijk node rejoin",
    ),
    "guard-exported": (
        "de tekenwacht is verhuisd naar een andere machine (wijk signer state export)",
        "the sign guard went to another machine (wijk signer state export)",
    ),
    "round-cap": (
        "gestopt: te veel rondes op deze hoogte; vraag om hulp",
        "stopped: too many rounds at this height; ask for help",
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
    members = {member.key: member.name for member in touch.members}
    left = find_names_of_left(node)

    def name(key: bytes) -> str:
        return members.get(key) or left.get(key) or key.hex()

    def sorted_names(keys: Iterable[bytes]) -> list[str]:
        return sorted(name(key) for key in keys)

    state = node.state()
    leaders = LEADERS.get(state)
    assert leaders is not None, "genesis sets the schedule"
    silence = node.silence
    full = node.full_block()
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
        "full_block": None
        if full is None
        else {
            "txs": full.txs,
            "estimate_ms": full.estimate_ms,
            "limit_ms": full.limit_ms,
            "measured_txs": full.measured_txs,
        },
        "silence": None
        if silence is None
        else {"reason": silence, "text": silence_text(silence, lang)},
    }


def find_names_of_left(node: Node) -> dict[bytes, str]:
    """Return names by key of suspended validators: the set forgets those that it has removed (E4).

    Genesis named the first ones; of the others the wijk is known whose board named them.
    """
    state = node.state()
    if not get_suspended_keys(state):
        return {}
    names = {
        role.node[0]: slug
        for slug in FEDERATION_WIJKEN.get(state) or ()
        for role in ROLES.get(state, slug, VALIDATOR) or ()
        if role.node
    }
    first = {bytes.fromhex(one.public_key): one.name for one in node.genesis.doc.validators}
    return names | first


def silence_text(silence: str, lang: Lang) -> str:
    """Return why a node does not vote, as one sentence."""
    dutch, english = SILENCES[silence]
    if lang == "nl":
        return f"Deze node tekent niet: {dutch}."
    return f"This node signs nothing: {english}."
