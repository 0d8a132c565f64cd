"""Cases of the guards: P1, P2, P4, P5, P9, P13, P15, and of the split, P14."""

from __future__ import annotations

from chain.keyspaces import MEMBERS, PACT_IDS, PACTS, PLACES_TAKEN, compute_pact_id
from chain.records import Tag
from contracts.policies.p01_area import Area
from contracts.policies.p02_category import Category
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p13_pact import PactRule
from contracts.policies.p14_split import Part
from contracts.policies.p15_sunset import Sunset
from tests.contracts.desk import change
from tests.contracts.policy_story import DAY_S, PAID, Row, Story, Table, food
from tests.federation import START_S, account

PACT_ID = compute_pact_id("delfshaven", "noord")
ALCOHOL = Tag("SALE", "P3", "C02", 0)


def _area(temporary: int, *codes: str) -> Story:
    story = Story()
    market = (("WK059903", 2014, START_S + DAY_S),)
    change(story.ledger, MEMBERS, account("winkel"), places=market)
    story.open(Area(1, codes, 2014, temporary))
    return story


P1_TABLE = Table(
    "P1",
    "Een potje voor winkels in Delfshaven (WK059903). De bakker zit in een buurt daarvan, de"
    " marktkoopman heeft er vandaag een kraam.",
    "Money for shops in Delfshaven (WK059903). The baker is in a buurt of it, the stallholder has a"
    " stall there today.",
    lambda: _area(0, "WK059903"),
    (
        Row(
            "€ 5,00 bij de bakker, in een buurt van deze wijk",
            "€5.00 at the baker, in a buurt of this wijk",
            lambda story: story.pay("bakker", 500),
            PAID,
            {"bakker": 500},
        ),
        Row(
            "€ 5,00 bij de marktkoopman met een kraam voor één dag",
            "€5.00 to the stallholder with a stall for one day",
            lambda story: story.pay("winkel", 500),
            "policy.area",
        ),
        Row(
            "€ 5,00 aan Anna, die nergens een plek heeft",
            "€5.00 to Anna, who has no place anywhere",
            lambda story: story.pay("anna", 500),
            "policy.area",
        ),
    ),
)
P1_MARKET_TABLE = Table(
    "P1",
    "Hetzelfde voor heel Rotterdam (GM0599), en ook op marktdagen.",
    "The same for all of Rotterdam (GM0599), and on market days too.",
    lambda: _area(1, "GM0599"),
    (
        Row(
            "€ 5,00 bij de marktkoopman, vandaag",
            "€5.00 to the stallholder, today",
            lambda story: story.pay("winkel", 500),
            PAID,
            {"winkel": 500},
        ),
        Row(
            "€ 5,00 bij de marktkoopman, twee dagen later",
            "€5.00 to the stallholder, two days later",
            lambda story: story.days(2).pay("winkel", 500),
            "policy.area",
        ),
    ),
)


def _given_category(allow: tuple[str, ...], deny: tuple[str, ...]) -> Story:
    story = Story()
    story.open(Category(1, allow, deny))
    return story


P2_TABLE = Table(
    "P2",
    "Een potje voor eten (C01), niet voor alcohol en tabak (C02). De slijter meldde dat hij alcohol"
    " verkoopt.",
    "Money for food (C01), not for alcohol and tobacco (C02). The off-licence said that it sells"
    " alcohol.",
    lambda: _given_category(("C01",), ("C02",)),
    (
        Row(
            "€ 5,00 eten bij de bakker",
            "€5.00 of food at the baker",
            lambda story: story.pay("bakker", 500, tag=food()),
            PAID,
        ),
        Row(
            "€ 5,00 bij de slijter, zonder te zeggen wat",
            "€5.00 at the off-licence, without saying what",
            lambda story: story.pay("slijter", 500),
            "policy.category",
        ),
        Row(
            "€ 5,00 alcohol bij de bakker",
            "€5.00 of alcohol at the baker",
            lambda story: story.pay("bakker", 500, tag=ALCOHOL),
            "policy.category",
        ),
        Row(
            "€ 5,00 bij de winkel, waarvan niemand weet wat hij verkoopt",
            "€5.00 at the shop, of which nobody knows what it sells",
            lambda story: story.pay("winkel", 500),
            "policy.category",
        ),
    ),
)
P2_SECTION_TABLE = Table(
    "P2",
    "Een potje voor alles behalve winkels (NG).",
    "Money for everything but shops (NG).",
    lambda: _given_category((), ("NG",)),
    (
        Row(
            "€ 5,00 bij de bakker, een winkel",
            "€5.00 at the baker, a shop",
            lambda story: story.pay("bakker", 500, tag=food()),
            "policy.category",
        ),
        Row(
            "€ 5,00 aan Anna",
            "€5.00 to Anna",
            lambda story: story.pay("anna", 500),
            PAID,
        ),
    ),
)


