"""The scenario of `wijk demo` (interfaces 1.7), steps 2 to 5, with the sums it must end in."""

from pathlib import Path

from bank.camt053 import parse
from chain.books import get_supply
from chain.genesis import founding_decision_id
from chain.keyspaces import MINTERS, OWED, SPENT, Owed
from chain.records import Outcome
from chain.state import State
from contracts.coin import Leg, Mint, SetMinter, StatementCall, StatementEntry, Transfer
from contracts.trade import Pay
from tests.contracts.desk import assert_done, balance, balance_of, broken, supply
from tests.federation import Ledger, account, board, reserve

GENESIS = Path(__file__).parents[2] / "genesis"
RESIDENTS = {
    "delfshaven": ("anna", "jansen", "chaima", "dirk"),
    "feijenoord": ("elif", "gerrit", "hanna", "ibrahim"),
}
DEPOSITS = {"delfshaven": 100_000, "feijenoord": 40_000}
WELCOME = 2_000
PAYMENTS = (  # payer, payee, cents; inside their wijk
    ("anna", "jansen", 450),
    ("chaima", "jansen", 320),
    ("dirk", "jansen", 275),
    ("jansen", "anna", 1_200),
    ("anna", "chaima", 700),
    ("chaima", "dirk", 150),
    ("dirk", "anna", 90),
    ("jansen", "chaima", 640),
    ("elif", "gerrit", 1_750),
    ("hanna", "gerrit", 825),
    ("ibrahim", "hanna", 300),
    ("gerrit", "elif", 1_000),
    ("hanna", "ibrahim", 75),
    ("gerrit", "ibrahim", 410),
    ("elif", "hanna", 60),
)


def test_the_demo_from_bank_money_to_a_payment_across_wijken() -> None:
    ledger = Ledger(
        wijken=4,
        balances={f"{wijk}/{name}": 0 for wijk, names in RESIDENTS.items() for name in names},
    )
    played: list[Outcome] = []
    for wijk in RESIDENTS:
        entry = _attest(ledger, wijk, played)
        played.append(ledger.by_board(wijk, SetMinter(f"{wijk}:EUR", entry.cents), "bc"))
        mint = Mint(entry.entry_id, board(wijk), entry.cents, "DEPOSIT", None)
        played.append(ledger.by_board(wijk, mint, "ac"))
        assert balance_of(ledger, board(wijk), wijk, "7") == DEPOSITS[wijk]
    for wijk, names in RESIDENTS.items():
        for name in names:
            welcome = Transfer((Leg(account(name), WELCOME, None, None),), _basis(wijk))
            played.append(ledger.by_board(wijk, welcome))
    for payer, payee, cents in PAYMENTS:
        call = Transfer((Leg(account(payee), cents, None, None),), None)
        played.append(ledger.by_person(payer, call))
    played.append(ledger.by_person("anna", Pay(account("gerrit"), 1_500, None, None)))

    for outcome in played:
        assert_done(outcome)
    assert len(played) == 38 - 8  # log_size less the 8 admissions, which are other calls
    _check_sums(ledger)
    assert broken(ledger) == []


def _basis(wijk: str) -> bytes:
    return founding_decision_id("test-chain", wijk)


def _attest(ledger: Ledger, wijk: str, played: list[Outcome]) -> StatementEntry:
    """Attest the sample file of the bank, as the treasurers do; return its one credit."""
    (file,) = parse((GENESIS / f"camt053-{wijk}.xml").read_bytes(), reserve(wijk))
    entries = tuple(
        StatementEntry(e.entry_id, e.booking_date, e.value_date, e.cents, e.side, int(e.reversal))
        for e in file.entries
    )
    call = StatementCall(reserve(wijk), file.date, 1, 1, file.opening, file.closing, entries)
    played.append(ledger.by_board(wijk, call, "ab"))
    (entry,) = entries
    return entry


def _check_sums(ledger: Ledger) -> None:
    state = State(ledger.state.get)
    sums = {wijk: supply(ledger, wijk) for wijk in RESIDENTS}
    for wijk, deposit in DEPOSITS.items():
        assert sums[wijk].issued == sums[wijk].reserve == deposit
        assert sums[wijk].redeemed == sums[wijk].pending_out == 0
        assert MINTERS.get(state, f"{wijk}:EUR") == 0
        assert SPENT.get(state, _basis(wijk)) == 4 * WELCOME
        assert balance_of(ledger, board(wijk), wijk, "7") == deposit - 4 * WELCOME
    assert sum(supply.issued for supply in sums.values()) == 140_000
    ours, theirs = sums["delfshaven"], sums["feijenoord"]
    assert (ours.traded_in, ours.traded_out, ours.due_from, ours.due_to) == (0, 1_500, 0, 1_500)
    assert (theirs.traded_in, theirs.traded_out) == (1_500, 0)
    assert (theirs.due_from, theirs.due_to) == (1_500, 0)
    assert OWED.get(state, "delfshaven", "feijenoord") == Owed(1_500, 0, 0)
    held = sum(balance(ledger, name) for name in RESIDENTS["delfshaven"])
    assert held == 4 * WELCOME - 1_500
    held = sum(balance(ledger, name, "feijenoord") for name in RESIDENTS["feijenoord"])
    assert held == 4 * WELCOME + 1_500
    for slug in ("noord", "charlois"):
        assert get_supply(state, f"{slug}:EUR").issued == 0
