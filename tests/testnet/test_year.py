"""The year of a wijk: seeded, realistic, sound, with a bank that agrees (economy L1 to L3, A8)."""

import json
import re
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from audit.replay import replay as replay_chain
from bank.camt053 import parse
from chain.books import SALE
from chain.codec import decode
from chain.dates import compute_book_date, is_banking_day, is_date
from chain.records import Header
from cli import wijk
from testnet.year_plan import SIZES, YEAR
from tests.bank.test_pain001 import read as read_valid
from tests.made_year import MadeYear, play, small_year

FORTNIGHT = replace(SIZES["small"], days=14)


@pytest.fixture(scope="module")
def year() -> MadeYear:
    return small_year()


def headers(year: MadeYear) -> list[Header]:
    return [decode(Header, raw.header) for raw in year.raws()]


def test_the_same_seed_gives_the_same_year_and_another_one_another() -> None:
    first, again, other = play(FORTNIGHT), play(FORTNIGHT), play(FORTNIGHT, b"8")
    assert first.store.tip == again.store.tip
    assert first.files == again.files
    assert first.store.tip.block_id != other.store.tip.block_id


def test_every_block_of_a_month_is_sound(year: MadeYear) -> None:
    blocks = [
        raw for raw, header in zip(year.raws(), headers(year), strict=True) if is_early(header)
    ]
    report = replay_chain(year.genesis, iter(blocks), workers=1)
    assert (report.why, report.ok) == (None, True)
    assert report.transactions > 200


