"""A board that takes another node, and a federation that upgrades, in the middle of a history (V).

Whoever acts looks at the chain from time to time and sends what is due, as people do: so every
step may be lost, come twice, or fall into a partition, and is simply tried again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from chain.codec import encode
from chain.crypto import sha256
from chain.crypto import sign as sign_for_real
from chain.keyspaces import NO_END_S, SET_NOW, get_planned_upgrade, get_version
from chain.set_change import PLANNED, READY, get_members
from chain.state import State
from contracts.wijk import (
    EPOCHS_AHEAD,
    FedEndorse,
    FedPropose,
    NodeKeys,
    Ready,
    RegisterRole,
    SetParam,
    node_proof_bytes,
    ready_proof_bytes,
)
from tests.federation import board, key, seed
from tests.sim.world import UPGRADE_BLOCKS_MIN, node_start

if TYPE_CHECKING:
    from tests.sim.world import SimNode, World

BOARD = "delfshaven-board-a"
SEATS = {0: "delfshaven-board-a", 1: "delfshaven-board-b"}
LOOK_MS = 900
NAMES = ("node-new", "transport-new")
VERSION = 2
EPOCH_S = 5  # tests/federation.py
UPGRADE_BLOCKS = 9  # from the proposal to the first block of the new version


class Rotation:
    """The board of delfshaven replaces the node that its role names by a new one (V4, V5)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._node = world.add_node("new")
        world.later(0, None, "first start new", node_start(self._node))
        world.later(LOOK_MS, None, "the board looks", self._look)

    def _look(self) -> None:
        world = self._world
        if not world.healed:
            world.later(LOOK_MS, None, "the board looks", self._look)
        helper = find_helper(world)
        if helper is not None:  # what it reads for them may be rotten: then it ends there
            world.perform(helper, partial(self._ask, helper))

    def _ask(self, helper: SimNode) -> None:
        world = self._world
        assert helper.runtime is not None, "only a node that runs can help"
        store = helper.runtime.store
        state = State(store.read_state)
        if any(member.key == self._node.key for member in get_members(state, SET_NOW)):
            world.seen.add("another node took the place of one")
            if world.groups:
                world.seen.add("the set changed during a partition")
            return
        if PLANNED.get(state) is not None:
            world.pay()  # it begins with a block
            return
        validator, transport = (key(name) for name in NAMES)
        digest = world.genesis.digest
        call: Any
        if READY.get(state, self._node.key) is None:
            tip = store.tip
            signed = ready_proof_bytes(digest, validator, transport, tip.block_id, tip.height)
            proof = sign_for_real(seed(NAMES[0]), signed)
            call = Ready(validator, transport, tip.block_id, tip.height, proof)
        else:
            signed = node_proof_bytes(digest, validator, transport)
            keys = NodeKeys(validator, transport, sign_for_real(seed(NAMES[0]), signed))
            call = RegisterRole("VALIDATOR", board("delfshaven"), 0, NO_END_S, keys)
        send(world, helper, call)


class Upgrade:
    """The federation names a height for version 2; one node has the program only later (V8)."""

    def __init__(self, world: World, late: SimNode, at_ms: int) -> None:
        self._world = world
        self._late = late
        self._matter = b""
        self._begins = 0
        for node in world.nodes:
            if node is not late:
                give_new_program(node)
        world.at(at_ms, None, "the federation looks", self._look)

    def _look(self) -> None:
        world = self._world
        if not world.healed:
            world.later(LOOK_MS, None, "the federation looks", self._look)
        helper = find_helper(world, but=self._late)
        if helper is not None:  # what it reads for them may be rotten: then it ends there
            world.perform(helper, partial(self._ask, helper))

    def _ask(self, helper: SimNode) -> None:
        world = self._world
        assert helper.runtime is not None, "only a node that runs can help"
        store = helper.runtime.store
        tip, state = store.tip.height, State(store.read_state)
        if get_version(state, tip + 1) == VERSION:
            world.seen.add("an upgrade began")
            if self._late.stopped is not None:
                world.seen.add("a node without the upgrade stopped before it")
            return
        if get_planned_upgrade(state, tip) is not None:
            world.pay()
            return
        if self._begins <= tip + UPGRADE_BLOCKS_MIN:  # too near to be agreed on, if it ever was
            self._begins = tip + UPGRADE_BLOCKS
            value = msgspec.Raw(encode((VERSION, self._begins)))
            epoch = store.tip.time_ms // 1000 // EPOCH_S + EPOCHS_AHEAD + 4
            inner = encode(SetParam("upgrade", value, epoch))
            self._matter = send(world, helper, FedPropose(inner))
            return
        place = store.place(self._matter)
        if place is not None and place.code == 0:
            send(world, helper, FedEndorse(self._matter, 1))


def give_new_program(node: SimNode) -> None:
    """Let a node know version 2 from its next start on."""
    chain = node.chain
    node.chain = type(chain)(chain.chain_id, chain.digest, chain.purpose, chain.table, (1, VERSION))
    node.stopped = None


def find_helper(world: World, but: SimNode | None = None) -> SimNode | None:
    """Return a node that runs, of the honest ones with the most blocks; None if nobody does."""
    up = [
        node
        for node in world.honest
        if node is not but and node.runtime is not None and node.paused_until <= world.now
    ]
    return max(
        up, key=lambda node: node.runtime.store.tip.height if node.runtime else 0, default=None
    )


def send(world: World, helper: SimNode, call: Any) -> bytes:
    """Hand a call of the board to a node; return its id."""
    raw = world.make_tx(call, BOARD, SEATS)
    world.perform(helper, lambda: world.submit(helper, raw))
    return sha256(raw)
