"""The exported year, judged by programs of others (economy X1 to X5, A1, A7, I16)."""

import csv
import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import pytest
from click.testing import CliRunner
from lxml import etree
from msgspec.structs import replace

from audit.export import Order, Pseudonyms, Writer, export
from audit.export_camt import CamtStatements
from audit.export_ledger import Beancount, Hledger, Journal, name_commodity
from audit.export_tables import CsvTable, JsonlTable, ParquetTable, SqliteTable
from audit.export_xaf import NAMESPACE, Company, Xaf
from audit.rows import Group, make_block_rows
from chain.address import account_text
from chain.books import DEBIT_CLASSES
from cli import wijk
from contracts.coin import HoldCall
from testnet.year_plan import YEAR
from tests.audit.made_chain import make_chain
from tests.federation import account
from tests.judges import bean_check, hledger
from tests.made_year import MadeYear, small_year

FIRST, LAST = YEAR * 10_000 + 101, YEAR * 10_000 + 1231
JULY = YEAR * 10_000 + 701
Place = tuple[str, str, str]


@pytest.fixture(scope="module")
def year() -> MadeYear:
    return small_year()


def write(writer: Writer, groups: Iterable[Group], first: int = 0) -> dict[str, int]:
    earlier: Callable[[Group], None] = getattr(writer, "add_earlier", lambda _group: None)
    for group in groups:
        (writer.add if group[0].book_date >= first else earlier)(group)
    return writer.close()


def signed(year: MadeYear) -> dict[Place, int]:
    """The balances of the state, a debit above zero."""
    return {
        place: cents if place[1] in DEBIT_CLASSES else -cents
        for place, cents in year.balances().items()
    }


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / CsvTable.name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cents_of(text: str) -> int:
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]{2})?", text), text
    return int(text.replace(".", "")) if "." in text else 100 * int(text)


# ------------------------------------------------------------------------------ plain text books


def hledger_balances(journal: Path) -> dict[Place, int]:
    ran = hledger(
        "-f", str(journal), "balance", "--flat", "--no-total", "-O", "csv", "--layout=tidy"
    )
    assert ran.returncode == 0, ran.stderr
    found = {}
    for row in csv.DictReader(ran.stdout.splitlines()):
        klass, _, owner = row["account"].partition(":")
        found[row["commodity"], klass, owner] = cents_of(row["value"].replace(",", ""))
    return {place: cents for place, cents in found.items() if cents}


def test_hledger_accepts_the_year_and_has_the_balances_of_the_chain(
    year: MadeYear, tmp_path: Path
) -> None:
    write(Journal(tmp_path, Hledger(), "a year", None, LAST), year.groups())
    journal = tmp_path / Hledger.name
    checked = hledger("-f", str(journal), "check", "--strict", "ordereddates")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert hledger_balances(journal) == signed(year)
    assert journal.read_text().count(" = ") > 200  # asserted at each month's end


def test_hledger_refuses_a_journal_with_one_cent_moved(year: MadeYear, tmp_path: Path) -> None:
    write(Journal(tmp_path, Hledger(), "a year", None, LAST), year.groups())
    journal = tmp_path / Hledger.name
    text = journal.read_text()
    at = re.search(r"\n    2:.* -(\d+)\.(\d\d)  ; flow:FIN\n", text)
    assert at is not None
    cents = 100 * int(at[1]) + int(at[2])
    moved = (
        text[: at.start(1)] + f"{(cents + 1) // 100}.{(cents + 1) % 100:02d}" + text[at.end(2) :]
    )
    journal.write_text(moved)
    assert hledger("-f", str(journal), "check").returncode != 0


def test_half_a_year_begins_with_what_was_on_the_accounts(year: MadeYear, tmp_path: Path) -> None:
    write(Journal(tmp_path, Hledger(), "half a year", JULY, LAST), year.groups(), JULY)
    write(Journal(tmp_path, Beancount(), "half a year", JULY, LAST), year.groups(), JULY)
    journal = tmp_path / Hledger.name
    checked = hledger("-f", str(journal), "check", "--strict", "ordereddates")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert hledger_balances(journal) == signed(year)
    assert "opening balances" in journal.read_text()
    assert bean_check(tmp_path / Beancount.name).returncode == 0


