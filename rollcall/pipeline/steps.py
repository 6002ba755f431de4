"""The steps, as functions of values; commands and flows say their order."""

from __future__ import annotations

from pathlib import Path

from rollcall import console
from rollcall.errors import BreakerTripped
from rollcall.ledger.intervals import Build, build_if_possible
from rollcall.ledger.pooler import refuse_pooler
from rollcall.ledger.presence import record_presence
from rollcall.ledger.runs import open_run, past_runs
from rollcall.pipeline.job import Approved, Job
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment
from rollcall.steps.assess import assessment
from rollcall.steps.assess.views import count_routable_agents
from rollcall.steps.batches.result import ProgressCallback
from rollcall.steps.clean import cleaning
from rollcall.steps.clean.breaker import check_breaker
from rollcall.steps.clean.cleaning import CleaningResult
from rollcall.steps.migrate import migration
from rollcall.steps.migrate.migration import MigrationResult
from rollcall.steps.plan.pending_work import Plan, make_plan
from rollcall.steps.plan.stored import read_plan, store_plan
from rollcall.steps.verify import Verification
from rollcall.steps.verify import verify as judge_and_prove

__all__ = [
    "approve",
    "assess",
    "build",
    "clean",
    "metrics",
    "migrate",
    "plan",
    "publish",
    "read_pending_work",
    "store",
    "verify",
    "verify_run",
]

RUNS_OF_METRICS = 200  # enough to find the last one of each command


def assess(job: Job) -> Assessment:
    """Judge the database. Reads only.

    Raises:
        see `rollcall.steps.assess.assessment.assess`.
    """
    return assessment.assess(
        job.workspace,
        history=job.history,
        full_history=job.full_history,
        details=job.details,
        samples=job.samples,
    )


def read_pending_work(job: Job) -> Plan:
    """Read what is still to be done. Reads only."""
    return make_plan(job.workspace)


def metrics(job: Job, judged: Assessment) -> str:
    """The metrics of a database, in Prometheus' text format. Reads only.

    Args:
        judged: with details.
    """
    from rollcall.report.metrics import metrics_text

    statements = judged.pending.statements if judged.pending else None
    routable = None if statements is None else count_routable_agents(job.workspace, statements)
    return metrics_text(judged, routable, past_runs(job.workspace, RUNS_OF_METRICS))


def store(job: Job, pending: Plan) -> None:
    """Keep a plan in the ledger, recorded as a run.

    Raises:
        see `rollcall.ledger.runs.open_run`.
    """
    with open_run(job.workspace, job.command, job.approver(pending)) as run:
        store_plan(run, pending)


def plan(job: Job) -> Plan:
    """Read the plan to execute: the approved one, or what is pending now. Reads only.

    Raises:
        Refused: a pooler in transaction mode would lose the lease, or the approved plan does not fit;
            see `read_plan`.
    """
    refuse_pooler(job.workspace)  # before a plan is shown that could not be executed
    return read_pending_work(job) if job.source is None else read_plan(job.workspace, job.source)


def approve(job: Job, pending: Plan, before: Assessment | None = None) -> Approved:
    """Get the approval, take the lease, and record the run, which ends with the job.

    An unattended run also records the presence of the open sessions.

    Args:
        before: the judgement to record with the run.

    Raises:
        ConfigurationError: there is no terminal to ask, or the answer is no; nothing was changed.
        LeaseHeld: another run is at work.
        BreakerTripped: nothing was changed; the run has ended, and is recorded as refused.
    """
    approver = job.approver(pending)
    run = job.open_runs.enter_context(open_run(job.workspace, job.command, approver))
    run.note(plan_hash=pending.hash, judged_at=pending.judged_at.isoformat())
    if before is not None:
        run.note(verdict_before=before.verdict.value)
        run.note_rules("before", before)
    if job.approval.is_unattended:
        run.note(unattended=True)
        try:
            check_breaker(job.workspace, pending)
        except BreakerTripped as tripped:
            job.open_runs.__exit__(type(tripped), tripped, tripped.__traceback__)
            raise BreakerTripped(tripped.message, tripped.hint, run.id) from None
        console.show_look(record_presence(run))  # before anything is repaired, and not in an outage
    return Approved(run, pending)


def migrate(job: Job, approved: Approved) -> MigrationResult:
    """Execute the plan's statements.

    Raises:
        see `rollcall.steps.migrate.migration.migrate`.
    """
    statements = approved.plan.statements
    return migration.migrate(job.workspace, approved.run, statements, console.show_statement)


def clean(job: Job, approved: Approved, also: ProgressCallback | None = None) -> CleaningResult:
    """Execute the plan's changes.

    Args:
        also: gets the progress, as the console does.

    Raises:
        see `rollcall.steps.clean.cleaning.clean`.
    """
    if approved.plan.change_count:
        console.show_clean_role(job.workspace.settings.clean_role)
    with console.progress("sessions", also) as progress:
        return cleaning.clean(
            job.workspace, approved.run, approved.plan, progress, unattended=job.approval.is_unattended
        )


def build(approved: Approved) -> Build:
    """Build the analysts' tables in the run; a failure is told in the result."""
    return build_if_possible(approved.run)


def verify(job: Job, run_id: str | None = None) -> Verification:
    """Judge now, and prove a past run. Reads only.

    Raises:
        see `rollcall.steps.verify.verify`.
    """
    return judge_and_prove(
        job.workspace, run_id, history=job.history, full_history=job.full_history, details=job.details
    )


def verify_run(job: Job, approved: Approved, done: MigrationResult | None = None) -> Verification:
    """Judge again at the plan's instant, prove this run, and record the judgement.

    Args:
        done: the run's migration; none where it does not migrate.
    """
    run = approved.run
    history = job.history or job.full_history
    verification = judge_and_prove(
        job.workspace,
        run.id,
        approved.plan.judged_at,
        history=history,
        # what was just read is not read again, but for views that were deployed only now
        full_history=history and done is not None and bool(done.executed),
        details=job.details,
    )
    run.note(verdict=verification.assessment.verdict.value)
    run.note_rules("after", verification.assessment)
    return verification


def publish(job: Job, outcome: RunOutcome) -> Path:
    """Write the report, with the data docs beside it. Gives its first page.

    Raises:
        ReportFailed: the folder of reports cannot be written.
    """
    from rollcall.report import folder

    return folder.publish(job.workspace.settings.reports_directory, outcome)
