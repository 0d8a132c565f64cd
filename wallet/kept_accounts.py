"""Which account a key of this home is of, where that is another than the one named after it.

An account is named after its first key (architecture D4). A key that it got later, as after a
recovery, cannot know its account: the chain was asked once, its answer proven, and kept in
`accounts.json` (ADR 0101). A key that is still of the account named after it is never kept. What
stands there names accounts and holds no secret.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from chain.address import parse_account
from chain.errors import Malformed
from chain.strict_json import parse_json
from chain.texts import Problem
from wallet.files import read_plain, replace
from wallet.keystore import Hex32, KeyFile, list_keys

ACCOUNTS_BYTES_MAX = 64 * 1024  # some hundreds of keys


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key, the account that it was proven to be a later key of, and its index there."""

    public_key: Hex32
    account: str
    index: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class KeptAccounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `accounts.json` holds, by key."""

    format: Literal["wijk/accounts/1"]
    accounts: tuple[Kept, ...]


def load_kept(home: Path) -> dict[str, Kept]:
    """Return the accounts of later keys by public key; none where no file is. Else `Problem`."""
    try:
        data = read_plain(home / "accounts.json", ACCOUNTS_BYTES_MAX)
        kept = parse_json(data, KeptAccounts).accounts
        for one in kept:
            parse_account(one.account)
    except FileNotFoundError:
        return {}
    except (Malformed, Problem) as error:
        raise Problem(1002, errors=[f"accounts.json: {error}"]) from error
    return {one.public_key: one for one in kept}


def keep_account(home: Path, key_file: KeyFile, account: str, index: int) -> None:
    """Remember the account of a key, once the chain has proven it; replaces the file whole."""
    known = Kept(public_key=key_file.public_key, account=account, index=index)
    _store(home, load_kept(home) | {key_file.public_key: known})


def forget_account(home: Path, key_file: KeyFile) -> None:
    """Forget the account of a key, once the chain has proven that it is not (or not only) of it."""
    kept = load_kept(home)
    if kept.pop(key_file.public_key, None) is not None:
        _store(home, kept)


def _store(home: Path, kept: dict[str, Kept]) -> None:
    listed = tuple(kept[key] for key in sorted(kept))
    tree = KeptAccounts(format="wijk/accounts/1", accounts=listed)
    replace(
        home / "accounts.json", msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n"
    )


def account_of(home: Path, key_file: KeyFile) -> str:
    """Return the account that a key is known here to be of, else the one named after it."""
    return _account_of(load_kept(home), key_file)


def list_own(home: Path) -> list[tuple[KeyFile, str]]:
    """Return the keys of this home by name, each with its account as `account_of` says."""
    kept = load_kept(home)
    return [(key, _account_of(kept, key)) for key in list_keys(home)]


def _account_of(kept: dict[str, Kept], key_file: KeyFile) -> str:
    known = kept.get(key_file.public_key)
    return key_file.account if known is None else known.account
