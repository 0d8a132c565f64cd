"""Keys that live for one election: a credential, and a trustee's secret (economy E11, E12, E14).

Both are fresh key files of the keystore, named after the election, wrapped by a passphrase and
brought back by their words. A credential has nothing to do with the person's own key, so a ballot
does not name its voter. All ceremony secrets of a trustee follow from the seed of its key file
(`wallet/trustee.py`). `keystore.load_key` and `keystore.unlock` open them as any other.
"""

import secrets
from pathlib import Path

from wallet.keystore import STRONG, KeyFile, Params, Random, create, save_new

ENTROPY_BYTES = 32  # 24 words
ID_DIGITS = 16  # of the election id, in the name of a key file


def name_credential(election: bytes) -> str:
    """Return the name of a voter's key for an election."""
    return f"vote-{election.hex()[:ID_DIGITS]}"


def name_trustee_key(election: bytes) -> str:
    """Return the name of a trustee's key for an election."""
    return f"trustee-{election.hex()[:ID_DIGITS]}"


def make_key(
    home: Path,
    name: str,
    passphrase: str,
    params: Params = STRONG,
    *,
    created_at: str,
    test_only: bool = False,
    random: Random = secrets.token_bytes,
) -> KeyFile:
    """Make a fresh key under one of the names above, and keep it in `home`.

    Raise `Problem` 1001 where this home has that key already: a second one would be another voter.
    """
    entropy = random(ENTROPY_BYTES)
    key_file = create(name, entropy, passphrase, params, created_at=created_at, test_only=test_only)
    save_new(home, key_file)
    return key_file
