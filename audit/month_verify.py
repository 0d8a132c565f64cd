"""Hold month closes against each other, a chain and the bank's files (ADR 0099).

The maker is believed in nothing: what the chain and the files tell is made again.
"""

from collections.abc import Mapping, Sequence

import msgspec

from audit.month_check import Fault, find_breaks, find_faults, find_restated
from audit.month_close import Finding, MonthClose, digest_of, read_month
from audit.month_cuts import Cuts
from audit.month_make import Bank, find_accounts, make_close, sort_files
from audit.proofs import judge_note
from bank.faults import BankFileError
from chain.contract import Clock
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.keyspaces import ACCOUNTS, AUDITOR, WIJKEN, get_role
from chain.params import FEDERATION
from chain.policy import Policy

# What the chain alone tells; the other kinds come from the bank's files.
CHAIN_KINDS = ("books", "short")


def judge_row(closes: Sequence[MonthClose], previous: MonthClose | None) -> list[list[Fault]]:
    """Judge closes in the order given, each against the one before it; no chain is needed.

    One that replaces the one before it in the row takes its place.
    """
    judged: list[list[Fault]] = []
    before, last = previous, previous
    for place, close in enumerate(closes):
        found = find_faults(close)
        if place and last is not None and close.replaces == digest_of(last):
            found += find_restated(close, last)
        else:
            before = last
        if before is not None:
            found += find_breaks(close, before)
        elif close.previous is not None:
            found.append(
                Fault(
                    "previous",
                    "noemt een vorige afsluiting die hier niet bij is: geef --previous",
                    "names a close before it that is not here: give --previous",
                )
            )
        judged.append(found)
        last = close
    return judged


def judge_certificate(close: MonthClose, policy: Policy) -> list[Fault]:
    """Return a fault unless a quorum of the validators of its height signed the checkpoint."""
    try:
        if policy.chain_digest != close.chain_digest:
            raise Malformed("of another chain than is trusted here")
        judge_note(close.checkpoint.note, policy)
    except Malformed as error:
        return [
            Fault("certificate", f"het punt in het logboek: {error}", f"the checkpoint: {error}")
        ]
    return []


def judge_figures(
    close: MonthClose, genesis: Genesis, cuts: Cuts, files: Mapping[str, bytes] | None
) -> list[Fault]:
    """Return where a close does not say what the chain says, and with `files` what the bank says.

    With the bank's files, by SHA-256, all of it has to come out again. Without them the differences
    with the bank, and how much was matched, are the word of who signed.
    """
    try:
        bank = None if files is None else _choose_files(close, cuts, files)
        made = make_close(genesis, cuts, close.wijk, read_month(close.month), bank)
    except BankFileError as error:
        return [Fault("bank", error.sentence("nl"), error.sentence("en"))]
    except Malformed as error:
        return [Fault("chain", f"de keten zegt dit niet: {error}", f"the chain does not: {error}")]
    known = {"version": close.version, "replaces": close.replaces, "previous": close.previous}
    made = msgspec.structs.replace(made, **known, consistency=close.consistency)
    said = close
    if bank is None:
        said, made = _leave_out_bank(close), _leave_out_bank(made)
    found: list[Fault] = []
    for kind, nl, en, names in _PARTS:
        if any(getattr(said, name) != getattr(made, name) for name in names):
            found.append(
                Fault(kind, f"{nl}: de keten zegt iets anders", f"{en}: the chain differs")
            )
    said_days, made_days = (
        [(one.reserve, one.opening_cents, one.statements, one.closing_cents) for one in x.accounts]
        for x in (said, made)
    )
    if said_days != made_days:
        nl, en = "afschriften: de keten zegt iets anders", "statements: the chain differs"
        found.append(Fault("statements", nl, en))
    elif said.accounts != made.accounts:
        nl, en = "bankrekeningen: er komt iets anders uit", "bank accounts: they come out otherwise"
        found.append(Fault("accounts", nl, en))
    if said.findings != made.findings:
        nl, en = "bevindingen: er komt iets anders uit", "findings: they come out otherwise"
        found.append(Fault("hidden", nl, en))
    return found


_PARTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("chain", "keten en wijk", "chain and wijk", ("chain_id", "chain_digest", "denom")),
    ("checkpoint", "het punt in het logboek", "the checkpoint", ("checkpoint",)),
    (
        "figures",
        "de cijfers",
        "the figures",
        ("supply", "classes", "pending", "backing", "issuer"),
    ),
)


def _choose_files(close: MonthClose, cuts: Cuts, files: Mapping[str, bytes]) -> dict[bytes, Bank]:
    """Return the bank's files that a close names; one that is not here is one that is not there."""
    named = sorted({name for account in close.accounts for name in account.files})
    chosen = [files[name] for name in named if name in files]
    currency = close.denom.partition(":")[2]
    return sort_files(find_accounts(cuts, close.wijk), chosen, currency)


def _leave_out_bank(close: MonthClose) -> MonthClose:
    """Return a close without what only the bank's files can tell."""
    accounts = tuple(
        msgspec.structs.replace(
            one,
            files=(),
            matched=0,
            statements=tuple(day for day in one.statements if day.tx is not None),
        )
        for one in close.accounts
    )
    kept: tuple[Finding, ...] = tuple(one for one in close.findings if one.kind in CHAIN_KINDS)
    return msgspec.structs.replace(close, accounts=accounts, findings=kept)


def name_signer(clock: Clock, wijk_id: str, key: bytes) -> str | None:
    """Return as what a key signs at the tip of a chain: auditor, board of that wijk, or None."""
    state = clock.state
    wijk = WIJKEN.get(state, wijk_id)
    auditor = get_role(state, FEDERATION, AUDITOR, clock.epoch, clock.time_s)
    offices = (
        ("auditor", None if auditor is None else auditor.account),
        ("board", None if wijk is None else wijk.board),
    )
    for name, holder in offices:
        account = None if holder is None else ACCOUNTS.get(state, holder)
        if account is not None and any(one.key == key for one in account.keys):
            return name
    return None
