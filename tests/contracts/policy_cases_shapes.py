"""Cases of the shapes: plain claim, P3, P6, P7, P8, P10, P11, P12."""

from __future__ import annotations

from chain.effects import Measure, note_measure
from chain.keyspaces import MEMBERS
from chain.records import Outcome
from chain.work import (
    ATTESTED,
    CLAIMED,
    ENGAGEMENTS,
    SHEETS,
    VALUATION,
    Engagement,
    Sheet,
    Valuation,
    register,
)
from contracts.coin import Leg, Transfer
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p06_milestone import Milestone, MilestoneStep
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring
from contracts.policy import Close, Fund
from tests.contracts.desk import change
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


def _given_plain() -> Story:
    story = Story()
    story.open()
    story.enrol("pas-anna")
    return story


P0_TABLE = Table(
    "P0",
    "Een potje van € 100,00 zonder verdere regels; Anna kreeg een pas.",
    "Money of €100.00 without further rules; Anna was given a token.",
    _given_plain,
    (
        Row(
            "de gever laat de bakker € 30,00 betalen",
            "the funder has the baker paid €30.00",
            lambda story: story.pay("bakker", 3_000),
            PAID,
            {"bakker": 3_000},
        ),
        Row(
            "Anna betaalt de bakker € 10,00 met haar pas",
            "Anna pays the baker €10.00 with her token",
            lambda story: story.pay("bakker", 1_000, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 4_000, "anna": 10_000},
        ),
        Row(
            "Anna vraagt € 1,00 zonder pas",
            "Anna asks €1.00 without a token",
            lambda story: story.pay("bakker", 100, by="anna"),
            "policy.token",
        ),
        Row(
            "Anna toont een pas die niemand heeft aangemeld",
            "Anna shows a token that nobody enrolled",
            lambda story: story.pay("bakker", 100, by="anna", token="vals"),
            "policy.token",
        ),
        Row(
            "de gever vraagt € 60,01: er is nog € 60,00",
            "the funder asks €60.01: there is €60.00 left",
            lambda story: story.pay("bakker", 6_001),
            "coin.low-balance",
        ),
    ),
)


def _given_benefit(mode: str, value: int, per_use: int, per_period: int) -> Story:
    story = Story()
    rule = Benefit(1, PROGRAMME, mode, value, per_use, per_period, "MONTH")  # type: ignore[arg-type]
    story.open(shape=rule)
    story.enrol("pas-anna", period=202_601)
    story.enrol("pas-februari", period=202_602)
    return story


P3_TABLE = Table(
    "P3",
    "Wie een pas heeft, krijgt 30 % van de prijs betaald: per keer hoogstens € 10,00, per maand"
    " € 16,00. Anna heeft € 100,00.",
    "Whoever has a token gets 30 % of the price paid: at most €10.00 each time, €16.00 a month."
    " Anna has €100.00.",
    lambda: _given_benefit("BP", 3_000, 1_000, 1_600),
    (
        Row(
            "Anna koopt voor € 12,35: € 3,70 wordt betaald, zelf betaalt zij € 8,65",
            "Anna buys for €12.35: €3.70 is paid, she pays €8.65 herself",
            lambda story: story.pay("bakker", 1_235, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 1_235, "anna": 9_135},
        ),
        Row(
            "Anna koopt voor € 50,00: hoogstens € 10,00 wordt betaald",
            "Anna buys for €50.00: at most €10.00 is paid",
            lambda story: story.pay("bakker", 5_000, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 6_235, "anna": 5_135},
        ),
        Row(
            "Anna koopt voor € 20,00: er is deze maand nog € 2,30",
            "Anna buys for €20.00: €2.30 is left this month",
            lambda story: story.pay("bakker", 2_000, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 8_235, "anna": 3_365},
        ),
        Row(
            "Anna koopt nog eens: het is op",
            "Anna buys again: it is used up",
            lambda story: story.pay("bakker", 2_000, by="anna", token="pas-anna"),
            "policy.benefit",
            {"bakker": 8_235, "anna": 3_365},
        ),
        Row(
            "een pas van een andere maand",
            "a token of another month",
            lambda story: story.pay("bakker", 2_000, by="anna", token="pas-februari"),
            "policy.benefit",
        ),
        Row(
            "zonder pas",
            "without a token",
            lambda story: story.pay("bakker", 2_000, by="anna"),
            "policy.benefit",
        ),
    ),
)
P3_FIXED_TABLE = Table(
    "P3",
    "Wie een pas heeft, krijgt € 5,00 van de prijs betaald.",
    "Whoever has a token gets €5.00 of the price paid.",
    lambda: _given_benefit("CENTS", 500, 500, 5_000),
    (
        Row(
            "Anna koopt voor € 3,00: dat wordt helemaal betaald",
            "Anna buys for €3.00: all of it is paid",
            lambda story: story.pay("bakker", 300, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 300, "anna": 10_000},
        ),
        Row(
            "Anna koopt voor € 105,01 en heeft zelf te weinig",
            "Anna buys for €105.01 and has too little herself",
            lambda story: story.pay("bakker", 10_501, by="anna", token="pas-anna"),
            "coin.low-balance",
        ),
    ),
)


