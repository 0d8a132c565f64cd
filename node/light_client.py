"""The light client of a home: it follows the validators by itself, over any node's API (S9).

A home pins the validators that it trusts (`policy.json`) and keeps the newest block that it has
followed (`light.json`). From there on certificates alone are believed; what a node says of the
sets is looked up by their hashes. Two certified blocks at one height go to `forks/`, and as long
as a file lies there nothing is followed: which one is right is for people to say.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from chain import light
from chain.checkpoint import from_base64, to_base64
from chain.codec import decode, encode
from chain.crypto import verify
from chain.errors import Malformed
from chain.genesis import load_genesis
from chain.key_text import key_text
from chain.keyspaces import SET_NOW, VALIDATOR_SETS, SetMember
from chain.light import TRUST_PERIOD_MS, Fork, LightBlock, Trusted
from chain.policy import Policy, build_policy, era_at, era_set, read_policy, write_policy
from chain.proof import verify_state_proof
from chain.records import Header
from chain.strict_json import canonical_json, parse_json
from chain.terminal import Terminal
from chain.texts import Problem
from chain.validators import CommitCertificate, Validator, ValidatorSet, validator_set
from node.client import PATIENCE_S_MAX, Client, ask_patiently
from node.forks import CONFLICT, FORKS, HEAD, refuse_known_fork

POLICY = "policy.json"
HEAD_BYTES_MAX = 64 * 1024  # a header, and a certificate of 100 signatures, in base64
HEAD_FORMAT, FORK_FORMAT = "wijk/light/1", "wijk/fork/1"
FRESH_MS = 600_000  # a head this young is not moved on for nothing: every command asks
STRIDE = 500  # blocks followed one by one before they are kept, so that Ctrl-C loses few
SECOND_S_MAX = 3.0  # a second source that hangs must not keep a payment waiting
PROOF_WRONG, NOT_FOUND, BAD_FILE = 5001, 3007, 1002
NOT_NOW = frozenset({3001, 3002, 3003, 3004, 4002, 4003, 4004, 9001})  # another node may answer

Save = Callable[[Path, bytes], None]  # puts a file in the home, whole or not at all
Eras = list[tuple[int, ValidatorSet]]  # first height of each, and its set
_MEMBERS: Any = tuple[SetMember, ...]
T = TypeVar("T")


class Followed(msgspec.Struct, frozen=True):
    """What came of following: whom to trust now, up to which block, and what else was seen.

    `compared` names the second source that showed the same chain, None where there was none.
    `doubts` say of a second source why it was not believed.
    """

    policy: Policy
    height: int | None
    compared: str | None = None
    doubts: tuple[str, ...] = ()


class Shown:
    """A chain as one node shows it. What the node does not have, or garbles, is `Malformed`."""

    def __init__(
        self, client: Client, name: str, policy: Policy, patience_s: float = PATIENCE_S_MAX
    ) -> None:
        """`patience_s`: how long the node may say that it has no time for a question."""
        self.client = client
        self.name = name
        self._patience_s = patience_s
        self._digest = policy.chain_digest
        self._sets = {known.validators_hash: known for known in map(era_set, policy.eras)}

    def __call__(self, height: int) -> LightBlock:
        """Return a block with the sets whose hashes it names; nothing is judged yet."""
        return self._read(height)

    def read_tip(self) -> LightBlock | None:
        """Return the newest block; None where the chain has none yet."""
        try:
            return self._read("latest")
        except _Absent:
            return None

    def read_eras(self) -> Eras:
        """Return the eras that the node claims, and know their sets from now on."""
        policy = read_policy(self._ask(self.client.policy))
        if policy.chain_digest != self._digest:
            raise Malformed("the policy of the node is of another chain")
        eras = [(era.from_height, era_set(era)) for era in policy.eras]
        self._sets = {claimed.validators_hash: claimed for _, claimed in eras} | self._sets
        return eras

    def read_names(self, policy: Policy) -> dict[bytes, str]:
        """Return the names of the validators of now by their keys, as the state proves them."""
        key = VALIDATOR_SETS.key(SET_NOW)
        text = self._ask(lambda: self.client.state_proof(key_text(key)))
        verdict = verify_state_proof(text, policy)
        if not verdict.ok or verdict.key_bytes != key or verdict.value is None:
            raise Malformed(f"the names of the validators are not proven: {verdict.detail}")
        members: tuple[SetMember, ...] = decode(_MEMBERS, verdict.value)
        names = {member.key: member.name for member in members}
        if not names.keys() >= set(era_set(policy.eras[-1]).keys):
            raise Malformed("the names of the validators are not proven: the proof is of before")
        return names

    def read_genesis(self) -> Trusted:
        """Return the parent of block 1."""
        genesis = load_genesis(self._ask(self.client.genesis))
        if genesis.digest.hex() != self._digest:
            raise Malformed("the genesis of the node is of another chain")
        return light.trust_genesis(genesis)

    def _read(self, ref: int | str) -> LightBlock:
        try:
            header_bytes, certificate_bytes = self._ask(lambda: self.client.certified(ref))
        except Problem as problem:
            if problem.number != NOT_FOUND:
                raise
            raise _Absent(f"the node does not have block {ref}") from problem
        header = decode(Header, header_bytes)
        certificate = decode(CommitCertificate, certificate_bytes)
        if not {header.validators_hash, header.next_validators_hash} <= self._sets.keys():
            self.read_eras()
        try:
            signers = self._sets[header.validators_hash]
            coming = self._sets[header.next_validators_hash]
        except KeyError as error:
            raise Malformed(f"the node does not name the validators of block {ref}") from error
        return LightBlock(header, certificate, signers, coming)

    def _ask(self, question: Callable[[], T]) -> T:
        return ask_patiently(question, patience_s=self._patience_s)


class _Absent(Malformed):
    """The node says that it does not have the block."""


def follow_home(
    home: Path,
    policy: Policy,
    urls: Sequence[str],
    *,
    now_ms: int,
    save: Save,
    timeout_s: float,
    eager: bool = False,
    on_stride: Callable[[int, int], None] = lambda _height, _last: None,
) -> Followed:
    """Follow the chain of the first node that shows more, and hold it against the next one (S9).

    A node without news is not the last word: it may stand still, or hold something back. `eager`
    moves the head on also where nothing changed and it is young. `on_stride` hears of each part of
    a long way: its height and the last one. Nodes that cannot be reached change nothing. Raise
    `Problem` 5001 where a node shows what the trusted validators did not certify, and 5003 where
    two certified blocks contradict each other; both are then kept in a file.
    """
    refuse_known_fork(home)
    head = load_head(home, policy)
    urls = tuple(dict.fromkeys(urls))  # a node is no second source for itself
    known: Followed | None = None  # what a node without news left as it was
    doubts: list[str] = []
    for place, url in enumerate(urls):
        patience_s = timeout_s if known is None else min(timeout_s, SECOND_S_MAX)
        client = Client([url], timeout_s=patience_s)
        source = Shown(client, url, policy, PATIENCE_S_MAX if known is None else patience_s)
        try:
            tip = source.read_tip()
            if tip is None or (not eager and _is_settled(tip, head, policy, now_ms)):
                break
            run = _Run(home, policy, head, source, now_ms, save, on_stride)
            followed = run.follow(tip, urls[place + 1 :])
            if followed is not None:
                return msgspec.structs.replace(followed, doubts=(*doubts, *followed.doubts))
            known = known or Followed(policy, run.floor or None)
        except Malformed as error:
            if known is None:
                raise Problem(PROOF_WRONG, cause=f"{url}: {error}") from error
            doubts.append(f"{url}: {error}")
        except Problem as problem:
            if problem.number not in NOT_NOW:
                raise
        finally:
            client.close()
    known = known or Followed(policy, None if head is None else head.header.height)
    return msgspec.structs.replace(known, doubts=tuple(doubts))


def follow_for(
    terminal: Terminal,
    home: Path,
    policy: Policy,
    urls: Sequence[str],
    *,
    now_ms: int,
    save: Save,
    timeout_s: float,
    eager: bool = False,
) -> Followed:
    """Follow as `follow_home` does, and tell the person what there is to know about it."""
    followed = follow_home(
        home,
        policy,
        urls,
        now_ms=now_ms,
        save=save,
        timeout_s=timeout_s,
        eager=eager,
        on_stride=lambda height, last: terminal.say(
            f"Nagelopen tot blok {height} van {last}", f"Followed up to block {height} of {last}"
        ),
    )
    for doubt in followed.doubts:
        terminal.say(f"Niet geloofd: {doubt}", f"Not believed: {doubt}")
    if len(followed.policy.eras) > len(policy.eras):
        era = followed.policy.eras[-1]
        names = ", ".join(one.name for one in era.validators)
        terminal.say(
            f"De nodes van de keten zijn veranderd; vanaf blok {era.from_height}: {names}",
            f"The validators of the chain have changed; from block {era.from_height} on: {names}",
        )
    return followed


def trust_shown(policy: Policy, block: LightBlock) -> Trusted:
    """Return a block as a start, by the validators that the policy names for it and after it."""
    height = block.header.height
    signers, coming = (_set_at(policy, at) for at in (height, height + 1))
    digest = bytes.fromhex(policy.chain_digest)
    return light.trust_block(
        policy.chain_id, digest, block.header, block.certificate, signers, coming, verify
    )


def load_head(home: Path, policy: Policy) -> LightBlock | None:
    """Return the newest block that the home has followed, None where it has followed none.

    Raise `Problem` 1002 where the file is none, or not of the chain of the policy.
    """
    path = home / HEAD
    try:
        with path.open("rb") as file:
            data = file.read(HEAD_BYTES_MAX + 1)
        if len(data) > HEAD_BYTES_MAX:
            raise Malformed(f"more than {HEAD_BYTES_MAX} bytes")
        kept = parse_json(data, _HeadFile)
        header = decode(Header, from_base64(kept.header, "header"))
        certificate = decode(CommitCertificate, from_base64(kept.certificate, "certificate"))
        height = header.height
        head = LightBlock(header, certificate, _set_at(policy, height), _set_at(policy, height + 1))
        trust_shown(policy, head)
    except FileNotFoundError:
        return None
    except (Malformed, OSError) as error:
        raise Problem(BAD_FILE, errors=[f"{path}: {error}"], made_again=str(path)) from error
    return head


class _Run:
    """One way along the chain of one source, from the head of a home to the newest block."""

    def __init__(
        self,
        home: Path,
        policy: Policy,
        head: LightBlock | None,
        source: Shown,
        now_ms: int,
        save: Save,
        on_stride: Callable[[int, int], None],
    ) -> None:
        self._home = home
        self._head = head
        self._policy = policy
        self._source = source
        self._now_ms = now_ms
        self._save = save
        self._on_stride = on_stride

    @property
    def floor(self) -> int:
        """The height up to which everything is known: of the head, or where the pin begins."""
        begun = self._policy.eras[-1].from_height - 1
        return begun if self._head is None else max(begun, self._head.header.height)

    def follow(self, tip: LightBlock, others: Sequence[str]) -> Followed | None:
        """Follow up to `tip`; None where that is no news. `others` may be a second source."""
        head, top = self._head, tip.header.height
        if head is not None and top >= head.header.height:
            self._hold_to(head)
        if top <= self.floor:
            return None
        start = self._start(head, tip)
        trusted, known = start, _set_at(self._policy, start.height + 1)
        changed = False
        for first, _ in self._source.read_eras():
            if start.height + 1 < first <= top + 1:
                trusted = self._go(trusted, first - 1)
                self._add_era(first, trusted, known)
                known, changed = trusted.validators, True
        trusted = self._go(trusted, top)
        if trusted.validators.validators_hash != known.validators_hash:
            raise Malformed("the node does not say when the validators changed")
        compared, doubts = self._compare(start, top, others)
        if changed:
            self._policy = _named(self._policy, self._source.read_names(self._policy))
        self._keep(trusted)
        return Followed(self._policy, top, compared, doubts)

    def _hold_to(self, head: LightBlock) -> None:
        """What was followed stays: another certified block at its height is a fork."""
        shown = self._source(head.header.height)
        if shown.block_id != head.block_id:
            trust_shown(self._policy, shown)
            self._stop(Fork(head, shown), HEAD, self._source.name)

    def _start(self, head: LightBlock | None, tip: LightBlock) -> Trusted:
        """Return where the way begins: at the head, or else where the pin does.

        A pin is somebody's word of now. So where the pinned set still certifies the newest block,
        a home without a head begins right below that one.
        """
        era = self._policy.eras[-1]
        if head is not None and head.header.height + 1 >= era.from_height:
            return trust_shown(self._policy, head)
        pinned = era_set(era).validators_hash
        unchanged = tip.header.validators_hash == tip.header.next_validators_hash == pinned
        begin = tip.header.height - 1 if head is None and unchanged else era.from_height - 1
        if begin == 0:
            return self._source.read_genesis()
        return trust_shown(self._policy, self._source(begin))

    def _go(self, trusted: Trusted, height: int) -> Trusted:
        """Follow up to `height`; a way that has to be gone block by block is kept in strides."""
        while trusted.height < height:
            is_old = self._now_ms - trusted.time_ms >= TRUST_PERIOD_MS
            to = min(height, trusted.height + STRIDE) if is_old else height
            trusted = light.follow_to(trusted, to, self._source, self._now_ms, verify)
            if to < height:
                self._keep(trusted)
                self._on_stride(to, height)
        return trusted

    def _add_era(self, first: int, trusted: Trusted, before: ValidatorSet) -> None:
        """Trust the set that block `first` - 1 announced, by the set `before` (interfaces 3.5)."""
        block = self._source(first - 1)
        announced = block.block_id == trusted.block_id
        came = trusted.validators.validators_hash != before.validators_hash
        if not announced or not came or block.header.validators_hash != before.validators_hash:
            raise Malformed(f"the validators did not change at block {first}, as the node says")
        eras = _eras(self._policy)
        last_first, last_set = eras[-1][0], eras[-1][2]
        self._policy = build_policy(
            self._policy.chain_id,
            bytes.fromhex(self._policy.chain_digest),
            [*eras[:-1], (last_first, first - 1, last_set), (first, None, trusted.validators)],
        )

    def _compare(
        self, start: Trusted, top: int, others: Sequence[str]
    ) -> tuple[str | None, tuple[str, ...]]:
        """Hold the chain against the first other node that shows one; a fork is `Problem` 5003."""
        doubts: list[str] = []
        for url in others:
            client = Client([url], timeout_s=SECOND_S_MAX)
            second = Shown(client, url, self._policy, SECOND_S_MAX)
            try:
                tip = second.read_tip()
                height = min(top, 0 if tip is None else tip.header.height)
                if height <= start.height:
                    continue  # it is behind, and may well be right
                fork = light.find_fork(start, height, self._source, second, self._now_ms, verify)
            except light.NotShown:
                raise  # it is our own source that shows what nobody certified
            except Malformed as error:
                doubts.append(f"{url}: {error}")
                continue
            except Problem:
                continue  # away, or too busy: the next one may answer
            finally:
                client.close()
            if fork is not None:
                self._stop(fork, self._source.name, url)
            return url, tuple(doubts)
        return None, tuple(doubts)

    def _stop(self, fork: Fork, first: str, second: str) -> None:
        """Keep both blocks with their certificates, and go no further (consensus S9, E6)."""
        path = self._home / FORKS / f"{fork.height}.json"
        tree = {
            "format": FORK_FORMAT,
            "chain_id": self._policy.chain_id,
            "chain_digest": self._policy.chain_digest,
            "height": fork.height,
            "signed_both": list(fork.signed_both),
            "blocks": [_block_tree(fork.first, first), _block_tree(fork.second, second)],
        }
        self._save(path, canonical_json(tree) + b"\n")
        raise Problem(CONFLICT, height=fork.height, file=str(path), head=str(self._home / HEAD))

    def _keep(self, trusted: Trusted) -> None:
        """Keep the policy and then the head, which needs the policy to be read."""
        block = self._source(trusted.height)
        if block.block_id != trusted.block_id:
            raise Malformed(f"the node shows two blocks {trusted.height}")
        trust_shown(self._policy, block)
        policy = write_policy(self._policy).encode()
        path = self._home / POLICY
        if not path.exists() or path.read_bytes() != policy:
            self._save(path, policy)
        kept = _HeadFile(
            HEAD_FORMAT, to_base64(encode(block.header)), to_base64(encode(block.certificate))
        )
        self._save(self._home / HEAD, canonical_json(msgspec.to_builtins(kept)) + b"\n")


class _HeadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    header: str
    certificate: str

    def __post_init__(self) -> None:
        if self.format != HEAD_FORMAT:
            raise ValueError(f"the format is not {HEAD_FORMAT}")


def _is_settled(tip: LightBlock, head: LightBlock | None, policy: Policy, now_ms: int) -> bool:
    """Say whether there is nothing to learn: a young head, and the node names the pinned set."""
    pinned = era_set(policy.eras[-1]).validators_hash
    names = tip.header.validators_hash, tip.header.next_validators_hash
    return (
        head is not None and names == (pinned, pinned) and now_ms - head.header.time_ms < FRESH_MS
    )


def _set_at(policy: Policy, height: int) -> ValidatorSet:
    era = era_at(policy, height)
    if era is None:
        raise Malformed(f"the policy names no validators for block {height}")
    return era_set(era)


def _eras(policy: Policy) -> list[tuple[int, int | None, ValidatorSet]]:
    return [(era.from_height, era.to_height, era_set(era)) for era in policy.eras]


def _named(policy: Policy, names: dict[bytes, str]) -> Policy:
    """Return the policy with these names: a header commits to keys, the state to names too."""

    def rename(members: ValidatorSet) -> ValidatorSet:
        named = [Validator(names.get(one.key, one.name), one.key) for one in members.validators]
        if len({one.name for one in named}) != len(named):
            raise Malformed("two validators of one set have the same name")
        return validator_set(named)

    digest = bytes.fromhex(policy.chain_digest)
    rows = [(first, last, rename(members)) for first, last, members in _eras(policy)]
    return build_policy(policy.chain_id, digest, rows)


def _block_tree(block: LightBlock, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "block_id": block.block_id.hex(),
        "round": block.certificate.round,
        "validators": [
            {"name": one.name, "public_key": one.key.hex()} for one in block.validators.validators
        ],
        "header": to_base64(encode(block.header)),
        "certificate": to_base64(encode(block.certificate)),
    }
