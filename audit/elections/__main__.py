"""`python -m elections BUNDLE`: verify the bundle of an election, and say what was found."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from .check import Report, verify
from .wire import BadBundleError, Bundle, parse_json, read_bundle, unhex

OK, UNREADABLE, WRONG = 0, 2, 8
FINDINGS_SHOWN = 100


def summarize(bundle: Bundle, report: Report, seconds: float) -> dict[str, Any]:
    """Return the object of `election verify`, with every finding."""
    figures = report.figures
    return {
        "election": bundle.meta.get("name") or bundle.meta.get("election"),
        "stage": figures.get("stage"),
        "rehearsal": figures.get("rehearsal", False),
        "eligible": figures.get("eligible", 0),
        "ballots": figures.get("ballots", 0),
        "signatures_ok": report.ok("signatures"),
        "proofs_ok": report.ok("ballots", "ceremony", "spoiled"),
        "duplicates": figures.get("duplicates", 0),
        "sums_ok": report.ok("sums"),
        "shares_ok": report.ok("shares"),
        "counts": figures.get("counts", {}),
        "elected": figures.get("elected", []),
        "ok": report.ok(),
        "seconds": round(seconds, 1),
        "findings": [
            {"check": check, "what": what} for check, what in report.findings[:FINDINGS_SHOWN]
        ],
    }


def read_trusted(path: Path) -> list[dict[str, bytes]]:
    """Return sets of validators: a file names one, key by name, or several of them by label.

    Several, because the set may change between closing and result.
    """
    known = parse_json(path.read_text(encoding="utf-8"))
    several = all(isinstance(one, dict) for one in known.values())
    sets = list(known.values()) if several else [known]
    if not sets or not all(sets):
        raise BadBundleError("no keys of validators in that file")
    return [{name: unhex(key, 32) for name, key in one.items()} for one in sets]


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Verify one bundle; exit 0 if all holds, 8 if something was found, 2 if it is no bundle."""
    parser = argparse.ArgumentParser(prog="elections", description=__doc__)
    parser.add_argument("bundle", type=Path, help="the folder of the bundle")
    parser.add_argument("--earlier", type=Path, help="a bundle of a day before: nothing is gone")
    parser.add_argument(
        "--validators",
        type=Path,
        help="JSON: keys by name, known to you; or sets of them",
    )
    parser.add_argument("--processes", type=int, default=1, help="how many processors to use")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        bundle = read_bundle(asked.bundle)
        earlier = read_bundle(asked.earlier) if asked.earlier else None
        trusted = None
        if asked.validators:
            trusted = read_trusted(asked.validators)
    except (BadBundleError, OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        sys.stderr.write(f"This is no bundle that can be read: {error}\n")
        return UNREADABLE
    report = verify(
        bundle,
        earlier=earlier,
        trusted=trusted,
        processes=asked.processes,
        tell=_tell,
    )
    found = summarize(bundle, report, time.monotonic() - begun)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return OK if report.ok() else WRONG


if __name__ == "__main__":
    sys.exit(main())
