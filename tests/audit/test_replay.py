"""Replay finds every kind of damage and names the height (economy I15, A1)."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.blocks import RawBlock, decode_block
from audit.replay import Replay, Report, follow_headers, replay
from chain import light
from chain.codec import digest, encode
from chain.crypto import sign, verify
from chain.errors import Malformed
from chain.execute import get_set
from chain.genesis import Genesis
from chain.keyspaces import BALANCES, SET_NOW
from chain.records import BlockBody, Header
from chain.validators import CommitCertificate, ValidatorSet, write_bitmap
from tests import federation
from tests.audit.made_chain import (
    MadeChain,
    certify,
    make_chain,
    make_changed_chain,
    make_convicting_chain,
    transfer,
)

CHAIN = make_chain(extra=2)
RAWS = tuple(CHAIN.raws)
VALIDATORS = get_set(CHAIN.base.read, SET_NOW)
PARTS = ("header", "body", "certificate", "envelopes")


def check(raws: list[RawBlock] | tuple[RawBlock, ...], genesis: Genesis | None = None) -> Report:
    """Return what a replay of `raws` finds."""
    return replay(genesis or CHAIN.genesis, iter(raws), workers=2)


def with_block(height: int, **parts: object) -> list[RawBlock]:
    """Return the chain with other parts at `height`."""
    raws = list(RAWS)
    raws[height - 1] = msgspec.structs.replace(raws[height - 1], **parts)
    return raws


def recertify(height: int, change: Callable[[Header], Header]) -> list[RawBlock]:
    """Return the chain up to `height` with a header that liars changed, and all certified."""
    block = decode_block(RAWS[height - 1])
    header = change(block.header)
    certificate = certify(header, VALIDATORS, CHAIN.chain.chain_id)
    return with_block(height, header=encode(header), certificate=encode(certificate))[:height]


def test_a_sound_chain_is_sound_and_its_sums_are_told() -> None:
    heard: list[int] = []

    report = replay(CHAIN.genesis, iter(RAWS), workers=2, on_block=heard.append)

    assert report.ok
    assert (report.first, report.last, report.headers) == (1, len(RAWS), len(RAWS))
    assert report.transactions == report.log_size == sum(len(raw.envelopes) for raw in RAWS)
    assert (report.issued_cents, report.redeemed_cents) == (17_500, 0)
    assert report.supply_cents == report.reserve_cents == 17_500
    assert report.eras == ((1, None, VALIDATORS),)
    assert heard == list(range(1, len(RAWS) + 1))


def test_certificate_signatures_are_counted_as_they_stand() -> None:
    report = check(RAWS)

    counts = [len(decode_block(raw).certificate.signatures) for raw in RAWS]
    assert min(counts) == 3
    assert report.signatures == sum(counts)


def test_an_empty_chain_is_the_genesis_alone() -> None:
    report = check([])

    assert report.ok
    assert (report.last, report.issued_cents) == (0, 15_500)


@given(st.integers(0, len(RAWS) - 1), st.sampled_from(PARTS), st.data())
def test_a_flipped_byte_anywhere_is_found_at_its_height(
    place: int, part: str, data: st.DataObject
) -> None:
    raw = RAWS[place]
    if part == "envelopes" and not raw.envelopes:
        part = "body"
    if part == "envelopes":
        which = data.draw(st.integers(0, len(raw.envelopes) - 1))
        envelopes = list(raw.envelopes)
        envelopes[which] = flip(envelopes[which], data)
        changed: object = tuple(envelopes)
    else:
        changed = flip(getattr(raw, part), data)

    report = check(with_block(place + 1, **{part: changed}))

    assert not report.ok
    assert report.first_bad == place + 1
    assert report.why
    assert report.last == place


def flip(octets: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(octets) - 1))
    mask = data.draw(st.integers(1, 255))
    return octets[:at] + bytes([octets[at] ^ mask]) + octets[at + 1 :]


@pytest.mark.parametrize("height", range(1, len(RAWS)))
def test_a_missing_block_is_found(height: int) -> None:
    report = check([raw for place, raw in enumerate(RAWS, start=1) if place != height])

    assert (report.first_bad, report.last) == (height, height - 1)
    assert report.why == f"header {height + 1} with a wrong height"


def test_blocks_in_another_order_are_found() -> None:
    raws = list(RAWS)
    raws[3], raws[4] = raws[4], raws[3]

    assert check(raws).first_bad == 4


def test_a_block_that_stands_twice_is_found() -> None:
    assert check([*RAWS[:3], *RAWS[2:]]).first_bad == 4


def test_another_genesis_is_found_at_the_first_block() -> None:
    other = federation.make_genesis(wijken=4, balances={"delfshaven/anna": 10_001})

    report = check(RAWS, other)

    assert (report.first_bad, report.why) == (1, "header 1 with a wrong chain")


def test_the_certificate_of_another_height_is_found() -> None:
    """An old certificate is a true one, of another block."""
    report = check(with_block(5, certificate=RAWS[3].certificate))

    assert (report.first_bad, report.why) == (5, "the certificate of height 5 is of another block")


def certificate_at(height: int) -> CommitCertificate:
    return decode_block(RAWS[height - 1]).certificate


def test_one_signature_below_a_quorum_is_found() -> None:
    """consensus Q2, M15: q - 1 signatures are votes, not a certificate."""
    full = certificate_at(5)
    short = msgspec.structs.replace(
        full, bitmap=write_bitmap(range(2), 4), signatures=full.signatures[:2]
    )

    report = check(with_block(5, certificate=encode(short)))

    assert (report.first_bad, report.why) == (5, "2 signers; a quorum is 3")


def test_a_signer_cannot_be_counted_twice() -> None:
    """consensus M10: one signature per bit, so two of one validator stand at a foreign bit."""
    full = certificate_at(5)
    first, second, _, _ = full.signatures
    twice = msgspec.structs.replace(full, signatures=(first, second, second, second))
    spare = msgspec.structs.replace(full, signatures=(*full.signatures, second))

    for certificate in (twice, spare):
        assert check(with_block(5, certificate=encode(certificate))).first_bad == 5


def test_a_stranger_cannot_certify() -> None:
    strangers = make_chain().genesis  # the same keys, as a control
    assert check(RAWS, strangers).ok
    full = certificate_at(2)
    forged = msgspec.structs.replace(
        full,
        signatures=tuple(sign(federation.seed("mallory"), b"x") for _ in range(4)),
    )

    report = check(with_block(2, certificate=encode(forged)))

    assert report.first_bad == 2
    assert report.why is not None
    assert report.why.startswith("wrong signature of validator")


def replace_body(height: int, change: Callable[[BlockBody], BlockBody]) -> list[RawBlock]:
    """Return the chain up to `height` whose last body all validators agreed to change."""
    body = change(decode_block(RAWS[height - 1]).body)
    raws = recertify(height, lambda header: msgspec.structs.replace(header, body_hash=digest(body)))
    raws[-1] = msgspec.structs.replace(raws[-1], body=encode(body))
    return raws


def _with_last_commit(last: CommitCertificate | None) -> Callable[[BlockBody], BlockBody]:
    return lambda body: msgspec.structs.replace(body, last_commit=last)


def test_the_last_commit_of_a_body_is_judged_too() -> None:
    """consensus M8: the canonical certificate of the parent, although all certified its block."""
    good = certificate_at(4)
    wrong = msgspec.structs.replace(good, signatures=(bytes(64), *good.signatures[1:]))
    larger = msgspec.structs.replace(good, log_size=good.log_size + 1)
    other_round = msgspec.structs.replace(good, round=good.round + 1)

    assert check(replace_body(5, _with_last_commit(good))).ok
    for last, why in (
        (wrong, "last commit: wrong signature"),
        (larger, "the last commit is of another block"),
        (other_round, "last commit: wrong signature"),
        (certificate_at(3), "the last commit is of another block"),
        (None, "the body lacks the last commit"),
    ):
        report = check(replace_body(5, _with_last_commit(last)))

        assert report.first_bad == 5
        assert report.why is not None
        assert report.why.startswith(why)


def test_another_quorum_of_the_parent_is_as_good() -> None:
    """consensus M8: the body's certificate of the parent need not be the one that was stored."""
    header = decode_block(RAWS[3]).header
    other = certify(header, VALIDATORS, CHAIN.chain.chain_id)
    assert other != certificate_at(4)

    assert check(replace_body(5, _with_last_commit(other))).ok


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state_root": bytes(32)}, "state root differs from our own"),
        ({"log_root": bytes(32)}, "log differs from our own"),
        ({"next_validators_hash": bytes(32)}, "next validators differ from our own"),
        ({"version": 2}, "header 4 with a wrong version"),
        ({"time_ms": 1}, "header 4 with a wrong time"),
        ({"creator": federation.key("mallory")}, "header 4 with a wrong creator"),
    ],
)
def test_what_all_validators_sign_is_still_worked_out_again(
    change: dict[str, object], why: str
) -> None:
    """An auditor believes no quorum either: roots are its own (architecture D6)."""
    report = check(recertify(4, lambda header: msgspec.structs.replace(header, **change)))

    assert (report.first_bad, report.why) == (4, why)


