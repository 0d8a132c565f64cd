"""Whom the chain names as peers of this node, from its state (consensus B10, V1, V6; Z4).

Validators of the sets around the open height, of the change that is planned, and nodes that a
board or a wijk's operator reported ready: those must be able to catch up before they join.
"""

from collections.abc import Iterable, Mapping

from chain.codec import decode, encode
from chain.genesis import GenesisDoc
from chain.keyspaces import (
    ACTIVE,
    FEDERATION_WIJKEN,
    ROLES,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    VALIDATOR,
    WIJKEN,
    SetMember,
)
from chain.set_change import PLANNED, READY_S, NodeReady, get_members
from chain.state import State
from node.chainstore import STATE, ChainStore
from node.links import PeerInfo

KEY_BYTES = 32
OBSERVERS_PER_WIJK = 2  # the newest reports: the node that is to come, and one to put it right


def find_peers(
    store: ChainStore, doc: GenesisDoc, told: Mapping[str, str] | None = None
) -> list[PeerInfo]:
    """Return who is admitted now, with the address where that is known.

    Genesis names places, and a node that took the place of another is looked for where that one
    was. `told` are addresses by name that the operator knows better: where to dial, never whom to
    admit (B10).
    """
    addresses = {validator.name: validator.address for validator in doc.validators} | dict(
        told or {}
    )
    members = _find_members(State(store.read_state))
    found = {
        member.key: PeerInfo(
            member.name, member.key, member.transport_key, addresses.get(member.name, "")
        )
        for member in members.values()
    }
    taken = {info.transport_key for info in found.values()}
    for observer in _find_observers(store):
        if observer.key not in found and observer.transport_key not in taken:
            found[observer.key] = observer._replace(address=addresses.get(observer.name, ""))
            taken.add(observer.transport_key)
    return [found[key] for key in sorted(found)]


def find_own_name(store: ChainStore, key: bytes, otherwise: str) -> str:
    """Return the name under which the chain knows a node, or another where it does not."""
    member = _find_members(State(store.read_state)).get(key)
    return otherwise if member is None else member.name


def _find_members(state: State) -> Mapping[bytes, SetMember]:
    """Return members by key; of one that changes its transport key the newest counts."""
    planned = PLANNED.get(state)
    coming: Iterable[SetMember] = () if planned is None else planned.join
    sets = [get_members(state, which) for which in (SET_LAST, SET_NOW, SET_NEXT)]
    found = {member.key: member for members in sets for member in members}
    return found | {member.key: member for member in coming if member.key not in found}


def _find_observers(store: ChainStore) -> list[PeerInfo]:
    newest_s = store.tip.time_ms // 1000
    prefix = STATE + encode(["ready", b""])[:-2]  # all before the length of the key
    rows = [
        (stored[-KEY_BYTES:], decode(NodeReady, raw))
        for stored, raw in store.store.scan(prefix, prefix + b"\xff")
    ]
    fresh = [(report.time_s, key, report) for key, report in rows]
    fresh = sorted((one for one in fresh if newest_s - one[0] <= READY_S), reverse=True)
    if not fresh:
        return []
    operators = _find_operators(State(store.read_state))
    found: list[PeerInfo] = []
    for _, key, report in fresh:
        slug = operators.get(report.account)
        name = f"{slug}-observer"
        count = sum(info.name.startswith(name) for info in found)
        if slug is not None and count < OBSERVERS_PER_WIJK:
            found.append(PeerInfo(f"{name}-{count + 1}", key, report.transport_key, ""))
    return found


def _find_operators(state: State) -> Mapping[bytes, str]:
    """Return the accounts that speak for the node of a wijk, with that wijk: boards and operators.

    Anybody may report a node; if all were let in, one resident could fill all places.
    """
    operators: dict[bytes, str] = {}
    for slug in FEDERATION_WIJKEN.get(state) or ():
        wijk = WIJKEN.get(state, slug)
        if wijk is not None and wijk.status == ACTIVE:
            operators[wijk.board] = slug
            for version in ROLES.get(state, slug, VALIDATOR) or ():
                operators[version.account] = slug
    return operators
