"""Build the rows of chain/selftest.py from own keys (reliability K7).

Run it with `python -m tests.make_selftest`; it prints the two tables.

Plain integer arithmetic on the curve, so that no signature library has a say in its own test.
Each row of a class of K8 satisfies as much of the equation as it can: only the named fault is
left for a verifier to see. `k_of` is the hash of the equation, over whatever bytes stand for R, A.
"""

import hashlib
from collections.abc import Callable

Point = tuple[int, int]
Row = tuple[str, str, str, str, str]  # name; key, message, R and S in hex

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P
NEUTRAL: Point = (0, 1)
LONG = b"wijkchain self-test, a longer line"


def add(a: Point, b: Point) -> Point:
    x1, y1 = a
    x2, y2 = b
    t = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return x3, y3


def times(k: int, a: Point) -> Point:
    result = NEUTRAL
    while k:
        if k & 1:
            result = add(result, a)
        a = add(a, a)
        k >>= 1
    return result


def x_of(y: int) -> int:
    """Return the even x of a point of the curve."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square, "not on the curve"
    return x if x % 2 == 0 else P - x


def encode(a: Point) -> bytes:
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


BASE: Point = (x_of(BASE_Y), BASE_Y)
# y of a point of order 8, as all lists of small-order points have it (reliability K9).
TORSION_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
TORSION: Point = (x_of(TORSION_Y), TORSION_Y)
ORDER_4 = times(2, TORSION)  # y = 0
TWISTED_NEUTRAL = (1 | 1 << 255).to_bytes(32, "little")  # x = 0 with the sign of an odd x
PADDED_NEUTRAL = (P + 1).to_bytes(32, "little")  # y = 1, written as p + 1
PADDED_ORDER_4 = (P | (ORDER_4[0] & 1) << 255).to_bytes(32, "little")  # y = 0, written as p


def secret(seed: bytes) -> int:
    """RFC 8032 5.1.5."""
    bits = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return bits & (2**254 - 8) | 2**254


def k_of(r: bytes, a: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def s_bytes(s: int) -> bytes:
    return s.to_bytes(32, "little")


def message_where(name: str, accept: Callable[[bytes], bool]) -> bytes:
    """Return the first message named after its row that makes the equation come out."""
    return next(
        message
        for n in range(1000)
        if accept(message := f"wijkchain self-test {name} {n}".encode())
    )


def k_is_3(r: bytes, a: bytes, order: int) -> Callable[[bytes], bool]:
    return lambda message: k_of(r, a, message) % order == 3


def build_rows() -> list[Row]:
    seed = hashlib.sha256(b"wijkchain self-test key").digest()
    a = secret(seed)
    r = int.from_bytes(hashlib.sha512(b"wijkchain self-test nonce").digest(), "little") % L
    honest, nonce = times(a, BASE), times(r, BASE)
    mixed = add(honest, TORSION)
    rows: list[Row] = []

    def row(name: str, key: bytes, message: bytes, signature: bytes) -> None:
        rows.append((name, key.hex(), message.hex(), signature[:32].hex(), signature[32:].hex()))

    def exact(name: str, key: bytes, base: Point, order: int, s: Callable[[int], int]) -> None:
        """R = base - k * torsion, so that S * B - k * A gives R exactly, for k = 3 mod `order`."""
        point = add(base, times(order - 3, times(8 // order, TORSION)))
        message = message_where(name, k_is_3(encode(point), key, order))
        k = k_of(encode(point), key, message)
        row(name, key, message, encode(point) + s_bytes(s(k) % L))

    key = encode(honest)
    signature = b""
    for n, message in enumerate((b"", b"w", LONG)):
        prefix = hashlib.sha512(seed).digest()[32:]
        n_r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
        point = encode(times(n_r, BASE))
        signature = point + s_bytes((n_r + k_of(point, key, message) * a) % L)
        row(f"good {n}", key, message, signature)
    long = LONG
    row("other message", key, long[:-1], signature)
    row("other R", key, long, bytes([signature[0] ^ 1]) + signature[1:])
    row("other S", key, long, signature[:32] + bytes([signature[32] ^ 1]) + signature[33:])
    row("other key", encode(times(a + 8, BASE)), long, signature)
    row("all zero", bytes(32), b"", bytes(64))

    exact("0 small A, small R", encode(TORSION), NEUTRAL, 8, lambda _: 0)
    exact("1 small A", encode(TORSION), nonce, 8, lambda _: r)
    exact("2 small R", encode(mixed), NEUTRAL, 8, lambda k: k * a)
    exact("3 mixed A, mixed R", encode(mixed), nonce, 8, lambda k: r + k * a)

    key, point_bytes = encode(mixed), encode(nonce)
    message = message_where("4", k_is_3(point_bytes, key, 8))
    k = k_of(point_bytes, key, message)
    row("4 cofactor, mixed A", key, message, point_bytes + s_bytes((r + k * a) % L))
    key, point_bytes = encode(honest), encode(add(nonce, TORSION))
    k = k_of(point_bytes, key, b"wijkchain self-test 5")
    row(
        "5 cofactor, mixed R",
        key,
        b"wijkchain self-test 5",
        point_bytes + s_bytes((r + k * a) % L),
    )

    s = int.from_bytes(signature[32:], "little")
    row("6 S + L", key, long, signature[:32] + s_bytes(s + L))
    high = (2**256 - 1 - s) // L
    row("7 S + a multiple of L", key, long, signature[:32] + s_bytes(s + high * L))

    for name, hashed in (("8 padded R", PADDED_NEUTRAL), ("9 padded R", encode(NEUTRAL))):
        message = f"wijkchain self-test {name}".encode()
        k = k_of(hashed, key, message)
        row(name, key, message, PADDED_NEUTRAL + s_bytes(k * a % L))
    point_bytes = encode(add(nonce, ORDER_4))  # -3 times the point of order 4
    for name, hashed in (("10 padded A", PADDED_ORDER_4), ("11 padded A", encode(ORDER_4))):
        message = message_where(name, k_is_3(point_bytes, hashed, 4))
        row(name, PADDED_ORDER_4, message, point_bytes + s_bytes(r))
    row("12 twisted A", TWISTED_NEUTRAL, b"wijkchain self-test 12", encode(nonce) + s_bytes(r))
    return rows


def build_points() -> list[tuple[str, str]]:
    """Return keys for the point check of K3 and M3: only the first is one."""
    honest = times(secret(hashlib.sha256(b"wijkchain self-test key").digest()), BASE)
    return [
        ("honest", encode(honest).hex()),
        ("mixed order", encode(add(honest, TORSION)).hex()),
        ("order 8", encode(TORSION).hex()),
        ("order 4", encode(ORDER_4).hex()),
        ("neutral", encode(NEUTRAL).hex()),
        ("padded neutral", PADDED_NEUTRAL.hex()),
        ("twisted neutral", TWISTED_NEUTRAL.hex()),
        ("not on the curve", (2).to_bytes(32, "little").hex()),
    ]


if __name__ == "__main__":
    print("ROWS: tuple[tuple[str, str, str, str, str], ...] = (")
    for name, key, message, *signature in build_rows():
        print(f"    ({name!r}, {key!r}, {message!r}, {', '.join(map(repr, signature))}),")
    print(")\nPOINTS: tuple[tuple[str, str], ...] = (")
    for name, point_hex in build_points():
        print(f"    ({name!r}, {point_hex!r}),")
    print(")")
