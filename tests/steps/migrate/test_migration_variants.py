"""Migrating what is not ordinary: partitions, odd names, publications, views of ours that changed."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import Refused
from rollcall.sandbox.demo import Variant
from rollcall.schema.declared import pending_statements
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.plan.script import script
from rollcall.workspace import Workspace
from tests.support.live_migration import Live, Original
from tests.support.postgres import NOT_DURABLE, running_server
from tests.support.programs import psql_of
from tests.support.waiting import until

ODD_NAMES = {
    "app_schema": 'the "50%" schema',
    "sessions_table": "agent's sessions %s",
    "calls_table": 'calls "in" $1',
    "sessions_logout_at_column": "logout %(at)s",
    "calls_ended_at_column": 'Ended "at"',
    # to be added
    "sessions_last_heartbeat_column": 'last "heart" %beat',
    "sessions_device_connected_column": "device's ; connected",
}
RENAMES = (
    'alter table agent_sessions rename column logout_at to "logout %(at)s"',
    'alter table call_sessions rename column ended_at to "Ended ""at"""',
    'alter table agent_sessions rename to "agent\'s sessions %s"',
    'alter table call_sessions rename to "calls ""in"" $1"',
    'alter schema public rename to "the ""50%"" schema"',
)


@contextlib.contextmanager
def original(
    server: PostgresServer, factory: pytest.TempPathFactory, **differences: Any
) -> Iterator[Original]:
    original = Original(server, factory.mktemp("state"), **differences)
    try:
        yield original
    finally:
        original.drop()


PART = "public.rollcall_open_sessions_"

# --- partitions -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def partitioned(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original(server, tmp_path_factory, variant=Variant(partitioned=True)) as made:
        yield made


@pytest.mark.slow
def test_a_locked_partition_fails_within_the_budget_and_the_next_run_finishes(partitioned: Original) -> None:
    with partitioned.live() as live:
        with live.reader("lock table agent_sessions_2 in row exclusive mode") as pid:
            result = live.impatient().migrate()
            assert result.executed[-1].startswith("rollcall.") is False
            held = [skip for skip in result.skipped if f"server process {pid}" in skip["reason"]]
            assert held[0]["object"] == "public.agent_sessions.device_connected"
        assert live.rows("select 1 from pg_index where not indisvalid") == []

        columns = [name for name in live.pending() if name.startswith("public.agent_sessions.")]
        live.rows("alter table agent_sessions add column device_connected boolean default false")
        live.rows("alter table agent_sessions add column last_heartbeat timestamp")
        live.rows("alter table agent_sessions add column max_concurrent_calls int default 1")
        for name in columns:
            if not name.endswith("(comment)"):
                live.rows(f"comment on column {name} is 'theirs'")
        with live.reader("lock table agent_sessions_2 in row exclusive mode") as pid:
            result = live.impatient().migrate()
            reasons = {skip["object"]: skip["reason"] for skip in result.skipped}
            built = [name for name in result.executed if name.startswith(PART) and name[-1] != ")"]
            assert len(built) == 3
            assert any(f"server process {pid}" in reason for reason in reasons.values())
        assert live.migrate().skipped == []
        live.assert_complete()


