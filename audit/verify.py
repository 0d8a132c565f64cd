"""`audit verify`: a source of blocks in, block F of interfaces 1.8 out, and a policy to trust.

The policy of the client home pins the chain: the first verification from genesis writes it, and
from then on another genesis or other validators are a finding (interfaces 3.5).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from audit.blocks import RawBlock, decode_block
from audit.files import POLICY, load_policy, store_policy
from audit.replay import Replay, Report, follow_headers, replay
from audit.sources import Source
from chain import crypto, light
from chain.errors import Malformed
from chain.genesis import Genesis, load_genesis
from chain.policy import Policy, build_policy, era_at, era_set
from chain.validators import ValidatorSet, Verify

OnBlock = Callable[[int, int], None]  # height, and the last height there is to check


class Verdict(msgspec.Struct, frozen=True):
    """What `verify` found: block F, and why in words where it is not ok."""

    tree: dict[str, Any]
    why: str | None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return bool(self.tree["ok"])


def verify(
    source: Source,
    home: Path,
    *,
    first: int = 1,
    last: int | None = None,
    clock_s: Callable[[], float],
    on_block: OnBlock = lambda _height, _last: None,
    check: Verify = crypto.verify,
) -> Verdict:
    """Check a chain and write the policy of `home` if it is sound from genesis.

    `first` above 1 checks headers, certificates and transaction ids only, from a block that the
    validators known for its height have certified. `last` None is all that the source has.
    """
    started = clock_s()
    trusted = load_policy(home)
    digest: str | None = None
    policy: Policy | None = None
    report = Report(first, 0, from_genesis=first == 1)
    to = last
    try:
        genesis = load_genesis(source.read_genesis())
        digest = genesis.digest.hex()
        if trusted is not None and trusted.chain_digest != digest:
            raise Malformed(f"genesis of another chain than {POLICY} names")
    except Malformed as error:
        report.first_bad, report.why = 0, str(error)
    else:
        try:
            to = source.read_height() if last is None else last
            report = _check(source, genesis, trusted, first, to, on_block, check)
            if report.ok and report.from_genesis:
                policy = _merge(trusted, genesis, report)
        except Malformed as error:
            report.first_bad, report.why = max(first, report.last), str(error)
    if policy is not None and policy != trusted:
        store_policy(home, policy)
    tree = _block_f(source.name, digest, report, first, to, clock_s() - started)
    tree["policy"] = POLICY if policy is not None or trusted is not None else None
    return Verdict(tree, report.why)


def verify_whole(
    source: Source, home: Path, on_block: OnBlock, check: Verify = crypto.verify
) -> tuple[Report, dict[bytes, bytes]]:
    """Verify the whole chain of a source from genesis; return what was found, and the state.

    Raise `Malformed` where it is not the chain that `home` trusts. No policy is written.
    """
    genesis = load_genesis(source.read_genesis())
    check_trusted(home, genesis)
    last = source.read_height()
    state: dict[bytes, bytes] = {}

    def keep(run: Replay) -> None:
        state.update(run.state)

    report = replay(
        genesis,
        source.read_blocks(1, last),
        verify=check,
        on_block=lambda height: on_block(height, last),
        on_end=keep,
    )
    return report, state


def check_trusted(home: Path, genesis: Genesis) -> None:
    """Raise `Malformed` where `home` trusts a chain with another genesis."""
    trusted = load_policy(home)
    if trusted is not None and trusted.chain_digest != genesis.digest.hex():
        raise Malformed(f"genesis of another chain than {POLICY} names")


def damaged_source(name: str, first: int, why: str) -> Verdict:
    """Return the verdict on a source of which not even the first block can be read."""
    report = Report(first, first - 1, from_genesis=first == 1, first_bad=first, why=why)
    tree = _block_f(name, None, report, first, None, 0.0)
    return Verdict({**tree, "policy": None}, why)


def _check(
    source: Source,
    genesis: Genesis,
    trusted: Policy | None,
    first: int,
    last: int,
    on_block: OnBlock,
    check: Verify,
) -> Report:
    def good(height: int) -> None:
        on_block(height, last)

    if first == 1:
        return replay(genesis, source.read_blocks(1, last), verify=check, on_block=good)
    blocks = source.read_blocks(first - 1, last)
    chain_id = genesis.doc.chain_id
    policy = trusted or build_policy(
        chain_id, genesis.digest, [(1, None, light.trust_genesis(genesis).validators)]
    )
    try:
        start, signers = _start(policy, genesis, first - 1, blocks, check)
    except Malformed as error:
        why = f"the block before cannot be trusted: {error}"
        return Report(first, first - 1, from_genesis=False, first_bad=first - 1, why=why)

    def get_next_set(height: int, validators_hash: bytes) -> ValidatorSet | None:
        validators = _set_at(policy, height)
        same = validators is not None and validators.validators_hash == validators_hash
        return validators if same else None

    return follow_headers(start, signers, blocks, get_next_set, verify=check, on_block=good)


def _start(
    policy: Policy, genesis: Genesis, height: int, blocks: Iterator[RawBlock], check: Verify
) -> tuple[light.Trusted, ValidatorSet]:
    """Return the block at `height` as a start, by the validators that the policy names for it."""
    signers, coming = _set_at(policy, height), _set_at(policy, height + 1)
    if signers is None or coming is None:
        raise Malformed(f"the policy names no validators for height {height}")
    raw = next(blocks, None)
    if raw is None:
        raise Malformed("there is no such block")
    block = decode_block(raw)
    if block.header.height != height:
        raise Malformed(f"it is of height {block.header.height}")
    certificate = block.certificate
    start = light.trust_block(
        policy.chain_id, genesis.digest, block.header, certificate, signers, coming, check
    )
    return start, signers


def _set_at(policy: Policy, height: int) -> ValidatorSet | None:
    era = era_at(policy, height)
    return None if era is None else era_set(era)


def _merge(trusted: Policy | None, genesis: Genesis, report: Report) -> Policy:
    """Return the policy after a sound replay; raise `Malformed` where the old one contradicts it.

    A replay up to an old height knows fewer eras than the policy: the longer list stays.
    """
    found = build_policy(genesis.doc.chain_id, genesis.digest, report.eras)
    if trusted is None:
        return found
    for old, new in zip(trusted.eras, found.eras, strict=False):
        if (old.from_height, old.validators) != (new.from_height, new.validators):
            raise Malformed(f"{POLICY} names other validators from height {new.from_height}")
    return found if len(found.eras) >= len(trusted.eras) else trusted


def _block_f(
    name: str, digest: str | None, report: Report, first: int, last: int | None, seconds: float
) -> dict[str, Any]:
    """Return block F. What was not worked out is null: never an "ok" that nobody has checked."""
    told = report.from_genesis and digest is not None
    return {
        "source": name,
        "chain_digest": digest,
        "from": first,
        "to": report.last if last is None else last,
        "headers": report.headers,
        "signatures": report.signatures,
        "transactions": report.transactions,
        "from_genesis": report.from_genesis,
        "issued_cents": report.issued_cents if told else None,
        "redeemed_cents": report.redeemed_cents if told else None,
        "supply_cents": report.supply_cents if told else None,
        "reserve_cents": report.reserve_cents if told else None,
        "invariants": (list(report.broken) or "ok") if told else None,
        "ok": report.ok,
        "first_bad": report.first_bad,
        "log_size": report.log_size,
        "log_root": report.log_root.hex(),
        "policy": None,
        "seconds": round(seconds, 3),
        "why": report.why,
    }
