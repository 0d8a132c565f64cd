"""Hold month closes against each other, a chain and the bank's files (ADR 0099).

The maker is believed in nothing: what the chain and the files tell is made again.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from audit.month_check import Fault, find_breaks, find_faults, find_restated
from audit.month_close import Finding, MonthClose, digest_of, read_month
from audit.month_cuts import Cuts
from audit.month_make import Bank, choose_cuts, find_accounts, make_close, sort_files
from audit.proofs import judge_note
from bank.faults import BankFileError
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.keyspaces import WIJKEN
from chain.policy import Policy
from chain.state import State

# What the chain alone tells; the other kinds come from the bank's files.
CHAIN_KINDS = ("books", "short")


def judge_row(
    closes: Sequence[MonthClose],
    previous: MonthClose | None,
    replaced: Sequence[MonthClose] = (),
) -> list[list[Fault]]:
    """Judge closes in the order given, each against the one before it; no chain is needed.

    One that replaces the one before it in the row takes its place; another that is replaced has to
    be in `replaced`.
    """
    old = {digest_of(one): one for one in replaced}
    judged: list[list[Fault]] = []
    before, last = previous, previous
    for place, close in enumerate(closes):
        found = find_faults(close)
        if place and last is not None and close.replaces == digest_of(last):
            found += find_restated(close, last)
        else:
            before = last
            if close.replaces in old:
                found += find_restated(close, old[close.replaces])
            elif close.replaces is not None:
                nl = "vervangt een afsluiting die hier niet bij is: geef --replaces"
                en = "replaces a close that is not here: give --replaces"
                found.append(Fault("version", nl, en))
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

    With the bank's files, by SHA-256, all of it has to come out again, but for an `end` that was
    true until more was attested. Without them the differences with the bank, and the quiet days
    that nobody attested, are the word of who signed.
    """
    try:
        bank = None if files is None else _choose_files(close, cuts, files)
        made = make_close(genesis, cuts, close.wijk, read_month(close.month), bank)
        found = judge_first(close, cuts)
    except BankFileError as error:
        return [Fault("bank", error.sentence("nl"), error.sentence("en"))]
    except Malformed as error:
        return [Fault("chain", f"de keten zegt dit niet: {error}", f"the chain does not: {error}")]
    known = {"version": close.version, "replaces": close.replaces, "previous": close.previous}
    made = msgspec.structs.replace(made, **known, consistency=close.consistency)
    said = _leave_out_ended(close, made)
    if bank is None:
        said, made = _leave_out_bank(close, made), _leave_out_bank(made, made)
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


def _leave_out_ended(close: MonthClose, made: MonthClose) -> MonthClose:
    """Return a close without each `end` that the chain has answered since it was made."""
    kept = tuple(one for one in close.findings if one.kind != "end" or one in made.findings)
    return msgspec.structs.replace(close, findings=kept)


def _leave_out_bank(close: MonthClose, made: MonthClose) -> MonthClose:
    """Return a close without what only the bank's files can tell, the chain's side being `made`.

    A quiet day stays where the chain attested one of that date. How much was matched is held
    against the statements without a chain (`find_faults`).
    """
    attested = {(one.reserve, day.on) for one in made.accounts for day in one.statements}
    accounts = tuple(
        msgspec.structs.replace(
            one,
            files=(),
            matched=0,
            statements=tuple(
                day
                for day in one.statements
                if day.tx is not None or (one.reserve, day.on) in attested
            ),
        )
        for one in close.accounts
    )
    kept: tuple[Finding, ...] = tuple(one for one in close.findings if one.kind in CHAIN_KINDS)
    return msgspec.structs.replace(close, accounts=accounts, findings=kept)


def is_first(cuts: Cuts, wijk_id: str, month: int) -> bool:
    """Say whether no month of this wijk on the chain comes before: its close cites none."""
    begin, _ = choose_cuts(cuts, month)
    known = WIJKEN.get(State(begin.state.get), wijk_id) is not None
    return month == cuts.first_month or not known


def judge_first(close: MonthClose, cuts: Cuts) -> list[Fault]:
    """Return a fault where a close cites none before it, and is not the first of its wijk.

    Raise `Malformed` where the chain has no such month.
    """
    if close.previous is not None or is_first(cuts, close.wijk, read_month(close.month)):
        return []
    nl = "noemt geen vorige, en is niet de eerste maand van de wijk op de keten"
    en = "cites none before it, and is not the first month of the wijk on the chain"
    return [Fault("previous", nl, en)]


def name_signer(cuts: Cuts, close: MonthClose, key: bytes) -> str | None:
    """Return as what a key signs: auditor, board of that wijk, or None.

    An office counts that was held at the end of the month or is held at the tip: who was replaced
    since still closed the own month.
    """
    cut = cuts.get(read_month(close.month))
    officers = cuts.officers | (frozenset() if cut is None else cut.officers)
    for office, wijk in (("auditor", ""), ("board", close.wijk)):
        if (office, wijk, key) in officers:
            return office
    return None


def judge_signers(
    close: MonthClose, keys: Sequence[bytes], cuts: Cuts | None, trusted: Collection[bytes]
) -> list[Fault]:
    """Return a fault unless one of the keys is of an officer, or of `trusted`.

    Without a chain no officer is known: then only `trusted` is looked at, where there is any.
    """
    known = any(key in trusted for key in keys) or (cuts is None and not trusted)
    if known or (cuts is not None and any(name_signer(cuts, close, key) for key in keys)):
        return []
    nl = "niet getekend door de accountant, het bestuur van de wijk of wie --signer noemt"
    en = "not signed by the auditor, the board of the wijk or whom --signer names"
    return [Fault("signature", nl, en)]
