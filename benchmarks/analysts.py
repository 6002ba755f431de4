"""The analysts' cookbook against the same questions asked of the application's tables by hand.

Also the nightly build against a full one of 90 days, at the hour of the nightly flow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import call_centres
from benchmarks.measure import (
    Line,
    at_most,
    in_pairs,
    ratio_line,
    seconds,
    seconds_of,
)
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from rollcall.ledger.intervals import build
from rollcall.ledger.runs import open_run
from rollcall.workspace import Workspace

PAGE = Path(__file__).parent.parent / "docs" / "analysts.md"
BY_HAND = Path(__file__).with_name("questions.sql")
# a phrase of the cookbook's query, and of the same question in questions.sql
ON_BUILT_TABLES = {
    "service level by hour of the day": "as level_of_hour",
    "calls and service level by local hour": "as service_level\n",
    "talking time by agent": "as talking_hours",
    "talking time by week and agent": "as hours_of_talk",
}
ON_VIEWS = {
    "talking time of one agent": "as average_talk_seconds",
    "logged-in hours by agent and day": "from rollcall.agent_sessions",
}


def last_night(now: datetime) -> datetime:
    """The last 02:03, when the nightly flow of prefect.yaml builds the day before and the first hours."""
    night = now.replace(hour=2, minute=3, second=0, microsecond=0)
    return night if night <= now else night - timedelta(days=1)


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    workspace = call_centres.observed(databases, "analysts", options.sessions)
    url = workspace.settings.conninfo
    yield from _builds(databases, workspace, options)
    settle(url)
    with connect(url) as connection:
        for what, phrase in ON_BUILT_TABLES.items():
            yield _question(connection, options, what, phrase, at_most(0.1))
        for what, phrase in ON_VIEWS.items():
            yield _question(connection, options, f"{what}, on live views", phrase, None)


def _builds(databases: Databases, workspace: Workspace, options: Options) -> Iterator[Line]:
    one_day = databases.workspace(workspace.settings.conninfo, "build_days_again: 1")
    night = last_night(datetime.now(UTC))
    full = [_build(workspace, night, full=True)] * options.pairs
    for what, variant, goal in (
        ("build of one more day", one_day, at_most(0.02)),
        ("the same with the days that build_days_again repeats", workspace, None),
    ):
        taken = [_build(variant, night, full=False) for _ in range(options.pairs)]
        yield ratio_line(f"{what}, at 02:03, against a full one of 90 days", taken, full, goal, seconds)


def _build(workspace: Workspace, night: datetime, *, full: bool) -> float:
    workspace.project.sql("build_days")  # compiled before
    with open_run(workspace, "build") as run:
        return seconds_of(lambda: build(run, full=full, judged_at=night))


def _question(connection: Any, options: Options, what: str, phrase: str, goal: Any) -> Line:
    ours, by_hand = _cookbook(phrase), _question_by_hand(phrase)
    taken = in_pairs(options.pairs, partial(_taken, connection, ours), partial(_taken, connection, by_hand))
    return ratio_line(f"{what}, against the application's tables", *taken, goal, seconds)


def _cookbook(phrase: str) -> str:
    queries = re.findall(r"^```sql\n(.+?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (query,) = (query for query in queries if phrase in query)
    return str(query)


def _question_by_hand(phrase: str) -> str:
    (query,) = (query for query in BY_HAND.read_text("utf-8").split(";") if f"-- {phrase.strip()}\n" in query)
    return str(query)


def _taken(connection: Any, query: str) -> float:
    return seconds_of(lambda: connection.pgconn.exec_(query.encode()))
