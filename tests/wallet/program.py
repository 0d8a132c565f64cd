"""The program `wijk` in a test: run a line, and want the object or the problem that it prints."""

import json
from collections.abc import Sequence
from typing import Any

from click.testing import CliRunner, Result

from chain.texts import exit_code
from cli import wijk
from tests.shapes import SHAPES, check_shape

IBAN = "NL02ABNA0123456789"


def run(*words: str) -> Result:
    return CliRunner().invoke(wijk, list(words))


def ask_plain(*words: str, code: int = 0) -> dict[str, Any]:
    """Run with -o json, want an exit code, and return the object on stdout."""
    return _read(run(*words, "-o", "json"), code)


def _read(told: Result, code: int) -> dict[str, Any]:
    assert told.exit_code == code, told.stderr
    tree: dict[str, Any] = json.loads(told.stdout)
    return tree


def ask(shape: str, *words: str, code: int = 0) -> dict[str, Any]:
    """Run with -o json, want an exit code, and return the object on stdout, of that shape."""
    told = run(*words, "-o", "json")
    tree = _read(told, code)
    check_shape(tree, SHAPES[shape], shape)
    if code:
        check_shape(json.loads(told.stderr.splitlines()[-1]), SHAPES["problem"])
    return tree


def refused(code: int, *words: str) -> dict[str, Any]:
    told = run(*words, "-o", "json")
    problem: dict[str, Any] = json.loads(told.stderr.splitlines()[-1])
    check_shape(problem, SHAPES["problem"])
    assert problem["code"] == f"WIJK-{code}", problem
    assert told.exit_code == exit_code(code)
    assert told.stdout == ""
    return problem


def camt(opening: int, movements: Sequence[int], day: str) -> str:
    """Return a camt.053.001.02 statement of one day, amounts in cents, credits above 0."""

    def amount(cents: int) -> str:
        return f'<Amt Ccy="EUR">{cents // 100}.{cents % 100:02}</Amt>'

    def balanced(code: str, cents: int) -> str:
        kind = f"<Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        return f"<Bal>{kind}{amount(cents)}<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"

    entries = "".join(
        f"<Ntry>{amount(abs(cents))}<CdtDbtInd>{'CRDT' if cents > 0 else 'DBIT'}</CdtDbtInd>"
        f"<Sts>BOOK</Sts><BookgDt><Dt>{day}</Dt></BookgDt>"
        f"<AcctSvcrRef>{day}-{place}</AcctSvcrRef><BkTxCd/></Ntry>"
        for place, cents in enumerate(movements)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-01-06T02:00:00Z</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{day}</Id><CreDtTm>2026-01-06T02:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balanced('OPBD', opening)}{balanced('CLBD', opening + sum(movements))}{entries}"
        "</Stmt></BkToCstmrStmt></Document>"
    )
