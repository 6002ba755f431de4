"""The life of a call (inserted, connected, completed) with the declared indexes, and their size.

The other variant is the same table without them; both have the application's own indexes. A loop in the
server executes one transaction for each of the three statements, with durable commits and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import call_centres
from benchmarks.measure import Line, at_least, in_pairs, per_second, ratio_line, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from rollcall.sandbox.demo import DefectCounts, Scale

CALLS = {True: 1_000, False: 10_000}  # of one run, with durable commits and without
RUNS_PER_PAIR = 3  # many short runs average out the load of the machine
STATEMENTS = 3  # of one call
SQL = statements_of("calls")
OUR_INDEXES = ("rollcall_calls_of_agent", "rollcall_unfinished_calls")


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    agents = call_centres.agents_of(options.sessions)
    scale = Scale(agents=agents, sessions=options.sessions, calls=2 * options.sessions)
    base = databases.create("calls_ours")
    call_centres.load(base, scale, DefectCounts.sound(scale))
    settle(base)
    databases.migrated(databases.workspace(base))
    with connect(base) as connection:
        connection.execute(SQL["lives of calls"])
        sizes = connection.execute(SQL["sizes of indexes"]).fetchall()
    without = databases.create("calls_without", template="calls_ours")
    with connect(without) as connection:
        for index in OUR_INDEXES:
            connection.execute(f"drop index {index}")
    for durable, commits in ((True, "durable commits"), (False, "commits that do not wait for the disk")):
        pairs = options.pairs * RUNS_PER_PAIR
        ours, other = in_pairs(pairs, partial(_rate, base, durable), partial(_rate, without, durable))
        what = f"statements of calls with the declared indexes, {commits}, against without"
        yield ratio_line(what, ours, other, at_least(0.9), per_second)
    for name, url in (("with", base), ("without", without)):
        share = _heap_only(url)
        yield shown_only(
            f"heap-only (HOT) updates of calls, {name} the declared indexes", share, f"{share:.1%}"
        )
    for name, megabytes in sizes:
        yield shown_only(f"size of {name}", float(megabytes), f"{megabytes:,.0f} MB")


def _rate(url: str, durable: bool) -> float:
    """Statements per second."""
    calls = CALLS[durable]
    with connect(url) as connection:
        connection.execute(f"set synchronous_commit = {'on' if durable else 'off'}")
        taken = seconds_of(lambda: connection.execute("call benchmark_calls(%s)", [calls]))
    return calls * STATEMENTS / taken


def _heap_only(url: str) -> float:
    """The share of the updates so far that changed no index."""
    with connect(url) as connection:
        row = connection.execute(
            "select n_tup_hot_upd::float / n_tup_upd from pg_stat_user_tables where relname = 'call_sessions'"
        ).fetchone()
    return float(row[0])
