"""The start-up self-test of the signature library (reliability K7, consensus M3).

Libraries disagree on crafted signatures, and a node with another verdict can fork the chain. So a
node tries its library on every class of K8 before it opens a socket, and stops on a difference.
The rows are built from own keys by `tests/make_selftest.py`; numbers are those of K8.
"""

import nacl

from chain.crypto import is_valid_key, public_key, sha256, sign, verify

ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "good 0",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "",
        "3eef23a54012fa422fd0aa702363d05d847919b0b23758c75be36253b7eda589",
        "c58bba3c9d5c1b663a1cad8039618605c4f247516bab4315bce4857ab57b1d0b",
    ),
    (
        "good 1",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77",
        "88401a08a9366d76551740dd8b6a265c68cf04c6acc4e7115dad8355ddbec56d",
        "05c84488f8fb99bac4694d2e7d15bb89c16de2f0351f9e11e5f097d776ad1005",
    ),
    (
        "good 2",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "84f9700d3af55829790990a81f73e934c7ee93fae105e5d251d9e9dcc0c16001",
    ),
    (
        "other message",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "84f9700d3af55829790990a81f73e934c7ee93fae105e5d251d9e9dcc0c16001",
    ),
    (
        "other R",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "67646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "84f9700d3af55829790990a81f73e934c7ee93fae105e5d251d9e9dcc0c16001",
    ),
    (
        "other S",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "85f9700d3af55829790990a81f73e934c7ee93fae105e5d251d9e9dcc0c16001",
    ),
    (
        "other key",
        "715880ec7a74055d80404178223385abc3909f1441fe0310cf17aa60b8850731",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "84f9700d3af55829790990a81f73e934c7ee93fae105e5d251d9e9dcc0c16001",
    ),
    (
        "all zero",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "0 small A, small R",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "77696a6b636861696e2073656c662d74657374203020736d616c6c20412c20736d616c6c20522035",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "1 small A",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "77696a6b636861696e2073656c662d74657374203120736d616c6c20412034",
        "49ab2a41580bb97d53e9dc91085cc2c5f4762e480839b15b906c853a78e2a4ad",
        "3e1104a4e1d517d193f38252fbf68c4854c7be00dda3ed6fbe88f2151c902f00",
    ),
    (
        "2 small R",
        "112e3d1513c38cfc34de431c8082e7b0c17555140993efc5908585c8511e2f08",
        "77696a6b636861696e2073656c662d74657374203220736d616c6c20522030",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "e044054cde268bffb03dfc47d57a1cfb554b7168a826e956cfeac6a1dd61a30b",
    ),
    (
        "3 mixed A, mixed R",
        "112e3d1513c38cfc34de431c8082e7b0c17555140993efc5908585c8511e2f08",
        "77696a6b636861696e2073656c662d746573742033206d6978656420412c206d697865642052203332",
        "49ab2a41580bb97d53e9dc91085cc2c5f4762e480839b15b906c853a78e2a4ad",
        "7bfa3682a545cad173f45b1d1710d940cfee75f731baf4b6598f9082d9fbf501",
    ),
    (
        "4 cofactor, mixed A",
        "112e3d1513c38cfc34de431c8082e7b0c17555140993efc5908585c8511e2f08",
        "77696a6b636861696e2073656c662d7465737420342037",
        "ee1d596b57e52fd683a2d6a00451b12715bbc2ba7e83d4afe8414896f2f16625",
        "80858ab38dce6a740911f9b03a487bd0b21904e2c5d272e55936bbe92f82c40d",
    ),
    (
        "5 cofactor, mixed R",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742035",
        "a454d5bea7f44682ac16236ef7a33d3a0b89d1b7f7c64ea46f937ac5871d5b52",
        "0a971191fdf362f6290e8454fa81622c194ec98f4e375f729545d62a1088520a",
    ),
    (
        "6 S + L",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "71cd666a54586b814fa6874bfe6cc849c7ee93fae105e5d251d9e9dcc0c16011",
    ),
    (
        "7 S + a multiple of L",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742c2061206c6f6e676572206c696e65",
        "66646648116a81d31b9c9b179ae9e60a6d494ab6529cdb49e2e8d9dcc2b8af9c",
        "6764d87fc5c36c52083a12352b17fa6dc8ee93fae105e5d251d9e9dcc0c160f1",
    ),
    (
        "8 padded R",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742038207061646465642052",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "6f5c68cf14a89d4c6daab42b8166972d23dc606201d15a95d1af41b6d9d3f80c",
    ),
    (
        "9 padded R",
        "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5",
        "77696a6b636861696e2073656c662d746573742039207061646465642052",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ab0ba57355fa08a1492886408b5aee4fb049ce3dd46f3cee8bbc33334e874e08",
    ),
    (
        "10 padded A",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "77696a6b636861696e2073656c662d746573742031302070616464656420412030",
        "1cb630715e9cf2114653e868ce05a347fd6f96fa0534d5438c4365f23f657c30",
        "3e1104a4e1d517d193f38252fbf68c4854c7be00dda3ed6fbe88f2151c902f00",
    ),
    (
        "11 padded A",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "77696a6b636861696e2073656c662d746573742031312070616464656420412030",
        "1cb630715e9cf2114653e868ce05a347fd6f96fa0534d5438c4365f23f657c30",
        "3e1104a4e1d517d193f38252fbf68c4854c7be00dda3ed6fbe88f2151c902f00",
    ),
    (
        "12 twisted A",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "77696a6b636861696e2073656c662d74657374203132",
        "ee1d596b57e52fd683a2d6a00451b12715bbc2ba7e83d4afe8414896f2f16625",
        "3e1104a4e1d517d193f38252fbf68c4854c7be00dda3ed6fbe88f2151c902f00",
    ),
)
POINTS: tuple[tuple[str, str], ...] = (
    ("honest", "48d516dcc3c3a25ef4b609e049a7db9501a695d405c78b681c5e19ff971c0ec5"),
    ("mixed order", "112e3d1513c38cfc34de431c8082e7b0c17555140993efc5908585c8511e2f08"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("neutral", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("padded neutral", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("twisted neutral", "0100000000000000000000000000000000000000000000000000000000000080"),
    ("not on the curve", "0200000000000000000000000000000000000000000000000000000000000000"),
)

# '1' for accepted and '0' for refused, over the rows, the points and the known answers.
EXPECTED_SHA256 = "46fa54e7e36e2cfe628fd8de86eb4de4f00095ee61c3d4695a83a85d0985d5a8"

_SEED = sha256(b"wijkchain self-test key")
_KNOWN_ANSWERS = 3  # the first rows are what signing with `_SEED` gives (RFC 8032 is deterministic)


class SelfTestFailed(Exception):
    """The signature library of this machine judges otherwise than the chain does: do not start."""


def run_selftest() -> None:
    """Raise `SelfTestFailed`, naming library and version, unless every verdict is the chain's."""
    found = compute_verdicts()
    if sha256(found.encode()).hex() != EXPECTED_SHA256:
        raise SelfTestFailed(
            f"PyNaCl {nacl.__version__} gives other verdicts than this chain: {found}"
        )


def compute_verdicts() -> str:
    """Return the verdicts of this machine's library as a string of '1' and '0'."""
    rows = [
        (bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(r + s))
        for _, key, message, r, s in ROWS
    ]
    verdicts = [verify(*row) for row in rows]
    verdicts += [is_valid_key(bytes.fromhex(point)) for _, point in POINTS]
    verdicts += [
        (public_key(_SEED), sign(_SEED, message)) == (key, signature)
        for key, message, signature in rows[:_KNOWN_ANSWERS]
    ]
    return "".join("1" if verdict else "0" for verdict in verdicts)
