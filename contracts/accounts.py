"""Accounts: keys that rotate, thresholds, and decisions that people share (economy B4, B6)."""

from typing import Annotated

import msgspec

from chain.codec import Digest, PublicKey, Record, Signature, Uint, encode
from chain.contract import (
    PERSONS_MIN,
    Call,
    Context,
    Contract,
    Word,
    call_name,
    get_number_of_signatures,
)
from chain.crypto import is_valid_key, verify
from chain.errors import Code, Malformed, Reject, require
from chain.keyspaces import (
    ACCOUNTS,
    BOARD,
    NEXT_KEY,
    REGISTRY,
    ROLE,
    SEATS,
    TREASURY,
    AccountKey,
    AccountRecord,
    get_role,
)
from chain.params import DAY_S
from chain.state import Keyspace

KEYS_MAX = 16  # economy B4: active keys of one account
GUARDIANS_MAX = 5
LIFE_S = 30 * DAY_S  # economy B6: a proposal that nobody finished in a month is dead
CALL_BYTES_MAX = 16 * 1024  # what fits an envelope beside everything else

OPEN, EXECUTED, REFUSED, CANCELLED = "OPEN", "EXECUTED", "REFUSED", "CANCELLED"

InnerCall = Annotated[bytes, msgspec.Meta(min_length=1, max_length=CALL_BYTES_MAX)]


class Proposal(Record, frozen=True):
    """`proposal/<id>`: a call that waits for approvals; `code` is why it was refused, or 0."""

    account: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    call: InnerCall
    expires: Uint
    proposer: PublicKey
    approvals: tuple[PublicKey, ...]
    status: str
    code: Uint


PROPOSALS: Keyspace[Proposal] = Keyspace("proposal", Proposal, 1)


class NewKey(Record, frozen=True):
    """A key to add; `proof` is its own signature over chain, account and key (interfaces 4)."""

    key: PublicKey
    holder: Digest
    proof: Signature


class SetKeys(Record, frozen=True, tag="accounts.set_keys"):
    """Replace the key set of the own account at once."""

    add: Annotated[tuple[NewKey, ...], msgspec.Meta(max_length=KEYS_MAX)]
    revoke: Annotated[tuple[PublicKey, ...], msgspec.Meta(max_length=KEYS_MAX)]
    guardians: Annotated[tuple[PublicKey, ...], msgspec.Meta(max_length=GUARDIANS_MAX)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=KEYS_MAX)]


class Propose(Record, frozen=True, tag="accounts.propose"):
    """B6: put a call of a shared account up for approval; counts as the first approval."""

    call: InnerCall
    expires: Uint


class Approve(Record, frozen=True, tag="accounts.approve"):
    """B6: approve; the approval that reaches the number needed runs the call."""

    proposal: Digest


class Cancel(Record, frozen=True, tag="accounts.cancel"):
    """Close a proposal: by the key that proposed it, or by the account as a whole."""

    proposal: Digest


def proof_bytes(chain_digest: bytes, account: bytes, key: bytes) -> bytes:
    """Return what a new key signs to show that somebody has it (interfaces 4)."""
    return encode(("wijk.key.1", chain_digest, account, key))


