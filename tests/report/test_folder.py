"""The folder of reports: complete, one per run, the newest kept, a failure without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from rollcall.errors import ConfigurationError
from rollcall.report import folder as report_folder
from rollcall.report.folder import ReportFailed, publish
from rollcall.report.outcome import RunOutcome
from rollcall.report.text import printable
from rollcall.rules.judging import judge_counts
from rollcall.rules.results import Assessment
from tests.support.outcomes import (
    BEFORE,
    HOSTILE,
    NOON,
    RUN_ID,
    SUITES,
    assessment,
    outcome,
    plan,
    without_docs,
)
from tests.support.paths import ROOT

# --- the folder -------------------------------------------------------------------------------


def judged_by_gx() -> Assessment:
    counts = {rule.name: BEFORE.get(rule.name, 0) for rule in SUITES["readiness"].rules}
    judgement = judge_counts(SUITES["readiness"], counts, {"abandoned_session": HOSTILE})
    return replace(assessment(BEFORE), rules=judgement.rules, judgements=(judgement,))


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_run_leaves_a_whole_folder_behind(tmp_path: Path) -> None:
    run = outcome(run_id=RUN_ID, command="run", before=judged_by_gx(), plan=plan())
    index = publish(tmp_path / "reports", run)
    assert index == tmp_path / "reports" / RUN_ID / "index.html"
    assert names_in(index.parent) == [
        "data-docs",
        "index.html",
        "junit.xml",
        "result.json",
        "summary.md",
    ]
    assert (index.parent / "data-docs" / "index.html").is_file()
    assert 'href="data-docs/index.html"' in index.read_text()
    result = json.loads((index.parent / "result.json").read_text())
    assert result["verdict"] == "NEEDS_DATABASE_MIGRATION"
    assert result["plan"]["change_count"] == 1_253
    ElementTree.parse(index.parent / "junit.xml")
    latest = tmp_path / "reports" / "latest"
    assert latest.is_symlink()
    assert (latest / "index.html").samefile(index)
    assert not Path(os.readlink(latest)).is_absolute(), "the whole folder can be moved"
    assert names_in(tmp_path / "reports") == [RUN_ID, "latest"]


def test_every_publication_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        publish(tmp_path, without_docs())
    publish(tmp_path, without_docs(run_id="../../etc"))
    names = [f"20261122T120000Z{end}" for end in ("", "-2", "-3", "-4")]
    assert names_in(tmp_path) == [*names, "latest"]
    assert os.readlink(tmp_path / "latest") == names[-1]


def test_only_the_newest_folders_of_ours_are_kept(tmp_path: Path) -> None:
    mine = tmp_path / "20200101T000000Z"
    mine.mkdir()
    (mine / "notes.txt").touch()
    (tmp_path / "archive").mkdir()
    for day in range(5):
        publish(tmp_path, without_docs(NOON + timedelta(days=day)), keep=3)
    own = [f"202611{day}T120000Z" for day in (24, 25, 26)]
    assert names_in(tmp_path) == [mine.name, *own, "archive", "latest"]
    late = publish(tmp_path, without_docs(NOON - timedelta(days=9)), keep=1)
    assert late.is_file(), "a clock that goes backwards does not cost the report just made"
    assert names_in(tmp_path) == [mine.name, late.parent.name, "archive", "latest"]
    assert (tmp_path / "latest" / "index.html").samefile(late)
    with pytest.raises(ConfigurationError, match="Keep at least 1"):
        publish(tmp_path, without_docs(), keep=0)


def test_a_failure_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path, outcome: RunOutcome) -> Path:
        raise OSError(28, "No space left on device")

    publish(tmp_path, without_docs())
    before = names_in(tmp_path)
    monkeypatch.setattr(report_folder, "write_report", fails)
    with pytest.raises(ReportFailed, match="No space left on device"):
        publish(tmp_path, without_docs(NOON + timedelta(days=1)))
    assert names_in(tmp_path) == before


def test_a_killed_run_leaves_nothing_that_looks_made_and_is_cleared_later(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from tests.support import outcomes as t; from rollcall.report import folder;"
        "folder.write_report = lambda *_: os.kill(os.getpid(), 9);"
        "folder.publish(Path(sys.argv[2]), t.without_docs())"
    )
    here = str(ROOT)
    done = subprocess.run([sys.executable, "-c", program, here, str(tmp_path)], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    publish(tmp_path, without_docs())
    assert left.exists(), "it might belong to a run that is still at work"
    old = time.time() - 2 * report_folder.UNFINISHED_SECONDS
    os.utime(left, (old, old))
    publish(tmp_path, without_docs())
    assert not left.exists()


def test_where_links_are_impossible_a_page_leads_to_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OSError("A required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuses)
    for day in range(2):
        index = publish(tmp_path, without_docs(NOON + timedelta(days=day)))
    page = (tmp_path / "latest" / "index.html").read_text()
    assert f"url=../{index.parent.name}/index.html" in page
    monkeypatch.undo()
    publish(tmp_path, without_docs(NOON + timedelta(days=2)))
    assert "20261124T120000Z" in (tmp_path / "latest" / "index.html").read_text()


def test_printable_is_legal_everywhere() -> None:
    everything = "".join(map(chr, range(0x110000)))
    made = printable(everything, 2_000_000)
    made.encode()
    ElementTree.fromstring(f"<a>{made.replace('&', '').replace('<', '')}</a>")
    assert printable("x" * 10, 5) == "xxxx…"
