"""Who is guilty, by the words of consensus E1 alone: an oracle, apart from the code it judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chain.records import Header
from consensus.messages import SignedCommit, SignedMessage, SignedRoundChange


def find_culprits(
    messages: Iterable[SignedMessage], headers: Mapping[bytes, Header]
) -> dict[bytes, str]:
    """Return each signer that its own messages convict, and of what (E1a-d, f)."""
    said: dict[tuple[bytes, str, int, int], SignedMessage] = {}
    commits: dict[tuple[bytes, int], list[SignedCommit]] = {}
    changes: dict[tuple[bytes, int], list[SignedRoundChange]] = {}
    guilty: dict[bytes, str] = {}
    for message in messages:
        record = message.record
        kind = type(record).__name__
        first = said.setdefault((message.signer, kind, record.height, record.round), message)
        if first.record != record:
            guilty[message.signer] = (
                f"two of {kind} at {record.height}/{record.round}"  # a, b, c, f
            )
        where = (message.signer, record.height)
        if isinstance(message, SignedCommit):
            commits.setdefault(where, []).append(message)
            header = headers.get(message.record.block_id)
            head = (message.record.log_size, message.record.log_root)
            if header is not None and (header.log_size, header.log_root) != head:
                guilty[message.signer] = "a commit against its header"  # c
        elif isinstance(message, SignedRoundChange):
            changes.setdefault(where, []).append(message)
    for where, ours in commits.items():
        for change in changes.get(where, ()):
            prepared = change.record.prepared_round
            for commit in ours:
                if change.record.round > commit.record.round and (
                    prepared is None or prepared < commit.record.round
                ):
                    guilty[where[0]] = f"amnesia at {where[1]}/{commit.record.round}"  # d
    return guilty
