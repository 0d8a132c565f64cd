"""The policy: whom an offline verifier trusts, and from which height (interfaces 3.5).

It is built from genesis; an era is added only once a header certified by the era before has
announced its set by `next_validators_hash`. A receipt means nothing without one.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from chain.checkpoint import (
    is_chain_id,
    is_validator_key_name,
    key_name,
    origin,
    read_vkey,
    to_bytes,
    write_vkey,
)
from chain.errors import Malformed
from chain.strict_json import canonical_json, parse_json
from chain.validators import VALIDATORS_MAX, Validator, ValidatorSet, quorum, validator_set

POLICY_BYTES_MAX = 4 * 1024 * 1024  # 200 changes of a set of 100, at 200 bytes a validator
FORMAT = "wijk/policy/1"

_Height = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_HexDigest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class PolicyValidator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A validator by name, with its public key as C2SP tools take it."""

    name: str
    vkey: str


class Era(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The validators of the heights `from_height` to `to_height`, both included; None: no end."""

    from_height: _Height
    to_height: _Height | None
    quorum: int
    validators: Annotated[
        tuple[PolicyValidator, ...], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)
    ]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to trust on one chain. `chain_digest` is hex; the eras follow on one another."""

    format: str
    chain_id: str
    chain_digest: _HexDigest
    origin: str
    eras: Annotated[tuple[Era, ...], msgspec.Meta(min_length=1)]


def read_policy(text: bytes | str) -> Policy:
    """Return the policy in `text`, or raise `Malformed`: what is trusted is read strictly."""
    policy = parse_json(to_bytes(text, POLICY_BYTES_MAX, "policy"), Policy)
    _check(policy)
    return policy


def write_policy(policy: Policy) -> str:
    """Return the policy as text, the reverse of `read_policy`."""
    return canonical_json(msgspec.to_builtins(policy)).decode() + "\n"


def build_policy(
    chain_id: str, chain_digest: bytes, eras: Iterable[tuple[int, int | None, ValidatorSet]]
) -> Policy:
    """Return the policy over `eras`: first height, last height or None, and the set between."""
    policy = Policy(
        format=FORMAT,
        chain_id=chain_id,
        chain_digest=chain_digest.hex(),
        origin=origin(chain_id),
        eras=tuple(
            Era(first, last, validators.quorum, _named(chain_id, validators))
            for first, last, validators in eras
        ),
    )
    _check(policy)
    return policy


def era_at(policy: Policy, height: int) -> Era | None:
    """Return the era that `height` falls in, None where the policy names nobody."""
    for era in policy.eras:
        if era.from_height <= height and (era.to_height is None or height <= era.to_height):
            return era
    return None


def era_keys(era: Era) -> dict[str, bytes]:
    """Return the public keys of an era by key name."""
    return dict(read_vkey(validator.vkey) for validator in era.validators)


def era_set(era: Era) -> ValidatorSet:
    """Return the validators of an era."""
    return validator_set(
        Validator(validator.name, read_vkey(validator.vkey)[1]) for validator in era.validators
    )


def _named(chain_id: str, validators: ValidatorSet) -> tuple[PolicyValidator, ...]:
    return tuple(
        PolicyValidator(
            validator.name, write_vkey(key_name(chain_id, validator.name), validator.key)
        )
        for validator in sorted(validators.validators, key=lambda validator: validator.name)
    )


def _check(policy: Policy) -> None:
    if policy.format != FORMAT:
        raise Malformed(f"policy: format is not {FORMAT}")
    if not is_chain_id(policy.chain_id) or policy.origin != origin(policy.chain_id):
        raise Malformed("policy: origin is not that of its chain id")
    for era, later in zip(policy.eras, policy.eras[1:], strict=False):
        if era.to_height is None or later.from_height != era.to_height + 1:
            raise Malformed(f"policy: no era follows on height {era.to_height}")
    for era in policy.eras:
        _check_era(policy, era)


def _check_era(policy: Policy, era: Era) -> None:
    at = f"policy: era from height {era.from_height}"
    if era.to_height is not None and era.to_height < era.from_height:
        raise Malformed(f"{at} ends before it begins")
    count = len(era.validators)
    if era.quorum != quorum(count):
        raise Malformed(f"{at}: a quorum of {count} is {quorum(count)}, not {era.quorum}")
    keys = era_keys(era)
    if len(keys) != count or len(set(keys.values())) != count:
        raise Malformed(f"{at}: a validator stands twice")
    for validator, name in zip(era.validators, keys, strict=True):
        named = key_name(policy.chain_id, validator.name)
        if name != named or not is_validator_key_name(name, policy.chain_id):
            raise Malformed(f"{at}: the vkey of {validator.name} is for {name}")