def set_keys(ctx: Context, call: SetKeys) -> None:
    """economy B4. Refuses unknown-id, no-proof, last-key, threshold, same-holder, board-account."""
    account = ctx.account
    active = {key.key for key in account.keys}
    require(all(key in active for key in call.revoke), Code.TX_UNKNOWN_ID)
    added = [new.key for new in call.add]
    require(len(set(added)) == len(added), Code.ACCOUNTS_NO_PROOF)
    for new in call.add:
        proven = is_valid_key(new.key) and verify(
            new.key, proof_bytes(ctx.chain.digest, ctx.sender, new.key), new.proof
        )
        require(proven and new.key not in active, Code.ACCOUNTS_NO_PROOF)
    usable = all(is_valid_key(key) for key in call.guardians)
    require(usable and len(set(call.guardians)) == len(call.guardians), Code.ACCOUNTS_NO_PROOF)
    kept = tuple(key for key in account.keys if key.key not in call.revoke)
    require(len(kept) + len(added) > 0, Code.ACCOUNTS_LAST_KEY)
    first = NEXT_KEY.get(ctx.state, ctx.sender)
    if first is None:
        first = account.keys[-1].index + 1  # keys never changed, so the last index is the highest
    new_keys = tuple(
        AccountKey(first + place, new.key, new.holder, ctx.height)
        for place, new in enumerate(call.add)
    )
    keys = (*kept, *new_keys)
    holders = {key.holder for key in keys}
    reachable = call.threshold <= min(len(holders), KEYS_MAX) and len(keys) <= KEYS_MAX
    require(reachable, Code.ACCOUNTS_THRESHOLD)
    if _is_role_account(ctx, account):
        two = call.threshold >= PERSONS_MIN and len(holders) >= PERSONS_MIN
        require(two, Code.ACCOUNTS_SAME_HOLDER)
    seat = _find_own_seat(ctx, account, call) if account.kind == BOARD else None

    record = msgspec.structs.replace(
        account, keys=keys, guardians=call.guardians, threshold=call.threshold
    )
    ACCOUNTS.put(ctx.state, record, ctx.sender)
    NEXT_KEY.put(ctx.state, first + len(added), ctx.sender)
    if seat is not None:
        _move_seat(ctx, account.wijk, seat, call.add[0])
    ctx.emit("accounts.KeysChanged", ctx.sender, len(keys), call.threshold)


def propose(ctx: Context, call: Propose) -> None:
    """economy B6. Refuses malformed, not-shared, nested, too-long."""
    inner = _decode(ctx, call.call)
    require(not isinstance(inner, Propose | Approve | Cancel), Code.ACCOUNTS_NESTED)
    needed = _needed(ctx, ctx.account, inner)
    require(needed > 1, Code.ACCOUNTS_NOT_SHARED)
    lives = ctx.time_s < call.expires <= ctx.time_s + LIFE_S
    require(lives, Code.ACCOUNTS_TOO_LONG)

    proposer = ctx.signers[0].key
    proposal = ctx.new_id()
    record = Proposal(ctx.sender, call.call, call.expires, proposer, (proposer,), OPEN, 0)
    PROPOSALS.put(ctx.state, record, proposal)
    ctx.emit("accounts.Proposed", proposal, call_name(inner), 1, needed)


def approve(ctx: Context, call: Approve) -> None:
    """economy B6. Refuses unknown-id, done, expired, revoked-key, already-approved."""
    record = _get_own(ctx, call.proposal)
    require(record.status == OPEN, Code.ACCOUNTS_DONE)
    require(ctx.time_s < record.expires, Code.ACCOUNTS_EXPIRED)
    keys = {key.key: key for key in ctx.account.keys}
    require(record.proposer in keys, Code.ACCOUNTS_REVOKED_KEY)
    counted = tuple(keys[key] for key in record.approvals if key in keys)
    signer = ctx.signers[0]
    fresh = all(signer.holder != other.holder for other in counted)
    require(fresh, Code.ACCOUNTS_ALREADY_APPROVED)

    approvals = (*counted, signer)
    inner = _decode(ctx, record.call)
    needed = _needed(ctx, ctx.account, inner)
    record = msgspec.structs.replace(record, approvals=tuple(key.key for key in approvals))
    ctx.emit("accounts.Approved", call.proposal, len(approvals), needed)
    if len(approvals) >= needed:
        record = _run(ctx, call.proposal, record, approvals[:needed])
    PROPOSALS.put(ctx.state, record, call.proposal)


