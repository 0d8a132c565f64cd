"""The words that contracts are written in: calls, authority and the context of a running call.

A contract is data: a name and a table of calls, each with the authority it asks (economy B5)
and a pure handler that checks everything first and writes last (economy B7). Contracts do not
know each other; what they share they reach through `Context`, `chain/keyspaces.py` and
`chain/books.py`.
"""

from collections.abc import Callable, Container, Sequence
from enum import Enum
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from chain.codec import decode, encode
from chain.crypto import sha256
from chain.dates import compute_book_date
from chain.errors import Code, Malformed, Reject
from chain.keyspaces import (
    ACCOUNTS,
    BOARD,
    RECUSED,
    REGISTRY,
    REMOVED,
    ROLE,
    SEATS,
    TREASURY,
    TRIPS,
    WIJKEN,
    AccountKey,
    AccountRecord,
    Seat,
    Wijk,
    get_param,
    get_role,
    get_sitting,
    get_standing,
    has_mandate,
)
from chain.params import FEDERATION, Value, compute_default
from chain.records import PROTOCOL_VERSION, Notice, Outcome, Posting, get_blobs
from chain.state import State
from chain.validators import quorum

PERSONS_MIN = 2  # economy C3: the two-person rule
GUARDIAN_INDEX = 65_536  # economy B5: the key index of an account's first guardian
USUAL_CLASSES = ("ORDINARY", "STATUTES")  # of a decision, for most actions (economy E7)


class Word(Enum):
    """Who may send a call, and with how many signatures (economy B5)."""

    HOLDER = "holder"
    ONE_KEY = "one-key"
    SEAT = "seat"
    SEAT2 = "seat2"
    BOARD = "board"
    BOARD23 = "board23"
    TREASURY = "treasury"
    REGISTRY = "registry"
    GUARDIANS = "guardians"
    ANY = "any"
    EFFECT = "effect"
    FED = "fed"


class Call(msgspec.Struct, frozen=True):
    """One call of a contract: its record type, who may send it, and what it does.

    `never_tripped` calls have the free daily quota of economy B3. Where fields decide whose call
    it is (the role of `wijk.register_role`), `narrow` gives those of `words` that this one asks;
    where the state decides (a renewal by `coin.freeze`), `by_state` does.
    `winds_up` calls go on in a wijk that was removed, to redeem and to settle (`wijk.remove`), or
    have a refusal of their own for it. What a credential may send (economy E14) is `by_credential`;
    of calls with `per_block` a block holds no more than that (E20), and with `block_bytes` no more
    bytes beside them: what a ballot costs every node goes with its length.

    `caretaker` calls are those that a board without a mandate may still make (E37). For `any_key`
    ones every key of a board account counts, whether or not its seat does. `about` gives
    the decision or proposal that a call is about: seats that are recused there do not count (E3).

    Of a call that a vote can carry out, `classes` gives the classes of decision that it may be an
    action of, where these are not the usual two, and `budget` what it lets the fund spend in cents.
    """

    kind: type
    words: tuple[Word, ...]
    handler: Callable[["Context", Any], None]
    never_tripped: bool = False
    winds_up: bool = False
    narrow: Callable[[Any], tuple[Word, ...]] | None = None
    by_credential: bool = False
    per_block: int | None = None
    block_bytes: int | None = None
    by_state: Callable[["Context", Any], tuple[Word, ...]] | None = None
    caretaker: bool = False
    any_key: bool = False
    about: Callable[[Any], bytes | None] | None = None
    classes: Callable[[Any], tuple[str, ...]] | None = None
    budget: Callable[[Any], int] | None = None

    def get_classes(self, call: Any) -> tuple[str, ...]:
        """Return the classes of decision that `call` may be an action of; empty where of none."""
        return USUAL_CLASSES if self.classes is None else self.classes(call)

    def get_matter(self, call: Any) -> "Matter":
        """Return what decides whose signatures of a board count for `call`."""
        about = None if self.about is None else self.about(call)
        if about is None and not self.caretaker:  # nearly every call
            return PLAIN_MATTER
        return Matter(self.caretaker, () if about is None else (about,), self.any_key)


class Matter(msgspec.Struct, frozen=True):
    """What a board signs: whether a caretaker may, and the objects that seats may be recused in."""

    caretaker: bool = False
    about: tuple[bytes, ...] = ()
    any_key: bool = False


PLAIN_MATTER = Matter()


