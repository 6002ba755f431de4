"""Commands that change something: migrate, clean, build, undo, run, detach, flags."""

from __future__ import annotations

from typing import Annotated

import typer

from rollcall.cli.options import (
    ApprovedBy,
    FullHistory,
    History,
    Json,
    PlanSource,
    Vars,
)
from rollcall.cli.output import (
    PARTLY_DONE,
    print_json,
    quieten,
)
from rollcall.cli.shared import execute_pipeline, open_job, open_workspace, user
from rollcall.errors import ConfigurationError


def migrate(
    plan: PlanSource = None,
    approved_by: ApprovedBy = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Execute the migration plan: additive changes of the schema."""
    from rollcall import console
    from rollcall.pipeline import steps
    from rollcall.steps.migrate.migration import refuse_conflicts

    with open_job("migrate", variables, as_json, source=plan, approved_by=approved_by) as job:
        refuse_conflicts(job.workspace)  # before the plan: a column of another type makes sessions unreadable
        result = steps.migrate(job, steps.approve(job, steps.plan(job)))
    if as_json:
        print_json(result.to_json())
    else:
        console.show_migration(result)
    if result.proof is not None and not result.proof.holds:
        raise typer.Exit(1)
    raise typer.Exit(PARTLY_DONE if result.skipped else 0)


def clean(
    plan: PlanSource = None,
    approved_by: ApprovedBy = None,
    unattended: Annotated[
        bool,
        typer.Option("--unattended", help="No person watches: arm the breaker, leave alone what was undone."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="With --unattended: judge again, prove the run, record the verdict."),
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Execute the clean-up plan, at once."""
    from rollcall import console
    from rollcall.pipeline import steps
    from rollcall.pipeline.job import Approval, Job
    from rollcall.settings.configuration import load_settings
    from rollcall.steps.clean.cleaning import refuse_read_only
    from rollcall.workspace import Workspace

    quieten(as_json)
    if verify and not unattended:
        raise ConfigurationError(
            "`clean --verify` belongs to --unattended",
            "without it, `rollcall verify --run RUN_ID` proves a run",
        )
    settings = load_settings(variables)
    if unattended and (verify or settings.alerts.channels):
        from rollcall.cli.unattended import clean_and_alert

        result = clean_and_alert(settings, plan, approved_by)
    else:
        approval = Approval.UNATTENDED if unattended else Approval.COMMAND
        with Job(Workspace(settings), "clean", approval, plan, approved_by=approved_by) as job:
            refuse_read_only(settings)
            result = steps.clean(job, steps.approve(job, steps.plan(job)))
    if as_json:
        print_json(result.to_json())
    else:
        console.show_cleaning(result)
    raise typer.Exit(0 if result.is_complete else PARTLY_DONE)


def build(
    full: Annotated[
        bool, typer.Option("--full", help="Build every day that the calls and the looks still reach.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Build the analysts' days and intervals: what changed since the last build."""
    from rollcall import console
    from rollcall.ledger.intervals import build as execute
    from rollcall.ledger.runs import open_run

    workspace = open_workspace(variables, as_json)
    with open_run(workspace, "build", user()) as run:
        result = execute(run, full=full)
    if as_json:
        print_json(result.to_json())
    else:
        console.show_build(result)


def undo(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run to undo; `history` lists them.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be restored.")] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Restore the rows of one clean-up that still hold its values."""
    from rollcall import console
    from rollcall.steps.undo import undo as restore

    workspace = open_workspace(variables, as_json)
    with console.progress("sessions") as progress:
        result = restore(workspace, run_id, dry_run=dry_run, approved_by=user(), progress=progress)
    if as_json:
        print_json(result.to_json())
    else:
        console.show_undo(result)
    raise typer.Exit(PARTLY_DONE if result.conflicts else 0)


def run(
    yes: Annotated[bool, typer.Option("--yes", help="Execute the plan without asking.")] = False,
    plan: PlanSource = None,
    approved_by: ApprovedBy = None,
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    variables: Vars = None,
) -> None:
    """Assess, plan, migrate, clean and verify, as one Prefect flow."""
    quieten(as_json)
    execute_pipeline(
        variables,
        "yes" if yes else "ask",
        history=history,
        full_history=full_history,
        as_json=as_json,
        plan=plan,
        approved_by=approved_by,
    )


def detach(
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Drop the ledger too: nothing can be undone any more.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Drop Rollcall's views, so that the application can change its tables.

    `run` makes them again."""
    from rollcall import console
    from rollcall.steps.detach import detach as execute

    result = execute(open_workspace(variables, as_json), user(), ledger=ledger)
    if as_json:
        print_json(result.to_json())
    else:
        console.show_detachment(result)


def flags(
    name: Annotated[str | None, typer.Argument(help="The flag to switch.")] = None,
    state: Annotated[str | None, typer.Argument(metavar="on|off", help="What to switch it to.")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; `history` shows it.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Switch on though the heartbeat feed is dead; needs --reason.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show the feature flags, or switch one; it takes effect at once."""
    from rollcall import console
    from rollcall.steps import flags as feature_flags

    if name is not None and state not in ("on", "off"):
        raise ConfigurationError("a flag is switched on or off", f"try `rollcall flags {name} on`")
    workspace = open_workspace(variables, as_json)
    if name is not None:
        recorded = feature_flags.switch(workspace, name, on=state == "on", reason=reason, force=force)
        if not recorded:
            console.show_error("switched, but this role may not record it, so `history` does not show it")
    shown = feature_flags.show(workspace)
    if as_json:
        print_json([flag.to_json() for flag in shown])
    else:
        console.show_flags(shown)
