"""Accounts: keys that rotate, thresholds, and decisions that people share (economy B4, B6)."""

from typing import Annotated, Any

import msgspec

from chain.codec import Digest, PublicKey, Record, Signature, Uint
from chain.contract import (
    GUARDIAN_INDEX,
    PERSONS_MIN,
    Call,
    Context,
    Contract,
    Matter,
    Word,
    call_name,
    get_counting,
    get_number_of_signatures,
    get_words,
)
from chain.crypto import is_valid_key, verify
from chain.errors import Code, Reject, require
from chain.keyspaces import (
    ACCOUNTS,
    BOARD,
    NEXT_KEY,
    REGISTRY,
    ROLE,
    SEATS,
    SET_NEXT,
    TREASURY,
    AccountKey,
    AccountRecord,
    Seat,
    get_role,
    note_past_keys,
)
from chain.params import DAY_S
from chain.records import SIGNATURES_MAX
from chain.recovery import RECOVERIES, RECOVERING
from chain.set_change import get_members
from chain.shared import PROPOSALS, InnerCall, Proposal, key_proof_bytes

KEYS_MAX = SIGNATURES_MAX  # economy B4: active keys of one account
KEYS_EVER_MAX = GUARDIAN_INDEX  # economy B5: from this index on, guardians sign
GUARDIANS_MAX = 5  # economy section 4
LIFE_S = 30 * DAY_S  # economy B6: a proposal that nobody finished in a month is dead

OPEN, EXECUTED, REFUSED, CANCELLED = "OPEN", "EXECUTED", "REFUSED", "CANCELLED"


class NewKey(Record, frozen=True):
    """A key to add; `proof` is its own signature over chain, account and key (interfaces 4)."""

    key: PublicKey
    holder: Digest
    proof: Signature


class SetKeys(Record, frozen=True, tag="accounts.set_keys"):
    """B4: add and revoke keys of the own account, and set its guardians and threshold."""

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
    """Close a proposal: by the key that proposed it, or by the account as a whole; or stop a
    recovery, by any current key.
    """

    proposal: Digest


def set_keys(ctx: Context, call: SetKeys) -> None:
    """economy B4. Refuses unknown-id, no-proof, last-key, threshold, same-holder, board-account.

    A threshold stays in reach: one holder counts once, so it is at most the number of holders.
    """
    account = ctx.account
    active = {key.key for key in account.keys}
    revoked = set(call.revoke)
    require(revoked <= active and len(revoked) == len(call.revoke), Code.TX_UNKNOWN_ID)
    _check_new_keys(ctx, call, active)
    kept = tuple(key for key in account.keys if key.key not in revoked)
    require(len(kept) + len(call.add) > 0, Code.ACCOUNTS_LAST_KEY)
    # Before the first change the indexes are those of genesis or of the first key: no gaps.
    first = NEXT_KEY.get(ctx.state, ctx.sender) or len(account.keys)
    added = tuple(
        AccountKey(first + place, new.key, new.holder, ctx.height)
        for place, new in enumerate(call.add)
    )
    keys = (*kept, *added)
    holders = {key.holder for key in keys}
    fits = len(keys) <= KEYS_MAX and first + len(added) <= KEYS_EVER_MAX
    require(fits and call.threshold <= len(holders), Code.ACCOUNTS_THRESHOLD)
    if account.kind == ROLE:
        require(min(call.threshold, len(holders)) >= PERSONS_MIN, Code.ACCOUNTS_SAME_HOLDER)
    seat = _find_own_seat(ctx, account, call) if account.kind == BOARD else None

    changed = msgspec.structs.replace(
        account, keys=keys, guardians=call.guardians, threshold=call.threshold
    )
    note_past_keys(ctx.state, ctx.sender, account.keys, keys)
    ACCOUNTS.put(ctx.state, changed, ctx.sender)
    NEXT_KEY.put(ctx.state, first + len(added), ctx.sender)
    if seat is not None:
        number, record = seat
        moved = msgspec.structs.replace(record, key=added[0].key)
        SEATS.put(ctx.state, moved, account.wijk, number)
    indexes = [key.index for key in keys]
    ctx.emit("accounts.KeysChanged", ctx.sender, call.threshold, *indexes)


