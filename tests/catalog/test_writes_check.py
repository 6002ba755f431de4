"""What the sessions table cannot take is refused before dbt starts, with the rest, each in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationProblems
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.floor import TABLES
from tests.support.postgres import fresh_database

AWKWARD = """
    alter table agent_sessions
        add call_text varchar(50) not null default '',
        add ended timestamp(3) not null default now(),
        add state text check (state in ('available', 'on_call', 'busy', 'it''s over')),
        add derived text generated always as (upper(status)) stored,
        add changed_at timestamptz not null default now(),
        add mood text check (mood <> 'bad');
"""
TEXT = {
    "column": "call_text",
    "sql": "case when session.call_text ~ '^[0-9a-f-]{36}$' then session.call_text::uuid end",
    "type": "uuid",
}


@pytest.fixture(scope="module")
def application(server: PostgresServer) -> Iterator[str]:
    with fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
            connection.execute(AWKWARD)
        yield url


def workspace_of(url: str, state: Path, **variables: Any) -> Workspace:
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(share_compilations(state)),
        "ROLLCALL_VARS": json.dumps(variables),
    }
    return Workspace(load_settings(environment=environment))


def problems(url: str, state: Path, **variables: Any) -> list[str]:
    with pytest.raises(ConfigurationProblems) as refusal:
        _ = workspace_of(url, state, **variables).database
    assert refusal.value.exit_code == 2
    return list(refusal.value.problems)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"sessions_call_id_column": TEXT},
            [("agent_sessions.call_text does not take null", "sessions_no_call", "such as ''", "read_only")],
        ),
        (
            {"sessions_logout_at_column": "ended"},
            [("agent_sessions.ended does not take null, so no session would be open", "or to {sql, type}")],
        ),
        (
            {"sessions_status_column": "state"},
            [
                ("state_check of public.agent_sessions.state refuses offline", "closed_status", "it's over"),
                ("state_check of public.agent_sessions.state refuses break", "var break_status to one of"),
            ],
        ),
        (
            {
                "sessions_status_column": {
                    "column": "state",
                    "values": {"busy": "available", "x": "break", "z": "offline"},
                }
            },
            [("refuses z, which", "closed_status"), ("refuses x, which", "break_status")],
        ),
        (
            {"sessions_status_column": "derived"},
            [("agent_sessions.derived is generated", "sessions_status_column")],
        ),
        (
            {"sessions_on_close": {"changed_at": None, "derived": "x", "gone": 1}},
            [
                ("column gone does not exist in public.agent_sessions", "sessions_on_close"),
                ("changed_at does not take null", "var sessions_on_close"),
                ("derived is generated", "sessions_on_close"),
            ],
        ),
    ],
)
def test_a_column_that_refuses_a_write_is_named_with_its_var(
    application: str, tmp_path: Path, variables: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    found = problems(application, tmp_path, **variables)
    assert len(found) == len(expected)
    for parts in expected:
        (line,) = (line for line in found if parts[0] in line)
        assert all(part in line for part in parts)


@pytest.mark.parametrize(
    "variables",
    [
        {"sessions_call_id_column": TEXT, "sessions_no_call": ""},
        pytest.param({"sessions_call_id_column": TEXT, "read_only": True}, marks=pytest.mark.slow),
        pytest.param({"sessions_status_column": "mood"}, marks=pytest.mark.slow),
    ],
)
def test_what_can_be_written_or_is_never_written_is_no_problem(
    application: str, tmp_path: Path, variables: dict[str, Any]
) -> None:
    assert workspace_of(application, tmp_path, **variables).database.name


def test_every_problem_is_reported_at_once_with_the_forms_that_a_var_takes(
    application: str, tmp_path: Path
) -> None:
    found = problems(
        application,
        tmp_path,
        agents_role_column="rol",
        agents_id_column="ident",
        sessions_call_id_column="call_text",
        sessions_status_column="derived",
    )
    lines = {line.split(";")[0]: line for line in found}
    assert (
        "var agents_role_column to a column, to {sql, type} or to null"
        in lines["column rol does not exist in public.agents"]
    )
    assert "to {sql, type}; did you mean" in lines["column ident does not exist in public.agents"].replace(
        "to {sql, type} (", "to {sql, type}; did you mean ("
    )
    (cast,) = (line for line in found if "cannot be compared" in line)
    assert 'sessions_call_id_column: {column: call_text, sql: "case when session.call_text ~ ' in cast
    assert "type: uuid}" in cast
    assert [line for line in found if "derived is generated" in line]
    assert len(found) == 5


def test_the_offered_cast_works(application: str, tmp_path: Path) -> None:
    """The text of the message, pasted into the configuration, compares the reference with the key."""
    import yaml

    found = problems(application, tmp_path, sessions_call_id_column="call_text", sessions_no_call="")
    (cast,) = (line for line in found if "cannot be compared" in line)
    offered = cast.split("or cast it: sessions_call_id_column: ")[1].removesuffix(".")
    workspace = workspace_of(
        application, tmp_path, sessions_call_id_column=yaml.safe_load(offered), sessions_no_call=""
    )
    with psycopg.connect(application, autocommit=True) as connection:
        connection.execute(
            "insert into agents (email) values ('a'); insert into agent_sessions"
            " (agent_id, status, login_at, last_activity, call_text)"
            " values (1, 'available', now(), now(), 'none')"
        )
    with workspace.database.snapshot() as snapshot:
        assert snapshot.row(workspace.project.sql("readiness_counts"))["orphaned_call_reference"] == 0
