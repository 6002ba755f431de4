"""Start-up time on the small demo call centre: whole commands, a warm process, then each command."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import call_centres
from benchmarks.measure import (
    Line,
    Taken,
    at_most,
    in_pairs,
    ratio_line,
    seconds,
    seconds_of,
    shown_only,
    taken_by,
)
from benchmarks.options import Options
from benchmarks.server import ROLLCALL, Databases
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.assess.assessment import assess

BARE_IMPORT = "import dbt.cli.main, great_expectations"
COMMANDS = (  # on a database that is migrated and cleaned, so that none of them has work
    "--help",
    "config",
    "assess",
    "assess --history",
    "plan",
    "migrate",
    "clean",
    "clean --unattended",
    "clean --unattended --verify",
    "verify",
    "build",
    "history",
    "flags",
    "doctor",
    "docs",
    "metrics",
    "alerts",
    "run --yes",
)


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    url = databases.create("small")
    call_centres.load(url, Scale())
    environment = {**os.environ, **databases.environment(url)}

    def bare_import() -> float:
        return taken_by_command([sys.executable, "-c", BARE_IMPORT], environment).wall

    def rollcall(*arguments: str) -> float:
        return taken_by_command([*ROLLCALL, *arguments], environment).wall

    for warming in (bare_import, lambda: rollcall("assess")):  # compiles, so that later runs use the cache
        warming()
    ours, other = in_pairs(options.pairs, lambda: rollcall("assess"), bare_import)
    yield ratio_line("rollcall assess, against the bare import of dbt and GX", ours, other, None, seconds)
    middle = statistics.median(ours)
    yield shown_only("rollcall assess", middle, seconds(middle), at_most(2.5, " s"))

    cpu = statistics.median(taken_by(lambda: rollcall("assess")).cpu for _ in range(options.pairs))
    yield shown_only("of it, on the processor of the client", cpu, seconds(cpu))

    helps = statistics.median(rollcall("--help") for _ in range(options.pairs))
    yield shown_only("rollcall --help", helps, seconds(helps), at_most(0.1, " s"))

    assess(databases.workspace(url))
    again = [seconds_of(lambda: assess(databases.workspace(url))) for _ in range(options.pairs)]
    warm = statistics.median(again)
    yield shown_only(
        "assess in a warm process, a new workspace each time", warm, seconds(warm), at_most(0.3, " s")
    )
    workspace = databases.workspace(url)
    assess(workspace)
    same = statistics.median(seconds_of(lambda: assess(workspace)) for _ in range(options.pairs))
    yield shown_only("assess in a warm process, the same workspace", same, seconds(same), at_most(0.3, " s"))
    yield from each_command(databases, options)


def each_command(databases: Databases, options: Options) -> Iterator[Line]:
    """Each command on a migrated database: wall time, and time on the processor of the client.

    What is compiled is in the state folder; for the last line that folder is new each time.
    """
    url = databases.create("ready")
    call_centres.load(url, Scale(), DefectCounts.sound(Scale()))
    databases.migrated(databases.workspace(url))
    environment = {**os.environ, **databases.environment(url)}

    def line(what: str, command: str, folder: Callable[[], Path]) -> Line:
        taken = [
            taken_by_command(
                [*ROLLCALL, *command.split()], {**environment, "ROLLCALL_STATE_DIR": str(folder())}
            )
            for _ in range(options.pairs)
        ]
        wall = statistics.median(one.wall for one in taken)
        cpu = statistics.median(one.cpu for one in taken)
        return Line(what, seconds(wall), "", wall, f"{seconds(cpu)} on the processor")

    state = databases.folder / "state"
    for command in COMMANDS:
        taken_by_command([*ROLLCALL, *command.split()], environment)  # fills the caches
        yield line(f"rollcall {command}", command, lambda: state)
    new = (databases.folder / f"state-{number}" for number in range(options.pairs))
    yield line("rollcall assess, with an empty cache", "assess", lambda: next(new))


def taken_by_command(command: list[str], environment: Mapping[str, str]) -> Taken:
    """What a command takes, which may end with any verdict but must not fail."""

    def run() -> None:
        done = subprocess.run(
            command, env=environment, cwd=Path(PROJECT_DIRECTORY), capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 10, 11, 12):
            raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr[-500:]}")

    return taken_by(run)
