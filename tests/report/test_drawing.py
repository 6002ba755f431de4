"""The drawing of charts: a process of its own, whose end is not the end of a report."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from rollcall.report.drawing import draw
from rollcall.report.html import write_report
from tests.support.outcomes import OUTCOMES

BARS = {
    "data": {"values": [{"agent": "7", "calls": 3}, {"agent": "8", "calls": 5}]},
    "mark": "bar",
    "encoding": {"x": {"field": "agent"}, "y": {"field": "calls", "type": "quantitative"}},
}
REAL_PYTHON = sys.executable


def python_that_runs(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_each_chart_has_its_drawing() -> None:
    drawings = draw({"one": BARS, "two": {**BARS, "mark": "line"}})
    assert set(drawings) == {"one", "two"}
    assert all(svg.startswith("<svg") for svg in drawings.values())
    assert drawings["one"] != drawings["two"]


def test_an_abort_of_the_drawing_process_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    once = f'[ -e {first} ] || {{ : >{first}; kill -ABRT $$; }}; exec {REAL_PYTHON} "$@"'
    python_that_runs(monkeypatch, tmp_path, once)
    assert draw({"one": BARS})["one"].startswith("<svg")
    assert first.exists()


def test_a_report_is_complete_without_its_drawings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = next(
        made for made in (make() for make in OUTCOMES.values()) if made.latest and made.latest.past
    )
    drawn = write_report(tmp_path / "drawn", outcome).read_text()
    python_that_runs(monkeypatch, tmp_path, "kill -ABRT $$")
    with caplog.at_level(logging.WARNING):
        page = write_report(tmp_path / "undrawn", outcome).read_text()
    assert "<svg" in drawn
    assert "<svg" not in page
    assert "judgements from" in page, "the sentences of the charts remain"
    assert "vl-convert ended with exit code -6" in caplog.text
