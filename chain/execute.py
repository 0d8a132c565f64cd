"""Execution: admission of a transaction, building and replaying a block (interfaces 8, Seams).

Everything here is a pure function of the base state, the header's height and time, and the
transactions in order. What breaks a rule of inclusion makes a block invalid and is raised as
`Malformed`; any other refusal is an outcome with a code (consensus B5).
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from chain import log, tree
from chain.codec import digest
from chain.contract import (
    PLAIN_MATTER,
    BlockStart,
    Chain,
    Clock,
    Context,
    Ids,
    apply_call,
    find_signer,
    get_number_of_signatures,
)
from chain.crypto import verify
from chain.elections import CREDENTIAL, count_use, find_credential
from chain.errors import Code, Malformed, Reject, require
from chain.keyspaces import (
    ACCOUNTS,
    ASSOCIATION,
    BOARD,
    BUSINESS,
    FEDERATION_WIJKEN,
    FREE_CALLS,
    HOUSEHOLD,
    INSTITUTION,
    LEADERS,
    PERSON,
    SEAT_TERM_S,
    SEATS,
    SET_LAST,
    SET_NOW,
    TEAM,
    AccountKey,
    AccountRecord,
    SetMember,
    get_version,
)
from chain.leaders import Leaders, Verdict, advance, get_order
from chain.records import BlockBody, Header, Outcome, Tx, split_carried
from chain.sanctions import (
    apply_evidence,
    check_amount,
    choose_evidence,
    get_suspended_keys,
    note_set,
    note_time,
)
from chain.set_change import get_members, move_sets, note_block
from chain.signed import ChainName
from chain.state import Memo, Read, State, over
from chain.validators import (
    CommitCertificate,
    Validator,
    ValidatorSet,
    Verify,
    signer_keys,
    validator_set,
)
from chain.window import Included, Window

FREE_CALLS_PER_DAY = 3  # economy B3: a full quota never blocks redeeming or voting
TIME_MS_MAX = 253_402_300_799_999  # the last ms of the year 9999

CheckSignatures = Callable[[Tx, tuple[bytes, ...]], bool]


class Base(msgspec.Struct, frozen=True):
    """The committed chain a block is executed on: its tip, and readers of state and tree.

    `memo` holds decoded values of the same state, where somebody keeps one.
    """

    height: int
    block_id: bytes
    time_ms: int
    read: Read
    read_node: tree.GetNode
    frontier: log.Frontier
    window: Window
    memo: Memo | None = None


class Preamble(msgspec.Struct, frozen=True):
    """What a block says before its transactions: who made it, the certificate of its parent, and
    its evidence (consensus E3).
    """

    creator: bytes
    last_commit: CommitCertificate | None
    evidence: tuple[bytes, ...] = ()


class Executed(msgspec.Struct, frozen=True):
    """A block's result: outcomes in order, net state changes, new tree and log nodes, roots.

    `start` is what ended by itself as the block began: outcomes under ids of objects, in no log.
    """

    start: tuple[Outcome, ...]
    outcomes: tuple[Outcome, ...]
    included: tuple[Included, ...]
    changes: dict[bytes, bytes | None]
    tree_nodes: dict[int, tree.Node | None]
    log_nodes: list[log.NewNode]
    frontier: log.Frontier
    state_root: bytes
    log_root: bytes


def check_signatures(tx: Tx, keys: tuple[bytes, ...]) -> bool:
    """Say whether each signature of `tx` is by the key of the same place in `keys`."""
    return all(
        verify(key, tx.signed, signed.signature)
        for key, signed in zip(keys, tx.signatures, strict=True)
    )


class BlockRun:
    """One block being executed: transactions go in one by one, `finish` gives the roots.

    Without a preamble it is a trial: no block of the chain, and the leader schedule stays.
    """

    def __init__(
        self,
        base: Base,
        chain: Chain,
        time_ms: int,
        check: CheckSignatures = check_signatures,
        *,
        preamble: Preamble | None = None,
        verify: Verify = verify,
    ) -> None:
        self.state = State(base.read, base.memo)
        self._base = base
        self._chain = chain
        self._check = check
        self._verify = verify
        self.clock = Clock(chain, self.state, base.height + 1, time_ms // 1000)
        self._start_outcomes = self._start(self.clock, preamble)
        self._tx_bytes_max = self.clock.number("max_tx_bytes")
        self._validity_s = self.clock.number("max_validity_s")
        self._stale = base.window.stale_counts(self.clock.time_s)
        self._counts: dict[bytes, int] = {}
        self._seen: dict[bytes, bytes] = {}
        self._outcomes: list[Outcome] = []
        self._included: list[Included] = []

    def include(self, tx: Tx) -> Outcome:
        """Execute `tx` as the next of this block and return its outcome.

        Raise `Reject` if a rule of inclusion forbids it; then nothing has changed.
        """
        outcome = self._execute(tx, self.clock.time_s)
        self._counts[tx.sender] = self._counts.get(tx.sender, 0) + 1
        self._seen[tx.sender + tx.nonce] = tx.id
        self._outcomes.append(outcome)
        self._included.append(Included(tx.sender, tx.nonce, tx.expires, tx.id))
        return outcome

    def try_out(self, tx: Tx, now_s: int) -> Outcome:
        """Return what `tx` would do on this state at wall time `now_s`, and keep nothing of it.

        Raise `Reject` if a rule of inclusion forbids it.
        """
        self.state.begin()
        try:
            return self._execute(tx, max(now_s, self.clock.time_s))
        finally:
            self.state.rollback()

    def check(self, tx: Tx, now_s: int) -> None:
        """Raise `Reject` if a rule of inclusion forbids `tx` at wall time `now_s`."""
        account = self._check_inclusion(tx, max(now_s, self.clock.time_s))
        self._check_signers(tx, account)
        self.state.begin()
        try:
            self._take_quota(tx, account)
        finally:
            self.state.rollback()

    def get_keys(self, tx: Tx) -> tuple[bytes, ...]:
        """Return the keys that the signatures of `tx` are to be checked with, or raise `Reject`."""
        account = self._find_sender(tx)
        words = self._chain.table.spec(tx.call).words
        keys = [find_signer(account, words, signed.key_index) for signed in tx.signatures]
        active = tuple(key.key for key in keys if key is not None)
        require(len(active) == len(keys), Code.TX_SIGNATURES, have=len(active), need=len(keys))
        return active

    def finish(self) -> Executed:
        """Return the block's result. The tree and the log are updated once, here."""
        changes = self.state.changes()
        tree_update = tree.update(self._base.read_node, changes)
        frontier, log_nodes = log.append(
            self._base.frontier,
            (log.tx_leaf_hash(outcome.tx_id, outcome.code) for outcome in self._outcomes),
        )
        return Executed(
            start=self._start_outcomes,
            outcomes=tuple(self._outcomes),
            included=tuple(self._included),
            changes=changes,
            tree_nodes=tree_update.nodes,
            log_nodes=log_nodes,
            frontier=frontier,
            state_root=tree_update.root,
            log_root=log.root(frontier),
        )

    def _start(self, clock: Clock, preamble: Preamble | None) -> tuple[Outcome, ...]:
        """What happens at the start of a block, before its transactions (economy 4)."""
        judged = get_set_keys(self.state, SET_LAST)
        note_block(self.state, self._base.height, self._base.block_id)
        move_sets(self.state, clock.epoch)
        if preamble is not None:
            height, time_s = clock.height, clock.time_s
            self._lead(height, preamble, judged)
            note_set(self.state, height, judged)
            note_time(self.state, height, time_s)
            name = ChainName(self._chain.digest, self._chain.chain_id)
            apply_evidence(self.state, name, height, time_s, preamble.evidence, self._verify)  # E3
        if clock.height == 1:
            self._start_terms(clock.time_s)
        start = BlockStart(clock)
        for contract in self._chain.table.contracts:
            if contract.at_start is not None:
                contract.at_start(start)
        return start.finish()

    def _lead(self, height: int, preamble: Preamble, judged: Sequence[bytes]) -> None:
        """Move the leader schedule on by one block; `judged` are the keys of Set(h-1) (L3, L4)."""
        leaders = _get_schedule(self.state)
        verdict, last = None, preamble.last_commit
        if last is not None:
            signers = signer_keys(last, get_set(self._base.read, SET_LAST))
            verdict = Verdict(last.round, frozenset(signers))
        coming = get_set_keys(self.state, SET_NOW)
        pinned = get_suspended_keys(self.state)
        moved = advance(leaders, height, judged, verdict, preamble.creator, coming, pinned)
        LEADERS.put(self.state, moved)

    def _start_terms(self, time_s: int) -> None:
        """The founders' seats of genesis sit until 365 days after block 1 (interfaces 3.6)."""
        for wijk in FEDERATION_WIJKEN.get(self.state) or ():
            number = 1
            while (seat := SEATS.get(self.state, wijk, number)) is not None:
                term = msgspec.structs.replace(seat, until_s=time_s + SEAT_TERM_S)
                SEATS.put(self.state, term, wijk, number)
                number += 1

    def _execute(self, tx: Tx, time_s: int) -> Outcome:
        account = self._check_inclusion(tx, time_s)
        signers = self._check_signers(tx, account)
        self._take_quota(tx, account)
        ctx = Context(
            self.clock,
            tx.id,
            tx.sender,
            signers,
            ids=Ids(tx.id),
            postings=[],
            notices=[],
            nonce=tx.nonce,
            account=account,
            blobs=tx.blobs,
        )
        self.state.begin()
        try:
            apply_call(ctx, tx.call)
        except Reject as refusal:
            self.state.rollback()
            params = tuple(sorted(refusal.params.items()))
            return Outcome(tx.id, refusal.code.number, params, (), ())
        self.state.commit()
        return Outcome(tx.id, 0, (), tuple(ctx.postings), tuple(ctx.notices))

    def _check_inclusion(self, tx: Tx, time_s: int) -> AccountRecord:
        if get_envelope_size(tx) > self._tx_bytes_max:
            raise Reject(Code.TX_MALFORMED)
        if tx.chain_digest != self._chain.digest:
            raise Reject(Code.TX_CHAIN)
        if time_s >= tx.expires:
            raise Reject(Code.TX_EXPIRED)
        starts = tx.expires - self._validity_s
        if time_s < starts:
            raise Reject(Code.TX_TOO_EARLY, from_at=starts)
        used = self._seen.get(tx.sender + tx.nonce)
        if used is None:
            used = self._base.window.find(tx.sender, tx.nonce, time_s)
        if used is not None:
            raise Reject(Code.TX_REPLAYED, committed_as=used.hex())
        return self._find_sender(tx)

    def _find_sender(self, tx: Tx) -> AccountRecord:
        """Return the account of the sender, or the credential that it is (economy E14)."""
        account = ACCOUNTS.get(self.state, tx.sender)
        if self._chain.table.spec(tx.call).by_credential:
            account = find_credential(self.state, tx.call, tx.sender) or account
        if account is None:
            raise Reject(Code.TX_UNKNOWN_ACCOUNT)
        return account

    def _check_signers(self, tx: Tx, account: AccountRecord) -> tuple[AccountKey, ...]:
        """Return the signing keys; refuse unless they are as many as asked, active and valid."""
        have = len(tx.signatures)
        spec, time_s = self._chain.table.spec(tx.call), self.clock.time_s
        words = spec.words
        matter = spec.get_matter(tx.call) if account.kind == BOARD else PLAIN_MATTER
        for word in words:
            if have == get_number_of_signatures(self.state, account, word, time_s, matter):
                break
        else:
            need = get_number_of_signatures(self.state, account, words[0], time_s, matter)
            raise Reject(Code.TX_SIGNATURES, have=have, need=need)
        signers = [find_signer(account, words, signed.key_index) for signed in tx.signatures]
        active = tuple([key for key in signers if key is not None])
        if len(active) != have:
            raise Reject(Code.TX_SIGNATURES, have=len(active), need=have)
        if not self._check(tx, tuple([key.key for key in active])):
            raise Reject(Code.TX_SIGNATURES, have=0, need=have)
        return active

    def _take_quota(self, tx: Tx, account: AccountRecord) -> None:
        """Refuse with `tx.quota` above the account's quota per 600 s (economy B3)."""
        quota = self.clock.number(_QUOTA_OF_KIND.get(account.kind, "quota_role"))
        if quota == 0:
            return
        refusal = Reject(Code.TX_QUOTA, retry_after_s=self.clock.number("max_validity_s"))
        if account.kind == CREDENTIAL:
            if count_use(self.state, tx.call, account, quota):
                return
            self._take_free_call(tx, refusal)
            return
        window = self._base.window
        sender = tx.sender  # a Counter would run its own code for each that it does not have
        used = window.count(sender) - self._stale.get(sender, 0) + self._counts.get(sender, 0)
        if used < quota:
            return
        self._take_free_call(tx, refusal)

    def _take_free_call(self, tx: Tx, refusal: Reject) -> None:
        """Take one of the few a day that a full quota never blocks, or raise `refusal`."""
        if not self._chain.table.spec(tx.call).never_tripped:
            raise refusal
        date, count = FREE_CALLS.get(self.state, tx.sender) or (0, 0)
        count = count if date == self.clock.book_date else 0
        if count >= FREE_CALLS_PER_DAY:
            raise refusal
        FREE_CALLS.put(self.state, (self.clock.book_date, count + 1), tx.sender)


