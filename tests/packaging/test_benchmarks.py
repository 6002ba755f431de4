"""The benchmarks can be listed, and one of them runs at a tiny size: what they measure is not tested."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.analysts import last_night
from benchmarks.peers.rules import rendered
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import call_centre


def test_the_list_names_every_benchmark_with_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert all(len(line.split()) > 3 for line in lines)


def test_an_unknown_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["quickness"])
    assert ended.value.code == 2
    assert "no benchmark quickness" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hour", "minute", "day"), [(0, 0, 27), (2, 2, 27), (2, 3, 28), (23, 59, 28)], ids=str
)
def test_the_nightly_build_is_measured_at_a_time_that_has_passed(hour: int, minute: int, day: int) -> None:
    now = datetime(2026, 2, 28, hour, minute, tzinfo=UTC)
    assert last_night(now) == datetime(2026, 2, day, 2, 3, tzinfo=UTC)


def test_the_queries_for_the_other_tools_find_the_rows_that_rollcall_finds(
    database: str, tmp_path: Path
) -> None:
    scale = Scale(agents=100, sessions=500, calls=1_000)
    defects = DefectCounts.usual(scale).plus(unknown_status=1)
    centre = call_centre(database, tmp_path, defects=defects, scale=scale)
    assessment = assess(centre.workspace)
    ours = {rule.name: set(rule.keys) for rule in assessment.rules}
    for rule, query in rendered(assessment.judged_at).items():
        assert ours[rule], rule
        assert {str(key) for (key,) in centre.rows(query)} == ours[rule], rule


@pytest.mark.slow
def test_assess_is_measured_against_a_checklist_that_counts_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["assess", "--sessions", "10000", "--pairs", "1", "--explain", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "default settings: shared_buffers 128MB" in out
    assert "before the migration, 10,000 sessions, against the checklist" in out
    assert "goals met" in out
