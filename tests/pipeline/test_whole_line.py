"""The main job on a real server: what was planted is found exactly, and exactly that is repaired."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.rules.results import Assessment, Check, Verdict
from rollcall.sandbox.demo import DefectCounts, Scale, Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import CleaningResult, clean
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.undo import undo
from tests.support.call_centre import CAMEL_CASE, SMALL, CallCentre, call_centre, workspace_of
from tests.support.ground_truth import assert_repaired, found, without_declared
from tests.support.postgres import SYSTEM_PG_BIN, running_server

NOON = datetime(2026, 3, 4, 12, 0, 0, 123_000, UTC)


@pytest.fixture
def damaged(database: str, tmp_path: Path) -> CallCentre:
    return call_centre(database, tmp_path, scale=Scale())


def test_a_damaged_call_centre_becomes_ready(damaged: CallCentre) -> None:
    before = assess(damaged.workspace, history=True)
    assert before.verdict is Verdict.NEEDS_DATABASE_MIGRATION
    assert {r.name: r.violations for r in before.rules if r.name in damaged.planted.violations} == (
        damaged.planted.violations
    )
    assert before.pending_changes == damaged.planted.pending_changes

    sessions, agents = damaged.images(), damaged.images("agents_table", "agents_id_column")
    calls = damaged.images("calls_table", "calls_id_column")
    plan, migration, cleaning, verification = damaged.run()

    assert not migration.skipped
    assert cleaning.skipped == []
    assert cleaning.changed == plan.change_count == damaged.planted.pending_changes
    assert verification.assessment.verdict is Verdict.READY
    assert verification.proof is not None
    assert verification.proof.holds
    assert_repaired(damaged, sessions)
    assert damaged.images("agents_table", "agents_id_column") == agents
    assert damaged.images("calls_table", "calls_id_column") == calls


@pytest.fixture(
    params=[
        pytest.param(None, id="the embedded server"),
        pytest.param(
            SYSTEM_PG_BIN,
            id="PostgreSQL 15 of the system",
            marks=pytest.mark.skipif(not SYSTEM_PG_BIN.exists(), reason="no postgresql-15 of Debian's"),
        ),
    ]
)
def each_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server of every supported kind that is here."""
    with running_server(request.param) as server:
        yield server


@pytest.mark.medium
@pytest.mark.skipif(not SYSTEM_PG_BIN.exists(), reason="no PostgreSQL of the system (Debian's postgresql-15)")
def test_the_same_on_a_postgresql_of_the_system(tmp_path: Path) -> None:
    with running_server(SYSTEM_PG_BIN) as server:
        centre = call_centre(server.conninfo(), tmp_path)
        assessment = assert_becomes_ready(centre)
        assert assessment.server_version.startswith("15")


def assert_becomes_ready(centre: CallCentre) -> Assessment:
    """Every planted violation is found and repaired, and nothing else is. Gives the last judgement."""
    assert found(centre) == centre.planted.violations
    sessions = centre.images()
    _, migration, cleaning, verification = centre.run()
    assert not migration.skipped
    assert cleaning.changed == centre.planted.pending_changes
    assert verification.assessment.verdict is Verdict.READY
    assert_repaired(centre, sessions)
    return verification.assessment


def digest(centre: CallCentre, *, declared: bool = True) -> str:
    """Of every row of the application's tables; declared: with the columns that we declare."""
    rows = [
        centre.images(f"{table}_table", f"{table}_id_column") for table in ("agents", "sessions", "calls")
    ]
    if not declared:
        rows[1] = {key: without_declared(centre, image) for key, image in rows[1].items()}
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


@pytest.mark.medium
def test_migrate_clean_undo_clean_digests_are_equal_at_each_stage(
    each_server: PostgresServer, tmp_path: Path
) -> None:
    centre = call_centre(each_server.conninfo(), tmp_path)
    centre.now = datetime.now(UTC)  # both plans are judged at this instant

    def cleaned() -> CleaningResult:
        plan = centre.plan()
        with open_run(centre.workspace, "clean") as run:
            result = clean(centre.workspace, run, plan)
        assert (result.changed, result.skipped) == (centre.planted.pending_changes, [])
        return result

    original = digest(centre)
    with open_run(centre.workspace, "migrate") as run:
        assert not migrate(centre.workspace, run, centre.plan().statements).skipped
    migrated = digest(centre)
    assert migrated != original
    assert digest(centre, declared=False) == original, "no existing value is modified by migrate"

    first = cleaned()
    repaired = digest(centre)
    assert repaired != migrated
    back = undo(centre.workspace, first.run_id)
    assert (back.changed, back.conflicts) == (first.changed, [])
    assert digest(centre) == migrated
    cleaned()
    assert digest(centre) == repaired


@pytest.mark.medium
def test_a_second_run_finds_nothing_and_writes_nothing_to_the_application(damaged: CallCentre) -> None:
    damaged.run()
    rows = "select xmin::text, ctid::text, to_jsonb(t)::text from public.{} as t order by 1, 2"
    tables = ("agents", "agent_sessions", "call_sessions")
    schema = """
        select attrelid::regclass::text, attname, xmin::text from pg_attribute
        where attrelid in ('agents'::regclass, 'agent_sessions'::regclass, 'call_sessions'::regclass)
        union all select indexrelid::regclass::text, '', xmin::text from pg_index order by 1, 2
    """
    before = [damaged.rows(rows.format(table)) for table in tables], damaged.rows(schema)
    plan, migration, cleaning, verification = damaged.run()
    assert plan.is_empty
    assert (migration.executed, cleaning.planned) == ([], 0)
    assert verification.assessment.verdict is Verdict.READY
    assert ([damaged.rows(rows.format(table)) for table in tables], damaged.rows(schema)) == before


