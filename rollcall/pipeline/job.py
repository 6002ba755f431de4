"""What one command or flow run was asked to do, as a value that its steps take."""

from __future__ import annotations

import contextlib
import getpass
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rollcall import console
from rollcall.errors import ConfigurationError
from rollcall.report.outcome import RunOutcome

if TYPE_CHECKING:
    from rollcall.ledger.runs import Run
    from rollcall.rules.results import Assessment, TrippedBreaker
    from rollcall.steps.clean.cleaning import CleaningResult
    from rollcall.steps.migrate.migration import MigrationResult
    from rollcall.steps.plan.pending_work import Plan
    from rollcall.steps.verify import Verification
    from rollcall.workspace import Workspace

__all__ = ["Approval", "Approved", "Job"]

LONGEST_NAME = 100
STORED_PLAN = re.compile(r"[0-9a-f]{12,64}")


class Approval(StrEnum):
    """How the plan of a run is approved."""

    ASK = "ask"  # with a question at the terminal
    YES = "yes"  # with the option --yes
    SCHEDULE = "schedule"  # by deploying the schedule
    COMMAND = "command"  # by the command itself: migrate, clean
    UNATTENDED = "unattended"  # by the command clean --unattended
    APPROVED = "approved"  # by a person beforehand, who is named; of a stored plan only

    @property
    def is_unattended(self) -> bool:
        """Whether the breaker has to decide, because no person watches the run."""
        return self in (Approval.SCHEDULE, Approval.UNATTENDED)

    @property
    def sends_alerts(self) -> bool:
        """Whether a failure has to be sent, because no person watches the run."""
        return self.is_unattended or self is Approval.APPROVED


@dataclass(frozen=True)
class Job:
    """One command or flow run on one database.

    A context manager: the run that `approve` records ends with the block.

    Attributes:
        command: the name under which the run is recorded.
        approval: how the plan is approved.
        source: the approved plan to execute: a file, or a stored plan's hash; none: what is pending now.
        approved_by: the person who approved the plan; none: the account that runs the command.
        history: judge closed sessions, calls and the deployed views too.
        full_history: all of them, and not only what changed since they were last read.
        details: read what the report shows as well.
        samples: how many rows of each failing rule to read the values of.
    """

    workspace: Workspace
    command: str
    approval: Approval = Approval.ASK
    source: str | None = None
    history: bool = False
    full_history: bool = False
    details: bool = False
    samples: int = 0
    approved_by: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    open_runs: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the approver and the approved plan.

        Raises:
            ConfigurationError: the approver has no name, or approved no stored plan.
        """
        name = self.approved_by
        if name is not None and (self.source is None or not _is_name(name)):
            raise ConfigurationError(
                "the approval names no person, or no plan",
                f"give a name of up to {LONGEST_NAME} characters, and the plan",
            )
        is_stored = STORED_PLAN.fullmatch(self.source or "") is not None
        if self.approval is Approval.APPROVED and (name is None or not is_stored):
            raise ConfigurationError(
                "a flow executes only an approved plan that is stored, by its hash",
                "`rollcall plan --store` stores one and shows its hash",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open_runs.__exit__(kind, error, trace)

    def approver(self, plan: Plan) -> str | None:
        """The recorded approver of a plan; none where a flow finds an empty plan.

        Raises:
            ConfigurationError: there is no terminal, or the answer is no; nothing was changed.
        """
        by_command = self.approval in (Approval.COMMAND, Approval.UNATTENDED)
        if plan.is_empty and not by_command:
            return None
        notes = [] if self.source is None else [f"plan {self.source}"]
        if self.approval is Approval.UNATTENDED:
            notes.append("unattended")
        elif self.source is None and not by_command:
            notes.append(self._asked() if self.approval is Approval.ASK else self.approval.value)
        if self.approved_by is not None:
            notes.append(f"run by {getpass.getuser()}")
        return " ".join([self.approved_by or getpass.getuser(), *(f"({note})" for note in notes)])

    def outcome(
        self,
        run_id: str | None = None,
        *,
        before: Assessment | None = None,
        plan: Plan | None = None,
        migration: MigrationResult | None = None,
        cleaning: CleaningResult | None = None,
        verification: Verification | None = None,
        tripped: TrippedBreaker | None = None,
    ) -> RunOutcome:
        """What the steps found and did, as the value that every report is made from."""
        return RunOutcome(
            run_id=run_id,
            command=self.command,
            database=self.workspace.database.name,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            before=before,
            plan=plan,
            migration=migration,
            cleaning=cleaning,
            verification=verification,
            tripped=tripped,
        )

    def _asked(self) -> str:
        if not sys.stdin.isatty():
            raise ConfigurationError(
                "there is no terminal to ask for approval, so nothing was changed",
                "read `rollcall plan` and run again with --yes",
            )
        if not console.confirm("Execute this plan?"):
            raise ConfigurationError("the plan was not approved, so nothing was changed")
        return "asked"


def _is_name(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and len(text) <= LONGEST_NAME


@dataclass(frozen=True)
class Approved:
    """A plan that may be executed, and the run that holds the lease for it."""

    run: Run
    plan: Plan
