"""The analysts' tables: agents and the queue per 15 minutes, built from presence and calls.

A build reads the deployed views and the ledger, and writes four tables of the ledger alone. Each
transaction builds some whole days, so a build that is killed leaves whole days, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg

from rollcall.database.connections import fetch, reason_of
from rollcall.database.session_settings import judging_at, set_for_transaction
from rollcall.errors import ConfigurationError, EvaluationError
from rollcall.ledger.runs import Run

__all__ = ["Build", "build", "build_if_possible"]


@dataclass(frozen=True)
class Build:
    """The result of a build.

    Attributes:
        run_id: the run that built.
        first_day, last_day: the days of the business time zone that were read; none if nothing was to do.
        days, kept_days: how many of them were built, and kept because their calls or looks are gone.
        agent_intervals: how many rows of agents and 15 minutes were written.
        left_out: why nothing was built; empty if something was, or if nothing was to do.
    """

    run_id: str
    first_day: str | None = None
    last_day: str | None = None
    days: int = 0
    kept_days: int = 0
    agent_intervals: int = 0
    left_out: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def build(run: Run, *, full: bool = False, judged_at: datetime | None = None) -> Build:
    """Build what changed since the last build, or every day that the sources still reach.

    Args:
        full: build all days.
        judged_at: the instant that ends the last day; none: now.

    Raises:
        ConfigurationError: PostgreSQL does not know the business time zone.
        EvaluationError: the view of the calls is not deployed.
        Refused: another run holds the lease now.
    """
    _check(run, full=full)
    variables = run.workspace.settings.variables
    limit = {"statement_timeout": f"{max(1, round(variables['build_timeout_seconds']))}s"}
    settings = judging_at(judged_at) | limit
    with run.connection.transaction():
        set_for_transaction(run.connection, settings)
        found = fetch(run.connection, run.workspace.project.sql("days_to_build"), [full])
    if not found:
        return Build(run.id)
    first, last = found[0]["first_day"], found[0]["last_day"]
    rows = [
        row
        for chunk in _chunks(first, last, max(1, round(variables["build_days_at_once"])))
        for row in _build_days(run, settings, *chunk)
    ]
    kept = sum(row["is_kept"] for row in rows)
    intervals = sum(row["agent_intervals"] for row in rows)
    return Build(run.id, first.isoformat(), last.isoformat(), len(rows) - kept, kept, intervals)


def _check(run: Run, *, full: bool) -> None:
    zone = run.workspace.settings.variables["business_time_zone"]
    try:
        needs = fetch(run.connection, run.workspace.project.sql("build_needs"))[0]
    except psycopg.errors.InvalidParameterValue:
        raise ConfigurationError(
            f"PostgreSQL does not know the time zone of the var business_time_zone: {zone}",
            "use a name that `select name from pg_timezone_names` lists",
        ) from None
    if not needs["has_calls"]:
        raise EvaluationError(
            "the view rollcall.calls, which a build reads, is not deployed", "`rollcall migrate` makes it"
        )
    if needs["has_days_of_another_zone"]:
        _check_another_zone(run, zone, full=full)


def _check_another_zone(run: Run, zone: str, *, full: bool) -> None:
    """Days of another time zone can be built again only as long as the sources reach all of them."""
    gone = fetch(run.connection, run.workspace.project.sql("days_without_sources"))[0]["days"]
    if gone:
        raise ConfigurationError(
            f"the built days are of another time zone than {zone}, and calls or looks of {gone} are gone",
            "set the var business_time_zone to the former zone again",
        )
    if not full:
        raise ConfigurationError(
            f"the built days are those of another time zone than {zone}",
            "`rollcall build --full` builds all of them again",
        )


def _chunks(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """The days in portions, each as its first and last day."""
    while first <= last:
        yield first, min(last, first + timedelta(days=days - 1))
        first += timedelta(days=days)


def _build_days(run: Run, settings: dict[str, str], first: date, last: date) -> list[dict[str, Any]]:
    """Build some days in one transaction. Gives one row per day."""
    project = run.workspace.project
    with run.connection.transaction():
        run.check_lease(run.connection)
        set_for_transaction(run.connection, settings)
        rows = fetch(run.connection, project.sql("build_days"), [run.id, first, last, False])
        fetch(run.connection, project.sql("remove_replaced"), [run.id])
        fetch(run.connection, project.sql("remove_replaced_days"))
        fetch(run.connection, project.sql("sum_agent_days"))
    return rows


def build_if_possible(run: Run) -> Build:
    """Build what changed; a failure is told in the result, and the run goes on.

    Raises:
        Refused: another run holds the lease now.
    """
    try:
        return build(run)
    except psycopg.Error as error:
        return Build(run.id, left_out=reason_of(error))
    except (ConfigurationError, EvaluationError) as error:
        return Build(run.id, left_out=str(error))
