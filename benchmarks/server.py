"""A temporary PostgreSQL server with the benchmark's call centres."""

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
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace

__all__ = ["ROLLCALL", "Databases", "connect", "running_server", "settle"]

ROLLCALL = (sys.executable, "-c", "from rollcall.cli import main; main()")  # of this checkout

PREFIX = "rollcall-bench-"
LOG_MEGABYTES = 2_000
SHOWN = ("shared_buffers", "work_mem", "max_wal_size", "fsync", "synchronous_commit", "jit")


@dataclass(frozen=True)
class Databases:
    """The databases of one benchmark run."""

    server: PostgresServer
    folder: Path

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database, empty or as a copy; an existing one is dropped. Returns its URL."""
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

    def description(self) -> str:
        """The version and the settings of the server in one line; all settings are PostgreSQL's defaults."""
        with connect(self.server.conninfo()) as connection:
            version, has_jit = connection.execute(
                "select current_setting('server_version'), pg_jit_available()"
            ).fetchone()
            values = connection.execute(
                "select name || ' ' || current_setting(name) from unnest(%s::text[]) as name", [list(SHOWN)]
            ).fetchall()
        shown = [value for (value,) in values]
        if not has_jit:
            shown.append("built without JIT")
        return f"PostgreSQL {version}, default settings: {', '.join(shown)}"

    def environment(self, url: str) -> dict[str, str]:
        """The environment variables that name the database."""
        return {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(self.folder / "state")}

    def workspace(self, url: str, variables: str = "{}") -> Workspace:
        """A workspace on the database; compiled on first use. variables: as in ``ROLLCALL_VARS``."""
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
    """Start a server in a folder that PostgreSQL's account can enter; remove it afterwards."""
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        server = PostgresServer(folder / "data")
        server.start()
        _write_log(server)
        try:
            yield Databases(server, folder)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_log(server: PostgresServer) -> None:
    """Create WAL files for recycling, as on a server that has run for a day.

    A fresh server creates and fills a new file every 16 MB, and every commit waits for it, 10 to 60 ms. The
    server keeps as many of the files as its default settings allow, less than `max_wal_size` (1 GB).
    """
    with connect(server.conninfo()) as connection:
        for _ in range(LOG_MEGABYTES):
            connection.execute("select pg_logical_emit_message(false, 'fill', repeat(' ', 1000000))")
        connection.execute("checkpoint")


def _remove_leftovers() -> None:
    """Stop the servers of killed benchmarks, and remove their data."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if Path("/proc/self").exists() and not Path("/proc", pid).exists():
            for data in folder.rglob("postmaster.pid"):
                PostgresServer(data.parent).stop()
            shutil.rmtree(folder, ignore_errors=True)


def connect(url: str) -> Any:
    """Open a connection in autocommit mode that closes with its block."""
    return contextlib.closing(psycopg.connect(url, autocommit=True))


def settle(url: str) -> None:
    """Vacuum, analyse and checkpoint, as autovacuum does in time."""
    with connect(url) as connection:
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")
