"""The index in SQLite and in a real PostgreSQL: the same tables, whatever happens meanwhile."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import cli
from audit import index_run
from audit.blocks import RawBlock
from audit.index_base import (
    Base,
    begin_index,
    drop_index,
    hide_password,
    open_base,
    read_mark,
    write_rows,
)
from audit.index_run import BlockWrong, run_index
from audit.index_tables import (
    ACCOUNT_BYTES,
    MARK,
    TABLES,
    VIEWS,
    Cells,
    Rows,
    Table,
    add_up_sums,
    make_block_cells,
    make_genesis_cells,
    merge,
    quote,
)
from chain.address import account_text, parse_account
from chain.codec import encode
from chain.contract import Table as Contracts
from chain.dates import compute_book_date
from chain.genesis import Genesis
from chain.keyspaces import SUPPLY
from chain.records import Header, block_id, decode_tx
from chain.state import State
from chain.texts import Problem
from contracts import CONTRACTS
from testnet.year import OFFSET_S
from tests.audit.index_child import EXTRA
from tests.audit.made_chain import MadeChain, make_chain, transfer
from tests.audit.made_source import MadeSource
from tests.audit.small_node import serve
from tests.audit.test_home import make_home
from tests.contracts.fund_desk import BALANCES, claim, close, create, get, open_pool
from tests.contracts.offices import object_id
from tests.federation import account
from tests.made_year import MadeYear, small_year
from tests.postgres import Postgres, serve_postgres

CHAIN = make_chain(extra=3)
TOP = len(CHAIN.raws)
KINDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with serve_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    return make_url(request.param, request, tmp_path)


def make_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'index.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.empty()


def run(
    base: Base, folder: Path, chain: MadeChain = CHAIN, height: int | None = None
) -> MadeSource:
    source = MadeSource(chain, height)
    list(run_index(source, folder / "client", base, workers=1))
    return source


def dump(base: Base) -> dict[str, list[Cells]]:
    """Everything that can be asked, each in one order."""
    found = {}
    for name in (*(table.name for table in TABLES), *VIEWS):
        columns = base.get_columns(name)
        order = ", ".join(map(str, range(1, len(columns) + 1)))
        found[name] = [columns, *base.run(f"SELECT * FROM {quote(name)} ORDER BY {order}")]
    return found


# ------------------------------------------------------------------------------ a whole year


def year_parts(year: MadeYear) -> Iterator[tuple[Header, Rows]]:
    store, contracts = year.store, Contracts(CONTRACTS)
    for height in range(1, store.tip.height + 1):
        header = store.header(height)
        assert header is not None
        txs = [decode_tx(raw, contracts.union) for raw in store.envelopes(height)]
        date = compute_book_date(header.time_ms // 1000, OFFSET_S)
        done = store.start(height), store.outcomes(height)
        yield header, make_block_cells(contracts, header, block_id(header), txs, *done, date)


def write_year(base: Base, year: MadeYear, parts: list[tuple[Header, Rows]], step: int) -> None:
    before = begin_index(base, year.genesis, make_opening(year.genesis, OFFSET_S))
    for first in range(0, len(parts), step):
        some = parts[first : first + step]
        newest = some[-1][0]
        after = replace(
            before,
            height=newest.height,
            block_id=block_id(newest).hex(),
            log_size=newest.log_size,
        )
        write_rows(base, before, after, merge(rows for _, rows in some))
        before = after


def make_opening(genesis: Genesis, offset_s: int) -> Rows:
    return add_up_sums(make_genesis_cells(genesis, offset_s))


@pytest.fixture(scope="module")
def bases(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Base, Base]]:
    """The small year in both, written in steps of different size."""
    year = small_year()
    parts = list(year_parts(year))
    with (
        closing(open_base("sqlite:///year.db", tmp_path_factory.mktemp("year"))) as lite,
        closing(open_base(postgres.create(), Path())) as large,
    ):
        write_year(lite, year, parts, 100)
        write_year(large, year, parts, 333)
        yield lite, large


def test_both_give_the_same_answers(bases: tuple[Base, Base]) -> None:
    lite, large = map(dump, bases)

    for name, rows in lite.items():
        assert rows == large[name], name
    assert len(lite["history"]) > 4_000
    assert read_mark(bases[0]) == read_mark(bases[1])


def test_a_rebuild_of_the_year_gives_the_same_answers(bases: tuple[Base, Base]) -> None:
    year = small_year()
    before, parts = dump(bases[0]), list(year_parts(year))
    for base, step in zip(bases, (500, 700), strict=True):
        drop_index(base)
        assert not {table.name for table in TABLES} & base.list_names()
        write_year(base, year, parts, step)
        assert dump(base) == before


def test_balances_and_supply_are_those_of_the_state(bases: tuple[Base, Base]) -> None:
    year = small_year()
    state = State(year.state().get)
    for base in bases:
        cells = base.run("SELECT * FROM balances WHERE cents <> 0")
        assert {place: cents for *place_, cents in cells if (place := tuple(place_))} == (
            year.balances()
        )
        supply = base.run("SELECT * FROM supply ORDER BY denom")
        assert [denom for denom, *_ in supply] == ["delfshaven:EUR", "stadscentrum:EUR"]
        for denom, *sums in supply:
            stated = SUPPLY.get(state, denom)
            assert stated is not None
            assert tuple(sums) == tuple(getattr(stated, name) for name in stated.__struct_fields__)


def test_reserves_are_attested_to_the_cent(bases: tuple[Base, Base]) -> None:
    year = small_year()
    held = {owner: cents for (_, klass, owner), cents in year.balances().items() if klass == "1"}
    for base in bases:
        rows = base.run('SELECT "reserve", "reserve_cents", "statement_pages" FROM reserve')
        assert {name: cents for name, cents, _ in rows} == held
        assert all(pages > 200 for _, _, pages in rows)


def test_history_is_what_the_node_tells(bases: tuple[Base, Base]) -> None:
    """The node's rows are made as blocks are executed; those of the view by SQL alone."""
    year = small_year()
    asked = (
        'SELECT "account", "height", "index", "direction", "counterparty", "cents", "denom", '
        '"balance_cents" FROM history WHERE "height" > 0'
    )
    node = set()
    for owner in {owner for _, klass, owner in year.balances() if klass in ("2", "7")}:
        for _, height, index, row in year.store.history(parse_account(owner)):
            other = row.counterparty
            other_name = account_text(other) if len(other) == ACCOUNT_BYTES else other.hex()
            direction = "in" if row.incoming else "out"
            place = owner, height, index, direction, other_name
            node.add((*place, row.cents, row.denom, row.balance))

    assert len(node) > 4_000
    for base in bases:
        assert set(base.run(asked)) == node


