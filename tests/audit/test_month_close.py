"""A year closed month after month, and what somebody changed in it (issue 5, ADR 0099)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from audit.blocks import RawBlock
from audit.month_check import find_breaks, find_faults, find_restated
from audit.month_close import (
    CLOSE_BYTES_MAX,
    Day,
    Finding,
    MonthClose,
    decode_close,
    digest_of,
    encode_close,
    read_month,
)
from audit.month_cuts import Cuts
from audit.month_make import NotOver, find_accounts, make_close, sort_files
from audit.month_verify import (
    judge_certificate,
    judge_figures,
    judge_row,
    judge_signers,
    name_signer,
)
from audit.replay import replay
from chain.codec import encode
from chain.crypto import sha256
from chain.dates import DAY_S, to_days
from chain.errors import Malformed
from chain.keyspaces import STATEMENTS
from chain.policy import Policy, build_policy
from cli import wijk
from testnet.decide import Deciders
from testnet.year_plan import YEAR
from tests.made_year import MadeYear, Recorder, small_year

WIJK = "delfshaven"
MONTHS = [YEAR * 100 + number for number in range(1, 13)]


class Closed(NamedTuple):
    year: MadeYear
    cuts: Cuts
    policy: Policy
    closes: list[MonthClose]


@cache
def closed() -> Closed:
    """The year with a block of January after it, executed once; no signature is looked at."""
    year = small_year()
    store = Recorder(year.store.store.snapshot())  # type: ignore[arg-type]
    after = (to_days((YEAR + 1) * 10_000 + 101) * DAY_S + 6 * 3_600) * 1_000
    Deciders(year.plan, year.genesis, store).decide(after, [])
    raws = [store.raw_block(height) for height in range(1, store.tip.height + 1)]
    cuts = Cuts(frozenset(MONTHS))
    report = replay(
        year.genesis,
        cuts.watch(RawBlock(*raw) for raw in raws if raw is not None),
        verify=lambda _key, _message, _signature: True,
        workers=1,
        on_begin=cuts.begin,
        on_executed=cuts.add,
        on_end=cuts.end,
    )
    assert report.ok, report.why
    closes: list[MonthClose] = []
    for month in MONTHS:
        closes.append(close_of(year, cuts, month, closes[-1] if closes else None))
    policy = build_policy(year.genesis.doc.chain_id, year.genesis.digest, report.eras)
    return Closed(year, cuts, policy, closes)


def file_of(year: MadeYear, month: int) -> bytes:
    return year.files[f"{WIJK}-{month // 100}-{month % 100:02}.xml"]


def close_of(
    year: MadeYear, cuts: Cuts, month: int, previous: MonthClose | None, *files: bytes
) -> MonthClose:
    bank = sort_files(find_accounts(cuts, WIJK), files or [file_of(year, month)], "EUR")
    return make_close(year.genesis, cuts, WIJK, month, bank, previous)


def kinds(close: MonthClose, before: MonthClose | None = None) -> set[str]:
    """Every fault that is found without and with the chain."""
    made = closed()
    faults = find_faults(close) + judge_certificate(close, made.policy)
    faults += judge_figures(close, made.year.genesis, made.cuts, None)
    if before is not None:
        faults += find_breaks(close, before)
    assert all(one.nl and one.en for one in faults)
    return {one.kind for one in faults}


def test_a_year_is_closed_month_after_month() -> None:
    made = closed()
    files = {sha256(data).hex(): data for data in made.year.files.values()}
    assert [one.findings for one in made.closes] == [()] * 12
    assert judge_row(made.closes, None) == [[]] * 12
    for close in made.closes:
        assert judge_certificate(close, made.policy) == []
        assert judge_figures(close, made.year.genesis, made.cuts, None) == []
        assert judge_figures(close, made.year.genesis, made.cuts, files) == []
        assert decode_close(encode_close(close)) == close
    last = made.closes[-1]
    assert sum(x.supply.movement.issued_cents for x in made.closes) == (
        last.supply.end.issued_cents - made.closes[0].supply.begin.issued_cents
    )
    balances = made.year.balances()
    for line in last.classes:
        held = [
            c for (denom, k, _), c in balances.items() if (denom, k) == (last.denom, line.klass)
        ]
        assert line.closing_cents == sum(held)


def test_a_deposit_that_nobody_booked_is_an_open_item_with_its_age() -> None:
    """The deposit of 29 December whose payer forgot the reference."""
    last = closed().closes[-1]
    (account,) = last.accounts
    (item,) = account.open_items
    assert (item.on, item.amount_cents, item.side, item.days) == (f"{YEAR}-12-29", 3_333, "C", 2)
    assert (last.backing.difference_cents, last.backing.open_cents) == (3_333, 3_333)
    assert last.findings == ()


def test_redemptions_under_way_stand_in_the_close_and_in_class_3() -> None:
    first = closed().closes[0]
    (line,) = [one for one in first.classes if one.klass == "3"]
    assert sum(one.amount_cents for one in first.pending) == line.closing_cents > 0
    assert all(one.due_on is not None and one.due_on > f"{YEAR}-01-31" for one in first.pending)


def test_what_is_booked_after_the_month_was_open_at_its_end() -> None:
    """The state at the end of the month tells what was used; what was attested later is in it."""
    made = closed()
    end = made.cuts.found[MONTHS[0]]
    (books,) = find_accounts(made.cuts, WIJK)
    january = {name for name, one in books.entries.items() if one.date // 100 == MONTHS[0]}
    late = next(iter(sorted(january)))
    key = next(key for key in end.state if late in key)
    cut = replace(end, state={k: v for k, v in end.state.items() if k != key})
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.state = made.cuts.first_month, made.cuts.state
    cuts.found = {**made.cuts.found, MONTHS[0]: cut}
    close = close_of(made.year, cuts, MONTHS[0], None)
    (item,) = close.accounts[0].open_items
    assert item.entry == late.hex()
    assert item.days == 31 - int(item.on[-2:])
    # Class 1 was not changed with it, so the books no longer explain the bank: that is found.
    assert [one.kind for one in close.findings] == ["books"]


def test_the_same_inputs_give_the_same_bytes_however_long_the_chain_is() -> None:
    made = closed()
    for place, month in ((0, MONTHS[0]), (5, MONTHS[5])):
        data = file_of(made.year, month)
        previous = made.closes[place - 1] if place else None
        again = close_of(made.year, made.cuts, month, previous, data, data)
        assert encode_close(again) == encode_close(made.closes[place])


def test_a_month_that_is_not_over_or_was_before_the_chain_is_refused() -> None:
    made = closed()
    for month in (YEAR * 100 - 88, (YEAR + 1) * 100 + 1):
        with pytest.raises(NotOver):
            close_of(made.year, made.cuts, month, None, file_of(made.year, MONTHS[0]))
    with pytest.raises(Malformed, match="no wijk"):
        make_close(made.year.genesis, made.cuts, "nergens", MONTHS[0], {})


def test_a_month_without_movement_closes_with_nothing_in_it() -> None:
    """The chain stood still: the same checkpoint, an empty proof, and the same figures."""
    made = closed()
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.state = made.cuts.first_month, made.cuts.state
    later = (YEAR + 1) * 100 + 1
    cuts.found = {**made.cuts.found, later: made.cuts.found[MONTHS[-1]]}
    close = make_close(made.year.genesis, cuts, WIJK, later, None, made.closes[-1])
    assert set(msgspec.structs.astuple(close.supply.movement)) == {0}
    assert close.consistency is not None
    assert (close.consistency.path, close.accounts[0].statements) == ((), ())
    assert close.accounts[0].open_items[0].days == 33
    assert find_faults(close) + find_breaks(close, made.closes[-1]) == []
    # With the bank's files it has to be seen that nothing came.
    empty = make_close(made.year.genesis, cuts, WIJK, later, {}, made.closes[-1])
    assert [one.kind for one in empty.findings] == ["end"]


def test_quiet_days_after_a_day_that_nobody_attested_are_findings_too() -> None:
    """They open with a balance that the chain never saw, so they are no statements of the close."""
    made = closed()
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.state = made.cuts.first_month, made.cuts.state
    later = (YEAR + 1) * 100 + 1
    cuts.found = {**made.cuts.found, later: made.cuts.found[MONTHS[-1]]}
    december = sort_files(find_accounts(cuts, WIJK), [file_of(made.year, MONTHS[-1])], "EUR")
    ((reserve, bank),) = december.items()
    balance = made.closes[-1].accounts[0].closing_cents
    moved = next(day for day in bank.days if day.entries and day.opening != day.closing)
    to = balance + moved.closing - moved.opening
    days = (
        dataclasses.replace(moved, date=later * 100 + 5, opening=balance, closing=to),
        dataclasses.replace(moved, date=later * 100 + 6, opening=to, closing=to, entries=()),
    )
    said = {reserve: replace(bank, days=days)}
    close = make_close(made.year.genesis, cuts, WIJK, later, said, made.closes[-1])
    assert [(one.kind, one.bank_cents) for one in close.findings] == [
        ("day", to),
        ("day", to),
        ("end", to),
    ]
    assert find_faults(close) == []


def test_a_bank_day_of_which_a_page_is_missing_on_the_chain_is_a_finding() -> None:
    made = closed()
    (books,) = find_accounts(made.cuts, WIJK)
    moved = max(one.date for one in books.entries.values() if one.date // 100 == MONTHS[-1])
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.found = made.cuts.first_month, made.cuts.found
    cuts.state = dict(made.cuts.state)
    for on, said in books.days.items():
        if on >= moved:
            half = replace(said, pages=said.pages + 1)
            cuts.state[encode((STATEMENTS.name, books.reserve_id, on))] = encode(half)
    close = close_of(made.year, cuts, MONTHS[-1], made.closes[-2])
    assert "day" in {one.kind for one in close.findings}
    assert close.accounts[0].matched == sum(one.entries for one in close.accounts[0].statements)
    assert find_faults(close) == []


def test_bank_and_chain_that_differ_are_findings() -> None:
    made = closed()
    month = MONTHS[4]
    data = file_of(made.year, month)
    altered = data.replace(b"<AcctSvcrRef>02", b"<AcctSvcrRef>03", 1)
    found = close_of(made.year, made.cuts, month, made.closes[3], altered)
    assert {one.kind for one in found.findings} == {"entry"}
    assert find_faults(found) == []  # it says so, and adds up
    nothing = make_close(made.year.genesis, made.cuts, WIJK, month, {}, made.closes[3])
    assert {one.kind for one in nothing.findings} == {"day"}
    head, day, rest = data.partition(b"<Stmt>")
    second = head + rest[rest.index(b"<Stmt>") :]
    missing = close_of(made.year, made.cuts, month, made.closes[3], second)
    assert day
    assert {one.kind for one in missing.findings} == {"day"}
    whole = make_close(made.year.genesis, made.cuts, WIJK, month, {}, made.closes[3])
    hidden = replace(whole, findings=())
    files = {sha256(data).hex(): data}
    judged = judge_figures(hidden, made.year.genesis, made.cuts, files)
    assert "hidden" in {one.kind for one in judged}
    other = made.year.files[f"stadscentrum-{YEAR}-05.xml"]
    with pytest.raises(Malformed, match="no reserve account"):
        close_of(made.year, made.cuts, month, None, other)


def change(name: str, value: Any) -> Callable[[MonthClose], MonthClose]:
    return lambda close: replace(close, **{name: value})


def figure(close: MonthClose) -> MonthClose:
    end = replace(close.supply.end, issued_cents=close.supply.end.issued_cents + 100)
    return replace(close, supply=replace(close.supply, end=end))


def quiet_figure(close: MonthClose) -> MonthClose:
    """A hundred euros more issued and redeemed: every sum still holds."""
    more = {"issued_cents": 10_000, "redeemed_cents": 10_000}
    end = replace(
        close.supply.end,
        **{name: getattr(close.supply.end, name) + cents for name, cents in more.items()},
    )
    movement = replace(
        close.supply.movement,
        **{name: getattr(close.supply.movement, name) + cents for name, cents in more.items()},
    )
    return replace(close, supply=replace(close.supply, end=end, movement=movement))


def statement(close: MonthClose) -> MonthClose:
    account = close.accounts[0]
    days = (account.statements[0], *account.statements[2:])
    return replace(close, accounts=(replace(account, statements=days),))


def opening(close: MonthClose) -> MonthClose:
    account = close.accounts[0]
    return replace(close, accounts=(replace(account, opening_cents=0),))


def open_item(close: MonthClose) -> MonthClose:
    return replace(close, pending=close.pending[1:])


def proof(close: MonthClose) -> MonthClose:
    assert close.consistency is not None
    path = (64 * "0", *close.consistency.path[1:])
    return replace(close, consistency=replace(close.consistency, path=path))


def other_head(close: MonthClose) -> MonthClose:
    """The checkpoint of another block, whole and certified."""
    return replace(close, checkpoint=closed().closes[0].checkpoint)


def other_chain(close: MonthClose) -> MonthClose:
    note = close.checkpoint.note.replace(close.chain_id, "andere-keten")
    return replace(close, checkpoint=replace(close.checkpoint, note=note))


def forged_head(close: MonthClose) -> MonthClose:
    root = 64 * "1"
    return replace(close, checkpoint=replace(close.checkpoint, log_root=root))


def cap(close: MonthClose) -> MonthClose:
    return replace(close, issuer=replace(close.issuer, total_cap_cents=1))


TAMPERED: list[tuple[Callable[[MonthClose], MonthClose], set[str]]] = [
    (figure, {"sums", "figures"}),
    (quiet_figure, {"figures"}),
    (statement, {"statements"}),
    (opening, {"statements", "opening"}),
    (open_item, {"sums", "figures"}),
    (proof, {"consistency"}),
    (change("consistency", None), {"consistency"}),
    (change("previous", 64 * "0"), {"previous"}),
    (change("month", f"{YEAR}-07"), {"month", "figures", "statements", "checkpoint"}),
    (change("chain_digest", 64 * "0"), {"chain", "certificate"}),
    (change("version", 2), {"version"}),
    (change("classes", ()), {"form"}),
    (other_head, {"checkpoint", "consistency"}),
    (other_chain, {"checkpoint", "certificate"}),
    (forged_head, {"checkpoint", "consistency"}),
    (cap, {"cap", "figures"}),
]


@pytest.mark.parametrize(("tamper", "named"), TAMPERED)
def test_each_change_is_found_by_its_own_name(
    tamper: Callable[[MonthClose], MonthClose], named: set[str]
) -> None:
    closes = closed().closes
    assert kinds(closes[7], closes[6]) == set()
    assert named <= kinds(tamper(closes[7]), closes[6])


def test_a_month_that_is_left_out_breaks_the_row() -> None:
    closes = closed().closes
    left_out = judge_row([closes[0], closes[2]], None)
    assert {one.kind for one in left_out[1]} >= {"previous", "month", "consistency"}
    assert {one.kind for one in judge_row(closes[3:5], None)[0]} == {"previous"}
    assert judge_row(closes[3:5], closes[2]) == [[], []]


def test_a_new_version_cites_the_one_that_it_replaces() -> None:
    made = closed()
    month, before = MONTHS[4], made.closes[3]
    old = make_close(made.year.genesis, made.cuts, WIJK, month, {}, before)
    bank = sort_files(find_accounts(made.cuts, WIJK), [file_of(made.year, month)], "EUR")
    new = make_close(made.year.genesis, made.cuts, WIJK, month, bank, before, old)
    assert (new.version, new.replaces, new.previous) == (2, digest_of(old), digest_of(before))
    assert judge_row([before, old, new], made.closes[2]) == [[], [], []]
    june = close_of(made.year, made.cuts, MONTHS[5], new)
    assert judge_row([before, old, new, june], made.closes[2]) == [[]] * 4
    same = make_close(made.year.genesis, made.cuts, WIJK, month, {}, before, old)
    assert [one.kind for one in find_restated(same, old)] == ["version"]
    assert {one.kind for one in find_restated(new, made.closes[6])} == {"version"}


def test_a_replaced_close_has_to_be_given() -> None:
    closes = closed().closes
    second = replace(closes[0], version=7, replaces="de" * 32)
    assert [one.kind for one in judge_row([second], None)[0]] == ["version"]
    assert "version" in {one.kind for one in judge_row([closes[0], second], None)[1]}
    old = replace(closes[0], findings=(Finding("gap"),))
    new = replace(closes[0], version=2, replaces=digest_of(old))
    assert judge_row([new], None, [old]) == [[]]
    assert judge_row([replace(new, version=3)], None, [old]) != [[]]


def test_only_the_first_month_of_a_wijk_cites_no_close_before_it() -> None:
    made = closed()
    march = close_of(made.year, made.cuts, MONTHS[2], None)
    assert find_faults(march) == []  # offline it cannot be known
    judged = judge_figures(march, made.year.genesis, made.cuts, None)
    assert [one.kind for one in judged] == ["previous"]
    # A wijk that came in March has its first close then.
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.found, cuts.state = MONTHS[0], dict(made.cuts.found), made.cuts.state
    february = cuts.found[MONTHS[1]]
    state = {k: v for k, v in february.state.items() if WIJK.encode() not in k}
    cuts.found[MONTHS[1]] = replace(february, state=state)
    judged = judge_figures(march, made.year.genesis, cuts, None)
    assert "previous" not in {one.kind for one in judged}


def with_day(close: MonthClose, made: Day | None, **changed: Any) -> MonthClose:
    """A close with one more bank day, or with other things said of its account."""
    (account,) = close.accounts
    days = [*account.statements, *([] if made is None else [made])]
    days.sort(key=lambda day: day.on)
    return replace(close, accounts=(replace(account, statements=tuple(days), **changed),))


def test_a_bank_day_that_was_made_up_is_found() -> None:
    first = closed().closes[0]
    (account,) = first.accounts
    last = account.statements[-1]
    used = {day.on for day in account.statements}
    on = next(on for n in range(1, 32) if (on := f"{YEAR}-01-{n:02}") not in used)
    before = [day.closing_cents for day in account.statements if day.on < on]
    balance = before[-1] if before else account.opening_cents
    assert kinds(with_day(first, Day(on, None, balance, 0, 0, balance, 0))) == set()
    for moved, entries in ((1_234_500, 42), (1_234_500, 0), (0, 1)):
        made_up = with_day(first, Day(on, None, balance, moved, moved, balance, entries))
        assert "statements" in {one.kind for one in find_faults(made_up)}
    for matched in (999, account.matched - 1):
        assert kinds(with_day(first, None, matched=matched)) == {"sums"}
    assert account.matched == sum(day.entries for day in account.statements)
    assert last.tx is not None


def test_a_quiet_day_that_the_chain_attests_cannot_be_left_out() -> None:
    made = closed()
    for close in made.closes:
        chain = make_close(made.year.genesis, made.cuts, WIJK, read_month(close.month), None)
        quiet = [day for day in chain.accounts[0].statements if day.tx is None]
        if quiet:
            break
    else:
        pytest.fail("a year without a quiet day that was attested")
    days = tuple(day for day in close.accounts[0].statements if day != quiet[0])
    left_out = replace(close, accounts=(replace(close.accounts[0], statements=days),))
    judged = judge_figures(left_out, made.year.genesis, made.cuts, None)
    assert [one.kind for one in judged] == ["statements"]


def test_an_end_that_the_chain_answered_later_hides_nothing() -> None:
    made = closed()
    files = {sha256(data).hex(): data for data in made.year.files.values()}
    last = made.closes[4]
    end = Finding("end", last.accounts[0].reserve, f"{YEAR}-05-31", bank_cents=1)
    told = replace(last, findings=(end,))
    assert judge_figures(told, made.year.genesis, made.cuts, files) == []
    other = replace(last, findings=(replace(end, kind="gap"),))
    judged = judge_figures(other, made.year.genesis, made.cuts, files)
    assert [one.kind for one in judged] == ["hidden"]


def test_a_signature_counts_of_an_officer_of_the_month_or_of_now() -> None:
    made = closed()
    january, february = made.closes[:2]
    (board,) = [
        key for office, wijk_id, key in made.cuts.officers if (office, wijk_id) == ("board", WIJK)
    ][:1]
    assert name_signer(made.cuts, january, board) == "board"
    assert name_signer(made.cuts, replace(january, wijk="stadscentrum"), board) is None
    old, new, unknown = b"o" * 32, b"n" * 32, b"u" * 32
    cuts = Cuts(frozenset())
    cuts.first_month, cuts.found = MONTHS[0], dict(made.cuts.found)
    cut = cuts.found[MONTHS[0]]
    assert ("board", WIJK, board) in cut.officers
    cuts.found[MONTHS[0]] = replace(cut, officers=frozenset([("auditor", "", old)]))
    cuts.officers = frozenset([("auditor", "", new)])
    assert name_signer(cuts, january, old) == name_signer(cuts, january, new) == "auditor"
    assert name_signer(cuts, february, old) is None  # a month that was not of this auditor
    assert judge_signers(january, [unknown, old], cuts, ()) == []
    assert [one.kind for one in judge_signers(january, [unknown], cuts, ())] == ["signature"]
    assert [one.kind for one in judge_signers(january, [], cuts, [unknown])] == ["signature"]
    assert judge_signers(january, [unknown], cuts, [unknown]) == []
    assert judge_signers(january, [unknown], None, ()) == []  # offline nobody is known
    assert [one.kind for one in judge_signers(january, [unknown], None, [old])] == ["signature"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"format":"wijk/month-close/1"}\n',
        b" " * (CLOSE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_close_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_close(data)


def test_only_the_one_form_of_a_close_is_read() -> None:
    data = encode_close(closed().closes[0])
    tree = json.loads(data)
    for other in (
        data.rstrip(),
        data + b"\n",
        json.dumps(tree).encode(),
        data.replace(b'"version":1', b'"version":1.0'),
        data.replace(b'"version":1', b'"version":1,"version":1'),
        data.replace(b'"version":1', b'"version":99999999999999999999'),
        data.replace(b'"version":1', b'"more":0,"version":1'),
        data.replace(b'"2025-01"', b'"2025-13"'),
    ):
        with pytest.raises(Malformed):
            decode_close(other)
    assert read_month(tree["month"]) == MONTHS[0]


def run(*words: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(wijk, [*words, "-o", "json"])
    return done.exit_code, json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr


def forge_a_previous(january: Path, verify: list[str], home: list[str]) -> None:
    """A close before that is signed and nothing else is judged in full: figures, sums, findings."""
    close = decode_close(january.read_bytes())
    forged = january.with_name("forged.json")
    forged.write_bytes(encode_close(replace(figure(close), findings=(Finding("gap"),))))
    line = f"keys sign {forged} --key auditor --out {forged}.sig.json"
    assert run(*line.split(), *home)[0] == 0
    code, tree, _ = run(*verify, "--previous", str(forged))
    found = {one["kind"] for one in tree["items"][0]["faults"]}
    assert (code, found >= {"sums", "figures", "signature"}) == (8, True)


def test_closes_that_are_too_large_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode_close(closed().closes[0])
    path = tmp_path / "close.json"
    path.write_bytes(data)
    monkeypatch.setattr("audit.commands_close.CLOSES_BYTES_MAX", 2 * len(data))
    base = ["audit", "close", "verify", "--offline", "--home", f"{tmp_path}/h"]
    assert "WIJK-1002" in run(*base, str(path), str(path))[2]
    code, _, problem = run(*base, *[str(path)] * 3)
    assert (code, f"> {2 * len(data)} bytes" in problem) == (2, True)


def test_the_commands_close_sign_and_verify(tmp_path: Path) -> None:
    home = ["--home", f"{tmp_path}/h", "--passphrase-file", f"{tmp_path}/pass"]
    (tmp_path / "pass").write_text("een lange wachtzin\n")
    (tmp_path / "pass").chmod(0o600)
    line = f"testnet year --dir {tmp_path}/net --days 34 --base-port 0 --home {tmp_path}/h"
    code, made, _ = run(*line.split())
    assert code == 0
    files = [name for name in made["bank_files"] if WIJK in name]
    assert run("keys", "add", "auditor", *home)[0] == 0
    base = ["--dir", made["home"], *home]
    out = str(tmp_path / f"{YEAR}-01.json")
    january = ["audit", "close", "make", f"{YEAR}-01", "--out", out, "--key", "auditor", *base]
    code, tree, problem = run(*january, "--wijk", WIJK)
    assert (code, tree["file"], "WIJK-5005" in problem) == (8, None, True)
    assert {one["kind"] for one in tree["close"]["findings"]} == {"day"}
    assert not Path(out).exists()
    code, tree, _ = run(*january, "--bank", files[0])
    assert (code, tree["file"], tree["faults"]) == (0, out, [])
    assert run(*january, "--bank", files[0])[0] == 2  # never over an older one
    later = [word.replace(f"{YEAR}-01", f"{YEAR}-02") for word in january]
    assert run(*later, "--bank", files[1], "--previous", out)[0] == 2  # not over yet
    verify = ["audit", "close", "verify", out, *base]
    code, tree, problem = run(*verify, "--bank", files[0])
    assert (code, tree["ok"], tree["items"][0]["signatures"][0]["as"]) == (8, False, None)
    assert ("WIJK-5001" in problem, tree["items"][0]["first"]) == (True, True)
    assert [one["kind"] for one in tree["items"][0]["faults"]] == ["signature"]
    signer = ["--signer", tree["items"][0]["signatures"][0]["public_key"]]
    code, tree, _ = run(*verify, *signer, "--bank", files[0])
    assert (code, tree["ok"], tree["items"][0]["signatures"][0]["as"]) == (0, True, "signer")
    assert run(*verify, "--signer", "0")[0] == 2
    said = CliRunner().invoke(wijk, [*verify, *signer, "--lang", "nl"]).stdout
    assert "eerste afsluiting" in said
    assert "2025-01 delfshaven, versie 1" in said
    assert "uitstaand € 500,00 + uitgegeven €" in said
    board = ["--home", f"{tmp_path}/net/client"]
    line = f"keys sign {out} --key board-{WIJK}-a --out {out}.board.sig.json"
    assert run(*line.split(), *board)[0] == 0
    code, tree, _ = run(*verify)
    assert [one["as"] for one in tree["items"][0]["signatures"]] == ["board", None]
    forge_a_previous(Path(out), verify, home)
    signature = Path(out + ".sig.json")
    signature.write_bytes(signature.read_bytes().replace(b"0", b"1"))
    code, tree, problem = run(*verify)
    assert (code, "WIJK-5001" in problem) == (8, True)
    assert [one["kind"] for one in tree["items"][0]["faults"]] == ["signature"]
    Path(out).write_bytes(b"{}")
    assert run(*verify)[0] == 8
