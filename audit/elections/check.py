"""The checks of economy E29, in order. Every check goes on after a finding, so all are reported."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .counting import NINE, order_of, stv, winners_of
from .group import NEUTRAL, plus, point_ok
from .judging import UNREADABLE, Tell, judge, take
from .proofs import (
    Cast,
    Rules,
    WrongError,
    check_answer,
    check_commit,
    check_opening,
    check_share,
    opens_to,
    rules_of,
    share_point,
)
from .wire import (
    PROPOSE,
    BadBundleError,
    Bundle,
    Header,
    Transaction,
    account_of,
    leaf_of,
    path_ok,
    read_header,
    read_note,
    root_of,
    sha,
    signature_ok,
    unhex,
)

Trusted = Sequence[dict[str, bytes]]
VOTING, COUNTING, RESULT = "voting", "counting", "result"  # how far the election of a bundle is


@dataclass
class Report:
    """What was found, by check, and the figures that were worked out."""

    findings: list[tuple[str, str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def wrong(self, check: str, what: str) -> None:
        """Note that a check failed."""
        self.findings.append((check, what))

    def hold(self, check: str, held: bool, what: str) -> None:
        """Note that a check failed unless it held."""
        if not held:
            self.wrong(check, what)

    def ok(self, *checks: str) -> bool:
        """Say whether these checks, or all, found nothing."""
        return not any(check in checks or not checks for check, _ in self.findings)


@dataclass
class Work:
    """What the checks hand on to each other."""

    bundle: Bundle
    report: Report
    rules: Rules
    digest: bytes
    voters: set[bytes] = field(default_factory=set)
    commitments: list[list[bytes]] = field(default_factory=list)
    ballots_end: int | None = None  # the size of the log when voting ended
    beacon: bytes | None = None
    counted: dict[bytes, tuple[Transaction, Any]] = field(default_factory=dict)
    sums: list[tuple[bytes, bytes]] = field(default_factory=list)

    def named(self, name: str) -> list[Transaction]:
        """Return the transactions of one call, in the order of the log."""
        return [one for one in self.bundle.transactions if one.name == f"election.{name}"]


def verify(
    bundle: Bundle,
    *,
    earlier: Bundle | None = None,
    trusted: Trusted | None = None,
    processes: int = 1,
    tell: Tell = lambda _text: None,
) -> Report:
    """Check a bundle; `trusted` are validators that the auditor knows by another way: their keys by
    name, one set for each time that they were others.
    """
    digest = sha(bundle.manifest_bytes)
    report = Report()
    work = Work(bundle, report, rules_of(bundle.manifest, digest), digest)
    secret = bundle.manifest["method"] != "STV_EXACT"
    steps: list[tuple[str, Callable[[], None]]] = [
        ("bundle", lambda: check_bundle(work)),
        ("inclusion", lambda: check_inclusion(work, trusted)),
        ("signatures", lambda: check_signatures(work)),
        ("voters", lambda: check_voters(work)),
        ("manifest", lambda: check_manifest(work)),
        ("closing", lambda: check_closing(work, trusted)),
        ("ceremony", lambda: check_ceremony(work) if secret else None),
        ("ballots", lambda: check_ballots(work, processes, tell)),
        ("spoiled", lambda: check_spoiled(work)),
        ("sums", lambda: check_sums(work) if secret else None),
        ("shares", lambda: check_result(work) if secret else check_open_result(work)),
        ("removed", lambda: check_earlier(work, earlier)),
    ]
    for name, step in steps:
        tell(name)
        try:
            step()
        except (WrongError, BadBundleError) as error:
            report.wrong(name, str(error))
        except UNREADABLE as error:
            report.wrong(name, f"cannot be read: {type(error).__name__} {error}")
    return report


def check_bundle(work: Work) -> None:
    """The parts belong together: one chain, one election, one order, nothing refused."""
    meta, manifest = work.bundle.meta, work.bundle.manifest
    hold = work.report.hold
    hold("bundle", unhex(meta["chain_digest"], 32) == manifest["chain"], "another chain")
    hold("bundle", unhex(meta["election"], 32) == manifest["election"], "another election")
    rows = work.bundle.transactions
    rising = all(left.index < right.index for left, right in pairwise(rows))
    hold("bundle", rising, "the transactions are not in the order of the log")
    carried_out = {row.agreed for row in rows}
    for row in rows:
        if row.name == PROPOSE:
            used = row.id in carried_out and row.fields[0] == manifest["chain"]
            hold("bundle", used, f"proposal {row.id.hex()} is of nothing here")
            hold("bundle", row.code == 0, f"transaction {row.id.hex()} was refused by the chain")
            continue
        about = row.id if row.name == "election.call" else row.fields[1]
        fits = about == manifest["election"] and row.fields[0] == manifest["chain"]
        hold("bundle", fits, f"transaction {row.id.hex()} is of another election or chain")
        hold("bundle", row.code == 0, f"transaction {row.id.hex()} was refused by the chain")


def quorum_of(validators: int) -> int:
    """Return how many validators make a certificate (consensus)."""
    return (validators + (validators - 1) // 3) // 2 + 1


def check_note(work: Work, part: dict[str, Any], trusted: Trusted | None, check: str) -> Any:
    """Return a checkpoint after counting its signatures."""
    sets = trusted
    if sets is None:
        sets = [{name: unhex(key, 32) for name, key in part["keys"].items()}]
    hold = work.report.hold
    note, need, enough = read_note(part["note"], {}), 0, False
    for keys in sets:
        counted, needed = read_note(part["note"], keys), quorum_of(len(set(keys.values())))
        if not enough and counted.signed >= note.signed:
            note, need, enough = counted, needed, 0 < needed <= counted.signed
    hold(check, note.chain_id == work.bundle.meta["chain_id"], "another chain")
    hold(check, enough, f"the checkpoint has {note.signed} signatures of {need} needed")
    return note


def check_inclusion(work: Work, trusted: Trusted | None) -> None:
    """Every transaction, so every ballot digest, is in the log under one signed checkpoint."""
    note = check_note(work, work.bundle.meta["checkpoint"], trusted, "inclusion")
    for row in work.bundle.transactions:
        held = path_ok(leaf_of(row), row.index, note.size, row.path, note.root)
        work.report.hold("inclusion", held, f"transaction {row.id.hex()} is not in the log")


def check_signatures(work: Work) -> None:
    """Every signature holds, and ballots are signed by the credential that sent them."""
    for row in work.bundle.transactions:
        message = b"wijkchain/tx" + row.body
        held = len(row.keys) == len(row.signatures) > 0
        for key, (index, signature) in zip(row.keys, row.signatures, strict=False):
            held = held and signature_ok(key, message, signature)
            held = held and (index != 0 or account_of(key) == row.sender)
        if row.name in ("election.cast", "election.challenge"):
            held = held and len(row.signatures) == 1 and row.signatures[0][0] == 0
        work.report.hold("signatures", held, f"a signature of {row.id.hex()} does not hold")


def check_voters(work: Work) -> None:
    """L is sorted, each key sound and once, and no longer than the electorate (E13, E14)."""
    hold, manifest = work.report.hold, work.bundle.manifest
    (row,) = work.named("voter_root")
    _, _, height, eligible, blobs, root = row.fields
    data = b"".join(take(row, place, digest) for place, (digest, _) in enumerate(blobs))
    keys = [data[at : at + 32] for at in range(0, len(data), 32)]
    hold("voters", all(a < b for a, b in pairwise(keys)), "L is not sorted, or holds a key twice")
    hold("voters", all(point_ok(key) for key in keys), "L holds a key that is no valid point")
    hold("voters", len(keys) <= eligible, f"L has {len(keys)} keys for {eligible} voters")
    right = root_of([sha(b"\x00" + key) for key in keys])
    hold("voters", root == right == manifest["voters_root"], "the root of L is another")
    same = (height, eligible) == (manifest["reference_height"], manifest["electorate"])
    hold("voters", same, "the manifest names another electorate or height")
    work.voters = set(keys)
    work.report.figures["eligible"] = eligible


def check_manifest(work: Work) -> None:
    """The manifest is the one that was opened, and says what was called and nominated (E15)."""
    hold, manifest = work.report.hold, work.bundle.manifest
    (opened,) = work.named("open")
    hold("manifest", opened.fields[2] == work.digest, "voting was opened with another manifest")
    (called,) = work.named("call")
    kind, _decision, seats, areas, method, options, low, high = called.fields[1:9]
    score, blank, calendar, trustees = called.fields[9:13]
    count = len(manifest["options"])
    most = min(high, count * max(1, score))  # who asked for more than stand has all of them
    asked = {
        "kind": kind, "method": method, "score": score, "blank": blank, "areas": areas,
        "seats": min(seats, count), "min": min(low, most), "max": most,
        "opens": calendar[3], "closes": calendar[4],
    }  # fmt: skip
    for name, value in asked.items():
        hold("manifest", manifest[name] == value, f"{name} differs from what was called")
    taking_part = [account for account in trustees if account in manifest["trustees"]]
    hold("manifest", taking_part == manifest["trustees"], "the trustees are others than called")
    tests = [sha(b"wijk.rehearsal.1" + n.to_bytes(4, "big")) for n in range(1, count + 1)]
    work.report.figures["rehearsal"] = kind == "SURVEY" and options == tests  # E32: decides nothing
    stand = [[option[0], option[2]] for option in manifest["options"]]
    nominated = [row.fields[2:4] for row in work.named("nominate")]
    put = [[option, []] for option in options] or nominated
    hold("manifest", stand == put, "the options are others than nominated")


def check_closing(work: Work, trusted: Trusted | None) -> None:
    """Two neighbouring blocks say where in the log voting ended, and give the beacon of E8."""
    part = work.bundle.meta.get("closing")
    if part is None:
        return
    hold, closes = work.report.hold, work.bundle.manifest["closes"]
    last: Header = read_header(unhex(part["last"]))
    first: Header = read_header(unhex(part["first"]))
    note = check_note(work, part, trusted, "closing")
    hold("closing", note.block == first.id, "the closing block is not the one that was certified")
    linked = first.parent == last.id and first.height == last.height + 1
    hold("closing", linked, "the two blocks at the closing time do not follow each other")
    hold(
        "closing", last.time_s < closes <= first.time_s, "these blocks are not at the closing time"
    )
    chains = {last.chain, first.chain, work.bundle.manifest["chain"]}
    hold("closing", len(chains) == 1, "the closing blocks are of another chain")
    work.ballots_end, work.beacon = last.log_size, first.id


def check_ceremony(work: Work) -> None:
    """The key is what the trustees committed to, and every complaint was answered (E16)."""
    hold, manifest = work.report.hold, work.bundle.manifest
    chain, election = manifest["chain"], manifest["election"]
    rows = work.named("dkg")
    attempt = max(row.fields[2] for row in rows)
    number_of = {account: place for place, account in enumerate(manifest["trustees"], 1)}
    steps: dict[str, dict[int, list[Any]]] = {}
    for row in rows:
        if row.fields[2] == attempt and row.sender in number_of:
            of_phase = steps.setdefault(row.fields[3], {})
            of_phase.setdefault(number_of[row.sender], []).append(row.fields[4])
    n, t = len(manifest["trustees"]), manifest["threshold"]
    hold("ceremony", n >= 3 and t == n // 2 + 1, "too few trustees, or too low a threshold")  # noqa: PLR2004
    for i in range(1, n + 1):
        (commit,) = steps["COMMIT"][i]
        points = check_commit((chain, election, attempt), i, commit[1:])
        hold("ceremony", len(points) == t, f"trustee {i} committed to another threshold")
        hold("ceremony", i in steps.get("DEAL", {}), f"trustee {i} dealt no shares")
        work.commitments.append(points)
    hold("ceremony", work.commitments == manifest["commitments"], "the manifest has other C_ik")
    y = plus(*[points[0] for points in work.commitments])
    hold("ceremony", y == manifest["key"] and point_ok(y), "the key is not the sum of the C_i0")
    for j in range(1, n + 1):
        hold("ceremony", point_ok(share_point(work.commitments, j)), f"V_{j} is no valid point")
        for complaint in steps.get("COMPLAIN", {}).get(j, []):
            answers = steps.get("ANSWER", {}).get(complaint[1], [])
            answer = next((a for a in answers if a[1] == j), None)
            if answer is None:
                raise WrongError(f"trustee {complaint[1]} did not answer trustee {j}")
            check_answer(work.commitments[complaint[1] - 1], j, answer[2])
    spoke = set(steps.get("CONFIRM", {})) | set(steps.get("COMPLAIN", {}))
    quiet = sorted(set(range(1, n + 1)) - spoke)
    hold("ceremony", not quiet or bool(steps.get("ANSWER")), f"trustees {quiet} did not confirm")


def check_ballots(work: Work, processes: int, tell: Tell) -> None:
    """Every ballot proves itself; of each credential the last one counts (E18 to E21)."""
    report = work.report
    (opened,) = work.named("open")
    spoiled = {row.fields[2] for row in work.named("challenge")}
    rows = work.named("cast")
    pairs: Counter[tuple[bytes, bytes]] = Counter()
    seen: Counter[bytes] = Counter(row.fields[2] for row in rows)
    for digest, times in seen.items():
        report.hold("ballots", times == 1, f"ballot {digest.hex()} was cast {times} times")
    for row, cast in zip(
        rows, judge(work.rules, work.bundle.manifest, rows, processes, tell), strict=True
    ):
        label = f"ballot {row.fields[2].hex()[:20]}"
        if isinstance(cast, str):
            report.wrong("ballots", f"{label}: {cast}")
            continue
        late = work.ballots_end is not None and row.index >= work.ballots_end
        report.hold("ballots", not late, f"{label} came after voting ended")
        report.hold("ballots", row.index > opened.index, f"{label} came before voting began")
        listed = cast.voter in work.voters
        report.hold("ballots", listed, f"{label} is of a credential that is not in L")
        report.hold("spoiled", row.fields[2] not in spoiled, f"{label} was spoiled, and cast")
        if isinstance(cast, Cast):
            pairs.update(cast.pairs)
        work.counted[cast.voter] = (row, cast)
    twice = sum(times - 1 for times in pairs.values())
    report.hold("ballots", twice == 0, f"{twice} ciphertexts stand in more than one ballot")
    report.figures |= {
        "ballots": len(work.counted),
        "cast": len(rows),
        "spoiled": len(spoiled),
        "duplicates": len(rows) - len(work.counted),
    }


def check_spoiled(work: Work) -> None:
    """Spoiled ballots hide what was shown, and are not counted (E21)."""
    cast = {row.fields[2] for row in work.named("cast")}
    for row in work.named("challenge"):
        ballot, _values = check_opening(work.rules, row.keys[0], take(row, 0, row.fields[3]))
        held = sha(ballot) == row.fields[2] and row.fields[2] not in cast
        work.report.hold("spoiled", held, f"{row.fields[2].hex()[:20]} was opened, and counts")


def check_sums(work: Work) -> None:
    """The sums are those of the last ballots (E22)."""
    sums = [(NEUTRAL, NEUTRAL) for _ in work.rules.slots]
    for _, cast in work.counted.values():
        sums = [
            (plus(a, alpha), plus(b, beta))
            for (a, b), (alpha, beta) in zip(sums, cast.pairs, strict=True)
        ]
    work.sums = sums
    claims = work.bundle.meta.get("claims")
    if claims is not None:
        run = b"".join(alpha + beta for alpha, beta in sums)
        work.report.hold("sums", unhex(claims["sums"]) == run, "the sums are others than claimed")
        same = claims["ballots"] == len(work.counted)
        said = f"{claims['ballots']} ballots were claimed, {len(work.counted)} count"
        work.report.hold("sums", same, said)


def find_result(work: Work) -> dict[str, Any] | None:
    """Return what the bundle claims about the result, or None where there is none yet.

    A bundle of before the result proves no result, and says so: `stage`.
    """
    claims: dict[str, Any] | None = work.bundle.meta.get("claims")
    set_ = work.named("result")
    both = len(set_) == 1 and claims is not None
    neither = not set_ and claims is None
    said = "a result without claims, claims without a result, or more than one"
    work.report.hold("result", both or neither, said)
    voted = COUNTING if work.bundle.meta.get("closing") is not None else VOTING
    work.report.figures["stage"] = RESULT if both else voted
    return claims if both else None


def check_result(work: Work) -> None:
    """Shares, counts, ranking and seats (E23, E24, E6, E8)."""
    report, manifest = work.report, work.bundle.manifest
    claims = find_result(work)
    if claims is None:
        return
    shares: dict[int, list[bytes]] = {}
    for row in work.named("decrypt_share"):
        j = manifest["trustees"].index(row.sender) + 1
        report.hold("shares", j not in shares, f"trustee {j} gave shares twice")
        v_j = share_point(work.commitments, j)
        shares[j] = check_share(work.rules, v_j, j, work.sums, row.fields[2])
    counts = work.named("result")[-1].fields[2]
    highest = len(work.counted) * work.rules.score
    in_range = all(isinstance(m, int) and 0 <= m <= highest for m in counts)
    report.hold("result", in_range, "a count is higher than all ballots together")
    if work.counted:
        enough = len(shares) >= manifest["threshold"]
        report.hold("shares", enough, f"{len(shares)} shares of {manifest['threshold']} needed")
        right = enough and in_range and opens_to(work.sums, shares, manifest["threshold"], counts)
        report.hold("result", right, "the counts do not follow from the sums and the shares")
    by_slot = dict(zip(work.rules.slots, counts, strict=True))
    report.hold("result", claims["counts"] == counts, "the claimed counts differ from the result")
    check_order(work, {number: m for number, m in by_slot.items() if number}, claims)
    report.figures |= {
        "shares": len(shares),
        "counts": {str(number): m for number, m in by_slot.items()},
    }


def check_order(work: Work, counts: dict[int, int], claims: dict[str, Any]) -> None:
    """The ranking and the seats follow from the counts and the beacon."""
    report = work.report
    if work.beacon is None:
        report.wrong("result", "ties cannot be settled without the blocks at the closing time")
        return
    order = order_of(counts, work.beacon)
    elected = winners_of(work.bundle.manifest, order)
    report.hold("result", claims["order"] == order, "the ranking is another")
    report.hold("result", claims["elected"] == elected, "others are elected")
    report.figures["elected"] = elected


def check_open_result(work: Work) -> None:
    """Open ballots are counted here again (E6, STV_EXACT). Such a count is advice: no seats."""
    report, manifest = work.report, work.bundle.manifest
    claims = find_result(work)
    if claims is None:
        return
    if work.beacon is None:
        report.wrong("result", "ties cannot be settled without the blocks at the closing time")
        return
    options = list(range(1, len(manifest["options"]) + 1))
    ballots = [cast.ranking for _, cast in work.counted.values()]
    first, votes = stv(options, ballots, max(1, manifest["seats"]), work.beacon)
    units = {option: int(votes[option] * NINE) for option in options}
    rest = order_of({o: units[o] for o in options if o not in first}, work.beacon)
    report.hold("result", claims["counts"] == list(units.values()), "the votes are others")
    report.hold("result", claims["order"] == [*first, *rest], "the ranking is another")
    same = claims["ballots"] == len(work.counted)
    report.hold("sums", same, f"{claims['ballots']} ballots were claimed, not as many count")
    report.figures["counts"] = {str(option): m for option, m in units.items()}


def check_earlier(work: Work, earlier: Bundle | None) -> None:
    """Nothing that stood in an earlier bundle is gone or moved."""
    if earlier is None:
        return
    now = {row.id: row.index for row in work.bundle.transactions}
    for row in earlier.transactions:
        held = now.get(row.id) == row.index
        work.report.hold("removed", held, f"{row.name} {row.id.hex()} was there before")
