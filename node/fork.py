"""The fork report: two certificates for one height, and who made that possible (consensus E6).

As long as fewer than q validators lie, the messages of all nodes together name at least f + 1 of
them. One node may not have heard enough; then its report says so, and holds all that it heard.
The report is a file for the boards of the wijken: words in Dutch and English, and the signed
bytes, so that anybody can check what it says.
"""

from collections.abc import Callable, Iterable

import msgspec

from chain.codec import encode
from chain.evidence import Testimony, find_culprits, get_commits
from chain.records import Header
from chain.validators import CommitCertificate, ValidatorSet

KINDS = {
    "a": ("twee voorstellen in één ronde", "two proposals in one round"),
    "b": ("twee prepares in één ronde", "two prepares in one round"),
    "c": (
        "twee commits in één ronde, of een commit tegen zijn kop",
        "two commits in one round, or a commit against its header",
    ),
    "d": ("een commit, later vergeten", "a commit, forgotten later"),
    "e": ("een voorstel met valse redenen", "a proposal with false reasons"),
    "f": ("twee rondewissels naar één ronde", "two round changes to one round"),
}


class Culprit(msgspec.Struct, frozen=True):
    """A validator that its own messages convict, of a letter of E1."""

    name: str
    key: bytes
    kind: str
    first: Testimony
    second: Testimony


class Fork(msgspec.Struct, frozen=True):
    """Two certificates for one height, who is guilty, and all the messages that were looked at."""

    first: CommitCertificate
    second: CommitCertificate
    weak_quorum: int
    culprits: tuple[Culprit, ...]
    said: tuple[Testimony, ...]

    @property
    def is_complete(self) -> bool:
        """Whether at least f + 1 are named (E6)."""
        return len(self.culprits) >= self.weak_quorum


def compute_fork(
    first: CommitCertificate,
    second: CommitCertificate,
    validators: ValidatorSet,
    said: Iterable[Testimony],
    find_header: Callable[[bytes], Header | None],
) -> Fork:
    """Return the report on two checked certificates and the checked messages of their height."""
    heard = [*get_commits(first, validators), *get_commits(second, validators), *said]
    messages = tuple({encode(one): one for one in heard}.values())
    ids = {first.block_id, second.block_id}
    headers = {one: header for one in sorted(ids) if (header := find_header(one)) is not None}
    names = {one.key: one.name for one in validators.validators}
    culprits = tuple(
        Culprit(names[key], key, kind, one, other)
        for key, (kind, one, other) in find_culprits(messages, headers).items()
    )
    return Fork(first, second, validators.weak_quorum, culprits, messages)


def write_culprit(name: str, kind: str) -> tuple[str, str]:
    """Say in Dutch and in English what a validator did, and what is most often the cause (E7)."""
    dutch, english = KINDS[kind]
    in_dutch = f"{name} tekende wat niet samen eerlijk kan zijn: {dutch}."
    in_english = f"{name} signed what cannot both be honest: {english}."
    return (
        f"{in_dutch} Meestal staat de sleutel op twee machines.",
        f"{in_english} Most often the key is on two machines.",
    )


def write_lines(fork: Fork) -> list[str]:
    """Return the report in Dutch and in English, a line each, for the journal (E7)."""
    height = fork.first.height
    lines = [
        f"Splitsing: twee certificaten voor blok {height}. Deze node stopt en draait niets terug.",
        f"Fork: two certificates for block {height}. This node stops, and reverts nothing.",
    ]
    for one in fork.culprits:
        lines += write_culprit(one.name, one.kind)
    if not fork.is_complete:
        count, need = len(fork.culprits), fork.weak_quorum
        lines.append(
            f"Deze node kan er {count} noemen; ten minste {need} zijn schuldig. Leg de verslagen "
            "van alle nodes naast elkaar."
        )
        lines.append(
            f"This node can name {count}; at least {need} are guilty. Put the reports of all nodes "
            "side by side."
        )
    return lines


def write_fork(fork: Fork) -> bytes:
    """Return the report as a JSON file: words, and the signed records in hex."""
    document = {
        "height": fork.first.height,
        "text": write_lines(fork),
        "certificates": [encode(fork.first).hex(), encode(fork.second).hex()],
        "need": fork.weak_quorum,
        "culprits": [
            {
                "name": one.name,
                "public_key": one.key.hex(),
                "kind": one.kind,
                "messages": [encode(one.first).hex(), encode(one.second).hex()],
            }
            for one in fork.culprits
        ],
        "messages": [encode(one).hex() for one in fork.said],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
