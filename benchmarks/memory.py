"""Peak memory of assess, plan and clean in a process, with few and many violations.

`python -m benchmarks.memory` is that process; the environment names the database.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.clean import ENOUGH, prepare
from benchmarks.measure import Goal, Line
from benchmarks.options import Options
from benchmarks.server import Databases
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.plan.pending_work import make_plan

FEW = 1_000
MOST_MEGABYTES = 50


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    few = _megabytes(databases, FEW)
    many = _megabytes(databases, options.changes)
    yield Line(
        f"peak memory of assess, plan and clean: {options.changes:,} violations against {FEW:,}",
        f"{many:.0f} MB",
        f"{few:.0f} MB",
        many - few,
        f"{many - few:+.0f} MB",
        Goal(f"<= +{MOST_MEGABYTES} MB", lambda growth: growth <= MOST_MEGABYTES),
    )


def _megabytes(databases: Databases, changes: int) -> float:
    prepare(databases, "memory_base", changes)
    workspace = databases.workspace(databases.create("memory", template="memory_base"))
    make_plan(workspace)  # compiles the project first, which takes more memory than the measured steps
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory"],
        env={**os.environ, **databases.environment(workspace.settings.conninfo)},
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"assess, plan and clean failed: {done.stderr[-500:]}")
    report = json.loads(done.stdout)
    if report["changed"] < ENOUGH * changes:
        raise RuntimeError(f"only {report['changed']} of {changes} violations were repaired")
    return float(report["megabytes"])


def _assess_plan_and_clean() -> None:
    from rollcall.ledger.runs import open_run
    from rollcall.settings.configuration import load_settings
    from rollcall.steps.assess.assessment import assess
    from rollcall.steps.clean.cleaning import clean
    from rollcall.workspace import Workspace

    workspace = Workspace(load_settings())
    assess(workspace)
    plan = make_plan(workspace)
    with open_run(workspace, "clean") as run:
        result = clean(workspace, run, plan)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    print(json.dumps({"megabytes": megabytes, "changed": result.changed}))


if __name__ == "__main__":
    _assess_plan_and_clean()
