"""A light client: follows certificates from genesis, without state (consensus S9, V2).

It knows the set of the next height and nothing else, so a few hundred bytes per block are enough
to know which block is final. Every header announces the set after it: that is the sequential way.
`skip` takes a later block at once, where enough of the trusted set signed that too; `follow_to`
halves the way where they did not. `find_fork` holds a chain against that of a second source.
"""

from collections.abc import Callable

import msgspec

from chain.errors import Malformed
from chain.execute import TIME_MS_MAX
from chain.genesis import Genesis
from chain.log import EMPTY_ROOT
from chain.records import PROTOCOL_VERSION, Header, block_id
from chain.validators import (
    CommitCertificate,
    Validator,
    ValidatorSet,
    Verify,
    check_commit_certificate,
    signer_keys,
    validator_set,
)

# A key that left the set may be stolen or sold; for so long its owner still answers for it (S9).
TRUST_PERIOD_MS = 30 * 86_400_000


class NotTrusted(Malformed):
    """Too little of the trusted set signed a block, or too long after it: a nearer one is next."""


class NotShown(Malformed):
    """The source that was followed shows another block than the one that it was followed to."""


class Trusted(msgspec.Struct, frozen=True):
    """The newest header that is known to be final, and who may certify the one after it."""

    chain_id: str
    chain_digest: bytes
    height: int
    block_id: bytes
    time_ms: int
    log_size: int
    log_root: bytes
    validators: ValidatorSet


class LightBlock(msgspec.Struct, frozen=True):
    """What a source shows of a block, with the sets that its header names by their hashes."""

    header: Header
    certificate: CommitCertificate
    validators: ValidatorSet
    next_validators: ValidatorSet

    @property
    def block_id(self) -> bytes:
        return block_id(self.header)


class Fork(msgspec.Struct, frozen=True):
    """Two certified blocks at one height: no f validators can make them (consensus E6, I1)."""

    first: LightBlock
    second: LightBlock

    @property
    def height(self) -> int:
        return self.first.header.height

    @property
    def signed_both(self) -> tuple[str, ...]:
        """The names of the validators whose signatures stand under both blocks.

        At the first height that differs both are of one set, so these are f + 1 or more.
        """
        seconds = signer_keys(self.second.certificate, self.second.validators)
        both = set(signer_keys(self.first.certificate, self.first.validators)) & set(seconds)
        members = self.first.validators.validators
        return tuple(sorted(validator.name for validator in members if validator.key in both))


Fetch = Callable[[int], LightBlock]  # a height of 1 or more; raises `Malformed` where it is not had


def trust_genesis(genesis: Genesis) -> Trusted:
    """Return where every light client starts: the parent of block 1."""
    validators = validator_set(
        Validator(validator.name, bytes.fromhex(validator.public_key))
        for validator in genesis.doc.validators
    )
    return Trusted(
        genesis.doc.chain_id,
        genesis.digest,
        0,
        genesis.digest,
        genesis.time_ms,
        0,
        EMPTY_ROOT,
        validators,
    )


def trust_block(
    chain_id: str,
    chain_digest: bytes,
    header: Header,
    certificate: CommitCertificate,
    validators: ValidatorSet,
    next_validators: ValidatorSet,
    verify: Verify,
) -> Trusted:
    """Return a start in the middle: a block certified by `validators`, known from elsewhere.

    It says nothing of what came before. Raise `Malformed` where the block does not fit them.
    """
    here = Trusted(chain_id, chain_digest, header.height - 1, b"", -1, 0, b"", validators)
    _check_header(here, header)
    check_certificate(here, header, certificate, verify)
    return advance(here, header, next_validators)


def check_final(
    trusted: Trusted, header: Header, certificate: CommitCertificate, verify: Verify
) -> None:
    """Raise `Malformed`, naming what does not fit, unless `header` is the next final one.

    Who may certify the block after it is left to `advance`.
    """
    check_next(trusted, header)
    check_certificate(trusted, header, certificate, verify)


def check_next(trusted: Trusted, header: Header) -> None:
    """Raise `Malformed` unless `header` may follow what is trusted; who signed it is not asked."""
    follows = (
        (header.parent_id == trusted.block_id, "parent"),
        (trusted.time_ms < header.time_ms <= TIME_MS_MAX, "time"),
        (header.log_size >= trusted.log_size, "log size"),
        (
            header.log_size > trusted.log_size or header.log_root == trusted.log_root,
            "log root",  # a log that did not grow is the same log (consensus M9)
        ),
    )
    _check_header(trusted, header)
    _check(header, follows)


def check_certificate(
    trusted: Trusted, header: Header, certificate: CommitCertificate, verify: Verify
) -> None:
    """Raise `Malformed` unless `certificate` makes `header` final for the trusted set."""
    claimed = (
        certificate.height,
        certificate.block_id,
        certificate.log_size,
        certificate.log_root,
    )
    if claimed != (header.height, block_id(header), header.log_size, header.log_root):
        raise Malformed(f"the certificate of height {header.height} is of another block")
    check_commit_certificate(certificate, trusted.validators, trusted.chain_id, verify)


def advance(trusted: Trusted, header: Header, next_validators: ValidatorSet) -> Trusted:
    """Return what is trusted after `header`, which was checked to be final.

    `next_validators` has to be the set that the header announces by its hash; where nothing
    changed that is the set of this height. Raise `Malformed` for any other.
    """
    announced = header.next_validators_hash == next_validators.validators_hash
    _check(header, ((announced, "next validators"),))
    return Trusted(
        trusted.chain_id,
        trusted.chain_digest,
        header.height,
        block_id(header),
        header.time_ms,
        header.log_size,
        header.log_root,
        next_validators,
    )


