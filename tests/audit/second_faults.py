"""Faults to be planted in a year: each a change to one block, and the invariants that it breaks.

What is changed is what an auditor is given: a call, an outcome, a posting, what a block wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from chain.codec import encode
from tests.made_year import MadeYear

Block = list[Any]  # header, envelopes, outcomes, changes, what ended at the start
Change = Callable[[Block], None]
Find = Callable[[list[Block]], tuple[int, Change]]

CODE, POSTINGS = 2, 4  # fields of an outcome
DENOM, KLASS, OWNER, SIDE, CENTS, TAG, POLICY, CORRECTS = 2, 3, 4, 5, 6, 7, 8, 10  # of a posting


class Fault(NamedTuple):
    """A fault: where it goes and what it changes there, and what it breaks."""

    name: str
    find: Find
    invariants: set[str]


def unpack(records: Any) -> Any:
    return msgpack.unpackb(encode(records))


def take_apart(year: MadeYear) -> list[Block]:
    blocks = []
    for height in range(1, year.store.tip.height + 1):
        raw = year.store.raw_block(height)
        assert raw is not None
        outcomes, start = unpack(year.store.outcomes(height)), unpack(year.store.start(height))
        blocks.append([raw[0], list(raw[3]), outcomes, year.store.changes[height - 1], start])
    return blocks


# ------------------------------------------------------------------------------ finding


def call_of(envelope: bytes) -> list[Any]:
    call: list[Any] = msgpack.unpackb(msgpack.unpackb(envelope)[0])[4]
    return call


def find_tx(
    blocks: list[Block],
    name: str,
    number: int = 1,
    fits: Callable[[list[Any], list[Any]], bool] = lambda _call, _outcome: True,
) -> tuple[int, int]:
    """Return (block, index) of the `number`th such call that was carried out."""
    for at, (_, envelopes, outcomes, *_) in enumerate(blocks):
        for index, envelope in enumerate(envelopes):
            call = call_of(envelope)
            if call[0] == name and outcomes[index][CODE] == 0 and fits(call, outcomes[index]):
                number -= 1
                if number == 0:
                    return at, index
    raise AssertionError(f"no {name}")


def find_policy(blocks: list[Block], *clauses: str) -> bytes:
    """Return the first policy whose shape and guards are these."""

    def fits(call: list[Any], _outcome: list[Any]) -> bool:
        return [call[2][0], *(rule[0] for rule in call[3])] == list(clauses)

    at, index = find_tx(blocks, "policy.create", 1, fits)
    policy: bytes = blocks[at][2][index][1]
    return policy


def find_claim(blocks: list[Block], *clauses: str, name: str = "policy.claim") -> tuple[int, int]:
    """Return a claim of such a policy that paid something."""
    policy = find_policy(blocks, *clauses)
    return find_tx(blocks, name, 1, lambda call, out: call[1] == policy and len(out[POSTINGS]) > 0)


def find_key(
    blocks: list[Block],
    name: str,
    after: int = 0,
    fits: Callable[[Any], bool] = lambda _value: True,
) -> tuple[int, bytes]:
    """Return a block that writes a key of a keyspace, and the key; `fits` judges the value."""
    for at in range(after, len(blocks)):
        for key, value in blocks[at][3].items():
            known = value is not None and msgpack.unpackb(key)[0] == name
            if known and fits(msgpack.unpackb(value)):
                return at, key
    raise AssertionError(f"nobody writes {name}")


# ------------------------------------------------------------------------------ changing


def edit(block: Block, index: int, change: Callable[[list[Any]], None]) -> None:
    """Change a call, as if it had been sent so; its outcome stays."""
    body, signatures = msgpack.unpackb(block[1][index])
    fields = msgpack.unpackb(body)
    change(fields)
    block[1][index] = msgpack.packb([msgpack.packb(fields), signatures])
    block[2][index][1] = sha256(block[1][index]).digest()


def edit_call(name: str, place: int, value: Any, number: int = 1) -> Find:
    """Put another value into a field of a call."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, name, number)

        def change(fields: list[Any]) -> None:
            old = fields[4][place]
            fields[4][place] = value(old) if callable(value) else value

        return at, lambda block: edit(block, index, change)

    return find