def test_bean_check_accepts_the_year_with_the_balances_of_the_chain(
    year: MadeYear, tmp_path: Path
) -> None:
    """Its last balance directives are all balances of the state, and it holds the file to them."""
    write(Journal(tmp_path, Beancount(), "a year", None, LAST), year.groups())
    books = tmp_path / Beancount.name
    checked = bean_check(books)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    claimed = Counter[tuple[str, str, int]]()
    pattern = rf"{YEAR + 1}-01-01 balance \w+:(\w\w?)-\w+:\S+  (\S+) (\S+)"
    for klass, amount, commodity in re.findall(pattern, books.read_text()):
        claimed[commodity, klass, cents_of(amount)] += 1
    stated = Counter(
        (name_commodity(denom), klass, cents) for (denom, klass, _), cents in signed(year).items()
    )
    assert {row: n for row, n in claimed.items() if row[2]} == stated
    lines = books.read_text().splitlines()
    at = max(i for i, line in enumerate(lines) if " balance " in line)
    lines[at] = re.sub(r"  (-?\d+)\.", lambda found: f"  {int(found[1]) + 1}.", lines[at])
    books.write_text("\n".join(lines) + "\n")
    assert bean_check(books).returncode != 0


def test_commodities_of_beancount_fit_and_differ() -> None:
    """economy X3: capitals, at most 24 characters."""
    slugs = ["noord", "hillegersberg-schiebroek", "hillegersberg-schiebroem", "a" * 32]
    names = [name_commodity(f"{slug}:EUR") for slug in slugs]
    assert names[0] == "NOORD.EUR"
    assert len(set(names)) == len(slugs)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]", name) for name in names)


# ------------------------------------------------------------------------------ XAF


def make_xaf(year: MadeYear, folder: Path, first: int | None = None, last: int = LAST) -> Xaf:
    companies = {one.slug: Company(one.name, "EUR", "NL001") for one in year.plan.wijken}
    return Xaf(folder, companies, ("wijkchain", "0.1.0"), (first, last), last)


def check_xsd(file: Path) -> Any:
    data = resources.files("pyxaf.schemas").joinpath("XmlAuditfileFinancieel4.0.xsd").read_bytes()
    schema = etree.XMLSchema(etree.fromstring(data))
    tree = etree.parse(str(file))
    assert schema.validate(tree), schema.error_log
    return tree


def find(tree: Any, path: str) -> str:
    found = tree.find("/".join(f"{{{NAMESPACE}}}{tag}" for tag in path.split("/")))
    assert found is not None, path
    return str(found.text)


def test_xaf_validates_and_has_the_totals_of_the_chain(year: MadeYear, tmp_path: Path) -> None:
    """economy A7, I16, X4."""
    files = write(make_xaf(year, tmp_path), year.groups())
    assert sorted(files) == sorted(f"xaf-{one.slug}-{YEAR}.xml" for one in year.plan.wijken)
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for group in year.groups():
        for row in group:
            totals[row.wijk][row.side] += row.cents
            totals[row.wijk]["lines"] += 1
    for one in year.plan.wijken:
        tree = check_xsd(tmp_path / f"xaf-{one.slug}-{YEAR}.xml")
        expected = totals[one.slug]
        assert int(find(tree, "company/transactions/linesCount")) == expected["lines"]
        assert cents_of(find(tree, "company/transactions/totalDebit")) == expected["D"]
        assert cents_of(find(tree, "company/transactions/totalCredit")) == expected["C"]
        lines = tree.findall(f".//{{{NAMESPACE}}}trLine")
        assert len(lines) == expected["lines"]
        summed = Counter[str]()
        for line in lines:
            summed[find(line, "amntTp")] += cents_of(find(line, "amnt"))
        assert summed == Counter(D=expected["D"], C=expected["C"])
        kinds = {jrn.text for jrn in tree.findall(f".//{{{NAMESPACE}}}jrnTp")}
        assert kinds == {"O", "B", "Y", "M", "Z"}  # Z: holds that ran out
        text = etree.tostring(tree)
        assert b"wijk1" not in text  # never members
        assert b"customersSuppliers" not in text