def is_early(header: Header) -> bool:
    return compute_book_date(header.time_ms // 1000, 3_600) < YEAR * 10_000 + 201


def test_it_lasts_a_year_and_people_sleep_at_night(year: MadeYear) -> None:
    times = [header.time_ms // 1000 for header in headers(year)]
    dates = [compute_book_date(time_s, 3_600) for time_s in times]
    assert min(dates) // 100 == YEAR * 100 + 1
    assert max(dates) == YEAR * 10_000 + 1231
    assert len(set(dates)) > 350
    hours = Counter((time_s + 3_600) // 3_600 % 24 for time_s in times)
    assert not any(hours[hour] for hour in (0, 1, 2, 3, 4, 5))


def test_it_holds_what_happens_in_a_wijk(year: MadeYear) -> None:
    done, refused, flows = Counter[str](), Counter[int](), Counter[str]()
    for height in range(1, year.store.tip.height + 1):
        for outcome in year.store.outcomes(height):
            done.update(notice.name for notice in outcome.notices)
            refused[outcome.code] += 1
            flows.update(p.tag.flow if p.tag else "-" for p in outcome.postings if p.side == "D")
    assert {"coin.Transferred", "coin.Minted", "coin.Redeemed", "trade.CrossPaid"} <= set(done)
    assert done["coin.Transferred"] > 1_000
    assert done["coin.StatementPosted"] == 2 * sum(
        is_banking_day(date)
        for month in range(1, 13)
        for day in range(1, 32)
        if is_date(date := YEAR * 10_000 + 100 * month + day)
    )
    assert refused[2104] > 0  # somebody did not look at the balance
    assert refused[2102] >= 2  # and one of each wijk was frozen
    assert refused[2107] > 0  # a pass that the shop does not take, or that is used up
    assert set(refused) - {2136} == {0, 2102, 2104, 2107}  # a refund may come after its month
    assert {"coin.Held", "coin.Posted", "coin.Voided", "coin.Frozen"} <= set(done)
    assert done["coin.BankEntryBooked"] == 2 * 2 * 11  # a contribution and costs, most months
    ended = sum(len(year.store.start(height)) for height in range(1, year.store.tip.height + 1))
    assert ended > 0  # holds that ran out
    assert {SALE, "WORK", "GRANT", "FIN", "-"} <= set(flows)


def test_it_holds_money_with_rules_on_it(year: MadeYear) -> None:
    """economy P0 to P15: written, accepted, funded, spent, ended by hand and by themselves."""
    done, ended = Counter[str](), Counter[str]()
    paid: dict[str, int] = defaultdict(int)
    shapes: dict[bytes, list[str]] = {}
    for height in range(1, year.store.tip.height + 1):
        for outcome in year.store.outcomes(height):
            done.update(notice.name for notice in outcome.notices)
            for notice in outcome.notices:
                if notice.name == "policy.PolicyCreated":
                    policy, _, *clauses = decode(list[Any], notice.values)
                    shapes[policy] = clauses
            for posting in outcome.postings:
                if posting.klass == "4" and posting.side == "D":
                    for clause in shapes[posting.owner]:
                        paid[clause] += posting.cents
        for outcome in year.store.start(height):
            ended.update(notice.name for notice in outcome.notices)
    spent = {"claim", "benefit", "escrow", "collective_buy", "match"}
    guards = {"area", "category", "expiry", "cap", "budget", "split", "sunset"}
    assert set(paid) == spent | guards
    assert "recurring" in {clauses[0] for clauses in shapes.values()}  # from the own account
    assert done["policy.PolicyPaid"] > 200
    assert done["policy.PolicyReleased"] == 2 * 4
    assert done["policy.PolicyClosed"] == 2 * 2
    assert ended["policy.PolicyClosed"] == 2 * 2  # one goes to an heir, one goes home
    assert done["policy.TokensEnrolled"] > 16
    assert {"coin.Corrected", "coin.Exchanged", "coin.Released"} <= set(done)


def test_kings_day_has_fifty_payments_a_second(year: MadeYear) -> None:
    """economy L3, as long as the size says."""
    per_second: dict[int, int] = defaultdict(int)
    for raw in year.raws():
        header = decode(Header, raw.header)
        per_second[header.time_ms // 1000] += len(raw.envelopes)
    assert max(per_second.values()) > 40
    busy = [time_s for time_s, count in per_second.items() if count > 40]
    assert {compute_book_date(time_s, 3_600) for time_s in busy} == {YEAR * 10_000 + 426}


def test_a_short_year_ends_with_the_market() -> None:
    """economy L3: the profile of that name ends on a day on which wages are paid too."""
    made = play(replace(SIZES["small"], days=SIZES["L3"].days))
    busy, paid = Counter[int](), set[int]()
    for raw in made.raws():
        header = decode(Header, raw.header)
        date = compute_book_date(header.time_ms // 1000, 3_600)
        if len(raw.envelopes) > 40:
            busy[date] += 1
        for outcome in made.store.outcomes(header.height):
            if any(p.tag is not None and p.tag.flow == "WORK" for p in outcome.postings):
                paid.add(date)
    assert busy == {YEAR * 10_000 + 225: SIZES["small"].burst_s}
    assert paid == {YEAR * 10_000 + 225}


def test_the_statements_of_the_bank_follow_each_other(year: MadeYear) -> None:
    """economy C5: the strict parser takes every month, and each begins where the last ended."""
    assert len(year.files) == 24
    for place in year.plan.wijken:
        days = [
            day
            for name, data in sorted(year.files.items())
            if name.startswith(f"{place.slug}-")
            for day in parse(data, year.plan.reserve(place.slug))
        ]
        assert len(days) > 250
        for before, after in pairwise(days):
            assert (after.opening, after.sequence) == (before.closing, (before.sequence or 0) + 1)
            assert after.date > before.date


def test_every_payout_file_is_that_of_its_batch_and_valid(year: MadeYear) -> None:
    """economy C14: the chain holds the SHA-256 of each pain.001, and the schema takes it."""
    assert len(year.payouts) > 80
    for file in year.payouts:
        read_valid(file)
    batched = set()
    for height in range(1, year.store.tip.height + 1):
        for outcome in year.store.outcomes(height):
            for notice in outcome.notices:
                if notice.name == "coin.PayoutBatched":
                    batched.add(decode(list[Any], notice.values)[3])
    assert batched == {sha256(file).digest() for file in year.payouts}


def test_no_person_stands_on_the_chain(year: MadeYear) -> None:
    """economy A8, B12: no BSN, IBAN or e-mail pattern in any text of the whole year."""
    texts = {text for raw in year.raws() for data in raw.envelopes for text in find_texts(data)}
    assert {"coin.transfer", "SALE", "members.admit"} <= texts
    for text in texts:
        assert "@" not in text
        assert not re.search(r"[0-9]{9}", text), "no run is long enough for a BSN"
        assert not re.search(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text), "nor for an IBAN"


def find_texts(envelope: bytes) -> list[str]:
    """Return every text in an envelope; what stands in `bin` is hashes, keys and signatures."""
    texts: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(msgpack.unpackb(msgpack.unpackb(envelope)[0]))
    return texts


def test_the_command_makes_a_network_that_has_its_past(tmp_path: Path) -> None:
    line = (
        f"testnet year --dir {tmp_path}/net --days 12 --base-port 0 --home {tmp_path}/home -o json"
    )
    run = CliRunner().invoke(wijk, line.split())
    made = json.loads(run.stdout)
    assert (tmp_path / "net" / "bank" / f"delfshaven-{YEAR}-01.xml").is_file()
    assert len(made["bank_files"]) == 2
    checked = CliRunner().invoke(
        wijk,
        ["audit", "verify", "--dir", made["home"], "--home", str(tmp_path / "home"), "-o", "json"],
    )
    verdict = json.loads(checked.stdout)
    assert (verdict["ok"], verdict["to"]) == (True, made["height"])
    again = CliRunner().invoke(wijk, ["testnet", "year", "--dir", str(tmp_path / "net")])
    assert again.exit_code == 3
