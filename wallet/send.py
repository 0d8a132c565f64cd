"""Sending an order: kept in the outbox first, the same bytes until an answer comes, and "done"
only after the receipt was verified against the client's own policy (interfaces 1.7, 2.2).
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chain.codec import decode
from chain.errors import Malformed
from chain.proof import REFUSED, read_receipt, verify_receipt, write_receipt
from chain.records import Envelope, TxBody, split_carried
from chain.texts import Problem, parse_code
from node.client import POST_BYTES_MAX
from wallet.outbox import Sent, find, keep, settle
from wallet.receipts import store_receipt
from wallet.terminal import EXIT_DRAFT
from wallet.times import time_text
from wallet.trust import follow_again

if TYPE_CHECKING:
    from chain.policy import Policy
    from wallet.terminal import Terminal

EXIT_INCLUDED, EXIT_UNKNOWN = 6, 7
RESEND_S = 0.5  # between two tries while nobody answers
# How long one node may take before another one gets the same bytes: a node that hangs must not
# use up all the time there is. At least the minimum, so that the last try can still be answered.
TRY_S_MIN, TRY_S_MAX = 1.0, 10.0
_UNANSWERED = (3001, 3003, 3004, 4001, 4002, 4003, 4004, 9001)  # another node, or later, may know
_NO_ANSWER = 3003
_NOT_FOUND = 3007
_EXPIRED = 2004
_TOO_FEW = 5002

Failure = tuple[int, Mapping[str, Any], int | None]  # WIJK code, its values, exit code


class Result(msgspec.Struct, frozen=True):
    """What became of an order: the TX object of interfaces 1.8, and what is wrong, if anything."""

    tx: dict[str, Any]
    failure: Failure | None = None


def send(
    terminal: "Terminal",
    policy: "Policy",
    sent: Sent,
    *,
    wait: str = "final",
    receipt_file: Path | None = None,
) -> Result:
    """Send the bytes and wait for the outcome; raise `Problem` where nothing was sent.

    What may have reached a node stays in the outbox until its outcome is known.
    """
    started = time.monotonic()
    again = find(terminal.home, sent.tx) is not None  # a draft may be sent twice
    if not again:
        keep(terminal.home, sent)
    try:
        return _send(terminal, policy, sent, wait, started, receipt_file, again=again)
    except KeyboardInterrupt:
        terminal.say(
            f"Misschien is de opdracht verstuurd. Vraag na: wijk tx wait {sent.tx}",
            f"The order may have been sent. Ask: wijk tx wait {sent.tx}",
        )
        raise


def _send(
    terminal: "Terminal",
    policy: "Policy",
    sent: Sent,
    wait: str,
    started: float,
    receipt_file: Path | None,
    *,
    again: bool,
) -> Result:
    deadline = started + terminal.settings.timeout_ms / 1000
    if wait != "final":
        answer = _submit(terminal, sent, deadline, "accepted", reached=again)
        if answer is not None and answer.get("status") == "pending":
            return Result(make_tx(sent.tx, "accepted"))
    else:
        answer = _submit(terminal, sent, deadline, "final", reached=again)
    return conclude(terminal, policy, sent, answer, started, receipt_file)


def conclude(
    terminal: "Terminal",
    policy: "Policy",
    sent: Sent,
    answer: Mapping[str, Any] | None,
    started: float,
    receipt_file: Path | None = None,
) -> Result:
    """Return what an answer of a node means, once its receipt was verified and stored."""
    if answer is None or answer.get("status") not in ("final", "failed"):
        failure: Failure = (_NO_ANSWER, {"tx": sent.tx}, EXIT_UNKNOWN)
        return Result(make_tx(sent.tx, "unknown"), failure)
    try:
        receipt = with_memo(answer["proof"]["receipt"], sent)
        place = {name: answer[name] for name in ("height", "index", "at")}
        place["log_index"] = read_receipt(receipt).index  # this one the receipt proves
    except (Malformed, KeyError, TypeError) as error:
        raise Problem(5001, nothing_sent=False, tx=sent.tx, reason="unreadable") from error
    code = _check_over_change(terminal, receipt, sent.tx, policy)
    path = store_receipt(terminal.home, sent.tx, receipt, receipt_file)
    settle(terminal.home, sent.tx)
    done = code == 0
    tx = make_tx(
        sent.tx,
        "final" if done else "failed",
        code=code,
        **place,
        finality_ms=round((time.monotonic() - started) * 1000, 1),
        receipt=str(path if receipt_file else path.relative_to(terminal.home)),
        verified=True,
        replayed=bool(answer.get("replayed")),
    )
    return Result(tx, None if done else (code, answer.get("params") or {}, EXIT_INCLUDED))


def resume(terminal: "Terminal", policy: "Policy", tx: str) -> Result:
    """Wait for an order that was sent before; its bytes are sent again while no node knows it."""
    started = time.monotonic()
    deadline = started + terminal.settings.timeout_ms / 1000
    sent = find(terminal.home, tx)
    if sent is not None:  # it may have reached a node before: a refusal now undoes nothing
        answer = _submit(terminal, sent, deadline, "final", reached=True)
        return conclude(terminal, policy, sent, answer, started)
    while True:
        found = terminal.client.tx(tx, prove=True)
        if found["status"] not in ("pending", "unknown") or time.monotonic() >= deadline:
            break
        time.sleep(RESEND_S)
    stranger = Sent(b"", None, None, None)
    if found["status"] in ("final", "failed"):
        receipt = found["proof"]["receipt"]
        stranger = Sent(read_receipt(receipt).envelope, None, None, None)
    if found["status"] not in ("final", "failed"):
        failure: Failure = (_NO_ANSWER, {"tx": tx}, EXIT_UNKNOWN)
        if found["status"] in ("expired", "rejected"):
            why = found.get("problem") or {}
            number = parse_code(str(why.get("code"))) or _EXPIRED
            failure = (number, why.get("params") or {}, None)
            return Result(make_tx(tx, found["status"]), failure)
        return Result(make_tx(tx, "unknown"), failure)
    if stranger.tx != tx:
        raise Problem(5001, cause="tx", nothing_sent=False, tx=tx)
    return conclude(terminal, policy, stranger, found, started)


def make_tx(tx: str | None, status: str, **known: Any) -> dict[str, Any]:
    """Return a TX object of interfaces 1.8; what is not known yet is null."""
    names = ("code", "height", "index", "log_index", "at", "finality_ms", "receipt")
    tree: dict[str, Any] = {"tx": tx, "status": status} | dict.fromkeys(names)
    return tree | {"verified": False, "replayed": False, "draft": None} | known


def draft_result(path: Path, have: int, need: int) -> Result:
    """Return the result of an order that others must sign too."""
    failure: Failure = (2002, {"have": have, "need": need}, EXIT_DRAFT)
    return Result(make_tx(None, "draft", draft=str(path)), failure)


def with_memo(receipt: str, sent: Sent) -> str:
    """Return the receipt with what only the payer knows: memo and memo key (interfaces 5.3)."""
    if sent.memo is None:
        return receipt
    known = read_receipt(receipt)
    return write_receipt(replace(known, memo_key=sent.memo_key, memo=sent.memo))


def check_receipt(receipt: str, tx: str, policy: "Policy") -> int:
    """Return the proven outcome of `tx`; raise `Problem` 5001 or 5002 if it is not proven."""
    verdict = verify_receipt(receipt, policy)
    right_tx = verdict.tx is not None and verdict.tx.hex() == tx
    if right_tx and (verdict.ok or verdict.reason == REFUSED):
        assert verdict.code is not None
        return verdict.code
    if verdict.reason == "quorum" and verdict.signatures is not None:
        have, need = verdict.signatures.valid, verdict.signatures.needed
        raise Problem(5002, nothing_sent=False, tx=tx, have=have, need=need)
    raise Problem(5001, nothing_sent=False, tx=tx, reason=verdict.reason or "tx")


def _check_over_change(terminal: "Terminal", receipt: str, tx: str, policy: "Policy") -> int:
    """Return as `check_receipt` does; the validators may have changed while `tx` was under way.

    The order is sent, whatever following finds (consensus S9): every `Problem` says so.
    """
    try:
        return check_receipt(receipt, tx, policy)
    except Problem as problem:
        if problem.number != _TOO_FEW:
            raise
        try:
            newer = follow_again(terminal)
        except Problem as why:
            raise Problem(why.number, nothing_sent=False, tx=tx, **why.params) from why
        if newer is None or newer == policy:
            raise
    return check_receipt(receipt, tx, newer)


def _is_over(terminal: "Terminal", sent: Sent) -> bool:
    """Say whether an order can no longer be included, and was not (interfaces 2.2).

    A node refuses by its own clock. Only a final block at or past `expires` ends an order: until
    then a block of an earlier time, held up by an outage, may still become final with it.
    """
    body = decode(TxBody, decode(Envelope, split_carried(sent.envelope)[0]).body)
    try:
        if terminal.client.block("latest")["at"] < time_text(body.expires * 1000):
            return False
        return bool(terminal.client.tx(sent.tx)["status"] in ("expired", "rejected"))
    except Problem as problem:
        return problem.number == _NOT_FOUND


def _submit(
    terminal: "Terminal", sent: Sent, deadline: float, wait: str, *, reached: bool
) -> Mapping[str, Any] | None:
    """Post the same bytes until there is an outcome; None when time is up without an answer.

    `reached` says whether a node may have them already. Raise `Problem` where a node refused
    them, or where none could be reached at all, while it is certain that no other one has them.
    """
    refusals = 0
    while True:
        left_s = deadline - time.monotonic()
        try:
            answer: Mapping[str, Any] = terminal.client.submit(
                sent.envelope,
                sealed=sent.sealed,
                wait=wait,
                timeout_s=min(max(left_s, TRY_S_MIN), TRY_S_MAX),
            )
            large = len(sent.envelope) > POST_BYTES_MAX  # went as a batch, whose answer proves none
            if large and answer.get("status") in ("final", "failed"):
                answer = terminal.client.tx(sent.tx, prove=True)
        except Malformed:  # it left, and what came back says nothing
            reached = True
            if time.monotonic() >= deadline:
                return None
        except Problem as problem:
            # What a node may have passed on before is not undone by another node's refusal; only
            # the end of its validity is (interfaces 2.2).
            reached = reached or not problem.nothing_sent
            refusals += 1
            everywhere = refusals >= len(terminal.settings.nodes)
            late = time.monotonic() >= deadline
            final_word = problem.number not in _UNANSWERED or everywhere or late
            over = problem.number == _EXPIRED and _is_over(terminal, sent)
            if over or (not reached and final_word):
                settle(terminal.home, sent.tx)
                raise
            if late:
                return None
            if not reached:
                continue  # at once: this was only the first node
        else:
            reached = True
            if answer.get("status") != "pending" or wait != "final":
                return answer
            if time.monotonic() >= deadline:
                return None
        time.sleep(min(RESEND_S, max(0.0, deadline - time.monotonic())))
