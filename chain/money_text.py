"""How an amount is shown to people: `€ 12,50` in Dutch, `€12.50` in English (interfaces 0).

Reading an amount that a person typed is stricter and stands in `wallet/amounts.py`.
"""

Lang = str  # "nl" or "en"; every text for people exists in both (interfaces 0)
DUTCH: Lang = "nl"
ENGLISH: Lang = "en"


def money(cents: int, lang: Lang) -> str:
    """Return `cents` as text: `€ 1.250,00` for `nl`, `€1,250.00` otherwise. Integers only (D13)."""
    euros, rest = divmod(abs(cents), 100)
    whole = f"{euros:,}"
    if lang == DUTCH:
        sign = "-" if cents < 0 else ""
        return f"€ {sign}{whole.replace(',', '.')},{rest:02}"
    sign = "-" if cents < 0 else ""
    return f"{sign}€{whole}.{rest:02}"
