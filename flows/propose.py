"""Propose a plan: plan, store, publish, alert. A person approves it later."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks
from rollcall.errors import LeaseHeld

__all__ = ["propose"]


@flow(name="rollcall-propose", **tasks.unattended("propose", minutes=60))
def propose() -> State[Any]:
    """Store what is pending as a plan, and send its hash. Changes nothing of the application."""
    with tasks.begin("plan") as job:
        try:
            return tasks.proposed(tasks.propose(job))
        except LeaseHeld as held:
            return tasks.left_to_another(held)