def test_a_signature_by_a_wrong_key_is_found_although_all_certified_it() -> None:
    chain = MadeChain(balances={"delfshaven/anna": 100})
    stolen = chain.tx(transfer("delfshaven-board-a", 1), federation.account("anna"), [(0, "eve")])
    run = chain.run()
    run._check = lambda _tx, _keys: True
    run.include(stolen)
    chain._decide(run, [stolen], 0, 99)

    report = check(chain.raws, chain.genesis)

    assert report.first_bad == 1
    assert report.why is not None
    assert "tx.signatures" in report.why


def test_damage_while_reading_counts_at_its_height() -> None:
    def blocks() -> Iterator[RawBlock]:
        yield from RAWS[:2]
        raise Malformed("no block 3")

    report = replay(CHAIN.genesis, blocks(), workers=1)

    assert (report.first_bad, report.last, report.why) == (3, 2, "no block 3")


def test_books_that_do_not_fit_the_state_are_found_at_their_height(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A contract that moves a balance without booking it: roots agree, the books do not (I15)."""
    key = BALANCES.key("delfshaven:EUR", "2", federation.account("anna"))
    add = Replay.add

    def add_and_meddle(run: Replay, *block: object) -> None:
        add(run, *block)  # type: ignore[arg-type]
        if run.base.height == 5:
            run.state[key] = encode(1_000_000)

    monkeypatch.setattr(Replay, "add", add_and_meddle)
    report = check(RAWS)

    assert report.first_bad is not None
    assert report.first_bad >= 6
    assert not report.ok


def test_signatures_of_ten_thousand_blocks_ahead_are_never_waiting() -> None:
    """What runs ahead is bounded in blocks, whatever the source gives."""
    pulled = 0

    def blocks() -> Iterator[RawBlock]:
        nonlocal pulled
        for raw in RAWS:
            pulled += 1
            yield raw
        bad = RAWS[-1]
        for _ in range(10_000):
            pulled += 1
            yield bad

    report = replay(CHAIN.genesis, blocks(), workers=1)

    assert report.first_bad == len(RAWS) + 1
    assert pulled <= len(RAWS) + 65


# --------------------------------------------------------------------------------- headers alone


def start_at(height: int) -> tuple[light.Trusted, ValidatorSet]:
    block = decode_block(RAWS[height - 1])
    trusted = light.trust_block(
        CHAIN.chain.chain_id,
        CHAIN.genesis.digest,
        block.header,
        block.certificate,
        VALIDATORS,
        VALIDATORS,
        verify,
    )
    return trusted, VALIDATORS


def follow(raws: list[RawBlock], known: ValidatorSet | None = VALIDATORS) -> Report:
    return follow_headers(*start_at(3), iter(raws), lambda _height, _hash: known)


def test_headers_alone_are_followed_and_the_report_says_that_nothing_was_executed() -> None:
    report = follow(list(RAWS[3:]))

    assert report.ok
    assert not report.from_genesis
    assert (report.first, report.last, report.headers) == (4, len(RAWS), len(RAWS) - 3)
    assert report.issued_cents == report.supply_cents == 0
    assert report.log_root == decode_block(RAWS[-1]).header.log_root


@given(st.integers(3, len(RAWS) - 1), st.sampled_from(PARTS), st.data())
def test_headers_alone_show_every_flipped_byte_too(
    place: int, part: str, data: st.DataObject
) -> None:
    raw = RAWS[place]
    if part == "envelopes" and not raw.envelopes:
        part = "body"
    changed: object = (
        (flip(raw.envelopes[0], data), *raw.envelopes[1:])
        if part == "envelopes"
        else flip(getattr(raw, part), data)
    )

    report = follow(with_block(place + 1, **{part: changed})[3:])

    assert (report.ok, report.first_bad) == (False, place + 1)


def test_validators_that_nobody_knows_end_the_walk_and_say_so() -> None:
    report = follow(list(RAWS[3:]), known=None)

    assert report.first_bad == 4
    assert report.why == "announces validators that are not known: verify from genesis"


# ------------------------------------------------------------------------- a set that has changed


def test_a_replay_follows_a_change_of_the_validators() -> None:
    """consensus V1, V2: the old set certifies the digest of the next, and then the next signs."""
    chain, first = make_changed_chain()

    report = check(chain.raws, chain.genesis)

    assert report.ok
    (old, new) = report.eras
    assert (old[:2], new[:2]) == ((1, first - 1), (first, None))
    assert federation.key("node-delfshaven") in old[2]
    assert federation.key("node-delfshaven") not in new[2]
    assert federation.key("node-new") in new[2]


def test_e4_a_replay_follows_a_validator_that_is_removed_for_evidence() -> None:
    """consensus E3, E4: judged again from the blocks alone, with real signatures."""
    chain, first = make_convicting_chain()
    guilty = federation.key("node-delfshaven")

    report = check(chain.raws, chain.genesis)

    assert report.ok
    (old, new) = report.eras
    assert (old[:2], new[:2]) == ((1, first - 1), (first, None))
    assert guilty in old[2]
    assert set(new[2].keys) == set(old[2].keys) - {guilty}


def test_e3_a_replay_refuses_evidence_that_proves_nothing() -> None:
    """A block whose makers removed an honest validator with a forged signature."""
    chain, first = make_convicting_chain()
    raws = list(chain.raws)
    block = decode_block(raws[first - 3])
    (raw,) = block.body.evidence
    forged = raw[:-1] + bytes([raw[-1] ^ 1])
    body = msgspec.structs.replace(block.body, evidence=(forged,))
    header = msgspec.structs.replace(block.header, body_hash=digest(body))
    validators = check(chain.raws, chain.genesis).eras[0][2]
    certificate = certify(header, validators, chain.chain.chain_id)
    raws[first - 3] = msgspec.structs.replace(
        raws[first - 3],
        header=encode(header),
        body=encode(body),
        certificate=encode(certificate),
    )

    report = check(raws, chain.genesis)

    assert report.first_bad == first - 2
    assert report.why == "evidence with a wrong signature"


def test_a_light_client_follows_a_change_that_was_announced_to_it() -> None:
    """consensus S9: each header names the set after it; another one is refused."""
    chain, first = make_changed_chain()
    (_, _, old), (_, _, new) = check(chain.raws, chain.genesis).eras
    block = decode_block(chain.raws[0])
    start = light.trust_block(
        chain.chain.chain_id,
        chain.genesis.digest,
        block.header,
        block.certificate,
        old,
        old,
        verify,
    )

    def walk(*known: ValidatorSet) -> Report:
        sets = {one.validators_hash: one for one in known}
        later = iter(chain.raws[1:])
        return follow_headers(start, old, later, lambda _height, named: sets.get(named))

    assert walk(old, new).ok
    assert walk(old, new).last == len(chain.raws)
    assert walk(old).first_bad == first - 1
    assert walk(old).why == "announces validators that are not known: verify from genesis"


def test_v6_a_certificate_by_a_set_that_is_out_is_refused() -> None:
    """The whole quorum of before signs the first height of the new set."""
    chain, first = make_changed_chain()
    old = check(chain.raws, chain.genesis).eras[0][2]
    block = decode_block(chain.raws[first - 1])
    forged = certify(block.header, old, chain.chain.chain_id, count=4)
    raws = list(chain.raws)
    raws[first - 1] = msgspec.structs.replace(raws[first - 1], certificate=encode(forged))

    report = check(raws, chain.genesis)

    assert report.first_bad == first
