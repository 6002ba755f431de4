"""Assess with the readiness report, against assess alone, by number of failures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import call_centres
from benchmarks.measure import Line, at_most, in_pairs, ratio_line, seconds, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, settle
from rollcall.report.folder import publish
from rollcall.report.outcome import RunOutcome
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.assess.assessment import assess
from rollcall.workspace import Workspace

FAILURES = (0, 1_000, 100_000, 1_000_000)
MEGABYTE = 1_000_000


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    for failures in sorted({min(count, options.failures) for count in FAILURES}):
        url = databases.create("report")
        call_centres.load(url, Scale(), DefectCounts())
        call_centres.forget_sessions(url, failures)
        settle(url)
        with tempfile.TemporaryDirectory(dir=databases.folder) as folder:
            reported = Reported(databases.workspace(url), Path(folder))
            reported.with_report()  # compiles, imports and warms the cache
            ours, other = in_pairs(options.pairs, reported.with_report, reported.alone)
            what = f"{failures:,} failing sessions"
            yield ratio_line(
                f"assess with its report, {what}, against assess alone", ours, other, None, seconds
            )
            size = reported.page.stat().st_size / MEGABYTE
            yield shown_only(f"size of the page, {what}", size, f"{size:.2f} MB", at_most(2, " MB"))


@dataclass
class Reported:
    """One call centre, judged with a report and without; `page` is the last report."""

    workspace: Workspace
    folder: Path
    page: Path = field(default_factory=Path)

    def alone(self) -> float:
        return seconds_of(lambda: assess(self.workspace))

    def with_report(self) -> float:
        return seconds_of(self._report)

    def _report(self) -> None:
        judged = assess(self.workspace, details=True)
        outcome = RunOutcome(
            run_id=None,
            command="assess",
            database=judged.database,
            started_at=judged.snapshot_at,
            finished_at=datetime.now(UTC),
            before=judged,
        )
        self.page = publish(self.folder, outcome, keep=1)
