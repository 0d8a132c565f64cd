"""economy E39, E38: a board that was elected takes over keys and node, with one validator down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chain.ceremony import CeremonyContext
from chain.crypto import sha256
from chain.crypto import sign as sign_for_real
from chain.elections import ELECTIONS, get_elected
from chain.keyspaces import ACCOUNTS, NO_END_S, get_sitting
from chain.manifest import compute_voters_root, fix
from chain.records import Blob, carry
from chain.shared import key_proof_bytes
from chain.state import State
from contracts.board import AcceptSeat
from contracts.election import (
    CallElection,
    Dkg,
    HandOver,
    Nominate,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from contracts.election.ballots import derive_manifest
from contracts.election.call import Seconder, second_bytes
from contracts.election.records import KEY_COMMITS, KEY_DEALS
from contracts.wijk import NodeKeys, Ready, RegisterRole, node_proof_bytes, ready_proof_bytes
from tests.federation import account, board, key, seed
from tests.sim.test_scenarios import SECOND, make_world, pay, stop
from tests.sim.test_set_change import (
    DELFSHAVEN,
    EPOCH_MS,
    add_node,
    assert_one_chain,
    keys_at,
    send,
    settle,
    store_of,
)
from tests.sim.world import START_MS, people
from wallet import trustee

if TYPE_CHECKING:
    from tests.sim.world import World

WIJK = "delfshaven"
PEOPLE = tuple(people()[:3])  # candidates, and trustees; all have a vote
SEATS = tuple(f"{name}-seat" for name in PEOPLE)
REGISTRARS = {0: f"{WIJK}-registrar-a", 1: f"{WIJK}-registrar-b"}


def now_s(world: World) -> int:
    return (START_MS + world.now) // 1000


def wait_until(world: World, time_s: int) -> None:
    """Let time pass, and a block come after it."""
    world.run(max(world.now, time_s * 1000 - START_MS) + SECOND)
    pay(world)


def state_of(world: World) -> State:
    return State(store_of(world).read_state)


def do(world: World, call: Any, sender: str, signers: dict[int, str] | None = None) -> bytes:
    """Send a call that has to be carried out, and return its id."""
    code, tx_id = send(world, call, sender, signers or {0: sender})
    assert code == 0, (type(call).__name__, code)
    return tx_id


def send_roll(world: World, election_id: bytes) -> None:
    """Publish one credential: nobody has to use it."""
    roll = key("credential")
    call = VoterRoot(
        election_id,
        store_of(world).tip.height,
        len(people()),
        (Blob(sha256(roll), len(roll)),),
        compute_voters_root([roll]),
    )
    raw = carry(world.make_tx(call, REGISTRARS[0], REGISTRARS), [roll])
    node = next(node for node in world.nodes if node.runtime is not None)
    assert node.runtime is not None
    codes: list[int] = []
    node.runtime.submit(raw, lambda verdict: codes.append(verdict.code))
    world.run(world.now + 5 * SECOND)
    assert codes == [0]


def make_key(world: World, election_id: bytes) -> None:
    """Let the three trustees make the key of the election."""
    context = CeremonyContext(world.genesis.digest, election_id, 1)
    for number, name in enumerate(PEOPLE, 1):
        commit = trustee.make_commit(seed(name), context, number, 2)
        do(world, Dkg(election_id, 1, "COMMIT", commit), name)
    rows = [KEY_COMMITS.get(state_of(world), election_id, number) for number in (1, 2, 3)]
    commits = [row[1] for row in rows if row is not None]
    for number, name in enumerate(PEOPLE, 1):
        deal = trustee.make_deal(seed(name), context, number, commits)
        do(world, Dkg(election_id, 1, "DEAL", deal), name)
    for number, name in enumerate(PEOPLE, 1):
        dealt = [KEY_DEALS.get(state_of(world), election_id, dealer) for dealer in (1, 2, 3)]
        deals = {dealer: row[1] for dealer, row in enumerate(dealt, 1) if row is not None}
        assert trustee.open_deals(seed(name), context, number, commits, deals).wrong == ()
        do(world, Dkg(election_id, 1, "CONFIRM", None), name)


def elect(world: World) -> bytes:
    """Elect a board of three by the beacon alone: nobody votes (economy E8, E22)."""
    now = now_s(world)
    calendar = (now + 20, now + 40, now + 200, now + 210, now + 220, now + 300)
    accounts = tuple(account(name) for name in PEOPLE)
    call = CallElection("BOARD", None, 5, (), "APPROVAL", (), 1, 3, 0, 1, calendar, accounts, 2)
    election_id = do(world, call, DELFSHAVEN[0], DELFSHAVEN)
    for name in PEOPLE:
        text = sha256(name.encode())
        signed = second_bytes(world.genesis.digest, election_id, account(name), text, ())
        hands = tuple(
            Seconder(account(one), 0, sign_for_real(seed(one), signed))
            for one in people()
            if one != name
        )[:5]
        do(world, Nominate(election_id, text, (), hands), name)
    wait_until(world, calendar[0])
    send_roll(world, election_id)
    make_key(world, election_id)
    wait_until(world, calendar[3])
    manifest = derive_manifest(state_of(world), world.genesis.digest, election_id, 10)
    do(world, Open(election_id, fix(manifest).digest), PEOPLE[0])
    wait_until(world, calendar[4])
    do(world, Tally(election_id), PEOPLE[0])
    pay(world, count=2, every=SECOND)
    do(world, SetResult(election_id, (0,) * 4), PEOPLE[0])
    return election_id


def test_e39_a_board_and_its_node_change_with_one_validator_down() -> None:
    """economy E39, E38: no block is missed from the acceptance to the new node's first block."""
    world = make_world(4, epoch_s=EPOCH_MS // 1000)
    election_id = elect(world)
    old = world.by_key[min(world.by_key)]
    new = add_node(world, "new")
    down = next(node for node in world.nodes if node not in (old, new))
    stop(down)
    began = store_of(world).tip.height

    by_account = {account(name): name for name in PEOPLE}
    elected = [by_account[one] for one in get_elected(state_of(world), election_id)]
    keys = [f"{name}-seat" for name in elected]
    for seat, name in enumerate(elected, 1):
        signed = key_proof_bytes(world.genesis.digest, election_id, key(f"{name}-seat"))
        proof = sign_for_real(seed(f"{name}-seat"), signed)
        do(world, AcceptSeat(election_id, seat, key(f"{name}-seat"), proof), name)
    do(world, HandOver(election_id, "OVERLAP", None), DELFSHAVEN[0], DELFSHAVEN)
    wait_until(world, (now_s(world) // 20 + 2) * 20)
    two = {3: keys[0], 4: keys[1]}
    do(world, HandOver(election_id, "KEYS", None), DELFSHAVEN[0], two)

    account_now = ACCOUNTS.get(state_of(world), board(WIJK))
    assert account_now is not None
    assert {row.key for row in account_now.keys} == {key(name) for name in keys}
    sitting = get_sitting(state_of(world), WIJK, now_s(world))
    assert {row.key for row in sitting} == {key(name) for name in keys}
    assert send(world, HandOver(election_id, "VAULT", bytes(32)), *old_board())[0] != 0

    do(world, make_report(world), PEOPLE[0])
    digest = world.genesis.digest
    names = ("node-new", "transport-new")
    signed = node_proof_bytes(digest, key(names[0]), key(names[1]))
    node_keys = NodeKeys(key(names[0]), key(names[1]), sign_for_real(seed(names[0]), signed))
    asked = RegisterRole("VALIDATOR", board(WIJK), 0, NO_END_S, node_keys)
    do(world, asked, DELFSHAVEN[0], {3: keys[0], 4: keys[1]})
    settle(world)

    tip = store_of(world).tip.height
    assert new.key in keys_at(world, tip)
    assert old.key not in keys_at(world, tip)
    for step in ("VAULT", "CHECKLIST"):
        do(world, HandOver(election_id, step, bytes(32)), DELFSHAVEN[0], two)
    election = ELECTIONS.get(state_of(world), election_id)
    assert election is not None
    assert election.status == "DONE"
    store = store_of(world)
    for height in range(began + 1, store.tip.height + 1):
        signed_by = store.certificate(height)
        assert signed_by is not None, f"block {height} is missed"
    assert_one_chain(world)


def make_report(world: World) -> Ready:
    """Return what the new node says: that it has the newest block (consensus V5b)."""
    tip = store_of(world).tip
    names = ("node-new", "transport-new")
    signed = ready_proof_bytes(
        world.genesis.digest, key(names[0]), key(names[1]), tip.block_id, tip.height
    )
    proof = sign_for_real(seed(names[0]), signed)
    return Ready(key(names[0]), key(names[1]), tip.block_id, tip.height, proof)


def old_board() -> tuple[str, dict[int, str]]:
    return DELFSHAVEN[0], DELFSHAVEN
