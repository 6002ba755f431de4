"""The whole line on one database: assess, plan, approve, migrate, clean, verify, report.

A `Pipeline` keeps what one step hands to the next. The order of the steps is said in `flows/`.
"""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rollcall import console
from rollcall.assess.assessment import assess
from rollcall.clean.breaker import check_breaker
from rollcall.clean.cleaning import CleaningResult, clean
from rollcall.errors import BreakerTripped, ConfigurationError, EvaluationError
from rollcall.ledger.pooler import refuse_pooler
from rollcall.ledger.runs import Run, open_run
from rollcall.migrate.migration import MigrationResult, migrate
from rollcall.plan.pending_work import Plan, make_plan
from rollcall.plan.stored import read_plan
from rollcall.process import private_files
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, TrippedBreaker, Verdict
from rollcall.settings.configuration import load_settings
from rollcall.verify import Verification, verify
from rollcall.workspace import Workspace

__all__ = ["Approval", "Pipeline"]


class Approval(StrEnum):
    """Who says that the plan may be executed."""

    ASK = "ask"  # the person at the terminal
    YES = "yes"  # --yes was given
    SCHEDULE = "schedule"  # the schedule was deployed


class Pipeline:
    """One run of the line. Every method is one step and shows what it found.

    Args:
        workspace: the database and what is needed to work on it.
        command: what the run is recorded as.
        approval: how the plan is approved.
        history: judge closed sessions, calls and the deployed views too.
        full_history: all of them, and not only what changed since they were last read.
        plan: execute just this plan, which is approved: a file, or a stored plan's hash.
    """

    def __init__(
        self,
        workspace: Workspace,
        command: str = "run",
        approval: Approval = Approval.ASK,
        *,
        history: bool = False,
        full_history: bool = False,
        plan: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.command = command
        self.approval = approval
        self.history = history or full_history
        self.full_history = full_history
        self.source = plan
        self.started_at = datetime.now(UTC)
        self.before: Assessment | None = None
        self.pending: Plan | None = None
        self.migration: MigrationResult | None = None
        self.cleaning: CleaningResult | None = None
        self.verification: Verification | None = None
        self.tripped: TrippedBreaker | None = None
        self.report: Path | None = None
        self._run: Run | None = None
        self._stack = contextlib.ExitStack()

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        command: str,
        approval: str = Approval.ASK,
        *,
        history: bool = False,
        full_history: bool = False,
        plan: str | None = None,
    ) -> Iterator[Pipeline]:
        """A pipeline on the configured database; its run ends with the block.

        The configuration is that of the environment alone: no flow takes a var as a parameter.

        Raises:
            ConfigurationError, ConnectionFailed: see `load_settings` and `Workspace`.
        """
        workspace = Workspace(load_settings())
        pipeline = cls(
            workspace, command, Approval(approval), history=history, full_history=full_history, plan=plan
        )
        with private_files(), pipeline._stack:
            yield pipeline

    @property
    def may_go_on(self) -> bool:
        """Whether the database can be worked on: not when a person must act first."""
        return self.before is not None and self.before.verdict is not Verdict.NOT_READY

    @property
    def outcome(self) -> RunOutcome:
        """What the run has found and done so far."""
        return RunOutcome(
            run_id=self._run.id if self._run else None,
            command=self.command,
            database=self.workspace.database.name,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            before=self.before,
            plan=self.pending,
            migration=self.migration,
            cleaning=self.cleaning,
            verification=self.verification,
            tripped=self.tripped,
        )

    def assess(self) -> Assessment:
        """Judge the database as it is."""
        console.step("Assess")
        self.before = assess(
            self.workspace,
            history=self.history,
            full_history=self.full_history,
            details=self._is_reported,
        )
        console.show_assessment(self.before)
        return self.before

    def plan(self) -> Plan:
        """Read what is still to be done, or the plan that was approved.

        Raises:
            Refused: a pooler in transaction mode would lose the lease, or the approved plan does not fit;
                see `read_plan`.
        """
        console.step("Plan")
        refuse_pooler(self.workspace)  # before a plan is shown that could not be executed
        self.pending = (
            make_plan(self.workspace) if self.source is None else read_plan(self.workspace, self.source)
        )
        console.show_plan(self.pending)
        return self.pending

    def approve(self) -> None:
        """Ask, where a person is to be asked, and take the lease; without a person, ask the breaker.

        Raises:
            ConfigurationError: there is no terminal to ask, or the answer is no; nothing was changed.
            LeaseHeld: another run is at work.
            BreakerTripped: nothing was changed; the run has ended, and is recorded as refused.
        """
        approver = None if self._plan.is_empty else self._approver()
        self._run = self._stack.enter_context(open_run(self.workspace, self.command, approver))
        self._run.note(plan_hash=self._plan.hash, judged_at=self._plan.judged_at.isoformat())
        if self.before is not None:
            self._run.note(verdict_before=self.before.verdict.value)
            self._run.note_rules("before", self.before)
        if self.approval is Approval.SCHEDULE:
            self._run.note(unattended=True)
            try:
                check_breaker(self.workspace, self._plan)
            except BreakerTripped as tripped:
                self.tripped = TrippedBreaker(self._run.id, datetime.now(UTC), str(tripped))
                self._stack.__exit__(type(tripped), tripped, tripped.__traceback__)
                raise

    def migrate(self) -> MigrationResult:
        """Execute the plan's statements."""
        console.step("Migrate")
        self.migration = migrate(
            self.workspace, self._recorded, self._plan.statements, console.show_statement
        )
        console.show_migration(self.migration)
        return self.migration

    def clean(self) -> CleaningResult:
        """Execute the plan's changes."""
        console.step("Clean")
        if self._plan.change_count:
            console.show_clean_role(self.workspace.settings.clean_role)
        with console.progress("sessions") as progress:
            self.cleaning = clean(
                self.workspace,
                self._recorded,
                self._plan,
                progress,
                unattended=self.approval is Approval.SCHEDULE,
            )
        console.show_cleaning(self.cleaning)
        return self.cleaning

    def verify(self) -> Verification:
        """Judge again at the plan's instant, and prove what changed; `failed_proof` says whether it holds."""
        console.step("Verify")
        self.verification = verify(
            self.workspace,
            self._recorded.id,
            self._plan.judged_at,
            history=self.history,
            # what was just read is not read again, but for views that were deployed only now
            full_history=self.history and self._has_migrated,
            details=self._is_reported,
        )
        self._recorded.note(verdict=self.verification.assessment.verdict.value)
        self._recorded.note_rules("after", self.verification.assessment)
        console.show_verification(self.verification, self.before)
        return self.verification

    @property
    def failed_proof(self) -> EvaluationError | None:
        """What is wrong with the proof; none: it holds, or nothing was verified yet."""
        if self.verification is None or self.verification.holds:
            return None
        run_id = self._recorded.id
        return EvaluationError(
            f"the proof of run {run_id} does not hold",
            f"`rollcall verify --run {run_id}` shows what differs",
        )

    def publish(self, directory: Path | None = None) -> Path:
        """Write the report, with the data docs beside it, and say where it is."""
        from rollcall.report.folder import publish

        self.report = publish(directory or self.workspace.settings.reports_directory, self.outcome)
        console.show_report(self.report)
        return self.report

    @property
    def _has_migrated(self) -> bool:
        return self.migration is not None and bool(self.migration.executed)

    @property
    def _is_reported(self) -> bool:
        """Whether a report with its charts is made as a rule: not by a clean-up every few minutes."""
        return self.command != "clean"

    @property
    def _plan(self) -> Plan:
        assert self.pending is not None, "plan() comes first"
        return self.pending

    @property
    def _recorded(self) -> Run:
        assert self._run is not None, "approve() comes first"
        return self._run

    def _approver(self) -> str:
        if self.source is not None:
            return f"{getpass.getuser()} (plan {self.source})"
        if self.approval is not Approval.ASK:
            return f"{getpass.getuser()} ({self.approval.value})"
        if not sys.stdin.isatty():
            raise ConfigurationError(
                "there is no terminal to ask for approval, so nothing was changed",
                "read `rollcall plan` and run again with --yes",
            )
        if not console.confirm("Execute this plan?"):
            raise ConfigurationError("the plan was not approved, so nothing was changed")
        return f"{getpass.getuser()} (asked)"