class Contract(msgspec.Struct, frozen=True):
    """A built-in contract: its name, its calls, and what it ends by itself as a block starts."""

    name: str
    calls: tuple[Call, ...]
    at_start: Callable[["BlockStart"], None] | None = None


class Table:
    """All calls of this version: how to decode one, and what it asks."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = tuple(contracts)
        self._calls = {call.kind: call for contract in contracts for call in contract.calls}
        self.union: Any = reduce(or_, self._calls)
        self.names = frozenset(_tag(kind) for kind in self._calls)

    def spec(self, call: Any) -> Call:
        """Return the table row of a decoded call."""
        return self._calls[type(call)]

    def words(self, call: Any) -> tuple[Word, ...]:
        """Return the authority words that this very call asks (economy B5)."""
        spec = self._calls[type(call)]
        return spec.words if spec.narrow is None else spec.narrow(call)

    def decode(self, data: bytes) -> Any:
        """Return the call whose canonical bytes are `data`, or raise `Malformed`."""
        return decode(self.union, data)

    def decode_inner(self, data: bytes) -> Any:
        """Return a call that stands inside a call, or refuse bytes that are none.

        They are the sender's fault, so an outcome: the envelope around them is well formed.
        """
        try:
            return self.decode(data)
        except Malformed:
            raise Reject(Code.TX_MALFORMED, cause="call") from None


class Chain(msgspec.Struct, frozen=True):
    """What never changes about a chain: its id, genesis digest, purpose and table of calls.

    `versions` are the protocol versions that this program can execute (consensus V8).
    """

    chain_id: str
    digest: bytes
    purpose: str
    table: Table
    versions: tuple[int, ...] = (PROTOCOL_VERSION,)


class Clock:
    """Where in the chain a call runs: height, block time in s, and the parameters in force then."""

    def __init__(self, chain: Chain, state: State, height: int, time_s: int) -> None:
        self.chain = chain
        self.state = state
        self.height = height
        self.time_s = time_s
        self._params: dict[str, Value] = {}
        epoch_s = get_param(state, FEDERATION, "epoch_s", 0)
        self.epoch_s = (
            epoch_s
            if isinstance(epoch_s, int)
            else int(str(compute_default("epoch_s", chain.purpose)))
        )
        self.epoch = time_s // self.epoch_s
        self.book_date = compute_book_date(time_s, self.number("date_offset_s"))

    def param(self, name: str) -> Value:
        """Return the federation parameter `name` in force in this block (economy B13)."""
        value = self._params.get(name)
        if value is None:
            value = get_param(self.state, FEDERATION, name, self.epoch)
            if value is None:
                value = compute_default(name, self.chain.purpose)
            self._params[name] = value
        return value

    def number(self, name: str) -> int:
        """Return an integer parameter."""
        value = self.param(name)
        assert isinstance(value, int), name
        return value


class BlockStart:
    """What the chain does by itself as a block starts, before its transactions (economy 4).

    It belongs to no transaction: every object that changes has an outcome under its own id.
    Legs are counted over all of them, for they stand at one place of the chain (economy 7).
    """

    __slots__ = (
        "_booked",
        "_ids",
        "_object",
        "_told",
        "clock",
        "outcomes",
        "postings",
        "state",
        "time_s",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.state = clock.state
        self.time_s = clock.time_s
        self.postings: list[Posting] = []
        self.outcomes: list[Outcome] = []
        self._told: list[Notice] = []
        self._booked = 0
        self._ids = Ids(b"")
        self._object = b""

    def begin(self, object_id: bytes) -> None:
        """Say which object makes the ones that follow: their ids come from its own."""
        self._ids, self._object = Ids(object_id), object_id
        self._ids.take(object_id)

    def new_id(self) -> bytes:
        """Return the id of an object that ending another makes: SHA-256(its id, k) (B11)."""
        return self._ids.take(self._object)

    def emit(self, name: str, *values: int | str | bytes | None) -> None:
        """Report what becomes of the object."""
        self._told.append(Notice(name, encode(values)))

    @property
    def has_told(self) -> bool:
        """Whether anything was reported since the last object."""
        return bool(self._told)

    def note(self, object_id: bytes) -> None:
        """Make what was booked and told since the last object the outcome of this one."""
        moved = tuple(self.postings[self._booked :])
        self.outcomes.append(Outcome(object_id, 0, (), moved, tuple(self._told)))
        self._booked = len(self.postings)
        self._told = []

    def finish(self) -> tuple[Outcome, ...]:
        """Return the outcomes, in order."""
        assert self._booked == len(self.postings), "every movement is of an object"
        assert not self._told, "every notice is of an object"
        return tuple(self.outcomes)


class Ids:
    """Hands out the ids of the objects that one transaction makes (economy B11).

    Every effect of a decision has a base of its own, so its first object can be found from the
    decision whatever stood before it in the transaction; k counts all the others.
    """

    __slots__ = ("_later", "_tx_id", "_used")

    def __init__(self, tx_id: bytes) -> None:
        self._tx_id = tx_id
        self._used: list[bytes] = []
        self._later = 0

    def take(self, base: bytes) -> bytes:
        """Return `base` for its first object, SHA-256(transaction id, k) for later ones."""
        if base not in self._used:
            self._used.append(base)
            return base
        self._later += 1
        return sha256(self._tx_id + self._later.to_bytes(4, "big"))


class Context:
    """A call that runs: who sent it with which keys, when, and what it booked so far.

    `account` is the sender's and `wijk` its wijk (economy section 4), as the call finds them.
    `decision` is set when an effect of that decision runs, `fed` when the federation endorsed
    it (economy B5); `base_id` is the id of the first object it makes. `nonce` is that of the
    transaction, zeros where none runs: what a benefit token signs holds it (interfaces 4).
    `blobs` travel beside its call (economy B10); a call inside a call has none.
    """

    __slots__ = (
        "_base_id",
        "_ids",
        "account",
        "blobs",
        "chain",
        "clock",
        "decision",
        "fed",
        "height",
        "matter",
        "nonce",
        "notices",
        "postings",
        "sender",
        "signers",
        "state",
        "time_s",
        "tx_id",
        "wijk",
    )

    def __init__(
        self,
        clock: Clock,
        tx_id: bytes,
        sender: bytes,
        signers: tuple[AccountKey, ...],
        *,
        ids: Ids,
        postings: list[Posting],
        notices: list[Notice],
        nonce: bytes = bytes(16),
        decision: bytes | None = None,
        fed: bool = False,
        base_id: bytes | None = None,
        account: AccountRecord | None = None,
        blobs: tuple[bytes, ...] = (),
        matter: Matter = PLAIN_MATTER,
    ) -> None:
        self.clock = clock
        self.matter = matter
        self.state = clock.state
        self.chain = clock.chain
        self.height = clock.height
        self.time_s = clock.time_s
        self.tx_id = tx_id
        self.sender = sender
        self.signers = signers
        self.postings = postings
        self.notices = notices
        self.nonce = nonce
        self.decision = decision
        self.fed = fed
        self._ids = ids
        self._base_id = tx_id if base_id is None else base_id
        self.blobs = blobs
        if account is None:
            account = ACCOUNTS.get(clock.state, sender)
        assert account is not None, "inclusion checked that the sender exists"
        wijk = WIJKEN.get(clock.state, account.wijk)
        assert wijk is not None, "an account belongs to a wijk that exists"
        self.account: AccountRecord = account
        self.wijk: Wijk = wijk

    @property
    def wijk_id(self) -> str:
        """The wijk of this call."""
        return self.account.wijk

    @property
    def denom(self) -> str:
        """The denomination of the sender's wijk."""
        return self.wijk.denom(self.wijk_id)

    def new_id(self) -> bytes:
        """Return the id of the next object this transaction makes (economy B11)."""
        return self._ids.take(self._base_id)

    def emit(self, name: str, *values: int | str | bytes | None) -> None:
        """Report into the receipt."""
        self.notices.append(Notice(name, encode(values)))

    def run(
        self,
        call_bytes: bytes,
        sender: bytes,
        signers: tuple[AccountKey, ...],
        *,
        decision: bytes | None = None,
        fed: bool = False,
        base_id: bytes | None = None,
        matter: Matter = PLAIN_MATTER,
    ) -> Reject | None:
        """Run an inner call as `sender`; a refusal writes nothing and is returned (economy B6)."""
        inner = Context(
            self.clock,
            self.tx_id,
            sender,
            signers,
            ids=self._ids,
            postings=self.postings,
            notices=self.notices,
            nonce=self.nonce,
            decision=decision,
            fed=fed,
            base_id=base_id,
            matter=matter,
        )
        booked, told = len(self.postings), len(self.notices)
        self.state.begin()
        try:
            apply_call(inner, self.chain.table.decode_inner(call_bytes))
        except Reject as refusal:
            self.state.rollback()
            del self.postings[booked:]
            del self.notices[told:]
            return refusal
        self.state.commit()
        return None


