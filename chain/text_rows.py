"""The sentences of every WIJK code: one row a code, Dutch (CEFR B1) and English (economy B7, A12).

Sentences may change in any release; numbers and reasons never. A part in [square brackets] holds
the placeholders and falls away as a whole when one of its values is missing, so what stands
outside must read well alone. Names that end in `_cents` are shown as money, `_at` as a time and
`_on` as a date. `chain/texts.py` reads this table; nothing else does.
"""

from typing import NamedTuple

NEVER = "never"
AFTER = "after"
SAME_BYTES = "same-bytes"


class Text(NamedTuple):
    """What happened in three words, what happened in a sentence, and what to do now."""

    title: str
    message: str
    remedy: str


class Row(NamedTuple):
    """One code. `http` is 0 where it never reaches HTTP; `exit` is that of a client (1.4, 1.5)."""

    number: int
    reason: str
    http: int
    exit: int
    retry: str
    nl: Text
    en: Text


def _row(number: int, reason: str, http: int, exit_: int, retry: str, nl: Text, en: Text) -> Row:
    return Row(number, reason, http, exit_, retry, nl, en)


def _refused(number: int, reason: str, nl: Text, en: Text) -> Row:
    """Return the row of a refusal with the usual status: 422, exit 5, never retried (1.5)."""
    return Row(number, reason, 422, 5, NEVER, nl, en)


# fmt: off
# A row reads as a row: both languages beside each other, not a name a line.
_CLIENT = (
    _row(
        1001,
        "",
        0,
        2,
        NEVER,
        Text(
            "verkeerd gebruik",
            "Deze opdracht klopt niet[: {cause}].",
            "Bekijk de uitleg met: wijk --help.",
        ),
        Text(
            "wrong usage",
            "This command is not right[: {cause}].",
            "See the explanation with: wijk --help.",
        ),
    ),
    _row(
        1002,
        "",
        0,
        3,
        NEVER,
        Text(
            "instelling ongeldig",
            "De instellingen kloppen niet[: {errors}].",
            "Verbeter ze en probeer het opnieuw.",
        ),
        Text(
            "configuration invalid",
            "The settings are not right[: {errors}].",
            "Correct them and try again.",
        ),
    ),
    _row(
        1003,
        "",
        0,
        3,
        NEVER,
        Text(
            "sleutel ontbreekt",
            "De sleutel is er niet[: {name}].",
            "Bekijk uw sleutels met: wijk keys list.",
        ),
        Text(
            "key missing", "The key is not there[: {name}].", "See your keys with: wijk keys list."
        ),
    ),
    _row(
        1004,
        "",
        0,
        3,
        NEVER,
        Text(
            "wachtzin onjuist",
            "De wachtzin is onjuist, of het sleutelbestand is beschadigd[: {name}].",
            "Typ de wachtzin opnieuw. Lukt het niet: herstel met uw woorden (wijk keys add --recover).",
        ),
        Text(
            "wrong passphrase",
            "The passphrase is wrong, or the key file is damaged[: {name}].",
            "Type it again. If that fails: recover with your words (wijk keys add --recover).",
        ),
    ),
    _row(
        1005,
        "",
        0,
        2,
        NEVER,
        Text(
            "bedrag onleesbaar",
            "Dit bedrag kan niet[: {text}].",
            "Schrijf het als 12,50 of 12: hoogstens twee cijfers achter de komma, van 0,01 tot en met"
            " 10.000.000,00, zonder punten tussen de duizendtallen.",
        ),
        Text(
            "amount unreadable",
            "This amount cannot be used[: {text}].",
            "Write it as 12.50 or 12: at most two decimals, from 0.01 up to and including"
            " 10,000,000.00, without marks between thousands.",
        ),
    ),
    _row(
        1006,
        "",
        0,
        2,
        NEVER,
        Text(
            "ontvanger onbekend",
            "Deze rekening of naam kan niet[: {who}][: {cause}].[ Bedoelt u {candidates}?]",
            "Controleer de naam of het rekeningnummer. Uw contacten: wijk contacts list.",
        ),
        Text(
            "recipient unreadable",
            "This account or name cannot be used[: {who}][: {cause}].[ Do you mean {candidates}?]",
            "Check the name or the account id. Your contacts: wijk contacts list.",
        ),
    ),
    _row(
        1007,
        "",
        0,
        3,
        NEVER,
        Text(
            "sleutelbestand ongeldig of onveilig",
            "Dit bestand met een geheim is ongeldig of onveilig[: {file}][: {cause}].",
            "Zet het recht: een gewoon bestand van uzelf, alleen voor u leesbaar (chmod 600), en onveranderd.",
        ),
        Text(
            "key file invalid or unsafe",
            "This file with a secret is invalid or unsafe[: {file}][: {cause}].",
            "Put it right: a plain file of your own, readable by you alone (chmod 600), and unchanged.",
        ),
    ),
    _row(
        1010,
        "",
        0,
        3,
        NEVER,
        Text(
            "tekenwacht ontbreekt of klopt niet",
            "Het bestand dat dubbel tekenen voorkomt, ontbreekt, is oud of hoort bij een andere sleutel.",
            "De node tekent niet. Volg: wijk node rejoin.",
        ),
        Text(
            "sign guard missing, stale or foreign",
            "The file that prevents signing twice is missing, stale or of another key.",
            "The node does not sign. Follow: wijk node rejoin.",
        ),
    ),
)

