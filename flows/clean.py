"""The scheduled clean-up: plan, approve, clean, verify. It never migrates."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks
from rollcall.errors import BreakerTripped, LeaseHeld

__all__ = ["clean"]


@flow(name="rollcall-clean-up", **tasks.unattended("clean", minutes=30))
def clean() -> State[Any]:
    """Repair the sessions that need it. A report is published with an alert only."""
    with tasks.begin("clean", details=False) as job:  # every few minutes: a report without charts
        pending = tasks.plan(job)
        try:
            approved = tasks.approve(job, pending)
        except LeaseHeld as held:
            return tasks.left_to_another(held)
        except BreakerTripped as tripped:
            outcome = tasks.refused(job, tripped, pending)
            tasks.summarise(job, outcome, tasks.alert(job, outcome))
            return tasks.stopped_by_breaker(tripped)
        cleaning = tasks.clean(job, approved)
        verification = tasks.verify(job, approved)
        outcome = job.outcome(approved.run.id, plan=pending, cleaning=cleaning, verification=verification)
        page = tasks.alert(job, outcome, lambda: tasks.publish(job, outcome))
        tasks.summarise(job, outcome, page)
        return tasks.ended(outcome)
