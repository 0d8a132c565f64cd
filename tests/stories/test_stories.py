"""Stories: commands, a line, and everything the replica then wanted done (consensus H5).

`WIJK_STORIES=rewrite` writes what happens now into the files; read the diff, and commit only what
is understood. The words of the commands:

    watch D height=8 [of ABCD] [work]   a replica among peers that are linked and stand here too
    start D height=8 [work] [joins]     the same, alone; nobody has said anything yet
    restart                             the process is gone, guard and stored records stay
    from A B: Prepare round=0 b1        messages over the links of A and of B, signed by them
    from C: of A Prepare round=0 b1     a message of A, passed on by C
    timer | wait 2000 | resend          the round's alarm; time; the alarm that sends again
    work | idle | up A | down A         events that carry nothing else
    hold Fetch Execute | release        the runtime does not answer these, until it is asked to
    whole b1 | executed b1 [error]      its answers
    next                                the block is durable; the next height opens

Blocks are made when they are first named, by the leader of the round they are proposed in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.records import Header
from chain.validators import CommitCertificate
from consensus import events as ev
from consensus.events import Timer
from consensus.messages import (
    Commit,
    CompactBlock,
    Draft,
    DraftProposal,
    Justification,
    Message,
    Prepare,
    Prepared,
    ProvenRoundChange,
    RoundChange,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    unseal,
)
from tests.consensus.desk import Desk
from tests.consensus.made import key, letter

STORIES = sorted(Path(__file__).parent.glob("*.txt"))
REWRITE = os.environ.get("WIJK_STORIES") == "rewrite"


class Teller:
    """Reads commands, drives a desk, and puts effects into words."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.blocks: dict[str, CompactBlock] = {}
        self.names: dict[bytes, str] = {}
        self.effects: list[ev.Effect] = []

    # ------------------------------------------------------------------------- commands

    def obey(self, line: str) -> None:
        self.effects = []
        word, _, rest = line.partition(" ")
        if word in ("watch", "start"):
            self._begin(word, rest)
        elif word == "from":
            self._hear(rest)
        else:
            getattr(self, f"_do_{word}")(*rest.split())
            self.effects = self.effects or self.desk.effects

    def _begin(self, word: str, rest: str) -> None:
        found = re.fullmatch(r"(\w) height=(\d+)(?: of (\w+))?((?: \w+)*)", rest)
        assert found, f"not understood: {word} {rest}"
        own, height, letters, flags = found.groups()
        count = len(letters) if letters else 4
        self.desk = Desk(own, n=count, height=int(height))
        if word == "watch":
            self.desk.watch(work="work" in flags)
        else:
            self.effects = self.desk.start(work="work" in flags, joins="joins" in flags)

    def _hear(self, rest: str) -> None:
        peers, _, said = rest.partition(": ")
        said, via = (said[5:], said[3]) if said.startswith("of ") else (said, None)
        for peer in peers.split():
            if peer != self.desk.own:
                self.effects += self.desk.hear(peer, self._message(via or peer, said))

    def _message(self, signer: str, said: str) -> Message:
        desk = self.desk
        kind, _, rest = said.partition(" ")
        found = re.match(r"(?:round=(\d+) ?)?", rest)
        assert found
        round_, rest = int(found.group(1) or 0), rest[found.end() :]
        match kind:
            case "Prepare":
                return desk.prepares(signer, round_, self._block(rest))[0]
            case "Commit":
                return desk.commits(signer, round_, self._block(rest))[0]
            case "Certificate":
                name, _, signers = rest.partition(" by ")
                certificate = desk.certificate(round_, self._block(name), signers.replace(" ", ""))
                assert isinstance(certificate, CommitCertificate)
                return certificate
            case "Status":
                height, best = _numbers(rest, "height"), _numbers(rest, "best")
                return desk.status(height=height, round_=round_, best=best)
            case "RoundChange":
                proven = rest.endswith(" proven")
                claim = self._claim(rest.removesuffix(" proven"))
                change: SignedRoundChange = desk.changes(signer, round_, claim)[0]
                if not proven:
                    return change
                assert claim is not None
                others = "".join(one for one in desk.letters if one != desk.own)  # F18: not by it
                return ProvenRoundChange(change, desk.proof(*claim, others))
            case "Proposal":
                name, _, because = rest.partition(" because ")
                block = self._block(name, desk.letters[round_ % len(desk.letters)])
                return desk.proposal(block, round_, self._reasons(round_, because), signer)
            case _:
                raise AssertionError(f"not understood: {said}")

    def _claim(self, text: str) -> tuple[int, CompactBlock] | None:
        found = re.fullmatch(r"prepared (\w+) in round (\d+)", text)
        return None if found is None else (int(found.group(2)), self._block(found.group(1)))

    def _reasons(self, round_: int, because: str) -> Justification | None:
        """Read `A, B prepared b1 in round 0, C`: a round change of each, and the proof."""
        if not because:
            return None
        changes, best = [], None
        for part in because.split(", "):
            signer, _, said = part.partition(" ")
            claim = self._claim(said)
            changes += self.desk.changes(signer, round_, claim)
            if claim is not None and (best is None or claim[0] > best[0]):
                best = claim
        proof = None if best is None else self.desk.proof(*best)
        return Justification(tuple(changes), proof)

    def _block(self, name: str, creator: str | None = None) -> CompactBlock:
        if name not in self.blocks:
            self.blocks[name] = self.desk.block(name, creator, self.desk.now[1])
            self.names[self.blocks[name].block_id] = name
        return self.blocks[name]

    def _do_restart(self) -> None:
        self.effects = self.desk.start()
        self.desk.meet()
        self.effects = [*self.effects, *self.desk.effects]

    def _do_timer(self) -> None:
        self.desk.time_out()

    def _do_resend(self) -> None:
        self.desk.fire(Timer.RESEND)

    def _do_wait(self, ms: str) -> None:
        self.desk.wait(int(ms))

    def _do_work(self) -> None:
        self.desk.tell(ev.WorkPending(True, *self.desk.now))

    def _do_idle(self) -> None:
        self.desk.tell(ev.WorkPending(False, *self.desk.now))

    def _do_up(self, peer: str) -> None:
        self.desk.tell(ev.LinkUp(key(peer), *self.desk.now))

    def _do_down(self, peer: str) -> None:
        self.desk.tell(ev.LinkDown(key(peer), *self.desk.now))

    def _do_hold(self, *kinds: str) -> None:
        self.desk.hold = {getattr(ev, kind) for kind in kinds}
        self.desk.effects = []

    def _do_release(self) -> None:
        self.desk.hold = set()
        self.desk.effects = []

    def _do_whole(self, name: str) -> None:
        self.desk.tell(ev.BlockAvailable(self._block(name), *self.desk.now))

    def _do_executed(self, name: str, error: str | None = None) -> None:
        self.desk.tell(ev.Executed(self._block(name).block_id, error, *self.desk.now))

    def _do_next(self) -> None:
        self.desk.new_height()

    # --------------------------------------------------------------------------- words

    def tell(self) -> Iterator[str]:
        for effect in self.effects:
            word, said = self._words(effect)
            yield f"{word:<8} {said}".rstrip()

    def _words(self, effect: ev.Effect) -> tuple[str, str]:
        match effect:
            case ev.Persist():
                return "persist", self._record(effect.record)
            case ev.SignAndSend():
                return "sign", self._draft(effect.draft)
            case ev.RaiseGuard():
                return "raise", f"height={effect.height}"
            case ev.Send():
                to = "all" if effect.to is None else _letters(effect.to)
                return "send", f"{self._sent(effect.message)}, to {to}"
            case ev.SetTimer():
                return "timer", f"{effect.timer.value} at {effect.at_ms}"
            case ev.CancelTimer():
                return "cancel", effect.timer.value
            case ev.Propose():
                return "propose", f"height={effect.height} round={effect.round}"
            case ev.Fetch():
                what = self._name(effect.block_id)
                bare = " by its id" if effect.block is None else ""
                return "fetch", f"{what}{bare} from {_letters(effect.sources) or 'anybody'}"
            case ev.Execute():
                return "execute", self._name(effect.block_id)
            case ev.Apply():
                found = effect.certificate
                return "apply", f"{self._name(found.block_id)} decided in round {found.round}"
            case ev.Alarm():
                return "alarm", " ".join([effect.text, *(f"{k}={v}" for k, v in effect.params)])
            case ev.Halt():
                return "halt", effect.reason
            case ev.Accuse():
                return "accuse", f"{letter(effect.first.signer)}: {self._accused(effect)}"
            case ev.Retain():
                return "retain", f"{len(effect.said)} messages of height {effect.height}"
            case ev.Inquire():
                return "inquire", f"height {effect.height} of {_letters(effect.of)}"
            case ev.Ignore():
                fault = " (a fault)" if effect.fault else ""
                return "ignore", f"{letter(effect.sender)}: {effect.why}{fault}"

    def _accused(self, effect: ev.Accuse) -> str:
        if isinstance(effect.second, Header):
            return "a commit against its header"
        if isinstance(effect.second, Justification):
            return "a proposal with false reasons"
        one, other = type(effect.first.record).__name__, type(effect.second.record).__name__
        return f"{one} against {other}"

    def _record(self, record: DraftProposal | SignedProposal | Prepared) -> str:
        match record:
            case DraftProposal():
                return f"Draft {self._draft(record)}"
            case SignedProposal():
                return f"Accepted {self._draft(unseal(record))}"
            case Prepared():
                found = record.certificate
                return f"Prepared round={found.round} {self._name(found.block_id)}"

    def _draft(self, draft: Draft) -> str:
        match draft:
            case DraftProposal():
                record = draft.record
                said = f"Proposal round={record.round} {self._name(record.block_id)}"
                return said + self._because(draft.justification)
            case Prepare() | Commit():
                return f"{type(draft).__name__} round={draft.round} {self._name(draft.block_id)}"
            case RoundChange():
                said = f"RoundChange round={draft.round}"
                if draft.prepared_id is not None:
                    name = self._name(draft.prepared_id)
                    said += f" prepared {name} in round {draft.prepared_round}"
                return said

    def _because(self, reasons: Justification) -> str:
        signers = _letters(change.signer for change in reasons.round_changes)
        proof = (
            "" if reasons.certificate is None else f", proof of round {reasons.certificate.round}"
        )
        return f" because {signers}{proof}" if signers else ""

    def _sent(self, message: Message) -> str:
        match message:
            case Status():
                silence = "" if message.silence is None else f" silent={message.silence}"
                return f"Status height={message.height} round={message.round}{silence}"
            case ProvenRoundChange():
                change = message.round_change
                return f"{letter(change.signer)}'s {self._draft(change.record)}, with proof"
            case SignedProposal() | SignedPrepare() | SignedCommit() | SignedRoundChange():
                return f"{letter(message.signer)}'s {self._draft(unseal(message))}"
            case _:
                return f"certificate of height {message.height}"

    def _name(self, block_id: bytes) -> str:
        return self.names.get(block_id, "a fresh block")


