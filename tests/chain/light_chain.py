"""Chains of headers and certificates with changing validator sets, for the light client's tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chain.crypto import public_key, sha256, sign
from chain.errors import Malformed
from chain.light import LightBlock, Trusted
from chain.log import EMPTY_ROOT
from chain.records import Header, block_id
from chain.validators import (
    Validator,
    ValidatorSet,
    build_commit_certificate,
    signed_bytes,
    validator_set,
)

CHAIN_ID = "light-1"
DIGEST = sha256(b"light chain")
GENESIS_MS = 1_767_225_600_000
BLOCK_MS = 1_000
NAMES = tuple(f"v{number}" for number in range(40))
SEEDS = {public_key(sha256(name.encode())): sha256(name.encode()) for name in NAMES}


def make_set(names: Iterable[str]) -> ValidatorSet:
    """Return the set of the validators with these names."""
    return validator_set(Validator(name, public_key(sha256(name.encode()))) for name in names)


def start(names: Iterable[str], time_ms: int = GENESIS_MS) -> Trusted:
    """Return genesis of the chain."""
    return Trusted(CHAIN_ID, DIGEST, 0, DIGEST, time_ms, 0, EMPTY_ROOT, make_set(names))


class LightChain:
    """A source: `sets[h - 1]` signs height h; the last one signs on, and is announced too.

    `fork_at` makes another chain from that height on. Which heights were asked is kept.
    """

    def __init__(
        self,
        sets: Sequence[Sequence[str]],
        *,
        parent: Trusted | None = None,
        fork_at: int | None = None,
        block_ms: int = BLOCK_MS,
    ) -> None:
        self.sets = [make_set(names) for names in sets]
        self.blocks: list[LightBlock] = []
        self.asked: list[int] = []
        here = parent or start(sets[0])
        for height in range(1, len(sets) + 1):
            other = fork_at is not None and height >= fork_at
            block = self._make(here, height, b"other" if other else b"body", block_ms)
            self.blocks.append(block)
            here = msgspec.structs.replace(
                here,
                height=height,
                block_id=block.block_id,
                time_ms=block.header.time_ms,
                log_size=block.header.log_size,
                log_root=block.header.log_root,
                validators=block.next_validators,
            )
        self.tip = here

    def __call__(self, height: int) -> LightBlock:
        """Show a block: this is what the light client fetches with."""
        self.asked.append(height)
        if not 0 < height <= len(self.blocks):
            raise Malformed(f"there is no block {height}")
        return self.blocks[height - 1]

    def _make(self, parent: Trusted, height: int, body: bytes, block_ms: int) -> LightBlock:
        signers = self.sets[height - 1]
        coming = self.sets[min(height, len(self.sets) - 1)]
        header = Header(
            version=1,
            genesis_digest=DIGEST,
            height=height,
            parent_id=parent.block_id,
            creator=signers.keys[height % len(signers)],
            time_ms=parent.time_ms + block_ms,
            body_hash=sha256(body),
            state_root=sha256(b"state"),
            log_size=parent.log_size + 1,
            log_root=sha256(b"log %d" % height),
            validators_hash=signers.validators_hash,
            next_validators_hash=coming.validators_hash,
        )
        return make_block(header, signers, coming)


def make_block(
    header: Header,
    validators: ValidatorSet,
    coming: ValidatorSet,
    signers: Iterable[str] | None = None,
    round_: int = 0,
) -> LightBlock:
    """Return a block signed by a quorum of its set, or by the validators that are named."""
    keys = validators.keys[: validators.quorum] if signers is None else make_set(signers).keys
    draft = build_commit_certificate(
        validators,
        header.height,
        round_,
        block_id(header),
        header.log_size,
        header.log_root,
        dict.fromkeys(keys, bytes(64)),
    )
    message = signed_bytes(draft, CHAIN_ID)
    signed = tuple(sign(SEEDS[key], message) for key in sorted(keys))
    certificate = msgspec.structs.replace(draft, signatures=signed)
    return LightBlock(header, certificate, validators, coming)
