"""Verify: judge again, and prove what a run changed and what it did not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollcall.assessment import assess
from rollcall.errors import ConfigurationError
from rollcall.results import Assessment
from rollcall.workspace import Workspace

__all__ = ["Proof", "Verification", "verify"]

NEW_KEYS_SHOWN = 20


@dataclass(frozen=True)
class Proof:
    """What the ledger and the table prove about one run. All are counts of sessions.

    Attributes:
        other_columns_changed: rows of which more than the planned columns differ between the images.
        rows_missing: changed rows that are no longer in the table.
        changed_since: rows that somebody has changed after us; the first keys beside.
    """

    run_id: str
    planned: int
    changed: int
    skipped: int
    other_columns_changed: int
    rows_missing: int
    changed_since: int
    changed_since_keys: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Every planned row is accounted for, and nothing but the planned columns changed."""
        return (
            self.planned == self.changed + self.skipped
            and not self.other_columns_changed
            and not self.rows_missing
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "holds": self.holds,
            "planned": self.planned,
            "changed": self.changed,
            "skipped": self.skipped,
            "other_columns_changed": self.other_columns_changed,
            "rows_missing": self.rows_missing,
            "changed_since": self.changed_since,
            "changed_since_keys": list(self.changed_since_keys),
        }


@dataclass(frozen=True)
class Verification:
    """The second judgement, the proof, and the sessions that became due while the run worked."""

    assessment: Assessment
    proof: Proof | None
    newly_due: int
    newly_due_keys: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.assessment.to_json(),
            "proof": self.proof.to_json() if self.proof else None,
            "newly_due": self.newly_due,
            "newly_due_keys": list(self.newly_due_keys),
        }


def verify(
    workspace: Workspace,
    run_id: str | None = None,
    judged_at: datetime | None = None,
    *,
    history: bool = False,
) -> Verification:
    """Judge again at the plan's instant, and prove the run.

    Args:
        run_id: the run to prove; none: judge only.
        judged_at: the plan's instant; sessions that became due since then count as new.

    Raises:
        ConfigurationError: no such run.
    """
    assessment = assess(workspace, judged_at, history=history)
    newly_due, keys = _newly_due(workspace) if judged_at is not None else (0, ())
    return Verification(
        assessment=assessment,
        proof=_prove(workspace, run_id) if run_id is not None else None,
        newly_due=newly_due,
        newly_due_keys=keys,
    )


def _newly_due(workspace: Workspace) -> tuple[int, tuple[str, ...]]:
    """What a plan made now would hold: after a complete run, only what became due since its plan."""
    with workspace.database.snapshot() as snapshot:
        pending = snapshot.row(workspace.project.sql("readiness_counts"))["pending_changes"]
        rows = snapshot.stream(workspace.project.sql("cleanup_plan")) if pending else iter(())
        return pending, tuple(str(row["session_id"]) for row in itertools.islice(rows, NEW_KEYS_SHOWN))


def _prove(workspace: Workspace, run_id: str) -> Proof:
    with workspace.database.snapshot() as snapshot:
        row = snapshot.row(workspace.project.sql("prove_run"), [run_id])
    if row["planned"] is None:
        raise ConfigurationError(f"no clean-up run {run_id} is recorded", "`rollcall history` lists the runs")
    return Proof(
        run_id=run_id,
        planned=row["planned"],
        changed=row["changed"],
        skipped=row["skipped"],
        other_columns_changed=row["other_columns_changed"],
        rows_missing=row["rows_missing"],
        changed_since=row["changed_since"],
        changed_since_keys=tuple(row["changed_since_keys"][:NEW_KEYS_SHOWN]),
    )
