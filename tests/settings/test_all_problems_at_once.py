"""A file with several mistakes is refused once, with a line for each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.errors import ConfigurationError
from rollcall.rules.suites import read_suites
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.waivers import COLUMNS, read_waivers
from tests.support.paths import ROOT
from tests.support.suites import write_suite

NOWHERE = {"ROLLCALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/never-reached"}


def lines_of(refused: pytest.ExceptionInfo[ConfigurationError], count: int) -> list[str]:
    """The lines below the first, which counts them."""
    assert refused.value.exit_code == 2
    first, *lines = str(refused.value).splitlines()
    assert first == f"{count} problems in the configuration:"
    assert len(lines) == count
    return lines


def test_every_mistake_in_a_suite_has_a_line(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, lambda document: document.update(notices=""))
    path = folder / "mine.json"
    document = json.loads(path.read_text())
    document["expectations"][0]["meta"].update(owner="me", unit="rows", reason=" ")
    document["expectations"][1]["kwargs"]["mostly"] = 0.9
    path.write_text(json.dumps(document))
    (folder / "other.json").write_text("{")
    with pytest.raises(ConfigurationError) as refused:
        read_suites(folder)
    said = lines_of(refused, 6)
    for part in (
        "mine.json has an unknown key 'notices'",
        "expectation 0, meta has an unknown key 'owner'",
        "expectation 0: the unit is 'rows'",
        "expectation 0, meta: reason must be a text",
        "expectation 1: remove `mostly`",
        "other.json, line 1 is not JSON",
    ):
        assert [line for line in said if part in line], part


def test_every_mistake_in_a_file_of_waivers_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "waivers.csv"
    path.write_text(
        f"{','.join(COLUMNS)}\n"
        "zombie_cal,k,,,who,soon\n"
        "zombie_call,k,,why,who,2027-01-31\n"
        "zombie_call,k,,why,who,2028-01-31\n"
        "zombie_call,k\n"
    )
    with pytest.raises(ConfigurationError) as refused:
        read_waivers(path, read_suites(ROOT / "expectations"))
    said = lines_of(refused, 5)
    assert [line.removeprefix(str(path)).split(".")[0] for line in said] == [
        ", line 2: there is no rule of this name",
        ", line 2: the reason is missing",
        ", line 2: expires_on is no day",
        ", line 5: it does not have 6 values",
        ": lines 3 and 4 waive the same",
    ]


def test_every_var_that_cannot_work_has_a_line() -> None:
    variables = '{settle_minutes: 0, app_schema: "{{ x }}", agent_roles: [1], no_such_var: 1}'
    with pytest.raises(ConfigurationError) as refused:
        load_settings(variables, NOWHERE)
    said = lines_of(refused, 4)
    for part in (
        "unknown var no_such_var",
        "var settle_minutes must be a number above zero",
        "var app_schema has a mark of Jinja",
        "var agent_roles must be a list of texts, not such a list",
    ):
        assert [line for line in said if part in line], part


@pytest.mark.parametrize(("text", "said"), [(r"\ud800", "has a control character"), (" ", "must be a text")])
def test_a_text_that_libpq_cannot_send_is_no_schema(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"var app_schema {said}"):
        load_settings(f'{{app_schema: "{text}"}}', NOWHERE)