def follow(
    trusted: Trusted,
    header: Header,
    certificate: CommitCertificate,
    next_validators: ValidatorSet,
    verify: Verify,
) -> Trusted:
    """Return what is trusted after `header`, or raise `Malformed` naming what does not fit."""
    check_final(trusted, header, certificate, verify)
    return advance(trusted, header, next_validators)


def skip(trusted: Trusted, block: LightBlock, now_ms: int, verify: Verify) -> Trusted:
    """Return what is trusted after a later `block`, without those between (consensus S9).

    A quorum of its own set signed it, and of the trusted set a weak quorum did: so one of them at
    least was honest, as long as they answer for their keys. `now_ms` is the clock of the reader, in
    Unix milliseconds. The next height is followed as always. Raise `NotTrusted` where a block
    between may help, `Malformed` where nothing does.
    """
    header, certificate = block.header, block.certificate
    if header.height <= trusted.height + 1:
        return follow(trusted, header, certificate, block.next_validators, verify)
    seen = msgspec.structs.replace(
        trusted, height=header.height - 1, validators=block.validators, block_id=header.parent_id
    )
    check_next(seen, header)
    if max(now_ms, header.time_ms) - trusted.time_ms >= TRUST_PERIOD_MS:
        raise NotTrusted(f"block {trusted.height} is too old to skip from")
    signers = signer_keys(certificate, block.validators)
    known = sum(key in trusted.validators for key in signers)
    if known < trusted.validators.weak_quorum:
        raise NotTrusted(f"{known} of the validators after {trusted.height} signed {header.height}")
    check_certificate(seen, header, certificate, verify)
    return advance(seen, header, block.next_validators)


def follow_to(trusted: Trusted, height: int, fetch: Fetch, now_ms: int, verify: Verify) -> Trusted:
    """Return what is trusted at `height`: in one step, or halving the way until steps are trusted.

    The smallest step is the next height, so at worst every block is followed. Raise `Malformed`
    where the source shows none that can be.
    """
    ahead: list[LightBlock] = []  # fetched and not yet trusted, the nearest one last
    while trusted.height < height:
        if not ahead:
            ahead.append(_fetch(fetch, height))
        try:
            trusted = skip(trusted, ahead[-1], now_ms, verify)
            ahead.pop()
        except NotTrusted:
            ahead.append(_fetch(fetch, (trusted.height + ahead[-1].header.height) // 2))
    return trusted


def find_fork(
    trusted: Trusted, height: int, ours: Fetch, theirs: Fetch, now_ms: int, verify: Verify
) -> Fork | None:
    """Hold the chain of a second source against ours, which was followed up to `height` or more.

    Return None where both show one block there. Else, if both blocks are certified, the fork: at
    the first height that differs, or at `height` where a source does not show the way down to it.
    Raise `Malformed` where theirs is not certified: then nothing but that source is wrong. Raise
    `NotShown` where ours is not: `height` may lie between blocks that were followed.
    """
    if height <= trusted.height:
        return None
    first, second = _fetch(ours, height), _fetch(theirs, height)
    if first.block_id == second.block_id:
        return None
    _follow_shown(trusted, second, theirs, now_ms, verify)
    try:
        _follow_shown(trusted, first, ours, now_ms, verify)
    except Malformed as error:
        raise NotShown(str(error)) from error
    try:
        return _find_first(trusted, height, ours, theirs, now_ms, verify)
    except Malformed:
        return Fork(first, second)


def _follow_shown(
    trusted: Trusted, block: LightBlock, fetch: Fetch, now_ms: int, verify: Verify
) -> None:
    """Raise `Malformed` unless `block` itself is certified, and not another one at its height."""
    height = block.header.height
    follow_to(
        trusted, height, lambda at: block if at == height else _fetch(fetch, at), now_ms, verify
    )


def _find_first(
    trusted: Trusted, height: int, ours: Fetch, theirs: Fetch, now_ms: int, verify: Verify
) -> Fork:
    """Return the fork at its first height: an id holds the parent's, so what differs stays so."""
    same, differs = trusted.height, height
    while differs - same > 1:
        middle = (same + differs) // 2
        if _fetch(ours, middle).block_id == _fetch(theirs, middle).block_id:
            same = middle
        else:
            differs = middle
    parent = follow_to(trusted, same, theirs, now_ms, verify)
    fork = Fork(_fetch(ours, differs), _fetch(theirs, differs))
    for block in (fork.first, fork.second):
        check_final(parent, block.header, block.certificate, verify)
    return fork


def _fetch(fetch: Fetch, height: int) -> LightBlock:
    """Return the block that was asked for; a source may show another one."""
    block = fetch(height)
    if block.header.height != height:
        raise Malformed(f"block {block.header.height} was shown for {height}")
    return block


def _check_header(trusted: Trusted, header: Header) -> None:
    fits = (
        (header.version == PROTOCOL_VERSION, "version"),
        (header.genesis_digest == trusted.chain_digest, "chain"),
        (header.height == trusted.height + 1, "height"),
        (header.validators_hash == trusted.validators.validators_hash, "validators"),
        (header.creator in trusted.validators, "creator"),
    )
    _check(header, fits)


def _check(header: Header, facts: tuple[tuple[bool, str], ...]) -> None:
    for holds, what in facts:
        if not holds:
            raise Malformed(f"header {header.height} with a wrong {what}")
