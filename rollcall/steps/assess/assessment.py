"""Assess: judge a database on one snapshot. Changes nothing, needs SELECT alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from rollcall.database.connections import Snapshot, reason_of
from rollcall.dbt.project import Project
from rollcall.errors import EvaluationError
from rollcall.ledger.flags import HEARTBEAT_FEED, ROUTE_BY_HEARTBEAT, is_on
from rollcall.ledger.ownership import faults_of_rollcall_objects, findings_on_rollcall_objects
from rollcall.ledger.readings import begin_reading
from rollcall.ledger.trend import (
    past_results,
    read_ghost_days,
    read_hours_of_day,
    read_looks,
    read_presence,
    with_trends,
)
from rollcall.ledger.tripped_breaker import tripped_breaker
from rollcall.rules.custom_rules import insert_custom_query
from rollcall.rules.reach import mark_not_judged
from rollcall.rules.results import Assessment, HistoryReading, PendingWork, RuleResult, Severity
from rollcall.rules.verdict import checks_of, verdict_of
from rollcall.rules.waiver import warnings_of
from rollcall.schema.declared import (
    Statement,
    conflicts_of_rollcall_relations,
    declared_changes,
    pending_statements,
)
from rollcall.steps.assess.samples import with_samples
from rollcall.steps.assess.views import judge_views
from rollcall.steps.assess.waivers import Keys, Waived
from rollcall.workspace import Workspace

if TYPE_CHECKING:
    from rollcall.rules.judging import Judgement
    from rollcall.rules.suites import Suite

__all__ = ["assess"]

CLOCK = ("judged_at", "current_at", "abandoned_before")
FACTS = ("open_sessions", "working_sessions", "active_agents", "pending_changes")
UNREADABLE_BY = ("missing_select_privilege", "hidden_rows", "conflicting_column")
UNREADABLE = "not all rows can be read as declared, so no rule about them was evaluated"
UNREADABLE_FLAGS = "this role may not read rollcall_ops.flags: judged as if routing by heartbeat were off"
WITH_KEYS = ("readiness", "history")  # the suites over the rows of the application
OUT_OF_SIGHT = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
)
QUALIFY = (
    "the query runs with an empty search_path, so that no object of another role is taken for yours; "
    "write each table, function and type outside pg_catalog with its schema, like public.customers"
)


def assess(
    workspace: Workspace,
    judged_at: datetime | None = None,
    *,
    history: bool = False,
    full_history: bool = False,
    details: bool = False,
    samples: int = 0,
) -> Assessment:
    """Judge the database.

    Args:
        judged_at: the instant of judgement; none: the instant of the snapshot.
        history: judge closed sessions, calls and the deployed views too: the changes since the last recorded
            reading, or all of it (see `rollcall.ledger.readings`).
        full_history: judge all of the history.
        details: read the past counts, the open sessions and the pending work for the report.
        samples: the number of keys of each failing rule whose values are read.

    Raises:
        ConfigurationError: a configured table or column does not exist.
        EvaluationError: the rules could not be evaluated.
    """
    project = workspace.project
    waived = Waived.read(workspace)
    with workspace.database.snapshot(judged_at) as snapshot:
        statements = pending_statements(snapshot, project)
        clock = snapshot.row(project.sql("clock"))
        schema, is_readable = _judge_schema(workspace, snapshot, statements)
        judgements = [schema]
        facts: dict[str, int] = {}
        reading: HistoryReading | None = None
        warnings = [UNREADABLE]
        waived.begin(clock["current_at"])
        if is_readable:
            live, facts, warnings = _judge_live_data(workspace, snapshot, waived)
            judgements.append(live)
            if history or full_history:
                reading = begin_reading(snapshot, project, full=full_history)
                judgements.append(_judge_history(workspace, snapshot, waived))
                judgements += judge_views(
                    workspace, snapshot, statements, judged_at, of_all_sessions=reading.is_full
                )
            judgements += [
                _judge_custom(workspace, snapshot, suite, waived) for suite in waived.custom.values()
            ]
        judged = mark_not_judged(
            (rule for judgement in judgements for rule in judgement), workspace.settings.variables
        )
        rules = with_trends(snapshot, project, judged, clock["current_at"])
        if samples:
            rules = with_samples(snapshot, project, rules, _units(judgements), samples)
        tripped = tripped_breaker(snapshot, project)
        shown = _details(snapshot, project, rules, statements, is_readable) if details else {}
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
        warnings=(*([tripped.warning] if tripped else []), *warnings, *warnings_of(waived.results)),
        facts=facts,
        judgements=tuple(judgements),
        waivers=tuple(waived.results),
        history=reading,
        breaker=tripped,
        **shown,
    )


def _judge_schema(
    workspace: Workspace, snapshot: Snapshot, statements: Sequence[Statement]
) -> tuple[Judgement, bool]:
    """Judge the schema suite. Gives also whether the application's rows are readable."""
    project = workspace.project
    changes = declared_changes(snapshot, project)
    states = json.dumps([{"kind": change["kind"], "state": change["state"]} for change in changes])
    counts = snapshot.row(project.sql("schema_judged"), [states])
    keys = _keys_of_declared_changes(changes)

    missing = [item.object_name for item in statements if item.kind in ("table", "view")]
    counts["missing_own_object"] += len(missing)
    keys["missing_own_object"] = missing + keys["missing_own_object"]

    faults = faults_of_rollcall_objects(snapshot.connection, project, workspace.settings)
    conflicts = [conflict.object_name for conflict in conflicts_of_rollcall_relations(snapshot, project)]
    conflicts += [f"{fault.object_name}: {fault.reason}" for fault in faults]
    found = findings_on_rollcall_objects(snapshot.connection, project, workspace.settings)
    for rule, names in {"conflicting_own_object": conflicts, **found}.items():
        counts[rule], keys[rule] = len(names), list(names)

    for rule, name in _obstacles_in_application(snapshot, project):
        keys[rule].append(name)
    is_readable = not any(counts[rule] for rule in UNREADABLE_BY)
    named = {rule: Keys(failing=tuple(names)) for rule, names in keys.items()}
    return _judge(workspace, workspace.suites["schema"], counts, named), is_readable


