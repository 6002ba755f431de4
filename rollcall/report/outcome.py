"""The outcome of one run: the value that every report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollcall.errors import EvaluationError, ProofFailed
from rollcall.rules.verdict import FailOn

if TYPE_CHECKING:
    from rollcall.rules.results import Assessment, TrippedBreaker
    from rollcall.steps.clean.cleaning import CleaningResult
    from rollcall.steps.migrate.migration import MigrationResult
    from rollcall.steps.plan.pending_work import Plan
    from rollcall.steps.verify import Verification

__all__ = ["RunOutcome"]

SKIPPED_IN_JSON = 1_000


@dataclass(frozen=True)
class RunOutcome:
    """The findings and changes of one command, as far as it ran.

    Attributes:
        run_id: the ledger's id; None for a command that only reads.
        command: such as ``run`` or ``assess``.
        database: its name.
        started_at, finished_at: aware; finished_at is None while the run is active.
        before: the judgement before any change.
        plan: the pending work when it was read; its single changes are not shown.
        migration, cleaning: the results; None where the step did not run.
        verification: the judgement after the changes, and the proof.
        tripped: why the breaker stopped this run; `breaker` also covers an earlier run.
        fail_on: the severity from which on a violated rule counts in the exit code.
    """

    run_id: str | None
    command: str
    database: str
    started_at: datetime
    finished_at: datetime | None
    before: Assessment | None = None
    plan: Plan | None = None
    migration: MigrationResult | None = None
    cleaning: CleaningResult | None = None
    verification: Verification | None = None
    tripped: TrippedBreaker | None = None
    fail_on: FailOn = FailOn.CRITICAL

    @property
    def breaker(self) -> TrippedBreaker | None:
        """The unresolved tripped breaker of this run or of an earlier one."""
        return self.tripped or (self.latest.breaker if self.latest else None)

    @property
    def broken_proof(self) -> str | None:
        """Why the proof of the run does not hold; None where it holds or nothing was to be proven."""
        if self.verification is None or self.run_id is None or self.verification.holds:
            return None
        return f"the proof of run {self.run_id} does not hold"

    @property
    def failed_proof(self) -> ProofFailed | None:
        """The error for a run whose proof does not hold."""
        if self.broken_proof is None:
            return None
        return ProofFailed(self.broken_proof, f"`rollcall verify --run {self.run_id}` shows what differs")

    @property
    def latest(self) -> Assessment | None:
        """The latest judgement; None without one."""
        return self.verification.assessment if self.verification else self.before

    @property
    def judgement(self) -> Assessment:
        """The latest judgement.

        Raises:
            EvaluationError: nothing was judged.
        """
        if self.latest is None:
            raise EvaluationError(f"the command {self.command} judged nothing")
        return self.latest

    @property
    def acted(self) -> bool:
        """Whether a step that can change something ran, even if it found no work."""
        return self.migration is not None or self.cleaning is not None

    @property
    def changed(self) -> bool:
        """Whether the run changed the database."""
        executed = self.migration is not None and bool(self.migration.executed)
        return executed or (self.cleaning is not None and self.cleaning.changed > 0)

    @property
    def compared(self) -> tuple[Assessment, Assessment] | None:
        """The judgements before and after the changes of the run, if there were any."""
        if self.before is None or self.verification is None or not self.changed:
            return None
        return self.before, self.verification.assessment

    @property
    def seconds(self) -> float | None:
        """The duration of the run in seconds."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    def to_json(self) -> dict[str, Any]:
        """The outcome without the plan's single changes; skipped rows are capped and counted."""
        latest = self.latest
        return {
            "run_id": self.run_id,
            "command": self.command,
            "database": self.database,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "breaker": self.breaker.to_json() if self.breaker else None,
            "verdict": latest.verdict.value if latest else None,
            "before": self.before.to_json() if self.before else None,
            "plan": _plan_json(self.plan) if self.plan else None,
            "migration": _capped(self.migration.to_json()) if self.migration else None,
            "cleaning": _capped(self.cleaning.to_json()) if self.cleaning else None,
            "verification": self.verification.to_json() if self.verification else None,
        }


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "hash": plan.hash,
        "judged_at": plan.judged_at.isoformat(),
        "statements": [statement.to_json() for statement in plan.statements],
        "change_count": plan.change_count,
        "by_remedy": dict(plan.by_remedy),
        "by_rule": dict(plan.by_rule),
    }


def _capped(document: dict[str, Any]) -> dict[str, Any]:
    """A step's JSON with at most SKIPPED_IN_JSON skipped rows and their exact count."""
    skipped = document["skipped"]
    return {**document, "skipped": skipped[:SKIPPED_IN_JSON], "skipped_count": len(skipped)}
