"""`node verify` and `node backup verify`: a node's own store, believed in nothing (interfaces 1.8).

The chain is executed again from genesis, as any auditor does, and the store then has to hold the
outcome: the same state, the same tree, the same log, and the rows that lead to them.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from audit.home import HomeSource
from audit.replay import Replay, Report, replay
from chain import tree
from chain.errors import Malformed
from chain.genesis import load_genesis
from chain.texts import Problem

OnBlock = Callable[[int, int], None]  # height, and the last height there is to check


class Verified(msgspec.Struct, frozen=True):
    """What was found: the object of `node verify`, why in words, and the state root at the end."""

    tree: dict[str, Any]
    why: str | None
    state_root: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return bool(self.tree["ok"])


def verify_home(
    source: HomeSource,
    *,
    first: int,
    last: int | None,
    clock_s: Callable[[], float],
    on_block: OnBlock = lambda _height, _last: None,
) -> Verified:
    """Check a store from genesis to `last`; None is its tip, with which all of it is checked.

    Below `first` blocks are executed and linked, but no signature is checked: the certificate of
    `first` vouches for those before it. Raise `Problem` 1001 for blocks that there cannot be yet.
    """
    started = clock_s()
    report = Report(first, 0)
    to, root = last, b""
    try:
        genesis = load_genesis(source.read_genesis())
        top = source.read_height()
        to = top if last is None else last
        if to > top or first > max(to, 1):
            raise Problem(1001, cause=f"{first}..{to}: 1..{top}")

        def check_store(run: Replay) -> None:
            nonlocal root
            root = tree.get_root(run.base.read_node)
            if to != top:
                return
            run.part = "state"
            source.check_state(run.state, run.nodes)
            run.part = "log"
            source.check_rows(top)
            run.part = "headers"
            source.check_head(genesis)

        report = replay(
            genesis,
            source.read_blocks(1, to),
            checked_from=first,
            on_block=lambda height: on_block(height, to or 0),
            on_end=check_store,
        )
    except Malformed as error:
        report.first_bad, report.why, report.part = 0, str(error), "headers"
    return Verified(_tree(report, first, to, clock_s() - started), report.why, root.hex())


def unreadable(first: int, last: int | None, why: str) -> Verified:
    """Return the verdict on a store of which nothing can be read."""
    report = Report(first, 0, first_bad=first, why=why, part="headers")
    return Verified(_tree(report, first, last, 0.0), why, "")


def _tree(report: Report, first: int, last: int | None, seconds: float) -> dict[str, Any]:
    """Return the object. A part is not ok where something wrong was found in it."""
    return {
        "from": first,
        "to": report.last if last is None else last,
        "blocks": report.headers,
        "transactions": report.transactions,
        "signatures": report.signatures,
        "headers_ok": report.part != "headers",
        "certificates_ok": report.part != "certificates",
        "log_ok": report.part != "log",
        "state_ok": report.part != "state",
        "invariants": list(report.broken) or "ok",
        "ok": report.ok,
        "first_bad": report.first_bad,
        "seconds": round(seconds, 3),
        "why": report.why,
    }
