"""C6: every state in which a height can wait, and what ends the wait whatever is lost.

Capitals name a timer. The tests walk this table and drive a replica through each row.
"""

EXITS: tuple[tuple[str, str], ...] = (
    ("round 0: work", "WorkPending, or HEARTBEAT (T8), or a message of this height (T4)"),
    ("any round: its proposal", "ROUND (T1, R5), SUSPICION (L7), a relayed proposal (T7)"),
    ("leader: its fresh block", "Proposed answers Propose; ROUND"),
    ("leader: the block it carries over", "Fetch at every RESEND; ROUND"),
    ("leader: q round changes", "RESEND of the others (T6), relay (T7), ROUND"),
    ("a proposed block made whole", "Fetch at every RESEND; ROUND"),
    ("a proposed block executed", "Executed answers Execute; ROUND"),
    ("q prepares", "RESEND (T6), relay (T7), ROUND"),
    ("q commits", "RESEND (T6), relay (T7), a certificate from a peer (R4), ROUND"),
    ("a decided block made whole", "Fetch at every RESEND; NewHeight by sync (D13)"),
    ("a decided block made durable", "NewHeight answers Apply"),
    ("start gate: q - 1 statuses", "RESEND of our own status, answered by theirs; LinkUp (D9)"),
    (
        "join barrier: a height decided",
        "RESEND tells the others, who make one due (D11); HEARTBEAT",
    ),
    ("out of touch: a quorum", "RESEND looks at the deadline again (T5); R6, R2"),
    ("ahead of the others: a quorum in this round", "they get here by ROUND or R6 (T5, T6)"),
    ("behind: a certificate", "relay (T7), CertificateKnown, NewHeight by sync (D13)"),
)
