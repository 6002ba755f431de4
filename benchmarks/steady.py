"""A scheduled clean-up without work: database time, also with a longer history.

All queries of the step count: the plan, the lease and the record of the run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg

from benchmarks import call_centres
from benchmarks.measure import Line, at_most, in_pairs, ratio_line, seconds, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, settle
from rollcall.ledger.presence import record_presence
from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.clean.breaker import check_breaker
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace

AGENTS = 2_000  # a quarter of them has an open session
TIMES = 10  # factor between the longer and the shorter history


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    scale = Scale(agents=AGENTS, sessions=options.sessions // TIMES, calls=2 * options.sessions // TIMES)
    short = databases.create("steady_short")
    call_centres.load(short, scale, DefectCounts.sound(scale))
    settle(short)
    long = databases.create("steady_long", template="steady_short")
    call_centres.repeat_history(long, TIMES, scale.days + 1)
    workspaces = {url: databases.workspace(url) for url in (short, long)}
    for workspace in workspaces.values():
        databases.migrated(workspace)
        nothing_to_do(workspace)  # warms the cache
    yield from lines(workspaces[long], workspaces[short], options)


def lines(long: Workspace, short: Workspace, options: Options) -> Iterator[Line]:
    ours, other = in_pairs(options.pairs, lambda: nothing_to_do(long), lambda: nothing_to_do(short))
    least = min(ours)
    what = f"a clean-up without work, {open_sessions(long):,} open sessions"
    yield shown_only(f"{what}, database time in all", least, seconds(least))
    judged = min(planned(long) for _ in range(options.pairs)) * 1000
    yield shown_only("  of it, to judge the sessions", judged, f"{judged:.1f} ms", at_most(100, " ms"))
    look = min(looked(long) for _ in range(options.pairs)) * 1000
    yield shown_only(
        "  beside it, to record which agents are present", look, f"{look:.1f} ms", at_most(10, " ms")
    )
    what = f"the same, {TIMES} x the history against 1 x ({open_sessions(short):,} open)"
    yield ratio_line(what, ours, other, at_most(1.2), seconds)


def open_sessions(workspace: Workspace) -> int:
    with workspace.database.snapshot() as snapshot:
        row = snapshot.row("select count(*) as n from public.agent_sessions where logout_at is null")
    return int(row["n"])


def planned(workspace: Workspace) -> float:
    """Seconds of the single query whose time depends on the application's data."""
    query = workspace.project.sql("planned_changes")
    with workspace.database.snapshot() as snapshot:
        started = time.perf_counter()
        snapshot.rows(query)
        return time.perf_counter() - started


def looked(workspace: Workspace) -> float:
    """Seconds of one look at the presence of all open sessions, of which few have changed."""
    with open_run(workspace, "clean") as run:
        record_presence(run)  # the first look begins an interval for each session
        return seconds_of(lambda: record_presence(run))


def nothing_to_do(workspace: Workspace) -> float:
    """Seconds of waiting for the server during one unattended clean-up."""
    with _Waiting() as waiting:
        plan = make_plan(workspace)
        with open_run(workspace, "clean") as run:
            check_breaker(workspace, plan)
            result = clean(workspace, run, plan, unattended=True)
    if result.changed or result.skipped:
        raise RuntimeError(
            f"there was something to do: {result.changed} changed, {result.skipped[:3]} skipped"
        )
    return waiting.seconds


class _Waiting:
    """Sum the duration of statements while the context is active."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> _Waiting:
        self._original = psycopg.Cursor.execute
        waiting = self

        def execute(cursor, *arguments, **options):  # type: ignore[no-untyped-def]
            started = time.perf_counter()
            try:
                return waiting._original(cursor, *arguments, **options)
            finally:
                waiting.seconds += time.perf_counter() - started

        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        psycopg.Cursor.execute = self._original  # type: ignore[method-assign]