_QUOTA_OF_KIND = {
    PERSON: "quota_person",
    HOUSEHOLD: "quota_person",
    BUSINESS: "quota_business",
    INSTITUTION: "quota_business",
    ASSOCIATION: "quota_business",
    TEAM: "quota_business",
    CREDENTIAL: "quota_credential",
}


def get_envelope_size(tx: Tx) -> int:
    """Return the bytes of a transaction without what travels beside its call (economy B10)."""
    return len(split_carried(tx.raw)[0]) if tx.blobs else len(tx.raw)


class Places:
    """Counts the calls of a block of which a block holds only so many (economy E20)."""

    def __init__(self, chain: Chain, txs: Iterable[Tx] = ()) -> None:
        self._table = chain.table
        self._taken: dict[type, int] = {}
        self._bytes: dict[type, int] = {}
        for tx in txs:
            self.take(tx)

    def has_room(self, tx: Tx) -> bool:
        """Say whether the block may hold `tx` too."""
        spec, kind = self._table.spec(tx.call), type(tx.call)
        if spec.per_block is None:
            return True
        beside = self._bytes.get(kind, 0) + sum(len(blob) for blob in tx.blobs)
        fits = spec.block_bytes is None or beside <= spec.block_bytes
        return fits and self._taken.get(kind, 0) < spec.per_block

    def take(self, tx: Tx) -> None:
        """Count `tx` as one of the block."""
        kind = type(tx.call)
        if self._table.spec(tx.call).per_block is not None:
            self._taken[kind] = self._taken.get(kind, 0) + 1
            self._bytes[kind] = self._bytes.get(kind, 0) + sum(len(blob) for blob in tx.blobs)


