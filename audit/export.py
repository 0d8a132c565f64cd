"""`audit export`: the books of a verified chain as files for accountants (economy X1 to X5).

The chain is executed again while the files are written. Where it is not sound no file is left.
"""

import secrets
import tempfile
from collections.abc import Callable, Mapping
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Protocol

import msgspec

from audit.export_camt import CamtStatements
from audit.export_ledger import Beancount, Dialect, Hledger, Journal
from audit.export_tables import CsvTable, JsonlTable, ParquetTable, SqliteTable
from audit.export_xaf import Company, Xaf, name_by_id
from audit.files import FILE_MODE
from audit.replay import Replay, replay
from audit.rows import ACCOUNT_CLASSES, Group, Row, make_block_rows, make_genesis_rows
from audit.sources import Source
from audit.verify import check_trusted
from chain import crypto
from chain.contract import Clock
from chain.dates import date_text
from chain.execute import Executed
from chain.genesis import Genesis, load_genesis
from chain.records import Header
from chain.state import State
from chain.validators import Verify

TABLES: dict[str, Callable[[Path], "Writer"]] = {
    "csv": CsvTable,
    "jsonl": JsonlTable,
    "parquet": ParquetTable,
    "sqlite": SqliteTable,
}
JOURNALS: dict[str, Callable[[], Dialect]] = {"hledger": Hledger, "beancount": Beancount}
FORMATS = (*TABLES, *JOURNALS, "camt053", "xaf")
ONE_ACCOUNT = (*TABLES, "camt053")  # a part of a double entry is no book
KEY_BYTES, NAME_BYTES = 32, 16
SOFTWARE = "wijkchain"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to export. Dates are book dates, YYYYMMDD, both included; `first` None is from genesis.

    `account` is bech32m; `tax_ids` by wijk; `today` is when the files are made.
    """

    format: str
    first: int | None
    last: int
    account: str | None
    pseudonymise: bool
    tax_ids: Mapping[str, str]
    today: int
    version: str


class Exported(msgspec.Struct, frozen=True):
    """The object of interfaces 1.8, and why in words where the chain is not sound."""

    tree: dict[str, Any]
    why: str | None
    broken: tuple[str, ...] = ()


class Writer(Protocol):
    """A format: takes transactions in order, and gives the rows of each file it made."""

    def add(self, group: Group) -> None:
        """Take a transaction of the period."""

    def close(self) -> dict[str, int]:
        """Finish the files: name -> rows."""


class Pseudonyms:
    """Names in place of account and transaction ids: a keyed hash, by a key that nobody keeps (X5).

    Each file has its own, so two files cannot be laid side by side.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def rename(self, file: str, name: str) -> str:
        """Return the pseudonym of `name` in `file`."""
        data = f"{file}\x00{name}".encode()
        return "p" + blake2b(data, key=self._key, digest_size=NAME_BYTES).hexdigest()

    def cover(self, group: Group) -> list[Row]:
        """Return rows without account ids, and without transaction ids, which lead to them."""
        return [
            msgspec.structs.replace(
                row,
                account=self.rename("", row.account)
                if row.klass in ACCOUNT_CLASSES
                else row.account,
                tx=self._cover_tx(row.tx),
                corrects=self._cover_tx(row.corrects),
            )
            for row in group
        ]

    def _cover_tx(self, tx: str | None) -> str | None:
        return None if tx is None else self.rename("", tx)


