"""Assess: judge a database on one snapshot. Changes nothing, needs SELECT alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollcall.database import Snapshot
from rollcall.flags import ROUTE_BY_HEARTBEAT, is_on
from rollcall.results import Assessment, Severity
from rollcall.schema import Statement, declared_changes, pending_statements
from rollcall.verdict import checks_of, verdict_of
from rollcall.workspace import Workspace

if TYPE_CHECKING:
    from rollcall.expectations import Judgement

__all__ = ["assess"]

CLOCK = ("judged_at", "current_at", "abandoned_before")
FACTS = ("open_sessions", "working_sessions", "active_agents", "pending_changes")
HEARTBEAT_FEED = "heartbeat_feed"  # tells whether the flag may be on: blocking once it is
UNREADABLE = "not all rows of the application can be read, so no rule about them was evaluated"
VIEW_SUITES = {"cleaned_sessions": "agent_sessions", "routable_agents": "routable_agents"}


def assess(workspace: Workspace, judged_at: datetime | None = None, *, history: bool = False) -> Assessment:
    """Judge the database.

    Args:
        judged_at: judge as of this instant; by default the snapshot's own.
        history: judge closed sessions, all calls and the deployed views too, which reads them whole.

    Raises:
        ConfigurationError: a configured table or column does not exist.
        EvaluationError: the rules could not be evaluated.
    """
    project = workspace.project
    with workspace.database.snapshot(judged_at) as snapshot:
        statements = pending_statements(snapshot, project)
        clock = snapshot.row(project.sql("clock"))
        schema, is_readable = _judge_schema(workspace, snapshot, statements)
        judgements = [schema]
        facts: dict[str, int] = {}
        if is_readable:
            live, facts = _judge_data(workspace, snapshot, "readiness", "readiness_counts", "failing_keys")
            if is_on(snapshot, project, ROUTE_BY_HEARTBEAT):
                live = _with_severity(live, HEARTBEAT_FEED, Severity.BLOCKING)
            judgements.append(live)
            if history:
                past, _ = _judge_data(
                    workspace, snapshot, "history", "history_counts", "history_failing_keys"
                )
                judgements += [past, *_judge_views(workspace, snapshot, statements, judged_at)]
    rules = tuple(rule for judgement in judgements for rule in judgement)
    checks = checks_of(rules)
    return Assessment(
        verdict=verdict_of(checks),
        checks=checks,
        rules=rules,
        pending_statements=len(statements),
        pending_changes=facts.get("pending_changes", 0),
        judged_at=clock["judged_at"].astimezone(UTC),
        cutoff=clock["abandoned_before"].astimezone(UTC),
        snapshot_at=clock["current_at"].astimezone(UTC),
        server_version=workspace.database.server_version,
        database=workspace.database.name,
        warnings=() if is_readable else (UNREADABLE,),
        facts=facts,
        judgements=tuple(judgements),
    )


def _judge_schema(
    workspace: Workspace, snapshot: Snapshot, statements: Sequence[Statement]
) -> tuple[Judgement, bool]:
    """The schema suite, and whether the application's rows can be read."""
    from rollcall.expectations import judge_counts

    counts = snapshot.row(workspace.project.sql("schema_counts"))
    own = [item.object_name for item in statements if item.kind in ("table", "view")]
    counts["missing_own_object"] += len(own)
    keys: dict[str, list[str]] = defaultdict(list, {"missing_own_object": own})
    for change in declared_changes(snapshot, workspace.project):
        if change["state"] != "present":
            kind = {"comment": "column", "schema": "own_object"}.get(change["kind"], change["kind"])
            keys[f"{change['state']}_{kind}"].append(change["object_name"])
    for table in snapshot.rows(workspace.project.sql("application_tables")):
        if not table["is_readable"]:
            keys["missing_select_privilege"].append(table["table_name"])
        if table["is_filtered"]:
            keys["hidden_rows"].append(table["table_name"])
        if not table["has_primary_key"]:
            keys["missing_primary_key"].append(table["table_name"])
    is_readable = not (counts["missing_select_privilege"] or counts["hidden_rows"])
    return judge_counts(workspace.suites["schema"], counts, keys), is_readable


def _judge_data(
    workspace: Workspace, snapshot: Snapshot, suite: str, counts_model: str, keys_model: str
) -> tuple[Judgement, dict[str, int]]:
    """One suite over its row of counts, and the facts of that row; keys are read only when a rule has any."""
    from rollcall.expectations import judge_counts

    row = snapshot.row(workspace.project.sql(counts_model))
    facts = {name: row[name] for name in FACTS if name in row}
    counts = {name: count for name, count in row.items() if name not in (*CLOCK, *FACTS)}
    keys = _by_rule(snapshot.rows(workspace.project.sql(keys_model))) if any(counts.values()) else {}
    return judge_counts(workspace.suites[suite], counts, keys), facts


def _judge_views(
    workspace: Workspace,
    snapshot: Snapshot,
    statements: Sequence[Statement],
    judged_at: datetime | None,
) -> list[Judgement]:
    """The suites of the cleaned views, of those that are deployed as declared."""
    from rollcall.expectations import judge_table

    pending = {item.object_name for item in statements if item.kind == "view"}
    results: list[Judgement] = []
    for suite, view in VIEW_SUITES.items():
        relation = next(own for own in workspace.project.own_relations if own.name == view)
        if f"{relation.schema}.{relation.name}" not in pending:
            results.append(
                judge_table(
                    workspace.suites[suite],
                    workspace.database.connect,
                    relation.schema,
                    relation.name,
                    snapshot.exported(),
                    judged_at,
                )
            )
    return results


def _with_severity(judgement: Judgement, name: str, severity: Severity) -> Judgement:
    """The judgement with another severity for one rule."""
    rules = (replace(rule, severity=severity) if rule.name == name else rule for rule in judgement.rules)
    return replace(judgement, rules=tuple(rules))


def _by_rule(rows: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        keys[row["rule"]].append(row["key"])
    return keys
