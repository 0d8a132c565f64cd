"""From a bank file to calls: which reserve, which statements, which entry (economy C4..C6).

No name, IBAN or description leaves this file for the chain; they are for the treasurer's eyes.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from bank.camt053 import Entry, Statement, pages, parse
from bank.document import FILE_BYTES_MAX
from bank.faults import BankFileError, Fault
from chain.texts import Problem
from contracts.coin import StatementCall, StatementEntry
from wallet.files import read_plain

if TYPE_CHECKING:
    from wallet.terminal import Terminal

BANK_FILE_BYTES_MAX = FILE_BYTES_MAX  # economy C5
ENTRIES_LISTED_MAX = 5


def find_reserve(terminal: "Terminal", wijk: str) -> bytes:
    """Return the id of the wijk's reserve account, from the parameter `reserves`."""
    rows = terminal.client.params()["params"]["reserves"]
    own = [reserve for reserve, pledged in rows if pledged == wijk]
    if len(own) != 1:
        cause = terminal.text(
            f"wijk {wijk} heeft {len(own)} reserverekeningen; gebruik wijk tx build",
            f"wijk {wijk} has {len(own)} reserve accounts; use wijk tx build",
        )
        raise Problem(1001, cause=cause)
    return bytes.fromhex(own[0])


def read_statements(terminal: "Terminal", file: Path, reserve: bytes) -> tuple[Statement, ...]:
    """Return the statements of one account in a camt.053 file; else `Problem` 1001 says why."""
    try:
        found = parse(_read(file), reserve)
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None
    except BankFileError as error:
        terminal.say(error.sentence("nl"), error.sentence("en"))
        what = terminal.text(error.fault.what["nl"], error.fault.what["en"])
        raise Problem(1001, cause=f"{what.rstrip('.')} [{error.code}]") from error
    if len({statement.iban for statement in found}) > 1:
        cause = terminal.text(
            "het bestand bevat meer rekeningen; vraag de bank om een bestand per rekening",
            "the file holds several accounts; ask the bank for one file per account",
        )
        raise Problem(1001, cause=cause)
    return found


def _read(file: Path) -> bytes:
    """Return the content of a bank file; one above the bound is not read at all (economy C5)."""
    if file.stat().st_size > BANK_FILE_BYTES_MAX:
        raise BankFileError(Fault.TOO_LARGE)
    return read_plain(file, BANK_FILE_BYTES_MAX)


def statement_calls(statement: Statement, reserve: bytes) -> list[StatementCall]:
    """Return the calls, one a page, that attest a statement (economy C5)."""
    sheets = pages(statement)
    return [
        StatementCall(
            reserve,
            statement.date,
            number,
            len(sheets),
            statement.opening,
            statement.closing,
            tuple(
                StatementEntry(
                    line.entry_id,
                    line.booking_date,
                    line.value_date,
                    line.cents,
                    line.side,
                    int(line.reversal),
                )
                for line in sheet
            ),
        )
        for number, sheet in enumerate(sheets, start=1)
    ]


def find_entry(
    terminal: "Terminal",
    statements: tuple[Statement, ...],
    ref: str | None,
    cents: int,
) -> Entry:
    """Return the one credit of that amount; `ref` is an entry id or the payer's reference.

    Raise `Problem` 1001 with the candidates where there is none, or more than one.
    """
    lines = [line for statement in statements for line in statement.entries]
    fits = [
        line for line in lines if line.side == "C" and not line.reversal and line.cents == cents
    ]
    if ref is not None:
        fits = [
            line for line in fits if ref in (line.entry_id.hex(), line.reference, line.end_to_end)
        ]
    if len(fits) == 1:
        return fits[0]
    ids = ", ".join(line.entry_id.hex() for line in fits[:ENTRIES_LISTED_MAX])
    cause = terminal.text(
        f"kies een bijschrijving met --entry: {ids}" if fits else "geen bijschrijving past hierbij",
        f"choose a credit with --entry: {ids}" if fits else "no credit fits this",
    )
    raise Problem(1001, cause=cause)
