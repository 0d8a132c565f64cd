"""The invariants of economy section 7, worked out again from postings alone.

Nothing here trusts the sums that the chain keeps: balances, supply and what is owed are added up
from the postings and then compared with the state. Holds and corrections stand in
`audit/invariants_objects.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise

import msgspec

from audit.findings import Broken
from audit.invariants_objects import (
    find_pool_owners,
    find_wrong_corrections,
    find_wrong_holds,
    is_frozen,
)
from audit.state_view import StateView
from chain.books import (
    BALANCE_CENTS_MAX,
    BANK,
    COST,
    DEBIT_CLASSES,
    DUE_FROM,
    DUE_TO,
    FUND,
    HELD,
    INCOME,
    MEMBER,
    OUTSTANDING_CLASSES,
    PENDING_OUT,
    POOL,
    POOLED,
    REDEMPTIONS,
    get_limit,
)
from chain.codec import encode
from chain.genesis import Genesis
from chain.keyspaces import (
    ACCOUNTS,
    BALANCES,
    CAPS,
    ENTRIES,
    ISSUERS,
    MEMBERS,
    NO_LIMIT,
    OWED,
    PACTS,
    RESERVES,
    STATEMENTS,
    SUPPLY,
    Entry,
    Statement,
    Supply,
)
from chain.records import Posting
from contracts.policies import POLICIES

Pair = tuple[str, str]
"""(debtor or debit class, creditor or credit class)."""

WIJK_CLASSES = (DUE_FROM, DUE_TO, INCOME, COST)
"""Classes whose owner is a wijk: its id stands in keys as text (interfaces 5.5)."""

PAIR = 2  # postings: a debit and its credit
_BALANCE_PREFIX = BALANCES.key("", "", "")[:-3]  # array of four, and the name
_NO_SUPPLY = Supply(0, 0, 0, 0, 0, 0, 0, 0)


class Books(msgspec.Struct):
    """What follows from postings alone, in cents."""

    balances: Counter[tuple[str, str, bytes]]  # (denom, class, owner)
    flows: dict[str, Counter[Pair]]  # per denom, by (debit class, credit class)
    bank: Counter[tuple[bytes, str, int]]  # (reserve, side, cents), genesis left out
    pools: Counter[tuple[bytes, str]]  # (policy, side) of class 4
    corrected: Counter[bytes]  # by the transaction cited
    denoms: dict[str, str]  # denom -> wijk id


def check_invariants(
    genesis: Genesis, postings: Sequence[Posting], state: Mapping[bytes, bytes]
) -> list[str]:
    """Return the names of the invariants that are broken, sorted; none in a sound chain.

    `postings` are those of genesis followed by those of every transaction, in order; `state` is
    the whole state after the last one.
    """
    return sorted({broken.name for broken in find_broken(genesis, postings, state)})


def find_broken(
    genesis: Genesis,
    postings: Sequence[Posting],
    state: Mapping[bytes, bytes],
    time_s: int | None = None,
) -> list[Broken]:
    """Return every broken invariant of I1..I10, I13..I15 (sums) and T5 with its place, sorted."""
    books = add_up(postings, len(genesis.postings))
    return sorted([*find_wrong_postings(postings), *find_wrong_books(books, state, time_s)])


def find_wrong_postings(postings: Sequence[Posting]) -> list[Broken]:
    """Return what I1 and I9 say of the postings of one transaction or more."""
    if len(postings) == PAIR:  # of most transactions
        debit, credit = postings
        plain = debit.corrects is None and credit.corrects is None
        if plain and _is_balanced(debit, credit) and POOL not in (debit.klass, credit.klass):
            return []
    return [
        *_find_unbalanced(postings),
        *_find_loose_corrections(postings),
        *_find_loose_pool_money(postings),
    ]


def find_wrong_books(
    books: Books, state: Mapping[bytes, bytes], time_s: int | None = None
) -> list[Broken]:
    """Return, sorted, what the other invariants say of books and the whole state they belong to.

    `time_s` is the time of the newest block, where it is known: what was due then has ended.
    """
    view = StateView(state)
    found: list[Broken] = []
    for check in (
        _find_wrong_balances,
        _find_wrong_supply,
        _find_wrong_bank,
        _find_wrong_pairs,
        _find_wrong_pools,
        _find_broken_limits,
    ):
        found.extend(check(books, view))
    found.extend(find_wrong_holds(books, view, time_s))
    found.extend(find_wrong_corrections(books, view))
    return sorted(found)


def add_up(postings: Iterable[Posting], genesis_count: int) -> Books:
    """Return the books that `postings` make; the first `genesis_count` are opening balances."""
    books = Books(Counter(), defaultdict(Counter), Counter(), Counter(), Counter(), {})
    rows = iter(postings)
    add(books, islice(rows, genesis_count), opening=True)
    add(books, rows)
    return books


def add(books: Books, postings: Iterable[Posting], *, opening: bool = False) -> None:
    """Book whole transactions; opening balances use no entry of the bank (interfaces 3.6)."""
    debit: Posting | None = None
    for posting in postings:
        denom, klass, cents = posting.denom, posting.klass, posting.cents
        adds = (posting.side == "D") == (klass in DEBIT_CLASSES)
        books.balances[denom, klass, posting.owner] += cents if adds else -cents
        books.denoms[denom] = posting.wijk
        if posting.corrects is not None and posting.side == "D":
            books.corrected[posting.corrects] += cents
        if klass == BANK and not opening:
            books.bank[posting.owner, posting.side, cents] += 1
        if klass == POOL:
            books.pools[posting.owner, posting.side] += cents
        if posting.side == "D":
            debit = posting
        elif debit is not None:
            books.flows[denom][debit.klass, klass] += cents
            debit = None


def find_wrong_changes(
    books: Books,
    postings: Iterable[Posting],
    changed: Iterable[bytes],
    state: Mapping[bytes, bytes],
) -> list[Broken]:
    """Return what I3 and I15 say of a block: balances change as its postings say, and no others.

    `books` hold these postings already, `changed` are the keys that the block wrote and `state`
    is what follows from it. The cost is that of the block, so that every height can be asked.
    """
    found = []
    touched: set[bytes] = set()
    for place in {(posting.denom, posting.klass, posting.owner): None for posting in postings}:
        key, cents = _balance_key(*place), books.balances[place]
        touched.add(key)
        if cents < 0:
            found.append(Broken("I3", f"{BALANCES.name} {key.hex()} at {cents}"))
        elif state.get(key) != (encode(cents) if cents else None):
            found.append(Broken("I15", f"{BALANCES.name} {key.hex()}: not what was posted"))
    found.extend(
        Broken("I15", f"{BALANCES.name} {key.hex()} changed without a posting")
        for key in changed
        if key.startswith(_BALANCE_PREFIX) and key not in touched
    )
    return sorted(found)


def find_frozen_moves(
    postings: Sequence[Posting], state: Mapping[bytes, bytes], time_s: int
) -> list[Broken]:
    """Return what I12 says of a block: nothing leaves a frozen account but a redemption.

    `state` is that after the block, of block time `time_s`. Before its own block a freeze stops
    nothing, and coin that was set aside may come back to its own payer.
    """
    found = []
    for debit, credit in zip(postings[::PAIR], postings[1::PAIR], strict=True):
        own = debit.klass == HELD and credit.owner == debit.owner
        if debit.klass not in (MEMBER, FUND, HELD) or credit.klass == PENDING_OUT or own:
            continue
        if is_frozen(state, debit.owner, time_s):
            found.append(Broken("I12", f"{debit.owner.hex()} paid {debit.cents} while frozen"))
    return found


def _balance_key(denom: str, klass: str, owner: bytes) -> bytes:
    """Return the key of a balance; the other wijk of a debt stands in it as text (5.5)."""
    return BALANCES.key(denom, klass, owner.decode() if klass in WIJK_CLASSES else owner)


def _find_unbalanced(postings: Sequence[Posting]) -> Iterator[Broken]:
    """I1: postings come in pairs of one debit and one credit of the same amount."""
    for number in range(0, len(postings), PAIR):
        pair = postings[number : number + PAIR]
        if len(pair) != PAIR or not _is_balanced(*pair):
            yield Broken("I1", f"posting {number} of {pair[0].denom}")


def _is_balanced(debit: Posting, credit: Posting) -> bool:
    return (
        debit.side == "D"
        and credit.side == "C"
        and debit.leg == credit.leg
        and debit.denom == credit.denom
        and debit.cents == credit.cents
        and 0 < debit.cents <= BALANCE_CENTS_MAX
    )


def _find_loose_corrections(postings: Sequence[Posting]) -> Iterator[Broken]:
    """I9: both sides of a booking cite the same original; how much is a question of all books."""
    for number in range(0, len(postings) - 1, PAIR):
        debit, credit = postings[number : number + PAIR]
        if debit.corrects != credit.corrects:
            yield Broken("I9", f"posting {number} cites what its other side does not")


def _find_loose_pool_money(postings: Sequence[Posting]) -> Iterator[Broken]:
    """I10: what enters or leaves a pool is posted under a policy, that of the pool it leaves."""
    for number, posting in enumerate(postings):
        leaves = posting.klass == POOL and posting.side == "D"
        if posting.klass == POOL and posting.policy is None:
            yield Broken("I10", f"posting {number}: pool money under no policy")
        elif leaves and posting.policy != posting.owner:
            yield Broken("I10", f"posting {number}: money of another pool")


def _find_wrong_pools(books: Books, view: StateView) -> Iterator[Broken]:
    """I10: funded = spent + pending + returned + free, and all of it is what was posted."""
    known = set()
    for (policy_id,), policy in view.rows(POLICIES):
        known.add(policy_id)
        where = policy_id.hex()
        kept, gone = policy.pending + policy.free, policy.spent + policy.returned
        if policy.funded != kept + gone:
            yield Broken("I10", f"{where}: funded {policy.funded}, accounted {kept + gone}")
        if books.pools[policy_id, "C"] != policy.funded or books.pools[policy_id, "D"] != gone:
            yield Broken("I10", f"{where}: not the sums that were posted")
        if books.balances[policy.denom, POOL, policy_id] != kept:
            yield Broken("I10", f"{where}: the pool does not hold {kept}")
    for denom, klass, owner in books.balances:
        if klass == POOL and owner not in known:
            yield Broken("I10", f"{denom} {owner.hex()}: a pool without a policy")


def _find_wrong_balances(books: Books, view: StateView) -> Iterator[Broken]:
    """I2, I3, and I15 for balances: what the state holds is what the postings add up to."""
    totals: Counter[str] = Counter()
    stated: dict[tuple[str, str, bytes], int] = {}
    for (denom, klass, owner), cents in view.rows(BALANCES):
        place = denom, klass, owner.encode() if isinstance(owner, str) else owner
        stated[place] = cents
        if cents == 0:
            yield Broken("I15", f"{denom} class {klass}: a balance of 0 has a key")
    for place in books.balances.keys() | stated.keys():
        denom, klass, owner = place
        cents = books.balances[place]
        totals[denom] += cents if klass in DEBIT_CLASSES else -cents
        if cents < 0:
            yield Broken("I3", f"{denom} class {klass} {owner.hex()} at {cents}")
        if cents != stated.get(place, 0):
            yield Broken("I15", f"{denom} class {klass} {owner.hex()}: not what was posted")
    for denom, total in totals.items():
        if total:
            yield Broken("I2", f"{denom}: debits - credits = {total}")


def _find_wrong_supply(books: Books, view: StateView) -> Iterator[Broken]:
    """I4, I5, I8: backing, and supply as the flows of postings give it."""
    denoms = {wijk.denom(wijk_id): wijk_id for wijk_id, wijk in view.wijken.items()}
    stated = {parts[0]: supply for parts, supply in view.rows(SUPPLY)}
    for denom in denoms.keys() | stated.keys() | books.denoms.keys():
        if books.denoms.get(denom, denoms.get(denom)) != denoms.get(denom):
            yield Broken("I15", f"{denom}: posted under another wijk")
        sums = _sum_classes(books, denom)
        flows = books.flows[denom]
        issued = sum(flows[BANK, klass] for klass in (MEMBER, FUND))
        redeemed = flows[PENDING_OUT, BANK]
        traded_in = sum(flows[DUE_FROM, klass] for klass in (MEMBER, FUND))
        traded_out = sum(flows[klass, DUE_TO] for klass in (MEMBER, FUND))
        outstanding = sum(sums[klass] for klass in OUTSTANDING_CLASSES)
        surplus = sums[BANK] + sums[DUE_FROM] - sums[DUE_TO] - outstanding
        if surplus != sums[INCOME] - sums[COST] or surplus < 0:
            yield Broken("I4", f"{denom}: surplus of {surplus}")
        if outstanding != issued - redeemed + traded_in - traded_out:
            yield Broken("I5", f"{denom}: outstanding {outstanding}")
        owing = (sums[PENDING_OUT], sums[BANK], sums[DUE_FROM], sums[DUE_TO])
        posted = Supply(issued, redeemed, traded_in, traded_out, *owing)
        if stated.get(denom, _NO_SUPPLY) != posted:
            yield Broken("I15", f"{denom}: not the supply that was posted: {posted}")
    yield from _find_wrong_redemptions(books, view)


def _find_wrong_redemptions(books: Books, view: StateView) -> Iterator[Broken]:
    """I5: class 3 of an account is what its unpaid requests ask."""
    asked: Counter[tuple[str, bytes]] = Counter()
    for _, request in view.rows(REDEMPTIONS):
        if request.status in ("OPEN", "BATCHED"):
            asked[request.denom, request.account] += request.cents
    pending = {
        (denom, owner): cents
        for (denom, klass, owner), cents in books.balances.items()
        if klass == PENDING_OUT
    }
    for place in asked.keys() | pending.keys():
        if asked[place] != pending.get(place, 0):
            yield Broken("I5", f"{place[0]} {place[1].hex()}: requests of {asked[place]}")


def _sum_classes(books: Books, denom: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for (of, klass, _), cents in books.balances.items():
        if of == denom:
            sums[klass] += cents
    return sums


def _find_wrong_bank(books: Books, view: StateView) -> Iterator[Broken]:
    """I6, I7: every use of a bank entry is one posting, and every statement follows on."""
    statements: dict[bytes, dict[int, Statement]] = defaultdict(dict)
    for (reserve, date), statement in view.rows(STATEMENTS):
        statements[reserve][date] = statement
    entries: dict[tuple[bytes, int], list[Entry]] = defaultdict(list)
    used: Counter[tuple[bytes, str, int]] = Counter()
    for _, entry in view.rows(ENTRIES):
        held = statements[entry.reserve].get(entry.date)
        if held is not None and held.number == entry.number:
            entries[entry.reserve, entry.date].append(entry)
        if entry.used_by is not None:
            used[entry.reserve, "D" if entry.side == "C" else "C", entry.cents] += 1
            if held is None or held.number != entry.number or held.pages_done < held.pages:
                yield Broken("I6", f"{entry.reserve.hex()}: an entry was used unattested")
    if used != books.bank:
        yield Broken("I6", "bank postings are not the entries used")
    banked: Counter[bytes] = Counter()  # a deposit at a partner is in the books of its owner (C17)
    for (_, klass, owner), cents in books.balances.items():
        if klass == BANK:
            banked[owner] += cents
    for (reserve_id,), reserve in view.rows(RESERVES):
        days = sorted(statements[reserve_id].items())
        whole = [(date, day) for date, day in days if day.pages_done == day.pages]
        where = reserve_id.hex()
        for (_, before), (_, after) in pairwise(whole):
            if after.opening != before.closing:
                yield Broken("I7", f"{where}: an opening is not the closing before it")
        opened = Counter[str]()
        for date, day in days:
            sums = Counter[str]()
            for entry in entries[reserve_id, date]:
                sums[entry.side] += entry.cents
                if entry.used_by is None and day.pages_done == day.pages:
                    opened[entry.side] += entry.cents
            if (sums["C"], sums["D"]) != (day.credits, day.debits):
                yield Broken("I7", f"{where} {date}: entries do not add up")
            complete = day.pages_done == day.pages
            if complete and day.closing != day.opening + day.credits - day.debits:
                yield Broken("I7", f"{where} {date}: closes at {day.closing}")
        if (opened["C"], opened["D"]) != (reserve.open_credits, reserve.open_debits):
            yield Broken("I7", f"{where}: open entries of {dict(opened)}")
        booked = banked[reserve_id]
        newest = (whole[-1][0], whole[-1][1].closing) if whole else (0, 0)
        if (reserve.date, reserve.closing) != newest:
            yield Broken("I7", f"{where}: not the newest statement")
        if reserve.closing != booked + opened["C"] - opened["D"]:
            yield Broken("I7", f"{where}: bank at {reserve.closing}, booked {booked}")


def _find_wrong_pairs(books: Books, view: StateView) -> Iterator[Broken]:
    """I14: what a owes b in its books is what b is owed. T5: no call lowers a cap yet, so what a
    wijk owes net is never above it.
    """
    denoms = {wijk_id: wijk.denom(wijk_id) for wijk_id, wijk in view.wijken.items()}
    owed = {
        (debtor, creditor): value.open + value.due + value.ordered
        for (debtor, creditor), value in view.rows(OWED)
    }
    for debtor in denoms:
        for creditor in denoms:
            due_to = books.balances[denoms[debtor], DUE_TO, creditor.encode()]
            due_from = books.balances[denoms[creditor], DUE_FROM, debtor.encode()]
            stated = owed.get((debtor, creditor), 0)
            if not due_to == due_from == stated:
                what = f"{debtor} owes {creditor} {due_to}, is owed {due_from}, owed {stated}"
                yield Broken("I14", what)
    for (a, b), pact in view.rows(PACTS):
        for creditor, debtor, agreed in ((a, b, pact.cap_a), (b, a, pact.cap_b)):
            cap = view.get(CAPS, creditor, debtor)
            most = agreed if cap is None else min(agreed, cap)
            exposure = owed.get((debtor, creditor), 0) - owed.get((creditor, debtor), 0)
            if exposure > most:
                yield Broken("T5", f"{debtor} owes {creditor} {exposure}, above {most}")


def _find_broken_limits(books: Books, view: StateView) -> Iterator[Broken]:
    """I13: the caps of the mode, and the limits of accounts with what is aside and in pools."""
    wijken = view.wijken
    issuers = {parts[0]: issuer for parts, issuer in view.rows(ISSUERS)}
    outstanding: Counter[str] = Counter()
    for wijk_id, wijk in wijken.items():
        sums = _sum_classes(books, wijk.denom(wijk_id))
        outstanding[wijk.issuer] += sum(sums[klass] for klass in OUTSTANDING_CLASSES)
    for code, issuer in issuers.items():
        if issuer.outstanding != outstanding[code]:
            yield Broken("I13", f"issuer {code}: {outstanding[code]} outstanding")
        if issuer.total_cap is not None and outstanding[code] > issuer.total_cap:
            yield Broken("I13", f"issuer {code} above its cap")
    wallets: Counter[tuple[str, bytes]] = Counter()
    for (denom, klass, owner), cents in books.balances.items():
        if klass in (MEMBER, FUND, HELD) and cents:
            wallets[denom, owner] += cents
    pooled: Counter[bytes] = Counter()
    for denom, owner, cents in find_pool_owners(view):
        wallets[denom, owner] += cents
        pooled[owner] += cents
    stated = {parts[0]: cents for parts, cents in view.rows(POOLED)}
    if stated != {owner: cents for owner, cents in pooled.items() if cents}:
        yield Broken("I10", "what accounts have in pools is not what the pools hold")
    for (denom, owner), cents in wallets.items():
        account = view.get(ACCOUNTS, owner)
        if account is None or wijken[account.wijk].denom(account.wijk) != denom:
            yield Broken("I13", f"{denom} {owner.hex()}: not an account of this wijk")
            continue
        issuer = issuers[wijken[account.wijk].issuer]
        limit = get_limit(issuer, account, view.get(MEMBERS, owner))
        if limit < NO_LIMIT and cents > limit:
            yield Broken("I13", f"{denom} {owner.hex()}: {cents}, above its limit of {limit}")
