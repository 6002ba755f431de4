"""The scheduled clean-up without work, as a worker runs it: processor time, against an idle flow."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import call_centres
from benchmarks.measure import Line, Taken, at_most, ratio_line, seconds, shown_only, taken_by
from benchmarks.options import Options
from benchmarks.prefect_server import running_prefect
from benchmarks.server import ROLLCALL, Databases
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.settings.configuration import PROJECT_DIRECTORY

SMALL = Scale(agents=50, sessions=1_000, calls=2_000)
CLEAN_UP = "rollcall-clean-up/clean-up"
IDLE = "idle/idle"
HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}  # as prefect.yaml has it for the workers
IMPORTS = {
    "import of Prefect's engine": "import prefect.engine, prefect.flow_engine",
    "import of flows.clean, Prefect included": "import flows.clean",
    "import of flows.clean and Great Expectations": (
        "import flows.clean; from rollcall.rules.gx import import_gx; import_gx()"
    ),
}
COMMANDS = (("clean", "--unattended"), ("clean", "--unattended", "--verify"))


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    """The server runs, the caches are filled, and the call centre is migrated and sound."""
    url = databases.create("served")
    call_centres.load(url, SMALL, DefectCounts.sound(SMALL))
    databases.migrated(databases.workspace(url))
    variables = databases.environment(url) | HEARTBEATS
    with running_prefect(databases) as prefect:
        prefect.command("deploy", "--name", "clean-up")
        prefect.command("deploy", "benchmarks/idle_flow.py:idle", "--name", "idle", "--pool", "rollcall")
        for deployment in (CLEAN_UP, IDLE):
            prefect.execute(deployment, variables)  # fills the caches
        taken = [
            (prefect.execute(CLEAN_UP, variables), prefect.execute(IDLE, variables))
            for _ in range(options.pairs)
        ]
        warm = float(prefect.output("benchmarks.warm_clean_up", variables).splitlines()[-1])
    ours = [clean_up.cpu for clean_up, _ in taken]
    idle = [nothing.cpu for _, nothing in taken]
    what = "processor time of the scheduled clean-up without work"
    yield ratio_line(f"{what}, against a flow that does nothing", ours, idle, None, seconds)
    middle = statistics.median(ours)
    yield shown_only("the same", middle, seconds(middle), at_most(2, " s"))
    wall = statistics.median(clean_up.wall for clean_up, _ in taken)
    yield shown_only("the same, wall time", wall, seconds(wall))
    yield shown_only("the same in a process that has done it before", warm, seconds(warm), at_most(2, " s"))
    for name, code in IMPORTS.items():
        cpu = statistics.median(run(("-c", code), variables).cpu for _ in range(options.pairs))
        yield shown_only(f"  beside it: {name}", cpu, seconds(cpu))
    for command in COMMANDS:
        cpu = statistics.median(run((*ROLLCALL[1:], *command), variables).cpu for _ in range(options.pairs))
        yield shown_only(f"  beside it: rollcall {' '.join(command)}", cpu, seconds(cpu))


def run(arguments: tuple[str, ...], variables: dict[str, str]) -> Taken:
    """What a process of Python takes that must not fail."""
    return taken_by(
        lambda: subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **variables},
            cwd=PROJECT_DIRECTORY,
            capture_output=True,
            check=True,
        )
    )
