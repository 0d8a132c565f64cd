"""A Byzantine validator: the production runtime, and in front of its links somebody who lies.

It has its own key alone. With it: two blocks in one round, votes for both, votes withheld, round
changes that deny or invent a prepared block, and every lie of `lies.py` to who is behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chain.records import block_id
from consensus.messages import (
    ChainName,
    Commit,
    Draft,
    DraftProposal,
    Prepare,
    ProvenRoundChange,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    seal,
    signed_bytes,
)
from node.messages import BlockRange, TxAnnounce, TxAnswer, TxBatch
from tests.sim.lies import LIES

if TYPE_CHECKING:
    from random import Random

    from chain.codec import Record
    from tests.sim.world import SimNode, World

SHARES = (0.0, 0.2, 0.7, 1.0)
IDS_MAX = 8


class Liar:
    """Draws its habits once, then decides message by message and peer by peer."""

    def __init__(self, world: World, node: SimNode, chance: Random) -> None:
        self._world = world
        self._node = node
        self._chance = chance
        self._withholds = chance.choice(SHARES) / 2
        self._two_blocks = chance.choice(SHARES)
        self._two_votes = chance.choice(SHARES)
        self._denies = chance.choice(SHARES)
        self._hides_txs = chance.choice(SHARES) / 2
        self._sync_lie = LIES[chance.choice(sorted(LIES))] if chance.random() < 0.6 else None
        self._forged: dict[bytes, SignedProposal] = {}  # by the id of the true block
        self._ids: list[tuple[int, bytes, int, bytes]] = []  # height, id, log size and root

    def say(self, to: str, message: Record) -> tuple[Record, ...]:
        """Return what goes to the peer `to` instead of `message`."""
        chance = self._chance
        match message:
            case SignedProposal():
                return self._propose(message)
            case SignedPrepare() | SignedCommit():
                return () if chance.random() < self._withholds else self._vote(message)
            case SignedRoundChange():
                return () if chance.random() < self._withholds else (self._change(message),)
            case ProvenRoundChange():
                return () if chance.random() < self._denies else (message,)
            case TxBatch() | TxAnnounce() | TxAnswer():
                return () if chance.random() < self._hides_txs else (message,)
            case Status() | BlockRange() if self._sync_lie is not None:
                lie = self._sync_lie(message)
                return () if lie is None else (lie,)
            case _:
                return (message,)

    def _propose(self, message: SignedProposal) -> tuple[Record, ...]:
        """F14: another block of the same round to some, both to others, nothing to the rest."""
        record, header = message.record, message.block.header
        self._remember(message)
        if message.signer != self._node.key or header.creator != message.signer:
            return (message,)
        chance = self._chance
        if chance.random() < self._withholds:
            return ()
        if chance.random() >= self._two_blocks:
            return (message,)
        other = self._forged.get(record.block_id)
        if other is None or other.record.round != record.round:
            block = replace(message.block, header=replace(header, time_ms=header.time_ms + 1))
            named = replace(record, block_id=block_id(block.header))
            draft = DraftProposal(named, block, message.justification)
            signed = self._sign(draft)
            assert isinstance(signed, SignedProposal)
            other = self._forged[record.block_id] = signed
            self._remember(other)
            self._world.seen.add("a leader proposed two blocks")
        return chance.choice(((other,), (message, other), (message,)))

    def _vote(self, message: SignedPrepare | SignedCommit) -> tuple[Record, ...]:
        """F15: a vote for another block of this height, instead of the true one or beside it."""
        record, chance = message.record, self._chance
        if message.signer != self._node.key or chance.random() >= self._two_votes:
            return (message,)
        others = [one for one in self._ids if one[0] == record.height and one[1] != record.block_id]
        if not others:
            return (message,)
        _, other_id, log_size, log_root = chance.choice(others)
        draft: Draft
        if isinstance(record, Prepare):
            draft = replace(record, block_id=other_id)
        else:
            draft = Commit(record.height, record.round, other_id, log_size, log_root)
        self._world.seen.add("a validator voted twice")
        lie = self._sign(draft)
        return chance.choice(((lie,), (message, lie), (lie, message)))

    def _change(self, message: SignedRoundChange) -> Record:
        """F17: deny what was prepared, or claim what never was."""
        record, chance = message.record, self._chance
        if message.signer != self._node.key or chance.random() >= self._denies:
            return message
        claims: list[tuple[int | None, bytes | None]] = [(None, None)]
        claims += [
            (chance.randrange(record.round), one[1]) for one in self._ids if one[0] == record.height
        ]
        round_, claimed = chance.choice(claims)
        self._world.seen.add("a round change lied")
        return self._sign(replace(record, prepared_round=round_, prepared_id=claimed))

    def _remember(self, message: SignedProposal) -> None:
        header = message.block.header
        known = (header.height, message.record.block_id, header.log_size, header.log_root)
        if known not in self._ids:
            self._ids = [*self._ids, known][-IDS_MAX:]

    def _sign(self, draft: Draft) -> Record:
        chain = ChainName(self._world.genesis.digest, self._world.chain.chain_id)
        signature = self._world.sign(self._node.seed, signed_bytes(chain, draft))
        return seal(draft, self._node.key, signature)
