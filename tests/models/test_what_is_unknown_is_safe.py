"""Where an application does not say something, the reading wins under which fewer sessions are changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.rules.results import Assessment, Verdict
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations

ROW_PER_AGENT = """
    create table staff (id integer primary key, is_active boolean not null default true);
    create table presence (
        staff_id integer primary key, state text, call_ref text not null default '', seen_at timestamptz
    );
    create table legs (
        id text primary key, staff_id integer, state text, began timestamptz, ended timestamptz
    );
"""
MAPPING: dict[str, Any] = {
    "agents_table": "staff",
    "agents_role_column": None,
    "agents_is_ai_agent_column": None,
    "sessions_table": "presence",
    "sessions_id_column": "staff_id",
    "sessions_agent_id_column": "staff_id",
    "sessions_status_column": "state",
    "sessions_call_id_column": "call_ref",
    "sessions_no_call": "",
    "sessions_login_at_column": None,
    "sessions_logout_at_column": None,
    "sessions_last_activity_column": "seen_at",
}
CALLS = {
    "calls_table": "legs",
    "calls_agent_id_column": "staff_id",
    "calls_status_column": "state",
    "calls_direction_column": None,
    "calls_started_at_column": "began",
    "calls_connected_at_column": None,
    "calls_ended_at_column": "ended",
}


def judged(
    url: str, state: Path, rows: str, **mapping: Any
) -> tuple[Assessment, dict[str, str], dict[str, str | None]]:
    """The assessment, the remedy of each planned session, and why rules are not judged."""
    with psycopg.connect(url) as connection:
        connection.execute(ROW_PER_AGENT)
        connection.execute(rows)
    share_compilations(state)
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_VARS": yaml.safe_dump({**MAPPING, **mapping}),
    }
    workspace = Workspace(load_settings(environment=environment))
    assessment = assess(workspace)
    plan = {change["session_id"]: change["remedy"] for change in make_plan(workspace).changes()}
    return assessment, plan, {rule.name: rule.not_judged for rule in assessment.rules if rule.not_judged}


@pytest.mark.medium
def test_without_calls_a_session_on_a_call_is_believed_for_a_while(database: str, tmp_path: Path) -> None:
    assessment, plan, not_judged = judged(
        database,
        tmp_path,
        """
        insert into staff select g from generate_series(1, 6) as g;
        insert into presence values
            (1, 'on_call', '', now() - interval '3 hours'),
            (2, 'on_call', '', now() - interval '5 hours'),
            (3, 'available', '', now() - interval '3 hours'),
            (4, 'available', 'gone', now() - interval '30 minutes'),
            (5, 'siesta', '', now() - interval '20 hours'),
            (6, 'offline', 'gone', now() - interval '20 hours');
        """,
        calls_table=None,
    )
    assert plan == {"2": "close", "3": "close"}
    # a status that is not configured is not guessed at: the session is open, and named
    assert assessment.verdict is Verdict.NOT_READY
    (unknown,) = (rule for rule in assessment.rules if rule.name == "unknown_session_status")
    assert unknown.sample_keys == ("5",)
    assert not_judged["orphaned_call_reference"] == "no calls are known"
    document = {rule["name"]: rule for rule in assessment.to_json()["rules"]}
    assert document["unknown_call_status"]["passed"] is False
    assert document["unknown_call_status"]["not_judged"] == "no calls are known"
    assert document["unknown_agent"]["passed"] is True
    assert document["unknown_agent"]["not_judged"] is None


@pytest.mark.slow
def test_without_a_direction_each_call_is_a_sign_of_life(database: str, tmp_path: Path) -> None:
    _, plan, _ = judged(
        database,
        tmp_path,
        """
        insert into staff select g from generate_series(1, 4) as g;
        insert into presence select id, 'available', '', now() - interval '20 hours' from staff;
        insert into legs values
            ('rung', 1, 'no_answer', now() - interval '1 hour', now() - interval '59 minutes'),
            ('rung long ago', 2, 'no_answer', now() - interval '9 hours', now() - interval '9 hours'),
            ('rings', 3, 'ringing', now() - interval '1 minute', null);
        """,
        **CALLS,
    )
    assert plan == {"2": "close", "4": "close"}
