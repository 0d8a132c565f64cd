"""The equations of economy 10.3, checked from bytes: ceremony, ballots, openings and shares."""

from dataclasses import dataclass
from typing import Any

from .group import NEUTRAL, Q, h, minus, mul, mul_g, num, plus, point_ok, scalar_ok
from .wire import BadBundleError, unpack_as

BITS = (0, 1)


class WrongError(Exception):
    """Something that was to prove itself does not; says what."""


@dataclass(frozen=True)
class Rules:
    """What the manifest says about one ballot, and what every proof is bound to."""

    ctx: tuple[bytes, bytes, bytes]
    y: bytes
    options: int
    blank: bool
    low: int
    high: int
    score: int
    scored: bool

    @property
    def slots(self) -> list[int]:
        """The numbers c of the ciphertexts."""
        return list(range(0 if self.blank else 1, self.options + 1))


@dataclass(frozen=True)
class Cast:
    """A ballot that proved itself: one (alpha, beta) for each slot."""

    voter: bytes
    pairs: list[tuple[bytes, bytes]]


def rules_of(manifest: dict[str, Any], digest: bytes) -> Rules:
    """Return the rules of a manifest."""
    scored = manifest["method"] == "SCORE"
    return Rules(
        ctx=(manifest["chain"], manifest["election"], digest),
        y=manifest["key"],
        options=len(manifest["options"]),
        blank=manifest["blank"] == 1,
        low=manifest["min"],
        high=manifest["max"],
        score=manifest["score"] if scored else 1,
        scored=scored,
    )


# --- key ceremony (E16) ---------------------------------------------------------------------------


def check_commit(ctx0: tuple[bytes, bytes, int], i: int, commit: list[Any]) -> list[bytes]:
    """Return C_i0.. of trustee i, if it proved to know a_i0."""
    points: list[bytes]
    points, _box, e, z = commit
    if not all(point_ok(c) for c in points):
        raise WrongError(f"a commitment of trustee {i} is no valid point")
    if not scalar_ok(e) or not scalar_ok(z):
        raise WrongError(f"the proof of trustee {i} has a number above q")
    a = plus(mul_g(num(z)), mul(num(e), points[0]))
    if h("dkg-pop", *ctx0, i, points[0], a) != num(e):
        raise WrongError(f"trustee {i} did not prove to know its part of the key")
    return points


def share_point(commitments: list[list[bytes]], j: int) -> bytes:
    """Return V_j, the sum over all dealers of j^k * C_ik."""
    terms = [mul(pow(j, k, Q), c) for row in commitments for k, c in enumerate(row)]
    return plus(*terms)


def check_answer(row: list[bytes], receiver: int, share: bytes) -> None:
    """Hold an answer to what its dealer committed to."""
    if not scalar_ok(share) or mul_g(num(share)) != share_point([row], receiver):
        raise WrongError(f"the answer about trustee {receiver} is not the share committed to")


# --- ballots (E17 to E21) -------------------------------------------------------------------------


def read_pairs(run: bytes) -> list[tuple[bytes, bytes]]:
    """Return 64 bytes after 64 bytes, halved."""
    if len(run) % 64:
        raise WrongError("a run of pairs has another length")
    return [(run[at : at + 32], run[at + 32 : at + 64]) for at in range(0, len(run), 64)]


def check_ballot(rules: Rules, voter: bytes, data: bytes) -> Cast:
    """Return the ciphertexts of a ballot after every check of E18 to E20."""
    election, manifest, named, ciphertexts, proofs = unpack_as(data, "wijk.ballot.1", 5)
    if (election, manifest) != rules.ctx[1:]:
        raise WrongError("the ballot is of another election or manifest")
    if named != voter:
        raise WrongError("the ballot names another credential")
    pairs = read_pairs(ciphertexts)
    given = read_pairs(proofs)
    if len(pairs) != len(rules.slots):
        raise WrongError("the ballot has another number of ciphertexts")
    if not all(point_ok(alpha) and point_ok(beta) for alpha, beta in pairs):
        raise WrongError("the ballot holds a point that is not valid")
    if not all(scalar_ok(e) and scalar_ok(z) for e, z in given):
        raise WrongError("the ballot holds a number above q")
    by_slot = dict(zip(rules.slots, pairs, strict=True))
    options = [pair for slot, pair in by_slot.items() if slot]
    total = (plus(*[a for a, _ in options]), plus(*[b for _, b in options]))
    wanted: list[tuple[str, bytes | int, list[tuple[tuple[bytes, bytes], int]]]] = []
    for slot, pair in by_slot.items():
        if slot and rules.scored:
            wanted.append(("score", slot, [(pair, m) for m in range(rules.score + 1)]))
        else:
            wanted.append(("bit", slot, [(pair, m) for m in BITS]))
    sums = [(total, m) for m in range(rules.low, rules.high + 1)]
    if rules.blank:
        wanted.append(("blank", b"", [(by_slot[0], 0), (total, 0)]))
        wanted.append(("range", b"", [(by_slot[0], 1), *sums]))
    else:
        wanted.append(("sum", b"", sums))
    if sum(len(claims) for _, _, claims in wanted) != len(given):
        raise WrongError("the ballot has another number of proofs")
    at = 0
    for tag, extra, claims in wanted:
        branches = given[at : at + len(claims)]
        at += len(claims)
        if not one_is_true(rules, voter, tag, extra, claims, branches):
            raise WrongError(f"the proof {tag} of the ballot does not hold")
    return Cast(voter, pairs)