# ------------------------------------------------------------------------- pools and policies


def test_pools_and_policies_are_those_of_the_state(url: str, tmp_path: Path) -> None:
    chain = MadeChain(balances=BALANCES)
    spent = open_pool(chain, cents=9_000)
    assert claim(chain, spent, "anna", 3_500).code == 0
    closed = open_pool(chain, cents=700)
    assert close(chain, closed).code == 0
    draft = object_id(create(chain))

    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path, chain)

        pools = base.run('SELECT "policy", "in_cents", "out_cents", "left_cents" FROM pools')
        assert {one: tuple(sums) for one, *sums in pools} == {
            spent.hex(): (9_000, 3_500, 5_500),
            closed.hex(): (700, 700, 0),
        }
        columns = base.get_columns("policies")
        rows = [dict(zip(columns, row, strict=True)) for row in base.run("SELECT * FROM policies")]
        found = {row["policy"]: row for row in rows}
        assert found.keys() == {one.hex() for one in (spent, closed, draft)}
        for policy_id in (spent, closed, draft):
            row, policy = found[policy_id.hex()], get(chain, policy_id)
            began, ended = row["accepted_height"], row["closed_height"]
            assert ("CLOSED" if ended else "ACTIVE" if began else "DRAFT") == policy.status
            assert json.loads(row["made"])[:2] == [policy_id.hex(), account_text(policy.funder)]
        assert [found[one.hex()]["payments"] for one in (spent, closed, draft)] == [1, 0, 0]


# ------------------------------------------------------------------ following, crash, rebuild


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Cells]]:
    """The tables of the made chain, written in one go."""
    folder = tmp_path_factory.mktemp("expected")
    with closing(open_base("sqlite:///index.db", folder)) as base:
        run(base, folder)
        return dump(base)


