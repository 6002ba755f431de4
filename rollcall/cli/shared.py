"""What several commands share: the workspace, the job, the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.cli.output import exit_with_verdict, print_json, quieten

if TYPE_CHECKING:
    from rollcall.pipeline.job import Job
    from rollcall.workspace import Workspace

__all__ = ["execute_pipeline", "open_job", "open_workspace", "user"]


def open_workspace(variables: str | None, as_json: bool) -> Workspace:
    from rollcall.settings.configuration import load_settings
    from rollcall.workspace import Workspace

    quieten(as_json)
    return Workspace(load_settings(variables))


def open_job(command: str, variables: str | None, as_json: bool, **options: Any) -> Job:
    """A job approved by the command itself. options: further fields of `Job`."""
    from rollcall.pipeline.job import Approval, Job

    return Job(open_workspace(variables, as_json), command, Approval.COMMAND, **options)


def user() -> str:
    """The account that approves what the command does."""
    import getpass

    return getpass.getuser()


def execute_pipeline(
    variables: str | None,
    approval: str,
    *,
    history: bool,
    full_history: bool = False,
    as_json: bool,
    plan: str | None = None,
    approved_by: str | None = None,
) -> None:
    from rollcall.service.scheduling import run_pipeline

    done = run_pipeline(
        variables, approval, history=history, full_history=full_history, plan=plan, approved_by=approved_by
    )
    if as_json:
        print_json(done.to_json())
    exit_with_verdict(done.judgement)