def _keys_of_declared_changes(changes: Iterable[Mapping[str, Any]]) -> defaultdict[str, list[str]]:
    """The objects that are not as declared, by the rule that they violate."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for change in changes:
        if change["state"] != "present":
            kind = {"comment": "column", "schema": "own_object"}.get(change["kind"], change["kind"])
            keys[f"{change['state']}_{kind}"].append(change["object_name"])
    return keys


def _obstacles_in_application(snapshot: Snapshot, project: Project) -> Iterator[tuple[str, str]]:
    """The rules that the application's tables violate, with the name of what violates them."""
    for obstacle in snapshot.rows(project.sql("update_obstacles")):
        yield obstacle["finding"], obstacle["found"]
    for table in snapshot.rows(project.sql("application_tables")):
        if not table["is_readable"]:
            yield "missing_select_privilege", table["table_name"]
        if table["is_filtered"]:
            yield "hidden_rows", table["table_name"]
        if not table["has_primary_key"]:
            yield "missing_primary_key", table["table_name"]


def _judge_live_data(
    workspace: Workspace, snapshot: Snapshot, waived: Waived
) -> tuple[Judgement, dict[str, int], list[str]]:
    """Judge the readiness suite, counts and keys from one statement. Gives also its facts and warnings."""
    suite = workspace.suites["readiness"]
    row, keys = waived.judge_with_counts(snapshot, workspace.project.sql("readiness_judged"), suite)
    counts = {name: count for name, count in row.items() if name not in (*CLOCK, *FACTS)}
    judgement = _judge(workspace, suite, counts, keys)
    routes_by_heartbeat, warnings = _routes_by_heartbeat(snapshot, workspace.project)
    if routes_by_heartbeat:
        judgement = _with_severity(judgement, HEARTBEAT_FEED, Severity.BLOCKING)
    return judgement, {name: row[name] for name in FACTS}, warnings


def _judge_history(workspace: Workspace, snapshot: Snapshot, waived: Waived) -> Judgement:
    """Judge the history suite, counts and keys from one statement that reads each table once."""
    suite = workspace.suites["history"]
    keys = waived.judge(snapshot, workspace.project.sql("history_judged"), suite, may_lack_keys=True)
    return _judge(workspace, suite, _totals(suite, keys), keys)