def test_it_follows_block_by_block_and_executes_each_once(
    url: str, tmp_path: Path, expected: dict[str, list[Cells]]
) -> None:
    source = MadeSource(CHAIN, 2)
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        source.height = min(TOP, source.read_height() + 1)

    heights = []
    with closing(open_base(url, tmp_path)) as base:
        for indexed in run_index(source, tmp_path / "client", base, workers=1, sleep=sleep):
            heights.append(indexed.mark.height)
            assert read_mark(base) == indexed.mark
            if indexed.mark.height == TOP:
                break
        assert dump(base) == expected
    assert heights == list(range(2, TOP + 1))
    assert source.asked == list(range(1, TOP + 1))
    assert len(waited) == TOP - 2


def test_it_waits_for_a_node_that_does_not_answer(url: str, tmp_path: Path) -> None:
    class Shy(MadeSource):
        silent = 0

        def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
            self.silent += 1
            if self.silent % 2:
                raise Problem(3001, node="v1")
            yield from super().read_blocks(first, last)

    source = Shy(CHAIN)
    waited: list[float] = []
    with closing(open_base(url, tmp_path)) as base:
        following = run_index(source, tmp_path / "c", base, workers=1, sleep=waited.append)
        assert next(following).mark.height == TOP
        with pytest.raises(Problem) as impatient:
            run_index_once(Shy(CHAIN), tmp_path, base)
    assert len(waited) == TOP
    assert impatient.value.number == 3001


def run_index_once(source: MadeSource, folder: Path, base: Base) -> None:
    list(run_index(source, folder / "client", base, workers=1))


def test_resumed_at_any_height_it_is_the_same(
    url: str, tmp_path: Path, expected: dict[str, list[Cells]]
) -> None:
    for height in range(TOP + 1):
        with closing(open_base(url, tmp_path)) as base:
            run(base, tmp_path, height=height)
            assert read_mark(base).height == height
    with closing(open_base(url, tmp_path)) as base:
        assert dump(base) == expected


def test_signatures_below_the_mark_are_not_checked_again(url: str, tmp_path: Path) -> None:
    checked = []

    def check(key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return True

    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path, height=TOP - 1)
        list(run_index(MadeSource(CHAIN), tmp_path / "client", base, check=check))
    *_, certificate, txs, _ = CHAIN.decided[-1]
    of_txs = {one.signature for tx in txs for one in tx.signatures}
    last = CHAIN.decided[-1][1].last_commit
    assert last is not None
    assert set(checked) == {*certificate.signatures, *last.signatures, *of_txs}


class Crash(BaseException):
    """The machine stops."""


class Crashing:
    """A database whose process dies when so many things were put in."""

    def __init__(self, base: Base, left: int) -> None:
        self._base = base
        self.left = left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def put(self, table: Table, rows: list[Cells]) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1
        self._base.put(table, rows)


def test_a_crash_at_any_write_leaves_whole_blocks(
    url: str,
    tmp_path: Path,
    expected: dict[str, list[Cells]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_run, "BATCH_BLOCKS", 2)
    heights = []
    for left in range(0, 60, 5):
        base: Any = Crashing(open_base(url, tmp_path), left)
        with closing(base):
            drop_index(base)
            try:
                run(base, tmp_path)
            except Crash:
                pass
            else:
                break
            with closing(open_base(url, tmp_path)) as other:
                there = {table.name for table in TABLES} & other.list_names()
                heights.append(read_mark(other).height if there else None)
                run(other, tmp_path)
                assert dump(other) == expected
    assert heights[0] is None
    assert len(set(heights)) > 3


def test_a_process_that_is_killed_leaves_whole_blocks(url: str, tmp_path: Path) -> None:
    chain = make_chain(extra=EXTRA)
    line = [sys.executable, "-m", "tests.audit.index_child", url, str(tmp_path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        written = [int(child.stdout.readline()) for _ in range(5)]
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert written == [1, 2, 3, 4, 5]
    with closing(open_base(url, tmp_path)) as base:
        at = read_mark(base).height
        assert at >= 5
        run(base, tmp_path, chain)
        resumed = dump(base)
        drop_index(base)
        assert not {table.name for table in TABLES} & base.list_names()
        run(base, tmp_path, chain)
        assert dump(base) == resumed


def test_two_writers_do_not_write_the_same_block(url: str, tmp_path: Path) -> None:
    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path, height=2)
        before = read_mark(base)
        with closing(open_base(url, tmp_path)) as other:
            run(other, tmp_path)
            whole = dump(other)
        header, _, _, txs, executed = CHAIN.decided[2]
        done = executed.start, executed.outcomes
        cells = make_block_cells(CHAIN.chain.table, header, block_id(header), txs, *done, 20260101)
        with pytest.raises(Problem) as refused:
            write_rows(base, before, replace(before, height=3), merge([cells]))
        assert refused.value.number == 1002
        assert dump(base) == whole


# ---------------------------------------------------------------------------- what is refused


def test_a_database_of_another_chain_is_refused(url: str, tmp_path: Path) -> None:
    other = MadeChain(wijken=3)
    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path)
        before = dump(base)
        with pytest.raises(Problem) as refused:
            run(base, tmp_path / "other", other)
        assert refused.value.number == 1002
        assert other.genesis.digest.hex() in str(refused.value)
        assert dump(base) == before


def test_another_history_of_the_same_chain_is_refused(url: str, tmp_path: Path) -> None:
    fork = make_chain()
    fork.send(*pay(1))
    own = make_chain()
    own.send(*pay(2))
    top = len(own.raws)
    assert own.decided[-1][0] != fork.decided[-1][0]
    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path, own)
        with pytest.raises(BlockWrong, match=f"block {top}: the index holds another one"):
            run(base, tmp_path, fork)
        with pytest.raises(Problem) as behind:
            run(base, tmp_path, own, top - 1)
        assert behind.value.number == 3007
        assert read_mark(base).height == top


