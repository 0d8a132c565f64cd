"""What an audit finds wrong: a name and a place."""

import msgspec


class Broken(msgspec.Struct, frozen=True, order=True):
    """An invariant that does not hold, and where."""

    name: str
    where: str
