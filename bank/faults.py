"""What can be wrong with a bank file, said to the treasurer who holds it: what, where, what now.

A bank file comes from the treasurer's own disk, so a bad one is neither a peer's fault nor a
refused call: nothing was sent and nothing has changed. Codes are stable, sentences are not.
Errors never quote a name, an account number or a description from the file: only amounts,
dates, codes and element names.
"""

from enum import Enum
from typing import Literal

Language = Literal["nl", "en"]


class Fault(Enum):
    """Why a bank file is not accepted: code; what and what now in Dutch; the same in English."""

    TOO_LARGE = (
        "bank.too-large",
        "Het bestand is groter dan 16 MiB.",
        "Vraag de bank om een bestand per dag of per rekening.",
        "The file is larger than 16 MiB.",
        "Ask the bank for one file per day or per account.",
    )
    TOO_COMPLEX = (
        "bank.too-complex",
        "Het bestand heeft te veel of te diep geneste onderdelen.",
        "Vraag de bank om een bestand per dag; gebruik dit bestand niet.",
        "The file has too many elements, or nests them too deeply.",
        "Ask the bank for one file per day; do not use this one.",
    )
    NOT_UTF8 = (
        "bank.not-utf8",
        "Het bestand is geen UTF-8-tekst.",
        "Haal het opnieuw op bij de bank en open het niet eerst in een ander programma.",
        "The file is not UTF-8 text.",
        "Download it again from the bank, and do not open it in another program first.",
    )
    NOT_XML = (
        "bank.not-xml",
        "Het bestand is geen volledige XML: het is afgebroken of beschadigd.",
        "Haal het opnieuw op bij de bank.",
        "The file is not complete XML: it was cut off or damaged.",
        "Download it again from the bank.",
    )
    FORBIDDEN = (
        "bank.forbidden",
        "Het bestand bevat iets dat een bank nooit levert.",
        "Gebruik het niet; haal het zelf op bij de bank en vraag waar dit bestand vandaan kwam.",
        "The file holds something that no bank delivers.",
        "Do not use it; download it from the bank yourself, and ask where this one came from.",
    )
    WRONG_FORMAT = (
        "bank.wrong-format",
        "Dit is geen camt.053.001.02 of camt.053.001.08.",
        "Kies bij de bank het rekeningafschrift camt.053 (niet camt.052, camt.054 of MT940).",
        "This is not camt.053.001.02 or camt.053.001.08.",
        "Choose the camt.053 statement at the bank (not camt.052, camt.054 or MT940).",
    )
    MISSING = (
        "bank.missing",
        "Er ontbreekt een verplicht onderdeel.",
        "Haal het bestand opnieuw op; blijft dit zo, vraag de bank om een volledig afschrift.",
        "A required element is missing.",
        "Download the file again; if it stays so, ask the bank for a complete statement.",
    )
    TWICE = (
        "bank.twice",
        "Een onderdeel dat één keer mag voorkomen, staat er vaker.",
        "Haal het bestand opnieuw op bij de bank; gebruik dit bestand niet.",
        "An element that may occur once occurs more often.",
        "Download the file again from the bank; do not use this one.",
    )
    UNREADABLE = (
        "bank.unreadable",
        "Een waarde heeft niet de vorm die de standaard voorschrijft.",
        "Haal het bestand opnieuw op bij de bank en verander er niets in.",
        "A value does not have the form that the standard prescribes.",
        "Download the file again from the bank, and change nothing in it.",
    )
    ACCOUNT = (
        "bank.account",
        "De rekening van het afschrift is geen geldig IBAN.",
        "Gebruik het afschrift van de reserverekening; die heeft een IBAN.",
        "The account of the statement is not a valid IBAN.",
        "Use the statement of the reserve account; it has an IBAN.",
    )
    AMOUNT = (
        "bank.amount",
        "Een bedrag is onleesbaar of heeft niet de decimalen van de munt.",
        "Verander niets met de hand; haal het bestand opnieuw op bij de bank.",
        "An amount is unreadable, or does not have the decimals of its currency.",
        "Change nothing by hand; download the file again from the bank.",
    )
    CURRENCY = (
        "bank.currency",
        "Een bedrag staat in een andere munt dan de rekening.",
        "Gebruik het afschrift van een rekening in één munt.",
        "An amount is in another currency than the account.",
        "Use the statement of an account in one currency.",
    )
    DATE = (
        "bank.date",
        "Een datum bestaat niet of is anders geschreven dan JJJJ-MM-DD.",
        "Haal het bestand opnieuw op bij de bank.",
        "A date does not exist, or is not written as YYYY-MM-DD.",
        "Download the file again from the bank.",
    )
    NO_BALANCE = (
        "bank.no-balance",
        "Het begin- of eindsaldo ontbreekt.",
        "Kies een afgesloten dag; is het afschrift over bestanden verdeeld, vraag het dan als één.",
        "The opening or closing balance is missing.",
        "Choose a closed day; if the statement is split over files, ask for it as one.",
    )
    TWO_BALANCES = (
        "bank.two-balances",
        "Het begin- of eindsaldo staat er twee keer, of op twee manieren verschillend.",
        "Vraag de bank welk saldo geldt; gebruik dit bestand niet.",
        "The opening or closing balance is there twice, or in two ways that differ.",
        "Ask the bank which balance is right; do not use this file.",
    )
    NEGATIVE = (
        "bank.negative",
        "De rekening staat rood; een reserve mag dat nooit.",
        "Vul de rekening aan en meld het aan het bestuur; deze dag kan niet op de keten.",
        "The account is overdrawn; a reserve never may be.",
        "Top up the account and tell the board; this day cannot go on the chain.",
    )
    SUM = (
        "bank.sum",
        "Beginsaldo, bij- en afschrijvingen geven samen niet het eindsaldo.",
        "Er mist een boeking of er is iets veranderd: haal het bestand opnieuw op bij de bank.",
        "Opening balance, credits and debits do not add up to the closing balance.",
        "An entry is missing or was changed: download the file again from the bank.",
    )
    OTHER_CURRENCY = (
        "bank.other-currency",
        "De rekening is in een andere munt dan de reserve van de wijk.",
        "Gebruik het afschrift van de reserverekening.",
        "The account is in another currency than the reserve of the wijk.",
        "Use the statement of the reserve account.",
    )
    GAP = (
        "bank.gap",
        "Een afschrift sluit niet aan op het vorige van dezelfde rekening in het bestand.",
        "Haal het bestand opnieuw op, met elke dag één keer en in volgorde.",
        "A statement does not follow on the one before it of the same account in the file.",
        "Download the file again, with each day once and in order.",
    )
    ORDER = (
        "bank.order",
        "Het eindsaldo is van een eerdere dag dan het beginsaldo.",
        "Haal het bestand opnieuw op bij de bank.",
        "The closing balance is of an earlier day than the opening balance.",
        "Download the file again from the bank.",
    )
    IBAN_IN_REFERENCE = (
        "bank.iban-in-reference",
        "Een boeking heeft alleen een referentie waar het rekeningnummer in staat.",
        "Vraag de bank om een eigen referentie per boeking: een IBAN mag nooit op de keten.",
        "An entry has no reference but one that contains the account number.",
        "Ask the bank for a reference of its own for each entry: no IBAN may go on the chain.",
    )
    SAME_ENTRY = (
        "bank.same-entry",
        "Twee boekingen hebben dezelfde bankreferentie; de keten kan ze niet uit elkaar houden.",
        "Vraag de bank om een bestand met een eigen referentie per boeking.",
        "Two entries have the same bank reference; the chain could not tell them apart.",
        "Ask the bank for a file with a reference of its own for each entry.",
    )
    SAME_STATEMENT = (
        "bank.same-statement",
        "Hetzelfde afschrift staat er twee keer in.",
        "Haal het bestand opnieuw op, met elke dag één keer.",
        "The same statement is in the file twice.",
        "Download the file again, with each day once.",
    )

    def __init__(self, code: str, what_nl: str, now_nl: str, what_en: str, now_en: str) -> None:
        self.code = code
        self.what = {"nl": what_nl, "en": what_en}
        self.now = {"nl": now_nl, "en": now_en}


class BankFileError(ValueError):
    """A bank file that is not accepted. Nothing was sent and nothing has changed.

    `line` counts from 1 (0: the file as a whole). `path` is the place in the file, such as
    `Document/BkToCstmrStmt/Stmt[1]/Ntry[17]/Amt`, empty before the first element. `detail`
    says the same in both languages, for instance a sum or what was expected; it may be empty.
    """

    def __init__(self, fault: Fault, *, line: int = 0, path: str = "", detail: str = "") -> None:
        self.fault = fault
        self.line = line
        self.path = path
        self.detail = detail
        super().__init__(self.sentence("en"))

    @property
    def code(self) -> str:
        """The stable code, such as `bank.sum`."""
        return self.fault.code

    def sentence(self, language: Language) -> str:
        """Return what is wrong, where, and what to do now, in one line of text."""
        detail = f" ({self.detail})" if self.detail else ""
        word = {"nl": "Regel", "en": "Line"}[language]
        where = f" {word} {self.line}{', ' + self.path if self.path else ''}." if self.line else ""
        return (
            f"{self.fault.what[language]}{detail}{where} {self.fault.now[language]} [{self.code}]"
        )
