"""The folder of a home in which two certified blocks of one height are kept (consensus S9).

On its own, because whoever verifies a receipt without a network asks it too.
"""

from pathlib import Path

from chain.texts import Problem

HEAD, FORKS = "light.json", "forks"
CONFLICT = 5003


def refuse_known_fork(home: Path) -> None:
    """Raise `Problem` 5003 while a fork lies in the home: it is never resolved by itself.

    What begins with a dot is of a write that a crash cut short, or of a file browser.
    """
    folder = home / FORKS
    kept = (
        sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
    )
    if kept:
        raise Problem(CONFLICT, file=str(kept[0]), head=str(home / HEAD))