Finish = Callable[[BlockRun], Executed]  # whoever asks what the roots cost has its own


class Limits(msgspec.Struct, frozen=True):
    """How much a block may hold (consensus B7)."""

    txs: int
    bytes: int


def get_limits(run: BlockRun) -> Limits:
    """Return the caps of the block being run."""
    return Limits(run.clock.number("max_block_txs"), run.clock.number("max_block_bytes"))


class Choice(msgspec.Struct, frozen=True):
    """What a proposer chose: evidence and transactions in body order, and what can never be in."""

    evidence: tuple[bytes, ...]
    txs: tuple[Tx, ...]
    refused: tuple[tuple[Tx, Reject], ...]
    executed: Executed


def propose(
    base: Base,
    chain: Chain,
    time_ms: int,
    preamble: Preamble,
    pending: Iterable[Tx],
    check: CheckSignatures = check_signatures,
    verify: Verify = verify,
    finish: Finish = BlockRun.finish,
) -> Choice:
    """Choose and execute transactions in order of arrival up to the caps (consensus B5).

    The evidence of `preamble` is what this node offers: it is chosen from, too (E3).
    """
    chosen_evidence: tuple[bytes, ...] = ()
    if preamble.evidence:
        start = BlockRun(base, chain, time_ms, check, preamble=replace(preamble, evidence=()))
        chosen_evidence = choose_evidence(
            start.state,
            ChainName(chain.digest, chain.chain_id),
            base.height + 1,
            time_ms // 1000,
            preamble.evidence,
            verify,
        )
    preamble = replace(preamble, evidence=chosen_evidence)
    run = BlockRun(base, chain, time_ms, check, preamble=preamble, verify=verify)
    limits = get_limits(run)
    places = Places(chain)
    chosen: list[Tx] = []
    refused: list[tuple[Tx, Reject]] = []
    size = 0
    for tx in pending:
        if len(chosen) == limits.txs or size + len(tx.raw) > limits.bytes:
            break
        if not places.has_room(tx):
            continue  # it waits for a later block
        try:
            run.include(tx)
        except Reject as refusal:
            refused.append((tx, refusal))
        else:
            chosen.append(tx)
            places.take(tx)
            size += len(tx.raw)
    return Choice(chosen_evidence, tuple(chosen), tuple(refused), finish(run))


