"""The whole pipeline: assess, plan, approve, migrate, clean, verify, report."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import steps
from rollcall.pipeline import Pipeline

__all__ = ["pipeline"]


@flow(name="rollcall-run", **steps.IN_MEMORY)
def pipeline(
    approval: str = "ask",
    history: bool = False,
    full_history: bool = False,
    plan: str | None = None,
) -> State[Any]:
    """Make one database ready, and prove it. Stops after assess where a person must act first."""
    with Pipeline.open("run", approval, history=history, full_history=full_history, plan=plan) as pipeline:
        steps.assess(pipeline)
        if pipeline.may_go_on:
            steps.plan(pipeline)
            steps.approve(pipeline)
            steps.migrate(pipeline)
            steps.clean(pipeline)
            steps.verify(pipeline)
        steps.publish(pipeline)
        steps.summarise(pipeline)
        return steps.ended(pipeline)
