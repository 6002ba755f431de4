"""Execute a stored plan that a person has approved: assess, migrate, clean, verify, report, alert."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import tasks
from flows.pipeline import carry_out
from rollcall.errors import LeaseHeld

__all__ = ["apply_approved_plan"]


@flow(name="rollcall-apply-approved-plan", **tasks.unattended("apply", minutes=720))
def apply_approved_plan(plan_hash: str, approved_by: str) -> State[Any]:
    """Execute just the approved plan, or refuse it: it expired, or the schema has drifted.

    Args:
        plan_hash: the hash under which the plan is stored; the flow `rollcall-propose` sends it.
        approved_by: the name of the person who approved the plan; it is recorded with the run.
    """
    with tasks.begin("run", "approved", plan=plan_hash, approved_by=approved_by) as job:
        try:
            outcome, page = carry_out(job)
        except LeaseHeld as held:
            return tasks.left_to_another(held)
        tasks.alert(job, outcome, lambda: page)
        return tasks.ended(outcome)
