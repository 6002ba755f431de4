"""Doctor on real servers: a healthy database has no finding, each situation exactly its own, and the
statements that doctor prints mend what it found."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from rollcall import console
from rollcall.assess.assessment import assess
from rollcall.cli import app
from rollcall.database.connections import Database
from rollcall.demo import DefectCounts, Scale, Variant
from rollcall.doctor import kinds
from rollcall.doctor.diagnosis import Diagnosis, Finding
from rollcall.doctor.examination import examine
from rollcall.doctor.grants import grants
from rollcall.doctor.kinds import KINDS
from rollcall.errors import EvaluationError
from rollcall.rules.results import Severity
from rollcall.servers.postgres import PostgresServer
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT
from tests.support.postgres import NOT_DURABLE, temporary_folder
from tests.support.waiting import until

SCALE = Scale(agents=40, sessions=200, calls=400, days=5)
SETTINGS = {
    **NOT_DURABLE,
    "autovacuum": "off",
    "log_timezone": "UTC",
    "max_prepared_transactions": "2",
    "timezone": "UTC",
    "wal_level": "logical",
}
OPERATOR = "operator"
READ, MIGRATE, CLEAN = "rollcall_read", "rollcall_migrate", "rollcall_clean"
SESSIONS = "public.agent_sessions"


@dataclasses.dataclass
class Clinic:
    """A migrated, sound call centre whose application is owned by crm, and a login with our roles."""

    server: PostgresServer
    centre: CallCentre
    workspace: Workspace

    def do(self, *statements: str) -> None:
        """As superuser, each by itself."""
        for statement in statements:
            self.centre.rows(statement)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.centre.url)

    def workspace_of(
        self, login: str, migrate_role: str | None = None, clean_role: str | None = None
    ) -> Workspace:
        return workspace_on(self.centre, login, migrate_role, clean_role)

    def found(self, **options: Any) -> dict[str, Finding]:
        return by_name(examine(self.workspace, **options))


def workspace_on(
    centre: CallCentre, login: str, migrate_role: str | None = None, clean_role: str | None = None
) -> Workspace:
    """The same project, compiled once, under another login."""
    settings = dataclasses.replace(
        centre.workspace.settings,
        conninfo=make_conninfo(centre.url, user=login),
        migrate_role=migrate_role,
        clean_role=clean_role,
    )
    workspace = Workspace(settings)
    workspace.project = centre.workspace.project
    return workspace


def set_var(monkeypatch: pytest.MonkeyPatch, owner: Clinic | CallCentre, name: str, value: float) -> None:
    """Another threshold for the rest of the test."""
    monkeypatch.setitem(owner.workspace.settings.variables, name, value)


def by_name(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnosis.findings}


@pytest.fixture(scope="module")
def own_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with temporary_folder() as folder:
        server = PostgresServer(folder / "data", request.config.getoption("--pg-bin"), SETTINGS)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def clinic(own_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Made healthy by what doctor itself prints, and migrated by the login that got it."""
    with psycopg.connect(own_server.conninfo(), autocommit=True) as connection:
        connection.execute("create database clinic")
    centre = call_centre(
        own_server.conninfo("clinic"),
        tmp_path_factory.mktemp("clinic"),
        defects=DefectCounts.sound(SCALE, Variant()),
        scale=SCALE,
    )
    clinic = Clinic(own_server, centre, centre.workspace)
    clinic.do(
        "create role crm nologin",
        *(f"alter table {centre.table(var)} owner to crm" for var in ("agents_table", "calls_table")),
        f"alter table {SESSIONS} owner to crm",
        f"create role {OPERATOR} login",
        f"grant pg_read_all_stats to {OPERATOR}",
    )
    clinic.do(*(g.statement.replace('"YOUR LOGIN ROLE"', OPERATOR) for g in grants(centre.workspace)))
    clinic.workspace = clinic.workspace_of(OPERATOR, MIGRATE, CLEAN)
    centre.workspace, superuser = clinic.workspace, centre.workspace
    centre.run()
    centre.workspace = superuser
    clinic.do("analyze")
    return clinic