def cancel(ctx: Context, call: Cancel) -> None:
    """economy section 4. Refuses unknown-id, done, not-party."""
    record = _get_own(ctx, call.proposal)
    require(record.status == OPEN, Code.ACCOUNTS_DONE)
    whole = len(ctx.signers) == ctx.account.threshold
    party = whole or ctx.signers[0].key == record.proposer
    require(party, Code.ACCOUNTS_NOT_PARTY)

    PROPOSALS.put(ctx.state, msgspec.structs.replace(record, status=CANCELLED), call.proposal)
    ctx.emit("accounts.Cancelled", call.proposal)


def _run(
    ctx: Context, proposal: bytes, record: Proposal, signers: tuple[AccountKey, ...]
) -> Proposal:
    """Run the inner call once; a refusal writes nothing and closes the proposal (B6)."""
    ordered = tuple(sorted(signers, key=lambda key: key.index))
    refusal = ctx.run(record.call, ctx.sender, ordered)
    if refusal is None:
        ctx.emit("accounts.Executed", proposal)
        return msgspec.structs.replace(record, status=EXECUTED)
    ctx.emit("accounts.ExecutionRefused", proposal, refusal.code.number)
    return msgspec.structs.replace(record, status=REFUSED, code=refusal.code.number)


def _get_own(ctx: Context, proposal: bytes) -> Proposal:
    record = PROPOSALS.get(ctx.state, proposal)
    if record is None or record.account != ctx.sender:
        raise Reject(Code.TX_UNKNOWN_ID)
    return record


def _decode(ctx: Context, call: bytes) -> object:
    """Return the inner call, or refuse bytes that are none of this version."""
    try:
        return ctx.chain.table.decode(call)
    except Malformed:
        raise Reject(Code.TX_MALFORMED) from None


def _needed(ctx: Context, account: AccountRecord, inner: object) -> int:
    """Return how many signatures the first word of a call asks of this account (B5)."""
    word = ctx.chain.table.spec(inner).words[0]
    return get_number_of_signatures(ctx.state, account, word, ctx.time_s)


def _is_role_account(ctx: Context, account: AccountRecord) -> bool:
    if account.kind == ROLE:
        return True
    for role in (TREASURY, REGISTRY):
        held = get_role(ctx.state, account.wijk, role, ctx.clock.epoch, ctx.time_s)
        if held is not None and held.account == ctx.sender:
            return True
    return False


def _find_own_seat(ctx: Context, account: AccountRecord, call: SetKeys) -> int:
    """Return the number of the one seat that replaces its own key, or refuse `board-account`.

    A board's seats follow from elections: nobody adds or removes one by changing keys.
    """
    one = len(call.add) == 1 and len(call.revoke) == 1 and call.threshold == account.threshold
    require(one, Code.ACCOUNTS_BOARD_ACCOUNT)
    old = next(key for key in account.keys if key.key == call.revoke[0])
    same = old in ctx.signers and call.add[0].holder == old.holder
    require(same, Code.ACCOUNTS_BOARD_ACCOUNT)
    number = 1
    while (seat := SEATS.get(ctx.state, account.wijk, number)) is not None:
        if seat.key == old.key:
            return number
        number += 1
    raise Reject(Code.ACCOUNTS_BOARD_ACCOUNT)


def _move_seat(ctx: Context, wijk: str, number: int, new: NewKey) -> None:
    seat = SEATS.get(ctx.state, wijk, number)
    assert seat is not None, "the seat was found by its key"
    SEATS.put(ctx.state, msgspec.structs.replace(seat, key=new.key), wijk, number)


CONTRACT = Contract(
    "accounts",
    calls=(
        Call(SetKeys, (Word.HOLDER,), set_keys, never_tripped=True),
        Call(Propose, (Word.ONE_KEY,), propose),
        Call(Approve, (Word.ONE_KEY,), approve),
        Call(Cancel, (Word.ONE_KEY, Word.HOLDER), cancel),
    ),
)
