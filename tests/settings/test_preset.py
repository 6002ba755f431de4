"""Presets: the vars of a known application, below those of the user."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import psycopg
import pytest

from rollcall.cli import main
from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.rules.results import Verdict
from rollcall.sandbox.demo import load_call_centre
from rollcall.settings.configuration import PROJECT_DIRECTORY, Settings, load_settings
from rollcall.settings.preset import known_presets
from rollcall.steps.assess.assessment import assess
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, share_compilations
from tests.support.live_migration import TINY

NO_DATABASE = "postgresql://localhost/nowhere"
SHIPPED = sorted(path.stem for path in (PROJECT_DIRECTORY / "presets").glob("*.yml"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(variables: str | None = None, **environment: str) -> Settings:
    return load_settings(variables, environment, NO_DATABASE)


def own_preset(folder: Path, name: str, text: str) -> Path:
    path = folder / "presets" / f"{name}.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_every_other_source_overrides_a_preset(folder: Path) -> None:
    (folder / "rollcall.yml").write_text("preset: prisma_camel_case\nsessions_table: Session\n", "utf-8")
    loaded = settings("calls_table: Call", ROLLCALL_VARS="{agents_table: User}")
    names = ("agents_table", "sessions_table", "calls_table", "sessions_call_id_column", "app_schema")
    assert [loaded.variables[name] for name in names] == [
        "User",
        "Session",
        "Call",
        "currentCallSessionId",
        "public",
    ]
    shipped = str(PROJECT_DIRECTORY / "presets" / "prisma_camel_case.yml")
    assert [loaded.origin_of(name) for name in names] == [
        "ROLLCALL_VARS",
        str(folder / "rollcall.yml"),
        "--vars",
        shipped,
        "default",
    ]


def test_the_environment_chooses_before_the_file(folder: Path) -> None:
    (folder / "rollcall.yml").write_text("preset: prisma_camel_case\n", "utf-8")
    path = own_preset(folder, "ours", "vars:\n  app_schema: crm\n")
    loaded = settings(ROLLCALL_PRESET="ours")
    assert loaded.variables["app_schema"] == "crm"
    assert loaded.variables["sessions_table"] == "agent_sessions"
    assert loaded.origin_of("app_schema") == str(path)


def test_a_preset_beside_the_file_precedes_one_of_the_same_name(folder: Path) -> None:
    own_preset(folder, "prisma_camel_case", "vars:\n  app_schema: crm\n")
    loaded = settings(ROLLCALL_PRESET="prisma_camel_case")
    assert loaded.variables["app_schema"] == "crm"
    assert loaded.variables["sessions_table"] == "agent_sessions"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("prisma_camelcase", r"does not exist: prisma_camelcase\. did you mean prisma_camel_case\?"),
        ("unlike", r"does not exist: unlike\. known presets: .*prisma_camel_case"),
        ("../presets/prisma_camel_case", r"ROLLCALL_PRESET names no preset"),
        ("/etc/passwd", r"ROLLCALL_PRESET names no preset"),
    ],
)
def test_a_name_that_is_no_preset_is_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings(ROLLCALL_PRESET=name)


@pytest.mark.parametrize("text", ["app_schema: crm\n", "vars: [app_schema]\n", "vars: {}\nsql: 'select 1'\n"])
def test_a_file_that_is_no_preset_is_refused(folder: Path, text: str) -> None:
    path = own_preset(folder, "ours", text)
    with pytest.raises(ConfigurationError, match=f"{path} is no preset"):
        settings(ROLLCALL_PRESET="ours")


def test_every_preset_is_listed_with_the_columns_that_recognise_its_application(folder: Path) -> None:
    own_preset(folder, "ours", "vars: {app_schema: crm}\nrecognised_by: {staff: [id, badge]}\n")
    own_preset(folder, "prisma_camel_case", "vars: {}\n")
    listed = {preset.name: preset for preset in known_presets(folder, PROJECT_DIRECTORY)}
    assert list(listed) == sorted({*SHIPPED, "ours"})
    assert listed["ours"].recognised_by == {"staff": ("id", "badge")}
    assert listed["prisma_camel_case"].path == folder / "presets" / "prisma_camel_case.yml"
    assert all(listed[name].recognised_by for name in SHIPPED if name != "prisma_camel_case")


def test_columns_that_recognise_nothing_are_refused(folder: Path) -> None:
    path = own_preset(folder, "ours", "vars: {}\nrecognised_by: {staff: badge}\n")
    with pytest.raises(ConfigurationError, match=f"{path}: `recognised_by` is no mapping"):
        settings(ROLLCALL_PRESET="ours")


def test_the_values_of_a_preset_are_checked_like_all_others(folder: Path) -> None:
    own_preset(folder, "ours", "vars: {settle_minutes: soon, sesions_table: x}\n")
    with pytest.raises(ConfigurationProblems) as refused:
        settings(ROLLCALL_PRESET="ours")
    assert "unknown var sesions_table" in str(refused.value)
    assert "settle_minutes" in str(refused.value)


def test_a_preset_that_every_user_may_write_is_not_used(folder: Path) -> None:
    own_preset(folder, "ours", "vars: {app_schema: crm}\n").chmod(0o666)
    with pytest.raises(ConfigurationError, match="every user may write it"):
        settings(ROLLCALL_PRESET="ours")


def test_config_says_that_a_value_is_of_the_preset(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_PRESET", "prisma_camel_case")
    monkeypatch.setattr("sys.argv", ["rollcall", "config", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    shown = json.loads(capsys.readouterr().out)["vars"]["sessions_table"]
    assert shown["value"] == "AgentSession"
    assert shown["origin"].endswith("presets/prisma_camel_case.yml")


# tests/pipeline/test_shapes.py runs the whole line with each of the others
@pytest.mark.medium
@pytest.mark.parametrize("name", ["prisma_camel_case"])
def test_the_whole_line_works_with_a_shipped_preset_alone(database: str, tmp_path: Path, name: str) -> None:
    share_compilations(tmp_path)
    loaded = load_settings(
        environment={
            "ROLLCALL_DATABASE_URL": database,
            "ROLLCALL_STATE_DIR": str(tmp_path),
            "ROLLCALL_PRESET": name,
        }
    )
    with contextlib.closing(psycopg.connect(database)) as connection:
        planted = load_call_centre(connection, TINY, loaded.variables)
        connection.commit()
    centre = CallCentre(database, Workspace(loaded), planted, None)
    assert assess(centre.workspace).verdict is Verdict.NEEDS_DATABASE_MIGRATION
    _, _, cleaning, verification = centre.run()
    assert cleaning.is_complete
    assert cleaning.changed > 0
    assert verification.holds
    assert assess(centre.workspace).verdict is Verdict.READY