_TX = (
    _row(
        2001,
        "tx.malformed",
        400,
        5,
        NEVER,
        Text(
            "opdracht onleesbaar",
            "Deze opdracht is niet goed opgebouwd[: {cause}].",
            "Maak de opdracht opnieuw, met de nieuwste versie van uw portemonnee.",
        ),
        Text(
            "transaction malformed",
            "This transaction is not well formed[: {cause}].",
            "Make it again, with the newest version of your wallet.",
        ),
    ),
    _row(
        2002,
        "tx.signatures",
        403,
        5,
        NEVER,
        Text(
            "handtekeningen kloppen niet",
            "De handtekeningen kloppen niet.[ Er zijn {have} van {need} handtekeningen.]",
            "Laat precies de juiste mensen tekenen.[ Vraag {names}.]",
        ),
        Text(
            "signatures not right",
            "The signatures are not right.[ There are {have} of {need} signatures.]",
            "Have exactly the right people sign.[ Ask {names}.]",
        ),
    ),
    _row(
        2003,
        "tx.chain",
        422,
        5,
        NEVER,
        Text(
            "andere keten",
            "Deze opdracht is voor een andere keten gemaakt.",
            "Controleer het adres van de node (--node) en maak de opdracht opnieuw.",
        ),
        Text(
            "other chain",
            "This transaction was made for another chain.",
            "Check the address of the node (--node) and make the transaction again.",
        ),
    ),
    _row(
        2004,
        "tx.expired",
        410,
        5,
        NEVER,
        Text(
            "opdracht verlopen",
            "Deze opdracht is verlopen; er is niets gebeurd.[ Zij gold tot {until_at}.]",
            "Verstuur opnieuw.",
        ),
        Text(
            "order expired",
            "This order has expired; nothing happened.[ It was valid until {until_at}.]",
            "Send again.",
        ),
    ),
    _row(
        2005,
        "tx.too-early",
        422,
        5,
        AFTER,
        Text(
            "opdracht nog niet geldig",
            "Deze opdracht geldt nog niet.[ Zij geldt pas vanaf {from_at}.]",
            "Wacht of kies een eerdere einddatum.",
        ),
        Text(
            "order not yet valid",
            "This order is not valid yet.[ It is valid only from {from_at}.]",
            "Wait or choose an earlier expiry.",
        ),
    ),
    _row(
        2006,
        "tx.replayed",
        409,
        5,
        NEVER,
        Text(
            "opdracht al uitgevoerd",
            "Deze opdracht is al uitgevoerd, één keer.[ Zie transactie {committed_as}.]",
            "Bekijk de bon.",
        ),
        Text(
            "order already carried out",
            "This order was already carried out, once.[ See transaction {committed_as}.]",
            "See the receipt.",
        ),
    ),
    _row(
        2007,
        "tx.quota",
        429,
        5,
        AFTER,
        Text(
            "te veel opdrachten",
            "Te veel opdrachten in korte tijd.",
            "Wacht even en probeer het opnieuw.[ Het kan weer over {retry_after_s} s.]",
        ),
        Text(
            "too many orders",
            "Too many orders in a short time.",
            "Wait a little and try again.[ Possible again in {retry_after_s} s.]",
        ),
    ),
    _refused(
        2008,
        "tx.unknown-account",
        Text(
            "rekening onbekend",
            "Deze rekening bestaat niet op deze keten[: {account}].",
            "Controleer het rekeningnummer, of vraag de registrar van de wijk om de rekening aan te melden.",
        ),
        Text(
            "account unknown",
            "This account does not exist on this chain[: {account}].",
            "Check the account id, or ask the registrar of the wijk to register the account.",
        ),
    ),
    _refused(
        2009,
        "tx.unknown-id",
        Text(
            "onderdeel onbekend",
            "Waar deze opdracht naar verwijst, bestaat niet[: {id}].",
            "Controleer het nummer.",
        ),
        Text(
            "object unknown",
            "What this order refers to does not exist[: {id}].",
            "Check the number.",
        ),
    ),
    _refused(
        2010,
        "tx.text",
        Text(
            "tekst geweigerd",
            "Deze tekst mag niet op de keten: alleen letters, cijfers en een paar leestekens, en geen"
            " rekeningnummer, burgerservicenummer of e-mailadres.",
            "Kort de tekst in of haal persoonlijke gegevens weg.",
        ),
        Text(
            "text refused",
            "This text may not stand on the chain: letters, digits and a few marks only, and no"
            " bank account, citizen number or e-mail address.",
            "Shorten the text or leave personal data out.",
        ),
    ),
    _refused(
        2011,
        "tx.tripped",
        Text(
            "handeling stilgezet",
            "Deze handeling is stilgezet[ tot {until_at}][ ({trip_reason})]. Inwisselen en stemmen kan wel.",
            "Wacht tot het bestuur de handeling weer vrijgeeft.",
        ),
        Text(
            "action paused",
            "This action is paused[ until {until_at}][ ({trip_reason})]. Redeeming and voting still work.",
            "Wait until the board releases it again.",
        ),
    ),
    _refused(
        2101,
        "tx.amount",
        Text(
            "bedrag buiten de grenzen",
            "Dit bedrag ligt buiten de grenzen[: {amount_cents}].",
            "Kies een ander bedrag.",
        ),
        Text(
            "amount out of range",
            "This amount is out of range[: {amount_cents}].",
            "Choose another amount.",
        ),
    ),
    _row(
        2112,
        "tx.role",
        403,
        5,
        NEVER,
        Text(
            "niet bevoegd",
            "Deze rekening mag dit niet, of er tekende niet wie dat moet[ ({role})].",
            "Laat tekenen wie dit mag.[ Vraag {names}.]",
        ),
        Text(
            "not allowed",
            "This account may not do this, or the right holders did not sign[ ({role})].",
            "Have those sign who may do this.[ Ask {names}.]",
        ),
    ),
)

