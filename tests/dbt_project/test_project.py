"""What dbt compiled is kept, and used again only while it would come out the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.dbt import project
from rollcall.sandbox.demo import Variant
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT


def again(centre: CallCentre, state: Path, variables: str = "") -> Workspace:
    environment = {
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_VARS": variables,
    }
    return Workspace(load_settings(environment=environment))


def test_a_second_process_reads_the_compilation_without_dbt(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    sql = centre.workspace.project.sql("readiness_counts")
    script = (
        "import sys\nfrom rollcall.settings.configuration import load_settings\n"
        "from rollcall.workspace import Workspace\n"
        "sys.stdout.write(Workspace(load_settings()).project.sql('readiness_counts'))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'dbt']"
    )
    environment = {"ROLLCALL_DATABASE_URL": centre.url, "ROLLCALL_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == sql


@pytest.mark.medium
def test_another_type_other_labels_or_other_vars_are_compiled_anew(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(status="enum"))
    first = centre.workspace.project.sql("stg_call_sessions")
    assert "voicemail" not in first

    kinds = centre.rows(
        "select t.typname from pg_type t join pg_attribute a on a.atttypid = t.oid"
        " where a.attrelid = 'call_sessions'::regclass and a.attname = 'status'"
    )
    centre.rows(f"alter type \"{kinds[0][0]}\" add value 'voicemail'")
    variables = "{live_call_statuses: [initiated, connecting, ringing, connected, queued, voicemail]}"
    assert "voicemail" in again(centre, tmp_path, variables).project.sql("stg_call_sessions")

    before = again(centre, tmp_path).project.sql("stg_agent_sessions")
    assert "timestamp(3) without time zone" in before
    centre.rows("alter table agent_sessions alter column last_activity type timestamptz")
    after = again(centre, tmp_path).project.sql("stg_agent_sessions")
    assert after != before


@pytest.mark.medium
def test_a_damaged_file_is_compiled_anew(database: str, tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    centre = call_centre(database, tmp_path)
    sql = centre.workspace.project.sql("cleanup_plan")
    (kept,) = tmp_path.glob("compiled/*/*.json")
    whole = kept.read_text()
    for damage in (whole[:1000], "", "[]", json.dumps({"sql": {}})):
        kept.write_text(damage)
        assert again(centre, tmp_path).project.sql("cleanup_plan") == sql


@pytest.mark.medium
def test_what_was_kept_names_no_secret(database: str, tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    url = database.replace("postgres@", "postgres:planted-secret@")
    centre = call_centre(url, tmp_path)
    centre.workspace.project.sql("clock")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"planted-secret" not in path.read_bytes(), path


def test_what_is_kept_names_no_database(database: str, tmp_path: Path) -> None:
    """It is used again for another database with the same columns."""
    centre = call_centre(database, tmp_path)
    ours = centre.workspace.project
    texts = [*ours.compilation.sql.values(), *(own.statement for own in ours.rollcall_relations)]
    assert not [text for text in texts if centre.workspace.database.name in text]


def test_only_models_and_analyses_are_compiled(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    folders = (ROOT / "models", ROOT / "analyses")
    named = {path.stem for folder in folders for path in folder.rglob("*.sql")}
    assert set(centre.workspace.project.compilation.sql) == named


@pytest.mark.medium
def test_other_columns_are_compiled_without_parsing_again(database: str, tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    centre = call_centre(database, tmp_path)
    before = centre.workspace.project.sql("stg_agent_sessions")
    (parsed,) = tmp_path.glob("compiled/*/parsed/partial_parse.msgpack")
    whole = parsed.read_bytes()
    written = parsed.stat().st_mtime_ns

    centre.rows("alter table agent_sessions alter column last_activity type timestamptz")
    after = again(centre, tmp_path).project.sql("stg_agent_sessions")
    assert after != before
    assert parsed.stat().st_mtime_ns == written

    parsed.write_bytes(whole[:10_000])  # as a process leaves it that is killed while it writes
    centre.rows("alter table agent_sessions alter column last_activity type timestamp(3)")
    for kept in tmp_path.glob("compiled/*/*.json"):
        kept.unlink()
    assert again(centre, tmp_path).project.sql("stg_agent_sessions") == before


@pytest.mark.medium
def test_other_numbers_are_compiled_without_parsing_again(database: str, tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    centre = call_centre(database, tmp_path)
    numbers = {"live_call_max_hours": 7}
    before = centre.workspace.project.sql("cleanup_plan")
    after = again(centre, tmp_path, json.dumps(numbers)).project.sql("cleanup_plan")
    assert after != before
    assert len(list(tmp_path.glob("compiled/*/parsed"))) == 1

    again(centre, tmp_path, "{read_only: true}").project.sql("clock")
    assert len(list(tmp_path.glob("compiled/*/parsed"))) == 2


@pytest.mark.medium
def test_the_place_of_a_file_compiles_nothing_anew(database: str, tmp_path: Path) -> None:
    """Rollcall reads the waivers itself; they are in no SQL."""
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    centre = call_centre(database, tmp_path)
    for variables in ("", f"{{waivers_file: {tmp_path / 'waivers.csv'}, own_rules_folder: {tmp_path}}}"):
        again(centre, tmp_path, variables).project.sql("clock")
    assert len(list(tmp_path.glob("compiled/*/*.json"))) == 1


@pytest.mark.medium
def test_the_configuration_in_use_stays_cached(database: str, tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    centre = call_centre(database, tmp_path)
    centre.workspace.project.sql("clock")
    (in_use,) = tmp_path.glob("compiled/*/*.json")
    os.utime(in_use.parent, (1, 1))
    for number in range(project.KEPT):
        (tmp_path / "compiled" / f"other-{number}").mkdir()

    again(centre, tmp_path).project.sql("clock")
    again(centre, tmp_path, "{app_time_zone: Europe/Berlin}").project.sql("clock")
    assert in_use.exists()
    assert len(list((tmp_path / "compiled").iterdir())) == project.KEPT
