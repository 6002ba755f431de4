"""Commands that only read: config, rules, history, docs and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli.options import (
    Json,
    Vars,
)
from rollcall.cli.output import (
    BLOCKED,
    print_json,
    quieten,
)
from rollcall.cli.shared import open_workspace


def history(
    limit: Annotated[int, typer.Option(help="How many runs, newest first.")] = 20,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show past runs: verdict, changes, new and resolved failures. Read-only."""
    from rollcall import console
    from rollcall.ledger.runs import past_runs
    from rollcall.ledger.trend import with_failures

    workspace = open_workspace(variables, as_json)
    runs = with_failures(workspace, past_runs(workspace, limit))
    if as_json:
        print_json(runs)
    else:
        console.show_history(runs)


def config(as_json: Json = False, variables: Vars = None) -> None:
    """Show each var, its value, and the source of the value. Needs no database."""
    from rollcall import console
    from rollcall.settings.configuration import load_settings

    quieten(as_json)
    settings = load_settings(variables, conninfo="")
    if as_json:
        print_json(settings.to_json())
    else:
        console.show_configuration(settings)


def rules(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Explain this rule.")] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """List the rules, or explain one: what it means, why it matters, what to do. Needs no database."""
    from rollcall import console
    from rollcall.rules.catalogue import described_rule, described_rules
    from rollcall.settings.configuration import load_settings

    quieten(as_json)
    settings = load_settings(variables, conninfo="")
    if name is not None:
        rule = described_rule(settings, name)
        print_json(rule.to_json()) if as_json else console.show_rule(rule)
        return
    listed = described_rules(settings)
    print_json([rule.to_json() for rule in listed]) if as_json else console.show_rules(listed)


def docs(
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the page here, not beside the reports."),
    ] = None,
    variables: Vars = None,
) -> None:
    """Write the views, their columns and their lineage as one page. Read-only."""
    from rollcall.process.files import replaced_file
    from rollcall.report.folder import LINEAGE

    workspace = open_workspace(variables, False)
    page = output or workspace.settings.reports_directory / LINEAGE
    text = workspace.project.documentation()
    with replaced_file(page) as file:
        file.write(text.encode())
    typer.echo(f"The models, their columns and their lineage: {page}")


def doctor(
    print_grants: Annotated[
        bool, typer.Option("--grants", help="Print the statements that make the roles, and nothing else.")
    ] = False,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Find what would stop a run, with the remedy of each problem. Read-only."""
    from rollcall import console
    from rollcall.steps.doctor.examination import examine
    from rollcall.steps.doctor.grants import grants

    workspace = open_workspace(variables, as_json)
    if print_grants:
        statements = grants(workspace)
        if as_json:
            print_json([grant.to_json() for grant in statements])
        else:
            console.show_grants(statements)
        return
    diagnosis = examine(workspace)
    if as_json:
        print_json(diagnosis.to_json())
    else:
        console.show_diagnosis(diagnosis)
    raise typer.Exit(BLOCKED if diagnosis.is_blocked else 0)
