"""The script of `plan --sql`, executed again: after a failure it goes on, and a conflict always ends it."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollcall.schema.declared import pending_statements
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.plan.script import script
from tests.support.live_migration import Live
from tests.support.programs import psql_of
from tests.support.waiting import PATIENCE

PSQL = ("-X", "-q", "--no-psqlrc")
INDEX = "public.rollcall_open_sessions"
OPEN = "rollcall_open_sessions on agent_sessions (agent_id, login_at, id) where logout_at is null"
BUILDING = "select pid from pg_stat_progress_create_index where phase like 'waiting for %'"


@dataclass
class Script:
    """The script that was written before anything was migrated."""

    live: Live
    psql: Path
    file: Path

    def write(self) -> None:
        with self.live.workspace.database.snapshot() as snapshot:
            statements = pending_statements(snapshot, self.live.workspace.project)
        self.file.write_text(script(self.live.workspace, statements, "test"))

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        with self.started(*options) as process:
            out, errors = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess([], process.returncode, out, errors)

    @contextlib.contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        files = options or ("-f", str(self.file))
        with subprocess.Popen(
            [self.psql, *PSQL, *files, self.live.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            yield process

    def fails(self) -> str:
        """Run it; the error with which it ends."""
        done = self.run()
        assert done.returncode == 3
        return done.stderr

    def completes(self) -> None:
        done = self.run()
        assert (done.returncode, done.stderr) == (0, "")
        self.live.assert_complete()

    def is_canceled_while_it_builds(self) -> None:
        """A reader's old snapshot holds up the concurrent build, which is then canceled."""
        with self.live.connect("old reader") as reader:
            reader.execute("set transaction isolation level repeatable read")
            reader.execute("select count(*) from agents")
            with self.started() as process:
                [(pid,)] = self.live.until(BUILDING)
                self.live.rows("select pg_cancel_backend(%s)", pid)
                _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert "canceling statement due to user request" in errors

    def invalid_indexes(self) -> list[str]:
        query = "select indexrelid::regclass::text from pg_index where not indisvalid"
        return [name for (name,) in self.live.rows(query)]


@pytest.fixture
def written(live: Live, server: PostgresServer, tmp_path: Path) -> Script:
    made = Script(live, psql_of(server), tmp_path / "migration.sql")
    made.write()
    return made


@pytest.mark.medium
def test_a_script_that_could_not_have_a_lock_goes_on_when_it_is_run_again(written: Script) -> None:
    with written.live.reader("lock table agent_sessions in share mode"):
        assert "canceling statement due to lock timeout" in written.fails()
    written.live.rows("alter table agent_sessions add column last_heartbeat timestamp(3)")
    written.completes()


def test_a_script_that_is_run_twice_changes_nothing_the_second_time(written: Script) -> None:
    written.completes()
    before = written.live.catalog()
    done = written.run("-f", str(written.file), "-f", str(written.file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "public.agent_sessions.last_heartbeat is present" in done.stdout
    assert written.live.differences(before).holds


def test_the_index_of_a_canceled_build_is_named_and_dropped_by_a_person(written: Script) -> None:
    written.is_canceled_while_it_builds()
    [invalid] = written.invalid_indexes()

    error = written.fails()
    remedy = f"drop index concurrently public.{invalid};"
    assert f"public.{invalid} is an invalid index" in error
    assert remedy in error
    assert written.invalid_indexes() == [invalid]

    written.live.rows(remedy)
    written.completes()


@pytest.mark.medium
def test_an_unfinished_index_of_rollcalls_ledger_is_built_again_by_the_script(written: Script) -> None:
    written.live.migrate()
    written.live.rows(
        "update pg_index set indisvalid = false where indexrelid = 'rollcall_open_sessions'::regclass"
    )
    written.write()
    assert f"drop index concurrently {INDEX};" in written.file.read_text()
    written.completes()


@pytest.mark.medium
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("alter table agent_sessions add column last_heartbeat text", "public.agent_sessions.last_heartbeat"),
        ("create index rollcall_open_sessions on agent_sessions (agent_id)", INDEX),
        (f"create index {OPEN.replace('null', 'not null')}", INDEX),
        (f"create index {OPEN.replace('login_at', 'logout_at')}", INDEX),
        ("create schema rollcall create table rollcall.agent_sessions (x int)", "rollcall.agent_sessions"),
        ("create schema rollcall create view rollcall.agent_sessions as select 1", "rollcall.agent_sessions"),
        ("create schema rollcall_ops create table rollcall_ops.runs (id int)", "rollcall_ops.runs"),
        ("create schema rollcall_ops create table rollcall_ops.runs ()", "rollcall_ops.runs"),
        ("create schema rollcall_ops authorization {stranger}", "rollcall_ops: it belongs to stranger"),
    ],
)
def test_what_is_there_and_differs_ends_the_script_before_it_sends_anything(
    written: Script, change: str, named: str
) -> None:
    stranger = f"stranger_{uuid.uuid4().hex[:8]}"
    written.live.rows(f"create role {stranger}")
    try:
        written.live.rows(change.format(stranger=stranger))
        before = written.live.catalog()
        assert named in written.fails()
        assert written.live.differences(before).holds
    finally:
        written.live.rows(f"drop owned by {stranger}")
        written.live.rows(f"drop role {stranger}")


def test_views_that_would_bypass_new_policies_are_not_called_done(written: Script) -> None:
    written.live.rows("alter table agent_sessions enable row level security")
    assert "rollcall.agent_sessions is missing" in written.fails()
    written.write()
    written.completes()


def test_the_script_takes_back_what_default_privileges_give_to_a_role(written: Script) -> None:
    stranger = f"stranger_{uuid.uuid4().hex[:8]}"
    written.live.rows(f"create role {stranger}")
    try:
        for kind in ("tables", "schemas"):
            written.live.rows(f"alter default privileges grant all on {kind} to {stranger}")
        written.completes()
        granted = written.live.rows(
            """
            select c.oid::regclass::text, g.privilege_type
            from pg_class as c
            join pg_namespace as n on n.oid = c.relnamespace
            cross join lateral aclexplode(c.relacl) as g
            where n.nspname in ('rollcall', 'rollcall_ops') and g.grantee = %s::regrole
                and g.privilege_type <> 'SELECT'
            union all
            select n.nspname, g.privilege_type
            from pg_namespace as n
            cross join lateral aclexplode(n.nspacl) as g
            where n.nspname in ('rollcall', 'rollcall_ops') and g.grantee = %s::regrole
                and g.privilege_type <> 'USAGE'
            """,
            stranger,
            stranger,
        )
        assert granted == []
    finally:
        written.live.rows(f"drop owned by {stranger}")
        written.live.rows(f"drop role {stranger}")
