"""A rule is added in a copy of the project, by the six files that the guide names and the script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollcall.sandbox.demo import Scale
from tests.support.call_centre import call_centre
from tests.support.paths import ROOT

COPIED = ("analyses", "expectations", "flows", "macros", "models", "rollcall", "scripts", "seeds")
NESTED = ("docs/rules", "tests/dbt")
FILES = ("dbt_project.yml", "profiles.yml", "prefect.yaml", "pyproject.toml")
RULE = "login_before_the_window"
MEANING = "Its login is older than the window."
EXPECTATION = {
    "type": "expect_column_max_to_be_between",
    "kwargs": {"column": RULE, "max_value": 0},
    "severity": "warning",
    "meta": {
        "rule": RULE,
        "check": "sessions_clean",
        "severity": "warning",
        "unit": "sessions",
        "reason": "The session began long ago.",
        "remedy": "None: it is shown.",
    },
}
UNIT_TEST = """version: 2

unit_tests:
  - name: login_before_the_window
    description: The window begins at 10:00.
    model: session_findings
    given:
      - input: ref('clock')
        format: sql
        rows: "{% raw %}{{ clock_at_noon() }}{% endraw %}"
      - input: ref('silent_feed')
        format: sql
        rows: select 0 as contradicting_calls
      - input: ref('session_evidence')
        format: sql
        rows: |
          {% raw %}{{ sound_evidence("(
              values
                  ('before', timestamptz '2026-03-01 09:59Z'),
                  ('at', timestamptz '2026-03-01 10:00Z')
          ) as r (session_id, login_at)") }}{% endraw %}
    expect:
      rows:
        - {session_id: before, login_before_the_window: true}
        - {session_id: at, login_before_the_window: false}
"""


def add_rule(project: Path) -> list[str]:
    """Edit the files by hand; gives their paths."""
    (project / f"macros/rules/{RULE}.sql").write_text(
        "{# The login is older than the window. s: a session; clock: the clock. #}\n"
        f"{{% macro {RULE}(s, clock) -%}}\n"
        "    coalesce({{ s }}.login_at < {{ clock }}.abandoned_before, false)\n"
        "{%- endmacro %}\n",
        "utf-8",
    )
    (project / f"models/assessed/unit_tests/{RULE}.yml").write_text(UNIT_TEST, "utf-8")
    sentences = project / "macros/rules/_rules.md"
    block = f"\n{{% docs {RULE} %}}\n{MEANING}\n{{% enddocs %}}\n"
    sentences.write_text(sentences.read_text("utf-8") + block, "utf-8")
    model = project / "macros/assessed/findings_on_sessions.sql"
    line = f"    {{{{ {RULE}('s', 'clock') }}}} as {RULE},\n"
    before = "    {{ unknown_activity('s', 'clock') }}"
    assert before in model.read_text("utf-8")
    model.write_text(model.read_text("utf-8").replace(before, line + before), "utf-8")
    columns = project / "models/assessed/assessed_sessions.yml"
    column = f"      - name: {RULE}\n        description: \"{{{{ doc('{RULE}') }}}}\"\n"
    columns.write_text(columns.read_text("utf-8") + column, "utf-8")
    suite = project / "expectations/readiness.json"
    document = json.loads(suite.read_text("utf-8"))
    document["expectations"].append(EXPECTATION)
    suite.write_text(json.dumps(document, indent=2), "utf-8")
    return [
        *(f"macros/rules/{RULE}.sql", "macros/rules/_rules.md", "macros/assessed/findings_on_sessions.sql"),
        *("models/assessed/assessed_sessions.yml", "expectations/readiness.json"),
        f"models/assessed/unit_tests/{RULE}.yml",
    ]


def run(project: Path, *arguments: str, **environment: str) -> str:
    """A program of the copy, with the copy's own packages."""
    variables = {**os.environ, "PYTHONPATH": str(project), **environment}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 10, 11, 12), done.stderr
    return done.stdout


@pytest.mark.medium
def test_six_files_and_the_script_add_a_rule(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=Scale(agents=220, sessions=600, calls=1_000))
    project = tmp_path / "project"
    for name in COPIED + NESTED:
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, project / name)

    edited = add_rule(project)
    guide = (ROOT / "docs/adding-rules.md").read_text("utf-8")
    for path in edited:
        assert path.replace(RULE, "<rule>").split("/")[-1] in guide, f"the guide does not name {path}"
    assert len(edited) <= 6
    run(project, "scripts.rule_pages")

    state = {"ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": str(tmp_path / "other state")}
    result: dict[str, Any] = json.loads(run(project, "rollcall", "assess", "--json", **state))
    found = next(rule for rule in result["rules"] if rule["name"] == RULE)
    (expected,) = centre.rows(
        "select count(*) from agent_sessions where logout_at is null and login_at < %s::timestamptz"
        " at time zone 'utc'",
        result["cutoff"],
    )[0]
    assert found["violations"] == expected > 0
    assert found["sample_keys"]
    page = (project / f"docs/rules/{RULE}.md").read_text("utf-8")
    assert MEANING in page
    assert "| before |" in page, "the example of the unit test"
    assert f"({RULE}.md)" in (project / "docs/rules/README.md").read_text("utf-8")
