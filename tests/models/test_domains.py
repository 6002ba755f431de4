"""Domains count as their base type: values are read, compared, written and restored as of that type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.rules.results import Verdict
from rollcall.sandbox.demo import DefectCounts, Variant
from rollcall.schema.declared import declared_changes
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import schema_fingerprint
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.call_centre import SMALL, CallCentre, call_centre, share_compilations
from tests.support.domains import into_domains
from tests.support.ground_truth import assert_repaired, found, without_declared

CRM = {"app_schema": "crm"}


def set_time_zone(centre: CallCentre, zone: str) -> None:
    """The time zone of every connection that is opened from now on."""
    (name,) = centre.rows("select current_database()")[0]
    centre.rows(f"alter database {name} set timezone = '{zone}'")


def workspace(centre: CallCentre, state: Path, **variables: Any) -> Workspace:
    """The same call centre, its catalog read anew."""
    environment = {
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_STATE_DIR": str(share_compilations(state)),
        "ROLLCALL_VARS": json.dumps({**centre.workspace.settings.overrides, **variables}),
    }
    return Workspace(load_settings(environment=environment))


def rules(of: Workspace) -> dict[str, int]:
    return {rule.name: rule.violations for rule in assess(of).rules}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("overrides", "variant", "zone"),
    [
        pytest.param({}, Variant(), "Asia/Kolkata", id="timestamp, uuid, text", marks=pytest.mark.slow),
        pytest.param(
            {},
            Variant("timestamptz", keys="bigint"),
            "America/New_York",
            id="timestamptz, bigint",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            CRM,
            Variant(status="enum", keys="text", agent_keys="uuid"),
            "UTC",
            id="enum, text keys",
            marks=pytest.mark.slow,
        ),
        pytest.param({}, Variant("timestamptz", "enum", partitioned=True), "Asia/Kolkata", id="partitioned"),
    ],
)
def test_an_application_of_domains_is_repaired_and_restored(
    database: str, tmp_path: Path, overrides: dict[str, Any], variant: Variant, zone: str
) -> None:
    centre = call_centre(database, tmp_path, overrides, variant)
    into_domains(centre)
    set_time_zone(centre, zone)
    assert found(centre) == centre.planted.violations

    sessions = centre.images()
    file = f"select pg_relation_filenode('{centre.table('sessions_table')}')"
    before = centre.rows(file)
    _, migration, cleaning, verification = centre.run()
    assert not migration.skipped
    assert centre.rows(file) == before, "the table was rewritten"
    assert cleaning.skipped == []
    assert cleaning.changed == centre.planted.pending_changes
    assert verification.assessment.verdict is Verdict.READY
    assert verification.proof is not None
    assert verification.proof.holds
    assert_repaired(centre, sessions)
    assert centre.plan().is_empty

    back = undo(centre.workspace, cleaning.run_id)
    assert (back.changed, back.conflicts) == (cleaning.changed, [])
    restored = {key: without_declared(centre, image) for key, image in centre.images().items()}
    assert restored == sessions


@pytest.mark.medium
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "UTC"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp(3)"])
def test_a_living_agent_is_alive_in_every_time_zone_of_the_role(
    database: str, tmp_path: Path, zone: str, kind: Any
) -> None:
    sound = DefectCounts.sound(SMALL, Variant(timestamps=kind))
    centre = call_centre(database, tmp_path, variant=Variant(timestamps=kind), defects=sound)
    utc_now = "now()" if kind == "timestamptz" else "now() at time zone 'utc'"
    centre.rows(
        f"update agent_sessions set login_at = {utc_now} - interval '30 min',"
        f" last_activity = {utc_now} - interval '30 min' where logout_at is null"
    )
    centre.rows(f"create domain instant as {kind}")
    centre.rows(
        "alter table agent_sessions alter login_at type instant, alter logout_at type instant,"
        " alter last_activity type instant"
    )
    set_time_zone(centre, zone)
    found = rules(centre.workspace)
    assert (found["abandoned_session"], found["activity_in_future"]) == (0, 0)
    assert centre.plan().change_count == 0
    with open_run(centre.workspace, "migrate") as run:
        assert migrate(centre.workspace, run, centre.plan().statements).skipped == []
    alive = (
        "select bool_and(last_seen_at > now() - interval '90 min') from rollcall.agent_sessions where is_open"
    )
    assert centre.rows(alive) == [(True,)]


@pytest.mark.medium
@pytest.mark.parametrize(
    "naive",
    [
        "started_at",
        pytest.param("connected_at", marks=pytest.mark.slow),
        pytest.param("ended_at", marks=pytest.mark.slow),
    ],
)
def test_calls_of_mixed_time_types_do_not_depend_on_the_time_zone_of_the_role(
    database: str, tmp_path: Path, naive: str
) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(timestamps="timestamptz"))
    centre.rows(f"alter table call_sessions alter {naive} type timestamp using {naive} at time zone 'utc'")
    plans = []
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        set_time_zone(centre, zone)
        plans.append({change["session_id"] for change in centre.plan().to_json()["changes"]})
    assert len(plans[0]) == centre.planted.pending_changes
    assert plans[0] == plans[1] == plans[2]
    _, migration, _, verification = centre.run()
    assert not migration.skipped
    assert verification.assessment.verdict is Verdict.READY


@pytest.mark.medium
def test_columns_that_exist_as_domains_are_the_declared_ones(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    for domain in ("instant as timestamp(3)", "flag as boolean default false", "slots as int default 1"):
        centre.rows(f"create domain {domain}")
    centre.rows(
        "alter table agent_sessions add last_heartbeat instant, add device_connected flag,"
        " add max_concurrent_calls slots"
    )
    assert {
        name: state for name, state in states(workspace(centre, tmp_path)).items() if "comment" not in name
    } == {
        "public.agent_sessions.last_heartbeat": "present",
        "public.agent_sessions.device_connected": "present",
        "public.agent_sessions.max_concurrent_calls": "present",
    }
    centre.rows("create domain opposite as boolean default true")
    centre.rows("alter table agent_sessions alter device_connected type opposite")
    centre.rows("create domain required as int default 1 not null")
    centre.rows("alter table agent_sessions alter max_concurrent_calls type required")
    assert states(workspace(centre, tmp_path)) | {
        "public.agent_sessions.device_connected": "conflicting",
        "public.agent_sessions.max_concurrent_calls": "conflicting",
    } == states(workspace(centre, tmp_path))


def states(of: Workspace) -> dict[str, str]:
    with of.database.snapshot() as snapshot:
        return {
            row["object_name"]: row["state"]
            for row in declared_changes(snapshot, of.project)
            if row["kind"] in ("column", "comment")
        }


@pytest.mark.medium
def test_the_labels_of_a_domain_are_those_of_its_enum(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(status="enum"))
    into_domains(centre)
    lacking = {"closed_status": "gone", "not_working_statuses": ["offline", "ended", "gone"]}
    assert rules(workspace(centre, tmp_path, **lacking))["status_not_in_enum"] == 1
    centre.rows("alter type session_status add value 'gone'")
    assert rules(workspace(centre, tmp_path, **lacking))["status_not_in_enum"] == 0


@pytest.mark.medium
@pytest.mark.parametrize(
    "change",
    [
        "alter domain mark add constraint other check (value <> 'other')",
        "alter domain mark set not null",
        "alter domain mark set default 'offline'",
    ],
)
def test_a_plan_is_bound_to_the_domains_of_the_tables(database: str, tmp_path: Path, change: str) -> None:
    centre = call_centre(database, tmp_path)
    centre.rows("create domain mark as text")
    centre.rows("create domain outer_mark as mark")
    centre.rows("alter table agent_sessions alter status drop default, alter status type outer_mark")
    before = fingerprint(workspace(centre, tmp_path))
    assert fingerprint(workspace(centre, tmp_path)) == before
    centre.rows(change)
    assert fingerprint(workspace(centre, tmp_path)) != before


def fingerprint(of: Workspace) -> str:
    with of.database.snapshot() as snapshot:
        return schema_fingerprint(snapshot, of.project)
