"""What several commands do before and around a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.cli.output import exit_with_verdict, print_json, quieten

if TYPE_CHECKING:
    from rollcall.plan.pending_work import Plan
    from rollcall.workspace import Workspace

__all__ = ["approved_plan", "execute_pipeline", "open_workspace", "user"]


def open_workspace(variables: str | None, as_json: bool) -> Workspace:
    from rollcall.settings.configuration import load_settings
    from rollcall.workspace import Workspace

    quieten(as_json)
    return Workspace(load_settings(variables))


def approved_plan(workspace: Workspace, source: str | None) -> Plan:
    """The plan that was approved, or what is pending now, to be executed."""
    from rollcall.ledger.pooler import refuse_pooler
    from rollcall.plan.pending_work import make_plan
    from rollcall.plan.stored import read_plan

    refuse_pooler(workspace)  # before a plan is made that could not be executed
    return make_plan(workspace) if source is None else read_plan(workspace, source)


def user(plan: str | None = None) -> str:
    """Who says that it may be done; plan: the plan that says so."""
    import getpass

    return getpass.getuser() + (f" (plan {plan})" if plan else "")


def execute_pipeline(
    variables: str | None,
    approval: str,
    *,
    history: bool,
    full_history: bool = False,
    as_json: bool,
    plan: str | None = None,
) -> None:
    from rollcall.scheduling import run_pipeline

    done = run_pipeline(variables, approval, history=history, full_history=full_history, plan=plan)
    if as_json:
        print_json(done.to_json())
    assert done.latest is not None, "a pipeline begins with assess"
    exit_with_verdict(done.latest)
