"""What a node leaves behind when a certified block gives other roots here (consensus S5).

The file holds all that somebody needs to find out who computed what: the block with its
certificate, the roots it was certified with, our own, and every key that our execution changed.
"""

import base64

import msgspec

from chain.codec import encode
from chain.execute import Executed
from chain.records import BlockBody, Header, Tx
from chain.validators import CommitCertificate

FORMAT = "wijk/root-mismatch/1"


def make_dump(
    why: str,
    header: Header,
    body: BlockBody,
    certificate: CommitCertificate,
    txs: tuple[Tx, ...],
    own: Executed | None,
) -> bytes:
    """Return the dump; `own` is None where the block could not be executed to its end."""
    tree = {
        "format": FORMAT,
        "height": header.height,
        "block_id": certificate.block_id.hex(),
        "why": why,
        "expected": _roots(header.state_root, header.log_size, header.log_root),
        "own": None if own is None else _roots(own.state_root, own.frontier.size, own.log_root),
        "changes": []
        if own is None
        else [
            {"key": key.hex(), "value": None if value is None else value.hex()}
            for key, value in sorted(own.changes.items())
        ],
        "outcomes": []
        if own is None
        else [{"tx": one.tx_id.hex(), "code": one.code} for one in own.outcomes],
        "header": _text(encode(header)),
        "body": _text(encode(body)),
        "certificate": _text(encode(certificate)),
        "envelopes": [_text(tx.raw) for tx in txs],
    }
    return msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n"


def _roots(state_root: bytes, log_size: int, log_root: bytes) -> dict[str, str | int]:
    return {"state_root": state_root.hex(), "log_size": log_size, "log_root": log_root.hex()}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
