"""Which certificates this node knows of, and that no two contradict (consensus R8, D13, E6).

A certificate of a height above the open one shows that this node is behind. Two for different
blocks at one height show that more than f keys lied, and end this node for good.
"""

from collections.abc import Callable

from chain.errors import Malformed
from chain.validators import CommitCertificate, Verify, check_commit_certificate
from consensus import events as ev
from consensus.hearing import Hearing
from consensus.messages import ROUND_MAX, ChainName
from consensus.open_height import OpenHeight


class Certified:
    """Guards the highest certificate known; those of the open height stand in `OpenHeight`."""

    def __init__(
        self,
        chain: ChainName,
        verify: Verify,
        hearing: Hearing,
        emit: Callable[[ev.Effect], None],
    ) -> None:
        self._chain = chain
        self._verify = verify
        self._hearing = hearing
        self._do = emit
        self.is_forked = False  # E6: nothing is done any more
        self.highest: CommitCertificate | None = None

    @property
    def height(self) -> int:
        """The height of the highest certificate known, 0 before the first."""
        return 0 if self.highest is None else self.highest.height

    def receive(self, at: OpenHeight, certificate: CommitCertificate) -> bool:
        """R4, R8: judge a certificate as a whole, by the set of its height, where that is known.

        Say whether it is new and good; raise `Malformed` if it is bad.
        """
        context, before = at.context, self._hearing.before
        sets = {
            context.height - 1: None if before is None else before.context.validators,
            context.height: context.validators,
            context.height + 1: context.next_validators,
        }
        validators = sets.get(certificate.height)
        known = (context.tip, at.decided, self.highest)
        if validators is None or certificate in known:
            return False
        if certificate.round > ROUND_MAX:
            raise Malformed("a certificate of a round above the cap")  # B7: before any signature
        check_commit_certificate(certificate, validators, self._chain.chain_id, self._verify)
        self._hearing.testify_commits(at, certificate, validators)
        return True

    def learn(self, at: OpenHeight, certificate: CommitCertificate) -> None:
        """D13, E6: a certificate was verified, here or by sync."""
        for known in (at.context.tip, at.decided, self.highest):
            if known is not None:
                self._check_fork(at, known, certificate)
        if not self.is_forked and certificate.height > max(at.height, self.height):
            self.highest = certificate

    def learn_applied(self, at: OpenHeight, tip: CommitCertificate) -> None:
        """D15, E6: the block of `tip` is durable, so the open height is over."""
        for known in (at.decided, self.highest):
            if known is not None:
                self._check_fork(at, known, tip)

    def _check_fork(
        self, at: OpenHeight, first: CommitCertificate, second: CommitCertificate
    ) -> None:
        """E6: two certificates for different blocks at one height end this node; never revert."""
        if first.height == second.height and first.block_id != second.block_id:
            said = self._hearing.said(at, first.height)
            self._do(ev.Halt("two certificates for one height", first, second, said))
            self.is_forked = True
