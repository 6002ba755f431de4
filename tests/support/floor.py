"""A small migrated call centre, built row by row, for tests of cleaning; compiled once for all of them."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.clean import cleaning
from rollcall.steps.clean.cleaning import CleaningResult, clean
from rollcall.steps.plan.pending_work import Plan, make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations

TABLES = """
    create table agents (
        id serial primary key, email text unique, role text default 'agent', is_active boolean default true,
        is_ai_agent boolean default false
    );
    create table agent_sessions (
        id uuid primary key default gen_random_uuid(), agent_id integer references agents,
        status text default 'offline', current_call_session_id uuid, login_at timestamp(3) not null,
        logout_at timestamp(3), last_activity timestamp(3) not null, calls_completed_today integer default 0,
        last_heartbeat timestamp(3), device_connected boolean default false,
        max_concurrent_calls integer default 1
    );
    create table call_sessions (
        id uuid primary key default gen_random_uuid(), user_id bigint, agent_id integer references agents,
        status text default 'initiated', direction text, started_at timestamp(3) not null,
        connected_at timestamp(3), ended_at timestamp(3)
    );
    create index on agent_sessions (agent_id);
    create index on call_sessions (agent_id);
"""
QUICK = {
    "locked_row_pause_seconds": 0.05,
    "locked_row_passes": 2,
    "ringing_wait_seconds": 0.1,
    "lock_timeout_ms": 3_000,
}
"""So that a test does not wait, and a busy machine does not matter."""

NOW = "timezone('utc', now())"

Ago = float | None
"""Minutes before now, or none for null."""

DOMAINS_OVER_TIMESTAMP = """
    create domain naive as timestamp(3) check (value is null or value <> '2001-01-01');
    create domain instant as naive;
    create domain mark as text check (value <> 'never');
"""
DOMAINS_OVER_TIMESTAMPTZ = """
    create domain aware as timestamptz check (value is null or value <> '2001-01-01Z');
    create domain instant as aware;
    create type label as enum (
        'available', 'on_call', 'break', 'offline', 'ended', 'lunch', 'initiated', 'connecting', 'ringing',
        'connected', 'queued', 'completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy',
        'canceled', 'strange'
    );
    create domain mark as label;
"""
INTO_DOMAINS = """
    alter table agent_sessions alter status drop default, alter status type mark using status::mark,
        alter login_at type instant, alter logout_at type instant, alter last_activity type instant,
        alter last_heartbeat type instant;
    alter table call_sessions alter status drop default, alter status type mark using status::mark,
        alter started_at type instant, alter connected_at type instant, alter ended_at type instant;
"""
KINDS = {
    "plain": "",
    "domains over timestamp and text": DOMAINS_OVER_TIMESTAMP + INTO_DOMAINS,
    "domains over timestamptz and an enum": DOMAINS_OVER_TIMESTAMPTZ + INTO_DOMAINS,
}
"""Kinds of columns: what the application's tables are made of."""

_made: dict[tuple[int, str], tuple[str, Workspace]] = {}