def _given_expiry() -> Story:
    story = Story()
    story.open(Expiry(1, 20_260_102, None))
    return story


P4_TABLE = Table(
    "P4",
    "Een potje van € 100,00 tot en met 2 januari 2026; het is 1 januari.",
    "Money of €100.00 up to and including 2 January 2026; it is 1 January.",
    _given_expiry,
    (
        Row(
            "€ 5,00 op 1 januari",
            "€5.00 on 1 January",
            lambda story: story.pay("bakker", 500),
            PAID,
        ),
        Row(
            "€ 5,00 op 2 januari",
            "€5.00 on 2 January",
            lambda story: story.days(1).pay("bakker", 500),
            PAID,
            {"bakker": 1_000, "gever": 990_000},
        ),
        Row(
            "€ 5,00 op 3 januari: de € 90,00 die over was, is terug bij de gever",
            "€5.00 on 3 January: the €90.00 that was left is back with the funder",
            lambda story: story.days(1).pay("bakker", 500),
            "policy.not-active",
            {"bakker": 1_000, "gever": 999_000},
        ),
    ),
)


def _given_cap(*caps: int) -> Story:
    story = Story()
    story.open(Cap(1, *caps))
    story.enrol("pas-anna", "pas-dirk")
    return story


P5_TABLE = Table(
    "P5",
    "Een potje van € 100,00: per betaling hoogstens € 20,00, per dag € 32,40.",
    "Money of €100.00: at most €20.00 a payment, €32.40 a day.",
    lambda: _given_cap(2_000, 3_240, 0, 0, 0),
    (
        Row(
            "€ 20,01 in één keer",
            "€20.01 at once",
            lambda story: story.pay("bakker", 2_001),
            "policy.cap",
        ),
        Row(
            "€ 20,00 bij de bakker",
            "€20.00 at the baker",
            lambda story: story.pay("bakker", 2_000),
            PAID,
        ),
        Row(
            "daarna € 12,41 op dezelfde dag",
            "then €12.41 on the same day",
            lambda story: story.pay("slijter", 1_241),
            "policy.cap",
        ),
        Row(
            "daarna € 12,40 op dezelfde dag",
            "then €12.40 on the same day",
            lambda story: story.pay("slijter", 1_240),
            PAID,
        ),
        Row(
            "€ 20,00 op de volgende dag",
            "€20.00 on the next day",
            lambda story: story.days(1).pay("slijter", 2_000),
            PAID,
            {"bakker": 2_000, "slijter": 3_240},
        ),
    ),
)
P5_MONTH_TABLE = Table(
    "P5",
    "Een potje van € 100,00: per maand € 60,00, per ontvanger € 40,00 en per pas € 10,00.",
    "Money of €100.00: €60.00 a month, €40.00 a month for each payee and €10.00 for each token.",
    lambda: _given_cap(0, 0, 6_000, 4_000, 1_000),
    (
        Row(
            "€ 10,00 met de pas van Anna",
            "€10.00 with the token of Anna",
            lambda story: story.pay("bakker", 1_000, by="anna", token="pas-anna"),
            PAID,
        ),
        Row(
            "nog € 0,01 met dezelfde pas",
            "another €0.01 with the same token",
            lambda story: story.pay("bakker", 1, by="anna", token="pas-anna"),
            "policy.cap",
        ),
        Row(
            "€ 10,00 met een andere pas",
            "€10.00 with another token",
            lambda story: story.pay("bakker", 1_000, by="anna", token="pas-dirk"),
            PAID,
        ),
        Row(
            "€ 10,00 zonder pas: per pas is er dan niets",
            "€10.00 without a token: then there is nothing for each token",
            lambda story: story.pay("bakker", 1_000),
            "policy.cap",
        ),
        Row(
            "€ 10,00 met de pas van Anna, een maand later",
            "€10.00 with the token of Anna, a month later",
            lambda story: story.days(31).pay("bakker", 1_000, by="anna", token="pas-anna"),
            PAID,
            {"bakker": 3_000},
        ),
    ),
)


