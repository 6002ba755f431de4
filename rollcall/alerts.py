"""Alerts of a run: a new verdict, a proof that fails, a tripped breaker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.report.outcome import RunOutcome

__all__ = ["Alert", "alerts_of", "breaker_alert"]

VERDICT_CHANGED = "rollcall.verdict.changed"
PROOF_FAILED = "rollcall.proof.failed"
BREAKER_TRIPPED = "rollcall.breaker.tripped"


@dataclass(frozen=True)
class Alert:
    """News about a database, for automations that alert.

    Attributes:
        event: its kind, like ``rollcall.verdict.changed``.
        database: its name.
        payload: what the event carries; no row of the application.
        text: a sentence for the log and the terminal; empty where the failed flow run has one.
    """

    event: str
    database: str
    payload: Mapping[str, Any]
    text: str = ""


def alerts_of(outcome: RunOutcome, past: Iterable[Mapping[str, Any]]) -> tuple[Alert, ...]:
    """Find what is new since the last run, and whether the proof fails.

    Args:
        outcome: the run; something was judged.
        past: rows of the history, newest first, with ``run_id`` and ``verdict``; this run's is left out.

    Raises:
        EvaluationError: nothing was judged.
    """
    alerts = []
    database, now = outcome.database, outcome.judgement.verdict
    verdicts = (run["verdict"] for run in past if run["run_id"] != outcome.run_id)
    before = next(filter(None, verdicts), None)
    if before not in (None, now):
        text = f"the verdict of {database} changed from {before} to {now}"
        alerts.append(Alert(VERDICT_CHANGED, database, {"from": before, "to": now}, text))
    if outcome.failed_proof is not None:
        payload = {"run": outcome.run_id, "reason": str(outcome.failed_proof)}
        alerts.append(Alert(PROOF_FAILED, database, payload))
    return tuple(alerts)


def breaker_alert(outcome: RunOutcome, reason: str) -> Alert:
    """The breaker stopped this unattended run. reason: what it saw."""
    return Alert(BREAKER_TRIPPED, outcome.database, {"run": outcome.run_id, "reason": reason})
