"""JUnit, Markdown and JSON agree with the exit code, and exist also where nothing could be judged."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest

from tests.support.call_centre import call_centre
from tests.support.command import rollcall

SECRET = "Tr0ub4dor-planted"
DOWN = f"postgresql://someone:{SECRET}@127.0.0.1:9/centre"


def counted(path: Path) -> tuple[int, int, int]:
    """Failures, errors and skipped test cases: the attributes say what the elements do."""
    root = ElementTree.parse(path).getroot()
    suites = root.findall("testsuite")
    counts = tuple(len(root.findall(f".//testcase/{name}")) for name in ("failure", "error", "skipped"))
    for number, name in zip(counts, ("failures", "errors", "skipped"), strict=True):
        assert sum(int(suite.get(name, "0")) for suite in suites) == number
    assert (int(root.get("failures", "")), int(root.get("errors", ""))) == counts[:2]
    assert sum(int(suite.get("tests", "0")) for suite in suites) == len(root.findall(".//testcase"))
    failures, errors, skipped = counts
    return failures, errors, skipped


@pytest.mark.medium
def test_the_file_has_a_failure_exactly_where_the_exit_code_says_so(database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path)
    reports = {}
    for fail_on in ("warn", "critical", "blocking"):
        files = ("--junit", str(tmp_path / f"{fail_on}.xml"), "--report", str(tmp_path / fail_on))
        done = rollcall("assess", "--fail-on", fail_on, *files, url=database, state=tmp_path)
        reports[fail_on] = (done.returncode, *counted(tmp_path / f"{fail_on}.xml"))
        in_report = tmp_path / fail_on / "latest" / "junit.xml"
        assert in_report.read_text() == (tmp_path / f"{fail_on}.xml").read_text()
    code, failures, errors, skipped = reports["critical"]
    assert (code, errors) == (11, 0)
    assert failures > 0
    assert reports["blocking"] == (0, 0, 0, skipped + failures)
    code, more, errors, fewer = reports["warn"]
    assert (code, more + fewer) == (11, failures + skipped)
    assert more > failures


def test_a_blocking_finding_is_a_failure_whatever_the_option_says(database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path)
    with psycopg.connect(database) as connection:
        connection.execute("update agents set is_active = false")
    path = tmp_path / "j.xml"
    done = rollcall(*("assess", "--fail-on", "blocking", "--junit", str(path)), url=database, state=tmp_path)
    assert done.returncode == 12, done.stderr
    failures, errors, _ = counted(path)
    assert failures >= 1
    assert errors == 0


@pytest.mark.parametrize("command", ["assess", "verify"])
def test_the_files_exist_when_the_server_is_down(tmp_path: Path, command: str) -> None:
    junit, markdown = tmp_path / "new" / "j.xml", tmp_path / "m.md"
    markdown.write_text("## an older result\n")
    files = ("--json", "--junit", str(junit), "--markdown", str(markdown))
    done = rollcall(command, *files, url=DOWN, state=tmp_path)
    assert done.returncode == 1
    assert counted(junit) == (0, 1, 0)
    assert "Cannot connect" in junit.read_text()
    assert "not judged" in markdown.read_text()
    assert "older result" not in markdown.read_text()
    document = json.loads(done.stdout)
    assert document["exit_code"] == 1
    assert "Cannot connect" in document["error"]
    assert len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stdout + done.stderr + junit.read_text() + markdown.read_text()


def test_the_files_exist_when_the_configuration_cannot_work(tmp_path: Path) -> None:
    junit = tmp_path / "j.xml"
    done = rollcall("assess", "--json", "--junit", str(junit), "--vars", "{settle_minutes: 0}", url=DOWN)
    assert done.returncode == 2
    assert counted(junit) == (0, 1, 0)
    assert json.loads(done.stdout) == {
        "error": "Var settle_minutes must be a number above zero, not such a number. Correct it in --vars.",
        "exit_code": 2,
    }


@pytest.mark.parametrize(
    "arguments",
    [("plan",), ("clean",), ("migrate",), ("undo", "x"), ("history",), ("flags",), ("doctor",), ("detach",)],
)
def test_every_command_that_fails_prints_one_document(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = rollcall(*arguments, "--json", url=DOWN, state=tmp_path)
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode != 0
    assert document["error"] in done.stderr


def test_a_file_that_cannot_be_written_hides_no_other_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = rollcall("assess", "--junit", str(tmp_path / "file" / "j.xml"), url=DOWN, state=tmp_path)
    assert done.returncode == 1
    assert "Cannot connect" in done.stderr
