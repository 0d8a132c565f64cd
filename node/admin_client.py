"""How a command finds a node home, and talks to the admin socket of the node that runs there."""

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from chain.terminal import Terminal
from node.config import Config, ConfigInvalid, load_config
from node.home import Home, socket_path

ANSWER_S = 30.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
EXIT_CONFIGURATION = 78


def node_home(terminal: Terminal) -> Path:
    """Return the node home: --home, WIJK_HOME, or the platform's data folder."""
    given = terminal.given.get("home") or os.environ.get("WIJK_HOME")
    if given:
        return Path(given)
    import platformdirs  # noqa: PLC0415 - rarely needed

    return platformdirs.user_data_path("wijk-node")


def load_settings(terminal: Terminal, root: Path) -> Config:
    """Return the settings of the node in `root`, or end with everything that is wrong."""
    try:
        return load_config(Home(root).config, os.environ)
    except ConfigInvalid as error:
        terminal.fail(1002, {"errors": error.faults}, exit_code=EXIT_CONFIGURATION)


def ask_admin(terminal: Terminal, root: Path, route: str, method: str = "GET") -> dict[str, Any]:
    """Return what the admin socket of the node in `root` answers; exit 4 where nobody listens."""
    path = socket_path(root, load_settings(terminal, root).text("admin.socket"))

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(ANSWER_S)
            self.sock.connect(str(path))

    connection = Connection("localhost")
    try:
        connection.request(method, route, headers={"Accept-Language": terminal.lang})
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES_MAX))
    except (OSError, ValueError, http.client.HTTPException):
        terminal.fail(3001, {"node": str(path)})
    finally:
        connection.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        terminal.fail(3001, {"node": f"{path}: {found.get('detail', answer.status)}"})
    return found