def pay(cents: int) -> tuple[Any, bytes, list[tuple[int, str]]]:
    return transfer("bakker", cents), account("anna"), [(0, "anna")]


def test_a_wrong_block_stops_it_and_nothing_of_it_is_written(url: str, tmp_path: Path) -> None:
    source = MadeSource(CHAIN)
    bad = list(CHAIN.raws)
    bad[3] = replace(bad[3], certificate=bad[2].certificate)
    source.read_blocks = lambda first, last: iter(bad[first - 1 : last])  # type: ignore[method-assign]
    with closing(open_base(url, tmp_path)) as base:
        with pytest.raises(BlockWrong, match="block 4"):
            list(run_index(source, tmp_path / "client", base, workers=1))
        assert read_mark(base).height == 0


DAMAGES = [
    f"DELETE FROM {MARK}",
    f"UPDATE {MARK} SET height = height - 1",
    f"UPDATE {MARK} SET format = 'wijk/index/2'",
    f"INSERT INTO {MARK} SELECT id + 1, format, chain_id, 'x', 0, block_id, 0 FROM {MARK}",
    f"UPDATE {MARK} SET height = -1",
    "DELETE FROM blocks WHERE height = 3",
    "UPDATE blocks SET block_id = 'x'",
    "DELETE FROM txs WHERE height = 2",
    "DROP VIEW supply",
    "ALTER TABLE notices RENAME TO mine",
    "ALTER TABLE balances RENAME COLUMN cents TO euros",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_refused(url: str, tmp_path: Path, damage: str) -> None:
    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path)
        base.run(damage)
        with pytest.raises(Problem) as refused:
            run(base, tmp_path)
    assert refused.value.number == 1002


def test_a_mark_of_other_types_is_refused(url: str, tmp_path: Path) -> None:
    with closing(open_base(url, tmp_path)) as base:
        run(base, tmp_path)
        columns = "id, format, chain_id, chain_digest, 'x' AS height, block_id, log_size"
        base.run(f"CREATE TABLE fresh AS SELECT {columns} FROM {MARK}")
        base.run(f"DROP TABLE {MARK}")
        base.run(f"ALTER TABLE fresh RENAME TO {MARK}")
        with pytest.raises(Problem, match="height") as refused:
            read_mark(base)
    assert refused.value.number == 1002


def test_tables_of_somebody_else_are_left_alone(url: str, tmp_path: Path) -> None:
    with closing(open_base(url, tmp_path)) as base:
        base.run("CREATE TABLE blocks (mine INTEGER)")
        base.run("CREATE TABLE other (mine INTEGER)")
        for what in (lambda: run(base, tmp_path), lambda: drop_index(base)):
            with pytest.raises(Problem) as refused:
                what()
            assert refused.value.number == 1002
        assert base.list_names() == {"blocks", "other"}
        base.run("DROP TABLE blocks")
        run(base, tmp_path)
        drop_index(base)
        assert base.list_names() == {"other"}


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with closing(open_base("sqlite:///index.db", tmp_path)) as base:
        run(base, tmp_path)
    whole = path.read_bytes()
    for data in (b"not a database" * 100, whole[:4096] + bytes(4096) + whole[8192:]):
        path.write_bytes(data)
        with pytest.raises(Problem) as refused, closing(open_base("sqlite:///index.db", tmp_path)):
            pytest.fail("it was opened")
        assert refused.value.number == 1002


