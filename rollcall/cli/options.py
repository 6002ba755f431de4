"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollcall.rules.verdict import FailOn

__all__ = [
    "ApprovedBy",
    "FailOnOption",
    "FullHistory",
    "History",
    "Json",
    "Junit",
    "Markdown",
    "PlanSource",
    "Report",
    "Samples",
    "Vars",
]

Samples = Annotated[
    int,
    typer.Option(
        "--samples",
        metavar="N",
        min=0,
        max=100,
        help="Show values of the application's data too: of the first N rows that violate each rule.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Vars = Annotated[str | None, typer.Option("--vars", metavar="YAML", help="Override vars of dbt_project.yml.")]
PlanSource = Annotated[
    str | None,
    typer.Option("--plan", metavar="FILE", help="Execute just this plan: a file, or a stored plan's hash."),
]
ApprovedBy = Annotated[
    str | None,
    typer.Option("--approved-by", metavar="NAME", help="With --plan: the person who approved it; recorded."),
]
History = Annotated[
    bool,
    typer.Option("--history", help="Judge closed sessions, calls and the views too: what has changed."),
]
FullHistory = Annotated[
    bool, typer.Option("--full-history", help="The same, all of it, whatever was judged before.")
]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write a Markdown summary.")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write the readiness report here.")
]
FailOnOption = Annotated[
    FailOn,
    typer.Option("--fail-on", help="From which severity on the exit code is not 0; warnings alone give 13."),
]
