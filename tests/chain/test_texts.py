"""Texts for people: complete, equal in both languages, never broken (economy A12)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.clause_rows import CLAUSES, KINDS
from chain.errors import Code
from chain.money_text import Lang, money
from chain.text_rows import ROWS, WORDS
from chain.texts import (
    Problem,
    code_text,
    exit_code,
    explain,
    http_status,
    message,
    number_of,
    numbers,
    parse_code,
    placeholders,
    problem,
    remedy,
    retry_word,
    text_error,
    title,
)

LANGS = ("nl", "en")
# interfaces 1.5, the codes that never are an outcome: (number, HTTP, exit).
CLIENT_AND_NODE = [
    (1001, 0, 2), (1002, 0, 3), (1003, 0, 3), (1004, 0, 3), (1005, 0, 2), (1006, 0, 2),
    (1007, 0, 3), (1010, 0, 3), (3001, 0, 4), (3002, 0, 4), (3003, 0, 7), (3004, 429, 4),
    (3005, 401, 3), (3006, 403, 3), (3007, 404, 12), (3008, 405, 2), (3009, 400, 2),
    (3010, 413, 5), (3011, 408, 4), (4001, 503, 4), (4002, 503, 4), (4003, 429, 4),
    (4004, 503, 4), (4005, 503, 70), (5001, 0, 8), (5002, 0, 8), (5003, 0, 8), (5004, 0, 8),
    (5005, 0, 8), (9001, 500, 1),
]  # fmt: skip
# The refusals of interfaces 1.5 whose status is not the usual 422.
REFUSALS = {
    2001: 400, 2002: 403, 2004: 410, 2006: 409, 2007: 429, 2110: 409, 2112: 403, 2203: 409,
}  # fmt: skip


def test_every_code_of_the_chain_has_a_row_with_its_reason() -> None:
    rows = {row.number: row for row in ROWS}
    assert len(rows) == len(ROWS)
    for code in Code:
        assert rows[code.number].reason == code.reason
        assert number_of(code.reason) == code.number


def refusals_in(source: str) -> Iterator[tuple[Code, set[str]]]:
    """Yield the code and the names of the values of every `Reject` and `require` in a module."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Reject", "require")
        ):
            for given_code in node.args:
                if isinstance(given_code, ast.Attribute) and given_code.attr in Code.__members__:
                    yield Code[given_code.attr], {str(word.arg) for word in node.keywords}


def test_every_value_that_a_refusal_carries_can_be_shown() -> None:
    """Otherwise a contract and its sentence use two names for one number, and nobody sees it."""
    checkout = Path(__file__).parent.parent.parent
    unknown = {
        (path.name, code.reason, name)
        for package in ("chain", "contracts")
        for path in (checkout / package).rglob("*.py")
        for code, names in refusals_in(path.read_text("utf-8"))
        for name in names - placeholders(code.number, "nl")
    }
    assert unknown == set(), "add the name to the sentence in chain/text_rows.py, or use its name"