_COIN = (
    _refused(
        2102,
        "coin.frozen",
        Text(
            "rekening bevroren",
            "Deze rekening is bevroren[ tot {until_at}]. Inwisselen blijft mogelijk.",
            "Vraag het bestuur naar de reden. Bezwaar maken kan.",
        ),
        Text(
            "account frozen",
            "This account is frozen[ until {until_at}]. Redeeming is still possible.",
            "Ask the board for the reason. You can appeal.",
        ),
    ),
    _refused(
        2103,
        "coin.mode-cap",
        Text(
            "grens van de uitgifte bereikt",
            "De uitgever mag niet zoveel munten uitgeven.[ Er kan nog {remaining_cents} bij.]",
            "Geef minder uit.",
        ),
        Text(
            "cap of the issuance mode",
            "The issuer may not issue that much.[ {remaining_cents} is still possible.]",
            "Issue less.",
        ),
    ),
    _refused(
        2104,
        "coin.low-balance",
        Text(
            "betaling geweigerd, saldo te laag",
            "Het saldo is te laag[: u heeft {balance_cents}, nodig is {amount_cents}].",
            "Betaal minder of stort bij.",
        ),
        Text(
            "balance too low",
            "The balance is too low[: you have {balance_cents}, needed is {amount_cents}].",
            "Pay less or top up.",
        ),
    ),
    _refused(
        2105,
        "coin.denom",
        Text(
            "munt onbekend",
            "Deze munt bestaat niet op deze keten[: {denom}].",
            "Controleer de naam van de wijk en de munt.",
        ),
        Text(
            "denomination unknown",
            "This coin does not exist on this chain[: {denom}].",
            "Check the name of the wijk and of the coin.",
        ),
    ),
    _refused(
        2108,
        "coin.wallet-limit",
        Text(
            "grens van de ontvanger bereikt",
            "De ontvanger mag niet zoveel hebben.[ Er kan nog {remaining_cents} bij.]",
            "Betaal minder.",
        ),
        Text(
            "limit of the payee reached",
            "The payee may not hold that much.[ The payee can receive {remaining_cents} more.]",
            "Pay less.",
        ),
    ),
    _refused(
        2109,
        "coin.self",
        Text(
            "betaling aan uzelf",
            "U kunt niet aan uw eigen rekening betalen.",
            "Kies een andere ontvanger.",
        ),
        Text("payment to yourself", "You cannot pay your own account.", "Choose another payee."),
    ),
    _row(
        2110,
        "coin.used",
        409,
        5,
        NEVER,
        Text(
            "bankregel al gebruikt",
            "Deze regel van het bankafschrift is al eerder gebruikt[: {entry}].",
            "Kies een bankregel die nog openstaat: wijk coin reserve show.",
        ),
        Text(
            "bank entry used before",
            "This entry of the bank statement was used before[: {entry}].",
            "Choose an entry that is still open: wijk coin reserve show.",
        ),
    ),
    _refused(
        2111,
        "coin.no-entry",
        Text(
            "bankregel niet bevestigd",
            "Deze bankregel staat niet in een bevestigd afschrift[: {entry}].",
            "Bevestig eerst het afschrift: wijk coin reserve attest.",
        ),
        Text(
            "bank entry not attested",
            "This bank entry is not in an attested statement[: {entry}].",
            "Attest the statement first: wijk coin reserve attest.",
        ),
    ),
    _refused(
        2113,
        "coin.amount",
        Text(
            "bedrag klopt niet",
            "Het bedrag is niet gelijk aan dat waar de opdracht naar verwijst"
            "[: {amount_cents} in plaats van {expected_cents}].",
            "Neem precies het bedrag van de bankregel, de reservering of de aanvraag.",
        ),
        Text(
            "amount does not match",
            "The amount differs from that which the order refers to"
            "[: {amount_cents} instead of {expected_cents}].",
            "Use exactly the amount of the bank entry, the hold or the request.",
        ),
    ),
    _refused(
        2114,
        "coin.side",
        Text(
            "bankregel aan de verkeerde kant",
            "Deze bankregel is een afschrijving waar een bijschrijving nodig is, of andersom.",
            "Kies de juiste bankregel.",
        ),
        Text(
            "wrong side of the bank entry",
            "This bank entry is a debit where a credit is needed, or the reverse.",
            "Choose the right bank entry.",
        ),
    ),
    _refused(
        2115,
        "coin.currency",
        Text(
            "andere valuta",
            "De bankregel is in een andere valuta dan de munt.",
            "Kies een bankregel in de valuta van de munt.",
        ),
        Text(
            "other currency",
            "The bank entry is in another currency than the coin.",
            "Choose a bank entry in the currency of the coin.",
        ),
    ),
    _refused(
        2116,
        "coin.allowance",
        Text(
            "ruimte voor uitgifte op",
            "Het bestuur heeft niet zoveel uitgifte toegestaan.[ Er mag nog {remaining_cents}.]",
            "Vraag het bestuur om meer ruimte: wijk coin allowance.",
        ),
        Text(
            "allowance used up",
            "The board did not allow that much.[ {remaining_cents} is still allowed.]",
            "Ask the board for a higher allowance: wijk coin allowance.",
        ),
    ),
    _refused(
        2117,
        "coin.blocked",
        Text(
            "uitgifte geblokkeerd",
            "Nieuwe munten uitgeven kan nu niet: er staat een uitbetaling open of de dekking is te laag.",
            "Betaal eerst de open aanvragen uit of vul de reserve aan: wijk coin info.",
        ),
        Text(
            "issuing blocked",
            "No new coin can be issued now: a payout is overdue or the reserve is short.",
            "Pay the open requests first or fill up the reserve: wijk coin info.",
        ),
    ),
    _refused(
        2118,
        "coin.not-treasury",
        Text(
            "niet de penningmeesters",
            "Alleen de penningmeesters van deze munt mogen dit.",
            "Laat twee penningmeesters tekenen.",
        ),
        Text(
            "not the treasury",
            "Only the treasury of this coin may do this.",
            "Have two treasurers sign.",
        ),
    ),
    _refused(
        2119,
        "coin.gap",
        Text(
            "afschrift overgeslagen",
            "Dit afschrift sluit niet aan: er ontbreekt een dag of een bladzijde.",
            "Bevestig eerst het ontbrekende afschrift.",
        ),
        Text(
            "statement skipped",
            "This statement does not follow on: a day or a page is missing.",
            "Attest the missing statement first.",
        ),
    ),
    _refused(
        2120,
        "coin.opening",
        Text(
            "beginsaldo klopt niet",
            "Het beginsaldo is niet gelijk aan het vorige eindsaldo"
            "[: {opening_cents} in plaats van {expected_cents}].",
            "Controleer of u het juiste afschrift heeft.",
        ),
        Text(
            "opening balance not right",
            "The opening balance differs from the last closing balance"
            "[: {opening_cents} instead of {expected_cents}].",
            "Check that you have the right statement.",
        ),
    ),
    _refused(
        2121,
        "coin.sum",
        Text(
            "afschrift telt niet op",
            "De regels van het afschrift komen niet uit op het eindsaldo[: {sum_cents}].",
            "Download het afschrift opnieuw bij de bank.",
        ),
        Text(
            "statement does not add up",
            "The entries of the statement do not lead to the closing balance[: {sum_cents}].",
            "Download the statement from the bank again.",
        ),
    ),
    _refused(
        2122,
        "coin.seen-entry",
        Text(
            "bankregel al op de keten",
            "Een regel van dit afschrift staat al op de keten[: {entry}].",
            "Controleer of u dit afschrift al heeft bevestigd.",
        ),
        Text(
            "bank entry already on the chain",
            "An entry of this statement is already on the chain[: {entry}].",
            "Check whether you attested this statement before.",
        ),
    ),
    _refused(
        2123,
        "coin.unknown-reserve",
        Text(
            "reserverekening onbekend",
            "Deze bankrekening is geen reserve van de wijk.",
            "Laat de rekening eerst opnemen in de lijst van reserves.",
        ),
        Text(
            "reserve unknown",
            "This bank account is no reserve of the wijk.",
            "Have the account added to the list of reserves first.",
        ),
    ),
    _refused(
        2124,
        "coin.kind",
        Text(
            "soort bankregel klopt niet",
            "Een bankregel van deze soort kan zo niet worden geboekt.",
            "Kies de juiste soort: kosten, rente, bijdrage, vooruitbetaling of terugboeking.",
        ),
        Text(
            "kind of bank entry not right",
            "A bank entry of this kind cannot be booked like this.",
            "Choose the right kind: charge, interest, contribution, prefund or reversal.",
        ),
    ),
    _refused(
        2125,
        "coin.other-wijk",
        Text(
            "ontvanger in een andere wijk",
            "De ontvanger woont in een andere wijk[: {wijk}].",
            "Betaal met een handelsbetaling; wijk pay doet dat vanzelf.",
        ),
        Text(
            "payee in another wijk",
            "The payee belongs to another wijk[: {wijk}].",
            "Pay with a trade payment; wijk pay does so by itself.",
        ),
    ),
    _refused(
        2126,
        "coin.not-contracted",
        Text(
            "ontvanger doet niet mee",
            "De ontvanger heeft geen overeenkomst met de uitgever van deze munt.",
            "Betaal bij een winkel die meedoet.",
        ),
        Text(
            "payee has no contract",
            "The payee has no contract with the issuer of this coin.",
            "Pay at a shop that takes part.",
        ),
    ),
    _refused(
        2127,
        "coin.no-basis",
        Text(
            "besluit ontbreekt",
            "Het wijkfonds mag alleen betalen op grond van een besluit."
            "[ Op dit besluit kan nog {remaining_cents}.]",
            "Noem het besluit of de begrotingsregel waar de betaling op steunt.",
        ),
        Text(
            "no decision to pay from",
            "The wijk fund may pay only on the ground of a decision."
            "[ {remaining_cents} is left on this decision.]",
            "Name the decision or budget line that the payment rests on.",
        ),
    ),
    _refused(
        2128,
        "coin.expired",
        Text(
            "reservering verlopen",
            "Deze reservering is verlopen[ op {until_at}]; het geld gaat terug naar de betaler.",
            "Vraag de betaler om een nieuwe reservering.",
        ),
        Text(
            "hold expired",
            "This hold expired[ at {until_at}]; the money returns to the payer.",
            "Ask the payer for a new hold.",
        ),
    ),
    _refused(
        2129,
        "coin.link",
        Text(
            "gekoppelde reserveringen kloppen niet",
            "Deze twee reserveringen horen niet bij elkaar, of niet bij deze wissel.",
            "Boek beide reserveringen samen, met de gegevens van de wissel.",
        ),
        Text(
            "linked holds do not match",
            "These two holds do not belong together, or not to this exchange.",
            "Post both holds together, with the record of the exchange.",
        ),
    ),
    _refused(
        2130,
        "coin.done",
        Text(
            "reservering al afgehandeld",
            "Deze reservering is al betaald of teruggegeven.",
            "Bekijk de geschiedenis: wijk account history.",
        ),
        Text(
            "hold already resolved",
            "This hold was already paid or returned.",
            "See the history: wijk account history.",
        ),
    ),
    _refused(
        2131,
        "coin.batched",
        Text(
            "aanvraag zit al in een betaalbestand",
            "Een van deze aanvragen zit al in een lopend betaalbestand[: {request}].",
            "Laat die aanvraag weg, of vervang het eerdere bestand.",
        ),
        Text(
            "request is in a batch already",
            "One of these requests is in a live batch already[: {request}].",
            "Leave that request out, or replace the earlier batch.",
        ),
    ),
    _refused(
        2132,
        "coin.total",
        Text(
            "totaal klopt niet",
            "Het totaal is niet de som van de aanvragen[: {total_cents} in plaats van {expected_cents}].",
            "Maak het betaalbestand opnieuw.",
        ),
        Text(
            "total not right",
            "The total is not the sum of the requests[: {total_cents} instead of {expected_cents}].",
            "Make the payment file again.",
        ),
    ),
    _refused(
        2133,
        "coin.paid",
        Text(
            "aanvraag al uitbetaald",
            "Een van deze aanvragen is al uitbetaald[: {request}].",
            "Laat die aanvraag weg.",
        ),
        Text(
            "request already paid",
            "One of these requests was already paid out[: {request}].",
            "Leave that request out.",
        ),
    ),
    _refused(
        2134,
        "coin.not-batched",
        Text(
            "aanvraag niet in een betaalbestand",
            "Deze aanvraag staat niet in een betaalbestand[: {request}].",
            "Maak eerst een betaalbestand: wijk coin payout batch.",
        ),
        Text(
            "request not in a batch",
            "This request is not in a batch[: {request}].",
            "Make a batch first: wijk coin payout batch.",
        ),
    ),
    _refused(
        2135,
        "coin.exceeds",
        Text(
            "correctie te groot",
            "De correcties samen zijn meer dan de betaling.[ Er kan nog {remaining_cents} terug.]",
            "Kies een lager bedrag.",
        ),
        Text(
            "correction too large",
            "The corrections together exceed the payment.[ {remaining_cents} can still be returned.]",
            "Choose a lower amount.",
        ),
    ),
    _refused(
        2136,
        "coin.closed-period",
        Text(
            "maand al afgesloten",
            "De maand van deze betaling is al afgesloten.",
            "Gebruik een herziening van de cijfers.",
        ),
        Text(
            "period closed",
            "The month of this payment is closed already.",
            "Use a restatement of the figures.",
        ),
    ),
    _refused(
        2137,
        "coin.not-party",
        Text(
            "geen partij bij deze betaling",
            "Alleen wie bij deze betaling hoort, mag dit.",
            "Laat de betaler, de ontvanger of de arbiter dit doen.",
        ),
        Text(
            "not a party to this payment",
            "Only a party to this payment may do this.",
            "Have the payer, the payee or the arbiter do it.",
        ),
    ),
)

