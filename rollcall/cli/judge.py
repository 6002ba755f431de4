"""Commands that judge: assess, plan, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli.options import (
    FailOnOption,
    FullHistory,
    History,
    Json,
    Junit,
    Markdown,
    Report,
    Samples,
    Vars,
)
from rollcall.cli.output import (
    exit_with_verdict,
    failure_line,
    print_json,
    write_reports,
)
from rollcall.cli.shared import open_job
from rollcall.rules.verdict import FailOn
from rollcall.steps.plan.tools import Tool


def assess(
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    junit: Junit = None,
    markdown: Markdown = None,
    report: Report = None,
    fail_on: FailOnOption = FailOn.CRITICAL,
    samples: Samples = 0,
    variables: Vars = None,
) -> None:
    """Judge the database: verdict, rules, failing sessions. Read-only."""
    from rollcall import console
    from rollcall.pipeline import steps
    from rollcall.report.failure import reports_of_failure

    with reports_of_failure("assess", junit, markdown, describe=failure_line):
        job = open_job(
            "assess",
            variables,
            as_json,
            history=history,
            full_history=full_history,
            details=report is not None,
            samples=samples,
        )
        assessment = steps.assess(job)
        if as_json:
            print_json(assessment.to_json())
        else:
            console.show_assessment(assessment)
        outcome = write_reports(job.workspace, "assess", assessment, junit, markdown, report, fail_on)
        if not as_json:
            console.show_next_steps(outcome)
    exit_with_verdict(assessment, fail_on)


def plan(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the plan, to approve and execute later."),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Store the plan in the ledger, to execute it by its hash.")
    ] = False,
    sql: Annotated[
        Path | None, typer.Option("--sql", metavar="FILE", help="Write the statements as a script for psql.")
    ] = None,
    export: Annotated[
        Tool | None,
        typer.Option(
            "--export",
            metavar="TOOL",
            help=f"Write a migration for the tool that owns the schema: {', '.join(Tool)}.",
        ),
    ] = None,
    export_folder: Annotated[
        Path | None,
        typer.Option("--export-folder", metavar="DIR", help="Where --export writes; else rollcall-TOOL."),
    ] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show every pending statement and row change. Read-only, except with `--store`."""
    from rollcall import console
    from rollcall.pipeline import steps
    from rollcall.process.files import replaced_file
    from rollcall.steps.plan.export import write_export
    from rollcall.steps.plan.script import script
    from rollcall.steps.plan.stored import write_plan

    if export_folder is not None and export is None:
        raise typer.BadParameter("--export-folder needs --export TOOL.")
    job = open_job("plan", variables, as_json)
    pending = steps.read_pending_work(job)
    if out is not None:
        write_plan(pending, out)
    if store:
        steps.store(job, pending)
        if job.workspace.settings.alerts.channels:
            from rollcall.service.alerts.alerting import alert_of_ledger

            alert_of_ledger(job.workspace)
    if sql is not None:
        with replaced_file(sql) as file:
            file.write(script(job.workspace, pending.statements, pending.database).encode())
    exported: list[Path] = []
    if export is not None:
        folder = export_folder or Path(f"rollcall-{export}")
        exported = write_export(job.workspace, pending.statements, pending.made_at, export, folder)
    if as_json:
        print_json(pending.to_json())
    else:
        console.show_plan(pending)
        console.show_files_of_plan(pending, out, sql)
        console.show_export(exported)


def verify(
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN_ID", help="Prove this run.")] = None,
    as_json: Json = False,
    history: History = False,
    full_history: FullHistory = False,
    junit: Junit = None,
    markdown: Markdown = None,
    report: Report = None,
    fail_on: FailOnOption = FailOn.CRITICAL,
    variables: Vars = None,
) -> None:
    """Judge again, and prove what a run changed and what it did not. Read-only."""
    from rollcall import console
    from rollcall.pipeline import steps
    from rollcall.report.failure import reports_of_failure

    with reports_of_failure("verify", junit, markdown, describe=failure_line):
        job = open_job(
            "verify",
            variables,
            as_json,
            history=history,
            full_history=full_history,
            details=report is not None,
        )
        verification = steps.verify(job, run_id)
        if as_json:
            print_json(verification.to_json())
        else:
            console.show_verification(verification)
        outcome = write_reports(
            job.workspace,
            "verify",
            verification.assessment,
            junit,
            markdown,
            report,
            fail_on,
            verification,
            run_id,
        )
        if not as_json:
            console.show_next_steps(outcome)
    if run_id is not None and not verification.holds:
        raise typer.Exit(1)
    exit_with_verdict(verification.assessment, fail_on)
