"""An order before it is sent: for which account, by which keys, with how many signatures.

A person names keys; the account is the one whose active keys they are. A key file names the account
of a first key; whose a later key is, the chain knows (economy B4, B5).
"""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chain.address import parse_account
from chain.call_json import call_to_json
from chain.contract import Table, Word
from chain.crypto import sha256, sign
from chain.keyspaces import BOARD, ROLE, AccountRecord
from chain.records import carry
from chain.texts import Problem
from chain.validators import quorum
from contracts import CONTRACTS
from node.client import BUSY, NOT_ALLOWED, SIGNATURE_REQUIRED, Sign, make_sign
from wallet.contacts import Party
from wallet.files import write_new
from wallet.kept_accounts import Kept, forget_account, keep_account, load_kept
from wallet.keystore import KeyFile, disable_core_dumps, load_key, unlock
from wallet.outbox import Sent
from wallet.people import holds_key, own_key, resolve_who
from wallet.send import Result, draft_result, send
from wallet.sign import (
    build_body,
    encode_draft,
    make_draft,
    sign_body,
    sign_draft,
    unsigned_body,
)
from wallet.times import now_s
from wallet.trust import is_live, trusted_policy
from wallet.verify import find_value, prove_value

if TYPE_CHECKING:
    from chain.policy import Policy
    from wallet.terminal import Terminal

TABLE = Table(CONTRACTS)
NONCE_BYTES = 16
REFUSED = (SIGNATURE_REQUIRED, NOT_ALLOWED)
NOT_FOUND = 3007
VALID_S_MAX = 600  # interfaces 4: `max_validity_s`
VALID_MS_DEFAULT = 300_000
AMOUNTS = frozenset(  # the fields of calls that are amounts (economy section 4)
    ("cents", "allowance", "opening", "closing", "limit", "total", "vat")
) | frozenset(("vol_hour", "vol_month", "vol_year"))
AMOUNTS |= frozenset(  # of policy scripts (economy section 6)
    ("per_payment", "per_day", "per_month", "per_payee_month", "per_token_month")
) | frozenset(("per_use_max", "per_period_max", "per_payment_max", "max_total"))
AMOUNTS |= frozenset(("min_cents", "unit_cents", "cap_in", "cap_out"))


class Order(msgspec.Struct, frozen=True):
    """A transaction body, the account it is for, and the own keys that will sign it, by index."""

    policy: "Policy"
    account: dict[str, Any]
    call: Any
    body: bytes
    need: int
    keys: dict[int, KeyFile]

    @property
    def is_complete(self) -> bool:
        """Say whether the keys at hand are enough."""
        return len(self.keys) == self.need


def find_account(terminal: "Terminal", keys: Sequence[KeyFile]) -> dict[str, Any]:
    """Return the `query account` object of the account that all these keys are of.

    The account named after a key comes first. A later key's is asked of the chain by the key
    itself, proven, and kept (ADR 0101). Raise `Problem` 2008 where the chain knows none, 2002 where
    the keys are of several, 5001 or 5002 where a node says of an account what it cannot prove.
    """
    terminal.reader = keys[0]
    later = [one.account for key in keys if (one := _check_kept(terminal, key)) is not None]
    seen = list(dict.fromkeys([key.account for key in keys] + later))
    for name in seen:
        account = _look_up(terminal, name)
        if account is not None and all(holds_key(account, key) is not None for key in keys):
            return account
    for name, _ in held_by(terminal, keys[0]):
        account = None if name in seen else _look_up(terminal, name)
        if account is not None and all(holds_key(account, key) is not None for key in keys):
            return account | _prove_held(terminal, name, keys)
    if len(keys) > 1:
        raise Problem(2002, key=", ".join(key.name for key in keys))
    raise Problem(2008, account=keys[0].account)