def test_postgresql_errors_are_told_without_the_password(postgres: Postgres) -> None:
    url = postgres.create("ENCODING 'LATIN1' LOCALE 'C'")
    for address in (url, url.replace("index_", "none_"), "postgresql://u:not-shown@[::1]:1/x"):
        with pytest.raises(Problem) as refused:
            open_base(address, Path())
        assert refused.value.number == 1002
        assert "not-shown" not in str(refused.value)
    assert hide_password("postgresql://u:p@h/d?password=q") == "postgresql://u@h/d"


# ------------------------------------------------------------------------------ as it is typed


def wijk(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["index", *words, "-o", "json"])
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    tree: dict[str, Any] = json.loads(said.out or said.err)
    return tree


def test_the_commands(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    expected: dict[str, list[Cells]],
) -> None:
    client = "--home", str(tmp_path / "client"), "--to", url
    with serve(CHAIN) as node:
        asked = *client, "--node", node.url
        first = wijk(capsys, "run", "--once", *asked)
        again = wijk(capsys, "run", "--once", *asked)
        status = wijk(capsys, "status", *client)
        anew = wijk(capsys, "rebuild", *asked)

    assert (first["height"], first["blocks"]) == (TOP, TOP)
    assert (again["height"], again["blocks"], again["transactions"]) == (TOP, 0, 0)
    assert status["rows"] == {
        table.name: len(expected[table.name]) - 1 for table in TABLES if table.name != MARK
    }
    assert anew == first
    assert "not-shown" not in first["to"]
    with closing(open_base(url, tmp_path)) as base:
        assert dump(base) == expected


def test_a_stopped_home_is_read_into_its_own_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], expected: dict[str, list[Cells]]
) -> None:
    home = make_home(tmp_path / "v1", "sqlite", CHAIN)
    client = "--home", str(tmp_path / "client"), "--dir", str(home)

    missing = wijk(capsys, "status", *client, code=12)
    assert wijk(capsys, "run", *client)["to"] == str(home / "index.db")

    assert missing["code"] == "WIJK-3007"
    assert wijk(capsys, "status", *client)["height"] == TOP
    assert (home / "index.db").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(home / "index.db")) as reader:
        assert reader.execute("SELECT * FROM supply").fetchall() == expected["supply"][1:]


def test_the_settings_of_a_node_say_where_its_index_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 3.1, ADR 0096."""
    home = make_home(tmp_path / "v1", "sqlite", CHAIN)
    client = "--home", str(tmp_path / "client"), "--dir", str(home)
    (home / "node.toml").write_text('[index]\nurl = "sqlite:///tables/own.db"\n')

    said = wijk(capsys, "run", *client)
    monkeypatch.setenv("WIJK_INDEX_URL", "sqlite:///other.db")
    missing = wijk(capsys, "status", *client, code=12)
    monkeypatch.delenv("WIJK_INDEX_URL")
    (home / "node.toml").write_text('[index]\nurl = "mysql://somewhere"\n')
    wrong = wijk(capsys, "run", *client, code=3)

    assert (said["to"], said["height"]) == (str(home / "tables/own.db"), TOP)
    assert missing["params"]["what"] == str(home / "other.db")
    assert wrong["code"] == "WIJK-1002"
    assert "index.url" in wrong["params"]["errors"][0]


def test_refusals_as_they_are_typed(
    postgres: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = "--home", str(tmp_path / "client")
    with serve(CHAIN) as node:
        asked = *client, "--node", node.url
        wrong = wijk(capsys, "run", "--once", *asked, "--to", "mysql://u:not-shown@h/d", code=2)
        gone = wijk(capsys, "run", "--once", *asked, "--to", postgres.address("none"), code=3)
        node.lies["/v1/blocks/3"] = (200, encode([b"", b"", b"", []]))
        lied = wijk(capsys, "run", "--once", *asked, code=8)

    assert (wrong["code"], gone["code"]) == ("WIJK-1001", "WIJK-1002")
    assert "not-shown" not in json.dumps([wrong, gone])
    assert (lied["code"], lied["params"]["cause"][:7]) == ("WIJK-5001", "block 3")
