"""Sending: the same bytes, one outcome, and nothing believed that is not proven (1.5, 1.7, 2.2)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chain.errors import Malformed
from chain.policy import Policy, read_policy
from chain.proof import read_receipt, write_receipt
from chain.texts import Problem
from wallet.outbox import Sent, find, pending
from wallet.receipts import list_receipts
from wallet.send import EXIT_UNKNOWN, check_receipt, resume, send

VECTORS = Path(__file__).parent.parent / "vectors"
RECEIPT = (VECTORS / "receipt.tlog-proof").read_text()
POLICY: Policy = read_policy((VECTORS / "receipt-policy.json").read_bytes())
GOLDEN = read_receipt(RECEIPT)
PLAIN = write_receipt(replace(GOLDEN, memo_key=None, memo=None))  # as a node hands it out
SENT = Sent(GOLDEN.envelope, None, GOLDEN.memo_key, GOLDEN.memo)

PENDING = {"status": "pending"}
FINAL = {
    "status": "final", "code": 0, "height": 7, "index": 1, "log_index": 1,
    "at": "2026-01-01T00:00:00.000Z", "replayed": False, "proof": {"receipt": PLAIN},
}  # fmt: skip


class Desk:
    """A terminal whose node gives the answers of a list, the last one for ever."""

    def __init__(self, home: Path, answers: list[Any], timeout_ms: int = 5_000) -> None:
        self.home = home
        self.settings = SimpleNamespace(timeout_ms=timeout_ms, nodes=("http://a",))
        self.client = self
        self.posted: list[bytes] = []
        self.patience: list[float] = []
        self.seen_outbox: list[list[str]] = []
        self.newest_at = "2026-01-01T00:05:00.000Z"  # when SENT ends
        self.known: Any = Problem(3007)
        self._answers = answers

    def block(self, _ref: str) -> Any:
        return {"at": self.newest_at}

    def tx(self, _tx: str, **_: Any) -> Any:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    def submit(self, envelope: bytes, *, timeout_s: float, **_: Any) -> Any:
        self.posted.append(envelope)
        self.patience.append(timeout_s)
        self.seen_outbox.append(pending(self.home))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def say(self, *_: str) -> None:
        pass


def no_answer() -> Problem:
    return Problem(3003, nothing_sent=False)


def run(desk: Any, **options: Any) -> Any:
    return send(desk, POLICY, SENT, **options)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet.send.RESEND_S", 0.001)


def test_the_bytes_are_kept_before_the_first_one_leaves(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [FINAL])

    result = run(desk)

    assert desk.seen_outbox == [[SENT.tx]]
    assert pending(tmp_path) == []
    assert (result.tx["status"], result.tx["verified"], result.failure) == ("final", True, None)


def test_the_receipt_that_is_kept_has_memo_and_memo_key(tmp_path: Path) -> None:
    run(Desk(tmp_path, [FINAL]))

    assert (tmp_path / "receipts" / f"{SENT.tx}.tlog-proof").read_text() == RECEIPT


def test_without_an_answer_the_same_bytes_go_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [no_answer(), PENDING, no_answer(), FINAL])

    assert run(desk).tx["status"] == "final"
    assert desk.posted == [SENT.envelope] * 4


@pytest.mark.parametrize("answer", [no_answer(), PENDING], ids=["silence", "pending"])
def test_an_unknown_outcome_keeps_the_bytes(tmp_path: Path, answer: Any) -> None:
    result = run(Desk(tmp_path, [answer], timeout_ms=30))

    assert result.tx["status"] == "unknown"
    assert result.failure[2] == EXIT_UNKNOWN
    assert find(tmp_path, SENT.tx) == SENT


def test_a_refusal_before_anything_was_sent_is_final(tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        run(Desk(tmp_path, [Problem(2104)]))

    assert refused.value.number == 2104
    assert pending(tmp_path) == []


def test_a_refusal_after_silence_is_not_believed(tmp_path: Path) -> None:
    """Another node may hold the first copy: paying again could pay twice."""
    result = run(Desk(tmp_path, [no_answer(), Problem(2104)], timeout_ms=30))

    assert result.tx["status"] == "unknown"
    assert pending(tmp_path) == [SENT.tx]


def test_the_end_of_its_validity_is_believed(tmp_path: Path) -> None:
    with pytest.raises(Problem) as ended:
        run(Desk(tmp_path, [no_answer(), Problem(2004)]))

    assert ended.value.number == 2004
    assert pending(tmp_path) == []


@pytest.mark.parametrize(
    ("newest_at", "known"),
    [
        ("2026-01-01T00:04:59.999Z", Problem(3007)),  # a block of before may still come
        ("2026-01-01T00:05:00.000Z", {"status": "unknown"}),  # the node is behind
        ("2026-01-01T00:05:00.000Z", {"status": "final"}),
        ("2026-01-01T00:05:00.000Z", Problem(3001)),
    ],
)
def test_the_clock_of_one_node_ends_nothing(tmp_path: Path, newest_at: str, known: Any) -> None:
    """interfaces 2.2: `expired` is definite once a final block is at or past `expires`."""
    desk = Desk(tmp_path, [no_answer(), Problem(2004)], timeout_ms=30)
    desk.newest_at, desk.known = newest_at, known

    assert run(desk).tx["status"] == "unknown"
    assert pending(tmp_path) == [SENT.tx]


@pytest.mark.parametrize("number", [3001, 4001, 2104, 2002])
def test_what_was_sent_before_is_not_forgotten_when_nobody_takes_it_now(
    tmp_path: Path, number: int
) -> None:
    """interfaces 1.7: a node that got it the first time may still have it."""
    assert run(Desk(tmp_path, [no_answer()], timeout_ms=1)).tx["status"] == "unknown"
    desk: Any = Desk(tmp_path, [Problem(number)], timeout_ms=20)

    waited = resume(desk, POLICY, SENT.tx)
    sent_twice = run(desk)

    for result in (waited, sent_twice):
        assert result.tx["status"] == "unknown"
        assert result.failure == (3003, {"tx": SENT.tx}, EXIT_UNKNOWN)
    assert pending(tmp_path) == [SENT.tx]


def test_no_node_may_use_up_all_the_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [no_answer(), FINAL], timeout_ms=60_000)

    assert run(desk).tx["status"] == "final"
    assert desk.patience == [10.0, 10.0]
    assert desk.posted == [SENT.envelope] * 2


def test_the_last_try_can_still_be_answered(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [FINAL], timeout_ms=1)

    run(desk)

    assert desk.patience == [1.0]


def test_an_answer_that_makes_no_sense_is_no_answer(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [Malformed("nonsense"), Problem(2104)], timeout_ms=20)

    assert run(desk).tx["status"] == "unknown"
    assert pending(tmp_path) == [SENT.tx]


@pytest.mark.parametrize(
    ("status", "problem", "number"),
    [("expired", None, 2004), ("rejected", {"code": "WIJK-2104", "params": {"x": 1}}, 2104)],
)
def test_waiting_for_an_order_of_somebody_else_tells_its_code(
    tmp_path: Path, status: str, problem: Any, number: int
) -> None:
    desk: Any = Desk(tmp_path, [])
    desk.known = {"status": status, "proof": None, "problem": problem}

    result = resume(desk, POLICY, SENT.tx)

    assert result.tx["status"] == status
    assert result.failure is not None
    assert result.failure[0] == number


@pytest.mark.parametrize("number", [3001, 4001, 4002, 4003, 3004])
def test_where_no_node_takes_it_nothing_was_sent(tmp_path: Path, number: int) -> None:
    with pytest.raises(Problem) as refused:
        run(Desk(tmp_path, [Problem(number)]))

    assert refused.value.nothing_sent is True
    assert pending(tmp_path) == []


def flip_signature(text: str) -> str:
    head, _, last = text.rstrip("\n").rpartition(" ")
    return f"{head} {last[:40]}{'A' if last[40] != 'A' else 'B'}{last[41:]}\n"


LIES: dict[str, Callable[[str], str]] = {
    "not a receipt": lambda _text: "ok\n",
    "a wrong signature": flip_signature,
    "too few signatures": lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
    "another outcome": lambda text: write_receipt(replace(read_receipt(text), code=2104)),
    "another place": lambda text: text.replace("index 1\n", "index 0\n"),
    "another order": lambda text: write_receipt(
        replace(read_receipt(text), envelope=GOLDEN.envelope[:-1] + b"\0")
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_node_that_lies_is_not_believed(tmp_path: Path, lie: str) -> None:
    """architecture 3.6: "paid" is said only after the receipt was verified."""
    answer = {**FINAL, "proof": {"receipt": LIES[lie](PLAIN)}}

    with pytest.raises(Problem) as caught:
        run(Desk(tmp_path, [answer]))

    assert caught.value.number in (5001, 5002)
    assert caught.value.nothing_sent is False
    assert caught.value.tx == SENT.tx
    assert list_receipts(tmp_path) == []
    assert pending(tmp_path) == [SENT.tx]


@pytest.mark.parametrize("answer", [{"status": "final"}, {**FINAL, "proof": None}])
def test_an_answer_without_its_parts_is_not_believed(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(Problem) as caught:
        run(Desk(tmp_path, [answer]))

    assert caught.value.number == 5001
    assert pending(tmp_path) == [SENT.tx]


def test_a_receipt_of_another_order_proves_nothing_about_this_one() -> None:
    assert check_receipt(RECEIPT, SENT.tx, POLICY) == 0
    with pytest.raises(Problem) as wrong:
        check_receipt(RECEIPT, "ab" * 32, POLICY)

    assert wrong.value.number == 5001


def test_not_waiting_leaves_the_bytes_in_the_outbox(tmp_path: Path) -> None:
    result = run(Desk(tmp_path, [PENDING]), wait="accepted")

    assert (result.tx["status"], result.failure) == ("accepted", None)
    assert pending(tmp_path) == [SENT.tx]