def edit_claim(
    change: Callable[[list[Any]], None], *clauses: str, name: str = "policy.claim"
) -> Find:
    """Change the body of a claim of such a policy."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_claim(blocks, *clauses, name=name)
        return at, lambda block: edit(block, index, change)

    return find


def set_field(place: int, value: Any) -> Callable[[list[Any]], None]:
    def change(fields: list[Any]) -> None:
        fields[4][place] = value(fields[4][place]) if callable(value) else value

    return change


def edit_postings(name: str, change: Callable[[list[Any]], None], number: int = 3) -> Find:
    """Change the postings of a call."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, name, number)
        return at, lambda block: change(block[2][index][POSTINGS])

    return find


def edit_shares(change: Callable[[list[Any]], None], *clauses: str) -> Find:
    """Change the postings of a claim of such a policy."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_claim(blocks, *clauses)
        return at, lambda block: change(block[2][index][POSTINGS])

    return find


def refuse(name: str, code: int, *, postings: bool = False, number: int = 3) -> Find:
    """Say that a call was refused; its postings go too, or do not."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, name, number)

        def change(block: Block) -> None:
            block[2][index][CODE] = code
            if not postings:
                block[2][index][POSTINGS] = []

        return at, change

    return find


def again(name: str, *clauses: str) -> Find:
    """Let a transaction be carried out once more, in the block after it."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_claim(blocks, *clauses, name=name) if clauses else find_tx(blocks, name, 3)
        envelope, outcome = blocks[at][1][index], blocks[at][2][index]

        def change(block: Block) -> None:
            block[1].append(envelope)
            block[2].append(outcome)

        return at + 1, change

    return find


def write(
    name: str,
    change_value: Callable[[Any], Any],
    after: int = 0,
    fits: Callable[[Any], bool] = lambda _value: True,
) -> Find:
    """Change what a block writes under a key of a keyspace."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, key = find_key(blocks, name, after, fits)

        def change(block: Block) -> None:
            value = change_value(msgpack.unpackb(block[3][key]))
            block[3] = block[3] | {key: None if value is None else msgpack.packb(value)}

        return at, change

    return find