_GOVERNANCE = (
    _refused(
        2201,
        "governance.not-open",
        Text(
            "stemming niet open",
            "Stemmen kan nu niet.[ Stemmen kan van {opens_at} tot {closes_at}.]",
            "Kijk wanneer de stemming open is: wijk vote show.",
        ),
        Text(
            "vote not open",
            "Voting is not open now.[ Voting is open from {opens_at} to {closes_at}.]",
            "See when the vote is open: wijk vote show.",
        ),
    ),
    _refused(
        2202,
        "governance.not-eligible",
        Text(
            "geen stemrecht",
            "Deze rekening heeft hier geen stemrecht.",
            "Vraag de registrar van de wijk naar uw inschrijving.",
        ),
        Text(
            "not eligible",
            "This account has no vote here.",
            "Ask the registrar of the wijk about your membership.",
        ),
    ),
    _row(
        2203,
        "governance.done",
        409,
        5,
        NEVER,
        Text(
            "besluit al afgehandeld",
            "Dit is al gedaan, één keer.",
            "Bekijk het besluit: wijk vote show.",
        ),
        Text(
            "already executed", "This was already done, once.", "See the decision: wijk vote show."
        ),
    ),
    _refused(
        2204,
        "election.bad-proof",
        Text(
            "bewijs van het stembiljet klopt niet",
            "Het bewijs bij dit stembiljet klopt niet.",
            "Maak het stembiljet opnieuw.",
        ),
        Text(
            "ballot proof invalid",
            "The proof of this ballot is not valid.",
            "Make the ballot again.",
        ),
    ),
    _refused(
        2205,
        "election.phase",
        Text(
            "verkeerde fase",
            "Dit hoort niet bij de fase waarin de verkiezing nu is[: {phase}].",
            "Bekijk de agenda: wijk election show.",
        ),
        Text(
            "wrong phase",
            "This does not belong to the phase that the election is in[: {phase}].",
            "See the calendar: wijk election show.",
        ),
    ),
    _refused(
        2206,
        "election.manifest",
        Text(
            "gegevens van de verkiezing verschillen",
            "De gegevens van de verkiezing zijn anders dan die op de keten.",
            "Haal de gegevens opnieuw op en vergelijk ze.",
        ),
        Text(
            "manifest differs",
            "The manifest of the election differs from that on the chain.",
            "Fetch the manifest again and compare.",
        ),
    ),
    _refused(
        2207,
        "governance.secret",
        Text(
            "geheime stemming",
            "Deze stemming is geheim; een open stem mag hier niet.",
            "Stem met een stembiljet: wijk election cast.",
        ),
        Text(
            "secret vote",
            "This vote is secret; an open vote is not allowed here.",
            "Vote with a ballot: wijk election cast.",
        ),
    ),
    _refused(
        2208,
        "governance.window",
        Text(
            "stemperiode kan niet",
            "De stemperiode is te kort, te lang of al begonnen.",
            "Kies een andere begin- en eindtijd.",
        ),
        Text(
            "voting window not right",
            "The voting window is too short, too long or has begun already.",
            "Choose another opening and closing time.",
        ),
    ),
    _refused(
        2209,
        "governance.class",
        Text(
            "soort besluit klopt niet",
            "Dit voorstel hoort bij een andere soort besluit.",
            "Kies de soort die bij het voorstel past.",
        ),
        Text(
            "class of decision not right",
            "This proposal needs another class of decision.",
            "Choose the class that fits the proposal.",
        ),
    ),
    _refused(
        2210,
        "governance.action",
        Text(
            "actie mag niet in een voorstel",
            "Een van de acties kan niet met een stemming worden uitgevoerd.",
            "Haal die actie uit het voorstel.",
        ),
        Text(
            "action not allowed in a proposal",
            "One of the actions cannot be carried out by a vote.",
            "Take that action out of the proposal.",
        ),
    ),
    _refused(
        2211,
        "governance.own",
        Text(
            "eigen voorstel",
            "U kunt uw eigen voorstel niet steunen.",
            "Vraag iemand anders om steun.",
        ),
        Text(
            "own proposal",
            "You cannot second your own proposal.",
            "Ask somebody else to second it.",
        ),
    ),
    _refused(
        2212,
        "governance.already",
        Text("al gesteund", "U heeft dit voorstel al gesteund.", "U hoeft niets meer te doen."),
        Text(
            "seconded already",
            "You have seconded this proposal already.",
            "You need do nothing more.",
        ),
    ),
    _refused(
        2213,
        "governance.too-early",
        Text(
            "te vroeg",
            "Dit kan nog niet.[ Het kan vanaf {from_at}.]",
            "Wacht tot de termijn voorbij is.",
        ),
        Text(
            "too early",
            "This is not possible yet.[ It is possible from {from_at}.]",
            "Wait until the term has passed.",
        ),
    ),
    _refused(
        2214,
        "governance.too-late",
        Text(
            "te laat", "Dit kan niet meer.[ Het kon tot {until_at}.]", "Dien een nieuw voorstel in."
        ),
        Text(
            "too late",
            "This is no longer possible.[ It was possible until {until_at}.]",
            "Make a new proposal.",
        ),
    ),
    _refused(
        2215,
        "governance.not-passed",
        Text(
            "voorstel niet aangenomen",
            "Dit voorstel is niet aangenomen.",
            "Bekijk de uitslag: wijk vote tally.",
        ),
        Text(
            "proposal not passed",
            "This proposal has not passed.",
            "See the result: wijk vote tally.",
        ),
    ),
)

