"""Migrations of one database under live connections, again and again: compiled once, copied for each test."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import Scale, Variant
from rollcall.schema.declared import declared_changes, pending_statements
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.migrate.catalog_state import Catalog, CatalogProof
from rollcall.steps.migrate.migration import MigrationResult, migrate
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.waiting import PATIENCE

TINY = Scale(agents=220, sessions=1_000, calls=1_000, days=5)
IMPATIENT = {
    "migrate_lock_timeout_ms": 60,
    "migrate_first_pause_ms": 10,
    "migrate_longest_pause_ms": 100,
    "migrate_budget_seconds": 1,
    "index_lock_timeout_seconds": 0.5,
    "index_timeout_seconds": 20,
}
SESSIONS = "agent_sessions"


class Original:
    """A call centre that is loaded and compiled once. Every `live` is a fresh copy of it under one name.

    changes: statements that the application's owner has executed on the default tables, to which the
    overrides then fit.
    """

    def __init__(
        self,
        server: PostgresServer,
        state: Path,
        overrides: Any = None,
        variant: Variant | None = None,
        changes: Sequence[str] = (),
    ) -> None:
        self._server = server
        self._template = f"original_{uuid.uuid4().hex[:8]}"
        self._name = f"live_{uuid.uuid4().hex[:8]}"
        self._execute("create database {}", self._template)
        original = call_centre(server.conninfo(self._template), state, variant=variant, scale=TINY)
        self._planted = original.planted
        for change in changes:
            original.rows(change)
        with self.copied():
            url = server.conninfo(self._name)
            environment = {"ROLLCALL_STATE_DIR": str(state), "ROLLCALL_VARS": yaml.safe_dump(overrides or {})}
            settings = load_settings(environment=environment, conninfo=url)
            self._workspace = Workspace(settings)
            self._workspace.project.sql("declared_changes")  # compiles everything
        self._url = url

    @contextlib.contextmanager
    def copied(self) -> Iterator[None]:
        self._execute("create database {} template {}", self._name, self._template)
        try:
            yield
        finally:
            self._execute("drop database {} with (force)", self._name)

    @contextlib.contextmanager
    def live(self) -> Iterator[Live]:
        with self.copied():
            yield Live(self._url, copy.copy(self._workspace), self._planted, None)

    def drop(self) -> None:
        self._execute("drop database {} with (force)", self._template)

    def _execute(self, statement: str, *names: str) -> None:
        with contextlib.closing(psycopg.connect(self._server.conninfo(), autocommit=True)) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class Live(CallCentre):
    """A call centre at work."""

    def impatient(self, **variables: Any) -> Live:
        return self.with_settings(variables={**self.variables, **IMPATIENT, **variables})

    def with_settings(self, url: str | None = None, **changes: Any) -> Live:
        """The same call centre, worked on with other settings."""
        workspace = copy.copy(self.workspace)
        conninfo = url or self.workspace.settings.conninfo
        workspace.settings = dataclasses.replace(workspace.settings, conninfo=conninfo, **changes)
        workspace.database = dataclasses.replace(workspace.database, conninfo=conninfo)
        return Live(self.url, workspace, self.planted, None)

    def connect(self, name: str = "application") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, application_name=name)

    def migrate(self, progress: Callable[[str], None] = lambda text: None) -> MigrationResult:
        with self.workspace.database.snapshot() as snapshot:
            statements = pending_statements(snapshot, self.workspace.project)
        with open_run(self.workspace, "migrate") as run:
            return migrate(self.workspace, run, statements, progress)

    def states(self) -> dict[str, str]:
        """Of every declared object but our schemas, by name."""
        with self.workspace.database.snapshot() as snapshot:
            rows = declared_changes(snapshot, self.workspace.project)
        return {row["object_name"]: row["state"] for row in rows if row["kind"] != "schema"}

    def pending(self) -> list[str]:
        with self.workspace.database.snapshot() as snapshot:
            return [item.object_name for item in pending_statements(snapshot, self.workspace.project)]

    def catalog(self) -> Catalog:
        with self.workspace.database.snapshot() as snapshot:
            return Catalog.read(snapshot, self.workspace.project)

    def differences(self, before: Catalog) -> CatalogProof:
        return before.compare(self.catalog())

    def assert_complete(self) -> None:
        assert set(self.states().values()) == {"present"}
        assert self.pending() == []
        assert self.rows("select indexrelid::regclass from pg_index where not indisvalid") == []
        assert self.rows("select relname from pg_class where relname like '%\\_ccnew%'") == []

    def outcomes(self) -> list[tuple[str, str]]:
        return self.rows("select object_name, outcome from rollcall_ops.statements order by run_id, position")

    @contextlib.contextmanager
    def reader(self, statement: str = f"select count(*) from {SESSIONS}") -> Iterator[int]:
        """A transaction that has read and stays open; gives its pid."""
        with contextlib.closing(self.connect("patient reader")) as connection:
            connection.execute(statement)
            yield connection.info.backend_pid

    @contextlib.contextmanager
    def probed(self) -> Iterator[Probes]:
        """The application goes on: a select and an update every 50 ms."""
        probes = Probes(self)
        probes.start()
        try:
            yield probes
        finally:
            probes.stop()

    def until(self, query: str, *parameters: Any, seconds: float = PATIENCE) -> Any:
        """Ask again until the query has rows."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if rows := self.rows(query, *parameters):
                return rows
            time.sleep(0.02)
        raise AssertionError(f"never had rows: {query}")


