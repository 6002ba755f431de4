"""`rollcall.yml`: found upwards, in its place among the sources, and never a stranger's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.cli import main
from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.settings.configuration import Settings, load_settings

NO_DATABASE = "postgresql://localhost/nowhere"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, two levels below the one that may hold `rollcall.yml`."""
    below = tmp_path / "team" / "today"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def settings(environment: dict[str, str] | None = None, variables: str | None = None) -> Settings:
    return load_settings(variables, environment or {}, NO_DATABASE)


def test_each_source_overrides_the_one_before_it(folder: Path) -> None:
    (folder / "rollcall.yml").write_text(
        "settle_minutes: 6\nabandoned_after_hours: 3\napp_schema: crm\n", "utf-8"
    )
    loaded = settings({"ROLLCALL_VARS": "{settle_minutes: 7, abandoned_after_hours: 4}"}, "settle_minutes: 8")
    assert (loaded.variables["settle_minutes"], loaded.origin_of("settle_minutes")) == (8, "--vars")
    assert loaded.variables["abandoned_after_hours"] == 4
    assert loaded.origin_of("abandoned_after_hours") == "ROLLCALL_VARS"
    assert loaded.variables["app_schema"] == "crm"
    assert loaded.origin_of("app_schema") == str(folder / "rollcall.yml")
    assert loaded.origin_of("agents_table") == "default"
    assert set(loaded.overrides) == {"settle_minutes", "abandoned_after_hours", "app_schema"}


def test_state_and_relative_paths_stay_beside_the_file(folder: Path) -> None:
    (folder / "rollcall.yml").write_text("waivers_file: waivers.csv\n", "utf-8")
    (folder / "own_rules").mkdir()
    loaded = settings()
    assert loaded.state_directory == folder / ".rollcall"
    assert loaded.path_of("waivers_file") == folder / "waivers.csv"
    assert loaded.path_of("own_rules_folder") == folder / "own_rules"


def test_without_a_file_the_current_folder_counts_and_the_default_waivers_are_found(folder: Path) -> None:
    loaded = settings()
    assert loaded.state_directory == folder / "team" / "today" / ".rollcall"
    assert loaded.path_of("waivers_file").is_file()


def test_a_mistake_in_the_file_is_one_line_with_its_name(folder: Path) -> None:
    (folder / "rollcall.yml").write_text("- settle_minutes\n", "utf-8")
    with pytest.raises(ConfigurationError, match=f"{folder / 'rollcall.yml'} must be a mapping") as error:
        settings()
    assert "\n" not in str(error.value)
    assert "like `app_schema: crm`" in str(error.value)
    (folder / "rollcall.yml").write_text("settel_minutes: 5\nabandoned_after_hours: soon\n", "utf-8")
    with pytest.raises(ConfigurationProblems) as problems:
        settings()
    unknown, unfit = problems.value.problems
    assert unknown == f"unknown var settel_minutes in {folder / 'rollcall.yml'}. did you mean settle_minutes?"
    assert unfit.startswith("var abandoned_after_hours must be a number")
    assert unfit.endswith(f"correct it in {folder / 'rollcall.yml'}.")
    with pytest.raises(ConfigurationError, match="there is no file"):
        settings({"ROLLCALL_CONFIG": str(folder / "other.yml")})


@pytest.mark.parametrize("shared", ["the file", "the folder"])
def test_a_file_that_every_user_may_write_is_used_only_by_name(folder: Path, shared: str) -> None:
    path = folder / "rollcall.yml"
    path.write_text("breaker_max_share: 1\n", "utf-8")
    (path if shared == "the file" else folder).chmod(0o777)
    with pytest.raises(ConfigurationError, match="every user may write it"):
        settings()
    loaded = settings({"ROLLCALL_CONFIG": str(path)})
    assert loaded.variables["breaker_max_share"] == 1


def test_config_shows_each_value_with_its_origin_and_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "rollcall.yml").write_text("settle_minutes: 6\n", "utf-8")
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://user:hunter2@localhost/crm")
    monkeypatch.setattr("sys.argv", ["rollcall", "config"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"settle_minutes: 6  # {folder / 'rollcall.yml'}" in shown
    assert "\nagents_table: " in shown
    assert "hunter2" not in shown
    monkeypatch.setattr("sys.argv", ["rollcall", "config", "--json"])
    with pytest.raises(SystemExit):
        main()
    document = json.loads(capsys.readouterr().out)
    assert document["vars"]["settle_minutes"] == {"value": 6, "origin": str(folder / "rollcall.yml")}
    assert document["vars"]["agents_table"] == {"value": "agents", "origin": "default"}


@pytest.mark.parametrize("name", [".rollcall", "own_rules"])
def test_a_folder_that_every_user_may_write_is_not_used_by_default(folder: Path, name: str) -> None:
    """Compiled SQL and own rules are executed: a stranger could plant some in a shared folder."""
    planted = folder / "team" / "today" / name
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(ConfigurationError, match="every user may write it"):
        settings().path_of("own_rules_folder")
    named = settings({"ROLLCALL_STATE_DIR": str(folder / ".rollcall")}, "own_rules_folder: own_rules")
    assert named.path_of("own_rules_folder") == planted.with_name("own_rules")