_ACCOUNTS = (
    _refused(
        2301,
        "accounts.no-proof",
        Text(
            "bewijs van de nieuwe sleutel ontbreekt",
            "De nieuwe sleutel heeft niet zelf getekend, of een sleutel deugt niet.",
            "Laat de nieuwe sleutel tekenen en probeer het opnieuw.",
        ),
        Text(
            "proof of the new key missing",
            "The new key did not sign itself, or a key is not valid.",
            "Have the new key sign and try again.",
        ),
    ),
    _refused(
        2302,
        "accounts.last-key",
        Text(
            "laatste sleutel",
            "De laatste sleutel van een rekening kan niet weg.",
            "Voeg eerst een andere sleutel toe.",
        ),
        Text("last key", "The last key of an account cannot be removed.", "Add another key first."),
    ),
    _refused(
        2303,
        "accounts.threshold",
        Text(
            "aantal handtekeningen kan niet",
            "Het gevraagde aantal handtekeningen past niet bij het aantal sleutels.",
            "Kies een getal van 1 tot en met het aantal sleutels.",
        ),
        Text(
            "threshold not possible",
            "The number of signatures asked does not fit the number of keys.",
            "Choose a number from 1 to the number of keys.",
        ),
    ),
    _refused(
        2304,
        "accounts.same-holder",
        Text(
            "sleutels van dezelfde persoon",
            "Deze rekening moet sleutels van minstens twee verschillende mensen hebben.",
            "Gebruik ook een sleutel van iemand anders.",
        ),
        Text(
            "keys of the same person",
            "This account must have keys of at least two different people.",
            "Use a key of somebody else as well.",
        ),
    ),
    _refused(
        2305,
        "accounts.board-account",
        Text(
            "rekening van het bestuur",
            "Op de rekening van het bestuur mag een bestuurslid alleen de eigen sleutel vervangen.",
            "Vervang alleen uw eigen sleutel.",
        ),
        Text(
            "board account",
            "On the board account a seat may only replace its own key.",
            "Replace only your own key.",
        ),
    ),
    _refused(
        2306,
        "accounts.not-shared",
        Text(
            "geen gedeelde rekening",
            "Deze rekening heeft maar één handtekening nodig; een voorstel is niet nodig.",
            "Verstuur de opdracht gewoon zelf.",
        ),
        Text(
            "not a shared account",
            "This account needs only one signature; a proposal is not needed.",
            "Send the order yourself.",
        ),
    ),
    _refused(
        2307,
        "accounts.nested",
        Text(
            "voorstel in een voorstel",
            "Een voorstel kan geen ander voorstel of akkoord bevatten.",
            "Stel de opdracht zelf voor.",
        ),
        Text(
            "proposal inside a proposal",
            "A proposal cannot hold another proposal or approval.",
            "Propose the order itself.",
        ),
    ),
    _refused(
        2308,
        "accounts.too-long",
        Text(
            "termijn te lang",
            "Een voorstel mag hoogstens 30 dagen openstaan.",
            "Kies een eerdere einddatum.",
        ),
        Text(
            "term too long",
            "A proposal may stay open for at most 30 days.",
            "Choose an earlier expiry.",
        ),
    ),
    _refused(
        2309,
        "accounts.done",
        Text(
            "voorstel al afgehandeld",
            "Dit voorstel is al uitgevoerd of ingetrokken.",
            "Maak zo nodig een nieuw voorstel.",
        ),
        Text(
            "proposal closed already",
            "This proposal was already carried out or withdrawn.",
            "Make a new proposal if needed.",
        ),
    ),
    _refused(
        2310,
        "accounts.expired",
        Text(
            "voorstel verlopen",
            "Dit voorstel is verlopen[ op {until_at}].",
            "Maak een nieuw voorstel.",
        ),
        Text("proposal expired", "This proposal expired[ at {until_at}].", "Make a new proposal."),
    ),
    _refused(
        2311,
        "accounts.already-approved",
        Text(
            "al akkoord",
            "U bent al akkoord gegaan met dit voorstel.",
            "Vraag de anderen om te tekenen.",
        ),
        Text(
            "approved already",
            "You have approved this proposal already.",
            "Ask the others to sign.",
        ),
    ),
    _refused(
        2312,
        "accounts.revoked-key",
        Text(
            "sleutel ingetrokken",
            "Deze sleutel is ingetrokken.",
            "Gebruik een sleutel die nog geldt.",
        ),
        Text("key revoked", "This key was revoked.", "Use a key that is still valid."),
    ),
    _refused(
        2313,
        "accounts.not-party",
        Text(
            "niet uw voorstel",
            "Alleen wie dit begon of er een geldige sleutel voor heeft, kan het intrekken.",
            "Vraag de indiener.",
        ),
        Text(
            "not your proposal",
            "Only who began this, or holds a current key for it, can withdraw it.",
            "Ask the proposer.",
        ),
    ),
    _refused(
        2321,
        "members.exists",
        Text(
            "al ingeschreven",
            "Deze sleutel heeft al een rekening.",
            "Bekijk de rekening: wijk query account.",
        ),
        Text(
            "registered already",
            "This key has an account already.",
            "See the account: wijk query account.",
        ),
    ),
    _refused(
        2322,
        "members.bad-area",
        Text(
            "gebied klopt niet",
            "Deze buurtcode hoort niet bij de wijk[: {area}].",
            "Gebruik een buurtcode van de wijk en het juiste jaar.",
        ),
        Text(
            "area not right",
            "This area code does not belong to the wijk[: {area}].",
            "Use an area code of the wijk and the right year.",
        ),
    ),
    _refused(
        2323,
        "members.small-area",
        Text(
            "gebied te klein",
            "In dit gebied wonen te weinig mensen om de privacy te bewaken.",
            "Gebruik de code van een groter gebied.",
        ),
        Text(
            "area too small",
            "Too few people live in this area to guard their privacy.",
            "Use the code of a larger area.",
        ),
    ),
    _refused(
        2324,
        "members.flags",
        Text(
            "rechten passen niet",
            "Alleen een persoon kan stemrecht hebben.",
            "Laat het stemrecht weg, of kies de soort persoon.",
        ),
        Text(
            "flags do not fit",
            "Only a person can have a vote.",
            "Leave the vote out, or choose the kind person.",
        ),
    ),
    _refused(
        2325,
        "members.unsorted",
        Text(
            "lijst niet op volgorde",
            "De lijst staat niet op volgorde, of een sleutel staat er twee keer in.",
            "Sorteer de lijst en haal dubbele regels weg.",
        ),
        Text(
            "list not sorted",
            "The list is not sorted, or holds a key twice.",
            "Sort the list and remove what stands in it twice.",
        ),
    ),
    _refused(
        2326,
        "members.mode",
        Text(
            "grens te hoog",
            "Deze grens is hoger dan de uitgever toestaat.[ Hoogstens {cap_cents}.]",
            "Kies een lagere grens.",
        ),
        Text(
            "limit too high",
            "This limit is above what the issuer allows.[ At most {cap_cents}.]",
            "Choose a lower limit.",
        ),
    ),
    _refused(
        2327,
        "members.bad-code",
        Text(
            "code onbekend",
            "Deze code is ongeldig[: {code}].",
            "Controleer de code van het gebied, de branche of het product.",
        ),
        Text(
            "code unknown",
            "This code is not valid[: {code}].",
            "Check the code of the area, the trade or the product.",
        ),
    ),
)

