"""The log for a program: one JSON object per line on standard error, and no text for a person."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.sandbox.demo import Scale
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import rollcall_process

SCALE = Scale(agents=20, sessions=200, calls=400, days=5)


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    return call_centre(database, tmp_path, scale=SCALE)


def lines_of(text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
        assert line["level"] in ("info", "warning", "error")
        assert line["logger"]
        assert line["message"]
    return lines


@pytest.mark.medium
def test_a_run_is_told_line_by_line_with_its_database_run_and_verdict(
    centre: CallCentre, tmp_path: Path
) -> None:
    done = rollcall_process(
        "--log-format", "json", "run", "--yes", url=centre.url, state=tmp_path, ROLLCALL_LOG_FORMAT="text"
    )
    assert (done.returncode, done.stdout) == (0, "")
    lines = lines_of(done.stderr)
    assert {line["command"] for line in lines} == {"run"}
    ((run_id, database),) = centre.rows("select run_id, current_database() from rollcall_ops.runs")
    told = [line["message"] for line in lines]
    steps = ["Assess", "Plan", "Migrate", "Clean", "Verify"]
    assert [message for message in told if message in steps] == steps
    assert {line["run_id"] for line in lines[told.index("Migrate") :]} == {run_id}
    assert {line["database"] for line in lines[told.index("Assess") :]} == {database}
    (changed,) = centre.rows("select count(*) from rollcall_ops.changes")[0]
    assert [line["changed"] for line in lines if "changed" in line] == [changed]
    assert [line["verdict"] for line in lines if "verdict" in line][-1] == "READY"
    assert (told[-1], lines[-1]["exit_code"]) == ("The command has ended", 0)


def test_the_variable_sets_it_and_the_document_stays_on_standard_output(
    centre: CallCentre, tmp_path: Path
) -> None:
    done = rollcall_process("assess", "--json", url=centre.url, state=tmp_path, ROLLCALL_LOG_FORMAT="json")
    assert done.returncode == 11
    assert json.loads(done.stdout)["verdict"] == "NEEDS_DATABASE_MIGRATION"
    lines = lines_of(done.stderr)
    assert [line["verdict"] for line in lines if "verdict" in line] == ["NEEDS_DATABASE_MIGRATION"]
    assert lines[-1]["exit_code"] == 11


def test_warnings_of_libraries_are_records_too() -> None:
    code = (
        "import logging, warnings; from rollcall.process.log_format import follow_environment;"
        " follow_environment(); warnings.warn('of Python');"
        " logging.getLogger('library').warning('of its log')"
    )
    environment = {**os.environ, "ROLLCALL_LOG_FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    told = [(line["level"], line["logger"], line["message"]) for line in lines_of(done.stderr)]
    assert [line[:2] for line in told] == [("warning", "py.warnings"), ("warning", "library")]
    assert "of Python" in told[0][2]
    assert told[1][2] == "of its log"


@pytest.mark.medium
def test_an_error_is_one_line_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://someone:open-sesame@127.0.0.1:1/none"
    done = rollcall_process("--log-format", "json", "assess", url=url, state=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    errors = [line for line in lines_of(done.stderr) if line["level"] == "error"]
    assert len(errors) == 1
    assert "127.0.0.1" in errors[0]["message"]
    assert "open-sesame" not in done.stderr


@pytest.mark.medium
@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (("--log-format", "xml", "assess"), "json"),
        (("asess",), "json"),
        (("--log-format", "json", "asess"), "text"),
    ],
)
def test_a_wrong_argument_ends_with_2(arguments: tuple[str, ...], variable: str, tmp_path: Path) -> None:
    done = rollcall_process(*arguments, state=tmp_path, ROLLCALL_LOG_FORMAT=variable)
    assert done.returncode == 2
    assert [line["level"] for line in lines_of(done.stderr)][-2:] == ["error", "info"]
