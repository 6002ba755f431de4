"""Trend of each rule: new, persisting and resolved failures since the previous judgement.

For every recorded judgement and rule, the ledger stores the exact count and the first failing keys,
with the instant since which each key fails. `analyses/history/trend.sql` documents the comparison,
also for truncated lists of keys. A role that cannot read the ledger gets the results without a trend.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg

from rollcall.database.connections import Row, Snapshot
from rollcall.dbt.project import Project
from rollcall.rules.results import (
    Assessment,
    GhostDay,
    HourOfDay,
    OpenSession,
    PastResult,
    Presence,
    PresenceLook,
    RuleResult,
    Trend,
)
from rollcall.workspace import Workspace

__all__ = [
    "LEDGER_UNREADABLE",
    "past_results",
    "read_ghost_days",
    "read_hours_of_day",
    "read_looks",
    "read_presence",
    "rows_to_record",
    "with_failures",
    "with_trends",
]

# The ledger is missing, of an older version, or hidden from this role.
LEDGER_UNREADABLE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InsufficientPrivilege,
)


def with_trends(
    snapshot: Snapshot, project: Project, rules: Sequence[RuleResult], judged_at: datetime
) -> tuple[RuleResult, ...]:
    """Add to each rule its trend against the last recorded judgement, if there is one."""
    given = [
        {
            "suite": rule.suite,
            "name": rule.name,
            "failing": rule.failing,
            "keys": list(rule.keys),
            "waived_keys": list(rule.waived_keys),
        }
        for rule in rules
    ]
    rows = _history(snapshot, project.sql("trend"), [json.dumps(given), judged_at.isoformat()])
    trends = {(row["suite"], row["rule"]): _trend(row) for row in rows}
    return tuple(replace(rule, trend=trends.get((rule.suite, rule.name))) for rule in rules)


def _trend(row: Row) -> Trend:
    return Trend(
        run_id=row["run_id"],
        stage=row["stage"],
        recorded_at=row["recorded_at"],
        before=row["failing_before"],
        new=len(row["new_keys"]),
        persisting=row["persisting"],
        resolved=len(row["resolved_keys"]),
        is_exact=row["is_whole"],
        failing_since=row["failing_since"],
        new_keys=tuple(row["new_keys"]),
        resolved_keys=tuple(row["resolved_keys"]),
        keys_since=tuple(row["keys_since"]),
    )


def rows_to_record(assessment: Assessment) -> list[dict[str, Any]]:
    """The ledger's rows for a judgement: one per rule."""
    return [_row(rule, assessment.snapshot_at.isoformat()) for rule in assessment.rules]


def _row(rule: RuleResult, now: str) -> dict[str, Any]:
    trend = rule.trend
    return {
        "name": rule.name,
        "suite": rule.suite,
        "check": rule.check.value,
        "severity": rule.severity.value,
        "violations": rule.violations,
        "waived": rule.waived,
        "keys": list(rule.keys),
        "keys_since": [_iso(since) for since in trend.keys_since] if trend else [now] * len(rule.keys),
        "failing_since": _iso(trend.failing_since) if trend else now if rule.failing else None,
        "new": trend.new if trend else None,
        "persisting": trend.persisting if trend else None,
        "resolved": trend.resolved if trend else None,
        "resolved_keys": list(trend.resolved_keys) if trend else [],
    }


def past_results(snapshot: Snapshot, project: Project, rules: Iterable[RuleResult]) -> tuple[PastResult, ...]:
    """The violation counts of the rules in the last recorded judgements, oldest first."""
    names = [{"suite": rule.suite, "name": rule.name} for rule in rules]
    rows = _history(snapshot, project.sql("past_results"), [json.dumps(names)])
    return tuple(
        PastResult(row["rule"], row["recorded_at"], row["violations"], row["waived"]) for row in rows
    )


def read_presence(snapshot: Snapshot, project: Project) -> Presence:
    """Count the open sessions by state, and read those of each state that were seen last."""
    rows = snapshot.rows(project.sql("floor"))
    return Presence(
        counts={row["state"]: row["of_this_state"] for row in rows},
        sessions=tuple(
            OpenSession(
                session_id=row["session_id"],
                agent_id=row["agent_id"] or "",
                login_at=row["login_at"],
                last_seen_at=row["last_seen_at"],
                state=row["state"],
            )
            for row in rows
        ),
    )


def read_looks(snapshot: Snapshot, project: Project) -> tuple[PresenceLook, ...]:
    """The looks at presence of the last hours, oldest first."""
    rows = _history(snapshot, project.sql("looks_of_day"), [])
    return tuple(PresenceLook(**row) for row in rows)


def read_ghost_days(snapshot: Snapshot, project: Project) -> tuple[GhostDay, ...]:
    """The observed days of the last time, oldest first."""
    return tuple(GhostDay(**row) for row in _history(snapshot, project.sql("ghost_hours"), []))


def read_hours_of_day(snapshot: Snapshot, project: Project) -> tuple[HourOfDay, ...]:
    """The hours of the day in which calls were offered."""
    return tuple(HourOfDay(**row) for row in _history(snapshot, project.sql("service_levels"), []))


def with_failures(workspace: Workspace, runs: Sequence[Row]) -> list[Row]:
    """Add to each past run `rules`: those that failed at its last judgement or that it resolved.

    Rules that decide the verdict come first; the list is empty for a run without findings or judgement.
    """
    by_run: dict[str, list[Row]] = {}
    if runs:
        with workspace.database.snapshot() as snapshot:
            query = workspace.project.sql("failures_of_runs")
            for row in _history(snapshot, query, [[run["run_id"] for run in runs]]):
                by_run.setdefault(row.pop("run_id"), []).append(row)
    return [{**run, "rules": by_run.get(run["run_id"], [])} for run in runs]


def _history(snapshot: Snapshot, query: str, parameters: Sequence[Any]) -> list[Row]:
    try:
        with snapshot.connection.transaction():
            return snapshot.rows(query, parameters)
    except LEDGER_UNREADABLE:
        return []


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