class _Books:
    """Sorts the stream into before the period, in it and after it, and adds up what is in it."""

    def __init__(self, order: Order, writer: Writer, names: Pseudonyms | None) -> None:
        self.debits = self.credits = 0
        self._order = order
        self._writer = writer
        self._names = names
        self._earlier: Callable[[Group], None] | None = getattr(writer, "add_earlier", None)

    def begin(self, run: Replay) -> None:
        """Take the opening balances of genesis."""
        genesis = run.genesis
        self._take(make_genesis_rows(genesis, _get_date(run, 1, genesis.time_ms)))

    def add_block(self, run: Replay, header: Header, executed: Executed) -> None:
        """Take what a block booked."""
        date = _get_date(run, header.height, header.time_ms)
        for group in make_block_rows(header, executed.start, executed.outcomes, date):
            self._take(group)

    def _take(self, group: Group) -> None:
        order = self._order
        if not group or group[0].book_date > order.last:
            return
        date = group[0].book_date
        early = order.first is not None and date < order.first
        if early and self._earlier is None:
            return
        if order.format in TABLES and order.account is not None:
            group = [row for row in group if row.account == order.account]
            if not group:
                return
        if not early:
            self.debits += sum(row.cents for row in group if row.side == "D")
            self.credits += sum(row.cents for row in group if row.side == "C")
        if self._names is not None:
            group = self._names.cover(group)
        if early and self._earlier is not None:
            self._earlier(group)
        else:
            self._writer.add(group)


def export(
    source: Source,
    home: Path,
    out: Path,
    order: Order,
    *,
    check: Verify = crypto.verify,
    on_block: Callable[[int, int], None] = lambda _height, _last: None,
) -> Exported:
    """Verify the chain of `source` and write its books into `out`.

    Raise `Malformed` where it is not the chain that `home` trusts, or cannot be read at all.
    """
    genesis = load_genesis(source.read_genesis())
    check_trusted(home, genesis)
    last = source.read_height()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as made:
        folder = Path(made)
        names = Pseudonyms() if order.pseudonymise else None
        writer = _make_writer(folder, order, genesis, names, last)
        books = _Books(order, writer, None if order.format == "camt053" else names)
        report = replay(
            genesis,
            source.read_blocks(1, last),
            verify=check,
            on_block=lambda height: on_block(height, last),
            on_begin=books.begin,
            on_executed=books.add_block,
        )
        rows = writer.close()
        files = []
        if report.ok:
            for name in sorted(rows):
                path = folder / name
                data = path.read_bytes()
                files.append(
                    {
                        "name": name,
                        "bytes": len(data),
                        "sha256": sha256(data).hexdigest(),
                        "rows": rows[name],
                    }
                )
                path.chmod(FILE_MODE)
                path.replace(out / name)
    tree = {
        "format": order.format,
        "from_on": None if order.first is None else date_text(order.first),
        "to_on": date_text(order.last),
        "dir": str(out),
        "files": files,
        "totals": {"debit_cents": books.debits, "credit_cents": books.credits},
        "checkpoint": {
            "height": report.last,
            "log_size": report.log_size,
            "log_root": report.log_root.hex(),
        },
    }
    why = None if report.ok else f"block {report.first_bad}: {report.why}"
    return Exported(tree, why, report.broken)


def _get_date(run: Replay, height: int, time_ms: int) -> int:
    """Return the book date of a block, YYYYMMDD (economy B9)."""
    return Clock(run.chain, State(run.state.get), height, time_ms // 1000).book_date


def _make_writer(
    folder: Path, order: Order, genesis: Genesis, names: Pseudonyms | None, height: int
) -> Writer:
    period = order.first, order.last
    if order.format in TABLES:
        return TABLES[order.format](folder)
    if order.format in JOURNALS:
        title = f"chain {genesis.digest.hex()} up to block {height}"
        return Journal(folder, JOURNALS[order.format](), title, *period)
    if order.format == "camt053":
        rename = names.rename if names is not None else lambda _file, name: name
        return CamtStatements(folder, order.account, rename, period, order.today)
    companies = {
        wijk.slug: Company(
            wijk.name, wijk.coin.denom.partition(":")[2], order.tax_ids.get(wijk.slug, "")
        )
        for wijk in genesis.doc.wijken
    }

    def make_company(wijk: str, currency: str) -> Company:
        tax_id = order.tax_ids.get(wijk, "")
        return msgspec.structs.replace(name_by_id(wijk, currency), tax_id=tax_id)

    software = SOFTWARE, order.version
    return Xaf(folder, companies, software, period, order.today, make_company)
