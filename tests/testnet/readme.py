"""README.md and pages of docs/ as scripts: what a person is told to type is what runs here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
JQ = """#!{python}
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[2].strip(".").split("."):
    value = value[name]
print(value, end="" if sys.argv[1] == "-j" else "\\n")
"""


def readme_blocks() -> list[str]:
    """Return the scripts of a newcomer, a developer and an auditor."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Five minutes\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def page_script(name: str) -> str:
    """Return all that a page of docs/ tells people to type, in its order."""
    page = (CHECKOUT / "docs" / name).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))


def run_script(script: str, folder: Path, seconds: float = 100) -> str:
    """Run a script in `folder` until its first failure; return what it said, or fail the test."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    if shutil.which("jq") is None:  # as much of it as the scripts use
        (programs / "jq").write_text(JQ.format(python=sys.executable))
        (programs / "jq").chmod(0o755)
    names = [name for name in os.environ if not name.startswith("WIJK_")]
    environ = {name: os.environ[name] for name in names}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{programs}:{environ['PATH']}",
        "XDG_DATA_HOME": str(folder / "data"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
