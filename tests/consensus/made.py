"""Things that consensus speaks of, made by hand: keys by letter, blocks by name, votes by anybody.

Signatures are a keyed hash, so that thousands of runs are cheap; the replica is given the
`verify` that fits, and cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from chain.crypto import sha256
from chain.leaders import ring
from chain.records import Header
from chain.validators import (
    CommitCertificate,
    PreparedCertificate,
    Validator,
    ValidatorSet,
    build_commit_certificate,
    build_prepared_certificate,
    validator_set,
)
from consensus.events import HeightContext, Timing
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    ChainName,
    Commit,
    CompactBlock,
    Draft,
    DraftProposal,
    Justification,
    Prepare,
    Proposal,
    RoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    justification_digest,
    seal,
    signed_bytes,
)

LETTERS = "ABCDEFGHIJ"
CHAIN = ChainName(sha256(b"genesis"), "demo-1")
START_MS = 1_767_261_600_000  # wall clock at mono 0
EMPTY_ROOT = sha256(b"")


def key(letter: str) -> bytes:
    """Return the key of a validator; keys sort as their letters do."""
    return letter.encode() + sha256(b"key " + letter.encode())[:31]


def letter(of: bytes) -> str:
    """Return the letter of a key."""
    return chr(of[0])


def keys(letters: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(key(one) for one in letters)


def make_set(letters: Iterable[str]) -> ValidatorSet:
    return validator_set(Validator(f"wijk-{one.lower()}", key(one)) for one in letters)


def mac(signer: bytes, message: bytes) -> bytes:
    """Return what stands for a signature here, 64 bytes."""
    return blake2b(message, key=signer, digest_size=64).digest()


def verify(signer: bytes, message: bytes, signature: bytes) -> bool:
    return mac(signer, message) == signature


def sign(signer: bytes, draft: Draft) -> SignedMessage:
    return seal(draft, signer, mac(signer, signed_bytes(CHAIN, draft)))


def parent_of(height: int) -> bytes:
    return CHAIN.genesis_digest if height == 1 else sha256(b"block %d" % (height - 1))


def make_context(
    height: int,
    letters: Sequence[str],
    *,
    next_letters: Sequence[str] | None = None,
    timing: Timing | None = None,
) -> HeightContext:
    """Return a height whose leaders are the validators in order, the first one in round 0."""
    validators = make_set(letters)
    tip = None
    if height > 1:
        tip = make_commit_certificate(
            letters[: validators.quorum], letters, height - 1, 0, parent_of(height)
        )
    return HeightContext(
        height=height,
        parent_id=parent_of(height),
        parent_time_ms=START_MS - 10_000,
        validators=validators,
        next_validators=make_set(next_letters or letters),
        order=ring(validators.keys, None),
        tip=tip,
        timing=timing or Timing(),
    )


def make_block(
    name: str,
    creator: bytes,
    height: int,
    *,
    parent_id: bytes | None = None,
    time_ms: int = START_MS,
    tip: CommitCertificate | None = None,
) -> CompactBlock:
    """Return a block that differs from every other by its name."""
    header = Header(
        version=1,
        genesis_digest=CHAIN.genesis_digest,
        height=height,
        parent_id=parent_of(height) if parent_id is None else parent_id,
        creator=creator,
        time_ms=time_ms,
        body_hash=sha256(name.encode()),
        state_root=sha256(b"state"),
        log_size=0,
        log_root=EMPTY_ROOT,
        validators_hash=sha256(b"set"),
        next_validators_hash=sha256(b"set"),
    )
    return CompactBlock(header, tip, (), ())


def make_proposal(
    signer: bytes,
    block: CompactBlock,
    round_: int = 0,
    justification: Justification = EMPTY_JUSTIFICATION,
) -> SignedProposal:
    record = Proposal(
        CHAIN.genesis_digest,
        block.header.height,
        round_,
        block.block_id,
        justification_digest(justification),
    )
    message = sign(signer, DraftProposal(record, block, justification))
    assert isinstance(message, SignedProposal)
    return message


def make_prepare(signer: bytes, height: int, round_: int, block_id: bytes) -> SignedPrepare:
    message = sign(signer, Prepare(CHAIN.genesis_digest, height, round_, block_id))
    assert isinstance(message, SignedPrepare)
    return message


def make_commit(
    signer: bytes,
    height: int,
    round_: int,
    block_id: bytes,
    log_size: int = 0,
    log_root: bytes = EMPTY_ROOT,
) -> SignedCommit:
    message = sign(signer, Commit(height, round_, block_id, log_size, log_root))
    assert isinstance(message, SignedCommit)
    return message


def make_round_change(
    signer: bytes, height: int, round_: int, claim: tuple[int, bytes] | None = None
) -> SignedRoundChange:
    prepared = (None, None) if claim is None else claim
    message = sign(signer, RoundChange(CHAIN.genesis_digest, height, round_, *prepared))
    assert isinstance(message, SignedRoundChange)
    return message


def make_prepared_certificate(
    signers: Iterable[str], letters: Iterable[str], height: int, round_: int, block_id: bytes
) -> PreparedCertificate:
    votes = {key(one): make_prepare(key(one), height, round_, block_id) for one in signers}
    signatures = {signer: vote.signature for signer, vote in votes.items()}
    return build_prepared_certificate(make_set(letters), height, round_, block_id, signatures)


def make_commit_certificate(
    signers: Iterable[str], letters: Iterable[str], height: int, round_: int, block_id: bytes
) -> CommitCertificate:
    votes = {key(one): make_commit(key(one), height, round_, block_id) for one in signers}
    signatures = {signer: vote.signature for signer, vote in votes.items()}
    return build_commit_certificate(
        make_set(letters), height, round_, block_id, 0, EMPTY_ROOT, signatures
    )