@pytest.mark.medium
def test_every_partition_has_its_part_a_new_one_and_a_deeper_one_too(partitioned: Original) -> None:
    with partitioned.live() as live:
        live.rows("drop table agent_sessions_3")
        live.rows(
            "create table agent_sessions_3 partition of agent_sessions"
            " for values with (modulus 4, remainder 3) partition by hash (id)"
        )
        deeper = "create table {} partition of agent_sessions_3 for values with (modulus 2, remainder {})"
        live.rows(deeper.format('"deep part"', 0))
        before = live.catalog()
        assert live.migrate().skipped == []
        live.assert_complete()
        assert live.differences(before).holds
        live.rows(deeper.format("deep_part", 1))
        live.assert_complete()
        assert live.migrate().executed == []
        parts = "select count(*) from pg_partition_tree('rollcall_open_sessions') where isleaf"
        assert live.rows(parts) == [(5,)]


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_names_with_spaces_percent_signs_and_quotes(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    differences = {"overrides": ODD_NAMES, "changes": RENAMES}
    with original(server, tmp_path_factory, **differences) as made, made.live() as live:
        before = live.catalog()
        assert live.migrate().skipped == []
        live.assert_complete()
        assert live.differences(before).holds
        assert len(live.differences(before).added) == 11
        assert live.migrate().executed == []


# --- publications ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_published_table_goes_on_replicating_once_the_subscriber_has_the_column(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {**NOT_DURABLE, "wal_level": "logical"}
    with (
        running_server(request.config.getoption("--pg-bin"), settings) as server,
        original(server, tmp_path_factory) as made,
        made.live() as live,
    ):
        _replicate(server, live)


def _replicate(server: PostgresServer, live: Live) -> None:
    def subscriber(query: str) -> list[Any]:
        with contextlib.closing(
            psycopg.connect(server.conninfo("subscriber"), autocommit=True)
        ) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    with contextlib.closing(psycopg.connect(server.conninfo(), autocommit=True)) as connection:
        connection.execute("create database subscriber")
    live.rows("create publication everything for table agent_sessions")
    live.rows("select pg_create_logical_replication_slot('everything', 'pgoutput')")
    columns = live.rows(
        "select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)"
        " from pg_attribute where attrelid = 'agent_sessions'::regclass and attnum > 0"
    )[0][0]
    subscriber(f"create table agent_sessions ({columns}, primary key (id))")
    subscriber(
        f"create subscription everything connection '{live.url}' publication everything"
        " with (create_slot = false, slot_name = 'everything', copy_data = false)"
    )
    try:
        (warning,) = {item.warning for item in live.plan().statements if item.kind == "column"}
        assert "it is published (everything): a subscriber without the column stops replicating" in str(
            warning
        )
        subscriber("alter table agent_sessions add column last_heartbeat timestamp")
        subscriber("alter table agent_sessions add column device_connected boolean default false")
        subscriber("alter table agent_sessions add column max_concurrent_calls int default 1")
        with live.probed() as probes:
            assert live.migrate().skipped == []
        assert probes.failures == []
        live.assert_complete()
        live.rows("insert into agent_sessions (agent_id, login_at) select min(id), now() from agents")
        newest = "select id::text, device_connected from agent_sessions order by login_at desc limit 1"
        expected = live.rows(newest)
        until(lambda: subscriber(newest) == expected)
    finally:
        subscriber("alter subscription everything disable")
        subscriber("alter subscription everything set (slot_name = none)")
        subscriber("drop subscription everything")
        live.until("select 1 where not exists (select from pg_replication_slots where active)")
        live.rows("select pg_drop_replication_slot('everything')")


# --- our own views, and a declaration that is added --------------------------------------------


@pytest.fixture(scope="module")
def plain(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    with original(server, tmp_path_factory) as made:
        yield made


@pytest.mark.medium
def test_a_changed_view_keeps_its_grants_and_what_depends_on_it(plain: Original, tmp_path: Path) -> None:
    with plain.live() as live:
        live.migrate()
        live.rows("create role analyst")
        try:
            live.rows("grant usage on schema rollcall to analyst")
            live.rows("grant select on rollcall.agent_sessions to analyst")
            live.rows("create view mine as select session_id, is_open from rollcall.agent_sessions")
            changed = _with_project(live, tmp_path, lambda root: _add_column(root, "1 as shoe_size"))
            assert changed.pending() == ["rollcall.agent_sessions"]
            assert changed.migrate().executed == ["rollcall.agent_sessions"]
            assert live.rows(
                "select has_table_privilege('analyst', 'rollcall.agent_sessions', 'select')"
            ) == [(True,)]
            assert live.rows("select count(*) > 0 from mine") == [(True,)]
            assert live.rows("select distinct shoe_size from rollcall.agent_sessions") == [(1,)]

            before = live.rows("select pg_get_viewdef('rollcall.agent_sessions'::regclass)")
            with pytest.raises(Refused, match=r"rollcall.agent_sessions: its column shoe_size would go"):
                live.migrate()
            assert live.rows("select pg_get_viewdef('rollcall.agent_sessions'::regclass)") == before
        finally:
            live.rows("drop owned by analyst")
            live.rows("drop role analyst")


def test_a_foreign_relation_in_the_place_of_ours_is_a_conflict(plain: Original) -> None:
    with plain.live() as live:
        live.rows("create schema rollcall")
        live.rows("create table rollcall.agent_sessions (theirs int)")
        with pytest.raises(
            Refused, match=r"rollcall.agent_sessions: a relation of that name exists and is no view"
        ):
            live.migrate()
        assert live.rows("select * from rollcall.agent_sessions") == []


@pytest.mark.medium
def test_another_declared_column_index_or_table_is_one_new_file(plain: Original, tmp_path: Path) -> None:
    files = {
        "models/migrations/sessions_skill.sql": """
            {{ declared_column(
                table='agent_sessions', column='skill', type='text', default="'none'", reason='A test'
            ) }}
        """,
        "models/migrations/sessions_skill_index.sql": """
            {{ declared_index(
                table='agent_sessions', name='sessions_by_skill', keys=['lower("skill")', '"id"'],
                predicate=none, reason='A test'
            ) }}
        """,
        "models/operations/remarks.sql": """
            create table {{ this.include(database=false) }} (remark text primary key)
        """,
    }

    def add(root: Path) -> None:
        for name, text in files.items():
            (root / name).write_text(text)

    with plain.live() as live:
        live.migrate()
        extended = _with_project(live, tmp_path, add)
        added = ["rollcall_ops.remarks", "public.agent_sessions.skill", "public.sessions_by_skill"]
        assert extended.pending() == added
        assert extended.migrate().executed == added
        extended.assert_complete()
        assert live.rows("select distinct skill from agent_sessions") == [("none",)]


@pytest.mark.medium
def test_an_index_that_was_built_on_something_foreign_is_named(plain: Original, tmp_path: Path) -> None:
    """A concurrent build cannot be rolled back, so the error says how to remove the index."""

    def add(root: Path) -> None:
        (root / "models/migrations/sessions_by_label.sql").write_text(
            """
            {{ declared_index(
                table='agent_sessions', name='rollcall_by_label', keys=['("status"::public.label)'],
                predicate=none, reason='A test'
            ) }}
            """
        )

    with plain.live() as live:
        live.migrate()
        live.rows("create domain public.label as text")
        with pytest.raises(Refused, match="index public.rollcall_by_label uses type public.label") as raised:
            _with_project(live, tmp_path, add).migrate()
        remedy = 'drop index concurrently "public"."rollcall_by_label"'
        assert f"`{remedy}`" in str(raised.value)
        live.rows(remedy)
        live.assert_complete()


@pytest.mark.medium
def test_the_script_for_psql_does_what_migrate_does(
    plain: Original, tmp_path: Path, server: PostgresServer
) -> None:
    with plain.live() as live:
        with live.workspace.database.snapshot() as snapshot:
            statements = pending_statements(snapshot, live.workspace.project)
        text = script(live.workspace, statements, "a\ndatabase")
        assert text.startswith("-- What Rollcall")
        for statement in statements:
            assert f"{statement.sql};" in text
            assert f"-- {statement.object_name}\n" in text
        _assert_completed_by(text, live, tmp_path, server)


@pytest.mark.medium
def test_the_script_for_psql_makes_the_index_of_each_partition(
    partitioned: Original, tmp_path: Path, server: PostgresServer
) -> None:
    with partitioned.live() as live:
        with live.workspace.database.snapshot() as snapshot:
            statements = pending_statements(snapshot, live.workspace.project)
        _assert_completed_by(script(live.workspace, statements, "test"), live, tmp_path, server)


@pytest.mark.medium
def test_the_script_for_psql_fits_names_with_special_characters(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    differences = {"overrides": ODD_NAMES, "changes": RENAMES}
    with original(server, tmp_path_factory, **differences) as made, made.live() as live:
        with live.workspace.database.snapshot() as snapshot:
            statements = pending_statements(snapshot, live.workspace.project)
        _assert_completed_by(script(live.workspace, statements, "test"), live, tmp_path, server)


def _assert_completed_by(text: str, live: Live, folder: Path, server: PostgresServer) -> None:
    """Execute the script twice in one session: all is made by the first, and nothing by the second."""
    file = folder / "migration.sql"
    file.write_text(text)
    before = live.catalog()
    arguments = ["-X", "-q", "-f", file, "-f", file, live.url]
    done = subprocess.run([psql_of(server), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    live.assert_complete()
    assert live.differences(before).holds


def _with_project(live: Live, folder: Path, change: Any) -> Live:
    """The same database, worked on by a Rollcall whose dbt project was changed."""
    root = folder / "project"
    root.mkdir()
    for name in ("models", "macros", "analyses", "expectations", "tests/dbt"):
        shutil.copytree(PROJECT_DIRECTORY / name, root / name)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT_DIRECTORY / name, root / name)
    change(root)
    settings = dataclasses.replace(
        live.workspace.settings, project_directory=root, state_directory=folder / "state"
    )
    return Live(live.url, Workspace(settings), live.planted, None)


def _add_column(root: Path, column: str) -> None:
    path = root / "models/cleaned/agent_sessions.sql"
    path.write_text(f"select s.*, {column} from (\n{path.read_text()}\n) as s\n")