def _letters(keys: object) -> str:
    return " ".join(letter(one) for one in keys)  # type: ignore[attr-defined]


def _numbers(text: str, name: str) -> int | None:
    found = re.search(rf"{name}=(\d+)", text)
    return None if found is None else int(found.group(1))


def tell(story: str) -> str:
    """Return the story as it is told now: the same commands, with what they lead to."""
    teller = Teller()
    told = []
    for part in story.strip().split("\n\n"):
        lines = part.splitlines()
        commands = lines[: lines.index("----")] if "----" in lines else lines
        effects: list[str] = []
        for line in commands:
            if line.startswith("#"):
                continue
            teller.obey(line)
            effects += teller.tell()
        is_told = "----" in lines or (
            effects and not commands[0].startswith(("#", "watch", "hold"))
        )
        told.append("\n".join([*commands, "----", *effects] if is_told else commands))
    return "\n\n".join(told) + "\n"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    """consensus H5: any change of behaviour is a visible diff."""
    written = path.read_text()
    told = tell(written)
    if REWRITE:
        path.write_text(told)
        return

    assert told == written


def test_there_are_stories_and_each_says_which_rule_it_tells() -> None:
    assert len(STORIES) >= 10
    for path in STORIES:
        assert re.match(r"# [A-Z]\d+", path.read_text()), path.name