_WIJK = (
    _refused(
        2341,
        "wijk.exists",
        Text(
            "wijk bestaat al",
            "Er is al een wijk met deze naam of sleutel[: {wijk}].",
            "Kies een andere naam of sleutel.",
        ),
        Text(
            "wijk exists",
            "There is a wijk with this name or key already[: {wijk}].",
            "Choose another name or key.",
        ),
    ),
    _refused(
        2342,
        "wijk.bad-code",
        Text(
            "wijkcode ongeldig",
            "Deze naam of wijkcode is ongeldig[: {code}].",
            "Gebruik de code van het CBS en kleine letters voor de naam.",
        ),
        Text(
            "code of the wijk not valid",
            "This name or wijk code is not valid[: {code}].",
            "Use the CBS code, and small letters for the name.",
        ),
    ),
    _refused(
        2343,
        "wijk.bad-currency",
        Text(
            "valuta ongeldig",
            "Deze valuta kan niet[: {currency}].",
            "Gebruik een code van drie letters, zoals EUR.",
        ),
        Text(
            "currency not valid",
            "This currency cannot be used[: {currency}].",
            "Use a code of three letters, such as EUR.",
        ),
    ),
    _refused(
        2344,
        "wijk.no-proof",
        Text(
            "bewijs van de sleutel ontbreekt",
            "De sleutel heeft niet zelf getekend, of deugt niet.",
            "Maak het bewijs opnieuw met de sleutel van de node.",
        ),
        Text(
            "proof of the key missing",
            "The key did not sign itself, or is not valid.",
            "Make the proof again with the key of the node.",
        ),
    ),
    _refused(
        2345,
        "wijk.unknown",
        Text(
            "wijk of instelling onbekend",
            "Deze wijk of instelling bestaat niet[: {name}].",
            "Bekijk de lijst: wijk query params.",
        ),
        Text(
            "wijk or parameter unknown",
            "This wijk or parameter does not exist[: {name}].",
            "See the list: wijk query params.",
        ),
    ),
    _refused(
        2346,
        "wijk.bounds",
        Text(
            "waarde buiten de grenzen",
            "Deze waarde ligt buiten de grenzen[: {name}][ (van {low} tot en met {high})].",
            "Kies een waarde binnen de grenzen.",
        ),
        Text(
            "value out of bounds",
            "This value is out of bounds[: {name}][ (from {low} to {high})].",
            "Choose a value within the bounds.",
        ),
    ),
    _refused(
        2347,
        "wijk.too-soon",
        Text(
            "ingangsdatum te vroeg",
            "Deze wijziging kan niet zo snel ingaan.[ Het kan vanaf tijdvak {from_epoch}.]",
            "Kies een later tijdvak.",
        ),
        Text(
            "takes effect too soon",
            "This change cannot take effect so soon.[ It can from epoch {from_epoch}.]",
            "Choose a later epoch.",
        ),
    ),
    _refused(
        2348,
        "wijk.no-decision",
        Text(
            "besluit ontbreekt",
            "Dit kan alleen op grond van een aangenomen besluit.",
            "Dien eerst een voorstel in: wijk vote propose.",
        ),
        Text(
            "no decision",
            "This is possible only on the ground of a decision that passed.",
            "Make a proposal first: wijk vote propose.",
        ),
    ),
    _refused(
        2349,
        "wijk.holders",
        Text(
            "twee verschillende mensen nodig",
            "Voor deze rol zijn minstens twee verschillende mensen nodig.",
            "Kies sleutels van verschillende mensen.",
        ),
        Text(
            "two different people needed",
            "This role needs at least two different people.",
            "Choose keys of different people.",
        ),
    ),
    _refused(
        2350,
        "wijk.set-change",
        Text(
            "te veel wisselingen tegelijk",
            "Er kan in dit tijdvak niet nog een node bij of af.",
            "Wacht op het volgende tijdvak.",
        ),
        Text(
            "too many changes at once",
            "No further node can join or leave in this epoch.",
            "Wait for the next epoch.",
        ),
    ),
    _refused(
        2351,
        "wijk.expired",
        Text(
            "termijn voorbij",
            "De termijn is voorbij[: {until_at}].",
            "Begin opnieuw met een latere einddatum.",
        ),
        Text(
            "term has passed", "The term has passed[: {until_at}].", "Begin again with a later end."
        ),
    ),
    _refused(
        2352,
        "wijk.nested",
        Text(
            "voorstel in een voorstel",
            "Een voorstel aan de federatie kan geen ander voorstel bevatten.",
            "Stel de maatregel zelf voor.",
        ),
        Text(
            "proposal inside a proposal",
            "A proposal to the federation cannot hold another proposal.",
            "Propose the measure itself.",
        ),
    ),
    _refused(
        2353,
        "wijk.not-federal",
        Text(
            "geen zaak van de federatie",
            "Hierover beslist de federatie niet.",
            "Leg het voor aan de eigen wijk: wijk vote propose.",
        ),
        Text(
            "not a federal matter",
            "The federation does not decide this.",
            "Put it to your own wijk: wijk vote propose.",
        ),
    ),
    _refused(
        2354,
        "wijk.done",
        Text("al afgehandeld", "Dit is al besloten of uitgevoerd.", "U hoeft niets meer te doen."),
        Text(
            "done already", "This was already decided or carried out.", "You need do nothing more."
        ),
    ),
    _refused(
        2355,
        "wijk.already-voted",
        Text(
            "wijk heeft al gestemd",
            "Uw wijk heeft hierover al gestemd.",
            "Wacht op de andere wijken.",
        ),
        Text(
            "wijk voted already",
            "Your wijk has voted on this already.",
            "Wait for the other wijken.",
        ),
    ),
    _refused(
        2356,
        "wijk.not-recent",
        Text(
            "blok te oud",
            "Het genoemde blok is te oud of onbekend; de node loopt nog achter.",
            "Wacht tot de node bij is en meld opnieuw.",
        ),
        Text(
            "block not recent",
            "The block named is too old or unknown; the node is still behind.",
            "Wait until the node has caught up and report again.",
        ),
    ),
)

_POLICY = (
    _refused(
        2107,
        "policy.clause",
        Text(
            "regel van het potje",
            "De regels van dit potje staan deze betaling niet toe[ ({clause})].[ Er kan nog {remaining_cents}.]",
            "Bekijk de regel: wijk policy explain.",
        ),
        Text(
            "rule of the earmarked money",
            "The rules of this earmarked money do not allow this payment[ ({clause})].[ {remaining_cents} is left.]",
            "See the rule: wijk policy explain.",
        ),
    ),
    _refused(
        2401,
        "policy.law",
        Text(
            "regel mag niet van de wet",
            "Een regel mag nooit eigen munten laten vervallen, krimpen of beperken.",
            "Zet de regel op het geld van de gever.",
        ),
        Text(
            "rule against the law",
            "A rule may never let people's own coin lapse, shrink or be restricted.",
            "Put the rule on the funder's money.",
        ),
    ),
    _refused(
        2402,
        "policy.params",
        Text(
            "gegevens van de regel kloppen niet",
            "De gegevens van deze regel kloppen niet[: {clause}].",
            "Controleer de waarden van de regel.",
        ),
        Text(
            "values of the rule not right",
            "The values of this rule are not right[: {clause}].",
            "Check the values of the rule.",
        ),
    ),
    _refused(
        2403,
        "policy.version",
        Text(
            "versie van de regel onbekend",
            "Deze versie van de regel bestaat niet.",
            "Gebruik een versie die nu geldt.",
        ),
        Text(
            "version of the rule unknown",
            "This version of the rule does not exist.",
            "Use a version that is in force.",
        ),
    ),
    _refused(
        2404,
        "policy.done",
        Text(
            "al afgehandeld",
            "Dit is al gedaan of afgesloten.",
            "Bekijk het potje: wijk policy show.",
        ),
        Text(
            "done already", "This was already done or closed.", "See the policy: wijk policy show."
        ),
    ),
    _refused(
        2405,
        "policy.mandate",
        Text(
            "bestuur zonder mandaat",
            "Het bestuur heeft nu geen geldig mandaat voor dit besluit.",
            "Wacht op het nieuwe bestuur, of leg het voor aan de leden.",
        ),
        Text(
            "board without a mandate",
            "The board has no valid mandate for this decision now.",
            "Wait for the new board, or put it to the members.",
        ),
    ),
    _refused(
        2406,
        "policy.not-active",
        Text(
            "potje niet actief",
            "Dit potje is niet actief.",
            "Vraag het bestuur of het potje open is.",
        ),
        Text(
            "policy not active", "This policy is not active.", "Ask the board whether it is open."
        ),
    ),
    _refused(
        2407,
        "policy.denom",
        Text(
            "andere munt",
            "Dit potje is in een andere munt[: {denom}].",
            "Gebruik de munt van het potje.",
        ),
        Text(
            "other coin",
            "This policy is in another coin[: {denom}].",
            "Use the coin of the policy.",
        ),
    ),
    _refused(
        2408,
        "policy.amount",
        Text(
            "bedrag past niet",
            "Dit bedrag past niet bij het potje[: {amount_cents}].",
            "Kies een ander bedrag.",
        ),
        Text(
            "amount does not fit",
            "This amount does not fit the policy[: {amount_cents}].",
            "Choose another amount.",
        ),
    ),
    _refused(
        2409,
        "policy.not-verified",
        Text(
            "nog niet vastgesteld",
            "Deze stap is nog niet gemeten of bevestigd.",
            "Laat de stap eerst vaststellen.",
        ),
        Text(
            "not verified yet",
            "This step was not measured or confirmed yet.",
            "Have the step verified first.",
        ),
    ),
    _refused(
        2410,
        "policy.own-case",
        Text(
            "eigen zaak",
            "Niemand beslist over een zaak van zichzelf.",
            "Laat iemand anders beslissen.",
        ),
        Text("own case", "Nobody decides on a case of their own.", "Have somebody else decide."),
    ),
    _refused(
        2106,
        "trade.cap",
        Text(
            "grens tussen de wijken bereikt",
            "De andere wijk neemt nu niet zoveel aan.[ {wijk} kan nu nog {remaining_cents} aannemen.]",
            "Betaal minder, of na de volgende verrekening[ ({clearing_at})].",
        ),
        Text(
            "cross-wijk cap reached",
            "The other wijk does not accept that much now.[ {wijk} can accept {remaining_cents} now.]",
            "Pay less, or after the next clearing[ ({clearing_at})].",
        ),
    ),
    _refused(
        2501,
        "trade.no-pact",
        Text(
            "geen afspraak tussen de wijken",
            "Er is geen afspraak met deze wijk[: {wijk}].",
            "Vraag het bestuur om een afspraak: wijk trade propose.",
        ),
        Text(
            "no pact between the wijken",
            "There is no pact with this wijk[: {wijk}].",
            "Ask the board for a pact: wijk trade propose.",
        ),
    ),
    _refused(
        2502,
        "trade.suspended",
        Text(
            "handel stilgezet",
            "De handel met deze wijk is stilgezet[: {wijk}].",
            "Wacht tot de verrekening is betaald.",
        ),
        Text(
            "trade suspended",
            "Trade with this wijk is suspended[: {wijk}].",
            "Wait until the clearing has been paid.",
        ),
    ),
    _refused(
        2503,
        "trade.scope",
        Text(
            "valt buiten de afspraak",
            "Deze soort aankoop valt buiten de afspraak tussen de wijken.",
            "Betaal dit op een andere manier.",
        ),
        Text(
            "outside the pact",
            "This kind of purchase is outside the pact between the wijken.",
            "Pay for this in another way.",
        ),
    ),
    _refused(
        2701,
        "registry.no-decision",
        Text(
            "besluit ontbreekt",
            "Deze regel in het register steunt niet op een besluit.",
            "Noem het besluit, of dien eerst een voorstel in.",
        ),
        Text(
            "no decision",
            "This entry of the register rests on no decision.",
            "Name the decision, or make a proposal first.",
        ),
    ),
    _refused(
        2702,
        "registry.back-dated",
        Text(
            "ingangsdatum in het verleden",
            "Een nieuwe versie kan niet in het verleden ingaan.",
            "Kies vandaag of later.",
        ),
        Text("back-dated", "A new version cannot begin in the past.", "Choose today or later."),
    ),
    _refused(
        2703,
        "registry.schema",
        Text(
            "gegevens onvolledig",
            "De gegevens voor het register kloppen niet.",
            "Vul alle velden goed in.",
        ),
        Text(
            "record incomplete",
            "The data for the register are not right.",
            "Fill in all fields properly.",
        ),
    ),
    _refused(
        2704,
        "registry.no-additionality",
        Text(
            "verklaring ontbreekt",
            "Bij een taak ontbreekt de verklaring dat zij geen betaald werk vervangt.",
            "Voeg de verklaring toe.",
        ),
        Text(
            "declaration missing",
            "A task lacks the declaration that it replaces no paid work.",
            "Add the declaration.",
        ),
    ),
    _refused(
        2705,
        "registry.mandate",
        Text(
            "valt buiten het mandaat",
            "Dit valt buiten het mandaat van de gemeente of het bestuur.",
            "Blijf binnen het mandaat, of vraag een ruimer mandaat.",
        ),
        Text(
            "outside the mandate",
            "This is outside the mandate of the municipality or the board.",
            "Stay within the mandate, or ask for a wider one.",
        ),
    ),
    _refused(
        2751,
        "stats.too-early",
        Text(
            "periode nog niet voorbij",
            "De cijfers van deze maand kunnen nog niet worden afgesloten.[ Het kan vanaf {from_at}.]",
            "Wacht tot de maand voorbij is.",
        ),
        Text(
            "period not over",
            "The figures of this month cannot be closed yet.[ They can from {from_at}.]",
            "Wait until the month is over.",
        ),
    ),
    _refused(
        2752,
        "stats.done",
        Text(
            "periode al afgesloten",
            "De cijfers van deze maand zijn al afgesloten.",
            "Gebruik een herziening.",
        ),
        Text(
            "period closed already",
            "The figures of this month were closed already.",
            "Use a restatement.",
        ),
    ),
)

