"""`docs/ci.md`: its YAML is sound, and its shell lines do on a real server what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from rollcall.rules.results import Check, RuleResult, Severity, Verdict
from rollcall.rules.verdict import EXIT_CODES, WARNED, FailOn, exit_code_of
from rollcall.sandbox.demo import DefectCounts, Scale
from tests.support.call_centre import CallCentre, call_centre, share_compilations
from tests.support.paths import ROOT
from tests.support.shell import run_lines

PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)


def steps_of(job: str) -> dict[str, str]:
    return {step["name"]: step["run"] for step in GITHUB["jobs"][job]["steps"] if "run" in step}


@pytest.fixture
def shell(database: str, tmp_path: Path) -> Any:
    """Run lines as a runner does, `rollcall` on the PATH, in a folder of its own."""

    def run(lines: str, options: str = "-eo pipefail") -> subprocess.CompletedProcess[str]:
        variables = {
            **os.environ,
            "ROLLCALL_DATABASE_URL": database,
            "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path / "state")),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        }
        return run_lines(lines, options.split(), variables, tmp_path)

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


# --- the files as their readers take them -------------------------------------------------------

# What GitHub and GitLab document for these places, as much of it as a page like this may use. Both
# refuse a file with another key, or worse, take it for a job.
GITHUB_KEYS = {
    "workflow": {"name", "on", "permissions", "env", "defaults", "concurrency", "jobs"},
    "job": {
        *("name", "needs", "if", "runs-on", "permissions", "environment", "concurrency", "env"),
        *("defaults", "steps", "timeout-minutes", "strategy", "continue-on-error", "container", "services"),
    },
    "service": {"image", "credentials", "env", "ports", "volumes", "options"},
    "step": {
        *("id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env"),
        *("continue-on-error", "timeout-minutes"),
    },
}
GITLAB_KEYS = {
    *("image", "services", "variables", "before_script", "script", "after_script", "allow_failure"),
    *("artifacts", "rules", "stage", "needs", "tags", "timeout", "interruptible", "cache", "retry"),
}
GITLAB_ARTIFACTS = {"when", "paths", "reports", "expire_in", "name", "exclude", "untracked", "access"}


def test_githubs_workflow_has_the_keys_that_github_knows() -> None:
    workflow = {"on" if key is True else key: value for key, value in GITHUB.items()}  # YAML 1.1: on is true
    assert set(workflow) <= GITHUB_KEYS["workflow"]
    assert set(workflow["on"]) == {"pull_request", "schedule"}
    for moment in workflow["on"]["schedule"]:
        assert re.fullmatch(r"(?:[\d*/,-]+ ){4}[\d*/,-]+", moment["cron"])
    for name, job in workflow["jobs"].items():
        assert set(job) <= GITHUB_KEYS["job"], name
        assert {"runs-on", "steps"} <= set(job)
        assert all(isinstance(value, str) for value in job.get("env", {}).values())
        for service in job.get("services", {}).values():
            assert set(service) <= GITHUB_KEYS["service"]
            assert all(re.fullmatch(r"\d+:\d+", port) for port in service["ports"])
        for step in job["steps"]:
            assert set(step) <= GITHUB_KEYS["step"], step
            assert ("uses" in step) != ("run" in step), "a step either uses an action or runs lines"
            assert "with" not in step or "uses" in step
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step.get("uses", "a/b@v1"))


def test_gitlabs_file_has_the_keys_that_gitlab_knows() -> None:
    assert set(GITLAB) == {"rollcall"}
    job = GITLAB["rollcall"]
    assert set(job) <= GITLAB_KEYS
    assert set(job["artifacts"]) <= GITLAB_ARTIFACTS
    assert set(job["artifacts"]["reports"]) == {"junit"}
    assert set(job["allow_failure"]) == {"exit_codes"}
    assert all(set(service) <= {"name", "alias", "variables", "command"} for service in job["services"])
    assert all(isinstance(value, str) for value in job["variables"].values())
    assert all(isinstance(line, str) for line in [*job["before_script"], *job["script"]])


def test_every_line_is_a_line_that_a_shell_takes() -> None:
    lines = [step["run"] for job in GITHUB["jobs"].values() for step in job["steps"] if "run" in step]
    for text in [*lines, *GITLAB["rollcall"]["before_script"], *GITLAB["rollcall"]["script"]]:
        subprocess.run(["bash", "-n", "-c", text], check=True)


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


@pytest.mark.medium
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

    assert shell(steps_of("staging")["Judge"]).returncode == before.returncode, "red, and not yellow"
    nowhere = "export ROLLCALL_DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing\n"
    *_, gitlabs = GITLAB["rollcall"]["script"]
    for judge in (steps["Judge"], steps_of("staging")["Judge"], gitlabs):
        assert shell(nowhere + judge).returncode == 1, "could not evaluate"

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
    assert shell(gitlabs).returncode == WARNED
    assert shell(gitlabs.replace("warn ", "blocking ")).returncode == 0

    centre.rows("alter table agent_sessions rename column status to state")
    assert shell(steps["Judge"]).returncode == 2, "no judgement at all is no fail of the data"


@pytest.mark.medium
def test_the_gitlab_job_of_a_clean_floor_passes(shell: Any, database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path, defects=DefectCounts(), scale=SCALE)
    done = shell("\n".join(GITLAB["rollcall"]["script"]))
    assert done.returncode == 0, done.stdout + done.stderr
