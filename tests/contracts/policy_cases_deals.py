"""Cases of the shapes by which people deal with each other: P7, P8, P12."""

from __future__ import annotations

from chain.records import Outcome
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p12_recurring import Recurring
from contracts.policy import Close, Fund
from tests.contracts.policy_story import DAY_S, NOTHING_PAID, PAID, Row, Story, Table
from tests.federation import account

PROGRAMME, INDICATOR, WORTH, WORK = (bytes([n]) * 32 for n in (0x31, 0x32, 0x33, 0x34))
PEOPLE = {
    "delfshaven/gever": 1_000_000,
    "delfshaven/anna": 10_000,
    "delfshaven/dirk": 10_000,
    "delfshaven/bakker": 0,
    "delfshaven/vera": 0,
}


def _after(done: object, outcome: Outcome) -> Outcome:
    """Return the outcome of a row whose first part is another order."""
    return outcome


def _given_escrow() -> Story:
    story = Story(PEOPLE)
    rule = EscrowRule(
        1,
        account("gever"),
        account("anna"),
        (account("dirk"), account("vera")),
        2,
        DAY_S,
        5 * DAY_S,
    )
    story.open(shape=rule)
    return story


P7_TABLE = Table(
    "P7",
    "€ 100,00 staat vast voor werk van Anna. Dirk en Vera zijn samen arbiter. Een dag na de"
    " levering is het zonder bezwaar voor Anna.",
    "€100.00 is held for work of Anna. Dirk and Vera are arbiters together. A day after delivery it"
    " is Anna's without objection.",
    _given_escrow,
    (
        Row(
            "Anna neemt het geld zelf op",
            "Anna takes the money herself",
            lambda story: story.release(1, 10_000, "anna"),
            "policy.own-case",
        ),
        Row(
            "een ander dan de partijen wil het vrijgeven",
            "somebody who is no party wants to release it",
            lambda story: story.release(1, 10_000, "bakker"),
            "policy.escrow",
        ),
        Row(
            "Anna meldt de levering, met een aanvraag van € 0,00",
            "Anna marks the delivery, with a claim of €0.00",
            lambda story: story.pay("anna", 0, by="anna"),
            NOTHING_PAID,
        ),
        Row(
            "Dirk vindt € 70,00 voor Anna genoeg",
            "Dirk thinks €70.00 is enough for Anna",
            lambda story: story.release(1, 7_000, "dirk"),
            NOTHING_PAID,
        ),
        Row(
            "een dag later: er is bezwaar, dus de tijd beslist niet",
            "a day later: somebody objected, so time does not decide",
            lambda story: story.days(1).release(1, 10_000, "bakker"),
            "tx.role",
        ),
        Row(
            "Vera vindt dat ook: Anna krijgt € 70,00 en de gever € 30,00",
            "Vera thinks so too: Anna gets €70.00 and the funder €30.00",
            lambda story: story.release(1, 7_000, "vera"),
            PAID,
            {"anna": 17_000, "gever": 993_000},
        ),
        Row(
            "daarna staat er niets meer vast",
            "then nothing is held any more",
            lambda story: story.release(1, 100, "gever"),
            "policy.not-active",
        ),
    ),
)
P7_TIME_TABLE = Table(
    "P7",
    "Hetzelfde, zonder dat iemand bezwaar maakt.",
    "The same, and nobody objects.",
    _given_escrow,
    (
        Row(
            "de bakker vraagt om teruggave voordat er vijf dagen om zijn",
            "the baker asks for a refund before five days are over",
            lambda story: story.release(1, 0, "bakker"),
            "policy.escrow",
        ),
        Row(
            "Anna meldt de levering",
            "Anna marks the delivery",
            lambda story: story.pay("anna", 0, by="anna"),
            NOTHING_PAID,
        ),
        Row(
            "een dag later laat de bakker het uitbetalen: dat mag iedereen",
            "a day later the baker has it paid: anybody may",
            lambda story: story.days(1).release(1, 10_000, "bakker"),
            PAID,
            {"anna": 20_000},
        ),
    ),
)


def _given_purchase() -> Story:
    story = Story(PEOPLE)
    tiers = (Tier(1, 1_000), Tier(5, 800))
    rule = CollectiveBuy(1, account("bakker"), 2, 2_000, tiers, 20_260_102, 3)
    story.open(shape=rule, cents=0)
    return story


def _pledge(story: Story, by: str, qty: int, cents: int) -> Outcome:
    return story.ledger.by_person(by, Fund(story.policy, cents, qty))


