"""What a clause of a policy says when it refuses a payment: a sentence each, in two languages.

They are shown with the code WIJK-2107 and its numbers (economy P0). A part in [square brackets]
falls away when one of its values is missing, as in `chain/text_rows.py`. The sentences that people
see before they sign stand with the scripts, in `contracts/policies/`.
"""

# clause -> (Dutch, English)
CLAUSES: dict[str, tuple[str, str]] = {
    "area": (
        "Deze ontvanger heeft geen plek in het gebied van dit potje[: {codes}].",
        "This payee has no place in the area of this money[: {codes}].",
    ),
    "category": (
        "Dit potje is hier niet voor.[ Alleen voor: {kinds}.][ Uitgesloten: {excluded}.]",
        "This money is not for this.[ Only for: {kinds}.][ Excluded: {excluded}.]",
    ),
    "expiry": (
        "Dit tegoed is verlopen.[ Het gold tot en met {last_on}.]",
        "This credit has lapsed.[ It was valid up to and including {last_on}.]",
    ),
    "cap": (
        "Dit is meer dan dit potje nu mag betalen.[ Nog {remaining_cents} {period}.]",
        "This is more than this money may pay now.[ {remaining_cents} left {period}.]",
    ),
    "token": (
        "Dit potje betaalt alleen voor de gever of met een geldige pas.",
        "This money pays for its funder only, or with a valid token.",
    ),
    "split": (
        "Dit potje wordt verdeeld: noem de eerste van de verdeling als ontvanger.",
        "This money is split: name the first of the split as payee.",
    ),
    "claim": (
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
