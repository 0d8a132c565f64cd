"""`audit follow`: every block as it comes, judged by the validators of its height (consensus S9).

Each header is followed, none is skipped, from the block that was asked for on; and the head of the
home is moved along, which holds each new block against a second node.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from audit.commands import Terminal, follow_now
from chain import light
from chain.crypto import verify
from chain.validators import signer_keys
from node.client import Client
from node.light_client import Shown, trust_shown

if TYPE_CHECKING:
    from chain.light import LightBlock

WAIT_S = 1.0  # between two looks for a new block


def follow_blocks(terminal: Terminal, first: int | None) -> Iterator[dict[str, Any]]:
    """Yield an object for each certified block from `first` on, without end.

    `first` None is the newest block. Raise `Malformed` for one that is not certified, `Problem`
    5001 or 5003 as following does.
    """
    followed = follow_now(terminal, eager=True)
    begin = first or max(1, followed.height or 1)
    trusted: light.Trusted | None = None
    while True:
        policy, settings = followed.policy, terminal.settings
        client = Client(settings.nodes, timeout_s=settings.timeout_ms / 1000, lang=terminal.lang)
        source = Shown(client, ", ".join(settings.nodes), policy)
        try:
            for height in range(
                trusted.height + 1 if trusted else begin, (followed.height or 0) + 1
            ):
                if trusted is None:
                    trusted = (
                        source.read_genesis()
                        if height == 1
                        else trust_shown(policy, source(height - 1))
                    )
                block = source(height)
                trusted = light.follow(
                    trusted, block.header, block.certificate, block.next_validators, verify
                )
                yield _line(block, followed.compared if height == followed.height else None)
        finally:
            client.close()
        time.sleep(WAIT_S)
        followed = follow_now(terminal, eager=True)


def _line(block: "LightBlock", compared: str | None) -> dict[str, Any]:
    header = block.header
    names = {one.key: one.name for one in block.validators.validators}
    moment = datetime.fromtimestamp(header.time_ms // 1000, UTC)
    return {
        "height": header.height,
        "round": block.certificate.round,
        "block_id": block.block_id.hex(),
        "at": f"{moment:%Y-%m-%dT%H:%M:%S}.{header.time_ms % 1000:03}Z",
        "log_size": header.log_size,
        "log_root": header.log_root.hex(),
        "signers": sorted(names[key] for key in signer_keys(block.certificate, block.validators)),
        "validators": len(block.validators),
        "compared": compared,
    }
