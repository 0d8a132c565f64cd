"""Verify a year on disk once, write its books, and let other programs judge them (economy A1, A7).

`python -m tests.judge_home FOLDER --out NEW` takes what `wijk testnet year` left: the chain of the
first node is replayed once for all books; hledger, bean-check and the XSD of XAF 4.0 judge them;
the bank's files are reconciled. It says what each step took as JSON, and ends with 1 if one fails.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from lxml import etree

from audit.export import Writer
from audit.export_ledger import Beancount, Hledger, Journal
from audit.export_xaf import Company, Xaf
from audit.home import open_home
from audit.reconcile import choose_books, reconcile
from audit.replay import Replay, replay
from audit.rows import Group, make_block_rows, make_genesis_rows
from chain.contract import Clock
from chain.execute import Executed
from chain.genesis import Genesis, load_genesis
from chain.records import Header
from chain.state import State
from testnet.year_plan import YEAR
from tests.judges import CHECKOUT

LAST = YEAR * 10_000 + 1231
JUDGE_S_MAX = 3_600


class Figures:
    """What was measured: seconds by step, and whether all of it was right."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.ok = True

    def step(self, name: str, run: Callable[[], bool]) -> None:
        """Run a step that says whether it was right."""
        began = time.monotonic()
        right = run()
        self.ok = self.ok and right
        self.tree[name] = {"ok": right, "seconds": round(time.monotonic() - began, 1)}
        sys.stderr.write(f"{name}: {self.tree[name]}\n")


class Books:
    """All books at once, from one replay."""

    def __init__(self, folder: Path, genesis: Genesis) -> None:
        companies = {one.slug: Company(one.name, "EUR", "") for one in genesis.doc.wijken}
        self._writers: list[Writer] = [
            Journal(folder, Hledger(), "a year", None, LAST),
            Journal(folder, Beancount(), "a year", None, LAST),
            Xaf(folder, companies, ("wijkchain", "0"), (None, LAST), LAST),
        ]
        self.state: dict[bytes, bytes] = {}
        self.postings = 0

    def begin(self, run: Replay) -> None:
        self._take(make_genesis_rows(run.genesis, _date(run, 1, run.genesis.time_ms)))

    def add(self, run: Replay, header: Header, executed: Executed) -> None:
        date = _date(run, header.height, header.time_ms)
        for group in make_block_rows(header, executed.start, executed.outcomes, date):
            self._take(group)

    def end(self, run: Replay) -> None:
        self.state = dict(run.state)

    def _take(self, group: Group) -> None:
        self.postings += len(group)
        for writer in self._writers:
            writer.add(group)

    def close(self) -> list[str]:
        return [name for writer in self._writers for name in writer.close()]


def _date(run: Replay, height: int, time_ms: int) -> int:
    return Clock(run.chain, State(run.state.get), height, time_ms // 1000).book_date


def judge(folder: Path, out: Path) -> Figures:
    figures = Figures()
    network = json.loads((folder / "testnet.json").read_text())
    home = Path(network["nodes"][0]["home"])
    genesis = load_genesis((folder / "genesis.json").read_bytes())
    out.mkdir()
    books = Books(out, genesis)

    def verify() -> bool:
        with open_home(home) as source:
            last = source.read_height()
            report = replay(
                genesis,
                source.read_blocks(1, last),
                on_begin=books.begin,
                on_executed=books.add,
                on_end=books.end,
            )
        figures.tree |= {"blocks": report.last, "transactions": report.transactions}
        return report.ok

    figures.step("replay", verify)
    figures.tree["postings"] = books.postings
    names = books.close()
    figures.tree["bytes"] = {name: (out / name).stat().st_size for name in names}
    figures.tree["store_bytes"] = sum(
        one.stat().st_size for one in home.rglob("*") if one.is_file()
    )
    hledger = CHECKOUT / ".venv" / "hledger" / "usr" / "bin" / "hledger"
    program = str(hledger) if hledger.exists() else "hledger"
    figures.step("hledger", lambda: _run(program, "-f", str(out / Hledger.name), "check"))
    bean = str(Path(sys.executable).with_name("bean-check"))
    figures.step("bean-check", lambda: _run(bean, "--no-cache", str(out / Beancount.name)))
    data = resources.files("pyxaf.schemas").joinpath("XmlAuditfileFinancieel4.0.xsd").read_bytes()
    schema = etree.XMLSchema(etree.fromstring(data))
    audit_files = [out / name for name in names if name.startswith("xaf-")]
    figures.step("xsd", lambda: all(schema.validate(etree.parse(str(one))) for one in audit_files))

    def compare() -> bool:
        right = True
        for wijk in (one.slug for one in genesis.doc.wijken):
            files = [one.read_bytes() for one in sorted((folder / "bank").glob(f"{wijk}-*.xml"))]
            chosen, days = choose_books(books.state, files, wijk)
            done = reconcile(books.state, chosen, days)
            figures.tree[f"bank {wijk}"] = {"matched": done.matched, "open": len(done.open_items)}
            right = right and done.ok
        return right

    figures.step("reconcile", compare)
    figures.tree["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def _run(*line: str) -> bool:
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        timeout=JUDGE_S_MAX,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
    sys.stderr.write(done.stdout[-500:] + done.stderr[-500:])
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    figures = judge(asked.folder, asked.out)
    sys.stdout.write(json.dumps(figures.tree) + "\n")
    return 0 if figures.ok else 1


if __name__ == "__main__":
    sys.exit(main())
