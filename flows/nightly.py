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
    with Pipeline.open("clean", "schedule", history=True, full_history=full_history) as pipeline:
        steps.assess(pipeline)
        steps.plan(pipeline)
        try:
            steps.approve(pipeline)
        except LeaseHeld as held:
            steps.publish(pipeline)  # it was judged all the same
            steps.summarise(pipeline)
            return steps.left_to_another(held)
        except BreakerTripped as tripped:
            steps.publish(pipeline)
            steps.summarise(pipeline)
            steps.alert(pipeline)
            return steps.stopped_by_breaker(pipeline, tripped)
        steps.clean(pipeline)
        steps.verify(pipeline)
        steps.publish(pipeline)
        steps.summarise(pipeline)
        steps.alert(pipeline)
        return steps.ended(pipeline)
