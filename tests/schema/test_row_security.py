"""Row-level security of the application's tables holds for the readers of Rollcall's views."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from rollcall.dbt.project import Project
from rollcall.errors import Refused
from rollcall.steps.assess.assessment import assess
from tests.support.live_migration import Live
from tests.support.views import VIEWS_OF_ROWS

INVOKERS = """
select c.relname::text from pg_class as c
where c.relnamespace = 'rollcall'::regnamespace and 'security_invoker=true' = any(c.reloptions) order by 1
"""
POLICIES = (
    "alter table public.agent_sessions enable row level security",
    "create policy own_team on public.agent_sessions for select using (agent_id <= 3)",
)


@pytest.fixture
def reader(live: Live) -> Iterator[str]:
    """A role that may read all that a view reads, under the policies of the tables."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    live.rows(f"create role {role}")
    live.rows(f"grant select on all tables in schema public to {role}")
    yield role
    live.rows(f"drop owned by {role}")
    live.rows(f"drop role {role}")


def let_read(live: Live, role: str) -> None:
    live.rows(f"grant usage on schema rollcall, rollcall_ops to {role}")
    live.rows(f"grant select on all tables in schema rollcall, rollcall_ops to {role}")


def read_as(live: Live, role: str, query: str) -> list[Any]:
    with contextlib.closing(psycopg.connect(live.url, autocommit=True)) as connection:
        connection.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
        return connection.execute(query.encode()).fetchall()


SESSIONS = "select count(*), count(*) filter (where agent_id > 3) from {}"


@pytest.mark.medium
def test_without_policies_a_reader_needs_no_right_on_the_tables(live: Live, reader: str) -> None:
    live.migrate()
    let_read(live, reader)
    live.rows(f"revoke select on all tables in schema public from {reader}")
    assert live.rows(INVOKERS) == []
    assert read_as(live, reader, SESSIONS.format("rollcall.agent_sessions"))[0][1] > 0


@pytest.mark.medium
def test_new_views_apply_the_policies_of_their_reader(live: Live, reader: str) -> None:
    for statement in POLICIES:
        live.rows(statement)
    live.migrate()
    let_read(live, reader)
    assert live.rows(INVOKERS) == [(name,) for name in VIEWS_OF_ROWS]
    visible = read_as(live, reader, SESSIONS.format("public.agent_sessions"))
    assert read_as(live, reader, SESSIONS.format("rollcall.agent_sessions")) == visible
    assert visible[0][1] == 0
    assert read_as(live, reader, "select agent_id from rollcall.routable_agents where agent_id > 3") == []
    assert live.pending() == []


@pytest.mark.medium
def test_views_that_are_there_already_are_changed_by_the_next_migration(live: Live, reader: str) -> None:
    live.migrate()
    let_read(live, reader)
    for statement in POLICIES:
        live.rows(statement)
    assert read_as(live, reader, SESSIONS.format("rollcall.agent_sessions"))[0][1] > 0
    assert sorted(live.pending()) == [f"rollcall.{name}" for name in VIEWS_OF_ROWS]
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "missing_own_object"]
    assert set(rule.keys) == {f"rollcall.{name}" for name in VIEWS_OF_ROWS}

    result = live.migrate()

    assert (result.skipped, live.pending()) == ([], [])
    assert read_as(live, reader, SESSIONS.format("rollcall.agent_sessions"))[0][1] == 0
    # a view never becomes less strict, and the second migration finds nothing
    live.rows("alter table public.agent_sessions disable row level security")
    assert live.pending() == []
    assert live.rows(INVOKERS) == [(name,) for name in VIEWS_OF_ROWS]


@pytest.mark.medium
def test_a_server_that_cannot_apply_policies_for_a_reader_gets_no_view(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on PostgreSQL 14: the version from which views can apply them is moved past this server's."""
    for statement in POLICIES:
        live.rows(statement)
    sql_of = Project.sql
    monkeypatch.setattr(Project, "sql", lambda self, name: sql_of(self, name).replace("150000", "990000"))
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "bypassed_row_security"]
    assert set(rule.keys) == {f"rollcall.{name}" for name in VIEWS_OF_ROWS}
    with pytest.raises(Refused, match="before 15 cannot apply the tables' row-level security for its reader"):
        live.migrate()
    assert live.rows("select count(*) from pg_views where schemaname = 'rollcall'") == [(0,)]


@pytest.mark.medium
def test_a_function_of_the_reader_sees_no_row_that_a_view_filters(live: Live, reader: str) -> None:
    live.migrate()
    let_read(live, reader)
    live.rows("create table public.seen (session text)")
    live.rows(
        "create function public.spy(text) returns boolean language plpgsql cost 0.0000001 as"
        " $$ begin insert into public.seen values ($1); return true; end $$"
    )
    live.rows(f"grant insert on public.seen to {reader}")
    query = "select session_id::text from rollcall.routable_agents where public.spy(session_id::text)"
    routable = read_as(live, reader, query)
    assert {row[0] for row in live.rows("select session from public.seen")} == {row[0] for row in routable}
    barriers = (
        "select relname::text from pg_class where 'security_barrier=true' = any(reloptions)"
        " and relnamespace = 'rollcall'::regnamespace"
    )
    assert live.rows(barriers) == [("routable_agents",)]


@pytest.mark.medium
def test_a_policy_on_the_calls_counts_as_well(live: Live) -> None:
    live.rows("alter table public.call_sessions enable row level security")
    live.migrate()
    assert live.rows(INVOKERS) == [(name,) for name in VIEWS_OF_ROWS]
