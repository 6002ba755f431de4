"""What a var holds is data: neither rendered nor shown, and refused in one line where it cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.errors import ConfigurationError
from rollcall.rules.suites import read_suites
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.waivers import COLUMNS, read_waivers
from tests.support.call_centre import call_centre
from tests.support.command import rollcall
from tests.support.paths import ROOT

TOKEN = "s3cr3t-of-the-ci"
NOWHERE = {"ROLLCALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/never-reached"}


def refusal_of(variables: str) -> str:
    """The one line with which a configuration is refused."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(variables, NOWHERE)
    text = str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in text
    assert len(text) < 400
    return text


@pytest.mark.parametrize("name", ["app_schema", "sessions_table", "closed_status"])
def test_a_var_does_not_show_a_variable_of_the_environment(database: str, tmp_path: Path, name: str) -> None:
    call_centre(database, tmp_path)
    variables = f"{{{name}: \"{{{{ env_var('CI_TOKEN') }}}}\"}}"
    done = rollcall("assess", "--vars", variables, url=database, state=tmp_path, CI_TOKEN=TOKEN)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"Var {name} has a mark of Jinja in it" in done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("mark", ["{{ 1 }}", "{% set x = 1 %}", "{# x #}", "a{{"])
@pytest.mark.parametrize("name", ["app_schema", "app_time_zone", "waivers_file", "own_rules_folder"])
def test_jinja_is_refused_in_every_text(name: str, mark: str) -> None:
    assert f"var {name} has a mark of Jinja in it" in refusal_of(f"{{{name}: '{mark}'}}")


def test_jinja_is_refused_in_a_list() -> None:
    assert "var agent_roles has a mark of Jinja" in refusal_of("{agent_roles: [agent, '{{ 1 }}']}")


@pytest.mark.parametrize("text", [r"a\0b", r"a\nb", r"\x1b[31m", r"a\u2028b", r"\ud800"])
def test_a_control_character_is_refused(text: str) -> None:
    assert "var app_schema" in refusal_of(f'{{app_schema: "{text}"}}')
    assert "var agent_roles" in refusal_of(f'{{agent_roles: ["{text}"]}}')


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1.0e+300", "9" * 400, "1.0e+16"])
@pytest.mark.parametrize(
    "name", ["abandoned_after_hours", "lock_timeout_ms", "plan_expires_hours", "proof_count_max_rows"]
)
def test_a_number_that_the_server_cannot_use_is_refused(name: str, number: str) -> None:
    assert f"var {name} must be a number" in refusal_of(f"{{{name}: {number}}}")


LARGEST = {
    "abandoned_after_hours": 200_000,
    "settle_minutes": 10_000_000,
    "regret_hours": 200_000,
    "lock_timeout_ms": 2**31 - 1,
    "index_timeout_seconds": (2**31 - 1) // 1000,
    "plan_expires_hours": 200_000,
    "history_full_after_days": 10_000,
}


@pytest.mark.medium
@pytest.mark.parametrize(
    "names",
    [
        pytest.param([*LARGEST], id="all of them"),
        *(pytest.param([name], id=name, marks=pytest.mark.slow) for name in LARGEST),
    ],
)
def test_the_largest_number_that_is_accepted_works(database: str, tmp_path: Path, names: list[str]) -> None:
    call_centre(database, tmp_path)
    variables = json.dumps({name: LARGEST[name] for name in names})
    done = rollcall("plan", "--json", "--vars", variables, url=database, state=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in names:
        assert f"at most {LARGEST[name]}" in refusal_of(f"{{{name}: {LARGEST[name] + 1}}}")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{app_schema: " + "[" * 5_000 + "]" * 5_000 + "}", "nested deeper than"),
        ("[" * 2_000, "nested deeper than"),
        ("{agent_roles: &a [x], live_call_statuses: *a}", "has an alias"),
        ("{app_schema: " + "x" * 30_000 + "}", "longer than"),
        ("{app_schema: " + "x" * 2_000 + "}", "var app_schema is longer than"),
        ("{app_schema: 2026-13-45}", "not valid YAML"),
        ("{app_schema: !!bool s3cr3t-of-the-ci}", "not valid YAML"),
        ("{app_schema: !!timestamp s3cr3t-of-the-ci}", "not valid YAML"),
        ("{app_schema: !!int s3cr3t-of-the-ci}", "not valid YAML"),
        ("{app_schema: !!python/name:os.system x}", "not valid YAML"),
        ('{"a\\nb": 1}', "unknown var"),
        ("? 0x" + "f" * 5_000 + "\n: 1", "unknown var"),
        ("{null: 1}", "unknown var"),
        ("{settle_minutes: s3cr3t-of-the-ci}", "settle_minutes must be a number above zero, not a text"),
        ("{live_call_statuses: s3cr3t-of-the-ci}", "must be a list of texts, not a text"),
        ("{settle_minutes: true}", "must be a number above zero, not a truth value"),
    ],
)
def test_yaml_that_is_no_mapping_of_plain_values_is_refused_and_not_shown(text: str, part: str) -> None:
    said = refusal_of(text)
    assert part in said
    assert TOKEN not in said


@pytest.mark.parametrize(
    "content",
    [
        f"root:{TOKEN}:0:0::/root:/bin/sh\n",
        f"{','.join(COLUMNS)}\n{TOKEN},k,,why,who,2027-01-31\n",
        f"{','.join(COLUMNS)}\nzombie_call,,{TOKEN},why,who,2027-01-31\n",
        f"{','.join(COLUMNS)}\nzombie_call,k,,why,who,{TOKEN}\n",
        f'{",".join(COLUMNS)}\nzombie_call,"k"{TOKEN},,why,who,2027-01-31\n',
        f"{','.join(COLUMNS)}\n{TOKEN}\n",
        f"{TOKEN}\0\n",
        "",
    ],
)
def test_a_message_about_waivers_names_the_file_and_not_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "waivers.csv"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        read_waivers(path, read_suites(ROOT / "expectations"))
    text = str(refused.value)
    assert str(path) in text
    assert TOKEN not in text
    assert "\n" not in text


@pytest.mark.parametrize("content", ["[" * 100_000, f'{{"name": "{TOKEN}", "expectations": []}}', "\udcff"])
def test_a_message_about_a_suite_names_the_file_and_not_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError) as refused:
        read_suites(tmp_path)
    text = str(refused.value)
    assert "mine.json" in text
    assert TOKEN not in text
    assert "\n" not in text
