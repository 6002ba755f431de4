"""The p99 of the application's statements beside a clean-up, against a quiet server.

It is also compared with the p99 beside the same UPDATE with an audit, in batches of the same sizes. That
comparison shows the unavoidable part of the ratio.

`python -m benchmarks.beside URL` is the application in a process of its own: present agents send heartbeats
and change their status, calls begin and end, the router reads the session to ring.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from statistics import quantiles
from typing import Any

from benchmarks.clean import ENOUGH, Sizes, in_batches, prepare
from benchmarks.measure import Goal, Line, at_most, ratio_line, seconds, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, connect
from benchmarks.statements import statements_of
from rollcall.ledger.runs import open_run
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan

BASE, NAME = "beside_base", "beside"
CLIENTS = 4
PER_SECOND = 100  # maximum for all clients together
QUIET_SECONDS = 15
WARMING_SECONDS = 2
SQL = statements_of("beside")
CLEAN_UP = statements_of("clean")
Taken = list[tuple[float, float]]
"""Start of each statement by the monotonic clock, and its duration."""


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    prepare(databases, BASE, options.changes)
    ours: list[list[float]] = []
    quiet: list[list[float]] = []
    others: list[list[float]] = []
    twos: list[list[float]] = []
    for _ in range(options.pairs):
        work = _CleanUp(databases)
        beside, alone = _beside(work)
        ours.append(beside)
        quiet.append(alone)
        others.append(_beside(_Audited(databases, work))[0])
        twos.append(_beside(_CleanUp(databases, "{batch_connections: 2}"))[0])
    what = f"the application's p99 during a clean-up of {options.changes:,}"
    yield _p99_line(f"{what}, against without", ours, quiet, at_most(1.5))
    yield _p99_line(f"{what}, against the same batches with an audit", ours, others)
    yield _p99_line(f"{what} on two connections at any time, against without", twos, quiet)
    longest = max(max(run) for run in ours)
    yield shown_only("its longest statement during the clean-up", longest, seconds(longest), at_most(1, " s"))


class _CleanUp:
    """A clean-up of a fresh copy; records the changed keys and the sizes of the batches."""

    def __init__(self, databases: Databases, variables: str = "{}") -> None:
        url = databases.create(NAME, template=BASE)
        self._workspace = databases.workspace(url, variables)
        self._plan = make_plan(self._workspace)
        self._progress = Sizes()
        self.url = self._workspace.settings.conninfo
        self.keys = [change["session_id"] for change in self._plan.changes()]

    @property
    def sizes(self) -> list[int]:
        return self._progress.sizes

    def __call__(self) -> None:
        with open_run(self._workspace, "clean") as run:
            result = clean(self._workspace, run, self._plan, self._progress)
        if result.changed < ENOUGH * self._plan.change_count:
            raise RuntimeError(
                f"{result.changed} of {self._plan.change_count} rows were changed: {result.skipped[:3]}"
            )


class _Audited:
    """The same rows in the same batches, changed with an audit on a fresh copy."""

    def __init__(self, databases: Databases, like: _CleanUp) -> None:
        self.url = databases.create(NAME, template=BASE)
        self._keys = like.keys
        self._work = in_batches(CLEAN_UP["audited"], like.sizes)
        with connect(self.url) as connection:
            connection.execute(CLEAN_UP["tables"])

    def __call__(self) -> None:
        self._work(self.url, self._keys)
        with connect(self.url) as connection:
            (changed,) = connection.execute("select count(*) from benchmark_changes").fetchone()
        if changed < ENOUGH * len(self._keys):
            raise RuntimeError(f"{changed} of {len(self._keys)} rows were changed")


def _beside(work: _CleanUp | _Audited) -> tuple[list[float], list[float]]:
    """Durations of the application's statements during the work, and before and after it."""
    os.sync()  # the plan file is on the server's disk: a later write-back would delay every commit
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.beside", work.url],
        cwd=PROJECT_DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as application:
        time.sleep(QUIET_SECONDS)
        began = time.monotonic()
        work()
        ended = time.monotonic()
        time.sleep(QUIET_SECONDS)
        output, _ = application.communicate()
    taken: Taken = json.loads(output)
    warm = min(at for at, _ in taken) + WARMING_SECONDS
    return (
        [latency for at, latency in taken if began <= at <= ended],
        [latency for at, latency in taken if warm <= at < began or at > ended],
    )


def _p99_line(what: str, ours: list[list[float]], other: list[list[float]], goal: Goal | None = None) -> Line:
    """The p99 over the statements of all runs: too few of one run lie above its own."""
    apart = ratio_line(what, list(map(_p99, ours)), list(map(_p99, other)), goal, seconds)
    during, without = _p99(list(chain(*ours))), _p99(list(chain(*other)))
    ratio = during / without
    _, *spread = apart.figure_text.partition(" ")
    return replace(
        apart,
        ours=seconds(during),
        other=seconds(without),
        figure=ratio,
        figure_text="".join([f"{ratio:.2f}x", *spread]),
    )


def _p99(latencies: list[float]) -> float:
    return quantiles(latencies, n=100)[98]


def _application(url: str) -> None:
    """Execute the traffic until standard input ends; then print the measurements."""
    with connect(url) as connection:
        present = connection.execute(SQL["present"]).fetchall()
    taken: Taken = []
    over = threading.Event()
    clients = [
        threading.Thread(target=_client, args=(url, present, random.Random(seed), taken, over))
        for seed in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    sys.stdin.read()
    over.set()
    for client in clients:
        client.join()
    print(json.dumps(taken))


def _client(url: str, present: list[Any], rng: random.Random, taken: Taken, over: threading.Event) -> None:
    with connect(url) as connection:

        def timed(statement: str, parameters: list[Any]) -> Any:
            began = time.monotonic()
            cursor = connection.execute(statement, parameters)
            row = cursor.fetchone() if cursor.description else None
            taken.append((began, time.monotonic() - began))
            over.wait(rng.expovariate(PER_SECOND / CLIENTS))
            return row

        while not over.is_set():
            session, agent = rng.choice(present)
            timed(SQL["heartbeat"], [session])
            timed(SQL["route"], [session])
            kind = rng.random()
            if kind < 0.2:
                timed(SQL["status"], ["break", session])
                timed(SQL["status"], ["available", session])
            elif kind < 0.4:
                (call,) = timed(SQL["ring"], [agent])
                timed(SQL["missed"], [call])


if __name__ == "__main__":
    _application(sys.argv[1])
