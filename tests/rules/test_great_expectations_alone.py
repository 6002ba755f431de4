"""`expectations/` with dbt and Great Expectations alone: the code of the page finds what Rollcall finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "great-expectations.md").read_text("utf-8")
WITHOUT_ROLLCALL = "import sys; sys.modules['rollcall'] = None\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def environment(centre: CallCentre, scratch: Path) -> dict[str, str]:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    parameters = conninfo_to_dict(centre.url)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(scratch),
        "DO_NOT_TRACK": "1",
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
        "GX_ANALYTICS_ENABLED": "false",
        # GX wants a host in the URL; the socket of the test's server comes after it
        "GX_DATABASE_URL": centre.url.replace(
            "postgresql://postgres@", "postgresql+psycopg2://postgres@socket"
        ),
        **{names[key]: str(value) for key, value in parameters.items() if key in names},
    }


def judged(centre: CallCentre, scratch: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """By suite and rule: `passed` or the severity, and what was counted; as the page prints it."""
    variables = environment(centre, scratch)
    (compile_command,), (code,) = blocks("sh"), blocks("python")
    for command in (["sh", "-ec", compile_command], [sys.executable, "-c", WITHOUT_ROLLCALL + code]):
        done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 3]
    return {(suite, rule): (outcome, found) for outcome, suite, rule, found in lines}


@pytest.mark.medium
def test_the_code_of_the_page_finds_what_rollcall_finds(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    centre.run()
    centre.rows("drop index rollcall_open_sessions")
    centre.rows("update agent_sessions set status = 'lost' where logout_at is null")

    found = judged(centre, tmp_path)
    assessment = assess(centre.workspace, history=True)
    by_rollcall = {(rule.suite, rule.name): rule for rule in assessment.rules}
    assert found.keys() == by_rollcall.keys()
    with centre.workspace.database.snapshot() as snapshot:
        counted = snapshot.row(centre.workspace.project.sql("schema_counts")).keys()
    elsewhere = [key for key in found if key[0] == "schema" and key[1] not in counted]
    assert ("schema", "conflicting_own_object") in elsewhere
    assert {found.pop(key) for key in elsewhere} == {("not judged", "null")}
    for key, (outcome, count) in found.items():
        rule = by_rollcall[key]
        assert outcome == ("passed" if rule.passed else rule.severity.value), key
        if rule.suite in ("readiness", "history", "schema"):
            assert count == str(rule.violations), key
    assert found["readiness", "unknown_session_status"][0] == "blocking"
    assert found["schema", "missing_index"] == ("critical", "1")
