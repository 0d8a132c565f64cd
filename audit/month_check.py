"""What must hold in a month close, and between it and the one before; needs no chain (ADR 0099).

Every fault has a word of its own: checkpoint, sums, statements, cap, hidden, form and version
inside one; chain, previous, month, opening and consistency between two.
"""

from collections.abc import Sequence

import msgspec

from audit.month_close import (
    CLASSES,
    Account,
    Backing,
    MonthClose,
    add_up_backing,
    closing_of,
    digest_of,
    last_day,
    month_text,
    next_month,
    read_date,
    read_head,
    read_month,
    root_of,
    subtract,
)
from chain import log
from chain.books import DEBIT_CLASSES, MODES, OUTSTANDING_CLASSES
from chain.dates import is_date, to_days
from chain.errors import Malformed
from chain.money_text import money


class Fault(msgspec.Struct, frozen=True):
    """What does not hold, in one word, and in words for people."""

    kind: str
    nl: str
    en: str


def find_faults(close: MonthClose) -> list[Fault]:
    """Return what contradicts itself in a close."""
    found: list[Fault] = []
    _check_head(close, found)
    _check_classes(close, found)
    _check_supply(close, found)
    for account in close.accounts:
        _check_account(close, account, found)
    _check_backing(close, found)
    names = [account.reserve for account in close.accounts]
    if names != sorted(set(names)):
        found.append(Fault("form", "rekeningen niet op volgorde", "accounts are not in order"))
    if (close.replaces is None) != (close.version == 1):
        found.append(
            Fault(
                "version",
                f"versie {close.version} en de afsluiting die zij vervangt passen niet bij elkaar",
                f"version {close.version} and the close that it replaces do not fit",
            )
        )
    return found


def find_breaks(close: MonthClose, before: MonthClose) -> list[Fault]:
    """Return where a close does not go on from the one before."""
    found: list[Fault] = []
    names = ("chain_id", "chain_digest", "wijk", "denom")
    if any(getattr(close, name) != getattr(before, name) for name in names):
        _add(found, "chain", "is van een andere keten of wijk", "is of another chain or wijk")
    if close.previous != digest_of(before):
        _add(
            found,
            "previous",
            "noemt een andere afsluiting als de vorige",
            "names another close as the one before",
        )
    due = month_text(next_month(read_month(before.month)))
    if close.month != due:
        _add(
            found,
            "month",
            f"is van {close.month}, na {before.month} komt {due}",
            f"is of {close.month}, after {before.month} comes {due}",
        )
    closed = tuple((line.klass, line.closing_cents) for line in before.classes)
    opened = tuple((line.klass, line.opening_cents) for line in close.classes)
    if close.supply.begin != before.supply.end or opened != closed:
        nl, en = _both(
            before.supply.end.outstanding_cents, close.supply.begin.outstanding_cents, "nl", "en"
        )
        _add(
            found,
            "opening",
            f"begint niet waar de vorige eindigde, uitstaand {nl}",
            f"does not begin where the one before ended, outstanding {en}",
        )
    _check_joined(close, before, found)
    _check_grown(close, before, found)
    return found


def find_restated(close: MonthClose, old: MonthClose) -> list[Fault]:
    """Return what is wrong with a close that takes the place of another."""
    found: list[Fault] = []
    same = ("chain_id", "chain_digest", "wijk", "denom", "month")
    if any(getattr(close, name) != getattr(old, name) for name in same):
        _add(
            found,
            "version",
            "vervangt een afsluiting van een andere maand of wijk",
            "replaces a close of another month or wijk",
        )
    if close.replaces != digest_of(old) or close.version != old.version + 1:
        _add(
            found,
            "version",
            f"versie {close.version} vervangt deze versie {old.version} niet",
            f"version {close.version} does not replace this version {old.version}",
        )
    if says_the_same(close, old):
        _add(found, "version", "zegt niets anders dan de oude", "says nothing else than the old")
    return found


def says_the_same(close: MonthClose, old: MonthClose) -> bool:
    """Say whether two versions differ in nothing but their numbers."""
    blank = {"version": 1, "replaces": None}
    return msgspec.structs.replace(close, **blank) == msgspec.structs.replace(old, **blank)


