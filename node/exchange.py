"""What validators said at a height, asked of peers: together they name the culprits (consensus E5).

No node hears everything. Whoever saw another proposal than its peers asks them, and whoever finds
a fork asks everybody before it stops. The union is bounded as one node's own memory is: all of it
goes through a `Witness`. Each page answers one request, and the quotas of a link hold for both.
"""

from collections.abc import Callable, Iterable

from chain.contract import Chain
from chain.errors import Malformed
from chain.evidence import Testimony
from chain.signed import ChainName, Commit, signed_bytes
from chain.validators import Verify
from consensus import events
from consensus.witness import Witness
from node.chainstore import ChainStore
from node.messages import SAID_MAX, SaidAnswer, SaidRequest
from node.ports import Links, Peer, Size

UNIONS_MAX = 4  # heights asked about at once; the newest stay
ASKED_MAX = 256  # peers with an open question: more than links there can be


class Exchange:
    """Guards which peer was asked about which height, and the union of what they said.

    `hear` gives what this node itself heard at a height; `accuse` is told each contradiction.
    """

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        links: Links,
        verify: Verify,
        hear: Callable[[int], Iterable[Testimony]],
        accuse: Callable[[events.Accuse], None],
    ) -> None:
        self._name = ChainName(chain.digest, chain.chain_id)
        self._store = store
        self._links = links
        self._verify = verify
        self._hear = hear
        self._accuse = accuse
        self._asked: dict[Peer, SaidRequest] = {}
        self._unions: dict[int, Witness] = {}

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        return (
            ("questions", len(self._asked), ASKED_MAX),
            ("unions", len(self._unions), UNIONS_MAX),
        )

    def ask(self, height: int, peers: Iterable[Peer]) -> None:
        """Ask linked peers what they heard at a height; a new question replaces an older one."""
        linked = set(self._links.peers())
        for peer in peers:
            if peer in linked and (peer in self._asked or len(self._asked) < ASKED_MAX):
                self._union(height)
                self._send(peer, SaidRequest(height, None))

    def is_waiting(self) -> bool:
        """Say whether an answer is still to come."""
        return bool(self._asked)

    def on_link_down(self, peer: Peer) -> None:
        """A peer that is gone answers nothing."""
        self._asked.pop(peer, None)

    def on_request(self, peer: Peer, message: SaidRequest) -> None:
        """Answer with all that a number of signers said: as many of them as fit a page."""
        said = sorted(
            (
                one
                for one in self._hear(message.height)
                if message.after is None or one.signer > message.after
            ),
            key=lambda one: one.signer,
        )
        page = said
        if len(said) > SAID_MAX:  # a witness keeps far fewer of one signer than fit a page
            page = [one for one in said if one.signer < said[SAID_MAX].signer]
            assert page, "one signer fills a page"
        self._links.send(peer, SaidAnswer(message.height, tuple(page), int(len(page) < len(said))))

    def on_answer(self, peer: Peer, message: SaidAnswer) -> None:
        """Take a page into the union; ask for the next. Raise `Malformed` for a forged one (B12).

        After a fork a peer may know other validators than we do: what those said is left out.
        """
        asked = self._asked.get(peer)
        if asked is None or asked.height != message.height:
            return  # the question was replaced meanwhile
        del self._asked[peer]
        signers = [one.signer for one in message.said]
        after = asked.after or b""
        if signers != sorted(signers) or any(signer <= after for signer in signers):
            raise Malformed("a page that is out of order")
        if message.more and not signers:
            raise Malformed("an empty page before the last")
        union, validators = self._union(message.height), self._store.validators_at(message.height)
        known = set(union.messages())
        for one in message.said:
            if one not in known and one.signer in validators:
                self._check(one, message.height)
                self._learn(union, one)
        if message.more and any(signer in validators for signer in signers):  # it comes to an end
            self._send(peer, SaidRequest(message.height, signers[-1]))

    def said(self, height: int) -> tuple[Testimony, ...]:
        """Return the union of a height that was asked about; else what this node heard."""
        union = self._unions.get(height)
        return tuple(self._hear(height)) if union is None else union.messages()

    def _send(self, peer: Peer, request: SaidRequest) -> None:
        self._asked[peer] = request
        self._links.send(peer, request)

    def _union(self, height: int) -> Witness:
        """Return the union of a height, begun with what this node heard itself."""
        if height not in self._unions:
            union = self._unions[height] = Witness()
            for one in self._hear(height):
                union.note(one)  # consensus has reported what contradicts there
            for old in list(self._unions)[:-UNIONS_MAX]:
                del self._unions[old]
        return self._unions[height]

    def _check(self, said: Testimony, height: int) -> None:
        record = said.record
        if record.height != height:
            raise Malformed("a message of another height than asked")
        if not isinstance(record, Commit) and record.genesis_digest != self._name.genesis_digest:
            raise Malformed("a message of another chain")
        if not self._verify(said.signer, signed_bytes(self._name, record), said.signature):
            raise Malformed("a message with a wrong signature")

    def _learn(self, union: Witness, said: Testimony) -> None:
        pair = union.note(said)
        if pair is not None:
            self._accuse(events.Accuse(*pair))
