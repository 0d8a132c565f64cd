"""`wijk audit close make|verify`: a wijk's month, closed, signed, held against the one before."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from audit.commands import (
    INVARIANT_BROKEN,
    PROOF_WRONG,
    Terminal,
    open_source,
    show_progress,
)
from audit.commands_close_text import (
    describe,
    describe_signer,
    say_close,
    say_finding,
    say_scope,
    say_signer,
)
from audit.commands_reconcile import BANK_FILE_BYTES_MAX, BOOKS_DIFFER, MATCH_EXIT
from audit.options import folder_option

if TYPE_CHECKING:
    from audit.month_check import Fault
    from audit.month_close import MonthClose
    from audit.month_cuts import Cuts
    from chain.file_signature import FileSignature
    from chain.genesis import Genesis
    from chain.policy import Policy

SIGNATURES_MAX = 20  # beside one file: auditors and a board
FILES_MAX = 1_200  # a hundred years
CLOSES_BYTES_MAX = 64 * 1024 * 1024  # of all files together: 1,200 of 50 kB, or the four largest
SIGNERS_MAX = 20
_FILE = click.Path(path_type=Path, dir_okay=False)
_BANK = click.option(
    "--bank",
    "bank_files",
    type=_FILE,
    multiple=True,
    metavar="CAMT053.xml",
    help="van de bank zelf; mag vaker // from the bank itself; may be given again",
)
_SIGNER = click.option(
    "--signer",
    "signers",
    multiple=True,
    metavar="PUBLIC_KEY",
    help="wie ook mag tekenen, in hex; mag vaker // who may sign too, in hex; may be given again",
)


class Signed(NamedTuple):
    """A close with its file and its size, and what of the signatures beside it holds."""

    path: Path
    size: int
    close: "MonthClose"
    signatures: "list[tuple[Path, FileSignature]]"
    faults: "list[Fault]"


@click.group(help="Sluit een maand af, of controleer dat // Close a month, or check a close")
def close() -> None:
    """Month closes as files: `wijk/month-close/1`."""


@close.command("make", help="Sluit de maand JJJJ-MM af en teken dat // Close a month and sign it")
@click.argument("month", metavar="MAAND")
@_BANK
@click.option("--wijk", metavar="W", help="van welke wijk // of which wijk")
@folder_option
@click.option(
    "--previous", type=_FILE, metavar="FILE", help="van de maand ervoor // the one before"
)
@click.option(
    "--replaces", type=_FILE, metavar="FILE", help="die deze vervangt // that this one replaces"
)
@click.option(
    "--with-findings",
    is_flag=True,
    help="ook als bank en keten verschillen // even where bank and chain differ",
)
@_SIGNER
@click.option("--key", metavar="KEY", help="met welke sleutel // with which key")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="waarheen // where to")
@click.pass_obj
def make(
    terminal: Terminal,
    month: str,
    bank_files: tuple[Path, ...],
    wijk: str | None,
    folder: Path | None,
    previous: Path | None,
    replaces: Path | None,
    with_findings: bool,
    signers: tuple[str, ...],
    key: str | None,
    out: Path,
) -> None:
    """Verify the chain, close the month, write and sign the file; exit 8 where anything differs."""
    from audit.files import read_bounded, replace
    from audit.month_check import find_breaks, find_faults, find_restated
    from audit.month_close import encode_close
    from audit.month_make import NotOver, find_accounts, make_close, month_before, sort_files
    from audit.month_verify import judge_first
    from audit.reconcile import check_files, choose_books
    from bank.faults import BankFileError
    from chain.errors import Malformed
    from chain.file_signature import encode_signature, sign_file, signature_name
    from chain.keyspaces import WIJKEN
    from chain.state import State
    from chain.texts import Problem

    number = _read_month(month)
    trusted = _read_signers(signers)
    beside = out.with_name(signature_name(out.name))
    if out.exists() or beside.exists():
        raise Problem(1001, cause=_say_exists(terminal, out if out.exists() else beside))
    before = None if previous is None else _read_signed(terminal, previous)
    old = None if replaces is None else _read_signed(terminal, replaces)
    data = [read_bounded(file, BANK_FILE_BYTES_MAX) for file in bank_files]
    try:
        check_files(data)
        months = frozenset([number, month_before(number), month_before(month_before(number))])
        genesis, cuts, policy = _replay(terminal, folder, months)
        if wijk is None:
            if not data:
                raise Problem(1001, cause="--wijk")
            wijk = choose_books(cuts.state, data, None)[0].reserve.wijk
        known = WIJKEN.get(State(cuts.state.get), wijk)
        if known is None:
            raise Problem(1001, cause=f"--wijk {wijk}")
        bank = sort_files(find_accounts(cuts, wijk), data, known.currency)
        made = make_close(
            genesis,
            cuts,
            wijk,
            number,
            bank,
            None if before is None else before.close,
            None if old is None else old.close,
        )
    except BankFileError as error:
        terminal.say(error.sentence("nl"), error.sentence("en"))
        what = terminal.text(error.fault.what["nl"], error.fault.what["en"])
        raise Problem(1001, cause=f"{what.rstrip('.')} [{error.code}]") from error
    except NotOver as error:
        raise Problem(1001, cause=terminal.text(error.nl, str(error))) from error
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    assert not find_faults(made), "what is made here holds"
    own = None if before is None and old is None else terminal.open_key(key)
    if own is not None:
        trusted.add(own[1])  # who goes on from the own close
    faults: list[Fault] = judge_first(made, cuts)
    if before is not None:
        faults += _judge_previous(before, (genesis, cuts), policy, trusted)
        faults += find_breaks(made, before.close)
    if old is not None:
        faults += _judge_alone(old, cuts, trusted)
        faults += find_restated(made, old.close)
    refused = bool(faults) or (bool(made.findings) and not with_findings)
    body = encode_close(made)
    signature: Path | None = None
    if not refused:
        _, public_key, seed = own or terminal.open_key(key)
        made_signature = sign_file(body, public_key.hex(), seed)
        replace(out, body)
        replace(beside, encode_signature(made_signature))
        signature = beside
    tree = describe(made, None if refused else out, faults) | {
        "signature": None if signature is None else str(signature)
    }
    lines = say_close(terminal, made, faults)
    if not refused:
        lines.append(terminal.text(f"Geschreven en getekend: {out}", f"Written and signed: {out}"))
    else:
        lines.append(terminal.text("Er is niets geschreven.", "Nothing was written."))
    terminal.show(tree, lines)
    _end(terminal, faults, [made])


@close.command("verify", help="Controleer afsluitingen, op volgorde // Check closes, in order")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--previous", type=_FILE, metavar="FILE", help="die eraan voorafgaat // the one before"
)
@click.option(
    "--replaces", type=_FILE, multiple=True, metavar="FILE", help="die vervangen is // replaced"
)
@_SIGNER
@_BANK
@folder_option
@click.option(
    "--offline", is_flag=True, help="zonder keten: de cijfers niet // no chain: not the figures"
)
@click.pass_obj
def verify(
    terminal: Terminal,
    files: tuple[Path, ...],
    previous: Path | None,
    replaces: tuple[Path, ...],
    signers: tuple[str, ...],
    bank_files: tuple[Path, ...],
    folder: Path | None,
    offline: bool,
) -> None:
    """Judge signatures, sums, the row of closes and, with a chain, every figure; exit 0 or 8."""
    from audit.files import POLICY, load_policy, read_bounded
    from audit.month_close import read_month
    from audit.month_make import month_before
    from audit.month_verify import (
        judge_certificate,
        judge_figures,
        judge_row,
        judge_signers,
        name_signer,
    )
    from chain.crypto import sha256
    from chain.texts import Problem

    if offline and (folder is not None or bank_files):
        raise Problem(1001, cause="--offline")
    if len(files) + len(replaces) > FILES_MAX:
        raise Problem(1001, cause=f"> {FILES_MAX}")
    trusted = _read_signers(signers)
    read: list[Signed] = []
    for path in (*files, *replaces):
        read.append(_read_signed(terminal, path))
        if sum(one.size for one in read) > CLOSES_BYTES_MAX:
            raise Problem(1001, cause=f"> {CLOSES_BYTES_MAX} bytes")
    row, replaced = read[: len(files)], read[len(files) :]
    before = None if previous is None else _read_signed(terminal, previous)
    bank = {
        sha256(data).hex(): data
        for data in (read_bounded(file, BANK_FILE_BYTES_MAX) for file in bank_files)
    }
    chain: tuple[Genesis, Cuts] | None = None
    if offline:
        policy = load_policy(terminal.home)
        if policy is None:
            raise Problem(1002, errors=[f"{terminal.home / POLICY}"])
    else:
        closed = row if before is None else [before, *row]
        numbers = [read_month(one.close.month) for one in closed]
        months = frozenset([*numbers, *(month_before(number) for number in numbers)])
        genesis, cuts, policy = _replay(terminal, folder, months)
        chain = genesis, cuts
    judged = judge_row(
        [one.close for one in row],
        before.close if before else None,
        [one.close for one in replaced],
    )
    faults: list[list[Fault]] = []
    for signed, found in zip(row, judged, strict=True):
        mine = [*signed.faults, *found, *judge_certificate(signed.close, policy)]
        mine += judge_signers(signed.close, _keys(signed), chain and chain[1], trusted)
        if chain is not None:
            mine += judge_figures(signed.close, *chain, bank if bank_files else None)
        faults.append(mine)
    if before is not None:
        faults[0] += _judge_previous(before, chain, policy, trusted)
    for signed in replaced:
        faults[0] += _judge_alone(signed, chain and chain[1], trusted)
    items, lines = [], []
    for signed, mine in zip(row, faults, strict=True):
        shown = []
        for path, one in signed.signatures:
            key = bytes.fromhex(one.public_key)
            office = None if chain is None else name_signer(chain[1], signed.close, key)
            shown.append(describe_signer(path, key, office, key in trusted))
        items.append(describe(signed.close, signed.path, mine) | {"signatures": shown})
        lines += say_close(terminal, signed.close, mine)
        lines += [say_signer(terminal, one) for one in shown]
    sound = not any(faults)
    told = [one.close for one in ([] if before is None else [before]) + row]
    if before is not None:
        lines += [
            f"  {before.close.month} {say_finding(terminal, one)}" for one in before.close.findings
        ]
    tree = {
        "items": items,
        "chain": not offline,
        "bank": bool(bank_files),
        "ok": sound and not any(one.findings for one in told),
    }
    if sound:
        lines.append(say_scope(terminal, offline, bool(bank_files)))
    terminal.show(tree, lines)
    _end(terminal, [one for mine in faults for one in mine], told)


# --------------------------------------------------------------------------------------- inside


def _replay(
    terminal: Terminal, folder: Path | None, months: frozenset[int]
) -> "tuple[Genesis, Cuts, Policy]":
    """Verify the chain; return it with the ends of these months and who could certify when."""
    from audit.month_cuts import take_cuts
    from chain.errors import Malformed
    from chain.policy import build_policy

    try:
        with show_progress(terminal) as on_block, open_source(terminal, folder) as source:
            genesis, cuts, report = take_cuts(source, terminal.home, months, on_block)
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": str(error)})
    if report.broken:
        terminal.fail(INVARIANT_BROKEN, {"invariant": ", ".join(report.broken)})
    if not report.ok:
        terminal.fail(PROOF_WRONG, {"cause": f"block {report.first_bad}: {report.why}"})
    return genesis, cuts, build_policy(genesis.doc.chain_id, genesis.digest, report.eras)


def _judge_previous(
    before: Signed,
    chain: "tuple[Genesis, Cuts] | None",
    policy: "Policy",
    trusted: "Collection[bytes]",
) -> "list[Fault]":
    """Judge the close before: all of it but the bank's files, which are of another month."""
    from audit.month_verify import judge_certificate, judge_figures

    found = _judge_alone(before, chain and chain[1], trusted)
    found += judge_certificate(before.close, policy)
    return found if chain is None else found + judge_figures(before.close, *chain, None)