def apply_call(ctx: Context, call: Any) -> None:
    """Check the authority of `call` and run it; raise `Reject` if it is refused."""
    spec = ctx.chain.table.spec(call)
    if len(ctx.blobs) != len(get_blobs(call)):  # a call inside a call: nothing travels beside it
        raise Reject(Code.TX_MALFORMED, cause="blob")
    if not (spec.winds_up or ctx.fed) and ctx.wijk.status == REMOVED:
        raise Reject(Code.TX_TRIPPED, trip_reason="WIJK-REMOVED")
    matter = spec.get_matter(call)
    if ctx.matter.about:  # of the proposal that this call was approved in
        about = (*ctx.matter.about, *matter.about)
        matter = msgspec.structs.replace(matter, about=about)
    ctx.matter = matter
    check_authority(ctx, get_words(ctx, call))
    if not spec.never_tripped:
        _check_trip(ctx, call_name(call))
    if ctx.account.kind == BOARD and not spec.caretaker and ctx.decision is None and not ctx.fed:
        mandate = has_mandate(ctx.state, ctx.wijk_id, ctx.time_s)
        if not mandate:
            raise Reject(Code.TX_ROLE, role=Word.BOARD.value)
    spec.handler(ctx, call)


def get_words(ctx: Context, call: Any) -> tuple[Word, ...]:
    """Return the authority words that a call asks of its sender now (economy B5)."""
    spec = ctx.chain.table.spec(call)
    if spec.by_state is not None:
        return spec.by_state(ctx, call)
    return spec.words if spec.narrow is None else spec.narrow(call)


