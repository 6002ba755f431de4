"""`docs/ci.md`: its YAML is sound, and its shell lines do on a real server what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from rollcall.demo import DefectCounts, Scale
from rollcall.results import Check, RuleResult, Severity, Verdict
from rollcall.verdict import EXIT_CODES, WARNED, FailOn, exit_code_of
from tests.call_centre import CallCentre, call_centre

PAGE = (Path(__file__).parent.parent / "docs/ci.md").read_text("utf-8")
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)


def steps_of(job: str) -> dict[str, str]:
    return {step["name"]: step["run"] for step in GITHUB["jobs"][job]["steps"] if "run" in step}


@pytest.fixture
def shell(database: str, tmp_path: Path) -> Any:
    """Run lines as a runner does, `rollcall` on the PATH, in a folder of its own."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "rollcall"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from rollcall.cli import main; main()" "$@"\n')
    command.chmod(0o755)

    def run(lines: str, options: str = "-eo pipefail") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", *options.split(), "-c", lines],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{binaries}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(__file__).parent.parent),
                "ROLLCALL_DATABASE_URL": database,
                "ROLLCALL_STATE_DIR": str(tmp_path / "state"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


# --- what the exit codes tell apart -----------------------------------------------------------


def judged(severity: Severity | None) -> tuple[Verdict, list[RuleResult]]:
    """A verdict of one rule, violated with this severity, or none violated."""
    verdicts = {
        Severity.BLOCKING: Verdict.NOT_READY,
        Severity.CRITICAL: Verdict.NEEDS_SESSION_CLEANUP,
    }
    rule = RuleResult(
        "r", "s", Check.SESSIONS_CLEAN, severity or Severity.CRITICAL, 0, 0, severity is None, "", ""
    )
    return verdicts.get(severity or Severity.INFO, Verdict.READY), [rule]


@pytest.mark.parametrize(
    ("severity", "codes"),
    [
        (None, {"warn": 0, "critical": 0, "blocking": 0}),
        (Severity.INFO, {"warn": 0, "critical": 0, "blocking": 0}),
        (Severity.WARNING, {"warn": 13, "critical": 0, "blocking": 0}),
        (Severity.CRITICAL, {"warn": 10, "critical": 10, "blocking": 0}),
        (Severity.BLOCKING, {"warn": 12, "critical": 12, "blocking": 12}),
    ],
)
def test_what_counts_can_be_chosen(severity: Severity | None, codes: dict[str, int]) -> None:
    verdict, rules = judged(severity)
    assert {level: exit_code_of(verdict, rules, FailOn(level)) for level in codes} == codes


def test_a_warning_has_a_code_of_its_own_and_the_page_knows_it() -> None:
    assert WARNED not in {*EXIT_CODES.values(), *range(6)}
    assert f"| {WARNED} |" in PAGE
    assert GITLAB["rollcall"]["allow_failure"]["exit_codes"] == [WARNED]
    assert f'"$code" = {WARNED}' in steps_of("staging")["Judge"]


# --- the lines of the page --------------------------------------------------------------------


def test_both_have_a_postgresql_and_keep_what_was_found() -> None:
    schema = GITHUB["jobs"]["schema"]
    assert schema["services"]["postgres"]["image"].startswith("postgres:")
    assert "pg_isready" in schema["services"]["postgres"]["options"]
    kept = schema["steps"][-1]
    assert kept["uses"].startswith("actions/upload-artifact")
    assert kept["if"] == "always()"
    assert GITLAB["rollcall"]["services"][0]["name"].startswith("postgres:")
    assert GITLAB["rollcall"]["artifacts"]["reports"]["junit"] == "rollcall.xml"
    assert "secrets." in GITHUB["jobs"]["staging"]["env"]["ROLLCALL_DATABASE_URL"]


def test_the_github_job_fails_before_and_passes_after_the_repair(
    shell: Any, database: str, tmp_path: Path
) -> None:
    centre: CallCentre = call_centre(database, tmp_path, scale=SCALE)
    steps = steps_of("schema")
    before = shell(steps["Judge"])
    assert before.returncode == EXIT_CODES[Verdict.NEEDS_DATABASE_MIGRATION], before.stderr
    assert "NEEDS DATABASE MIGRATION" in (tmp_path / "summary.md").read_text("utf-8")
    failed = ElementTree.parse(tmp_path / "rollcall.xml").getroot().get("failures")
    assert int(failed or 0) > 0

    repaired = shell(steps["Migrate and clean"])
    assert repaired.returncode == 0, repaired.stderr
    after = shell(steps["Judge"])
    assert after.returncode == 0, after.stderr
    assert ElementTree.parse(tmp_path / "rollcall.xml").getroot().get("failures") == "0"
    assert (tmp_path / "rollcall-report" / "latest" / "index.html").is_file()

    # warnings are left: yellow, not red, and said so
    staging = shell(steps_of("staging")["Judge"])
    assert staging.returncode == 0, staging.stderr
    assert "::warning title=Rollcall::" in staging.stdout
    *_, judge = GITLAB["rollcall"]["script"]
    assert shell(judge).returncode == WARNED

    centre.rows("alter table agent_sessions rename column status to state")
    assert shell(steps["Judge"]).returncode == 2, "no judgement at all is no fail of the data"


def test_the_gitlab_job_of_a_clean_floor_passes(shell: Any, database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path, defects=DefectCounts(), scale=SCALE)
    done = shell("\n".join(GITLAB["rollcall"]["script"]))
    assert done.returncode == 0, done.stdout + done.stderr