# --------------------------------------------------------------------------------------- inside


def _add(found: list[Fault], kind: str, nl: str, en: str) -> None:
    found.append(Fault(kind, nl, en))


def _both(first: int, second: int, *langs: str) -> list[str]:
    return [f"{money(first, lang)} ≠ {money(second, lang)}" for lang in langs]


def _hold(found: list[Fault], what: tuple[str, str], said: int, is_so: int) -> None:
    """Add the fault `sums` unless a figure is what the others make it."""
    if said != is_so:
        nl, en = _both(said, is_so, "nl", "en")
        _add(found, "sums", f"{what[0]}: {nl}", f"{what[1]}: {en}")


def _check_head(close: MonthClose, found: list[Fault]) -> None:
    try:
        if read_head(close.checkpoint).chain_id != close.chain_id:
            raise Malformed("the checkpoint is of another chain")
    except Malformed as error:
        _add(found, "checkpoint", f"het punt in het logboek: {error}", f"the checkpoint: {error}")
    growth = close.consistency
    if (growth is None) != (close.previous is None):
        _add(
            found,
            "consistency",
            "een bewijs en een vorige afsluiting horen bij elkaar",
            "a proof and a close before belong together",
        )


def _check_classes(close: MonthClose, found: list[Fault]) -> None:
    lines = close.classes
    if tuple(line.klass for line in lines) != CLASSES:
        _add(found, "form", "niet alle rekeningklassen", "not all classes of accounts")
        return
    for line in lines:
        side = 1 if line.klass in DEBIT_CLASSES else -1
        moved = side * (line.debit_cents - line.credit_cents)
        what = f"klasse {line.klass}", f"class {line.klass}"
        _hold(found, what, line.closing_cents, line.opening_cents + moved)
    debits = sum(line.debit_cents for line in lines)
    _hold(
        found, ("debet en credit", "debit and credit"), debits, sum(x.credit_cents for x in lines)
    )
    for what, name in (
        (("beginbalans", "opening balance"), "opening_cents"),
        (("eindbalans", "closing balance"), "closing_cents"),
    ):
        left, right = (
            sum(getattr(line, name) for line in lines if (line.klass in DEBIT_CLASSES) == debit)
            for debit in (True, False)
        )
        _hold(found, what, left, right)


def _check_supply(close: MonthClose, found: list[Fault]) -> None:
    supply = close.supply
    if supply.movement != subtract(supply.end, supply.begin):
        _add(
            found,
            "sums",
            "de beweging is niet eind min begin",
            "the movement is not end minus begin",
        )
    for sums, name in ((supply.begin, "opening_cents"), (supply.end, "closing_cents")):
        made = sums.issued_cents - sums.redeemed_cents + sums.traded_in_cents
        what = "uitstaande munten", "coin outstanding"
        _hold(found, what, sums.outstanding_cents, made - sums.traded_out_cents)
        owned = sum(getattr(x, name) for x in close.classes if x.klass in OUTSTANDING_CLASSES)
        _hold(found, what, sums.outstanding_cents, owned)
    pending = sum(one.amount_cents for one in close.pending)
    _hold(found, ("inwisselingen", "redemptions"), pending, closing_of(close.classes, "3"))
    issuer = close.issuer
    cap = issuer.total_cap_cents
    if issuer.mode not in MODES or (cap is not None and issuer.outstanding_cents > cap):
        _add(found, "cap", "boven de grens van de uitgever", "above the cap of the issuer")


