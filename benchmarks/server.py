"""A PostgreSQL of its own in a temporary folder, and call centres on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rollcall.ledger.runs import open_run
from rollcall.migrate.migration import migrate
from rollcall.plan.pending_work import make_plan
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace

__all__ = ["ROLLCALL", "Databases", "connect", "running_server", "settle"]

ROLLCALL = (sys.executable, "-c", "from rollcall.cli import main; main()")  # of this checkout

PREFIX = "rollcall-bench-"
LOG_MEGABYTES = 3_000

# What anybody gives a server of this size; planner settings and durability are PostgreSQL's own.
SETTINGS = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "min_wal_size": "4GB",
    "checkpoint_timeout": "30min",
}


@dataclass(frozen=True)
class Databases:
    """The databases of one benchmark run."""

    server: PostgresServer
    folder: Path

    def create(self, name: str, template: str | None = None) -> str:
        """A fresh database, or a copy of another; one of that name is dropped. Gives its URL."""
        self.drop(name)
        statement = sql.SQL("create database {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" template {} strategy file_copy").format(sql.Identifier(template))
        with connect(self.server.conninfo()) as connection:
            connection.execute(statement)
        return self.server.conninfo(name)

    def drop(self, name: str) -> None:
        with connect(self.server.conninfo()) as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    def environment(self, url: str) -> dict[str, str]:
        """What names the database to Rollcall."""
        return {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(self.folder / "state")}

    def workspace(self, url: str, variables: str = "{}") -> Workspace:
        """The project is compiled when it is first asked for SQL. variables: as in ``ROLLCALL_VARS``."""
        return Workspace(load_settings(environment=self.environment(url) | {"ROLLCALL_VARS": variables}))

    def migrated(self, workspace: Workspace) -> None:
        """Migrate as `rollcall migrate` does, then refresh the statistics."""
        plan = make_plan(workspace)
        with open_run(workspace, "migrate") as run:
            result = migrate(workspace, run, plan.statements)
        if result.skipped:
            raise RuntimeError(f"the migration is incomplete: {result.skipped}")
        settle(workspace.settings.conninfo)


@contextlib.contextmanager
def running_server() -> Iterator[Databases]:
    """Start a server whose folder PostgreSQL's account may pass, and remove it all afterwards."""
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        server = PostgresServer(folder / "data", settings=SETTINGS)
        server.start()
        _write_log(server)
        try:
            yield Databases(server, folder)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_log(server: PostgresServer) -> None:
    """Log files to use again, as a server has that has worked for a day.

    A fresh one makes and fills a new file every 16 MB, and whoever commits waits for it, 10 to 60 ms.
    """
    with connect(server.conninfo()) as connection:
        for _ in range(LOG_MEGABYTES):
            connection.execute("select pg_logical_emit_message(false, 'fill', repeat(' ', 1000000))")
        connection.execute("checkpoint")


def _remove_leftovers() -> None:
    """Stop the servers of benchmarks that were killed, and remove their gigabytes."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if Path("/proc/self").exists() and not Path("/proc", pid).exists():
            for data in folder.rglob("postmaster.pid"):
                PostgresServer(data.parent).stop()
            shutil.rmtree(folder, ignore_errors=True)


def connect(url: str) -> Any:
    """A connection in autocommit that closes with its block."""
    return contextlib.closing(psycopg.connect(url, autocommit=True))


def settle(url: str) -> None:
    """Statistics and visibility as autovacuum leaves them, and nothing left to write."""
    with connect(url) as connection:
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")
