"""What a clause of a policy says when it refuses a payment: a sentence each, in two languages.

They are shown with the code WIJK-2107 and its numbers (economy P0). A part in [square brackets]
falls away when one of its values is missing, as in `chain/text_rows.py`. The sentences that people
see before they sign stand with the scripts, in `contracts/policies/`.
"""


def _both(nl: str, en: str) -> tuple[str, str]:
    """Return a sentence in Dutch and in English."""
    return nl, en


# clause -> (Dutch, English)
CLAUSES: dict[str, tuple[str, str]] = {
    "area": _both(
        "Deze ontvanger heeft geen plek in het gebied van dit potje[: {codes}].",
        "This payee has no place in the area of this money[: {codes}].",
    ),
    "category": _both(
        "Dit potje is hier niet voor.[ Alleen voor: {kinds}.][ Uitgesloten: {excluded}.]",
        "This money is not for this.[ Only for: {kinds}.][ Excluded: {excluded}.]",
    ),
    "expiry": _both(
        "Dit tegoed is verlopen.[ Het gold tot en met {last_on}.]",
        "This credit has lapsed.[ It was valid up to and including {last_on}.]",
    ),
    "cap": _both(
        "Dit is meer dan dit potje nu mag betalen.[ Nog {remaining_cents} {period}.]",
        "This is more than this money may pay now.[ {remaining_cents} left {period}.]",
    ),
    "token": _both(
        "Dit potje betaalt alleen voor de gever of met een geldige pas.",
        "This money pays for its funder only, or with a valid token.",
    ),
    "split": _both(
        "Dit potje wordt verdeeld: noem de eerste van de verdeling als ontvanger.",
        "This money is split: name the first of the split as payee.",
    ),
    "benefit": _both(
        "Voor u wordt nu niets betaald.[ Reden: {cause}.][ Nog over: {remaining_cents}.]",
        "Nothing is paid for you now.[ Why: {cause}.][ Left: {remaining_cents}.]",
    ),
    "milestone": _both(
        "Deze stap kan niet worden betaald.[ Stap {step} verliep na {last_on}.]"
        "[ Stap {first} komt eerst.]",
        "This step cannot be paid.[ Step {step} lapsed after {last_on}.]"
        "[ Step {first} comes first.]",
    ),
    "escrow": _both(
        "Dit bedrag staat nog vast.[ Zonder akkoord kan het vanaf {from_at}.]",
        "This amount is still held.[ Without agreement it can go from {from_at}.]",
    ),
    "collective_buy": _both(
        "Dit kan nu niet bij deze gezamenlijke inkoop.[ Meedoen kan tot en met {last_on}, daarna"
        " volgt de uitslag.][ Er doen al {most} mensen mee.]",
        "Not possible now for this joint purchase.[ Joining is possible until {last_on}, the result"
        " comes after.][ {most} people take part already.]",
    ),
    "budget": _both(
        "Deze post kan dit niet betalen[: {line}].[ Nog {remaining_cents} van {total_cents}.]",
        "This line cannot pay this[: {line}].[ {remaining_cents} of {total_cents} left.]",
    ),
    "payroll": _both(
        "Deze uren kunnen zo niet worden betaald.[ Reden: {cause}.][ Deze maand nog {hours} uur.]"
        "[ Per uur hoogstens {hour_cents}.][ Vrijwilligersruimte: deze maand nog {month_cents}, dit"
        " jaar nog {year_cents}.]",
        "These hours cannot be paid like this.[ Why: {cause}.][ {hours} hours left this month.]"
        "[ At most {hour_cents} an hour.][ Volunteer allowance: {month_cents} left this month,"
        " {year_cents} this year.]",
    ),
    "match": _both(
        "Bij deze betaling wordt niets bijgelegd.[ Reden: {cause}.]"
        "[ Het geldt van {first_on} tot en met {last_on}.]",
        "Nothing is added to this payment.[ Why: {cause}.]"
        "[ It is for {first_on} up to and including {last_on}.]",
    ),
    "recurring": _both(
        "Deze termijn kan nog niet worden betaald.[ Het kan vanaf {first_on}.]"
        "[ Er zijn {most} termijnen.]",
        "This instalment cannot be paid yet.[ It can from {first_on}.][ There are {most} of them.]",
    ),
    "pact": _both(
        "Dit valt buiten de afspraak tussen de wijken.[ Met {wijk}: nog {remaining_cents}.]"
        "[ Dit gaat over een andere wijk dan {other}.]"
        "[ Alleen voor: {kinds}.][ De {places} plaatsen zijn bezet.][ Reden: {cause}.]",
        "This is outside the pact between the wijken.[ With {wijk}: {remaining_cents} left.]"
        "[ This is about another wijk than {other}.]"
        "[ Only for: {kinds}.][ The {places} places are taken.][ Why: {cause}.]",
    ),
    "sunset": _both(
        "Deze regel geldt niet meer.[ Hij gold tot en met {last_on}.]",
        "This rule applies no more.[ It applied up to and including {last_on}.]",
    ),
    "claim": _both(
        "Uit dit potje wordt alleen op aanvraag betaald.",
        "This money is paid on a claim only.",
    ),
}

# What P2 allows or excludes: COICOP divisions of what is bought, NACE sections of who sells it.
KINDS: dict[str, tuple[str, str]] = {
    "C01": ("eten en drinken", "food and drink"),
    "C02": ("alcohol en tabak", "alcohol and tobacco"),
    "C03": ("kleding en schoenen", "clothing and shoes"),
    "C04": ("wonen en energie", "housing and energy"),
    "C05": ("meubels en huishouden", "furniture and household"),
    "C06": ("gezondheid", "health"),
    "C07": ("vervoer", "transport"),
    "C08": ("telefoon en internet", "phone and internet"),
    "C09": ("vrije tijd, sport en cultuur", "leisure, sport and culture"),
    "C10": ("onderwijs", "education"),
    "C11": ("horeca", "restaurants and hotels"),
    "C12": ("verzekering en bank", "insurance and banking"),
    "C13": ("persoonlijke verzorging", "personal care"),
    "C14": ("diensten van instellingen", "services of institutions"),
    "C15": ("diensten van de overheid", "services of government"),
    "NA": ("landbouw", "farming"),
    "NB": ("delfstoffen", "mining"),
    "NC": ("makers en fabrieken", "makers and factories"),
    "ND": ("energiebedrijven", "energy companies"),
    "NE": ("water en afval", "water and waste"),
    "NF": ("bouw", "construction"),
    "NG": ("winkels en handel", "shops and trade"),
    "NH": ("vervoerders", "carriers"),
    "NI": ("horecabedrijven", "restaurants and hotels"),
    "NJ": ("media en ICT", "media and ICT"),
    "NK": ("banken en verzekeraars", "banks and insurers"),
    "NL": ("vastgoed", "real estate"),
    "NM": ("advies en onderzoek", "advice and research"),
    "NN": ("verhuur en zakelijke diensten", "rental and business services"),
    "NO": ("overheid", "government"),
    "NP": ("scholen", "schools"),
    "NQ": ("zorg en welzijn", "care and welfare"),
    "NR": ("cultuur, sport en recreatie", "culture, sport and recreation"),
    "NS": ("overige diensten", "other services"),
    "NT": ("huishoudens", "households"),
    "NU": ("internationale organisaties", "international organisations"),
    "NV": ("overige", "other"),
}
