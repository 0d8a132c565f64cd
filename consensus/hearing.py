"""What others said, for evidence: at the open height, and late words of the one before (E1 to E7).

Agreement needs none of this. It looks at every word whose signature was checked, and at a few that
can change nothing any more, and tells at once of whoever contradicts itself.
"""

from collections.abc import Callable

from chain.errors import Malformed
from chain.evidence import Testimony, get_commits
from chain.justification import check_justification, check_reasons
from chain.records import Header
from chain.validators import CommitCertificate, PreparedCertificate, ValidatorSet, Verify
from consensus import events as ev
from consensus.checks import check_signature
from consensus.events import HeightContext
from consensus.messages import (
    ChainName,
    Justification,
    SignedCommit,
    SignedMessage,
    SignedProposal,
    justification_digest,
)
from consensus.open_height import OpenHeight
from consensus.voice import Voice
from consensus.witness import bare, get_prepares


class Hearing:
    """The ear of a node: it accuses others, and takes words of the own key to the voice (D14).

    `before` is the last height, if the open one came right after it in this process.
    """

    def __init__(
        self,
        chain: ChainName,
        own_key: bytes | None,
        verify: Verify,
        voice: Voice,
        emit: Callable[[ev.Effect], None],
    ) -> None:
        self._chain = chain
        self._own = own_key
        self._verify = verify
        self._voice = voice
        self._do = emit
        self.before: OpenHeight | None = None

    def start(self) -> None:
        """D7: what was heard before a start is gone, but for what was kept (E5)."""
        self.before = None

    def testify(self, at: OpenHeight, said: Testimony) -> None:
        """E1, E5: keep a checked message; report it with an earlier one that it contradicts."""
        if said.signer == self._own:
            self._meet_own(at, said)
        pair = at.witness.note(said)
        if pair is not None and said.signer != self._own:
            self._do(ev.Accuse(*pair))

    def testify_prepares(self, at: OpenHeight, certificate: PreparedCertificate) -> None:
        """R8, F15: a vote inside a checked certificate convicts as one that came alone."""
        digest = self._chain.genesis_digest
        for vote in get_prepares(certificate, at.context.validators, digest):
            self.testify(at, vote)

    def testify_commits(
        self, at: OpenHeight, certificate: CommitCertificate, validators: ValidatorSet
    ) -> None:
        """R8: the same of a checked certificate for the open height or the one before."""
        for place in (at, self.before):
            if place is not None and place.height == certificate.height:
                for vote in get_commits(certificate, validators):
                    self.testify(place, vote)

    def testify_reasons(self, at: OpenHeight, reasons: Justification) -> None:
        """Hear all that is signed in the checked reasons of a proposal."""
        for change in reasons.round_changes:
            self.testify(at, change)
        if reasons.certificate is not None:
            self.testify_prepares(at, reasons.certificate)

    def accuse(
        self,
        at: OpenHeight,
        said: SignedCommit | SignedProposal,
        against: Header | Justification,
        kind: str,
    ) -> None:
        """E1: tell of a message that something else than a message proves wrong, letter `kind`."""
        if said.signer != self._own and at.witness.report(said.signer, kind):
            self._do(ev.Accuse(bare(said), against))

    def accuse_reasons(self, at: OpenHeight, message: SignedProposal) -> None:
        """E1e: the leader signed reasons that fail R2c, R2d or R2f; other faults prove nothing."""
        record, reasons = message.record, message.justification
        if record.justification_digest != justification_digest(reasons):
            return
        try:
            check_reasons(record, reasons, at.context.validators, self._verify)
        except Malformed:
            self.accuse(at, message, reasons, "e")

    def hear_late(self, at: OpenHeight, message: SignedMessage) -> None:
        """E1: what can change nothing any more may still convict its signer (F14).

        Of a height that is decided, all that was said of later rounds is kept: if another block
        is certified there, it tells who made that possible (E6).
        """
        said, decided = bare(message), at.decided
        if said.signer not in at.context.validators:
            return
        if said.signer == self._own:
            self._meet_own(at, said)
            return
        is_odd = decided is not None and decided.round < said.record.round
        if not is_odd and not at.witness.would_convict(said):
            return
        check_signature(message, self._chain, self._verify)
        self.testify(at, said)
        if isinstance(message, SignedProposal):
            reasons, validators = message.justification, at.context.validators
            try:
                check_justification(message.record, reasons, validators, self._verify)
            except Malformed:
                self.accuse_reasons(at, message)
            else:
                self.testify_reasons(at, reasons)

    def _meet_own(self, at: OpenHeight, said: Testimony) -> None:
        self._voice.meet_own(at, said, is_open=at is not self.before)

    def said(self, at: OpenHeight, height: int) -> tuple[Testimony, ...]:
        """Return what was heard at the open height or the one before; of others nothing (E5)."""
        for place in (at, self.before):
            if place is not None and place.height == height:
                return place.witness.messages()
        return ()

    def end(self, at: OpenHeight, context: HeightContext) -> None:
        """E1c, E5: a height is over: report what only now can be seen, keep what may matter."""
        for block_id, block in sorted(at.blocks.items()):
            if block.compact is not None:
                header = block.compact.header
                for false in at.witness.false_commits(header, block_id):
                    self.accuse(at, false, header, "c")
        if self.before is not None:
            self._retain(self.before)  # what came late
        is_next = context.height == at.height + 1
        if is_next:
            at.is_long = max(at.round, 0 if context.tip is None else context.tip.round) > 0
            self._retain(at)
            # One of f + 1 is honest, and gives what it was shown.
            others = [key for key in at.witness.find_others() if key != self._own]
            if others:
                few = others[: at.context.validators.weak_quorum]
                self._do(ev.Inquire(at.height, tuple(few)))
        self.before = at if is_next else None

    def _retain(self, at: OpenHeight) -> None:
        said = at.witness.messages() if at.is_long else at.witness.caught()
        if len(said) > at.retained:
            at.retained = len(said)
            self._do(ev.Retain(at.height, said))
