"""A judge of the demo's rows that shares no SQL with Rollcall."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
import yaml
from psycopg import sql

from rollcall.sandbox.demo import (
    Planted,
    Scale,
    Variant,
)
from tests.support.paths import ROOT

NAMES: dict[str, Any] = yaml.safe_load((ROOT / "dbt_project.yml").read_text("utf-8"))["vars"]


CAMEL_CASE = {
    "app_schema": "Call Centre",
    "agents_table": "callAgents",
    "sessions_table": "agentSessions",
    "calls_table": "callSessions",
    "agents_id_column": "agentId",
    "agents_is_active_column": "isActive",
    "sessions_agent_id_column": "agentId",
    "sessions_call_id_column": "currentCallSessionId",
    "sessions_login_at_column": "loginAt",
    "sessions_logout_at_column": "logoutAt",
    "sessions_last_activity_column": "lastActivity",
    "sessions_last_heartbeat_column": "lastHeartbeat",
    "calls_agent_id_column": "agentId",
    "calls_started_at_column": "startedAt",
    "calls_connected_at_column": "connectedAt",
    "calls_ended_at_column": "endedAt",
}


SMALL = Scale(agents=220, sessions=1_500, calls=4_000, days=20)


NOON = datetime(2026, 3, 4, 12, 0, 0, 123_000, UTC)


MIGRATED = Variant(migrated=True)


SILENT_DEVICES = Variant(migrated=True, heartbeats=False)


BLOCKING = {
    "unknown_status": 3,
    "unknown_status_and_idle": 2,
    "on_a_call_of_unknown_status": 2,
    "active_in_the_future": 4,
    "of_an_unknown_agent": 3,
}


BLOCKING_RULES = {
    "unknown_session_status": 5,
    "unknown_call_status": 2,
    "activity_in_future": 4,
    "unknown_agent": 3,
}


# The application's tables under plain names, as text and UTC; what a variant lacks is null.
PLAIN = """
create temp table a as select {agents_id}::text as id, {role} as role,
    {is_active} as is_active, {is_ai} as is_ai from {agents};

create temp table s as select {sessions_id}::text as id, {sessions_agent_id}::text as agent_id,
    {sessions_status}::text as status, {sessions_call_id}::text as call_id,
    {login_at} as login_at, {logout_at} as logout_at, {last_activity} as last_activity,
    {last_heartbeat} as last_heartbeat, {device_connected} as device_connected,
    {capacity} as capacity from {sessions};

create temp table c as select {calls_id}::text as id, {calls_agent_id}::text as agent_id,
    {calls_status}::text as status, {direction} as direction, {started_at} as started_at,
    {connected_at} as connected_at, {ended_at} as ended_at from {calls};

create index on c (agent_id);

create index on c (id);

create temp table e as select c.*,
    status in ('initiated', 'connecting', 'ringing', 'connected', 'queued') as live_status,
    status in ('completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled')
        as over_status,
    status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
        and ended_at is null and started_at > {now} - interval '4 hours' as live,
    greatest(
        connected_at,
        case when connected_at is not null then ended_at end,
        case when direction = 'outbound' then started_at end
    ) as evidence,
    greatest(started_at, connected_at, ended_at) > {now} - interval '10 minutes' as stirring
from c;

create index on e (agent_id);

create index on e (id);

analyze a, s, c, e
"""


ORACLE = """
with opened as (
    select
        s.*,
        s.id = first_value(s.id) over (
            partition by s.agent_id order by s.login_at desc, s.id desc
        ) as newest
    from s
    where s.logout_at is null
),

seen as (
    select
        o.*,
        r.id is null and o.call_id is not null as call_missing,
        coalesce(r.live, false) as call_live,
        r.status as call_status,
        r.agent_id as call_agent_id,
        r.id is not null and not r.live_status and not r.over_status as call_unknown,
        exists (select from e where e.agent_id = o.agent_id and e.live) or coalesce(r.live, false)
            as live,
        greatest(
            o.last_activity, o.last_heartbeat, o.login_at, r.evidence,
            case when o.newest then (
                select max(e.evidence) from e where e.agent_id = o.agent_id
            ) end
        ) as last_seen,
        not coalesce(r.stirring, false)
        and not exists (select from e where e.agent_id = o.agent_id and e.stirring)
        and (
            o.last_activity < {now} - interval '10 minutes'
            or coalesce(o.last_activity <= o.last_heartbeat + interval '1 second', false)
        ) as quiet,
        coalesce(o.last_heartbeat > {now} - interval '5 minutes', false) as heard,
        a.id is null as agent_unknown,
        coalesce(not a.is_active, false) as agent_inactive
    from opened as o
    left join e as r on r.id = o.call_id
    left join a on a.id = o.agent_id
),

blocking as (
    select
        seen.*,
        status not in ('available', 'on_call', 'break', 'offline', 'ended') as status_unknown,
        last_seen > {now} + interval '1 minute' as in_future
    from seen
),