def _given_milestone() -> Story:
    story = Story(PEOPLE)
    steps = (
        MilestoneStep(INDICATOR, "GE", 10, 4_000, account("vera"), 20_260_103),
        MilestoneStep(INDICATOR, "GE", 20, 5_000, account("vera"), 20_260_110),
    )
    story.open(shape=Milestone(1, account("anna"), steps))
    return story


def _measure(story: Story, date: int, value: int) -> Story:
    run = story.ledger.run()
    note_measure(run.state, INDICATOR, date, Measure(1, value, 0, bytes(32), 0, account("dirk")))
    story.ledger.apply(run)
    return story


def _after(done: object, outcome: Outcome) -> Outcome:
    """Return the outcome of a row whose first part is not an order."""
    return outcome


P6_TABLE = Table(
    "P6",
    "Een bijdrage voor Anna in twee stappen: € 40,00 bij 10 deelnemers, vóór 4 januari, en € 50,00"
    " bij 20 deelnemers, vóór 11 januari. Vera stelt vast.",
    "A grant for Anna in two steps: €40.00 with 10 people taking part, before 4 January, and €50.00"
    " with 20 people, before 11 January. Vera verifies.",
    _given_milestone,
    (
        Row(
            "Vera geeft stap 1 vrij, maar er is nog niets gemeten",
            "Vera releases step 1, but nothing was measured yet",
            lambda story: story.release(1, 4_000, "vera"),
            "policy.not-verified",
        ),
        Row(
            "er zijn 9 deelnemers gemeten: te weinig",
            "9 people were measured: too few",
            lambda story: _measure(story, 20_260_101, 9).release(1, 4_000, "vera"),
            "policy.not-verified",
        ),
        Row(
            "er zijn 25 gemeten, maar stap 1 komt vóór stap 2",
            "25 were measured, but step 1 comes before step 2",
            lambda story: _measure(story, 20_260_102, 25).release(2, 5_000, "vera"),
            "policy.milestone",
        ),
        Row(
            "Anna geeft haar eigen stap vrij",
            "Anna releases her own step",
            lambda story: story.release(1, 4_000, "anna"),
            "policy.own-case",
        ),
        Row(
            "Vera geeft stap 1 vrij",
            "Vera releases step 1",
            lambda story: story.release(1, 4_000, "vera"),
            PAID,
            {"anna": 14_000},
        ),
        Row(
            "Vera geeft stap 1 nog eens vrij",
            "Vera releases step 1 again",
            lambda story: story.release(1, 4_000, "vera"),
            "policy.done",
        ),
        Row(
            "Vera geeft stap 2 pas op 11 januari vrij: die is verlopen",
            "Vera releases step 2 on 11 January only: it has lapsed",
            lambda story: story.days(10).release(2, 5_000, "vera"),
            "policy.milestone",
            {"anna": 14_000},
        ),
    ),
)


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


def _given_payroll() -> Story:
    story = Story(PEOPLE)
    run = story.ledger.run()
    worth = Valuation("TUIN", 500, "HOUR", "SOCIAL", "S", None)
    register(run.state, VALUATION, WORTH, 20_250_101, worth)
    work = Engagement(
        account("gever"),
        account("anna"),
        WORTH,
        1,
        36_000,
        20_260_101,
        20_261_231,
        "VOLUNTEER",
        (account("vera"),),
        "ACTIVE",
    )
    ENGAGEMENTS.put(run.state, work, WORK)
    for number, (seconds, attestor, status) in enumerate(
        [
            (9_000, "vera", ATTESTED),
            (3_600, "vera", CLAIMED),
            (3_600, "gever", ATTESTED),
            (7_200, "vera", ATTESTED),
            (3_601, "vera", ATTESTED),
        ]
    ):
        attested = ((account(attestor), seconds),)
        sheet = Sheet(WORK, 20_260_101 + number, seconds, 0, None, attested, status)
        SHEETS.put(run.state, sheet, bytes([number]) * 32)
    story.ledger.apply(run)
    change(story.ledger, MEMBERS, account("anna"), vol_hour=560, vol_month=2_000, vol_year=210_000)
    rule = Payroll(1, (WORTH,), 14_400, "VOLUNTEER", (account("vera"), account("gever")), 1)
    story.open(shape=rule)
    return story


def _work(story: Story, sheet: int, cents: int, by: str = "anna") -> Outcome:
    return story.pay("anna", cents, by=by, ref=bytes([sheet]) * 32)


def _lower(story: Story) -> Story:
    change(story.ledger, MEMBERS, account("anna"), vol_hour=499)
    return story


