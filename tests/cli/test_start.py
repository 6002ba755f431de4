"""What a command loads before it works, which is most of the time of a short one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.call_centre import call_centre
from tests.support.command import rollcall
from tests.support.paths import ROOT

REPORT_OF_THE_PROCESS = """
import atexit, gc, json, sys
@atexit.register
def report():
    full = gc.get_stats()[2]["collections"]
    examined = len(gc.get_objects())  # by the last collection, which comes after this
    found = {"modules": sorted(sys.modules), "full_collections": full, "examined_at_exit": examined}
    print(json.dumps(found), file=sys.stderr)
from rollcall.cli import main
main()
"""
DBT, PREFECT = "dbt", "prefect"


def loaded_by(*arguments: str, **environment: str) -> dict[str, Any]:
    """The modules that a command has imported, and how often garbage was collected in full."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT_OF_THE_PROCESS, *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stderr.strip().splitlines()[-1])
    return report


def packages(report: dict[str, Any]) -> set[str]:
    return {name.partition(".")[0] for name in report["modules"]}


def test_help_loads_the_command_line_alone() -> None:
    report = loaded_by("--help")
    unneeded = {
        DBT,
        PREFECT,
        "great_expectations",
        "psycopg",
        "jinja2",
        "yaml",
        "rich",
        "pydantic",
        "asyncio",
    }
    assert not unneeded & packages(report)
    assert not {"importlib.metadata", "email.message", "zipfile"} & set(report["modules"])


@pytest.mark.medium
def test_a_second_assess_loads_no_step_that_it_does_not_take(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    assert rollcall("assess", url=centre.url, state=tmp_path).returncode == 11  # compiles
    report = loaded_by("assess", ROLLCALL_DATABASE_URL=centre.url, ROLLCALL_STATE_DIR=str(tmp_path))
    assert "great_expectations" in packages(report)  # it judges
    assert not {DBT, PREFECT, "uvicorn", "vl_convert"} & packages(report)
    assert "scipy.stats.distributions" not in report["modules"]
    # what the imports made is not examined as garbage, neither again and again nor at the end
    assert report["full_collections"] <= 1
    assert report["examined_at_exit"] < 10_000
