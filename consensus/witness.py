"""What every validator said at one height, kept for evidence alone (consensus E1, E5).

The tallies count the first vote and forget old rounds, because that is what agreement needs. Here
the first message of each kind and round stays, so that a second one convicts, and a fork can be
explained. Never more than `ROUNDS_KEPT` of each kind per validator (B9). Only what has a valid
signature comes in, and votes out of certificates that were checked as a whole (R8).
"""

from chain.evidence import BareProposal, Testimony, find_conflict
from chain.records import Header
from chain.signed import Prepare, SignedCommit, SignedPrepare, SignedRoundChange
from chain.validators import PreparedCertificate, ValidatorSet, signer_keys
from consensus.messages import SignedMessage, SignedProposal

ROUNDS_KEPT = 8  # consensus B9, as of commits

Pair = tuple[Testimony, Testimony]
SignedVote = SignedPrepare | SignedCommit | SignedRoundChange


class Witness:
    """The messages of one height, and what was reported of whom: each letter of E1 once a key."""

    def __init__(self) -> None:
        self._said: dict[bytes, dict[type, dict[int, Testimony]]] = {}
        self._reported: set[tuple[bytes, str]] = set()
        self._caught: list[Testimony] = []  # what contradicts; one pair a key and letter at most

    def note(self, said: Testimony) -> Pair | None:
        """Keep a checked message; return it with an earlier one that it contradicts, if any."""
        conflict = self._find(said)
        rounds = self._said.setdefault(said.signer, {}).setdefault(type(said), {})
        rounds.setdefault(said.record.round, said)
        if len(rounds) > ROUNDS_KEPT:
            del rounds[min(rounds)]
        if conflict is None:
            return None
        first, kind = conflict
        self.report(said.signer, kind)
        self._caught += (first, said)
        return first, said

    def would_convict(self, said: Testimony) -> bool:
        """Say whether a message would prove something new, if only its signature were valid."""
        return self._find(said) is not None

    def report(self, key: bytes, kind: str) -> bool:
        """Mark a letter of E1 as reported of this key; say whether it was not."""
        is_new = (key, kind) not in self._reported
        self._reported.add((key, kind))
        return is_new

    def messages(self) -> tuple[Testimony, ...]:
        """Return all that is kept, by key, and what contradicts it."""
        firsts = [
            said
            for _, kinds in sorted(self._said.items())
            for rounds in kinds.values()
            for _, said in sorted(rounds.items())
        ]
        return tuple(dict.fromkeys((*firsts, *self._caught)))

    def newest(self, key: bytes) -> list[SignedVote]:
        """Return the vote of the highest round of each kind that is kept of this key."""
        kinds = self._said.get(key, {}).values()
        newest = [rounds[max(rounds)] for rounds in kinds]
        return [one for one in newest if not isinstance(one, BareProposal)]

    def caught(self) -> tuple[Testimony, ...]:
        """Return the messages that contradict each other."""
        return tuple(dict.fromkeys(self._caught))

    def find_others(self) -> list[bytes]:
        """Return who prepared another block than the one that was proposed here in that round.

        Either they lie, or the leader proposed two blocks and they hold the other proposal (F14).
        """
        heard = self.messages()
        proposed = {
            one.record.round: one.record.block_id for one in heard if isinstance(one, BareProposal)
        }
        return sorted(
            {
                one.signer
                for one in heard
                if isinstance(one, SignedPrepare)
                and proposed.get(one.record.round, one.record.block_id) != one.record.block_id
            }
        )

    def false_commits(self, header: Header, block_id: bytes) -> list[SignedCommit]:
        """Return the commits to this block whose log is not that of its header (M11, E1c)."""
        head = (header.log_size, header.log_root)
        return [
            said
            for said in self.messages()
            if isinstance(said, SignedCommit)
            and said.record.block_id == block_id
            and (said.record.log_size, said.record.log_root) != head
        ]

    def _find(self, said: Testimony) -> tuple[Testimony, str] | None:
        for rounds in self._said.get(said.signer, {}).values():
            for _, known in sorted(rounds.items()):
                kind = find_conflict(known, said)
                if kind is not None and (said.signer, kind) not in self._reported:
                    return known, kind
        return None


def bare(message: SignedMessage) -> Testimony:
    """Return what a message's signature covers, without the block and the reasons."""
    if isinstance(message, SignedProposal):
        return BareProposal(message.record, message.signer, message.signature)
    return message


def get_prepares(
    certificate: PreparedCertificate, validators: ValidatorSet, genesis_digest: bytes
) -> list[SignedPrepare]:
    """Return the prepares that a checked certificate is made of."""
    record = Prepare(genesis_digest, certificate.height, certificate.round, certificate.block_id)
    keys = signer_keys(certificate, validators)
    return [
        SignedPrepare(record, key, signature)
        for key, signature in zip(keys, certificate.signatures, strict=True)
    ]