def _check_account(close: MonthClose, account: Account, found: list[Fault]) -> None:
    month = read_month(close.month)
    first, last = month * 100 + 1, last_day(month)
    balance, before = account.opening_cents, 0
    for day in account.statements:
        date = read_date(day.on)
        joins = day.opening_cents == balance and max(before, first - 1) < date <= last
        moved = day.opening_cents + day.credits_cents - day.debits_cents
        quiet = day.tx is not None or not (day.credits_cents or day.debits_cents or day.entries)
        if not joins or day.closing_cents != moved or not quiet:
            _add(
                found,
                "statements",
                f"afschrift van {day.on} sluit niet aan",
                f"the statement of {day.on} does not join",
            )
        balance, before = day.closing_cents, date
    if account.closing_cents != balance:
        nl, en = _both(account.closing_cents, balance, "nl", "en")
        _add(
            found, "statements", f"eindsaldo van de bank {nl}", f"closing balance of the bank {en}"
        )
    _check_matched(close, account, found)
    still = sum(x.amount_cents if x.side == "C" else -x.amount_cents for x in account.open_items)
    _hold(found, ("open posten", "open items"), account.open_cents, still)
    for item in account.open_items:
        on = read_date(item.on)
        if not is_date(on) or on > last or to_days(last) - to_days(on) != item.days:
            _add(
                found,
                "sums",
                f"open post van {item.on}: {item.days} dagen",
                f"open item of {item.on}: {item.days} days",
            )
    told = any(x.kind == "books" and x.reserve == account.reserve for x in close.findings)
    if not told:
        made = account.booked_cents + account.open_cents
        _hold(found, ("bank en boeken", "bank and books"), account.closing_cents, made)


def _check_matched(close: MonthClose, account: Account, found: list[Fault]) -> None:
    """All entries are equal at bank and chain, or a finding says what is not."""
    entries = sum(day.entries for day in account.statements)
    told = any(
        one.reserve == account.reserve and one.kind not in ("books", "end")
        for one in close.findings
    )
    if account.matched > entries or (account.matched < entries and not told):
        _add(
            found,
            "sums",
            f"{account.matched} bankregels gelijk van {entries}",
            f"{account.matched} bank entries equal of {entries}",
        )


def _check_backing(close: MonthClose, found: list[Fault]) -> None:
    backing = close.backing
    made = add_up_backing(close.accounts, close.classes, close.supply.end)
    for name in Backing.__struct_fields__:
        what = (f"dekking, {name}", f"backing, {name}")
        _hold(found, what, getattr(backing, name), getattr(made, name))
    kinds = {finding.kind for finding in close.findings}
    if "books" not in kinds:
        explained = backing.open_cents + backing.result_cents
        what = "verschil met de bank", "difference with the bank"
        _hold(found, what, backing.difference_cents, explained)
    if (backing.difference_cents < 0) != ("short" in kinds):
        nl, en = (money(backing.difference_cents, lang) for lang in ("nl", "en"))
        _add(found, "hidden", f"dekking {nl} zonder bevinding", f"backing {en} without a finding")


def _check_joined(close: MonthClose, before: MonthClose, found: list[Fault]) -> None:
    """Each account opens where it closed, and none is gone: with a balance of 0 one may come."""
    opened = {one.reserve: one.opening_cents for one in close.accounts}
    closed = {one.reserve: one.closing_cents for one in before.accounts}
    for reserve in sorted(opened | closed):
        now, then = opened.get(reserve), closed.get(reserve, 0)
        if now != then:
            shown = "-" if now is None else money(now, "nl")
            said = "-" if now is None else money(now, "en")
            name = reserve[:8]
            _add(
                found,
                "opening",
                f"bankrekening {name}: {money(then, 'nl')} en dan {shown}",
                f"bank account {name}: {money(then, 'en')} and then {said}",
            )


def _check_grown(close: MonthClose, before: MonthClose, found: list[Fault]) -> None:
    """The log of this month begins with that of the one before: nothing was rewritten."""
    old, new, growth = before.checkpoint, close.checkpoint, close.consistency
    ok = growth is not None and old.height <= new.height
    if ok and growth is not None:
        sizes = (growth.from_size, growth.to_size) == (old.log_size, new.log_size)
        path: Sequence[bytes] = [bytes.fromhex(one) for one in growth.path]
        if old.log_size == 0:  # every log begins with the empty one
            ok = sizes and not path
        else:
            ok = sizes and log.verify_consistency(
                old.log_size, new.log_size, path, root_of(old), root_of(new)
            )
    if not ok:
        _add(
            found,
            "consistency",
            "het logboek gaat niet verder dan dat van de vorige afsluiting",
            "the log does not go on from that of the close before",
        )