judged as (
    select
        blocking.*,
        last_seen < {now} - interval '2 hours' and not live and not held as abandoned,
        call_id is not null and not call_live and quiet and not live and not held as orphaned,
        status = 'on_call' and quiet and not live and not held as stuck
    from blocking,
        lateral (select status_unknown or in_future or call_unknown or agent_unknown as held) as h
),

feed as (
    select
        count(*) as working,
        count(*) filter (where heard) as heard,
        count(*) filter (where heard) >= 0.9 * count(*) as alive
    from judged
    where status in ('available', 'on_call', 'break') and not abandoned
)

select j.id, j.abandoned, j.orphaned, j.stuck, j.last_seen, j.status, j.heard,
    array_remove(array[
        case when j.abandoned then 'abandoned_session' end,
        case when j.orphaned then 'orphaned_call_reference' end,
        case when j.stuck then 'invalid_on_call' end,
        case when j.agent_inactive then 'session_of_inactive_agent' end,
        case when not j.newest then 'duplicate_open_session' end,
        case when j.status in ('offline', 'ended') then 'open_but_offline' end,
        case when j.call_live and j.call_status = 'connected' and j.status = 'available'
            then 'live_call_not_on_call' end,
        case when j.call_live and count(*) over (partition by j.call_id) > 1
            then 'shared_call' end,
        case when j.call_live and j.call_agent_id <> j.agent_id then 'call_of_another_agent' end,
        case when {migrated} and coalesce(j.capacity, 0) < 1 then 'invalid_capacity' end,
        case when {migrated} and feed.alive and j.status = 'available'
            and not coalesce(j.device_connected, false) then 'device_lost' end,
        case when j.status_unknown then 'unknown_session_status' end,
        case when j.in_future then 'activity_in_future' end,
        case when j.agent_unknown then 'unknown_agent' end
    ], null) as rules
from judged as j, feed
"""


# Rules that do not judge single open sessions; $life: the open sessions' verdicts above.
OTHER_COUNTS = {
    "heartbeat_feed": """
        select case when count(*) filter (where heard) >= 0.9 * count(*) then 0
            else count(*) filter (where not heard) end
        from verdicts where status in ('available', 'on_call', 'break') and not abandoned""",
    "unknown_call_status": """
        select count(*) from e where not live_status and not over_status
        and (ended_at is null or id in (select call_id from s where logout_at is null))""",
    "silent_feed": """
        select (
            not exists (
                select from s where logout_at is null
                and greatest(last_activity, last_heartbeat) > {now} - interval '2 hours'
            ) and (select count(*) from c where connected_at > {now} - interval '2 hours') >= 5
        )::integer""",
    "no_active_agents": """
        select (not exists (
            select from a where is_active and not is_ai and role = 'agent'
        ))::integer""",
    "zombie_call": """
        select count(*) from e where live_status and ended_at is null
        and started_at <= {now} - interval '4 hours'""",
    "ended_call_still_live": "select count(*) from e where live_status and ended_at is not null",
    "reversed_session_times": "select count(*) from s where logout_at < login_at",
    "reversed_call_times": "select count(*) from c where ended_at < started_at",
    "activity_after_logout": """
        select count(*) from s
        where greatest(last_activity, last_heartbeat) > logout_at + interval '10 minutes'""",
    "closed_but_working": """
        select count(*) from s where logout_at is not null
        and (status in ('available', 'on_call') or call_id is not null)""",
}


def judge(
    connection: psycopg.Connection,
    now: datetime,
    names: Mapping[str, Any] = NAMES,
    variant: Variant = Variant(),  # noqa: B008 -- it is frozen
) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """Counts per rule, and what is wrong with each open session, by plain SQL at `now`."""
    parts = _plain_names(names, variant) | {
        "now": sql.SQL("{}::timestamp").format(sql.Literal(now.astimezone(UTC).replace(tzinfo=None))),
        "migrated": sql.Literal(variant.migrated),
    }
    with connection.transaction(force_rollback=True):
        for statement in PLAIN.split(";"):
            connection.execute(sql.SQL(statement).format(**parts))
        connection.execute(
            sql.SQL("create temp table verdicts as {}").format(sql.SQL(ORACLE).format(**parts))
        )
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        verdicts = {row["id"]: row for row in cursor.execute("select * from verdicts")}
        counts = dict.fromkeys(_rules(), 0)
        for verdict in verdicts.values():
            for rule in verdict["rules"]:
                counts[rule] += 1
        for rule, query in OTHER_COUNTS.items():
            row = connection.execute(sql.SQL(query).format(**parts)).fetchone()
            assert row is not None
            counts[rule] = row[0]
    return counts, verdicts


def _rules() -> list[str]:
    """The catalog's rules, as they are in the application's description."""
    return [
        *("abandoned_session", "orphaned_call_reference", "invalid_on_call"),
        *("session_of_inactive_agent", "duplicate_open_session", "open_but_offline"),
        *("live_call_not_on_call", "shared_call", "call_of_another_agent", "invalid_capacity"),
        *("device_lost", "heartbeat_feed", "unknown_session_status", "unknown_call_status"),
        *("activity_in_future", "silent_feed", "unknown_agent", "no_active_agents"),
        *("zombie_call", "ended_call_still_live", "reversed_session_times"),
        *("reversed_call_times", "activity_after_logout", "closed_but_working"),
    ]


def _plain_names(names: Mapping[str, Any], variant: Variant) -> dict[str, sql.Composable]:
    def column(var: str) -> sql.Composable:
        return sql.Identifier(names[f"{var}_column"])

    def moment(var: str) -> sql.Composable:
        written_in = "UTC" if variant.timestamps == "timestamptz" else names["app_time_zone"]
        if variant.timestamps == "timestamptz":
            return sql.SQL("{} at time zone 'UTC'").format(column(var))
        return sql.SQL("({} at time zone {}) at time zone 'UTC'").format(column(var), sql.Literal(written_in))

    def table(var: str) -> sql.Composable:
        return sql.Identifier(names["app_schema"], names[f"{var}_table"])

    migrated = variant.migrated
    return {
        "agents": table("agents"),
        "sessions": table("sessions"),
        "calls": table("calls"),
        "agents_id": column("agents_id"),
        "role": column("agents_role"),
        "is_active": column("agents_is_active"),
        "is_ai": column("agents_is_ai_agent"),
        "sessions_id": column("sessions_id"),
        "sessions_agent_id": column("sessions_agent_id"),
        "sessions_status": column("sessions_status"),
        "sessions_call_id": column("sessions_call_id"),
        "login_at": moment("sessions_login_at"),
        "logout_at": moment("sessions_logout_at"),
        "last_activity": moment("sessions_last_activity"),
        "last_heartbeat": (moment("sessions_last_heartbeat") if migrated else sql.SQL("null::timestamp")),
        "device_connected": (column("sessions_device_connected") if migrated else sql.SQL("null::boolean")),
        "capacity": (column("sessions_max_concurrent_calls") if migrated else sql.SQL("null::integer")),
        "calls_id": column("calls_id"),
        "calls_agent_id": column("calls_agent_id"),
        "calls_status": column("calls_status"),
        "direction": column("calls_direction"),
        "started_at": moment("calls_started_at"),
        "connected_at": moment("calls_connected_at"),
        "ended_at": moment("calls_ended_at"),
    }


def truth(connection: psycopg.Connection) -> dict[str, dict[str, Any]]:
    """`demo_truth.sessions` by key."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return {row["session_id"]: row for row in cursor.execute("select * from demo_truth.sessions")}