P10_TABLE = Table(
    "P10",
    "Tuinwerk is door de wijk gewaardeerd op € 5,00 per uur. Anna doet het als vrijwilliger,"
    " hoogstens 4 uur per maand; haar ruimte is € 20,00 per maand. Vera bevestigt de uren.",
    "Garden work was valued by the wijk at €5.00 an hour. Anna does it as volunteer, 4 hours a"
    " month at most; her allowance is €20.00 a month. Vera attests the hours.",
    _given_payroll,
    (
        Row(
            "2 uur en 30 minuten, door Vera bevestigd: € 12,50",
            "2 hours and 30 minutes, attested by Vera: €12.50",
            lambda story: _work(story, 0, 1_250),
            PAID,
            {"anna": 11_250},
        ),
        Row(
            "dezelfde uren nog eens",
            "the same hours again",
            lambda story: _work(story, 0, 1_250),
            "policy.done",
        ),
        Row(
            "een uur dat niemand heeft bevestigd",
            "an hour that nobody attested",
            lambda story: _work(story, 1, 500),
            "policy.payroll",
        ),
        Row(
            "een uur dat de gever zelf bevestigde: wie betaalt, bevestigt niet",
            "an hour that the funder attested: who pays does not attest",
            lambda story: _work(story, 2, 500),
            "policy.payroll",
        ),
        Row(
            "2 uur, terwijl er deze maand nog 1:30 over is",
            "2 hours, while 1:30 is left this month",
            lambda story: _work(story, 3, 1_000),
            "policy.payroll",
        ),
        Row(
            "1 uur en 1 seconde voor een verkeerd bedrag",
            "1 hour and 1 second for a wrong amount",
            lambda story: _work(story, 4, 501),
            "policy.amount",
        ),
        Row(
            "1 uur en 1 seconde: € 5,00, want een halve cent of meer telt pas als hele",
            "1 hour and 1 second: €5.00, because only half a cent or more counts as a whole one",
            lambda story: _work(story, 4, 500),
            PAID,
            {"anna": 11_750},
        ),
        Row(
            "2 uur in februari terwijl de wet nog € 4,99 per uur toestaat",
            "2 hours in February while the law allows €4.99 an hour only",
            lambda story: _work(_lower(story.days(31)), 3, 1_000),
            "policy.payroll",
        ),
    ),
)


def _given_match() -> Story:
    story = Story(PEOPLE)
    rule = Match(1, account("vera"), 1, 2, 2_000, 2_500, 20_260_101, 20_260_131)
    story.open(shape=rule)
    return story


def _gift(story: Story, by: str, cents: int) -> Story:
    outcome = story.ledger.by_person(by, Transfer((Leg(account("vera"), cents, None, None),), None))
    assert outcome.code == 0
    story.notes["gift"] = outcome.tx_id
    return story


def _add(story: Story, cents: int) -> Outcome:
    return story.pay("vera", cents, by="dirk", ref=story.notes["gift"])


P11_TABLE = Table(
    "P11",
    "De gever legt de helft bij van wat mensen in januari aan Vera geven: hoogstens € 20,00 per"
    " betaling en € 25,00 in totaal.",
    "The funder adds half of what people give to Vera in January: at most €20.00 a payment and"
    " €25.00 in all.",
    _given_match,
    (
        Row(
            "Anna gaf € 40,01: er komt € 20,00 bij",
            "Anna gave €40.01: €20.00 is added",
            lambda story: _add(_gift(story, "anna", 4_001), 4_001),
            PAID,
            {"vera": 6_001},
        ),
        Row(
            "voor dezelfde betaling nog eens",
            "again for the same payment",
            lambda story: _add(story, 4_001),
            "policy.done",
        ),
        Row(
            "Dirk gaf € 20,00 en noemt € 30,00",
            "Dirk gave €20.00 and says €30.00",
            lambda story: _add(_gift(story, "dirk", 2_000), 3_000),
            "policy.amount",
        ),
        Row(
            "Dirk gaf € 20,00: er is nog € 5,00",
            "Dirk gave €20.00: €5.00 is left",
            lambda story: _add(story, 2_000),
            PAID,
            {"vera": 8_501},
        ),
        Row(
            "Dirk gaf nog € 20,00: er is niets meer, en dat is geen weigering",
            "Dirk gave another €20.00: nothing is left, and that is no refusal",
            lambda story: _add(_gift(story, "dirk", 2_000), 2_000),
            NOTHING_PAID,
            {"vera": 10_501},
        ),
        Row(
            "de gever gaf zelf € 20,00",
            "the funder gave €20.00",
            lambda story: _add(_gift(story, "gever", 2_000), 2_000),
            "policy.match",
        ),
        Row(
            "een betaling die er niet was",
            "a payment that was not there",
            lambda story: story.pay("vera", 100, by="dirk", ref=bytes(32)),
            "tx.unknown-id",
        ),
        Row(
            "Anna gaf in februari",
            "Anna gave in February",
            lambda story: _add(_gift(story.days(31), "anna", 100), 100),
            "policy.match",
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

TABLES = (
    P0_TABLE,
    P3_TABLE,
    P3_FIXED_TABLE,
    P6_TABLE,
    P7_TABLE,
    P7_TIME_TABLE,
    P8_TABLE,
    P8_FAILED_TABLE,
    P10_TABLE,
    P11_TABLE,
    P12_TABLE,
)