def _given_budget(carry: int) -> Story:
    story = Story()
    lines = (BudgetLine("HUUR", 3_000, "MONTH"), BudgetLine("FEEST", 2_000, "YEAR"))
    story.open(Budget(1, lines, carry))
    return story


P9_TABLE = Table(
    "P9",
    "Een begroting met de posten HUUR, € 30,00 per maand, en FEEST, € 20,00 per jaar.",
    "A budget with the lines HUUR, €30.00 a month, and FEEST, €20.00 a year.",
    lambda: _given_budget(0),
    (
        Row(
            "€ 25,00 op de post HUUR",
            "€25.00 on the line HUUR",
            lambda story: story.pay("winkel", 2_500, item="HUUR"),
            PAID,
        ),
        Row(
            "daarna € 5,01 op de post HUUR",
            "then €5.01 on the line HUUR",
            lambda story: story.pay("winkel", 501, item="HUUR"),
            "policy.budget",
        ),
        Row(
            "€ 5,01 op de post FEEST",
            "€5.01 on the line FEEST",
            lambda story: story.pay("winkel", 501, item="FEEST"),
            PAID,
        ),
        Row(
            "€ 1,00 op een post die er niet is",
            "€1.00 on a line that is not there",
            lambda story: story.pay("winkel", 100, item="REIS"),
            "policy.budget",
        ),
        Row(
            "€ 1,00 zonder post",
            "€1.00 without a line",
            lambda story: story.pay("winkel", 100),
            "policy.budget",
        ),
        Row(
            "€ 30,00 op de post HUUR, een maand later",
            "€30.00 on the line HUUR, a month later",
            lambda story: story.days(31).pay("winkel", 3_000, item="HUUR"),
            PAID,
            {"winkel": 6_001},
        ),
    ),
)
P9_CARRY_TABLE = Table(
    "P9",
    "Dezelfde begroting; wat een post overhoudt, mag in de volgende periode.",
    "The same budget; what a line leaves may be used in the next period.",
    lambda: _given_budget(1),
    (
        Row(
            "€ 10,00 op de post HUUR, in januari: er is niets van december",
            "€10.00 on the line HUUR, in January: nothing comes from December",
            lambda story: story.pay("winkel", 1_000, item="HUUR"),
            PAID,
        ),
        Row(
            "€ 50,01 op de post HUUR, in februari",
            "€50.01 on the line HUUR, in February",
            lambda story: story.days(31).pay("winkel", 5_001, item="HUUR"),
            "policy.budget",
        ),
        Row(
            "€ 50,00 op de post HUUR, in februari",
            "€50.00 on the line HUUR, in February",
            lambda story: story.pay("winkel", 5_000, item="HUUR"),
            PAID,
        ),
        Row(
            "€ 30,01 op de post HUUR, in maart: van februari bleef niets over",
            "€30.01 on the line HUUR, in March: nothing was left of February",
            lambda story: story.days(28).pay("winkel", 3_001, item="HUUR"),
            "policy.budget",
        ),
    ),
)


def _given_pact() -> Story:
    story = Story()
    story.put(PACT_IDS, ("delfshaven", "noord"), PACT_ID)
    story.open(Cap(1, 0, 0, 0, 0, 10_000), PactRule(1, PACT_ID, ("C01",), 3_000, 0, 2))
    story.enrol("pas-bram")
    return story


def _full(story: Story) -> Story:
    story.put(PLACES_TAKEN, 2, PACT_ID)
    return story


def _over(story: Story) -> Story:
    change(story.ledger, PACTS, "delfshaven", "noord", status="ENDED")
    return story


