"""The command for monitoring: metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli.options import Vars
from rollcall.cli.shared import open_job


def metrics(
    textfile: Annotated[
        Path | None,
        typer.Option("--textfile", metavar="FILE", help="Write them for node_exporter, in one step."),
    ] = None,
    variables: Vars = None,
) -> None:
    """Print metrics for Prometheus: verdict, rules, sessions, runs. Read-only."""
    from rollcall.pipeline import steps
    from rollcall.process.files import replaced_file

    job = open_job("assess", variables, False, details=True)
    text = steps.metrics(job, steps.assess(job))
    if textfile is None:
        typer.echo(text, nl=False)
        return
    with replaced_file(textfile) as file:
        file.write(text.encode())
    if textfile.is_file():
        textfile.chmod(0o644)  # node_exporter runs as another user; it holds counts and names of rules