def one_is_true(
    rules: Rules,
    voter: bytes,
    tag: str,
    extra: bytes | int,
    claims: list[tuple[tuple[bytes, bytes], int]],
    branches: list[tuple[bytes, bytes]],
) -> bool:
    """Say whether the branches prove that one of the claims (pair, m) is true (E18)."""
    items: list[bytes | int] = [*rules.ctx, voter, extra, rules.y]
    challenge = 0
    for ((alpha, beta), m), (e_bytes, z_bytes) in zip(claims, branches, strict=True):
        e, z = num(e_bytes), num(z_bytes)
        a = plus(mul_g(z), mul(e, alpha))
        b = plus(mul(z, rules.y), mul(e, minus(beta, mul_g(m))))
        items += [alpha, beta, m, a, b]
        challenge += e
    return challenge % Q == h(tag, *items)


def check_opening(rules: Rules, voter: bytes, data: bytes) -> tuple[bytes, list[int]]:
    """Return a spoiled ballot and what it hid, recomputed from its randomness (E21)."""
    ballot, randoms, values = unpack_as(data, "wijk.opening.1", 3)
    election, manifest, named, ciphertexts, _proofs = unpack_as(ballot, "wijk.ballot.1", 5)
    if (election, manifest, named) != (*rules.ctx[1:], voter):
        raise WrongError("the spoiled ballot is of another election or credential")
    pairs = read_pairs(ciphertexts)
    if not len(pairs) == len(values) == len(rules.slots) or len(randoms) != 32 * len(values):
        raise WrongError("the opening has another length than its ballot")
    for place, (alpha, beta) in enumerate(pairs):
        random = randoms[32 * place : 32 * place + 32]
        r = num(random)
        if not scalar_ok(random):
            raise WrongError("the opening holds a number above q")
        if (mul_g(r), plus(mul(r, rules.y), mul_g(values[place]))) != (alpha, beta):
            raise WrongError("the spoiled ballot hides something else than was shown")
    return ballot, values


# --- sums, shares and counts (E22 to E24) ---------------------------------------------------------


def check_share(
    rules: Rules, v_j: bytes, j: int, sums: list[tuple[bytes, bytes]], shares: list[Any]
) -> list[bytes]:
    """Return D_jc of every slot, if trustee j proved them (E23, E27)."""
    if len(shares) != len(sums):
        raise WrongError(f"trustee {j} gave another number of shares")
    points = []
    for slot, (alpha, _), share in zip(rules.slots, sums, shares, strict=True):
        if len(share) != 3:  # noqa: PLR2004
            raise BadBundleError("a share is a point and two numbers")
        d, e, z = share
        points.append(d)
        if alpha == NEUTRAL:
            if share != [NEUTRAL, bytes(32), bytes(32)]:
                raise WrongError(f"trustee {j} gave a share where there is nothing to open")
            continue
        if not point_ok(d) or not scalar_ok(e) or not scalar_ok(z):
            raise WrongError(f"a share of trustee {j} is no valid point or number")
        a = plus(mul_g(num(z)), mul(num(e), v_j))
        b = plus(mul(num(z), alpha), mul(num(e), d))
        if h("share", *rules.ctx, j, slot, v_j, alpha, d, a, b) != num(e):
            raise WrongError(f"the share of trustee {j} for option {slot} does not hold")
    return points


def opens_to(
    sums: list[tuple[bytes, bytes]], shares: dict[int, list[bytes]], t: int, counts: list[int]
) -> bool:
    """Say whether m*G of every count is what the t lowest shares leave of beta* (E24)."""
    used = sorted(shares)[:t]
    if len(used) < t or len(counts) != len(sums):
        return False
    for place, (_, beta) in enumerate(sums):
        left = beta
        for j in used:
            weight = 1
            for k in used:
                if k != j:
                    weight = weight * k * pow(k - j, -1, Q) % Q
            left = minus(left, mul(weight, shares[j][place]))
        if left != mul_g(counts[place]):
            return False
    return True
