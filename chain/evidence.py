"""Two signed messages that cannot both be honest, or one that no honest validator signs (E1).

Judged from signed bytes and the validator set of the height alone (consensus E1, E2): so a block
may hold it, and whoever executes or replays the block comes to the same verdict. What an honest
validator does is never in here: sending the same bytes again, a late vote, a commit and then a
round change that carries the block on.

Wire form is field order: append, never reorder.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, assert_never

import msgspec

from chain.codec import PublicKey, Record, Signature, decode
from chain.errors import Malformed
from chain.justification import check_reasons
from chain.records import Header, block_id
from chain.signed import (
    ChainName,
    Commit,
    Justification,
    Proposal,
    SignedCommit,
    SignedPrepare,
    SignedRoundChange,
    justification_digest,
    signed_bytes,
)
from chain.validators import CommitCertificate, ValidatorSet, Verify, signer_keys

EVIDENCE_BYTES_MAX = 64 * 1024  # consensus E3: all of a block together, so one at most as well
EVIDENCE_MAX = 64  # in one block: chain/records.py


class BareProposal(Record, frozen=True, tag="wijk.bare-proposal.1"):
    """A signed proposal without its block and its reasons: all that its signature covers."""

    record: Proposal
    signer: PublicKey
    signature: Signature


Testimony = BareProposal | SignedPrepare | SignedCommit | SignedRoundChange
FindHeader = Callable[[bytes], Header | None]


class TwoProposals(Record, frozen=True, tag="wijk.evidence-proposals.1"):
    """E1a. `first` is the one with the smaller signed bytes, in every pair."""

    first: BareProposal
    second: BareProposal


class TwoPrepares(Record, frozen=True, tag="wijk.evidence-prepares.1"):
    """E1b."""

    first: SignedPrepare
    second: SignedPrepare


class TwoCommits(Record, frozen=True, tag="wijk.evidence-commits.1"):
    """E1c. The headers show that both commits are of this chain (E2)."""

    first: SignedCommit
    first_header: Header
    second: SignedCommit
    second_header: Header


class FalseCommit(Record, frozen=True, tag="wijk.evidence-commit.1"):
    """E1c: a commit whose size or root of the log is not that of the header it names."""

    commit: SignedCommit
    header: Header


class TwoRoundChanges(Record, frozen=True, tag="wijk.evidence-round-changes.1"):
    """E1f."""

    first: SignedRoundChange
    second: SignedRoundChange


class Amnesia(Record, frozen=True, tag="wijk.evidence-amnesia.1"):
    """E1d: a commit, and a round change to a later round that has forgotten it."""

    commit: SignedCommit
    header: Header
    change: SignedRoundChange


class FalseProposal(Record, frozen=True, tag="wijk.evidence-proposal.1"):
    """E1e: a proposal, and the reasons it signed, which fail R2c, R2d or R2f."""

    proposal: BareProposal
    justification: Justification


Evidence = (
    TwoProposals
    | TwoPrepares
    | TwoCommits
    | FalseCommit
    | TwoRoundChanges
    | Amnesia
    | FalseProposal
)


class Conviction(NamedTuple):
    """What evidence proves: whose key, at which height, and which letter of E1."""

    key: bytes
    height: int
    kind: str


def decode_evidence(raw: bytes) -> Evidence:
    """Return the evidence in `raw`, or raise `Malformed`."""
    if len(raw) > EVIDENCE_BYTES_MAX:
        raise Malformed(f"evidence of {len(raw)} bytes")
    return decode(Evidence, raw)  # type: ignore[arg-type]  # a union is no class to mypy


def get_conviction(evidence: Evidence) -> Conviction:
    """Return what `evidence` claims to prove. Nothing is checked here: see `check_evidence`."""
    match evidence:
        case TwoProposals():
            return _convict(evidence.first, "a")
        case TwoPrepares():
            return _convict(evidence.first, "b")
        case TwoCommits():
            return _convict(evidence.first, "c")
        case FalseCommit():
            return _convict(evidence.commit, "c")
        case TwoRoundChanges():
            return _convict(evidence.first, "f")
        case Amnesia():
            return _convict(evidence.commit, "d")
        case FalseProposal():
            return _convict(evidence.proposal, "e")
        case _:
            assert_never(evidence)


def get_said(evidence: Evidence) -> tuple[Testimony, ...]:
    """Return the messages of the accused that `evidence` holds."""
    match evidence:
        case TwoProposals() | TwoPrepares() | TwoRoundChanges() | TwoCommits():
            return (evidence.first, evidence.second)
        case FalseCommit():
            return (evidence.commit,)
        case Amnesia():
            return (evidence.commit, evidence.change)
        case FalseProposal():
            return (evidence.proposal,)
        case _:
            assert_never(evidence)


def check_evidence(
    evidence: Evidence, chain: ChainName, validators: ValidatorSet, verify: Verify
) -> None:
    """Raise `Malformed` unless `evidence` convicts a member of `validators`, the set of its height.

    Cheap checks first: every signature is checked last.
    """
    match evidence:
        case TwoProposals() | TwoPrepares() | TwoRoundChanges():
            _check_pair(chain, evidence.first, evidence.second)
        case TwoCommits():
            _check_header(chain, evidence.first.record, evidence.first_header)
            _check_header(chain, evidence.second.record, evidence.second_header)
            _check_pair(chain, evidence.first, evidence.second)
        case FalseCommit():
            _check_header(chain, evidence.commit.record, evidence.header)
            if not _contradicts(evidence.commit.record, evidence.header):
                raise Malformed("a commit that agrees with its header")
        case Amnesia():
            _check_header(chain, evidence.commit.record, evidence.header)
            if find_conflict(evidence.commit, evidence.change) != "d":
                raise Malformed("a round change that has not forgotten the commit")
        case FalseProposal():
            digest = justification_digest(evidence.justification)
            if evidence.proposal.record.justification_digest != digest:
                raise Malformed("another justification than the leader signed")
        case _:
            assert_never(evidence)
    said = get_said(evidence)
    for one in said:
        if one.signer not in validators:
            raise Malformed("evidence against a key that is no validator of its height")
        record = one.record
        if not isinstance(record, Commit) and record.genesis_digest != chain.genesis_digest:
            raise Malformed("evidence of another chain")
    for one in said:
        if not verify(one.signer, signed_bytes(chain, one.record), one.signature):
            raise Malformed("evidence with a wrong signature")
    if isinstance(evidence, FalseProposal):
        _check_false(evidence, validators, verify)


def find_conflict(first: Testimony, second: Testimony) -> str | None:
    """Return the letter of E1 that two messages prove together, signatures and headers aside.

    Two of one kind in one height and round with different records, or a commit and a round change
    that has forgotten it. Nil for everything that one honest validator may sign.
    """
    if first.signer != second.signer or first.record.height != second.record.height:
        return None
    if type(first) is type(second):
        if first.record.round != second.record.round or first.record == second.record:
            return None
        return _LETTERS[type(first)]
    if isinstance(first, SignedRoundChange):
        first, second = second, first
    if isinstance(first, SignedCommit) and isinstance(second, SignedRoundChange):
        round_, prepared = first.record.round, second.record.prepared_round
        if second.record.round > round_ and (prepared is None or prepared < round_):
            return "d"
    return None


def build_evidence(
    chain: ChainName,
    first: Testimony,
    second: Testimony | Header | Justification,
    find_header: FindHeader,
) -> Evidence | None:
    """Return what `first` and `second` prove together; nil while the header of a commit lacks (E2).

    A commit may name a block of another height: that header is none of its own.

    A `Header` is that of the false commit `first`; a `Justification` that of a false proposal.
    """
    if isinstance(second, Justification):
        return FalseProposal(first, second) if isinstance(first, BareProposal) else None
    if isinstance(second, Header):
        if not isinstance(first, SignedCommit) or second.height != first.record.height:
            return None
        return FalseCommit(first, second)
    if signed_bytes(chain, second.record) < signed_bytes(chain, first.record):
        first, second = second, first
    if isinstance(first, SignedRoundChange) and isinstance(second, SignedCommit):
        first, second = second, first
    match first, second:
        case BareProposal(), BareProposal():
            return TwoProposals(first, second)
        case SignedPrepare(), SignedPrepare():
            return TwoPrepares(first, second)
        case SignedRoundChange(), SignedRoundChange():
            return TwoRoundChanges(first, second)
        case SignedCommit(), SignedCommit():
            one, other = _find_own(first, find_header), _find_own(second, find_header)
            if one is None or other is None:
                return None
            return TwoCommits(first, one, second, other)
        case SignedCommit(), SignedRoundChange():
            header = _find_own(first, find_header)
            return None if header is None else Amnesia(first, header, second)
        case _:
            return None


def get_commits(
    certificate: CommitCertificate, validators: ValidatorSet
) -> tuple[SignedCommit, ...]:
    """Return the commits that a checked certificate is made of."""
    record = Commit(
        certificate.height,
        certificate.round,
        certificate.block_id,
        certificate.log_size,
        certificate.log_root,
    )
    keys = signer_keys(certificate, validators)
    return tuple(
        SignedCommit(record, key, signature)
        for key, signature in zip(keys, certificate.signatures, strict=True)
    )


def find_culprits(
    said: Iterable[Testimony], headers: Mapping[bytes, Header]
) -> dict[bytes, tuple[str, Testimony, Testimony]]:
    """Return, per key, a letter of E1 and the two messages that prove it (E6).

    `said` were checked before: of one chain and height, signed by validators of that height. A
    commit against its header stands twice, because it proves itself.
    """
    of: dict[bytes, list[Testimony]] = {}
    for one in said:
        of.setdefault(one.signer, []).append(one)
    guilty: dict[bytes, tuple[str, Testimony, Testimony]] = {}
    for key, ours in sorted(of.items()):
        for at, one in enumerate(ours):
            if key in guilty:
                break
            if isinstance(one, SignedCommit):
                header = headers.get(one.record.block_id)
                if header is not None and _contradicts(one.record, header):
                    guilty[key] = ("c", one, one)
            for other in ours[:at]:
                kind = find_conflict(one, other)
                if kind is not None:
                    guilty[key] = (kind, one, other)
                    break
    return guilty


_LETTERS: dict[type[msgspec.Struct], str] = {
    BareProposal: "a",
    SignedPrepare: "b",
    SignedCommit: "c",
    SignedRoundChange: "f",
}


def _convict(said: Testimony, kind: str) -> Conviction:
    return Conviction(said.signer, said.record.height, kind)


def _check_pair(chain: ChainName, first: Testimony, second: Testimony) -> None:
    if find_conflict(first, second) is None:
        raise Malformed("two messages that one honest validator may sign")
    if signed_bytes(chain, first.record) > signed_bytes(chain, second.record):
        raise Malformed("a pair in the wrong order")


def _check_header(chain: ChainName, commit: Commit, header: Header) -> None:
    """E2: the commit is of this chain, because the header with its id is."""
    if block_id(header) != commit.block_id or header.height != commit.height:
        raise Malformed("another header than the commit names")
    if header.genesis_digest != chain.genesis_digest:
        raise Malformed("evidence of another chain")


def _find_own(commit: SignedCommit, find_header: FindHeader) -> Header | None:
    """Return the header of a commit; one that names a block of another height has none (E2)."""
    header = find_header(commit.record.block_id)
    return header if header is not None and header.height == commit.record.height else None


def _contradicts(commit: Commit, header: Header) -> bool:
    return (header.log_size, header.log_root) != (commit.log_size, commit.log_root)


def _check_false(evidence: FalseProposal, validators: ValidatorSet, verify: Verify) -> None:
    try:
        check_reasons(evidence.proposal.record, evidence.justification, validators, verify)
    except Malformed:
        return
    raise Malformed("a proposal with good reasons")
