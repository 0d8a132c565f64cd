"""The ballots of a bundle, judged one by one, in several processes where that is asked."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from .proofs import Cast, Rules, WrongError, check_ballot
from .wire import BadBundleError, Transaction, sha, unpack_as

# What values of another kind than expected raise.
UNREADABLE = (ValueError, TypeError, LookupError, RuntimeError, AttributeError, OverflowError)
CHUNK = 32  # ballots that one process takes at a time
Tell = Callable[[str], None]


def take(row: Transaction, place: int, digest: bytes) -> bytes:
    """Return bytes that travelled beside a call, after comparing their digest."""
    data = row.blobs[place] if place < len(row.blobs) else None
    if data is None:
        raise WrongError(f"the bytes beside {row.id.hex()} are missing or were pruned")
    if sha(data) != digest:
        raise WrongError(f"the bytes beside {row.id.hex()} are others than its digest says")
    return data


@dataclass(frozen=True)
class OpenCast:
    """An open ballot (STV_EXACT)."""

    voter: bytes
    ranking: list[int]


Judged = Cast | OpenCast | str


def judge(
    rules: Rules,
    manifest: dict[str, Any],
    rows: list[Transaction],
    processes: int,
    tell: Tell,
) -> list[Judged]:
    """Return every ballot, or why it is none; in several processes where that is asked."""
    tasks = [(rules, manifest, row) for row in rows]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            found = list(pool.map(judge_one, tasks, chunksize=CHUNK))
    else:
        found = []
        for place, task in enumerate(tasks, 1):
            found.append(judge_one(task))
            if place % (8 * CHUNK) == 0:
                tell(f"ballots {place} of {len(tasks)}")
    return found


def judge_one(task: tuple[Rules, dict[str, Any], Transaction]) -> Judged:
    """Return one ballot after all its proofs, or what is wrong with it."""
    rules, manifest, row = task
    try:
        data = take(row, 0, row.fields[2])
        if len(data) != row.fields[3]:
            return "another size than its call says"
        if manifest["method"] != "STV_EXACT":
            return check_ballot(rules, row.keys[0], data)
        return read_open_ballot(rules, manifest, row.keys[0], data)
    except (WrongError, BadBundleError) as error:
        return str(error)
    except UNREADABLE as error:
        return f"cannot be read: {error}"


def read_open_ballot(rules: Rules, manifest: dict[str, Any], voter: bytes, data: bytes) -> OpenCast:
    """Return an open ballot: options that exist, none twice, as many as asked (E6)."""
    election, digest, named, ranking = unpack_as(data, "wijk.open_ballot.1", 4)
    if (election, digest, named) != (*rules.ctx[1:], voter):
        raise WrongError("the ballot is of another election, manifest or credential")
    known = set(range(1, rules.options + 1))
    fits = len(set(ranking)) == len(ranking) and set(ranking) <= known
    if not fits or not manifest["min"] <= len(ranking) <= manifest["max"]:
        raise WrongError("the ballot ranks options that it may not")
    return OpenCast(voter, ranking)