@pytest.fixture
def situation(clinic: Clinic) -> Iterator[Callable[..., None]]:
    """Create a situation; it is undone after the test, the last statement first."""
    undo: list[str] = []

    def create(statement: str, undone_by: str | None = None) -> None:
        clinic.do(statement)
        if undone_by is not None:
            undo.append(undone_by)

    yield create
    clinic.do(*reversed(undo))


# --- nothing wrong ---------------------------------------------------------------------------------


def test_a_healthy_database_has_no_finding(clinic: Clinic) -> None:
    assert clinic.found() == {}
    assert assess(clinic.workspace).server_version == clinic.workspace.database.server_version


def test_it_changes_nothing_and_leaves_nothing(clinic: Clinic) -> None:
    query = "select pg_current_wal_insert_lsn()::text, txid_current_if_assigned()"
    before = clinic.centre.rows("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_all_tables")
    examine(clinic.workspace)
    assert clinic.centre.rows(query)[0][1] is None
    after = clinic.centre.rows("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_all_tables")
    assert after == before
    assert clinic.centre.rows(
        "select count(*) from pg_stat_activity where usename = %s and state <> 'idle'", OPERATOR
    ) == [(0,)]


# --- what SQL can make -----------------------------------------------------------------------------

FUNCTION = (
    "create function public.nothing() returns trigger language plpgsql as 'begin return new; end'",
    "drop function public.nothing",
)
EVENT_FUNCTION = (
    "create function public.event() returns event_trigger language plpgsql as 'begin end'",
    "drop function public.event",
)
ANYONE = (
    f"create policy anyone on {SESSIONS} using (true)",
    f"drop policy anyone on {SESSIONS}",
)
PUBLISHED = (f"create publication p for table {SESSIONS}", "drop publication p")
SECURED = (
    f"alter table {SESSIONS} enable row level security",
    f"alter table {SESSIONS} disable row level security",
)
NEW_YORK = (
    "alter database clinic set timezone = 'America/New_York'",
    "alter database clinic reset timezone",
)
BACKUP = (
    f"create table public.backup as select id, last_activity from {SESSIONS}",
    f"update {SESSIONS} s set last_activity = b.last_activity from public.backup b where b.id = s.id",
)
DROP_BACKUP = ("select 1", "drop table public.backup")