P8_TABLE = Table(
    "P8",
    "Samen zonnepanelen kopen: € 10,00 per stuk, vanaf vijf stuks € 8,00; minstens 2 kopers en"
    " € 20,00, tot en met 2 januari, hoogstens 3 inschrijvingen.",
    "Buying panels together: €10.00 each, €8.00 from five on; at least 2 buyers and €20.00, until"
    " 2 January, 3 pledges at most.",
    _given_purchase,
    (
        Row(
            "Anna wil 2 stuks en zet € 20,00 vast",
            "Anna wants 2 pieces and sets €20.00 aside",
            lambda story: _pledge(story, "anna", 2, 2_000),
            PAID,
            {"anna": 8_000},
        ),
        Row(
            "Dirk wil 3 stuks en zet te weinig vast",
            "Dirk wants 3 pieces and sets too little aside",
            lambda story: _pledge(story, "dirk", 3, 2_400),
            "policy.amount",
        ),
        Row(
            "Dirk wil 3 stuks en zet € 30,00 vast",
            "Dirk wants 3 pieces and sets €30.00 aside",
            lambda story: _pledge(story, "dirk", 3, 3_000),
            PAID,
            {"dirk": 7_000},
        ),
        Row(
            "de uitslag vragen terwijl men nog mee kan doen",
            "ask for the result while people can still join",
            lambda story: story.release(0, 4_000, "dirk"),
            "policy.collective_buy",
        ),
        Row(
            "na de laatste dag wil Dirk er nog een",
            "after the last day Dirk wants another",
            lambda story: _pledge(story.days(2), "dirk", 1, 1_000),
            "policy.collective_buy",
        ),
        Row(
            "de uitslag met een verkeerd bedrag",
            "the result with a wrong amount",
            lambda story: story.release(0, 5_000, "vera"),
            "policy.amount",
        ),
        Row(
            "de uitslag: 5 stuks voor € 8,00; ieder krijgt het verschil terug",
            "the result: 5 pieces for €8.00; everybody gets the difference back",
            lambda story: story.release(0, 4_000, "vera"),
            PAID,
            {"bakker": 4_000, "anna": 8_400, "dirk": 7_600},
        ),
    ),
)
P8_FAILED_TABLE = Table(
    "P8",
    "Dezelfde inkoop, waaraan alleen Anna meedoet.",
    "The same purchase, with Anna alone.",
    _given_purchase,
    (
        Row(
            "Anna wil 5 stuks en zet € 50,00 vast",
            "Anna wants 5 pieces and sets €50.00 aside",
            lambda story: _pledge(story, "anna", 5, 5_000),
            PAID,
        ),
        Row(
            "de gever sluit de inkoop en neemt het geld",
            "the funder closes the purchase and takes the money",
            lambda story: story.ledger.by_person("gever", Close(story.policy)),
            "policy.pending",
        ),
        Row(
            "na de laatste dag: te weinig kopers, Anna krijgt alles terug",
            "after the last day: too few buyers, Anna gets everything back",
            lambda story: story.days(2).release(0, 0, "anna"),
            PAID,
            {"anna": 10_000, "bakker": 0},
        ),
    ),
)


def _given_recurring() -> Story:
    story = Story(PEOPLE)
    rule = Recurring(1, account("anna"), account("vera"), 4_000, "MONTH", 20_260_131, 3)
    story.open(shape=rule, by="anna", cents=0)
    return story


def _rent(story: Story, number: int, cents: int = 4_000, by: str = "vera") -> Outcome:
    return story.pay("vera", cents, by=by, item=number)


P12_TABLE = Table(
    "P12",
    "Anna betaalt Vera drie keer € 40,00, elke maand vanaf 31 januari. Anna heeft € 100,00.",
    "Anna pays Vera €40.00 three times, every month from 31 January. Anna has €100.00.",
    _given_recurring,
    (
        Row(
            "Vera vraagt de eerste keer al op 1 januari",
            "Vera asks for the first one on 1 January already",
            lambda story: _rent(story, 0),
            "policy.recurring",
        ),
        Row(
            "Vera vraagt de eerste keer op 31 januari",
            "Vera asks for the first one on 31 January",
            lambda story: _rent(story.days(30), 0),
            PAID,
            {"vera": 4_000, "anna": 6_000},
        ),
        Row(
            "Vera vraagt de eerste keer nog eens",
            "Vera asks for the first one again",
            lambda story: _rent(story, 0),
            "policy.done",
        ),
        Row(
            "Vera vraagt € 40,01",
            "Vera asks €40.01",
            lambda story: _rent(story, 1, 4_001),
            "policy.amount",
        ),
        Row(
            "een ander vraagt het voor Vera",
            "somebody else asks it for Vera",
            lambda story: _rent(story, 1, by="dirk"),
            "tx.role",
        ),
        Row(
            "de tweede keer, op 28 februari: de laatste dag van die maand",
            "the second one, on 28 February: the last day of that month",
            lambda story: _rent(story.days(28), 1),
            PAID,
            {"vera": 8_000, "anna": 2_000},
        ),
        Row(
            "de derde keer, op 31 maart: Anna heeft te weinig, en er ontstaat geen schuld",
            "the third one, on 31 March: Anna has too little, and no debt is made",
            lambda story: _rent(story.days(31), 2),
            "coin.low-balance",
            {"anna": 2_000},
        ),
        Row(
            "een vierde keer is er niet",
            "there is no fourth one",
            lambda story: _rent(story, 3),
            "policy.recurring",
        ),
        Row(
            "Anna stopt het: dan kan Vera niets meer vragen",
            "Anna stops it: then Vera can ask nothing more",
            lambda story: _after(
                story.ledger.by_person("anna", Close(story.policy)), _rent(story, 2)
            ),
            "policy.not-active",
        ),
    ),
)

TABLES = (P7_TABLE, P7_TIME_TABLE, P8_TABLE, P8_FAILED_TABLE, P12_TABLE)
