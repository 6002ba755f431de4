"""The command that writes a configuration: init."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli.options import Json
from rollcall.cli.output import print_json, quieten, write_file
from rollcall.errors import ConfigurationError, EvaluationError

if TYPE_CHECKING:
    from rollcall.rules.results import Assessment
    from rollcall.settings.configuration import Settings

__all__ = ["init"]

FILE_NAME = "rollcall.yml"


def init(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")] = Path(FILE_NAME),
    yes: Annotated[bool, typer.Option("--yes", help="Take every proposal without a question.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Propose a configuration from the catalog, and assess with it. Read-only on the database."""
    from rollcall import console
    from rollcall.database.connections import Database
    from rollcall.settings.preset import FOLDER
    from rollcall.steps.init.proposing import propose

    quieten(as_json)
    if out.exists() and not force:
        raise ConfigurationError(
            f"{out} exists and was not changed", "give --force to replace it, or --out FILE"
        )
    if not yes and not sys.stdin.isatty():
        raise ConfigurationError(
            "there is no terminal to ask in, so nothing was written", "give --yes to take every proposal"
        )
    defaults = _defaults()
    database = Database.reach(defaults.conninfo)
    folders = (out.resolve().parent / FOLDER, defaults.project_directory / FOLDER)
    outcome = propose(database, defaults.variables, folders, _first if yes else _ask)
    write_file(out, outcome.text)
    assessment, problem = _assess(out)
    if as_json:
        print_json(
            {
                "file": str(out),
                "preset": outcome.preset,
                "found": outcome.found,
                "guessed": outcome.guessed,
                "to_decide": outcome.to_decide,
                "problem": problem,
                "assessment": assessment.to_json() if assessment else None,
            }
        )
        return
    console.show_proposal(str(out), outcome.preset, outcome.guessed, outcome.to_decide)
    if assessment is not None:
        console.show_assessment(assessment)
    else:
        console.show_error(problem)
    if outcome.to_decide:
        console.show_what_to_decide(str(out))


def _defaults() -> Settings:
    """The settings without any file, preset or var of the user."""
    from rollcall.settings.configuration import load_settings

    ignored = ("ROLLCALL_VARS", "ROLLCALL_PRESET")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    with tempfile.TemporaryDirectory() as empty:
        return load_settings(environment={**environment, "ROLLCALL_CONFIG": empty})


def _assess(out: Path) -> tuple[Assessment | None, str]:
    """What assess says under the written file; without an assessment the reason."""
    from rollcall.pipeline import steps
    from rollcall.pipeline.job import Approval, Job
    from rollcall.settings.configuration import load_settings
    from rollcall.workspace import Workspace

    environment = {**os.environ, "ROLLCALL_CONFIG": str(out.resolve())}
    try:
        workspace = Workspace(load_settings(environment=environment))
        return steps.assess(Job(workspace, "assess", Approval.COMMAND)), ""
    except (ConfigurationError, EvaluationError) as error:
        return None, error.text


def _first(question: str, answers: Sequence[str]) -> str:
    return answers[0]


def _ask(question: str, answers: Sequence[str]) -> str:
    """Let the user choose one of the answers; Enter takes the first."""
    typer.echo(f"{question}:")
    for position, answer in enumerate(answers, start=1):
        typer.echo(f"  {position}. {answer}")
    while True:
        number = int(typer.prompt("Number", default=1, type=int))
        if 1 <= number <= len(answers):
            return answers[number - 1]