# id: (statements with what undoes each, {finding: what it says})
SITUATIONS: dict[str, tuple[list[tuple[str, str]], dict[str, str]]] = {
    "trigger on update": (
        [
            FUNCTION,
            (
                f"create trigger touch before insert or update on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
        ],
        {
            "session_update_trigger": (
                "touch on public.agent_sessions: before insert or update, for each row, calls"
            )
        },
    ),
    "trigger on update of what clean writes": (
        [
            FUNCTION,
            (
                f'create trigger "Tell %s!" after update of status on {SESSIONS}'
                " execute function public.nothing()",
                f'drop trigger "Tell %s!" on {SESSIONS}',
            ),
        ],
        {"session_update_trigger": '"Tell %s!" on public.agent_sessions: after update, for each statement'},
    ),
    "trigger that finds a table by the search path": (
        [
            (
                'create function public."Stamp"() returns trigger language plpgsql as'
                " 'begin perform 1 from Agents limit 1; return new; end'",
                'drop function public."Stamp"',
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                ' execute function public."Stamp"()',
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {
            "session_update_trigger": "stamp on public.agent_sessions: before update, for each row, calls",
            "trigger_without_search_path": 'public."Stamp"() names agents without a schema',
        },
    ),
    "trigger with a search path of its own": (
        [
            (
                "create function public.stamp() returns trigger language plpgsql set search_path = public"
                " as 'begin perform 1 from agents limit 1; return new; end'",
                "drop function public.stamp",
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                " execute function public.stamp()",
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {"session_update_trigger": "stamp on public.agent_sessions"},
    ),
    "trigger whose function names the schema": (
        [
            (
                "create function public.stamp() returns trigger language plpgsql"
                " as 'begin perform 1 from public.agents limit 1; return new; end'",
                "drop function public.stamp",
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                " execute function public.stamp()",
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {"session_update_trigger": "stamp on public.agent_sessions"},
    ),
    "trigger on update of another column": (
        [
            FUNCTION,
            (
                f"create trigger touch after update of last_activity on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
        ],
        {"other_trigger": "touch on public.agent_sessions"},
    ),
    "trigger on calls": (
        [
            FUNCTION,
            (
                "create trigger touch after delete or truncate on public.call_sessions"
                " execute function public.nothing()",
                "drop trigger touch on public.call_sessions",
            ),
        ],
        {"other_trigger": "after delete or truncate, for each statement"},
    ),
    "trigger that is switched off": (
        [
            FUNCTION,
            (
                f"create trigger touch before update on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
            (f"alter table {SESSIONS} disable trigger touch", "select 1"),
        ],
        {},
    ),
    "event trigger": (
        [
            EVENT_FUNCTION,
            (
                "create event trigger guard on ddl_command_start when tag in ('ALTER TABLE')"
                " execute function public.event()",
                "drop event trigger guard",
            ),
        ],
        {"event_trigger": "guard: ddl_command_start"},
    ),
    "rule on update": (
        [(f"create rule r as on update to {SESSIONS} do also notify x", f"drop rule r on {SESSIONS}")],
        {"session_update_rule": "r on public.agent_sessions, on update"},
    ),
    "rule on delete": (
        [(f"create rule r as on delete to {SESSIONS} do instead nothing", f"drop rule r on {SESSIONS}")],
        {"other_rule": "r on public.agent_sessions, on delete"},
    ),
    "view": (
        [('create view "Who\'s in" as select id from public.agents', 'drop view "Who\'s in"')],
        {"dependent_view": 'view public."Who\'s in" reads public.agents'},
    ),
    "materialized view": (
        [(f"create materialized view m as select id from {SESSIONS}", "drop materialized view m")],
        {"dependent_view": "materialized view public.m reads public.agent_sessions"},
    ),
    "publication": ([PUBLISHED], {"published_table": "public.agent_sessions is published by p"}),
    "publication without replica identity": (
        [
            PUBLISHED,
            (
                f"alter table {SESSIONS} replica identity nothing",
                f"alter table {SESSIONS} replica identity default",
            ),
        ],
        {
            "published_table": "is published by p",
            "missing_replica_identity": "public.agent_sessions is published by p without",
        },
    ),
    "publication of inserts only": (
        [
            (
                f"create publication p for table {SESSIONS} with (publish = 'insert')",
                "drop publication p",
            ),
            (
                f"alter table {SESSIONS} replica identity nothing",
                f"alter table {SESSIONS} replica identity default",
            ),
        ],
        {"published_table": "is published by p"},
    ),
    "publication of all tables": (
        [("create publication p for all tables", "drop publication p")],
        {"published_table": "is published by p", "publication_of_all_tables": "p publishes all tables"},
    ),
    "row-level security that binds the clean-up role": (
        [SECURED, ANYONE],
        {"hidden_rows": "public.agent_sessions binds rollcall_clean (clean)"},
    ),
    "row-level security that binds nobody": (
        [SECURED, (f"alter role {CLEAN} bypassrls", f"alter role {CLEAN} nobypassrls")],
        {"row_level_security": "public.agent_sessions has row-level security"},
    ),
    "row-level security that binds the owner too": (
        [
            SECURED,
            (
                f"alter table {SESSIONS} force row level security",
                f"alter table {SESSIONS} no force row level security",
            ),
            (f"alter role {CLEAN} bypassrls", f"alter role {CLEAN} nobypassrls"),
        ],
        {"hidden_rows": "binds operator (assess)"},
    ),
    "no primary key": (
        [
            (
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey",
                f"alter table {SESSIONS} add primary key (id)",
            )
        ],
        {"missing_primary_key": "public.agent_sessions has no primary key"},
    ),
    "agents found by a column that is no key": (
        [
            (
                "alter table agents drop constraint agents_pkey cascade, add primary key (id, email)",
                "alter table agents drop constraint agents_pkey, add primary key (id);"
                "alter table agent_sessions add foreign key (agent_id) references agents;"
                "alter table call_sessions add foreign key (agent_id) references agents",
            ),
            ("create unique index ai on agents (id) where is_ai_agent", "drop index ai"),
        ],
        {"agents_key_not_unique": "public.agents.id has no unique index of its own"},
    ),
    "sessions found by a column that is no key": (
        [
            (
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey, add primary key (id, agent_id)",
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey, add primary key (id)",
            ),
        ],
        {"sessions_key_not_unique": "public.agent_sessions.id has no unique index of its own"},
    ),
    "a child of the calls, and its child": (
        [
            (
                "create table elder () inherits (public.call_sessions)",
                "drop table elder",
            ),
            (
                "alter table elder owner to crm, add primary key (id);"
                f"grant select on elder to {OPERATOR}, {READ}, {MIGRATE}, {CLEAN}",
                "select 1",
            ),
        ],
        {"child_table": "public.elder inherits from public.call_sessions"},
    ),
    "defaults in the server's time zone": (
        [
            NEW_YORK,
            (
                f"alter table {SESSIONS} alter column login_at set default now()",
                f"alter table {SESSIONS} alter column login_at set default (now() at time zone 'UTC')",
            ),
        ],
        {"server_time_zone": "public.agent_sessions.login_at defaults to now(), in the time zone America"},
    ),
    "activity in the future": (
        [
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = now() at time zone 'UTC' + interval '2 h'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {"implausible_time_zone": "newest activity is 120 minutes in the future if it was written in UTC"},
    ),
    "activity written in the server's zone": (
        [
            NEW_YORK,
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = now() at time zone 'America/New_York'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {"implausible_time_zone": "old if it was written in UTC, and of just now in America/New_York"},
    ),
    "quiet floor": (
        [
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = last_activity - interval '5 h'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {},
    ),
    "login that only reads": (
        [
            (
                f"alter role {OPERATOR} set default_transaction_read_only = on",
                f"alter role {OPERATOR} reset default_transaction_read_only",
            )
        ],
        {"read_only_by_default": "default_transaction_read_only is on for operator (set in: user)"},
    ),
    "short time-outs": (
        [
            (
                "alter database clinic set idle_in_transaction_session_timeout = '10s'",
                "alter database clinic reset idle_in_transaction_session_timeout",
            )
        ],
        {"short_timeout": "idle_in_transaction_session_timeout is 10000 ms for operator (set in: database)"},
    ),
    "clean-up role that may delete": (
        [(f"grant delete on {SESSIONS} to {CLEAN}", f"revoke delete on {SESSIONS} from {CLEAN}")],
        {"clean_role_too_strong": "rollcall_clean holds delete on public.agent_sessions"},
    ),
    "clean-up role that owns": (
        [(f"grant crm to {CLEAN}", f"revoke crm from {CLEAN}")],
        {"clean_role_too_strong": "rollcall_clean owns public.agent_sessions, directly or as a member of"},
    ),
    "unused slot": (
        [
            (
                "select pg_create_physical_replication_slot('left_over', true)",
                "select pg_drop_replication_slot('left_over')",
            )
        ],
        {"idle_replication_slot": "physical slot left_over is not in use and keeps"},
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(clinic: Clinic, situation: Callable[..., None], name: str) -> None:
    statements, expected = SITUATIONS[name]
    if BACKUP in statements:
        situation(*DROP_BACKUP)
    for statement, undone_by in statements:
        situation(statement, undone_by)
    found = clinic.found()
    assert found.keys() == expected.keys()
    for finding, text in expected.items():
        assert any(text in line for line in found[finding].found), found[finding].found
    blocking = any(KINDS[finding].severity is Severity.BLOCKING for finding in expected)
    assert examine(clinic.workspace).is_blocked is blocking


@pytest.mark.parametrize(
    "name",
    [
        "login that only reads",
        "short time-outs",
        "publication without replica identity",
        "clean-up role that may delete",
        "row-level security that binds the clean-up role",
    ],
)
def test_the_statements_mend_what_was_found(
    clinic: Clinic, situation: Callable[..., None], name: str
) -> None:
    for statement, undone_by in SITUATIONS[name][0]:
        situation(statement, undone_by)
    situation("select 1", f"alter role {CLEAN} nobypassrls")
    situation("select 1", f"alter role {OPERATOR} reset all")
    found = clinic.found()
    clinic.do(*(statement for finding in found.values() for statement in finding.statements))
    assert not [name for name, finding in clinic.found().items() if finding.statements]


def test_subscription(clinic: Clinic, situation: Callable[..., None]) -> None:
    """The call centre is itself fed by another server (here: by another database)."""
    situation("create database publisher", "drop database publisher")
    publisher = clinic.server.conninfo("publisher")
    with psycopg.connect(publisher, autocommit=True) as connection:
        connection.execute("create table public.agent_sessions (id uuid primary key)")
        connection.execute("create publication feed for all tables")
    situation(
        f"create subscription s connection '{publisher}' publication feed"
        " with (create_slot = false, slot_name = none, enabled = false, copy_data = false)",
        "drop subscription s",
    )
    assert clinic.found().keys() == {"subscribed_table"}


# --- roles -----------------------------------------------------------------------------------------


def test_no_clean_role(clinic: Clinic) -> None:
    found = by_name(examine(clinic.workspace_of(OPERATOR, MIGRATE)))
    assert found.keys() == {"no_clean_role"}
    assert found["no_clean_role"].found == ("ROLLCALL_CLEAN_ROLE is not set: clean works as operator",)


@pytest.mark.parametrize(
    ("role", "said"),
    [("nobody_knows", "which does not exist"), ("crm", "operator may not act as crm")],
)
def test_role_not_usable(clinic: Clinic, situation: Callable[..., None], role: str, said: str) -> None:
    if role == "crm":  # operator is a member through the migrate role
        situation(f"revoke {MIGRATE} from {OPERATOR}", f"grant {MIGRATE} to {OPERATOR}")
    found = by_name(examine(clinic.workspace_of(OPERATOR, role, CLEAN)))
    assert said in found["role_not_usable"].found[0]
    assert found["role_not_usable"].is_blocking


@pytest.mark.parametrize("reads", [True, False], ids=["reader", "stranger"])
def test_missing_privileges_and_the_exact_grants(
    clinic: Clinic, situation: Callable[..., None], reads: bool
) -> None:
    """Granting what is printed, and nothing else, leaves nothing missing; before, doctor still works."""
    situation("create role visitor login", "drop role visitor")
    situation("grant pg_read_all_stats to visitor", "revoke pg_read_all_stats from visitor")
    situation("select 1", "reassign owned by visitor to crm")
    situation("select 1", "drop owned by visitor")
    if reads:
        situation(f"grant {READ} to visitor")
    workspace = clinic.workspace_of("visitor")
    found = by_name(examine(workspace))
    missing = {"missing_migrate_privilege", "missing_clean_privilege", "missing_record_privilege"}
    unread = set() if reads else {"missing_select_privilege", "not_seen"}
    assert found.keys() == {"no_clean_role"} | missing | unread
    assert any(
        "visitor lacks ownership of public.agent_sessions" in s
        for s in found["missing_migrate_privilege"].found
    )
    assert (
        found["missing_clean_privilege"].found[-1].startswith("visitor lacks UPDATE of public.agent_sessions")
    )
    if reads:
        assert assess(workspace).warnings == ()
    else:
        assert found["missing_select_privilege"].statements[-1].startswith("grant select on public.")

    clinic.do(*(s for name in (missing | unread) & found.keys() for s in found[name].statements))
    assert by_name(examine(workspace)).keys() == {"no_clean_role"}


def test_the_clean_up_role_is_a_superuser(clinic: Clinic) -> None:
    found = by_name(examine(clinic.workspace_of("postgres", None, "postgres")))
    assert found["clean_role_too_strong"].found == ("postgres is a superuser",)


# --- what others do right now ----------------------------------------------------------------------


def test_long_transaction(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with clinic.connect() as other:
        pid = other.info.backend_pid
        other.execute("select 'secret' from public.agents")
        assert clinic.found() == {}
        set_var(monkeypatch, clinic, "doctor_long_transaction_seconds", 0)
        found = clinic.found()
    assert found.keys() == {"long_transaction"}
    (line,) = found["long_transaction"].found
    assert f"server process {pid} " in line
    assert "idle in transaction" in line
    assert "secret" not in line


def test_prepared_transaction(clinic: Clinic) -> None:
    with clinic.connect() as other:
        other.tpc_begin(other.xid(1, "it's", "left"))
        other.execute(f"lock table {SESSIONS} in share update exclusive mode")
        other.tpc_prepare()
        found = clinic.found()
        other.tpc_rollback()
    assert found.keys() == {"prepared_transaction"}
    assert clinic.found() == {}


def test_hidden_activity(clinic: Clinic, situation: Callable[..., None]) -> None:
    situation(f"revoke pg_read_all_stats from {OPERATOR}", f"grant pg_read_all_stats to {OPERATOR}")
    assert clinic.found() == {}
    with clinic.connect():
        found = clinic.found()
    assert found.keys() == {"hidden_activity"}
    assert "of 1 other sessions" in found["hidden_activity"].found[0]


@contextlib.contextmanager
def in_background(clinic: Clinic, *statements: str) -> Iterator[None]:
    """Statements in a session of their own, which is ended when the block is left."""
    connection = psycopg.connect(clinic.centre.url, autocommit=True)

    def work() -> None:
        with contextlib.suppress(psycopg.Error):
            for statement in statements:
                connection.execute(statement)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        connection.cancel_safe()
        thread.join()
        connection.close()


def eventually(clinic: Clinic, finding: str) -> dict[str, Finding]:
    deadline = time.monotonic() + 20
    while finding not in (found := clinic.found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_running_vacuum(clinic: Clinic) -> None:
    with in_background(
        clinic,
        "set vacuum_cost_delay = '100ms'",
        "set vacuum_cost_limit = 1",
        f"vacuum (disable_page_skipping) {SESSIONS}",
    ):
        found = eventually(clinic, "running_vacuum")
    assert found.keys() == {"running_vacuum"}
    assert found["running_vacuum"].found[0].startswith("public.agent_sessions is being vacuumed by")


def test_index_being_built_and_the_invalid_one_it_leaves(
    clinic: Clinic, situation: Callable[..., None]
) -> None:
    situation("select 1", "drop index if exists public.slow")
    with clinic.connect() as writer:
        writer.execute(f"lock table {SESSIONS} in row exclusive mode")
        with in_background(clinic, f"create index concurrently slow on {SESSIONS} (status)"):
            found = eventually(clinic, "index_being_built")
            assert found.keys() == {"index_being_built"}
            assert (
                "public.slow on public.agent_sessions by server process"
                in (found["index_being_built"].found[0])
            )
    found = clinic.found()
    assert found.keys() == {"invalid_index"}
    assert found["invalid_index"].found == ("public.slow on public.agent_sessions",)
    clinic.do(*found["invalid_index"].statements)
    assert clinic.found() == {}


def test_what_cannot_be_read_is_said(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    set_var(monkeypatch, clinic, "doctor_lock_timeout_seconds", 0.05)
    with clinic.connect() as other:
        other.execute(f"lock table {SESSIONS} in access exclusive mode")
        found = clinic.found()
    assert found.keys() == {"not_seen"}
    assert "application_clock: canceling statement due to lock timeout" in found["not_seen"].found


# --- clocks, versions, ages -------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "said"), [(60, "seconds behind"), (-60, "seconds ahead of")])
def test_clock_difference(clinic: Clinic, ahead: float, said: str) -> None:
    found = clinic.found(clock=lambda: time.time() + ahead)
    assert found.keys() == {"clock_difference"}
    assert said in found["clock_difference"].found[0]


def test_a_slow_answer_is_no_clock_difference(clinic: Clinic) -> None:
    readings = iter([time.time() - 30, time.time() + 30])
    assert clinic.found(clock=lambda: next(readings)) == {}


def test_untested_server_version(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "NEWEST_TESTED_VERSION", 13)
    assert clinic.found().keys() == {"untested_server_version"}


def test_wraparound_risk(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    set_var(monkeypatch, clinic, "doctor_old_transaction_id", 1)
    assert clinic.found().keys() == {"wraparound_risk"}


@pytest.mark.parametrize("version", ["9.6.24", "13.14"])
def test_a_server_that_is_too_old_is_refused_everywhere(version: str) -> None:
    with old_server(version) as port, pytest.raises(EvaluationError) as refusal:
        Database.reach(f"postgresql://x@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable")
    assert f"PostgreSQL {version}, which is too old" in str(refusal.value)
    assert "14 or newer" in str(refusal.value)
    assert refusal.value.exit_code == 1


@contextlib.contextmanager
def old_server(version: str) -> Iterator[int]:
    """Just enough of a server for one client to connect to."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def parameter(name: str, value: str) -> bytes:
        return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            client.recv(10_000)
            client.sendall(
                message(b"R", struct.pack("!i", 0))
                + parameter("server_version", version)
                + parameter("client_encoding", "UTF8")
                + message(b"K", struct.pack("!ii", 1, 1))
                + message(b"Z", b"I")
            )
            client.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join()


# --- before the migration ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unmigrated(own_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    """Its status is an enum, and its sessions are partitioned and published."""
    with psycopg.connect(own_server.conninfo(), autocommit=True) as connection:
        connection.execute("create database unmigrated")
    variant = Variant(status="enum", partitioned=True)
    centre = call_centre(
        own_server.conninfo("unmigrated"),
        tmp_path_factory.mktemp("unmigrated"),
        {"not_working_statuses": ["offline", "ended", "gone"], "closed_status": "gone"},
        variant,
        DefectCounts.sound(SCALE, variant),
        scale=SCALE,
    )
    centre.rows(
        "alter type "
        + centre.rows(
            "select atttypid::regtype::text from pg_attribute"
            " where attrelid = 'agent_sessions'::regclass and attname = 'status'"
        )[0][0]
        + " rename value 'gone' to 'left'"
    )
    centre.rows("analyze")
    return centre


def test_enum_without_the_closed_status_and_space_for_indexes(
    unmigrated: CallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_name(examine(unmigrated.workspace))
    assert found.keys() == {"no_clean_role", "status_not_in_enum", "index_disk_space"}
    assert found["status_not_in_enum"].found == (
        "the enum of public.agent_sessions.status has no label gone",
    )
    assert re.search(r"they need \d+ MB at most, and [\d,]+ MB are free", found["index_disk_space"].found[0])

    set_var(monkeypatch, unmigrated, "doctor_index_bytes_per_row", 10**14)
    assert "low_disk_space" in by_name(examine(unmigrated.workspace))


def test_subscriber_without_the_new_columns(unmigrated: CallCentre) -> None:
    unmigrated.rows("create publication p for table public.agent_sessions")
    try:
        found = by_name(examine(unmigrated.workspace))
    finally:
        unmigrated.rows("drop publication p")
    assert found["subscriber_without_columns"].found == tuple(
        f"public.agent_sessions is published by p and has no column {name} yet"
        for name in ("device_connected", "last_heartbeat", "max_concurrent_calls")
    )


# --- replicas ---------------------------------------------------------------------------------------


def test_standby_and_replica(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with standby_of(clinic.server) as standby:
        set_var(monkeypatch, clinic, "doctor_lag_megabytes", 10**6)
        assert clinic.found() == {}

        replica = dataclasses.replace(clinic.centre, url=standby.conninfo("clinic"))
        there = workspace_on(replica, OPERATOR, MIGRATE, CLEAN)
        assert by_name(examine(there)).keys() == {"standby"}
        assert examine(there).is_blocked
        assert assess(there).verdict is assess(clinic.workspace).verdict

        replica.rows("select pg_wal_replay_pause()")
        until(lambda: replica.rows("select pg_get_wal_replay_pause_state()") == [("paused",)])
        clinic.do("create table public.x ()", "drop table public.x")
        until(
            lambda: replica.rows("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()") == [(True,)]
        )
        set_var(monkeypatch, clinic, "doctor_lag_megabytes", 0)
        set_var(monkeypatch, clinic, "replica_lag_max_seconds", 0)
        found = clinic.found()
        assert found.keys() == {"replica_lag"}
        assert "replica walreceiver is behind by" in found["replica_lag"].found[0]
        assert "standby_lag" in by_name(examine(there))
        replica.rows("select pg_wal_replay_resume()")

        monkeypatch.undo()
        replica.rows("alter system set hot_standby_feedback = on")
        replica.rows("alter system set wal_receiver_status_interval = '1s'")
        with psycopg.connect(replica.url) as query:
            query.execute("set transaction isolation level repeatable read")
            query.execute("select from public.agents")
            replica.rows("select pg_reload_conf()")
            set_var(monkeypatch, clinic, "doctor_old_snapshot_transactions", -1)
            found = eventually(clinic, "replica_snapshot")
        assert "replica walreceiver holds a snapshot that is" in found["replica_snapshot"].found[0]

        clinic.do("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        try:
            assert "synchronous_replica" in eventually(clinic, "synchronous_replica")
        finally:
            clinic.do("alter system reset synchronous_standby_names", "select pg_reload_conf()")


@contextlib.contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    with temporary_folder() as folder:
        data = folder / "standby"
        program = primary.bin_directory / "pg_basebackup"
        if not program.is_file():
            pytest.skip(f"no pg_basebackup in {primary.bin_directory}")
        subprocess.run(
            [
                program,
                f"--dbname={primary.conninfo()}",
                f"--pgdata={data}",
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
            ],
            check=True,
            capture_output=True,
        )
        for lock in data.glob(".s.PGSQL*"):  # the primary's sockets are in its data directory
            lock.unlink()
        owner = primary.data_directory.stat()
        for path in (folder, data, *data.rglob("*")):
            if path.stat().st_uid != owner.st_uid:
                shutil.chown(path, owner.st_uid, owner.st_gid)
        standby = PostgresServer(data, primary.bin_directory, SETTINGS)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop()


# --- the command ------------------------------------------------------------------------------------


def test_the_command(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", make_conninfo(clinic.centre.url, user=OPERATOR))
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(clinic.workspace.settings.state_directory))
    monkeypatch.setenv("ROLLCALL_MIGRATE_ROLE", MIGRATE)
    runner = CliRunner()
    done = runner.invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["blocked"] is False
    assert [(f["name"], f["severity"]) for f in document["findings"]] == [("no_clean_role", "info")]

    monkeypatch.setenv("ROLLCALL_CLEAN_ROLE", "nobody_knows")
    print_on_stdout(monkeypatch)
    done = runner.invoke(app, ["doctor"])
    assert done.exit_code == 12
    assert "role_not_usable" in done.stdout
    assert "A run must not go on" in done.stdout

    done = runner.invoke(app, ["doctor", "--grants"])
    assert done.exit_code == 0
    assert "create role nobody_knows nologin;" in done.stdout.splitlines()
    assert f"grant {READ}, {MIGRATE}, nobody_knows to {OPERATOR};" in done.stdout.splitlines()
    assert all(line.startswith("--") or line.endswith(";") for line in done.stdout.splitlines())


def print_on_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what an earlier command with --json did in this process."""
    console.use_stdout()


def test_every_finding_fits_into_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_on_stdout(monkeypatch)
    findings = tuple(Finding(name, (f"{name} " * 20, "x" * 200) * 6) for name in KINDS)
    console.show_diagnosis(Diagnosis("x", "18.1", findings))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > len(KINDS)
    assert max(len(line) for line in lines) <= 80
    assert sum("and 2 more" in line for line in lines) == len(KINDS)


def test_every_finding_is_tested_and_has_a_section_in_the_docs() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in KINDS if f'"{name}"' not in tests] == []
    page = (ROOT / "docs" / "doctor.md").read_text()
    sections = re.findall(r"^### `(\w+)`: (\w+)$", page, re.MULTILINE)
    assert dict(sections) == {name: kind.severity.value for name, kind in KINDS.items()}
    assert len(sections) == len(KINDS)
