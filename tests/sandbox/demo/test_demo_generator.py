"""The demo call centre: what was planted is exactly what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from rollcall.errors import ConfigurationError
from rollcall.sandbox.demo import (
    DefectCounts,
    Planted,
    Scale,
    ScaleTooSmall,
    Variant,
    load_call_centre,
)
from rollcall.sandbox.demo.cases import CASES
from rollcall.sandbox.demo.history import CALL_DEFECTS, SESSION_DEFECTS
from tests.support.demo_oracle import (
    BLOCKING,
    BLOCKING_RULES,
    CAMEL_CASE,
    MIGRATED,
    NAMES,
    NOON,
    SILENT_DEVICES,
    SMALL,
    assert_exactly_planted,
    digest,
    judge,
    truth,
)
from tests.support.paths import ROOT


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


@pytest.mark.medium
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


def test_no_absent_person_is_an_agent(database: str) -> None:
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


@pytest.mark.medium
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
        (Scale(agents=40, sessions=200, calls=500), {"forgotten": 5}),  # no agent to forget them
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
from rollcall.sandbox.demo import Scale, load_call_centre
names = yaml.safe_load(open("dbt_project.yml", encoding="utf-8"))["vars"]
with psycopg.connect(sys.argv[1]) as connection:
    with connection.transaction(force_rollback=True):
        load_call_centre(connection, Scale(200, int(sys.argv[2]), 20_000), names)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.medium
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
