"""Local control over a Unix socket, never over TCP (interfaces 2.5, reliability A10).

Who may connect is decided by the rights of the socket; who did what stands in `admin.log`.
Nothing here moves money or changes a validator: that takes transactions with board signatures.
"""

import asyncio
import grp
import json
import logging
import os
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import web

from chain.errors import Malformed
from chain.strict_json import parse_json
from chain.texts import Problem
from node.backup_job import BackupJobs
from node.disk import StorageError
from node.home import append_line, get_free_bytes, get_size, socket_path
from node.http_server import (
    Serving,
    answer_errors,
    answer_json,
    read_body,
    read_language,
    serve_unix,
)
from node.standing import Node
from node.status import status_json
from node.views import time_text

SOCKET_MODE = 0o660
BODY_BYTES_MAX = 64 * 1024
GROUPS_MAX = 100
_PEER = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid
_LEVELS = ("debug", "info", "warning", "error")

_Name = Annotated[str, msgspec.Meta(max_length=32)]
_Group = Annotated[list[_Name], msgspec.Meta(max_length=GROUPS_MAX)]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups of node names; links across groups are cut. None at all heals."""

    groups: Annotated[list[_Group], msgspec.Meta(max_length=GROUPS_MAX)] = []


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call that takes nothing."""


class LogLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is worth a line from now on."""

    level: str


async def serve_admin(node: Node, stop: "asyncio.Future[int]") -> Serving:
    """Open the admin socket of `node`; `stop` gets the exit code when it is told to shut down."""
    path = choose_path(node)
    path.unlink(missing_ok=True)  # the home is locked, so this is of a process that is gone
    serving = await serve_unix(make_admin(node, stop), path)
    path.chmod(SOCKET_MODE)
    _give_to_group(path, node.config.text("admin.group"))
    return serving


def choose_path(node: Node) -> Path:
    """Return where the socket goes; a folder outside the home is made, and must be ours alone."""
    path = socket_path(node.home.root, node.config.text("admin.socket"))
    if path.parent != (node.home.root / node.config.text("admin.socket")).parent:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
            raise StorageError(f"{path.parent} belongs to somebody else")
    return path


def _give_to_group(path: Path, name: str) -> None:
    """Let the group in, where there is one and we may; otherwise only the owner has access."""
    try:
        os.chown(path, -1, grp.getgrnam(name).gr_gid)
    except (KeyError, PermissionError):
        path.chmod(0o600)


def make_admin(node: Node, stop: "asyncio.Future[int]") -> web.Application:
    """Return the application behind the socket."""
    app = web.Application(middlewares=[_make_logger(node), answer_errors])
    routes = AdminRoutes(node, stop)
    app.router.add_get("/admin/v1/status", routes.status)
    app.router.add_get("/admin/v1/peers", routes.peers)
    app.router.add_get("/admin/v1/config", routes.config)
    app.router.add_get("/admin/v1/signer", routes.signer)
    app.router.add_post("/admin/v1/signer/lock", routes.lock)
    app.router.add_post("/admin/v1/faults", routes.faults)
    app.router.add_post("/admin/v1/log-level", routes.log_level)
    app.router.add_post("/admin/v1/shutdown", routes.shutdown)
    app.router.add_post("/admin/v1/backup", routes.backup)
    app.router.add_get("/admin/v1/jobs/{id}", routes.job)
    app.on_cleanup.append(routes.close)
    return app


class AdminRoutes:
    """What an operator on this machine may ask and do."""

    def __init__(self, node: Node, stop: "asyncio.Future[int]") -> None:
        self._node = node
        self._stop = stop
        self._backups = BackupJobs(node)

    async def close(self, _app: web.Application) -> None:
        """Stop what is still under way: the store is closed after this."""
        await self._backups.close()

    async def status(self, request: web.Request) -> web.StreamResponse:
        """GET /admin/v1/status: as `node status` of interfaces 1.8."""
        node = self._node
        now = node.timers.mono_ms()
        return answer_json(
            {
                **status_json(node, read_language(request)),
                "storage": node.storage,
                "store_bytes": get_size(node.home.store),
                "disk_free_bytes": get_free_bytes(node.home.root),
                "rss_mb": get_rss_mb(),
                "uptime_s": (now - node.started_ms) // 1000,
                "signing": node.signing,
                "silence": node.silence,
                "guard": _guard_json(node),
                "past_blocks": node.past_blocks(),
                "peers": _peers_json(node),
            }
        )

    async def peers(self, _request: web.Request) -> web.StreamResponse:
        """GET /admin/v1/peers: those with a link; `down` names the others."""
        node = self._node
        down = [stats.name for stats in node.links.stats() if not stats.is_up]
        return answer_json({"items": _peers_json(node), "down": down})

    async def config(self, _request: web.Request) -> web.StreamResponse:
        """GET /admin/v1/config: the effective settings and where each came from."""
        config = self._node.config
        items = [
            {"name": name, "value": value, "origin": config.origins[name]}
            for name, value in config.values.items()
        ]
        return answer_json({"items": items})

    async def signer(self, _request: web.Request) -> web.StreamResponse:
        """GET /admin/v1/signer: the watermark of the guard, and whether this node votes."""
        node = self._node
        return answer_json(
            {
                "mode": node.config.text("signer.mode"),
                "public_key": node.own_key.hex(),
                "signing": node.signing,
                "silence": node.silence,
                "guard": _guard_json(node),
            }
        )

    async def lock(self, _request: web.Request) -> web.StreamResponse:
        """POST /admin/v1/signer/lock: sign nothing any more; only a restart undoes it."""
        if self._node.signer is None:
            raise Problem(1010)
        self._node.runtime.lock_signer()
        return answer_json({"signing": False, "guard": _guard_json(self._node)})

    async def faults(self, request: web.Request) -> web.StreamResponse:
        """POST /admin/v1/faults: cut links across groups, or restore them (test chains only)."""
        node = self._node
        if node.genesis.doc.purpose == "live":
            raise Problem(3007, what=request.path)
        body = await _read(request, Faults)
        known = {node.name, *(stats.name for stats in node.links.stats())}
        for group in body.groups:
            for name in group:
                if name not in known:
                    raise Problem(3009, name=name)
        node.links.set_fault_groups(body.groups)
        return answer_json({"groups": body.groups})

    async def log_level(self, request: web.Request) -> web.StreamResponse:
        """POST /admin/v1/log-level"""
        body = await _read(request, LogLevel)
        if body.level not in _LEVELS:
            raise Problem(3009, name="level")
        logging.getLogger("wijk").setLevel(body.level.upper())
        return answer_json({"level": body.level})

    async def shutdown(self, _request: web.Request) -> web.StreamResponse:
        """POST /admin/v1/shutdown: end as on SIGTERM, after this answer."""
        if not self._stop.done():
            asyncio.get_running_loop().call_soon(_finish, self._stop)
        return answer_json({"status": "stopping"})

    async def backup(self, request: web.Request) -> web.StreamResponse:
        """POST /admin/v1/backup: begin one, or name the one under way (reliability Y30)."""
        await _read(request, Nothing)
        return answer_json({"job": self._backups.start().id}, status=202)

    async def job(self, request: web.Request) -> web.StreamResponse:
        """GET /admin/v1/jobs/{id}: how far it is, and what came of it."""
        job = self._backups.find(request.match_info["id"])
        if job is None:
            raise Problem(3007, what=request.path)
        return answer_json(job.tree())


def _finish(stop: "asyncio.Future[int]") -> None:
    if not stop.done():
        stop.set_result(0)


async def _read(request: web.Request, kind: type[Any]) -> Any:
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        return parse_json(body or b"{}", kind)
    except Malformed:
        raise Problem(3009, name="body") from None


def _make_logger(node: Node) -> Any:
    """Return the middleware that writes every call and its caller into `admin.log` first."""

    @web.middleware
    async def logger(request: web.Request, handler: Handler) -> web.StreamResponse:
        caller = get_caller(request)
        line = {
            "ts": time_text(node.timers.wall_ms()),
            "pid": caller[0],
            "uid": caller[1],
            "gid": caller[2],
            "method": request.method,
            "path": request.path[:200],
        }
        append_line(node.home.admin_log, json.dumps(line).encode() + b"\n")
        return await handler(request)

    return logger


def get_caller(request: web.Request) -> tuple[int, int, int]:
    """Return pid, uid and gid of the process at the other end (SO_PEERCRED)."""
    found = request.get_extra_info("socket")
    assert found is not None, "an admin call comes over a Unix socket"
    raw = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid, uid, gid = _PEER.unpack(raw)
    return pid, uid, gid


def _guard_json(node: Node) -> dict[str, Any] | None:
    if node.signer is None or node.signer.last is None:
        return None
    at = node.signer.last.position
    return {"height": at.height, "round": at.round, "step": at.step.name.lower()}


def _peers_json(node: Node) -> list[dict[str, Any]]:
    addresses = {doc.name: doc.address for doc in node.genesis.doc.validators}
    found = []
    for stats in node.links.stats():
        if not stats.is_up:
            continue
        told = node.runtime.peer_status.get(stats.key)
        found.append(
            {
                "name": stats.name,
                "address": addresses.get(stats.name, ""),
                "direction": "out" if stats.dialled else "in",
                "rtt_ms": None if stats.rtt_us is None else stats.rtt_us / 1000,
                "height": stats.hello_height if told is None else told[0].best_height,
                "version": stats.node_version,
            }
        )
    return found


def get_rss_mb() -> float:
    """Return the resident memory of this process, in MB; the highest ever where that is all."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return round(pages * resource.getpagesize() / 1024 / 1024, 1)