class Probes:
    """What an application notices: how long its statements take, and whether they fail."""

    STATEMENTS = (
        f"select count(*) from {SESSIONS} where logout_at is null",
        f"update {SESSIONS} set last_activity = last_activity where id = (select id from {SESSIONS} limit 1)",
    )

    def __init__(self, live: Live) -> None:
        self.longest = 0.0
        self.count = 0
        self.failures: list[str] = []
        self.locks: set[str] = set()
        self._live = live
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._probe, args=(s,)) for s in self.STATEMENTS]
        self._threads.append(threading.Thread(target=self._watch_locks))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _probe(self, statement: str) -> None:
        with contextlib.closing(self._live.connect()) as connection:
            connection.autocommit = True
            while not self._done.wait(0.05):
                started = time.monotonic()
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    self.failures.append(str(error))
                self.longest = max(self.longest, time.monotonic() - started)
                self.count += 1

    def _watch_locks(self) -> None:
        """Every lock on the application's tables that would make a reader or a writer wait."""
        query = """
            select distinct l.mode
            from pg_locks as l join pg_class as c on c.oid = l.relation
            where l.relation in ('agents'::regclass, 'agent_sessions'::regclass, 'call_sessions'::regclass)
                and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        """
        with contextlib.closing(self._live.connect("lock watcher")) as connection:
            connection.autocommit = True
            while not self._done.wait(0.01):
                self.locks |= {mode for (mode,) in connection.execute(query).fetchall()}


class Victim:
    """A migration in a process of its own, to be killed. stops_at: it kills itself before that statement."""

    def __init__(self, live: Live, stops_at: int | None = None) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                status = 0 if not self._work(live, stops_at).skipped else 5
            os._exit(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """The exit code; minus 9 when it was killed."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _work(self, live: Live, stops_at: int | None) -> MigrationResult:
        shown = iter(range(10_000))

        def progress(text: str) -> None:
            if next(shown) == stops_at:
                os.kill(os.getpid(), signal.SIGKILL)

        return live.migrate(progress)


@pytest.fixture(scope="module")
def original(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """A call centre for the tests of one file."""
    original = Original(server, tmp_path_factory.mktemp("state"))
    yield original
    original.drop()


@pytest.fixture
def live(original: Original) -> Iterator[Live]:
    """A fresh copy of it, not migrated."""
    with original.live() as live:
        yield live
