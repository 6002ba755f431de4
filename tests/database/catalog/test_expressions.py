"""SQL in a var is planned before dbt is started: PostgreSQL's refusal is a line with the var."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.database.catalog.columns import read_application_columns
from rollcall.database.connections import Database
from rollcall.errors import ConfigurationProblems
from rollcall.settings.configuration import load_settings
from tests.support.floor import TABLES

JOINED = """
    create schema crm;
    create table crm.members (agent_id integer, role text);
    create table crm.legs (id bigint, agent_id integer, at timestamptz, state text);
    create table crm.parts (leg_id bigint) partition by range (leg_id);
    create table crm.parts_1 partition of crm.parts for values from (0) to (10);
    create view working_agents as select a.* from agents as a join crm.members as m on m.agent_id = a.id;
"""
ROLE = {"sql": "(select min(m.role) from crm.members as m where m.agent_id = agent.id)", "type": "text"}
LEGS = {
    "sql": "select l.id, l.agent_id, l.at, l.state from crm.legs as l join crm.parts as p on p.leg_id = l.id"
}


@pytest.fixture
def application(database: str) -> str:
    with psycopg.connect(database) as connection:
        connection.execute(TABLES)
        connection.execute(JOINED)
    return database


def columns(url: str, state: Path, **variables: Any) -> list[dict[str, Any]]:
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_VARS": yaml.safe_dump(variables),
    }
    settings = load_settings(environment=environment)
    return read_application_columns(Database.reach(url), settings)


def test_each_expression_that_postgresql_refuses_is_a_line_with_its_var(
    application: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationProblems) as refused:
        columns(
            application,
            tmp_path,
            agents_role_column={"sql": "agent.job", "type": "text"},
            agents_is_active_column={"sql": "(select true from members)", "type": "boolean"},
            sessions_last_activity_column={"sql": "to_timestamp(session.status)", "type": "timestamptz"},
            calls_table={"sql": "select 1 from crm.calls"},
        )
    lines = refused.value.problems
    assert [line.split(" cannot be read: ")[0] for line in lines] == [
        "the SQL of the var calls_table",
        "the SQL of the var agents_role_column",
        "the SQL of the var agents_is_active_column",
        "the SQL of the var sessions_last_activity_column",
    ]
    assert "column agent.job does not exist" in lines[1]
    assert 'relation "members" does not exist' in lines[2]
    assert all("each table with its schema" in line for line in lines)


def test_a_relation_has_the_columns_of_its_result(application: str, tmp_path: Path) -> None:
    rows = columns(application, tmp_path, calls_table=LEGS, calls_id_column="id")
    found = {row["column_name"]: row["column_type"] for row in rows if "calls_table" in row["table_name"]}
    assert found == {"id": "bigint", "agent_id": "integer", "at": "timestamp with time zone", "state": "text"}


def test_the_tables_behind_expressions_relations_and_views_are_known(
    application: str, tmp_path: Path
) -> None:
    def beside(**variables: Any) -> dict[str, bool]:
        rows = columns(application, tmp_path, **variables)
        return {row["table_name"]: row["is_of_view"] for row in rows if row["column_name"] is None}

    assert beside() == {}
    assert beside(agents_role_column=ROLE) == {"crm.members": False}
    assert beside(calls_table=LEGS) == {"crm.legs": False, "crm.parts": False}
    assert beside(agents_table="working_agents") == {"crm.members": True, "public.agents": True}


def test_rows_that_are_hidden_behind_an_expression_are_no_evidence(application: str, tmp_path: Path) -> None:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(application, autocommit=True) as connection:
        connection.execute("alter table crm.members enable row level security")
        connection.execute(f"create role {role} login")
        connection.execute(f"grant usage on schema crm to {role}")
        connection.execute(f"grant select on all tables in schema crm, public to {role}")
        try:
            with pytest.raises(ConfigurationProblems) as refused:
                columns(application.replace("postgres@", f"{role}@"), tmp_path, agents_role_column=ROLE)
        finally:
            connection.execute(f"drop owned by {role}")
            connection.execute(f"drop role {role}")
    (line,) = refused.value.problems
    assert line.startswith("the SQL of the var agents_role_column cannot be read: ")
    assert 'row-level security policy for table "members"' in line
