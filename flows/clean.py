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
    with Pipeline.open("clean", "schedule") as line:
        steps.plan(line)
        try:
            steps.approve(line)
        except LeaseHeld as held:
            return steps.left_to_another(held)
        except BreakerTripped as tripped:
            steps.summarise(line)
            return steps.stopped_by_breaker(line, tripped)
        steps.clean(line)
        steps.verify(line)
        steps.summarise(line)
        if steps.alert(line):
            steps.publish(line)
        return steps.ended(line)
