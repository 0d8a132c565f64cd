"""The approval that lets a node sign at a height where its lost disk may have signed (D12).

It is a small file that names chain, key and height. The board of the wijk whose node it is signs
it as any file (`wijk keys sign`), by as many holders as its account asks (economy B4, B5).
"""

from collections.abc import Sequence

from chain.errors import Malformed
from chain.file_signature import FileSignature, check_file
from chain.keyspaces import ACCOUNTS, SET_LAST, SET_NEXT, SET_NOW, WIJKEN
from chain.set_change import get_members
from chain.state import State
from chain.strict_json import canonical_json

FORMAT = "wijk/rejoin-approval/1"


def make_approval(genesis_digest: bytes, key: bytes, wijk: str, height: int) -> bytes:
    """Return the bytes that a board signs: the same for everybody who approves the same."""
    return canonical_json(
        {
            "format": FORMAT,
            "chain_digest": genesis_digest.hex(),
            "public_key": key.hex(),
            "wijk": wijk,
            "height": height,
        }
    )


def find_wijk(state: State, key: bytes) -> str | None:
    """Return the wijk whose node has this validator key, by the newest set that holds it."""
    for which in (SET_NEXT, SET_NOW, SET_LAST):
        for member in get_members(state, which):
            if member.key == key:
                return member.wijk
    return None


def check_approval(
    state: State, wijk: str, approval: bytes, signatures: Sequence[FileSignature]
) -> None:
    """Raise `Malformed` unless enough holders of the board of `wijk` signed `approval`.

    A signature over anything else is `Problem` 5001.
    """
    record = WIJKEN.get(state, wijk)
    board = None if record is None else ACCOUNTS.get(state, record.board)
    if board is None:
        raise Malformed(f"no board of {wijk} in the state of this node")
    holder_of = {key.key: key.holder for key in board.keys}
    holders = set()
    for made in signatures:
        check_file(approval, made)
        holder = holder_of.get(bytes.fromhex(made.public_key))
        if holder is None:
            raise Malformed(f"{made.public_key} is no key of the board of {wijk}")
        holders.add(holder)
    if len(holders) < board.threshold:
        raise Malformed(f"{len(holders)} of {board.threshold} board members of {wijk} signed")
