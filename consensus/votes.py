"""Counting votes: distinct validators, one vote each per round, never more than O(n)."""

from typing import Generic, TypeVar

from consensus.messages import Commit, Prepare, SignedCommit, SignedPrepare

COMMIT_ROUNDS_MAX = 8  # B9: per validator the commits of its 8 highest rounds
PREPARE_ROUNDS_MAX = 2  # B9: this round and the next

Vote = TypeVar("Vote", SignedPrepare, SignedCommit)


class Tally(Generic[Vote]):
    """The first valid vote of each validator in each round; later ones that differ do not count.

    Votes are checked before they come here: signature, membership, height (Q4). A certificate is
    never taken apart into a tally (R8).
    """

    def __init__(self, rounds_max: int) -> None:
        self._rounds_max = rounds_max
        self._votes: dict[bytes, dict[int, Vote]] = {}

    def get(self, signer: bytes, round_: int) -> Vote | None:
        """Return what this validator voted in that round, as far as it is remembered."""
        return self._votes.get(signer, {}).get(round_)

    def add(self, vote: Vote) -> bool:
        """Count `vote`, forgetting the lowest round of its signer beyond the cap (B9).

        Say whether it agrees with what this validator said before in that round.
        """
        rounds = self._votes.setdefault(vote.signer, {})
        first = rounds.setdefault(vote.record.round, vote)
        if len(rounds) > self._rounds_max:
            del rounds[min(rounds)]
        return first.record == vote.record

    def agreeing(self, record: Prepare | Commit) -> dict[bytes, bytes]:
        """Return signer and signature of every vote that says exactly `record`.

        For commits that includes size and root of the log: a vote that contradicts the header
        never counts beside those that agree with it (M11, E1c).
        """
        return {
            signer: vote.signature
            for signer, rounds in self._votes.items()
            if (vote := rounds.get(record.round)) is not None and vote.record == record
        }

    def in_round(self, round_: int) -> list[Vote]:
        """Return the votes of that round in key order."""
        return [rounds[round_] for _, rounds in sorted(self._votes.items()) if round_ in rounds]

    def forget_below(self, round_: int) -> None:
        """Drop the votes of lower rounds (B9)."""
        for rounds in self._votes.values():
            for old in [one for one in rounds if one < round_]:
                del rounds[old]