def denials() -> Iterator[tuple[str, set[str]]]:
    """Yield the clause and the names of the values of every `deny` of the policy scripts."""
    for path in (Path(__file__).parents[2] / "contracts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "deny" and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), {str(word.arg) for word in node.keywords}


def test_every_clause_has_a_sentence_that_shows_its_values_p0() -> None:
    """economy P0: a refusal names the clause and the number."""
    for clause, names in denials():
        for sentence in CLAUSES[clause]:
            assert names <= set(re.findall(r"\{([a-z_]+)\}", sentence)), clause


@pytest.mark.parametrize("clause", sorted(CLAUSES))
def test_sentences_of_clauses_read_well_without_values(clause: str) -> None:
    for lang, sentence in zip(LANGS, CLAUSES[clause], strict=True):
        assert "{" not in re.sub(r"\[[^\[\]]*\]", "", sentence)
        assert message(2107, {"clause": clause}, lang).endswith(".")


def test_a_clause_says_its_number_and_has_the_reason_of_its_name_p0() -> None:
    params = {"clause": "cap", "period": "day", "remaining_cents": 1_240}

    assert message(2107, params, "nl") == (
        "Dit is meer dan dit potje nu mag betalen. Nog € 12,40 vandaag."
    )
    assert (
        message(2107, params, "en")
        == "This is more than this money may pay now. €12.40 left today."
    )
    told = problem(2107, params, "en")
    assert told["params"] == {"reason": "policy.cap", **params}


def test_kinds_are_told_in_words_s13() -> None:
    params = {"clause": "category", "kinds": "C01, NG"}

    assert message(2107, params, "nl").endswith("Alleen voor: eten en drinken, winkels en handel.")
    assert len(KINDS) == 15 + 22


@pytest.mark.parametrize(("number", "http", "exits"), CLIENT_AND_NODE)
def test_status_and_exit_are_those_of_interfaces_1_5(number: int, http: int, exits: int) -> None:
    assert (http_status(number), exit_code(number)) == (http, exits)


def test_every_other_code_is_a_refusal_with_exit_5_or_6() -> None:
    refusals = set(numbers()) - {number for number, _, _ in CLIENT_AND_NODE}
    assert all(2001 <= number < 3000 for number in refusals)
    for number in refusals:
        assert http_status(number) == REFUSALS.get(number, 422)
        assert exit_code(number) == 5
        assert exit_code(number, included=True) == 6


def test_a_node_has_exits_of_its_own() -> None:
    assert [exit_code(number, node=True) for number in (1002, 1010, 4005, 5004, 5005, 1003)] == [
        78, 78, 70, 70, 70, 3,
    ]  # fmt: skip


@pytest.mark.parametrize("number", numbers())
def test_message_and_remedy_in_both_languages_with_the_same_placeholders(number: int) -> None:
    assert placeholders(number, "nl") == placeholders(number, "en")
    for lang in LANGS:
        bare = (title(number, lang), message(number, {}, lang), remedy(number, {}, lang))
        for sentence in bare:
            assert sentence.strip() == sentence
            assert not re.search(r"[\[\]{}]|  ", sentence)
        assert not bare[0].endswith(".")
        assert bare[1].endswith(".")
        assert bare[2].endswith(".")
    assert title(number, "nl") != title(number, "en")


def test_who_has_no_guardians_reads_how_to_name_them() -> None:
    row = next(row for row in ROWS if row.reason == "members.no-guardians")
    assert all("wijk account recovery set" in text.remedy for text in (row.nl, row.en))


def test_placeholders_stand_in_brackets_only() -> None:
    for row in ROWS:
        for text in (row.nl, row.en):
            for template in text:
                assert "{" not in re.sub(r"\[[^\[\]]*\]", "", template)
    assert all(all(word) for word in WORDS.values())


@given(
    st.sampled_from(numbers()),
    st.sampled_from(LANGS),
    st.data(),
)
def test_no_value_breaks_a_sentence(number: int, lang: str, data: st.DataObject) -> None:
    names = sorted(placeholders(number, lang))
    values = st.none() | st.integers() | st.booleans() | st.text() | st.lists(st.text())
    params: dict[str, object] = {name: data.draw(values, name) for name in names}
    text = text_error(number, params, lang, tries=["wijk status"])
    assert text.count("\n") == 2
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert isinstance(problem(number, params, lang)["detail"], str)


def test_the_text_of_interfaces_1_5() -> None:
    text = text_error(
        2104,
        {"balance_cents": 910, "amount_cents": 1250},
        "nl",
        tries=['wijk pay "Bakker Jansen" 9,10', "wijk account history"],
    )
    assert text == (
        "Fout WIJK-2104: betaling geweigerd, saldo te laag.\n"
        "  Het saldo is te laag: u heeft € 9,10, nodig is € 12,50. Er is niets afgeschreven.\n"
        '  Probeer: wijk pay "Bakker Jansen" 9,10   of   wijk account history'
        "        (meer: wijk --explain WIJK-2104)"
    )


def test_the_problem_object_of_interfaces_1_5() -> None:
    assert problem(
        2104, {"balance_cents": 910, "amount_cents": 1250}, "en", instance="/v1/txs"
    ) == {
        "type": "https://wijkchain.example/errors/WIJK-2104",
        "title": "balance too low",
        "status": 422,
        "detail": "The balance is too low: you have €9.10, needed is €12.50.",
        "instance": "/v1/txs",
        "code": "WIJK-2104",
        "retry": "never",
        "nothing_sent": True,
        "params": {"reason": "coin.low-balance", "balance_cents": 910, "amount_cents": 1250},
        "tx": None,
    }


def test_after_always_says_when_and_status_is_zero_off_http() -> None:
    for number in numbers():
        built = problem(number, {}, "nl", instance="/v1/txs")
        params = built["params"]
        assert isinstance(params, dict)
        assert ("retry_after_s" in params) == (retry_word(number) == "after")
        assert problem(number, {}, "nl")["status"] == 0


def test_an_unknown_outcome_never_invites_to_pay_again() -> None:
    assert "niet opnieuw" in text_error(3003, {"tx": "ab" * 32}, "nl", nothing_sent=False)
    assert retry_word(3003) == "same-bytes"


def test_a_code_of_a_newer_version_is_shown_not_a_crash() -> None:
    assert text_error(2999, {}, "en").startswith("Error WIJK-2999: unknown code.")
    assert problem(2999, {}, "nl")["code"] == "WIJK-2999"


def test_explain_has_every_part_in_both_languages() -> None:
    page = explain(2107, "nl")
    assert page.startswith("WIJK-2107: regel van het potje\n")
    assert "reden: policy.clause" in page
    assert "HTTP: 422" in explain(2107, "en")


def test_codes_are_read_in_any_case_and_only_when_known() -> None:
    assert [parse_code(text) for text in ("WIJK-2104", "wijk-2104", "2104")] == [2104] * 3
    assert [parse_code(text) for text in ("WIJK-2999", "21040", "", "WIJK-٢١٠٤")] == [None] * 4
    assert code_text(2104) == "WIJK-2104"


def test_times_dates_lists_and_words_are_shown_for_people() -> None:
    assert "2026-01-01 00:05:00 UTC" in message(2004, {"until_at": 1767225900}, "en")
    assert "v2, v3" in message(4001, {"missing": ["v2", "v3"]}, "nl")
    assert "een letter is verkeerd getypt" in message(1006, {"cause": "checksum"}, "nl")
    assert "de penningmeesters" in message(2112, {"role": "treasury"}, "nl")


def test_times_of_the_chain_become_rfc_3339_in_json() -> None:
    built = problem(2004, {"until_at": 1767225900, "booked_on": 20260101}, "en")
    assert built["params"] == {
        "reason": "tx.expired",
        "until_at": "2026-01-01T00:05:00.000Z",
        "booked_on": "2026-01-01",
    }
    assert built["detail"] == (
        "This order has expired; nothing happened. It was valid until 2026-01-01 00:05:00 UTC."
    )


def test_values_from_outside_cannot_drive_a_terminal_or_flood_it() -> None:
    shown = message(1006, {"who": "\x1b[31mAnna\u202e", "cause": "unknown"}, "en")
    assert "?[31mAnna?" in shown
    assert len(message(1006, {"who": "x" * 10_000}, "en")) < 300


def test_a_problem_is_an_exception_with_its_number_and_values() -> None:
    raised = Problem(1005, text="1e3")
    assert (raised.number, raised.params, raised.nothing_sent) == (1005, {"text": "1e3"}, True)
    assert str(raised) == "WIJK-1005 text='1e3'"


@pytest.mark.parametrize(
    ("cents", "dutch", "english"),
    [
        (0, "€ 0,00", "€0.00"),
        (5, "€ 0,05", "€0.05"),
        (1250, "€ 12,50", "€12.50"),
        (100_000, "€ 1.000,00", "€1,000.00"),
        (10**9, "€ 10.000.000,00", "€10,000,000.00"),
        (-1, "€ -0,01", "-€0.01"),
    ],
)
def test_money_is_shown_as_interfaces_0_says(cents: int, dutch: str, english: str) -> None:
    assert money(cents, "nl") == dutch
    assert money(cents, "en") == english


@pytest.mark.parametrize("number", [5001, 5002, 5003])
@pytest.mark.parametrize(("lang", "said"), [("nl", "Betaal niet opnieuw"), ("en", "not pay again")])
def test_an_order_that_was_sent_and_is_not_proven_says_so(
    number: int, lang: Lang, said: str
) -> None:
    """interfaces 1.7: who is not told that it was sent pays twice."""
    tx = "ab" * 32
    told = text_error(number, {}, lang, nothing_sent=False, tx=tx)

    assert said in told
    assert f"wijk tx wait {tx}" in told
    assert said not in text_error(number, {}, lang, nothing_sent=False)
    assert len(told.splitlines()) == 3
