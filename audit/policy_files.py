"""The files of a policy report: one JSON that says everything, and tables of it (economy X6).

The same chain gives the same bytes. `report.json` names the tables with their SHA-256, so one
signature beside it covers them all.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.files import replace
from audit.small_cells import CONTRIBUTORS_MIN, ROUNDED_TO

FORMAT = "wijk/policy-report/1"
REPORT_FILE = "report.json"
POOL_UNITS = ("funded_units", "spent_units", "unspent_units", "direct_units")
CELL = ("units", "payments", "accounts")
TABLES = ("flows", "categories", "areas", "lines")

Json = dict[str, Any]
Row = Sequence[Any]


def write_report(
    out: Path, chain_id: str, chain_digest: bytes, checkpoint: Json, policies: list[Json]
) -> Json:
    """Write the files of a report into `out` and return their names and sums."""
    tables = {
        "cells.csv": _make_table(
            ("policy", "from_on", "to_on", "table", "name", *CELL), _list_cells(policies)
        ),
        "measures.csv": _make_table(
            ("policy", "indicator", "code", "unit", "decimals", "on", "value"),
            _list_measures(policies),
        ),
        "policies.csv": _make_table(
            ("policy", "denom", "status", "since_on", "shape", "pool_on", *POOL_UNITS),
            _list_policies(policies),
        ),
        "steps.csv": _make_table(("policy", *_STEP), _list_steps(policies)),
    }
    files = [
        {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest(), "rows": rows}
        for name, (data, rows) in tables.items()
    ]
    tree = {
        "format": FORMAT,
        "chain_id": chain_id,
        "chain_digest": chain_digest.hex(),
        "checkpoint": checkpoint,
        "contributors_min": CONTRIBUTORS_MIN,
        "rounded_to": ROUNDED_TO,
        # The sums of each pool agreed with the state there, to the cent, or nothing was written.
        "checked": {"invariant": "I10", "height": checkpoint["height"]},
        "policies": policies,
        "files": files,
    }
    data = (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
    for name, (table, _) in tables.items():
        replace(out / name, table)
    replace(out / REPORT_FILE, data)  # last: it names files that are there
    own = {"name": REPORT_FILE, "bytes": len(data), "sha256": sha256(data).hexdigest()}
    return {"files": [*files, {**own, "rows": len(policies)}], "checkpoint": checkpoint}


_STEP = ("step", "indicator", "op", "target", "cents", "due_on", "status", "paid_on")


def _make_table(columns: Row, rows: Iterable[Row]) -> tuple[bytes, int]:
    """Return a table as RFC 4180 with a header line, and how many rows stand under it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return text.getvalue().encode(), count


def _list_policies(policies: list[Json]) -> Iterable[Row]:
    for one in policies:
        pool = one["pool"]
        terms = (one["policy"], one["denom"], one["status"], one["since_on"], one["shape"])
        yield (*terms, pool["on"], *(pool[name] for name in POOL_UNITS))


def _list_cells(policies: list[Json]) -> Iterable[Row]:
    """Months have a name `2026-01`, or `2026-01/2026-03` where they are shown together."""
    for one in policies:
        for period in one["periods"]:
            place = (one["policy"], period["from_on"], period["to_on"])
            yield (*place, "period", "", *_get_cell(period))
            if period["work_hours"] is not None:
                yield (*place, "work_hours", "", period["work_hours"], "", "")
            for month in period["months"]:
                first, last = month["from"], month["to"]
                name = first if first == last else f"{first}/{last}"
                yield (*place, "months", name, *_get_cell(month))
            for table in TABLES:
                for cell in period[table]:
                    yield (*place, table, cell["name"], *_get_cell(cell))


def _get_cell(tree: Json) -> Row:
    return [tree[name] for name in CELL]


def _list_steps(policies: list[Json]) -> Iterable[Row]:
    for one in policies:
        for step in one["effects"]["steps"]:
            yield (one["policy"], *(step[name] for name in _STEP))


def _list_measures(policies: list[Json]) -> Iterable[Row]:
    for one in policies:
        for indicator in one["effects"]["measures"]:
            place = [indicator[name] for name in ("indicator", "code", "unit", "decimals")]
            for measure in indicator["measured"]:
                yield (one["policy"], *place, measure["on"], measure["value"])