class Floor:
    """Agents, sessions and calls, with times in minutes ago; and what cleaning makes of them.

    Attributes:
        has_instants: whether the application's times are instants, and not wall-clock times.
    """

    def __init__(self, url: str, workspace: Workspace, *, has_instants: bool = False) -> None:
        self.url = url
        self.workspace = workspace
        self.has_instants = has_instants
        self.now = datetime.now(UTC)

    # --- rows -----------------------------------------------------------------------------------

    def agent(self, *, active: bool = True) -> int:
        query = "insert into agents (email, is_active) values (%s, %s) returning id"
        (key,) = self.rows(query, uuid.uuid4().hex, active)[0]
        return int(key)

    def session(
        self,
        agent: int | None = None,
        seen: float = 180,
        status: str = "available",
        *,
        login: Ago = None,
        call: str | None = None,
        heartbeat: Ago = None,
        logout: Ago = None,
    ) -> str:
        """A session whose last activity is `seen` minutes ago; its agent is a new one unless given."""
        return self.insert(
            "agent_sessions",
            agent_id=self.agent() if agent is None else agent,
            status=status,
            current_call_session_id=call,
            login_at=self.at(seen + 60 if login is None else login),
            logout_at=self.at(logout),
            last_activity=self.at(seen),
            last_heartbeat=self.at(heartbeat),
        )

    def call(
        self,
        agent: int | None,
        started: float,
        status: str = "completed",
        direction: str = "outbound",
        *,
        connected: Ago = None,
        ended: Ago = None,
    ) -> str:
        return self.insert(
            "call_sessions",
            agent_id=agent,
            status=status,
            direction=direction,
            started_at=self.at(started),
            connected_at=self.at(connected),
            ended_at=self.at(ended),
        )

    def at(self, minutes: Ago) -> datetime | None:
        """Naive, in UTC, as the application writes it."""
        return None if minutes is None else (self.now - timedelta(minutes=minutes)).replace(tzinfo=None)

    def insert(self, table: str, **values: Any) -> str:
        query = sql.SQL("insert into {} ({}) values ({}) returning id::text").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        with self.connect() as connection:
            row = connection.execute(query, list(values.values())).fetchone()
        assert row is not None
        return str(row[0])

    # --- looking ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def connect(self, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
        """The application's own connection; what is not committed when it ends is undone."""
        connection = psycopg.connect(self.url, autocommit=autocommit)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def row(self, session: str) -> dict[str, Any]:
        with self.connect() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            row = cursor.execute("select * from agent_sessions where id = %s", [session]).fetchone()
        assert row is not None
        return dict(row)

    def images(self, table: str = "agent_sessions") -> dict[str, Any]:
        name = sql.Identifier(table)
        query = sql.SQL("select id::text, to_jsonb(t) from {} as t").format(name)
        with self.connect() as connection:
            return dict(connection.execute(query).fetchall())

    def digest(self) -> str:
        """Of every row of the application's tables."""
        query = """
            select md5(string_agg(t::text, ',' order by t::text)) from (
                select to_jsonb(a) from agents as a union all select to_jsonb(s) from agent_sessions as s
                union all select to_jsonb(c) from call_sessions as c
            ) as all_rows (t)
        """
        return str(self.rows(query)[0][0])

    # --- working ----------------------------------------------------------------------------------

    def with_settings(self, **changes: Any) -> Workspace:
        """The same database and compiled project, with other vars (that no SQL holds) or another role."""
        roles = {name: changes.pop(name) for name in ("clean_role", "migrate_role") if name in changes}
        settings = self.workspace.settings
        variables = {**settings.variables, **changes}
        workspace = Workspace(dataclasses.replace(settings, variables=variables, **roles))
        workspace.project = self.workspace.project
        return workspace

    def plan(self, judged_at: datetime | None = None) -> Plan:
        return make_plan(self.workspace, judged_at)

    def clean(
        self,
        plan: Plan | None = None,
        workspace: Workspace | None = None,
        *,
        unattended: bool = False,
    ) -> CleaningResult:
        workspace = workspace or self.workspace
        plan = plan or make_plan(workspace)
        with open_run(workspace, "clean") as run:
            return clean(workspace, run, plan, unattended=unattended)

    def changes(self) -> list[tuple[str, str]]:
        """Run and session of every change in the ledger."""
        return list(self.rows("select run_id, session_id from rollcall_ops.changes order by 1, 2"))

    def batches(self) -> list[int]:
        """How many changes each transaction of ours recorded, the first one first."""
        query = "select count(*) from rollcall_ops.changes group by xmin::text order by min(changed_at)"
        return [count for (count,) in self.rows(query)]


@pytest.fixture
def floor(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """An empty floor; one database and one compilation serve every test of the session."""
    yield from _floor(server, tmp_path_factory, "plain")


@pytest.fixture(params=[kind for kind in KINDS if kind != "plain"])
def floor_of_domains(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Floor]:
    """The same, of tables whose times and statuses are domains, in a database with another time zone."""
    for floor in _floor(server, tmp_path_factory, request.param):
        (name,) = floor.rows("select current_database()")[0]
        floor.rows(f"alter database {name} set timezone = 'Asia/Kolkata'")
        yield floor


def _floor(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Floor]:
    key = (id(server), kind)
    if key not in _made:
        _made[key] = _make(server, tmp_path_factory.mktemp("floor"), KINDS[kind])
    url, workspace = _made[key]
    floor = Floor(url, workspace, has_instants="timestamptz" in kind)
    empty(floor)
    yield floor
    floor.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


def _make(server: PostgresServer, state: Path, columns: str) -> tuple[str, Workspace]:
    name = f"floor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = server.conninfo(name)
    with psycopg.connect(url) as connection:
        connection.execute(TABLES + columns)
    share_compilations(state)
    settings = load_settings(environment={"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(state)})
    settings.variables.update(QUICK)
    workspace = Workspace(settings)
    with open_run(workspace, "migrate"):
        pass
    return url, workspace


def empty(floor: Floor) -> None:
    tables = floor.rows(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'rollcall_ops'"
    )
    names = ", ".join(["agents", "agent_sessions", "call_sessions", *(name for (name,) in tables)])
    floor.rows(f"truncate {names} restart identity cascade")


def make_trigger(floor: Floor, body: str) -> None:
    """A trigger of the application on every session that is updated."""
    floor.rows(
        f"create or replace function hook() returns trigger language plpgsql as $$ begin {body} end $$"
    )
    floor.rows("create trigger hook before update on agent_sessions for each row execute function hook()")


def drop_trigger(floor: Floor) -> None:
    floor.rows("drop trigger if exists hook on agent_sessions")


class Between:
    """Runs something of the application's between the lock and the judgement of the first batch.

    step: the part of a batch that it runs before, if another one: `look_around`, before the batch begins,
    or `settings_of_batch`, before it locks.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: Any, step: str = "judge_and_change") -> None:
        self.calls = 0
        original = getattr(cleaning.SessionRepair, step)

        def watched(repair: Any, *arguments: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                what()
            return original(repair, *arguments)

        monkeypatch.setattr(cleaning.SessionRepair, step, watched)
