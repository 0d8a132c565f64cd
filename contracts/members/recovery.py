"""Getting an account back that its keys are lost of (economy B5, B13; interfaces 7).

Two of its guardians name a new key. For `recovery_delay_s` everybody can see it, and whoever still
has a key of the account stops it; then the new key takes the place of all others.
"""

import msgspec

from chain.codec import Account, PublicKey, Record, Signature
from chain.contract import GUARDIAN_INDEX, PERSONS_MIN, BlockStart, Context
from chain.crypto import is_valid_key, sha256, verify
from chain.due import RECOVERIES_DUE, add_due, take_due
from chain.errors import Code, Reject, require
from chain.keyspaces import ACCOUNTS, BOARD, NEXT_KEY, ROLE, AccountKey, note_past_keys
from chain.recovery import RECOVERIES, RECOVERING, Recovery
from chain.shared import key_proof_bytes

FINISHED_MAX = 100  # economy section 4: of one kind, at the start of a block


class Recover(Record, frozen=True, tag="members.recover"):
    """Give an account a new key; `proof` is by that key over chain, account and key."""

    account: Account
    key: PublicKey
    proof: Signature


def recover(ctx: Context, call: Recover) -> None:
    """economy N10, B13. Refuses unknown-account, no-guardians, pending, no-proof.

    Boards and role accounts have no guardians: several people keep their keys as it is.
    """
    account = ctx.account
    if call.account != ctx.sender:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    guarded = len(account.guardians) >= PERSONS_MIN and account.kind not in (BOARD, ROLE)
    first = NEXT_KEY.get(ctx.state, ctx.sender) or len(account.keys)
    require(guarded and first + 1 < GUARDIAN_INDEX, Code.MEMBERS_NO_GUARDIANS)
    pending = RECOVERIES.get(ctx.state, ctx.sender)
    if pending is not None:
        raise Reject(Code.MEMBERS_PENDING, until_at=pending.due_s)
    message = key_proof_bytes(ctx.chain.digest, ctx.sender, call.key)
    unknown = call.key not in [key.key for key in account.keys]
    proven = unknown and is_valid_key(call.key) and verify(call.key, message, call.proof)
    require(proven, Code.ACCOUNTS_NO_PROOF)

    recovery_id = ctx.new_id()
    due_s = ctx.time_s + ctx.clock.number("recovery_delay_s")
    RECOVERIES.put(ctx.state, Recovery(recovery_id, call.key, due_s), ctx.sender)
    RECOVERING.put(ctx.state, ctx.sender, recovery_id)
    add_due(ctx.state, RECOVERIES_DUE, due_s, recovery_id)
    ctx.emit("members.RecoveryStarted", recovery_id, ctx.sender, call.key, due_s)


def finish_recoveries(start: BlockStart) -> None:
    """Give accounts whose wait is over their new key, those first that waited longest."""
    for _ in range(FINISHED_MAX):
        recovery_id = take_due(start.state, RECOVERIES_DUE, start.time_s)
        if recovery_id is None:
            return
        name = RECOVERING.get(start.state, recovery_id)
        assert name is not None, "a recovery is of an account"
        pending = RECOVERIES.get(start.state, name)
        if pending is not None and pending.id == recovery_id:
            _finish(start, name, pending)


def _finish(start: BlockStart, name: bytes, pending: Recovery) -> None:
    account = ACCOUNTS.get(start.state, name)
    assert account is not None, "an account stays for ever"
    index = NEXT_KEY.get(start.state, name) or len(account.keys)
    key = AccountKey(index, pending.key, sha256(pending.key), start.clock.height)
    changed = msgspec.structs.replace(account, keys=(key,), threshold=1)
    note_past_keys(start.state, name, account.keys, changed.keys)
    ACCOUNTS.put(start.state, changed, name)
    NEXT_KEY.put(start.state, index + 1, name)
    RECOVERIES.delete(start.state, name)
    start.begin(pending.id)
    start.emit("members.Recovered", name, pending.key, index)
    start.note(pending.id)