@pytest.mark.medium
def test_assess_and_plan_change_nothing_and_need_select_alone(damaged: CallCentre, tmp_path: Path) -> None:
    damaged.rows("create role watcher login")
    try:
        damaged.rows("grant select on agents, agent_sessions, call_sessions to watcher")
        damaged.rows("alter role watcher set default_transaction_read_only = on")
        watcher = CallCentre(
            damaged.url.replace("postgres@", "watcher@"), damaged.workspace, damaged.planted, None
        )
        reader = workspace_of(watcher.url, tmp_path)
        assessment = assess(reader, history=True)
        assert {r.name: r.violations for r in assessment.rules if r.name in damaged.planted.violations} == (
            damaged.planted.violations
        )
        assert make_plan_of(reader) == damaged.planted.pending_changes
        assert damaged.rows("select count(*) from pg_namespace where nspname like 'rollcall%'") == [(0,)]
    finally:
        damaged.rows("drop owned by watcher")
        damaged.rows("drop role watcher")


def make_plan_of(workspace: Any) -> int:
    from rollcall.steps.plan.pending_work import make_plan

    return make_plan(workspace).change_count


@pytest.mark.medium
@pytest.mark.parametrize(
    ("overrides", "variant"),
    [
        pytest.param({"app_schema": "crm"}, Variant(), id="another schema", marks=pytest.mark.slow),
        pytest.param(CAMEL_CASE, Variant(), id="quoted camelCase names"),
        pytest.param(
            CAMEL_CASE,
            Variant(migrated=True),
            id="quoted camelCase names, migrated",
            marks=pytest.mark.slow,
        ),
        pytest.param({}, Variant(timestamps="timestamptz"), id="timestamptz", marks=pytest.mark.slow),
        pytest.param({}, Variant(status="enum"), id="enum status"),
        pytest.param(
            {}, Variant(keys="bigint", agent_keys="bigint"), id="bigint keys", marks=pytest.mark.slow
        ),
        pytest.param({}, Variant(keys="text", agent_keys="uuid"), id="text keys", marks=pytest.mark.slow),
        pytest.param(
            {"app_time_zone": "America/New_York"}, Variant(), id="local time", marks=pytest.mark.slow
        ),
    ],
)
def test_another_application_needs_configuration_only(
    database: str, tmp_path: Path, overrides: dict[str, Any], variant: Variant
) -> None:
    centre = call_centre(database, tmp_path, overrides, variant, now=NOON)
    centre.rows(f"alter database {database.rsplit('/', 1)[1].split('?')[0]} set timezone = 'Asia/Kolkata'")
    assert_becomes_ready(centre)


def test_a_sound_call_centre_has_no_violation(database: str, tmp_path: Path) -> None:
    migrated = Variant(migrated=True)
    centre = call_centre(database, tmp_path, variant=migrated, defects=DefectCounts.sound(SMALL, migrated))
    assessment = assess(centre.workspace, history=True)
    assert {r.name for r in assessment.rules if not r.passed and r.check is not Check.SCHEMA_READY} == set()


@pytest.mark.medium
def test_what_a_blocking_finding_concerns_is_not_cleaned(database: str, tmp_path: Path) -> None:
    variant = Variant()
    blocking = {
        "unknown_status": 3,
        "unknown_status_and_idle": 2,
        "on_a_call_of_unknown_status": 2,
        "active_in_the_future": 4,
        "of_an_unknown_agent": 3,
    }
    defects = DefectCounts.usual(SMALL, variant).plus(**blocking)
    centre = call_centre(database, tmp_path, variant=variant, defects=defects)
    sessions = centre.images()
    assessment = assess(centre.workspace, history=True)
    assert assessment.verdict is Verdict.NOT_READY
    assert found(centre) == centre.planted.violations
    _, _, cleaning, verification = centre.run()
    assert cleaning.changed == centre.planted.pending_changes
    assert verification.assessment.verdict is Verdict.NOT_READY
    assert_repaired(centre, sessions)


def test_a_silent_feed_holds_everything_back(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, defects=DefectCounts.silent(SMALL, Variant()))
    assessment = assess(centre.workspace)
    assert assessment.verdict is Verdict.NOT_READY
    assert {r.name: r.violations for r in assessment.rules}["silent_feed"] == 1
    assert centre.plan().change_count == 0


def test_no_agent_to_take_a_call_is_for_a_person(database: str, tmp_path: Path) -> None:
    defects = DefectCounts.usual(SMALL, Variant()).plus(no_active_agents=True)
    centre = call_centre(database, tmp_path, defects=defects)
    assessment = assess(centre.workspace)
    assert assessment.verdict is Verdict.NOT_READY
    assert assessment.checks[Check.AGENTS_AVAILABLE] == "FAIL"
