"""What a peer may say instead of the truth to a node that is behind (consensus S2 to S5, W24)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chain.codec import decode, encode
from chain.records import BlockBody, Header
from chain.validators import CommitCertificate
from consensus.messages import Status
from node.messages import BlockRange, RangeBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from chain.codec import Record

FAR = 1_000_000


def in_ranges(change: Callable[[RangeBlock], RangeBlock]) -> Callable[[Record], Record | None]:
    """Return a lie that changes the last block of every range."""

    def lie(message: Record) -> Record | None:
        if isinstance(message, BlockRange) and message.blocks:
            return replace(message, blocks=(*message.blocks[:-1], change(message.blocks[-1])))
        return message

    return lie


def with_other_body(block: RangeBlock) -> RangeBlock:
    body = decode(BlockBody, block.body)
    return replace(block, body=encode(replace(body, tx_ids=(*body.tx_ids, bytes(32)))))


def with_fewer_transactions(block: RangeBlock) -> RangeBlock:
    return replace(block, envelopes=())


def with_fewer_signatures(block: RangeBlock) -> RangeBlock:
    """A certificate of q - 1."""
    certificate = decode(CommitCertificate, block.certificate)
    highest = 1 << (certificate.bitmap[0].bit_length() - 1)
    fewer = replace(
        certificate,
        bitmap=bytes([certificate.bitmap[0] - highest]),
        signatures=certificate.signatures[:-1],
    )
    return replace(block, certificate=encode(fewer))


def with_forged_header(block: RangeBlock) -> RangeBlock:
    header = decode(Header, block.header)
    return replace(block, header=encode(replace(header, state_root=bytes(32))))


def with_garbage(block: RangeBlock) -> RangeBlock:
    return replace(block, certificate=b"\xc1")


def say_nothing(message: Record) -> Record | None:
    return None if isinstance(message, BlockRange) else message


def leave_a_gap(message: Record) -> Record | None:
    if isinstance(message, BlockRange):
        return replace(message, blocks=message.blocks[::2])
    return message


def begin_too_high(message: Record) -> Record | None:
    if isinstance(message, BlockRange):
        return replace(message, blocks=message.blocks[3:])
    return message


def drip(message: Record) -> Record | None:
    """One block per answer: true, and of no help."""
    if isinstance(message, BlockRange):
        return replace(message, blocks=message.blocks[:1], tip_height=FAR)
    return boast(message)


def boast(message: Record) -> Record | None:
    """Claim a height and never show it."""
    if isinstance(message, Status):
        return replace(message, best_height=FAR, height=FAR + 1)
    if isinstance(message, BlockRange):
        return BlockRange((), FAR)
    return message


LIES = {
    "body": in_ranges(with_other_body),
    "transactions": in_ranges(with_fewer_transactions),
    "certificate": in_ranges(with_fewer_signatures),
    "header": in_ranges(with_forged_header),
    "garbage": in_ranges(with_garbage),
    "silence": say_nothing,
    "gap": leave_a_gap,
    "start": begin_too_high,
    "drip": drip,
    "boast": boast,
}
