"""The files of `.github/` agree with the schemas that GitHub's editors use, and name what there is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT

SCHEMAS = {
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/feature.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/dependabot.yml": "vendor.dependabot",
}
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))


def check(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    """The schemas are part of the package, so nothing is fetched."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_file_has_a_schema() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / ".github").rglob("*.yml")}
    assert found == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_agrees_with_its_schema_and_a_broken_one_does_not(name: str, tmp_path: Path) -> None:
    done = check(SCHEMAS[name], ROOT / name)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / Path(name).name
    broken.write_text(f"{(ROOT / name).read_text('utf-8')}\nunheard_of: [1]\njobs: 1\nbody: 1\nupdates: 1\n")
    assert check(SCHEMAS[name], broken).returncode != 0


def test_every_make_target_of_the_workflow_exists() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    called = {target for step in steps for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    defined = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"setup", "lint", "docs", "test-ci"} <= called <= set(defined)


def test_the_matrix_is_what_the_project_supports() -> None:
    """Python as in pyproject.toml; PostgreSQL as far as doctor knows it as tested."""
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    first, beyond = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    assert matrix["python"] == [f"3.{minor}" for minor in range(first, beyond)]
    assert matrix["postgresql"] == [str(version) for version in range(14, 19)]


def test_every_line_is_one_that_a_shell_takes() -> None:
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            subprocess.run(["bash", "-n", "-c", step.get("run", "true")], check=True)