def digest(connection: psycopg.Connection) -> list[str]:
    """A fingerprint per table, of every row in the order of its storage."""
    tables = ("agents", "agent_sessions", "call_sessions", "demo_truth.sessions")
    fingerprints = []
    for table in tables:
        row = connection.execute(
            f"select md5(string_agg(t::text, chr(10) order by t.ctid)) from {table} as t"
        ).fetchone()
        assert row is not None
        fingerprints.append(row[0])
    return fingerprints


def assert_exactly_planted(
    connection: psycopg.Connection,
    planted: Planted,
    names: Mapping[str, Any] = NAMES,
    variant: Variant = Variant(),  # noqa: B008 -- it is frozen
) -> None:
    """Each count, and for each open session its rules, its remedy and its last sign of life."""
    counts, verdicts = judge(connection, datetime.fromisoformat(planted.now), names, variant)
    expected = truth(connection)
    assert {key: row["kind"] for key, row in expected.items() if key not in verdicts} == {}
    differing = {
        expected[key]["kind"]: (expected[key]["rules"], verdict["rules"])
        for key, verdict in verdicts.items()
        if expected[key]["rules"] != verdict["rules"]
    }
    assert differing == {}
    assert counts == planted.violations
    for key, verdict in verdicts.items():
        assert expected[key]["expected"] == _remedy(verdict), expected[key]["kind"]
        _assert_outcome(expected[key], verdict, names)
    assert planted.open_sessions == len(verdicts)
    assert planted.pending_changes == sum(_remedy(v) != "untouched" for v in verdicts.values())


def _remedy(verdict: Mapping[str, Any]) -> str:
    if verdict["abandoned"]:
        return "closed"
    if verdict["stuck"]:
        return "status_reset"
    return "reference_cleared" if verdict["orphaned"] else "untouched"


def _assert_outcome(
    expected: Mapping[str, Any], verdict: Mapping[str, Any], names: Mapping[str, Any]
) -> None:
    remedy = expected["expected"]
    if remedy == "closed":
        assert expected["expected_status"] == names["closed_status"]
        assert not expected["really_alive"]
        logout_at = expected["expected_logout_at"].astimezone(UTC).replace(tzinfo=None)
        assert logout_at == verdict["last_seen"], expected["kind"]
        return
    assert expected["expected_logout_at"] is None
    if remedy == "status_reset":
        assert expected["expected_status"] == ("available" if verdict["heard"] else "break")
    else:
        assert expected["expected_status"] == verdict["status"]