def test_half_a_year_of_xaf_opens_with_balances_that_add_up(year: MadeYear, tmp_path: Path) -> None:
    write(make_xaf(year, tmp_path, JULY), year.groups(), JULY)
    for one in year.plan.wijken:
        tree = check_xsd(tmp_path / f"xaf-{one.slug}-{YEAR}.xml")
        opening = cents_of(find(tree, "company/openingBalance/totalDebit"))
        assert opening == cents_of(find(tree, "company/openingBalance/totalCredit")) > 0
        assert find(tree, "header/startDate") == f"{YEAR}-07-01"
        balances = Counter[str]()
        for tag in ("obLine", "trLine"):
            for line in tree.findall(f".//{{{NAMESPACE}}}{tag}"):
                sign = 1 if find(line, "amntTp") == "D" else -1
                balances[find(line, "accID")[:2].rstrip("-")] += sign * cents_of(find(line, "amnt"))
        expected = Counter[str]()
        for (denom, klass, _), cents in signed(year).items():
            if denom.startswith(f"{one.slug}:"):
                expected[klass] += cents
        assert {k: v for k, v in balances.items() if v} == expected


def test_a_period_over_two_years_makes_a_file_for_each(year: MadeYear, tmp_path: Path) -> None:
    files = write(make_xaf(year, tmp_path, None, LAST + 10_000), year.groups())
    assert len(files) == 4
    for one in year.plan.wijken:
        tree = check_xsd(tmp_path / f"xaf-{one.slug}-{YEAR + 1}.xml")
        assert find(tree, "company/transactions/linesCount") == "0"
        assert cents_of(find(tree, "company/openingBalance/totalDebit")) > 0


def test_a_wijk_that_was_founded_later_has_its_file_too(year: MadeYear, tmp_path: Path) -> None:
    """economy X4, `wijk.found`: genesis names the first wijken, the chain goes on."""
    later = year.plan.wijken[1].slug
    companies = {one.slug: Company(one.name, "EUR", "NL001") for one in year.plan.wijken[:1]}
    xaf = Xaf(tmp_path, companies, ("wijkchain", "0.1.0"), (None, LAST), LAST)

    files = write(xaf, year.groups())

    assert sorted(files) == sorted(f"xaf-{one.slug}-{YEAR}.xml" for one in year.plan.wijken)
    tree = check_xsd(tmp_path / f"xaf-{later}-{YEAR}.xml")
    assert find(tree, "company/companyName") == later
    assert cents_of(find(tree, "company/transactions/totalDebit")) > 0


# ------------------------------------------------------------------------------ tables, statements


def test_four_tables_hold_the_same_rows(year: MadeYear, tmp_path: Path) -> None:
    """economy X1."""
    kinds = (CsvTable, JsonlTable, SqliteTable, ParquetTable)
    for kind in kinds:
        (tmp_path / kind.name).parent.mkdir(exist_ok=True)
        folder = tmp_path / kind.__name__
        folder.mkdir()
        write(kind(folder), year.groups())
    table = read_table(tmp_path / "CsvTable")
    lines = (tmp_path / "JsonlTable" / JsonlTable.name).read_text().splitlines()
    objects = [json.loads(line) for line in lines]
    expected = sum(len(group) for group in year.groups())
    assert len(table) == len(objects) == expected
    for row, tree in zip(table, objects, strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in tree.items()}
    base = sqlite3.connect(tmp_path / "SqliteTable" / SqliteTable.name)
    base.row_factory = sqlite3.Row
    asked = 'SELECT * FROM postings ORDER BY "height", "index", "leg", "side" DESC'
    assert [dict(row) for row in base.execute(asked)] == objects
    base.close()
    with duckdb.connect() as parquet:
        parquet.execute("SET TimeZone = 'UTC'")
        source = str(tmp_path / "ParquetTable" / ParquetTable.name)
        described = parquet.execute("DESCRIBE SELECT * FROM read_parquet($1)", [source]).fetchall()
        types = {name: kind for name, kind, *_ in described}
        rows = parquet.execute(
            """SELECT height, "index", leg, tx, strftime(book_date, '%Y-%m-%d') AS book_date,
            strftime("time", '%Y-%m-%dT%H:%M:%SZ') AS "time", * EXCLUDE (height, "index", leg, tx,
            book_date, "time") FROM read_parquet($1)""",
            [source],
        ).fetchall()
    assert (types["cents"], types["leg"], types["book_date"]) == ("BIGINT", "INTEGER", "DATE")
    assert types["time"] == "TIMESTAMP WITH TIME ZONE"
    assert [tuple(tree.values()) for tree in objects] == rows