def apply_block(
    base: Base,
    chain: Chain,
    time_ms: int,
    preamble: Preamble,
    txs: Sequence[Tx],
    check: CheckSignatures = check_signatures,
    verify: Verify = verify,
    finish: Finish = BlockRun.finish,
) -> Executed:
    """Execute `txs` in order on `base`; raise `Malformed` if one may not be in a block.

    So it is for evidence that is invalid or repeated (consensus E3).
    """
    run = BlockRun(base, chain, time_ms, check, preamble=preamble, verify=verify)
    limits = get_limits(run)
    if len(txs) > limits.txs or sum(len(tx.raw) for tx in txs) > limits.bytes:
        raise Malformed("block above its caps")
    places = Places(chain)
    for tx in txs:
        if not places.has_room(tx):
            raise Malformed("block with too many calls of one kind")
        places.take(tx)
        try:
            run.include(tx)
        except Reject as refusal:
            raise Malformed(f"block holds a transaction refused with {refusal}") from refusal
    return finish(run)


def make_header(
    base: Base, chain: Chain, executed: Executed, body: BlockBody, creator: bytes, time_ms: int
) -> Header:
    """Return the header of a block executed on `base` (consensus M7)."""
    coming = get_set_after(executed, base)
    return Header(
        version=get_version(State(base.read, base.memo), base.height + 1),
        genesis_digest=chain.digest,
        height=base.height + 1,
        parent_id=base.block_id,
        creator=creator,
        time_ms=time_ms,
        body_hash=digest(body),
        state_root=executed.state_root,
        log_size=executed.frontier.size,
        log_root=executed.log_root,
        validators_hash=get_set(base.read, SET_NOW).validators_hash,
        next_validators_hash=coming.validators_hash,
    )


