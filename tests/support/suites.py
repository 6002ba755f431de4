"""Suites, and rows to judge with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from rollcall.rules.gx import load_suites
from rollcall.rules.judging import Judgement
from rollcall.rules.results import Severity
from rollcall.rules.suites import Suite
from tests.support.paths import ROOT

EXPECTATIONS = ROOT / "expectations"


# the severity of each rule of live data, stated here independently of the suites
RULES_BY_SEVERITY = {
    Severity.BLOCKING: {
        "unknown_session_status",
        "unknown_call_status",
        "activity_in_future",
        "extreme_time",
        "no_sign_of_life",
        "unknown_activity",
        "silent_feed",
        "unknown_agent",
        "no_active_agents",
    },
    Severity.CRITICAL: {"abandoned_session", "orphaned_call_reference", "invalid_on_call"},
    Severity.WARNING: {
        "session_of_inactive_agent",
        "duplicate_open_session",
        "live_call_not_on_call",
        "shared_call",
        "call_of_another_agent",
        "invalid_capacity",
        "device_lost",
        "zombie_call",
        "ended_call_still_live",
    },
    Severity.INFO: {"open_but_offline", "heartbeat_feed"},
}


GOOD_SESSIONS = """
    create schema rollcall;
    create table rollcall.agent_sessions as
    select
        i as session_id,
        i % 7 as agent_id,
        'available'::text as status,
        i > 90 as is_open,
        timestamptz '2025-01-01 08:00Z' as login_at,
        case when i <= 90 then timestamptz '2025-01-01 09:00Z' end as logout_at,
        timestamptz '2025-01-01 08:30Z' as last_seen_at,
        null::uuid as live_call_id,
        case when i <= 90 then 3600 end as duration_seconds,
        array[]::text[] as defects
    from generate_series(1, 100) as i
"""


DAMAGED_SESSIONS: list[tuple[str, dict[str, int]]] = [
    ("set session_id = null where session_id <= 3", {"cleaned_session_id_not_null": 3}),
    ("set session_id = 1 where session_id <= 4", {"cleaned_session_id_unique": 4}),
    ("set agent_id = null where session_id <= 5", {"cleaned_session_agent_id_not_null": 5}),
    ("set status = null where session_id = 6", {"cleaned_session_status_not_null": 1}),
    ("set login_at = null where session_id = 7", {"cleaned_session_login_at_not_null": 1}),
    (
        "set is_open = null where session_id > 98",
        {"cleaned_session_is_open_not_null": 2},
    ),
    (
        "set duration_seconds = -1 where session_id = 8",
        {"cleaned_session_duration_not_negative": 1},
    ),
    ("set duration_seconds = 0 where session_id = 8", {}),
    ("set logout_at = login_at where session_id = 9", {}),
    (
        "set logout_at = login_at - interval '1 ms' where session_id <= 2",
        {"cleaned_session_logout_after_login": 2},
    ),
    (
        "set is_open = true where session_id <= 30",
        {"cleaned_session_closed_after_logout": 30},
    ),
]
"""What to do to GOOD_SESSIONS, and the violations of each rule of `cleaned_sessions` afterwards."""


GOOD_AGENTS = """
    create schema if not exists rollcall;
    create table rollcall.routable_agents as
    select
        i as agent_id,
        i + 100 as session_id,
        now() as last_seen_at,
        i % 2 as free_call_slots,
        case when i % 2 = 0 then 'status' else 'heartbeat' end as routed_by
    from generate_series(1, 20) as i
"""


@pytest.fixture(scope="module")
def suites() -> dict[str, Suite]:
    return load_suites(EXPECTATIONS)


def none_violated(suite: Suite, **counts: int) -> dict[str, int]:
    """A row of counts in which every rule but those named is kept."""
    return {rule.name: 0 for rule in suite.rules} | counts


def violations(judgement: Judgement) -> dict[str, int]:
    return {rule.name: rule.violations for rule in judgement if rule.violations}


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement))


def connector(database: str) -> Callable[[], psycopg.Connection[Any]]:
    """Connections as `rollcall.database.connections` opens them."""
    return lambda: psycopg.connect(
        database, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.RawCursor
    )


def write_suite(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A suite of two good rules, one of a count and one of rows, after a change."""
    meta = {
        "rule": "late_call",
        "check": "data_trustworthy",
        "severity": "blocking",
        "reason": "The call is late.",
        "remedy": "A person must look.",
        "unit": "calls",
    }
    document = {
        "name": "mine",
        "expectations": [
            {
                "type": "expect_column_max_to_be_between",
                "kwargs": {"column": "late_call", "max_value": 2},
                "severity": "critical",
                "meta": meta,
            },
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "call_id"},
                "severity": "critical",
                "meta": {**meta, "rule": "call_without_key"},
            },
        ],
    }
    change(document)
    (folder / "mine.json").write_text(json.dumps(document))
    return folder


def at(index: int, *keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change: set (or, given `...`, drop) what these keys lead to in one expectation."""

    def change(document: dict[str, Any]) -> None:
        target = document["expectations"][index]
        for key in keys[:-1]:
            target = target[key]
        if value is ...:
            del target[keys[-1]]
        else:
            target[keys[-1]] = value

    return change
