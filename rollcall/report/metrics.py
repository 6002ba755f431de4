"""Metrics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from rollcall import __version__
from rollcall.rules.results import Assessment, Verdict

__all__ = ["metrics_text"]

FACTS = ("open_sessions", "working_sessions", "active_agents")


def metrics_text(
    assessment: Assessment, routable_agents: int | None, past: Sequence[Mapping[str, Any]]
) -> str:
    """Describe a database by its assessment and its past runs.

    Args:
        assessment: read with details, so that it has the states of the open sessions.
        routable_agents: the number of rows of the view; none where it is not deployed.
        past: rows of the history, newest first.

    Returns:
        Metrics in Prometheus' text format. Every sample has the label `database`.
    """
    metrics = _Metrics(assessment.database)
    metrics.add("rollcall_build_info", "The version of Rollcall.", [((__version__,), 1)], ["version"])
    metrics.add(
        "rollcall_verdict",
        "1 for the verdict of the database, 0 for the others.",
        [((verdict.value,), assessment.verdict is verdict) for verdict in Verdict],
        ["verdict"],
    )
    metrics.add(
        "rollcall_judged_timestamp_seconds",
        "When the database was judged, in seconds since 1970.",
        [((), assessment.judged_at.timestamp())],
    )
    rules = [rule for rule in assessment.rules if rule.not_judged is None]
    named = [((rule.name, rule.check.value, rule.severity.value), rule) for rule in rules]
    labels = ["rule", "check", "severity"]
    metrics.add(
        "rollcall_rule_violations",
        "Rows that violate a rule, without the waived ones.",
        [(names, rule.failing) for names, rule in named],
        labels,
    )
    metrics.add(
        "rollcall_rule_waived",
        "Rows that violate a rule and are waived.",
        [(names, rule.waived) for names, rule in named],
        labels,
    )
    for name in FACTS:
        text = f"Number of {name.replace('_', ' ')}."
        metrics.add(f"rollcall_{name}", text, [((), assessment.facts[name])])
    if assessment.presence is not None:
        metrics.add(
            "rollcall_sessions_by_state",
            "Open sessions by the evidence of their agent: talking, present, quiet, abandoned (a ghost).",
            [((state,), count) for state, count in assessment.presence.counts.items()],
            ["state"],
        )
    for name, pending in (
        ("rollcall_pending_statements", assessment.pending_statements),
        ("rollcall_pending_changes", assessment.pending_changes),
    ):
        metrics.add(name, "What a plan would hold.", [((), pending)])
    if routable_agents is not None:
        text = "Agents that an inbound call may reach now."
        metrics.add("rollcall_routable_agents", text, [((), routable_agents)])
    _add_runs(metrics, past)
    return metrics.text()


def _add_runs(metrics: _Metrics, past: Sequence[Mapping[str, Any]]) -> None:
    """The newest ended run of each command."""
    newest: dict[str, Mapping[str, Any]] = {}
    for run in past:
        if run["finished_at"] is not None:
            newest.setdefault(run["command"], run)
    for name, text, value in (
        ("finished_timestamp_seconds", "When it ended, in seconds since 1970.", _finished),
        ("duration_seconds", "How long it took.", _duration),
        ("changed_sessions", "How many sessions it changed.", lambda run: run["changed"] or 0),
        ("failed", "1 if it failed.", lambda run: run["failure"] is not None),
    ):
        samples = [((command,), value(run)) for command, run in newest.items()]
        metrics.add(f"rollcall_last_run_{name}", f"The last run of a command: {text}", samples, ["command"])


def _finished(run: Mapping[str, Any]) -> float:
    finished: datetime = run["finished_at"]
    return finished.timestamp()


def _duration(run: Mapping[str, Any]) -> float:
    return _finished(run) - float(run["started_at"].timestamp())


class _Metrics:
    """Gauges of one database."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._registry = CollectorRegistry()

    def add(
        self,
        name: str,
        text: str,
        samples: Iterable[tuple[tuple[str, ...], float]],
        labels: Sequence[str] = (),
    ) -> None:
        gauge = Gauge(name, text, ["database", *labels], registry=self._registry)
        for values, value in samples:
            gauge.labels(self._database, *values).set(value)

    def text(self) -> str:
        return generate_latest(self._registry).decode("utf-8")