def held_by(terminal: "Terminal", key_file: KeyFile) -> list[tuple[str, int]]:
    """Return the accounts of a key with its index in each, as a node says; once a run is enough.

    Where only members read it tells the key itself alone, so the key asks (interfaces 2.3). A node
    of before that route knows of none.
    """
    found = terminal.held.get(key_file.public_key)
    if found is None:
        ask = lambda: _sign_as(terminal, key_file, key_file.account, 0)  # noqa: E731 - used once
        try:
            found = terminal.client.accounts_of(key_file.public_key, ask)
        except Problem as problem:
            if problem.number != NOT_FOUND:
                raise
            found = []
        terminal.held[key_file.public_key] = found
    return found


def _prove_held(terminal: "Terminal", name: str, keys: Sequence[KeyFile]) -> dict[str, Any]:
    """Return what is proven of an account that a node says the keys are of; else `Problem` 5001.

    Money is asked for on this account, so a node's word is not enough. It is kept for keys that are
    proven not to be of the account named after them. Boards and offices are found anew each time:
    people come and go.
    """
    prove = terminal.client.state_proof
    record = prove_value(prove, f"account/{name}", AccountRecord, trusted_policy(terminal))
    index = {held.key: held.index for held in record.keys}
    if not all(key.key in index for key in keys):
        raise Problem(5001, cause=name)
    for key in keys if record.kind not in (BOARD, ROLE) else ():
        if _is_of(terminal, key, key.account) is False:
            keep_account(terminal.home, key, name, index[key.key])
    return {
        "kind": record.kind.lower(),
        "wijk": record.wijk,
        "threshold": record.threshold,
        "keys": [
            {"index": one.index, "public_key": one.key.hex(), "added_height": one.added_height}
            for one in record.keys
        ],
    }


def _check_kept(terminal: "Terminal", key: KeyFile) -> Kept | None:
    """Return what is kept of a key; forget it where a proof shows that it does not hold (any more).

    So it is where the account named after the key has it, or the kept account has it no longer.
    """
    known = load_kept(terminal.home).get(key.public_key)
    if known is None:
        return None
    if _is_of(terminal, key, key.account) or _is_of(terminal, key, known.account) is False:
        forget_account(terminal.home, key)
        return None
    return known


def _is_of(terminal: "Terminal", key: KeyFile, account: str) -> bool | None:
    """Say whether a key is proven to be of an account or not; None where the node does not tell."""
    proof, policy = terminal.client.state_proof, trusted_policy(terminal)
    try:
        record = find_value(proof, f"account/{account}", AccountRecord, policy)
    except Problem as problem:
        if problem.number in REFUSED:
            return None
        raise
    return record is not None and any(held.key == key.key for held in record.keys)


def _look_up(terminal: "Terminal", account: str) -> dict[str, Any] | None:
    """Return an account, or None where there is none that this person may see."""
    try:
        return terminal.client.find_account(account)
    except Problem as problem:
        if problem.number in REFUSED:
            return None
        raise


def who_or_own(terminal: "Terminal", who: str | None) -> Party:
    """Return WHO, or without one the account of the own key."""
    if who is not None:
        return resolve_who(terminal, who)
    key_file = own_key(terminal)
    return Party(parse_account(find_account(terminal, [key_file])["account"]), key_file.name, "key")


def wijk_or_own(terminal: "Terminal", wijk: str | None) -> str:
    """Return the wijk that was named, that of the own account, or the only one there is."""
    if wijk is not None:
        return wijk
    try:
        return str(find_account(terminal, [own_key(terminal)])["wijk"])
    except Problem:
        slugs = [one["slug"] for one in terminal.client.wijken()]
        if len(slugs) == 1:
            return str(slugs[0])
        cause = terminal.text(
            f"welke --wijk? {', '.join(slugs)}", f"which --wijk? {', '.join(slugs)}"
        )
        raise Problem(1001, cause=cause) from None