def lose(name: str) -> Find:
    """Leave out what a block writes."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, "coin.mint", 3)
        del index
        _, key = find_key(blocks, name, at)

        def change(block: Block) -> None:
            block[3] = {one: value for one, value in block[3].items() if one != key}

        return at, change

    return find


def before(
    name: str, make: Callable[[list[Any], list[Any], int], dict[bytes, bytes | None]]
) -> Find:
    """Write something in the block before a call: `make` is told its sender's posting."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, name, 3)
        postings, call = blocks[at][2][index][POSTINGS], call_of(blocks[at][1][index])
        extra = make(call, postings, msgpack.unpackb(blocks[at][0])[6] // 1000)

        def change(block: Block) -> None:
            block[3] = block[3] | extra

        return at - 1, change

    return find


def nothing_ends(kind: str) -> Find:
    """What should have ended at the start of a block has not."""

    def find(blocks: list[Block]) -> tuple[int, Change]:
        at = next(i for i, one in enumerate(blocks) if kind in str(one[4]))

        def change(block: Block) -> None:
            block[4] = []

        return at, change

    return find


def move_cent(postings: list[Any]) -> None:
    postings[0][CENTS] += 1


def more(cents: int) -> Callable[[list[Any]], None]:
    def change(postings: list[Any]) -> None:
        for posting in postings[:2]:
            posting[CENTS] += cents

    return change


def another_payee(postings: list[Any]) -> None:
    postings[1][OWNER] = b"\x01" * 20


def cite(postings: list[Any]) -> None:
    for posting in postings:
        posting[CORRECTS] = b"\x02" * 32


def last_pair_less(postings: list[Any]) -> None:
    """The wijk of the payee books a cent less than that of the payer."""
    for posting in postings[2:4]:
        posting[CENTS] -= 1


def signed_by_one(name: str) -> Find:
    def find(blocks: list[Block]) -> tuple[int, Change]:
        at, index = find_tx(blocks, name, 3)

        def change(block: Block) -> None:
            body, signatures = msgpack.unpackb(block[1][index])
            block[1][index] = msgpack.packb([body, signatures[:1]])
            block[2][index][1] = sha256(block[1][index]).digest()

        return at, change

    return find


def freeze_payer(_call: list[Any], postings: list[Any], time_s: int) -> dict[bytes, bytes | None]:
    key = msgpack.packb(["freeze", postings[0][OWNER]])
    return {key: msgpack.packb([time_s + 1_000, "TEST", 0, None])}


def no_decision(call: list[Any], _postings: list[Any], _time_s: int) -> dict[bytes, bytes | None]:
    return {msgpack.packb(["decision", call[2]]): None}


def no_term(call: list[Any], postings: list[Any], time_s: int) -> dict[bytes, bytes | None]:
    """The seats of the board of that wijk are over."""
    wijk = postings[0][1]
    return {
        msgpack.packb(["seat", wijk, number]): msgpack.packb(
            [bytes(32), bytes(32), 0, 1, "SITTING"]
        )
        for number in (1, 2, 3)
    }


def small_limit(_call: list[Any], postings: list[Any], _time_s: int) -> dict[bytes, bytes | None]:
    row: list[Any] = [1, None, [], 1, 0, 0, 0, 0, 0, None, None, []]
    return {msgpack.packb(["member", postings[1][OWNER]]): msgpack.packb(row)}


def find_grant(blocks: list[Block]) -> tuple[int, Change]:
    """A grant of the fund, whose decision is gone the block before."""
    at, index = find_tx(
        blocks, "coin.transfer", 1, lambda call, out: call[2] is not None and bool(out[POSTINGS])
    )
    extra = no_decision(call_of(blocks[at][1][index]), [], 0)

    def change(block: Block) -> None:
        block[3] = block[3] | extra

    return at - 1, change


def unattested(blocks: list[Block]) -> tuple[int, Change]:
    """The statement that holds the entry of a mint was refused: no evidence."""
    at, index = find_tx(blocks, "coin.mint", 3)
    entry = call_of(blocks[at][1][index])[1]
    for before_, block in enumerate(blocks[:at]):
        for place, envelope in enumerate(block[1]):
            call = call_of(envelope)
            if call[0] == "coin.statement" and any(row[0] == entry for row in call[7]):

                def change(one: Block, place: int = place) -> None:
                    one[2][place][CODE] = 2119

                return before_, change
    raise AssertionError("the entry is of a statement")


def no_contribution(blocks: list[Block]) -> tuple[int, Change]:
    """The association did not pay the bank's costs after all."""
    at, index = find_tx(blocks, "coin.bank_entry", 1, lambda call, _out: call[2] == "CONTRIBUTION")

    def change(block: Block) -> None:
        block[2][index][CODE], block[2][index][POSTINGS] = 2104, []

    return at, change


def claim_more(blocks: list[Block]) -> tuple[int, Change]:
    """A voucher pays more than its cap of ten euros, and is booked so."""
    at, index = find_claim(blocks, "claim", "category", "cap")

    def change(block: Block) -> None:
        edit(block, index, set_field(3, 2_000))
        for posting in block[2][index][POSTINGS][:2]:
            posting[CENTS] = 2_000

    return at, change


def claim_elsewhere(blocks: list[Block]) -> tuple[int, Change]:
    """A pass is spent at somebody who has no shop in the wijk."""
    at, index = find_claim(blocks, "benefit", "area", "category", "cap", "sunset")
    stranger = blocks[at][2][index][POSTINGS][-2][OWNER]  # who bought

    def change(block: Block) -> None:
        edit(block, index, set_field(2, stranger))

    return at, change


def other_product(tag: list[Any]) -> list[Any]:
    return [tag[0], tag[1], "C02", tag[3]]


def other_key(proof: list[Any]) -> list[Any]:
    return [b"\x03" * 32, proof[1]]


def other_sender(fields: list[Any]) -> None:
    fields[1] = fields[4][1][:20]


PASS = ("benefit", "area", "category", "cap", "sunset")
VOUCHER = ("claim", "category", "cap")

FAULTS = [
    Fault("one_cent_more", edit_postings("coin.transfer", move_cent), {"I1", "I2"}),
    Fault("both_sides_more", edit_postings("coin.transfer", more(1)), {"I15"}),
    Fault("more_than_there_is", edit_postings("coin.transfer", more(10**9)), {"I3"}),
    Fault("another_payee", edit_postings("coin.transfer", another_payee), {"I15"}),
    Fault("a_refused_one_pays", refuse("coin.transfer", 2104, postings=True), {"I15"}),
    Fault("a_payment_not_made", refuse("coin.transfer", 2104), {"I15"}),
    Fault("no_contribution", no_contribution, {"I4"}),
    Fault("minted_too_much", edit_postings("coin.mint", more(100)), {"I5"}),
    Fault("paid_out_twice", again("coin.redeem_paid"), {"I5", "I6"}),
    Fault("minted_twice", again("coin.mint"), {"I6"}),
    Fault("minted_for_nothing", unattested, {"I6"}),
    Fault(
        "a_used_entry_stays_open",
        write("entry", lambda row: [*row[:5], None, row[6]], 200, lambda row: row[5] is not None),
        {"I6"},
    ),
    Fault("a_closing_balance", edit_call("coin.statement", 6, lambda cents: cents + 1, 40), {"I7"}),
    Fault(
        "an_opening_balance", edit_call("coin.statement", 5, lambda cents: cents + 1, 40), {"I7"}
    ),
    Fault("a_hold_posted_twice", again("coin.post"), {"I8"}),
    Fault("a_hold_that_stays", nothing_ends("coin.HoldExpired"), {"I8", "I15"}),
    Fault("a_hold_posted_in_part", write("hold", lambda row: [*row[:7], "VOIDED", 0], 600), {"I8"}),
    Fault("more_given_back", edit_call("coin.correct", 4, lambda cents: 3 * cents), {"I9"}),
    Fault("a_payment_that_cites", edit_postings("coin.transfer", cite), {"I9"}),
    Fault(
        "a_correction_forgotten",
        write("paid", lambda row: [*row[:4], 0, *row[5:]], 700, lambda row: row[4] > 0),
        {"I9"},
    ),
    Fault("a_correction_of_nothing", edit_call("coin.correct", 1, bytes(32)), {"I9"}),
    Fault(
        "a_pool_with_more",
        write("policy", lambda row: [*row[:9], row[9] + 1, *row[10:]], 900),
        {"I10"},
    ),
    Fault("p1_elsewhere", claim_elsewhere, {"I10"}),
    Fault("p2_tobacco", edit_claim(set_field(7, other_product), *VOUCHER), {"I10"}),
    Fault("p3_unknown_token", edit_claim(set_field(6, other_key), *PASS), {"I10"}),
    Fault("p5_above_the_cap", claim_more, {"I10"}),
    Fault("p7_somebody_else", edit_claim(other_sender, "escrow", name="policy.release"), {"I10"}),
    Fault(
        "p8_another_price",
        edit_claim(set_field(3, 1), "collective_buy", name="policy.release"),
        {"I10"},
    ),
    Fault("p9_unknown_line", edit_claim(set_field(4, "REIS"), "claim", "budget"), {"I10"}),
    Fault("p11_matched_twice", again("policy.claim", "match", "expiry"), {"I10"}),
    Fault("p12_paid_twice", again("policy.claim", "recurring"), {"I10"}),
    Fault("p14_another_share", edit_shares(another_payee, "claim", "budget"), {"I15"}),
    Fault("p15_a_pool_that_stays", nothing_ends("policy.PolicyClosed"), {"I10", "I15"}),
    Fault("a_fund_without_decision", find_grant, {"I11"}),
    Fault("one_treasurer", signed_by_one("coin.mint"), {"I11"}),
    Fault("a_board_after_its_term", before("coin.mint", no_term), {"I11"}),
    Fault("a_frozen_account_pays", before("coin.transfer", freeze_payer), {"I12"}),
    Fault("a_wallet_above_its_limit", before("coin.transfer", small_limit), {"I13"}),
    Fault("a_debt_of_one_side", edit_postings("trade.pay", last_pair_less), {"I14"}),
    Fault("a_balance_by_itself", write("bal", lambda cents: cents + 1, 300), {"I15"}),
    Fault("a_lost_write", lose("supply"), {"I15"}),
    Fault(
        "a_table_that_lies", write("table", lambda rows: [[*rows[0][:3], rows[0][3][1:]]]), {"S2"}
    ),
]
