"""Every night: assess with the history, clean, verify, and the report of it all. It never migrates."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import steps
from rollcall.errors import BreakerTripped, LeaseHeld
from rollcall.pipeline import Pipeline

__all__ = ["nightly"]


@flow(name="rollcall-nightly", **steps.UNATTENDED)
def nightly(full_history: bool = False) -> State[Any]:
    """Judge one database with its history, repair the sessions that need it, and report."""
    with Pipeline.open("clean", "schedule", history=True, full_history=full_history) as line:
        steps.assess(line)
        steps.plan(line)
        try:
            steps.approve(line)
        except LeaseHeld as held:
            steps.publish(line)  # it was judged all the same
            steps.summarise(line)
            return steps.left_to_another(held)
        except BreakerTripped as tripped:
            steps.publish(line)
            steps.summarise(line)
            steps.alert(line)
            return steps.stopped_by_breaker(line, tripped)
        steps.clean(line)
        steps.verify(line)
        steps.publish(line)
        steps.summarise(line)
        steps.alert(line)
        return steps.ended(line)