def _judge_custom(workspace: Workspace, snapshot: Snapshot, suite: Suite, waived: Waived) -> Judgement:
    """Judge a custom suite by the rows of its query."""
    query = insert_custom_query(workspace.project.sql("own_judged"), suite)
    try:
        with snapshot.connection.transaction():
            keys = waived.judge(snapshot, query, suite)
    except psycopg.Error as error:
        raise EvaluationError(
            f"{suite.path.with_suffix('.sql')} could not be evaluated: {reason_of(error)}",
            "Write one query with the columns rule and key",
        ) from None
    names = {rule.name for rule in suite.rules}
    if unknown := sorted(str(rule) for rule in keys.keys() - names):
        raise EvaluationError(
            f"{suite.path.with_suffix('.sql')} gives a rule {unknown[0]}",
            f"add it to {suite.path.name}",
        )
    return _judge(workspace, suite, _totals(suite, keys), keys)


def _totals(suite: Suite, keys: Mapping[str, Keys]) -> dict[str, int]:
    """The exact number of violations of each rule of a suite, from its keys."""
    return {rule.name: keys[rule.name].total if rule.name in keys else 0 for rule in suite.rules}


def _judge(
    workspace: Workspace, suite: Suite, counts: Mapping[str, int], keys: Mapping[str, Keys]
) -> Judgement:
    """Judge the counts without the waived violations; the results have the total."""
    from rollcall.rules.judging import judge_counts

    shown = int(workspace.settings.variables["sample_keys_per_rule"])
    waived = {name: keys[name].waived_total if name in keys else 0 for name in counts}
    failing = {name: count - waived[name] for name, count in counts.items()}
    judgement = judge_counts(suite, failing)
    rules = tuple(
        replace(
            rule,
            violations=counts[rule.name],
            waived=waived[rule.name],
            keys=keys[rule.name].failing,
            sample_keys=keys[rule.name].failing[:shown],
            waived_keys=keys[rule.name].waived[:shown],
        )
        if rule.name in keys
        else rule
        for rule in judgement.rules
    )
    return replace(judgement, rules=rules)


def _units(judgements: Iterable[Judgement]) -> dict[str, str]:
    """The unit of each rule over the application's rows: ``sessions`` or ``calls``."""
    return {
        rule.name: rule.unit
        for judgement in judgements
        if judgement.suite.name in WITH_KEYS
        for rule in judgement.suite.rules
    }


def _details(
    snapshot: Snapshot,
    project: Project,
    rules: Sequence[RuleResult],
    statements: Sequence[Statement],
    is_readable: bool,
) -> dict[str, Any]:
    """Read the values that only the report shows."""
    return {
        "past": past_results(snapshot, project, rules),
        "presence": read_presence(snapshot, project) if is_readable else None,
        "looks": read_looks(snapshot, project),
        "ghost_days": read_ghost_days(snapshot, project),
        "hours_of_day": read_hours_of_day(snapshot, project),
        "pending": _pending_work(snapshot, project, statements) if is_readable else None,
    }


def _pending_work(snapshot: Snapshot, project: Project, statements: Sequence[Statement]) -> PendingWork:
    by_remedy: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    for row in snapshot.rows(project.sql("pending_work")):
        by_remedy[row["remedy"]] += row["changes"]
        by_rule.update(dict.fromkeys(row["rules"], row["changes"]))
    return PendingWork(tuple(statements), by_remedy.total(), by_remedy, by_rule)


def _routes_by_heartbeat(snapshot: Snapshot, project: Project) -> tuple[bool, list[str]]:
    """Whether routing by heartbeat is on, and a warning where flags are unreadable."""
    try:
        with snapshot.connection.transaction():
            return is_on(snapshot, project, ROUTE_BY_HEARTBEAT), []
    except psycopg.errors.InsufficientPrivilege:
        return False, [UNREADABLE_FLAGS]


def _with_severity(judgement: Judgement, name: str, severity: Severity) -> Judgement:
    """Replace the severity of one rule in a judgement."""
    rules = (replace(rule, severity=severity) if rule.name == name else rule for rule in judgement.rules)
    return replace(judgement, rules=tuple(rules))
