"""The whole pipeline: assess, plan, approve, migrate, clean, verify, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks
from flows.pages import run_name
from rollcall.pipeline.job import Job
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, Verdict

__all__ = ["carry_out", "pipeline"]


@flow(name="rollcall-run", flow_run_name=run_name("run"), **tasks.IN_MEMORY)
def pipeline(
    approval: str = "ask",
    history: bool = False,
    full_history: bool = False,
    plan: str | None = None,
    approved_by: str | None = None,
) -> State[Any]:
    """Make one database ready, and prove it. Stops after assess on `NOT_READY`.

    Args:
        approval: how the plan is approved: `ask` at the terminal, or `yes`.
        history: judge closed sessions, calls and the views too.
        full_history: judge all of the history, and not only what changed since the last judgement of it.
        plan: the approved plan to execute: a file, or a stored plan's hash; none: what is pending.
        approved_by: the name of the person who approved the plan; it is recorded with the run.
    """
    with tasks.begin(
        "run",
        approval,
        plan=plan,
        approved_by=approved_by,
        history=history,
        full_history=full_history,
    ) as job:
        outcome, _ = carry_out(job)
        return tasks.ended(outcome)


def carry_out(job: Job) -> tuple[RunOutcome, Path]:
    """Take the steps of a run. Gives what they found, and the first page of the report."""
    before = tasks.assess(job)
    is_stopped = before.verdict is Verdict.NOT_READY
    outcome = job.outcome(before=before) if is_stopped else _execute(job, before)
    page = tasks.publish(job, outcome)
    tasks.summarise(job, outcome, page)
    return outcome, page


def _execute(job: Job, before: Assessment) -> RunOutcome:
    pending = tasks.plan(job)
    approved = tasks.approve(job, pending, before)
    migration = tasks.migrate(job, approved)
    cleaning = tasks.clean(job, approved)
    verification = tasks.verify(job, approved, before, migration)
    return job.outcome(
        approved.run.id,
        before=before,
        plan=pending,
        migration=migration,
        cleaning=cleaning,
        verification=verification,
    )
