"""The application's p50 and p99 while a large table is migrated, and without.

One process produces traffic all the time: before the migration, during it (columns, concurrent index builds,
the proof), and after it. The migration is reverted before the next measurement. It is also compared with the
same traffic beside the same columns and index builds without Rollcall: the unavoidable part of the ratio.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks import call_centres
from benchmarks.measure import Line, at_most, ratio_line, seconds, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from benchmarks.traffic import Sample, traffic
from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import Plan, make_plan
from rollcall.workspace import Workspace

CONNECTIONS = 4
REPEATED = 100  # repetitions of the demo's history
QUIET_SECONDS = 20.0  # seconds of traffic alone, before and after each migration
WARMING_SECONDS = 3.0
SQL = statements_of("migrate")


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    url = databases.create("migrate")
    sessions = max(1_000, options.rows // REPEATED)
    scale = Scale(agents=max(200, sessions // 50), sessions=sessions, calls=sessions // 2)
    call_centres.load(url, scale, DefectCounts.sound(scale))
    call_centres.repeat_history(url, REPEATED, scale.days)
    workspace = databases.workspace(url)
    workspace.project.sql("declared_changes")  # compiled before the measurement
    with connect(url) as connection:
        (rows,) = connection.execute("select count(*) from agent_sessions").fetchone()
    alone: list[list[Sample]] = []
    beside: list[list[Sample]] = []
    by_hand: list[list[Sample]] = []
    took: list[float] = []
    for _ in range(options.pairs):
        before, during, after, lasted = _beside_traffic(workspace, _migrate)
        alone.append(before + after)
        beside.append(during)
        took.append(lasted)
        by_hand.append(_beside_traffic(workspace, _build_by_hand)[1])
    middle = statistics.median(took)
    yield shown_only(f"migrate, {rows:,} sessions, beside traffic", middle, seconds(middle))
    for kind, share in itertools.product(("update", "select"), (50, 99)):
        goal = at_most(1.5) if share == 99 else None
        ours, other = ([percentile(run, kind, share) for run in runs] for runs in (beside, alone))
        yield ratio_line(
            f"p{share} of {kind}, while it migrates, against without", ours, other, goal, seconds
        )
        if share == 99:
            floor = [percentile(run, kind, share) for run in by_hand]
            what = f"p{share} of {kind}, while it migrates, against the same index builds without Rollcall"
            yield ratio_line(what, ours, floor, None, seconds)
    longest = max(sample.seconds for sample in itertools.chain(*beside))
    yield shown_only("the longest statement while it migrates", longest, seconds(longest), at_most(1, " s"))
    longest = max(sample.seconds for sample in itertools.chain(*alone))
    yield shown_only("the longest statement without", longest, seconds(longest))


def _beside_traffic(
    workspace: Workspace, work: Callable[[Workspace, Plan], None]
) -> tuple[list[Sample], list[Sample], list[Sample], float]:
    """The application's statements before, during and after a migration, and its seconds."""
    url = workspace.settings.conninfo
    with connect(url) as connection:
        connection.execute(SQL["take back"])
    settle(url)
    plan = make_plan(workspace)
    with traffic(url, CONNECTIONS) as samples:
        time.sleep(WARMING_SECONDS)
        begin = time.time()
        time.sleep(QUIET_SECONDS)
        started = time.time()
        work(workspace, plan)
        ended = time.time()
        time.sleep(QUIET_SECONDS)
        end = time.time()
    return (
        _between(samples, begin, started),
        _between(samples, started, ended),
        _between(samples, ended, end),
        ended - started,
    )


def _migrate(workspace: Workspace, plan: Plan) -> None:
    with open_run(workspace, "migrate") as run:
        result = migrate(workspace, run, plan.statements)
    if result.skipped or result.proof is None or not result.proof.holds:
        raise RuntimeError(f"the migration is incomplete: {result.to_json()}")


def _build_by_hand(workspace: Workspace, plan: Plan) -> None:
    """Add the same columns and build the same indexes, with the server's own settings."""
    with connect(workspace.settings.conninfo) as connection:
        for statement in plan.statements:
            if statement.kind in ("column", "index"):
                connection.execute(statement.sql)


def _between(samples: Iterable[Sample], begin: float, end: float) -> list[Sample]:
    """The statements that began in this time."""
    return [sample for sample in samples if begin <= sample.started < end]


def percentile(samples: Iterable[Sample], kind: str, share: int) -> float:
    """The duration in seconds that this percentage of the statements did not exceed."""
    taken = sorted(sample.seconds for sample in samples if sample.kind == kind)
    return taken[min(len(taken) - 1, len(taken) * share // 100)]
