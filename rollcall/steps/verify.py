"""Verify: judge again, and prove what a run changed and what it did not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rollcall.errors import ConfigurationError, LedgerHidden
from rollcall.ledger.images import ImagesProof, prove_images
from rollcall.ledger.runs import has_ledger, ledger_needed, refuse_older_ledger
from rollcall.rules.results import Assessment
from rollcall.steps.assess.assessment import assess
from rollcall.steps.migrate.proof import MigrationProof, prove_migration
from rollcall.workspace import Workspace

__all__ = ["Proof", "Regret", "Verification", "read_regrets", "verify"]

NEW_KEYS_SHOWN = 20
UNREADABLE_LEDGER = "this role may not read rollcall_ops: nothing is said of past migrations and regrets"
LEDGER = ("runs", "changes", "change_digests", "skips")


@dataclass(frozen=True)
class Proof:
    """The proof of one run from the ledger and the table. All numbers count sessions.

    Attributes:
        other_columns_changed: values of other columns that differ between the images without a trigger or
            a generated column that explains them.
        rows_missing: planned rows that are no longer in the table.
        changed_since: rows changed after the run; `changed_since_keys` has the first keys.
        finished: whether the run ended by itself; a killed run leaves planned sessions unreached.
        written_otherwise: changed rows whose planned columns have another value, written by a trigger.
        other_columns: the number of differences between the images, by other column.
        images: whether the recorded images are unaltered.
    """

    run_id: str
    planned: int
    changed: int
    skipped: int
    other_columns_changed: int
    rows_missing: int
    changed_since: int
    changed_since_keys: tuple[str, ...]
    finished: bool = True
    written_otherwise: int = 0
    other_columns: dict[str, int] = field(default_factory=dict)
    plan_hash: str | None = None
    approved_by: str | None = None
    undone_by: str | None = None
    images: ImagesProof | None = None

    @property
    def unreached(self) -> int:
        """The number of planned rows that were neither changed nor skipped."""
        return self.planned - self.changed - self.skipped

    @property
    def holds(self) -> bool:
        """Whether all rows are accounted for, only as planned, with unaltered images."""
        accounted = self.unreached == 0 if self.finished else self.unreached >= 0
        images_hold = self.images is None or self.images.holds
        return accounted and images_hold and not self.other_columns_changed and not self.rows_missing

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "holds": self.holds,
            "plan_hash": self.plan_hash,
            "approved_by": self.approved_by,
            "finished": self.finished,
            "undone_by": self.undone_by,
            "planned": self.planned,
            "changed": self.changed,
            "skipped": self.skipped,
            "unreached": self.unreached,
            "written_otherwise": self.written_otherwise,
            "other_columns": self.other_columns,
            "other_columns_changed": self.other_columns_changed,
            "rows_missing": self.rows_missing,
            "changed_since": self.changed_since,
            "changed_since_keys": list(self.changed_since_keys),
            "images": self.images.to_json() if self.images else None,
        }


@dataclass(frozen=True)
class Regret:
    """A premature close: the agent of a closed session was active afterwards."""

    run_id: str
    session_id: str
    agent_id: str
    closed_at: datetime
    sign: str
    seen_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "session_id": self.session_id,
            "agent_id": self.agent_id,
            "closed_at": self.closed_at.isoformat(),
            "sign": self.sign,
            "seen_at": self.seen_at.isoformat() if self.seen_at else None,
        }


@dataclass(frozen=True)
class Verification:
    """The second judgement, the proofs, and the sessions that became due meanwhile.

    Attributes:
        proof: the proof of the clean-up; none: the run has no clean-up.
        migration: the proof of the run's migration; without a run, of the latest migration.
    """

    assessment: Assessment
    proof: Proof | None
    newly_due: int
    newly_due_keys: tuple[str, ...]
    regrets: tuple[Regret, ...] = ()
    migration: MigrationProof | None = None

    @property
    def holds(self) -> bool:
        """Whether both proofs hold."""
        return all(proof.holds for proof in (self.proof, self.migration) if proof is not None)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.assessment.to_json(),
            "proof": self.proof.to_json() if self.proof else None,
            "migration": self.migration.to_json() if self.migration else None,
            "newly_due": self.newly_due,
            "newly_due_keys": list(self.newly_due_keys),
            "regret": [regret.to_json() for regret in self.regrets],
        }


def verify(
    workspace: Workspace,
    run_id: str | None = None,
    judged_at: datetime | None = None,
    *,
    history: bool = False,
    full_history: bool = False,
    details: bool = False,
) -> Verification:
    """Judge again at the plan's instant, and prove the run.

    Args:
        run_id: the run to prove; none: judge only.
        history, full_history, details: see `assess`.
        judged_at: the instant of the plan; sessions that became due since then count as new.

    Raises:
        ConfigurationError: the run does not exist, or has nothing to prove.
        LedgerHidden: the role may not read the record of the run.
    """
    warnings: tuple[str, ...] = ()
    proof, migration = None, None
    regrets: tuple[Regret, ...] = ()
    try:
        with ledger_needed():
            proof = _prove(workspace, run_id) if run_id is not None else None
            migration = prove_migration(workspace, run_id)
            regrets = read_regrets(workspace, run_id)
    except LedgerHidden:
        if run_id is not None:
            raise
        warnings = (UNREADABLE_LEDGER,)
    if run_id is not None and proof is None and migration is None:
        raise ConfigurationError(
            f"run {run_id} neither migrated nor cleaned anything, so there is nothing to prove",
            "`rollcall history` lists the runs",
        )
    assessment = assess(workspace, judged_at, history=history, full_history=full_history, details=details)
    newly_due, keys = _newly_due(workspace) if judged_at is not None else (0, ())
    return Verification(
        assessment=replace(assessment, warnings=(*assessment.warnings, *warnings)),
        proof=proof,
        newly_due=newly_due,
        newly_due_keys=keys,
        regrets=regrets,
        migration=migration,
    )


def _newly_due(workspace: Workspace) -> tuple[int, tuple[str, ...]]:
    """The sessions that became due since the plan: the pending changes now."""
    with workspace.database.snapshot() as snapshot:
        pending = snapshot.row(workspace.project.sql("readiness_counts"))["pending_changes"]
        rows = snapshot.stream(workspace.project.sql("planned_changes")) if pending else iter(())
        return pending, tuple(row["session_id"] for row in itertools.islice(rows, NEW_KEYS_SHOWN))


def _prove(workspace: Workspace, run_id: str) -> Proof | None:
    """The proof of the run's clean-up; none: the run has no clean-up."""
    with workspace.database.snapshot() as snapshot:
        refuse_older_ledger(snapshot, workspace.project)
        rows = (
            snapshot.rows(workspace.project.sql("prove_run"), [run_id])
            if has_ledger(snapshot, workspace.project, *LEDGER)
            else []
        )
        images = prove_images(snapshot, workspace.project, run_id) if rows else None
    if not rows:
        raise ConfigurationError(f"no run {run_id} is recorded", "`rollcall history` lists the runs")
    row = rows[0]
    if row["planned"] is None:
        return None
    other_columns = row["other_columns"] or {}
    explained = row["has_triggers"] or set(other_columns) <= set(row["generated_columns"])
    return Proof(
        run_id=run_id,
        planned=row["planned"],
        changed=row["changed"],
        skipped=row["skipped"],
        other_columns_changed=0 if explained else sum(other_columns.values()),
        rows_missing=row["rows_missing"] + row["skipped_missing"],
        changed_since=row["changed_since"],
        changed_since_keys=tuple(row["changed_since_keys"] or ()),
        finished=row["finished_at"] is not None and row["failure"] is None,
        written_otherwise=row["written_otherwise"],
        other_columns=other_columns,
        plan_hash=row["plan_hash"],
        approved_by=row["approved_by"],
        undone_by=row["undone_by"],
        images=images,
    )


def read_regrets(workspace: Workspace, run_id: str | None = None) -> tuple[Regret, ...]:
    """The regrets of a run; without one those of all runs of the last hours."""
    with workspace.database.snapshot() as snapshot:
        if not has_ledger(snapshot, workspace.project, *LEDGER):
            return ()
        rows = snapshot.rows(workspace.project.sql("regret"), [run_id])
    return tuple(Regret(**row) for row in rows)
