"""Assess and report, at any time: it only reads."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import steps
from rollcall.pipeline import Pipeline

__all__ = ["assess"]


@flow(name="rollcall-assess", **steps.UNATTENDED)
def assess(history: bool = True, full_history: bool = False) -> State[Any]:
    """Judge one database and publish the report. Changes nothing."""
    with Pipeline.open("assess", "schedule", history=history, full_history=full_history) as pipeline:
        steps.assess(pipeline)
        steps.publish(pipeline)
        steps.summarise(pipeline)
        steps.alert(pipeline)
        return steps.ended(pipeline)