def _check_new_keys(ctx: Context, call: SetKeys, active: set[bytes]) -> None:
    """Refuse with no-proof a key that nobody showed to have, that stands twice, or is unusable."""
    names = [new.key for new in call.add]
    require(len(set(names)) == len(names) and active.isdisjoint(names), Code.ACCOUNTS_NO_PROOF)
    usable = all(is_valid_key(key) for key in (*names, *call.guardians))
    require(usable and len(set(call.guardians)) == len(call.guardians), Code.ACCOUNTS_NO_PROOF)
    for new in call.add:
        message = key_proof_bytes(ctx.chain.digest, ctx.sender, new.key)
        require(verify(new.key, message, new.proof), Code.ACCOUNTS_NO_PROOF)
    if ctx.account.kind in (BOARD, ROLE):
        require(_get_office_keys(ctx).isdisjoint(names), Code.ACCOUNTS_NO_PROOF)


def _get_office_keys(ctx: Context) -> frozenset[bytes]:
    """Return the keys of the other offices of this wijk, and of all nodes (economy C3).

    Board key, registrar key and validator key of one person are different keys: whoever gets hold
    of one of them holds one office.
    """
    nodes = get_members(ctx.state, SET_NEXT)
    keys = [key for node in nodes for key in (node.key, node.transport_key)]
    accounts = [ctx.wijk.board]
    for role in (TREASURY, REGISTRY):
        held = get_role(ctx.state, ctx.wijk_id, role, ctx.clock.epoch, ctx.time_s)
        accounts += [held.account] if held is not None else []
    for name in accounts:
        other = ACCOUNTS.get(ctx.state, name)
        if other is not None and name != ctx.sender:
            keys += [key.key for key in other.keys]
    return frozenset(keys)


def _find_own_seat(ctx: Context, account: AccountRecord, call: SetKeys) -> tuple[int, Seat]:
    """Return number and record of the seat that replaces its own key, or refuse board-account.

    Seats follow from elections: nobody adds, removes or replaces another's by changing keys, so
    the old key is one of those that signed, and the new one has the same holder.
    """
    one = len(call.add) == len(call.revoke) == 1
    same = (call.threshold, call.guardians) == (account.threshold, account.guardians)
    require(one and same, Code.ACCOUNTS_BOARD_ACCOUNT)
    own = [key for key in ctx.signers if key.key == call.revoke[0]]
    require(bool(own) and call.add[0].holder == own[0].holder, Code.ACCOUNTS_BOARD_ACCOUNT)
    number = 1
    while (seat := SEATS.get(ctx.state, account.wijk, number)) is not None:
        if seat.key == call.revoke[0]:
            return number, seat
        number += 1
    raise Reject(Code.ACCOUNTS_BOARD_ACCOUNT)


def propose(ctx: Context, call: Propose) -> None:
    """economy B6. Refuses malformed, role, not-shared, nested, too-long, expired."""
    inner = ctx.chain.table.decode_inner(call.call)
    word, need = _get_need(ctx, inner, _get_matter(ctx, inner))
    nested = isinstance(inner, Propose | Approve | Cancel)  # which one key may send by themselves
    require((ctx.account.threshold if nested else need) > 1, Code.ACCOUNTS_NOT_SHARED)
    require(not nested, Code.ACCOUNTS_NESTED)
    require(call.expires <= ctx.time_s + LIFE_S, Code.ACCOUNTS_TOO_LONG)
    require(ctx.time_s < call.expires, Code.ACCOUNTS_EXPIRED, until_at=call.expires)
    matter = _get_matter(ctx, inner)
    counting = _get_counting(ctx, word, ctx.signers, matter)
    require(counting == ctx.signers, Code.TX_ROLE, role=word.value)

    proposal = ctx.new_id()
    own = ctx.signers[0].index
    record = Proposal(ctx.sender, call.call, call.expires, own, (own,), OPEN, 0)
    PROPOSALS.put(ctx.state, record, proposal)
    ctx.emit("accounts.Proposed", proposal, ctx.sender, call_name(inner), own, 1, need)


