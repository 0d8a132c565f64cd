"""A backup of a running node, beside its other work (interfaces 2.5, reliability Y30)."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.backup import (
    backup_path,
    check_space,
    check_whole,
    create_new,
    describe,
    discard,
    finish,
    take_contents,
    write_backup,
)
from node.disk import StorageError
from node.home import get_size
from node.standing import Node
from node.views import time_text

JOBS_KEPT = 16
PPM = 1_000_000

_log = logging.getLogger("wijk.node")


class Job:
    """One operation under way or ended: GET /admin/v1/jobs/{id}."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.state = "running"  # then done or failed
        self.done_ppm = 0
        self.result: Any = None  # the object of the command, or {"error": why}

    def tree(self) -> dict[str, Any]:
        """Return the job as the socket shows it."""
        return {"state": self.state, "done_ppm": self.done_ppm, "result": self.result}


class BackupJobs:
    """Guards that one backup is written at a time; a second call gets the job under way."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._jobs: dict[str, Job] = {}
        self._task: asyncio.Task[None] | None = None
        self._latest: Job | None = None

    def start(self) -> Job:
        """Begin a backup of this very moment, or return the one under way."""
        if self._latest is not None and self._task is not None and not self._task.done():
            return self._latest
        job = Job(secrets.token_hex(8))
        self._jobs[job.id] = self._latest = job
        while len(self._jobs) > JOBS_KEPT:
            self._jobs.pop(next(iter(self._jobs)))
        self._task = asyncio.get_running_loop().create_task(self._run(job))
        self._task.add_done_callback(self._look)
        return job

    def find(self, id_: str) -> Job | None:
        """Return a job of this process, or None."""
        return self._jobs.get(id_)

    async def close(self) -> None:
        """Stop a backup under way: what it wrote is removed, and the store is free."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _look(self, task: asyncio.Task[None]) -> None:
        """An error that nobody foresaw ends the node, as in every task (reliability C7)."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._node.fail(error)

    async def _run(self, job: Job) -> None:
        try:
            job.result = await _back_up(self._node, lambda ppm: setattr(job, "done_ppm", ppm))
        except asyncio.CancelledError:
            job.state, job.result = "failed", {"error": "the node stopped"}
            raise
        except _StoreWrong as error:
            job.state, job.result = "failed", {"error": str(error.why)}
            self._node.fail(error.why)  # nothing of a store that is not sound is served (Y24)
        except (StorageError, OSError) as error:
            job.state, job.result = "failed", {"error": str(error)}
            _log.error("backup.failed", extra={"why": str(error)})
        else:
            job.state, job.done_ppm = "done", PPM


class _StoreWrong(Exception):
    def __init__(self, why: StorageError) -> None:
        super().__init__(str(why))
        self.why = why


async def _back_up(node: Node, tell: Callable[[int], None]) -> dict[str, object]:
    """Write the backup a chunk a turn of the loop: one thread uses a store."""
    folder = node.home.backups
    store_bytes = get_size(node.home.store)
    check_space(folder, store_bytes)
    check_whole(node.store.store)
    created_at = time_text(node.timers.wall_ms())
    try:
        contents = take_contents(node.store.store, node.genesis, node.home.head.read_bytes())
    except StorageError as error:
        raise _StoreWrong(error) from error
    path: Path = backup_path(folder, contents)
    try:
        file = create_new(path)
        try:
            writing = write_backup(file, contents, created_at)
            while True:
                try:
                    done = next(writing, None)
                except StorageError as error:
                    raise _StoreWrong(error) from error
                if done is None:
                    break
                tell(min(PPM - 1, done * PPM // max(1, store_bytes)))
                await asyncio.sleep(0)
            await asyncio.to_thread(finish, file, path)
        finally:
            discard(file, path)
    finally:
        contents.view.close()
    return await asyncio.to_thread(describe, path)
