"""One day and one agent of the analysts' views: five calls to a session, the last 30 days built.

The rows are received and not converted, on a connection that has run the query before.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks import call_centres
from benchmarks.measure import Line, at_most, seconds, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from rollcall.ledger.intervals import build
from rollcall.ledger.runs import open_run

DAYS = "build_days_back: 30"
SQL = statements_of("history")
# they give as many rows as the call centre has sessions, calls or agents at work in a day
IN_PROPORTION = ("agent_intervals, one day", "agent_sessions, one login day", "calls, one day")


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    observed = call_centres.observed(databases, "history", options.sessions)
    url = observed.settings.conninfo
    with open_run(databases.workspace(url, DAYS), "build") as run:
        taken = seconds_of(lambda: build(run))
    yield shown_only("build of 30 days", taken, seconds(taken))
    settle(url)
    with connect(url) as connection:
        for what, query in SQL.items():
            rows = len(connection.execute(query).fetchall())
            median = statistics.median(seconds_of(partial(_received, connection, query)) for _ in range(9))
            goal = None if what in IN_PROPORTION else at_most(50, " ms")
            yield shown_only(f"{what} ({rows:,} rows)", median * 1000, seconds(median), goal)


def _received(connection: Any, query: str) -> None:
    connection.pgconn.exec_(query.encode())