_NODE = (
    _row(
        3001,
        "",
        0,
        4,
        SAME_BYTES,
        Text(
            "node niet bereikbaar",
            "De node geeft geen antwoord[: {node}].",
            "Controleer de verbinding en het adres (--node), of probeer een andere node.",
        ),
        Text(
            "node unreachable",
            "The node does not answer[: {node}].",
            "Check the connection and the address (--node), or try another node.",
        ),
    ),
    _row(
        3002,
        "",
        0,
        4,
        NEVER,
        Text(
            "beveiligde verbinding mislukt",
            "De beveiligde verbinding met de node lukt niet[: {node}].",
            "Controleer het adres en de klok van uw apparaat.",
        ),
        Text(
            "TLS failed",
            "The secure connection to the node failed[: {node}].",
            "Check the address and the clock of your device.",
        ),
    ),
    _row(
        3003,
        "",
        0,
        7,
        SAME_BYTES,
        Text(
            "verstuurd, uitkomst onbekend",
            "De opdracht is verstuurd, maar er kwam geen antwoord. De uitkomst is onbekend.",
            "Betaal niet opnieuw. Vraag de uitkomst op: wijk tx wait[ {tx}].",
        ),
        Text(
            "sent, outcome unknown",
            "The order was sent, but no answer came. The outcome is unknown.",
            "Do not pay again. Ask for the outcome: wijk tx wait[ {tx}].",
        ),
    ),
    _row(
        3004,
        "",
        429,
        4,
        AFTER,
        Text(
            "te veel verzoeken",
            "U vraagt te snel achter elkaar.",
            "Wacht even.[ Het kan weer over {retry_after_s} s.]",
        ),
        Text(
            "rate limit",
            "You ask too often.",
            "Wait a little.[ Possible again in {retry_after_s} s.]",
        ),
    ),
    _row(
        3005,
        "",
        401,
        3,
        NEVER,
        Text(
            "handtekening nodig",
            "Deze gegevens zijn alleen voor wie ze aangaan; teken het verzoek.",
            "Kies uw sleutel en vraag het opnieuw.",
        ),
        Text(
            "signature required",
            "These data are only for those concerned; sign the request.",
            "Choose your key and ask again.",
        ),
    ),
    _row(
        3006,
        "",
        403,
        3,
        NEVER,
        Text(
            "geen inzage",
            "Deze rekening mag deze gegevens niet inzien.",
            "Vraag de eigenaar of een accountant.",
        ),
        Text(
            "not allowed to read",
            "This account may not read these data.",
            "Ask the owner or an auditor.",
        ),
    ),
    _row(
        3007,
        "",
        404,
        12,
        NEVER,
        Text(
            "niet gevonden",
            "Dit bestaat niet[: {what}].[ Het oudste blok hier is {first_height}.]",
            "Controleer het nummer of de naam.",
        ),
        Text(
            "not found",
            "This does not exist[: {what}].[ The oldest block here is {first_height}.]",
            "Check the number or the name.",
        ),
    ),
    _row(
        3008,
        "",
        405,
        2,
        NEVER,
        Text(
            "methode niet toegestaan",
            "Dit adres kent die methode niet[: {method}].",
            "Bekijk de beschrijving: /openapi.yaml.",
        ),
        Text(
            "method not allowed",
            "This address does not know that method[: {method}].",
            "See the description: /openapi.yaml.",
        ),
    ),
    _row(
        3009,
        "",
        400,
        2,
        NEVER,
        Text(
            "parameter ongeldig",
            "Een parameter van het verzoek klopt niet[: {name}].",
            "Begin opnieuw bij de eerste bladzijde, of verbeter de parameter.",
        ),
        Text(
            "parameter invalid",
            "A parameter of the request is not right[: {name}].",
            "Start again at the first page, or correct the parameter.",
        ),
    ),
    _row(
        3010,
        "",
        413,
        5,
        NEVER,
        Text(
            "bericht te groot",
            "Het bericht is te groot.[ Hoogstens {limit_bytes} bytes.]",
            "Maak het bericht kleiner of splits het.",
        ),
        Text(
            "body too large",
            "The message is too large.[ At most {limit_bytes} bytes.]",
            "Make the message smaller or split it.",
        ),
    ),
    _row(
        3011,
        "",
        408,
        4,
        SAME_BYTES,
        Text(
            "bericht kwam te langzaam",
            "Het bericht kwam te langzaam binnen.",
            "Probeer het opnieuw met een betere verbinding.",
        ),
        Text(
            "body too slow",
            "The message came in too slowly.",
            "Try again with a better connection.",
        ),
    ),
    _row(
        4001,
        "",
        503,
        4,
        AFTER,
        Text(
            "te weinig wijken online",
            "Er zijn te weinig nodes online om iets definitief te maken.[ Weg: {missing}.]",
            "Probeer het later opnieuw.[ Over {retry_after_s} s.]",
        ),
        Text(
            "no quorum",
            "Too few nodes are online to make anything final.[ Missing: {missing}.]",
            "Try again later.[ In {retry_after_s} s.]",
        ),
    ),
    _row(
        4002,
        "",
        503,
        4,
        AFTER,
        Text(
            "node loopt achter",
            "Deze node loopt achter[: nog {behind_blocks} blokken].",
            "Wacht even, of gebruik een andere node.[ Probeer opnieuw over {retry_after_s} s.]",
        ),
        Text(
            "node not in sync",
            "This node is behind[: {behind_blocks} blocks to go].",
            "Wait a little, or use another node.[ Try again in {retry_after_s} s.]",
        ),
    ),
    _row(
        4003,
        "",
        429,
        4,
        AFTER,
        Text(
            "wachtrij vol",
            "De wachtrij van de node is vol.",
            "Probeer het straks opnieuw.[ Over {retry_after_s} s.]",
        ),
        Text(
            "mempool full",
            "The queue of the node is full.",
            "Try again shortly.[ In {retry_after_s} s.]",
        ),
    ),
    _row(
        4004,
        "",
        503,
        4,
        AFTER,
        Text(
            "node stopt",
            "Deze node is aan het stoppen.",
            "Gebruik een andere node, of wacht.[ Probeer opnieuw over {retry_after_s} s.]",
        ),
        Text(
            "node is halting",
            "This node is stopping.",
            "Use another node, or wait.[ Try again in {retry_after_s} s.]",
        ),
    ),
    _row(
        4005,
        "",
        503,
        70,
        NEVER,
        Text(
            "node te oud",
            "De software van deze node is te oud voor de nieuwe regels[ vanaf blok {height}].",
            "Werk de node bij: wijk upgrade status.",
        ),
        Text(
            "node too old for the upgrade",
            "The software of this node is too old for the new rules[ from block {height}].",
            "Update the node: wijk upgrade status.",
        ),
    ),
    _row(
        5001,
        "",
        0,
        8,
        NEVER,
        Text(
            "bewijs klopt niet",
            "Het bewijs klopt niet[: {cause}].",
            "Vertrouw dit niet. Haal het bewijs opnieuw op, bij een andere node.",
        ),
        Text(
            "proof wrong",
            "The proof is not right[: {cause}].",
            "Do not trust it. Fetch the proof again, from another node.",
        ),
    ),
    _row(
        5002,
        "",
        0,
        8,
        NEVER,
        Text(
            "te weinig handtekeningen van nodes",
            "Het bewijs heeft te weinig geldige handtekeningen[: {have} van {need}].",
            "Vertrouw dit niet. Controleer ook uw lijst van nodes (policy.json).",
        ),
        Text(
            "too few signatures",
            "The proof has too few valid signatures[: {have} of {need}].",
            "Do not trust it. Check your list of nodes too (policy.json).",
        ),
    ),
    _row(
        5003,
        "",
        0,
        8,
        NEVER,
        Text(
            "nodes spreken elkaar tegen",
            "Twee bewijzen spreken elkaar tegen[ bij blok {height}].",
            "Bewaar beide bestanden en waarschuw het bestuur en de accountant.",
        ),
        Text(
            "roots conflict",
            "Two proofs contradict each other[ at block {height}].",
            "Keep both files and warn the board and the auditor.",
        ),
    ),
    _row(
        5004,
        "",
        0,
        8,
        NEVER,
        Text(
            "regel van de boeken geschonden",
            "De boeken van de keten kloppen niet[: {invariant}].",
            "Waarschuw het bestuur en de accountant. Betaal niet tot dit is uitgezocht.",
        ),
        Text(
            "invariant broken",
            "The books of the chain are not right[: {invariant}].",
            "Warn the board and the auditor. Do not pay until this is resolved.",
        ),
    ),
    _row(
        5005,
        "",
        0,
        8,
        NEVER,
        Text(
            "boeken en bank verschillen",
            "De boeken en de bank verschillen[: {difference_cents}].",
            "Zoek de bankregels op die nog openstaan: wijk audit reconcile.",
        ),
        Text(
            "books differ from bank",
            "The books and the bank differ[: {difference_cents}].",
            "Look up the bank entries that are still open: wijk audit reconcile.",
        ),
    ),
    _row(
        9001,
        "",
        500,
        1,
        SAME_BYTES,
        Text(
            "onverwachte fout",
            "Er ging iets mis in het programma zelf.[ Meld nummer {log_id}.]",
            "Meld deze fout en stuur het verslag mee: wijk node bundle.",
        ),
        Text(
            "internal error",
            "Something went wrong in the program itself.[ Report number {log_id}.]",
            "Report this error with the file of: wijk node bundle.",
        ),
    ),
)

