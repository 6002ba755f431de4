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
from prefect import Flow, Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from flows import pages
from rollcall import console
from rollcall.database.connections import is_lost, reason_of
from rollcall.database.conninfo import Place, place_of
from rollcall.errors import BreakerTripped, ConnectionFailed, EvaluationError, LeaseHeld
from rollcall.ledger.intervals import Build
from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Approved, Job
from rollcall.process.files import private_files
from rollcall.report.markdown import markdown_summary
from rollcall.report.markdown_of_plan import plan_summary
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, TrippedBreaker, Verdict
from rollcall.rules.verdict import HEADLINES
from rollcall.service.alerts import alerting
from rollcall.service.alerts.events import event_of
from rollcall.settings.alerts import Kind
from rollcall.settings.configuration import Settings, load_settings
from rollcall.steps.clean.cleaning import CleaningResult
from rollcall.steps.migrate.migration import MigrationResult
from rollcall.steps.plan.pending_work import Plan
from rollcall.steps.verify import Verification
from rollcall.workspace import Workspace

__all__ = [
    "IN_MEMORY",
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
    "unattended",
    "verify",
]

P = ParamSpec("P")
R = TypeVar("R")


class _InMemory(TypedDict):
    persist_result: bool
    retries: int


class _Unattended(_InMemory):
    on_failure: list[Any]
    flow_run_name: Callable[[], str]
    timeout_seconds: float


def _show_failure(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    console.show_error(f"{flow.name} ({run.name}): {state.message}")


# Whatever the user's Prefect settings are: results are not written anywhere, changes not repeated.
IN_MEMORY: _InMemory = {"persist_result": False, "retries": 0}
LOST_CONNECTION_RETRIES = 3
LOST_CONNECTION_SECONDS = 20


def unattended(command: str, *, minutes: float) -> _Unattended:
    """The options of a flow that is deployed.

    Args:
        command: the first word of the name of its runs.
        minutes: its time-out; a run that takes longer is ended as a person would end it, with Ctrl-C.
    """
    return {
        **IN_MEMORY,
        "on_failure": [_show_failure],
        "flow_run_name": pages.run_name(command),
        "timeout_seconds": minutes * 60,
    }


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
        alerting.alerting_of_failures(
            settings, command, functools.partial(_send, settings), is_repeated=how.is_unattended
        )
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


def _is_lost(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed because the connection was lost, and nothing else."""
    return isinstance(state.result(raise_on_failure=False), ConnectionFailed)


def _task(step: Callable[P, R], retries: int = 0) -> Callable[P, R]:
    """Run a step as a task without parameters, so that Prefect reads no value."""

    @functools.wraps(step)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        @task(
            name=step.__name__,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=retries,
            retry_delay_seconds=LOST_CONNECTION_SECONDS,
            retry_condition_fn=_is_lost,
        )
        def run() -> R:
            try:
                return step(*arguments, **options)
            except psycopg.Error as error:
                # without the server's DETAIL, which may quote a row
                if is_lost(error):
                    raise ConnectionFailed(f"the connection was lost: {reason_of(error)}") from None
                raise EvaluationError(f"the database refused: {reason_of(error)}") from None

        return run()

    return call


def _reading_task(step: Callable[P, R]) -> Callable[P, R]:
    """Run a step that only reads as a task, which is tried again where the connection is lost."""
    return _task(step, LOST_CONNECTION_RETRIES)


@_reading_task
def assess(job: Job) -> Assessment:
    """Judge the database as it is."""
    console.step("Assess")
    found = steps.assess(job)
    console.show_assessment(found)
    return found


@_reading_task
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
        pages.show("plan", plan_summary(pending), _place(job))
        _send(job.workspace.settings, alerting.alert_of_ledger(job.workspace))
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
    with pages.progress(approved.plan.change_count, _place(job)) as progress:
        done = steps.clean(job, approved, progress)
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
def summarise(job: Job, outcome: RunOutcome, page: Path | None = None) -> None:
    """Keep the verdict and what was done with the flow run, as an artifact.

    Args:
        page: the first page of the report, if one was written.
    """
    report = alerting.address_of(job.workspace.settings.alerts, page) if page else None
    pages.show("readiness", markdown_summary(outcome, report), _place(job))


@_task
def alert(job: Job, outcome: RunOutcome, report: Callable[[], Path] | None = None) -> Path | None:
    """Send what the run found and what was not told yet.

    Args:
        report: gives the first page of the report; called only if there is news.

    Returns:
        That page, if there is one.
    """
    written: list[Path] = []
    alerted = alerting.alert(job.workspace, outcome, report and (lambda: _noted(report(), written)))
    _send(job.workspace.settings, alerted)
    for news in alerted.news:
        if news.kind is Kind.VERDICT:  # of the others the run itself, or its failure, has shown the text
            get_run_logger().warning(news.text)
            console.show_error(news.text)
    return next(iter(written), None)


def _noted(page: Path, written: list[Path]) -> Path:
    written.append(page)
    return page


def ended(outcome: RunOutcome) -> State[Any]:
    """The last state of a flow run, named after the verdict; `NOT_READY` is a failure.

    Raises:
        EvaluationError: the proof does not hold.
    """
    if outcome.failed_proof is not None:
        raise outcome.failed_proof
    verdict = outcome.judgement.verdict
    state = Failed if verdict is Verdict.NOT_READY else Completed
    return pages.named_after_its_state(
        state(name=verdict.value, message=" ".join(HEADLINES[verdict]), data=outcome)
    )


def proposed(pending: Plan) -> State[Any]:
    """The last state of a flow run that proposed a plan; its message has the plan's hash."""
    state: State[Any]
    if pending.is_empty:
        state = Completed(name="NOTHING_PENDING", message="Nothing is left to be done.")
    else:
        state = Completed(name="PLAN_WAITS", message=f"A plan waits for approval: {pending.hash}")
    return pages.named_after_its_state(state)


def left_to_another(held: LeaseHeld) -> State[Any]:
    """The last state of a flow run without the lease, which changed nothing."""
    console.show_error(held.message)
    return pages.named_after_its_state(Cancelled(name="LEASE_HELD", message=str(held)))


def refused(job: Job, tripped: BreakerTripped, pending: Plan, before: Assessment | None = None) -> RunOutcome:
    """The outcome of a run that the breaker stopped."""
    breaker = TrippedBreaker(tripped.run_id, datetime.now(UTC), str(tripped))
    return job.outcome(tripped.run_id, before=before, plan=pending, tripped=breaker)


def stopped_by_breaker(tripped: BreakerTripped) -> State[Any]:
    """The last state of a flow run that the breaker stopped."""
    return pages.named_after_its_state(Failed(name="BREAKER_TRIPPED", message=str(tripped)))


def _place(job: Job) -> Place:
    return place_of(job.workspace.settings.conninfo)


def _send(settings: Settings, alerted: alerting.Alerted) -> None:
    """Send an event about the database for each news item, for automations that alert."""
    resource = pages.resource_of(place_of(settings.conninfo))
    for event in map(event_of, alerted.news):
        emit_event(event.name, resource=resource, payload=event.payload)
