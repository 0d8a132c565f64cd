"""Disks that lose or change what was written, old images, one key on two machines (D8, D10)."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from consensus.guard import START, Slot
from node.config import load_config, write_config
from node.home import socket_path
from testnet.create import pick_ports
from testnet.network import call_admin
from tests.drills.ground import Ground

SLOT_BYTES = 512
BEHIND = 12  # blocks that go by before an old image comes back
STOP_S = 60.0  # F26: each leads one height in four, and their blocks are never the same
STOPPED = "foreign-signature"
WORDS = {
    "nl": "een andere machine tekent met deze sleutel",
    "en": "another machine signs with this key",
}


def wipe_store(ground: Ground) -> None:
    """F24: the store is gone, key and guard are kept: silent for the open height, then it votes."""
    name = ground.names[-1]
    ground.kill_at_once([name])
    before, certified = ground.slots(name), ground.top()
    ground.network.restart(name, wipe=True)
    took = ground.wait_level(name)
    assert_signs_again(ground, name, before, certified)
    ground.tell(f"store of {name} deleted at {certified}; level after {took:.1f} s, then it voted")


def restore_image(ground: Ground) -> None:
    """F25: the whole home of some blocks ago comes back: nothing at or below what was attested."""
    name = ground.names[-1]
    ground.stop([name])
    home, image = ground.home(name), ground.network.folder / "image"
    copy_home(home, image)
    old = ground.slots(name)
    ground.start(name)
    ground.wait_block(BEHIND)
    ground.wait_signing(name)
    ground.kill_at_once([name])
    attested, certified = ground.slots(name)[-1].position, ground.top()
    shutil.rmtree(home)
    image.rename(home)
    ground.start(name)
    took = ground.wait_level(name)
    assert_signs_again(ground, name, old, max(attested.height, certified))
    ground.tell(
        f"home of {name} put back from {old[-1].position.height}, it had signed at "
        f"{attested.height}: level after {took:.1f} s, first signature above"
    )


def tear_guard(ground: Ground) -> None:
    """F22: half a slot, and a slot whose checksum was never written: cut off, the node votes on."""
    name = ground.names[-1]
    guard = ground.home(name) / "guard.bin"
    for tail in (b"\x07" * 200, b"\x07" * (SLOT_BYTES - 16) + bytes(16)):
        ground.kill_at_once([name])
        sound = ground.slots(name)
        with guard.open("ab") as file:
            file.write(tail)
        ground.start(name)
        ground.wait_signing(name)
        after = ground.slots(name)
        assert after[: len(sound)] == sound, "a slot that was whole is gone"
    ground.tell(f"200 bytes of a slot, then a slot without checksum behind the guard of {name}")


def flip_guard_bit(ground: Ground) -> None:
    """F23: a flipped bit in a whole slot: it refuses to sign and says so; the others go on."""
    name = ground.names[-1]
    guard = ground.home(name) / "guard.bin"
    ground.kill_at_once([name])
    data = bytearray(guard.read_bytes())
    data[len(data) // SLOT_BYTES // 2 * SLOT_BYTES + 40] ^= 0x10
    guard.write_bytes(data)
    ground.start(name)
    ground.wait_level(name)
    ground.wait_block(5)
    ground.wait_level(name)
    assert guard.read_bytes() == bytes(data), "a damaged guard was written to"
    assert "wrong checksum" in ground.log(name), "it does not say why"
    assert "node rejoin" in ground.log(name), "it does not say what to do"
    ground.tell(f"one bit of the guard of {name}: it follows, signs nothing, names the slot")


def flip_store_bit(ground: Ground) -> None:
    """F23: a flipped bit in the newest file of the store: found, fetched again, then it votes."""
    name = ground.names[-1]
    ground.kill_at_once([name])
    before, certified = ground.slots(name), ground.top()
    store = ground.home(name) / "store"
    newest = max(
        (path for path in store.iterdir() if path.suffix in (".log", ".db")),
        key=lambda path: path.stat().st_size,
    )
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 0x10
    newest.write_bytes(data)
    ground.start(name)
    took = ground.wait_level(name)
    assert_signs_again(ground, name, before, certified)
    assert "store." in ground.log(name), "the damage is not told of"
    ground.tell(f"one bit of {newest.name} of {name}: level after {took:.1f} s, then it voted")


def run_twin(ground: Ground) -> None:
    """F26: the same key on two machines: who sees what the other signed stops (D14), no fork."""
    name = ground.names[-1]
    others = ground.names[:-1]
    ground.stop([name])
    home, twin = ground.home(name), ground.network.folder / "twin"
    copy_home(home, twin)
    ((p2p, api, metrics),) = pick_ports(1, 0)
    values = dict(load_config(twin / "node.toml", {}).values)
    values |= {
        "node.home": str(twin),
        "p2p.listen": f"127.0.0.1:{p2p}",
        "api.listen": f"127.0.0.1:{api}",
        "metrics.listen": f"127.0.0.1:{metrics}",
    }
    (twin / "node.toml").write_text(write_config(values))
    with run_process(ground, twin):
        ground.start(name)
        stopped: list[Path] = []

        def has_stopped() -> bool:
            stopped[:] = [one for one in (home, twin) if read_silence(one) == STOPPED]
            return bool(stopped)

        took = ground.wait(has_stopped, "one of the two to see the other's signature", STOP_S)
        for lang, words in WORDS.items():
            assert words in read_status(stopped[0], lang), f"its status does not say why in {lang}"
        last = ground.slots(name, stopped[0])[-1]
        ground.wait_block(10, others)
        ground.wait_paid()
        assert ground.slots(name, stopped[0])[-1] == last, "it signed after it had stopped"
    contradictions = count_conflicts(ground, name, twin)
    ground.tell(
        f"home of {name} copied and both started: {contradictions} positions signed twice, then "
        f"{len(stopped)} of the two stopped after {took:.1f} s, and said why; the chain went on"
    )


def read_silence(home: Path) -> str | None:
    """Return why the node in a home signs nothing; nil where it does, or does not answer."""
    path = socket_path(home, load_config(home / "node.toml", {}).text("admin.socket"))
    silence: str | None = call_admin(str(path), "GET", "/admin/v1/signer", None)[1].get("silence")
    return silence


def read_status(home: Path, lang: str) -> str:
    """Return what `wijk node status` says to a person."""
    words = [sys.executable, "-m", "cli", "--lang", lang, "node", "status", "--home", str(home)]
    return subprocess.run(words, capture_output=True, check=True, text=True).stdout


def count_conflicts(ground: Ground, name: str, twin: Path) -> int:
    """Return at how many positions the two guards of one key hold different messages."""
    ours = {slot.position: slot.signed for slot in ground.slots(name)}
    theirs = {slot.position: slot.signed for slot in ground.slots(name, twin)}
    return sum(ours[at] != theirs[at] for at in ours.keys() & theirs.keys())


def copy_home(home: Path, to: Path) -> None:
    """Copy the home of a node that does not run."""
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("admin.sock"))


def assert_signs_again(ground: Ground, name: str, before: Sequence[Slot], height: int) -> None:
    """The node signs again, and what it signs is above `height`: nothing at or below is new."""
    ground.wait_signing(name)
    last = before[-1].position if before else START
    new = [
        slot.position
        for slot in ground.slots(name)
        if slot.position > last and slot.signed  # a slot that signs nothing is the barrier itself
    ]
    assert new, f"{name} does not sign"
    assert new[0].height > height, f"{name} signed at {new[0]}, attested was {height}"


@contextmanager
def run_process(ground: Ground, home: Path) -> Iterator[None]:
    """Run one more node on a home that is not of the network."""
    entry = ground.network.file.nodes[-1]
    words = [str(home) if word == entry.home else word for word in ground.network.command(entry)]
    log = ground.network.folder / "logs" / f"{home.name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield
        assert process.poll() is None, f"{home.name} ended: {log.read_text()[-500:]}"
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
