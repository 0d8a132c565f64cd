"""The outbox: the exact bytes that were sent, kept until their outcome is known (interfaces 3.2).

Only the same bytes may ever be sent again (interfaces 1.5), so they are on disk before the first
one leaves. Beside them stands what only the payer knows: the memo, its key and its sealed form.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from chain.codec import Digest, Record, decode, encode
from chain.errors import Malformed
from chain.records import CARRIED_BYTES_MAX, compute_tx_id
from chain.texts import Problem
from wallet.files import read_private, remove, replace

SEALED_BYTES_MAX = 2048  # interfaces 2.2: a sealed memo
ITEM_BYTES_MAX = CARRIED_BYTES_MAX + SEALED_BYTES_MAX + 1024
_SUFFIX = ".msgpack"


class Sent(Record, frozen=True, tag="wijk.outbox.1"):
    """One transaction under way, with the bytes beside its call if it has any.

    `memo_key` and `memo` open the note of a payment.
    """

    envelope: Annotated[bytes, msgspec.Meta(max_length=CARRIED_BYTES_MAX)]
    sealed: Annotated[bytes, msgspec.Meta(max_length=SEALED_BYTES_MAX)] | None
    memo_key: Digest | None
    memo: Annotated[str, msgspec.Meta(max_length=140)] | None

    @property
    def tx(self) -> str:
        """Return the transaction id, 64 hex digits."""
        return compute_tx_id(self.envelope).hex()


def keep(home: Path, sent: Sent) -> str:
    """Write what is about to be sent, durably, and return its transaction id."""
    replace(_path(home, sent.tx), encode(sent))
    return sent.tx


def settle(home: Path, tx: str) -> None:
    """Forget a transaction whose outcome is known and whose receipt, if any, is stored."""
    remove(_path(home, tx))


def find(home: Path, tx: str) -> Sent | None:
    """Return what was sent under this id, or None; `Problem` 1007 for a file that was changed."""
    path = _path(home, tx)
    try:
        sent = decode(Sent, read_private(path, ITEM_BYTES_MAX))
    except FileNotFoundError:
        return None
    except Malformed as error:
        raise Problem(1007, file=str(path), cause="format") from error
    if sent.tx != tx:
        raise Problem(1007, file=str(path), cause="format")
    return sent


def pending(home: Path) -> list[str]:
    """Return the ids of everything sent whose outcome is not known, sorted."""
    folder = home / "outbox"
    if not folder.is_dir():
        return []
    paths = folder.glob(f"*{_SUFFIX}")
    return sorted(path.name.removesuffix(_SUFFIX) for path in paths if path.name[0] != ".")


def _path(home: Path, tx: str) -> Path:
    if len(tx) != 64 or not set(tx) <= set("0123456789abcdef"):  # noqa: PLR2004 - hex of 32 bytes
        raise Problem(1001, cause="unknown")
    return home / "outbox" / f"{tx}{_SUFFIX}"
