"""The steps of the pipeline as Prefect tasks, without cache and without retries.

What a step finds stays in this process's memory. Prefect records that it ran, how it ended, and
the summary: no row of the application, no parameter of the connection.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypedDict, TypeVar

import psycopg
from prefect import Flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from rollcall import console
from rollcall.alerts import alerting
from rollcall.alerts.events import event_of
from rollcall.clean.cleaning import CleaningResult
from rollcall.database.connections import reason_of
from rollcall.errors import BreakerTripped, EvaluationError, LeaseHeld
from rollcall.ledger.intervals import Build
from rollcall.migrate.migration import MigrationResult
from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Approved, Job
from rollcall.plan.pending_work import Plan
from rollcall.process import private_files
from rollcall.report.markdown import markdown_summary
from rollcall.report.markdown_of_plan import plan_summary
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, TrippedBreaker, Verdict
from rollcall.rules.verdict import HEADLINES
from rollcall.settings.alerts import Kind
from rollcall.settings.configuration import load_settings
from rollcall.verify import Verification
from rollcall.workspace import Workspace

__all__ = [
    "IN_MEMORY",
    "UNATTENDED",
    "alert",
    "approve",
    "assess",
    "begin",
    "build",
    "clean",
    "ended",
    "left_to_another",
    "migrate",
    "plan",
    "propose",
    "proposed",
    "publish",
    "refused",
    "stopped_by_breaker",
    "summarise",
    "verify",
]

P = ParamSpec("P")
R = TypeVar("R")


class _InMemory(TypedDict):
    persist_result: bool
    retries: int


class _Unattended(_InMemory):
    on_failure: list[Any]


def _show_failure(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    console.show_error(f"{flow.name} ({run.name}): {state.message}")


# Whatever the user's Prefect settings are: results are not written anywhere, changes not repeated.
IN_MEMORY: _InMemory = {"persist_result": False, "retries": 0}
UNATTENDED: _Unattended = {**IN_MEMORY, "on_failure": [_show_failure]}
ARTIFACT = "readiness"
PLAN_ARTIFACT = "plan"


@contextlib.contextmanager
def begin(
    command: str,
    approval: str = Approval.SCHEDULE,
    *,
    plan: str | None = None,
    approved_by: str | None = None,
    history: bool = False,
    full_history: bool = False,
    details: bool = True,
) -> Iterator[Job]:
    """A job on the configured database; its run ends with the block.

    The configuration is that of the environment alone: no flow takes a var as a parameter.

    Args:
        details: read what the charts of a report show as well.

    Raises:
        ConfigurationError, ConnectionFailed: see `load_settings` and `Workspace`.
    """
    settings, how = load_settings(), Approval(approval)
    failures = (
        alerting.alerting_of_failures(settings, command, _send, is_repeated=how.is_unattended)
        if how.sends_alerts
        else contextlib.nullcontext()
    )
    with private_files(), failures:
        job = Job(
            Workspace(settings),
            command,
            how,
            plan,
            history,
            full_history,
            details=details,
            approved_by=approved_by,
        )
        with job:
            yield job


def _task(step: Callable[P, R]) -> Callable[P, R]:
    """Run a step as a task without parameters, so that Prefect reads no value."""

    @functools.wraps(step)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        @task(name=step.__name__, cache_policy=NO_CACHE, **IN_MEMORY)
        def run() -> R:
            try:
                return step(*arguments, **options)
            except psycopg.Error as error:
                # without the server's DETAIL, which may quote a row
                raise EvaluationError(f"the database refused: {reason_of(error)}") from None

        return run()

    return call


@_task
def assess(job: Job) -> Assessment:
    """Judge the database as it is."""
    console.step("Assess")
    found = steps.assess(job)
    console.show_assessment(found)
    return found


@_task
def plan(job: Job) -> Plan:
    """Read the plan to execute."""
    console.step("Plan")
    pending = steps.plan(job)
    console.show_plan(pending)
    return pending


@_task
def propose(job: Job) -> Plan:
    """Read what is pending, and store it as a plan, unless nothing is."""
    console.step("Propose")
    pending = steps.read_pending_work(job)
    console.show_plan(pending)
    if not pending.is_empty:
        steps.store(job, pending)
        create_markdown_artifact(plan_summary(pending), PLAN_ARTIFACT, f"Database {pending.database}")
        _send(alerting.alert_of_ledger(job.workspace))
    return pending


@_task
def approve(job: Job, pending: Plan, before: Assessment | None = None) -> Approved:
    """Have the plan approved, and take the lease."""
    return steps.approve(job, pending, before)


@_task
def migrate(job: Job, approved: Approved) -> MigrationResult:
    """Execute the plan's statements."""
    console.step("Migrate")
    done = steps.migrate(job, approved)
    console.show_migration(done)
    return done


