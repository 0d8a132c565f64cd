"""The independent verifier finds every planted forgery (economy E29, A3, A4)."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.elections.__main__ import main
from audit.elections.check import Report, verify
from audit.elections.wire import BadBundleError, read_bundle
from chain.ballot import Ballot, Opening
from chain.codec import decode, encode
from chain.crypto import public_key, sha256
from chain.group import ORDER, add, multiply_base, scalar_of
from chain.manifest import AreaSeats, Option, Pledge, fix
from chain.tally import Share, add_ballot, start_sums
from tests.audit import made_bundle as made
from tests.made_election import CLOSES, OPENS, counted, seed_of, voter_seeds
from wallet.ballots import make_ballot, score
from wallet.trustee import make_shares

CHECKOUT = Path(__file__).parents[2]


def judge(held: made.Held, folder: Path, **options: Any) -> Report:
    return verify(read_bundle(held.write(folder / "bundle")), **options)


def checks(report: Report) -> set[str]:
    return {check for check, _ in report.findings}


def finished() -> made.Held:
    held, last = made.hold_election()
    made.count(held, last)
    return held


def replace_ballot(data: bytes, **fields: Any) -> bytes:
    return encode(msgspec.structs.replace(decode(Ballot, data), **fields))


def test_an_honest_election_has_no_findings(tmp_path: Path) -> None:
    report = judge(finished(), tmp_path)
    assert report.findings == []
    assert report.figures["ballots"] == 5
    assert report.figures["cast"] == 6
    assert report.figures["duplicates"] == 1
    assert report.figures["spoiled"] == 1
    assert report.figures["counts"] == {"0": 1, "1": 1, "2": 2, "3": 0, "4": 2}
    assert report.figures["elected"] in ([2, 4], [4, 2])


@pytest.mark.parametrize(
    "shape",
    [
        {"kind": "DECISION", "method": "YES_NO", "seats": 0, "min": 0, "max": 1, "options": 1},
        {"kind": "SURVEY", "method": "SCORE", "score": 3, "seats": 0, "max": 12},
        {"kind": "SURVEY", "method": "SCORE", "score": 1, "seats": 0, "max": 4},
        {"agreed": True},
        {
            "method": "APPROVAL_BUURT",
            "areas": (AreaSeats("BU001", 1), AreaSeats("BU002", 1)),
        },
        {"blank": 0},
    ],
    ids=["yes-no", "score", "one-point", "agreed", "buurt", "no-blank"],
)
def test_every_method_verifies(shape: dict[str, Any], tmp_path: Path) -> None:
    held = made.begin(**shape)
    last = {}
    for voter in range(5):
        if shape.get("method") == "SCORE":
            key = public_key(held.seeds[voter])
            points = {1: voter % 4, 3: 2} if shape["score"] > 1 else {1: voter % 2, 3: 1}
            data = make_ballot(held.fixed, key, score(held.fixed, points), counted(str(voter))).data
            made.send_ballot(held, held.seeds[voter], data)
        else:
            data = made.cast(held, voter, [1] if voter % 2 else [])
        last[voter] = data
    made.close(held)
    made.count(held, last)
    assert judge(held, tmp_path).findings == []


def test_open_ballots_verify_and_an_option_twice_is_found(tmp_path: Path) -> None:
    stv: dict[str, Any] = {
        "kind": "SURVEY", "method": "STV_EXACT", "seats": 0, "min": 1, "max": 4, "blank": 0,
    }  # fmt: skip
    held = made.begin(**stv)
    rankings = [[1, 2], [2, 1, 3], [3], [2, 3, 4], [4, 1]]
    last = {voter: made.cast(held, voter, ranking) for voter, ranking in enumerate(rankings)}
    last[0] = made.cast(held, 0, [3, 1])
    made.close(held)
    made.count(held, last)
    assert judge(held, tmp_path).findings == []
    held.meta["claims"]["order"] = held.meta["claims"]["order"][::-1]
    (tmp_path / "again").mkdir()
    assert checks(judge(held, tmp_path / "again")) == {"result"}


def test_no_ballots_need_no_shares(tmp_path: Path) -> None:
    held = made.begin()
    made.close(held)
    made.count(held, {}, shares={1: ()}, counts=[0] * 5)
    held.ledger.rows = [
        row for row in held.ledger.rows if b"decrypt_share".hex() not in row["envelope"]
    ]
    assert judge(held, tmp_path).findings == []


# --- planted forgeries ----------------------------------------------------------------------------


def plant(forge: Callable[[made.Held, dict[int, bytes]], bytes], voter: int = 6) -> made.Held:
    """Hold an election in which the chain took a ballot that it should have refused."""
    held = made.begin()
    last = {number: made.cast(held, number, [1 + number % 4]) for number in range(4)}
    data = forge(held, last)
    made.send_ballot(held, held.seeds[voter], data)
    last[voter] = data
    made.close(held)
    made.count(held, {number: one for number, one in last.items() if number != voter})
    held.meta["claims"]["ballots"] = len(last)
    return held


def honest(held: made.Held, voter: int = 6, numbers: tuple[int, ...] = (2,)) -> bytes:
    values = tuple(int(slot in numbers) for slot in held.fixed.slots)
    return make_ballot(held.fixed, public_key(held.seeds[voter]), values, counted("plant")).data


def forge_proof(held: made.Held, last: dict[int, bytes]) -> bytes:
    data = honest(held)
    proofs = decode(Ballot, data).proofs
    return replace_ballot(data, proofs=proofs[:64] + scalar_of(7) + proofs[96:])


def copy_ballot(held: made.Held, last: dict[int, bytes]) -> bytes:
    return replace_ballot(last[0], voter=public_key(held.seeds[6]))


def copy_whole(held: made.Held, last: dict[int, bytes]) -> bytes:
    return last[0]


def small_order(held: made.Held, last: dict[int, bytes]) -> bytes:
    data = honest(held)
    run = decode(Ballot, data).ciphertexts
    mixed = add(run[:32], bytes(32))
    return replace_ballot(data, ciphertexts=mixed + run[32:])


def out_of_range(held: made.Held, last: dict[int, bytes]) -> bytes:
    """Two votes for one option: beta is raised by G, the proofs stay."""
    data = honest(held)
    run = decode(Ballot, data).ciphertexts
    place = 64 * held.fixed.slots.index(2) + 32
    raised = add(run[place : place + 32], multiply_base(scalar_of(1)))
    return replace_ballot(data, ciphertexts=run[:place] + raised + run[place + 32 :])


def other_election(held: made.Held, last: dict[int, bytes]) -> bytes:
    return replace_ballot(honest(held), election=bytes(32))


def too_many(held: made.Held, last: dict[int, bytes]) -> bytes:
    """Four choices of three: proved under a manifest that allows four."""
    wider = fix(msgspec.structs.replace(held.fixed.manifest, max=4))
    values = (0, 1, 1, 1, 1)
    data = make_ballot(wider, public_key(held.seeds[6]), values, counted("wide")).data
    return replace_ballot(
        data, manifest=held.fixed.digest, proofs=decode(Ballot, data).proofs[:-64]
    )


@pytest.mark.parametrize(
    "forge",
    [forge_proof, copy_ballot, copy_whole, small_order, out_of_range, other_election, too_many],
)
def test_a_forged_ballot_is_found(
    forge: Callable[[made.Held, dict[int, bytes]], bytes], tmp_path: Path
) -> None:
    report = judge(plant(forge), tmp_path)
    assert "ballots" in checks(report)
    assert not report.ok()


def test_a_score_out_of_range_is_found(tmp_path: Path) -> None:
    held = made.begin(kind="SURVEY", method="SCORE", score=3, seats=0, max=12)
    lie = fix(msgspec.structs.replace(held.fixed.manifest, score=5))
    key = public_key(held.seeds[0])
    data = make_ballot(lie, key, score(lie, {1: 5}), counted("five")).data
    proofs = decode(Ballot, data).proofs
    kept = b"".join(proofs[128 + 384 * at : 128 + 384 * at + 256] for at in range(4))
    data = replace_ballot(
        data, manifest=held.fixed.digest, proofs=proofs[:128] + kept + proofs[128 + 384 * 4 :]
    )
    made.send_ballot(held, held.seeds[0], data)
    made.close(held)
    made.finish(held)
    report = judge(held, tmp_path)
    assert report.findings == [
        ("ballots", f"ballot {sha256(data).hex()[:20]}: the proof bit of the ballot does not hold")
    ]


def test_a_late_ballot_is_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    last[6] = made.cast(held, 6, [3])
    made.count(held, last)
    report = judge(held, tmp_path)
    assert checks(report) == {"ballots"}
    assert "after voting ended" in report.findings[0][1]


def test_a_ballot_of_a_stranger_is_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    held.seeds.append(seed_of("stranger"))
    made.close(held)
    last[8] = made.cast(held, 8, [3])
    made.close(held)
    made.count(held, last)
    report = judge(held, tmp_path)
    assert checks(report) == {"ballots"}
    assert "not in L" in report.findings[0][1]


def test_a_credential_that_stands_twice_in_the_list_is_found(tmp_path: Path) -> None:
    keys = [public_key(seed) for seed in voter_seeds(8)]
    held = made.begin(list_keys=(keys[0], *keys))
    made.close(held)
    made.finish(held)
    assert "voters" in checks(judge(held, tmp_path))


def test_more_credentials_than_voters_are_found(tmp_path: Path) -> None:
    held = made.begin(electorate=7)
    made.close(held)
    made.finish(held)
    report = judge(held, tmp_path)
    assert report.findings == [("voters", "L has 8 keys for 7 voters")]


def test_two_ballots_of_one_credential_that_both_count_are_found(tmp_path: Path) -> None:
    """The chain forgot to subtract the first one."""
    held, last = made.hold_election()
    twice = {**last, 99: made.cast(held, 2, [1, 3])}
    made.close(held)
    made.count(held, twice)
    assert checks(judge(held, tmp_path)) == {"sums", "shares"}


def test_a_removed_ballot_is_found(tmp_path: Path) -> None:
    """By the sums, and by the bundle of a day before."""
    held = finished()
    whole = held.write(tmp_path / "yesterday")
    casts = [row for row in held.ledger.rows if b"election.cast".hex() in row["envelope"]]
    held.ledger.rows.remove(casts[0])
    report = judge(held, tmp_path, earlier=read_bundle(whole))
    assert {"sums", "removed"} <= checks(report)
    assert "removed" not in checks(verify(read_bundle(whole), earlier=read_bundle(whole)))


def test_wrong_sums_are_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    more = made.cast(held, 7, [1])  # cast, but not in the log that is shown
    held.ledger.rows.pop()
    made.close(held)
    made.count(held, {**last, 7: more})
    assert {"sums", "shares"} & checks(judge(held, tmp_path))


def test_a_wrong_share_is_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    sums = start_sums(len(held.fixed.slots))
    for data in last.values():
        sums = add_ballot(sums, decode(Ballot, data).ciphertexts)
    shares: dict[int, tuple[Share, ...]] = {
        number: make_shares(held.fixed, number, held.ceremony.secrets[number], sums)
        for number in (1, 2, 4)
    }
    lie = make_shares(held.fixed, 2, scalar_of(12345), sums)
    made.count(held, last, shares={**shares, 2: lie})
    report = judge(held, tmp_path)
    assert checks(report) == {"shares"}
    assert "trustee 2" in report.findings[0][1]


def test_two_shares_of_three_are_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    made.count(held, last)
    held.ledger.rows = [
        row for row in held.ledger.rows
        if b"decrypt_share".hex() not in row["envelope"] or row["index"] % 3
    ][:]  # fmt: skip
    given = [row for row in held.ledger.rows if b"decrypt_share".hex() in row["envelope"]]
    assert len(given) == 2
    assert {"shares", "result"} <= checks(judge(held, tmp_path))


@pytest.mark.parametrize("counts", [[1, 1, 2, 0, 1], [1, 2, 2, 0, 1], [0, 1, 2, 0, 2]])
def test_a_wrong_result_is_found(counts: list[int], tmp_path: Path) -> None:
    held, last = made.hold_election()
    made.count(held, last, counts=counts)
    assert "result" in checks(judge(held, tmp_path))


def test_others_elected_or_another_order_is_found(tmp_path: Path) -> None:
    held = finished()
    held.meta["claims"]["elected"] = [1, 3]
    assert checks(judge(held, tmp_path)) == {"result"}
    held.meta["claims"]["elected"] = held.meta["claims"]["order"][:2]
    held.meta["claims"]["order"] = [3, 1, 2, 4]
    (tmp_path / "two").mkdir()
    assert checks(judge(held, tmp_path / "two")) == {"result"}


def test_a_spoiled_ballot_that_was_cast_is_found(tmp_path: Path) -> None:
    held = made.begin()
    data = made.spoil(held, 3, [1])
    made.send_ballot(held, held.seeds[3], data)
    made.close(held)
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"spoiled"}


def test_a_false_opening_is_found(tmp_path: Path) -> None:
    held = made.begin()
    made.spoil(held, 3, [1])
    row = held.ledger.rows[-1]
    opening = bytes.fromhex(row["blobs"][0])
    row["blobs"] = [(opening[:-1] + b"\x01").hex()]
    made.close(held)
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"spoiled"}


def test_a_key_that_one_trustee_could_know_is_found(tmp_path: Path) -> None:
    """A commitment that is not proved, and a manifest with another key."""
    held = finished()
    manifest = held.fixed.manifest
    held.meta["manifest"] = encode(
        msgspec.structs.replace(manifest, key=multiply_base(scalar_of(5)))
    ).hex()
    report = judge(held, tmp_path)
    assert {"manifest", "ceremony"} <= checks(report)


def test_a_complaint_without_answer_is_found(tmp_path: Path) -> None:
    held = finished()
    held.ledger.rows = [
        row for row in held.ledger.rows if b"wijk.key_answer".hex() not in row["envelope"]
    ]
    report = judge(held, tmp_path)
    assert checks(report) == {"ceremony"}
    assert "did not answer" in report.findings[0][1]


def test_other_options_than_nominated_are_found(tmp_path: Path) -> None:
    held = made.begin()
    manifest = held.fixed.manifest
    stranger = (Option(bytes(32), None, ()), *manifest.options[1:])
    other = fix(msgspec.structs.replace(manifest, options=stranger))
    held.ledger.rows.pop()
    held.fixed = other
    held.ledger.send(seed_of("anybody"), ["election.open", held.election, other.digest])
    made.close(held)
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"manifest"}


def test_a_transaction_that_is_not_in_the_log_is_found(tmp_path: Path) -> None:
    held = finished()
    folder = held.write(tmp_path / "bundle")
    path = folder / "transactions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-1]["path"] = rows[-1]["path"][::-1]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert checks(verify(read_bundle(folder))) == {"inclusion"}


def test_a_signature_by_another_key_is_found(tmp_path: Path) -> None:
    held = finished()
    held.ledger.rows[-1]["keys"] = [public_key(seed_of("else")).hex()]
    assert checks(judge(held, tmp_path)) == {"signatures"}


def test_a_checkpoint_of_two_validators_of_four_is_found(tmp_path: Path) -> None:
    held = finished()
    header = held.ledger.header(60, bytes(32), CLOSES + 600)
    held.meta["checkpoint"] = held.ledger.checkpoint(header, signers=2)
    report = judge(held, tmp_path)
    assert report.findings == [("inclusion", "the checkpoint has 2 signatures of 3 needed")]


def test_validators_that_the_auditor_does_not_know_are_found(tmp_path: Path) -> None:
    """Keys in the bundle are only what the bundle says: the auditor brings others."""
    trusted = {name: public_key(seed_of(f"real {name}")) for name in made.VALIDATORS}
    assert {"inclusion", "closing"} == checks(judge(finished(), tmp_path, trusted=[trusted]))
    known = {name: public_key(seed) for name, seed in made.VALIDATORS.items()}
    (tmp_path / "two").mkdir()
    assert judge(finished(), tmp_path / "two", trusted=[known]).findings == []


def test_an_auditor_may_know_validators_of_several_times(tmp_path: Path) -> None:
    """An election may change who runs the chain: E38. No set at all is not the one it names."""
    known = {name: public_key(seed) for name, seed in made.VALIDATORS.items()}
    before = {f"before {name}": public_key(seed_of(f"before {name}")) for name in known}
    for number, sets in enumerate(([before, known], [known, before])):
        (tmp_path / str(number)).mkdir()
        assert judge(finished(), tmp_path / str(number), trusted=sets).findings == []
    (tmp_path / "none").mkdir()
    report = judge(finished(), tmp_path / "none", trusted=[])
    assert checks(report) == {"inclusion", "closing"}


def test_a_beacon_that_is_not_at_the_closing_time_is_found(tmp_path: Path) -> None:
    held, last = made.hold_election()
    first = held.ledger.header(51, bytes(32), CLOSES + 60)
    held.meta["closing"] |= {"first": encode(first).hex(), **held.ledger.checkpoint(first)}
    made.count(held, last)
    assert checks(judge(held, tmp_path)) == {"closing"}


def test_pruned_ballots_cannot_be_verified_any_more(tmp_path: Path) -> None:
    held = finished()
    for row in held.ledger.rows:
        if b"election.cast".hex() in row["envelope"]:
            row["blobs"] = [None]
    report = judge(held, tmp_path)
    assert "ballots" in checks(report)
    assert "pruned" in report.findings[0][1]


# --- the program ----------------------------------------------------------------------------------


def test_a_bundle_in_the_middle_of_voting_verifies(tmp_path: Path) -> None:
    held = made.begin()
    made.cast(held, 0, [1])
    made.finish(held)
    assert judge(held, tmp_path).findings == []


def test_the_program_runs_alone_and_says_what_it_found(tmp_path: Path) -> None:
    """Copied out of the project, it needs nothing of it."""
    folder = finished().write(tmp_path / "bundle")
    alone = tmp_path / "alone" / "elections"
    alone.mkdir(parents=True)
    for source in (CHECKOUT / "audit" / "elections").glob("*.py"):
        (alone / source.name).write_bytes(source.read_bytes())
    run = subprocess.run(
        [sys.executable, "-m", "elections", str(folder), "--processes", "2"],
        cwd=alone.parent, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = json.loads(run.stdout)
    assert run.returncode == 0, run.stderr
    assert said["ok"] is True
    assert said["findings"] == []
    assert (said["eligible"], said["ballots"], said["duplicates"]) == (10, 5, 1)
    assert (said["signatures_ok"], said["proofs_ok"], said["sums_ok"]) == (True, True, True)


def test_the_program_exits_8_with_findings_and_2_without_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = finished()
    held.meta["claims"]["elected"] = []
    validators = tmp_path / "validators.json"
    keys = {name: public_key(seed).hex() for name, seed in made.VALIDATORS.items()}
    validators.write_text(json.dumps(keys))
    folder = held.write(tmp_path / "bundle")
    assert main([str(folder), "--validators", str(validators), "--earlier", str(folder)]) == 8
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert [finding["check"] for finding in said["findings"]] == ["result"]
    assert main([str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bundle.json", "[]"),
        ("bundle.json", "{"),
        ("bundle.json", '{"format": "wijk/election-bundle/2"}'),
        ("bundle.json", '{"format": "wijk/election-bundle/1", "manifest": "ZZ"}'),
        ("transactions.jsonl", "{}\n"),
        ("transactions.jsonl", '{"envelope": "c0"}\n'),
        ("transactions.jsonl", '{"envelope": "92c400"}'),
        ("transactions.jsonl", "x" * (1 << 21)),
    ],
)
def test_what_is_no_bundle_is_refused(name: str, text: str, tmp_path: Path) -> None:
    folder = finished().write(tmp_path / "bundle")
    (folder / name).write_text(text)
    with pytest.raises(BadBundleError):
        read_bundle(folder)
    assert main([str(folder)]) == 2


# --- a bundle that leaves out or adds what it should not ------------------------------------------


def _no_claims(held: made.Held) -> None:
    held.meta["claims"] = None


def _no_result(held: made.Held) -> None:
    rows = held.ledger.rows
    held.ledger.rows = [row for row in rows if b"election.result".hex() not in row["envelope"]]


def _two_results(held: made.Held) -> None:
    counts = held.meta["claims"]["counts"]
    held.ledger.send(seed_of("anybody"), ["election.result", held.election, counts])
    made.finish(held)


def _shares_twice(held: made.Held) -> None:
    row = next(
        row for row in held.ledger.rows if b"election.decrypt_share".hex() in row["envelope"]
    )
    held.ledger.rows.append({**row, "index": len(held.ledger.leaves)})
    held.ledger.leaves.append(held.ledger.leaves[row["index"]])
    made.finish(held)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_no_claims, {"result"}),
        (_no_result, {"result"}),
        (_two_results, {"result"}),
        (_shares_twice, {"shares"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_result_that_is_there_in_part_is_found(
    change: Callable[[made.Held], None], found: set[str], tmp_path: Path
) -> None:
    held = finished()
    change(held)
    assert checks(judge(held, tmp_path)) == found


@pytest.mark.parametrize(
    "changed",
    [
        {"seats": 3},
        {"max": 2},
        {"min": 1},
        {"quorum_pct": 10, "trustees": ()},
        {"threshold": 2},
        {"blank": 0},
    ],
    ids="-".join,
)
def test_a_manifest_of_another_election_than_was_called_is_found(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    """What voting was opened with is what the board called and who stood."""
    held = made.begin()
    forged = msgspec.structs.replace(held.fixed.manifest, **changed)
    held.ledger.rows = held.ledger.rows[:-1]
    held.fixed = fix(forged)
    held.ledger.send(seed_of("anybody"), ["election.open", held.election, held.fixed.digest])
    made.finish(held)
    assert {"manifest", "ceremony"} & checks(judge(held, tmp_path))


def test_pledges_that_were_changed_are_found(tmp_path: Path) -> None:
    """economy E9: what a candidate promised is fixed before the vote."""
    held = made.begin()
    first, *rest = held.fixed.manifest.options
    promised = msgspec.structs.replace(first, pledges=(Pledge("SAFE", 1, 2, 20_270_101),))
    held.ledger.rows = held.ledger.rows[:-1]
    held.fixed = fix(msgspec.structs.replace(held.fixed.manifest, options=(promised, *rest)))
    held.ledger.send(seed_of("anybody"), ["election.open", held.election, held.fixed.digest])
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"manifest"}


def test_a_bundle_says_how_far_its_election_is(tmp_path: Path) -> None:
    """One of before the result has no findings, and proves no result."""
    held, last = made.hold_election()
    made.finish(held)
    assert judge(held, tmp_path).figures["stage"] == "counting"
    made.count(held, last)
    (tmp_path / "result").mkdir()
    assert judge(held, tmp_path / "result").figures["stage"] == "result"
    (tmp_path / "voting").mkdir()
    early = made.begin()
    made.finish(early)
    assert judge(early, tmp_path / "voting").figures["stage"] == "voting"


def test_an_approval_of_something_else_is_no_bundle(tmp_path: Path) -> None:
    """economy B6: what a shared account agreed to stands in its proposal."""
    held = made.begin(agreed=True)
    made.finish(held)
    proposal = held.ledger.rows.pop(0)
    assert b"accounts.propose".hex() in proposal["envelope"]
    with pytest.raises(BadBundleError):
        judge(held, tmp_path)


def test_a_proposal_that_nothing_came_of_is_found(tmp_path: Path) -> None:
    held = finished()
    held.ledger.send(seed_of("board"), ["accounts.propose", encode(["coin.other"]), OPENS])
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"bundle"}


def test_a_signature_that_is_a_number_takes_no_memory(tmp_path: Path) -> None:
    """`bytes(10**12)` in Python is that many zeros."""
    held = finished()
    body = decode(list, bytes.fromhex(held.ledger.rows[0]["envelope"]))[0]
    held.ledger.rows[0]["envelope"] = encode([body, [[0, 10**12]]]).hex()
    with pytest.raises(BadBundleError):
        judge(held, tmp_path)


def test_an_opening_with_a_number_above_q_is_found(tmp_path: Path) -> None:
    """economy E28: another number for the same point."""
    held, _ = made.hold_election()
    row = next(row for row in held.ledger.rows if b"election.challenge".hex() in row["envelope"])
    opening = decode(Opening, bytes.fromhex(row["blobs"][0]))
    above = int.from_bytes(opening.randoms[:32], "little") + ORDER
    randoms = above.to_bytes(32, "little") + opening.randoms[32:]
    data = encode(msgspec.structs.replace(opening, randoms=randoms))
    call = ["election.challenge", held.election, sha256(opening.ballot), sha256(data), len(data)]
    held.ledger.rows.remove(row)
    seed = next(one for one in held.seeds if public_key(one).hex() == row["keys"][0])
    held.ledger.send(seed, call, [data])
    made.finish(held)
    assert checks(judge(held, tmp_path)) == {"spoiled"}
