"""Databases per minute of `rollcall fleet`, with 1, 2 and 4 at once, and of the flow on as many workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import yaml

from benchmarks import call_centres
from benchmarks.measure import Line, ratio_line, seconds_of
from benchmarks.options import Options
from benchmarks.prefect_server import Prefect, running_prefect
from benchmarks.server import Databases
from benchmarks.start import BARE_IMPORT
from rollcall.sandbox.demo import Scale
from rollcall.service.fleet.entries import Entry, Fleet, Reference
from rollcall.service.fleet.run import look_at

DATABASES = 12
AT_ONCE = (1, 2, 4)
SMALL = Scale(agents=50, sessions=1_000, calls=2_000)
DEPLOYMENT = "rollcall-fleet/fleet"


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    """Every database is migrated and has the same small call centre."""
    base = databases.create("fleet_base")
    call_centres.load(base, SMALL)
    databases.migrated(databases.workspace(base))
    urls = {
        name: databases.create(name, template="fleet_base")
        for name in (f"tenant_{number}" for number in range(DATABASES))
    }
    by_command(databases, urls, max(AT_ONCE))  # fills the caches
    imports()
    rates = {
        at_once: [by_command(databases, urls, at_once) for _ in range(options.pairs)] for at_once in AT_ONCE
    }
    bare = [DATABASES / imports() for _ in range(options.pairs)]
    for at_once in AT_ONCE:
        yield ratio_line(
            f"databases per minute, {DATABASES} databases, {at_once} at once, against the bare imports",
            rates[at_once],
            bare,
            None,
            "{:.1f}".format,
        )
    with running_prefect(databases) as prefect:
        prefect.command("deploy", "--name", "fleet", "--name", "fleet-database")
        for at_once in AT_ONCE:
            on_workers = [by_workers(databases, prefect, urls, at_once) for _ in range(options.pairs)]
            yield ratio_line(
                f"  the flow on workers, {at_once} at once, against the command",
                on_workers,
                rates[at_once],
                None,
                "{:.1f}".format,
            )


def by_command(databases: Databases, urls: dict[str, str], at_once: int) -> float:
    """Databases per minute of the command."""
    entries = tuple(Entry(name=name, url=Reference(url=url)) for name, url in urls.items())
    fleet = Fleet(folder=databases.folder, databases=entries, at_once=at_once, retries=0)
    state = databases.folder / "state"

    def look() -> None:
        scorecard, _ = look_at(fleet, databases.folder / "fleet", state)
        if scorecard.counts["NOT_EVALUATED"]:
            raise RuntimeError(f"not all were evaluated: {scorecard.in_order[0].problem}")

    return DATABASES * 60 / seconds_of(look)


def by_workers(databases: Databases, prefect: Prefect, urls: dict[str, str], count: int) -> float:
    """Databases per minute of the flow, on so many workers beside the one on which `fleet` waits.

    A worker takes one run at a time, and looks for runs every second; Prefect's default is ten seconds.
    """
    path = databases.folder / "databases.yml"
    entries = [{"name": name, "url": url} for name, url in urls.items()]
    limits = {"at_once": count, "at_once_per_host": count, "retries": 0}
    path.write_text(yaml.safe_dump({"databases": entries, **limits}), encoding="utf-8")
    variables = {
        "ROLLCALL_FLEET": str(path),
        "ROLLCALL_STATE_DIR": str(databases.folder / "state"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    names = [f"{number}-of-{count}" for number in range(count + 1)]
    with prefect.workers(names, variables):
        run = prefect.run(DEPLOYMENT)
    assert run.start_time is not None
    assert run.end_time is not None
    return DATABASES * 60 / (run.end_time - run.start_time).total_seconds()


def imports() -> float:
    """Minutes of as many processes as there are databases, one after the other, that only import."""
    command = [sys.executable, "-c", BARE_IMPORT]
    return seconds_of(lambda: subprocess.run(command, env={**os.environ}, check=True)) / 60 * DATABASES