def prepare_order(
    terminal: "Terminal",
    account: dict[str, Any],
    keys: Sequence[KeyFile],
    call: Any,
    valid_for_ms: int = VALID_MS_DEFAULT,
    *,
    nonce: bytes | None = None,
) -> Order:
    """Return the order of `call` by `account`; raise `Problem` where the keys are too many.

    `nonce` is given where something in the call signed it, else drawn.
    """
    if not 0 < valid_for_ms <= VALID_S_MAX * 1000:
        raise Problem(1001, cause="valid-for")
    policy = trusted_policy(terminal)
    need = signatures_needed(terminal, account, TABLE.spec(call).words, len(keys))
    by_index = {index: key for key in keys if (index := holds_key(account, key)) is not None}
    if len(by_index) != len(keys) or len(keys) > need:
        raise Problem(2002, have=len(keys), need=need)
    body = build_body(
        bytes.fromhex(policy.chain_digest),
        parse_account(account["account"]),
        secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce,
        now_s() + max(1, valid_for_ms // 1000),
        call,
    )
    return Order(policy, account, call, body, need, by_index)


def named_keys(terminal: "Terminal", names: Sequence[str]) -> list[KeyFile]:
    """Return the keys that were named, each once; without names the own key."""
    if not names:
        return [own_key(terminal)]
    if len(set(names)) < len(names):
        raise Problem(1001, cause="draft-signed-twice")
    return [load_key(terminal.home, name) for name in names]


def signatures_needed(
    terminal: "Terminal", account: dict[str, Any], words: Sequence[Word], have: int
) -> int:
    """Return how many signatures a call of these words asks of an account (interfaces 4).

    Where it names several words the number of any one of them will do; then `have`, if it fits.
    """
    numbers = _numbers_of(terminal, account, words)
    return have if have in numbers else max(numbers)


def approvals_needed(terminal: "Terminal", account: dict[str, Any], words: Sequence[Word]) -> int:
    """Return how many keys must approve a call of these words; the fewest will do (economy B6)."""
    return min(_numbers_of(terminal, account, words))


def _numbers_of(terminal: "Terminal", account: dict[str, Any], words: Sequence[Word]) -> set[int]:
    numbers = {
        _number_of(terminal, account, word) for word in words if word not in (Word.EFFECT, Word.FED)
    }
    return numbers or {int(account["threshold"])}


def _number_of(terminal: "Terminal", account: dict[str, Any], word: Word) -> int:
    if word in (Word.ONE_KEY, Word.SEAT):
        return 1
    if word in (Word.SEAT2, Word.GUARDIANS):
        return 2
    if word is Word.BOARD23 and account["kind"] == "board":
        return quorum(len(terminal.client.board(account["wijk"])["seats"]))
    return int(account["threshold"])


def unlock_keys(
    terminal: "Terminal", policy: "Policy", keys: Sequence[KeyFile]
) -> dict[str, bytes]:
    """Return the seeds of keys by name; asks a passphrase each, or reads it once a run."""
    disable_core_dumps()
    live = any(key.test_only for key in keys) and is_live(terminal, policy)
    settings = terminal.settings
    shared: str | None = None
    for key in keys:
        if key.name in terminal.seeds:
            continue
        word = shared
        if word is None:
            word = terminal.passphrase(f"Wachtzin van {key.name}", f"Passphrase of {key.name}")
        if settings.passphrase_fd is not None or settings.passphrase_file is not None:
            shared = word
        terminal.seeds[key.name] = unlock(key, word, live=live)
    return {key.name: terminal.seeds[key.name] for key in keys}


def reading_signs(terminal: "Terminal") -> Iterator[Sign]:
    """Yield what signs this person's questions to a node that asks who reads (interfaces 2.3).

    A key may be of several accounts: one for each, in the order in which to try them. A node is
    asked for the others only once those that are known here may not read. Strangers can keep that
    question busy; then these are all there are.
    """
    key = terminal.reader or own_key(terminal)
    kept = load_kept(terminal.home).get(key.public_key)
    known = [(key.account, 0)] if kept is None else [(kept.account, kept.index), (key.account, 0)]
    for account, index in known:
        yield _sign_as(terminal, key, account, index)
    try:
        held = held_by(terminal, key)
    except Problem as problem:
        if problem.number not in (BUSY, *REFUSED):
            raise
        return
    for account, index in held:
        if (account, index) not in known:
            yield _sign_as(terminal, key, account, index)


def _sign_as(terminal: "Terminal", key: KeyFile, account: str, index: int) -> Sign:
    seed = unlock_keys(terminal, trusted_policy(terminal), [key])[key.name]
    return make_sign(
        account, index, lambda message: sign(seed, message), now_s, lambda: secrets.token_hex(16)
    )


def sign_order(terminal: "Terminal", order: Order) -> bytes:
    """Return the envelope bytes of a complete order."""
    assert order.is_complete
    seeds = unlock_keys(terminal, order.policy, list(order.keys.values()))
    return sign_body(order.body, {index: seeds[key.name] for index, key in order.keys.items()})


def trial_of(order: Order) -> bytes:
    """Return the bytes with which a node tries an order out; they hold no signature.

    Where more keys are needed than are at hand, others of the account stand in.
    """
    indexes = list(order.keys)
    others = [int(key["index"]) for key in order.account["keys"]]
    indexes += [index for index in others if index not in indexes]
    return unsigned_body(order.body, indexes[: order.need])


def write_draft(terminal: "Terminal", order: Order, name: str) -> Path:
    """Sign with the keys at hand and write a draft for the others; return the file."""
    seeds = unlock_keys(terminal, order.policy, list(order.keys.values()))
    draft = make_draft(order.body, order.need)
    for index, key in sorted(order.keys.items()):
        draft = sign_draft(draft, index, seeds[key.name])
    path = Path(f"{name}-{sha256(order.body)[:4].hex()}.draft.json")
    write_new(path, encode_draft(draft))
    return path


def send_call(
    terminal: "Terminal",
    call: Any,
    names: Sequence[str],
    draft_name: str,
    said: tuple[str, str],
    *,
    account: dict[str, Any] | None = None,
    blobs: Sequence[bytes] = (),
) -> Result:
    """Sign a call with the named keys and send it; with too few of them write a draft instead.

    `said` tells in Dutch and English what will happen; it is asked first (interfaces 1.2). `blobs`
    travel beside the call; a draft holds their digests alone, and who sends it has them too.
    """
    keys = named_keys(terminal, names)
    found = find_account(terminal, keys) if account is None else account
    order = prepare_order(terminal, found, keys, call)
    terminal.say(*said)
    return confirm_and_send(terminal, order, draft_name, blobs)


def confirm_and_send(
    terminal: "Terminal", order: Order, draft_name: str, blobs: Sequence[bytes] = ()
) -> Result:
    """Ask, then sign and send an order; with too few keys write a draft instead."""
    if terminal.flag("verbose"):
        for line in call_lines(terminal, call_to_json(TABLE, order.call)):
            terminal.say(line, line)
    terminal.confirm("Klopt dit?", "Is this right?")
    if not order.is_complete:
        path = write_draft(terminal, order, draft_name)
        return draft_result(path, len(order.keys), order.need)
    raw = carry(sign_order(terminal, order), blobs)
    return send(terminal, order.policy, Sent(raw, None, None, None))


def call_lines(terminal: "Terminal", tree: Any, indent: str = "  ") -> list[str]:
    """Return a call for people: one field a line, amounts as money."""
    lines: list[str] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *call_lines(terminal, value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{indent}{name}:")
            for item in value:
                lines += call_lines(terminal, item, indent + "  - ")
        elif name in AMOUNTS and isinstance(value, int):
            lines.append(f"{indent}{name}: {terminal.money(value)}")
        elif isinstance(value, list):
            lines.append(f"{indent}{name}: {', '.join(map(str, value)) or '-'}")
        else:
            lines.append(f"{indent}{name}: {'-' if value is None else value}")
    return lines
