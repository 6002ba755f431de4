"""Databases per minute of `rollcall fleet`, with 1, 2 and 4 of them at once, against the bare imports."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import call_centres
from benchmarks.measure import Line, ratio_line, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases
from benchmarks.start import BARE_IMPORT
from rollcall.sandbox.demo import Scale
from rollcall.service.fleet.entries import Entry, Fleet, Reference
from rollcall.service.fleet.run import look_at

DATABASES = 12
AT_ONCE = (1, 2, 4)
SMALL = Scale(agents=50, sessions=1_000, calls=2_000)


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    """Every database is migrated and has the same small call centre."""
    base = databases.create("fleet_base")
    call_centres.load(base, SMALL)
    databases.migrated(databases.workspace(base))
    entries = tuple(
        Entry(name=name, url=Reference(url=databases.create(name, template="fleet_base")))
        for name in (f"tenant_{number}" for number in range(DATABASES))
    )

    def minutes(at_once: int) -> float:
        fleet = Fleet(folder=databases.folder, databases=entries, at_once=at_once, retries=0)
        state = databases.folder / "state"

        def look() -> None:
            scorecard, _ = look_at(fleet, databases.folder / "fleet", state)
            if scorecard.counts["NOT_EVALUATED"]:
                raise RuntimeError(f"not all were evaluated: {scorecard.in_order[0].problem}")

        return seconds_of(look) / 60

    def imports() -> float:
        command = [sys.executable, "-c", BARE_IMPORT]
        environment = {**os.environ}
        return seconds_of(lambda: subprocess.run(command, env=environment, check=True)) / 60 * DATABASES

    minutes(max(AT_ONCE))  # fills the caches
    rates = {at_once: [DATABASES / minutes(at_once) for _ in range(options.pairs)] for at_once in AT_ONCE}
    bare = [DATABASES / imports() for _ in range(options.pairs)]
    yield ratio_line(
        f"databases per minute, {DATABASES} databases, one after the other, against the bare imports",
        rates[1],
        bare,
        None,
        "{:.1f}".format,
    )
    for at_once in AT_ONCE[1:]:
        rate = statistics.median(rates[at_once])
        yield shown_only(f"  {at_once} at once", rate, f"{rate:.1f}")
