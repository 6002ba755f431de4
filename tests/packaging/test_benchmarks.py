"""The benchmarks can be listed, and one of them runs at a tiny size: what they measure is not tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main


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


@pytest.mark.slow
def test_assess_is_measured_against_a_checklist_that_counts_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["assess", "--sessions", "10000", "--pairs", "1", "--explain", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "before the migration, 10,000 sessions, against the checklist" in out
    assert "goals met" in out