def test_the_columns_are_those_of_the_design(tmp_path: Path) -> None:
    CsvTable(tmp_path).close()
    assert (tmp_path / CsvTable.name).read_bytes() == (
        b"height,index,leg,tx,book_date,time,wijk,denom,class,account,side,cents,flow,use,product,"
        b"policy,decision,corrects\r\n"
    )


def test_statements_close_at_the_balance_of_the_chain(year: MadeYear, tmp_path: Path) -> None:
    writer = CamtStatements(tmp_path, None, lambda _file, name: name, (JULY, LAST), LAST)
    files = write(writer, year.groups(), JULY)
    stated = {owner: c for (_, klass, owner), c in year.balances().items() if klass in ("2", "7")}
    closings = {}
    for name in files:
        stmt = ET.parse(tmp_path / name).getroot()[0][1]
        tag = stmt.tag.removesuffix("Stmt")
        opening, closing = (
            cents_of(str(bal.findtext(f"{tag}Amt"))) for bal in stmt.iter(f"{tag}Bal")
        )
        moved = 0
        for entry in stmt.iter(f"{tag}Ntry"):
            sign = 1 if entry.findtext(f"{tag}CdtDbtInd") == "CRDT" else -1
            moved += sign * cents_of(str(entry.findtext(f"{tag}Amt")))
        assert opening + moved == closing
        closings[name.removeprefix("camt053-").removesuffix(".xml")] = closing
    assert {owner: cents for owner, cents in closings.items() if cents} == stated


# ------------------------------------------------------------------------------ pseudonyms


def test_pseudonyms_hide_accounts_and_keep_sums(year: MadeYear, tmp_path: Path) -> None:
    """economy X5: one file, one key."""
    names, other = Pseudonyms(), Pseudonyms()
    plain, covered = tmp_path / "plain", tmp_path / "covered"
    for folder in (plain, covered):
        folder.mkdir()
    write(CsvTable(plain), year.groups())
    write(CsvTable(covered), map(names.cover, year.groups()))
    rows, hidden = read_table(plain), read_table(covered)
    assert "wijk1" not in (covered / CsvTable.name).read_text()
    assert not {row["tx"] for row in rows} & {row["tx"] for row in hidden if row["tx"]}

    def sums(table: list[dict[str, str]]) -> list[int]:
        found = Counter[tuple[str, str, str]]()
        for row in table:
            sign = 1 if row["side"] == "D" else -1
            found[row["denom"], row["class"], row["account"]] += sign * int(row["cents"])
        return sorted(found.values())

    assert sums(rows) == sums(hidden)
    account = rows[1]["account"]
    assert names.rename("", account) != other.rename("", account)
    assert names.rename("one", account) != names.rename("two", account)


def test_statements_under_pseudonyms_name_nobody(year: MadeYear, tmp_path: Path) -> None:
    files = write(
        CamtStatements(tmp_path, None, Pseudonyms().rename, (None, LAST), LAST), year.groups()
    )
    assert not any("wijk1" in name or "wijk1" in (tmp_path / name).read_text() for name in files)


# ------------------------------------------------------------------------------ the command


def order(**changes: Any) -> Order:
    plain = Order(
        format="csv",
        first=None,
        last=LAST + 20_000,
        account=None,
        pseudonymise=False,
        tax_ids={},
        today=LAST,
        version="0.1.0",
    )
    return replace(plain, **changes)