def check_header(base: Base, chain: Chain, header: Header, body: BlockBody) -> None:
    """Raise `Malformed` unless `header` and `body` fit on `base`, results aside (R2h, T9)."""
    wrong = (
        "version"
        if header.version != get_version(State(base.read, base.memo), base.height + 1)
        or header.version not in chain.versions
        else "chain"
        if header.genesis_digest != chain.digest
        else "height"
        if header.height != base.height + 1
        else "parent"
        if header.parent_id != base.block_id
        else "time"
        if not base.time_ms < header.time_ms <= TIME_MS_MAX
        else "body hash"
        if header.body_hash != digest(body)
        else "validators"
        if header.validators_hash != get_set(base.read, SET_NOW).validators_hash
        else "last commit"
        if (body.last_commit is None) != (header.height == 1)
        else None
    )
    if wrong is not None:
        raise Malformed(f"block {header.height} with a wrong {wrong}")
    check_amount(body.evidence)


def execute_block(
    base: Base,
    chain: Chain,
    header: Header,
    body: BlockBody,
    txs: Sequence[Tx],
    check: CheckSignatures = check_signatures,
    verify: Verify = verify,
    finish: Finish = BlockRun.finish,
) -> Executed:
    """Execute a whole block on `base`; raise `Malformed` where it does not fit there.

    Its roots are compared by `check_results`: who finds others has to say what they are (S5).
    """
    check_header(base, chain, header, body)
    if body.tx_ids != tuple(tx.id for tx in txs):
        raise Malformed("transactions differ from the ids of the body")
    preamble = Preamble(header.creator, body.last_commit, body.evidence)
    return apply_block(base, chain, header.time_ms, preamble, txs, check, verify, finish)


def check_results(header: Header, executed: Executed, base: Base) -> None:
    """Raise `Malformed` unless the roots of `header` are those of our own execution (D6)."""
    coming = get_set_after(executed, base)
    if header.state_root != executed.state_root:
        raise Malformed("state root differs from our own")
    if (header.log_size, header.log_root) != (executed.frontier.size, executed.log_root):
        raise Malformed("log differs from our own")
    if header.next_validators_hash != coming.validators_hash:
        raise Malformed("next validators differ from our own")


def get_set(read: Read, which: str) -> ValidatorSet:
    """Return Set(h), Set(h+1) or Set(h+2) (last, now, next) of the state after block h (V1)."""
    members = get_set_members(read, which)
    return validator_set(Validator(member.name, member.key) for member in members)


def get_set_keys(state: State, which: str) -> tuple[bytes, ...]:
    """Return the keys of a validator set in state."""
    return tuple(member.key for member in get_members(state, which))


def get_leaders(read: Read) -> tuple[bytes, ...]:
    """Return order(h+1) of the state after block h: who leads which round (consensus L2)."""
    state = State(read)
    return get_order(_get_schedule(state).now, get_set_keys(state, SET_NOW))


def get_leaders_of_tip(read: Read) -> tuple[bytes, ...]:
    """Return order(h) of the state after block h: who led which round of the tip."""
    state = State(read)
    return get_order(_get_schedule(state).before, get_set_keys(state, SET_LAST))


def _get_schedule(state: State) -> Leaders:
    leaders = LEADERS.get(state)
    assert leaders is not None, "genesis sets the schedule"
    return leaders


def get_set_members(read: Read, which: str) -> tuple[SetMember, ...]:
    """Return the members of a validator set with their names, wijken and transport keys."""
    return get_members(State(read), which)


def get_set_after(executed: Executed, base: Base) -> ValidatorSet:
    """Return Set(h+1) as it is after the executed block h."""
    return get_set(over(executed.changes, base.read), SET_NOW)
