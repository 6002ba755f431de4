"""Assess and report, at any time: it only reads."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks

__all__ = ["assess"]


@flow(name="rollcall-assess", **tasks.unattended("assess", minutes=240))
def assess(history: bool = True, full_history: bool = False) -> State[Any]:
    """Judge one database and publish the report. Changes nothing.

    Args:
        history: judge closed sessions, calls and the views too.
        full_history: judge all of the history, and not only what changed since the last judgement of it.
    """
    with tasks.begin("assess", history=history, full_history=full_history) as job:
        outcome = job.outcome(before=tasks.assess(job))
        page = tasks.publish(job, outcome)
        tasks.summarise(job, outcome, page)
        tasks.alert(job, outcome, lambda: page)
        return tasks.ended(outcome)