def test_the_command_writes_files_that_it_names(tmp_path: Path) -> None:
    line = (
        f"testnet year --dir {tmp_path}/net --days 12 --base-port 0 --home {tmp_path}/home -o json"
    )
    made = json.loads(CliRunner().invoke(wijk, line.split()).stdout)
    line = (
        f"audit export --dir {made['home']} --home {tmp_path}/home -o json --out {tmp_path}/books"
    )
    for kind in ("hledger", "xaf"):
        ran = CliRunner().invoke(wijk, [*line.split(), "--format", kind, "--to", f"{YEAR}-12-31"])
        tree = json.loads(ran.stdout)
        assert ran.exit_code == 0
        assert tree["totals"]["debit_cents"] == tree["totals"]["credit_cents"] > 0
        assert tree["checkpoint"]["height"] == made["height"]
        for file in tree["files"]:
            path = tmp_path / "books" / file["name"]
            assert (path.stat().st_size, path.stat().st_mode & 0o777) == (file["bytes"], 0o600)
    assert hledger("-f", str(tmp_path / "books" / Hledger.name), "check").returncode == 0
    check_xsd(tmp_path / "books" / f"xaf-delfshaven-{YEAR}.xml")
    left = {path.name for path in (tmp_path / "books").iterdir()}
    assert left == {
        Hledger.name,
        *(f"xaf-{one}-{YEAR}.xml" for one in ("delfshaven", "stadscentrum")),
    }
    for wrong in (["--format", "xaf", "--account", "x"], ["--format", "csv", "--from", "20250101"]):
        assert CliRunner().invoke(wijk, [*line.split(), *wrong]).exit_code == 2


class ListSource:
    """Blocks in a list, as somebody may have changed them."""

    name = "a list"

    def __init__(self, chain: Any) -> None:
        self.genesis, self.raws = chain.genesis, list(chain.raws)

    def read_genesis(self) -> bytes:
        return bytes(self.genesis.canonical)

    def read_height(self) -> int:
        return len(self.raws)

    def read_blocks(self, first: int, last: int) -> Any:
        return iter(self.raws[first - 1 : last])


def test_no_file_is_left_of_a_chain_that_is_not_sound(tmp_path: Path) -> None:
    chain = make_chain()
    source = ListSource(chain)
    sound = export(source, tmp_path, tmp_path / "sound", order())
    assert sound.why is None
    assert [file["name"] for file in sound.tree["files"]] == [CsvTable.name]
    source.raws[3] = replace(source.raws[3], certificate=source.raws[2].certificate)
    bad = export(source, tmp_path, tmp_path / "bad", order())
    assert bad.why is not None
    assert bad.why.startswith("block 4:")
    assert (bad.tree["files"], list((tmp_path / "bad").iterdir())) == ([], [])


def test_one_account_gets_its_own_rows(tmp_path: Path) -> None:
    chain = make_chain()
    anna = account_text(account("anna"))
    made = export(ListSource(chain), tmp_path, tmp_path / "out", order(account=anna))
    rows = read_table(tmp_path / "out")
    assert {row["account"] for row in rows} == {anna}
    assert made.tree["files"][0]["rows"] == len(rows) > 3


def test_what_ended_as_a_block_began_stands_at_index_minus_1_in_no_transaction() -> None:
    """economy section 7, C10: a hold that came back belongs to the books like all else."""
    chain = make_chain()
    hold = HoldCall(account("chaima"), 400, 60, None, None)
    assert chain.by_person("anna", hold).code == 0
    chain.time_s += 60
    chain.by_person("anna", hold)
    header, *_, executed = chain.decided[-1]

    groups = list(make_block_rows(header, executed.start, executed.outcomes, YEAR * 10_000 + 101))

    placed = [(group[0].index, group[0].tx is None, group[0].cents) for group in groups]
    assert placed == [(-1, True, 400), (0, False, 400)]
    assert [(row.klass, row.side) for row in groups[0]] == [("5", "D"), ("2", "C")]
