"""The nightly run: assess with the history, clean, verify, report, build. No migration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks
from rollcall.errors import BreakerTripped, LeaseHeld
from rollcall.pipeline.job import Job
from rollcall.report.outcome import RunOutcome

__all__ = ["nightly"]


@flow(name="rollcall-nightly", **tasks.unattended("nightly", minutes=240))
def nightly(full_history: bool = False) -> State[Any]:
    """Judge one database with its history, repair its sessions, report, and build the analysts' tables.

    Args:
        full_history: judge all of the history, and not only what changed since the last judgement of it.
    """
    with tasks.begin("clean", history=True, full_history=full_history) as job:
        before = tasks.assess(job)
        pending = tasks.plan(job)
        try:
            approved = tasks.approve(job, pending, before)
        except LeaseHeld as held:
            _report(job, job.outcome(before=before, plan=pending))  # it was judged all the same
            return tasks.left_to_another(held)
        except BreakerTripped as tripped:
            outcome = tasks.refused(job, tripped, pending, before)
            page = _report(job, outcome)
            tasks.alert(job, outcome, lambda: page)
            return tasks.stopped_by_breaker(tripped)
        cleaning = tasks.clean(job, approved)
        verification = tasks.verify(job, approved, before)
        outcome = job.outcome(
            approved.run.id, before=before, plan=pending, cleaning=cleaning, verification=verification
        )
        page = _report(job, outcome)
        tasks.alert(job, outcome, lambda: page)
        tasks.build(approved)
        return tasks.ended(outcome)


def _report(job: Job, outcome: RunOutcome) -> Path:
    page = tasks.publish(job, outcome)
    tasks.summarise(job, outcome, page)
    return page
