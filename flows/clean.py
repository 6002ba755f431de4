"""The scheduled clean-up: plan, approve, clean, verify. It never migrates."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import steps
from rollcall.errors import BreakerTripped, LeaseHeld
from rollcall.pipeline import Pipeline

__all__ = ["clean"]


@flow(name="rollcall-clean-up", **steps.UNATTENDED)
def clean() -> State[Any]:
    """Repair the sessions that need it; a report only when the verdict is a new one, or the proof fails."""
    with Pipeline.open("clean", "schedule") as pipeline:
        steps.plan(pipeline)
        try:
            steps.approve(pipeline)
        except LeaseHeld as held:
            return steps.left_to_another(held)
        except BreakerTripped as tripped:
            steps.summarise(pipeline)
            return steps.stopped_by_breaker(pipeline, tripped)
        steps.clean(pipeline)
        steps.verify(pipeline)
        steps.summarise(pipeline)
        if steps.alert(pipeline):
            steps.publish(pipeline)
        return steps.ended(pipeline)
