"""The demo call centre: is what was planted exactly what is there?

The judge is `ORACLE`, plain SQL over the raw tables, written from the catalogue of rules alone: it
shares nothing with the generator, nor with Rollcall's own predicates.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import errors, sql

from rollcall.demo import (
    DefectCounts,
    Planted,
    Scale,
    ScaleTooSmall,
    Variant,
    load_call_centre,
)
from rollcall.demo.cases import CASES
from rollcall.demo.history import CALL_DEFECTS, SESSION_DEFECTS
from rollcall.errors import ConfigurationError
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
    """The catalogue's rules, as they are in the application's description."""
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


@pytest.mark.parametrize(
    "variant", [Variant(), MIGRATED, SILENT_DEVICES], ids=["before", "migrated", "no heartbeats"]
)
def test_the_usual_defects_are_exactly_there(database: str, variant: Variant) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, variant)
        assert_exactly_planted(connection, planted, variant=variant)
        blocking = {*BLOCKING_RULES, "silent_feed", "no_active_agents"}
        needs_migration = {"invalid_capacity", "device_lost"}
        absent = {rule for rule, count in planted.violations.items() if count == 0}
        if variant == Variant():
            assert absent == blocking | needs_migration
        elif variant == MIGRATED:
            assert absent == blocking | {"heartbeat_feed"}
            living = truth(connection).values()
            reset = {t["expected_status"] for t in living if t["expected"] == "status_reset"}
            assert reset == {"available", "break"}
        else:
            assert absent == blocking | {"device_lost"}


def test_the_default_scale(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, Scale(), NAMES)
        assert (planted.agents, planted.sessions, planted.calls) == (200, 20_000, 100_000)
        assert_exactly_planted(connection, planted)
        assert set(planted.kinds) == {
            *(kind.name for kind in CASES.values() if kind.usual and not kind.migrated_only),
            *SESSION_DEFECTS,
            *CALL_DEFECTS,
        }


@pytest.mark.parametrize("minutes", [5, 15])
def test_the_counts_hold_for_a_quarter_of_an_hour(database: str, minutes: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, now=NOON)
        before, _ = judge(connection, NOON)
        assert before == planted.violations
        after, _ = judge(connection, NOON + timedelta(minutes=minutes))
        assert after == before


@pytest.mark.parametrize("variant", [Variant(), MIGRATED], ids=["before", "migrated"])
def test_blocking_defects_on_request(database: str, variant: Variant) -> None:
    defects = DefectCounts.usual(SMALL, variant).plus(waiting=8, **BLOCKING)
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, variant, defects)
        assert_exactly_planted(connection, planted, variant=variant)
        found = {rule: planted.violations[rule] for rule in BLOCKING_RULES}
        assert found == BLOCKING_RULES


def test_a_silent_feed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, None, DefectCounts.silent(SMALL))
        assert_exactly_planted(connection, planted)
        assert planted.violations["silent_feed"] == 1
        assert planted.violations["abandoned_session"] > 0


def test_nobody_is_an_agent(database: str) -> None:
    defects = DefectCounts.usual(SMALL).plus(no_active_agents=True)
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, None, defects)
        assert_exactly_planted(connection, planted)
        assert planted.violations["no_active_agents"] == 1


def test_a_sound_call_centre(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES, MIGRATED, DefectCounts.sound(SMALL))
        assert_exactly_planted(connection, planted, variant=MIGRATED)
        assert not any(planted.violations.values())
        assert planted.really_alive == planted.open_sessions > 0


@pytest.mark.parametrize("agents", [5, 20, 60])
def test_a_small_call_centre(database: str, agents: int) -> None:
    scale = Scale(agents=agents, sessions=agents * 30, calls=agents * 100, days=10)
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, scale, NAMES)
        assert_exactly_planted(connection, planted)
        assert (planted.sessions, planted.calls) == (scale.sessions, scale.calls)


@pytest.mark.parametrize(
    ("overrides", "variant"),
    [
        pytest.param(CAMEL_CASE, Variant(), id="camelCase in another schema"),
        pytest.param(CAMEL_CASE, MIGRATED, id="camelCase, migrated"),
        pytest.param({}, Variant(timestamps="timestamptz"), id="timestamptz"),
        pytest.param({}, Variant(status="enum"), id="enum"),
        pytest.param({}, Variant(keys="bigint", agent_keys="bigint"), id="bigint keys"),
        pytest.param({}, Variant(keys="text", agent_keys="text"), id="text keys"),
        pytest.param({}, Variant(agent_keys="uuid"), id="uuid agents"),
        pytest.param({}, Variant(partitioned=True), id="partitioned"),
        pytest.param({"app_time_zone": "Europe/Berlin"}, Variant(), id="local time"),
        pytest.param({"not_working_statuses": ["offline"]}, Variant(), id="one closed status"),
        pytest.param(
            {"app_schema": "crm", "app_time_zone": "America/New_York"},
            Variant("timestamptz", "enum", "bigint", "text", True, ("updated_at",), True),
            id="everything else",
        ),
    ],
)
def test_variants(database: str, overrides: dict[str, Any], variant: Variant) -> None:
    names = NAMES | overrides
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set time zone 'Asia/Kathmandu'")
        # no clock is changed within the 20 days before: an hour of local time would be ambiguous
        planted = load_call_centre(connection, SMALL, names, variant, now=NOON)
        assert_exactly_planted(connection, planted, names, variant)
        reference = DefectCounts.usual(SMALL, variant).counts
        assert planted.kinds == {kind: count for kind, count in reference.items() if count}


def test_the_same_seed_gives_the_same_rows(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        fingerprints, plans = [], []
        for seed in (1, 1, 2):
            scale = Scale(SMALL.agents, SMALL.sessions, SMALL.calls, SMALL.days, seed)
            with connection.transaction(force_rollback=True):
                plans.append(load_call_centre(connection, scale, NAMES, now=NOON))
                fingerprints.append(digest(connection))
    assert plans[0] == plans[1]
    assert fingerprints[0] == fingerprints[1]
    assert all(one != two for one, two in zip(fingerprints[0][1:], fingerprints[2][1:], strict=True))


def test_the_tables_are_as_the_application_makes_them(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        load_call_centre(connection, SMALL, NAMES)
        columns = connection.execute(
            """select column_name, data_type, datetime_precision, is_nullable, column_default
            from information_schema.columns where table_name = 'agent_sessions'"""
        ).fetchall()
        described = {row[0]: row[1:] for row in columns}
        assert described["id"] == ("uuid", None, "NO", "gen_random_uuid()")
        assert described["status"] == ("text", None, "NO", "'offline'::text")
        assert described["logout_at"] == ("timestamp without time zone", 3, "YES", None)
        assert described["last_activity"][:3] == ("timestamp without time zone", 3, "NO")
        assert not {"updated_at", "last_heartbeat", "device_connected"} & set(described)
        assert _foreign_keys(connection) == {"agent_sessions", "call_sessions"}
        connection.execute("insert into agents (email) values ('one.more@example.test')")


def test_unknown_agents_come_without_a_foreign_key(database: str) -> None:
    defects = DefectCounts({"of_an_unknown_agent": 1, "waiting": 1})
    with psycopg.connect(database, autocommit=True) as connection:
        load_call_centre(connection, SMALL, NAMES, None, defects)
        assert _foreign_keys(connection) == {"call_sessions"}


def _foreign_keys(connection: psycopg.Connection) -> set[str]:
    """Tables with a foreign key; each has exactly one, to the agents."""
    rows = connection.execute(
        """select conrelid::regclass::text, confrelid::regclass::text
        from pg_constraint where contype = 'f'"""
    ).fetchall()
    assert all(target == "agents" for _, target in rows)
    assert len({table for table, _ in rows}) == len(rows)
    return {table for table, _ in rows}


def test_what_was_planted_can_be_stored_and_is_in_the_database(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        planted = load_call_centre(connection, SMALL, NAMES)
        stored = connection.execute("select rule, violations from demo_truth.violations")
        assert dict(stored.fetchall()) == planted.violations
        assert Planted(**json.loads(json.dumps(planted.as_json()))) == planted


def test_an_application_that_is_there_already_is_left_alone(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        load_call_centre(connection, SMALL, NAMES)
        before = digest(connection)
        with pytest.raises(errors.DuplicateTable):
            load_call_centre(connection, Scale(seed=2), NAMES)
        assert digest(connection) == before


@pytest.mark.parametrize(
    ("scale", "defects"),
    [
        (Scale(agents=10, sessions=200, calls=500), {"browser_crashed": 10}),
        (Scale(agents=40, sessions=20, calls=500), {"browser_crashed": 21}),
        (Scale(agents=40, sessions=200, calls=20), {"rung_ghost": 5}),
        (Scale(agents=40, sessions=200, calls=500), {"forgotten": 5}),  # nobody to forget them
        (Scale(agents=40, sessions=200, calls=500), {"waiting": 1, "forgotten": 200}),
    ],
)
def test_what_does_not_fit_is_refused(database: str, scale: Scale, defects: dict[str, int]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        with pytest.raises(ScaleTooSmall):
            load_call_centre(connection, scale, NAMES, None, DefectCounts(defects))
        left = connection.execute("select count(*) from pg_tables where schemaname = 'public'")
        assert left.fetchone() == (0,)


def test_a_misspelt_defect_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="browser_crahsed"):
        DefectCounts({"browser_crahsed": 1})


MEASURED_LOAD = """
import resource, sys, psycopg, yaml
from rollcall.demo import Scale, load_call_centre
names = yaml.safe_load(open("dbt_project.yml", encoding="utf-8"))["vars"]
with psycopg.connect(sys.argv[1]) as connection:
    with connection.transaction(force_rollback=True):
        load_call_centre(connection, Scale(200, int(sys.argv[2]), 20_000), names)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_the_history(database: str) -> None:
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", MEASURED_LOAD, database, str(sessions)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for sessions in (20_000, 300_000)
    ]
    assert peaks[1] < peaks[0] * 1.25