def approve(ctx: Context, call: Approve) -> None:
    """economy B6. Refuses unknown-id, done, expired, already-approved, revoked-key.

    Runs the call when the number its authority asks is reached, with exactly so many signers:
    those who approved first and whose keys still count.
    """
    record = _get_proposal(ctx, call.proposal)
    require(record.account == ctx.sender, Code.TX_UNKNOWN_ID, id=call.proposal.hex())
    require(record.status == OPEN, Code.ACCOUNTS_DONE)
    require(ctx.time_s < record.expires, Code.ACCOUNTS_EXPIRED, until_at=record.expires)
    inner = ctx.chain.table.decode_inner(record.call)
    matter = _get_matter(ctx, inner, call.proposal)
    word, need = _get_need(ctx, inner, matter)
    (signer,) = ctx.signers
    keys = [ctx.account.key_at(index) for index in record.approvals]
    before = _get_counting(ctx, word, tuple(key for key in keys if key is not None), matter)
    again = any(key.holder == signer.holder for key in before)
    require(not again, Code.ACCOUNTS_ALREADY_APPROVED)
    counting = _get_counting(ctx, word, (*before, signer), matter)
    require(signer in counting, Code.ACCOUNTS_REVOKED_KEY)  # the seat of this key has ended

    approvals = (*record.approvals, signer.index)
    record = msgspec.structs.replace(record, approvals=approvals)
    ctx.emit("accounts.Approved", call.proposal, signer.index, len(counting), need)
    if len(counting) < need:
        PROPOSALS.put(ctx.state, record, call.proposal)
        return
    # Closed before it runs: nothing that the call does can run it again.
    closed = msgspec.structs.replace(record, call=b"", status=EXECUTED)
    PROPOSALS.put(ctx.state, closed, call.proposal)
    refusal = ctx.run(record.call, ctx.sender, counting[:need], matter=matter)
    if refusal is None:
        ctx.emit("accounts.Executed", call.proposal)
        return
    code = refusal.code.number
    closed = msgspec.structs.replace(closed, status=REFUSED, code=code)
    PROPOSALS.put(ctx.state, closed, call.proposal)
    ctx.emit("accounts.ExecutionRefused", call.proposal, code)


def cancel(ctx: Context, call: Cancel) -> None:
    """economy section 4. Refuses unknown-id, done, not-party."""
    if RECOVERING.get(ctx.state, call.proposal) is not None:
        _stop_recovery(ctx, call.proposal)
        return
    record = _get_proposal(ctx, call.proposal)
    require(record.status == OPEN, Code.ACCOUNTS_DONE)
    whole = len(ctx.signers) == ctx.account.threshold
    proposer = len(ctx.signers) == 1 and ctx.signers[0].index == record.proposer
    party = record.account == ctx.sender and (whole or proposer)
    require(party, Code.ACCOUNTS_NOT_PARTY)

    closed = msgspec.structs.replace(record, call=b"", status=CANCELLED)
    PROPOSALS.put(ctx.state, closed, call.proposal)
    ctx.emit("accounts.Cancelled", call.proposal)


def _stop_recovery(ctx: Context, recovery_id: bytes) -> None:
    """Stop a recovery of the own account: whoever still has a key needs none."""
    require(RECOVERING.get(ctx.state, recovery_id) == ctx.sender, Code.ACCOUNTS_NOT_PARTY)
    pending = RECOVERIES.get(ctx.state, ctx.sender)
    require(pending is not None and pending.id == recovery_id, Code.ACCOUNTS_DONE)

    RECOVERIES.delete(ctx.state, ctx.sender)
    ctx.emit("accounts.Cancelled", recovery_id)


def _get_proposal(ctx: Context, proposal: bytes) -> Proposal:
    record = PROPOSALS.get(ctx.state, proposal)
    if record is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=proposal.hex())
    return record


def _get_matter(ctx: Context, inner: Any, proposal: bytes | None = None) -> Matter:
    """Return whose signatures count for a call: not those of seats recused in the proposal."""
    matter = ctx.chain.table.spec(inner).get_matter(inner)
    about = matter.about if proposal is None else (proposal, *matter.about)
    return msgspec.structs.replace(matter, about=about)


def _get_need(ctx: Context, inner: Any, matter: Matter) -> tuple[Word, int]:
    """Return the word of a call that asks the fewest signatures of this account, and how many."""
    needs = [
        (get_number_of_signatures(ctx.state, ctx.account, word, ctx.time_s, matter), place, word)
        for place, word in enumerate(get_words(ctx, inner))
    ]
    need, _, word = min(needs, key=lambda entry: entry[:2])
    return word, need


def _get_counting(
    ctx: Context, word: Word, signers: tuple[AccountKey, ...], matter: Matter
) -> tuple[AccountKey, ...]:
    return get_counting(ctx.state, ctx.account, word, signers, ctx.time_s, matter)


CONTRACT = Contract(
    "accounts",
    calls=(
        Call(
            SetKeys,
            (Word.HOLDER,),
            set_keys,
            never_tripped=True,
            winds_up=True,
            caretaker=True,
            any_key=True,
        ),
        Call(Propose, (Word.ONE_KEY,), propose, winds_up=True, caretaker=True),
        Call(Approve, (Word.ONE_KEY,), approve, winds_up=True, caretaker=True),
        Call(Cancel, (Word.ONE_KEY, Word.HOLDER), cancel, winds_up=True, caretaker=True),
    ),
)