P13_TABLE = Table(
    "P13",
    "Delfshaven en Noord spraken af: bewoners van Noord mogen hier voor € 30,00 per jaar eten"
    " kopen, en er zijn 2 werkplaatsen. Bram is van Noord, Anna van Delfshaven.",
    "Delfshaven and Noord agreed: residents of Noord may buy food here for €30.00 a year, and there"
    " are 2 places for work. Bram is of Noord, Anna of Delfshaven.",
    _given_pact,
    (
        Row(
            "Bram koopt voor € 25,00 eten bij de bakker",
            "Bram buys food for €25.00 at the baker",
            lambda story: story.pay("bakker", 2_500, by="bram", token="pas-bram", tag=food()),
            PAID,
        ),
        Row(
            "Bram koopt daarna nog voor € 5,01",
            "Bram then buys for another €5.01",
            lambda story: story.pay("bakker", 501, by="bram", token="pas-bram", tag=food()),
            "policy.pact",
        ),
        Row(
            "Anna, van Delfshaven zelf, koopt voor € 1,00",
            "Anna, of Delfshaven itself, buys for €1.00",
            lambda story: story.pay("bakker", 100, by="anna", token="pas-bram", tag=food()),
            "policy.pact",
        ),
        Row(
            "Bram koopt voor € 1,00 alcohol",
            "Bram buys alcohol for €1.00",
            lambda story: story.pay("bakker", 100, by="bram", token="pas-bram", tag=ALCOHOL),
            "policy.pact",
        ),
        Row(
            "Bram koopt voor € 1,00 terwijl beide werkplaatsen bezet zijn",
            "Bram buys for €1.00 while both places for work are taken",
            lambda story: _full(story).pay("bakker", 100, by="bram", token="pas-bram", tag=food()),
            "policy.pact",
        ),
        Row(
            "Bram koopt voor € 1,00 nadat de afspraak is geëindigd",
            "Bram buys for €1.00 after the pact has ended",
            lambda story: _over(story).pay("bakker", 100, by="bram", token="pas-bram", tag=food()),
            "policy.pact",
        ),
    ),
)


def _given_split() -> Story:
    story = Story()
    parts = [Part(account("bakker"), 2), Part(account("slijter"), 1), Part(account("winkel"), 1)]
    story.open(split=parts)
    return story


P14_TABLE = Table(
    "P14",
    "Een potje dat elke betaling verdeelt: de bakker 2 delen, de slijter en de winkel elk 1 deel.",
    "Money that splits every payment: the baker 2 parts, the off-licence and the shop 1 part each.",
    _given_split,
    (
        Row(
            "€ 10,03 verdelen: ieder naar beneden afgerond, de rest voor de eerste",
            "Split €10.03: each rounded down, what is left over to the first",
            lambda story: story.pay("bakker", 1_003),
            PAID,
            {"bakker": 503, "slijter": 250, "winkel": 250},
        ),
        Row(
            "€ 0,01 verdelen: wie niets zou krijgen, wordt overgeslagen",
            "Split €0.01: who would get nothing is left out",
            lambda story: story.pay("bakker", 1),
            PAID,
            {"bakker": 504, "slijter": 250},
        ),
        Row(
            "een ander dan de eerste als ontvanger noemen",
            "name another than the first as payee",
            lambda story: story.pay("slijter", 100),
            "policy.split",
        ),
    ),
)


def _given_sunset() -> Story:
    story = Story()
    story.open(cents=0)
    heir = story.policy
    story.open(Sunset(1, 20_260_102, "SUCCESSOR", heir))
    story.notes["heir"] = heir
    return story


P15_TABLE = Table(
    "P15",
    "Een potje van € 100,00 tot en met 2 januari 2026, en een opvolger van dezelfde gever.",
    "Money of €100.00 up to and including 2 January 2026, and a successor of the same funder.",
    _given_sunset,
    (
        Row(
            "€ 40,00 op 2 januari",
            "€40.00 on 2 January",
            lambda story: story.days(1).pay("bakker", 4_000),
            PAID,
        ),
        Row(
            "€ 1,00 uit het oude potje op 3 januari",
            "€1.00 from the old money on 3 January",
            lambda story: story.days(1).pay("bakker", 100),
            "policy.not-active",
            {"gever": 990_000},
        ),
        Row(
            "€ 60,00 uit de opvolger op 3 januari: daar staat nu wat over was",
            "€60.00 from the successor on 3 January: it has what was left",
            lambda story: _to_heir(story).pay("bakker", 6_000),
            PAID,
            {"bakker": 10_000},
        ),
    ),
)


def _to_heir(story: Story) -> Story:
    story.policy = story.notes["heir"]
    return story


TABLES = (
    P1_TABLE,
    P1_MARKET_TABLE,
    P2_TABLE,
    P2_SECTION_TABLE,
    P4_TABLE,
    P5_TABLE,
    P5_MONTH_TABLE,
    P9_TABLE,
    P9_CARRY_TABLE,
    P13_TABLE,
    P14_TABLE,
    P15_TABLE,
)