def _check_trip(ctx: Context, name: str) -> None:
    """Refuse a call that somebody stopped in this wijk for a while (economy E42)."""
    trip = TRIPS.get(ctx.state, ctx.account.wijk, name)
    if trip is not None and ctx.time_s < trip.until_s:
        raise Reject(Code.TX_TRIPPED, trip_reason=trip.reason, until_at=trip.until_s)


def get_acting(
    state: State, wijk: str, time_s: int, matter: Matter = PLAIN_MATTER
) -> tuple[Seat, ...]:
    """Return the seats that count in a matter: sitting or, where a caretaker may act, standing; but
    for those that are recused (economy B5, E3, E37).
    """
    seats = (get_standing if matter.caretaker else get_sitting)(state, wijk, time_s)
    out: list[bytes] = []
    for name in matter.about:
        for number in RECUSED.get(state, wijk, name) or ():
            seat = SEATS.get(state, wijk, number)
            if seat is not None:
                out.append(seat.key)
    return tuple(seat for seat in seats if seat.key not in out)


def get_number_of_signatures(
    state: State,
    account: AccountRecord,
    word: Word,
    time_s: int,
    matter: Matter = PLAIN_MATTER,
) -> int:
    """Return how many signatures `word` asks of `account`, at least one (economy B5, interfaces 4).

    Two thirds of a board without a sitting seat are none: nobody signed is not enough. Where seats
    are recused, fewer than the threshold may be left: then more than half of these decide.
    """
    if word is Word.HOLDER:  # nearly every transaction
        return account.threshold
    if word in (Word.ONE_KEY, Word.SEAT):
        return 1
    if word in (Word.SEAT2, Word.GUARDIANS):
        return 2
    if account.kind == BOARD and (word is Word.BOARD23 or (word is Word.BOARD and matter.about)):
        acting = len(get_acting(state, account.wijk, time_s, matter))
        if word is Word.BOARD23:
            return max(1, quorum(acting))
        recused = any(RECUSED.get(state, account.wijk, name) for name in matter.about)
        return min(account.threshold, acting // 2 + 1) if recused else account.threshold
    return account.threshold


def find_signer(account: AccountRecord, words: tuple[Word, ...], index: int) -> AccountKey | None:
    """Return the key that signs with `index` for a call with these words, or None.

    Guardian i, from 0, has index 65,536 + i, and signs nothing else (economy B5).
    """
    if words != _GUARDIAN_WORDS:
        return account.key_at(index)
    place = index - GUARDIAN_INDEX
    if not 0 <= place < len(account.guardians):
        return None
    key = account.guardians[place]
    return AccountKey(index, key, sha256(key), 0)


def check_authority(ctx: Context, words: tuple[Word, ...]) -> None:
    """Raise `tx.role` unless one of `words` allows this sender with these signers (economy B5)."""
    signers = ctx.signers  # one holder counts once per decision (B4)
    distinct = len(signers) <= 1 or len({signer.holder for signer in signers}) == len(signers)
    for word in words:
        if distinct and _is_allowed(ctx, word):
            return
    raise Reject(Code.TX_ROLE, role=words[0].value)


def _is_allowed(ctx: Context, word: Word) -> bool:
    if word is Word.EFFECT:
        return ctx.decision is not None
    if word is Word.FED:
        return ctx.fed
    if ctx.decision is not None or ctx.fed:
        return False
    account = ctx.account
    if word is Word.HOLDER and account.kind != BOARD:  # nearly every transaction
        return len(ctx.signers) == account.threshold
    need = get_number_of_signatures(ctx.state, account, word, ctx.time_s, ctx.matter)
    if len(ctx.signers) != need:
        return False
    if word is Word.GUARDIANS:
        return all(signer.index >= GUARDIAN_INDEX for signer in ctx.signers)
    if word in (Word.ONE_KEY, Word.ANY):
        return True
    if word in (Word.TREASURY, Word.REGISTRY) and not _is_role(ctx, word):
        return False
    if account.kind != BOARD:
        return word in (Word.TREASURY, Word.REGISTRY)
    # A key of a board account counts while its seat does, whatever it signs (E39).
    counting = get_counting(ctx.state, account, word, ctx.signers, ctx.time_s, ctx.matter)
    return counting == ctx.signers


def get_counting(
    state: State,
    account: AccountRecord,
    word: Word,
    signers: tuple[AccountKey, ...],
    time_s: int,
    matter: Matter = PLAIN_MATTER,
) -> tuple[AccountKey, ...]:
    """Return those of `signers` that count for `word`, in their order (economy B4, B5).

    One holder counts once, and where seats sign, only keys of acting ones.
    """
    if word in _SEAT_WORDS or (account.kind == BOARD and not matter.any_key):
        acting = {seat.key for seat in get_acting(state, account.wijk, time_s, matter)}
        signers = tuple(signer for signer in signers if signer.key in acting)
    counted: dict[bytes, AccountKey] = {}
    for signer in signers:
        counted.setdefault(signer.holder, signer)
    return tuple(counted.values())


_SEAT_WORDS = (Word.SEAT, Word.SEAT2, Word.BOARD, Word.BOARD23)
_GUARDIAN_WORDS = (Word.GUARDIANS,)


def _is_role(ctx: Context, word: Word) -> bool:
    """The two-person rules of economy C3 and B5, for TREASURY and REGISTRY."""
    role = TREASURY if word is Word.TREASURY else REGISTRY
    held = get_role(ctx.state, ctx.wijk_id, role, ctx.clock.epoch, ctx.time_s)
    if held is None or held.account != ctx.sender or len(ctx.signers) < PERSONS_MIN:
        return False
    if word is Word.TREASURY:
        return True
    # Registrars go on while a caretaker does: they act for residents and elections (E37).
    board = {seat.holder for seat in get_standing(ctx.state, ctx.wijk_id, ctx.time_s)}
    if not board:  # all resigned or were recalled: without a roll nobody could be elected again
        return True
    on_board = sum(signer.holder in board for signer in ctx.signers)
    return 0 < on_board < len(ctx.signers)


def can_keep(account: AccountRecord, role: str, board: Container[bytes]) -> bool:
    """Say whether the two-person rule lets `account` keep TREASURY or REGISTRY (economy C3, B5).

    `board` holds the holders of the sitting seats. Only a role account keeps the registry, and
    its keys must include one of a seat and one of somebody else; the treasury may be the board.
    """
    holders = {key.holder for key in account.keys}
    kinds = (ROLE, BOARD) if role == TREASURY else (ROLE,)
    two = PERSONS_MIN <= account.threshold <= len(holders)
    if account.kind not in kinds or not two:
        return False
    on_board = sum(holder in board for holder in holders)
    return role == TREASURY or 0 < on_board < len(holders)


def get_account(ctx: Context, account_id: bytes) -> AccountRecord:
    """Return an account, or refuse with `tx.unknown-account`."""
    account = ACCOUNTS.get(ctx.state, account_id)
    if account is None:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    return account


def require_amount(cents: int, low: int = 1, high: int = 10**13) -> None:
    """Refuse an amount outside its bounds with `tx.amount` (economy section 4)."""
    if not low <= cents <= high:
        raise Reject(Code.TX_AMOUNT, amount_cents=cents)


def call_name(call: Any) -> str:
    """Return the `contract.call` name of a decoded call."""
    return _tag(type(call))


def _tag(kind: Any) -> str:
    return str(kind.__struct_config__.tag)