def _judge_alone(
    signed: Signed, cuts: "Cuts | None", trusted: "Collection[bytes]"
) -> "list[Fault]":
    """Judge what a close says by itself, and who signed it."""
    from audit.month_check import find_faults
    from audit.month_verify import judge_signers

    found = signed.faults + find_faults(signed.close)
    return found + judge_signers(signed.close, _keys(signed), cuts, trusted)


def _read_signers(texts: tuple[str, ...]) -> set[bytes]:
    """Return the public keys that the caller trusts, or raise `Problem` 1001."""
    from chain.texts import Problem

    found = set()
    for text in texts[: SIGNERS_MAX + 1]:
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise Problem(1001, cause=f"--signer {text}")
        found.add(bytes.fromhex(text))
    if len(texts) > SIGNERS_MAX:
        raise Problem(1001, cause=f"--signer > {SIGNERS_MAX}")
    return found


def _keys(signed: Signed) -> list[bytes]:
    return [bytes.fromhex(one.public_key) for _, one in signed.signatures]


def _read_signed(terminal: Terminal, path: Path) -> Signed:
    """Read a close and judge what signatures stand beside it; what is no close ends with 8."""
    from audit.files import read_bounded
    from audit.month_check import Fault
    from audit.month_close import CLOSE_BYTES_MAX, decode_close
    from chain.errors import Malformed
    from chain.file_signature import SIGNATURE_FILE_BYTES_MAX, check_file, decode_signature
    from chain.texts import Problem

    data = read_bounded(path, CLOSE_BYTES_MAX)
    try:
        found = decode_close(data)
    except Malformed as error:
        terminal.fail(PROOF_WRONG, {"cause": f"{path}: {error}"})
    beside = sorted(
        one
        for one in path.parent.iterdir()
        if one.name.startswith(path.name + ".") and one.name.endswith(".sig.json")
    )
    faults = []
    if not beside:
        nl, en = "niemand heeft het getekend", "nobody signed it"
        faults.append(Fault("signature", nl, en))
    if len(beside) > SIGNATURES_MAX:
        nl = f"meer dan {SIGNATURES_MAX} handtekeningen"
        faults.append(Fault("signature", nl, f"more than {SIGNATURES_MAX} signatures"))
    signatures = []
    for one in beside[:SIGNATURES_MAX]:
        try:
            made = decode_signature(read_bounded(one, SIGNATURE_FILE_BYTES_MAX))
            check_file(data, made)
        except Problem:
            nl, en = f"{one.name} is geen handtekening hieronder", f"{one.name} does not sign this"
            faults.append(Fault("signature", nl, en))
        else:
            signatures.append((one, made))
    return Signed(path, len(data), found, signatures, faults)


def _read_month(text: str) -> int:
    """Return YYYYMM of YYYY-MM, or raise `Problem` 1001."""
    from chain.dates import is_date
    from chain.texts import Problem

    digits = text.replace("-", "")
    plain = digits.isascii() and digits.isdecimal() and text == f"{digits[:4]}-{digits[4:]}"
    if not plain or len(digits) != len("YYYYMM") or not is_date(int(digits) * 100 + 1):
        raise Problem(1001, cause=f"{text}: JJJJ-MM")
    return int(digits)


def _say_exists(terminal: Terminal, path: Path) -> str:
    return terminal.text(f"{path} is er al", f"{path} exists")


def _end(terminal: Terminal, faults: "list[Fault]", closes: "Sequence[MonthClose]") -> None:
    """End with 8 where something does not hold, or where an auditor has findings."""
    if faults:
        kinds = ", ".join(sorted({one.kind for one in faults}))
        terminal.fail(PROOF_WRONG, {"cause": kinds})
    differ = [one for one in closes if one.findings]
    if differ:
        cents = differ[-1].backing.difference_cents
        terminal.fail(BOOKS_DIFFER, {"difference_cents": cents}, exit_code=MATCH_EXIT)
