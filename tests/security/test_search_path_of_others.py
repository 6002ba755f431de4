"""What an empty search path means for the application's own types and functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.workspace import Workspace
from tests.support.call_centre import call_centre
from tests.support.every_step import everything
from tests.support.floor import Floor, drop_trigger, make_trigger

STATUSES = ("agent_sessions", "call_sessions")


def test_a_trigger_that_relies_on_the_search_path_is_named_with_the_way_out(floor: Floor) -> None:
    key = floor.session(seen=300)
    floor.rows("create table audit (session_id uuid)")
    make_trigger(floor, "insert into audit values (new.id); return new;")
    try:
        result = floor.clean()
        assert result.changed == 0
        (skip,) = result.skipped
        assert skip["session_id"] == key
        assert 'relation "audit" does not exist' in skip["reason"]
        found = skip["reason"].split("alter function ")[1].split(" set search_path")[0]
        floor.rows(f"alter function {found} set search_path = public")
        assert floor.clean().changed == 1
        assert floor.rows("select session_id::text from audit") == [(key,)]
    finally:
        drop_trigger(floor)
        floor.rows("drop table audit")


@pytest.mark.medium
@pytest.mark.parametrize("schema", ["public", "extensions"])
def test_statuses_and_names_may_be_citext(database: str, tmp_path: Path, schema: str) -> None:
    centre = call_centre(database, tmp_path)
    centre.rows(f"create schema if not exists {schema}")
    centre.rows(f"create extension citext schema {schema}")
    for table in STATUSES:
        centre.rows(f"alter table {table} alter status type {schema}.citext")
    centre.rows(f"alter table agents alter email type {schema}.citext, alter role type {schema}.citext")
    centre.rows(f"alter table call_sessions alter direction type {schema}.citext")
    everything(centre.workspace)


def test_a_key_that_only_an_extension_compares_is_refused(database: str, tmp_path: Path) -> None:
    """Compared as text, `Ann` and `ann` would be two agents, and one of them would have no calls."""
    centre = call_centre(database, tmp_path)
    centre.rows("create extension citext")
    centre.rows("alter table call_sessions drop constraint if exists call_sessions_agent_id_fkey")
    centre.rows("alter table call_sessions alter agent_id type citext")
    with pytest.raises(ConfigurationError, match=r"call_sessions\.agent_id.*public\.citext") as raised:
        _ = Workspace(centre.workspace.settings).database
    assert raised.value.exit_code == 2
    assert "calls_agent_id_column" in str(raised.value)


def test_every_key_that_only_an_extension_compares_is_in_the_list_of_problems(
    database: str, tmp_path: Path
) -> None:
    centre = call_centre(database, tmp_path)
    centre.rows("create extension citext")
    centre.rows("alter table call_sessions drop constraint if exists call_sessions_agent_id_fkey")
    for table, column in (("call_sessions", "agent_id"), ("agent_sessions", "current_call_session_id")):
        centre.rows(f"alter table {table} alter {column} type citext")
    centre.rows("alter table agents drop column is_active")
    with pytest.raises(ConfigurationProblems) as raised:
        _ = Workspace(centre.workspace.settings).database
    problems = raised.value.problems
    assert problems[0].startswith("column is_active does not exist")
    foreign = [problem for problem in problems if "is defined outside pg_catalog" in problem]
    for name, problem in zip(("current_call_session_id", "call_sessions.agent_id"), foreign, strict=True):
        assert name in problem
