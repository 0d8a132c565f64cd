"""Finding one's own words again after a restart: the guard's slots, back as messages (D7).

A slot holds the exact signed bytes and the signature. A commit's bytes are a note and a proposal's
name digests only, so those two need the stored record beside them.
"""

from collections.abc import Iterable, Sequence

from chain.codec import decode
from consensus.events import OpenRecords
from consensus.guard import Slot, Step, is_opening
from consensus.messages import (
    ChainName,
    Commit,
    Draft,
    DraftProposal,
    Prepare,
    Prepared,
    RoundChange,
    SignedMessage,
    SignedProposal,
    seal,
    signed_bytes,
)
from consensus.open_height import OpenHeight


def take_up(at: OpenHeight, slots: Sequence[Slot], records: OpenRecords) -> int:
    """Put into `at` what guard and records hold of it; return the round they reached (D7)."""
    for slot in slots:
        at.is_reopened |= is_opening(slot)
        if slot.signed:
            at.note_signed(slot.position, slot.signed)
    at.drafted, at.prepared = records.drafted, records.prepared
    rounds = [slot.position.round for slot in slots if slot.signed]
    if records.accepted is not None:
        rounds.append(records.accepted.record.round)
    if records.prepared is not None:
        # Noted in silence, maybe: the guard knows nothing of it.
        rounds.append(records.prepared.certificate.round)
    return max(rounds, default=0)


def compute_own_messages(
    slots: Iterable[Slot], records: OpenRecords, chain: ChainName, key: bytes
) -> list[SignedMessage]:
    """Return the messages that `slots` of one height signed, byte for byte, in their order.

    A proposal or commit older than the stored record is left out: a newer one took its place.
    """
    messages = []
    for slot in slots:
        if not slot.signed:
            continue
        draft = _draft(slot, records)
        if draft is not None and signed_bytes(chain, draft) == slot.signed:
            messages.append(seal(draft, key, slot.signature))
    return messages


def of_height(records: OpenRecords, height: int) -> OpenRecords:
    """Return the records that are of this height: a crash may leave older ones behind (D3)."""
    drafted, accepted, prepared = records.drafted, records.accepted, records.prepared
    return OpenRecords(
        drafted if drafted is not None and drafted.record.height == height else None,
        accepted if accepted is not None and accepted.record.height == height else None,
        prepared if prepared is not None and prepared.header.height == height else None,
    )


def lacks_records(slots: Iterable[Slot], records: OpenRecords) -> bool:
    """Say whether a slot of this height rests on a record that is gone (D10).

    Each was durable before its slot was (D3). Without the certificate a commit rests on, the next
    round change would deny it (E1d), and a later leader could propose another block.
    """
    return any(
        _round_of(record) < round_ for slot in slots for record, round_ in _rests_on(slot, records)
    )


def commit_of(prepared: Prepared) -> Commit:
    """Return the commit that a prepared certificate earns (R3)."""
    certificate, header = prepared.certificate, prepared.header
    return Commit(
        certificate.height,
        certificate.round,
        certificate.block_id,
        header.log_size,
        header.log_root,
    )


def _rests_on(
    slot: Slot, records: OpenRecords
) -> list[tuple[DraftProposal | SignedProposal | Prepared | None, int]]:
    """Return the stored record under this slot, and the lowest round it may be of."""
    at = slot.position
    match at.step:
        case Step.PROPOSAL:
            return [(records.drafted, at.round)]
        case Step.PREPARE:
            return [(records.accepted, at.round)]
        case Step.COMMIT:
            return [(records.prepared, at.round)]
        case Step.ROUND_CHANGE:
            claimed = decode(RoundChange, slot.signed).prepared_round
            return [] if claimed is None else [(records.prepared, claimed)]
        case Step.END | Step.LOCK:
            return []


def _round_of(record: DraftProposal | SignedProposal | Prepared | None) -> int:
    if record is None:
        return -1
    return record.certificate.round if isinstance(record, Prepared) else record.record.round


def _draft(slot: Slot, records: OpenRecords) -> Draft | None:
    match slot.position.step:
        case Step.ROUND_CHANGE:
            return decode(RoundChange, slot.signed)
        case Step.PROPOSAL:
            return records.drafted
        case Step.PREPARE:
            return decode(Prepare, slot.signed)
        case Step.COMMIT:
            return None if records.prepared is None else commit_of(records.prepared)
        case Step.END | Step.LOCK:
            return None
