"""Where the open height stands, for people (consensus C8)."""

import msgspec

from consensus.events import Silence
from consensus.open_height import OpenHeight
from consensus.peers import Peers


class ReplicaStatus(msgspec.Struct, frozen=True):
    """C8: where the open height stands, for people. Keys are public keys of validators.

    `missing` are the other validators that are out of touch (T5), each with when it was heard
    last on the monotonic clock, nil for never. `silence` says why this node does not vote.
    """

    height: int
    round: int
    proposer: bytes
    accepted: bytes | None
    prepared_by: tuple[bytes, ...]
    committed_by: tuple[bytes, ...]
    missing: tuple[tuple[bytes, int | None], ...]
    silence: Silence | None
    skew_ms: int | None


def compute_replica_status(
    at: OpenHeight,
    peers: Peers,
    own_key: bytes | None,
    *,
    leader: bytes,
    silence: Silence | None,
    mono_ms: int,
) -> ReplicaStatus:
    """Return the status of a node with `own_key` at `mono_ms`, when `leader` leads its round."""
    validators = at.context.validators
    in_touch = peers.in_touch(validators, mono_ms)
    return ReplicaStatus(
        height=at.height,
        round=at.round,
        proposer=leader,
        accepted=None if at.accepted is None else at.accepted.record.block_id,
        prepared_by=tuple(vote.signer for vote in at.prepares.in_round(at.round)),
        committed_by=tuple(vote.signer for vote in at.commits.in_round(at.round)),
        missing=tuple(
            (key, peers.heard_ms(key))
            for key in validators.keys
            if key != own_key and key not in in_touch
        ),
        silence=silence,
        skew_ms=peers.skew_ms(validators),
    )
