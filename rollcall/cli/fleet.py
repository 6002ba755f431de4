"""The command for many databases: fleet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli.options import Json
from rollcall.cli.output import print_json, quieten


def fleet(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The databases, as YAML: docs/fleet.md.")],
    clean: Annotated[
        bool, typer.Option("--clean", help="Run the unattended clean-up of each before it is judged.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Judge this database; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the scorecard is; else in the state folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge many databases, each in a process of its own: one scorecard."""
    from rollcall.service.fleet import terminal
    from rollcall.service.fleet.entries import read_fleet
    from rollcall.service.fleet.run import look_at
    from rollcall.settings.configuration import state_directory

    quieten(as_json)
    databases = read_fleet(file)
    state = state_directory(os.environ).resolve()
    scorecard, page = look_at(
        databases,
        out or state / "fleet" / file.stem,
        state,
        only=set(only or ()),
        clean=clean,
        progress=terminal.show_standing,
    )
    if as_json:
        print_json(scorecard.to_json())
    else:
        terminal.show_scorecard(scorecard, page)
    raise typer.Exit(scorecard.exit_code)