@_task
def clean(job: Job, approved: Approved) -> CleaningResult:
    """Execute the plan's changes."""
    console.step("Clean")
    done = steps.clean(job, approved)
    console.show_cleaning(done)
    return done


@_task
def build(approved: Approved) -> Build:
    """Build the analysts' days and intervals."""
    console.step("Build")
    done = steps.build(approved)
    console.show_build(done)
    return done


@_task
def verify(
    job: Job, approved: Approved, before: Assessment | None = None, done: MigrationResult | None = None
) -> Verification:
    """Judge again, and prove what changed."""
    console.step("Verify")
    verification = steps.verify_run(job, approved, done)
    console.show_verification(verification, before)
    return verification


@_task
def publish(job: Job, outcome: RunOutcome) -> Path:
    """Write the report, and show where it is."""
    page = steps.publish(job, outcome)
    console.show_report(page)
    return page


@_task
def summarise(outcome: RunOutcome) -> None:
    """Keep the verdict and what was done with the flow run, as an artifact."""
    create_markdown_artifact(markdown_summary(outcome), ARTIFACT, f"Database {outcome.database}")


@_task
def alert(job: Job, outcome: RunOutcome, report: Callable[[], Path] | None = None) -> None:
    """Send what the run found and what was not told yet.

    Args:
        report: gives the first page of the report; called only if there is news.
    """
    alerted = alerting.alert(job.workspace, outcome, report)
    _send(alerted)
    for news in alerted.news:
        if news.kind is Kind.VERDICT:  # of the others the run itself, or its failure, has shown the text
            get_run_logger().warning(news.text)
            console.show_error(news.text)


def ended(outcome: RunOutcome) -> State[Any]:
    """The last state of a flow run, named after the verdict; `NOT_READY` is a failure.

    Raises:
        EvaluationError: the proof does not hold.
    """
    if outcome.failed_proof is not None:
        raise outcome.failed_proof
    verdict = outcome.judgement.verdict
    state = Failed if verdict is Verdict.NOT_READY else Completed
    return state(name=verdict.value, message=" ".join(HEADLINES[verdict]), data=outcome)


def proposed(pending: Plan) -> State[Any]:
    """The last state of a flow run that proposed a plan; its message has the plan's hash."""
    if pending.is_empty:
        return Completed(name="NOTHING_PENDING", message="Nothing is left to be done.")
    return Completed(name="PLAN_WAITS", message=f"A plan waits for approval: {pending.hash}")


def left_to_another(held: LeaseHeld) -> State[Any]:
    """The last state of a flow run without the lease, which changed nothing."""
    console.show_error(held.message)
    return Cancelled(name="LEASE_HELD", message=str(held))


def refused(job: Job, tripped: BreakerTripped, pending: Plan, before: Assessment | None = None) -> RunOutcome:
    """The outcome of a run that the breaker stopped."""
    breaker = TrippedBreaker(tripped.run_id, datetime.now(UTC), str(tripped))
    return job.outcome(tripped.run_id, before=before, plan=pending, tripped=breaker)


def stopped_by_breaker(tripped: BreakerTripped) -> State[Any]:
    """The last state of a flow run that the breaker stopped."""
    return Failed(name="BREAKER_TRIPPED", message=str(tripped))


def _send(alerted: alerting.Alerted) -> None:
    """Send an event about the database for each news item, for automations that alert."""
    name = alerted.database
    for event in map(event_of, alerted.news):
        emit_event(
            event.name,
            resource={"prefect.resource.id": f"rollcall.database.{name}", "prefect.resource.name": name},
            payload=event.payload,
        )