ROWS = (*_CLIENT, *_TX, *_COIN, *_GOVERNANCE, *_ACCOUNTS, *_WIJK, *_POLICY, *_NODE)

# Short causes that go into a sentence as `{cause}`, and roles as `{role}`: word -> (nl, en).
WORDS = {
    "checksum": ("een letter is verkeerd getypt", "a letter was mistyped"),
    "unknown": ("onbekend", "unknown"),
    "ambiguous": ("er zijn er meer met deze naam", "more than one has this name"),
    "exists": ("deze naam is al in gebruik", "this name is in use already"),
    "name": ("deze naam kan niet", "this name cannot be used"),
    "link": ("de betaallink is onleesbaar", "the payment link is unreadable"),
    "link-long": (
        "de betaallink wordt te lang; maak de omschrijving korter",
        "the payment link gets too long; shorten the memo",
    ),
    "memo-long": ("de omschrijving is te lang", "the memo is too long"),
    "duration": (
        "een tijdsduur is bijvoorbeeld 500ms, 30s, 10m of 7d",
        "a duration is for example 500ms, 30s, 10m or 7d",
    ),
    "no-answer": (
        "er ontbreekt een antwoord en vragen kan hier niet",
        "an answer is missing and asking is not possible here",
    ),
    "mode": ("anderen kunnen het lezen of schrijven", "others can read or write it"),
    "owner": ("het is van een andere gebruiker", "it belongs to another user"),
    "not-a-file": ("het is geen gewoon bestand", "it is not a plain file"),
    "too-large": ("het is te groot", "it is too large"),
    "unreadable": ("het is niet te lezen", "it cannot be read"),
    "format": ("de inhoud klopt niet", "its content is not right"),
    "version": ("dit formaat is onbekend", "this format is unknown"),
    "weak": (
        "de beveiliging is te zwak of te zwaar ingesteld",
        "its protection is set too weak or too heavy",
    ),
    "test-only": ("deze sleutel is alleen om te testen", "this key is for tests only"),
    "memory": ("er is te weinig geheugen vrij", "too little memory is free"),
    "words": ("deze woorden kloppen niet", "these words are not right"),
    "other-key": ("deze woorden horen bij een andere sleutel", "these words belong to another key"),
    "slot": ("dit bestand heeft geen wachtzin", "this file has no passphrase"),
    "empty": ("een lege wachtzin kan niet", "an empty passphrase cannot be used"),
    "draft": ("het concept klopt niet", "the draft is not right"),
    "drafts-differ": (
        "dit zijn concepten van verschillende opdrachten",
        "these are drafts of different orders",
    ),
    "draft-signed-twice": (
        "dezelfde sleutel tekende tweemaal verschillend",
        "the same key signed twice in different ways",
    ),
    "draft-full": ("er zijn al genoeg handtekeningen", "there are enough signatures already"),
    "holder": ("de houder", "the holder"),
    "board": ("het bestuur", "the board"),
    "board23": ("twee derde van het bestuur", "two thirds of the board"),
    "treasury": ("de penningmeesters", "the treasury"),
    "registry": ("de registrar", "the registrar"),
    "effect": ("een aangenomen besluit", "a decision that passed"),
    "fed": ("de federatie", "the federation"),
}
# fmt: on
