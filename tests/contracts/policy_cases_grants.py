"""Cases of the shapes by which a funder gives: plain claim, P3, P6, P10, P11."""

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
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p11_match import Match
from tests.contracts.desk import change
from tests.contracts.policy_story import NOTHING_PAID, PAID, Row, Story, Table
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
            "Anna vraagt € 10,00 met haar pas: de gever stelde geen grens per pas (P5)",
            "Anna asks €10.00 with her token: the funder set no cap for tokens (P5)",
            lambda story: story.pay("bakker", 1_000, by="anna", token="pas-anna"),
            "policy.token",
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
            "de gever vraagt € 70,01: er is nog € 70,00",
            "the funder asks €70.01: there is €70.00 left",
            lambda story: story.pay("bakker", 7_001),
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


TABLES = (P0_TABLE, P3_TABLE, P3_FIXED_TABLE, P6_TABLE, P10_TABLE, P11_TABLE)
